//! What happens around a logger: limits, a file system that changes its mind, somebody who removes or
//! links its files, clocks, and how little it may do itself.

use crate::peers::peer;
use crate::support::{Home, Logger, differs, numbers, program, wait_until};
use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Nobody, as Debian has it, and a group that nobody is in.
const NOBODY: u32 = 65_534;
const LOG_GROUP: u32 = 12_345;

fn run(command: &mut Command) {
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{command:?}: {output:?}");
}

/// The multilog under test, started by another program that ends its arguments with it.
fn start_by(home: &Home, starter: &Path, options: &[&str], script: &[&str]) -> Logger {
    let program = program();
    let arguments = options.iter().chain(script).map(OsStr::new);
    let (before, behind): (Vec<&OsStr>, Vec<&OsStr>) =
        (arguments.clone().take(options.len()).collect(), arguments.skip(options.len()).collect());
    home.start(home.command_of(starter, &[&before[..], &[program.as_os_str()], &behind].concat()))
}

#[test]
fn a_file_size_limit_is_waited_out_and_nothing_is_lost() {
    differs("a_file_size_limit_is_waited_out_and_nothing_is_lost", || {
        let (home, prlimit) = (Home::new(), peer("prlimit").expect("prlimit"));
        let mut logger = start_by(&home, &prlimit, &["--fsize=4096:unlimited"], &["r50", "./d"]);
        logger.write(numbers(1, 3000));
        let warning = "multilog: warning: unable to write to ./d/current, pausing: file too big\n";
        wait_until("the limit", || logger.stderr().contains(warning));
        let pid = logger.pid().to_string();
        run(Command::new(&prlimit).args(["--pid", &pid, "--fsize=unlimited"]));
        assert_eq!(logger.end().status.code(), Some(0));
        assert_eq!(home.contents("d"), numbers(1, 3000));
    });
}

/// Two calls in a row of each kind that changes the directory answer that it is read-only, from one on.
/// What files that are open for writing keep mount(8) from doing, a disk with errors does.
fn check_read_only(strace: &Path, first: usize) {
    let calls = "?write,?rename,renameat,?link,linkat,?unlink,unlinkat,?chmod,?fchmod";
    let home = Home::new();
    let inject = format!("inject={calls}:error=EROFS:when={first}..{}", first + 1);
    // Only what is done to the directory, and not the warnings about it.
    let paths = ["", "/current", "/previous"].map(|name| home.path(format!("d{name}")));
    let [dir, current, previous] = paths.each_ref().map(|path| path.to_str().expect("a name"));
    let options = ["-f", "-qq", "-o", "trace", "-e", &inject, "-P", dir, "-P", current, "-P"];
    let options = [&options[..], &[previous]].concat();
    let logger = start_by(&home, strace, &options, &["r50", "s4096", "./d"]);
    let ended = logger.feed_and_end(&numbers(1, 2000));
    let stderr = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(stderr.contains("pausing: read-only file system"), "{stderr}");
    assert_eq!(ended.status.code(), Some(0), "{stderr}");
    assert!(home.contents("d") == numbers(1, 2000), "lines are missing");
}

#[test]
fn a_read_only_file_system_is_waited_out_and_nothing_is_lost() {
    let Some(strace) = &peer("strace") else { return };
    // Those of the start, which come before, would be fatal.
    thread::scope(|scope| {
        for first in 3..=5 {
            scope.spawn(move || check_read_only(strace, first));
        }
    });
}

#[test]
fn a_removed_directory_stops_neither_the_others_nor_the_end() {
    differs("a_removed_directory_stops_neither_the_others_nor_the_end", || {
        let home = Home::new();
        let mut logger = home.spawn(&["s4096", "n100", "./d", "./other"]);
        logger.write(b"first\n");
        wait_until("the first line", || home.read("other/current") == b"first\n");
        fs::remove_dir_all(home.path("d")).expect("it is there");
        logger.write(numbers(1, 3000));
        wait_until("the other directory", || home.contents("other").ends_with(b"\n3000\n"));
        // Until then its last archive has two names.
        wait_until("its last archive", || !home.path("other/previous").exists());
        let told = "unable to create ./d/current, pausing: file does not exist\n";
        assert!(logger.stderr().contains(told), "{}", logger.stderr());
        wait_until("the end", || {
            if logger.is_running() {
                logger.signal(Signal::SIGTERM);
            }
            !logger.is_running()
        });
        let stderr = logger.stderr();
        assert!(stderr.contains("multilog: warning: giving up on ./d: "), "{stderr}");
        assert_eq!(logger.wait().status.code(), Some(111));
        assert!(home.contents("other") == [&b"first\n"[..], &numbers(1, 3000)].concat());
    });
}

