//! Every kind of receiver, and how messages look there.

use super::relp_server::{Behaviour, RelpServer};
use super::{Ship, check_numbers, log, log_text, param, text_of, wait_for_count};
use crate::support::{Home, wait_until};
use std::collections::BTreeMap;
use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::thread;
use std::time::Duration;

/// Everything that arrives on one connection until its end.
fn receive(listener: TcpListener) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut received = Vec::new();
        stream.read_to_end(&mut received).expect("its end");
        received
    })
}

/// The messages of a stream with octet counting.
fn counted(mut stream: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while !stream.is_empty() {
        let space = stream.iter().position(|&byte| byte == b' ').expect("a count");
        let len: usize =
            std::str::from_utf8(&stream[..space]).expect("digits").parse().expect("a count");
        messages.push(stream[space + 1..][..len].to_vec());
        stream = &stream[space + 1 + len..];
    }
    messages
}

#[track_caller]
fn send_over_tcp(query: &str) -> Vec<u8> {
    let home = Home::new();
    log(&home, 1, 400);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("tcp://{}{query}", listener.local_addr().expect("an address"));
    let received = receive(listener);
    let mut ship = Ship::start(&home, &["--once", &url, "./log"]);
    assert_eq!(ship.wait().code(), Some(0), "{}", ship.stderr());
    received.join().expect("no panic")
}

#[test]
fn tcp_counts_octets() {
    let messages = counted(&send_over_tcp(""));
    assert_eq!(check_numbers(&messages, 1, 400), 0);
    let first = String::from_utf8(messages[0].clone()).expect("text");
    assert!(first.starts_with("<30>1 20") && first.contains(" here "), "{first}");
}

#[test]
fn tcp_ends_messages_with_newlines_if_asked() {
    let received = send_over_tcp("?framing=lf");
    let messages: Vec<Vec<u8>> = received
        .split_inclusive(|&byte| byte == b'\n')
        .map(|line| line[..line.len() - 1].to_vec())
        .collect();
    assert_eq!(check_numbers(&messages, 1, 400), 0);
}

