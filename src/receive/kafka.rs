//! A consumer group of Kafka: messages of a topic, whose offsets are committed when their lines are on disk.
//!
//! The client is polled in a thread, since that waits. What it takes is handed to the loop up to a bound; the loop
//! says what is on disk. Before a partition goes to another member, the thread waits until the lines of it are.

use super::seen::Identity;
use super::session::Full;
use super::store::{Place as Directory, Ticket};
use crate::kafka::{Place, client};
use crate::message;
use ::logdir::wake::Wake;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Messages that are taken and whose offsets are not committed, at most. A receiver that is killed gets these again,
/// and knows them by the ends of its directories.
const UNCOMMITTED_MAX: usize = 32_768;
/// Bytes of messages that wait for the loop, at most; a single one may be longer.
const WAITING_LEN_MAX: usize = 4 * 1024 * 1024;
/// Messages that the loop takes in a row.
const TAKEN_MAX: usize = 2048;
/// How long a poll of the client waits, and so the longest until an offset is committed.
const POLL: Duration = Duration::from_millis(50);
/// Time between two commits.
const COMMIT_EVERY: Duration = Duration::from_millis(100);
/// How long a partition waits for the disk before it goes to another member.
const REVOKE_MAX: Duration = Duration::from_secs(10);
/// After this time without room the client is told to fetch nothing, so that the group keeps this member.
const PAUSE_AFTER: Duration = Duration::from_secs(30);
/// What the client fetches ahead: it asks for more below this number of messages, unless it has this many KiB. Each
/// message takes some 500 bytes besides.
const FETCHED_MIN: &str = "10000";
const FETCHED_KBYTES_MAX: &str = "4096";
/// Bytes of an answer, and of those of one partition, at most; a single batch may be longer. They are compressed: lines
/// take six times as much in memory.
const FETCH_LEN_MAX: &str = "1048576";
const PARTITION_FETCH_LEN_MAX: &str = "262144";
/// How long it waits in ms when it has that much. The usual second would be a second without messages.
const FETCH_AGAIN_AFTER: &str = "20";

type Client = BaseConsumer<Shared>;

/// After a member was refused, the next one joins after this time.
const REJOIN_AFTER: Duration = Duration::from_secs(5);

/// Takes messages that may come several times.
pub trait TakesOnce {
    /// Takes a message, unless it was taken before; its line gets on disk soon.
    ///
    /// # Errors
    /// Its directory has no room.
    fn take_once(&mut self, message: &[u8]) -> Result<(Ticket, Option<Identity>), Full>;
}

/// The loop's side.
#[derive(Debug)]
pub struct Group {
    /// This receiver's name in the group, equal after a restart.
    member: String,
    shared: Arc<Shared>,
    waiting: VecDeque<Taken>,
    /// Directory without room for the first waiting message.
    full: Option<Directory>,
    /// Lines of each partition that are not on disk yet, in order.
    unanswered: HashMap<i32, VecDeque<Line>>,
}

/// A message of a partition. `epoch`: how often the partition was taken away before.
#[derive(Debug)]
struct Taken {
    partition: i32,
    epoch: u64,
    offset: i64,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    epoch: u64,
    offset: i64,
    /// `None` for an empty message.
    ticket: Option<Ticket>,
    identity: Option<Identity>,
}

#[derive(Debug)]
struct Shared {
    place: Place,
    wake: Wake,
    state: Mutex<State>,
    /// Something was written, or the end is wanted.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    incoming: Vec<Taken>,
    incoming_len: usize,
    partitions: HashMap<i32, Partition>,
    uncommitted_count: usize,
    /// Messages for the loop to print.
    notices: Vec<Notice>,
    /// The last failure, so that it is reported once.
    failure: Option<String>,
    is_stopping: bool,
    is_over: bool,
}

#[derive(Debug)]
enum Notice {
    Info(String),
    Warning(String),
}

