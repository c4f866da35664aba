//! Converts a script's directory settings for crate `logdir`: unset values become defaults, values
//! below a limit become the limit.

use ::logdir::settings::{self, NUMBER_MIN, PAUSE_MIN, QUEUE_MIN, SIZE_MIN};
use script::buffers::Buffers;
use script::settings::{Overflow, RotateAfter, Settings};

/// Lines that cannot be written under a limit of memory, in bytes per directory.
const QUEUE_SMALL: usize = 24 * 1024;

/// Settings for opening a directory.
pub fn settings(set: &Settings, is_stamped: bool, buffers: Buffers) -> settings::Settings {
    // Exhaustive, so the compiler reports a forgotten setting.
    let Settings {
        size,
        number,
        processor,
        margin,
        pause,
        code,
        total_max,
        age_max,
        number_min,
        sync_after,
        rotate_after,
        queue,
        makes_parents,
        hold,
    } = set.clone();
    let usual = settings::Settings::default();
    let (queue_max, overflow) = match queue {
        None => match buffers {
            Buffers::Usual => (usual.queue_max, usual.overflow),
            Buffers::Small => (QUEUE_SMALL, usual.overflow),
        },
        Some((size, Overflow::HoldBack)) => (size.max(QUEUE_MIN), settings::Overflow::HoldBack),
        Some((size, Overflow::Drop)) => (size.max(QUEUE_MIN), settings::Overflow::Drop),
    };
    settings::Settings {
        size_max: size.map_or(usual.size_max, |size| size.max(SIZE_MIN)),
        number_max: number.map_or(usual.number_max, |number| number.max(NUMBER_MIN)),
        processor,
        margin: margin.unwrap_or(usual.margin),
        pause: pause.map_or(usual.pause, |pause| pause.max(PAUSE_MIN)),
        code: code.unwrap_or(usual.code),
        total_max,
        age_max,
        number_min,
        sync_after,
        rotate_after: rotate_after.map(|rotation| match rotation {
            RotateAfter::Age(age) => settings::RotateAfter::Age(age),
            RotateAfter::Aligned(length) => settings::RotateAfter::Aligned(length),
        }),
        queue_max,
        overflow,
        is_stamped,
        makes_parents,
        lock_patience: usual.lock_patience,
        hold: hold.map(|(cursor, len_max)| settings::Hold { cursor, len_max }),
        program: usual.program,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use script::Action;
    use std::ffi::OsString;
    use std::time::Duration;

    #[track_caller]
    fn check(arguments: &[&str], change: impl FnOnce(&mut settings::Settings)) {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let (script, _) = script::parse(&arguments).expect("a good script");
        let Some(Action::Log { settings: set, .. }) = script.actions.last() else {
            panic!("{arguments:?} ends in no directory");
        };
        let mut expected = settings::Settings::default();
        change(&mut expected);
        assert_eq!(settings(set, false, Buffers::Usual), expected, "{arguments:?}");
    }

    #[test]
    fn nothing_set_is_what_0_76_does() {
        check(&["./d"], |_| {});
    }

    #[test]
    fn small_values_become_the_smallest_that_work() {
        let smallest = |found: &mut settings::Settings| {
            (found.size_max, found.number_max) = (SIZE_MIN, NUMBER_MIN);
            found.pause = PAUSE_MIN;
        };
        check(&["s0", "n0", "r0", "q0", "./d"], smallest);
        check(&["s4095", "n1", "r49", "q131071", "./d"], smallest);
        check(&["s4096", "n2", "r50", "q131072", "./d"], smallest);
    }

    #[test]
    fn every_setting_arrives() {
        let script = "s5000 n3 !gzip l9 r2000 wgz S5m k30d N3 y7s R@1h q1m:drop m h9k:/c ./d";
        check(&script.split(' ').collect::<Vec<_>>(), |found| {
            (found.size_max, found.number_max) = (5000, 3);
            found.processor = Some("gzip".into());
            (found.margin, found.pause) = (9, Duration::from_secs(2));
            (found.code, found.total_max) = (b"gz".to_vec(), Some(5 << 20));
            found.age_max = Some(Duration::from_secs(30 * 86_400));
            (found.number_min, found.sync_after) = (Some(3), Some(Duration::from_secs(7)));
            let hour = Duration::from_secs(3600);
            found.rotate_after = Some(settings::RotateAfter::Aligned(hour));
            (found.queue_max, found.overflow) = (1 << 20, settings::Overflow::Drop);
            found.makes_parents = true;
            found.hold = Some(settings::Hold { cursor: "/c".into(), len_max: 9 << 10 });
        });
    }
}
