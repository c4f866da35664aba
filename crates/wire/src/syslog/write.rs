//! Writers of complete messages.

use super::escape::append_on_one_line;
use super::pri::Pri;
use super::structured_data::{self, Element};
use super::time::{UnixTime, append_bsd_time, append_rfc5424_time};

/// HOSTNAME limit in bytes (RFC 5424 section 6).
pub const HOST_LEN_MAX: usize = 255;
/// APP-NAME limit, bytes.
pub const APP_LEN_MAX: usize = 48;
/// PROCID limit, bytes.
pub const PROCID_LEN_MAX: usize = 128;
/// MSGID limit, bytes.
pub const MSGID_LEN_MAX: usize = 32;
/// TAG limit in bytes (RFC 3164 section 4.1.3).
const TAG_LEN_MAX: usize = 32;

/// Fields before structured data (RFC 5424 section 6.2). Empty names become `-`; bytes outside
/// printable ASCII become `_`; names beyond the RFC's limit are truncated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Facility and severity.
    pub pri: Pri,
    /// Event time; `-` if absent.
    pub time: Option<UnixTime>,
    /// Originating host, fully qualified if known.
    pub host: &'a [u8],
    /// Program name.
    pub app: &'a [u8],
    /// Process id or other instance name.
    pub procid: &'a [u8],
    /// Message type.
    pub msgid: &'a [u8],
}

/// Appends an RFC 5424 message. Writes no BOM, because UTF-8 is not guaranteed; newline and NUL in
/// `text` become `\x0a` and `\x00` ([`append_on_one_line`]). Empty text leaves no space after
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

/// Appends all fields before the space and text.
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

/// Appends at most `len_max` name bytes (RFC 5424 section 6: PRINTUSASCII, `-` if empty).
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

/// RFC 3164 section 4.1 fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BsdHeader<'a> {
    /// Facility and severity.
    pub pri: Pri,
    /// Event time, Unix seconds.
    pub unix_secs: i64,
    /// UTC offset of the written local time, positive east of Greenwich.
    pub utc_offset_secs: i32,
    /// Host; empty for local socket messages.
    pub host: &'a [u8],
    /// Program; empty omits the tag. Colons, brackets and bytes outside printable ASCII become `_`;
    /// truncated after 32 bytes (section 4.1.3).
    pub program: &'a [u8],
    /// Process id; empty omits the brackets.
    pub pid: &'a [u8],
}

/// Appends an RFC 3164 message, as `<13>Nov  6 17:40:08 host program[pid]: text`. Newline and NUL
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

/// Appends a tag word, replacing bytes that would end it.
fn append_tag_word(word: &[u8], len_max: usize, output: &mut Vec<u8>) {
    let allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b':' | b'[' | b']');
    let written = |byte: u8| if allowed(byte) { byte } else { b'_' };
    output.extend(word.iter().take(len_max).map(|byte| written(*byte)));
}

#[cfg(test)]
mod tests;
