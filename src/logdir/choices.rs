//! What several commands understand and write alike: options with the same meaning, and JSON.

use crate::logdir::options::{LabelCount, Labels, Span};
use crate::logdir::when::{self, DayOfClock, Now};
use ::logdir::label::Counting;
use ::logdir::read::label_counting;
use ::logdir::read::range::Range;
use ::logdir::read::snapshot::Snapshot;
use ::logdir::read::stamp::{Moment, StampParser};
use serde::Serialize;

/// The time at which the machine was started.
const BOOT: &str = "boot";

/// How labels are counted, if the user says it.
pub fn counting(labels: &Labels) -> Option<Counting> {
    match labels.label {
        LabelCount::Auto => None,
        LabelCount::Ten => Some(Counting::Ten),
        LabelCount::Leap => Some(Counting::Leap),
    }
}

/// How the stamps of a directory are read: as the user says, or as they look.
pub fn stamps(counting: Option<Counting>, snapshot: &Snapshot) -> StampParser {
    let counting = counting.or_else(|| label_counting::detect(snapshot));
    counting.map_or_else(StampParser::assumed, StampParser::new)
}

/// From `--since` to `--until`, as far as they are given. A time of day is the last one before now; after
/// `--since` it is the next one, and while following it is that of today.
pub fn range(
    span: &Span,
    is_following: bool,
    now: Now,
    counting: Option<Counting>,
) -> Result<Range, String> {
    let moment = |text: &str, day| moment(text, now, counting, day);
    let since_text = if span.boot { Some(BOOT) } else { span.since.as_deref() };
    let since = since_text.map(|text| moment(text, DayOfClock::Last)).transpose()?;
    let day_of_until = match since {
        Some(since) if since_text.is_some_and(when::is_clock_time) => DayOfClock::FirstFrom(since),
        _ if is_following => DayOfClock::Today,
        _ => DayOfClock::Last,
    };
    let until = span.until.as_deref().map(|text| moment(text, day_of_until)).transpose()?;
    if let (Some(from), Some(to)) = (since, until)
        && from > to
    {
        let (since, until) = (since_text.unwrap_or_default(), span.until.as_deref());
        return Err(format!("--since {since} is later than --until {}", until.unwrap_or_default()));
    }
    Ok(Range { since, until })
}

fn moment(
    text: &str,
    now: Now,
    counting: Option<Counting>,
    day: DayOfClock,
) -> Result<Moment, String> {
    if text == BOOT {
        return boot()
            .ok_or_else(|| "unable to read the time of the start from /proc/stat".to_owned());
    }
    when::parse(text, now, counting.unwrap_or(Counting::Ten), day)
        .ok_or_else(|| format!("unable to understand the time {text}; {}", when::FORMS))
}

/// When the machine was started.
fn boot() -> Option<Moment> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    let secs = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    Some(Moment { unix_secs: secs.trim().parse().ok()?, nanos: 0 })
}

/// The lines within a span of a time.
pub fn range_around(
    time: &str,
    within: &str,
    now: Now,
    counting: Option<Counting>,
) -> Result<Range, String> {
    let Moment { unix_secs, nanos } = moment(time, now, counting, DayOfClock::Last)?;
    let secs = when::parse_secs(within)
        .ok_or_else(|| format!("unable to understand the span {within}: it is 30s, 5m, 1h"))?;
    let at = |unix_secs| Some(Moment { unix_secs, nanos });
    Ok(Range {
        since: at(unix_secs.saturating_sub(secs)),
        // The last second belongs to the span.
        until: at(unix_secs.saturating_add(secs).saturating_add(1)),
    })
}

/// The time of day.
pub fn now() -> Moment {
    let (unix_secs, nanos) = ::logdir::clock::now().to_unix();
    Moment { unix_secs, nanos }
}

/// An object and a newline.
pub fn json_line(object: &impl Serialize) -> String {
    // Only maps with keys that are no strings could fail.
    serde_json::to_string(object).map_or_else(|_| String::new(), |line| line + "\n")
}
