//! A durable pull consumer of NATS JetStream as a source of messages. Several programs may share it.

use super::feed::{Arrived, Down, IN_FLIGHT_MAX, Port, Up};
use super::gaps::Delivery;
use crate::beside::{self, Beside};
use crate::nats::client::{ANSWER_TIMEOUT, Connection, cause, no_answer};
use crate::nats::url::Servers;
use ::logdir::failure::reason;
use ::logdir::wake::Wake;
use async_nats::Client;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::{self, AckKind, Context};
use async_nats::rustls::ClientConfig;
use futures_util::StreamExt;
use std::future::pending;
use std::pin::pin;
use std::time::Duration;

/// Messages asked for at a time.
const BATCH: usize = 1024;
/// How long a request for messages waits for them at the server.
const REQUEST_TIME: Duration = Duration::from_secs(5);
/// Without an answer for so long a message is delivered again, to any receiver: long enough for one that was
/// killed to start again and answer for what it has on disk.
const ACK_WAIT: Duration = Duration::from_secs(60);
/// How often within its `ack_wait` the consumer is asked which answers it has.
const LOOKS: u32 = 24;
/// The shortest time between two looks.
const LOOK_EVERY_MIN: Duration = Duration::from_secs(1);
/// While a stream or a consumer has no leader nobody answers; a request that was not answered for so long is sent
/// again.
const TRY_TIME: Duration = Duration::from_millis(2500);
const TRIES: u32 = (ANSWER_TIMEOUT.as_millis() / TRY_TIME.as_millis()) as u32;
/// Messages of all receivers of a consumer without an answer.
const ACK_PENDING_MAX: i64 = 64 * 1024;

/// Starts a thread that takes messages from a consumer, which is made if it is missing.
pub fn start(
    servers: Servers,
    stream: String,
    consumer: String,
    tls: Option<ClientConfig>,
    wake: &Wake,
) -> Result<Beside<Down, Up, String>, String> {
    beside::start("nats", wake, move |port: &mut Port| {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return format!("unable to start: {}", reason(&error)),
        };
        let end = runtime.block_on(take_all(port, &servers, &stream, &consumer, tls));
        // A lookup of a name may still be under way; nobody waits for it.
        runtime.shutdown_background();
        end.err().unwrap_or_else(|| "the connection is closed".to_owned())
    })
}

async fn take_all(
    port: &Port,
    servers: &Servers,
    stream: &str,
    consumer: &str,
    tls: Option<ClientConfig>,
) -> Result<(), String> {
    let mut connection = Connection::open(servers, "logreceive", tls).await?;
    let context = jetstream::new(connection.client.clone());
    let Opened { consumer, first, has_filter } =
        connection.begin(open_consumer(&context, stream, consumer)).await?;
    let delivered = consumer.cached_info().delivered;
    let next = delivered.stream_sequence + 1;
    // A new consumer begins with the oldest message in the stream.
    let is_new = delivered.consumer_sequence == 0;
    let missing = (!has_filter && !is_new && next < first).then(|| next..=first - 1);
    port.tell([Up::Opened { missing }]);
    let mut answers = Answers { client: connection.client.clone(), in_flight: 0, is_paused: false };
    let mut batch = None;
    let every = (consumer.cached_info().config.ack_wait / LOOKS).max(LOOK_EVERY_MIN);
    let mut is_first = true;
    let mut look = pin!(unanswered_after(&consumer, Duration::ZERO));
    loop {
        let room = answers.room();
        if batch.is_none() && room > 0 {
            batch = Some(ask(&consumer, room).await?);
        }
        tokio::select! {
            biased;
            trouble = connection.trouble() => return Err(trouble.to_string()),
            downs = port.next() => match downs {
                Some(downs) => answers.publish(downs).await?,
                None if port.is_dropped() => return Ok(()),
                None => return answers.flush().await,
            },
            after = &mut look => {
                port.tell(after.map(|after| Up::Unanswered { after, every, is_first }));
                is_first &= after.is_none();
                look.set(unanswered_after(&consumer, every));
            }
            message = next_of(&mut batch) => match message {
                Some(message) => {
                    let message = message.map_err(|error| words_of_request(&error.to_string()))?;
                    port.tell([Up::Arrived(arrived(message, has_filter)?)]);
                    answers.in_flight += 1;
                }
                None => batch = None,
            },
        }
    }
}

/// A consumer, and what tells which messages it should get.
struct Opened {
    consumer: PullConsumer,
    /// Number of the stream's first message, or of the next one.
    first: u64,
    /// It gets a part of the messages, so that missing numbers mean nothing.
    has_filter: bool,
}

