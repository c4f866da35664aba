//! What is read as a label is one, and is written as it was read; moments come back as they were.
#![no_main]

use libfuzzer_sys::fuzz_target;
use logdir::label::{LABEL_LEN, Label, NANOS_PER_SEC};

fuzz_target!(|input: &[u8]| {
    match Label::parse(input) {
        Some(label) => check_label(label, &input[..LABEL_LEN]),
        None => assert!(!is_label(input)),
    }
    if let Some((secs, rest)) = input.split_first_chunk()
        && let Some((nanos, _)) = rest.split_first_chunk()
    {
        check_moment(i64::from_le_bytes(*secs), u32::from_le_bytes(*nanos) % NANOS_PER_SEC);
    }
});

fn check_label(label: Label, text: &[u8]) {
    assert!(is_label(text));
    assert_eq!(label.format(), text);
    let (secs, nanos) = label.to_unix();
    assert_eq!(Label::from_unix(secs, nanos), label);
    let next = label.next();
    // Only behind the very last one there is none.
    assert!(next > label || text.starts_with(b"@ffffffffffffffff"));
    assert!(next.format() > label.format() || next <= label);
}

fn check_moment(secs: i64, nanos: u32) {
    let label = Label::from_unix(secs, nanos);
    assert_eq!(label.to_unix(), (secs, nanos));
    assert_eq!(Label::parse(&label.format()), Some(label));
}

/// `@`, 24 lowercase digits, and nanoseconds that make no second.
fn is_label(text: &[u8]) -> bool {
    let digits = text.get(1..LABEL_LEN).unwrap_or_default();
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let nanos = digits.get(16..).and_then(|digits| str::from_utf8(digits).ok());
    text.starts_with(b"@")
        && digits.iter().all(is_digit)
        && nanos
            .is_some_and(|nanos| u32::from_str_radix(nanos, 16).is_ok_and(|it| it < NANOS_PER_SEC))
}
