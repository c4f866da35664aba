//! Several directories, followed, and merged by the time of their stamps or in turn.
//!
//! By time, a line waits for a moment, in case an earlier one is still on its way into another directory. With
//! one directory nothing waits.

use crate::read::follow::Follower;
use crate::read::stamp::Moment;
use std::time::Duration;

/// How old a line has to be before it comes, while another directory has nothing.
pub const HOLD: Duration = Duration::from_millis(200);
/// A line that is so much ahead of the clock was not stamped by this clock, and does not wait for it.
const AHEAD: Duration = Duration::from_secs(1);

/// Which directory's line comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// That of the earliest stamp: one stream of all directories, for a person.
    ByTime,
    /// That of the next directory which has a line: none waits for the backlog of another one.
    InTurn,
}

/// Followed directories.
pub struct FollowSeveral {
    followers: Vec<Follower>,
    order: Order,
    /// Which of them have gone to a line that has not come.
    has_line: Vec<bool>,
    /// The one whose line came last; a line without a stamp stays with it.
    last: Option<usize>,
}

/// What there is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A line of the directory with this number.
    Line(usize),
    /// A line that has to wait so long.
    Wait(Duration),
    /// Nothing.
    Nothing,
}

impl FollowSeveral {
    /// Followers, by their numbers.
    pub fn new(followers: Vec<Follower>) -> FollowSeveral {
        let has_line = vec![false; followers.len()];
        FollowSeveral { followers, order: Order::ByTime, has_line, last: None }
    }

    /// Sets the order of lines.
    pub fn set_order(&mut self, order: Order) {
        self.order = order;
    }

    /// Looks at the directories that are marked, and takes the marks away.
    pub fn look(&mut self, marks: &mut [bool]) {
        for (number, mark) in marks.iter_mut().enumerate() {
            if std::mem::take(mark) && !self.has_line[number] {
                self.has_line[number] = self.followers[number].advance();
            }
        }
    }

    /// What comes next, where it is `now`. None as the time lets nothing wait.
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

    /// The directory with this number.
    pub fn follower(&self, number: usize) -> &Follower {
        &self.followers[number]
    }

    /// Bytes left to be read of the files that are known.
    pub fn left_len(&self) -> u64 {
        self.followers.iter().map(|follower| follower.chain().left_len()).sum()
    }

    /// All directories.
    pub fn followers_mut(&mut self) -> &mut [Follower] {
        &mut self.followers
    }

    /// Adds a directory, which gets the next number.
    pub fn add(&mut self, follower: Follower) {
        self.followers.push(follower);
        self.has_line.push(false);
    }

    /// Notes that the line of this directory is given out. It stays there until [`FollowSeveral::go_on`].
    pub fn give(&mut self, number: usize) -> &Follower {
        let follower = &mut self.followers[number];
        follower.take();
        self.last = Some(number);
        follower
    }

    /// Goes to the next line of a directory after [`FollowSeveral::give`].
    pub fn go_on(&mut self, number: usize) {
        self.has_line[number] = self.followers[number].advance();
    }
}

/// None where the line may come.
fn left_to_wait(now: Moment, moment: Moment) -> Option<Duration> {
    let left = moment.to_nanos() + HOLD.as_nanos().cast_signed() - now.to_nanos();
    let left = Duration::from_nanos(u64::try_from(left).ok()?);
    (!left.is_zero() && left < HOLD + AHEAD).then_some(left)
}
