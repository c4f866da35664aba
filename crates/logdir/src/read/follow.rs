//! The lines of one directory as they come, over rotations, without losing or doubling one.
//!
//! The order of two steps makes that exact. First it is asked which file is `current`, then the file at
//! hand is read to its end. A writer's last write comes before it renames the file, so if the answer was
//! another file, nothing has been left unread. Then a fresh listing says which files follow. Events of
//! the file system are only a hint when to look; the results do not depend on them.

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
use seen_files::SeenFiles;
use std::collections::VecDeque;
use std::rc::Rc;

/// Files that are opened as soon as they are seen, so that nobody can remove what is in them before it
/// is read. More than any of the usual numbers of archives would only use up descriptors.
const PINNED_MAX: usize = 16;
/// How often files are listed again because one was renamed or removed in the middle of it.
const TRIES_MAX: usize = 1000;

/// One directory, followed.
pub struct Follower {
    directory: Rc<Directory>,
    chain: Chain,
    /// The last file that the chain was given. When it has been read and is not `current` any more,
    /// others follow it.
    last: Option<Rc<LogFile>>,
    /// Files that were opened and may hold the place of `reached`.
    opened: VecDeque<ListedFile>,
    /// Whether it was asked which file is `current` since the last read that found something.
    probed: Probed,
    /// Whether another directory had come in the place of this one when that was asked.
    is_replaced: bool,
    /// Whether that one is followed now, and nobody has been told.
    has_moved: bool,
    /// What was there when the directory was listed last, all of it read or about to be.
    seen: SeenFiles,
    /// The inode of a `current` that was removed or replaced by another program, once that is reported.
    lost_inode: Option<u64>,
    /// Whether the end of an interrupted file was looked at once more.
    looked_again: bool,
    last_line: LastLine,
    /// After the last line given out.
    reached: Option<Reached>,
    /// The file in which that line started.
    line_file: Option<Rc<ReadFile>>,
    /// The moment of the line gone to.
    moment: Option<Moment>,
    gap: Gap,
    notices: Vec<Notice>,
    /// The last failure to look at the directory that was told.
    failed: Option<Failure>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probed {
    Not,
    Current,
    Final,
}

/// The position after a line, without the names and handles that a [`Position`] is made of.
#[derive(Clone, Debug, Default)]
pub struct Delivered {
    reached: Option<Reached>,
    last_line: LastLine,
}

impl Delivered {
    /// As a cursor keeps it.
    pub fn position(self) -> Position {
        let file = self.reached.and_then(|Reached { place, file }| {
            let ReadFile { identity, .. } = *file?;
            let name = place.file.name.clone();
            Some(FilePosition { name, identity, offset: place.offset })
        });
        Position { file, last_line: self.last_line }
    }
}

/// The place after a line, and its file.
#[derive(Clone, Debug)]
struct Reached {
    place: LineStart,
    /// `None` if the file is empty or its metadata is unreadable.
    file: Option<Rc<ReadFile>>,
}

/// What tells a file from others, read when lines of it were given out.
#[derive(Clone, Copy, Debug)]
struct ReadFile {
    identity: Identity,
    /// Hash of its first line, or of the first bytes of that. It is the same each time the file is read.
    first_line_hash: u64,
}

/// Whether lines are missing in front of the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gap {
    No,
    After(Option<Moment>),
}

