//! Splits a script into commands and their words, with quotes taken off. Nothing is expanded here.

use std::iter::Peekable;
use std::str::Chars;

/// One word of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// The word in pieces.
    pub parts: Vec<Part>,
    /// The word as written, without quotes.
    pub text: String,
}

/// A piece of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Literal text.
    Text(String),
    /// The inside of `${...}`, or the name after `$`.
    Variable(String),
    /// The inside of `$(...)` or backquotes.
    Command(String),
}

/// Splits a script into commands. In execline a newline is a space, and so the script is one command.
pub fn commands(script: &str, is_execline: bool) -> Vec<Vec<Word>> {
    let mut lexer = Lexer {
        chars: script.chars().peekable(),
        is_execline,
        commands: vec![Vec::new()],
        word: None,
        is_redirected: false,
    };
    lexer.run();
    lexer.commands.retain(|command| !command.is_empty());
    lexer.commands
}

/// Reads a text as a single word.
pub fn word(text: &str) -> Word {
    commands(text, true).into_iter().flatten().next().unwrap_or_default()
}

struct Lexer<'a> {
    chars: Peekable<Chars<'a>>,
    is_execline: bool,
    commands: Vec<Vec<Word>>,
    word: Option<Word>,
    /// The next word is a file for `<` or `>`, and no argument.
    is_redirected: bool,
}

impl Lexer<'_> {
    fn run(&mut self) {
        while let Some(char) = self.chars.next() {
            match char {
                '\n' if !self.is_execline => self.end_command(),
                ' ' | '\t' | '\n' => self.end_word(),
                ';' | '&' | '|' | '(' | ')' if !self.is_execline => self.end_command(),
                '<' | '>' if !self.is_execline => self.redirect(),
                '#' if self.word.is_none() => {
                    while self.chars.next_if(|&char| char != '\n').is_some() {}
                }
                '\\' => match self.chars.next() {
                    Some('\n') | None => {}
                    Some(char) => self.push(char),
                },
                '\'' => {
                    let quoted = self.until('\'');
                    self.push_text(&quoted);
                }
                '"' => self.quoted(),
                '$' => self.expansion(),
                '`' => {
                    let command = self.until('`');
                    self.push_part(Part::Command(command.clone()), &format!("`{command}`"));
                }
                char => self.push(char),
            }
        }
        self.end_word();
    }

    fn quoted(&mut self) {
        self.push_text("");
        while let Some(char) = self.chars.next() {
            match char {
                '"' => return,
                '$' => self.expansion(),
                '`' => {
                    let command = self.until('`');
                    self.push_part(Part::Command(command.clone()), &format!("`{command}`"));
                }
                '\\' => {
                    let escaped = self.chars.next_if(|char| "$`\"\\\n".contains(*char));
                    match escaped {
                        Some('\n') => {}
                        Some(char) => self.push(char),
                        None => self.push('\\'),
                    }
                }
                char => self.push(char),
            }
        }
    }

    fn expansion(&mut self) {
        if self.chars.next_if_eq(&'{').is_some() {
            let expression = self.nested('{', '}');
            self.push_part(Part::Variable(expression.clone()), &format!("${{{expression}}}"));
        } else if self.chars.next_if_eq(&'(').is_some() {
            let command = self.nested('(', ')');
            self.push_part(Part::Command(command.clone()), &format!("$({command})"));
        } else {
            let mut name = String::new();
            let is_name = |char: &char| char.is_ascii_alphanumeric() || *char == '_';
            while let Some(char) = self.chars.next_if(is_name) {
                name.push(char);
            }
            match name.is_empty() {
                true => self.push('$'),
                false => self.push_part(Part::Variable(name.clone()), &format!("${name}")),
            }
        }
    }

    /// Leaves out the descriptor before a `>`, and the file after it.
    fn redirect(&mut self) {
        let is_number = |word: &Word| word.text.bytes().all(|byte| byte.is_ascii_digit());
        if self.word.as_ref().is_some_and(is_number) {
            self.word = None;
        }
        self.end_word();
        while self.chars.next_if(|char| "<>& ".contains(*char)).is_some() {}
        self.is_redirected = true;
    }

    fn until(&mut self, end: char) -> String {
        self.chars.by_ref().take_while(|&char| char != end).collect()
    }

    fn nested(&mut self, begin: char, end: char) -> String {
        let mut depth = 1;
        let inside = |&char: &char| {
            depth += i32::from(char == begin) - i32::from(char == end);
            depth > 0
        };
        self.chars.by_ref().take_while(inside).collect()
    }

    fn push(&mut self, char: char) {
        self.push_text(char.encode_utf8(&mut [0; 4]));
    }

    fn push_text(&mut self, text: &str) {
        let word = self.word.get_or_insert_default();
        word.text += text;
        match word.parts.last_mut() {
            Some(Part::Text(last)) => *last += text,
            _ => word.parts.push(Part::Text(text.to_owned())),
        }
    }

    fn push_part(&mut self, part: Part, text: &str) {
        let word = self.word.get_or_insert_default();
        word.text += text;
        word.parts.push(part);
    }

    fn end_word(&mut self) {
        if let Some(word) = self.word.take()
            && !std::mem::take(&mut self.is_redirected)
            && let Some(command) = self.commands.last_mut()
        {
            command.push(word);
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        self.is_redirected = false;
        self.commands.push(Vec::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(script: &str, expected: &[&[&str]]) {
        let texts = |command: &Vec<Word>| command.iter().map(|word| word.text.clone()).collect();
        let found: Vec<Vec<String>> = commands(script, false).iter().map(texts).collect();
        assert_eq!(found, expected, "{script}");
    }

    #[test]
    fn scripts_are_split_as_a_shell_does() {
        check("a b;c&&d|e\nf", &[&["a", "b"], &["c"], &["d"], &["e"], &["f"]]);
        check("a 'b c'\"d e\" f\\ g # h\n#i", &[&["a", "b cd e", "f g"]]);
        check("a \\\n b", &[&["a", "b"]]);
        check("exec 2>&1", &[&["exec"]]);
        check("a <b >>c 2>/dev/null d", &[&["a", "d"]]);
        check("a ${b:-c d} $(e `f`) \"$g'\" $", &[&["a", "${b:-c d}", "$(e `f`)", "$g'", "$"]]);
        check("a '' ; ; b\"", &[&["a", ""], &["b"]]);
    }
}
