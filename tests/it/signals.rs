//! Signals (behaviour 11).

use crate::support::{Home, Logger, UNTIL_GO, differs, numbers, program, unstamped, wait_until};
use nix::sys::signal::Signal;
use std::io::{PipeReader, PipeWriter, Read, Write};

/// A logger on a pipe whose both ends the test keeps, as `svscan` does.
struct Piped {
    logger: Logger,
    writer: PipeWriter,
    reader: PipeReader,
}

fn piped(home: &Home, script: &[&str]) -> Piped {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut command = home.command(script);
    command.stdin(reader.try_clone().expect("a copy"));
    Piped { logger: home.start(command), writer, reader }
}

impl Piped {
    fn write(&mut self, bytes: &[u8]) {
        self.writer.write_all(bytes).expect("the test keeps the reading end");
    }

    /// What the logger left in the pipe.
    fn left(mut self) -> Vec<u8> {
        drop(self.writer);
        let mut left = Vec::new();
        self.reader.read_to_end(&mut left).expect("a pipe");
        left
    }
}

#[test]
fn term_between_lines_ends_at_once() {
    let home = Home::new();
    let mut piped = piped(&home, &["./d"]);
    piped.write(b"a\n");
    wait_until("the line", || home.read("d/current") == b"a\n");
    piped.logger.signal_and_wait(Signal::SIGTERM);
    wait_until("the end", || !piped.logger.is_running());
    assert_eq!(home.mode("d/current"), 0o744);
    piped.write(b"b\n");
    assert_eq!(piped.left(), b"b\n");
}

#[test]
fn term_finishes_the_partial_line_and_leaves_the_rest() {
    for script in [&["./d"][..], &["-x", "./d"]] {
        let home = Home::new();
        let mut piped = piped(&home, script);
        piped.write(b"a\npart");
        wait_until("the line", || home.read("d/current") == b"a\n");
        piped.logger.signal_and_wait(Signal::SIGTERM);
        piped.write(b" of a line\nleft\nalone");
        wait_until("the end", || !piped.logger.is_running());
        assert_eq!(home.read("d/current"), b"a\npart of a line\n");
        assert_eq!(home.mode("d/current"), 0o744);
        assert_eq!(piped.left(), b"left\nalone");
    }
}

/// Input whose last line never ends: a prompt, and a progress bar that goes on.
fn check_endless(part: &[u8], end: impl FnOnce(&mut Piped)) {
    let home = Home::new();
    let mut piped = piped(&home, &["t", "./d"]);
    piped.write(b"a\n");
    wait_until("the line", || home.read("d/current").ends_with(b" a\n"));
    piped.write(part);
    piped.logger.wait_until_asleep();
    end(&mut piped);
    wait_until("the end", || !piped.logger.is_running());
    let expected = [b"a\n", part, b"\n"].concat();
    assert_eq!(
        unstamped(&home.read("d/current")).escape_ascii().to_string(),
        expected.escape_ascii().to_string()
    );
    assert_eq!(home.mode("d/current"), 0o744);
    assert_eq!(piped.left(), b"");
}

#[test]
fn term_waits_a_bounded_time_for_the_end_of_a_line() {
    differs("term_waits_a_bounded_time_for_the_end_of_a_line", || {
        for part in [&b"Password: "[..], b"  3%\r  4%\r", &[b'x'; 5000]] {
            check_endless(part, |piped| piped.logger.signal(Signal::SIGTERM));
        }
    });
}

#[test]
fn a_second_term_ends_within_a_line_at_once() {
    differs("a_second_term_ends_within_a_line_at_once", || {
        check_endless(b"Password: ", |piped| {
            piped.logger.signal_and_wait(Signal::SIGTERM);
            let begin = std::time::Instant::now();
            piped.logger.signal(Signal::SIGTERM);
            wait_until("the end", || !piped.logger.is_running());
            assert!(begin.elapsed() < std::time::Duration::from_millis(1900), "it did not wait");
        });
    });
}

