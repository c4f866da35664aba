//! A service and its logger under a real `svscan`, while the logger is sent whatever `svc` sends.

use crate::peers::peer;
use crate::support::{Home, is_original, numbers, program, wait_until};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Lines that the service writes.
const LINES: u64 = 100_000;

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }
}

/// A scan directory with one service and its logger, under `svscan`.
struct Scan {
    home: Home,
    svscan: Child,
}

impl Scan {
    fn start(service: &str, script: &str) -> Option<Scan> {
        let svscan = peer("svscan")?;
        peer("svc")?;
        let home = Home::new();
        fs::create_dir_all(home.path("scan/service/log")).expect("a service directory");
        // The service waits for its end when it has written all, so that it is not started again.
        let run = format!("#!/bin/sh\n{service}\nexec sleep 1000\n");
        home.write("scan/service/run", run, 0o755);
        let log_run = format!("#!/bin/sh\nexec {} {script}\n", program().display());
        home.write("scan/service/log/run", log_run, 0o755);
        let stderr = fs::File::create(home.path("stderr")).expect("a file");
        let svscan = Command::new(svscan)
            .arg(home.path("scan"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .expect("svscan");
        Some(Scan { home, svscan })
    }

    fn svc(&self, options: &str, service: &str) -> bool {
        let svc = Command::new("svc").arg(options).arg(self.home.path(service)).status();
        svc.expect("svc").success()
    }

    /// Waits until no file is about to end, or being finished under two names.
    fn wait_until_at_rest(&self) {
        let size = || self.home.read("scan/service/log/main/current").len();
        let previous = self.home.path("scan/service/log/main/previous");
        wait_until("the files to be finished", || size() < 2096 && !previous.exists());
    }

    /// All lines, oldest first, and each piece of one that a kill has cut as a line of its own.
    fn lines(&self) -> Vec<String> {
        let main = Path::new("scan/service/log/main");
        let mut names = self.home.archives("scan/service/log/main");
        names.push("current".to_owned());
        let texts = names.iter().map(|name| String::from_utf8(self.home.read(main.join(name))));
        let lines = texts
            .flat_map(|text| text.expect("numbers").lines().map(str::to_owned).collect::<Vec<_>>());
        lines.collect()
    }

    /// Waits for so many bytes of lines, or for the last.
    fn wait_for_more(&self, len: usize) {
        let grown = self.home.contents("scan/service/log/main").len() + len;
        wait_until("more lines", || {
            self.has_last_line() || self.home.contents("scan/service/log/main").len() > grown
        });
    }

    fn has_last_line(&self) -> bool {
        let contents = self.home.contents("scan/service/log/main");
        let last = contents.strip_suffix(b">\n").or(contents.strip_suffix(b"\n"));
        last.is_some_and(|last| last.ends_with(LINES.to_string().as_bytes()))
    }
}

impl Drop for Scan {
    fn drop(&mut self) {
        let _ = self.svscan.kill();
        let _ = self.svscan.wait();
        // The service first, so that its logger meets the end of its input.
        for service in ["scan/service", "scan/service/log"] {
            if self.home.path(service).join("supervise/control").exists() {
                self.svc("-dkx", service);
                wait_until("supervise to end", || !is_supervised(&self.home.path(service)));
            }
        }
    }
}

fn is_supervised(service: &Path) -> bool {
    Command::new("svok").arg(service).status().is_ok_and(|status| status.success())
}

/// Writes the lines in bursts, so that signals find the logger in every state.
const SERVICE: &str = "i=1
while [ $i -le 100000 ]; do
  echo $i
  i=$((i+1))
  [ $((i % 2000)) = 0 ] && sleep 0.05
done";

#[test]
fn signals_of_svc_lose_double_and_reorder_nothing() {
    let Some(scan) = Scan::start(SERVICE, "s4096 n10000 ./main") else { return };
    wait_until("the first lines", || scan.home.path("scan/service/log/main/current").exists());
    // HUP kills 0.76, with what it has read.
    let signals = ["-t", "-a", "-a", "-h"];
    let kinds = if is_original() { 3 } else { 4 };
    let mut dice = Dice(0x5eed);
    let mut sent = 0;
    while !scan.has_last_line() {
        scan.svc(signals[dice.roll(kinds)], "scan/service/log");
        sent += 1;
        scan.wait_for_more(dice.roll(60_000));
    }
    assert!(sent > 5, "{sent} signals");
    scan.wait_until_at_rest();
    assert!(scan.home.contents("scan/service/log/main") == numbers(1, LINES));
}

#[test]
fn kill_loses_at_most_the_block_in_memory_and_leaves_a_trace() {
    // A block ends within a line where the logger is slower than the service: what was read of the line
    // is lost, and the next logger begins with the rest. So it can be told which lines are whole.
    let service = SERVICE.replace("echo $i", "echo \"<$i>\"");
    let Some(scan) = Scan::start(&service, "s4096 n10000 ./main") else { return };
    wait_until("the first lines", || scan.home.path("scan/service/log/main/current").exists());
    let mut dice = Dice(0xdead);
    let mut killed = 0;
    while !scan.has_last_line() {
        scan.svc("-k", "scan/service/log");
        killed += 1;
        scan.wait_for_more(dice.roll(150_000));
    }
    scan.wait_until_at_rest();
    let lines = scan.lines();
    let number = |line: &String| -> Option<u64> {
        line.strip_prefix('<')?.strip_suffix('>').map(|number| number.parse().expect("a number"))
    };
    let whole: Vec<u64> = lines.iter().filter_map(number).collect();
    assert!(whole.is_sorted_by(|a, b| a < b), "in order, none twice");
    let cut = lines.len() - whole.len();
    assert!(cut <= 2 * killed, "{cut} pieces of lines after {killed} kills");
    let gaps = whole.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
    assert!(gaps <= killed, "{gaps} gaps after {killed} kills");
    let torn = scan.home.archives("scan/service/log/main");
    assert!(torn.iter().any(|name| name.ends_with(".u")), "{killed} kills leave a trace");
}

#[test]
fn kill_of_a_logger_that_waits_loses_only_the_part_of_a_line() {
    let service = "echo one; echo two; printf part; while ! test -e ../../go; do sleep 0.01; done
echo ial; echo three";
    let Some(scan) = Scan::start(service, "./main") else { return };
    let main = "scan/service/log/main";
    wait_until("the lines", || scan.home.contents(main) == b"one\ntwo\n");
    let before = fs::metadata(scan.home.path(main).join("current")).expect("current");
    scan.svc("-k", "scan/service/log");
    wait_until("the next logger", || scan.home.archives(main).len() == 1);
    assert_eq!(before.permissions().mode() & 0o777, 0o644);
    scan.home.write("go", b"", 0o644);
    wait_until("the last line", || scan.home.contents(main).ends_with(b"three\n"));
    let contents = scan.home.contents(main);
    assert!(contents == b"one\ntwo\nial\nthree\n" || contents == b"one\ntwo\npartial\nthree\n");
    assert!(scan.home.archives(main)[0].ends_with(".u"));
}
