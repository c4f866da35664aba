//! Tracks lines delivered to a consumer but not yet acknowledged. Pure.
//!
//! Acknowledgements may arrive in any order. A directory counts as delivered up to a line only when
//! that line and all lines before it were acknowledged.

use std::collections::VecDeque;

/// Identifies a delivered line. Valid only for the `Follow` that issued it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket {
    directory: usize,
    number: u64,
}

/// Limits on unacknowledged lines, summed over all directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Maximum lines.
    pub lines_max: usize,
    /// Maximum bytes. A single line may be longer.
    pub len_max: usize,
}

/// Unacknowledged lines, each with the position of type `T` after it.
#[derive(Debug)]
pub struct Unacked<T> {
    directories: Vec<DirectoryLines<T>>,
    count: usize,
    /// Bytes of these lines.
    len: usize,
}

#[derive(Debug)]
struct DirectoryLines<T> {
    /// Number of the first line.
    first: u64,
    /// Lines from the first unacknowledged line on.
    lines: VecDeque<GivenLine<T>>,
    /// Position after the acknowledged prefix, until `take_reached`.
    reached: Option<T>,
}

#[derive(Debug)]
struct GivenLine<T> {
    len: usize,
    after: T,
    is_acked: bool,
}

impl<T> Unacked<T> {
    pub fn new() -> Unacked<T> {
        Unacked { directories: Vec::new(), count: 0, len: 0 }
    }

    /// Adds a directory; numbers start at 0.
    pub fn add_directory(&mut self) {
        self.directories.push(DirectoryLines { first: 0, lines: VecDeque::new(), reached: None });
    }

    /// Records a delivered line of `len` bytes and the position after it.
    pub fn give(&mut self, directory: usize, len: usize, after: T) -> Ticket {
        let lines = &mut self.directories[directory];
        let number = lines.first + lines.lines.len() as u64;
        lines.lines.push_back(GivenLine { len, after, is_acked: false });
        self.count += 1;
        self.len += len;
        Ticket { directory, number }
    }

    /// Records an acknowledgement. Returns the line's bytes, or `None` if the ticket was already
    /// acknowledged.
    pub fn ack(&mut self, ticket: Ticket) -> Option<usize> {
        let directory = self.directories.get_mut(ticket.directory)?;
        let pos = usize::try_from(ticket.number.checked_sub(directory.first)?).ok()?;
        let line = directory.lines.get_mut(pos).filter(|line| !line.is_acked)?;
        line.is_acked = true;
        let len = line.len;
        let (count, prefix_len) = directory.take_prefix();
        self.count -= count;
        self.len -= prefix_len;
        Some(len)
    }

    /// True if no further line may be delivered. Acknowledged lines after an unacknowledged line
    /// count too, because a killed consumer receives them again.
    pub fn is_full(&self, window: Window) -> bool {
        self.count >= window.lines_max.max(1) || (self.count > 0 && self.len >= window.len_max)
    }

    /// Delivered, unacknowledged lines.
    pub fn count(&self) -> usize {
        self.count
    }

    /// True if a directory has no delivered, unacknowledged line.
    pub fn is_delivered(&self, directory: usize) -> bool {
        self.directories[directory].lines.is_empty()
    }

    /// Takes each directory's acknowledged position if it advanced since the last call.
    pub fn take_reached(&mut self) -> impl Iterator<Item = (usize, T)> {
        let directories = self.directories.iter_mut().enumerate();
        directories.filter_map(|(number, directory)| Some((number, directory.reached.take()?)))
    }
}

