//! Options of `logreceive`: where sockets come from, whom it runs as, how lines look, and what strangers may do.

use super::udp::overflow;
use super::{Receiver, command, lines, text, wait_for_lines};
use crate::support::{DEADLINE, Home, wait_until};
use nix::fcntl::{FcntlArg, FdFlag, Flock, FlockArg, fcntl};
use nix::unistd::{Uid, User, getuid};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::time::{Duration, Instant};

/// The operand for a socket that the receiver inherits.
fn inherited(socket: &impl AsFd, scheme: &str) -> String {
    let fd = socket.as_fd();
    fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty())).expect("a descriptor");
    format!("{scheme}fd:{}", fd.as_raw_fd())
}

fn send(home: &Home, socket: &str, message: &str) {
    let sender = UnixDatagram::unbound().expect("a socket");
    sender.send_to(message.as_bytes(), home.path(socket)).expect("it listens");
}

#[test]
fn inherited_sockets_are_what_the_kernel_says() {
    let home = Home::new();
    let unix = UnixDatagram::bind(home.path("log")).expect("a socket");
    let stream = UnixListener::bind(home.path("s")).expect("a socket");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let relp = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let operands = [
        inherited(&unix, ""),
        inherited(&stream, ""),
        inherited(&udp, ""),
        inherited(&tcp, "tcp://"),
        inherited(&relp, "relp://"),
    ];
    let mut arguments: Vec<&str> = operands.iter().map(String::as_str).collect();
    arguments.extend(["--into", "root", "--by", "one"]);
    let receiver = Receiver::start(&home, &arguments);
    let stderr = receiver.stderr();
    for listen in [
        format!("listening on unix:{}", home.path("log").display()),
        format!("listening on unix-stream:{}", home.path("s").display()),
        format!("listening on udp://{}", udp.local_addr().expect("an address")),
        format!("listening on tcp://{}", tcp.local_addr().expect("an address")),
        format!("listening on relp://{}", relp.local_addr().expect("an address")),
    ] {
        assert!(stderr.contains(&listen), "{listen} in {stderr}");
    }
    send(&home, "log", "<13>a: unix");
    wait_for_lines(&home, "root/main", 1);
    let mut client = UnixStream::connect(home.path("s")).expect("it listens");
    client.write_all(b"<13>a: stream\n").expect("a reader");
    wait_for_lines(&home, "root/main", 2);
    let sender = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    sender.send_to(b"<13>a: udp", udp.local_addr().expect("an address")).expect("it listens");
    wait_for_lines(&home, "root/main", 3);
    let mut client = TcpStream::connect(tcp.local_addr().expect("an address")).expect("it listens");
    client.write_all(b"<13>a: tcp\n").expect("a reader");
    wait_for_lines(&home, "root/main", 4);
    let expected = ["a: unix", "a: stream", "127.0.0.1: a: udp", "127.0.0.1: a: tcp"];
    assert_eq!(lines(&home, "root/main"), expected.map(|rest| format!("user.notice: {rest}")));
    receiver.end();
    assert!(home.path("log").exists(), "the name belongs to the program that made it");
}

#[test]
fn what_is_no_listening_socket_is_refused() {
    let home = Home::new();
    let file = fs::File::create(home.path("file")).expect("a file");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let address = listener.local_addr().expect("an address");
    let connected = TcpStream::connect(address).expect("it listens");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for (operand, why) in [
        (inherited(&file, ""), "Socket operation on non-socket"),
        (inherited(&connected, ""), "is a connection, and does not listen"),
        (inherited(&udp, "relp://"), "is of another kind"),
        ("fd:999".to_owned(), "file descriptor not open"),
    ] {
        let refused = command(&home, &[&operand, "--into", "root"]).output().expect("it runs");
        assert_eq!(refused.status.code(), Some(111), "{operand}");
        let stderr = text(&refused.stderr);
        assert!(stderr.contains(&format!("unable to listen on {operand}: ")), "{stderr}");
        assert!(stderr.contains(why), "{stderr}");
    }
    let twice = inherited(&listener, "");
    let refused = command(&home, &[&twice, &twice, "--into", "root"]).output().expect("it runs");
    assert_eq!(refused.status.code(), Some(111));
    assert!(text(&refused.stderr).contains("is named twice"), "{}", text(&refused.stderr));
}

/// True if this user may become another one.
fn is_root() -> bool {
    if !getuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "only root can give root up");
        eprintln!("skipped: not root");
    }
    getuid().is_root()
}

