//! `multilog --explain script`: describes a script's effect in words, before production use.
//!
//! Reads lines from stdin unless stdin is a terminal, and prints each line's route. Opens no log,
//! status file or lock.

use crate::logger::stamps::{self, Stamps};
use crate::logger::{directory, doubts};
use crate::message::{self, EXIT_FATAL, EXIT_OK, EXIT_USAGE};
use ::logdir::clock;
use ::logdir::escape;
use ::logdir::settings::{Hold, MARGIN_DEFAULT, Overflow, QUEUE_MIN, RotateAfter, Settings};
use script::action::AppliesTo;
use script::buffers::Buffers;
use script::parse::Ignored;
use script::pattern::Pattern;
use script::presentation::{Presentation, StatusSize};
use script::{Action, Script, StampFormat};
use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::io::{BufRead, IsTerminal, stdin};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// Explains a script; returns exit code 0, 100 after warnings, 111 if stdout fails.
pub fn run(script: &Script, ignored: &[Ignored]) -> u8 {
    let warnings = warnings(script, ignored);
    let mut text = actions(script);
    for warning in &warnings {
        append(&mut text, format_args!("warning: {warning}\n"));
    }
    if !message::print(&text) || !lines(script) {
        return EXIT_FATAL;
    }
    if warnings.is_empty() { EXIT_OK } else { EXIT_USAGE }
}

/// Describes every sink and pattern with its settings.
fn actions(script: &Script) -> String {
    let mut text = String::new();
    if let Some(stamp) = script.stamp {
        append(&mut text, format_args!("{}\n", stamp_words(stamp)));
    }
    if let Some(fd) = script.ready_fd {
        let words = "writes a newline to that descriptor when everything is open, and closes it";
        append(&mut text, format_args!("d{fd}: {words}\n"));
    }
    for action in &script.actions {
        let words = match action {
            Action::Select(pattern) => format!("selects {}", pattern_words(pattern)),
            Action::Deselect(pattern) => format!("deselects {}", pattern_words(pattern)),
            Action::SelectRest => "selects exactly the lines that nothing has taken yet".to_owned(),
            Action::Alert { len_max, presentation } => {
                let words =
                    format!("writes selected lines to standard error, {len_max} bytes of each");
                words + &presentation_words(presentation)
            }
            Action::Stdout { presentation } => {
                let words = "writes selected lines to standard output";
                words.to_owned() + &presentation_words(presentation)
            }
            Action::Status { file, size, presentation } => {
                status_words(file, *size) + &presentation_words(presentation)
            }
            Action::Log { dir, settings, presentation } => {
                let settings =
                    directory::settings(settings, script.stamp.is_some(), Buffers::Usual);
                log_words(dir, &settings) + &presentation_words(presentation)
            }
        };
        append(&mut text, format_args!("{}: {words}\n", name(action)));
    }
    text
}

fn stamp_words(stamp: StampFormat) -> &'static str {
    match stamp {
        StampFormat::Tai64n => "t: puts a TAI64N label in front of each line, 26 bytes",
        StampFormat::Unix => {
            "T: puts seconds.microseconds since 1970 in front of each line, 18 bytes"
        }
        StampFormat::Utc => "Tutc: puts universal time in front of each line, 31 bytes",
        StampFormat::Local => "Tlocal: puts local time in front of each line, 36 bytes",
    }
}

fn pattern_words(pattern: &Pattern) -> &'static str {
    match pattern {
        _ if pattern.is_any_line() => "every line",
        Pattern::Stars(_) => "lines that match as a whole",
        Pattern::Fnmatch(_) => "lines that match as a whole, as fnmatch(3) has it",
        Pattern::Regex(_) => "lines in which the expression matches, without the stamp",
    }
}

fn status_words(file: &OsStr, size: StatusSize) -> String {
    let size = match size {
        StatusSize::Original => "padded to 1001 bytes".to_owned(),
        StatusSize::Padded(len) => format!("cut or padded to {len} bytes"),
        StatusSize::AsLine => "as long as it is".to_owned(),
    };
    format!("keeps the last selected line in {}, {size}", shown(file.as_bytes()))
}

