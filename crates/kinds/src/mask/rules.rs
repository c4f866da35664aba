//! The rules of masking, in order. Each is a pure function of a line and a position.

use std::net::Ipv6Addr;
use std::ops::Range;

/// A rule: bytes to match, and their replacement in the kind.
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
pub static RULES: [Rule; 15] = [
    rule(quoted, b"\"*\""),
    address(bracketed_mail, b"{mail}"),
    rule(bracketed, b"*"),
    rule(url, b"{url}"),
    rule(path, b"{path}"),
    address(mail, b"{mail}"),
    rule(name, b"{name}"),
    address(ip_v6, b"{ip}"),
    address(ip_v4, b"{ip}"),
    rule(host, b"{host}"),
    rule(date, b"#"),
    rule(uuid, b"#"),
    rule(base64, b"#"),
    rule(id, b"#"),
    rule(number, b"#"),
];

/// Rules, a bit for each in the order of [`RULES`].
pub type RuleSet = u16;

pub const QUOTED: RuleSet = 1 << 0;
pub const BRACKETED_MAIL: RuleSet = 1 << 1;
pub const BRACKETED: RuleSet = 1 << 2;
pub const URL: RuleSet = 1 << 3;
pub const PATH: RuleSet = 1 << 4;
pub const MAIL: RuleSet = 1 << 5;
pub const NAME: RuleSet = 1 << 6;
pub const IP_V6: RuleSet = 1 << 7;
pub const IP_V4: RuleSet = 1 << 8;
pub const HOST: RuleSet = 1 << 9;
pub const DATE: RuleSet = 1 << 10;
pub const UUID: RuleSet = 1 << 11;
pub const BASE64: RuleSet = 1 << 12;
pub const ID: RuleSet = 1 << 13;
pub const NUMBER: RuleSet = 1 << 14;

/// The first rule of a set that matches at a position, and the bytes that it replaces.
pub fn first(set: RuleSet, line: &[u8], pos: usize) -> Option<(&'static Rule, Range<usize>)> {
    let mut left = set;
    while left != 0 {
        let rule = &RULES[left.trailing_zeros() as usize];
        if let Some(range) = (rule.find)(line, pos) {
            return Some((rule, range));
        }
        left &= left - 1;
    }
    None
}

/// Folders whose contents vary.
const VARYING: [&[u8]; 10] = [
    b"/home/",
    b"/tmp/",
    b"/var/tmp/",
    b"/var/spool/",
    b"/var/lib/",
    b"/var/www/",
    b"/run/",
    b"/srv/",
    b"/mnt/",
    b"/proc/",
];
/// What a name of a user or client follows after, by its last bytes. [`is_after_key`] knows them.
const KEYS_SER: [&[u8]; 5] =
    [b"for user ", b"nvalid user ", b"authenticating user ", b"from user ", b"]: User "];
const KEYS_FOR: [&[u8]; 2] = [b"assword for ", b"ublickey for "];
const KEYS_EQUALS: [&[u8]; 3] = [b" user=", b"ruser=", b"username="];
/// Letters of a month or day in a date.
pub const DATE_WORD_LEN: usize = 3;
/// Digits and letters of an identifier, at least.
pub const HEX_LEN_MIN: usize = 6;
/// The least length without digits: shorter ones are words such as `facade` and `defaced`.
const HEX_LETTERS_LEN_MIN: usize = 8;
/// The least length of an identifier without vowels.
const CONSONANTS_LEN_MIN: usize = 10;
/// The least length of text in Base64.
pub const BASE64_LEN_MIN: usize = 16;
/// A fingerprint of a key in Base64 follows after this, as OpenSSH writes it.
const FINGERPRINT: &[u8] = b"SHA256:";
/// Network interfaces of containers begin so.
const VETH: &[u8] = b"veth";
/// Least length of an identifier of any letters and digits; shorter ones may be words such as `ext4`.
pub const MIXED_LEN_MIN: usize = 8;
/// Hexadecimal digits of a value after `=`, at least.
pub const VALUE_LEN_MIN: usize = 4;
/// Length of a UUID's text.
const UUID_LEN: usize = 36;
/// Six pairs of digits with colons.
const MAC_LEN_MIN: usize = 17;
/// Colons of a MAC address; an IPv6 address without `::` has more.
const COLONS_MIN: usize = 5;
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

