//! What the matrix repeats: lines, the runs they are given to, and the driver of one run.

use crate::clock;
use crate::clock::by_hand;
use crate::diag::told;
use crate::disk::Dir;
use crate::disk::model::{Chance, Model};
use crate::lines::Lines;
use crate::logdir::Closed;
use crate::script::{self, Script};
use crate::sink::OpenSinks;
use crate::wake::Wake;
use nix::sys::signal::Signal;
use std::ffi::OsString;
use std::sync::OnceLock;
use std::time::Duration;

/// The directories: one that keeps few files, one that keeps all, one that takes some lines, one with every
/// setting that 0.76 does not have, one with a processor.
pub const DIRS: [&[u8]; 5] = [b"few", b"all", b"some", b"kept", b"copied"];

/// The lines of each run, by number.
const RUNS: [std::ops::Range<u64>; 3] = [0..25, 101..160, 300..310];

/// The line that ends a run that was not asked to log anything else.
pub const LAST: u64 = 900;

/// How often the end is tried before a run counts as hung.
const ROUND_MAX: usize = 400;

/// How a run came out.
#[derive(Debug)]
pub enum Outcome {
    Closed(Closed),
    Refused(String),
    Stopped,
}

/// The command line of every run.
pub const ARGUMENTS: [&str; 30] = [
    "=status", "s4096", "n4", "./few", "n1000", "./all", "-*d", "./some", "+*", "w1", "l500",
    "S9000", "k9s", "N2", "y1", "R3s", "q0:drop", "r3000", "./kept", "ws", "l2000", "S0", "k0",
    "N0", "y0", "R0", "q0", "r5000", "!copy", "./copied",
];

/// The pause of the directory with every setting.
pub const PAUSE_OF_KEPT: Duration = Duration::from_secs(3);

fn script() -> Script {
    let arguments: Vec<OsString> = ARGUMENTS.iter().map(OsString::from).collect();
    script::parse(&arguments).expect("a good script").0
}

/// A line, of a length that depends on its number.
pub fn line(number: u64) -> Vec<u8> {
    let length = if number % 100 == 17 { 2500 } else { (number * 37 % 90) as usize };
    let kind = char::from(b'a' + (number % 10) as u8);
    format!("{number:06} {} {kind}\n", "x".repeat(length)).into_bytes()
}

/// The number of a line, if it is one, whole.
pub fn number(bytes: &[u8]) -> Option<u64> {
    let number = std::str::from_utf8(bytes.get(..6)?).ok()?.parse().ok()?;
    (line(number) == bytes).then_some(number)
}

fn takes(dir: &[u8], number: u64) -> bool {
    dir != b"some" || number % 10 != 3
}

/// What all runs bring to each directory.
pub fn streams() -> &'static [Vec<u8>; DIRS.len()] {
    static STREAMS: OnceLock<[Vec<u8>; DIRS.len()]> = OnceLock::new();
    let stream = |dir: &[u8]| {
        let numbers = RUNS.iter().cloned().flatten();
        numbers.filter(|&number| takes(dir, number)).flat_map(line).collect()
    };
    STREAMS.get_or_init(|| DIRS.map(stream))
}

/// All runs.
pub const RUN_COUNT: usize = RUNS.len();

/// One run of the workload, from the opening to a clean end.
pub fn run(model: &Model, index: usize) -> Outcome {
    let input = RUNS[index].clone().map(line).collect::<Vec<_>>().concat();
    drive(model, &input, index as u64)
}

/// A run that brings one line.
pub fn run_last(model: &Model) -> Outcome {
    drive(model, &line(LAST), 7)
}

/// One process: opens, logs, ends. What would happen by chance follows from the seed.
fn drive(model: &Model, input: &[u8], seed: u64) -> Outcome {
    let script = script();
    let wake = Wake::new().unwrap();
    let opened = OpenSinks::open(&Dir::Model(model.root()), &script, &wake);
    let mut sinks = match opened {
        _ if model.is_stopped() => return Outcome::Stopped,
        Ok(sinks) => sinks,
        Err(failure) => return Outcome::Refused(failure.to_string()),
    };
    let mut lines = Lines::new(&script);
    let mut chance = Chance(seed);
    // A part of the last line comes without its newline.
    let (input, newline) = input.split_at(input.len() - 1);
    assert_eq!(newline, b"\n");
    let mut taken = 0;
    let mut read = 0;
    while read < input.len() && !model.is_stopped() {
        read = input.len().min(read + 1 + chance.of(900));
        lines.set_clock(clock::now());
        taken += lines.take(&input[taken..read], &mut sinks);
        sinks.flush();
        if chance.of(9) == 0 {
            sinks.rotate();
        }
        for _ in 0..chance.of(12) {
            sinks.advance_finishers();
        }
        by_hand::pass(Duration::from_millis(300));
    }
    if !model.is_stopped() {
        lines.end(&input[taken..], &mut sinks);
        if seed == 0 {
            // Its file waits for the next run.
            sinks.stop_processors(Signal::SIGTERM);
            sinks.rotate();
        }
    }
    end(model, &mut sinks)
}

fn end(model: &Model, sinks: &mut OpenSinks) -> Outcome {
    for _ in 0..ROUND_MAX {
        if model.is_stopped() {
            return Outcome::Stopped;
        }
        if let Some(closed) = sinks.close() {
            return if model.is_stopped() { Outcome::Stopped } else { Outcome::Closed(closed) };
        }
        if !sinks.advance_finishers() || sinks.are_in_trouble() {
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
