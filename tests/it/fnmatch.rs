//! The patterns of `F` match what fnmatch(3) of the C library matches.

mod c_library;

use c_library::fnmatch;
use proptest::prelude::*;
use script::expression::Expression;

fn few_letters(letters: &'static [u8], most: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(proptest::sample::select(letters), 0..most)
}

/// Any pattern without named sets, or one with such a set in which it is no end of a range. Where a range
/// ends with the pattern, or with a set, the answers of C libraries differ.
fn any_fnmatch() -> impl Strategy<Value = Vec<u8>> {
    let named = "[ab]{0,2}\\[(:alpha:|=a=|\\.a\\.|:digit:)\\]([\\]ab][\\]ab]{0,2})?";
    let without_end = |mut pattern: Vec<u8>| {
        while pattern.ends_with(b"-") || pattern.ends_with(b"-\\") {
            pattern.pop();
        }
        pattern
    };
    let with_set =
        |(before, named): (Vec<u8>, String)| [&before[..], b"[", named.as_bytes()].concat();
    prop_oneof![
        few_letters(b"ab*?[]!^-\\\xe9", 8).prop_map(without_end),
        (few_letters(b"ab*?", 5), named).prop_map(with_set),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn agrees_with_fnmatch_of_the_c_library(
        pattern in any_fnmatch(),
        lines in proptest::collection::vec(few_letters(b"ab[]!^-\\\xe9", 5), 1..20),
    ) {
        let expression = Expression::fnmatch(&pattern).expect("a good pattern");
        for line in lines {
            let expected = fnmatch(&pattern, &line);
            prop_assert_eq!(
                expression.matches(&line), expected,
                "{} on {}", pattern.escape_ascii(), line.escape_ascii()
            );
        }
    }
}
