//! Connection to a receiver: chooses the receiver, schedules tries, reports results.

use super::backoff::{Backoff, Retry};
use super::credentials::Credentials;
use super::target::Target;
use super::transport::connect::Attempt;
use super::transport::{self, Broken, FDS_MAX, Outcome, Transport};
use crate::poll::Interest;
use ::logdir::wake::Wake;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant, SystemTime};

/// Where the connection stands.
enum State {
    /// The next try is due then.
    Waiting { until: Instant },
    /// A connection is being made.
    Connecting(Attempt),
    /// There is a connection; the receiver may not have answered yet.
    Up(Box<dyn Transport>),
    /// It was said goodbye; the receiver may still answer.
    Closing(Box<dyn Transport>),
    /// It is over for good.
    Closed,
}

/// Connection event for the status and messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The receiver takes messages.
    Opened {
        /// The receiver.
        target: String,
    },
    /// The receiver cannot be reached for now, and the connection is kept.
    Stalled {
        /// The receiver.
        target: String,
        /// Why, in words.
        why: String,
    },
    /// An idle connection has ended; the next one is made, and messages on their way are sent again.
    Renewed,
    /// The connection could not be made, or is over.
    Lost {
        /// The receiver.
        target: String,
        /// Why, in words.
        why: String,
        /// Whether messages were taken on it before.
        was_open: bool,
        /// Time until the next try.
        wait: Duration,
    },
}

/// All receivers, one connection.
pub struct Link {
    targets: Vec<Target>,
    /// The target that is tried or connected.
    target: usize,
    /// Targets that failed one after the other, since one took a message.
    failures: usize,
    window: usize,
    backoff: Backoff,
    state: State,
    is_open: bool,
    /// Whether the open connection reaches no receiver for now.
    is_stalled: bool,
    /// Whether the connection at hand took a message.
    has_delivered: bool,
    /// Whether the next connection only replaces an idle one.
    is_renewal: bool,
    credentials: Credentials,
    wake: Wake,
}

impl Link {
    /// No connection yet; the first try is due now.
    pub fn new(
        targets: Vec<Target>,
        window: usize,
        retry: Retry,
        credentials: Credentials,
        wake: &Wake,
    ) -> Link {
        Link {
            targets,
            target: 0,
            failures: 0,
            window,
            backoff: Backoff::new(retry),
            state: State::Waiting { until: Instant::now() },
            is_open: false,
            is_stalled: false,
            has_delivered: false,
            is_renewal: false,
            credentials,
            wake: wake.clone(),
        }
    }

    /// The receiver that is tried or connected.
    pub fn target(&self) -> &Target {
        &self.targets[self.target]
    }

    /// Whether the receiver takes messages.
    pub fn is_open(&self) -> bool {
        self.is_open && !self.is_stalled
    }

    /// When the next try is due, while there is no connection and none is being made.
    pub fn next_try(&self) -> Option<SystemTime> {
        match &self.state {
            State::Waiting { until } => {
                Some(SystemTime::now() + until.saturating_duration_since(Instant::now()))
            }
            State::Connecting(_) | State::Up(_) | State::Closing(_) | State::Closed => None,
        }
    }

    /// Makes the next try due now.
    pub fn try_now(&mut self) {
        if let State::Waiting { until } = &mut self.state {
            *until = Instant::now();
        }
        self.backoff.reset();
    }

    /// Reads certificates and header fields again, for later connections. If a file is bad, all stay as they were.
    pub fn reload(&mut self) -> Result<(), String> {
        self.credentials.reload()
    }

    /// Messages that may be handed over now.
    pub fn room(&self) -> usize {
        match &self.state {
            State::Up(transport) if self.is_open => transport.room(),
            _ => 0,
        }
    }

    /// Hands over a message. There has to be room.
    pub fn send(&mut self, id: u64, message: &[u8]) {
        if let State::Up(transport) = &mut self.state {
            transport.send(id, message);
        }
    }

