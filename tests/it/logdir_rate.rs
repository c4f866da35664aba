//! `logdir rate`: counts, bars and pictures.

use crate::filters::{Ended, command, run};
use crate::show::{FORMS_OF_TIMES, LOGDIR, stamped};
use crate::support::{Home, numbers};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;

/// In universal time.
#[track_caller]
fn rate(home: &Home, arguments: &[&str]) -> Ended {
    let mut command = command(LOGDIR);
    command.arg("rate").args(arguments).current_dir(home.path("")).env_remove("COLUMNS");
    run(command, b"")
}

/// `web` has a line a second from 22:13:21 to 22:15:00, `dns` from 22:15:00 to 22:15:09.
fn two() -> Home {
    let home = Home::new();
    for (name, lines) in [("web", stamped(1, 100)), ("dns", stamped(100, 109))] {
        fs::create_dir(home.path(name)).expect("a directory");
        home.write(format!("{name}/current"), lines, 0o744);
    }
    home
}

#[test]
fn lines_are_counted_by_the_minute_and_fit_80_columns() {
    let home = two();
    let bar = |len: usize| "#".repeat(len);
    let web = format!(
        "                   100 web\n2023-11-14 22:13    39 {}\n2023-11-14 22:14    60 {}\n\
         2023-11-14 22:15     1 #\n",
        bar(37),
        bar(57)
    );
    assert!(web.lines().all(|line| line.len() <= 80), "{web}");
    rate(&home, &["web"]).check(0, web, "");
    let golden = "                   100 web                          10 dns\n\
         2023-11-14 22:13    39 ################              0\n\
         2023-11-14 22:14    60 #########################     0\n\
         2023-11-14 22:15     1 #                            10 #########################\n";
    rate(&home, &["web", "dns"]).check(0, golden, "");
}

