//! The only place that waits: ppoll(2) on descriptors, signals, wake-ups and deadlines.
//!
//! Each loop iteration builds a new wait: sources are added under names, then queried by these
//! names. A wait allocates nothing and holds at most `MAX` sources, chosen by the loop's owner.
//! Signals and wake-ups are descriptors too ([`crate::signals`], `logdir::wake`).
//!
//! An error or hang-up makes a source ready: the following system call reports the cause.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use std::array::from_fn;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// Pause after ppoll(2) itself fails, so the calling loop does not spin.
const FAILED_PAUSE: Duration = Duration::from_millis(500);

/// Timeout of a wait that only looks.
const AT_ONCE: TimeSpec = TimeSpec::from_duration(Duration::ZERO);

/// Requested readiness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Input or hang-up.
    Readable,
    /// Room for output.
    Writable,
    /// Either direction.
    Both,
    /// Only an error or a hang-up.
    Failure,
}

impl Interest {
    fn flags(self) -> PollFlags {
        match self {
            Interest::Readable => PollFlags::POLLIN,
            Interest::Writable => PollFlags::POLLOUT,
            Interest::Both => PollFlags::POLLIN | PollFlags::POLLOUT,
            Interest::Failure => PollFlags::empty(),
        }
    }
}

/// Wait under construction.
#[derive(Debug)]
pub struct Wait<'fd, S, const MAX: usize> {
    names: [S; MAX],
    fds: [PollFd<'fd>; MAX],
    /// Number of sources; at least 1, at most `MAX`.
    len: usize,
    deadline: Option<Instant>,
}

/// Result of a wait.
#[derive(Debug)]
pub struct Ready<S, const MAX: usize> {
    names: [S; MAX],
    /// Readiness of each source; empty if not ready.
    flags: [PollFlags; MAX],
    len: usize,
    failure: Option<Errno>,
}

impl<'fd, S: Copy + PartialEq, const MAX: usize> Wait<'fd, S, MAX> {
    /// Wait for one source, without deadline.
    pub fn on(name: S, fd: BorrowedFd<'fd>, interest: Interest) -> Self {
        let fds = from_fn(|_| PollFd::new(fd, interest.flags()));
        Wait { names: [name; MAX], fds, len: 1, deadline: None }
    }

    /// Adds a source. The caller guarantees room.
    pub fn add(&mut self, name: S, fd: BorrowedFd<'fd>, interest: Interest) {
        assert!(self.len < MAX, "more than {MAX} sources");
        self.names[self.len] = name;
        self.fds[self.len] = PollFd::new(fd, interest.flags());
        self.len += 1;
    }

    /// Limits the wait to this deadline, unless an earlier deadline exists.
    pub fn until(&mut self, deadline: Option<Instant>) {
        self.deadline = self.deadline.into_iter().chain(deadline).min();
    }

    /// Waits. If ppoll(2) fails, pauses and returns no ready source.
    pub fn wait(mut self) -> Ready<S, MAX> {
        let timeout = timeout(self.deadline);
        self.poll(timeout)
    }

    /// Checks readiness without waiting.
    pub fn look(mut self) -> Ready<S, MAX> {
        self.poll(Some(AT_ONCE))
    }

    fn poll(&mut self, timeout: Option<TimeSpec>) -> Ready<S, MAX> {
        let answer = ppoll(&mut self.fds[..self.len], timeout, None);
        let failure = answer.err().filter(|&errno| errno != Errno::EINTR);
        if failure.is_some() && timeout != Some(AT_ONCE) {
            std::thread::sleep(FAILED_PAUSE);
        }
        let flags = from_fn(|number| match answer {
            // Flags unknown to nix count as errors.
            Ok(_) if number < self.len => self.fds[number].revents().unwrap_or(PollFlags::POLLERR),
            Ok(_) | Err(_) => PollFlags::empty(),
        });
        Ready { names: self.names, flags, len: self.len, failure }
    }
}

impl<S: Copy + PartialEq, const MAX: usize> Ready<S, MAX> {
    /// True if the source is ready or has failed.
    pub fn has(&self, name: S) -> bool {
        self.iter().any(|(other, _)| other == name)
    }

    /// Ready sources in insertion order.
    pub fn iter(&self) -> impl Iterator<Item = (S, Interest)> {
        let entries = self.names.iter().zip(&self.flags).take(self.len);
        entries.filter_map(|(&name, &flags)| Some((name, readiness(flags)?)))
    }

    /// Error of a failed ppoll(2).
    pub fn failure(&self) -> Option<Errno> {
        self.failure
    }
}

/// Wait for any number of sources. The caller bounds their number, and keeps the memory between its rounds.
#[derive(Debug)]
pub struct ManyWait<'fd, S> {
    names: Vec<S>,
    fds: Vec<PollFd<'fd>>,
    deadline: Option<Instant>,
}

