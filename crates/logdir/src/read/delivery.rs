//! Delivers lines of directories to a consumer, which acknowledges each line once it is printed or
//! stored. The cursor never passes an unacknowledged line.
//!
//! Nothing here waits. A consumer takes lines until none is left, then waits for [`Follow::fds`] or
//! [`Follow::deadline`], whichever is first. A killed consumer receives unacknowledged lines again,
//! and lines acknowledged since the last checkpoint; it misses nothing.

mod start;
mod unacked;

pub use crate::read::follow::HalfLine;
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

/// When the cursor file is saved by default.
const CHECKPOINT: Checkpoint = Checkpoint { lines: 1000, len: 1024 * 1024 };
/// Time after an acknowledgement until the cursor file is saved.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(1);
/// Time between two tries to read a file that could not be read.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Lines between two looks at the directories, even if more lines are ready. A directory's backlog
/// must not delay others until retention removes their files.
const LOOK_INTERVAL_LINES: u32 = 1000;
/// Time between two looks while lines are ready. A consumer that takes few lines a second must not
/// delay other directories' new lines either.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// Default window.
const WINDOW: Window = Window { lines_max: 1000, len_max: 1024 * 1024 };

/// How much is acknowledged before the cursor file is saved. More costs less, and a killed consumer receives more
/// lines again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Lines.
    pub lines: u64,
    /// Bytes.
    pub len: u64,
}

/// Follows directories for one consumer.
pub struct Follow {
    several: FollowSeveral,
    /// Directory paths, as cursors name them.
    paths: Vec<PathBuf>,
    /// Directories to look at.
    marks: Vec<bool>,
    /// `None` if only existing lines are wanted.
    watch: Option<Watch>,
    /// Directory of the last delivered line, until the next `advance`.
    given: Option<usize>,
    window: Window,
    unacked: Unacked<Delivered>,
    /// Delivered position of each directory.
    positions: Vec<Position>,
    cursor_file: Option<CursorFile>,
    unsaved: Unsaved,
    checkpoint: Checkpoint,
    /// Lines delivered since the last look.
    unlooked_count: u32,
    /// Time of that look.
    looked: Instant,
    /// Time when a ready line may be delivered.
    hold_until: Option<Instant>,
}

/// Selects existing or future lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Existing lines and all future lines.
    Endless,
    /// Lines written before opening.
    Existing,
}

/// A delivered line, or a piece of an overlong line.
pub struct Delivery<'a> {
    /// Directory number, counted from 0 in the order added.
    pub directory: usize,
    /// Line without its newline.
    pub line: Line<'a>,
    /// The parsed timestamp. `None` for a line without a timestamp.
    pub stamp: Option<Stamp>,
    /// Moment of its stamp, or of the last stamped line before it.
    pub moment: Option<Moment>,
    /// File and offset of the line's start.
    pub place: &'a LineStart,
    /// Ticket to acknowledge.
    pub ticket: Ticket,
    /// Chain that read the line.
    pub chain: &'a Chain,
    follower: &'a Follower,
}

/// Acknowledgements since the cursor file was saved.
#[derive(Default)]
struct Unsaved {
    count: u64,
    len: u64,
    /// Time of the first unsaved acknowledgement.
    since: Option<Instant>,
}

impl Follow {
    /// Follows the directories at these paths. With a cursor file, each directory begins after its
    /// saved position; directories without a saved position begin at `start`.
    ///
    /// Fails if a directory cannot be opened, or if the cursor file is in use, malformed or
    /// unreadable.
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

