//! Dates that other loggers write in local time: one clock decides what they mean, and how they are shown.

use crate::delivery::example;
use crate::filters::{Ended, command, run};
use crate::show::{LOGDIR, put};
use crate::support::Home;

/// Runs `logdir` in a zone.
fn logdir(home: &Home, zone: &str, arguments: &[&str]) -> Ended {
    let mut command = command(LOGDIR);
    command.args(arguments).env("TZ", zone).current_dir(home.path(""));
    run(command, b"")
}

const BERLIN: &str = "Europe/Berlin";

/// Lines of s6-log in the hours in which clocks are set back. Every text says the UTC time it was written at.
const SET_BACK: [(&str, &str); 3] = [
    (
        "@400000006add5a1a00000000.s",
        "2026-10-25 01:58:00.000000000  23:58\n2026-10-25 02:00:00.000000000  00:00\n",
    ),
    (
        "@400000006add6fac00000000.s",
        "2026-10-25 02:59:00.000000000  00:59\nmore 00:59\n2026-10-25 02:01:00.000000000  01:01\n",
    ),
    (
        "current",
        "2026-10-25 02:30:00.000000000  01:30\nmore 01:30\n2026-10-25 03:00:00.000000000  02:00\n",
    ),
];

fn put_set_back(home: &Home, dir: &str) {
    for (name, lines) in SET_BACK {
        put(home, dir, name, lines);
    }
}

/// The time of each line, and its text.
fn times(ended: &Ended) -> Vec<(String, String)> {
    let text = String::from_utf8(ended.stdout.clone()).expect("text");
    let split = |line: &str| match line.strip_prefix("more") {
        Some(_) => (String::new(), line.to_owned()),
        None => (line[11..16].to_owned(), line[30..].to_owned()),
    };
    text.lines().map(split).collect()
}

#[test]
fn a_step_back_in_a_repeated_hour_is_the_later_time() {
    let home = Home::new();
    put_set_back(&home, "l");
    let forward = logdir(&home, BERLIN, &["show", "--utc", "l"]);
    let shown = times(&forward);
    assert_eq!(shown.len(), 8);
    for (time, text) in shown.iter().filter(|(time, _)| !time.is_empty()) {
        assert_eq!(time, text, "{shown:?}");
    }
    let mut backward = times(&logdir(&home, BERLIN, &["show", "--utc", "-r", "l"]));
    backward.reverse();
    assert_eq!(backward, shown);
    let last = times(&logdir(&home, BERLIN, &["show", "--utc", "-n", "4", "l"]));
    assert_eq!(last, shown[4..]);
}

#[test]
fn ranges_begin_and_end_within_a_repeated_hour() {
    let home = Home::new();
    put_set_back(&home, "l");
    let texts = |since: &str, until: &str, more: &[&str]| {
        let (since, until) = (format!("2026-10-25 {since}Z"), format!("2026-10-25 {until}Z"));
        let range = ["show", "--utc", "--since", &since, "--until", &until, "l"];
        let ended = logdir(&home, BERLIN, &[&range[..], more].concat());
        let texts: Vec<String> = times(&ended).into_iter().map(|(_, text)| text).collect();
        texts.join(", ")
    };
    assert_eq!(texts("00:00", "00:59", &[]), "00:00");
    assert_eq!(texts("00:59", "01:30", &[]), "00:59, more 00:59, 01:01");
    assert_eq!(texts("01:00", "01:30", &[]), "01:01");
    assert_eq!(texts("01:30", "02:00", &[]), "01:30, more 01:30");
    assert_eq!(texts("01:02", "03:00", &[]), "01:30, more 01:30, 02:00");
    assert_eq!(texts("01:00", "03:00", &["-r"]), "02:00, more 01:30, 01:30, 01:01");
}

#[test]
fn a_merge_and_a_check_follow_the_order_of_writing() {
    let home = Home::new();
    put_set_back(&home, "l");
    put(
        &home,
        "utc",
        "current",
        "2026-10-25_00:59:30.00000 00:59\n2026-10-25_01:15:00.00000 01:15\n",
    );
    let merged = logdir(&home, BERLIN, &["show", "--utc", "--raw", "l", "utc"]);
    let text = String::from_utf8(merged.stdout).expect("text");
    let ends: Vec<&str> = text.lines().map(|line| line.rsplit(' ').next().unwrap_or("")).collect();
    let expected = "23:58 00:00 00:59 00:59 00:59 01:01 01:15 01:30 01:30 02:00";
    assert_eq!(ends.join(" "), expected);
    let checked = logdir(&home, BERLIN, &["check", "l"]);
    let text = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(!text.contains("back"), "{text}");
}

/// A bisection ends in the hour that came twice.
#[test]
fn a_large_file_is_read_from_before_the_repeated_hour() {
    let home = Home::new();
    let mut lines = String::new();
    // One line a second from 01:00 CEST to 04:00 CET.
    for second in 0..4 * 3600_u32 {
        let shown = if second < 7200 { second + 3600 } else { second };
        let (hour, minute) = (shown / 3600, shown / 60 % 60);
        lines += &format!("2026-10-25 {hour:02}:{minute:02}:{:02}.000000000  {second}", shown % 60);
        lines += &" padding".repeat(20);
        lines.push('\n');
    }
    put(&home, "l", "current", &lines);
    let range = ["show", "--utc", "--since", "2026-10-25 01:30Z", "--until", "2026-10-25 01:31Z"];
    let ended = logdir(&home, BERLIN, &[&range[..], &["l"]].concat());
    let text = String::from_utf8(ended.stdout).expect("text");
    let first = text.lines().next().expect("a line");
    assert!(first.starts_with("2026-10-25 01:30:00.000000000 9000 "), "{first}");
    assert_eq!(text.lines().count(), 60);
}

