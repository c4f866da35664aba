//! Reference reader, slow and obvious: all files in memory, split at newlines. Tests and the fuzzer
//! compare the real reader with it.

/// Trailing zeros dropped as power-cut damage, from this count on.
pub const ZEROS_LEN: usize = 16;

/// A log file.
#[derive(Clone)]
pub struct File {
    /// True if its writer finished it, so an unfinished line continues in the next file.
    pub is_whole: bool,
    pub contents: Vec<u8>,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.is_whole { "whole" } else { "broken" };
        write!(f, "{kind} \"{}\"", self.contents.escape_ascii())
    }
}

/// Splits consecutive files into lines. `is_stamped` is true for lines that begin with a stamp;
/// such a line never continues another line.
pub fn lines(files: &[File], mut is_stamped: impl FnMut(&[u8]) -> bool) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    // Unfinished line so far.
    let mut held: Vec<u8> = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let first = file.contents.split(|&byte| byte == b'\n').next().unwrap_or_default();
        if !held.is_empty() && is_stamped(first) {
            lines.extend(without_zeros(std::mem::take(&mut held)));
        }
        for part in file.contents.split_inclusive(|&byte| byte == b'\n') {
            held.extend_from_slice(part);
            if held.last() == Some(&b'\n') {
                held.pop();
                lines.push(std::mem::take(&mut held));
            }
        }
        if !file.is_whole || number + 1 == files.len() {
            lines.extend(without_zeros(std::mem::take(&mut held)));
        }
    }
    lines
}

/// Unfinished line without trailing zeros; `None` if empty.
fn without_zeros(mut line: Vec<u8>) -> Option<Vec<u8>> {
    let text_len = line.iter().rposition(|&byte| byte != 0).map_or(0, |pos| pos + 1);
    if line.len() - text_len >= ZEROS_LEN {
        line.truncate(text_len);
    }
    (!line.is_empty()).then_some(line)
}
