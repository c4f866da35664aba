//! Format of `.writer`: a writer's report for readers without access to its stderr.
//!
//! The writer overwrites this file of fixed size in place, so that updates succeed on a full disk.
//! Lines hold a key and values; padding follows. The first line names the program; the last line
//! repeats the time of writing, which tells a reader that it read a single state instead of parts
//! of two.

use crate::escape;
use crate::label::{LABEL_LEN, Label};
use std::fmt::Write;
use std::time::Duration;

/// File size in bytes.
pub const STATE_LEN: usize = 2048;
/// Longest failure text in bytes: paths may have 4096.
const REASON_LEN_MAX: usize = 400;
/// Longest path of a hold's cursor in bytes. A hold with a longer path is not reported.
const CURSOR_LEN_MAX: usize = 200;
/// Replaces the middle of a long text.
const CUT: &str = "...";
/// Maximum simultaneous failures: writing, and completing files.
pub const FAILING_MAX: usize = 2;

/// Current failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// Time of the first failure.
    pub since: Label,
    /// Latest action, file and reason.
    pub reason: String,
}

/// Failure that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Time of the first failure.
    pub since: Label,
    /// Time of recovery.
    pub until: Label,
    /// Latest action, file and reason.
    pub reason: String,
}

/// Lines and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Newlines.
    pub lines: u64,
    /// Bytes, newlines included.
    pub bytes: u64,
}

/// Retention limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Maximum file size, in bytes.
    pub size: Option<u64>,
    /// Maximum number of files, including `current`.
    pub number: Option<u64>,
    /// Maximum size of all archives, in bytes.
    pub total: Option<u64>,
    /// Maximum archive age.
    pub age: Option<Duration>,
}

/// Archives held for a reader beyond the limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Bytes of all archives up to which they are held.
    pub len_max: u64,
    /// Absolute path of the reader's cursor, control bytes escaped.
    pub cursor: String,
}

/// State of a writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriterState {
    /// Program name and version.
    pub program: String,
    /// Process ID in its own namespace.
    pub pid: u32,
    /// Time the directory was opened.
    pub opened: Label,
    /// Time of a clean close with everything fsynced.
    pub closed: Option<Label>,
    /// Current failures.
    pub failing: Vec<Failing>,
    /// Latest failure that has ended.
    pub failed: Option<Failed>,
    /// Lines accepted but not yet written, counted during the failure.
    pub held: Amount,
    /// Lines dropped since opening.
    pub dropped: Amount,
    /// Time of the last successful fsync of lines.
    pub synced: Option<Label>,
    /// Retention limits.
    pub limits: Limits,
    /// Archives held beyond them.
    pub held_for: Option<Held>,
}

impl WriterState {
    /// File contents, written at `now`.
    pub fn format(&self, now: Label) -> Vec<u8> {
        let now = text(now);
        let mut lines = String::with_capacity(STATE_LEN);
        let _ = write!(lines, "{}\npid {}\n", line(&self.program), self.pid);
        let mut add = |key: &str, values: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(lines, "{key} {values}");
        };
        add("written", &now);
        add("opened", &text(self.opened));
        if let Some(closed) = self.closed {
            add("closed", &text(closed));
        }
        for failing in self.failing.iter().take(FAILING_MAX) {
            add("failing", &format!("{} {}", text(failing.since), line(&failing.reason)));
        }
        if let Some(Failed { since, until, reason }) = &self.failed {
            add("failed", &format!("{} {} {}", text(*since), text(*until), line(reason)));
        }
        for (key, amount) in [("held", self.held), ("dropped", self.dropped)] {
            add(key, &format!("{} {}", amount.lines, amount.bytes));
        }
        if let Some(synced) = self.synced {
            add("synced", &text(synced));
        }
        let Limits { size, number, total, age } = self.limits;
        let limits = [size, number, total, age.map(|age| age.as_secs())];
        let limits =
            limits.map(|limit| limit.map_or_else(|| "-".to_owned(), |limit| limit.to_string()));
        add("limits", &limits.join(" "));
        if let Some(Held { len_max, cursor }) = &self.held_for
            && cursor.len() <= CURSOR_LEN_MAX
        {
            add("hold", &format!("{len_max} {}", line(cursor)));
        }
        let end = format!("end {now}\n");
        let padding = STATE_LEN.saturating_sub(lines.len() + end.len());
        lines.extend(std::iter::repeat_n('\n', padding));
        (lines + &end).into_bytes()
    }

    /// Parses file contents. `None` if incomplete, or changed during the read. Skips unknown keys
    /// of later versions.
    pub fn parse(contents: &[u8]) -> Option<WriterState> {
        let text = String::from_utf8_lossy(contents.get(..STATE_LEN)?);
        let mut lines = text.lines().filter(|line| !line.is_empty());
        let mut state = WriterState {
            program: lines.next()?.to_owned(),
            pid: 0,
            opened: Label::parse(b"@400000000000000000000000")?,
            closed: None,
            failing: Vec::new(),
            failed: None,
            held: Amount::default(),
            dropped: Amount::default(),
            synced: None,
            limits: Limits::default(),
            held_for: None,
        };
        let (mut written, mut end) = (None, None);
        for line in lines {
            let (key, values) = line.split_once(' ')?;
            match key {
                "pid" => state.pid = values.parse().ok()?,
                "written" => written = Some(label(values)?),
                "opened" => state.opened = label(values)?,
                "closed" => state.closed = Some(label(values)?),
                "failing" => state.failing.push(failing(values)?),
                "failed" => {
                    let Failing { since, reason } = failing(values)?;
                    let Failing { since: until, reason } = failing(&reason)?;
                    state.failed = Some(Failed { since, until, reason });
                }
                "held" => state.held = amount(values)?,
                "dropped" => state.dropped = amount(values)?,
                "synced" => state.synced = Some(label(values)?),
                "limits" => state.limits = limits(values),
                "hold" => {
                    let (len_max, cursor) = values.split_once(' ')?;
                    let len_max = len_max.parse().ok()?;
                    state.held_for = Some(Held { len_max, cursor: cursor.to_owned() });
                }
                "end" => end = Some(label(values)?),
                _ => {}
            }
        }
        (written.is_some() && written == end).then_some(state)
    }
}

