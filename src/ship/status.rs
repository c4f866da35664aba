//! How things stand, in a file for people, programs and monitors: one JSON object, replaced as a whole.

use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// A receiver that answers nothing for so long is a failure, in seconds.
pub const SILENCE_MAX_SECS: u64 = 60;
/// Age in seconds at which a status means a stopped `logship`.
const STALE_SECS: u64 = 30;

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
    /// Bytes in files that are still to be read.
    pub behind_bytes: u64,
    /// The time of the last line that was delivered, in seconds since 1970.
    pub last_delivered: Option<u64>,
    /// Whether the loop ended while lines were still to be sent.
    #[serde(skip)]
    pub is_incomplete: bool,
}

impl Status {
    /// Replaces the file.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let mut text = serde_json::to_vec(self)?;
        text.push(b'\n');
        replace(path, &text)
    }

    /// Replaces a file with the status as Prometheus text.
    pub fn save_metrics(&self, path: &Path) -> io::Result<()> {
        replace(path, self.metrics().as_bytes())
    }

    /// Prometheus text. A value that is not known is left out.
    fn metrics(&self) -> String {
        let mut text = String::new();
        let rows: [(&str, &str, &str, Option<u64>); 11] = [
            (
                "connected",
                "gauge",
                "1 while logship is connected to a receiver.",
                Some(self.connected.into()),
            ),
            (
                "status_timestamp_seconds",
                "gauge",
                "Time when this text was written.",
                Some(self.at),
            ),
            ("sent_messages_total", "counter", "Messages handed to the receiver.", Some(self.sent)),
            (
                "acknowledged_lines_total",
                "counter",
                "Lines that the receiver answered for.",
                Some(self.acknowledged),
            ),
            (
                "sent_again_messages_total",
                "counter",
                "Messages sent again after a connection broke.",
                Some(self.sent_again),
            ),
            (
                "dead_letters_total",
                "counter",
                "Messages that the receiver refused for good.",
                Some(self.dead),
            ),
            (
                "gaps_total",
                "counter",
                "Times that lines were gone before they could be sent.",
                Some(self.gaps),
            ),
            ("unanswered_messages", "gauge", "Messages without an answer.", Some(self.waiting)),
            (
                "unread_bytes",
                "gauge",
                "Bytes in files that are still to be read.",
                Some(self.behind_bytes),
            ),
            (
                "silent_since_timestamp_seconds",
                "gauge",
                "Time since which the receiver has not answered.",
                self.silent_since,
            ),
            (
                "last_delivered_timestamp_seconds",
                "gauge",
                "Time of the last line that was delivered.",
                self.last_delivered,
            ),
        ];
        for (name, kind, help, value) in rows {
            let Some(value) = value else { continue };
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "# HELP logship_{name} {help}\n# TYPE logship_{name} {kind}\nlogship_{name} {value}\n"
            );
        }
        text
    }

    /// Reads the file.
    pub fn load(path: &Path) -> io::Result<Status> {
        Ok(serde_json::from_slice(&fs::read(path)?)?)
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

    /// What a monitor has to know: the exit code of a Nagios plugin, and a line.
    pub fn check(&self, now: u64) -> (u8, String) {
        let age = now.saturating_sub(self.at);
        let silence = self.silent_since.map(|since| now.saturating_sub(since));
        if age > STALE_SECS {
            return (2, format!("CRITICAL: no logship has written this status for {age} s"));
        }
        if let Some(secs) = silence.filter(|&secs| secs >= SILENCE_MAX_SECS) {
            return (2, format!("CRITICAL: no acknowledgement for {secs} s; {}", self.text()));
        }
        if !self.connected {
            return (1, format!("WARNING: {}", self.text()));
        }
        if self.dead > 0 || self.gaps > 0 {
            return (1, format!("WARNING: {}", self.text()));
        }
        (0, format!("OK: {}", self.text()))
    }
}

/// Readers find the old or the new text, never a mixture.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    File::create(&new)?.write_all(text)?;
    fs::rename(&new, path)
}

/// A moment as seconds since 1970.
pub fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
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
        assert_eq!(check(&Status { gaps: 1, ..good.clone() }, 100), 1);
        assert_eq!(check(&Status { dead: 1, ..good }, 100), 1);
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("status");
        let status = Status { sent: 3, failure: Some("no \"route\"".into()), ..Status::default() };
        status.save(&path).unwrap();
        assert_eq!(Status::load(&path).unwrap(), status);
    }

    #[test]
    fn metrics_leave_out_what_is_not_known() {
        let status = Status { connected: true, gaps: 2, ..Status::default() };
        let text = status.metrics();
        assert!(text.starts_with("# HELP logship_connected "), "{text}");
        assert!(text.contains("\n# TYPE logship_gaps_total counter\nlogship_gaps_total 2\n"));
        assert!(!text.contains("last_delivered"), "{text}");
        let known = Status { last_delivered: Some(7), ..status };
        assert!(known.metrics().ends_with("logship_last_delivered_timestamp_seconds 7\n"));
    }
}
