//! Debian's multilog, ours, and an obvious model of what both have to do, given the same generated
//! scripts and lines.
//!
//! Where files end depends on how input arrives in 0.76, so files are compared as what they hold
//! together. Nothing else is normalised but stamps. Left out is what differs on purpose: unknown
//! actions, failing processors, failures behind an opened directory.

use crate::peers::peer;
use crate::random::{Random, SEED_VARIABLE, seeds};
use crate::support::Home;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::thread;

const SCRIPT_COUNT: u64 = 400;
const THREAD_COUNT: u64 = 4;

const HEAD_MAX: usize = 1000;
const ALERT_MAX: usize = 200;
const STATUS_LEN: usize = 1001;
const FATAL: i32 = 111;

/// What every stamp is turned into.
const STAMP: &[u8; 26] = b"@400000000000000000000000 ";

/// Stands for the home in the name of a directory.
const HOME: &str = "/HOME";

/// An action as the model does it.
enum Action {
    Rule { selects: bool, pattern: Vec<u8> },
    Alert,
    Status(String),
    Log(Log),
}

struct Log {
    name: String,
    size_max: usize,
    number_max: usize,
    processor: Processor,
}

/// Processors that do the same to a stream however it is cut into files.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Processor {
    None,
    Copy,
    Upper,
    /// Counts its runs in its state.
    Count,
    /// Leaves nothing, and is the empty command.
    Drop,
}

impl Processor {
    fn argument(self) -> &'static str {
        match self {
            Processor::None => unreachable!("a processor cannot be switched off"),
            Processor::Copy => "!cat",
            Processor::Upper => "!tr a-z A-Z",
            Processor::Count => "!read n <&4; echo $((n+1)) >&5; cat",
            Processor::Drop => "!",
        }
    }
}

/// Sizes and numbers as they can be written, and what they mean.
const SIZES: [(&str, usize); 9] = [
    ("s4096", 4096),
    ("s", 4096),
    ("s0", 4096),
    ("s-5000", 4096),
    ("s 9000", 4096),
    ("s4097", 4097),
    ("s6000x", 6000),
    ("s20000", 20_000),
    ("s16777215", 16_777_215),
];
const NUMBERS: [(&str, usize); 7] = [
    ("n0", 2),
    ("n", 2),
    ("n2", 2),
    ("n3", 3),
    ("n5k", 5),
    ("n1000", 1000),
    ("n99999999", 99_999_999),
];

/// Lengths at which something changes.
const LENGTHS: [usize; 12] = [0, 199, 200, 201, 973, 974, 975, 976, 999, 1000, 1001, 5000];
const LENGTH_LONG: usize = 100_000;

/// About so many bytes are given to one run; less where a processor is started for every few thousand.
const INPUT_MAX: usize = 400_000;
const INPUT_MAX_PROCESSED: usize = 50_000;

/// A script, and the input of one run after the other.
struct Case {
    arguments: Vec<Vec<u8>>,
    stamped: bool,
    actions: Vec<Action>,
    inputs: Vec<Vec<u8>>,
    /// Whether the script names something that cannot be opened.
    is_fatal: bool,
}

impl Case {
    fn generate(seed: u64) -> Case {
        let mut random = Random::new(seed);
        let mut case = Case {
            arguments: Vec::new(),
            stamped: random.once_in(2),
            actions: Vec::new(),
            inputs: Vec::new(),
            is_fatal: false,
        };
        if case.stamped {
            case.arguments.push(random.choose(&["t", "t", "two"]).as_bytes().to_vec());
        }
        if random.once_in(40) {
            let missing = random.choose(&["=missing/status", "./missing/log"]);
            case.arguments.push(missing.as_bytes().to_vec());
            case.is_fatal = true;
        }
        case.add_actions(&mut random);
        let run_count = 1 + usize::from(random.once_in(3));
        let len_max = if case.has_processor() { INPUT_MAX_PROCESSED } else { INPUT_MAX };
        case.inputs.extend((0..run_count).map(|_| input(&mut random, len_max)));
        case
    }

    fn has_processor(&self) -> bool {
        let has = |log: &Log| log.processor != Processor::None;
        self.actions.iter().any(|action| matches!(action, Action::Log(log) if has(log)))
    }

