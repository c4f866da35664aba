//! How little a logger may have: open files, processes, memory, standard descriptors. And how much it
//! may be asked: patterns.

use crate::peers::peer;
use crate::support::{Home, Logger, numbers, program, wait_until};
use nix::unistd::geteuid;
use std::ffi::{OsStr, OsString};
use std::fs;
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
    assert!(crate::support::unstamped(&home.contents("d")) == long, "lines are missing");
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
    let logged = crate::support::unstamped(&home.contents("d"));
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
