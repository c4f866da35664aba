use super::*;
use proptest::prelude::*;

const OPEN_ANSWER: &str = "200 OK\nrelp_version=0\nrelp_software=librelp,1.11.0,x\ncommands=syslog";

fn rsp(txnr: u32, data: &str) -> Vec<u8> {
    let mut frame = Vec::new();
    append_frame(txnr, "rsp", data.as_bytes(), &mut frame);
    frame
}

fn events(client: &mut Client, input: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    let mut rest = input;
    loop {
        let len = client.push(rest);
        rest = &rest[len..];
        while let Some(event) = client.next_event() {
            events.push(event);
        }
        if rest.is_empty() || client.is_over() {
            return events;
        }
        assert!(len > 0, "a client without events has space");
    }
}

fn opened(window: usize) -> Client {
    let mut client = Client::new(window);
    let events = events(&mut client, &rsp(1, OPEN_ANSWER));
    assert_eq!(events, [Event::Opened { software: "librelp,1.11.0,x".to_string() }]);
    client.written(client.output().len());
    client
}

/// Open session with sent messages (these ids, starting at transaction 2).
fn sent(ids: &[u64]) -> Client {
    let mut client = opened(128);
    for id in ids {
        assert!(client.send(*id, b"<13>x"));
    }
    client
}

/// Ids for the next session.
fn unacknowledged(client: &Client) -> Vec<u64> {
    client.unacknowledged().filter(|sent| !sent.is_stored).map(|sent| sent.id).collect()
}

fn acknowledged(ids: &[u64]) -> Vec<Event> {
    ids.iter().map(|id| Event::Acknowledged { id: *id }).collect()
}

#[test]
fn a_session_as_librelp_has_it() {
    let mut client = Client::new(128);
    let offers = format!(
        "relp_version=0\nrelp_software=multilog,{},https://cr.yp.to/daemontools.html\ncommands=syslog",
        env!("CARGO_PKG_VERSION")
    );
    let open = format!("1 open {} {offers}\n", offers.len());
    assert_eq!(str::from_utf8(client.output()), Ok(open.as_str()));
    client.written(open.len());
    assert_eq!(client.room(), 0);
    assert!(!client.send(7, b"too early"));

    assert_eq!(events(&mut client, &rsp(1, OPEN_ANSWER)).len(), 1);
    assert_eq!(client.room(), 128);
    assert!(client.send(7, b"<13>hello") && client.send(8, b""));
    assert_eq!(client.output(), b"2 syslog 9 <13>hello\n3 syslog 0\n");
    assert_eq!(events(&mut client, &rsp(2, "200 OK")), acknowledged(&[7]));
    assert_eq!(unacknowledged(&client), [8]);
    assert_eq!(events(&mut client, &rsp(3, "200 OK")), acknowledged(&[8]));

    client.written(client.output().len());
    client.close();
    client.close();
    assert_eq!(client.output(), b"4 close 0\n");
    assert_eq!(client.room(), 0);
    assert_eq!(events(&mut client, b"4 rsp 0\n0 serverclose 0\n"), [Event::Closed]);
    assert!(client.is_over());
}

#[test]
fn the_window_is_full_until_the_oldest_is_acknowledged() {
    let mut client = opened(3);
    assert!((1..=3).all(|id| client.send(id, b"x")));
    assert!(!client.send(4, b"x"));
    assert_eq!(events(&mut client, &rsp(3, "200 OK")), []);
    assert_eq!(client.room(), 0);
    assert_eq!(client.unacknowledged_count(), 3);
    assert_eq!(events(&mut client, &rsp(2, "200 OK")), acknowledged(&[1, 2]));
    assert_eq!(client.unacknowledged_count(), 1);
    assert_eq!(client.room(), 2);
    assert!(client.send(4, b"x"));
}

#[test]
fn unwritten_output_is_bounded() {
    let mut client = opened(10_000);
    let message = vec![b'x'; 8000];
    while client.send(0, &message) {}
    assert!(client.output().len() < OUTPUT_LEN_MAX + 8000 + frame::OVERHEAD_LEN_MAX);
    client.written(client.output().len() - 100);
    assert!(client.send(0, &message));
}

#[test]
fn answers_in_any_order_are_reported_in_order() {
    let mut client = sent(&[10, 11, 12]);
    assert_eq!(events(&mut client, &rsp(4, "200 OK")), []);
    assert_eq!(unacknowledged(&client), [10, 11]);
    assert_eq!(events(&mut client, &rsp(3, "200 OK")), []);
    assert_eq!(unacknowledged(&client), [10]);
    assert_eq!(events(&mut client, &rsp(2, "200 OK")), acknowledged(&[10, 11, 12]));
}

