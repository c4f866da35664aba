//! `logdir show`: prints lines of log directories, rotated files included, ordered by time.

mod cursors;
mod emit;
mod follow;
mod item;
mod json;
mod kinds;
mod output;
mod pager;
mod progress;
mod settings;
mod starts;

use crate::logdir::choices;
use crate::logdir::doubles::Doubles;
use crate::logdir::filter::Filter;
use crate::logdir::options::{self, JsonForm, Show};
use crate::logdir::tally;
use crate::logdir::trouble::Outcome;
use crate::message;
use ::logdir::failure::Failure;
use ::logdir::read::Notice;
use ::logdir::read::backward::Backward;
use ::logdir::read::cursor::{CursorFile, Position};
use ::logdir::read::delivery::Scope;
use ::logdir::read::find::{self, Found, Location};
use ::logdir::read::merge::{BackwardMerge, Merge};
use ::logdir::read::range_lines::RangeLines;
use ::logdir::read::render::{self, Bytes, Renderer};
use ::logdir::read::snapshot::Snapshot;
use ::logdir::read::stamp::StampParser;
use cursors::Cursors;
use emit::{Emitter, Form};
pub use follow::time_left;
use follow::{Acknowledges, Following, Until};
use item::Item;
use kinds::KindFilter;
use output::Output;
use progress::Progress;
use settings::Settings;
use starts::{First, Starts, firsts_of_last, position_before_range, positions_before};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs the command. `Err` carries the exit code if nothing was printed.
pub fn run(options: Show) -> Result<ExitCode, ExitCode> {
    let settings = Settings::new(options).map_err(|why| options::refuse(&why))?;
    let mut outcome = Outcome::default();
    let (found, failures) = find::find(&settings.options.places.operands());
    outcome.fail(&failures);
    let logs = open_all(found, &settings, &mut outcome);
    if logs.is_empty() {
        return Ok(outcome.exit_code());
    }
    let checked = check_after(&settings, &logs).and_then(|()| Emitter::of(&settings, &logs));
    let shown = checked.and_then(|emitter| {
        show(logs, &settings, emitter, &mut outcome).map_err(|failure| failure.to_string())
    });
    if let Err(why) = shown {
        message::fatal_text(&why);
        outcome.has_trouble = true;
    }
    Ok(outcome.exit_code())
}

struct Log {
    name: String,
    path: PathBuf,
    /// Directory of its service, unless copies of lines are shown.
    service: Option<PathBuf>,
    /// Name of its service in the state of reports.
    service_name: String,
    snapshot: Snapshot,
    stamps: StampParser,
}

/// Opens each directory. Failures are reported and skipped.
fn open_all(found: Vec<Found>, settings: &Settings, outcome: &mut Outcome) -> Vec<Log> {
    let mut logs = Vec::new();
    let services = tally::by_service(&found, false).into_iter();
    let names: Vec<String> =
        services.flat_map(|group| vec![tally::name_of(group); group.len()]).collect();
    for (Found { name, place, service }, service_name) in found.into_iter().zip(names) {
        let (Location::Directory(path) | Location::File(path)) = &place;
        match Snapshot::of_place(&place) {
            Ok(snapshot) => {
                let stamps = choices::stamps(settings.counting, &snapshot);
                let path = path.canonicalize().unwrap_or_else(|_| path.clone());
                let service = service.filter(|_| !settings.options.all);
                logs.push(Log { name, path, service, service_name, snapshot, stamps });
            }
            Err(failure) => outcome.fail(&[failure]),
        }
    }
    logs
}

/// Rejects a cursor without position in any of these logs.
fn check_after(settings: &Settings, logs: &[Log]) -> Result<(), String> {
    match &settings.after {
        Some(word) if logs.iter().all(|log| word.position(&log.path).is_none()) => {
            Err("unable to go on after the cursor: it is that of other directories".to_owned())
        }
        Some(_) | None => Ok(()),
    }
}

