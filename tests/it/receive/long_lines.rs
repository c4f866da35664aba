//! Lines that are longer than a message: parts of them, and what the manual says joins them.

use super::{Receiver, lines, text};
use crate::support::Home;
use std::process::Command;

/// The text between the fences of a block of this language in the manual of the receiver.
fn block_of_manual(language: &str) -> &'static str {
    let manual = include_str!("../../../docs/receiving.md");
    let start = manual.split_once(&format!("```{language}\n")).expect("a block").1;
    start.split_once("```").expect("its end").0
}

#[test]
fn the_command_of_the_manual_joins_the_parts_of_a_long_line() {
    let home = Home::new();
    let receiver = Receiver::start(&home, &["relp://127.0.0.1:0", "--into", "root", "--by", "one"]);
    let long = format!("begin {} end", "abcdefghij".repeat(2000));
    let ended = home.run(&["t", "./log"], format!("first\n{long}\nlast\n").as_bytes());
    assert_eq!(ended.status.code(), Some(0));
    let relp = format!("relp://{}", receiver.address("relp"));
    let mut ship = Command::new(env!("CARGO_BIN_EXE_logship"));
    ship.args(["--once", "--state", "state", &relp, "./log"]).current_dir(home.path(""));
    assert!(ship.status().expect("logship starts").success());
    receiver.end();
    let parts = lines(&home, "root/main");
    assert!(parts.len() > 4, "{} lines", parts.len());
    // After a break, some of them come again.
    let sent = [&parts[..3], &parts[1..], &parts[1..2]].concat().join("\n") + "\n";
    home.write("sent", &sent, 0o600);
    home.write("join.awk", block_of_manual("awk"), 0o600);
    let mut awk = Command::new("awk");
    let joined = awk.args(["-f", "join.awk", "sent"]).current_dir(home.path("")).output();
    let joined = joined.expect("awk starts");
    let joined = text(&joined.stdout);
    let whole = joined.lines().filter(|line| line.ends_with(&long)).count();
    assert_eq!(whole, 1, "{}", joined.len());
    assert_eq!(joined.lines().filter(|line| line.ends_with("last")).count(), 1);
    assert!(joined.trim_end().ends_with("[its end is missing]"), "the part that came alone");
}
