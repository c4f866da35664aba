//! The real program on the real kernel: every call of the process fails once with every reason it may have, and
//! every call is the last before a SIGKILL. Then a second start, and an account of every line.
//!
//! The server loses what it has not answered. So a line is missing in the end if a cursor ever was ahead of an
//! answer.

mod workload;

use crate::peers::peer;
use crate::random::is_full;
use crate::real_faults::account::Account;
use crate::real_faults::strace::{Harm, Injection, View};
use crate::support::is_original;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use workload::Workload;

/// How much of each matrix is run without the variable.
const SAMPLE_COUNT: usize = 60;
/// How many are tried at once for each core: much of what they do is wait.
const RUNS_PER_CORE: usize = 6;
/// The least that the whole matrix has to try.
const FAULT_COUNT_MIN: usize = 1000;
const KILL_COUNT_MIN: usize = 350;

/// What a file system may answer to calls that change it.
const OF_DISK: &[&str] = &["ENOSPC", "EIO", "EDQUOT", "EINTR"];
/// What may be short of when something is opened.
const OF_OPENING: &[&str] = &["EMFILE", "ENFILE", "ENOMEM"];

/// The calls, and the reasons for which each may fail. Left out is what strace cannot make fail as a kernel does: it
/// skips a failed futex or close, and a kernel answers brk with an address.
const REASONS: &[(&str, &[&str])] = &[
    ("openat", &["ENOSPC", "EIO", "EMFILE", "ENFILE", "ENOMEM", "EINTR", "EACCES"]),
    ("read", &["EINTR", "EIO"]),
    ("pread64", &["EINTR", "EIO"]),
    ("write", OF_DISK),
    ("fsync", OF_DISK),
    ("?rename", OF_DISK),
    ("?mkdir", OF_DISK),
    ("?stat", &["EIO", "ENOMEM"]),
    ("?fstat", &["EIO", "ENOMEM"]),
    ("newfstatat", &["EIO", "ENOMEM"]),
    ("statx", &["EIO", "ENOMEM", "ENOSYS"]),
    ("getdents64", &["EIO", "ENOMEM", "EINTR"]),
    ("flock", &["EINTR", "ENOLCK"]),
    ("?readlink", &["EIO"]),
    ("getcwd", &["ENOENT"]),
    ("ppoll", &["EINTR", "ENOMEM"]),
    ("eventfd2", OF_OPENING),
    ("signalfd4", OF_OPENING),
    ("inotify_init1", OF_OPENING),
    ("inotify_add_watch", &["ENOSPC", "ENOMEM"]),
    ("socket", &["EMFILE", "ENFILE", "ENOMEM", "EACCES"]),
    ("connect", &["ECONNREFUSED", "ETIMEDOUT", "ENETUNREACH", "EINTR"]),
    ("setsockopt", &["ENOBUFS"]),
    ("ioctl", &["EIO"]),
    ("sendto", &["ECONNRESET", "EPIPE", "ENOBUFS", "EINTR", "EAGAIN"]),
    ("recvfrom", &["ECONNRESET", "ETIMEDOUT", "EINTR", "EAGAIN"]),
    ("shutdown", &["ENOTCONN"]),
    ("mmap", &["ENOMEM"]),
    ("mprotect", &["ENOMEM"]),
    ("munmap", &["ENOMEM"]),
    ("madvise", &["ENOMEM"]),
    ("sigaltstack", &["ENOMEM"]),
    ("fcntl", &["EMFILE", "ENOLCK", "EINTR"]),
    ("clone3", &["EAGAIN", "ENOMEM"]),
    ("close", &[]),
];

/// All threads together, for faults: strace counts the calls of each thread. A kill hits the first thread that
/// reaches its call, so it looks at the first thread alone.
fn view(follow: bool) -> View {
    View { follow, paths: Vec::new() }
}

fn harms(reasons: &[&'static str], harm: Option<Harm>) -> Vec<Harm> {
    harm.map_or_else(|| reasons.iter().copied().map(Harm::Error).collect(), |harm| vec![harm])
}

/// Every call of a run without harm, with each harm; evenly spread if not all of them are run.
fn cases(workload: &Workload, view: &View, harm: Option<Harm>) -> Vec<Injection> {
    let counts = workload.count_calls(view);
    let mut cases = Vec::new();
    for &(call, reasons) in REASONS {
        let count = counts.get(call.trim_start_matches('?')).copied().unwrap_or(0);
        for when in 1..=count {
            let of_call = harms(reasons, harm).into_iter();
            cases.extend(of_call.map(|harm| Injection { call, when, harm }));
        }
    }
    let step = if is_full() { 1 } else { cases.len().div_ceil(SAMPLE_COUNT).max(1) };
    cases.into_iter().step_by(step).collect()
}

fn run_all(workload: &Workload, view: &View, cases: &[Injection]) -> Account {
    let next = AtomicUsize::new(0);
    let total = Mutex::new(Account::default());
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let account = workload.run(view, case);
            total.lock().expect("no other panicked").add(account);
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..RUNS_PER_CORE * cores {
            scope.spawn(work);
        }
    });
    total.into_inner().expect("all have ended")
}

fn try_all(what: &str, follow: bool, harm: Option<Harm>, count_min: usize) {
    // No line of these goes through multilog's script: one run is enough.
    let Some(strace) = peer("strace").filter(|_| !is_original()) else { return };
    let workload = Workload::new(strace);
    let view = view(follow);
    let cases = cases(&workload, &view, harm);
    let account = run_all(&workload, &view, &cases);
    let extent = if is_full() { "the whole matrix" } else { "a sample" };
    let _ = writeln!(std::io::stdout(), "logship, {what}, {extent}: {account}");
    assert!(account.is_clean(), "{what}: {account}{}", account.details());
    let least = if is_full() { count_min } else { SAMPLE_COUNT / 3 };
    assert!(account.tried >= least, "only {} {what} were tried", account.tried);
}

#[test]
fn every_call_that_fails_loses_nothing() {
    try_all("faults", true, None, FAULT_COUNT_MIN);
}

#[test]
fn a_kill_at_every_call_loses_nothing() {
    try_all("kills", false, Some(Harm::Kill), KILL_COUNT_MIN);
}
