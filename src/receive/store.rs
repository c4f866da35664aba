//! Where lines go: standard output, the log directories of a script, or directories made as they are needed.

use super::branch::{self, Branch, Opening, Sync};
use super::line::{self, By, OTHER, Origin};
use super::names::Mappings;
use super::options::Options;
use super::outlet::Outlet;
use super::queue::Queue;
use crate::message;
use ::logdir::disk::Dir;
use ::logdir::failure::{Failure, What};
use ::logdir::label::Label;
use ::logdir::wake::Wake;
use ::logdir::write::Closed;
use nix::sys::signal::Signal;
use script::Action;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::DirBuilder;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Script of directories that are made as they are needed, if the user gives none.
const SCRIPT_DEFAULT: [&str; 3] = ["t", "s1000000", "n10"];
/// Mode of the root.
const ROOT_MODE: u32 = 0o700;
/// Setting of a script that makes the missing part of a path.
const MAKES_PARENTS: &str = "m";
/// After a directory could not be opened, its messages go elsewhere for so long.
const OPEN_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Bytes of lines that wait for one place before its streams wait.
const QUEUE_MAX: usize = 256 * 1024;

/// Where a line goes: a branch, or standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Place(pub usize);

/// A line on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticket {
    /// Where it goes.
    pub place: Place,
    /// The lines of this place are numbered from 1.
    pub number: u64,
}

/// All places for lines.
#[derive(Debug)]
pub enum Store {
    /// Standard output.
    Stdout(Outlet),
    /// The actions of a script.
    Script(Box<Branch>, Dir),
    /// A directory for each key.
    Into(Box<Directories>),
}

/// Directories below a root.
#[derive(Debug)]
pub struct Directories {
    start: Dir,
    root: PathBuf,
    by: By,
    trusts_host: bool,
    mappings: Mappings,
    script: Vec<OsString>,
    count_max: usize,
    open_max: usize,
    branches: Vec<Branch>,
    /// For each branch the number of the last message for it, of all messages.
    last_used: Vec<u64>,
    used_count: u64,
    /// Branch of each directory.
    numbers: HashMap<String, usize>,
    /// Directories that cannot be opened, and when to try again. At most `count_max`.
    refused: HashMap<String, Instant>,
    has_told_limit: bool,
    /// Opened, and not asked for yet: at most `count_max`.
    #[cfg(feature = "kafka")]
    opened: Vec<PathBuf>,
    wake: Wake,
}

impl Store {
    /// Opens what can be opened before the first message.
    ///
    /// # Errors
    /// A text that says what could not be done, to which file, and why.
    pub fn open(options: &Options, wake: &Wake) -> Result<Store, String> {
        let words = |failure: Failure| String::from_utf8_lossy(&failure.text("")).into_owned();
        let start =
            Dir::start().map_err(|errno| words(Failure::new(What::StartDirectory, "", errno)))?;
        if let Some(root) = &options.into {
            let directories = Directories::open(start, root.clone(), options, wake)?;
            return Ok(Store::Into(Box::new(directories)));
        }
        if options.script.is_empty() {
            return Ok(Store::Stdout(Outlet::new()));
        }
        let branch = Branch::open(&start, options.script.clone(), Opening::AtStart, wake)?;
        Ok(Store::Script(Box::new(branch), start))
    }

    /// Where a message goes. Opens its directory if it is not open yet.
    pub fn place(&mut self, origin: &Origin<'_>, message: &[u8]) -> Place {
        match self {
            Store::Stdout(_) | Store::Script(..) => Place(0),
            Store::Into(directories) => {
                let name = line::directory(
                    directories.by,
                    origin,
                    message,
                    directories.trusts_host,
                    &directories.mappings,
                );
                Place(directories.use_one(name))
            }
        }
    }

    /// True if a stream may bring a further line for this place.
    pub fn has_room(&self, place: Place) -> bool {
        let queue = self.queues().nth(place.0);
        queue.is_some_and(|queue| queue.len() < QUEUE_MAX) && !self.has_lost(place)
    }

