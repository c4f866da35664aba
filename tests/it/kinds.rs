//! `logdir kinds`: the kinds of a made-up day of qmail.

#[path = "../../benches/reports/services.rs"]
mod services;

use crate::filters::{Ended, command, run};
use crate::show::{LOGDIR, put};
use crate::support::Home;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Lines of the day.
const LINES: usize = 1410;
/// Seconds between lines.
const STEP_SECS: u64 = 60;
/// The lines that no other day has.
pub const ABNORMAL: [&str; 2] = [
    "warning: unable to stat info/17/524303; will try again later",
    "delivery 88: deferral: Sorry,_message_has_wrong_owner._(#4.3.5)/",
];

/// A message as qmail-send logs it.
fn message(number: usize) -> Vec<String> {
    let id = 524_200 + number * 7 % 90_000;
    let user = ["anna", "carl", "dora", "ines"][number % 4];
    let size = 300 + number * 7919 % 60_000;
    let to = match number % 3 {
        0 => format!("local mail.example.org-{user}@mail.example.org"),
        _ => format!("remote {user}@example{}.net", number % 5),
    };
    let outcome = match number % 19 {
        3 => "deferral: Connected_to_192.0.2.7_but_greeting_failed./".to_owned(),
        7 => "failure: Sorry,_no_mailbox_here_by_that_name._(#5.1.1)/".to_owned(),
        _ if number.is_multiple_of(3) => format!("success: did_{}+0+0/", 1 + number % 2),
        _ => format!(
            "success: 192.0.2.{}_accepted_message./Remote_host_said:_250_2.0.0_Ok:_queued_as_{:08X}4/",
            number % 250,
            number * 48_271
        ),
    };
    let mut lines = vec![
        format!("new msg {id}"),
        format!(
            "info msg {id}: bytes {size} from <{user}-{number}@lists.example.net> qp {number} uid 7791"
        ),
        format!("starting delivery {number}: msg {id} to {to}"),
        format!("status: local {}/10 remote 1/20", number % 10),
        format!("delivery {number}: {outcome}"),
        "status: local 0/10 remote 0/20".to_owned(),
    ];
    if number % 19 == 7 {
        lines.push(format!("bounce msg {id} qp {}", number + 1));
    }
    lines.push(format!("end msg {id}"));
    lines
}

/// The texts of a day, the abnormal ones included if asked for.
pub fn qmail(is_abnormal: bool) -> Vec<String> {
    let mut lines: Vec<String> = (1..).flat_map(message).take(LINES).collect();
    if is_abnormal {
        for (number, text) in ABNORMAL.iter().enumerate() {
            lines[300 + 500 * number] = (*text).to_owned();
        }
    }
    lines
}

/// With labels, a line a minute from a second since 1970 on.
pub fn labelled(first_secs: u64, lines: &[String]) -> String {
    let mut text = String::new();
    for (number, line) in (0..).zip(lines) {
        let secs = (1 << 62) + 10 + first_secs + number * STEP_SECS;
        let _ = writeln!(text, "@{secs:016x}{number:08x} {line}");
    }
    text
}

#[track_caller]
pub fn logdir(home: &Home, arguments: &[&str]) -> Ended {
    let mut command = command(LOGDIR);
    command.args(arguments).current_dir(home.path("")).env_remove("COLUMNS");
    run(command, b"")
}

/// Kinds with their counts.
fn counts(home: &Home, dir: &str) -> BTreeMap<String, u64> {
    let text = String::from_utf8(logdir(home, &["kinds", dir]).stdout).expect("text");
    let row = |line: &str| {
        let (count, rest) = line.trim_start().split_once(' ').expect("a count");
        let (_hash, kind) = rest.split_once(' ').expect("a hash");
        (kind.to_owned(), count.parse().expect("a number"))
    };
    text.lines().map(row).collect()
}

