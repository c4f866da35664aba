//! `logdir kinds`: the kinds of lines, each with its count.

mod follow;

use crate::logdir::filter::Filter;
use crate::logdir::options::{self, KindsOptions};
use crate::logdir::tally::{self, Reading, Tally, Task};
use crate::logdir::trouble::Outcome;
use crate::logdir::when::Now;
use crate::logdir::{choices, figures};
use crate::message;
use ::kinds::{Kind, KindHash};
use ::logdir::escape;
use ::logdir::read::find;
use ::logdir::read::stamp::Moment;
use ::logdir::time::Zone;
use serde::Serialize;
use std::fmt::Write as _;
use std::process::ExitCode;

/// Runs the command. `Err` carries the exit code if nothing was read.
pub fn run(options: &KindsOptions) -> Result<ExitCode, ExitCode> {
    let refuse = |why: String| options::refuse(&why);
    let filter = Filter::new(&options.lines.patterns).map_err(refuse)?;
    let counting = choices::counting(&options.labels);
    let range = choices::range(&options.lines.span, options.follow, Now::local(), counting)
        .map_err(refuse)?;
    let mut outcome = Outcome::default();
    let (found, failures) = find::find(&options.places.operands());
    outcome.fail(&failures);
    if options.follow {
        let reading = Reading { filter: &filter, counting, zone: Zone::Local };
        if let Err(failure) = follow::run(options, &found, range, &reading, &mut outcome) {
            outcome.fail(&[failure]);
        }
        return Ok(outcome.exit_code());
    }
    let services = tally::by_service(&found, options.lines.all);
    let tasks: Vec<Task<'_>> = services.iter().map(|found| Task { found, range }).collect();
    let reading = Reading { filter: &filter, counting, zone: Zone::Local };
    let tallies = tally::count_all(&tasks, &reading);
    outcome.has_found = tallies.iter().any(|tally| tally.lines > 0);
    let mut text = String::new();
    for (found, tally) in services.iter().zip(&tallies) {
        let name = tally::name_of(found);
        match options.json {
            true => append_json(&name, tally, |_, _| true, &mut text),
            false => append_rows(services.len() > 1, &name, tally, |_, _| true, &mut text),
        }
    }
    outcome.has_trouble |= !message::print(&text);
    tallies.iter().for_each(|tally| tally.tell(&mut outcome));
    Ok(outcome.exit_code())
}

/// Appends the kinds that `is_wanted` chooses by hash and count.
fn append_rows(
    has_names: bool,
    name: &str,
    tally: &Tally,
    mut is_wanted: impl FnMut(KindHash, u64) -> bool,
    text: &mut String,
) {
    let prefix =
        if has_names { format!("{}: ", escape::shown(name.as_bytes())) } else { String::new() };
    for (hash, kind) in tally.kinds.sorted() {
        if is_wanted(hash, kind.count) {
            // Writing to a string cannot fail.
            let _ =
                writeln!(text, "{:>8} {hash} {prefix}{}", kind.count, escape::shown(&kind.text));
        }
    }
    let other_count = tally.kinds.other_count();
    if other_count > 0 {
        let _ = writeln!(text, "{other_count:>8} {:<16} {prefix}(lines of further kinds)", "-");
    }
}

/// JSON of a kind. Times are RFC 3339 in UTC.
#[derive(Serialize)]
struct Object<'a> {
    name: &'a str,
    #[serde(flatten)]
    kind: KindObject,
}

/// A kind in JSON. Times are RFC 3339 in UTC.
#[derive(Serialize)]
pub struct KindObject {
    hash: String,
    kind: String,
    count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<u64>,
    first: Option<String>,
    last: Option<String>,
    example: String,
}

/// A kind, and its earlier count if known.
pub fn object(hash: KindHash, kind: &Kind<Moment>, before: Option<u64>) -> KindObject {
    KindObject {
        hash: hash.to_string(),
        kind: escape::shown(&kind.text),
        count: kind.count,
        before,
        first: kind.first.and_then(figures::rfc3339),
        last: kind.last.and_then(figures::rfc3339),
        example: escape::shown(&kind.example),
    }
}

fn append_json(
    name: &str,
    tally: &Tally,
    mut is_wanted: impl FnMut(KindHash, u64) -> bool,
    text: &mut String,
) {
    for (hash, kind) in
        tally.kinds.sorted().into_iter().filter(|(hash, kind)| is_wanted(*hash, kind.count))
    {
        *text += &choices::json_line(&Object { name, kind: object(hash, kind, None) });
    }
}
