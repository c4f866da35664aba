//! The service directories of `run-scripts/` under the real svscan, runsv and s6-svscan, and the
//! init of `docs/containers.md`; stubs stand in for the services and for accounts that do not exist
//! here. The scripts run as they are. What multilog does to a log is tested elsewhere.

use crate::filters;
use crate::finding;
use crate::peers::peer;
use crate::show::LOGDIR;
use crate::support::{DEADLINE, program, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How often a log is read again.
const POLL: Duration = Duration::from_millis(10);
/// `@`, 24 digits, a space.
const STAMP_LEN: usize = 26;
/// The account every account of the scripts is turned into.
const ACCOUNT: &str = "nobody";

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn is_root() -> bool {
    fs::metadata("/proc/self").expect("/proc/self").uid() == 0
}

/// User and group number of the account the stubs switch to.
fn account_ids() -> (u32, u32) {
    let passwd = fs::read_to_string("/etc/passwd").expect("/etc/passwd");
    let line = passwd.lines().find(|line| line.split(':').next() == Some(ACCOUNT));
    let fields: Vec<&str> = line.expect("an account for the tests").split(':').collect();
    (fields[2].parse().expect("a user number"), fields[3].parse().expect("a group number"))
}

#[track_caller]
fn wait_for_exit(child: &mut Child) -> ExitStatus {
    let mut status = None;
    wait_until("the process ends", || {
        status = child.try_wait().expect("wait");
        status.is_some()
    });
    status.expect("a status")
}

#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("start a command");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{text}{errors}", output.status);
    text
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).map_or(0, |metadata| metadata.mode() & 0o777)
}

/// All lines of a log directory in order, without their stamps.
pub fn log_lines(log: &Path) -> Vec<String> {
    let mut files: Vec<PathBuf> = fs::read_dir(log).map_or_else(
        |_| Vec::new(),
        |entries| entries.map(|entry| entry.expect("an entry").path()).collect(),
    );
    // In the order of the bytes `@...` comes before `current`, and the archives by their age.
    files.retain(|path| {
        let name = path.file_name().expect("a name").to_string_lossy();
        name.starts_with('@') || name == "current"
    });
    files.sort();
    // A file can be given its name between the listing and the reading; the caller looks again.
    let texts = files.iter().filter_map(|path| fs::read_to_string(path).ok());
    texts.flat_map(|text| text.lines().map(without_stamp).collect::<Vec<_>>()).collect()
}

fn without_stamp(line: &str) -> String {
    assert!(line.starts_with('@'), "a line without a stamp: {line}");
    line.get(STAMP_LEN..).unwrap_or_default().to_owned()
}

/// The processes that work in a directory or below it.
fn processes_in(dir: &Path) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    numbers
        .filter(|pid| {
            fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(dir))
        })
        .map(Pid::from_raw)
        .collect()
}

/// A fresh directory with stubs in `bin`, services in `etc` and links to them in `service`.
pub struct Sandbox {
    dir: TempDir,
    supervisor: Option<Child>,
}

impl Sandbox {
    /// None where one of the programs is missing (in CI that is a failure).
    fn new(programs: &[&str]) -> Option<Sandbox> {
        let found = programs.iter().filter(|name| peer(name).is_some()).count();
        if found < programs.len() {
            return None;
        }
        let sandbox = Sandbox { dir: tempfile::tempdir().expect("a directory"), supervisor: None };
        // The account of the log has to reach its programs.
        fs::set_permissions(sandbox.dir.path(), PermissionsExt::from_mode(0o755)).expect("chmod");
        for dir in ["bin", "etc", "service", "tmp", "qmail/bin", "qmail/control"] {
            fs::create_dir_all(sandbox.path(dir)).expect("mkdir");
        }
        sandbox.install_program(&program(), "multilog");
        Some(sandbox)
    }

    /// A sandbox with one service installed as its scripts say. None also where we are not root.
    pub fn with_service(service: &str, programs: &[&str]) -> Option<Sandbox> {
        let sandbox = Sandbox::new(programs).filter(|_| is_root())?;
        sandbox.install(service);
        Some(sandbox)
    }

