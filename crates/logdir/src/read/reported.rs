//! Reads what a directory's writer reports, and what the kernel shows about other writers.

use crate::format::WRITER;
use crate::read::list::Directory;
use crate::read::writer::Writer;
use crate::writer_state::{STATE_LEN, WriterState};
use std::fs;
use std::io::Read;

/// Attempts to read a changing state file.
const TRIES_MAX: usize = 3;

/// Known facts about a directory's current or last writer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reported {
    /// Program name, and the version if our writer reported it.
    pub program: Option<String>,
    /// State of a running writer.
    pub state: Option<WriterState>,
}

/// Reads a writer's report. Loggers other than ours report nothing; their program is known only
/// while running.
pub fn reported(directory: &Directory, writer: Option<Writer>) -> Reported {
    let state = read(directory);
    match writer {
        Some(Writer::Running(pid)) => {
            let state = state.filter(|state| is_of(state, pid));
            let program = state.as_ref().map(|state| state.program.clone());
            Reported { program: program.or_else(|| command(pid?)), state }
        }
        Some(Writer::Clean | Writer::Crashed | Writer::Unknown(_)) => {
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

/// True if a state belongs to the running process, not to an earlier writer. A process in a
/// container also has a container-local number.
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

/// Name of a running program.
fn command(pid: i32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}
