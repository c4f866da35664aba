//! RELP servers that refuse, break the protocol or end: nothing is lost, nothing loops, and the user hears why.

use super::relp_server::{Behaviour, RelpServer};
use super::{Ship, check_numbers, log, log_text, text_of, wait_for_count};
use crate::support::{Home, wait_until};

/// After `broken` sessions everything arrives, in at most some sessions more, and the user hears `message`.
#[track_caller]
fn check(broken: Behaviour, message: &str) -> usize {
    let home = Home::new();
    log(&home, 1, 500);
    let server = RelpServer::start(&[broken, broken, Behaviour::Good]);
    let ship = Ship::start(&home, &[&server.url(), "./log"]);
    wait_until("all lines", || {
        let stored = server.stored();
        stored.iter().any(|message| text_of(message) == b"500")
    });
    ship.wait_for_stderr(message);
    let stderr = ship.stderr();
    ship.end();
    let doubled = check_numbers(&server.stored(), 1, 500);
    assert!(server.sessions() <= 8, "{} sessions: {stderr}", server.sessions());
    assert!(!home.path("state/dead").exists(), "nothing is given up");
    doubled
}

#[test]
fn a_server_that_ends_without_an_answer_gets_the_window_again() {
    let doubled = check(Behaviour::DiesAfter(40), "lost relp://127.0.0.1:");
    // What was written and not answered is a window at most each time.
    assert!(doubled <= 2 * 128, "{doubled}");
}

#[test]
fn a_refused_message_is_tried_again() {
    check(Behaviour::AnswersRaw("TXNR rsp 7 500 NO!\n"), "the server answered 500 NO!");
}

#[test]
fn another_code_than_200_refuses_too() {
    check(Behaviour::AnswersRaw("TXNR rsp 7 300 eh?\n"), "the server answered 300 eh?");
}

#[test]
fn an_answer_to_no_transaction_breaks_the_session() {
    let message = "the server answered transaction 999999, which waits for no answer";
    check(Behaviour::AnswersRaw("999999 rsp 6 200 OK\n"), message);
}

#[test]
fn an_answer_without_text_breaks_the_session() {
    check(
        Behaviour::AnswersRaw("TXNR rsp 3 200\n"),
        "the server sent an answer without code and text",
    );
}

#[test]
fn another_version_breaks_the_session() {
    let message = "the server offers another relp_version than 0";
    check(Behaviour::OpensRaw("1 rsp 37 200 OK\nrelp_version=1\ncommands=syslog\n"), message);
}

#[test]
fn a_server_without_offers_breaks_the_session() {
    check(Behaviour::OpensRaw("1 rsp 6 200 OK\n"), "the server offers no relp_version");
}

#[test]
fn a_server_that_refuses_to_open_gets_nothing_and_is_tried_again() {
    check(Behaviour::OpensRaw("1 rsp 9 500 later\n"), "the server refuses to open: 500 later");
}

#[test]
fn answers_in_reverse_order_count() {
    let home = Home::new();
    log(&home, 1, 600);
    let server = RelpServer::start(&[Behaviour::Reverse(100)]);
    let ship = Ship::start(&home, &[&server.url(), "./log"]);
    wait_for_count("all lines", 600, || server.count());
    ship.end();
    assert_eq!(check_numbers(&server.stored(), 1, 600), 0);
    assert_eq!(server.sessions(), 1);
}

#[test]
fn lines_that_are_always_refused_are_kept_and_the_others_arrive() {
    let home = Home::new();
    let text: String =
        (1..=30).map(|n| format!("{}{n}\n", if n % 10 == 5 { "bad " } else { "" })).collect();
    log_text(&home, "log", text.as_bytes());
    let server = RelpServer::start(&[Behaviour::Refuses(" bad ")]);
    let mut ship = Ship::start(&home, &["--once", &server.url(), "./log"]);
    assert_eq!(ship.wait().code(), Some(2), "{}", ship.stderr());
    let mut texts: Vec<String> = server
        .stored()
        .iter()
        .map(|message| String::from_utf8_lossy(&text_of(message)).into_owned())
        .collect();
    texts.sort_by_key(|text| text.parse::<u32>().expect("a number"));
    texts.dedup();
    let expected: Vec<String> = (1..=30).filter(|n| n % 10 != 5).map(|n| n.to_string()).collect();
    assert_eq!(texts, expected);
    let dead = String::from_utf8(home.contents("state/dead")).expect("text");
    assert_eq!(dead.lines().count(), 3, "{dead}");
    for (line, number) in dead.lines().zip([5, 15, 25]) {
        assert!(
            line.starts_with('@') && line.contains(" refused: the server answered 500 refused: ")
        );
        assert!(line.ends_with(&format!(" bad {number}")), "{line}");
    }
    // Nothing is sent again, and nothing is refused again.
    let mut again = Ship::start(&home, &["--once", &server.url(), "./log"]);
    assert_eq!(again.wait().code(), Some(1), "{}", again.stderr());
}
