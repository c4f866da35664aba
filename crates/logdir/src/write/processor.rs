//! Runs a processor over `previous`, and stops it when the logger exits.
//!
//! Every run gets new output files, and runs repeat from the unchanged input and state until exit
//! status 0. `finish.rs` decides about the output.

use crate::disk::{File, For, Processor};
use crate::failure::{Failure, What, errno_of};
use crate::format::{MODE_PARTIAL, NEWSTATE, PROCESSED, STATE};
use crate::write::locked_dir::LockedDir;
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Fits on a disk unless full: the block size of most file systems, in bytes.
const BLOCK_LEN: usize = 4096;

/// Results without a retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Exit status 0.
    Succeeded,
    /// The logger is exiting and does not wait.
    Stopped,
}

/// Current processor of a directory, shared by the thread running it and the caller stopping it.
#[derive(Debug, Default)]
pub struct Processors(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Last signal sent to stop processors. After it none starts.
    stopped_by: Option<Signal>,
    /// Process group of the running processor.
    group: Option<Pid>,
}

impl Processors {
    /// Signals the running processor's process group, and prevents further starts.
    pub fn stop(&self, signal: Signal) {
        let mut state = self.lock();
        state.stopped_by = Some(signal);
        state.pass_on();
    }

    pub fn are_stopped(&self) -> bool {
        self.lock().stopped_by.is_some()
    }

    /// Whether a processor still runs after SIGKILL, blocked in the kernel.
    pub fn are_stuck(&self) -> bool {
        let state = self.lock();
        state.stopped_by == Some(Signal::SIGKILL) && state.group.is_some()
    }

    fn begin(&self, group: Option<Pid>) {
        let mut state = self.lock();
        state.group = group;
        // The stop signal may have arrived during the start.
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
            // Fails after the last process of the group has exited.
            let _ = killpg(group, signal);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Blocks until the processor exits.
    Waits,
    /// Checks without blocking.
    Looks,
}

/// Starts the processor on `input`. `None` after `stop`.
pub fn start(place: &LockedDir, input: &[u8]) -> Result<Option<Processor>, Failure> {
    if place.processors.are_stopped() {
        return Ok(None);
    }
    let command = place.spec.processor.as_deref().unwrap_or(OsStr::new(""));
    // One after the other, so that one free descriptor is enough.
    open(place, input, For::Reading, What::Read)?;
    create(place, PROCESSED)?;
    open_state(place)?;
    create(place, NEWSTATE)?;
    let running = place
        .dir
        .start_processor(command, input)
        .map_err(|error| place.failure_here(What::Fork, errno_of(&error)))?;
    place.processors.begin(running.group());
    Ok(Some(running))
}

/// Result of a started processor. `None` if still running under [`Patience::Looks`].
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
    // Before reaping: afterwards another process may get this process ID.
    place.processors.end();
    let status = over
        .and_then(|()| running.reap())
        .map_err(|error| place.failure_here(What::Wait, errno_of(&error)))?;
    if status.success() {
        return Ok(Some(Outcome::Succeeded));
    }
    // The processor may have filled the disk, which `current` needs too.
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

/// Whether a failed processor's output hit a full disk. The output is removed later in any case.
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

/// Creates an empty output file. An existing file is removed first: it may carry the complete bit,
/// or also be an archive.
fn create(place: &LockedDir, name: &[u8]) -> Result<File, Failure> {
    place.remove(name)?;
    let file = open(place, name, For::Replacing(MODE_PARTIAL), What::Create)?;
    file.set_mode(MODE_PARTIAL).map_err(|errno| place.failure(What::SetMode, name, errno))?;
    Ok(file)
}

/// Opens `state`, creating it if another program removed it; 0.76 then fails to run its processor
/// for ever.
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
