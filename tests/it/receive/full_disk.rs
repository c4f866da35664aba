//! One directory is on a full disk: its lines wait in a bounded memory, those of the other directories do not.

use super::{Receiver, lines, relp_open, text, wait_for_lines};
use crate::peers::peer;
use crate::random::is_full;
use crate::support::{DEADLINE, Home, wait_until};
use crate::trouble::SmallDisk;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::RangeInclusive;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Datagrams a second, and for so many seconds in the whole matrix; fewer seconds in the sample.
const RATE: u32 = 2000;
const FULL_SECS: u32 = 10;
const SAMPLE_SECS: u32 = 1;

/// A receiver with a directory `full` on a disk of its own, and a retry delay that does not slow the test down.
fn start(home: &Home, sockets: &[&str]) -> Option<(Receiver, SmallDisk)> {
    let disk = SmallDisk::mount_of(home, "64m")?;
    home.make_dir("root");
    symlink("../disk", home.path("root/full")).expect("a link");
    let script = ["--into", "root", "--", "r50", "t", "s16777215", "n10"];
    let receiver = Receiver::start(home, &[sockets, &script].concat());
    Some((receiver, disk))
}

/// Opens the directory of a program, then fills the disk.
fn fill(home: &Home, disk: &SmallDisk, socket: &UnixDatagram) {
    for program in ["full", "good"] {
        socket.send(format!("<13>{program}: 0").as_bytes()).expect("it listens");
        wait_for_lines(home, &format!("root/{program}"), 1);
    }
    disk.fill(0);
}

fn sender(home: &Home) -> UnixDatagram {
    let socket = UnixDatagram::unbound().expect("a socket");
    socket.connect(home.path("log")).expect("it listens");
    socket
}

/// Numbers of the lines of a sender in a directory, in order.
fn numbers_of(home: &Home, dir: &str, sender: &str) -> Vec<u32> {
    let number = |line: &String| line.split_once(sender)?.1.trim().parse().ok();
    lines(home, dir).iter().filter_map(number).collect()
}

/// Sends datagrams with these numbers to both directories in turn, at their rate. Returns the longest send.
fn send(socket: &UnixDatagram, numbers: RangeInclusive<u32>) -> Duration {
    let begin = Instant::now();
    let mut longest = Duration::ZERO;
    for (count, number) in (1..).zip(numbers) {
        let program = if number.is_multiple_of(2) { "full" } else { "good" };
        let due = begin + Duration::from_secs(1) / RATE * count;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let sent = Instant::now();
        let message = format!("<13>{program}: {:100} unix {number}", "");
        socket.send(message.as_bytes()).expect("it listens");
        longest = longest.max(sent.elapsed());
    }
    longest
}

/// Opens a RELP session and sends messages with the numbers 2 and up.
fn relp_client(receiver: &Receiver, program: &str, count: u32) -> TcpStream {
    let mut client = TcpStream::connect(receiver.address("relp")).expect("it listens");
    client.set_read_timeout(Some(DEADLINE)).expect("a socket");
    let mut session = relp_open();
    for number in 2..count + 2 {
        let message = format!("<13>{program}: relp {number}");
        session += &format!("{number} syslog {} {message}\n", message.len());
    }
    client.write_all(session.as_bytes()).expect("a reader");
    client
}

#[track_caller]
fn close_and_check(mut client: TcpStream, count: u32) {
    let close = format!("{} close 0\n", count + 2);
    client.write_all(close.as_bytes()).expect("a reader");
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).expect("an orderly end");
    let answers = text(&answer);
    let answered = (2..count + 2).filter(|number| answers.contains(&format!("{number} rsp 6 200")));
    assert_eq!(answered.count(), count as usize, "{answers}");
    assert!(!answers.contains(" 500 "), "{answers}");
}

#[test]
fn a_full_disk_delays_the_lines_of_its_directory_only() {
    const RELP_COUNT: u32 = 50;
    let home = Home::new();
    let Some((receiver, disk)) =
        start(&home, &["unix:log", "relp://127.0.0.1:0", "tcp://127.0.0.1:0"])
    else {
        return;
    };
    let socket = sender(&home);
    fill(&home, &disk, &socket);
    let mut full_stream = TcpStream::connect(receiver.address("tcp")).expect("it listens");
    // More than waits for a directory: its stream is held, and a message is cut by that.
    let long = "x".repeat(1000);
    let streamed: String =
        (1..=2000).map(|number| format!("<13>full: {long} tcp {number}\n")).collect();
    let feeder = std::thread::spawn(move || full_stream.write_all(streamed.as_bytes()));
    let count = RATE * if is_full() { FULL_SECS } else { SAMPLE_SECS };
    let before = send(&socket, 1..=count / 2);
    // A client is sent away after ten seconds, so this one must not wait all the time.
    let waiting = relp_client(&receiver, "full", RELP_COUNT);
    let longest = send(&socket, count / 2 + 1..=count).max(before);
    // All this while the disk is full.
    close_and_check(relp_client(&receiver, "good", RELP_COUNT), RELP_COUNT);
    let mut good_stream = TcpStream::connect(receiver.address("tcp")).expect("it listens");
    good_stream.write_all(b"<13>good: tcp 1\n").expect("a reader");
    wait_for_lines(&home, "root/good", (count / 2 + RELP_COUNT + 2) as usize);
    let stuck = numbers_of(&home, "root/full", "unix ").len();
    assert!(stuck < count as usize / 2, "{stuck} lines on a full disk");
    disk.empty();
    feeder.join().expect("no panic").expect("all is read");
    close_and_check(waiting, RELP_COUNT);
    wait_until("the lines", || numbers_of(&home, "root/full", "tcp ").len() == 2000);
    let even: Vec<u32> = (1..=count / 2).map(|number| 2 * number).collect();
    assert_eq!(numbers_of(&home, "root/full", "unix "), even);
    assert_eq!(numbers_of(&home, "root/full", "tcp "), (1..=2000).collect::<Vec<u32>>());
    assert_eq!(numbers_of(&home, "root/full", "relp "), (2..RELP_COUNT + 2).collect::<Vec<u32>>());
    receiver.end();
    let _ = writeln!(
        std::io::stdout(),
        "{count} datagrams at {RATE}/s while one of two disks was full: longest send {longest:?}, lost 0"
    );
}

