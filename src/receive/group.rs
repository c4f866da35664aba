//! A consumer group of Kafka: messages of a topic, whose offsets are committed when their lines are on disk.
//!
//! The client is polled in a thread, since that waits. What it takes is handed to the loop up to a bound; the loop
//! says what is on disk. Before a partition goes to another member, the thread waits until the lines of it are.

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
/// Bytes that the client fetches ahead, in KiB.
const FETCHED_KBYTES_MAX: &str = "8192";

type Client = BaseConsumer<Shared>;

/// Takes messages that may come several times.
pub trait TakesOnce {
    /// Takes a message, unless it was taken before; its line gets on disk soon.
    ///
    /// # Errors
    /// Its directory has no room.
    fn take_once(&mut self, message: &[u8]) -> Result<Ticket, Full>;
}

/// The loop's side.
#[derive(Debug)]
pub struct Group {
    shared: Arc<Shared>,
    waiting: VecDeque<Taken>,
    /// What the first of them waits for.
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
    /// None if the message is empty.
    ticket: Option<Ticket>,
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
    /// What the loop is to report.
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
    /// Of these, messages that the loop has and that are not on disk.
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

    /// Forgets a partition that goes to another member: what it had of it is not ours to commit any more.
    fn revoke(&mut self, partition: i32) {
        let Some(of) = self.partitions.get_mut(&partition) else { return };
        self.uncommitted_count -= of.uncommitted.len();
        *of = Partition { epoch: of.epoch + 1, ..Partition::default() };
        self.incoming.retain(|taken| taken.partition != partition);
        self.incoming_len = self.incoming.iter().map(|taken| taken.bytes.len()).sum();
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

/// Commits what is on disk and was not asked for.
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
fn config(place: &Place, group: &str) -> Result<ClientConfig, String> {
    let mut config = client::config(place)?;
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // A group that is new takes what the topic has.
        .set("auto.offset.reset", "earliest")
        .set("queued.max.messages.kbytes", FETCHED_KBYTES_MAX)
        .set("fetch.max.bytes", "8388608");
    Ok(config)
}

impl Group {
    /// Joins the group. Messages come later.
    ///
    /// # Errors
    /// A text: a setting is wrong, or the thread cannot be started.
    pub fn open(place: &Place, wake: &Wake) -> Result<Group, String> {
        let unable = |why: String| format!("unable to take from {place}: {why}");
        let group = place.group.as_deref().ok_or_else(|| unable("?group=G is missing".into()))?;
        let shared = Shared {
            place: place.clone(),
            wake: wake.clone(),
            state: Mutex::default(),
            changed: Condvar::new(),
        };
        let config = config(place, group).map_err(unable)?;
        let client: Client =
            config.create_with_context(shared).map_err(|error| unable(client::words(&error)))?;
        client.subscribe(&[&place.topic]).map_err(|error| unable(client::words(&error)))?;
        let shared = Arc::clone(client.context());
        let thread = thread::Builder::new().name("kafka".to_owned());
        let started = thread.spawn(move || poll(client));
        started.map_err(|error| unable(format!("unable to start a thread: {error}")))?;
        let (waiting, unanswered) = (VecDeque::new(), HashMap::new());
        Ok(Group { shared, waiting, full: None, unanswered })
    }

    /// Takes what has arrived, as long as there is room.
    pub fn take(&mut self, to: &mut impl TakesOnce) {
        self.report();
        if self.waiting.is_empty() {
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
        self.full = None;
        for _ in 0..TAKEN_MAX {
            let Some(Taken { bytes, .. }) = self.waiting.front() else { return };
            let ticket = match (!bytes.is_empty()).then(|| to.take_once(bytes)).transpose() {
                Ok(ticket) => ticket,
                Err(Full(place)) => {
                    self.full = Some(place);
                    return;
                }
            };
            let Some(Taken { partition, epoch, offset, .. }) = self.waiting.pop_front() else {
                return;
            };
            self.unanswered.entry(partition).or_default().push_back(Line { epoch, offset, ticket });
        }
        // The rest has its turn after the other sources.
        self.shared.wake.wake();
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

    /// After a failed fsync: leaves the group and joins it again, so that every message without an answer comes
    /// again.
    pub fn join_again(&mut self) {
        self.stop();
        let (place, wake) = (self.shared.place.clone(), self.shared.wake.clone());
        match Group::open(&place, &wake) {
            Ok(group) => *self = group,
            Err(why) => message::warn(why.as_bytes()),
        }
    }

    /// Takes nothing more; what is on disk is committed, and the group is left.
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

    /// True after the group was left.
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
        if committed.elapsed() >= COMMIT_EVERY {
            commit(&client, &shared, CommitMode::Async);
            committed = Instant::now();
        }
        full_since = full_since.filter(|_| !has_room).or((!has_room).then(Instant::now));
        let is_long = full_since.is_some_and(|since| since.elapsed() >= PAUSE_AFTER);
        if has_room && is_paused || is_long && !is_paused {
            is_paused = set_paused(&client, !has_room);
        }
        match has_room || is_paused {
            true => take(&client, &shared),
            false => wait_for_room(&client, &shared),
        }
    }
    commit(&client, &shared, CommitMode::Sync);
    // Leaves the group.
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

/// Waits for the disk. A poll would take more messages, so the client answers to commits here.
fn wait_for_room(client: &Client, shared: &Shared) {
    let state = shared.state();
    if !state.has_room() {
        drop(shared.changed.wait_timeout(state, POLL));
        commit(client, shared, CommitMode::Sync);
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
