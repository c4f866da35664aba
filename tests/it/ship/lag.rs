//! How far `logship` is behind, and for how long retention keeps what it has not delivered: its status, its
//! metrics, `logdir status`, and warnings.

use super::relp_server::{Behaviour, RelpServer};
use super::{Ship, check_numbers, log, text_of, wait_for_count};
use crate::filters::{command, run};
use crate::show::LOGDIR;
use crate::support::{Home, is_original, numbers, wait_until};
use serde_json::Value;
use std::fs;
use std::net::{SocketAddr, TcpListener};

/// An address at which nobody listens.
fn away() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

fn back(address: SocketAddr) -> RelpServer {
    RelpServer::on(TcpListener::bind(address).expect("the port"), &[Behaviour::Good])
}

fn status(home: &Home) -> Option<Value> {
    serde_json::from_slice(&fs::read(home.path("state/status")).ok()?).ok()
}

/// Waits for a status whose only source is as wanted, and returns the source.
#[track_caller]
fn wait_for_source(home: &Home, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    let mut source = Value::Null;
    wait_until(what, || {
        source = status(home).map_or(Value::Null, |mut status| status["sources"][0].take());
        is_it(&source)
    });
    source
}

/// The object of `logdir status` for `log`, its exit code, and what it prints without `--json`.
fn logdir_status(home: &Home) -> (Value, Option<i32>, String) {
    let status = |arguments: &[&str]| {
        let mut command = command(LOGDIR);
        command.arg("status").args(arguments).current_dir(home.path("")).env_remove("COLUMNS");
        run(command, b"")
    };
    let ended = status(&["--json", "log"]);
    let object = serde_json::from_slice(&ended.stdout).expect("an object");
    let table = String::from_utf8(status(&["log"]).stdout).expect("text");
    (object, ended.status.code(), table)
}

#[test]
fn each_place_says_how_far_a_source_is_behind() {
    let home = Home::new();
    log(&home, 1, 500);
    let address = away();
    let ship = Ship::start(&home, &["--metrics", "metrics", &format!("relp://{address}"), "./log"]);
    let source = wait_for_source(&home, "the backlog", |source| source["lines"] == 500);
    assert_eq!(source["is_estimate"], false);
    assert!(source["bytes"].as_u64() > Some(500 * 26) && source["oldest"].is_u64(), "{source}");
    assert!(source["source"].as_str().is_some_and(|path| path.ends_with("/log")), "{source}");
    assert_eq!(source["kept_secs"], Value::Null, "no logger runs");
    // They are replaced after the status.
    wait_until("the metrics", || {
        String::from_utf8_lossy(&home.read("metrics")).contains("/log\"} 500\n")
    });

    let (object, code, table) = logdir_status(&home);
    assert_eq!((code, object["ships"].as_array().map(Vec::len)), (Some(0), Some(1)), "{object}");
    let reading = &object["ships"][0];
    assert_eq!(reading["condition"], "away", "{reading}");
    assert_eq!(reading["pid"], u64::from(ship.child.id()), "{reading}");
    assert_eq!(reading["behind_lines"], 500, "{reading}");
    assert!(reading["failure"].is_string(), "{reading}");
    assert!(table.contains(" LOGSHIP RECEIVER "), "{table}");

    let server = back(address);
    wait_for_count("all lines", 500, || server.count());
    wait_for_source(&home, "no backlog", |source| source["lines"] == 0 && source["bytes"] == 0);
    let (object, ..) = logdir_status(&home);
    assert_eq!(object["ships"][0]["condition"], "connected");
    assert_eq!(object["ships"][0]["behind_bytes"], 0, "{object}");
    ship.end();
    let (object, ..) = logdir_status(&home);
    assert_eq!(object["ships"].as_array().map(Vec::len), Some(0), "none runs");
}

#[test]
fn lines_that_retention_takes_are_reported_at_once_and_with_both_ends_later() {
    let home = Home::new();
    let mut logger = home.spawn(&["t", "s4096", "n40", "./log"]);
    logger.write(numbers(1, 2000));
    wait_until("the lines", || home.contents("log").ends_with(b" 2000\n"));
    let address = away();
    let ship = Ship::start(&home, &[&format!("relp://{address}"), "./log"]);
    let source = wait_for_source(&home, "the backlog", |source| source["lines"].as_u64() > Some(0));
    // The first lines are shorter than the others.
    assert!(
        source["lines"].as_u64().is_some_and(|lines| (1950..2100).contains(&lines)),
        "{source}"
    );
    assert!(source["kept_secs"].is_u64() && source["gaps"] == 0, "{source}");

    logger.write(numbers(2001, 10_000));
    ship.wait_for_stderr("retention has removed lines that were not delivered: ");
    let (object, code, _) = logdir_status(&home);
    assert_eq!(object["ships"][0]["is_overtaken"], true, "{object}");
    assert_eq!(code, Some(2), "{object}");

    let server = back(address);
    wait_until("the last line", || {
        server.stored().last().is_some_and(|message| text_of(message) == b"10000")
    });
    ship.wait_for_stderr(" may be missing: files were removed before they were read");
    let source = wait_for_source(&home, "the gap", |source| source["gaps"].as_u64() > Some(0));
    let is_time = |end: &Value| end.as_str().is_some_and(|time| time.ends_with('Z'));
    assert!(source["last_gap"].as_array().is_some_and(|ends| ends.iter().all(is_time)), "{source}");
    ship.end();
    logger.end();
    let mut first = server.stored();
    first.truncate(200);
    assert_eq!(check_numbers(&first, 1, 200), 0, "what was in memory is sent");
}

#[test]
fn a_hold_counts_for_how_long_lines_are_kept() {
    if is_original() {
        return;
    }
    let home = Home::new();
    log(&home, 1, 100);
    let address = away();
    let ship = Ship::start(&home, &[&format!("relp://{address}"), "./log"]);
    wait_for_source(&home, "the backlog", |source| source["lines"] == 100);
    let mut logger = home.spawn(&["t", "s4096", "n2", "h10m:state/cursor", "./log"]);
    logger.write(numbers(101, 2000));
    wait_until("the lines", || home.contents("log").ends_with(b" 2000\n"));
    // Sources are measured every few seconds.
    wait_until("a measure of all lines", || {
        logdir_status(&home).0["ships"][0]["behind_bytes"].as_u64() > Some(2000 * 26)
    });
    let (object, code, _) = logdir_status(&home);
    assert_eq!(
        (code, object["hold_bytes"].as_u64()),
        (Some(0), Some(10 * 1024 * 1024)),
        "{object}"
    );
    assert!(object["hold_cursor"].as_str().is_some_and(|path| path.ends_with("/state/cursor")));
    let reading = &object["ships"][0];
    assert_eq!(reading["is_overtaken"], false, "{reading}");
    assert!(reading["kept_seconds"].is_u64(), "{reading}");
    let server = back(address);
    wait_for_count("all lines", 2000, || server.count());
    assert!(!ship.stderr().contains("missing"), "{}", ship.stderr());
    ship.end();
    logger.end();
}
