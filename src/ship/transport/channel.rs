//! Bytes to and from a receiver over TCP, plain or through TLS. Never waits.

use super::Broken;
use crate::address::Address;
use crate::poll::Interest;
use crate::sys::socket;
use crate::tls::{Client, Session};
use ::logdir::failure::reason;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// How long the two sides have to agree on TLS.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// In TLS 1.3 the client is done before the server has judged its certificate. What no alert follows for
/// this long is accepted.
const JUDGED_AFTER: Duration = Duration::from_secs(1);
/// Remembered positions in the encrypted stream.
const MARKS_MAX: usize = 1024;

/// One connection.
#[derive(Debug)]
pub struct Channel {
    socket: TcpStream,
    tls: Option<Session>,
    began: Instant,
    /// When TLS was agreed on.
    agreed: Option<Instant>,
    /// Bytes of the protocol that were ever taken.
    written_total: u64,
    /// Of these, bytes that the kernel of the peer has confirmed.
    confirmed_total: u64,
    /// Ends of what was taken: in the protocol, and in the encrypted stream.
    marks: VecDeque<(u64, u64)>,
}

impl Channel {
    /// Takes over a connected socket; a `tls` client begins its handshake.
    pub fn new(
        socket: TcpStream,
        address: &Address,
        tls: Option<&Client>,
    ) -> Result<Channel, Broken> {
        let prepared = socket.set_nonblocking(true).and_then(|()| socket.set_nodelay(true));
        prepared.map_err(|error| Broken::new(reason(&error)))?;
        let tls = tls.map(|client| client.session(&address.host)).transpose();
        Ok(Channel {
            socket,
            tls: tls.map_err(Broken::new)?,
            began: Instant::now(),
            agreed: None,
            written_total: 0,
            confirmed_total: 0,
            marks: VecDeque::new(),
        })
    }

    /// Reads; 0 at the end of the stream.
    pub fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.tls {
            None => (&self.socket).read(space),
            Some(tls) => tls.read(&self.socket, space),
        };
        if self.agreed.is_none() && self.tls.as_ref().is_some_and(|tls| !tls.is_handshaking()) {
            self.agreed = Some(Instant::now());
        }
        read
    }

    /// Writes as much as the socket takes.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            let len = (&self.socket).write(bytes)?;
            self.written_total += len as u64;
            return Ok(len);
        };
        let len = tls.write(&self.socket, bytes)?;
        self.written_total += len as u64;
        self.mark();
        Ok(len)
    }

    /// Writes what TLS holds, such as its handshake.
    pub fn flush(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        let flushed = tls.flush(&self.socket);
        self.mark();
        match flushed {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            other => other,
        }
    }

    /// Notes where the stream ends, where all of it is encrypted and written.
    fn mark(&mut self) {
        let Some(tls) = self.tls.as_ref().filter(|tls| !tls.wants_write()) else { return };
        let mark = (self.written_total, tls.written_total());
        // With this many on their way a coarser answer is good enough.
        let is_full = self.marks.len() >= MARKS_MAX;
        match self.marks.back_mut() {
            Some(last) if last.0 == mark.0 => {}
            Some(last) if is_full => *last = mark,
            Some(_) | None => self.marks.push_back(mark),
        }
    }

    /// Bytes of the protocol that the kernel of the peer has confirmed.
    pub fn confirmed(&mut self) -> io::Result<u64> {
        let unsent = socket::unconfirmed_bytes(&self.socket)? as u64;
        let Some(tls) = &self.tls else {
            return Ok(self.written_total.saturating_sub(unsent));
        };
        let confirmed = tls.written_total().saturating_sub(unsent);
        while let Some(&(end, encrypted_end)) = self.marks.front()
            && encrypted_end <= confirmed
        {
            self.confirmed_total = end;
            self.marks.pop_front();
        }
        Ok(self.confirmed_total)
    }

    /// Whether bytes of the protocol can be written: at once, or when both sides have agreed on TLS.
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "only OTLP does so"))]
    pub fn is_agreed(&self) -> bool {
        self.tls.is_none() || self.agreed.is_some()
    }

    /// Whether the receiver has let us in, as far as can be known without an answer of the protocol.
    pub fn is_accepted(&self) -> bool {
        match (&self.tls, self.agreed) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(tls), Some(agreed)) => {
                !tls.may_be_refused_later() || agreed.elapsed() >= JUDGED_AFTER
            }
        }
    }

    /// When the peer has taken too long to agree on TLS.
    pub fn handshake_deadline(&self) -> Option<Instant> {
        let is_handshaking = self.tls.is_some() && self.agreed.is_none();
        is_handshaking.then(|| self.began + HANDSHAKE_TIMEOUT)
    }

    /// When [`is_accepted`](Channel::is_accepted) becomes true, unless an alert comes first.
    pub fn accepted_at(&self) -> Option<Instant> {
        self.agreed.filter(|_| !self.is_accepted()).map(|agreed| agreed + JUDGED_AFTER)
    }

    /// An error if the peer takes too long to agree on TLS.
    pub fn check_time(&self) -> Result<(), Broken> {
        match self.handshake_deadline().is_some_and(|deadline| Instant::now() >= deadline) {
            true => Err(Broken::new("no agreement on TLS within 30 s; is the port right?")),
            false => Ok(()),
        }
    }

    /// The descriptor and what to wait for. `has_output` is true while bytes of the protocol wait.
    pub fn interest(&self, has_output: bool) -> (BorrowedFd<'_>, Interest) {
        let writes = match &self.tls {
            None => has_output,
            Some(tls) => tls.wants_write() || has_output && !tls.is_handshaking(),
        };
        (self.socket.as_fd(), if writes { Interest::Both } else { Interest::Readable })
    }

    /// See [`socket::acknowledge_quickly`].
    pub fn acknowledge_quickly(&self) {
        socket::acknowledge_quickly(&self.socket);
    }

    /// Ends this direction. A goodbye of TLS that the socket does not take is no loss.
    pub fn end(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            tls.close();
            let _ = tls.flush(&self.socket);
        }
        self.socket.shutdown(Shutdown::Write)
    }
}