#[test]
fn a_logger_that_is_stopped_and_continued_loses_nothing() {
    let home = Home::in_memory();
    let mut logger = home.spawn(&["s4096", "n10000", "./d"]);
    let mut stdin = logger.take_stdin();
    for round in 0..10 {
        // Wherever it is with these, it stops there; the others wait in the pipe meanwhile.
        let first = 2000 * round + 1;
        stdin.write_all(&numbers(first, first + 999)).expect("it reads");
        logger.signal(Signal::SIGSTOP);
        let is_stopped = || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", logger.pid()));
            stat.unwrap_or_default().rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
        };
        wait_until("the stop", is_stopped);
        // A pipe may have less room than these need.
        thread::scope(|scope| {
            let others = numbers(first + 1000, first + 1999);
            let stdin = &mut stdin;
            let feeder = scope.spawn(move || stdin.write_all(&others));
            logger.signal(Signal::SIGCONT);
            feeder.join().expect("the feeder ends").expect("it reads");
        });
    }
    drop(stdin);
    assert_eq!(logger.end().status.code(), Some(0));
    assert!(home.contents("d") == numbers(1, 20_000), "lines are missing");
}

#[test]
fn a_backup_that_links_files_all_the_time_loses_nothing() {
    differs("a_backup_that_links_files_all_the_time_loses_nothing", || {
        let home = Home::in_memory();
        home.make_dir("backup");
        let is_over = AtomicBool::new(false);
        let back_up = || {
            let mut count = 0;
            while !is_over.load(Ordering::Relaxed) {
                for name in ["current", "previous"] {
                    let link = home.path(format!("backup/{name}{count}"));
                    if fs::hard_link(home.path("d").join(name), link).is_ok() {
                        count += 1;
                    }
                }
            }
            count
        };
        let linked = thread::scope(|scope| {
            let backup = scope.spawn(back_up);
            let ended = home.spawn(&["s4096", "n10000", "./d"]).feed_and_end(&numbers(1, 30_000));
            is_over.store(true, Ordering::Relaxed);
            assert_eq!(ended.status.code(), Some(0));
            backup.join().expect("it ends")
        });
        assert!(linked > 10, "only {linked} links were made");
        assert!(home.contents("d") == numbers(1, 30_000), "lines are missing");
    });
}

/// Debian keeps the library that changes clocks in a directory of the machine's name.
fn library_of_faketime() -> PathBuf {
    let found = glob::glob("/usr/lib/*/faketime/libfaketimeMT.so.1").expect("a good pattern");
    found.flatten().next().expect("libfaketime is installed with faketime")
}

#[test]
fn a_clock_that_steps_back_costs_no_line() {
    if peer("faketime").is_none() {
        return;
    }
    differs("a_clock_that_steps_back_costs_no_line", || {
        let home = Home::new();
        let mut command = home.command(&["t", "n3", "./d"]);
        command.env("LD_PRELOAD", library_of_faketime()).env("FAKETIME_NO_CACHE", "1");
        command.env("FAKETIME_TIMESTAMP_FILE", home.path("clock"));
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        home.write("clock", "+0", 0o644);
        let mut logger = home.start(command);
        for (line, clock) in [("a\n", "-1d"), ("b\n", "-2d"), ("c\n", "-3d"), ("d\n", "-4d")] {
            logger.write(line);
            let is_there = || home.read("d/current").ends_with(line.as_bytes());
            wait_until("the line", is_there);
            home.write("clock", clock, 0o644);
            logger.signal_and_wait(Signal::SIGALRM);
            logger.write("-\n");
            let newest = || home.archives("d").pop().unwrap_or_default();
            let has_line = || home.read(Path::new("d").join(newest())).ends_with(line.as_bytes());
            wait_until("the archive, as the newest", has_line);
        }
        assert_eq!(logger.end().status.code(), Some(0));
        let kept = crate::support::unstamped(&home.contents("d"));
        assert_eq!(kept, b"-\nc\n-\nd\n-\n", "the oldest were removed, and no others");
    });
}

/// A directory that belongs to the one who logs.
fn make_dir_of_logger(home: &Home, name: &str, mode: u32) {
    home.make_dir(name);
    if geteuid().is_root() {
        chown(home.path(name), Some(NOBODY), Some(LOG_GROUP)).expect("its owner");
    }
    fs::set_permissions(home.path(name), Permissions::from_mode(mode)).expect("its mode");
}