#[test]
fn root_is_given_up_after_the_sockets_are_open() {
    if !is_root() {
        return;
    }
    let home = Home::new();
    let nobody = User::from_name("nobody").expect("accounts").expect("nobody");
    fs::set_permissions(home.path(""), fs::Permissions::from_mode(0o755)).expect("its mode");
    home.make_dir("root");
    let (uid, gid) = (nobody.uid.as_raw(), nobody.gid.as_raw());
    std::os::unix::fs::chown(home.path("root"), Some(uid), Some(gid)).expect("its owner");
    for (user, groups) in [("nobody", gid.to_string()), ("nobody:4711", "4711".to_owned())] {
        let arguments = ["unix:log", "--user", user, "--into", "root", "--by", "one"];
        let receiver = Receiver::start(&home, &arguments);
        let status = fs::read_to_string(format!("/proc/{}/status", receiver.child.id()));
        let status = status.expect("it runs");
        let field = |name: &str| {
            let found = status.lines().find_map(|line| line.strip_prefix(name));
            found.expect("a field").split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(field("Uid:"), vec![uid.to_string(); 4].join(" "));
        assert_eq!(field("Gid:").split(' ').next(), Some(&*groups));
        assert_eq!(field("Groups:"), groups);
        send(&home, "log", "<13>a: 1");
        wait_until("the line", || text(&home.contents("root/main")).contains("a: 1"));
        let owner = std::os::unix::fs::MetadataExt::uid(
            &fs::metadata(home.path("root/main/current")).expect("a file"),
        );
        assert_eq!(owner, uid);
        // It may not remove the socket from our directory any more.
        receiver.end();
        assert!(home.path("log").exists());
        fs::remove_dir_all(home.path("root/main")).expect("a directory");
        fs::remove_dir_all(home.path("root/other")).expect("a directory");
    }
    let refused = command(&home, &["unix:log", "--user", "no-such-account"]).output();
    let refused = refused.expect("it runs");
    assert_eq!(refused.status.code(), Some(100));
    assert!(text(&refused.stderr).contains("there is no account no-such-account"));
}

#[test]
fn two_spellings_share_a_directory() {
    let home = Home::new();
    let map = ["--map", "(?i)keepalived.*=keepalived", "--map", "cron|at=jobs"];
    let receiver = Receiver::start(&home, &[&["unix:log", "--into", "root"], &map[..]].concat());
    for message in [
        "<30>Nov 26 17:40:12 Keepalived_vrrp[411]: (VI_1) Entering MASTER STATE",
        "<30>Nov 26 17:40:12 keepalived[410]: Starting VRRP child process, pid=411",
        "<78>Nov 26 17:40:12 cron[1]: a job",
        "<78>Nov 26 17:40:12 anacron[1]: another",
    ] {
        send(&home, "log", message);
    }
    wait_for_lines(&home, "root/anacron", 1);
    let expected = [
        "daemon.info: Nov 26 17:40:12 Keepalived_vrrp[411]: (VI_1) Entering MASTER STATE",
        "daemon.info: Nov 26 17:40:12 keepalived[410]: Starting VRRP child process, pid=411",
    ];
    assert_eq!(lines(&home, "root/keepalived"), expected);
    assert_eq!(home.names("root"), ["anacron", "jobs", "keepalived", "other"]);
    receiver.end();
    for (map, why) in [("x", "is no RE=NAME"), ("(=x", "unclosed"), ("a=../b", "is no name")] {
        let refused = command(&home, &["unix:log", "--into", "root", "--map", map]).output();
        let refused = refused.expect("it runs");
        assert_eq!(refused.status.code(), Some(100), "{map}");
        assert!(text(&refused.stderr).contains(why), "{}", text(&refused.stderr));
    }
}

#[test]
fn lines_are_json_or_messages_of_rfc_5424() {
    let home = Home::new();
    let message = "<149>Nov 26 17:40:08 prog[18447]: two\nlines \"x\"";
    let receiver = Receiver::start(&home, &["unix:log", "--into", "json", "--format", "json"]);
    send(&home, "log", message);
    wait_for_lines(&home, "json/prog", 1);
    let line: Value = serde_json::from_str(&lines(&home, "json/prog")[0]).expect("an object");
    let host = nix::unistd::gethostname().expect("a name").to_string_lossy().into_owned();
    for (field, expected) in [
        ("facility", "local2"),
        ("severity", "notice"),
        ("host", &*host),
        ("program", "prog"),
        ("pid", "18447"),
        ("sent_time", "Nov 26 17:40:08"),
        ("message", "two\nlines \"x\""),
    ] {
        assert_eq!(line[field], expected, "{line}");
    }
    receiver.end();
    let receiver = Receiver::start(&home, &["unix:log", "--into", "5424", "--format", "5424"]);
    send(&home, "log", message);
    wait_for_lines(&home, "5424/prog", 1);
    let line = lines(&home, "5424/prog")[0].clone();
    assert!(line.starts_with("<149>1 2"), "{line}");
    let rest = " prog 18447 - [received@32473 time=\"Nov 26 17:40:08\"] two\\x0alines \"x\"";
    assert!(line.ends_with(&format!("{host}{rest}")), "{line}");
    receiver.end();
}

#[test]
fn the_kernel_says_who_sends() {
    let home = Home::new();
    let arguments = ["unix:log", "unix-stream:s", "--peer", "--into", "root", "--by", "one"];
    let receiver = Receiver::start(&home, &arguments);
    let us = format!("user.notice: pid={} uid={}: ", std::process::id(), Uid::current());
    send(&home, "log", "<13>liar[1]: from a datagram");
    wait_for_lines(&home, "root/main", 1);
    let mut client = UnixStream::connect(home.path("s")).expect("it listens");
    client.write_all(b"<13>liar[1]: from a stream\n").expect("a reader");
    wait_for_lines(&home, "root/main", 2);
    let expected = ["datagram", "stream"].map(|kind| format!("{us}liar[1]: from a {kind}"));
    assert_eq!(lines(&home, "root/main"), expected);
    receiver.end();
}

#[test]
fn a_link_leads_to_the_socket_unless_it_is_somebody_s() {
    let home = Home::new();
    let arguments = ["unix:run/log", "--symlink", "log", "--into", "root", "--by", "one"];
    home.make_dir("run");
    symlink("nowhere", home.path("log")).expect("a link");
    let receiver = Receiver::start(&home, &arguments);
    send(&home, "log", "<13>a: 1");
    wait_for_lines(&home, "root/main", 1);
    let target = fs::read_link(home.path("log")).expect("a link");
    assert_eq!(target, home.path("run/log").canonicalize().expect("a socket"));
    // Killed, it leaves its link and its socket; the next one takes both over.
    receiver.kill();
    let receiver = Receiver::start(&home, &arguments);
    send(&home, "log", "<13>a: 2");
    wait_for_lines(&home, "root/main", 2);
    receiver.end();
    assert!(!home.path("log").is_symlink(), "it removes its link");

    let other = UnixDatagram::bind(home.path("other")).expect("a socket");
    symlink("other", home.path("log")).expect("a link");
    home.write("file", b"", 0o600);
    symlink("file", home.path("to-file")).expect("a link");
    for (link, why) in [
        ("log", "is a symbolic link to other, which is in use"),
        ("other", "is in use"),
        ("file", "is no socket"),
        ("to-file", "is a symbolic link to file"),
        ("none/log", "file does not exist"),
    ] {
        let refused =
            command(&home, &["unix:run/log", "--symlink", link, "--into", "root"]).output();
        let refused = refused.expect("it runs");
        assert_eq!(refused.status.code(), Some(111), "{link}");
        assert!(text(&refused.stderr).contains(why), "{}", text(&refused.stderr));
    }
    assert_eq!(fs::read_link(home.path("log")).expect("a link").to_str(), Some("other"));
    // The other program is gone, and its socket is stale.
    drop(other);
    let receiver = Receiver::start(&home, &arguments);
    send(&home, "log", "<13>a: 3");
    wait_for_lines(&home, "root/main", 3);
    receiver.end();
    let refused = command(&home, &["udp://", "--symlink", "log", "--into", "root"]).output();
    let refused = refused.expect("it runs");
    assert_eq!(refused.status.code(), Some(100));
    assert!(text(&refused.stderr).contains("--symlink needs a socket"));
}

#[test]
fn a_client_has_its_time_for_a_message() {
    let home = Home::new();
    let receiver = Receiver::start(
        &home,
        &["tcp://127.0.0.1:0", "--message-time", "1", "--into", "root", "--by", "one"],
    );
    let mut idle = TcpStream::connect(receiver.address("tcp")).expect("it listens");
    let mut slow = TcpStream::connect(receiver.address("tcp")).expect("it listens");
    slow.set_read_timeout(Some(DEADLINE)).expect("a socket");
    slow.write_all(b"<13>a: begun").expect("a reader");
    assert!(matches!(slow.read(&mut [0; 1]), Ok(0) | Err(_)), "it is closed");
    wait_until("the message", || receiver.stderr().contains("did not end it within 1 s"));
    idle.write_all(b"<13>a: whole\n").expect("a client may be idle");
    wait_until("the line", || text(&home.contents("root/main")).contains("a: whole"));
    receiver.end();
}

#[test]
fn messages_beyond_the_bytes_in_flight_wait_and_are_answered() {
    const COUNT: usize = 400;
    let home = Home::new();
    let receiver = Receiver::start(
        &home,
        &["relp://127.0.0.1:0", "--in-flight", "4096", "--into", "root", "--by", "one"],
    );
    let mut client = TcpStream::connect(receiver.address("relp")).expect("it listens");
    client.set_read_timeout(Some(DEADLINE)).expect("a socket");
    let open = "relp_version=0\nrelp_software=test\ncommands=syslog";
    let mut session = format!("1 open {} {open}\n", open.len());
    let message = format!("<13>a: {}", "x".repeat(300));
    for number in 2..COUNT + 2 {
        session += &format!("{number} syslog {} {message}\n", message.len());
    }
    session += &format!("{} close 0\n", COUNT + 2);
    client.write_all(session.as_bytes()).expect("a reader");
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).expect("an orderly end");
    assert_eq!(text(&answer).matches("rsp 6 200 OK").count(), COUNT, "{}", text(&answer));
    assert_eq!(lines(&home, "root/main").len(), COUNT);
    receiver.end();
}

