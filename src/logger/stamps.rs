//! Adapts crate `logdir`'s stamps to crate `script`'s line engine.

use ::logdir::label::{self, Label};
use ::logdir::stamp::{self, DateStamps, Stamper as _};
use script::StampFormat;
use script::lines::{Lines, Sinks};
use script::stamper::{NoStamps, Stamper};

/// Stamps of a script.
#[derive(Debug)]
pub enum Stamps {
    /// No stamps.
    Off,
    /// TAI64N labels.
    Labels(Labels),
    /// Dates.
    Dates(Dates),
}

impl Stamps {
    /// Stamps for a format.
    pub fn new(format: Option<StampFormat>) -> Stamps {
        let format = format.map(|format| match format {
            StampFormat::Tai64n => stamp::StampFormat::Tai64n,
            StampFormat::Unix => stamp::StampFormat::Unix,
            StampFormat::Utc => stamp::StampFormat::Utc,
            StampFormat::Local => stamp::StampFormat::Local,
        });
        match stamp::Stamping::new(format) {
            stamp::Stamping::Off => Stamps::Off,
            stamp::Stamping::Labels(labels) => Stamps::Labels(Labels(labels)),
            stamp::Stamping::Dates(dates) => Stamps::Dates(Dates(dates)),
        }
    }

    /// Sets the read time of a block; stamps of lines starting inside it count from this time.
    pub fn set_clock(&mut self, now: Label) {
        match self {
            Stamps::Off => {}
            Stamps::Labels(labels) => labels.0.set_clock(now),
            Stamps::Dates(dates) => dates.0.set_clock(now),
        }
    }

    /// Passes a block to the line engine; see [`Lines::take`].
    pub fn take(&mut self, lines: &mut Lines, block: &[u8], to: &mut impl Sinks) -> usize {
        match self {
            Stamps::Off => lines.take(block, &mut NoStamps, to),
            Stamps::Labels(labels) => lines.take(block, labels, to),
            Stamps::Dates(dates) => lines.take(block, dates, to),
        }
    }

    /// Ends the line engine's input; see [`Lines::end`].
    pub fn end(&mut self, lines: &mut Lines, rest: &[u8], to: &mut impl Sinks) {
        match self {
            Stamps::Off => lines.end(rest, &mut NoStamps, to),
            Stamps::Labels(labels) => lines.end(rest, labels, to),
            Stamps::Dates(dates) => lines.end(rest, dates, to),
        }
    }

    /// Appends the next stamp plus space.
    pub fn append_to(&mut self, text: &mut Vec<u8>) {
        match self {
            Stamps::Off => {}
            Stamps::Labels(labels) => labels.0.append_to(text),
            Stamps::Dates(dates) => dates.0.append_to(text),
        }
    }
}

/// Length of a line's leading stamp if its format matches.
pub fn leading_len(format: Option<StampFormat>, line: &[u8]) -> Option<usize> {
    match format? {
        StampFormat::Tai64n => {
            let has_space = line.get(label::LABEL_LEN) == Some(&b' ');
            Label::parse(line).filter(|_| has_space).map(|_| label::STAMP_LEN)
        }
        StampFormat::Unix => {
            let (secs, rest) = line.split_at(line.iter().position(|&byte| byte == b'.')?);
            let is_stamp = !secs.is_empty()
                && secs.iter().all(u8::is_ascii_digit)
                && rest.len() >= MICROS_LEN
                && rest[1..MICROS_LEN - 1].iter().all(u8::is_ascii_digit)
                && rest[MICROS_LEN - 1] == b' ';
            is_stamp.then_some(secs.len() + MICROS_LEN)
        }
        StampFormat::Utc | StampFormat::Local => stamp::parse_date(line).map(|(_, _, len)| len),
    }
}

/// Bytes of point, microseconds and space.
const MICROS_LEN: usize = 8;

/// Label stamper.
#[derive(Debug)]
pub struct Labels(label::Stamps);

impl Stamper for Labels {
    #[inline]
    fn stamp_len(&mut self) -> usize {
        label::STAMP_LEN
    }

    #[inline]
    fn put_next(&mut self, room: &mut [u8]) {
        self.0.put_next(room);
    }

    #[inline]
    fn skip(&mut self) {
        self.0.skip();
    }
}

/// Date stamper.
#[derive(Debug)]
pub struct Dates(DateStamps);

impl Stamper for Dates {
    fn stamp_len(&mut self) -> usize {
        self.0.stamp_len()
    }

    fn put_next(&mut self, room: &mut [u8]) {
        self.0.put_next(room);
    }

    fn skip(&mut self) {
        self.0.skip();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_begins_with_a_stamp_that_its_script_makes() {
        for (format, text) in [
            (StampFormat::Tai64n, "@400000003ade68b109ab4c4c "),
            (StampFormat::Unix, "1700000000.123456 "),
            (StampFormat::Utc, "2023-11-14T22:13:20.000000001Z "),
            (StampFormat::Local, "2023-11-14T22:13:20.000000001+01:00 "),
        ] {
            let line = format!("{text}x");
            assert_eq!(leading_len(Some(format), line.as_bytes()), Some(text.len()), "{line}");
            assert_eq!(leading_len(None, line.as_bytes()), None);
            let other = format!("x{line}");
            assert_eq!(leading_len(Some(format), other.as_bytes()), None);
            for len in 0..text.len() {
                assert_eq!(leading_len(Some(format), &line.as_bytes()[..len]), None, "{len}");
            }
        }
    }

    #[test]
    fn the_stamps_of_a_script_are_known_again() {
        for format in [StampFormat::Tai64n, StampFormat::Unix, StampFormat::Utc, StampFormat::Local]
        {
            let mut stamps = Stamps::new(Some(format));
            stamps.set_clock(Label::from_unix(1_700_000_000, 5));
            let mut line = Vec::new();
            stamps.append_to(&mut line);
            assert_eq!(leading_len(Some(format), &line), Some(line.len()));
        }
    }
}
