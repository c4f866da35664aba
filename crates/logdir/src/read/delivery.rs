//! Delivery: the lines of directories, given to a consumer that acknowledges each one when it is written
//! out or stored elsewhere, and a cursor that never goes beyond an acknowledgement.
//!
//! Nothing here waits. A consumer takes lines until there is none, then waits for [`Follow::fds`] or
//! [`Follow::deadline`], whichever is first. When a consumer is killed, it gets again what it had not
//! acknowledged and what it had acknowledged since the last checkpoint; it misses nothing.

mod start;
mod unacked;

pub use crate::read::follow_several::Order;
pub use start::{Start, StartedDirectory, first_place, place_since};
pub use unacked::{Ticket, Window};

use crate::clock;
use crate::failure::Failure;
use crate::read::Notice;
use crate::read::chain::Chain;
use crate::read::cursor::CursorFile;
use crate::read::cursor::Position;
use crate::read::cursor::line_id::LineId;
use crate::read::cursor::token::Cursor;
use crate::read::follow::{Delivered, Follower};
use crate::read::follow_several::{FollowSeveral, Next};
use crate::read::lines::{Line, LineStart};
use crate::read::list::Role;
use crate::read::stamp::{Moment, Stamp};
use crate::read::watch::Watch;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use unacked::Unacked;

/// The cursor file is due when this many lines were acknowledged since it was saved,
const CHECKPOINT_LINES: u64 = 1000;
/// or this many bytes of them,
const CHECKPOINT_LEN: u64 = 1024 * 1024;
/// or the first of them this long ago.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(1);
/// Lines after which directories are looked at although there are more: a directory with many old lines
/// must not keep the others from being looked at until retention removes their files.
const LOOK_INTERVAL_LINES: u32 = 1000;
/// The window unless the consumer chooses another one.
const WINDOW: Window = Window { lines_max: 1000, len_max: 1024 * 1024 };

/// Follows directories for one consumer.
pub struct Follow {
    several: FollowSeveral,
    /// What a cursor calls each directory.
    paths: Vec<PathBuf>,
    /// Which directories have to be looked at.
    marks: Vec<bool>,
    /// None if only lines that exist are wanted.
    watch: Option<Watch>,
    /// The directory whose line was given out last and not yet gone on from.
    given: Option<usize>,
    window: Window,
    unacked: Unacked<Delivered>,
    /// How far each directory was delivered.
    positions: Vec<Position>,
    cursor_file: Option<CursorFile>,
    unsaved: Unsaved,
    /// Lines given out since directories were looked at.
    unlooked_count: u32,
    /// When the next line may be given out, if there is one.
    hold_until: Option<Instant>,
}

/// Which lines are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All that are there, and those that are written later.
    Endless,
    /// Only lines that were written before.
    Existing,
}

/// A line that was given out, or a piece of one that is too long.
pub struct Delivery<'a> {
    /// The number of its directory, in the order in which directories were added, from 0.
    pub directory: usize,
    /// The line, without its newline.
    pub line: Line<'a>,
    /// The parsed timestamp. `None` for a line without a timestamp.
    pub stamp: Option<Stamp>,
    /// The moment of its stamp, or of the last line before it that has one.
    pub moment: Option<Moment>,
    /// The file in which it starts, and the offset there.
    pub place: &'a LineStart,
    /// What is to be acknowledged.
    pub ticket: Ticket,
    /// What the line was read from.
    pub chain: &'a Chain,
    follower: &'a Follower,
}

/// What was acknowledged since the cursor file was saved.
#[derive(Default)]
struct Unsaved {
    count: u64,
    len: u64,
    /// Time of the first unsaved acknowledgement.
    since: Option<Instant>,
}

impl Follow {
    /// Follows the directories at these paths. Where a cursor file is named, each directory begins after
    /// the position that the file has; where the file has none, with `start`.
    ///
    /// Fails if a directory cannot be opened, or the cursor file is in use, is no cursor, or cannot be
    /// read.
    pub fn open<P: AsRef<Path>>(
        paths: impl IntoIterator<Item = P>,
        start: &Start,
        cursor_file: Option<&Path>,
    ) -> Result<Follow, Failure> {
        let cursor_file = cursor_file.map(CursorFile::open).transpose()?;
        let mut follow = Follow::of(Vec::new(), cursor_file, Scope::Endless);
        for path in paths {
            follow.add(path.as_ref(), start)?;
        }
        Ok(follow)
    }

