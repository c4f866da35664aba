//! Structured data (RFC 5424 section 6.3): writes and reads `[ID NAME="VALUE" ...]`.

use super::escape::append_hex;
use std::borrow::Cow;

/// SD-NAME limit in bytes (RFC 5424 section 6.3.2).
pub const NAME_LEN_MAX: usize = 32;

/// Output element: id plus named parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    /// SD-ID, such as `timeQuality` or `name@32473`.
    pub id: &'a str,
    /// Names and values, in order.
    pub params: &'a [(&'a str, &'a [u8])],
}

/// True for an SD-NAME: 1 to 32 printable ASCII bytes except `=`, space, `]` and `"`.
pub fn is_name(name: &[u8]) -> bool {
    (1..=NAME_LEN_MAX).contains(&name.len()) && name.iter().all(|byte| is_name_byte(*byte))
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'=' | b']' | b'"')
}

/// Appends elements without separators, or `-` if empty (RFC 5424 section 6.3.1).
pub fn append(elements: &[Element<'_>], output: &mut Vec<u8>) {
    if elements.is_empty() {
        output.push(b'-');
    }
    for element in elements {
        output.push(b'[');
        append_name(element.id, output);
        for (name, value) in element.params {
            append_param(name, value, output);
        }
        output.push(b']');
    }
}

/// Appends space, name and value.
fn append_param(name: &str, value: &[u8], output: &mut Vec<u8>) {
    output.push(b' ');
    append_name(name, output);
    output.extend_from_slice(b"=\"");
    append_value(value, output);
    output.push(b'"');
}

/// Appends at most 32 name bytes; `_` replaces invalid bytes.
fn append_name(name: &str, output: &mut Vec<u8>) {
    if name.is_empty() {
        output.push(b'_');
    }
    if is_name(name.as_bytes()) {
        return output.extend_from_slice(name.as_bytes());
    }
    for byte in name.bytes().take(NAME_LEN_MAX) {
        output.push(if is_name_byte(byte) { byte } else { b'_' });
    }
}

/// Appends a value. A backslash precedes only `"`, `\` and `]` (section 6.3.3). Values are UTF-8:
/// control characters and invalid bytes become the text `\xNN` with an escaped backslash.
fn append_value(value: &[u8], output: &mut Vec<u8>) {
    for chunk in value.utf8_chunks() {
        let mut rest = chunk.valid().as_bytes();
        while let Some(pos) = rest.iter().position(|byte| is_escaped(*byte)) {
            output.extend_from_slice(&rest[..pos]);
            match rest[pos] {
                byte @ (b'"' | b'\\' | b']') => output.extend_from_slice(&[b'\\', byte]),
                control => append_escaped_hex(control, output),
            }
            rest = &rest[pos + 1..];
        }
        output.extend_from_slice(rest);
        chunk.invalid().iter().for_each(|byte| append_escaped_hex(*byte, output));
    }
}

fn is_escaped(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | b']' | 0..=0x1f | 0x7f)
}

fn append_escaped_hex(byte: u8, output: &mut Vec<u8>) {
    output.push(b'\\');
    append_hex(byte, output);
}

/// Length of leading structured data: `-`, or elements. `None` if invalid.
pub(super) fn len_of(bytes: &[u8]) -> Option<usize> {
    if bytes.first() == Some(&b'-') {
        return Some(1);
    }
    let mut len = 0;
    while bytes.get(len) == Some(&b'[') {
        len += element_len(&bytes[len..])?;
    }
    (len > 0).then_some(len)
}

/// Element length, both brackets included.
fn element_len(bytes: &[u8]) -> Option<usize> {
    let mut pos = 1 + name_len(bytes.get(1..)?)?;
    loop {
        match bytes.get(pos)? {
            b']' => return Some(pos + 1),
            b' ' => pos = param_end(bytes, pos + 1)?,
            _ => return None,
        }
    }
}

/// Length of a leading name; accepts longer names than the RFC allows.
fn name_len(bytes: &[u8]) -> Option<usize> {
    let len = bytes.iter().take_while(|byte| is_name_byte(**byte)).count();
    (len > 0).then_some(len)
}

/// End of the parameter at `start`.
fn param_end(bytes: &[u8], start: usize) -> Option<usize> {
    let equals = start + name_len(bytes.get(start..)?)?;
    let value = bytes.get(equals..)?.strip_prefix(b"=\"")?;
    Some(equals + 2 + value_len(value)? + 1)
}

/// Value length before its closing quote.
fn value_len(bytes: &[u8]) -> Option<usize> {
    let mut pos = 0;
    loop {
        pos += memchr::memchr2(b'"', b'\\', bytes.get(pos..)?)?;
        if bytes[pos] == b'"' {
            return Some(pos);
        }
        pos += 2;
    }
}

/// Parameter value from structured data, as in [`Message`](super::Message): searches elements with
/// this id for the first occurrence.
pub fn param<'a>(structured_data: &'a [u8], id: &str, name: &str) -> Option<Cow<'a, [u8]>> {
    let of_id = params(structured_data).filter(|param| param.id == id.as_bytes());
    of_id.into_iter().find(|param| param.name == name.as_bytes()).map(|param| param.value())
}

/// All parameters in order.
pub fn params(structured_data: &[u8]) -> Params<'_> {
    Params { rest: structured_data, id: b"" }
}

/// Parsed parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param<'a> {
    /// SD-ID of its element.
    pub id: &'a [u8],
    /// Parameter name.
    pub name: &'a [u8],
    /// Value as sent, escapes included.
    pub escaped: &'a [u8],
}

impl<'a> Param<'a> {
    /// Unescaped value. A backslash before any other byte is literal (RFC 5424 section 6.3.3).
    pub fn value(&self) -> Cow<'a, [u8]> {
        if memchr::memchr(b'\\', self.escaped).is_none() {
            return Cow::Borrowed(self.escaped);
        }
        let mut value = Vec::with_capacity(self.escaped.len());
        let mut rest = self.escaped;
        while let Some((&byte, after)) = rest.split_first() {
            match after {
                [escaped @ (b'"' | b'\\' | b']'), after @ ..] if byte == b'\\' => {
                    value.push(*escaped);
                    rest = after;
                }
                _ => {
                    value.push(byte);
                    rest = after;
                }
            }
        }
        Cow::Owned(value)
    }
}

/// Iterator over parameters; stops early at malformed structured data.
#[derive(Clone, Debug)]
pub struct Params<'a> {
    rest: &'a [u8],
    id: &'a [u8],
}

impl<'a> Iterator for Params<'a> {
    type Item = Param<'a>;

    fn next(&mut self) -> Option<Param<'a>> {
        loop {
            match self.rest {
                [b'[', after @ ..] => (self.id, self.rest) = after.split_at(name_len(after)?),
                [b']', after @ ..] => self.rest = after,
                [b' ', after @ ..] => {
                    let end = param_end(after, 0)?;
                    let (name, value) = after.split_at(name_len(after)?);
                    let escaped = &value[2..end - name.len() - 1];
                    self.rest = &after[end..];
                    return Some(Param { id: self.id, name, escaped });
                }
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests;
