//! The matrix of faults, kills and power cuts.

use super::workload::{
    DIRS, LAST, Outcome, PAUSE_OF_KEPT, RUN_COUNT, fresh, line, run, run_last, streams,
};
use super::{
    check_equal, check_kept, check_marks, check_memory, check_output, check_promise, check_tidy,
    contents, shown,
};
use crate::disk::model::{CALLS, Call, Fault, How, Journal, Model};
use crate::event::told;
use crate::pause::PAUSE;
use crate::write::Closed;
use nix::errno::Errno;
use std::collections::BTreeMap;
use std::io::Write;
use std::time::Instant;

pub const ERRNOS: [Errno; 7] = [
    Errno::ENOSPC,
    Errno::EIO,
    Errno::EDQUOT,
    Errno::EMFILE,
    Errno::ENOMEM,
    Errno::EINTR,
    Errno::EACCES,
];

/// Report at the end of the first run.
const STOPPED: &str = "Warning: stopped the processor in ./copied, 2 files wait for the next start";

/// Starts before a service counts as hung.
const START_MAX: usize = 5;

/// Power cut outcomes per call and journal kind: in the full matrix, and in the part run without
/// `MULTILOG_TEST_MATRIX=full`.
const CUT_SEEDS: [(Journal, u64, u64); 2] = [(Journal::Ordered, 9, 3), (Journal::Loose, 24, 6)];

/// Fewest power cuts with names in any order in the full matrix.
const LOOSE_CUT_COUNT_MIN: u64 = 20_000;

fn is_full() -> bool {
    std::env::var_os("MULTILOG_TEST_MATRIX").is_some_and(|extent| extent == "full")
}

