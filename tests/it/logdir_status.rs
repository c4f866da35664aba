//! `logdir status`, on directories of the multilog under test and the other writers of the family.

use crate::filters::{Ended, command, run};
use crate::peers::peer;
use crate::show::LOGDIR;
use crate::support::{Home, Logger, is_original, numbers, wait_until};
use crate::trouble::SmallDisk;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs::{self, FileTimes};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

/// What `logdir status` may read of a directory: the constant of the library for the newest lines, and
/// as much for heads and for how labels are counted.
const READ_MAX: u64 = 128 * 1024;

fn status_command(home: &Home, arguments: &[&str]) -> Command {
    let mut command = command(LOGDIR);
    command.arg("status").args(arguments).current_dir(home.path(""));
    command.env_remove("COLUMNS");
    command
}

#[track_caller]
fn status(home: &Home, arguments: &[&str]) -> Ended {
    run(status_command(home, arguments), b"")
}

/// The object of one directory, and the exit code.
#[track_caller]
fn object(home: &Home, dir: &str) -> (Value, i32) {
    let ended = status(home, &["--json", dir]);
    let object = serde_json::from_slice(&ended.stdout).expect("an object");
    (object, ended.status.code().expect("a code"))
}

/// Checks what is told of a writer that runs, then of one that was killed.
#[track_caller]
fn check_alive_and_killed(home: &Home, logger: Logger, stamps: &str) {
    wait_until("a line", || !home.contents("main").is_empty());
    let (object, code) = object(home, "main");
    assert_eq!((object["writer"].as_str(), code), (Some("running"), 0), "{object}");
    assert_eq!(object["pid"], i64::from(logger.pid().as_raw()), "{object}");
    assert_eq!(object["stamps"], stamps, "{object}");
    logger.signal(Signal::SIGKILL);
    assert_eq!(logger.wait().signal(), Some(9));
    check_crashed(home);
}

#[track_caller]
fn check_crashed(home: &Home) {
    let ended = status(home, &["--json", "main"]);
    let object: Value = serde_json::from_slice(&ended.stdout).expect("an object");
    assert_eq!(object["writer"], "crashed");
    assert!(object["pid"].is_null());
    assert_eq!(object["trouble"].as_array().map(Vec::len), Some(1));
    assert!(ended.stderr.contains(": its logger was killed and does not run"));
    assert_eq!(ended.status.code(), Some(2));
}

#[track_caller]
fn check_clean(home: &Home) {
    let (object, code) = object(home, "main");
    assert_eq!((object["writer"].as_str(), code), (Some("clean"), 0), "{object}");
}

#[test]
fn a_running_a_killed_and_a_clean_writer_are_told_apart() {
    let home = Home::new();
    let mut logger = home.spawn(&["t", "./main"]);
    logger.write("one\n");
    check_alive_and_killed(&home, logger, "label");
    home.run(&["t", "./main"], b"two\n").check(0, "");
    check_clean(&home);
    let (object, _) = object(&home, "main");
    assert_eq!(object["torn"], 1);
    assert_eq!(object["files"], 2);
    assert_eq!(object["lines_per_minute"], 2.0);
}

#[test]
fn writers_of_s6_log_are_told_apart() {
    let Some(program) = peer("s6-log") else { return };
    let home = Home::new();
    let main = home.path("main");
    let arguments = ["t", &main.to_string_lossy()];
    let mut logger = home.start(home.command_of(&program, &arguments));
    logger.write("one\n");
    check_alive_and_killed(&home, logger, "leap");
    let ended = home.run_of(&program, &arguments, b"two\n");
    assert!(ended.status.success());
    check_clean(&home);
}

#[test]
fn writers_of_svlogd_are_told_apart() {
    let Some(program) = peer("svlogd") else { return };
    let home = Home::new();
    home.make_dir("main");
    let mut logger = home.start(home.command_of(&program, &["-tt", "main"]));
    logger.write("one\n");
    check_alive_and_killed(&home, logger, "date");
    let ended = home.run_of(&program, &["-tt", "main"], b"two\n");
    assert!(ended.status.success());
    check_clean(&home);
}

