//! Command line of `logdir`, described once for parsing, help, completions and the synopsis of
//! logdir(1). Other files parse the option values.

mod refusal;
#[cfg(test)]
mod synopsis;

use crate::message;
use crate::options::ShellName;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum, ValueHint};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Longest line of help: a terminal shows at least this width.
const HELP_WIDTH: usize = 80;

const WHICH: &str = "Which lines";
const FORM: &str = "In which form";

/// Reads and watches log directories, and never writes there
#[derive(Parser)]
#[command(name = "logdir", version, subcommand_required = true, arg_required_else_help = true)]
#[command(args_override_self = true, term_width = HELP_WIDTH)]
#[command(after_help = "\
A DIR is a log directory, a service or its name, a directory of services, a file,
or a pattern. Without a DIR: /service, /etc/service, /run/service.")]
pub struct CommandLine {
    #[command(subcommand)]
    pub command: Command,
}

/// A command with its options.
#[derive(Subcommand)]
pub enum Command {
    /// Show lines, rotated files included, several logs in order of time
    Show(Box<Show>),
    /// Show which logger writes each log, how much there is, how fast it grows
    Status(Status),
    /// Count lines by time, as bars
    Rate(Box<Rate>),
    /// List the kinds of lines: what varies is masked
    Kinds(Box<KindsOptions>),
    /// Report a day: what is new, what is gone, what is wrong
    Report(Box<ReportOptions>),
    /// Look for damage, and explain it
    Check(Check),
    /// Print completions for a shell
    Completions(Completions),
}

/// The options of `logdir show`.
#[derive(Args)]
pub struct Show {
    #[command(flatten)]
    pub places: Places,
    #[command(flatten)]
    pub span: Span,
    #[command(flatten)]
    pub patterns: Patterns,
    /// The lines around this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help_heading = WHICH)]
    #[arg(conflicts_with_all = ["since", "until", "boot"])]
    pub around: Option<String>,
    /// How far around the time: 30s, 5m, 1h
    #[arg(long, value_name = "SPAN", default_value = "5m", requires = "around")]
    #[arg(allow_hyphen_values = true, help_heading = WHICH)]
    pub within: String,
    /// The last lines only
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = refusal::line_count)]
    #[arg(allow_hyphen_values = true, help_heading = WHICH)]
    pub lines: Option<usize>,
    /// The first lines only
    #[arg(long, value_name = "COUNT", value_parser = refusal::line_count)]
    #[arg(allow_hyphen_values = true, help_heading = WHICH)]
    #[arg(conflicts_with_all = ["lines", "follow", "cursor", "after"])]
    pub head: Option<usize>,
    /// The last line first
    #[arg(short, long, help_heading = WHICH)]
    #[arg(conflicts_with_all = ["follow", "cursor", "after"])]
    pub reverse: bool,
    /// Wait for more lines; first the last ten, if nothing else is asked for
    #[arg(short, long, help_heading = WHICH)]
    pub follow: bool,
    /// Go on after the lines that were shown with this file the last time
    #[arg(long, value_name = "FILE", conflicts_with = "after", help_heading = WHICH)]
    pub cursor: Option<PathBuf>,
    /// Go on after the line with this cursor, as --json=cursor gives it
    #[arg(long, value_name = "CURSOR", help_heading = WHICH)]
    pub after: Option<String>,
    /// Lines of this kind, named by its hash
    #[arg(long, value_name = "HASH", conflicts_with = "new", help_heading = WHICH)]
    pub kind: Option<String>,
    /// Lines of kinds that are not in the state of reports
    #[arg(long, requires = "state", help_heading = WHICH)]
    pub new: bool,
    /// The state of logdir report, for --new
    #[arg(long, value_name = "FILE", requires = "new", help_heading = WHICH)]
    pub state: Option<PathBuf>,
    /// With this many lines before and after each
    #[arg(short = 'C', long, value_name = "COUNT", value_parser = refusal::line_count)]
    #[arg(allow_hyphen_values = true, help_heading = WHICH)]
    pub context: Option<usize>,
    /// With this many lines before each
    #[arg(short = 'B', long, value_name = "COUNT", value_parser = refusal::line_count)]
    #[arg(allow_hyphen_values = true, help_heading = WHICH)]
    pub before_context: Option<usize>,
    /// With this many lines after each
    #[arg(short = 'A', long, value_name = "COUNT", value_parser = refusal::line_count)]
    #[arg(allow_hyphen_values = true, help_heading = WHICH)]
    pub after_context: Option<usize>,
    /// Lines that a service has in several directories: once for each
    #[arg(long, help_heading = WHICH)]
    pub all: bool,
    /// How times are written
    #[arg(short = 'o', long, visible_alias = "output", value_name = "FORM")]
    #[arg(help_heading = FORM)]
    pub format: Option<FormatName>,
    /// Lines as they are, stamps included, also on a terminal
    #[arg(long, conflicts_with_all = ["format", "json"], help_heading = FORM)]
    pub raw: bool,
    /// JSON objects; with =cursor, a cursor in each
    #[arg(short, long, value_name = "WITH", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "plain", conflicts_with = "format", help_heading = FORM)]
    pub json: Option<JsonForm>,
    /// When to use colors
    #[arg(long, visible_alias = "colour", value_name = "WHEN", default_value = "auto")]
    #[arg(help_heading = FORM)]
    pub color: When,
    /// Write to the terminal, however many lines there are
    #[arg(short = 'P', long, help_heading = FORM)]
    pub no_pager: bool,
    /// UTC, not local time
    #[arg(short = 'z', long, help_heading = FORM)]
    pub utc: bool,
    #[command(flatten)]
    pub labels: Labels,
}

