//! Where lines are sent: a URL of the command line, read once and purely.

use crate::address::{Address, BadAddress};
use crate::kafka::Place;
use crate::nats::url::{self as nats, Servers};
use std::fmt;
use std::time::Duration;

/// The port of syslog over TCP and UDP.
const SYSLOG_PORT: u16 = 514;
/// The port of syslog over TLS (RFC 5425).
const SYSLOG_TLS_PORT: u16 = 6514;
/// The port and the path of OTLP over HTTP.
const OTLP_PORT: u16 = 4318;
const OTLP_PATH: &str = "/v1/logs";
/// The longest time that `rewind` covers: the lines of that time are held in memory.
const REWIND_MAX: Duration = Duration::from_secs(60);

/// Receiver with its protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// RELP: the server answers for each line.
    Relp(Address, Security),
    /// Syslog over TCP.
    Tcp(Address, Security, Stream),
    /// OTLP over HTTP, to this path: the server answers for each request.
    Otlp(Address, Security, String),
    /// NATS JetStream: the stream answers for each line.
    Nats(Servers, Subject),
    /// A topic of Kafka: all replicas in sync answer for each message.
    Kafka(Place),
    /// Syslog over UDP.
    Udp(Address),
    /// Syslog to a local datagram socket.
    Unix(String),
    /// A program that reads records and answers with their ids.
    Exec(String),
}

/// Where a stream of NATS takes lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The subject, without wildcards.
    pub name: String,
    /// Whether nobody else writes to the stream, so that lines can be kept in exact order.
    pub is_ordered: bool,
}

/// What lines become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Messages of RFC 5424.
    Syslog,
    /// Records of OTLP: the resource, a tab, the record, both JSON.
    Record,
    /// Messages of RFC 5424 with a key: the id of the line, a tab, its source, a tab, the message.
    Keyed,
}

/// What lines become for these receivers.
pub fn form(targets: &[Target]) -> Form {
    targets.first().map_or(Form::Syslog, Target::form)
}

/// Whether a connection is encrypted and its server identified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// It is neither.
    Plain,
    /// TLS from the first byte.
    Tls,
}

/// How messages follow each other in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// How a message ends.
    pub framing: Framing,
    /// After a connection broke, what was sent in this time before is sent again.
    pub rewind: Option<Duration>,
}

/// How a message ends in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Its length stands before it (RFC 6587, octet counting).
    Counted,
    /// A newline stands after it.
    Newline,
}

/// Error in a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadTarget {
    url: String,
    why: String,
}

impl fmt::Display for BadTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unable to use {}: {}", self.url, self.why)
    }
}

impl std::error::Error for BadTarget {}

/// Whether an operand names a receiver, and not a source of lines.
pub fn is_url(operand: &str) -> bool {
    let scheme = operand.split(':').next().unwrap_or_default();
    let is_scheme = !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let has_own_form = matches!(scheme, "unix" | "exec") && operand.contains(':');
    is_scheme && (has_own_form || operand[scheme.len()..].starts_with("://"))
}

impl Target {
    /// Reads a URL.
    ///
    /// # Errors
    /// The scheme is not known, a port is missing where none is usual, or an option is not one of the
    /// scheme's.
    pub fn parse(url: &str) -> Result<Target, BadTarget> {
        parse(url).map_err(|why| BadTarget { url: url.to_owned(), why })
    }

