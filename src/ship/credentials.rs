//! What shows a receiver who sends, from files: certificates, and header fields of HTTP. Both are read at the start and
//! again after HUP, and neither stands on a command line, which every user of the machine can read.

use crate::tls;
use ::logdir::failure::reason;
use std::fs;
use std::path::PathBuf;

/// Bytes of a file with header fields, at most.
const FIELDS_LEN_MAX: usize = 8 * 1024;
/// Fields that a request has anyway.
const OWN_FIELDS: [&str; 7] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
    "user-agent",
];

/// Header fields of HTTP, each with its name and value.
pub type Fields = Vec<(String, String)>;

/// What was read.
#[derive(Debug)]
pub struct Credentials {
    /// For TLS, if a receiver needs it.
    tls: Option<tls::Client>,
    /// File with header fields (`--headers`).
    file: Option<PathBuf>,
    fields: Fields,
}

impl Credentials {
    /// Reads the file with header fields; certificates were read before.
    ///
    /// # Errors
    /// It cannot be read or used, in words.
    pub fn open(tls: Option<tls::Client>, file: Option<PathBuf>) -> Result<Credentials, String> {
        let fields = read(file.as_ref())?;
        Ok(Credentials { tls, file, fields })
    }

    /// Reads all files again. Later connections use them.
    ///
    /// # Errors
    /// A file cannot be read or used, in words; what was read before stays in use.
    pub fn reload(&mut self) -> Result<(), String> {
        let fields = read(self.file.as_ref())?;
        self.tls.as_mut().map_or(Ok(()), tls::Client::reload)?;
        self.fields = fields;
        Ok(())
    }

    /// For TLS.
    pub fn tls(&self) -> Option<&tls::Client> {
        self.tls.as_ref()
    }

    /// For each request.
    #[cfg(feature = "http")]
    pub fn fields(&self) -> &Fields {
        &self.fields
    }
}

fn read(file: Option<&PathBuf>) -> Result<Fields, String> {
    let Some(file) = file else { return Ok(Fields::new()) };
    let text = fs::read_to_string(file)
        .map_err(|error| format!("unable to read {}: {}", file.display(), reason(&error)))?;
    parse(&text).map_err(|why| format!("unable to use {}: {why}", file.display()))
}

/// A field in each line. Empty lines and those that begin with `#` are skipped.
fn parse(text: &str) -> Result<Fields, String> {
    if text.len() > FIELDS_LEN_MAX {
        return Err(format!("it has more than {FIELDS_LEN_MAX} bytes"));
    }
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    let fields = lines.filter(|(line, _)| !line.starts_with('#'));
    fields.map(|(line, number)| field(line).map_err(|why| format!("line {number} {why}"))).collect()
}

/// No message shows the value, which may be a key.
fn field(line: &str) -> Result<(String, String), String> {
    let (name, value) = line.split_once(':').ok_or("has no colon after a name")?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err("has no name that a header field can have".to_owned());
    }
    if OWN_FIELDS.contains(&&*name.to_ascii_lowercase()) {
        return Err(format!("sets {name}, which logship sets itself"));
    }
    let value = value.trim();
    match value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)) {
        true => Ok((name.to_owned(), value.to_owned())),
        false => Err("has bytes outside printable ASCII in its value".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&[(&str, &str)], &str>) {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let expected = expected.map(|fields| fields.iter().map(owned).collect::<Fields>());
        assert_eq!(parse(text), expected.map_err(str::to_owned));
    }

    #[test]
    fn a_line_is_a_field() {
        check("", Ok(&[]));
        check("# key of web7\n\nX-Api-Key:abc\n", Ok(&[("X-Api-Key", "abc")]));
        let two = "Authorization: Bearer a:b=\r\nX-Scope-OrgID:\tmain \n";
        check(two, Ok(&[("Authorization", "Bearer a:b="), ("X-Scope-OrgID", "main")]));
        check("a:\n", Ok(&[("a", "")]));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_value() {
        check("secret\n", Err("line 1 has no colon after a name"));
        check("a: b\n: secret\n", Err("line 2 has no name that a header field can have"));
        check("a b: secret\n", Err("line 1 has no name that a header field can have"));
        check("a: secret\u{e9}\n", Err("line 1 has bytes outside printable ASCII in its value"));
        check("\nHost: secret\n", Err("line 2 sets Host, which logship sets itself"));
        check(&format!("a: {}", "x".repeat(9000)), Err("it has more than 8192 bytes"));
    }
}
