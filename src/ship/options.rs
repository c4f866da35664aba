//! The command line of `logship`: one description for parsing, help and errors.

use super::backoff::Retry;
use super::credentials::Credentials;
use super::target::{self, Form, Target};
use crate::tls::{self, ClientFiles, Pin};
use clap::Parser;
use script::expression::Expression;
use std::path::PathBuf;
use std::time::Duration;
use wire::syslog::{Pri, Severity};

/// Bytes of a message that every receiver takes (rsyslog cuts longer ones by default).
pub const MESSAGE_LEN_DEFAULT: usize = 8096;
/// The shortest bound of a message that leaves room for its text.
const MESSAGE_LEN_MIN: usize = 480;
/// The longest message (RELP's frames end there).
const MESSAGE_LEN_MAX: usize = 128 * 1024;
/// Frames without an answer, as in librelp.
const WINDOW_DEFAULT: usize = 128;
/// Messages without an answer on their way to a stream: its answers take several round trips.
const WINDOW_OF_STREAM: usize = 4096;
/// More unanswered frames than this win nothing and cost memory.
const WINDOW_MAX: usize = 16 * 1024;

/// Sends the lines of log directories to another machine.
#[derive(Debug, Parser)]
#[command(name = "logship", version, args_override_self = true, max_term_width = 80, after_help = AFTER_HELP)]
pub struct Options {
    /// Directory for the cursor, the lock, the status and refused lines
    #[arg(long, value_name = "DIR", required_unless_present_any = ["explain", "check"])]
    pub state: Option<PathBuf>,
    /// Where to begin when there is no cursor yet: begin, end, or a time
    #[arg(long, value_name = "WHERE", default_value = "begin")]
    pub from: String,
    /// Facility and severity of lines
    #[arg(long, value_name = "F.S", default_value = "daemon.info", value_parser = parse_pri)]
    pub pri: Pri,
    /// Severity of lines that match a regular expression; the first that matches counts
    #[arg(long, value_name = "RE=SEV", value_parser = parse_rule)]
    pub pri_match: Vec<SeverityRule>,
    /// Takes the severity from <0> to <7> at the head of a line, and the mark off
    #[arg(long)]
    pub sd_prefix: bool,
    /// Host in messages instead of this machine's name
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// Program in messages instead of the service's name
    #[arg(long, value_name = "NAME")]
    pub app: Option<String>,
    /// Bytes of a message; longer lines are sent in numbered parts
    #[arg(long, value_name = "BYTES", default_value_t = MESSAGE_LEN_DEFAULT, value_parser = parse_message_len)]
    pub max_message: usize,
    /// Messages that may be without an answer; 128, with nats:// 4096
    #[arg(long, value_name = "N", value_parser = parse_window)]
    pub window: Option<usize>,
    /// Lines a second at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,
    /// Lines a second while the oldest unsent line is more than a minute old
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub catch_up: Option<u32>,
    /// Shortest and longest wait before the next try
    #[arg(long, value_name = "MIN:MAX", default_value = "0.5s:30s", value_parser = parse_retry)]
    pub retry: Retry,
    /// Certificates of the issuers to trust, in PEM form; this machine's unless named
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Own certificate and its chain, in PEM form
    #[arg(long, value_name = "FILE")]
    pub cert: Option<PathBuf>,
    /// Key of the own certificate, unless it stands in the certificate's file
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// Name that the server's certificate must have, instead of the host of the URL
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// SHA-256 that the server's certificate must have; without --ca it alone decides
    #[arg(long, value_name = "SHA256")]
    pub pin: Vec<Pin>,
    /// File with header fields for each request of OTLP, such as a key, one a line
    #[arg(long, value_name = "FILE")]
    pub headers: Option<PathBuf>,
    /// File that is replaced with the status as Prometheus text
    #[arg(long, value_name = "FILE")]
    pub metrics: Option<PathBuf>,
    /// Sends what there is, then exits: 0 all sent, 1 nothing to send, 2 gaps or dead letters
    #[arg(long)]
    pub once: bool,
    /// Sends an unfinished last line once no byte was added for this time (5s), marked
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "5s")]
    #[arg(value_parser = target::duration, conflicts_with = "no_sd")]
    pub flush: Option<Duration>,
    /// Id of the structured data in messages
    #[arg(long, value_name = "ID", default_value = "multilog@32473")]
    pub sd_id: String,
    /// Sends messages without structured data
    #[arg(long)]
    pub no_sd: bool,
    /// Prints the settings in force, the guarantee and a sample message, and sends nothing
    #[arg(long)]
    pub explain: bool,
    /// Prints the state of the logship with this state directory, as a monitor wants it
    #[arg(long, value_name = "DIR")]
    pub check: Option<PathBuf>,
    /// URLs of receivers, then log directories, services, scan directories or files
    #[arg(value_name = "URL|SOURCE", required_unless_present = "check")]
    pub operands: Vec<String>,
}

