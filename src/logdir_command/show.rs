//! `logdir show`: the lines of log directories, old files included, in order of time.

mod emit;
mod follow;
mod json;

use crate::diag::{self, Failure};
use crate::label::Counting;
use crate::logdir_command::choices;
use crate::logdir_command::filter::Filter;
use crate::logdir_command::trouble::Outcome;
use crate::reader::Notice;
use crate::reader::backward::{Backward, BackwardMerge};
use crate::reader::chain::Snapshot;
use crate::reader::cursor::Cursor;
use crate::reader::find::{self, Found, Where};
use crate::reader::follow::{Follower, Start};
use crate::reader::lines::Place;
use crate::reader::live::Live;
use crate::reader::merge::Merge;
use crate::reader::range::{self, Range};
use crate::reader::render::{self, Bytes, Colours, Format, Renderer, Zone};
use crate::reader::source::Source;
use crate::reader::stamp::{Moment, Stamps};
use argh::FromArgs;
use emit::{Emitter, Form, Item};
use follow::{Following, Until};
use jiff::Zoned;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

const PROGRAM: &str = "logdir show";
const HELP: &str = "\
Usage: logdir show [option...] [dir...]

Writes the lines of log directories, old files included, in order of time.

  --since TIME    from this time on: 2026-11-21 02:10, 02:10, today, yesterday,
                  -2h, with UTC behind it, or a label
  --until TIME    before this time
  -n COUNT        the last lines only
  -r              the last line first
  -f              wait for more; the last ten lines first, unless told otherwise
  --cursor FILE   go on behind what was shown with this file the last time
  --grep PATTERN  lines that match, and --not PATTERN those that do not
  -C COUNT        with so many lines around each
  --utc           give universal instead of local time
  --format FORM   local, utc, rfc3339, relative, delta or raw
  --raw           give lines as they are, also to a terminal
  --json          give JSON objects
  --label COUNT   labels count 10 (daemontools) or leap (s6); auto finds out
  --help          show this text
";
const VALUED: [&str; 9] =
    ["--since", "--until", "--format", "--label", "--grep", "--not", "--cursor", "-n", "-C"];
/// Lines that are shown before one waits for more.
const FOLLOW_COUNT: usize = 10;

/// Shows lines.
#[derive(FromArgs)]
struct Options {
    /// from this time on
    #[argh(option)]
    since: Option<String>,
    /// before this time
    #[argh(option)]
    until: Option<String>,
    /// the last lines only
    #[argh(option, short = 'n')]
    lines: Option<usize>,
    /// the last line first
    #[argh(switch, short = 'r')]
    reverse: bool,
    /// wait for more
    #[argh(switch, short = 'f')]
    follow: bool,
    /// where it is kept how far lines were shown
    #[argh(option)]
    cursor: Option<PathBuf>,
    /// lines that match
    #[argh(option)]
    grep: Vec<String>,
    /// lines that do not match
    #[argh(option)]
    not: Vec<String>,
    /// lines around each match
    #[argh(option, short = 'C', default = "0")]
    context: usize,
    /// give universal instead of local time
    #[argh(switch)]
    utc: bool,
    /// form of the time
    #[argh(option)]
    format: Option<String>,
    /// lines as they are
    #[argh(switch)]
    raw: bool,
    /// JSON objects
    #[argh(switch)]
    json: bool,
    /// how labels are counted
    #[argh(option, default = "String::from(\"auto\")")]
    label: String,
}

/// Runs the command.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    let (options, operands): (Options, _) = match choices::read(PROGRAM, HELP, &VALUED, arguments) {
        Ok(read) => read,
        Err(code) => return code,
    };
    let settings = match Settings::new(options) {
        Ok(settings) => settings,
        Err(why) => return choices::refuse(&why),
    };
    let mut outcome = Outcome::default();
    let (found, failures) = find::find(&operands);
    outcome.fail(&failures);
    let logs = open_all(found, &settings, &mut outcome);
    if logs.is_empty() {
        return outcome.exit_code();
    }
    let shown = Emitter::of(&settings, &logs).and_then(|emitter| {
        show(logs, &settings, emitter, &mut outcome).map_err(|failure| failure.to_string())
    });
    if let Err(why) = shown {
        diag::fatal_text(&why);
        outcome.has_trouble = true;
    }
    outcome.exit_code()
}

/// The options, understood.
struct Settings {
    options: Options,
    range: Range,
    format: Format,
    /// None where it has to be found out.
    counting: Option<Counting>,
    now: Moment,
}

impl Settings {
    fn new(options: Options) -> Result<Settings, String> {
        let now = Zoned::now();
        let counting = choices::counting(&options.label)?;
        if options.reverse && (options.follow || options.cursor.is_some()) {
            return Err("-r goes with neither -f nor --cursor".to_owned());
        }
        let (since, until) = (options.since.as_deref(), options.until.as_deref());
        Ok(Settings {
            range: choices::range(since, until, &now, counting)?,
            format: format(&options)?,
            counting,
            now: Moment { unix_secs: now.timestamp().as_second(), nanos: 0 },
            options,
        })
    }
}

