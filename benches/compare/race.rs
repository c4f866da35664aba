//! Programs that do the same work in turn, and how long each takes.

use crate::entrants::Entrant;
use crate::input::Input;
use crate::process::children_cpu;
use crate::{Scale, Trouble};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The mode of what is there before a program starts: archives have to be complete ones.
const FILE_MODE: u32 = 0o744;

/// Where the files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Memory,
    Disk,
}

/// What one run, or the median of several, took.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// From the start of the program to its end.
    pub wall: Duration,
    /// Processor time of the program, that of the feeder not included.
    pub cpu: Duration,
}

impl Cost {
    /// How many times as long as `other`.
    pub fn over(&self, other: &Cost) -> f64 {
        self.wall.as_secs_f64() / other.wall.as_secs_f64()
    }
}

/// Runs all programs in turn, round after round, and returns the medians in their order.
pub fn race(
    entrants: &[Entrant],
    input: &Input,
    place: Place,
    scale: Scale,
) -> Result<Vec<Cost>, Trouble> {
    if place == Place::Memory {
        warm(input)?;
    }
    race_by(entrants, input.len(), scale, |entrant| run(entrant, input, place))
}

/// Uses as much memory as an entrant will: a virtual machine may have to get it from the one below first,
/// which is not the burden of whoever comes first.
fn warm(input: &Input) -> Result<(), Trouble> {
    let home = home(Place::Memory)?;
    input.feed(File::create(home.path().join("file"))?)?;
    Ok(())
}

/// The same, where a run is something else; `len` is how many bytes each works on.
pub fn race_by(
    entrants: &[Entrant],
    len: usize,
    scale: Scale,
    run: impl Fn(&Entrant) -> Result<Cost, Trouble>,
) -> Result<Vec<Cost>, Trouble> {
    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); entrants.len()];
    for round in 0..scale.rounds {
        // Somebody else begins each round: what the one before leaves behind, in memory and caches, is
        // nobody's lot alone.
        for turn in 0..entrants.len() {
            let number = (round + turn) % entrants.len();
            costs[number].push(run(&entrants[number])?);
        }
    }
    let medians: Vec<Cost> = costs.iter().map(|costs| middle(costs)).collect();
    for (entrant, cost) in entrants.iter().zip(&medians) {
        eprintln!(
            "   {:12} {:8.3} s, processor {:8.3} s, {:6.0} MB/s",
            entrant.who.name(),
            cost.wall.as_secs_f64(),
            cost.cpu.as_secs_f64(),
            len as f64 / cost.wall.as_secs_f64() / 1e6
        );
    }
    Ok(medians)
}

fn middle(costs: &[Cost]) -> Cost {
    Cost {
        wall: median(costs.iter().map(|cost| cost.wall)),
        cpu: median(costs.iter().map(|cost| cost.cpu)),
    }
}

/// The middle one of some figures.
pub fn median<T: Copy + Ord>(figures: impl Iterator<Item = T>) -> T {
    let mut figures: Vec<T> = figures.collect();
    figures.sort();
    figures[figures.len() / 2]
}

fn run(entrant: &Entrant, input: &Input, place: Place) -> Result<Cost, Trouble> {
    let home = home(place)?;
    let command = prepare(entrant, home.path())?;
    if place == Place::Disk {
        // What others have left to be written is not this one's burden.
        nix::unistd::sync();
    }
    time(command, entrant, home.path(), |stdin| input.feed(stdin))
}

/// Runs a command to its end; what it reads is fed to it where its stdin is a pipe.
pub fn time(
    mut command: Command,
    entrant: &Entrant,
    home: &Path,
    feed: impl FnOnce(ChildStdin) -> std::io::Result<()>,
) -> Result<Cost, Trouble> {
    let cpu_before = children_cpu()?;
    let start = Instant::now();
    let mut child = command.spawn().map_err(|error| format!("{:?}: {error}", entrant.program))?;
    let fed = child.stdin.take().map_or(Ok(()), feed);
    let status = child.wait()?;
    let wall = start.elapsed();
    let cpu = children_cpu()?.saturating_sub(cpu_before);
    if fed.is_err() || !status.success() {
        let stderr = fs::read_to_string(home.join("stderr")).unwrap_or_default();
        return Err(format!("{:?}: {status}, fed: {fed:?}: {stderr}", entrant.program).into());
    }
    Ok(Cost { wall, cpu })
}

/// A fresh directory, in memory or on the disk that cargo builds on.
pub fn home(place: Place) -> Result<TempDir, Trouble> {
    let parent = match place {
        Place::Memory => "/dev/shm",
        Place::Disk => env!("CARGO_TARGET_TMPDIR"),
    };
    tempfile::tempdir_in(parent).map_err(|error| format!("{parent}: {error}").into())
}

/// The command of an entrant in its home, with the files it finds there.
pub fn prepare(entrant: &Entrant, home: &Path) -> Result<Command, Trouble> {
    for (name, contents) in &entrant.files {
        let path = home.join(name);
        fs::create_dir_all(path.parent().unwrap_or(home))?;
        fs::write(&path, contents)?;
        fs::set_permissions(&path, Permissions::from_mode(FILE_MODE))?;
    }
    let mut command = Command::new(&entrant.program);
    // Servers rarely set TZ.
    command.args(&entrant.arguments).current_dir(home).env_remove("TZ");
    command.stdin(Stdio::piped()).stdout(File::create(home.join("stdout"))?);
    command.stderr(File::create(home.join("stderr"))?);
    Ok(command)
}
