//! `logdir show`: the lines of log directories, old files included, in order of time.

use crate::arguments;
use crate::copy;
use crate::diag::{self, Failure};
use crate::label::Counting;
use crate::logdir_command::time_words;
use crate::logdir_command::trouble::Outcome;
use crate::reader::chain::Snapshot;
use crate::reader::find::{self, Found};
use crate::reader::merge::Merge;
use crate::reader::offset;
use crate::reader::range::Range;
use crate::reader::render::{Bytes, Format, Renderer, Zone};
use crate::reader::source::Source;
use crate::reader::stamp::{Moment, Stamps};
use argh::FromArgs;
use jiff::Zoned;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::process::ExitCode;

const PROGRAM: &str = "logdir show";
const HELP: &str = "\
Usage: logdir show [option...] [dir...]

Writes the lines of log directories, old files included, in order of time.

  --since TIME    from this time on: 2026-11-21 02:10, 02:10, today, yesterday,
                  -2h, with UTC behind it, or a label
  --until TIME    before this time
  --utc           give universal instead of local time
  --format FORM   local, utc, rfc3339, relative, delta or raw
  --raw           give lines as they are; the same as --format raw
  --label COUNT   labels count 10 (daemontools) or leap (s6); auto finds out
  --help          show this text
";
const VALUED: [&str; 4] = ["--since", "--until", "--format", "--label"];

/// Bytes of output that are not kept for the next line.
const OUTPUT_LEN: usize = 64 * 1024;

/// Shows lines.
#[derive(FromArgs)]
struct Options {
    /// from this time on
    #[argh(option)]
    since: Option<String>,
    /// before this time
    #[argh(option)]
    until: Option<String>,
    /// give universal instead of local time
    #[argh(switch)]
    utc: bool,
    /// form of the time
    #[argh(option)]
    format: Option<String>,
    /// lines as they are
    #[argh(switch)]
    raw: bool,
    /// how labels are counted
    #[argh(option, default = "String::from(\"auto\")")]
    label: String,
}

/// Runs the command.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    let arguments = arguments::split_valued(arguments, &VALUED);
    let options: Options =
        match arguments::parse(PROGRAM, HELP, &arguments.options, diag::EXIT_TROUBLE) {
            Ok(options) => options,
            Err(code) => return code,
        };
    let settings = match Settings::new(&options) {
        Ok(settings) => settings,
        Err(why) => {
            diag::fatal_text(&why);
            return ExitCode::from(diag::EXIT_TROUBLE);
        }
    };
    let mut outcome = Outcome::default();
    let (found, failures) = find::find(&arguments.operands);
    outcome.fail(&failures);
    let (names, sources) = open_all(&found, &settings, &mut outcome);
    if let Err(failure) = show(&names, sources, &settings, &mut outcome) {
        outcome.fail(&[failure]);
    }
    outcome.exit_code()
}

/// The options, understood.
struct Settings {
    range: Range,
    format: Format,
    /// None where it has to be found out.
    counting: Option<Counting>,
    now: Moment,
}

impl Settings {
    fn new(options: &Options) -> Result<Settings, String> {
        let now = Zoned::now();
        let counting = match options.label.as_str() {
            "10" => Some(Counting::Ten),
            "leap" => Some(Counting::Leap),
            "auto" => None,
            other => return Err(format!("--label is 10, leap or auto, not {other}")),
        };
        let moment = |text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => time_words::parse(text, &now, counting.unwrap_or(Counting::Ten))
                .map(Some)
                .ok_or_else(|| format!("unable to understand the time {text}")),
        };
        Ok(Settings {
            range: Range { since: moment(&options.since)?, until: moment(&options.until)? },
            format: format(options)?,
            counting,
            now: Moment { unix_secs: now.timestamp().as_second(), nanos: 0 },
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

/// Opens what was found. What cannot be opened is told and left out.
fn open_all(
    found: &[Found],
    settings: &Settings,
    outcome: &mut Outcome,
) -> (Vec<String>, Vec<Source>) {
    let mut names = Vec::new();
    let mut sources = Vec::new();
    for found in found {
        match Snapshot::of_place(&found.place) {
            Ok(snapshot) => {
                let counting = settings.counting.unwrap_or_else(|| offset::detect(&snapshot));
                sources.push(Source::new(&snapshot, Stamps::new(counting), settings.range));
                names.push(found.name.clone());
            }
            Err(failure) => outcome.fail(&[failure]),
        }
    }
    (names, sources)
}

fn show(
    names: &[String],
    sources: Vec<Source>,
    settings: &Settings,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let bytes = if std::io::stdout().is_terminal() { Bytes::Escaped } else { Bytes::AsTheyAre };
    let mut renderer = Renderer::new(settings.format, bytes, prefixes(names), settings.now);
    let mut merge = Merge::new(sources);
    let mut output = Vec::with_capacity(2 * OUTPUT_LEN);
    while merge.advance() {
        outcome.has_found = true;
        let source = merge.source();
        renderer.append(merge.number(), source.line(), source.stamp(), &mut output);
        if output.len() >= OUTPUT_LEN {
            copy::write_out(&mut output)?;
        }
    }
    copy::write_out(&mut output)?;
    for (name, source) in names.iter().zip(merge.sources_mut()) {
        outcome.notice(name, source.take_notices(), |moment| renderer.moment(moment));
    }
    Ok(())
}

/// What stands before lines: nothing, unless there are several directories.
fn prefixes(names: &[String]) -> Vec<Vec<u8>> {
    let prefix = |name: &String| match names.len() {
        0 | 1 => Vec::new(),
        _ => format!("{name}: ").into_bytes(),
    };
    names.iter().map(prefix).collect()
}
