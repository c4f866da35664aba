//! fnmatch patterns (`F`) and regular expressions (`X`), each compiled into a lazily built
//! automaton that reads every byte of a line once.
//!
//! A regular expression reads UTF-8 lines as text: `.` matches a character, `(?i)` folds any
//! letter's case. For other lines it also matches bytes: `.` and `\xff` match invalid UTF-8. `\b`
//! knows ASCII letters only. An fnmatch pattern matches bytes, as in the C locale.
//!
//! `X` of multilog(8) has an [`Expression`], `--grep` of logdir(1) a [`Finder`]: equal regular
//! expressions match equal lines.

mod finder;

pub use finder::Finder;

mod fold;
mod perl;
mod walk;

use crate::presentation::{Presentation, Presenter};
use regex_automata::Input;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{Compiler, Config, WhichCaptures};
use regex_syntax::Error as SyntaxError;
use regex_syntax::ast::parse::Parser;
use regex_syntax::hir::translate::TranslatorBuilder;
use regex_syntax::hir::{Capture, Hir, HirKind, Look, Repetition};
use std::cell::RefCell;
use std::fmt;
use std::fmt::Write;

/// Memory limit of one automaton before its first line, in bytes. Larger patterns are refused.
const AUTOMATON_MAX: usize = 1024 * 1024;
/// Bytes of cached states per automaton; a full cache starts over.
pub const CACHE_MAX: usize = 512 * 1024;

/// Compiled pattern.
#[derive(Clone, Debug)]
pub struct Expression {
    /// Pattern as typed.
    written: Vec<u8>,
    /// Boxed, because a script may have a thousand star patterns.
    automata: Box<Automata<Automaton>>,
}

/// Automata of a pattern, one per alphabet.
#[derive(Clone, Debug)]
struct Automata<A> {
    /// Text automaton; byte automaton if the pattern excludes text.
    first: A,
    /// Byte automaton for invalid UTF-8.
    bytes: Option<A>,
}

#[derive(Clone, Debug)]
struct Automaton {
    rules: DFA,
    /// Lazily built part.
    cache: RefCell<Cache>,
}

/// Alphabet: characters or bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alphabet {
    Text,
    Bytes,
}

/// Compares patterns as typed.
impl PartialEq for Expression {
    fn eq(&self, other: &Expression) -> bool {
        self.written == other.written
    }
}

impl Eq for Expression {}

/// Why a pattern cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadExpression {
    text: Vec<u8>,
    /// Position of the syntax error, if known.
    pos: Option<usize>,
    reason: String,
}

impl fmt::Display for BadExpression {
    /// One line; a known position adds two lines that point there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = visible(&self.text);
        write!(f, "unable to understand expression {shown}")?;
        match self.pos {
            Some(pos) => {
                let column = visible(&self.text[..pos]).chars().count();
                write!(f, ", byte {}: {}\n  {shown}\n  {:column$}^", pos + 1, self.reason, "")
            }
            None => write!(f, ": {}", self.reason),
        }
    }
}

impl Expression {
    /// Compiles an fnmatch(3) pattern, which must match the whole line. Every pattern is valid;
    /// only excessive size is refused.
    ///
    /// # Errors
    /// The pattern needs too much memory.
    pub fn fnmatch(pattern: &[u8]) -> Result<Expression, BadExpression> {
        let first = Automaton::new(pattern, &fnmatch_as_regex(pattern), Alphabet::Bytes)?;
        Ok(Expression::of(pattern, Automata { first, bytes: None }))
    }

    /// Compiles a regular expression in the syntax of crate `regex`; it may match anywhere in a
    /// line.
    ///
    /// # Errors
    /// Invalid syntax with its position, or too much memory.
    pub fn regex(expression: &[u8]) -> Result<Expression, BadExpression> {
        let automata = Automata::of_regex(expression, |regex, alphabet| {
            Automaton::new(expression, regex, alphabet)
        })?;
        Ok(Expression::of(expression, automata))
    }

