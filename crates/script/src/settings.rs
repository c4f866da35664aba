//! Settings: values for later directories and sinks.
//!
//! A letter of 0.76 is read as in 0.76, regardless of following text. New letters are settings only
//! with a well-formed value; other arguments with such a letter are no actions, as in 0.76. Numbers
//! stay as typed: the opener of a directory knows minimums and defaults.

use crate::action::{Action, Junk, Reading};
use crate::head::LONG_HEAD_MAX;
use crate::presentation::{ALERT_MAX, PREFIX_MAX, Presentation, StatusSize};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
/// Longest archive suffix, in bytes: a file name may have 255 bytes; label and dot take 26.
const CODE_MAX: usize = 200;

/// Log directory settings. `None` means the value of 0.76.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Maximum file size (`s`), unchecked against the directory's minimum.
    pub size: Option<u64>,
    /// Maximum file count (`n`) including `current`, unchecked against the directory's minimum.
    pub number: Option<u64>,
    /// Processor command (`!`).
    pub processor: Option<OsString>,
    /// Rotation margin (`l`): rotates at a line end within this many bytes of the size.
    pub margin: Option<u64>,
    /// Retry delay (`r`), unchecked against the directory's minimum.
    pub pause: Option<Duration>,
    /// Archive suffix (`w`), without dot.
    pub code: Option<Vec<u8>>,
    /// Total archive size limit (`S`).
    pub total_max: Option<u64>,
    /// Archive age limit (`k`).
    pub age_max: Option<Duration>,
    /// Minimum archives on full disk (`N`).
    pub number_min: Option<u64>,
    /// fsync delay after a line (`y`).
    pub sync_after: Option<Duration>,
    /// Age limit of `current` (`R`).
    pub rotate_after: Option<RotateAfter>,
    /// Queue (`q`): memory for unwritten lines, and overflow policy.
    pub queue: Option<(usize, Overflow)>,
    /// Missing parents of the directory are created (`m`).
    pub makes_parents: bool,
    /// Cursor file of a reader for which finished files are kept (`h`), and their bytes together.
    pub hold: Option<(OsString, u64)>,
}

/// Time-based rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotateAfter {
    /// Interval since the file's first byte.
    Age(Duration),
    /// At each multiple of this interval since local midnight: a fraction of a day, or whole days.
    Aligned(Duration),
}

/// Overflow policy of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// Lines wait in the pipe.
    HoldBack,
    /// Lines are dropped and counted.
    Drop,
}

/// Settings for the next sink.
#[derive(Clone, Debug)]
pub struct InForce {
    settings: Settings,
    presentation: Presentation,
    alert_max: usize,
    status_size: StatusSize,
}

impl Default for InForce {
    /// Values of 0.76.
    fn default() -> InForce {
        InForce {
            settings: Settings::default(),
            presentation: Presentation::default(),
            alert_max: ALERT_MAX,
            status_size: StatusSize::Original,
        }
    }
}

impl InForce {
    /// `e` with current settings.
    pub fn alert(&self) -> Action {
        Action::Alert { len_max: self.alert_max, presentation: self.presentation.clone() }
    }

    /// `1` with current settings.
    pub fn stdout(&self) -> Action {
        Action::Stdout { presentation: self.presentation.clone() }
    }

    /// `=` with current settings.
    pub fn status(&self, file: &OsStr) -> Action {
        let (file, presentation) = (file.to_owned(), self.presentation.clone());
        Action::Status { file, size: self.status_size, presentation }
    }

    /// Log directory with current settings.
    pub fn log(&self, dir: &OsStr) -> Action {
        let (dir, settings) = (dir.to_owned(), Box::new(self.settings.clone()));
        Action::Log { dir, settings, presentation: self.presentation.clone() }
    }
}

/// Parse result of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Setting for later actions.
    Taken,
    /// Malformed value; the text names the requirement.
    Malformed(&'static str),
    /// Not a setting.
    Unknown,
}

