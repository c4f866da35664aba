//! How things stand, in a file for people, programs and monitors: one JSON object, replaced as a whole.

use crate::logdir::figures;
use crate::prometheus;
use crate::status_file::{self, STALE_SECS};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

/// A receiver that answers nothing for so long is a failure, in seconds.
pub const SILENCE_MAX_SECS: u64 = 60;

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The process.
    pub pid: u32,
    /// When this was written, in seconds since 1970.
    pub at: u64,
    /// The receiver at hand.
    pub target: String,
    /// Whether it takes messages.
    pub connected: bool,
    /// Reason of the missing connection.
    pub failure: Option<String>,
    /// When the next try is due, in seconds since 1970.
    pub next_try: Option<u64>,
    /// Since when messages wait for an answer without one coming, in seconds since 1970.
    pub silent_since: Option<u64>,
    /// Messages handed to the receiver.
    pub sent: u64,
    /// Lines the receiver has answered for.
    pub acknowledged: u64,
    /// Unfinished last lines the receiver has answered for. Each is sent whole later.
    #[serde(default)]
    pub unfinished: u64,
    /// Messages that were sent again after a connection broke.
    pub sent_again: u64,
    /// Messages that the receiver refused for good.
    pub dead: u64,
    /// Times that lines were gone before they could be sent.
    pub gaps: u64,
    /// Messages on their way.
    pub waiting: u64,
    /// Bytes of all sources that were not delivered.
    pub behind_bytes: u64,
    /// How far each source is behind.
    #[serde(default)]
    pub sources: Vec<Lag>,
    /// The time of the last line that was delivered, in seconds since 1970.
    pub last_delivered: Option<u64>,
    /// Whether the loop ended while lines were still to be sent.
    #[serde(skip)]
    pub is_incomplete: bool,
}

/// State of the connection to the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It takes messages.
    Connected,
    /// There is none.
    Away,
    /// Messages have waited for an answer for [`SILENCE_MAX_SECS`].
    Silent,
    /// No logship renews the status.
    Stopped,
}

impl Condition {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Condition::Connected => "connected",
            Condition::Away => "away",
            Condition::Silent => "silent",
            Condition::Stopped => "stopped",
        }
    }
}

/// How far a source is behind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lag {
    /// Absolute path of the log directory or file.
    pub source: String,
    /// Lines that were not delivered.
    pub lines: u64,
    /// Whether their number is an estimate.
    pub is_estimate: bool,
    /// Their bytes as stored.
    pub bytes: u64,
    /// The time of the first of them, in seconds since 1970.
    pub oldest: Option<u64>,
    /// Seconds until retention removes that line at the present pace of the log.
    pub kept_secs: Option<u64>,
    /// Whether that is soon.
    pub is_at_risk: bool,
    /// Whether retention has removed lines that were not delivered, and the source was not read since.
    pub is_overtaken: bool,
    /// Times that lines were gone before they could be sent.
    pub gaps: u64,
    /// Between which lines the last time: RFC 3339 in UTC.
    pub last_gap: Option<(Option<String>, Option<String>)>,
}

impl Lag {
    /// Seconds that the first line has waited.
    pub fn behind_secs(&self, now: u64) -> u64 {
        self.oldest.map_or(0, |oldest| now.saturating_sub(oldest))
    }

    /// One line for people.
    pub fn text(&self, now: u64) -> String {
        let about = if self.is_estimate { "~" } else { "" };
        let lines = figures::count(self.lines as f64);
        let mut text =
            format!("{}: {about}{lines} lines, {} behind", self.source, figures::bytes(self.bytes));
        // Writing to a string cannot fail.
        if self.oldest.is_some() {
            let _ = write!(text, ", the first for {}", figures::span(self.behind_secs(now) as f64));
        }
        if let Some(secs) = self.kept_secs {
            let _ = write!(text, ", retention keeps it for {}", figures::span(secs as f64));
        }
        text
    }
}

