//! The loop: takes lines, hands messages to the connection, hears what came of them, moves the cursor. It waits
//! in one place.
//!
//! A line is delivered when the receiver has answered for it; only then the cursor passes it. Whatever happens
//! to the receiver, the loop goes on.

use super::dead::{DeadLetters, Letter};
use super::flush::{Flush, Half};
use super::lag::{self, Lags};
use super::link::{Change, Link};
use super::message::{Ending, Line, Writer};
use super::pace::{OLD_AFTER, Pace};
use super::sources::Sources;
use super::state::State;
use super::status::Status;
use super::transport::{FDS_MAX, Outcome};
use super::window::{Verdict, Window};
use crate::logdir::trouble::{self, Text};
use crate::message;
use crate::poll::{Interest, Wait};
use crate::signals::Signals;
use crate::status_file::unix_secs;
use ::logdir::clock;
use ::logdir::label::Label;
use ::logdir::read::Notice;
use ::logdir::read::delivery::Ticket;
use ::logdir::read::stamp::Moment;
use ::logdir::stamp::format_utc;
use ::logdir::wake::Wake;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

/// How often the status is written while nothing changes.
const STATUS_EVERY: Duration = Duration::from_secs(5);
/// How long a receiver that is connected and lost again for an equal reason is not reported again.
const QUIET_FOR: Duration = Duration::from_secs(60);
/// How long the end waits for answers to what was sent.
const END_TIMEOUT: Duration = Duration::from_secs(5);
/// Messages handed to the connection between two looks at signals.
const BATCH: usize = 1024;
/// How long the end waits for the receiver to close the connection too.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Signals, wake-ups, sources, and the descriptors of a connection.
const SOURCES_MAX: usize = 3 + FDS_MAX;

/// What the loop waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    Signals,
    Wake,
    Others,
}

/// A line on its way.
#[derive(Debug)]
pub struct Shipped {
    /// `None` for an unfinished line, which moves no cursor.
    ticket: Option<Ticket>,
    moment: Option<Moment>,
}

/// Everything that is open while lines are sent.
pub struct Engine {
    /// Where lines come from.
    pub sources: Sources,
    /// How lines become messages.
    pub writer: Writer,
    /// Messages without an answer.
    pub window: Window<Shipped>,
    /// The receiver.
    pub link: Link,
    /// Where refused messages go.
    pub dead: DeadLetters,
    /// How many lines a second.
    pub pace: Pace,
    /// The signals that are answered.
    pub signals: Signals,
    /// What calls when a connection has been made.
    pub wake: Wake,
    /// How things stand.
    pub status: Status,
    /// When it is measured how far sources are behind.
    pub lags: Lags,
    /// When unfinished last lines are sent, if they are.
    pub flush: Option<Flush>,
    /// Whether the loop ends when everything that is there was delivered.
    pub once: bool,
    /// What the loop remembers between two rounds.
    pub progress: Progress,
    /// Where the status is written as Prometheus text.
    pub metrics: Option<PathBuf>,
    /// The state directory, locked as long as the loop runs.
    pub state: State,
}

/// What the loop remembers between two rounds.
#[derive(Debug)]
pub struct Progress {
    /// When the status is written next.
    status_due: Instant,
    /// Whether the last line taken is of an outage.
    is_old: bool,
    /// Whether the sources had no further line at the last look.
    is_drained: bool,
    phase: Phase,
    /// Why the connection was last lost, and when this was last reported.
    last_lost: Option<(String, Instant)>,
    /// The receiver that was reported as connected, and not as lost after that.
    reported: Option<String>,
    /// Whether an open connection was lost, so that the next is reported when it takes what waits: a receiver that is
    /// full opens it, and refuses.
    was_lost: bool,
    /// The receiver that is connected and not reported yet.
    opened: Option<String>,
    /// What was last reported of a receiver that can lose messages.
    warned: Option<String>,
}

/// How far the loop is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Lines are taken.
    Running,
    /// What was taken is sent and waits for answers.
    Finishing { by: Instant },
    /// The receiver was said goodbye.
    Closing { by: Instant },
    /// Shutdown is complete.
    Over,
}

