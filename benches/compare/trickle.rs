//! How soon a line is visible, and what one line at a time costs.

use crate::entrants::{self, Entrant, multilogs, our_multilog, their_multilog};
use crate::logger::{LINE, Logger};
use crate::process::{file_len, is_asleep, spin_until, wait_until};
use crate::race::{Place, home, median, prepare};
use crate::report::{Limit, Outcome};
use crate::rows::SIZE;
use crate::{Scale, Trouble};
use std::fs;
use std::io::{Write, pipe};
use std::thread;
use std::time::{Duration, Instant};

const START_COUNT: usize = 300;
const TRICKLE_COUNT: usize = 3000;
/// How long nothing happens before a line.
const QUIET: Duration = Duration::from_micros(300);
/// System calls are counted for so many lines and for so many; the difference is what lines cost.
const CALLS_COUNTS: [usize; 2] = [50, 250];
/// What strace writes, in the home of the logger.
const CALLS_FILE: &str = "calls";

/// From the start of the program to a line in `current`.
pub fn start_up(_: Scale) -> Result<Vec<Outcome>, Trouble> {
    let entrants = multilogs(&["t", "./main"]);
    let medians = in_turn(&entrants, START_COUNT, |entrant| {
        let home = home(Place::Memory)?;
        let current = home.path().join("main/current");
        let mut command = prepare(entrant, home.path())?;
        let (reader, mut writer) = pipe()?;
        writer.write_all(LINE)?;
        command.stdin(reader);
        let start = Instant::now();
        let mut child = command.spawn()?;
        spin_until("the first line", || file_len(&current) > 0)?;
        let taken = start.elapsed();
        drop((writer, command));
        child.wait()?;
        Ok(taken)
    })?;
    Ok(time_outcome("start-up to the first line in `current`: time", &medians, 1.3))
}

/// From the write into the pipe to the line in `current`, when nothing else happens.
pub fn trickle(_: Scale) -> Result<Vec<Outcome>, Trouble> {
    let entrants = multilogs(&["t", SIZE, "./main"]);
    let loggers: Result<Vec<Logger>, Trouble> =
        entrants.iter().map(|entrant| Logger::start(entrant)).collect();
    let loggers = loggers?;
    loggers.iter().try_for_each(Logger::write_and_wait)?;
    let medians = in_turn(&loggers, TRICKLE_COUNT, |logger| {
        wait_until("it to wait", || is_asleep(logger.pid()))?;
        thread::sleep(QUIET);
        let len = file_len(logger.current());
        let start = Instant::now();
        logger.stdin()?.write_all(LINE)?;
        spin_until("the line", || file_len(logger.current()) > len)?;
        Ok(start.elapsed())
    })?;
    loggers.into_iter().try_for_each(|mut logger| logger.end())?;
    Ok(time_outcome("one line at a time: time from write to visible", &medians, 1.0))
}

/// Measures each again and again in turn, and returns the medians.
fn in_turn<T>(
    all: &[T],
    count: usize,
    measure: impl Fn(&T) -> Result<Duration, Trouble>,
) -> Result<Vec<Duration>, Trouble> {
    let mut times = vec![Vec::new(); all.len()];
    for _ in 0..count {
        for (one, times) in all.iter().zip(&mut times) {
            times.push(measure(one)?);
        }
    }
    Ok(times.into_iter().map(|times| median(times.into_iter())).collect())
}

/// A time of ours as a multiple of theirs.
fn time_outcome(work: &str, medians: &[Duration], times_max: f64) -> Vec<Outcome> {
    let [ours, theirs] = medians else { return Vec::new() };
    eprintln!("   ours {ours:?}, daemontools {theirs:?}");
    let times = ours.as_secs_f64() / theirs.as_secs_f64();
    vec![Outcome::Limit(Limit {
        work: format!("{work}, of that of daemontools"),
        ours: format!("{times:.2}"),
        theirs: Some("1".to_owned()),
        target: format!("at most {times_max}"),
        met: times <= times_max,
    })]
}

/// System calls for each line, one line at a time.
pub fn calls(_: Scale) -> Result<Vec<Outcome>, Trouble> {
    let strace = entrants::installed("strace").ok_or("strace is not installed")?;
    let script = ["t", SIZE, "./main"];
    let each = |entrant: &Entrant| calls_a_line(&entrant.counted(&strace, CALLS_FILE));
    let ours = each(&our_multilog(&script))?;
    let theirs = their_multilog(&script).as_ref().map(each).transpose()?;
    Ok(vec![Outcome::Limit(Limit {
        work: "one line at a time: system calls for each".to_owned(),
        ours: format!("{ours:.1}"),
        theirs: theirs.map(|calls| format!("{calls:.1}")),
        target: "at most 3".to_owned(),
        met: ours <= 3.0,
    })])
}

fn calls_a_line(entrant: &Entrant) -> Result<f64, Trouble> {
    let [few, many] = CALLS_COUNTS;
    let more = (calls_for(entrant, many)? - calls_for(entrant, few)?) as f64;
    Ok(more / (many - few) as f64)
}

fn calls_for(entrant: &Entrant, line_count: usize) -> Result<i64, Trouble> {
    let mut logger = Logger::start(entrant)?;
    for _ in 0..line_count {
        logger.write_and_wait()?;
    }
    logger.end()?;
    let summary = fs::read_to_string(logger.home().join(CALLS_FILE))?;
    let total = summary.lines().rev().find(|line| line.ends_with("total"));
    let calls = total.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    calls.ok_or_else(|| format!("no total in the summary of strace: {summary}").into())
}
