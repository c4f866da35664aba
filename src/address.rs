//! A host and a port, as they stand in URLs.

use std::fmt;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A name or an IP address, without the brackets of IPv6.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Error in an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadAddress {
    /// No host.
    Host,
    /// `[` without `]`.
    OpenBracket,
    /// IPv6 without brackets.
    BareIpv6,
    /// The port is no number, or is missing although the protocol has no usual port.
    Port,
}

impl Address {
    /// Parses `HOST:PORT`, `HOST` or `[IPV6]:PORT`.
    pub fn parse(text: &str, usual_port: Option<u16>) -> Result<Address, BadAddress> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']').ok_or(BadAddress::OpenBracket)?;
                // Only a port may follow.
                (host, (!after.is_empty()).then(|| after.strip_prefix(':').unwrap_or_default()))
            }
            None => match text.rsplit_once(':') {
                Some((host, _)) if host.contains(':') => return Err(BadAddress::BareIpv6),
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        if host.is_empty() {
            return Err(BadAddress::Host);
        }
        let port = match port {
            Some(port) => port.parse().ok().filter(|&port| port > 0),
            None => usual_port,
        };
        Ok(Address { host: host.to_owned(), port: port.ok_or(BadAddress::Port)? })
    }
}

impl BadAddress {
    /// In words; the port is for an example.
    pub fn words(self, port: u16) -> String {
        match self {
            BadAddress::Host => "the host is missing".to_owned(),
            BadAddress::OpenBracket => "the ] after an IPv6 address is missing".to_owned(),
            BadAddress::BareIpv6 => {
                format!("an IPv6 address stands in brackets, such as [::1]:{port}")
            }
            BadAddress::Port => "the port is a number from 1 to 65535".to_owned(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, usual_port: Option<u16>, expected: Result<&str, BadAddress>) {
        let found = Address::parse(text, usual_port).map(|address| address.to_string());
        assert_eq!(found.as_deref(), expected.as_ref().map(|text| &**text));
    }

    #[test]
    fn a_host_has_a_port_of_its_own_or_the_usual_one() {
        check("h:7", Some(5), Ok("h:7"));
        check("h", Some(5), Ok("h:5"));
        check("[::1]", Some(5), Ok("[::1]:5"));
        check("[::1]:7", None, Ok("[::1]:7"));
        check("h", None, Err(BadAddress::Port));
        for text in ["h:0", "h:", "h:x", "h:65536", "[::1]x", "[::1]7", "[::1]:"] {
            check(text, Some(5), Err(BadAddress::Port));
        }
        for text in ["", ":7", "[]:7"] {
            check(text, Some(5), Err(BadAddress::Host));
        }
        check("[::1", Some(5), Err(BadAddress::OpenBracket));
        check("::1", Some(5), Err(BadAddress::BareIpv6));
    }
}
