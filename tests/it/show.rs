//! `logdir show`, beside the multilog under test and the other writers of the family.

use crate::filters::{Ended, TAI64NLOCAL, command, run};
use crate::support::{Home, numbers};
use std::fmt::Write;
use std::fs;
use std::path::Path;

pub const LOGDIR: &str = env!("CARGO_BIN_EXE_logdir");
/// What is said about a time that cannot be read.
pub const FORMS_OF_TIMES: &str =
    "write 02:10, 2026-11-21 02:10, today, yesterday, 2h, boot or a stamp";

/// Runs `logdir show` in a directory, in universal time.
#[track_caller]
pub fn show(home: &Home, arguments: &[&str]) -> Ended {
    let mut command = command(LOGDIR);
    command.arg("show").args(arguments).current_dir(home.path(""));
    run(command, b"")
}

/// A line a second, from 1700000000 on.
pub fn stamped(first: u64, last: u64) -> String {
    let mut lines = String::new();
    for number in first..=last {
        let _ = writeln!(
            lines,
            "@{:016x}{number:08x} {number}",
            (1 << 62) + 10 + 1_700_000_000 + number
        );
    }
    lines
}

/// What names an archive that was finished with this line.
pub fn archive(number: u64, code: char) -> String {
    format!("@{:016x}00000000.{code}", (1_u64 << 62) + 10 + 1_700_000_000 + number)
}

pub fn put(home: &Home, dir: &str, name: &str, contents: &str) {
    fs::create_dir_all(home.path(dir)).expect("a log directory");
    home.write(Path::new(dir).join(name), contents, 0o744);
}

#[test]
fn all_of_a_directory_is_what_tai64nlocal_makes_of_it() {
    let home = Home::new();
    home.run(&["t", "s4096", "n100", "./main"], &numbers(1, 5000)).check(0, "");
    let expected = run(command(TAI64NLOCAL), &home.contents("main"));
    show(&home, &["main"]).check(0, &expected.stdout, "");
    show(&home, &["--raw", "main"]).check(0, home.contents("main"), "");
    let short = |line: &[u8]| [&line[..23], &line[29..]].concat();
    let expected: Vec<u8> =
        expected.stdout.split_inclusive(|&byte| byte == b'\n').flat_map(short).collect();
    show(&home, &["--format", "short", "main"]).check(0, &expected, "");
}