impl Status {
    /// Replaces the file.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        status_file::save(path, self)
    }

    /// Replaces a file with the status as Prometheus text.
    pub fn save_metrics(&self, path: &Path) -> io::Result<()> {
        status_file::replace(path, self.metrics().as_bytes())
    }

    /// Prometheus text. A value that is not known is left out.
    fn metrics(&self) -> String {
        let mut text = String::new();
        let rows: [(&str, &str, Option<u64>); 11] = [
            (
                "connected",
                "1 while logship is connected to a receiver.",
                Some(self.connected.into()),
            ),
            ("status_timestamp_seconds", "Time when this text was written.", Some(self.at)),
            ("sent_messages_total", "Messages handed to the receiver.", Some(self.sent)),
            (
                "acknowledged_lines_total",
                "Lines that the receiver answered for.",
                Some(self.acknowledged),
            ),
            (
                "sent_again_messages_total",
                "Messages sent again after a connection broke.",
                Some(self.sent_again),
            ),
            ("dead_letters_total", "Messages that the receiver refused for good.", Some(self.dead)),
            (
                "gaps_total",
                "Times that lines were gone before they could be sent.",
                Some(self.gaps),
            ),
            ("unanswered_messages", "Messages without an answer.", Some(self.waiting)),
            (
                "undelivered_bytes",
                "Bytes of all sources that were not delivered.",
                Some(self.behind_bytes),
            ),
            (
                "silent_since_timestamp_seconds",
                "Time since which the receiver has not answered.",
                self.silent_since,
            ),
            (
                "last_delivered_timestamp_seconds",
                "Time of the last line that was delivered.",
                self.last_delivered,
            ),
        ];
        for (name, help, value) in rows {
            let sample = value.map(|value| (String::new(), value));
            prometheus::append(&mut text, &format!("logship_{name}"), help, sample);
        }
        self.source_metrics(&mut text);
        text
    }

    /// Rows for each source.
    fn source_metrics(&self, text: &mut String) {
        type Value<'a> = &'a dyn Fn(&Lag) -> Option<u64>;
        let rows: [(&str, &str, Value<'_>); 5] = [
            ("undelivered_lines", "Lines that were not delivered.", &|lag| Some(lag.lines)),
            ("undelivered_bytes", "Bytes of these lines as stored.", &|lag| Some(lag.bytes)),
            ("behind_seconds", "Time for which the first of these lines has waited.", &|lag| {
                Some(lag.behind_secs(self.at))
            }),
            (
                "retention_seconds",
                "Time until retention removes the first of these lines.",
                &|lag| lag.kept_secs,
            ),
            ("gaps_total", "Times that lines were gone before they could be sent.", &|lag| {
                Some(lag.gaps)
            }),
        ];
        for (name, help, value) in rows {
            let labels = |lag: &Lag| format!("{{source={}}}", prometheus::quoted(&lag.source));
            let samples = self.sources.iter().filter_map(|lag| Some((labels(lag), value(lag)?)));
            prometheus::append(text, &format!("logship_source_{name}"), help, samples);
        }
    }

    /// Reads the file.
    pub fn load(path: &Path) -> io::Result<Status> {
        status_file::load(path)
    }

    /// One line for people.
    pub fn text(&self) -> String {
        let state = match (&self.failure, self.connected) {
            (_, true) => format!("connected to {}", self.target),
            (Some(why), false) => format!("not connected to {}: {why}", self.target),
            (None, false) => format!("connecting to {}", self.target),
        };
        format!(
            "{state}; sent {}, acknowledged {}, sent again {}, dead {}, gaps {}, waiting {}, {} bytes behind",
            self.sent,
            self.acknowledged,
            self.sent_again,
            self.dead,
            self.gaps,
            self.waiting,
            self.behind_bytes,
        )
    }

    /// How the connection is.
    pub fn condition(&self, now: u64) -> Condition {
        match (now.saturating_sub(self.at), self.silence_secs(now)) {
            (age, _) if age > STALE_SECS => Condition::Stopped,
            (_, silence) if silence >= SILENCE_MAX_SECS => Condition::Silent,
            (..) if self.connected => Condition::Connected,
            (..) => Condition::Away,
        }
    }

    fn silence_secs(&self, now: u64) -> u64 {
        self.silent_since.map_or(0, |since| now.saturating_sub(since))
    }

    /// What a monitor has to know: the exit code of a Nagios plugin, and a line.
    pub fn check(&self, now: u64) -> (u8, String) {
        let condition = self.condition(now);
        match condition {
            Condition::Stopped => {
                let age = now.saturating_sub(self.at);
                return (2, format!("CRITICAL: no logship has written this status for {age} s"));
            }
            Condition::Silent => {
                let secs = self.silence_secs(now);
                return (2, format!("CRITICAL: no acknowledgement for {secs} s; {}", self.text()));
            }
            Condition::Connected | Condition::Away => {}
        }
        if let Some(lag) = self.sources.iter().find(|lag| lag.is_overtaken) {
            let what = "retention has removed lines that were not delivered";
            return (2, format!("CRITICAL: {what}: {}; {}", lag.text(now), self.text()));
        }
        if let Some(lag) = self.sources.iter().find(|lag| lag.is_at_risk) {
            let what = "retention soon removes lines that were not delivered";
            return (1, format!("WARNING: {what}: {}; {}", lag.text(now), self.text()));
        }
        if condition == Condition::Away || self.dead > 0 || self.gaps > 0 {
            return (1, format!("WARNING: {}", self.text()));
        }
        (0, format!("OK: {}", self.text()))
    }
}

