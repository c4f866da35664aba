//! The period of a report, and the period before.

use crate::logdir::choices;
use crate::logdir::options::ReportOptions;
use crate::logdir::when::{self, DayOfClock, Now};
use ::logdir::label::Counting;
use ::logdir::read::stamp::Moment;
use ::logdir::time::Zone;
use jiff::civil::Date;

const DAY_SECS: i64 = 86_400;
/// Longest and shortest day when clocks change differ this much from others.
const CHANGE_SECS_MAX: i64 = 7200;

/// Period of a report, and the earlier period for comparison.
pub struct Periods {
    pub now: (Moment, Moment),
    pub before: (Moment, Moment),
    /// Local date of the start.
    pub day: Date,
}

impl Periods {
    pub fn new(options: &ReportOptions) -> Result<Periods, String> {
        let counting = choices::counting(&options.labels).unwrap_or(Counting::Ten);
        let now = Now::local();
        let moment = |text: &str| {
            when::parse(text, now, counting, DayOfClock::Last)
                .ok_or_else(|| format!("unable to understand the time {text}; {}", when::FORMS))
        };
        let (since, until) = (moment(&options.since)?, moment(&options.until)?);
        if since >= until {
            let (since, until) = (&options.since, &options.until);
            return Err(format!("--since {since} is not earlier than --until {until}"));
        }
        let secs = match &options.against {
            Some(text) => when::parse_secs(text).filter(|&secs| secs > 0).ok_or_else(|| {
                format!("unable to understand the span {text}: it is 1d, 7d, 12h")
            })?,
            None => until.unix_secs - since.unix_secs,
        };
        let earlier = |moment| earlier(moment, secs).ok_or("a time is out of range".to_owned());
        let day = Zone::Local.at(since.unix_secs).map(|time| time.civil().to_string());
        let day = day.and_then(|day| day.get(..10)?.parse().ok()).ok_or("a year is too large")?;
        Ok(Periods { now: (since, until), before: (earlier(since)?, earlier(until)?), day })
    }
}

/// A moment a span earlier. Days are those of the calendar, also when clocks change.
fn earlier(moment: Moment, secs: i64) -> Option<Moment> {
    let days = (secs + DAY_SECS / 2) / DAY_SECS;
    if days > 0 && (days * DAY_SECS - secs).abs() <= CHANGE_SECS_MAX {
        return when::days_before(moment, days, Zone::Local);
    }
    Some(Moment { unix_secs: moment.unix_secs.checked_sub(secs)?, ..moment })
}
