//! The sockets that a user asks for: `udp://127.0.0.1:514`, `unix:/dev/log`, `relp://*:2514`.

use crate::kafka::Place;
use crate::nats::url::{self as nats, Servers};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

/// Default port of syslog over UDP and TCP (RFC 5426, RFC 6587).
const SYSLOG_PORT: u16 = 514;
/// Port of syslog over TLS (RFC 5425).
const TLS_PORT: u16 = 6514;
/// Usual port of RELP.
const RELP_PORT: u16 = 2514;

/// Address of a network socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Bound to this address.
    Address(SocketAddr),
    /// It is open already under this number.
    Inherited(RawFd),
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Address(address) => write!(f, "{address}"),
            At::Inherited(fd) => write!(f, "fd:{fd}"),
        }
    }
}

/// A socket to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Unix socket for datagrams, as `/dev/log`.
    Unix(PathBuf),
    /// Unix socket for connections.
    UnixStream(PathBuf),
    /// Datagrams over the network.
    Udp(At),
    /// Connections with counted or line framing.
    Tcp(At),
    /// Connections whose messages are answered when they are on disk.
    Relp(At),
    /// As `Tcp`, encrypted.
    Tls(At),
    /// As `Relp`, encrypted.
    Relps(At),
    /// A socket that is open already: the kernel knows its kind.
    Inherited(RawFd),
    /// A consumer group of Kafka.
    Kafka(Place),
    /// No socket: a consumer of a stream of NATS JetStream.
    Nats(Servers, Consumer),
}

/// A consumer of a stream, which several receivers may share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// The stream.
    pub stream: String,
    /// The consumer, made if it is missing.
    pub name: String,
}

impl Listen {
    /// Parses one operand.
    ///
    /// # Errors
    /// A text for the user that says what is wrong.
    pub fn parse(text: &str) -> Result<Listen, String> {
        let path = |path: &str| match path.is_empty() {
            true => Err(format!("{text} names no path")),
            false => Ok(PathBuf::from(path)),
        };
        if let Some(rest) = text.strip_prefix("unix:") {
            return path(rest).map(Listen::Unix);
        }
        if let Some(rest) = text.strip_prefix("unix-stream:") {
            return path(rest).map(Listen::UnixStream);
        }
        if let Some(number) = text.strip_prefix("fd:") {
            return descriptor(text, number).map(Listen::Inherited);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(format!(
                "{text} is no socket; unix:PATH, unix-stream:PATH, fd:N, udp://, tcp://, tls://, relp:// or relps://ADDRESS:PORT is needed"
            ));
        };
        match scheme {
            scheme if nats::is_scheme(scheme) => {
                parse_nats(text).map_err(|why| format!("{text}: {why}"))
            }
            "udp" => address(text, rest, SYSLOG_PORT).map(Listen::Udp),
            "tcp" => address(text, rest, SYSLOG_PORT).map(Listen::Tcp),
            "relp" => address(text, rest, RELP_PORT).map(Listen::Relp),
            "tls" => address(text, rest, TLS_PORT).map(Listen::Tls),
            "relps" => address(text, rest, RELP_PORT).map(Listen::Relps),
            "kafka" | "kafkas" => kafka(text, rest, scheme == "kafkas"),
            _ => Err(format!("{text}: {scheme} is no protocol of logreceive")),
        }
    }

    /// True if the network can reach this socket from other machines.
    pub fn is_open_to_others(&self) -> bool {
        match self {
            Listen::Unix(_)
            | Listen::UnixStream(_)
            | Listen::Inherited(_)
            | Listen::Kafka(_)
            | Listen::Nats(..) => false,
            Listen::Udp(at)
            | Listen::Tcp(at)
            | Listen::Relp(at)
            | Listen::Tls(at)
            | Listen::Relps(at) => {
                matches!(at, At::Address(address) if !address.ip().is_loopback())
            }
        }
    }

    /// Path of a unix socket.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Listen::Unix(path) | Listen::UnixStream(path) => Some(path),
            Listen::Udp(_)
            | Listen::Tcp(_)
            | Listen::Relp(_)
            | Listen::Tls(_)
            | Listen::Relps(_)
            | Listen::Inherited(_)
            | Listen::Kafka(_)
            | Listen::Nats(..) => None,
        }
    }

    /// True if an engine brings messages, and nothing listens.
    pub fn is_engine(&self) -> bool {
        matches!(self, Listen::Kafka(_) | Listen::Nats(..))
    }

    /// Number of a socket that is open already.
    pub fn descriptor(&self) -> Option<RawFd> {
        match *self {
            Listen::Inherited(fd)
            | Listen::Udp(At::Inherited(fd))
            | Listen::Tcp(At::Inherited(fd))
            | Listen::Relp(At::Inherited(fd))
            | Listen::Tls(At::Inherited(fd))
            | Listen::Relps(At::Inherited(fd)) => Some(fd),
            Listen::Unix(_)
            | Listen::UnixStream(_)
            | Listen::Udp(At::Address(_))
            | Listen::Tcp(At::Address(_))
            | Listen::Relp(At::Address(_))
            | Listen::Tls(At::Address(_))
            | Listen::Relps(At::Address(_))
            | Listen::Kafka(_)
            | Listen::Nats(..) => None,
        }
    }

    /// True if messages are answered.
    pub fn is_relp(&self) -> bool {
        matches!(self, Listen::Relp(_) | Listen::Relps(_))
    }

    /// True if connections are encrypted.
    pub fn is_encrypted(&self) -> bool {
        matches!(self, Listen::Tls(_) | Listen::Relps(_))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Kafka(place) => write!(f, "{place}"),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
            Listen::UnixStream(path) => write!(f, "unix-stream:{}", path.display()),
            Listen::Udp(at) => write!(f, "udp://{at}"),
            Listen::Tcp(at) => write!(f, "tcp://{at}"),
            Listen::Relp(at) => write!(f, "relp://{at}"),
            Listen::Tls(at) => write!(f, "tls://{at}"),
            Listen::Relps(at) => write!(f, "relps://{at}"),
            Listen::Inherited(fd) => write!(f, "fd:{fd}"),
            Listen::Nats(servers, Consumer { stream, name }) => {
                write!(f, "{servers}/{stream}/{name}")
            }
        }
    }
}

