//! Clients and senders that send anything at all, slowly, or without reading: none ends the receiver, none keeps
//! others waiting, and none makes more than one line of a message.

use super::{Receiver, lines, relp_open, text, wait_for_lines};
use crate::random::is_full;
use crate::support::{DEADLINE, Home, wait_until};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

/// Random messages on each kind of socket, in the sample and in the whole matrix.
const FUZZ_COUNT: usize = 4000;
const FUZZ_COUNT_FULL: usize = 1_000_000;
/// Memory that the receiver may gain meanwhile, in KiB.
const GROWTH_MAX_KIB: u64 = 24 * 1024;

/// Pseudo-random numbers, the same each time.
struct Chance(u64);

impl Chance {
    fn of(&mut self, count: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % count
    }

    /// Something like a message, or nothing like it.
    fn message(&mut self) -> Vec<u8> {
        const PIECES: [&[u8]; 16] = [
            b"<13>",
            b"<191>",
            b"<192>",
            b"<",
            b">",
            b"1 ",
            b"2026-11-26T17:40:08Z ",
            b"Nov 26 17:40:08 ",
            b"host ",
            b"../../x",
            b"[1]: ",
            b"- - - ",
            b"[a b=\"c\\\"]\"]",
            b"\0",
            b"\n",
            b"\x1b[2J\xff\xfe",
        ];
        let mut message = Vec::new();
        for _ in 0..1 + self.of(12) {
            match self.of(6) {
                0 => message.push(self.of(256) as u8),
                1 => message.extend(vec![b'y'; self.of(300)]),
                _ => message.extend_from_slice(PIECES[self.of(PIECES.len())]),
            }
        }
        message
    }
}

