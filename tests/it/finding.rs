//! How `logdir` finds logs: under real supervisors, by the names of services, from scripts of all kinds,
//! and what it reports where it may not look.

use crate::filters::{Ended, command, run};
use crate::peers::peer;
use crate::show::LOGDIR;
use crate::support::{Home, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A user and a group that own nothing.
const NOBODY: &str = "65534";
const ALL: [&[&str]; 5] = [&["show"], &["show", "-f"], &["status"], &["check"], &["rate"]];

fn is_root() -> bool {
    fs::metadata("/proc/self").expect("/proc/self").uid() == 0
}

#[track_caller]
fn logdir(home: &Home, arguments: &[&str]) -> Ended {
    let mut command = command(LOGDIR);
    command.args(arguments).current_dir(home.path("")).env("SVDIR", home.path("scan"));
    run(command, b"")
}

/// The names of what `logdir status` finds, and its exit code.
#[track_caller]
fn found(home: &Home, operands: &[&str]) -> (Vec<String>, Option<i32>) {
    let ended = logdir(home, &[&["status", "--json"], operands].concat());
    (names(&ended), ended.status.code())
}

pub fn names(ended: &Ended) -> Vec<String> {
    let name = |line: &[u8]| {
        let object: Value = serde_json::from_slice(line).expect("an object");
        object["name"].as_str().expect("a name").to_owned()
    };
    let mut names: Vec<String> = ended
        .stdout
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(name)
        .collect();
    names.sort();
    names
}

/// Makes a log directory with one line in it.
fn make_log(home: &Home, dir: &str) {
    fs::create_dir_all(home.path(dir)).expect("directories");
    home.write(format!("{dir}/current"), "@400000006553f10a00000001 text\n", 0o744);
}

/// Makes a service whose logger has the script `log_run` and is not running.
fn make_service(home: &Home, name: &str, log_run: &str) {
    fs::create_dir_all(home.path(format!("scan/{name}/log"))).expect("directories");
    home.write(format!("scan/{name}/run"), "#!/bin/sh\nexec sleep 1000\n", 0o755);
    home.write(format!("scan/{name}/log/run"), log_run, 0o755);
}

#[test]
fn what_may_not_be_read_is_reported_by_every_command() {
    if !is_root() || peer("setpriv").is_none() {
        return;
    }
    let home = Home::in_memory();
    fs::set_permissions(home.path(""), fs::Permissions::from_mode(0o755)).expect("chmod");
    make_service(&home, "a", "#!/bin/sh\nexec multilog t ./main\n");
    make_service(&home, "b", "#!/bin/sh\nexec multilog t ./main\n");
    make_service(&home, "c", "#!/bin/sh\nexec multilog t ./files/main\n");
    make_log(&home, "scan/a/log/main");
    make_log(&home, "scan/b/log/main");
    make_log(&home, "scan/c/log/files/main");
    for closed in ["scan/b/log/main", "scan/c/log/files"] {
        fs::set_permissions(home.path(closed), fs::Permissions::from_mode(0o700)).expect("chmod");
    }
    let program = home.path("logdir");
    fs::copy(LOGDIR, &program).expect("a program that everybody may run");
    let tried = |arguments: &[&str]| {
        let mut setpriv = command("setpriv");
        setpriv.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]);
        setpriv.arg(&program).args(arguments).current_dir(home.path(""));
        if arguments.contains(&"-f") {
            // It would follow what can be read for ever.
            setpriv.arg("scan/b");
        } else {
            setpriv.arg("scan");
        }
        run(setpriv, b"")
    };
    for arguments in ALL {
        let ended = tried(arguments);
        assert!(
            ended.stderr.contains("unable to read scan/b/log/main: access denied\n"),
            "{arguments:?}: {}",
            ended.stderr
        );
        assert!(ended.stderr.contains("chmod 2750 DIR\n"), "{arguments:?}: {}", ended.stderr);
        assert_eq!(ended.stderr.matches("2750").count(), 1, "{}", ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}: {}", ended.stderr);
        if !arguments.contains(&"-f") {
            assert!(
                ended.stderr.contains("unable to read scan/c/log/files/main: access denied\n"),
                "{}",
                ended.stderr
            );
            assert!(!ended.stdout.is_empty(), "{arguments:?}: what can be read is shown");
        }
    }
}

#[test]
fn scripts_of_all_kinds_lead_to_their_directories() {
    let home = Home::new();
    let elsewhere = home.path("elsewhere").to_string_lossy().into_owned();
    let scripts = [
        ("assigned", "logdir=$PWD/logs; exec multilog t $logdir".to_owned(), "logs"),
        ("changed", "cd ./files || exit 111\nexec multilog t ./main".to_owned(), "files/main"),
        ("overlay", "exec logutil-service ./kept".to_owned(), "kept"),
        ("glob", "exec svlogd -tt ./all/*".to_owned(), "all/one"),
        ("unscripted", "exec my-own-logger".to_owned(), "files/main"),
        (
            "execline",
            format!("#!/bin/execlineb -P\ndefine d {elsewhere}/execline\ns6-log -b -- t ${{d}}"),
            "../../../elsewhere/execline",
        ),
        ("perp", "exec tinylog -k 8 -s 1000000 -t ./tiny".to_owned(), "tiny"),
    ];
    for (name, script, dir) in &scripts {
        make_service(&home, name, &format!("{}{script}\n", shebang(script)));
        make_log(&home, &format!("scan/{name}/log/{dir}"));
    }
    // daemontools-encore: the logger is an executable `log`, and works in the service directory.
    fs::create_dir_all(home.path("scan/encore")).expect("a directory");
    home.write("scan/encore/log", "#!/bin/sh\nexec multilog t ./kept\n", 0o755);
    make_log(&home, "scan/encore/kept");
    let mut expected: Vec<&str> = scripts.iter().map(|(name, ..)| *name).collect();
    expected.push("encore");
    expected.sort_unstable();
    let (names, code) = found(&home, &["scan"]);
    assert_eq!(names, expected);
    assert_eq!(code, Some(0));
}

