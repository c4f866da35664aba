//! `--explain` on scripts, as golden files: `NAME.script` with an argument a line, `NAME.in` for stdin,
//! `NAME.out` for what is told. `MULTILOG_GOLDEN=write` writes the last anew, to be read before it is
//! kept.

use crate::support::{Home, is_original};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

fn scripts() -> Vec<PathBuf> {
    let pattern = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/explain/*.script");
    glob::glob(pattern).expect("a good pattern").map(|path| path.expect("readable")).collect()
}

fn check(script: &Path) {
    let home = Home::new();
    let text = fs::read_to_string(script).expect("a script");
    let arguments: Vec<&str> = ["--explain"].into_iter().chain(text.lines()).collect();
    let mut command = home.command(&arguments);
    command.stdout(File::create(home.path("stdout")).expect("a file"));
    let input = fs::read(script.with_extension("in")).unwrap_or_default();
    let ended = home.start(command).feed_and_end(&input);
    let told = String::from_utf8(home.read("stdout")).expect("text for a terminal");
    let golden = script.with_extension("out");
    if std::env::var_os("MULTILOG_GOLDEN").is_some() {
        fs::write(&golden, &told).expect("written anew");
    }
    let expected = fs::read_to_string(&golden).expect("a golden file");
    assert_eq!(told, expected, "{}", script.display());
    let code = if expected.lines().any(|line| line.starts_with("warning: ")) { 100 } else { 0 };
    ended.check(code, "");
    let names = home.names(".");
    assert_eq!(names, ["stderr", "stdout"], "nothing is opened");
}

#[test]
fn scripts_are_explained_as_in_the_golden_files() {
    if is_original() {
        eprintln!("skipped: to 0.76 --explain is a pattern");
        return;
    }
    let scripts = scripts();
    assert!(scripts.len() > 10, "the golden files are there");
    scripts.iter().for_each(|script| check(script));
}

/// What a script says it takes on disk at most, directory by directory.
fn bytes_on_disk(script: &str) -> Vec<u64> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/explain").join(script);
    let told = fs::read_to_string(golden.with_extension("out")).expect("a golden file");
    let number = |line: &str| -> Option<u64> {
        let (_, rest) = line.split_once(", at most ")?;
        rest.split(' ').next().map(|number| number.parse().expect("a number"))
    };
    told.lines().filter_map(number).collect()
}

#[test]
fn the_bytes_on_disk_are_those_of_the_files_there_can_be() {
    // n counts `current`; while the next archive gets its name there is one more: 21 and 11 files.
    assert_eq!(bytes_on_disk("mail"), [21 * 1_000_000, 11 * 100_000]);
    // s1m n5 S2500k: archives of 2500 KiB, the next one, `current`. Without S: 6 files of 1 MiB. s4096
    // S5000, where n1000 would allow more: archives of 5000 bytes, the next one, `current`.
    let expected = [2500 * 1024 + 2 * 1_048_576, 6 * 1_048_576, 5000 + 2 * 4096];
    assert_eq!(bytes_on_disk("settings"), expected);
    // n2 s5000 S3k: less than a file, and one stays in any case.
    assert_eq!(bytes_on_disk("wrong-stamp-second"), [3 * 5000]);
}

#[test]
fn the_mail_script_is_the_one_we_deliver() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let run = fs::read_to_string(root.join("run-scripts/qmail-send/log/run")).expect("a script");
    let (_, arguments) = run.split_once("exec setuidgid qmaill multilog ").expect("its command");
    let print = format!("printf '%s\\n' {arguments}");
    let printed = Command::new("sh").args(["-c", &print]).output().expect("sh");
    let golden = fs::read(root.join("tests/fixtures/explain/mail.script")).expect("a script");
    assert_eq!(String::from_utf8_lossy(&printed.stdout), String::from_utf8_lossy(&golden));
}

#[test]
fn a_script_that_cannot_be_explained_is_fatal() {
    if is_original() {
        return;
    }
    let home = Home::new();
    let message = "multilog: fatal: unable to understand expression a(b, byte 2: unclosed group\n  \
                   a(b\n   ^\n";
    home.run(&["--explain", "./d", "X", "-a(b", "./e"], b"").check(111, message);
    let mut command = home.command(&["--explain", "./d"]);
    command.stdout(File::options().write(true).open("/dev/full").expect("a full device"));
    assert_eq!(home.start(command).feed_and_end(b"").status.code(), Some(111));
    assert_eq!(home.names("."), ["stderr"], "nothing is opened");
}

#[test]
fn explain_is_the_first_argument_only() {
    if is_original() {
        return;
    }
    let home = Home::new();
    home.run(&["./d", "--explain", "./e"], b"-explain\na\n").check(0, "");
    assert_eq!(home.read("d/current"), b"-explain\na\n");
    assert_eq!(home.read("e/current"), b"a\n");
}
