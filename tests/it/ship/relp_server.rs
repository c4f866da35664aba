//! A RELP server that behaves as the test wants: each session follows a script.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use wire::relp::server::{Event, Server};

/// How a session is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// As a good server does.
    Good,
    /// Each message that contains this text is answered with 500.
    Refuses(&'static str),
    /// The messages are stored, and the session ends after so many without an answer to the last.
    DiesAfter(usize),
    /// So many messages are stored and answered. Later ones are neither, and the session ends after as many
    /// of them.
    LosesAfter(usize),
    /// Answers to messages are these bytes, where `TXNR` is the transaction.
    AnswersRaw(&'static str),
    /// The answer to `open` is these bytes.
    OpensRaw(&'static str),
    /// Answers are held until there are so many, and are sent in reverse order.
    Reverse(usize),
    /// Nothing is ever answered after `open`.
    Silent,
    /// These bytes are written at once, and no RELP is spoken.
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "a client with TLS meets it"))]
    Text(&'static [u8]),
}

const OPENED: &str = "1 rsp 37 200 OK\nrelp_version=0\ncommands=syslog\n";

/// A connection, plain or through TLS.
pub trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

#[cfg(feature = "tls")]
pub struct TlsStream {
    pub socket: TcpStream,
    pub session: multilog::tls::Session,
}

#[cfg(feature = "tls")]
impl Read for TlsStream {
    fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
        self.session.read(&self.socket, space)
    }
}

#[cfg(feature = "tls")]
impl Write for TlsStream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.session.write(&self.socket, bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.session.flush(&self.socket)
    }
}

struct Shared {
    #[cfg(feature = "tls")]
    tls: Mutex<Option<multilog::tls::Server>>,
    stored: Mutex<Vec<Vec<u8>>>,
    behaviours: Mutex<Vec<Behaviour>>,
    sessions: AtomicUsize,
    is_over: AtomicBool,
}

/// The server, and what it has stored.
pub struct RelpServer {
    shared: Arc<Shared>,
    port: u16,
}

impl RelpServer {
    /// The first sessions behave as listed, and all later ones as the last of them.
    pub fn start(behaviours: &[Behaviour]) -> RelpServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        RelpServer::on(listener, behaviours)
    }

    pub fn on(listener: TcpListener, behaviours: &[Behaviour]) -> RelpServer {
        let port = listener.local_addr().expect("an address").port();
        let mut behaviours = behaviours.to_vec();
        behaviours.reverse();
        let shared = Arc::new(Shared {
            #[cfg(feature = "tls")]
            tls: Mutex::new(None),
            stored: Mutex::new(Vec::new()),
            behaviours: Mutex::new(behaviours),
            sessions: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &accepting));
        RelpServer { shared, port }
    }

    /// As [`start`](RelpServer::start), through TLS.
    #[cfg(feature = "tls")]
    pub fn start_tls(behaviours: &[Behaviour], tls: multilog::tls::Server) -> RelpServer {
        let server = RelpServer::start(behaviours);
        *server.shared.tls.lock().expect("no panic") = Some(tls);
        server
    }

    #[cfg(feature = "tls")]
    pub fn reload_tls(&self) -> Result<(), String> {
        let mut tls = self.shared.tls.lock().expect("no panic");
        tls.as_mut().expect("a server with TLS").reload()
    }

    pub fn url(&self) -> String {
        format!("relp://127.0.0.1:{}", self.port)
    }

    #[cfg(feature = "tls")]
    pub fn tls_url(&self) -> String {
        format!("relps://127.0.0.1:{}", self.port)
    }

    /// All messages that were stored, doubles too.
    pub fn stored(&self) -> Vec<Vec<u8>> {
        self.shared.stored.lock().expect("no panic").clone()
    }

    /// The message that was stored last.
    pub fn last(&self) -> Option<Vec<u8>> {
        self.shared.stored.lock().expect("no panic").last().cloned()
    }

    pub fn count(&self) -> usize {
        self.shared.stored.lock().expect("no panic").len()
    }

    pub fn sessions(&self) -> usize {
        self.shared.sessions.load(Ordering::SeqCst)
    }
}

