//! RELP over TCP or TLS: the protocol is `wire::relp::client`; here its bytes are read and written.

use super::channel::Channel;
use super::{Broken, FDS_MAX, Outcome, Transport, would_wait};
use crate::poll::Interest;
use ::logdir::failure::reason;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};
use wire::relp::client::{Client, Event};

/// librelp gives a silent server 90 s; so does this client.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);
/// While half the window waits for answers, and at least this many messages, answers are read together: a server
/// that answers each line by itself would wake the loop for each.
const GATHER_MIN: usize = 16;
/// How long answers gather. Short beside the time that a server takes for half a window.
const GATHER_FOR: Duration = Duration::from_micros(400);

/// One session.
#[derive(Debug)]
pub struct Relp {
    channel: Channel,
    client: Client,
    /// When the server last answered, or was first asked something.
    heard: Instant,
    /// Messages that have no answer.
    unanswered: usize,
    /// As many messages without an answer make answers gather.
    gathers_from: usize,
    /// Answers gather until then.
    gathers_until: Option<Instant>,
    is_open: bool,
    closing: Closing,
}

/// How far the session is closed from this side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    /// It is not.
    No,
    /// `close` is to be written.
    Asked,
    /// `close` is the last frame.
    Written,
}

impl Relp {
    /// Begins a session on a fresh connection.
    pub fn new(channel: Channel, window: usize) -> Relp {
        Relp {
            channel,
            client: Client::new(window),
            heard: Instant::now(),
            unanswered: 0,
            gathers_from: GATHER_MIN.max(window / 2),
            gathers_until: None,
            is_open: false,
            closing: Closing::No,
        }
    }

    /// Writes what the session has to say.
    fn write(&mut self) -> Result<(), Broken> {
        self.channel.flush().map_err(|error| Broken::new(reason(&error)))?;
        while !self.client.output().is_empty() {
            match self.channel.write(self.client.output()) {
                Ok(len) => self.client.written(len),
                Err(error) if would_wait(&error) => return Ok(()),
                Err(error) => return Err(Broken::new(reason(&error))),
            }
        }
        if self.closing == Closing::Asked {
            self.closing = Closing::Written;
            let ended = self.channel.end();
            ended.map_err(|error| Broken::new(reason(&error)))?;
        }
        Ok(())
    }

    /// Reads what there is, and takes its meaning. False at the end of the stream.
    fn read(&mut self, outcomes: &mut Vec<Outcome>) -> Result<bool, Broken> {
        loop {
            match self.channel.read(self.client.space()) {
                Ok(0) => return Ok(false),
                Ok(len) => {
                    self.client.filled(len);
                    // imrelp answers each line by itself and without TCP_NODELAY: with delayed
                    // acknowledgements its answers come 40 ms late.
                    self.channel.acknowledge_quickly();
                    self.take_events(outcomes)?;
                }
                Err(error) if would_wait(&error) => return Ok(true),
                Err(error) => return Err(Broken::new(reason(&error))),
            }
        }
    }

    /// Reports what the server has stored although it took an older message not at all.
    fn take_stored(&self, outcomes: &mut Vec<Outcome>) {
        let stored = self.client.unacknowledged().filter(|message| message.is_stored);
        outcomes.extend(stored.map(|message| Outcome::Delivered(message.id)));
    }

    fn take_events(&mut self, outcomes: &mut Vec<Outcome>) -> Result<(), Broken> {
        let mut has_heard = false;
        while let Some(event) = self.client.next_event() {
            has_heard = true;
            match event {
                Event::Opened { .. } => {
                    self.is_open = true;
                    outcomes.push(Outcome::Opened);
                }
                Event::Acknowledged { id } => {
                    self.unanswered = self.unanswered.saturating_sub(1);
                    outcomes.push(Outcome::Delivered(id));
                }
                Event::Refused { id, answer } => {
                    self.unanswered = self.unanswered.saturating_sub(1);
                    self.take_stored(outcomes);
                    outcomes.push(Outcome::Refused(id, format!("the server answered {answer}")));
                }
                Event::OpenRefused(answer) => {
                    return Err(Broken::new(format!("the server refuses to open: {answer}")));
                }
                Event::ServerCloses | Event::Closed if self.closing != Closing::No => {}
                Event::ServerCloses => return Err(Broken::new("the server closes the session")),
                Event::Closed => return Err(Broken::new("the session is closed")),
                Event::Broken(fault) => return Err(Broken::new(fault.to_string())),
            }
        }
        if has_heard {
            self.heard = Instant::now();
        }
        Ok(())
    }

    /// Lets further answers gather where some have come and many are missing.
    fn gather(&mut self, has_answers: bool) {
        let is_busy = self.unanswered >= self.gathers_from && self.closing == Closing::No;
        self.gathers_until = (has_answers && is_busy).then(|| Instant::now() + GATHER_FOR);
    }

    fn waits_for_answer(&self) -> bool {
        self.unanswered > 0 || !self.is_open
    }
}

impl Transport for Relp {
    fn room(&self) -> usize {
        self.client.room()
    }

    fn send(&mut self, id: u64, message: &[u8]) {
        if !self.waits_for_answer() {
            self.heard = Instant::now();
        }
        let is_taken = self.client.send(id, message);
        assert!(is_taken, "there is room");
        self.unanswered += 1;
    }

    fn fds(&self) -> [Option<(BorrowedFd<'_>, Interest)>; FDS_MAX] {
        let has_output = !self.client.output().is_empty();
        let gathers = self.gathers_until.is_some() && !has_output;
        [(!gathers).then(|| self.channel.interest(has_output)), None]
    }

    fn deadline(&self) -> Option<Instant> {
        let answer = self.waits_for_answer().then(|| self.heard + ANSWER_TIMEOUT);
        [answer, self.channel.handshake_deadline(), self.gathers_until].into_iter().flatten().min()
    }

    fn advance(&mut self, outcomes: &mut Vec<Outcome>) -> Result<(), Broken> {
        if self.gathers_until.is_some_and(|until| Instant::now() < until) {
            return self.write();
        }
        let before = outcomes.len();
        let went_on = self.write().and_then(|()| self.read(outcomes));
        if went_on != Ok(true) {
            self.take_stored(outcomes);
        }
        let is_open = went_on?;
        self.write()?;
        self.gather(outcomes.len() > before);
        if !is_open {
            return Err(Broken::new("the server closed the connection"));
        }
        self.channel.check_time()?;
        if self.waits_for_answer() && self.heard.elapsed() >= ANSWER_TIMEOUT {
            return Err(Broken::new("the server has not answered for 90 s"));
        }
        Ok(())
    }

    fn close(&mut self) {
        self.client.close();
        self.closing = Closing::Asked;
    }
}
