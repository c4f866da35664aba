//! Every row of the table of targets, side by side with the peers that are installed, printed as
//! Markdown.
//!
//! ```text
//! cargo bench --bench compare                     the whole table
//! cargo bench --bench compare -- plain trickle    rows whose names contain one of these
//! cargo bench --bench compare -- --write          and docs/performance.md with its picture
//! ```
//!
//! It measures and does not judge: the exit code says whether everything could be run, not how fast.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table is what it is run for")]

mod entrants;
mod following;
mod input;
mod limits;
mod logger;
mod memory;
mod picture;
mod process;
mod race;
mod reading;
mod report;
mod rows;
mod trickle;

use argh::FromArgs;
use report::Outcome;
use std::error::Error;
use std::process::ExitCode;

/// Why something could not be run; never how fast it was.
pub type Trouble = Box<dyn Error>;

/// Compares multilog, tai64n, tai64nlocal and logdir with the programs they replace.
#[derive(FromArgs)]
struct Options {
    /// rounds of each row (5)
    #[argh(option, default = "5")]
    rounds: usize,
    /// megabytes of input in each run (256)
    #[argh(option, default = "256")]
    megabytes: usize,
    /// write docs/performance.md and docs/performance.svg; whole table only
    #[argh(switch)]
    write: bool,
    /// given by cargo
    #[argh(switch, hidden_help)]
    #[expect(dead_code, reason = "it says nothing")]
    bench: bool,
    /// rows whose names contain one of these; all without
    #[argh(positional)]
    rows: Vec<String>,
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// How often each program runs in a row.
    pub rounds: usize,
    /// Input of each run.
    pub megabytes: usize,
}

fn main() -> ExitCode {
    let options: Options = argh::from_env();
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(trouble) => {
            eprintln!("{trouble}");
            ExitCode::FAILURE
        }
    }
}

/// False where a row could not be run.
fn run(options: &Options) -> Result<bool, Trouble> {
    if options.write && !options.rows.is_empty() {
        return Err("--write is for the whole table".into());
    }
    entrants::build()?;
    let scale = Scale { rounds: options.rounds.max(1), megabytes: options.megabytes.max(1) };
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut complete = true;
    let wanted = |name: &str| {
        options.rows.is_empty() || options.rows.iter().any(|part| name.contains(part.as_str()))
    };
    for (name, measure) in rows::ROWS.iter().filter(|(name, _)| wanted(name)) {
        eprintln!("== {name}");
        match measure(scale) {
            Ok(found) => outcomes.extend(found),
            Err(trouble) => {
                eprintln!("{name}: {trouble}");
                complete = false;
            }
        }
    }
    print!("{}", report::tables(&outcomes));
    if options.write && complete {
        report::write(&outcomes, scale)?;
    }
    Ok(complete)
}
