//! Messages that a library brings from an engine, to the directories; and back, which of them are on disk.
//!
//! The library runs in a thread. What it brings is written once, however often the engine delivers it, and is
//! acknowledged when it is on disk. After an outage the thread is started again; a line that was written
//! meanwhile is acknowledged then.

use super::gaps::{Delivery, Gaps};
use super::journal::{Entry, Journal};
use super::peer::Peer;
use super::session::Messages;
use super::store::{Place, Ticket};
use crate::beside::{self, Beside};
use crate::message;
use ::logdir::label::Label;
use ::logdir::wake::Wake;
use std::collections::{HashMap, VecDeque};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};
use wire::syslog::{Sender, parse};

/// Messages of one engine without an answer, at most.
pub const IN_FLIGHT_MAX: usize = 4096;
/// Messages that are remembered after their answer, because the engine may deliver them again.
const REMEMBERED_MAX: usize = 64 * 1024;
/// A line that cannot be written for so long is given back, or the engine is told that it takes longer.
const LONG: Duration = Duration::from_secs(15);
/// The shortest and the longest time to the next try.
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(15);

/// A message of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Equal each time it is delivered: its number in the stream, and when it was stored there.
    pub key: (u64, u64),
    /// Where its answer goes.
    pub reply: String,
    /// Which delivery it is.
    pub delivery: Delivery,
    /// Its bytes.
    pub message: Vec<u8>,
}

/// What the thread tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Up {
    /// The engine delivers from now on. It had dropped the messages with these numbers before it delivered them.
    Opened { missing: Option<RangeInclusive<u64>> },
    /// A message. Each gets one [`Down`] that is not [`Down::Longer`].
    Arrived(Arrived),
    /// The engine has the answers to all messages up to this number in the stream, and lacks some later ones. It is
    /// asked after each such time, many times before it delivers a message again. `is_first` on a new connection.
    Unanswered { after: u64, every: Duration, is_first: bool },
}

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Down {
    /// It is on disk.
    Stored(String),
    /// Repeats the answer to a message on disk.
    Again(String),
    /// It is not written here, and is to be delivered again to anybody.
    GiveBack(String),
    /// It is delivered twice at a time, and gets one answer.
    Twice,
    /// It is not on disk yet, and must not be delivered to anybody else.
    Longer(String),
    /// Nothing more is wanted; answers still come.
    Pause,
}

/// The thread's side. Its end is a reason in words.
pub type Port = beside::Port<Down, Up, String>;
/// Starts the thread.
type Start = Box<dyn Fn(&Wake) -> Result<Beside<Down, Up, String>, String>>;

/// Takes messages and knows their lines.
pub trait Lines: Messages {
    /// The line of the message taken last, with its newline, and when it was received.
    fn line(&self) -> (&[u8], Label);

    /// Tells something on standard error, and as a line of our own.
    fn tell(&mut self, text: &str);
}

/// Messages of one engine.
pub struct Feed {
    name: String,
    /// Its number among the sockets and engines.
    listener: usize,
    start: Start,
    wake: Wake,
    state: State,
    retry: Duration,
    /// The reason of the outage, so that it is reported once.
    failure: Option<String>,
    /// Messages without room in their directory.
    waiting: VecDeque<(Arrived, Instant)>,
    /// Messages in directories, and not known to be on disk.
    owed: Vec<Owed>,
    known: HashMap<(u64, u64), Stage>,
    /// Stored messages of `known`, oldest first.
    stored: VecDeque<Stored>,
    journal: Option<Journal>,
    longer_due: Instant,
    gaps: Gaps,
    is_pausing: bool,
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").field("name", &self.name).finish_non_exhaustive()
    }
}

#[derive(Debug)]
enum State {
    Waiting { until: Instant },
    Running(Beside<Down, Up, String>),
    Over,
}

#[derive(Debug)]
struct Owed {
    entry: Entry,
    ticket: Ticket,
    since: Instant,
}

#[derive(Debug)]
struct Stored {
    entry: Entry,
    /// First answer on this connection.
    since: Instant,
    /// Last answer.
    answered: Instant,
}

impl Stored {
    fn new(entry: Entry) -> Stored {
        let now = Instant::now();
        Stored { entry, since: now, answered: now }
    }