#[test]
fn no_id_after_a_refused_message_is_reported() {
    let mut client = sent(&[10, 11, 12]);
    let refused = |code, text: &str| Event::Refused {
        id: 11,
        answer: Answer { code, text: text.to_string() },
    };
    let answers = [rsp(2, "200 OK"), rsp(3, "500 cannot store"), rsp(4, "200 OK")].concat();
    let found = events(&mut client, &answers);
    assert_eq!(found, [Event::Acknowledged { id: 10 }, refused(500, "cannot store")]);
    assert_eq!(unacknowledged(&client), [11]);
    let kept = [(11, false), (12, true)].map(|(id, is_stored)| Unacknowledged { id, is_stored });
    assert!(client.unacknowledged().eq(kept));
    assert!(!client.is_over());
    let mut client = sent(&[11]);
    assert_eq!(events(&mut client, &rsp(2, "300 hmm")), [refused(300, "hmm")]);
}

#[test]
fn a_refused_open_ends_the_session_and_nothing_was_sent() {
    let mut client = Client::new(1);
    let answer = Answer { code: 500, text: "not now".to_string() };
    assert_eq!(answer.to_string(), "500 not now");
    assert_eq!(events(&mut client, &rsp(1, "500 not now\nx")), [Event::OpenRefused(answer)]);
    assert!(client.is_over());
    assert_eq!(client.room(), 0);
}

#[test]
fn serverclose_ends_the_session_with_all_that_is_unanswered() {
    let mut client = sent(&[1, 2]);
    let input = [rsp(2, "200 OK"), b"0 serverclose 0\n".to_vec()].concat();
    assert_eq!(events(&mut client, &input), [Event::Acknowledged { id: 1 }, Event::ServerCloses]);
    assert_eq!(unacknowledged(&client), [2]);
    assert_eq!(client.push(b"3 rsp 6 200 OK\n"), 15);
    assert_eq!(client.next_event(), None);
}

#[track_caller]
fn check_broken(client: &mut Client, input: &[u8], fault: Fault, message: &str) {
    assert_eq!(events(client, input), [Event::Broken(fault)], "{:?}", str::from_utf8(input));
    assert!(client.is_over() && client.room() == 0);
    assert_eq!(fault.to_string(), message);
}

#[test]
fn answers_to_open_must_offer_version_0_and_syslog() {
    let check = |data: &str, fault, message: &str| {
        check_broken(&mut Client::new(1), &rsp(1, data), fault, message);
    };
    check("200 OK", Fault::NoVersion, "the server offers no relp_version");
    check(
        "200 OK\nrelp_version=1\ncommands=syslog",
        Fault::Version,
        "the server offers another relp_version than 0",
    );
    check(
        "200 OK\nrelp_version=x\ncommands=syslog",
        Fault::Version,
        "the server offers another relp_version than 0",
    );
    let no_syslog = "the server does not offer the command syslog";
    check("200 OK\nrelp_version=0\nrelp_software=x", Fault::NoSyslog, no_syslog);
    check("200 OK\nrelp_version=0\ncommands=foo,syslogs", Fault::NoSyslog, no_syslog);
    check(
        &format!("200 OK\nrelp_version=0\ncommands=syslog\nx={}", "v".repeat(256)),
        Fault::Offers,
        "the server offers more than a session may have",
    );
    check("200", Fault::Answer, "the server sent an answer without code and text");
}

#[test]
fn offers_are_read_in_any_order_and_unknown_ones_ignored() {
    for data in [
        "200 OK\ncommands=foo,syslog,bar\nrelp_version=0",
        "200 OK\nrelp_version=0\nfuture=1,2\nnothing\ncommands=syslog\n",
        "200 \nrelp_version=0\ncommands=syslog\n",
    ] {
        let mut client = Client::new(1);
        let opened = Event::Opened { software: String::new() };
        assert_eq!(events(&mut client, &rsp(1, data)), [opened], "{data:?}");
    }
}

