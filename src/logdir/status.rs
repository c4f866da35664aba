//! `logdir status`: a row per directory, and its failures, if any.
//!
//! This command judges directories by [`vitals`]; `logdir check` judges their contents.

mod check;
mod metrics;
mod receivers;
mod ships;

use crate::logdir::options::{self, Status};
use crate::logdir::trouble::Outcome;
use crate::logdir::{choices, failing, figures, table, when};
use crate::message;
use ::logdir::failure::Failure;
use ::logdir::format::Code;
use ::logdir::label::Counting;
use ::logdir::read::find::{self, Found, Location};
use ::logdir::read::limits;
use ::logdir::read::list::Role;
use ::logdir::read::reported::{self, Reported};
use ::logdir::read::snapshot::Snapshot;
use ::logdir::read::stamp::Moment;
use ::logdir::read::vitals::{self, Convention, Vitals};
use ::logdir::read::writer::{self, Writer};
use ::logdir::writer_state::{Failed, WriterState};
use serde::Serialize;
use ships::{Reading, Ship};
use std::path::Path;
use std::process::ExitCode;

const HEAD: [&str; 10] =
    ["NAME", "WRITER", "PROGRAM", "FILES", "SIZE", "OLDEST", "NEWEST", "L/MIN", "ROTATED", "KEEPS"];
/// Left-aligned columns.
const LEFT: [usize; 2] = [1, 2];

/// Longest normal time for completing a file, in seconds.
const FINISHING_SECS_MAX: f64 = 600.0;
/// Seconds during which an ended failure is still mentioned.
const FAILED_SECS_MAX: f64 = 86_400.0;

/// Runs the command. `Err` carries the exit code if nothing was read.
pub fn run(options: &Status) -> Result<ExitCode, ExitCode> {
    let counting = choices::counting(&options.labels);
    let silence_secs_max = options.max_silence.as_deref().map(span).transpose();
    let silence_secs_max = silence_secs_max.map_err(|why| {
        options::refuse(&why);
        ExitCode::from(check::State::Unknown as u8)
    })?;
    let mut outcome = Outcome { has_found: true, ..Outcome::default() };
    let operands = options.places.operands();
    // Who asks for a receiver only does not mean the usual directories of services too.
    let has_logs = options.receivers.is_empty() || !operands.is_empty();
    let (found, failures) = if has_logs { find::find(&operands) } else { Default::default() };
    outcome.fail(&failures);
    let (ships, failures) = ships::find(&options.ships);
    outcome.fail(&failures);
    let now = choices::now();
    let mut reports = Vec::new();
    for found in &found {
        match Report::of(found, counting, now) {
            Ok(mut report) => {
                report.add_readings(found, &ships, now);
                outcome.fail(&report.failures);
                reports.push(report);
            }
            Err(failure) => outcome.fail(&[failure]),
        }
    }
    if options.check {
        let (text, state) = check::check(&reports, &outcome, silence_secs_max, now);
        let state = if message::print(&text) { state } else { check::State::Unknown };
        return Ok(ExitCode::from(state as u8));
    }
    let text = match (options.json, options.metrics) {
        (true, _) => json(&reports),
        (false, true) => metrics::write(&reports, now),
        (false, false) if !has_logs => String::new(),
        (false, false) => in_a_table(&reports, now, table::width()) + &of_ships(&reports, now),
    };
    if !message::print(&text) {
        outcome.has_trouble = true;
    }
    let now_secs = u64::try_from(now.unix_secs).unwrap_or_default();
    receivers::print(&options.receivers, options.json, now_secs, &mut outcome);
    for report in &reports {
        outcome.trouble(&report.name, &report.troubles);
        if let Some(failed) = report.state().and_then(|state| state.failed.as_ref()) {
            tell_failed(&report.name, failed, now);
        }
    }
    Ok(outcome.exit_code())
}

/// Seconds of `--max-silence`.
fn span(text: &str) -> Result<i64, String> {
    when::parse_secs(text)
        .ok_or_else(|| format!("unable to understand the span {text}: it is 30s, 5m, 1h"))
}

