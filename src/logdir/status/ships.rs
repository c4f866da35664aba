//! Which logships read a log, and how far they are behind: from their state directories, which running ones
//! name in their arguments.

use crate::logdir::{figures, table};
use crate::ship::status::{self, Condition, Status};
use crate::status_file::unix_secs;
use ::logdir::failure::{Failure, What};
use ::logdir::read::backlog::{Backlog, backlog};
use ::logdir::read::cursor::{self, Position};
use ::logdir::read::find::Location;
use ::logdir::read::stamp::Moment;
use ::logdir::read::vitals;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const HEAD: [&str; 8] =
    ["NAME", "LOGSHIP", "RECEIVER", "STATE", "LINES", "SIZE", "BEHIND", "KEEPS"];
/// Left-aligned columns.
const LEFT: [usize; 3] = [1, 2, 3];

/// A logship's state directory.
pub struct Ship {
    state: PathBuf,
    status: Option<Status>,
    /// By canonical path.
    positions: BTreeMap<PathBuf, Position>,
}

/// Logships: those whose state directories are named, and running ones whose state this user may read.
pub fn find(named: &[PathBuf]) -> (Vec<Ship>, Vec<Failure>) {
    let named: BTreeSet<PathBuf> = named.iter().map(|dir| canonical(dir)).collect();
    let (mut ships, mut failures) = (Vec::new(), Vec::new());
    for state in running().union(&named) {
        match Ship::open(state) {
            Ok(ship) => ships.push(ship),
            Err(failure) if named.contains(state) => failures.push(failure),
            // The state of another user, or of a logship that has just ended.
            Err(_) => {}
        }
    }
    (ships, failures)
}

fn canonical(dir: &Path) -> PathBuf {
    dir.canonicalize().unwrap_or_else(|_| dir.to_owned())
}

/// State directories of running logships.
fn running() -> BTreeSet<PathBuf> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let state = |process: PathBuf| {
        let state = state_of(&fs::read(process.join("cmdline")).ok()?)?;
        let state = match state.is_absolute() {
            true => state,
            false => fs::read_link(process.join("cwd")).ok()?.join(state),
        };
        Some(canonical(&state))
    };
    processes.filter_map(|process| state(process.path())).collect()
}

/// State directory among the arguments of a process, if it is a logship.
fn state_of(arguments: &[u8]) -> Option<PathBuf> {
    let mut arguments = arguments.split(|&byte| byte == 0);
    let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
    if path(arguments.next()?).file_name()? != "logship" {
        return None;
    }
    let mut state = None;
    while let Some(argument) = arguments.next().filter(|argument| argument != b"--") {
        // The last one counts.
        state = match argument.strip_prefix(b"--state") {
            Some(b"") => Some(path(arguments.next()?)),
            Some([b'=', dir @ ..]) => Some(path(dir)),
            Some(_) | None => state,
        };
    }
    state.filter(|state| !state.as_os_str().is_empty())
}

impl Ship {
    fn open(state: &Path) -> Result<Ship, Failure> {
        let positions = cursor::load(&state.join("cursor"))?.into_iter();
        let positions = positions.map(|(path, position)| (canonical(&path), position)).collect();
        let path = status::of_state(state);
        let status = match Status::load(&path) {
            Ok(status) => Some(status),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                return Err(Failure::of_io(What::Read, path.as_os_str().as_bytes(), &error));
            }
        };
        Ok(Ship { state: state.to_owned(), status, positions })
    }

    /// How far this logship is in a log. `None` if it does not read the log.
    pub fn reading(&self, place: &Location, now: Moment) -> Result<Option<Reading>, Failure> {
        let (Location::Directory(path) | Location::File(path)) = place;
        let path = canonical(path);
        let Some(position) = self.positions.get(&path) else { return Ok(None) };
        let backlog = backlog(place, position, &self.state.join("cursor"), now)?;
        let now_secs = unix_secs(SystemTime::now());
        let status = self.status.clone().unwrap_or_default();
        let lag = status.sources.iter().find(|lag| canonical(Path::new(&lag.source)) == path);
        Ok(Some(Reading {
            state: self.state.to_string_lossy().into_owned(),
            condition: match &self.status {
                Some(status) => status.condition(now_secs),
                None => Condition::Stopped,
            },
            gaps: lag.map_or(0, |lag| lag.gaps),
            is_at_risk: lag.is_some_and(|lag| lag.is_at_risk),
            silent_secs: status.silent_since.map(|since| now_secs.saturating_sub(since)),
            receiver: status.target,
            failure: status.failure.filter(|_| !status.connected),
            pid: status.pid,
            backlog,
        }))
    }
}

/// How far a logship is in a log.
pub struct Reading {
    state: String,
    pid: u32,
    receiver: String,
    condition: Condition,
    failure: Option<String>,
    silent_secs: Option<u64>,
    gaps: u64,
    is_at_risk: bool,
    backlog: Backlog,
}

impl Reading {
    /// What fails, as a sentence.
    pub fn trouble(&self) -> Option<String> {
        let what = match self.condition {
            _ if self.backlog.is_overtaken => {
                "retention has removed lines that were not delivered".to_owned()
            }
            _ if self.is_at_risk => {
                let left = self.backlog.kept_secs.map_or_else(
                    || "soon".to_owned(),
                    |secs| format!("in {}", figures::span(secs)),
                );
                format!("retention removes lines that were not delivered {left}")
            }
            Condition::Silent => {
                let silence = figures::span(self.silent_secs.unwrap_or_default() as f64);
                format!("no acknowledgement for {silence}")
            }
            Condition::Connected | Condition::Away | Condition::Stopped => return None,
        };
        Some(format!("logship with the state in {}: {what}", self.state))
    }

