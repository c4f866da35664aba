//! Labels made readable, beside the original.

use crate::filters::{DATE, LABEL, TAI64N, TAI64NLOCAL, Watched, check_same, command, run};
use crate::peers::peer;
use crate::random::{Random, seeds};
use nix::sys::signal::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

const ZONE_DIR: &str = "/usr/share/zoneinfo";
/// The years whose first second this is are printed right by 0.76: from 0 to 2147483647.
const FIRST_SECS: i64 = -62_167_219_200;
const LAST_SECS: i64 = 67_767_976_233_532_799;

fn stamp_of(unix_secs: i64, nanos: u32) -> String {
    format!("@{:016x}{nanos:08x}", i128::from(unix_secs) + (1 << 62) + 10)
}

#[track_caller]
fn check(input: &str, expected: &str) {
    run(command(TAI64NLOCAL), input.as_bytes()).check(0, expected, "");
}

/// Moments around those at which something can happen in a zone, and some anywhere.
fn moments(random: &mut Random, around: &[i64]) -> Vec<i64> {
    let mut moments = vec![0, -1, 951_782_400, 4_102_444_800, -2_208_988_800];
    for &moment in around {
        for offset in [-901, -900, -1, 0, 1, 2, 450, 899, 900, 3600] {
            moments
                .push(moment.saturating_add(offset).clamp(FIRST_SECS + 86_400, LAST_SECS - 86_400));
        }
    }
    for _ in 0..200 {
        moments.push(random.below(8_000_000_000) as i64 - 4_000_000_000);
        moments.push(random.below(200_000_000_000) as i64 - 60_000_000_000);
    }
    // Each beside others, so that what was found out for one cannot pass for the next.
    for pos in 0..moments.len() {
        let other = random.below(moments.len());
        if random.once_in(2) {
            moments.swap(pos, other);
        }
    }
    moments
}

fn lines(moments: &[i64]) -> Vec<u8> {
    let line = |(number, &moment): (usize, &i64)| {
        format!("{} line {number}\n", stamp_of(moment, number as u32 * 1009)).into_bytes()
    };
    moments.iter().enumerate().flat_map(line).collect()
}

/// When a file of tzfile(5) changes local time, leap seconds included.
fn changes(bytes: &[u8]) -> Option<Vec<i64>> {
    let header = |at: usize| -> Option<[usize; 6]> {
        bytes.get(at..at + 44)?.strip_prefix(b"TZif")?;
        let number = |pos: usize| bytes[at + 20 + 4 * pos..].first_chunk().copied();
        let mut numbers = [0; 6];
        for (pos, value) in numbers.iter_mut().enumerate() {
            *value = u32::from_be_bytes(number(pos)?) as usize;
        }
        Some(numbers)
    };
    // The first half repeats the second for programs of 32 bits.
    let [universal, standard, leaps, times, types, letters] = header(0)?;
    let second = 44 + times * 5 + types * 6 + letters + leaps * 8 + standard + universal;
    let [_, _, leaps, times, types, letters] = header(second)?;
    let time = |at: usize| Some(i64::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    let first_leap = second + 44 + times * 9 + types * 6 + letters;
    let changes = (0..times).map(|number| second + 44 + 8 * number);
    changes.chain((0..leaps).map(|number| first_leap + 12 * number)).map(time).collect()
}

/// The files below a directory by what is in them: many zones are others by another name.
fn zone_files(dir: &Path, found: &mut BTreeMap<Vec<u8>, PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.expect("a readable directory").path();
        if path.is_dir() {
            zone_files(&path, found);
        } else if let Ok(contents) = fs::read(&path) {
            found.insert(contents, path);
        }
    }
}

