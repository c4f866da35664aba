//! Opens listening sockets, and receives datagrams. A unix socket that somebody answers on is never taken away.

mod holder;
mod name;

use super::listen::{At, Listen};
use super::peer::{Credentials, Peer};
use crate::poll;
use ::logdir::failure::reason;
use name::Name;
pub use name::{Link, link};
use nix::sys::socket::sockopt::{AcceptConn, PassCred, RcvBuf, RcvBufForce, RxqOvfl, SockType};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockaddrLike, SockaddrStorage, getsockname,
    getsockopt, recvmsg, setsockopt,
};
use std::collections::HashMap;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

/// An open socket.
#[derive(Debug)]
pub enum Socket {
    /// Datagrams of this machine.
    Unix(UnixDatagram, #[expect(dead_code, reason = "it removes itself")] Option<Name>),
    /// Connections of this machine.
    UnixStream(UnixListener, #[expect(dead_code, reason = "it removes itself")] Option<Name>),
    /// Datagrams.
    Udp(UdpSocket),
    /// Connections.
    Tcp { listener: TcpListener, is_relp: bool, is_encrypted: bool },
}

/// How sockets are opened.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Mode of unix sockets.
    pub mode: u32,
    /// Bytes of datagrams for the kernel to keep.
    pub buffer_len: usize,
    /// Asks the kernel which process sends.
    pub asks_for_peers: bool,
}

/// Memory for a datagram and its ancillary data.
#[derive(Debug)]
pub struct Inbox {
    bytes: Box<[u8]>,
    control: Vec<u8>,
}

impl Inbox {
    /// Room for a datagram of this length; a longer one is cut.
    pub fn new(len_max: usize) -> Inbox {
        let control = nix::cmsg_space!(nix::sys::socket::UnixCredentials, u32);
        Inbox { bytes: vec![0; len_max].into_boxed_slice(), control }
    }

    /// The bytes of a datagram.
    pub fn bytes(&self, datagram: Datagram) -> &[u8] {
        &self.bytes[..datagram.len]
    }
}

/// A datagram in an inbox.
#[derive(Clone, Copy, Debug)]
pub struct Datagram {
    len: usize,
    /// True if the datagram was longer than the inbox.
    pub is_cut: bool,
    /// Datagrams that the kernel has ever dropped at this socket, if it says so.
    pub dropped: Option<u32>,
}

/// Sockets that the starting program opened, by number.
pub type Inherited = HashMap<RawFd, OwnedFd>;

/// Takes the inherited sockets that are asked for. Called before anything else is opened.
///
/// # Errors
/// A text that says which is not open, or is named twice.
pub fn take_inherited(asked: &[Listen]) -> Result<Inherited, String> {
    let mut taken = Inherited::new();
    for (fd, listen) in asked.iter().filter_map(|listen| Some((listen.descriptor()?, listen))) {
        if taken.contains_key(&fd) {
            return Err(format!("fd:{fd} is named twice"));
        }
        let socket = crate::sys::socket::take_inherited(fd);
        let socket =
            socket.map_err(|error| format!("unable to listen on {listen}: {}", reason(&error)))?;
        taken.insert(fd, socket);
    }
    Ok(taken)
}

impl Socket {
    /// Opens a socket, or takes it from the inherited ones.
    ///
    /// # Errors
    /// A text that says what could not be done to which socket, and why.
    pub fn open(
        listen: &Listen,
        setup: Setup,
        inherited: &mut Inherited,
    ) -> Result<Socket, String> {
        let failure =
            |error: io::Error| format!("unable to listen on {listen}: {}", reason(&error));
        let socket = match listen {
            Listen::Nats(..) => return Err(format!("{listen} is no socket")),
            Listen::Unix(path) => {
                name::refuse_taken(path, |path| UnixDatagram::unbound()?.connect(path))?;
                let bound = name::bind(path, setup.mode, |path| UnixDatagram::bind(path));
                let (socket, name) = bound.map_err(failure)?;
                socket.set_nonblocking(true).map_err(failure)?;
                Socket::Unix(socket, Some(name))
            }
            Listen::UnixStream(path) => {
                name::refuse_taken(path, |path| UnixStream::connect(path).map(drop))?;
                let bound = name::bind(path, setup.mode, |path| UnixListener::bind(path));
                let (socket, name) = bound.map_err(failure)?;
                socket.set_nonblocking(true).map_err(failure)?;
                Socket::UnixStream(socket, Some(name))
            }
            Listen::Udp(At::Address(address)) => {
                Socket::Udp(UdpSocket::bind(address).map_err(failure)?)
            }
            Listen::Tcp(At::Address(address))
            | Listen::Relp(At::Address(address))
            | Listen::Tls(At::Address(address))
            | Listen::Relps(At::Address(address)) => Socket::Tcp {
                listener: listener(*address).map_err(failure)?,
                is_relp: listen.is_relp(),
                is_encrypted: listen.is_encrypted(),
            },
            Listen::Kafka(place) => return Err(format!("{place} is no socket")),
            Listen::Inherited(fd)
            | Listen::Udp(At::Inherited(fd))
            | Listen::Tcp(At::Inherited(fd))
            | Listen::Relp(At::Inherited(fd))
            | Listen::Tls(At::Inherited(fd))
            | Listen::Relps(At::Inherited(fd)) => {
                let taken = inherited.remove(fd);
                let socket = taken.ok_or_else(|| failure(io::ErrorKind::NotFound.into()))?;
                Socket::of_inherited(socket, listen)
                    .map_err(|why| format!("unable to listen on {listen}: {why}"))?
            }
        };
        if socket.takes_datagrams() {
            socket.enlarge_buffer(listen, setup.buffer_len);
        }
        if let Socket::Udp(socket) = &socket {
            // Without it the table of the kernel still has the count.
            let _ = setsockopt(socket, RxqOvfl, &1);
        }
        if let Socket::Unix(socket, _) = &socket
            && setup.asks_for_peers
        {
            setsockopt(socket, PassCred, &true).map_err(|errno| failure(errno.into()))?;
        }
        Ok(socket)
    }

