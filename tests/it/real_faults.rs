//! The real program on the real kernel: every call of the process fails once with every reason it may have,
//! those of the runtime, of destructors and of the loader included, and every call that touches files is the
//! last before a SIGKILL; then a second start, and an account of every line and of how the process ended.
//!
//! strace(1) does the harm. Without `MULTILOG_TEST_MATRIX=full` only a part of the matrix is run, the
//! same each time.

pub mod account;
pub mod matrix;
pub mod strace;
mod workload;

use crate::peers::peer;
use crate::support::{differs, is_original, program};
use matrix::{Matrix, Reasons, failing, killing};
use std::path::{Path, PathBuf};
use strace::{Harm, Injection, View};
use workload::{DIRS, Workload};

/// How much of each matrix is run without the variable.
const SAMPLE_COUNT: usize = 120;

/// How many faults are tried at once for each core: much of what they do is wait for a pause to pass.
const FAULTS_PER_CORE: usize = 12;
const KILLS_PER_CORE: usize = 2;

/// The least that the whole matrix has to try.
const FAULT_COUNT_MIN: usize = 4000;
const KILL_COUNT_MIN: usize = 300;

/// The reasons for which each call may fail. What a file system may answer it may answer to all that
/// touch it; EPERM and EMLINK stand for one that has no hard links.
pub const REASONS: &[Reasons] = &[
    ("openat", &["ENOSPC", "EIO", "EDQUOT", "EMFILE", "ENFILE", "ENOMEM", "EINTR", "EACCES"]),
    ("read", &["EINTR", "EAGAIN"]),
    ("fsync", &["ENOSPC", "EIO", "EDQUOT", "ENOMEM", "EINTR"]),
    ("?rename", &["ENOSPC", "EIO"]),
    ("renameat", &["ENOSPC", "EIO", "EDQUOT", "ENOMEM", "EINTR", "EACCES"]),
    ("?link", &["ENOSPC", "EIO"]),
    ("linkat", &["ENOSPC", "EIO", "EDQUOT", "ENOMEM", "EINTR", "EACCES", "EPERM", "EMLINK"]),
    ("?unlink", &["ENOSPC", "EIO"]),
    ("unlinkat", &["ENOSPC", "EIO", "EDQUOT", "ENOMEM", "EINTR", "EACCES"]),
    ("?chmod", &["ENOSPC", "EIO"]),
    ("fchmod", &["ENOSPC", "EIO", "EDQUOT", "ENOMEM", "EINTR"]),
    ("?stat", &["EIO", "ENOMEM"]),
    ("?fstat", &["EIO", "ENOMEM", "EINTR"]),
    ("newfstatat", &["EIO", "ENOMEM", "EINTR"]),
    ("getdents64", &["EIO", "ENOMEM", "EINTR"]),
    ("?mkdir", &["ENOSPC", "EIO"]),
    ("mkdirat", &["ENOSPC", "EIO", "EDQUOT", "ENOMEM", "EINTR"]),
    ("flock", &["EIO", "ENOMEM", "EINTR", "ENOLCK"]),
    // Calls of the loop and of the start of a processor. Some kinds are left out because strace cannot make
    // them fail as a kernel does. It skips a failed futex, and the thread to wake would sleep forever. It counts
    // calls per process, so dup2, setpgid and fchdir would fail in every child again, and no processor would ever
    // start. It skips a failed close, although the kernel frees the descriptor even then.
    ("ppoll", &["EINTR", "ENOMEM"]),
    ("eventfd2", &["EMFILE", "ENFILE", "ENOMEM"]),
    ("signalfd4", &["EMFILE", "ENFILE", "ENOMEM"]),
    ("waitid", &["EINTR"]),
    ("recvfrom", &["EINTR"]),
    ("lseek", &["EINVAL"]),
    // Memory: of the loader, of threads that begin and end, of buffers that are given back.
    ("mmap", &["ENOMEM"]),
    ("mprotect", &["ENOMEM"]),
    ("munmap", &["ENOMEM"]),
    ("madvise", &["EINVAL", "ENOMEM"]),
    ("brk", &["ENOMEM"]),
    ("sigaltstack", &["ENOMEM"]),
    ("fcntl", &["EMFILE", "ENOMEM", "EINTR"]),
    ("clone", &["EAGAIN", "ENOMEM"]),
    ("clone3", &["EAGAIN", "ENOMEM"]),
    ("socketpair", &["EMFILE", "ENFILE", "ENOMEM"]),
    ("wait4", &["EINTR"]),
    // Only for the kills.
    ("close", &[]),
];

/// The same for writes, but only those to files: a thread wakes another by one that no kernel fails.
pub const WRITE_REASONS: &[Reasons] = &[
    ("write", &["ENOSPC", "EIO", "EDQUOT", "ENOMEM", "EINTR"]),
    ("pwrite64", &["ENOSPC", "EIO", "EDQUOT", "ENOMEM", "EINTR"]),
];