impl Default for Progress {
    fn default() -> Progress {
        let (status_due, phase) = (Instant::now(), Phase::Running);
        Progress {
            status_due,
            is_old: false,
            is_drained: false,
            phase,
            last_lost: None,
            reported: None,
            was_lost: false,
            opened: None,
            warned: None,
        }
    }
}

impl Engine {
    /// Sends lines until a signal asks to end, or until all are sent if that is wanted.
    pub fn run(mut self) -> Status {
        while self.progress.phase != Phase::Over {
            self.take_lines();
            self.take_half_lines();
            self.hand_over();
            self.talk();
            self.store_given_up();
            self.collect();
            self.report();
            self.sources.checkpoint();
            self.write_status();
            self.advance_phase();
            if self.progress.phase != Phase::Over && self.wait() {
                self.answer_signals();
            }
            self.sources.look_again();
        }
        self.end()
    }

    fn answer_signals(&mut self) {
        let asked = self.signals.take();
        if asked.to_rotate {
            self.link.try_now();
        }
        if asked.to_report {
            self.refresh_status();
            message::info(&self.status.text());
            let behind = self.status.sources.iter().filter(|lag| lag.bytes > 0);
            behind.for_each(|lag| message::info(&lag.text(self.status.at)));
        }
        if asked.to_reload {
            self.reload();
        }
        if asked.to_end {
            self.progress.phase = match self.progress.phase {
                Phase::Running => Phase::Finishing { by: Instant::now() + END_TIMEOUT },
                // Asked twice, it does not wait.
                Phase::Finishing { .. } | Phase::Closing { .. } | Phase::Over => Phase::Over,
            };
        }
    }

    fn reload(&mut self) {
        if let Err(why) = self.link.reload() {
            let text =
                format!("the certificates in use stay, since new ones cannot be used: {why}");
            message::warn(text.as_bytes());
        }
        if self.link.is_open() {
            let change = self.link.end("asked to connect again");
            self.take_change(change);
        }
        self.link.try_now();
    }

    fn advance_phase(&mut self) {
        let now = Instant::now();
        let is_finished = match self.progress.phase {
            Phase::Running => {
                let has_half = self.flush.as_ref().is_some_and(|flush| flush.next().is_some());
                self.once && self.window.is_empty() && self.has_read_all() && !has_half
            }
            Phase::Finishing { by } => self.window.is_empty() || now >= by || !self.link.is_open(),
            Phase::Closing { by } => {
                if self.link.is_closed() || now >= by {
                    self.progress.phase = Phase::Over;
                }
                false
            }
            Phase::Over => false,
        };
        if is_finished {
            self.link.close();
            self.progress.phase = Phase::Closing { by: now + CLOSE_TIMEOUT };
        }
    }

    fn has_read_all(&self) -> bool {
        self.progress.is_drained && !self.sources.is_failing()
    }

    /// Takes lines while there is room for them.
    fn take_lines(&mut self) {
        if self.progress.phase == Phase::Running {
            self.progress.is_drained = false;
        }
        // One look at each clock is enough for so few lines.
        let (now, label) = (Instant::now(), clock::now());
        for _ in 0..BATCH {
            let may_take = self.window.has_room() && self.progress.phase == Phase::Running;
            if !may_take || !self.pace.allows(self.progress.is_old, now) {
                return;
            }
            if !self.take_line(label) {
                self.progress.is_drained = true;
                return;
            }
            self.pace.note();
        }
    }

    /// Takes the next line. False if there is none.
    fn take_line(&mut self, now: Label) -> bool {
        let Some(delivery) = self.sources.next() else { return false };
        let id = delivery.id().to_string();
        let text_start = delivery.stamp.map_or(0, |stamp| stamp.end);
        let text = delivery.line.bytes[text_start..].to_vec();
        let (ticket, moment, number) = (delivery.ticket, delivery.moment, delivery.directory);
        let label = moment.map_or(now, |moment| Label::from_unix(moment.unix_secs, moment.nanos));
        self.progress.is_old = now.nanos_since(label) > OLD_AFTER.as_nanos().cast_signed();
        let source = self.sources.source(number);
        let line = Line {
            source: &source.shown,
            service: &source.service,
            label,
            id: id.as_bytes(),
            text: &text,
            ending: Ending::Whole,
        };
        let shipped = Shipped { ticket: Some(ticket), moment };
        match self.writer.messages(&line) {
            Ok(messages) => self.window.push(shipped, messages),
            Err(no_room) => {
                let id = self.window.push_given_up(shipped, text);
                self.give_up(id, no_room.to_string());
            }
        }
        true
    }

