//! TLS by rustls: certificates and keys from files, sessions that turn bytes of a socket into bytes of a
//! protocol, and errors in plain words.
//!
//! A session never waits and never reconnects; its owner polls the socket. Checks cannot be turned off.

mod client;
mod files;
mod pin;
mod server;
mod session;
mod words;

pub use client::{Client, ClientFiles};
pub use pin::Pin;
pub use server::{Server, ServerFiles};
pub use session::Session;
pub use words::Peer;

use rustls::crypto::CryptoProvider;
use std::sync::Arc;

/// Ciphers of the sessions; building them needs a C compiler and nothing else.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