/// The options of `logdir status`.
#[derive(Args)]
pub struct Status {
    #[command(flatten)]
    pub places: Places,
    /// A JSON object for each log
    #[arg(short, long)]
    pub json: bool,
    /// Figures in the text format of Prometheus
    #[arg(long, conflicts_with = "json")]
    pub metrics: bool,
    /// A line and an exit code, as plugins of Nagios have them
    #[arg(long, conflicts_with_all = ["json", "metrics"])]
    pub check: bool,
    /// With --check, a log without a line for so long is a warning: 1h
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true, requires = "check")]
    pub max_silence: Option<String>,
    /// Also the sockets of the logreceive that keeps this file with --status
    #[arg(long = "receiver", value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(conflicts_with_all = ["check", "metrics"])]
    pub receivers: Vec<PathBuf>,
    /// Also the logship with this state directory, if it does not run or cannot be seen
    #[arg(long = "ship", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub ships: Vec<PathBuf>,
    #[command(flatten)]
    pub labels: Labels,
}

/// The options of `logdir rate`.
#[derive(Args)]
pub struct Rate {
    #[command(flatten)]
    pub places: Places,
    /// Count by 30s, 1m, 2h, 1d
    #[arg(long, value_name = "LENGTH", allow_hyphen_values = true)]
    pub by: Option<String>,
    #[command(flatten)]
    pub lines: Lines,
    /// A JSON object for each log and length of time
    #[arg(short, long, help_heading = FORM)]
    pub json: bool,
    /// Draw a picture into this file
    #[arg(long, value_name = "FILE", conflicts_with = "json", help_heading = FORM)]
    pub svg: Option<PathBuf>,
    /// UTC, not local time
    #[arg(short = 'z', long, help_heading = FORM)]
    pub utc: bool,
    #[command(flatten)]
    pub labels: Labels,
}

/// The options of `logdir kinds`.
#[derive(Args)]
pub struct KindsOptions {
    #[command(flatten)]
    pub places: Places,
    #[command(flatten)]
    pub lines: Lines,
    /// Wait for more lines, and go on counting
    #[arg(short, long, help_heading = WHICH)]
    pub follow: bool,
    /// A JSON object for each kind
    #[arg(short, long, help_heading = FORM)]
    pub json: bool,
    #[command(flatten)]
    pub labels: Labels,
}

/// The options of `logdir report`.
#[derive(Args)]
pub struct ReportOptions {
    #[command(flatten)]
    pub places: Places,
    /// From this time on
    #[arg(short = 'S', long, value_name = "TIME", allow_hyphen_values = true)]
    #[arg(default_value = "yesterday", help_heading = WHICH)]
    pub since: String,
    /// Before this time
    #[arg(short = 'U', long, value_name = "TIME", allow_hyphen_values = true)]
    #[arg(default_value = "today", help_heading = WHICH)]
    pub until: String,
    /// Compare with the period that began so long before: 1d, 7d
    #[arg(long, value_name = "SPAN", help_heading = WHICH)]
    pub against: Option<String>,
    /// Kinds of the last 30 days, read and replaced
    #[arg(long, value_name = "FILE", help_heading = WHICH)]
    pub state: Option<PathBuf>,
    /// Words of trouble, one a line, instead of error, fail, refuse ...
    #[arg(long, value_name = "FILE", help_heading = WHICH)]
    pub words: Option<PathBuf>,
    /// Every kind and address, not only the most frequent
    #[arg(long, help_heading = WHICH)]
    pub all: bool,
    /// Print and mail nothing if nothing is new or wrong
    #[arg(short, long, help_heading = FORM)]
    pub quiet: bool,
    /// A JSON object for each service
    #[arg(short, long, help_heading = FORM)]
    pub json: bool,
    /// Write the report into this file as a page for browsers
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = FORM)]
    pub html: Option<PathBuf>,
    /// Mail the report with sendmail
    #[arg(long, value_name = "ADDRESS", help_heading = FORM)]
    pub mail: Option<String>,
    #[command(flatten)]
    pub labels: Labels,
}

