//! The protocols that logs travel in, as pure state machines: bytes in, bytes and events out.
//!
//! Nothing here opens a socket, reads a clock or starts a thread. The caller reads into the space
//! that a machine offers, takes its events, writes its output, and decides what a failure means.
//! Every buffer has a bound that its type names.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`frame`] | messages in a TCP stream: octet counting and lines (RFC 6587) |
//! | [`syslog`] | messages of RFC 5424 and RFC 3164, written and read |
//! | [`parts`] | long messages in numbered parts |
//! | [`relp`] | RELP, client and server |
//! | [`socklog`] | the prefix that socklog writes before a message |
//! | `otlp` | the JSON body of OTLP/HTTP (feature `otlp`) |
#![forbid(unsafe_code)]

mod buffer;
pub mod frame;
#[cfg(feature = "otlp")]
pub mod otlp;
pub mod parts;
pub mod relp;
pub mod socklog;
pub mod syslog;
