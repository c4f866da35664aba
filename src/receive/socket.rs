//! Opens listening sockets. A unix socket that somebody answers on is never taken away.

use super::listen::Listen;
use ::logdir::failure::reason;
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce};
use nix::sys::socket::{getsockopt, setsockopt};
use std::fs;
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// An open socket.
#[derive(Debug)]
pub enum Socket {
    /// Datagrams of this machine.
    Unix(UnixDatagram, #[expect(dead_code, reason = "it removes itself")] Name),
    /// Connections of this machine.
    UnixStream(UnixListener, #[expect(dead_code, reason = "it removes itself")] Name),
    /// Datagrams.
    Udp(UdpSocket),
    /// Connections.
    Tcp { listener: TcpListener, is_relp: bool, is_encrypted: bool },
}

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

impl Socket {
    /// Opens a socket. `mode`: of a unix socket. `buffer_len`: bytes of datagrams for the kernel to keep.
    ///
    /// # Errors
    /// A text that says what could not be done to which socket, and why.
    pub fn open(listen: &Listen, mode: u32, buffer_len: usize) -> Result<Socket, String> {
        let failure =
            |error: io::Error| format!("unable to listen on {listen}: {}", reason(&error));
        let socket = match listen {
            Listen::Unix(path) => {
                refuse_taken(path, |path| UnixDatagram::unbound()?.connect(path))?;
                let (socket, name) =
                    name_socket(path, mode, |path| UnixDatagram::bind(path)).map_err(failure)?;
                socket.set_nonblocking(true).map_err(failure)?;
                Socket::Unix(socket, name)
            }
            Listen::UnixStream(path) => {
                refuse_taken(path, |path| UnixStream::connect(path).map(drop))?;
                let (socket, name) =
                    name_socket(path, mode, |path| UnixListener::bind(path)).map_err(failure)?;
                socket.set_nonblocking(true).map_err(failure)?;
                Socket::UnixStream(socket, name)
            }
            Listen::Udp(address) => {
                let socket = UdpSocket::bind(address).map_err(failure)?;
                socket.set_nonblocking(true).map_err(failure)?;
                Socket::Udp(socket)
            }
            Listen::Tcp(address)
            | Listen::Relp(address)
            | Listen::Tls(address)
            | Listen::Relps(address) => Socket::Tcp {
                listener: listener(*address).map_err(failure)?,
                is_relp: listen.is_relp(),
                is_encrypted: listen.is_encrypted(),
            },
        };
        if let Socket::Unix(..) | Socket::Udp(_) = socket {
            socket.enlarge_buffer(listen, buffer_len);
        }
        Ok(socket)
    }

    /// What it listens on; port 0 has become the port that the kernel chose.
    pub fn listen(&self, asked: &Listen) -> Listen {
        let address = match self {
            Socket::Unix(..) | Socket::UnixStream(..) => return asked.clone(),
            Socket::Udp(socket) => socket.local_addr(),
            Socket::Tcp { listener, .. } => listener.local_addr(),
        };
        match (asked, address) {
            (Listen::Udp(_), Ok(address)) => Listen::Udp(address),
            (Listen::Tcp(_), Ok(address)) => Listen::Tcp(address),
            (Listen::Relp(_), Ok(address)) => Listen::Relp(address),
            (Listen::Tls(_), Ok(address)) => Listen::Tls(address),
            (Listen::Relps(_), Ok(address)) => Listen::Relps(address),
            (_, _) => asked.clone(),
        }
    }

    /// Asks the kernel for a buffer, and says so if it gives less.
    fn enlarge_buffer(&self, listen: &Listen, len: usize) {
        let fd = self.as_fd();
        // Beyond the limit of the system only with CAP_NET_ADMIN.
        if setsockopt(&fd, RcvBufForce, &len).is_err() {
            let _ = setsockopt(&fd, RcvBuf, &len);
        }
        // The kernel doubles the number for its own use, and answers with that.
        let given = getsockopt(&fd, RcvBuf).unwrap_or(0) / 2;
        if given < len {
            crate::message::warn(
                format!(
                    "{listen} has a buffer of {given} bytes instead of {len}: \
                     raise net.core.rmem_max, or datagrams may be lost in a burst"
                )
                .as_bytes(),
            );
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Unix(socket, _) => socket.as_fd(),
            Socket::UnixStream(socket, _) => socket.as_fd(),
            Socket::Udp(socket) => socket.as_fd(),
            Socket::Tcp { listener, .. } => listener.as_fd(),
        }
    }
}

fn listener(address: std::net::SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpListener::bind(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Refuses a path that another program answers on, and anything that is no socket.
fn refuse_taken(path: &Path, connect: impl Fn(&Path) -> io::Result<()>) -> Result<(), String> {
    let shown = path.display();
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("unable to look at {shown}: {}", reason(&error))),
        Ok(found) => found.file_type(),
    };
    if found.is_symlink() {
        return Err(format!("{shown} is a symbolic link: name the socket that it leads to"));
    }
    if !found.is_socket() {
        return Err(format!("{shown} exists and is no socket"));
    }
    match connect(path) {
        // Nobody has it open: its program was killed.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Ok(()) => Err(format!("{shown} is in use: another program listens there")),
        // A socket of the other type also has an owner.
        Err(error) => Err(format!("{shown} is in use: {}", reason(&error))),
    }
}

/// Binds to a temporary name with its final mode, then renames: no program finds a socket that refuses it.
fn name_socket<S>(
    path: &Path,
    mode: u32,
    bind: impl Fn(&Path) -> io::Result<S>,
) -> io::Result<(S, Name)> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}", std::process::id()));
    let temporary = PathBuf::from(temporary);
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