    /// Installs a service as its scripts say.
    pub fn install(&self, service: &str) {
        run(Command::new("cp")
            .arg("-R")
            .arg(project("run-scripts").join(service))
            .arg(self.path("etc")));
        self.install_files(service);
        symlink(self.path("etc").join(service), self.path("service").join(service)).expect("link");
    }

    /// A directory that belongs to the account, as `install -d -o ACCOUNT` makes it.
    #[cfg(feature = "nats")]
    pub fn make_dir_of_account(&self, name: &str) {
        let (uid, gid) = account_ids();
        fs::create_dir(self.path(name)).expect("mkdir");
        std::os::unix::fs::chown(self.path(name), Some(uid), Some(gid)).expect("chown");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn log(&self, service: &str) -> PathBuf {
        self.path("service").join(service).join("log/files")
    }

    /// Runs the command in the comment of `log/run`, for an account that exists.
    fn install_files(&self, service: &str) {
        let dir = self.path("etc").join(service).join("log");
        let script = fs::read_to_string(dir.join("run")).expect("log/run");
        let command = script.lines().find_map(|line| line.strip_prefix("# Install: "));
        let mut words: Vec<String> =
            command.expect("how to install").split(' ').map(str::to_owned).collect();
        let (uid, gid) = account_ids();
        for (option, number) in [("-o", uid), ("-g", gid)] {
            let at = words.iter().position(|word| word == option).expect("an owner and a group");
            words[at + 1] = number.to_string();
        }
        run(Command::new(&words[0]).args(&words[1..]).current_dir(dir));
    }

    /// Another process writes the program: what we have open for writing, a child that another test
    /// starts at this moment has open too, and then it cannot be executed ("text file busy").
    pub fn install_program(&self, from: &Path, name: &str) {
        let to = self.path("bin").join(name);
        run(Command::new("install").args(["-m", "755"]).arg(from).arg(to));
    }

    pub fn stub(&self, name: &str, text: &str) {
        let source = self.path("tmp").join(name);
        fs::write(&source, format!("#!/bin/sh\n{text}\n")).expect("write a stub");
        self.install_program(&source, name);
        fs::remove_file(source).expect("remove");
    }

    /// A stub that turns the accounts of the scripts into one that exists, and runs the real program.
    pub fn account_stub(&self, program: &str, option: &str) {
        let real = peer(program).expect("it was there a moment ago");
        let drop_option =
            if option.is_empty() { "" } else { "test \"$1\" = -u || exit 100; shift\n" };
        self.stub(
            program,
            &format!(
                "{drop_option}case $1 in qmaild|qmaill|exampled|exampled-log|logreport|logreport-log|logship|logship-log|loghost|loghost-log) shift;; *) exit 100;; esac\n\
                 exec {} {option} {ACCOUNT} \"$@\"",
                real.display()
            ),
        );
    }

    /// A command that finds the stubs first, works in the sandbox and holds no pipe of ours.
    fn command(&self, program: PathBuf) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let output = self.path("output");
        let output =
            OpenOptions::new().create(true).append(true).open(output).expect("open output");
        let mut command = Command::new(program);
        command
            .current_dir(self.dir.path())
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("QMAILHOME", self.path("qmail"))
            .env("SVDIR", self.path("service"))
            .env("TZ", "UTC0")
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("dup"))
            .stderr(output);
        command
    }

    /// Starts the supervisor over what is linked in `service`.
    pub fn supervise(&mut self, program: &str, dir: &str) {
        let program = peer(program).expect("it was there a moment ago");
        let child = self.command(program).arg(self.path(dir)).process_group(0).spawn();
        self.supervisor = Some(child.expect("start the supervisor"));
    }

    fn signal_supervisor(&self, signal: Signal) {
        let child = self.supervisor.as_ref().expect("a supervisor");
        let pid = Pid::from_raw(child.id().try_into().expect("a process number"));
        kill(pid, signal).expect("kill");
    }

    /// Checks that `logdir` finds the logs of the running services under these names: as root, who sees
    /// what the loggers have open, and as the account of the logs, who has to read the scripts.
    #[track_caller]
    fn assert_found(&self, expected: &[&str]) {
        self.install_program(Path::new(LOGDIR), "logdir");
        let (uid, gid) = account_ids();
        let (uid, gid) = (uid.to_string(), gid.to_string());
        let as_account = ["setpriv", "--reuid", &uid, "--regid", &gid, "--clear-groups"];
        for user in [&["env"][..], &as_account] {
            let logdir = |arguments: &[&str]| {
                let mut command = filters::command(user[0]);
                command.args(&user[1..]).arg(self.path("bin/logdir")).args(arguments);
                command.arg(self.path("service"));
                filters::run(command, b"")
            };
            let ended = logdir(&["status", "--json"]);
            assert_eq!(ended.stderr, "", "{user:?}");
            assert_eq!(finding::names(&ended), expected, "{user:?}");
            for command in ["show", "rate", "check"] {
                let ended = logdir(&[command]);
                assert_eq!(ended.stderr, "", "{command} {user:?}");
                let text = String::from_utf8_lossy(&ended.stdout).into_owned();
                assert!(!text.is_empty(), "{command} {user:?}");
                // A single directory needs no name before its lines.
                let are_named = expected.iter().all(|name| text.contains(name));
                assert!(are_named || expected.len() == 1, "{command} {user:?}: {text}");
            }
        }
    }

    #[track_caller]
    fn wait_for_lines(&self, log: &Path, expected: &[String]) {
        let deadline = Instant::now() + DEADLINE;
        while log_lines(log) != expected && Instant::now() < deadline {
            thread::sleep(POLL);
        }
        let output = fs::read_to_string(self.path("output")).unwrap_or_default();
        assert_eq!(log_lines(log), expected, "{}; the supervisor said: {output}", log.display());
    }
}

