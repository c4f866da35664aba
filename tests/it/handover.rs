//! One directory handed back and forth between Debian's multilog and ours, each turn ended in another
//! way, most of them violent. Whatever had reached a file is there at the end, once and in order.

use crate::peers::peer;
use crate::random::{Random, SEED_VARIABLE, seeds};
use crate::support::{Ended, Home, Logger, wait_until};
use memchr::{memmem, memrchr};
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// How a turn ends.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Within a line.
    EndOfInput,
    TermBetweenLines,
    TermInLine,
    /// The original is killed by it; ours ends cleanly.
    Hangup,
    KillWhenIdle,
    KillInLongLine,
    KillInStream,
    /// The same as `KillWhenIdle` where there is no processor.
    KillInProcessor,
    /// When a thread is about to make one of these calls for the so manieth time.
    KillAtCall(&'static str, usize),
}

/// The calls of a rotation and of a recovery, as strace(1) names them.
const CALLS: [&str; 5] = [
    "fsync",
    "?rename,renameat,renameat2",
    "?link,linkat",
    "?unlink,unlinkat",
    "?chmod,fchmod,fchmodat",
];

/// Counts its runs in its state, and tells them to the test; hangs where it is given a gate.
const PROCESSOR: &str = "!read n <&4; echo $((n+1)) >&5; echo >>$RUNS; cat $GATE -";

/// No line is longer, its newline included, so that this much of the input occurs only once in it.
const LINE_MAX: usize = 90;
const LINES_PER_ROTATION: usize = 44;

/// The programs that take part.
struct Programs {
    original: PathBuf,
    ours: PathBuf,
    strace: PathBuf,
}

impl Programs {
    fn find() -> Option<Programs> {
        let ours = PathBuf::from(env!("CARGO_BIN_EXE_multilog"));
        Some(Programs { original: peer("multilog")?, ours, strace: peer("strace")? })
    }
}

/// What a turn was fed.
struct Turn {
    fed: Vec<u8>,
    /// So many bytes of it have to stay in the directory.
    kept_len: usize,
}

/// A directory and what has been done to it.
struct Relay<'a> {
    programs: &'a Programs,
    home: Home,
    random: Random,
    has_processor: bool,
    turns: Vec<Turn>,
    /// Held open, they keep the processors of dead loggers hanging.
    gates: Vec<File>,
}

