//! Everything behind the event loop, script, lines and log directories, against a naive model of it: the
//! files that are there in the end are those that one gets by doing what the manual says, a byte at a
//! time.
//!
//! How the script and the input are written stands in `input.rs`. The first byte tells what happens
//! between two reads: whether and how often there is an ALRM, or an end and a new start.
#![no_main]

use input::{parse_reads, parse_script};
use libfuzzer_sys::fuzz_target;
use std::ffi::OsString;
use logdir::disk::Dir;
use logdir::event::Reporter;
use logdir::settings::Settings;
use logdir::wake::Wake;
use logdir::write::LogDir;
use multilog::logger::directory;
use real_dir::Home;
use script::buffers::Buffers;
use script::lines::{Lines, Sinks};
use script::stamper::{NoStamps, Stamper};
use script::{Action, Script, StampFormat};
use stamps::Stamping;

#[path = "../input.rs"]
mod input;
#[path = "../../crates/script/src/lines/tests/model.rs"]
#[allow(dead_code, reason = "only what it expects is needed")]
mod model;
#[path = "../real_dir.rs"]
mod real_dir;
#[path = "../../crates/script/src/lines/tests/stamps.rs"]
#[allow(dead_code, reason = "tests use more of it")]
mod stamps;

/// Directories are made and removed for each input.
const LOG_COUNT_MAX: usize = 3;
/// So that files end.
const SIZE_MAX: u64 = 12_000;

/// What happens between reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Between {
    Nothing,
    Rotate,
    Restart,
}

fuzz_target!(|input: &[u8]| {
    let Some((&first, input)) = input.split_first() else { return };
    let Some((script, rest)) = parse_script(input) else { return };
    let home = Home::new();
    let logs = log_settings(&script, &home);
    if logs.iter().flatten().count() > LOG_COUNT_MAX {
        return;
    }
    let reads = parse_reads(rest);
    run(&script, &logs, &reads, first);
    for (log, given) in logs.iter().zip(model::expected(&script, &reads)) {
        if let Some(log) = log {
            check(log, &given.bytes, first % 4);
        }
    }
});

/// The settings of each sink that is a log directory, each in a place of its own.
fn log_settings(script: &Script, home: &Home) -> Vec<Option<(OsString, Settings)>> {
    let sinks = script.actions.iter().filter(|action| action.is_sink()).enumerate();
    let settings = sinks.map(|(number, action)| {
        let Action::Log { settings, .. } = action else { return None };
        let log = directory::settings(settings, script.stamp.is_some(), Buffers::Usual);
        let dir = home.path(&format!("d{number}")).into();
        let log = Settings {
            size_max: log.size_max.min(SIZE_MAX),
            // It would be run.
            processor: None,
            code: b"s".to_vec(),
            // The lines that are there have to be the last ones, by `n` alone.
            total_max: None,
            age_max: None,
            rotate_after: None,
            ..log
        };
        Some((dir, log))
    });
    settings.collect()
}

/// Log directories as sinks, by the number of the sink.
struct Logs(Vec<Option<LogDir>>);

impl Sinks for Logs {
    fn head(&mut self, _: usize, _: &[u8]) {}

    fn bytes(&mut self, sink: usize, bytes: &[u8]) {
        if let Some(log) = &mut self.0[sink] {
            while !log.have_room(bytes.len()) {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            log.append(bytes);
        }
    }
}

fn open(settings: &[Option<(OsString, Settings)>]) -> Logs {
    let start = Dir::start().expect("a working directory");
    let wake = Wake::new().expect("a wake");
    let open = |(dir, spec): &(OsString, Settings)| {
        LogDir::open(&start, dir, spec, &wake, &Reporter::new(|_| ())).expect("it opens")
    };
    Logs(settings.iter().map(|settings| settings.as_ref().map(open)).collect())
}

fn close(logs: Logs) {
    logs.0.into_iter().flatten().for_each(real_dir::close);
}

fn run(script: &Script, settings: &[Option<(OsString, Settings)>], reads: &[model::Read], first: u8) {
    let mut lines = Lines::new(script);
    let mut stamping = Stamping::new(script.stamp);
    let mut logs = open(settings);
    let mut block = Vec::new();
    for (number, read) in reads.iter().enumerate() {
        stamping.set_clock(read.now);
        block.extend_from_slice(&read.bytes);
        while !block.is_empty() {
            match stamping.take(&mut lines, &block, &mut logs) {
                0 => break,
                taken => drop(block.drain(..taken)),
            }
        }
        logs.0.iter_mut().flatten().for_each(LogDir::flush);
        match between(first, number) {
            Between::Nothing => {}
            Between::Rotate => logs.0.iter_mut().flatten().for_each(LogDir::rotate),
            Between::Restart => {
                close(logs);
                logs = open(settings);
            }
        }
    }
    stamping.end(&mut lines, &block, &mut logs);
    close(logs);
}

fn between(first: u8, number: usize) -> Between {
    let is_due = number % (1 + usize::from(first / 4)) == 0;
    match first % 4 {
        1 if is_due => Between::Rotate,
        2 if is_due => Between::Restart,
        _ => Between::Nothing,
    }
}

fn check((dir, spec): &(OsString, Settings), bytes: &[u8], between: u8) {
    let found = real_dir::files(dir.as_ref());
    assert!(found.iter().all(|file| file.len() as u64 <= spec.size_max));
    assert!(found.len() as u64 <= spec.number_max);
    // The oldest are gone where there were more.
    assert!(bytes.ends_with(&found.concat()), "{spec:?}");
    if between == 1 {
        return;
    }
    let mut files = slow_files(spec, bytes);
    let gone = files.len().saturating_sub(spec.number_max.try_into().unwrap_or(usize::MAX));
    files.drain(..gone);
    assert_eq!(found.len(), files.len(), "{spec:?}");
    assert!(found == files, "{spec:?}");
}

/// A file ends with the first line that ends near its size, or before the byte that does not fit.
fn slow_files(spec: &Settings, bytes: &[u8]) -> Vec<Vec<u8>> {
    let margin = spec.margin.min(spec.size_max / 2);
    let mut files = vec![Vec::new()];
    for &byte in bytes {
        let last = files.last().expect("one at least");
        let is_near = last.len() as u64 >= spec.size_max - margin;
        if last.len() as u64 == spec.size_max || is_near && last.ends_with(b"\n") {
            files.push(Vec::new());
        }
        files.last_mut().expect("one at least").push(byte);
    }
    let last = files.last().expect("one at least");
    if last.len() as u64 >= spec.size_max - margin && last.ends_with(b"\n") {
        files.push(Vec::new());
    }
    files
}
