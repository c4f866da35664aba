//! Lines, stamps, selection, alerts and status files (behaviour 3 to 7).

use crate::peers::peer;
use crate::support::{Ended, Home, differs, numbers, program, unstamped, wait_until};
use nix::sys::signal::Signal;
use std::process::{Command, Stdio};

/// Runs a script that ends in `./d` and compares what is in it.
#[track_caller]
fn check(script: &[&str], input: &[u8], expected: &[u8]) {
    let home = Home::new();
    let ended = home.run(&[script, &["./d"]].concat(), input);
    assert_eq!(ended.status.code(), Some(0));
    let found = unstamped(&home.contents("d"));
    assert!(
        found == expected,
        "{script:?}: {} instead of {}",
        found.escape_ascii(),
        expected.escape_ascii()
    );
}

#[test]
fn lines_are_bytes() {
    check(&[], b"a\n\0\xff\n\n", b"a\n\0\xff\n\n");
    check(&["t"], b"a\n\0\xff\n\n", b"a\n\0\xff\n\n");
    check(&[], b"", b"");
}

#[test]
fn a_partial_last_line_gets_its_newline() {
    check(&[], b"a\nb", b"a\nb\n");
    check(&["t"], b"a\nb", b"a\nb\n");
    check(&["-b"], b"a\nb", b"a\n");
    let long = vec![b'x'; 150_000];
    check(&["s400000"], &long, &[&long[..], b"\n"].concat());
    check(&["t", "s400000"], &long, &[&long[..], b"\n"].concat());
}

#[test]
fn a_pattern_sees_1000_bytes_of_a_line() {
    let line = [&b"a".repeat(1500)[..], b"\n"].concat();
    let pattern = format!("-{}", "a".repeat(1000));
    check(&[&pattern], &line, b"");
    check(&[&pattern], &line[1..], b"");
    check(&[&format!("{pattern}a")], &line, &line);
    check(&[&format!("-{}", "a".repeat(999))], &line, &line);
}

#[test]
fn a_stamp_is_part_of_what_a_pattern_sees() {
    let line = [&b"a".repeat(1500)[..], b"\n"].concat();
    let pattern = format!("-@* {}", "a".repeat(974));
    check(&["t", &pattern], &line, b"");
    check(&["t", &pattern[..pattern.len() - 1]], &line, &line);
    check(&["t", "-a*"], b"a\n", b"a\n");
    check(&["t", "-@* a"], b"a\nb\n", b"b\n");
}

#[test]
fn the_last_pattern_that_matches_counts() {
    check(&["-*", "+b*", "-bb"], b"a\nb\nbb\nbbb\n", b"b\nbbb\n");
    check(&["-"], b"a\n\nb\n", b"a\nb\n");
    check(&["-*", "+"], b"a\n\nb\n", b"\n");
}

#[test]
fn stars_skip_to_the_first_byte_behind_them() {
    check(&["-*ab"], b"ab\naab\n", b"aab\n");
    check(&["-**"], b"abc\n\na*b\n*\n", b"abc\n\n");
    check(&["-?[a]\\"], b"xa\n?[a]\\\n", b"xa\n");
}

#[test]
fn each_directory_takes_what_was_selected_before_it() {
    let home = Home::new();
    home.run(&["./all", "-a", "./some", "-*", "+a", "./a"], b"a\nb\n").check(0, "");
    assert_eq!(home.read("all/current"), b"a\nb\n");
    assert_eq!(home.read("some/current"), b"b\n");
    assert_eq!(home.read("a/current"), b"a\n");
}

#[test]
fn stamps_are_labels_of_now() {
    let home = Home::new();
    home.run(&["t", "./d"], b"\na\n").check(0, "");
    let stamped = home.read("d/current");
    let now = std::time::UNIX_EPOCH.elapsed().expect("a time after 1970").as_secs();
    for (line, text) in stamped.split_inclusive(|&byte| byte == b'\n').zip([&b"\n"[..], b"a\n"]) {
        assert_eq!((line[0], line[25], &line[26..]), (b'@', b' ', text));
        let digits = std::str::from_utf8(&line[1..17]).expect("digits");
        let seconds = u64::from_str_radix(digits, 16).expect("hexadecimal") - (1 << 62) - 10;
        assert!(now - seconds <= 40, "{seconds} is close to {now}");
        assert_eq!(line[1..25].to_ascii_lowercase(), line[1..25]);
    }
}

#[test]
fn stamps_of_a_stream_are_unique_and_rise() {
    differs("stamps_of_a_stream_are_unique_and_rise", || {
        let home = Home::new();
        home.run(&["t", "s9000000", "./d"], &b"\n".repeat(100_000)).check(0, "");
        let stamped = home.read("d/current");
        let stamps: Vec<&[u8]> = stamped.chunks(27).collect();
        assert_eq!(stamps.len(), 100_000);
        assert!(stamps.windows(2).all(|pair| pair[0] < pair[1]));
    });
}

