//! Settings of librdkafka, and its errors in words.

use super::Place;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::path::Path;
use std::time::Duration;

/// Bytes of a file with settings, at most.
const CONFIG_LEN_MAX: u64 = 64 * 1024;
/// How often the client says how its brokers are.
pub const STATISTICS_EVERY: Duration = Duration::from_secs(2);
/// Settings that carry our promises, or that belong into the URL.
const OURS: [&str; 16] = [
    "acks",
    "auto.offset.reset",
    "bootstrap.servers",
    "delivery.timeout.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "group.id",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "message.timeout.ms",
    "metadata.broker.list",
    "request.required.acks",
    "retries",
    "statistics.interval.ms",
];

/// Settings that both sides have, and those of the user's file.
///
/// # Errors
/// A text: the file cannot be read, or names a setting that is ours.
pub fn config(place: &Place) -> Result<ClientConfig, String> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", place.brokers.join(","))
        .set("client.id", "multilog")
        .set("statistics.interval.ms", STATISTICS_EVERY.as_millis().to_string())
        // A broker that is away is tried again after at most this time.
        .set("reconnect.backoff.max.ms", "2000")
        .set("socket.keepalive.enable", "true");
    if let Some(file) = &place.config {
        for (name, value) in settings(file)? {
            config.set(name, value);
        }
    }
    if config.get("security.protocol").is_none() {
        let has_sasl = ["sasl.mechanism", "sasl.mechanisms"].map(|name| config.get(name).is_some());
        let protocol = match (place.is_encrypted, has_sasl.contains(&true)) {
            (false, false) => "plaintext",
            (false, true) => "sasl_plaintext",
            (true, false) => "ssl",
            (true, true) => "sasl_ssl",
        };
        config.set("security.protocol", protocol);
    }
    Ok(config)
}

/// Reads `name=value` lines, as the clients of Java and kcat take them.
fn settings(file: &Path) -> Result<Vec<(String, String)>, String> {
    let unable = |why: String| format!("unable to use {}: {why}", file.display());
    let len = std::fs::metadata(file).map_err(|error| unable(error.to_string()))?.len();
    if len > CONFIG_LEN_MAX {
        return Err(unable(format!("it has more than {CONFIG_LEN_MAX} bytes")));
    }
    let text = std::fs::read_to_string(file).map_err(|error| unable(error.to_string()))?;
    parse_settings(&text).map_err(unable)
}

fn parse_settings(text: &str) -> Result<Vec<(String, String)>, String> {
    let lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let setting = |line: &str| {
        let (name, value) = line.split_once('=').ok_or(format!("{line} is not NAME=VALUE"))?;
        match name.trim() {
            name if OURS.contains(&name) => Err(format!(
                "{name} is not for the user to set: the promise of the program needs it"
            )),
            name => Ok((name.to_owned(), value.trim().to_owned())),
        }
    };
    lines.map(setting).collect()
}

/// The words of an error, without the name of its Rust type.
pub fn words(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, why, name, value) => format!("setting {name}={value}: {why}"),
        KafkaError::ClientCreation(why) => why.clone(),
        other => other.rdkafka_error_code().map_or_else(|| other.to_string(), code_words),
    }
}

/// What an error code means for the person who has to do something.
pub fn code_words(code: RDKafkaErrorCode) -> String {
    match code {
        RDKafkaErrorCode::AllBrokersDown
        | RDKafkaErrorCode::BrokerTransportFailure
        | RDKafkaErrorCode::OperationTimedOut
        | RDKafkaErrorCode::MessageTimedOut => "no broker answers".to_owned(),
        RDKafkaErrorCode::UnknownTopicOrPartition
        | RDKafkaErrorCode::UnknownTopic
        | RDKafkaErrorCode::UnknownPartition => "the topic does not exist".to_owned(),
        RDKafkaErrorCode::TopicAuthorizationFailed => {
            "the topic is not allowed for this user".to_owned()
        }
        RDKafkaErrorCode::GroupAuthorizationFailed => {
            "the group is not allowed for this user".to_owned()
        }
        RDKafkaErrorCode::MessageSizeTooLarge => "it is longer than the topic takes".to_owned(),
        other => {
            // Its name in Rust, and in parentheses the client's words.
            let text = other.to_string();
            let words = text.split_once('(').and_then(|(_, words)| words.strip_suffix(')'));
            words.unwrap_or(&text).to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_settings_but_not_those_of_the_promise() {
        let text = "# SASL\nsasl.mechanism = SCRAM-SHA-512\n\nsasl.password=a=b\n";
        let expected = [("sasl.mechanism", "SCRAM-SHA-512"), ("sasl.password", "a=b")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(parse_settings(text), Ok(expected.to_vec()));
        for (text, why) in [
            ("acks=0", "acks is not for the user to set: the promise of the program needs it"),
            ("acks", "acks is not NAME=VALUE"),
        ] {
            assert_eq!(parse_settings(text), Err(why.to_owned()));
        }
    }
}
