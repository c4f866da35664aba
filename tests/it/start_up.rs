//! Command line and start-up (behaviour 1 and 2).

use crate::peers::peer;
use crate::support::{Home, differs, is_original, numbers, program, unstamped, wait_until};
use crate::trouble::SmallDisk;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Stdio;

#[test]
fn without_an_action_input_is_read_and_thrown_away() {
    let home = Home::new();
    let ended = home.run(&[] as &[&str], b"a\nb\n");
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(fs::read_dir(home.path("")).expect("a directory").count(), 1, "only stderr");
}

#[test]
fn the_first_byte_tells_the_action() {
    let home = Home::new();
    let ended = home.run(&["two", "e ", "-@*", "e", ".hidden"], b"a\n");
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(unstamped(&ended.stderr), b"a\n");
    assert_eq!(ended.stderr.len(), 28, "stamped");
    assert_eq!(home.read(".hidden/current"), b"");
}

#[test]
fn an_unknown_action_is_ignored() {
    let home = Home::new();
    let ended = home.run(&["main", "T", "", "e", "t"], b"a\n");
    assert_eq!(ended.status.code(), Some(0));
    assert!(!home.path("main").exists());
    assert!(ended.stderr.ends_with(b"a\n"), "unstamped");
}

#[test]
fn an_unknown_action_is_named_in_a_warning() {
    differs("an_unknown_action_is_named_in_a_warning", || {
        let home = Home::new();
        let warning = "multilog: warning: ignoring unknown action main: \
                       a log directory starts with . or /, did you mean ./main?\n";
        home.run(&["main", "e"], b"").check(0, warning);
    });
}

#[test]
fn an_argument_that_may_mean_something_else_is_named() {
    differs("an_argument_that_may_mean_something_else_is_named", || {
        for (script, warnings) in [
            (
                &["smtpd"][..],
                "multilog: warning: smtpd is read as s0; a directory starts with . or /, did you mean \
                 ./smtpd?\nmultilog: warning: no action takes the lines: there is no directory, no =, \
                 no e and no 1\n",
            ),
            (
                &["s10M", "./d"],
                "multilog: warning: s10M is 10 bytes, hence 4096; did you mean s10m?\n",
            ),
            (
                &["errors"],
                "multilog: warning: errors is read as e; a directory starts with . or /, did you mean \
                 ./errors?\na\n",
            ),
            (&["-*"], ""),
            (&["s100", "n1", "./d"], ""),
        ] {
            Home::new().run(script, b"a\n").check(0, warnings);
        }
    });
}

#[test]
fn letters_that_0_76_ignores_are_actions() {
    differs("letters_that_0_76_ignores_are_actions", || {
        let home = Home::new();
        home.run(&["Tutc", "./d"], b"a\n").check(0, "");
        assert!(home.read("d/current").ends_with(b"Z a\n"));
    });
}

#[test]
fn a_size_too_large_to_count_is_the_largest() {
    differs("a_size_too_large_to_count_is_the_largest", || {
        let home = Home::new();
        home.run(&["s18446744073709551621", "./d"], &numbers(1, 3000)).check(0, "");
        assert_eq!(home.archives("d").len(), 0);
    });
}

#[test]
fn a_size_above_16_megabytes_is_kept() {
    differs("a_size_above_16_megabytes_is_kept", || {
        let home = Home::new();
        let line = [vec![b'x'; 9999], vec![b'\n']].concat();
        home.run(&["s20000000", "./d"], &line.repeat(1900)).check(0, "");
        assert_eq!(home.archives("d").len(), 0);
    });
}

#[test]
fn help_and_version_are_the_first_argument_only() {
    differs("help_and_version_are_the_first_argument_only", || {
        let home = Home::new();
        for (option, start) in [("--help", "usage: multilog"), ("--version", "multilog ")] {
            let output =
                home.command(&[option]).stdin(Stdio::null()).stdout(Stdio::piped()).output();
            let output = output.expect("multilog runs");
            assert!(output.status.success());
            assert!(String::from_utf8_lossy(&output.stdout).starts_with(start));
        }
    });
    let home = Home::new();
    home.run(&["e", "--help", "e"], b"-help\n").check(0, "-help\n");
}

