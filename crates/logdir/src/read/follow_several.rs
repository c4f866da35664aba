//! Follows several directories, merged by stamp time or in turn.
//!
//! By time, a line waits briefly for earlier lines still on their way into another directory. A
//! single directory never waits.

use crate::read::follow::{Follower, HalfLine};
use crate::read::stamp::Moment;
use std::time::Duration;

/// Age at which a line is delivered although another directory has no line yet.
pub const HOLD: Duration = Duration::from_millis(200);
/// Lines this far ahead of the clock were stamped by another clock and do not wait.
const AHEAD: Duration = Duration::from_secs(1);

/// Order of lines across directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Earliest stamp first: one merged stream for people.
    ByTime,
    /// Round robin: no directory waits for another directory's backlog.
    InTurn,
}

/// Followed directories.
pub struct FollowSeveral {
    followers: Vec<Follower>,
    order: Order,
    /// Followers with an undelivered line.
    has_line: Vec<bool>,
    /// Directory of the last line; an unstamped line stays with its directory.
    last: Option<usize>,
}

/// Next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ready line of this directory.
    Line(usize),
    /// A line must wait this long.
    Wait(Duration),
    /// No line.
    Nothing,
}

impl FollowSeveral {
    /// Numbers followers by index.
    pub fn new(followers: Vec<Follower>) -> FollowSeveral {
        let has_line = vec![false; followers.len()];
        FollowSeveral { followers, order: Order::ByTime, has_line, last: None }
    }

    /// Sets the order of lines.
    pub fn set_order(&mut self, order: Order) {
        self.order = order;
    }

    /// Looks at marked directories and clears their marks.
    pub fn look(&mut self, marks: &mut [bool]) {
        for (number, mark) in marks.iter_mut().enumerate() {
            if std::mem::take(mark) && !self.has_line[number] {
                self.has_line[number] = self.followers[number].advance();
            }
        }
    }

    /// Next line at time `now`. If `now` is `None`, no line waits.
    pub fn next(&self, now: Option<Moment>) -> Next {
        if let Some(last) = self.last
            && self.has_line[last]
            && self.followers[last].stamp().is_none()
        {
            return Next::Line(last);
        }
        if self.order == Order::InTurn {
            return self.next_in_turn();
        }
        let waiting = (0..self.followers.len()).filter(|&number| self.has_line[number]);
        let first = waiting.min_by_key(|&number| (self.followers[number].moment(), number));
        let Some(first) = first else { return Next::Nothing };
        let (Some(now), Some(moment)) = (now, self.followers[first].moment()) else {
            return Next::Line(first);
        };
        if self.has_line.iter().all(|&has_line| has_line) {
            return Next::Line(first);
        }
        match left_to_wait(now, moment) {
            Some(left) => Next::Wait(left),
            None => Next::Line(first),
        }
    }

    fn next_in_turn(&self) -> Next {
        let first = self.last.map_or(0, |last| last + 1);
        let mut numbers = (first..self.followers.len()).chain(0..first);
        numbers.find(|&number| self.has_line[number]).map_or(Next::Nothing, Next::Line)
    }

    /// Follower of this directory.
    pub fn follower(&self, number: usize) -> &Follower {
        &self.followers[number]
    }

    /// Unfinished last line of this directory, if all its lines were delivered.
    pub fn half_line(&self, number: usize) -> Option<HalfLine<'_>> {
        if self.has_line[number] { None } else { self.followers[number].half_line() }
    }

    /// Unread bytes of known files.
    pub fn left_len(&self) -> u64 {
        self.followers.iter().map(|follower| follower.chain().left_len()).sum()
    }

    /// For each directory, true while a file of it is tried again that could not be read.
    pub fn failing(&self) -> impl Iterator<Item = bool> {
        self.followers.iter().map(|follower| follower.chain().is_failing())
    }

    /// All followers.
    pub fn followers_mut(&mut self) -> &mut [Follower] {
        &mut self.followers
    }

    /// Adds a directory with the next number.
    pub fn add(&mut self, follower: Follower) {
        self.followers.push(follower);
        self.has_line.push(false);
    }

    /// Marks this directory's line as delivered. It stays current until [`FollowSeveral::go_on`].
    pub fn give(&mut self, number: usize) -> &Follower {
        let follower = &mut self.followers[number];
        follower.take();
        self.last = Some(number);
        follower
    }

    /// Advances a directory after [`FollowSeveral::give`].
    pub fn go_on(&mut self, number: usize) {
        self.has_line[number] = self.followers[number].advance();
    }
}

/// `None` if already due.
fn left_to_wait(now: Moment, moment: Moment) -> Option<Duration> {
    let left = moment.to_nanos() + HOLD.as_nanos().cast_signed() - now.to_nanos();
    let left = Duration::from_nanos(u64::try_from(left).ok()?);
    (!left.is_zero() && left < HOLD + AHEAD).then_some(left)
}