#[derive(Debug, Default)]
struct Partition {
    epoch: u64,
    /// Offsets taken and not committed.
    uncommitted: VecDeque<i64>,
    /// Number of uncommitted messages at the loop, without a line on disk.
    at_loop: usize,
    /// Every message before this offset is on disk.
    durable: Option<i64>,
    /// The offset that the last commit asked for.
    asked: Option<i64>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, notice: Notice) {
        self.state().notices.push(notice);
        self.wake.wake();
    }

    /// Reports a failure, unless it is the one reported last.
    fn fail(&self, why: String) {
        let mut state = self.state();
        if state.failure.as_ref() == Some(&why) {
            return;
        }
        let text = format!("unable to take from {}: {why}; trying again", self.place);
        state.failure = Some(why);
        drop(state);
        self.note(Notice::Warning(text));
    }

    /// Offsets that a group does not take while it divides partitions anew are no news: the messages come again.
    fn fail_to_commit(&self, error: &KafkaError) {
        let is_usual = matches!(
            error.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::RebalanceInProgress
                    | RDKafkaErrorCode::IllegalGeneration
                    | RDKafkaErrorCode::UnknownMemberId
            )
        );
        if !is_usual {
            self.fail(format!("offsets are not committed: {}", client::words(error)));
        }
    }

    fn push(&self, partition: i32, offset: i64, bytes: &[u8]) {
        let mut state = self.state();
        let of = state.partitions.entry(partition).or_default();
        of.uncommitted.push_back(offset);
        let epoch = of.epoch;
        let is_first = state.incoming.is_empty();
        state.failure = None;
        state.uncommitted_count += 1;
        state.incoming_len += bytes.len();
        state.incoming.push(Taken { partition, epoch, offset, bytes: bytes.to_vec() });
        drop(state);
        if is_first {
            self.wake.wake();
        }
    }

    /// Waits for this time, or until the loop wants no more.
    fn wait_for_end(&self, time: Duration) {
        let is_running = |state: &mut State| !state.is_stopping;
        drop(self.changed.wait_timeout_while(self.state(), time, is_running));
    }

    /// Waits until all that the loop has of these partitions is on disk.
    fn wait_until_durable(&self, partitions: &[i32]) {
        let by = Instant::now() + REVOKE_MAX;
        let mut state = self.state();
        loop {
            let is_waiting = |id| state.partitions.get(id).is_some_and(|of| of.at_loop > 0);
            let now = Instant::now();
            if !partitions.iter().any(is_waiting) || now >= by {
                return;
            }
            let waited = self.changed.wait_timeout(state, by - now);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl State {
    fn has_room(&self) -> bool {
        self.uncommitted_count < UNCOMMITTED_MAX && self.incoming_len < WAITING_LEN_MAX
    }

    /// Forgets a partition that goes to another member, which commits its offsets from now on.
    fn revoke(&mut self, partition: i32) {
        let Some(of) = self.partitions.get_mut(&partition) else { return };
        self.uncommitted_count -= of.uncommitted.len();
        *of = Partition { epoch: of.epoch + 1, ..Partition::default() };
    }

    fn note_committed(&mut self, partition: i32, next: i64) {
        let Some(of) = self.partitions.get_mut(&partition) else { return };
        while of.uncommitted.front().is_some_and(|&offset| offset < next) {
            of.uncommitted.pop_front();
            self.uncommitted_count -= 1;
        }
    }
}

impl ClientContext for Shared {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn stats(&self, _: Statistics) {}

    fn error(&self, error: KafkaError, reason: &str) {
        // What is said of a single broker is no failure while others answer.
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.fail("no broker answers".to_owned());
        } else if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Authentication) {
            self.fail(reason.to_owned());
        }
    }
}

impl ConsumerContext for Shared {
    fn pre_rebalance(&self, client: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let Rebalance::Revoke(list) = rebalance else { return };
        let ids: Vec<i32> = list.elements().iter().map(|element| element.partition()).collect();
        {
            // What the loop has not taken yet is the next member's.
            let mut state = self.state();
            state.incoming.retain(|taken| !ids.contains(&taken.partition));
            state.incoming_len = state.incoming.iter().map(|taken| taken.bytes.len()).sum();
        }
        self.wait_until_durable(&ids);
        commit(client, self, CommitMode::Sync);
        let mut state = self.state();
        ids.iter().for_each(|&id| state.revoke(id));
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => {
                let count = list.count();
                self.note(Notice::Info(format!("{count} partitions of {}", self.place)));
            }
            Rebalance::Revoke(_) => {}
            Rebalance::Error(error) => self.fail(client::words(error)),
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        if let Err(error) = result {
            self.fail_to_commit(&error);
            let mut state = self.state();
            state.partitions.values_mut().for_each(|of| of.asked = None);
            return;
        }
        let mut state = self.state();
        for element in offsets.elements() {
            if let Offset::Offset(next) = element.offset() {
                state.note_committed(element.partition(), next);
            }
        }
        drop(state);
        self.changed.notify_all();
    }
}

