//! A client library in a thread of its own, as a transport: messages with ids one way, outcomes the other way.
//!
//! The thread may answer in any order. Its end is the end of the connection.

use super::{Broken, FDS_MAX, Outcome, Transport};
use crate::beside::{self, Beside};
use crate::poll::Interest;
use ::logdir::wake::Wake;
use std::os::fd::BorrowedFd;
use std::time::Instant;

/// A message for the library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What outcomes name.
    pub id: u64,
    /// Message, with its key in forms that have a key.
    pub message: Vec<u8>,
}

/// The thread's side: it takes records and tells outcomes.
pub type Port = beside::Port<Record, Outcome, Broken>;

/// One connection of a library.
#[derive(Debug)]
pub struct Thread {
    beside: Beside<Record, Outcome, Broken>,
    /// Records without an answer, at most.
    window: usize,
    unanswered: usize,
}

impl Thread {
    /// Starts a thread, which has to tell [`Outcome::Opened`] first. What `run` returns ends the connection.
    pub fn start(
        name: &str,
        wake: &Wake,
        window: usize,
        run: impl FnOnce(&mut Port) -> Broken + Send + 'static,
    ) -> Result<Thread, Broken> {
        let beside = beside::start(name, wake, run).map_err(Broken::new)?;
        Ok(Thread { beside, window, unanswered: 0 })
    }
}

impl Transport for Thread {
    fn room(&self) -> usize {
        self.window.saturating_sub(self.unanswered)
    }

    fn send(&mut self, id: u64, message: &[u8]) {
        self.unanswered += 1;
        self.beside.push(Record { id, message: message.to_vec() });
    }

    fn fds(&self) -> [Option<(BorrowedFd<'_>, Interest)>; FDS_MAX] {
        // The thread wakes the loop.
        [None; FDS_MAX]
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn advance(&mut self, outcomes: &mut Vec<Outcome>) -> Result<(), Broken> {
        self.beside.flush();
        let (told, end) = self.beside.take();
        let is_answer =
            |outcome: &&Outcome| !matches!(outcome, Outcome::Opened | Outcome::Warned(_));
        self.unanswered = self.unanswered.saturating_sub(told.iter().filter(is_answer).count());
        outcomes.extend(told);
        end.map_or(Ok(()), Err)
    }

    fn close(&mut self) {
        self.beside.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Advances until the end, or until this many outcomes have come.
    #[track_caller]
    fn advance(thread: &mut Thread, count: usize) -> (Vec<Outcome>, Option<String>) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut outcomes = Vec::new();
        while outcomes.len() < count {
            assert!(Instant::now() < deadline, "{outcomes:?}");
            if let Err(broken) = thread.advance(&mut outcomes) {
                return (outcomes, Some(broken.why));
            }
            std::thread::yield_now();
        }
        (outcomes, None)
    }

    #[test]
    fn records_are_answered_by_their_ids_and_the_last_answers_come_before_the_end() {
        let wake = Wake::new().expect("a descriptor");
        let run = |port: &mut Port| {
            port.tell([Outcome::Opened]);
            while let Some(records) = crate::beside::tests::wait(port) {
                let answer = |record: Record| match &record.message[..] {
                    b"bad" => Outcome::Unsendable(record.id, "too long".to_owned()),
                    _ => Outcome::Delivered(record.id),
                };
                port.tell(records.into_iter().map(answer));
            }
            Broken::new("closed")
        };
        let mut thread = Thread::start("test", &wake, 2, run).expect("a thread");
        assert_eq!(advance(&mut thread, 1), (vec![Outcome::Opened], None));
        assert_eq!(thread.room(), 2);
        thread.send(7, b"good");
        thread.send(8, b"bad");
        assert_eq!(thread.room(), 0);
        let answers = vec![Outcome::Delivered(7), Outcome::Unsendable(8, "too long".to_owned())];
        assert_eq!(advance(&mut thread, 2), (answers, None));
        assert_eq!(thread.room(), 2);
        thread.send(9, b"last");
        thread.close();
        let end = (vec![Outcome::Delivered(9)], Some("closed".to_owned()));
        assert_eq!(advance(&mut thread, 9), end);
    }
}
