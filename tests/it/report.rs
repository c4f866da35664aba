//! `logdir report`: a day of a made-up qmail against the day before.

use crate::kinds::{ABNORMAL, labelled, logdir, qmail};
use crate::show::put;
use crate::support::Home;
use serde_json::Value;

/// 2023-11-14 00:00 UTC.
pub const DAY: u64 = 1_699_920_000;
const DAY_SECS: u64 = 86_400;
pub const SPAN: [&str; 4] = ["--since", "2023-11-14Z", "--until", "2023-11-15Z"];

/// A usual day, and a day with two abnormal lines.
pub fn two_days() -> Home {
    let home = Home::new();
    let before = labelled(DAY - DAY_SECS, &qmail(false));
    put(&home, "qmail", "current", &(before + &labelled(DAY, &qmail(true))));
    home
}

pub fn report(home: &Home, arguments: &[&str]) -> (Option<i32>, String, String) {
    let arguments = [&["report"], SPAN.as_slice(), arguments].concat();
    let ended = logdir(home, &arguments);
    (ended.status.code(), String::from_utf8(ended.stdout).expect("text"), ended.stderr)
}

#[track_caller]
fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

#[test]
fn the_two_abnormal_lines_are_what_is_new() {
    let home = two_days();
    let (code, text, errors) = report(&home, &["--json", "qmail"]);
    assert_eq!((code, errors.as_str()), (Some(1), ""));
    let [object] = objects(&text).try_into().expect("one service");
    let new = object["new"].as_array().expect("a list");
    let mut examples: Vec<&str> =
        new.iter().map(|kind| kind["example"].as_str().expect("a line")).collect();
    examples.sort_unstable();
    let mut expected = ABNORMAL;
    expected.sort_unstable();
    assert_eq!(examples, expected);
    assert_eq!(object["kinds"], 13);
    assert_eq!((&object["lines"], &object["lines_before"]), (&1410.into(), &1410.into()));
    assert_eq!(object["gone"], Value::Array(Vec::new()));
    let hours = object["hours"].as_array().expect("hours");
    assert_eq!(hours.iter().filter_map(Value::as_u64).sum::<u64>(), 1410);
    assert!(object["addresses"][0]["count"].as_u64() > Some(1), "{object}");
}

#[test]
fn the_text_fits_80_columns_and_names_what_is_new() {
    let home = two_days();
    let (code, text, errors) = report(&home, &["qmail"]);
    assert_eq!((code, errors.as_str()), (Some(1), ""));
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let begin = "Report   2023-11-14 00:00 to 2023-11-15 00:00\n\
                 against  2023-11-13 00:00 to 2023-11-14 00:00\n\n\
                 qmail: 1410 lines (before: 1410), ";
    assert!(text.starts_with(begin), "{text}");
    let new = text.split("  New:").nth(1).and_then(|rest| rest.split("\n  Trouble").next());
    let new = new.expect("what is new");
    assert!(new.contains("warning: unable to stat info/#/#;"), "{text}");
    assert!(new.contains("delivery #: deferral: Sorry,_message_has_wrong_owner"), "{text}");
    assert_eq!(new.lines().count(), 7, "{text}");
}

#[test]
fn a_day_like_the_day_before_is_nothing_to_report() {
    let home = Home::new();
    let lines = ["up 1".to_owned(), "connection refused".to_owned()];
    let days = [DAY - DAY_SECS, DAY].map(|day| labelled(day, &lines)).concat();
    put(&home, "web", "current", &days);
    let quiet = report(&home, &["--quiet", "web"]);
    assert_eq!(quiet, (Some(0), String::new(), String::new()));
    let (code, text, _) = report(&home, &["web"]);
    assert!(code == Some(0) && text.contains("Trouble"), "{text}");
    let (code, _, errors) = report(&home, &["-q", "web", "nothing"]);
    assert!(code == Some(2) && errors.contains("nothing"), "{errors}");
}

#[test]
fn a_kind_that_is_missing_is_gone() {
    let home = Home::new();
    let day = |day: u64, texts: &[&str]| {
        labelled(day, &texts.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let lines = day(DAY - DAY_SECS, &["backup done", "up"]) + &day(DAY, &["up"]);
    put(&home, "web", "current", &lines);
    let (code, text, _) = report(&home, &["--json", "web"]);
    let [object] = objects(&text).try_into().expect("one service");
    assert_eq!((code, &object["gone"][0]["kind"]), (Some(1), &"backup done".into()));
    assert_eq!(object["gone"][0]["before"], 1);
}

#[test]
fn a_state_knows_the_kinds_of_earlier_days() {
    let home = Home::new();
    let text = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    let first = labelled(DAY - 2 * DAY_SECS, &text(&["rare", "up"]));
    let second = labelled(DAY - DAY_SECS, &text(&["up"]));
    put(
        &home,
        "web",
        "current",
        &(first + &second + &labelled(DAY, &text(&["rare", "up", "fire"]))),
    );
    let new_kinds = |arguments: &[&str]| -> Vec<String> {
        let arguments = [&["report", "--json"], arguments, &["web"]].concat();
        let text = String::from_utf8(logdir(&home, &arguments).stdout).expect("text");
        let [object] = objects(&text).try_into().expect("one service");
        let new = object["new"].as_array().expect("a list").iter();
        new.map(|kind| kind["kind"].as_str().expect("text").to_owned()).collect()
    };
    let before = ["--since", "2023-11-13Z", "--until", "2023-11-14Z", "--state", "state"];
    assert_eq!(new_kinds(&before), [""; 0]);
    let with_state = [SPAN.as_slice(), &["--state", "state"]].concat();
    assert_eq!(new_kinds(&SPAN), ["fire", "rare"]);
    assert_eq!(new_kinds(&with_state), ["fire"]);
    assert_eq!(new_kinds(&with_state), ["fire"], "a report may be repeated");
    let state = String::from_utf8(home.read("state")).expect("text");
    assert!(state.starts_with("logdir report state 1\n") && state.lines().count() == 4, "{state}");
    home.write("state", "other\n", 0o644);
    let (code, _, errors) = report(&home, &["--state", "state", "web"]);
    assert_eq!(code, Some(2));
    assert!(errors.contains("not written by logdir report --state"), "{errors}");
    assert_eq!(home.read("state"), b"other\n");
}

#[test]
fn words_of_trouble_can_be_replaced() {
    let home = Home::new();
    let lines = ["all is lost", "an error"].map(str::to_owned);
    put(&home, "web", "current", &labelled(DAY, &lines));
    home.write("words", "# ours\nLOST\n", 0o644);
    let trouble = |arguments: &[&str]| {
        let (_, text, _) = report(&home, arguments);
        let [object] = objects(&text).try_into().expect("one service");
        object["trouble"][0]["kind"].as_str().map(str::to_owned)
    };
    assert_eq!(trouble(&["-j", "web"]).as_deref(), Some("an error"));
    assert_eq!(trouble(&["-j", "--words", "words", "web"]).as_deref(), Some("all is lost"));
}

#[test]
fn what_the_logger_left_is_reported() {
    let home = Home::new();
    let lines = ["up".to_owned()];
    put(&home, "web", "current", &labelled(DAY, &lines));
    let name = format!("@{:016x}00000000.u", (1_u64 << 62) + 10 + DAY + 5);
    put(&home, "web", &name, &labelled(DAY, &lines));
    let (code, text, _) = report(&home, &["web"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("! web: 1 archives (.u) of a killed logger"), "{text}");
}
