//! What a whole history costs to be read in local time, and eight that are merged.

use crate::entrants::{self, Entrant, Who, logdir_show};
use crate::input::{MEGABYTE, Random, stamped_lines};
use crate::race::{Place, home, prepare, race_by, time};
use crate::report::{Limit, Outcome, format_ratio};
use crate::rows::outcome;
use crate::{Scale, Trouble};
use logdir::label::LABEL_LEN;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Archives of the largest size there is.
const ARCHIVE_LEN: usize = 16_777_215;
const DIR_COUNT: usize = 8;
/// How fast the merge has to be, as a part of the speed of a single directory.
const MERGE_MIN: f64 = 0.5;
/// The history as one file, for those who cannot read a directory.
const ALL: &str = "all";

/// A history to local time beside the filters that do the same with a file; the same lines out of eight
/// directories.
pub fn show(scale: Scale) -> Result<Vec<Outcome>, Trouble> {
    let home = home(Place::Memory)?;
    let (line_count, len) = write_histories(home.path(), scale.megabytes * MEGABYTE)?;
    // Ours is the first of those that read the file, and reads the directory instead.
    let mut entrants = entrants::tai64nlocal();
    entrants[0] = logdir_show("main");
    let single_count = entrants.len();
    entrants.push(logdir_show("eight"));
    let run = |entrant: &Entrant| {
        let mut command = prepare(entrant, home.path())?;
        command.stdin(File::open(home.path().join(ALL))?);
        time(command, entrant, home.path(), |_| Ok(()))
    };
    let costs = race_by(&entrants, len, scale, run)?;
    check_same(home.path(), &entrants[..single_count], |entrant| run(entrant).map(drop))?;
    let speed = costs[0].over(&costs[single_count]);
    let work = format!(
        "`logdir show`, {} MB in {:.1} million lines, to local time",
        len / MEGABYTE,
        line_count as f64 / 1e6
    );
    let targets = [(Who::Daemontools, 8.0), (Who::S6, 2.5)];
    Ok(vec![
        outcome(&work, &entrants[..single_count], &costs[..single_count], &targets),
        Outcome::Limit(Limit {
            work:
                "`logdir show`, the same lines merged out of 8 directories: speed, of that with one"
                    .to_owned(),
            ours: format_ratio(speed),
            theirs: None,
            target: format!("at least {MERGE_MIN}"),
            met: speed >= MERGE_MIN,
        }),
    ])
}

/// Fails where ours says something else than daemontools'.
fn check_same(
    home: &Path,
    entrants: &[Entrant],
    run: impl Fn(&Entrant) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let Some(theirs) = entrants.iter().find(|entrant| entrant.who == Who::Daemontools) else {
        return Ok(());
    };
    let output = |entrant: &Entrant| {
        run(entrant)?;
        Ok::<_, Trouble>(fs::read(home.join("stdout"))?)
    };
    if output(&entrants[0])? == output(theirs)? {
        Ok(())
    } else {
        Err("the output is not that of tai64nlocal".into())
    }
}

/// Writes the history as a directory, as eight, each with a random part of the lines, and as a file.
/// How many lines and bytes it has.
fn write_histories(home: &Path, len_min: usize) -> Result<(usize, usize), Trouble> {
    let mut one = History::new(&home.join("main"))?;
    let eight: Result<Vec<History>, Trouble> =
        (0..DIR_COUNT).map(|n| History::new(&home.join(format!("eight/s{n}")))).collect();
    let (mut eight, mut random) = (eight?, Random(3));
    let (mut all, mut line_count) = (Vec::with_capacity(len_min + 4096), 0);
    for line in stamped_lines() {
        one.add(&line)?;
        eight[random.below(DIR_COUNT as u64) as usize].add(&line)?;
        all.extend_from_slice(&line);
        line_count += 1;
        if all.len() >= len_min {
            break;
        }
    }
    one.end()?;
    eight.into_iter().try_for_each(History::end)?;
    fs::write(home.join(ALL), &all)?;
    Ok((line_count, all.len()))
}

/// A log directory that is being made.
struct History {
    dir: PathBuf,
    contents: Vec<u8>,
    last_label: [u8; LABEL_LEN],
}

impl History {
    fn new(dir: &Path) -> Result<History, Trouble> {
        fs::create_dir_all(dir)?;
        let dir = dir.to_owned();
        Ok(History { dir, contents: Vec::new(), last_label: [b'0'; LABEL_LEN] })
    }

    fn add(&mut self, line: &[u8]) -> Result<(), Trouble> {
        if self.contents.len() + line.len() > ARCHIVE_LEN {
            let name = format!("{}.s", self.last_label.escape_ascii());
            self.write(&name)?;
        }
        self.contents.extend_from_slice(line);
        self.last_label.copy_from_slice(&line[..LABEL_LEN]);
        Ok(())
    }

    fn end(mut self) -> Result<(), Trouble> {
        self.write("current")
    }

    fn write(&mut self, name: &str) -> Result<(), Trouble> {
        let path = self.dir.join(name);
        fs::write(&path, &self.contents)?;
        fs::set_permissions(&path, Permissions::from_mode(0o744))?;
        self.contents.clear();
        Ok(())
    }
}
