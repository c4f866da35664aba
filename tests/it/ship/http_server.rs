//! An HTTP server that takes OTLP and answers as the test wants.

use super::relp_server::Stream;
#[cfg(feature = "tls")]
use super::relp_server::TlsStream;
use flate2::read::GzDecoder;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// 200 with an empty answer of OTLP.
    Good,
    /// These bytes. The records are stored if they begin with 200 or 204.
    Raw(&'static str),
    /// This status if a record has this text, else as [`Reply::Good`].
    Refuses(u16, &'static str),
    /// As [`Reply::Good`], and the connection is closed a moment later.
    Closes,
    /// The connection ends without an answer.
    Ends,
}

const GOOD: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

struct Shared {
    replies: Mutex<Vec<Reply>>,
    stored: Mutex<Vec<Value>>,
    /// When each request came, and how many records it had.
    requests: Mutex<Vec<(Instant, usize)>>,
    connections: AtomicUsize,
    /// The lines of the head of the last request.
    head: Mutex<Vec<String>>,
    #[cfg(feature = "tls")]
    tls: Mutex<Option<multilog::tls::Server>>,
    is_over: AtomicBool,
}

/// The server, and the records that it has stored.
pub struct HttpServer {
    shared: Arc<Shared>,
    port: u16,
}

impl HttpServer {
    /// The first requests are answered as listed, and all later ones as the last of them.
    pub fn start(replies: &[Reply]) -> HttpServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared {
            replies: Mutex::new(replies.iter().rev().copied().collect()),
            stored: Mutex::new(Vec::new()),
            requests: Mutex::new(Vec::new()),
            connections: AtomicUsize::new(0),
            head: Mutex::new(Vec::new()),
            #[cfg(feature = "tls")]
            tls: Mutex::new(None),
            is_over: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if accepting.is_over.load(Ordering::SeqCst) {
                    return;
                }
                accepting.connections.fetch_add(1, Ordering::SeqCst);
                let shared = Arc::clone(&accepting);
                // A client that goes away is not the server's business.
                thread::spawn(move || serve(stream, &shared));
            }
        });
        HttpServer { shared, port }
    }

    pub fn url(&self) -> String {
        format!("otlp://127.0.0.1:{}", self.port)
    }

    /// As [`start`](HttpServer::start), through TLS.
    #[cfg(feature = "tls")]
    pub fn start_tls(replies: &[Reply], tls: multilog::tls::Server) -> HttpServer {
        let server = HttpServer::start(replies);
        *server.shared.tls.lock().expect("no panic") = Some(tls);
        server
    }

    #[cfg(feature = "tls")]
    pub fn tls_url(&self) -> String {
        format!("otlps://127.0.0.1:{}", self.port)
    }

    /// The lines of the head of the last request.
    pub fn head(&self) -> Vec<String> {
        self.shared.head.lock().expect("no panic").clone()
    }

    /// All records that were stored, doubles too.
    pub fn stored(&self) -> Vec<Value> {
        self.shared.stored.lock().expect("no panic").clone()
    }

    /// The texts of the records.
    pub fn texts(&self) -> Vec<String> {
        let text = |record: &Value| record["body"]["stringValue"].as_str().map(str::to_owned);
        self.stored().iter().filter_map(text).collect()
    }

    pub fn count(&self) -> usize {
        self.shared.stored.lock().expect("no panic").len()
    }

    pub fn requests(&self) -> Vec<(Instant, usize)> {
        self.shared.requests.lock().expect("no panic").clone()
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn encrypted(socket: TcpStream, shared: &Shared) -> Box<dyn Stream> {
    #[cfg(feature = "tls")]
    if let Some(tls) = &*shared.tls.lock().expect("no panic") {
        return Box::new(TlsStream { socket, session: tls.session().expect("a session") });
    }
    let _ = shared;
    Box::new(socket)
}

fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut reader = BufReader::new(encrypted(stream, shared));
    while let Some(records) = read_request(&mut reader, shared)? {
        shared.requests.lock().expect("no panic").push((Instant::now(), records.len()));
        let reply = {
            let mut replies = shared.replies.lock().expect("no panic");
            let next = if replies.len() > 1 { replies.pop() } else { replies.last().copied() };
            next.expect("a reply")
        };
        let answer = answer(reply, &records);
        let is_stored = answer.starts_with("HTTP/1.1 20");
        if is_stored {
            shared.stored.lock().expect("no panic").extend(records);
        }
        reader.get_mut().write_all(answer.as_bytes())?;
        reader.get_mut().flush()?;
        match reply {
            Reply::Ends => return Ok(()),
            Reply::Closes => {
                thread::sleep(Duration::from_millis(50));
                return Ok(());
            }
            Reply::Good | Reply::Raw(_) | Reply::Refuses(..) => {}
        }
    }
    Ok(())
}

fn answer(reply: Reply, records: &[Value]) -> String {
    let has = |text: &str| records.iter().any(|record| record["body"]["stringValue"] == text);
    match reply {
        Reply::Raw(raw) => raw.to_owned(),
        Reply::Refuses(status, text) if has(text) => {
            let body = r#"{"code":3,"message":"a record is bad"}"#;
            format!("HTTP/1.1 {status} No\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        }
        Reply::Ends => String::new(),
        Reply::Good | Reply::Closes | Reply::Refuses(..) => GOOD.to_owned(),
    }
}

/// The records of the next request, each with the attributes of its resource; none at the end.
fn read_request(
    reader: &mut BufReader<Box<dyn Stream>>,
    shared: &Shared,
) -> std::io::Result<Option<Vec<Value>>> {
    let mut whole_head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if line == "\r\n" {
            break;
        }
        whole_head.push(line.trim_end().to_owned());
    }
    let head: Vec<String> = whole_head.iter().map(|line| line.to_lowercase()).collect();
    *shared.head.lock().expect("no panic") = whole_head;
    assert_eq!(head[0], "post /v1/logs http/1.1");
    let field = |name: &str| head.iter().find_map(|line| line.strip_prefix(name)).expect(name);
    assert_eq!(field("content-type: "), "application/json");
    assert_eq!(field("content-encoding: "), "gzip");
    let mut body = vec![0; field("content-length: ").parse().expect("a number")];
    reader.read_exact(&mut body)?;
    let mut json = Vec::new();
    GzDecoder::new(&body[..]).read_to_end(&mut json).expect("gzip");
    let request: Value = serde_json::from_slice(&json).expect("JSON");
    let mut records = Vec::new();
    for resource in request["resourceLogs"].as_array().expect("resources") {
        for scope in resource["scopeLogs"].as_array().expect("scopes") {
            assert_eq!(scope["scope"]["name"], "logship");
            for record in scope["logRecords"].as_array().expect("records") {
                let mut record = record.clone();
                record["resource"] = resource["resource"]["attributes"].clone();
                records.push(record);
            }
        }
    }
    Ok(Some(records))
}
