//! A message as one line of a log, and the name of its directory.
//!
//! The sender's text is never replaced: control bytes become `\xHH`, a newline inside a message `\x0a`, so
//! one message is one line. Parsing decides about the prefix and the directory only.

pub use super::names::OTHER;
use super::names::{Mappings, name};
use super::peer::Credentials;
use std::io::Write as _;
use wire::socklog;
use wire::syslog::{Message, Pri, Sender, append_hex, parse, without_trailer};

/// Where a message came from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Address of another machine or of this one, in text; `None` for a unix socket.
    pub address: Option<&'a [u8]>,
    /// Name in the certificate that the sender has shown.
    pub certified: Option<&'a [u8]>,
    /// The sending process, if it is wanted.
    pub credentials: Option<Credentials>,
    /// Name of this machine.
    pub hostname: &'a [u8],
}

impl<'a> Origin<'a> {
    /// The sending machine: its certificate counts more than its address, which may change.
    pub fn machine(&self) -> &'a [u8] {
        self.certified.or(self.address).unwrap_or(self.hostname)
    }

    /// Parses a message from here.
    pub fn parse(&self, message: &'a [u8]) -> Message<'a> {
        match self.address {
            Some(_) => parse(message, Sender::Remote),
            None => parse(message, Sender::Local { hostname: self.hostname }),
        }
    }
}

/// Directories of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum By {
    /// A directory for each program
    Program,
    /// A directory for each sending machine
    Host,
    /// For each sending machine a directory with one for each program
    #[value(name = "host/program")]
    HostProgram,
    /// One directory
    One,
}

/// Appends the message as one line, with socklog's prefix: `local2.notice: ADDRESS: rest`.
pub fn append(origin: &Origin<'_>, message: &[u8], line: &mut Vec<u8>) {
    let message = without_trailer(message);
    let (pri, rest) = match Pri::parse(message) {
        Some((pri, rest)) => (Some(pri), rest),
        None => (None, message),
    };
    socklog::append_prefix(pri, line);
    if let Some(address) = origin.address {
        line.extend_from_slice(address);
        line.extend_from_slice(b": ");
    }
    if let Some(Credentials { pid, uid }) = origin.credentials {
        // Writing to memory cannot fail.
        let _ = write!(line, "pid={pid} uid={uid}: ");
    }
    append_text(rest, line);
    line.push(b'\n');
}

/// Appends a further piece of a message that is longer than the limit: a line of its own.
pub fn append_piece(piece: &[u8], line: &mut Vec<u8>) {
    append_text(without_trailer(piece), line);
    line.push(b'\n');
}

/// Path of the directory, relative to the root, for a message. `trusts_host`: the name in the message counts
/// instead of the certificate or the address it came from. `mappings`: directories of programs with several spellings.
pub fn directory(
    by: By,
    origin: &Origin<'_>,
    message: &[u8],
    trusts_host: bool,
    mappings: &Mappings,
) -> String {
    if by == By::One {
        return "main".to_owned();
    }
    let parsed = origin.parse(message);
    let claimed = parsed.host.filter(|_| trusts_host);
    let host = || name(claimed.unwrap_or_else(|| origin.machine()));
    let directory = |program: &[u8]| mappings.directory(program).unwrap_or_else(|| name(program));
    let program = || parsed.program.map_or_else(|| OTHER.to_owned(), directory);
    match by {
        By::Program => program(),
        By::Host => host(),
        By::HostProgram => format!("{}/{}", host(), program()),
        By::One => "main".to_owned(),
    }
}

/// Appends text on one line: control bytes but TAB become `\xHH`.
pub fn append_text(text: &[u8], line: &mut Vec<u8>) {
    let is_control = |byte: u8| (byte < b' ' && byte != b'\t') || byte == 0x7f;
    let mut rest = text;
    while let Some(pos) = rest.iter().position(|&byte| is_control(byte)) {
        line.extend_from_slice(&rest[..pos]);
        append_hex(rest[pos], line);
        rest = &rest[pos + 1..];
    }
    line.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: Origin<'static> =
        Origin { address: None, certified: None, credentials: None, hostname: b"vm" };
    const REMOTE: Origin<'static> = Origin { address: Some(b"192.0.2.1"), ..LOCAL };

    fn no_mappings() -> Mappings {
        Mappings::new(&[]).expect("none is wrong")
    }

    #[track_caller]
    fn check(origin: &Origin<'_>, message: &[u8], expected: &str) {
        let mut line = Vec::new();
        append(origin, message, &mut line);
        assert_eq!(line.escape_ascii().to_string(), format!("{expected}\\n"), "{message:?}");
    }

    #[test]
    fn a_message_is_one_line_with_the_prefix_of_socklog() {
        check(&LOCAL, b"<13>Nov 26 17:40:08 tag: x", "user.notice: Nov 26 17:40:08 tag: x");
        check(&LOCAL, b"<147>a[1]: two\nlines\ttab\n", "local2.err: a[1]: two\\\\x0alines\\ttab");
        check(&REMOTE, b"<12>python\0", "user.warn: 192.0.2.1: python");
        check(&REMOTE, b"no pri <13>", "192.0.2.1: no pri <13>");
        check(&LOCAL, b"\x1b[31m\xe9\x7f\r", "\\\\x1b[31m\\xe9\\\\x7f\\\\x0d");
        check(&LOCAL, b"", "");
        check(&LOCAL, b"<999>x", "<999>x");
        let known = Origin { credentials: Some(Credentials { pid: 7, uid: 1000 }), ..LOCAL };
        check(&known, b"<13>a[9]: x", "user.notice: pid=7 uid=1000: a[9]: x");
    }

    #[test]
    fn a_directory_is_named_after_the_sender() {
        let message = b"<13>1 2026-11-26T17:40:08Z a.example.org tag - - - text";
        for (by, trusts, expected) in [
            (By::Program, false, "tag"),
            (By::Host, false, "192.0.2.1"),
            (By::Host, true, "a.example.org"),
            (By::HostProgram, false, "192.0.2.1/tag"),
            (By::One, true, "main"),
        ] {
            assert_eq!(directory(by, &REMOTE, message, trusts, &no_mappings()), expected);
        }
        let certified = Origin { certified: Some(b"web7.example.org"), ..REMOTE };
        let found = directory(By::HostProgram, &certified, message, false, &no_mappings());
        assert_eq!(found, "web7.example.org/tag");
        assert_eq!(directory(By::HostProgram, &LOCAL, b"raw", false, &no_mappings()), "vm/other");
    }
}
