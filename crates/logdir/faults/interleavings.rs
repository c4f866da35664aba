//! A reader follows a directory through every order of foreign events: a writer rotates three
//! files, a job compresses them, retention removes a file, and the reader is killed. Each line must
//! arrive once and in order, or a gap is reported for lines removed by retention.
//!
//! The directory is real, on tmpfs if available. Foreign events happen between two calls of the reader, at the
//! hook before every directory access ([`before_look`]).

use crate::read::Notice;
use crate::read::cursor::token::Cursor;
use crate::read::delivery::{Follow, Scope, Start, StartedDirectory};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tempfile::TempDir;

/// Files to rotate, not counting the last `current`.
const FILES: usize = 3;
/// Lines per file.
const LINES: usize = 2;

/// Remaining reader calls before foreign events, and these events.
type Burst = (usize, Box<dyn FnOnce()>);

thread_local! {
    /// Foreign events during a look.
    static BURST: RefCell<Option<Burst>> = const { RefCell::new(None) };
}

/// Called by the reader before each directory access.
pub fn before_look() {
    let act = BURST.with_borrow_mut(|burst| match burst {
        Some((left @ 1.., _)) => {
            *left -= 1;
            None
        }
        Some((0, _)) => burst.take(),
        None => None,
    });
    if let Some((_, act)) = act {
        act();
    }
}

/// Foreign events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// The writer fills `current`, renames it, and creates the next.
    Rotate(usize),
    /// The file gets its archive name.
    Name(usize),
    /// A cron job starts compressing the file.
    BeginCopy(usize),
    /// The copy is complete; the job removes the file.
    EndCopy(usize),
    /// Retention removes the first file.
    Remove,
}

/// Reader action after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    Rests,
    Looks,
    /// Killed; a new reader continues from its cursor.
    IsKilled,
}

/// Whether lines have stamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lines {
    Stamped,
    Unstamped,
}

struct World {
    directory: TempDir,
    lines: Lines,
}

impl World {
    fn new(lines: Lines) -> World {
        let in_memory = Path::new("/dev/shm");
        let parent = if in_memory.is_dir() { in_memory.to_owned() } else { std::env::temp_dir() };
        let world = World { directory: TempDir::new_in(parent).unwrap(), lines };
        File::create(world.path("current")).unwrap();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn actor(&self) -> Actor {
        Actor { path: self.directory.path().to_owned(), lines: self.lines }
    }
}

/// Lines of a file.
fn texts(lines: Lines, file: usize) -> Vec<String> {
    let text = |line: usize| match lines {
        Lines::Stamped => {
            format!("@4000000065{file:02x}{line:02x}0000000000 line {line} of {file}")
        }
        Lines::Unstamped => format!("line {line} of {file}"),
    };
    (0..LINES).map(text).collect()
}

fn contents(lines: Lines, file: usize) -> String {
    texts(lines, file).iter().map(|text| format!("{text}\n")).collect()
}

fn archive(file: usize) -> String {
    format!("@4000000065{file:02x}ff0000000000.s")
}

/// Performs foreign events.
struct Actor {
    path: PathBuf,
    lines: Lines,
}

impl Actor {
    fn act(&self, event: Event) {
        let path = |name: &str| self.path.join(name);
        let copy = |file: usize| path(&format!("{}.gz", archive(file)));
        match event {
            Event::Rotate(file) => {
                let mut current = File::options().append(true).open(path("current")).unwrap();
                current.write_all(contents(self.lines, file).as_bytes()).unwrap();
                fs::rename(path("current"), path("previous")).unwrap();
                File::create(path("current")).unwrap();
            }
            Event::Name(file) => {
                fs::hard_link(path("previous"), path(&archive(file))).unwrap();
                fs::remove_file(path("previous")).unwrap();
            }
            Event::BeginCopy(file) => {
                let whole = self.compressed(file);
                fs::write(copy(file), &whole[..whole.len() / 2]).unwrap();
            }
            Event::EndCopy(file) => {
                fs::write(copy(file), self.compressed(file)).unwrap();
                fs::remove_file(path(&archive(file))).unwrap();
            }
            // Under its present name, original or compressed.
            Event::Remove => {
                let _ = fs::remove_file(path(&archive(0)));
                let _ = fs::remove_file(copy(0));
            }
        }
    }