/// Prints the figures, visible with `--nocapture`.
pub fn summary(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// All runs, restarting each after a refused start.
fn run_all(model: &Model, about: &str) -> Vec<Closed> {
    (0..RUN_COUNT).map(|index| run_until_closed(model, || run(model, index), about)).collect()
}

fn run_until_closed(model: &Model, mut run: impl FnMut() -> Outcome, about: &str) -> Closed {
    let mut why = Vec::new();
    for _ in 0..START_MAX {
        match run() {
            Outcome::Closed(closed) => return closed,
            Outcome::Refused(failure) => why.push(failure),
            Outcome::Stopped => panic!("stopped: {about}"),
        }
    }
    panic!("started in vain, {} calls, {why:?}: {about}", model.total());
}

/// Everything given is present, now and after another start.
fn check_all_there(model: &Model, about: &str) {
    for (dir, stream) in DIRS.into_iter().zip(streams()) {
        check_equal(&contents(&model.root().dir(dir).unwrap()), stream, about);
    }
    check_recovers(model, streams().each_ref().map(Vec::as_slice), about);
}

/// Another run adds its line, and leaves exactly the expected contents before it.
fn check_recovers(model: &Model, before: [&[u8]; DIRS.len()], about: &str) {
    model.plan(&[], None);
    run_until_closed(model, || run_last(model), about);
    for (dir, before) in DIRS.into_iter().zip(before) {
        let place = model.root().dir(dir).unwrap();
        check_equal(&contents(&place), &[before, &line(LAST)].concat(), about);
        check_tidy(&place, about);
    }
    check_memory(&model.root().dir(b"copied").unwrap(), about);
}

/// Runs the workload with this fault.
fn check_fault(fault: Fault) {
    if fault.call == Call::EndProcessor && fault.how == How::Fail(Errno::EINTR) {
        // No system call; and every failing processor is reported.
        return;
    }
    let about = format!("{fault:?}");
    let model = fresh();
    model.plan(&[fault], None);
    let closed = run_all(&model, &about);
    if matches!(fault.how, How::Fail(Errno::EINTR)) {
        assert_eq!(told::take(), [STOPPED], "{about}");
        assert!(closed.iter().all(|closed| *closed == Closed::Clean), "{about}");
    }
    check_told(&told::take_timed(), &about);
    check_all_there(&model, &about);
}

/// A failure is reported at most once per pause, and its end exactly once.
fn check_told(told: &[(Instant, String)], about: &str) {
    let mut paused: BTreeMap<&str, Instant> = BTreeMap::new();
    // Last report of each sink: false for a pause, true for its end.
    let mut last: BTreeMap<&str, bool> = BTreeMap::new();
    let sinks = ["./few", "./all", "./some", "./kept", "./copied"];
    for (moment, line) in told {
        let Some(sink) = sinks.into_iter().find(|sink| line.contains(sink)) else {
            assert!(line.starts_with("Warning: unable to write . to disk: "), "{line}: {about}");
            continue;
        };
        if line.contains(", pausing") {
            let before = paused.insert(line, *moment);
            let pause = if sink == "./kept" { PAUSE_OF_KEPT } else { PAUSE };
            let rested = before.is_none_or(|before| *moment >= before + pause);
            assert!(rested, "{line} comes too often: {about}");
            last.insert(sink, false);
        } else if line.starts_with("Info: ") {
            let is_first = last.insert(sink, true) == Some(false);
            assert!(is_first && line.contains(" again, "), "{told:?}: {about}");
        }
    }
    assert!(last.values().all(|ended| *ended), "{told:?}: {about}");
}

/// A server completes the call and returns an error.
#[test]
fn faults_after_what_was_done_lose_nothing() {
    let (_, counts) = calls();
    let is_change = |call| {
        let changes = [Call::Rename, Call::Link, Call::Remove, Call::SetMode, Call::MakeDir];
        changes.contains(&call)
    };
    let mut tried = 0;
    for &(call, count) in counts.iter().filter(|(call, _)| is_change(*call)) {
        for first in 1..=count {
            for errno in [Errno::EIO, Errno::EINTR, Errno::ESTALE] {
                let fault = Fault { call, first, count: 1, how: How::DoneAndFail(errno) };
                let about = format!("{fault:?}");
                let model = fresh();
                model.plan(&[fault], None);
                run_all(&model, &about);
                check_all_there(&model, &about);
                tried += 1;
            }
        }
    }
    summary(&format!(
        "faults after what was done: {tried}; lines lost 0, duplicated 0, reordered 0, hung 0"
    ));
}

/// Number of calls of each kind without faults.
fn calls() -> (Model, Vec<(Call, u64)>) {
    let model = fresh();
    let closed = run_all(&model, "no fault");
    assert_eq!(closed, [Closed::Clean; RUN_COUNT]);
    assert_eq!(told::take(), [STOPPED]);
    let copied = model.root().dir(b"copied").unwrap().files();
    assert!(!copied.iter().any(|(name, ..)| name.ends_with(b".u")), "what waited is whole");
    let counts = CALLS.iter().map(|&call| (call, model.count(call))).collect();
    (model, counts)
}

#[test]
fn faults_of_every_call_lose_nothing() {
    let (whole, counts) = calls();
    let mut tried = 0;
    for &(call, count) in &counts {
        // Only what others do to `current` leads there: `faults_of_others_that_replace_current_lose_nothing`.
        assert!(count > 0 || call == Call::ReadFile, "{call:?} is never called");
        for first in 1..=count {
            for errno in ERRNOS {
                check_fault(Fault { call, first, count: 1, how: How::Fail(errno) });
                tried += 1;
            }
            check_fault(Fault { call, first, count: 4, how: How::Fail(Errno::ENOSPC) });
            tried += 1;
        }
    }
    let call = Call::Write;
    for first in 1..=whole.count(call) {
        for len in [0, 1, 77] {
            check_fault(Fault { call, first, count: 1, how: How::Short(len) });
            check_fault(Fault { call, first, count: 9, how: How::Short(len) });
            tried += 2;
        }
    }
    check_all_there(&whole, "no fault");
    summary(&format!(
        "faults tried: {tried} over {} calls; lines lost 0, duplicated 0, reordered 0, hung 0",
        counts.iter().map(|(_, count)| count).sum::<u64>()
    ));
}

/// Runs the workload until the kill at call `stop_at`. False if it makes fewer calls.
pub fn run_to(model: &Model, faults: &[Fault], stop_at: u64) -> bool {
    model.plan(faults, Some(stop_at));
    (0..RUN_COUNT).any(|index| matches!(run(model, index), Outcome::Stopped))
}

/// Kills at every call; returns their number.
fn kill_everywhere(faults: &[Fault]) -> u64 {
    for stop_at in 1.. {
        let model = fresh();
        if !run_to(&model, faults, stop_at) {
            return stop_at - 1;
        }
        let about = format!("killed at call {stop_at}, {faults:?}");
        let written = DIRS.map(|dir| model.root().dir(dir).map_or(0, |dir| dir.written()));
        let before = std::array::from_fn(|dir| &streams()[dir][..written[dir]]);
        check_recovers(&model, before, &about);
    }
    unreachable!("the workload ends");
}

/// Kills every n-th call of a recovery; the offset varies with the first kill.
const SECOND_KILL_STEP: u64 = 9;

/// Kills the recovery after a kill. Returns the number of second kills.
fn kill_recovery(model: &Model, first: u64) -> u64 {
    let written =
        |model: &Model| DIRS.map(|dir| model.root().dir(dir).map_or(0, |dir| dir.written()));
    let calls = (1 + first % SECOND_KILL_STEP..).step_by(SECOND_KILL_STEP as usize);
    for (tried, stop_at) in (0..).zip(calls) {
        let again = model.copy();
        again.plan(&[], Some(stop_at));
        if !matches!(run_last(&again), Outcome::Stopped) {
            return tried;
        }
        let about = format!("killed at call {first}, and at call {stop_at} of the next start");
        let (before, after) = (written(model), written(&again));
        let kept: [Vec<u8>; DIRS.len()] = std::array::from_fn(|dir| {
            let last = &line(LAST)[..after[dir] - before[dir]];
            [&streams()[dir][..before[dir]], last].concat()
        });
        check_recovers(&again, kept.each_ref().map(Vec::as_slice), &about);
    }
    unreachable!("a start ends");
}

#[test]
fn faults_that_kill_the_recovery_after_a_kill_lose_nothing() {
    let mut tried = 0;
    for first in (1..).step_by(3) {
        let model = fresh();
        if !run_to(&model, &[], first) {
            break;
        }
        tried += kill_recovery(&model, first);
    }
    summary(&format!(
        "kills of a recovery tried: {tried}; lines lost 0, duplicated 0, reordered 0, hung 0"
    ));
    assert!(tried > 500, "{tried} kills");
}

#[test]
fn faults_that_kill_at_any_call_lose_nothing_that_was_written() {
    let kills = kill_everywhere(&[]);
    let no_links =
        Fault { call: Call::Link, first: 1, count: u64::MAX / 2, how: How::Fail(Errno::EPERM) };
    let without_links = kill_everywhere(&[no_links]);
    summary(&format!(
        "kills tried: {kills}, without hard links {without_links}; \
         lines lost 0, duplicated 0, reordered 0, hung 0"
    ));
}

/// The kernel drops unwritten data, and the next fsync succeeds.
#[test]
fn faults_of_a_sync_are_not_forgotten() {
    let step = if is_full() { 7 } else { 90 };
    let (whole, _) = calls();
    let mut cuts = 0;
    for first in 1..=whole.count(Call::Sync) {
        let fault = Fault { call: Call::Sync, first, count: 1, how: How::Fail(Errno::EIO) };
        for (stop_at, seed) in (60..whole.total()).step_by(step).zip(first..) {
            let model = fresh();
            run_to(&model, &[fault], stop_at + first % step as u64);
            let about = format!(
                "{fault:?}, power cut at call {}, seed {seed}",
                stop_at + first % step as u64
            );
            let after = model.after_power_cut(Journal::Loose, seed);
            run_until_closed(&after, || run_last(&after), &about);
            check_promise(&model, &after, &about);
            cuts += 1;
        }
    }
    summary(&format!("power cuts after a failed sync: {cuts}; lines of archives lost 0"));
}

/// After a clean end everything is on disk.
fn check_nothing_missing(model: &Model, about: &str) {
    for (dir, stream) in DIRS.into_iter().zip(streams()) {
        let found = contents(&model.root().dir(dir).unwrap());
        check_equal(&found, &[stream.as_slice(), &line(LAST)].concat(), about);
    }
}

/// A single power cut outcome.
fn check_cut(model: &Model, journal: Journal, seed: u64, about: &str) -> Model {
    let after = model.after_power_cut(journal, seed);
    check_marks(model, &after, about);
    check_output(&after, about);
    let shown = shown(&after);
    run_until_closed(&after, || run_last(&after), about);
    check_promise(model, &after, about);
    check_kept(&shown, &after, about);
    after
}

#[test]
fn faults_of_the_power_supply_lose_no_archive() {
    let mut cuts = CUT_SEEDS.map(|_| 0);
    for stop_at in 1.. {
        let model = fresh();
        let is_last = !run_to(&model, &[], stop_at);
        for ((journal, whole, part), tried) in CUT_SEEDS.into_iter().zip(&mut cuts) {
            for seed in 0..if is_full() { whole } else { part } {
                let about = format!("power cut at call {stop_at}, {journal:?}, seed {seed}");
                let after = check_cut(&model, journal, stop_at * 1000 + seed, &about);
                if is_last {
                    check_nothing_missing(&after, &about);
                }
                *tried += 1;
            }
        }
        if is_last {
            break;
        }
    }
    let [ordered, loose] = cuts;
    summary(&format!(
        "power cuts tried: names in order {ordered}, in any order {loose}; \
         lines of archives lost 0, duplicated 0, reordered 0; lines on disk lost 0"
    ));
    assert!(!is_full() || loose >= LOOSE_CUT_COUNT_MIN, "{loose} with names in any order");
}

/// For every fixed mode and any directory contents.
#[test]
fn faults_of_a_file_system_without_mode_bits_are_found_at_the_start() {
    let mut tried = 0;
    for stop_at in (1..).step_by(20) {
        let model = fresh();
        let is_last = !run_to(&model, &[], stop_at);
        model.plan(&[], None);
        for mode in [0o755, 0o777, 0o644, 0o600] {
            let forgetful = model.copy();
            forgetful.fix_modes(mode);
            let before = DIRS.map(|dir| forgetful.root().dir(dir).map(|dir| dir.files()));
            let Outcome::Refused(reason) = run_last(&forgetful) else { panic!("not refused") };
            assert_eq!(
                reason,
                "unable to set mode of ./few/lock: this file system does not keep mode bits"
            );
            let after = DIRS.map(|dir| forgetful.root().dir(dir).map(|dir| dir.files()));
            let is_kept = before[1..] == after[1..]
                && before[0].iter().flatten().all(|file| {
                    after[0].iter().flatten().any(|other| other.0 == file.0 && other.2 == file.2)
                });
            assert!(is_kept, "changed after a kill at call {stop_at}");
            tried += 1;
        }
        if is_last {
            break;
        }
    }
    summary(&format!("starts without mode bits: {tried}, all refused, nothing changed"));
}