#[test]
fn a_line_keeps_the_stamp_of_its_first_byte() {
    let home = Home::new();
    let mut logger = home.spawn(&["t", "=s", "./d"]);
    logger.write(b"a");
    let before = std::time::UNIX_EPOCH.elapsed().expect("a time");
    // The second line is there when the first part of the third was taken up with it.
    logger.write(b"a\nb\nc");
    wait_until("two lines", || home.read("d/current").split(|&byte| byte == b'\n').count() == 3);
    wait_until("a second", || {
        std::time::UNIX_EPOCH.elapsed().expect("a time").as_secs() > before.as_secs() + 1
    });
    logger.write(b"c\n");
    logger.end().check(0, "");
    let stamped = home.read("d/current");
    let seconds: Vec<u64> = stamped
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| u64::from_str_radix(std::str::from_utf8(&line[1..17]).expect("hex"), 16))
        .map(|digits| digits.expect("hex"))
        .collect();
    assert_eq!(seconds.len(), 3);
    assert!(seconds[2] - seconds[1] <= 1, "{seconds:?}");
}

#[test]
fn a_line_is_written_as_soon_as_it_is_whole() {
    for script in [&["./d"][..], &["t", "./d"], &["-x", "./d"], &["t", "-x", "=s", "./d"]] {
        let home = Home::new();
        let mut logger = home.spawn(script);
        for number in 1..20 {
            logger.write(format!("{number}\npart"));
            wait_until("the line", || {
                unstamped(&home.read("d/current")).ends_with(format!("{number}\n").as_bytes())
            });
            logger.write(b"\n");
        }
        logger.end().check(0, "");
    }
}

#[test]
fn a_long_line_is_written_before_it_ends() {
    let home = Home::new();
    let mut logger = home.spawn(&["e", "./d", "=s"]);
    logger.write(vec![b'x'; 3000]);
    wait_until("the part", || home.read("d/current").len() == 3000);
    wait_until("one alert, at once", || logger.stderr().len() == 204);
    wait_until("the status", || home.read("s").len() == 1001);
    logger.write(b"\n");
    let ended = logger.end();
    assert_eq!(ended.stderr.len(), 204);
    assert_eq!(home.read("d/current").len(), 3001);
}

#[test]
fn alerts_show_200_bytes() {
    let home = Home::new();
    for (len, shown) in [(0, 1), (199, 200), (200, 201), (201, 204), (1001, 204), (5000, 204)] {
        let ended = home.run(&["e"], &[vec![b'x'; len], vec![b'\n']].concat());
        assert_eq!(ended.stderr.len(), shown, "{len}");
        assert_eq!(ended.stderr.ends_with(b"...\n"), len > 200, "{len}");
        assert_eq!(ended.status.code(), Some(0));
    }
    home.run(&["e", "e"], b"a\nb\n").check(0, "a\na\nb\nb\n");
    let ended = home.run(&["t", "e"], b"a\n");
    assert_eq!(unstamped(&ended.stderr), b"a\n");
}

#[test]
fn each_alert_is_one_write() {
    let Some(strace) = peer("strace") else { return };
    let home = Home::new();
    let program = program();
    let script = [program.as_os_str(), "e".as_ref()];
    let arguments = [&["-o", "trace", "-e", "write"].map(AsRef::as_ref)[..], &script].concat();
    home.run_of(&strace, &arguments, b"a\nbb\n").check(0, "a\nbb\n");
    let trace = String::from_utf8(home.read("trace")).expect("text");
    assert_eq!(trace.matches("write(2, ").count(), 2, "{trace}");
}

#[test]
fn a_closed_stderr_is_ignored() {
    let home = Home::new();
    let script = format!("exec {} e ./d 2>&-", program().display());
    home.run_of("/bin/sh".as_ref(), &["-c", &script], b"a\nb\n").check(0, "");
    assert_eq!(home.read("d/current"), b"a\nb\n");
}

#[test]
fn a_full_stderr_is_ignored() {
    let home = Home::new();
    let script = format!("exec {} e ./d 2>/dev/full", program().display());
    home.run_of("/bin/sh".as_ref(), &["-c", &script], b"a\nb\n").check(0, "");
    assert_eq!(home.read("d/current"), b"a\nb\n");
}

/// Runs the script with a stderr that nobody reads.
fn run_with_broken_stderr(home: &Home, script: &[&str], input: &[u8]) -> Ended {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = home.command(script);
    command.stderr(writer);
    home.start(command).feed_and_end(input)
}

#[test]
fn a_broken_stderr_kills_as_the_original() {
    let home = Home::new();
    let ended = run_with_broken_stderr(&home, &["./d", "e"], b"a\n");
    assert_eq!(ended.signal(), Some(Signal::SIGPIPE as i32));
}

