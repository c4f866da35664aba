//! NATS JetStream: each message is published to a subject, and the stream that takes it answers.
//!
//! The client of the library runs in a thread. Answers are taken in the order of the messages; the first that is
//! no success ends the connection, and the loop sends again what has no answer. The id of the line is the id of
//! the message (`Nats-Msg-Id`), so that the stream knows what it has already.

mod limits;
mod ordered;

use super::thread::{Port, Record, Thread};
use super::{Broken, Outcome};
use crate::nats::client::{Connection, Trouble, cause};
use crate::nats::url::Servers;
use crate::ship::message::Keyed;
use crate::ship::target::Subject;
use crate::tls;
use ::logdir::failure::reason;
use ::logdir::wake::Wake;
use async_nats::jetstream::context::{PublishAckFuture, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::{self, Context, ContextBuilder, ErrorCode};
use async_nats::rustls::ClientConfig;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ordered::Order;
use std::collections::VecDeque;
use std::error::Error;
use std::future::{IntoFuture, pending, ready};
use std::pin::pin;
use std::time::Duration;

/// How long a stream may be silent. The choice of a new leader takes about 6 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// How long answers are waited for after one that ends the connection.
const LAST_ANSWERS_TIMEOUT: Duration = Duration::from_secs(2);
/// Messages published between two looks at answers.
const BATCH: usize = 256;

/// Starts a connection to one of the servers.
pub fn start(
    servers: &Servers,
    subject: &Subject,
    window: usize,
    tls: Option<&tls::Client>,
    wake: &Wake,
) -> Result<Thread, Broken> {
    let (servers, subject) = (servers.clone(), subject.clone());
    let tls = tls.map(tls::Client::config);
    Thread::start("nats", wake, window, move |port| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return Broken::new(format!("unable to start: {}", reason(&error))),
        };
        let end = runtime.block_on(publish_all(port, &servers, &subject, window, tls));
        // A lookup of a name may still be under way; nobody waits for it.
        runtime.shutdown_background();
        end.map_or_else(|broken| broken, |()| Broken::new("the connection is closed"))
    })
}

/// Publishes what the loop hands over, until it closes the connection.
async fn publish_all(
    port: &Port,
    servers: &Servers,
    subject: &Subject,
    window: usize,
    tls: Option<ClientConfig>,
) -> Result<(), Broken> {
    let mut connection = Connection::open(servers, "logship", tls).await.map_err(Broken::new)?;
    let context = ContextBuilder::new()
        .timeout(ANSWER_TIMEOUT)
        .ack_timeout(ANSWER_TIMEOUT)
        .max_ack_inflight(window.max(1))
        .build(connection.client.clone());
    let order = match subject.is_ordered {
        true => {
            let order = connection.begin(Order::read(&context, &subject.name)).await;
            Some(order.map_err(Broken::new)?)
        }
        false => None,
    };
    port.tell([Outcome::Opened]);
    let look = limits::warning(context.clone(), connection.client.clone(), subject.name.clone());
    let mut look = pin!(look.fuse());
    let subject = async_nats::Subject::from(subject.name.as_str());
    let mut publisher = Publisher {
        context,
        subject,
        order,
        waiting: VecDeque::new(),
        asked: VecDeque::new(),
        first: None,
    };
    let mut is_closing = false;
    loop {
        publisher.publish_some(port).await?;
        if is_closing && publisher.is_idle() {
            return Ok(());
        }
        let has_waiting = !publisher.waiting.is_empty();
        tokio::select! {
            biased;
            trouble = connection.trouble() => if publisher.order.is_some() || !is_about_look(&trouble) {
                return Err(Broken::new(trouble.to_string()));
            },
            answer = answer_of(&mut publisher.first) => {
                if let Err(broken) = publisher.take_answers(answer, port) {
                    publisher.take_last_answers(port).await;
                    return Err(broken);
                }
            }
            warning = &mut look => port.tell(warning.map(Outcome::Warned)),
            records = port.next(), if !is_closing => match records {
                Some(records) => publisher.waiting.extend(records),
                None if port.is_dropped() => return Ok(()),
                None => is_closing = true,
            },
            () = ready(()), if has_waiting => {}
        }
    }
}

