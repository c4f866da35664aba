//! Pattern languages that 0.76 does not have: `F` and `S` as daemontools-encore documents them, `X` and
//! `f` beside s6-log.

use crate::peers::peer;
use crate::random::{Random, SEED_VARIABLE, seeds};
use crate::support::{Home, is_original};
use std::fs::File;
use std::io::Seek;

const SCRIPT_COUNT: u64 = 60;

/// Runs a script that ends in `./d` and compares what is in it, unless the original is under test,
/// which knows no other languages.
#[track_caller]
fn check(script: &[&str], input: &str, expected: &str) {
    if is_original() {
        eprintln!("skipped: 0.76 has star patterns only");
        return;
    }
    let home = Home::new();
    home.run(&[script, &["./d"]].concat(), input.as_bytes()).check(0, "");
    assert_eq!(String::from_utf8_lossy(&home.read("d/current")), expected, "{script:?}");
}

#[test]
fn fnmatch_patterns_go_back_where_star_patterns_do_not() {
    check(&["F", "-*ab"], "ab\naab\nabc\n", "abc\n");
    check(&["-*ab"], "ab\naab\nabc\n", "aab\nabc\n");
    check(&["F", "-*", "+*fatal*"], "x fatal: y\nfate\nfatal\n", "x fatal: y\nfatal\n");
    check(&["F", "-[0-9]?[!x]"], "1ab\n1ax\nxab\n", "1ax\nxab\n");
}

#[test]
fn patterns_are_what_the_manual_of_encore_says() {
    check(&["-*", "+hello"], "hello\nhello world\n", "hello\n");
    let cleaned = "named[135]: Cleaned cache of 3121 RRs\n";
    check(
        &["-named[*]: Cleaned cache *"],
        &format!("{cleaned}x {cleaned}"),
        &format!("x {cleaned}"),
    );
    // In the order of the page: any character, any string, one of some, three that stand for themselves.
    let lines = "\na\nab\nB\n?\n*\n[\n";
    check(&["F", "-?"], lines, "\nab\n");
    check(&["F", "-*"], lines, "");
    check(&["F", "-[ab]"], lines, "\nab\nB\n?\n*\n[\n");
    check(&["F", "-\\?", "-\\*", "-\\["], lines, "\na\nab\nB\n");
    check(&["F", "-[A-F]"], lines, "\na\nab\n?\n*\n[\n");
    check(&["F", "-[!A-F]"], lines, "\nab\nB\n");
    check(&["F", "-[?*[]"], lines, "\na\nab\nB\n");
    check(&["F", "-[ab]", "S", "-a*"], lines, "\nB\n?\n*\n[\n");
}

#[test]
fn a_language_holds_until_the_next() {
    let lines = "a?\nab\na.\n";
    check(&["F", "-a?", "S"], lines, "");
    check(&["F", "S", "-a?"], lines, "ab\na.\n");
    check(&["X", "-a.", "S", "+a?"], lines, "a?\n");
    check(&["X", "-a\\.", "F", "-a[?]"], lines, "ab\n");
    // Patterns before it stay what they were.
    check(&["-a?", "F"], lines, "ab\na.\n");
}

#[test]
fn an_expression_matches_anywhere_behind_the_stamp() {
    check(&["X", "-b+c"], "abbcd\nac\n", "ac\n");
    check(&["X", "-^b", "-d$"], "abd\nba\nab\n", "ab\n");
    if !is_original() {
        let home = Home::new();
        for stamp in ["t", "T", "Tutc", "Tlocal"] {
            home.run(&[stamp, "X", "-^a$", "-[@:.]", "./d"], b"a\nb\na b\n").check(0, "");
        }
        let logged = String::from_utf8(home.read("d/current")).expect("text");
        let texts: Vec<&str> =
            logged.lines().filter_map(|line| line.split_once(' ')).map(|line| line.1).collect();
        assert_eq!(texts, ["b", "a b"].repeat(4));
    }
}

