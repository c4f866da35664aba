//! fnmatch(3) of the C library.
#![allow(unsafe_code, reason = "the C library is what is compared with")]

use std::ffi::CString;

/// Whether the pattern matches the text, neither of which contains NUL, in the C locale.
pub fn fnmatch(pattern: &[u8], text: &[u8]) -> bool {
    let string = |bytes: &[u8]| CString::new(bytes).expect("no NUL");
    let (pattern, text) = (string(pattern), string(text));
    // SAFETY: both are strings that end in NUL and live until the call returns.
    unsafe { libc::fnmatch(pattern.as_ptr(), text.as_ptr(), 0) == 0 }
}
