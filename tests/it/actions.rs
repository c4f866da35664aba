//! Every action has an example here that does what the manual says, and a place in the manual.

use crate::support::{Home, is_original};
use multilog::script::{self, Action};
use std::ffi::OsString;
use std::fs::File;

/// How the manual names an action. A new one does not compile without a line here.
fn manual_tag(action: &Action) -> &'static str {
    match action {
        Action::Select(_) => "Cm + Ns Ar pattern",
        Action::Deselect(_) => "Cm - Ns Ar pattern",
        Action::SelectRest => "Cm f",
        Action::Alert => "Cm e",
        Action::Stdout => "Cm 1",
        Action::Status(_) => "Cm = Ns Ar file",
        Action::Log(_) => "Pa ./dir , Pa /dir",
    }
}

/// What becomes of the lines `a`, `b` and an escape, unstamped.
struct Example {
    script: &'static [&'static str],
    stdout: &'static [u8],
    stderr: &'static [u8],
    current: &'static [u8],
}

const INPUT: &[u8] = b"a\nb\n\x1b\n";

const EXAMPLES: [Example; 9] = [
    example(&["-b", "./d"], b"", b"", b"a\n\x1b\n"),
    example(&["-*", "+b", "./d"], b"", b"", b"b\n"),
    example(&["-*", "+b", "e", "f", "./d"], b"", b"b\n", b"a\n\x1b\n"),
    example(&["1", "-*", "+a", "./d"], INPUT, b"", b"a\n"),
    example(&["F", "-[!ab]", "./d"], b"", b"", b"a\nb\n"),
    example(&["X", "-^(a|b)$", "S", "-b", "./d"], b"", b"", b"\x1b\n"),
    example(&["px", "c", "1", "-[ab]", "./d"], b"x a\nx b\nx \\x1b\n", b"", b"x a\nx b\nx \\x1b\n"),
    example(&["E0", "-*", "+a", "e", "=status"], b"", b"a\n", b""),
    example(&["^0", "-*", "+b", "=status", "./d"], b"", b"", b"b\n"),
];

const fn example(
    script: &'static [&'static str],
    stdout: &'static [u8],
    stderr: &'static [u8],
    current: &'static [u8],
) -> Example {
    Example { script, stdout, stderr, current }
}

#[test]
fn every_action_works_and_stands_in_the_manual() {
    if is_original() {
        eprintln!("skipped: 0.76 has some of them only");
        return;
    }
    let manual = include_str!("../../docs/multilog.8");
    let mut shown = Vec::new();
    for Example { script, stdout, stderr, current } in EXAMPLES {
        let arguments: Vec<OsString> = script.iter().map(OsString::from).collect();
        let (parsed, ignored) = script::parse(&arguments).expect("a good script");
        assert!(ignored.is_empty(), "{script:?}");
        shown.extend(parsed.actions.iter().map(manual_tag));
        let home = Home::new();
        let mut command = home.command(script);
        command.stdout(File::create(home.path("stdout")).expect("a file"));
        let ended = home.start(command).feed_and_end(INPUT);
        assert_eq!(ended.status.code(), Some(0), "{script:?}");
        let expected = [stdout, stderr, current];
        let found = [home.read("stdout"), ended.stderr, home.read("d/current")];
        assert_eq!(found, expected.map(<[u8]>::to_vec), "{script:?}");
    }
    shown.sort_unstable();
    shown.dedup();
    assert_eq!(shown.len(), 7, "every action has an example");
    for letter in ["T", "Tutc", "Tlocal", "F", "X", "S", "c"] {
        assert!(manual.contains(&format!("\n.It Cm {letter}\n")), "{letter} is in the manual");
    }
    for tag in shown.into_iter().chain(["Cm p Ns Ar text", "Cm E Ns Ar size", "Cm ^ Ns Ar size"]) {
        assert!(manual.contains(&format!("\n.It {tag}\n")), "{tag} is in the manual");
    }
}
