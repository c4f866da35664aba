//! The program's own life: signals, kills, the lock, exit codes, several receivers.

use super::relp_server::{Behaviour, RelpServer};
use super::{Ship, check_numbers, command, log, log_text, param, wait_for_count};
use crate::support::{Home, wait_until};
use nix::sys::signal::Signal;
use std::net::TcpListener;

/// Lines logged while logship is killed.
const COUNT: u64 = 6000;

#[test]
fn kills_lose_nothing_and_double_a_window_and_a_checkpoint_at_most() {
    let home = Home::new();
    let server = RelpServer::start(&[Behaviour::Good]);
    let mut logger = home.spawn(&["t", "s20000", "n1000", "./log"]);
    wait_until("the log directory", || home.path("log/current").exists());
    let mut doubled_max = 0;
    let mut first = 1;
    for round in 1..=8 {
        let last = COUNT * round / 8;
        let ship = Ship::start(&home, &[&server.url(), "./log"]);
        logger.write(crate::support::numbers(first, last));
        // Somewhere in the middle of what was written, a different place each time.
        let goal = usize::try_from(first + (last - first) * round / 9).expect("small");
        wait_for_count("some lines", goal, || server.count());
        ship.kill();
        first = last + 1;
        // A window of 128, and what was answered since the cursor was saved: it is saved each second.
        doubled_max += 128 + 2 * 1000;
    }
    logger.end();
    let ship = Ship::start(&home, &[&server.url(), "./log"]);
    wait_until("all lines", || {
        server
            .stored()
            .iter()
            .any(|message| super::text_of(message) == COUNT.to_string().as_bytes())
    });
    ship.end();
    let doubled = check_numbers(&server.stored(), 1, COUNT);
    assert!(doubled <= doubled_max, "{doubled}");
}

#[test]
fn the_id_of_a_line_is_the_same_when_it_is_sent_again() {
    let home = Home::new();
    log(&home, 1, 20);
    let server = RelpServer::start(&[Behaviour::DiesAfter(10), Behaviour::Good]);
    let ship = Ship::start(&home, &[&server.url(), "./log"]);
    wait_for_count("all lines and ten twice", 30, || server.count());
    ship.end();
    let mut ids = std::collections::BTreeMap::new();
    for message in server.stored() {
        let message = String::from_utf8(message).expect("text");
        let number = message.rsplit(' ').next().expect("a number").to_owned();
        ids.entry(number)
            .or_insert_with(std::collections::BTreeSet::new)
            .insert(param(&message, "cursor").to_owned());
    }
    assert_eq!(ids.len(), 20);
    assert!(ids.values().all(|ids| ids.len() == 1), "{ids:?}");
}

#[test]
fn term_finishes_the_window_and_the_next_start_goes_on_after_it() {
    let home = Home::new();
    log(&home, 1, 100);
    let server = RelpServer::start(&[Behaviour::Good]);
    let ship = Ship::start(&home, &[&server.url(), "./log"]);
    wait_for_count("some lines", 1, || server.count());
    ship.end();
    log(&home, 101, 200);
    let ship = Ship::start(&home, &[&server.url(), "./log"]);
    wait_until("the last line", || {
        server.stored().iter().any(|message| super::text_of(message) == b"200")
    });
    ship.end();
    assert_eq!(check_numbers(&server.stored(), 1, 200), 0);
}

#[test]
fn alrm_tries_at_once_and_usr1_reports() {
    let home = Home::new();
    log(&home, 1, 10);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let url = format!("relp://{address}");
    let ship = Ship::start(&home, &["--retry", "1h:1h", &url, "./log"]);
    ship.wait_for_stderr("unable to reach relp://127.0.0.1:");
    ship.signal(Signal::SIGUSR1);
    ship.wait_for_stderr("waiting 10, ");
    let server = RelpServer::on(TcpListener::bind(address).expect("the port"), &[Behaviour::Good]);
    ship.signal(Signal::SIGALRM);
    wait_for_count("all lines", 10, || server.count());
    ship.signal(Signal::SIGHUP);
    wait_for_count("a second session", 2, || server.sessions());
    ship.end();
    // What was stored and not answered before the session ended is sent again.
    assert!(check_numbers(&server.stored(), 1, 10) <= 10);
}