#[test]
fn every_zone_is_that_of_the_original() {
    let Some(original) = peer("tai64nlocal") else { return };
    let mut random = Random::new(seeds(1).start);
    let mut files = BTreeMap::new();
    zone_files(ZONE_DIR.as_ref(), &mut files);
    let mut zone_count = 0;
    for (contents, file) in &files {
        if let Some(changes) = changes(contents) {
            zone_count += 1;
            let zone = file.strip_prefix(ZONE_DIR).expect("it is below");
            let input = lines(&moments(&mut random, &changes));
            let prepare = |command: &mut Command| {
                command.env("TZ", zone);
            };
            check_same([&original, TAI64NLOCAL.as_ref()], prepare, &input, &zone.to_string_lossy());
        }
    }
    assert!(zone_count > 300 || std::env::var_os("CI").is_none(), "only {zone_count} zones");
}

#[test]
fn every_form_of_tz_is_that_of_the_original() {
    let Some(original) = peer("tai64nlocal") else { return };
    let mut random = Random::new(seeds(1).start);
    let spring_and_autumn =
        [1_699_167_600, 1_710_054_000, 1_711_846_800, 1_729_990_800, 16_725_225_600];
    for zone in [
        "",
        ":",
        "UTC0",
        "Europe/Berlin",
        ":Europe/Berlin",
        "/usr/share/zoneinfo/Asia/Tokyo",
        ":/usr/share/zoneinfo/Asia/Kathmandu",
        "right/America/New_York",
        ":right/Asia/Kolkata",
        "EST5EDT,M3.2.0,M11.1.0",
        "EST5EDT4,M3.2.0/2:30:17,J300/-1",
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "<+0545>-5:45",
        "XXX-0:53:28",
        "NZST-12NZDT,M9.5.0,M4.1.0/3",
        "AAA24BBB,0/0,365/167",
        "AAA5",
        "nonsense",
        "Europe/Nowhere",
        "/etc/passwd",
        "/",
        "-",
        "EST5EDT,M13.9.9",
        "\u{e4}",
    ] {
        let input = lines(&moments(&mut random, &spring_and_autumn));
        let prepare = |command: &mut Command| {
            command.env("TZ", zone);
        };
        check_same([&original, TAI64NLOCAL.as_ref()], prepare, &input, zone);
    }
    let input = lines(&moments(&mut random, &spring_and_autumn));
    let unset = |command: &mut Command| {
        command.env_remove("TZ");
    };
    check_same([&original, TAI64NLOCAL.as_ref()], unset, &input, "unset");
    let in_right = |command: &mut Command| {
        command.env("TZDIR", "/usr/share/zoneinfo/right").env("TZ", "Europe/Berlin");
    };
    check_same([&original, TAI64NLOCAL.as_ref()], in_right, &input, "TZDIR");
}

/// Lines of all sorts of which none makes the original crash.
fn any_lines(random: &mut Random) -> Vec<u8> {
    let mut lines = Vec::new();
    for _ in 0..20_000 {
        let digit_count = *random.choose(&[0, 0, 0, 1, 7, 200]);
        let before = random.text(b"0123456789abcdef", digit_count);
        let moment = random.below(4_000_000_000_000) as i64 - 50_000_000_000;
        let nanos = *random.choose(&[0, 999_999_999, 1_000_000_000, u32::MAX]);
        let stamp = stamp_of(moment.max(FIRST_SECS), nanos);
        let text_len = random.below(40);
        let text = random.text(b"@ aF\0\xff\r", text_len);
        if random.once_in(3) {
            lines.push(*random.choose(b"x \0"));
        } else {
            lines.push(b'@');
            lines.extend_from_slice(&before);
            lines.extend_from_slice(&stamp.as_bytes()[1..]);
            lines.push(*random.choose(b" @AFgz\0\xff\t"));
        }
        lines.extend_from_slice(&text);
        lines.push(b'\n');
    }
    lines
}

