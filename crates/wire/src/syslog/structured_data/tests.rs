use super::*;
use proptest::prelude::*;

#[track_caller]
fn check(elements: &[Element<'_>], expected: &str) {
    let mut output = Vec::new();
    append(elements, &mut output);
    assert_eq!(String::from_utf8_lossy(&output), expected);
    assert_eq!(len_of(&output), Some(output.len()), "what is written is structured data");
}

#[test]
fn elements_follow_each_other_without_a_space() {
    check(&[], "-");
    check(&[Element { id: "a@32473", params: &[] }], "[a@32473]");
    check(
        &[
            Element { id: "a", params: &[("b", b"c"), ("d", b"")] },
            Element { id: "e", params: &[("f", b"g")] },
        ],
        "[a b=\"c\" d=\"\"][e f=\"g\"]",
    );
}

#[test]
fn only_quote_backslash_and_bracket_are_escaped() {
    for (value, expected) in [
        (&b"\"\\]"[..], r#"[a b="\"\\\]"]"#),
        (b"[=' ", "[a b=\"[=' \"]"),
        ("h\u{e9}".as_bytes(), "[a b=\"h\u{e9}\"]"),
        // Control characters and invalid UTF-8 become text.
        (b"a\nb\0\x7f", r#"[a b="a\\x0ab\\x00\\x7f"]"#),
        (b"\xe9", r#"[a b="\\xe9"]"#),
    ] {
        check(&[Element { id: "a", params: &[("b", value)] }], expected);
    }
}

#[test]
fn names_are_cut_and_replaced_to_what_the_rfc_allows() {
    let long = "n".repeat(33);
    check(&[Element { id: &long, params: &[] }], &format!("[{}]", &long[..32]));
    check(&[Element { id: "a=] \"\u{e9}", params: &[("", b"")] }], "[a______ _=\"\"]");
    for name in ["a", "timeQuality", "x@32473", &long[..32]] {
        assert!(is_name(name.as_bytes()), "{name}");
    }
    for name in ["", "a=", "a b", "a]", "\"", "\u{e9}", "a\n", &long] {
        assert!(!is_name(name.as_bytes()), "{name}");
    }
}

#[test]
fn parameters_are_read_without_escapes() {
    let sd = br#"[a b="\"\\\]\x" c=""][d][a b="2"]"#;
    let found: Vec<_> = params(sd).map(|param| (param.id, param.name, param.value())).collect();
    let expected = [("a", "b", r#""\]\x"#), ("a", "c", ""), ("a", "b", "2")];
    assert_eq!(
        found,
        expected.map(|(id, name, value)| {
            (id.as_bytes(), name.as_bytes(), Cow::Borrowed(value.as_bytes()))
        })
    );
    assert_eq!(param(sd, "a", "b").as_deref(), Some(&br#""\]\x"#[..]));
    assert_eq!(param(sd, "d", "b"), None);
    assert_eq!(params(b"-").count(), 0);
    assert_eq!(params(b"[a b=\"c\" d").count(), 1);
}

#[test]
fn what_is_no_structured_data_is_recognised() {
    for (bytes, expected) in [
        ("-", Some(1)),
        ("- x", Some(1)),
        ("[a]", Some(3)),
        ("[a] [b]", Some(3)),
        ("[a][b]x", Some(6)),
        (r#"[a b="\"]"]"#, Some(11)),
        ("", None),
        ("x", None),
        ("[", None),
        ("[]", None),
        ("[a", None),
        ("[a ", None),
        ("[a b", None),
        ("[a b=", None),
        ("[a b=\"", None),
        ("[a b=\"\\", None),
        ("[a b=\"\"", None),
        ("[a][", None),
        ("[a b=\"\"c=\"\"]", None),
    ] {
        assert_eq!(len_of(bytes.as_bytes()), expected, "{bytes}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        values in proptest::collection::vec("[^\u{0}-\u{1f}\u{7f}]{0,20}", 0..6),
    ) {
        let params: Vec<(&str, &[u8])> = values.iter().map(|value| ("n", value.as_bytes())).collect();
        let mut output = Vec::new();
        append(&[Element { id: "id", params: &params }], &mut output);
        prop_assert_eq!(len_of(&output), Some(output.len()));
        let read: Vec<Vec<u8>> = super::params(&output).map(|param| param.value().into_owned()).collect();
        prop_assert_eq!(read, values.iter().map(|value| value.as_bytes().to_vec()).collect::<Vec<_>>());
    }

    #[test]
    fn any_value_stays_in_its_element(value in proptest::collection::vec(any::<u8>(), 0..60)) {
        let mut output = Vec::new();
        append(&[Element { id: "id", params: &[("n", &value)] }], &mut output);
        prop_assert_eq!(len_of(&output), Some(output.len()));
        prop_assert!(!output.iter().any(u8::is_ascii_control));
        prop_assert!(str::from_utf8(&output).is_ok());
    }
}
