//! `logdir check`: finds damage in directories, explains it and gives advice.

mod meaning;

use crate::logdir::options::Check;
use crate::logdir::trouble::Outcome;
use crate::logdir::{choices, failing, figures, table};
use crate::message;
use ::logdir::failure::Failure;
use ::logdir::label::Counting;
use ::logdir::read::examine::{self, Finding, Findings, Kind};
use ::logdir::read::find::{self, Found};
use ::logdir::read::reported;
use ::logdir::read::snapshot::Snapshot;
use ::logdir::read::stamp::Moment;
use ::logdir::read::writer;
use serde::Serialize;
use std::process::ExitCode;

/// Maximum files listed per kind of finding; `--json` lists all.
const LISTED_MAX: usize = 10;
/// Indentation of explanations.
const INDENT: usize = 10;

/// Runs the command. `Err` carries the exit code if nothing was read.
pub fn run(options: &Check) -> Result<ExitCode, ExitCode> {
    let counting = choices::counting(&options.labels);
    // Success means no findings.
    let mut outcome = Outcome { has_found: true, ..Outcome::default() };
    let (found, failures) = find::find(&options.places.operands());
    outcome.fail(&failures);
    for found in &found {
        match examine(found, counting, choices::now()) {
            Ok(findings) => {
                let is_sound = findings.all.is_empty() && findings.failures.is_empty();
                outcome.has_found &= is_sound;
                let text = match options.json {
                    true => json(&found.name, &findings),
                    false => words(&found.name, &findings, table::width()),
                };
                outcome.has_trouble |= !message::print(&text);
                outcome.fail(&findings.failures);
            }
            Err(failure) => outcome.fail(&[failure]),
        }
    }
    Ok(outcome.exit_code())
}

fn examine(found: &Found, counting: Option<Counting>, now: Moment) -> Result<Findings, Failure> {
    let snapshot = Snapshot::of_place(&found.place)?;
    let writer = writer::of_place(&found.place, &snapshot.directory)?;
    let stamps = choices::stamps(counting, &snapshot);
    let mut findings = examine::examine(&snapshot, &stamps, writer, now);
    findings.failures.extend(writer::unseen(&snapshot.directory, writer));
    let state = reported::reported(&snapshot.directory, writer).state;
    for failing in state.as_ref().map(failing::lasting).unwrap_or_default() {
        findings.add_here(Kind::Failing, failing);
    }
    Ok(findings)
}

/// Text report: each kind of finding with files and explanation.
fn words(name: &str, findings: &Findings, width: usize) -> String {
    let name = table::shown(name);
    let lines = figures::count(findings.line_count as f64);
    if findings.all.is_empty() {
        return match findings.failures.is_empty() {
            true => format!("{name}: sound, {lines} lines\n"),
            false => format!("{name}: nothing found in what could be read, {lines} lines\n"),
        };
    }
    let mut text = String::new();
    for group in findings.all.chunk_by(|one, other| one.kind == other.kind) {
        append_group(&name, group, width, &mut text);
    }
    if findings.more_count > 0 {
        text += &format!("{name}: and {} more\n", findings.more_count);
    }
    text
}

fn append_group(name: &str, group: &[Finding], width: usize, text: &mut String) {
    let meaning = meaning::of(group[0].kind);
    *text += &format!("{name}: {}\n", meaning.what);
    for finding in group.iter().take(LISTED_MAX) {
        *text += &format!("  {}\n", place(finding));
    }
    if group.len() > LISTED_MAX {
        *text += &format!("  and {} more\n", group.len() - LISTED_MAX);
    }
    append_wrapped("  means", meaning.means, width, text);
    append_wrapped("  do", meaning.todo, width, text);
}

fn place(finding: &Finding) -> String {
    let mut place = match finding.file.as_slice() {
        b"" => "the directory itself".to_owned(),
        file => table::shown(&String::from_utf8_lossy(file)),
    };
    if let Some(offset) = finding.offset {
        place += &format!(", byte {offset}");
    }
    if !finding.detail.is_empty() {
        place += &format!(": {}", finding.detail);
    }
    place
}

/// Appends wrapped words after a title.
fn append_wrapped(title: &str, words: &str, width: usize, text: &mut String) {
    let mut line = format!("{title:<INDENT$}");
    let mut is_empty = true;
    for word in words.split_whitespace() {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > width {
            *text += &line;
            text.push('\n');
            line = " ".repeat(INDENT);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line += word;
        is_empty = false;
    }
    *text += &line;
    text.push('\n');
}

#[derive(Serialize)]
struct Object<'a> {
    name: &'a str,
    finding: &'static str,
    file: String,
    offset: Option<u64>,
    detail: &'a str,
}

fn json(name: &str, findings: &Findings) -> String {
    let object = |finding: &Finding| {
        choices::json_line(&Object {
            name,
            finding: meaning::of(finding.kind).word,
            file: String::from_utf8_lossy(&finding.file).into_owned(),
            offset: finding.offset,
            detail: &finding.detail,
        })
    };
    findings.all.iter().map(object).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_put_into_lines_that_fit() {
        let mut text = String::new();
        append_wrapped("  do", "one two three", 17, &mut text);
        assert_eq!(text, "  do      one two\n          three\n");
        text.clear();
        append_wrapped("  do", "oneandonly two", 12, &mut text);
        assert_eq!(text, "  do      oneandonly\n          two\n");
    }

    #[test]
    fn findings_of_a_kind_are_explained_once() {
        let finding = |number: usize| Finding {
            kind: Kind::Empty,
            file: format!("@{number}").into_bytes(),
            offset: None,
            detail: String::new(),
        };
        let findings = Findings { all: (0..12).map(finding).collect(), ..Findings::default() };
        let text = words("web", &findings, 80);
        assert!(text.starts_with("web: empty archives\n  @0\n  @1\n"), "{text}");
        assert!(text.contains("  @9\n  and 2 more\n  means   "), "{text}");
        assert_eq!(text.matches("means").count(), 1, "{text}");
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    }
}
