use super::*;
use crate::syslog::structured_data::param;
use crate::syslog::{Pri, Sender, parse};
use proptest::prelude::*;

fn message(text: &[u8]) -> Message<'_> {
    let header =
        Header { pri: Pri::DEFAULT, time: None, host: b"vm", app: b"t1", procid: b"", msgid: b"" };
    Message { header, elements: &[], id: b"7", text }
}

fn messages(message: Message<'_>, len_max: usize) -> Result<Vec<Vec<u8>>, NoRoom> {
    let mut parts = Parts::new(message, len_max)?;
    let mut messages = Vec::new();
    loop {
        let mut output = Vec::new();
        if !parts.append_next(&mut output) {
            assert_eq!(messages.len(), parts.count() as usize);
            return Ok(messages);
        }
        messages.push(output);
    }
}

/// Texts of all parts in order, each checked against the limit.
fn texts(text: &[u8], len_max: usize) -> Vec<Vec<u8>> {
    let messages = messages(message(text), len_max).unwrap();
    assert!(messages.iter().all(|message| message.len() <= len_max));
    messages.iter().map(|bytes| parse(bytes, Sender::Remote).text.to_vec()).collect()
}

const HEADER_LEN: usize = "<13>1 - vm t1 - - - ".len();
const PART_HEADER_LEN: usize =
    "<13>1 - vm t1 - - [part@32473 id=\"7\" part=\"1\" parts=\"2\"] ".len();

#[test]
fn a_message_that_fits_is_one_and_says_nothing_of_parts() {
    let text = [b'x'; 100];
    let found = messages(message(&text), HEADER_LEN + 100).unwrap();
    assert_eq!(found, [[b"<13>1 - vm t1 - - - ", &text[..]].concat()]);
    assert_eq!(messages(message(b""), HEADER_LEN).unwrap(), [b"<13>1 - vm t1 - - -"]);
    assert_eq!(messages(message(&text), HEADER_LEN + 99).unwrap().len(), 2);
}

#[test]
fn parts_are_as_long_as_the_bound_and_numbered() {
    let found = messages(message(&[b'x'; 100]), PART_HEADER_LEN + 40).unwrap();
    let part = |number, len| {
        format!(
            "<13>1 - vm t1 - - [part@32473 id=\"7\" part=\"{number}\" parts=\"3\"] {}",
            "x".repeat(len)
        )
    };
    assert_eq!(found, [part(1, 40), part(2, 40), part(3, 20)].map(String::into_bytes));
}

#[test]
fn parts_keep_the_structured_data_of_the_message() {
    let elements = [Element { id: "a", params: &[("b", b"c")] }];
    let text = [b'x'; 400];
    let found = messages(Message { elements: &elements, ..message(&text) }, 300).unwrap();
    assert_eq!(found.len(), 2);
    for (message, number) in found.iter().zip([b"1", b"2"]) {
        let sd = parse(message, Sender::Remote).structured_data.unwrap();
        assert_eq!(param(sd, "a", "b").as_deref(), Some(&b"c"[..]));
        assert_eq!(param(sd, "part@32473", "id").as_deref(), Some(&b"7"[..]));
        assert_eq!(param(sd, "part@32473", "part").as_deref(), Some(&number[..]));
        assert_eq!(param(sd, "part@32473", "parts").as_deref(), Some(&b"2"[..]));
    }
}

#[test]
fn numbers_of_parts_need_no_more_room_than_there_is() {
    // Nine parts need one-digit numbers; ten parts need some two-digit numbers.
    let room = 20;
    let len_max = PART_HEADER_LEN + room;
    assert_eq!(texts(&[b'x'; 180], len_max).len(), 9);
    // Both part numbers then have two digits, leaving two bytes less for text.
    assert_eq!(texts(&[b'x'; 181], len_max).len(), 181_usize.div_ceil(room - 2));
    assert_eq!(
        texts(&[b'x'; 131_000], 8096).len(),
        131_000_usize.div_ceil(8096 - PART_HEADER_LEN - 2)
    );
}

#[test]
fn characters_and_escapes_are_not_cut() {
    let room = 40;
    let len_max = PART_HEADER_LEN + room;
    let text = format!("{}\u{20ac}{}", "x".repeat(room - 1), "y".repeat(room));
    let found = texts(text.as_bytes(), len_max);
    assert_eq!(found[0], "x".repeat(room - 1).as_bytes());
    assert!(found[1].starts_with("\u{20ac}y".as_bytes()));
    // A four-byte escape exceeds the last three bytes.
    let text = [&[b'x'; 37][..], b"\n", &[b'y'; 40]].concat();
    let found = texts(&text, len_max);
    assert_eq!(found[0], [b'x'; 37]);
    assert!(found[1].starts_with(b"\\x0ay"));
    // Invalid UTF-8 may be cut anywhere.
    assert_eq!(texts(&[0x80; 100], len_max)[0].len(), room);
}

#[test]
fn a_bound_below_the_header_is_refused() {
    let error = messages(message(&[b'x'; 100]), PART_HEADER_LEN + ROOM_MIN - 1).unwrap_err();
    assert_eq!(error.len_min, PART_HEADER_LEN + ROOM_MIN);
    assert_eq!(
        error.to_string(),
        format!("header and structured data need messages of at least {} bytes", error.len_min)
    );
    assert!(messages(message(&[b'x'; 20]), error.len_min).is_ok());
}

#[test]
fn a_sender_may_go_on_in_the_middle() {
    let text = [b'x'; 1000];
    let mut parts = Parts::new(message(&text), 200).unwrap();
    let whole = messages(message(&text), 200).unwrap();
    let mut first = Vec::new();
    assert!(parts.append_next(&mut first));
    let mut rest = parts.clone();
    let mut second = Vec::new();
    assert!(rest.append_next(&mut second));
    assert_eq!([first, second], whole[..2]);
}

proptest! {
    #[test]
    fn the_parts_joined_are_the_text(
        text in proptest::collection::vec(
            proptest::sample::select(b"xy\n\0\x80\xc3\xe2\xf0\xff]\"".to_vec()), 0..600,
        ),
        len_max in PART_HEADER_LEN + ROOM_MIN + 4..400,
    ) {
        let mut expected = Vec::new();
        crate::syslog::append_on_one_line(&text, &mut expected);
        let found = texts(&text, len_max);
        prop_assert_eq!(found.concat(), expected);
    }

    #[test]
    fn each_part_of_utf8_is_utf8(text in "[a-z\u{e9}\u{20ac}\u{1f600}\n]{0,200}", len_max in 90_usize..200) {
        for part in texts(text.as_bytes(), len_max) {
            prop_assert!(str::from_utf8(&part).is_ok());
        }
    }
}
