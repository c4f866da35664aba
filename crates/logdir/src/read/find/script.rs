//! Log directories passed to a logger by a `run` script, found without running the script.
//!
//! Follows assignments, `cd`, sourced files, and the few expansions used to name directories
//! (`$PWD`, `${service##*/}`, `$(dirname "$PWD")`), in `sh` and execline. Arguments depending on
//! anything else are reported in the script's words.

mod words;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use words::{Part, Word};

/// Maximum depth of sourced scripts.
const DEPTH_MAX: usize = 4;
/// Programs whose arguments name log directories.
const LOGGERS: [&str; 6] = ["multilog", "svlogd", "s6-log", "logutil-service", "tinylog", "cyclog"];
/// `sh` keywords that precede a command.
const KEYWORDS: [&str; 16] = [
    "if", "then", "else", "elif", "while", "until", "do", "!", "{", "exec", "command", "time",
    "export", "readonly", "local", "declare",
];

/// Log directory named by a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// Its path.
    Path(PathBuf),
    /// Logger whose argument depends on something unknown.
    Unresolved {
        /// Program.
        logger: String,
        /// Argument, as written.
        argument: String,
    },
}

/// Log directories passed to a script's loggers.
///
/// `dir` is the script's working directory. `read` reads a sourced file.
pub fn log_dirs(script: &str, dir: &Path, read: &dyn Fn(&Path) -> Option<String>) -> Vec<Named> {
    let mut run = Run {
        variables: HashMap::new(),
        dir: Some(dir.to_owned()),
        is_execline: is_execline(script),
        named: Vec::new(),
        read,
    };
    run.set("PWD", Some(dir.to_string_lossy().into_owned()));
    run.script(script, 0);
    run.named
}

fn is_execline(script: &str) -> bool {
    script.lines().next().is_some_and(|line| line.starts_with("#!") && line.contains("execline"))
}

/// Script state before a command.
struct Run<'a> {
    /// Variables; `None` means an unknown value.
    variables: HashMap<String, Option<String>>,
    /// `None` after `cd` to an unknown directory.
    dir: Option<PathBuf>,
    is_execline: bool,
    named: Vec<Named>,
    read: &'a dyn Fn(&Path) -> Option<String>,
}

