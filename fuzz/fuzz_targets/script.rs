//! Arguments, a line each: what 0.76 knows is read as it reads it, whatever stands around it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use logdir::settings::{NUMBER_DEFAULT, NUMBER_MIN, SIZE_DEFAULT, SIZE_MIN};
use logdir::stamp::StampFormat;
use multilog::pattern::{Language, Pattern};
use multilog::script::{self, Action, Script};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// A log directory as 0.76 would have it.
#[derive(Debug, PartialEq, Eq)]
struct Log<'a> {
    dir: &'a [u8],
    size: u64,
    number: u64,
    processor: Option<&'a [u8]>,
}

fuzz_target!(|input: &[u8]| {
    let lines: Vec<&[u8]> = input.split(|&byte| byte == b'\n').collect();
    let arguments: Vec<OsString> =
        lines.iter().map(|line| OsString::from_vec(line.to_vec())).collect();
    // An expression may be refused.
    let Ok((script, ignored)) = script::parse(&arguments) else { return };
    check_actions(&script, &lines);
    check_logs(&script, &lines);
    let told = b"ignoring unknown action ";
    assert!(ignored.iter().all(|ignored| ignored.text().starts_with(told)));
    // What 0.76 knows is never ignored.
    let known = |line: &&&[u8]| line.first().is_some_and(|byte| b"+-e=sn!./".contains(byte));
    assert!(ignored.len() + lines.iter().filter(known).count() <= lines.len());
    // What is put in front of it changes nothing but the stamp.
    let again = script::parse(&[&["@".into()], &arguments[..]].concat());
    let (mut again, _) = again.expect("the same patterns");
    for (again, log) in again.logs.iter_mut().zip(&script.logs) {
        again.is_stamped = log.is_stamped;
    }
    assert_eq!(Script { stamp: script.stamp, ..again }, script);
});

fn check_actions(script: &Script, lines: &[&[u8]]) {
    let (mut actions, mut statuses, mut log_count) = (Vec::new(), Vec::new(), 0);
    let mut language = Language::Stars;
    let pattern = |language, text| Pattern::new(language, text).expect("it was taken");
    for line in lines {
        let Some((letter, rest)) = line.split_first() else { continue };
        match letter {
            b'+' => actions.push(Action::Select(pattern(language, rest))),
            b'-' => actions.push(Action::Deselect(pattern(language, rest))),
            b'S' if rest.is_empty() => language = Language::Stars,
            b'F' if rest.is_empty() => language = Language::Fnmatch,
            b'X' if rest.is_empty() => language = Language::Regex,
            b'f' if rest.is_empty() => actions.push(Action::SelectRest),
            b'e' => actions.push(Action::Alert),
            b'1' if rest.is_empty() => actions.push(Action::Stdout),
            b'=' => {
                actions.push(Action::Status(statuses.len()));
                statuses.push(OsStr::from_bytes(rest));
            }
            b'.' | b'/' => {
                actions.push(Action::Log(log_count));
                log_count += 1;
            }
            _ => {}
        }
    }
    assert_eq!(script.actions, actions);
    assert_eq!(script.statuses, statuses);
    let is_stamped = lines[0].starts_with(b"t");
    assert_eq!(script.stamp == Some(StampFormat::Tai64n), is_stamped);
}

fn check_logs(script: &Script, lines: &[&[u8]]) {
    let mut expected = Vec::new();
    let (mut size, mut number, mut processor) = (SIZE_DEFAULT, NUMBER_DEFAULT, None);
    for line in lines {
        let Some((letter, rest)) = line.split_first() else { continue };
        match letter {
            b's' => size = slow_size(rest).max(SIZE_MIN),
            b'n' => number = slow_number(rest).0.max(NUMBER_MIN),
            b'!' => processor = Some(rest),
            b'.' | b'/' => expected.push(Log { dir: line, size, number, processor }),
            _ => {}
        }
    }
    let found: Vec<Log> = script
        .logs
        .iter()
        .map(|log| Log {
            dir: log.dir.as_bytes(),
            size: log.size_max,
            number: log.number_max,
            processor: log.processor.as_deref().map(OsStr::as_bytes),
        })
        .collect();
    assert_eq!(found, expected);
}

/// The leading digits, and what follows.
fn slow_number(text: &[u8]) -> (u64, &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let digits = str::from_utf8(&text[..end]).expect("digits");
    let value = if digits.is_empty() { 0 } else { digits.parse().unwrap_or(u64::MAX) };
    (value, &text[end..])
}

fn slow_size(text: &[u8]) -> u64 {
    let (value, unit) = slow_number(text);
    let factor = match unit {
        b"k" => 1 << 10,
        b"m" => 1 << 20,
        b"g" => 1 << 30,
        _ => 1,
    };
    value.saturating_mul(factor)
}
