//! Selects each directory's first line to print.

use crate::logdir::doubles::{Compared, Copies};
use crate::logdir::show::emit::Emitter;
use crate::logdir::show::{Log, Settings, backward, doubles, tell};
use crate::logdir::trouble::Outcome;
use ::logdir::failure::Failure;
use ::logdir::read::Notice;
use ::logdir::read::cursor::{CursorFile, Position};
use ::logdir::read::delivered::position_before;
use ::logdir::read::delivery::{
    Delivery, Follow, Scope, StartedDirectory, first_place, place_since,
};
use ::logdir::read::lines::LineStart;
use ::logdir::read::range::{self, Range};
use ::logdir::read::stamp::Moment;

/// Lines printed before following starts.
const FOLLOW_COUNT: usize = 10;

/// Position and moment of a first line.
pub type First = (LineStart, Option<Moment>);

/// First of the last `count` lines by directory; `None` for directories without any of these lines.
pub fn firsts_of_last(
    logs: &[Log],
    settings: &Settings,
    count: usize,
    emitter: &mut Emitter,
    outcome: &mut Outcome,
) -> Result<Vec<Option<First>>, Failure> {
    let mut last = Last {
        firsts: vec![None; logs.len()],
        left_count: count,
        context_count: if count > 0 { settings.context.before_count } else { 0 },
    };
    let mut lines = doubles(logs);
    let mut merge = backward(logs, settings);
    emitter.begin(|| merge.left_len());
    while !last.is_complete() && merge.advance() {
        let (number, source) = merge.source();
        let (line_len, moment) = (source.line().bytes.len(), source.moment());
        if lines.is_over(moment) {
            lines.finish().for_each(|copies| last.take(copies));
        }
        let text_pos = source.stamp().map_or(0, |stamp| stamp.end);
        let text = &source.line().bytes[text_pos..];
        let line = (emitter.is_wanted(number, text), (source.place().clone(), moment));
        if lines.passes(number, moment) {
            last.take(vec![(number, line)]);
        } else {
            let is_stamped = source.stamp().is_some();
            lines.hold(number, Compared { moment, is_stamped, text }, line);
        }
        if emitter.is_due(line_len) && !emitter.look(|| merge.left_len())? {
            break;
        }
    }
    lines.finish().for_each(|copies| last.take(copies));
    for (log, source) in logs.iter().zip(merge.sources_mut()) {
        let mut notices = source.take_notices();
        // Printing these lines later reports torn lines and zeros again.
        notices.retain(|notice| !matches!(notice, Notice::Torn(_) | Notice::Zeros(..)));
        tell(outcome, &log.name, notices, emitter);
    }
    Ok(last.firsts)
}

/// The last lines, while they are counted from the last one backward.
struct Last {
    /// First line per directory.
    firsts: Vec<Option<First>>,
    /// Wanted lines still to be found.
    left_count: usize,
    /// Lines before the first of them that are shown as its context.
    context_count: usize,
}

impl Last {
    fn is_complete(&self) -> bool {
        self.left_count == 0 && self.context_count == 0
    }

    /// Takes copies of a line from all directories, each with its position and true if selected.
    fn take(&mut self, copies: Copies<(bool, First)>) {
        let is_wanted = copies[0].1.0;
        if self.left_count > 0 {
            if !is_wanted {
                return;
            }
            self.left_count -= 1;
        } else if self.context_count > 0 {
            self.context_count -= 1;
        } else {
            return;
        }
        for (number, (_, first)) in copies {
            self.firsts[number] = Some(first);
        }
    }
}

/// Delivered positions just before these first lines.
pub fn positions_before(
    logs: &[Log],
    settings: &Settings,
    firsts: &[Option<First>],
) -> Vec<Position> {
    let position = |(log, first): (&Log, &Option<First>)| {
        let place = first.as_ref().map(|(place, _)| place.clone());
        let place =
            place.or_else(|| place_since(&log.snapshot, &log.stamps, settings.range.until?));
        position_before(&log.snapshot, &log.stamps, place.as_ref())
    };
    logs.iter().zip(firsts).map(position).collect()
}

/// Delivered position just before a range's first line, existing or not.
pub fn position_before_range(log: &Log, range: Range) -> Position {
    let place = match range.since {
        Some(since) => place_since(&log.snapshot, &log.stamps, since),
        None => first_place(&log.snapshot),
    };
    position_before(&log.snapshot, &log.stamps, place.as_ref())
}

