//! `logdir kinds -f`: counts of kinds while lines arrive.
//!
//! Existing lines of the range are counted first. On a terminal the most frequent kinds fill the screen; to a
//! file or a pipe, each second the kinds whose counts have changed are written again.

use super::{append_json, append_rows};
use crate::logdir::doubles::{Compared, Doubles};
use crate::logdir::options::KindsOptions;
use crate::logdir::show::time_left;
use crate::logdir::tally::{self, Once, Reading, Tally};
use crate::logdir::trouble::Outcome;
use crate::logdir::{choices, figures, table};
use crate::poll::{Interest, Wait};
use crate::signals::Signals;
use crate::stdout;
use ::kinds::KindHash;
use ::logdir::failure::{Failure, What};
use ::logdir::read::delivered::position_before;
use ::logdir::read::delivery::{Follow, Scope, StartedDirectory, first_place, place_since};
use ::logdir::read::find::{Found, Location};
use ::logdir::read::range::Range;
use ::logdir::read::snapshot::Snapshot;
use std::collections::HashMap;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Time between two outputs.
const INTERVAL: Duration = Duration::from_secs(1);
/// Lines between looks at clock and signals.
const LINES_MAX: u32 = 10_000;
/// Moves to the first column of the screen and clears it.
const CLEAR: &str = "\x1b[H\x1b[J";
/// Rows of a terminal of unknown size.
const ROWS: usize = 24;

/// Sources of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Stdout,
    Signals,
    Watch,
}

/// Counts until a signal, the end of the range, or the end of the reader.
pub fn run(
    options: &KindsOptions,
    found: &[Found],
    range: Range,
    reading: &Reading<'_>,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let signals = Signals::collect().map_err(|errno| Failure::new(What::Events, "", errno))?;
    let mut live = Live::open(options, found, range, reading, outcome);
    if live.names.is_empty() {
        return Ok(());
    }
    let mut text = Vec::new();
    loop {
        let is_past = time_left(range) == Some(Duration::ZERO);
        if is_past {
            live.follow.look_at_all();
        }
        let is_idle = live.take_lines(range, reading);
        live.report(outcome);
        let is_over = is_past && is_idle || signals.take().to_end_or_reload();
        if is_over || live.is_due(is_idle) {
            text.extend_from_slice(live.changes(options.json).as_bytes());
            stdout::write_until_asked(&mut text, &signals)?;
        }
        if is_over || is_idle && !live.wait(range, &signals) {
            break;
        }
    }
    outcome.has_found = live.tallies.iter().any(|tally| tally.lines > 0);
    Ok(())
}

/// Followed directories and the counts of their services.
struct Live {
    follow: Follow,
    once: Once,
    /// Service of each directory.
    services: Vec<usize>,
    /// Names of services.
    names: Vec<String>,
    /// Names of directories.
    directories: Vec<String>,
    tallies: Vec<Tally>,
    /// Counts as they were printed.
    printed: HashMap<(usize, KindHash), u64>,
    printed_at: Option<Instant>,
    has_changed: bool,
}

impl Live {
    /// Opens the directories. Failures are reported and skipped.
    fn open(
        options: &KindsOptions,
        found: &[Found],
        range: Range,
        reading: &Reading<'_>,
        outcome: &mut Outcome,
    ) -> Live {
        let (mut started, mut services, mut names) = (Vec::new(), Vec::new(), Vec::new());
        let mut directories = Vec::new();
        for group in tally::by_service(found, options.lines.all) {
            for found in group {
                match start(found, range, reading) {
                    Ok(directory) => {
                        started.push(directory);
                        services.push(names.len());
                        directories.push(found.name.clone());
                    }
                    Err(failure) => outcome.fail(&[failure]),
                }
            }
            names.push(tally::name_of(group));
        }
        let keys: Vec<Option<usize>> = services.iter().copied().map(Some).collect();
        Live {
            follow: Follow::of(started, None, Scope::Endless),
            once: Once::new(Doubles::new(&keys)),
            services,
            tallies: names.iter().map(|_| Tally::default()).collect(),
            names,
            directories,
            printed: HashMap::new(),
            printed_at: None,
            has_changed: true,
        }
    }

