//! Messages to a topic of Kafka. The client keeps its own threads and connections, numbers what it sends so
//! that a broker stores it once, and tries again by itself: this transport ends only when the client gives up.
//!
//! The loop itself asks the client for its answers. A thread that takes them would free what the loop allocated,
//! message by message, and both would wait for the lock of the allocator.
//!
//! A broker refuses a batch, not a message. A refused batch is sent again in smaller ones until the message is
//! alone that no broker takes.

use super::super::message::Keyed;
use super::{Broken, FDS_MAX, Outcome, Transport};
use crate::kafka::{Place, client};
use crate::poll::Interest;
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::statistics::Statistics;
use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Messages that may be without an answer: several batches of at least 1,000.
pub const WINDOW: usize = 20_000;
/// Bytes of these.
const WINDOW_LEN_MAX: usize = 8 * 1024 * 1024;
/// How long a batch waits for further lines.
const LINGER: &str = "5";
/// Lines and bytes of a batch, at most. The bytes are what a broker takes unless its settings differ.
const BATCH_COUNT_MAX: &str = "10000";
const BATCH_LEN_MAX: &str = "1000000";
/// How long the first answer may take.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is looked whether all brokers have failed meanwhile.
const OPEN_LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often the client is asked for answers while messages have none: as long as a batch waits.
const ANSWERS_EVERY: Duration = Duration::from_millis(5);
/// How often it is asked for news otherwise.
const NEWS_EVERY: Duration = Duration::from_millis(500);
/// Messages without an answer are reported after this time. The client tries them again without a word, as when too
/// few replicas are in sync.
const SILENT_MAX: Duration = Duration::from_secs(10);
/// The header with the id of a line.
const CURSOR_HEADER: &str = "cursor";
/// After a refusal, each answered message lets the window grow by this part of its length.
const GROWTH_PART: usize = 8;

type Client = BaseProducer<Reports>;

/// A client that has reached the topic.
pub struct Opened {
    client: Client,
    topic: String,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened").field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// What the client has reported since the last look. It asks for a lock, although only the loop's thread takes it.
#[derive(Default)]
struct Reports(Mutex<Reported>);

#[derive(Default)]
struct Reported {
    reports: Vec<Report>,
    /// Calls of the client, whatever it had to say.
    call_count: u64,
    /// The last failure of a broker: what the client says of all of them names no reason.
    broker_failure: Option<String>,
    are_all_down: bool,
}

enum Report {
    /// All replicas in sync have a message of this length.
    Delivered(u64, usize),
    /// The brokers refuse the batch that the message was in.
    Refused(u64, Vec<u8>, String),
    /// The client gives up a message for a reason of the cluster.
    Failed(String),
    /// No broker can be reached.
    Down(String),
    /// One can be reached again.
    Up,
}

impl Reports {
    /// Counts a call of the client and returns the state.
    fn called(&self) -> MutexGuard<'_, Reported> {
        let mut state = self.state();
        state.call_count += 1;
        state
    }

    fn state(&self) -> MutexGuard<'_, Reported> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, report: Report) {
        self.state().reports.push(report);
    }

    /// Why the cluster cannot be reached, where that is certain.
    fn failure(&self) -> Option<String> {
        let state = self.state();
        state.broker_failure.clone().filter(|_| state.are_all_down)
    }
}

impl ClientContext for Reports {
    fn log(&self, _: rdkafka::config::RDKafkaLogLevel, _: &str, _: &str) {
        drop(self.called());
    }