impl Drop for RelpServer {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.is_over.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        shared.sessions.fetch_add(1, Ordering::SeqCst);
        let behaviour = {
            let mut behaviours = shared.behaviours.lock().expect("no panic");
            let next =
                if behaviours.len() > 1 { behaviours.pop() } else { behaviours.last().copied() };
            next.expect("a behaviour")
        };
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            // A client that goes away is not the server's business.
            let _ = serve(stream, behaviour, &shared);
        });
    }
}

fn serve(stream: TcpStream, behaviour: Behaviour, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    Session { stream: encrypted(stream, shared), behaviour, held: Vec::new() }.run(shared)
}

fn encrypted(socket: TcpStream, shared: &Shared) -> Box<dyn Stream> {
    #[cfg(feature = "tls")]
    if let Some(tls) = &*shared.tls.lock().expect("no panic") {
        let session = tls.session().expect("a session");
        return Box::new(TlsStream { socket, session });
    }
    let _ = shared;
    Box::new(socket)
}

struct Session {
    stream: Box<dyn Stream>,
    behaviour: Behaviour,
    /// Transactions that wait for their answers.
    held: Vec<u32>,
}

impl Session {
    fn run(mut self, shared: &Shared) -> std::io::Result<()> {
        if let Behaviour::Text(text) = self.behaviour {
            self.stream.write_all(text)?;
            return self.stream.read(&mut [0; 1024]).map(|_| ());
        }
        let mut server = Server::new(128 * 1024);
        let mut stored = 0;
        loop {
            let len = self.stream.read(server.space())?;
            if len == 0 {
                return Ok(());
            }
            server.filled(len);
            let mut answers = Vec::new();
            let (mut is_closing, mut last_taken) = (false, None);
            while let Some(event) = server.next_event() {
                match event {
                    Event::Opened { .. } => answers.extend(self.open()),
                    Event::Message { txnr, bytes } => {
                        let is_taken = !self.refuses(bytes);
                        let text = bytes.to_vec();
                        stored += 1;
                        if let Behaviour::LosesAfter(count) = self.behaviour
                            && stored > count
                        {
                            if stored == 2 * count {
                                return self.stream.write_all(&answers);
                            }
                            continue;
                        }
                        if is_taken && self.behaviour != Behaviour::Silent {
                            shared.stored.lock().expect("no panic").push(text);
                        }
                        last_taken = Some(txnr);
                        if self.behaviour == Behaviour::DiesAfter(stored) {
                            return Ok(());
                        }
                        answers.extend(self.answer(txnr, is_taken));
                    }
                    Event::CloseRequested => is_closing = true,
                    other => panic!("{other:?}"),
                }
            }
            // The protocol stops after 16,384 messages that it knows no answer to; answers are made here.
            if let Some(txnr) = last_taken.filter(|_| !is_closing) {
                server.acknowledge(txnr);
            }
            let len = server.output().len();
            server.written(len);
            self.stream.write_all(&answers)?;
            if is_closing {
                self.stream.write_all(b"0 serverclose 0\n")?;
                return Ok(());
            }
        }
    }

    fn open(&self) -> Vec<u8> {
        match self.behaviour {
            Behaviour::OpensRaw(raw) => raw.as_bytes().to_vec(),
            _ => OPENED.as_bytes().to_vec(),
        }
    }

    fn refuses(&self, message: &[u8]) -> bool {
        match self.behaviour {
            Behaviour::Refuses(text) => memchr::memmem::find(message, text.as_bytes()).is_some(),
            Behaviour::AnswersRaw(_) => true,
            _ => false,
        }
    }

    fn answer(&mut self, txnr: u32, is_taken: bool) -> Vec<u8> {
        let number = txnr.to_string();
        match self.behaviour {
            Behaviour::Silent => Vec::new(),
            Behaviour::AnswersRaw(raw) => raw.replace("TXNR", &number).into_bytes(),
            Behaviour::Reverse(count) => {
                self.held.push(txnr);
                let is_enough = self.held.len() == count;
                let held = if is_enough { std::mem::take(&mut self.held) } else { Vec::new() };
                held.iter()
                    .rev()
                    .flat_map(|txnr| format!("{txnr} rsp 6 200 OK\n").into_bytes())
                    .collect()
            }
            _ if is_taken => format!("{number} rsp 6 200 OK\n").into_bytes(),
            _ => format!("{number} rsp 11 500 refused\n").into_bytes(),
        }
    }
}
