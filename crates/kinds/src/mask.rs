//! A line to its kind: what varies is replaced.
//!
//! [`RULES`] is the definition: at each byte the first rule that matches there replaces what it matches;
//! without one the byte is copied. [`mask`] only leaves out positions at which no rule can match.

mod rules;

use rules::{RULES, Rule, starts};
use std::ops::Range;

/// Bytes of a line that decide about its kind.
pub const LINE_LEN_MAX: usize = 2048;
/// Bytes of a kind's text; longer ones are cut.
pub const KIND_LEN_MAX: usize = 256;

/// A kind's text, and where its line has addresses. Reused from line to line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Masked {
    /// The kind's text, any bytes.
    pub text: Vec<u8>,
    /// Places of IP and mail addresses in the line.
    pub addresses: Vec<Range<usize>>,
}

impl Masked {
    fn clear(&mut self) {
        self.text.clear();
        self.addresses.clear();
    }

    /// Appends what the first matching rule makes of `pos`; the position after it.
    fn step(&mut self, line: &[u8], pos: usize) -> usize {
        let class = starts::OF[usize::from(line[pos])];
        let mut rules = RULES.iter().filter(|rule| rule.starts & class != 0);
        let found = rules.find_map(|rule| Some((rule, (rule.find)(line, pos)?)));
        let Some((rule, range)) = found else {
            self.text.push(line[pos]);
            return pos + 1;
        };
        self.replace(rule, line, pos, range)
    }

    fn replace(&mut self, rule: &Rule, line: &[u8], pos: usize, range: Range<usize>) -> usize {
        assert!(pos <= range.start && range.start < range.end && range.end <= line.len());
        self.text.extend_from_slice(&line[pos..range.start]);
        self.text.extend_from_slice(rule.becomes);
        if rule.is_address {
            self.addresses.push(range.clone());
        }
        range.end
    }
}

/// Masks a line without its stamp and newline.
pub fn mask(line: &[u8], masked: &mut Masked) {
    masked.clear();
    let line = &line[..line.len().min(LINE_LEN_MAX)];
    let mut pos = 0;
    while pos < line.len() && masked.text.len() < KIND_LEN_MAX {
        let plain_len = plain_len(line, pos);
        if plain_len > 0 {
            masked.text.extend_from_slice(&line[pos..pos + plain_len]);
            pos += plain_len;
        } else {
            pos = masked.step(line, pos);
        }
    }
    masked.text.truncate(KIND_LEN_MAX);
}

/// What the table of [`CLASSES`] knows of a byte.
const OTHER: u8 = 0;
/// Letters, `-` and `_`: no rule matches nothing but these, except names after a key.
const WORD: u8 = 1;
/// Bytes at which a rule may match, or which may continue a match that began with letters.
const SPECIAL: u8 = 2;

const CLASSES: [u8; 256] = {
    let mut classes = [OTHER; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'_' => WORD,
            b'0'..=b'9' | b'.' | b'+' | b'@' | b':' | b'"' | b'<' | b'/' => SPECIAL,
            _ => OTHER,
        };
        byte += 1;
    }
    classes
};

/// Length of plain bytes after `pos`, where no rule can match; may be 0.
fn plain_len(line: &[u8], pos: usize) -> usize {
    let class = |pos: usize| line.get(pos).map_or(OTHER, |&byte| CLASSES[usize::from(byte)]);
    match class(pos) {
        OTHER => {
            let end = line[pos..].iter().position(|&byte| CLASSES[usize::from(byte)] != OTHER);
            end.unwrap_or(line.len() - pos)
        }
        // Within a word only digits begin a match.
        WORD if pos > 0
            && line[pos].is_ascii_alphabetic()
            && line[pos - 1].is_ascii_alphanumeric() =>
        {
            let len = line[pos..].iter().position(|byte| !byte.is_ascii_alphabetic());
            len.unwrap_or(line.len() - pos)
        }
        WORD if !rules::is_after_key(line, pos) => {
            let len = line[pos..].iter().position(|&byte| CLASSES[usize::from(byte)] != WORD);
            let len = len.unwrap_or(line.len() - pos);
            if class(pos + len) == SPECIAL { 0 } else { letters_len(line, pos..pos + len) }
        }
        _ => 0,
    }
}

/// Bytes of a run of words before the first word that matches without digits.
fn letters_len(line: &[u8], run: Range<usize>) -> usize {
    let mut pos = run.start;
    while pos < run.end {
        let len = line[pos..run.end].iter().position(|byte| !byte.is_ascii_alphabetic());
        let len = len.unwrap_or(run.end - pos);
        if rules::is_varying_word(line, pos..pos + len) {
            break;
        }
        pos += len + 1;
    }
    pos.min(run.end) - run.start
}

#[cfg(test)]
mod tests;