    fn add_actions(&mut self, random: &mut Random) {
        let mut log = Log {
            name: String::new(),
            size_max: 99_999,
            number_max: 10,
            processor: Processor::None,
        };
        let mut log_count = 0;
        for _ in 0..1 + random.below(9) {
            match random.below(12) {
                0 => {
                    self.arguments.push(b"e".to_vec());
                    self.actions.push(Action::Alert);
                }
                1 | 2 => {
                    let name = *random.choose(&["status", "status", "other"]);
                    self.arguments.push(format!("={name}").into_bytes());
                    self.actions.push(Action::Status(name.to_owned()));
                }
                3..8 => {
                    let selects = random.once_in(2);
                    let pattern = pattern(random, self.stamped);
                    self.arguments.push([if selects { b"+" } else { b"-" }, &pattern[..]].concat());
                    self.actions.push(Action::Rule { selects, pattern });
                }
                _ => {
                    self.add_settings(random, &mut log);
                    let form = random.choose(&["./d", ".d", "./d/", HOME]);
                    log.name = format!("{}d{log_count}", if *form == ".d" { "." } else { "" });
                    let argument = match *form {
                        "./d/" => format!("./{}/", log.name),
                        ".d" => log.name.clone(),
                        HOME => format!("{HOME}/{}", log.name),
                        _ => format!("./{}", log.name),
                    };
                    self.arguments.push(argument.into_bytes());
                    self.actions.push(Action::Log(Log { name: log.name.clone(), ..log }));
                    log_count += 1;
                }
            }
        }
    }

    fn add_settings(&mut self, random: &mut Random, log: &mut Log) {
        let mut add = |text: &str| self.arguments.push(text.as_bytes().to_vec());
        if !random.once_in(4) {
            let (text, size_max) = random.choose(&SIZES);
            add(text);
            log.size_max = *size_max;
        }
        if random.once_in(2) {
            let (text, number_max) = random.choose(&NUMBERS);
            add(text);
            log.number_max = *number_max;
        }
        if random.once_in(3) {
            let all = [Processor::Copy, Processor::Upper, Processor::Count, Processor::Drop];
            log.processor = *random.choose(&all);
            add(log.processor.argument());
        }
    }
}

/// A pattern, any bytes but NUL, which no argument can have.
///
/// Before a stamp it must not matter what the stamp is, so there no star may skip to a digit.
fn pattern(random: &mut Random, stamped: bool) -> Vec<u8> {
    let text = match random.below(8) {
        0 => vec![*random.choose(b"ab"); *random.choose(&LENGTHS)],
        1 => Vec::new(),
        2 => b"*".to_vec(),
        _ => {
            let len = random.below(6);
            random.text(b"ab *@?[\\\xe9\xff", len)
        }
    };
    let before: &[u8] = match random.below(6) {
        _ if !stamped => b"",
        0 => return random.choose(&["", "*", "@*", "@4*", "no"]).as_bytes().to_vec(),
        1 => b"* ",
        2 => b"**",
        _ => b"@* ",
    };
    [before, &text].concat()
}

/// Lines, until there are about `len_max` bytes of them.
fn input(random: &mut Random, len_max: usize) -> Vec<u8> {
    let line_count = *random.choose(&[0, 1, 3, 30, 300, 1500]);
    let mut input = Vec::new();
    for _ in 0..line_count {
        let line = match random.below(600) {
            0 => vec![b'a'; LENGTH_LONG],
            1..100 => vec![*random.choose(b"ab"); *random.choose(&LENGTHS)],
            _ => {
                let len = random.below(12);
                random.text(b"ab *@?[\\\xe9\xff\0", len)
            }
        };
        input.extend(line);
        input.push(b'\n');
        if input.len() > len_max {
            break;
        }
    }
    if random.once_in(2) {
        input.pop();
    }
    input
}

/// What has to come of a case.
#[derive(Default)]
struct Expected {
    stderr: Vec<Vec<u8>>,
    statuses: BTreeMap<String, Vec<u8>>,
    logs: BTreeMap<String, Vec<u8>>,
}

impl Expected {
    fn of(case: &Case) -> Expected {
        let mut expected = Expected::default();
        for input in &case.inputs {
            expected.stderr.push(Vec::new());
            let lines = input.strip_suffix(b"\n").unwrap_or(input).split(|&byte| byte == b'\n');
            for line in lines.filter(|_| !input.is_empty()) {
                let stamp: &[u8] = if case.stamped { STAMP } else { b"" };
                expected.add(&case.actions, &[stamp, line].concat());
            }
        }
        expected
    }

    fn add(&mut self, actions: &[Action], line: &[u8]) {
        let head = &line[..line.len().min(HEAD_MAX)];
        let mut selected = true;
        for action in actions {
            match action {
                Action::Rule { selects, pattern } if matches(pattern, head) => selected = *selects,
                Action::Alert if selected => {
                    let shown = &head[..head.len().min(ALERT_MAX)];
                    let cut: &[u8] = if head.len() > ALERT_MAX { b"...\n" } else { b"\n" };
                    self.stderr.last_mut().expect("a run").extend([shown, cut].concat());
                }
                Action::Status(name) if selected => {
                    let mut status = head.to_vec();
                    status.resize(STATUS_LEN, b'\n');
                    self.statuses.insert(name.clone(), status);
                }
                Action::Log(log) if selected => {
                    let contents = self.logs.entry(log.name.clone()).or_default();
                    contents.extend([line, b"\n"].concat());
                }
                Action::Rule { .. } | Action::Alert | Action::Status(_) | Action::Log(_) => {}
            }
        }
    }
}

