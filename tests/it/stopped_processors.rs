//! Processors that do not come to an end, and a logger that has to (behaviour 10; 0.76 waits for ever).

use crate::peers::peer;
use crate::support::{Home, Logger, differs, numbers, wait_until};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// Hangs with a child, and leaves the numbers of both.
const HANG: &str = "!sleep 1000 & echo $$ $! >pids.new; mv pids.new pids; wait";

const STOPPED: &str =
    "multilog: warning: stopped the processor in ./d, its file waits for the next start\n";

/// A logger with `a` in a processor and `b` in `current`.
fn processing(home: &Home, processor: &str) -> Logger {
    let mut logger = home.spawn(&[processor, "./d"]);
    logger.write(b"a\n");
    wait_until("the line", || home.read("d/current") == b"a\n");
    logger.signal_and_wait(Signal::SIGALRM);
    // 0.76 answers after one more line, and reads no other while the processor runs.
    logger.write(b"b\n");
    wait_until("the processor", || !pids(home).is_empty());
    wait_until("the next line", || home.read("d/current") == b"b\n");
    logger
}

fn pids(home: &Home) -> Vec<Pid> {
    let text = String::from_utf8(home.read("d/pids")).expect("text");
    text.split_whitespace().map(|pid| Pid::from_raw(pid.parse().expect("a number"))).collect()
}

fn is_gone(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    kill(pid, None) == Err(Errno::ESRCH) || stat.contains(") Z ")
}

/// The file waits as a whole archive with `.u`.
#[track_caller]
fn check_waiting(home: &Home) {
    let expected =
        [("@.u", 0o744), ("current", 0o744), ("lock", 0o600), ("pids", 0o644), ("state", 0o644)];
    let expected = expected.map(|(name, mode)| (name.to_owned(), mode));
    assert_eq!(home.entries("d"), expected, "no output is left");
    assert_eq!(home.contents("d"), b"a\nb\n");
}

#[test]
fn a_hung_processor_is_stopped_after_its_grace() {
    differs("a_hung_processor_is_stopped_after_its_grace", || {
        let home = Home::new();
        let mut logger = processing(&home, HANG);
        let start = Instant::now();
        logger.signal(Signal::SIGTERM);
        wait_until("the end", || !logger.is_running());
        assert!(start.elapsed() >= Duration::from_secs(20), "{:?}", start.elapsed());
        logger.wait().check(0, STOPPED);
        check_waiting(&home);
    });
}

#[test]
fn a_second_term_stops_a_processor_with_its_children() {
    differs("a_second_term_stops_a_processor_with_its_children", || {
        let home = Home::new();
        let logger = processing(&home, HANG);
        logger.signal_and_wait(Signal::SIGTERM);
        logger.signal(Signal::SIGTERM);
        logger.wait().check(0, STOPPED);
        check_waiting(&home);
        assert_eq!(pids(&home).len(), 2);
        wait_until("both to be gone", || pids(&home).into_iter().all(is_gone));
    });
}

#[test]
fn a_processor_that_ignores_term_is_killed() {
    differs("a_processor_that_ignores_term_is_killed", || {
        let home = Home::new();
        let stubborn = "!trap '' TERM; echo $$ >pids.new; mv pids.new pids; exec sleep 1000";
        let mut logger = processing(&home, stubborn);
        logger.signal_and_wait(Signal::SIGTERM);
        logger.signal_and_wait(Signal::SIGTERM);
        assert!(logger.is_running());
        logger.signal(Signal::SIGTERM);
        logger.wait().check(0, STOPPED);
        check_waiting(&home);
    });
}

/// A home after a logger was stopped whose processor hangs: one file waits.
fn stopped() -> Home {
    let home = Home::new();
    home.make_dir("d");
    let logger = processing(&home, HANG);
    logger.signal_and_wait(Signal::SIGTERM);
    logger.signal(Signal::SIGTERM);
    logger.wait().check(0, STOPPED);
    home
}

#[test]
fn what_waits_is_taken_up_at_the_next_start() {
    differs("what_waits_is_taken_up_at_the_next_start", || {
        let home = stopped();
        home.write("d/state", b"remembered\n", 0o644);
        home.run(&["!tr a-z A-Z; cat <&4 >&5", "./d"], b"c\n").check(0, "");
        let archives = home.archives("d");
        assert_eq!(archives.len(), 1);
        assert!(archives[0].ends_with(".s"), "{archives:?}");
        assert_eq!(home.mode(Path::new("d").join(&archives[0])), 0o744);
        assert_eq!(home.contents("d"), b"A\nb\nc\n");
        assert_eq!(home.read("d/state"), b"remembered\n", "the end was clean");
        assert!(!home.path("d/previous").exists());
    });
}

