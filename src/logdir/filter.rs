//! Line filter: a line passes if every `--grep`, any `--regexp` and no `--not` matches. Patterns
//! see the text after the stamp.
//!
//! Rules as for `X` in multilog(8): in UTF-8 lines `.` matches a character and `(?i)` folds case of
//! every letter. Other lines are searched as bytes, too.

use crate::logdir::options::Patterns;
use regex::bytes::{Regex, RegexBuilder};

#[derive(Debug, Default)]
pub struct Filter {
    all_of: Vec<Pattern>,
    any_of: Vec<Pattern>,
    none_of: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    text: Regex,
    /// Used for lines with invalid UTF-8. `None` if the expression needs text, such as `[äöü]`.
    bytes: Option<Regex>,
}

impl Filter {
    /// Compiles the patterns. `Err` names the invalid pattern and the reason.
    pub fn new(patterns: &Patterns) -> Result<Filter, String> {
        let parse_all = |texts: &[String]| -> Result<Vec<Pattern>, String> {
            texts.iter().map(|text| Pattern::parse(text, patterns.ignore_case)).collect()
        };
        Ok(Filter {
            all_of: parse_all(&patterns.grep)?,
            any_of: parse_all(&patterns.regexp)?,
            none_of: parse_all(&patterns.not)?,
        })
    }

    pub fn is_wanted(&self, text: &[u8]) -> bool {
        self.all_of.iter().all(|pattern| pattern.is_match(text))
            && (self.any_of.is_empty() || self.any_of.iter().any(|pattern| pattern.is_match(text)))
            && !self.none_of.iter().any(|pattern| pattern.is_match(text))
    }

    /// First match of any `--grep` or `--regexp`, for highlighting.
    pub fn find(&self, text: &[u8]) -> Option<std::ops::Range<usize>> {
        let matches =
            self.all_of.iter().chain(&self.any_of).filter_map(|pattern| pattern.find(text));
        matches.filter(|range| !range.is_empty()).min_by_key(|r| r.start)
    }
}

impl Pattern {
    fn parse(pattern: &str, ignore_case: bool) -> Result<Pattern, String> {
        let build = |is_text: bool| {
            RegexBuilder::new(pattern).unicode(is_text).case_insensitive(ignore_case).build()
        };
        let text = build(true).map_err(|error| {
            let why = error.to_string();
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("unable to understand the pattern {pattern}: {why}")
        })?;
        Ok(Pattern { text, bytes: build(false).ok() })
    }

    fn is_match(&self, line: &[u8]) -> bool {
        self.text.is_match(line) || self.bytes_for(line).is_some_and(|bytes| bytes.is_match(line))
    }

    fn find(&self, line: &[u8]) -> Option<std::ops::Range<usize>> {
        let as_bytes = || self.bytes_for(line)?.find(line);
        self.text.find(line).or_else(as_bytes).map(|found| found.range())
    }

    fn bytes_for(&self, line: &[u8]) -> Option<&Regex> {
        self.bytes.as_ref().filter(|_| str::from_utf8(line).is_err())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, ignore_case: bool, line: &[u8], expected: Option<&[u8]>) {
        let grep = vec![pattern.to_owned()];
        let patterns = Patterns { grep, regexp: Vec::new(), not: Vec::new(), ignore_case };
        let filter = Filter::new(&patterns).expect(pattern);
        assert_eq!(filter.is_wanted(line), expected.is_some(), "{pattern}");
        assert_eq!(filter.find(line).map(|range| &line[range]), expected, "{pattern}");
    }

    #[test]
    fn a_line_that_is_utf8_is_text_and_other_bytes_match_too() {
        check("[Üü]berlauf", false, "Überlauf".as_bytes(), Some("Überlauf".as_bytes()));
        check("überlauf", false, "Überlauf".as_bytes(), None);
        check("(?i)überlauf", false, "ÜBERLAUF".as_bytes(), Some("ÜBERLAUF".as_bytes()));
        check("überlauf", true, "Überlauf".as_bytes(), Some("Überlauf".as_bytes()));
        check("^.$", false, "ü".as_bytes(), Some("ü".as_bytes()));
        check("^a.b$", false, b"a\xffb", Some(b"a\xffb"));
        check(r"\xff", false, b"a\xffb", Some(b"\xff"));
        check("[äöü]$", false, "\u{fc}".as_bytes(), Some("ü".as_bytes()));
        check("disk", false, b"\xff disk full", Some(b"disk"));
        check(r"^\w+$", false, "größe".as_bytes(), Some("größe".as_bytes()));
    }

    #[test]
    fn lines_match_all_of_grep_any_of_regexp_and_none_of_not() {
        let strings = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        let patterns = Patterns {
            grep: strings(&["a", "b"]),
            regexp: strings(&["1", "2"]),
            not: strings(&["x", "y"]),
            ignore_case: false,
        };
        let filter = Filter::new(&patterns).expect("patterns");
        for (line, expected) in
            [("ab1", true), ("ba2", true), ("a1", false), ("ab", false), ("ab1y", false)]
        {
            assert_eq!(filter.is_wanted(line.as_bytes()), expected, "{line}");
        }
    }
}