    /// Takes a line with its moment of receipt.
    pub fn put(&mut self, place: Place, line: &[u8], received: Label) -> Ticket {
        if let Store::Stdout(outlet) = self {
            outlet.put(line, received);
            return Ticket { place, number: 0 };
        }
        let number = self.branches_mut()[place.0].put(line, received);
        Ticket { place, number }
    }

    /// The last line of a place.
    #[cfg(feature = "kafka")]
    pub fn last(&self, place: Place) -> Ticket {
        Ticket { place, number: self.branches().get(place.0).map_or(0, Branch::last) }
    }

    /// Directories that were opened since the last call.
    #[cfg(feature = "kafka")]
    pub fn take_opened(&mut self) -> Vec<PathBuf> {
        match self {
            Store::Into(directories) => std::mem::take(&mut directories.opened),
            Store::Stdout(_) | Store::Script(..) => Vec::new(),
        }
    }

    /// Memory of all lines that wait.
    pub fn waiting_len(&self) -> usize {
        self.queues().map(Queue::len).sum()
    }

    fn queues(&self) -> impl Iterator<Item = &Queue> {
        let outlet = match self {
            Store::Stdout(outlet) => Some(outlet.queue()),
            Store::Script(..) | Store::Into(_) => None,
        };
        outlet.into_iter().chain(self.branches().iter().map(Branch::queue))
    }

    /// Frees memory that is not in use.
    pub fn free_unused(&mut self) {
        if let Store::Stdout(outlet) = self {
            outlet.free_unused();
        }
        self.branches_mut().iter_mut().for_each(Branch::free_unused);
    }

    /// Asks that a line gets on disk soon.
    pub fn require(&mut self, ticket: Ticket) {
        if let Some(branch) = self.branches_mut().get_mut(ticket.place.0) {
            branch.require(ticket.number);
        }
    }

    /// True if a line is on disk, contents and names.
    pub fn is_durable(&self, ticket: Ticket) -> bool {
        let branch = self.branches().get(ticket.place.0);
        branch.is_some_and(|branch| branch.durable() >= ticket.number)
    }

    /// Writes as far as possible without waiting.
    pub fn advance(&mut self, now: Instant) {
        match self {
            Store::Stdout(outlet) => outlet.advance(),
            Store::Script(branch, _) => branch.advance(now),
            Store::Into(directories) => directories.advance(now),
        }
    }

    /// The last sync that somebody waited for.
    pub fn last_sync(&self) -> Option<Sync> {
        self.branches().iter().filter_map(Branch::last_sync).max_by_key(|sync| sync.at)
    }

    /// True if a failed fsync keeps some lines of a place from ever being known to be on disk.
    pub fn has_lost(&self, place: Place) -> bool {
        self.branches().get(place.0).is_some_and(Branch::has_lost)
    }

    /// Since when lines of a place cannot be written.
    pub fn trouble_since(&self, place: Place) -> Option<Instant> {
        self.branches().get(place.0).and_then(Branch::trouble_since)
    }

    /// The place of all messages from an address, where the address alone decides.
    pub fn place_of(&self, origin: &Origin<'_>) -> Option<Place> {
        match self {
            Store::Stdout(_) | Store::Script(..) => Some(Place(0)),
            Store::Into(directories) => directories.place_of(origin).map(Place),
        }
    }

    /// After a failed fsync: closes the directories and opens them again. Nobody may wait for a ticket.
    pub fn reopen_lost(&mut self, wake: &Wake, now: Instant) {
        let (branches, start): (&mut [Branch], &Dir) = match self {
            Store::Stdout(_) => return,
            Store::Script(branch, start) => (std::slice::from_mut(&mut **branch), start),
            Store::Into(directories) => (&mut directories.branches, &directories.start),
        };
        for branch in branches.iter_mut().filter(|branch| branch.has_lost()) {
            branch.reopen(start, wake, now);
        }
    }

    /// True if lines of some place cannot be written, and could not at this time.
    pub fn is_in_trouble_since(&self, time: Instant) -> bool {
        match self {
            Store::Stdout(outlet) => outlet.is_broken(),
            Store::Script(..) | Store::Into(_) => {
                let since = |branch: &Branch| branch.trouble_since();
                self.branches().iter().filter_map(since).any(|since| since <= time)
            }
        }
    }