/// Start positions for following, plus matching lines to skip.
pub struct Starts {
    /// Delivered position per directory.
    pub positions: Vec<Position>,
    /// Matching lines to skip.
    pub skip_count: u64,
}

impl Starts {
    /// Starts after delivered lines in directories known to the cursor, and at the first line
    /// elsewhere; limited to the last lines if requested by options.
    pub fn behind(
        known: Vec<Option<Position>>,
        logs: &[Log],
        settings: &Settings,
        emitter: &mut Emitter,
        outcome: &mut Outcome,
    ) -> Result<Starts, Failure> {
        let position = |(known, log): (Option<Position>, &Log)| {
            known.unwrap_or_else(|| position_of_new(log, settings.range, emitter, outcome))
        };
        let positions: Vec<Position> = known.into_iter().zip(logs).map(position).collect();
        let shown_count = settings.options.lines.map_or(u64::MAX, |count| count as u64);
        let skip_count = match shown_count {
            u64::MAX => 0,
            _ => count_after(&positions, logs, settings, emitter)?.saturating_sub(shown_count),
        };
        Ok(Starts { positions, skip_count })
    }

    /// Starts unknown directories at their first line, or at the last lines.
    pub fn afresh(
        logs: &[Log],
        settings: &Settings,
        emitter: &mut Emitter,
        outcome: &mut Outcome,
    ) -> Result<Starts, Failure> {
        let options = &settings.options;
        let is_short = options.follow && options.cursor.is_none() && settings.range.since.is_none();
        let positions = match options.lines.or(is_short.then_some(FOLLOW_COUNT)) {
            Some(count) => {
                let firsts = firsts_of_last(logs, settings, count, emitter, outcome)?;
                positions_before(logs, settings, &firsts)
            }
            None => {
                let position = |log| position_of_new(log, settings.range, emitter, outcome);
                logs.iter().map(position).collect()
            }
        };
        Ok(Starts { positions, skip_count: 0 })
    }
}

/// Start position of an unknown directory, plus notices about the range.
fn position_of_new(
    log: &Log,
    range: Range,
    emitter: &mut Emitter,
    outcome: &mut Outcome,
) -> Position {
    let plan = range::plan(&log.snapshot, &mut log.stamps.clone(), range);
    let begins_at = plan.begins_at.map(Notice::BeginsAt);
    let unstamped = plan.is_unstamped.then_some(Notice::Unstamped);
    tell(outcome, &log.name, begins_at.into_iter().chain(unstamped).collect(), emitter);
    position_before_range(log, range)
}

/// Follows directories from these positions.
pub fn follow(
    positions: &[Position],
    logs: &[Log],
    cursor: Option<CursorFile>,
    scope: Scope,
) -> Follow {
    let started = |(position, log): (&Position, &Log)| StartedDirectory {
        path: log.path.clone(),
        snapshot: log.snapshot.clone(),
        stamps: log.stamps.clone(),
        position: position.clone(),
    };
    Follow::of(positions.iter().zip(logs).map(started).collect(), cursor, scope)
}

/// Counts matching lines after these positions.
fn count_after(
    positions: &[Position],
    logs: &[Log],
    settings: &Settings,
    emitter: &mut Emitter,
) -> Result<u64, Failure> {
    let mut follow = follow(positions, logs, None, Scope::Existing);
    let mut lines = doubles(logs);
    let count_wanted = |all: &mut dyn Iterator<Item = Copies<bool>>| {
        all.filter(|copies| copies[0].1).count() as u64
    };
    let mut count = 0;
    emitter.begin(|| follow.left_len());
    while let Some(Delivery { directory, line, stamp, moment, ticket, .. }) = follow.next() {
        if lines.is_over(moment) {
            count += count_wanted(&mut lines.finish());
        }
        let text = &line.bytes[stamp.map_or(0, |stamp| stamp.end)..];
        let is_wanted = !line.continues
            && settings.range.holds_line(moment)
            && emitter.is_wanted(directory, text);
        if lines.passes(directory, moment) {
            count += u64::from(is_wanted);
        } else {
            let is_stamped = stamp.is_some();
            lines.hold(directory, Compared { moment, is_stamped, text }, is_wanted);
        }
        let line_len = line.bytes.len();
        follow.ack(ticket);
        if emitter.is_due(line_len) && !emitter.look(|| follow.left_len())? {
            break;
        }
    }
    Ok(count + count_wanted(&mut lines.finish()))
}
