//! Which lines are wanted: those that match every `--grep`, any `--regexp` and no `--not`. Patterns see the
//! text after the stamp, as bytes.

use crate::logdir::options::Patterns;
use regex::bytes::{Regex, RegexBuilder};

/// The patterns.
#[derive(Debug, Default)]
pub struct Filter {
    all_of: Vec<Regex>,
    any_of: Vec<Regex>,
    none_of: Vec<Regex>,
}

impl Filter {
    /// Reads the patterns. The error says what is wrong with which.
    pub fn new(patterns: &Patterns) -> Result<Filter, String> {
        let parse_all = |texts: &[String]| -> Result<Vec<Regex>, String> {
            texts.iter().map(|text| parse(text, patterns.ignore_case)).collect()
        };
        Ok(Filter {
            all_of: parse_all(&patterns.grep)?,
            any_of: parse_all(&patterns.regexp)?,
            none_of: parse_all(&patterns.not)?,
        })
    }

    /// True if a line with this text is wanted.
    pub fn is_wanted(&self, text: &[u8]) -> bool {
        self.all_of.iter().all(|pattern| pattern.is_match(text))
            && (self.any_of.is_empty() || self.any_of.iter().any(|pattern| pattern.is_match(text)))
            && !self.none_of.iter().any(|pattern| pattern.is_match(text))
    }

    /// The first match of any pattern that lines have to match, to be highlighted.
    pub fn find(&self, text: &[u8]) -> Option<std::ops::Range<usize>> {
        let matches =
            self.all_of.iter().chain(&self.any_of).filter_map(|pattern| pattern.find(text));
        matches.map(|found| found.range()).filter(|range| !range.is_empty()).min_by_key(|r| r.start)
    }
}

fn parse(pattern: &str, ignore_case: bool) -> Result<Regex, String> {
    // Lines are bytes, and need not be UTF-8.
    let parsed = RegexBuilder::new(pattern).unicode(false).case_insensitive(ignore_case).build();
    parsed.map_err(|error| {
        let why = error.to_string();
        let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        format!("unable to understand the pattern {pattern}: {why}")
    })
}
