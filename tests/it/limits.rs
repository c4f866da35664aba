//! How little a logger may have: open files, processes, memory, standard descriptors. And how much it
//! may be asked: patterns.

use crate::peers::peer;
use crate::support::{Home, Logger, is_original, numbers, program, unstamped, wait_until};
use nix::unistd::geteuid;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Seek;
use std::path::Path;
use std::process::Command;

/// A user that nobody is, and no other run of the tests uses: the processes of a user are counted.
fn user() -> u32 {
    100_000_000 + std::process::id()
}

/// Sets a limit of the logger by this program, which ends its arguments with those of prlimit.
fn set_limit(logger: &Logger, limit: &str, program: &Path, arguments: &[&str]) {
    let pid = logger.pid().to_string();
    let mut command = Command::new(program);
    let set = command.args(arguments).args(["--pid", &pid, limit]).status().expect("it runs");
    assert!(set.success(), "{limit}");
}

#[test]
fn a_limit_of_open_files_is_waited_out_and_nothing_is_lost() {
    let Some(program) = peer("prlimit") else { return };
    let home = Home::new();
    let mut logger = home.spawn(&["s4096", "n100", "./d"]);
    wait_until("the start", || home.path("d/current").exists());
    logger.wait_until_asleep();
    set_limit(&logger, "--nofile=3:1024", &program, &[]);
    logger.write(numbers(1, 3000));
    logger.wait_for_stderr("pausing: process cannot open more files\n");
    set_limit(&logger, "--nofile=1024:1024", &program, &[]);
    assert_eq!(logger.end().status.code(), Some(0));
    assert_eq!(home.contents("d"), numbers(1, 3000));
}

#[test]
fn a_limit_of_processes_is_waited_out_and_nothing_is_lost() {
    let (Some(prlimit), Some(setpriv)) = (peer("prlimit"), peer("setpriv")) else { return };
    if !geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "only root can become a user with a limit");
        eprintln!("skipped: not root");
        return;
    }
    let home = Home::new();
    home.make_dir("d");
    for path in ["", "d"] {
        std::os::unix::fs::chown(home.path(path), Some(user()), Some(user())).expect("its owner");
    }
    // Where it was built may be closed to others.
    let copy = home.path("multilog");
    fs::copy(program(), &copy).expect("a copy");
    let user = format!("--reuid={}", user());
    let text = |path: &Path| path.to_str().expect("a name").to_owned();
    let (copy, setpriv_name, prlimit_name) = (text(&copy), text(&setpriv), text(&prlimit));
    let options = ["--nproc=1:100", &setpriv_name, &user, "--clear-groups", "--"];
    let arguments = [&options[..], &[&copy, "s4096", "n100", "!cat", "./d"]].concat();
    let mut logger = home.start(home.command_of(&prlimit, &arguments));
    logger.write(numbers(1, 3000));
    logger.wait_for_stderr("pausing: temporary failure\n");
    let by_user = [user.as_str(), "--clear-groups", "--", &prlimit_name];
    set_limit(&logger, "--nproc=100:100", &setpriv, &by_user);
    assert_eq!(logger.end().status.code(), Some(0));
    assert_eq!(home.contents("d"), numbers(1, 3000));
}

#[test]
fn a_little_memory_is_enough() {
    let Some(prlimit) = peer("prlimit") else { return };
    let home = Home::new();
    let program = program();
    let script = ["--as=16000000", "--"].map(OsStr::new);
    let behind = ["t", "s4096", "n1000", "!cat", "./d", "+*1*", "e"].map(OsStr::new);
    let arguments = [&script[..], &[program.as_os_str()], &behind].concat();
    // Alerts go where nobody has to read them.
    let long = [vec![b'x'; 200_000], b"\n".to_vec(), numbers(1, 5000)].concat();
    let ended = home.run_of(&prlimit, &arguments, &long);
    assert_eq!(ended.status.code(), Some(0));
    assert!(unstamped(&home.contents("d")) == long, "lines are missing");
}

