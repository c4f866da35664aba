//! `logreceive kafka://`: messages of a topic in log directories, each once, whoever of a group is killed or leaves.

use crate::cluster::{Home, Mock, Running, is_full, mock, wait_for};
use std::collections::HashMap;
use std::fs;

fn url(mock: &Mock) -> String {
    format!("kafka://{}/log", mock.bootstrap_servers())
}

/// Sends a log directory.
#[track_caller]
fn ship(home: &Home, mock: &Mock, dirs: &[&str]) {
    let url = url(mock);
    let mut arguments = vec!["--once", "--host", "web", "--state", "state", &*url];
    arguments.extend(dirs);
    assert_eq!(
        home.start("logship", "ship.err", &arguments).wait(),
        Some(0),
        "{}",
        home.read("ship.err")
    );
}

/// Starts a collector with a root of its own.
fn collect(home: &Home, mock: &Mock, root: &str) -> Running {
    // The mock group needs the time of its first member, 3 s, and then that of a member that was killed.
    let settings = "session.timeout.ms=6000\nheartbeat.interval.ms=1000\n";
    fs::write(home.path("config"), settings).expect("written");
    let url = format!("{}?group=g&config=config", url(mock));
    let script = ["--by", "host", &*url, "--", "t", "s16777215", "n1000"];
    home.start("logreceive", &format!("{root}.err"), &[&["--into", root], &script[..]].concat())
}

/// How often each text `line NUMBER` is in the directories of these roots.
fn collected(home: &Home, roots: &[&str]) -> HashMap<String, usize> {
    let mut found = HashMap::new();
    for root in roots {
        let Ok(entries) = fs::read_dir(home.path(root).join("web")) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name != "current" && !name.starts_with('@') {
                continue;
            }
            let contents = fs::read_to_string(&path).unwrap_or_default();
            // A kill between two writes leaves a part of a line, which is no line.
            for line in contents.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
                let text = line.split("] line ").nth(1).unwrap_or(line);
                *found.entry(text.to_owned()).or_default() += 1;
            }
        }
    }
    found
}

#[track_caller]
fn check_once(home: &Home, roots: &[&str], count: usize) {
    let found = collected(home, roots);
    let doubled: usize = found.values().map(|times| times - 1).sum();
    assert_eq!((found.len(), doubled), (count, 0), "lines, and lines too many");
}

#[test]
fn lines_are_written_once_and_committed_when_they_are_on_disk() {
    let mock = mock("log", 4);
    let home = Home::new();
    home.log("main", 1, 3000);
    ship(&home, &mock, &["./main"]);
    let mut collector = collect(&home, &mock, "root");
    wait_for("all lines", || collected(&home, &["root"]).len() == 3000);
    collector.end();
    assert_eq!(collector.wait(), Some(0), "{}", home.read("root.err"));
    let line = fs::read_to_string(home.path("root/web/current")).expect("a log");
    assert!(line.contains(" daemon.info: web: 1 ") && line.contains(" cursor=\""), "{line:.200}");

    home.log("main", 3001, 3010);
    ship(&home, &mock, &["./main"]);
    let collector = collect(&home, &mock, "root");
    wait_for("ten more", || collected(&home, &["root"]).len() == 3010);
    collector.report();
    wait_for("a status", || home.read("root.err").contains("10 messages"));
    check_once(&home, &["root"], 3010);
}

#[test]
fn what_a_shipper_sends_again_is_written_once() {
    let mock = mock("log", 1);
    let home = Home::new();
    home.log("main", 1, 500);
    ship(&home, &mock, &["./main"]);
    fs::remove_dir_all(home.path("state")).expect("a state");
    ship(&home, &mock, &["./main"]);
    let _collector = collect(&home, &mock, "root");
    wait_for("all lines", || collected(&home, &["root"]).len() == 500);
    // In one partition, what is sent now arrives after all that.
    home.log("main", 501, 510);
    ship(&home, &mock, &["./main"]);
    wait_for("the last lines", || collected(&home, &["root"]).len() == 510);
    check_once(&home, &["root"], 510);
}

