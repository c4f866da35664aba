//! One pattern, in any of the three languages, and how the star patterns of 0.76 match.

use crate::expression::{BadExpression, Expression};
use crate::head::seen_by_patterns;
use memchr::memchr;

/// In which language patterns are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// The stars of 0.76 (`S`).
    #[default]
    Stars,
    /// fnmatch(3) (`F`).
    Fnmatch,
    /// Regular expressions (`X`).
    Regex,
}

/// What follows a `+` or `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// A star pattern; see [`matches()`].
    Stars(Vec<u8>),
    /// An fnmatch pattern, for the whole of the line as a star pattern sees it.
    Fnmatch(Expression),
    /// A regular expression, for any part of the line behind its stamp.
    Regex(Expression),
}

impl Pattern {
    /// A pattern of the language.
    pub fn new(language: Language, text: &[u8]) -> Result<Pattern, BadExpression> {
        match language {
            Language::Stars => Ok(Pattern::Stars(text.to_vec())),
            Language::Fnmatch => Expression::fnmatch(text).map(Pattern::Fnmatch),
            Language::Regex => Expression::regex(text).map(Pattern::Regex),
        }
    }

    /// Whether it matches a line, of which `head` is the beginning; `stamp_len` bytes of it are the
    /// stamp and the space behind it.
    pub fn matches(&self, head: &[u8], stamp_len: usize) -> bool {
        match self {
            Pattern::Stars(pattern) => matches(pattern, seen_by_patterns(head)),
            Pattern::Fnmatch(pattern) => pattern.matches(seen_by_patterns(head)),
            Pattern::Regex(expression) => expression.matches(&head[stamp_len..]),
        }
    }

    /// Whether it is the usual way to say that any line matches.
    pub fn is_any_line(&self) -> bool {
        match self {
            Pattern::Stars(pattern) => pattern == b"*",
            Pattern::Fnmatch(pattern) => pattern.text() == b"*",
            Pattern::Regex(expression) => matches!(expression.text(), b"" | b".*"),
        }
    }

    /// Returns the pattern as typed.
    pub fn text(&self) -> &[u8] {
        match self {
            Pattern::Stars(text) => text,
            Pattern::Fnmatch(expression) | Pattern::Regex(expression) => expression.text(),
        }
    }
}

/// Whether `pattern` matches the whole of `line`.
///
/// A byte other than `*` stands for itself. A star at the end matches any rest. A star followed by a
/// byte skips to the first such byte and never looks for a later one, so `*ab` does not match `aab`.
/// A star followed by a star skips, by the same rule, to the first literal `*` of the line: `**`
/// matches `a*b` and not `ab` (0.76 as measured; its manual page says otherwise).
pub fn matches(pattern: &[u8], line: &[u8]) -> bool {
    let (mut pattern, mut line) = (pattern, line);
    while let Some((&wanted, behind)) = pattern.split_first() {
        if wanted == b'*' {
            let Some(&next) = behind.first() else {
                return true;
            };
            let Some(skipped) = memchr(next, line) else {
                return false;
            };
            line = &line[skipped..];
        } else {
            let Some((&found, rest)) = line.split_first() else {
                return false;
            };
            if found != wanted {
                return false;
            }
            line = rest;
        }
        pattern = behind;
    }
    line.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn star_and_fnmatch_patterns_see_1000_bytes_and_expressions_what_is_behind_the_stamp() {
        let line = [b"@stamp ".as_slice(), &b"x".repeat(992), b"end"].concat();
        let matching = |language, text: &[u8]| {
            let pattern = Pattern::new(language, text).expect("a good pattern");
            pattern.matches(&line, 7)
        };
        for language in [Language::Stars, Language::Fnmatch] {
            assert!(matching(language, b"@*e"));
            assert!(!matching(language, b"@*end"));
        }
        assert!(matching(Language::Regex, b"^x+end$"));
        assert!(!matching(Language::Regex, b"@"));
    }

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        for line in matching {
            assert!(matches(pattern.as_bytes(), line.as_bytes()), "{pattern:?} matches {line:?}");
        }
        for line in others {
            assert!(!matches(pattern.as_bytes(), line.as_bytes()), "{pattern:?} refuses {line:?}");
        }
    }

    #[test]
    fn a_pattern_matches_the_whole_line() {
        check("", &[""], &["a"]);
        check("abc", &["abc"], &["", "ab", "abcd", "xabc", "abC"]);
        check("?[a]\\", &["?[a]\\"], &["xa", "?a\\"]);
    }

    #[test]
    fn a_star_skips_to_the_first_byte_behind_it() {
        check("*", &["", "a", "*", "\n"], &[]);
        check("*a", &["a", "ba"], &["", "b", "ab", "aba"]);
        check("a*", &["a", "ab"], &["", "ba"]);
        check("*ab", &["ab", "xab"], &["aab", "abab"]);
        check("* status: *", &["@x status: local", " status: "], &["@x y status: local"]);
    }

    #[test]
    fn two_stars_look_for_a_literal_star() {
        check("**", &["*", "a*b", "a*"], &["", "abc"]);
        check("***", &["*", "a*b"], &["", "abc"]);
        check("**a", &["*a", "x*ya"], &["a", "xa", "*b"]);
    }

    #[test]
    fn bytes_are_compared_as_bytes() {
        assert!(matches(b"*\xff\0", b"a\x80\xff\0"));
        assert!(!matches(b"*\xff", b"a\x7f"));
    }

    /// The rule of multilog(8), one byte at a time.
    fn slow(pattern: &[u8], line: &[u8]) -> bool {
        let (mut at, mut pos) = (0, 0);
        while at < pattern.len() {
            if pattern[at] != b'*' {
                if line.get(pos) != Some(&pattern[at]) {
                    return false;
                }
                pos += 1;
            } else if at + 1 == pattern.len() {
                return true;
            } else {
                while pos < line.len() && line[pos] != pattern[at + 1] {
                    pos += 1;
                }
                if pos == line.len() {
                    return false;
                }
            }
            at += 1;
        }
        pos == line.len()
    }

    fn few_letters() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(proptest::sample::select(b"ab* \xff\0".to_vec()), 0..12)
    }

    proptest! {
        #[test]
        fn agrees_with_the_slow_matcher(pattern in few_letters(), line in few_letters()) {
            prop_assert_eq!(matches(&pattern, &line), slow(&pattern, &line));
        }
    }
}