/// Parses a possible setting.
pub fn set(in_force: &mut InForce, argument: &[u8]) -> Setting {
    let Some((letter, value)) = argument.split_first() else { return Setting::Unknown };
    let settings = &mut in_force.settings;
    match letter {
        b's' => settings.size = Some(parse_file_size(value)),
        b'n' => settings.number = Some(parse_number(value)),
        b'!' => settings.processor = Some(OsStr::from_bytes(value).to_owned()),
        _ => return set_new(in_force, *letter, value),
    }
    Setting::Taken
}

/// Parses letters unknown to 0.76.
fn set_new(in_force: &mut InForce, letter: u8, value: &[u8]) -> Setting {
    let InForce { settings, presentation, alert_max, status_size } = in_force;
    let (done, needs) = match letter {
        b'S' if value.is_empty() => return Setting::Unknown,
        b'S' => (
            parse_size(value).map(|size| settings.total_max = unless_zero(size)),
            "S needs a size in bytes",
        ),
        b'k' => (
            parse_age(value).map(|age| settings.age_max = unless_zero(age)),
            "k needs an age, such as 30d",
        ),
        b'N' => (
            parse_count(value).map(|number| settings.number_min = unless_zero(number)),
            "N needs a number",
        ),
        b'R' => (
            parse_rotation(value).map(|rotation| settings.rotate_after = rotation),
            "R needs an age, such as 7d; R@ a part of a day, or whole days",
        ),
        b'q' => (
            parse_queue(value).map(|queue| settings.queue = Some(queue)),
            "q needs a size in bytes, with or without :drop",
        ),
        b'y' => {
            (parse_age(value).map(|age| settings.sync_after = unless_zero(age)), "y needs seconds")
        }
        b'l' => {
            (parse_size(value).map(|size| settings.margin = Some(size)), "l needs a size in bytes")
        }
        b'r' => {
            (parse_pause(value).map(|pause| settings.pause = Some(pause)), "r needs milliseconds")
        }
        b'w' => (
            parse_code(value).map(|code| settings.code = Some(code)),
            "w needs the ending of finished files, without a slash and not u",
        ),
        b'E' => (
            parse_shown(value)
                .map(|size| *alert_max = if size == 0 { LONG_HEAD_MAX } else { size }),
            "E needs a size of up to 8192 bytes",
        ),
        b'^' => (
            parse_shown(value).map(|size| {
                *status_size =
                    if size == 0 { StatusSize::AsLine } else { StatusSize::Padded(size) };
            }),
            "^ needs a size of up to 8192 bytes",
        ),
        b'p' => (
            parse_prefix(value).map(|prefix| presentation.prefix = prefix),
            "p takes up to 200 bytes without a newline",
        ),
        b'h' => (
            parse_hold(value).map(|hold| settings.hold = hold),
            "h needs a size and a cursor file, such as h50m:/var/lib/logship/cursor",
        ),
        // A well-formed `d` is no setting.
        b'd' => (None, "d needs a descriptor, at least 3"),
        b'c' => (value.is_empty().then(|| presentation.is_escaped = true), "c takes no value"),
        b'm' => (value.is_empty().then(|| settings.makes_parents = true), "m takes no value"),
        _ => return Setting::Unknown,
    };
    match done {
        Some(()) => Setting::Taken,
        // A word such as `log` is probably a directory name.
        None if !matches!(letter, b'w' | b'p')
            && value.first().is_some_and(u8::is_ascii_alphabetic) =>
        {
            Setting::Unknown
        }
        None => Setting::Malformed(needs),
    }
}

/// Parsed meaning of an ambiguous setting.
pub fn reading(argument: &[u8]) -> Option<Reading> {
    let (letter, text) = argument.split_first()?;
    let (number, rest) = split_number(text);
    match letter {
        b's' => {
            let junk = if size_unit(rest).is_some() && rest.len() < text.len() {
                None
            } else {
                Some(junk('s', text))
            };
            Some(Reading::Number { letter: 's', value: parse_file_size(text), junk })
        }
        b'n' => {
            let is_clean = rest.is_empty() && !text.is_empty();
            Some(Reading::Number {
                letter: 'n',
                value: number,
                junk: (!is_clean).then(|| junk('n', text)),
            })
        }
        b'k' if rest.is_empty() && number > 0 => Some(Reading::Seconds(number)),
        _ => None,
    }
}