impl Drop for Sandbox {
    /// s6 gives each service a session of its own, so the process group is not enough.
    fn drop(&mut self) {
        if let Some(mut supervisor) = self.supervisor.take() {
            let _ = supervisor.kill();
            let _ = supervisor.wait();
        }
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = processes_in(self.dir.path());
            if left.is_empty() || Instant::now() > deadline {
                break;
            }
            for pid in left {
                let _ = kill(pid, Signal::SIGKILL);
            }
            thread::sleep(POLL);
        }
    }
}

fn all_scripts() -> Vec<PathBuf> {
    let pattern = project("run-scripts").join("**/run");
    let scripts = glob::glob(&pattern.to_string_lossy()).expect("a pattern");
    scripts.map(|path| path.expect("a path")).collect()
}

/// What must not reach `alert`, told by the words of a line and not by patterns.
fn is_routine(line: &str) -> bool {
    let words: Vec<&str> = line.split(' ').collect();
    matches!(
        words.as_slice(),
        ["new" | "end", "msg", ..]
            | ["info", "msg", _, "bytes", ..]
            | ["bounce", "msg", _, "qp", _]
            | ["starting", "delivery", _, "msg", _, "to", "local" | "remote", ..]
            | ["delivery", _, "success:", ..]
            | ["status:", "local" | "exiting", ..]
    )
}

#[track_caller]
fn assert_owned_by_the_log_account(dir: &Path) {
    let ids = account_ids();
    let owner = |path: &Path| {
        let metadata = fs::metadata(path).expect("stat");
        (metadata.uid(), metadata.gid())
    };
    assert_eq!(owner(dir), ids, "{}", dir.display());
    for entry in fs::read_dir(dir).expect("list") {
        let path = entry.expect("an entry").path();
        assert_eq!(owner(&path), ids, "{}", path.display());
        if path.is_dir() {
            assert_owned_by_the_log_account(&path);
        }
    }
}

fn shellcheck(scripts: &[PathBuf]) {
    if let Some(program) = peer("shellcheck") {
        run(Command::new(program).arg("--shell=sh").args(scripts));
    }
}

#[test]
fn every_script_is_an_executable_portable_shell_script() {
    let scripts = all_scripts();
    assert_eq!(scripts.len(), 60);
    for script in &scripts {
        let text = fs::read_to_string(script).expect("read");
        assert!(text.starts_with("#!/bin/sh\n# "), "{}", script.display());
        assert!(text.contains("\n# Install: "), "{}", script.display());
        assert_eq!(mode(script) & 0o111, 0o111, "{}", script.display());
        run(Command::new("sh").arg("-n").arg(script));
    }
    shellcheck(&scripts);
}