/// What `logdir status` prints about a receiver.
fn receiver_status(home: &Home, arguments: &[&str]) -> std::process::Output {
    let mut logdir = std::process::Command::new(crate::show::LOGDIR);
    logdir.args(["status", "--receiver", "state"]).args(arguments);
    logdir.current_dir(home.path("")).output().expect("logdir runs")
}

#[test]
fn the_status_counts_each_socket() {
    let home = Home::new();
    let arguments = ["unix:log", "tcp://127.0.0.1:0", "relp://127.0.0.1:0"];
    let options = ["--max-message", "480", "--status", "state", "--into", "root", "--by", "one"];
    let receiver = Receiver::start(&home, &[&arguments[..], &options].concat());
    send(&home, "log", "<13>a: 1");
    send(&home, "log", "<13>a: 2");
    let mut client = TcpStream::connect(receiver.address("tcp")).expect("it listens");
    let long = format!("<13>a: {}\n", "x".repeat(1000));
    client.write_all(long.as_bytes()).expect("a reader");
    wait_for_lines(&home, "root/main", 5);
    let mut relp = TcpStream::connect(receiver.address("relp")).expect("it listens");
    relp.set_read_timeout(Some(DEADLINE)).expect("a socket");
    let open = "relp_version=0\nrelp_software=test\ncommands=syslog";
    let session = format!("1 open {} {open}\n2 syslog 8 <13>a: 3\n3 close 0\n", open.len());
    relp.write_all(session.as_bytes()).expect("a reader");
    let mut answer = Vec::new();
    relp.read_to_end(&mut answer).expect("an orderly end");
    receiver.signal(nix::sys::signal::Signal::SIGUSR1);
    let unix = "unix:log: 0 clients, 2 messages, 16 bytes, dropped by the kernel 0, dropped here 0, too long 0";
    wait_until("the status", || receiver.stderr().contains(unix));
    let tcp = format!("tcp://{}: 1 clients, 1 messages, 1007 bytes,", receiver.address("tcp"));
    wait_until("all of it", || receiver.stderr().contains("log directories"));
    let stderr = receiver.stderr();
    assert!(stderr.contains(&tcp) && stderr.contains("too long 2"), "{stderr}");
    assert!(stderr.contains("last sync ") && stderr.contains(" ms"), "{stderr}");
    wait_until("the file", || text(&receiver_status(&home, &[]).stdout).contains(unix));
    let shown = receiver_status(&home, &["--json"]);
    let object: Value = serde_json::from_slice(&shown.stdout).expect("an object");
    assert_eq!(object["receiver"], "state");
    assert_eq!(object["listeners"][0]["messages"], 2);
    assert_eq!(object["trouble"].as_array().map(Vec::len), Some(0), "{object}");
    assert_eq!(shown.status.code(), Some(0), "{}", text(&shown.stderr));
    receiver.end();
    let missing = fs::remove_file(home.path("state")).map(|()| receiver_status(&home, &[]));
    let missing = missing.expect("a file");
    assert_eq!(missing.status.code(), Some(2));
    assert!(text(&missing.stderr).contains("unable to read the status of a receiver"));
}

