//! What a directory held when it was listed last, so that the next listing tells what is new.

use crate::label::Label;
use crate::read::list::LogFile;
use crate::read::snapshot::ListedFile;
use std::collections::BTreeSet;
use std::rc::Rc;

/// The files of one listing.
#[derive(Debug, Default)]
pub struct SeenFiles {
    labels: BTreeSet<Label>,
    /// Those that had no label then. They are held open, so that nobody else gets their inodes.
    unfinished: Vec<ListedFile>,
}

impl SeenFiles {
    /// Those of a listing, of which `links` are open as far as they have no label.
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

    /// Those of a snapshot.
    pub fn of_snapshot(links: &[ListedFile]) -> SeenFiles {
        let files: Vec<Rc<LogFile>> = links.iter().map(|link| link.file.clone()).collect();
        SeenFiles::of(&files, links)
    }

    /// The newest archive of it.
    pub fn newest(&self) -> Option<Label> {
        self.labels.last().copied()
    }

    fn holds(&self, file: &LogFile) -> bool {
        file.label().is_some_and(|label| self.labels.contains(&label))
            || self.unfinished.iter().any(|link| link.file.inode == file.inode)
    }

    /// The files of a later listing that follow the one with this number: those with later names, and
    /// then new ones with names from before, which the writer makes when the clock was set back.
    pub fn successors(&self, files: &[Rc<LogFile>], number: usize) -> Vec<Rc<LogFile>> {
        let (later, unfinished): (Vec<_>, Vec<_>) =
            files[number + 1..].iter().partition(|file| file.label().is_some());
        let later = later.into_iter().filter(|file| !self.holds(file));
        let earlier = if files[number].label().is_some() { &files[..number] } else { &[] };
        let mut set_back: Vec<&Rc<LogFile>> =
            earlier.iter().filter(|file| !self.holds(file)).collect();
        // Where only the clock of the writer was set, and more than once, this is their order.
        set_back.sort_by_key(|file| file.modified);
        later.chain(set_back).chain(unfinished).cloned().collect()
    }
}