    /// Follows directories that are open.
    pub fn of(
        directories: Vec<StartedDirectory>,
        cursor_file: Option<CursorFile>,
        scope: Scope,
    ) -> Follow {
        let mut follow = Follow {
            several: FollowSeveral::new(Vec::new()),
            paths: Vec::new(),
            marks: Vec::new(),
            watch: (scope == Scope::Endless).then(Watch::default),
            given: None,
            window: WINDOW,
            unacked: Unacked::new(),
            positions: Vec::new(),
            cursor_file,
            unsaved: Unsaved::default(),
            unlooked_count: 0,
            hold_until: None,
        };
        directories.into_iter().for_each(|directory| follow.add_started(directory));
        follow
    }

    /// Follows one more directory: a service that was not there before. Returns its number. The cursor file
    /// may know it from an earlier time.
    pub fn add(&mut self, path: &Path, start: &Start) -> Result<usize, Failure> {
        let known = |path: &Path| self.cursor_file.as_ref()?.position(path).cloned();
        self.add_started(StartedDirectory::open(path, start, known)?);
        Ok(self.paths.len() - 1)
    }

    fn add_started(&mut self, started: StartedDirectory) {
        let StartedDirectory { path, snapshot, stamps, position } = started;
        if let Some(cursor_file) = &mut self.cursor_file {
            // What was left out before the first line is left out the next time too.
            cursor_file.set(&path, position.clone());
        }
        if let Some(watch) = &mut self.watch {
            let alone = snapshot.files.iter().find(|link| link.file.role == Role::Alone);
            let alone = alone.map(|link| link.file.name.as_slice());
            watch.add(self.paths.len(), &snapshot.directory, alone);
        }
        self.several.add(Follower::new(&snapshot, stamps, position.clone()));
        self.unacked.add_directory();
        self.paths.push(path);
        self.positions.push(position);
        self.marks.push(true);
    }

    /// Sets how much may be given out and not acknowledged.
    pub fn set_window(&mut self, window: Window) {
        self.window = window;
    }

    /// Sets the order in which lines of several directories come; by time unless it is set.
    pub fn set_order(&mut self, order: Order) {
        self.several.set_order(order);
    }

