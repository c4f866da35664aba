//! Kafka, over real connections: the three mock brokers of librdkafka, and a broker of another kind where one is
//! named. Run with the feature `kafka`; `.ci/run` does.

mod cluster;
mod ship;
