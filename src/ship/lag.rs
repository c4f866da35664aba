//! How far each source is behind: measured at intervals, since the window is full while the receiver is away
//! and lines that are not taken are seen by nobody else. Warns before retention takes what was not delivered.

use super::sources::Sources;
use super::status::Lag;
use crate::logdir::figures;
use crate::message;
use ::logdir::clock;
use ::logdir::read::backlog::Backlog;
use ::logdir::read::stamp::Moment;
use std::time::{Duration, Instant};

/// How often sources are measured.
const INTERVAL: Duration = Duration::from_secs(5);
/// Sources measured in one round; further sources wait for their turn.
const SOURCES_MAX: usize = 50;
/// Retention that takes lines later than this is no reason for a warning yet, in seconds.
const WARN_SECS: f64 = 600.0;

/// When sources are measured.
#[derive(Debug)]
pub struct Lags {
    due: Instant,
    /// Number of the source measured next.
    next: usize,
}

impl Lags {
    /// Nothing is measured yet.
    pub fn new(now: Instant) -> Lags {
        Lags { due: now, next: 0 }
    }

    /// Measures sources if it is time. `is_drained` says that no source has a further line to take.
    pub fn measure(&mut self, sources: &mut Sources, lags: &mut Vec<Lag>, is_drained: bool) {
        let count = sources.count();
        name_sources(sources, lags);
        if Instant::now() < self.due || count == 0 {
            return;
        }
        self.due = Instant::now() + INTERVAL;
        for _ in 0..count.min(SOURCES_MAX) {
            let number = self.next % count;
            self.next = number + 1;
            let measured = match is_drained && sources.is_delivered(number) {
                true => Ok(Backlog::default()),
                false => sources.backlog(number, now()),
            };
            // A source that cannot be read now keeps its numbers; the reader reports why.
            if let Ok(backlog) = measured {
                note(&mut lags[number], &backlog, now());
            }
        }
    }
}

/// Adds sources that are new.
pub fn name_sources(sources: &Sources, lags: &mut Vec<Lag>) {
    while lags.len() < sources.count() {
        let source = sources.path(lags.len()).to_string_lossy().into_owned();
        lags.push(Lag { source, ..Lag::default() });
    }
}

/// Takes over what was measured, and warns once where it becomes serious.
fn note(lag: &mut Lag, backlog: &Backlog, now: Moment) {
    let age_secs = backlog.oldest.map(|oldest| secs_between(oldest, now));
    let (was_at_risk, was_overtaken) = (lag.is_at_risk, lag.is_overtaken);
    lag.lines = backlog.lines;
    lag.is_estimate = backlog.is_estimate;
    lag.bytes = backlog.len;
    lag.oldest = backlog.oldest.and_then(|oldest| u64::try_from(oldest.unix_secs).ok());
    lag.kept_secs = backlog.kept_secs.map(|secs| secs as u64);
    lag.is_overtaken = backlog.is_overtaken;
    lag.is_at_risk = is_at_risk(was_at_risk, age_secs, backlog.kept_secs);
    if lag.is_overtaken && !was_overtaken {
        warn(lag, "retention has removed lines that were not delivered");
    } else if lag.is_at_risk && !was_at_risk {
        let left = figures::span(backlog.kept_secs.unwrap_or_default());
        warn(lag, &format!("retention removes lines that were not delivered in {left}"));
    }
}

fn warn(lag: &Lag, what: &str) {
    let text = lag.text(u64::try_from(now().unix_secs).unwrap_or(0));
    message::warn(format!("{what}: {text}").as_bytes());
}

/// Whether retention takes lines soon that were not delivered: within ten minutes, and they have used half of
/// the time for which retention keeps lines. So neither a directory that keeps lines for a few seconds nor one
/// that keeps them for weeks warns of the usual delay. It is over when they have used less than a quarter.
fn is_at_risk(was_at_risk: bool, age_secs: Option<f64>, kept_secs: Option<f64>) -> bool {
    let (Some(age), Some(kept)) = (age_secs, kept_secs) else { return false };
    let used = age / (age + kept).max(f64::MIN_POSITIVE);
    match was_at_risk {
        true => used >= 0.25,
        false => used >= 0.5 && kept <= WARN_SECS,
    }
}

fn now() -> Moment {
    let (unix_secs, nanos) = clock::now().to_unix();
    Moment { unix_secs, nanos }
}

fn secs_between(from: Moment, to: Moment) -> f64 {
    ::logdir::read::vitals::secs_between(from, to).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_at_risk_when_half_of_their_time_is_used() {
        for (was, age, kept, expected) in [
            (false, Some(0.1), Some(3.0), false),
            (false, Some(2.0), Some(1.0), true),
            (false, Some(700.0), Some(601.0), false),
            (false, Some(700.0), Some(599.0), true),
            (false, Some(86_400.0), Some(500.0), true),
            (false, Some(300.0), Some(500.0), false),
            (true, Some(300.0), Some(500.0), true),
            (true, Some(100.0), Some(500.0), false),
            (true, None, None, false),
            (true, Some(100.0), None, false),
            (false, Some(0.0), Some(0.0), false),
        ] {
            assert_eq!(is_at_risk(was, age, kept), expected, "{was} {age:?} {kept:?}");
        }
    }
}