    /// Takes unfinished last lines that have been quiet for long enough. While there is no connection none is
    /// taken: it may be finished before there is one.
    fn take_half_lines(&mut self) {
        let Some(flush) = self.flush.as_mut().filter(|_| self.progress.is_drained) else { return };
        let now = Instant::now();
        let mut due = Vec::new();
        for number in 0..self.sources.count() {
            let half = self.sources.half_line(number);
            let half = half.map(|half| Half {
                inode: half.start.file.inode,
                offset: half.start.offset,
                len: half.bytes.len(),
            });
            if flush.note(number, half, now) {
                due.push(number);
            }
        }
        for number in due {
            if self.link.is_open() && self.window.has_room() {
                self.take_half_line(number);
            }
        }
    }

    /// Takes an unfinished line without a ticket: the cursor stays before it. Its id has the length besides: a
    /// receiver that drops what it has must not drop the whole line.
    fn take_half_line(&mut self, number: usize) {
        let Some(half) = self.sources.half_line(number) else { return };
        let id = format!("{}.{:x}", half.id(), half.bytes.len());
        let moment = half.stamp.map(|stamp| stamp.moment);
        let source = self.sources.source(number);
        let line = Line {
            source: &source.shown,
            service: &source.service,
            label: moment
                .map_or_else(clock::now, |moment| Label::from_unix(moment.unix_secs, moment.nanos)),
            id: id.as_bytes(),
            text: &half.bytes[half.stamp.map_or(0, |stamp| stamp.end)..],
            ending: Ending::Unfinished,
        };
        // A header that leaves no room for text is reported when the line is finished.
        if let Ok(messages) = self.writer.messages(&line) {
            self.window.push(Shipped { ticket: None, moment: None }, messages);
        }
        if let Some(flush) = &mut self.flush {
            flush.sent(number);
        }
    }

    fn hand_over(&mut self) {
        for _ in 0..BATCH {
            // Asked before each: long messages fill the output before the window.
            if self.link.room() == 0 {
                return;
            }
            let Some((id, message, is_again)) = self.window.next() else { return };
            self.link.send(id, message);
            self.status.sent += 1;
            self.status.sent_again += u64::from(is_again);
        }
    }

    /// Advances the connection and takes its outcomes.
    fn talk(&mut self) {
        let mut outcomes = Vec::new();
        let change = self.link.advance(&mut outcomes);
        for outcome in outcomes {
            match outcome {
                Outcome::Opened | Outcome::Stalled(_) => {}
                Outcome::Delivered(id) => {
                    self.window.delivered(id);
                    self.status.silent_since = None;
                    self.report_opened();
                }
                Outcome::Refused(id, why) => self.refuse(id, why),
                Outcome::Rejected(count, why) => self.note_rejected(count, &why),
                Outcome::Warned(why) => self.warn_of_receiver(why),
                Outcome::Unsendable(id, why) => {
                    if self.window.give_up(id) {
                        self.give_up(id, why);
                    }
                }
            }
        }
        match self.window.is_empty() {
            true => self.status.silent_since = None,
            // Without a connection there is no answer either.
            false => {
                self.status.silent_since.get_or_insert_with(|| unix_secs(SystemTime::now()));
            }
        }
        if let Some(change) = change {
            self.take_change(change);
        }
    }

    /// Reports how the receiver can lose messages, unless that was its last report.
    fn warn_of_receiver(&mut self, why: String) {
        let text = format!("{}: {why}", self.link.target());
        if self.progress.warned.as_ref() != Some(&text) {
            message::warn(text.as_bytes());
            self.progress.warned = Some(text);
        }
    }

    /// Counts rejected messages. The receiver names none of them, so the dead letters stay empty.
    fn note_rejected(&mut self, count: u64, why: &str) {
        self.status.dead += count;
        let text = format!(
            "the receiver rejects {count} records of a request and does not say which: {why}"
        );
        message::warn(text.as_bytes());
    }