#[test]
fn a_large_directory_costs_no_more_than_a_small_one_and_its_lock_is_left_alone() {
    let Some(strace) = peer("strace") else { return };
    let home = Home::in_memory();
    home.run(&["t", "s4000000", "n100", "./main"], &numbers(1, 400_000)).check(0, "");
    let mut traced = command(strace);
    traced.args(["-f", "-y", "-o"]).arg(home.path("trace"));
    traced.args(["-e", "trace=open,openat,read,pread64,preadv,mmap,flock,fcntl"]);
    traced.arg(LOGDIR).args(["status", "--json", "main"]).current_dir(home.path(""));
    let ended = run(traced, b"");
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let object: Value = serde_json::from_slice(&ended.stdout).expect("an object");
    assert!(object["bytes"].as_u64() > Some(10_000_000), "{object}");
    let trace = String::from_utf8(home.read("trace")).expect("a trace");
    let place = home.path("main").to_string_lossy().into_owned();
    let calls = || trace.lines().filter(|call| call.contains(&place));
    let read: u64 = calls()
        .filter(|call| call.contains("read"))
        .map(|call| call.rsplit(" = ").next().and_then(|len| len.parse().ok()).unwrap_or(0))
        .sum();
    assert!(read > 0 && read <= READ_MAX, "{read} bytes read");
    let touched: Vec<&str> =
        trace.lines().filter(|call| call.contains("\"lock\"") || call.contains("flock(")).collect();
    assert!(touched.is_empty(), "{touched:?}");
    assert!(!calls().any(|call| call.contains("mmap")), "{trace}");
}

#[test]
fn a_burst_before_silence_counts_as_what_it_was() {
    let home = Home::in_memory();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time").as_secs();
    // 10,000 lines, 50 to 40 seconds ago, after as many that are older than a minute.
    let line = |secs: u64, number: u64| format!("{secs}.000000 {number:020}\n");
    let burst = |ago: u64| (0..10_000).map(move |number| line(now - ago + number / 1000, number));
    let text: String = burst(600).chain(burst(50)).collect();
    home.make_dir("main");
    home.write("main/current", &text, 0o744);
    let check = || {
        let (object, _) = object(&home, "main");
        let count = object["lines_per_minute"].as_f64().expect("a number");
        assert!((9_900.0..10_100.0).contains(&count), "{object}");
        assert_eq!(object["is_estimate"], true, "{object}");
    };
    check();
    // The burst goes on over a rotation.
    let half: String = burst(50).take(4000).collect();
    let old: String = burst(600).chain(burst(50).take(4000)).collect();
    home.write("main/current", &text[old.len()..], 0o744);
    let label = format!("main/@{:016x}00000000.s", (1_u64 << 62) + 10 + now - 46);
    home.write(&label, &old, 0o744);
    assert!(half.len() > 64 * 1024);
    check();
}

#[test]
fn a_file_that_is_not_finished_for_long_is_trouble() {
    let home = Home::new();
    home.run(&["./main"], b"one\n").check(0, "");
    home.write("main/previous", "old\n", 0o644);
    check_clean(&home);
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    let previous = fs::File::options().write(true).open(home.path("main/previous"));
    let times = FileTimes::new().set_modified(hour_ago);
    previous.expect("a file").set_times(times).expect("a time");
    let ended = status(&home, &["main"]);
    assert!(ended.stderr.contains(": previous has been waiting for 1h00m to be"), "{ended:?}");
    assert_eq!(ended.status.code(), Some(2));
}

