//! The real receiver on the real kernel: every call of the process fails once with every reason it may have, and
//! every call that touches files or clients is the last before a SIGKILL. A client sends over RELP all the time and
//! sends again what has no answer; a supervisor starts the receiver again. Whatever was answered must be in a log
//! directory in the end.
//!
//! strace(1) does the harm. Without `MULTILOG_TEST_MATRIX=full` only a part of the matrix is run, the same each time.

use super::relp::Delivery;
use super::{lines, text};
use crate::peers::peer;
use crate::real_faults::account::{Account, Lines};
use crate::real_faults::matrix::{Matrix, Reasons, failing, killing};
use crate::real_faults::strace::{Harm, Injection, View, count_calls};
use crate::real_faults::{REASONS, WRITE_REASONS};
use crate::support::Home;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Messages of the client, in two directories.
const COUNT: u64 = 96;
const DIRS: [&str; 2] = ["even", "odd"];
/// How much of the matrix is run without the variable, and the least that the whole must have.
const SAMPLE_COUNT: usize = 40;
const FAULT_COUNT_MIN: usize = 1200;
const KILL_COUNT_MIN: usize = 400;
/// Repetitions at once for each core: most of each is waiting.
const PER_CORE: usize = 8;
/// Longer than any repetition takes.
const HUNG_AFTER: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// The exit code of a failed start, and of a failed sync at the end.
const EXIT_FATAL: i32 = 111;

/// Calls of connections, and what they may answer.
const SOCKET_REASONS: &[Reasons] = &[
    ("socket", &["EMFILE", "ENFILE", "ENOMEM"]),
    ("bind", &["EADDRINUSE", "ENOMEM"]),
    ("listen", &["EADDRINUSE"]),
    ("getsockname", &["ENOBUFS"]),
    ("accept4", &["EMFILE", "ENFILE", "ENOMEM", "ECONNABORTED", "EINTR", "EAGAIN"]),
    ("setsockopt", &["ENOMEM"]),
    ("ioctl", &["ENOMEM"]),
    ("recvfrom", &["ECONNRESET", "ETIMEDOUT", "ENOMEM", "EAGAIN"]),
    ("recvmsg", &["ENOMEM", "EINTR"]),
    ("sendto", &["ECONNRESET", "EPIPE", "ENOBUFS", "EINTR", "EAGAIN"]),
    ("shutdown", &["ENOTCONN"]),
];

/// Messages with their numbers.
fn messages() -> Vec<(u64, String)> {
    let message = |number: u64| {
        let program = DIRS[(number % 2) as usize];
        (
            number,
            format!("<13>{program}: {} {number}", "x".repeat(60 + (number * 37 % 90) as usize)),
        )
    };
    (0..COUNT).map(message).collect()
}

/// An address that no other repetition uses.
fn free_address() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let net = 16 + std::process::id() % 200;
    let listener = TcpListener::bind(format!("127.{net}.{}.{}:0", number / 250, 1 + number % 250));
    listener.expect("a port").local_addr().expect("an address").to_string()
}

/// The receiver; under strace if there is something to be traced.
fn start(home: &Home, address: &str, strace: Option<(&Path, &View, &[String])>) -> Child {
    let program = env!("CARGO_BIN_EXE_logreceive");
    let mut command = match strace {
        Some((strace, view, injection)) => {
            let mut command = Command::new(strace);
            // The receiver is our child, and strace its.
            command.arg("-D").args(view.options()).args(injection).arg(program);
            command
        }
        None => Command::new(program),
    };
    let socket = format!("relp://{address}");
    command.args([&socket, "--into", "root", "--", "r50", "t", "s4096", "n1000"]);
    let stderr = OpenOptions::new().create(true).append(true).open(home.path("stderr"));
    command.current_dir(home.path("")).stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(stderr.expect("a file")).spawn().expect("it starts")
}