/// Describes a directory's non-default settings and disk usage.
fn log_words(dir: &OsStr, spec: &Settings) -> String {
    // Exhaustive: `keeping_words` covers the other fields; stamps are described separately.
    let Settings {
        program: _,
        size_max,
        number_max,
        processor,
        margin,
        pause,
        code,
        total_max,
        age_max: _,
        number_min: _,
        sync_after: _,
        rotate_after: _,
        queue_max: _,
        overflow: _,
        is_stamped: _,
        makes_parents,
        lock_patience: _,
        hold,
    } = spec;
    // `current`, all archives, and the next archive before the oldest is removed.
    let by_number = size_max.saturating_mul(number_max.saturating_add(1));
    // `current` and the next archive as above; the newest archive always stays.
    let by_total = |total: u64| total.max(*size_max).saturating_add(size_max.saturating_mul(2));
    let kept = total_max.map_or(by_number, |total| by_total(total).min(by_number));
    let kept = hold.as_ref().map_or(kept, |hold| kept.max(by_total(hold.len_max)));
    let mut words = format!(
        "appends selected lines to {}/current; {size_max} bytes a file, {number_max} files with \
         current, at most {} bytes on disk while one is finished",
        shown(dir.as_bytes()),
        kept,
    );
    if let Some(Hold { cursor, len_max }) = hold {
        append(
            &mut words,
            format_args!(
                "; finished files that cursor {} has not passed stay until all have {len_max} bytes",
                shown(cursor.as_bytes())
            ),
        );
    }
    if *makes_parents {
        words.push_str("; directories above it are created if missing");
    }
    if let Some(command) = processor {
        let command = shown(command.as_bytes());
        append(
            &mut words,
            format_args!(
                "; each full file goes through sh -c '{command}', and what that writes is on disk too"
            ),
        );
    }
    if *margin != MARGIN_DEFAULT {
        append(&mut words, format_args!("; ends at a line within {margin} bytes of the size"));
    }
    if *pause != ::logdir::pause::PAUSE {
        append(&mut words, format_args!("; tries again after {} ms", pause.as_millis()));
    }
    if code != b"s" {
        append(&mut words, format_args!("; finished files end in .{}", shown(code)));
    }
    words.push_str(&keeping_words(spec));
    words
}

/// Non-default rotation, retention, queue and sync settings.
fn keeping_words(spec: &Settings) -> String {
    let Settings { total_max, age_max, number_min, sync_after, rotate_after, .. } = spec;
    let mut words = String::new();
    if let Some(total) = total_max {
        append(&mut words, format_args!("; finished files have at most {total} bytes together"));
    }
    if let Some(age) = age_max {
        append(
            &mut words,
            format_args!("; finished files go when they are {} old", age_words(*age)),
        );
    }
    match rotate_after {
        None => {}
        Some(RotateAfter::Age(age)) => {
            append(
                &mut words,
                format_args!("; a file ends {} after its first line", age_words(*age)),
            );
        }
        Some(RotateAfter::Aligned(length)) => {
            let length = age_words(*length);
            append(
                &mut words,
                format_args!("; a file ends every {length} of local time, from midnight"),
            );
        }
    }
    if let Some(number) = number_min {
        let kept = format_args!("; on a full disk all finished files but {number} go");
        append(&mut words, kept);
    }
    if let Some(after) = sync_after {
        append(&mut words, format_args!("; synced {} after a line", age_words(*after)));
    }
    let queue = spec.queue_max;
    match spec.overflow {
        Overflow::HoldBack if queue == QUEUE_MIN => {}
        Overflow::HoldBack => append(&mut words, format_args!("; holds {queue} bytes in trouble")),
        Overflow::Drop => append(
            &mut words,
            format_args!("; holds {queue} bytes in trouble, then drops lines and tells how many"),
        ),
    }
    words
}