/// A value in brackets without spaces: after `=`, `)` or a number in brackets, as in `helo=<x>` and
/// `imap(user)<1234><session>`.
fn bracketed(line: &[u8], pos: usize) -> Option<Range<usize>> {
    let is_value = match line[..pos] {
        [.., b'=' | b')'] => true,
        [.., before, b'>'] => before.is_ascii_digit(),
        _ => false,
    };
    if line[pos] != b'<' || !is_value {
        return None;
    }
    let end = end_of(line, pos + 1, |byte| byte.is_ascii_graphic() && byte != b'<' && byte != b'>');
    (end > pos + 1 && line.get(end) == Some(&b'>')).then_some(pos + 1..end)
}

/// What follows after `://`.
fn url(line: &[u8], pos: usize) -> Option<Range<usize>> {
    let is_fingerprint = line[..pos].ends_with(&FINGERPRINT[..FINGERPRINT.len() - 1]);
    if pos == 0 || !is_alnum(line, pos - 1) || !line[pos..].starts_with(b"://") || is_fingerprint {
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

pub fn is_of_local_part(byte: u8) -> bool {
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
    let [.., before, last] = line[..pos] else { return false };
    let ends_with = |keys: &[&[u8]]| keys.iter().any(|key| line[..pos].ends_with(key));
    match (before, last) {
        (b'r', b' ') => match line[..pos] {
            [.., b's', b'e', _, _] => ends_with(&KEYS_SER),
            [.., b'f', b'o', _, _] => ends_with(&KEYS_FOR),
            _ => false,
        },
        (b'O', b' ') => {
            matches!(line[..pos], [.., b'H', b'E', b'L', _, _] | [.., b'E', b'H', b'L', _, _])
        }
        (b'r' | b'e', b'=') => ends_with(&KEYS_EQUALS),
        // A user by HTTP authentication.
        (b'-', b' ') => line[..pos].ends_with(b" - "),
        (b' ' | b':', b' ') => line[..pos].trim_ascii_end().ends_with(b"sudo:"),
        _ => false,
    }
}

/// The name of a user, or what a client calls itself.
fn name(line: &[u8], pos: usize) -> Option<Range<usize>> {
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !is_of_name(line[pos]) || !is_after_key(line, pos) {
        return None;
    }
    let end = end_of(line, pos, is_of_name);
    let goes_on = match &line[..pos] {
        [.., b' ', b'-', b' '] => line[pos] != b'-' && line[end..].starts_with(b" ["),
        before if before.ends_with(b"]: User ") => line[end..].starts_with(b" from "),
        before if before.trim_ascii_end().ends_with(b"sudo:") => line[end..].starts_with(b" : "),
        // `for invalid user x` has its name later.
        _ => !line[pos..].starts_with(b"invalid user "),
    };
    goes_on.then_some(pos..end)
}

/// A month or a day of the week.
fn is_date_word(word: &[u8]) -> bool {
    matches!(
        word,
        b"Jan"
            | b"Feb"
            | b"Mar"
            | b"Apr"
            | b"May"
            | b"Jun"
            | b"Jul"
            | b"Aug"
            | b"Sep"
            | b"Oct"
            | b"Nov"
            | b"Dec"
            | b"Mon"
            | b"Tue"
            | b"Wed"
            | b"Thu"
            | b"Fri"
            | b"Sat"
            | b"Sun"
    )
}

/// A month or a day of the week in a date.
fn date(line: &[u8], pos: usize) -> Option<Range<usize>> {
    let end = pos + DATE_WORD_LEN;
    let is_word = is_start(line, pos) && !is_alnum(line, end);
    if !is_word || !is_date_word(line.get(pos..end)?) {
        return None;
    }
    let rest = &line[end..];
    let rest = rest.strip_prefix(b",").unwrap_or(rest);
    let after = rest
        .iter()
        .position(|byte| !b" /-".contains(byte))
        .filter(|&len| (1..=2).contains(&len))?;
    let is_date =
        rest[after].is_ascii_digit() || is_date_word(rest.get(after..after + DATE_WORD_LEN)?);
    is_date.then_some(pos..end)
}

/// Text in Base64: upper and lower case and digits in turn.
fn base64(line: &[u8], pos: usize) -> Option<Range<usize>> {
    let is_of_text = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    if !line.get(pos + BASE64_LEN_MIN - 1).is_some_and(|&byte| is_of_text(byte)) {
        return None;
    }
    if !is_of_text(line[pos]) || (pos > 0 && is_of_text(line[pos - 1])) {
        return None;
    }
    let end = end_of(line, pos, is_of_text);
    let text = &line[pos..end];
    if text.len() < BASE64_LEN_MIN {
        return None;
    }
    if line[..pos].ends_with(FINGERPRINT) {
        return Some(pos..end);
    }
    if !text.iter().any(u8::is_ascii_digit) {
        return None;
    }
    let class = |byte: u8| match byte {
        b'0'..=b'9' => 1,
        b'a'..=b'z' => 2,
        b'A'..=b'Z' => 3,
        _ => 0,
    };
    let turns = text.windows(2).filter(|two| {
        let [one, other] = [class(two[0]), class(two[1])];
        one != 0 && other != 0 && one != other
    });
    (turns.count() * 4 >= text.len()).then(|| pos..end_of(line, end, |byte| byte == b'='))
}

/// An IPv6 or MAC address.
fn ip_v6(line: &[u8], pos: usize) -> Option<Range<usize>> {
    // At most four digits are before the first colon.
    if !line[pos..].iter().take(5).any(|&byte| byte == b':') {
        return None;
    }
    let is_part = |byte: u8| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.';
    if !is_part(line[pos]) || line[pos] == b'.' || !is_start(line, pos) {
        return None;
    }
    // After a colon too, if a word is before it, as in `smtp:2001:db8::1`.
    let is_after_word = pos > 1
        && line[pos - 1] == b':'
        && line[pos - 2].is_ascii_alphabetic()
        && !line[pos - 2].is_ascii_hexdigit();
    if pos > 0 && is_part(line[pos - 1]) && !is_after_word {
        return None;
    }
    let mut end = end_of(line, pos, is_part);
    while end > pos && line[end - 1] == b'.'
        || line[pos..end].ends_with(b":") && !line[pos..end].ends_with(b"::")
    {
        end -= 1;
    }
    if is_alnum(line, end) || !has_colons(&line[pos..end]) {
        return None;
    }
    if is_colon_address(&line[pos..end]) {
        return Some(pos..end);
    }
    // With a port after it.
    let port = memchr::memrchr(b':', &line[pos..end])?;
    let is_port = line[pos + port + 1..end].iter().all(u8::is_ascii_digit);
    (is_port && is_colon_address(&line[pos..pos + port])).then_some(pos..pos + port)
}

/// True with two colons in a row or the five of a MAC address: a time of day is no address.
fn has_colons(text: &[u8]) -> bool {
    let count = text.iter().filter(|&&byte| byte == b':').count();
    count >= COLONS_MIN || count >= 2 && text.windows(2).any(|two| two == b"::")
}

/// An IPv6 address, or six or more pairs of hexadecimal digits.
fn is_colon_address(text: &[u8]) -> bool {
    let is_mac = text.len() >= MAC_LEN_MIN
        && text.len() % 3 == 2
        && text.chunks(3).all(|part| {
            part[..2].iter().all(u8::is_ascii_hexdigit)
                && part.get(2).is_none_or(|&byte| byte == b':')
        });
    let may_be_ip = (3..=IP_V6_LEN_MAX).contains(&text.len());
    let is_ip = || str::from_utf8(text).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok());
    is_mac || may_be_ip && is_ip()
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

/// A last label of hosts with two labels; other words after a dot may be of names of files.
fn is_top_label(label: &[u8]) -> bool {
    matches!(
        label,
        b"com"
            | b"org"
            | b"net"
            | b"edu"
            | b"gov"
            | b"info"
            | b"biz"
            | b"io"
            | b"de"
            | b"uk"
            | b"fr"
            | b"nl"
            | b"eu"
            | b"us"
            | b"ca"
            | b"ru"
            | b"cn"
            | b"jp"
            | b"au"
            | b"br"
            | b"it"
            | b"es"
            | b"pl"
            | b"ch"
            | b"at"
            | b"se"
            | b"dk"
            | b"be"
    )
}

/// A name of a host: three labels, the last of letters, or two with a well-known last one.
fn host(line: &[u8], pos: usize) -> Option<Range<usize>> {
    let is_inside = pos > 0 && b".-".contains(&line[pos - 1]);
    if !is_alnum(line, pos) || !is_start(line, pos) || is_inside {
        return None;
    }
    let dot = end_of(line, pos, |byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if line.get(dot) != Some(&b'.') {
        return None;
    }
    let mut end =
        end_of(line, dot, |byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-');
    while end > pos && !is_alnum(line, end - 1) {
        end -= 1;
    }
    let mut labels = line[pos..end].rsplit(|&byte| byte == b'.');
    let last = labels.next()?;
    let is_last = match labels.clone().count() {
        0 => false,
        1 => is_top_label(last),
        // Classes of Java end in a word with a capital.
        _ => {
            last.len() >= 2
                && (last.iter().all(u8::is_ascii_lowercase)
                    || last.iter().all(u8::is_ascii_uppercase))
        }
    };
    (is_last && labels.all(|label| !label.is_empty())).then_some(pos..end)
}

/// Hexadecimal digits in groups of 8, 4, 4, 4 and 12.
fn uuid(line: &[u8], pos: usize) -> Option<Range<usize>> {
    let text = line.get(pos..pos + UUID_LEN)?;
    if text[8] != b'-' {
        return None;
    }
    let is_uuid = text.iter().enumerate().all(|(number, byte)| match number {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    let has_digit = text.iter().any(u8::is_ascii_digit);
    let is_apart = is_start(line, pos) && !is_alnum(line, pos + UUID_LEN);
    (is_uuid && has_digit && is_apart).then_some(pos..pos + UUID_LEN)
}

/// An identifier: hexadecimal digits, letters and digits in turn, or letters without a vowel.
fn id(line: &[u8], pos: usize) -> Option<Range<usize>> {
    if !is_alnum(line, pos) || !is_start(line, pos) {
        return None;
    }
    let end = end_of(line, pos, |byte| byte.is_ascii_alphanumeric());
    let word = &line[pos..end];
    // Digits alone are a number, maybe with decimals.
    if word.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let is_id = match word.iter().any(u8::is_ascii_digit) {
        true => has_digits_of_id(word, line[..pos].ends_with(b"=")),
        false => {
            let digits = word.strip_prefix(VETH).unwrap_or(word);
            let is_offset = line[..pos].ends_with(b"+");
            let len_min = if is_offset { HEX_LEN_MIN } else { HEX_LETTERS_LEN_MIN };
            word.len() >= len_min && digits.iter().all(u8::is_ascii_hexdigit)
        }
    };
    (is_id || is_without_vowels(word)).then_some(pos..end)
}

/// A word with a digit that is an identifier.
fn has_digits_of_id(word: &[u8], is_value: bool) -> bool {
    let digits = word.strip_prefix(b"0x").or_else(|| word.strip_prefix(VETH)).unwrap_or(word);
    let is_hex = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    let len_min = if is_value { VALUE_LEN_MIN } else { HEX_LEN_MIN };
    let is_long = digits.len() >= len_min || digits.len() < word.len();
    let turns = word.windows(2).filter(|two| two[0].is_ascii_digit() != two[1].is_ascii_digit());
    is_hex && is_long || word.len() >= MIXED_LEN_MIN && turns.count() >= 2
}

fn is_without_vowels(word: &[u8]) -> bool {
    let is_vowel = |byte: &u8| b"aeiou".contains(&byte.to_ascii_lowercase());
    word.len() >= CONSONANTS_LEN_MIN && !word.iter().any(is_vowel)
}

/// Digits, also within a word, with decimals and further parts.
fn number(line: &[u8], pos: usize) -> Option<Range<usize>> {
    let is_digit = |byte: u8| byte.is_ascii_digit();
    let mut end = end_of(line, pos, is_digit);
    while end > pos
        && line.get(end) == Some(&b'.')
        && line.get(end + 1).is_some_and(u8::is_ascii_digit)
    {
        end = end_of(line, end + 1, is_digit);
    }
    (end > pos).then_some(pos..end)
}
