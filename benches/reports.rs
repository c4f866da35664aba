//! What a report costs: `cargo bench --bench reports [-- MEGABYTES]`.
//!
//! Writes logs of six services, and a log of hostile lines that are all different, into a fresh directory; then
//! prints the times and the memory of `logdir report` and `logdir kinds` beside `logdir show | wc -l`.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs, reason = "a measurement")]

#[path = "reports/services.rs"]
mod services;

use services::{Dice, SERVICES};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// 2026-11-25 00:00 UTC: lines are of two days.
const START_SECS: u64 = 1_795_564_800;
const SPAN_SECS: u64 = 2 * 86_400;
/// Bytes of a log file, as multilog rotates it.
const FILE_LEN: u64 = 16_777_215;
const HOSTILE_LINES: u64 = 10_000_000;
const SPAN: [&str; 4] = ["--since", "2026-11-26Z", "--until", "2026-11-27Z"];

fn main() {
    let megabytes = std::env::args().find_map(|text| text.parse::<u64>().ok()).unwrap_or(1000);
    let home = tempfile::tempdir().unwrap();
    let mut made = 0;
    for (number, (name, templates)) in (0..).zip(SERVICES) {
        let (mut dice, templates) = (Dice(number), templates.lines().collect::<Vec<_>>());
        let len_max = megabytes * 1_000_000 / SERVICES.len() as u64;
        made += write(&home.path().join(name), len_max, u64::MAX, |_| dice.line(&templates));
    }
    let names: Vec<&str> = SERVICES.iter().map(|(name, _)| *name).collect();
    println!("{:.0} MB of {} services", made as f64 / 1e6, names.len());
    measure(home.path(), "show | wc -l", "show -o raw", &names);
    measure(home.path(), "report", "report", &[&SPAN, names.as_slice()].concat());
    measure(home.path(), "kinds", "kinds", &names);
    let kinds = output(home.path(), "kinds", &names);
    println!("kinds: {}", kinds.lines().count());
    fs::write("target/report-kinds.txt", kinds).unwrap();
    let made = write(&home.path().join("hostile"), u64::MAX, HOSTILE_LINES, hostile);
    println!("{:.0} MB of {HOSTILE_LINES} hostile lines", made as f64 / 1e6);
    measure(home.path(), "show | wc -l", "show -o raw", &["hostile"]);
    measure(home.path(), "report", "report", &[&SPAN, ["hostile"].as_slice()].concat());
    measure(home.path(), "kinds", "kinds", &["hostile"]);
}

/// A line whose words no rule masks.
fn hostile(number: u64) -> String {
    let letters = |number: u64| -> String {
        number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'g')).collect()
    };
    let mixed = Dice(number).next();
    format!("{} of {} is {}", letters(mixed % 1000), letters(number), letters(mixed))
}

/// Writes a log directory with archives; returns its size. Stamps are spread over the span.
fn write(dir: &Path, len_max: u64, lines_max: u64, mut make: impl FnMut(u64) -> String) -> u64 {
    fs::create_dir(dir).unwrap();
    let (mut len, mut number) = (0, 0);
    let whole = len_max.min(lines_max.saturating_mul(90));
    while len < len_max && number < lines_max {
        let mut file = BufWriter::new(File::create(dir.join("current")).unwrap());
        let (mut file_len, mut nanos) = (0, 0);
        while file_len < FILE_LEN && len + file_len < len_max && number < lines_max {
            let share = (len + file_len) as f64 / whole as f64;
            nanos = ((share * SPAN_SECS as f64).min(SPAN_SECS as f64) * 1e9) as u64;
            let line = format!("{} {}\n", label(nanos), make(number));
            file.write_all(line.as_bytes()).unwrap();
            file_len += line.len() as u64;
            number += 1;
        }
        file.flush().unwrap();
        len += file_len;
        if len < len_max && number < lines_max {
            fs::rename(dir.join("current"), dir.join(label(nanos + 1) + ".s")).unwrap();
        }
    }
    len
}

fn label(nanos: u64) -> String {
    let secs = (1 << 62) + 10 + START_SECS + nanos / 1_000_000_000;
    format!("@{secs:016x}{:08x}", nanos % 1_000_000_000)
}

/// Runs `logdir` with its output counted by wc; prints seconds, processor seconds and memory.
fn measure(home: &Path, name: &str, command: &str, arguments: &[&str]) {
    let script = "/usr/bin/time -f '%e %U %S %M' \"$0\" \"$@\" 2>time | wc -l";
    let started = Instant::now();
    let counted = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_logdir")])
        .args(command.split(' '))
        .args(arguments)
        .current_dir(home)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let secs = started.elapsed().as_secs_f64();
    let time = fs::read_to_string(home.join("time")).unwrap();
    let last = time.lines().last().unwrap_or_default();
    let [_, user, system, kib]: [f64; 4] =
        last.split(' ').map(|part| part.parse().unwrap()).collect::<Vec<_>>().try_into().unwrap();
    let lines = String::from_utf8_lossy(&counted.stdout).trim().to_owned();
    let mib = kib / 1024.0;
    println!(
        "  {name:<14} {secs:7.2} s, processor {:7.2} s, {mib:5.1} MiB, {lines} lines",
        user + system
    );
}

fn output(home: &Path, command: &str, arguments: &[&str]) -> String {
    let mut logdir = Command::new(env!("CARGO_BIN_EXE_logdir"));
    let ended = logdir.arg(command).args(arguments).current_dir(home).output().unwrap();
    String::from_utf8_lossy(&ended.stdout).into_owned()
}