/// Whether a login has no right to look at streams. It needs none to publish.
fn is_about_look(trouble: &Trouble) -> bool {
    let Trouble::Refused(why) = trouble else { return false };
    why.to_lowercase().contains(r#"publish to "$js.api.stream."#)
}

type Answer = Result<PublishAck, PublishError>;

/// Messages on their way to a stream.
struct Publisher {
    context: Context,
    subject: async_nats::Subject,
    order: Option<Order>,
    /// Not published yet.
    waiting: VecDeque<Record>,
    /// Published after `first`, oldest first.
    asked: VecDeque<(u64, PublishAckFuture)>,
    /// The oldest message without an answer. Only its answer is waited for: the others arrive meanwhile.
    first: Option<(u64, BoxFuture<'static, Answer>)>,
}

async fn answer_of(first: &mut Option<(u64, BoxFuture<'static, Answer>)>) -> Answer {
    match first {
        Some((_, answer)) => answer.await,
        None => pending().await,
    }
}

impl Publisher {
    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.first.is_none()
    }

    async fn publish_some(&mut self, port: &Port) -> Result<(), Broken> {
        for _ in 0..BATCH {
            let Some(record) = self.waiting.pop_front() else { break };
            self.publish(record, port).await?;
        }
        self.wait_for_next();
        Ok(())
    }

    async fn publish(&mut self, record: Record, port: &Port) -> Result<(), Broken> {
        let keyed = Keyed::parse(&record.message);
        let mut publish = PublishMessage::build()
            .payload(keyed.message.to_vec().into())
            .message_id(String::from_utf8_lossy(keyed.id));
        if let Some(order) = &mut self.order {
            if order.has(keyed.id) {
                port.tell([Outcome::Delivered(record.id)]);
                return Ok(());
            }
            publish = publish.expected_last_sequence(order.expect_next());
        }
        match self.context.send_publish(self.subject.clone(), publish).await {
            Ok(answer) => {
                self.asked.push_back((record.id, answer));
                Ok(())
            }
            Err(error) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {
                if let Some(order) = &mut self.order {
                    order.take_back();
                }
                port.tell([Outcome::Unsendable(record.id, cause(&error))]);
                Ok(())
            }
            Err(error) => Err(Broken::new(words(&error))),
        }
    }

    fn wait_for_next(&mut self) {
        if self.first.is_none() {
            let next = self.asked.pop_front();
            self.first = next.map(|(id, answer)| (id, answer.into_future()));
        }
    }

    /// Takes the answer to the oldest message, and those after it that have arrived.
    fn take_answers(&mut self, answer: Answer, port: &Port) -> Result<(), Broken> {
        let mut outcomes = Vec::new();
        let mut answer = Some(answer);
        let mut end = Ok(());
        while let Some(answered) = answer.take() {
            let Some((id, _)) = self.first.take() else { break };
            match outcome(id, answered, self.order.is_some()) {
                Ok(outcome) => outcomes.push(outcome),
                Err(broken) => {
                    end = Err(broken);
                    break;
                }
            }
            self.wait_for_next();
            answer = self.first.as_mut().and_then(|(_, answer)| answer.now_or_never());
        }
        port.tell(outcomes);
        end
    }

    /// Takes the answers to what was published after a message that was refused: a full stream takes a short message
    /// after it has refused a long one. Without its answer the short one would be sent again, and be stored
    /// twice when the stream has room later than its window of duplicates.
    async fn take_last_answers(&mut self, port: &Port) {
        let is_ordered = self.order.is_some();
        let asked = std::mem::take(&mut self.asked);
        let answers = async {
            for (id, answer) in asked {
                if let Ok(outcome) = outcome(id, answer.await, is_ordered) {
                    port.tell([outcome]);
                }
            }
        };
        // The loop sends messages without an answer again.
        let _ = tokio::time::timeout(LAST_ANSWERS_TIMEOUT, answers).await;
    }
}

/// What an answer means for its message.
fn outcome(id: u64, answer: Answer, is_ordered: bool) -> Result<Outcome, Broken> {
    let error = match answer {
        Ok(_) => return Ok(Outcome::Delivered(id)),
        Err(error) => error,
    };
    let code = error.source().and_then(|source| source.downcast_ref::<jetstream::Error>());
    match code.map(jetstream::Error::error_code) {
        // In an ordered stream the messages after it expect its sequence number, so all are sent again; then it
        // is found by itself.
        Some(
            ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM | ErrorCode::STREAM_HEADER_EXCEEDS_MAXIMUM,
        ) if is_ordered => Ok(Outcome::Refused(id, cause(&error))),
        Some(
            ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM | ErrorCode::STREAM_HEADER_EXCEEDS_MAXIMUM,
        ) => Ok(Outcome::Unsendable(id, cause(&error))),
        _ => Err(Broken::new(words(&error))),
    }
}

fn words(error: &PublishError) -> String {
    match error.kind() {
        PublishErrorKind::StreamNotFound => {
            "no stream takes this subject, or it has no leader now".to_owned()
        }
        PublishErrorKind::TimedOut => {
            format!("the stream has not answered for {} s", ANSWER_TIMEOUT.as_secs())
        }
        PublishErrorKind::BrokenPipe => "the server ended the connection".to_owned(),
        PublishErrorKind::WrongLastSequence => format!(
            "the stream has other messages than expected: {}; with ordered=1 nobody else may write to it",
            cause(error)
        ),
        PublishErrorKind::Other if cause(error).starts_with("maximum ") => {
            format!("the stream is full: {}", cause(error))
        }
        PublishErrorKind::Other if cause(error).starts_with("insufficient ") => {
            format!("the server has no more room for its streams: {}", cause(error))
        }
        PublishErrorKind::WrongLastMessageId
        | PublishErrorKind::MaxAckPending
        | PublishErrorKind::MaxPayloadExceeded
        | PublishErrorKind::Other => format!("the stream refuses: {}", cause(error)),
    }
}
