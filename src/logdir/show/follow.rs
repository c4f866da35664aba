//! Follows logs live, or prints lines since the last run: the part of `logdir show` that uses
//! cursors.

use crate::logdir::choices;
use crate::logdir::show::emit::Emitter;
use crate::logdir::show::item::Item;
use crate::poll::{self, Interest, Wait};
use crate::signals::Signals;
use ::logdir::failure::{Failure, What};
use ::logdir::read::Notice;
use ::logdir::read::delivery::{Delivery, Follow, Ticket};
use ::logdir::read::follow_several::HOLD;
use ::logdir::read::range::Range;
use std::collections::VecDeque;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Sources of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Stdout,
    Signals,
    /// Changes in the directories.
    Watch,
}

/// Each source once.
const SOURCES: usize = 3;

/// End condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// On a signal.
    Asked,
    /// After the last existing line.
    Done,
}

/// Open state of followed directories.
pub struct Following<'a> {
    pub follow: Follow,
    pub emitter: &'a mut Emitter,
    pub range: Range,
    /// Time of acknowledgement.
    pub acknowledges: Acknowledges,
    pub until: Until,
    /// Reports notices about a directory.
    pub report: &'a mut dyn FnMut(usize, Vec<Notice>, &mut Emitter),
}

/// Time of acknowledgement of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledges {
    /// After output, because a cursor is saved.
    Written,
    /// At once, because no cursor is saved.
    Taken,
}

/// Tickets due once that many bytes are written, in order.
#[derive(Default)]
struct Unwritten {
    lines: VecDeque<(u64, Ticket)>,
    /// Lines held by the emitter until their copies arrive.
    held: Vec<Ticket>,
}

impl Unwritten {
    /// Adds held lines, now formatted, due after this many bytes.
    fn settle(&mut self, taken_len: u64) {
        self.lines.extend(self.held.drain(..).map(|ticket| (taken_len, ticket)));
    }

    fn add(&mut self, ticket: Ticket, emitter: &Emitter) {
        if emitter.holds() {
            self.held.push(ticket);
        } else {
            self.settle(emitter.taken_len());
            self.lines.push_back((emitter.taken_len(), ticket));
        }
    }
}

