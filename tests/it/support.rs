//! A fresh directory, a multilog running in it, and what a user can see of both.
//!
//! The multilog under test is ours, or whichever `MULTILOG_UNDER_TEST` names.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::cell::Cell;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything may take before a test gives up on it. Far more than it ever takes.
pub const DEADLINE: Duration = Duration::from_secs(40);

/// How long rests between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(2);

/// So many looks, 12 seconds of them at least, are enough where the original is expected to fail. The
/// most it ever waits of itself in a test of this suite is one pause of 5 seconds, and the rest is done
/// in milliseconds. It is looks that are counted, since a machine that is too busy for the original is
/// too busy for the looks as well: a slow pass of the original gets its time, up to `DEADLINE`. Were one
/// taken for a failure all the same, an entry of the list that is no difference any more would stay for
/// that run only: every run tries all of them again.
const LOOKS_IN_VAIN: u32 = 6000;

thread_local! {
    /// Whether this thread is in a test that the original is expected to fail.
    static IS_FAILURE_EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// The multilog under test.
pub fn program() -> PathBuf {
    std::env::var_os("MULTILOG_UNDER_TEST")
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_multilog")), PathBuf::from)
}

/// Whether the multilog under test is the original and not ours.
pub fn is_original() -> bool {
    static ORIGINAL: OnceLock<bool> = OnceLock::new();
    *ORIGINAL.get_or_init(|| {
        let version = Command::new(program()).arg("--version").stdin(Stdio::null()).output();
        !version.expect("the program under test").stdout.starts_with(b"multilog ")
    })
}

/// A test of a difference on purpose: ours passes it, and the original must still fail it, or it is
/// no difference any more. `name` stands in docs/compat.md.
#[track_caller]
pub fn differs(name: &str, test: impl FnOnce()) {
    let compat = include_str!("../../docs/compat.md");
    assert!(compat.contains(&format!("`{name}`")), "docs/compat.md does not name {name}");
    if is_original() {
        IS_FAILURE_EXPECTED.set(true);
        let passed = catch_unwind(AssertUnwindSafe(test)).is_ok();
        IS_FAILURE_EXPECTED.set(false);
        assert!(!passed, "the original passes {name} too");
    } else {
        test();
    }
}

/// A processor that waits for a file `go` in the log directory, and ends when that is gone with its
/// test.
pub const UNTIL_GO: &str = "!while test -e processed && ! test -e go; do sleep 0.01; done; cat";

/// Waits until `condition` holds.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let looks_max = if IS_FAILURE_EXPECTED.get() { LOOKS_IN_VAIN } else { u32::MAX };
    let (start, mut looks) = (Instant::now(), 0);
    while !condition() {
        looks += 1;
        let is_time_left = start.elapsed() < DEADLINE && looks < looks_max;
        assert!(is_time_left, "waited in vain for {what}");
        thread::sleep(LOOK);
    }
}

/// How a multilog ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stderr: Vec<u8>,
}

impl Ended {
    #[track_caller]
    pub fn check(&self, code: i32, stderr: &str) {
        assert_eq!(String::from_utf8_lossy(&self.stderr), stderr);
        assert_eq!(self.status.code(), Some(code), "{:?}", self.status);
    }

    /// The same where nothing but warnings counts: ours also tells when trouble is over.
    #[track_caller]
    pub fn check_warnings(&self, code: i32, warnings: &str) {
        assert_eq!(self.warnings(), warnings);
        assert_eq!(self.status.code(), Some(code), "{:?}", self.status);
    }

    /// The messages but those that tell that trouble is over.
    pub fn warnings(&self) -> String {
        let stderr = String::from_utf8_lossy(&self.stderr);
        stderr.split_inclusive('\n').filter(|line| !line.starts_with("multilog: info: ")).collect()
    }

    /// The message without the reason, for what both explain in their own words.
    #[track_caller]
    pub fn check_fatal(&self, start: &str) {
        let stderr = String::from_utf8_lossy(&self.stderr);
        assert!(stderr.starts_with(start), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert_eq!(self.status.code(), Some(111), "{:?}", self.status);
    }

    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }
}

/// A fresh directory.
pub struct Home(TempDir);

/// A name in a log directory: archives as `@s` and `@u`, the others as they are, and the mode.
pub type Entry = (String, u32);

impl Home {
    pub fn new() -> Home {
        Home(tempfile::tempdir().expect("a fresh directory"))
    }

    /// A fresh directory with no disk behind it, where there is such a place: for tests that make
    /// many files, each of which is synced.
    pub fn in_memory() -> Home {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        Home(tempfile::tempdir_in(place).expect("a fresh directory"))
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn command(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        self.command_of(&program(), arguments)
    }

    pub fn command_of(&self, program: &Path, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.0.path());
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        command.stderr(fs::File::create(self.path("stderr")).expect("a file for stderr"));
        command
    }

    /// Runs multilog on `input` to its end.
    pub fn run(&self, arguments: &[impl AsRef<OsStr>], input: &[u8]) -> Ended {
        self.start(self.command(arguments)).feed_and_end(input)
    }

    /// Runs another program of the same kind.
    pub fn run_of(&self, program: &Path, arguments: &[impl AsRef<OsStr>], input: &[u8]) -> Ended {
        self.start(self.command_of(program, arguments)).feed_and_end(input)
    }

    /// Starts multilog and keeps its stdin open.
    pub fn spawn(&self, arguments: &[impl AsRef<OsStr>]) -> Logger {
        self.start(self.command(arguments))
    }