/// Finds out why a number is malformed, and suggests a good argument.
fn junk(letter: char, text: &[u8]) -> Junk {
    if text.first().is_some_and(u8::is_ascii_alphabetic) {
        return Junk::Name;
    }
    let text = String::from_utf8_lossy(text).to_ascii_lowercase();
    let text: String = text.chars().filter(|char| !matches!(char, ' ' | ',' | '_' | '=')).collect();
    let digits_len =
        text.find(|char: char| !(char.is_ascii_digit() || char == '.')).unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_len);
    let unit = match unit {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return Junk::Tail(None),
    };
    if letter != 's' && unit > 1 {
        return Junk::Tail(None);
    }
    Junk::Tail(product(digits, unit).map(|bytes| meant(letter, bytes)))
}

/// Product of digits and unit; `None` unless a whole number.
fn product(digits: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let parts = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let fraction = fraction.parse::<u64>().ok()?.checked_mul(unit)?;
    let whole = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    fraction.is_multiple_of(parts).then(|| whole.checked_add(fraction / parts))?
}

/// Argument for this number in its largest whole unit.
fn meant(letter: char, number: u64) -> String {
    let units = [(1 << 30, "g"), (1 << 20, "m"), (1 << 10, "k")];
    let unit = units
        .into_iter()
        .find(|(size, _)| letter == 's' && number > 0 && number.is_multiple_of(*size));
    let (size, unit) = unit.unwrap_or((1, ""));
    format!("{letter}{}{unit}", number / size)
}

/// Parses leading digits as 0.76 does: no digit means 0, following text is ignored. Overflow yields
/// the maximum; 0.76 wraps around.
pub fn parse_number(text: &[u8]) -> u64 {
    split_number(text).0
}

fn split_number(text: &[u8]) -> (u64, &[u8]) {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(digits);
    let value = digits.iter().fold(0u64, |value, digit| {
        value.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
    });
    (value, rest)
}

/// Reads a file size as 0.76 does, plus a single unit letter.
fn parse_file_size(text: &[u8]) -> u64 {
    let (value, rest) = split_number(text);
    size_unit(rest).map_or(value, |unit| value.saturating_mul(unit))
}

/// Parses bytes: digits, optional unit.
fn parse_size(text: &[u8]) -> Option<u64> {
    let (value, rest) = parse_digits(text)?;
    Some(value.saturating_mul(size_unit(rest)?))
}

fn size_unit(rest: &[u8]) -> Option<u64> {
    match rest {
        b"" => Some(1),
        b"k" => Some(1 << 10),
        b"m" => Some(1 << 20),
        b"g" => Some(1 << 30),
        _ => None,
    }
}

/// Splits leading digits (at least one) from the rest.
fn parse_digits(text: &[u8]) -> Option<(u64, &[u8])> {
    text.first().filter(|byte| byte.is_ascii_digit()).map(|_| split_number(text))
}

/// Parses an all-digit argument.
fn parse_count(text: &[u8]) -> Option<u64> {
    parse_digits(text).filter(|(_, rest)| rest.is_empty()).map(|(value, _)| value)
}

/// Reads a descriptor number above the standard ones: a supervisor never listens on these.
pub fn parse_descriptor(text: &[u8]) -> Option<i32> {
    parse_count(text).and_then(|fd| i32::try_from(fd).ok()).filter(|&fd| fd > 2)
}

/// Parses seconds, or a number with unit.
fn parse_age(text: &[u8]) -> Option<Duration> {
    let (value, rest) = parse_digits(text)?;
    let unit_secs = match rest {
        b"" | b"s" => 1,
        b"m" => 60,
        b"h" => 3600,
        b"d" => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(value.saturating_mul(unit_secs)))
}

/// Parses an age, or a clock-aligned interval.
fn parse_rotation(text: &[u8]) -> Option<Option<RotateAfter>> {
    let Some(length) = text.strip_prefix(b"@") else {
        return parse_age(text).map(|age| unless_zero(age).map(RotateAfter::Age));
    };
    let length = parse_age(length)?;
    let fits = length <= DAY || length.as_secs().is_multiple_of(DAY.as_secs());
    fits.then(|| unless_zero(length).map(RotateAfter::Aligned))
}

