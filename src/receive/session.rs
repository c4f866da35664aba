//! A connection: its bytes become messages, and answers go back when the messages are on disk.

use super::peer::Peer;
use super::store::Ticket;
use crate::tls;
use ::logdir::failure::reason;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};
use wire::frame::{Ending, FrameReader};
use wire::relp::server::{Event, Server};

/// After the last answer the client has this long to close, so that the answer is not lost in a reset.
const LINGER: Duration = Duration::from_secs(5);
/// Longest RELP message. A longer one would end the session, and rsyslog would send it again for ever.
const RELP_MESSAGE_MAX: usize = 1 << 20;
/// Reads in a row from one session, so that others have their turn.
const READS_MAX: usize = 4;

/// What one client may ask of the receiver.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of a message over plain syslog; a longer one becomes several lines.
    pub message_max: usize,
    /// Bytes of RELP messages without an answer.
    pub in_flight_max: usize,
    /// A message, or a handshake, that is not whole after this time ends the session.
    pub message_timeout: Duration,
}

/// A connected client.
#[derive(Debug)]
pub struct Session {
    stream: Stream,
    protocol: Protocol,
    peer: Peer,
    /// Bounds against strangers.
    bounds: Bounds,
    /// The last read did not empty the session: decrypted bytes wait that no descriptor tells of.
    has_more: bool,
    /// Since when a frame, or the handshake of TLS, is unfinished.
    unfinished_since: Option<Instant>,
    /// The session is over; until when its client may close.
    lingers_until: Option<Instant>,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Tls(TcpStream, Box<tls::Session>),
    Unix(UnixStream),
}

#[derive(Debug)]
enum Protocol {
    Syslog {
        reader: FrameReader,
        /// Piece of a long message before the next one.
        piece: Option<Ticket>,
    },
    Relp {
        server: Server,
        unanswered: VecDeque<Unanswered>,
        /// Bytes of the unanswered messages.
        unanswered_len: usize,
    },
}

/// A message that waits for its answer.
#[derive(Clone, Copy, Debug)]
struct Unanswered {
    txnr: u32,
    ticket: Ticket,
    len: usize,
}

impl Protocol {
    fn syslog(message_max: usize) -> Protocol {
        let reader = FrameReader::new(message_max).end_lines_at_nul();
        Protocol::Syslog { reader, piece: None }
    }
}

/// What became of a session.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// It goes on.
    Goes,
    /// It is over.
    Over,
    /// It goes on to its end, for a reason that somebody should know.
    Odd(String),
    /// It is over, for a reason that somebody should know.
    Failed(String),
}

/// Receives the messages of a session.
pub trait Messages {
    /// Takes a message. `continued`: the piece before, if this is a further piece of a long message.
    fn take(&mut self, peer: &Peer, message: &[u8], continued: Option<Ticket>) -> Ticket;

    /// Asks that a line gets on disk soon.
    fn require(&mut self, ticket: Ticket);
}

impl Session {
    /// A session of a TCP client.
    pub fn tcp(
        stream: TcpStream,
        encryption: Option<tls::Session>,
        peer: Peer,
        is_relp: bool,
        bounds: Bounds,
    ) -> Session {
        let protocol = match is_relp {
            true => Protocol::Relp {
                server: Server::new(RELP_MESSAGE_MAX),
                unanswered: VecDeque::new(),
                unanswered_len: 0,
            },
            false => Protocol::syslog(bounds.message_max),
        };
        let stream = match encryption {
            Some(session) => Stream::Tls(stream, Box::new(session)),
            None => Stream::Tcp(stream),
        };
        Session::new(stream, protocol, peer, bounds)
    }

    /// A session of a program of this machine.
    pub fn unix(stream: UnixStream, peer: Peer, bounds: Bounds) -> Session {
        Session::new(Stream::Unix(stream), Protocol::syslog(bounds.message_max), peer, bounds)
    }

    fn new(stream: Stream, protocol: Protocol, peer: Peer, bounds: Bounds) -> Session {
        Session {
            unfinished_since: stream.is_handshaking().then(Instant::now),
            stream,
            protocol,
            peer,
            bounds,
            has_more: false,
            lingers_until: None,
        }
    }

    /// True while TLS is being negotiated.
    pub fn is_handshaking(&self) -> bool {
        self.stream.is_handshaking()
    }

    /// Refuses the client with a reason; it keeps its messages.
    pub fn refuse(&mut self, reason: &str) {
        if let Protocol::Relp { server, .. } = &mut self.protocol {
            server.refuse(reason);
        }
    }

    /// True if its messages are answered.
    pub fn is_relp(&self) -> bool {
        matches!(self.protocol, Protocol::Relp { .. })
    }

