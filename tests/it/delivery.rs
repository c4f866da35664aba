//! Delivery as a consumer outside this project uses it: the example program, killed, and acknowledgements
//! that arrive late, out of order or never.

use crate::support::{Home, numbers, program, wait_until};
use logdir::{Cursor, Follow, Start, Ticket, Window};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Lines that are logged while the consumer is killed.
const COUNT: u64 = 3000;
/// How often it is killed.
const KILLS: u64 = 6;

/// Builds the example as cargo builds it for a user.
pub fn example(name: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args([
        "build",
        "--quiet",
        "--locked",
        "--offline",
        "--profile",
        "test",
        "--example",
        name,
    ]);
    let status = build.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo runs");
    assert!(status.success(), "the example {name} is built: {status}");
    let programs = Path::new(env!("CARGO_BIN_EXE_logdir")).parent().expect("a directory");
    programs.join("examples").join(name)
}

/// The numbers of the whole lines in an output.
fn whole_lines(output: &[u8]) -> Vec<u64> {
    let text = String::from_utf8_lossy(output);
    let ended = text.rfind('\n').map_or("", |end| &text[..end]);
    ended.lines().map(|line| line.parse().expect("a number")).collect()
}

#[test]
fn the_example_follows_and_loses_nothing_when_it_is_killed() {
    let follow = example("follow");
    let home = Home::in_memory();
    let mut logger = home.spawn(&["s4096", "n1000", "./main"]);
    let mut shown = Vec::new();
    for run in 0..=KILLS {
        let output = format!("output{run}");
        let mut command = Command::new(&follow);
        command.args(["cursor", "main"]).current_dir(home.path("")).stdin(Stdio::piped());
        command.stdout(File::create(home.path(&output)).expect("a file"));
        let last = COUNT * (run + 1) / (KILLS + 1);
        wait_until("the directory", || home.path("main/current").exists());
        let reader = home.start(command);
        logger.write(numbers(COUNT * run / (KILLS + 1) + 1, last));
        let is_last_run = run == KILLS;
        let enough = if is_last_run { last } else { last - COUNT / (KILLS + 1) / 2 };
        wait_until("the lines", || {
            whole_lines(&home.read(&output)).last().is_some_and(|&number| number >= enough)
        });
        reader.signal(Signal::SIGKILL);
        drop(reader);
        let lines = whole_lines(&home.read(&output));
        assert!(lines.is_sorted_by(|one, other| one + 1 == *other), "{lines:?}");
        shown.extend(lines);
    }
    logger.end();
    let distinct: BTreeSet<u64> = shown.iter().copied().collect();
    assert!(distinct.into_iter().eq(1..=COUNT), "all lines were shown");
    let doubled = shown.len() as u64 - COUNT;
    assert!(doubled <= KILLS * 1000, "{doubled} lines were shown twice");
}

fn follow(home: &Home, cursor_file: Option<&str>) -> Follow {
    let cursor_file = cursor_file.map(|name| home.path(name));
    Follow::open([home.path("main")], &Start::Oldest, cursor_file.as_deref()).expect("it opens")
}

fn text(follow: &mut Follow) -> Option<(String, String, Ticket)> {
    let delivery = follow.next()?;
    let text = String::from_utf8(delivery.line.bytes.to_vec()).expect("text");
    Some((text, delivery.id().to_string(), delivery.ticket))
}

/// So many lines. Those of several directories wait a moment for earlier ones.
fn take(follow: &mut Follow, count: usize) -> Vec<(String, String, Ticket)> {
    let mut lines = Vec::new();
    wait_until("the lines", || {
        lines.extend(std::iter::from_fn(|| text(follow)));
        lines.len() >= count
    });
    assert_eq!(lines.len(), count);
    lines
}

fn logged(input: &[u8]) -> Home {
    let home = Home::in_memory();
    home.run_of(&program(), &["t", "s4096", "n100", "./main"], input);
    home
}