/// A bar that is drawn for as long as the logger runs.
#[test]
fn term_ends_while_a_progress_bar_goes_on() {
    differs("term_ends_while_a_progress_bar_goes_on", || {
        let home = Home::new();
        let mut piped = piped(&home, &["./d"]);
        piped.write(b"a\n 1%\r");
        wait_until("the line", || home.read("d/current") == b"a\n");
        piped.logger.signal_and_wait(Signal::SIGTERM);
        let mut writer = piped.writer.try_clone().expect("a copy");
        wait_until("the end", || {
            writer.write_all(b" 2%\r").expect("room");
            !piped.logger.is_running()
        });
        let logged = home.read("d/current");
        assert!(logged.starts_with(b"a\n 1%\r 2%\r") && logged.ends_with(b"\n"));
        drop(writer);
        let left = piped.left();
        assert!(left.iter().all(|byte| b" 2%\r".contains(byte)), "no line is lost or doubled");
    });
}

/// The Rust runtime ignores SIGPIPE; a stray one from outside is no reason to stop logging.
#[test]
fn a_sigpipe_from_outside_does_not_kill() {
    differs("a_sigpipe_from_outside_does_not_kill", || {
        let home = Home::new();
        let mut logger = home.spawn(&["./d"]);
        logger.write(b"a\n");
        wait_until("the line", || home.read("d/current") == b"a\n");
        logger.signal_and_wait(Signal::SIGPIPE);
        logger.write(b"b\n");
        logger.end().check(0, "");
        assert_eq!(home.read("d/current"), b"a\nb\n");
    });
}

#[test]
fn term_finishes_a_long_line() {
    let home = Home::new();
    let mut piped = piped(&home, &["./d"]);
    piped.write(&[b'x'; 5000]);
    wait_until("the part", || home.read("d/current").len() == 5000);
    piped.logger.signal_and_wait(Signal::SIGTERM);
    piped.write(b"yy\nleft\n");
    wait_until("the end", || !piped.logger.is_running());
    assert!(home.read("d/current").ends_with(b"xyy\n"));
    assert_eq!(piped.left(), b"left\n");
}

#[test]
fn the_end_of_input_completes_the_line_after_term() {
    let home = Home::new();
    let mut logger = home.spawn(&["./d"]);
    logger.write(b"a\npart");
    wait_until("the line", || home.read("d/current") == b"a\n");
    logger.signal_and_wait(Signal::SIGTERM);
    logger.end().check(0, "");
    assert_eq!(home.read("d/current"), b"a\npart\n");
}

#[test]
fn hup_and_int_end_cleanly() {
    differs("hup_and_int_end_cleanly", || {
        for signal in [Signal::SIGHUP, Signal::SIGINT] {
            let home = Home::new();
            let mut logger = home.spawn(&["./d"]);
            logger.write(b"a\n");
            wait_until("the line", || home.read("d/current") == b"a\n");
            logger.signal(signal);
            logger.wait().check(0, "");
            assert_eq!(home.mode("d/current"), 0o744);
        }
    });
}

#[test]
fn an_ignored_hup_stays_ignored() {
    let home = Home::new();
    let shell = format!("trap '' HUP; exec {} ./d", program().display());
    let mut logger = home.start(home.command_of("/bin/sh".as_ref(), &["-c", &shell]));
    logger.write(b"a\n");
    wait_until("the line", || home.read("d/current") == b"a\n");
    logger.signal_and_wait(Signal::SIGHUP);
    logger.write(b"b\n");
    logger.end().check(0, "");
    assert_eq!(home.read("d/current"), b"a\nb\n");
}

#[test]
fn term_and_alrm_count_even_when_they_were_ignored() {
    let home = Home::new();
    let shell = format!("trap '' TERM ALRM; exec {} ./d", program().display());
    let mut logger = home.start(home.command_of("/bin/sh".as_ref(), &["-c", &shell]));
    logger.write(b"a\n");
    wait_until("the line", || home.read("d/current") == b"a\n");
    logger.signal_and_wait(Signal::SIGALRM);
    wait_until("the rotation", || home.archives("d").len() == 1);
    logger.signal(Signal::SIGTERM);
    logger.wait().check(0, "");
}

#[test]
fn other_signals_kill_and_leave_a_trace() {
    for signal in [Signal::SIGQUIT, Signal::SIGUSR2, Signal::SIGKILL] {
        let home = Home::new();
        let mut logger = home.spawn(&["./d"]);
        logger.write(b"a\n");
        wait_until("the line", || home.read("d/current") == b"a\n");
        logger.signal(signal);
        assert_eq!(logger.wait().signal(), Some(signal as i32));
        assert_eq!(home.mode("d/current"), 0o644);
    }
}