/// A logger that was stopped while many full files waited for a processor that hangs.
fn many_waiting(home: &Home) -> usize {
    let mut logger = home.spawn(&["s4096", "n1000", HANG, "./d"]);
    logger.write(numbers(1, 10_000));
    wait_until("a full current", || {
        home.path("d/pids").exists() && home.read("d/current").len() >= 2096
    });
    logger.signal_and_wait(Signal::SIGTERM);
    logger.signal(Signal::SIGTERM);
    let ended = logger.wait();
    let waiting: Vec<String> = home.archives("d");
    let warning = format!(
        "multilog: warning: stopped the processor in ./d, {} files wait for the next start\n",
        waiting.len()
    );
    ended.check(0, &warning);
    assert!(waiting.len() >= 9 && waiting.iter().all(|name| name.ends_with(".u")), "{waiting:?}");
    waiting.len()
}

#[test]
fn every_file_that_waits_is_processed_in_its_place() {
    differs("every_file_that_waits_is_processed_in_its_place", || {
        let home = Home::in_memory();
        let count = many_waiting(&home);
        let logged = home.contents("d");
        let names = home.archives("d");
        let count_runs = "!read n <&4; echo $((n+1)) | tee /dev/fd/5; cat";
        home.run(&["s4096", "n1000", count_runs, "./d"], b"").check(0, "");
        let safe: Vec<String> = names.iter().map(|name| name.replace(".u", ".s")).collect();
        assert_eq!(home.archives("d"), safe);
        let mut unprocessed = Vec::new();
        for (run, name) in (1..).zip(&safe) {
            let file = home.read(Path::new("d").join(name));
            let lines = file.strip_prefix(format!("{run}\n").as_bytes()).expect("in this order");
            unprocessed.extend_from_slice(lines);
            assert_eq!(home.mode(Path::new("d").join(name)), 0o744);
        }
        unprocessed.extend(home.read("d/current"));
        assert_eq!(unprocessed, logged);
        assert_eq!(home.read("d/state"), format!("{count}\n").as_bytes());
    });
}

/// Compressing a file is a copy of its own: beside the output its lines would be there twice.
#[test]
fn a_waiting_file_that_is_compressed_during_its_processor_stays_once() {
    differs("every_file_that_waits_is_processed_in_its_place", || {
        let home = stopped();
        let waiting = home.archives("d").remove(0);
        let before = home.contents("d");
        home.write("d/state", b"remembered\n", 0o644);
        let slow =
            "!tr a-z A-Z; echo new >&5; echo >started; until test -e go; do sleep 0.01; done";
        let logger = home.spawn(&[slow, "./d"]);
        wait_until("the processor", || home.path("d/started").exists());
        let copy = format!("d/{waiting}.gz");
        fs::rename(home.path("d").join(&waiting), home.path(&copy)).expect("what gzip leaves");
        home.write("d/go", b"", 0o644);
        logger.end().check(0, "");
        assert_eq!(home.archives("d"), [format!("{waiting}.gz")]);
        assert_eq!([home.read(&copy), home.read("d/current")].concat(), before);
        assert_eq!(home.read("d/state"), b"remembered\n", "no file was processed");
        assert!(!home.path("d/processed").exists());
    });
}

/// They wait as often as they have to, and what is removed meanwhile is not missed.
#[test]
fn files_that_wait_go_on_waiting() {
    differs("every_file_that_waits_is_processed_in_its_place", || {
        let home = Home::in_memory();
        let count = many_waiting(&home);
        fs::remove_file(home.path("d").join(&home.archives("d")[3])).expect("one that waits");
        fs::remove_file(home.path("d/pids")).expect("the first processor's");
        let logger = home.spawn(&["n1000", HANG, "./d"]);
        wait_until("the processor", || home.path("d/pids").exists());
        logger.signal_and_wait(Signal::SIGTERM);
        logger.signal(Signal::SIGTERM);
        let warning = format!(
            "multilog: warning: stopped the processor in ./d, {} files wait for the next start\n",
            count - 1
        );
        logger.wait().check(0, &warning);
        home.run(&["n1000", "!cat", "./d"], b"").check(0, "");
        assert!(home.archives("d").iter().all(|name| name.ends_with(".s")));
        assert_eq!(home.archives("d").len(), count - 1);
    });
}

