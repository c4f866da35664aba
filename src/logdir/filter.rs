//! Which lines are wanted: those that match every `--grep` and no `--not`. Patterns see the text behind
//! the stamp, as bytes.

use regex::bytes::{Regex, RegexBuilder};

/// The patterns.
#[derive(Debug, Default)]
pub struct Filter {
    grep: Vec<Regex>,
    not: Vec<Regex>,
}

impl Filter {
    /// Reads the patterns. What is wrong with one, where it is.
    pub fn new(grep: &[String], not: &[String]) -> Result<Filter, String> {
        Ok(Filter { grep: parse_all(grep)?, not: parse_all(not)? })
    }

    /// Whether a line is wanted.
    pub fn is_wanted(&self, text: &[u8]) -> bool {
        self.grep.iter().all(|pattern| pattern.is_match(text))
            && !self.not.iter().any(|pattern| pattern.is_match(text))
    }

    /// The first match of any `--grep`, to be highlighted.
    pub fn find(&self, text: &[u8]) -> Option<std::ops::Range<usize>> {
        let matches = self.grep.iter().filter_map(|pattern| pattern.find(text));
        matches.map(|found| found.range()).filter(|range| !range.is_empty()).min_by_key(|r| r.start)
    }
}

fn parse_all(patterns: &[String]) -> Result<Vec<Regex>, String> {
    let parse = |pattern: &String| {
        // Logs are bytes, and a line that is no UTF-8 is one all the same.
        RegexBuilder::new(pattern).unicode(false).build().map_err(|error| {
            let why = error.to_string();
            let why =
                why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            format!("unable to understand the pattern {pattern}: {why}")
        })
    };
    patterns.iter().map(parse).collect()
}
