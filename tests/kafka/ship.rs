//! `logship kafka://`: what arrives, and what becomes of lines when brokers fail or refuse.

use crate::cluster::{Home, Mock, Stored, mock, read, wait_for};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use std::collections::{BTreeSet, HashSet};
use std::fs;

fn url(mock: &Mock) -> String {
    format!("kafka://{}/log", mock.bootstrap_servers())
}

/// Every line once, and equal cursors for nothing else.
#[track_caller]
fn check_once(stored: &[Stored], count: usize) {
    let cursors: HashSet<&str> = stored.iter().map(|message| &*message.cursor).collect();
    let texts: HashSet<&str> = stored.iter().map(|message| &*message.text).collect();
    assert_eq!((stored.len(), cursors.len(), texts.len()), (count, count, count));
}

#[test]
fn lines_arrive_in_order_with_a_key_and_their_cursor() {
    let mock = mock("log", 4);
    let home = Home::new();
    home.log("main", 1, 5000);
    home.log("alert", 1, 100);
    let url = url(&mock);
    let arguments = ["--once", "--host", "web", "--state", "state", &*url, "./main", "./alert"];
    assert_eq!(home.start("logship", "err", &arguments).wait(), Some(0), "{}", home.read("err"));
    let stored = read(&mock.bootstrap_servers(), "log", 5100);
    check_once(&stored, 5100);
    for (key, count) in [("web:./main", 5000), ("web:./alert", 100)] {
        let of_key: Vec<&Stored> = stored.iter().filter(|message| message.key == key).collect();
        assert_eq!(of_key.len(), count);
        let partitions: BTreeSet<i32> = of_key.iter().map(|message| message.partition).collect();
        assert_eq!(partitions.len(), 1, "one key, one partition");
        for (number, message) in of_key.iter().enumerate() {
            assert!(message.text.ends_with(&format!("] line {}", number + 1)), "{}", message.text);
            assert!(message.text.contains(&format!("cursor=\"{}\"", message.cursor)));
        }
    }
    let told = home.read("err");
    assert!(told.contains("which is the memory of these brokers, not their disks"), "{told}");
    assert_eq!(home.start("logship", "err", &arguments).wait(), Some(1), "nothing is left");
}

#[test]
fn brokers_that_are_away_get_everything_later_and_once() {
    let mock = mock("log", 2);
    let home = Home::new();
    home.log("main", 1, 1000);
    let url = url(&mock);
    let mut logship = home.start("logship", "err", &["--state", "state", &url, "./main"]);
    wait_for("the first lines", || home.read("state/status").contains("\"acknowledged\":1000"));
    for broker in 1..=3 {
        mock.broker_down(broker).expect("a broker");
    }
    home.log("main", 1001, 4000);
    wait_for("a message", || home.read("err").contains("its client tries on"));
    wait_for("a status", || home.read("state/status").contains("\"connected\":false"));
    for broker in 1..=3 {
        mock.broker_up(broker).expect("a broker");
    }
    wait_for("the rest", || home.read("state/status").contains("\"acknowledged\":4000"));
    wait_for("good news", || home.read("err").matches("connected to").count() == 2);
    logship.kill();
    check_once(&read(&mock.bootstrap_servers(), "log", 4000), 4000);
}

#[test]
fn brokers_that_nobody_runs_are_reported_and_tried_again() {
    let mock = mock("log", 1);
    let home = Home::new();
    home.log("main", 1, 10);
    for broker in 1..=3 {
        mock.broker_down(broker).expect("a broker");
    }
    let url = url(&mock);
    let arguments = ["--once", "--retry", "50ms:200ms", "--state", "state", &url, "./main"];
    let mut logship = home.start("logship", "err", &arguments);
    wait_for("a message", || {
        home.read("err").contains("logship: warning: unable to reach kafka://")
    });
    for broker in 1..=3 {
        mock.broker_up(broker).expect("a broker");
    }
    assert_eq!(logship.wait(), Some(0), "{}", home.read("err"));
    check_once(&read(&mock.bootstrap_servers(), "log", 10), 10);
}

#[track_caller]
fn check_topic_error(error: RDKafkaRespErr, message: &str) {
    let mock = mock("log", 1);
    let home = Home::new();
    home.log("main", 1, 10);
    mock.topic_error("log", error).expect("a topic");
    let url = url(&mock);
    let arguments = ["--once", "--retry", "50ms:200ms", "--state", "state", &url, "./main"];
    let mut logship = home.start("logship", "err", &arguments);
    wait_for("a message", || home.read("err").contains(message));
    mock.topic_error("log", RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).expect("a topic");
    assert_eq!(logship.wait(), Some(0), "nothing was given up: {}", home.read("err"));
    check_once(&read(&mock.bootstrap_servers(), "log", 10), 10);
}

