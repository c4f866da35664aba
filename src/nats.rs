//! What both directions share about NATS: the URL, and, with the feature `nats`, a connected client.

#[cfg(feature = "nats")]
pub mod client;
pub mod url;
