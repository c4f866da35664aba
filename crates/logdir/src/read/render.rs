//! Lines as people read them: whose they are, when they were, and what they say.

use crate::escape;
use crate::read::lines::{Ending, Line};
use crate::read::stamp::{Moment, Stamp};
use crate::sys::local_time;
use crate::time::calendar::Calendar;

pub use crate::time::Zone;

/// What becomes of stamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Date and time to the millisecond, which leaves room for the text on a screen.
    Short(Zone),
    /// Local date and time, as tai64nlocal gives them.
    Local,
    /// The same in universal time.
    Utc,
    /// RFC 3339 with the offset of local time, or `Z`.
    Rfc3339(Zone),
    /// Seconds since 1970, with nanoseconds.
    Unix,
    /// The time of day to the millisecond.
    Time(Zone),
    /// How long ago it was when the program was started.
    Relative,
    /// The time since the line before.
    Delta,
    /// Nothing: the text alone.
    None,
    /// What they are.
    Raw,
}

/// Whether bytes that a terminal obeys are shown as escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bytes {
    /// Copied as they are.
    AsTheyAre,
    /// Shown as escapes where they are no text.
    Escaped,
}

/// Whether names and matches have colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// They have.
    On,
    /// They have not.
    Off,
}

/// Decimals of a second, and those of them that are milliseconds.
const NANOS_LEN: usize = 9;
const MILLIS_LEN: usize = 3;

const HIGHLIGHT: &[u8] = b"\x1b[1;31m";
const PLAIN: &[u8] = b"\x1b[0m";
/// The colours of names: those that can be read on dark and on light.
const NAME_COLOURS: [u8; 6] = [36, 33, 32, 35, 34, 31];

/// What is written before the text of each line of a log with this name. Its color is always the same.
pub fn prefix(name: &str, colours: Colours) -> Vec<u8> {
    match colours {
        Colours::Off => format!("{}: ", escape::shown(name.as_bytes())).into_bytes(),
        Colours::On => {
            let shown = escape::shown(name.as_bytes());
            let number = crate::read::last_line::hash(name.as_bytes()) % NAME_COLOURS.len() as u64;
            let colour = NAME_COLOURS[usize::try_from(number).unwrap_or(0)];
            format!("\x1b[{colour}m{shown}:\x1b[0m ").into_bytes()
        }
    }
}

/// Renders the lines of several directories.
pub struct Renderer {
    format: Format,
    bytes: Bytes,
    colours: Colours,
    /// What is written before the text of the lines of each directory.
    names: Vec<Vec<u8>>,
    calendar: Calendar,
    offset: Offset,
    now: Moment,
    /// The moment of the last line that had one.
    before: Option<Moment>,
}

impl Renderer {
    /// Renders lines with these names before them, which may be empty.
    pub fn new(
        format: Format,
        bytes: Bytes,
        colours: Colours,
        names: Vec<Vec<u8>>,
        now: Moment,
    ) -> Renderer {
        let calendar = Calendar::new(match format {
            Format::Utc
            | Format::Short(Zone::Utc)
            | Format::Time(Zone::Utc)
            | Format::Rfc3339(Zone::Utc) => local_time::universal,
            Format::Local
            | Format::Short(Zone::Local)
            | Format::Time(Zone::Local)
            | Format::Rfc3339(Zone::Local)
            | Format::Unix
            | Format::Relative
            | Format::Delta
            | Format::None
            | Format::Raw => local_time::local,
        });
        Renderer {
            format,
            bytes,
            colours,
            names,
            calendar,
            offset: Offset::default(),
            now,
            before: None,
        }
    }

    /// Appends a line of the directory with this number, and a newline unless the next piece is more
    /// of it.
    ///
    /// `find` says which part of the text is highlighted, where there are colours.
    pub fn append(
        &mut self,
        number: usize,
        line: Line<'_>,
        stamp: Option<Stamp>,
        find: impl Fn(&[u8]) -> Option<std::ops::Range<usize>>,
        to: &mut Vec<u8>,
    ) {
        let mut text = line.bytes;
        if !line.continues {
            if let Some(stamp) = stamp {
                self.append_stamp(number, &text[..stamp.end], stamp, to);
                text = &text[stamp.end..];
            }
            to.extend_from_slice(&self.names[number]);
        }
        let highlight = match self.colours {
            Colours::On => find(text),
            Colours::Off => None,
        };
        if let Some(range) = highlight {
            self.append_text(&text[..range.start], to);
            to.extend_from_slice(HIGHLIGHT);
            self.append_text(&text[range.clone()], to);
            to.extend_from_slice(PLAIN);
            self.append_text(&text[range.end..], to);
        } else {
            self.append_text(text, to);
        }
        match line.ending {
            Ending::Cut => {}
            Ending::Newline | Ending::Torn | Ending::Open => to.push(b'\n'),
        }
    }

