//! URLs of NATS: several servers, a path, options. Read once and purely.
//!
//! Secrets are in files that options name: a command line is visible to everybody on the machine.

use crate::address::Address;
use std::fmt;
use std::path::PathBuf;

/// The port of NATS.
const PORT: u16 = 4222;

/// Servers of a cluster, and how this program shows itself there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Servers {
    /// Hosts and ports; at least one.
    pub places: Vec<Address>,
    /// Encryption that the scheme and the option `tls` ask for.
    pub encryption: Encryption,
    /// How this program shows itself.
    pub login: Login,
}

/// Encryption of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Not required (`nats://`).
    None,
    /// After the server has introduced itself (`natss://`).
    Upgrade,
    /// From the first byte (`tls=first`), for servers with `handshake_first: true`.
    First,
}

/// How this program shows itself to the servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// It does not.
    None,
    /// A file of credentials: a JWT and its key, as `nsc` writes it.
    Credentials(PathBuf),
    /// A file with the seed of an nkey.
    Nkey(PathBuf),
    /// A file with a token.
    Token(PathBuf),
    /// A name, and a file with its password.
    Password(String, PathBuf),
}

/// A parsed URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Where to connect.
    pub servers: Servers,
    /// What stands between the slash and the question mark.
    pub path: String,
    /// Options that the caller has to read: those that are not about the login.
    pub options: Vec<(String, String)>,
}

/// True for the URL schemes of NATS.
pub fn is_scheme(scheme: &str) -> bool {
    matches!(scheme, "nats" | "natss")
}

impl Url {
    /// Reads `nats://[USER@]HOST[:PORT][,HOST[:PORT]...]/PATH[?OPTION=VALUE...]`.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &str) -> Result<Url, String> {
        let (scheme, rest) = text.split_once("://").ok_or("a URL has a scheme, such as nats://")?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (servers, path) = place.split_once('/').unwrap_or((place, ""));
        let (user, servers) = match servers.rsplit_once('@') {
            Some((user, servers)) => (Some(user), servers),
            None => (None, servers),
        };
        let (login, mut options) = login(user, query)?;
        let encryption = encryption(scheme == "natss", &mut options)?;
        let places: Result<Vec<Address>, String> = servers.split(',').map(parse_place).collect();
        let servers = Servers { places: places?, encryption, login };
        Ok(Url { servers, path: path.to_owned(), options })
    }
}

impl Servers {
    /// True if the program must not send anything without TLS.
    pub fn is_encrypted(&self) -> bool {
        self.encryption != Encryption::None
    }
}

impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_encrypted() { "natss://" } else { "nats://" })?;
        for (number, place) in self.places.iter().enumerate() {
            if number > 0 {
                f.write_str(",")?;
            }
            place.fmt(f)?;
        }
        Ok(())
    }
}

type Options = Vec<(String, String)>;

/// Takes the option about encryption out of the others.
fn encryption(is_encrypted: bool, options: &mut Options) -> Result<Encryption, String> {
    let asked = options.extract_if(.., |(name, _)| name == "tls").last();
    match (is_encrypted, asked.as_ref().map(|(_, value)| value.as_str())) {
        (false, None) => Ok(Encryption::None),
        (true, None) => Ok(Encryption::Upgrade),
        (true, Some("first")) => Ok(Encryption::First),
        (false, Some("first")) => Err("tls=first needs natss://".to_owned()),
        (_, Some(other)) => Err(format!("tls is first, not {other}")),
    }
}

fn login(user: Option<&str>, query: &str) -> Result<(Login, Options), String> {
    let (mut logins, mut options) = (Vec::new(), Vec::new());
    if user.is_some_and(|user| user.contains(':')) {
        return Err(
            "a password in a URL is visible to everybody on this machine; USER@ with ?password=FILE \
             reads it from a file"
                .to_owned(),
        );
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or(format!("{pair} has no value"))?;
        let file = || PathBuf::from(value);
        match name {
            "creds" => logins.push(Login::Credentials(file())),
            "nkey" => logins.push(Login::Nkey(file())),
            "token" => logins.push(Login::Token(file())),
            "password" => {
                let user = user.ok_or("password=FILE needs a user: nats://USER@HOST")?;
                logins.push(Login::Password(user.to_owned(), file()));
            }
            _ => options.push((name.to_owned(), value.to_owned())),
        }
    }
    match (logins.pop(), logins.is_empty(), user) {
        (Some(login @ Login::Password(..)), true, _) => Ok((login, options)),
        (Some(login), true, None) => Ok((login, options)),
        (None, _, None) => Ok((Login::None, options)),
        (None, _, Some(_)) => Err("a user needs password=FILE".to_owned()),
        (Some(_), ..) => {
            Err("only one of creds, nkey, token, and USER@ with password may be named".to_owned())
        }
    }
}

fn parse_place(text: &str) -> Result<Address, String> {
    Address::parse(text, Some(PORT)).map_err(|bad| bad.words(PORT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, shown: &str, path: &str, login: &Login, options: &[(&str, &str)]) {
        let url = Url::parse(text).expect(text);
        assert_eq!((url.servers.to_string().as_str(), url.path.as_str()), (shown, path));
        assert_eq!(&url.servers.login, login);
        let found: Vec<(&str, &str)> =
            url.options.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, options);
    }

    #[test]
    fn a_url_names_servers_a_path_and_files_of_secrets() {
        check("nats://h/logs.web", "nats://h:4222", "logs.web", &Login::None, &[]);
        check(
            "natss://a,b:4333,[::1]/LOG/c?x=1",
            "natss://a:4222,b:4333,[::1]:4222",
            "LOG/c",
            &Login::None,
            &[("x", "1")],
        );
        let creds = Login::Credentials("/etc/x.creds".into());
        check("nats://h/s?creds=/etc/x.creds", "nats://h:4222", "s", &creds, &[]);
        let password = Login::Password("me".to_owned(), "/p".into());
        check("nats://me@h,i/s?password=/p", "nats://h:4222,i:4222", "s", &password, &[]);
        check("nats://h/s?token=/t", "nats://h:4222", "s", &Login::Token("/t".into()), &[]);
    }

    #[test]
    fn encryption_begins_after_the_introduction_or_with_the_first_byte() {
        for (text, expected) in [
            ("nats://h/s", Encryption::None),
            ("natss://h/s", Encryption::Upgrade),
            ("natss://h/s?tls=first", Encryption::First),
        ] {
            let url = Url::parse(text).expect(text);
            assert_eq!((url.servers.encryption, url.options), (expected, Vec::new()), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, why) in [
            ("nats:///s", "the host is missing"),
            ("nats://a,,b/s", "the host is missing"),
            ("nats://a:0/s", "from 1 to 65535"),
            ("nats://::1/s", "in brackets"),
            ("nats://me:secret@h/s", "visible to everybody"),
            ("nats://me@h/s", "a user needs password=FILE"),
            ("nats://h/s?password=/p", "needs a user"),
            ("nats://h/s?creds=/a&token=/b", "only one of"),
            ("nats://h/s?ordered", "ordered has no value"),
            ("nats://h/s?tls=first", "tls=first needs natss://"),
            ("natss://h/s?tls=last", "tls is first, not last"),
        ] {
            let found = Url::parse(text).expect_err(text);
            assert!(found.contains(why), "{text}: {found}");
        }
    }
}