#[test]
fn five_services_fit_80_columns_without_colour() {
    let home = Home::new();
    for name in ["web", "mail", "dns-resolver", "a-service-with-a-name-beyond-all-bounds", "db"] {
        let dir = format!("services/{name}/log/main");
        fs::create_dir_all(home.path(&dir)).expect("a service");
        home.run(&["t", "s4096", &format!("./{dir}")], &numbers(1, 2000)).check(0, "");
    }
    let ended = status(&home, &["services"]);
    let table = String::from_utf8(ended.stdout).expect("text");
    assert_eq!(table.lines().count(), 1 + 5 + 1, "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    assert!(table.bytes().all(|byte| matches!(byte, b'\n' | b' '..=b'~')), "{table}");
    assert!(table.lines().nth(3).is_some_and(|line| line.contains("clean")), "{table}");
    assert_eq!(ended.status.code(), Some(0));
}

#[test]
fn unstamped_and_compressed_directories_tell_what_they_can() {
    let home = Home::new();
    home.run(&["./plain"], b"one\ntwo\n").check(0, "");
    let (plain, _) = object(&home, "plain");
    assert_eq!(plain["stamps"], "none");
    assert!(plain["oldest"].is_null() && plain["lines_per_minute"].is_null(), "{plain}");
    assert!(plain["newest"].is_string(), "{plain}");
    let (file, _) = object(&home, "plain/current");
    assert!(file["writer"].is_null() && file["files"] == 1, "{file}");
    home.run(&["t", "s4096", "n9", "!gzip", "./packed"], &numbers(1, 1000)).check(0, "");
    let (packed, code) = object(&home, "packed");
    assert_eq!((packed["stamps"].as_str(), code), (Some("label"), 0), "{packed}");
    assert!(packed["oldest"].is_string(), "{packed}");
    assert!(packed["kept_hours"].is_null(), "{packed}");
}

#[test]
fn what_cannot_be_found_is_trouble() {
    let home = Home::new();
    let ended = status(&home, &["./nowhere"]);
    ended.check(2, "", "logdir: warning: unable to read ./nowhere: file does not exist\n");
    assert!(!Path::new(&home.path("nowhere")).exists());
    status(&home, &["--label", "12"]).check(
        2,
        "",
        "logdir: fatal: unable to understand --label 12: it is auto, 10 or leap; \
         logdir status --help lists the options\n",
    );
}

/// The version that the multilog under test reports.
const PROGRAM: &str = concat!("multilog ", env!("CARGO_PKG_VERSION"));

#[test]
fn a_logger_on_a_full_disk_shows_its_failure_and_its_end() {
    let home = Home::new();
    let Some(disk) = SmallDisk::mount_of(&home, "100k") else { return };
    if is_original() {
        return;
    }
    // Nobody reads its stderr.
    let mut command = home.command(&["t", "s1000000", "r200", "./disk/d"]);
    command.stderr(std::process::Stdio::null());
    let mut logger = home.start(command);
    logger.write("one\n");
    wait_until("a line", || !home.read("disk/d/current").is_empty());
    let (sound, code) = object(&home, "disk/d");
    assert_eq!((sound["program"].as_str(), code), (Some(PROGRAM), 0), "{sound}");
    assert_eq!(sound["failing"].as_array().map(Vec::len), Some(0), "{sound}");
    disk.fill(8192);
    let text = numbers(1, 1000);
    logger.write(&text);
    let failing = || object(&home, "disk/d").0["failing"].as_array().map_or(0, Vec::len);
    wait_until("the failure to show", || failing() == 1);
    wait_until("the lines to show", || object(&home, "disk/d").0["held_lines"].as_u64() > Some(0));
    let (full, code) = object(&home, "disk/d");
    assert_eq!(code, 2, "{full}");
    let reason = full["failing"][0]["reason"].as_str();
    assert_eq!(reason, Some("unable to write to ./disk/d/current: out of disk space"), "{full}");
    // The line that was cut is counted as one that is held.
    let written = home.read("disk/d/current").iter().filter(|&&byte| byte == b'\n').count() as u64;
    assert_eq!(full["held_lines"].as_u64(), Some(1001 - written), "{full}");
    let table = status(&home, &["disk/d"]);
    let warning = format!(
        ": unable to write to ./disk/d/current: out of disk space, {} lines (",
        1001 - written
    );
    assert!(table.stderr.starts_with("logdir: warning: d: failing since 20"), "{}", table.stderr);
    assert!(table.stderr.contains(&warning), "{}", table.stderr);
    assert!(String::from_utf8_lossy(&table.stdout).contains(PROGRAM), "{table:?}");
    let checked = |arguments: &[&str]| {
        let mut check = command_in(&home);
        check.arg("check").args(arguments).arg("disk/d");
        run(check, b"")
    };
    let (text, json) = (checked(&[]), checked(&["--json"]));
    assert!(
        String::from_utf8_lossy(&text.stdout).contains("the logger reports a failure that lasts\n"),
        "{text:?}"
    );
    assert!(String::from_utf8_lossy(&json.stdout).contains("\"finding\":\"failing\""), "{json:?}");
    assert_eq!((text.status.code(), json.status.code()), (Some(1), Some(1)));

    disk.empty();
    wait_until("the end to show", || failing() == 0);
    let (over, code) = object(&home, "disk/d");
    assert_eq!(code, 0, "{over}");
    assert_eq!(over["failed"]["reason"], full["failing"][0]["reason"], "{over}");
    assert!(over["failed"]["until"].as_str() > over["failed"]["since"].as_str(), "{over}");
    let told = status(&home, &["disk/d"]);
    assert!(told.stderr.starts_with("logdir: info: d: works again since 20"), "{}", told.stderr);
    assert_eq!(checked(&[]).status.code(), Some(0));
    assert!(logger.end().status.success());
    let (clean, _) = object(&home, "disk/d");
    assert_eq!(
        (clean["writer"].as_str(), clean["program"].as_str()),
        (Some("clean"), Some(PROGRAM))
    );
}

fn command_in(home: &Home) -> Command {
    let mut command = command(LOGDIR);
    command.current_dir(home.path("")).env_remove("COLUMNS");
    command
}

#[test]
fn another_logger_on_the_directory_is_not_taken_for_the_one_that_reported() {
    let Some(debians) = peer("multilog").filter(|_| !is_original()) else { return };
    let home = Home::new();
    home.run(&["t", "./main"], b"one\n").check(0, "");
    let kept = home.read("main/.writer");
    assert!(kept.starts_with(PROGRAM.as_bytes()));
    let mut logger = home.start(home.command_of(&debians, &["t", "s4096", "n5", "./main"]));
    logger.write(numbers(1, 4000));
    // It removes archives until then, and nothing is known of one that goes while it is looked at.
    wait_until("the last line", || home.contents("main").ends_with(b"4000\n"));
    let (object, _) = object(&home, "main");
    assert_eq!(
        (object["writer"].as_str(), object["program"].as_str()),
        (Some("running"), Some("multilog"))
    );
    assert!(object["held_lines"].is_null(), "{object}");
    // Its own arguments tell how much it keeps.
    assert!(object["kept_hours"].is_number(), "{object}");
    assert!(logger.end().status.success());
    assert!(home.read("main/.writer") == kept, "0.76 leaves it alone");
}

#[test]
fn a_line_costs_nothing_for_what_readers_see_of_the_writer() {
    let Some(strace) = peer("strace").filter(|_| !is_original()) else { return };
    let home = Home::new();
    let mut traced = command(strace);
    traced.args(["-f", "-o"]).arg(home.path("trace")).args(["-e", "trace=openat"]);
    traced.arg(crate::support::program()).args(["t", "s1000000", "./main"]);
    let ended = run(
        {
            traced.current_dir(home.path(""));
            traced
        },
        &numbers(1, 20_000),
    );
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let trace = String::from_utf8(home.read("trace")).expect("a trace");
    // At the start when names are synced, when it is open, and when it is closed.
    let count = trace.matches("\".writer\"").count();
    assert!((2..=3).contains(&count), "{count}: {trace}");
}

#[test]
fn how_long_lines_are_kept_comes_from_the_limits_in_force() {
    let home = Home::new();
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    let secs = hour_ago.duration_since(SystemTime::UNIX_EPOCH).expect("a time").as_secs();
    // A hundred thousand bytes in an hour.
    let line = format!("@{:016x}00000000 {}\n", (1_u64 << 62) + 10 + secs, "x".repeat(972));
    home.make_dir("main");
    home.write("main/current", line.repeat(100), 0o744);
    let (stopped, _) = object(&home, "main");
    assert!(stopped["kept_hours"].is_null(), "nobody keeps anything: {stopped}");
    let mut logger =
        home.spawn(&["s100000000", "t", "s1000000", "n20", "./main", "s4096", "./other"]);
    logger.write("one\n");
    wait_until("a line", || !home.read("other/current").is_empty());
    let hours = object(&home, "main").0["kept_hours"].as_f64().expect("hours");
    assert!((190.0..210.0).contains(&hours), "{hours}");
}