#[test]
fn directories_and_files_get_their_modes_whatever_the_umask() {
    let home = Home::new();
    // The umask of the test process is not touched: other tests run beside this one.
    let script = format!("umask 0; exec {} ./d =s </dev/null", program().display());
    let mut command = home.command_of("/bin/sh".as_ref(), &["-c", &script]);
    assert!(command.status().expect("sh").success());
    assert_eq!((home.mode("d"), home.mode("s")), (0o700, 0o600));
    assert_eq!(
        home.entries("d"),
        [("current".into(), 0o744), ("lock".into(), 0o600), ("state".into(), 0o644)]
    );
}

#[test]
fn a_missing_parent_is_named_and_input_is_left_alone() {
    let home = Home::new();
    home.write("input", b"a\nb\n", 0o644);
    let script = format!("{} ./no/d; cat", program().display());
    let mut command = home.command_of("/bin/sh".as_ref(), &["-c", &script]);
    command.stdin(fs::File::open(home.path("input")).expect("input")).stdout(Stdio::piped());
    let output = command.output().expect("sh");
    assert_eq!(output.stdout, b"a\nb\n");
    assert!(home.read("stderr").starts_with(b"multilog: fatal: unable to open directory ./no/d: "));
}

#[test]
fn the_part_of_a_path_that_is_missing_is_named() {
    differs("the_part_of_a_path_that_is_missing_is_named", || {
        let home = Home::new();
        home.make_dir("is");
        for (dir, part) in [
            ("./no/d", "./no"),
            ("./is/no/b/c//", "./is/no"),
            ("./is/../no/./x/d", "./is/../no"),
            ("/no-such/d", "/no-such"),
        ] {
            let fatal = format!("unable to open directory {dir}: {part} is missing\n");
            home.run(&[dir], b"").check(111, &format!("multilog: fatal: {fatal}"));
        }
        std::os::unix::fs::symlink("nowhere", home.path("link")).expect("a link");
        let fatal = "multilog: fatal: unable to open directory ./link: file does not exist\n";
        home.run(&["./link"], b"").check(111, fatal);
    });
}

#[test]
fn a_directory_that_cannot_be_created_is_named_with_the_reason() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: needs root to become another user");
        return;
    }
    differs("a_directory_that_cannot_be_created_is_named_with_the_reason", || {
        let home = Home::new();
        fs::set_permissions(home.path(""), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .expect("mode");
        for (script, refused) in [(&["./d"][..], "./d"), (&["m", "./a/b/d"], "./a")] {
            let mut command = home.command(script);
            command.uid(65534).gid(65534);
            let fatal = format!("multilog: fatal: unable to create {refused}: access denied\n");
            home.start(command).feed_and_end(b"a\n").check(111, &fatal);
        }
    });
}

#[test]
fn missing_parents_are_created_on_request() {
    differs("missing_parents_are_created_on_request", || {
        let home = Home::new();
        home.make_dir("is");
        home.run(&["m", "./is/a/b/d", "./is/a/c"], b"x\n").check(0, "");
        assert_eq!(home.read("is/a/b/d/current"), b"x\n");
        assert_eq!(home.read("is/a/c/current"), b"x\n");
        assert_eq!((home.mode("is/a"), home.mode("is/a/b")), (0o755, 0o755));
        assert_eq!((home.mode("is/a/b/d"), home.mode("is/a/c")), (0o700, 0o700));
        // A directory before the action has to have its parent.
        let fatal = "multilog: fatal: unable to open directory ./no/d: ./no is missing\n";
        home.run(&["./no/d", "m", "./more/d"], b"").check(111, fatal);
        assert!(!home.path("more").exists());
    });
}

#[test]
fn a_file_in_place_of_a_directory_is_named() {
    let home = Home::new();
    home.write("d", b"", 0o644);
    let ended = home.run(&["./d"], b"a\n");
    ended.check_fatal("multilog: fatal: unable to open directory ./d: ");
    assert!(home.run(&["./d"], b"").stderr.ends_with(b": not a directory\n"));
}

