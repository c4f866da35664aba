//! Makes an archive from a full file: named steps, one system call each.
//!
//! The steps follow the order of 0.76, so 0.76 and our own recovery both understand a directory
//! left after any step; we add a directory sync after naming. Contents are on disk before a name
//! promises them.

use crate::disk::{File, For, Processor};
use crate::failure::{Failure, What};
use crate::format::{Code, MODE_COMPLETE, MODE_PRIVATE, NEWSTATE, PREVIOUS, PROCESSED};
use crate::write::archives::Excess;
use crate::write::current::Current;
use crate::write::locked_dir::LockedDir;
use crate::write::processor::{self, Outcome, Patience};
use crate::write::replace::{self, Replacing};
use std::sync::Arc;

/// The next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// fsync of `previous`.
    SyncPrevious,
    /// Sets the complete mode.
    MarkPrevious,
    /// Starts the processor: `previous` to `processed`.
    RunProcessor,
    /// Waits for the processor.
    AwaitProcessor,
    /// Removes `processed`, possibly already marked, because the logger is exiting.
    RemoveOutput,
    /// Syncs the directory: a power cut could otherwise restore `processed` beside the named file.
    SyncRemoved,
    /// fsync of `newstate`.
    SyncNewstate,
    /// fsync of `processed`, which stays open until it is marked.
    SyncProcessed,
    /// Syncs the directory: `previous` must be on disk before `processed` replaces it.
    SyncNames,
    /// Marks `processed` complete; it replaces `previous`.
    MarkProcessed,
    /// fsync of the new mode.
    SyncMark,
    /// Removes `previous`.
    RemovePrevious,
    /// Syncs the directory before `processed` becomes an archive: recovery takes a `previous`
    /// beside such a `processed` for a later file.
    SyncPreviousGone,
    /// Renames `newstate` to `state`.
    KeepState,
    /// Links the archive name.
    Publish,
    /// Syncs the directory: the archive name must be on disk before the working name is removed.
    SyncDirectory,
    /// Replaces an unfinished archive with the processor's output.
    Replace(Replacing),
    /// Removes the working name.
    RemoveFinished,
    /// Syncs the directory after removing `processed`: after a power cut it must not reappear
    /// beside the next `previous`, because recovery would take it for the output of that file.
    SyncForgotten,
    /// Removes the oldest archives.
    Prune,
    Done,
}

/// A full file becoming an archive.
#[derive(Debug)]
pub struct Finishing {
    step: Step,
    /// `previous`, open since it was `current`, until marked.
    previous: Option<Arc<Current>>,
    /// Running processor.
    running: Option<Processor>,
    processed: Option<File>,
    /// Working name to publish, and its code.
    finished: (&'static [u8], Code),
    /// Archive name, after publishing.
    archive: Option<Vec<u8>>,
    waits: Waits,
}

/// Whether the file is a `.u` archive of an earlier run waiting for its processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    No,
    Waited,
}

impl Finishing {
    /// Starts with `previous`, after its last write.
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

    /// Starts with an earlier run's archive waiting for its processor.
    pub fn of_waiting(waiting: File, name: Vec<u8>) -> Finishing {
        Finishing {
            step: Step::RunProcessor,
            archive: Some(name),
            waits: Waits::Waited,
            ..Finishing::new(Current::of_earlier_run(waiting))
        }
    }

    /// Starts with an unknown `previous`, which is only renamed to an archive.
    pub fn of_left_over(previous: File) -> Finishing {
        let finished = (PREVIOUS, Code::Unfinished);
        Finishing {
            step: Step::Publish,
            finished,
            ..Finishing::new(Current::of_earlier_run(previous))
        }
    }

    pub fn step(&self) -> Step {
        self.step
    }

    /// Performs the next step. A failed step is repeated, or an earlier step if its work is void.
    /// With a running processor, either waits or returns with the step unchanged, as `patience`
    /// says.
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
            Step::SyncNewstate => self.sync_newstate(place)?,
            Step::SyncProcessed => self.sync_processed(place)?,
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
            Some(Outcome::Succeeded) | None => Step::SyncNewstate,
        })
    }

    /// A failed fsync is not retried: the kernel may have dropped unwritten data, and the next
    /// fsync would succeed. The archive gets the code for an unfinished file.
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

    fn sync_newstate(&mut self, place: &LockedDir) -> Result<Step, Failure> {
        let newstate = self.open_output(place, NEWSTATE)?;
        self.sync_output(place, NEWSTATE, &newstate)?;
        Ok(Step::SyncProcessed)
    }

    fn sync_processed(&mut self, place: &LockedDir) -> Result<Step, Failure> {
        let processed = self.open_output(place, PROCESSED)?;
        self.sync_output(place, PROCESSED, &processed)?;
        self.processed = Some(processed);
        Ok(match self.waits {
            Waits::Waited => Step::Replace(Replacing::SyncNames),
            Waits::No => Step::SyncNames,
        })
    }

    /// Opens the processor's output, creating it if the processor removed it (as 0.76 does).
    fn open_output(&self, place: &LockedDir, name: &[u8]) -> Result<File, Failure> {
        let opened = place.dir.open(name, For::Appending(MODE_PRIVATE));
        opened.map_err(|errno| place.failure(What::Create, name, errno))
    }

    /// Syncs the processor's output. After a failed sync the processor has to run again.
    fn sync_output(
        &mut self,
        place: &LockedDir,
        name: &[u8],
        output: &File,
    ) -> Result<(), Failure> {
        output.sync().map_err(|errno| {
            self.step = Step::RunProcessor;
            place.failure(What::Sync, name, errno)
        })
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
        if replacing == Replacing::Rename && replace::is_taken(place, unfinished)? {
            self.processed = None;
            return Ok(Step::RemoveOutput);
        }
        let next = replacing.advance(place, processed, unfinished)?;
        if next.is_none() {
            self.processed = None;
            // The archive may be the oldest; pruning may remove it.
            self.archive = None;
            place.archives().forget();
        }
        Ok(next.map_or(Step::SyncDirectory, Step::Replace))
    }

    /// Leaves the file for the next start because the logger is exiting. The complete mode and the
    /// name `.u` together mean a waiting file. A later 0.76 leaves it alone.
    fn leave_for_next_start(&mut self) -> Step {
        self.finished = (PREVIOUS, Code::Unfinished);
        Step::RemoveOutput
    }

    /// Processor input file.
    fn input(&self) -> &[u8] {
        match (self.waits, &self.archive) {
            (Waits::Waited, Some(archive)) => archive,
            (Waits::Waited | Waits::No, _) => PREVIOUS,
        }
    }

    /// Without the mark on disk, recovery would discard `processed` after a power cut.
    fn sync_mark(&mut self, place: &LockedDir) -> Result<Step, Failure> {
        if let Some(processed) = self.processed.take() {
            self.sync_output(place, PROCESSED, &processed)?;
        }
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

    /// A directory in the middle of a rotation: `previous` full, `current` new.
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

    /// Logged contents, oldest first.
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

    /// Stops after `step_count` steps like a crash, opens the directory again and compares
    /// contents. False after the last step.
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

    /// A single test for both cases: a fork for a processor would briefly inherit the other case's
    /// lock.
    #[test]
    fn a_crash_after_any_step_loses_and_doubles_nothing() {
        let _alone = crate::faults::alone();
        assert_eq!((0..).take_while(|&count| check_crash_after(count, None)).count(), 6);
        let copy = Some("cat; echo seen >&5");
        assert_eq!((0..).take_while(|&count| check_crash_after(count, copy)).count(), 17);
    }
}