/// Parses a size with an overflow policy.
fn parse_queue(text: &[u8]) -> Option<(usize, Overflow)> {
    let (size, overflow) = match text.strip_suffix(b":drop") {
        Some(size) => (size, Overflow::Drop),
        None => (text, Overflow::HoldBack),
    };
    let size = usize::try_from(parse_size(size)?).unwrap_or(usize::MAX);
    Some((size, overflow))
}

/// Parses a size and the path of a cursor file. 0, with a path or without, means no hold.
fn parse_hold(text: &[u8]) -> Option<Option<(OsString, u64)>> {
    let colon = text.iter().position(|&byte| byte == b':');
    let (size, file) = text.split_at(colon.unwrap_or(text.len()));
    match (parse_size(size)?, file.strip_prefix(b":")) {
        (0, _) => Some(None),
        (size, Some(file)) if !file.is_empty() => {
            Some(Some((OsStr::from_bytes(file).to_owned(), size)))
        }
        (_, _) => None,
    }
}

/// 0 cancels a limit.
fn unless_zero<T: Default + PartialEq>(value: T) -> Option<T> {
    (value != T::default()).then_some(value)
}

fn parse_pause(text: &[u8]) -> Option<Duration> {
    parse_count(text).map(Duration::from_millis)
}

/// Parses a shown length, limited to the longest head.
fn parse_shown(text: &[u8]) -> Option<usize> {
    parse_size(text)
        .and_then(|size| usize::try_from(size).ok())
        .filter(|&size| size <= LONG_HEAD_MAX)
}

fn parse_prefix(text: &[u8]) -> Option<Vec<u8>> {
    (text.len() <= PREFIX_MAX && !text.contains(&b'\n')).then(|| text.to_vec())
}

