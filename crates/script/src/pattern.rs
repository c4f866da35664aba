//! One pattern in any of three languages, and the star matching of 0.76.

use crate::expression::{BadExpression, CACHE_MAX, Expression};
use crate::head::seen_by_patterns;
use memchr::memchr;

/// Pattern language.
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

/// Pattern after `+` or `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// A star pattern; see [`matches()`].
    Stars(Vec<u8>),
    /// fnmatch pattern: must match the head visible to star patterns.
    Fnmatch(Expression),
    /// Regular expression: may match anywhere after the stamp.
    Regex(Expression),
}

impl Pattern {
    /// Most memory that matching allocates after the start, in bytes.
    pub fn growth_max(&self) -> usize {
        match self {
            Pattern::Stars(_) => 0,
            Pattern::Fnmatch(_) => CACHE_MAX,
            // One automaton for text, and one for bytes.
            Pattern::Regex(_) => 2 * CACHE_MAX,
        }
    }

    /// Compiles a pattern.
    pub fn new(language: Language, text: &[u8]) -> Result<Pattern, BadExpression> {
        match language {
            Language::Stars => Ok(Pattern::Stars(text.to_vec())),
            Language::Fnmatch => Expression::fnmatch(text).map(Pattern::Fnmatch),
            Language::Regex => Expression::regex(text).map(Pattern::Regex),
        }
    }

    /// True if the pattern matches the line that starts with `head`; stamp and following space take
    /// `stamp_len` bytes.
    pub fn matches(&self, head: &[u8], stamp_len: usize) -> bool {
        match self {
            Pattern::Stars(pattern) => matches(pattern, seen_by_patterns(head)),
            Pattern::Fnmatch(pattern) => pattern.matches(seen_by_patterns(head)),
            Pattern::Regex(expression) => expression.matches(&head[stamp_len..]),
        }
    }

    /// True for the usual match-all pattern.
    pub fn is_any_line(&self) -> bool {
        match self {
            Pattern::Stars(pattern) => pattern == b"*",
            Pattern::Fnmatch(pattern) => pattern.text() == b"*",
            Pattern::Regex(expression) => matches!(expression.text(), b"" | b".*"),
        }
    }

    /// Pattern as typed.
    pub fn text(&self) -> &[u8] {
        match self {
            Pattern::Stars(text) => text,
            Pattern::Fnmatch(expression) | Pattern::Regex(expression) => expression.text(),
        }
    }
}

/// True if `pattern` matches all of `line`.
///
/// Any byte except `*` is literal. A final star matches any rest. A star before a byte skips to the
/// first such byte and never tries a later occurrence, so `*ab` does not match `aab`. By this rule,
/// a star before a star skips to the first literal `*` of the line: `**` matches `a*b` but not `ab`
/// (measured with 0.76; its manual page differs).
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

    /// Byte-wise rule of multilog(8).
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
