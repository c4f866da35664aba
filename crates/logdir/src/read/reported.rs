//! What the writer of a directory reports of itself, and what the system shows of other writers.

use crate::format::WRITER;
use crate::read::list::Directory;
use crate::read::writer::Writer;
use crate::writer_state::{STATE_LEN, WriterState};
use std::fs;
use std::io::Read;

/// A state that changes while it is read is read again, this often.
const TRIES_MAX: usize = 3;

/// What is known of the program that writes a directory, or that wrote it last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reported {
    /// Program name, and the version if our writer reported it.
    pub program: Option<String>,
    /// The state of a writer that runs.
    pub state: Option<WriterState>,
}

/// Reads what a writer reports. Loggers other than ours report nothing, and their program is known only
/// while they run.
pub fn reported(directory: &Directory, writer: Option<Writer>) -> Reported {
    let state = read(directory);
    match writer {
        Some(Writer::Running(pid)) => {
            let state = state.filter(|state| is_of(state, pid));
            let program = state.as_ref().map(|state| state.program.clone());
            Reported { program: program.or_else(|| command(pid?)), state }
        }
        Some(Writer::Clean | Writer::Crashed) => {
            Reported { program: state.map(|state| state.program), state: None }
        }
        None => Reported::default(),
    }
}

fn read(directory: &Directory) -> Option<WriterState> {
    (0..TRIES_MAX).find_map(|_| {
        let mut contents = Vec::with_capacity(STATE_LEN);
        let file = directory.open_file(WRITER).ok()?;
        file.take(STATE_LEN as u64).read_to_end(&mut contents).ok()?;
        WriterState::parse(&contents)
    })
}

/// True if a state is that of the running process and not left over by an earlier writer. In a container a
/// process has a number of its own as well.
fn is_of(state: &WriterState, pid: Option<i32>) -> bool {
    let Some(pid) = pid else { return state.closed.is_none() };
    let own = state.pid.to_string();
    if pid.to_string() == own {
        return true;
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    numbers.is_some_and(|numbers| numbers.split_whitespace().any(|number| number == own))
}

/// The name of a running program.
fn command(pid: i32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}