#[test]
fn a_day_of_qmail_has_thirteen_kinds_with_the_counts_of_grep() {
    let home = Home::new();
    let lines = qmail(true);
    put(&home, "qmail", "current", &labelled(1_700_000_000, &lines));
    let kinds = counts(&home, "qmail");
    let number = "[0-9]+";
    let mail = "[a-z0-9.@-]+";
    let patterns = [
        ("new msg #", format!("^new msg {number}$")),
        (
            "info msg #: bytes # from <{mail}> qp # uid #",
            format!("^info msg {number}: bytes {number} from <{mail}> qp {number} uid 7791$"),
        ),
        (
            "starting delivery #: msg # to local {mail}",
            format!("^starting delivery {number}: msg {number} to local {mail}$"),
        ),
        (
            "starting delivery #: msg # to remote {mail}",
            format!("^starting delivery {number}: msg {number} to remote {mail}$"),
        ),
        ("status: local #/# remote #/#", "^status: ".to_owned()),
        ("delivery #: success: did_#+#+#/", "success: did_".to_owned()),
        (
            "delivery #: success: {ip}_accepted_message./Remote_host_said:_#_#_Ok:_queued_as_#/",
            "_accepted_message".to_owned(),
        ),
        (
            "delivery #: deferral: Connected_to_{ip}_but_greeting_failed./",
            "_but_greeting_failed".to_owned(),
        ),
        (
            "delivery #: failure: Sorry,_no_mailbox_here_by_that_name._(##)/",
            "_no_mailbox_".to_owned(),
        ),
        ("bounce msg # qp #", "^bounce msg ".to_owned()),
        ("end msg #", "^end msg ".to_owned()),
        ("warning: unable to stat info/#/#; will try again later", "^warning: ".to_owned()),
        ("delivery #: deferral: Sorry,_message_has_wrong_owner._(##)/", "_wrong_owner".to_owned()),
    ];
    let found: Vec<&String> = kinds.keys().collect();
    assert_eq!(kinds.len(), patterns.len(), "{found:?}");
    home.write("texts", lines.join("\n") + "\n", 0o644);
    for (kind, pattern) in patterns {
        let mut grep = std::process::Command::new("grep");
        let grep = grep.args(["-Ec", &pattern, "texts"]).current_dir(home.path(""));
        let count = String::from_utf8(grep.output().expect("grep").stdout).expect("text");
        let count: u64 = count.trim().parse().expect("a number");
        assert_eq!(kinds.get(kind), Some(&count), "{kind} in {found:?}");
    }
    assert_eq!(kinds.values().sum::<u64>(), LINES as u64);
}

#[test]
fn shuffled_lines_have_equal_kinds() {
    let home = Home::new();
    let mut lines = qmail(true);
    put(&home, "one", "current", &labelled(1_700_000_000, &lines));
    lines.sort_by_key(|line| {
        line.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(16_777_619) ^ u32::from(byte))
    });
    put(&home, "other", "current", &labelled(1_700_000_000, &lines));
    let [one, other] = ["one", "other"].map(|dir| logdir(&home, &["kinds", dir]));
    assert!(!one.stdout.is_empty());
    assert_eq!(String::from_utf8_lossy(&one.stdout), String::from_utf8_lossy(&other.stdout));
}

#[test]
fn objects_have_first_last_and_an_example() {
    let home = Home::new();
    let lines = ["up 1", "down", "up 2"].map(str::to_owned);
    put(&home, "web", "current", &labelled(1_700_000_000, &lines));
    let ended = logdir(&home, &["kinds", "--json", "-v", "down", "web"]);
    let text = String::from_utf8(ended.stdout).expect("text");
    let object: Value = serde_json::from_str(&text).expect("one object");
    assert_eq!(object["kind"], "up #");
    assert_eq!(object["count"], 2);
    assert_eq!(object["first"], "2023-11-14T22:13:20.000000000Z");
    assert_eq!(object["last"], "2023-11-14T22:15:20.000000002Z");
    assert_eq!(object["example"], "up 1");
    logdir(&home, &["kinds", "-g", "no such line", "web"]).check(1, "", "");
    assert_eq!(logdir(&home, &["kinds", "nothing"]).status.code(), Some(2));
}

/// As many lines of each service as show all that varies in them.
#[test]
fn six_services_have_few_kinds_however_many_lines() {
    let home = Home::new();
    let mut all = 0;
    for (name, templates) in services::SERVICES {
        let templates: Vec<&str> = templates.lines().collect();
        let mut dice = services::Dice(1);
        let lines: Vec<String> = (0..20_000).map(|_| dice.line(&templates)).collect();
        put(&home, name, "current", &labelled(1_700_000_000, &lines));
        let kinds = counts(&home, name);
        // Texts to choose from make several kinds of a template.
        let kinds_max = 3 * templates.len() + 10;
        assert!(kinds.len() <= kinds_max, "{name}: {} kinds: {kinds:#?}", kinds.len());
        all += kinds.len();
        assert_eq!(kinds.values().sum::<u64>(), 20_000);
    }
    assert!(all <= 300, "{all} kinds");
}
