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
    assert!(lost < count / 10, "{stderr}");
}

#[test]
fn what_the_kernel_drops_is_counted_exactly() {
    const COUNT: u32 = 5000;
    let home = Home::new();
    let script = ["--rcvbuf", "65536", "--into", "root"];
    let receiver = Receiver::start(&home, &[&["udp://127.0.0.1:0"], &script[..]].concat());
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(receiver.address("udp")).expect("an address");
    receiver.signal(Signal::SIGSTOP);
    for number in 0..COUNT {
        let message = format!("<13>a: {:100} {number}", "");
        socket.send(message.as_bytes()).expect("a socket");
    }
    receiver.signal(Signal::SIGCONT);
    // No datagram arrives after the loss: the kernel's table has the count.
    receiver.signal(Signal::SIGUSR1);
    receiver.wait_for("dropped by the kernel");
    wait_until("the count", || dropped(&receiver.stderr()) > 0);
    let first = dropped(&receiver.stderr());
    let stored = lines(&home, "root/a").len() as u32;
    assert_eq!(stored + first, COUNT, "{}", receiver.stderr());
    let status = format!("dropped by the kernel {first},");
    receiver.signal(Signal::SIGUSR1);
    receiver.wait_for(&status);
    // Another loss, and its count arrives with the next datagram.
    receiver.signal(Signal::SIGSTOP);
    for number in 0..COUNT {
        let message = format!("<13>a: {:100} {number}", "");
        socket.send(message.as_bytes()).expect("a socket");
    }
    receiver.signal(Signal::SIGCONT);
    wait_until("room", || {
        socket.send(b"<13>last: 1").expect("a socket");
        home.path("root/last/current").exists()
    });
    let stderr = receiver.end();
    let stored = lines(&home, "root/a").len() as u32;
    assert!(dropped(&stderr) > first, "{stderr}");
    // Some of the last messages may have been dropped too.
    let lasts = stored + dropped(&stderr) - 2 * COUNT;
    assert!(lasts <= 1000, "{stored} {stderr}");
    // In the log too.
    let told: String = lines(&home, "root/logreceive").join("\n");
    assert_eq!(dropped(&told), dropped(&stderr), "{told}");
}