    /// Ends a RELP session; the client sends again what has no answer.
    pub fn close(&mut self) {
        if let Protocol::Relp { server, unanswered, unanswered_len } = &mut self.protocol {
            unanswered.clear();
            *unanswered_len = 0;
            server.close();
        }
    }

    /// True if it may be read.
    pub fn wants_input(&self) -> bool {
        match &self.protocol {
            Protocol::Relp { server, unanswered_len, .. } => {
                let has_room = *unanswered_len < self.bounds.in_flight_max;
                server.wants_input() && has_room || self.lingers_until.is_some()
            }
            Protocol::Syslog { .. } => true,
        }
    }

    /// True if answers wait for the client.
    pub fn has_output(&self) -> bool {
        let has_encrypted = matches!(&self.stream, Stream::Tls(_, tls) if tls.wants_write());
        let has_answer =
            matches!(&self.protocol, Protocol::Relp { server, .. } if !server.output().is_empty());
        has_encrypted || has_answer && !self.stream.is_handshaking()
    }

    /// True if it can be read although its descriptor may not say so.
    pub fn has_more(&self) -> bool {
        self.has_more && matches!(self.stream, Stream::Tls(..)) && self.wants_input()
    }

    /// When the session ends if nothing happens.
    pub fn deadline(&self) -> Option<Instant> {
        let frame = self.unfinished_since.map(|since| since + self.bounds.message_timeout);
        frame.into_iter().chain(self.lingers_until).min()
    }

    /// Reads what has arrived, and gives messages to `to`.
    pub fn read(&mut self, to: &mut impl Messages) -> Next {
        for _ in 0..READS_MAX {
            if self.lingers_until.is_some() {
                let mut rest = [0; 4096];
                return match self.stream.read(&mut rest) {
                    Err(error) if is_for_later(&error) => Next::Goes,
                    Ok(0) | Err(_) => Next::Over,
                    Ok(_) => continue,
                };
            }
            let space = match &mut self.protocol {
                Protocol::Syslog { reader, .. } => reader.space(),
                Protocol::Relp { server, .. } if server.wants_input() => server.space(),
                Protocol::Relp { .. } => return Next::Goes,
            };
            if space.is_empty() {
                return self.take_messages(to);
            }
            self.has_more = true;
            let len = match self.stream.read(space) {
                Ok(0) => return self.end_input(to),
                Ok(len) => len,
                Err(error) if is_for_later(&error) => {
                    self.has_more = false;
                    self.note_unfinished();
                    return Next::Goes;
                }
                Err(error) => {
                    let end = self.end_input(to);
                    let cause = format!("unable to read from {}: {}", self.name(), reason(&error));
                    return if end == Next::Over { Next::Failed(cause) } else { end };
                }
            };
            match &mut self.protocol {
                Protocol::Syslog { reader, .. } => reader.filled(len),
                Protocol::Relp { server, .. } => server.filled(len),
            }
            match self.take_messages(to) {
                Next::Goes => {}
                next => return next,
            }
        }
        Next::Goes
    }

    /// Takes the messages that are whole.
    pub fn take_messages(&mut self, to: &mut impl Messages) -> Next {
        let peer = &self.peer;
        let in_flight_max = self.bounds.in_flight_max;
        let mut next = Next::Goes;
        match &mut self.protocol {
            Protocol::Syslog { reader, piece } => take_frames(reader, piece, to, peer),
            Protocol::Relp { server, unanswered, unanswered_len } => {
                while *unanswered_len < in_flight_max
                    && let Some(event) = server.next_event()
                {
                    match event {
                        Event::Message { txnr, bytes } => {
                            let len = bytes.len();
                            let ticket = to.take(peer, bytes, None);
                            to.require(ticket);
                            *unanswered_len += len;
                            unanswered.push_back(Unanswered { txnr, ticket, len });
                        }
                        Event::Broken(fault) => next = Next::Failed(fault.to_string()),
                        Event::Opened { .. } | Event::CloseRequested | Event::Refused => {}
                    }
                }
            }
        }
        self.note_unfinished();
        match next {
            // The answers to earlier messages still go out.
            Next::Failed(why) => {
                self.unfinished_since = None;
                Next::Odd(format!("{}: {why}", self.name()))
            }
            next => next,
        }
    }

    /// Notes since when the client owes the rest of something.
    fn note_unfinished(&mut self) {
        let is_in_message = match &self.protocol {
            Protocol::Syslog { reader, .. } => reader.is_in_message(),
            Protocol::Relp { server, .. } => server.is_in_frame(),
        };
        let is_unfinished = is_in_message || self.stream.is_handshaking();
        let began = self.unfinished_since.unwrap_or_else(Instant::now);
        self.unfinished_since = is_unfinished.then_some(began);
    }

