//! The file `current`, shared by its writer and by those who sync it beside the loop.

use crate::clock;
use crate::disk::File;
use crate::label::Label;
use nix::errno::Errno;
use std::sync::{Arc, Mutex, PoisonError};

/// `current`, open.
#[derive(Debug)]
pub struct Current {
    file: File,
    /// Whether an fsync has failed. The kernel tells each failure once, and may have dropped what it could
    /// not write: whoever asks later must not be told that all is well.
    is_doubtful: Mutex<bool>,
}

impl Current {
    /// A file that has not been synced yet.
    pub fn new(file: File) -> Arc<Current> {
        Arc::new(Current { file, is_doubtful: Mutex::new(false) })
    }

    /// Writes some of `bytes` at the end; tells how many.
    pub fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        self.file.write(bytes)
    }

    /// Since when the file has been there; now where that is not known.
    pub fn born(&self) -> Label {
        self.file.born().map_or_else(clock::now, clock::label_of)
    }

    /// Whether it stands on the model disk.
    #[cfg(test)]
    pub fn is_model(&self) -> bool {
        matches!(self.file, File::Model(_))
    }

    /// Sets the permissions.
    pub fn set_mode(&self, mode: u32) -> Result<(), Errno> {
        self.file.set_mode(mode)
    }

    /// Waits until the contents are on disk. Fails for ever once it has failed.
    pub fn sync(&self) -> Result<(), Errno> {
        let mut is_doubtful = self.is_doubtful.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_doubtful {
            return Err(Errno::EIO);
        }
        self.file.sync().inspect_err(|_| *is_doubtful = true)
    }
}