#[test]
fn rewind_sends_the_last_moments_again_after_a_break() {
    let home = Home::new();
    log(&home, 1, 100);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("tcp://{}?rewind=30s", listener.local_addr().expect("an address"));
    let ship = Ship::start(&home, &[&url, "./log"]);
    let (mut stream, _) = listener.accept().expect("a connection");
    // All is read by the kernel and lost with the receiver.
    stream.read_exact(&mut [0; 1000]).expect("some bytes");
    thread::sleep(Duration::from_millis(50));
    drop(stream);
    let (mut stream, _) = listener.accept().expect("another connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    let mut received = Vec::new();
    let mut block = [0; 4096];
    while !received.ends_with(b" 100") {
        let len = stream.read(&mut block).expect("more");
        received.extend_from_slice(&block[..len]);
    }
    assert_eq!(check_numbers(&counted(&received), 1, 100), 0);
    drop(ship);
}

#[test]
fn udp_sends_a_datagram_each() {
    let home = Home::new();
    log(&home, 1, 50);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    let url = format!("udp://{}", socket.local_addr().expect("an address"));
    let mut ship = Ship::start(&home, &["--once", &url, "./log"]);
    let mut block = [0; 9000];
    let messages: Vec<Vec<u8>> = (0..50)
        .map(|_| socket.recv(&mut block).map(|len| block[..len].to_vec()).expect("a datagram"))
        .collect();
    assert_eq!(ship.wait().code(), Some(0), "{}", ship.stderr());
    assert_eq!(check_numbers(&messages, 1, 50), 0);
}

#[test]
fn datagrams_that_find_nobody_are_reported_once() {
    let home = Home::new();
    log(&home, 1, 30);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let url = format!("udp://{}", socket.local_addr().expect("an address"));
    drop(socket);
    // The kernel says with each second datagram that nobody has the port.
    let mut ship = Ship::start(&home, &["--once", &url, "./log"]);
    assert_eq!(ship.wait().code(), Some(0), "{}", ship.stderr());
    let stderr = ship.stderr();
    assert_eq!(stderr.matches("lost udp://").count(), 1, "{stderr}");
    assert!(stderr.matches("connected to udp://").count() <= 2, "{stderr}");
}

#[test]
fn a_unix_socket_that_is_made_again_is_connected_again() {
    let home = Home::new();
    let url = format!("unix:{}", home.path("socket").display());
    log(&home, 1, 60);
    // It is away at first.
    let ship = Ship::start(&home, &[&url, "./log"]);
    ship.wait_for_stderr("unable to reach unix:");
    let socket = UnixDatagram::bind(home.path("socket")).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    let mut block = [0; 9000];
    let mut messages = Vec::new();
    let mut take = |socket: &UnixDatagram, count: usize, messages: &mut Vec<Vec<u8>>| {
        for _ in 0..count {
            let len = socket.recv(&mut block).expect("a datagram");
            messages.push(block[..len].to_vec());
        }
    };
    take(&socket, 60, &mut messages);
    std::fs::remove_file(home.path("socket")).expect("the socket");
    drop(socket);
    let socket = UnixDatagram::bind(home.path("socket")).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    log(&home, 61, 100);
    take(&socket, 40, &mut messages);
    assert_eq!(check_numbers(&messages, 1, 100), 0);
    ship.end();
}

#[test]
fn a_program_gets_records_and_answers_with_ids() {
    let home = Home::new();
    log(&home, 1, 1000);
    let url = "exec:while read -r id message; do printf '%s\\n' \"$message\" >>out; echo $id; done";
    let mut ship = Ship::start(&home, &["--once", url, "./log"]);
    assert_eq!(ship.wait().code(), Some(0), "{}", ship.stderr());
    let out = home.read("out");
    let messages: Vec<Vec<u8>> =
        out.split_inclusive(|&b| b == b'\n').map(|l| l[..l.len() - 1].to_vec()).collect();
    assert_eq!(check_numbers(&messages, 1, 1000), 0);
}

#[test]
fn a_program_that_ends_is_started_again_and_gets_the_rest() {
    let home = Home::new();
    log(&home, 1, 100);
    let url = "exec:n=0; while [ $n -lt 30 ] && read -r id message; do printf '%s\\n' \"$message\" >>out; \
               echo $id; n=$((n+1)); done";
    let ship = Ship::start(&home, &[url, "./log"]);
    wait_until("all lines", || {
        home.read("out").iter().filter(|&&byte| byte == b'\n').count() >= 100
    });
    ship.wait_for_stderr("lost exec:");
    ship.end();
    let out = home.read("out");
    let messages: Vec<Vec<u8>> =
        out.split_inclusive(|&b| b == b'\n').map(|l| l[..l.len() - 1].to_vec()).collect();
    assert_eq!(check_numbers(&messages, 1, 100), 0);
}

/// A text as it is written in messages.
fn escaped(text: &[u8]) -> Vec<u8> {
    text.iter().flat_map(|&byte| if byte == 0 { b"\\x00".to_vec() } else { vec![byte] }).collect()
}

#[test]
fn lines_of_every_kind_arrive_whole() {
    let home = Home::new();
    let mut lines: Vec<Vec<u8>> = vec![
        b"nul \0 in it".to_vec(),
        b"latin \xe9".to_vec(),
        b"escape \x1b[31m".to_vec(),
        b"12 digits first".to_vec(),
        b"".to_vec(),
        b"<13>looks like a message".to_vec(),
        "\u{fc}ml\u{e4}ut ] \" \\".into(),
        (0..10_000).map(|n: u32| b'a' + (n % 26) as u8).collect(),
        (0..131_000).map(|n: u32| b'0' + (n % 10) as u8).collect(),
    ];
    lines.push(b"last".to_vec());
    let text: Vec<u8> = lines.iter().flat_map(|line| [&line[..], b"\n"].concat()).collect();
    let ended = home.run(&["t", "s16777215", "l0", "./log"], &text);
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    let server = RelpServer::start(&[Behaviour::Good]);
    let mut ship = Ship::start(&home, &["--once", &server.url(), "./log"]);
    assert_eq!(ship.wait().code(), Some(0), "{}", ship.stderr());
    let stored = server.stored();
    assert!(stored.iter().all(|message| message.len() <= 8096));
    // The parts of a line have its cursor in common and come in order.
    let mut joined: Vec<(String, Vec<u8>)> = Vec::new();
    for message in &stored {
        let id = param(&String::from_utf8_lossy(message), "cursor").to_owned();
        match joined.last_mut() {
            Some((last, text)) if *last == id => text.extend(text_of(message)),
            _ => joined.push((id, text_of(message))),
        }
    }
    let texts: Vec<Vec<u8>> = joined.into_iter().map(|(_, text)| text).collect();
    let expected: Vec<Vec<u8>> = lines.iter().map(|line| escaped(line)).collect();
    assert_eq!(texts.len(), expected.len());
    for (text, expected) in texts.iter().zip(&expected) {
        assert!(text == expected, "{} and {} bytes", text.len(), expected.len());
    }
}

#[test]
fn severities_come_from_patterns_and_marks() {
    let home = Home::new();
    log_text(&home, "log", b"plain\n<3>marked\nan ERROR here\n<9>no mark\n");
    let server = RelpServer::start(&[Behaviour::Good]);
    let arguments = [
        "--once",
        "--pri",
        "local7.notice",
        "--pri-match",
        "ERROR=err",
        "--sd-prefix",
        &server.url(),
        "./log",
    ];
    let mut ship = Ship::start(&home, &arguments);
    assert_eq!(ship.wait().code(), Some(0), "{}", ship.stderr());
    let found: BTreeMap<String, String> = server
        .stored()
        .iter()
        .map(|message| {
            let text = String::from_utf8(text_of(message)).expect("text");
            let message = String::from_utf8_lossy(message).into_owned();
            (text, message.split('>').next().unwrap_or_default().to_owned())
        })
        .collect();
    let expected =
        [("plain", "<189"), ("marked", "<187"), ("an ERROR here", "<187"), ("<9>no mark", "<189")];
    assert_eq!(found, expected.map(|(text, pri)| (text.to_owned(), pri.to_owned())).into());
}

#[test]
fn a_message_that_fits_in_no_datagram_is_kept_and_counted() {
    let home = Home::new();
    let mut text = vec![b'x'; 100_000];
    text.extend_from_slice(b"\n2\n");
    let ended = home.run(&["t", "s16777215", "l0", "./log"], &text);
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    let url = format!("udp://{}", socket.local_addr().expect("an address"));
    let mut ship = Ship::start(&home, &["--once", "--max-message", "131072", &url, "./log"]);
    assert_eq!(ship.wait().code(), Some(2), "{}", ship.stderr());
    let mut block = [0; 9000];
    let len = socket.recv(&mut block).expect("the other line");
    assert_eq!(text_of(&block[..len]), b"2");
    assert!(ship.stderr().contains("too long for a datagram"), "{}", ship.stderr());
    // The message names its directory, whose name may have an x, too.
    let kept = home.contents("state/dead");
    let longest = kept.split(|&byte| byte != b'x').map(<[u8]>::len).max();
    assert_eq!(longest, Some(100_000));
}

#[test]
fn all_of_a_silent_server_s_messages_stay() {
    let home = Home::new();
    log(&home, 1, 10);
    let server = RelpServer::start(&[Behaviour::Silent, Behaviour::Good]);
    let ship = Ship::start(&home, &[&server.url(), "./log"]);
    wait_for_count("a session", 1, || server.sessions());
    ship.wait_for_stderr("connected to");
    ship.kill();
    let ship = Ship::start(&home, &[&server.url(), "./log"]);
    wait_for_count("all lines", 10, || server.count());
    ship.end();
    assert_eq!(check_numbers(&server.stored(), 1, 10), 0);
}