    fn append_text(&self, text: &[u8], to: &mut Vec<u8>) {
        match self.bytes {
            Bytes::AsTheyAre => to.extend_from_slice(text),
            Bytes::Escaped => escape::append(text, to),
        }
    }

    /// A stamp in the form that is wanted, or as it is if there is no such form of it.
    fn append_stamp(&mut self, number: usize, bytes: &[u8], stamp: Stamp, to: &mut Vec<u8>) {
        if self.append_moment(stamp.moment, to) {
            to.push(b' ');
        } else if self.format != Format::None {
            to.extend_from_slice(bytes);
            // A name is not written next to a stamp that is the whole line.
            if stamp.end == stamp.len && !self.names[number].is_empty() {
                to.push(b' ');
            }
        }
    }

    /// The moment by itself, as in messages.
    pub fn moment(&mut self, moment: Moment) -> String {
        text_of(&mut self.calendar, moment)
    }

    /// False, and nothing appended, where the stamp stays as it is.
    fn append_moment(&mut self, moment: Moment, to: &mut Vec<u8>) -> bool {
        match self.format {
            Format::Raw | Format::None => return false,
            Format::Unix => to.extend_from_slice(moment.to_unix_text().as_bytes()),
            Format::Time(_) => return self.append_time(moment, to),
            Format::Local | Format::Utc => {
                return self.calendar.append(moment.unix_secs, moment.nanos, to);
            }
            Format::Short(_) => {
                let is_known = self.calendar.append(moment.unix_secs, moment.nanos, to);
                to.truncate(to.len() - if is_known { NANOS_LEN - MILLIS_LEN } else { 0 });
                return is_known;
            }
            Format::Rfc3339(zone) => return self.append_rfc3339(moment, zone, to),
            Format::Relative => to.extend_from_slice(ago(self.now, moment).as_bytes()),
            Format::Delta => {
                to.extend_from_slice(since(self.before.unwrap_or(moment), moment).as_bytes());
            }
        }
        self.before = Some(moment);
        true
    }

    fn append_time(&mut self, moment: Moment, to: &mut Vec<u8>) -> bool {
        let start = to.len();
        if !self.calendar.append(moment.unix_secs, moment.nanos, to) {
            return false;
        }
        to.truncate(to.len() - (NANOS_LEN - MILLIS_LEN));
        // The year has as many digits as it needs.
        let date_len = to[start..].iter().position(|&byte| byte == b' ').map_or(0, |pos| pos + 1);
        to.drain(start..start + date_len);
        true
    }

    fn append_rfc3339(&mut self, moment: Moment, zone: Zone, to: &mut Vec<u8>) -> bool {
        let start = to.len();
        if !self.calendar.append(moment.unix_secs, moment.nanos, to) {
            return false;
        }
        if let Some(space) = to[start..].iter().position(|&byte| byte == b' ') {
            to[start + space] = b'T';
        }
        to.extend_from_slice(match zone {
            Zone::Utc => b"Z",
            Zone::Local => self.offset.at(moment.unix_secs).as_bytes(),
        });
        true
    }
}

/// Moments by themselves.
pub struct Moments(Calendar);

impl Moments {
    /// In universal time.
    pub fn utc() -> Moments {
        Moments(Calendar::new(local_time::universal))
    }

    /// A moment, as tai64nlocal gives it.
    pub fn text(&mut self, moment: Moment) -> String {
        text_of(&mut self.0, moment)
    }
}

