//! Lines as JSON, one object each, in ASCII.

use crate::calendar::Calendar;
use crate::logdir_command::show::emit::Item;
use crate::reader::escape;
use crate::sys::local_time;
use std::fmt::Write as _;

/// What a directory is called.
#[derive(Clone, Debug)]
pub struct Names {
    /// By people.
    pub name: String,
    /// By the system.
    pub path: String,
}

/// Appends a line as an object: `name`, `directory`, `file`, `offset`, `label` (the stamp as it stands
/// there) and `time` (RFC 3339, universal) where there is a stamp, and `text`. A text that is no UTF-8 has its
/// bytes as `\xHH`, and `"escaped":true`. A piece of a line has `"more":true` unless it is the last. The
/// cursor comes last.
pub fn append(names: &Names, item: Item<'_>, cursor: Option<&str>, to: &mut Vec<u8>) {
    to.extend_from_slice(b"{\"name\":");
    append_string(&names.name, to);
    to.extend_from_slice(b",\"directory\":");
    append_string(&names.path, to);
    to.extend_from_slice(b",\"file\":");
    append_string(&String::from_utf8_lossy(&item.place.file.name), to);
    to.extend_from_slice(format!(",\"offset\":{}", item.place.offset).as_bytes());
    let mut text = item.line.bytes;
    if let Some(stamp) = item.stamp {
        to.extend_from_slice(b",\"label\":");
        append_string(&String::from_utf8_lossy(&text[..stamp.len]), to);
        let mut time = Vec::new();
        let mut calendar = Calendar::new(local_time::universal);
        if calendar.append(stamp.moment.unix_secs, stamp.moment.nanos, &mut time) {
            to.extend_from_slice(b",\"time\":");
            append_string(&(String::from_utf8_lossy(&time).replace(' ', "T") + "Z"), to);
        }
        text = &text[stamp.end..];
    }
    to.extend_from_slice(b",\"text\":");
    append_text(text, to);
    if item.line.ending == crate::reader::lines::Ending::Cut {
        to.extend_from_slice(b",\"more\":true");
    }
    if let Some(cursor) = cursor {
        // There is nothing in it to be escaped.
        to.extend_from_slice(format!(",\"cursor\":\"{cursor}\"").as_bytes());
    }
    to.extend_from_slice(b"}\n");
}

fn append_text(text: &[u8], to: &mut Vec<u8>) {
    match std::str::from_utf8(text) {
        Ok(text) => append_string(text, to),
        Err(_) => {
            let mut escaped = Vec::new();
            escape::append(text, &mut escaped);
            append_string(&String::from_utf8_lossy(&escaped), to);
            to.extend_from_slice(b",\"escaped\":true");
        }
    }
}

fn append_string(text: &str, to: &mut Vec<u8>) {
    let mut string = String::with_capacity(text.len() + 2);
    string.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => string.extend(['\\', char]),
            ' '..='~' => string.push(char),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    // Writing to a string cannot fail.
                    let _ = write!(string, "\\u{unit:04x}");
                }
            }
        }
    }
    string.push('"');
    to.extend_from_slice(string.as_bytes());
}
