//! Facility and severity: numbers, names, and the combined PRI (RFC 5424 section 6.2.1).

use crate::buffer::append_decimal;
use std::fmt;

/// Largest PRI: facility 23, severity 7.
const PRI_MAX: u8 = 191;

/// Names by number, from syslog.h; 12 to 15, absent there, are named after RFC 5424's table.
const FACILITY_NAMES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];
/// Additional syslog.h names.
const FACILITY_ALIASES: [(&str, u8); 1] = [("security", 4)];
const SEVERITY_ALIASES: [(&str, Severity); 4] = [
    ("panic", Severity::Emerg),
    ("error", Severity::Err),
    ("warn", Severity::Warning),
    ("information", Severity::Info),
];

/// Kind of sending program, 0 to 23.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Facility(u8);

impl Facility {
    /// `kern`, 0.
    pub const KERN: Facility = Facility(0);
    /// `user`, 1.
    pub const USER: Facility = Facility(1);
    /// `daemon`, 3.
    pub const DAEMON: Facility = Facility(3);
    /// `local0`, 16.
    pub const LOCAL0: Facility = Facility(16);

    /// Facility by number; `None` beyond 23.
    pub fn from_number(number: u8) -> Option<Facility> {
        (usize::from(number) < FACILITY_NAMES.len()).then_some(Facility(number))
    }

    /// Facility by lower-case name; `security` means `auth`.
    pub fn from_name(name: &str) -> Option<Facility> {
        let by_name = FACILITY_NAMES.iter().position(|known| *known == name);
        let alias = || FACILITY_ALIASES.iter().find(|(alias, _)| *alias == name);
        let number = by_name.map(|pos| pos as u8).or_else(|| alias().map(|(_, number)| *number))?;
        Some(Facility(number))
    }

    /// Number, 0 to 23.
    pub fn number(self) -> u8 {
        self.0
    }

    /// Name, such as `local0`.
    pub fn name(self) -> &'static str {
        FACILITY_NAMES[usize::from(self.0)]
    }
}

/// Message severity. The most serious, `Emerg`, is smallest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// 0: system unusable.
    Emerg,
    /// 1: act at once.
    Alert,
    /// 2: critical.
    Crit,
    /// 3: error.
    Err,
    /// 4: warning.
    Warning,
    /// 5: normal but significant.
    Notice,
    /// 6: informational.
    Info,
    /// 7: for debugging.
    Debug,
}

impl Severity {
    /// All severities by number.
    pub const ALL: [Severity; 8] = [
        Severity::Emerg,
        Severity::Alert,
        Severity::Crit,
        Severity::Err,
        Severity::Warning,
        Severity::Notice,
        Severity::Info,
        Severity::Debug,
    ];

    /// Severity by number; `None` beyond 7.
    pub fn from_number(number: u8) -> Option<Severity> {
        Severity::ALL.get(usize::from(number)).copied()
    }

    /// Severity by lower-case name; also accepts syslog.h's old names (`panic`, `error`, `warn`).
    pub fn from_name(name: &str) -> Option<Severity> {
        let by_name = Severity::ALL.into_iter().find(|severity| severity.name() == name);
        let alias = || SEVERITY_ALIASES.iter().find(|(alias, _)| *alias == name);
        by_name.or_else(|| alias().map(|(_, severity)| *severity))
    }

    /// Number, 0 to 7.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Name, such as `warning`.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Emerg => "emerg",
            Severity::Alert => "alert",
            Severity::Crit => "crit",
            Severity::Err => "err",
            Severity::Warning => "warning",
            Severity::Notice => "notice",
            Severity::Info => "info",
            Severity::Debug => "debug",
        }
    }
}

/// Facility and severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pri {
    /// Kind of sending program.
    pub facility: Facility,
    /// Message severity.
    pub severity: Severity,
}

impl Pri {
    /// Default without a valid PRI: `user.notice`, 13 (RFC 3164 section 4.3.3).
    pub const DEFAULT: Pri = Pri { facility: Facility::USER, severity: Severity::Notice };

