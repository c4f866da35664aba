//! Streams that are full: reported, tried again, and when they have room every line is there once.

use super::logins::arrived;
use super::{CURRENT, SERVER, Server, figure, free_port, is_installed, ship_once, stream};
use crate::receive::{Receiver, lines, wait_for_lines};
use crate::ship::{Ship, log, log_text};
use crate::support::{Home, numbers, wait_until};
use async_nats::ConnectOptions;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How long the streams of these tests know what they have.
const WINDOW: Duration = Duration::from_millis(200);

fn full() -> Config {
    Config { discard: DiscardPolicy::New, ..stream() }
}

/// The first word of each message, in the order of the stream.
fn stored(server: &Server) -> Vec<u64> {
    let first_word = |(_, text): (String, Vec<u8>)| {
        String::from_utf8_lossy(&text).split(' ').next()?.parse().ok()
    };
    server.messages().into_iter().filter_map(first_word).collect()
}

#[track_caller]
fn check_each_once(mut numbers: Vec<u64>, last: u64) {
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=last).collect::<Vec<_>>());
}

#[test]
fn nats_a_full_stream_is_reported_and_takes_the_rest_when_it_has_room() {
    for (program, option) in
        [(SERVER, ""), (CURRENT, ""), (SERVER, "?ordered=1"), (CURRENT, "?ordered=1")]
    {
        let home = Home::new();
        let Some(server) = Server::of(program, &home) else { return };
        server.create(Config { max_messages: 50, ..full() });
        log(&home, 1, 200);
        let ship = Ship::start(&home, &[&server.url(&format!("logs.web{option}")), "log"]);
        ship.wait_for_stderr("the stream is full: maximum messages exceeded");
        wait_until("further tries", || figure(&home, "sent_again") > 400);
        let connected = "connected to nats://";
        assert_eq!(ship.stderr().matches(connected).count(), 1, "{}", ship.stderr());
        server.update(Config { max_messages: 1000, ..full() });
        wait_until("every line", || server.count() >= 200);
        wait_until("the report", || ship.stderr().matches(connected).count() == 2);
        ship.end();
        check_each_once(stored(&server), 200);
        if !option.is_empty() {
            assert_eq!(server.texts(), numbers(1, 200));
        }
    }
}

/// A collector makes the room: a stream of work has only what nobody took yet.
#[test]
fn nats_a_full_stream_of_work_takes_the_rest_while_a_collector_takes_lines_from_it() {
    for program in [SERVER, CURRENT] {
        let home = Home::new();
        let Some(server) = Server::of(program, &home) else { return };
        let retention = RetentionPolicy::WorkQueue;
        server.create(Config { max_messages: 50, retention, ..full() });
        log(&home, 1, 2000);
        let ship = Ship::start(&home, &[&server.url("logs.web"), "log"]);
        ship.wait_for_stderr("the stream is full: maximum messages exceeded");
        let url = server.url("LOG/disk");
        let receiver = Receiver::start(&home, &["--into", "root", "--by", "one", &url]);
        wait_for_lines(&home, "root/main", 2000);
        wait_until("an empty stream", || server.count() == 0);
        ship.end();
        receiver.end();
        check_each_once(arrived(&home), 2000);
    }
}

/// What collectors have taken cannot be read back, so nobody would know what to send again.
#[test]
fn nats_a_stream_of_work_is_refused_for_exact_order() {
    let home = Home::new();
    let Some(server) = Server::of(SERVER, &home) else { return };
    server.create(Config { retention: RetentionPolicy::WorkQueue, ..stream() });
    log(&home, 1, 100);
    let ship = Ship::start(&home, &[&server.url("logs.web?ordered=1"), "log"]);
    ship.wait_for_stderr("ordered=1 needs retention: limits");
    ship.kill();
    let ship = Ship::start(&home, &[&server.url("logs.web"), "log"]);
    wait_until("every line", || server.count() == 100);
    ship.end();
}

/// Short lines go into a stream that has refused a long one. They must not be there twice, although they are known
/// for a shorter time than the stream is full.
#[test]
fn nats_a_stream_that_is_full_for_longer_than_it_knows_its_messages_has_no_line_twice() {
    for option in ["", "?ordered=1"] {
        let home = Home::new();
        let Some(server) = Server::of(CURRENT, &home) else { return };
        let limit = Config { max_bytes: 50_000, duplicate_window: WINDOW, ..full() };
        server.create(limit.clone());
        // The long lines before the short ones do not all fit, and leave less room than such a line needs.
        let line = |number: u64| match number <= 40 {
            true => format!("{number} {}\n", "x".repeat(3000)),
            false => format!("{number} short\n"),
        };
        log_text(&home, "log", (1..=500).map(line).collect::<String>().as_bytes());
        let ship = Ship::start(&home, &[&server.url(&format!("logs.web{option}")), "log"]);
        ship.wait_for_stderr("the stream is full: maximum bytes exceeded");
        let began = Instant::now();
        wait_until("the end of its window", || began.elapsed() > WINDOW * 5);
        if option.is_empty() {
            let before = stored(&server);
            assert!(before.contains(&41) && !before.contains(&40), "{before:?}");
        }
        server.update(Config { max_bytes: 5_000_000, ..limit });
        wait_until("every line", || {
            stored(&server).into_iter().collect::<BTreeSet<_>>().len() == 500
        });
        ship.end();
        check_each_once(stored(&server), 500);
    }
}

