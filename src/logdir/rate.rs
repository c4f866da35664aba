//! `logdir rate`: bars of line counts over time.
//!
//! This file counts and passes counts to a renderer. Lines without a stamp count with the preceding
//! line.

mod bars;
mod counts;
mod svg;

use crate::logdir::bucket::Length;
use crate::logdir::doubles::{Compared, Doubles};
use crate::logdir::filter::Filter;
use crate::logdir::options::{self, Rate};
use crate::logdir::trouble::Outcome;
use crate::logdir::{choices, figures, table};
use crate::message;
use ::logdir::failure::{Failure, What};
use ::logdir::read::Notice;
use ::logdir::read::find::{self, Found};
use ::logdir::read::merge::Merge;
use ::logdir::read::range::Range;
use ::logdir::read::range_lines::RangeLines;
use ::logdir::read::snapshot::Snapshot;
use ::logdir::read::stamp::Moment;
use ::logdir::time::Zone;
use counts::{Counts, CountsOfAll};
use nix::errno::Errno;
use serde::Serialize;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

/// Runs the command. `Err` carries the exit code if nothing was read.
pub fn run(options: &Rate) -> Result<ExitCode, ExitCode> {
    let settings = Settings::new(options).map_err(|why| options::refuse(&why))?;
    let mut outcome = Outcome::default();
    let (found, failures) = find::find(&options.places.operands());
    outcome.fail(&failures);
    let mut all = Vec::new();
    let are_compared = |one: &Found, other: &Found| {
        !options.lines.all && one.service.is_some() && one.service == other.service
    };
    for found in found.chunk_by(are_compared) {
        all.extend(count(found, &settings, &mut outcome));
    }
    let all =
        CountsOfAll::new(all, settings.by, settings.zone).map_err(|why| options::refuse(&why))?;
    outcome.has_found = !all.is_empty();
    if let Err(failure) = write(&all, options, outcome.has_found) {
        outcome.fail(&[failure]);
    }
    Ok(outcome.exit_code())
}

struct Settings {
    /// `None` selects a fitting length.
    by: Option<Length>,
    filter: Filter,
    range: Range,
    zone: Zone,
    /// `None` detects counting from the stamps of each log.
    counting: Option<::logdir::label::Counting>,
}

impl Settings {
    fn new(options: &Rate) -> Result<Settings, String> {
        let zone = if options.utc { Zone::Utc } else { Zone::Local };
        let now = crate::logdir::when::Now::local();
        let counting = choices::counting(&options.labels);
        let by = match &options.by {
            None => None,
            Some(text) => Some(Length::parse(text).ok_or_else(|| {
                format!("--by is a part of a day such as 1m, 1h, 1d, not {text}")
            })?),
        };
        let range = choices::range(&options.lines.span, false, now, counting)?;
        let filter = Filter::new(&options.lines.patterns)?;
        Ok(Settings { by, filter, range, zone, counting })
    }
}

/// Counts the lines of directories of one service, or of a single directory. A line that several of them
/// have counts in the first.
fn count(found: &[Found], settings: &Settings, outcome: &mut Outcome) -> Vec<Counts> {
    let (names, sources) = open_all(found, settings, outcome);
    let by = settings.by.unwrap_or(counts::FINEST);
    let new = |name: &String| Counts::new(table::shown(name), by, settings.zone);
    let mut all: Vec<Counts> = names.iter().map(new).collect();
    let mut doubles: Doubles<()> = Doubles::new(&vec![Some(()); names.len()]);
    let mut merge = Merge::new(sources);
    let mut add = |number: usize, moment: Option<Moment>| {
        all[number].add(moment.map(|moment| moment.unix_secs), settings.by.is_none());
    };
    let mut held = None;
    while merge.advance() {
        let (number, source) = (merge.number(), merge.source());
        let (line, moment, stamp) = (source.line(), source.moment(), source.stamp());
        if doubles.is_over(moment) {
            doubles.finish().for_each(|copies| add(copies[0].0, held));
        }
        let text = &line.bytes[stamp.map_or(0, |stamp| stamp.end)..];
        if line.continues || !settings.filter.is_wanted(text) {
            continue;
        }
        if doubles.passes(number, moment) {
            add(number, moment);
        } else {
            held = moment;
            doubles.hold(number, Compared { moment, is_stamped: stamp.is_some(), text }, ());
        }
    }
    doubles.finish().for_each(|copies| add(copies[0].0, held));
    for ((name, counts), source) in names.iter().zip(&all).zip(merge.sources_mut()) {
        report(name, counts, source, outcome);
    }
    all
}

/// Opens each directory. Failures are reported and skipped.
fn open_all(
    found: &[Found],
    settings: &Settings,
    outcome: &mut Outcome,
) -> (Vec<String>, Vec<RangeLines>) {
    let mut opened = (Vec::new(), Vec::new());
    for found in found {
        match Snapshot::of_place(&found.place) {
            Ok(snapshot) => {
                let stamps = choices::stamps(settings.counting, &snapshot);
                opened.0.push(found.name.clone());
                opened.1.push(RangeLines::new(&snapshot, stamps, settings.range));
            }
            Err(failure) => outcome.fail(&[failure]),
        }
    }
    opened
}

fn report(name: &str, counts: &Counts, source: &mut RangeLines, outcome: &mut Outcome) {
    // Counting ignores torn lines.
    let notices = source.take_notices();
    let notices = notices.into_iter().filter(|notice| !matches!(notice, Notice::Torn(_)));
    let moment = |moment: Moment| figures::rfc3339(moment).unwrap_or_default();
    outcome.notice(name, notices.collect(), moment);
    if counts.timeless_count > 0 {
        let text = format!("{name}: {}", message::timeless(counts.timeless_count));
        message::warn(text.as_bytes());
    }
}

/// Prints counts in the requested form.
fn write(all: &CountsOfAll, options: &Rate, has_found: bool) -> Result<(), Failure> {
    if let Some(file) = &options.svg {
        return std::fs::write(file, svg::draw(all))
            .map_err(|error| Failure::of_io(What::Create, file.as_os_str().as_bytes(), &error));
    }
    let text = match (options.json, has_found) {
        (true, _) => json(all),
        (false, true) => bars::draw(all, table::width()),
        (false, false) => String::new(),
    };
    match message::print(&text) {
        true => Ok(()),
        false => Err(Failure::new(What::Write, "standard output", Errno::EIO)),
    }
}

/// JSON: a directory's count in a single interval.
#[derive(Serialize)]
struct Object<'a> {
    name: &'a str,
    /// RFC 3339, UTC.
    time: String,
    seconds: i64,
    lines: u64,
}

fn json(all: &CountsOfAll) -> String {
    let mut text = String::new();
    for start in all.starts() {
        for (name, count) in all.names().iter().zip(all.at(start)) {
            if count > 0 {
                let moment = Moment { unix_secs: start, nanos: 0 };
                let time = figures::rfc3339(moment).unwrap_or_default();
                let seconds = all.secs_of(start);
                text += &choices::json_line(&Object { name, time, seconds, lines: count });
            }
        }
    }
    text
}
