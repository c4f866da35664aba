//! Lines as they come, or those since the last time: the part of `logdir show` that has a memory.

use crate::logdir::show::emit::{Emitter, Item};
use crate::signals::Signals;
use ::logdir::clock;
use ::logdir::failure::{Failure, What};
use ::logdir::read::cursor::CursorFile;
use ::logdir::read::follow::Delivered;
use ::logdir::read::follow_several::{FollowSeveral, HOLD, Next};
use ::logdir::read::range::Range;
use ::logdir::read::stamp::Moment;
use ::logdir::read::watch::Watch;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The cursor is written when so many lines have come since, or so much time has passed.
const CHECKPOINT_LINES: u64 = 1000;
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(1);

/// When it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// When a signal asks to.
    Asked,
    /// When there is nothing more at the moment.
    Done,
}

/// Everything that is open while directories are followed.
pub struct Following<'a> {
    /// The directories.
    pub live: FollowSeveral,
    /// What a cursor calls each of them.
    pub paths: Vec<PathBuf>,
    /// Where lines go.
    pub emitter: &'a mut Emitter,
    /// Which of them.
    pub range: Range,
    /// How many of those that are wanted are left out first.
    pub skip_count: u64,
    /// What remembers how far they went.
    pub cursor: Option<CursorFile>,
    /// When it ends.
    pub until: Until,
    /// Takes what there is to tell of a directory.
    pub tell: &'a mut dyn FnMut(usize, Vec<::logdir::read::Notice>, &mut Emitter),
}

/// Lines that have been taken since the cursor was written.
struct Unsaved {
    count: u64,
    since: Instant,
    /// What the cursor would say behind each of them; at most [`CHECKPOINT_LINES`].
    taken: Vec<Taking>,
}

/// A line that was taken: it is delivered when so many bytes have been written out.
struct Taking {
    written_len: u64,
    number: usize,
    taken: Delivered,
}

impl Unsaved {
    fn new() -> Unsaved {
        Unsaved { count: 0, since: Instant::now(), taken: Vec::new() }
    }
}

