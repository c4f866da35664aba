//! `logdir status --check`: a line and an exit code, as plugins of Nagios have them.

use super::Report;
use crate::logdir::figures;
use crate::logdir::trouble::Outcome;
use ::logdir::escape;
use ::logdir::read::stamp::Moment;
use ::logdir::read::vitals;

/// Longest line: Nagios reads 4 KiB of it.
const LEN_MAX: usize = 4000;

/// States with their exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    Ok = 0,
    Warning = 1,
    Critical = 2,
    Unknown = 3,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            State::Ok => "OK",
            State::Warning => "WARNING",
            State::Critical => "CRITICAL",
            State::Unknown => "UNKNOWN",
        }
    }
}

/// Judges logs: critical if one is failing, unknown if something could not be read or no log was found,
/// a warning if a log has been silent for longer than `silence_secs_max`.
pub fn check(
    reports: &[Report],
    outcome: &Outcome,
    silence_secs_max: Option<i64>,
    now: Moment,
) -> (String, State) {
    let failing = reports
        .iter()
        .flat_map(|log| log.troubles.iter().map(|text| format!("{}: {text}", log.name)));
    let unread = outcome.told.iter().map(|failure| escape::shown(&failure.text("")));
    let silent = reports.iter().filter_map(|report| silence(report, silence_secs_max?, now));
    let missing = reports.is_empty().then(|| "no log was found".to_owned());
    let findings = (failing.map(|text| (State::Critical, text)))
        .chain(unread.chain(missing).map(|text| (State::Unknown, text)))
        .chain(silent.map(|text| (State::Warning, text)));
    let findings: Vec<(State, String)> = findings.collect();
    // The first is the worst in the eyes of an admin: what is failing is known.
    let state = findings.first().map_or(State::Ok, |(state, _)| *state);
    let texts: Vec<String> = findings.into_iter().map(|(_, text)| text).collect();
    let text = match texts.as_slice() {
        [] if reports.len() == 1 => "1 log".to_owned(),
        [] => format!("{} logs", reports.len()),
        texts => texts.join("; "),
    };
    (line(state, &text, reports), state)
}

/// The line. A bar would begin the figures.
fn line(state: State, text: &str, reports: &[Report]) -> String {
    let text: String =
        escape::shown(text.as_bytes()).replace('|', "/").chars().take(LEN_MAX).collect();
    let bytes: u64 = reports.iter().map(|report| report.bytes).sum();
    format!("LOGDIR {} - {text} | logs={} size={bytes}B\n", state.word(), reports.len())
}

fn silence(report: &Report, secs_max: i64, now: Moment) -> Option<String> {
    let name = &report.name;
    let Some(newest) = report.vitals.newest else { return Some(format!("{name}: no line")) };
    let secs = vitals::secs_between(newest, now);
    (secs > secs_max as f64).then(|| format!("{name}: no line for {}", figures::span(secs)))
}
