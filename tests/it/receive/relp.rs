//! A RELP client that keeps sending a message until it is answered, as every client of logreceive must.

use super::{relp_open, text};
use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Messages that are sent before an answer is waited for.
const WINDOW: usize = 8;
/// A session without an answer for so long is given up.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two tries to connect.
const RETRY: Duration = Duration::from_millis(10);

/// What a client knows.
#[derive(Default)]
pub struct Delivery {
    /// Numbers of messages that were answered with 200.
    pub answered: Mutex<BTreeSet<u64>>,
    /// Answers to messages that were not 200.
    pub other_answers: Mutex<Vec<String>>,
    /// The client gives up.
    pub is_over: AtomicBool,
}

impl Delivery {
    pub fn answered(&self) -> BTreeSet<u64> {
        self.answered.lock().expect("no other panicked").clone()
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Sends every message until it is answered.
    pub fn deliver(&self, address: &str, messages: &[(u64, String)]) {
        let is_answered = |number: &u64| self.answered.lock().expect("alone").contains(number);
        loop {
            let left: Vec<&(u64, String)> =
                messages.iter().filter(|(number, _)| !is_answered(number)).collect();
            if left.is_empty() || self.is_over() {
                return;
            }
            if let Ok(stream) = TcpStream::connect(address) {
                let _ = self.session(stream, &left);
            }
            std::thread::sleep(RETRY);
        }
    }

    /// One session, until its end or until all is answered.
    fn session(&self, mut stream: TcpStream, messages: &[&(u64, String)]) -> std::io::Result<()> {
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        stream.write_all(relp_open().as_bytes())?;
        let mut answers = Answers { stream: stream.try_clone()?, bytes: Vec::new() };
        if !answers.next()?.1.starts_with("200") {
            return Ok(());
        }
        let mut txnr = 2;
        for window in messages.chunks(WINDOW) {
            let frame = |(pos, message): (usize, &&(u64, String))| {
                format!("{} syslog {} {}\n", txnr + pos, message.1.len(), message.1)
            };
            let frames: String = window.iter().enumerate().map(frame).collect();
            stream.write_all(frames.as_bytes())?;
            for message in window {
                let (number, answer) = answers.next()?;
                assert_eq!(number, txnr, "an answer out of order: {answer}");
                if answer.starts_with("200") {
                    self.answered.lock().expect("alone").insert(message.0);
                } else {
                    self.other_answers.lock().expect("alone").push(answer);
                }
                txnr += 1;
            }
        }
        stream.write_all(format!("{txnr} close 0\n").as_bytes())?;
        while stream.read(&mut [0; 4096])? > 0 {}
        Ok(())
    }
}

/// Answers of the server.
struct Answers {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Answers {
    /// Transaction and text of the next answer.
    fn next(&mut self) -> std::io::Result<(usize, String)> {
        loop {
            if let Some(answer) = self.take() {
                return Ok(answer);
            }
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                len => self.bytes.extend_from_slice(&piece[..len]),
            }
        }
    }

    fn take(&mut self) -> Option<(usize, String)> {
        let header = text(&self.bytes);
        let mut words = header.splitn(4, ' ');
        let txnr: usize = words.next()?.parse().ok()?;
        // A serverclose is the end of the session, which the next read sees.
        if words.next()? != "rsp" {
            return None;
        }
        let len: usize = words.next()?.parse().ok()?;
        let rest = words.next()?;
        let end = header.len() - rest.len() + len;
        (self.bytes.len() > end).then(|| {
            let answer = rest[..len].to_owned();
            self.bytes.drain(..=end);
            (txnr, answer)
        })
    }
}
