//! Running a processor over `previous`, and stopping it when the logger has to end.
//!
//! It gets new files each time and is run again, from the same input and state, until it exits with 0.
//! What becomes of its output is decided in `finish.rs`.

use crate::disk::{File, For, Processor};
use crate::failure::{Failure, What, errno_of};
use crate::format::{MODE_PARTIAL, NEWSTATE, PROCESSED, STATE};
use crate::sys::spawn::ProcessorFiles;
use crate::write::locked_dir::LockedDir;
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes that fit on a disk unless it is full: those of a block of most file systems.
const BLOCK_LEN: usize = 4096;

/// How a run came out that need not be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It exited with 0.
    Succeeded,
    /// The logger has to end, and does not wait for it.
    Stopped,
}

/// The processors of a directory, one after the other: for whoever runs them, and for whoever stops them.
#[derive(Debug, Default)]
pub struct Processors(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The last signal that was to make an end of them. None is started any more.
    stopped_by: Option<Signal>,
    /// The process group of the one that runs.
    group: Option<Pid>,
}

impl Processors {
    /// Sends a signal to the one that runs and to its children, and sees to it that no other is started.
    pub fn stop(&self, signal: Signal) {
        let mut state = self.lock();
        state.stopped_by = Some(signal);
        state.pass_on();
    }

    /// Whether none is started any more.
    pub fn are_stopped(&self) -> bool {
        self.lock().stopped_by.is_some()
    }

    /// Whether one goes on although it was killed: it waits in the kernel.
    pub fn are_stuck(&self) -> bool {
        let state = self.lock();
        state.stopped_by == Some(Signal::SIGKILL) && state.group.is_some()
    }

    fn begin(&self, group: Option<Pid>) {
        let mut state = self.lock();
        state.group = group;
        // It was being started while the others were stopped.
        state.pass_on();
    }

    fn end(&self) {
        self.lock().group = None;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pass_on(&self) {
        if let (Some(group), Some(signal)) = (self.group, self.stopped_by) {
            // It fails where nobody is left.
            let _ = killpg(group, signal);
        }
    }
}

/// Whether a caller can wait for a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// It waits until the processor has ended.
    Waits,
    /// It looks, and goes on with something else.
    Looks,
}

/// Starts the processor over the file `input`. None if the logger has to end and no processor is started any more.
pub fn start(place: &LockedDir, input: &[u8]) -> Result<Option<Processor>, Failure> {
    if place.processors.are_stopped() {
        return Ok(None);
    }
    let command = place.spec.processor.as_deref().unwrap_or(OsStr::new(""));
    let files = ProcessorFiles {
        previous: open(place, input, For::Reading, What::Read)?.into(),
        processed: create(place, PROCESSED)?.into(),
        state: open_state(place)?.into(),
        newstate: create(place, NEWSTATE)?.into(),
    };
    let running = place
        .dir
        .start_processor(command, files)
        .map_err(|error| place.failure_here(What::Fork, errno_of(&error)))?;
    place.processors.begin(running.group());
    Ok(Some(running))
}

/// How a processor that was started came out. None if it still runs and the caller only looks.
pub fn outcome(
    place: &LockedDir,
    running: &mut Processor,
    patience: Patience,
) -> Result<Option<Outcome>, Failure> {
    let over = match patience {
        Patience::Waits => running.wait(),
        Patience::Looks => match running.has_ended() {
            Ok(false) => return Ok(None),
            over => over.map(drop),
        },
    };
    // Before it is reaped: then its number may be that of another process.
    place.processors.end();
    let status = over
        .and_then(|()| running.reap())
        .map_err(|error| place.failure_here(What::Wait, errno_of(&error)))?;
    if status.success() {
        return Ok(Some(Outcome::Succeeded));
    }
    // It may have filled the disk, which `current` needs too.
    let is_disk_full = place.spec.number_min.is_some() && is_disk_full(place);
    let _ = place.dir.remove(PROCESSED);
    if place.processors.are_stopped() {
        let _ = place.dir.remove(NEWSTATE);
        return Ok(Some(Outcome::Stopped));
    }
    let signal =
        status.signal().map(|number| Signal::try_from(number).map_or("a signal", Signal::as_str));
    let failure = Failure::of_processor(place.name(), signal);
    Err(if is_disk_full { failure.of_disk() } else { failure })
}

/// Whether there is no room behind the output of a processor that failed; it goes in any case.
fn is_disk_full(place: &LockedDir) -> bool {
    let output = place.dir.open(PROCESSED, For::Appending(MODE_PARTIAL));
    match output.and_then(|output| output.write(&[0; BLOCK_LEN])) {
        Ok(written) => written < BLOCK_LEN,
        Err(errno) => matches!(errno, Errno::ENOSPC | Errno::EDQUOT),
    }
}

fn open(place: &LockedDir, name: &[u8], purpose: For, what: What) -> Result<File, Failure> {
    place.dir.open(name, purpose).map_err(|errno| place.failure(what, name, errno))
}

/// An empty file that the processor fills. It is always a new one: what has the name may carry the bit
/// that says complete, or be an archive too.
fn create(place: &LockedDir, name: &[u8]) -> Result<File, Failure> {
    place.remove(name)?;
    let file = open(place, name, For::Replacing(MODE_PARTIAL), What::Create)?;
    file.set_mode(MODE_PARTIAL).map_err(|errno| place.failure(What::SetMode, name, errno))?;
    Ok(file)
}

/// `state`, made if somebody removed it; 0.76 cannot run its processor then, for ever.
fn open_state(place: &LockedDir) -> Result<File, Failure> {
    match place.dir.open(STATE, For::Reading) {
        Ok(file) => Ok(file),
        Err(Errno::ENOENT) => {
            create(place, STATE)?;
            open(place, STATE, For::Reading, What::Read)
        }
        Err(errno) => Err(place.failure(What::Read, STATE, errno)),
    }
}