#[test]
fn the_original_takes_over_what_waits() {
    let Some(original) = peer("multilog") else { return };
    differs("what_waits_is_taken_up_at_the_next_start", || {
        let home = Home::new();
        let logger = processing(&home, HANG);
        logger.signal_and_wait(Signal::SIGTERM);
        logger.signal(Signal::SIGTERM);
        logger.wait().check(0, STOPPED);
        // It goes on in a clean `current`.
        let script = ["s4096", "n1000", "!cat", "./d"];
        home.run_of(&original, &script, &numbers(1, 3000)).check(0, "");
        assert_eq!(home.contents("d"), [b"a\nb\n".to_vec(), numbers(1, 3000)].concat());
        home.run(&script, &numbers(1, 10)).check(0, "");
        let all = [b"a\nb\n".to_vec(), numbers(1, 3000), numbers(1, 10)].concat();
        assert_eq!(home.contents("d"), all);
    });
}

#[test]
fn a_whole_previous_is_taken_up_after_a_crash() {
    differs("a_whole_previous_is_taken_up_after_a_crash", || {
        let home = Home::new();
        let logger = processing(&home, HANG);
        logger.signal(Signal::SIGKILL);
        logger.wait();
        home.run(&["!tr a-z A-Z", "./d"], b"c\n").check(0, "");
        let endings: Vec<String> =
            home.archives("d").iter().map(|name| name[25..].to_owned()).collect();
        assert_eq!(endings, [".s", ".u"], "in the order in which they were written");
        assert_eq!(home.contents("d"), b"A\nb\nc\n");
        for pid in pids(&home) {
            // Whoever is gone already need not be killed.
            let _ = kill(pid, Signal::SIGKILL);
        }
    });
}

#[test]
fn what_is_held_for_a_full_current_is_written_when_a_processor_is_stopped() {
    differs("what_is_held_for_a_full_current_is_written_when_a_processor_is_stopped", || {
        let home = Home::in_memory();
        let (mut reader, mut writer) = std::io::pipe().expect("a pipe");
        let mut command = home.command(&["s4096", "n1000", HANG, "./d"]);
        command.stdin(reader.try_clone().expect("a copy"));
        let logger = home.start(command);
        let feeder = std::thread::spawn(move || writer.write_all(&numbers(1, 60_000)));
        wait_until("a full current", || {
            home.path("d/pids").exists() && home.read("d/current").len() >= 2096
        });
        logger.signal_and_wait(Signal::SIGTERM);
        logger.signal(Signal::SIGTERM);
        let ended = logger.wait();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.warnings());
        let mut left = Vec::new();
        reader.read_to_end(&mut left).expect("a pipe");
        feeder.join().expect("the feeder").expect("all is read");
        let logged = home.contents("d");
        assert!(logged.len() > 50_000, "held lines were written");
        let (all, expected) = ([logged, left].concat(), numbers(1, 60_000));
        let same = all.iter().zip(&expected).take_while(|(one, other)| one == other).count();
        assert!(
            all == expected,
            "{} bytes, equal up to {same}: {:?}",
            all.len(),
            home.archives("d")
        );
    });
}

#[test]
fn a_processor_leads_its_own_process_group() {
    differs("a_processor_leads_its_own_process_group", || {
        let home = Home::new();
        let look = "!echo $$ >pid; cut -d' ' -f5 </proc/$$/stat >group; cat";
        let mut logger = home.spawn(&[look, "./d"]);
        logger.write(b"a\n");
        wait_until("the line", || home.read("d/current") == b"a\n");
        logger.signal_and_wait(Signal::SIGALRM);
        logger.write(b"b\n");
        wait_until("the archive", || home.archives("d").len() == 1);
        logger.end().check(0, "");
        assert_eq!(home.read("d/group"), home.read("d/pid"));
    });
}

#[test]
fn children_that_a_processor_leaves_hold_up_nothing() {
    let home = Home::new();
    let mut logger = home.spawn(&["!sleep 1000 & echo $! >pids; cat", "./d"]);
    logger.write(b"a\n");
    wait_until("the line", || home.read("d/current") == b"a\n");
    logger.signal_and_wait(Signal::SIGALRM);
    logger.write(b"b\n");
    wait_until("the archive", || home.archives("d").len() == 1);
    logger.write(b"c\n");
    logger.end().check(0, "");
    let child = pids(&home)[0];
    assert!(!is_gone(child), "it is nobody's business");
    kill(child, Signal::SIGKILL).expect("it runs");
    assert_eq!(home.contents("d"), b"a\nb\nc\n");
}