impl Relay<'_> {
    fn new(programs: &Programs, random: Random, has_processor: bool) -> Relay<'_> {
        let (home, turns, gates) = (Home::in_memory(), Vec::new(), Vec::new());
        Relay { programs, home, random, has_processor, turns, gates }
    }

    /// Starts a multilog, feeds it, and ends it in the given way.
    #[track_caller]
    fn turn(&mut self, program: &Path, way: Way) {
        // Shown if the test fails.
        eprintln!("turn {} of {}: {way:?}", self.turns.len(), program.display());
        let runs_before = if self.is_clean() { self.run_count() } else { 0 };
        wait_until("the lock to be free", || self.is_free());
        let mut logger = self.start(program, way);
        let (fed, is_seen) = self.feed(&mut logger, way);
        let ended = match way {
            Way::TermBetweenLines | Way::TermInLine => logger.end(),
            _ => logger.wait(),
        };
        let is_clean = ended.signal().is_none();
        let kept_len = if is_clean || is_seen { fed.len() } else { self.written_len(&fed) };
        self.turns.push(Turn { fed, kept_len });
        if is_clean {
            self.check(&ended, runs_before);
        }
    }

    fn start(&self, program: &Path, way: Way) -> Logger {
        let processor: &[&str] = if self.has_processor { &[PROCESSOR] } else { &[] };
        let arguments = [&["s4096", "n100000"], processor, &["./d"]].concat();
        let mut command = match way {
            Way::KillAtCall(calls, when) => {
                let trace = format!("--trace={calls}");
                let inject = format!("--inject={calls}:signal=KILL:when={when}");
                let program = program.to_str().expect("a path");
                let strace = ["-f", "-qq", "-o", "trace", &trace, &inject, program];
                self.home.command_of(&self.programs.strace, &[&strace, &arguments[..]].concat())
            }
            _ => self.home.command_of(program, &arguments),
        };
        command.env("RUNS", self.runs_file(self.turns.len()));
        if matches!(way, Way::KillInProcessor) {
            mkfifo(&self.gate(), Mode::S_IRWXU).expect("a gate");
            command.env("GATE", self.gate());
        }
        self.home.start(command)
    }

    /// Feeds a multilog and brings its end about. Tells what it was fed, and whether all of that has
    /// been seen in the directory.
    fn feed(&mut self, logger: &mut Logger, way: Way) -> (Vec<u8>, bool) {
        let mut fed = self.lines(5 * LINES_PER_ROTATION);
        match way {
            Way::EndOfInput => {
                drop(logger.feed(&fed[..fed.len() - 1]));
                return (fed, false);
            }
            Way::KillAtCall(..) => {
                drop(logger.feed(&fed));
                return (fed, false);
            }
            Way::KillInStream => {
                fed = self.lines(60 * LINES_PER_ROTATION);
                self.kill_in_stream(logger, &fed);
                return (fed, false);
            }
            Way::KillInProcessor if self.has_processor => {
                self.kill_in_processor(logger, &fed);
                return (fed, false);
            }
            Way::TermBetweenLines => {
                self.show(logger, &fed);
                logger.wait_until_asleep();
                logger.signal(Signal::SIGTERM);
            }
            Way::TermInLine => {
                fed.extend(self.show_long_line(logger, &fed));
                logger.wait_until_asleep();
                logger.signal(Signal::SIGTERM);
                logger.write("==\n");
                fed.extend(b"==\n");
            }
            Way::KillInLongLine => {
                fed.extend(self.show_long_line(logger, &fed));
                logger.signal(Signal::SIGKILL);
            }
            Way::Hangup => {
                self.show(logger, &fed);
                logger.signal(Signal::SIGHUP);
            }
            Way::KillWhenIdle | Way::KillInProcessor => {
                self.show(logger, &fed);
                logger.signal(Signal::SIGKILL);
            }
        }
        (fed, true)
    }

    /// Kills while files are finished one after the other.
    fn kill_in_stream(&mut self, logger: &mut Logger, fed: &[u8]) {
        let enough = self.home.archives("d").len() + 1 + self.random.below(20);
        drop(logger.feed(fed));
        wait_until("enough archives", || {
            self.home.archives("d").len() >= enough || !logger.is_running()
        });
        if logger.is_running() {
            logger.signal(Signal::SIGKILL);
        }
    }

    /// Kills while the processor waits for somebody to close the gate, which nobody does before the
    /// last turn: its files lie around, and it still has them open.
    fn kill_in_processor(&mut self, logger: &mut Logger, fed: &[u8]) {
        logger.write(fed);
        let mut options = OpenOptions::new();
        options.write(true).custom_flags(OFlag::O_NONBLOCK.bits());
        let mut opened = None;
        wait_until("the processor to stand at the gate", || {
            opened = options.open(self.gate()).ok();
            opened.is_some()
        });
        self.gates.extend(opened);
        logger.signal(Signal::SIGKILL);
    }

    fn gate(&self) -> PathBuf {
        self.home.path(format!("gate{}", self.turns.len()))
    }

    /// Feeds until everything can be seen.
    fn show(&self, logger: &mut Logger, fed: &[u8]) {
        logger.write(fed);
        let end = &fed[fed.len() - LINE_MAX..];
        wait_until("the last line", || {
            assert!(logger.is_running(), "it ended: {}", logger.stderr());
            self.home.contents("d").ends_with(end)
        });
    }

    /// The same with a line that has begun, which can be seen because it is so long.
    fn show_long_line(&self, logger: &mut Logger, fed: &[u8]) -> Vec<u8> {
        let line = format!("{}{}", "=".repeat(1500), self.turns.len()).into_bytes();
        self.show(logger, &[fed, &line].concat());
        line
    }

    /// Numbered lines of different lengths; each begins with the letter of the turn, and nothing else
    /// in it is a letter.
    fn lines(&mut self, count: usize) -> Vec<u8> {
        let letter = char::from(b'a' + u8::try_from(self.turns.len()).expect("few turns"));
        let line = |number| {
            let filler = "-".repeat(self.random.below(LINE_MAX - 7));
            format!("{letter}{number:06}{filler}\n")
        };
        (0..count).map(line).collect::<String>().into_bytes()
    }
}