#[test]
fn once_says_what_came_of_it() {
    let home = Home::new();
    log(&home, 1, 300);
    let server = RelpServer::start(&[Behaviour::Good]);
    let run = || Ship::start(&home, &["--once", &server.url(), "./log"]).wait().code();
    assert_eq!(run(), Some(0));
    assert_eq!(check_numbers(&server.stored(), 1, 300), 0);
    assert_eq!(run(), Some(1), "nothing to send");
    log(&home, 301, 301);
    assert_eq!(run(), Some(0));
    assert_eq!(check_numbers(&server.stored(), 1, 301), 0);
}

#[test]
fn a_second_one_with_the_same_state_does_not_start() {
    let home = Home::new();
    log(&home, 1, 1);
    let server = RelpServer::start(&[Behaviour::Good]);
    let ship = Ship::start(&home, &[&server.url(), "./log"]);
    wait_for_count("the line", 1, || server.count());
    let second = command(&home, &[&server.url(), "./log"]).output().expect("logship");
    assert_eq!(second.status.code(), Some(111));
    let stderr = String::from_utf8_lossy(&second.stderr);
    assert!(
        stderr.contains("logship: fatal: unable to lock") && stderr.contains("in use"),
        "{stderr}"
    );
    ship.end();
}

#[test]
fn the_next_receiver_is_taken_while_the_first_is_away() {
    let home = Home::new();
    log(&home, 1, 50);
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port");
    let away = format!("relp://{}", nobody.local_addr().expect("an address"));
    drop(nobody);
    let server = RelpServer::start(&[Behaviour::Good]);
    let ship = Ship::start(&home, &[&away, &server.url(), "./log"]);
    wait_for_count("all lines", 50, || server.count());
    ship.end();
    assert_eq!(check_numbers(&server.stored(), 1, 50), 0);
}

#[test]
fn a_directory_with_a_backlog_does_not_hold_up_another_one() {
    let home = Home::new();
    log_text(&home, "busy", &crate::support::numbers(1, 3000));
    log_text(&home, "quiet", b"1\n");
    let server = RelpServer::start(&[Behaviour::Good]);
    let ship = Ship::start(&home, &["--rate", "1000", &server.url(), "./busy", "./quiet"]);
    wait_for_count("some lines", 100, || server.count());
    let quiet = server
        .stored()
        .iter()
        .any(|message| param(&String::from_utf8_lossy(message), "dir").ends_with("quiet"));
    assert!(quiet, "among the first lines is that of the other directory");
    ship.end();
}

#[test]
fn usage_errors_are_100_and_a_missing_log_is_111() {
    let home = Home::new();
    let run = |arguments: &[&str]| {
        let output = command(&home, arguments).output().expect("logship");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (arguments, code, text) in [
        (&["gopher://h", "."][..], 100, "scheme gopher is not known"),
        (&["relp://h", "."], 100, "the port is missing"),
        (&["./log"], 100, "no receiver is named"),
        (&["relp://h:1"], 100, "no log directory and no file is named"),
        (&["--window", "0", "relp://h:1", "."], 100, "a window has 1 to"),
        (&["relp://127.0.0.1:1", "./absent"], 111, "absent"),
    ] {
        let (found, stderr) = run(arguments);
        assert!(found == Some(code) && stderr.contains(text), "{arguments:?}: {found:?} {stderr}");
        assert!(stderr.starts_with("logship: fatal: "), "{stderr}");
    }
}

#[test]
fn metrics_are_replaced_while_it_runs_and_at_its_end() {
    let home = Home::new();
    log(&home, 1, 3);
    let server = RelpServer::start(&[Behaviour::Good]);
    let ship = Ship::start(&home, &["--metrics", "logship.prom", &server.url(), "./log"]);
    let text = || std::fs::read_to_string(home.path("logship.prom")).unwrap_or_default();
    wait_until("a connection", || text().contains("\nlogship_connected 1\n"));
    wait_for_count("all lines", 3, || server.count());
    ship.end();
    let text = text();
    for row in ["logship_acknowledged_lines_total 3", "logship_connected 0", "logship_gaps_total 0"]
    {
        assert!(text.lines().any(|line| line == row), "{row}: {text}");
    }
    let refused = command(&home, &["--metrics", "absent/file", &server.url(), "./log"]).output();
    let refused = refused.expect("logship");
    assert_eq!(refused.status.code(), Some(111));
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("unable to write metrics to absent/file: "), "{text}");
}

