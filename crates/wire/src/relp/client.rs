//! The client's side of a RELP session: frames out, answers in.
//!
//! A session is one connection. After a failure the caller connects again, makes a new [`Client`] and
//! sends [`Client::unacknowledged`] again: the lines are the caller's, the client knows their ids alone.

use super::frame::{self, FrameError, append_frame, distance, next_txnr, parse_frame};
use super::offers::{self, Offers, Version};
use crate::buffer::{Output, ReadBuffer, copy_prefix};
use std::collections::VecDeque;
use std::fmt;

/// Unanswered frames in librelp, and the default here.
pub const WINDOW_DEFAULT: usize = 128;
/// Bytes of data in an answer: a line of text and the offers of a server.
const ANSWER_LEN_MAX: usize = 16 * 1024;
/// Bytes that wait to be written before [`Client::room`] is 0.
const OUTPUT_LEN_MAX: usize = 256 * 1024;
/// Bytes of an answer's text, as in librelp.
const TEXT_LEN_MAX: usize = 80;
/// The code for success.
const OK: u16 = 200;

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Three digits: 200 for success.
    pub code: u16,
    /// At most 80 bytes of text, printable.
    pub text: String,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

/// What happened in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The server takes messages.
    Opened {
        /// What it calls itself; empty if it does not say.
        software: String,
    },
    /// The server does not take messages now. The session is over, and nothing was sent.
    OpenRefused(Answer),
    /// This message is stored. Ids arrive in the order in which they were sent, also if answers do not.
    Acknowledged {
        /// As given to [`Client::send`].
        id: u64,
    },
    /// The server answered another code than 200. No later id is reported as acknowledged, so that a
    /// cursor cannot pass the message: the caller ends the session and tries again in the next one.
    Refused {
        /// As given to [`Client::send`].
        id: u64,
        /// Why.
        answer: Answer,
    },
    /// The server closes the session (the hint `serverclose`). It is over.
    ServerCloses,
    /// The server answered [`Client::close`]. The session is over.
    Closed,
    /// The server does not speak the protocol. The session is over.
    Broken(Fault),
}

/// A message that was sent and not reported with [`Event::Acknowledged`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unacknowledged {
    /// As given to [`Client::send`].
    pub id: u64,
    /// If the server answered 200 while an older message is not acknowledged. The next session need
    /// not send this message again.
    pub is_stored: bool,
}

/// What a server did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Bytes that are no frame.
    Frame(FrameError),
    /// A frame that servers do not send.
    UnexpectedCommand,
    /// An answer to a transaction that waits for none.
    UnknownTransaction(u32),
    /// An answer without three digits and a space.
    Answer,
    /// An answer to `open` whose offers are too long.
    Offers,
    /// An answer to `open` without `relp_version`.
    NoVersion,
    /// An answer to `open` with another version than 0.
    Version,
    /// An answer to `open` without `commands=syslog`.
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
    /// `open` is sent and not answered.
    Opening,
    Open,
    /// `close` is sent with this number and not answered.
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

/// A session, from `open` to its end.
///
/// Memory: 256 KiB and one frame of output, 16 KiB of input, 16 bytes for each frame of the window.
#[derive(Debug)]
pub struct Client {
    state: State,
    window: usize,
    input: ReadBuffer,
    output: Output,
    /// The window: frames from the oldest unacknowledged frame on; at most `window`.
    sent: VecDeque<Sent>,
    /// Transaction of the first frame in `sent`; equal to `next_txnr` if that is empty.
    first_txnr: u32,
    next_txnr: u32,
}

impl Client {
    /// A session with at most `window` unacknowledged frames. `open` is its first output.
    ///
    /// It asks for version 0 and offers the command `syslog`. Messages are sent when the answer is
    /// there: librelp allows them before, but a server that refuses `open` would leave them
    /// unanswered.
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

    /// How many messages may be sent now: what the window leaves, and 0 before [`Event::Opened`],
    /// after [`close`](Self::close), or while 256 KiB are not written.
    pub fn room(&self) -> usize {
        let is_open = self.state == State::Open && self.output.pending().len() < OUTPUT_LEN_MAX;
        if is_open { self.window - self.sent.len() } else { 0 }
    }

    /// Sends a message. `id` is the caller's name for it. False, and nothing is sent, if there is no
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

    /// Sends `close`. First wait until nothing is unacknowledged, but not for ever: librelp waits one
    /// second. A session that is not open is over at once.
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

    /// The messages that were sent and not reported with [`Event::Acknowledged`], in order.
    pub fn unacknowledged(&self) -> impl Iterator<Item = Unacknowledged> {
        let is_stored = |sent: &Sent| sent.fate == Fate::Acknowledged;
        self.sent.iter().map(move |sent| Unacknowledged { id: sent.id, is_stored: is_stored(sent) })
    }

    /// How many messages were sent and not reported with [`Event::Acknowledged`].
    pub fn unacknowledged_count(&self) -> usize {
        self.sent.len()
    }

    /// If the session is over: it sends and reads nothing more.
    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Bytes for the server that are not written yet.
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

    /// Copies what fits of `input`; returns how many bytes those are.
    pub fn push(&mut self, input: &[u8]) -> usize {
        let len = copy_prefix(input, self.input.space());
        self.input.filled(len);
        len
    }

    /// Frees the memory of a session that is idle; the next read allocates it again. Call it when a
    /// session was quiet for a while: a thousand idle ones then cost nothing.
    pub fn free_unused(&mut self) {
        self.input.free_unused();
        self.output.free_unused();
    }

    /// What happened next; `None` until more is read, and for ever after the session is over.
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

    /// Removes the oldest frames that are answered; returns the first one that is acknowledged.
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

    /// Where in `sent` the unanswered frame with this number is.
    fn position(&self, txnr: u32) -> Option<usize> {
        if !(1..=frame::TXNR_MAX).contains(&txnr) {
            return None;
        }
        let pos = distance(self.first_txnr, txnr) as usize;
        let sent = self.sent.get(pos)?;
        (sent.fate == Fate::Unanswered).then_some(pos)
    }
}

/// A frame from a server.
#[derive(Debug)]
enum Reply {
    Answer {
        txnr: u32,
        answer: Answer,
        offers: Option<Offers>,
    },
    /// An answer without data, as only `close` has it.
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

/// Parses `CODE SP TEXT [LF DATA]`. A bare code is no answer: librelp's client reconnects then.
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
