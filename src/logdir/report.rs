//! `logdir report`: what a period had that the period before had not.
//!
//! This file reads options and counts; `section` compares; `text`, `html` and `json` write, `mail` sends.

mod html;
mod json;
mod logger;
mod mail;
mod periods;
mod section;
pub(in crate::logdir) mod state;
mod text;
mod words;

use crate::logdir::filter::Filter;
use crate::logdir::options::{self, ReportOptions};
use crate::logdir::replace::replace;
use crate::logdir::tally::{self, Reading, Task};
use crate::logdir::trouble::Outcome;
use crate::logdir::{choices, table};
use crate::message;
use ::logdir::failure::reason;
use ::logdir::read::find::{self, Found};
use ::logdir::read::range::Range;
use ::logdir::read::stamp::Moment;
use ::logdir::time::Zone;
use periods::Periods;
use section::Section;
use state::{Service, State};
use std::process::ExitCode;
use words::Words;

/// Runs the command. `Err` carries the exit code if nothing was read.
pub fn run(options: &ReportOptions) -> Result<ExitCode, ExitCode> {
    let refuse = |why: String| options::refuse(&why);
    let periods = Periods::new(options).map_err(refuse)?;
    options.mail.as_deref().map_or(Ok(()), mail::check).map_err(refuse)?;
    let words = Words::read(options.words.as_deref()).map_err(refuse)?;
    let mut state = options.state.as_deref().map(State::read).transpose().map_err(refuse)?;
    let mut outcome = Outcome::default();
    let (found, failures) = find::find(&options.places.operands());
    outcome.fail(&failures);
    let services = tally::by_service(&found, false);
    let sections = sections(&services, &periods, options, &words, state.as_mut(), &mut outcome);
    outcome.has_found = sections.iter().any(Section::is_notable);
    for why in write(&sections, &periods, options, outcome.has_found) {
        message::warn(why.as_bytes());
        outcome.has_trouble = true;
    }
    if let (Some(state), Some(path)) = (&mut state, &options.state)
        && let Err(why) = state.save(path, periods.day)
    {
        message::warn(why.as_bytes());
        outcome.has_trouble = true;
    }
    Ok(ExitCode::from(match (outcome.has_trouble, outcome.has_found) {
        (true, _) => message::EXIT_TROUBLE,
        (false, true) => message::EXIT_NOTHING,
        (false, false) => message::EXIT_OK,
    }))
}

/// Writes the report in all requested forms. Returns failures, one sentence each.
///
/// The page is written even if there is nothing new: it must not show an earlier day.
fn write(
    sections: &[Section],
    periods: &Periods,
    options: &ReportOptions,
    is_notable: bool,
) -> Vec<String> {
    let count_max = if options.all { usize::MAX } else { section::ROWS_MAX };
    let page = options.html.as_deref().map(|path| {
        let page = html::write(sections, periods, count_max);
        replace(path, page.as_bytes())
            .map_err(|error| format!("unable to write {}: {}", path.display(), reason(&error)))
    });
    let is_wanted = is_notable || !options.quiet;
    let mailed = options.mail.as_deref().filter(|_| is_wanted).map(|address| {
        let body = text::write(sections, periods, count_max, mail::WIDTH);
        mail::send(address, &subject(sections, periods), &body)
    });
    let is_text = options.html.is_none() && options.mail.is_none();
    let printed = is_wanted.then(|| match (options.json, is_text) {
        (true, _) => print(&json::write(sections, count_max)),
        (false, true) => print(&text::write(sections, periods, count_max, table::width())),
        (false, false) => Ok(()),
    });
    [page, mailed, printed].into_iter().flatten().filter_map(Result::err).collect()
}

fn print(text: &str) -> Result<(), String> {
    message::print(text).then_some(()).ok_or_else(|| "unable to write standard output".to_owned())
}

/// Subject of the mail: the day, the machine and what is notable.
fn subject(sections: &[Section], periods: &Periods) -> String {
    let count = sections.iter().filter(|section| section.is_notable()).count();
    let what = match count {
        0 => "nothing new".to_owned(),
        1 => "1 log with something new or wrong".to_owned(),
        _ => format!("{count} logs with something new or wrong"),
    };
    let host = nix::unistd::gethostname().unwrap_or_default();
    format!("logdir report of {} on {}: {what}", periods.day, host.to_string_lossy())
}

fn range((since, until): (Moment, Moment)) -> Range {
    Range { since: Some(since), until: Some(until) }
}

fn sections(
    services: &[&[Found]],
    periods: &Periods,
    options: &ReportOptions,
    words: &Words,
    mut state: Option<&mut State>,
    outcome: &mut Outcome,
) -> Vec<Section> {
    let tasks = services.iter().flat_map(|found| {
        [periods.now, periods.before].map(|period| Task { found, range: range(period) })
    });
    let counting = choices::counting(&options.labels);
    let reading = Reading { filter: &Filter::default(), counting, zone: Zone::Local };
    let tallies = tally::count_all(&tasks.collect::<Vec<_>>(), &reading);
    let mut sections = Vec::new();
    for (found, tallies) in services.iter().zip(tallies.chunks(2)) {
        let [now, before] = tallies else { continue };
        for tally in tallies {
            outcome.fail(&tally.failures);
            outcome.has_trouble |= tally.notices.iter().any(|noticed| noticed.is_trouble);
        }
        let name = tally::name_of(found);
        let logger = logger::state(found, now, periods, outcome);
        let section = Section::new(name, now, before, logger, words, state.as_deref(), periods.day);
        if let Some(state) = state.as_deref_mut() {
            state.note(&Service::new(&section.name), now, before, periods.day);
        }
        sections.push(section);
    }
    sections
}
