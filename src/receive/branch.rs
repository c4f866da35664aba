//! One script with its open sinks: lines in, and the answer which of them are on disk.

use super::queue::Queue;
use crate::logger::sink::OpenSinks;
use crate::logger::stamps::Stamps;
use ::logdir::disk::Dir;
use ::logdir::label::Label;
use ::logdir::settings::LOCK_PATIENCE;
use ::logdir::wake::Wake;
use ::logdir::write::Closed;
use nix::sys::signal::Signal;
use script::Script;
use script::buffers::Buffers;
use script::lines::{BLOCK_MAX, Lines};
use std::ffi::OsString;
use std::time::{Duration, Instant, SystemTime};

/// After directories could not be opened again for [`LOCK_PATIENCE`], the next try waits this long.
const REOPEN_EVERY: Duration = Duration::from_secs(5);
/// Before that they are tried this often: a processor that is being started may hold a copy of a lock.
const REOPEN_SOON: Duration = Duration::from_millis(50);

/// Time between two looks if directories are closed.
const CLOSE_LOOK_EVERY: Duration = Duration::from_millis(50);

/// Parses the arguments of a script.
///
/// # Errors
/// A text that says what is wrong.
pub fn parse(arguments: &[OsString]) -> Result<Script, String> {
    script::parse(arguments).map(|(script, _)| script).map_err(|bad| bad.to_string())
}

/// Lines, patterns and log directories.
#[derive(Debug)]
pub struct Branch {
    arguments: Vec<OsString>,
    /// A failed fsync: it hands on no line until its directories are closed and open again.
    is_reopening: bool,
    rest: Rest,
    /// Tries to open them that failed.
    reopening: Option<Reopening>,
    lines: Lines,
    stamps: Stamps,
    sinks: OpenSinks,
    /// Complete lines that the sinks have not taken yet.
    queue: Queue,
    /// Lines taken so far: the ticket of the last one.
    taken: u64,
    /// Last ticket whose line the sinks have.
    handed_on: u64,
    /// Tickets up to this one are on disk, contents and names.
    durable: u64,
    /// Somebody waits until this ticket is on disk.
    required: u64,
    /// Sync under way: the position that each log directory must reach, and the ticket that this covers.
    syncing: Option<(Vec<u64>, u64)>,
    /// When the sync under way began.
    sync_began: Instant,
    last_sync: Option<Sync>,
    /// Since when a sink fails or is stuck.
    trouble_since: Option<Instant>,
}

/// Directories that cannot be opened again.
#[derive(Clone, Copy, Debug)]
struct Reopening {
    /// When the first try failed.
    began: Instant,
    /// Time of the next one.
    due: Instant,
}

/// When directories are opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Before the loop: a lock of another process is waited for.
    AtStart,
    /// In the loop, which never sleeps: a locked directory is an error at once.
    InLoop,
}

/// A sync of lines that somebody waited for.
#[derive(Clone, Copy, Debug)]
pub struct Sync {
    /// When it was over.
    pub at: SystemTime,
    /// How long it took.
    pub took: Duration,
}

/// Directories of a quiet branch are closed while others need the open files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Open,
    Closing,
    Closed,
}

impl Branch {
    /// Opens what the script names.
    ///
    /// # Errors
    /// A text that says what could not be done: the script is wrong, or a file or a directory cannot be opened.
    pub fn open(
        start: &Dir,
        arguments: Vec<OsString>,
        opening: Opening,
        wake: &Wake,
    ) -> Result<Branch, String> {
        let script = parse(&arguments)?;
        let patience = match opening {
            Opening::AtStart => LOCK_PATIENCE,
            Opening::InLoop => Duration::ZERO,
        };
        let reporter = crate::message::reporter();
        let opened = OpenSinks::open(start, &script, Buffers::Usual, patience, wake, &reporter);
        let sinks =
            opened.map_err(|failure| String::from_utf8_lossy(&failure.text("")).into_owned())?;
        Ok(Branch {
            arguments,
            is_reopening: false,
            rest: Rest::Open,
            reopening: None,
            lines: Lines::new(&script),
            stamps: Stamps::new(script.stamp),
            sinks,
            queue: Queue::default(),
            taken: 0,
            handed_on: 0,
            durable: 0,
            required: 0,
            syncing: None,
            sync_began: Instant::now(),
            last_sync: None,
            trouble_since: None,
        })
    }

