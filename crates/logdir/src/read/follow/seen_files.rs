//! Remembers a directory's listing, so that the next listing shows new files.

use crate::label::Label;
use crate::read::decode::{self, Storage};
use crate::read::list::{Directory, LogFile, Role};
use crate::read::snapshot::ListedFile;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Files of one listing.
#[derive(Debug, Default)]
pub struct SeenFiles {
    labels: BTreeSet<Label>,
    /// Unlabelled files. Open handles prevent reuse of their inodes and distinguish a compressed
    /// copy from a new file.
    unfinished: Vec<ListedFile>,
}

impl SeenFiles {
    /// Remembers a listing; `links` holds its unlabelled files, open.
    pub fn of<'a>(
        files: &[Arc<LogFile>],
        links: impl IntoIterator<Item = &'a ListedFile>,
    ) -> SeenFiles {
        let unfinished: Vec<u64> =
            files.iter().filter(|file| file.label().is_none()).map(|file| file.inode).collect();
        let is_unfinished = |link: &&ListedFile| unfinished.contains(&link.file.inode);
        SeenFiles {
            labels: files.iter().filter_map(|file| file.label()).collect(),
            unfinished: links.into_iter().filter(is_unfinished).cloned().collect(),
        }
    }

    /// Replaces the listing with a later listing; `links` are newly opened.
    pub fn update(&mut self, files: &[Arc<LogFile>], links: &[ListedFile]) {
        let known = std::mem::take(&mut self.unfinished);
        *self = SeenFiles::of(files, known.iter().chain(links));
    }

    /// Remembers a snapshot's files.
    pub fn of_snapshot(links: &[ListedFile]) -> SeenFiles {
        let files: Vec<Arc<LogFile>> = links.iter().map(|link| link.file.clone()).collect();
        SeenFiles::of(&files, links)
    }

    /// Newest archive's label.
    pub fn newest(&self) -> Option<Label> {
        self.labels.last().copied()
    }

    /// True if a later listing has a new archive or a new file that will become an archive.
    pub fn has_new_archive(&self, files: &[Arc<LogFile>]) -> bool {
        files.iter().any(|file| file.role != Role::Current && !self.holds(file))
    }

    fn holds(&self, file: &LogFile) -> bool {
        file.label().is_some_and(|label| self.labels.contains(&label))
            || self.unfinished.iter().any(|link| link.file.inode == file.inode)
    }

    /// Files of a later listing after file `number`: later names first, then new files with earlier
    /// names, written after the clock was set back. A copy of a known file is not new.
    pub fn successors(
        &self,
        directory: &Directory,
        files: &[Arc<LogFile>],
        number: usize,
    ) -> Vec<Arc<LogFile>> {
        let (later, unfinished): (Vec<_>, Vec<_>) =
            files[number + 1..].iter().partition(|file| file.label().is_some());
        let earlier = if files[number].label().is_some() { &files[..number] } else { &[] };
        let mut set_back: Vec<&Arc<LogFile>> = earlier.iter().collect();
        // If the clock was set back repeatedly, modification times show the order.
        set_back.sort_by_key(|file| file.modified);
        let mut new: Vec<&Arc<LogFile>> =
            later.into_iter().chain(set_back).filter(|file| !self.holds(file)).collect();
        for gone in self.unfinished.iter().filter(|link| is_gone(link, files)) {
            let copy = new.iter().position(|file| is_copy(directory, file, gone));
            copy.map(|pos| new.remove(pos));
        }
        new.into_iter().chain(unfinished).cloned().collect()
    }

    /// Index of a new file that is a copy of `link`.
    pub fn find_copy(
        &self,
        directory: &Directory,
        files: &[Arc<LogFile>],
        link: &ListedFile,
    ) -> Option<usize> {
        let is_new = |file: &LogFile| file.label().is_some() && !self.holds(file);
        files.iter().position(|file| is_new(file) && is_copy(directory, file, link))
    }
}

fn is_gone(link: &ListedFile, files: &[Arc<LogFile>]) -> bool {
    files.iter().all(|file| file.inode != link.file.inode)
}

/// True if a listed file is compressed and decodes to an open file's contents. An uncompressed file
/// is never a copy: unstamped lines may fill two files identically. An unreadable file is no copy
/// either.
fn is_copy(directory: &Directory, file: &LogFile, of: &ListedFile) -> bool {
    let (Ok(Some(copy)), Some(original)) = (directory.open_listed(file), &of.handle) else {
        return false;
    };
    let is_compressed = decode::storage(&copy).is_ok_and(|storage| storage != Storage::Plain);
    is_compressed && decode::have_same_contents(Arc::new(copy), original.clone()).unwrap_or(false)
}