impl Emitter {
    /// Emitter for these directories on stdout.
    fn of(settings: &Settings, logs: &[Log]) -> Result<Emitter, String> {
        let options = &settings.options;
        let filter = Filter::new(&options.patterns)?;
        let services: Vec<String> = logs.iter().map(|log| log.service_name.clone()).collect();
        let kinds = KindFilter::of(options, &services)?;
        let form = if settings.json.is_some() {
            let names = |log: &Log| json::Names {
                name: log.name.clone(),
                path: log.path.to_string_lossy().into_owned(),
            };
            Form::Json(logs.iter().map(names).collect())
        } else {
            Form::Text(Box::new(renderer(settings, logs)))
        };
        let has_memory = options.follow || options.cursor.is_some();
        let has_pager = std::io::stdout().is_terminal() && !options.no_pager && !has_memory;
        let output = if has_pager { Output::with_pager() } else { Output::Direct };
        let progress = if options.follow { None } else { Progress::wanted() };
        let mut emitter =
            Emitter::new(form, filter, kinds, doubles(logs), settings.context, output, progress);
        let count = if options.reverse { options.lines } else { options.head };
        emitter.set_limit(count.map(|count| count as u64));
        Ok(emitter)
    }
}

/// Compares the lines of directories of one service.
fn doubles<T>(logs: &[Log]) -> Doubles<T> {
    let services: Vec<_> = logs.iter().map(|log| log.service.as_ref()).collect();
    Doubles::new(&services)
}

fn renderer(settings: &Settings, logs: &[Log]) -> Renderer {
    let is_terminal = std::io::stdout().is_terminal();
    let bytes =
        if is_terminal && !settings.options.raw { Bytes::Escaped } else { Bytes::AsTheyAre };
    let prefix = |log: &Log| match logs.len() {
        1 => Vec::new(),
        _ => render::prefix(&log.name, settings.colours),
    };
    let prefixes = logs.iter().map(prefix).collect();
    Renderer::new(settings.format, bytes, settings.colours, prefixes, settings.now)
}

fn show(
    logs: Vec<Log>,
    settings: &Settings,
    mut emitter: Emitter,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let options = &settings.options;
    let shown = if options.follow || options.cursor.is_some() || settings.after.is_some() {
        follow(&logs, settings, &mut emitter, outcome)
    } else if options.reverse {
        show_backward(&logs, settings, &mut emitter, outcome)
    } else {
        show_forward(&logs, settings, &mut emitter, outcome)
    };
    outcome.has_found = emitter.found_count() > 0;
    shown
}

fn show_forward(
    logs: &[Log],
    settings: &Settings,
    emitter: &mut Emitter,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let sources = sources(logs, settings, emitter, outcome)?;
    let (numbers, sources): (Vec<usize>, Vec<RangeLines>) = sources
        .into_iter()
        .enumerate()
        .filter_map(|(number, source)| Some((number, source?)))
        .unzip();
    let mut merge = Merge::new(sources);
    emitter.begin(|| merge.left_len());
    while !emitter.is_complete() && merge.advance() {
        let source = merge.source();
        emitter.take(Item {
            number: numbers[merge.number()],
            line: source.line(),
            stamp: source.stamp(),
            moment: source.moment(),
            place: source.place(),
            chain: Some(source.chain()),
            others: &[],
        })?;
        let line_len = source.line().bytes.len();
        if emitter.is_due(line_len) && !emitter.look(|| merge.left_len())? {
            break;
        }
    }
    emitter.finish()?;
    for (number, source) in numbers.iter().zip(merge.sources_mut()) {
        tell(outcome, &logs[*number].name, source.take_notices(), emitter);
    }
    Ok(())
}

/// Line iterators from each directory's first wanted line; empty if none match. Also enables
/// cursors for JSON.
fn sources(
    logs: &[Log],
    settings: &Settings,
    emitter: &mut Emitter,
    outcome: &mut Outcome,
) -> Result<Vec<Option<RangeLines>>, Failure> {
    let range = settings.range;
    Ok(match settings.options.lines {
        None => {
            let positions =
                || logs.iter().map(|log| position_before_range(log, range)).collect::<Vec<_>>();
            give_cursors(emitter, logs, settings, positions);
            let source = |log: &Log| RangeLines::new(&log.snapshot, log.stamps.clone(), range);
            logs.iter().map(|log| Some(source(log))).collect()
        }
        Some(count) => {
            let firsts = firsts_of_last(logs, settings, count, emitter, outcome)?;
            give_cursors(emitter, logs, settings, || positions_before(logs, settings, &firsts));
            let source = |(first, log): (Option<First>, &Log)| {
                let (place, moment) = first?;
                Some(RangeLines::from(&log.snapshot, log.stamps.clone(), range, &place, moment))
            };
            firsts.into_iter().zip(logs).map(source).collect()
        }
    })
}

