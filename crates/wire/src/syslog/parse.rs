//! Parser for all known syslog forms: RFC 5424; RFC 3164 with or without host, with ISO time, or
//! without time; raw text.
//!
//! Parsing never fails and never loses a byte: unrecognised bytes are text. Fields are slices of
//! the message. The parser recognises a field only if its form is certain, because a text word
//! mistaken for a host or program is worse than a missing name.

use super::pri::Pri;
use super::structured_data;
use super::time::{BsdTime, UnixTime};

/// Program name limit, in bytes; longer words are text.
const PROGRAM_LEN_MAX: usize = 128;
/// Tag pid limit, in bytes.
const PID_LEN_MAX: usize = 128;
/// Host limit, in bytes (RFC 5424 section 6).
const HOST_LEN_MAX: usize = 255;
/// Byte order mark before UTF-8 text (RFC 5424 section 6.4).
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Message origin; decides RFC 3164 host parsing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender<'a> {
    /// Local program. `syslog(3)` writes no host; nginx and HAProxy write this machine's name. Any
    /// other word is text.
    Local {
        /// This machine's name, with or without domain.
        hostname: &'a [u8],
    },
    /// Remote machine; its name is optional.
    Remote,
}

/// Message form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// RFC 5424.
    Rfc5424,
    /// RFC 3164: time without year.
    Rfc3164,
    /// RFC 3164 with RFC 3339 time.
    Iso,
    /// PRI without time.
    Untimed,
    /// No valid PRI: everything is text.
    Raw,
}

/// Message fields: slices of its bytes, `None` if absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Recognised form.
    pub form: Form,
    /// Facility and severity; `None` if missing or invalid (raw form).
    pub pri: Option<Pri>,
    /// Time as sent: [`UnixTime::parse`] or [`BsdTime::parse`] reads it.
    pub time: Option<&'a [u8]>,
    /// Host as sent; the caller chooses a default.
    pub host: Option<&'a [u8]>,
    /// APP-NAME, or TAG without pid.
    pub program: Option<&'a [u8]>,
    /// PROCID, or the TAG's pid.
    pub pid: Option<&'a [u8]>,
    /// MSGID.
    pub msgid: Option<&'a [u8]>,
    /// Structured data as sent ([`structured_data::params`] reads its elements).
    pub structured_data: Option<&'a [u8]>,
    /// Remaining text, without BOM and without one trailing newline or NUL.
    pub text: &'a [u8],
}

impl<'a> Message<'a> {
    fn of_text(form: Form, pri: Option<Pri>, text: &'a [u8]) -> Message<'a> {
        Message {
            form,
            pri,
            time: None,
            host: None,
            program: None,
            pid: None,
            msgid: None,
            structured_data: None,
            text,
        }
    }

    /// PRI, or `user.notice` without a valid PRI (RFC 3164 section 4.3.3).
    pub fn pri_or_default(&self) -> Pri {
        self.pri.unwrap_or(Pri::DEFAULT)
    }
}

/// Parses a message. Ignores one trailing newline (HAProxy) or NUL (Python's `SysLogHandler`).
pub fn parse<'a>(message: &'a [u8], sender: Sender<'_>) -> Message<'a> {
    let message = without_trailer(message);
    let Some((pri, after_pri)) = Pri::parse(message) else {
        return Message::of_text(Form::Raw, None, message);
    };
    let parsed = parse_rfc5424(pri, after_pri);
    parsed.unwrap_or_else(|| parse_rfc3164(pri, after_pri, sender))
}

/// The message without one newline (HAProxy) or NUL (Python's `SysLogHandler`) at its end, which belong to the
/// transport.
pub fn without_trailer(message: &[u8]) -> &[u8] {
    match message {
        [message @ .., b'\n' | 0] => message,
        message => message,
    }
}

/// Parses bytes after the PRI as RFC 5424 section 6, version 1. `None` if a header field is missing
/// or the time is invalid. Malformed structured data is text.
fn parse_rfc5424(pri: Pri, bytes: &[u8]) -> Option<Message<'_>> {
    let mut rest = bytes.strip_prefix(b"1 ")?;
    let time = take_word(&mut rest)?;
    if let Some(time) = time {
        UnixTime::parse(time)?;
    }
    let host = take_word(&mut rest)?;
    let program = take_word(&mut rest)?;
    let pid = take_word(&mut rest)?;
    // A message may end after MSGID if the sender never uses structured data.
    let msgid_len = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
    let msgid = nil_to_none(&rest[..msgid_len])?;
    rest = rest.get(msgid_len + 1..).unwrap_or_default();
    let (structured_data, text) = split_structured_data(rest);
    let header = Message::of_text(Form::Rfc5424, Some(pri), text);
    Some(Message { time, host, program, pid, msgid, structured_data, ..header })
}

/// Takes a word plus following space.
fn take_word<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let len = memchr::memchr(b' ', rest)?;
    let word = &rest[..len];
    *rest = &rest[len + 1..];
    nil_to_none(word)
}

/// `-` means no value; empty words are invalid.
fn nil_to_none(word: &[u8]) -> Option<Option<&[u8]>> {
    match word {
        b"" => None,
        b"-" => Some(None),
        word => Some(Some(word)),
    }
}

