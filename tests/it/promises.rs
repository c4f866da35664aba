//! The pages that promise something: every test they name is there, and no row promises anything
//! without one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const COMPAT: &str = include_str!("../../docs/compat.md");
const RELIABILITY: &str = include_str!("../../docs/reliability.md");

/// The heading of the tables whose last column names tests.
const TEST_COLUMN: &str = "test";

/// Every function of the tests, unit tests among them, that is marked as one.
fn tests() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<PathBuf> = Vec::new();
    for pattern in ["src/**/*.rs", "crates/**/*.rs", "tests/**/*.rs"] {
        let found = glob::glob(&root.join(pattern).display().to_string()).expect("a good pattern");
        files.extend(found.flatten());
    }
    let text: Vec<String> =
        files.iter().map(|file| fs::read_to_string(file).expect("a source")).collect();
    let marked = text.iter().flat_map(|text| text.split("#[test]\n").skip(1));
    let name = |behind: &str| Some(behind.split_once("fn ")?.1.split_once('(')?.0.to_owned());
    marked.filter_map(name).collect()
}

/// The rows of the tables that have a column for tests, each with that column.
fn rows(page: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let mut names_tests = false;
    page.lines().filter_map(move |line| {
        let Some(cells) = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')) else {
            names_tests = false;
            return None;
        };
        let last = cells.rsplit('|').next().unwrap_or_default().trim();
        if last == TEST_COLUMN {
            names_tests = true;
            return None;
        }
        (names_tests && !last.trim_matches('-').is_empty()).then_some((line, last))
    })
}

/// What stands between backquotes.
fn names(cell: &'static str) -> impl Iterator<Item = &'static str> {
    cell.split('`').skip(1).step_by(2)
}

#[track_caller]
fn check(page: &'static str, row_count_min: usize) {
    let tests = tests();
    assert!(tests.len() > 100, "{} tests were found", tests.len());
    assert!(rows(page).count() >= row_count_min, "the table was not found");
    for (row, cell) in rows(page) {
        assert!(cell.starts_with("none: ") || names(cell).count() > 0, "no test shows {row}");
        for name in names(cell) {
            assert!(tests.contains(name), "there is no test {name}");
        }
    }
}

#[test]
fn every_promise_has_a_test_that_is_there() {
    check(RELIABILITY, 20);
    // What is promised without a way to show it would be told so, and here it must not.
    assert!(rows(RELIABILITY).all(|(_, cell)| !cell.starts_with("none")));
}

#[test]
fn every_difference_has_a_test_that_is_there() {
    check(COMPAT, 40);
}
