//! What makes an archive of a file that has been full: named steps, one system call each.
//!
//! The order is that of 0.76, so a directory left after any step is one that 0.76 and our own recovery
//! both know; what is added is that the directory is synced after naming. No name is given before the
//! contents it promises are on disk.

use crate::disk::{File, For, Processor};
use crate::failure::{Failure, What};
use crate::format::{Code, MODE_COMPLETE, MODE_PRIVATE, NEWSTATE, PREVIOUS, PROCESSED};
use crate::write::archives::Excess;
use crate::write::current::Current;
use crate::write::locked_dir::LockedDir;
use crate::write::processor::{self, Outcome, Patience};
use crate::write::replace::{self, Replacing};
use std::sync::Arc;

/// The next thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// fsync of `previous`.
    SyncPrevious,
    /// `previous` is complete.
    MarkPrevious,
    /// The processor turns `previous` into `processed`.
    RunProcessor,
    /// The processor ends.
    AwaitProcessor,
    /// The logger has to end, and `processed` goes: it may be marked already.
    RemoveOutput,
    /// fsync of the directory, or else a power cut could bring `processed` back beside what is named.
    SyncRemoved,
    /// fsync of `processed`.
    SyncProcessed,
    /// fsync of `newstate`.
    SyncNewstate,
    /// fsync of the directory, which has to know `previous` before `processed` can take its place.
    SyncNames,
    /// `processed` is complete and takes the place of `previous`.
    MarkProcessed,
    /// fsync of that mark.
    SyncMark,
    /// `previous` goes.
    RemovePrevious,
    /// fsync of the directory before `processed` is an archive: recovery takes a `previous` beside such a
    /// `processed` for a later file.
    SyncPreviousGone,
    /// `newstate` becomes `state`.
    KeepState,
    /// The finished file gets its name.
    Publish,
    /// fsync of the directory, which has to know the archive before it forgets the working name.
    SyncDirectory,
    /// What the processor made takes the place of the unfinished archive.
    Replace(Replacing),
    /// The finished file loses its working name.
    RemoveFinished,
    /// fsync of the directory after `processed` was removed: a power cut must not bring it back beside the
    /// next `previous`, for which recovery would take it.
    SyncForgotten,
    /// The oldest archives go.
    Prune,
    /// There is an archive, and nothing is left to do.
    Done,
}

/// A file on its way to being an archive.
#[derive(Debug)]
pub struct Finishing {
    step: Step,
    /// `previous`, as it was held open while it was `current`, until it is marked.
    previous: Option<Arc<Current>>,
    /// The processor that runs.
    running: Option<Processor>,
    processed: Option<File>,
    /// The working name of what will be published, and how it ended.
    finished: (&'static [u8], Code),
    /// The archive made of it.
    archive: Option<Vec<u8>>,
    waits: Waits,
}

/// Whether a file has waited for its processor since an earlier run, as an archive with `.u`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    No,
    Waited,
}

impl Finishing {
    /// Begins with `previous`, which nobody writes any more.
    pub fn new(previous: Arc<Current>) -> Finishing {
        Finishing {
            step: Step::SyncPrevious,
            previous: Some(previous),
            running: None,
            processed: None,
            finished: (PREVIOUS, Code::Safe),
            archive: None,
            waits: Waits::No,
        }
    }

    /// Begins with an archive of an earlier run that waits for its processor.
    pub fn of_waiting(waiting: File, name: Vec<u8>) -> Finishing {
        Finishing {
            step: Step::RunProcessor,
            archive: Some(name),
            waits: Waits::Waited,
            ..Finishing::new(Current::of_earlier_run(waiting))
        }
    }

    /// Begins with a `previous` that nobody knows anything of: it gets its name and no more.
    pub fn of_left_over(previous: File) -> Finishing {
        let finished = (PREVIOUS, Code::Unfinished);
        Finishing {
            step: Step::Publish,
            finished,
            ..Finishing::new(Current::of_earlier_run(previous))
        }
    }

    /// What will be done next.
    pub fn step(&self) -> Step {
        self.step
    }