#[test]
fn the_readme_names_every_service() {
    let readme = fs::read_to_string(project("run-scripts/README.md")).expect("read");
    for entry in fs::read_dir(project("run-scripts")).expect("list") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(entry.path().is_file() || readme.contains(&format!("| `{name}` |")), "{name}");
    }
}

#[test]
fn qmail_send_keeps_every_line_and_alerts_what_is_not_routine() {
    let programs = ["svscan", "supervise", "setuidgid"];
    let Some(mut sandbox) = Sandbox::with_service("qmail-send", &programs) else { return };
    let fixture = project("tests/fixtures/qmail-send.log");
    sandbox.account_stub("setuidgid", "");
    sandbox.stub(
        "qmail-start",
        &format!(
            "test \"$*\" = ./Maildir/ || exit 100\ncat {}\nexec sleep 1000",
            fixture.display()
        ),
    );
    sandbox.supervise("svscan", "service");

    let text = fs::read_to_string(fixture).expect("read the fixture");
    let all: Vec<String> = text.lines().map(str::to_owned).collect();
    let alerts: Vec<String> = all.iter().filter(|line| !is_routine(line)).cloned().collect();
    assert_eq!((all.len(), alerts.len()), (292, 24));
    let files = sandbox.log("qmail-send");
    sandbox.wait_for_lines(&files.join("main"), &all);
    sandbox.wait_for_lines(&files.join("alert"), &alerts);

    let status = files.join("status");
    wait_until("the last status is there", || {
        fs::read_to_string(&status).is_ok_and(|text| text.contains("status: exiting\n"))
    });
    let status_text = fs::read_to_string(&status).expect("read");
    assert_eq!(status_text.len(), 1001);
    assert_eq!(without_stamp(status_text.trim_end_matches('\n')), "status: exiting");

    assert_owned_by_the_log_account(&files);
    let modes = ["main", "main/current", "main/lock", "alert", "alert/current", "status"];
    let modes = modes.map(|name| mode(&files.join(name)));
    assert_eq!(modes, [0o700, 0o644, 0o600, 0o700, 0o644, 0o600]);
    sandbox.assert_found(&["qmail-send/alert", "qmail-send/main"]);
}

/// The process number svstat gives for a service.
fn pid_of(service: &Path) -> Option<String> {
    let text = run(Command::new(peer("svstat").expect("svstat")).arg(service));
    Some(text.split_once("(pid ")?.1.split_once(')')?.0.to_owned())
}

#[test]
fn restarting_the_logger_of_qmail_send_loses_nothing() {
    let programs = ["svscan", "supervise", "setuidgid", "svc", "svstat"];
    let Some(mut sandbox) = Sandbox::with_service("qmail-send", &programs) else { return };
    let fifo = sandbox.path("count");
    mkfifo(&fifo, Mode::from_bits_truncate(0o600)).expect("mkfifo");
    let mut fifo_writer = OpenOptions::new().read(true).write(true).open(&fifo).expect("open");
    sandbox.account_stub("setuidgid", "");
    sandbox.stub(
        "qmail-start",
        &format!(
            "exec 3<{}\nn=0 end=0\nwhile read -r count <&3; do\n\
             end=$((end + count))\n\
             while test \"$n\" -lt \"$end\"; do n=$((n + 1)); echo \"line $n\"; done\ndone",
            fifo.display()
        ),
    );
    sandbox.supervise("svscan", "service");

    let mut count = 0;
    let mut print = |more: u32| {
        writeln!(fifo_writer, "{more}").expect("write");
        count += more;
    };
    let logger = sandbox.path("service/qmail-send/log");
    wait_until("supervise answers", || logger.join("supervise/status").exists());
    for _ in 0..3 {
        let mut old = None;
        wait_until("a logger runs", || {
            old = pid_of(&logger);
            old.is_some()
        });
        print(2000);
        run(Command::new(peer("svc").expect("svc")).arg("-t").arg(&logger));
        // 0.76 acts on a TERM that meets it at work only when the next line comes.
        wait_until("a new logger runs", || {
            print(1);
            pid_of(&logger).is_some_and(|pid| Some(pid) != old)
        });
    }
    let expected: Vec<String> = (1..=count).map(|n| format!("line {n}")).collect();
    let files = sandbox.log("qmail-send");
    sandbox.wait_for_lines(&files.join("main"), &expected);
    sandbox.wait_for_lines(&files.join("alert"), &expected);
    let unclean = glob::glob(&files.join("*/@*.u").to_string_lossy()).expect("a pattern");
    assert_eq!(unclean.count(), 0);
}

