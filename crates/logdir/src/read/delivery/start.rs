//! With which line of a directory a consumer begins that has no position in it.

use crate::failure::Failure;
use crate::read::cursor::Position;
use crate::read::cursor::token::Cursor;
use crate::read::delivered::position_before;
use crate::read::find::Location;
use crate::read::label_counting;
use crate::read::lines::LineStart;
use crate::read::range::Range;
use crate::read::range_lines::RangeLines;
use crate::read::snapshot::Snapshot;
use crate::read::stamp::{Moment, StampParser};
use std::path::{Path, PathBuf};

/// The first line to be delivered where the cursor file knows nothing of a directory.
#[derive(Clone, Debug)]
pub enum Start {
    /// The oldest line that is there.
    Oldest,
    /// The first line that is written from now on.
    Newest,
    /// The first line from a moment on.
    Since(Moment),
    /// The line after this cursor. In a directory that the cursor does not know, the oldest line.
    After(Cursor),
}

/// A directory, or a file by itself, opened to be followed from a position.
pub struct StartedDirectory {
    /// The absolute path. A cursor knows the directory by it.
    pub path: PathBuf,
    /// The files that are there now.
    pub snapshot: Snapshot,
    /// How stamps are read.
    pub stamps: StampParser,
    /// How far lines were delivered.
    pub position: Position,
}

impl StartedDirectory {
    /// Opens the directory at a path, or the file, if that is what the path leads to. `known` is what a
    /// cursor file says of it.
    pub fn open(
        path: &Path,
        start: &Start,
        known: impl FnOnce(&Path) -> Option<Position>,
    ) -> Result<StartedDirectory, Failure> {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let location = match path.is_file() {
            true => Location::File(path.clone()),
            false => Location::Directory(path.clone()),
        };
        let snapshot = Snapshot::of_place(&location)?;
        let counting = label_counting::detect(&snapshot);
        let stamps = counting.map_or_else(StampParser::assumed, StampParser::new);
        let position =
            known(&path).unwrap_or_else(|| first_position(&path, &snapshot, &stamps, start));
        Ok(StartedDirectory { path, snapshot, stamps, position })
    }
}

fn first_position(
    path: &Path,
    snapshot: &Snapshot,
    stamps: &StampParser,
    start: &Start,
) -> Position {
    let place = match start {
        Start::Oldest => first_place(snapshot),
        Start::Newest => None,
        Start::Since(moment) => place_since(snapshot, stamps, *moment),
        Start::After(cursor) => match cursor.position(path) {
            Some(position) => return position.clone(),
            None => first_place(snapshot),
        },
    };
    position_before(snapshot, stamps, place.as_ref())
}

/// Where the first line from a moment on starts. None if there is none yet.
pub fn place_since(snapshot: &Snapshot, stamps: &StampParser, since: Moment) -> Option<LineStart> {
    let range = Range { since: Some(since), until: None };
    let mut lines = RangeLines::new(snapshot, stamps.clone(), range);
    lines.advance().then(|| lines.place().clone())
}

/// Where the first line of all starts. None if there is no file.
pub fn first_place(snapshot: &Snapshot) -> Option<LineStart> {
    let link = snapshot.files.first()?;
    Some(LineStart { file: link.file.clone(), offset: 0 })
}
