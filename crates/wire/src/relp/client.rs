//! RELP client session: sends frames, reads responses.
//!
//! A session is one connection. After a failure, the caller reconnects, creates a new [`Client`]
//! and resends [`Client::unacknowledged`]: the caller keeps the lines; the client knows only their
//! ids.

use super::frame::{self, FrameError, append_frame, distance, next_txnr, parse_frame};
use super::offers::{self, Offers, Version};
use crate::buffer::{Output, ReadBuffer, copy_prefix};
use std::collections::VecDeque;
use std::fmt;

/// librelp's maximum of unanswered frames; default window.
pub const WINDOW_DEFAULT: usize = 128;
/// Data limit of a response, in bytes: a text line plus server offers.
const ANSWER_LEN_MAX: usize = 16 * 1024;
/// Unwritten bytes at which [`Client::room`] becomes 0.
const OUTPUT_LEN_MAX: usize = 256 * 1024;
/// Response text limit, as in librelp.
const TEXT_LEN_MAX: usize = 80;
/// Success code.
const OK: u16 = 200;

/// Server response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Three-digit code: 200 for success.
    pub code: u16,
    /// Printable text, at most 80 bytes.
    pub text: String,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

/// Session event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Server accepts messages.
    Opened {
        /// Server software; empty if unnamed.
        software: String,
    },
    /// Server refuses messages now. The session is over; nothing was sent.
    OpenRefused(Answer),
    /// Message stored. Ids arrive in sending order, even if responses arrive out of order.
    Acknowledged {
        /// Id passed to [`Client::send`].
        id: u64,
    },
    /// Server answered a code other than 200. Later ids are never reported as acknowledged, so a
    /// cursor cannot pass the message: the caller ends the session and retries in a new session.
    Refused {
        /// Id passed to [`Client::send`].
        id: u64,
        /// Reason.
        answer: Answer,
    },
    /// Server closes the session (hint `serverclose`), which is over.
    ServerCloses,
    /// Server answered [`Client::close`]. The session is over.
    Closed,
    /// Protocol violation by the server. The session is over.
    Broken(Fault),
}

/// Message sent but not yet reported through [`Event::Acknowledged`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unacknowledged {
    /// Id passed to [`Client::send`].
    pub id: u64,
    /// True if the server answered 200 before an older message was acknowledged. The next session
    /// need not resend this message.
    pub is_stored: bool,
}

/// Protocol violation by a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Invalid frame.
    Frame(FrameError),
    /// Frame type that servers never send.
    UnexpectedCommand,
    /// Response without a pending transaction.
    UnknownTransaction(u32),
    /// Response without three digits and space.
    Answer,
    /// Response to `open` with excessively long offers.
    Offers,
    /// Response to `open` without `relp_version`.
    NoVersion,
    /// Response to `open` with another version than 0.
    Version,
    /// Response to `open` without `commands=syslog`.
    NoSyslog,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Frame(error) => write!(f, "the server sent {error}"),
            Fault::UnexpectedCommand => {
                f.write_str("the server sent a frame that is neither an answer nor serverclose")
            }
            Fault::UnknownTransaction(txnr) => {
                write!(f, "the server answered transaction {txnr}, which waits for no answer")
            }
            Fault::Answer => f.write_str("the server sent an answer without code and text"),
            Fault::Offers => f.write_str("the server offers more than a session may have"),
            Fault::NoVersion => f.write_str("the server offers no relp_version"),
            Fault::Version => f.write_str("the server offers another relp_version than 0"),
            Fault::NoSyslog => f.write_str("the server does not offer the command syslog"),
        }
    }
}

impl std::error::Error for Fault {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// `open` sent, response pending.
    Opening,
    Open,
    /// `close` sent as transaction `txnr`, response pending.
    Closing {
        txnr: u32,
    },
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Unanswered,
    Acknowledged,
    Refused,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    id: u64,
    fate: Fate,
}

/// Client session from `open` to its end.
///
/// Memory: 256 KiB plus one frame for output, 16 KiB for input, 16 bytes per window frame.
#[derive(Debug)]
pub struct Client {
    state: State,
    window: usize,
    input: ReadBuffer,
    output: Output,
    /// Window: frames starting with the oldest unacknowledged frame; at most `window`.
    sent: VecDeque<Sent>,
    /// Transaction of the first frame in `sent`; equals `next_txnr` if `sent` is empty.
    first_txnr: u32,
    next_txnr: u32,
}