#[test]
fn ten_thousand_patterns_decide_as_the_last_that_matches() {
    let home = Home::new();
    let pattern = |number: u64| {
        let sign = if number.is_multiple_of(3) { "+" } else { "-" };
        OsString::from(format!("{sign}* user{number} *"))
    };
    let script = [OsString::from("t"), OsString::from("-*")].into_iter();
    let script = script.chain((0..10_000).map(pattern)).chain([OsString::from("./d")]);
    let script: Vec<OsString> = script.collect();
    let line = |number: u64| format!("login user{number} failed\n");
    let other = |number: u64| format!("user{number} logged out\n");
    // The first space is the one behind the stamp.
    let input: String = (9_900..10_100).map(|number| other(number) + &line(number)).collect();
    let expected: String = (9_900..10_000).filter(|number| number % 3 == 0).map(other).collect();
    home.run(&script, input.as_bytes()).check(0, "");
    let logged = unstamped(&home.contents("d"));
    assert_eq!(String::from_utf8_lossy(&logged), expected);
}

#[test]
fn closed_descriptors_get_nothing_of_a_log() {
    for redirections in [">&-", "2>&-", ">&- 2>&-", "<&-", "<&- >&-", "<&- 2>&-", "<&- >&- 2>&-"] {
        let home = Home::new();
        let command = format!("exec {} n5 e -two ./d =status {redirections}", program().display());
        let ended = home.run_of(Path::new("/bin/sh"), &["-c", &command], b"one\ntwo\nthree\n");
        let reads = !redirections.contains('<');
        let expected: &[u8] = if reads { b"one\nthree\n" } else { b"" };
        assert_eq!(home.read("d/current"), expected, "{redirections}: {ended:?}");
        assert_eq!(home.read("d/lock"), b"", "{redirections}");
        assert_eq!(home.read("d/state"), b"", "{redirections}");
        assert_eq!(home.names("d"), ["current", "lock", "state"], "{redirections}");
        let shown = home.read("status");
        let status: &[u8] = if reads { b"three\n" } else { b"" };
        assert!(shown.is_empty() == status.is_empty() && shown.starts_with(status));
    }
}

/// Limits from what 0.76 needs upwards, as softlimit(8) sets them: its option and the values of a sample.
const SOFT_LIMITS: [(&str, &[u64]); 4] = [
    ("-o", &[6, 7, 8, 9, 10, 12]),
    (
        "-a",
        &[
            3_000_000, 3_500_000, 3_700_000, 4_000_000, 4_300_000, 4_500_000, 4_700_000, 5_000_000,
            5_400_000, 5_700_000, 6_000_000, 7_500_000, 8_000_000, 8_500_000, 9_000_000,
            16_000_000,
        ],
    ),
    ("-d", &[150_000, 200_000, 240_000, 250_000, 400_000, 500_000, 600_000, 700_000, 1_000_000]),
    ("-s", &[20_000, 25_000, 30_000, 40_000, 60_000, 100_000, 1_000_000]),
];

/// Scripts that need memory of different kinds, before a directory. A processor needs more than 0.76 itself
/// and inherits the limit; it has a sample of its own.
const LIMITED_SCRIPTS: [&[&str]; 4] =
    [&[], &["t"], &["t", "e", "c", "1"], &["t", "X", "-b(a|c)+b"]];
const PROCESSOR_LIMITS: [(&str, &[u64]); 3] = [
    ("-a", &[3_000_000, 4_000_000, 4_300_000, 4_700_000, 5_500_000]),
    ("-d", &[300_000, 400_000, 600_000, 1_500_000]),
    ("-s", &[30_000, 40_000, 100_000]),
];

/// Search path of a limited logger and its processor.
const PATH: &str = "/usr/bin:/bin";

/// Exit codes of a refusal, by multilog and by the loader before it.
const REFUSALS: [i32; 2] = [111, 127];

/// Values of the sample, and with `MULTILOG_TEST_MATRIX=full` many between them.
fn soft_limits(values: &[u64]) -> Vec<u64> {
    let (first, last) = (values[0], values[values.len() - 1]);
    match crate::random::is_full() {
        false => values.to_vec(),
        true => (first..=last)
            .step_by(usize::try_from((last - first) / 60 + 1).expect("a step"))
            .collect(),
    }
}

