//! What a server or a stream refuses, and outages: reported, tried again, and nothing is lost or doubled.

use super::logins::check_arrival;
use super::{Server, figure, free_port, is_installed, ship_once, stream};
use crate::receive::Receiver;
use crate::ship::{Ship, log, log_text};
use crate::support::{Home, numbers, wait_until};
use async_nats::ConnectOptions;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use nix::sys::signal::Signal;
use std::fs;

fn into(url: &str) -> [&str; 5] {
    ["--into", "root", "--by", "one", url]
}

#[test]
fn nats_a_login_without_rights_is_reported_and_gets_everything_when_it_has_them() {
    if !is_installed() {
        return;
    }
    let (home, port) = (Home::new(), free_port());
    let settings = |denied: &str| {
        format!(
            "authorization {{ users: [ {{ user: admin, password: a }}, {{ user: me, password: m, \
             permissions: {{ publish: {{ deny: [{denied}] }} }} }} ] }}"
        )
    };
    let admin = ConnectOptions::new().user_and_password("admin".to_owned(), "a".to_owned());
    let denied = r#""logs.>", "$JS.API.STREAM.INFO.>", "$JS.ACK.>""#;
    let server = Server::start_at(&home, port, &settings(denied), admin);
    server.create(stream());
    home.write("secret", "m\n", 0o600);
    log(&home, 1, 100);
    let url = |path: &str| format!("nats://me@127.0.0.1:{port}/{path}?password=secret");
    let ship = Ship::start(&home, &[&url("logs.web"), "log"]);
    let receiver = Receiver::start(&home, &into(&url("LOG/disk")));
    let refused = "the server refuses: nats: permissions violation for publish to";
    let says = |said: String, subject: &str| {
        said.to_lowercase().contains(&format!("{refused} \"{subject}").to_lowercase())
    };
    wait_until("logship's report", || says(ship.stderr(), "logs.web"));
    wait_until("logreceive's report", || says(receiver.stderr(), "$JS.API.STREAM.INFO.LOG"));
    server.configure(&home, &settings(r#""$JS.ACK.>""#));
    server.signal(Signal::SIGHUP);
    wait_until("its report", || says(receiver.stderr(), "$JS.ACK.LOG.disk"));
    server.configure(&home, &settings(""));
    server.signal(Signal::SIGHUP);
    check_arrival(&home, 100);
    wait_until("acknowledgements", || server.unanswered() == 0);
    check_arrival(&home, 100);
    ship.end();
    receiver.end();
}

#[test]
fn nats_a_line_that_is_too_long_for_the_server_is_kept_and_the_others_arrive() {
    for option in ["", "?ordered=1"] {
        let home = Home::new();
        let Some(server) = Server::start(&home, "max_payload: 3000") else { return };
        server.create(stream());
        let text = [&numbers(1, 10)[..], &[b'x'; 4000], b"\n", &numbers(11, 20)].concat();
        log_text(&home, "log", &text);
        let url = server.url(&format!("logs.web{option}"));
        let (code, said) = ship_once(&home, &[&url, "log"]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("kept in dead: "), "{said}");
        assert_eq!(server.texts(), numbers(1, 20), "{option}");
        let dead = String::from_utf8_lossy(&home.read("state/dead/current")).into_owned();
        assert!(dead.contains("xxxx"), "{dead}");
    }
}

#[test]
fn nats_lines_wait_while_the_server_is_away() {
    for option in ["", "?ordered=1"] {
        let home = Home::new();
        let Some(server) = Server::start(&home, "") else { return };
        server.create(stream());
        log(&home, 1, 100);
        let ship = Ship::start(&home, &[&server.url(&format!("logs.web{option}")), "log"]);
        let receiver = Receiver::start(&home, &into(&server.url("LOG/disk")));
        check_arrival(&home, 100);
        let come_back = server.go_away(&home);
        ship.wait_for_stderr("the server ended the connection");
        receiver.wait_for("the server ended the connection; trying again");
        log(&home, 101, 200);
        let server = come_back();
        check_arrival(&home, 200);
        wait_until("acknowledgements", || server.unanswered() == 0);
        ship.end();
        receiver.end();
    }
}

/// Peak memory of a process, in KiB.
fn peak_kib(ship: &Ship) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", ship.id())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// `tests/nats-away` has ten minutes of this.
#[test]
fn nats_an_outage_is_reported_once_and_costs_no_memory() {
    for option in ["", "?ordered=1"] {
        let home = Home::new();
        let Some(server) = Server::start(&home, "") else { return };
        server.create(stream());
        log(&home, 1, 2000);
        let ship = Ship::start(&home, &[&server.url(&format!("logs.web{option}")), "log"]);
        wait_until("the lines before", || server.count() == 2000);
        let before = peak_kib(&ship);
        let come_back = server.go_away(&home);
        ship.wait_for_stderr("the server ended the connection; next try in");
        let line = |number: u64| format!("{number} {}\n", "x".repeat(1000));
        log_text(&home, "log", (2001..=22_000).map(line).collect::<String>().as_bytes());
        ship.wait_for_stderr("connection refused; next try in");
        wait_until("many messages", || figure(&home, "waiting") > 1000);
        let grown = peak_kib(&ship) - before;
        assert!(grown < 15_000, "20 MB of lines waited, and {grown} KiB of memory were taken");
        let server = come_back();
        wait_until("every line", || server.count() >= 22_000);
        let said = ship.stderr();
        // A server that starts may refuse for another reason than one that is away.
        assert!((2..=4).contains(&said.matches("warning: ").count()), "{said}");
        ship.end();
        assert_eq!(server.count(), 22_000, "{option}");
    }
}

#[test]
fn nats_a_receiver_waits_for_its_stream_and_refuses_a_consumer_that_needs_no_answers() {
    let home = Home::new();
    let Some(server) = Server::start(&home, "") else { return };
    log(&home, 1, 100);
    let receiver = Receiver::start(&home, &into(&server.url("LOG/disk")));
    receiver.wait_for("stream LOG: jetstream error: stream not found");
    server.create(stream());
    assert_eq!(ship_once(&home, &[&server.url("logs.web"), "log"]).0, Some(0));
    check_arrival(&home, 100);
    receiver.end();
    server.with(async |context| {
        let config = pull::Config {
            durable_name: Some("none".to_owned()),
            ack_policy: AckPolicy::None,
            ..pull::Config::default()
        };
        let stream = context.get_stream("LOG").await.expect("the stream");
        stream.create_consumer(config).await.expect("a consumer");
    });
    let receiver = Receiver::start(&home, &into(&server.url("LOG/none")));
    receiver.wait_for("consumer none of stream LOG has another ack policy than explicit");
    receiver.end();
    assert!(fs::exists(home.path("root/.unanswered.LOG.disk")).expect("the root"));
}