    /// True if its directories are open.
    pub fn is_open(&self) -> bool {
        self.rest != Rest::Closed
    }

    /// True if nothing is to be done with its directories.
    pub fn is_idle(&self) -> bool {
        self.rest == Rest::Open
            && !self.is_reopening
            && self.queue.is_empty()
            && self.syncing.is_none()
            && self.required <= self.durable
    }

    /// Closes the directories of an idle branch until its next line.
    pub fn rest(&mut self) {
        self.rest = Rest::Closing;
    }

    /// Opens the directories again if they were closed and a line waits for them.
    pub fn end_rest(&mut self, start: &Dir, wake: &Wake, now: Instant) {
        if self.rest != Rest::Closed || self.queue.is_empty() {
            return;
        }
        if let Some(opened) = self.open_again(start, wake, now) {
            self.sinks = opened.sinks;
            self.rest = Rest::Open;
        }
    }

    /// Opens the directories again, if it is time for a try.
    fn open_again(&mut self, start: &Dir, wake: &Wake, now: Instant) -> Option<Branch> {
        if self.reopening.is_some_and(|reopening| now < reopening.due) {
            return None;
        }
        match Branch::open(start, self.arguments.clone(), Opening::InLoop, wake) {
            Ok(opened) => {
                self.reopening = None;
                Some(opened)
            }
            Err(why) => {
                let began = self.reopening.map_or(now, |reopening| reopening.began);
                let is_early = now < began + LOCK_PATIENCE;
                let due = now + if is_early { REOPEN_SOON } else { REOPEN_EVERY };
                self.reopening = Some(Reopening { began, due });
                self.trouble_since = self.trouble_since.or(Some(now));
                if !is_early {
                    crate::message::warn(format!("{why}; trying again").as_bytes());
                }
                None
            }
        }
    }

    fn continue_closing(&mut self) {
        if let Some(closed) = self.sinks.close() {
            self.rest = Rest::Closed;
            self.sinks = OpenSinks::none(&crate::message::reporter());
            if closed == Closed::Clean {
                self.durable = self.handed_on;
            }
        }
    }

    /// The last sync that somebody waited for.
    pub fn last_sync(&self) -> Option<Sync> {
        self.last_sync
    }

    /// Lines that wait.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Frees memory that is not in use.
    pub fn free_unused(&mut self) {
        self.queue.free_unused();
    }

    /// After a failed fsync: closes the directories, and opens them again as soon as they are closed. Tickets
    /// begin anew; nobody may wait for one.
    pub fn reopen(&mut self, start: &Dir, wake: &Wake, now: Instant) {
        self.is_reopening = true;
        self.end_line();
        if self.queue.begun_line_len() > 0 || self.sinks.close().is_none() {
            return;
        }
        // They still have the locks.
        self.sinks = OpenSinks::none(&crate::message::reporter());
        if let Some(mut branch) = self.open_again(start, wake, now) {
            branch.queue = std::mem::take(&mut self.queue);
            branch.taken = branch.queue.line_count();
            *self = branch;
        }
    }

    /// Takes a line with its newline. Returns its ticket.
    pub fn put(&mut self, line: &[u8], received: Label) -> u64 {
        self.queue.push(line, received);
        self.taken += 1;
        self.taken
    }

    /// The ticket of the last line.
    #[cfg(feature = "kafka")]
    pub fn last(&self) -> u64 {
        self.taken
    }

    /// Asks that this ticket gets on disk soon. One sync serves all tickets that were given before it began.
    pub fn require(&mut self, ticket: u64) {
        self.required = self.required.max(ticket);
    }

