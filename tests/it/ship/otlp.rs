//! OTLP over HTTP: whatever the server answers, nothing is lost in silence, nothing loops, and the cursor is
//! never ahead of an answer.

use super::http_server::{HttpServer, Reply};
use super::{Ship, log, log_text};
use crate::support::{Home, numbers, wait_until};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// The lines that were given up.
fn dead(home: &Home) -> String {
    let files = glob::glob(&format!("{}/state/dead/*", home.path("").display()));
    let files = files.expect("a good pattern").flatten();
    let text: String = files.filter_map(|file| std::fs::read_to_string(file).ok()).collect();
    text.split_inclusive('\n').filter(|line| line.contains(" refused: ")).collect()
}

#[track_caller]
fn check_texts(server: &HttpServer, first: u64, last: u64) {
    let texts = server.texts();
    let seen: BTreeSet<&str> = texts.iter().map(String::as_str).collect();
    let missing: Vec<u64> =
        (first..=last).filter(|number| !seen.contains(&*number.to_string())).collect();
    assert!(missing.is_empty(), "{missing:?} are missing");
}

fn attribute<'a>(attributes: &'a serde_json::Value, name: &str) -> &'a str {
    let found = attributes.as_array().expect("attributes").iter().find(|pair| pair["key"] == name);
    found.expect("the attribute")["value"]["stringValue"].as_str().expect("a string")
}

#[test]
fn a_record_has_the_line_and_all_digits_of_its_time() {
    let home = Home::new();
    log_text(&home, "log", b"first\n\xe9\xff\ttab\nthird \"quoted\"\n");
    let server = HttpServer::start(&[Reply::Good]);
    let mut ship = Ship::start(&home, &["--once", "--pri", "daemon.err", &server.url(), "./log"]);
    assert_eq!(ship.wait().code(), Some(0), "{}", ship.stderr());
    let stored = server.stored();
    assert_eq!(stored.len(), 3);
    assert_eq!(stored[0]["body"]["stringValue"], "first");
    assert_eq!(stored[1]["body"]["bytesValue"], "6f8JdGFi");
    assert_eq!(stored[2]["body"]["stringValue"], "third \"quoted\"");
    for record in &stored {
        assert_eq!(record["severityNumber"], 17);
        assert_eq!(attribute(&record["resource"], "host.name"), "here");
        let label = attribute(&record["attributes"], "multilog.label");
        let nanos = u64::from_str_radix(&label[label.len() - 8..], 16).expect("hexadecimal");
        let time = record["timeUnixNano"].as_str().expect("a string");
        assert_eq!(time.len(), 19);
        assert!(time.ends_with(&format!("{nanos:09}")), "{time} is not {label}");
    }
}

/// After these replies everything arrives, and the user has heard `message`. Nothing is given up.
#[track_caller]
fn check(replies: &[Reply], message: &str) -> HttpServer {
    let home = Home::new();
    log(&home, 1, 500);
    let server = HttpServer::start(&[replies, &[Reply::Good]].concat());
    let mut ship = Ship::start(&home, &["--once", &server.url(), "./log"]);
    assert_eq!(ship.wait().code(), Some(0), "{}", ship.stderr());
    assert!(ship.stderr().contains(message), "{}", ship.stderr());
    check_texts(&server, 1, 500);
    assert_eq!(dead(&home), "");
    assert!(server.requests().len() <= 12, "{} requests", server.requests().len());
    server
}

#[test]
fn an_empty_answer_is_one() {
    check(&[Reply::Raw("HTTP/1.1 204 No Content\r\n\r\n")], "connected to otlp://127.0.0.1:");
}

#[test]
fn an_answer_in_chunks_that_ends_the_connection_is_one() {
    let raw = "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
    check(&[Reply::Raw(raw)], "connected to");
}

#[test]
fn a_server_in_trouble_gets_everything_later() {
    let raw = "HTTP/1.1 503 Unavailable\r\nContent-Length: 4\r\n\r\nfull";
    check(&[Reply::Raw(raw), Reply::Raw(raw)], "the server answered 503: full");
}

#[test]
fn a_server_that_ends_without_an_answer_gets_everything_later() {
    check(&[Reply::Ends, Reply::Ends], "the server ended the connection without an answer");
}

#[test]
fn a_wrong_path_is_reported_and_gives_nothing_up() {
    let raw = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    check(&[Reply::Raw(raw)], "the server answered 404;");
    let raw = "HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1/x\r\nContent-Length: 0\r\n\r\n";
    check(&[Reply::Raw(raw)], "the server answered 301;");
}