impl<T> DirectoryLines<T> {
    /// Removes acknowledged lines from the front. Returns their count and bytes.
    fn take_prefix(&mut self) -> (usize, usize) {
        let (mut count, mut len) = (0, 0);
        while self.lines.front().is_some_and(|line| line.is_acked) {
            let Some(line) = self.lines.pop_front() else { break };
            count += 1;
            len += line.len;
            self.reached = Some(line.after);
        }
        self.first += count as u64;
        (count, len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOW: Window = Window { lines_max: 3, len_max: 10 };

    fn of_directories(count: usize) -> Unacked<u64> {
        let mut unacked = Unacked::new();
        (0..count).for_each(|_| unacked.add_directory());
        unacked
    }

    fn reached(unacked: &mut Unacked<u64>) -> Vec<(usize, u64)> {
        unacked.take_reached().collect()
    }

    #[test]
    fn a_position_is_reached_when_all_lines_before_it_are_acknowledged() {
        let mut unacked = of_directories(2);
        let tickets: Vec<Ticket> = (1..=3).map(|after| unacked.give(0, 1, after)).collect();
        let other = unacked.give(1, 1, 77);
        assert_eq!(unacked.ack(tickets[1]), Some(1));
        assert_eq!(reached(&mut unacked), []);
        assert_eq!(unacked.ack(other), Some(1));
        assert_eq!(reached(&mut unacked), [(1, 77)]);
        assert_eq!(unacked.ack(tickets[0]), Some(1));
        assert_eq!(reached(&mut unacked), [(0, 2)]);
        assert_eq!(reached(&mut unacked), [], "reported once");
        assert_eq!(unacked.ack(tickets[0]), None, "acknowledged twice");
        assert_eq!(unacked.ack(tickets[2]), Some(1));
        assert_eq!((reached(&mut unacked), unacked.count()), (vec![(0, 3)], 0));
    }

    #[test]
    fn a_ticket_that_was_never_given_acknowledges_nothing() {
        let mut unacked = of_directories(1);
        assert_eq!(unacked.ack(Ticket { directory: 1, number: 0 }), None);
        assert_eq!(unacked.ack(Ticket { directory: 0, number: 0 }), None);
        unacked.give(0, 1, 1);
        assert_eq!(unacked.ack(Ticket { directory: 0, number: 1 }), None);
        assert_eq!(reached(&mut unacked), []);
    }

    #[test]
    fn the_window_is_full_by_lines_or_by_bytes() {
        for (lens, is_full) in [
            (&[][..], false),
            (&[99][..], true),
            (&[9][..], false),
            (&[5, 5][..], true),
            (&[1, 1][..], false),
            (&[0, 0, 0][..], true),
        ] {
            let mut unacked = of_directories(1);
            let tickets: Vec<Ticket> = lens.iter().map(|&len| unacked.give(0, len, 0)).collect();
            assert_eq!(unacked.is_full(WINDOW), is_full, "{lens:?}");
            tickets.into_iter().rev().for_each(|ticket| assert!(unacked.ack(ticket).is_some()));
            assert!(!unacked.is_full(WINDOW));
        }
        let none = Window { lines_max: 0, len_max: 0 };
        assert!(!of_directories(1).is_full(none), "one line is always allowed");
    }

    proptest! {
        #[test]
        fn the_prefix_is_that_of_a_plain_list(
            steps in prop::collection::vec((0..2_usize, any::<bool>(), any::<prop::sample::Index>()), 0..60)
        ) {
            let mut unacked = of_directories(2);
            let mut acked: [Vec<bool>; 2] = [Vec::new(), Vec::new()];
            let mut reached = [0, 0];
            for (directory, gives, index) in steps {
                if gives || acked[directory].is_empty() {
                    let after = acked[directory].len() as u64 + 1;
                    let ticket = unacked.give(directory, 1, after);
                    prop_assert_eq!(ticket, Ticket { directory, number: after - 1 });
                    acked[directory].push(false);
                } else {
                    let number = index.index(acked[directory].len());
                    let was_acked = std::mem::replace(&mut acked[directory][number], true);
                    let ack = unacked.ack(Ticket { directory, number: number as u64 });
                    prop_assert_eq!(ack.is_none(), was_acked);
                }
                unacked.take_reached().for_each(|(number, after)| reached[number] = after);
                for (acked, reached) in acked.iter().zip(reached) {
                    let prefix = acked.iter().take_while(|&&is_acked| is_acked).count();
                    prop_assert_eq!(prefix as u64, reached);
                }
                let left: u64 = acked.iter().map(|all| all.len() as u64).sum::<u64>() - reached.iter().sum::<u64>();
                prop_assert_eq!(unacked.count() as u64, left);
            }
        }
    }
}
