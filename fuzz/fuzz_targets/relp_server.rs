//! A client's stream to a RELP server: however it is split into reads, the events and answers are the same;
//! messages are answered with 200, in order, each once; nothing else is answered with 200 but `open`.
//!
//! The first byte is the length of a read. Unless the second is 0 the stream begins with a valid `open`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::relp::frame::parse_frame;
use wire::relp::server::{Event, Server};

const MESSAGE_LEN_MAX: usize = 40;
const OPEN: &[u8] = b"1 open 30 relp_version=0\ncommands=syslog\n";

fuzz_target!(|input: &[u8]| {
    let [chunk_len, opens, stream @ ..] = input else { return };
    let stream = [if *opens == 0 { b"" } else { OPEN }, stream].concat();
    let (events, output, txnrs) = run(&stream, stream.len().max(1));
    let split = run(&stream, 1 + usize::from(*chunk_len));
    assert_eq!(split, (events, output.clone(), txnrs.clone()));
    check_output(&output, &txnrs);
});

/// What happened, what was answered, and the transactions of messages.
fn run(stream: &[u8], chunk_len: usize) -> (Vec<String>, Vec<u8>, Vec<u32>) {
    let mut server = Server::new(MESSAGE_LEN_MAX);
    let (mut events, mut txnrs) = (Vec::new(), Vec::new());
    for chunk in stream.chunks(chunk_len) {
        let mut rest = chunk;
        while !rest.is_empty() && server.wants_input() {
            let len = server.push(rest);
            assert!(len > 0, "a server without events has space");
            rest = &rest[len..];
            while let Some(event) = server.next_event() {
                if let Event::Message { txnr, .. } = event {
                    txnrs.push(txnr);
                }
                events.push(format!("{event:?}"));
            }
        }
    }
    assert_eq!(server.unanswered_count() as usize, txnrs.len());
    let (first_half, second_half) = txnrs.split_at(txnrs.len() / 2);
    for half in [first_half, second_half] {
        if let Some(last) = half.last() {
            server.acknowledge(*last);
        }
    }
    (events, server.output().to_vec(), txnrs)
}

fn check_output(output: &[u8], txnrs: &[u32]) {
    let mut rest = output;
    let mut stored = Vec::new();
    while let Some((frame, len)) = parse_frame(rest, 1000).expect("a server writes frames") {
        let is_open = frame.data.starts_with(b"200 OK\n");
        if frame.data.starts_with(b"200") && !is_open {
            stored.push(frame.txnr);
        } else {
            assert!(!txnrs.contains(&frame.txnr), "a message is answered with 200 alone");
        }
        rest = &rest[len..];
    }
    assert!(rest.is_empty());
    assert_eq!(stored, txnrs);
}