    /// Frees the memory of a quiet session.
    pub fn free_unused(&mut self) {
        match &mut self.protocol {
            Protocol::Syslog { reader, .. } => reader.free_unused(),
            Protocol::Relp { server, .. } => server.free_unused(),
        }
    }

    /// True if messages wait for their answers.
    pub fn owes_answers(&self) -> bool {
        matches!(&self.protocol, Protocol::Relp { unanswered, .. } if !unanswered.is_empty())
    }

    /// Answers messages from the oldest on, as long as `is_durable`.
    pub fn answer(&mut self, is_durable: impl Fn(Ticket) -> bool) {
        let Protocol::Relp { server, unanswered, unanswered_len } = &mut self.protocol else {
            return;
        };
        let count = unanswered.iter().take_while(|message| is_durable(message.ticket)).count();
        let mut last = None;
        for message in unanswered.drain(..count) {
            *unanswered_len -= message.len;
            last = Some(message.txnr);
        }
        if let Some(txnr) = last {
            server.acknowledge(txnr);
        }
    }

    /// Writes answers as far as the client takes them, and ends a session that is over.
    pub fn write(&mut self) -> Next {
        let name = self.name();
        match self.stream.flush() {
            Err(error) if !is_for_later(&error) => {
                return Next::Failed(format!("unable to answer {name}: {}", reason(&error)));
            }
            Ok(()) | Err(_) => {}
        }
        let Protocol::Relp { server, .. } = &mut self.protocol else { return Next::Goes };
        while !server.output().is_empty() {
            match self.stream.write(server.output()) {
                Ok(len) => server.written(len),
                Err(error) if is_for_later(&error) => return Next::Goes,
                Err(error) => {
                    return Next::Failed(format!("unable to answer {name}: {}", reason(&error)));
                }
            }
        }
        if server.is_over() && self.lingers_until.is_none() {
            self.lingers_until = Some(Instant::now() + LINGER);
            self.unfinished_since = None;
            // A client that does not take the goodbye is closed by time.
            let _ = self.stream.shutdown();
        }
        Next::Goes
    }

    /// Ends a session that waited too long.
    pub fn check_time(&self, now: Instant) -> Next {
        if self.lingers_until.is_some_and(|until| now >= until) {
            return Next::Over;
        }
        match self.unfinished_since {
            Some(since) if now >= since + self.bounds.message_timeout => Next::Failed(format!(
                "{} began {} and did not end it within {} s",
                self.name(),
                if self.is_handshaking() { "a handshake" } else { "a message" },
                self.bounds.message_timeout.as_secs()
            )),
            Some(_) | None => Next::Goes,
        }
    }

    /// The client, in messages.
    pub fn name(&self) -> String {
        match self.peer.address() {
            Some(address) => format!("client {}", String::from_utf8_lossy(address)),
            None => "a client of the unix socket".to_owned(),
        }
    }

    /// The client closed: what it had begun to send over plain syslog is a message too.
    fn end_input(&mut self, to: &mut impl Messages) -> Next {
        if let Protocol::Syslog { reader, piece } = &mut self.protocol {
            reader.end_input();
            take_frames(reader, piece, to, &self.peer);
        }
        Next::Over
    }
}

/// Takes whole messages, and pieces of long ones. An empty line between messages is no message.
fn take_frames(
    reader: &mut FrameReader,
    piece: &mut Option<Ticket>,
    to: &mut impl Messages,
    peer: &Peer,
) {
    while let Some(frame) = reader.next_frame() {
        let continued = piece.take().filter(|_| frame.piece > 0);
        if !frame.bytes.is_empty() {
            let ticket = to.take(peer, frame.bytes, continued);
            *piece = (frame.ending == Ending::Continues).then_some(ticket);
        }
    }
}

fn is_for_later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

impl Stream {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(space),
            Stream::Tls(stream, tls) => tls.read(stream, space),
            Stream::Unix(stream) => stream.read(space),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Tls(stream, tls) => tls.write(stream, bytes),
            Stream::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Tls(stream, tls) => tls.flush(stream),
            Stream::Tcp(_) | Stream::Unix(_) => Ok(()),
        }
    }

    fn is_handshaking(&self) -> bool {
        matches!(self, Stream::Tls(_, tls) if tls.is_handshaking())
    }

    fn shutdown(&mut self) -> io::Result<()> {
        match self {
            Stream::Tls(stream, tls) => {
                tls.close();
                tls.flush(stream)?;
                stream.shutdown(Shutdown::Write)
            }
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }
}

impl AsFd for Session {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.stream {
            Stream::Tcp(stream) | Stream::Tls(stream, _) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
        }
    }
}
