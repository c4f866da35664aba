//! An fnmatch pattern, a newline, and a line: the answer is that of the C library, which has no NUL.
#![no_main]

use libfuzzer_sys::fuzz_target;
use script::expression::Expression;
use std::ffi::CString;

/// The C library goes back at every star and takes too long for more.
const PATTERN_MAX: usize = 30;

fuzz_target!(|input: &[u8]| {
    let end = input.iter().position(|&byte| byte == b'\n').unwrap_or(input.len());
    let (pattern, line) = (&input[..end], input.get(end + 1..).unwrap_or_default());
    let (Ok(c_pattern), Ok(c_line)) = (CString::new(pattern), CString::new(line)) else { return };
    if pattern.len() > PATTERN_MAX || line.len() > PATTERN_MAX || names_a_letter(pattern) {
        return;
    }
    let expression = Expression::fnmatch(pattern).expect("a short pattern is never refused");
    // SAFETY: both are strings that end in NUL and live until the call returns.
    let expected = unsafe { libc::fnmatch(c_pattern.as_ptr(), c_line.as_ptr(), 0) == 0 };
    assert_eq!(expression.matches(line), expected);
});

/// What a name means that is not well formed depends on whether the C library has found its answer
/// before it comes to it.
fn names_a_letter(pattern: &[u8]) -> bool {
    pattern.windows(2).any(|pair| pair[0] == b'[' && b"=.:".contains(&pair[1]))
}
