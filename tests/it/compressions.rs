//! Archives that somebody compressed, with the programs that people have.

use crate::filters::{command, run};
use crate::peers::peer;
use crate::show::{LOGDIR, archive, put, show, stamped};
use crate::support::Home;
use std::fs;

/// Compresses a file where it is; the ending that its name gets.
fn compress(home: &Home, program: &str, ending: &str, file: &str) -> Option<String> {
    let program = peer(program)?;
    let contents = home.read(file);
    let mut command = command(&program);
    command.arg("-c");
    let packed = run_bytes(command, &contents);
    let name = format!("{file}.{ending}");
    home.write(&name, packed, 0o744);
    fs::remove_file(home.path(file)).expect("the original");
    Some(name)
}

fn run_bytes(command: std::process::Command, input: &[u8]) -> Vec<u8> {
    let ended = run(command, input);
    assert!(ended.status.success(), "{}", ended.stderr);
    ended.stdout
}

const PROGRAMS: [(&str, &str); 5] =
    [("gzip", "gz"), ("zstd", "zst"), ("xz", "xz"), ("bzip2", "bz2"), ("lz4", "lz4")];

#[test]
fn archives_are_read_whatever_compressed_them() {
    for (program, ending) in PROGRAMS {
        let home = Home::new();
        let first = archive(4000, 's');
        put(&home, "l", &first, &stamped(1, 4000));
        put(&home, "l", "current", &stamped(4001, 4010));
        if compress(&home, program, ending, &format!("l/{first}")).is_none() {
            continue;
        }
        let all = stamped(1, 4010);
        show(&home, &["--raw", "l"]).check(0, &all, "");
        let backward: String = all.lines().rev().map(|line| format!("{line}\n")).collect();
        show(&home, &["--raw", "-r", "l"]).check(0, &backward, "");
        show(&home, &["--raw", "-n", "12", "l"]).check(0, stamped(3999, 4010), "");
        let range = ["--raw", "--since", "@1700003998", "--until", "@1700004002", "l"];
        show(&home, &range).check(0, stamped(3998, 4001), "");
    }
}

/// The archive is good; only the place for its decoded copy is missing.
#[test]
fn a_missing_temporary_directory_is_named() {
    let home = Home::new();
    let first = archive(4000, 's');
    put(&home, "l", &first, &stamped(1, 4000));
    let Some(name) = compress(&home, "gzip", "gz", &format!("l/{first}")) else { return };
    let mut show = command(LOGDIR);
    show.args(["show", "--raw", "-n1", "l"]).current_dir(home.path("")).env("TMPDIR", "/nowhere");
    run(show, b"").check(
        2,
        "",
        &format!(
            "logdir: warning: unable to read {name}: no temporary file in /nowhere: \
             file does not exist\n"
        ),
    );
}

#[test]
fn a_compression_that_is_not_read_is_named() {
    let home = Home::new();
    let first = archive(4, 's');
    put(&home, "l", "current", &stamped(5, 5));
    home.write(format!("l/{first}.Z"), b"\x1f\x9d\x90what compress writes", 0o744);
    let why = format!(
        "logdir: warning: unable to read l/{first}.Z: compressed with compress, which is not read\n"
    );
    show(&home, &["--raw", "l"]).check(2, stamped(5, 5), &why);
    show(&home, &["--raw", "-r", "l"]).check(2, stamped(5, 5), &why);
}

/// The line that a damaged file ends in has no end, and its writer is not the cause.
#[test]
fn damage_is_the_only_cause_that_is_reported() {
    for (program, ending) in PROGRAMS {
        let home = Home::new();
        let first = archive(40_000, 's');
        put(&home, "l", &first, &stamped(1, 40_000));
        put(&home, "l", "current", &stamped(40_001, 40_001));
        let file = format!("l/{first}");
        let Some(name) = compress(&home, program, ending, &file) else { continue };
        let whole = home.read(&name);
        home.write(&name, &whole[..whole.len() * 2 / 3], 0o744);
        let ended = show(&home, &["--raw", "l"]);
        let why =
            format!("logdir: warning: unable to read {name}: compressed contents end too early\n");
        assert_eq!((ended.status.code(), ended.stderr), (Some(2), why), "{program}");
    }
}
