//! Lines of any bytes: kinds are bounded, a kind depends on the first bytes of its line alone, addresses lie in
//! the line in order, and the order of lines changes no count.
#![no_main]

use kinds::{KIND_LEN_MAX, KINDS_MAX, Kinds, LINE_LEN_MAX, Masked, mask};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let lines: Vec<&[u8]> = input.split(|&byte| byte == b'\n').collect();
    let mut masked = Masked::default();
    for line in &lines {
        mask(line, &mut masked);
        assert!(masked.text.len() <= KIND_LEN_MAX);
        let mut fresh = Masked::default();
        mask(&line[..line.len().min(LINE_LEN_MAX)], &mut fresh);
        assert_eq!(masked, fresh);
        let mut end = 0;
        for address in &masked.addresses {
            assert!(end <= address.start && address.start < address.end && address.end <= line.len());
            end = address.end;
        }
    }
    let count = |lines: &mut dyn Iterator<Item = &&[u8]>| {
        let mut kinds: Kinds<u64> = Kinds::new();
        lines.for_each(|line| {
            kinds.add(line, None);
        });
        kinds
    };
    let (one, other) = (count(&mut lines.iter()), count(&mut lines.iter().rev()));
    assert!(one.len() <= KINDS_MAX);
    assert_eq!(one.sorted(), other.sorted());
    let sum: u64 = one.sorted().iter().map(|(_, kind)| kind.count).sum();
    assert_eq!(sum + one.other_count(), lines.len() as u64);
});