#[test]
fn any_lines_come_out_as_from_the_original() {
    let Some(original) = peer("tai64nlocal") else { return };
    let mut random = Random::new(seeds(1).start);
    for zone in ["UTC0", "Europe/London", "right/Europe/London"] {
        let input = any_lines(&mut random);
        let prepare = |command: &mut Command| {
            command.env("TZ", zone);
        };
        check_same([&original, TAI64NLOCAL.as_ref()], prepare, &input, zone);
    }
}

#[test]
fn the_years_at_both_ends_are_those_of_the_original() {
    let years = [
        (FIRST_SECS, "0-01-01 00:00:00"),
        (FIRST_SECS + 366 * 86_400, "1-01-01 00:00:00"),
        (-30_610_224_001, "999-12-31 23:59:59"),
        (253_402_300_800, "10000-01-01 00:00:00"),
        (LAST_SECS, "2147483647-12-31 23:59:59"),
    ];
    for (unix_secs, date) in years {
        check(&format!("{}x\n", stamp_of(unix_secs, 5)), &format!("{date}.000000005x\n"));
    }
    if let Some(original) = peer("tai64nlocal") {
        let input = lines(&years.map(|(unix_secs, _)| unix_secs));
        check_same([&original, TAI64NLOCAL.as_ref()], |_| {}, &input, "years");
    }
}

/// Input that the original gets wrong, in a way that `is_wrong` knows.
#[track_caller]
fn differs(input: &str, ours: &str, is_wrong: impl Fn(&crate::filters::Ended) -> bool) {
    check(input, ours);
    if let Some(original) = peer("tai64nlocal") {
        let ended = run(command(original), input.as_bytes());
        assert!(is_wrong(&ended), "no difference any more: {ended:?}");
    }
}

#[test]
fn a_stamp_without_a_time_is_copied() {
    for stamp in [
        "@",
        "@x",
        "@example.org",
        "@400000006553f10a0000001",
        "@400000006553f10a000000011",
        "@400000006553F10A00000001",
        "@000000000000000000000000",
        "@ffffffffffffffffffffffff",
        &stamp_of(67_768_036_191_676_800, 0),
    ] {
        let [input, ours] = [LABEL, DATE].map(|first| format!("{first} a\n{stamp}\n{first} b\n"));
        differs(&input, &ours, |ended| {
            ended.status.signal() == Some(Signal::SIGSEGV as i32) && ended.stdout.is_empty()
        });
    }
}

#[test]
fn a_stamp_before_the_year_0_is_copied() {
    let stamp = stamp_of(FIRST_SECS - 1, 0);
    differs(&format!("{stamp} x\n"), &format!("{stamp} x\n"), |ended| {
        ended.stdout == b"18446744073709551615-12-31 23:59:59.000000000 x\n"
    });
}

#[test]
fn years_beyond_31_bits_are_right() {
    let input = format!("{} x\n", stamp_of(67_768_036_191_676_799, 0));
    differs(&input, "2147485547-12-31 23:59:59.000000000 x\n", |ended| {
        ended.status.success() && !ended.stdout.starts_with(b"2147485547")
    });
}

#[test]
fn the_end_of_input_ends_a_stamp_too() {
    differs(LABEL, DATE, |ended| ended.status.success() && ended.stdout.is_empty());
    differs("a\n@40", "a\n@40", |ended| ended.status.success() && ended.stdout == b"a\n");
}

#[test]
fn more_digits_than_are_kept_are_copied() {
    let with_zeros = |count: usize| format!("@{}{} x\n", "0".repeat(count), &LABEL[1..]);
    check(&with_zeros(4096 - 25), &format!("{DATE} x\n"));
    let long = with_zeros(4096 - 24);
    differs(&long, &long, |ended| ended.stdout == format!("{DATE} x\n").into_bytes());
    let very_long = with_zeros(300_000);
    check(&very_long, &very_long);
}

