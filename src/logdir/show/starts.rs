//! Selects each directory's first line to print.

use crate::logdir::show::emit::Emitter;
use crate::logdir::show::{Log, Settings, backward, tell};
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
    let mut firsts = vec![None; logs.len()];
    let mut merge = backward(logs, settings);
    let mut left_count = count;
    // Context lines before the first match are printed, too.
    let mut context_count = if count > 0 { settings.context.before_count } else { 0 };
    emitter.begin(|| merge.left_len());
    while (left_count > 0 || context_count > 0) && merge.advance() {
        let (number, source) = merge.source();
        let line_len = source.line().bytes.len();
        let text_pos = source.stamp().map_or(0, |stamp| stamp.end);
        if left_count == 0 {
            firsts[number] = Some((source.place().clone(), source.moment()));
            context_count -= 1;
        } else if emitter.is_wanted(&source.line().bytes[text_pos..]) {
            firsts[number] = Some((source.place().clone(), source.moment()));
            left_count -= 1;
        }
        if emitter.is_due(line_len) && !emitter.look(|| merge.left_len())? {
            break;
        }
    }
    for (log, source) in logs.iter().zip(merge.sources_mut()) {
        let mut notices = source.take_notices();
        // Printing these lines later reports torn lines and zeros again.
        notices.retain(|notice| !matches!(notice, Notice::Torn(_) | Notice::Zeros(..)));
        tell(outcome, &log.name, notices, emitter);
    }
    Ok(firsts)
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
    let mut count = 0;
    emitter.begin(|| follow.left_len());
    while let Some(Delivery { line, stamp, moment, ticket, .. }) = follow.next() {
        let text_pos = stamp.map_or(0, |stamp| stamp.end);
        let is_wanted = !line.continues
            && settings.range.holds_line(moment)
            && emitter.is_wanted(&line.bytes[text_pos..]);
        count += u64::from(is_wanted);
        let line_len = line.bytes.len();
        follow.ack(ticket);
        if emitter.is_due(line_len) && !emitter.look(|| follow.left_len())? {
            break;
        }
    }
    Ok(count)
}
