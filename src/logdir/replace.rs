//! Replaces a file: a reader, or a crash, meets the former contents or all of the new ones.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes a file next to `path`, syncs it and gives it the name. Links are followed; a device or a pipe is
/// written to.
pub fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        return fs::OpenOptions::new().write(true).open(&path)?.write_all(contents);
    }
    let new = name_beside(&path);
    let written = write_and_rename(&new, &path, contents);
    if written.is_err() {
        // A missing file is no further failure.
        let _ = fs::remove_file(&new);
    }
    written
}

/// A name that no other process uses.
fn name_beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{}.new", std::process::id()));
    PathBuf::from(name)
}

fn write_and_rename(new: &Path, path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(new)?;
    file.write_all(contents)?;
    file.sync_all()?;
    fs::rename(new, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_where_its_link_points() {
        let home = tempfile::tempdir().expect("a directory");
        let (link, file) = (home.path().join("link"), home.path().join("file"));
        fs::write(&file, "old").expect("written");
        std::os::unix::fs::symlink("file", &link).expect("a link");
        replace(&link, b"new").expect("replaced");
        assert_eq!(fs::read(&file).expect("read"), b"new");
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(fs::read_dir(home.path()).expect("listed").count(), 2);
    }

    #[test]
    fn a_failure_leaves_the_file_and_nothing_else() {
        let home = tempfile::tempdir().expect("a directory");
        assert!(replace(&home.path().join("no/file"), b"new").is_err());
        assert!(replace(home.path(), b"new").is_err(), "a directory stays");
        assert_eq!(fs::read_dir(home.path()).expect("listed").count(), 0);
        replace(Path::new("/dev/null"), b"new").expect("written");
    }
}
