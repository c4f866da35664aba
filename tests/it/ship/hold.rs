//! Archives that a logger holds for logship (`h`): a receiver may be away as long as the bytes of the hold last.

use super::relp_server::{Behaviour, RelpServer};
use super::{Ship, check_numbers, text_of, wait_for_count};
use crate::support::{Home, is_original, numbers, wait_until};
use nix::sys::signal::Signal;
use std::net::TcpListener;
use std::path::Path;

/// Lines that the receiver takes before it goes away.
const TAKEN: u64 = 100;
/// Lines of the outage: more than a hundred archives.
const LAST: u64 = 20_000;
/// Warnings of the logger start so.
const USELESS: &str =
    "multilog: warning: unable to hold archives of ./log for cursor state/cursor: ";
const USED_UP: &str = "multilog: warning: the hold of ./log is used up: removing archives that cursor \
                       state/cursor has not passed\n";

/// Logs lines into `log`, of which two archives of 4 kB are kept but for `hold`, and returns the warnings.
fn log_held(home: &Home, hold: &str, first: u64, last: u64) -> String {
    let ended = home.run(&["t", "s4096", "n3", hold, "./log"], &numbers(first, last));
    assert_eq!(ended.status.code(), Some(0));
    ended.warnings()
}

/// A port that nobody listens on, and its URL.
fn free_port() -> (std::net::SocketAddr, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    (address, format!("relp://{address}"))
}

/// The first lines are logged and taken; the receiver goes away, and logship waits for it.
fn receiver_goes_away(home: &Home, hold: &str) -> (Ship, std::net::SocketAddr, Vec<Vec<u8>>) {
    // The cursor is not there yet.
    let missing = format!("{USELESS}file does not exist\n");
    assert_eq!(log_held(home, hold, 1, TAKEN), missing);
    let (address, url) = free_port();
    let server = RelpServer::on(TcpListener::bind(address).expect("the port"), &[Behaviour::Good]);
    let ship = Ship::start(home, &[&url, "./log"]);
    wait_for_count("the first lines", TAKEN as usize, || server.count());
    ship.end();
    let taken = server.stored();
    drop(server);
    let ship = Ship::start(home, &["--retry", "1h:1h", &url, "./log"]);
    ship.wait_for_stderr("unable to reach");
    (ship, address, taken)
}

/// The receiver comes back and takes everything up to the last line; all messages it has taken by then.
fn receiver_comes_back(
    ship: Ship,
    address: std::net::SocketAddr,
    mut taken: Vec<Vec<u8>>,
) -> Vec<Vec<u8>> {
    let server = RelpServer::on(TcpListener::bind(address).expect("the port"), &[Behaviour::Good]);
    ship.signal(Signal::SIGALRM);
    let last = LAST.to_string();
    wait_until("the last line", || {
        server.stored().last().is_some_and(|message| text_of(message) == last.as_bytes())
    });
    ship.end();
    taken.extend(server.stored());
    taken
}

fn len_of(home: &Home, dir: &str) -> u64 {
    let archives = home.archives(dir);
    let len = |name: &String| home.path(Path::new(dir).join(name)).metadata().expect("it").len();
    archives.iter().map(len).sum()
}

#[test]
fn a_receiver_may_be_away_as_long_as_the_hold_lasts() {
    if is_original() {
        return;
    }
    let home = Home::new();
    let hold = "h2m:state/cursor";
    let (ship, address, taken) = receiver_goes_away(&home, hold);
    assert_eq!(log_held(&home, hold, TAKEN + 1, LAST), "");
    assert!(home.archives("log").len() > 100, "{:?}", home.archives("log"));
    let taken = receiver_comes_back(ship, address, taken);
    assert_eq!(check_numbers(&taken, 1, LAST), 0);
    // What the receiver has goes: but for what was logged since, and the file that the cursor is in.
    assert_eq!(log_held(&home, hold, 1, 200), "");
    let left = home.archives("log").len();
    assert!((2..=4).contains(&left), "{left}");
    // Without a hold everything is as it was.
    assert_eq!(log_held(&home, "h0", 1, 1000), "");
    assert_eq!(home.archives("log").len(), 2);
}

#[test]
fn what_is_removed_beyond_the_hold_is_one_gap_with_both_ends() {
    if is_original() {
        return;
    }
    let home = Home::new();
    let hold = "h64k:state/cursor";
    let (ship, address, taken) = receiver_goes_away(&home, hold);
    assert_eq!(log_held(&home, hold, TAKEN + 1, LAST), USED_UP);
    let left = len_of(&home, "log");
    assert!((60 * 1024..=64 * 1024).contains(&left), "{left} bytes are held");
    let stderr = ship.stderr.clone();
    let taken = receiver_comes_back(ship, address, taken);
    let number = |message: &Vec<u8>| -> u64 {
        String::from_utf8(text_of(message)).expect("a number").parse().expect("a number")
    };
    let numbers: Vec<u64> = taken.iter().map(number).collect();
    assert_eq!((numbers[0], numbers[numbers.len() - 1]), (1, LAST));
    // What logship had read ahead is there too, and after the gap everything.
    let jumps: Vec<&[u64]> = numbers.windows(2).filter(|pair| pair[1] != pair[0] + 1).collect();
    assert!(
        matches!(jumps[..], [&[before, after]] if before >= TAKEN && after > LAST / 2),
        "{jumps:?}"
    );
    let told = std::fs::read_to_string(stderr).expect("a file");
    let gaps: Vec<&str> = told.lines().filter(|line| line.contains("may be missing")).collect();
    assert_eq!(gaps.len(), 1, "{told}");
    assert!(gaps[0].contains("lines from between "), "{told}");
}

#[test]
fn a_cursor_that_says_nothing_holds_nothing_and_is_reported_once() {
    if is_original() {
        return;
    }
    let foreign = "logdir cursor 1\ndirectory /nowhere\nline 1 2 00000000000000ff 1 1\n";
    let no_cursor = "it is not a cursor of logdir or logship";
    for (contents, why) in [
        (None, "file does not exist"),
        (Some(""), no_cursor),
        (Some("logdir cursor 1\ndirec"), no_cursor),
        (Some("\u{0}\u{1}"), no_cursor),
        (Some(foreign), "it does not name this directory"),
    ] {
        let home = Home::new();
        home.make_dir("state");
        if let Some(contents) = contents {
            home.write("state/cursor", contents, 0o600);
        }
        let warnings = log_held(&home, "h1m:state/cursor", 1, 5000);
        assert_eq!(warnings, format!("{USELESS}{why}\n"), "{contents:?}");
        assert_eq!(home.archives("log").len(), 2);
    }
}
