//! A connected client of NATS, and its errors in words.
//!
//! The library would reconnect by itself; here the end of a connection is reported, so that the program
//! decides when it tries again, says so, and knows what has to be sent again.

use super::url::{Encryption, Login, Servers};
use crate::tls;
use ::logdir::failure::reason;
use async_nats::rustls::{self, ClientConfig};
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr};
use std::error::Error;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// How long a server may take to answer a connection or a request.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// An idle connection is tested this often; two tests without an answer end it.
const PING_EVERY: Duration = Duration::from_secs(10);
/// What the library says of a server that ends a connection without a word.
const SILENT_END: &str = "expected INFO, got nothing";
/// Messages of a server about itself that wait to be read.
const EVENTS_MAX: usize = 64;

/// What ended or disturbs a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The connection is over.
    Ended,
    /// The server refuses something, in its words.
    Refused(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Ended => f.write_str("the server ended the connection"),
            Trouble::Refused(why) => write!(f, "the server refuses: {why}"),
        }
    }
}

/// A connection and what the server says of itself.
#[derive(Debug)]
pub struct Connection {
    /// The library's client.
    pub client: Client,
    troubles: Receiver<Trouble>,
}

impl Connection {
    /// Connects to one of the servers.
    ///
    /// # Errors
    /// None answers, or the login is refused, in words.
    pub async fn open(
        servers: &Servers,
        name: &str,
        tls: Option<ClientConfig>,
    ) -> Result<Connection, String> {
        let (sender, troubles) = channel(EVENTS_MAX);
        let mut options = ConnectOptions::new()
            .name(name)
            .connection_timeout(ANSWER_TIMEOUT)
            .request_timeout(Some(ANSWER_TIMEOUT))
            .ping_interval(PING_EVERY)
            .require_tls(servers.is_encrypted())
            .event_callback(move |event| {
                note(&event, &sender);
                std::future::ready(())
            });
        let with_tls = tls.is_some();
        if let Some(tls) = tls {
            options = options.tls_client_config(tls);
        }
        if servers.encryption == Encryption::First {
            options = options.tls_first();
        }
        let options = log_in(options, &servers.login)?;
        let addresses: Result<Vec<ServerAddr>, _> = servers
            .places
            .iter()
            .map(|place| format!("nats://{place}").parse::<ServerAddr>())
            .collect();
        let addresses = addresses.map_err(|error| error.to_string())?;
        match options.connect(addresses).await {
            Ok(client) => Ok(Connection { client, troubles }),
            Err(error) => Err(words_of_connecting(&error, with_tls)),
        }
    }

    /// Does the first work with the connection. What disturbs the connection ends it: a request that is not allowed
    /// gets no answer.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub async fn begin<T>(
        &mut self,
        work: impl Future<Output = Result<T, String>>,
    ) -> Result<T, String> {
        tokio::select! {
            biased;
            trouble = self.trouble() => Err(trouble.to_string()),
            result = work => result,
        }
    }

    /// Waits for what ends or disturbs the connection.
    pub async fn trouble(&mut self) -> Trouble {
        self.troubles.recv().await.unwrap_or(Trouble::Ended)
    }
}

fn note(event: &Event, troubles: &Sender<Trouble>) {
    let trouble = match event {
        Event::Disconnected | Event::Closed => Trouble::Ended,
        Event::ServerError(error) => Trouble::Refused(error.to_string()),
        Event::ClientError(error) => Trouble::Refused(error.to_string()),
        Event::Connected | Event::LameDuckMode | Event::Draining | Event::SlowConsumer(_) => return,
    };
    // A full queue has an earlier one, which is enough to end the connection.
    let _ = troubles.try_send(trouble);
}

/// Reads the file with the secret of a login, as each connection does.
///
/// # Errors
/// It cannot be read or used, in words.
pub fn check(login: &Login) -> Result<(), String> {
    log_in(ConnectOptions::new(), login).map(drop)
}

fn log_in(options: ConnectOptions, login: &Login) -> Result<ConnectOptions, String> {
    match login {
        Login::None => Ok(options),
        Login::Credentials(path) => {
            let unusable = |_| format!("{} is no file of credentials", path.display());
            options.credentials(&read(path)?).map_err(unusable)
        }
        Login::Nkey(path) => Ok(options.nkey(first_line(path)?)),
        Login::Token(path) => Ok(options.token(first_line(path)?)),
        Login::Password(user, path) => {
            Ok(options.user_and_password(user.clone(), first_line(path)?))
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    let refused = |error| format!("unable to read {}: {}", path.display(), reason(&error));
    fs::read_to_string(path).map_err(refused)
}

fn first_line(path: &Path) -> Result<String, String> {
    let text = read(path)?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

fn words_of_connecting(error: &async_nats::ConnectError, with_tls: bool) -> String {
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            "the server refuses this login".to_owned()
        }
        ConnectErrorKind::TimedOut => no_answer(),
        // Without certificates of ours the library uses those of this machine, and rarely gets this far.
        _ if !with_tls && (error.kind() == ConnectErrorKind::Tls || tls_error(error).is_some()) => {
            "the server requires TLS: use natss:// instead of nats://".to_owned()
        }
        _ if cause(error) == SILENT_END => {
            "the server ended the connection before it said anything: does it want TLS first \
             (handshake_first)? then natss:// with tls=first"
                .to_owned()
        }
        _ => match tls_error(error) {
            Some(error @ rustls::Error::InvalidMessage(_)) => {
                format!("{} nats:// goes without TLS", tls::Peer::Server.words(error))
            }
            _ => cause(error),
        },
    }
}

/// Reason of a failure: nobody answered within [`ANSWER_TIMEOUT`].
pub fn no_answer() -> String {
    format!("no answer within {} s", ANSWER_TIMEOUT.as_secs())
}

/// The error of TLS that caused an error, if any.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    innermost(error).downcast_ref::<io::Error>()?.get_ref()?.downcast_ref()
}

fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause
}

/// The innermost cause of an error, in words.
pub fn cause(error: &(dyn Error + 'static)) -> String {
    if let Some(error) = tls_error(error) {
        return tls::Peer::Server.words(error);
    }
    let cause = innermost(error);
    cause.downcast_ref::<io::Error>().map_or_else(|| cause.to_string(), reason)
}