#[test]
fn a_collector_that_is_killed_again_and_again_writes_every_line_once() {
    let mock = mock("log", 2);
    let home = Home::new();
    let mut count = 0;
    for _ in 0..if is_full() { 10 } else { 1 } {
        home.log("main", count + 1, count + 4000);
        ship(&home, &mock, &["./main"]);
        let before = count as usize;
        count += 4000;
        let mut collector = collect(&home, &mock, "root");
        wait_for("some lines", || collected(&home, &["root"]).len() > before + 100);
        collector.kill();
    }
    let _collector = collect(&home, &mock, "root");
    wait_for("all lines", || collected(&home, &["root"]).len() == count as usize);
    check_once(&home, &["root"], count as usize);
}

/// Two collectors are killed in turn, this many times together, while lines arrive.
#[track_caller]
fn check_kills(kill_count: usize) {
    let mock = mock("log", 8);
    let home = Home::new();
    let dirs = ["./a", "./b", "./c", "./d", "./e", "./f", "./g", "./h"];
    let roots = ["first", "second"];
    let mut collectors = roots.map(|root| collect(&home, &mock, root));
    let mut count = 0;
    for round in 0..kill_count {
        for (number, dir) in (0..).zip(dirs) {
            let first = number * 1_000_000 + 500 * round as u64;
            home.log(&dir[2..], first + 1, first + 500);
        }
        ship(&home, &mock, &dirs);
        let before = count;
        count += 500 * dirs.len();
        wait_for("some lines", || collected(&home, &roots).len() > before + 100);
        let killed = round % 2;
        collectors[killed].kill();
        collectors[killed] = collect(&home, &mock, roots[killed]);
    }
    wait_for("all lines", || collected(&home, &roots).len() >= count);
    for collector in &mut collectors {
        collector.end();
        assert_eq!(collector.wait(), Some(0));
    }
    check_once(&home, &roots, count);
    assert!(roots.iter().all(|root| !collected(&home, &[root]).is_empty()));
}

#[test]
fn collectors_of_a_group_that_are_killed_write_every_line_once() {
    check_kills(if is_full() { 20 } else { 1 });
}

#[test]
fn collectors_share_a_topic_and_one_that_leaves_loses_and_doubles_nothing() {
    let mock = mock("log", 4);
    let home = Home::new();
    let dirs = ["./a", "./b", "./c", "./d", "./e", "./f"];
    for (number, dir) in (0..).zip(dirs) {
        home.log(&dir[2..], number * 10_000 + 1, number * 10_000 + 3000);
    }
    let mut first = collect(&home, &mock, "first");
    let _second = collect(&home, &mock, "second");
    ship(&home, &mock, &dirs);
    wait_for("lines of the first", || collected(&home, &["first"]).len() > 100);
    first.end();
    assert_eq!(first.wait(), Some(0), "{}", home.read("first.err"));
    wait_for("all lines", || collected(&home, &["first", "second"]).len() == 18_000);
    check_once(&home, &["first", "second"], 18_000);
    assert!(!collected(&home, &["second"]).is_empty());
}

#[test]
fn a_topic_that_does_not_exist_is_reported() {
    let mock = mock("log", 1);
    let home = Home::new();
    let error = rdkafka::types::RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    mock.topic_error("log", error).expect("a topic");
    let _collector = collect(&home, &mock, "root");
    let expected = "/log?group=g: the topic does not exist; trying again";
    wait_for("a message", || home.read("root.err").contains(expected));
}

#[test]
fn standard_output_and_a_missing_group_are_usage_errors() {
    let home = Home::new();
    for (arguments, why) in [
        (&["kafka://h/log?group=g"][..], "kafka:// need --into or a script"),
        (&["--into", "root", "kafka://h/log"][..], "kafka://h/log names no group"),
    ] {
        assert_eq!(home.start("logreceive", "err", arguments).wait(), Some(100));
        assert!(home.read("err").contains(why), "{}", home.read("err"));
    }
}