fn parse_code(text: &[u8]) -> Option<Vec<u8>> {
    let fits = (1..=CODE_MAX).contains(&text.len());
    (fits && text != b"u" && !text.starts_with(b"u.") && !text.contains(&b'/'))
        .then(|| text.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(argument: &str, expected: Setting, change: impl FnOnce(&mut Settings)) {
        let (mut found, mut changed) = (InForce::default(), Settings::default());
        change(&mut changed);
        assert_eq!(set(&mut found, argument.as_bytes()), expected, "{argument}");
        assert_eq!(found.settings, changed, "{argument}");
    }

    #[track_caller]
    fn check_size(argument: &str, size: u64) {
        check(argument, Setting::Taken, |found| found.size = Some(size));
    }

    #[track_caller]
    fn check_refused(arguments: &[&str], needs: &'static str) {
        for argument in arguments {
            check(argument, Setting::Malformed(needs), |_| {});
        }
    }

    #[test]
    fn sizes_are_read_as_in_0_76_but_for_one_letter_behind_them() {
        check_size("s", 0);
        check_size("s0", 0);
        check_size("s4095", 4095);
        check_size("s4097", 4097);
        check_size("s5k", 5120);
        check_size("s1k", 1024);
        check_size("s3m", 3 << 20);
        check_size("s2g", 2 << 30);
        check_size("s6000x", 6000);
        check_size("s6000kb", 6000);
        check_size("s6000K", 6000);
        check_size("s6000 k", 6000);
        check_size("s 9000", 0);
        check_size("sk", 0);
        check_size("s16777216", 16_777_216);
        check_size("s99999999999999999999999", u64::MAX);
        check_size("s99999999999999999999g", u64::MAX);
    }

    #[test]
    fn a_hold_has_a_size_and_a_cursor() {
        let hold = |size| Some((OsString::from("/a:b"), size));
        check("h50m:/a:b", Setting::Taken, |set| set.hold = hold(50 << 20));
        check("h0", Setting::Taken, |_| {});
        check("h0:/a", Setting::Taken, |_| {});
        check_refused(
            &["h", "h5", "h5:", "h:/a", "h5x:/a"],
            "h needs a size and a cursor file, such as h50m:/var/lib/logship/cursor",
        );
    }

    #[test]
    fn the_letters_of_the_family_take_well_formed_values_only() {
        check("l0", Setting::Taken, |set| set.margin = Some(0));
        check("l4k", Setting::Taken, |set| set.margin = Some(4096));
        check("r2000", Setting::Taken, |set| set.pause = Some(Duration::from_secs(2)));
        check("r0", Setting::Taken, |set| set.pause = Some(Duration::ZERO));
        check("wgz", Setting::Taken, |set| set.code = Some(b"gz".to_vec()));
        check("ws.zst", Setting::Taken, |set| set.code = Some(b"s.zst".to_vec()));
        check_refused(&["l", "l5x", "l5kb"], "l needs a size in bytes");
        check_refused(&["r", "r5s", "r5k"], "r needs milliseconds");
        check("S5m", Setting::Taken, |set| set.total_max = Some(5 << 20));
        check("S0", Setting::Taken, |_| {});
        check("N3", Setting::Taken, |set| set.number_min = Some(3));
        check("N0", Setting::Taken, |_| {});
        for (value, secs) in [("7", 7), ("7s", 7), ("7m", 420), ("7h", 25_200), ("7d", 604_800)] {
            let age = Some(Duration::from_secs(secs));
            check(&format!("k{value}"), Setting::Taken, |set| set.age_max = age);
            check(&format!("y{value}"), Setting::Taken, |set| set.sync_after = age);
        }
        check("k0d", Setting::Taken, |_| {});
        let hour = Duration::from_secs(3600);
        for (argument, rotation) in [
            ("R36h", RotateAfter::Age(hour * 36)),
            ("R@1h", RotateAfter::Aligned(hour)),
            ("R@1d", RotateAfter::Aligned(hour * 24)),
            ("R@48h", RotateAfter::Aligned(hour * 48)),
        ] {
            check(argument, Setting::Taken, |set| set.rotate_after = Some(rotation));
        }
        check("R0", Setting::Taken, |_| {});
        check("R@0", Setting::Taken, |_| {});
        check("q1m", Setting::Taken, |set| set.queue = Some((1 << 20, Overflow::HoldBack)));
        check("q0", Setting::Taken, |set| set.queue = Some((0, Overflow::HoldBack)));
        check("q5:drop", Setting::Taken, |set| set.queue = Some((5, Overflow::Drop)));
        check_refused(
            &["R", "R@", "R@36h", "R5w", "R@1h5"],
            "R needs an age, such as 7d; R@ a part of a day, or whole days",
        );
        check_refused(
            &["q", "q5:", "q:drop", "q5:hold"],
            "q needs a size in bytes, with or without :drop",
        );
        check("k99999999999999999999d", Setting::Taken, |set| {
            set.age_max = Some(Duration::from_secs(u64::MAX));
        });
        check_refused(&["S5x", "S5kb"], "S needs a size in bytes");
        check_refused(&["k", "k5w", "k5dd"], "k needs an age, such as 30d");
        check_refused(&["N", "N5k"], "N needs a number");
        check_refused(&["y", "y5w"], "y needs seconds");
        check("m", Setting::Taken, |set| set.makes_parents = true);
        check_refused(&["m1", "m.", "m/log"], "m takes no value");
        let long = format!("w{}", "x".repeat(CODE_MAX + 1));
        check_refused(
            &["w", "wa/b", "wu", "wu.gz", &long],
            "w needs the ending of finished files, without a slash and not u",
        );
        check_refused(&["E", "E5x", "E8193"], "E needs a size of up to 8192 bytes");
        check_refused(&["^", "^9k"], "^ needs a size of up to 8192 bytes");
        let long = format!("p{}", "x".repeat(PREFIX_MAX + 1));
        check_refused(&["p\n", &long], "p takes up to 200 bytes without a newline");
        for word in [
            "client", "Error", "log", "run", "S", "Some", "keep", "New", "yes", "", "a", "@",
            "main", "mail", "host", "home:a",
        ] {
            check(word, Setting::Unknown, |_| {});
        }
    }
}
