//! syslog messages: writes and reads RFC 5424, RFC 3164, and variants from local sockets and old
//! programs. Framing lives elsewhere (`frame`, `relp`); a message here has no framing bytes.

mod escape;
mod parse;
mod pri;
pub mod structured_data;
mod time;
mod write;

pub use escape::{append_hex, append_on_one_line};
pub use parse::{Form, Message, Sender, parse, without_trailer};
pub use pri::{Facility, Pri, Severity};
pub use time::{BsdTime, UnixTime, append_bsd_time, append_rfc5424_time};
pub use write::{
    APP_LEN_MAX, BsdHeader, HOST_LEN_MAX, Header, MSGID_LEN_MAX, PROCID_LEN_MAX, append_rfc3164,
    append_rfc5424,
};
