//! Several `logreceive` at one consumer, and what they may rely on after one of them was killed.

use super::logins::arrived;
use super::{Server, ship_once, stream};
use crate::receive::{Receiver, wait_for_lines};
use crate::ship::log;
use crate::support::{Home, wait_until};
use async_nats::jetstream::consumer::pull;
use futures_util::StreamExt;

/// A receiver was killed after it had taken messages and before it wrote them; meanwhile another has them. What the
/// first gave back would be taken from the other, and be on two disks.
#[test]
fn nats_a_collector_that_starts_again_takes_no_message_from_another() {
    let home = Home::new();
    let Some(server) = Server::start(&home, "") else { return };
    server.create(stream());
    log(&home, 1, 10);
    assert_eq!(ship_once(&home, &[&server.url("logs.web"), "log"]).0, Some(0));
    let taken = server.with(async |context| {
        let config = pull::Config { durable_name: Some("disk".to_owned()), ..Default::default() };
        let stream = context.get_stream("LOG").await.expect("the stream");
        let consumer = stream.create_consumer(config).await.expect("a consumer");
        let batch = consumer.fetch().max_messages(10).messages().await.expect("messages");
        batch.map(|message| message.expect("a message")).collect::<Vec<_>>().await
    });
    let entry = |message: &async_nats::jetstream::Message| {
        let info = message.info().expect("a message of a stream");
        let published = info.published.unix_timestamp_nanos();
        let reply = message.reply.as_ref().expect("where its answer goes");
        format!("{} {published} {published} ff {reply}\n", info.stream_sequence)
    };
    std::fs::create_dir(home.path("root")).expect("a directory");
    let journal: String = taken.iter().map(entry).collect();
    home.write("root/.unanswered.LOG.disk", journal, 0o600);
    let url = server.url("LOG/disk");
    let receiver = Receiver::start(&home, &["--into", "root", "--by", "one", &url]);
    receiver.wait_for("taking messages from");
    log(&home, 11, 20);
    assert_eq!(ship_once(&home, &[&server.url("logs.web"), "log"]).0, Some(0));
    wait_for_lines(&home, "root/main", 10);
    wait_until("acknowledgements", || server.unanswered() == taken.len());
    assert_eq!(arrived(&home), (11..=20).collect::<Vec<_>>());
    receiver.end();
}