/// A stub that tells how it was started, and by whom, and stays.
const TELLING: &str =
    "echo \"$(basename \"$0\") $* as $(id -u) for ${UID:-none}\"\nexec sleep 1000";

#[test]
fn qmail_smtpd_listens_only_with_rcpthosts() {
    let programs = ["svscan", "supervise", "setuidgid", "envuidgid", "softlimit"];
    let Some(mut sandbox) = Sandbox::with_service("qmail-smtpd", &programs) else { return };
    sandbox.account_stub("setuidgid", "");
    sandbox.account_stub("envuidgid", "");
    sandbox.stub("tcpserver", TELLING);
    let control = sandbox.path("qmail/control");
    fs::write(control.join("me"), "mail.example.org\n").expect("write");
    sandbox.supervise("svscan", "service");

    let log = sandbox.log("qmail-smtpd").join("main");
    let last = || log_lines(&log).pop().unwrap_or_default();
    wait_until("it refuses", || last().ends_with("anybody could relay; not starting"));
    fs::write(control.join("rcpthosts"), "example.org\n").expect("write");
    let (uid, _) = account_ids();
    let expected = format!(
        "tcpserver -v -R -U -l mail.example.org -c 40 -x /etc/tcp.smtp.cdb 0 25 qmail-smtpd \
         as 0 for {uid}"
    );
    wait_until("it listens", || last() == expected);
    sandbox.assert_found(&["qmail-smtpd"]);
    assert_owned_by_the_log_account(&sandbox.log("qmail-smtpd"));
}

#[test]
fn qmail_pop3d_asks_for_the_password_before_the_mail() {
    let programs = ["svscan", "supervise", "setuidgid", "softlimit"];
    let Some(mut sandbox) = Sandbox::with_service("qmail-pop3d", &programs) else { return };
    sandbox.account_stub("setuidgid", "");
    sandbox.stub("tcpserver", TELLING);
    fs::write(sandbox.path("qmail/control/me"), "mail.example.org\n").expect("write");
    sandbox.supervise("svscan", "service");
    let expected = "tcpserver -v -H -R -l mail.example.org -c 20 0 110 \
         qmail-popup mail.example.org checkpassword qmail-pop3d Maildir as 0 for none";
    sandbox.wait_for_lines(&sandbox.log("qmail-pop3d").join("main"), &[expected.to_owned()]);
    assert_owned_by_the_log_account(&sandbox.log("qmail-pop3d"));
    sandbox.assert_found(&["qmail-pop3d"]);
}

/// A daemon template, up: both its streams are logged, and both processes have their accounts.
#[track_caller]
fn check_daemon_is_logged(sandbox: &Sandbox, service: &str) -> PathBuf {
    let log = sandbox.log(service).join("main");
    let (uid, _) = account_ids();
    let expected = [format!("exampled --foreground as {uid}"), "and this to stderr".to_owned()];
    sandbox.wait_for_lines(&log, &expected);
    assert_owned_by_the_log_account(&sandbox.log(service));
    sandbox.assert_found(&[service]);
    log
}

/// What the daemon templates run: it prints on both streams and, when it is told to go, once more.
/// The sleep outlives it, so it must not hold the pipe.
const DAEMON: &str = "trap 'echo gone; exit 0' TERM\n\
    echo \"exampled $* as $(id -u)\"\necho 'and this to stderr' >&2\n\
    sleep 1000 >/dev/null 2>&1 & wait";