    /// What a line that was sent is worth, in a sentence for the person who chose the URL.
    pub fn guarantee(&self) -> &'static str {
        match self {
            Target::Relp(..) => {
                "at least once: a line counts as delivered when the server has answered 200"
            }
            Target::Tcp(.., Stream { rewind: None, .. }) => {
                "none beyond the kernel of the peer: TCP does not answer for lines, so those on their way \
                 are lost when the receiver dies"
            }
            Target::Tcp(.., Stream { rewind: Some(_), .. }) => {
                "none beyond the kernel of the peer, but after a broken connection the lines of the last \
                 moments are sent again, so some arrive twice"
            }
            Target::Otlp(..) => {
                "at least once: a line counts as delivered when the server has answered 2xx"
            }
            Target::Nats(_, Subject { is_ordered: false, .. }) => {
                "at least once: a line counts as delivered when the stream has answered, which means that a \
                 majority of its replicas has it, in memory until the servers sync (sync_interval, 2 min \
                 unless set); what is sent again is recognised by its id within the stream's duplicate window"
            }
            Target::Nats(_, Subject { is_ordered: true, .. }) => {
                "exactly once and in order, if nobody else writes to the stream: a line counts as delivered \
                 when the stream has answered, which means that a majority of its replicas has it, in memory \
                 until the servers sync (sync_interval, 2 min unless set)"
            }
            Target::Kafka(_) => {
                "at least once: a line counts as delivered when all replicas in sync have it, which is the \
                 memory of these brokers, not their disks"
            }
            Target::Udp(_) => "none: UDP drops datagrams and says nothing",
            Target::Unix(_) => "none beyond the socket: the receiver answers for nothing",
            Target::Exec(_) => {
                "at least once: a line counts as delivered when the program has printed its id"
            }
        }
    }

    /// Whether a message written for another target may be sent to this target.
    pub fn takes_what_is_for(&self, other: &Target) -> bool {
        self.form() == other.form() && self.is_batched() == other.is_batched()
    }

    /// Whether its client makes large batches of what it is handed.
    pub fn is_batched(&self) -> bool {
        matches!(self, Target::Kafka(_))
    }

    /// What lines become for it.
    pub fn form(&self) -> Form {
        match self {
            Target::Otlp(..) => Form::Record,
            Target::Nats(..) | Target::Kafka(_) => Form::Keyed,
            Target::Relp(..)
            | Target::Tcp(..)
            | Target::Udp(_)
            | Target::Unix(_)
            | Target::Exec(_) => Form::Syslog,
        }
    }

    /// Whether certificates are needed to send to it.
    pub fn needs_tls(&self) -> bool {
        match self {
            Target::Relp(_, security)
            | Target::Tcp(_, security, _)
            | Target::Otlp(_, security, _) => *security == Security::Tls,
            Target::Nats(servers, _) => servers.is_encrypted(),
            Target::Kafka(_) | Target::Udp(_) | Target::Unix(_) | Target::Exec(_) => false,
        }
    }

    /// Whether a line counts as delivered only when the receiver has answered for it.
    pub fn is_acknowledged(&self) -> bool {
        match self {
            Target::Relp(..)
            | Target::Otlp(..)
            | Target::Nats(..)
            | Target::Kafka(_)
            | Target::Exec(_) => true,
            Target::Tcp(..) | Target::Udp(_) | Target::Unix(_) => false,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Relp(address, Security::Plain) => write!(f, "relp://{address}"),
            Target::Relp(address, Security::Tls) => write!(f, "relps://{address}"),
            Target::Tcp(address, Security::Plain, _) => write!(f, "tcp://{address}"),
            Target::Tcp(address, Security::Tls, _) => write!(f, "tls://{address}"),
            Target::Otlp(address, Security::Plain, path) => write!(f, "otlp://{address}{path}"),
            Target::Otlp(address, Security::Tls, path) => write!(f, "otlps://{address}{path}"),
            Target::Nats(servers, subject) => write!(f, "{servers}/{}", subject.name),
            Target::Kafka(place) => write!(f, "{place}"),
            Target::Udp(address) => write!(f, "udp://{address}"),
            Target::Unix(path) => write!(f, "unix:{path}"),
            Target::Exec(command) => write!(f, "exec:{command}"),
        }
    }
}

fn parse(url: &str) -> Result<Target, String> {
    if let Some(path) = url.strip_prefix("unix:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        return match path.starts_with('/') {
            true => Ok(Target::Unix(path.to_owned())),
            false => Err("the path of a socket begins with /".to_owned()),
        };
    }
    if let Some(command) = url.strip_prefix("exec:") {
        return match command.trim().is_empty() {
            true => Err("exec: needs a command".to_owned()),
            false => Ok(Target::Exec(command.to_owned())),
        };
    }
    let (scheme, rest) = url.split_once("://").ok_or("a URL has a scheme, such as relp://")?;
    if nats::is_scheme(scheme) {
        return self::nats(url);
    }
    if matches!(scheme, "kafka" | "kafkas") {
        return kafka(rest, scheme == "kafkas");
    }
    let (place, query) = match rest.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (rest, None),
    };
    let options = Options::parse(query)?;
    let security = |with_tls| if scheme == with_tls { Security::Tls } else { Security::Plain };
    if matches!(scheme, "otlp" | "otlps") {
        options.none(scheme)?;
        return otlp(place, security("otlps"));
    }
    let place = place.strip_suffix('/').unwrap_or(place);
    match scheme {
        "relp" | "relps" => {
            options.none(scheme)?;
            Ok(Target::Relp(address(place, None)?, security("relps")))
        }
        "tcp" | "tls" => {
            let usual_port = if scheme == "tls" { SYSLOG_TLS_PORT } else { SYSLOG_PORT };
            Ok(Target::Tcp(address(place, Some(usual_port))?, security("tls"), options.stream()?))
        }
        "udp" => options.none("udp").and(Ok(Target::Udp(address(place, Some(SYSLOG_PORT))?))),
        other => Err(format!(
            "scheme {other} is not known; relp, relps, tcp, tls, udp, otlp, otlps, nats, natss, kafka, kafkas, unix: \
             and exec: are"
        )),
    }
}