#[test]
fn a_directory_that_is_not_ours_to_write_is_named() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: needs root to become another user");
        return;
    }
    let home = Home::new();
    fs::set_permissions(home.path(""), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("mode");
    home.make_dir("d");
    let mut command = home.command(&["./d"]);
    command.uid(65534).gid(65534);
    let ended = home.start(command).feed_and_end(b"a\n");
    ended.check(111, "multilog: fatal: unable to lock directory ./d: access denied\n");
}

#[test]
fn a_status_file_in_a_missing_directory_is_named_before_any_directory_is_made() {
    let home = Home::new();
    let ended = home.run(&["=log/status", "./log"], b"a\n");
    ended.check(111, "multilog: fatal: unable to create log/status: file does not exist\n");
    assert!(!home.path("log").exists());
}

#[test]
fn a_locked_directory_is_refused() {
    let home = Home::new();
    let mut first = home.spawn(&["./d"]);
    first.write(b"a\n");
    wait_until("the first", || home.read("d/current") == b"a\n");
    let other = Home::new();
    let dir = home.path("d");
    let ended = other.run(&[dir.as_os_str()], b"b\n");
    ended.check_fatal(&format!("multilog: fatal: unable to lock directory {}: ", dir.display()));
    first.write(b"c\n");
    first.end().check(0, "");
    assert_eq!(home.read("d/current"), b"a\nc\n");
}

#[test]
fn the_holder_of_the_lock_is_named() {
    differs("the_holder_of_the_lock_is_named", || {
        let home = Home::new();
        let mut first = home.spawn(&["./d"]);
        first.write(b"a\n");
        wait_until("the first", || home.read("d/current") == b"a\n");
        let dir = home.path("d");
        let ended = Home::new().run(&[dir.as_os_str()], b"");
        let reason = format!("already in use by process {} (multilog)\n", first.pid());
        assert!(String::from_utf8_lossy(&ended.stderr).ends_with(&reason));
    });
}

#[test]
fn a_directory_in_use_by_s6_log_is_refused() {
    let Some(s6_log) = peer("s6-log") else { return };
    differs("a_directory_in_use_by_s6_log_is_refused", || {
        let home = Home::new();
        let mut s6 = home.start(home.command_of(&s6_log, &["./d"]));
        s6.write(b"a\n");
        wait_until("s6-log", || home.read("d/current") == b"a\n");
        let ended = home.run(&["./d"], b"b\n");
        let reason = format!("already in use by process {} (s6-log)\n", s6.pid());
        ended.check(111, &format!("multilog: fatal: unable to lock directory ./d: {reason}"));
        assert_eq!(home.read("d/current"), b"a\n");
    });
}

#[test]
fn s6_log_is_kept_out_of_our_directory() {
    let Some(s6_log) = peer("s6-log") else { return };
    differs("s6_log_is_kept_out_of_our_directory", || {
        let home = Home::new();
        let mut ours = home.spawn(&["./d"]);
        ours.write(b"a\n");
        wait_until("the first", || home.read("d/current") == b"a\n");
        let ended = Home::new().run_of(&s6_log, &[home.path("d").as_os_str()], b"b\n");
        assert_eq!(ended.status.code(), Some(111));
        assert_eq!(home.read("d/current"), b"a\n");
    });
}

#[test]
fn one_directory_twice_is_refused() {
    let home = Home::new();
    let ended = home.run(&["./d", ".//d"], b"a\n");
    ended.check_fatal("multilog: fatal: unable to lock directory .//d: ");
}

#[test]
fn directories_opened_before_a_failure_are_left_clean() {
    differs("directories_opened_before_a_failure_are_left_clean", || {
        let home = Home::new();
        home.run(&["./d"], b"a\n").check(0, "");
        home.run(&["./d", "./no/e"], b"b\n")
            .check_fatal("multilog: fatal: unable to open directory");
        home.run(&["./d"], b"c\n").check(0, "");
        assert_eq!(home.read("d/current"), b"a\nc\n");
    });
}

