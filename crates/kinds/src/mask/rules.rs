//! The rules of masking, in order. Each is a pure function of a line and a position.

use std::net::Ipv6Addr;
use std::ops::Range;

/// A rule: what it matches, and what the kind has there.
#[derive(Debug)]
pub struct Rule {
    /// The bytes replaced, if the rule matches at a position. Bytes from the position to the start of
    /// the range are copied.
    pub find: fn(&[u8], usize) -> Option<Range<usize>>,
    /// What the kind has instead.
    pub becomes: &'static [u8],
    /// The range is an IP or mail address.
    pub is_address: bool,
}

const fn rule(find: fn(&[u8], usize) -> Option<Range<usize>>, becomes: &'static [u8]) -> Rule {
    Rule { find, becomes, is_address: false }
}

const fn address(find: fn(&[u8], usize) -> Option<Range<usize>>, becomes: &'static [u8]) -> Rule {
    Rule { find, becomes, is_address: true }
}

/// All rules; the first that matches counts.
pub const RULES: [Rule; 12] = [
    rule(quoted, b"\"*\""),
    address(bracketed_mail, b"{mail}"),
    rule(url, b"{url}"),
    rule(path, b"{path}"),
    address(mail, b"{mail}"),
    rule(name, b"{name}"),
    address(ip_v6, b"{ip}"),
    address(ip_v4, b"{ip}"),
    rule(host, b"{host}"),
    rule(uuid, b"#"),
    rule(id, b"#"),
    rule(number, b"#"),
];

/// Folders whose contents vary.
const VARYING: [&[u8]; 9] = [
    b"/home/",
    b"/tmp/",
    b"/var/tmp/",
    b"/var/spool/",
    b"/var/lib/",
    b"/run/",
    b"/srv/",
    b"/mnt/",
    b"/proc/",
];
/// What a name of a user follows after.
const KEYS: [&[u8]; 5] =
    [b"for user ", b"nvalid user ", b"authenticating user ", b" user=", b"from user "];
/// Digits and letters of an identifier, at least.
const HEX_LEN_MIN: usize = 6;
/// Least length of an identifier of any letters and digits; shorter ones may be words such as `ext4`.
const MIXED_LEN_MIN: usize = 8;
/// Length of a UUID's text.
const UUID_LEN: usize = 36;
/// Longest text of an IPv6 address.
const IP_V6_LEN_MAX: usize = 45;

fn is_alnum(line: &[u8], pos: usize) -> bool {
    line.get(pos).is_some_and(u8::is_ascii_alphanumeric)
}

/// True if the byte before is no letter or digit.
fn is_start(line: &[u8], pos: usize) -> bool {
    pos == 0 || !is_alnum(line, pos - 1)
}

/// End of the bytes from `pos` on that pass.
fn end_of(line: &[u8], pos: usize, passes: impl Fn(u8) -> bool) -> usize {
    line[pos..].iter().position(|&byte| !passes(byte)).map_or(line.len(), |len| pos + len)
}

/// Text in double quotes, unless it is the name of a JSON field.
fn quoted(line: &[u8], pos: usize) -> Option<Range<usize>> {
    // A quote after a letter or another quote ends a text.
    let is_open = is_start(line, pos) && (pos == 0 || line[pos - 1] != b'"');
    if line[pos] != b'"' || !is_open {
        return None;
    }
    let mut end = pos + 1;
    while *line.get(end)? != b'"' {
        end += if line[end] == b'\\' { 2 } else { 1 };
    }
    let is_field = line.get(end + 1) == Some(&b':');
    (end > pos + 1 && !is_field).then(|| pos..end + 1)
}

/// `<user@host>`, with any local part.
fn bracketed_mail(line: &[u8], pos: usize) -> Option<Range<usize>> {
    if line[pos] != b'<' {
        return None;
    }
    let end = end_of(line, pos + 1, |byte| byte.is_ascii_graphic() && byte != b'<' && byte != b'>');
    let has_at = memchr::memchr(b'@', &line[pos + 1..end]).is_some();
    (has_at && line.get(end) == Some(&b'>')).then(|| pos + 1..end)
}

/// What follows after `://`.
fn url(line: &[u8], pos: usize) -> Option<Range<usize>> {
    if pos == 0 || !is_alnum(line, pos - 1) || !line[pos..].starts_with(b"://") {
        return None;
    }
    let start = pos + 3;
    let end = end_of(line, start, |byte| !b" \t\"'<>()[]{},;".contains(&byte));
    (end > start).then_some(start..end)
}

/// The rest of a path below a folder whose contents vary.
fn path(line: &[u8], pos: usize) -> Option<Range<usize>> {
    if line[pos] != b'/' || !is_start(line, pos) {
        return None;
    }
    let top = VARYING.iter().find(|top| line[pos..].starts_with(top))?;
    let start = pos + top.len();
    let end = end_of(line, start, |byte| !b" \t\"'<>()[]{},;:".contains(&byte));
    (end > start).then_some(start..end)
}

fn is_of_local_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._+-".contains(&byte)
}

