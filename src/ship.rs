//! The program `logship`: from its arguments to its exit code.
//!
//! ```text
//! sources (Follow) ──► message ──► window ──► link ──► transport ──► receiver
//!        ▲                                                  │
//!        └──────────── acknowledged, once ◄─────────────────┘
//! ```

mod backoff;
mod credentials;
mod dead;
mod engine;
mod explain;
mod flush;
mod lag;
mod link;
mod message;
mod options;
mod pace;
mod sources;
mod state;
pub(crate) mod status;
mod target;
mod transport;
mod window;

use crate::logdir::when::{self, DayOfClock, Now};
use crate::message as messages;
use crate::signals::Signals;
use crate::status_file::unix_secs;
use crate::sys::startup;
use ::logdir::failure::{Failure, What};
use ::logdir::label::Counting;
use ::logdir::read::delivery::Start;
use ::logdir::wake::Wake;
use clap::Parser;
use dead::DeadLetters;
use engine::{Engine, Progress};
use flush::Flush;
use lag::Lags;
use link::Link;
use nix::sys::signal::Signal;
use options::Options;
use pace::Pace;
use sources::Sources;
use state::State;
use status::Status;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};
use target::{Form, Target};
use window::{Bounds, Window};

/// Bytes of unanswered messages in memory, at most.
const WINDOW_LEN_MAX: usize = 8 * 1024 * 1024;
/// Messages of a transport without answers that are held at most.
const WINDOW_COUNT_MAX: usize = 100_000;
/// Most OTLP records held: those of a request in flight, and of the next request.
const RECORDS_MAX: usize = 2 * transport::BATCH_MAX;

/// Upper bound of messages held for Kafka: in its client, and queued for it.
const KEYED_MAX: usize = 40_000;

/// Exit code of `--once` where there was nothing to send.
const EXIT_NOTHING: u8 = 1;
/// Exit code of `--once` where lines were missing, refused, or not sent before a signal asked to end.
const EXIT_INCOMPLETE: u8 = 2;

/// Runs the program with the arguments of the process.
pub fn run() -> ExitCode {
    messages::set_program("logship");
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => return messages::refuse_usage(&error),
    };
    if let Some(dir) = &options.check {
        return check(dir);
    }
    let (targets, sources) = match options.targets_and_sources() {
        Ok(parsed) => parsed,
        Err(why) => {
            messages::fatal_text(&why);
            return ExitCode::from(messages::EXIT_USAGE);
        }
    };
    if options.explain {
        let text = explain::text(&options, &targets, &sources, &host(&options));
        return ExitCode::from(if messages::print(&text) { 0 } else { messages::EXIT_FATAL });
    }
    match open(&options, targets, sources) {
        Ok(engine) => exit(engine.run(), options.once),
        Err(why) => {
            messages::fatal_text(&why);
            ExitCode::from(messages::EXIT_FATAL)
        }
    }
}

fn exit(status: Status, once: bool) -> ExitCode {
    let is_incomplete = status.dead > 0 || status.gaps > 0 || status.is_incomplete;
    ExitCode::from(match once {
        true if is_incomplete => EXIT_INCOMPLETE,
        true if status.acknowledged == 0 && status.unfinished == 0 => EXIT_NOTHING,
        true | false => 0,
    })
}

/// Opens everything. Nothing is sent before all of it has succeeded.
fn open(options: &Options, targets: Vec<Target>, sources: Vec<String>) -> Result<Engine, String> {
    let words = |failure: Failure| String::from_utf8_lossy(&failure.text("")).into_owned();
    let state = options.state.as_deref().ok_or("--state is missing")?;
    let start = start(&options.from)?;
    let credentials = options.credentials(&targets)?;
    targets.iter().try_for_each(transport::check)?;
    // A receiver that goes away is an error of write(2), not the end of the program.
    ::logdir::sys::signal::ignore(Signal::SIGPIPE);
    startup::set_default(Signal::SIGCHLD);
    let setup = |errno| words(Failure::new(What::Events, "", errno));
    let signals = Signals::collect().map_err(setup)?;
    let wake = Wake::new().map_err(setup)?;
    let state = State::open(state).map_err(words)?;
    let operands = sources.into_iter().map(OsString::from).collect();
    let sources = Sources::open(operands, &start, &state.cursor()).map_err(words)?;
    let is_acknowledged = targets.iter().all(Target::is_acknowledged);
    let form = target::form(&targets);
    let window = options.window(form);
    let count_max = match form {
        Form::Record => RECORDS_MAX,
        Form::Keyed if targets.iter().any(Target::is_batched) => KEYED_MAX,
        Form::Syslog | Form::Keyed if is_acknowledged => window * 2,
        Form::Syslog | Form::Keyed => WINDOW_COUNT_MAX,
    };
    let status = first_status(options)?;
    for target in &targets {
        messages::info(&format!("sending to {target}; {}", target.guarantee()));
    }
    Ok(Engine {
        sources,
        writer: message::Writer::new(options, form, host(options))
            .map_err(|bad| bad.to_string())?,
        window: Window::new(Bounds { count_max, len_max: WINDOW_LEN_MAX }),
        link: Link::new(targets, window, options.retry, credentials, &wake),
        dead: DeadLetters::new(&state.dead(), &wake),
        pace: Pace::new(options.rate, options.catch_up, Instant::now()),
        signals,
        wake,
        status,
        lags: Lags::new(Instant::now()),
        // Without further lines to wait for, an unfinished line is sent at once.
        flush: options
            .flush
            .map(|quiet| Flush::new(if options.once { Duration::ZERO } else { quiet })),
        once: options.once,
        progress: Progress::default(),
        metrics: options.metrics.clone(),
        state,
    })
}

/// The status before anything is sent. Metrics that cannot be written are an error now, and only now.
fn first_status(options: &Options) -> Result<Status, String> {
    let status = Status { pid: std::process::id(), ..Status::default() };
    if let Some(path) = &options.metrics {
        let refused = |error| format!("unable to write metrics to {}: {error}", path.display());
        status.save_metrics(path).map_err(refused)?;
    }
    Ok(status)
}

fn start(from: &str) -> Result<Start, String> {
    match from {
        "begin" => Ok(Start::Oldest),
        "end" => Ok(Start::Newest),
        time => when::parse(time, Now::local(), Counting::Ten, DayOfClock::Last)
            .map(Start::Since)
            .ok_or_else(|| {
                format!("--from {time} is neither begin nor end nor a time: {}", when::FORMS)
            }),
    }
}

/// The host that messages name.
fn host(options: &Options) -> Vec<u8> {
    let own = || nix::unistd::gethostname().ok().map(|name| name.to_string_lossy().into_owned());
    options.host.clone().or_else(own).unwrap_or_default().into_bytes()
}

/// Answers a monitor.
fn check(dir: &Path) -> ExitCode {
    let (code, text) = match Status::load(&status::of_state(dir)) {
        Ok(status) => status.check(unix_secs(SystemTime::now())),
        Err(error) => {
            (3, format!("UNKNOWN: unable to read the status in {}: {error}", dir.display()))
        }
    };
    messages::print(&format!("{text}\n"));
    ExitCode::from(code)
}