#[track_caller]
fn wait_for_clean_end(log: &Path) {
    wait_until("the log is complete", || mode(&log.join("current")) == 0o744);
    assert_eq!(log_lines(log).pop().as_deref(), Some("gone"));
}

#[test]
fn the_daemon_template_works_under_svscan() {
    let programs = ["svscan", "supervise", "setuidgid", "svc"];
    let Some(mut sandbox) = Sandbox::with_service("daemon", &programs) else { return };
    sandbox.account_stub("setuidgid", "");
    sandbox.stub("exampled", DAEMON);
    sandbox.supervise("svscan", "service");
    let log = check_daemon_is_logged(&sandbox, "daemon");
    let svc =
        |dir: &str| run(Command::new(peer("svc").expect("svc")).arg("-dx").arg(sandbox.path(dir)));
    svc("service/daemon");
    wait_until("the daemon has gone", || log_lines(&log).last().is_some_and(|line| line == "gone"));
    svc("service/daemon/log");
    wait_for_clean_end(&log);
}

#[test]
fn the_runit_template_works_under_runsv() {
    let Some(mut sandbox) = Sandbox::with_service("runit-daemon", &["runsv", "chpst"]) else {
        return;
    };
    sandbox.account_stub("chpst", "-u");
    sandbox.stub("exampled", DAEMON);
    sandbox.supervise("runsv", "service/runit-daemon");
    let log = check_daemon_is_logged(&sandbox, "runit-daemon");
    sandbox.signal_supervisor(Signal::SIGTERM);
    wait_for_clean_end(&log);
}

#[test]
fn the_s6_template_works_under_s6_svscan() {
    let programs = ["s6-svscan", "s6-supervise", "s6-svscanctl", "s6-setuidgid"];
    let Some(mut sandbox) = Sandbox::with_service("s6-daemon", &programs) else { return };
    sandbox.account_stub("s6-setuidgid", "");
    sandbox.stub("exampled", DAEMON);
    sandbox.supervise("s6-svscan", "service");
    let log = check_daemon_is_logged(&sandbox, "s6-daemon");
    let control = peer("s6-svscanctl").expect("s6-svscanctl");
    run(Command::new(control).arg("-t").arg(sandbox.path("service")));
    wait_for_clean_end(&log);
}

/// The commands of the README that stop a service and its logger, start them again and remove them.
fn recipe(supervisor: &str) -> [String; 3] {
    let readme = fs::read_to_string(project("run-scripts/README.md")).expect("read");
    let title = format!("\n{supervisor}");
    let section = readme.rsplit(title.as_str()).next().expect("its section").to_owned();
    let mut commands = section.lines().filter_map(|line| line.strip_prefix("    "));
    [(); 3].map(|()| commands.next().expect("a command").to_owned())
}

/// Runs the recipe of a supervisor whose scan directory the README calls `scan_dir`.
fn check_recipe(mut sandbox: Sandbox, service: &str, supervisor: [&str; 2], scan_dir: &str) {
    let [name, program] = supervisor;
    sandbox.stub("exampled", DAEMON);
    sandbox.supervise(program, "service");
    check_daemon_is_logged(&sandbox, service);
    // Not by the link, which is removed in the end.
    let log = sandbox.path("etc").join(service).join("log/files/main");
    let link = sandbox.path("service").join(service);
    let etc = sandbox.path("etc").join(service);
    let [stop, start, remove] = recipe(name).map(|command| {
        let command = command.replace(&format!("{scan_dir}/exampled"), &link.to_string_lossy());
        command.replace(&format!(" {scan_dir}"), &format!(" {}", sandbox.path("service").display()))
    });
    let sh = |command: &str| {
        let mut sh = sandbox.command(PathBuf::from("/bin/sh"));
        // `sv` waits for seven seconds and then fails, which is too short for a busy machine.
        sh.args(["-c", command]).env("SVWAIT", "60");
        let status = sh.status().expect("a shell");
        assert!(status.success(), "{command}: {status}");
    };
    sh(&stop);
    wait_for_clean_end(&log);
    sh(&start);
    wait_until("it runs again", || log_lines(&log).len() == 5);
    sh(&remove);
    wait_for_clean_end(&log);
    // The sleep of the daemon is left: it is nobody's child.
    let is_left = |pid: &Pid| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        !["", "sleep"].contains(&name.trim_end())
    };
    wait_until("nothing supervises it", || !processes_in(&etc).iter().any(is_left));
    assert_eq!(log_lines(&log).iter().filter(|line| *line == "gone").count(), 2);
}

