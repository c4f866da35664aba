//! RELP, the Reliable Event Logging Protocol, version 0: its specification, and where that is silent
//! librelp 1.11, whose behaviour was measured with real sessions.
//!
//! ```
//! use wire::relp::client::{Client, Event as ClientEvent};
//! use wire::relp::server::{DATA_LEN_MAX_DEFAULT, Event as ServerEvent, Server};
//!
//! let mut client = Client::new(128);
//! let mut server = Server::new(DATA_LEN_MAX_DEFAULT);
//! // A caller writes `output` to a socket and reads from it into `space`; here the bytes go from one
//! // side to the other.
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

/// The version that both sides speak. A server that answers 1 is refused by each librelp client, as
/// measured.
const VERSION: u32 = 0;
/// What both sides call themselves: name, version, address.
const SOFTWARE: &str =
    concat!("multilog,", env!("CARGO_PKG_VERSION"), ",https://cr.yp.to/daemontools.html");
/// The command without which no message is sent.
const SYSLOG: &str = "syslog";
