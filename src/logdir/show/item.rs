//! A log line with every field that output formats show.

use crate::logdir::doubles::Compared;
use ::logdir::read::chain::Chain;
use ::logdir::read::lines::{Line, LineStart};
use ::logdir::read::stamp::{Moment, Stamp};

/// A line to be shown.
#[derive(Clone, Copy)]
pub struct Item<'a> {
    /// Directory number.
    pub number: usize,
    pub line: Line<'a>,
    pub stamp: Option<Stamp>,
    /// Moment the line belongs to.
    pub moment: Option<Moment>,
    pub place: &'a LineStart,
    /// Files read up to this line; `None` when reading backward.
    pub chain: Option<&'a Chain>,
    /// Other directories with this line.
    pub others: &'a [usize],
}

impl Item<'_> {
    /// What tells copies of a line.
    pub fn compared(&self) -> Compared<'_> {
        Compared { moment: self.moment, is_stamped: self.stamp.is_some(), text: text_of(self) }
    }
}

pub fn text_of<'a>(item: &Item<'a>) -> &'a [u8] {
    &item.line.bytes[item.stamp.map_or(0, |stamp| stamp.end)..]
}