const AFTER_HELP: &str = "\
URLs: relp://HOST:PORT, relps://HOST:PORT, tcp://HOST[:514][?framing=lf][&rewind=1s],
tls://HOST[:6514], otlp://HOST[:4318][/PATH], otlps://HOST[:4318][/PATH],
nats://HOST[:4222][,HOST...]/SUBJECT[?ordered=1], natss://...,
kafka://HOST[:9092],HOST2/TOPIC[?config=FILE], kafkas://HOST/TOPIC,
udp://HOST[:514], unix:/PATH, exec:COMMAND. Several are tried in order.
Signals: TERM sends the window and exits, ALRM tries now, HUP reads certificates
and connects again, USR1 prints the status.";

/// Lines that match have this severity.
#[derive(Clone, Debug)]
pub struct SeverityRule {
    /// A regular expression that can be compiled.
    pub expression: String,
    /// What lines that match have.
    pub severity: Severity,
}

impl Options {
    /// The receivers and the sources among the operands.
    ///
    /// # Errors
    /// A URL is wrong, or one of the two is missing.
    pub fn targets_and_sources(&self) -> Result<(Vec<Target>, Vec<String>), String> {
        let (urls, sources): (Vec<&String>, Vec<&String>) =
            self.operands.iter().partition(|operand| target::is_url(operand));
        let targets = urls.into_iter().map(|url| Target::parse(url));
        let targets: Result<Vec<Target>, _> = targets.collect();
        let targets = targets.map_err(|bad| bad.to_string())?;
        if targets.is_empty() {
            return Err("no receiver is named; a URL such as relp://HOST:PORT is needed".to_owned());
        }
        if targets.iter().any(|target| !target.takes_what_is_for(&targets[0])) {
            return Err(
                "URLs of syslog, OTLP, NATS and Kafka cannot be mixed: a line is made for one of them"
                    .to_owned(),
            );
        }
        if sources.is_empty() {
            return Err("no log directory and no file is named".to_owned());
        }
        Ok((targets, sources.into_iter().cloned().collect()))
    }
}

impl Options {
    /// Messages of this form that may be without an answer.
    pub fn window(&self, form: Form) -> usize {
        self.window.unwrap_or(match form {
            Form::Syslog | Form::Record => WINDOW_DEFAULT,
            Form::Keyed => WINDOW_OF_STREAM,
        })
    }

    /// What shows these receivers who sends.
    ///
    /// # Errors
    /// A file cannot be read or used, or no receiver needs it.
    pub fn credentials(&self, targets: &[Target]) -> Result<Credentials, String> {
        if self.headers.is_some() && target::form(targets) != Form::Record {
            return Err(
                "header fields are named, but no URL uses them; otlp:// and otlps:// do".to_owned()
            );
        }
        Credentials::open(self.tls(targets)?, self.headers.clone())
    }