#[test]
fn explain_and_check_say_what_is_in_force() {
    let home = Home::new();
    log(&home, 1, 3);
    let rule = ["--sd-prefix", "--pri-match", "^a=b=err"];
    let arguments = ["--explain", "--pri", "local0.notice", "relp://h:2514", "./log"];
    let explained = command(&home, &[&rule[..], &arguments].concat()).output().expect("logship");
    let text = String::from_utf8_lossy(&explained.stdout).into_owned();
    assert_eq!(explained.status.code(), Some(0));
    for part in [
        "to relp://h:2514",
        "at least once",
        "facility and severity: local0.notice\n",
        "severity of a line that begins with <0> to <7>: this number",
        "severity of lines that match ^a=b: err\n",
        "sample: <133>1 ",
        " here service ",
        "cursor=",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!home.path("state").exists(), "nothing is made");
    let check = || {
        let output = command(&home, &["--check", "state"]).output().expect("logship");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(check().0, Some(3), "there is no state yet");
    let server = RelpServer::start(&[Behaviour::Good]);
    let ship = Ship::start(&home, &[&server.url(), "./log"]);
    wait_until("a good state", || {
        let (code, text) = check();
        code == Some(0) && text.starts_with("OK: connected to relp://127.0.0.1:")
    });
    ship.end();
}

#[test]
fn the_run_scripts_give_arguments_that_are_understood() {
    let home = Home::new();
    home.make_dir("bin");
    let logship = env!("CARGO_BIN_EXE_logship");
    let stubs = [
        ("setuidgid", "test \"$1\" = logship && shift && exec \"$@\"".to_owned()),
        ("s6-setuidgid", "test \"$1\" = logship && shift && exec \"$@\"".to_owned()),
        ("chpst", "test \"$1 $2\" = '-u logship' && shift 2 && exec \"$@\"".to_owned()),
        ("logship", format!("exec {logship} --explain \"$@\"")),
    ];
    for (name, text) in stubs {
        home.write(format!("bin/{name}"), format!("#!/bin/sh\n{text}\n"), 0o755);
    }
    let path = format!("{}:/usr/bin:/bin", home.path("bin").display());
    let plain = ["logship", "runit-logship", "s6-logship"].map(|service| (service, "to relp://"));
    let tls = ["logship-tls", "runit-logship-tls", "s6-logship-tls"];
    for (service, expected) in plain.into_iter().chain(tls.map(|service| (service, "to relps://")))
    {
        let run =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("run-scripts").join(service);
        let mut shell = std::process::Command::new("/bin/sh");
        let output = shell.arg(run.join("run")).env("PATH", &path).output().expect("a shell");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{service}: {text}");
        assert!(text.contains("state: /var/lib/logship\n") && text.contains(expected), "{text}");
    }
}

/// A server that reads nothing for a while: messages of a window are longer than the output may be.
#[test]
fn long_messages_wait_for_the_room_that_they_need() {
    let home = Home::new();
    let text = "x".repeat(7500);
    let lines: String = (1..=400).map(|number| format!("{number}{text}\n")).collect();
    log_text(&home, "log", lines.as_bytes());
    let server = RelpServer::start(&[Behaviour::Good]);
    let ship = Ship::start(&home, &["--window", "2048", &server.url(), "./log"]);
    wait_for_count("all lines", 400, || server.count());
    ship.end();
}
