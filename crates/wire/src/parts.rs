//! Splits long messages into numbered parts: each part is a complete RFC 5424 message within a
//! length limit, header included, and carries an element `[ID id="..." part="2" parts="17"]`. The
//! parts' texts with equal `id`, joined in order, form the original text.

use crate::syslog::structured_data::Element;
use crate::syslog::{Header, append_rfc5424};
use std::fmt;

/// SD-ID of the element that marks a part. SD-IDs are unique within a message (RFC 5424 section 6.3.2), so no
/// other element has it.
pub const SD_ID: &str = "part@32473";

/// Minimum text length per part. Less would produce thousands of parts made mostly of headers.
const ROOM_MIN: usize = 16;
/// Length of the escapes `\x0a` (newline) and `\x00`.
const ESCAPED_LEN: usize = 4;
/// Digits of the part count; memory cannot hold more parts.
const DIGITS_MAX: u32 = 9;

/// Message of any length.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Header, repeated in each part.
    pub header: Header<'a>,
    /// Structured data, repeated in each part.
    pub elements: &'a [Element<'a>],
    /// Unique message id, shared by its parts.
    pub id: &'a [u8],
    /// Message text.
    pub text: &'a [u8],
}

/// Error: limit leaves too little room for text after the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom {
    /// Smallest sufficient limit, in bytes.
    pub len_min: usize,
}

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "header and structured data need messages of at least {} bytes", self.len_min)
    }
}

impl std::error::Error for NoRoom {}

/// Appends a message that fits into `len_max` bytes. If it does not, returns false and appends nothing: it needs
/// [`Parts`].
pub fn append_whole(message: &Message<'_>, len_max: usize, output: &mut Vec<u8>) -> bool {
    let start = output.len();
    append_message(message, None, message.text, output);
    let fits = output.len() - start <= len_max;
    if !fits {
        output.truncate(start);
    }
    fits
}

/// Messages to send for one input: itself, or its parts.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    message: Message<'a>,
    /// Escaped text bytes per part; the last part may have fewer.
    room_len: usize,
    /// Remaining text, from part `number`.
    rest: &'a [u8],
    /// Next part number, from 1.
    number: u32,
    count: u32,
}

impl<'a> Parts<'a> {
    /// Divides a message into the fewest parts of at most `len_max` bytes, header included.
    /// Deterministic; never splits a UTF-8 character.
    ///
    /// # Errors
    ///
    /// Fails if the message is too long and its header leaves no room for text.
    pub fn new(message: Message<'a>, len_max: usize) -> Result<Parts<'a>, NoRoom> {
        let parts =
            |room_len, count| Parts { message, room_len, rest: message.text, number: 1, count };
        if header_len(&message, None) + 1 + escaped_len(message.text) <= len_max {
            return Ok(parts(usize::MAX, 1));
        }
        for digit_count in 1..=DIGITS_MAX {
            let widest = 10_u32.pow(digit_count) - 1;
            let header_len = header_len(&message, Some((widest, widest))) + 1;
            if header_len + ROOM_MIN > len_max {
                return Err(NoRoom { len_min: header_len + ROOM_MIN });
            }
            let room_len = len_max - header_len;
            if let Some(count) = part_count(message.text, room_len, widest) {
                return Ok(parts(room_len, count));
            }
        }
        unreachable!("a text of {} bytes has fewer parts than bytes", message.text.len())
    }

    /// Message count, at least 1.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Appends the next message; returns false without output after the last.
    pub fn append_next(&mut self, output: &mut Vec<u8>) -> bool {
        if self.number > self.count {
            return false;
        }
        let (text, rest) = self.rest.split_at(prefix_len(self.rest, self.room_len));
        let part = (self.count > 1).then_some((self.number, self.count));
        append_message(&self.message, part, text, output);
        self.rest = rest;
        self.number += 1;
        true
    }
}

/// Part count of a text; `None` if above `count_max`.
fn part_count(text: &[u8], room_len: usize, count_max: u32) -> Option<u32> {
    let mut rest = text;
    let mut count = 0;
    while !rest.is_empty() {
        count += 1;
        if count > count_max {
            return None;
        }
        rest = &rest[prefix_len(rest, room_len)..];
    }
    Some(count)
}

/// Text bytes that fit into `room_len` bytes after escaping.
fn prefix_len(text: &[u8], room_len: usize) -> usize {
    if text.len() <= room_len / ESCAPED_LEN {
        return text.len();
    }
    let mut left_len = room_len;
    let fits = |byte: &&u8| {
        let len = escaped_byte_len(**byte);
        let fits = len <= left_len;
        left_len = left_len.saturating_sub(len);
        fits
    };
    char_boundary(text, text.iter().take_while(fits).count())
}

/// Start of the UTF-8 character that `len` would split, or `len`.
fn char_boundary(text: &[u8], len: usize) -> usize {
    let is_continuation = |pos: usize| text[pos] & 0xc0 == 0x80;
    if len == text.len() {
        return len;
    }
    // A UTF-8 character has at most three continuation bytes.
    let start = (len.saturating_sub(3)..=len).rev().find(|pos| !is_continuation(*pos));
    start.filter(|start| *start > 0 && (*start == len || text[*start] >= 0xc0)).unwrap_or(len)
}

fn escaped_byte_len(byte: u8) -> usize {
    if matches!(byte, b'\n' | 0) { ESCAPED_LEN } else { 1 }
}

fn escaped_len(text: &[u8]) -> usize {
    text.len() + memchr::memchr2_iter(b'\n', 0, text).count() * (ESCAPED_LEN - 1)
}

/// Length before the space and text.
fn header_len(message: &Message<'_>, part: Option<(u32, u32)>) -> usize {
    let mut header = Vec::new();
    append_message(message, part, b"", &mut header);
    header.len()
}

/// Appends the message with this text: complete, or part (number, count).
fn append_message(
    message: &Message<'_>,
    part: Option<(u32, u32)>,
    text: &[u8],
    output: &mut Vec<u8>,
) {
    let Some((number, count)) = part else {
        return append_rfc5424(&message.header, message.elements, text, output);
    };
    let (number, count) = (number.to_string(), count.to_string());
    let params = [("id", message.id), ("part", number.as_bytes()), ("parts", count.as_bytes())];
    let mut elements = message.elements.to_vec();
    elements.push(Element { id: SD_ID, params: &params });
    append_rfc5424(&message.header, &elements, text, output);
}

#[cfg(test)]
mod tests;
