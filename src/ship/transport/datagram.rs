//! Syslog in datagrams, over UDP or to a local socket: one message each, and no answer.

use super::{Broken, FDS_MAX, Outcome, Transport, would_wait};
use crate::poll::Interest;
use ::logdir::failure::reason;
use std::collections::VecDeque;
use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::time::Instant;

/// Messages that wait for room in the socket.
const HELD_MAX: usize = 64;

#[derive(Debug)]
enum Socket {
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

impl Socket {
    fn send(&self, message: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Udp(socket) => socket.send(message),
            Socket::Unix(socket) => socket.send(message),
        }
    }
}

/// A connected socket.
#[derive(Debug)]
pub struct Datagram {
    socket: Socket,
    held: VecDeque<(u64, Vec<u8>)>,
    is_new: bool,
    is_closing: bool,
}

impl Datagram {
    /// Datagrams over a network.
    pub fn udp(socket: UdpSocket) -> Result<Datagram, Broken> {
        socket.set_nonblocking(true).map_err(|error| Broken::new(reason(&error)))?;
        Ok(Datagram {
            socket: Socket::Udp(socket),
            held: VecDeque::new(),
            is_new: true,
            is_closing: false,
        })
    }

    /// Datagrams on this machine.
    pub fn unix(socket: UnixDatagram) -> Result<Datagram, Broken> {
        socket.set_nonblocking(true).map_err(|error| Broken::new(reason(&error)))?;
        Ok(Datagram {
            socket: Socket::Unix(socket),
            held: VecDeque::new(),
            is_new: true,
            is_closing: false,
        })
    }
}

impl Transport for Datagram {
    fn room(&self) -> usize {
        HELD_MAX - self.held.len()
    }

    fn send(&mut self, id: u64, message: &[u8]) {
        self.held.push_back((id, message.to_vec()));
    }

    fn fds(&self) -> [Option<(BorrowedFd<'_>, Interest)>; FDS_MAX] {
        let fd = match &self.socket {
            Socket::Udp(socket) => socket.as_fd(),
            Socket::Unix(socket) => socket.as_fd(),
        };
        [(!self.held.is_empty()).then_some((fd, Interest::Writable)), None]
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn advance(&mut self, outcomes: &mut Vec<Outcome>) -> Result<(), Broken> {
        if std::mem::take(&mut self.is_new) {
            outcomes.push(Outcome::Opened);
        }
        while let Some((id, message)) = self.held.front() {
            match self.socket.send(message) {
                Ok(_) => outcomes.push(Outcome::Delivered(*id)),
                Err(error) if would_wait(&error) => break,
                Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => {
                    let why = format!("{} bytes are too long for a datagram", message.len());
                    outcomes.push(Outcome::Unsendable(*id, why));
                }
                Err(error) => return Err(Broken::new(reason(&error))),
            }
            self.held.pop_front();
        }
        match self.is_closing {
            true => Err(Broken::new("nobody answers datagrams")),
            false => Ok(()),
        }
    }

    fn close(&mut self) {
        self.is_closing = true;
    }
}