/// Commits offsets of lines on disk that no earlier commit asked for.
fn commit(client: &Client, shared: &Shared, mode: CommitMode) {
    let mut list = TopicPartitionList::new();
    {
        let mut state = shared.state();
        for (&id, of) in &mut state.partitions {
            let Some(next) = of.durable else { continue };
            let is_open = of.uncommitted.front().is_some_and(|&offset| offset < next);
            if is_open && (of.asked != Some(next) || matches!(mode, CommitMode::Sync)) {
                of.asked = Some(next);
                // An offset is never negative here.
                let _ = list.add_partition_offset(&shared.place.topic, id, Offset::Offset(next));
            }
        }
    }
    if list.count() == 0 {
        return;
    }
    if let Err(error) = client.commit(&list, mode) {
        shared.fail_to_commit(&error);
    } else if matches!(mode, CommitMode::Sync) {
        shared.commit_callback(Ok(()), &list);
    }
}

/// Settings of the client.
fn config(place: &Place, group: &str, member: &str) -> Result<ClientConfig, String> {
    let mut config = client::config(place)?;
    if config.get("group.instance.id").is_none() {
        // After a kill the group keeps this member's partitions for session.timeout.ms. So nobody else writes what
        // this member had written and not committed.
        config.set("group.instance.id", member);
    }
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // A group that is new takes what the topic has.
        .set("auto.offset.reset", "earliest")
        .set("queued.min.messages", FETCHED_MIN)
        .set("queued.max.messages.kbytes", FETCHED_KBYTES_MAX)
        .set("fetch.max.bytes", FETCH_LEN_MAX)
        .set("max.partition.fetch.bytes", PARTITION_FETCH_LEN_MAX)
        .set("fetch.queue.backoff.ms", FETCH_AGAIN_AFTER);
    Ok(config)
}

/// The name of this receiver in its group: equal after a restart, and different from those of other receivers. It
/// is made of the names of the machine, the root of the directories and the topic.
pub fn member(root: Option<&Path>, place: &Place) -> String {
    let host = nix::unistd::gethostname().unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let readable = host.to_string_lossy().replace(|c| !is_plain(c), "_");
    let mut hasher = DefaultHasher::new();
    // Machines with equal host names differ in this.
    std::fs::read("/etc/machine-id").unwrap_or_default().hash(&mut hasher);
    std::path::absolute(root.unwrap_or(Path::new("."))).unwrap_or_default().hash(&mut hasher);
    place.topic.hash(&mut hasher);
    format!("{readable}-{:016x}", hasher.finish())
}

impl Group {
    /// Joins the group. Messages come later.
    ///
    /// # Errors
    /// A text: a setting is wrong, or the thread cannot be started.
    pub fn open(place: &Place, member: String, wake: &Wake) -> Result<Group, String> {
        let unable = |why: String| format!("unable to take from {place}: {why}");
        let group = place.group.as_deref().ok_or_else(|| unable("?group=G is missing".into()))?;
        let shared = Shared {
            place: place.clone(),
            wake: wake.clone(),
            state: Mutex::default(),
            changed: Condvar::new(),
        };
        let config = config(place, group, &member).map_err(unable)?;
        let client: Client =
            config.create_with_context(shared).map_err(|error| unable(client::words(&error)))?;
        client.subscribe(&[&place.topic]).map_err(|error| unable(client::words(&error)))?;
        let shared = Arc::clone(client.context());
        let thread = thread::Builder::new().name("kafka".to_owned());
        let started = thread.spawn(move || poll(client));
        started.map_err(|error| unable(format!("unable to start a thread: {error}")))?;
        let (waiting, unanswered) = (VecDeque::new(), HashMap::new());
        Ok(Group { member, shared, waiting, full: None, unanswered })
    }

