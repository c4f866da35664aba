//! Arguments, a line each: what 0.76 knows is read as it reads it, whatever stands around it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use script::pattern::{Language, Pattern};
use script::{Action, Script, StampFormat};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// A log directory as 0.76 would have it.
#[derive(Debug, PartialEq, Eq)]
struct Log<'a> {
    dir: &'a [u8],
    size: Option<u64>,
    number: Option<u64>,
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
    let (again, _) = again.expect("the same patterns");
    assert_eq!(Script { stamp: script.stamp, ..again }, script);
});

/// An action without what holds for it.
#[derive(Debug, PartialEq, Eq)]
enum Plain<'a> {
    Select(Pattern),
    Deselect(Pattern),
    SelectRest,
    Alert,
    Stdout,
    Status(&'a [u8]),
    Log(&'a [u8]),
}

fn plain(action: &Action) -> Plain<'_> {
    match action {
        Action::Select(pattern) => Plain::Select(pattern.clone()),
        Action::Deselect(pattern) => Plain::Deselect(pattern.clone()),
        Action::SelectRest => Plain::SelectRest,
        Action::Alert { .. } => Plain::Alert,
        Action::Stdout { .. } => Plain::Stdout,
        Action::Status { file, .. } => Plain::Status(file.as_bytes()),
        Action::Log { dir, .. } => Plain::Log(dir.as_bytes()),
    }
}

fn check_actions(script: &Script, lines: &[&[u8]]) {
    let mut actions = Vec::new();
    let mut language = Language::Stars;
    let pattern = |language, text| Pattern::new(language, text).expect("it was taken");
    for line in lines {
        let Some((letter, rest)) = line.split_first() else { continue };
        match letter {
            b'+' => actions.push(Plain::Select(pattern(language, rest))),
            b'-' => actions.push(Plain::Deselect(pattern(language, rest))),
            b'S' if rest.is_empty() => language = Language::Stars,
            b'F' if rest.is_empty() => language = Language::Fnmatch,
            b'X' if rest.is_empty() => language = Language::Regex,
            b'f' if rest.is_empty() => actions.push(Plain::SelectRest),
            b'e' => actions.push(Plain::Alert),
            b'1' if rest.is_empty() => actions.push(Plain::Stdout),
            b'=' => actions.push(Plain::Status(rest)),
            b'.' | b'/' => actions.push(Plain::Log(line)),
            _ => {}
        }
    }
    assert_eq!(script.actions.iter().map(plain).collect::<Vec<_>>(), actions);
    let is_stamped = lines[0].starts_with(b"t");
    assert_eq!(script.stamp == Some(StampFormat::Tai64n), is_stamped);
}

fn check_logs(script: &Script, lines: &[&[u8]]) {
    let mut expected = Vec::new();
    let (mut size, mut number, mut processor) = (None, None, None);
    for line in lines {
        let Some((letter, rest)) = line.split_first() else { continue };
        match letter {
            b's' => size = Some(slow_size(rest)),
            b'n' => number = Some(slow_number(rest).0),
            b'!' => processor = Some(rest),
            b'.' | b'/' => expected.push(Log { dir: line, size, number, processor }),
            _ => {}
        }
    }
    let found = script.actions.iter().filter_map(|action| match action {
        Action::Log { dir, settings, .. } => Some(Log {
            dir: dir.as_bytes(),
            size: settings.size,
            number: settings.number,
            processor: settings.processor.as_deref().map(OsStr::as_bytes),
        }),
        _ => None,
    });
    let found: Vec<Log> = found.collect();
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
