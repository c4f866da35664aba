//! Clients and senders that send anything at all, slowly, or without reading: none ends the receiver, none keeps
//! others waiting, and none makes more than one line of a message.

use super::{Receiver, lines, relp_open, text, wait_for_lines};
use crate::random::is_full;
use crate::support::{DEADLINE, Home, wait_until};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
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

/// A client of RELP with little memory for answers, so that they soon wait in the receiver.
fn connect_with_little_memory(address: &str) -> TcpStream {
    use nix::sys::socket::{
        AddressFamily, SockFlag, SockType, SockaddrIn, connect, setsockopt, socket, sockopt::RcvBuf,
    };
    let fd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None);
    let fd = fd.expect("a socket");
    setsockopt(&fd, RcvBuf, &2048).expect("a socket");
    let address: std::net::SocketAddrV4 = address.parse().expect("an address");
    connect(fd.as_raw_fd(), &SockaddrIn::from(address)).expect("it listens");
    TcpStream::from(fd)
}

/// Sends messages over RELP and reads no answer, until nobody reads the messages either.
fn send_without_reading(address: &str) -> TcpStream {
    let mut client = connect_with_little_memory(address);
    client.set_write_timeout(Some(Duration::from_millis(200))).expect("a socket");
    client.write_all(relp_open().as_bytes()).expect("a reader");
    for first in (2..2_000_000).step_by(1000) {
        let frame = |txnr| format!("{txnr} syslog 13 <13>silent: x\n");
        let frames: String = (first..first + 1000).map(frame).collect();
        if client.write_all(frames.as_bytes()).is_err() {
            return client;
        }
    }
    panic!("the receiver reads on although nobody takes its answers");
}

/// Sends the beginning of a message, then a byte from time to time, until the receiver closes.
fn trickle(mut client: impl Read + Write, first: &[u8]) {
    client.write_all(first).expect("a reader");
    let begin = Instant::now();
    while client.write_all(b"x").and_then(|()| client.flush()).is_ok() {
        assert!(begin.elapsed() < DEADLINE, "it is never closed");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn slow_and_silent_clients_hinder_nobody_and_are_closed_with_a_message() {
    let home = Home::new();
    let sockets =
        ["tcp://127.0.0.1:0", "relp://127.0.0.1:0", "unix-stream:s", "--message-time", "1"];
    let receiver =
        Receiver::start(&home, &[&sockets[..], &["--into", "root", "--by", "one"]].concat());
    let (tcp, relp) = (receiver.address("tcp"), receiver.address("relp"));
    let silent = send_without_reading(&relp);
    let silent_port = silent.local_addr().expect("a socket").port();
    let connect = |address: &str| TcpStream::connect(address).expect("it listens");
    let slow = [connect(&tcp), connect(&relp)];
    let ports = slow.each_ref().map(|client| client.local_addr().expect("a socket").port());
    let [slow_tcp, slow_relp] = slow;
    let slow_unix = UnixStream::connect(home.path("s")).expect("it listens");
    let begun_relp = relp_open() + "2 syslog 5000 ";
    std::thread::scope(|scope| {
        scope.spawn(|| trickle(slow_tcp, b"<13>slow: "));
        scope.spawn(|| trickle(slow_relp, begun_relp.as_bytes()));
        scope.spawn(|| trickle(slow_unix, b"<13>slow: "));
        connect(&tcp).write_all(b"<13>good: 1\n").expect("a reader");
        wait_until("another's line", || {
            lines(&home, "root/main").iter().any(|line| line.ends_with("good: 1"))
        });
    });
    let late = "began a message and did not end it within 1 s";
    receiver.wait_for(&format!("client 127.0.0.1:{} of tcp://{tcp} {late}", ports[0]));
    receiver.wait_for(&format!("client 127.0.0.1:{} of relp://{relp} {late}", ports[1]));
    let (pid, user) = (std::process::id(), nix::unistd::getuid());
    receiver.wait_for(&format!("process {pid} of user {user}, client of unix-stream:s {late}"));
    let unread = "did not read its answers within 1 s";
    receiver.wait_for(&format!("client 127.0.0.1:{silent_port} of relp://{relp} {unread}"));
    receiver.end();
}

/// A client that believes the certificate of the authority in `ca.pem`.
#[cfg(feature = "tls")]
fn tls_client(home: &Home, address: &str) -> impl Read + Write + use<> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let mut roots = rustls::RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(home.path("ca.pem")).expect("a certificate");
    roots.add(ca).expect("an issuer");
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "log.example.org".try_into().expect("a name");
    let session = rustls::ClientConnection::new(std::sync::Arc::new(config), name);
    let socket = TcpStream::connect(address).expect("it listens");
    rustls::StreamOwned::new(session.expect("a session"), socket)
}

/// Clients of TLS are closed with the same words, and one that does not even begin.
#[cfg(feature = "tls")]
#[test]
fn slow_clients_of_tls_are_closed_with_a_message() {
    use crate::ship::certificates::Authority;
    let home = Home::new();
    Authority::with_server(&home);
    let sockets = ["tls://127.0.0.1:0", "--cert", "server.pem", "--key", "server.key"];
    let limits = ["--message-time", "1", "--into", "root"];
    let receiver = Receiver::start(&home, &[&sockets[..], &limits].concat());
    let address = receiver.address("tls");
    let silent = TcpStream::connect(&address).expect("it listens");
    let port = silent.local_addr().expect("a socket").port();
    trickle(tls_client(&home, &address), b"<13>slow: ");
    receiver.wait_for(&format!("of tls://{address} began a message and did not end it within 1 s"));
    let late = "began a handshake and did not end it within 1 s";
    receiver.wait_for(&format!("client 127.0.0.1:{port} of tls://{address} {late}"));
    receiver.end();
}

#[test]
fn a_flood_of_bad_clients_is_counted_and_fills_no_log() {
    const COUNT: usize = 200;
    let home = Home::new();
    let receiver = Receiver::start(&home, &["relp://127.0.0.1:0", "--into", "root"]);
    for _ in 0..COUNT {
        let mut client = TcpStream::connect(receiver.address("relp")).expect("it listens");
        client.set_read_timeout(Some(DEADLINE)).expect("a socket");
        client.write_all(b"no frame\n").expect("a reader");
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).expect("an orderly end");
        assert!(text(&answer).contains("serverclose"), "{}", text(&answer));
    }
    let stderr = receiver.end();
    let printed: Vec<&str> = stderr.lines().filter(|line| line.contains("client 127")).collect();
    let left_out = |line: &str| -> usize {
        let count = line.split("(after ").nth(1).and_then(|rest| rest.split(' ').next());
        count.map_or(0, |count| count.parse().expect("a number"))
    };
    let counted: usize = printed.iter().map(|line| 1 + left_out(line)).sum();
    assert_eq!(counted, COUNT, "{stderr}");
    assert!(printed.len() < COUNT / 2, "{stderr}");
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
