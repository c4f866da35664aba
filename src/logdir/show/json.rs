//! Lines as ASCII JSON objects.

use crate::logdir::figures;
use crate::logdir::show::item::Item;
use ::logdir::escape;
use ::logdir::read::lines::Ending;
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;
use std::borrow::Cow;
use std::io::{self, Write};

#[derive(Clone, Debug)]
pub struct Names {
    /// Name for people.
    pub name: String,
    /// Path in the file system.
    pub path: String,
}

/// Fields documented in logdir(1).
#[derive(Serialize)]
struct Object<'a> {
    name: &'a str,
    directory: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    also: Vec<&'a str>,
    file: Cow<'a, str>,
    offset: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    text: Cow<'a, str>,
    #[serde(skip_serializing_if = "is_false")]
    escaped: bool,
    #[serde(skip_serializing_if = "is_false")]
    more: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<&'a str>,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Appends a JSON object and newline.
pub fn append(all_names: &[Names], item: &Item<'_>, cursor: Option<&str>, to: &mut Vec<u8>) {
    let names = &all_names[item.number];
    let (label, text) = match item.stamp {
        Some(stamp) => (Some(&item.line.bytes[..stamp.len]), &item.line.bytes[stamp.end..]),
        None => (None, item.line.bytes),
    };
    let utf8 = std::str::from_utf8(text);
    let object = Object {
        name: &names.name,
        directory: &names.path,
        also: item.others.iter().map(|&number| all_names[number].path.as_str()).collect(),
        file: String::from_utf8_lossy(&item.place.file.name),
        offset: item.place.offset,
        label: label.map(String::from_utf8_lossy),
        time: item.stamp.and_then(|stamp| figures::rfc3339(stamp.moment)),
        text: utf8.map_or_else(|_| Cow::Owned(escape::shown(text)), Cow::Borrowed),
        escaped: utf8.is_err(),
        more: item.line.ending == Ending::Cut,
        cursor,
    };
    // Serializing string keys into memory cannot fail.
    let _ = object.serialize(&mut Serializer::with_formatter(&mut *to, Ascii));
    to.push(b'\n');
}

/// Compact output with `\uHHHH` for everything except printable ASCII: lines are untrusted and may
/// reach a terminal.
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: Write + ?Sized>(
        &mut self,
        to: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(pos) = rest.bytes().position(|byte| !matches!(byte, b' '..=b'~')) {
            let (plain, other) = rest.split_at(pos);
            to.write_all(plain.as_bytes())?;
            let mut chars = other.chars();
            for unit in chars.next().unwrap_or_default().encode_utf16(&mut [0; 2]) {
                write!(to, "\\u{unit:04x}")?;
            }
            rest = chars.as_str();
        }
        to.write_all(rest.as_bytes())
    }
}
