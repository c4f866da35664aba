//! Invariants of parsed fields, shared by tests and fuzzer.

use super::{Sender, parse};

/// Range of a slice within `message`.
fn range_in(message: &[u8], slice: &[u8]) -> std::ops::Range<usize> {
    let start = slice.as_ptr() as usize - message.as_ptr() as usize;
    assert!(start + slice.len() <= message.len());
    start..start + slice.len()
}

/// Checks field order, text position at the end, and punctuation-only gaps between fields.
pub fn check_fields(bytes: &[u8], sender: Sender<'_>) {
    let message = parse(bytes, sender);
    let end = bytes.len() - usize::from(matches!(bytes.last(), Some(b'\n' | 0)));
    let mut fields: Vec<_> = [
        message.time,
        message.host,
        message.program,
        message.pid,
        message.msgid,
        message.structured_data,
    ]
    .into_iter()
    .flatten()
    .map(|field| range_in(bytes, field))
    .collect();
    fields.push(if message.text.is_empty() { end..end } else { range_in(bytes, message.text) });
    let mut pos = if message.pri.is_some() {
        let mut pri = Vec::new();
        message.pri_or_default().append_to(&mut pri);
        assert!(bytes.starts_with(&pri));
        pri.len()
    } else {
        0
    };
    for field in &fields {
        assert!(pos <= field.start, "fields overlap in {bytes:?}");
        // Gaps: version, spaces, `-`, tag punctuation, BOM.
        let between = bytes[pos..field.start].iter();
        let mut lost = between.filter(|byte| !b" 1-:[]\xef\xbb\xbf".contains(byte));
        assert_eq!(lost.next(), None, "a byte of {bytes:?} is in no field");
        pos = field.end;
    }
    assert_eq!(pos, end, "the text of {bytes:?} is not its end");
}