fn format(options: &Options) -> Result<Format, String> {
    let zone = if options.utc { Zone::Utc } else { Zone::Local };
    let name = if options.raw { Some("raw") } else { options.format.as_deref() };
    Ok(match (name, zone) {
        (Some("utc"), _) | (None | Some("local"), Zone::Utc) => Format::Utc,
        (None | Some("local"), Zone::Local) => Format::Local,
        (Some("rfc3339"), zone) => Format::Rfc3339(zone),
        (Some("relative"), _) => Format::Relative,
        (Some("delta"), _) => Format::Delta,
        (Some("raw"), _) => Format::Raw,
        (Some(other), _) => return Err(format!("there is no format {other}")),
    })
}

/// A directory that is open.
struct Log {
    name: String,
    path: PathBuf,
    snapshot: Snapshot,
    stamps: Stamps,
}

/// Opens what was found. What cannot be opened is told and left out.
fn open_all(found: Vec<Found>, settings: &Settings, outcome: &mut Outcome) -> Vec<Log> {
    let mut logs = Vec::new();
    for Found { name, place } in found {
        let (Where::Directory(path) | Where::File(path)) = &place;
        match Snapshot::of_place(&place) {
            Ok(snapshot) => {
                let stamps = choices::stamps(settings.counting, &snapshot);
                let path = path.canonicalize().unwrap_or_else(|_| path.clone());
                logs.push(Log { name, path, snapshot, stamps });
            }
            Err(failure) => outcome.fail(&[failure]),
        }
    }
    logs
}

impl Emitter {
    /// What writes the lines of these directories to standard output.
    fn of(settings: &Settings, logs: &[Log]) -> Result<Emitter, String> {
        let options = &settings.options;
        let filter = Filter::new(&options.grep, &options.not)?;
        let form = if options.json {
            let names = |log: &Log| json::Names {
                name: log.name.clone(),
                path: log.path.to_string_lossy().into_owned(),
            };
            Form::Json(logs.iter().map(names).collect())
        } else {
            Form::Text(Box::new(renderer(settings, logs)))
        };
        Ok(Emitter::new(form, filter, options.context))
    }
}

fn renderer(settings: &Settings, logs: &[Log]) -> Renderer {
    let is_terminal = std::io::stdout().is_terminal();
    let bytes =
        if is_terminal && !settings.options.raw { Bytes::Escaped } else { Bytes::AsTheyAre };
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colours =
        if is_terminal && !settings.options.raw && !no_colour { Colours::On } else { Colours::Off };
    let width = logs.iter().map(|log| log.name.chars().count()).max().unwrap_or(0);
    let prefix = |log: &Log| match logs.len() {
        1 => Vec::new(),
        _ => render::prefix(&log.name, width, colours),
    };
    let prefixes = logs.iter().map(prefix).collect();
    Renderer::new(settings.format, bytes, colours, prefixes, settings.now)
}