#[test]
fn datagrams_that_the_kernel_drops_are_counted_exactly() {
    const COUNT: u32 = 2000;
    let home = Home::new();
    let options = ["--rcvbuf", "8192", "--status", "state", "--into", "root", "--by", "one"];
    let receiver = Receiver::start(&home, &[&["udp://127.0.0.1:0"], &options[..]].concat());
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(receiver.address("udp")).expect("an address");
    let sent = overflow(&receiver, &socket, COUNT);
    receiver.signal(nix::sys::signal::Signal::SIGUSR1);
    wait_until("the loss", || receiver.stderr().contains("the kernel dropped"));
    receiver.signal(nix::sys::signal::Signal::SIGUSR1);
    let counts = || {
        let shown = receiver_status(&home, &["--json"]);
        let object: Value = serde_json::from_slice(&shown.stdout).unwrap_or_default();
        let listener = object["listeners"][0].clone();
        let count = |name: &str| listener[name].as_u64().unwrap_or(0);
        (count("messages"), count("dropped_by_kernel"))
    };
    wait_until("the counts", || {
        let (messages, dropped) = counts();
        dropped > 0 && messages + dropped == u64::from(sent)
    });
    let (messages, _) = counts();
    assert_eq!(receiver_status(&home, &[]).status.code(), Some(2), "a loss is trouble");
    let stderr = receiver.end();
    let reports = stderr.matches("the kernel dropped").count();
    let found = lines(&home, "root/main");
    assert_eq!(found.len(), messages as usize + reports, "the messages, and the reports");
    assert!(found.iter().any(|line| line.contains("the kernel dropped")), "it is in the log");
}

