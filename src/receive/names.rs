//! `--map RE=NAME`: programs with several spellings, and the one directory for all of them.

use super::line::name;
use script::expression::Expression;

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
