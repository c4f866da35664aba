//! The one place that waits: for descriptors, signals, wake-ups and deadlines, with poll(2).
//!
//! A wait is made anew each time round a loop: its sources are added under names, and what became ready is
//! asked by these names. It allocates nothing, and holds up to `MAX` sources, a number that the owner of the
//! loop chooses. Signals and wake-ups are descriptors too ([`crate::signals`], `logdir::wake`).
//!
//! An error or a hang-up makes a source ready: the call that follows says what there is to say.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::array::from_fn;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// How long a wait lasts when poll(2) itself fails, so that the loop around it does not spin.
const FAILED_PAUSE: Duration = Duration::from_millis(500);

/// Readiness that a wait asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Bytes can be read, or the other end closed.
    Readable,
    /// Something can be written.
    Writable,
    /// Either.
    Both,
}

impl Interest {
    fn flags(self) -> PollFlags {
        match self {
            Interest::Readable => PollFlags::POLLIN,
            Interest::Writable => PollFlags::POLLOUT,
            Interest::Both => PollFlags::POLLIN | PollFlags::POLLOUT,
        }
    }
}

/// A wait that is being put together.
#[derive(Debug)]
pub struct Wait<'fd, S, const MAX: usize> {
    names: [S; MAX],
    fds: [PollFd<'fd>; MAX],
    /// Sources added; at least 1, at most `MAX`.
    len: usize,
    deadline: Option<Instant>,
}

/// What a wait ended with.
#[derive(Debug)]
pub struct Ready<S, const MAX: usize> {
    names: [S; MAX],
    /// Readiness of each source; empty if not ready.
    flags: [PollFlags; MAX],
    len: usize,
    failure: Option<Errno>,
}

impl<'fd, S: Copy + PartialEq, const MAX: usize> Wait<'fd, S, MAX> {
    /// A wait for one source and without a deadline.
    pub fn on(name: S, fd: BorrowedFd<'fd>, interest: Interest) -> Self {
        let fds = from_fn(|_| PollFd::new(fd, interest.flags()));
        Wait { names: [name; MAX], fds, len: 1, deadline: None }
    }

    /// Waits for this source too. There must be room for it.
    pub fn add(&mut self, name: S, fd: BorrowedFd<'fd>, interest: Interest) {
        assert!(self.len < MAX, "more than {MAX} sources");
        self.names[self.len] = name;
        self.fds[self.len] = PollFd::new(fd, interest.flags());
        self.len += 1;
    }

    /// Ends the wait at this moment, if no other deadline is earlier.
    pub fn until(&mut self, deadline: Option<Instant>) {
        self.deadline = self.deadline.into_iter().chain(deadline).min();
    }

    /// Waits. Where poll(2) fails nothing is ready, and a while has passed.
    pub fn wait(mut self) -> Ready<S, MAX> {
        let timeout = timeout(self.deadline);
        self.poll(timeout)
    }

    /// Looks what is ready now.
    pub fn look(mut self) -> Ready<S, MAX> {
        self.poll(PollTimeout::ZERO)
    }

    fn poll(&mut self, timeout: PollTimeout) -> Ready<S, MAX> {
        let answer = poll(&mut self.fds[..self.len], timeout);
        let failure = answer.err().filter(|&errno| errno != Errno::EINTR);
        if failure.is_some() && timeout != PollTimeout::ZERO {
            std::thread::sleep(FAILED_PAUSE);
        }
        let flags = from_fn(|number| match answer {
            // Flags that nix does not know are errors, too.
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

    /// The sources that are ready, in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = (S, Interest)> {
        let entries = self.names.iter().zip(&self.flags).take(self.len);
        entries.filter_map(|(&name, &flags)| Some((name, readiness(flags)?)))
    }

    /// Why nothing could be waited for, where poll(2) failed.
    pub fn failure(&self) -> Option<Errno> {
        self.failure
    }
}

/// What these flags allow to be tried; a failure allows everything.
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

fn timeout(deadline: Option<Instant>) -> PollTimeout {
    let Some(deadline) = deadline else { return PollTimeout::NONE };
    // Rounded up by a millisecond, to never wake early.
    let millis = deadline.saturating_duration_since(Instant::now()).as_millis() + 1;
    PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
}

/// True if something can be written now, or writing fails at once.
pub fn is_writable(fd: &impl AsFd) -> bool {
    Wait::<_, 1>::on((), fd.as_fd(), Interest::Writable).look().has(())
}

/// True if something can be read now, or reading fails at once.
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