impl Follower {
    /// Starts to follow behind what was delivered.
    pub fn new(snapshot: &Snapshot, stamps: StampParser, delivered: Position) -> Follower {
        let mut follower = Follower {
            directory: snapshot.directory.clone(),
            chain: Chain::new(snapshot.directory.clone(), stamps),
            last: None,
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

    /// Goes to the next line that has its end. False where there is none now; then the directory is to
    /// be looked at again when something has changed, or after a while; or at once if it was replaced by
    /// another one, which [`Follower::take_moved`] says.
    pub fn advance(&mut self) -> bool {
        while !self.has_moved {
            if self.chain.advance() {
                self.probed = Probed::Not;
                self.failed = None;
                self.note_line();
                return true;
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

    /// Notes that the line gone to is given out. Following is resumed after it where its file is gone.
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

    /// How far lines have been given out.
    pub fn delivered(&self) -> Delivered {
        Delivered { reached: self.reached.clone(), last_line: self.last_line.to_keep() }
    }

    /// An id of the line that was given out last, by which a receiver recognizes a line that it is sent
    /// again.
    pub fn line_id(&self) -> LineId {
        let offset = self.chain.place().offset;
        let moment = self.chain.stamp().map(|stamp| stamp.moment);
        let file = self.line_file.as_deref();
        match (moment, file) {
            (Some(moment), file) => {
                let hash = file.map_or(0, |file| file.first_line_hash);
                LineId::stamped(hash, offset, moment)
            }
            (None, Some(file)) => LineId::unstamped(file.first_line_hash, &file.identity, offset),
            (None, None) => LineId::of_text(self.chain.line().bytes, offset),
        }
    }

    /// What tells the file of a line from others. The system is asked once for each file, but as long as
    /// only a few bytes are in it.
    fn read_file(&self, file: &Rc<LogFile>) -> Option<Rc<ReadFile>> {
        let known = self.reached.as_ref().filter(|reached| Rc::ptr_eq(&reached.place.file, file));
        if let Some(known) = known.and_then(|reached| reached.file.as_ref())
            && known.identity.head_len == HEAD_LEN_MAX
        {
            return Some(known.clone());
        }
        let opened = self.opened.iter().rfind(|link| link.file.inode == file.inode);
        let open = || opened?.open(&self.directory).ok()?;
        let handle = self.chain.handle_of(file).or_else(open)?;
        let (identity, first_line_hash) = Identity::with_first_line(&handle).ok()??;
        Some(Rc::new(ReadFile { identity, first_line_hash }))
    }

    /// The line gone to.
    pub fn line(&self) -> Line<'_> {
        self.chain.line()
    }

    /// The stamp of that line, if it has one.
    pub fn stamp(&self) -> Option<Stamp> {
        self.chain.stamp()
    }

    /// The moment that line belongs to.
    pub fn moment(&self) -> Option<Moment> {
        self.moment
    }

    /// Where that line starts.
    pub fn place(&self) -> &LineStart {
        self.chain.place()
    }

    /// What it reads from.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The directory, for whoever waits for changes in it.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Whether it has become another one since the last call.
    pub fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.has_moved)
    }

    /// True if its path leads to the directory, or the file, that is followed.
    pub fn is_where_it_was(&self) -> bool {
        match self.last_if_alone() {
            Some(last) => {
                let found = self.directory.file(&last.name, Role::Alone);
                found.is_ok_and(|found| found.is_some_and(|found| found.inode == last.inode))
            }
            None => self.directory.is_there(),
        }
    }

    /// What there was to tell since the last call.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        self.collect_notices();
        std::mem::take(&mut self.notices)
    }

    /// Nothing to read now.
    fn rest(&mut self) -> bool {
        self.probed = Probed::Not;
        self.chain.release();
        false
    }

    fn note_line(&mut self) {
        let stamped = self.chain.stamp().map(|stamp| stamp.moment);
        self.moment = stamped.or(self.moment);
        self.collect_notices();
        // Where lines have stamps, the next one says how long it was.
        if let Gap::After(from) = self.gap
            && (stamped.is_some() || from.is_none())
        {
            self.gap = Gap::No;
            self.notices.push(Notice::MissingLines(from, stamped));
        }
    }

    /// A file that was removed before it was read leaves a gap, which the next line ends.
    fn collect_notices(&mut self) {
        for notice in self.chain.take_notices() {
            match notice {
                Notice::Gone(_) => self.open_gap(),
                other => self.notices.push(other),
            }
        }
    }

    /// Notes that lines may be missing before the next one.
    pub fn open_gap(&mut self) {
        if self.gap == Gap::No {
            self.gap = Gap::After(self.last_line.moment);
        }
    }

    /// Asks which file is `current`. The file at hand is read to its end after that.
    fn probe(&mut self) {
        self.is_replaced = self.directory.is_replaced();
        self.note_truncation();
        let alone = self.last_if_alone();
        let (name, role) = match &alone {
            Some(last) => (last.name.as_slice(), Role::Alone),
            None => (CURRENT, Role::Current),
        };
        self.probed = match (self.directory.file(name, role), &self.last) {
            (Ok(Some(found)), Some(last)) if found.inode == last.inode => Probed::Current,
            // Another one may come in its place.
            (Ok(None), Some(_)) if alone.is_some() => Probed::Current,
            (Ok(_), _) => Probed::Final,
            (Err(failure), _) => {
                self.fail(failure);
                Probed::Current
            }
        };
    }

    /// The last file, if it is followed by itself.
    fn last_if_alone(&self) -> Option<Rc<LogFile>> {
        self.last.clone().filter(|last| last.role == Role::Alone)
    }

    /// Goes back to the beginning of a file that was cut, or was cut and written again.
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

    /// True if the last file no longer begins as it did when lines of it were given out.
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

    /// Adds the files that follow the last one, which has been read to its end. False where they are
    /// not there yet.
    fn go_on(&mut self) -> bool {
        let added = match self.last_if_alone() {
            Some(last) => self.try_to_go_on_alone(&last),
            // A removed directory cannot be listed.
            None if self.directory.is_removed() => Ok(false),
            None => self.try_to_go_on(),
        };
        self.note_failure(added)
    }

    /// Adds the files of the directory that has come in the place of this one. False where there is none.
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

    /// Tells of a failure once. It is met again each time the directory is looked at.
    fn fail(&mut self, failure: Failure) {
        if self.failed.as_ref() != Some(&failure) {
            self.notices.push(Notice::Unreadable(failure.clone()));
            self.failed = Some(failure);
        }
    }

    /// Adds the file that has come in the place of one that is followed by itself.
    fn try_to_go_on_alone(&mut self, last: &LogFile) -> Result<bool, Failure> {
        let Some(file) = self.directory.file(&last.name, Role::Alone)? else { return Ok(false) };
        let Some(links) = self.pin(&[Rc::new(file)])? else { return Ok(false) };
        self.notices.push(Notice::Replaced(self.directory.name_of(&last.name)));
        self.has_moved = true;
        self.push_links(links, 0);
        Ok(true)
    }

    /// The old directory has been read to its end, as far as it can be: of one that was removed, files
    /// may be gone that nobody has seen. If the new one is a copy that holds the last line delivered, what
    /// is behind that follows, else everything.
    fn try_to_go_elsewhere(&mut self) -> Result<bool, Failure> {
        let directory = Rc::new(Directory::open(self.directory.path())?);
        let snapshot = match self.last_if_alone() {
            Some(last) if directory.file(&last.name, Role::Alone)?.is_none() => return Ok(false),
            Some(last) => Snapshot::of_file(&directory, &last.name)?,
            None => Snapshot::of(&directory)?,
        };
        if self.directory.is_removed() {
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
                // cyclog renames a file before it has written the last of it.
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

    /// The number of the last file in a listing, or of a compressed copy of it. When a writer was killed
    /// before it wrote to `current`, the next writer removes that file: then the file before it counts.
    fn find_last(&mut self, files: &[Rc<LogFile>]) -> Option<usize> {
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

    /// Opens files of a listing: the first of them, and those that will have other names soon. None where
    /// one has another name by now, or is gone.
    fn pin(&self, files: &[Rc<LogFile>]) -> Result<Option<Vec<ListedFile>>, Failure> {
        let mut links = Vec::with_capacity(files.len());
        for (number, file) in files.iter().enumerate() {
            let mut link = ListedFile { file: file.clone(), handle: None };
            if number < PINNED_MAX || file.label().is_none() {
                let Some(handle) = self.directory.open_listed(file)? else { return Ok(None) };
                link.handle = Some(Rc::new(handle));
            }
            links.push(link);
        }
        Ok(Some(links))
    }

    fn push_all(&mut self, files: &[ListedFile], offset: u64) {
        self.push_links(files.to_vec(), offset);
    }

    /// Gives files to the chain, the first one from `offset` on.
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

    /// The last file is known again by its inode, which nobody else gets while it is open.
    fn pin_last(&mut self, links: &mut Vec<ListedFile>) {
        while let Some(last) = links.last_mut() {
            match last.open(&self.directory) {
                Ok(None) => {
                    links.pop();
                    self.open_gap();
                }
                Ok(handle) => return last.handle = handle,
                // Told by whoever reads it.
                Err(_) => return,
            }
        }
    }

    /// Lets go of the handles of files before the one that `reached` is in.
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

/// Whether nothing was ever written to a file that is held open.
fn is_empty(link: &ListedFile) -> bool {
    let metadata = link.handle.as_ref().map(|handle| handle.metadata());
    metadata.is_some_and(|metadata| metadata.is_ok_and(|metadata| metadata.len() == 0))
}

impl LogFile {
    fn role_is_unfinished(&self) -> bool {
        matches!(self.role, Role::Archive(_, Code::Unfinished))
    }
}
