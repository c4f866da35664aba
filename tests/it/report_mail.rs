//! `logdir report --mail`: what sendmail gets, and what happens if it fails.

use crate::filters::{Ended, command, run};
use crate::kinds::labelled;
use crate::report::{DAY, SPAN, two_days};
use crate::show::{LOGDIR, put};
use crate::support::Home;

const SAVES: &str = "#!/bin/sh\nprintf '%s\\n' \"$*\" >arguments\nexec cat >mail\n";

/// Runs a report with this script as sendmail.
fn mail(home: &Home, sendmail: &str, arguments: &[&str]) -> Ended {
    if !home.path("bin").exists() {
        home.make_dir("bin");
    }
    home.write("bin/sendmail", sendmail, 0o755);
    let path = format!("{}:/usr/bin:/bin", home.path("bin").display());
    let mut command = command(LOGDIR);
    command.arg("report").args(SPAN).args(arguments);
    command.current_dir(home.path("")).env("PATH", path);
    run(command, b"")
}

#[test]
fn a_report_is_mailed_through_sendmail() {
    let home = two_days();
    mail(&home, SAVES, &["--mail", "root@example.org", "qmail"]).check(1, "", "");
    assert_eq!(home.read("arguments"), b"-i -- root@example.org\n");
    let text = String::from_utf8(home.read("mail")).expect("text");
    let host = nix::unistd::gethostname().expect("a name").into_string().expect("text");
    let begin = format!(
        "To: root@example.org\n\
         Subject: logdir report of 2023-11-14 on {host}: 1 log with something new or wrong\n\
         Auto-Submitted: auto-generated\nMIME-Version: 1.0\n\
         Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n\
         Report   2023-11-14 00:00 to"
    );
    assert!(text.starts_with(&begin), "{text}");
    let (_, body) = text.split_once("\n\n").expect("a body");
    assert!(body.lines().all(|line| line.chars().count() <= 78), "{text}");
    assert!(body.contains("warning: unable to stat info/#/#;"), "{text}");
}

#[test]
fn quiet_mails_only_what_is_new() {
    let home = Home::new();
    let day = |day| labelled(day, &["up 1".to_owned()]);
    put(&home, "web", "current", &(day(DAY - 86_400) + &day(DAY)));
    let page = ["--quiet", "--html", "page", "--mail", "root", "web"];
    mail(&home, SAVES, &page).check(0, "", "");
    assert!(!home.path("mail").exists());
    assert!(home.read("page").starts_with(b"<!doctype html>"), "the page is of this day");
    mail(&home, SAVES, &page[3..]).check(0, "", "");
    let text = String::from_utf8(home.read("mail")).expect("text");
    assert!(text.contains(": nothing new\n"), "{text}");
}

#[test]
fn a_failing_sendmail_is_a_warning_and_exit_2() {
    let home = two_days();
    let arguments = ["--mail", "root", "--state", "state", "qmail"];
    let ended = mail(&home, "#!/bin/sh\necho no queue >&2\nexit 75\n", &arguments);
    let expected = "no queue\nlogdir: warning: unable to mail to root: sendmail: exit status: 75\n";
    ended.check(2, "", expected);
    assert!(home.path("state").exists(), "the report itself was made");
    // Without reading: a pipe would kill the report.
    mail(&home, "#!/bin/sh\nexit 3\n", &arguments).check(
        2,
        "",
        "logdir: warning: unable to mail to root: sendmail: exit status: 3\n",
    );
    mail(&home, "#!/no/such/shell\n", &["--mail", "a,b", "qmail"]).check(
        2,
        "",
        "logdir: fatal: unable to mail to a,b: not an address\n",
    );
}
