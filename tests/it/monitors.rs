//! `logdir status --metrics` and `--check`, for Prometheus and Nagios.

use crate::filters::{Ended, command, run};
use crate::peers::peer;
use crate::show::{LOGDIR, archive, put, stamped};
use crate::support::Home;
use std::process::Command;

/// A name that labels of metrics and lines of Nagios must escape.
const NAME: &str = "web \"x\\y|z";

#[track_caller]
fn status(home: &Home, arguments: &[&str]) -> Ended {
    let mut command = command(LOGDIR);
    command.arg("status").args(arguments).current_dir(home.path(""));
    run(command, b"")
}

/// A log that was closed cleanly and whose last line is of 2023, with a torn archive.
fn old_log() -> Home {
    let home = Home::new();
    put(&home, NAME, &archive(3, 'u'), &stamped(1, 3));
    put(&home, NAME, "current", &stamped(4, 6));
    home
}

/// The value of a metric.
fn value(text: &str, name: &str) -> Option<f64> {
    let begin = format!("logdir_{name}{{");
    let line = text.lines().find(|line| line.starts_with(&begin))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn metrics_have_the_figures_of_a_log() {
    let home = old_log();
    let ended = status(&home, &["--metrics", NAME]);
    assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(0), ""));
    let text = String::from_utf8(ended.stdout).expect("text");
    for (name, expected) in [
        ("archives", 1.0),
        ("torn_archives", 1.0),
        ("size_bytes", 2.0 * 3.0 * 28.0),
        ("failing", 0.0),
        ("unreadable", 0.0),
        ("writer_running", 0.0),
        ("last_minute_lines", 0.0),
        ("last_minute_bytes", 0.0),
    ] {
        assert_eq!(value(&text, name), Some(expected), "{name} in {text}");
    }
    let [oldest, newest] = ["oldest", "newest"].map(|end| format!("{end}_line_timestamp_seconds"));
    assert_eq!(value(&text, &oldest).map(f64::floor), Some(1_700_000_001.0), "{text}");
    assert_eq!(value(&text, &newest).map(f64::floor), Some(1_700_000_006.0), "{text}");
    let (age, history) = (value(&text, "newest_line_age_seconds"), value(&text, "history_seconds"));
    assert!(age > Some(90e6) && history > age, "{text}");
    // No logger of ours has written it.
    assert_eq!(value(&text, "held_lines"), None, "{text}");
    assert!(text.contains("{log=\"web \\\"x\\\\y|z\",directory=\"/"), "{text}");
}

#[test]
fn metrics_of_a_logger_have_what_it_holds_and_drops() {
    let home = Home::new();
    let mut logger = home.spawn(&["t", "./main"]);
    logger.write(b"one\n");
    crate::support::wait_until("a line", || !home.contents("main").is_empty());
    let text = String::from_utf8(status(&home, &["--metrics", "main"]).stdout).expect("text");
    if !crate::support::is_original() {
        for name in ["held_lines", "held_bytes", "dropped_lines_total", "dropped_bytes_total"] {
            assert_eq!(value(&text, name), Some(0.0), "{name} in {text}");
        }
        assert_eq!(value(&text, "failing_since_timestamp_seconds"), None, "{text}");
    }
    assert_eq!(value(&text, "writer_running"), Some(1.0), "{text}");
    assert!(value(&text, "newest_line_age_seconds") < Some(3600.0), "{text}");
    assert!(logger.end().status.success());
}

#[test]
fn promtool_accepts_the_metrics() {
    let Some(promtool) = peer("promtool") else { return };
    let home = old_log();
    put(&home, "dns", "current", &stamped(1, 2));
    home.run(&["t", "./main"], b"one\n").check(0, "");
    let text = status(&home, &["--metrics", NAME, "dns", "main"]).stdout;
    let mut promtool = Command::new(promtool);
    promtool.args(["check", "metrics"]);
    promtool.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    promtool.stderr(std::process::Stdio::piped());
    let checked = run(promtool, &text);
    let text = String::from_utf8_lossy(&text);
    assert_eq!((checked.status.code(), checked.stderr.as_str()), (Some(0), ""), "{text}");
    assert_eq!(text.matches("\n# TYPE ").count(), text.matches("# HELP ").count(), "{text}");
}

#[test]
fn a_check_exits_as_plugins_of_nagios_do() {
    let home = old_log();
    let check = |arguments: &[&str]| {
        let ended = status(&home, &[&["--check"], arguments].concat());
        (ended.status.code(), String::from_utf8(ended.stdout).expect("text"))
    };
    let ok = check(&[NAME]);
    assert_eq!(ok, (Some(0), "LOGDIR OK - 1 log | logs=1 size=168B\n".to_owned()));
    let (code, text) = check(&["--max-silence", "1h", NAME]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.starts_with("LOGDIR WARNING - web \"x\\y/z: no line for "), "{text}");
    assert_eq!(text.matches('|').count(), 1, "a bar begins the figures: {text}");
    assert_eq!(check(&["--max-silence", "99999h", NAME]), ok);
    let (code, text) = check(&["nothing", NAME]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.starts_with("LOGDIR UNKNOWN - unable to read nothing"), "{text}");
    // Not marked as complete, and no logger runs.
    home.write(std::path::Path::new(NAME).join("current"), stamped(4, 6), 0o644);
    let (code, text) = check(&["--max-silence", "1h", NAME, "nothing"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.starts_with("LOGDIR CRITICAL - web "), "{text}");
    assert!(
        text.contains("its logger was killed") && text.contains("unable to read nothing"),
        "{text}"
    );
    assert!(text.ends_with(" | logs=1 size=168B\n") && text.lines().count() == 1, "{text}");
    for span in ["soon", "-1h"] {
        let (code, text) = check(&["--max-silence", span, NAME]);
        assert_eq!((code, text.as_str()), (Some(3), ""), "{span}");
    }
}