/// State of a directory.
pub(in crate::logdir) struct Report {
    name: String,
    path: String,
    /// `None` for single files without lock.
    writer: Option<Writer>,
    reported: Reported,
    file_count: usize,
    archive_count: usize,
    bytes: u64,
    torn_count: usize,
    /// Time of the last rotation.
    rotated: Option<Moment>,
    vitals: Vitals,
    /// Logships that read it.
    readings: Vec<Reading>,
    troubles: Vec<String>,
    /// Failures to open the oldest or newest file.
    failures: Vec<Failure>,
}

impl Report {
    pub fn of(found: &Found, counting: Option<Counting>, now: Moment) -> Result<Report, Failure> {
        let (Location::Directory(path) | Location::File(path)) = &found.place;
        let snapshot = Snapshot::of_place(&found.place)?;
        let writer = writer::of_place(&found.place, &snapshot.directory)?;
        let unseen = writer::unseen(&snapshot.directory, writer);
        let mut stamps = choices::stamps(counting, &snapshot);
        let reported = reported::reported(&snapshot.directory, writer);
        let limits = limits::limits(&snapshot.directory, writer, &reported);
        let vitals = vitals::vitals(&snapshot, &mut stamps, limits, now);
        let files = || snapshot.files.iter().map(|link| &link.file);
        let is_torn = |role| matches!(role, Role::Archive(_, Code::Unfinished));
        Ok(Report {
            name: found.name.clone(),
            path: absolute(path),
            writer,
            file_count: files().count(),
            archive_count: files().filter(|file| matches!(file.role, Role::Archive(..))).count(),
            bytes: files().map(|file| file.len).sum(),
            torn_count: files().filter(|file| is_torn(file.role)).count(),
            rotated: files()
                .rev()
                .find_map(|file| file.label())
                .map(|label| stamps.moment_of(label)),
            vitals,
            readings: Vec::new(),
            troubles: troubles(&snapshot, writer, reported.state.as_ref(), now),
            failures: unreadable(&snapshot).into_iter().chain(unseen).collect(),
            reported,
        })
    }

    /// Adds how far logships are in it.
    fn add_readings(&mut self, found: &Found, ships: &[Ship], now: Moment) {
        for ship in ships {
            match ship.reading(&found.place, now) {
                Ok(reading) => self.readings.extend(reading),
                Err(failure) => self.failures.push(failure),
            }
        }
        self.troubles.extend(self.readings.iter().filter_map(Reading::trouble));
    }

    /// Failures, one sentence each.
    pub fn troubles(&self) -> &[String] {
        &self.troubles
    }

    /// What the running logger reports.
    pub fn state(&self) -> Option<&WriterState> {
        self.reported.state.as_ref()
    }
}

/// Reports an ended failure while recent.
fn tell_failed(name: &str, failed: &Failed, now: Moment) {
    if vitals::secs_between(failing::moment(failed.until), now) <= FAILED_SECS_MAX {
        message::info(&format!("{name}: {}", failing::over(failed)));
    }
}

/// Failures to open the oldest and newest files; other columns are still printed.
fn unreadable(snapshot: &Snapshot) -> Vec<Failure> {
    let ends = [snapshot.files.first(), snapshot.files.last()].into_iter().flatten();
    let mut failures: Vec<Failure> =
        ends.filter_map(|file| file.open(&snapshot.directory).err()).collect();
    failures.dedup();
    failures
}

fn absolute(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.to_string_lossy().into_owned()
}

fn troubles(
    snapshot: &Snapshot,
    writer: Option<Writer>,
    state: Option<&WriterState>,
    now: Moment,
) -> Vec<String> {
    let mut troubles = state.map(failing::lasting).unwrap_or_default();
    let is_crashed = writer == Some(Writer::Crashed);
    if is_crashed {
        troubles.push(message::crashed().to_owned());
    }
    let previous = snapshot.files.iter().find(|link| link.file.role == Role::Previous);
    if let Some(previous) = previous {
        let (unix_secs, nanos) = previous.file.modified;
        let age_secs = vitals::secs_between(Moment { unix_secs, nanos }, now);
        if !is_crashed && age_secs > FINISHING_SECS_MAX {
            troubles.push(message::unfinished(&figures::span(age_secs)));
        }
    }
    troubles
}