    /// Does the next step. A step that fails is the next step again, unless its work has to be done again.
    /// A processor that still runs is waited for, or it is the next step again.
    pub fn advance(&mut self, place: &LockedDir, patience: Patience) -> Result<(), Failure> {
        self.step = match self.step {
            Step::SyncPrevious => self.sync_previous(place),
            Step::MarkPrevious => self.mark_previous(place)?,
            Step::RunProcessor => self.run_processor(place)?,
            Step::AwaitProcessor => self.await_processor(place, patience)?,
            Step::RemoveOutput => {
                place.remove(PROCESSED)?;
                Step::SyncRemoved
            }
            Step::SyncRemoved => {
                place.confirm_names()?;
                if self.waits == Waits::Waited { Step::Done } else { Step::Publish }
            }
            Step::SyncProcessed => self.sync_processed(place)?,
            Step::SyncNewstate => self.sync_newstate(place)?,
            Step::SyncNames => {
                place.confirm_names()?;
                Step::MarkProcessed
            }
            Step::MarkProcessed => self.mark_processed(place)?,
            Step::SyncMark => self.sync_mark(place)?,
            Step::RemovePrevious => {
                place.remove(PREVIOUS)?;
                Step::SyncPreviousGone
            }
            Step::SyncPreviousGone => {
                place.confirm_names()?;
                Step::KeepState
            }
            Step::KeepState => {
                replace::keep_state(place)?;
                self.finished = (PROCESSED, Code::Safe);
                Step::Publish
            }
            Step::Publish => {
                let (file, code) = self.finished;
                self.archive = place.archives().publish(place, file, code)?;
                Step::SyncDirectory
            }
            Step::SyncDirectory => {
                place.confirm_names()?;
                if self.waits == Waits::No { Step::RemoveFinished } else { Step::Prune }
            }
            Step::Replace(replacing) => self.replace(replacing, place)?,
            Step::RemoveFinished => {
                place.remove(self.finished.0)?;
                if self.finished.0 == PROCESSED { Step::SyncForgotten } else { Step::Prune }
            }
            Step::SyncForgotten => {
                place.confirm_names()?;
                Step::Prune
            }
            Step::Prune => {
                place.archives().prune(place, self.archive.as_deref(), Excess::Any)?;
                Step::Done
            }
            Step::Done => Step::Done,
        };
        Ok(())
    }

    fn run_processor(&mut self, place: &LockedDir) -> Result<Step, Failure> {
        self.running = processor::start(place, self.input())?;
        Ok(match self.running {
            Some(_) => Step::AwaitProcessor,
            None => self.leave_for_next_start(),
        })
    }

    fn await_processor(&mut self, place: &LockedDir, patience: Patience) -> Result<Step, Failure> {
        let Some(running) = &mut self.running else { return Ok(Step::RunProcessor) };
        let outcome = processor::outcome(place, running, patience);
        if outcome == Ok(None) {
            return Ok(Step::AwaitProcessor);
        }
        self.running = None;
        self.step = Step::RunProcessor;
        Ok(match outcome? {
            Some(Outcome::Stopped) => self.leave_for_next_start(),
            Some(Outcome::Succeeded) | None => Step::SyncProcessed,
        })
    }

    /// A failed fsync is not tried again: the kernel may have dropped what it could not write, and
    /// would now answer that all is well. The archive then says that it is not whole.
    fn sync_previous(&mut self, place: &LockedDir) -> Step {
        match self.previous.as_ref().map_or(Ok(()), |previous| previous.sync_rest()) {
            Ok(()) => {
                place.contents_unsynced.forget();
                Step::MarkPrevious
            }
            Err(errno) => {
                let failure = place.failure(What::Sync, PREVIOUS, errno);
                place.note(&failure);
                if place.contents_unsynced.is_news() {
                    place.report_failed(failure);
                }
                self.previous = None;
                self.finished = (PREVIOUS, Code::Unfinished);
                Step::Publish
            }
        }
    }

    fn mark_previous(&mut self, place: &LockedDir) -> Result<Step, Failure> {
        let marked = self.previous.as_ref().map_or(Ok(()), |file| file.set_mode(MODE_COMPLETE));
        marked.map_err(|errno| place.failure(What::SetMode, PREVIOUS, errno))?;
        self.previous = None;
        Ok(if place.spec.processor.is_some() { Step::RunProcessor } else { Step::Publish })
    }

    fn sync_processed(&mut self, place: &LockedDir) -> Result<Step, Failure> {
        self.processed = Some(self.sync_output(place, PROCESSED)?);
        Ok(Step::SyncNewstate)
    }

    fn sync_newstate(&mut self, place: &LockedDir) -> Result<Step, Failure> {
        self.sync_output(place, NEWSTATE)?;
        Ok(match self.waits {
            Waits::Waited => Step::Replace(Replacing::SyncNames),
            Waits::No => Step::SyncNames,
        })
    }

    /// Syncs what the processor wrote, and makes it if the processor removed it (0.76 does). Where
    /// that fails the processor has to write it again.
    fn sync_output(&mut self, place: &LockedDir, name: &[u8]) -> Result<File, Failure> {
        let opened = place.dir.open(name, For::Appending(MODE_PRIVATE));
        let output = opened.map_err(|errno| place.failure(What::Create, name, errno))?;
        output.sync().map_err(|errno| {
            self.step = Step::RunProcessor;
            place.failure(What::Sync, name, errno)
        })?;
        Ok(output)
    }

