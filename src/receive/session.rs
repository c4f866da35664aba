//! A connection: its bytes become messages, and answers go back when the messages are on disk.

use super::peer::Peer;
use super::store::{Place, Ticket};
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
/// A RELP session whose lines cannot be written for so long is closed: its client may know another receiver.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
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
    /// A message, or a handshake, that is not whole after this time ends the session, and so do answers of which
    /// nothing is taken for this time.
    pub message_timeout: Duration,
}

/// A connected client.
#[derive(Debug)]
pub struct Session {
    stream: Stream,
    protocol: Protocol,
    peer: Peer,
    /// The client and its socket, in messages.
    name: String,
    /// Bounds against strangers.
    bounds: Bounds,
    /// The last read did not empty the session: decrypted bytes wait that no descriptor tells of.
    has_more: bool,
    /// Since when a frame, or the handshake of TLS, is unfinished.
    unfinished_since: Option<Instant>,
    /// Since when the client takes no byte of the answers that wait for it.
    unread_since: Option<Instant>,
    /// Bytes of answers written so far.
    answered_total: u64,
    /// Bytes that the client had taken at the last look.
    taken_total: u64,
    /// The session is over; until when its client may close.
    lingers_until: Option<Instant>,
    /// A message whose place is full; nothing is read while it waits.
    held: Option<Held>,
    /// Since when its oldest message cannot be written.
    stuck_since: Option<Instant>,
    /// The client sends nothing more; the session ends after the messages that were read.
    end: Option<Next>,
}

/// A message that waits for room.
#[derive(Debug)]
struct Held {
    place: Place,
    message: Vec<u8>,
    of: Part,
}

/// Role of a message in its session.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// A RELP message with its transaction.
    Transaction(u32),
    /// Syslog message, or one piece of a long one.
    Piece {
        /// The piece before.
        continued: Option<Ticket>,
        /// Another piece follows.
        continues: bool,
    },
}

/// The place of a message is full.
#[derive(Clone, Copy, Debug)]
pub struct Full(pub Place);

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
        unanswered: Unanswered,
    },
}

/// Messages that wait for their answers, oldest first.
#[derive(Debug, Default)]
struct Unanswered {
    messages: VecDeque<(u32, Ticket, usize)>,
    /// Bytes of the messages.
    len: usize,
}

impl Unanswered {
    fn push(&mut self, txnr: u32, ticket: Ticket, len: usize) {
        self.len += len;
        self.messages.push_back((txnr, ticket, len));
    }

    /// Takes messages from the oldest on. Returns the last transaction.
    fn take_while(&mut self, is_durable: impl Fn(Ticket) -> bool) -> Option<u32> {
        let mut last = None;
        while let Some(&(txnr, ticket, len)) = self.messages.front()
            && is_durable(ticket)
        {
            self.messages.pop_front();
            self.len -= len;
            last = Some(txnr);
        }
        last
    }
}

impl Protocol {
    fn syslog(message_max: usize) -> Protocol {
        let reader = FrameReader::new(message_max).end_lines_at_nul();
        Protocol::Syslog { reader, piece: None }
    }
}

/// What became of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    ///
    /// # Errors
    /// The place of the message is full: nothing was taken.
    fn take(
        &mut self,
        peer: &Peer,
        message: &[u8],
        continued: Option<Ticket>,
    ) -> Result<Ticket, Full>;

    /// True if a place that was full has room again.
    fn has_room(&self, place: Place) -> bool;

    /// Asks that a line gets on disk soon.
    fn require(&mut self, ticket: Ticket);
}

impl Session {
    /// A session of a TCP client. `name`: the client in messages.
    pub fn tcp(
        stream: TcpStream,
        encryption: Option<tls::Session>,
        (peer, name): (Peer, String),
        is_relp: bool,
        bounds: Bounds,
    ) -> Session {
        let protocol = match is_relp {
            true => Protocol::Relp {
                server: Server::new(RELP_MESSAGE_MAX),
                unanswered: Unanswered::default(),
            },
            false => Protocol::syslog(bounds.message_max),
        };
        let stream = match encryption {
            Some(session) => Stream::Tls(stream, Box::new(session)),
            None => Stream::Tcp(stream),
        };
        Session::new(stream, protocol, (peer, name), bounds)
    }