/// Formats an age in its largest whole unit.
fn age_words(age: Duration) -> String {
    let secs = age.as_secs();
    let units = [(86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")];
    let (unit_secs, unit) =
        units.into_iter().find(|(unit_secs, _)| secs.is_multiple_of(*unit_secs)).unwrap_or((1, ""));
    let count = secs / unit_secs;
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

fn presentation_words(presentation: &Presentation) -> String {
    let mut words = String::new();
    if !presentation.prefix.is_empty() {
        append(&mut words, format_args!("; with '{} ' in front", shown(&presentation.prefix)));
    }
    if presentation.is_escaped {
        words.push_str("; control characters as escapes");
    }
    words
}

/// Formats an action as typed.
fn name(action: &Action) -> String {
    match action {
        Action::Select(pattern) => format!("+{}", shown(pattern.text())),
        Action::Deselect(pattern) => format!("-{}", shown(pattern.text())),
        Action::SelectRest => "f".to_owned(),
        Action::Alert { .. } => "e".to_owned(),
        Action::Stdout { .. } => "1".to_owned(),
        Action::Status { file, .. } => format!("={}", shown(file.as_bytes())),
        Action::Log { dir, .. } => shown(dir.as_bytes()),
    }
}

/// Evident mistakes.
fn warnings(script: &Script, ignored: &[Ignored]) -> Vec<String> {
    let doubts = [doubts::at_start(script, ignored), doubts::when_asked(script)].concat();
    let mut warnings: Vec<String> = doubts.iter().map(|text| shown(text)).collect();
    let used = script.actions.iter().rposition(Action::is_sink).map_or(0, |last| last + 1);
    for action in &script.actions[used..] {
        let name = name(action);
        warnings.push(format!("{name} has no effect: nothing takes lines behind it"));
    }
    for unused in &script.unused {
        let missing = match unused.applies_to {
            AppliesTo::Pattern => "there is no pattern",
            AppliesTo::Alert => "there is no e",
            AppliesTo::Status => "there is no =",
            AppliesTo::Log => "there is no directory",
            AppliesTo::Sink => "nothing takes lines",
        };
        let argument = shown(unused.argument.as_bytes());
        warnings.push(format!("{argument} has no effect: {missing} behind it"));
    }
    for action in &script.actions {
        if let Action::Select(pattern) | Action::Deselect(pattern) = action
            && let Some(stamp) = script.stamp
            && !can_match(pattern, stamp)
        {
            let name = name(action);
            warnings.push(format!(
                "{name} matches no line, since each begins with a stamp: begin it with '* '"
            ));
        }
    }
    let dirs: Vec<&OsString> = script.actions.iter().filter_map(dir).collect();
    for (number, dir) in dirs.iter().enumerate() {
        let is_same =
            |other: &&OsString| Path::new(other).components().eq(Path::new(dir).components());
        if dirs[..number].iter().copied().any(|other| is_same(&other)) {
            let dir = shown(dir.as_bytes());
            warnings
                .push(format!("{dir} is named twice: the second one cannot lock the directory"));
        }
    }
    warnings
}

/// Returns the directory of a log action.
fn dir(action: &Action) -> Option<&OsString> {
    match action {
        Action::Log { dir, .. } => Some(dir),
        Action::Select(_)
        | Action::Deselect(_)
        | Action::SelectRest
        | Action::Alert { .. }
        | Action::Stdout { .. }
        | Action::Status { .. } => None,
    }
}

/// True if the pattern's beginning fits this stamp.
fn can_match(pattern: &Pattern, stamp: StampFormat) -> bool {
    let begins_so = |first: &u8| match stamp {
        StampFormat::Tai64n => *first == b'@',
        StampFormat::Unix | StampFormat::Utc | StampFormat::Local => first.is_ascii_digit(),
    };
    match pattern {
        Pattern::Stars(text) => {
            text.first().is_some_and(|first| *first == b'*' || begins_so(first))
        }
        Pattern::Fnmatch(expression) => {
            let is_open = |first: &u8| b"*?[\\".contains(first) || begins_so(first);
            expression.text().first().is_some_and(is_open)
        }
        Pattern::Regex(_) => true,
    }
}

/// Prints each stdin line's route. Returns false if stdout fails.
fn lines(script: &Script) -> bool {
    let stdin = stdin();
    if stdin.is_terminal() {
        return true;
    }
    let mut stamps = Stamps::new(script.stamp);
    stamps.set_clock(clock::now());
    let mut line = Vec::new();
    let mut input = stdin.lock();
    while input.read_until(b'\n', &mut line).is_ok_and(|len| len > 0) {
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        if !message::print(&fate(script, &mut stamps, text)) {
            return false;
        }
        line.clear();
    }
    true
}

/// Describes a line's route: for each sink, the decision and the deciding action. Without a match,
/// no action is named and the line is selected, the initial state of every line.
fn fate(script: &Script, next: &mut Stamps, line: &[u8]) -> String {
    let mut head = Vec::new();
    let stamp_len = match stamps::leading_len(script.stamp, line) {
        // The line comes from a log: keep its own stamp.
        Some(stamp_len) => stamp_len,
        None => {
            next.append_to(&mut head);
            head.len()
        }
    };
    head.extend_from_slice(line);
    head.truncate(script.head_max());
    let mut text = format!("line: {}\n", shown(line));
    let (mut selected, mut by, mut is_taken) = (true, None, false);
    for action in &script.actions {
        match action {
            Action::Select(pattern) | Action::Deselect(pattern) => {
                if pattern.matches(&head, stamp_len) {
                    selected = matches!(action, Action::Select(_));
                    by = Some(action);
                }
            }
            Action::SelectRest => (selected, by) = (!is_taken, Some(action)),
            Action::Alert { .. }
            | Action::Stdout { .. }
            | Action::Status { .. }
            | Action::Log { .. } => {
                let verdict = if selected { "takes it" } else { "does not" };
                let reason = by.map_or_else(
                    || "no pattern before it matches".to_owned(),
                    |by| format!("{} decides", name(by)),
                );
                let sink = name(action);
                append(&mut text, format_args!("  {sink} {verdict}: {reason}\n"));
                is_taken |= selected;
            }
        }
    }
    text
}

/// Printable form for a terminal.
fn shown(bytes: &[u8]) -> String {
    escape::shown(bytes)
}

fn append(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to memory cannot fail.
    let _ = text.write_fmt(what);
}
