//! A real rsyslog as the receiver: killed, ended and stopped while lines flow.
//!
//! Its main queue is `direct`: the usual one is in memory and acknowledges lines that a kill then loses.

use super::{Ship, check_numbers};
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

/// Settings besides the usual ones.
#[derive(Default)]
struct Settings {
    global: String,
    /// Of the module for TCP.
    of_tcp: String,
    /// Of the input for RELP.
    of_relp: String,
    /// At the end.
    further: String,
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

impl<'a> Rsyslog<'a> {
    fn start(home: &'a Home, program: PathBuf) -> Rsyslog<'a> {
        Rsyslog::start_with(home, program, Settings::default())
    }

    fn start_with(home: &'a Home, program: PathBuf, settings: Settings) -> Rsyslog<'a> {
        let Settings { global, of_tcp, of_relp, further } = settings;
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
{further}
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

/// Writes each message with its fields apart.
const FIELDS: &str = r#"template(name="fields" type="string" string="%syslogfacility-text%|%syslogseverity-text%|%timereported:::date-rfc3339%|%hostname%|%app-name%|%structured-data%|%msg%\n")"#;

#[track_caller]
fn check_every_kind(url: impl Fn(&Rsyslog<'_>) -> String) {
    let Some(program) = rsyslogd() else { return };
    let home = Home::new();
    let file = home.path("fields");
    let further = format!(
        "{FIELDS}\naction(type=\"omfile\" file=\"{}\" template=\"fields\")",
        file.display()
    );
    let server = Rsyslog::start_with(&home, program, Settings { further, ..Settings::default() });
    super::every_kind::send(&home, &url(&server));
    super::every_kind::check(&home, "fields");
}

#[test]
fn lines_of_every_kind_arrive_whole_over_relp() {
    check_every_kind(|server| format!("relp://127.0.0.1:{}", server.relp));
}

#[test]
fn lines_of_every_kind_arrive_whole_over_tcp() {
    check_every_kind(|server| format!("tcp://127.0.0.1:{}", server.tcp));
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
    let of_tcp = of_tcp.to_owned();
    let settings = Settings { global, of_tcp, of_relp, ..Settings::default() };
    Rsyslog::start_with(home, program, settings)
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
