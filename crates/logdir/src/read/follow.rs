//! Follows the lines of one directory across rotations, without losing or repeating a line.
//!
//! Two steps in fixed order make this exact. The follower first asks which file is `current`, then
//! reads its open file to the end. A writer renames a file after its last write, so if `current` is
//! already another file, the open file is read completely. A fresh listing then names the next
//! files. File system events only hint when to look; results do not depend on events.

mod alone;
mod generations;
mod resume;
mod seen_files;
#[cfg(test)]
mod tests;

use crate::failure::Failure;
use crate::format::{CURRENT, Code};
use crate::read::Notice;
use crate::read::chain::Chain;
use crate::read::cursor::line_id::LineId;
use crate::read::cursor::{FilePosition, HEAD_LEN_MAX, Identity, Position};
use crate::read::last_line::{Behind, LastLine};
use crate::read::lines::{Line, LineStart};
use crate::read::list::{Directory, LogFile, Role};
use crate::read::snapshot::{ListedFile, Snapshot};
use crate::read::stamp::{Moment, Stamp, StampParser};
use generations::Generations;
pub use resume::{begins_any, find_file};
use seen_files::SeenFiles;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Files opened on sight, so that their contents stay readable after removal. Loggers rarely keep
/// more archives, and every open file costs a descriptor.
const PINNED_MAX: usize = 16;
/// How long a file that cannot be read is tried again before its lines count as missing.
const PATIENCE: Duration = Duration::from_secs(60);
/// Attempts to list a directory whose files are renamed or removed meanwhile.
const TRIES_MAX: usize = 1000;

/// Follows one directory.
pub struct Follower {
    directory: Arc<Directory>,
    chain: Chain,
    /// Last file pushed to the chain. Once this file is read and no longer `current`, the next
    /// files are pushed.
    last: Option<Arc<LogFile>>,
    /// Files that had the name of a single followed file.
    generations: Generations,
    /// Open files, including any that holds `reached`.
    opened: VecDeque<ListedFile>,
    /// Answer about `current` since the last successful read.
    probed: Probed,
    /// Another directory had this path at that time.
    is_replaced: bool,
    /// The follower moved to another directory; not yet reported.
    has_moved: bool,
    /// Files of the last listing, all read or queued.
    seen: SeenFiles,
    /// Inode of a removed or replaced `current`, once reported.
    lost_inode: Option<u64>,
    /// An interrupted file's end was read twice.
    looked_again: bool,
    last_line: LastLine,
    /// Position after the last delivered line.
    reached: Option<Reached>,
    /// File in which that line started.
    line_file: Option<Arc<ReadFile>>,
    moment: Option<Moment>,
    gap: Gap,
    notices: Vec<Notice>,
    /// Last reported failure of a listing.
    failed: Option<Failure>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probed {
    Not,
    Current,
    Final,
}

/// Position after a line. Cheaper than a [`Position`], which owns names.
#[derive(Clone, Debug, Default)]
pub struct Delivered {
    reached: Option<Reached>,
    last_line: LastLine,
}

impl Delivered {
    /// Converts to a cursor's [`Position`].
    pub fn position(self) -> Position {
        let file = self.reached.and_then(|Reached { place, file }| {
            let ReadFile { identity, .. } = *file?;
            let name = place.file.name.clone();
            Some(FilePosition { name, identity, offset: place.offset })
        });
        Position { file, last_line: self.last_line }
    }
}

/// An unfinished last line.
pub struct HalfLine<'a> {
    /// Its bytes so far.
    pub bytes: &'a [u8],
    /// Its stamp, if any.
    pub stamp: Option<Stamp>,
    /// Its start.
    pub start: LineStart,
    follower: &'a Follower,
}

impl HalfLine<'_> {
    /// Id that the line has once it is finished, unless it is the first of its file.
    pub fn id(&self) -> LineId {
        let file = self.follower.read_file(&self.start.file);
        let moment = self.stamp.map(|stamp| stamp.moment);
        line_id(file.as_deref(), self.start.offset, moment, self.bytes)
    }
}

