use super::super::store::{Place, Ticket};
use super::*;
use std::os::fd::OwnedFd;

const TIMEOUT: Duration = Duration::from_secs(60);
const BOUNDS: Bounds = Bounds { message_max: 100, in_flight_max: 1000, message_timeout: TIMEOUT };
const OPEN: &[u8] = b"1 open 30 relp_version=0\ncommands=syslog\n";

/// Takes everything; nothing is on disk before it is asked for.
#[derive(Default)]
struct Taken(Vec<Vec<u8>>);

impl Messages for Taken {
    fn take(&mut self, _: &Peer, message: &[u8], _: Option<Ticket>) -> Result<Ticket, Full> {
        self.0.push(message.to_vec());
        Ok(Ticket { place: Place(0), number: self.0.len() as u64 })
    }

    fn has_room(&self, _: Place) -> bool {
        true
    }

    fn require(&mut self, _: Ticket) {}
}

fn local() -> (Session, UnixStream) {
    let (ours, client) = UnixStream::pair().expect("sockets");
    ours.set_nonblocking(true).expect("a socket");
    (Session::unix(ours, (Peer::default(), "client".to_owned()), BOUNDS), client)
}

/// A RELP session, its client, and the socket of the session.
fn relp() -> (Session, UnixStream, UnixStream) {
    let (ours, client) = UnixStream::pair().expect("sockets");
    ours.set_nonblocking(true).expect("a socket");
    let socket = ours.try_clone().expect("a socket");
    // Its memory is counted exactly; that of TCP grows meanwhile.
    let ours = TcpStream::from(OwnedFd::from(ours));
    let client_of = (Peer::default(), "client".to_owned());
    (Session::tcp(ours, None, client_of, true, BOUNDS), client, socket)
}

/// Fills the memory between a session and its client.
fn fill(mut socket: &UnixStream) {
    for len in [65_536, 1] {
        while socket.write(&[b' '; 65_536][..len]).is_ok() {}
    }
}

/// Reads until so many messages were taken.
fn read(session: &mut Session, taken: &mut Taken, count: usize) {
    while taken.0.len() < count {
        assert_eq!(session.read(taken), Next::Goes);
    }
}

#[test]
fn a_client_that_is_always_within_a_message_is_not_late() {
    let (mut session, mut client) = local();
    let mut taken = Taken::default();
    client.write_all(b"<13>a: 1\n<13>a:").expect("a reader");
    read(&mut session, &mut taken, 1);
    let began = Instant::now();
    client.write_all(b" 2\n<13>a:").expect("a reader");
    read(&mut session, &mut taken, 2);
    // The second message is whole, and the third began after that.
    assert_eq!(session.check_time(began + TIMEOUT), Next::Goes);
    let late = session.check_time(Instant::now() + TIMEOUT);
    let text = "client began a message and did not end it within 60 s";
    assert_eq!(late, Next::Failed(text.to_owned()));
}

#[test]
fn a_piece_of_an_endless_message_gives_no_further_time() {
    let (mut session, mut client) = local();
    let mut taken = Taken::default();
    client.write_all(b"<13>a:").expect("a reader");
    assert_eq!(session.read(&mut taken), Next::Goes);
    let began = Instant::now();
    client.write_all(&[b'x'; 150]).expect("a reader");
    read(&mut session, &mut taken, 1);
    assert!(matches!(session.check_time(began + TIMEOUT), Next::Failed(_)));
}

#[test]
fn a_client_that_takes_nothing_of_its_answers_is_late() {
    let (mut session, mut client, socket) = relp();
    fill(&socket);
    let mut taken = Taken::default();
    client.write_all(&[OPEN, b"2 syslog 4 <13>\n"].concat()).expect("a reader");
    read(&mut session, &mut taken, 1);
    session.answer(|_| true);
    assert_eq!(session.write(), Next::Goes);
    assert!(session.has_output());
    let now = Instant::now();
    assert_eq!(session.check_time(now), Next::Goes);
    assert_eq!(session.deadline(), Some(now + TIMEOUT));
    // The client reads all answers, then stops reading.
    client.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
    let mut space = vec![0; 1 << 20];
    while session.has_output() {
        assert!(client.read(&mut space).expect("bytes") > 0);
        assert_eq!(session.write(), Next::Goes);
    }
    assert_eq!(session.check_time(now + TIMEOUT), Next::Goes);
    assert_eq!(session.deadline(), None);
    fill(&socket);
    client.write_all(b"3 syslog 4 <13>\n").expect("a reader");
    read(&mut session, &mut taken, 2);
    session.answer(|_| true);
    assert_eq!((session.write(), session.check_time(now)), (Next::Goes, Next::Goes));
    let late = "client did not read its answers within 60 s";
    assert_eq!(session.check_time(now + TIMEOUT), Next::Failed(late.to_owned()));
}