impl Client {
    /// Creates a session with at most `window` unacknowledged frames. Its first output is `open`.
    ///
    /// The client requests version 0 and offers the command `syslog`. Messages wait for the
    /// server's response: librelp sends earlier, but a server that refuses `open` would leave such
    /// messages unanswered.
    pub fn new(window: usize) -> Client {
        assert!(window > 0, "a window without frames sends nothing");
        let mut output = Output::default();
        append_frame(1, "open", offers::own().as_bytes(), output.tail());
        Client {
            state: State::Opening,
            window,
            input: ReadBuffer::new(ANSWER_LEN_MAX + frame::OVERHEAD_LEN_MAX),
            output,
            sent: VecDeque::new(),
            first_txnr: 2,
            next_txnr: 2,
        }
    }

    /// Number of messages that may be sent now, limited by the window; 0 before [`Event::Opened`],
    /// after [`close`](Self::close), or while 256 KiB are unwritten.
    pub fn room(&self) -> usize {
        let is_open = self.state == State::Open && self.output.pending().len() < OUTPUT_LEN_MAX;
        if is_open { self.window - self.sent.len() } else { 0 }
    }

    /// Sends a message under the caller's `id`. Returns false and sends nothing without
    /// [`room`](Self::room).
    #[must_use]
    pub fn send(&mut self, id: u64, message: &[u8]) -> bool {
        if self.room() == 0 {
            return false;
        }
        append_frame(self.next_txnr, super::SYSLOG, message, self.output.tail());
        self.sent.push_back(Sent { id, fate: Fate::Unanswered });
        self.next_txnr = next_txnr(self.next_txnr);
        true
    }

    /// Sends `close`. Callers first wait until every message is acknowledged, but not forever:
    /// librelp waits one second. An unopened session ends immediately.
    pub fn close(&mut self) {
        match self.state {
            State::Open => {
                append_frame(self.next_txnr, "close", b"", self.output.tail());
                self.state = State::Closing { txnr: self.next_txnr };
            }
            State::Opening => self.state = State::Over,
            State::Closing { .. } | State::Over => (),
        }
    }

    /// Messages sent but not yet reported through [`Event::Acknowledged`], in order.
    pub fn unacknowledged(&self) -> impl Iterator<Item = Unacknowledged> {
        let is_stored = |sent: &Sent| sent.fate == Fate::Acknowledged;
        self.sent.iter().map(move |sent| Unacknowledged { id: sent.id, is_stored: is_stored(sent) })
    }

    /// Number of messages sent but not yet reported through [`Event::Acknowledged`].
    pub fn unacknowledged_count(&self) -> usize {
        self.sent.len()
    }

    /// True after the session's end: no further sending or reading.
    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Unwritten bytes for the server.
    pub fn output(&self) -> &[u8] {
        self.output.pending()
    }

    /// Counts `len` bytes of [`output`](Self::output) as written.
    pub fn written(&mut self, len: usize) {
        self.output.written(len);
    }

    /// Space for the next read. Empty only while [`next_event`](Self::next_event) has an event.
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

    /// Frees an idle session's memory; the next read allocates it again. Callers use this after a
    /// quiet period, so a thousand idle sessions cost nothing.
    pub fn free_unused(&mut self) {
        self.input.free_unused();
        self.output.free_unused();
    }

