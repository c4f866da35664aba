//! Finds the resume position: after the last delivered line, even if its file is gone.
//!
//! The search first identifies the file by its head, then the line by stamp and hash. Possible
//! losses are reported.

use crate::failure::Failure;
use crate::read::Notice;
use crate::read::chain::Chain;
use crate::read::cursor::{FilePosition, Position};
use crate::read::follow::seen_files::SeenFiles;
use crate::read::follow::{Follower, Reached};
use crate::read::last_line::Behind;
use crate::read::lines::LineStart;
use crate::read::list::{Directory, LogFile, Role};
use crate::read::snapshot::ListedFile;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

/// Seconds by which an archive's name may precede its last line.
const SLACK_SECS: i64 = 2;

impl Follower {
    /// Resumes at a saved position among the listed files.
    pub(super) fn resume(&mut self, files: &[ListedFile], position: Position) {
        self.last_line = position.last_line;
        self.moment = self.last_line.moment;
        if let Some(file) = &position.file
            && let Some(number) = find_file(&self.directory, files, file)
        {
            let link = files[number].clone();
            let place = LineStart { file: link.file.clone(), offset: file.offset };
            self.reached = Some(Reached { place, file: None });
            return self.push_all(&files[number..], file.offset);
        }
        if let Some(file) = &position.file
            && let Some(link) = self.find_renamed_alone(files, file)
        {
            let place = LineStart { file: link.file.clone(), offset: file.offset };
            self.reached = Some(Reached { place, file: None });
            return self.push_all(&[link], file.offset);
        }
        if !self.last_line.is_set() {
            // No line was delivered, and the first file of that time may be gone.
            if position.file.is_some_and(|first| !begins_any(&first, files, &self.directory)) {
                self.open_gap();
            }
            return self.push_all(files, 0);
        }
        // The directory's contents at cursor time are unknown.
        self.seen = SeenFiles::default();
        let found = match files {
            [ListedFile { file, .. }] if file.role == Role::Alone => {
                self.find_again_in(std::slice::from_ref(file))
            }
            _ => self.find_again(),
        };
        self.note_failure(found);
    }

    /// Finds the file of a position among the files beside a single followed file.
    fn find_renamed_alone(
        &mut self,
        files: &[ListedFile],
        wanted: &FilePosition,
    ) -> Option<ListedFile> {
        let [ListedFile { file, .. }] = files else { return None };
        if file.role != Role::Alone {
            return None;
        }
        match find_renamed(&self.directory, &file.name, wanted) {
            Ok(found) => found,
            Err(failure) => {
                self.fail(failure);
                None
            }
        }
    }

    /// Finds the position after the last delivered line, whose file is gone. False if the search
    /// must wait.
    pub(super) fn find_again(&mut self) -> Result<bool, Failure> {
        let Some(files) = self.directory.list_settled()? else { return Ok(false) };
        self.find_again_in(&files)
    }

    /// Searches a complete listing for the position after the last line.
    fn find_again_in(&mut self, files: &[Arc<LogFile>]) -> Result<bool, Failure> {
        self.note_current_replaced(files);
        let candidates = self.candidates(files);
        let Some(links) = self.pin(&candidates)? else { return Ok(false) };
        if links.is_empty() {
            return Ok(false);
        }
        self.seen = SeenFiles::of(files, &links);
        if self.last_line.moment.is_none() {
            // Unstamped lines cannot be distinguished. Repeating some is better than losing them.
            if self.last_line.is_set() {
                self.open_gap();
            }
            self.chain.skip_file();
            self.push_links(links, 0);
            return Ok(true);
        }
        let behind = self.find_last_line(&links);
        self.chain.skip_file();
        match behind {
            Behind::Exact(place) => self.push_from(links, &place),
            Behind::Later(place, _) => {
                self.open_gap();
                self.push_from(links, &place);
            }
            // All archives are delivered or older. `current` is unread: it is a new file, whatever
            // its stamps say.
            Behind::Nothing => {
                let end = links.iter().position(|link| link.file.label().is_none());
                let Some(number) = end else { return Ok(false) };
                if !self.is_processed(&links[..number]) {
                    self.open_gap();
                }
                self.push_links(links[number..].to_vec(), 0);
            }
        }
        Ok(true)
    }