    /// Takes what has arrived, as long as there is room.
    pub fn take(&mut self, to: &mut impl TakesOnce) {
        self.report();
        if self.is_refused() {
            self.join_again();
        }
        self.full = None;
        for _ in 0..TAKEN_MAX {
            // The thread wakes the loop for the first message only, so none may stay there while the loop sleeps.
            if self.waiting.is_empty() {
                self.take_incoming();
            }
            let Some(Taken { bytes, .. }) = self.waiting.front() else { return };
            let taken = match (!bytes.is_empty()).then(|| to.take_once(bytes)).transpose() {
                Ok(taken) => taken,
                Err(Full(place)) => {
                    self.full = Some(place);
                    return;
                }
            };
            let Some(Taken { partition, epoch, offset, .. }) = self.waiting.pop_front() else {
                return;
            };
            let (ticket, identity) = taken.unzip();
            let line = Line { epoch, offset, ticket, identity: identity.flatten() };
            self.unanswered.entry(partition).or_default().push_back(line);
        }
        // The rest has its turn after the other sources.
        self.shared.wake.wake();
    }

    fn take_incoming(&mut self) {
        let mut state = self.shared.state();
        self.waiting.extend(std::mem::take(&mut state.incoming));
        state.incoming_len = 0;
        for taken in &self.waiting {
            if let Some(of) = state.partitions.get_mut(&taken.partition) {
                of.at_loop += 1;
            }
        }
        drop(state);
        self.shared.changed.notify_all();
    }

    fn report(&self) {
        let notices = std::mem::take(&mut self.shared.state().notices);
        for notice in notices {
            match notice {
                Notice::Info(text) => message::info(&text),
                Notice::Warning(text) => message::warn(text.as_bytes()),
            }
        }
    }

    /// Says which lines are on disk.
    pub fn answer(&mut self, is_durable: impl Fn(Ticket) -> bool) {
        let mut has_news = false;
        for (&partition, lines) in &mut self.unanswered {
            let is_done = |line: &&Line| line.ticket.is_none_or(&is_durable);
            let count = lines.iter().take_while(is_done).count();
            if count == 0 {
                continue;
            }
            has_news = true;
            let mut state = self.shared.state();
            let Some(of) = state.partitions.get_mut(&partition) else { continue };
            for line in lines.drain(..count).filter(|line| line.epoch == of.epoch) {
                of.at_loop = of.at_loop.saturating_sub(1);
                of.durable = Some(line.offset + 1);
            }
        }
        if has_news {
            self.shared.changed.notify_all();
        }
    }

    /// The directory without room that the next message waits for.
    pub fn waits_for(&self) -> Option<Directory> {
        self.full
    }

    /// Directories of lines that are not on disk yet.
    pub fn owes(&self) -> impl Iterator<Item = Directory> {
        self.unanswered.values().flatten().filter_map(|line| Some(line.ticket?.place))
    }

    /// After a failed fsync: the lines that it may have lost. If there are any, leaves the group and joins it
    /// again, so that every message without an answer comes again.
    pub fn take_lost(&mut self, has_lost: impl Fn(Directory) -> bool) -> Vec<Identity> {
        let is_lost = |line: &&Line| line.ticket.is_some_and(|ticket| has_lost(ticket.place));
        if !self.unanswered.values().flatten().any(|line| is_lost(&line)) {
            return Vec::new();
        }
        let lost = self.unanswered.values().flatten().filter(is_lost);
        let lost = lost.filter_map(|line| line.identity).collect();
        self.join_again();
        lost
    }

    /// True if the group refused this member, and [`REJOIN_AFTER`] has passed.
    fn is_refused(&self) -> bool {
        let state = self.shared.state();
        state.is_over && !state.is_stopping
    }

    /// Leaves the group and joins it again.
    fn join_again(&mut self) {
        self.stop();
        let (place, wake) = (self.shared.place.clone(), self.shared.wake.clone());
        match Group::open(&place, self.member.clone(), &wake) {
            Ok(group) => *self = group,
            Err(why) => message::warn(why.as_bytes()),
        }
    }

    /// Leaves the group after a commit of all lines on disk.
    pub fn stop(&mut self) {
        let mut state = self.shared.state();
        // These are another member's.
        for taken in self.waiting.drain(..) {
            if let Some(of) = state.partitions.get_mut(&taken.partition)
                && of.epoch == taken.epoch
            {
                of.at_loop = of.at_loop.saturating_sub(1);
            }
        }
        state.is_stopping = true;
        drop(state);
        self.shared.changed.notify_all();
    }

    /// True after the last commit.
    pub fn is_over(&self) -> bool {
        self.shared.state().is_over
    }
}

