//! Warns an admin of a stream that loses messages when it is full.

use super::ordered::find_stream;
use async_nats::Client;
use async_nats::jetstream::Context;
use async_nats::jetstream::stream::{Config, DiscardPolicy};

/// From this version on a server refuses messages that would make a stream larger than `max_bytes`. Earlier ones
/// leave the overhead of a message out when they compare, take it, and drop the oldest message for it.
const COUNTS_BYTES: (i64, i64, i64) = (2, 10, 5);

/// Looks at the stream that takes this subject, and says whether it loses messages when it is full. `None` also if
/// the stream cannot be looked at: what makes it unable to take lines is reported elsewhere.
pub async fn warning(context: Context, client: Client, subject: String) -> Option<String> {
    let name = find_stream(&context, &subject).await.ok()?;
    let stream = context.get_stream(&name).await.ok()?;
    let (major, minor, patch) = COUNTS_BYTES;
    let counts_bytes = client.is_server_compatible(major, minor, patch);
    loss_when_full(&stream.cached_info().config, counts_bytes)
}

/// How a stream with this configuration loses messages when it is full.
fn loss_when_full(config: &Config, counts_bytes: bool) -> Option<String> {
    let name = &config.name;
    let limits = [
        ("max_msgs", config.max_messages),
        ("max_bytes", config.max_bytes),
        ("max_msgs_per_subject", config.max_messages_per_subject),
    ];
    let drops_old = |what: &str| match (config.discard, what) {
        (DiscardPolicy::Old, _) => true,
        (DiscardPolicy::New, "max_msgs_per_subject") => !config.discard_new_per_subject,
        (DiscardPolicy::New, _) => false,
    };
    let reached: Vec<String> = limits
        .iter()
        .filter(|(what, limit)| *limit > 0 && drops_old(what))
        .map(|(what, limit)| format!("{what} {limit}"))
        .collect();
    if !reached.is_empty() {
        let (when, more) = (
            reached.join(" or "),
            match config.max_messages_per_subject > 0 {
                true => " and discard_new_per_subject",
                false => "",
            },
        );
        return Some(format!(
            "stream {name} drops its oldest messages when it is full ({when}), even those that no collector has taken; \
             with discard: new{more} it refuses new messages instead, and lines wait here"
        ));
    }
    (config.max_bytes > 0 && !counts_bytes).then(|| {
        format!(
            "stream {name} loses messages when it is full (max_bytes {}) although it is set to discard: new, since \
             servers before 2.10.5 count their bytes wrongly; use max_msgs, or a newer server",
            config.max_bytes
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(config: Config, counts_bytes: bool, expected: Option<&str>) {
        let config = Config { name: "LOG".to_owned(), ..config };
        let found = loss_when_full(&config, counts_bytes);
        match (&found, expected) {
            (None, None) => {}
            (Some(found), Some(expected)) => assert!(found.contains(expected), "{found}"),
            _ => panic!("{found:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn a_stream_that_loses_messages_when_it_is_full_is_known_by_its_configuration() {
        let new = Config { discard: DiscardPolicy::New, ..Config::default() };
        check(Config::default(), false, None);
        check(Config { max_messages: -1, max_bytes: -1, ..Config::default() }, false, None);
        let old = Config { max_messages: 10, ..Config::default() };
        check(
            old.clone(),
            true,
            Some("stream LOG drops its oldest messages when it is full (max_msgs 10),"),
        );
        check(Config { max_bytes: 99, ..old }, true, Some("(max_msgs 10 or max_bytes 99)"));
        let by_subject = Config { max_messages_per_subject: 5, ..new.clone() };
        let said = "(max_msgs_per_subject 5), even those that no collector has taken; with discard: new and discard_new";
        check(by_subject.clone(), true, Some(said));
        check(Config { discard_new_per_subject: true, ..by_subject }, true, None);
        check(Config { max_messages: 10, ..new.clone() }, false, None);
        let bytes = Config { max_bytes: 99, ..new };
        check(bytes.clone(), true, None);
        check(bytes, false, Some("(max_bytes 99) although it is set to discard: new"));
    }
}
