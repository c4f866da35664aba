//! Words of trouble: a kind is trouble if a word of its text begins with one of them.

use ::logdir::failure::reason;
use std::io::Read as _;
use std::path::Path;

/// The words without `--words`.
const WORDS: [&str; 27] = [
    "abort",
    "alert",
    "cannot",
    "corrupt",
    "crash",
    "critical",
    "denied",
    "dropped",
    "emerg",
    "error",
    "exception",
    "exceeded",
    "fail",
    "fatal",
    "i/o error",
    "illegal",
    "killed",
    "no space",
    "out of memory",
    "panic",
    "refuse",
    "reject",
    "segfault",
    "timed out",
    "timeout",
    "unable",
    "unreachable",
];
/// Bytes of a list of words.
const LEN_MAX: usize = 64 * 1024;

/// A list of words in lower case.
pub struct Words(Vec<Vec<u8>>);

impl Words {
    /// Reads a list, one word or phrase a line; lines that begin with `#` are comments.
    pub fn read(file: Option<&Path>) -> Result<Words, String> {
        let Some(file) = file else {
            return Ok(Words(WORDS.iter().map(|word| word.as_bytes().to_vec()).collect()));
        };
        let name = file.display();
        let mut text = Vec::new();
        std::fs::File::open(file)
            .and_then(|file| file.take(LEN_MAX as u64 + 1).read_to_end(&mut text))
            .map_err(|error| format!("unable to read the words in {name}: {}", reason(&error)))?;
        if text.len() > LEN_MAX {
            return Err(format!("the words in {name} are longer than {LEN_MAX} bytes"));
        }
        let words = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
        let words = words.filter(|word| !word.is_empty() && !word.starts_with(b"#"));
        Ok(Words(words.map(<[u8]>::to_ascii_lowercase).collect()))
    }

    pub fn are_in(&self, text: &[u8]) -> bool {
        let text = text.to_ascii_lowercase();
        let begins = |pos: usize| pos == 0 || !text[pos - 1].is_ascii_alphabetic();
        self.0.iter().any(|word| memchr::memmem::find_iter(&text, word.as_slice()).any(begins))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_list_is_refused() {
        let refused = Words::read(Some(Path::new("/dev/zero"))).err();
        let expected = format!("the words in /dev/zero are longer than {LEN_MAX} bytes");
        assert_eq!(refused, Some(expected));
    }

    #[test]
    fn a_word_counts_from_its_beginning() {
        let words = Words::read(None).expect("the list of the program");
        for text in ["Error", "errors", "I/O ERROR", "said:_refused", "x: timed out"] {
            assert!(words.are_in(text.as_bytes()), "{text}");
        }
        for text in ["", "terror", "fine", "undenied"] {
            assert!(!words.are_in(text.as_bytes()), "{text}");
        }
    }
}