/// The options of `logdir check`.
#[derive(Args)]
pub struct Check {
    #[command(flatten)]
    pub places: Places,
    /// A JSON object for each finding
    #[arg(short, long)]
    pub json: bool,
    #[command(flatten)]
    pub labels: Labels,
}

/// The argument of `logdir completions`.
#[derive(Args)]
pub struct Completions {
    pub shell: ShellName,
}

/// Which logs.
#[derive(Args)]
pub struct Places {
    /// Log directories, services, files, patterns
    #[arg(value_name = "DIR", value_hint = ValueHint::AnyPath)]
    pub dirs: Vec<OsString>,
    /// The logs of the service with this name
    #[arg(short, long, visible_alias = "service", value_name = "NAME")]
    pub unit: Vec<OsString>,
}

/// Which lines are counted.
#[derive(Args)]
pub struct Lines {
    #[command(flatten)]
    pub span: Span,
    #[command(flatten)]
    pub patterns: Patterns,
    /// Lines that a service has in several directories: once for each
    #[arg(long, help_heading = WHICH)]
    pub all: bool,
}

/// From when to when.
#[derive(Args)]
pub struct Span {
    /// From this time on: 02:10, 2026-11-21 02:10, today, 2h, boot
    #[arg(short = 'S', long, value_name = "TIME", allow_hyphen_values = true)]
    #[arg(help_heading = WHICH)]
    pub since: Option<String>,
    /// Before this time
    #[arg(short = 'U', long, value_name = "TIME", allow_hyphen_values = true)]
    #[arg(help_heading = WHICH)]
    pub until: Option<String>,
    /// Since the machine was started; as --since boot
    #[arg(short, long, conflicts_with = "since", help_heading = WHICH)]
    pub boot: bool,
}

/// Regular expressions.
#[derive(Args)]
pub struct Patterns {
    /// Lines that match; if given again, all of the patterns
    #[arg(short, long, value_name = "PATTERN", allow_hyphen_values = true)]
    #[arg(help_heading = WHICH)]
    pub grep: Vec<String>,
    /// Lines that match; if given again, any of the patterns
    #[arg(short = 'e', long, value_name = "PATTERN", allow_hyphen_values = true)]
    #[arg(help_heading = WHICH)]
    pub regexp: Vec<String>,
    /// Lines that do not match; if given again, none of the patterns
    #[arg(short = 'v', long, value_name = "PATTERN", allow_hyphen_values = true)]
    #[arg(help_heading = WHICH)]
    pub not: Vec<String>,
    /// Patterns match upper and lower case alike
    #[arg(short, long, help_heading = WHICH)]
    pub ignore_case: bool,
}

/// How labels are read.
#[derive(Args)]
pub struct Labels {
    /// Seconds in labels are those of daemontools (10) or s6 (leap)
    #[arg(short, long, value_name = "COUNT", default_value = "auto")]
    pub label: LabelCount,
}

/// Time formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatName {
    Short,
    Local,
    Utc,
    Rfc3339,
    Unix,
    Time,
    Relative,
    Delta,
    None,
    Raw,
    Json,
}

/// The contents of JSON objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum JsonForm {
    Plain,
    Cursor,
}

/// When there are colors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum When {
    Auto,
    Always,
    Never,
}

/// Counting of label seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LabelCount {
    Auto,
    #[value(name = "10")]
    Ten,
    Leap,
}

impl Places {
    pub fn operands(&self) -> Vec<OsString> {
        self.dirs.iter().chain(&self.unit).cloned().collect()
    }
}

/// Parses the command line. `Err` carries the exit code after printing help or an error.
pub fn parse(arguments: &[OsString]) -> Result<Command, ExitCode> {
    match CommandLine::try_parse_from(arguments) {
        Ok(line) => Ok(line.command),
        Err(error) => Err(refusal::answer(&error, arguments)),
    }
}

/// Prints a shell's completion script.
pub fn print_completions(shell: ShellName) -> ExitCode {
    crate::options::print_completions(shell, &mut CommandLine::command(), "logdir")
}

/// Reports contradictory options.
pub fn refuse(why: &str) -> ExitCode {
    message::fatal_text(why);
    ExitCode::from(message::EXIT_TROUBLE)
}