#[test]
fn a_cursor_goes_up_to_the_first_line_that_is_not_acknowledged() {
    let home = logged(&numbers(1, 500));
    let mut consumer = follow(&home, Some("cursor"));
    let given: Vec<_> = std::iter::from_fn(|| text(&mut consumer)).collect();
    assert_eq!(given.len(), 500);
    given.iter().rev().filter(|(.., ticket)| *ticket != given[300].2).for_each(|(.., ticket)| {
        consumer.ack(*ticket);
    });
    consumer.save().expect("it is saved");
    drop(consumer);
    let mut again = follow(&home, Some("cursor"));
    let repeated: Vec<_> = std::iter::from_fn(|| text(&mut again)).collect();
    let (first, id, _) = &given[300];
    assert!(first.ends_with(" 301"), "{first}");
    assert_eq!(repeated.len(), 200, "from the line that was not acknowledged on");
    assert_eq!((&repeated[0].0, &repeated[0].1), (first, id), "a line keeps its id");
    let ids: BTreeSet<&String> = given.iter().map(|(_, id, _)| id).collect();
    assert_eq!(ids.len(), given.len(), "no two lines have the same id");
}

#[test]
fn an_id_survives_rotation_and_compression() {
    let home = Home::in_memory();
    let mut logger = home.spawn(&["t", "s4096", "n100", "./main"]);
    logger.write(numbers(1, 5));
    let ids = || -> Vec<String> {
        let mut consumer = follow(&home, None);
        std::iter::from_fn(|| text(&mut consumer)).map(|(_, id, _)| id).collect()
    };
    wait_until("the lines", || home.path("main/current").exists() && ids().len() == 5);
    let first_ids = ids();
    logger.write(numbers(6, 900));
    logger.end();
    for name in home.archives("main") {
        let gzip = Command::new("gzip").arg(home.path("main").join(name)).status();
        assert!(gzip.expect("gzip runs").success());
    }
    assert_eq!(ids()[..5], first_ids);
}

#[test]
fn the_window_bounds_what_is_not_acknowledged() {
    let home = logged(&numbers(1, 50));
    let mut consumer = follow(&home, None);
    consumer.set_window(Window { lines_max: 20, len_max: 1 << 20 });
    let given: Vec<_> = std::iter::from_fn(|| text(&mut consumer)).collect();
    assert_eq!((given.len(), consumer.is_full(), consumer.unacked_count()), (20, true, 20));
    assert!(text(&mut consumer).is_none());
    consumer.ack(given[5].2);
    assert!(consumer.is_full(), "the first of them is not acknowledged");
    consumer.ack(given[0].2);
    assert_eq!(std::iter::from_fn(|| text(&mut consumer)).count(), 1);
}

#[test]
fn a_cursor_is_a_word_that_a_consumer_may_keep() {
    let home = logged(&numbers(1, 300));
    let mut consumer = follow(&home, None);
    for _ in 0..123 {
        let (.., ticket) = text(&mut consumer).expect("a line");
        consumer.ack(ticket);
    }
    let word = consumer.cursor().to_string();
    let start = Start::After(Cursor::parse(&word).expect("a cursor"));
    let mut again = Follow::open([home.path("main")], &start, None).expect("it opens");
    assert!(text(&mut again).is_some_and(|(text, ..)| text.ends_with(" 124")));
}

#[test]
fn a_directory_that_is_added_later_begins_where_the_cursor_knows_it() {
    let home = logged(&numbers(1, 10));
    home.run_of(&program(), &["t", "./other"], &numbers(1, 3));
    let mut consumer = follow(&home, Some("cursor"));
    assert_eq!(consumer.add(&home.path("other"), &Start::Oldest).ok(), Some(1));
    let given = take(&mut consumer, 13);
    given.into_iter().for_each(|(.., ticket)| consumer.ack(ticket));
    consumer.save().expect("it is saved");
    drop(consumer);
    home.run_of(&program(), &["t", "./other"], &numbers(4, 4));
    let mut again = follow(&home, Some("cursor"));
    assert!(text(&mut again).is_none());
    again.add(&home.path("other"), &Start::Newest).expect("it opens");
    let (line, ..) = take(&mut again, 1).remove(0);
    assert!(line.ends_with(" 4"), "{line}");
}