fn shebang(script: &str) -> &'static str {
    if script.starts_with("#!") { "" } else { "#!/bin/sh\n" }
}

#[test]
fn a_directory_that_cannot_be_resolved_is_asked_for() {
    let home = Home::new();
    make_service(&home, "web", "#!/bin/sh\n. /no/such/file\nexec svlogd -tt \"$LOGDIR\"\n");
    let ended = logdir(&home, &["status", "scan"]);
    ended.check(
        2,
        "",
        "logdir: warning: unable to find a log directory in scan/web: log/run starts svlogd with \
         $LOGDIR, which cannot be resolved; name the directory\n",
    );
    make_log(&home, "scan/web/log/main");
    assert_eq!(found(&home, &["scan"]), (vec!["web".to_owned()], Some(0)));
}

#[test]
fn services_are_found_by_name_and_all_places_are_named() {
    let home = Home::new();
    make_service(&home, "web", "#!/bin/sh\nexec multilog t ./main\n");
    make_service(&home, "mail", "#!/bin/sh\nexec multilog t ./main e ./alert\n");
    for dir in ["scan/web/log/main", "scan/mail/log/main", "scan/mail/log/alert"] {
        make_log(&home, dir);
    }
    let check = |operands: &[&str], expected: &[&str]| {
        let (names, code) = found(&home, operands);
        assert_eq!(
            (names.iter().map(String::as_str).collect(), code),
            (expected.to_vec(), Some(0))
        );
    };
    check(&["web"], &["web"]);
    check(&["mail"], &["mail/alert", "mail/main"]);
    check(&["mail/alert"], &["mail/alert"]);
    check(&["*"], &["mail/alert", "mail/main", "web"]);
    let ended = logdir(&home, &["show", "webb"]);
    let scan = home.path("scan");
    let start = format!(
        "logdir: warning: unable to read webb: file does not exist, and no service of this name is in \
         {}, /service, /etc/service, /var/service, /run/service, ",
        scan.display()
    );
    assert!(ended.stderr.starts_with(&start), "{}", ended.stderr);
    assert_eq!(ended.status.code(), Some(2));
    // Other services of this machine may be there as well.
    let (names, _) = found(&home, &[]);
    assert!(["mail/main", "web"].iter().all(|name| names.iter().any(|known| known == name)));
}

#[test]
fn links_that_lead_nowhere_are_reported() {
    let home = Home::new();
    make_service(&home, "web", "#!/bin/sh\nexec multilog t ./main\n");
    make_log(&home, "scan/web/log/main");
    symlink("/no/such/service", home.path("scan/gone")).expect("a link");
    let ended = logdir(&home, &["status", "--json", "scan"]);
    assert_eq!(names(&ended), ["web"]);
    assert_eq!(ended.stderr, "logdir: warning: unable to read scan/gone: file does not exist\n");
    assert_eq!(ended.status.code(), Some(2));
}

/// A supervisor that is ended, with all it has started, when the test is.
struct Supervised(Child);

impl Supervised {
    fn start(program: &Path, dir: &Path) -> Supervised {
        let mut command = Command::new(program);
        command.arg(dir).current_dir(dir).stdin(Stdio::null()).process_group(0);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Supervised(command.spawn().expect("a supervisor"))
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.0.id().try_into().expect("a process number"));
        let _ = kill(pid, Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

#[test]
fn debians_own_svlogd_script_is_found_under_runsv() {
    let script = Path::new("/etc/sv/svlogd/run");
    let runsv = peer("runsv").filter(|_| script.exists() && is_root());
    let Some(runsv) = runsv else { return };
    let home = Home::new();
    fs::create_dir_all(home.path("scan/web/log")).expect("directories");
    home.write("scan/web/run", "#!/bin/sh\necho text\nexec sleep 1000\n", 0o755);
    symlink(script, home.path("scan/web/log/run")).expect("a link");
    let kept = home.path("kept");
    let conf = format!("LOGDIR={}\nLOGUSER=root\n", kept.display());
    home.write("scan/web/log/conf", conf, 0o644);
    fs::create_dir(&kept).expect("a directory");
    let supervised = Supervised::start(&runsv, &home.path("scan/web"));
    wait_until("a line", || !home.read("kept/current").is_empty());
    assert_eq!(found(&home, &["web"]), (vec!["web".to_owned()], Some(0)));
    // The running logger shows its directory also where the script does not.
    fs::remove_file(home.path("scan/web/log/run")).expect("removed");
    home.write("scan/web/log/run", "#!/bin/sh\nexec my-logger\n", 0o755);
    assert_eq!(found(&home, &["web"]), (vec!["web".to_owned()], Some(0)));
    drop(supervised);
    let ended = logdir(&home, &["status", "web"]);
    assert_eq!(ended.status.code(), Some(2), "{}", ended.stderr);
}