#[test]
fn an_answer_that_is_not_otlp_delivers_nothing() {
    let raw = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>";
    check(&[Reply::Raw(raw)], "the server answered something that is not OTLP: <html>");
    check(&[Reply::Raw("1 rsp 6 200 OK\n\r\n\r\n")], "the server does not speak HTTP here");
}

#[test]
fn the_wait_that_a_server_asks_for_is_kept() {
    let raw = "HTTP/1.1 429 Slow Down\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
    let server = check(&[Reply::Raw(raw)], "the server answered 429; next try in 1.0 s");
    let requests = server.requests();
    let wait = requests[1].0.duration_since(requests[0].0);
    assert!(wait >= Duration::from_millis(990), "{wait:?}");
}

#[test]
fn a_signal_ends_the_wait_that_a_server_asks_for() {
    let raw = "HTTP/1.1 429 Slow Down\r\nRetry-After: 3000\r\nContent-Length: 0\r\n\r\n";
    let home = Home::new();
    log(&home, 1, 500);
    let server = HttpServer::start(&[Reply::Raw(raw), Reply::Raw(raw), Reply::Good]);
    let ship = Ship::start(&home, &[&server.url(), "./log"]);
    ship.wait_for_stderr("next try in 3000.0 s");
    let begin = Instant::now();
    ship.end();
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
    assert_eq!(server.count(), 0);
    // ALRM tries at once, and no line counts as delivered that has no answer.
    let ship = Ship::start(&home, &[&server.url(), "./log"]);
    wait_until("the second request", || server.requests().len() == 2);
    wait_until("its answer", || ship.stderr().matches("next try in 3000.0 s").count() == 2);
    ship.signal(Signal::SIGALRM);
    wait_until("all lines", || server.count() >= 500);
    ship.end();
    check_texts(&server, 1, 500);
}

