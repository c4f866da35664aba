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
            let output = if is_over { live.last(options.json) } else { live.changes(options.json) };
            text.extend_from_slice(output.as_bytes());
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
        match has_screen(is_json) {
            true => self.screen(),
            false => self.changed_kinds(is_json),
        }
    }

    /// The last output: on a terminal every kind, since the screen may have had only some.
    fn last(&mut self, is_json: bool) -> String {
        match has_screen(is_json) {
            true => CLEAR.to_owned() + &self.texts().concat(),
            false => self.changes(is_json),
        }
    }

    /// The rows of each service.
    fn texts(&self) -> Vec<String> {
        let has_names = self.names.len() > 1;
        let rows = |(name, tally): (&String, &Tally)| {
            let mut text = String::new();
            append_rows(has_names, name, tally, |_, _| true, &mut text);
            text
        };
        self.names.iter().zip(&self.tallies).map(rows).collect()
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

    /// The first rows of each service, as many as fit, and how many kinds have no row.
    fn screen(&self) -> String {
        let size = terminal_size::terminal_size_of(std::io::stdout());
        let rows = size.map_or(ROWS, |(_, terminal_size::Height(rows))| usize::from(rows));
        let texts = self.texts();
        let counts: Vec<usize> = texts.iter().map(|text| text.lines().count()).collect();
        // The last row is the cursor's, the row above it reports what is missing.
        let shares = shares(&counts, rows.saturating_sub(2));
        let width = table::width();
        let mut screen = String::from(CLEAR);
        for (text, share) in texts.iter().zip(&shares) {
            for line in text.lines().take(*share) {
                screen.extend(line.chars().take(width));
                screen.push('\n');
            }
        }
        let missing = counts.iter().sum::<usize>() - shares.iter().sum::<usize>();
        if missing > 0 {
            screen += &format!("{:26}({missing} further kinds)\n", "");
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

/// True if output is a screen that is filled again and again.
fn has_screen(is_json: bool) -> bool {
    !is_json && std::io::stdout().is_terminal()
}

/// Rows for each service, out of `rows`: equal shares, and what some do not need is for the others.
fn shares(counts: &[usize], rows: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.sort_by_key(|&number| counts[number]);
    let (mut left, mut shares) = (rows, vec![0; counts.len()]);
    for (place, number) in order.into_iter().enumerate() {
        shares[number] = counts[number].min(left / (counts.len() - place));
        left -= shares[number];
    }
    shares
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

#[cfg(test)]
mod tests {
    use super::shares;

    #[test]
    fn rows_are_shared_among_services() {
        assert_eq!(shares(&[], 5), [0; 0]);
        assert_eq!(shares(&[3], 5), [3]);
        assert_eq!(shares(&[9, 1, 9], 11), [5, 1, 5]);
        assert_eq!(shares(&[9, 9], 0), [0, 0]);
        assert_eq!(shares(&[1, 1, 1], 2), [0, 1, 1]);
    }
}
