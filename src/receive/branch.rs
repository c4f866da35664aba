//! One script with its open sinks: lines in, and the answer which of them are on disk.

use crate::logger::sink::OpenSinks;
use crate::logger::stamps::Stamps;
use ::logdir::clock;
use ::logdir::disk::Dir;
use ::logdir::wake::Wake;
use ::logdir::write::Closed;
use script::Script;
use script::lines::{BLOCK_MAX, Lines};
use std::ffi::OsString;
use std::time::Instant;

/// Bytes of lines that wait for room in the sinks; a longer line may exceed it.
const PENDING_MAX: usize = 256 * 1024;

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
    /// A failed fsync: it takes no line until its directories are closed and open again.
    is_reopening: bool,
    lines: Lines,
    stamps: Stamps,
    sinks: OpenSinks,
    /// Complete lines that the sinks have not taken yet.
    pending: Vec<u8>,
    /// Lines taken so far: the ticket of the last one.
    taken: u64,
    /// Tickets up to this one are on disk, contents and names.
    durable: u64,
    /// Somebody waits until this ticket is on disk.
    required: u64,
    /// Sync under way: the position that each log directory must reach, and the ticket that this covers.
    syncing: Option<(Vec<u64>, u64)>,
}

impl Branch {
    /// Opens what the script names.
    ///
    /// # Errors
    /// A text that says what could not be done: the script is wrong, or a file or a directory cannot be opened.
    pub fn open(start: &Dir, arguments: Vec<OsString>, wake: &Wake) -> Result<Branch, String> {
        let script = parse(&arguments)?;
        let opened = OpenSinks::open(start, &script, wake, &crate::message::reporter());
        let sinks =
            opened.map_err(|failure| String::from_utf8_lossy(&failure.text("")).into_owned())?;
        Ok(Branch {
            arguments,
            is_reopening: false,
            lines: Lines::new(&script),
            stamps: Stamps::new(script.stamp),
            sinks,
            pending: Vec::new(),
            taken: 0,
            durable: 0,
            required: 0,
            syncing: None,
        })
    }

    /// True if another line may come.
    pub fn has_room(&self) -> bool {
        self.pending.len() < PENDING_MAX && !self.is_reopening
    }

    /// After a failed fsync: closes the directories, and opens them again as soon as they are closed. Tickets
    /// begin anew; nobody may wait for one.
    pub fn reopen(&mut self, start: &Dir, wake: &Wake) {
        self.is_reopening = true;
        if self.close().is_some() {
            match Branch::open(start, self.arguments.clone(), wake) {
                Ok(branch) => *self = branch,
                Err(why) => crate::message::warn(format!("{why}; trying again").as_bytes()),
            }
        }
    }

    /// Takes a line with its newline. Returns its ticket.
    pub fn put(&mut self, line: &[u8]) -> u64 {
        self.pending.extend_from_slice(line);
        self.taken += 1;
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
    pub fn advance(&mut self) {
        self.stamps.set_clock(clock::now());
        let mut done = 0;
        while done < self.pending.len() && self.sinks.have_room() {
            let end = self.pending.len().min(done + BLOCK_MAX);
            match self.stamps.take(&mut self.lines, &self.pending[done..end], &mut self.sinks) {
                0 => break,
                taken => done += taken,
            }
        }
        self.pending.drain(..done);
        if self.pending.is_empty() && self.pending.capacity() > 2 * PENDING_MAX {
            self.pending = Vec::new();
        }
        self.sinks.flush();
        self.continue_sync();
    }

    fn continue_sync(&mut self) {
        let is_all_handed_on = self.pending.is_empty() && self.sinks.hold_nothing();
        if self.syncing.is_none() && self.required > self.durable && is_all_handed_on {
            self.syncing = Some((self.sinks.request_sync(), self.taken));
            self.sinks.flush();
        }
        if let Some((positions, ticket)) = &self.syncing
            && self.sinks.are_durable(positions)
        {
            self.durable = *ticket;
            self.syncing = None;
        }
    }

    /// True if a failed fsync keeps lines from ever being known to be on disk.
    pub fn has_lost(&self) -> bool {
        self.sinks.have_lost()
    }

    /// True if a sink fails or is stuck.
    pub fn is_in_trouble(&self) -> bool {
        self.sinks.are_in_trouble()
    }

    /// Time of the next retry or timer.
    pub fn deadline(&self) -> Option<Instant> {
        self.sinks.deadline()
    }

    /// Ends every current.
    pub fn rotate(&mut self) {
        self.sinks.rotate();
    }

    /// Prints the state of its directories.
    pub fn report(&mut self) {
        let counts = self.lines.counts().to_vec();
        self.sinks.report(&counts);
    }

    /// Continues closing. The result after everything is closed.
    pub fn close(&mut self) -> Option<Closed> {
        self.advance();
        if self.pending.is_empty() { self.sinks.close() } else { None }
    }

    /// Exits at once: reports lines that are lost.
    pub fn give_up(&mut self) {
        if !self.pending.is_empty() {
            crate::message::give_up(b"received lines", &self.pending);
        }
        self.sinks.give_up();
    }
}