#[test]
fn datagrams_that_find_no_memory_are_counted_where_they_are_missing() {
    let home = Home::new();
    let Some((receiver, disk)) = start(&home, &["unix:log", "--ring", "65536"]) else { return };
    let socket = sender(&home);
    fill(&home, &disk, &socket);
    const COUNT: u32 = 8000;
    for number in 1..=COUNT {
        let message = format!("<13>full: {:100} unix {number}", "");
        socket.send(message.as_bytes()).expect("it listens");
        if number % 10 == 0 {
            socket.send(format!("<13>good: unix {number}").as_bytes()).expect("it listens");
        }
    }
    wait_for_lines(&home, "root/good", COUNT as usize / 10 + 1);
    disk.empty();
    receiver.wait_for("dropped ");
    socket.send(b"<13>full: unix 0").expect("it listens");
    wait_until("the last line", || numbers_of(&home, "root/full", "unix ").last() == Some(&0));
    let found = lines(&home, "root/full");
    let kept = numbers_of(&home, "root/full", "unix ").len() as u32 - 1;
    let told = format!("dropped {} datagrams while lines could not be written", COUNT - kept);
    let gap = found.iter().position(|line| line.contains(&told)).expect(&told);
    // After the last line that was kept, before the first that came later.
    assert_eq!(gap, found.len() - 2, "{:?}", &found[gap..]);
    assert_eq!(
        numbers_of(&home, "root/full", "unix ")[..kept as usize],
        (1..=kept).collect::<Vec<_>>()
    );
    let stderr = receiver.end();
    assert_eq!(stderr.matches(&told).count(), 1, "{stderr}");
}

/// rsyslog with what it sends through RELP of its own. Ended when dropped.
struct Rsyslog(Child);

impl Rsyslog {
    /// Starts it where it is installed: in CI it has to be.
    fn start(home: &Home, relp: &str) -> Option<Rsyslog> {
        let program = peer("rsyslogd")?;
        let mut modules = glob::glob("/usr/lib/*/rsyslog/omrelp.so").expect("a good pattern");
        let has_relp = modules.next().is_some();
        assert!(has_relp || std::env::var_os("CI").is_none(), "rsyslog-relp is not installed");
        let (address, port) = relp.rsplit_once(':').filter(|_| has_relp)?;
        let dir = home.path("");
        let config = format!(
            r#"global(workDirectory="{dir}")
module(load="imuxsock" SysSock.Use="off")
module(load="omrelp")
input(type="imuxsock" Socket="{dir}/rsyslog" usePIDFromSystem="off")
action(type="omrelp" target="{address}" port="{port}" action.resumeRetryCount="-1" action.resumeInterval="1")
"#,
            dir = dir.display()
        );
        home.write("rsyslog.conf", config, 0o600);
        let mut command = Command::new(program);
        command.arg("-n").arg("-f").arg(home.path("rsyslog.conf"));
        command.arg("-i").arg(home.path("rsyslog.pid")).stdin(Stdio::null()).stderr(Stdio::null());
        let rsyslog = Rsyslog(command.spawn().expect("rsyslogd starts"));
        wait_until("rsyslog", || home.path("rsyslog").exists());
        Some(rsyslog)
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Both clients have messages for a full disk until the receiver sends them away, and send them again later.
#[test]
fn rsyslog_and_logship_lose_nothing_while_a_disk_is_full() {
    const COUNT: u32 = 1000;
    if !is_full() {
        return;
    }
    let home = Home::new();
    let Some((receiver, disk)) = start(&home, &["unix:log", "relp://127.0.0.1:0"]) else { return };
    fill(&home, &disk, &sender(&home));
    let relp = receiver.address("relp");
    let Some(_rsyslog) = Rsyslog::start(&home, &relp) else { return };
    let ours: String = (1..=COUNT).map(|number| format!("ours {number}\n")).collect();
    assert_eq!(home.run(&["t", "./ours"], ours.as_bytes()).status.code(), Some(0));
    let mut ship = Command::new(env!("CARGO_BIN_EXE_logship"));
    ship.args(["--once", "--state", "state", "--app", "full", "--retry", "10ms:500ms"]);
    ship.args([&format!("relp://{relp}"), "./ours"]).current_dir(home.path(""));
    let mut ship = ship.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let socket = UnixDatagram::unbound().expect("a socket");
    socket.connect(home.path("rsyslog")).expect("it listens");
    for number in 1..=COUNT {
        for program in ["full", "good"] {
            let message = format!("<13>Nov 26 17:40:08 {program}: rsyslog {number}");
            socket.send(message.as_bytes()).expect("it listens");
        }
    }
    receiver.wait_for("is sent away: its lines cannot be written to disk");
    disk.empty();
    let all: BTreeSet<u32> = (1..=COUNT).collect();
    for (dir, client) in [("full", "ours "), ("full", "rsyslog "), ("good", "rsyslog ")] {
        wait_until("every line of a client", || {
            let found = numbers_of(&home, &format!("root/{dir}"), client);
            BTreeSet::from_iter(found) == all
        });
    }
    assert!(ship.wait().expect("a child").success());
    receiver.end();
}