    /// Next event; `None` until more input arrives, and always after the session's end.
    pub fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Some(id) = self.release() {
                return Some(Event::Acknowledged { id });
            }
            if self.state == State::Over {
                return None;
            }
            let event = match parse_frame(self.input.unparsed(), ANSWER_LEN_MAX) {
                Ok(None) => return None,
                Ok(Some((frame, len))) => {
                    let reply = Reply::from_frame(&frame);
                    self.input.take(len);
                    reply.and_then(|reply| self.take_reply(reply))
                }
                Err(error) => Err(Fault::Frame(error)),
            };
            match event {
                Ok(None) => (),
                Ok(Some(event)) => return Some(event),
                Err(fault) => {
                    self.state = State::Over;
                    return Some(Event::Broken(fault));
                }
            }
        }
    }

    /// Removes the oldest answered frames; returns the first acknowledged id.
    fn release(&mut self) -> Option<u64> {
        let first = *self.sent.front()?;
        if first.fate != Fate::Acknowledged {
            return None;
        }
        self.sent.pop_front();
        self.first_txnr = next_txnr(self.first_txnr);
        Some(first.id)
    }

    fn take_reply(&mut self, reply: Reply) -> Result<Option<Event>, Fault> {
        match reply {
            Reply::ServerClose => {
                self.state = State::Over;
                Ok(Some(Event::ServerCloses))
            }
            Reply::Answer { txnr: 1, answer, offers } if self.state == State::Opening => {
                self.take_open_answer(answer, offers)
            }
            Reply::Closed { txnr } if self.state == (State::Closing { txnr }) => {
                self.state = State::Over;
                Ok(Some(Event::Closed))
            }
            Reply::Answer { txnr, .. } if self.state == (State::Closing { txnr }) => {
                self.state = State::Over;
                Ok(Some(Event::Closed))
            }
            Reply::Answer { txnr, answer, .. } => self.take_message_answer(txnr, answer),
            Reply::Closed { txnr } if self.position(txnr).is_none() => {
                Err(Fault::UnknownTransaction(txnr))
            }
            Reply::Closed { .. } => Err(Fault::Answer),
        }
    }

    fn take_open_answer(
        &mut self,
        answer: Answer,
        offers: Option<Offers>,
    ) -> Result<Option<Event>, Fault> {
        if answer.code != OK {
            self.state = State::Over;
            return Ok(Some(Event::OpenRefused(answer)));
        }
        let offers = offers.ok_or(Fault::Offers)?;
        match offers.version {
            Version::Number(super::VERSION) => (),
            Version::Number(_) | Version::Invalid => return Err(Fault::Version),
            Version::Missing => return Err(Fault::NoVersion),
        }
        if offers.has_syslog != Some(true) {
            return Err(Fault::NoSyslog);
        }
        self.state = State::Open;
        Ok(Some(Event::Opened { software: offers.software }))
    }

    fn take_message_answer(&mut self, txnr: u32, answer: Answer) -> Result<Option<Event>, Fault> {
        let pos = self.position(txnr).ok_or(Fault::UnknownTransaction(txnr))?;
        let sent = &mut self.sent[pos];
        if answer.code == OK {
            sent.fate = Fate::Acknowledged;
            return Ok(None);
        }
        sent.fate = Fate::Refused;
        Ok(Some(Event::Refused { id: sent.id, answer }))
    }

    /// Index in `sent` of the unanswered frame with this transaction number.
    fn position(&self, txnr: u32) -> Option<usize> {
        if !(1..=frame::TXNR_MAX).contains(&txnr) {
            return None;
        }
        let pos = distance(self.first_txnr, txnr) as usize;
        let sent = self.sent.get(pos)?;
        (sent.fate == Fate::Unanswered).then_some(pos)
    }
}

/// Server frame.
#[derive(Debug)]
enum Reply {
    Answer {
        txnr: u32,
        answer: Answer,
        offers: Option<Offers>,
    },
    /// Empty response, used only for `close`.
    Closed {
        txnr: u32,
    },
    ServerClose,
}

impl Reply {
    fn from_frame(frame: &frame::Frame<'_>) -> Result<Reply, Fault> {
        match (frame.command, frame.txnr) {
            (b"serverclose", 0) => Ok(Reply::ServerClose),
            (b"rsp", txnr) if frame.data.is_empty() => Ok(Reply::Closed { txnr }),
            (b"rsp", txnr) => {
                let (answer, data) = parse_answer(frame.data).ok_or(Fault::Answer)?;
                Ok(Reply::Answer { txnr, answer, offers: Offers::parse(data) })
            }
            _ => Err(Fault::UnexpectedCommand),
        }
    }
}

/// Parses `CODE SP TEXT [LF DATA]`. A bare code is invalid: librelp's client then reconnects.
fn parse_answer(data: &[u8]) -> Option<(Answer, &[u8])> {
    let line_len = memchr::memchr(b'\n', data).unwrap_or(data.len());
    let (line, rest) = (&data[..line_len], data.get(line_len + 1..).unwrap_or_default());
    match line {
        [a, b, c, b' ', text @ ..] if [a, b, c].iter().all(|digit| digit.is_ascii_digit()) => {
            let code = [a, b, c].iter().fold(0, |sum, digit| sum * 10 + u16::from(**digit - b'0'));
            let text = offers::printable_prefix(text, TEXT_LEN_MAX);
            Some((Answer { code, text }, rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
