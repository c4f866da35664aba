//! Patterns, a line each, and a last line: the tree of all patterns decides as trying each does.
#![no_main]

use libfuzzer_sys::fuzz_target;
use multilog::pattern;
use multilog::script::Action;
use multilog::select::{HEAD_MAX, Selector};

fuzz_target!(|input: &[u8]| {
    let mut lines: Vec<&[u8]> = input.split(|&byte| byte == b'\n').collect();
    let last = lines.pop().unwrap_or_default();
    let head = &last[..last.len().min(HEAD_MAX)];
    let mut selected = true;
    let mut actions = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let matches = pattern::matches(line, head);
        // Every third pattern selects.
        if number % 3 == 2 {
            actions.push(Action::Select(line.to_vec()));
            selected |= matches;
        } else {
            actions.push(Action::Deselect(line.to_vec()));
            selected &= !matches;
        }
    }
    actions.push(Action::Alert);
    let mut taken = [!selected];
    Selector::new(&actions).judge(head, &mut taken);
    assert_eq!(taken, [selected]);
});
