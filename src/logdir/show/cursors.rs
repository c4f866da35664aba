//! The cursor behind each line that is shown: how far all directories are read.

use ::logdir::read::chain::Chain;
use ::logdir::read::cursor::{Position, token};
use ::logdir::read::delivered::DeliveredPosition;
use std::path::PathBuf;

/// Follows the lines of all directories.
pub struct Cursors {
    directories: Vec<Directory>,
    /// What the word is made of. One is empty where it has to be made again.
    parts: Vec<String>,
}

struct Directory {
    path: PathBuf,
    delivered: DeliveredPosition,
}

impl Cursors {
    /// From these positions on, one for each path.
    pub fn new(positions: impl IntoIterator<Item = (PathBuf, Position)>) -> Cursors {
        let directory =
            |(path, position)| Directory { path, delivered: DeliveredPosition::new(position) };
        let directories: Vec<Directory> = positions.into_iter().map(directory).collect();
        Cursors { parts: vec![String::new(); directories.len()], directories }
    }

    /// Notes the line that the chain of this directory has gone to.
    pub fn note(&mut self, number: usize, chain: &Chain) {
        self.directories[number].delivered.note(chain);
        self.parts[number].clear();
    }

    /// The cursor behind the last line that was noted.
    pub fn word(&mut self) -> String {
        for (part, directory) in self.parts.iter_mut().zip(&self.directories) {
            if part.is_empty() {
                *part = token::part(&directory.path, directory.delivered.position());
            }
        }
        let mut word = String::new();
        token::append(&self.parts, &mut word);
        word
    }
}