fn show_backward(
    logs: &[Log],
    settings: &Settings,
    emitter: &mut Emitter,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let mut merge = backward(logs, settings);
    emitter.begin(|| merge.left_len());
    while !emitter.is_complete() && merge.advance() {
        let (number, source) = merge.source();
        let (line, stamp, place) = (source.line(), source.stamp(), source.place());
        let (moment, others) = (source.moment(), &[]);
        emitter.take(Item { number, line, stamp, moment, place, chain: None, others })?;
        let line_len = line.bytes.len();
        if emitter.is_due(line_len) && !emitter.look(|| merge.left_len())? {
            break;
        }
    }
    emitter.finish()?;
    tell_all(&mut merge, logs, emitter, outcome);
    Ok(())
}

fn backward(logs: &[Log], settings: &Settings) -> BackwardMerge {
    let backward = |log: &Log| Backward::new(&log.snapshot, log.stamps.clone(), settings.range);
    BackwardMerge::new(logs.iter().map(backward).collect())
}

fn follow(
    logs: &[Log],
    settings: &Settings,
    emitter: &mut Emitter,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let options = &settings.options;
    let cursor = options.cursor.as_deref().map(CursorFile::open).transpose()?;
    let known = |log: &Log| match (&cursor, &settings.after) {
        (Some(cursor), _) => cursor.position(&log.path).cloned(),
        (None, after) => after.as_ref()?.position(&log.path).cloned(),
    };
    let known: Vec<Option<Position>> = logs.iter().map(known).collect();
    let starts = match known.iter().any(Option::is_some) {
        true => Starts::behind(known, logs, settings, emitter, outcome)?,
        false => Starts::afresh(logs, settings, emitter, outcome)?,
    };
    give_cursors(emitter, logs, settings, || starts.positions.clone());
    emitter.set_skip_count(starts.skip_count);
    let acknowledges = if cursor.is_some() { Acknowledges::Written } else { Acknowledges::Taken };
    let (until, scope) = match options.follow {
        true => (Until::Asked, Scope::Endless),
        false => (Until::Done, Scope::Existing),
    };
    let mut report = |number: usize, notices: Vec<Notice>, emitter: &mut Emitter| {
        tell(outcome, &logs[number].name, notices, emitter);
    };
    Following {
        follow: starts::follow(&starts.positions, logs, cursor, scope),
        emitter,
        range: settings.range,
        acknowledges,
        until,
        report: &mut report,
    }
    .run()
}

/// Enables cursors for JSON objects.
fn give_cursors(
    emitter: &mut Emitter,
    logs: &[Log],
    settings: &Settings,
    positions: impl FnOnce() -> Vec<Position>,
) {
    if settings.json == Some(JsonForm::Cursor) {
        let paths = logs.iter().map(|log| log.path.clone());
        emitter.set_cursors(Cursors::new(paths.zip(positions())));
    }
}

fn tell_all(merge: &mut BackwardMerge, logs: &[Log], emitter: &mut Emitter, outcome: &mut Outcome) {
    for (log, source) in logs.iter().zip(merge.sources_mut()) {
        tell(outcome, &log.name, source.take_notices(), emitter);
    }
}

/// Reports notices with moments in the output format.
fn tell(outcome: &mut Outcome, name: &str, notices: Vec<Notice>, emitter: &mut Emitter) {
    if notices.is_empty() {
        return;
    }
    emitter.be_quiet();
    let mut plain = render::Moments::utc();
    outcome.notice(name, notices, |moment| match emitter.form() {
        Form::Text(renderer) => renderer.moment(moment),
        Form::Json(_) => plain.text(moment),
    });
}
