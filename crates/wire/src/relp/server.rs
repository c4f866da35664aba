//! RELP server session: reads frames, answers after the caller has stored the messages.
//!
//! A `syslog` frame is answered with 200 or never: measured, rsyslog's client discards a message
//! after any other code. To refuse messages, refuse the session; this loses nothing.

use super::frame::{self, FrameError, append_frame, distance, next_txnr, parse_frame};
use super::offers::{self, Offers, Version};
use crate::buffer::{Output, ReadBuffer, copy_prefix};
use std::fmt;

/// Message length limit: maximum frame size in the RELP specification.
pub const DATA_LEN_MAX_DEFAULT: usize = 128 * 1024;
/// Minimum accepted data length of `open`, in bytes.
const OFFERS_LEN_MAX: usize = 16 * 1024;
/// Unanswered messages at which the server stops reading; client windows are far smaller.
pub const UNANSWERED_MAX: u32 = 16 * 1024;
/// Unread response bytes at which the server stops reading.
const OUTPUT_LEN_MAX: usize = 64 * 1024;
/// Response text limit, as in librelp.
const TEXT_LEN_MAX: usize = 80;

/// Session event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Client opened the session; the response is in the output.
    Opened {
        /// Client software; empty if unnamed.
        software: String,
    },
    /// Message; [`Server::acknowledge`] answers it.
    Message {
        /// Transaction number.
        txnr: u32,
        /// Message bytes, possibly empty.
        bytes: &'a [u8],
    },
    /// Client closes the session. The server responds after all messages are answered, so
    /// acknowledge them soon: librelp waits one second and never resends messages left unanswered.
    CloseRequested,
    /// `open` was refused with [`Server::refuse`]'s reason. The session is over.
    Refused,
    /// Protocol violation, or unsupported protocol. The session is over; earlier messages are
    /// acknowledged as usual.
    Broken(Fault),
}

/// Protocol violation by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Invalid frame, or message too long.
    Frame(FrameError),
    /// Unexpected transaction number.
    Transaction {
        /// Expected number.
        expected: u32,
        /// Received number.
        found: u32,
    },
    /// Message or `close` before `open`.
    NotOpen,
    /// Second `open`.
    OpenTwice,
    /// Hint, or unoffered command.
    UnexpectedCommand,
    /// Excessively long offers.
    Offers,
    /// `relp_version` without a number.
    Version,
    /// Client lacks the `syslog` offer.
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

/// Response to an invalid `open`, as librelp sends.
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
    /// Client requested close with this transaction; message responses precede the close response.
    Closing {
        txnr: u32,
    },
    /// Reading stopped; message responses pending.
    Ending,
    /// Last frame written to output.
    Over,
}

/// Server session from its first byte to its end.
///
/// Memory: one message with header for input; 64 KiB plus 16,384 message responses for output.
#[derive(Debug)]
pub struct Server {
    state: State,
    data_len_max: usize,
    input: ReadBuffer,
    output: Output,
    refusal: Option<String>,
    /// Expected next transaction.
    next_txnr: u32,
    /// Unanswered messages before `next_txnr`; at most [`UNANSWERED_MAX`].
    unanswered_count: u32,
}

impl Server {
    /// Creates a session for messages up to `data_len_max` bytes. A longer message ends the
    /// session: truncating it and answering 200, as rsyslog does, would lose its end silently.
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

    /// Answers `open` with 500 and this reason; an open session continues. Measured with rsyslog:
    /// clients keep all messages and open again later. Sends at most 76 printable bytes.
    pub fn refuse(&mut self, reason: &str) {
        self.refusal = Some(reason.to_string());
    }

    /// Answers all messages up to this transaction with 200, in order. Callers acknowledge stored
    /// messages only.
    ///
    /// # Panics
    ///
    /// Panics if no unanswered message has this number: acknowledging a nonexistent message is a
    /// caller's bug.
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

    /// Ends the session with `serverclose`; then the caller closes the connection. Clients resend
    /// unanswered messages.
    pub fn close(&mut self) {
        if self.state != State::Over {
            append_frame(0, "serverclose", b"", self.output.tail());
            self.unanswered_count = 0;
            self.state = State::Over;
        }
    }

    /// Number of unanswered messages.
    pub fn unanswered_count(&self) -> u32 {
        self.unanswered_count
    }

    /// True if the server may read more. False while the client leaves responses unread, while the
    /// caller leaves messages unanswered, and after the session's end.
    pub fn wants_input(&self) -> bool {
        let is_reading = matches!(self.state, State::New | State::Open);
        is_reading && self.has_capacity()
    }

    /// True after the session's end: write [`output`](Self::output), shut down the writing side,
    /// and read until the client closes. Closing with unread bytes resets the connection, and the
    /// client loses pending responses: omrelp then resends stored messages, measured.
    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Unwritten bytes for the client.
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

    /// Copies as much of `input` as fits; returns the byte count.
    pub fn push(&mut self, input: &[u8]) -> usize {
        let len = copy_prefix(input, self.input.space());
        self.input.filled(len);
        len
    }

    /// True inside an unfinished frame; callers limit a frame's duration.
    pub fn is_in_frame(&self) -> bool {
        !self.input.unparsed().is_empty()
    }

    /// Frees an idle session's memory; the next read allocates it again. Callers use this after a
    /// quiet period, so a thousand idle sessions cost nothing.
    pub fn free_unused(&mut self) {
        self.input.free_unused();
        self.output.free_unused();
    }

    /// Next event; `None` until more is read, acknowledged or written.
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
                // The last byte is the newline.
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

    /// Determines a request's kind if allowed now. Measured: librelp demands exactly the next
    /// transaction.
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

    /// Ends the session as librelp does: answers an invalid `open`, ignores other invalid requests,
    /// then sends `serverclose`; here only after responses to earlier messages.
    fn break_off(&mut self, fault: Fault, txnr: u32) -> Event<'static> {
        if let Some(answer) = fault.answer_to_open() {
            append_frame(txnr, "rsp", answer.as_bytes(), self.output.tail());
        }
        self.state = State::Ending;
        self.end_if_answered();
        Event::Broken(fault)
    }

    /// Writes final frames after all messages are answered.
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

    /// Transaction of the oldest unanswered message, or the next frame.
    fn first_unanswered(&self) -> u32 {
        // Messages have consecutive numbers, and only messages arrive while others wait.
        let steps_back = self.unanswered_count;
        match self.state {
            State::Closing { txnr } => back(txnr, steps_back),
            _ => back(self.next_txnr, steps_back),
        }
    }
}

/// Client frame without message bytes.
#[derive(Debug)]
struct Request {
    txnr: u32,
    /// `None` for unknown commands.
    kind: Option<RequestKind>,
}

#[derive(Debug)]
enum RequestKind {
    /// `None` for excessively long offers.
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

/// Checks a client's offers: `syslog` is mandatory, as librelp demands. Measured: like librelp, the
/// server accepts a missing version and answers any number with 0.
fn check_offers(offers: Option<Offers>) -> Result<Offers, Fault> {
    let offers = offers.ok_or(Fault::Offers)?;
    match (offers.version, offers.has_syslog) {
        (Version::Invalid, _) => Err(Fault::Version),
        (_, Some(false) | None) => Err(Fault::NoSyslog),
        (Version::Missing | Version::Number(_), Some(true)) => Ok(offers),
    }
}

/// Transaction number this many steps earlier.
fn back(txnr: u32, steps: u32) -> u32 {
    if txnr > steps { txnr - steps } else { txnr + frame::TXNR_MAX - steps }
}

#[cfg(test)]
mod tests;
