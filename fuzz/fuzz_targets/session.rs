//! A whole connection to the receiver, of plain syslog or of RELP: however it is split into reads, however often a
//! place is full and whenever lines get on disk, the messages are the same; over RELP there is never an answer to a
//! message that is not on disk, and in the end one to each.
//!
//! The first byte says what is spoken: lines and counted frames, RELP, or RELP after a valid `open`. The second is
//! the length of a read, the third how often a place is full, the fourth how often a line gets on disk.
#![no_main]

use libfuzzer_sys::fuzz_target;
use multilog::receive::peer::Peer;
use multilog::receive::session::{Bounds, Full, Messages, Next, Session};
use multilog::receive::store::{Place, Ticket};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;
use wire::frame::FrameReader;
use wire::relp::frame::parse_frame;

const BOUNDS: Bounds =
    Bounds { message_max: 40, in_flight_max: 60, message_timeout: Duration::from_secs(60) };
const OPEN: &[u8] = b"1 open 30 relp_version=0\ncommands=syslog\n";
const ANSWER_LEN_MAX: usize = 1000;

/// A message, and the number of the piece before it.
type Message = (Vec<u8>, Option<u64>);

/// Takes messages, and is full every now and then.
struct Store {
    messages: Vec<Message>,
    asked_count: usize,
    full_every: usize,
    is_full: Cell<bool>,
    durable_count: u64,
    required: u64,
}

impl Messages for Store {
    fn take(&mut self, _: &Peer, bytes: &[u8], before: Option<Ticket>) -> Result<Ticket, Full> {
        self.asked_count += 1;
        if self.asked_count.is_multiple_of(self.full_every) {
            self.is_full.set(true);
            return Err(Full(Place(0)));
        }
        self.messages.push((bytes.to_vec(), before.map(|ticket| ticket.number)));
        Ok(Ticket { place: Place(0), number: self.messages.len() as u64 })
    }

    fn has_room(&self, _: Place) -> bool {
        !self.is_full.replace(false)
    }

    fn require(&mut self, ticket: Ticket) {
        self.required = self.required.max(ticket.number);
    }
}

impl Store {
    fn new(full_every: u8) -> Store {
        Store {
            messages: Vec::new(),
            asked_count: 0,
            full_every: 2 + usize::from(full_every % 8),
            is_full: Cell::new(false),
            durable_count: 0,
            required: 0,
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let [kind, read_len, full_every, sync_every, stream @ ..] = input else { return };
    let read_len = 1 + usize::from(*read_len);
    match kind % 3 {
        0 => syslog(stream, read_len, *full_every),
        1 => relp(stream, read_len, *full_every, *sync_every),
        _ => relp(&[OPEN, stream].concat(), read_len, *full_every, *sync_every),
    }
});

fn syslog(stream: &[u8], read_len: usize, full_every: u8) {
    let (ours, mut client) = UnixStream::pair().expect("sockets");
    ours.set_nonblocking(true).expect("a socket");
    let mut session = Session::unix(ours, (Peer::default(), String::new()), BOUNDS);
    let mut store = Store::new(full_every);
    for chunk in stream.chunks(read_len) {
        client.write_all(chunk).expect("a reader");
        assert_eq!(go_on(&mut session, &mut store), Next::Goes);
    }
    drop(client);
    assert_eq!(go_on(&mut session, &mut store), Next::Over);
    assert_eq!(store.messages, expected(stream));
}

/// The messages of a stream that is read at once.
fn expected(stream: &[u8]) -> Vec<Message> {
    let mut reader = FrameReader::new(BOUNDS.message_max).end_lines_at_nul();
    let mut messages: Vec<Message> = Vec::new();
    let mut rest = stream;
    loop {
        rest = &rest[reader.push(rest)..];
        if rest.is_empty() {
            reader.end_input();
        }
        while let Some(frame) = reader.next_frame() {
            let before = (frame.piece > 0).then_some(messages.len() as u64);
            if !frame.bytes.is_empty() {
                messages.push((frame.bytes.to_vec(), before));
            }
        }
        if rest.is_empty() {
            return messages;
        }
    }
}

fn relp(stream: &[u8], read_len: usize, full_every: u8, sync_every: u8) {
    let (ours, mut client) = UnixStream::pair().expect("sockets");
    ours.set_nonblocking(true).expect("a socket");
    client.set_nonblocking(true).expect("a socket");
    let ours = TcpStream::from(OwnedFd::from(ours));
    let client_of = (Peer::default(), String::new());
    let mut session = Session::tcp(ours, None, client_of, true, BOUNDS);
    let mut store = Store::new(full_every);
    let mut answers = Vec::new();
    for (number, chunk) in stream.chunks(read_len).enumerate() {
        // A session that is over reads and forgets the rest.
        client.write_all(chunk).expect("a reader");
        let next = go_on(&mut session, &mut store);
        assert!(matches!(next, Next::Goes | Next::Odd(_)), "{next:?}");
        if number.is_multiple_of(1 + usize::from(sync_every % 8)) {
            sync(&mut session, &mut store);
        }
        check(&mut client, &mut answers, store.durable_count);
    }
    // Each answer makes room for messages that were not read yet.
    while store.durable_count < store.messages.len() as u64 {
        sync(&mut session, &mut store);
        check(&mut client, &mut answers, store.durable_count);
    }
    assert_eq!(check(&mut client, &mut answers, store.durable_count), store.durable_count);
    drop(client);
    let ended = go_on(&mut session, &mut store);
    assert!(matches!(ended, Next::Over | Next::Failed(_)), "{ended:?}");
}

/// All that was taken and asked for gets on disk, and is answered.
fn sync(session: &mut Session, store: &mut Store) {
    assert_eq!(store.required, store.messages.len() as u64, "a message that nobody waits for");
    store.durable_count = store.required;
    session.answer(|ticket| ticket.number <= store.durable_count);
    assert_eq!(session.write(), Next::Goes);
    go_on(session, store);
}

/// Reads and takes messages until there is nothing more to do.
fn go_on(session: &mut Session, store: &mut Store) -> Next {
    let mut odd = None;
    loop {
        let count = store.messages.len();
        for next in [session.read(store), session.take_messages(store), session.write()] {
            match next {
                Next::Goes => {}
                Next::Odd(_) => odd = Some(next),
                Next::Over | Next::Failed(_) => return next,
            }
        }
        if store.messages.len() == count && session.waits_for().is_none() {
            return odd.unwrap_or(Next::Goes);
        }
    }
}

/// Reads answers. Returns the number of messages with an answer, all of them among the first `durable_count`.
fn check(client: &mut UnixStream, answers: &mut Vec<u8>, durable_count: u64) -> u64 {
    // The session is nobody else's, so what it wrote is there.
    let _ = client.read_to_end(answers);
    let mut rest = &answers[..];
    let (mut count, mut last) = (0, None);
    while let Some((frame, len)) = parse_frame(rest, ANSWER_LEN_MAX).expect("frames") {
        if frame.data == b"200 OK" {
            assert!(last < Some(frame.txnr), "answers are in order");
            last = Some(frame.txnr);
            count += 1;
        }
        rest = &rest[len..];
    }
    assert!(rest.is_empty() && count <= durable_count, "{count} answers, {durable_count} on disk");
    count
}
