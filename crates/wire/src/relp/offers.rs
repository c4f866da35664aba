//! Offers: self-descriptions of both sides in `open` and its response, as lines `name=value,value`.

/// Name length limit, as in librelp.
const NAME_LEN_MAX: usize = 32;
/// Value length limit, as in librelp.
const VALUE_LEN_MAX: usize = 255;
/// Values per offer, as in librelp.
const VALUE_COUNT_MAX: usize = 64;
/// Kept length of software names, in bytes.
const SOFTWARE_LEN_MAX: usize = 128;

/// Peer's offers. Unknown offers are ignored (RELP specification).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Offers {
    pub version: Version,
    /// True if `commands` names `syslog`; `None` without this offer.
    pub has_syslog: Option<bool>,
    /// Software, version and address, printable.
    pub software: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Version {
    #[default]
    Missing,
    Invalid,
    Number(u32),
}

impl Offers {
    /// Parses offers. `None` if any exceeds librelp's limits.
    pub(super) fn parse(data: &[u8]) -> Option<Offers> {
        let mut offers = Offers::default();
        for line in data.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let name_len = memchr::memchr(b'=', line).unwrap_or(line.len());
            let (name, values) = (&line[..name_len], line.get(name_len + 1..).unwrap_or_default());
            if !is_within_limits(name, values) {
                return None;
            }
            match name {
                b"relp_version" => offers.version = parse_version(values),
                b"relp_software" => offers.software = printable(values),
                b"commands" => {
                    let has_syslog = values.split(|byte| *byte == b',').any(|it| it == b"syslog");
                    offers.has_syslog = Some(has_syslog);
                }
                _ => (),
            }
        }
        Some(offers)
    }
}

fn is_within_limits(name: &[u8], values: &[u8]) -> bool {
    let mut values = values.split(|byte| *byte == b',');
    name.len() <= NAME_LEN_MAX
        && values.clone().count() <= VALUE_COUNT_MAX
        && values.all(|value| value.len() <= VALUE_LEN_MAX)
}

fn parse_version(values: &[u8]) -> Version {
    let is_number = !values.is_empty() && values.iter().all(u8::is_ascii_digit);
    let text = str::from_utf8(values).ok().filter(|_| is_number);
    match text.and_then(|text| text.parse().ok()) {
        Some(version) => Version::Number(version),
        None => Version::Invalid,
    }
}

/// Printable prefix of peer text, at most `SOFTWARE_LEN_MAX` bytes.
fn printable(text: &[u8]) -> String {
    let graphic = |byte: &u8| if (b' '..=b'~').contains(byte) { char::from(*byte) } else { '?' };
    text.iter().take(SOFTWARE_LEN_MAX).map(graphic).collect()
}

/// This software's offers.
pub(super) fn own() -> String {
    format!(
        "relp_version={}\nrelp_software={}\ncommands={}",
        super::VERSION,
        super::SOFTWARE,
        super::SYSLOG
    )
}

/// Printable prefix of peer text, at most `len_max` bytes.
pub(super) fn printable_prefix(text: &[u8], len_max: usize) -> String {
    printable(&text[..text.len().min(len_max)])
}
