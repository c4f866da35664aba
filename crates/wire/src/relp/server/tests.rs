use super::super::client::{self, Client};
use super::*;
use proptest::prelude::*;

const OFFERS: &str = "relp_version=0\nrelp_software=probe,1,x\ncommands=syslog";

fn frame(txnr: u32, command: &str, data: &str) -> Vec<u8> {
    let mut frame = Vec::new();
    append_frame(txnr, command, data.as_bytes(), &mut frame);
    frame
}

fn open() -> Vec<u8> {
    frame(1, "open", OFFERS)
}

/// Events of an input, `MESSAGE` shortened to `Message`; pushes all bytes wanted by the server.
fn events(server: &mut Server, input: &[u8]) -> Vec<String> {
    let mut events = Vec::new();
    let mut rest = input;
    loop {
        let len = server.push(rest);
        rest = &rest[len..];
        while let Some(event) = server.next_event() {
            events.push(match event {
                Event::Opened { software } => format!("opened {software}"),
                Event::Message { txnr, bytes } => {
                    format!("{txnr} {}", String::from_utf8_lossy(bytes))
                }
                Event::CloseRequested => "close".to_string(),
                Event::Refused => "refused".to_string(),
                Event::Broken(fault) => fault.to_string(),
            });
        }
        if rest.is_empty() || !server.wants_input() {
            return events;
        }
    }
}

fn take_output(server: &mut Server) -> String {
    let output = String::from_utf8(server.output().to_vec()).unwrap();
    server.written(output.len());
    output
}

/// Open session after writing its response.
fn opened() -> Server {
    let mut server = Server::new(DATA_LEN_MAX_DEFAULT);
    assert_eq!(events(&mut server, &open()), ["opened probe,1,x"]);
    take_output(&mut server);
    server
}