    /// Reports that another program removed or replaced `current`, if that explains why the last
    /// file is not listed: the file has no name left and no archive is new. A processor would have
    /// made an archive.
    fn note_current_replaced(&mut self, files: &[Arc<LogFile>]) {
        let Some(last) = self.last.clone().filter(|last| last.role == Role::Current) else {
            return;
        };
        let link = self.opened.iter().rfind(|link| link.file.inode == last.inode);
        let handle = link.and_then(|link| link.handle.as_ref());
        let has_no_name = handle
            .is_some_and(|handle| handle.metadata().is_ok_and(|metadata| metadata.nlink() == 0));
        if has_no_name && !self.seen.has_new_archive(files) && self.lost_inode != Some(last.inode) {
            self.lost_inode = Some(last.inode);
            self.notices.push(Notice::CurrentReplaced(self.directory.name_of(&last.name)));
            self.open_gap();
        }
    }

    /// True if a processor may have made one of these archives from the last line's file: the
    /// archive was finished after that line.
    fn is_processed(&self, archives: &[ListedFile]) -> bool {
        let stamps = self.chain.stamps();
        let labels = archives.iter().filter_map(|link| link.file.label());
        labels.max().is_some_and(|label| Some(stamps.moment_of(label)) >= self.last_line.moment)
    }

    /// Searches stamped lines for the last delivered line.
    pub(super) fn find_last_line(&self, links: &[ListedFile]) -> Behind {
        let mut search = Chain::new(self.directory.clone(), self.chain.stamps());
        for link in links.iter().filter(|_| self.last_line.moment.is_some()) {
            search.push(link.clone(), 0);
        }
        self.last_line.find(&mut search)
    }

    /// Files that may hold the last delivered line or later lines.
    fn candidates(&self, files: &[Arc<LogFile>]) -> Vec<Arc<LogFile>> {
        let stamps = self.chain.stamps();
        let is_candidate = |file: &&Arc<LogFile>| match (file.label(), self.last_line.moment) {
            (Some(label), Some(moment)) => {
                let named = stamps.moment_of(label).unix_secs.saturating_add(SLACK_SECS);
                named >= moment.unix_secs || file.modified.0 + SLACK_SECS >= moment.unix_secs
            }
            (Some(label), None) => self.seen.newest().is_none_or(|newest| label > newest),
            (None, _) => true,
        };
        files.iter().filter(is_candidate).cloned().collect()
    }
}

/// Index of a position's file, found by inode or, if compressed since, by label.
pub fn find_file(
    directory: &Directory,
    files: &[ListedFile],
    wanted: &FilePosition,
) -> Option<usize> {
    let by_inode = |link: &ListedFile| {
        let handle = link.open(directory).ok().flatten()?;
        let is_it = link.file.inode == wanted.identity.inode
            && wanted.identity.is_that_of(&handle).ok()?
            && reaches(&handle, wanted.offset);
        is_it.then_some(())
    };
    let label = crate::format::parse_any_archive_name(&wanted.name).map(|(label, _)| label);
    let by_label = |link: &ListedFile| {
        let handle = link.open(directory).ok().flatten()?;
        let is_it = label.is_some()
            && link.file.label() == label
            && wanted.identity.is_head_of(&handle).ok()?
            && reaches(&handle, wanted.offset);
        is_it.then_some(())
    };
    let find = |is_it: &dyn Fn(&ListedFile) -> Option<()>| {
        files.iter().position(|link| is_it(link).is_some())
    };
    find(&by_inode).or_else(|| find(&by_label))
}

/// True if a file begins like this position's file.
pub fn begins_any(wanted: &FilePosition, files: &[ListedFile], directory: &Directory) -> bool {
    let begins_so = |link: &ListedFile| {
        let handle = link.open(directory).ok().flatten()?;
        wanted.identity.is_head_of(&handle).ok()
    };
    files.iter().any(|link| begins_so(link) == Some(true))
}

/// The file of a position under whatever name it has in the directory by now; listed as `name`.
fn find_renamed(
    directory: &Directory,
    name: &[u8],
    wanted: &FilePosition,
) -> Result<Option<ListedFile>, Failure> {
    let mut names = Vec::new();
    directory.each_name(|entry| names.push(entry.to_vec()))?;
    for entry in names {
        let Some(file) = directory.file(&entry, Role::Alone)? else { continue };
        if file.inode != wanted.identity.inode {
            continue;
        }
        let Some(handle) = directory.open_listed(&file)?.map(Arc::new) else { continue };
        let is_it = wanted.identity.is_that_of(&handle).unwrap_or(false);
        if is_it && reaches(&handle, wanted.offset) {
            let file = Arc::new(LogFile { name: name.to_vec(), ..file });
            return Ok(Some(ListedFile { file, handle: Some(handle) }));
        }
    }
    Ok(None)
}

/// True if a file decodes to at least `offset` bytes.
fn reaches(handle: &Arc<std::fs::File>, offset: u64) -> bool {
    matches!(crate::read::decode::Decoded::new(handle.clone(), offset), Ok(Some(_)))
}