fn kafka(rest: &str, is_encrypted: bool) -> Result<Target, String> {
    match Place::parse(rest, is_encrypted)? {
        Place { group: Some(_), .. } => Err("a group is for logreceive".to_owned()),
        place => Ok(Target::Kafka(place)),
    }
}

fn otlp(place: &str, security: Security) -> Result<Target, String> {
    if !cfg!(feature = "http") {
        return Err(
            "this program was built without HTTP (the feature http of the package)".to_owned()
        );
    }
    let (place, path) = match place.find('/') {
        Some(pos) if place[pos..].len() > 1 => place.split_at(pos),
        Some(pos) => (&place[..pos], OTLP_PATH),
        None => (place, OTLP_PATH),
    };
    let is_plain =
        path.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"#<>\\^`{|}".contains(&byte));
    match is_plain {
        true => Ok(Target::Otlp(address(place, Some(OTLP_PORT))?, security, path.to_owned())),
        false => Err(format!("{path} is not a path of a URL")),
    }
}

fn nats(url: &str) -> Result<Target, String> {
    if !cfg!(feature = "nats") {
        return Err(
            "this program was built without NATS (the feature nats of the package)".to_owned()
        );
    }
    let url = nats::Url::parse(url)?;
    let mut is_ordered = false;
    for (name, value) in &url.options {
        match (name.as_str(), value.as_str()) {
            ("ordered", "0" | "1") => is_ordered = value == "1",
            ("ordered", _) => return Err("ordered is 0 or 1".to_owned()),
            _ => {
                return Err(format!(
                    "option {name} is not known; ordered, tls, creds, nkey, token and password are"
                ));
            }
        }
    }
    let is_token = |token: &str| {
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"*>/".contains(&byte);
        !token.is_empty() && token.bytes().all(is_plain)
    };
    match url.path.split('.').all(is_token) {
        true => Ok(Target::Nats(url.servers, Subject { name: url.path, is_ordered })),
        false => Err(format!(
            "{:?} is no subject; one without wildcards is needed, such as logs.web1",
            url.path
        )),
    }
}

fn address(place: &str, usual_port: Option<u16>) -> Result<Address, String> {
    Address::parse(place, usual_port).map_err(|bad| match (bad, usual_port) {
        (BadAddress::Port, None) => {
            "the port is missing: relp has no registered one, rsyslog often uses 2514 or 20514"
                .to_owned()
        }
        (bad, _) => bad.words(SYSLOG_PORT),
    })
}

/// What stands after the question mark.
#[derive(Debug, Default)]
struct Options<'a> {
    framing: Option<&'a str>,
    rewind: Option<&'a str>,
}

impl<'a> Options<'a> {
    fn parse(query: Option<&'a str>) -> Result<Options<'a>, String> {
        let mut options = Options::default();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or(format!("{pair} has no value"))?;
            match name {
                "framing" => options.framing = Some(value),
                "rewind" => options.rewind = Some(value),
                other => {
                    return Err(format!("option {other} is not known; framing and rewind are"));
                }
            }
        }
        Ok(options)
    }

    fn none(&self, scheme: &str) -> Result<(), String> {
        match (self.framing, self.rewind) {
            (None, None) => Ok(()),
            _ => Err(format!("{scheme} takes no framing and no rewind")),
        }
    }

    fn stream(&self) -> Result<Stream, String> {
        let framing = match self.framing {
            None | Some("octet") => Framing::Counted,
            Some("lf") => Framing::Newline,
            Some(other) => return Err(format!("framing is octet or lf, not {other}")),
        };
        let rewind = self.rewind.map(duration).transpose()?;
        if rewind.is_some_and(|rewind| rewind > REWIND_MAX) {
            return Err("rewind is at most 60s".to_owned());
        }
        Ok(Stream { framing, rewind })
    }
}

