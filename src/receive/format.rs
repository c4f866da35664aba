//! The forms of a line: as socklog writes it, as a message of RFC 5424, or as a JSON object.
//!
//! In the two structured forms the fields that were recognised are separate, and `time` is the moment of receipt
//! unless the sender's is beyond doubt (RFC 5424). Text that was not understood is whole in the message.

use super::line::{Origin, append, append_piece, append_text};
use serde::Serialize;
use std::time::{SystemTime, UNIX_EPOCH};
use wire::syslog::structured_data::{self, Element};
use wire::syslog::{Form, Message, Pri, UnixTime, append_rfc5424_time, without_trailer};

/// Id of the structured data with what the sender did not write or what was replaced (RFC 5424 section 6.3.2; the number
/// is the one for documentation).
const RECEIVED_ID: &str = "received@32473";

/// Forms of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Facility and severity, address, and the sender's text
    Text,
    /// A message of RFC 5424
    #[value(name = "5424")]
    Rfc5424,
    /// A JSON object
    Json,
}

/// How messages become lines.
#[derive(Clone, Copy, Debug)]
pub struct Writer {
    /// Form of lines.
    pub format: Format,
    /// The host in a message counts more than the address it came from.
    pub trusts_host: bool,
}

impl Writer {
    /// Appends the message as one line with its newline.
    pub fn append(&self, origin: &Origin<'_>, message: &[u8], line: &mut Vec<u8>) {
        match self.format {
            Format::Text => append(origin, message, line),
            Format::Rfc5424 => self.append_rfc5424(origin, message, now(), line),
            Format::Json => self.append_json(origin, message, now(), line),
        }
    }

    /// Appends a further piece of a message that is longer than the limit: a line of its own.
    pub fn append_piece(&self, origin: &Origin<'_>, piece: &[u8], line: &mut Vec<u8>) {
        match self.format {
            Format::Text => append_piece(piece, line),
            Format::Rfc5424 => {
                Pri::DEFAULT.append_to(line);
                line.extend_from_slice(b"1 ");
                append_rfc5424_time(now(), line);
                line.push(b' ');
                append_text(self.host(origin, None), line);
                line.extend_from_slice(b" - - - ");
                let params: &[(&str, &[u8])] = &[("continued", b"1")];
                structured_data::append(&[Element { id: RECEIVED_ID, params }], line);
                line.push(b' ');
                append_piece(piece, line);
            }
            Format::Json => {
                let mut time = Vec::new();
                append_rfc5424_time(now(), &mut time);
                let fields = Fields {
                    time: words(&time),
                    host: words(self.host(origin, None)),
                    address: origin.address.map(words),
                    continued: Some(true),
                    message: words(without_trailer(piece)),
                    ..Fields::default()
                };
                // Strings in memory: this cannot fail.
                let _ = serde_json::to_writer(&mut *line, &fields);
                line.push(b'\n');
            }
        }
    }

    fn host<'a>(&self, origin: &Origin<'a>, claimed: Option<&'a [u8]>) -> &'a [u8] {
        claimed.filter(|_| self.trusts_host).unwrap_or_else(|| origin.machine())
    }

    fn append_rfc5424(
        &self,
        origin: &Origin<'_>,
        message: &[u8],
        now: UnixTime,
        line: &mut Vec<u8>,
    ) {
        let parsed = origin.parse(message);
        let is_whole = parsed.form == Form::Rfc5424;
        parsed.pri_or_default().append_to(line);
        line.extend_from_slice(b"1 ");
        match parsed.time.filter(|_| is_whole) {
            Some(time) => line.extend_from_slice(time),
            None => append_rfc5424_time(now, line),
        }
        let host = parsed.host.filter(|_| is_whole || self.trusts_host);
        for word in [
            Some(host.unwrap_or_else(|| self.host(origin, None))),
            parsed.program,
            parsed.pid,
            parsed.msgid,
        ] {
            line.push(b' ');
            append_text(word.unwrap_or(b"-"), line);
        }
        line.push(b' ');
        append_structured_data(origin, &parsed, is_whole, line);
        if !parsed.text.is_empty() {
            line.push(b' ');
            append_text(parsed.text, line);
        }
        line.push(b'\n');
    }

    fn append_json(&self, origin: &Origin<'_>, message: &[u8], now: UnixTime, line: &mut Vec<u8>) {
        let parsed = origin.parse(message);
        let mut time = Vec::new();
        append_rfc5424_time(now, &mut time);
        let fields = Fields {
            time: words(&time),
            facility: parsed.pri.map(|pri| pri.facility.name()),
            severity: parsed.pri.map(|pri| pri.severity.name()),
            host: words(self.host(origin, parsed.host)),
            program: parsed.program.map(words),
            pid: parsed.pid.map(words),
            msgid: parsed.msgid.map(words),
            structured_data: parsed.structured_data.map(words),
            address: origin.address.map(words),
            peer_pid: origin.credentials.map(|peer| peer.pid),
            peer_uid: origin.credentials.map(|peer| peer.uid),
            sent_time: parsed.time.map(words),
            sent_host: parsed.host.map(words),
            continued: None,
            message: words(parsed.text),
        };
        // Strings and numbers in memory: neither can fail.
        let _ = serde_json::to_writer(&mut *line, &fields);
        line.push(b'\n');
    }
}

