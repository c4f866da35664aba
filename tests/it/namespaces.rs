//! `logdir status` and `check` in another PID namespace than the logger, and without `/proc`: a writer
//! that cannot be seen is never called crashed or clean.

use crate::filters::{Ended, command, run};
use crate::peers::peer;
use crate::show::LOGDIR;
use crate::support::{Home, Logger, is_original, program, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// Options of `unshare` for a PID namespace with its own `/proc`.
const OWN_PROC: &[&str] = &["--pid", "--fork", "--mount-proc"];
const AS_NOBODY: &str = "setpriv --reuid 65534 --regid 65534 --clear-groups";
const NO_PROC: &str = "mount -t tmpfs none /proc && exec";

/// `unshare` with options, if this user may use it and the logger has a lock that can be tested: 0.76
/// takes only flock(2).
fn unshare(options: &[&str]) -> Option<Command> {
    let program = peer("unshare")?;
    let is_permitted = |mut tried: Command| tried.status().is_ok_and(|status| status.success());
    let mut tried = command(&program);
    tried.args(options).arg("true");
    if is_original() || !is_permitted(tried) {
        assert!(is_original() || std::env::var_os("CI").is_none(), "unshare is not permitted");
        eprintln!("skipped: unshare is not permitted here, or the original is tested");
        return None;
    }
    let mut unshare = command(program);
    unshare.args(options);
    Some(unshare)
}

/// Runs `before logdir arguments` by a shell in new namespaces.
fn logdir(home: &Home, options: &[&str], before: &str, arguments: &[&str]) -> Option<Ended> {
    let mut unshare = unshare(options)?;
    let script = format!("{before} \"$0\" \"$@\"");
    unshare.args(["/bin/sh", "-c", &script, LOGDIR]).args(arguments);
    unshare.current_dir(home.path(""));
    Some(run(unshare, b""))
}

/// A log directory that every user may read, and its logger.
fn logger(home: &Home) -> Logger {
    home.make_dir("main");
    for dir in ["", "main"] {
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(home.path(dir), mode).expect("mode");
    }
    let mut logger = home.spawn(&["t", "./main"]);
    logger.write(b"one\n");
    wait_until("the line", || !home.contents("main").is_empty());
    logger
}

fn kill(logger: Logger) {
    logger.signal(Signal::SIGKILL);
    assert_eq!(logger.wait().signal(), Some(9));
}

#[track_caller]
fn check(ended: &Ended, writer: &str, code: i32, told: &str) {
    let object: Value = serde_json::from_slice(&ended.stdout).expect("an object");
    assert_eq!(object["writer"], writer, "{object} {}", ended.stderr);
    assert_eq!(ended.status.code(), Some(code), "{}", ended.stderr);
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
}

#[test]
fn a_writer_outside_of_the_readers_namespace_is_told_by_its_lock() {
    let home = Home::new();
    let logger = logger(&home);
    let status = || logdir(&home, OWN_PROC, "exec", &["status", "--json", "main"]);
    let Some(running) = status() else { return };
    check(&running, "running", 0, "");
    let object: Value = serde_json::from_slice(&running.stdout).expect("an object");
    assert!(object["pid"].is_null(), "it has no number here: {object}");
    assert!(object["program"].as_str().is_some_and(|text| text.starts_with("multilog ")));
    kill(logger);
    check(&status().expect("as before"), "crashed", 2, "does not run");
}

#[test]
fn a_writer_in_a_namespace_is_seen_from_outside() {
    let Some(mut inside) = unshare(&["--pid", "--fork", "--kill-child"]) else { return };
    let home = Home::new();
    inside.arg(program()).args(["t", "./main"]).current_dir(home.path(""));
    let mut running = inside.spawn().expect("it starts");
    let status = || {
        let mut outside = command(LOGDIR);
        outside.args(["status", "--json", "main"]).current_dir(home.path(""));
        run(outside, b"")
    };
    wait_until("the logger", || status().stdout.starts_with(b"{"));
    wait_until("its lock", || String::from_utf8_lossy(&status().stdout).contains("running"));
    let ended = status();
    check(&ended, "running", 0, "");
    let object: Value = serde_json::from_slice(&ended.stdout).expect("an object");
    assert!(object["pid"].as_i64().is_some_and(|pid| pid > 1), "its number here: {object}");
    running.kill().expect("unshare ends");
    running.wait().expect("it has ended");
    wait_until("the end", || String::from_utf8_lossy(&status().stdout).contains("crashed"));
}

#[test]
fn s6_log_outside_of_the_readers_namespace_is_told_by_its_lock() {
    let Some(s6_log) = peer("s6-log") else { return };
    let home = Home::new();
    home.make_dir("main");
    let mut logger = command(s6_log);
    logger.args(["t", "./main"]).current_dir(home.path(""));
    let mut logger = logger.spawn().expect("it starts");
    logger.stdin.as_mut().expect("a pipe").write_all(b"one\n").expect("read");
    wait_until("the line", || {
        home.path("main/current").exists() && !home.read("main/current").is_empty()
    });
    let status = || logdir(&home, OWN_PROC, "exec", &["status", "--json", "main"]);
    if let Some(running) = status() {
        check(&running, "running", 0, "");
    }
    logger.kill().expect("it ends");
    logger.wait().expect("it has ended");
    if let Some(ended) = status() {
        check(&ended, "crashed", 2, "does not run");
    }
}

#[test]
fn without_proc_a_lock_that_cannot_be_seen_is_unknown() {
    let home = Home::new();
    let logger = logger(&home);
    let status = || logdir(&home, &["--mount"], NO_PROC, &["status", "--json", "main"]);
    let Some(running) = status() else { return };
    check(&running, "running", 0, "");
    // A user who may not open the lock.
    let hidden = format!("mount -t tmpfs none /proc && exec {AS_NOBODY}");
    let status_of_nobody = logdir(&home, &["--mount"], &hidden, &["status", "--json", "main"]);
    check(&status_of_nobody.expect("as before"), "unknown", 2, "/proc is not mounted\n");
    kill(logger);
    // A writer that takes only flock(2) could run.
    let told = "unable to find out if the writer of main runs: /proc is not mounted\n";
    check(&status().expect("as before"), "unknown", 2, told);
    let ask = |arguments: &[&str]| logdir(&home, &["--mount"], NO_PROC, arguments);
    let table = ask(&["status", "main"]).expect("as before");
    assert!(String::from_utf8_lossy(&table.stdout).contains(" unknown "));
    let sound = ask(&["check", "main"]).expect("as before");
    assert_eq!(sound.status.code(), Some(2), "{}", sound.stderr);
    let text = String::from_utf8(sound.stdout).expect("text");
    assert!(text.ends_with(": nothing found in what could be read, 1 lines\n"), "{text}");
    assert!(sound.stderr.ends_with(told), "{}", sound.stderr);
    home.run(&["t", "./main"], b"").check(0, "");
    check(&status().expect("as before"), "clean", 0, "");
}