#[test]
fn a_session_as_librelp_has_it() {
    let mut server = Server::new(DATA_LEN_MAX_DEFAULT);
    assert_eq!(events(&mut server, &open()), ["opened probe,1,x"]);
    let answer = format!(
        "200 OK\nrelp_version=0\nrelp_software=multilog,{},https://cr.yp.to/daemontools.html\ncommands=syslog",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(take_output(&mut server), format!("1 rsp {} {answer}\n", answer.len()));
    let input = [frame(2, "syslog", "<13>a\0b\nc"), frame(3, "syslog", "")].concat();
    assert_eq!(events(&mut server, &input), ["2 <13>a\0b\nc", "3 "]);
    assert_eq!(take_output(&mut server), "");
    assert_eq!(server.unanswered_count(), 2);
    server.acknowledge(3);
    assert_eq!(take_output(&mut server), "2 rsp 6 200 OK\n3 rsp 6 200 OK\n");
    assert_eq!(events(&mut server, b"4 close 0\n"), ["close"]);
    assert_eq!(take_output(&mut server), "4 rsp 0\n0 serverclose 0\n");
    assert!(server.is_over() && !server.wants_input());
}

#[test]
fn messages_may_follow_open_at_once() {
    let mut server = Server::new(100);
    let input = [open(), frame(2, "syslog", "a"), frame(3, "syslog", "b")].concat();
    assert_eq!(events(&mut server, &input), ["opened probe,1,x", "2 a", "3 b"]);
}

#[test]
fn a_frame_that_began_is_seen_and_survives_freeing() {
    let mut server = opened();
    server.free_unused();
    assert!(!server.is_in_frame());
    assert_eq!(events(&mut server, b"2 syslog 5 <13>"), [""; 0]);
    assert!(server.is_in_frame());
    server.free_unused();
    assert_eq!(events(&mut server, b"a\n"), ["2 <13>a"]);
    assert!(!server.is_in_frame());
}

#[test]
fn close_is_answered_after_all_messages() {
    let mut server = opened();
    let input = [frame(2, "syslog", "a"), frame(3, "syslog", "b"), frame(4, "close", "")].concat();
    assert_eq!(events(&mut server, &input), ["2 a", "3 b", "close"]);
    assert_eq!(take_output(&mut server), "");
    server.acknowledge(2);
    assert_eq!(take_output(&mut server), "2 rsp 6 200 OK\n");
    assert!(!server.is_over());
    server.acknowledge(3);
    assert_eq!(take_output(&mut server), "3 rsp 6 200 OK\n4 rsp 0\n0 serverclose 0\n");
    assert!(server.is_over());
}

/// Checks a violation after an unanswered message: the message is answered first.
#[track_caller]
fn check_broken(input: &[u8], fault: &str, last_output: &str) {
    let mut server = opened();
    assert_eq!(events(&mut server, &frame(2, "syslog", "a")), ["2 a"]);
    assert_eq!(events(&mut server, input), [fault]);
    assert_eq!(events(&mut server, &frame(3, "syslog", "later")), [""; 0]);
    server.acknowledge(2);
    let output = take_output(&mut server);
    let expected = match last_output {
        "" => "2 rsp 6 200 OK\n0 serverclose 0\n".to_string(),
        early => format!("{early}2 rsp 6 200 OK\n0 serverclose 0\n"),
    };
    assert_eq!(output, expected);
    assert!(server.is_over());
}

#[test]
fn a_wrong_transaction_ends_the_session_without_an_answer() {
    check_broken(&frame(4, "syslog", "gap"), "the client sent transaction 4 instead of 3", "");
    check_broken(&frame(2, "syslog", "again"), "the client sent transaction 2 instead of 3", "");
    let mut server = Server::new(100);
    let input = frame(5, "open", OFFERS);
    assert_eq!(events(&mut server, &input), ["the client sent transaction 5 instead of 1"]);
    assert_eq!(take_output(&mut server), "0 serverclose 0\n");
    assert!(server.is_over());
}

#[test]
fn what_is_no_frame_ends_the_session() {
    let trailer = "the client sent a frame that does not end with a newline";
    check_broken(b"3 syslog 6 <13>abX", trailer, "");
    check_broken(b"3 syslog 8 <13>crlf\r\n", trailer, "");
    check_broken(b"3 syslog 0 \n", trailer, "");
    check_broken(b"3 SYSLOG 8 <13>uppr\n", "the client sent a frame without a valid command", "");
    check_broken(b"GET / HTTP/1.1\r\n", "the client sent a frame without a transaction number", "");
    check_broken(b"\x16\x03\x01", "the client sent a frame without a transaction number", "");
}

#[test]
fn unknown_commands_and_hints_end_the_session() {
    let unknown = "the client sent an unknown command";
    check_broken(&frame(3, "frob", "x"), unknown, "");
    check_broken(&frame(3, "starttls", ""), unknown, "");
    check_broken(&frame(3, "rsp", "200 OK"), unknown, "");
    check_broken(b"0 abort 0\n", unknown, "");
    check_broken(b"0 syslog 1 x\n", unknown, "");
}

#[test]
fn a_second_open_is_answered_with_500() {
    let answer = frame(3, "rsp", "500 session is open already");
    check_broken(
        &frame(3, "open", OFFERS),
        "the client opened its session twice",
        str::from_utf8(&answer).unwrap(),
    );
}

#[test]
fn a_message_before_open_is_never_answered() {
    for command in ["syslog", "close"] {
        let mut server = Server::new(100);
        let found = events(&mut server, &frame(1, command, ""));
        assert_eq!(found, ["the client sent a command before open"]);
        assert_eq!(take_output(&mut server), "0 serverclose 0\n");
    }
}

#[track_caller]
fn check_open(offers: &str, event: &str, answer: Option<&str>) {
    let mut server = Server::new(100);
    assert_eq!(events(&mut server, &frame(1, "open", offers)), [event], "{offers:?}");
    let output = take_output(&mut server);
    match answer {
        Some(answer) => {
            let expected = [frame(1, "rsp", answer), b"0 serverclose 0\n".to_vec()].concat();
            assert_eq!(output.as_bytes(), expected);
            assert!(server.is_over());
        }
        None => {
            assert!(output.contains(" 200 OK\nrelp_version=0\n"), "{output:?}");
            assert!(output.contains("\ncommands=syslog\n"), "{output:?}");
            assert!(server.wants_input());
        }
    }
}

#[test]
fn offers_decide_if_a_session_opens() {
    check_open("relp_version=0\ncommands=syslog", "opened ", None);
    check_open("relp_version=1\ncommands=syslog,eventlog\nfuture=x", "opened ", None);
    check_open("commands=syslog", "opened ", None);
    for offers in ["", "relp_version=0", "relp_version=0\ncommands=foo", "relp_version=0\ncommands"]
    {
        check_open(
            offers,
            "the client does not offer the command syslog",
            Some("500 required command not supported by client"),
        );
    }
    check_open(
        "relp_version=x\ncommands=syslog",
        "the client asks for a relp_version that is no number",
        Some("500 invalid relp_version"),
    );
    let too_long = "the client offers more than a session may have";
    check_open(&format!("{}=x", "n".repeat(33)), too_long, Some("500 offers are too long"));
    check_open(&format!("n={}", "v".repeat(256)), too_long, Some("500 offers are too long"));
    check_open(&format!("n={}", ",".repeat(64)), too_long, Some("500 offers are too long"));
    check_open(&format!("n={}\ncommands=syslog", ",".repeat(63)), "opened ", None);
}

#[test]
fn a_session_is_refused_at_open_with_the_reason() {
    let mut server = Server::new(100);
    server.refuse("unable to write to ./log: No space left on device");
    let input = [open(), frame(2, "syslog", "kept by the client")].concat();
    assert_eq!(events(&mut server, &input), ["refused"]);
    let answer = "500 unable to write to ./log: No space left on device";
    let expected = format!("1 rsp {} {answer}\n0 serverclose 0\n", answer.len());
    assert_eq!(take_output(&mut server), expected);
    let mut server = Server::new(100);
    server.refuse(&"long\n".repeat(40));
    events(&mut server, &open());
    assert!(take_output(&mut server).starts_with("1 rsp 80 500 long?long?"));
    // An already open session continues.
    let mut server = opened();
    server.refuse("full");
    assert_eq!(events(&mut server, &frame(2, "syslog", "a")), ["2 a"]);
}

#[test]
fn messages_have_a_bound_and_none_is_cut() {
    let longest = "x".repeat(300);
    let mut server = Server::new(300);
    events(&mut server, &open());
    assert_eq!(events(&mut server, &frame(2, "syslog", &longest)), [format!("2 {longest}")]);
    let found = events(&mut server, b"3 syslog 301 x");
    assert_eq!(found, ["the client sent a frame with 301 bytes of data, of which 300 are allowed"]);
    // The specification's maximum fits the default.
    let mut server = opened();
    let longest = "x".repeat(DATA_LEN_MAX_DEFAULT);
    assert_eq!(events(&mut server, &frame(2, "syslog", &longest)).len(), 1);
}

#[test]
fn nothing_is_read_while_answers_wait() {
    let mut server = opened();
    let mut txnr = 1;
    while server.wants_input() {
        txnr += 1;
        assert_eq!(events(&mut server, &frame(txnr, "syslog", "x")).len(), 1);
    }
    assert_eq!(server.unanswered_count(), UNANSWERED_MAX);
    server.acknowledge(txnr);
    assert!(server.output().len() >= OUTPUT_LEN_MAX && !server.wants_input());
    assert_eq!(events(&mut server, &frame(txnr + 1, "syslog", "x")), [""; 0]);
    take_output(&mut server);
    assert_eq!(events(&mut server, b"").len(), 1);
}

#[test]
#[should_panic(expected = "transaction 3 has no unanswered message")]
fn an_answer_without_a_message_is_a_mistake() {
    let mut server = opened();
    events(&mut server, &frame(2, "syslog", "a"));
    server.acknowledge(3);
}

#[test]
#[should_panic(expected = "transaction 2 has no unanswered message")]
fn a_second_answer_is_a_mistake() {
    let mut server = opened();
    events(&mut server, &[frame(2, "syslog", "a"), frame(3, "syslog", "b")].concat());
    server.acknowledge(2);
    server.acknowledge(2);
}

#[test]
fn a_closed_server_leaves_messages_unanswered() {
    let mut server = opened();
    events(&mut server, &frame(2, "syslog", "a"));
    server.close();
    assert_eq!(take_output(&mut server), "0 serverclose 0\n");
    assert!(server.is_over());
    server.close();
    assert_eq!(take_output(&mut server), "");
}

#[test]
fn transactions_begin_again_after_the_largest() {
    let mut server = opened();
    server.next_txnr = 999_999_999;
    let input = [
        frame(999_999_999, "syslog", "a"),
        frame(1, "syslog", "b"),
        frame(2, "syslog", "c"),
        frame(3, "close", ""),
    ];
    assert_eq!(events(&mut server, &input.concat()), ["999999999 a", "1 b", "2 c", "close"]);
    server.acknowledge(1);
    assert_eq!(take_output(&mut server), "999999999 rsp 6 200 OK\n1 rsp 6 200 OK\n");
    server.acknowledge(2);
    assert_eq!(take_output(&mut server), "2 rsp 6 200 OK\n3 rsp 0\n0 serverclose 0\n");
}

/// Moves bytes both ways until neither side has any.
fn exchange(client: &mut Client, server: &mut Server, chunk_len: usize, log: &mut Vec<Vec<u8>>) {
    loop {
        let out_len = client.output().len().min(chunk_len);
        let len = server.push(&client.output()[..out_len]);
        client.written(len);
        let mut last = None;
        while let Some(event) = server.next_event() {
            if let Event::Message { txnr, bytes } = event {
                log.push(bytes.to_vec());
                last = Some(txnr);
            }
        }
        if let Some(txnr) = last {
            server.acknowledge(txnr);
        }
        let back_len = server.output().len().min(chunk_len);
        let back = client.push(&server.output()[..back_len]);
        server.written(back);
        if len == 0 && back == 0 {
            return;
        }
        while client.room() == 0 && !client.is_over() && client.next_event().is_some() {}
    }
}

proptest! {
    #[test]
    fn what_a_client_sends_a_server_receives(
        messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..30),
        chunk_len in 1_usize..100,
    ) {
        let (mut client, mut server) = (Client::new(128), Server::new(50));
        let mut log = Vec::new();
        exchange(&mut client, &mut server, chunk_len, &mut log);
        prop_assert_eq!(client.room(), 128);
        for (id, message) in messages.iter().enumerate() {
            prop_assert!(client.send(id as u64, message));
        }
        client.close();
        exchange(&mut client, &mut server, chunk_len, &mut log);
        prop_assert_eq!(&log, &messages);
        while client.next_event().is_some() {}
        prop_assert_eq!(client.unacknowledged().count(), 0);
        prop_assert!(server.is_over() && client.is_over());
    }

    #[test]
    fn any_split_into_reads_gives_the_same_events(
        pieces in proptest::collection::vec(proptest::sample::select(vec![
            frame(2, "syslog", "a"), frame(3, "syslog", ""), frame(4, "syslog", "4 x 0\n"), frame(5, "close", ""),
            frame(2, "close", ""), frame(3, "open", OFFERS), b"0 a 0\n".to_vec(), b"x".to_vec(), b" ".to_vec(),
        ]), 0..8),
        opens in proptest::bool::weighted(0.9),
        chunk_len in 1_usize..20,
    ) {
        let opening = if opens { open() } else { Vec::new() };
        let input = [opening, pieces.concat()].concat();
        let mut at_once = Server::new(20);
        let expected = events(&mut at_once, &input);
        let mut server = Server::new(20);
        let mut found = Vec::new();
        for chunk in input.chunks(chunk_len) {
            found.extend(events(&mut server, chunk));
        }
        prop_assert_eq!(found, expected);
        prop_assert_eq!(server.output(), at_once.output());
        prop_assert_eq!(server.unanswered_count(), at_once.unanswered_count());
    }

    #[test]
    fn no_message_is_ever_answered_with_another_code_than_200(
        input in proptest::collection::vec(proptest::sample::select(vec![
            frame(1, "syslog", "a"), frame(2, "syslog", "a"), frame(3, "syslog", "b"), frame(1, "open", "commands=x"),
            open(), frame(2, "open", ""), b"2 syslog 99 ".to_vec(), b"3 a 0 ".to_vec(),
        ]), 0..8),
    ) {
        let mut server = Server::new(50);
        let found = events(&mut server, &input.concat());
        let messages: Vec<u32> = found
            .iter()
            .filter_map(|event| event.split_once(' ')?.0.parse().ok())
            .collect();
        if let Some(last) = messages.last() {
            server.acknowledge(*last);
        }
        let output = take_output(&mut server);
        for txnr in messages {
            let answer = format!("{txnr} rsp 6 200 OK\n");
            prop_assert!(output.contains(&answer), "{output:?}");
        }
        // Other refusals answer `open`.
        let refusals = output.matches(" 500 ").count();
        let opens = found.iter().filter(|event| event.contains("open") || event.contains("command syslog")).count();
        prop_assert!(refusals <= opens, "{output:?} {found:?}");
    }
}

#[test]
fn the_client_of_this_crate_reads_a_refusal() {
    let (mut client, mut server) = (Client::new(1), Server::new(50));
    server.refuse("disk full");
    exchange(&mut client, &mut server, 1000, &mut Vec::new());
    assert!(client.is_over() && server.is_over());
    let mut client = Client::new(1);
    let mut server = Server::new(50);
    server.refuse("disk full");
    server.push(client.output());
    assert_eq!(server.next_event(), Some(Event::Refused));
    client.push(server.output());
    let answer = client::Answer { code: 500, text: "disk full".to_string() };
    assert_eq!(client.next_event(), Some(client::Event::OpenRefused(answer)));
}
