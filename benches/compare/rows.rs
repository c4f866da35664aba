//! The table of targets, row by row.

use crate::entrants::{self, Entrant, Who, cat, multilogs, s6_log, svlogd};
use crate::following;
use crate::input::Input;
use crate::limits;
use crate::memory;
use crate::race::{Cost, Place, race};
use crate::reading;
use crate::report::{Limit, Outcome, Race};
use crate::trickle;
use crate::{Scale, Trouble};

/// Measures a row.
pub type Measure = fn(Scale) -> Result<Vec<Outcome>, Trouble>;

/// Every row, by the name that chooses it on the command line.
pub const ROWS: [(&str, Measure); 22] = [
    ("plain", plain),
    ("stamped", stamped),
    ("short", short_lines),
    ("long", long_lines),
    ("mail", mail_script),
    ("select", two_patterns),
    ("patterns", many_patterns),
    ("directories", two_directories),
    ("disk", real_disk),
    ("slow-disk", slow_disk),
    ("tai64nlocal", tai64nlocal),
    ("tai64n", tai64n),
    ("show", reading::show),
    ("archives", limits::archives),
    ("memory", memory::memory),
    ("start", trickle::start_up),
    ("trickle", trickle::trickle),
    ("calls", trickle::calls),
    ("latency", following::latency),
    ("idle", following::idle),
    ("backlog", following::backlog),
    ("binary", limits::binary),
];

/// Files of 16 MB, so that rotation plays no part where it is not the subject.
pub const SIZE: &str = "s16777215";
const SVLOGD_SIZE: &str = "s16777215\nn10\n";
/// The smallest files any of them makes.
pub const SIZE_MIN: &str = "s4096";

/// Input of the row of 7-byte lines: nine million of them.
const SHORT_PART: usize = 4;
/// Input of the rows in which hundreds of patterns are tried: a part of that of the others, since the
/// peers take as much longer.
const PATTERNS_PART: usize = 4;
/// Input of the rows that are bound by fsync.
const DISK_PART: usize = 4;
const SLOW_DISK_PART: usize = 16;
const SLOW_SYNC_MICROS: u32 = 10_000;

/// The run script whose work the mail row is.
const MAIL_RUN: &str = include_str!("../../run-scripts/qmail-send/log/run");

fn plain(scale: Scale) -> Result<Vec<Outcome>, Trouble> {
    let script = [SIZE, "./main"];
    let peers = [s6_log(&script), svlogd(&[], SVLOGD_SIZE), cat()];
    let entrants = with(multilogs(&script), peers);
    let targets = [(Who::Cat, 0.95), (Who::Daemontools, 10.0), (Who::S6, 5.0)];
    let input = Input::mail(scale.megabytes);
    contest("no stamp: `s16777215 ./main`", &entrants, &input, &targets, scale)
}

fn stamped(scale: Scale) -> Result<Vec<Outcome>, Trouble> {
    let targets = [(Who::Daemontools, 8.0), (Who::S6, 6.0), (Who::Cat, 0.6)];
    let input = Input::mail(scale.megabytes);
    contest("`t s16777215 ./main`", &stampers(), &input, &targets, scale)
}

fn short_lines(scale: Scale) -> Result<Vec<Outcome>, Trouble> {
    let input = Input::of_length(7, scale.megabytes.div_ceil(SHORT_PART));
    let targets = [(Who::Daemontools, 8.0)];
    contest("the same, lines of 7 bytes", &stampers(), &input, &targets, scale)
}

fn long_lines(scale: Scale) -> Result<Vec<Outcome>, Trouble> {
    let input = Input::of_length(10_000, scale.megabytes);
    // svlogd would cut such lines.
    let mut entrants = stampers();
    entrants.retain(|entrant| entrant.who != Who::Runit);
    let targets = [(Who::Daemontools, 8.0)];
    contest("the same, lines of 10,000 bytes", &entrants, &input, &targets, scale)
}

fn mail_script(scale: Scale) -> Result<Vec<Outcome>, Trouble> {
    let entrants = with(mail_multilogs(), [cat()]);
    let targets = [(Who::Daemontools, 8.0)];
    let input = Input::mail(scale.megabytes);
    let work = "`run-scripts/qmail-send`: `t ./main`, nine `-`, `./alert`, `-* +pattern =status`";
    contest(work, &entrants, &input, &targets, scale)
}

fn two_patterns(scale: Scale) -> Result<Vec<Outcome>, Trouble> {
    let script = select_script();
    // Its patterns see the line without the stamp.
    let s6_script = ["--", "-", "+^delivery ", "+^warning: ", "t", SIZE, "./main"];
    let config = format!("{SVLOGD_SIZE}-*\n+delivery *\n+warning: *\n");
    let peers = [s6_log(&s6_script), svlogd(&["-t"], &config), cat()];
    let targets = [(Who::Daemontools, 6.0), (Who::S6, 12.0)];
    let input = Input::mail(scale.megabytes);
    let work = "`t '-*' '+* delivery *' '+* warning: *' ./main`";
    contest(work, &with(multilogs(&script), peers), &input, &targets, scale)
}

