//! Mails a report through sendmail(8).

use ::logdir::failure::reason;
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::io::{self, Seek, Write};
use std::process::{Command, ExitStatus};

/// Programs in the order in which they are tried; folders of administrators are not in every `PATH`.
const PROGRAMS: [&str; 4] =
    ["sendmail", "/usr/sbin/sendmail", "/usr/lib/sendmail", "/var/qmail/bin/sendmail"];
/// Longest address, by RFC 5321.
const ADDRESS_LEN_MAX: usize = 254;
/// What an address has besides letters and digits.
const MARKS: &[u8] = b"!#$%&'*+-./=?@^_{}~";
/// Columns of a mail.
pub const WIDTH: usize = 78;

/// Checks an address, which becomes an argument and part of a header.
pub fn check(address: &str) -> Result<(), String> {
    // A leading dash is an option, a bar or a slash a program or file for some sendmails.
    let is_sound = address.len() <= ADDRESS_LEN_MAX
        && address.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
        && address.bytes().all(|byte| byte.is_ascii_alphanumeric() || MARKS.contains(&byte));
    is_sound.then_some(()).ok_or_else(|| format!("unable to mail to {address}: not an address"))
}

/// Sends a text and waits for sendmail. `Err` is a sentence.
pub fn send(address: &str, subject: &str, body: &str) -> Result<(), String> {
    let failed =
        |program: &str, why: &str| format!("unable to mail to {address}: {program}: {why}");
    let mail = mail(address, subject, body);
    for program in PROGRAMS {
        match run(program, address, &mail) {
            Ok(status) if status.success() => return Ok(()),
            Ok(status) => return Err(failed(program, &status.to_string())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(program, &reason(&error))),
        }
    }
    Err(failed("sendmail", "not found in PATH, /usr/sbin, /usr/lib or /var/qmail/bin"))
}

/// Runs sendmail with the mail as its input: a file, so a program that does not read it is no failure here.
fn run(program: &str, address: &str, mail: &str) -> io::Result<ExitStatus> {
    let mut input = File::from(memfd_create("mail", MFdFlags::MFD_CLOEXEC)?);
    input.write_all(mail.as_bytes())?;
    input.rewind()?;
    Command::new(program).args(["-i", "--", address]).stdin(input).status()
}

/// Header and body. Sendmail adds sender, date and identifier.
fn mail(address: &str, subject: &str, body: &str) -> String {
    let subject: String = subject.chars().filter(|char| matches!(char, ' '..='~')).collect();
    format!(
        "To: {address}\nSubject: {subject}\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\n\
         Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{body}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_no_option_no_header_and_no_list() {
        for address in ["root", "a@example.org", "a+b/c=d@x.org"] {
            assert_eq!(check(address), Ok(()), "{address}");
        }
        let long = "a".repeat(ADDRESS_LEN_MAX + 1);
        for address in ["", "-t", "a@b\nBcc: c@d", "a b", "\u{e4}@b", "a,b", "|sh", "/x", &long] {
            assert!(check(address).is_err(), "{address}");
        }
    }

    #[test]
    fn a_subject_stays_a_line() {
        let text = mail("root", "a\nBcc: b\r\u{202e}", "body\n");
        assert!(text.starts_with("To: root\nSubject: aBcc: b\nAuto-"), "{text}");
    }
}