    pub fn start(&self, mut command: Command) -> Logger {
        let mut child = command.spawn().expect("multilog starts");
        Logger { stdin: child.stdin.take(), child, stderr: self.path("stderr") }
    }

    pub fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_default()
    }

    pub fn write(&self, name: impl AsRef<Path>, contents: impl AsRef<[u8]>, mode: u32) {
        let path = self.path(name);
        fs::write(&path, contents).expect("a prepared file");
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its mode");
    }

    pub fn make_dir(&self, name: &str) {
        fs::create_dir(self.path(name)).expect("a prepared directory");
    }

    pub fn mode(&self, name: impl AsRef<Path>) -> u32 {
        let metadata = fs::symlink_metadata(self.path(name)).expect("a file");
        metadata.permissions().mode() & 0o7777
    }

    /// Names in a log directory, in order, archives without their labels.
    pub fn entries(&self, dir: &str) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self
            .names(dir)
            .into_iter()
            .map(|name| {
                let mode = self.mode(Path::new(dir).join(&name));
                (if name.starts_with('@') { format!("@{}", &name[25..]) } else { name }, mode)
            })
            .collect();
        entries.sort();
        entries
    }

    /// Names in a log directory, in order.
    pub fn names(&self, dir: &str) -> Vec<String> {
        let listing = fs::read_dir(self.path(dir)).expect("a log directory");
        let mut names: Vec<String> = listing
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
            // What our writer reports to readers, which 0.76 does not have.
            .filter(|name| name != ".writer")
            .collect();
        names.sort();
        names
    }

    /// The archives of a log directory, oldest first.
    pub fn archives(&self, dir: &str) -> Vec<String> {
        let pattern = format!("{}/{dir}/@*", self.0.path().display());
        let found = glob::glob(&pattern).expect("a good pattern");
        let name = |path: PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
        found.filter_map(|path| name(path.expect("a readable directory"))).collect()
    }

    /// All that is in a log directory, oldest first.
    pub fn contents(&self, dir: &str) -> Vec<u8> {
        let mut names = self.archives(dir);
        names.extend(["previous".to_owned(), "current".to_owned()]);
        names.iter().flat_map(|name| self.read(Path::new(dir).join(name))).collect()
    }
}

/// A multilog that runs. Killed when dropped.
pub struct Logger {
    child: Child,
    stdin: Option<ChildStdin>,
    stderr: PathBuf,
}

impl Logger {
    #[track_caller]
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stdin.as_mut().expect("stdin").write_all(bytes.as_ref()).expect("multilog reads");
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a process number"))
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("multilog runs");
    }

    /// Sends a signal and waits until it has been taken, so that nothing that comes later is seen
    /// first.
    pub fn signal_and_wait(&self, signal: Signal) {
        self.wait_until_asleep();
        self.signal(signal);
        wait_until("the signal to be taken", || {
            let status =
                fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
            let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:"));
            pending.is_none_or(|mask| mask.trim().bytes().all(|digit| digit == b'0'))
        });
    }

    /// Waits until it waits itself. 0.76 answers a signal at once only then.
    pub fn wait_until_asleep(&self) {
        wait_until("it to sleep", || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
            let fields = stat.rsplit(") ").next().unwrap_or_default();
            fields.starts_with(['S', 'Z']) || stat.is_empty()
        });
    }

    /// Its stdin, to see what becomes of it.
    pub fn take_stdin(&mut self) -> ChildStdin {
        self.stdin.take().expect("stdin")
    }

    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.stderr).unwrap_or_default()).into_owned()
    }

    #[track_caller]
    pub fn wait_for_stderr(&self, text: &str) {
        wait_until(text, || self.stderr().contains(text));
    }

    /// Feeds the input from a thread, so that a logger which stops reading cannot stop the test.
    #[track_caller]
    pub fn feed_and_end(mut self, input: &[u8]) -> Ended {
        let feeder = self.feed(input);
        let ended = self.end();
        feeder.join().expect("the feeder ends");
        ended
    }

    /// Feeds the input from a thread, which then closes stdin.
    pub fn feed(&mut self, input: &[u8]) -> JoinHandle<()> {
        let mut stdin = self.stdin.take().expect("stdin");
        let input = input.to_vec();
        // It may end before it has read everything, on purpose.
        thread::spawn(move || drop(stdin.write_all(&input)))
    }

    /// Closes stdin and waits for the end.
    #[track_caller]
    pub fn end(mut self) -> Ended {
        self.close_stdin();
        self.wait()
    }

    /// Waits for the end, with stdin open.
    #[track_caller]
    pub fn wait(mut self) -> Ended {
        let mut status = None;
        wait_until("the end", || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        });
        let status = status.expect("it has ended");
        Ended { status, stderr: fs::read(&self.stderr).unwrap_or_default() }
    }
}

impl Drop for Logger {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines without their stamps, where they have one.
pub fn unstamped(lines: &[u8]) -> Vec<u8> {
    let strip = |line: &[u8]| {
        let stamped = line.len() >= 26 && line[0] == b'@' && line[25] == b' ';
        line[if stamped { 26 } else { 0 }..].to_vec()
    };
    lines.split_inclusive(|&byte| byte == b'\n').flat_map(strip).collect()
}

/// `first` to `last`, a line each.
pub fn numbers(first: u64, last: u64) -> Vec<u8> {
    (first..=last).flat_map(|number| format!("{number}\n").into_bytes()).collect()
}
