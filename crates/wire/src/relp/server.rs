//! The server's side of a RELP session: frames in, answers out when the caller has stored the messages.
//!
//! A `syslog` frame is answered with 200 or not at all: rsyslog's client throws a message away when the
//! answer is any other code, as measured. To refuse messages, refuse the session, which loses nothing.

use super::frame::{self, FrameError, append_frame, distance, next_txnr, parse_frame};
use super::offers::{self, Offers, Version};
use crate::buffer::{Output, ReadBuffer, copy_prefix};
use std::fmt;

/// Bytes of a message: the maximum frame of the RELP specification.
pub const DATA_LEN_MAX_DEFAULT: usize = 128 * 1024;
/// Bytes of data in `open` that are taken in any case.
const OFFERS_LEN_MAX: usize = 16 * 1024;
/// Messages that may wait for their answers before the server stops reading; windows of clients are
/// far smaller.
pub const UNANSWERED_MAX: u32 = 16 * 1024;
/// Bytes of answers that a client may leave unread before the server stops reading.
const OUTPUT_LEN_MAX: usize = 64 * 1024;
/// Bytes of an answer's text, as in librelp.
const TEXT_LEN_MAX: usize = 80;

/// What happened in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A client has opened the session; the answer is in the output.
    Opened {
        /// What it calls itself; empty if it does not say.
        software: String,
    },
    /// A message. It is answered by [`Server::acknowledge`].
    Message {
        /// Its transaction.
        txnr: u32,
        /// Its bytes, possibly none.
        bytes: &'a [u8],
    },
    /// The client closes the session. It is answered after all messages are, so acknowledge them soon:
    /// librelp waits one second and does not send again what is unanswered then.
    CloseRequested,
    /// `open` was refused, for the reason that [`Server::refuse`] gave. The session is over.
    Refused,
    /// The client does not speak the protocol, or not one that this server takes. The session is over;
    /// the messages before are acknowledged as usual.
    Broken(Fault),
}

/// What a client did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Bytes that are no frame, or a message that is too long.
    Frame(FrameError),
    /// Another transaction than the next one.
    Transaction {
        /// The number that was next.
        expected: u32,
        /// The number that arrived.
        found: u32,
    },
    /// A message or `close` before `open`.
    NotOpen,
    /// A second `open`.
    OpenTwice,
    /// A hint, or a command that no session offers.
    UnexpectedCommand,
    /// Offers longer than a session may have.
    Offers,
    /// A `relp_version` that is no number.
    Version,
    /// The client does not offer `syslog`.
    NoSyslog,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Frame(error) => write!(f, "the client sent {error}"),
            Fault::Transaction { expected, found } => {
                write!(f, "the client sent transaction {found} instead of {expected}")
            }
            Fault::NotOpen => f.write_str("the client sent a command before open"),
            Fault::OpenTwice => f.write_str("the client opened its session twice"),
            Fault::UnexpectedCommand => f.write_str("the client sent an unknown command"),
            Fault::Offers => f.write_str("the client offers more than a session may have"),
            Fault::Version => f.write_str("the client asks for a relp_version that is no number"),
            Fault::NoSyslog => f.write_str("the client does not offer the command syslog"),
        }
    }
}

impl std::error::Error for Fault {}

/// How the server answers a client that opens its session wrongly, as librelp does.
impl Fault {
    fn answer_to_open(self) -> Option<&'static str> {
        match self {
            Fault::OpenTwice => Some("500 session is open already"),
            Fault::Offers => Some("500 offers are too long"),
            Fault::Version => Some("500 invalid relp_version"),
            Fault::NoSyslog => Some("500 required command not supported by client"),
            Fault::Frame(_)
            | Fault::Transaction { .. }
            | Fault::NotOpen
            | Fault::UnexpectedCommand => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before `open`.
    New,
    Open,
    /// The client asked to close with this transaction; the answer waits for those of messages.
    Closing {
        txnr: u32,
    },
    /// The server stopped reading and still answers messages.
    Ending,
    /// The last frame is in the output.
    Over,
}

/// A session, from its first byte to its end.
///
/// Memory: a message and its header of input; 64 KiB and the answers to 16,384 messages of output.
#[derive(Debug)]
pub struct Server {
    state: State,
    data_len_max: usize,
    input: ReadBuffer,
    output: Output,
    refusal: Option<String>,
    /// The transaction that has to arrive next.
    next_txnr: u32,
    /// Messages before `next_txnr` that are not answered; at most [`UNANSWERED_MAX`].
    unanswered_count: u32,
}

impl Server {
    /// A session that takes messages of at most `data_len_max` bytes. A longer one ends the session:
    /// cutting it and answering 200, as rsyslog does, would lose its end silently.
    pub fn new(data_len_max: usize) -> Server {
        let input_len_max = data_len_max.max(OFFERS_LEN_MAX) + frame::OVERHEAD_LEN_MAX;
        Server {
            state: State::New,
            data_len_max,
            input: ReadBuffer::new(input_len_max),
            output: Output::default(),
            refusal: None,
            next_txnr: 1,
            unanswered_count: 0,
        }
    }

