//! What a directory held when it was listed last, so that the next listing tells what is new.

use crate::label::Label;
use crate::read::decode::{self, Storage};
use crate::read::list::{Directory, LogFile, Role};
use crate::read::snapshot::ListedFile;
use std::collections::BTreeSet;
use std::rc::Rc;

/// The files of one listing.
#[derive(Debug, Default)]
pub struct SeenFiles {
    labels: BTreeSet<Label>,
    /// Files that had no label then. They are held open, so that no other file gets their inodes, and so
    /// that a compressed copy can be told from a new file.
    unfinished: Vec<ListedFile>,
}

impl SeenFiles {
    /// The files of a listing, of which `links` are open if they have no label.
    pub fn of<'a>(
        files: &[Rc<LogFile>],
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

    /// The files of a later listing, of which `links` were opened since.
    pub fn update(&mut self, files: &[Rc<LogFile>], links: &[ListedFile]) {
        let known = std::mem::take(&mut self.unfinished);
        *self = SeenFiles::of(files, known.iter().chain(links));
    }

    /// Those of a snapshot.
    pub fn of_snapshot(links: &[ListedFile]) -> SeenFiles {
        let files: Vec<Rc<LogFile>> = links.iter().map(|link| link.file.clone()).collect();
        SeenFiles::of(&files, links)
    }

    /// The newest archive of it.
    pub fn newest(&self) -> Option<Label> {
        self.labels.last().copied()
    }

    /// True if a later listing has an archive, or a file that becomes one, that this one does not have.
    pub fn has_new_archive(&self, files: &[Rc<LogFile>]) -> bool {
        files.iter().any(|file| file.role != Role::Current && !self.holds(file))
    }

    fn holds(&self, file: &LogFile) -> bool {
        file.label().is_some_and(|label| self.labels.contains(&label))
            || self.unfinished.iter().any(|link| link.file.inode == file.inode)
    }

    /// The files of a later listing that follow the one with this number: those with later names, and
    /// then new ones with names from before, which the writer makes when the clock was set back. A copy of
    /// a file that was seen is not a new one.
    pub fn successors(
        &self,
        directory: &Directory,
        files: &[Rc<LogFile>],
        number: usize,
    ) -> Vec<Rc<LogFile>> {
        let (later, unfinished): (Vec<_>, Vec<_>) =
            files[number + 1..].iter().partition(|file| file.label().is_some());
        let earlier = if files[number].label().is_some() { &files[..number] } else { &[] };
        let mut set_back: Vec<&Rc<LogFile>> = earlier.iter().collect();
        // Where only the clock of the writer was set, and more than once, this is their order.
        set_back.sort_by_key(|file| file.modified);
        let mut new: Vec<&Rc<LogFile>> =
            later.into_iter().chain(set_back).filter(|file| !self.holds(file)).collect();
        for gone in self.unfinished.iter().filter(|link| is_gone(link, files)) {
            let copy = new.iter().position(|file| is_copy(directory, file, gone));
            copy.map(|pos| new.remove(pos));
        }
        new.into_iter().chain(unfinished).cloned().collect()
    }

    /// The number of the new file in a listing that is a copy of `link`.
    pub fn find_copy(
        &self,
        directory: &Directory,
        files: &[Rc<LogFile>],
        link: &ListedFile,
    ) -> Option<usize> {
        let is_new = |file: &LogFile| file.label().is_some() && !self.holds(file);
        files.iter().position(|file| is_new(file) && is_copy(directory, file, link))
    }
}

fn is_gone(link: &ListedFile, files: &[Rc<LogFile>]) -> bool {
    files.iter().all(|file| file.inode != link.file.inode)
}

/// True if a listed file is compressed and has the contents of one that is held open. A file that is not
/// compressed is never a copy: lines without stamps may fill two files alike. What cannot be read now is
/// no copy either.
fn is_copy(directory: &Directory, file: &LogFile, of: &ListedFile) -> bool {
    let (Ok(Some(copy)), Some(original)) = (directory.open_listed(file), &of.handle) else {
        return false;
    };
    let is_compressed = decode::storage(&copy).is_ok_and(|storage| storage != Storage::Plain);
    is_compressed && decode::have_same_contents(Rc::new(copy), original.clone()).unwrap_or(false)
}
