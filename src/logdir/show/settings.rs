//! The options of `logdir show`, and what they say together.

use crate::logdir::choices;
use ::logdir::label::Counting;
use ::logdir::read::cursor::token::Cursor;
use ::logdir::read::range::Range;
use ::logdir::read::render::{Format, Zone};
use ::logdir::read::stamp::Moment;
use argh::FromArgs;
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
  --after CURSOR  go on behind the line with this cursor, as --json gives it
  --grep PATTERN  lines that match, and --not PATTERN those that do not
  -C COUNT        with so many lines around each
  --utc           give universal instead of local time
  --format FORM   short (to a terminal), local, utc, rfc3339, relative, delta or raw
  --raw           give lines as they are, also to a terminal
  --json          give JSON objects
  --no-pager      no LOGDIR_PAGER, PAGER or less for what is longer than the screen
  --label COUNT   labels count 10 (daemontools) or leap (s6); auto finds out
  --help          show this text
";
const VALUED: [&str; 10] = [
    "--since", "--until", "--format", "--label", "--grep", "--not", "--cursor", "--after", "-n",
    "-C",
];

/// Shows lines.
#[derive(FromArgs)]
pub struct Options {
    /// from this time on
    #[argh(option)]
    pub since: Option<String>,
    /// before this time
    #[argh(option)]
    pub until: Option<String>,
    /// the last lines only
    #[argh(option, short = 'n')]
    pub lines: Option<usize>,
    /// the last line first
    #[argh(switch, short = 'r')]
    pub reverse: bool,
    /// wait for more
    #[argh(switch, short = 'f')]
    pub follow: bool,
    /// where it is kept how far lines were shown
    #[argh(option)]
    pub cursor: Option<PathBuf>,
    /// the cursor of the line before the first
    #[argh(option)]
    pub after: Option<String>,
    /// lines that match
    #[argh(option)]
    pub grep: Vec<String>,
    /// lines that do not match
    #[argh(option)]
    pub not: Vec<String>,
    /// lines around each match
    #[argh(option, short = 'C', default = "0")]
    pub context: usize,
    /// give universal instead of local time
    #[argh(switch)]
    pub utc: bool,
    /// form of the time
    #[argh(option)]
    pub format: Option<String>,
    /// lines as they are
    #[argh(switch)]
    pub raw: bool,
    /// JSON objects
    #[argh(switch)]
    pub json: bool,
    /// lines go to the terminal without a pager
    #[argh(switch)]
    pub no_pager: bool,
    /// how labels are counted
    #[argh(option, default = "String::from(\"auto\")")]
    pub label: String,
}

/// The options, understood.
pub struct Settings {
    /// As they were given.
    pub options: Options,
    /// From `--since` to `--until`.
    pub range: Range,
    /// How times are shown.
    pub format: Format,
    /// None where it has to be found out.
    pub counting: Option<Counting>,
    /// What `--after` says.
    pub after: Option<Cursor>,
    /// When the command was begun.
    pub now: Moment,
}

impl Settings {
    /// What the arguments ask for, and the directories behind them. The error is the exit code of a command
    /// that is done with that.
    pub fn read(arguments: Vec<OsString>) -> Result<(Settings, Vec<OsString>), ExitCode> {
        let (options, operands) = choices::read(PROGRAM, HELP, &VALUED, arguments)?;
        Ok((Settings::new(options).map_err(choices::refuse)?, operands))
    }

    fn new(options: Options) -> Result<Settings, String> {
        let now = Zoned::now();
        let counting = choices::counting(&options.label)?;
        let has_cursor = options.cursor.is_some() || options.after.is_some();
        if options.reverse && (options.follow || has_cursor) {
            return Err("-r goes with none of -f, --cursor and --after".to_owned());
        }
        if options.cursor.is_some() && options.after.is_some() {
            return Err("--cursor does not go with --after".to_owned());
        }
        let no_word = |text: &String| format!("unable to understand the cursor {text}");
        let after = options.after.as_ref();
        let after =
            after.map(|text| Cursor::parse(text).ok_or_else(|| no_word(text))).transpose()?;
        let (since, until) = (options.since.as_deref(), options.until.as_deref());
        Ok(Settings {
            range: choices::range(since, until, &now, counting)?,
            format: format(&options)?,
            counting,
            after,
            now: Moment { unix_secs: now.timestamp().as_second(), nanos: 0 },
            options,
        })
    }
}

fn format(options: &Options) -> Result<Format, String> {
    let zone = if options.utc { Zone::Utc } else { Zone::Local };
    let name = if options.raw { Some("raw") } else { options.format.as_deref() };
    let is_terminal = std::io::stdout().is_terminal();
    Ok(match (name.or(is_terminal.then_some("short")), zone) {
        (Some("short"), zone) => Format::Short(zone),
        (Some("utc"), _) | (None | Some("local"), Zone::Utc) => Format::Utc,
        (None | Some("local"), Zone::Local) => Format::Local,
        (Some("rfc3339"), zone) => Format::Rfc3339(zone),
        (Some("relative"), _) => Format::Relative,
        (Some("delta"), _) => Format::Delta,
        (Some("raw"), _) => Format::Raw,
        (Some(other), _) => return Err(format!("there is no format {other}")),
    })
}