fn in_a_table(reports: &[Report], now: Moment, width: usize) -> String {
    if reports.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = reports.iter().map(|report| row(report, now)).collect();
    table::lay_out(&HEAD, &rows, &LEFT, width)
}

fn of_ships(reports: &[Report], now: Moment) -> String {
    let readings = reports
        .iter()
        .flat_map(|report| report.readings.iter().map(|reading| (report.name.as_str(), reading)));
    ships::in_a_table(readings, now, table::width())
}

fn row(report: &Report, now: Moment) -> Vec<String> {
    let vitals = &report.vitals;
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let age = |moment: Option<Moment>| {
        or_dash(moment.map(|moment| figures::span(vitals::secs_between(moment, now))))
    };
    let pace = vitals.pace.map(|pace| {
        let about = if pace.is_estimate { "~" } else { "" };
        format!("{about}{}", figures::count(pace.lines))
    });
    vec![
        table::shown(&report.name),
        match report.writer {
            Some(Writer::Running(Some(pid))) => pid.to_string(),
            Some(Writer::Running(None)) => "running".to_owned(),
            Some(Writer::Clean) => "clean".to_owned(),
            Some(Writer::Crashed) => "crashed".to_owned(),
            Some(Writer::Unknown(_)) => "unknown".to_owned(),
            None => "-".to_owned(),
        },
        or_dash(report.reported.program.as_deref().map(table::shown)),
        report.file_count.to_string(),
        figures::bytes(report.bytes),
        age(vitals.oldest),
        age(vitals.newest),
        or_dash(pace),
        age(report.rotated),
        or_dash(vitals.kept_secs.map(figures::span)),
    ]
}

fn convention_word(convention: Convention) -> &'static str {
    match convention {
        Convention::Labels(Counting::Ten) => "label",
        Convention::Labels(Counting::Leap) => "leap",
        Convention::Dates => "date",
        Convention::Seconds => "secs",
        Convention::Unstamped => "none",
    }
}

/// JSON report. Times are RFC 3339 in UTC.
#[derive(Serialize)]
struct Object<'a> {
    name: &'a str,
    directory: &'a str,
    writer: Option<&'static str>,
    pid: Option<i32>,
    program: Option<&'a str>,
    failing: Vec<failing::Object<'a>>,
    failed: Option<failing::Object<'a>>,
    held_lines: Option<u64>,
    held_bytes: Option<u64>,
    dropped_lines: Option<u64>,
    synced: Option<String>,
    stamps: &'static str,
    files: usize,
    bytes: u64,
    oldest: Option<String>,
    newest: Option<String>,
    lines_per_minute: Option<f64>,
    bytes_per_minute: Option<f64>,
    is_estimate: Option<bool>,
    rotated: Option<String>,
    torn: usize,
    kept_hours: Option<f64>,
    hold_bytes: Option<u64>,
    hold_cursor: Option<&'a str>,
    ships: Vec<ships::Object<'a>>,
    trouble: &'a [String],
}

fn json(reports: &[Report]) -> String {
    reports.iter().map(|report| choices::json_line(&object(report))).collect()
}

