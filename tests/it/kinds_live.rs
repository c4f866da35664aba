//! Kinds while lines arrive: `logdir kinds -f`, and `logdir show` of a kind and of new kinds.

use crate::follow::wait_until_it_waits;
use crate::kinds::{labelled, logdir};
use crate::report::{DAY, SPAN};
use crate::show::{LOGDIR, put};
use crate::support::{Home, Logger, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::process::{Command, Stdio};

/// `logdir` with its output in the file `output`.
fn running(home: &Home, arguments: &[&str]) -> Logger {
    let mut command = Command::new(LOGDIR);
    command.env("TZ", "UTC0").args(arguments).current_dir(home.path("")).stdin(Stdio::piped());
    command.stdout(File::create(home.path("output")).expect("a file for output"));
    home.start(command)
}

fn output(home: &Home) -> String {
    String::from_utf8(home.read("output")).expect("text")
}

/// Lines of a day, a second later for each.
fn lines(first: u64, texts: &[&str]) -> String {
    labelled(DAY + first, &texts.iter().map(ToString::to_string).collect::<Vec<_>>())
}

fn append(home: &Home, dir: &str, first: u64, texts: &[&str]) {
    let path = home.path(dir).join("current");
    let mut file = OpenOptions::new().append(true).open(path).expect("a log");
    file.write_all(lines(first, texts).as_bytes()).expect("written");
}

#[track_caller]
fn end(reader: Logger) {
    reader.signal(Signal::SIGTERM);
    let ended = reader.wait();
    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), b"".as_slice()));
}

#[test]
fn kinds_are_counted_while_lines_arrive() {
    let home = Home::new();
    put(&home, "web", "current", &lines(0, &["up 1", "up 2", "down"]));
    let reader = running(&home, &["kinds", "-f", "web"]);
    let rows = |count: usize| wait_until("rows", || output(&home).lines().count() >= count);
    rows(2);
    append(&home, "web", 600, &["up 3", "fire"]);
    rows(4);
    end(reader);
    let text = output(&home);
    let counts: Vec<(&str, &str)> = text
        .lines()
        .map(|line| line.trim_start().split_once(' ').expect("a count"))
        .map(|(count, rest)| (count, rest.split_once(' ').expect("a hash").1))
        .collect();
    assert_eq!(counts, [("2", "up #"), ("1", "down"), ("3", "up #"), ("1", "fire")]);
}

#[test]
fn copies_in_directories_of_a_service_count_once_while_lines_arrive() {
    let home = Home::new();
    home.make_dir("web");
    home.make_dir("web/log");
    put(&home, "web/log/main", "current", &lines(0, &["error 1", "up"]));
    put(&home, "web/log/alert", "current", &lines(0, &["error 1"]));
    let reader = running(&home, &["kinds", "-f", "--json", "web"]);
    wait_until("objects", || output(&home).lines().count() >= 2);
    end(reader);
    let text = output(&home);
    let objects: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let counts: Vec<_> = objects.iter().map(|object| &object["count"]).collect();
    assert_eq!(counts, [1, 1], "{text}");
    assert_eq!((&objects[0]["name"], &objects[0]["kind"]), (&"web".into(), &"error #".into()));
}

#[test]
fn the_end_of_the_range_ends_counting() {
    let home = Home::new();
    put(&home, "web", "current", &lines(0, &["up 1", "up 2", "down"]));
    let reader = running(&home, &["kinds", "-f", "--until", "2023-11-14 00:01:30Z", "web"]);
    assert_eq!(reader.wait().status.code(), Some(0));
    let text = output(&home);
    assert!(text.ends_with(" up #\n") && text.trim_start().starts_with("2 "), "{text}");
}

#[test]
fn lines_of_a_kind_are_shown_by_its_hash() {
    let home = Home::new();
    put(&home, "web", "current", &lines(0, &["up 1", "down", "up 2"]));
    let kinds = String::from_utf8(logdir(&home, &["kinds", "web"]).stdout).expect("text");
    let hash = kinds.split_whitespace().nth(1).expect("a hash").to_owned();
    let show = |arguments: &[&str]| logdir(&home, &[&["show", "-o", "none"], arguments].concat());
    show(&["--kind", &hash, "web"]).check(0, "up 1\nup 2\n", "");
    show(&["--kind", &hash, "-n", "1", "web"]).check(0, "up 2\n", "");
    show(&["--kind", &hash, "-v", "2", "web"]).check(0, "up 1\n", "");
    show(&["--kind", &hash, "-r", "web"]).check(0, "up 2\nup 1\n", "");
    show(&["--kind", "0123456789abcdef", "web"]).check(1, "", "");
    let expected = "logdir: fatal: up is not the hash of a kind: 16 hexadecimal digits, as logdir kinds \
                    prints them\n";
    show(&["--kind", "up", "web"]).check(2, "", expected);
}

/// A log whose day a report has put into `state`.
fn reported() -> Home {
    let home = Home::new();
    put(&home, "web", "current", &lines(0, &["up 1", "down"]));
    put(&home, "dns", "current", &lines(0, &["query 1"]));
    report(&home);
    home
}

fn report(home: &Home) {
    let arguments = [&["report"], SPAN.as_slice(), &["--state", "state", "web", "dns"]].concat();
    assert_eq!(logdir(home, &arguments).stderr, "");
}

#[test]
fn lines_of_new_kinds_are_those_that_no_report_of_the_service_has_seen() {
    let home = reported();
    let new = ["show", "-o", "none", "--new", "--state", "state"];
    let show = |arguments: &[&str]| logdir(&home, &[&new, arguments].concat());
    show(&["web", "dns"]).check(1, "", "");
    append(&home, "web", 600, &["up 3", "fire 1", "fire 2", "query 7"]);
    append(&home, "dns", 1200, &["query 2"]);
    show(&["web", "dns"]).check(0, "web: fire 1\nweb: fire 2\nweb: query 7\n", "");
    show(&["-g", "fire", "-n", "1", "web"]).check(0, "fire 2\n", "");
    report(&home);
    show(&["web", "dns"]).check(1, "", "");
    let missing = ["show", "--new", "--state", "missing", "web"];
    let why = "unable to read state missing: logdir report has not written it yet";
    logdir(&home, &missing).check(2, "", &format!("logdir: fatal: {why}\n"));
}

#[test]
fn following_shows_the_first_line_of_each_new_kind() {
    let home = reported();
    let arguments = ["show", "-f", "-n", "0", "-o", "none", "--new", "--state", "state"];
    let reader = running(&home, &[arguments.as_slice(), &["web", "dns"]].concat());
    wait_until_it_waits(&reader);
    append(&home, "web", 600, &["up 3", "fire 1", "fire 2", "flood 1"]);
    append(&home, "dns", 1200, &["query 2", "fire 3"]);
    wait_until("alerts", || output(&home).lines().count() >= 3);
    append(&home, "web", 1800, &["flood 2", "down", "smoke"]);
    wait_until("a further alert", || output(&home).contains("smoke"));
    end(reader);
    assert_eq!(output(&home), "web: fire 1\nweb: flood 1\ndns: fire 3\nweb: smoke\n");
}
