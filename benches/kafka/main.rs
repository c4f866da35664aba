//! Speed and cost of `logship kafka://` beside a program that does nothing but hand the same messages to librdkafka:
//!
//! ```text
//! cargo bench --features kafka --bench kafka [-- LINES [ROUNDS]]
//! ```
//!
//! Three mock brokers of librdkafka take the messages, in a process of their own. In each round each program gets new
//! brokers; the counts of messages are those of the brokers. It measures and does not judge.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs, reason = "a measurement")]

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeVal;
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{
    BaseProducer, BaseRecord, DefaultProducerContext, DeliveryResult, Producer, ProducerContext,
};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const LINES: u64 = 2_000_000;
const ROUNDS: u64 = 3;
const TOPIC: &str = "log";
const PARTITIONS: i32 = 6;
/// Messages of one directory have one key and so one partition.
const DIRECTORIES: u64 = 4;
/// Bytes after the number of a line: with its stamp it has 116.
const TEXT: &str =
    " delivery 4711: success: 203.0.113.7_accepted_message./Remote_host_said:_250_ok/1";
const TIMEOUT: Duration = Duration::from_secs(120);
/// The header of a message of `logship`, before the text.
const HEADER: &str = "<30>1 2026-11-27T11:02:00.123456Z host service - - [multilog@32473 dir=\"./log0\" \
    label=\"@4000000068384e0c075bcd15\" cursor=\"00000000000a1b2c.0000000068384e0c.0000000012345678\"] ";

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["brokers"] => brokers(),
        ["bare", brokers, lines] => bare(brokers, lines.parse().unwrap()),
        ref numbers => {
            let number = |pos: usize| numbers.get(pos).map(|text| text.parse().unwrap());
            compare(number(0).unwrap_or(LINES), number(1).unwrap_or(ROUNDS));
        }
    }
}

/// Brokers until standard input ends; then prints how many messages they have.
fn brokers() {
    let mock = MockCluster::<'_, DefaultProducerContext>::new(3).unwrap();
    mock.create_topic(TOPIC, PARTITIONS, 3).unwrap();
    println!("{}", mock.bootstrap_servers());
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", mock.bootstrap_servers()).create().unwrap();
    let end = |partition| consumer.fetch_watermarks(TOPIC, partition, TIMEOUT).unwrap().1;
    println!("{}", (0..PARTITIONS).map(end).sum::<i64>());
}

/// Counts answers.
#[derive(Default)]
struct Answers(AtomicU64);

impl ClientContext for Answers {}

impl ProducerContext for Answers {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        assert!(result.is_ok());
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Hands messages like those of `logship` to librdkafka, with the settings of `logship`.
fn bare(brokers: &str, lines: u64) {
    let client: BaseProducer<Answers> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "5")
        .set("batch.num.messages", "10000")
        .set("batch.size", "1000000")
        .set("compression.codec", "lz4")
        .set("partitioner", "murmur2_random")
        .set("queue.buffering.max.messages", "20000")
        .create_with_context(Answers::default())
        .unwrap();
    let mut message = Vec::new();
    for number in 0..lines {
        message.clear();
        write!(message, "{HEADER}{number:08}{TEXT}").unwrap();
        let key = format!("host:./log{}", number * DIRECTORIES / lines);
        let id = format!("00000000000a1b2c.0000000068384e0c.{number:016x}");
        loop {
            let headers = OwnedHeaders::new_with_capacity(1)
                .insert(Header { key: "cursor", value: Some(id.as_bytes()) });
            let record = BaseRecord::to(TOPIC).key(&key).payload(&message).headers(headers);
            match client.send(record) {
                Ok(()) => break,
                Err(_) => client.poll(Duration::from_millis(1)),
            }
        }
    }
    client.flush(TIMEOUT).unwrap();
    assert_eq!(client.context().0.load(Ordering::Relaxed), lines);
}

fn compare(lines: u64, rounds: u64) {
    let home = tempfile::tempdir_in("/dev/shm").unwrap();
    for number in 0..DIRECTORIES {
        write_log(home.path(), number, lines / DIRECTORIES);
    }
    println!(
        "| sender | lines/s | CPU s per 100,000 lines | waits per 1,000 lines | peak memory, MiB |"
    );
    println!("| --- | ---: | ---: | ---: | ---: |");
    for _ in 0..rounds {
        row("logship", lines, |brokers| {
            let _ = fs::remove_dir_all(home.path().join("state"));
            let mut logship = Command::new(env!("CARGO_BIN_EXE_logship"));
            let url = format!("kafka://{brokers}/{TOPIC}");
            logship.args(["--once", "--host", "host", "--state", "state", &url]);
            logship.args((0..DIRECTORIES).map(|number| format!("./log{number}")));
            logship.current_dir(home.path()).stderr(Stdio::null());
            logship
        });
        row("librdkafka alone", lines, |brokers| {
            let mut bare = Command::new(std::env::current_exe().unwrap());
            bare.args(["bare", brokers, &lines.to_string()]);
            bare
        });
    }
}

/// Writes a log directory through `multilog`.
fn write_log(home: &Path, number: u64, lines: u64) {
    let input = home.join("lines");
    let mut file = BufWriter::new(File::create(&input).unwrap());
    (0..lines).for_each(|line| writeln!(file, "{line:08}{TEXT}").unwrap());
    drop(file);
    let mut multilog = Command::new(env!("CARGO_BIN_EXE_multilog"));
    multilog.args(["t", "s16777215", "n1000", &format!("./log{number}")]);
    multilog.current_dir(home).stdin(File::open(&input).unwrap());
    assert!(multilog.status().unwrap().success());
    fs::remove_file(input).unwrap();
}

/// Runs a sender against new brokers and prints what it took.
fn row(name: &str, lines: u64, sender: impl FnOnce(&str) -> Command) {
    let mut brokers = Command::new(std::env::current_exe().unwrap())
        .arg("brokers")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(brokers.stdout.take().unwrap()).lines();
    let address = told.next().unwrap().unwrap();
    let before = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let start = Instant::now();
    let mut child = sender(&address).spawn().unwrap();
    let peak_kib = wait(&mut child);
    let secs = start.elapsed().as_secs_f64();
    let after = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    drop(brokers.stdin.take());
    let stored: u64 = told.next().unwrap().unwrap().parse().unwrap();
    brokers.wait().unwrap();
    assert_eq!(stored, lines, "messages in the topic");
    let waits = after.voluntary_context_switches() - before.voluntary_context_switches();
    println!(
        "| {name} | {:.0} | {:.3} | {:.1} | {:.0} |",
        lines as f64 / secs,
        (cpu_secs(&after) - cpu_secs(&before)) * 1e5 / lines as f64,
        waits as f64 * 1e3 / lines as f64,
        peak_kib as f64 / 1024.0,
    );
}

/// Waits for the end of a program. Returns the most memory that it had, in KiB; wait4(2) would begin with the memory
/// of this program.
fn wait(child: &mut Child) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0;
    loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let field = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = field.and_then(|field| field.split_whitespace().next()?.parse().ok());
        peak_kib = peak_kib.max(kib.unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return peak_kib;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn cpu_secs(usage: &Usage) -> f64 {
    let secs = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    secs(usage.user_time()) + secs(usage.system_time())
}