    /// A refused message is sent by itself on a new connection, as is what follows one that was given up: its
    /// session reports no later message as stored.
    fn refuse(&mut self, id: u64, why: String) {
        match self.window.refused(id) {
            Verdict::Unknown => return,
            Verdict::TryAlone => {
                let text = format!("a message was refused and is tried again: {why}");
                message::warn(text.as_bytes());
            }
            Verdict::GivenUp => self.give_up(id, why),
        }
        let _ = self.link.end("a message was refused");
        self.begin_anew();
    }

    /// The line counts as delivered when its message is stored among the dead ones.
    fn give_up(&mut self, id: u64, why: String) {
        let text = format!("a message was given up, it is kept in dead: {why}");
        message::warn(text.as_bytes());
        self.status.dead += 1;
        self.dead.add(Letter { id, why });
    }

    /// What has no answer is sent again on the next connection.
    fn begin_anew(&mut self) {
        self.window.rewind();
        self.pace.push_back();
    }

    fn take_change(&mut self, change: Change) {
        self.progress.status_due = Instant::now();
        match change {
            Change::Opened { target } => {
                let is_known = self.progress.reported.as_ref() == Some(&target);
                self.progress.opened = (!is_known).then_some(target);
                if !self.progress.was_lost || self.window.is_empty() {
                    self.report_opened();
                }
                self.status.failure = None;
            }
            Change::Stalled { target, why } => {
                self.progress.reported = None;
                self.progress.opened = None;
                let waiting = self.window.count();
                let text =
                    format!("lost {target}: {why}; its client tries on, {waiting} messages wait");
                message::warn(text.as_bytes());
                self.status.failure = Some(why);
            }
            Change::Renewed => self.window.rewind(),
            Change::Lost { target, why, was_open, wait } => {
                self.progress.was_lost = was_open;
                self.progress.opened = None;
                self.begin_anew();
                let waiting = self.window.count();
                // Only the first failure of an outage is reported, with its consequence; the status file has later ones.
                if self.status.failure.as_ref() != Some(&why) && self.is_news(&why) {
                    self.progress.reported = None;
                    let what = if was_open { "lost" } else { "unable to reach" };
                    let wait = wait.as_secs_f32();
                    let text = format!(
                        "{what} {target}: {why}; next try in {wait:.1} s, {waiting} messages wait"
                    );
                    message::warn(text.as_bytes());
                }
                self.status.failure = Some(why);
            }
        }
    }

    fn report_opened(&mut self) {
        if let Some(target) = self.progress.opened.take() {
            message::info(&format!("connected to {target}"));
            self.progress.reported = Some(target);
        }
    }

    /// False if the connection was lost for an equal reason a moment ago, as that of a datagram socket is with each
    /// message that finds nobody.
    fn is_news(&mut self, why: &str) -> bool {
        let now = Instant::now();
        let is_known = |(before, reported): &(String, Instant)| {
            before == why && now.saturating_duration_since(*reported) < QUIET_FOR
        };
        let is_news = !self.progress.last_lost.as_ref().is_some_and(is_known);
        if is_news {
            self.progress.last_lost = Some((why.to_owned(), now));
        }
        is_news
    }

    /// Goes on with messages that were given up. While they cannot be stored, no later line counts as delivered.
    fn store_given_up(&mut self) {
        loop {
            match self.dead.advance(|id| self.window.message(id)) {
                Ok(Some(letter)) => self.window.delivered(letter.id),
                Ok(None) => return,
                Err(failure) => return message::failed(&failure),
            }
        }
    }

    /// Acknowledges the lines that were delivered.
    fn collect(&mut self) {
        while let Some(Shipped { ticket, moment }) = self.window.pop_delivered() {
            let Some(ticket) = ticket else {
                self.status.unfinished += 1;
                continue;
            };
            self.sources.ack(ticket);
            self.status.acknowledged += 1;
            let delivered = moment.and_then(|moment| u64::try_from(moment.unix_secs).ok());
            self.status.last_delivered = delivered.or(self.status.last_delivered);
        }
        if self.window.is_empty() {
            self.report_opened();
        }
    }

