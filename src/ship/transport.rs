//! What carries messages to a receiver, and what it answers. One file a kind of transport.
//!
//! A transport is one connection: it never waits, keeps no message after it was handed to it but what its
//! protocol has to write, and ends with the first error. What is sent again after that, the window knows.

mod channel;
pub mod connect;
mod datagram;
mod exec;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "http")]
mod otlp;
mod relp;
mod stream;
#[cfg(feature = "nats")]
mod thread;

use super::credentials::Credentials;
use super::target::{Framing, Target};
use crate::poll::Interest;
use ::logdir::wake::Wake;
use channel::Channel;
use connect::Connection;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// Bytes that wait in a transport to be written before it takes no more messages.
const OUTPUT_LEN_MAX: usize = 256 * 1024;
/// Records in a request of OTLP, at most.
pub const BATCH_MAX: usize = 1000;
/// Descriptors of one connection.
pub const FDS_MAX: usize = 2;

/// Result for a message or the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver takes messages.
    Opened,
    /// The receiver has answered for this message, as far as its protocol can.
    Delivered(u64),
    /// The receiver will not take this message, and says why.
    Refused(u64, String),
    /// No connection can carry this message, and why.
    Unsendable(u64, String),
    /// No receiver can be reached for now. The transport tries on by itself, keeps what it was handed, and
    /// reports [`Outcome::Opened`] again.
    #[cfg_attr(not(feature = "kafka"), expect(dead_code, reason = "only Kafka does so"))]
    Stalled(String),
    /// The receiver takes messages, and is set up so that it can lose them.
    #[cfg_attr(not(feature = "nats"), expect(dead_code, reason = "only NATS does so"))]
    Warned(String),
    /// The receiver has thrown away so many of the messages it answered for, and does not say which.
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "only OTLP does so"))]
    Rejected(u64, String),
}

/// Why a connection is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// In words.
    pub why: String,
    /// The shortest time to the next try that the peer asked for.
    pub retry_after: Option<Duration>,
    /// The peer ended an idle connection, as its protocol allows: the next one is no news.
    pub is_idle: bool,
}

impl Broken {
    /// A connection that ended for this reason.
    pub fn new(why: impl Into<String>) -> Broken {
        Broken { why: why.into(), retry_after: None, is_idle: false }
    }
}

/// One connection.
pub trait Transport {
    /// Messages that may be handed over now.
    fn room(&self) -> usize;
    /// Queues a message for writing. Callers check room first.
    fn send(&mut self, id: u64, message: &[u8]);
    /// Descriptors to poll, each with its interest.
    fn fds(&self) -> [Option<(BorrowedFd<'_>, Interest)>; FDS_MAX];
    /// Next timeout of the protocol.
    fn deadline(&self) -> Option<Instant>;
    /// Reads and writes what is possible without waiting, and says what came of it.
    fn advance(&mut self, outcomes: &mut Vec<Outcome>) -> Result<(), Broken>;
    /// Says goodbye, and writes no more. [`Transport::advance`] goes on until the peer has closed too, which it
    /// reports as an error: answers may be on their way, and a connection that is closed before they are read
    /// is reset.
    fn close(&mut self);
}

/// Reads what a target needs beside its URL, so that a mistake is found at the start.
///
/// # Errors
/// A text: a file cannot be used.
#[cfg_attr(
    not(any(feature = "kafka", feature = "nats")),
    expect(clippy::unnecessary_wraps, reason = "only engines have files")
)]
pub fn check(target: &Target) -> Result<(), String> {
    match target {
        #[cfg(feature = "kafka")]
        Target::Kafka(place) => kafka::check(place),
        #[cfg(feature = "nats")]
        Target::Nats(servers, _) => crate::nats::client::check(&servers.login),
        _ => Ok(()),
    }
}

/// Makes the transport of a target over a connection to it. `window` bounds unanswered messages. Certificates
/// are there if the target needs them. `wake` is called by a library in a thread.
pub fn over(
    target: &Target,
    connection: Connection,
    window: usize,
    credentials: &Credentials,
    #[cfg_attr(not(feature = "nats"), expect(unused_variables, reason = "for libraries"))]
    wake: &Wake,
) -> Result<Box<dyn Transport>, Broken> {
    let tls = credentials.tls().filter(|_| target.needs_tls());
    match (target, connection) {
        (Target::Relp(address, _), Connection::Tcp(socket)) => {
            let channel = Channel::new(socket, address, tls)?;
            Ok(Box::new(relp::Relp::new(channel, window)))
        }
        (Target::Tcp(address, _, stream), Connection::Tcp(socket)) => {
            let channel = Channel::new(socket, address, tls)?;
            Ok(Box::new(stream::Stream::new(channel, *stream)))
        }
        #[cfg(feature = "http")]
        (Target::Otlp(address, _, path), Connection::Tcp(socket)) => {
            let channel = Channel::new(socket, address, tls)?;
            Ok(Box::new(otlp::Otlp::new(channel, address, path, credentials.fields())))
        }
        #[cfg(feature = "kafka")]
        (Target::Kafka(_), Connection::Kafka(opened)) => Ok(Box::new(kafka::Kafka::new(*opened))),
        (Target::Udp(_), Connection::Udp(socket)) => Ok(Box::new(datagram::Datagram::udp(socket)?)),
        (Target::Unix(_), Connection::Unix(socket)) => {
            Ok(Box::new(datagram::Datagram::unix(socket)?))
        }
        (Target::Exec(_), Connection::Child(child)) => Ok(Box::new(exec::Exec::new(child)?)),
        #[cfg(feature = "nats")]
        (Target::Nats(servers, subject), Connection::Library) => {
            Ok(Box::new(nats::start(servers, subject, window, tls, wake)?))
        }
        (target, _) => unreachable!("a connection of another kind for {target}"),
    }
}

/// Appends a message in its frame. A message has no newline in it: the writer of messages escapes them.
fn append_framed(framing: Framing, message: &[u8], output: &mut Vec<u8>) {
    match framing {
        Framing::Counted => wire::frame::append_counted(message, output),
        Framing::Newline => {
            let framed = wire::frame::append_line(message, output);
            assert!(framed.is_ok(), "a message is one line");
        }
    }
}

/// Whether an error only says that the call would have waited.
fn would_wait(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted)
}
