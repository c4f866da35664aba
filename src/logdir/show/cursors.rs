//! Cursor after each printed line: read positions of all directories.

use ::logdir::read::chain::Chain;
use ::logdir::read::cursor::{Position, token};
use ::logdir::read::delivered::DeliveredPosition;
use std::path::PathBuf;

/// Tracks lines of all directories.
pub struct Cursors {
    directories: Vec<Directory>,
    /// Cursor text by directory; empty parts must be rebuilt.
    parts: Vec<String>,
}

struct Directory {
    path: PathBuf,
    delivered: DeliveredPosition,
}

impl Cursors {
    /// Starts from these positions and paths.
    pub fn new(positions: impl IntoIterator<Item = (PathBuf, Position)>) -> Cursors {
        let directory =
            |(path, position)| Directory { path, delivered: DeliveredPosition::new(position) };
        let directories: Vec<Directory> = positions.into_iter().map(directory).collect();
        Cursors { parts: vec![String::new(); directories.len()], directories }
    }

    /// Records the line just read in a directory.
    pub fn note(&mut self, number: usize, chain: &Chain) {
        self.directories[number].delivered.note(chain);
        self.parts[number].clear();
    }

    /// Cursor after the last recorded line.
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