    /// True if nobody reads standard output any more.
    pub fn is_broken(&self) -> bool {
        matches!(self, Store::Stdout(outlet) if outlet.is_broken())
    }

    /// Time of the next retry or timer.
    pub fn deadline(&self) -> Option<Instant> {
        self.branches().iter().filter_map(Branch::deadline).min()
    }

    /// Standard output, while lines wait for its reader.
    pub fn stuck_fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Store::Stdout(outlet) => outlet.stuck_fd(),
            Store::Script(..) | Store::Into(_) => None,
        }
    }

    /// Ends every current.
    pub fn rotate(&mut self) {
        self.branches_mut().iter_mut().for_each(Branch::rotate);
    }

    /// Signals running processors and starts no others.
    pub fn stop_processors(&self, signal: Signal) {
        self.branches().iter().for_each(|branch| branch.stop_processors(signal));
    }

    /// Prints the state of every directory.
    pub fn report(&mut self) {
        self.branches_mut().iter_mut().for_each(Branch::report);
    }

    /// Number of open directories.
    pub fn directory_count(&self) -> usize {
        self.branches().iter().filter(|branch| branch.is_open()).count()
    }

    /// Continues closing. The result after everything is closed.
    pub fn close(&mut self) -> Option<Closed> {
        match self {
            Store::Stdout(outlet) => {
                outlet.advance();
                let is_over = outlet.queue().is_empty() || outlet.is_broken();
                return is_over.then_some(Closed::Clean);
            }
            Store::Into(directories) => directories.end_rests(Instant::now()),
            Store::Script(..) => {}
        }
        let closed: Vec<Option<Closed>> =
            self.branches_mut().iter_mut().map(Branch::close).collect();
        match closed.contains(&None) {
            true => None,
            false if closed.contains(&Some(Closed::Unsynced)) => Some(Closed::Unsynced),
            false => Some(Closed::Clean),
        }
    }

    /// Exits at once: reports lines that are lost.
    pub fn give_up(&mut self) {
        match self {
            Store::Stdout(outlet) => outlet.give_up(),
            Store::Script(..) | Store::Into(_) => {
                self.branches_mut().iter_mut().for_each(Branch::give_up);
            }
        }
    }

    fn branches(&self) -> &[Branch] {
        match self {
            Store::Stdout(_) => &[],
            Store::Script(branch, _) => std::slice::from_ref(&**branch),
            Store::Into(directories) => &directories.branches,
        }
    }

    fn branches_mut(&mut self) -> &mut [Branch] {
        match self {
            Store::Stdout(_) => &mut [],
            Store::Script(branch, _) => std::slice::from_mut(&mut **branch),
            Store::Into(directories) => &mut directories.branches,
        }
    }
}

impl Directories {
    fn open(start: Dir, root: PathBuf, options: &Options, wake: &Wake) -> Result<Self, String> {
        let mut script = options.script.clone();
        if script.is_empty() {
            script = SCRIPT_DEFAULT.map(OsString::from).to_vec();
        }
        script.push(MAKES_PARENTS.into());
        let mut directories = Directories {
            start,
            root,
            by: options.by,
            trusts_host: options.trust_host,
            mappings: Mappings::new(&options.map)?,
            script,
            count_max: options.max_dirs as usize,
            open_max: options.max_open as usize,
            branches: Vec::new(),
            last_used: Vec::new(),
            used_count: 0,
            numbers: HashMap::new(),
            refused: HashMap::new(),
            has_told_limit: false,
            #[cfg(feature = "kafka")]
            opened: Vec::new(),
            wake: wake.clone(),
        };
        directories.check_script()?;
        make_root(&directories.root)?;
        // Where messages go that have no other place: it must be there before the first of them.
        directories.open_one(OTHER, Opening::AtStart)?;
        Ok(directories)
    }

    /// Each directory gets the script of its own, so nothing in it may be opened twice.
    fn check_script(&self) -> Result<(), String> {
        let script = branch::parse(&self.script_of(OTHER))?;
        let opens = |action: &&Action| {
            !matches!(action, Action::Select(_) | Action::Deselect(_) | Action::SelectRest)
        };
        match script.actions.iter().filter(opens).count() {
            1 => Ok(()),
            _ => Err("with --into the script may hold settings and patterns only".to_owned()),
        }
    }

