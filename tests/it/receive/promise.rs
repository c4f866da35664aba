//! An answer is a promise: over RELP it follows the fsync of its line, and of the names that lead to it.

use super::{Receiver, relp_open, text};
use crate::peers::peer;
use crate::support::{DEADLINE, Home};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

/// Messages, in turn for two directories.
const COUNT: u32 = 20;
const DIRS: [&str; 2] = ["even", "odd"];

/// A receiver whose calls are in `trace`.
fn start(home: &Home, strace: &Path, options: &[&str]) -> Receiver {
    let options = [&["-o", "trace"], options].concat();
    Receiver::start_traced(home, strace, &options, &["relp://127.0.0.1:0", "--into", "root"])
}

/// A session that sends a message when the one before has its answer.
struct Session(TcpStream);

impl Session {
    fn open(receiver: &Receiver) -> Session {
        let stream = TcpStream::connect(receiver.address("relp")).expect("it listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a socket");
        let mut session = Session(stream);
        session.0.write_all(relp_open().as_bytes()).expect("a reader");
        assert!(session.answer().starts_with("1 rsp "));
        session
    }

    fn send(&mut self, txnr: u32, message: &str) {
        let frame = format!("{txnr} syslog {} {message}\n", message.len());
        self.0.write_all(frame.as_bytes()).expect("a reader");
    }

    fn answer(&mut self) -> String {
        let mut space = [0; 1000];
        let len = self.0.read(&mut space).expect("an answer");
        text(&space[..len])
    }
}

/// A call in a trace that has returned, or an answer that is sent.
#[derive(Debug, PartialEq, Eq)]
enum Call {
    /// Bytes went into the file of this path.
    Written(String),
    /// The file or directory of this path is on disk.
    Synced(String),
    /// A message was answered with 200.
    Answered,
}

/// The path that strace writes beside the first descriptor of a call.
fn path_of(call: &str) -> Option<String> {
    Some(call.split_once('<')?.1.split_once('>')?.0.to_owned())
}

fn calls(trace: &str) -> Vec<Call> {
    let mut unfinished = BTreeMap::new();
    let mut calls = Vec::new();
    for line in trace.lines() {
        let Some((pid, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        if call.starts_with("sendto(") && call.contains(" rsp 6 200 OK") {
            calls.push(Call::Answered);
        } else if call.starts_with("fsync(") && call.ends_with("<unfinished ...>") {
            unfinished.insert(pid, path_of(call).expect("a path"));
        } else if call.starts_with("fsync(") && call.ends_with("= 0") {
            calls.push(Call::Synced(path_of(call).expect("a path")));
        } else if call.starts_with("<... fsync resumed>") && call.ends_with("= 0") {
            calls.push(Call::Synced(unfinished.remove(pid).expect("it began")));
        } else if call.starts_with("write(") || call.starts_with("pwrite64(") {
            calls.extend(path_of(call).map(Call::Written));
        }
    }
    calls
}

#[test]
fn an_answer_follows_the_fsync_of_its_line_and_of_its_names() {
    let Some(strace) = peer("strace") else { return };
    let home = Home::new();
    let options = ["-y", "-s", "100", "-e", "trace=write,pwrite64,fsync,sendto"];
    let receiver = start(&home, &strace, &options);
    let mut session = Session::open(&receiver);
    for number in 2..2 + COUNT {
        session.send(number, &format!("<13>{}: {number}", DIRS[number as usize % 2]));
        assert_eq!(session.answer(), format!("{number} rsp 6 200 OK\n"));
    }
    receiver.end();
    let calls = calls(&text(&home.read("trace")));
    let answers = calls.iter().enumerate().filter(|(_, call)| **call == Call::Answered);
    let mut count = 0;
    for (number, (end, _)) in (2..).zip(answers) {
        let dir = home.path("root").join(DIRS[number % 2]);
        let current = dir.join("current").display().to_string();
        let before = &calls[..end];
        let written = before.iter().rposition(|call| *call == Call::Written(current.clone()));
        let synced = before.iter().rposition(|call| *call == Call::Synced(current.clone()));
        assert!(written.is_some() && written < synced, "{number}: {before:?}");
        for name in [&dir, &home.path("root")] {
            let synced = Call::Synced(name.display().to_string());
            assert!(before.contains(&synced), "{number}: {synced:?} {before:?}");
        }
        count += 1;
    }
    assert_eq!(count, COUNT);
}

#[test]
fn a_line_whose_fsync_fails_is_not_answered() {
    let Some(strace) = peer("strace") else { return };
    let home = Home::new();
    let current = home.path("root/even/current").display().to_string();
    let fault = ["-P", &current, "-e", "trace=fsync", "-e", "inject=fsync:error=EIO:when=1+"];
    let receiver = start(&home, &strace, &fault);
    let mut session = Session::open(&receiver);
    session.send(2, "<13>even: 2");
    // The session is closed instead: the client sends the message again on its next connection.
    let mut rest = Vec::new();
    session.0.read_to_end(&mut rest).expect("an orderly end");
    assert_eq!(text(&rest), "0 serverclose 0\n");
    assert!(text(&home.read("trace")).contains("EIO"), "the fsync failed");
    receiver.wait_for("its lines cannot be written to disk");
}