fn line_id(file: Option<&ReadFile>, offset: u64, moment: Option<Moment>, text: &[u8]) -> LineId {
    match (moment, file) {
        (Some(moment), file) => {
            LineId::stamped(file.map_or(0, |file| file.first_line_hash), offset, moment)
        }
        (None, Some(file)) => LineId::unstamped(file.first_line_hash, &file.identity, offset),
        (None, None) => LineId::of_text(text, offset),
    }
}

#[derive(Clone, Debug)]
struct Reached {
    place: LineStart,
    /// `None` for an empty file or unreadable metadata.
    file: Option<Arc<ReadFile>>,
}

/// Identity of a file, read when its lines were delivered.
#[derive(Clone, Copy, Debug)]
struct ReadFile {
    identity: Identity,
    /// Hash of the first line, or of its first bytes; equal on every read.
    first_line_hash: u64,
}

/// Possible loss of lines before the next line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gap {
    No,
    After(Option<Moment>),
}

impl Follower {
    /// Follows a directory after the delivered position.
    pub fn new(snapshot: &Snapshot, stamps: StampParser, delivered: Position) -> Follower {
        let mut chain = Chain::new(snapshot.directory.clone(), stamps);
        chain.be_patient(PATIENCE);
        let mut follower = Follower {
            directory: snapshot.directory.clone(),
            chain,
            last: None,
            generations: Generations::default(),
            opened: VecDeque::new(),
            probed: Probed::Not,
            is_replaced: false,
            has_moved: false,
            seen: SeenFiles::of_snapshot(&snapshot.files),
            lost_inode: None,
            looked_again: false,
            last_line: LastLine::default(),
            reached: None,
            line_file: None,
            moment: None,
            gap: Gap::No,
            notices: Vec::new(),
            failed: None,
        };
        follower.resume(&snapshot.files, delivered);
        follower
    }

    /// Advances to the next complete line. False if none exists yet: the caller looks again after
    /// an event or a timeout, or immediately if [`Follower::take_moved`] reports a replaced
    /// directory.
    pub fn advance(&mut self) -> bool {
        while !self.has_moved {
            if self.chain.advance() {
                self.probed = Probed::Not;
                self.failed = None;
                self.note_line();
                return true;
            }
            if self.chain.is_failing() {
                return self.rest();
            }
            match self.probed {
                Probed::Not => self.probe(),
                Probed::Current => {
                    if !self.go_elsewhere() {
                        return self.rest();
                    }
                }
                Probed::Final => {
                    if !self.go_on() && !self.go_elsewhere() {
                        return self.rest();
                    }
                }
            }
        }
        false
    }

    /// Marks the current line as delivered. If its file disappears, following resumes after this
    /// line.
    pub fn take(&mut self) {
        let stamped = self.chain.stamp().map(|stamp| stamp.moment);
        self.last_line.remember(self.chain.line(), stamped);
        let start = self.chain.place().file.clone();
        let start = self.read_file(&start);
        self.line_file = start;
        let Some(place) = self.chain.rest_place() else { return };
        let file = self.read_file(&place.file);
        self.reached = Some(Reached { place, file });
    }

    /// Delivered position.
    pub fn delivered(&self) -> Delivered {
        Delivered { reached: self.reached.clone(), last_line: self.last_line.to_keep() }
    }

    /// Id of the last delivered line. A receiver uses it to detect duplicates.
    pub fn line_id(&self) -> LineId {
        let moment = self.chain.stamp().map(|stamp| stamp.moment);
        let text = self.chain.line().bytes;
        line_id(self.line_file.as_deref(), self.chain.place().offset, moment, text)
    }