    fn stats(&self, statistics: Statistics) {
        let is_up = statistics.brokers.values().any(|broker| broker.state == "UP");
        let mut state = self.called();
        if is_up && std::mem::take(&mut state.are_all_down) {
            state.reports.push(Report::Up);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let mut state = self.called();
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            state.broker_failure = Some(reason.to_owned());
            return;
        }
        if !std::mem::replace(&mut state.are_all_down, true) {
            let why = state.broker_failure.clone().unwrap_or_else(|| client::words(&error));
            state.reports.push(Report::Down(why));
        }
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, id: usize) {
        let id = id as u64;
        let report = match result {
            Ok(message) => Report::Delivered(id, message.payload_len()),
            Err((error, message)) => match error.rdkafka_error_code() {
                Some(code) if is_about_content(code) => {
                    Report::Refused(id, written(message), client::code_words(code))
                }
                Some(code) => Report::Failed(client::code_words(code)),
                None => Report::Failed(error.to_string()),
            },
        };
        self.called().reports.push(report);
    }
}

/// Whether a broker refuses the content of a batch, whenever it is sent.
fn is_about_content(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::MessageSizeTooLarge
            | RDKafkaErrorCode::InvalidMessage
            | RDKafkaErrorCode::InvalidMessageSize
            | RDKafkaErrorCode::InvalidRecord
            | RDKafkaErrorCode::InvalidTimestamp
    )
}

/// A message in the form that the window has it.
fn written(message: &BorrowedMessage<'_>) -> Vec<u8> {
    let cursor = message.headers().and_then(|headers| headers.try_get(0)?.value);
    let key = message.key().unwrap_or_default();
    let source = key.splitn(2, |&byte| byte == b':').nth(1);
    let parts = [cursor, source, message.payload()].map(Option::unwrap_or_default);
    parts.join(&b'\t')
}

/// The host of a message of RFC 5424, a colon, the directory: lines with one key stay in order.
fn key(keyed: &Keyed<'_>) -> Vec<u8> {
    let host = keyed.message.split(|&byte| byte == b' ').nth(2).unwrap_or_default();
    [host, b":", keyed.source].concat()
}

/// Settings of the client for this place.
///
/// # Errors
/// A text: the file of settings cannot be used.
fn config(place: &Place) -> Result<ClientConfig, String> {
    let mut config = client::config(place)?;
    let usual = [
        ("linger.ms", LINGER),
        ("batch.num.messages", BATCH_COUNT_MAX),
        ("batch.size", BATCH_LEN_MAX),
        ("compression.codec", "lz4"),
        // As the clients of Java do it, so that all agree on the partition of a key.
        ("partitioner", "murmur2_random"),
    ];
    for (name, value) in usual {
        if config.get(name).is_none() {
            config.set(name, value);
        }
    }
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        // It tries for as long as it takes: no line is given up because a cluster is away.
        .set("message.timeout.ms", "0")
        .set("queue.buffering.max.messages", (2 * WINDOW).to_string());
    Ok(config)
}

/// Reads the file of settings.
///
/// # Errors
/// A text: it cannot be used.
pub fn check(place: &Place) -> Result<(), String> {
    let client = config(place)?.create_with_context::<_, Client>(Reports::default());
    client.map(drop).map_err(|error| client::words(&error))
}

/// Starts a client and asks for the topic. Waits; not for the loop.
pub fn open(place: &Place) -> Result<Opened, String> {
    let client: Client = config(place)?
        .create_with_context(Reports::default())
        .map_err(|error| client::words(&error))?;
    let by = Instant::now() + OPEN_TIMEOUT;
    let metadata = loop {
        match client.client().fetch_metadata(Some(&place.topic), OPEN_LOOK_EVERY) {
            Ok(metadata) => break metadata,
            Err(error) => {
                poll(&client);
                if let Some(why) = client.context().failure() {
                    return Err(why);
                }
                if Instant::now() >= by {
                    return Err(client::words(&error));
                }
            }
        }
    };
    let topic = metadata.topics().first().ok_or("the broker says nothing of the topic")?;
    if let Some(error) = topic.error() {
        return Err(client::code_words(error.into()));
    }
    Ok(Opened { client, topic: place.topic.clone() })
}

/// Takes all that the client has to report, without waiting. It reports one event when it is asked: the answers of a
/// batch, or news of a broker.
fn poll(client: &Client) {
    let call_count = || client.context().state().call_count;
    loop {
        let before = call_count();
        client.poll(Duration::ZERO);
        if call_count() == before {
            return;
        }
    }
}

