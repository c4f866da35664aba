//! socklog's message prefix, `local2.notice: `, so patterns written for socklog still match.
//! Measured with socklog 2.1.0, which writes no prefix without a PRI.

use crate::syslog::{Pri, Severity};

/// Facilities that socklog calls `unknown`: syslog.h lacks names.
const UNNAMED: std::ops::RangeInclusive<u8> = 12..=15;

/// Appends the prefix `facility.severity: `; appends nothing without a valid PRI.
pub fn append_prefix(pri: Option<Pri>, output: &mut Vec<u8>) {
    let Some(pri) = pri else { return };
    output.extend_from_slice(facility_name(pri).as_bytes());
    output.push(b'.');
    output.extend_from_slice(severity_name(pri.severity).as_bytes());
    output.extend_from_slice(b": ");
}

fn facility_name(pri: Pri) -> &'static str {
    if UNNAMED.contains(&pri.facility.number()) { "unknown" } else { pri.facility.name() }
}

fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Warning => "warn",
        Severity::Emerg
        | Severity::Alert
        | Severity::Crit
        | Severity::Err
        | Severity::Notice
        | Severity::Info
        | Severity::Debug => severity.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(number: u8, expected: &str) {
        let mut output = Vec::new();
        append_prefix(Pri::from_number(number), &mut output);
        assert_eq!(str::from_utf8(&output), Ok(expected));
    }

    #[test]
    fn prefixes_are_those_of_socklog() {
        let severities = ["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"];
        for (number, severity) in (0..).zip(severities) {
            check(number, &format!("kern.{severity}: "));
            check(96 + number, &format!("unknown.{severity}: "));
            check(184 + number, &format!("local7.{severity}: "));
        }
        check(32, "auth.emerg: ");
        check(80, "authpriv.emerg: ");
        check(133, "local0.notice: ");
        check(192, "");
    }
}
