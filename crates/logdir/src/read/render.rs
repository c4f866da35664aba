//! Formats lines for display: log name, timestamp and text.

use crate::escape;
use crate::read::lines::{Ending, Line};
use crate::read::stamp::{Moment, Stamp};
use crate::sys::local_time;
use crate::time::calendar::Calendar;

pub use crate::time::Zone;

/// Display form of stamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Date and time to the millisecond, short enough to leave screen space for the text.
    Short(Zone),
    /// Local date and time, like tai64nlocal.
    Local,
    /// UTC date and time, in the same form.
    Utc,
    /// RFC 3339 with the local offset, or `Z`.
    Rfc3339(Zone),
    /// Seconds and nanoseconds since 1970.
    Unix,
    /// Time to the millisecond, without date.
    Time(Zone),
    /// Age at program start.
    Relative,
    /// Seconds since the preceding line.
    Delta,
    /// Text only.
    None,
    /// Unchanged stamp.
    Raw,
}

/// Treatment of terminal control bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bytes {
    /// Unchanged.
    AsTheyAre,
    /// Escaped unless text.
    Escaped,
}

/// Colours of names and matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// Coloured.
    On,
    /// Plain.
    Off,
}

/// Nanosecond digits, of which the first three are milliseconds.
const NANOS_LEN: usize = 9;
const MILLIS_LEN: usize = 3;

const HIGHLIGHT: &[u8] = b"\x1b[1;38;5;160m";
const PLAIN: &[u8] = b"\x1b[0m";
/// Name colours, of the 216 whose red, green and blue every terminal shares: of the first 16, green,
/// yellow and cyan vanish on white, and blue on black. A test computes their contrast.
const NAME_COLOURS: [u8; 6] = [31, 130, 28, 133, 63, 161];

/// Prefix of each line of this log. A name always gets the same colour.
pub fn prefix(name: &str, colours: Colours) -> Vec<u8> {
    match colours {
        Colours::Off => format!("{}: ", escape::shown(name.as_bytes())).into_bytes(),
        Colours::On => {
            let shown = escape::shown(name.as_bytes());
            let number = crate::read::last_line::hash(name.as_bytes()) % NAME_COLOURS.len() as u64;
            let colour = NAME_COLOURS[usize::try_from(number).unwrap_or(0)];
            format!("\x1b[38;5;{colour}m{shown}:\x1b[0m ").into_bytes()
        }
    }
}

/// Formats lines of several directories.
pub struct Renderer {
    format: Format,
    bytes: Bytes,
    colours: Colours,
    /// Name prefix of each directory.
    names: Vec<Vec<u8>>,
    calendar: Calendar,
    offset: Offset,
    now: Moment,
    /// Moment of the last stamped line.
    before: Option<Moment>,
}

impl Renderer {
    /// Creates a renderer with a name prefix, possibly empty, per directory.
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

    /// Appends a line of this directory, plus a newline unless the line continues in the next
    /// piece. Names of other directories with this line follow the directory's own name.
    ///
    /// `find` returns the text range to highlight if colours are on.
    pub fn append(
        &mut self,
        number: usize,
        others: &[usize],
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
            for &number in [number].iter().chain(others) {
                to.extend_from_slice(&self.names[number]);
            }
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

    /// Appends a stamp in the chosen form, or unchanged if that form cannot express it.
    fn append_stamp(&mut self, number: usize, bytes: &[u8], stamp: Stamp, to: &mut Vec<u8>) {
        if self.append_moment(stamp.moment, to) {
            to.push(b' ');
        } else if self.format != Format::None {
            to.extend_from_slice(bytes);
            // Separates a name from a stamp that ends the line.
            if stamp.end == stamp.len && !self.names[number].is_empty() {
                to.push(b' ');
            }
        }
    }

    /// Formats a moment for messages.
    pub fn moment(&mut self, moment: Moment) -> String {
        text_of(&mut self.calendar, moment)
    }

    /// Appends a moment. False, with nothing appended, if the stamp stays unchanged.
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
        // Years may have more than four digits.
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

/// Formats single moments.
pub struct Moments(Calendar);

impl Moments {
    /// Formats in UTC.
    pub fn utc() -> Moments {
        Moments(Calendar::new(local_time::universal))
    }

    /// Formats a moment like tai64nlocal.
    pub fn text(&mut self, moment: Moment) -> String {
        text_of(&mut self.0, moment)
    }
}

fn text_of(calendar: &mut Calendar, moment: Moment) -> String {
    let mut text = Vec::new();
    calendar.append(moment.unix_secs, moment.nanos, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// Cached UTC offset of local time. Zone changes happen on quarter hours, so each quarter hour
/// needs one look-up.
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

/// Age at `now`, padded to constant width: to the second below an hour, to the minute below a day,
/// then to the hour.
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

/// Seconds between two moments.
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
            renderer.append(0, &[], line, stamps.parse(line.bytes), |_| None, &mut output);
        }
        assert_eq!(String::from_utf8(output).unwrap(), expected);
    }

    /// Red, green and blue of a colour from 16 to 231: a cube of six steps each.
    fn luminance(colour: u8) -> f64 {
        let channel = |step: u8| {
            let value = f64::from([0, 95, 135, 175, 215, 255][usize::from(step)]) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        let cell = colour - 16;
        let [red, green, blue] = [cell / 36, cell / 6 % 6, cell % 6].map(channel);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// Contrast as the Web Content Accessibility Guidelines define it; 3 is their least for signs.
    #[test]
    fn every_colour_is_readable_on_white_and_on_black() {
        let highlight = std::str::from_utf8(HIGHLIGHT).unwrap();
        let highlight = highlight.strip_prefix("\x1b[1;38;5;").unwrap().strip_suffix('m').unwrap();
        for colour in NAME_COLOURS.into_iter().chain([highlight.parse().unwrap()]) {
            let luminance = luminance(colour);
            let (on_white, on_black) = (1.05 / (luminance + 0.05), (luminance + 0.05) / 0.05);
            assert!(on_white >= 3.5 && on_black >= 3.5, "{colour}: {on_white} {on_black}");
        }
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