#[test]
fn a_working_directory_that_cannot_be_opened_is_fatal() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: needs root to become another user");
        return;
    }
    let home = Home::new();
    fs::set_permissions(home.path(""), std::os::unix::fs::PermissionsExt::from_mode(0o311))
        .expect("mode");
    let mut command = home.command(&["e"]);
    command.uid(65534).gid(65534);
    let ended = home.start(command).feed_and_end(b"a\n");
    ended.check(111, "multilog: fatal: unable to switch to current directory: access denied\n");
}

#[test]
fn descriptors_are_closed_on_exec_and_the_lock_is_an_flock() {
    let home = Home::new();
    let mut logger = home.spawn(&["./d", "=s"]);
    logger.write(b"a\n");
    wait_until("the line", || home.read("d/current") == b"a\n");
    let fds = PathBuf::from(format!("/proc/{}/fd", logger.pid()));
    let root = home.path("").canonicalize().expect("a directory");
    for entry in fs::read_dir(&fds).expect("proc") {
        let number = entry.expect("a descriptor").file_name();
        let target = fs::read_link(fds.join(&number)).expect("a descriptor");
        let is_standard = ["0", "1", "2"].iter().any(|standard| number == *standard);
        if !is_standard && (target.starts_with(&root) || target.starts_with("anon_inode:")) {
            let info = fs::read_to_string(fds.join("../fdinfo").join(number)).expect("proc");
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).expect("flags");
            let flags = i32::from_str_radix(flags.trim(), 8).expect("octal");
            assert!(flags & libc::O_CLOEXEC != 0, "{}", target.display());
        }
    }
    let lock = fs::File::open(home.path("d/lock")).expect("lock");
    let taken = nix::fcntl::Flock::lock(lock, nix::fcntl::FlockArg::LockExclusiveNonblock);
    assert!(taken.is_err());
    logger.end().check(0, "");
}

#[test]
fn the_holder_on_another_file_system_is_not_named() {
    let homes = [Home::new(), Home::new()];
    let disks = homes.each_ref().map(SmallDisk::mount);
    if disks.iter().any(Option::is_none) {
        return;
    }
    // Both directories are new on a new file system, and have the same inodes.
    let mut loggers = homes.each_ref().map(|home| home.spawn(&["./disk/d"]));
    for (logger, home) in loggers.iter_mut().zip(&homes) {
        logger.write(b"a\n");
        wait_until("a line", || home.read("disk/d/current") == b"a\n");
    }
    let inode = |home: &Home| std::fs::metadata(home.path("disk/d/lock")).expect("a lock").ino();
    assert_eq!(inode(&homes[0]), inode(&homes[1]));
    for (logger, home) in loggers.iter().zip(&homes) {
        let dir = home.path("disk/d");
        let ended = Home::new().run(&[dir.as_os_str()], b"");
        let reason = format!("already in use by process {} (multilog)\n", logger.pid());
        let stderr = String::from_utf8_lossy(&ended.stderr);
        assert!(is_original() || stderr.ends_with(&reason), "{stderr}");
    }
    drop(loggers);
}

/// No destructor may fail: closing the descriptor unlocks.
#[test]
fn a_lock_that_cannot_be_given_up_ends_nothing() {
    differs("a_lock_that_cannot_be_given_up_ends_nothing", || {
        let Some(strace) = peer("strace") else { return };
        for when in
            ["flock:error=ENOLCK:when=2", "flock:error=EINTR:when=1", "flock:error=EINTR:when=2"]
        {
            let home = Home::new();
            let program = program();
            let inject = format!("inject={when}");
            let options = ["-f", "-qq", "-o", "trace", "-e", &inject].map(OsStr::new);
            let arguments = [&options[..], &[program.as_os_str(), OsStr::new("./d")]].concat();
            let ended = home.run_of(&strace, &arguments, b"a\n");
            assert_eq!((ended.status.code(), ended.signal()), (Some(0), None), "{when}: {ended:?}");
            assert_eq!(home.read("d/current"), b"a\n");
        }
    });
}