/// The time of ours grows less than the number of patterns; theirs is measured for the first two.
fn many_patterns(scale: Scale) -> Result<Vec<Outcome>, Trouble> {
    let input = Input::mail(scale.megabytes.div_ceil(PATTERNS_PART));
    let [ten, hundred, thousand] = [10, 100, 1000].map(patterns_script);
    let mut entrants = multilogs(&ten);
    let ten_count = entrants.len();
    entrants.extend(multilogs(&hundred));
    entrants.push(entrants::our_multilog(&thousand));
    let costs = race(&entrants, &input, Place::Memory, scale)?;
    let row = |count, from: usize, to: usize, targets: &[(Who, f64)]| {
        let work = format!("`t`, {count} patterns that do not match, `./main`");
        outcome(&work, &entrants[from..to], &costs[from..to], targets)
    };
    let growth = costs[entrants.len() - 1].over(&costs[0]);
    Ok(vec![
        row(10, 0, ten_count, &[]),
        row(100, ten_count, 2 * ten_count, &[(Who::Daemontools, 20.0)]),
        Outcome::Limit(Limit {
            work: "1,000 patterns that do not match: time, of that with 10".to_owned(),
            ours: format!("{growth:.2}"),
            theirs: None,
            target: "at most 3".to_owned(),
            met: growth <= 3.0,
        }),
    ])
}

fn two_directories(scale: Scale) -> Result<Vec<Outcome>, Trouble> {
    let s6_script = ["t", SIZE, "./a", "t", SIZE, "./b"];
    let entrants = with(multilogs(&directories_script()), [s6_log(&s6_script), cat()]);
    let input = Input::mail(scale.megabytes);
    let work = "`t s16777215 ./a s16777215 ./b`";
    contest(work, &entrants, &input, &[(Who::Daemontools, 6.0)], scale)
}

fn real_disk(scale: Scale) -> Result<Vec<Outcome>, Trouble> {
    let input = Input::mail(scale.megabytes.div_ceil(DISK_PART));
    let entrants = default_sized();
    let costs = race(&entrants, &input, Place::Disk, scale)?;
    let work = "`t ./main` on a disk: each file of 99,999 bytes is synced";
    Ok(vec![outcome(work, &entrants, &costs, &[(Who::Daemontools, 1.0)])])
}

fn slow_disk(scale: Scale) -> Result<Vec<Outcome>, Trouble> {
    let strace = entrants::installed("strace").ok_or("strace is not installed")?;
    let slow = |entrant: Entrant| entrant.on_slow_disk(&strace, SLOW_SYNC_MICROS);
    let entrants: Vec<Entrant> = default_sized().into_iter().map(slow).collect();
    let input = Input::mail(scale.megabytes.div_ceil(SLOW_DISK_PART));
    let work = "the same where each fsync takes 10 ms";
    contest(work, &entrants, &input, &[(Who::Daemontools, 1.0)], scale)
}

fn tai64nlocal(scale: Scale) -> Result<Vec<Outcome>, Trouble> {
    let input = Input::stamped();
    let targets = [(Who::Daemontools, 15.0), (Who::S6, 6.0)];
    let work = "`tai64nlocal`, 1.3 million stamped lines";
    contest(work, &entrants::tai64nlocal(), &input, &targets, scale)
}

fn tai64n(scale: Scale) -> Result<Vec<Outcome>, Trouble> {
    let input = Input::mail(scale.megabytes);
    contest("`tai64n`", &entrants::tai64n(), &input, &[(Who::Daemontools, 8.0)], scale)
}

/// Everybody who stamps lines into one directory.
fn stampers() -> Vec<Entrant> {
    let script = ["t", SIZE, "./main"];
    with(multilogs(&script), [s6_log(&script), svlogd(&["-t"], SVLOGD_SIZE), cat()])
}

/// Everybody who does so into files of 99,999 bytes, the size of 0.76 where none is given.
fn default_sized() -> Vec<Entrant> {
    let script = ["t", "./main"];
    with(multilogs(&script), [s6_log(&script), svlogd(&["-t"], "s99999\nn10\n")])
}

/// The script of the mail server, as it is in `run-scripts`.
pub fn mail_multilogs() -> Vec<Entrant> {
    let words = MAIL_RUN.split_once(" multilog ").map_or("", |(_, words)| words);
    entrants::multilogs_from_shell(words)
}

/// Two patterns that select about a quarter of the lines.
pub fn select_script() -> [&'static str; 6] {
    ["t", "-*", "+* delivery *", "+* warning: *", SIZE, "./main"]
}

pub fn directories_script() -> [&'static str; 5] {
    ["t", SIZE, "./a", SIZE, "./b"]
}

/// Patterns as people write them, none of which matches: each is like some lines at its beginning.
pub fn patterns_script(count: usize) -> Vec<String> {
    let pattern = |number| match number % 3 {
        0 => format!("-* delivery 9000000{number}: *"),
        1 => format!("-* info msg *<user{number}@spam.example> *"),
        _ => format!("-*: 198.51.100.{number}_*"),
    };
    let before = std::iter::once("t".to_owned()).chain((0..count).map(pattern));
    before.chain([SIZE.to_owned(), "./main".to_owned()]).collect()
}

fn with<const N: usize>(mut entrants: Vec<Entrant>, peers: [Option<Entrant>; N]) -> Vec<Entrant> {
    entrants.extend(peers.into_iter().flatten());
    entrants
}

fn contest(
    work: &str,
    entrants: &[Entrant],
    input: &Input,
    targets: &[(Who, f64)],
    scale: Scale,
) -> Result<Vec<Outcome>, Trouble> {
    let costs = race(entrants, input, Place::Memory, scale)?;
    Ok(vec![outcome(work, entrants, &costs, targets)])
}

/// The row of a race in which the first entrant is ours.
pub fn outcome(
    work: &str,
    entrants: &[Entrant],
    costs: &[Cost],
    targets: &[(Who, f64)],
) -> Outcome {
    let ratio = |(entrant, cost): (&Entrant, &Cost)| (entrant.who, cost.over(&costs[0]));
    let ratios = entrants.iter().zip(costs).skip(1).map(ratio).collect();
    Outcome::Race(Race { work: work.to_owned(), ratios, targets: targets.to_vec() })
}