    /// A session of a program of this machine. `name`: the client in messages.
    pub fn unix(stream: UnixStream, client: (Peer, String), bounds: Bounds) -> Session {
        Session::new(Stream::Unix(stream), Protocol::syslog(bounds.message_max), client, bounds)
    }

    fn new(
        stream: Stream,
        protocol: Protocol,
        (peer, name): (Peer, String),
        bounds: Bounds,
    ) -> Session {
        Session {
            unfinished_since: stream.is_handshaking().then(Instant::now),
            unread_since: None,
            answered_total: 0,
            taken_total: 0,
            stream,
            protocol,
            peer,
            name,
            bounds,
            has_more: false,
            lingers_until: None,
            held: None,
            stuck_since: None,
            end: None,
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
        if let Protocol::Relp { server, unanswered } = &mut self.protocol {
            *unanswered = Unanswered::default();
            (self.held, self.stuck_since) = (None, None);
            server.close();
        }
    }

    /// True while the session reads its socket.
    pub fn wants_input(&self) -> bool {
        if self.held.is_some() {
            return false;
        }
        match &self.protocol {
            Protocol::Relp { server, unanswered } => {
                let has_room = unanswered.len < self.bounds.in_flight_max;
                server.wants_input() && has_room || self.lingers_until.is_some()
            }
            Protocol::Syslog { .. } => self.end.is_none(),
        }
    }

    /// The full place that it waits for.
    pub fn waits_for(&self) -> Option<Place> {
        self.held.as_ref().map(|held| held.place)
    }

    /// Notes if its oldest message cannot be written now. True after [`WRITE_TIMEOUT`].
    pub fn is_stuck(&mut self, is_in_trouble: impl Fn(Place) -> bool, now: Instant) -> bool {
        let is_stuck = self.is_relp() && self.owes().next().is_some_and(is_in_trouble);
        self.stuck_since = is_stuck.then(|| self.stuck_since.unwrap_or(now));
        self.stuck_since.is_some_and(|since| now >= since + WRITE_TIMEOUT)
    }

    /// Places of which its client still waits for answers.
    pub fn unanswered(&self) -> impl Iterator<Item = Place> {
        let unanswered = match &self.protocol {
            Protocol::Relp { unanswered, .. } => Some(&unanswered.messages),
            Protocol::Syslog { .. } => None,
        };
        unanswered.into_iter().flatten().map(|(_, ticket, _)| ticket.place)
    }

    /// Places of which its client still waits for answers, and the full place.
    pub fn owes(&self) -> impl Iterator<Item = Place> {
        self.unanswered().chain(self.waits_for())
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
        let since = self.unfinished_since.into_iter().chain(self.unread_since).min();
        let client = since.map(|since| since + self.bounds.message_timeout);
        let write = self.stuck_since.map(|since| since + WRITE_TIMEOUT);
        [client, write, self.lingers_until].into_iter().flatten().min()
    }

    /// Reads what has arrived, and gives messages to `to`.
    pub fn read(&mut self, to: &mut impl Messages) -> Next {
        for _ in 0..READS_MAX {
            if !self.wants_input() {
                return Next::Goes;
            }
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
                Protocol::Relp { server, .. } => server.space(),
            };
            if space.is_empty() {
                return self.take_messages(to);
            }
            self.has_more = true;
            let len = match self.stream.read(space) {
                Ok(0) => return self.end_input(to, Next::Over),
                Ok(len) => len,
                Err(error) if is_for_later(&error) => {
                    self.has_more = false;
                    self.note_unfinished();
                    return Next::Goes;
                }
                Err(error) => {
                    let cause = format!("unable to read from {}: {}", self.name(), reason(&error));
                    return self.end_input(to, Next::Failed(cause));
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

    /// Takes the messages that are whole, until one has no room.
    pub fn take_messages(&mut self, to: &mut impl Messages) -> Next {
        if !self.put_held(to) {
            // The client is not late: this receiver stopped reading.
            self.unfinished_since = None;
            return Next::Goes;
        }
        self.note_certificate();
        let peer = &self.peer;
        let in_flight_max = self.bounds.in_flight_max;
        let Taken { held, broken, has_whole } = match &mut self.protocol {
            Protocol::Syslog { reader, piece } => take_frames(reader, piece, to, peer),
            Protocol::Relp { server, unanswered } => {
                take_relp(server, unanswered, in_flight_max, to, peer)
            }
        };
        self.held = held;
        if has_whole {
            // What is unfinished now began later.
            self.unfinished_since = None;
        }
        self.note_unfinished();
        match (broken, &self.end) {
            // The answers to earlier messages still go out.
            (Some(why), _) => {
                self.unfinished_since = None;
                Next::Odd(format!("{}: {why}", self.name()))
            }
            (None, Some(end)) if self.held.is_none() => end.clone(),
            (None, _) => Next::Goes,
        }
    }

    /// Takes the message that waits for room. False if it still waits.
    fn put_held(&mut self, to: &mut impl Messages) -> bool {
        let Some(held) = self.held.take_if(|held| to.has_room(held.place)) else {
            return self.held.is_none();
        };
        let continued = match held.of {
            Part::Transaction(_) => None,
            Part::Piece { continued, .. } => continued,
        };
        let ticket = match to.take(&self.peer, &held.message, continued) {
            Ok(ticket) => ticket,
            Err(Full(place)) => {
                self.held = Some(Held { place, ..held });
                return false;
            }
        };
        match (&mut self.protocol, held.of) {
            (Protocol::Relp { unanswered, .. }, Part::Transaction(txnr)) => {
                to.require(ticket);
                unanswered.push(txnr, ticket, held.message.len());
            }
            (Protocol::Syslog { piece, .. }, Part::Piece { continues, .. }) => {
                *piece = continues.then_some(ticket);
            }
            (Protocol::Relp { .. }, Part::Piece { .. })
            | (Protocol::Syslog { .. }, Part::Transaction(_)) => {}
        }
        true
    }

    /// Notes the name in the client's certificate: no message arrives before it is checked.
    fn note_certificate(&mut self) {
        if self.peer.certified().is_none()
            && let Stream::Tls(_, tls) = &self.stream
            && let Some(name) = tls.certified_name()
        {
            self.peer.set_certified(name);
        }
    }

    /// Notes since when the client owes the rest of something.
    fn note_unfinished(&mut self) {
        let is_in_message = match &self.protocol {
            // The client is not late: this receiver stopped reading.
            _ if !self.wants_input() => false,
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

    /// Answers messages from the oldest on, as long as `is_durable`.
    pub fn answer(&mut self, is_durable: impl Fn(Ticket) -> bool) {
        let Protocol::Relp { server, unanswered } = &mut self.protocol else { return };
        if let Some(txnr) = unanswered.take_while(is_durable) {
            server.acknowledge(txnr);
        }
    }

    /// Writes answers as far as the client takes them, and ends a session that is over.
    pub fn write(&mut self) -> Next {
        let name = &self.name;
        match self.stream.flush() {
            Err(error) if !is_for_later(&error) => {
                return Next::Failed(format!("unable to answer {name}: {}", reason(&error)));
            }
            Ok(()) | Err(_) => {}
        }
        let Protocol::Relp { server, .. } = &mut self.protocol else { return Next::Goes };
        while !server.output().is_empty() {
            match self.stream.write(server.output()) {
                Ok(len) => {
                    server.written(len);
                    self.answered_total += len as u64;
                }
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
    pub fn check_time(&mut self, now: Instant) -> Next {
        if self.lingers_until.is_some_and(|until| now >= until) {
            return Next::Over;
        }
        self.note_unread(now);
        let timeout = self.bounds.message_timeout;
        let is_over = |since: Option<Instant>| since.is_some_and(|since| now >= since + timeout);
        let what = match () {
            () if is_over(self.unfinished_since) && self.is_handshaking() => {
                "began a handshake and did not end it"
            }
            () if is_over(self.unfinished_since) => "began a message and did not end it",
            () if is_over(self.unread_since) => "did not read its answers",
            () => return Next::Goes,
        };
        Next::Failed(format!("{} {what} within {} s", self.name, timeout.as_secs()))
    }

    /// Notes since when the client takes nothing of what waits for it.
    fn note_unread(&mut self, now: Instant) {
        let taken_total = match &self.stream {
            Stream::Tls(_, tls) => tls.written_total(),
            Stream::Tcp(_) | Stream::Unix(_) => self.answered_total,
        };
        let has_taken = std::mem::replace(&mut self.taken_total, taken_total) != taken_total;
        let since = self.unread_since.filter(|_| !has_taken).unwrap_or(now);
        let waits = self.has_output() && self.lingers_until.is_none();
        self.unread_since = waits.then_some(since);
    }

    /// The client.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The client, in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The client closed: what it had begun to send over plain syslog is a message too.
    fn end_input(&mut self, to: &mut impl Messages, end: Next) -> Next {
        match &mut self.protocol {
            Protocol::Relp { .. } => end,
            Protocol::Syslog { reader, .. } => {
                reader.end_input();
                self.end = Some(end);
                self.take_messages(to)
            }
        }
    }

    /// The client cannot send again what it has sent: the message that waits, at the end of the program.
    pub fn lost_message(&self) -> Option<&[u8]> {
        let held = self.held.as_ref().filter(|_| !self.is_relp())?;
        Some(&held.message)
    }
}

/// Result of parsing the received bytes.
#[derive(Debug, Default)]
struct Taken {
    /// The first message without room.
    held: Option<Held>,
    /// How the client broke the protocol.
    broken: Option<String>,
    /// A message was whole.
    has_whole: bool,
}

/// Takes whole messages, and pieces of long ones. An empty line between messages is no message.
fn take_frames(
    reader: &mut FrameReader,
    piece: &mut Option<Ticket>,
    to: &mut impl Messages,
    peer: &Peer,
) -> Taken {
    let mut taken = Taken::default();
    while let Some(frame) = reader.next_frame() {
        let continued = piece.take().filter(|_| frame.piece > 0);
        taken.has_whole |= frame.ending != Ending::Continues;
        if frame.bytes.is_empty() {
            continue;
        }
        let continues = frame.ending == Ending::Continues;
        match to.take(peer, frame.bytes, continued) {
            Ok(ticket) => *piece = continues.then_some(ticket),
            Err(Full(place)) => {
                let message = frame.bytes.to_vec();
                let of = Part::Piece { continued, continues };
                taken.held = Some(Held { place, message, of });
                return taken;
            }
        }
    }
    taken
}

/// Takes messages of RELP.
fn take_relp(
    server: &mut Server,
    unanswered: &mut Unanswered,
    in_flight_max: usize,
    to: &mut impl Messages,
    peer: &Peer,
) -> Taken {
    let mut taken = Taken::default();
    while unanswered.len < in_flight_max
        && let Some(event) = server.next_event()
    {
        taken.has_whole = true;
        match event {
            Event::Message { txnr, bytes } => match to.take(peer, bytes, None) {
                Ok(ticket) => {
                    to.require(ticket);
                    unanswered.push(txnr, ticket, bytes.len());
                }
                Err(Full(place)) => {
                    let held = Held { place, message: bytes.to_vec(), of: Part::Transaction(txnr) };
                    taken.held = Some(held);
                    return taken;
                }
            },
            Event::Broken(fault) => taken.broken = Some(fault.to_string()),
            Event::Opened { .. } | Event::CloseRequested | Event::Refused => {}
        }
    }
    taken
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

#[cfg(test)]
mod tests;
