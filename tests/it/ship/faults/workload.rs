//! What the matrix repeats: lines in several files are sent, more are written meanwhile, the receiver loses sessions,
//! and TERM ends the program. After harm a second run sends the rest.

use super::super::relp_server::{Behaviour, RelpServer};
use super::super::{command, log, text_of};
use crate::real_faults::account::{Account, Lines};
use crate::real_faults::strace::{self, Harm, Injection, View};
use crate::support::Home;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Lines that are there at first, and lines in the end.
const FIRST_COUNT: u64 = 60;
const COUNT: u64 = 90;
/// Messages of a session that are answered before it is lost.
const ANSWERED: usize = 25;
/// Longer than any run takes, all its pauses included.
const HUNG_AFTER: Duration = Duration::from_secs(60);
/// So many harmed calls, and it is asked to end although lines are missing. strace counts calls by thread, so the
/// first calls of the thread that connects fail in each try.
const HARMED_CALLS_MAX: usize = 3;
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// The exit code of a failed start.
const EXIT_FATAL: i32 = 111;
/// What is printed when everything has been opened.
const STARTED: &str = "info: sending to ";

pub struct Workload {
    strace: PathBuf,
}

/// How a run ended.
enum End {
    Ended(ExitStatus),
    Hung(&'static str),
}

impl Workload {
    pub fn new(strace: PathBuf) -> Workload {
        Workload { strace }
    }

    /// How often each call is made where nothing goes wrong.
    pub fn count_calls(&self, view: &View) -> BTreeMap<String, usize> {
        let home = Home::in_memory();
        let server = start_server();
        let End::Ended(status) = self.run_under_strace(&home, &server, view, &[]) else {
            panic!("it hangs without harm");
        };
        assert_eq!(status.code(), Some(0), "{}", stderr(&home));
        assert_eq!(missing(&server), 0, "{}", stderr(&home));
        strace::count_calls(&String::from_utf8_lossy(&home.read("trace")))
    }

    /// One repetition: harm, a second start, and what became of the lines.
    pub fn run(&self, view: &View, injection: &Injection) -> Account {
        let mut account = Account::default();
        let home = Home::in_memory();
        let server = start_server();
        let about = |home: &Home| format!("{injection:?}\n{}", stderr(home));
        match self.run_under_strace(&home, &server, view, &injection.options()) {
            End::Hung(when) => account.hang(&format!("{when}: {}", about(&home))),
            End::Ended(status) => {
                let trace = String::from_utf8_lossy(&home.read("trace")).into_owned();
                let is_killed = status.signal() == Some(Signal::SIGKILL as i32);
                let is_hit = is_killed || trace.contains("(INJECTED)");
                account.tried = usize::from(is_hit);
                if !(is_killed && injection.harm == Harm::Kill) {
                    let is_again = is_harmed_again(&home);
                    check_end(status, &server, is_again, &mut account, &about(&home));
                }
            }
        }
        home.write("trace", "", 0o600);
        let mut second = command(&home, &[&server.url(), "./log"]);
        if let End::Hung(when) = drive(&home, &mut second, &server) {
            account.hang(&format!("{when}, in the run after it: {}", about(&home)));
        }
        account.compare("log", &lines(&server), &about(&home));
        account
    }

    fn run_under_strace(
        &self,
        home: &Home,
        server: &RelpServer,
        view: &View,
        injection: &[String],
    ) -> End {
        log(home, 1, FIRST_COUNT);
        let shipping = command(home, &[&server.url(), "./log"]);
        let mut traced = Command::new(&self.strace);
        traced.args(view.options()).args(injection).arg(shipping.get_program());
        traced.args(shipping.get_args()).current_dir(home.path("")).stdin(Stdio::null());
        drive(home, &mut traced, server)
    }
}

/// Two sessions that lose what they have not answered, then a good one.
fn start_server() -> RelpServer {
    let loses = Behaviour::LosesAfter(ANSWERED);
    RelpServer::start(&[loses, loses, Behaviour::Good])
}

/// Runs a logship until all lines have arrived, those too that are logged meanwhile, then asks it to end.
fn drive(home: &Home, command: &mut Command, server: &RelpServer) -> End {
    let log_file = File::options().create(true).append(true).open(home.path("ship-stderr"));
    command.stdout(Stdio::null()).stderr(log_file.expect("a file")).process_group(0);
    let mut child = command.spawn().expect("it starts");
    let begin = Instant::now();
    let mut has_more = !is_written(home);
    let mut is_asked = false;
    while begin.elapsed() < HUNG_AFTER {
        if let Some(status) = child.try_wait().expect("a child") {
            if has_more {
                log(home, FIRST_COUNT + 1, COUNT);
            }
            return End::Ended(status);
        }
        if has_more && server.count() > ANSWERED {
            log(home, FIRST_COUNT + 1, COUNT);
            has_more = false;
        }
        if !is_asked && (!has_more && missing(server) == 0 || is_harmed_again(home)) {
            signal(&child, Signal::SIGTERM);
            is_asked = true;
        }
        thread::sleep(LOOK_EVERY);
    }
    signal(&child, Signal::SIGKILL);
    let _ = child.wait();
    if has_more {
        log(home, FIRST_COUNT + 1, COUNT);
    }
    End::Hung(if is_asked { "hung at the end" } else { "lines did not arrive" })
}

/// Whether a call failed so often that no line will ever be sent.
fn is_harmed_again(home: &Home) -> bool {
    let trace = String::from_utf8_lossy(&home.read("trace")).into_owned();
    trace.matches("(INJECTED)").count() > HARMED_CALLS_MAX
}

/// Whether all lines are in the log directory.
fn is_written(home: &Home) -> bool {
    home.contents("log").ends_with(format!(" {COUNT}\n").as_bytes())
}

fn signal(child: &Child, signal: Signal) {
    let group = Pid::from_raw(i32::try_from(child.id()).expect("a process number"));
    let _ = killpg(group, signal);
}

fn stderr(home: &Home) -> String {
    fs::read_to_string(home.path("ship-stderr")).unwrap_or_default()
}

/// The numbers that the server has, each once and in order: doubles are allowed after harm.
fn lines(server: &RelpServer) -> Lines {
    let number = |message: &Vec<u8>| {
        String::from_utf8(text_of(message)).expect("text").parse().expect("a number")
    };
    let mut found: Vec<u64> = server.stored().iter().map(number).collect();
    found.sort_unstable();
    found.dedup();
    Lines { required: (1..=COUNT).collect(), allowed: (1..=COUNT).collect(), found }
}

fn missing(server: &RelpServer) -> usize {
    let lines = lines(server);
    lines.required.iter().filter(|number| !lines.found.contains(number)).count()
}

/// A process ends when it is asked to, and then everything was sent, or before it has sent anything.
fn check_end(
    status: ExitStatus,
    server: &RelpServer,
    is_harmed_again: bool,
    account: &mut Account,
    about: &str,
) {
    match status.code() {
        Some(0) if missing(server) == 0 || is_harmed_again => {}
        Some(EXIT_FATAL) if !about.contains(STARTED) => account.refused += 1,
        _ if !about.contains(STARTED) => account.unstarted += 1,
        _ => account.death(&status.to_string(), about),
    }
}
