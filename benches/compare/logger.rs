//! A logger of `./main` that runs while it is looked at.

use crate::Trouble;
use crate::entrants::Entrant;
use crate::process::{file_len, wait_until};
use crate::race::{Place, home, prepare};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin};
use tempfile::TempDir;

/// What it is given where one line is like the other.
pub const LINE: &[u8] = b"status: local 0/10 remote 1/20\n";

/// Killed when dropped.
#[derive(Debug)]
pub struct Logger {
    child: Child,
    stdin: Option<ChildStdin>,
    current: PathBuf,
    home: TempDir,
}

impl Logger {
    pub fn start(entrant: &Entrant) -> Result<Logger, Trouble> {
        let home = home(Place::Memory)?;
        let mut child = prepare(entrant, home.path())?.spawn()?;
        let current = home.path().join("main/current");
        Ok(Logger { stdin: child.stdin.take(), child, current, home })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn current(&self) -> &Path {
        &self.current
    }

    pub fn stdin(&self) -> Result<&ChildStdin, Trouble> {
        self.stdin.as_ref().ok_or_else(|| "its input is closed".into())
    }

    /// Gives it a line and waits until this is in `current`.
    pub fn write_and_wait(&self) -> Result<(), Trouble> {
        let len = file_len(&self.current);
        self.stdin()?.write_all(LINE)?;
        wait_until("a line", || file_len(&self.current) > len)
    }

    /// Closes its input and waits for its end.
    pub fn end(&mut self) -> Result<(), Trouble> {
        self.stdin = None;
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("a logger ended with {status}").into()) }
    }
}

impl Drop for Logger {
    fn drop(&mut self) {
        // Both fail where it has ended, as it should have.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