fn show(
    logs: Vec<Log>,
    settings: &Settings,
    mut emitter: Emitter,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let options = &settings.options;
    let shown = if options.follow || options.cursor.is_some() {
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
    let range = settings.range;
    let sources = match settings.options.lines {
        None => logs
            .iter()
            .map(|log| Some(Source::new(&log.snapshot, log.stamps.clone(), range)))
            .collect(),
        Some(count) => {
            let starts = starts_of_last(logs, settings, count, outcome, emitter)?;
            starts
                .into_iter()
                .zip(logs)
                .map(|(start, log)| {
                    let (place, moment) = start?;
                    Some(Source::from(&log.snapshot, log.stamps.clone(), range, &place, moment))
                })
                .collect::<Vec<_>>()
        }
    };
    let (numbers, sources): (Vec<usize>, Vec<Source>) = sources
        .into_iter()
        .enumerate()
        .filter_map(|(number, source)| Some((number, source?)))
        .unzip();
    let mut merge = Merge::new(sources);
    while merge.advance() {
        let source = merge.source();
        emitter.take(Item {
            number: numbers[merge.number()],
            line: source.line(),
            stamp: source.stamp(),
            place: source.place(),
        })?;
    }
    emitter.flush()?;
    for (number, source) in numbers.iter().zip(merge.sources_mut()) {
        tell(outcome, &logs[*number].name, source.take_notices(), emitter);
    }
    Ok(())
}

fn show_backward(
    logs: &[Log],
    settings: &Settings,
    emitter: &mut Emitter,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let count = settings.options.lines.map_or(u64::MAX, |count| count as u64);
    let mut merge = backward(logs, settings);
    while emitter.found_count() < count && merge.advance() {
        let (number, source) = merge.source();
        let (line, stamp, place) = (source.line(), source.stamp(), source.place());
        emitter.take(Item { number, line, stamp, place })?;
    }
    emitter.flush()?;
    tell_all(&mut merge, logs, emitter, outcome);
    Ok(())
}

fn backward(logs: &[Log], settings: &Settings) -> BackwardMerge {
    let backward = |log: &Log| Backward::new(&log.snapshot, log.stamps.clone(), settings.range);
    BackwardMerge::new(logs.iter().map(backward).collect())
}

/// Where a first line stands, and the moment it belongs to.
type First = (Place, Option<Moment>);

/// The first of the last lines in each directory; none where all of them are in others.
fn starts_of_last(
    logs: &[Log],
    settings: &Settings,
    count: usize,
    outcome: &mut Outcome,
    emitter: &mut Emitter,
) -> Result<Vec<Option<First>>, Failure> {
    let mut starts = vec![None; logs.len()];
    let mut merge = backward(logs, settings);
    let mut left_count = count;
    while left_count > 0 && merge.advance() {
        let (number, source) = merge.source();
        let text_pos = source.stamp().map_or(0, |stamp| stamp.end);
        if emitter.is_wanted(&source.line().bytes[text_pos..]) {
            starts[number] = Some((source.place().clone(), source.moment()));
            left_count -= 1;
        }
    }
    for (log, source) in logs.iter().zip(merge.sources_mut()) {
        let mut notices = source.take_notices();
        // Whoever shows these lines meets that again.
        notices.retain(|notice| !matches!(notice, Notice::Torn(_) | Notice::Zeros(..)));
        tell(outcome, &log.name, notices, emitter);
    }
    Ok(starts)
}

fn follow(
    logs: &[Log],
    settings: &Settings,
    emitter: &mut Emitter,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let options = &settings.options;
    let cursor = options.cursor.as_deref().map(Cursor::open).transpose()?;
    let starts = starts_of_following(logs, settings, cursor.as_ref(), emitter, outcome)?;
    let follower =
        |(log, start): (&Log, Start)| Follower::new(&log.snapshot, log.stamps.clone(), start);
    let followers = logs.iter().zip(starts).map(follower).collect();
    let until = if options.follow { Until::Asked } else { Until::Done };
    let mut tell_one = |number: usize, notices: Vec<Notice>, emitter: &mut Emitter| {
        tell(outcome, &logs[number].name, notices, emitter);
    };
    Following {
        live: Live::new(followers),
        paths: logs.iter().map(|log| log.path.clone()).collect(),
        emitter,
        range: settings.range,
        cursor,
        until,
        tell: &mut tell_one,
    }
    .run()
}

fn starts_of_following(
    logs: &[Log],
    settings: &Settings,
    cursor: Option<&Cursor>,
    emitter: &mut Emitter,
    outcome: &mut Outcome,
) -> Result<Vec<Start>, Failure> {
    if let Some(cursor) = cursor {
        let start = |log: &Log| match cursor.position(&log.path) {
            Some(position) => Start::Behind(position.clone()),
            None => start_of_range(log, settings.range, outcome, emitter),
        };
        return Ok(logs.iter().map(start).collect());
    }
    let count = match (settings.options.lines, settings.range.since) {
        (Some(count), _) => count,
        (None, None) => FOLLOW_COUNT,
        (None, Some(_)) => {
            let start = |log| start_of_range(log, settings.range, outcome, emitter);
            return Ok(logs.iter().map(start).collect());
        }
    };
    let starts = starts_of_last(logs, settings, count, outcome, emitter)?;
    let start = |(start, log): (Option<First>, &Log)| match start {
        Some((place, _)) => Start::At(log.snapshot.number_of(&place), place.offset),
        None => Start::End,
    };
    Ok(starts.into_iter().zip(logs).map(start).collect())
}

fn start_of_range(log: &Log, range: Range, outcome: &mut Outcome, emitter: &mut Emitter) -> Start {
    let plan = range::plan(&log.snapshot, &mut log.stamps.clone(), range);
    let begins_at = plan.begins_at.map(Notice::BeginsAt);
    let unstamped = plan.is_unstamped.then_some(Notice::Unstamped);
    tell(outcome, &log.name, begins_at.into_iter().chain(unstamped).collect(), emitter);
    match plan.parts.first() {
        Some(part) => {
            let place = Place { file: part.link.file.clone(), offset: part.offset };
            Start::At(log.snapshot.number_of(&place), part.offset)
        }
        None => Start::End,
    }
}

fn tell_all(merge: &mut BackwardMerge, logs: &[Log], emitter: &mut Emitter, outcome: &mut Outcome) {
    for (log, source) in logs.iter().zip(merge.sources_mut()) {
        tell(outcome, &log.name, source.take_notices(), emitter);
    }
}

/// Tells of notices, with moments in the form of the lines.
fn tell(outcome: &mut Outcome, name: &str, notices: Vec<Notice>, emitter: &mut Emitter) {
    let mut plain = render::Moments::utc();
    outcome.notice(name, notices, |moment| match emitter.form() {
        Form::Text(renderer) => renderer.moment(moment),
        Form::Json(_) => plain.text(moment),
    });
}