fn object(report: &Report) -> Object<'_> {
    let vitals = &report.vitals;
    let state = report.state();
    let held_for = state.and_then(|state| state.held_for.as_ref());
    let (writer, pid) = match report.writer {
        Some(Writer::Running(pid)) => (Some("running"), pid),
        Some(Writer::Clean) => (Some("clean"), None),
        Some(Writer::Crashed) => (Some("crashed"), None),
        Some(Writer::Unknown(_)) => (Some("unknown"), None),
        None => (None, None),
    };
    Object {
        name: &report.name,
        directory: &report.path,
        writer,
        pid,
        program: report.reported.program.as_deref(),
        failing: state
            .map(|state| state.failing.iter().map(failing::object).collect())
            .unwrap_or_default(),
        failed: state.and_then(|state| state.failed.as_ref()).map(failing::object_of_over),
        held_lines: state.map(|state| state.held.lines),
        held_bytes: state.map(|state| state.held.bytes),
        dropped_lines: state.map(|state| state.dropped.lines),
        synced: state
            .and_then(|state| state.synced)
            .map(failing::moment)
            .and_then(figures::rfc3339),
        stamps: convention_word(vitals.convention),
        files: report.file_count,
        bytes: report.bytes,
        oldest: vitals.oldest.and_then(figures::rfc3339),
        newest: vitals.newest.and_then(figures::rfc3339),
        lines_per_minute: vitals.pace.map(|pace| pace.lines),
        bytes_per_minute: vitals.pace.map(|pace| pace.bytes),
        is_estimate: vitals.pace.map(|pace| pace.is_estimate),
        rotated: report.rotated.and_then(figures::rfc3339),
        torn: report.torn_count,
        kept_hours: vitals.kept_secs.map(|secs| secs / 3600.0),
        hold_bytes: held_for.map(|held| held.len_max),
        hold_cursor: held_for.map(|held| held.cursor.as_str()),
        ships: report.readings.iter().map(Reading::object).collect(),
        trouble: &report.troubles,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::logdir::read::vitals::Pace;

    const NOW: Moment = Moment { unix_secs: 1_700_000_000, nanos: 0 };

    fn before(secs: i64) -> Option<Moment> {
        Some(Moment { unix_secs: NOW.unix_secs - secs, ..NOW })
    }

    fn report(name: &str, writer: Writer, vitals: Vitals) -> Report {
        Report {
            name: name.to_owned(),
            path: format!("/log/{name}"),
            writer: Some(writer),
            reported: Reported { program: Some("multilog 0.1.0".to_owned()), state: None },
            file_count: 10,
            archive_count: 9,
            bytes: 998_500,
            torn_count: 0,
            rotated: before(5000),
            vitals,
            readings: Vec::new(),
            troubles: Vec::new(),
            failures: Vec::new(),
        }
    }

    fn reports() -> Vec<Report> {
        let busy = Vitals {
            convention: Convention::Labels(Counting::Ten),
            oldest: before(94_000),
            newest: before(0),
            pace: Some(Pace { lines: 1_234_567.0, bytes: 1e6, is_estimate: true }),
            kept_secs: Some(59.9),
        };
        let unstamped = Vitals {
            convention: Convention::Unstamped,
            oldest: None,
            pace: None,
            kept_secs: None,
            ..busy
        };
        let idle = Vitals {
            convention: Convention::Dates,
            pace: Some(Pace { lines: 0.0, bytes: 0.0, is_estimate: false }),
            kept_secs: None,
            ..busy
        };
        vec![
            report("a-very-long-name-of-a-service", Writer::Running(Some(4_194_304)), busy),
            Report { rotated: None, ..report("web", Writer::Clean, unstamped) },
            Report { torn_count: 12, ..report("x\x1b[2J", Writer::Crashed, idle) },
        ]
    }

    #[test]
    fn a_table_fits_80_columns() {
        let table = in_a_table(&reports(), NOW, 80);
        assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
        assert_eq!(
            table,
            "\
NAME         WRITER  PROGRAM        FILES SIZE OLDEST NEWEST L/MIN ROTATED KEEPS
a-very-long-name-of-a-service
             4194304 multilog 0.1.0    10 975K  1d02h     0s ~1.2M   1h23m   59s
web          clean   multilog 0.1.0    10 975K      -     0s     -       -     -
x\\x1b[2J     crashed multilog 0.1.0    10 975K  1d02h     0s     0   1h23m     -
"
        );
    }
}
