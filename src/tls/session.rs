//! A TLS session between a socket and a protocol: like reading and writing the socket, encrypted. Errors of
//! TLS come as `io::Error` without a number, in plain words.

use super::words::Peer;
use rustls::{Connection, ProtocolVersion};
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

/// One session. It holds at most a few records of 16 KiB in each direction.
#[derive(Debug)]
pub struct Session {
    connection: Connection,
    peer: Peer,
    written_total: u64,
}

impl Session {
    /// A session whose handshake has not begun.
    pub(super) fn new(connection: Connection, peer: Peer) -> Session {
        Session { connection, peer, written_total: 0 }
    }

    /// Reads bytes of the protocol; 0 at the end. The owner reads until the call would wait: poll(2) knows
    /// nothing of bytes that are decrypted already.
    ///
    /// # Errors
    /// It would wait, the socket failed, or the peer and we do not agree.
    pub fn read(&mut self, socket: &TcpStream, space: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.connection.reader().read(space) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // A peer that ends without a goodbye has ended; what it sent is whole or not by the rules of
                // the protocol inside.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                other => return other,
            }
            if self.connection.read_tls(&mut &*socket)? == 0 {
                return match self.is_handshaking() {
                    true => Err(io::Error::other("the connection ended while TLS was agreed on")),
                    false => Ok(0),
                };
            }
            let processed = self.connection.process_new_packets();
            // An answer of the handshake, or the alert that tells the peer what is wrong.
            let flushed = self.flush(socket);
            processed.map_err(|error| io::Error::other(self.peer.words(&error)))?;
            match flushed {
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
    }

    /// Takes bytes of the protocol; they are written as far as the socket takes them, and the rest by
    /// [`flush`](Session::flush).
    ///
    /// # Errors
    /// It would wait, for the handshake or for the socket, and has taken nothing; or the socket failed.
    pub fn write(&mut self, socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
        self.flush(socket)?;
        if self.is_handshaking() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let len = self.connection.writer().write(bytes)?;
        match self.flush(socket) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            Ok(()) | Err(_) if len == 0 => Err(ErrorKind::WouldBlock.into()),
            Ok(()) | Err(_) => Ok(len),
        }
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// It would wait, or the socket failed.
    pub fn flush(&mut self, socket: &TcpStream) -> io::Result<()> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut &*socket) {
                Ok(len) => self.written_total += len as u64,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether the two sides have not agreed yet.
    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Whether encrypted bytes wait for the socket.
    pub fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }

    /// Whether the peer may still refuse our certificate: in TLS 1.3 the client is done before the server has
    /// judged it.
    pub fn may_be_refused_later(&self) -> bool {
        self.peer == Peer::Server
            && self.connection.protocol_version() != Some(ProtocolVersion::TLSv1_2)
    }

    /// The first DNS name in the certificate of the peer, which is known and checked after the handshake.
    pub fn certified_name(&self) -> Option<String> {
        let certificate = self.connection.peer_certificates()?.first()?;
        let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
        let is_of_one = |name: &&str| !name.starts_with('*');
        parsed.valid_dns_names().find(is_of_one).map(str::to_owned)
    }

    /// Encrypted bytes that the socket has taken.
    pub fn written_total(&self) -> u64 {
        self.written_total
    }

    /// Queues the goodbye of TLS; [`flush`](Session::flush) writes it.
    pub fn close(&mut self) {
        self.connection.send_close_notify();
    }
}
