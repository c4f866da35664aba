//! Options and JSON output shared by several commands.

use crate::logdir::options::{LabelCount, Labels, Span};
use crate::logdir::when::{self, DayOfClock, Now};
use ::logdir::label::Counting;
use ::logdir::read::label_counting;
use ::logdir::read::range::Range;
use ::logdir::read::snapshot::Snapshot;
use ::logdir::read::stamp::{Moment, StampParser};
use serde::Serialize;

/// Time of the last boot.
const BOOT: &str = "boot";

/// `--labels` as an offset rule; `None` for `auto`.
pub fn counting(labels: &Labels) -> Option<Counting> {
    match labels.label {
        LabelCount::Auto => None,
        LabelCount::Ten => Some(Counting::Ten),
        LabelCount::Leap => Some(Counting::Leap),
    }
}

/// Stamp parser for a directory: the user's choice, else detected.
pub fn stamps(counting: Option<Counting>, snapshot: &Snapshot) -> StampParser {
    let counting = counting.or_else(|| label_counting::detect(snapshot));
    counting.map_or_else(StampParser::assumed, StampParser::new)
}

/// Range from `--since` to `--until`. A time of day means its last occurrence before now; after
/// `--since` it means the next occurrence, while following today's.
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

fn boot() -> Option<Moment> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    let secs = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    Some(Moment { unix_secs: secs.trim().parse().ok()?, nanos: 0 })
}

/// Lines at most a span away from a time.
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
        // The span includes its last second.
        until: at(unix_secs.saturating_add(secs).saturating_add(1)),
    })
}

pub fn now() -> Moment {
    let (unix_secs, nanos) = ::logdir::clock::now().to_unix();
    Moment { unix_secs, nanos }
}

/// JSON object followed by a newline.
pub fn json_line(object: &impl Serialize) -> String {
    // serde_json fails only for maps with non-string keys.
    serde_json::to_string(object).map_or_else(|_| String::new(), |line| line + "\n")
}
