//! Datagrams over UDP: none is lost in bursts, and what the kernel drops is counted.

use super::{Receiver, lines};
use crate::random::is_full;
use crate::support::{Home, wait_until};
use nix::sys::signal::Signal;
use std::io::Write;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

/// Datagrams in bursts, and bursts a second.
const BURST: u32 = 100;
const BURST_RATE: u32 = 500;
/// Datagrams in the whole matrix, and in the sample.
const COUNT: u32 = 300_000;
const SAMPLE_COUNT: u32 = 20_000;

/// Number in the last message that says what the kernel dropped, of all together.
fn dropped(text: &str) -> u32 {
    let count = |rest: &str| rest.split(' ').next().and_then(|count| count.parse::<u32>().ok());
    text.split("the kernel dropped ").skip(1).filter_map(count).sum()
}

#[test]
fn bursts_of_datagrams_lose_none() {
    let home = Home::new();
    let script = ["--into", "root", "--by", "one", "--", "t", "s16777215", "n100"];
    let receiver = Receiver::start(&home, &[&["udp://127.0.0.1:0"], &script[..]].concat());
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(receiver.address("udp")).expect("an address");
    let count = if is_full() { COUNT } else { SAMPLE_COUNT };
    let begin = Instant::now();
    for number in 0..count {
        if number.is_multiple_of(BURST) {
            let due = begin + Duration::from_secs(1) / BURST_RATE * (number / BURST);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        let message = format!("<13>burst: {:80} {number}", "");
        socket.send(message.as_bytes()).expect("a socket");
    }
    let rate = f64::from(count) / begin.elapsed().as_secs_f64();
    // All has been delivered to the socket: the end takes it.
    let stderr = receiver.end();
    let number = |line: String| line.rsplit(' ').next()?.parse::<u32>().ok();
    let stored = lines(&home, "root/main").into_iter().filter_map(number).count() as u32;
    let lost = dropped(&stderr);
    let _ = writeln!(
        std::io::stdout(),
        "{count} datagrams at {rate:.0}/s in bursts of {BURST}: {stored} stored, {lost} dropped by the kernel"
    );
    assert_eq!(stored + lost, count, "{stderr}");
    // How many the kernel drops on a machine that is busy with other things is no question of the program.
    assert!(lost < count / 2, "{stderr}");
}

/// Stops the receiver, sends more than its socket holds, and lets it go on. The kernel may deliver late on a busy
/// machine, so this waits until it has dropped some. Returns how many datagrams were sent.
pub fn overflow(receiver: &Receiver, socket: &UdpSocket, count: u32) -> u32 {
    let state = || {
        let stat =
            std::fs::read_to_string(format!("/proc/{}/stat", receiver.pid())).expect("it runs");
        stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
    };
    receiver.signal(Signal::SIGSTOP);
    wait_until("a receiver that is stopped", state);
    let before = kernel_count(receiver);
    for number in 0..count {
        let message = format!("<13>a: {:100} {number}", "");
        socket.send(message.as_bytes()).expect("a socket");
    }
    let (mut last, mut sent) = (before, count);
    wait_until("the kernel", || {
        // On the way to the socket some may be lost that nobody counts.
        sent += u32::from(socket.send(b"<13>b: more").is_ok());
        std::thread::sleep(Duration::from_millis(50));
        let now = kernel_count(receiver);
        std::mem::replace(&mut last, now) > before
    });
    receiver.signal(Signal::SIGCONT);
    sent
}

/// The kernel's own count for the receiver's socket.
fn kernel_count(receiver: &Receiver) -> u32 {
    let address = receiver.address("udp");
    let port: u16 = address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let local = format!(":{port:04X}");
    // The second word is the socket's own address, the third that of its peer.
    let is_it =
        |line: &&str| line.split_whitespace().nth(1).is_some_and(|own| own.ends_with(&local));
    let mut count = None;
    // The kernel leaves out sockets where others come or go while the table is read.
    wait_until("the socket in the table", || {
        let table = std::fs::read_to_string("/proc/net/udp").expect("a table");
        let line = table.lines().find(is_it);
        count = line.and_then(|line| line.split_whitespace().next_back()?.parse().ok());
        count.is_some()
    });
    count.expect("found")
}

#[test]
fn what_the_kernel_drops_is_counted_exactly() {
    const COUNT: u32 = 5000;
    let home = Home::new();
    let script = ["--rcvbuf", "65536", "--into", "root"];
    let receiver = Receiver::start(&home, &[&["udp://127.0.0.1:0"], &script[..]].concat());
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(receiver.address("udp")).expect("an address");
    overflow(&receiver, &socket, COUNT);
    // No datagram arrives after the loss: the kernel's table has the count.
    receiver.signal(Signal::SIGUSR1);
    receiver.wait_for("dropped by the kernel");
    wait_until("the count", || dropped(&receiver.stderr()) > 0);
    let first = dropped(&receiver.stderr());
    assert_eq!(first, kernel_count(&receiver));
    // Another loss, and its count arrives with the next datagram.
    overflow(&receiver, &socket, COUNT);
    wait_until("a datagram after it", || {
        socket.send(b"<13>last: 1").expect("a socket");
        home.path("root/last/current").exists()
    });
    let both = kernel_count(&receiver);
    receiver.signal(Signal::SIGUSR1);
    receiver.wait_for(&format!("dropped by the kernel {both},"));
    let stderr = receiver.end();
    assert_eq!(dropped(&stderr), both, "{stderr}");
    assert!(both > first, "{stderr}");
    // In the log too.
    let told: String = lines(&home, "root/logreceive").join("\n");
    assert_eq!(dropped(&told), both, "{told}");
}
