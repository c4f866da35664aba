//! RELP, the Reliable Event Logging Protocol, version 0: its specification, and where that is silent
//! librelp 1.11, whose behaviour was measured with real sessions.

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
