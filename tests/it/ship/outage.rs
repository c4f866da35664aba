//! A receiver that is away for long, and one that goes and comes for as long as `logship` runs.

use super::relp_server::{Behaviour, RelpServer};
use super::{Ship, check_numbers, log_text, text_of, wait_for_count};
use crate::support::{Home, numbers, wait_until};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

/// Lines of the busy directory in the outage, and of the live one.
const BUSY: u64 = 4000;
const LIVE: u64 = 20;

#[test]
fn an_outage_with_kills_loses_nothing_and_a_live_directory_waits_for_no_backlog() {
    let home = Home::new();
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address = address.expect("a port");
    log_text(&home, "live", b"");
    let start = || {
        let ship = Ship::start(&home, &[&format!("relp://{address}"), "./busy", "./live"]);
        ship.wait_for_stderr("unable to reach");
        ship
    };
    let part = BUSY / 4;
    log_text(&home, "busy", &numbers(1, part));
    for round in 1..=3 {
        let ship = start();
        log_text(&home, "busy", &numbers(round * part + 1, (round + 1) * part));
        ship.kill();
    }
    let ship = start();
    log_text(&home, "live", &numbers(100_001, 100_000 + LIVE));
    let server = RelpServer::on(TcpListener::bind(address).expect("the port"), &[Behaviour::Good]);
    let count = usize::try_from(BUSY + LIVE).expect("small");
    wait_for_count("all lines", count, || server.count());
    ship.end();
    let is_live = |message: &Vec<u8>| text_of(message).len() == 6;
    let stored = server.stored();
    let last_live = stored.iter().rposition(is_live).expect("a live line");
    // In turn with the backlog, after what was taken before the directory was looked at.
    assert!(last_live < count / 2, "{last_live}");
    let (live, busy): (Vec<_>, Vec<_>) = stored.into_iter().partition(is_live);
    assert_eq!(check_numbers(&busy, 1, BUSY), 0, "nothing was sent before a kill");
    assert_eq!(check_numbers(&live, 100_001, 100_000 + LIVE), 0);
}

/// Rounds of lines, rotations and broken sessions.
fn rounds() -> u64 {
    if std::env::var_os("MULTILOG_TEST_MATRIX").is_some() { 400 } else { 40 }
}

/// Rounds until memory and descriptors are as many as they become.
const WARM_UP: u64 = 10;
const LINES_PER_ROUND: u64 = 150;
/// A file that is read at the moment of the look, and one that a rotation just renamed. A leak leaves one each round.
const DESCRIPTORS_MORE_MAX: usize = 2;
/// What an allocator may keep more of, in KiB.
const GROWTH_MAX: u64 = 1024;

/// What a process has.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    descriptors: usize,
    anonymous_kib: u64,
}

impl Held {
    fn of(ship: &Ship) -> Held {
        let process = PathBuf::from(format!("/proc/{}", ship.child.id()));
        let status = fs::read_to_string(process.join("status")).expect("a process");
        let memory = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let memory = memory.and_then(|text| text.trim().strip_suffix(" kB"));
        Held {
            descriptors: fs::read_dir(process.join("fd")).expect("a process").count(),
            anonymous_kib: memory.and_then(|text| text.trim().parse().ok()).expect("a number"),
        }
    }

    fn max(self, other: Held) -> Held {
        Held {
            descriptors: self.descriptors.max(other.descriptors),
            anonymous_kib: self.anonymous_kib.max(other.anonymous_kib),
        }
    }
}

fn names(home: &Home, dir: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(home.path(dir)).expect("a directory").flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn rotations_and_broken_sessions_leave_no_memory_no_descriptor_and_no_file() {
    let home = Home::new();
    // A session that breaks within messages, then one that is well until it is asked to connect again.
    let behaviours = [Behaviour::DiesAfter(7), Behaviour::Good].repeat(2 * rounds() as usize);
    let server = RelpServer::start(&behaviours);
    let mut logger = home.spawn(&["t", "s4096", "n4", "./log"]);
    wait_until("the log directory", || home.path("log/current").exists());
    let ship = Ship::start(&home, &[&server.url(), "./log"]);
    wait_until("the state", || home.path("state/status").exists());
    let before = names(&home, "");
    let mut warm = Held::default();
    for round in 1..=rounds() {
        let last = round * LINES_PER_ROUND;
        logger.write(numbers(last - LINES_PER_ROUND + 1, last));
        let last = last.to_string().into_bytes();
        wait_until("the last line of a round", || {
            server.last().is_some_and(|message| text_of(&message) == last)
        });
        if round <= WARM_UP {
            warm = warm.max(Held::of(&ship));
        }
        let sessions = server.sessions();
        ship.signal(Signal::SIGHUP);
        wait_until("another session", || server.sessions() > sessions);
    }
    let descriptors_max = warm.descriptors + DESCRIPTORS_MORE_MAX;
    wait_until("no more descriptors", || Held::of(&ship).descriptors <= descriptors_max);
    let held = Held::of(&ship);
    assert!(held.anonymous_kib <= warm.anonymous_kib + GROWTH_MAX, "{held:?} after {warm:?}");
    assert!(server.sessions() as u64 > rounds(), "{} sessions", server.sessions());
    assert!(!ship.stderr().contains("missing"), "{}", ship.stderr());
    let state = ["cursor", "cursor.lock", "lock", "status"].map(str::to_owned);
    wait_until("only the state", || names(&home, "state") == BTreeSet::from(state.clone()));
    assert_eq!(names(&home, ""), before);
    ship.end();
    logger.end();
    check_numbers(&server.stored(), 1, rounds() * LINES_PER_ROUND);
}
