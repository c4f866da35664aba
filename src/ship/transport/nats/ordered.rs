//! Exact order in a stream that has one writer: each message names the sequence number of the one before it.
//!
//! What the stream has already is read back when a connection begins, so that nothing is sent twice however
//! long ago it was sent: the stream's own window of duplicates ends after two minutes.

use crate::nats::client::{ANSWER_TIMEOUT, cause};
use crate::ship::message::READ_BACK_MAX;
use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::context::GetStreamByNameErrorKind;
use async_nats::jetstream::stream::RetentionPolicy;
use futures_util::StreamExt;
use std::collections::HashSet;
use std::time::Duration;

/// Messages in an answer of the stream that is read back.
const PAGE: usize = 4096;
/// The server forgets the reader this long after it is gone.
const FORGET_AFTER: Duration = Duration::from_secs(30);

/// What an ordered stream holds at its end.
#[derive(Debug)]
pub struct Order {
    /// Sequence number of the last message, published ones included.
    last: u64,
    /// Ids at the end of the stream.
    stored: HashSet<Vec<u8>>,
    /// Messages asked for; after twice as many as were read back none can be stored.
    asked: usize,
}

impl Order {
    /// Reads the end of the stream that takes this subject.
    ///
    /// # Errors
    /// There is none, or it cannot be read, in words.
    pub async fn read(context: &Context, subject: &str) -> Result<Order, String> {
        let name = find_stream(context, subject).await?;
        let unable = |error: &(dyn std::error::Error + 'static)| {
            format!("unable to read back stream {name}: {}", cause(error))
        };
        let stream = context.get_stream(&name).await.map_err(|error| unable(&error))?;
        if stream.cached_info().config.retention != RetentionPolicy::Limits {
            return Err(format!(
                "stream {name} removes messages that collectors have taken, so that its end cannot be read back; \
                 ordered=1 needs retention: limits"
            ));
        }
        let state = &stream.cached_info().state;
        let mut order = Order { last: state.last_sequence, stored: HashSet::new(), asked: 0 };
        if state.messages == 0 {
            return Ok(order);
        }
        let start = order.last.saturating_sub(READ_BACK_MAX as u64 - 1).max(state.first_sequence);
        let config = pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: start },
            ack_policy: AckPolicy::None,
            headers_only: true,
            inactive_threshold: FORGET_AFTER,
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        let consumer = stream.create_consumer(config).await.map_err(|error| unable(&error))?;
        order
            .read_ids(&consumer, start)
            .await
            .map_err(|why| format!("unable to read back stream {name}: {why}"))?;
        Ok(order)
    }

    async fn read_ids(&mut self, consumer: &PullConsumer, start: u64) -> Result<(), String> {
        let mut next = start;
        while next <= self.last {
            let batch = consumer.batch().max_messages(PAGE).expires(ANSWER_TIMEOUT);
            let mut messages = batch.messages().await.map_err(|error| cause(&error))?;
            let before = next;
            while let Some(message) = messages.next().await {
                let message = message.map_err(|error| error.to_string())?;
                let info = message.info().map_err(|error| error.to_string())?;
                next = info.stream_sequence + 1;
                if let Some(id) = message.headers.as_ref().and_then(|all| all.get("Nats-Msg-Id")) {
                    self.stored.insert(id.as_str().as_bytes().to_vec());
                }
                if next > self.last {
                    return Ok(());
                }
            }
            if next == before {
                return Err("it does not answer".to_owned());
            }
        }
        Ok(())
    }

    /// True if the stream has the message with this id.
    pub fn has(&mut self, id: &[u8]) -> bool {
        self.asked += 1;
        if self.asked > 2 * READ_BACK_MAX {
            self.stored = HashSet::new();
        }
        self.stored.remove(id)
    }

    /// The sequence number after which the next message is published.
    pub fn expect_next(&mut self) -> u64 {
        self.last += 1;
        self.last - 1
    }

    /// The message that would have been next was not published.
    pub fn take_back(&mut self) {
        self.last -= 1;
    }
}

/// The name of the stream that takes this subject.
///
/// # Errors
/// There is none, or it cannot be looked for, in words.
pub async fn find_stream(context: &Context, subject: &str) -> Result<String, String> {
    context.stream_by_subject(subject).await.map_err(|error| match error.kind() {
        GetStreamByNameErrorKind::NotFound => "no stream takes this subject".to_owned(),
        _ => format!("unable to look for the stream: {}", cause(&error)),
    })
}
