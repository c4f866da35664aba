//! Recovery steps for a directory as found: a pure decision.
//!
//! `current` with its bit set was closed cleanly. Everything else is left by a crash, and each file
//! gets the name it certainly deserves (multilog(8), "recovery"; 0.76 as measured).

use crate::format::{CURRENT, Code, NEWSTATE, PREVIOUS, PROCESSED, STATE};

/// State of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Absent,
    /// Bit not set, no bytes.
    Empty,
    /// Bit not set.
    Partial,
    /// Bit set: complete and on disk.
    Complete,
}

/// Recovery step before the first write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Remove, ignoring errors.
    Forget(&'static [u8]),
    /// Remove.
    Remove(&'static [u8]),
    /// Make an archive.
    Publish(&'static [u8], Code),
    /// Create an empty `state`.
    MakeState,
}

/// Steps for these three files, in order.
pub fn decide(current: Found, previous: Found, processed: Found) -> Vec<Step> {
    let mut steps = Vec::new();
    let clean = current == Found::Complete;
    if !clean {
        // A processor remembers nothing across a crash, as in 0.76: `state` may belong to a run
        // whose output is not on disk.
        steps.extend([Step::Forget(STATE), Step::Forget(NEWSTATE)]);
    }
    // Beside a clean `current` 0.76 ignores leftovers and overwrites them.
    if !clean || previous != Found::Absent || processed == Found::Complete {
        finish(previous, processed, &mut steps);
    }
    if !clean {
        match current {
            Found::Absent | Found::Complete => {}
            // Repeated crashes must not push out archives with empty files. Reusing the file is
            // unsafe: a 0.76 killed exactly here has linked an archive name to it, and we would
            // write to that archive.
            Found::Empty => steps.push(Step::Remove(CURRENT)),
            Found::Partial => steps.push(Step::Publish(CURRENT, Code::Unfinished)),
        }
        steps.push(Step::MakeState);
    }
    steps
}

/// Handles a possibly interrupted rotation.
fn finish(previous: Found, processed: Found, steps: &mut Vec<Step>) {
    if processed == Found::Complete {
        // `processed` holds everything from `previous`.
        if previous != Found::Absent {
            steps.push(Step::Remove(PREVIOUS));
        }
        steps.push(Step::Publish(PROCESSED, Code::Safe));
        return;
    }
    if processed != Found::Absent {
        steps.push(Step::Remove(PROCESSED));
    }
    match previous {
        Found::Absent => {}
        Found::Empty => steps.push(Step::Remove(PREVIOUS)),
        // A complete file keeps its bit, which marks it as waiting for a processor.
        Found::Partial | Found::Complete => steps.push(Step::Publish(PREVIOUS, Code::Unfinished)),
    }
}

#[cfg(test)]
mod tests {
    use super::Found::{Absent, Complete, Empty, Partial};
    use super::*;

    const FORGET: [Step; 2] = [Step::Forget(STATE), Step::Forget(NEWSTATE)];

    #[track_caller]
    fn check_clean(previous: Found, processed: Found, expected: &[Step]) {
        assert_eq!(decide(Complete, previous, processed), expected);
    }

    #[track_caller]
    fn check_crashed(found: [Found; 3], expected: &[Step]) {
        let [current, previous, processed] = found;
        let whole = [&FORGET, expected, &[Step::MakeState]].concat();
        assert_eq!(decide(current, previous, processed), whole);
    }

    #[test]
    fn a_clean_directory_is_left_alone() {
        check_clean(Absent, Absent, &[]);
        check_clean(Absent, Partial, &[]);
    }

    #[test]
    fn what_is_left_beside_a_clean_current_is_not_overwritten() {
        check_clean(Partial, Absent, &[Step::Publish(PREVIOUS, Code::Unfinished)]);
        check_clean(Empty, Absent, &[Step::Remove(PREVIOUS)]);
        let steps = [Step::Remove(PREVIOUS), Step::Publish(PROCESSED, Code::Safe)];
        check_clean(Complete, Complete, &steps);
        check_clean(Absent, Complete, &[Step::Publish(PROCESSED, Code::Safe)]);
    }

    #[test]
    fn a_crash_names_what_it_left_in_the_order_it_was_written() {
        let current = Step::Publish(CURRENT, Code::Unfinished);
        let previous = Step::Publish(PREVIOUS, Code::Unfinished);
        check_crashed([Partial, Absent, Absent], &[current]);
        check_crashed([Partial, Partial, Absent], &[previous, current]);
        check_crashed([Partial, Complete, Absent], &[previous, current]);
        check_crashed([Absent, Complete, Absent], &[previous]);
        let empty = Step::Remove(CURRENT);
        check_crashed([Empty, Complete, Partial], &[Step::Remove(PROCESSED), previous, empty]);
        check_crashed(
            [Partial, Complete, Complete],
            &[Step::Remove(PREVIOUS), Step::Publish(PROCESSED, Code::Safe), current],
        );
        check_crashed([Empty, Absent, Complete], &[Step::Publish(PROCESSED, Code::Safe), empty]);
    }

    #[test]
    fn empty_files_make_no_archives() {
        check_crashed([Absent, Absent, Absent], &[]);
        check_crashed([Empty, Absent, Absent], &[Step::Remove(CURRENT)]);
        let steps = [PROCESSED, PREVIOUS, CURRENT].map(Step::Remove);
        check_crashed([Empty, Empty, Empty], &steps);
    }
}