    /// Does what is possible without waiting: connects, reads, writes. What became of messages is added to
    /// `outcomes`; what became of the connection is returned.
    pub fn advance(&mut self, outcomes: &mut Vec<Outcome>) -> Option<Change> {
        match &mut self.state {
            State::Waiting { until } if Instant::now() >= *until => self.begin(),
            State::Waiting { .. } => None,
            State::Connecting(attempt) => match attempt.ended()? {
                Ok(connection) => {
                    let target = &self.targets[self.target];
                    match transport::over(
                        target,
                        connection,
                        self.window,
                        &self.credentials,
                        &self.wake,
                    ) {
                        Ok(transport) => {
                            self.state = State::Up(transport);
                            self.advance(outcomes)
                        }
                        Err(broken) => Some(self.fail(broken)),
                    }
                }
                Err(broken) => Some(self.fail(broken)),
            },
            State::Up(transport) => {
                let went_on = transport.advance(outcomes);
                self.look_for_delivery(outcomes);
                match went_on {
                    Ok(()) => self.look_for_change(outcomes),
                    Err(broken) => Some(self.fail(broken)),
                }
            }
            State::Closing(transport) => {
                if transport.advance(outcomes).is_err() {
                    self.state = State::Closed;
                }
                None
            }
            State::Closed => None,
        }
    }

    /// Ends the connection for a reason of ours; the next try is due soon.
    pub fn end(&mut self, why: &str) -> Change {
        self.fail(Broken::new(why))
    }

    /// Says goodbye to the receiver, for good. What it still answers is heard until [`Link::is_closed`].
    pub fn close(&mut self) {
        self.is_open = false;
        self.state = match std::mem::replace(&mut self.state, State::Closed) {
            State::Up(mut transport) => {
                transport.close();
                State::Closing(transport)
            }
            State::Closing(transport) => State::Closing(transport),
            State::Waiting { .. } | State::Connecting(_) | State::Closed => State::Closed,
        };
    }

    /// True after the session ended.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// The descriptors to wait for.
    pub fn fds(&self) -> [Option<(BorrowedFd<'_>, Interest)>; FDS_MAX] {
        match &self.state {
            State::Up(transport) | State::Closing(transport) => transport.fds(),
            State::Waiting { .. } | State::Connecting(_) | State::Closed => [None; FDS_MAX],
        }
    }

    /// Next try, or next timeout of the protocol.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Waiting { until } => Some(*until),
            State::Connecting(_) | State::Closed => None,
            State::Up(transport) | State::Closing(transport) => transport.deadline(),
        }
    }

    fn begin(&mut self) -> Option<Change> {
        match Attempt::begin(&self.targets[self.target], &self.wake) {
            Ok(attempt) => {
                self.state = State::Connecting(attempt);
                None
            }
            Err(broken) => Some(self.fail(broken)),
        }
    }

    /// What the transport says of its receiver; the last word counts.
    fn look_for_change(&mut self, outcomes: &mut Vec<Outcome>) -> Option<Change> {
        let is_change =
            |outcome: &mut Outcome| matches!(outcome, Outcome::Opened | Outcome::Stalled(_));
        let last = outcomes.extract_if(.., is_change).last()?;
        let target = self.target().to_string();
        self.is_open = true;
        self.is_stalled = false;
        match last {
            Outcome::Stalled(why) => {
                self.is_stalled = true;
                Some(Change::Stalled { target, why })
            }
            _ if std::mem::take(&mut self.is_renewal) => None,
            _ => Some(Change::Opened { target }),
        }
    }

    /// A receiver that took a message is one that works. To open a session is not enough: one that opens and
    /// ends each session would be tried without a pause.
    fn look_for_delivery(&mut self, outcomes: &[Outcome]) {
        if outcomes.iter().any(|outcome| matches!(outcome, Outcome::Delivered(_))) {
            self.has_delivered = true;
            self.failures = 0;
            self.backoff.reset();
        }
    }

    /// The next receiver is tried at once, unless all of them have failed. After one that worked the first is
    /// tried again.
    fn fail(&mut self, broken: Broken) -> Change {
        self.is_renewal = broken.is_idle;
        if broken.is_idle {
            self.is_open = false;
            self.state = State::Waiting { until: Instant::now() };
            return Change::Renewed;
        }
        self.is_stalled = false;
        let target = self.target().to_string();
        let was_open = std::mem::take(&mut self.is_open);
        self.failures += 1;
        self.target = match std::mem::take(&mut self.has_delivered) {
            true => 0,
            false => (self.target + 1) % self.targets.len(),
        };
        let wait = match self.failures % self.targets.len() {
            0 => self.backoff.next(fastrand::f64(), broken.retry_after),
            _ => broken.retry_after.unwrap_or_default(),
        };
        self.state = State::Waiting { until: Instant::now() + wait };
        Change::Lost { target, why: broken.why, was_open, wait }
    }
}