#[test]
fn a_line_in_two_directories_of_a_service_is_counted_once() {
    let home = crate::show::with_alerts();
    let head = |arguments: &[&str]| {
        let table = String::from_utf8(rate(&home, arguments).stdout).expect("text");
        let words = table.lines().next().unwrap_or_default().split_whitespace();
        words.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(head(&["web", "db"]), "2 web/alert 3 web/main 1 db");
    assert_eq!(head(&["-g", "2", "web"]), "1 web/alert 0 web/main");
    assert_eq!(head(&["--all", "web"]), "2 web/alert 5 web/main");
}

#[test]
fn counts_of_scripts_are_those_of_people() {
    let home = two();
    let object = |minute: u64, name: &str, lines: u64| {
        format!(
            "{{\"name\":\"{name}\",\"time\":\"2023-11-14T22:{minute}:00.000000000Z\",\"seconds\":60,\"lines\":{lines}}}\n"
        )
    };
    let expected = object(13, "web", 39) + &object(14, "web", 60) + &object(15, "web", 1);
    rate(&home, &["--json", "--by", "1m", "web", "dns"]).check(
        0,
        expected + &object(15, "dns", 10),
        "",
    );
    let by_day = rate(&home, &["--json", "--by=1d", "web"]);
    by_day.check(
        0,
        "{\"name\":\"web\",\"time\":\"2023-11-14T00:00:00.000000000Z\",\"seconds\":86400,\"lines\":100}\n",
        "",
    );
}

#[test]
fn patterns_and_times_choose_what_is_counted() {
    let home = two();
    let sum = |arguments: &[&str]| -> u64 {
        let ended = rate(&home, &[&["--json", "--by", "1d", "web"], arguments].concat());
        let text = String::from_utf8(ended.stdout).expect("text");
        let counts = text.lines().map(|line| {
            let object: Value = serde_json::from_str(line).expect("an object");
            object["lines"].as_u64().expect("a number")
        });
        counts.sum()
    };
    assert_eq!(sum(&[]), 100);
    assert_eq!(sum(&["--grep", "^[0-9]$"]), 9);
    assert_eq!(sum(&["--grep", "1", "--grep=2"]), 2);
    assert_eq!(sum(&["--since", "@1700000050"]), 51);
    assert_eq!(sum(&["--until", "2023-11-14 22:14:00"]), 39);
    rate(&home, &["--grep", "nothing", "web"]).check(1, "", "");
}

#[test]
fn every_line_of_a_real_directory_is_counted() {
    let home = Home::new();
    home.run(&["t", "s4096", "n1000", "./main"], &numbers(1, 20_000)).check(0, "");
    let ended = rate(&home, &["--json", "main"]);
    let text = String::from_utf8(ended.stdout).expect("text");
    let count = |line: &str| -> u64 {
        let object: Value = serde_json::from_str(line).expect("an object");
        object["lines"].as_u64().expect("a number")
    };
    assert_eq!(text.lines().map(count).sum::<u64>(), 20_000);
}

#[test]
fn a_picture_is_valid_xml_with_a_bar_for_each_count() {
    let home = two();
    fs::rename(home.path("dns"), home.path("<&\u{1b}>")).expect("another name");
    rate(&home, &["--svg", "rate.svg", "web", "<&\u{1b}>"]).check(0, "", "");
    let svg = String::from_utf8(home.read("rate.svg")).expect("text");
    let document = roxmltree::Document::parse(&svg).expect("XML");
    assert_eq!(document.root_element().tag_name().name(), "svg");
    let bars: Vec<_> =
        document.descendants().filter(|node| node.attribute("class") == Some("bar")).collect();
    assert_eq!(bars.len(), 4, "{svg}");
    let told: Vec<_> = bars.iter().filter_map(|bar| bar.first_element_child()?.text()).collect();
    assert_eq!(told[1], "2023-11-14 22:14: 60");
    let inside = |name: &str| {
        let value = |node: &roxmltree::Node<'_, '_>| node.attribute(name)?.parse::<f64>().ok();
        bars.iter().all(|bar| value(bar).is_some_and(|value| (0.0..=800.0).contains(&value)))
    };
    assert!(["x", "y", "width", "height"].iter().all(|name| inside(name)), "{svg}");
    assert!(
        svg.contains("prefers-color-scheme:dark") && svg.contains("&lt;&amp;\\x1b&gt;: 10 lines")
    );
    let missing = rate(&home, &["--svg", "no/where.svg", "web"]);
    missing.check(2, "", "logdir: warning: unable to create no/where.svg: file does not exist\n");
}

#[test]
fn what_cannot_be_counted_or_understood_is_told() {
    let home = two();
    home.run(&["./plain"], b"one\ntwo\n").check(0, "");
    let ended = rate(&home, &["plain"]);
    ended.check(
        1,
        "",
        "logdir: warning: plain: 2 lines have no stamp to tell their time, and are not counted\n",
    );
    let refused = |arguments: &[&str], why: &str| {
        rate(&home, arguments).check(2, "", &format!("logdir: fatal: {why}\n"));
    };
    refused(&["--by", "7m"], "--by is a part of a day such as 1m, 1h, 1d, not 7m");
    refused(&["--since", "soon"], &format!("unable to understand the time soon; {FORMS_OF_TIMES}"));
    refused(
        &["--grep", "("],
        "unable to understand expression (, byte 1: unclosed group\n  (\n  ^",
    );
}

#[test]
fn a_row_over_a_change_of_clocks_has_its_true_length() {
    let home = Home::new();
    let mut lines = String::new();
    // An hour each from 2026-10-25 00:30 in Berlin, a day of 25 hours.
    for hour in 0..25_u64 {
        let secs = (1 << 62) + 10 + 1_792_881_000 + hour * 3600;
        let _ = writeln!(lines, "@{secs:016x}00000000 {hour}");
    }
    crate::show::put(&home, "main", "current", &lines);
    let mut command = command(LOGDIR);
    command.args(["rate", "--json", "--by", "4h", "main"]).current_dir(home.path(""));
    command.env("TZ", "Europe/Berlin");
    let ended = run(command, b"");
    let objects: Vec<Value> = ended
        .stdout
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).expect("an object"))
        .collect();
    let numbers = |key: &str| -> Vec<u64> {
        objects.iter().map(|object| object[key].as_u64().expect("a number")).collect()
    };
    assert_eq!(numbers("seconds"), [18_000, 14_400, 14_400, 14_400, 14_400, 14_400]);
    assert_eq!(numbers("lines"), [5, 4, 4, 4, 4, 4]);
}