#[test]
fn several_directories_come_in_order_of_time_with_their_names() {
    let home = Home::new();
    put(&home, "a/log/main", "current", &(stamped(1, 1) + "more\n" + &stamped(4, 4)));
    put(&home, "b", &archive(3, 's'), &stamped(2, 3));
    put(&home, "b", "current", &stamped(4, 5));
    let texts = |ended: Ended| {
        let lines = String::from_utf8(ended.stdout).expect("text");
        let text = |line: &str| {
            let (before, text) = line.split_once(": ").expect("a name");
            format!("{}{text}", before.rsplit(' ').next().unwrap_or_default())
        };
        lines.lines().map(text).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(texts(show(&home, &["a", "b"])), "a1 amore b2 b3 a4 b4 b5");
    assert_eq!(texts(show(&home, &["b", "a"])), "a1 amore b2 b3 b4 a4 b5");
    assert_eq!(texts(show(&home, &["."])), "a1 amore b2 b3 a4 b4 b5");
    assert_eq!(texts(show(&home, &["[ab]"])), "a1 amore b2 b3 a4 b4 b5");
}

/// A service whose errors are in `main` and in `alert`.
pub fn with_alerts() -> Home {
    let home = Home::new();
    put(&home, "web/log/main", "current", &stamped(1, 5));
    put(&home, "web/log/alert", "current", &(stamped(2, 2) + &stamped(4, 4)));
    put(&home, "db/log/main", "current", &stamped(4, 4));
    home
}

#[test]
fn a_line_in_two_directories_of_a_service_is_shown_once_with_both_names() {
    let home = with_alerts();
    let lines = |names: &[&str]| -> String {
        let line = |name: &&str| {
            let (name, text) = name.split_once(' ').expect("a name and a text");
            format!("{name}: {text}\n").replace('+', ": ")
        };
        names.iter().map(line).collect()
    };
    let all =
        ["web/main 1", "web/alert+web/main 2", "web/main 3", "web/alert+web/main 4", "web/main 5"];
    let show_of = |arguments: &[&str]| show(&home, &[&["-o", "none"], arguments].concat());
    show_of(&["web"]).check(0, lines(&all), "");
    let reversed: Vec<&str> = all.iter().rev().copied().collect();
    show_of(&["-r", "web"]).check(0, lines(&reversed), "");
    show_of(&["-n2", "web"]).check(0, lines(&all[3..]), "");
    show_of(&["--head", "2", "web"]).check(0, lines(&all[..2]), "");
    show_of(&["-g", "2", "-C1", "web"]).check(0, lines(&all[..3]), "");
    show_of(&["-g", "[24]", "-n1", "-B1", "web"]).check(0, lines(&all[2..4]), "");
    show_of(&["--cursor", "position", "web"]).check(0, lines(&all), "");
    show_of(&["--cursor", "position", "web"]).check(1, "", "");
    show_of(&["--cursor", "other", "-n2", "web"]).check(0, lines(&all[3..]), "");
    let each = ["web/alert 4", "web/main 4", "web/main 5"];
    show_of(&["--all", "-n3", "web"]).check(0, lines(&each), "");
    // Other services are not compared.
    show_of(&["-n3", "web", "db"]).check(
        0,
        lines(&["web/alert+web/main 4", "db 4", "web/main 5"]),
        "",
    );
    let object = show(&home, &["--json", "-g4", "web"]);
    let object: serde_json::Value = serde_json::from_slice(&object.stdout).expect("one object");
    let main = fs::canonicalize(home.path("web/log/main")).expect("a path");
    assert_eq!(object["also"], serde_json::json!([main.to_string_lossy()]), "{object}");
}

#[test]
fn raw_lines_of_several_logs_are_what_tai64nlocal_reads() {
    let home = Home::new();
    put(&home, "a", "current", &(stamped(1, 2) + "no stamp\n"));
    put(&home, "longer-name", "current", &stamped(2, 3));
    let raw = show(&home, &["--raw", "a", "longer-name"]);
    assert!(raw.stdout.starts_with(b"@400000006553f10b00000001 a: 1\n"));
    let local = show(&home, &["--format", "local", "a", "longer-name"]);
    let text = String::from_utf8_lossy(&local.stdout).into_owned();
    assert!(text.contains("\n2023-11-14 22:13:22.000000002 longer-name: 2\n"), "{text}");
    assert!(text.contains("\na: no stamp\n"), "{text}");
    run(command(TAI64NLOCAL), &raw.stdout).check(0, &local.stdout, "");
    if let Some(original) = crate::peers::peer("tai64nlocal") {
        run(command(original), &raw.stdout).check(0, &local.stdout, "");
    }
}

#[test]
fn a_range_is_what_lies_in_it_and_says_what_is_missing() {
    let home = Home::new();
    for start in (100..1000).step_by(100) {
        put(&home, "main", &archive(start + 99, 's'), &stamped(start, start + 99));
    }
    put(&home, "main", "current", &stamped(1000, 1049));
    let range = |since: &str, until: &str| {
        show(&home, &["--raw", "--since", since, "--until", until, "main"])
    };
    range("@1700000150", "@1700000350").check(0, stamped(150, 349), "");
    range("2023-11-14 22:20:00", "2023-11-14T22:20:01Z").check(0, stamped(400, 400), "");
    range("@1700000999", "now").check(0, stamped(999, 1049), "");
    range("@1700002000", "now").check(1, "", "");
    let oldest =
        "logdir: warning: main: there is nothing from before 2023-11-14 22:15:00.000000100\n";
    range("@1700000000", "@1700000101").check(
        0,
        stamped(100, 100),
        &oldest.replace("main", &name_of(&home)),
    );
}

/// What a directory `main` is called by: that above it.
fn name_of(home: &Home) -> String {
    let path = home.path("");
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

#[test]
fn a_line_over_several_files_is_one_and_a_torn_one_is_told() {
    let home = Home::new();
    let label = stamped(1, 1).split(' ').next().expect("a label").to_owned();
    put(&home, "main", &archive(1, 's'), &format!("{label} begin"));
    put(&home, "main", &archive(2, 's'), " and");
    put(&home, "main", &archive(3, 's'), " end\nnext");
    put(&home, "main", &archive(4, 's'), &stamped(5, 5));
    put(&home, "main", &archive(5, 'u'), "torn");
    put(&home, "main", "current", "last");
    let expected = format!("{label} begin and end\nnext\n{}torn\nlast\n", stamped(5, 5));
    let name = name_of(&home);
    let torn = |byte: usize, number: u64, code: char| {
        let file = archive(number, code);
        format!(
            "logdir: warning: {name}: the line at byte {byte} of {file} is torn: its writer was interrupted\n"
        )
    };
    let told = torn(5, 3, 's') + &torn(0, 5, 'u');
    show(&home, &["--raw", "main"]).check(0, &expected, &told);
    show(&home, &["--raw", "-n", "9", "main"]).check(0, &expected, &told);
}

#[test]
fn what_cannot_be_found_or_understood_is_trouble() {
    let home = Home::new();
    home.make_dir("empty");
    show(&home, &["./nowhere"]).check(
        2,
        "",
        "logdir: warning: unable to read ./nowhere: file does not exist\n",
    );
    show(&home, &["empty"]).check(
        2,
        "",
        "logdir: warning: unable to find a log directory in empty\n",
    );
    show(&home, &["--since", "soon"]).check(
        2,
        "",
        &format!("logdir: fatal: unable to understand the time soon; {FORMS_OF_TIMES}\n"),
    );
}

/// The reads of a file system call, summed up by strace: bytes that were read from log files.
fn bytes_read(trace: &str) -> u64 {
    let result = |line: &str| line.rsplit_once("= ")?.1.split(' ').next()?.parse::<u64>().ok();
    trace.lines().filter(|line| line.contains("/main/")).filter_map(result).sum()
}

/// Runs `logdir show` under strace, and returns what it wrote and how many bytes of logs it read.
fn show_and_count(home: &Home, arguments: &[&str]) -> Option<(Vec<u8>, u64)> {
    let strace = crate::peers::peer("strace")?;
    let mut command = command(strace);
    command.args(["-qq", "-y", "-o", "trace", "-e", "trace=read,pread64", LOGDIR, "show"]);
    command.args(arguments).current_dir(home.path(""));
    let ended = run(command, b"");
    assert_eq!(ended.stderr, "");
    Some((ended.stdout, bytes_read(&String::from_utf8_lossy(&home.read("trace")))))
}

/// A directory with files of a megabyte, a line of 128 bytes every 10 ms.
fn large(home: &Home, file_count: u64) -> Vec<String> {
    const LINES: u64 = 8192;
    let line = |number: u64| {
        let (secs, nanos) = (number / 100, number % 100 * 10_000_000);
        let label = format!("@{:016x}{nanos:08x}", (1 << 62) + 10 + 1_700_000_000 + secs);
        format!("{label} {number:0101}\n")
    };
    fs::create_dir(home.path("main")).expect("a log directory");
    let mut all = Vec::new();
    for file in 0..file_count {
        let lines: Vec<String> = (file * LINES..(file + 1) * LINES).map(line).collect();
        let name = archive(((file + 1) * LINES).div_ceil(100), 's');
        let name = if file + 1 == file_count { "current" } else { &name };
        home.write(Path::new("main").join(name), lines.concat(), 0o744);
        all.extend(lines);
    }
    all
}

#[test]
fn a_short_range_of_a_large_directory_costs_little() {
    let home = Home::in_memory();
    let lines = large(&home, 64);
    let range = ["--raw", "--since", "@1700002000", "--until", "@1700002060", "main"];
    let Some((output, read)) = show_and_count(&home, &range) else { return };
    assert!(output == lines[200_000..206_000].concat().into_bytes());
    let beyond = read - output.len() as u64;
    assert!(beyond <= 1024 * 1024, "{beyond} bytes were read that nobody wanted");
}

#[test]
fn the_last_lines_cost_little() {
    let home = Home::in_memory();
    let lines = large(&home, 3);
    let last = lines[lines.len() - 10..].concat().into_bytes();
    let Some((output, read)) = show_and_count(&home, &["--raw", "-n", "10", "main"]) else {
        return;
    };
    assert!(output == last && read <= 64 * 1024, "{read} bytes were read");
    let reversed: String = lines.iter().rev().map(String::as_str).collect();
    show(&home, &["--raw", "-r", "main"]).check(0, reversed, "");
}

#[test]
fn compressed_archives_are_read_like_others() {
    let home = Home::new();
    home.run(&["t", "s4096", "n100", "./main"], &numbers(1, 2000)).check(0, "");
    let expected = home.contents("main");
    let archives = home.archives("main");
    for (number, archive) in archives.iter().enumerate() {
        let path = home.path("main").join(archive);
        let (packer, ending) = if number % 2 == 0 { ("gzip", "gz") } else { ("zstd", "zst") };
        let Some(packer) = crate::peers::peer(packer) else { return };
        let mut pack = std::process::Command::new(packer);
        let packed = pack.args(["-q", "-c"]).arg(&path).output().expect("a packer").stdout;
        if number % 3 == 0 {
            // With the name of a plain one, as a processor leaves it.
            fs::write(&path, packed).expect("a file");
        } else {
            // A copy beside the original is left alone until that is gone.
            fs::write(path.with_extension(format!("s.{ending}")), packed).expect("a file");
            if number % 3 == 1 {
                fs::remove_file(&path).expect("a file");
            }
        }
    }
    show(&home, &["--raw", "main"]).check(0, &expected, "");
    let mut lines: Vec<&[u8]> = expected.split_inclusive(|&byte| byte == b'\n').collect();
    lines.reverse();
    show(&home, &["--raw", "-r", "main"]).check(0, lines.concat(), "");
    let whole = home.path("main").join(&archives[3]);
    let half = fs::read(&whole).map(|bytes| bytes[..bytes.len() / 2].to_vec()).expect("a file");
    fs::write(whole, half).expect("a file");
    let ended = show(&home, &["--raw", "main"]);
    assert_eq!(ended.status.code(), Some(2));
    assert_eq!(ended.stderr.matches(": compressed contents ").count(), 1, "{}", ended.stderr);
    // Looked at from the end, and then shown.
    let ended = show(&home, &["--raw", "-n", "1900", "main"]);
    assert_eq!(ended.status.code(), Some(2));
    assert_eq!(ended.stderr.matches(": compressed contents ").count(), 1, "{}", ended.stderr);
}

#[test]
fn multilog_and_s6_log_are_merged_in_true_order() {
    let Some(s6_log) = crate::peers::peer("s6-log") else { return };
    let home = Home::new();
    let mut expected = String::new();
    for number in (0..20).step_by(2) {
        home.run(&["t", "./ours"], &numbers(number, number)).check(0, "");
        home.run_of(&s6_log, &["-b", "t", "./theirs"], &numbers(number + 1, number + 1));
        let _ = write!(expected, "{number}\n{}\n", number + 1);
    }
    let texts = |ended: Ended| -> String {
        let lines = String::from_utf8(ended.stdout).expect("text");
        lines
            .lines()
            .map(|line| format!("{}\n", line.rsplit(' ').next().unwrap_or_default()))
            .collect()
    };
    assert_eq!(texts(show(&home, &["ours", "theirs"])), expected);
    assert_ne!(texts(show(&home, &["--label", "10", "ours", "theirs"])), expected);
}

#[test]
fn labels_of_s6_log_are_known_by_the_first_that_comes() {
    let Some(s6_log) = crate::peers::peer("s6-log") else { return };
    let home = Home::in_memory();
    home.run(&["t", "./ours"], b"").check(0, "");
    home.run_of(&s6_log, &["-b", "t", "./theirs"], b"");
    let reader = crate::follow::following(&home, &["-f", "--utc", "ours", "theirs"]);
    let mut expected = String::new();
    for number in (0..6).step_by(2) {
        home.run(&["t", "./ours"], &numbers(number, number)).check(0, "");
        home.run_of(&s6_log, &["-b", "t", "./theirs"], &numbers(number + 1, number + 1));
        let _ = write!(expected, "{number}\n{}\n", number + 1);
    }
    let output = || String::from_utf8(home.read("output")).expect("text");
    crate::support::wait_until("the last line", || output().ends_with(" 5\n"));
    crate::follow::stop(reader);
    let output = output();
    let text = |line: &str| format!("{}\n", line.rsplit(' ').next().unwrap_or_default());
    assert_eq!(output.lines().map(text).collect::<String>(), expected, "{output}");
    let times = output.lines();
    assert!(times.clone().is_sorted_by_key(|line| &line[..29]), "{output}");
}

#[test]
fn lines_are_chosen_by_patterns_and_shown_with_those_around() {
    let home = Home::new();
    put(&home, "main", "current", &stamped(1, 20));
    let show = |arguments: &[&str]| {
        let lines = String::from_utf8(show(&home, arguments).stdout).expect("text");
        lines
            .lines()
            .map(|line| line.rsplit(' ').next().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(show(&["--grep", "^1.", "--not", "[2-8]$", "main"]), ["10", "11", "19"]);
    assert_eq!(
        show(&["--grep", "^(5|12)$", "-C1", "main"]),
        ["4", "5", "6", "--", "11", "12", "13"]
    );
    assert_eq!(show(&["--grep", "1", "-n2", "main"]), ["18", "19"]);
    let delta = self::show(&home, &["--grep", "^(5|12)$", "-C1", "--format", "delta", "main"]);
    let since_shown = "   +0.000000000 4\n   +1.000000001 5\n   +1.000000001 6\n--\n\
                       \x20  +5.000000005 11\n   +1.000000001 12\n   +1.000000001 13\n";
    delta.check(0, since_shown, "");
    assert_eq!(show(&["--grep", "1", "-rn", "2", "main"]), ["19", "18"]);
    assert_eq!(show(&["--grep", "1", "--head", "2", "main"]), ["1", "10"]);
    assert_eq!(show(&["-g", "1", "-v", "[0-8]$", "main"]), ["19"]);
    assert_eq!(show(&["-e", "^3$", "-e", "^7$", "-g", "[2-9]", "main"]), ["3", "7"]);
    // Context belongs to the lines that are shown, also if these are the last or the first.
    assert_eq!(show(&["-g", "^15$", "-n1", "-C2", "main"]), ["13", "14", "15", "16", "17"]);
    assert_eq!(show(&["-g", "^15$", "-n1", "-rC2", "main"]), ["17", "16", "15", "14", "13"]);
    assert_eq!(show(&["-g", "^15$", "-n1", "-B1", "main"]), ["14", "15"]);
    assert_eq!(show(&["-g", "^15$", "-rA1", "main"]), ["16", "15"]);
    assert_eq!(show(&["-g", "5", "--head=1", "-A1", "-B", "2", "main"]), ["3", "4", "5", "6"]);
    assert_eq!(show(&["-g", "^(5|12)$", "-A1", "main"]), ["5", "6", "--", "12", "13"]);
    assert_eq!(
        self::show(&home, &["--json", "-g", "^(5|12)$", "-A1", "main"])
            .stdout
            .split(|&b| b == b'\n')
            .filter(|line| line.starts_with(b"--"))
            .count(),
        0
    );
    assert_eq!(show(&["-n2", "main"]), ["19", "20"]);
    assert_eq!(show(&["-n0", "-C2", "main"]), [""; 0]);
    assert!(show(&["--grep", "x", "main"]).is_empty());
    let bad = self::show(&home, &["--grep", "(", "main"]);
    assert_eq!(bad.status.code(), Some(2));
    assert!(
        bad.stderr.starts_with(
            "logdir: fatal: unable to understand expression (, byte 1: unclosed group\n"
        ),
        "{}",
        bad.stderr
    );
}

#[test]
fn json_tells_everything_about_a_line() {
    let home = Home::new();
    put(&home, "main", "current", &stamped(1, 1));
    home.write("main/current", [stamped(1, 1).as_bytes(), b"\"\\\x07\xff\n"].concat(), 0o744);
    let directory = fs::canonicalize(home.path("main")).expect("a path");
    let name = name_of(&home);
    let directory = directory.display();
    let expected = format!(
        "{{\"name\":\"{name}\",\"directory\":\"{directory}\",\"file\":\"current\",\"offset\":0,\
         \"label\":\"@400000006553f10b00000001\",\"time\":\"2023-11-14T22:13:21.000000001Z\",\"text\":\"1\"}}\n\
         {{\"name\":\"{name}\",\"directory\":\"{directory}\",\"file\":\"current\",\"offset\":28,\
         \"text\":\"\\\"\\\\\\\\x07\\\\xff\",\"escaped\":true}}\n"
    );
    show(&home, &["--json", "main"]).check(0, &expected, "");
    show(&home, &["-o", "json", "main"]).check(0, &expected, "");
    let ended = show(&home, &["--json=cursor", "main"]);
    let (objects, cursors) = without_cursors(&ended.stdout);
    Ended { stdout: objects.into_bytes(), ..ended }.check(0, expected, "");
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    assert!(cursors.iter().all(|cursor| cursor.len() > 99 && cursor.bytes().all(is_plain)));
    let (objects, cursors) = without_cursors(&show(&home, &["--json=cursor", "-r", "main"]).stdout);
    assert!(cursors.is_empty() && objects.lines().count() == 2, "{objects}");
}

/// Objects without their cursors, which tell of inodes and times of birth, and the cursors.
fn without_cursors(output: &[u8]) -> (String, Vec<String>) {
    let output = String::from_utf8_lossy(output);
    let (mut objects, mut cursors) = (String::new(), Vec::new());
    for line in output.lines() {
        let split = line.split_once(",\"cursor\":\"");
        if let Some((_, cursor)) = split {
            cursors.push(cursor.trim_end_matches("\"}").to_owned());
        }
        let _ = writeln!(
            objects,
            "{}",
            split.map_or(line.to_owned(), |(object, _)| format!("{object}}}"))
        );
    }
    (objects, cursors)
}

#[test]
fn no_byte_of_a_line_reaches_a_terminal_as_a_command() {
    let Some(script) = crate::peers::peer("script") else { return };
    let home = Home::in_memory();
    let mut random = crate::random::Random::new(5);
    let bytes: Vec<u8> = (0..=255).collect();
    let lines = random.text(&bytes, 1_000_000);
    fs::create_dir(home.path("main")).expect("a log directory");
    home.write("main/current", &lines, 0o744);
    let mut command = command(script);
    let show = format!("stty -opost; NO_COLOR=1 {LOGDIR} show --no-pager main");
    command.args(["-qec", &show, "/dev/null"]).current_dir(home.path(""));
    let output = run(command, b"").stdout;
    let text = String::from_utf8(output).expect("a terminal gets UTF-8");
    assert!(text.len() > lines.len());
    let bad = text.chars().find(|&char| char.is_control() && char != '\n' && char != '\t');
    assert_eq!(bad, None);
}

/// Directories with lines in order, some of them without stamps; whatever a writer may leave.
pub fn directories() -> impl proptest::strategy::Strategy<Value = Vec<Vec<Vec<(u8, bool)>>>> {
    use proptest::collection::vec;
    use proptest::prelude::*;
    let line = (0..4_u8, prop::bool::weighted(0.8));
    vec(vec(vec(line, 0..12), 1..4), 1..4)
}

/// A line as it stands in a directory, and what orders it: second (none before the first stamp), then
/// number of the directory, then number in it.
pub type Ordered = ((Option<u64>, usize, usize), String);

pub fn write_directories(home: &Home, directories: &[Vec<Vec<(u8, bool)>>]) -> Vec<Ordered> {
    let mut all = Vec::new();
    for (directory, files) in directories.iter().enumerate() {
        let (mut second, mut last, mut count) = (100, None, 0);
        for (file, lines) in files.iter().enumerate() {
            let mut contents = String::new();
            for &(step, has_stamp) in lines {
                second += u64::from(step);
                let text = format!("{directory}.{count}\n");
                let line = if has_stamp {
                    last = Some(second);
                    stamped(second, second).split(' ').next().expect("a label").to_owned()
                        + " "
                        + &text
                } else {
                    text
                };
                contents += &line;
                all.push(((last, directory, count), line));
                count += 1;
            }
            let name = archive(second, 's');
            let name = if file + 1 == files.len() { "current" } else { &name };
            put(home, &format!("d{directory}"), name, &contents);
            second += 1;
        }
    }
    all.sort();
    all
}

fn without_names(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let without_name = |line: &str| {
        let Some((before, text)) = line.split_once(": ") else { return format!("{line}\n") };
        let stamp = before.rsplit_once(' ').map(|(stamp, _)| format!("{stamp} "));
        format!("{}{text}\n", stamp.unwrap_or_default())
    };
    text.lines().map(without_name).collect()
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 40, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_merge_is_a_stable_sort_and_backward_its_reverse(
        directories in directories(), since in 95..130_u64, len in 0..40_u64, count in 0..20_usize,
    ) {
        let home = Home::in_memory();
        let all = write_directories(&home, &directories);
        let names: Vec<String> = (0..directories.len()).map(|number| format!("d{number}")).collect();
        let shown = |arguments: &[&str]| {
            let names = names.iter().map(String::as_str);
            let arguments: Vec<&str> = arguments.iter().copied().chain(names).collect();
            without_names(&show(&home, &arguments).stdout)
        };
        let text = |lines: &[&Ordered]| lines.iter().map(|line| line.1.as_str()).collect::<String>();
        let forward: Vec<&Ordered> = all.iter().collect();
        proptest::prop_assert_eq!(shown(&["--raw"]), text(&forward));
        let backward: Vec<&Ordered> = all.iter().rev().collect();
        proptest::prop_assert_eq!(shown(&["--raw", "-r"]), text(&backward));
        let last = &forward[forward.len().saturating_sub(count)..];
        proptest::prop_assert_eq!(shown(&["--raw", "-n", &count.to_string()]), text(last));
        if all.iter().all(|line| line.0.0.is_some()) {
            let (first, end) = (1_700_000_000 + since, 1_700_000_000 + since + len);
            let range = [format!("--since=@{first}"), format!("--until=@{end}")];
            let in_range = |line: &&Ordered| line.0.0.is_some_and(|at| (since..since + len).contains(&at));
            let expected: Vec<&Ordered> = all.iter().filter(in_range).collect();
            proptest::prop_assert_eq!(shown(&["--raw", &range[0], &range[1]]), text(&expected));
            let expected: Vec<&Ordered> = expected.into_iter().rev().collect();
            proptest::prop_assert_eq!(shown(&["--raw", "-r", &range[0], &range[1]]), text(&expected));
        }
    }
}