/// It may be read and written, but its files may not be reached.
#[test]
fn a_directory_that_may_not_be_searched_cannot_be_opened() {
    let Some(setpriv) = peer("setpriv") else { return };
    let home = Home::new();
    fs::set_permissions(home.path(""), Permissions::from_mode(0o755)).expect("its mode");
    make_dir_of_logger(&home, "d", 0o600);
    let copy = home.path("multilog");
    fs::copy(program(), &copy).expect("a copy");
    let nobody: &[&str] = match geteuid().is_root() {
        true => &["--reuid=65534", "--regid=65534", "--clear-groups"],
        false => &[],
    };
    let options = [nobody, &["--no-new-privs", copy.to_str().expect("a name"), "./d"]].concat();
    let message = "multilog: fatal: unable to open directory ./d: access denied\n";
    home.run_of(&setpriv, &options, b"a\n").check(111, message);
}

#[test]
fn an_unprivileged_user_logs_into_directories_of_their_own() {
    let Some(setpriv) = peer("setpriv") else { return };
    let home = Home::new();
    fs::set_permissions(home.path(""), Permissions::from_mode(0o755)).expect("its mode");
    make_dir_of_logger(&home, "private", 0o700);
    make_dir_of_logger(&home, "shared", 0o2750);
    // Where it was built may be closed to others.
    let copy = home.path("multilog");
    fs::copy(program(), &copy).expect("a copy");
    let nobody: &[&str] = match geteuid().is_root() {
        true => &["--reuid=65534", "--regid=65534", "--clear-groups"],
        false => &[],
    };
    let copy = copy.to_str().expect("a name");
    let script = ["s4096", "n100", "!cat", "./private", "./shared"];
    let options = [nobody, &["--no-new-privs", copy], &script].concat();
    let mut logger = home.start(home.command_of(&setpriv, &options));
    logger.write(numbers(1, 3000));
    wait_until("the last line", || home.contents("shared").ends_with(b"\n3000\n"));
    let status = fs::read_to_string(format!("/proc/{}/status", logger.pid())).expect("it runs");
    assert!(status.contains("\nNoNewPrivs:\t1\n"), "{status}");
    logger.end().check(0, "");
    for (dir, mode) in [("private", 0o700), ("shared", 0o2750)] {
        assert_eq!(home.contents(dir), numbers(1, 3000));
        assert_eq!(home.mode(dir), mode);
        assert!(home.archives(dir).len() > 2);
        assert_eq!(home.mode(Path::new(dir).join(&home.archives(dir)[0])), 0o744);
        assert_eq!(home.mode(Path::new(dir).join("current")), 0o744);
    }
    // The group of such a directory is that of what is in it.
    let group = |path: &str| fs::metadata(home.path(path)).expect("a file").gid();
    assert_eq!(group("shared/current"), group("shared"));
}

#[test]
fn once_open_it_needs_nothing_but_its_directories() {
    let (Some(unshare), Some(nsenter)) = (peer("unshare"), peer("nsenter")) else { return };
    if !geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "only root can take everything away");
        eprintln!("skipped: not root");
        return;
    }
    let home = Home::new();
    let mut logger = start_by(&home, &unshare, &["-m"], &["=status", "s4096", "n100", "./d"]);
    wait_until("the start", || home.path("d/current").exists());
    // Nothing of this reaches the namespace of the test. What makes it so goes last.
    let bury = "for dir in /*; do \
                  test -L $dir || test ! -d $dir || test $dir = /usr || mount -t tmpfs none $dir || \
                  exit 1; \
                done; mount -t tmpfs none /usr; test ! -e /usr/bin && test ! -e /etc/passwd";
    let pid = logger.pid().to_string();
    run(Command::new(nsenter).args(["-t", &pid, "-m", "/bin/sh", "-c", bury]));
    logger.write(numbers(1, 3000));
    wait_until("the lines", || home.contents("d").ends_with(b"\n3000\n"));
    logger.signal_and_wait(Signal::SIGALRM);
    logger.write("last\n");
    wait_until("the last line", || home.read("d/current") == b"last\n");
    logger.signal(Signal::SIGTERM);
    logger.wait().check(0, "");
    assert_eq!(home.contents("d"), [&numbers(1, 3000)[..], b"last\n"].concat());
    assert!(home.read("status").starts_with(b"last\n"));
}
