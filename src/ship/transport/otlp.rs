//! OTLP over HTTP: records in requests, one request at a time. The protocol of requests is in `http`.
//!
//! A request whose content the server refuses is halved until the record is found that it does not take.

use super::super::credentials::Fields;
use super::channel::Channel;
use super::http::{Answer, Exchange};
use super::{BATCH_MAX, Broken, FDS_MAX, Outcome, Transport, would_wait};
use crate::address::Address;
use crate::poll::Interest;
use ::logdir::failure::reason;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::VecDeque;
use std::io::Write;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};
use wire::otlp::{Request, failure_message, parse_success};

/// Bytes of records in a request, unless a single one is longer.
const BATCH_LEN_MAX: usize = 1024 * 1024;
/// Bytes of records that are held.
const HELD_LEN_MAX: usize = 4 * BATCH_LEN_MAX;
/// How long a server may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// One connection.
#[derive(Debug)]
pub struct Otlp {
    /// None after the server has ended an idle connection.
    channel: Option<Channel>,
    url: String,
    /// Header fields that the user wants in each request.
    fields: Fields,
    /// Records without an answer; the first `asked` of them are in the request under way.
    held: VecDeque<(u64, Vec<u8>)>,
    held_len: usize,
    asked: usize,
    exchange: Option<Exchange>,
    /// When the request under way was made.
    began: Instant,
    /// Records of a request, at most; fewer after one was refused.
    batch_max: usize,
    output: Vec<u8>,
    written: usize,
    is_new: bool,
    /// Whether the server has answered on this connection.
    is_reused: bool,
    is_closing: bool,
}

impl Otlp {
    /// Requests to this path over a fresh connection.
    pub fn new(channel: Channel, address: &Address, path: &str, fields: &Fields) -> Otlp {
        Otlp {
            channel: Some(channel),
            url: format!("http://{address}{path}"),
            fields: fields.clone(),
            held: VecDeque::new(),
            held_len: 0,
            asked: 0,
            exchange: None,
            began: Instant::now(),
            batch_max: BATCH_MAX,
            output: Vec::new(),
            written: 0,
            is_new: true,
            is_reused: false,
            is_closing: false,
        }
    }

    /// Makes a request of the first records.
    fn ask(&mut self) -> Result<(), Broken> {
        let mut request = Request::new("logship", env!("CARGO_PKG_VERSION"));
        let mut last_resource: &[u8] = b"";
        for (_, message) in self.held.iter().take(self.batch_max) {
            if !request.is_empty() && request.len() + message.len() > BATCH_LEN_MAX {
                break;
            }
            let tab = memchr::memchr(b'\t', message).unwrap_or(message.len());
            let (resource, record) = (&message[..tab], message.get(tab + 1..).unwrap_or_default());
            if resource != last_resource {
                request.begin_written_resource(resource);
                last_resource = resource;
            }
            request.push_written(record);
        }
        self.asked = request.record_count();
        let body = compress(&request.finish()).map_err(|error| Broken::new(reason(&error)))?;
        let (exchange, head) =
            Exchange::begin(&self.url, &self.fields, &body).map_err(Broken::new)?;
        self.output = head;
        self.output.extend_from_slice(&body);
        (self.written, self.exchange, self.began) = (0, Some(exchange), Instant::now());
        Ok(())
    }

    fn write(&mut self) -> Result<(), Broken> {
        let Some(channel) = &mut self.channel else { return Ok(()) };
        channel.flush().map_err(|error| Broken::new(reason(&error)))?;
        while self.written < self.output.len() {
            match channel.write(&self.output[self.written..]) {
                Ok(len) => self.written += len,
                Err(error) if would_wait(&error) => return Ok(()),
                // The server may have answered before it ended the connection: reading finds out.
                Err(_) if self.exchange.is_some() => return Ok(()),
                Err(error) => return Err(Broken::new(reason(&error))),
            }
        }
        self.output.clear();
        self.written = 0;
        Ok(())
    }

    /// Reads what there is. Returns an answer as soon as it is whole.
    fn read(&mut self) -> Result<Option<Answer>, Broken> {
        let mut bytes = [0; 4096];
        loop {
            let Some(channel) = &mut self.channel else { return Ok(None) };
            let len = match channel.read(&mut bytes) {
                Ok(len) => len,
                Err(error) if would_wait(&error) => return Ok(None),
                Err(error) => return Err(self.broken(reason(&error))),
            };
            let Some(exchange) = &mut self.exchange else {
                if len > 0 || self.is_new || self.is_closing {
                    return Err(Broken::new("the server ended the connection"));
                }
                self.channel = None;
                return Ok(None);
            };
            if len == 0 {
                let why = "the server ended the connection without an answer";
                let answer = exchange.end();
                return answer.map(Some).ok_or_else(|| self.broken(why.to_owned()));
            }
            if let Some(answer) = exchange.take(&bytes[..len]).map_err(Broken::new)? {
                return Ok(Some(answer));
            }
        }
    }

