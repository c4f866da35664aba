//! Writers of whole messages.

use super::escape::append_on_one_line;
use super::pri::Pri;
use super::structured_data::{self, Element};
use super::time::{UnixTime, append_bsd_time, append_rfc5424_time};

/// Bytes of HOSTNAME (RFC 5424 section 6).
pub const HOST_LEN_MAX: usize = 255;
/// Bytes of APP-NAME.
pub const APP_LEN_MAX: usize = 48;
/// Bytes of PROCID.
pub const PROCID_LEN_MAX: usize = 128;
/// Bytes of MSGID.
pub const MSGID_LEN_MAX: usize = 32;
/// Bytes of TAG (RFC 3164 section 4.1.3).
const TAG_LEN_MAX: usize = 32;

/// The fields before structured data (RFC 5424 section 6.2). An empty name is written as `-`; a byte
/// that is not printable ASCII becomes `_`; what is longer than the RFC allows is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Facility and severity.
    pub pri: Pri,
    /// The time of the event; `-` without.
    pub time: Option<UnixTime>,
    /// The host that the message is of, fully qualified if known.
    pub host: &'a [u8],
    /// The program.
    pub app: &'a [u8],
    /// Its process id or another name of the instance.
    pub procid: &'a [u8],
    /// The kind of message.
    pub msgid: &'a [u8],
}

/// Appends a message of RFC 5424. No BOM is written, since UTF-8 is not promised; newline and NUL in
/// `text` become `\x0a` and `\x00` ([`append_on_one_line`]). An empty text leaves no space after the
/// structured data.
pub fn append_rfc5424(
    header: &Header<'_>,
    elements: &[Element<'_>],
    text: &[u8],
    output: &mut Vec<u8>,
) {
    append_header(header, elements, output);
    if !text.is_empty() {
        output.push(b' ');
        append_on_one_line(text, output);
    }
}

/// Appends everything before the space and the text.
pub(crate) fn append_header(header: &Header<'_>, elements: &[Element<'_>], output: &mut Vec<u8>) {
    header.pri.append_to(output);
    output.extend_from_slice(b"1 ");
    match header.time {
        Some(time) => append_rfc5424_time(time, output),
        None => output.push(b'-'),
    }
    for (name, len_max) in [
        (header.host, HOST_LEN_MAX),
        (header.app, APP_LEN_MAX),
        (header.procid, PROCID_LEN_MAX),
        (header.msgid, MSGID_LEN_MAX),
    ] {
        output.push(b' ');
        append_name(name, len_max, output);
    }
    output.push(b' ');
    structured_data::append(elements, output);
}

/// Appends at most `len_max` bytes of a name (RFC 5424 section 6: PRINTUSASCII, `-` for none).
fn append_name(name: &[u8], len_max: usize, output: &mut Vec<u8>) {
    if name.is_empty() {
        output.push(b'-');
    }
    let name = &name[..name.len().min(len_max)];
    if name.iter().all(u8::is_ascii_graphic) {
        return output.extend_from_slice(name);
    }
    let printable = |byte: &u8| if byte.is_ascii_graphic() { *byte } else { b'_' };
    output.extend(name.iter().map(printable));
}

/// The fields of RFC 3164 section 4.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BsdHeader<'a> {
    /// Facility and severity.
    pub pri: Pri,
    /// The time of the event, seconds since 1970.
    pub unix_secs: i64,
    /// The offset of local time, in which the time is written, east of Greenwich positive.
    pub utc_offset_secs: i32,
    /// The host; empty for messages to a local socket.
    pub host: &'a [u8],
    /// The program; empty leaves out the tag. Colons, brackets and bytes that are not printable ASCII
    /// become `_`, and 32 bytes are written at most (section 4.1.3).
    pub program: &'a [u8],
    /// The process id; empty leaves out the brackets.
    pub pid: &'a [u8],
}

/// Appends a message of RFC 3164, as `<13>Nov  6 17:40:08 host program[pid]: text`. Newline and NUL
/// in `text` become `\x0a` and `\x00`.
pub fn append_rfc3164(header: &BsdHeader<'_>, text: &[u8], output: &mut Vec<u8>) {
    header.pri.append_to(output);
    append_bsd_time(header.unix_secs, header.utc_offset_secs, output);
    output.push(b' ');
    if !header.host.is_empty() {
        append_name(header.host, HOST_LEN_MAX, output);
        output.push(b' ');
    }
    if !header.program.is_empty() {
        append_tag_word(header.program, TAG_LEN_MAX, output);
        if !header.pid.is_empty() {
            output.push(b'[');
            append_tag_word(header.pid, PROCID_LEN_MAX, output);
            output.push(b']');
        }
        output.extend_from_slice(b": ");
    }
    append_on_one_line(text, output);
}

/// Appends a word of a tag without the bytes that would end it.
fn append_tag_word(word: &[u8], len_max: usize, output: &mut Vec<u8>) {
    let allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b':' | b'[' | b']');
    let written = |byte: u8| if allowed(byte) { byte } else { b'_' };
    output.extend(word.iter().take(len_max).map(|byte| written(*byte)));
}

#[cfg(test)]
mod tests;