    /// Follows already opened directories.
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
            checkpoint: CHECKPOINT,
            unlooked_count: 0,
            looked: clock::instant(),
            hold_until: None,
        };
        directories.into_iter().for_each(|directory| follow.add_started(directory));
        follow
    }

    /// Adds a directory, such as a new service's, and returns its number. The cursor file may still
    /// know the directory.
    pub fn add(&mut self, path: &Path, start: &Start) -> Result<usize, Failure> {
        let known = |path: &Path| self.cursor_file.as_ref()?.position(path).cloned();
        self.add_started(StartedDirectory::open(path, start, known)?);
        Ok(self.paths.len() - 1)
    }

    fn add_started(&mut self, started: StartedDirectory) {
        let StartedDirectory { path, snapshot, stamps, position } = started;
        if let Some(cursor_file) = &mut self.cursor_file {
            // A later run must skip the lines skipped before the first delivered line.
            cursor_file.set(&path, position.clone());
        }
        if let Some(watch) = &mut self.watch {
            let alone = snapshot.files.iter().find(|link| link.file.role == Role::Alone);
            let alone = alone.map(|link| link.file.name.as_slice());
            watch.add(self.paths.len(), &snapshot.directory, alone);
        }
        let mut follower = Follower::new(&snapshot, stamps, position.clone());
        if self.watch.is_none() {
            follower.hurry();
        }
        self.several.add(follower);
        self.unacked.add_directory();
        self.paths.push(path);
        self.positions.push(position);
        self.marks.push(true);
    }

    /// Limits delivered but unacknowledged lines.
    pub fn set_window(&mut self, window: Window) {
        self.window = window;
    }

    /// Sets how much is acknowledged before the cursor file is saved.
    pub fn set_checkpoint(&mut self, checkpoint: Checkpoint) {
        self.checkpoint = checkpoint;
    }

    /// Sets the order across directories; by time unless set.
    pub fn set_order(&mut self, order: Order) {
        self.several.set_order(order);
    }

    /// Next line. `None` if no line is ready or the window is full (see [`Follow::is_full`]).
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

    /// Unfinished last line of a directory, after [`Follow::next`] returned `None`. It has no ticket:
    /// the cursor stays before it, and [`Follow::next`] delivers the whole line once it is finished.
    pub fn half_line(&self, directory: usize) -> Option<HalfLine<'_>> {
        if self.given == Some(directory) { None } else { self.several.half_line(directory) }
    }

    /// True if every line delivered from a directory was acknowledged.
    pub fn is_delivered(&self, directory: usize) -> bool {
        self.unacked.is_delivered(directory)
    }

    /// Delivered position of a directory.
    pub fn position(&mut self, directory: usize) -> &Position {
        self.take_reached();
        &self.positions[directory]
    }

    /// True if the next line must wait for an acknowledgement.
    pub fn is_full(&self) -> bool {
        self.unacked.is_full(self.window)
    }

    /// Acknowledges a line: printed, stored, or skipped on purpose. Acknowledgements may arrive in
    /// any order; repeating a ticket has no effect.
    pub fn ack(&mut self, ticket: Ticket) {
        let Some(len) = self.unacked.ack(ticket) else { return };
        self.unsaved.count += 1;
        self.unsaved.len += len as u64;
        self.unsaved.since.get_or_insert_with(clock::instant);
    }

    /// Saves the cursor file if enough lines were acknowledged, or if the oldest unsaved
    /// acknowledgement is one second old. Call after acknowledgements and at the
    /// [deadline](Follow::deadline).
    pub fn checkpoint(&mut self) -> Result<(), Failure> {
        let Unsaved { count, len, .. } = self.unsaved;
        let is_late = self.checkpoint_due().is_some_and(|due| due <= clock::instant());
        if count >= self.checkpoint.lines || len >= self.checkpoint.len || is_late {
            self.save()?;
        }
        Ok(())
    }

    /// Saves the cursor file, if any. In each directory, the cursor stops before the first
    /// unacknowledged line. Call at the end, too.
    pub fn save(&mut self) -> Result<(), Failure> {
        self.unsaved = Unsaved::default();
        self.take_reached();
        let Some(cursor_file) = &mut self.cursor_file else { return Ok(()) };
        for (path, position) in self.paths.iter().zip(&self.positions) {
            cursor_file.set(path, position.clone());
        }
        cursor_file.save()
    }

    /// Delivered positions of all directories, for a consumer that stores its own cursor.
    pub fn cursor(&mut self) -> Cursor {
        self.take_reached();
        let paths = self.paths.iter().map(PathBuf::as_path);
        Cursor::of(paths.zip(&self.positions))
    }

    /// Descriptors that become readable when a line may be ready. If the kernel has none left,
    /// directories are polled at the deadline.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.watch.iter().filter_map(Watch::as_fd)
    }

    /// Latest time to call [`Follow::next`] and [`Follow::checkpoint`] again, if nothing becomes
    /// readable before.
    pub fn deadline(&self) -> Instant {
        let sweep = self.watch.as_ref().map(Watch::next_sweep);
        let hold = self.hold_until.filter(|_| !self.is_full());
        let retry = self.is_failing().then(|| clock::instant() + RETRY_INTERVAL);
        let dues = [sweep, hold, retry, self.checkpoint_due()];
        let first = dues.into_iter().flatten().min();
        first.unwrap_or_else(|| clock::instant() + CHECKPOINT_INTERVAL)
    }

    /// Makes the next [`Follow::next`] look at every directory.
    pub fn look_at_all(&mut self) {
        self.marks.fill(true);
    }

    /// Takes notices since the last call, with directory numbers.
    pub fn take_notices(&mut self) -> Vec<(usize, Notice)> {
        let mut all = Vec::new();
        for (number, follower) in self.several.followers_mut().iter_mut().enumerate() {
            all.extend(follower.take_notices().into_iter().map(|notice| (number, notice)));
        }
        all
    }

    /// Absolute path of a directory.
    pub fn path(&self, directory: usize) -> &Path {
        &self.paths[directory]
    }

    /// Delivered, unacknowledged lines.
    pub fn unacked_count(&self) -> usize {
        self.unacked.count()
    }

    /// Unread bytes of known files.
    pub fn left_len(&self) -> u64 {
        self.several.left_len()
    }

    /// True while lines are missing because a file could not be read. It is tried again.
    pub fn is_failing(&self) -> bool {
        self.several.failing().any(|is_failing| is_failing)
    }

    fn take_reached(&mut self) {
        for (number, delivered) in self.unacked.take_reached() {
            self.positions[number] = delivered.position();
        }
    }

    fn checkpoint_due(&self) -> Option<Instant> {
        let since = self.unsaved.since.filter(|_| self.cursor_file.is_some())?;
        Some(since + CHECKPOINT_INTERVAL)
    }

    /// Directory of the next line: first among data already read, then in directories with events.
    fn find_line(&mut self) -> Option<usize> {
        self.unlooked_count += 1;
        let is_due = || clock::instant().duration_since(self.looked) >= LOOK_INTERVAL;
        if self.unlooked_count >= LOOK_INTERVAL_LINES || is_due() {
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

    /// Looks at marked directories, and again at each replaced directory.
    fn look(&mut self) {
        self.unlooked_count = 0;
        self.looked = clock::instant();
        self.mark();
        loop {
            self.several.look(&mut self.marks);
            let followers = self.several.followers_mut().iter_mut();
            let moved = followers.map(Follower::take_moved).collect::<Vec<bool>>();
            // Catches replacements during the look.
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

    /// Opens a gap if another directory or file held this path and lost it before the look.
    fn note_arrivals(&mut self, number: usize, is_moved: bool) {
        let Some(watch) = &mut self.watch else { return };
        let follower = &mut self.several.followers_mut()[number];
        if is_moved {
            watch.replace(number, follower.directory());
        }
        let count = watch.arrivals(number);
        if count == 0 {
            // Files that were found had the name before it was watched.
            follower.take_found();
        }
        if count > 0 && (is_moved || follower.is_where_it_was()) {
            // The followed directory's own arrival counts once.
            if count > follower.take_found().max(1) {
                follower.open_gap();
            }
            watch.forget_arrivals(number);
        }
    }

    fn mark(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.mark(&mut self.marks);
        }
        for (mark, is_failing) in self.marks.iter_mut().zip(self.several.failing()) {
            *mark |= is_failing;
        }
    }
}

impl Delivery<'_> {
    /// Id of the line, equal on redelivery. A receiver uses it to drop duplicates.
    pub fn id(&self) -> LineId {
        self.follower.line_id()
    }
}

/// Wall-clock time.
fn now() -> Moment {
    let (unix_secs, nanos) = clock::now().to_unix();
    Moment { unix_secs, nanos }
}