impl Following<'_> {
    /// Follows until the end. Whatever was written by then is in the cursor.
    pub fn run(mut self) -> Result<(), Failure> {
        let signals = self.listen()?;
        let mut watch = self.watch();
        let mut marks = vec![true; self.paths.len()];
        self.emitter.begin(|| self.live.left_len());
        let mut unsaved = Unsaved::new();
        loop {
            // Asked before looking, so that what was written until then is seen.
            let is_over = self.left_of_range() == Some(Duration::ZERO);
            if is_over {
                marks.fill(true);
            }
            self.live.look(&mut marks);
            let wait = self.take_lines(&mut unsaved, signals.as_deref())?;
            match self.until {
                Until::Asked => self.emitter.flush()?,
                Until::Done => self.emitter.finish()?,
            }
            self.tell_all();
            let (Some(signals), Some(watch)) = (&signals, &mut watch) else { break };
            self.watch_moved(watch);
            if signals.take().to_end {
                self.end_line();
                break;
            }
            if self.emitter.is_stopped() || is_over {
                break;
            }
            if unsaved.since.elapsed() >= CHECKPOINT_INTERVAL {
                self.save(&mut unsaved)?;
            }
            if !wait_for(signals, watch, self.wait_limit(wait, &unsaved)) {
                break;
            }
            watch.mark(&mut marks);
        }
        self.emitter.flush()?;
        self.save(&mut unsaved)
    }

    /// Collects signals where something is to be done before they end the program.
    fn listen(&mut self) -> Result<Option<Rc<Signals>>, Failure> {
        if self.until == Until::Done && self.cursor.is_none() {
            return Ok(None);
        }
        let signals = Rc::new(collect_signals()?);
        self.emitter.listen_to(signals.clone());
        Ok(Some(signals))
    }

    fn watch(&mut self) -> Option<Watch> {
        let directories = self.live.followers_mut().iter().map(|follower| follower.directory());
        (self.until == Until::Asked).then(|| Watch::new(directories))
    }

    /// Watches the directories that have come in the place of others.
    fn watch_moved(&mut self, watch: &mut Watch) {
        for (number, follower) in self.live.followers_mut().iter_mut().enumerate() {
            if follower.take_moved() {
                watch.replace(number, follower.directory());
            }
        }
    }

    /// Makes room for the prompt of a shell that nothing tells of INT.
    fn end_line(&self) {
        if std::io::stdout().is_terminal() {
            crate::message::end_line();
        }
    }

    /// Takes all lines that are there, and says how long the next one has to wait.
    fn take_lines(
        &mut self,
        unsaved: &mut Unsaved,
        signals: Option<&Signals>,
    ) -> Result<Option<Duration>, Failure> {
        loop {
            let now = (self.until == Until::Asked).then(|| moment_of(clock::now()));
            match self.live.next(now) {
                Next::Nothing => return Ok(None),
                Next::Wait(left) => return Ok(Some(left)),
                Next::Line(number) => {
                    let line_len = self.live.follower(number).line().bytes.len();
                    self.take_line(number, unsaved)?;
                    if self.emitter.is_due(line_len)
                        && !self.emitter.look(|| self.live.left_len())?
                    {
                        return Ok(None);
                    }
                }
            }
            if self.emitter.is_stopped() {
                return Ok(None);
            }
            if unsaved.count >= CHECKPOINT_LINES {
                self.emitter.flush()?;
                if self.emitter.is_stopped() {
                    return Ok(None);
                }
                self.save(unsaved)?;
                if signals.is_some_and(is_asked) {
                    return Ok(None);
                }
            }
        }
    }

    fn take_line(&mut self, number: usize, unsaved: &mut Unsaved) -> Result<(), Failure> {
        let follower = self.live.follower(number);
        let (line, stamp, place) = (follower.line(), follower.stamp(), follower.place());
        let item = Item { number, line, stamp, place, chain: Some(follower.chain()) };
        if self.range.holds_line(follower.moment()) {
            if self.skip_count == 0 {
                self.emitter.take(item)?;
            } else {
                self.skip_count -= u64::from(!line.continues && self.emitter.wants(item));
                self.emitter.skip(item);
            }
        }
        self.live.take(number);
        unsaved.count += 1;
        if self.cursor.is_some() {
            let written_len = self.emitter.taken_len();
            let taken = self.live.follower(number).taken();
            unsaved.taken.push(Taking { written_len, number, taken });
        }
        Ok(())
    }

    fn tell_all(&mut self) {
        for (number, follower) in self.live.followers_mut().iter_mut().enumerate() {
            let notices = follower.take_notices();
            if !notices.is_empty() {
                (self.tell)(number, notices, self.emitter);
            }
        }
    }

    /// Writes the cursor: how far lines were taken that have been written to standard output.
    fn save(&mut self, unsaved: &mut Unsaved) -> Result<(), Failure> {
        let unsaved = std::mem::replace(unsaved, Unsaved::new());
        let Some(cursor) = &mut self.cursor else { return Ok(()) };
        let written_len = self.emitter.written_len();
        let written = unsaved.taken.into_iter().filter(|line| line.written_len <= written_len);
        let mut last: Vec<Option<Delivered>> = vec![None; self.paths.len()];
        for Taking { number, taken, .. } in written {
            last[number] = Some(taken);
        }
        for (number, taken) in last.into_iter().enumerate() {
            if let Some(taken) = taken {
                cursor.set(&self.paths[number], self.live.follower(number).position(taken));
            }
        }
        cursor.save()
    }

    fn wait_limit(&self, wait: Option<Duration>, unsaved: &Unsaved) -> Option<Duration> {
        let checkpoint = (self.cursor.is_some() && unsaved.count > 0)
            .then(|| CHECKPOINT_INTERVAL.saturating_sub(unsaved.since.elapsed()));
        wait.into_iter().chain(checkpoint).chain(self.left_of_range()).min()
    }

    /// How long lines of the range may still come. A line may be written a little later than it was
    /// stamped.
    fn left_of_range(&self) -> Option<Duration> {
        let end = self.range.until?.to_nanos() + HOLD.as_nanos().cast_signed();
        let left = (end - moment_of(clock::now()).to_nanos()).max(0);
        Some(Duration::from_nanos(u64::try_from(left).unwrap_or(u64::MAX)))
    }
}

/// Whether a signal waits to be taken.
fn is_asked(signals: &Signals) -> bool {
    let mut ready = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
    poll(&mut ready, PollTimeout::ZERO) == Ok(1)
}

fn collect_signals() -> Result<Signals, Failure> {
    Signals::collect().map_err(|errno| Failure::new(What::Events, "", errno))
}

/// Waits until something has happened, or it is time to look. False where nobody reads any more.
fn wait_for(signals: &Signals, watch: &Watch, limit: Option<Duration>) -> bool {
    let stdout = std::io::stdout();
    let mut ready = vec![
        PollFd::new(stdout.as_fd(), PollFlags::empty()),
        PollFd::new(signals.as_fd(), PollFlags::POLLIN),
    ];
    ready.extend(watch.as_fd().map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
    let wait = limit.map_or(watch.timeout(), |limit| limit.min(watch.timeout()));
    // Rounded up, or the last millisecond would be spent asking.
    let wait = wait + Duration::from_micros(999);
    let timeout = PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX);
    match poll(&mut ready, timeout) {
        Ok(_) | Err(Errno::EINTR) => {}
        // It is looked again after a while in any case.
        Err(_) => return true,
    }
    let is_broken = ready[0].revents().is_some_and(|events| events.contains(PollFlags::POLLERR));
    !is_broken
}

fn moment_of(label: ::logdir::label::Label) -> Moment {
    let (unix_secs, nanos) = label.to_unix();
    Moment { unix_secs, nanos }
}