    /// The connection has failed under a request. A server may end an idle one at the moment at which the next
    /// request is made: where it has answered before and has said nothing since, that is no news.
    fn broken(&self, why: String) -> Broken {
        let is_silent = self.exchange.as_ref().is_some_and(Exchange::is_silent);
        Broken { is_idle: self.is_reused && is_silent, ..Broken::new(why) }
    }

    fn take_answer(&mut self, answer: &Answer, outcomes: &mut Vec<Outcome>) -> Result<(), Broken> {
        self.exchange = None;
        self.is_reused = true;
        if answer.is_last || !self.output.is_empty() {
            self.channel = None;
        }
        (self.output, self.written) = (Vec::new(), 0);
        let why = || {
            let message = failure_message(&answer.body);
            let colon = if message.is_empty() { "" } else { ": " };
            format!("the server answered {}{colon}{message}", answer.status)
        };
        match answer.status {
            200..=299 => self.take_success(answer, outcomes),
            // About the content of the request.
            400 | 413 | 415 | 422 => {
                if let Some(id) = self.halve() {
                    outcomes.push(Outcome::Unsendable(id, why()));
                    self.forget(1);
                }
                Ok(())
            }
            // A server in trouble, or one that fails at a record: the engine tries that one alone.
            500 | 501 | 505..=599 => {
                if let Some(id) = self.halve() {
                    outcomes.push(Outcome::Refused(id, why()));
                }
                Ok(())
            }
            // Overload, or settings of the server or of the URL that a person has to change.
            _ => Err(Broken { retry_after: answer.retry_after, ..Broken::new(why()) }),
        }
    }

    fn take_success(&mut self, answer: &Answer, outcomes: &mut Vec<Outcome>) -> Result<(), Broken> {
        let success =
            parse_success(&answer.body).map_err(|not_otlp| Broken::new(not_otlp.to_string()))?;
        let asked = self.held.iter().take(self.asked);
        if success.rejected_count > 0 && self.asked == 1 {
            outcomes.extend(asked.map(|(id, _)| Outcome::Unsendable(*id, success.message.clone())));
        } else {
            outcomes.extend(asked.map(|(id, _)| Outcome::Delivered(*id)));
            if success.rejected_count > 0 {
                outcomes.push(Outcome::Rejected(success.rejected_count, success.message));
            }
        }
        self.batch_max = (self.batch_max * 2).min(BATCH_MAX);
        self.forget(self.asked);
        Ok(())
    }

    /// The next request has half of this one's records. Returns the record if it was a single one.
    fn halve(&mut self) -> Option<u64> {
        self.batch_max = (self.asked / 2).max(1);
        let single = self.held.front().filter(|_| self.asked == 1).map(|(id, _)| *id);
        self.asked = 0;
        single
    }

    fn forget(&mut self, count: usize) {
        for (_, message) in self.held.drain(..count) {
            self.held_len -= message.len();
        }
        self.asked = 0;
    }

    fn open(&mut self, outcomes: &mut Vec<Outcome>) -> Result<(), Broken> {
        let Some(channel) = &self.channel else { return Ok(()) };
        channel.check_time()?;
        if self.is_new && channel.is_agreed() {
            self.is_new = false;
            outcomes.push(Outcome::Opened);
        }
        Ok(())
    }
}

fn compress(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

impl Transport for Otlp {
    fn room(&self) -> usize {
        let has_room = self.held_len < HELD_LEN_MAX && !self.is_closing;
        if has_room { (2 * BATCH_MAX).saturating_sub(self.held.len()) } else { 0 }
    }

    fn send(&mut self, id: u64, message: &[u8]) {
        self.held_len += message.len();
        self.held.push_back((id, message.to_vec()));
    }

    fn fds(&self) -> [Option<(BorrowedFd<'_>, Interest)>; FDS_MAX] {
        let channel = self.channel.as_ref();
        [channel.map(|channel| channel.interest(!self.output.is_empty())), None]
    }

    fn deadline(&self) -> Option<Instant> {
        let answer = self.exchange.is_some().then(|| self.began + ANSWER_TIMEOUT);
        let handshake = self.channel.as_ref().and_then(Channel::handshake_deadline);
        let next =
            (!self.is_new && self.exchange.is_none() && !self.held.is_empty()).then(Instant::now);
        answer.into_iter().chain(handshake).chain(next).min()
    }

    fn advance(&mut self, outcomes: &mut Vec<Outcome>) -> Result<(), Broken> {
        self.write()?;
        if let Some(answer) = self.read()? {
            self.take_answer(&answer, outcomes)?;
        }
        self.open(outcomes)?;
        if self.is_closing && self.exchange.is_none() {
            return Err(Broken::new("the connection is closed"));
        }
        if !self.is_new && self.exchange.is_none() && !self.held.is_empty() {
            if self.channel.is_none() {
                return Err(Broken {
                    is_idle: true,
                    ..Broken::new("the server closed an idle connection")
                });
            }
            self.ask()?;
            self.write()?;
        }
        if self.exchange.is_some() && self.began.elapsed() >= ANSWER_TIMEOUT {
            return Err(Broken::new("the server has not answered for 60 s"));
        }
        Ok(())
    }

    fn close(&mut self) {
        // A request under way may still be answered; another is not made.
        self.is_closing = true;
    }
}