fn text_of(calendar: &mut Calendar, moment: Moment) -> String {
    let mut text = Vec::new();
    calendar.append(moment.unix_secs, moment.nanos, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// The offset of local time from universal time, looked up once a quarter of an hour: zones change
/// between two of them.
#[derive(Default)]
struct Offset {
    quarter: Option<i64>,
    text: String,
}

impl Offset {
    fn at(&mut self, unix_secs: i64) -> &str {
        const QUARTER_SECS: i64 = 900;
        let quarter = unix_secs.div_euclid(QUARTER_SECS);
        if self.quarter != Some(quarter) {
            self.quarter = Some(quarter);
            let secs = local_time::local(unix_secs).map_or(0, |time| time.east_secs);
            let sign = if secs < 0 { '-' } else { '+' };
            let minutes = secs.unsigned_abs() / 60;
            self.text = format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60);
        }
        &self.text
    }
}

/// How long before `now`, to the second below a minute, the minute below a day and so on; as wide as
/// any other.
fn ago(now: Moment, moment: Moment) -> String {
    let secs = now.unix_secs.saturating_sub(moment.unix_secs);
    let (way, secs) = if secs < 0 { ("ahead", secs.unsigned_abs()) } else { ("ago", secs as u64) };
    let text = match secs {
        0..60 => format!("{secs}s {way}"),
        60..3600 => format!("{}m{:02}s {way}", secs / 60, secs % 60),
        3600..86_400 => format!("{}h{:02}m {way}", secs / 3600, secs / 60 % 60),
        86_400.. => format!("{}d{:02}h {way}", secs / 86_400, secs / 3600 % 24),
    };
    format!("{text:>11}")
}

/// The time from one moment to another in seconds.
fn since(before: Moment, moment: Moment) -> String {
    const NANOS: u128 = crate::label::NANOS_PER_SEC as u128;
    let passed = moment.to_nanos() - before.to_nanos();
    let sign = if passed < 0 { '-' } else { '+' };
    let passed = passed.unsigned_abs();
    let secs = format!("{sign}{}", passed / NANOS);
    format!("{secs:>5}.{:09}", passed % NANOS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Moment = Moment { unix_secs: 1_700_000_000, nanos: 5 };

    #[track_caller]
    fn check(format: Format, bytes: &str, expected: &str) {
        let names = vec![b"web: ".to_vec()];
        let mut renderer = Renderer::new(format, Bytes::AsTheyAre, Colours::Off, names, AT);
        let mut output = Vec::new();
        let mut stamps = crate::read::stamp::StampParser::new(crate::label::Counting::Ten);
        for line in bytes.lines() {
            let line = Line { bytes: line.as_bytes(), ending: Ending::Newline, continues: false };
            renderer.append(0, line, stamps.parse(line.bytes), |_| None, &mut output);
        }
        assert_eq!(String::from_utf8(output).unwrap(), expected);
    }

    #[test]
    fn stamps_of_all_writers_come_out_alike() {
        let lines = "@400000006553f10a00000001 a\n2023-11-14_22:13:21.50000 b\nno stamp\n";
        check(
            Format::Raw,
            lines,
            "@400000006553f10a00000001 web: a\n\
             2023-11-14_22:13:21.50000 web: b\nweb: no stamp\n",
        );
        check(
            Format::Utc,
            lines,
            "2023-11-14 22:13:20.000000001 web: a\n\
             2023-11-14 22:13:21.500000000 web: b\nweb: no stamp\n",
        );
        check(
            Format::Short(Zone::Utc),
            lines,
            "2023-11-14 22:13:20.000 web: a\n2023-11-14 22:13:21.500 web: b\nweb: no stamp\n",
        );
        check(
            Format::Rfc3339(Zone::Utc),
            lines,
            "2023-11-14T22:13:20.000000001Z web: a\n\
             2023-11-14T22:13:21.500000000Z web: b\nweb: no stamp\n",
        );
        check(
            Format::Delta,
            lines,
            "   +0.000000000 web: a\n   +1.499999999 web: b\nweb: no stamp\n",
        );
        check(
            Format::Unix,
            lines,
            "1700000000.000000001 web: a\n1700000001.500000000 web: b\nweb: no stamp\n",
        );
        check(
            Format::Time(Zone::Utc),
            lines,
            "22:13:20.000 web: a\n22:13:21.500 web: b\nweb: no stamp\n",
        );
        check(Format::None, lines, "web: a\nweb: b\nweb: no stamp\n");
    }

    #[test]
    fn times_ago_are_short() {
        let ago = |secs| ago(AT, Moment { unix_secs: AT.unix_secs - secs, nanos: 0 });
        assert_eq!(ago(0), "     0s ago");
        assert_eq!(ago(61), "  1m01s ago");
        assert_eq!(ago(86_399), " 23h59m ago");
        assert_eq!(ago(90_000), "  1d01h ago");
        assert_eq!(ago(-5), "   5s ahead");
    }
}