    /// The ticket up to which all lines are on disk, contents and names.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// Hands lines to the sinks as far as they have room, and continues their work.
    pub fn advance(&mut self, now: Instant) {
        match self.rest {
            Rest::Open => {}
            Rest::Closing => return self.continue_closing(),
            Rest::Closed => return,
        }
        if !self.is_reopening {
            self.hand_on(usize::MAX);
            self.sinks.flush();
            self.continue_sync();
        }
        let is_in_trouble = self.has_lost() || self.sinks.are_in_trouble();
        self.trouble_since = is_in_trouble.then(|| self.trouble_since.unwrap_or(now));
    }

    /// Hands on at most this many bytes.
    fn hand_on(&mut self, len_max: usize) {
        let mut left_len = len_max;
        while left_len > 0
            && self.sinks.have_room()
            && let Some((received, bytes)) = self.queue.front()
        {
            self.stamps.set_clock(received);
            let block = &bytes[..bytes.len().min(BLOCK_MAX).min(left_len)];
            let taken = self.stamps.take(&mut self.lines, block, &mut self.sinks);
            if taken == 0 {
                break;
            }
            left_len -= taken;
            self.handed_on += self.queue.consume(taken);
        }
    }

    /// Hands on the rest of a line of which the sinks have the beginning.
    fn end_line(&mut self) {
        self.hand_on(self.queue.begun_line_len());
    }

    fn continue_sync(&mut self) {
        let may_begin = self.syncing.is_none() && self.sinks.hold_nothing();
        if may_begin && self.required > self.durable && self.handed_on > self.durable {
            self.syncing = Some((self.sinks.request_sync(), self.handed_on));
            self.sync_began = Instant::now();
            self.sinks.flush();
        }
        if let Some((positions, ticket)) = &self.syncing
            && self.sinks.are_durable(positions)
        {
            self.durable = *ticket;
            self.syncing = None;
            self.last_sync = Some(Sync { at: SystemTime::now(), took: self.sync_began.elapsed() });
        }
    }

    /// True from a failed fsync, which keeps lines from ever being known to be on disk, until all is open again.
    pub fn has_lost(&self) -> bool {
        self.is_reopening || self.is_open() && self.sinks.have_lost()
    }

    /// Since when a sink fails or is stuck.
    pub fn trouble_since(&self) -> Option<Instant> {
        self.trouble_since
    }

    /// Time of the next retry or timer.
    pub fn deadline(&self) -> Option<Instant> {
        let sinks = match self.rest {
            Rest::Open => self.sinks.deadline(),
            Rest::Closing => Some(Instant::now() + CLOSE_LOOK_EVERY),
            Rest::Closed => None,
        };
        let reopening = self.reopening.map(|reopening| reopening.due);
        sinks.into_iter().chain(reopening).min()
    }

    /// Ends every current.
    pub fn rotate(&mut self) {
        if self.rest == Rest::Open {
            self.sinks.rotate();
        }
    }

    /// Signals running processors and starts no others.
    pub fn stop_processors(&self, signal: Signal) {
        if self.is_open() {
            self.sinks.stop_processors(signal);
        }
    }

    /// Prints the state of its directories.
    pub fn report(&mut self) {
        if !self.is_open() {
            return;
        }
        let counts = self.lines.counts().to_vec();
        self.sinks.report(&counts);
    }

    /// Continues closing. The result after everything is closed.
    pub fn close(&mut self) -> Option<Closed> {
        match self.rest {
            Rest::Closed => return self.queue.is_empty().then_some(Closed::Clean),
            // Lines that have arrived meanwhile need open directories again.
            Rest::Closing => {
                self.continue_closing();
                return None;
            }
            Rest::Open => {}
        }
        if !self.is_reopening {
            self.hand_on(usize::MAX);
        }
        if self.queue.is_empty() { self.sinks.close() } else { None }
    }

    /// Exits at once: reports lines that are lost.
    pub fn give_up(&mut self) {
        if !self.queue.is_empty() {
            crate::message::give_up(b"received lines", &self.queue.to_bytes());
        }
        if self.is_open() {
            self.sinks.give_up();
        }
    }
}