    /// Counts lines that are ready. True if there are no more now.
    fn take_lines(&mut self, range: Range, reading: &Reading<'_>) -> bool {
        let Live { follow, once, services, tallies, .. } = self;
        let mut add = |number: usize, text: &[u8], moment| {
            tallies[services[number]].add(text, moment, reading.zone);
        };
        for _ in 0..LINES_MAX {
            let Some(delivery) = follow.next() else {
                once.take_all(&mut add);
                return true;
            };
            let (ticket, moment, stamp) = (delivery.ticket, delivery.moment, delivery.stamp);
            let text = &delivery.line.bytes[stamp.map_or(0, |stamp| stamp.end)..];
            once.settle(moment, &mut add);
            if !delivery.line.continues
                && range.holds_line(moment)
                && reading.filter.is_wanted(text)
            {
                let line = Compared { moment, is_stamped: stamp.is_some(), text };
                once.take(delivery.directory, line, &mut add);
            }
            follow.ack(ticket);
            self.has_changed = true;
        }
        false
    }

    fn report(&mut self, outcome: &mut Outcome) {
        for (number, notice) in self.follow.take_notices() {
            let format = |moment| figures::rfc3339(moment).unwrap_or_default();
            outcome.notice(&self.directories[number], vec![notice], format);
        }
    }

    /// True if there should be output now; the first when all existing lines are counted.
    fn is_due(&self, is_idle: bool) -> bool {
        self.printed_at.map_or(is_idle, |at| at.elapsed() >= INTERVAL)
    }

    /// What has changed since the last output.
    fn changes(&mut self, is_json: bool) -> String {
        self.printed_at = Some(Instant::now());
        if !std::mem::take(&mut self.has_changed) {
            return String::new();
        }
        match !is_json && std::io::stdout().is_terminal() {
            true => self.screen(),
            false => self.changed_kinds(is_json),
        }
    }

    fn changed_kinds(&mut self, is_json: bool) -> String {
        let mut text = String::new();
        let has_names = self.names.len() > 1;
        for (service, (name, tally)) in self.names.iter().zip(&self.tallies).enumerate() {
            let printed = &mut self.printed;
            let mut has_changed =
                |hash, count| printed.insert((service, hash), count) != Some(count);
            match is_json {
                true => append_json(name, tally, &mut has_changed, &mut text),
                false => append_rows(has_names, name, tally, &mut has_changed, &mut text),
            }
        }
        text
    }

    /// The first rows of each service, as many as fit.
    fn screen(&self) -> String {
        let size = terminal_size::terminal_size_of(std::io::stdout());
        let rows = size.map_or(ROWS, |(_, terminal_size::Height(rows))| usize::from(rows));
        let (width, rows) = (table::width(), rows.saturating_sub(1));
        let in_service = (rows / self.names.len().max(1)).max(1);
        let has_names = self.names.len() > 1;
        let mut screen = String::from(CLEAR);
        for (name, tally) in self.names.iter().zip(&self.tallies) {
            let mut text = String::new();
            append_rows(has_names, name, tally, |_, _| true, &mut text);
            for line in text.lines().take(in_service) {
                screen.extend(line.chars().take(width));
                screen.push('\n');
            }
        }
        screen
    }

    /// Waits for lines or the next output. `false` after the reader of the output has gone.
    fn wait(&self, range: Range, signals: &Signals) -> bool {
        let stdout = std::io::stdout();
        let mut wait: Wait<'_, Source, 3> =
            Wait::on(Source::Stdout, stdout.as_fd(), Interest::Failure);
        wait.add(Source::Signals, signals.as_fd(), Interest::Readable);
        for fd in self.follow.fds() {
            wait.add(Source::Watch, fd, Interest::Readable);
        }
        wait.until(Some(self.follow.deadline()));
        if self.has_changed {
            wait.until(self.printed_at.map(|at| at + INTERVAL));
        }
        wait.until(time_left(range).and_then(|left| Instant::now().checked_add(left)));
        !wait.wait().has(Source::Stdout)
    }
}

fn start(found: &Found, range: Range, reading: &Reading<'_>) -> Result<StartedDirectory, Failure> {
    let snapshot = Snapshot::of_place(&found.place)?;
    let stamps = choices::stamps(reading.counting, &snapshot);
    let (Location::Directory(path) | Location::File(path)) = &found.place;
    let path = path.canonicalize().unwrap_or_else(|_| path.clone());
    let place = match range.since {
        Some(since) => place_since(&snapshot, &stamps, since),
        None => first_place(&snapshot),
    };
    let position = position_before(&snapshot, &stamps, place.as_ref());
    Ok(StartedDirectory { path, snapshot, stamps, position })
}
