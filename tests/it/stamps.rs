//! Stamps that 0.76 does not have: `T` as daemontools-encore documents it, `Tutc` and `Tlocal`.

use crate::filters::{self, TAI64NLOCAL};
use crate::peers::peer;
use crate::support::{Home, is_original, wait_until};
use std::time::{Duration, UNIX_EPOCH};

/// What a script writes to `./d` in a zone. None where the original, which ignores it, is under test.
fn logged(zone: &str, script: &[&str], input: &[u8]) -> Option<String> {
    if is_original() {
        eprintln!("skipped: 0.76 has no such stamp");
        return None;
    }
    let home = Home::new();
    let mut command = home.command(&[script, &["./d"]].concat());
    command.env("TZ", zone);
    home.start(command).feed_and_end(input).check(0, "");
    Some(String::from_utf8(home.read("d/current")).expect("text"))
}

fn now() -> Duration {
    UNIX_EPOCH.elapsed().expect("a time after 1970")
}

#[test]
fn stamps_of_encore_are_seconds_and_microseconds_of_now() {
    let before = now();
    let Some(logged) = logged("UTC0", &["T"], b"a\n\nb") else { return };
    let texts = ["a", "", "b"];
    assert_eq!(logged.lines().count(), texts.len());
    for (line, text) in logged.lines().zip(texts) {
        let (stamp, rest) = line.split_once(' ').expect("a space behind the stamp");
        let (seconds, micros) = stamp.split_once('.').expect("a point");
        assert_eq!((rest, micros.len()), (text, 6), "{line}");
        let time = Duration::from_secs(seconds.parse().expect("seconds"))
            + Duration::from_micros(micros.parse().expect("microseconds"));
        assert!(before - Duration::from_micros(1) <= time && time <= now(), "{line}");
    }
}

#[test]
fn a_stamp_of_encore_is_part_of_what_a_pattern_sees() {
    let Some(logged) = logged("UTC0", &["T", "-*", "+*.* a"], b"a\nb\n") else { return };
    assert!(logged.ends_with(" a\n") && logged.lines().count() == 1, "{logged}");
}

#[test]
fn universal_and_local_stamps_are_dates_that_tai64nlocal_reads() {
    let (before, input) = (now(), b"a\nb\n".repeat(1000));
    for (zone, stamp, offset) in
        [("UTC0", "Tutc", "Z"), ("Asia/Kathmandu", "Tutc", "Z"), ("XXX-5:45", "Tlocal", "+05:45")]
    {
        let Some(logged) = logged(zone, &[stamp], &input) else { return };
        let stamps: Vec<&str> = logged.lines().map(|line| &line[..line.len() - 2]).collect();
        assert!(stamps.is_sorted_by(|one, next| one < next), "unique and rising");
        assert!(stamps.iter().all(|stamp| stamp.ends_with(offset)), "{}", stamps[0]);
        let reader = filters::command(TAI64NLOCAL);
        let read = filters::run(reader, logged.as_bytes());
        let read = String::from_utf8(read.stdout).expect("text");
        assert_eq!(read.lines().count(), 2000);
        let date = |time: Duration| {
            let mut date = Vec::new();
            let label = logdir::label::Label::from_unix(time.as_secs() as i64, 0).format();
            date.extend(filters::run(filters::command(TAI64NLOCAL), &label).stdout);
            String::from_utf8(date).expect("text")
        };
        let (earliest, latest) = (date(before), date(now() + Duration::from_secs(1)));
        for (line, text) in read.lines().zip(["a", "b"].iter().cycle()) {
            assert!(earliest.as_str() <= line && line <= latest.as_str(), "{line}");
            assert_eq!((&line[10..11], &line[29..30], &line[30..]), (" ", " ", *text), "{line}");
        }
    }
}

#[test]
fn local_stamps_follow_summer_time_while_they_are_made() {
    let Some(faketime) = peer("faketime") else { return };
    if is_original() {
        return;
    }
    let home = Home::new();
    let begin = "2026-03-29 01:59:58.9";
    let program = crate::support::program();
    let program = program.to_str().expect("a name");
    let mut command = home.command_of(&faketime, &["-f", &format!("@{begin}"), program]);
    command.args(["Tlocal", "./d"]).env("TZ", "CET-1CEST,M3.5.0,M10.5.0/3");
    let mut logger = home.start(command);
    wait_until("summer time", || {
        logger.write("x\n");
        String::from_utf8_lossy(&home.read("d/current")).contains("+02:00")
    });
    assert_eq!(logger.end().status.code(), Some(0));
    let logged = String::from_utf8(home.read("d/current")).expect("text");
    let stamps: Vec<&str> = logged.lines().collect();
    assert!(stamps[0].starts_with("2026-03-29T01:59:") && stamps[0].ends_with("+01:00 x"));
    let change = stamps.iter().position(|stamp| stamp.ends_with("+02:00 x")).expect("a change");
    assert!(stamps[change - 1].starts_with("2026-03-29T01:59:59."), "{}", stamps[change - 1]);
    assert!(stamps[change].starts_with("2026-03-29T03:00:00."), "{}", stamps[change]);
    let mut reader = filters::command(TAI64NLOCAL);
    reader.arg("--utc");
    let read = String::from_utf8(filters::run(reader, logged.as_bytes()).stdout).expect("text");
    let read: Vec<&str> = read.lines().collect();
    assert!(read.is_sorted() && read[change].starts_with("2026-03-29 01:00:00."), "{read:?}");
}
