//! A matrix of harmed repetitions: which of them are run, how many at once, and what came of all.

use super::account::Account;
use super::strace::Harm;
use crate::random::is_full;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// A call and what it may answer, as strace(1) names them.
pub type Reasons = (&'static str, &'static [&'static str]);

/// A program's matrix.
pub struct Matrix {
    /// What is tried, and on which program.
    pub what: String,
    /// How many repetitions are run without `MULTILOG_TEST_MATRIX=full`.
    pub sample_count: usize,
    /// The least that the sample has to try. A call that is not reached again harms nothing.
    pub sample_min: usize,
    /// The least that the whole matrix has to try.
    pub count_min: usize,
    /// Repetitions at once for each core.
    pub per_core: usize,
}

impl Matrix {
    /// Runs all, or a sample that is evenly spread and has besides what `is_known` to do harm. Then says what was
    /// run, where `--nocapture` shows it, and what went wrong.
    pub fn run<Case: Sync>(
        &self,
        cases: &[Case],
        is_known: impl Fn(&Case) -> bool,
        run: impl Fn(&Case) -> Account + Sync,
    ) {
        let step = if is_full() { 1 } else { cases.len().div_ceil(self.sample_count).max(1) };
        let is_chosen = |(pos, case): &(usize, &Case)| pos % step == 0 || is_known(case);
        let chosen: Vec<&Case> =
            cases.iter().enumerate().filter(is_chosen).map(|(_, case)| case).collect();
        self.report(&self.run_all(&chosen, run));
    }

    fn run_all<Case: Sync>(
        &self,
        cases: &[&Case],
        run: impl Fn(&Case) -> Account + Sync,
    ) -> Account {
        let next = AtomicUsize::new(0);
        let total = Mutex::new(Account::default());
        let work = || {
            while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                let account = run(case);
                total.lock().expect("no other panicked").add(account);
            }
        };
        let cores = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            for _ in 0..self.per_core * cores {
                scope.spawn(work);
            }
        });
        total.into_inner().expect("all have ended")
    }

    fn report(&self, account: &Account) {
        let what = &self.what;
        let extent = if is_full() { "the whole matrix" } else { "a sample" };
        let _ = writeln!(std::io::stdout(), "{what}, {extent}: {account}");
        assert!(account.is_clean(), "{what}: {account}{}", account.details());
        let least = if is_full() { self.count_min } else { self.sample_min };
        assert!(account.tried >= least, "only {} {what} were tried", account.tried);
    }
}

/// Each call with a failure for each of its reasons.
pub fn failing(calls: &'static [Reasons]) -> impl Iterator<Item = (&'static str, Vec<Harm>)> {
    let harms = |reasons: &[&'static str]| reasons.iter().copied().map(Harm::Error).collect();
    calls.iter().map(move |(call, reasons)| (*call, harms(reasons)))
}

/// Each call with a kill.
pub fn killing(calls: &'static [Reasons]) -> impl Iterator<Item = (&'static str, Vec<Harm>)> {
    calls.iter().map(|(call, _)| (*call, vec![Harm::Kill]))
}