fn parse_nats(text: &str) -> Result<Listen, String> {
    if !cfg!(feature = "nats") {
        return Err(
            "this program was built without NATS (the feature nats of the package)".to_owned()
        );
    }
    let url = nats::Url::parse(text)?;
    if let Some((name, _)) = url.options.first() {
        return Err(format!(
            "option {name} is not known; tls, creds, nkey, token and password are"
        ));
    }
    let is_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_graphic() && !b".*>/\\".contains(&byte))
    };
    match url.path.split_once('/') {
        Some((stream, name)) if is_name(stream) && is_name(name) => {
            let consumer = Consumer { stream: stream.to_owned(), name: name.to_owned() };
            Ok(Listen::Nats(url.servers, consumer))
        }
        Some(_) | None => {
            Err("a stream and a consumer are needed: nats://HOST/STREAM/CONSUMER".to_owned())
        }
    }
}

/// Number of an inherited socket. 1 and 2 are the outputs.
fn descriptor(text: &str, number: &str) -> Result<RawFd, String> {
    let fd = number.parse().ok().filter(|fd| *fd == 0 || *fd > 2);
    fd.ok_or_else(|| format!("{text}: {number} is no number of an inherited socket"))
}

/// A topic and the group that shares its messages.
fn kafka(text: &str, rest: &str, is_encrypted: bool) -> Result<Listen, String> {
    match Place::parse(rest, is_encrypted).map_err(|why| format!("{text}: {why}"))? {
        Place { group: None, .. } => Err(format!("{text} names no group, such as ?group=logs")),
        place => Ok(Listen::Kafka(place)),
    }
}

/// `ADDRESS:PORT`, `ADDRESS`, `:PORT`, `fd:N` or nothing. Without an address it is loopback; all addresses are `*`.
fn address(text: &str, rest: &str, port: u16) -> Result<At, String> {
    if let Ok(address) = rest.parse() {
        return Ok(At::Address(address));
    }
    if let Some(number) = rest.strip_prefix("fd:") {
        return descriptor(text, number).map(At::Inherited);
    }
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, digits)) if !rest.ends_with(']') => {
            let parsed = digits.parse().map_err(|_| format!("{text}: {digits} is no port"))?;
            (host, parsed)
        }
        Some(_) | None => (rest, port),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let ip = match host {
        "" | "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        "*" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        host => host
            .parse()
            .map_err(|_| format!("{text}: {host} is no IP address; * listens on all addresses"))?,
    };
    Ok(At::Address(SocketAddr::new(ip, port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_is_loopback_and_all_must_be_said() {
        for (text, expected) in [
            ("unix:/dev/log", "unix:/dev/log"),
            ("unix-stream:/run/x", "unix-stream:/run/x"),
            ("udp://", "udp://127.0.0.1:514"),
            ("udp://:5514", "udp://127.0.0.1:5514"),
            ("tcp://localhost", "tcp://127.0.0.1:514"),
            ("tcp://*", "tcp://[::]:514"),
            ("relp://*:20514", "relp://[::]:20514"),
            ("relp://192.0.2.1", "relp://192.0.2.1:2514"),
            ("tcp://[::1]:6000", "tcp://[::1]:6000"),
            ("tcp://[::1]", "tcp://[::1]:514"),
            ("tls://*", "tls://[::]:6514"),
            ("relps://*:20514", "relps://[::]:20514"),
            ("fd:3", "fd:3"),
            ("relp://fd:4", "relp://fd:4"),
        ] {
            assert_eq!(
                Listen::parse(text).map(|listen| listen.to_string()),
                Ok(expected.to_owned())
            );
        }
        for (text, why) in [
            ("unix:", "names no path"),
            ("514", "is no socket"),
            ("udp://:x", "x is no port"),
            ("udp://host.example:514", "is no IP address"),
            ("http://*", "no protocol"),
            ("fd:2", "is no number of an inherited socket"),
            ("tcp://fd:x", "is no number of an inherited socket"),
        ] {
            let found = Listen::parse(text).expect_err(text);
            assert!(found.contains(why), "{found}");
        }
    }

    #[cfg(feature = "nats")]
    #[test]
    fn an_engine_has_servers_a_stream_and_a_consumer() {
        let parsed =
            Listen::parse("nats://a,b:4333/LOG/disk?token=/t").map(|listen| listen.to_string());
        assert_eq!(parsed, Ok("nats://a:4222,b:4333/LOG/disk".to_owned()));
        for (text, why) in [
            ("nats://a/LOG", "a stream and a consumer are needed"),
            ("nats://a/LOG/a.b", "a stream and a consumer are needed"),
            ("nats://a/LOG/c?ordered=1", "option ordered is not known"),
            ("natss:///LOG/c", "the host is missing"),
        ] {
            let found = Listen::parse(text).expect_err(text);
            assert!(found.contains(why), "{found}");
        }
    }

    #[test]
    fn only_loopback_is_closed_to_others() {
        for (text, is_open) in
            [("udp://", false), ("udp://*", true), ("tcp://[::1]", false), ("unix:/x", false)]
        {
            assert_eq!(Listen::parse(text).map(|listen| listen.is_open_to_others()), Ok(is_open));
        }
    }
}