/// A topic that takes messages.
pub struct Kafka {
    /// None while this is dropped.
    client: Option<Client>,
    topic: String,
    /// Messages at the client, and their bytes.
    unanswered: usize,
    unanswered_len: usize,
    /// Bytes that may be without an answer; fewer after a batch was refused.
    len_max: usize,
    /// When the last answer arrived, or the first message without one was sent.
    heard: Instant,
    /// True after a report that no answer arrives.
    is_silent: bool,
    /// Messages sent since the client had none.
    flight: usize,
    /// Messages of refused batches, each with the reason, until the client has none left.
    refused: Vec<(u64, Vec<u8>, String)>,
    /// Those that are to be sent again, by their ids.
    again: VecDeque<(u64, Vec<u8>)>,
    is_new: bool,
    is_closing: bool,
}

impl Kafka {
    /// Takes over a client.
    pub fn new(opened: Opened) -> Kafka {
        Kafka {
            client: Some(opened.client),
            topic: opened.topic,
            unanswered: 0,
            unanswered_len: 0,
            len_max: WINDOW_LEN_MAX,
            heard: Instant::now(),
            is_silent: false,
            flight: 0,
            refused: Vec::new(),
            again: VecDeque::new(),
            is_new: true,
            is_closing: false,
        }
    }

    fn has_room(&self) -> bool {
        self.unanswered < WINDOW && self.unanswered_len < self.len_max
    }

    /// Hands a message to the client. False if its queue is full.
    fn produce(&mut self, id: u64, message: &[u8]) -> bool {
        let Some(client) = &self.client else { return false };
        let keyed = Keyed::parse(message);
        let header = Header { key: CURSOR_HEADER, value: Some(keyed.id) };
        let number = usize::try_from(id).unwrap_or(usize::MAX);
        let key = key(&keyed);
        let record = BaseRecord::with_opaque_to(&self.topic, number)
            .key(&key)
            .payload(keyed.message)
            .headers(OwnedHeaders::new_with_capacity(1).insert(header));
        match client.send(record) {
            Ok(()) => {
                self.note_sent(keyed.message.len());
                true
            }
            Err((error, _)) => {
                match error.rdkafka_error_code() {
                    Some(RDKafkaErrorCode::QueueFull) => return false,
                    Some(code) if is_about_content(code) => {
                        let why = client::code_words(code);
                        client.context().push(Report::Refused(id, message.to_vec(), why));
                        // It never was at the client, but its answer is taken like any other's.
                        self.note_sent(keyed.message.len());
                    }
                    _ => client.context().push(Report::Failed(client::words(&error))),
                }
                true
            }
        }
    }

    fn note_sent(&mut self, len: usize) {
        if self.unanswered == 0 {
            self.heard = Instant::now();
        }
        self.flight = if self.unanswered == 0 { 1 } else { self.flight + 1 };
        self.unanswered += 1;
        self.unanswered_len += len;
    }

    fn take_answer(&mut self, len: usize) {
        self.unanswered = self.unanswered.saturating_sub(1);
        self.unanswered_len = self.unanswered_len.saturating_sub(len);
    }

    /// Reports that brokers which can be reached store nothing, and the first answer after that.
    fn watch_answers(&mut self, has_heard: bool, outcomes: &mut Vec<Outcome>) {
        if has_heard {
            self.heard = Instant::now();
            if std::mem::take(&mut self.is_silent) {
                outcomes.push(Outcome::Opened);
            }
            return;
        }
        let is_waiting = self.unanswered > 0 && !self.is_silent && !self.are_all_down();
        if is_waiting && self.heard.elapsed() >= SILENT_MAX {
            self.is_silent = true;
            let secs = SILENT_MAX.as_secs();
            outcomes.push(Outcome::Stalled(format!("no message was stored for {secs} s")));
        }
    }

