//! Workload of the matrix: lines, runs, and the driver of a run.

use crate::clock::by_hand;
use crate::disk::Dir;
use crate::disk::model::{Chance, Model};
use crate::event::told;
use crate::failure::Failure;
use crate::pause::PAUSE;
use crate::settings::{Overflow, RotateAfter, Settings};
use crate::wake::Wake;
use crate::write::{Closed, LogDir};
use nix::sys::signal::Signal;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::OnceLock;
use std::time::Duration;

/// Directories: few files; all files; selected lines; every setting missing in 0.76; a processor.
pub const DIRS: [&[u8]; 5] = [b"few", b"all", b"some", b"kept", b"copied"];

/// Line numbers of each run.
const RUNS: [std::ops::Range<u64>; 3] = [0..25, 101..160, 300..310];

/// Line of an additional run.
pub const LAST: u64 = 900;

/// Bytes held of an incomplete line.
const HEAD_LEN: usize = 1000;

/// Rounds of closing before a run counts as hung.
const ROUND_MAX: usize = 400;

/// Result of a run.
#[derive(Debug)]
pub enum Outcome {
    Closed(Closed),
    Refused(String),
    Stopped,
}

/// Pause of the directory with every setting.
pub const PAUSE_OF_KEPT: Duration = Duration::from_secs(3);

/// Settings in the order of [`DIRS`].
pub fn settings() -> [Settings; DIRS.len()] {
    let few = Settings { size_max: 4096, number_max: 4, ..Settings::default() };
    let all = Settings { number_max: 1000, ..few.clone() };
    let some = all.clone();
    let kept = Settings {
        code: b"1".to_vec(),
        margin: 500,
        total_max: Some(9000),
        age_max: Some(Duration::from_secs(9)),
        number_min: Some(2),
        sync_after: Some(Duration::from_secs(1)),
        rotate_after: Some(RotateAfter::Age(Duration::from_secs(3))),
        overflow: Overflow::Drop,
        pause: PAUSE_OF_KEPT,
        ..all.clone()
    };
    let copied = Settings { processor: Some("copy".into()), ..all.clone() };
    [few, all, some, kept, copied]
}

/// Directory path as given by a user.
pub fn path(dir: &[u8]) -> OsString {
    OsString::from_vec([b"./", dir].concat())
}

/// A line; its length depends on `number`.
pub fn line(number: u64) -> Vec<u8> {
    let length = if number % 100 == 17 { 2500 } else { (number * 37 % 90) as usize };
    let kind = char::from(b'a' + (number % 10) as u8);
    format!("{number:06} {} {kind}\n", "x".repeat(length)).into_bytes()
}

/// Number of a complete line.
pub fn number(bytes: &[u8]) -> Option<u64> {
    let number = std::str::from_utf8(bytes.get(..6)?).ok()?.parse().ok()?;
    (line(number) == bytes).then_some(number)
}

fn takes(dir: &[u8], number: u64) -> bool {
    dir != b"some" || number % 10 != 3
}

/// Input of all runs for each directory.
pub fn streams() -> &'static [Vec<u8>; DIRS.len()] {
    static STREAMS: OnceLock<[Vec<u8>; DIRS.len()]> = OnceLock::new();
    let stream = |dir: &[u8]| {
        let numbers = RUNS.iter().cloned().flatten();
        numbers.filter(|&number| takes(dir, number)).flat_map(line).collect()
    };
    STREAMS.get_or_init(|| DIRS.map(stream))
}

pub const RUN_COUNT: usize = RUNS.len();

/// A workload run from opening to a clean close.
pub fn run(model: &Model, index: usize) -> Outcome {
    let input = RUNS[index].clone().map(line).collect::<Vec<_>>().concat();
    drive(model, &input, index as u64)
}

/// A run with a single line.
pub fn run_last(model: &Model) -> Outcome {
    drive(model, &line(LAST), 7)
}

/// Open directories of a process.
struct Logs(Vec<LogDir>);

impl Logs {
    /// Opens all directories in order; after a failure, leaves the open directories unchanged.
    fn open(model: &Model) -> Result<Logs, Failure> {
        let (start, wake) = (Dir::Model(model.root()), Wake::new().unwrap());
        let mut logs = Vec::new();
        for (dir, settings) in DIRS.into_iter().zip(settings()) {
            match LogDir::open(&start, &path(dir), &settings, &wake, &told::reporter()) {
                Ok(log) => logs.push(log),
                Err(failure) => {
                    logs.into_iter().for_each(LogDir::leave);
                    return Err(failure);
                }
            }
        }
        Ok(Logs(logs))
    }

