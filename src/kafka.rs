//! What both programs need to reach Kafka: the URL, and the settings of the client. Without the feature
//! `kafka` only the URL is known, so that the refusal can name the feature.

use crate::address::{Address, BadAddress};
use std::fmt;
use std::path::PathBuf;

#[cfg(feature = "kafka")]
pub mod client;

/// The port of Kafka.
const PORT: u16 = 9092;
/// Bytes of a topic's name, at most (a rule of Kafka).
const TOPIC_LEN_MAX: usize = 249;

/// A topic and how to reach it: `kafka://H[:9092],H2/TOPIC[?config=FILE]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Brokers to ask first, `host:port` each. They name the other ones.
    pub brokers: Vec<String>,
    /// The topic.
    pub topic: String,
    /// True if connections are encrypted.
    pub is_encrypted: bool,
    /// The file with further settings of the client, such as those of SASL.
    pub config: Option<PathBuf>,
    /// The consumer group; `logreceive` needs one, `logship` takes none.
    pub group: Option<String>,
}

impl Place {
    /// Reads what follows `kafka://` or `kafkas://`.
    ///
    /// # Errors
    /// A text that says what is wrong.
    pub fn parse(rest: &str, is_encrypted: bool) -> Result<Place, String> {
        if !cfg!(feature = "kafka") {
            return Err("this program was built without Kafka (the feature kafka of the package)"
                .to_owned());
        }
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (brokers, topic) = place.split_once('/').unwrap_or((place, ""));
        let brokers = brokers.split(',').map(broker).collect::<Result<_, _>>()?;
        let mut place = Place {
            brokers,
            topic: checked_topic(topic)?.to_owned(),
            is_encrypted,
            config: None,
            group: None,
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some((_, "")) | None => return Err(format!("{pair} has no value")),
                Some(("config", file)) => place.config = Some(PathBuf::from(file)),
                Some(("group", group)) => place.group = Some(group.to_owned()),
                Some((other, _)) => {
                    return Err(format!("option {other} is not known; config and group are"));
                }
            }
        }
        Ok(place)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_encrypted { "kafkas" } else { "kafka" };
        write!(f, "{scheme}://{}/{}", self.brokers.join(","), self.topic)?;
        self.group.as_ref().map_or(Ok(()), |group| write!(f, "?group={group}"))
    }
}

/// A broker with its port.
fn broker(text: &str) -> Result<String, String> {
    let broker = Address::parse(text, Some(PORT)).map_err(|bad| match bad {
        BadAddress::Host => "the host of a broker is missing".to_owned(),
        bad => bad.words(PORT),
    });
    broker.map(|broker| broker.to_string())
}

fn checked_topic(topic: &str) -> Result<&str, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let has_name = !topic.is_empty() && topic != "." && topic != "..";
    match topic {
        "" => Err("the topic is missing, such as kafka://HOST/TOPIC".to_owned()),
        topic if has_name && topic.len() <= TOPIC_LEN_MAX && topic.bytes().all(is_plain) => {
            Ok(topic)
        }
        topic => Err(format!("{topic} is not a topic: letters, digits, dots, _ and - are")),
    }
}

#[cfg(all(test, feature = "kafka"))]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rest: &str, expected: Result<&str, &str>) {
        let found = Place::parse(rest, false).map(|place| place.to_string());
        assert_eq!(found.as_deref().map_err(|why| why.as_str()), expected);
    }

    #[test]
    fn brokers_have_a_port_and_a_topic() {
        check("h/log", Ok("kafka://h:9092/log"));
        check(
            "h:19092,h2,[::1],[::1]:5/a.b_c-1",
            Ok("kafka://h:19092,h2:9092,[::1]:9092,[::1]:5/a.b_c-1"),
        );
        check("h/log?group=g&config=/etc/k", Ok("kafka://h:9092/log?group=g"));
        check("h", Err("the topic is missing, such as kafka://HOST/TOPIC"));
        check("h/a b", Err("a b is not a topic: letters, digits, dots, _ and - are"));
        check("h/..", Err(".. is not a topic: letters, digits, dots, _ and - are"));
        check("h,/t", Err("the host of a broker is missing"));
        check("::1/t", Err("an IPv6 address stands in brackets, such as [::1]:9092"));
        check("h:0/t", Err("the port is a number from 1 to 65535"));
        check("h/t?group=", Err("group= has no value"));
        check("h/t?acks=0", Err("option acks is not known; config and group are"));
    }
}