#[test]
fn nats_a_stream_that_drops_its_oldest_messages_is_reported_once() {
    let home = Home::new();
    let Some(server) = Server::of(SERVER, &home) else { return };
    server.create(Config { max_messages: 50, ..stream() });
    log(&home, 1, 200);
    let ship = Ship::start(&home, &[&server.url("logs.web"), "log"]);
    let said = "stream LOG drops its oldest messages when it is full (max_msgs 50), even those that no collector has \
                taken; with discard: new it refuses new messages instead, and lines wait here";
    ship.wait_for_stderr(said);
    // A connection that begins again reports it no second time.
    ship.signal(nix::sys::signal::Signal::SIGHUP);
    wait_until("a second connection", || ship.stderr().matches("connected to nats").count() == 2);
    log(&home, 201, 210);
    wait_until("the last line", || stored(&server).last() == Some(&210));
    assert_eq!(ship.stderr().matches(said).count(), 1);
    ship.end();
}

/// Servers before 2.10.5 take a message that does not fit any more, and drop the oldest for it.
#[test]
fn nats_a_server_that_counts_the_bytes_of_its_messages_wrongly_is_reported() {
    let said = "stream LOG loses messages when it is full (max_bytes 100000) although it is set to discard: new";
    for program in [SERVER, CURRENT] {
        let home = Home::new();
        let Some(server) = Server::of(program, &home) else { return };
        let counts = server.with(async |context| context.client().is_server_compatible(2, 10, 5));
        server.create(Config { max_bytes: 100_000, ..full() });
        log(&home, 1, 10);
        let ship = Ship::start(&home, &[&server.url("logs.web"), "log"]);
        wait_until("every line", || server.count() == 10);
        wait_until("the report", || counts || ship.stderr().contains(said));
        ship.end();
    }
}

#[test]
fn nats_a_login_that_may_only_publish_is_enough() {
    if !is_installed() {
        return;
    }
    let (home, port) = (Home::new(), free_port());
    let settings = "authorization { users: [ { user: admin, password: a }, { user: me, password: m, permissions: { \
                    publish: \"logs.>\", subscribe: \"_INBOX.>\" } } ] }";
    let admin = ConnectOptions::new().user_and_password("admin".to_owned(), "a".to_owned());
    let server = Server::start_at(&home, port, settings, admin);
    server.create(Config { max_messages: 5000, ..stream() });
    home.write("secret", "m\n", 0o600);
    log(&home, 1, 100);
    let url = format!("nats://me@127.0.0.1:{port}/logs.web?password=secret");
    let ship = Ship::start(&home, &[&url, "log"]);
    wait_until("every line", || server.count() == 100);
    wait_until("the refusal of the look at the stream", || {
        home.read("nats.log").windows(22).any(|part| part == b"$JS.API.STREAM.NAMES\"")
            || String::from_utf8_lossy(&home.read("nats.log")).contains("$JS.API.STREAM.NAMES")
    });
    log(&home, 101, 200);
    wait_until("the lines after it", || server.count() == 200);
    assert!(!ship.stderr().contains("warning"), "{}", ship.stderr());
    ship.end();
    check_each_once(stored(&server), 200);
}

/// The stream keeps ten messages and nobody takes them in time: what is missing is told by number, once.
#[test]
fn nats_messages_that_a_stream_dropped_before_a_receiver_took_them_are_reported() {
    for program in [SERVER, CURRENT] {
        let home = Home::new();
        let Some(server) = Server::of(program, &home) else { return };
        server.create(Config { max_messages: 10, ..stream() });
        let url = server.url("LOG/disk");
        let receive = || Receiver::start(&home, &["--into", "root", "--by", "one", &url]);
        let ship = |first, last| {
            log(&home, first, last);
            let ended = ship_once(&home, &[&server.url("logs.web"), "log"]);
            assert_eq!(ended.0, Some(0));
        };
        // A new consumer has missed nothing of what was there before it.
        ship(1, 20);
        let receiver = receive();
        wait_for_lines(&home, "root/main", 10);
        wait_until("answers", || server.unanswered() == 0);
        assert!(!receiver.end().contains("dropped"));
        // What the server still delivers to a receiver that has ended is lost too, and cannot be told apart.
        wait_until("the end of its request", || server.waiting() == 0);
        ship(21, 120);
        let receiver = receive();
        receiver.wait_for("the stream dropped 90 messages between its numbers 21 and 110 before");
        wait_for_lines(&home, "root/main", 21);
        assert_eq!(receiver.end().matches("dropped").count(), 1);
        let all: Vec<u64> = (11..=20).chain(111..=120).collect();
        assert_eq!(arrived(&home), all);
        let own =
            lines(&home, "root/main").iter().filter(|line| line.contains("dropped 90")).count();
        assert_eq!(own, 1);
    }
}
