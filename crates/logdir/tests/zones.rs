//! Reads and formats dates in many zones. `TZ` applies to a whole process, so the test binary
//! starts itself once per zone.

use logdir::time::{Civil, Moments, Zone, ZoneReader};
use std::process::Command;

const BERLIN_RULE: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

/// Dates and expected moments for a child process, one per line.
const EXPECTED: &str = "LOGDIR_TEST_EXPECTED";

/// Runs an ignored test of this file in a zone.
#[track_caller]
fn run_child(name: &str, zone: &[(&str, &str)], expected: &str) {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program)
        .args(["--exact", name, "--ignored", "--test-threads=1"])
        .env_remove("TZ")
        .env_remove("TZDIR")
        .envs(zone.iter().copied())
        .env(EXPECTED, expected)
        .output()
        .expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{zone:?}: {text}");
}

#[track_caller]
fn check(zone: &str, dates: &[(&str, Moments)]) {
    check_in(&[("TZ", zone)], dates);
}

#[track_caller]
fn check_in(zone: &[(&str, &str)], dates: &[(&str, Moments)]) {
    let lines: Vec<String> =
        dates.iter().map(|(date, moments)| format!("{date} is {:?}", Some(moments))).collect();
    run_child("dates_of_this_zone", zone, &lines.join("\n"));
}

fn date(text: &str) -> Civil {
    let numbers: Vec<u32> = text
        .split(|char: char| !char.is_ascii_digit())
        .map(|n| n.parse().expect("a number"))
        .collect();
    let (date, time) = numbers.split_first_chunk().expect("a date");
    Civil::new(*date, time.try_into().expect("a time")).expect("they exist")
}

#[test]
#[ignore = "started by the tests below, with TZ"]
fn dates_of_this_zone() {
    let expected = std::env::var(EXPECTED).expect("it was set");
    let mut reader = ZoneReader::new(Zone::Local);
    for line in expected.lines() {
        let (text, expected) = line.split_once(" is ").expect("two parts");
        assert_eq!(format!("{:?}", Zone::Local.moments(date(text))), expected, "{text}");
        assert_eq!(format!("{:?}", reader.moments(date(text))), expected, "{text}");
    }
}

#[test]
fn a_date_is_the_moment_that_shows_it_however_tz_names_the_zone() {
    const AT: i64 = 1_785_542_400;
    let summer = [("2026-08-01 02:00:00", Moments::Once(AT))];
    let file = "/usr/share/zoneinfo/Europe/Berlin";
    for zone in ["Europe/Berlin", ":Europe/Berlin", file, BERLIN_RULE] {
        check(zone, &summer);
    }
    check("right/Europe/Berlin", &[("2026-08-01 02:00:00", Moments::Once(AT + 27))]);
    check("", &[("2026-08-01 00:00:00", Moments::Once(AT))]);
    check("nonsense", &[("2026-08-01 00:00:00", Moments::Once(AT))]);
    check("<-0330>3:30", &[("2026-07-31 20:30:00", Moments::Once(AT))]);
    check_in(&[("TZDIR", "/usr/share/zoneinfo/Europe"), ("TZ", "Berlin")], &summer);
}

#[test]
fn both_moments_of_a_date_are_offered_if_the_clock_was_set_back() {
    let twice = |earlier, later| Moments::Twice { earlier, later };
    const FIRST: i64 = 1_792_886_400;
    for zone in ["Europe/Berlin", BERLIN_RULE] {
        check(
            zone,
            &[
                ("2026-10-25 01:59:59", Moments::Once(FIRST - 1)),
                ("2026-10-25 02:00:00", twice(FIRST, FIRST + 3600)),
                ("2026-10-25 02:59:59", twice(FIRST + 3599, FIRST + 7199)),
                ("2026-10-25 03:00:00", Moments::Once(FIRST + 7200)),
            ],
        );
    }
    check("right/Europe/Berlin", &[("2026-10-25 02:00:00", twice(FIRST + 27, FIRST + 3627))]);
}

#[test]
fn a_date_that_was_skipped_is_offered_before_and_after_the_change() {
    // 02:00 CET becomes 03:00 CEST.
    const CHANGE: i64 = 1_774_746_000;
    let skipped = |earlier, later| Moments::Skipped { earlier, later };
    for zone in ["Europe/Berlin", BERLIN_RULE] {
        check(
            zone,
            &[
                ("2026-03-29 01:59:59", Moments::Once(CHANGE - 1)),
                ("2026-03-29 02:30:00", skipped(CHANGE - 1800, CHANGE + 1800)),
                ("2026-03-29 03:00:00", Moments::Once(CHANGE)),
            ],
        );
    }
    // Samoa skipped a whole day.
    let samoa = skipped(1_325_196_000, 1_325_282_400);
    check("Pacific/Apia", &[("2011-12-30 12:00:00", samoa)]);
}

#[test]
fn leap_seconds_are_those_of_the_zone() {
    check(
        "right/UTC",
        &[
            ("2016-12-31 23:59:59", Moments::Once(1_483_228_825)),
            ("2016-12-31 23:59:60", Moments::Once(1_483_228_826)),
            ("2017-01-01 00:00:00", Moments::Once(1_483_228_827)),
        ],
    );
    check("UTC", &[("2016-12-31 23:59:60", Moments::Once(1_483_228_799))]);
}

#[test]
#[ignore = "started by the test below, with TZ"]
fn moments_of_this_zone() {
    // The first range covers seventy years, at different seconds of the quarter hour; the second
    // covers seven months with zone changes, every twenty minutes.
    for (from, to, step) in [(0, 2_200_000_000, 1_000_003), (1_316_000_000, 1_334_000_000, 1201)] {
        let mut readers = [Zone::Local, Zone::Utc].map(|zone| (zone, ZoneReader::new(zone)));
        for moment in (from..to).step_by(step) {
            for (zone, reader) in &mut readers {
                let civil = zone.at(moment).expect("a year").civil();
                let found = reader.moments(civil).expect("a year");
                let is_it = match found {
                    Moments::Once(only) => only == moment,
                    Moments::Twice { earlier, later } => earlier == moment || later == moment,
                    Moments::Skipped { .. } => false,
                };
                assert!(is_it, "{zone:?} {moment} {civil:?} {found:?}");
            }
        }
    }
}

#[test]
fn every_moment_is_among_those_of_the_date_it_is_shown_as() {
    for zone in [
        "Europe/Berlin",
        "right/America/New_York",
        "America/Sao_Paulo",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
        "Africa/Casablanca",
        "Antarctica/Troll",
        "Pacific/Apia",
        "Europe/Moscow",
        "America/St_Johns",
        BERLIN_RULE,
        "<+13>-13:59:59<+14>,J1/0,J365/23",
    ] {
        run_child("moments_of_this_zone", &[("TZ", zone)], "");
    }
}
