//! Line filter: a line passes if every `--grep`, any `--regexp` and no `--not` matches. Patterns
//! see the text after the stamp, by the rules for `X` in multilog(8).

use crate::logdir::options::Patterns;
use script::expression::{BadExpression, Finder};

#[derive(Debug, Default)]
pub struct Filter {
    all_of: Vec<Finder>,
    any_of: Vec<Finder>,
    none_of: Vec<Finder>,
}

impl Filter {
    /// Compiles the patterns. `Err` names the invalid pattern and the reason.
    pub fn new(patterns: &Patterns) -> Result<Filter, String> {
        let parse_all = |texts: &[String]| -> Result<Vec<Finder>, String> {
            let finders =
                texts.iter().map(|text| Finder::new(text.as_bytes(), patterns.ignore_case));
            finders.collect::<Result<_, BadExpression>>().map_err(|bad| bad.to_string())
        };
        Ok(Filter {
            all_of: parse_all(&patterns.grep)?,
            any_of: parse_all(&patterns.regexp)?,
            none_of: parse_all(&patterns.not)?,
        })
    }

    /// True if every line passes.
    pub fn is_empty(&self) -> bool {
        self.all_of.is_empty() && self.any_of.is_empty() && self.none_of.is_empty()
    }

    pub fn is_wanted(&self, text: &[u8]) -> bool {
        self.all_of.iter().all(|pattern| pattern.matches(text))
            && (self.any_of.is_empty() || self.any_of.iter().any(|pattern| pattern.matches(text)))
            && !self.none_of.iter().any(|pattern| pattern.matches(text))
    }

    /// First match of any `--grep` or `--regexp`, for highlighting.
    pub fn find(&self, text: &[u8]) -> Option<std::ops::Range<usize>> {
        let matches =
            self.all_of.iter().chain(&self.any_of).filter_map(|pattern| pattern.find(text));
        matches.filter(|range| !range.is_empty()).min_by_key(|r| r.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_match_that_is_not_empty_is_found() {
        let grep = ["x*", "öl"].map(str::to_owned).to_vec();
        let regexp = vec!["[a-z]l".to_owned()];
        let filter = Filter::new(&Patterns { grep, regexp, not: Vec::new(), ignore_case: true });
        let text = "ab ÖL el".as_bytes();
        assert_eq!(filter.expect("patterns").find(text), Some(3..6));
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
