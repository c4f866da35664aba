//! `--flush`: an unfinished last line is sent marked, and whole when it is finished.

use super::relp_server::{Behaviour, RelpServer};
use super::{Ship, command, param, text_of};
use crate::support::{Home, wait_until};
use std::fs::{self, OpenOptions};
use std::io::Write;

fn append(home: &Home, file: &str, text: &[u8]) {
    let mut file = OpenOptions::new().append(true).open(home.path(file)).expect("the file");
    file.write_all(text).expect("written");
}

/// Texts with their marks, and the ids.
fn stored(server: &RelpServer) -> (Vec<String>, Vec<String>) {
    let messages = server.stored();
    let text = |message: &Vec<u8>| String::from_utf8(text_of(message)).expect("text");
    let of = |message: &Vec<u8>| {
        let whole = String::from_utf8(message.clone()).expect("text");
        let is_marked = whole.contains(" unfinished=\"");
        let mark = if is_marked { param(&whole, "unfinished").to_owned() } else { "-".to_owned() };
        (format!("{mark} {}", text(message)), param(&whole, "cursor").to_owned())
    };
    messages.iter().map(of).unzip()
}

#[test]
fn an_unfinished_line_is_sent_marked_and_whole_later() {
    let home = Home::new();
    fs::write(home.path("raw"), "one\nhal").expect("a file");
    let server = RelpServer::start(&[Behaviour::Good]);
    let ship = Ship::start(&home, &["--flush=20ms", &server.url(), "./raw"]);
    wait_until("the unfinished line", || server.count() == 2);
    append(&home, "raw", b"f a lin");
    wait_until("the longer line", || server.count() == 3);
    append(&home, "raw", b"e\n");
    wait_until("the whole line", || server.count() == 4);
    append(&home, "raw", b"two\n");
    wait_until("the next line", || server.count() == 5);
    ship.end();
    let (texts, ids) = stored(&server);
    assert_eq!(texts, ["- one", "3 hal", "10 half a lin", "- half a line", "- two"]);
    assert_eq!(ids[1], format!("{}.3", ids[3]), "the id of the line, and the length");
    assert_eq!(ids[2], format!("{}.a", ids[3]));
}

#[test]
fn the_cursor_stays_before_an_unfinished_line() {
    let home = Home::new();
    fs::create_dir(home.path("log")).expect("a directory");
    let label = "@400000006553f10a00000001";
    fs::write(home.path("log/current"), format!("{label} one\n{label} tw")).expect("a file");
    let server = RelpServer::start(&[Behaviour::Good]);
    let ship = Ship::start(&home, &["--flush=20ms", &server.url(), "./log"]);
    wait_until("the unfinished line", || server.count() == 2);
    wait_until("an answer in the status", || {
        fs::read_to_string(home.path("state/status"))
            .is_ok_and(|text| text.contains("\"unfinished\":1"))
    });
    ship.kill();
    let mut again = command(&home, &["--flush", "--once", &server.url(), "./log"]);
    assert_eq!(again.status().expect("logship starts").code(), Some(0));
    let (texts, ids) = stored(&server);
    // A kill sends lines again that were answered in the last second.
    let half: Vec<usize> = (0..texts.len()).filter(|&number| texts[number] == "2 tw").collect();
    assert_eq!(half.len(), 2, "{texts:?}");
    assert_eq!(ids[half[0]], ids[half[1]]);
    append(&home, "log/current", b"o\n");
    let mut last = command(&home, &["--flush", "--once", &server.url(), "./log"]);
    assert_eq!(last.status().expect("logship starts").code(), Some(0));
    let (texts, ids) = stored(&server);
    assert_eq!(texts.last().map(String::as_str), Some("- two"));
    assert_eq!(ids[half[0]], format!("{}.1c", ids[ids.len() - 1]), "28 bytes with the label");
    let mut nothing = command(&home, &["--flush", "--once", &server.url(), "./log"]);
    assert_eq!(nothing.status().expect("logship starts").code(), Some(1));
    assert_eq!(server.count(), texts.len());
}

#[test]
fn without_flush_an_unfinished_line_waits() {
    let home = Home::new();
    fs::write(home.path("raw"), "one\nhal").expect("a file");
    let server = RelpServer::start(&[Behaviour::Good]);
    let status = command(&home, &["--once", &server.url(), "./raw"]).status();
    assert_eq!(status.expect("logship starts").code(), Some(0));
    assert_eq!(stored(&server).0, ["- one"]);
}

#[test]
fn flush_needs_the_structured_data_that_marks_lines() {
    let home = Home::new();
    let refused = command(&home, &["--flush", "--no-sd", "relp://127.0.0.1:1", "./raw"]).output();
    let refused = refused.expect("logship starts");
    assert_eq!(refused.status.code(), Some(100));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--no-sd"));
}
