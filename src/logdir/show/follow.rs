//! Lines as they come, or those since the last time: the part of `logdir show` that has a memory.

use crate::logdir::choices;
use crate::logdir::show::emit::{Emitter, Item};
use crate::poll;
use crate::signals::Signals;
use ::logdir::failure::{Failure, What};
use ::logdir::read::Notice;
use ::logdir::read::delivery::{Delivery, Follow, Ticket};
use ::logdir::read::follow_several::HOLD;
use ::logdir::read::range::Range;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use std::collections::VecDeque;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// When it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// When a signal asks to.
    Asked,
    /// After the last line that exists.
    Done,
}

/// Everything that is open while directories are followed.
pub struct Following<'a> {
    /// The directories.
    pub follow: Follow,
    /// Where lines are written.
    pub emitter: &'a mut Emitter,
    /// Which of them.
    pub range: Range,
    /// How many of those that are wanted are left out first.
    pub skip_count: u64,
    /// When a line is acknowledged.
    pub acknowledges: Acknowledges,
    /// When it ends.
    pub until: Until,
    /// Reports what was noticed in a directory.
    pub report: &'a mut dyn FnMut(usize, Vec<Notice>, &mut Emitter),
}

/// When a line is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledges {
    /// When it is written out, because a cursor is kept.
    Written,
    /// At once, because nobody asks.
    Taken,
}

/// Lines that will be acknowledged when this many bytes have been written out, in this order.
type Unwritten = VecDeque<(u64, Ticket)>;

impl Following<'_> {
    /// Follows until the end. Whatever was written by then is in the cursor.
    pub fn run(mut self) -> Result<(), Failure> {
        let signals = self.listen()?;
        let mut unwritten = Unwritten::new();
        self.emitter.begin(|| self.follow.left_len());
        loop {
            // Asked before looking, so that what was written until then is seen.
            let is_over = self.left_of_range() == Some(Duration::ZERO);
            if is_over {
                self.follow.look_at_all();
            }
            self.take_lines(&mut unwritten, signals.as_deref())?;
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

    /// Collects signals where something is to be done before they end the program.
    fn listen(&mut self) -> Result<Option<Rc<Signals>>, Failure> {
        if self.until == Until::Done && self.acknowledges == Acknowledges::Taken {
            return Ok(None);
        }
        let signals = Rc::new(collect_signals()?);
        self.emitter.listen_to(signals.clone());
        Ok(Some(signals))
    }

    /// Makes room for the prompt of a shell that does not get INT.
    fn end_line(&self) {
        if std::io::stdout().is_terminal() {
            crate::message::end_line();
        }
    }

    /// Takes all lines that are there, unless somebody asks to end before.
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
            take_line(self.range, &mut self.skip_count, self.emitter, &delivery)?;
            match self.acknowledges {
                Acknowledges::Written => unwritten.push_back((self.emitter.taken_len(), ticket)),
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

    /// Writes out what was taken, since no line is given out before. False if somebody asks to end.
    fn make_room(
        &mut self,
        unwritten: &mut Unwritten,
        signals: Option<&Signals>,
    ) -> Result<bool, Failure> {
        self.emitter.flush()?;
        self.ack_written(unwritten);
        if self.emitter.is_stopped() {
            return Ok(false);
        }
        self.follow.checkpoint()?;
        Ok(!signals.is_some_and(is_asked))
    }

    fn ack_written(&mut self, unwritten: &mut Unwritten) {
        let written_len = self.emitter.written_len();
        while let Some(&(len, ticket)) = unwritten.front()
            && len <= written_len
        {
            self.follow.ack(ticket);
            unwritten.pop_front();
        }
    }

    fn report_all(&mut self) {
        for (number, notice) in self.follow.take_notices() {
            (self.report)(number, vec![notice], self.emitter);
        }
    }

    /// Waits until something has happened, or it is time to look. False where nobody reads any more.
    fn wait(&self, signals: &Signals) -> bool {
        let stdout = std::io::stdout();
        let mut ready = vec![
            PollFd::new(stdout.as_fd(), PollFlags::empty()),
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        ];
        ready.extend(self.follow.fds().map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        let wait = self.follow.deadline().saturating_duration_since(Instant::now());
        let wait = wait.min(self.left_of_range().unwrap_or(Duration::MAX));
        // Rounded up, or the last millisecond would be spent asking.
        let wait = wait.saturating_add(Duration::from_micros(999));
        let timeout = PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX);
        match nix::poll::poll(&mut ready, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            // It is looked again after a while in any case.
            Err(_) => return true,
        }
        let is_broken =
            ready[0].revents().is_some_and(|events| events.contains(PollFlags::POLLERR));
        !is_broken
    }

    /// How long lines of the range may still come. A line may be written a little later than it was
    /// stamped.
    fn left_of_range(&self) -> Option<Duration> {
        let end = self.range.until?.to_nanos() + HOLD.as_nanos().cast_signed();
        let left = (end - choices::now().to_nanos()).max(0);
        Some(Duration::from_nanos(u64::try_from(left).unwrap_or(u64::MAX)))
    }
}

fn take_line(
    range: Range,
    skip_count: &mut u64,
    emitter: &mut Emitter,
    delivery: &Delivery,
) -> Result<(), Failure> {
    let Delivery { directory, line, stamp, moment, place, chain, .. } = *delivery;
    let item = Item { number: directory, line, stamp, place, chain: Some(chain) };
    if !range.holds_line(moment) {
        return Ok(());
    }
    if *skip_count == 0 {
        return emitter.take(item);
    }
    *skip_count -= u64::from(!line.continues && emitter.wants(item));
    emitter.skip(item);
    Ok(())
}

/// Whether a signal waits to be taken.
fn is_asked(signals: &Signals) -> bool {
    poll::is_readable(signals)
}

fn collect_signals() -> Result<Signals, Failure> {
    Signals::collect().map_err(|errno| Failure::new(What::Events, "", errno))
}
