//! A real rsyslog as the receiver: killed, ended and stopped while lines flow.
//!
//! Its main queue is `direct`: the usual one is in memory and acknowledges lines that a kill then loses.

use super::{Ship, check_numbers, param, text_of};
use crate::peers::peer;
use crate::support::{Home, Logger, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Lines a second, and how many of them.
const RATE: u64 = 20_000;
const COUNT: u64 = 30_000;
/// Messages that a broken RELP session sends again at most.
const WINDOW: usize = 128;
/// How long a receiver is stopped.
const STOP: Duration = Duration::from_secs(2);

/// The daemon, or none where it is not installed. In CI it has to be.
fn rsyslogd() -> Option<PathBuf> {
    let program = peer("rsyslogd")?;
    let modules = glob::glob("/usr/lib/*/rsyslog/imrelp.so").expect("a good pattern");
    let has_relp = modules.flatten().next().is_some();
    assert!(has_relp || std::env::var_os("CI").is_none(), "rsyslog-relp is not installed");
    has_relp.then_some(program)
}

/// How often each case runs: ten times in the whole matrix.
fn rounds() -> u32 {
    if std::env::var_os("MULTILOG_TEST_MATRIX").is_some() { 10 } else { 1 }
}

struct Rsyslog<'a> {
    home: &'a Home,
    program: PathBuf,
    child: Child,
    relp: u16,
    tcp: u16,
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

impl<'a> Rsyslog<'a> {
    fn start(home: &'a Home, program: PathBuf) -> Rsyslog<'a> {
        Rsyslog::start_with(home, program, "", "", "")
    }

    /// Starts it with further settings: global ones, of the module for TCP, and of the input for RELP.
    fn start_with(
        home: &'a Home,
        program: PathBuf,
        global: &str,
        of_tcp: &str,
        of_relp: &str,
    ) -> Rsyslog<'a> {
        let (relp, tcp) = (free_port(), free_port());
        let dir = home.path("");
        let config = format!(
            r#"global(workDirectory="{dir}" maxMessageSize="64k" parser.escapeControlCharactersOnReceive="off" {global})
main_queue(queue.type="direct")
module(load="imrelp")
module(load="imtcp" {of_tcp})
template(name="raw" type="string" string="%rawmsg%\n")
input(type="imrelp" port="{relp}" address="127.0.0.1" {of_relp})
input(type="imtcp" port="{tcp}" address="127.0.0.1")
action(type="omfile" file="{dir}/out" template="raw")
"#,
            dir = dir.display()
        );
        home.write("rsyslog.conf", config, 0o600);
        let child = spawn(home, &program);
        let server = Rsyslog { home, program, child, relp, tcp };
        server.wait_until_up();
        server
    }

    fn wait_until_up(&self) {
        wait_until("rsyslog", || {
            [self.relp, self.tcp]
                .iter()
                .all(|&port| TcpStream::connect(("127.0.0.1", port)).is_ok())
        });
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process number");
        kill(Pid::from_raw(pid), signal).expect("rsyslog runs");
    }

    /// Ends it with a signal and starts it again.
    fn restart(&mut self, signal: Signal) {
        self.signal(signal);
        self.child.wait().expect("a child");
        let _ = std::fs::remove_file(self.home.path("rsyslog.pid"));
        self.child = spawn(self.home, &self.program);
    }

    /// What it has stored, a message a line.
    fn messages(&self) -> Vec<Vec<u8>> {
        let out = self.home.read("out");
        let whole = out.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n"));
        whole.map(|line| line[..line.len() - 1].to_vec()).collect()
    }

    /// Waits until the message of this line is stored.
    fn wait_for_line(&self, text: &str) {
        let tail = format!("\"] {text}\n").into_bytes();
        wait_until("the last line", || {
            memchr::memmem::find(&self.home.read("out"), &tail).is_some()
        });
    }
}

fn spawn(home: &Home, program: &std::path::Path) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(home.path("rsyslog.log"));
    let mut command = Command::new(program);
    command
        .args(["-n", "-f"])
        .arg(home.path("rsyslog.conf"))
        .arg("-i")
        .arg(home.path("rsyslog.pid"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.expect("a file"));
    command.spawn().expect("rsyslog starts")
}

impl Drop for Rsyslog<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Feeds lines to multilog at their rate, from a thread.
fn feed(logger: &mut Logger) -> thread::JoinHandle<()> {
    let mut stdin = logger.take_stdin();
    thread::spawn(move || {
        let (begin, piece) = (Instant::now(), RATE / 20);
        for first in (1..=COUNT).step_by(usize::try_from(piece).expect("small")) {
            let lines = crate::support::numbers(first, (first + piece - 1).min(COUNT));
            std::io::Write::write_all(&mut stdin, &lines).expect("multilog reads");
            let due = begin + Duration::from_millis(1000 * (first + piece) / RATE);
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    })
}

/// Lines flow while `trouble` happens to the receiver; returns how many messages came twice, and how many
/// sessions there were.
#[track_caller]
fn flow(query: &str, trouble: impl Fn(&mut Rsyslog<'_>)) -> Option<(usize, usize)> {
    let program = rsyslogd()?;
    let home = Home::new();
    let mut server = Rsyslog::start(&home, program);
    let mut logger = home.spawn(&["t", "s1000000", "n1000", "./log"]);
    wait_until("the log directory", || home.path("log/current").exists());
    let url = match query {
        "relp" => format!("relp://127.0.0.1:{}", server.relp),
        query => format!("tcp://127.0.0.1:{}{query}", server.tcp),
    };
    let ship = Ship::start(&home, &[&url, "./log"]);
    let feeder = feed(&mut logger);
    for part in 1..=2 {
        let goal = usize::try_from(COUNT).expect("small") * part / 3;
        wait_until("lines", || bytecount(&home) >= goal);
        trouble(&mut server);
    }
    feeder.join().expect("the feeder ends");
    logger.end();
    server.wait_until_up();
    server.wait_for_line(&COUNT.to_string());
    let sessions = ship.stderr().matches("connected to").count();
    ship.end();
    Some((check_numbers(&server.messages(), 1, COUNT), sessions))
}

fn bytecount(home: &Home) -> usize {
    memchr::memchr_iter(b'\n', &home.read("out")).count()
}

#[track_caller]
fn check_relp(trouble: impl Fn(&mut Rsyslog<'_>)) {
    for _ in 0..rounds() {
        let Some((doubled, sessions)) = flow("relp", &trouble) else { return };
        assert!(doubled <= WINDOW * sessions.saturating_sub(1), "{doubled} in {sessions} sessions");
    }
}

#[test]
fn a_killed_receiver_gets_every_line() {
    check_relp(|server| server.restart(Signal::SIGKILL));
}

#[test]
fn a_receiver_that_is_ended_gets_every_line() {
    check_relp(|server| server.restart(Signal::SIGTERM));
}

#[test]
fn a_receiver_that_stops_for_a_while_gets_every_line() {
    check_relp(|server| {
        server.signal(Signal::SIGSTOP);
        thread::sleep(STOP);
        server.signal(Signal::SIGCONT);
    });
}

#[test]
fn over_tcp_with_rewind_a_killed_receiver_that_kept_up_gets_every_line() {
    for _ in 0..rounds() {
        flow("?rewind=2s", |server| server.restart(Signal::SIGKILL));
    }
}

#[test]
fn lines_of_every_kind_arrive_whole() {
    let Some(program) = rsyslogd() else { return };
    let home = Home::new();
    let server = Rsyslog::start(&home, program);
    let mut lines: Vec<Vec<u8>> = vec![
        b"latin \xe9".to_vec(),
        b"escape \x1b[31m".to_vec(),
        b"12 digits first".to_vec(),
        b"".to_vec(),
        b"tab\tin it".to_vec(),
        (0..10_000).map(|n: u32| b'a' + (n % 26) as u8).collect(),
        (0..131_000).map(|n: u32| b'0' + (n % 10) as u8).collect(),
    ];
    lines.push(b"end".to_vec());
    let text: Vec<u8> = lines.iter().flat_map(|line| [&line[..], b"\n"].concat()).collect();
    let ended = home.run(&["t", "s16777215", "l0", "./log"], &text);
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    let mut ship =
        Ship::start(&home, &["--once", &format!("relp://127.0.0.1:{}", server.relp), "./log"]);
    assert_eq!(ship.wait().code(), Some(0), "{}", ship.stderr());
    server.wait_for_line("end");
    let mut joined: Vec<(String, Vec<u8>)> = Vec::new();
    for message in server.messages() {
        let id = param(&String::from_utf8_lossy(&message), "cursor").to_owned();
        match joined.last_mut() {
            Some((last, text)) if *last == id => text.extend(text_of(&message)),
            _ => joined.push((id, text_of(&message))),
        }
    }
    assert_eq!(joined.len(), lines.len());
    for ((_, text), line) in joined.iter().zip(&lines) {
        assert!(text == line, "{} bytes instead of {}", text.len(), line.len());
    }
}

/// Both inputs with certificates on both sides.
#[cfg(feature = "tls")]
fn start_tls<'a>(home: &'a Home, program: PathBuf) -> Rsyslog<'a> {
    use super::certificates::{Authority, Validity};
    let authority = Authority::new("ours");
    authority.write(home, "ca.pem");
    authority.issue(home, "server", "log.example.org", Validity::Now);
    authority.issue(home, "client", "web7.example.org", Validity::Now);
    authority.issue(home, "stranger", "web8.example.org", Validity::Now);
    let dir = home.path("");
    let dir = dir.display();
    let global = format!(
        r#"defaultNetstreamDriverCAFile="{dir}/ca.pem" defaultNetstreamDriverCertFile="{dir}/server.pem"
 defaultNetstreamDriverKeyFile="{dir}/server.key""#
    );
    let of_tcp = r#"streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="x509/name"
 permittedPeer=["web7.example.org"]"#;
    let of_relp = format!(
        r#"tls="on" tls.caCert="{dir}/ca.pem" tls.myCert="{dir}/server.pem" tls.myPrivKey="{dir}/server.key"
 tls.authMode="name" tls.permittedPeer=["web7.example.org"]"#
    );
    Rsyslog::start_with(home, program, &global, of_tcp, &of_relp)
}

/// A client with a wrong certificate is told; with the right one every line arrives, those from before too.
#[cfg(feature = "tls")]
#[track_caller]
fn check_tls(url: impl Fn(&Rsyslog<'_>) -> String) {
    let Some(program) = rsyslogd() else { return };
    let modules = glob::glob("/usr/lib/*/rsyslog/lmnsd_gtls.so").expect("a good pattern");
    if modules.flatten().next().is_none() {
        assert!(std::env::var_os("CI").is_none(), "rsyslog-gnutls is not installed");
        return;
    }
    let home = Home::new();
    let server = start_tls(&home, program);
    super::log(&home, 1, 2000);
    home.write("own.pem", home.read("stranger.pem"), 0o600);
    home.write("own.key", home.read("stranger.key"), 0o600);
    let options = ["--ca", "ca.pem", "--name", "log.example.org"];
    let own = ["--cert", "own.pem", "--key", "own.key"];
    let url = url(&server);
    let ship = Ship::start(&home, &[&options[..], &own, &[&url, "./log"]].concat());
    ship.wait_for_stderr(&format!("unable to reach {url}: "));
    assert!(server.messages().is_empty());
    home.write("own.pem", home.read("client.pem"), 0o600);
    home.write("own.key", home.read("client.key"), 0o600);
    ship.signal(Signal::SIGHUP);
    ship.wait_for_stderr(&format!("connected to {url}"));
    server.wait_for_line("2000");
    ship.end();
    let doubled = check_numbers(&server.messages(), 1, 2000);
    assert_eq!(doubled, 0);
}

#[cfg(feature = "tls")]
#[test]
fn relp_through_tls_with_certificates_on_both_sides() {
    check_tls(|server| format!("relps://127.0.0.1:{}", server.relp));
}

#[cfg(feature = "tls")]
#[test]
fn syslog_through_tls_with_certificates_on_both_sides() {
    check_tls(|server| format!("tls://127.0.0.1:{}", server.tcp));
}