/// Opens the consumer; makes it if it is missing.
async fn open_consumer(context: &Context, stream: &str, name: &str) -> Result<Opened, String> {
    let found = answered(async || context.get_stream(stream).await).await;
    let found = found.map_err(|why| format!("stream {stream}: {why}"))?;
    let config = pull::Config {
        durable_name: Some(name.to_owned()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        max_ack_pending: ACK_PENDING_MAX,
        ..pull::Config::default()
    };
    let consumer =
        answered(async || found.get_or_create_consumer(name, config.clone()).await).await;
    let consumer: PullConsumer =
        consumer.map_err(|why| format!("consumer {name} of stream {stream}: {why}"))?;
    let config = &consumer.cached_info().config;
    let has_filter = !config.filter_subject.is_empty() || !config.filter_subjects.is_empty();
    match config.ack_policy {
        AckPolicy::Explicit => {
            let first = found.cached_info().state.first_sequence;
            Ok(Opened { consumer, first, has_filter })
        }
        AckPolicy::All | AckPolicy::None => {
            Err(format!("consumer {name} of stream {stream} has another ack policy than explicit"))
        }
    }
}

/// Sends a request until it is answered. The error is in words.
async fn answered<T, E: std::error::Error + 'static>(
    request: impl AsyncFn() -> Result<T, E>,
) -> Result<T, String> {
    for _ in 0..TRIES {
        if let Ok(answer) = tokio::time::timeout(TRY_TIME, request()).await {
            return answer.map_err(|error| cause(&error));
        }
    }
    Err(no_answer())
}

async fn ask(consumer: &PullConsumer, room: usize) -> Result<pull::Batch, String> {
    let batch = consumer.batch().max_messages(room.min(BATCH)).expires(REQUEST_TIME);
    let asked = tokio::time::timeout(ANSWER_TIMEOUT, batch.messages()).await;
    match asked {
        Ok(batch) => batch.map_err(|error| cause(&error)),
        Err(_) => Err(no_answer()),
    }
}

/// After a while: the number in the stream up to which the consumer has all answers, if it lacks some.
async fn unanswered_after(consumer: &PullConsumer, wait: Duration) -> Option<u64> {
    tokio::time::sleep(wait).await;
    // A consumer without a leader does not answer; the next look may find one.
    let info = tokio::time::timeout(TRY_TIME, consumer.get_info()).await.ok()?.ok()?;
    (info.num_ack_pending > 0).then_some(info.ack_floor.stream_sequence)
}

type Delivered = Result<jetstream::Message, async_nats::Error>;

async fn next_of(batch: &mut Option<pull::Batch>) -> Option<Delivered> {
    match batch {
        Some(batch) => batch.next().await,
        None => pending().await,
    }
}

/// Why the server ended a request for messages.
fn words_of_request(error: &str) -> String {
    // Status 503: no server takes the request.
    match error.contains(": 503") {
        true => "the consumer has no leader now".to_owned(),
        false => format!("the server: {error}"),
    }
}

fn arrived(message: jetstream::Message, has_filter: bool) -> Result<Arrived, String> {
    let info = message.info().map_err(|error| format!("the server: {error}"))?;
    let nanos = info.published.unix_timestamp_nanos();
    let key = (info.stream_sequence, u64::try_from(nanos).unwrap_or_default());
    let delivery = Delivery {
        message: info.stream_sequence,
        nth: info.consumer_sequence,
        is_first: info.delivered == 1 && !has_filter,
    };
    let reply = message.reply.as_ref().map(ToString::to_string).unwrap_or_default();
    Ok(Arrived { key, reply, delivery, message: message.payload.to_vec() })
}

/// Answers on their way to the server.
struct Answers {
    client: Client,
    /// Messages told to the loop and not answered.
    in_flight: usize,
    is_paused: bool,
}

impl Answers {
    /// Messages that may be asked for.
    fn room(&self) -> usize {
        if self.is_paused { 0 } else { IN_FLIGHT_MAX.saturating_sub(self.in_flight) }
    }

    async fn publish(&mut self, downs: Vec<Down>) -> Result<(), String> {
        for down in downs {
            let (reply, answer, is_last) = match down {
                Down::Stored(reply) => (reply, AckKind::Ack, true),
                Down::Again(reply) => (reply, AckKind::Ack, false),
                Down::GiveBack(reply) => (reply, AckKind::Nak(None), true),
                Down::Longer(reply) => (reply, AckKind::Progress, false),
                Down::Twice => {
                    self.in_flight = self.in_flight.saturating_sub(1);
                    continue;
                }
                Down::Pause => {
                    self.is_paused = true;
                    continue;
                }
            };
            self.in_flight = self.in_flight.saturating_sub(usize::from(is_last));
            let published = self.client.publish(reply, answer.into()).await;
            published.map_err(|error| cause(&error))?;
        }
        Ok(())
    }

    async fn flush(&self) -> Result<(), String> {
        self.client.flush().await.map_err(|error| cause(&error))
    }
}
