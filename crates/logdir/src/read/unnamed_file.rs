//! Temporary files without a name: nothing is left of them when the program ends, however it ends.

use crate::failure;
use nix::fcntl::OFlag;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Maximum names tried for a file that exists briefly.
const NAMES_MAX: usize = 16;

/// Creates an empty file in the system's temporary directory (`TMPDIR`), open to read and write,
/// for this user only. An error names the directory.
pub fn create() -> io::Result<File> {
    let directory = std::env::temp_dir();
    create_in(&directory).map_err(|error| {
        // The kind for which `Failure::of_reading` shows the text.
        let why = failure::reason(&error);
        let why = format!("no temporary file in {}: {why}", directory.display());
        io::Error::new(ErrorKind::Unsupported, why)
    })
}

fn create_in(directory: &Path) -> io::Result<File> {
    // `O_EXCL` keeps others from giving the file a name.
    let unnamed = options().custom_flags((OFlag::O_TMPFILE | OFlag::O_EXCL).bits()).open(directory);
    match unnamed {
        Err(error) if is_unsupported(&error) => create_and_remove(directory),
        done => done,
    }
}

/// A file system without unnamed files says so; a kernel that does not know them sees a directory
/// to write.
fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::IsADirectory)
}

/// Creates a file under a random name and removes the name.
fn create_and_remove(directory: &Path) -> io::Result<File> {
    let mut result = Err(ErrorKind::AlreadyExists.into());
    for _ in 0..NAMES_MAX {
        let random = RandomState::new().build_hasher().finish();
        let path = directory.join(format!(".logdir-{random:016x}"));
        result = options().create_new(true).open(&path);
        match &result {
            Ok(_) => fs::remove_file(&path)?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            Err(_) => {}
        }
        break;
    }
    result
}

fn options() -> OpenOptions {
    let mut options = File::options();
    options.read(true).write(true).mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::errno::Errno;
    use std::io::Write;
    use std::os::unix::fs::{FileExt, MetadataExt};

    #[test]
    fn a_file_without_a_name_is_written_and_read() {
        let home = tempfile::tempdir().unwrap();
        for create in [create_in, create_and_remove] {
            let mut file = create(home.path()).unwrap();
            file.write_all(b"lines\n").unwrap();
            let mut bytes = [0; 6];
            file.read_exact_at(&mut bytes, 0).unwrap();
            assert_eq!(&bytes, b"lines\n");
            let facts = file.metadata().unwrap();
            assert_eq!((facts.nlink(), facts.mode() & 0o777), (0, 0o600));
            assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn without_support_a_file_is_created_and_removed() {
        for (errno, expected) in
            [(Errno::EOPNOTSUPP, true), (Errno::EISDIR, true), (Errno::ENOSPC, false)]
        {
            assert_eq!(is_unsupported(&errno.into()), expected, "{errno}");
        }
        // /proc has neither unnamed files nor new files.
        assert!(create_in(Path::new("/proc")).is_err());
        let missing = create_in(Path::new("/nowhere/at/all")).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
    }
}
