//! `logdir show`, beside the multilog under test and the other writers of the family.

use crate::filters::{Ended, TAI64NLOCAL, command, run};
use crate::support::{Home, numbers};
use std::fmt::Write;
use std::fs;
use std::path::Path;

pub const LOGDIR: &str = env!("CARGO_BIN_EXE_logdir");

/// Runs `logdir show` in a directory, in universal time.
#[track_caller]
fn show(home: &Home, arguments: &[&str]) -> Ended {
    let mut command = command(LOGDIR);
    command.arg("show").args(arguments).current_dir(home.path(""));
    run(command, b"")
}

/// A line a second, from 1700000000 on.
pub fn stamped(first: u64, last: u64) -> String {
    let mut lines = String::new();
    for number in first..=last {
        let _ = writeln!(
            lines,
            "@{:016x}{number:08x} {number}",
            (1 << 62) + 10 + 1_700_000_000 + number
        );
    }
    lines
}

/// What names an archive that was finished with this line.
pub fn archive(number: u64, code: char) -> String {
    format!("@{:016x}00000000.{code}", (1_u64 << 62) + 10 + 1_700_000_000 + number)
}

fn put(home: &Home, dir: &str, name: &str, contents: &str) {
    fs::create_dir_all(home.path(dir)).expect("a log directory");
    home.write(Path::new(dir).join(name), contents, 0o744);
}

#[test]
fn all_of_a_directory_is_what_tai64nlocal_makes_of_it() {
    let home = Home::new();
    home.run(&["t", "s4096", "n100", "./main"], &numbers(1, 5000)).check(0, "");
    let expected = run(command(TAI64NLOCAL), &home.contents("main"));
    show(&home, &["main"]).check(0, &expected.stdout, "");
    show(&home, &["--raw", "main"]).check(0, home.contents("main"), "");
}

#[test]
fn several_directories_come_in_order_of_time_with_their_names() {
    let home = Home::new();
    put(&home, "a/log/main", "current", &(stamped(1, 1) + "more\n" + &stamped(4, 4)));
    put(&home, "b", &archive(3, 's'), &stamped(2, 3));
    put(&home, "b", "current", &stamped(4, 5));
    let texts = |ended: Ended| {
        let lines = String::from_utf8(ended.stdout).expect("text");
        let text = |line: &str| {
            let (name, rest) = line.split_once(": ").expect("a name");
            format!("{name}{}", rest.rsplit(' ').next().unwrap_or_default())
        };
        lines.lines().map(text).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(texts(show(&home, &["a", "b"])), "a1 amore b2 b3 a4 b4 b5");
    assert_eq!(texts(show(&home, &["b", "a"])), "a1 amore b2 b3 b4 a4 b5");
    assert_eq!(texts(show(&home, &["."])), "a1 amore b2 b3 a4 b4 b5");
    assert_eq!(texts(show(&home, &["[ab]"])), "a1 amore b2 b3 a4 b4 b5");
}

#[test]
fn a_range_is_what_lies_in_it_and_says_what_is_missing() {
    let home = Home::new();
    for start in (100..1000).step_by(100) {
        put(&home, "main", &archive(start + 99, 's'), &stamped(start, start + 99));
    }
    put(&home, "main", "current", &stamped(1000, 1049));
    let range = |since: &str, until: &str| {
        show(&home, &["--raw", "--since", since, "--until", until, "main"])
    };
    range("@1700000150", "@1700000350").check(0, stamped(150, 349), "");
    range("2023-11-14 22:20:00", "2023-11-14T22:20:01Z").check(0, stamped(400, 400), "");
    range("@1700000999", "now").check(0, stamped(999, 1049), "");
    range("@1700002000", "now").check(1, "", "");
    let oldest =
        "logdir: warning: main: there is nothing from before 2023-11-14 22:15:00.000000100\n";
    range("@1700000000", "@1700000101").check(
        0,
        stamped(100, 100),
        &oldest.replace("main", &name_of(&home)),
    );
}

/// What a directory `main` is called by: that above it.
fn name_of(home: &Home) -> String {
    let path = home.path("");
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

#[test]
fn a_line_over_several_files_is_one_and_a_torn_one_is_told() {
    let home = Home::new();
    let label = stamped(1, 1).split(' ').next().expect("a label").to_owned();
    put(&home, "main", &archive(1, 's'), &format!("{label} begin"));
    put(&home, "main", &archive(2, 's'), " and");
    put(&home, "main", &archive(3, 's'), " end\nnext");
    put(&home, "main", &archive(4, 's'), &stamped(5, 5));
    put(&home, "main", &archive(5, 'u'), "torn");
    put(&home, "main", "current", "last");
    let expected = format!("{label} begin and end\nnext\n{}torn\nlast\n", stamped(5, 5));
    let name = name_of(&home);
    let torn = |byte: usize, number: u64, code: char| {
        let file = archive(number, code);
        format!(
            "logdir: warning: {name}: the line at byte {byte} of {file} is torn: its writer was interrupted\n"
        )
    };
    let told = torn(5, 3, 's') + &torn(0, 5, 'u');
    show(&home, &["--raw", "main"]).check(0, expected, &told);
}

#[test]
fn what_cannot_be_found_or_understood_is_trouble() {
    let home = Home::new();
    home.make_dir("empty");
    show(&home, &["nowhere"]).check(
        2,
        "",
        "logdir: warning: unable to read nowhere: file does not exist\n",
    );
    show(&home, &["empty"]).check(
        2,
        "",
        "logdir: warning: unable to find a log directory in empty\n",
    );
    show(&home, &["--since", "soon"]).check(
        2,
        "",
        "logdir: fatal: unable to understand the time soon\n",
    );
}
