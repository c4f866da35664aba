//! Lines that were written lately, so that one which is delivered again is written once.
//!
//! A line of `logship` names its host, its directory and its cursor; these are its identity, whatever carries it.
//! Lines without a cursor have none, and are written as often as they come.

use ::logdir::read::lines::Ending;
use ::logdir::{LogLines, Reader};
use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hasher};
use std::path::Path;
use wire::parts;
use wire::syslog::structured_data::params;
use wire::syslog::{Message, Sender, parse};

/// Identities that are remembered. A stream keeps fewer messages than this on their way.
const REMEMBERED_MAX: usize = 262_144;
/// Lines and bytes at the end of a directory that are read when it is opened. A killed receiver has written no more
/// than this without having answered for it.
const READ_BACK_MAX: usize = 65_536;
const READ_BACK_LEN_MAX: usize = 32 * 1024 * 1024;
/// Bytes of a line in front of its message, at most: facility, severity, host.
const PREFIX_LEN_MAX: usize = 320;

/// A line of `logship`, whatever carries it: a hash of its host, directory, cursor and part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity(u128);

/// Identities, oldest first.
#[derive(Debug, Default)]
pub struct Seen {
    order: VecDeque<u128>,
    known: HashSet<u128>,
}

impl Seen {
    /// True if this identity was not seen before. It is from now on.
    pub fn is_new(&mut self, identity: Identity) -> bool {
        self.add(identity.0)
    }

    /// Forgets a line that a failed fsync may have lost: it is new when it is delivered again.
    pub fn forget(&mut self, identity: Identity) {
        self.known.remove(&identity.0);
    }

    /// Takes the last lines of a directory that was opened just now. What cannot be read is not known.
    pub fn read_back(&mut self, dir: &Path) {
        let Ok(reader) = Reader::open(dir) else { return };
        let mut found = identities(reader.reverse(None, None));
        // Oldest first, since the oldest is forgotten first.
        while let Some(identity) = found.pop() {
            self.add(identity);
        }
    }

    fn add(&mut self, identity: u128) -> bool {
        if !self.known.insert(identity) {
            return false;
        }
        self.order.push_back(identity);
        if self.order.len() > REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

/// Identities of the last lines, newest first.
fn identities(mut lines: LogLines) -> Vec<u128> {
    let (mut found, mut len) = (Vec::new(), 0);
    let mut message = Vec::new();
    while let Some(line) = lines.next() {
        len += line.text().len();
        if found.len() >= READ_BACK_MAX || len > READ_BACK_LEN_MAX {
            break;
        }
        // A kill between two writes cuts a line anywhere. What is left of it may have the cursor, but not the text.
        if line.ending != Ending::Newline {
            continue;
        }
        message.clear();
        append_message(line.text(), &mut message);
        found.extend(Identity::of(&parse(&message, Sender::Remote)).map(|identity| identity.0));
    }
    found
}

/// The message that a line was made of, but for its facility and severity.
fn append_message(line: &[u8], message: &mut Vec<u8>) {
    if line.first() == Some(&b'<') {
        message.extend_from_slice(line);
        return;
    }
    // Facility, severity and host stand before it, each with a colon.
    let head = &line[..line.len().min(PREFIX_LEN_MAX)];
    let prefix_len = head.windows(4).position(|word| word == b": 1 ").map_or(0, |pos| pos + 2);
    message.extend_from_slice(b"<13>");
    message.extend_from_slice(&line[prefix_len..]);
}

impl Identity {
    /// Identity of a message with a cursor.
    pub fn of(message: &Message<'_>) -> Option<Identity> {
        let (mut dir, mut cursor, mut part) = (None, None, None);
        for param in params(message.structured_data?) {
            match param.name {
                b"dir" => dir = Some(param.escaped),
                b"cursor" => cursor = Some(param.escaped),
                b"part" if param.id == parts::SD_ID.as_bytes() => part = Some(param.escaped),
                _ => {}
            }
        }
        let parts = [message.host.unwrap_or_default(), dir?, cursor?, part.unwrap_or_default()];
        Some(Identity(u128::from(hash(0, parts)) << 64 | u128::from(hash(1, parts))))
    }
}

fn hash(key: u8, parts: [&[u8]; 4]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u8(key);
    for part in parts {
        hasher.write_usize(part.len());
        hasher.write(part);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(host: &str, cursor: &str, part: &str) -> String {
        format!(
            "<30>1 2026-11-26T17:40:08Z {host} app - - [multilog@32473 dir=\"./m\\]\" label=\"@4\" \
             cursor=\"{cursor}\"]{part} text with cursor=\"x\""
        )
    }

    fn identity(message: &str) -> Option<Identity> {
        Identity::of(&parse(message.as_bytes(), Sender::Remote))
    }

    #[test]
    fn a_line_is_known_by_host_directory_cursor_and_part() {
        let mut seen = Seen::default();
        let mut check = |host, cursor, part, is_new| {
            let message = message(host, cursor, part);
            let identity = identity(&message).expect("a cursor");
            assert_eq!(seen.is_new(identity), is_new, "{message}");
        };
        let second = "[part@32473 id=\"1.2\" part=\"2\" parts=\"3\"]";
        check("web", "1.2", "", true);
        check("web", "1.2", "", false);
        check("web", "1.3", "", true);
        check("db", "1.2", "", true);
        check("web", "1.2", second, true);
        check("web", "1.2", second, false);
    }

    #[test]
    fn a_message_without_a_cursor_has_no_identity() {
        for text in ["<13>tag: x", "<13>1 2026-11-26T17:40:08Z web app - - - x", ""] {
            assert_eq!(identity(text), None, "{text}");
        }
    }

    #[test]
    fn the_line_of_a_message_has_its_identity() {
        let message = message("web", "1.2", "");
        let line = message.replace("<30>", "daemon.info: web: ");
        let mut again = Vec::new();
        append_message(line.as_bytes(), &mut again);
        let again = identity(&String::from_utf8_lossy(&again));
        assert!(again.is_some());
        assert_eq!(again, identity(&message));
    }

    #[test]
    fn a_line_that_a_kill_cut_off_is_new() {
        let dir = tempfile::tempdir().expect("a directory");
        let stamp = "@400000006b17a5c800000000";
        let line = |cursor| message("web", cursor, "").replace("<30>", "daemon.info: web: ");
        // The cursor is whole, the text is not.
        let text = format!("{stamp} {}\n{stamp} {}", line("1.1"), line("1.2"));
        let text = &text[..text.len() - 5];
        std::fs::write(dir.path().join("@400000006b17a5c900000000.u"), text).expect("a file");
        for next in ["", &format!("{stamp} {}\n", line("1.3"))] {
            std::fs::write(dir.path().join("current"), next).expect("a file");
            let mut seen = Seen::default();
            seen.read_back(dir.path());
            let mut is_new =
                |cursor| seen.is_new(identity(&message("web", cursor, "")).expect("a cursor"));
            let found = ["1.1", "1.2", "1.3"].map(&mut is_new);
            assert_eq!(found, [false, true, next.is_empty()]);
        }
    }

    #[test]
    fn the_oldest_is_forgotten_and_what_was_lost_is_new() {
        let mut seen = Seen::default();
        for number in 0..=REMEMBERED_MAX as u128 {
            assert!(seen.add(number));
        }
        assert!(seen.add(0), "the first was forgotten");
        assert!(!seen.add(2));
        assert_eq!((seen.order.len(), seen.known.len()), (REMEMBERED_MAX, REMEMBERED_MAX));
        seen.forget(Identity(2));
        assert!(seen.is_new(Identity(2)));
    }
}