    /// True if the answer is to be repeated: after one interval, and again each time its age has doubled.
    fn is_due(&self, now: Instant, every: Duration) -> bool {
        now - self.answered >= every.max(self.answered - self.since)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    InFlight,
    Stored,
}

impl Feed {
    /// Nothing is started yet. `written` are messages that were written before a kill, as `journal` knows.
    pub fn new(
        name: String,
        listener: usize,
        start: Start,
        journal: Option<Journal>,
        written: Vec<Entry>,
        wake: &Wake,
    ) -> Feed {
        let now = Instant::now();
        Feed {
            name,
            listener,
            start,
            wake: wake.clone(),
            state: State::Waiting { until: now },
            retry: RETRY_MIN,
            failure: None,
            waiting: VecDeque::new(),
            owed: Vec::new(),
            known: written.iter().map(|entry| (entry.key, Stage::Stored)).collect(),
            stored: written.into_iter().map(Stored::new).collect(),
            journal,
            longer_due: now + LONG,
            gaps: Gaps::default(),
            is_pausing: false,
        }
    }

    /// Takes messages as far as their directories have room.
    pub fn take(&mut self, to: &mut impl Lines) {
        self.run();
        if let Some(text) = self.gaps.take_text(Instant::now()) {
            to.tell(&format!("{}: {text}", self.name));
        }
        self.write(to);
        self.ask_for_time();
        if let State::Running(beside) = &mut self.state {
            beside.flush();
        }
    }

    /// Answers messages that are on disk.
    pub fn answer(&mut self, is_durable: impl Fn(Ticket) -> bool) {
        let (durable, owed) =
            std::mem::take(&mut self.owed).into_iter().partition(|owed| is_durable(owed.ticket));
        self.owed = owed;
        let durable: Vec<Owed> = durable;
        for owed in durable {
            self.push(Down::Stored(owed.entry.reply.clone()));
            self.remember(owed.entry);
        }
        if let State::Running(beside) = &mut self.state {
            beside.flush();
        }
    }

    /// Gives back messages of places where a failed fsync has lost lines.
    pub fn give_back_lost(&mut self, has_lost: impl Fn(Place) -> bool) {
        let (lost, owed): (Vec<Owed>, Vec<Owed>) = std::mem::take(&mut self.owed)
            .into_iter()
            .partition(|owed| has_lost(owed.ticket.place));
        self.owed = owed;
        for owed in lost {
            self.known.remove(&owed.entry.key);
            self.push(Down::GiveBack(owed.entry.reply));
        }
    }

    /// Takes nothing more. True when everything taken is on disk and the engine knows it.
    pub fn finish(&mut self) -> bool {
        if !std::mem::replace(&mut self.is_pausing, true) {
            self.push(Down::Pause);
            for (arrived, _) in std::mem::take(&mut self.waiting) {
                self.known.remove(&arrived.key);
                self.push(Down::GiveBack(arrived.reply));
            }
        }
        self.run();
        match &mut self.state {
            State::Running(beside) => {
                beside.flush();
                if self.owed.is_empty() {
                    beside.close();
                }
                false
            }
            State::Waiting { .. } | State::Over => self.owed.is_empty(),
        }
    }

    /// When to look again if nothing wakes the loop.
    pub fn deadline(&self) -> Option<Instant> {
        let retry = match self.state {
            State::Waiting { until } => Some(until),
            State::Running(_) | State::Over => None,
        };
        let has_work = !self.owed.is_empty() || !self.waiting.is_empty();
        retry.into_iter().chain(has_work.then_some(self.longer_due)).chain(self.gaps.due()).min()
    }

    fn push(&mut self, down: Down) {
        // An answer without a connection is not lost: the engine delivers the message again, and it is known.
        if let State::Running(beside) = &mut self.state {
            beside.push(down);
        }
    }

    /// Starts the thread when it is due, and takes what it tells.
    fn run(&mut self) {
        match &mut self.state {
            State::Over => {}
            State::Waiting { until } if Instant::now() < *until => {}
            State::Waiting { .. } if self.is_pausing => self.state = State::Over,
            State::Waiting { .. } => match (self.start)(&self.wake) {
                Ok(beside) => self.state = State::Running(beside),
                Err(why) => self.fail(why),
            },
            State::Running(beside) => {
                let (told, end) = beside.take();
                told.into_iter().for_each(|up| self.hear(up));
                if let Some(why) = end {
                    self.fail(why);
                }
            }
        }
    }

    /// Answers are lost with a connection, and with a node of the engine that dies. They are repeated until the
    /// engine has them: it would deliver their messages to another receiver, which could not know that they are on
    /// disk here.
    fn repeat_answers(&mut self, after: u64, every: Duration, is_first: bool) {
        let now = Instant::now();
        let mut again = Vec::new();
        for stored in self.stored.iter_mut().filter(|stored| stored.entry.key.0 > after) {
            if is_first {
                stored.since = now;
            } else if !stored.is_due(now, every) {
                continue;
            }
            stored.answered = now;
            again.push(Down::Again(stored.entry.reply.clone()));
        }
        again.into_iter().for_each(|down| self.push(down));
    }

