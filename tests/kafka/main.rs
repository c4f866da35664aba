//! Kafka, over real connections: the three mock brokers of librdkafka, and a broker of another kind where one is
//! named. Run with the feature `kafka`; `.ci/run` does.
#![allow(clippy::print_stderr, reason = "a failed test shows what the programs printed")]

mod cluster;
mod receive;
mod ship;