#[test]
fn the_recipe_for_daemontools_stops_starts_and_removes() {
    let programs = ["svscan", "supervise", "setuidgid", "svc"];
    let Some(sandbox) = Sandbox::with_service("daemon", &programs) else { return };
    sandbox.account_stub("setuidgid", "");
    check_recipe(sandbox, "daemon", ["daemontools:", "svscan"], "/service");
}

#[test]
fn the_recipe_for_runit_stops_starts_and_removes() {
    let programs = ["runsvdir", "runsv", "chpst", "sv"];
    let Some(sandbox) = Sandbox::with_service("runit-daemon", &programs) else { return };
    sandbox.account_stub("chpst", "-u");
    check_recipe(sandbox, "runit-daemon", ["runit, where", "runsvdir"], "/etc/service");
}

#[test]
fn the_recipe_for_s6_stops_starts_and_removes() {
    let programs = ["s6-svscan", "s6-supervise", "s6-svc", "s6-svscanctl", "s6-setuidgid"];
    let Some(sandbox) = Sandbox::with_service("s6-daemon", &programs) else { return };
    sandbox.account_stub("s6-setuidgid", "");
    check_recipe(sandbox, "s6-daemon", ["s6:", "s6-svscan"], "/run/service");
}

/// The init as it stands in the document.
fn log_init() -> String {
    let text = fs::read_to_string(project("docs/containers.md")).expect("read");
    let (_, rest) = text.split_once("```sh\n").expect("a script");
    rest.split_once("```").expect("its end").0.to_owned()
}

/// A sandbox where the init of the document runs a service and logs to `log`.
fn container(service: &str) -> Option<Sandbox> {
    let mut sandbox = Sandbox::new(&[])?;
    sandbox.stub("log-init", log_init().strip_prefix("#!/bin/sh\n").expect("a shell script"));
    sandbox.stub("exampled", service);
    let mut command = sandbox.command(sandbox.path("bin/log-init"));
    command.arg("exampled").env("LOG_DIR", sandbox.path("log")).env("TMPDIR", sandbox.path("tmp"));
    sandbox.supervisor = Some(command.spawn().expect("start the init"));
    Some(sandbox)
}

#[test]
fn the_container_init_is_a_portable_script() {
    let Some(sandbox) = container("exit 0") else { return };
    let init = sandbox.path("bin/log-init");
    run(Command::new("sh").arg("-n").arg(&init));
    shellcheck(&[init]);
}

#[test]
fn a_stopped_container_loses_none_of_the_last_words() {
    let service = "trap 'seq 5000; exit 7' TERM\necho started\nsleep 1000 >/dev/null 2>&1 & wait";
    let Some(mut sandbox) = container(service) else { return };
    let log = sandbox.path("log");
    wait_until("the service runs", || log_lines(&log) == ["started"]);
    sandbox.signal_supervisor(Signal::SIGTERM);
    let status = wait_for_exit(sandbox.supervisor.as_mut().expect("the init"));
    assert_eq!(status.code(), Some(7));
    let mut expected = vec!["started".to_owned()];
    expected.extend((1..=5000).map(|n| n.to_string()));
    assert_eq!(log_lines(&log), expected);
    assert_eq!(mode(&log.join("current")), 0o744);
    assert_eq!(fs::read_dir(sandbox.path("tmp")).expect("list").count(), 0);
}

#[test]
fn a_container_ends_with_its_service() {
    let Some(mut sandbox) = container("echo done; exit 3") else { return };
    let status = wait_for_exit(sandbox.supervisor.as_mut().expect("the init"));
    assert_eq!(status.code(), Some(3));
    assert_eq!(log_lines(&sandbox.path("log")), ["done"]);
}
