//! What holds for the fields of every message, for tests and for the fuzzer.

use super::{Sender, parse};

/// Where a slice of `message` lies in it.
fn range_in(message: &[u8], slice: &[u8]) -> std::ops::Range<usize> {
    let start = slice.as_ptr() as usize - message.as_ptr() as usize;
    assert!(start + slice.len() <= message.len());
    start..start + slice.len()
}

/// Checks that fields lie in the message one after the other, that the text is its end, and that nothing
/// but punctuation is in no field.
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
        // Between fields: the version, spaces, `-`, the marks of a tag, a BOM.
        let between = bytes[pos..field.start].iter();
        let mut lost = between.filter(|byte| !b" 1-:[]\xef\xbb\xbf".contains(byte));
        assert_eq!(lost.next(), None, "a byte of {bytes:?} is in no field");
        pos = field.end;
    }
    assert_eq!(pos, end, "the text of {bytes:?} is not its end");
}