fn resident_kib(receiver: &Receiver) -> u64 {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", receiver.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Bytes of random RELP frames, most of them wrong.
fn frames(chance: &mut Chance) -> Vec<u8> {
    let mut bytes = relp_open().into_bytes();
    for txnr in 2..2 + chance.of(6) {
        let message = chance.message();
        let len = if chance.of(8) == 0 { chance.of(2000) } else { message.len() };
        let command = ["syslog", "syslog", "syslog", "close", "open", "SYSLOG"][chance.of(6)];
        bytes.extend(format!("{txnr} {command} {len} ").bytes());
        bytes.extend(message);
        bytes.push(b'\n');
    }
    bytes
}

/// Sends what it is given and leaves; a receiver that closes meanwhile is in its right.
fn pour(address: &str, bytes: &[u8]) {
    let mut client = TcpStream::connect(address).expect("it listens");
    client.set_write_timeout(Some(DEADLINE)).expect("a socket");
    let sent = client.write_all(bytes);
    let is_kept = |error: &std::io::Error| {
        !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
    };
    assert!(sent.as_ref().err().is_none_or(is_kept), "{sent:?}");
}

#[test]
fn anything_that_is_sent_makes_at_most_one_line_and_ends_nothing() {
    let count = if is_full() { FUZZ_COUNT_FULL } else { FUZZ_COUNT };
    let home = Home::in_memory();
    let sockets = ["unix:log", "udp://127.0.0.1:0", "tcp://127.0.0.1:0", "relp://127.0.0.1:0"];
    let script = ["--into", "root", "--max-dirs", "20", "--", "s1000000", "n2"];
    let receiver = Receiver::start(&home, &[&sockets[..], &script].concat());
    let mut chance = Chance(14);
    let unix = UnixDatagram::unbound().expect("a socket");
    unix.connect(home.path("log")).expect("it listens");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    udp.connect(receiver.address("udp")).expect("an address");
    let mut sizes = Vec::new();
    let mut tried = 0;
    while tried < count {
        for _ in 0..100 {
            unix.send(&chance.message()).expect("it listens");
            udp.send(&chance.message()).expect("a socket");
        }
        let stream: Vec<u8> = (0..100).flat_map(|_| chance.message()).collect();
        pour(&receiver.address("tcp"), &stream);
        for _ in 0..5 {
            pour(&receiver.address("relp"), &frames(&mut chance));
        }
        tried += 400;
        sizes.push(resident_kib(&receiver));
    }
    unix.send(b"<13>last: 1").expect("it listens");
    wait_until("the last line", || {
        home.path("root/last/current").exists()
            || text(&home.contents("root/other")).contains("last: 1")
    });
    let growth = sizes[sizes.len() - 1].saturating_sub(sizes[sizes.len() / 10]);
    let _ = writeln!(
        std::io::stdout(),
        "{tried} random messages: memory grew by {growth} KiB, from {} KiB",
        sizes[0]
    );
    assert!(growth < GROWTH_MAX_KIB, "{sizes:?}");
    assert!(home.names("root").len() <= 20, "{:?}", home.names("root"));
    let stderr = receiver.end();
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[test]
fn a_datagram_of_any_bytes_is_one_line() {
    const COUNT: usize = 2000;
    let home = Home::new();
    let receiver =
        Receiver::start(&home, &["unix:log", "--into", "root", "--by", "one", "--", "s16777215"]);
    let socket = UnixDatagram::unbound().expect("a socket");
    socket.connect(home.path("log")).expect("it listens");
    let mut chance = Chance(7);
    for _ in 0..COUNT {
        socket.send(&chance.message()).expect("it listens");
    }
    receiver.end();
    let found = home.contents("root/main");
    let is_control = |byte: &u8| (*byte < b' ' && !matches!(byte, b'\t' | b'\n')) || *byte == 0x7f;
    assert_eq!(found.iter().filter(|&&byte| byte == b'\n').count(), COUNT);
    assert!(!found.iter().any(is_control), "no control byte");
}

#[test]
fn slow_and_silent_clients_hinder_nobody_and_are_closed_with_a_message() {
    let home = Home::new();
    let sockets = ["tcp://127.0.0.1:0", "relp://127.0.0.1:0", "--message-time", "1"];
    let receiver =
        Receiver::start(&home, &[&sockets[..], &["--into", "root", "--by", "one"]].concat());
    let mut slow = TcpStream::connect(receiver.address("tcp")).expect("it listens");
    slow.write_all(b"<13>slow: no").expect("a reader");
    // It never reads its answers, and sends as long as somebody reads.
    let mut silent = TcpStream::connect(receiver.address("relp")).expect("it listens");
    silent.set_write_timeout(Some(Duration::from_millis(200))).expect("a socket");
    silent.write_all(relp_open().as_bytes()).expect("a reader");
    let begin = Instant::now();
    for txnr in 2.. {
        let frame = format!("{txnr} syslog 13 <13>silent: x\n");
        if silent.write_all(frame.as_bytes()).is_err() || txnr > 200_000 {
            break;
        }
        if begin.elapsed() > Duration::from_secs(5) {
            break;
        }
    }
    let mut good = TcpStream::connect(receiver.address("tcp")).expect("it listens");
    good.write_all(b"<13>good: 1\n").expect("a reader");
    wait_until("another's line", || {
        lines(&home, "root/main").iter().any(|line| line.ends_with("good: 1"))
    });
    let mut rest = Vec::new();
    slow.set_read_timeout(Some(DEADLINE)).expect("a socket");
    let _ = slow.read_to_end(&mut rest);
    receiver.wait_for("began a message and did not end it within 1 s");
    drop(silent);
    receiver.end();
}

#[test]
fn many_programs_and_hosts_stay_below_the_limits_and_are_told_once() {
    let count = if is_full() { 100_000 } else { 3000 };
    let home = Home::in_memory();
    let receiver = Receiver::start(&home, &["unix:log", "--into", "root", "--max-dirs", "50"]);
    let socket = UnixDatagram::unbound().expect("a socket");
    socket.connect(home.path("log")).expect("it listens");
    let huge = format!("<13>{}: x", "p".repeat(100_000));
    socket.send(huge.as_bytes()).expect("it listens");
    for number in 0..count {
        socket.send(format!("<13>program{number}: x").as_bytes()).expect("it listens");
    }
    wait_for_lines(&home, "root/program0", 1);
    assert_eq!(receiver.end().matches("the limit of --max-dirs").count(), 1);
    let names = home.names("root");
    assert_eq!(names.len(), 50);
    assert!(names.iter().all(|name| name.len() <= 48), "{names:?}");
    let home = Home::in_memory();
    let hosts = ["udp://127.0.0.1:0", "--into", "root", "--by", "host", "--max-dirs", "50"];
    let receiver = Receiver::start(&home, &hosts);
    let address = receiver.address("udp");
    for number in 0..count / 10 {
        let host = format!("127.9.{}.{}:0", number / 250, 1 + number % 250);
        let socket = UdpSocket::bind(host).expect("an address");
        socket.send_to(b"<13>a: x", &address).expect("a socket");
    }
    wait_for_lines(&home, "root/127.9.0.1", 1);
    assert_eq!(receiver.end().matches("the limit of --max-dirs").count(), 1);
    assert_eq!(home.names("root").len(), 50);
}
