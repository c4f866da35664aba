//! The services of `run-scripts/` that mail a daily report, under the real supervisors; the date and sendmail are
//! stubs.

use crate::kinds::labelled;
use crate::run_scripts::Sandbox;
use crate::show::LOGDIR;
use crate::support::wait_until;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

const DAY_SECS: u64 = 86_400;

/// A log with a line of yesterday and nothing before.
fn write_log(dir: &Path) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    fs::create_dir_all(dir).expect("a log directory");
    let line = labelled(now - DAY_SECS, &["disk is failing".to_owned()]);
    fs::write(dir.join("current"), line).expect("a log");
}

/// The mails so far.
fn mails(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.path("mails")).unwrap_or_default()
}

#[track_caller]
fn check(service: &str, supervisor: &str, account: (&str, &str)) {
    let Some(mut sandbox) = Sandbox::with_service(service, &[supervisor, account.0]) else {
        return;
    };
    sandbox.account_stub(account.0, account.1);
    sandbox.install_program(Path::new(LOGDIR), "logdir");
    let [mails_path, today] = ["mails", "today"].map(|name| sandbox.path(name));
    fs::write(&mails_path, "").expect("a file for mails");
    let anyone = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    fs::set_permissions(&mails_path, anyone).expect("chmod");
    sandbox.stub("sendmail", &format!("exec cat >>{}", mails_path.display()));
    sandbox.stub("date", &format!("test \"$*\" = +%F && exec cat {}", today.display()));
    sandbox.stub("sleep", "test \"$*\" = 300 && exec /bin/sleep 0.2");
    let home = sandbox.path("etc").join(service);
    let state = home.join("state");
    fs::create_dir(&state).expect("a directory for the state");
    let anyone = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    fs::set_permissions(&state, anyone).expect("chmod");
    write_log(&sandbox.path("service/web/log/main"));
    fs::write(&today, "2026-11-27\n").expect("a date");
    sandbox.supervise(supervisor, "service");

    let count = || mails(&sandbox).matches("Subject: logdir report of ").count();
    wait_until("the first report", || home.join("day").exists());
    assert_eq!(count(), 1, "{}", mails(&sandbox));
    assert!(mails(&sandbox).contains("disk is failing"), "{}", mails(&sandbox));
    assert!(state.join("kinds").exists());
    fs::write(&today, "2026-11-28\n").expect("a date");
    let day = || fs::read_to_string(home.join("day")).unwrap_or_default();
    wait_until("the report of the next day", || day() == "2026-11-28\n");
    assert_eq!(count(), 2, "{}", mails(&sandbox));
}

#[test]
fn a_report_is_mailed_each_day_under_svscan() {
    check("logreport", "svscan", ("setuidgid", ""));
}

#[test]
fn a_report_is_mailed_each_day_under_runit() {
    check("runit-logreport", "runsvdir", ("chpst", "-u"));
}

#[test]
fn a_report_is_mailed_each_day_under_s6() {
    check("s6-logreport", "s6-svscan", ("s6-setuidgid", ""));
}