/// Descriptors that 0.76 needs for a directory, with a processor or without: 0 to 7.
const OPEN_FILES: [u64; 4] = [8, 9, 10, 12];

#[test]
fn as_few_open_files_are_enough_as_for_the_original() {
    let Some(softlimit) = peer("softlimit") else { return };
    let lines = numbers(1, 20_000);
    for count in OPEN_FILES {
        for processor in [&[][..], &["!cat"][..]] {
            let home = Home::in_memory();
            let (count, program) = (count.to_string(), program());
            let limit = ["-o", &count].map(OsStr::new).into_iter().chain([program.as_os_str()]);
            let settings = ["s4096", "n1000"].iter().chain(processor).chain(&["./d"]);
            let arguments: Vec<_> = limit.chain(settings.map(OsStr::new)).collect();
            let ended = home.run_of(&softlimit, &arguments, &lines);
            assert_eq!(ended.status.code(), Some(0), "{count} {processor:?}: {ended:?}");
            assert!(home.contents("d") == lines, "lines are missing: {count} {processor:?}");
            // A second run finds a directory to recover.
            let ended = home.run_of(&softlimit, &arguments, b"more\n");
            assert_eq!(ended.status.code(), Some(0), "{count} {processor:?}: {ended:?}");
        }
    }
}

/// Whether a program under this limit reaches its first instruction: a limit below the size of the program lets
/// the kernel kill it.
fn can_be_loaded(softlimit: &Path, option: &str, value: &str) -> bool {
    let mut command = Command::new(softlimit);
    command.args([option, value]).arg(program()).arg("--version").env_clear().env("PATH", PATH);
    let ended = command.output().expect("it starts");
    ended.status.code().is_some()
}

/// Under any limit a logger works, or it is refused with a reason before it has read anything. It never ends in
/// another way or later, and never waits for ever.
#[test]
fn a_limit_lets_it_work_or_refuses_it_at_the_start() {
    // The figures are those of our manual; the original has its own.
    if is_original() {
        return;
    }
    let Some(softlimit) = peer("softlimit") else { return };
    for script in LIMITED_SCRIPTS {
        check_limits(&softlimit, script, &SOFT_LIMITS);
    }
    check_limits(&softlimit, &["!cat"], &PROCESSOR_LIMITS);
}

/// Runs a script whose last action is a directory under each of these limits.
fn check_limits(softlimit: &Path, before: &[&str], limits: &[(&str, &[u64])]) {
    let lines = numbers(1, 20_000);
    for &(option, values) in limits {
        for value in soft_limits(values) {
            let home = Home::in_memory();
            fs::write(home.path("input"), &lines).expect("an input");
            let input = fs::File::open(home.path("input")).expect("an input");
            let program = program();
            let value = value.to_string();
            let arguments = [option, &value].map(OsStr::new).into_iter();
            let log = ["s4096", "n1000", "./d"];
            let script = before.iter().chain(&log).map(OsStr::new);
            let arguments: Vec<_> = arguments.chain([program.as_os_str()]).chain(script).collect();
            let mut command = home.command_of(softlimit, &arguments);
            command.stdin(input.try_clone().expect("a copy"));
            // The environment takes stack.
            command.env_clear().env("PATH", PATH);
            let ended = home.start(command).wait();
            let about = format!("{before:?} {option} {value}: {:?}", ended.status);
            let read = (&input).stream_position().expect("a position");
            if ended.status.code() == Some(0) {
                let logged = home.contents("d");
                let is_stamped = before.first() == Some(&"t");
                let logged = if is_stamped { unstamped(&logged) } else { logged };
                assert!(logged == lines, "lines are missing: {about}");
            } else {
                assert_eq!(read, 0, "it read and gave up: {about}");
                if !can_be_loaded(softlimit, option, &value) {
                    continue;
                }
                let is_refused = ended.status.code().is_some_and(|code| REFUSALS.contains(&code));
                assert!(is_refused && !ended.stderr.is_empty(), "no reason: {about}");
            }
        }
    }
}
