//! Rules that may match at a position, chosen by cheap tests: a superset of the matching rules.

use super::rules::{
    BASE64, BASE64_LEN_MIN, BRACKETED, BRACKETED_MAIL, DATE, DATE_WORD_LEN, HEX_LEN_MIN, HOST, ID,
    IP_V4, IP_V6, MAIL, MIXED_LEN_MIN, NAME, NUMBER, PATH, QUOTED, RuleSet, URL, UUID,
    VALUE_LEN_MIN, is_after_key,
};

/// Bytes of the first group of an IPv6 address, at most.
const IP_V6_GROUP_LEN_MAX: usize = 4;
/// Bytes of a part of an IPv4 address, at most.
const IP_V4_PART_LEN_MAX: usize = 3;
/// Bytes of the first group of a UUID.
const UUID_GROUP_LEN: usize = 8;

/// What a word consists of.
const DIGIT: u8 = 1;
const HEX_LETTER: u8 = 2;
const LETTER: u8 = 4;

const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'0'..=b'9' => DIGIT,
            b'a'..=b'f' | b'A'..=b'F' => HEX_LETTER,
            b'g'..=b'z' | b'G'..=b'Z' => LETTER,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

fn class(byte: u8) -> u8 {
    CLASSES[usize::from(byte)]
}

/// The rules that may match at a position. `is_mail` is true where a local part of a mail address begins.
pub fn of(line: &[u8], pos: usize, is_mail: bool) -> RuleSet {
    let mail = if is_mail { MAIL } else { 0 };
    match line[pos] {
        b'"' => QUOTED,
        b'<' => BRACKETED_MAIL | BRACKETED,
        b':' => URL | IP_V6,
        b'/' => PATH | BASE64,
        b'+' => mail | BASE64,
        b'.' | b'_' | b'-' => mail | NAME,
        byte if class(byte) == 0 => 0,
        _ if pos > 0 && class(line[pos - 1]) != 0 => NUMBER,
        _ => mail | of_word(line, pos),
    }
}

/// The rules that may match a word from its start.
fn of_word(line: &[u8], pos: usize) -> RuleSet {
    let (mut end, mut classes) = (pos, 0);
    while let Some(&byte) = line.get(end)
        && class(byte) != 0
    {
        classes |= class(byte);
        end += 1;
    }
    let (len, next) = (end - pos, line.get(end).copied().unwrap_or_default());
    let name = if is_after_key(line, pos) { NAME } else { 0 };
    name | by_next(len, next, classes) | by_content(&line[pos..end], classes)
}

fn by_next(len: usize, next: u8, classes: u8) -> RuleSet {
    let base64 = if len >= BASE64_LEN_MIN { BASE64 } else { 0 };
    let is_hex = classes & LETTER == 0;
    base64
        | match next {
            b'.' if classes == DIGIT && len <= IP_V4_PART_LEN_MAX => IP_V4 | HOST,
            b'.' => HOST,
            b'-' if is_hex && len == UUID_GROUP_LEN => HOST | UUID,
            b'-' => HOST,
            b':' if is_hex && len <= IP_V6_GROUP_LEN_MAX => IP_V6,
            b'+' | b'/' => BASE64,
            _ => 0,
        }
}

fn by_content(word: &[u8], classes: u8) -> RuleSet {
    let is_hex = classes & LETTER == 0;
    match word.len() {
        _ if classes == DIGIT => NUMBER,
        len if classes & DIGIT != 0 => {
            let has_prefix = matches!(word, [b'0', b'x', ..] | [b'v', ..]);
            let may_be_id = is_hex && len >= VALUE_LEN_MIN || len >= MIXED_LEN_MIN || has_prefix;
            if may_be_id { ID | NUMBER } else { NUMBER }
        }
        DATE_WORD_LEN => DATE,
        HEX_LEN_MIN.. => ID,
        _ => 0,
    }
}