    fn hear(&mut self, up: Up) {
        match up {
            Up::Opened { missing } => {
                self.gaps.begin(missing);
                message::info(&format!("taking messages from {}", self.name));
                (self.retry, self.failure) = (RETRY_MIN, None);
            }
            Up::Unanswered { after, every, is_first } => {
                self.repeat_answers(after, every, is_first);
            }
            Up::Arrived(arrived) => {
                self.gaps.note(arrived.delivery);
                self.hear_message(arrived);
            }
        }
    }

    fn hear_message(&mut self, arrived: Arrived) {
        match self.known.get(&arrived.key) {
            Some(Stage::Stored) => self.push(Down::Stored(arrived.reply)),
            Some(Stage::InFlight) => self.push(Down::Twice),
            None if self.is_pausing => self.push(Down::GiveBack(arrived.reply)),
            None => {
                self.known.insert(arrived.key, Stage::InFlight);
                self.waiting.push_back((arrived, Instant::now()));
            }
        }
    }

    /// The thread is over. What it brought and has no line yet is delivered again.
    fn fail(&mut self, why: String) {
        for (arrived, _) in std::mem::take(&mut self.waiting) {
            self.known.remove(&arrived.key);
        }
        if self.is_pausing {
            self.state = State::Over;
            return;
        }
        if self.failure.as_ref() != Some(&why) {
            let text = format!("unable to take messages from {}: {why}; trying again", self.name);
            message::warn(text.as_bytes());
            self.failure = Some(why);
        }
        self.state = State::Waiting {
            until: Instant::now() + self.retry.mul_f64(0.5 + fastrand::f64() / 2.0),
        };
        self.retry = (2 * self.retry).min(RETRY_MAX);
    }

    /// Puts messages into their directories. A full directory delays its own messages only.
    fn write(&mut self, to: &mut impl Lines) {
        let now = Instant::now();
        for (arrived, since) in std::mem::take(&mut self.waiting) {
            let peer = sender(&arrived.message, self.listener);
            match to.take(&peer, &arrived.message, None) {
                Ok(ticket) => {
                    to.require(ticket);
                    let (line, received) = to.line();
                    let entry = Entry::new(arrived.key, arrived.reply, line, received);
                    if let Some(journal) = &mut self.journal {
                        journal.note(&entry);
                    }
                    self.owed.push(Owed { entry, ticket, since: now });
                }
                Err(_) if since.elapsed() >= LONG => {
                    self.known.remove(&arrived.key);
                    self.push(Down::GiveBack(arrived.reply));
                }
                Err(_) => self.waiting.push_back((arrived, since)),
            }
        }
        if let Some(journal) = &mut self.journal {
            let owed = self.owed.iter().map(|owed| &owed.entry);
            journal.write(self.stored.iter().map(|stored| &stored.entry).chain(owed));
        }
    }

    /// A line that waits for its disk must not be delivered to another receiver: it will be written here.
    fn ask_for_time(&mut self) {
        let now = Instant::now();
        if now < self.longer_due {
            return;
        }
        self.longer_due = now + LONG;
        let late = self.owed.iter().filter(|owed| now - owed.since >= LONG);
        let replies: Vec<String> = late.map(|owed| owed.entry.reply.clone()).collect();
        replies.into_iter().for_each(|reply| self.push(Down::Longer(reply)));
    }

    fn remember(&mut self, entry: Entry) {
        self.known.insert(entry.key, Stage::Stored);
        self.stored.push_back(Stored::new(entry));
        if self.stored.len() > REMEMBERED_MAX
            && let Some(oldest) = self.stored.pop_front()
        {
            self.known.remove(&oldest.entry.key);
        }
    }
}

/// The host that a message names: who may publish to the engine is trusted with it.
fn sender(message: &[u8], listener: usize) -> Peer {
    Peer::named(parse(message, Sender::Remote).host.unwrap_or(b"unknown"), listener)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::logdir::clock;

    /// A node of the engine may die at any time, and a receiver may live for a moment only: the first answers are
    /// repeated soon, and all of them long before another receiver has the message.
    #[test]
    fn an_answer_is_repeated_each_time_its_age_has_doubled() {
        let every = Duration::from_millis(2500);
        let entry = Entry::new((1, 2), "reply".to_owned(), b"line\n", clock::now());
        let mut stored = Stored::new(entry);
        let since = stored.since;
        let mut ages = Vec::new();
        for look in 1..=24 {
            let now = since + look * every;
            if stored.is_due(now, every) {
                stored.answered = now;
                ages.push(look);
            }
        }
        assert_eq!(ages, [1, 2, 4, 8, 16]);
    }
}