    fn compressed(&self, file: usize) -> Vec<u8> {
        static COMPRESSED: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
        let compressed = COMPRESSED.get_or_init(|| {
            let all = [Lines::Stamped, Lines::Unstamped].into_iter();
            all.flat_map(|lines| (0..FILES).map(move |file| compress(lines, file))).collect()
        });
        compressed[self.lines as usize * FILES + file].clone()
    }
}

fn compress(lines: Lines, file: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(contents(lines, file).as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// All possible orders: the writer works sequentially, a file is compressed after it is named, and
/// the first file is removed after it is named, never during its compression.
fn orders(removes: bool) -> Vec<Vec<Event>> {
    let writer: Vec<Event> =
        (0..FILES).flat_map(|file| [Event::Rotate(file), Event::Name(file)]).collect();
    let mut orders = vec![writer];
    for file in (0..FILES).rev() {
        let after = Event::Name(file);
        orders = inserted(orders, Event::BeginCopy(file), after, |_| true);
        // Reader calls in between model slow compression.
        for order in &mut orders {
            let begin = order.iter().position(|event| *event == Event::BeginCopy(file)).unwrap();
            order.insert(begin + 1, Event::EndCopy(file));
        }
    }
    if removes {
        let is_whole = |before: Option<&Event>| before != Some(&Event::BeginCopy(0));
        orders = inserted(orders, Event::Remove, Event::Name(0), is_whole);
        // A removed file cannot be compressed.
        for order in &mut orders {
            let end = order.iter().position(|event| *event == Event::Remove).unwrap();
            let is_late = |pos: usize, event: &Event| {
                pos > end && matches!(event, Event::BeginCopy(0) | Event::EndCopy(0))
            };
            let mut pos = 0;
            order.retain(|event| {
                pos += 1;
                !is_late(pos - 1, event)
            });
        }
        orders.dedup();
    }
    orders
}

fn inserted(
    orders: Vec<Vec<Event>>,
    event: Event,
    after: Event,
    may_follow: impl Fn(Option<&Event>) -> bool,
) -> Vec<Vec<Event>> {
    let mut all = Vec::new();
    for order in orders {
        let first = order.iter().position(|known| *known == after).unwrap() + 1;
        for pos in first..=order.len() {
            let is_in_copy = matches!(order.get(pos), Some(Event::EndCopy(_)));
            if !is_in_copy && may_follow(pos.checked_sub(1).map(|pos| &order[pos])) {
                let mut with_it = order.clone();
                with_it.insert(pos, event);
                all.push(with_it);
            }
        }
    }
    all
}

/// A reader with its shown lines and reported notices.
struct Consumer {
    path: PathBuf,
    follow: Follow,
    shown: Vec<String>,
    /// Gap positions, as number of lines shown before.
    gaps: Vec<usize>,
    others: Vec<Notice>,
    /// Killed before its cursor contained a line. Such a cursor means the oldest existing line.
    began_again: bool,
    /// Last saved cursor, and number of lines shown then.
    checkpoint: (Cursor, usize),
}

impl Consumer {
    fn new(path: &Path) -> Consumer {
        let mut follow = opened(path, &Start::Oldest);
        let checkpoint = (follow.cursor(), 0);
        let path = path.to_owned();
        Consumer {
            path,
            follow,
            shown: vec![],
            gaps: vec![],
            others: vec![],
            began_again: false,
            checkpoint,
        }
    }

    fn look(&mut self) {
        self.follow.look_at_all();
        loop {
            let ticket = self.follow.next().map(|delivery| {
                self.shown.push(String::from_utf8_lossy(delivery.line.bytes).into_owned());
                delivery.ticket
            });
            let shown_count = self.shown.len() - usize::from(ticket.is_some());
            for (_, notice) in self.follow.take_notices() {
                match notice {
                    Notice::MissingLines(..) => self.gaps.push(shown_count),
                    other => self.others.push(other),
                }
            }
            let Some(ticket) = ticket else { break };
            self.follow.ack(ticket);
            // A killed reader has shown more lines than its cursor contains.
            if self.shown.len() % 2 == 1 {
                self.checkpoint = (self.follow.cursor(), self.shown.len());
            }
        }
    }

    fn is_killed(&mut self) {
        let (cursor, count) = &self.checkpoint;
        self.shown.truncate(*count);
        self.gaps.retain(|gap| gap < count);
        self.began_again |= *count == 0;
        self.follow = opened(&self.path, &Start::After(cursor.clone()));
        self.look();
    }
}

fn opened(path: &Path, start: &Start) -> Follow {
    let started = StartedDirectory::open(path, start, |_| None).unwrap();
    Follow::of(vec![started], None, Scope::Existing)
}

/// Reader actions after each event, and a burst of events during a look.
#[derive(Clone, Debug)]
struct Schedule {
    lines: Lines,
    events: Vec<Event>,
    /// Reader action after each event.
    reader: Vec<Reader>,
    /// Number of reader calls before the burst, counted in the first look, and number of following
    /// events in the burst.
    burst: Option<(usize, usize)>,
}

impl Schedule {
    fn run(&self) {
        let world = World::new(self.lines);
        let mut consumer = Consumer::new(world.directory.path());
        let mut events = self.events.iter().copied().zip(&self.reader).enumerate();
        let mut burst = self.burst;
        while let Some((number, (event, reader))) = events.next() {
            world.actor().act(event);
            if *reader != Reader::Rests
                && let Some((calls, count)) = burst.take()
            {
                let (actor, end) = (world.actor(), self.events.len().min(number + 1 + count));
                let in_burst = self.events[number + 1..end].to_vec();
                let act = move || in_burst.into_iter().for_each(|event| actor.act(event));
                BURST.set(Some((calls, Box::new(act))));
                events.by_ref().take(end - number - 1).for_each(drop);
            }
            match reader {
                Reader::Rests => {}
                Reader::Looks => consumer.look(),
                Reader::IsKilled => consumer.is_killed(),
            }
            // The look made fewer calls: perform the burst now.
            if let Some((_, act)) = BURST.take() {
                act();
            }
        }
        consumer.look();
        consumer.look();
        self.check(&consumer);
    }

    /// Expects each line once and in order, except lines of the removed file, with a gap at exactly
    /// that position.
    fn check(&self, consumer: &Consumer) {
        let all: Vec<String> = (0..FILES).flat_map(|file| texts(self.lines, file)).collect();
        let Consumer { shown, gaps, others, began_again, .. } = consumer;
        let may_lose = self.events.contains(&Event::Remove);
        // After removal of its only archive, the file looks like a removed `current`. No logger
        // removes its newest archive.
        let is_explained =
            |notice: &Notice| may_lose && matches!(notice, Notice::CurrentReplaced(_));
        assert!(others.iter().all(is_explained), "{others:?} in {self:?}");
        // A gap only means that lines may be missing.
        if *shown == all && (gaps.is_empty() || !others.is_empty()) {
            return;
        }
        let missing = all.len().saturating_sub(shown.len());
        let gap = gaps.first().copied().unwrap_or(0);
        let is_told = (gaps.len() == 1 || (*began_again && gaps.is_empty()))
            && gap + missing <= LINES
            && shown[..gap] == all[..gap]
            && shown[gap..] == all[gap + missing..];
        assert!(may_lose && is_told, "{shown:?}, gaps before {gaps:?} in {self:?}");
    }
}

/// All sequences of looking and resting after each event, with at most `kills_max` kills.
fn readers(event_count: usize, kills_max: usize) -> Vec<Vec<Reader>> {
    let mut all = vec![Vec::new()];
    for _ in 0..event_count {
        let more = |reader: &Vec<Reader>| {
            let kills = reader.iter().filter(|what| **what == Reader::IsKilled).count();
            let mut next = vec![Reader::Rests, Reader::Looks];
            next.extend((kills < kills_max).then_some(Reader::IsKilled));
            let with = |what| reader.iter().copied().chain([what]).collect::<Vec<_>>();
            next.into_iter().map(with).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(more).collect();
    }
    all
}

/// Sampling: every n-th schedule runs.
#[derive(Clone, Copy, Debug)]
struct Every {
    daily: usize,
    /// For the full matrix.
    full: usize,
}

fn run_all(name: &str, every: Every, schedules: &Schedules) {
    let is_full = std::env::var("MULTILOG_TEST_MATRIX").is_ok_and(|value| value == "full");
    let every = if is_full { every.full } else { every.daily };
    let numbers = (0..schedules.count()).step_by(every);
    let _ = writeln!(std::io::stdout(), "{name}: {} interleavings", numbers.len());
    assert!(numbers.len() > 0);
    numbers.for_each(|number| schedules.get(number).run());
}

/// All orders of events, each combined with all reader actions.
struct Schedules {
    lines: Lines,
    orders: Vec<Vec<Event>>,
    acts: Acts,
}

enum Acts {
    /// Actions between events with limited kills, keyed by order length.
    Between(BTreeMap<usize, Vec<Vec<Reader>>>),
    /// A single look with events during it.
    InLook(Reader),
}

/// More calls than any look makes.
const CALLS_MAX: usize = 40;
/// Most events during a look.
const BURST_MAX: usize = 4;

impl Schedules {
    fn between(lines: Lines, removes: bool, kills_max: usize) -> Schedules {
        let orders = orders(removes);
        let lens = orders.iter().map(Vec::len);
        let acts = lens.map(|len| (len, readers(len, kills_max))).collect();
        Schedules { lines, orders, acts: Acts::Between(acts) }
    }

    fn in_looks(removes: bool, reader: Reader) -> Schedules {
        let (lines, orders) = (Lines::Stamped, orders(removes));
        Schedules { lines, orders, acts: Acts::InLook(reader) }
    }

    fn count_of(&self, order: &[Event]) -> usize {
        match &self.acts {
            Acts::Between(acts) => acts[&order.len()].len(),
            Acts::InLook(_) => order.len() * CALLS_MAX * BURST_MAX * 2,
        }
    }

    fn count(&self) -> usize {
        self.orders.iter().map(|order| self.count_of(order)).sum()
    }

    fn get(&self, mut number: usize) -> Schedule {
        let mut orders = self.orders.iter();
        let events = loop {
            let order = orders.next().unwrap();
            let count = self.count_of(order);
            if number < count {
                break order.clone();
            }
            number -= count;
        };
        let (lines, len) = (self.lines, events.len());
        match &self.acts {
            Acts::Between(acts) => {
                let reader = acts[&len][number].clone();
                Schedule { lines, events, reader, burst: None }
            }
            Acts::InLook(what) => {
                let (first, rest) = (number % len, number / len);
                let (calls, rest) = (rest % CALLS_MAX, rest / CALLS_MAX);
                let (count, looks_after) = (rest % BURST_MAX + 1, rest / BURST_MAX == 1);
                let mut reader = vec![Reader::Rests; len];
                reader[first] = *what;
                if looks_after {
                    reader[first + 1..].fill(Reader::Looks);
                }
                Schedule { lines, events, reader, burst: Some((calls, count)) }
            }
        }
    }
}

#[test]
fn looks_and_kills_between_all_events() {
    let schedules = Schedules::between(Lines::Stamped, false, 1);
    run_all("between events", Every { daily: 1999, full: 1 }, &schedules);
}

#[test]
fn looks_between_all_events_without_stamps() {
    let schedules = Schedules::between(Lines::Unstamped, false, 0);
    run_all("without stamps", Every { daily: 199, full: 1 }, &schedules);
}

#[test]
fn looks_and_kills_while_retention_removes_a_file() {
    let schedules = Schedules::between(Lines::Stamped, true, 1);
    run_all("retention", Every { daily: 9973, full: 17 }, &schedules);
}

#[test]
fn events_in_the_middle_of_a_look() {
    let every = Every { daily: 197, full: 1 };
    run_all("in a look", every, &Schedules::in_looks(false, Reader::Looks));
    run_all("in a look after a kill", every, &Schedules::in_looks(false, Reader::IsKilled));
    let every = Every { daily: 1999, full: 1 };
    run_all("in a look, retention", every, &Schedules::in_looks(true, Reader::Looks));
}
