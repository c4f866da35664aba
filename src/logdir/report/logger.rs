//! What a service's logger and its disk did in a period, as sentences.

use crate::logdir::report::periods::Periods;
use crate::logdir::tally::Tally;
use crate::logdir::trouble::Outcome;
use crate::logdir::{choices, failing, status};
use ::logdir::format::Code;
use ::logdir::read::find::Found;
use ::logdir::read::list::Role;
use ::logdir::read::snapshot::Snapshot;
use ::logdir::read::stamp::Moment;
use ::logdir::writer_state::Failed;

/// Failures, torn archives and clock steps of the directories of a service.
pub fn state(
    found: &[Found],
    tally: &Tally,
    periods: &Periods,
    outcome: &mut Outcome,
) -> Vec<String> {
    let mut sentences = Vec::new();
    for found in found {
        let say = |text: &str| format!("{}: {text}", found.name);
        match status::Report::of(found, None, choices::now()) {
            Ok(report) => {
                sentences.extend(report.troubles().iter().map(|text| say(text)));
                let failed = report.state().and_then(|state| state.failed.as_ref());
                let failed = failed.filter(|failed| is_within(failed, periods));
                sentences.extend(failed.map(|failed| say(&failing::over(failed))));
            }
            Err(failure) => outcome.fail(&[failure]),
        }
        let torn_count = torn_count(found, periods);
        if torn_count > 0 {
            sentences.push(say(&format!("{torn_count} archives (.u) of a killed logger")));
        }
    }
    let noticed = tally.notices.iter().filter(|noticed| noticed.is_of_writer);
    sentences.extend(noticed.map(|noticed| noticed.text.clone()));
    if tally.steps_back > 0 {
        sentences.push(format!("the clock was set back before {} lines", tally.steps_back));
    }
    sentences
}

fn is_within(failed: &Failed, periods: &Periods) -> bool {
    let (since, until) = periods.now;
    failing::moment(failed.until) >= since && failing::moment(failed.since) < until
}

fn torn_count(found: &Found, periods: &Periods) -> usize {
    let (since, until) = periods.now;
    // A failure to open it has been reported already.
    let Ok(snapshot) = Snapshot::of_place(&found.place) else { return 0 };
    let is_torn = |role: Role| match role {
        Role::Archive(label, Code::Unfinished) => {
            let (unix_secs, nanos) = label.to_unix();
            let moment = Moment { unix_secs, nanos };
            since <= moment && moment < until
        }
        _ => false,
    };
    snapshot.files.iter().filter(|link| is_torn(link.file.role)).count()
}