impl Relay<'_> {
    /// A child that was to become a processor when its multilog was killed has the lock until then.
    fn is_free(&self) -> bool {
        let take = |lock| Flock::lock(lock, FlockArg::LockExclusiveNonblock);
        File::open(self.home.path("d/lock")).map_or(true, |lock| take(lock).is_ok())
    }

    fn is_clean(&self) -> bool {
        fs::exists(self.home.path("d/current")).expect("a home")
            && is_complete(self.home.mode("d/current"))
    }

    /// How often the processor has run, by its own account.
    fn run_count(&self) -> usize {
        let state = String::from_utf8(self.home.read("d/state")).expect("a text");
        if state.is_empty() { 0 } else { state.trim().parse().expect("a number") }
    }

    /// Where the processors of a turn leave a line each.
    fn runs_file(&self, turn: usize) -> PathBuf {
        self.home.path(format!("runs{turn}"))
    }

    /// How much of what a dead multilog was fed has reached a file, in whole lines.
    fn written_len(&self, fed: &[u8]) -> usize {
        let mut names = self.home.archives("d");
        names.extend(["previous".to_owned(), "current".to_owned()]);
        let end_in_fed = |name: String| {
            let file = self.home.read(Path::new("d").join(name));
            let whole = &file[..memrchr(b'\n', &file)?];
            let last_line =
                &file[memrchr(b'\n', whole).map_or(0, |newline| newline + 1)..=whole.len()];
            memmem::find(fed, last_line).map(|pos| pos + last_line.len())
        };
        names.into_iter().filter_map(end_in_fed).max().unwrap_or(0)
    }

    /// After a clean end everything is there that has to be, and nothing else.
    #[track_caller]
    fn check(&self, ended: &Ended, runs_before: usize) {
        ended.check(0, "");
        assert!(self.is_clean());
        let usual = ["@.s", "@.u", "current", "lock", "state"];
        let entries = self.home.entries("d");
        assert!(entries.iter().all(|(name, _)| usual.contains(&name.as_str())), "{entries:?}");
        let contents = self.home.contents("d");
        let mut rest = contents.as_slice();
        for (number, Turn { fed, kept_len }) in self.turns.iter().enumerate() {
            let same = rest.iter().zip(fed).take_while(|(one, other)| one == other).count();
            let next = rest[same..].iter().take(100).copied().collect::<Vec<u8>>();
            assert!(
                same >= *kept_len,
                "{same} of {kept_len} bytes of turn {number} are kept, then comes {}",
                next.escape_ascii(),
            );
            rest = &rest[same..];
        }
        assert!(rest.is_empty(), "nobody was fed {}", rest.escape_ascii());
        if self.has_processor {
            let runs = fs::read(self.runs_file(self.turns.len() - 1)).unwrap_or_default();
            assert_eq!(self.run_count(), runs_before + runs.len());
        }
    }
}

fn is_complete(mode: u32) -> bool {
    mode & 0o100 != 0
}

/// Ten turns and one more, so that somebody has to put the last one's directory in order.
fn run_relay(programs: &Programs, seed: u64, has_processor: bool) {
    eprintln!("{SEED_VARIABLE}={seed} makes this the first relay");
    let mut random = Random::new(seed);
    let mut ways = vec![
        Way::EndOfInput,
        Way::TermBetweenLines,
        Way::TermInLine,
        Way::Hangup,
        Way::KillWhenIdle,
        Way::KillInLongLine,
        Way::KillInStream,
        Way::KillInProcessor,
        // In a recovery, if there is one to be done.
        Way::KillAtCall("?link,linkat", 1),
        Way::KillAtCall(random.choose::<&str>(&CALLS), 1 + random.below(8)),
    ];
    let mut relay = Relay::new(programs, Random::new(seed + 1), has_processor);
    let mut turn = random.below(2);
    while !ways.is_empty() {
        let way = ways.swap_remove(random.below(ways.len()));
        relay.turn([&programs.original, &programs.ours][turn % 2], way);
        turn += 1;
    }
    relay.turn([&programs.original, &programs.ours][turn % 2], Way::EndOfInput);
}

const RELAY_COUNT: u64 = 4;

#[test]
fn ten_turns_with_ten_ends_lose_and_double_nothing() {
    let Some(programs) = Programs::find() else { return };
    seeds(RELAY_COUNT).for_each(|seed| run_relay(&programs, seed, false));
}

#[test]
fn ten_turns_with_a_processor_lose_and_double_nothing() {
    let Some(programs) = Programs::find() else { return };
    seeds(RELAY_COUNT).for_each(|seed| run_relay(&programs, seed, true));
}

/// One dies before each of the calls of its first rotations, the other goes on.
fn check_deaths(victim: &Path, successor: &Path, programs: &Programs) {
    for has_processor in [false, true] {
        for calls in CALLS {
            for when in 1..=4 {
                let mut relay = Relay::new(programs, Random::new(when as u64), has_processor);
                relay.turn(victim, Way::KillAtCall(calls, when));
                relay.turn(successor, Way::EndOfInput);
            }
        }
    }
}

#[test]
fn the_original_goes_on_wherever_ours_dies() {
    let Some(programs) = Programs::find() else { return };
    check_deaths(&programs.ours, &programs.original, &programs);
}

#[test]
fn ours_goes_on_wherever_the_original_dies() {
    let Some(programs) = Programs::find() else { return };
    check_deaths(&programs.original, &programs.ours, &programs);
}

#[test]
fn ours_goes_on_wherever_ours_dies() {
    let Some(programs) = Programs::find() else { return };
    check_deaths(&programs.ours, &programs.ours, &programs);
}

/// So the original leaves it when it dies in a recovery, before it takes the name `current` away.
#[test]
fn an_empty_current_that_has_become_an_archive_is_not_written_to() {
    let Some(programs) = Programs::find() else { return };
    for program in [&programs.original, &programs.ours] {
        let home = Home::in_memory();
        home.make_dir("d");
        home.write("d/current", "", 0o644);
        let archive = home.path("d/@400000000000000a00000000.u");
        fs::hard_link(home.path("d/current"), archive).expect("a second name");
        home.run_of(program, &["./d"], b"a\n").check(0, "");
        assert_eq!(home.contents("d"), b"a\n", "{}", program.display());
    }
}