    fn of(written: &[u8], automata: Automata<Automaton>) -> Expression {
        Expression { written: written.to_vec(), automata: Box::new(automata) }
    }

    /// True if it matches.
    pub fn matches(&self, line: &[u8]) -> bool {
        self.automata.search(line, |automaton| automaton.matches(line).then_some(())).is_some()
    }

    /// Pattern as typed.
    pub fn text(&self) -> &[u8] {
        &self.written
    }
}

impl<A> Automata<A> {
    /// Compiles the text form and the byte form of a regular expression.
    fn of_regex(
        expression: &[u8],
        compile: impl Fn(&str, Alphabet) -> Result<A, BadExpression>,
    ) -> Result<Automata<A>, BadExpression> {
        let escaped: String = expression.iter().map(|&byte| escaped_byte(byte)).collect();
        let bytes = compile(&escaped, Alphabet::Bytes);
        let Ok(text) = str::from_utf8(expression) else {
            return Ok(Automata { first: bytes?, bytes: None });
        };
        let first = compile(text, Alphabet::Text)?;
        // A text-only expression, such as a letter class, has no byte form.
        Ok(Automata { first, bytes: bytes.ok() })
    }

    /// Searches with the first automaton, then as bytes if the line is not UTF-8.
    fn search<T>(&self, line: &[u8], search: impl Fn(&A) -> Option<T>) -> Option<T> {
        search(&self.first).or_else(|| {
            let bytes = self.bytes.as_ref()?;
            if str::from_utf8(line).is_ok() { None } else { search(bytes) }
        })
    }
}

impl Automaton {
    fn new(written: &[u8], regex: &str, alphabet: Alphabet) -> Result<Automaton, BadExpression> {
        let parsed = parse(written, regex, alphabet, false)?;
        let config = Config::new()
            .utf8(false)
            .which_captures(WhichCaptures::None)
            .nfa_size_limit(Some(AUTOMATON_MAX));
        let compiled = Compiler::new().configure(config).build_from_hir(&parsed);
        let rules = compiled.ok().and_then(|compiled| {
            let config = DFA::config().cache_capacity(CACHE_MAX);
            DFA::builder().configure(config).build_from_nfa(compiled).ok()
        });
        let rules = rules.ok_or_else(|| too_large(written))?;
        let cache = RefCell::new(rules.create_cache());
        Ok(Automaton { rules, cache })
    }

    fn matches(&self, line: &[u8]) -> bool {
        let input = Input::new(line).earliest(true);
        let found = self.rules.try_search_fwd(&mut self.cache.borrow_mut(), &input);
        // Errors mean a full cache or a quit byte; this automaton has neither.
        found.is_ok_and(|end| end.is_some())
    }
}

/// Parses `regex`, the form of `written` for this alphabet. Bytes have the cases of ASCII, text has
/// those of Unicode.
fn parse(
    written: &[u8],
    regex: &str,
    alphabet: Alphabet,
    mut ignores_case: bool,
) -> Result<Hir, BadExpression> {
    let is_text = alphabet == Alphabet::Text;
    let mut syntax =
        Parser::new().parse(regex).map_err(|error| refused(written, &error.into(), alphabet))?;
    if is_text && (ignores_case || fold::is_wanted(regex)) {
        fold::fold(&mut syntax, &fold::Cases::new(), &mut ignores_case);
        ignores_case = false;
    }
    if perl::is_wanted(regex) {
        perl::spell_out(&mut syntax, &mut { is_text });
    }
    let mut translator = TranslatorBuilder::new();
    translator.unicode(is_text).utf8(false).case_insensitive(ignores_case);
    let translated = translator.build().translate(regex, &syntax);
    translated.map(with_ascii_words).map_err(|error| refused(written, &error.into(), alphabet))
}