#[test]
fn an_expression_sees_8192_bytes_of_a_line() {
    let line = |len: usize| format!("{}end\n", "x".repeat(len - 3));
    check(&["X", "-end"], &line(8192), "");
    check(&["X", "-end"], &line(8193), &line(8193));
    // A star pattern beside it still sees 1000, and alerts and status files are what they were.
    check(&["X", "-none", "S", "-*d"], &line(1001), &line(1001));
    check(&["X", "-none", "S", "-*d"], &line(1000), "");
}

#[test]
fn a_bad_expression_is_fatal_before_anything_is_touched() {
    if is_original() {
        return;
    }
    let home = Home::new();
    home.write("input", "a\n", 0o644);
    let mut input = File::open(home.path("input")).expect("the input");
    let mut command = home.command(&["=status", "./d", "X", "-ab)c", "./e"]);
    command.stdin(input.try_clone().expect("the input"));
    let message = "multilog: fatal: unable to understand expression ab)c, byte 3: unopened group\n  \
                   ab)c\n    ^\n";
    home.start(command).wait().check(111, message);
    assert_eq!(input.stream_position().expect("a position"), 0, "nothing is read");
    for name in ["status", "d", "e"] {
        assert!(!home.path(name).exists(), "{name}");
    }
}

#[test]
fn the_rest_is_what_nothing_has_taken() {
    if is_original() {
        return;
    }
    let home = Home::new();
    let script = ["-*", "+b*", "=status", "+*", "-*c", "./some", "f", "./rest", "f", "./none"];
    home.run(&script, b"a\nb\nbc\nc\n").check(0, "");
    assert_eq!(home.read("some/current"), b"a\nb\n");
    assert_eq!(home.read("rest/current"), b"c\n");
    assert_eq!(home.read("none/current"), b"");
    assert!(home.read("status").starts_with(b"bc\n"));
}

/// A script in the words of both: patterns, `f`, directories.
fn any_script(random: &mut Random) -> Vec<String> {
    const EXPRESSIONS: [&str; 16] = [
        "",
        ".*",
        "a",
        "^a",
        "b$",
        "^$",
        "a|b",
        "^(ab|cd)+$",
        "[^abc]",
        "[[:digit:]]",
        "a.c",
        "b{2,3}",
        "\\.",
        "(a|^)[cd]",
        "x?y+z*",
        "[]a]",
    ];
    let mut script = Vec::new();
    for dir in ["./a", "./b", "./c", "./d"] {
        for _ in 0..random.below(4) {
            let sign = random.choose(&["+", "-", "-"]);
            script.push(format!("{sign}{}", random.choose(&EXPRESSIONS)));
            if random.once_in(6) {
                script.push("f".to_owned());
            }
        }
        script.push(dir.to_owned());
    }
    script
}

#[test]
fn expressions_and_the_rest_are_those_of_s6_log() {
    let Some(s6_log) = peer("s6-log") else { return };
    if is_original() {
        return;
    }
    for seed in seeds(SCRIPT_COUNT) {
        let mut random = Random::new(seed);
        let script = any_script(&mut random);
        // Bytes that are no text, and lines longer than a star pattern sees; s6-log knows no NUL.
        let mut lines = Vec::new();
        for _ in 0..200 {
            let len = if random.once_in(20) { 1500 } else { random.below(8) };
            lines.extend(random.text(b"abcd1xyz.] \xe9", len));
            lines.push(b'\n');
        }
        let (ours, theirs) = (Home::in_memory(), Home::in_memory());
        let size = ["s1000000".to_owned()];
        let our_script = [&["X".to_owned()], &size[..], &script].concat();
        ours.run(&our_script, &lines).check(0, "");
        theirs
            .run_of(&s6_log, &[&["--".to_owned()], &size[..], &script].concat(), &lines)
            .check(0, "");
        for dir in ["a", "b", "c", "d"] {
            let current = format!("{dir}/current");
            assert!(
                ours.read(&current) == theirs.read(&current),
                "{dir} differs in {script:?}, {SEED_VARIABLE}={seed}"
            );
        }
    }
}
