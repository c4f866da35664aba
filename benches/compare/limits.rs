//! Two things that have to stay small: what a rotation costs, and the program itself.

use crate::entrants::{self, Entrant, multilogs};
use crate::input::Input;
use crate::process::file_len;
use crate::race::{Place, race};
use crate::report::{Limit, Outcome};
use crate::rows::SIZE_MIN;
use crate::{Scale, Trouble};
use logdir::label::Label;
use std::path::Path;

/// Archives there are before the first of the run.
const ARCHIVE_COUNT: usize = 1000;
/// Input of the row in which every few lines fill a file.
const ARCHIVES_PART: usize = 32;
/// Noise that is not taken for growth.
const NOISE: f64 = 1.1;

const BINARY_LEN_MAX: u64 = 1_200_000;

/// Whether the cost of a rotation grows with the number of archives kept.
pub fn archives(scale: Scale) -> Result<Vec<Outcome>, Trouble> {
    let input = Input::mail(scale.megabytes.div_ceil(ARCHIVES_PART));
    let few = multilogs(&["t", SIZE_MIN, "n10", "./main"]);
    let many = multilogs(&["t", SIZE_MIN, "n1000", "./main"]);
    let many = many.into_iter().map(|entrant| Entrant { files: old_archives(), ..entrant });
    let entrants: Vec<Entrant> = few.iter().cloned().chain(many).collect();
    let costs = race(&entrants, &input, Place::Memory, scale)?;
    let growth = |position: usize| costs[few.len() + position].over(&costs[position]);
    Ok(vec![Outcome::Limit(Limit {
        work: "`s4096 n1000` and 1,000 archives: time, of that with `n10`".to_owned(),
        ours: format!("{:.2}", growth(0)),
        theirs: (few.len() > 1).then(|| format!("{:.2}", growth(1))),
        target: format!("1 (up to {NOISE} is noise)"),
        met: growth(0) <= NOISE,
    })])
}

fn old_archives() -> Vec<(String, String)> {
    let archive = |number| {
        let name = Label::from_unix(number, 0).format();
        (format!("main/{}.s", name.escape_ascii()), "old\n".to_owned())
    };
    (1..).map(archive).take(ARCHIVE_COUNT).collect()
}

/// The size of the program as it is installed.
pub fn binary(_: Scale) -> Result<Vec<Outcome>, Trouble> {
    let len = file_len(Path::new(entrants::MULTILOG));
    Ok(vec![Outcome::Limit(Limit {
        work: "`multilog`, stripped".to_owned(),
        ours: format!("{len} bytes"),
        theirs: entrants::installed("multilog").map(|path| format!("{} bytes", file_len(&path))),
        target: format!("below {BINARY_LEN_MAX} bytes"),
        met: len < BINARY_LEN_MAX,
    })])
}