fn too_large(written: &[u8]) -> BadExpression {
    let reason = "it needs too much memory".to_owned();
    BadExpression { text: written.to_vec(), pos: None, reason }
}

/// The expression with word boundaries of ASCII: an automaton that reads bytes once cannot know others.
fn with_ascii_words(expression: Hir) -> Hir {
    match expression.into_kind() {
        HirKind::Look(look) => Hir::look(match look {
            Look::WordUnicode => Look::WordAscii,
            Look::WordUnicodeNegate => Look::WordAsciiNegate,
            Look::WordStartUnicode => Look::WordStartAscii,
            Look::WordEndUnicode => Look::WordEndAscii,
            Look::WordStartHalfUnicode => Look::WordStartHalfAscii,
            Look::WordEndHalfUnicode => Look::WordEndHalfAscii,
            other => other,
        }),
        HirKind::Repetition(Repetition { min, max, greedy, sub }) => {
            let sub = Box::new(with_ascii_words(*sub));
            Hir::repetition(Repetition { min, max, greedy, sub })
        }
        HirKind::Capture(Capture { index, name, sub }) => {
            let sub = Box::new(with_ascii_words(*sub));
            Hir::capture(Capture { index, name, sub })
        }
        HirKind::Concat(parts) => Hir::concat(parts.into_iter().map(with_ascii_words).collect()),
        HirKind::Alternation(parts) => {
            Hir::alternation(parts.into_iter().map(with_ascii_words).collect())
        }
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(literal) => Hir::literal(literal.0),
        HirKind::Class(class) => Hir::class(class),
    }
}

fn refused(text: &[u8], error: &SyntaxError, alphabet: Alphabet) -> BadExpression {
    let (pos, reason) = match error {
        SyntaxError::Parse(error) => (Some(error.span().start.offset), error.kind().to_string()),
        SyntaxError::Translate(error) => {
            (Some(error.span().start.offset), error.kind().to_string())
        }
        other => (None, other.to_string()),
    };
    let pos = pos.map(|pos| match alphabet {
        Alphabet::Text => pos,
        Alphabet::Bytes => written_pos(text, pos),
    });
    BadExpression { text: text.to_vec(), pos, reason }
}

/// Maps a position in the escaped expression back to the typed text.
fn written_pos(text: &[u8], pos: usize) -> usize {
    let mut escaped_len = 0;
    let before = text.iter().take_while(|&&byte| {
        escaped_len += escaped_byte(byte).len();
        escaped_len <= pos
    });
    before.count()
}

/// Escapes a byte above ASCII, so the automaton reads one byte.
fn escaped_byte(byte: u8) -> String {
    if byte.is_ascii() { char::from(byte).to_string() } else { format!("\\x{byte:02x}") }
}

/// Printable form for a terminal.
fn visible(text: &[u8]) -> String {
    let presentation = Presentation { is_escaped: true, ..Presentation::default() };
    let lines = text.split(|&byte| byte == b'\n');
    let shown: Vec<Vec<u8>> =
        lines.map(|line| Presenter::new(presentation.clone(), false).line(line)).collect();
    String::from_utf8_lossy(&shown.join(&b"\\x0a"[..])).into_owned()
}

/// Translates an fnmatch pattern into a regular expression that matches identical lines.
///
/// Rules of fnmatch(3) without flags in the C locale: `*` matches any bytes, `?` any single byte,
/// `[...]` a byte from a set; a backslash quotes the next byte.
fn fnmatch_as_regex(pattern: &[u8]) -> String {
    let mut regex = String::from("(?s)\\A");
    let mut rest = pattern;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'*' => regex.push_str(".*"),
            b'?' => regex.push('.'),
            b'[' => match parse_set(behind) {
                Some((set, behind)) => {
                    push_set(&mut regex, &set);
                    rest = behind;
                }
                None => push_byte(&mut regex, b'['),
            },
            b'\\' => match behind.split_first() {
                Some((&byte, behind)) => {
                    push_byte(&mut regex, byte);
                    rest = behind;
                }
                // A trailing backslash never matches.
                None => push_set(&mut regex, &[false; 256]),
            },
            byte => push_byte(&mut regex, byte),
        }
    }
    regex.push_str("\\z");
    regex
}

