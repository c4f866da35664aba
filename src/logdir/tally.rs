//! Kinds of the lines of a service in a range: what `logdir kinds` and `logdir report` count.
//!
//! A thread counts; services and periods are shared out among the processors.

use crate::logdir::choices;
use crate::logdir::doubles::{Compared, Doubles};
use crate::logdir::figures;
use crate::logdir::filter::Filter;
use crate::logdir::trouble::{self, Outcome, Text};
use ::kinds::{Addresses, Kinds};
use ::logdir::failure::Failure;
use ::logdir::label::Counting;
use ::logdir::read::Notice;
use ::logdir::read::find::Found;
use ::logdir::read::merge::Merge;
use ::logdir::read::range::Range;
use ::logdir::read::range_lines::RangeLines;
use ::logdir::read::snapshot::Snapshot;
use ::logdir::read::stamp::Moment;
use ::logdir::time::Zone;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

/// Hours of a day.
pub const HOURS: usize = 24;
/// Offsets of time zones are multiples of this.
const QUARTER_SECS: i64 = 900;
/// Notices kept of a service and period.
const NOTICES_MAX: usize = 100;

/// The directories of one service, and a range of their lines.
pub struct Task<'a> {
    pub found: &'a [Found],
    pub range: Range,
}

/// How lines are read.
pub struct Reading<'a> {
    pub filter: &'a Filter,
    pub counting: Option<Counting>,
    pub zone: Zone,
}

/// What a service wrote in a range.
#[derive(Default)]
pub struct Tally {
    pub lines: u64,
    /// Bytes of texts, without stamps and newlines.
    pub bytes: u64,
    pub kinds: Kinds<Moment>,
    pub addresses: Addresses,
    /// Lines by hour of the day.
    pub hours: [u64; HOURS],
    pub notices: Vec<Noticed>,
    /// Lines with an earlier stamp than the line before: the clock was set back.
    pub steps_back: u64,
    pub failures: Vec<Failure>,
    hour: Option<(i64, usize)>,
}

/// A notice of reading as a sentence.
pub struct Noticed {
    pub text: String,
    /// Lines may be missing.
    pub is_trouble: bool,
    /// It reports what a writer or the disk did, not where the log begins.
    pub is_of_writer: bool,
}