#[test]
fn the_least_used_directories_are_closed_and_nothing_is_lost() {
    const PROGRAMS: usize = 12;
    const ROUNDS: usize = 5;
    let home = Home::new();
    let receiver = Receiver::start(
        &home,
        &["relp://127.0.0.1:0", "unix:log", "--max-open", "3", "--into", "root"],
    );
    let mut client = TcpStream::connect(receiver.address("relp")).expect("it listens");
    client.set_read_timeout(Some(DEADLINE)).expect("a socket");
    let open = "relp_version=0\nrelp_software=test\ncommands=syslog";
    let mut session = format!("1 open {} {open}\n", open.len());
    let mut txnr = 1;
    for round in 0..ROUNDS {
        for program in 0..PROGRAMS {
            txnr += 1;
            let message = format!("<13>p{program}: round {round}");
            session += &format!("{txnr} syslog {} {message}\n", message.len());
        }
    }
    session += &format!("{} close 0\n", txnr + 1);
    client.write_all(session.as_bytes()).expect("a reader");
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).expect("an orderly end");
    assert_eq!(text(&answer).matches("rsp 6 200 OK").count(), PROGRAMS * ROUNDS);
    let open_count = || {
        let fds = fs::read_dir(format!("/proc/{}/fd", receiver.child.id())).expect("it runs");
        let targets = fds.filter_map(|fd| fs::read_link(fd.ok()?.path()).ok());
        targets.filter(|target| target.ends_with("current")).count()
    };
    wait_until("the limit", || open_count() <= 3);
    // A closed one opens for its next line.
    for round in ROUNDS..ROUNDS + 2 {
        for program in 0..PROGRAMS {
            send(&home, "log", &format!("<13>p{program}: round {round}"));
        }
    }
    for program in 0..PROGRAMS {
        wait_for_lines(&home, &format!("root/p{program}"), ROUNDS + 2);
    }
    wait_until("the limit again", || open_count() <= 3);
    receiver.end();
    for program in 0..PROGRAMS {
        let found = lines(&home, &format!("root/p{program}"));
        let rounds: Vec<&str> = found.iter().filter_map(|line| line.rsplit(' ').next()).collect();
        assert_eq!(rounds, ["0", "1", "2", "3", "4", "5", "6"], "{found:?}");
    }
}

