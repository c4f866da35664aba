//! Reaching a receiver: names are looked up and connections made in a thread, since both wait; the loop hears
//! of the end through a wake-up.

use super::super::target::Target;
use super::Broken;
use crate::address::Address;
use ::logdir::failure::reason;
use ::logdir::sys::thread;
use ::logdir::wake::Wake;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::Duration;

/// How long one address may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Addresses of one name that are tried in turn.
const ADDRESSES_MAX: usize = 8;
/// The thread calls the resolver of the C library, which needs some.
const STACK_BYTES: usize = 512 * 1024;

/// An open way to a receiver.
#[derive(Debug)]
pub enum Connection {
    /// A stream.
    Tcp(TcpStream),
    /// Datagrams over a network.
    Udp(UdpSocket),
    /// Datagrams on this machine.
    Unix(UnixDatagram),
    /// A client of Kafka that knows the topic.
    #[cfg(feature = "kafka")]
    Kafka(Box<super::kafka::Opened>),
    /// A program with pipes.
    Child(Child),
    /// None: a library connects by itself.
    Library,
}

/// A try that is under way.
#[derive(Debug)]
pub struct Attempt(Receiver<Result<Connection, String>>);

impl Attempt {
    /// Begins to connect. `wake` is called when that has ended.
    pub fn begin(target: &Target, wake: &Wake) -> Result<Attempt, Broken> {
        let (sender, receiver) = sync_channel(1);
        let (target, wake) = (target.clone(), wake.clone());
        let work = move || {
            // The loop may have ended meanwhile.
            let _ = sender.send(connect(&target));
            wake.wake();
        };
        match thread::spawn(STACK_BYTES, work) {
            Ok(_) => Ok(Attempt(receiver)),
            Err(error) => Err(Broken::new(format!("unable to start a thread: {}", reason(&error)))),
        }
    }

    /// The end of the try, once it has come.
    pub fn ended(&self) -> Option<Result<Connection, Broken>> {
        match self.0.try_recv() {
            Ok(ended) => Some(ended.map_err(Broken::new)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                Some(Err(Broken::new("the thread that connects has ended")))
            }
        }
    }
}

fn connect(target: &Target) -> Result<Connection, String> {
    let words = |error: io::Error| reason(&error);
    match target {
        Target::Relp(address, _) | Target::Tcp(address, ..) | Target::Otlp(address, ..) => {
            first(address, |at| TcpStream::connect_timeout(&at, CONNECT_TIMEOUT))
                .map(Connection::Tcp)
        }
        #[cfg(feature = "kafka")]
        Target::Kafka(place) => super::kafka::open(place).map(Box::new).map(Connection::Kafka),
        #[cfg(not(feature = "kafka"))]
        Target::Kafka(place) => unreachable!("no URL is {place}"),
        Target::Udp(address) => first(address, connect_udp).map(Connection::Udp),
        Target::Unix(path) => {
            let socket = UnixDatagram::unbound().map_err(words)?;
            socket.connect(path).map_err(words)?;
            Ok(Connection::Unix(socket))
        }
        Target::Nats(..) => Ok(Connection::Library),
        Target::Exec(command) => start(command).map(Connection::Child).map_err(words),
    }
}

fn connect_udp(at: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match at {
        SocketAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(at)?;
    Ok(socket)
}

/// Tries the addresses of a name in turn; the error is the last one's.
fn first<T>(address: &Address, connect: impl Fn(SocketAddr) -> io::Result<T>) -> Result<T, String> {
    let found = (address.host.as_str(), address.port).to_socket_addrs();
    let found = found.map_err(|error| format!("unable to look up {}: {error}", address.host))?;
    let mut why = format!("{} has no address", address.host);
    for at in found.take(ADDRESSES_MAX) {
        match connect(at) {
            Ok(connected) => return Ok(connected),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                why = "no answer within 10 s".to_owned();
            }
            Err(error) => why = reason(&error),
        }
    }
    Err(why)
}

fn start(command: &str) -> io::Result<Child> {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command).stdin(Stdio::piped()).stdout(Stdio::piped());
    // A signal for logship alone must not end it, and TERM reaches all that it starts.
    shell.process_group(0).spawn()
}
