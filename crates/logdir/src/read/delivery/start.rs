//! Chooses a consumer's first line in a directory without a saved position.

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

/// First line to deliver from a directory unknown to the cursor file.
#[derive(Clone, Debug)]
pub enum Start {
    /// Oldest existing line.
    Oldest,
    /// First line written from now on.
    Newest,
    /// First line from this moment on.
    Since(Moment),
    /// Line after this cursor. For a directory unknown to the cursor: the oldest line.
    After(Cursor),
}

/// A directory or single file, opened for following from a position.
pub struct StartedDirectory {
    /// Absolute path, used by cursors to identify the directory.
    pub path: PathBuf,
    /// Existing files.
    pub snapshot: Snapshot,
    /// Stamp parser.
    pub stamps: StampParser,
    /// Delivered position.
    pub position: Position,
}

impl StartedDirectory {
    /// Opens a directory or single file at `path`. `known` looks up its position in the cursor
    /// file.
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

/// Start of the first line from a moment on. `None` if no such line exists.
pub fn place_since(snapshot: &Snapshot, stamps: &StampParser, since: Moment) -> Option<LineStart> {
    let range = Range { since: Some(since), until: None };
    let mut lines = RangeLines::new(snapshot, stamps.clone(), range);
    lines.advance().then(|| lines.place().clone())
}

/// Start of the oldest line. `None` without files.
pub fn first_place(snapshot: &Snapshot) -> Option<LineStart> {
    let link = snapshot.files.first()?;
    Some(LineStart { file: link.file.clone(), offset: 0 })
}