#[test]
fn a_broken_stderr_loses_no_line() {
    differs("a_broken_stderr_loses_no_line", || {
        let home = Home::new();
        let ended = run_with_broken_stderr(&home, &["./d", "e"], b"a\nb\n");
        assert_eq!(ended.signal(), Some(Signal::SIGPIPE as i32));
        assert_eq!(home.read("d/current"), b"a\nb\n");
        assert_eq!(home.mode("d/current"), 0o744);
    });
}

#[test]
fn a_stderr_that_nobody_empties_does_not_stop_the_signals() {
    differs("a_stderr_that_nobody_empties_does_not_stop_the_signals", || {
        let home = Home::new();
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let mut command = home.command(&["./d", "e"]);
        command.stderr(writer);
        let mut logger = home.start(command);
        // More than a pipe holds; it is taken in and logged all the same.
        logger.write(numbers(1, 20_000));
        wait_until("the lines", || home.contents("d").ends_with(b"\n20000\n"));
        logger.signal(Signal::SIGALRM);
        wait_until("the rotation", || home.read("d/current").is_empty());
        assert!(logger.is_running());
        drop(reader);
    });
}

#[test]
fn a_status_file_shows_the_last_selected_line() {
    let home = Home::new();
    home.run(&["-b", "=s"], b"a1\na2\nb\n").check(0, "");
    assert_eq!(home.read("s"), [&b"a2"[..], &[b'\n'; 999]].concat());
    assert_eq!(home.mode("s"), 0o600);
    home.run(&["-*", "=s", "=t"], b"a\n").check(0, "");
    assert_eq!(home.read("s").len(), 1001, "not truncated");
    assert_eq!(home.read("t"), b"", "nothing selected yet");
    let line = [vec![b'x'; 1500], vec![b'\n']].concat();
    home.run(&["=s", "=s"], &line).check(0, "");
    assert_eq!(home.read("s"), [&[b'x'; 1000][..], b"\n"].concat());
    home.run(&["=s"], b"last").check(0, "");
    assert_eq!(home.read("s"), [&b"last"[..], &[b'\n'; 997]].concat());
}

#[test]
fn a_status_file_keeps_its_mode_and_what_lies_behind_1001_bytes() {
    let home = Home::new();
    home.write("s", [b'o'; 1010], 0o640);
    home.run(&["=s"], b"a\n").check(0, "");
    assert_eq!(home.read("s"), [&b"a"[..], &[b'\n'; 1000], &[b'o'; 9]].concat());
    assert_eq!(home.mode("s"), 0o640);
}

/// Runs a script under sh with stdin as the redirection says.
fn run_with_stdin(home: &Home, redirection: &str) -> (Option<i32>, String) {
    let script = format!("exec {} ./d {redirection}", program().display());
    let output = Command::new("/bin/sh")
        .args(["-c", &script])
        .current_dir(home.path(""))
        .stdin(Stdio::null())
        .output();
    let output = output.expect("sh");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn input_that_cannot_be_read_has_ended() {
    for redirection in ["<&-", "<.", "0>f", "0>&1 | cat"] {
        let home = Home::new();
        let (code, _) = run_with_stdin(&home, redirection);
        assert_eq!(code, Some(0), "{redirection}");
        assert_eq!(home.mode("d/current"), 0o744, "{redirection}");
    }
}

#[test]
fn input_that_cannot_be_read_is_named() {
    differs("input_that_cannot_be_read_is_named", || {
        let home = Home::new();
        let warning = "multilog: warning: unable to read standard input: ";
        let closed = (Some(0), format!("{warning}file descriptor not open\n"));
        assert_eq!(run_with_stdin(&home, "<&-"), closed);
        assert_eq!(run_with_stdin(&home, "0>f"), closed);
        let directory = (Some(0), format!("{warning}is a directory\n"));
        assert_eq!(run_with_stdin(&home, "<."), directory);
    });
}

#[test]
fn a_non_blocking_input_is_waited_for() {
    differs("a_non_blocking_input_is_waited_for", || {
        // No disk that either could wait for: both wait for input alone, or have ended.
        let home = Home::in_memory();
        let (reader, mut writer) = std::os::unix::net::UnixStream::pair().expect("sockets");
        reader.set_nonblocking(true).expect("non-blocking");
        let mut command = home.command(&["./d"]);
        command.stdin(std::os::fd::OwnedFd::from(reader));
        let mut logger = home.start(command);
        wait_until("the directory", || home.path("d/current").exists());
        logger.wait_until_asleep();
        assert!(logger.is_running(), "it has found nothing to read, and ended");
        std::io::Write::write_all(&mut writer, b"a\n").expect("multilog reads");
        wait_until("the line", || home.read("d/current") == b"a\n");
        drop(writer);
        logger.wait().check(0, "");
    });
}