#[test]
fn a_server_that_breaks_the_protocol_ends_the_session() {
    let unknown = |txnr| Fault::UnknownTransaction(txnr);
    let bare = "the server sent an answer without code and text";
    check_broken(&mut sent(&[1]), &rsp(2, "200"), Fault::Answer, bare);
    check_broken(&mut sent(&[1]), &rsp(2, "20 OK"), Fault::Answer, bare);
    check_broken(&mut sent(&[1]), &rsp(2, "200\nOK"), Fault::Answer, bare);
    check_broken(&mut sent(&[1]), &rsp(2, "OK"), Fault::Answer, bare);
    check_broken(&mut sent(&[1]), b"2 rsp 0\n", Fault::Answer, bare);
    for txnr in [0, 1, 3, 7, 999_999_999] {
        let message = format!("the server answered transaction {txnr}, which waits for no answer");
        check_broken(&mut sent(&[1]), &rsp(txnr, "200 OK"), unknown(txnr), &message);
    }
    let mut client = sent(&[1, 2]);
    assert_eq!(events(&mut client, &rsp(3, "200 OK")), []);
    let twice = "the server answered transaction 3, which waits for no answer";
    check_broken(&mut client, &rsp(3, "200 OK"), unknown(3), twice);
    let unexpected = "the server sent a frame that is neither an answer nor serverclose";
    for frame in ["2 syslog 1 x\n", "2 serverclose 0\n", "0 hint 0\n", "2 close 0\n"] {
        check_broken(&mut sent(&[1]), frame.as_bytes(), Fault::UnexpectedCommand, unexpected);
    }
    check_broken(
        &mut sent(&[1]),
        b"HTTP/1.1 400\r\n",
        Fault::Frame(FrameError::Txnr),
        "the server sent a frame without a transaction number",
    );
    check_broken(
        &mut sent(&[1]),
        b"2 rsp 99999 ",
        Fault::Frame(FrameError::TooLong { len: 99_999, len_max: ANSWER_LEN_MAX }),
        "the server sent a frame with 99999 bytes of data, of which 16384 are allowed",
    );
}

#[test]
fn text_of_a_server_is_fit_for_a_message() {
    let mut client = Client::new(1);
    let input = rsp(1, &format!("500 a\x1b[2J\t{}", "y".repeat(200)));
    let Some(Event::OpenRefused(answer)) = events(&mut client, &input).pop() else {
        panic!("open is refused");
    };
    assert!(answer.text.starts_with("a?[2J?yyy") && answer.text.len() == 80, "{answer}");
}

#[test]
fn close_is_answered_with_or_without_text_and_after_messages() {
    for answer in [rsp(4, ""), rsp(4, "200 OK"), rsp(4, "500 x")] {
        let mut client = sent(&[1, 2]);
        client.close();
        assert_eq!(events(&mut client, &rsp(2, "200 OK")), acknowledged(&[1]));
        assert_eq!(events(&mut client, &answer), [Event::Closed]);
        assert_eq!(unacknowledged(&client), [2]);
    }
    let mut client = Client::new(1);
    client.close();
    assert!(client.is_over());
}

#[test]
fn transactions_begin_again_after_the_largest() {
    let mut client = opened(5);
    (client.first_txnr, client.next_txnr) = (999_999_998, 999_999_998);
    assert!((1..=4).all(|id| client.send(id, b"")));
    let expected = "999999998 syslog 0\n999999999 syslog 0\n1 syslog 0\n2 syslog 0\n";
    assert_eq!(str::from_utf8(client.output()), Ok(expected));
    let answers: Vec<u8> =
        [2, 1, 999_999_999, 999_999_998].into_iter().flat_map(|txnr| rsp(txnr, "200 OK")).collect();
    assert_eq!(events(&mut client, &answers), acknowledged(&[1, 2, 3, 4]));
}

proptest! {
    #[test]
    fn any_split_into_reads_gives_the_same_events(
        pieces in proptest::collection::vec(proptest::sample::select(vec![
            rsp(2, "200 OK"), rsp(3, "200 OK"), rsp(4, "200 OK\nx"), rsp(5, "500 no"), rsp(6, "200 OK"),
            rsp(9, "200 OK"), rsp(2, "200"), b"0 serverclose 0\n".to_vec(), b"x".to_vec(),
            b"7 rsp 0\n".to_vec(),
        ]), 0..8),
        chunk_len in 1_usize..20,
        closes in any::<bool>(),
    ) {
        let input = pieces.concat();
        let session = || {
            let mut client = sent(&[1, 2, 3, 4, 5]);
            if closes {
                client.close();
            }
            client
        };
        let mut at_once = session();
        let expected = events(&mut at_once, &input);
        let mut client = session();
        let mut found = Vec::new();
        for chunk in input.chunks(chunk_len) {
            found.extend(events(&mut client, chunk));
        }
        prop_assert_eq!(&found, &expected);
        prop_assert_eq!(unacknowledged(&client), unacknowledged(&at_once));
        // Each id is either reported in order or remains known.
        let is_acknowledged = |event: &&Event| matches!(event, Event::Acknowledged { .. });
        let reported: Vec<Event> = found.iter().filter(is_acknowledged).cloned().collect();
        let acknowledged_count = reported.len();
        let ids: Vec<u64> = (1..=acknowledged_count as u64).collect();
        prop_assert_eq!(reported, acknowledged(&ids));
        prop_assert!(unacknowledged(&client).iter().all(|id| *id > acknowledged_count as u64));
    }
}
