//! Test stamps with real times and lengths, formatted simply. Other tests check real stamps.
//!
//! The fuzzer includes this file.

use super::{Lines, NoStamps, Sinks, StampFormat, Stamper};

pub const NANOS_PER_SEC: u32 = 1_000_000_000;
/// Label plus space, in bytes.
pub const STAMP_LEN: usize = 26;

/// A moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    secs: i64,
    nanos: u32,
}

impl Label {
    pub fn from_unix(secs: i64, nanos: u32) -> Label {
        Label { secs, nanos }
    }

    pub fn next(self) -> Label {
        match self.nanos + 1 {
            NANOS_PER_SEC => Label { secs: self.secs + 1, nanos: 0 },
            nanos => Label { nanos, ..self },
        }
    }

    pub fn format(self) -> Vec<u8> {
        format!("@{:016x}{:08x}", self.secs + (1 << 62) + 10, self.nanos).into_bytes()
    }
}

/// Stamp for a line that began now, plus space.
pub fn stamp_text(format: Option<StampFormat>, moment: Label) -> Vec<u8> {
    let (secs, nanos) = (moment.secs, moment.nanos);
    match format {
        None => Vec::new(),
        Some(StampFormat::Tai64n) => [moment.format(), b" ".to_vec()].concat(),
        Some(StampFormat::Unix) => format!("{secs:010}.{:06} ", nanos / 1000).into_bytes(),
        Some(StampFormat::Utc) => format!("date-{secs:014}.{nanos:09}Z ").into_bytes(),
        Some(StampFormat::Local) => format!("date-{secs:014}.{nanos:09}+00:00 ").into_bytes(),
    }
}

pub fn stamp_len(format: Option<StampFormat>) -> usize {
    stamp_text(format, Label::from_unix(0, 0)).len()
}

/// Test stamper.
#[derive(Clone, Debug)]
pub struct Stamping {
    format: Option<StampFormat>,
    upcoming: Label,
}

impl Stamping {
    pub fn new(format: Option<StampFormat>) -> Stamping {
        Stamping { format, upcoming: Label::from_unix(0, 0) }
    }

    pub fn set_clock(&mut self, now: Label) {
        self.upcoming = self.upcoming.max(now);
    }

    pub fn take(&mut self, lines: &mut Lines, block: &[u8], to: &mut impl Sinks) -> usize {
        match self.format {
            None => lines.take(block, &mut NoStamps, to),
            Some(_) => lines.take(block, self, to),
        }
    }

    pub fn end(&mut self, lines: &mut Lines, rest: &[u8], to: &mut impl Sinks) {
        match self.format {
            None => lines.end(rest, &mut NoStamps, to),
            Some(_) => lines.end(rest, self, to),
        }
    }
}

impl Stamper for Stamping {
    fn stamp_len(&mut self) -> usize {
        stamp_len(self.format)
    }

    fn put_next(&mut self, room: &mut [u8]) {
        room.copy_from_slice(&stamp_text(self.format, self.upcoming));
        self.skip();
    }

    fn skip(&mut self) {
        self.upcoming = self.upcoming.next();
    }
}