/// The object of a line. A field that is not known is left out.
#[derive(Default, Serialize)]
struct Fields {
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    facility: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'static str>,
    host: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    msgid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    structured_data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_pid: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_uid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    continued: Option<bool>,
    message: String,
}

/// Adds what the kernel knows, and words of the sender that have no field of their own.
fn append_structured_data(
    origin: &Origin<'_>,
    parsed: &Message<'_>,
    is_whole: bool,
    line: &mut Vec<u8>,
) {
    let numbers = origin.credentials.map(|peer| (peer.pid.to_string(), peer.uid.to_string()));
    let mut params: Vec<(&str, &[u8])> = Vec::new();
    params.extend(origin.address.map(|address| ("from", address)));
    if let Some((pid, uid)) = &numbers {
        params.extend([("pid", pid.as_bytes()), ("uid", uid.as_bytes())]);
    }
    if !is_whole {
        params.extend(parsed.time.map(|time| ("time", time)));
        params.extend(parsed.host.map(|host| ("host", host)));
    }
    if let Some(sent) = parsed.structured_data {
        append_text(sent, line);
    }
    if !params.is_empty() {
        structured_data::append(&[Element { id: RECEIVED_ID, params: &params }], line);
    } else if parsed.structured_data.is_none() {
        line.push(b'-');
    }
}

/// Text for JSON. Bytes that are no UTF-8 become `\xHH`.
fn words(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let secs = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    UnixTime { secs, nanos: since.subsec_nanos() }
}

#[cfg(test)]
mod tests {
    use super::super::peer::Credentials;
    use super::*;

    const NOW: UnixTime = UnixTime { secs: 1_795_713_874, nanos: 412_000_000 };
    const LOCAL: Origin<'static> =
        Origin { address: None, certified: None, credentials: None, hostname: b"vm" };
    const REMOTE: Origin<'static> = Origin { address: Some(b"192.0.2.1"), ..LOCAL };
    const KNOWN: Origin<'static> =
        Origin { credentials: Some(Credentials { pid: 7, uid: 1000 }), ..LOCAL };

    #[track_caller]
    fn check_5424(origin: &Origin<'_>, trusts_host: bool, message: &[u8], expected: &str) {
        let writer = Writer { format: Format::Rfc5424, trusts_host };
        let mut line = Vec::new();
        writer.append_rfc5424(origin, message, NOW, &mut line);
        assert_eq!(line.escape_ascii().to_string(), format!("{}\\n", expected.escape_default()));
    }

    #[test]
    fn rfc_5424_keeps_what_is_such_a_message() {
        let message =
            b"<13>1 2026-11-26T17:40:08Z a.example.org tag 4 MID [x@1 a=\"b\"] two\nlines";
        let expected =
            "<13>1 2026-11-26T17:40:08Z a.example.org tag 4 MID [x@1 a=\"b\"] two\\x0alines";
        check_5424(&LOCAL, false, message, expected);
        let from = expected.replace("\"b\"]", "\"b\"][received@32473 from=\"192.0.2.1\"]");
        check_5424(&REMOTE, false, message, &from);
    }

    #[test]
    fn rfc_5424_is_made_of_other_messages() {
        let time = "2026-11-26T17:24:34.412000Z";
        let message = b"<149>Nov 26 17:40:08 lb1 haproxy[18490]: up\n";
        let sent = "time=\"Nov 26 17:40:08\" host=\"lb1\"]";
        let expected = format!(
            "<149>1 {time} 192.0.2.1 haproxy 18490 - [received@32473 from=\"192.0.2.1\" {sent} up"
        );
        check_5424(&REMOTE, false, message, &expected);
        let trusted = expected.replace(" 192.0.2.1 haproxy", " lb1 haproxy");
        check_5424(&REMOTE, true, message, &trusted);
        check_5424(&LOCAL, false, b"raw text", &format!("<13>1 {time} vm - - - - raw text"));
        let expected = format!("<13>1 {time} vm a 9 - [received@32473 pid=\"7\" uid=\"1000\"] x");
        check_5424(&KNOWN, false, b"<13>a[9]: x", &expected);
        check_5424(&LOCAL, false, b"<13>", &format!("<13>1 {time} vm - - - -"));
    }

    #[test]
    fn json_has_every_field_and_every_byte() {
        let writer = Writer { format: Format::Json, trusts_host: false };
        for (origin, message, expected) in [
            (
                REMOTE,
                &b"<149>Nov 26 17:40:08 lb1 haproxy[18490]: \"up\"\x1b\n"[..],
                r#""facility":"local2","severity":"notice","host":"192.0.2.1","program":"haproxy","pid":"18490","address":"192.0.2.1","sent_time":"Nov 26 17:40:08","sent_host":"lb1","message":"\"up\"\u001b"}"#,
            ),
            (
                LOCAL,
                b"\xff \xc3\xbc\ttwo\nlines",
                r#""host":"vm","message":"\\xff ü\ttwo\nlines"}"#,
            ),
            (
                KNOWN,
                b"<13>x",
                r#""facility":"user","severity":"notice","host":"vm","peer_pid":7,"peer_uid":1000,"message":"x"}"#,
            ),
        ] {
            let mut line = Vec::new();
            writer.append_json(&origin, message, NOW, &mut line);
            let expected = format!("{{\"time\":\"2026-11-26T17:24:34.412000Z\",{expected}\n");
            assert_eq!(String::from_utf8_lossy(&line), expected);
        }
    }
}
