//! The real program on the real kernel: every call of the process fails once with every reason it may have, and
//! every call is the last before a SIGKILL. Then a second start, and an account of every line.
//!
//! The server loses what it has not answered. So a line is missing in the end if a cursor ever was ahead of an
//! answer.

mod workload;

use crate::peers::peer;
use crate::real_faults::matrix::{Matrix, Reasons, failing, killing};
use crate::real_faults::strace::{Harm, Injection, View};
use crate::support::is_original;
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
const REASONS: &[Reasons] = &[
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

/// Every call of a run without harm, with each harm.
fn cases(
    workload: &Workload,
    view: &View,
    calls: impl Iterator<Item = (&'static str, Vec<Harm>)>,
) -> Vec<Injection> {
    let counts = workload.count_calls(view);
    let mut cases = Vec::new();
    for (call, harms) in calls {
        for when in 1..=counts.get(call.trim_start_matches('?')).copied().unwrap_or(0) {
            cases.extend(harms.iter().map(|&harm| Injection { call, when, harm }));
        }
    }
    cases
}

/// `follow` says that all threads are harmed together, since strace counts the calls of each thread. A kill hits the
/// first thread that reaches its call, so it looks at the first thread alone.
fn try_all(
    what: &str,
    follow: bool,
    calls: impl Iterator<Item = (&'static str, Vec<Harm>)>,
    count_min: usize,
) {
    // No line of these goes through multilog's script: one run is enough.
    let Some(strace) = peer("strace").filter(|_| !is_original()) else { return };
    let workload = Workload::new(strace);
    let view = View { follow, paths: Vec::new() };
    let matrix = Matrix {
        what: format!("{what}, logship"),
        sample_count: SAMPLE_COUNT,
        sample_min: SAMPLE_COUNT / 3,
        count_min,
        per_core: RUNS_PER_CORE,
    };
    let run = |case: &Injection| workload.run(&view, case);
    matrix.run(&cases(&workload, &view, calls), |_| false, run);
}

#[test]
fn every_call_that_fails_loses_nothing() {
    try_all("faults", true, failing(REASONS), FAULT_COUNT_MIN);
}

#[test]
fn a_kill_at_every_call_loses_nothing() {
    try_all("kills", false, killing(REASONS), KILL_COUNT_MIN);
}