    /// The next line. None if there is none now, or if the window is full (see [`Follow::is_full`]).
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot lend what it holds")]
    pub fn next(&mut self) -> Option<Delivery<'_>> {
        if let Some(number) = self.given.take() {
            self.several.go_on(number);
        }
        self.hold_until = None;
        if self.is_full() {
            self.mark();
            return None;
        }
        let number = self.find_line()?;
        self.given = Some(number);
        let follower = self.several.give(number);
        let line = follower.line();
        let ticket = self.unacked.give(number, line.bytes.len(), follower.delivered());
        Some(Delivery {
            directory: number,
            line,
            stamp: follower.stamp(),
            moment: follower.moment(),
            place: follower.place(),
            ticket,
            chain: follower.chain(),
            follower,
        })
    }

    /// True if no line is given out before one is acknowledged.
    pub fn is_full(&self) -> bool {
        self.unacked.is_full(self.window)
    }

    /// Acknowledges a line: it was written out, stored, or left out on purpose. Acknowledgements may come
    /// in any order; a second one of the same ticket does nothing.
    pub fn ack(&mut self, ticket: Ticket) {
        let Some(len) = self.unacked.ack(ticket) else { return };
        self.unsaved.count += 1;
        self.unsaved.len += len as u64;
        self.unsaved.since.get_or_insert_with(clock::instant);
    }

    /// Saves the cursor file if enough was acknowledged since the last time, or some of it a second ago.
    /// To be called after acknowledgements and at the [deadline](Follow::deadline).
    pub fn checkpoint(&mut self) -> Result<(), Failure> {
        let Unsaved { count, len, .. } = self.unsaved;
        let is_late = self.checkpoint_due().is_some_and(|due| due <= clock::instant());
        if count >= CHECKPOINT_LINES || len >= CHECKPOINT_LEN || is_late {
            self.save()?;
        }
        Ok(())
    }

    /// Saves the cursor file, if there is one. In each directory it goes up to the first line that is not
    /// acknowledged. To be called at the end too.
    pub fn save(&mut self) -> Result<(), Failure> {
        self.unsaved = Unsaved::default();
        for (number, delivered) in self.unacked.take_reached() {
            self.positions[number] = delivered.position();
        }
        let Some(cursor_file) = &mut self.cursor_file else { return Ok(()) };
        for (path, position) in self.paths.iter().zip(&self.positions) {
            cursor_file.set(path, position.clone());
        }
        cursor_file.save()
    }

    /// How far all directories are delivered, for a consumer that keeps the cursor itself.
    pub fn cursor(&mut self) -> Cursor {
        for (number, delivered) in self.unacked.take_reached() {
            self.positions[number] = delivered.position();
        }
        let paths = self.paths.iter().map(PathBuf::as_path);
        Cursor::of(paths.zip(&self.positions))
    }

    /// What becomes readable when there may be a line. Where the system has no such descriptor to give,
    /// directories are looked at when the deadline is over.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.watch.iter().filter_map(Watch::as_fd)
    }

    /// When to call [`Follow::next`] and [`Follow::checkpoint`] again, if nothing becomes readable
    /// before.
    pub fn deadline(&self) -> Instant {
        let sweep = self.watch.as_ref().map(Watch::next_sweep);
        let hold = self.hold_until.filter(|_| !self.is_full());
        let dues = [sweep, hold, self.checkpoint_due()];
        let first = dues.into_iter().flatten().min();
        first.unwrap_or_else(|| clock::instant() + CHECKPOINT_INTERVAL)
    }

    /// Has every directory looked at by the next call of [`Follow::next`].
    pub fn look_at_all(&mut self) {
        self.marks.fill(true);
    }

    /// What should be reported of directories, by their numbers, since the last call.
    pub fn take_notices(&mut self) -> Vec<(usize, Notice)> {
        let mut all = Vec::new();
        for (number, follower) in self.several.followers_mut().iter_mut().enumerate() {
            all.extend(follower.take_notices().into_iter().map(|notice| (number, notice)));
        }
        all
    }

    /// The absolute path of a directory.
    pub fn path(&self, directory: usize) -> &Path {
        &self.paths[directory]
    }

    /// Lines that were given out and are not delivered.
    pub fn unacked_count(&self) -> usize {
        self.unacked.count()
    }

    /// Bytes left to be read of the files that are known.
    pub fn left_len(&self) -> u64 {
        self.several.left_len()
    }

    fn checkpoint_due(&self) -> Option<Instant> {
        let since = self.unsaved.since.filter(|_| self.cursor_file.is_some())?;
        Some(since + CHECKPOINT_INTERVAL)
    }

    /// The directory that the next line is of. It is looked for in what has been read, and then in the
    /// directories in which something happened.
    fn find_line(&mut self) -> Option<usize> {
        self.unlooked_count += 1;
        if self.unlooked_count >= LOOK_INTERVAL_LINES {
            self.look();
        }
        self.choose().or_else(|| {
            self.look();
            self.choose()
        })
    }

    fn choose(&mut self) -> Option<usize> {
        let now = self.watch.is_some().then(now);
        match self.several.next(now) {
            Next::Line(number) => Some(number),
            Next::Nothing => None,
            Next::Wait(left) => {
                self.hold_until = Some(clock::instant() + left);
                None
            }
        }
    }

    /// Looks at the directories that are marked, and again at each that was replaced by another one.
    fn look(&mut self) {
        self.unlooked_count = 0;
        self.mark();
        loop {
            self.several.look(&mut self.marks);
            let followers = self.several.followers_mut().iter_mut();
            let moved = followers.map(Follower::take_moved).collect::<Vec<bool>>();
            // What was replaced while it was looked at counts too.
            self.mark();
            for (number, &is_moved) in moved.iter().enumerate() {
                self.marks[number] |= is_moved;
                self.note_arrivals(number, is_moved);
            }
            if !moved.contains(&true) {
                return;
            }
        }
    }

    /// Opens a gap where something had the name of a directory and lost it before it was looked at.
    fn note_arrivals(&mut self, number: usize, is_moved: bool) {
        let Some(watch) = &mut self.watch else { return };
        let follower = &mut self.several.followers_mut()[number];
        if is_moved {
            watch.replace(number, follower.directory());
        }
        let count = watch.arrivals(number);
        if count > 0 && (is_moved || follower.is_where_it_was()) {
            // The one that is followed now arrived too.
            if count > 1 {
                follower.open_gap();
            }
            watch.forget_arrivals(number);
        }
    }

    fn mark(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.mark(&mut self.marks);
        }
    }
}

impl Delivery<'_> {
    /// An id that the line keeps when it is delivered again, for a receiver that removes doubles.
    pub fn id(&self) -> LineId {
        self.follower.line_id()
    }
}

/// The time of day.
fn now() -> Moment {
    let (unix_secs, nanos) = clock::now().to_unix();
    Moment { unix_secs, nanos }
}