#[test]
fn dates_at_the_start_of_a_line_become_those_of_the_reader() {
    for date in ["2023-11-14T22:13:20.000000001Z", "2023-11-15T07:13:20.000000001+09:00"] {
        let input = format!("{date} x\n");
        differs(&input, &format!("{DATE} x\n"), |ended| ended.stdout == input.as_bytes());
    }
    // Not any date: what the service wrote itself stays.
    for line in ["2023-11-14T22:13:20Z x\n", "2023-11-14 22:13:20.000000001 x\n", "2023\n"] {
        check(line, line);
    }
}

#[test]
fn utc_is_universal_time_in_any_zone() {
    for zone in ["Asia/Tokyo", "EST5EDT,M3.2.0,M11.1.0", "nonsense", ""] {
        let mut utc = command(TAI64NLOCAL);
        utc.env("TZ", zone).arg("--utc");
        run(utc, format!("{LABEL} a\n").as_bytes()).check(0, format!("{DATE} a\n"), "");
    }
}

/// When a leap second was over, and how many had been before it.
const LEAP_SECOND_ENDS: [(i64, i64); 4] =
    [(78_796_800, 0), (915_148_800, 21), (1_435_708_800, 25), (1_483_228_800, 26)];

/// Moments as the labels of s6 count them: around leap seconds, changes of summer time, and any from
/// 1970, where s6 begins, to 2096.
fn moments_with_leap_seconds(random: &mut Random) -> Vec<i64> {
    let around_leap_seconds = LEAP_SECOND_ENDS
        .into_iter()
        .flat_map(|(end, before)| (-1000..1000).map(move |offset| end + before + offset));
    let summer_times = [(1_459_040_400, 26), (1_477_789_200, 26), (1_711_846_800, 27)];
    let around_summer_times = summer_times
        .into_iter()
        .flat_map(|(change, before)| (-30..1000).map(move |offset| change + before + offset));
    let mut moments: Vec<i64> = around_leap_seconds.chain(around_summer_times).collect();
    for pos in 0..5000 {
        moments.insert(pos * 2, 86_400 + random.below(4_000_000_000) as i64);
    }
    moments
}

#[test]
fn labels_with_leap_seconds_are_those_of_s6_in_any_zone() {
    let Some(of_s6) = peer("s6-tai64nlocal") else { return };
    let input = lines(&moments_with_leap_seconds(&mut Random::new(seeds(1).start)));
    for zone in ["UTC0", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]
    {
        let prepare = |command: &mut Command| {
            command.env("TZ", zone);
            if command.get_program() == TAI64NLOCAL {
                command.arg("--leap");
            }
        };
        check_same([&of_s6, TAI64NLOCAL.as_ref()], prepare, &input, zone);
    }
}

#[test]
fn labels_of_s6_are_right_whenever_they_were_made() {
    // The seconds are those that s6-tai64n writes at these times, and that of a leap second.
    for (label, date) in [
        ("@4000000001e1338a00000001", "1971-01-01 00:00:00.000000001"),
        ("@4000000053618ea3075bcd15", "2014-05-01 00:00:00.123456789"),
        ("@40000000574e25a41829b2cd", "2016-06-01 00:00:00.405385933"),
        ("@40000000586846a41dcd6500", "2016-12-31 23:59:60.500000000"),
        ("@400000005f4d91a500000000", "2020-09-01 00:10:40.000000000"),
    ] {
        for arguments in [&["--leap"][..], &["--leap", "--utc"], &["--utc", "--leap", "-"]] {
            let mut leap = command(TAI64NLOCAL);
            leap.args(arguments);
            if arguments.len() > 1 {
                leap.env("TZ", "Asia/Tokyo");
            }
            run(leap, format!("{label} a\nb\n").as_bytes()).check(0, format!("{date} a\nb\n"), "");
        }
    }
}

