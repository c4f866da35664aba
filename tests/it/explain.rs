//! `--explain` on scripts, as golden files: `NAME.script` with an argument a line, `NAME.in` for stdin,
//! `NAME.out` for what is told. `MULTILOG_GOLDEN=write` writes the last anew, to be read before it is
//! kept.

use crate::support::{Home, is_original};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

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
