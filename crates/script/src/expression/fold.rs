//! `(?i)`: rewrites a parsed expression into one that lists every case of its letters.
//!
//! regex-syntax can fold cases itself, with a table of pointers: the loader writes 93 KiB of relocated
//! pointers into every `multilog`, also without any expression. The standard library knows the same mappings
//! without pointers; a test compares all characters.

use super::walk::{Change, walk};
use regex_syntax::ast::{
    Ast, ClassAsciiKind, ClassBracketed, ClassSet, ClassSetItem, ClassSetRange, ClassSetUnion,
    Flag, Flags, FlagsItemKind, Literal, LiteralKind, Span,
};
use std::collections::{BTreeMap, BTreeSet};

/// Characters that differ only in case, by their common key.
#[derive(Debug, Default)]
pub struct Cases(BTreeMap<char, Vec<char>>);

impl Cases {
    /// All cased characters of Unicode.
    pub fn new() -> Cases {
        let mut cases: BTreeMap<char, Vec<char>> = BTreeMap::new();
        for character in '\0'..=LAST_CASED {
            let key = key(character);
            let is_cased = key != character || character.is_lowercase() || character.is_uppercase();
            if is_cased {
                cases.entry(key).or_default().push(character);
            }
        }
        Cases(cases)
    }

    /// The characters that match `character` without regard to case, itself included.
    fn of(&self, character: char) -> Vec<char> {
        let others = self.0.get(&key(character)).cloned().unwrap_or_default();
        if others.contains(&character) { others } else { vec![character] }
    }
}

/// No character after this one has cases (Unicode 17).
const LAST_CASED: char = '\u{1ffff}';

/// Turkish letters, which fold to `i` in Turkish only.
const TURKISH: [char; 2] = ['\u{130}', '\u{131}'];

/// Characters whose upper case is several characters, and which fold to each other (CaseFolding.txt, S).
const PAIRS: [(char, char); 3] =
    [('\u{1fd3}', '\u{390}'), ('\u{1fe3}', '\u{3b0}'), ('\u{fb05}', '\u{fb06}')];

/// Simple case folding: equal for characters that differ only in case.
fn key(character: char) -> char {
    if TURKISH.contains(&character) {
        return character;
    }
    if let Some((_, key)) = PAIRS.into_iter().find(|(other, _)| *other == character) {
        return key;
    }
    let upper = single(character.to_uppercase()).unwrap_or(character);
    single(upper.to_lowercase()).unwrap_or(upper)
}

/// A mapping of one character; `None` for a longer mapping.
fn single(mut mapping: impl Iterator<Item = char>) -> Option<char> {
    let first = mapping.next()?;
    mapping.next().is_none().then_some(first)
}

/// True if the expression asks for case folding anywhere.
pub fn is_wanted(expression: &str) -> bool {
    // Every flag group begins so; a false alarm costs a millisecond.
    expression.contains("(?")
}

/// Rewrites the expression in place. `is_on` says if folding is on, and afterwards if it still is.
pub fn fold(ast: &mut Ast, cases: &Cases, is_on: &mut bool) {
    walk(ast, cases, is_on);
}

impl Change for Cases {
    /// Takes `i` out of the group: regex-syntax has no table for it.
    fn take_flag(&self, flags: &mut Flags, is_on: &mut bool) {
        *is_on = flags.flag_state(Flag::CaseInsensitive).unwrap_or(*is_on);
        flags.items.retain(|item| item.kind != FlagsItemKind::Flag(Flag::CaseInsensitive));
    }

    fn change(&self, part: &mut Ast) {
        let Ast::Literal(literal) = part else { return };
        let (span, all) = (literal.span, self.of(literal.c));
        if all.len() > 1 {
            *part = Ast::class_bracketed(bracketed(span, all));
        }
    }

