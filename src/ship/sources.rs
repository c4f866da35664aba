//! Where lines come from: what the operands name, and what they will name later.

use crate::message;
use ::logdir::failure::Failure;
use ::logdir::read::Notice;
use ::logdir::read::backlog::{Backlog, backlog};
use ::logdir::read::delivery::{
    Checkpoint, Delivery, Follow, HalfLine, Order, Start, Ticket, Window,
};
use ::logdir::read::find::{Found, Location, find};
use ::logdir::read::stamp::Moment;
use std::collections::HashSet;
use std::ffi::OsString;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often it is looked whether the operands name anything new.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// The most lines and bytes that are taken and not delivered.
const WINDOW: Window = Window { lines_max: 200_000, len_max: 16 * 1024 * 1024 };

/// Each save is two fsyncs: at full speed there are a few in a second.
const CHECKPOINT: Checkpoint = Checkpoint { lines: 10_000, len: 4 * 1024 * 1024 };

/// A log directory or a file.
#[derive(Debug)]
pub struct Source {
    /// As messages name it.
    pub shown: Vec<u8>,
    /// The service, for the program's name in messages.
    pub service: Vec<u8>,
    /// Where it is.
    place: Location,
}

/// All sources.
pub struct Sources {
    operands: Vec<OsString>,
    /// The cursor file.
    cursor: PathBuf,
    follow: Follow,
    sources: Vec<Source>,
    known: HashSet<PathBuf>,
    /// What was reported of places that cannot be read, so that it is reported once.
    reported: HashSet<String>,
    looked: Instant,
}

impl Sources {
    /// Opens what the operands name now. Where the cursor knows nothing of a directory, `start` says with
    /// which line it begins.
    ///
    /// # Errors
    /// The cursor is in use or is no cursor, or nothing at all is found.
    pub fn open(operands: Vec<OsString>, start: &Start, cursor: &Path) -> Result<Sources, Failure> {
        let follow = Follow::open(Vec::<PathBuf>::new(), start, Some(cursor))?;
        let (sources, known, reported) = (Vec::new(), HashSet::new(), HashSet::new());
        let looked = Instant::now();
        let mut all = Sources {
            operands,
            cursor: cursor.to_owned(),
            follow,
            sources,
            known,
            reported,
            looked,
        };
        all.follow.set_window(WINDOW);
        all.follow.set_checkpoint(CHECKPOINT);
        all.follow.set_order(Order::InTurn);
        let (found, mut failures) = find(&all.operands);
        failures.extend(found.into_iter().filter_map(|found| all.add(found, start).err()));
        match failures.first() {
            Some(failure) if all.sources.is_empty() => Err(failure.clone()),
            Some(_) | None => {
                failures.iter().for_each(|failure| all.report_once(failure));
                all.save_first();
                Ok(all)
            }
        }
    }

    /// Next line, if any.
    pub fn next(&mut self) -> Option<Delivery<'_>> {
        self.follow.next()
    }

    /// The source of a line.
    pub fn source(&self, number: usize) -> &Source {
        &self.sources[number]
    }

    /// Number of sources; they count from 0.
    pub fn count(&self) -> usize {
        self.sources.len()
    }

    /// The unfinished last line of a source, when there was no further line.
    pub fn half_line(&self, number: usize) -> Option<HalfLine<'_>> {
        self.follow.half_line(number)
    }

    /// A line is delivered.
    pub fn ack(&mut self, ticket: Ticket) {
        self.follow.ack(ticket);
    }

    /// Saves the cursor if it is due.
    pub fn checkpoint(&mut self) {
        if let Err(failure) = self.follow.checkpoint() {
            self.report_once(&failure);
        }
    }

    /// Saves the cursor.
    pub fn save(&mut self) -> Result<(), Failure> {
        self.follow.save()
    }

    /// Saves the cursor before any line is read: after a kill, it says which file was followed.
    fn save_first(&mut self) {
        if let Err(failure) = self.follow.save() {
            self.report_once(&failure);
        }
    }

    /// What should be reported of sources.
    pub fn take_notices(&mut self) -> Vec<(usize, Notice)> {
        self.follow.take_notices()
    }

    /// What becomes readable when there may be lines.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.follow.fds()
    }

    /// When to look again.
    pub fn deadline(&self) -> Instant {
        self.follow.deadline().min(self.looked + LOOK_AGAIN)
    }

    /// Whether lines are missing because a file could not be read. It is tried again.
    pub fn is_failing(&self) -> bool {
        self.follow.is_failing()
    }

    /// Absolute path of a source.
    pub fn path(&self, number: usize) -> &Path {
        self.follow.path(number)
    }

    /// Whether each line that was taken of a source is delivered.
    pub fn is_delivered(&self, number: usize) -> bool {
        self.follow.is_delivered(number)
    }

    /// How much of a source was not delivered.
    pub fn backlog(&mut self, number: usize, now: Moment) -> Result<Backlog, Failure> {
        let place = &self.sources[number].place;
        backlog(place, self.follow.position(number), &self.cursor, now)
    }

    /// Takes what the operands name by now and did not before, from its first line on.
    pub fn look_again(&mut self) {
        if self.looked.elapsed() < LOOK_AGAIN {
            return;
        }
        self.looked = Instant::now();
        let (found, _) = find(&self.operands);
        for found in found {
            let name = found.name.clone();
            match self.add(found, &Start::Oldest) {
                Ok(true) => {
                    message::info(&format!("following {name}, which is new"));
                    self.save_first();
                }
                Ok(false) => {}
                Err(failure) => self.report_once(&failure),
            }
        }
    }

    /// False for a known source.
    fn add(&mut self, found: Found, start: &Start) -> Result<bool, Failure> {
        let (Location::Directory(path) | Location::File(path)) = &found.place;
        let canonical = path.canonicalize().unwrap_or_else(|_| path.clone());
        if self.known.contains(&canonical) {
            return Ok(false);
        }
        self.follow.add(path, start)?;
        self.known.insert(canonical);
        let service = found.name.split('/').next().unwrap_or_default();
        self.sources.push(Source {
            shown: path.as_os_str().as_bytes().to_vec(),
            service: service.as_bytes().to_vec(),
            place: found.place.clone(),
        });
        Ok(true)
    }

    fn report_once(&mut self, failure: &Failure) {
        if self.reported.insert(failure.to_string()) {
            message::failed(failure);
        }
    }
}
