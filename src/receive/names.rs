//! Names of directories: safe ones of any text, and `--map RE=NAME` for programs with several spellings.

use script::expression::Expression;

/// Bytes of a directory's name at most.
const NAME_LEN_MAX: usize = 48;
/// Directory of messages without a name.
pub const OTHER: &str = "other";

/// A name that is safe as a directory: `[A-Za-z0-9._-]`, no dot at its beginning, at most 48 bytes.
pub fn name(text: &[u8]) -> String {
    let safe = |&byte: &u8| match byte {
        b'.' | b'_' | b'-' => char::from(byte),
        byte if byte.is_ascii_alphanumeric() => char::from(byte),
        _ => '_',
    };
    let mut name: String = text.iter().take(NAME_LEN_MAX).map(safe).collect();
    if name.starts_with('.') {
        name.replace_range(..1, "_");
    }
    if name.is_empty() { OTHER.to_owned() } else { name }
}

/// Programs, and the directory of their messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// A regular expression that can be compiled.
    expression: String,
    directory: String,
}

impl Mapping {
    /// Parses `RE=NAME`; the last `=` separates them.
    ///
    /// # Errors
    /// A text for the user that says what is wrong.
    pub fn parse(text: &str) -> Result<Mapping, String> {
        let Some((expression, directory)) = text.rsplit_once('=') else {
            return Err(format!("{text} is no RE=NAME"));
        };
        if directory.is_empty() || name(directory.as_bytes()) != directory {
            return Err(format!(
                "{directory} is no name for a directory: letters, digits, . _ and - are allowed, and no dot at its \
                 beginning"
            ));
        }
        // A program's whole name: `cron=cron` is not about anacron.
        let expression = format!("^(?:{expression})$");
        Expression::regex(expression.as_bytes()).map_err(|bad| bad.to_string())?;
        Ok(Mapping { expression, directory: directory.to_owned() })
    }
}

/// Mappings that are ready for use.
#[derive(Debug)]
pub struct Mappings(Vec<(Expression, String)>);

impl Mappings {
    /// Compiles them.
    ///
    /// # Errors
    /// A text for the user, if an expression is too large.
    pub fn new(mappings: &[Mapping]) -> Result<Mappings, String> {
        let compile = |mapping: &Mapping| {
            let expression = Expression::regex(mapping.expression.as_bytes());
            let expression = expression.map_err(|bad| bad.to_string())?;
            Ok((expression, mapping.directory.clone()))
        };
        mappings.iter().map(compile).collect::<Result<_, String>>().map(Mappings)
    }

    /// The directory of a program. The first mapping that matches counts; without one it is `None`.
    pub fn directory(&self, program: &[u8]) -> Option<String> {
        let found = self.0.iter().find(|(expression, _)| expression.matches(program));
        found.map(|(_, directory)| directory.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside_the_root() {
        for (text, expected) in [
            (&b"haproxy"[..], "haproxy"),
            (b"web/0d1f2e3c4b5a", "web_0d1f2e3c4b5a"),
            (b"../x", "_._x"),
            (b".", "_"),
            (b"", "other"),
            (b"\xff\n ", "___"),
        ] {
            assert_eq!(name(text), expected);
        }
        assert_eq!(name(&[b'a'; 1_000_000]).len(), NAME_LEN_MAX);
    }

    #[test]
    fn spellings_share_a_directory() {
        let texts = ["(?i)keepalived.*=keepalived", "cron|at=jobs", "a=b=c"];
        let parsed = texts.map(|text| Mapping::parse(text).expect("a mapping"));
        let mappings = Mappings::new(&parsed).expect("expressions");
        for (program, expected) in [
            ("Keepalived_vrrp", Some("keepalived")),
            ("keepalived", Some("keepalived")),
            ("cron", Some("jobs")),
            ("anacron", None),
            ("atd", None),
            ("a=b", Some("c")),
        ] {
            assert_eq!(mappings.directory(program.as_bytes()).as_deref(), expected, "{program}");
        }
        for (text, why) in [
            ("keepalived", "is no RE=NAME"),
            ("a=../b", "is no name for a directory"),
            ("a=", "is no name for a directory"),
            ("a(=b", ""),
        ] {
            let found = Mapping::parse(text).expect_err(text);
            assert!(found.contains(why), "{found}");
        }
    }
}