/// Splits structured data from text. Drops the space between them and a BOM (RFC 5424 sections 6
/// and 6.4).
fn split_structured_data(bytes: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let Some(len) = structured_data::len_of(bytes) else { return (None, without_bom(bytes)) };
    match &bytes[len..] {
        after @ ([] | [b' ', ..]) => {
            let elements = Some(&bytes[..len]).filter(|elements| *elements != b"-");
            (elements, without_bom(after.get(1..).unwrap_or_default()))
        }
        _ => (None, without_bom(bytes)),
    }
}

fn without_bom(text: &[u8]) -> &[u8] {
    text.strip_prefix(BOM).unwrap_or(text)
}

/// Parses bytes after the PRI as RFC 3164 section 4.1 or its descendants.
fn parse_rfc3164<'a>(pri: Pri, bytes: &'a [u8], sender: Sender<'_>) -> Message<'a> {
    let (form, time, rest) = split_time(bytes);
    let mut message = Message::of_text(form, Some(pri), rest);
    message.time = time;
    let tagged = match split_tag(rest) {
        Some(tag) => Some((None, tag)),
        None if time.is_some() => split_host_and_tag(rest, sender),
        None => None,
    };
    if let Some((host, tag)) = tagged {
        message.host = host;
        message.program = Some(tag.program);
        message.pid = tag.pid;
        message.text = tag.text;
    }
    message
}

/// Splits off a leading time and its space.
fn split_time(bytes: &[u8]) -> (Form, Option<&[u8]>, &[u8]) {
    let bsd = BsdTime::parse_prefix(bytes).map(|(_, len)| (Form::Rfc3164, len));
    let iso = || UnixTime::parse_prefix(bytes).map(|(_, len)| (Form::Iso, len));
    match bsd.or_else(iso) {
        Some((form, len)) if matches!(bytes[len..], [] | [b' ', ..]) => {
            (form, Some(&bytes[..len]), bytes.get(len + 1..).unwrap_or_default())
        }
        _ => (Form::Untimed, None, bytes),
    }
}

/// Splits host and tag. A word without a following tag may be text, so it is no host. Two spaces
/// after the time mean an empty host, as nginx writes during start.
fn split_host_and_tag<'a>(
    bytes: &'a [u8],
    sender: Sender<'_>,
) -> Option<(Option<&'a [u8]>, Tag<'a>)> {
    let len = memchr::memchr(b' ', bytes)?;
    let (host, rest) = (&bytes[..len], &bytes[len + 1..]);
    let is_host = host.len() <= HOST_LEN_MAX && host.iter().all(|byte| is_host_byte(*byte));
    let is_expected = match sender {
        Sender::Local { hostname } => host.is_empty() || is_same_host(host, hostname),
        Sender::Remote => true,
    };
    let tag = split_tag(rest).filter(|_| is_host && is_expected)?;
    Some((Some(host).filter(|host| !host.is_empty()), tag))
}

/// True if both names mean one machine: either may lack its domain.
fn is_same_host(one: &[u8], other: &[u8]) -> bool {
    let (short, long) = if one.len() < other.len() { (one, other) } else { (other, one) };
    let rest = long.get(short.len()..).unwrap_or_default();
    !short.is_empty()
        && long[..short.len()].eq_ignore_ascii_case(short)
        && matches!(rest, [] | [b'.', ..])
}

/// Bytes of names, addresses (`fe80::1%eth0`) and syslog-ng chains (`a@b/c`).
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._:%@/".contains(&byte)
}

/// Tag with following text.
struct Tag<'a> {
    program: &'a [u8],
    pid: Option<&'a [u8]>,
    text: &'a [u8],
}

/// Splits `program: text`, `program[pid]: text` or `program[pid] text`. A colon without following
/// space does not end a tag, as in `192.0.2.7:49644` or `Class::method`.
fn split_tag(bytes: &[u8]) -> Option<Tag<'_>> {
    let head = &bytes[..bytes.len().min(PROGRAM_LEN_MAX + 1)];
    let mut len = 0;
    loop {
        len += head[len..].iter().position(|byte| !is_program_byte(*byte))?;
        let (program, rest) = bytes.split_at(len);
        match rest {
            _ if program.is_empty() => return None,
            [b':'] | [b':', b' ', ..] => {
                return Some(Tag { program, pid: None, text: after_space(&rest[1..]) });
            }
            [b':', ..] => len += 1,
            [b'[', ..] => return split_pid(program, &rest[1..]),
            _ => return None,
        }
        if len >= head.len() {
            return None;
        }
    }
}

/// Splits bytes after the bracket: `pid]: text`, `pid]:text` or `pid] text`.
fn split_pid<'a>(program: &'a [u8], bytes: &'a [u8]) -> Option<Tag<'a>> {
    let head = &bytes[..bytes.len().min(PID_LEN_MAX + 1)];
    let len = memchr::memchr(b']', head).filter(|len| *len > 0)?;
    let (pid, rest) = (&bytes[..len], &bytes[len + 1..]);
    let text = match rest {
        [b':', text @ ..] => after_space(text),
        [] | [b' ', ..] => after_space(rest),
        _ => return None,
    };
    pid.iter().all(u8::is_ascii_graphic).then_some(Tag { program, pid: Some(pid), text })
}

fn after_space(text: &[u8]) -> &[u8] {
    text.strip_prefix(b" ").unwrap_or(text)
}

/// Printable ASCII or UTF-8 bytes that do not end a tag (RFC 3164 section 4.1.3).
fn is_program_byte(byte: u8) -> bool {
    (byte.is_ascii_graphic() || byte >= 0x80) && !matches!(byte, b':' | b'[')
}

#[cfg(test)]
mod tests;
