//! A message: its fields lie in it in order and no byte is lost; written again as RFC 5424, whole or in
//! parts, it is read with the fields that it had.
//!
//! The first byte is the bound of parts; the message follows.
#![no_main]

use fields::check_fields;
use libfuzzer_sys::fuzz_target;
use wire::parts::{self, Parts};
use wire::syslog::{
    APP_LEN_MAX, BsdTime, HOST_LEN_MAX, Header, MSGID_LEN_MAX, Message, PROCID_LEN_MAX, Sender,
    UnixTime, append_on_one_line, parse,
};

#[path = "../../crates/wire/src/syslog/parse/tests/fields.rs"]
mod fields;

/// Room for the header of a part with the longest names, and for some text.
const LEN_MIN: usize = 600;

fuzz_target!(|input: &[u8]| {
    let [bound, bytes @ ..] = input else { return };
    check_fields(bytes, Sender::Remote);
    check_fields(bytes, Sender::Local { hostname: b"web.example.org" });
    let message = parse(bytes, Sender::Remote);
    if let Some(time) = message.time {
        let unix = UnixTime::parse(time).map(|time| time.secs);
        assert!(unix.is_some() || BsdTime::parse(time).is_some(), "a time that was found is one");
        let _ = BsdTime::parse(time).map(|time| time.to_unix(i64::from(*bound) << 26, 3600));
    }
    check_written(&message, LEN_MIN + usize::from(*bound));
});

/// Writes the fields of a message as RFC 5424 and reads them.
fn check_written(message: &Message<'_>, len_max: usize) {
    let header = Header {
        pri: message.pri_or_default(),
        time: message.time.and_then(UnixTime::parse),
        host: message.host.unwrap_or_default(),
        app: message.program.unwrap_or_default(),
        procid: message.pid.unwrap_or_default(),
        msgid: message.msgid.unwrap_or_default(),
    };
    let whole = parts::Message { header, elements: &[], id: b"7", text: message.text };
    let mut parts = Parts::new(whole, len_max).expect("the header leaves room");
    let mut joined = Vec::new();
    let mut part = Vec::new();
    while parts.append_next(&mut part) {
        assert!(part.len() <= len_max, "a part is longer than its bound");
        let read = parse(&part, Sender::Remote);
        assert_eq!(read.pri, Some(header.pri));
        check_name(read.host, header.host, HOST_LEN_MAX);
        check_name(read.program, header.app, APP_LEN_MAX);
        check_name(read.pid, header.procid, PROCID_LEN_MAX);
        check_name(read.msgid, header.msgid, MSGID_LEN_MAX);
        assert_eq!(read.structured_data.is_some(), parts.count() > 1);
        // The only text that is changed by reading is a BOM at its start.
        let has_bom = part[..part.len() - read.text.len()].ends_with(b"\xef\xbb\xbf");
        joined.extend_from_slice(if has_bom { b"\xef\xbb\xbf" } else { b"" });
        joined.extend_from_slice(read.text);
        part.clear();
    }
    let mut expected = Vec::new();
    append_on_one_line(message.text, &mut expected);
    assert_eq!(joined, expected);
}

fn check_name(read: Option<&[u8]>, written: &[u8], len_max: usize) {
    let read = read.unwrap_or_default();
    if written != b"-" {
        assert_eq!(read.len(), written.len().min(len_max));
        assert!(read.iter().zip(written).all(|(read, byte)| read == byte || *read == b'_'));
    }
}