/// Checks the row of a line at a moment: where the row starts, and how long it is.
#[track_caller]
fn check_row(zone: &str, by: &str, unix_secs: i64, start: &str, seconds: i64) {
    let home = Home::new();
    crate::show::put(&home, "main", "current", &format!("{unix_secs}.000000 a\n"));
    let mut command = command(LOGDIR);
    command.args(["rate", "--json", "--by", by, "main"]).env("TZ", zone);
    command.current_dir(home.path(""));
    let ended = run(command, b"");
    let object: Value = serde_json::from_slice(&ended.stdout).expect("an object");
    assert_eq!(object["time"], format!("{start}:00.000000000Z"), "{zone} {by} {unix_secs}");
    assert_eq!(object["seconds"], seconds, "{zone} {by} {unix_secs}");
}

#[test]
fn rows_begin_where_the_clock_of_a_zone_is_round() {
    check_row("IST-5:30", "1h", 1_700_000_000, "2023-11-14T21:30", 3600);
    check_row("IST-5:30", "1d", 1_700_000_000, "2023-11-14T18:30", 86_400);
    // Berlin clocks advance on 2023-03-26 and return on 2023-10-29.
    let berlin = "CET-1CEST,M3.5.0,M10.5.0/3";
    check_row(berlin, "1d", 1_679_800_000, "2023-03-25T23:00", 82_800);
    check_row(berlin, "1d", 1_698_580_000, "2023-10-28T22:00", 90_000);
    // Only the row that contains the change is an hour longer or shorter.
    check_row(berlin, "4h", 1_698_530_400 + 4 * 3600 + 1800, "2023-10-28T22:00", 18_000);
    check_row(berlin, "4h", 1_698_530_400 + 5 * 3600 + 1800, "2023-10-29T03:00", 14_400);
    check_row(berlin, "4h", 1_679_785_200 + 2 * 3600 + 1800, "2023-03-25T23:00", 10_800);
    check_row(berlin, "4h", 1_679_785_200 + 3 * 3600 + 1800, "2023-03-26T02:00", 14_400);
    // A repeated hour has two rows.
    check_row(berlin, "1h", 1_698_537_600 + 60, "2023-10-29T00:00", 3600);
    check_row(berlin, "1h", 1_698_541_200 + 60, "2023-10-29T01:00", 3600);
    // Lord Howe returns its clocks by half an hour: one hour lasts 90 minutes.
    let lord_howe = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0";
    for minutes in [1, 59, 61, 89] {
        check_row(lord_howe, "1h", 1_680_357_600 + minutes * 60, "2023-04-01T14:00", 5400);
    }
}

#[test]
fn a_minute_of_rate_is_a_minute_of_show_in_zones_with_leap_seconds_too() {
    let home = two();
    for (zone, counts) in [("Europe/Berlin", [39, 60, 1]), ("right/Europe/Berlin", [6, 60, 34])] {
        let of = |arguments: &[&str]| {
            let mut command = command(LOGDIR);
            command.args(arguments).current_dir(home.path(""));
            command.env("TZ", zone).env_remove("COLUMNS");
            String::from_utf8(run(command, b"").stdout).expect("text")
        };
        let mut minutes: Vec<(String, u64)> = Vec::new();
        for line in of(&["show", "web"]).lines() {
            match minutes.last_mut() {
                Some((minute, count)) if line.starts_with(&**minute) => *count += 1,
                _ => minutes.push((line[..16].to_owned(), 1)),
            }
        }
        let table = of(&["rate", "web"]);
        let row = |line: &str| {
            let count = line[16..].split_whitespace().next().expect("a count");
            (line[..16].to_owned(), count.parse().expect("a number"))
        };
        assert_eq!(table.lines().skip(1).map(row).collect::<Vec<_>>(), minutes, "{zone}");
        assert!(minutes.iter().map(|(_, count)| count).eq(&counts), "{zone}: {minutes:?}");
    }
}