    /// Answers `open` with 500 and this reason; a session that is open already goes on. Clients keep
    /// everything and open again later, as measured with rsyslog. At most 76 printable bytes are sent.
    pub fn refuse(&mut self, reason: &str) {
        self.refusal = Some(reason.to_string());
    }

    /// Answers all messages up to this transaction with 200, in order. Call it when they are stored.
    ///
    /// # Panics
    ///
    /// If no unanswered message has this number: an answer without a message is a mistake of the caller.
    pub fn acknowledge(&mut self, txnr: u32) {
        let first = self.first_unanswered();
        let count = distance(first, txnr) + 1;
        assert!(count <= self.unanswered_count, "transaction {txnr} has no unanswered message");
        let mut next = first;
        for _ in 0..count {
            append_frame(next, "rsp", b"200 OK", self.output.tail());
            next = next_txnr(next);
        }
        self.unanswered_count -= count;
        self.end_if_answered();
    }

    /// Ends the session from this side: `serverclose`, after which the caller closes the connection.
    /// Messages without an answer are sent again by the client.
    pub fn close(&mut self) {
        if self.state != State::Over {
            append_frame(0, "serverclose", b"", self.output.tail());
            self.unanswered_count = 0;
            self.state = State::Over;
        }
    }

    /// How many messages are not answered yet.
    pub fn unanswered_count(&self) -> u32 {
        self.unanswered_count
    }

    /// If more may be read. False while the client leaves answers unread or the caller messages
    /// unanswered, and after the end.
    pub fn wants_input(&self) -> bool {
        let is_reading = matches!(self.state, State::New | State::Open);
        is_reading && self.has_capacity()
    }

    /// If the session is over: write the [`output`](Self::output), end the writing side, and read until
    /// the client closes. A connection that is closed while bytes are unread is reset, and a client
    /// loses answers that were on their way: omrelp then sends stored messages again, as measured.
    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Bytes for the client that are not written yet.
    pub fn output(&self) -> &[u8] {
        self.output.pending()
    }

    /// Counts `len` bytes of [`output`](Self::output) as written.
    pub fn written(&mut self, len: usize) {
        self.output.written(len);
    }

    /// Space for the next read. Empty only while [`next_event`](Self::next_event) has an event or
    /// [`wants_input`](Self::wants_input) is false.
    pub fn space(&mut self) -> &mut [u8] {
        self.input.space()
    }

    /// Counts `len` bytes of [`space`](Self::space) as read.
    pub fn filled(&mut self, len: usize) {
        self.input.filled(len);
    }

    /// Copies what fits of `input`; returns how many bytes those are.
    pub fn push(&mut self, input: &[u8]) -> usize {
        let len = copy_prefix(input, self.input.space());
        self.input.filled(len);
        len
    }

    /// If the client is in the middle of a frame, for a limit on the time that a frame may take.
    pub fn is_in_frame(&self) -> bool {
        !self.input.unparsed().is_empty()
    }

    /// Frees the memory of a session that is idle; the next read allocates it again. Call it when a
    /// session was quiet for a while: a thousand idle ones then cost nothing.
    pub fn free_unused(&mut self) {
        self.input.free_unused();
        self.output.free_unused();
    }

    /// What happened next; `None` until more is read, acknowledged or written.
    pub fn next_event(&mut self) -> Option<Event<'_>> {
        if !self.wants_input() {
            return None;
        }
        let len_max = match self.state {
            State::New => OFFERS_LEN_MAX,
            State::Open | State::Closing { .. } | State::Ending | State::Over => self.data_len_max,
        };
        let (request, frame_len) = match parse_frame(self.input.unparsed(), len_max) {
            Ok(None) => return None,
            Ok(Some((frame, len))) => (Request::from_frame(&frame), len),
            Err(error) => return Some(self.break_off(Fault::Frame(error), 0)),
        };
        let txnr = request.txnr;
        let kind = match self.check(request) {
            Ok(kind) => kind,
            Err(fault) => return Some(self.break_off(fault, txnr)),
        };
        self.next_txnr = next_txnr(txnr);
        match kind {
            RequestKind::Open(offers) => {
                self.input.take(frame_len);
                Some(self.open(txnr, offers))
            }
            RequestKind::Message { len } => {
                self.unanswered_count += 1;
                let frame = self.input.take(frame_len);
                // The newline is the last byte.
                Some(Event::Message { txnr, bytes: &frame[frame_len - 1 - len..frame_len - 1] })
            }
            RequestKind::Close => {
                self.input.take(frame_len);
                self.state = State::Closing { txnr };
                self.end_if_answered();
                Some(Event::CloseRequested)
            }
        }
    }