    /// Asks the kernel what an inherited socket is.
    fn of_inherited(socket: OwnedFd, listen: &Listen) -> Result<Socket, String> {
        let words = |errno: nix::errno::Errno| errno.desc().to_owned();
        let kind = getsockopt(&socket, SockType).map_err(words)?;
        let name = getsockname::<SockaddrStorage>(socket.as_raw_fd()).map_err(words)?;
        let is_unix = name.family() == Some(AddressFamily::Unix);
        let is_stream = kind == nix::sys::socket::SockType::Stream;
        if is_stream && !getsockopt(&socket, AcceptConn).map_err(words)? {
            return Err("it is a connection, and does not listen".to_owned());
        }
        if !is_stream && kind != nix::sys::socket::SockType::Datagram {
            return Err(format!("its kind {kind:?} is not known here"));
        }
        let is_meant = match listen {
            Listen::Udp(_) => !is_stream && !is_unix,
            Listen::Tcp(_) | Listen::Relp(_) | Listen::Tls(_) | Listen::Relps(_) => {
                is_stream && !is_unix
            }
            Listen::Unix(_) | Listen::UnixStream(_) | Listen::Inherited(_) => true,
            Listen::Kafka(_) | Listen::Nats(..) => false,
        };
        if !is_meant {
            return Err("it is of another kind; fd:N alone finds out which".to_owned());
        }
        Ok(match (is_unix, is_stream) {
            (true, false) => Socket::Unix(socket.into(), None),
            (true, true) => Socket::UnixStream(socket.into(), None),
            (false, false) => Socket::Udp(socket.into()),
            (false, true) => Socket::Tcp {
                listener: socket.into(),
                is_relp: listen.is_relp(),
                is_encrypted: listen.is_encrypted(),
            },
        })
    }

    /// What it listens on: port 0 has become the port that the kernel chose, an inherited socket has its address.
    pub fn listen(&self, asked: &Listen) -> Listen {
        let (protocol, address): (fn(At) -> Listen, _) = match (self, asked) {
            (Socket::Unix(socket, _), Listen::Inherited(_)) => {
                return named(socket.local_addr(), Listen::Unix, asked);
            }
            (Socket::UnixStream(socket, _), Listen::Inherited(_)) => {
                return named(socket.local_addr(), Listen::UnixStream, asked);
            }
            (Socket::Unix(..) | Socket::UnixStream(..), _) => return asked.clone(),
            (Socket::Udp(socket), _) => (Listen::Udp, socket.local_addr()),
            (&Socket::Tcp { ref listener, is_relp, is_encrypted }, _) => {
                let protocol = match (is_relp, is_encrypted) {
                    (false, false) => Listen::Tcp,
                    (false, true) => Listen::Tls,
                    (true, false) => Listen::Relp,
                    (true, true) => Listen::Relps,
                };
                (protocol, listener.local_addr())
            }
        };
        address.map_or_else(|_| asked.clone(), |address| protocol(At::Address(address)))
    }

    /// True for sockets without connections.
    pub fn takes_datagrams(&self) -> bool {
        matches!(self, Socket::Unix(..) | Socket::Udp(_))
    }

    /// True if a connection can be taken without waiting. An inherited socket is never made non-blocking, because
    /// that would change it for every program that has it.
    pub fn has_connection(&self) -> bool {
        poll::is_readable(self)
    }

    /// Receives a datagram and notes who sent it, without waiting.
    ///
    /// # Errors
    /// The kernel's; `EAGAIN` if none waits.
    pub fn receive(&self, inbox: &mut Inbox, peer: &mut Peer) -> nix::Result<Datagram> {
        let mut buffers = [IoSliceMut::new(&mut inbox.bytes)];
        let fd = self.as_fd().as_raw_fd();
        let received = recvmsg::<SockaddrStorage>(
            fd,
            &mut buffers,
            Some(&mut inbox.control),
            MsgFlags::MSG_DONTWAIT,
        )?;
        if let Socket::Udp(_) = self
            && let Some(ip) = received.address.as_ref().and_then(ip_of)
        {
            peer.set_ip(ip);
        }
        let mut dropped = None;
        for message in received.cmsgs().into_iter().flatten() {
            match message {
                ControlMessageOwned::ScmCredentials(sender) => {
                    peer.credentials = Some(Credentials { pid: sender.pid(), uid: sender.uid() });
                }
                ControlMessageOwned::RxqOvfl(total) => dropped = Some(total),
                _ => {}
            }
        }
        let is_cut = received.flags.contains(MsgFlags::MSG_TRUNC);
        Ok(Datagram { len: received.bytes, is_cut, dropped })
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

/// Process that opened the other end of a unix connection.
pub fn credentials_of(stream: &UnixStream) -> Option<Credentials> {
    let peer = getsockopt(stream, nix::sys::socket::sockopt::PeerCredentials).ok()?;
    Some(Credentials { pid: peer.pid(), uid: peer.uid() })
}

fn named(
    address: io::Result<std::os::unix::net::SocketAddr>,
    protocol: fn(std::path::PathBuf) -> Listen,
    asked: &Listen,
) -> Listen {
    let path = address.ok().and_then(|address| address.as_pathname().map(ToOwned::to_owned));
    path.map_or_else(|| asked.clone(), protocol)
}

fn ip_of(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
}

fn listener(address: std::net::SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpListener::bind(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}