fn text(label: Label) -> String {
    String::from_utf8_lossy(&label.format()).into_owned()
}

fn label(text: &str) -> Option<Label> {
    Label::parse(text.as_bytes())
}

/// Escapes text for one line: paths may contain any bytes. Long text loses its middle, because the
/// reason is at its end.
fn line(text: &str) -> String {
    let mut line = Vec::new();
    escape::append(text.as_bytes(), &mut line);
    let line = String::from_utf8_lossy(&line).into_owned();
    if line.len() <= REASON_LEN_MAX {
        return line;
    }
    let half = REASON_LEN_MAX / 2 - CUT.len();
    let is_boundary = |pos: &usize| line.is_char_boundary(*pos);
    let begin = (0..=half).rev().find(is_boundary).unwrap_or(0);
    let end = (line.len() - half..line.len()).find(is_boundary).unwrap_or(line.len());
    [&line[..begin], CUT, &line[end..]].concat()
}

fn failing(values: &str) -> Option<Failing> {
    let reason = values.get(LABEL_LEN..)?.strip_prefix(' ')?.to_owned();
    Some(Failing { since: label(values)?, reason })
}

fn amount(values: &str) -> Option<Amount> {
    let (lines, bytes) = values.split_once(' ')?;
    Some(Amount { lines: lines.parse().ok()?, bytes: bytes.parse().ok()? })
}

fn limits(values: &str) -> Limits {
    let mut limits = values.split(' ').map(|limit| limit.parse().ok());
    let mut next = || limits.next().flatten();
    Limits { size: next(), number: next(), total: next(), age: next().map(Duration::from_secs) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> WriterState {
        let label = |secs: i64| Label::from_unix(1_700_000_000 + secs, 5);
        WriterState {
            program: "multilog 0.1.0".to_owned(),
            pid: 4711,
            opened: label(0),
            closed: Some(label(9)),
            failing: vec![Failing {
                since: label(1),
                reason: "unable to write to ./d/current: out of disk space".to_owned(),
            }],
            failed: Some(Failed { since: label(2), until: label(3), reason: "a: b".to_owned() }),
            held: Amount { lines: 12, bytes: 345 },
            dropped: Amount { lines: 1, bytes: 2 },
            synced: Some(label(4)),
            limits: Limits { size: Some(99_999), number: Some(10), total: None, age: None },
            held_for: Some(Held { len_max: 50_000_000, cursor: "/s/a cursor".to_owned() }),
        }
    }

    #[test]
    fn a_state_is_read_as_it_was_written() {
        let now = Label::from_unix(1_700_000_010, 7);
        let contents = state().format(now);
        assert_eq!(contents.len(), STATE_LEN);
        assert_eq!(WriterState::parse(&contents), Some(state()));
        assert!(
            contents.starts_with(b"multilog 0.1.0\npid 4711\nwritten @400000006553f11400000007\n")
        );
        let newer = [&contents[..], b"more"].concat();
        assert_eq!(WriterState::parse(&newer), Some(state()));
    }

    #[test]
    fn parts_of_two_states_are_none() {
        let one = state().format(Label::from_unix(1_700_000_010, 7));
        let other = state().format(Label::from_unix(1_700_000_011, 7));
        let mixed = [&one[..1000], &other[1000..]].concat();
        assert_eq!(WriterState::parse(&mixed), None);
        assert_eq!(WriterState::parse(&one[..STATE_LEN - 1]), None);
        assert_eq!(WriterState::parse(b""), None);
        assert_eq!(WriterState::parse(&[b'\n'; STATE_LEN]), None);
    }

    #[test]
    fn no_reason_is_too_long_or_leaves_its_line() {
        let reason = format!("unable to write to \x1b[2J\n{}: why", "/ä".repeat(3000));
        let failing = Failing { since: state().opened, reason };
        let failing = vec![failing.clone(), failing];
        let failed = state().failed.map(|failed| Failed { reason: "x".repeat(5000), ..failed });
        let held_for = Some(Held { len_max: u64::MAX, cursor: "/".repeat(CURSOR_LEN_MAX) });
        let state = WriterState { failing, failed, held_for, ..state() };
        let contents = state.format(state.opened);
        assert_eq!(contents.len(), STATE_LEN);
        let read = WriterState::parse(&contents).unwrap();
        assert!(read.failing[1].reason.starts_with("unable to write to \\x1b[2J\\x0a/ä/ä"));
        assert!(read.failing[1].reason.ends_with("/ä: why"));
        assert!(read.failing[1].reason.len() <= REASON_LEN_MAX);
        assert_eq!((read.held, &read.held_for), (state.held, &state.held_for));
        let held_for = state.held_for.map(|held| Held { cursor: held.cursor + "/", ..held });
        let longer = WriterState { held_for, ..read }.format(state.opened);
        assert_eq!(WriterState::parse(&longer).unwrap().held_for, None);
    }
}
