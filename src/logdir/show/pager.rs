//! Runs a pager for output longer than the screen.
//!
//! Without a shell in between, a missing pager fails before any line is written.

use crate::message;
use crate::sys::startup;
use ::logdir::failure::{Failure, What};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::{Child, ChildStdin, Command, Stdio};

/// Pager variables in order of preference, before the default.
const VARIABLES: [&str; 2] = ["LOGDIR_PAGER", "PAGER"];
const DEFAULT: &str = "less";
/// Default for `LESS`: quit if everything fits the screen, show colors, keep the screen on exit.
const LESS: &str = "FRX";
const COLOURS: u8 = b'R';

/// Pager command with arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    words: Vec<OsString>,
    /// True if a variable names this pager: a failed start is then reported.
    is_asked_for: bool,
}

/// Pager from the environment. `None` if the variable is empty, or if `TERM` lacks cursor movement.
pub fn wanted(variable: impl Fn(&str) -> Option<OsString>) -> Option<Wanted> {
    if variable("TERM").is_none_or(|term| term.is_empty() || term == "dumb") {
        return None;
    }
    let asked = VARIABLES.iter().find_map(|name| variable(name));
    let is_asked_for = asked.is_some();
    let command = asked.unwrap_or_else(|| DEFAULT.into());
    let words = command.as_bytes().split(u8::is_ascii_whitespace);
    let words: Vec<OsString> = words
        .filter(|word| !word.is_empty())
        .map(|word| OsString::from_vec(word.to_vec()))
        .collect();
    let is_none = words.is_empty() || words == [OsStr::new("cat")];
    (!is_none).then_some(Wanted { words, is_asked_for })
}

/// Running pager. Drop waits for its exit.
pub struct Pager {
    child: Child,
    /// `None` after the pager closed its input.
    input: Option<ChildStdin>,
}

impl Pager {
    /// Starts a pager. `None` after failure, reported only if the user named that pager.
    ///
    /// From here on SIGINT belongs to the pager, and an early exit of the pager must not kill this
    /// process.
    pub fn start(wanted: &Wanted) -> Option<Pager> {
        let mut command = Command::new(&wanted.words[0]);
        command.args(&wanted.words[1..]).stdin(Stdio::piped());
        command.env("LESS", less(std::env::var_os("LESS")));
        match command.spawn() {
            Ok(mut child) => {
                startup::ignore(Signal::SIGINT);
                startup::ignore(Signal::SIGPIPE);
                let input = child.stdin.take();
                Some(Pager { child, input })
            }
            Err(error) => {
                if wanted.is_asked_for {
                    message::failed(&failure(What::RunPager, &wanted.words[0], &error));
                }
                None
            }
        }
    }

    /// Writes bytes unless the pager has exited.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let Some(input) = &mut self.input else { return Ok(()) };
        match input.write_all(bytes) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.input = None;
                Ok(())
            }
            Err(error) => Err(failure(What::WriteTo, OsStr::new("the pager"), &error)),
        }
    }

    /// True if input is closed.
    pub fn has_ended(&mut self) -> bool {
        let is_broken = |input: &ChildStdin| {
            let mut ready = [PollFd::new(input.as_fd(), PollFlags::empty())];
            poll(&mut ready, PollTimeout::ZERO) == Ok(1)
        };
        if self.input.as_ref().is_some_and(is_broken) {
            self.input = None;
        }
        self.input.is_none()
    }
}

impl Drop for Pager {
    fn drop(&mut self) {
        self.input = None;
        // A pager's exit status does not matter.
        let _ = self.child.wait();
    }
}

/// Options for less: the user's plus `-R`; without `-R` less shows color escapes as text.
fn less(wanted: Option<OsString>) -> OsString {
    let Some(wanted) = wanted else { return LESS.into() };
    let is_letters = |word: &&[u8]| !word.starts_with(b"--");
    let mut words = wanted.as_bytes().split(u8::is_ascii_whitespace).filter(is_letters);
    let has_colours = words.any(|word| word.contains(&COLOURS));
    if has_colours {
        return wanted;
    }
    // `-R` first: text after a letter with a value belongs to that value.
    let mut options = OsString::from("-R ");
    options.push(wanted);
    options
}

fn failure(what: What, place: &OsStr, error: &io::Error) -> Failure {
    Failure::of_io(what, place.as_bytes(), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(logdir_pager: Option<&str>, pager: Option<&str>, expected: &[&str]) {
        let wanted = wanted(|name| match name {
            "LOGDIR_PAGER" => logdir_pager.map(OsString::from),
            "PAGER" => pager.map(OsString::from),
            _ => Some("xterm".into()),
        });
        let words = wanted.map_or_else(Vec::new, |wanted| wanted.words);
        assert_eq!(words, expected);
    }

    #[test]
    fn less_shows_colors_whatever_else_it_is_told() {
        for (wanted, expected) in [
            (None, "FRX"),
            (Some("-i"), "-R -i"),
            (Some(""), "-R "),
            (Some("FRX"), "FRX"),
            (Some("-R -i"), "-R -i"),
            (Some("--RAW-CONTROL-CHARS"), "-R --RAW-CONTROL-CHARS"),
            (Some("-Ps"), "-R -Ps"),
        ] {
            assert_eq!(less(wanted.map(OsString::from)), expected);
        }
    }

    #[test]
    fn the_first_that_is_set_counts_and_empty_is_none() {
        check(None, None, &["less"]);
        check(None, Some("more"), &["more"]);
        check(Some(" less  -S "), Some("more"), &["less", "-S"]);
        check(Some(""), Some("more"), &[]);
        check(None, Some(" "), &[]);
        check(None, Some("cat"), &[]);
        check(Some("cat -v"), None, &["cat", "-v"]);
    }
}