    fn are_all_down(&self) -> bool {
        self.client.as_ref().is_some_and(|client| client.context().state().are_all_down)
    }

    /// Goes on after a refusal, when everything else at the client has its answer. A message that was there
    /// alone is the one that no broker takes; otherwise the next batches are half as long.
    fn judge_refused(&mut self, outcomes: &mut Vec<Outcome>) {
        if self.unanswered > 0 || self.refused.is_empty() {
            return;
        }
        let refused = std::mem::take(&mut self.refused);
        if self.flight == 1 {
            let unsendable = |(id, _, why)| Outcome::Unsendable(id, why);
            outcomes.extend(refused.into_iter().map(unsendable));
            return;
        }
        let len: usize = refused.iter().map(|(_, message, _)| message.len()).sum();
        self.len_max = (len / 2).clamp(1, self.len_max);
        self.again.extend(refused.into_iter().map(|(id, message, _)| (id, message)));
        self.again.make_contiguous().sort_unstable_by_key(|(id, _)| *id);
    }

    fn send_again(&mut self) {
        while self.refused.is_empty()
            && self.has_room()
            && let Some((id, message)) = self.again.pop_front()
        {
            if !self.produce(id, &message) {
                self.again.push_front((id, message));
                return;
            }
        }
    }
}

impl Transport for Kafka {
    fn room(&self) -> usize {
        let is_clear = self.again.is_empty() && self.refused.is_empty();
        let takes_new = is_clear && self.has_room() && !self.is_closing;
        if takes_new { WINDOW - self.unanswered } else { 0 }
    }

    fn send(&mut self, id: u64, message: &[u8]) {
        if !self.produce(id, message) {
            self.again.push_back((id, message.to_vec()));
        }
    }

    fn fds(&self) -> [Option<(BorrowedFd<'_>, Interest)>; FDS_MAX] {
        [None; FDS_MAX]
    }

    /// Next look at the client, which has no descriptor for poll(2).
    fn deadline(&self) -> Option<Instant> {
        let is_answer_near = self.unanswered > 0 && !self.is_silent && !self.are_all_down();
        Some(Instant::now() + if is_answer_near { ANSWERS_EVERY } else { NEWS_EVERY })
    }

    fn advance(&mut self, outcomes: &mut Vec<Outcome>) -> Result<(), Broken> {
        if std::mem::take(&mut self.is_new) {
            outcomes.push(Outcome::Opened);
        }
        let Some(client) = &self.client else { return Ok(()) };
        poll(client);
        let reports = std::mem::take(&mut client.context().state().reports);
        let mut has_heard = false;
        for report in reports {
            has_heard |= matches!(report, Report::Delivered(..) | Report::Refused(..));
            match report {
                Report::Delivered(id, len) => {
                    self.take_answer(len);
                    self.len_max = (self.len_max + len / GROWTH_PART).min(WINDOW_LEN_MAX);
                    outcomes.push(Outcome::Delivered(id));
                }
                Report::Refused(id, message, why) => {
                    self.take_answer(Keyed::parse(&message).message.len());
                    self.refused.push((id, message, why));
                }
                Report::Failed(why) => return Err(Broken::new(why)),
                Report::Down(why) => {
                    self.is_silent = false;
                    outcomes.push(Outcome::Stalled(why));
                }
                Report::Up => {
                    self.heard = Instant::now();
                    outcomes.push(Outcome::Opened);
                }
            }
        }
        self.watch_answers(has_heard, outcomes);
        self.judge_refused(outcomes);
        self.send_again();
        match self.is_closing && self.unanswered == 0 {
            true => Err(Broken::new("the client is closed")),
            false => Ok(()),
        }
    }

    fn close(&mut self) {
        self.is_closing = true;
    }
}

impl Drop for Kafka {
    /// The client waits for its threads to end, beside the loop.
    fn drop(&mut self) {
        let client = self.client.take();
        // Without a thread it is dropped here, which takes a moment.
        let _ = thread::Builder::new().spawn(move || drop(client));
    }
}