/// Starts it without harm, and waits until it listens or ends.
fn start_and_wait(home: &Home, address: &str, until: Instant) -> Child {
    let count = || text(&home.read("stderr")).matches("listening on").count();
    let before = count();
    let mut child = start(home, address, None);
    while count() == before
        && Instant::now() < until
        && child.try_wait().expect("a child").is_none()
    {
        thread::sleep(LOOK_EVERY);
    }
    child
}

fn wait_for(child: &mut Child, until: Instant) -> Option<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return Some(status);
        }
        if Instant::now() >= until {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        thread::sleep(LOOK_EVERY);
    }
}

fn end(child: &mut Child, until: Instant) -> Option<ExitStatus> {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process number"));
    let _ = kill(pid, Signal::SIGTERM);
    wait_for(child, until)
}

fn has_listened(home: &Home) -> bool {
    text(&home.read("stderr")).contains("listening on")
}

/// Says how a receiver ended that was not asked to.
fn judge(home: &Home, status: ExitStatus, harm: Harm, account: &mut Account, about: &str) {
    match status.code() {
        None if harm == Harm::Kill && status.signal() == Some(Signal::SIGKILL as i32) => {}
        Some(EXIT_FATAL) if !has_listened(home) => account.refused += 1,
        _ if !has_listened(home) => account.unstarted += 1,
        _ => account.death(&format!("{status}"), about),
    }
}

/// One repetition: harm, and what became of the messages.
fn run(strace: &Path, view: &View, injection: Injection) -> Account {
    let about = format!("{injection:?}");
    let mut account = Account::default();
    let home = Home::in_memory();
    let (address, until) = (free_address(), Instant::now() + HUNG_AFTER);
    let view = View {
        follow: view.follow,
        paths: view.paths.iter().map(|path| home.path(path).display().to_string()).collect(),
    };
    let mut child = start(&home, &address, Some((strace, &view, &injection.options())));
    let mut is_harmed = true;
    let delivery = Delivery::default();
    thread::scope(|scope| {
        let messages = messages();
        let (delivery, address) = (&delivery, &address);
        let client = scope.spawn(move || delivery.deliver(address, &messages));
        while !client.is_finished() && Instant::now() < until {
            if let Some(status) = child.try_wait().expect("a child") {
                match is_harmed {
                    true => judge(&home, status, injection.harm, &mut account, &about),
                    false => account.death(&format!("the second: {status}"), &about),
                }
                is_harmed = false;
                child = start_and_wait(&home, address, until);
            }
            thread::sleep(LOOK_EVERY);
        }
        delivery.is_over.store(true, Ordering::Relaxed);
        if !client.is_finished() {
            account.hang(&format!("{about}: {} answered", delivery.answered().len()));
        }
    });
    match end(&mut child, until + HUNG_AFTER) {
        None => account.hang(&about),
        Some(status) if is_harmed => match status.code() {
            Some(0 | EXIT_FATAL) => {}
            None if injection.harm == Harm::Kill => {}
            _ => account.death(&format!("at its end {status}"), &about),
        },
        Some(status) if status.code() == Some(0) => {}
        Some(status) => account.death(&format!("the second at its end {status}"), &about),
    }
    let trace = text(&home.read("trace"));
    account.tried = usize::from(injection.harm == Harm::Kill || trace.contains("(INJECTED)"));
    check_lines(&home, &address, &delivery, &mut account, &about);
    account
}

/// A start puts the directories in order; then every answered message must be there.
fn check_lines(
    home: &Home,
    address: &str,
    delivery: &Delivery,
    account: &mut Account,
    about: &str,
) {
    let until = Instant::now() + HUNG_AFTER;
    let mut last = start_and_wait(home, address, until);
    if end(&mut last, until).and_then(|status| status.code()) != Some(0) {
        account.death("the last did not end in order", about);
    }
    let number = |line: String| line.rsplit(' ').next()?.parse().ok();
    // A directory that could not be opened has its messages in `other`.
    let dirs = DIRS.into_iter().chain(["other"]);
    let mut found: Vec<u64> =
        dirs.flat_map(|dir| lines(home, &format!("root/{dir}"))).filter_map(number).collect();
    // What was sent again may be there twice.
    found.sort_unstable();
    found.dedup();
    let required = delivery.answered().into_iter().collect();
    account.compare("root", &Lines { required, allowed: (0..COUNT).collect(), found }, about);
    for answer in delivery.other_answers.lock().expect("alone").iter() {
        account.untruth(&format!("a message was answered with {answer}"), about);
    }
}

