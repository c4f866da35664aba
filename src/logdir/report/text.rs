//! The report as plain text, at most as wide as the terminal, for mails.

use crate::logdir::figures;
use crate::logdir::report::periods::Periods;
use crate::logdir::report::section::{Row, Section};
use crate::logdir::tally::HOURS;
use ::logdir::escape;
use ::logdir::read::stamp::Moment;
use ::logdir::time::Zone;
use std::fmt::Write as _;

/// Hours in a row.
const HOURS_IN_ROW: usize = 12;

pub fn write(sections: &[Section], periods: &Periods, count_max: usize, width: usize) -> String {
    let mut lines = Lines { text: String::new(), width };
    let period = |(since, until): (Moment, Moment)| format!("{} to {}", local(since), local(until));
    lines.add(&format!("Report   {}", period(periods.now)));
    lines.add(&format!("against  {}", period(periods.before)));
    for section in sections {
        append_section(section, count_max, &mut lines);
    }
    lines.text
}

/// Local time, in whole minutes.
pub fn local(moment: Moment) -> String {
    let time = Zone::Local.at(moment.unix_secs).map(|time| time.civil().to_string());
    time.and_then(|time| time.get(..16).map(str::to_owned)).unwrap_or_default()
}

struct Lines {
    text: String,
    width: usize,
}

impl Lines {
    /// Adds a line, cut at the width.
    fn add(&mut self, line: &str) {
        let is_long = line.chars().count() > self.width;
        let cut: String = line.chars().take(self.width.saturating_sub(3)).collect();
        let line = if is_long { cut + "..." } else { line.to_owned() };
        self.text += line.trim_end();
        self.text.push('\n');
    }

    /// Adds a sentence in as many lines as it needs.
    fn wrap(&mut self, sentence: &str) {
        let mut line = String::from(" ");
        for word in sentence.split(' ') {
            let len = line.chars().count() + 1 + word.chars().count();
            if len > self.width && line.trim() != "" {
                self.add(&std::mem::replace(&mut line, String::from("   ")));
            }
            line = line + " " + word;
        }
        self.add(&line);
    }
}

fn append_section(section: &Section, count_max: usize, lines: &mut Lines) {
    let Section { lines: count, lines_before, bytes, bytes_before, .. } = *section;
    let (bytes, bytes_before) = (figures::bytes(bytes), figures::bytes(bytes_before));
    lines.add("");
    lines.add(&format!(
        "{}: {count} lines (before: {lines_before}), {bytes} ({bytes_before}), {} kinds",
        escape::shown(section.name.as_bytes()),
        section.kind_count
    ));
    if section.other_count > 0 {
        lines.wrap(&format!("{} lines are of further kinds, not listed", section.other_count));
    }
    for sentence in &section.logger {
        lines.wrap(&format!("! {}", escape::shown(sentence.as_bytes())));
    }
    append_rows("New", &section.new, Detail::Example, count_max, lines);
    append_rows("Gone", &section.gone, Detail::Kind, count_max, lines);
    append_rows("Trouble", &section.trouble, Detail::Example, count_max, lines);
    append_rows("Frequent", &section.frequent, Detail::Kind, count_max, lines);
    append_addresses(section, count_max, lines);
    append_hours(&section.hours, lines);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    Kind,
    /// First and last time, and a line.
    Example,
}

fn append_rows(head: &str, rows: &[Row], detail: Detail, count_max: usize, lines: &mut Lines) {
    if rows.is_empty() {
        return;
    }
    lines.add(&format!("  {head}: count, before"));
    for row in rows.iter().take(count_max) {
        let (count, before) = (figures::count(row.kind.count as f64), row.before);
        let before = figures::count(before as f64);
        lines.add(&format!("{count:>7} {before:>7}  {}", escape::shown(&row.kind.text)));
        if detail == Detail::Example {
            let time = |moment: Option<Moment>| moment.map_or_else(|| "-".to_owned(), local);
            let (first, last) = (time(row.kind.first), time(row.kind.last));
            lines.add(&format!("{:17}{} {first} - {last}", "", row.hash));
            lines.add(&format!("{:17}{}", "", escape::shown(&row.kind.example)));
        }
    }
    append_rest(rows.len(), count_max, "kinds", lines);
}

fn append_rest(count: usize, count_max: usize, what: &str, lines: &mut Lines) {
    if count > count_max {
        let count = count - count_max;
        lines.add(&format!("{:17}and {count} further {what}; --all lists them", ""));
    }
}

fn append_addresses(section: &Section, count_max: usize, lines: &mut Lines) {
    if section.addresses.is_empty() {
        return;
    }
    let sample = if section.is_sample { " (of a sample of 8192)" } else { "" };
    lines.add(&format!("  Addresses: count{sample}"));
    for (address, count) in section.addresses.iter().take(count_max) {
        let count = figures::count(*count as f64);
        lines.add(&format!("{count:>7} {:7}  {address}", ""));
    }
    append_rest(section.addresses.len(), count_max, "addresses", lines);
}

fn append_hours(hours: &[u64; HOURS], lines: &mut Lines) {
    if hours.iter().all(|&count| count == 0) {
        return;
    }
    for (row, counts) in hours.chunks(HOURS_IN_ROW).enumerate() {
        let mut heads = String::from(if row == 0 { "  Hour" } else { "      " });
        let mut line = String::from("      ");
        for (column, &count) in counts.iter().enumerate() {
            // Writing to a string cannot fail.
            let _ = write!(heads, " {:>4}h", row * HOURS_IN_ROW + column);
            let _ = write!(line, " {:>5}", figures::count(count as f64));
        }
        lines.add(&heads);
        lines.add(&line);
    }
}
