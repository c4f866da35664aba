//! A server's stream to a RELP client: however it is split into reads, the events are the same; ids are
//! acknowledged in order, and those that are not are still known.
//!
//! The first byte is the length of a read, the second says how many messages are sent, and, by its
//! highest bit, if `close` follows them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::relp::client::{Client, Event, Unacknowledged};

const OPEN_ANSWER: &[u8] = b"1 rsp 37 200 OK\nrelp_version=0\ncommands=syslog\n";

fuzz_target!(|input: &[u8]| {
    let [chunk_len, sent, stream @ ..] = input else { return };
    let sent_count = u64::from(sent & 0x7f);
    let closes = sent & 0x80 != 0;
    let (events, unacknowledged) = run(stream, stream.len().max(1), sent_count, closes);
    let split = run(stream, 1 + usize::from(*chunk_len), sent_count, closes);
    assert_eq!(split, (events.clone(), unacknowledged.clone()));
    let acknowledged = events.iter().filter_map(|event| match event {
        Event::Acknowledged { id } => Some(*id),
        _ => None,
    });
    let unacknowledged = unacknowledged.iter().map(|sent| sent.id);
    assert!(acknowledged.chain(unacknowledged).eq(0..sent_count), "each id once, and in order");
});

fn run(
    stream: &[u8],
    chunk_len: usize,
    sent_count: u64,
    closes: bool,
) -> (Vec<Event>, Vec<Unacknowledged>) {
    let mut client = Client::new(128);
    assert_eq!(client.push(OPEN_ANSWER), OPEN_ANSWER.len());
    assert!(matches!(client.next_event(), Some(Event::Opened { .. })));
    for id in 0..sent_count {
        assert!(client.send(id, b"<13>x"), "the window has room");
    }
    if closes {
        client.close();
    }
    let mut events = Vec::new();
    for chunk in stream.chunks(chunk_len) {
        let mut rest = chunk;
        while !rest.is_empty() && !client.is_over() {
            let len = client.push(rest);
            assert!(len > 0, "a client without events has space");
            rest = &rest[len..];
            events.extend(std::iter::from_fn(|| client.next_event()));
        }
    }
    (events, client.unacknowledged().collect())
}
