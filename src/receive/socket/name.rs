//! Names of unix sockets, and links to them: nothing that answers is replaced, and at the end only what is ours is
//! removed.

use super::holder;
use ::logdir::failure::{process_text, reason};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};

/// The name of a unix socket, removed on drop if it is still this socket.
#[derive(Debug)]
pub struct Name {
    path: PathBuf,
    identity: (u64, u64),
}

impl Drop for Name {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == self.identity);
        if is_ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A symbolic link to a socket, removed on drop if it still leads there.
#[derive(Debug)]
pub struct Link {
    path: PathBuf,
    target: PathBuf,
}

impl Drop for Link {
    fn drop(&mut self) {
        if fs::read_link(&self.path).is_ok_and(|target| target == self.target) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Refuses a path that another program answers on, and anything that is no socket.
pub fn refuse_taken(path: &Path, connect: impl Fn(&Path) -> io::Result<()>) -> Result<(), String> {
    let Some(found) = look_at(path)? else { return Ok(()) };
    let shown = path.display();
    if found.file_type().is_symlink() {
        return Err(format!("{shown} is a symbolic link: name the socket that it leads to"));
    }
    if !found.file_type().is_socket() {
        return Err(format!("{shown} exists and is no socket"));
    }
    match connect(path) {
        // Nobody has it open: its program was killed.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Ok(()) => {
            let pid = holder::of_socket(found.ino(), found.dev());
            Err(format!("{shown} is in use: {} listens there", process_text(pid)))
        }
        // A socket of the other type also has an owner.
        Err(error) => Err(format!("{shown} is in use: {}", reason(&error))),
    }
}

/// Binds to a temporary name with its final mode, then renames: no program finds a socket that refuses it.
pub fn bind<S>(
    path: &Path,
    mode: u32,
    bind: impl Fn(&Path) -> io::Result<S>,
) -> io::Result<(S, Name)> {
    let temporary = temporary(path);
    let _ = fs::remove_file(&temporary);
    let socket = bind(&temporary)?;
    let named = fs::set_permissions(&temporary, fs::Permissions::from_mode(mode))
        .and_then(|()| fs::symlink_metadata(&temporary))
        .and_then(|found| fs::rename(&temporary, path).map(|()| (found.dev(), found.ino())));
    match named {
        Ok(identity) => Ok((socket, Name { path: path.to_owned(), identity })),
        Err(error) => {
            let _ = fs::remove_file(&temporary);
            Err(error)
        }
    }
}

/// Makes a symbolic link to a socket. A missing one is made, a dangling one or one to a socket without a program is
/// replaced; a link to anything else, a socket that answers and a file are refused.
///
/// # Errors
/// A text that says what is there instead, or what could not be done, and why.
pub fn link(path: &Path, socket: &Path) -> Result<Link, String> {
    let shown = path.display();
    let target = std::path::absolute(socket)
        .map_err(|error| format!("unable to link {shown}: {}", reason(&error)))?;
    refuse_foreign(path, &target)?;
    let temporary = temporary(path);
    let _ = fs::remove_file(&temporary);
    let made = symlink(&target, &temporary).and_then(|()| fs::rename(&temporary, path));
    made.map_err(|error| {
        let _ = fs::remove_file(&temporary);
        format!("unable to link {shown} to {}: {}", target.display(), reason(&error))
    })?;
    Ok(Link { path: path.to_owned(), target })
}

/// Refuses a path that somebody uses for something else than a link to the target.
fn refuse_foreign(path: &Path, target: &Path) -> Result<(), String> {
    let Some(found) = look_at(path)? else { return Ok(()) };
    let shown = path.display();
    if !found.file_type().is_symlink() {
        return refuse_taken(path, answers);
    }
    let leads_to = fs::read_link(path).unwrap_or_default();
    let there = match fs::metadata(path) {
        // It leads nowhere.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("unable to look at {shown}: {}", reason(&error))),
        Ok(there) => there,
    };
    let is_ours = leads_to == target;
    let is_unused =
        || matches!(answers(path), Err(error) if error.kind() == io::ErrorKind::ConnectionRefused);
    if is_ours || there.file_type().is_socket() && is_unused() {
        return Ok(());
    }
    Err(format!("{shown} is a symbolic link to {}, which is in use", leads_to.display()))
}

/// Connects to a socket of any kind.
fn answers(path: &Path) -> io::Result<()> {
    match UnixDatagram::unbound()?.connect(path) {
        Err(error) if error.raw_os_error() == Some(nix::errno::Errno::EPROTOTYPE as i32) => {
            UnixStream::connect(path).map(drop)
        }
        answer => answer,
    }
}

/// Kind of the file at a path; `None` without a file.
fn look_at(path: &Path) -> Result<Option<Metadata>, String> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("unable to look at {}: {}", path.display(), reason(&error))),
        Ok(found) => Ok(Some(found)),
    }
}

fn temporary(path: &Path) -> PathBuf {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}", std::process::id()));
    PathBuf::from(temporary)
}