    fn change_item(&self, item: &mut ClassSetItem) {
        match item {
            ClassSetItem::Literal(literal) => {
                let (span, all) = (literal.span, self.of(literal.c));
                *item = ClassSetItem::Union(union(span, all));
            }
            ClassSetItem::Range(range) => {
                let all: BTreeSet<char> = (range.start.c..=range.end.c)
                    .flat_map(|character| self.of(character))
                    .collect();
                *item = ClassSetItem::Union(union(range.span, all));
            }
            ClassSetItem::Ascii(class)
                if matches!(class.kind, ClassAsciiKind::Lower | ClassAsciiKind::Upper) =>
            {
                let all: Vec<char> = ('a'..='z').flat_map(|letter| self.of(letter)).collect();
                let letters = bracketed(class.span, all);
                let negated = class.negated;
                *item = ClassSetItem::Bracketed(Box::new(ClassBracketed { negated, ..letters }));
            }
            _ => {}
        }
    }
}

fn bracketed(span: Span, characters: Vec<char>) -> ClassBracketed {
    ClassBracketed { span, negated: false, kind: ClassSet::union(union(span, characters)) }
}

/// A class of these characters, neighbours as one range.
fn union(span: Span, characters: impl IntoIterator<Item = char>) -> ClassSetUnion {
    let sorted: BTreeSet<char> = characters.into_iter().collect();
    let mut ranges: Vec<(char, char)> = Vec::new();
    for character in sorted {
        match ranges.last_mut() {
            Some((_, last)) if u32::from(*last) + 1 == u32::from(character) => *last = character,
            Some(_) | None => ranges.push((character, character)),
        }
    }
    let literal = |c| Literal { span, kind: LiteralKind::Verbatim, c };
    let range = |(start, end)| {
        ClassSetItem::Range(ClassSetRange { span, start: literal(start), end: literal(end) })
    };
    ClassSetUnion { span, items: ranges.into_iter().map(range).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex_syntax::ParserBuilder;
    use regex_syntax::ast::parse::Parser;
    use regex_syntax::hir::translate::TranslatorBuilder;
    use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

    /// The expression, folded here and by regex-syntax, which has its table in tests.
    #[track_caller]
    fn check(expression: &str) {
        let mut ast = Parser::new().parse(expression).unwrap();
        fold(&mut ast, &Cases::new(), &mut false);
        let ours = TranslatorBuilder::new().build().translate(expression, &ast).unwrap();
        let theirs = ParserBuilder::new().build().parse(expression).unwrap();
        assert_eq!(ours, theirs, "{expression}");
    }

    #[test]
    fn folding_is_as_the_library_does_it() {
        for expression in [
            "a",
            "(?i)a",
            "(?i)überlauf",
            "(?i)k",
            "(?i)ß",
            "(?i)[a-f]",
            "(?i)[^k]",
            "(?i)[[:upper:]]",
            "(?i)[[:^lower:]0]",
            "a(?i)b(?-i)c",
            "(?i:a)b",
            "(?i)a|b",
            "(a(?i)b)c",
            "(?i)[a-z&&[^k]]",
            "(?i)1x+",
            "(?i)i",
            r"(?i)\w\d",
            "(?s-i)a",
            "(?i)[à-ö]{2}",
            r"(?i)\x{e4}",
        ] {
            check(expression);
        }
    }

    /// Cases of a character in regex-syntax.
    fn of_library(character: char) -> Vec<char> {
        let range = ClassUnicodeRange::new(character, character);
        let mut class = ClassUnicode::new([range]);
        class.try_case_fold_simple().unwrap();
        class.iter().flat_map(|range| range.start()..=range.end()).collect()
    }

    #[test]
    fn every_character_has_the_cases_of_the_library() {
        let cases = Cases::new();
        for character in ('\0'..=char::MAX).filter(|character| character.is_alphabetic()) {
            let mut ours: Vec<char> = cases.of(character);
            ours.sort_unstable();
            let theirs = of_library(character);
            // The standard library may know letters of a later Unicode version, which are new as pairs.
            let is_new = ours.iter().all(|&other| of_library(other) == [other]);
            assert!(ours == theirs || is_new, "{character:?}: {ours:?}, not {theirs:?}");
        }
    }
}
