//! The stamps of crate `logdir` as the line engine of crate `script` asks for them.

use ::logdir::label::{self, Label};
use ::logdir::stamp::{self, DateStamps, Stamper as _};
use script::StampFormat;
use script::lines::{Lines, Sinks};
use script::stamper::{NoStamps, Stamper};

/// The stamps of a script.
#[derive(Debug)]
pub enum Stamps {
    /// None.
    Off,
    /// TAI64N labels.
    Labels(Labels),
    /// Dates.
    Dates(Dates),
}

impl Stamps {
    /// The stamps that a script asks for.
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

    /// Takes the moment a block was read; the stamps of lines that begin in it count from there.
    pub fn set_clock(&mut self, now: Label) {
        match self {
            Stamps::Off => {}
            Stamps::Labels(labels) => labels.0.set_clock(now),
            Stamps::Dates(dates) => dates.0.set_clock(now),
        }
    }

    /// Gives a block to the line engine; see [`Lines::take`].
    pub fn take(&mut self, lines: &mut Lines, block: &[u8], to: &mut impl Sinks) -> usize {
        match self {
            Stamps::Off => lines.take(block, &mut NoStamps, to),
            Stamps::Labels(labels) => lines.take(block, labels, to),
            Stamps::Dates(dates) => lines.take(block, dates, to),
        }
    }

    /// Ends the input of the line engine; see [`Lines::end`].
    pub fn end(&mut self, lines: &mut Lines, rest: &[u8], to: &mut impl Sinks) {
        match self {
            Stamps::Off => lines.end(rest, &mut NoStamps, to),
            Stamps::Labels(labels) => lines.end(rest, labels, to),
            Stamps::Dates(dates) => lines.end(rest, dates, to),
        }
    }

    /// Appends the next stamp and a space.
    pub fn append_to(&mut self, text: &mut Vec<u8>) {
        match self {
            Stamps::Off => {}
            Stamps::Labels(labels) => labels.0.append_to(text),
            Stamps::Dates(dates) => dates.0.append_to(text),
        }
    }
}

/// Labels as stamps of lines.
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

/// Dates as stamps of lines.
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
