//! How much memory a logger takes, at work and waiting.

use crate::entrants::{Entrant, Who, multilogs, our_multilog, their_multilog};
use crate::input::Input;
use crate::logger::Logger;
use crate::process::{bytes_read, is_asleep, peak_kib, private_kib, wait_until};
use crate::race::median;
use crate::report::{Limit, Outcome};
use crate::rows::{self, SIZE};
use crate::{Scale, Trouble};

/// Input after which nothing more is allocated.
const INPUT_MEGABYTES: usize = 16;
/// Each peak is the middle one of so many. Where the loader happens to put a program decides which
/// neighbours of a page come with it, and that is a tenth of the whole.
const PEAK_COUNT: usize = 5;
const PEAK_KIB_MAX: u64 = 2500;
const PEAK_PATTERNS_KIB_MAX: u64 = 8000;
const IDLE_KIB_MAX: u64 = 400;

/// Peak memory with each script, and what an idle logger keeps for itself.
pub fn memory(_: Scale) -> Result<Vec<Outcome>, Trouble> {
    let mail = Input::mail(INPUT_MEGABYTES);
    let long = Input::of_length(10_000, INPUT_MEGABYTES);
    let short = Input::of_length(7, INPUT_MEGABYTES);
    let stamped = multilogs(&["t", SIZE, "./main"]);
    let scripts = [
        (multilogs(&[SIZE, "./main"]), &mail),
        (stamped.clone(), &mail),
        (stamped.clone(), &short),
        (stamped, &long),
        (rows::mail_multilogs(), &mail),
        (multilogs(&rows::select_script()), &mail),
        (multilogs(&rows::directories_script()), &mail),
        (multilogs(&rows::patterns_script(100)), &mail),
        (multilogs(&["t", "./main"]), &mail),
    ];
    let patterns = rows::patterns_script(1000);
    let worst = "peak memory (RSS), the worst of the scripts above";
    let thousand = "the same with 1,000 patterns";
    Ok(vec![
        peak_outcome(worst, &scripts, PEAK_KIB_MAX)?,
        peak_outcome(thousand, &[(multilogs(&patterns), &mail)], PEAK_PATTERNS_KIB_MAX)?,
        idle_outcome()?,
    ])
}

/// The most that any of the scripts took.
fn peak_outcome(
    work: &str,
    scripts: &[(Vec<Entrant>, &Input)],
    kib_max: u64,
) -> Result<Outcome, Trouble> {
    let (mut ours, mut theirs) = (0, None);
    for (entrants, input) in scripts {
        for entrant in entrants {
            let peak = peak_of(entrant, input)?;
            eprintln!("   {:12} {peak} KiB: {:?}", entrant.who.name(), brief(entrant));
            match entrant.who {
                Who::Ours => ours = ours.max(peak),
                _ => theirs = theirs.max(Some(peak)),
            }
        }
    }
    Ok(kib_outcome(work, ours, theirs, kib_max))
}

fn brief(entrant: &Entrant) -> Vec<&str> {
    entrant.arguments.iter().take(4).map(|argument| argument.lines().next().unwrap_or("")).collect()
}

fn kib_outcome(work: &str, ours: u64, theirs: Option<u64>, kib_max: u64) -> Outcome {
    Outcome::Limit(Limit {
        work: work.to_owned(),
        ours: format!("{ours} KiB"),
        theirs: theirs.map(|kib| format!("{kib} KiB")),
        target: format!("at most {kib_max} KiB"),
        met: ours <= kib_max,
    })
}

fn peak_of(entrant: &Entrant, input: &Input) -> Result<u64, Trouble> {
    let peaks: Result<Vec<u64>, Trouble> =
        (0..PEAK_COUNT).map(|_| one_peak_of(entrant, input)).collect();
    Ok(median(peaks?.into_iter()))
}

fn one_peak_of(entrant: &Entrant, input: &Input) -> Result<u64, Trouble> {
    let mut logger = Logger::start(entrant)?;
    input.feed(logger.stdin()?)?;
    let (pid, wanted) = (logger.pid(), input.len() as u64);
    wait_until("all input to be read", || bytes_read(pid) >= wanted && is_asleep(pid))?;
    let peak = peak_kib(pid)?;
    logger.end()?;
    Ok(peak)
}

/// What a logger that waits keeps for itself, beside another one: the program's text is shared by as
/// many as run, and belongs to none.
fn idle_outcome() -> Result<Outcome, Trouble> {
    let idle = |entrant: &Entrant| {
        let mut loggers = [Logger::start(entrant)?, Logger::start(entrant)?];
        loggers.iter().try_for_each(Logger::write_and_wait)?;
        let pid = loggers[0].pid();
        wait_until("it to wait", || is_asleep(pid))?;
        let private = private_kib(pid)?;
        loggers.iter_mut().try_for_each(Logger::end)?;
        Ok::<u64, Trouble>(private)
    };
    let script = ["t", "./main"];
    let theirs = their_multilog(&script).as_ref().map(idle).transpose()?;
    let ours = idle(&our_multilog(&script))?;
    let work = "private memory of an idle `t ./main`, beside another one";
    Ok(kib_outcome(work, ours, theirs, IDLE_KIB_MAX))
}