    fn report(&mut self) {
        lag::name_sources(&self.sources, &mut self.status.sources);
        for (number, notice) in self.sources.take_notices() {
            if let Notice::MissingLines(from, to) = &notice
                && let Some(lag) = self.status.sources.get_mut(number)
            {
                lag.gaps += 1;
                lag.last_gap = Some((from.map(written), to.map(written)));
            }
            let said = trouble::say(notice, written);
            let name = String::from_utf8_lossy(&self.sources.source(number).shown).into_owned();
            match said.text {
                Text::Failure(failure) => message::failed(&failure),
                Text::Sentence(text) => {
                    self.status.gaps += u64::from(said.is_trouble);
                    message::warn(format!("{name}: {text}").as_bytes());
                }
            }
        }
    }

    fn refresh_status(&mut self) {
        let is_drained = self.progress.is_drained;
        self.lags.measure(&mut self.sources, &mut self.status.sources, is_drained);
        let status = &mut self.status;
        status.at = unix_secs(SystemTime::now());
        status.target = self.link.target().to_string();
        status.connected = self.link.is_open();
        status.next_try = self.link.next_try().map(unix_secs);
        status.waiting = self.window.count() as u64;
        status.behind_bytes = status.sources.iter().map(|lag| lag.bytes).sum();
    }

    fn write_status(&mut self) {
        if Instant::now() < self.progress.status_due {
            return;
        }
        self.progress.status_due = Instant::now() + STATUS_EVERY;
        self.refresh_status();
        self.save_status();
    }

    /// A status that cannot be written is old, and its reader sees its time.
    fn save_status(&self) {
        let _ = self.status.save(&self.state.status());
        if let Some(path) = &self.metrics {
            let _ = self.status.save_metrics(path);
        }
    }

    /// Waits for the first thing to do. True if it is a signal.
    fn wait(&self) -> bool {
        let takes_lines = self.takes_lines();
        let mut wait: Wait<'_, Waits, SOURCES_MAX> =
            Wait::on(Waits::Signals, self.signals.as_fd(), Interest::Readable);
        if let Some(wake) = self.wake.fd() {
            wait.add(Waits::Wake, wake, Interest::Readable);
        }
        if takes_lines {
            self.sources.fds().for_each(|fd| wait.add(Waits::Others, fd, Interest::Readable));
        }
        for (fd, interest) in self.link.fds().into_iter().flatten() {
            wait.add(Waits::Others, fd, interest);
        }
        wait.until(Some(self.deadline(takes_lines)));
        // All other parts of the loop look for work themselves.
        let ready = wait.wait();
        if ready.has(Waits::Wake) {
            self.wake.clear();
        }
        ready.has(Waits::Signals)
    }

    fn takes_lines(&self) -> bool {
        self.progress.phase == Phase::Running && self.window.has_room()
    }

    fn deadline(&self, takes_lines: bool) -> Instant {
        let now = Instant::now();
        let may_send = self.link.room() > 0 && self.window.has_unsent();
        let next_line = match (takes_lines, self.progress.is_drained) {
            (false, _) => None,
            (true, true) => {
                let half =
                    self.flush.as_ref().filter(|_| self.link.is_open()).and_then(Flush::next);
                let deadline = self.sources.deadline();
                Some(half.map_or(deadline, |half| half.min(deadline)))
            }
            (true, false) => Some(self.pace.next(self.progress.is_old).unwrap_or(now)),
        };
        let dues = [
            Some(self.progress.status_due),
            self.link.deadline(),
            next_line,
            self.dead.deadline(),
            match self.progress.phase {
                Phase::Finishing { by } | Phase::Closing { by } => Some(by),
                Phase::Running | Phase::Over => None,
            },
            may_send.then_some(now),
        ];
        dues.into_iter().flatten().min().unwrap_or(now)
    }

    /// Saves how far lines were delivered.
    fn end(mut self) -> Status {
        if let Err(failure) = self.sources.save() {
            message::failed(&failure);
        }
        self.lags = Lags::new(Instant::now());
        self.refresh_status();
        self.status.connected = false;
        self.status.is_incomplete = !(self.window.is_empty() && self.has_read_all());
        self.save_status();
        if self.status.waiting > 0 {
            let waiting = self.status.waiting;
            message::info(&format!("{waiting} messages are sent at the next start"));
        }
        self.status
    }
}

/// A moment for messages.
fn written(moment: Moment) -> String {
    let label = Label::from_unix(moment.unix_secs, moment.nanos);
    format_utc(label).unwrap_or_else(|| moment.unix_secs.to_string())
}
