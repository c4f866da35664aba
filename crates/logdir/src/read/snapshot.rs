//! Captures a directory's files at one moment, and opens files that would be missed later.

use crate::failure::{Failure, What};
use crate::read::find::Location;
use crate::read::lines::LineStart;
use crate::read::list::{Directory, LogFile, Role};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

/// A directory's files at one moment. Files that will be renamed soon are open.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The directory.
    pub directory: Arc<Directory>,
    /// Files in writing order.
    pub files: Vec<ListedFile>,
}

/// A listed file.
#[derive(Clone, Debug)]
pub struct ListedFile {
    /// Listing entry.
    pub file: Arc<LogFile>,
    /// Handle, if already open.
    pub handle: Option<Arc<File>>,
}

impl Snapshot {
    /// Lists a directory and opens `previous` and `current`.
    pub fn of(directory: &Arc<Directory>) -> Result<Snapshot, Failure> {
        loop {
            let files = directory.list()?;
            if let Some(files) = open_unfinished(directory, &files)? {
                return Ok(Snapshot { directory: directory.clone(), files });
            }
        }
    }

    /// Captures a found directory or file.
    pub fn of_place(place: &Location) -> Result<Snapshot, Failure> {
        match place {
            Location::Directory(path) => Snapshot::of(&Arc::new(Directory::open(path)?)),
            Location::File(path) => {
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                let parent = parent.unwrap_or(Path::new("."));
                let name = path.file_name().unwrap_or_default();
                Snapshot::of_file(&Arc::new(Directory::open(parent)?), name.as_bytes())
            }
        }
    }

    /// Index of the file that contains a line's start; 0 if not listed.
    pub fn number_of(&self, place: &LineStart) -> usize {
        self.files.iter().position(|link| link.file == place.file).unwrap_or(0)
    }

    /// Captures a single file as if alone in its directory.
    pub fn of_file(directory: &Arc<Directory>, name: &[u8]) -> Result<Snapshot, Failure> {
        loop {
            let file = directory.file(name, Role::Alone)?;
            let missing = || directory.failure(What::Read, name, nix::errno::Errno::ENOENT);
            let files = [Arc::new(file.ok_or_else(missing)?)];
            if let Some(files) = open_unfinished(directory, &files)? {
                return Ok(Snapshot { directory: directory.clone(), files });
            }
        }
    }
}

impl ListedFile {
    /// Opens the file unless already open. `None` if its name now belongs to another file.
    pub fn open(&self, directory: &Directory) -> Result<Option<Arc<File>>, Failure> {
        match &self.handle {
            Some(handle) => Ok(Some(handle.clone())),
            None => Ok(directory.open_listed(&self.file)?.map(Arc::new)),
        }
    }
}

/// `None` if a file was renamed meanwhile. The reader reports unreadable files.
fn open_unfinished(
    directory: &Directory,
    files: &[Arc<LogFile>],
) -> Result<Option<Vec<ListedFile>>, Failure> {
    let mut links = Vec::with_capacity(files.len());
    for file in files {
        let handle = match file.role {
            Role::Archive(..) => None,
            Role::Previous | Role::Current | Role::Alone => match directory.open_listed(file) {
                Ok(None) => return Ok(None),
                Ok(Some(handle)) => Some(Arc::new(handle)),
                Err(_) => None,
            },
        };
        links.push(ListedFile { file: file.clone(), handle });
    }
    Ok(Some(links))
}