/// The rule of multilog(8), a byte at a time, with the second star of two as a letter.
fn matches(pattern: &[u8], line: &[u8]) -> bool {
    match pattern {
        [] => line.is_empty(),
        [b'*'] => true,
        [b'*', next, ..] => match line {
            [] => false,
            [found, ..] if found == next => matches(&pattern[1..], line),
            [_, rest @ ..] => matches(pattern, rest),
        },
        [wanted, behind @ ..] => line.first() == Some(wanted) && matches(behind, &line[1..]),
    }
}

/// What a user sees of one multilog after a case.
struct Outcome {
    /// Exit code and stderr of each run.
    ends: Vec<(Option<i32>, Vec<u8>)>,
    /// Every name in the home with its mode; archives without their labels, once each.
    names: BTreeSet<(String, u32)>,
    statuses: BTreeMap<String, Vec<u8>>,
}

impl Outcome {
    fn of(case: &Case, program: &Path, home: &Home) -> Outcome {
        let mut ends = Vec::new();
        for input in &case.inputs {
            let ended = home.run_of(program, &case.arguments_in(home), input);
            ends.push((ended.status.code(), case.normal(&without_warnings(&ended.stderr))));
        }
        let mut names = BTreeSet::new();
        for name in home.names("") {
            names.insert((name.clone(), home.mode(&name)));
            if home.path(&name).is_dir() {
                let entries = home.entries(&name).into_iter();
                names.extend(entries.map(|(entry, mode)| (format!("{name}/{entry}"), mode)));
            }
        }
        let statuses = ["status", "other"].into_iter().filter(|name| home.path(name).exists());
        let statuses =
            statuses.map(|name| (name.to_owned(), case.normal(&home.read(name)))).collect();
        Outcome { ends, names, statuses }
    }
}

impl Case {
    fn arguments_in(&self, home: &Home) -> Vec<OsString> {
        let place = |argument: &Vec<u8>| match argument.strip_prefix(HOME.as_bytes()) {
            Some(name) => [home.path("").into_os_string().into_vec(), name.to_vec()].concat(),
            None => argument.clone(),
        };
        self.arguments.iter().map(place).map(OsString::from_vec).collect()
    }

    /// The same lines with stamps that are all alike.
    fn normal(&self, lines: &[u8]) -> Vec<u8> {
        if !self.stamped {
            return lines.to_vec();
        }
        let plain = |line: &[u8]| match line.split_first_chunk() {
            Some((stamp, rest)) if is_stamp(stamp) => [STAMP, rest].concat(),
            Some(_) | None => line.to_vec(),
        };
        lines.split_inclusive(|&byte| byte == b'\n').flat_map(plain).collect()
    }

    /// What is in a log directory has to be the end of what was selected, or all of it if no archive
    /// can have been removed.
    fn check_log(&self, log: &Log, home: &Home, expected: &[u8]) {
        let read = |name: String| home.read(Path::new(&log.name).join(name));
        let archives: Vec<Vec<u8>> = home.archives(&log.name).into_iter().map(read).collect();
        let current = read("current".to_owned());
        assert!(archives.iter().chain([&current]).all(|file| file.len() <= log.size_max));
        assert!(archives.len() < log.number_max, "{} archives", archives.len());
        let mut found = self.normal(&[archives.concat(), current].concat());
        let mut expected = expected.to_vec();
        if log.processor == Processor::Upper {
            assert!(archives.iter().all(|archive| *archive == archive.to_ascii_uppercase()));
            found.make_ascii_uppercase();
            expected.make_ascii_uppercase();
        }
        let is_thinned = match log.processor {
            Processor::Drop => archives.iter().all(Vec::is_empty) && !archives.is_empty(),
            _ => found.len() < expected.len() && archives.len() + 1 == log.number_max,
        };
        let removed = if is_thinned { expected.len() - found.len() } else { 0 };
        check_same(&log.name, &found, &expected[removed..]);
        if log.processor == Processor::Count && !is_thinned {
            let count =
                if archives.is_empty() { String::new() } else { format!("{}\n", archives.len()) };
            assert_eq!(String::from_utf8_lossy(&read("state".to_owned())), count);
        }
    }

