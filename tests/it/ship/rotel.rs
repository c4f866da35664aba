//! A real receiver of OTLP: what it prints of each record is the line, byte for byte, and its whole time.

use super::{Ship, log_text};
use crate::peers::peer;
use crate::support::{Home, wait_until};
use std::fs::File;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

const COUNT: usize = 100_000;
/// Begins the last line of a record.
const RECORD_END: &[u8] = b"\nFlags: ";

struct Rotel {
    child: Child,
    http: u16,
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

impl Rotel {
    fn start(home: &Home) -> Option<Rotel> {
        let program = peer("rotel-agent")?;
        let (http, grpc) = (free_port(), free_port());
        let mut command = Command::new(program);
        command.args(["start", "--exporter", "blackhole", "--batch-timeout", "200ms"]);
        command.args(["--debug-log", "logs", "--debug-log-verbosity", "detailed"]);
        command.args(["--otlp-http-endpoint", &format!("127.0.0.1:{http}")]);
        command.args(["--otlp-grpc-endpoint", &format!("127.0.0.1:{grpc}")]);
        let out = File::create(home.path("rotel.out")).expect("a file");
        let error = out.try_clone().expect("a file");
        command.stdin(Stdio::null()).stdout(out).stderr(error);
        let rotel = Rotel { child: command.spawn().expect("rotel starts"), http };
        wait_until("rotel", || TcpStream::connect(("127.0.0.1", http)).is_ok());
        Some(rotel)
    }
}

impl Drop for Rotel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every hundredth line is not UTF-8.
fn line(number: usize) -> Vec<u8> {
    let mut line = format!("line {number} \"quoted\" \\ with\ttab").into_bytes();
    if number.is_multiple_of(100) {
        line.extend_from_slice(b"\xe9\xff");
    }
    line
}

/// The text after a word, up to the end of the line.
fn after<'a>(record: &'a str, word: &str) -> &'a str {
    let (_, rest) = record.split_once(word).expect(word);
    rest.split('\n').next().unwrap_or_default()
}

/// `Str(text)`, or `Bytes([1, 2])`.
fn body(record: &str) -> Vec<u8> {
    let body = after(record, "\nBody: ");
    if let Some(text) = body.strip_prefix("Str(") {
        return text.strip_suffix(')').expect("the end of a string").as_bytes().to_vec();
    }
    let bytes = body.strip_prefix("Bytes([").and_then(|rest| rest.strip_suffix("])"));
    let bytes = bytes.expect("bytes").split(", ");
    bytes.map(|byte| byte.parse().expect("a byte")).collect()
}

/// Reads what the receiver prints until all records are there. The deadline is for each next piece of it.
fn read_records(home: &Home) -> String {
    let mut file = File::open(home.path("rotel.out")).expect("a file");
    let (mut out, mut count) = (Vec::new(), 0);
    while count < COUNT {
        let seen = out.len();
        wait_until("more records", || file.read_to_end(&mut out).expect("readable") > 0);
        let new_from = seen.saturating_sub(RECORD_END.len() - 1);
        count += memchr::memmem::find_iter(&out[new_from..], RECORD_END).count();
    }
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn every_line_arrives_byte_for_byte_with_nine_digits() {
    let home = Home::new();
    let Some(rotel) = Rotel::start(&home) else { return };
    let text: Vec<u8> =
        (1..=COUNT).flat_map(|number| [line(number), b"\n".to_vec()].concat()).collect();
    log_text(&home, "log", &text);
    let url = format!("otlp://127.0.0.1:{}", rotel.http);
    let mut ship = Ship::start(&home, &["--once", &url, "./log"]);
    assert_eq!(ship.wait().code(), Some(0), "{}", ship.stderr());
    let out = read_records(&home);
    let records: Vec<&str> = out.split("\nLogRecord #").skip(1).collect();
    assert_eq!(records.len(), COUNT, "none comes twice");
    for (record, number) in records.iter().zip(1..) {
        assert!(body(record) == line(number), "{record}");
        let label = after(record, "multilog.label: Str(@");
        let nanos = u64::from_str_radix(&label[16..24], 16).expect("hexadecimal");
        let time = after(record, "\nTimestamp: ");
        assert!(time.ends_with(&format!("{nanos:09}")), "{record}");
    }
}
