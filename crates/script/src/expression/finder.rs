//! Searches lines for a regular expression's first match, faster than a script's expressions: it
//! looks for the expression's literals first.

use super::{Alphabet, Automata, BadExpression, parse, too_large};
use regex_automata::meta::{Config, Regex};
use std::ops::Range;

/// Memory limit of one automaton before its first line, in bytes. Larger than a script's limit: a
/// search has few expressions, and `(?i)` and `\w` need much.
const AUTOMATON_MAX: usize = 10 * 1024 * 1024;

/// Regular expression that finds where it matches. Matches lines as
/// [`Expression::regex`](super::Expression::regex) does.
#[derive(Clone, Debug)]
pub struct Finder(Automata<Regex>);

impl Finder {
    /// Compiles a regular expression. With `ignores_case` it matches as if it started with `(?i)`.
    ///
    /// # Errors
    /// Invalid syntax with its position, or too much memory.
    pub fn new(expression: &[u8], ignores_case: bool) -> Result<Finder, BadExpression> {
        let compile = |regex: &str, alphabet: Alphabet| {
            let parsed = parse(expression, regex, alphabet, ignores_case)?;
            let config = Config::new().utf8_empty(false).nfa_size_limit(Some(AUTOMATON_MAX));
            let compiled = Regex::builder().configure(config).build_from_hir(&parsed);
            compiled.map_err(|_| too_large(expression))
        };
        Automata::of_regex(expression, compile).map(Finder)
    }

    /// True if it matches.
    pub fn matches(&self, line: &[u8]) -> bool {
        self.0.search(line, |regex| regex.is_match(line).then_some(())).is_some()
    }

    /// Bytes of the leftmost match.
    pub fn find(&self, line: &[u8]) -> Option<Range<usize>> {
        self.0.search(line, |regex| regex.find(line)).map(|found| found.range())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Expression;
    use proptest::prelude::*;

    #[track_caller]
    fn check(expression: &str, ignores_case: bool, line: &[u8], expected: Option<&[u8]>) {
        let finder = Finder::new(expression.as_bytes(), ignores_case).expect(expression);
        assert_eq!(finder.matches(line), expected.is_some(), "{expression}");
        assert_eq!(finder.find(line).map(|range| &line[range]), expected, "{expression}");
    }

    #[test]
    fn the_leftmost_match_is_found_in_text_and_in_bytes() {
        check("[Üü]berlauf", false, "Überlauf".as_bytes(), Some("Überlauf".as_bytes()));
        check("überlauf", false, "Überlauf".as_bytes(), None);
        check("(?i)überlauf", false, "ÜBERLAUF".as_bytes(), Some("ÜBERLAUF".as_bytes()));
        check("überlauf", true, "x Überlauf".as_bytes(), Some("Überlauf".as_bytes()));
        check("^.$", false, "ü".as_bytes(), Some("ü".as_bytes()));
        check("b+|ab", false, b"aabb", Some(b"ab"));
        check("b*", false, b"aab", Some(b""));
        check("^a.b$", false, b"a\xffb", Some(b"a\xffb"));
        check(r"\xff", false, b"a\xffb", Some(b"\xff"));
        check("[äöü]$", false, "\u{fc}".as_bytes(), Some("ü".as_bytes()));
        check("disk", false, b"\xff disk full", Some(b"disk"));
        check(r"^\w+$", false, "größe".as_bytes(), Some("größe".as_bytes()));
        check(r"\bab\b", false, "xab üabü".as_bytes(), Some(b"ab"));
        check(r"\w{99}", true, &[b'x'; 100], Some(&[b'x'; 99]));
    }

    #[test]
    fn a_bad_expression_is_refused_with_its_place() {
        let refused = Finder::new(b"a(b", true).expect_err("a bad expression");
        assert_eq!(refused, Expression::regex(b"a(b").expect_err("a bad expression"));
        let refused = Finder::new(b"a{1000}{1000}{1000}", false).expect_err("a large expression");
        assert!(refused.to_string().ends_with(": it needs too much memory"), "{refused}");
    }

    proptest! {
        #[test]
        fn equal_expressions_match_equal_lines(
            expression in r"([aü.]|\\b|\\xff|[\^$]|\\w|\[\^a\]|\\pL|é\+|a\*|\|){1,6}",
            line in proptest::collection::vec(
                prop_oneof![Just("a"), Just("b"), Just("ü"), Just(" "), Just("é")], 0..6),
            cut in 0..6_usize,
        ) {
            let mut line = line.concat().into_bytes();
            // Some lines are not UTF-8.
            if cut < line.len() {
                line[cut] = 0xff;
            }
            let expected = Expression::regex(expression.as_bytes()).ok();
            let finder = Finder::new(expression.as_bytes(), false).ok();
            prop_assert_eq!(
                finder.map(|finder| (finder.matches(&line), finder.find(&line).is_some())),
                expected.map(|expected| (expected.matches(&line), expected.matches(&line)))
            );
        }
    }
}