/// Files that each processor opens before it runs. With all processes in view a fault of one of its first
/// calls would come again in every processor, and none would ever start.
const PROCESSOR_OPENS: usize = 4;

/// One repetition of the workload.
struct Case<'a> {
    view: &'a View,
    injection: Injection,
    /// Who puts things in order afterwards.
    successor: &'a Path,
}

/// All threads together: strace counts the calls of each thread, so a fault hits every thread. The original has a
/// single thread; its children would meet the fault again at every retry.
fn view_of_faults(paths: Vec<String>) -> View {
    View { follow: !is_original(), paths }
}

/// Parts of the process, each alone: its first thread, and by their files the threads that finish the files of
/// a directory. A kill needs this, because it hits only the first thread to reach its call.
fn views_of_parts() -> Vec<View> {
    let mut views = vec![View { follow: false, paths: Vec::new() }];
    for dir in DIRS.into_iter().filter(|_| !is_original()) {
        let paths = |names: &[&str]| names.iter().map(|name| format!("{dir}{name}")).collect();
        let of_finisher = ["/previous", "/processed", "/newstate", "/state"];
        views.extend([
            View { follow: true, paths: paths(&of_finisher) },
            View { follow: true, paths: paths(&[""]) },
        ]);
    }
    views
}

fn cases<'a>(
    workload: &Workload,
    view: &'a View,
    successors: &[&'a Path],
    calls: impl Iterator<Item = (&'static str, Vec<Harm>)>,
) -> Vec<Case<'a>> {
    let counts = workload.count_calls(view);
    let mut cases = Vec::new();
    for (call, harms) in calls {
        let sees_processors = view.follow && view.paths.is_empty();
        let first = if sees_processors && call == "openat" { PROCESSOR_OPENS + 1 } else { 1 };
        for when in first..=counts.get(call.trim_start_matches('?')).copied().unwrap_or(0) {
            for &harm in &harms {
                let injection = Injection { call, when, harm };
                let successor = successors[cases.len() % successors.len()];
                cases.push(Case { view, injection, successor });
            }
        }
    }
    cases
}

/// Of faults, or of kills.
fn matrix(what: &str, count_min: usize, per_core: usize) -> Matrix {
    let name = if is_original() { "daemontools" } else { "ours" };
    Matrix {
        what: format!("real {what}, {name}"),
        sample_count: SAMPLE_COUNT,
        sample_min: SAMPLE_COUNT / 2,
        count_min,
        per_core,
    }
}

fn try_faults(strace: PathBuf) {
    let workload = Workload::new(strace);
    let successor = program();
    let logs = DIRS.map(|dir| format!("{dir}/current"));
    let files = [&logs[..], &["status".to_owned(), "stderr".to_owned()]].concat();
    let file_view = view_of_faults(files);
    let mut views = views_of_parts();
    if !is_original() {
        views.push(view_of_faults(Vec::new()));
    }
    let of_view = |view| cases(&workload, view, &[&successor], failing(REASONS));
    let mut all: Vec<Case> = views.iter().flat_map(of_view).collect();
    all.extend(cases(&workload, &file_view, &[&successor], failing(WRITE_REASONS)));
    // The original makes fewer calls: no thread, and a loop without poll.
    let count_min = if is_original() { FAULT_COUNT_MIN / 2 } else { FAULT_COUNT_MIN };
    // The original is known to fail these.
    let is_known =
        |case: &Case| (case.injection.call, case.injection.harm) == ("fsync", Harm::Error("EIO"));
    let run = |case: &Case| workload.run(case.view, &case.injection, case.successor);
    matrix("faults", count_min, FAULTS_PER_CORE).run(&all, is_known, run);
}

fn try_kills(strace: PathBuf, original: &Path) {
    let workload = Workload::new(strace);
    let program = program();
    let views = views_of_parts();
    let kills = || killing(REASONS).chain(killing(WRITE_REASONS));
    let of_view = |view| cases(&workload, view, &[&program, original], kills());
    let all: Vec<Case> = views.iter().flat_map(of_view).collect();
    let run = |case: &Case| workload.run(case.view, &case.injection, case.successor);
    matrix("kills", KILL_COUNT_MIN, KILLS_PER_CORE).run(&all, |_| false, run);
}

#[test]
fn real_faults_of_every_call_lose_nothing() {
    let Some(strace) = peer("strace") else { return };
    differs("real_faults_of_every_call_lose_nothing", || try_faults(strace));
}

#[test]
fn real_kills_at_every_call_lose_nothing_that_was_written() {
    let (Some(strace), Some(original)) = (peer("strace"), peer("multilog")) else { return };
    try_kills(strace, &original);
}