impl<'fd, S: Copy> ManyWait<'fd, S> {
    /// Wait with room for this many sources.
    pub fn with_capacity(count: usize) -> Self {
        ManyWait {
            names: Vec::with_capacity(count),
            fds: Vec::with_capacity(count),
            deadline: None,
        }
    }

    /// Adds a source.
    pub fn add(&mut self, name: S, fd: BorrowedFd<'fd>, interest: Interest) {
        self.names.push(name);
        self.fds.push(PollFd::new(fd, interest.flags()));
    }

    /// Limits the wait to this deadline, unless an earlier deadline exists.
    pub fn until(&mut self, deadline: Option<Instant>) {
        self.deadline = self.deadline.into_iter().chain(deadline).min();
    }

    /// Waits. Returns the ready sources in insertion order; none after a pause if ppoll(2) itself fails.
    pub fn wait(mut self) -> Vec<(S, Interest)> {
        match ppoll(&mut self.fds, timeout(self.deadline), None) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Vec::new(),
            Err(_) => {
                std::thread::sleep(FAILED_PAUSE);
                return Vec::new();
            }
        }
        let flags = |fd: &PollFd<'_>| fd.revents().unwrap_or(PollFlags::POLLERR);
        let entries = self.names.iter().zip(&self.fds);
        entries.filter_map(|(&name, fd)| Some((name, readiness(flags(fd))?))).collect()
    }
}

/// Converts flags to possible operations; a failure allows all operations.
fn readiness(flags: PollFlags) -> Option<Interest> {
    let can_read = flags.contains(PollFlags::POLLIN);
    let can_write = flags.contains(PollFlags::POLLOUT);
    match (can_read, can_write) {
        _ if flags.is_empty() => None,
        (true, false) => Some(Interest::Readable),
        (false, true) => Some(Interest::Writable),
        (true, true) | (false, false) => Some(Interest::Both),
    }
}

/// Time until the deadline; the kernel never wakes before it.
fn timeout(deadline: Option<Instant>) -> Option<TimeSpec> {
    let rest = deadline?.saturating_duration_since(Instant::now());
    Some(TimeSpec::from_duration(rest))
}

/// True if a write succeeds or fails without waiting.
pub fn is_writable(fd: &impl AsFd) -> bool {
    Wait::<_, 1>::on((), fd.as_fd(), Interest::Writable).look().has(())
}

/// True if a read succeeds or fails without waiting.
pub fn is_readable(fd: &impl AsFd) -> bool {
    Wait::<_, 1>::on((), fd.as_fd(), Interest::Readable).look().has(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Source {
        First,
        Second,
        Third,
    }

    #[test]
    fn what_is_ready_is_asked_by_its_name() {
        let (first, mut to_first) = std::io::pipe().expect("a pipe");
        let (second, to_second) = std::io::pipe().expect("a pipe");
        to_first.write_all(b"x").expect("room");
        let ready = {
            let mut wait: Wait<'_, Source, 4> =
                Wait::on(Source::First, first.as_fd(), Interest::Readable);
            wait.add(Source::Second, second.as_fd(), Interest::Readable);
            wait.add(Source::Third, to_second.as_fd(), Interest::Both);
            wait.wait()
        };
        let expected = [(Source::First, Interest::Readable), (Source::Third, Interest::Writable)];
        assert_eq!(ready.iter().collect::<Vec<_>>(), expected);
        assert!(ready.has(Source::First) && !ready.has(Source::Second));
        drop(to_second);
        assert!(is_readable(&second), "its end can be read");
        assert!(is_writable(&to_first));
        drop(first);
        assert!(is_writable(&to_first), "the write says that nobody reads");
    }

    #[test]
    fn only_a_failure_is_ready_where_nothing_else_is_asked_for() {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let look = || Wait::<_, 1>::on((), writer.as_fd(), Interest::Failure).look();
        assert!(!look().has(()), "it can be written");
        drop(reader);
        assert!(look().has(()), "nobody reads");
    }

    #[test]
    fn the_earliest_deadline_ends_a_wait() {
        let (reader, _writer) = std::io::pipe().expect("a pipe");
        let now = Instant::now();
        let mut wait: Wait<'_, (), 1> = Wait::on((), reader.as_fd(), Interest::Readable);
        wait.until(Some(now + Duration::from_secs(3600)));
        wait.until(Some(now + Duration::from_millis(5)));
        wait.until(None);
        assert!(!wait.wait().has(()));
        assert!(now.elapsed() >= Duration::from_millis(5));
    }

    #[test]
    fn a_wait_without_room_for_a_source_is_a_mistake() {
        let (reader, _writer) = std::io::pipe().expect("a pipe");
        let add = || {
            let mut wait: Wait<'_, (), 1> = Wait::on((), reader.as_fd(), Interest::Readable);
            wait.add((), reader.as_fd(), Interest::Readable);
        };
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(add)).is_err());
    }
}
