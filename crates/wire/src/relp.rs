//! RELP, the Reliable Event Logging Protocol, version 0. If the specification is silent, this
//! module follows librelp 1.11, measured in real sessions.
//!
//! ```
//! use wire::relp::client::{Client, Event as ClientEvent};
//! use wire::relp::server::{DATA_LEN_MAX_DEFAULT, Event as ServerEvent, Server};
//!
//! let mut client = Client::new(128);
//! let mut server = Server::new(DATA_LEN_MAX_DEFAULT);
//! // Callers write `output` to a socket and read its bytes into `space`; here the bytes move
//! // directly between both sides.
//! let len = server.push(client.output());
//! client.written(len);
//! assert!(matches!(server.next_event(), Some(ServerEvent::Opened { .. })));
//! let len = client.push(server.output());
//! server.written(len);
//! assert!(matches!(client.next_event(), Some(ClientEvent::Opened { .. })));
//!
//! assert!(client.send(7, b"<13>1 - - - - - - hello"));
//! let len = server.push(client.output());
//! client.written(len);
//! if let Some(ServerEvent::Message { txnr, bytes }) = server.next_event() {
//!     assert_eq!(bytes, b"<13>1 - - - - - - hello");
//!     // Store the message, sync, and then:
//!     server.acknowledge(txnr);
//! }
//! let len = client.push(server.output());
//! server.written(len);
//! assert_eq!(client.next_event(), Some(ClientEvent::Acknowledged { id: 7 }));
//! ```

pub mod client;
pub mod frame;
mod offers;
pub mod server;

/// Protocol version of both sides. Measured: every librelp client refuses a server that answers 1.
const VERSION: u32 = 0;
/// Software offer: name, version, address.
const SOFTWARE: &str =
    concat!("multilog,", env!("CARGO_PKG_VERSION"), ",https://cr.yp.to/daemontools.html");
/// Command required for messages.
const SYSLOG: &str = "syslog";