    /// What a request asks for, if it may stand here. librelp demands the very next transaction, as
    /// measured.
    fn check(&self, request: Request) -> Result<RequestKind, Fault> {
        let (expected, found) = (self.next_txnr, request.txnr);
        let kind = request.kind.filter(|_| found != 0).ok_or(Fault::UnexpectedCommand)?;
        if found != expected {
            return Err(Fault::Transaction { expected, found });
        }
        match (&kind, self.state == State::New) {
            (RequestKind::Open(_), false) => Err(Fault::OpenTwice),
            (RequestKind::Message { .. } | RequestKind::Close, true) => Err(Fault::NotOpen),
            (RequestKind::Open(_), true)
            | (RequestKind::Message { .. } | RequestKind::Close, false) => Ok(kind),
        }
    }

    /// Answers the first `open`.
    fn open(&mut self, txnr: u32, offers: Option<Offers>) -> Event<'static> {
        let offers = match check_offers(offers) {
            Ok(offers) => offers,
            Err(fault) => return self.break_off(fault, txnr),
        };
        if let Some(reason) = self.refusal.take() {
            let answer = format!("500 {reason}");
            let answer = offers::printable_prefix(answer.as_bytes(), TEXT_LEN_MAX);
            append_frame(txnr, "rsp", answer.as_bytes(), self.output.tail());
            self.close();
            return Event::Refused;
        }
        let answer = format!("200 OK\n{}", offers::own());
        append_frame(txnr, "rsp", answer.as_bytes(), self.output.tail());
        self.state = State::Open;
        Event::Opened { software: offers.software }
    }

    /// Ends the session as librelp does: a wrong `open` is answered, any other mistake is not, then
    /// follows `serverclose`, here after the answers to the messages before.
    fn break_off(&mut self, fault: Fault, txnr: u32) -> Event<'static> {
        if let Some(answer) = fault.answer_to_open() {
            append_frame(txnr, "rsp", answer.as_bytes(), self.output.tail());
        }
        self.state = State::Ending;
        self.end_if_answered();
        Event::Broken(fault)
    }

    /// Writes the last frames of an ending session, if all messages are answered.
    fn end_if_answered(&mut self) {
        if self.unanswered_count > 0 {
            return;
        }
        match self.state {
            State::Closing { txnr } => {
                append_frame(txnr, "rsp", b"", self.output.tail());
                self.close();
            }
            State::Ending => self.close(),
            State::New | State::Open | State::Over => (),
        }
    }

    fn has_capacity(&self) -> bool {
        self.unanswered_count < UNANSWERED_MAX && self.output.pending().len() < OUTPUT_LEN_MAX
    }

    /// The transaction of the oldest message without an answer, or of the next frame.
    fn first_unanswered(&self) -> u32 {
        // Messages have consecutive numbers, and nothing but messages arrives while they wait.
        let steps_back = self.unanswered_count;
        match self.state {
            State::Closing { txnr } => back(txnr, steps_back),
            _ => back(self.next_txnr, steps_back),
        }
    }
}

/// A frame from a client, without the bytes of a message.
#[derive(Debug)]
struct Request {
    txnr: u32,
    /// `None` for an unknown command.
    kind: Option<RequestKind>,
}

#[derive(Debug)]
enum RequestKind {
    /// `None` if its offers are too long.
    Open(Option<Offers>),
    Message {
        len: usize,
    },
    Close,
}

impl Request {
    fn from_frame(frame: &frame::Frame<'_>) -> Request {
        let kind = match frame.command {
            b"syslog" => Some(RequestKind::Message { len: frame.data.len() }),
            b"open" => Some(RequestKind::Open(Offers::parse(frame.data))),
            b"close" => Some(RequestKind::Close),
            _ => None,
        };
        Request { txnr: frame.txnr, kind }
    }
}

/// What a client has to offer: the command `syslog`, as librelp demands. A missing version is accepted
/// and any number is answered with 0, as librelp does, measured.
fn check_offers(offers: Option<Offers>) -> Result<Offers, Fault> {
    let offers = offers.ok_or(Fault::Offers)?;
    match (offers.version, offers.has_syslog) {
        (Version::Invalid, _) => Err(Fault::Version),
        (_, Some(false) | None) => Err(Fault::NoSyslog),
        (Version::Missing | Version::Number(_), Some(true)) => Ok(offers),
    }
}

/// The transaction number so many steps before this.
fn back(txnr: u32, steps: u32) -> u32 {
    if txnr > steps { txnr - steps } else { txnr + frame::TXNR_MAX - steps }
}

#[cfg(test)]
mod tests;