    /// Runs one multilog in a fresh home and compares with the model.
    fn check_program(&self, program: &Path) -> Outcome {
        let home = Home::in_memory();
        let outcome = Outcome::of(self, program, &home);
        if self.is_fatal {
            assert!(outcome.ends.iter().all(|(code, _)| *code == Some(FATAL)));
            return outcome;
        }
        let expected = Expected::of(self);
        for ((code, found), stderr) in outcome.ends.iter().zip(&expected.stderr) {
            check_same("stderr", found, stderr);
            assert_eq!(*code, Some(0));
        }
        for (name, found) in &outcome.statuses {
            check_same(name, found, expected.statuses.get(name).map_or(b"", Vec::as_slice));
        }
        for action in &self.actions {
            if let Action::Log(log) = action {
                self.check_log(log, &home, expected.logs.get(&log.name).map_or(b"", Vec::as_slice));
            }
        }
        outcome
    }
}

/// Fails with the place where they differ and not with all of both.
#[track_caller]
fn check_same(what: &str, found: &[u8], expected: &[u8]) {
    if found != expected {
        let same = found.iter().zip(expected).take_while(|(one, other)| one == other).count();
        let shown = |bytes: &[u8]| bytes[same..].iter().take(60).copied().collect::<Vec<u8>>();
        let (found_len, expected_len) = (found.len(), expected.len());
        let (found, expected) = (shown(found), shown(expected));
        panic!(
            "{what} differs at {same}: {} of {found_len} bytes, expected {} of {expected_len}",
            found.escape_ascii(),
            expected.escape_ascii(),
        );
    }
}

fn is_stamp(text: &[u8; STAMP.len()]) -> bool {
    text[0] == b'@' && text[25] == b' ' && text[1..25].iter().all(u8::is_ascii_hexdigit)
}

/// Says which case failed, if it does.
struct Telling<'a> {
    seed: u64,
    case: &'a Case,
    program: &'a Path,
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let Telling { seed, case, program } = self;
            let arguments: Vec<String> =
                case.arguments.iter().map(|text| text.escape_ascii().to_string()).collect();
            let lengths: Vec<usize> = case.inputs.iter().map(Vec::len).collect();
            eprintln!(
                "{SEED_VARIABLE}={seed} makes this the first script, of {}:",
                program.display()
            );
            eprintln!("{arguments:?} with inputs of {lengths:?} bytes");
        }
    }
}

impl Outcome {
    /// Fatal messages say what could not be done; ours then names the missing part of the path.
    fn without_reasons(&self) -> Vec<(Option<i32>, Vec<u8>)> {
        let without = |text: &[u8]| {
            let end = text.windows(2).rposition(|pair| pair == b": ");
            text[..end.unwrap_or(text.len())].to_vec()
        };
        self.ends.iter().map(|(code, text)| (*code, without(text))).collect()
    }
}

/// Ours warns of arguments that may mean something else; 0.76 says nothing of them.
fn without_warnings(stderr: &[u8]) -> Vec<u8> {
    let lines = stderr.split_inclusive(|&byte| byte == b'\n');
    lines.filter(|line| !line.starts_with(b"multilog: warning: ")).collect::<Vec<_>>().concat()
}

#[test]
fn agrees_with_the_original_and_the_model_on_every_script() {
    let Some(original) = peer("multilog") else { return };
    let ours = Path::new(env!("CARGO_BIN_EXE_multilog"));
    let check = |seed| {
        let case = Case::generate(seed);
        let outcome = |program| {
            let _telling = Telling { seed, case: &case, program };
            case.check_program(program)
        };
        let (original, ours) = (outcome(&original), outcome(ours));
        let is_same = match case.is_fatal {
            true => original.without_reasons() == ours.without_reasons(),
            false => original.ends == ours.ends,
        };
        assert!(is_same && original.statuses == ours.statuses);
        assert_eq!(original.names, ours.names);
    };
    thread::scope(|scope| {
        for thread in 0..THREAD_COUNT {
            let mine = seeds(SCRIPT_COUNT).filter(move |seed| seed % THREAD_COUNT == thread);
            scope.spawn(|| mine.for_each(&check));
        }
    });
}

#[test]
fn a_status_file_that_is_named_twice_shows_the_line_that_came_last() {
    let ours = Path::new(env!("CARGO_BIN_EXE_multilog")).to_owned();
    for program in [Some(ours), peer("multilog")].into_iter().flatten() {
        let home = Home::in_memory();
        home.run_of(&program, &["=status", "-b", "=./status"], b"a\nb\n").check(0, "");
        assert!(home.read("status").starts_with(b"b\n"), "{}", program.display());
    }
}