impl Following<'_> {
    /// Follows until the end condition. The cursor then covers every written line.
    pub fn run(mut self) -> Result<(), Failure> {
        let signals = self.listen()?;
        let mut unwritten = Unwritten::default();
        self.emitter.begin(|| self.follow.left_len());
        loop {
            // Checked before reading, so that lines written until then are still read.
            let is_over = time_left(self.range) == Some(Duration::ZERO);
            if is_over {
                self.follow.look_at_all();
            }
            self.take_lines(&mut unwritten, signals.as_deref())?;
            self.settle(&mut unwritten)?;
            match self.until {
                Until::Asked => self.emitter.flush()?,
                Until::Done => self.emitter.finish()?,
            }
            self.ack_written(&mut unwritten);
            self.report_all();
            let Some(signals) = signals.as_deref().filter(|_| self.until == Until::Asked) else {
                break;
            };
            if signals.take().to_end_or_reload() {
                self.end_line();
                break;
            }
            if self.emitter.is_stopped() || is_over {
                break;
            }
            self.follow.checkpoint()?;
            if !self.wait(signals) {
                break;
            }
        }
        self.emitter.flush()?;
        self.ack_written(&mut unwritten);
        self.follow.save()
    }

    /// Handles signals if cursor or output needs work before exit.
    fn listen(&mut self) -> Result<Option<Rc<Signals>>, Failure> {
        if self.until == Until::Done && self.acknowledges == Acknowledges::Taken {
            return Ok(None);
        }
        let signals = Rc::new(collect_signals()?);
        self.emitter.listen_to(signals.clone());
        Ok(Some(signals))
    }

    /// Ends the `^C` line for shells that do not receive SIGINT.
    fn end_line(&self) {
        if std::io::stdout().is_terminal() {
            crate::message::end_line();
        }
    }

    /// Reads all available lines, unless a signal asks to exit.
    fn take_lines(
        &mut self,
        unwritten: &mut Unwritten,
        signals: Option<&Signals>,
    ) -> Result<(), Failure> {
        loop {
            let Some(delivery) = self.follow.next() else {
                let is_full = self.follow.is_full();
                if !is_full || !self.make_room(unwritten, signals)? {
                    return Ok(());
                }
                continue;
            };
            let (ticket, line_len) = (delivery.ticket, delivery.line.bytes.len());
            self.emitter.settle_before(delivery.moment)?;
            if !self.emitter.holds() {
                unwritten.settle(self.emitter.taken_len());
            }
            take_line(self.range, self.emitter, &delivery)?;
            match self.acknowledges {
                Acknowledges::Written => unwritten.add(ticket, self.emitter),
                Acknowledges::Taken => self.follow.ack(ticket),
            }
            let is_due = self.emitter.is_due(line_len);
            if is_due && !self.emitter.look(|| self.follow.left_len())? {
                return Ok(());
            }
            if self.emitter.is_stopped() {
                return Ok(());
            }
        }
    }

    /// Flushes read lines, since reading more needs their acknowledgement. `false` if a signal asks
    /// to exit.
    fn make_room(
        &mut self,
        unwritten: &mut Unwritten,
        signals: Option<&Signals>,
    ) -> Result<bool, Failure> {
        self.settle(unwritten)?;
        self.emitter.flush()?;
        self.ack_written(unwritten);
        if self.emitter.is_stopped() {
            return Ok(false);
        }
        self.follow.checkpoint()?;
        Ok(!signals.is_some_and(is_asked))
    }

    /// Formats all lines taken: no copies of them are there now.
    fn settle(&mut self, unwritten: &mut Unwritten) -> Result<(), Failure> {
        self.emitter.settle()?;
        unwritten.settle(self.emitter.taken_len());
        Ok(())
    }

    fn ack_written(&mut self, unwritten: &mut Unwritten) {
        let written_len = self.emitter.written_len();
        while let Some(&(len, ticket)) = unwritten.lines.front()
            && len <= written_len
        {
            self.follow.ack(ticket);
            unwritten.lines.pop_front();
        }
    }

    fn report_all(&mut self) {
        for (number, notice) in self.follow.take_notices() {
            (self.report)(number, vec![notice], self.emitter);
        }
    }

    /// Waits for changes or the next deadline. `false` after the reader of the output has gone.
    fn wait(&self, signals: &Signals) -> bool {
        let stdout = std::io::stdout();
        let mut wait: Wait<'_, Source, SOURCES> =
            Wait::on(Source::Stdout, stdout.as_fd(), Interest::Failure);
        wait.add(Source::Signals, signals.as_fd(), Interest::Readable);
        for fd in self.follow.fds() {
            wait.add(Source::Watch, fd, Interest::Readable);
        }
        wait.until(Some(self.follow.deadline()));
        wait.until(time_left(self.range).and_then(|left| Instant::now().checked_add(left)));
        !wait.wait().has(Source::Stdout)
    }
}

/// Time left for lines in the range. Writers may write a line slightly after stamping it.
pub fn time_left(range: Range) -> Option<Duration> {
    let end = range.until?.to_nanos() + HOLD.as_nanos().cast_signed();
    let left = (end - choices::now().to_nanos()).max(0);
    Some(Duration::from_nanos(u64::try_from(left).unwrap_or(u64::MAX)))
}

fn take_line(range: Range, emitter: &mut Emitter, delivery: &Delivery) -> Result<(), Failure> {
    let Delivery { directory, line, stamp, moment, place, chain, .. } = *delivery;
    let (number, others) = (directory, &[]);
    let item = Item { number, line, stamp, moment, place, chain: Some(chain), others };
    if range.holds_line(moment) { emitter.take(item) } else { Ok(()) }
}

/// True if a signal is pending.
fn is_asked(signals: &Signals) -> bool {
    poll::is_readable(signals)
}

fn collect_signals() -> Result<Signals, Failure> {
    Signals::collect().map_err(|errno| Failure::new(What::Events, "", errno))
}