/// The thread: polls until the loop wants no more.
fn poll(client: Client) {
    let shared = Arc::clone(client.context());
    let mut committed = Instant::now();
    let mut full_since = None;
    let mut is_paused = false;
    loop {
        let state = shared.state();
        let (is_stopping, has_room) = (state.is_stopping, state.has_room());
        drop(state);
        if is_stopping {
            break;
        }
        if let Some((code, _)) = client.client().fatal_error() {
            shared.fail(client::code_words(code));
            shared.wait_for_end(REJOIN_AFTER);
            break;
        }
        if committed.elapsed() >= COMMIT_EVERY {
            // Without a poll nothing would take the answer.
            commit(&client, &shared, if has_room { CommitMode::Async } else { CommitMode::Sync });
            committed = Instant::now();
        }
        full_since = full_since.filter(|_| !has_room).or((!has_room).then(Instant::now));
        let is_long = full_since.is_some_and(|since| since.elapsed() >= PAUSE_AFTER);
        if has_room && is_paused || is_long && !is_paused {
            is_paused = set_paused(&client, !has_room);
        }
        match has_room || is_paused {
            true => take(&client, &shared),
            false => wait_for_room(&shared),
        }
    }
    commit(&client, &shared, CommitMode::Sync);
    drop(client);
    shared.state().is_over = true;
    shared.wake.wake();
}

fn take(client: &Client, shared: &Shared) {
    let mut timeout = POLL;
    for _ in 0..TAKEN_MAX {
        match client.poll(timeout) {
            None => return,
            Some(Ok(message)) => {
                let bytes = message.payload().unwrap_or_default();
                shared.push(message.partition(), message.offset(), bytes);
            }
            Some(Err(error)) => return shared.fail(client::words(&error)),
        }
        timeout = Duration::ZERO;
        if !shared.state().has_room() {
            return;
        }
    }
}

/// Waits for the disk. A poll would take more messages.
fn wait_for_room(shared: &Shared) {
    let state = shared.state();
    if !state.has_room() {
        drop(shared.changed.wait_timeout(state, POLL));
    }
}

/// Lets the client fetch nothing, or fetch again. Returns whether it is paused.
fn set_paused(client: &Client, pauses: bool) -> bool {
    let changed = client.assignment().and_then(|list| match pauses {
        true => client.pause(&list),
        false => client.resume(&list),
    });
    if changed.is_ok() { pauses } else { !pauses }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poll::is_readable;

    /// Knows every line already, so no disk wakes the loop.
    struct AllKnown(usize);

    impl TakesOnce for AllKnown {
        fn take_once(&mut self, _: &[u8]) -> Result<(Ticket, Option<Identity>), Full> {
            self.0 += 1;
            Ok((Ticket::default(), None))
        }
    }

    #[test]
    fn no_message_waits_while_the_loop_sleeps() {
        let wake = Wake::new().expect("a pipe");
        let place = Place::parse("h/log?group=g", false).expect("a place");
        let shared = Arc::new(Shared {
            place,
            wake: wake.clone(),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let mut group = Group {
            member: String::new(),
            shared: Arc::clone(&shared),
            waiting: VecDeque::new(),
            full: None,
            unanswered: HashMap::new(),
        };
        let mut taken = AllKnown(0);
        let count = TAKEN_MAX + 1;
        (0..).take(count).for_each(|offset| shared.push(0, offset, b"<13>x"));
        wake.clear();
        group.take(&mut taken);
        assert_eq!(taken.0, TAKEN_MAX);
        // More arrives while the loop has the rest of the first ones.
        (0..).take(count).for_each(|offset| shared.push(0, offset, b"<13>x"));
        while wake.fd().is_some_and(|fd| is_readable(&fd)) {
            wake.clear();
            group.take(&mut taken);
        }
        assert_eq!(taken.0, 2 * count);
    }

    #[test]
    fn a_member_has_its_name_after_a_restart_and_roots_have_different_ones() {
        let place = |rest| Place::parse(rest, false).expect("a place");
        let log = place("h/log?group=g");
        let name = member(Some(Path::new("root")), &log);
        assert_eq!(name, member(Some(Path::new("root")), &place("h2/log?group=g")));
        assert_ne!(name, member(Some(Path::new("root2")), &log));
        assert_ne!(name, member(Some(Path::new("root")), &place("h/log2?group=g")));
    }
}