#[test]
fn texts_keep_the_spaces_that_do_not_separate() {
    let home = Home::new();
    let text = |lines: &str| {
        put(&home, "l", "current", lines);
        let shown = logdir(&home, "UTC0", &["show", "--utc", "l"]).stdout;
        String::from_utf8(shown)
            .expect("text")
            .lines()
            .map(|line| line[30..].to_owned())
            .collect::<Vec<_>>()
    };
    let date = "2026-11-26 10:00:00.000000001";
    assert_eq!(text(&format!("{date}   two spaces\n")), ["  two spaces"]);
    assert_eq!(text(&format!("{date}  of s6-log\n{date}   b\n")), ["of s6-log", " b"]);
    assert_eq!(text(&format!("{date}  a\n{date} of tai64nlocal\n")), [" a", "of tai64nlocal"]);
    assert_eq!(text("2026-11-26_10:00:00.00001  of svlogd\n"), [" of svlogd"]);
}

#[test]
fn a_date_that_is_shown_is_found_whatever_the_zone_is_called() {
    let file = "/usr/share/zoneinfo/Europe/Berlin";
    let rule = "CET-1CEST,M3.5.0,M10.5.0/3";
    for zone in [BERLIN, ":Europe/Berlin", file, rule, "right/Europe/Berlin", "", "nonsense"] {
        let home = Home::new();
        put(&home, "l", "current", "@400000006553f10a00000000 a\n@400000006553f14600000000 b\n");
        let shown = logdir(&home, zone, &["show", "--format", "local", "l"]);
        put(&home, "s6", "current", &String::from_utf8_lossy(&shown.stdout).replace(" b", "  b"));
        let again = logdir(&home, zone, &["show", "--format", "local", "s6"]);
        assert_eq!(times(&again).len(), 2, "{zone}");
        let dates = |ended: &Ended| {
            let text = String::from_utf8_lossy(&ended.stdout).into_owned();
            text.lines().map(|line| line[..29].to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(dates(&again), dates(&shown), "{zone}");
    }
}

/// What perp's tinylog leaves: archives by its own names, one of them compressed, dates of its own.
#[test]
fn directories_of_tinylog_are_read() {
    let home = Home::new();
    put(&home, "l", "_20261126T100001.000000.u", "20261126T100000.000001: one\n");
    put(&home, "l", "_20261126T100003.000000.s", "20261126T100002.000001: two\n");
    put(&home, "l", "current", "20261126T100004.000001:  three\n");
    put(&home, "l", "lock", "");
    logdir(&home, "UTC0", &["show", "l"]).check(
        0,
        "2026-11-26 10:00:00.000001000 one\n\
         2026-11-26 10:00:02.000001000 two\n\
         2026-11-26 10:00:04.000001000  three\n",
        "",
    );
    let since = ["show", "--since", "2026-11-26 10:00:02", "--raw", "-r", "l"];
    let lines = "20261126T100004.000001:  three\n20261126T100002.000001: two\n";
    logdir(&home, "UTC0", &since).check(0, lines, "");
}

/// The library as a program outside this project uses it.
#[test]
fn the_example_reads_a_range() {
    let home = Home::new();
    put_set_back(&home, "l");
    let read = |arguments: &[&str]| {
        let mut command = command(example("read"));
        command.args(arguments).env("TZ", BERLIN).current_dir(home.path(""));
        run(command, b"")
    };
    let all = "23:58\n00:00\n00:59\nmore 00:59\n01:01\n01:30\nmore 01:30\n02:00\n";
    read(&["l"]).check(0, all, "");
    let (since, until) = ("2026-10-25T01:01:00.000000000Z", "1792893600.000000");
    read(&["l", since, until]).check(0, "01:01\n01:30\nmore 01:30\n", "");
    let missing = read(&["nothing"]);
    assert_eq!(missing.status.code(), Some(1), "{}", missing.stderr);
    assert!(missing.stderr.contains("nothing"), "{}", missing.stderr);
}

/// What people write is read in the zone that lines are shown in, whatever it is called.
#[test]
fn times_of_options_are_in_the_zone_of_the_c_library() {
    let rule = "CET-1CEST,M3.5.0,M10.5.0/3";
    for zone in [BERLIN, ":Europe/Berlin", rule, "right/Europe/Berlin", "IST-5:30", "nonsense"] {
        let home = Home::new();
        put(&home, "l", "current", "@400000006a6d38ca00000000 a\n@400000006a6d388d00000000 b\n");
        let shown = logdir(&home, zone, &["show", "--format", "local", "l"]);
        let date = String::from_utf8_lossy(&shown.stdout[..19]).into_owned();
        let found = logdir(&home, zone, &["show", "--raw", "--since", &date, "l"]);
        assert_eq!(
            String::from_utf8_lossy(&found.stdout),
            "@400000006a6d38ca00000000 a\n",
            "{zone}"
        );
    }
}