    /// The unfinished last line, if the look that found no complete line found one. It is not
    /// delivered: it stays before the delivered position, and is part of a later line.
    pub fn half_line(&self) -> Option<HalfLine<'_>> {
        let bytes = Some(self.chain.half_line()).filter(|bytes| !bytes.is_empty())?;
        let (stamp, start) = (self.chain.half_stamp(), self.chain.rest_place()?);
        Some(HalfLine { bytes, stamp, start, follower: self })
    }

    /// Identity of a line's file. Read from the file system once per file, but again while the file
    /// holds only a few bytes.
    fn read_file(&self, file: &Arc<LogFile>) -> Option<Arc<ReadFile>> {
        let known = self.reached.as_ref().filter(|reached| Arc::ptr_eq(&reached.place.file, file));
        if let Some(known) = known.and_then(|reached| reached.file.as_ref())
            && known.identity.head_len == HEAD_LEN_MAX
        {
            return Some(known.clone());
        }
        let opened = self.opened.iter().rfind(|link| link.file.inode == file.inode);
        let open = || opened?.open(&self.directory).ok()?;
        let handle = self.chain.handle_of(file).or_else(open)?;
        let (identity, first_line_hash) = Identity::with_first_line(&handle).ok()??;
        Some(Arc::new(ReadFile { identity, first_line_hash }))
    }

    /// Current line.
    pub fn line(&self) -> Line<'_> {
        self.chain.line()
    }

    /// Its stamp, if any.
    pub fn stamp(&self) -> Option<Stamp> {
        self.chain.stamp()
    }

    /// Moment of that line.
    pub fn moment(&self) -> Option<Moment> {
        self.moment
    }

    /// Start of that line.
    pub fn place(&self) -> &LineStart {
        self.chain.place()
    }

    /// Underlying chain.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Directory to watch for changes.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// True if the directory was replaced since the last call.
    pub fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.has_moved)
    }

    /// True if the path still leads to the followed directory or file.
    pub fn is_where_it_was(&self) -> bool {
        match self.last_if_alone() {
            Some(last) => {
                let found = self.directory.file(&last.name, Role::Alone);
                found.is_ok_and(|found| found.map(|found| found.inode) == self.newest_inode())
            }
            None => self.directory.is_there(),
        }
    }

    /// Takes notices since the last call.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        self.collect_notices();
        std::mem::take(&mut self.notices)
    }

    /// Finds nothing to read now.
    fn rest(&mut self) -> bool {
        self.probed = Probed::Not;
        self.chain.release();
        false
    }

    fn note_line(&mut self) {
        let stamped = self.chain.stamp().map(|stamp| stamp.moment);
        self.moment = stamped.or(self.moment);
        self.collect_notices();
        // The next stamped line shows how long the gap was.
        if let Gap::After(from) = self.gap
            && (stamped.is_some() || from.is_none())
        {
            self.gap = Gap::No;
            self.notices.push(Notice::MissingLines(from, stamped));
        }
    }

    /// A file removed before it was read opens a gap. The next line closes it.
    fn collect_notices(&mut self) {
        for notice in self.chain.take_notices() {
            match notice {
                Notice::Gone(_) => self.open_gap(),
                other => self.notices.push(other),
            }
        }
    }

    /// Records that lines may be missing before the next line.
    pub fn open_gap(&mut self) {
        if self.gap == Gap::No {
            self.gap = Gap::After(self.last_line.moment);
        }
    }

    /// Asks which file is `current`. Reading the open file to its end must follow this call.
    fn probe(&mut self) {
        self.is_replaced = self.directory.is_replaced();
        self.note_truncation();
        if let Some(last) = self.last_if_alone() {
            let probed = self.probe_alone(&last);
            let is_complete = self.note_failure(probed);
            self.probed = if is_complete { Probed::Final } else { Probed::Current };
            return;
        }
        self.probed = match (self.directory.file(CURRENT, Role::Current), &self.last) {
            (Ok(Some(found)), Some(last)) if found.inode == last.inode => Probed::Current,
            (Ok(_), _) => Probed::Final,
            (Err(failure), _) => {
                self.fail(failure);
                Probed::Current
            }
        };
    }

    /// Last file, if a single file is followed.
    fn last_if_alone(&self) -> Option<Arc<LogFile>> {
        self.last.clone().filter(|last| last.role == Role::Alone)
    }

    /// Restarts a file that was truncated, or truncated and rewritten.
    fn note_truncation(&mut self) {
        if (self.chain.is_truncated() || self.is_rewritten())
            && let Some(link) = self.opened.pop_back()
        {
            self.notices.push(Notice::Truncated(self.directory.name_of(&link.file.name)));
            self.reached = None;
            self.chain.skip_file();
            self.push_links(vec![link], 0);
        }
    }

    /// True if the last file's head changed since its lines were delivered.
    fn is_rewritten(&self) -> bool {
        let is_last = |place: &LineStart| {
            self.last.as_ref().is_some_and(|last| last.inode == place.file.inode)
        };
        let reached = self.reached.as_ref().filter(|reached| is_last(&reached.place));
        let Some(identity) = reached.and_then(|reached| Some(reached.file.as_ref()?.identity))
        else {
            return false;
        };
        let handle = self.last.as_ref().and_then(|last| self.chain.handle_of(last));
        handle.is_some_and(|handle| identity.is_head_of(&handle).is_ok_and(|is_same| !is_same))
    }

    /// Pushes the files after the last file, which is completely read. False if no such file exists
    /// yet.
    fn go_on(&mut self) -> bool {
        let added = match self.last_if_alone() {
            Some(last) => Ok(self.go_on_alone(&last)),
            // A removed directory cannot be listed.
            None if self.directory.is_removed() => Ok(false),
            None => self.try_to_go_on(),
        };
        self.note_failure(added)
    }

    /// Pushes the files of a directory that replaced this directory. False if there is no
    /// replacement.
    fn go_elsewhere(&mut self) -> bool {
        let added = if self.is_replaced { self.try_to_go_elsewhere() } else { Ok(false) };
        self.note_failure(added)
    }

    fn note_failure(&mut self, added: Result<bool, Failure>) -> bool {
        added.unwrap_or_else(|failure| {
            self.fail(failure);
            false
        })
    }

    /// Reports a failure once, although every later look meets it again.
    fn fail(&mut self, failure: Failure) {
        if self.failed.as_ref() != Some(&failure) {
            self.notices.push(Notice::Unreadable(failure.clone()));
            self.failed = Some(failure);
        }
    }

    /// The old directory is read to its end as far as possible: files of a removed directory may be
    /// gone unseen. If the new directory is a copy that holds the last delivered line, following
    /// continues after that line, otherwise from the first line.
    fn try_to_go_elsewhere(&mut self) -> Result<bool, Failure> {
        let directory = Arc::new(Directory::open(self.directory.path())?);
        let snapshot = match self.last_if_alone() {
            Some(last) if directory.file(&last.name, Role::Alone)?.is_none() => return Ok(false),
            Some(last) => Snapshot::of_file(&directory, &last.name)?,
            None => Snapshot::of(&directory)?,
        };
        if self.forget_generations() || self.directory.is_removed() {
            self.open_gap();
        }
        self.notices.push(Notice::Replaced(self.directory.name()));
        self.chain.move_to(directory.clone());
        self.directory = directory;
        self.has_moved = true;
        self.opened.clear();
        self.last = None;
        self.seen = SeenFiles::of_snapshot(&snapshot.files);
        match self.find_last_line(&snapshot.files) {
            Behind::Exact(place) => self.push_from(snapshot.files, &place),
            Behind::Later(..) | Behind::Nothing => {
                self.last_line = LastLine::default();
                self.push_all(&snapshot.files, 0);
            }
        }
        self.probed = Probed::Not;
        Ok(true)
    }

    fn try_to_go_on(&mut self) -> Result<bool, Failure> {
        for _ in 0..TRIES_MAX {
            let Some(files) = self.directory.list_settled()? else { return Ok(false) };
            let Some(number) = self.find_last(&files) else { return self.find_again() };
            let next = self.seen.successors(&self.directory, &files, number);
            if next.is_empty() {
                return Ok(false);
            }
            if files[number].role_is_unfinished() && !self.looked_again {
                // cyclog renames a file before its last write.
                self.looked_again = true;
                return Ok(false);
            }
            if let Some(links) = self.pin(&next)? {
                self.looked_again = false;
                self.seen.update(&files, &links);
                self.chain.rename(files[number].clone());
                self.push_links(links, 0);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Index of the last file, or of its compressed copy, in a listing. If a writer was killed
    /// before its first write to `current`, the next writer removes that file; the preceding file
    /// then counts as last.
    fn find_last(&mut self, files: &[Arc<LogFile>]) -> Option<usize> {
        loop {
            let inode = self.last.as_ref()?.inode;
            if let Some(number) = files.iter().position(|file| file.inode == inode) {
                return Some(number);
            }
            let last = self.opened.iter().rfind(|link| link.file.inode == inode);
            let copy = last.and_then(|last| self.seen.find_copy(&self.directory, files, last));
            if copy.is_some() {
                return copy;
            }
            let was_empty = |link: &ListedFile| link.file.inode == inode && is_empty(link);
            self.opened.back().filter(|link| was_empty(link))?;
            self.opened.pop_back();
            self.last = self.opened.back().map(|link| link.file.clone());
        }
    }

    /// Opens listed files: the first ones, and those that will be renamed soon. `None` if a file
    /// was renamed or removed meanwhile.
    fn pin(&self, files: &[Arc<LogFile>]) -> Result<Option<Vec<ListedFile>>, Failure> {
        let mut links = Vec::with_capacity(files.len());
        for (number, file) in files.iter().enumerate() {
            let mut link = ListedFile { file: file.clone(), handle: None };
            if number < PINNED_MAX || file.label().is_none() {
                let Some(handle) = self.directory.open_listed(file)? else { return Ok(None) };
                link.handle = Some(Arc::new(handle));
            }
            links.push(link);
        }
        Ok(Some(links))
    }

    fn push_all(&mut self, files: &[ListedFile], offset: u64) {
        self.push_links(files.to_vec(), offset);
    }

    /// Pushes files to the chain, the first from `offset`.
    fn push_links(&mut self, mut links: Vec<ListedFile>, offset: u64) {
        self.pin_last(&mut links);
        let mut offset = offset;
        for link in links {
            self.last = Some(link.file.clone());
            self.opened.push_back(link.clone());
            self.chain.push(link, std::mem::take(&mut offset));
        }
        self.probed = Probed::Not;
        self.forget_opened();
    }

    fn push_from(&mut self, links: Vec<ListedFile>, place: &LineStart) {
        let number = links.iter().position(|link| link.file.inode == place.file.inode).unwrap_or(0);
        self.push_links(links[number..].to_vec(), place.offset);
    }

    /// Recognizes the last file by its inode, which the kernel cannot reuse while the file is open.
    fn pin_last(&mut self, links: &mut Vec<ListedFile>) {
        while let Some(last) = links.last_mut() {
            match last.open(&self.directory) {
                Ok(None) => {
                    links.pop();
                    self.open_gap();
                }
                Ok(handle) => return last.handle = handle,
                // The chain reports this error.
                Err(_) => return,
            }
        }
    }

    /// Closes files older than the file of `reached`.
    fn forget_opened(&mut self) {
        let Some(reached) = &self.reached else { return };
        let is_older = |link: &ListedFile| link.file.inode != reached.place.file.inode;
        if self.opened.iter().any(|link| !is_older(link)) {
            while self.opened.front().is_some_and(is_older) {
                self.opened.pop_front();
            }
        }
    }
}

/// True if an open file never received a byte.
fn is_empty(link: &ListedFile) -> bool {
    let metadata = link.handle.as_ref().map(|handle| handle.metadata());
    metadata.is_some_and(|metadata| metadata.is_ok_and(|metadata| metadata.len() == 0))
}

impl LogFile {
    fn role_is_unfinished(&self) -> bool {
        matches!(self.role, Role::Archive(_, Code::Unfinished))
    }
}