impl Run<'_> {
    fn script(&mut self, script: &str, depth: usize) {
        if depth < DEPTH_MAX {
            for command in words::commands(script, self.is_execline) {
                self.command(&command, depth);
            }
        }
    }

    fn command(&mut self, command: &[Word], depth: usize) {
        let is_keyword = |word: &&Word| KEYWORDS.contains(&word.text.as_str());
        let begin = command.iter().take_while(is_keyword).count();
        let mut rest = &command[begin..];
        while let Some((name, value)) = rest.first().and_then(assignment) {
            let value = self.expand(&value);
            self.set(&name, value);
            rest = &rest[1..];
        }
        if let [first, file, ..] = rest
            && matches!(first.text.as_str(), "." | "source")
        {
            self.source(file, depth);
        }
        self.builtins(rest);
        self.loggers(rest, depth);
    }

    /// Follows `cd`, and execline's `define`. In execline, commands precede the program they start.
    fn builtins(&mut self, words: &[Word]) {
        let count = if self.is_execline { words.len() } else { words.len().min(1) };
        for (pos, word) in words.iter().enumerate().take(count) {
            let mut arguments =
                words[pos + 1..].iter().skip_while(|word| word.text.starts_with('-'));
            match word.text.as_str() {
                "cd" | "chdir" | "execline-cd" => {
                    let to = arguments.next().and_then(|word| self.expand(word));
                    self.dir = to.and_then(|to| self.resolve(&to));
                    let pwd = self.dir.as_ref().map(|dir| dir.to_string_lossy().into_owned());
                    self.set("PWD", pwd);
                }
                "define" => {
                    if let (Some(name), Some(value)) = (arguments.next(), arguments.next()) {
                        let value = self.expand(value);
                        self.set(&name.text, value);
                    }
                }
                _ => {}
            }
        }
    }

    fn source(&mut self, file: &Word, depth: usize) {
        let path = self.expand(file).and_then(|file| self.resolve(&file));
        if let Some(script) = path.and_then(|path| (self.read)(&path)) {
            self.script(&script, depth + 1);
        }
    }

    fn loggers(&mut self, words: &[Word], depth: usize) {
        for (pos, word) in words.iter().enumerate() {
            let is_script = pos > 0 && words[pos - 1].text == "-c";
            let text = self.expand(word).unwrap_or_default();
            let name = text.rsplit('/').next().unwrap_or_default();
            if is_script {
                self.script(&word.text, depth + 1);
            } else if LOGGERS.contains(&name) {
                let block = words[pos + 1..].iter().take_while(|word| word.text != "}");
                return self.arguments(name, &block.collect::<Vec<_>>());
            }
        }
    }

    fn arguments(&mut self, logger: &str, words: &[&Word]) {
        let mut has_value = false;
        for word in words {
            if std::mem::take(&mut has_value) {
                continue;
            }
            let first = word.text.chars().next().unwrap_or(' ');
            let is_dir = match logger {
                "multilog" | "s6-log" => matches!(first, '.' | '/' | '$' | '`'),
                _ => first != '-',
            };
            has_value =
                logger == "svlogd" && ["-r", "-R", "-l", "-b"].contains(&word.text.as_str());
            if is_dir {
                let named = self.named_by(logger, word);
                if !self.named.contains(&named) {
                    self.named.push(named);
                }
            }
        }
    }

    fn named_by(&self, logger: &str, word: &Word) -> Named {
        match self.expand(word).and_then(|text| self.resolve(&text)) {
            Some(path) => Named::Path(path),
            None => Named::Unresolved { logger: logger.to_owned(), argument: word.text.clone() },
        }
    }

    fn resolve(&self, path: &str) -> Option<PathBuf> {
        let path = match path.starts_with('/') {
            true => PathBuf::from(path),
            false => self.dir.as_ref()?.join(path),
        };
        // Drops the `.` of `./main`.
        Some(path.components().collect())
    }

    fn set(&mut self, name: &str, value: Option<String>) {
        self.variables.insert(name.to_owned(), value);
    }

    /// Expands a word. `None` if the result is empty or depends on unknown values.
    fn expand(&self, word: &Word) -> Option<String> {
        let mut text = String::new();
        for part in &word.parts {
            match part {
                Part::Text(part) => text += part,
                Part::Variable(expression) => text += &self.variable(expression)?,
                Part::Command(command) => text += &self.output(command)?,
            }
        }
        (!text.is_empty()).then_some(text)
    }

    /// Value of an expression inside `${...}`.
    fn variable(&self, expression: &str) -> Option<String> {
        let is_name = |char: char| char.is_ascii_alphanumeric() || char == '_';
        let end = expression.find(|char| !is_name(char)).unwrap_or(expression.len());
        let (name, operator) = expression.split_at(end);
        let value = self.variables.get(name).cloned().flatten();
        if operator.is_empty() {
            return value;
        }
        if let Some(default) = operator.trim_start_matches(':').strip_prefix(['-', '=']) {
            return value.or_else(|| self.expand(&words::word(default)));
        }
        let value = value?;
        match operator {
            "##*/" => value.rsplit('/').next().map(str::to_owned),
            "%/*" => Some(value.rsplit_once('/').map_or(&*value, |(before, _)| before).to_owned()),
            _ => None,
        }
    }

    /// Output of `pwd`, `dirname` and `basename`.
    fn output(&self, command: &str) -> Option<String> {
        let commands = words::commands(command, false);
        let words = commands.first().filter(|_| commands.len() == 1)?;
        let argument = || words.last().and_then(|word| self.expand(word)).map(PathBuf::from);
        let path = match words.first()?.text.as_str() {
            "pwd" => self.dir.clone()?,
            "dirname" => argument()?.parent()?.to_owned(),
            "basename" => PathBuf::from(argument()?.file_name()?),
            _ => return None,
        };
        Some(path.to_string_lossy().into_owned())
    }
}