/// One record is refused: it alone is given up, and all others arrive.
#[track_caller]
fn check_poison(status: u16) {
    let home = Home::new();
    log(&home, 1, 500);
    let server = HttpServer::start(&[Reply::Refuses(status, "321")]);
    let mut ship = Ship::start(&home, &["--once", &server.url(), "./log"]);
    assert_eq!(ship.wait().code(), Some(2), "{}", ship.stderr());
    check_texts(&server, 1, 320);
    check_texts(&server, 322, 500);
    let dead = dead(&home);
    assert_eq!(dead.lines().count(), 1, "{dead}");
    let reason = format!("refused: the server answered {status}: a record is bad: ");
    assert!(dead.contains(&reason) && dead.contains(r#"{"stringValue":"321"}"#), "{dead}");
    assert!(server.requests().len() <= 40, "{} requests", server.requests().len());
}

#[test]
fn a_record_that_the_server_does_not_take_is_found_and_kept() {
    check_poison(400);
}

#[test]
fn a_record_at_which_the_server_fails_is_found_and_kept() {
    check_poison(500);
}

#[test]
fn records_that_are_thrown_away_in_part_are_counted_and_not_sent_again() {
    let raw = "HTTP/1.1 200 OK\r\nContent-Length: 70\r\n\r\n{\"partialSuccess\":{\"rejectedLogRecords\":\"3\",\"errorMessage\":\"too old\"}}";
    let home = Home::new();
    log(&home, 1, 500);
    let server = HttpServer::start(&[Reply::Raw(raw), Reply::Good]);
    let mut ship = Ship::start(&home, &["--once", &server.url(), "./log"]);
    assert_eq!(ship.wait().code(), Some(2), "{}", ship.stderr());
    let message = "the receiver rejects 3 records of a request and does not say which: too old";
    assert!(ship.stderr().contains(message), "{}", ship.stderr());
    assert_eq!(server.count(), 500, "none comes twice");
}

/// Servers end idle connections; that is no failure.
#[test]
fn an_idle_connection_may_end() {
    let home = Home::new();
    let server = HttpServer::start(&[Reply::Closes]);
    log(&home, 1, 10);
    let ship = Ship::start(&home, &[&server.url(), "./log"]);
    for last in [20, 30] {
        wait_until("lines", || server.count() >= last - 10);
        let first = u64::try_from(last - 9).expect("small");
        log_text(&home, "log", &numbers(first, first + 9));
    }
    wait_until("all lines", || server.count() >= 30);
    let stderr = ship.stderr();
    ship.end();
    check_texts(&server, 1, 30);
    assert!(server.connections() <= 30, "{} connections", server.connections());
    assert!(!stderr.contains("warning"), "{stderr}");
    assert_eq!(stderr.matches("connected to").count(), 1, "{stderr}");
}

#[test]
fn a_killed_logship_sends_nothing_less() {
    let home = Home::new();
    log(&home, 1, 5000);
    let server = HttpServer::start(&[Reply::Good]);
    for part in 1..=3 {
        let ship = Ship::start(&home, &["--rate", "2000", &server.url(), "./log"]);
        wait_until("some lines", || server.count() >= part * 800);
        ship.kill();
    }
    let mut ship = Ship::start(&home, &["--once", &server.url(), "./log"]);
    assert_eq!(ship.wait().code(), Some(0), "{}", ship.stderr());
    check_texts(&server, 1, 5000);
}

#[test]
fn receivers_of_both_kinds_are_a_usage_error() {
    let home = Home::new();
    let ended = super::command(&home, &["otlp://127.0.0.1", "relp://127.0.0.1:2514", "./log"])
        .output()
        .expect("logship starts");
    assert_eq!(ended.status.code(), Some(100));
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert!(stderr.contains("cannot be mixed: a line is made for one of them"), "{stderr}");
}

/// The value of a field in the last request.
fn field(server: &HttpServer, name: &str) -> Option<String> {
    let head = server.head();
    let mut fields = head.iter().filter_map(|line| line.split_once(": "));
    fields.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
}

#[test]
fn header_fields_come_from_a_file_that_hup_reads_again() {
    let home = Home::new();
    log(&home, 1, 10);
    home.write("headers", "# of web7\nAuthorization: Bearer first\nX-Scope-OrgID: main\n", 0o600);
    let server = HttpServer::start(&[Reply::Good]);
    let ship = Ship::start(&home, &["--headers", "headers", &server.url(), "./log"]);
    wait_until("ten lines", || server.count() >= 10);
    assert_eq!(field(&server, "authorization").as_deref(), Some("Bearer first"));
    assert_eq!(field(&server, "x-scope-orgid").as_deref(), Some("main"));
    home.write("headers", "no field\n", 0o600);
    ship.signal(Signal::SIGHUP);
    ship.wait_for_stderr("unable to use headers: line 1 has no colon after a name");
    home.write("headers", "Authorization: Bearer second\n", 0o600);
    ship.signal(Signal::SIGHUP);
    wait_until("another connection", || {
        log(&home, 11, 11);
        field(&server, "authorization").as_deref() == Some("Bearer second")
    });
    assert!(!ship.stderr().contains("Bearer"), "{}", ship.stderr());
    ship.end();
}

#[test]
fn a_file_of_header_fields_that_cannot_be_used_is_an_error_at_the_start() {
    let home = Home::new();
    log(&home, 1, 1);
    home.write("headers", "Host: secret\n", 0o600);
    for (url, expected) in [
        (
            "otlp://127.0.0.1:1",
            "unable to use headers: line 1 sets Host, which logship sets itself",
        ),
        ("relp://127.0.0.1:1", "header fields are named, but no URL uses them"),
    ] {
        let mut ship = Ship::start(&home, &["--headers", "headers", url, "./log"]);
        assert_eq!(ship.wait().code(), Some(111));
        ship.wait_for_stderr(expected);
    }
}

#[cfg(feature = "tls")]
#[test]
fn records_arrive_through_tls_and_a_wrong_name_gets_nothing() {
    use super::certificates::Authority;
    use multilog::tls::{Server, ServerFiles};
    let home = Home::new();
    Authority::with_server(&home);
    log(&home, 1, 3000);
    let (cert, key) = (home.path("server.pem"), Some(home.path("server.key")));
    let files = ServerFiles { cert, key, ..ServerFiles::default() };
    let server = HttpServer::start_tls(&[Reply::Good], Server::open(files).expect("good files"));
    let url = server.tls_url();
    let ship = Ship::start(&home, &["--ca", "ca.pem", "--name", "web.example.org", &url, "./log"]);
    ship.wait_for_stderr("its names are log.example.org, expected is web.example.org");
    assert_eq!(server.count(), 0);
    ship.end();
    let options = ["--once", "--ca", "ca.pem", "--name", "log.example.org", &url, "./log"];
    let mut ship = Ship::start(&home, &options);
    assert_eq!(ship.wait().code(), Some(0), "{}", ship.stderr());
    check_texts(&server, 1, 3000);
    assert_eq!(server.texts().len(), 3000, "none comes twice");
}
