//! Finds the retention limits of a directory's running logger: from its reported state, else its
//! arguments, else its `config` file.

use crate::read::list::Directory;
use crate::read::reported::Reported;
use crate::read::writer::Writer;
use crate::settings::{NUMBER_DEFAULT, NUMBER_MIN, SIZE_DEFAULT, SIZE_MIN};
use crate::writer_state::Limits;
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

/// Bytes read from a `config` file.
const CONFIG_LEN_MAX: u64 = 64 * 1024;
/// svlogd's defaults without `config`.
const SVLOGD: Limits = Limits { size: Some(1_000_000), number: Some(11), total: None, age: None };

/// Retention limits in force. `None` if no logger runs, or if an unsupported logger runs: only
/// multilog, s6-log and svlogd are supported.
pub fn limits(
    directory: &Directory,
    writer: Option<Writer>,
    reported: &Reported,
) -> Option<Limits> {
    if let Some(state) = &reported.state {
        return Some(state.limits);
    }
    let Some(Writer::Running(Some(pid))) = writer else { return None };
    let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let mut arguments = command.split(|&byte| byte == 0);
    let program = Path::new(OsStr::from_bytes(arguments.next()?)).file_name()?;
    match program.as_bytes() {
        b"multilog" | b"s6-log" => {
            let is_s6 = program == "s6-log";
            of_script(arguments, is_s6, |dir| is_same(dir, directory.path()))
        }
        b"svlogd" => Some(of_config(&config(directory))),
        _ => None,
    }
}

/// Reads arguments of multilog and s6-log: `s`, `n` and `S` apply to later directories.
fn of_script<'a>(
    arguments: impl Iterator<Item = &'a [u8]>,
    is_s6: bool,
    is_it: impl Fn(&Path) -> bool,
) -> Option<Limits> {
    let mut limits =
        Limits { size: Some(SIZE_DEFAULT), number: Some(NUMBER_DEFAULT), ..Limits::default() };
    if is_s6 {
        // s6-log keeps `n` archives plus `current`.
        limits.number = Some(NUMBER_DEFAULT + 1);
    }
    for argument in arguments {
        match argument {
            [b's', number @ ..] => limits.size = Some(parse(number).max(SIZE_MIN)),
            [b'n', number @ ..] if is_s6 => limits.number = Some(parse(number).saturating_add(1)),
            [b'n', number @ ..] => limits.number = Some(parse(number).max(NUMBER_MIN)),
            [b'S', number @ ..] if is_s6 => {
                limits.total = Some(parse(number)).filter(|&total| total > 0)
            }
            [b'.' | b'/', ..] if is_it(Path::new(OsStr::from_bytes(argument))) => {
                return Some(limits);
            }
            _ => {}
        }
    }
    None
}

/// Leading digits, like 0.76; 0 without digits.
fn parse(number: &[u8]) -> u64 {
    let digits = number.iter().take_while(|digit| digit.is_ascii_digit());
    digits.fold(0, |number: u64, digit| {
        number.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
    })
}

/// True if a logger's argument, relative to an unknown working directory, ends like this path.
fn is_same(argument: &Path, path: &Path) -> bool {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let argument = argument.canonicalize().unwrap_or_else(|_| argument.to_owned());
    let normal = |component: &Component| matches!(component, Component::Normal(_));
    let named: Vec<_> = argument.components().filter(normal).collect();
    let parts: Vec<_> = path.components().filter(normal).collect();
    parts.ends_with(&named)
}

fn config(directory: &Directory) -> String {
    let mut text = Vec::new();
    if let Ok(file) = directory.open_file(b"config") {
        let _ = file.take(CONFIG_LEN_MAX).read_to_end(&mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Reads svlogd's `config`: `n` archives plus `current`.
fn of_config(config: &str) -> Limits {
    let mut limits = SVLOGD;
    for line in config.lines() {
        match line.as_bytes() {
            [b's', number @ ..] => limits.size = Some(parse(number)).filter(|&size| size > 0),
            [b'n', number @ ..] => {
                let number = parse(number);
                limits.number = (number > 0).then(|| number.saturating_add(1));
            }
            _ => {}
        }
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(arguments: &str, is_s6: bool, dir: &str, expected: Option<(u64, u64)>) {
        let words = arguments.split(' ').map(str::as_bytes);
        let limits = of_script(words, is_s6, |argument| is_same(argument, Path::new(dir)));
        let pair = limits.map(|limits| (limits.size.unwrap_or(0), limits.number.unwrap_or(0)));
        assert_eq!(pair, expected, "{arguments}");
    }

    #[test]
    fn settings_hold_for_the_directories_after_them() {
        let script = "t s1000000 n20 ./main -* s100 n1x /log/alert";
        check(script, false, "/sv/log/main", Some((1_000_000, 20)));
        check(script, false, "/log/alert", Some((4096, 2)));
        check(script, false, "/sv/log/other", None);
        check("t ./d", false, "/x/d", Some((99_999, 10)));
        check("n20 s1000000 t /d", true, "/d", Some((1_000_000, 21)));
    }

    #[test]
    fn svlogd_has_a_file_and_defaults() {
        let limits = of_config("# text\ns4096\nn3\n");
        assert_eq!((limits.size, limits.number), (Some(4096), Some(4)));
        assert_eq!(of_config(""), SVLOGD);
        assert_eq!(of_config("n0").number, None);
    }
}