#[test]
fn a_topic_that_does_not_exist_is_reported_and_gives_nothing_up() {
    let error = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    check_topic_error(error, "/log: the topic does not exist; next try in");
}

#[test]
fn missing_rights_are_reported_and_give_nothing_up() {
    let error = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    check_topic_error(error, "/log: the topic is not allowed for this user; next try in");
}

#[test]
fn rights_that_are_lost_while_lines_are_sent_give_nothing_up() {
    let mock = mock("log", 1);
    let home = Home::new();
    home.log("main", 1, 10);
    let error = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    mock.request_errors(RDKafkaApiKey::Produce, &[error]);
    let url = url(&mock);
    let arguments = ["--once", "--retry", "50ms:200ms", "--state", "state", &url, "./main"];
    assert_eq!(home.start("logship", "err", &arguments).wait(), Some(0));
    assert!(home.read("err").contains("the topic is not allowed for this user"));
    check_once(&read(&mock.bootstrap_servers(), "log", 10), 10);
}

#[test]
fn a_topic_that_stores_nothing_is_reported_and_gets_everything_later() {
    let mock = mock("log", 1);
    let home = Home::new();
    home.log("main", 1, 10);
    let error = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS;
    mock.request_errors(RDKafkaApiKey::Produce, &[error; 500]);
    let url = url(&mock);
    let mut logship = home.start("logship", "err", &["--state", "state", &url, "./main"]);
    wait_for("a message", || home.read("err").contains("no message was stored for 10 s"));
    wait_for("a status", || home.read("state/status").contains("\"connected\":false"));
    mock.clear_request_errors(RDKafkaApiKey::Produce);
    wait_for("the lines", || home.read("state/status").contains("\"acknowledged\":10"));
    wait_for("good news", || home.read("err").matches("connected to").count() == 2);
    logship.kill();
    check_once(&read(&mock.bootstrap_servers(), "log", 10), 10);
}

#[test]
fn a_refused_batch_is_sent_again_in_smaller_ones() {
    let mock = mock("log", 1);
    let home = Home::new();
    home.log("main", 1, 3000);
    let error = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    mock.request_errors(RDKafkaApiKey::Produce, &[error, error, error]);
    let url = url(&mock);
    let arguments = ["--once", "--state", "state", &url, "./main"];
    assert_eq!(home.start("logship", "err", &arguments).wait(), Some(0), "{}", home.read("err"));
    check_once(&read(&mock.bootstrap_servers(), "log", 3000), 3000);
}

#[test]
fn a_line_that_is_too_long_for_the_topic_is_kept_and_stops_no_other() {
    let mock = mock("log", 1);
    let home = Home::new();
    let long = "x".repeat(5000);
    home.log_text("main", &format!("a\nlong {long}\nb\nc\n"));
    fs::write(home.path("config"), "# For the test\nmessage.max.bytes = 2000\n").expect("written");
    let url = format!("{}?config=config", url(&mock));
    let arguments = ["--once", "--state", "state", &*url, "./main"];
    assert_eq!(home.start("logship", "err", &arguments).wait(), Some(2), "{}", home.read("err"));
    check_once(&read(&mock.bootstrap_servers(), "log", 3), 3);
    let dead = home.read("state/dead/current");
    assert!(dead.contains("refused: it is longer than the topic takes: "), "{dead}");
    assert!(dead.contains(&format!("] long {long}")), "{dead}");
}

#[test]
fn a_setting_that_carries_the_promise_is_refused() {
    let home = Home::new();
    home.log("main", 1, 1);
    fs::write(home.path("config"), "acks=0\n").expect("written");
    let url = "kafka://127.0.0.1:1/log?config=config";
    let arguments = ["--state", "state", url, "./main"];
    assert_eq!(home.start("logship", "err", &arguments).wait(), Some(111));
    let expected = "logship: fatal: unable to use config: acks is not for the user to set";
    assert!(home.read("err").starts_with(expected), "{}", home.read("err"));
    fs::write(home.path("config"), "sasl.mechanism=x\n").expect("written");
    assert_eq!(home.start("logship", "err", &arguments).wait(), Some(111));
    fs::write(home.path("config"), "no.such.setting=x\n").expect("written");
    assert_eq!(home.start("logship", "err", &arguments).wait(), Some(111));
    assert!(home.read("err").contains("setting no.such.setting=x: "), "{}", home.read("err"));
}