    fn mark_processed(&mut self, place: &LockedDir) -> Result<Step, Failure> {
        if let Some(processed) = &self.processed {
            let marked = processed.set_mode(MODE_COMPLETE);
            marked.map_err(|errno| place.failure(What::SetMode, PROCESSED, errno))?;
        }
        Ok(Step::SyncMark)
    }

    fn replace(&mut self, replacing: Replacing, place: &LockedDir) -> Result<Step, Failure> {
        let (Some(processed), Some(unfinished)) = (&self.processed, &self.archive) else {
            return Ok(Step::Done);
        };
        let next = replacing.advance(place, processed, unfinished)?;
        if next.is_none() {
            // It may be the oldest, and then it goes.
            self.archive = None;
            place.archives().forget();
        }
        Ok(next.map_or(Step::SyncDirectory, Step::Replace))
    }

    /// The logger has to end. The file is whole, and is named `.u`: by both the next start knows that it
    /// waits. 0.76, which may come next, leaves it as it is.
    fn leave_for_next_start(&mut self) -> Step {
        self.finished = (PREVIOUS, Code::Unfinished);
        Step::RemoveOutput
    }

    /// What the processor reads.
    fn input(&self) -> &[u8] {
        match (self.waits, &self.archive) {
            (Waits::Waited, Some(archive)) => archive,
            (Waits::Waited | Waits::No, _) => PREVIOUS,
        }
    }

    /// Without its mark on disk, recovery would throw `processed` away after a power cut.
    fn sync_mark(&mut self, place: &LockedDir) -> Result<Step, Failure> {
        self.sync_output(place, PROCESSED)?;
        Ok(Step::RemovePrevious)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Dir;
    use crate::format::{CURRENT, MODE_PARTIAL, archive_key};
    use crate::pause::PAUSE;
    use crate::settings::Settings;
    use crate::wake::Wake;
    use crate::write::{Closed, LogDir};
    use std::fs;
    use std::path::{Path, PathBuf};

    fn spec(processor: Option<&str>) -> Settings {
        Settings { processor: processor.map(Into::into), ..Settings::default() }
    }

    /// A directory in the middle of a rotation: `previous` is full, `current` is new.
    fn rotated(dir: &Path, processor: Option<&str>) -> (LockedDir, File) {
        let start = Dir::start().unwrap();
        let place = LockedDir::open(
            &start,
            dir.as_os_str(),
            &spec(processor),
            &crate::event::told::reporter(),
        )
        .unwrap();
        let append = |name: &str, text: &str| {
            fs::write(dir.join(name), text).unwrap();
            let file = place.dir.open(name.as_bytes(), For::Appending(MODE_PARTIAL)).unwrap();
            file.set_mode(MODE_PARTIAL).unwrap();
            file
        };
        let previous = append("previous", "1\n2\n");
        append("current", "3\n");
        append("state", "");
        (place, previous)
    }

    /// Everything in the directory, oldest first.
    fn contents(dir: &Path) -> String {
        let mut names: Vec<PathBuf> =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.retain(|path| {
            let name = path.file_name().unwrap().as_encoded_bytes();
            archive_key(name).is_some() || name == CURRENT
        });
        names.sort();
        names.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
    }

    /// Stops after so many steps as a crash would, opens the directory again and compares what is
    /// there. Tells whether there were that many steps.
    fn check_crash_after(step_count: usize, processor: Option<&str>) -> bool {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("d");
        let (place, previous) = rotated(&dir, processor);
        let mut finishing = Finishing::new(Current::of_earlier_run(previous));
        for _ in 0..step_count {
            finishing.advance(&place, Patience::Waits).unwrap();
        }
        let last = finishing.step();
        drop((finishing, place));
        let start = Dir::start().unwrap();
        let mut log = LogDir::open(
            &start,
            dir.as_os_str(),
            &spec(processor),
            &Wake::new().unwrap(),
            &crate::event::told::reporter(),
        )
        .unwrap();
        log.append(b"4\n");
        let closed = loop {
            match log.close() {
                Some(closed) => break closed,
                None => log.worker.wait(PAUSE),
            }
        };
        assert_eq!(closed, Closed::Clean);
        assert_eq!(contents(&dir), "1\n2\n3\n4\n", "a crash before {last:?}");
        let left =
            [PREVIOUS, PROCESSED, NEWSTATE].map(|name| dir.join(str::from_utf8(name).unwrap()));
        assert!(!left.iter().any(|path| path.exists()), "a crash before {last:?}");
        last != Step::Done
    }

    /// One test for both: a fork for the processor of one would hold the lock of the other for a
    /// moment.
    #[test]
    fn a_crash_after_any_step_loses_and_doubles_nothing() {
        let _alone = crate::faults::alone();
        assert_eq!((0..).take_while(|&count| check_crash_after(count, None)).count(), 6);
        let copy = Some("cat; echo seen >&5");
        assert_eq!((0..).take_while(|&count| check_crash_after(count, copy)).count(), 17);
    }
}