/// Reads a time such as `500ms`, `0.5s`, `1s`, `2m`; a number alone is seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let end = text.find(|byte: char| byte.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let seconds = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("{text} is not a time; 500ms, 2s, 5m, 1h are")),
    };
    let is_plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = number
        .parse()
        .ok()
        .filter(|_| is_plain)
        .ok_or_else(|| format!("{text} is not a time; 500ms, 2s, 5m, 1h are"))?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| format!("{text} is too long"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, expected: Result<Target, &str>) {
        let expected = expected.map_err(|why| format!("unable to use {url}: {why}"));
        assert_eq!(Target::parse(url).map_err(|bad| bad.to_string()), expected);
    }

    fn at(host: &str, port: u16) -> Address {
        Address { host: host.to_owned(), port }
    }

    const COUNTED: Stream = Stream { framing: Framing::Counted, rewind: None };

    #[test]
    fn urls_name_receivers() {
        check(
            "relp://log.example.org:2514",
            Ok(Target::Relp(at("log.example.org", 2514), Security::Plain)),
        );
        check("relp://[::1]:20514", Ok(Target::Relp(at("::1", 20514), Security::Plain)));
        check("relps://h:20514", Ok(Target::Relp(at("h", 20514), Security::Tls)));
        check("tcp://127.0.0.1", Ok(Target::Tcp(at("127.0.0.1", 514), Security::Plain, COUNTED)));
        check("tls://h", Ok(Target::Tcp(at("h", 6514), Security::Tls, COUNTED)));
        let lines = Stream { framing: Framing::Newline, rewind: Some(Duration::from_secs(1)) };
        check(
            "tcp://h:1514/?framing=lf&rewind=1s",
            Ok(Target::Tcp(at("h", 1514), Security::Plain, lines)),
        );
        check("udp://h", Ok(Target::Udp(at("h", 514))));
        check("unix:/dev/log", Ok(Target::Unix("/dev/log".to_owned())));
        check("exec:cat >&2", Ok(Target::Exec("cat >&2".to_owned())));
    }

    #[cfg(feature = "http")]
    #[test]
    fn urls_of_otlp_have_a_path() {
        let otlp = |host, port, security, path: &str| {
            Ok(Target::Otlp(at(host, port), security, path.to_owned()))
        };
        check("otlp://h", otlp("h", 4318, Security::Plain, "/v1/logs"));
        check("otlps://h:443/otlp/v1/logs", otlp("h", 443, Security::Tls, "/otlp/v1/logs"));
        check("otlp://[::1]/", otlp("::1", 4318, Security::Plain, "/v1/logs"));
        check("otlp://h/a b", Err("/a b is not a path of a URL"));
        check("otlp://h?rewind=1s", Err("otlp takes no framing and no rewind"));
    }

    #[cfg(feature = "nats")]
    #[test]
    fn urls_of_nats_have_servers_and_a_subject() {
        let parsed = Target::parse("natss://a,b:4333/logs.web1?ordered=1&creds=/c").unwrap();
        assert_eq!(parsed.to_string(), "natss://a:4222,b:4333/logs.web1");
        assert!(parsed.needs_tls() && parsed.is_acknowledged());
        assert!(matches!(parsed, Target::Nats(_, Subject { is_ordered: true, .. })));
        let wildcard =
            "\"logs.*\" is no subject; one without wildcards is needed, such as logs.web1";
        check("nats://a/logs.*", Err(wildcard));
        let none = "\"\" is no subject; one without wildcards is needed, such as logs.web1";
        check("nats://a", Err(none));
        check("nats://a/x?ordered=yes", Err("ordered is 0 or 1"));
        let options =
            "option rewind is not known; ordered, tls, creds, nkey, token and password are";
        check("nats://a/x?rewind=1s", Err(options));
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said() {
        let no_port =
            "the port is missing: relp has no registered one, rsyslog often uses 2514 or 20514";
        check("relp://h", Err(no_port));
        check("tcp://h:0", Err("the port is a number from 1 to 65535"));
        check("tcp://h:70000", Err("the port is a number from 1 to 65535"));
        check("udp://::1", Err("an IPv6 address stands in brackets, such as [::1]:514"));
        check("udp://h?rewind=1s", Err("udp takes no framing and no rewind"));
        check("tcp://h?framing=nul", Err("framing is octet or lf, not nul"));
        check("tcp://h?rewind=5m", Err("rewind is at most 60s"));
        check("tcp://h?rewind=x", Err("x is not a time; 500ms, 2s, 5m, 1h are"));
        check("tcp://h?a=1", Err("option a is not known; framing and rewind are"));
        let schemes = "scheme gopher is not known; relp, relps, tcp, tls, udp, otlp, otlps, nats, natss, kafka, kafkas, unix: and exec: are";
        check("gopher://h", Err(schemes));
        check("unix:dev/log", Err("the path of a socket begins with /"));
        check("exec: ", Err("exec: needs a command"));
    }

    #[test]
    fn operands_are_urls_or_sources() {
        for url in ["relp://h:1", "relps://h:1", "tcp://h", "tls://h", "unix:/dev/log", "exec:cat"]
        {
            assert!(is_url(url), "{url}");
        }
        for source in ["/service", "./log/main", "/a:b", "web", "/var/log/x?y", "@4000"] {
            assert!(!is_url(source), "{source}");
        }
    }

    #[test]
    fn times_have_units() {
        let check = |text: &str, millis: u64| {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        };
        check("500ms", 500);
        check("0.5s", 500);
        check("2", 2000);
        check("5m", 300_000);
        check("1h", 3_600_000);
        for bad in ["", "s", "-1s", "1d", "1e3", "nan"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
