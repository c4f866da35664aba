//! Brokers, a fresh directory, running programs, and what is in a topic.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything may take before a test gives up on it.
pub const DEADLINE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(5);

/// Brokers in this process.
pub type Mock = MockCluster<'static, DefaultProducerContext>;

/// Three mock brokers with a topic.
pub fn mock(topic: &str, partition_count: i32) -> Mock {
    let mock = Mock::new(3).expect("mock brokers");
    mock.create_topic(topic, partition_count, 3).expect("a topic");
    mock
}

/// True if long tests run in full.
pub fn is_full() -> bool {
    std::env::var_os("MULTILOG_TEST_MATRIX").is_some_and(|value| value == "full")
}

/// Waits until something holds.
#[track_caller]
pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let by = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < by, "in vain: {what}");
        thread::sleep(LOOK);
    }
}

/// A message of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub partition: i32,
    pub key: String,
    pub cursor: String,
    pub text: String,
}

/// All messages of a topic, once there are this many; further ones that are there too.
#[track_caller]
pub fn read(brokers: &str, topic: &str, count: usize) -> Vec<Stored> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "check")
        .set("enable.auto.commit", "false")
        .create()
        .expect("a consumer");
    let metadata = consumer.fetch_metadata(Some(topic), DEADLINE).expect("metadata");
    let mut list = TopicPartitionList::new();
    for partition in metadata.topics()[0].partitions() {
        list.add_partition_offset(topic, partition.id(), Offset::Beginning).expect("an offset");
    }
    consumer.assign(&list).expect("an assignment");
    let mut stored = Vec::new();
    let by = Instant::now() + DEADLINE;
    let mut quiet = 0;
    // What is there twice follows at once.
    while (stored.len() < count || quiet < 3) && Instant::now() < by {
        match consumer.poll(Duration::from_millis(200)) {
            None => quiet += 1,
            Some(Err(_)) => {}
            Some(Ok(message)) => {
                quiet = 0;
                let text = |bytes: Option<&[u8]>| {
                    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
                };
                let header = message.headers().map(|headers| headers.get(0));
                assert_eq!(header.as_ref().map(|header| header.key), Some("cursor"));
                stored.push(Stored {
                    partition: message.partition(),
                    key: text(message.key()),
                    cursor: text(header.and_then(|header| header.value)),
                    text: text(message.payload()),
                });
            }
        }
    }
    assert!(stored.len() >= count, "{} of {count} messages", stored.len());
    stored
}

/// A directory of its own.
pub struct Home(TempDir);

impl Home {
    pub fn new() -> Home {
        Home(tempfile::tempdir().expect("a directory"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Writes a log directory with the lines `line FIRST` to `line LAST`.
    pub fn log(&self, name: &str, first: u64, last: u64) {
        use std::fmt::Write as _;
        let mut lines = String::new();
        for number in first..=last {
            writeln!(lines, "line {number}").expect("a string takes everything");
        }
        self.log_text(name, &lines);
    }

    /// Writes a log directory with this text.
    pub fn log_text(&self, name: &str, text: &str) {
        fs::write(self.path("lines"), text).expect("written");
        let input = fs::File::open(self.path("lines")).expect("readable");
        let status = Command::new(env!("CARGO_BIN_EXE_multilog"))
            .args(["t", "s16777215", &format!("./{name}")])
            .current_dir(self.0.path())
            .stdin(input)
            .status();
        assert!(status.expect("multilog runs").success());
    }

    /// Starts a program here; its messages are in the file `NAME.err`.
    pub fn start(&self, program: &str, name: &str, arguments: &[&str]) -> Running {
        let path = match program {
            "logship" => env!("CARGO_BIN_EXE_logship"),
            "logreceive" => env!("CARGO_BIN_EXE_logreceive"),
            other => panic!("{other} is no program of ours"),
        };
        let errors = fs::OpenOptions::new().create(true).append(true).open(self.path(name));
        let child = Command::new(path)
            .args(arguments)
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors.expect("a file"))
            .spawn();
        Running(child.expect("the program starts"))
    }
}

impl Drop for Home {
    /// A failed test shows what the programs printed.
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        for entry in fs::read_dir(self.0.path()).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".err") {
                eprintln!("{name}:\n{}", self.read(&name));
            }
        }
    }
}

/// A running program. It is killed when it is dropped.
pub struct Running(Child);

impl Running {
    /// The exit code.
    #[track_caller]
    pub fn wait(&mut self) -> Option<i32> {
        let by = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.0.try_wait().expect("a child") {
                return status.code();
            }
            assert!(Instant::now() < by, "the program does not end");
            thread::sleep(LOOK);
        }
    }

    /// Asks it to end.
    pub fn end(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Asks for its status.
    pub fn report(&self) {
        self.signal(Signal::SIGUSR1);
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.0.id()).expect("a pid");
        kill(Pid::from_raw(pid), signal).expect("a child");
    }

    pub fn kill(&mut self) {
        self.0.kill().expect("a child");
        self.0.wait().expect("a child");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
