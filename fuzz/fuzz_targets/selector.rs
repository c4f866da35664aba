//! Patterns, a line each, and a last line: the selector decides as doing every action in turn does.
//!
//! A line that begins with `F` or `X` is an fnmatch pattern or an expression, any other a star pattern.
#![no_main]

use libfuzzer_sys::fuzz_target;
use script::Action;
use script::head::HEAD_MAX;
use script::pattern::{Language, Pattern};
use script::select::Selector;
use script::settings::InForce;

fuzz_target!(|input: &[u8]| {
    let mut lines: Vec<&[u8]> = input.split(|&byte| byte == b'\n').collect();
    let last = lines.pop().unwrap_or_default();
    let head = &last[..last.len().min(HEAD_MAX)];
    let mut selected = true;
    let mut actions = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let Some(pattern) = parse(line) else { return };
        let matches = pattern.matches(head, 0);
        // Every third pattern selects.
        if number % 3 == 2 {
            selected |= matches;
            actions.push(Action::Select(pattern));
        } else {
            selected &= !matches;
            actions.push(Action::Deselect(pattern));
        }
    }
    let in_force = InForce::default();
    actions.extend([in_force.alert(), Action::SelectRest, in_force.log("./d".as_ref())]);
    let mut selector = Selector::new(&actions);
    // Lines before it must not matter, nor that it has come before.
    for line in [last, b"", &last[last.len() / 2..], last] {
        let route = selector.judge(&line[..line.len().min(HEAD_MAX)], 0);
        let taken = (route.heads.contains(&0), route.bytes.contains(&1));
        if line == last {
            assert_eq!(taken, (selected, !selected));
        }
    }
});

/// None where the pattern is refused.
fn parse(line: &[u8]) -> Option<Pattern> {
    match line {
        [b'F', text @ ..] => Pattern::new(Language::Fnmatch, text).ok(),
        [b'X', text @ ..] => Pattern::new(Language::Regex, text).ok(),
        text => Pattern::new(Language::Stars, text).ok(),
    }
}
