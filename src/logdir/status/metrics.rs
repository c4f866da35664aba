//! `logdir status --metrics`: the state of log directories in the text format of Prometheus.

use super::Report;
use crate::logdir::failing;
use crate::prometheus::{self, quoted};
use ::logdir::read::stamp::Moment;
use ::logdir::read::vitals;
use ::logdir::read::writer::Writer;

/// A metric, and how to compute its value.
struct Metric {
    name: &'static str,
    help: &'static str,
    /// Measured value; `None` if unknown.
    value: fn(&Report, Moment) -> Option<f64>,
}

const METRICS: [Metric; 20] = [
    metric("size_bytes", "Size of all files.", |log, _| Some(log.bytes as f64)),
    metric("archives", "Rotated files.", |log, _| Some(log.archive_count as f64)),
    metric("torn_archives", "Rotated files of a killed logger.", |log, _| {
        Some(log.torn_count as f64)
    }),
    metric("last_minute_lines", "Lines of the last minute.", |log, _| {
        log.vitals.pace.map(|pace| pace.lines)
    }),
    metric("last_minute_bytes", "Bytes of the last minute.", |log, _| {
        log.vitals.pace.map(|pace| pace.bytes)
    }),
    metric("newest_line_timestamp_seconds", "Time of the newest line.", |log, _| {
        log.vitals.newest.map(secs)
    }),
    metric("newest_line_age_seconds", "Age of the newest line.", |log, now| {
        log.vitals.newest.map(|newest| vitals::secs_between(newest, now))
    }),
    metric("oldest_line_timestamp_seconds", "Time of the oldest line.", |log, _| {
        log.vitals.oldest.map(secs)
    }),
    metric("history_seconds", "Age of the oldest line.", |log, now| {
        log.vitals.oldest.map(|oldest| vitals::secs_between(oldest, now))
    }),
    metric("kept_seconds", "How long lines are kept at their usual pace.", |log, _| {
        log.vitals.kept_secs
    }),
    metric("rotated_timestamp_seconds", "Time of the last rotation.", |log, _| {
        log.rotated.map(secs)
    }),
    metric("writer_running", "1 if a logger has the lock.", |log, _| match log.writer? {
        Writer::Running(_) => Some(1.0),
        Writer::Clean | Writer::Crashed => Some(0.0),
        Writer::Unknown(_) => None,
    }),
    metric("failing", "1 if the logger crashed or reports a failure.", |log, _| {
        Some(f64::from(!log.troubles.is_empty()))
    }),
    metric("unreadable", "1 if a file could not be opened.", |log, _| {
        Some(f64::from(!log.failures.is_empty()))
    }),
    metric("failing_since_timestamp_seconds", "Time of the first failure.", |log, _| {
        let since = log.state()?.failing.iter().map(|failing| failing.since).min()?;
        Some(secs(failing::moment(since)))
    }),
    metric("held_lines", "Lines held during a failure.", |log, _| {
        log.state().map(|state| state.held.lines as f64)
    }),
    metric("held_bytes", "Bytes held during a failure.", |log, _| {
        log.state().map(|state| state.held.bytes as f64)
    }),
    metric("dropped_lines_total", "Lines dropped by the running logger.", |log, _| {
        log.state().map(|state| state.dropped.lines as f64)
    }),
    metric("dropped_bytes_total", "Bytes dropped by the running logger.", |log, _| {
        log.state().map(|state| state.dropped.bytes as f64)
    }),
    metric("synced_timestamp_seconds", "Time of the last sync by the logger.", |log, _| {
        log.state().and_then(|state| state.synced).map(|synced| secs(failing::moment(synced)))
    }),
];

const fn metric(
    name: &'static str,
    help: &'static str,
    value: fn(&Report, Moment) -> Option<f64>,
) -> Metric {
    Metric { name, help, value }
}

/// All metrics of all logs; unknown values are left out.
pub fn write(reports: &[Report], now: Moment) -> String {
    let mut text = String::new();
    let labels = |report: &Report| {
        format!("{{log={},directory={}}}", quoted(&report.name), quoted(&report.path))
    };
    for Metric { name, help, value } in METRICS {
        let samples = reports.iter().filter_map(|log| Some((labels(log), value(log, now)?)));
        prometheus::append(&mut text, &format!("logdir_{name}"), help, samples);
    }
    text
}

fn secs(moment: Moment) -> f64 {
    moment.unix_secs as f64 + f64::from(moment.nanos) / 1e9
}