/// `user@host`, without brackets.
fn mail(line: &[u8], pos: usize) -> Option<Range<usize>> {
    if !is_of_local_part(line[pos]) || (pos > 0 && is_of_local_part(line[pos - 1])) {
        return None;
    }
    let at = end_of(line, pos, is_of_local_part);
    if line.get(at) != Some(&b'@') {
        return None;
    }
    let mut end =
        end_of(line, at + 1, |byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    while end > at + 1 && !is_alnum(line, end - 1) {
        end -= 1;
    }
    (end > at + 1).then_some(pos..end)
}

/// True directly after a key of names.
pub fn is_after_key(line: &[u8], pos: usize) -> bool {
    let is_possible = pos > 0 && (line[pos - 1] == b' ' || line[pos - 1] == b'=');
    is_possible && KEYS.iter().any(|key| line[..pos].ends_with(key))
}

/// The name of a user.
fn name(line: &[u8], pos: usize) -> Option<Range<usize>> {
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !is_of_name(line[pos]) || !is_after_key(line, pos) {
        return None;
    }
    Some(pos..end_of(line, pos, is_of_name))
}

/// An IPv6 or MAC address.
fn ip_v6(line: &[u8], pos: usize) -> Option<Range<usize>> {
    let is_part = |byte: u8| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.';
    if !is_part(line[pos]) || line[pos] == b'.' || !is_start(line, pos) {
        return None;
    }
    if pos > 0 && is_part(line[pos - 1]) {
        return None;
    }
    let mut end = end_of(line, pos, is_part);
    while end > pos && line[end - 1] == b'.'
        || line[pos..end].ends_with(b":") && !line[pos..end].ends_with(b"::")
    {
        end -= 1;
    }
    let text = &line[pos..end];
    let colon_count = memchr::memchr_iter(b':', text).count();
    if colon_count < 2 || text.len() > IP_V6_LEN_MAX || is_alnum(line, end) {
        return None;
    }
    let is_mac = text.len() == 17
        && text.chunks(3).all(|part| {
            part[..2].iter().all(u8::is_ascii_hexdigit)
                && part.get(2).is_none_or(|&byte| byte == b':')
        });
    let is_address =
        text.len() > 2 && str::from_utf8(text).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok());
    (is_mac || is_address).then_some(pos..end)
}

/// Four numbers of at most three digits.
fn ip_v4(line: &[u8], pos: usize) -> Option<Range<usize>> {
    let is_inside = pos > 1 && line[pos - 1] == b'.' && line[pos - 2].is_ascii_digit();
    if !line[pos].is_ascii_digit() || !is_start(line, pos) || is_inside {
        return None;
    }
    let mut end = pos;
    for part in 0..4 {
        if part > 0 {
            if line.get(end) != Some(&b'.') {
                return None;
            }
            end += 1;
        }
        let start = end;
        end = end_of(line, start, |byte| byte.is_ascii_digit());
        if !(1..=3).contains(&(end - start)) {
            return None;
        }
    }
    let goes_on = line.get(end) == Some(&b'.') && line.get(end + 1).is_some_and(u8::is_ascii_digit);
    (!is_alnum(line, end) && !goes_on).then_some(pos..end)
}

/// A name of a host: at least three labels, the last of letters.
fn host(line: &[u8], pos: usize) -> Option<Range<usize>> {
    let is_inside = pos > 0 && b".-".contains(&line[pos - 1]);
    if !is_alnum(line, pos) || !is_start(line, pos) || is_inside {
        return None;
    }
    let mut end = end_of(line, pos, |byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    while end > pos && !is_alnum(line, end - 1) {
        end -= 1;
    }
    let mut labels = line[pos..end].rsplit(|&byte| byte == b'.');
    let last = labels.next()?;
    let count = 1 + labels.clone().count();
    let is_host = count >= 3
        && last.len() >= 2
        && last.iter().all(u8::is_ascii_alphabetic)
        && labels.all(|label| !label.is_empty());
    is_host.then_some(pos..end)
}

/// Hexadecimal digits in groups of 8, 4, 4, 4 and 12.
fn uuid(line: &[u8], pos: usize) -> Option<Range<usize>> {
    let text = line.get(pos..pos + UUID_LEN)?;
    let is_uuid = text.iter().enumerate().all(|(number, byte)| match number {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    let has_digit = text.iter().any(u8::is_ascii_digit);
    let is_apart = is_start(line, pos) && !is_alnum(line, pos + UUID_LEN);
    (is_uuid && has_digit && is_apart).then_some(pos..pos + UUID_LEN)
}

/// An identifier: hexadecimal digits, or letters and digits in turn.
fn id(line: &[u8], pos: usize) -> Option<Range<usize>> {
    if !is_alnum(line, pos) || !is_start(line, pos) {
        return None;
    }
    let end = end_of(line, pos, |byte| byte.is_ascii_alphanumeric());
    let word = &line[pos..end];
    if !word.iter().any(u8::is_ascii_digit) {
        return None;
    }
    let digits = word.strip_prefix(b"0x").unwrap_or(word);
    let is_hex = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    let is_long = digits.len() >= HEX_LEN_MIN || digits.len() < word.len();
    let turns = word.windows(2).filter(|two| two[0].is_ascii_digit() != two[1].is_ascii_digit());
    let is_mixed = word.len() >= MIXED_LEN_MIN && turns.count() >= 2;
    (is_hex && is_long || is_mixed).then_some(pos..end)
}

/// Digits, also within a word.
fn number(line: &[u8], pos: usize) -> Option<Range<usize>> {
    let end = end_of(line, pos, |byte| byte.is_ascii_digit());
    (end > pos).then_some(pos..end)
}
