//! Bytes the writer reports as durable survive a power cut, at every call, and after every failed
//! sync.

use super::contents;
use super::matrix::summary;
use super::workload::{self, DIRS, fresh, line, settings};
use crate::clock::by_hand;
use crate::disk::Dir;
use crate::disk::model::{Call, Chance, Fault, How, Journal, Model};
use crate::event::told;
use crate::wake::Wake;
use crate::write::LogDir;
use nix::errno::Errno;
use std::time::Duration;

/// Power cut outcomes per call and journal kind.
const CUT_SEEDS: u64 = 3;

const LINE_COUNT: u64 = 120;

/// Rounds before a run counts as hung.
const ROUND_MAX: usize = 400;

/// A completed run; one log per directory.
struct Ran {
    logs: Vec<LogDir>,
    requests: u64,
}

fn stream() -> Vec<u8> {
    (0..LINE_COUNT).flat_map(line).collect()
}

/// Logs all lines to all directories, requesting a sync after each line. `None` if a directory
/// could not be opened.
fn run(model: &Model) -> Option<Ran> {
    let (start, wake) = (Dir::Model(model.root()), Wake::new().unwrap());
    let open = |(dir, spec)| {
        LogDir::open(&start, &workload::path(dir), &spec, &wake, &told::reporter()).ok()
    };
    let mut logs = DIRS.into_iter().zip(settings()).map(open).collect::<Option<Vec<_>>>()?;
    let mut chance = Chance(7);
    let mut requests = 0;
    for number in 0..LINE_COUNT {
        for log in &mut logs {
            assert!(log.have_room(line(number).len()), "the queues are larger than the workload");
            log.append(&line(number));
            log.request_sync();
            requests += 1;
            log.flush();
            for _ in 0..chance.of(5) {
                log.advance_worker();
            }
        }
        by_hand::pass(Duration::from_millis(200));
    }
    Some(Ran { logs, requests })
}

/// Requests a sync and continues until everything is durable or progress stops.
fn settle(model: &Model, logs: &mut [LogDir]) {
    logs.iter_mut().for_each(LogDir::request_sync);
    for _ in 0..ROUND_MAX {
        logs.iter_mut().for_each(LogDir::flush);
        let is_done = |log: &LogDir| log.durable() == log.appended() || log.has_lost();
        if model.is_stopped() || logs.iter().all(is_done) {
            return;
        }
        if !logs.iter_mut().fold(false, |any, log| log.advance_worker() | any) {
            by_hand::pass(Duration::from_secs(5));
        }
    }
    panic!("hung: {:#?}", told::take());
}

/// Cuts the power after a run and checks bytes reported as durable.
fn check_cut(model: &Model, logs: &[LogDir], journal: Journal, seed: u64, about: &str) {
    let after = model.after_power_cut(journal, seed);
    for _ in 0..5 {
        if matches!(workload::run_last(&after), workload::Outcome::Closed(_)) {
            break;
        }
    }
    for (dir, log) in DIRS.into_iter().zip(logs) {
        let durable = usize::try_from(log.durable()).unwrap();
        let found = after.root().dir(dir).map(|dir| contents(&dir)).unwrap_or_default();
        let expected = &stream()[..durable];
        assert!(
            found.starts_with(expected),
            "{}: of {durable} durable bytes {} are there: {about}",
            dir.escape_ascii(),
            found.iter().zip(expected).take_while(|(one, other)| one == other).count(),
        );
    }
}

#[test]
fn faults_of_the_power_supply_lose_nothing_durable() {
    let (mut cuts, mut durable_sum) = (0, 0);
    for stop_at in 1.. {
        let model = fresh();
        model.plan(&[], Some(stop_at));
        let Some(mut ran) = run(&model) else { continue };
        settle(&model, &mut ran.logs);
        durable_sum += ran.logs.iter().map(LogDir::durable).sum::<u64>();
        for journal in [Journal::Ordered, Journal::Loose] {
            for seed in 0..CUT_SEEDS {
                let about = format!("power cut at call {stop_at}, {journal:?}, seed {seed}");
                check_cut(&model, &ran.logs, journal, stop_at * 1000 + seed, &about);
                cuts += 1;
            }
        }
        if !model.is_stopped() {
            let len = stream().len() as u64;
            assert!(ran.logs.iter().all(|log| log.durable() == len), "not all is durable");
            let syncs = model.count(Call::Sync);
            assert!(syncs < ran.requests, "{syncs} syncs for {} requests", ran.requests);
            break;
        }
    }
    assert!(durable_sum > 0);
    summary(&format!("power cuts against durable bytes: {cuts}; bytes lost 0"));
}

/// A failed sync makes nothing durable, neither then nor later.
#[test]
fn faults_of_a_sync_make_nothing_durable() {
    let whole = fresh();
    let ran = run(&whole).unwrap();
    drop(ran);
    let mut cuts = 0;
    for call in [Call::Sync, Call::SyncDir] {
        for first in 1..=whole.count(call) {
            let fault = Fault { call, first, count: 1, how: How::Fail(Errno::EIO) };
            for stop_at in [whole.total() * (first % 7 + 1) / 8, u64::MAX] {
                let model = fresh();
                model.plan(&[fault], Some(stop_at));
                let Some(mut ran) = run(&model) else { continue };
                settle(&model, &mut ran.logs);
                for journal in [Journal::Ordered, Journal::Loose] {
                    let about = format!("{fault:?}, power cut at call {stop_at}, {journal:?}");
                    check_cut(&model, &ran.logs, journal, first * 31 + stop_at % 1000, &about);
                    cuts += 1;
                }
            }
        }
    }
    summary(&format!("power cuts after a failed sync against durable bytes: {cuts}; bytes lost 0"));
}
