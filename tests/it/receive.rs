//! `logreceive` as a user meets it: real sockets, real log directories, and clients that behave badly.

mod long_lines;
mod options;
mod promise;
mod real_faults;
mod relp;
mod udp;

use crate::support::{DEADLINE, Home, numbers, unstamped, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

mod full_disk;
mod hostile;

/// What sockets in arguments begin with.
const SCHEMES: [&str; 8] =
    ["unix:", "unix-stream:", "udp:", "tcp:", "relp:", "tls:", "relps:", "fd:"];

/// A running logreceive. Killed when dropped.
pub struct Receiver {
    child: Child,
    stderr: std::path::PathBuf,
}

fn command(home: &Home, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_logreceive"));
    command.args(arguments).current_dir(home.path("")).stdin(Stdio::null());
    command
}

impl Receiver {
    /// Starts it, and waits until it listens.
    pub fn start(home: &Home, arguments: &[&str]) -> Receiver {
        Receiver::start_as(home, command(home, arguments), arguments)
    }

    /// Starts it under strace(1), whose child it is not: it has the process number and the signals of this one.
    pub fn start_traced(
        home: &Home,
        strace: &Path,
        options: &[&str],
        arguments: &[&str],
    ) -> Receiver {
        let mut command = home.command_of(strace, &[&["-D", "-f"], options].concat());
        command.arg(env!("CARGO_BIN_EXE_logreceive")).args(arguments).stdin(Stdio::null());
        Receiver::start_as(home, command, arguments)
    }

    fn start_as(home: &Home, mut command: Command, arguments: &[&str]) -> Receiver {
        let stderr = home.path("receive-stderr");
        let log = File::create(&stderr).expect("a file");
        let stdout = File::create(home.path("receive-stdout")).expect("a file");
        let child = command.stdout(stdout).stderr(log).spawn().expect("logreceive starts");
        let receiver = Receiver { child, stderr };
        let socket_count =
            arguments.iter().filter(|text| SCHEMES.iter().any(|s| text.starts_with(s))).count();
        wait_until("the sockets", || {
            receiver.stderr().matches("listening on").count() == socket_count
        });
        receiver
    }

    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// Address of the socket with this protocol.
    fn address(&self, scheme: &str) -> String {
        let text = self.stderr();
        let start = text.find(&format!("{scheme}://")).expect("it listens") + scheme.len() + 3;
        text[start..].split([';', '\n']).next().expect("an address").to_owned()
    }

    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        wait_until("a message", || self.stderr().contains(text));
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a process number"))
    }

    fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("logreceive runs");
    }

    fn kill(mut self) {
        self.child.kill().expect("logreceive runs");
        self.child.wait().expect("a child");
    }

    fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the end of logreceive", || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        });
        status.expect("it has ended")
    }

    #[track_caller]
    pub fn end(mut self) -> String {
        self.signal(Signal::SIGTERM);
        assert_eq!(self.wait().code(), Some(0), "{}", self.stderr());
        self.stderr()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first frame of a RELP session.
fn relp_open() -> String {
    let open = "relp_version=0\nrelp_software=test\ncommands=syslog";
    format!("1 open {} {open}\n", open.len())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Lines of a directory without their stamps.
pub fn lines(home: &Home, dir: &str) -> Vec<String> {
    text(&unstamped(&home.contents(dir))).lines().map(str::to_owned).collect()
}

#[track_caller]
pub fn wait_for_lines(home: &Home, dir: &str, count: usize) {
    wait_until("the lines", || {
        home.path(dir).join("current").exists() && lines(home, dir).len() >= count
    });
}

/// Messages as senders send them, and the lines of them from a unix socket, and from an address.
const VECTORS: [(&[u8], &str, &str); 14] = [
    (b"<13>Nov 26 17:40:08 tag: unix default", "tag", "user.notice: @Nov 26 17:40:08 tag: unix default"),
    (b"<19>Nov 26 17:40:08 tag[18429]: with pid", "tag", "mail.err: @Nov 26 17:40:08 tag[18429]: with pid"),
    (
        b"<13>1 2026-11-26T17:40:08.376586+00:00 a.example.org tag - MID [ex@32473 a=\"b\"] 5424 unix",
        "tag",
        "user.notice: @1 2026-11-26T17:40:08.376586+00:00 a.example.org tag - MID [ex@32473 a=\"b\"] 5424 unix",
    ),
    (b"<147>Nov 26 17:40:08 prog[18447]: two\nlines\ttab", "prog", "local2.err: @Nov 26 17:40:08 prog[18447]: two\\x0alines\ttab"),
    (b"<12>python SysLogHandler\0", "other", "user.warn: @python SysLogHandler"),
    (b"192.0.2.7:49644 [26/Nov/2026] main app/ap01\n", "other", "@192.0.2.7:49644 [26/Nov/2026] main app/ap01"),
    (b"<6>192.0.2.7:49644 x", "other", "kern.info: @192.0.2.7:49644 x"),
    (b"2026-11-26T17:40:11.832540+00:00 192.0.2.7:49644 y", "other", "@2026-11-26T17:40:11.832540+00:00 192.0.2.7:49644 y"),
    (
        b"<27>1 2026-11-26T17:40:12.000123Z docker1 web/0d1f2e3c4b5a 771 web/0d1f2e3c4b5a - text",
        "web_0d1f2e3c4b5a",
        "daemon.err: @1 2026-11-26T17:40:12.000123Z docker1 web/0d1f2e3c4b5a 771 web/0d1f2e3c4b5a - text",
    ),
    (b"<133>Apr 01 06:12:34 oreore: uso", "oreore", "local0.notice: @Apr 01 06:12:34 oreore: uso"),
    (b"<>x", "other", "@<>x"),
    (b"<999>x", "other", "@<999>x"),
    (b"<13>", "other", "user.notice: @"),
    (b"<13>\x1b[2J \xc2\x9b\x7f", "other", "user.notice: @\\x1b[2J \u{9b}\\x7f"),
];

fn check_vectors(home: &Home, address: &str) {
    let mut expected: std::collections::BTreeMap<&str, Vec<String>> = Default::default();
    for (_, dir, line) in VECTORS {
        expected.entry(dir).or_default().push(line.replacen('@', address, 1));
    }
    for (dir, expected) in expected {
        wait_for_lines(home, &format!("root/{dir}"), expected.len());
        assert_eq!(lines(home, &format!("root/{dir}")), expected, "{dir}");
    }
}

#[test]
fn datagrams_become_lines_in_the_directory_of_their_program() {
    let home = Home::new();
    let receiver = Receiver::start(&home, &["unix:log", "--into", "root"]);
    let socket = UnixDatagram::unbound().expect("a socket");
    for (message, _, _) in VECTORS {
        socket.send_to(message, home.path("log")).expect("it listens");
    }
    check_vectors(&home, "");
    receiver.end();
    assert_eq!(home.mode("root"), 0o700);

    let home = Home::new();
    let receiver = Receiver::start(&home, &["udp://127.0.0.1:0", "--into", "root"]);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for (message, _, _) in VECTORS {
        socket.send_to(message, receiver.address("udp")).expect("it listens");
    }
    check_vectors(&home, "127.0.0.1: ");
    receiver.end();
}

#[test]
fn both_framings_arrive_in_one_stream_and_an_unfinished_end_is_kept() {
    let home = Home::new();
    let receiver = Receiver::start(
        &home,
        &["tcp://127.0.0.1:0", "unix-stream:s", "--into", "root", "--by", "one"],
    );
    let stream = b"<13>a: line\n9 <13>b: ok2026-11-26 begins with digits\n\n<13>c: no end";
    let mut client = TcpStream::connect(receiver.address("tcp")).expect("it listens");
    client.write_all(stream).expect("a reader");
    drop(client);
    wait_for_lines(&home, "root/main", 4);
    let expected = [
        "user.notice: 127.0.0.1: a: line",
        "user.notice: 127.0.0.1: b: ok",
        "127.0.0.1: 2026-11-26 begins with digits",
        "user.notice: 127.0.0.1: c: no end",
    ];
    assert_eq!(lines(&home, "root/main"), expected);
    let mut client = UnixStream::connect(home.path("s")).expect("it listens");
    client.write_all(b"<13>Nov 26 17:40:08 tag: stream\n").expect("a reader");
    wait_for_lines(&home, "root/main", 5);
    assert_eq!(lines(&home, "root/main")[4], "user.notice: Nov 26 17:40:08 tag: stream");
    receiver.end();
}

#[test]
fn a_long_message_stays_in_its_directory_in_several_lines() {
    let home = Home::new();
    let receiver =
        Receiver::start(&home, &["tcp://127.0.0.1:0", "--into", "root", "--max-message", "480"]);
    let mut client = TcpStream::connect(receiver.address("tcp")).expect("it listens");
    let message = format!("<13>big: {}\n<13>small: x\n", "y".repeat(1200));
    client.write_all(message.as_bytes()).expect("a reader");
    wait_for_lines(&home, "root/small", 1);
    wait_for_lines(&home, "root/big", 3);
    let found = lines(&home, "root/big").concat().replacen("user.notice: 127.0.0.1: ", "", 1);
    assert_eq!(format!("<13>{found}\n<13>small: x\n"), message);
    receiver.end();
}

#[test]
fn lines_on_standard_output_have_the_prefix_of_socklog() {
    let home = Home::new();
    let receiver = Receiver::start(&home, &["unix:log"]);
    let socket = UnixDatagram::unbound().expect("a socket");
    socket.send_to(b"<149>Nov 26 17:40:08 prog[1]: x", home.path("log")).expect("it listens");
    wait_until("the line", || !home.read("receive-stdout").is_empty());
    assert_eq!(text(&home.read("receive-stdout")), "local2.notice: Nov 26 17:40:08 prog[1]: x\n");
    receiver.end();
}

#[test]
fn a_script_selects_and_diverts() {
    let home = Home::new();
    let arguments = [
        "unix:log",
        "--",
        "-*",
        "+local2.*",
        "./haproxy",
        "+*",
        "-local2.*",
        "-*: *: noise *",
        "./rest",
    ];
    let receiver = Receiver::start(&home, &arguments);
    let socket = UnixDatagram::unbound().expect("a socket");
    for message in ["<149>ha: 1", "<13>prog: 2", "<13>x: noise 3", "<149>ha: 4", "<13>end: 5"] {
        socket.send_to(message.as_bytes(), home.path("log")).expect("it listens");
    }
    wait_until("the lines", || text(&home.read("rest/current")).contains("end: 5"));
    assert_eq!(text(&home.read("haproxy/current")), "local2.notice: ha: 1\nlocal2.notice: ha: 4\n");
    assert_eq!(text(&home.read("rest/current")), "user.notice: prog: 2\nuser.notice: end: 5\n");
    receiver.end();
}

#[test]
fn a_socket_that_answers_is_not_taken_and_a_stale_one_is_replaced() {
    let home = Home::new();
    let receiver =
        Receiver::start(&home, &["unix:log", "unix-stream:s", "--mode", "660", "--into", "root"]);
    assert_eq!(home.mode("log") & 0o777, 0o660);
    for socket in ["unix:log", "unix-stream:s", "unix-stream:log"] {
        let refused = command(&home, &[socket, "--into", "other"]).output().expect("it runs");
        assert_eq!(refused.status.code(), Some(111), "{socket}");
        let stderr = text(&refused.stderr);
        assert!(stderr.contains("is in use"), "{stderr}");
        // A socket of the other type cannot be connected to, and its owner is not asked for.
        let holder = format!("process {} (logreceive) listens there", receiver.pid());
        assert!(stderr.contains(&holder) || socket == "unix-stream:log", "{stderr}");
    }
    UnixDatagram::unbound()
        .expect("a socket")
        .send_to(b"<13>a: 1", home.path("log"))
        .expect("it is still there");
    receiver.kill();
    assert!(home.path("log").exists(), "nobody could remove it");
    let receiver = Receiver::start(&home, &["unix:log", "unix-stream:s", "--into", "root"]);
    UnixDatagram::unbound()
        .expect("a socket")
        .send_to(b"<13>a: 2", home.path("log"))
        .expect("it listens");
    wait_until("the line", || text(&home.contents("root/a")).contains("a: 2"));
    receiver.end();
    assert!(!home.path("log").exists() && !home.path("s").exists());
    std::os::unix::fs::symlink("elsewhere", home.path("link")).expect("a link");
    home.write("file", b"", 0o600);
    for (socket, why) in [
        ("unix:link", "symbolic link"),
        ("unix:file", "is no socket"),
        ("unix:none/log", "file does not exist"),
    ] {
        let refused = command(&home, &[socket, "--into", "root"]).output().expect("it runs");
        assert_eq!(refused.status.code(), Some(111), "{socket}");
        assert!(text(&refused.stderr).contains(why), "{}", text(&refused.stderr));
    }
}

#[test]
fn another_program_s_socket_stays_at_the_end() {
    let home = Home::new();
    let receiver = Receiver::start(&home, &["unix-stream:s", "--into", "root"]);
    fs::remove_file(home.path("s")).expect("a socket");
    let _other = UnixListener::bind(home.path("s")).expect("a name");
    receiver.end();
    let found = fs::symlink_metadata(home.path("s")).expect("the other's");
    assert!(found.file_type().is_socket() && found.permissions().mode() & 0o777 != 0);
}

#[test]
fn wrong_arguments_are_refused_with_the_reason() {
    let home = Home::new();
    for (arguments, code, why) in [
        (&["relp://127.0.0.1:0"][..], 100, "need --into or a script"),
        (&["514"], 100, "is no socket"),
        (&[], 100, "LISTEN"),
        (&["unix:log", "--into", "root", "--", "+a", "./x"], 111, "settings and patterns only"),
        (
            &["udp://192.0.2.1:5514", "--into", "root"],
            111,
            "unable to listen on udp://192.0.2.1:5514",
        ),
    ] {
        let refused = command(&home, arguments).output().expect("it runs");
        assert_eq!(refused.status.code(), Some(code), "{arguments:?}: {}", text(&refused.stderr));
        assert!(text(&refused.stderr).contains(why), "{}", text(&refused.stderr));
    }
}

#[test]
fn names_stay_in_the_root_and_below_their_limit() {
    let home = Home::new();
    let receiver = Receiver::start(&home, &["unix:log", "--into", "root", "--max-dirs", "4"]);
    let socket = UnixDatagram::unbound().expect("a socket");
    for program in ["../x", ".", "a", "b", "c", "d"] {
        let message = format!("<13>1 2026-11-26T17:40:08Z h {program} - - - from {program}");
        socket.send_to(message.as_bytes(), home.path("log")).expect("it listens");
    }
    wait_for_lines(&home, "root/other", 3);
    assert_eq!(home.names("root"), ["_", "_._x", "a", "other"]);
    assert_eq!(home.names("").iter().filter(|name| name.contains('x')).count(), 0);
    let stderr = receiver.end();
    assert_eq!(stderr.matches("the limit of --max-dirs").count(), 1, "{stderr}");
}

/// Sends lines over RELP while the receiver is killed again and again.
#[test]
fn every_answered_message_survives_a_kill() {
    const LAST: u64 = 30_000;
    const KILLS: usize = 20;
    let home = Home::new();
    let receiver = Receiver::start(
        &home,
        &["relp://127.0.0.1:0", "--into", "root", "--by", "one", "--", "t", "s1000000", "n1000"],
    );
    let address = receiver.address("relp");
    let ended = home.run(&["t", "s16777215", "./log"], &numbers(1, LAST));
    assert_eq!(ended.status.code(), Some(0));
    let listen = format!("relp://{address}");
    let mut ship = Command::new(env!("CARGO_BIN_EXE_logship"));
    let arguments = ["--once", "--state", "state", "--retry", "10ms:50ms", &listen, "./log"];
    ship.args(arguments).current_dir(home.path("")).stdin(Stdio::null());
    let log = File::create(home.path("ship-stderr")).expect("a file");
    let mut ship = ship.stderr(log).spawn().expect("logship starts");
    let mut receiver = Some(receiver);
    let arguments = [&listen, "--into", "root", "--by", "one", "--", "t", "s1000000", "n1000"];
    for round in 1..=KILLS {
        let so_far = round * usize::try_from(LAST).expect("a count") / (KILLS + 2);
        wait_until("some lines", || {
            home.path("root/main/current").exists() && lines(&home, "root/main").len() >= so_far
        });
        receiver.take().expect("a receiver").kill();
        receiver = Some(Receiver::start(&home, &arguments));
    }
    let mut status = None;
    wait_until("the end of logship", || {
        status = ship.try_wait().expect("a child");
        status.is_some()
    });
    assert_eq!(status.and_then(|status| status.code()), Some(0));
    receiver.take().expect("a receiver").end();
    let number = |line: &String| line.rsplit(' ').next().and_then(|text| text.parse::<u64>().ok());
    let found: std::collections::BTreeSet<u64> =
        lines(&home, "root/main").iter().filter_map(number).collect();
    let missing: Vec<u64> = (1..=LAST).filter(|number| !found.contains(number)).collect();
    assert_eq!(missing, [0_u64; 0], "answered and lost");
}

#[test]
fn a_client_that_breaks_the_protocol_is_told_and_others_go_on() {
    let home = Home::new();
    let receiver = Receiver::start(&home, &["relp://127.0.0.1:0", "--into", "root", "--by", "one"]);
    let mut bad = TcpStream::connect(receiver.address("relp")).expect("it listens");
    bad.set_read_timeout(Some(DEADLINE)).expect("a socket");
    bad.write_all(b"1 open 58 relp_version=0\nrelp_software=test\ncommands=syslog\n\n")
        .expect("a reader");
    bad.write_all(b"nonsense\n").expect("a reader");
    let mut answer = Vec::new();
    // It ends with the end of the session, not with a reset.
    bad.read_to_end(&mut answer).expect("an orderly end");
    assert!(text(&answer).contains("serverclose"), "{}", text(&answer));
    assert!(!text(&answer).contains("500"), "{}", text(&answer));
    receiver.wait_for("the client sent");
    let mut good = TcpStream::connect(receiver.address("relp")).expect("it still listens");
    good.set_read_timeout(Some(DEADLINE)).expect("a socket");
    let open = "relp_version=0\nrelp_software=test\ncommands=syslog";
    let session = format!("1 open {} {open}\n2 syslog 8 <13>a: 1\n3 close 0\n", open.len());
    good.write_all(session.as_bytes()).expect("a reader");
    let mut answer = Vec::new();
    good.read_to_end(&mut answer).expect("an orderly end");
    assert!(text(&answer).contains("2 rsp 6 200 OK"), "{}", text(&answer));
    assert_eq!(lines(&home, "root/main"), ["user.notice: 127.0.0.1: a: 1"]);
    receiver.end();
}

#[test]
fn messages_of_one_session_in_several_directories_are_all_answered() {
    let home = Home::new();
    let receiver = Receiver::start(&home, &["relp://127.0.0.1:0", "--into", "root"]);
    let mut client = TcpStream::connect(receiver.address("relp")).expect("it listens");
    client.set_read_timeout(Some(DEADLINE)).expect("a socket");
    let open = "relp_version=0\nrelp_software=test\ncommands=syslog";
    let mut session = format!("1 open {} {open}\n", open.len());
    for number in 2..12 {
        let program = if number % 2 == 0 { "even" } else { "odd" };
        let message = format!("<13>{program}: {number}");
        session += &format!("{number} syslog {} {message}\n", message.len());
    }
    session += "12 close 0\n";
    client.write_all(session.as_bytes()).expect("a reader");
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).expect("an orderly end");
    for number in 2..12 {
        let expected = format!("{number} rsp 6 200 OK");
        assert!(text(&answer).contains(&expected), "{}", text(&answer));
    }
    assert_eq!((lines(&home, "root/even").len(), lines(&home, "root/odd").len()), (5, 5));
    receiver.end();
}

#[test]
fn term_takes_what_the_kernel_has_of_a_connection() {
    const COUNT: usize = 20_000;
    let home = Home::new();
    let script = ["tcp://127.0.0.1:0", "--into", "root", "--by", "one", "--", "t", "s16777215"];
    let receiver = Receiver::start(&home, &script);
    let mut client = TcpStream::connect(receiver.address("tcp")).expect("it listens");
    client.write_all(b"<13>a: first\n").expect("a reader");
    wait_for_lines(&home, "root/main", 1);
    let messages: String = (1..COUNT).map(|number| format!("<13>a: {number}\n")).collect();
    client.write_all(messages.as_bytes()).expect("a reader");
    receiver.end();
    assert_eq!(lines(&home, "root/main").len(), COUNT);
}

/// A processor that never ends has the grace that the second TERM takes away.
#[test]
fn a_hung_processor_does_not_keep_the_receiver_from_its_end() {
    let home = Home::new();
    let script = [
        "unix:log",
        "--into",
        "root",
        "--",
        "s4096",
        "!trap '' TERM; sleep 1000 & wait; sleep 1000",
    ];
    let mut receiver = Receiver::start(&home, &script);
    let socket = UnixDatagram::unbound().expect("a socket");
    let message = format!("<13>a: {}", "x".repeat(2000));
    for _ in 0..4 {
        socket.send_to(message.as_bytes(), home.path("log")).expect("it listens");
    }
    wait_until("the processor", || home.path("root/a/processed").exists());
    let mut status = None;
    wait_until("the end", || {
        let _ = kill(receiver.pid(), Signal::SIGTERM);
        std::thread::sleep(std::time::Duration::from_millis(50));
        status = receiver.child.try_wait().expect("a child");
        status.is_some()
    });
    assert_eq!(status.and_then(|status| status.code()), Some(0), "{}", receiver.stderr());
    assert!(receiver.stderr().contains("stopped the processor"), "{}", receiver.stderr());
    assert_eq!(lines(&home, "root/a").len(), 4);
}

/// A directory that is closed already takes no line while another one still has work.
#[test]
fn term_ends_under_traffic_while_a_processor_runs() {
    let home = Home::new();
    let script = ["unix:log", "--into", "root", "--", "s4096", "!sleep 1; cat"];
    let receiver = Receiver::start(&home, &script);
    let socket = UnixDatagram::unbound().expect("a socket");
    socket.connect(home.path("log")).expect("it listens");
    socket.send(b"<13>quiet: first").expect("it listens");
    let long = format!("<13>busy: {}", "x".repeat(100));
    for _ in 0..60 {
        socket.send(long.as_bytes()).expect("it listens");
    }
    wait_until("a processor", || home.path("root/busy/previous").exists());
    receiver.signal(Signal::SIGTERM);
    let mut sent = 1;
    while socket.send(b"<13>quiet: more").is_ok() {
        sent += 1;
    }
    receiver.end();
    assert!(home.contents("root/quiet").iter().filter(|&&byte| byte == b'\n').count() <= sent);
}

/// Lines of logship through relps:// and tls://; a client without a certificate is refused and told.
#[cfg(feature = "tls")]
#[test]
fn encrypted_lines_arrive_from_clients_with_a_certificate() {
    use crate::ship::certificates::{Authority, Validity};
    let home = Home::new();
    let authority = Authority::with_server(&home);
    authority.issue(&home, "client", "web7.example.org", Validity::Now);
    authority.issue(&home, "other", "web8.example.org", Validity::Now);
    let sockets = ["relps://127.0.0.1:0", "tls://127.0.0.1:0", "--into", "root", "--by", "one"];
    let files = ["--cert", "server.pem", "--key", "server.key", "--client-ca", "ca.pem"];
    let names = ["--client-name", "web7.example.org"];
    let receiver = Receiver::start(
        &home,
        &[&sockets[..], &files, &names, &["--", "t", "s1000000", "n1000"]].concat(),
    );
    let ended = home.run(&["t", "./log"], &numbers(1, 5000));
    assert_eq!(ended.status.code(), Some(0));
    let ship = |url: &str, state: &str, client: &str| {
        let mut ship = Command::new(env!("CARGO_BIN_EXE_logship"));
        let (cert, key) = (format!("{client}.pem"), format!("{client}.key"));
        ship.args([
            "--once",
            "--state",
            state,
            "--retry",
            "10ms:50ms",
            "--ca",
            "ca.pem",
            "--name",
            "log.example.org",
        ]);
        ship.args(["--cert", &cert, "--key", &key, url, "./log"]);
        ship.current_dir(home.path("")).stdin(Stdio::null()).stderr(Stdio::null());
        ship.spawn().expect("logship starts")
    };
    let relps = format!("relps://{}", receiver.address("relps"));
    let mut refused = ship(&relps, "refused", "other");
    wait_until("the refusal", || {
        receiver.stderr().contains("unable to read from client 127.0.0.1")
    });
    refused.kill().expect("it tries for ever");
    refused.wait().expect("a child");
    assert_eq!(home.contents("root/main"), b"");
    let status = ship(&relps, "state", "client").wait().expect("a child");
    assert_eq!(status.code(), Some(0), "{}", receiver.stderr());
    assert_eq!(lines(&home, "root/main").len(), 5000);
    receiver.signal(Signal::SIGHUP);
    wait_until("new files", || receiver.stderr().contains("the certificates were read again"));
    let tls = format!("tls://{}", receiver.address("tls"));
    let status = ship(&tls, "state2", "client").wait().expect("a child");
    assert_eq!(status.code(), Some(0), "{}", receiver.stderr());
    wait_for_lines(&home, "root/main", 10_000);
    receiver.end();
    let by_host = ["relps://127.0.0.1:0", "--into", "hosts", "--by", "host"];
    let receiver = Receiver::start(&home, &[&by_host[..], &files].concat());
    let relps = format!("relps://{}", receiver.address("relps"));
    let status = ship(&relps, "state3", "client").wait().expect("a child");
    assert_eq!(status.code(), Some(0), "{}", receiver.stderr());
    receiver.end();
    assert_eq!(home.names("hosts"), ["other", "web7.example.org"]);
    assert_eq!(lines(&home, "hosts/web7.example.org").len(), 5000);
    home.write("server.pem", b"nothing", 0o600);
    let refused =
        command(&home, &["tls://127.0.0.1:0", "--into", "root", "--cert", "server.pem"]).output();
    assert_eq!(refused.expect("it runs").status.code(), Some(111));
    let refused =
        command(&home, &["tls://127.0.0.1:0", "--into", "root"]).output().expect("it runs");
    assert_eq!(refused.status.code(), Some(100));
    assert!(text(&refused.stderr).contains("need --cert"), "{}", text(&refused.stderr));
}