    /// PRI by number; `None` beyond 191.
    pub fn from_number(number: u8) -> Option<Pri> {
        let facility = Facility::from_number(number / 8)?;
        Some(Pri { facility, severity: Severity::from_number(number % 8)? })
    }

    /// Facility · 8 + severity, 0 to 191.
    pub fn number(self) -> u8 {
        self.facility.number() * 8 + self.severity.number()
    }

    /// Parses dotted names, such as `daemon.info`.
    pub fn from_names(names: &str) -> Option<Pri> {
        let (facility, severity) = names.split_once('.')?;
        let facility = Facility::from_name(facility)?;
        Some(Pri { facility, severity: Severity::from_name(severity)? })
    }

    /// Parses a leading `<N>`; also returns the following bytes. N is 0 to 191 without leading zero
    /// (RFC 5424 section 6.2.1); otherwise `None`.
    pub fn parse(bytes: &[u8]) -> Option<(Pri, &[u8])> {
        let digits_and_rest = bytes.strip_prefix(b"<")?;
        let digit_count = digits_and_rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = digits_and_rest.split_at(digit_count);
        let rest = rest.strip_prefix(b">")?;
        if !(1..=3).contains(&digit_count) || (digit_count > 1 && digits[0] == b'0') {
            return None;
        }
        let number = digits.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        let number = u8::try_from(number).ok().filter(|number| *number <= PRI_MAX)?;
        Some((Pri::from_number(number)?, rest))
    }

    /// Appends `<N>`.
    pub fn append_to(self, output: &mut Vec<u8>) {
        output.push(b'<');
        append_decimal(self.number().into(), output);
        output.push(b'>');
    }
}

/// Writes dotted names, as `local0.notice`.
impl fmt::Display for Pri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.facility.name(), self.severity.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &str, expected: Option<(&str, &str)>) {
        let parsed = Pri::parse(bytes.as_bytes());
        let parsed = parsed.map(|(pri, rest)| (pri.to_string(), str::from_utf8(rest).unwrap()));
        assert_eq!(parsed.as_ref().map(|(pri, rest)| (pri.as_str(), *rest)), expected, "{bytes:?}");
    }

    #[test]
    fn pri_is_a_number_from_0_to_191_without_leading_zero() {
        check("<0>x", Some(("kern.emerg", "x")));
        check("<13>", Some(("user.notice", "")));
        // A public document's table calls this local0.info.
        check("<133>1 -", Some(("local0.notice", "1 -")));
        check("<191>", Some(("local7.debug", "")));
        for invalid in
            ["", "x", "<", "<>", "<>x", "<1", "<192>", "<256>", "<999>x", "<1234>", "<00>"]
        {
            check(invalid, None);
        }
        for invalid in ["<013>x", "<-1>", "< 13>", "<13 >", "<1a>", "13>x", " <13>x"] {
            check(invalid, None);
        }
    }

    #[test]
    fn every_number_has_names_and_they_lead_back() {
        for number in 0..=u8::MAX {
            let Some(pri) = Pri::from_number(number) else {
                assert!(number > PRI_MAX);
                continue;
            };
            assert_eq!(pri.number(), number);
            assert_eq!(Pri::from_names(&pri.to_string()), Some(pri));
            let mut text = Vec::new();
            pri.append_to(&mut text);
            assert_eq!(Pri::parse(&text), Some((pri, &b""[..])));
        }
    }

    #[test]
    fn old_names_are_known() {
        let named = |names| Pri::from_names(names).map(|pri| pri.to_string());
        assert_eq!(named("security.panic").as_deref(), Some("auth.emerg"));
        assert_eq!(named("user.error").as_deref(), Some("user.err"));
        assert_eq!(named("user.warn").as_deref(), Some("user.warning"));
        for unknown in
            ["", ".", "user", "user.", ".info", "User.info", "user.info.x", "local8.info"]
        {
            assert_eq!(named(unknown), None, "{unknown}");
        }
    }
}