    fn row(&self, name: &str, now: Moment) -> Vec<String> {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let Backlog { lines, is_estimate, len, oldest, kept_secs, .. } = self.backlog;
        let is_stopped = self.condition == Condition::Stopped;
        let about = if is_estimate { "~" } else { "" };
        let age = |oldest| figures::span(vitals::secs_between(oldest, now).max(0.0));
        vec![
            table::shown(name),
            if is_stopped { "-".to_owned() } else { self.pid.to_string() },
            or_dash(Some(table::shown(&self.receiver)).filter(|receiver| !receiver.is_empty())),
            self.condition.word().to_owned(),
            format!("{about}{}", figures::count(lines as f64)),
            figures::bytes(len),
            or_dash(oldest.map(age)),
            or_dash(kept_secs.map(figures::span)),
        ]
    }

    /// JSON report.
    pub fn object(&self) -> Object<'_> {
        let Backlog { lines, is_estimate, len, oldest, kept_secs, is_overtaken } = self.backlog;
        Object {
            state: &self.state,
            pid: (self.condition != Condition::Stopped).then_some(self.pid),
            receiver: Some(self.receiver.as_str()).filter(|receiver| !receiver.is_empty()),
            condition: self.condition.word(),
            failure: self.failure.as_deref(),
            behind_lines: lines,
            behind_bytes: len,
            is_estimate,
            oldest: oldest.and_then(figures::rfc3339),
            kept_seconds: kept_secs.map(|secs| secs as u64),
            is_overtaken,
            gaps: self.gaps,
        }
    }
}

/// JSON report of a logship. Times are RFC 3339 in UTC.
#[derive(Serialize)]
pub struct Object<'a> {
    state: &'a str,
    pid: Option<u32>,
    receiver: Option<&'a str>,
    condition: &'static str,
    failure: Option<&'a str>,
    behind_lines: u64,
    behind_bytes: u64,
    is_estimate: bool,
    oldest: Option<String>,
    kept_seconds: Option<u64>,
    is_overtaken: bool,
    gaps: u64,
}

/// A table of named logs and the logships that read them; empty if there are none.
pub fn in_a_table<'a>(
    readings: impl Iterator<Item = (&'a str, &'a Reading)>,
    now: Moment,
    width: usize,
) -> String {
    let rows: Vec<Vec<String>> = readings.map(|(name, reading)| reading.row(name, now)).collect();
    match rows.is_empty() {
        true => String::new(),
        false => format!("\n{}", table::lay_out(&HEAD, &rows, &LEFT, width)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_found_among_arguments() {
        for (arguments, expected) in [
            (&["/usr/bin/logship", "--state", "/s", "relp://a:1", "/log"][..], Some("/s")),
            (&["logship", "--state=s", "--once"][..], Some("s")),
            (&["logship", "--state=s", "--state", "t"][..], Some("t")),
            (&["logship", "--", "--state", "t"][..], None),
            (&["logship", "--check", "/s"][..], None),
            (&["logship", "--state="][..], None),
            (&["logship", "--state"][..], None),
            (&["logdir", "--state", "/s"][..], None),
            (&[][..], None),
        ] {
            let joined = arguments.join("\0").into_bytes();
            assert_eq!(state_of(&joined), expected.map(PathBuf::from), "{arguments:?}");
        }
    }

    fn reading(receiver: &str, condition: Condition, backlog: Backlog) -> Reading {
        Reading {
            state: "/s".to_owned(),
            pid: 4711,
            receiver: receiver.to_owned(),
            condition,
            failure: None,
            silent_secs: Some(75),
            gaps: 0,
            is_at_risk: false,
            backlog,
        }
    }

    #[test]
    fn a_table_fits_a_terminal_and_trouble_is_a_sentence() {
        let now = Moment { unix_secs: 1_700_000_000, nanos: 0 };
        let behind = Backlog {
            lines: 60_000,
            is_estimate: true,
            len: 6_000_000,
            oldest: Some(Moment { unix_secs: now.unix_secs - 600, ..now }),
            kept_secs: Some(7200.0),
            is_overtaken: false,
        };
        let silent = reading("relp://log.example.org:2514", Condition::Silent, behind);
        let stopped = reading("", Condition::Stopped, Backlog::default());
        let rows = [("dns", &silent), ("web", &stopped)];
        let expected = "
NAME LOGSHIP RECEIVER                    STATE    LINES SIZE BEHIND KEEPS
dns  4711    relp://log.example.org:2514 silent  ~60000 5.7M 10m00s 2h00m
web  -       -                           stopped      0   0B      -     -
";
        assert_eq!(in_a_table(rows.into_iter(), now, 80), expected);
        assert_eq!(in_a_table(std::iter::empty(), now, 80), "");
        let trouble = "logship with the state in /s: no acknowledgement for 1m15s";
        assert_eq!(silent.trouble().as_deref(), Some(trouble));
        assert_eq!(stopped.trouble(), None);
        let lost = Backlog { is_overtaken: true, ..behind };
        let lost = reading("", Condition::Connected, lost).trouble();
        assert!(lost.is_some_and(|text| text.contains("has removed lines")));
    }
}
