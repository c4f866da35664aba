//! The report as a JSON object for each service.

use crate::logdir::choices;
use crate::logdir::kinds::{self, KindObject};
use crate::logdir::report::section::{Row, Section};
use serde::Serialize;

#[derive(Serialize)]
struct Object<'a> {
    name: &'a str,
    lines: u64,
    lines_before: u64,
    bytes: u64,
    bytes_before: u64,
    kinds: usize,
    lines_of_other_kinds: u64,
    logger: &'a [String],
    new: Vec<KindObject>,
    gone: Vec<KindObject>,
    trouble: Vec<KindObject>,
    frequent: Vec<KindObject>,
    addresses: Vec<Address<'a>>,
    hours: &'a [u64],
}

#[derive(Serialize)]
struct Address<'a> {
    address: &'a str,
    count: u64,
}

pub fn write(sections: &[Section], count_max: usize) -> String {
    sections.iter().map(|section| choices::json_line(&object(section, count_max))).collect()
}

/// New, gone and trouble are whole; `count_max` bounds the most frequent.
fn object(section: &Section, count_max: usize) -> Object<'_> {
    let kind = |row: &Row| kinds::object(row.hash, &row.kind, Some(row.before));
    let all = |rows: &[Row]| rows.iter().map(kind).collect();
    Object {
        name: &section.name,
        lines: section.lines,
        lines_before: section.lines_before,
        bytes: section.bytes,
        bytes_before: section.bytes_before,
        kinds: section.kind_count,
        lines_of_other_kinds: section.other_count,
        logger: &section.logger,
        new: all(&section.new),
        gone: all(&section.gone),
        trouble: all(&section.trouble),
        frequent: section.frequent.iter().take(count_max).map(kind).collect(),
        addresses: section
            .addresses
            .iter()
            .take(count_max)
            .map(|(address, count)| Address { address, count: *count })
            .collect(),
        hours: &section.hours,
    }
}