#[test]
fn completions_come_from_the_same_description() {
    let home = Home::new();
    for (shell, expected) in [
        ("bash", "complete -F _logreceive"),
        ("zsh", "#compdef logreceive"),
        ("fish", "-l max-open"),
    ] {
        let output = command(&home, &["--completions", shell]).output().expect("it runs");
        assert_eq!(output.status.code(), Some(0));
        assert!(text(&output.stdout).contains(expected), "{}", text(&output.stdout));
    }
}

/// A client that never begins its handshake holds the only place, and loses it in time.
#[cfg(feature = "tls")]
#[test]
fn clients_wait_until_others_have_shaken_hands() {
    use crate::ship::certificates::Authority;
    let home = Home::new();
    Authority::with_server(&home);
    let files = ["--cert", "server.pem", "--key", "server.key"];
    let limits = ["--handshakes", "1", "--message-time", "1"];
    let receiver = Receiver::start(
        &home,
        &[&["relps://127.0.0.1:0", "--into", "root", "--by", "one"], &files[..], &limits].concat(),
    );
    let _silent = TcpStream::connect(receiver.address("relps")).expect("it listens");
    assert_eq!(home.run(&["t", "./log"], b"one\n").status.code(), Some(0));
    let url = format!("relps://{}", receiver.address("relps"));
    let mut ship = std::process::Command::new(env!("CARGO_BIN_EXE_logship"));
    ship.args(["--once", "--state", "state", "--retry", "10ms:50ms", "--ca", "ca.pem"]);
    ship.args(["--name", "log.example.org", &url, "./log"]);
    let status = ship.current_dir(home.path("")).status().expect("logship runs");
    assert_eq!(status.code(), Some(0), "{}", receiver.stderr());
    assert!(receiver.stderr().contains("began a handshake and did not end it within 1 s"));
    assert_eq!(lines(&home, "root/main").len(), 1);
    receiver.end();
}

/// Locks a log directory as another program does, until it is dropped.
fn lock(home: &Home, dir: &str) -> Flock<File> {
    let lock = File::options().create(true).append(true).open(home.path(dir).join("lock"));
    Flock::lock(lock.expect("a file"), FlockArg::LockExclusiveNonblock).expect("its lock")
}

#[test]
fn a_directory_that_another_program_has_delays_no_other() {
    const ROUNDS: u32 = 40;
    let home = Home::new();
    let receiver = Receiver::start(&home, &["unix:log", "--into", "root"]);
    let names = (0..ROUNDS).map(|number| format!("taken{number}"));
    let locks: Vec<Flock<File>> = names
        .clone()
        .map(|name| {
            home.make_dir(&format!("root/{name}"));
            lock(&home, &format!("root/{name}"))
        })
        .collect();
    let begin = Instant::now();
    names.for_each(|name| send(&home, "log", &format!("<13>{name}: x")));
    wait_for_lines(&home, "root/other", ROUNDS as usize);
    // As long as the start waits for a lock.
    assert!(begin.elapsed() < Duration::from_millis(500) * ROUNDS, "{:?}", begin.elapsed());
    drop(locks);
    let stderr = receiver.end();
    let refused = stderr.matches("already in use by process").count();
    assert_eq!(refused, ROUNDS as usize, "{stderr}");
}

#[test]
fn a_directory_that_was_closed_and_is_locked_now_gets_its_line_later() {
    let home = Home::new();
    let receiver = Receiver::start(&home, &["unix:log", "--max-open", "1", "--into", "root"]);
    send(&home, "log", "<13>first: 1");
    wait_for_lines(&home, "root/first", 1);
    send(&home, "log", "<13>second: 1");
    wait_for_lines(&home, "root/second", 1);
    let is_closed = || Flock::lock(file(&home), FlockArg::LockExclusiveNonblock).is_ok();
    fn file(home: &Home) -> File {
        File::options().append(true).open(home.path("root/first/lock")).expect("a lock")
    }
    wait_until("the directory is closed", is_closed);
    let lock = lock(&home, "root/first");
    send(&home, "log", "<13>first: 2");
    send(&home, "log", "<13>second: 2");
    wait_for_lines(&home, "root/second", 2);
    assert_eq!(lines(&home, "root/first").len(), 1);
    drop(lock);
    wait_for_lines(&home, "root/first", 2);
    receiver.end();
}