/// Name and value of an assignment such as `logdir=/var/log/web`.
fn assignment(word: &Word) -> Option<(String, Word)> {
    let Some(Part::Text(first)) = word.parts.first() else { return None };
    let (name, value) = first.split_once('=')?;
    let is_name = name.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_')
        && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
    let mut parts = vec![Part::Text(value.to_owned())];
    parts.extend(word.parts[1..].iter().cloned());
    let text = word.text.split_once('=').map_or("", |(_, text)| text).to_owned();
    is_name.then_some((name.to_owned(), Word { parts, text }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> Option<String> {
        (path == Path::new("/sv/web/log/conf")).then(|| "LOGDIR=/elsewhere\n".to_owned())
    }

    #[track_caller]
    fn check(script: &str, expected: &[&str]) {
        let named = log_dirs(script, Path::new("/sv/web/log"), &read);
        let text = |named: &Named| match named {
            Named::Path(path) => path.to_string_lossy().into_owned(),
            Named::Unresolved { logger, argument } => format!("{logger} {argument}?"),
        };
        assert_eq!(named.iter().map(text).collect::<Vec<_>>(), expected, "{script}");
    }

    #[test]
    fn arguments_that_each_logger_takes_for_directories() {
        check("exec multilog t '-*' '+/x' =status ./main", &["/sv/web/log/main"]);
        check("#./main\nmultilog t # ./main", &[]);
        check("exec setuidgid u /usr/bin/multilog t \\\n s10 /a \\\n /b", &["/a", "/b"]);
        check("exec chpst -ulog svlogd -tt -b 2048 main", &["/sv/web/log/main"]);
        check("exec logutil-service /var/log/web", &["/var/log/web"]);
        check("exec tinylog -k 8 -t /var/log/web 2>/dev/null", &["/sv/web/log/8", "/var/log/web"]);
        check("exec logger -t web", &[]);
    }

    #[test]
    fn directories_are_followed_through_a_shell_script() {
        check("cd ./files || exit 111\nexec multilog t ./main", &["/sv/web/log/files/main"]);
        check("logdir=$PWD/logs; exec multilog t $logdir", &["/sv/web/log/logs"]);
        check("export L=\"/a b\"\nmultilog t \"${L}/x\"", &["/a b/x"]);
        check("S=${1:-web}\nsvlogd \"/var/log/$S\"", &["/var/log/web"]);
        check("if test -d /l; then cd /l; fi\nmultilog t ./m", &["/l/m"]);
        check("exec sh -c 'cd /l && exec multilog t ./m'", &["/l/m"]);
        check("multilog t $(dirname `pwd`)/x", &["/sv/web/x"]);
        check("L=/a\nL=$(mktemp)\nsvlogd $L", &["svlogd $L?"]);
        check("cd $HOME\nsvlogd x /y", &["svlogd x?", "/y"]);
        check("LOGDIR=/a\n. ./conf\nsvlogd \"$LOGDIR\"", &["/elsewhere"]);
    }

    #[test]
    fn directories_are_followed_through_execline() {
        let script = "#!/bin/execlineb -P\ndefine -s dir /var/log/web\nif { mkdir -p ${dir} }\n\
                      s6-setuidgid log\ns6-log -b -- n20 s1000000 T ${dir}";
        check(script, &["/var/log/web"]);
        check("#!/bin/execlineb\ncd files s6-log t ./main", &["/sv/web/log/files/main"]);
        check("#!/bin/execlineb\nimportas D D s6-log t $D", &["s6-log $D?"]);
    }

    #[test]
    fn the_script_of_debians_runit_is_resolved() {
        let script = "exec 2>&1\nUPDIR=$(dirname $PWD)\nSERVICE=${UPDIR##*/}\nLOG=/var/log/runit\n\
                      LOGDIR=$LOG/$SERVICE\n[ ! -d \"$LOGDIR\" ] && install -d \"$LOGDIR\"\n\
                      exec chpst -u ${LOGUSER} svlogd -tt -b $BUFFER \"$LOGDIR\"";
        check(script, &["/var/log/runit/web"]);
    }
}