/// How often each call is made where nothing goes wrong.
fn counts(strace: &Path, view: &View) -> BTreeMap<String, usize> {
    let home = Home::in_memory();
    let address = free_address();
    let paths = view.paths.iter().map(|path| home.path(path).display().to_string()).collect();
    let view = View { follow: view.follow, paths };
    let mut child = start(&home, &address, Some((strace, &view, &[])));
    let delivery = Delivery::default();
    delivery.deliver(&address, &messages());
    let status = end(&mut child, Instant::now() + HUNG_AFTER);
    assert_eq!(status.and_then(|status| status.code()), Some(0), "{}", text(&home.read("stderr")));
    count_calls(&text(&home.read("trace")))
}

fn cases(
    strace: &Path,
    view: &'static View,
    calls: impl Iterator<Item = (&'static str, Vec<Harm>)>,
) -> Vec<(&'static View, Injection)> {
    let counts = counts(strace, view);
    let mut cases = Vec::new();
    for (call, harms) in calls {
        for when in 1..=counts.get(call.trim_start_matches('?')).copied().unwrap_or(0) {
            let injections = harms.iter().map(|&harm| Injection { call, when, harm });
            cases.extend(injections.filter(is_possible).map(|injection| (view, injection)));
        }
    }
    cases
}

/// False for what no kernel does. strace counts the calls of each thread, so a first fsync would fail again in the
/// thread of every directory that is opened again; and brk(2) of Linux has no errors, so libc expects none.
fn is_possible(injection: &Injection) -> bool {
    let is_first_sync = injection.call == "fsync" && injection.when == 1;
    injection.harm == Harm::Kill || !(is_first_sync || injection.call == "brk")
}

fn run_all(what: &str, strace: &Path, all: &[(&View, Injection)], count_min: usize) {
    let matrix = Matrix {
        what: format!("real {what}, logreceive"),
        sample_count: SAMPLE_COUNT,
        sample_min: SAMPLE_COUNT / 2,
        count_min,
        per_core: PER_CORE,
    };
    // A failed fsync is what an answer depends on.
    let is_known = |(_, injection): &(&View, Injection)| {
        injection.harm == Harm::Error("EIO") && injection.call == "fsync"
    };
    matrix.run(all, is_known, |(view, injection)| run(strace, view, *injection));
}

/// All threads, and every call.
const ALL: &View = &View { follow: true, paths: Vec::new() };

/// Writes to files only.
fn files() -> &'static View {
    let paths = DIRS.map(|dir| format!("root/{dir}/current")).to_vec();
    Box::leak(Box::new(View { follow: true, paths }))
}

#[test]
fn real_faults_of_every_call_lose_no_answered_message() {
    let Some(strace) = peer("strace") else { return };
    let mut all = cases(&strace, ALL, failing(REASONS).chain(failing(SOCKET_REASONS)));
    all.extend(cases(&strace, files(), failing(WRITE_REASONS)));
    run_all("faults", &strace, &all, FAULT_COUNT_MIN);
}

#[test]
fn real_kills_at_every_call_lose_no_answered_message() {
    let Some(strace) = peer("strace") else { return };
    let calls = [REASONS, SOCKET_REASONS, WRITE_REASONS].into_iter().flat_map(killing);
    let all = cases(&strace, ALL, calls);
    run_all("kills", &strace, &all, KILL_COUNT_MIN);
}
