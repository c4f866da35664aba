//! A star pattern, a newline, and a line: the answer is that of the rule, one byte at a time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use script::pattern;

fuzz_target!(|input: &[u8]| {
    let end = input.iter().position(|&byte| byte == b'\n').unwrap_or(input.len());
    let (pattern, line) = (&input[..end], input.get(end + 1..).unwrap_or_default());
    assert_eq!(pattern::matches(pattern, line), slow(pattern, line));
});

/// A star skips to the first byte that is what comes behind it, and at the end over everything.
fn slow(pattern: &[u8], line: &[u8]) -> bool {
    let mut rest = line.iter().copied().peekable();
    let mut behind = pattern.iter().copied().peekable();
    while let Some(wanted) = behind.next() {
        match (wanted, behind.peek()) {
            (b'*', None) => return true,
            (b'*', Some(next)) => {
                while rest.peek().is_some_and(|found| found != next) {
                    rest.next();
                }
                if rest.peek().is_none() {
                    return false;
                }
            }
            _ if rest.next() == Some(wanted) => {}
            _ => return false,
        }
    }
    rest.next().is_none()
}