/// Counts all tasks, in as many threads as there are processors.
pub fn count_all(tasks: &[Task<'_>], reading: &Reading<'_>) -> Vec<Tally> {
    let thread_count = std::thread::available_parallelism().map_or(1, usize::from).min(tasks.len());
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    let work = |sender: mpsc::Sender<(usize, Tally)>| {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(task) = tasks.get(number) else { break };
            if sender.send((number, count(task, reading))).is_err() {
                break;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..thread_count {
            let sender = sender.clone();
            // Without a further thread, this one counts all.
            let _ = std::thread::Builder::new().spawn_scoped(scope, || work(sender));
        }
        work(sender);
    });
    let mut tallies: Vec<(usize, Tally)> = receiver.into_iter().collect();
    tallies.sort_by_key(|(number, _)| *number);
    tallies.into_iter().map(|(_, tally)| tally).collect()
}

fn count(task: &Task<'_>, reading: &Reading<'_>) -> Tally {
    let mut tally = Tally::default();
    let (names, sources) = open_all(task, reading, &mut tally);
    let mut once = Once::new(Doubles::new(&vec![Some(()); names.len()]));
    let mut merge = Merge::new(sources);
    let mut latest: Vec<Option<Moment>> = vec![None; names.len()];
    while merge.advance() {
        let (number, source) = (merge.number(), merge.source());
        let (line, moment, stamp) = (source.line(), source.moment(), source.stamp());
        tally.steps_back += u64::from(moment < latest[number]);
        latest[number] = moment;
        let mut add = |_, text: &[u8], moment| tally.add(text, moment, reading.zone);
        once.settle(moment, &mut add);
        let text = &line.bytes[stamp.map_or(0, |stamp| stamp.end)..];
        if line.continues || !reading.filter.is_wanted(text) {
            continue;
        }
        once.take(number, Compared { moment, is_stamped: stamp.is_some(), text }, &mut add);
    }
    once.take_all(&mut |_, text, moment| tally.add(text, moment, reading.zone));
    for (name, source) in names.iter().zip(merge.sources_mut()) {
        tally.note(name, source.take_notices());
    }
    tally
}

/// Passes each line of the directories of a service on once, with the number of its first directory.
pub struct Once {
    doubles: Doubles<Vec<u8>>,
    /// Moment of the lines that are held.
    moment: Option<Moment>,
}

impl Once {
    pub fn new(doubles: Doubles<Vec<u8>>) -> Once {
        Once { doubles, moment: None }
    }

    /// Passes on the lines that have no further copies if the next line is of this moment.
    pub fn settle(
        &mut self,
        moment: Option<Moment>,
        add: &mut impl FnMut(usize, &[u8], Option<Moment>),
    ) {
        if self.doubles.is_over(moment) {
            let lines = self.doubles.finish();
            lines.for_each(|copies| add(copies[0].0, &copies[0].1, self.moment));
        }
    }

    /// Takes a line, and passes it on now if it can have no copies.
    pub fn take(
        &mut self,
        number: usize,
        line: Compared<'_>,
        add: &mut impl FnMut(usize, &[u8], Option<Moment>),
    ) {
        if self.doubles.passes(number, line.moment) {
            return add(number, line.text, line.moment);
        }
        self.moment = line.moment;
        self.doubles.hold(number, line, line.text.to_vec());
    }

    /// Passes on all lines that are held; later copies are left out.
    pub fn take_all(&mut self, add: &mut impl FnMut(usize, &[u8], Option<Moment>)) {
        let lines = self.doubles.take();
        lines.for_each(|copies| add(copies[0].0, &copies[0].1, self.moment));
    }
}

fn open_all(
    task: &Task<'_>,
    reading: &Reading<'_>,
    tally: &mut Tally,
) -> (Vec<String>, Vec<RangeLines>) {
    let mut opened = (Vec::new(), Vec::new());
    for found in task.found {
        match Snapshot::of_place(&found.place) {
            Ok(snapshot) => {
                let stamps = choices::stamps(reading.counting, &snapshot);
                opened.0.push(found.name.clone());
                opened.1.push(RangeLines::new(&snapshot, stamps, task.range));
            }
            Err(failure) => tally.failures.push(failure),
        }
    }
    opened
}

impl Tally {
    /// Counts a line.
    pub fn add(&mut self, text: &[u8], moment: Option<Moment>, zone: Zone) {
        self.lines += 1;
        self.bytes += text.len() as u64;
        let (_, masked) = self.kinds.add(text, moment);
        for address in &masked.addresses {
            self.addresses.add(&text[address.clone()]);
        }
        if let Some(hour) = moment.and_then(|moment| self.hour_of(moment, zone)) {
            self.hours[hour] += 1;
        }
    }

    fn hour_of(&mut self, moment: Moment, zone: Zone) -> Option<usize> {
        let quarter = moment.unix_secs.div_euclid(QUARTER_SECS);
        if let Some((known, hour)) = self.hour
            && known == quarter
        {
            return Some(hour);
        }
        let hour = usize::from(zone.at(moment.unix_secs)?.civil().hour) % HOURS;
        self.hour = Some((quarter, hour));
        Some(hour)
    }

    fn note(&mut self, name: &str, notices: Vec<Notice>) {
        for notice in notices {
            let format = |moment| figures::rfc3339(moment).unwrap_or_default();
            let is_of_writer = !matches!(notice, Notice::BeginsAt(_) | Notice::Unstamped);
            let said = trouble::say(notice, format);
            match said.text {
                Text::Failure(failure) => self.failures.push(failure),
                Text::Sentence(text) if self.notices.len() < NOTICES_MAX => {
                    let (text, is_trouble) = (format!("{name}: {text}"), said.is_trouble);
                    self.notices.push(Noticed { text, is_trouble, is_of_writer });
                }
                Text::Sentence(_) => {}
            }
        }
    }

    /// Reports what could not be read.
    pub fn tell(&self, outcome: &mut Outcome) {
        outcome.fail(&self.failures);
        for noticed in &self.notices {
            crate::message::warn(noticed.text.as_bytes());
            outcome.has_trouble |= noticed.is_trouble;
        }
    }
}

/// Directories of one service together, unless `is_all`.
pub fn by_service(found: &[Found], is_all: bool) -> Vec<&[Found]> {
    let are_of_one = |one: &Found, other: &Found| {
        !is_all && one.service.is_some() && one.service == other.service
    };
    found.chunk_by(are_of_one).collect()
}

/// The name of directories of one service: its name, or the name of the only directory.
pub fn name_of(found: &[Found]) -> String {
    match found {
        [first, _, ..] => {
            first.name.rsplit_once('/').map_or(first.name.as_str(), |(name, _)| name).to_owned()
        }
        _ => found.first().map(|found| found.name.clone()).unwrap_or_default(),
    }
}