    /// Appends to every directory that selects this line number.
    fn append(&mut self, number: u64, bytes: &[u8]) {
        for (log, dir) in self.0.iter_mut().zip(DIRS) {
            if takes(dir, number) {
                assert!(log.have_room(bytes.len()), "the queues are larger than the workload");
                log.append(bytes);
            }
        }
    }

    fn advance(&mut self) -> bool {
        self.0.iter_mut().map(LogDir::advance_worker).fold(false, |any, one| any | one)
    }

    /// Continues closing all directories; returns their state after the last.
    fn close(&mut self) -> Option<Closed> {
        let closed: Vec<Option<Closed>> = self.0.iter_mut().map(LogDir::close).collect();
        let closed: Vec<Closed> = closed.into_iter().collect::<Option<_>>()?;
        let is_unsynced = closed.contains(&Closed::Unsynced);
        Some(if is_unsynced { Closed::Unsynced } else { Closed::Clean })
    }
}

/// A process: opens, logs, closes. `seed` drives all random choices.
fn drive(model: &Model, input: &[u8], seed: u64) -> Outcome {
    // A new process has no pause state; without this its first pauses would look too short.
    by_hand::pass(PAUSE);
    let opened = Logs::open(model);
    let mut logs = match opened {
        _ if model.is_stopped() => return Outcome::Stopped,
        Ok(logs) => logs,
        Err(failure) => return Outcome::Refused(failure.to_string()),
    };
    let mut chance = Chance(seed);
    let mut read = 0;
    let mut lines = Lines::new(input);
    while read < input.len() && !model.is_stopped() {
        read = input.len().min(read + 1 + chance.of(900));
        lines.take(read, &mut logs);
        logs.0.iter_mut().for_each(LogDir::flush);
        if chance.of(9) == 0 {
            logs.0.iter_mut().for_each(LogDir::rotate);
        }
        for _ in 0..chance.of(12) {
            logs.advance();
        }
        by_hand::pass(Duration::from_millis(300));
        if seed == 0 && read > input.len() / 2 {
            // From here on every full file waits for the next run.
            logs.0.iter().for_each(|log| log.stop_processor(Signal::SIGTERM));
        }
    }
    if !model.is_stopped() && seed == 0 {
        logs.0.iter_mut().for_each(LogDir::rotate);
    }
    end(model, &mut logs)
}

/// Arriving lines: complete short lines, and the available bytes of a long line.
struct Lines<'a> {
    input: &'a [u8],
    taken: usize,
    /// Number of the unfinished line.
    number: u64,
    is_in_line: bool,
}

impl Lines<'_> {
    fn new(input: &[u8]) -> Lines<'_> {
        Lines { input, taken: 0, number: 0, is_in_line: false }
    }

    /// Passes newly read input to the directories. Lines shorter than a head wait until complete,
    /// as in the line engine.
    fn take(&mut self, read: usize, logs: &mut Logs) {
        while self.taken < read {
            let rest = &self.input[self.taken..read];
            let newline = rest.iter().position(|&byte| byte == b'\n');
            if newline.is_none() && !self.is_in_line && rest.len() < HEAD_LEN {
                return;
            }
            if !self.is_in_line {
                let digits = std::str::from_utf8(&rest[..6]).unwrap();
                self.number = digits.parse().unwrap();
            }
            let len = newline.map_or(rest.len(), |newline| newline + 1);
            logs.append(self.number, &rest[..len]);
            self.taken += len;
            self.is_in_line = newline.is_none();
        }
    }
}

fn end(model: &Model, logs: &mut Logs) -> Outcome {
    for _ in 0..ROUND_MAX {
        if model.is_stopped() {
            return Outcome::Stopped;
        }
        if let Some(closed) = logs.close() {
            return if model.is_stopped() { Outcome::Stopped } else { Outcome::Closed(closed) };
        }
        if !logs.advance() || logs.0.iter().any(LogDir::is_in_trouble) {
            by_hand::pass(Duration::from_secs(5));
        }
    }
    panic!("hung: {:#?}", told::take());
}

/// A fresh disk and fresh clocks.
pub fn fresh() -> Model {
    by_hand::begin();
    told::take();
    Model::empty()
}