    /// Certificates, if one of these receivers needs them.
    ///
    /// # Errors
    /// A file cannot be read or used, or this program was built without TLS.
    fn tls(&self, targets: &[Target]) -> Result<Option<tls::Client>, String> {
        let files = ClientFiles {
            ca: self.ca.clone(),
            cert: self.cert.clone(),
            key: self.key.clone(),
            name: self.name.clone(),
            pins: self.pin.clone(),
        };
        let needs_tls = targets.iter().any(Target::needs_tls);
        if !needs_tls && files != ClientFiles::default() {
            return Err(
                "certificates are named, but no URL uses them; relps://, tls://, otlps:// and natss:// do"
                    .to_owned(),
            );
        }
        needs_tls.then(|| tls::Client::open(files)).transpose()
    }
}

fn parse_pri(text: &str) -> Result<Pri, String> {
    Pri::from_names(text)
        .ok_or_else(|| format!("{text} is not FACILITY.SEVERITY, such as local0.notice"))
}

fn parse_rule(text: &str) -> Result<SeverityRule, String> {
    let (expression, severity) =
        text.rsplit_once('=').ok_or("an expression and a severity are needed")?;
    let severity = Severity::from_name(severity)
        .ok_or_else(|| format!("{severity} is no severity, such as err or warning"))?;
    Expression::regex(expression.as_bytes()).map_err(|bad| bad.to_string())?;
    Ok(SeverityRule { expression: expression.to_owned(), severity })
}

fn parse_message_len(text: &str) -> Result<usize, String> {
    let len = text.parse().ok().filter(|len| (MESSAGE_LEN_MIN..=MESSAGE_LEN_MAX).contains(len));
    len.ok_or_else(|| format!("a message has {MESSAGE_LEN_MIN} to {MESSAGE_LEN_MAX} bytes"))
}

fn parse_window(text: &str) -> Result<usize, String> {
    let window = text.parse().ok().filter(|window| (1..=WINDOW_MAX).contains(window));
    window.ok_or_else(|| format!("a window has 1 to {WINDOW_MAX} messages"))
}

fn parse_retry(text: &str) -> Result<Retry, String> {
    let (min, max) = text.split_once(':').ok_or("two times are needed, such as 0.5s:30s")?;
    let (min, max) = (target::duration(min)?, target::duration(max)?);
    match min >= Duration::from_millis(10) && min <= max {
        true => Ok(Retry { min, max }),
        false => Err("the shortest wait is at least 10ms and at most the longest".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_description_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn no_line_of_the_help_is_wider_than_a_terminal() {
        let help = Options::command().render_long_help().to_string();
        let widest = help.lines().max_by_key(|line| line.chars().count()).unwrap();
        assert!(widest.chars().count() <= 80, "{widest}");
    }

    fn parse(arguments: &str) -> Result<Options, clap::Error> {
        let words = std::iter::once("logship").chain(arguments.split_whitespace());
        Options::try_parse_from(words)
    }

    #[test]
    fn urls_and_sources_may_stand_in_any_order() {
        let options = parse("--state s ./main relp://a:1 ./alert tcp://b").unwrap();
        let (targets, sources) = options.targets_and_sources().unwrap();
        assert_eq!(
            targets.iter().map(Target::to_string).collect::<Vec<_>>(),
            ["relp://a:1", "tcp://b:514"]
        );
        assert_eq!(sources, ["./main", "./alert"]);
    }

    #[test]
    fn values_are_checked() {
        for bad in [
            "--state s --pri x.y",
            "--state s --pri-match (=err",
            "--state s --pri-match a=loud",
            "--state s --max-message 100",
            "--state s --window 0",
            "--state s --retry 5s",
            "--state s --retry 5s:1s",
            "--state s --rate 0",
            "relp://a:1 d",
        ] {
            assert!(
                parse(&format!("{bad} relp://a:1 d")).is_err() || bad == "relp://a:1 d",
                "{bad}"
            );
        }
        assert!(parse("relp://a:1 d").is_err(), "--state is missing");
        assert!(parse("--explain relp://a:1 d").is_ok());
    }
}