#[test]
fn alrm_finishes_files_that_are_not_empty() {
    let home = Home::new();
    let mut logger = home.spawn(&["-*", "./empty", "+*", "./full"]);
    logger.write(b"a\nb\n");
    wait_until("the lines", || home.read("full/current") == b"a\nb\n");
    logger.signal_and_wait(Signal::SIGALRM);
    wait_until("the rotation", || home.archives("full").len() == 1);
    wait_until("a new file", || home.path("full/current").exists());
    logger.write(b"c\n");
    logger.end().check(0, "");
    assert_eq!(home.read("full/current"), b"c\n");
    assert_eq!(home.archives("empty").len(), 0);
    assert_eq!(home.entries("full").iter().filter(|(name, _)| name == "@.s").count(), 1);
}

#[test]
fn alrm_finishes_an_inherited_current_before_any_input() {
    let home = Home::new();
    home.run(&["./d"], b"a\n").check(0, "");
    let logger = home.spawn(&["./d"]);
    wait_until("the start", || home.mode("d/current") == 0o644);
    // 0.76 may still be before its read, and would answer after the next only.
    wait_until("the rotation", || {
        logger.signal(Signal::SIGALRM);
        home.archives("d").len() == 1
    });
    logger.end().check(0, "");
}

#[test]
fn alrm_leaves_the_part_of_a_line_to_the_next_file() {
    let home = Home::new();
    let mut logger = home.spawn(&["./d"]);
    logger.write(b"a\npart");
    wait_until("the line", || home.read("d/current") == b"a\n");
    logger.signal_and_wait(Signal::SIGALRM);
    wait_until("the rotation", || home.archives("d").len() == 1);
    logger.write(b" of a line\n");
    logger.end().check(0, "");
    assert_eq!(home.read("d/current"), b"part of a line\n");
}

#[test]
fn alrm_cuts_a_long_line() {
    let home = Home::new();
    let mut logger = home.spawn(&["./d"]);
    logger.write(vec![b'x'; 1500]);
    wait_until("the part", || home.read("d/current").len() == 1500);
    logger.signal_and_wait(Signal::SIGALRM);
    wait_until("the rotation", || home.archives("d").len() == 1);
    logger.write(b"y\n");
    logger.end().check(0, "");
    assert_eq!(home.read("d/current"), b"y\n");
    assert_eq!(home.contents("d").len(), 1502);
}

#[test]
fn signals_are_answered_while_a_processor_runs() {
    differs("signals_are_answered_while_a_processor_runs", || {
        let home = Home::new();
        let mut piped = piped(&home, &[UNTIL_GO, "./d"]);
        piped.write(b"a\n");
        wait_until("the line", || home.read("d/current") == b"a\n");
        piped.logger.signal(Signal::SIGALRM);
        piped.write(b"b\npart");
        wait_until("the line", || home.read("d/current") == b"b\n");
        piped.logger.signal(Signal::SIGTERM);
        piped.write(b"ial\nleft\n");
        wait_until("the line", || home.read("d/current") == b"b\npartial\n");
        home.write("d/go", b"", 0o644);
        wait_until("the end", || !piped.logger.is_running());
        assert_eq!(home.contents("d"), b"a\nb\npartial\n");
        assert_eq!(piped.left(), b"left\n");
    });
}

#[test]
fn term_during_heavy_input_leaves_whole_lines() {
    let home = Home::new();
    let mut input = numbers(1, 300_000);
    let total = input.len();
    let mut piped = piped(&home, &["s1000000", "n100", "./d"]);
    let mut writer = piped.writer.try_clone().expect("a copy");
    let feeder = std::thread::spawn(move || {
        let result = writer.write_all(&input);
        input.clear();
        result
    });
    wait_until("some lines", || home.contents("d").len() > 300_000);
    piped.logger.signal(Signal::SIGTERM);
    // Drains the pipe for the feeder, as the next logger would.
    wait_until("the end", || !piped.logger.is_running());
    let logged = home.contents("d");
    assert!(logged.ends_with(b"\n"));
    let mut left = Vec::new();
    let mut reader = piped.reader;
    drop(piped.writer);
    reader.read_to_end(&mut left).expect("a pipe");
    feeder.join().expect("the feeder").expect("all is read");
    assert_eq!(logged.len() + left.len(), total);
    assert_eq!([logged, left].concat(), numbers(1, 300_000));
}