/// Membership of each byte.
type Set = [bool; 256];

/// An unknown class or letter name never matches, so the rest of the pattern is irrelevant.
const NOTHING: (Set, &[u8]) = ([false; 256], b"");

/// Parses a set after its opening bracket; returns the set and the rest of the pattern. `None`
/// without a closing bracket: the opening bracket is then literal.
fn parse_set(text: &[u8]) -> Option<(Set, &[u8])> {
    let (is_negated, mut rest) = match text {
        [b'!' | b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut set = [false; 256];
    let mut is_first = true;
    loop {
        match rest {
            [b']', behind @ ..] if !is_first => {
                set.iter_mut().for_each(|member| *member ^= is_negated);
                return Some((set, behind));
            }
            [b'[', b':', behind @ ..] if class_len(behind).is_some() => {
                let (name, behind) = behind.split_at(class_len(behind)?);
                let Some(is_member) = class(name) else { return Some(NOTHING) };
                (0..=255).for_each(|byte| set[usize::from(byte)] |= is_member(&byte));
                rest = &behind[2..];
            }
            [b'[', b'=', byte, b'=', b']', behind @ ..] => {
                set[usize::from(*byte)] = true;
                rest = behind;
            }
            [b'[', b'.', behind @ ..] if !matches!(behind, [_, b'.', b']', ..]) => {
                return Some(NOTHING);
            }
            _ => {
                let (first, behind) = parse_member(rest)?;
                let (last, behind) = match behind {
                    // Measured: glibc never matches an unterminated range; any other unterminated
                    // set is a literal bracket.
                    [b'-'] => return Some(NOTHING),
                    [b'-', end, ..] if *end != b']' => parse_member(&behind[1..])?,
                    _ => (first, behind),
                };
                (first..=last).for_each(|byte| set[usize::from(byte)] = true);
                rest = behind;
            }
        }
        is_first = false;
    }
}

/// Parses one set member: plain, backslash-escaped, or `[.a.]`.
fn parse_member(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [b'[', b'.', byte, b'.', b']', behind @ ..] | [b'\\', byte, behind @ ..] => {
            Some((*byte, behind))
        }
        [b'\\'] | [] => None,
        [byte, behind @ ..] => Some((*byte, behind)),
    }
}

/// Length of a class name that ends in `:]`, if present.
fn class_len(text: &[u8]) -> Option<usize> {
    let len = text.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
    text[len..].starts_with(b":]").then_some(len)
}

fn class(name: &[u8]) -> Option<fn(&u8) -> bool> {
    Some(match name {
        b"alnum" => u8::is_ascii_alphanumeric,
        b"alpha" => u8::is_ascii_alphabetic,
        b"blank" => |byte| matches!(byte, b' ' | b'\t'),
        b"cntrl" => u8::is_ascii_control,
        b"digit" => u8::is_ascii_digit,
        b"graph" => u8::is_ascii_graphic,
        b"lower" => u8::is_ascii_lowercase,
        b"print" => |byte| matches!(byte, b' '..=b'~'),
        b"punct" => u8::is_ascii_punctuation,
        b"space" => |byte| matches!(byte, b'\t'..=b'\r' | b' '),
        b"upper" => u8::is_ascii_uppercase,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    })
}

fn push_byte(regex: &mut String, byte: u8) {
    // Writing to memory cannot fail.
    let _ = write!(regex, "\\x{byte:02x}");
}

fn push_set(regex: &mut String, set: &Set) {
    if !set.contains(&true) {
        regex.push_str("[^\\x00-\\xff]");
        return;
    }
    regex.push('[');
    (0..=255).filter(|&byte| set[usize::from(byte)]).for_each(|byte| push_byte(regex, byte));
    regex.push(']');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        make: fn(&[u8]) -> Result<Expression, BadExpression>,
        pattern: &[u8],
        lines: [&[&[u8]]; 2],
    ) {
        let expression = make(pattern).expect("a good expression");
        for (line, expected) in lines
            .iter()
            .zip([true, false])
            .flat_map(|(lines, expected)| lines.iter().map(move |line| (line, expected)))
        {
            let (pattern, line_shown) = (pattern.escape_ascii(), line.escape_ascii());
            assert_eq!(expression.matches(line), expected, "{pattern} on {line_shown}");
        }
    }

    #[track_caller]
    fn check_fnmatch(pattern: &[u8], matching: &[&[u8]], others: &[&[u8]]) {
        check(Expression::fnmatch, pattern, [matching, others]);
    }

    #[track_caller]
    fn check_regex(pattern: &[u8], matching: &[&[u8]], others: &[&[u8]]) {
        check(Expression::regex, pattern, [matching, others]);
    }

    #[test]
    fn an_fnmatch_pattern_matches_the_whole_line() {
        check_fnmatch(b"", &[b""], &[b"a"]);
        check_fnmatch(b"abc", &[b"abc"], &[b"", b"ab", b"abcd", b"xabc", b"ABC"]);
        check_fnmatch(b"*", &[b"", b"a", b"\0\xff"], &[]);
        check_fnmatch(b"*ab", &[b"ab", b"aab", b"abab"], &[b"aba"]);
        check_fnmatch(b"a?c", &[b"abc", b"a\xffc", b"a\0c", b"a*c"], &[b"ac", b"abbc"]);
        check_fnmatch(b"**a**", &[b"a", b"bab"], &[b"", b"b"]);
    }

    #[test]
    fn sets_are_those_of_fnmatch() {
        check_fnmatch(b"[a-c]", &[b"a", b"b", b"c"], &[b"", b"d", b"-", b"ab"]);
        check_fnmatch(b"[!a-c]", &[b"d", b"-", b"\xff"], &[b"a", b""]);
        check_fnmatch(b"[^a]", &[b"^", b"b"], &[b"a"]);
        check_fnmatch(b"[]a]", &[b"]", b"a"], &[b"[]a]"]);
        check_fnmatch(b"[!]a]", &[b"b"], &[b"]", b"a"]);
        check_fnmatch(b"[a", &[b"[a"], &[b"a"]);
        check_fnmatch(b"[-", &[b"[-"], &[b"-"]);
        check_fnmatch(b"[a-", &[], &[b"[a-", b"a", b"-"]);
        check_fnmatch(b"*[!a-", &[], &[b"x[!a-", b"x"]);
        check_fnmatch(b"[--", &[], &[b"[--"]);
        check_fnmatch(b"[a--", &[b"[a--"], &[]);
        check_fnmatch(b"[a-b-", &[b"[a-b-"], &[]);
        check_fnmatch(b"[a-]", &[b"a", b"-"], &[b"b"]);
        check_fnmatch(b"[c-a]x", &[], &[b"ax", b"bx", b"cx"]);
        check_fnmatch(b"[[:digit:][:upper:]]", &[b"1", b"A"], &[b"a", b":", b"["]);
        check_fnmatch(b"[[=a=][.b.]]", &[b"a", b"b"], &[b"=", b"."]);
        check_fnmatch(b"[[=a=]-c][[.a.]-c]", &[b"-b", b"ac"], &[b"bb"]);
        check_fnmatch(b"[[:word:]a]", &[], &[b"a", b":a]", b"[[:word:]a]"]);
        check_fnmatch(b"[\\]]", &[b"]"], &[b"\\"]);
        check_fnmatch(b"[abc", &[b"[abc"], &[b"a", b"abc"]);
        check_fnmatch(b"[", &[b"["], &[b""]);
        check_fnmatch(b"[\xe0-\xff]", &[b"\xe9"], &[b"e"]);
    }

    #[test]
    fn a_backslash_takes_the_meaning_away() {
        check_fnmatch(b"\\*", &[b"*"], &[b"a", b"\\*"]);
        check_fnmatch(b"\\[a]", &[b"[a]"], &[b"a"]);
        check_fnmatch(b"a\\", &[], &[b"a", b"a\\"]);
    }

    #[test]
    fn a_regular_expression_matches_anywhere_and_bytes() {
        check_regex(b"", &[b"", b"a"], &[]);
        check_regex(b"b+c", &[b"abbc", b"bc"], &[b"ac", b"b"]);
        check_regex(
            b"^a.c$",
            &[b"abc", b"a\xffc", b"a\0c", "aüc".as_bytes()],
            &[b"xabc", b"abcd", "aüüc".as_bytes()],
        );
        check_regex(b"^(GET|POST) ", &[b"GET /", b"POST /"], &[b" GET /", b"PUT /"]);
        check_regex(b"[[:space:]][0-9]{3}$", &[b"x 404"], &[b"x404"]);
    }

    #[test]
    fn text_that_is_utf_8_matches_as_text() {
        let [upper, lower] = ["Überlauf".as_bytes(), "ein überlauf".as_bytes()];
        check_regex("(?i)überlauf".as_bytes(), &[upper, lower], &[b"uberlauf"]);
        check_regex("[Üü]berlauf".as_bytes(), &[upper, lower], &["Öberlauf".as_bytes()]);
        check_regex("^é+$".as_bytes(), &["éé".as_bytes()], &[b"\xc3\xa9\xa9x", b"e"]);
        check_regex(b"^.$", &["\u{1f600}".as_bytes(), b"x"], &["éé".as_bytes()]);
        check_regex(b"^[^a]b$", &["éb".as_bytes(), b"\xffb"], &[b"ab"]);
        check_regex(b"^\\w+$", &["Größe".as_bytes()], &[b"a b"]);
        check_regex(b"\\bab\\b", &[b"x ab y", "ü ab ü".as_bytes()], &[b"abc"]);
        check_regex("\\bab\\b.*(?i)Ü".as_bytes(), &["x ab ü".as_bytes()], &["abc ü".as_bytes()]);
    }

    #[test]
    fn bytes_that_are_no_utf_8_match_as_bytes() {
        check_regex(b"[\xe9]", &[b"\xe9"], &[b"e"]);
        check_regex(b"\\xe9", &[b"x\xe9", "é".as_bytes()], &[b"e"]);

        check_regex(b"(?-u:\\xff)", &[b"\xff"], &[b"x"]);
        check_regex(
            "fehler: ü".as_bytes(),
            &["\u{ff} fehler: ü".as_bytes(), "fehler: ü\u{0}".as_bytes()],
            &[],
        );
        check_regex("ü$".as_bytes(), &[b"\xff \xc3\xbc"], &[b"\xff"]);
    }

    #[track_caller]
    fn check_refused(expression: &[u8], expected: &str) {
        let refused = Expression::regex(expression).expect_err("a bad expression");
        assert_eq!(refused.to_string(), expected);
    }

    #[test]
    fn a_bad_expression_is_refused_with_its_place() {
        check_refused(
            b"a(b",
            "unable to understand expression a(b, byte 2: unclosed group\n  a(b\n   ^",
        );
        check_refused(
            b"+b",
            "unable to understand expression +b, byte 1: \
             repetition operator missing expression\n  +b\n  ^",
        );
        check_refused(
            b"\xc3\xa9\x1b[a",
            "unable to understand expression é\\x1b[a, byte 4: unclosed character class\n  \
             é\\x1b[a\n       ^",
        );
        check_refused(
            b"a{1000}{1000}",
            "unable to understand expression a{1000}{1000}: it needs too much memory",
        );
    }
}
