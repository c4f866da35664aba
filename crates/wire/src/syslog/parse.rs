//! The reader of messages of every form that is met: RFC 5424, RFC 3164 with and without a host, with an
//! ISO time, without a time, and raw text.
//!
//! It never fails and never loses a byte: what no rule recognises is text. The fields are slices of the
//! message. A field is recognised only where its form is certain, since a word of the text that is taken
//! for a host or a program is worse than a name that is missing.

use super::pri::Pri;
use super::structured_data;
use super::time::{BsdTime, UnixTime};

/// Bytes of a program's name; a longer word is text.
const PROGRAM_LEN_MAX: usize = 128;
/// Bytes of a pid in a tag.
const PID_LEN_MAX: usize = 128;
/// Bytes of a host (RFC 5424 section 6).
const HOST_LEN_MAX: usize = 255;
/// A byte order mark, as RFC 5424 section 6.4 has it before UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Where a message comes from, which decides about the host of RFC 3164.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender<'a> {
    /// A program on this machine. `syslog(3)` writes no host; nginx and HAProxy do, and then it is the
    /// name of this machine. Any other word is text.
    Local {
        /// The name of this machine, with or without its domain.
        hostname: &'a [u8],
    },
    /// Another machine, which may write its name or not.
    Remote,
}

/// The form of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// RFC 5424.
    Rfc5424,
    /// RFC 3164: a time without a year.
    Rfc3164,
    /// RFC 3164 with a time of RFC 3339.
    Iso,
    /// A PRI and no time.
    Untimed,
    /// No valid PRI: everything is text.
    Raw,
}

/// The fields of a message: slices of its bytes, `None` where absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The form that was recognised.
    pub form: Form,
    /// Facility and severity; `None` if missing or invalid, and then the form is raw.
    pub pri: Option<Pri>,
    /// The time as the sender wrote it: [`UnixTime::parse`] or [`BsdTime::parse`] reads it.
    pub time: Option<&'a [u8]>,
    /// The host as the sender wrote it; the caller decides what a message without has.
    pub host: Option<&'a [u8]>,
    /// APP-NAME, or TAG without pid.
    pub program: Option<&'a [u8]>,
    /// PROCID, or the pid of the TAG.
    pub pid: Option<&'a [u8]>,
    /// MSGID.
    pub msgid: Option<&'a [u8]>,
    /// The elements of structured data as sent ([`structured_data::params`] reads them).
    pub structured_data: Option<&'a [u8]>,
    /// The text: the rest of the message, without one newline or NUL at its end and without BOM.
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

    /// The PRI, or `user.notice` for a message without a valid one (RFC 3164 section 4.3.3).
    pub fn pri_or_default(&self) -> Pri {
        self.pri.unwrap_or(Pri::DEFAULT)
    }
}

/// Parses a message. One newline (HAProxy) or NUL (Python's `SysLogHandler`) at its end is no part of it.
pub fn parse<'a>(message: &'a [u8], sender: Sender<'_>) -> Message<'a> {
    let message = without_trailer(message);
    let Some((pri, after_pri)) = Pri::parse(message) else {
        return Message::of_text(Form::Raw, None, message);
    };
    let parsed = parse_rfc5424(pri, after_pri);
    parsed.unwrap_or_else(|| parse_rfc3164(pri, after_pri, sender))
}

fn without_trailer(message: &[u8]) -> &[u8] {
    match message {
        [message @ .., b'\n' | 0] => message,
        message => message,
    }
}

/// Parses what follows the PRI as RFC 5424 section 6, version 1. `None` if a field of the header is
/// missing or the time is none. Structured data that is malformed is text.
fn parse_rfc5424(pri: Pri, bytes: &[u8]) -> Option<Message<'_>> {
    let mut rest = bytes.strip_prefix(b"1 ")?;
    let time = take_word(&mut rest)?;
    if let Some(time) = time {
        UnixTime::parse(time)?;
    }
    let host = take_word(&mut rest)?;
    let program = take_word(&mut rest)?;
    let pid = take_word(&mut rest)?;
    // A message may end after its MSGID if the sender knows no structured data.
    let msgid_len = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
    let msgid = nil_to_none(&rest[..msgid_len])?;
    rest = rest.get(msgid_len + 1..).unwrap_or_default();
    let (structured_data, text) = split_structured_data(rest);
    let header = Message::of_text(Form::Rfc5424, Some(pri), text);
    Some(Message { time, host, program, pid, msgid, structured_data, ..header })
}

/// Takes a word and the space after it.
fn take_word<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let len = memchr::memchr(b' ', rest)?;
    let word = &rest[..len];
    *rest = &rest[len + 1..];
    nil_to_none(word)
}

/// `-` is no value; an empty word is no word.
fn nil_to_none(word: &[u8]) -> Option<Option<&[u8]>> {
    match word {
        b"" => None,
        b"-" => Some(None),
        word => Some(Some(word)),
    }
}

/// Structured data and the text after it. The space between them and a BOM belong to neither (RFC 5424
/// sections 6 and 6.4).
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

/// Parses what follows the PRI as RFC 3164 section 4.1, or as the forms that have grown from it.
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

/// The time at the start and what follows the space after it.
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

/// A host and the tag after it. A word without a tag after it may be
/// text, so it is no host. The host is empty if two spaces follow the time, as nginx writes them at its start.
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

/// If two names are of one machine: either may lack its domain.
fn is_same_host(one: &[u8], other: &[u8]) -> bool {
    let (short, long) = if one.len() < other.len() { (one, other) } else { (other, one) };
    let rest = long.get(short.len()..).unwrap_or_default();
    !short.is_empty()
        && long[..short.len()].eq_ignore_ascii_case(short)
        && matches!(rest, [] | [b'.', ..])
}

/// Bytes of names, of addresses (`fe80::1%eth0`) and of the chains that syslog-ng writes (`a@b/c`).
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._:%@/".contains(&byte)
}

/// A tag and the text after it.
struct Tag<'a> {
    program: &'a [u8],
    pid: Option<&'a [u8]>,
    text: &'a [u8],
}

/// Splits `program: text`, `program[pid]: text` or `program[pid] text`. A colon without a space after it
/// is no end of a tag, as in `192.0.2.7:49644` or `Class::method`.
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

/// Splits what follows the bracket: `pid]: text`, `pid]:text` or `pid] text`.
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

/// Printable ASCII and bytes of UTF-8, except those that end a tag (RFC 3164 section 4.1.3).
fn is_program_byte(byte: u8) -> bool {
    (byte.is_ascii_graphic() || byte >= 0x80) && !matches!(byte, b':' | b'[')
}

#[cfg(test)]
mod tests;