#[test]
fn what_s6_stamps_is_read_as_s6_reads_it() {
    let [Some(stamper), Some(reader)] = ["s6-tai64n", "s6-tai64nlocal"].map(peer) else { return };
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let before = now();
    let stamped = run(command(stamper), b"a\nb\n").stdout;
    let times = before..=now();
    let mut ours = command(TAI64NLOCAL);
    ours.arg("--leap");
    let ours = run(ours, &stamped);
    assert_eq!(ours.stdout, run(command(reader), &stamped).stdout);
    // Both could be wrong in the same way: so that it is the time, too.
    let labels_of_now: Vec<u8> = times
        .flat_map(|secs| run(command(TAI64NLOCAL), stamp_of(secs as i64, 0).as_bytes()).stdout)
        .collect();
    let labels_of_now = String::from_utf8(labels_of_now).expect("text");
    let second = String::from_utf8(ours.stdout[..19].to_vec()).expect("text");
    assert!(labels_of_now.contains(&second), "{second} is not in {labels_of_now}");
}

#[test]
fn any_tai64n_with_any_tai64nlocal_gives_the_time() {
    let mut stampers = vec![PathBuf::from(TAI64N)];
    let mut readers = vec![PathBuf::from(TAI64NLOCAL)];
    stampers.extend(peer("tai64n"));
    readers.extend(peer("tai64nlocal"));
    for stamper in &stampers {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let before = now();
        let stamped = run(command(stamper), b"a\nb\n").stdout;
        let times = before..=now();
        let dates: BTreeSet<Vec<u8>> =
            readers.iter().map(|reader| run(command(reader), &stamped).stdout).collect();
        assert_eq!(dates.len(), 1, "{dates:?}");
        let date = String::from_utf8(dates.into_iter().next().expect("one")).expect("text");
        let is_date_of = |secs: u64| {
            let clock = [secs / 3600 % 24, secs / 60 % 60, secs % 60];
            date[10..].starts_with(&format!(" {:02}:{:02}:{:02}.", clock[0], clock[1], clock[2]))
        };
        assert!(times.into_iter().any(is_date_of), "{date}");
    }
}

#[test]
fn a_line_and_a_part_of_a_line_come_out_at_once() {
    let mut watched = Watched::start(command(TAI64NLOCAL));
    watched.write("plain\n");
    assert_eq!(watched.read(6), "plain\n");
    watched.write(&format!("{LABEL} o"));
    assert_eq!(watched.read(DATE.len() + 2), format!("{DATE} o"));
    watched.write("n");
    assert_eq!(watched.read(1), "n");
    // Only a stamp that may go on is waited for.
    watched.write(&format!("e\n{}", &LABEL[..12]));
    assert_eq!(watched.read(2), "e\n");
    watched.write(&LABEL[12..]);
    watched.write(" ");
    assert_eq!(watched.read(DATE.len() + 1), format!("{DATE} "));
    watched.write("\n@");
    assert_eq!(watched.read(1), "\n");
    assert_eq!(watched.end(), "@");
}

#[test]
fn unix_is_seconds_and_nine_decimals() {
    for (options, input, expected) in [
        (&["--unix"][..], "@400000006553f10a00000001 a\n", "1700000000.000000001 a\n"),
        (&["-u"], "2023-11-14T22:13:20.000000001Z a\nb\n", "1700000000.000000001 a\nb\n"),
        (&["-u", "-l"], "@400000006553f12500000001 a\n", "1700000000.000000001 a\n"),
        (&["-u"], "@3fffffffffffffff00000000", "-11.000000000"),
        (&["-u"], "@40000000000000091dcd6500 x", "-0.500000000 x"),
        (&["-z"], "@400000006553f10a00000001 a\n", "2023-11-14 22:13:20.000000001 a\n"),
    ] {
        let mut command = command(TAI64NLOCAL);
        command.args(options);
        run(command, input.as_bytes()).check(0, expected, "");
    }
    let mut both = command(TAI64NLOCAL);
    both.args(["-u", "-z"]);
    let why = "--unix does not go with --utc; tai64nlocal --help lists the options";
    run(both, b"").check(100, "", &format!("tai64nlocal: fatal: {why}\n"));
}