    fn script_of(&self, name: &str) -> Vec<OsString> {
        let mut script = self.script.clone();
        let mut path = self.root.join(name).into_os_string();
        if !matches!(path.as_encoded_bytes().first(), Some(b'/' | b'.')) {
            let relative = std::mem::replace(&mut path, OsString::from("./"));
            path.push(relative);
        }
        script.push(path);
        script
    }

    /// Number of the branch for a message.
    fn use_one(&mut self, name: String) -> usize {
        let number = self.number_of(name);
        self.used_count += 1;
        self.last_used[number] = self.used_count;
        number
    }

    /// Continues all branches. If too many are open, the least used of the idle ones are closed.
    fn advance(&mut self, now: Instant) {
        self.end_rests(now);
        self.branches.iter_mut().for_each(|branch| branch.advance(now));
        let open_count = self.branches.iter().filter(|branch| branch.is_open()).count();
        for _ in self.open_max..open_count {
            let idle = (0..self.branches.len()).filter(|&number| self.branches[number].is_idle());
            let Some(number) = idle.min_by_key(|&number| self.last_used[number]) else { return };
            self.branches[number].rest();
        }
    }

    fn end_rests(&mut self, now: Instant) {
        for branch in &mut self.branches {
            branch.end_rest(&self.start, &self.wake, now);
        }
    }

    /// Number of the branch with this name. Without such a branch, and room for a new one, number of `other`.
    fn number_of(&mut self, name: String) -> usize {
        if let Some(&number) = self.numbers.get(&name) {
            return number;
        }
        if self.numbers.len() >= self.count_max {
            self.tell_limit(&name);
            return self.numbers[OTHER];
        }
        let now = Instant::now();
        if self.refused.get(&name).is_some_and(|&again| now < again) {
            return self.numbers[OTHER];
        }
        match self.open_one(&name, Opening::InLoop) {
            Ok(number) => {
                self.refused.remove(&name);
                number
            }
            Err(why) => {
                let text =
                    format!("{why}; its messages go into the directory {OTHER} for a minute");
                message::warn(text.as_bytes());
                if self.refused.len() < self.count_max || self.refused.contains_key(&name) {
                    self.refused.insert(name, now + OPEN_AGAIN_AFTER);
                }
                self.numbers[OTHER]
            }
        }
    }

    /// Number of the branch that takes all messages from an address; `None` if their text decides too, or no such
    /// branch is open.
    fn place_of(&self, origin: &Origin<'_>) -> Option<usize> {
        let is_by_address = match self.by {
            By::One => true,
            By::Host => !self.trusts_host,
            By::Program | By::HostProgram => false,
        };
        let name =
            is_by_address.then(|| line::directory(self.by, origin, b"", false, &self.mappings))?;
        self.numbers.get(&name).copied()
    }

    fn open_one(&mut self, name: &str, opening: Opening) -> Result<usize, String> {
        let branch = Branch::open(&self.start, self.script_of(name), opening, &self.wake)?;
        self.branches.push(branch);
        self.last_used.push(self.used_count);
        #[cfg(feature = "kafka")]
        if self.opened.len() < self.count_max {
            self.opened.push(self.root.join(name));
        }
        self.numbers.insert(name.to_owned(), self.branches.len() - 1);
        Ok(self.branches.len() - 1)
    }

    fn tell_limit(&mut self, name: &str) {
        if !std::mem::replace(&mut self.has_told_limit, true) {
            let text = format!(
                "there are {} directories, the limit of --max-dirs: \
                 messages of {name} and of further names go into the directory {OTHER}",
                self.count_max
            );
            message::warn(text.as_bytes());
        }
    }
}

/// Makes the root if it is missing, for its owner only: `/var/log` may be open to others, logs are not.
fn make_root(root: &Path) -> Result<(), String> {
    let made = DirBuilder::new().recursive(true).mode(ROOT_MODE).create(root);
    made.map_err(|error| format!("unable to create {}: {error}", root.display()))
}