/// The status file of a state directory.
pub fn of_state(dir: &Path) -> PathBuf {
    dir.join("status")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_monitor_hears_of_silence_staleness_and_loss() {
        let good =
            Status { at: 100, connected: true, target: "relp://a:1".into(), ..Status::default() };
        let check = |status: &Status, now| status.check(now).0;
        assert_eq!(check(&good, 110), 0);
        assert_eq!(check(&good, 131), 2);
        assert_eq!(check(&Status { silent_since: Some(40), ..good.clone() }, 100), 2);
        assert_eq!(check(&Status { silent_since: Some(41), ..good.clone() }, 100), 0);
        assert_eq!(check(&Status { connected: false, ..good.clone() }, 100), 1);
        let lag = |is_at_risk, is_overtaken| {
            vec![Lag::default(), Lag { is_at_risk, is_overtaken, ..Lag::default() }]
        };
        assert_eq!(check(&Status { sources: lag(false, false), ..good.clone() }, 100), 0);
        assert_eq!(check(&Status { sources: lag(true, false), ..good.clone() }, 100), 1);
        assert_eq!(check(&Status { sources: lag(true, true), ..good.clone() }, 100), 2);
        assert_eq!(check(&Status { gaps: 1, ..good.clone() }, 100), 1);
        assert_eq!(check(&Status { dead: 1, ..good }, 100), 1);
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("status");
        let gap = Some((None, Some("2026-11-26T00:00:00Z".into())));
        let sources = vec![Lag { source: "/log".into(), last_gap: gap, ..Lag::default() }];
        let failure = Some("no \"route\"".into());
        let status = Status { sent: 3, failure, sources, ..Status::default() };
        status.save(&path).unwrap();
        assert_eq!(Status::load(&path).unwrap(), status);
    }

    #[test]
    fn sources_have_a_row_each_of_the_metrics() {
        let source = |source: &str, oldest| Lag {
            source: source.into(),
            lines: 7,
            oldest,
            kept_secs: oldest.map(|_| 60),
            ..Lag::default()
        };
        let sources = vec![source("/log/a", Some(90)), source("/log/\"b\\", None)];
        let text = Status { at: 100, sources, ..Status::default() }.metrics();
        for expected in [
            "# TYPE logship_source_undelivered_lines gauge\nlogship_source_undelivered_lines{source=\"/log/a\"} 7\n",
            "\nlogship_source_behind_seconds{source=\"/log/a\"} 10\n",
            "\nlogship_source_behind_seconds{source=\"/log/\\\"b\\\\\"} 0\n",
            "logship_source_retention_seconds{source=\"/log/a\"} 60\n# HELP logship_source_gaps_total ",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
    }

    #[test]
    fn a_source_in_a_line_for_people() {
        let lag = Lag {
            source: "/log".into(),
            lines: 1200,
            is_estimate: true,
            bytes: 10_240,
            oldest: Some(40),
            kept_secs: Some(3600),
            ..Lag::default()
        };
        let expected =
            "/log: ~1200 lines, 10K behind, the first for 1m00s, retention keeps it for 1h00m";
        assert_eq!(lag.text(100), expected);
        assert_eq!(
            Lag { source: "/log".into(), ..Lag::default() }.text(100),
            "/log: 0 lines, 0B behind"
        );
    }

    #[test]
    fn metrics_leave_out_what_is_not_known() {
        let status = Status { connected: true, gaps: 2, ..Status::default() };
        let text = status.metrics();
        assert!(text.starts_with("# HELP logship_connected "), "{text}");
        assert!(text.contains("\n# TYPE logship_gaps_total counter\nlogship_gaps_total 2\n"));
        assert!(!text.contains("last_delivered"), "{text}");
        let known = Status { last_delivered: Some(7), ..status };
        assert!(known.metrics().contains("\nlogship_last_delivered_timestamp_seconds 7\n"));
    }
}
