//! How far the lines of one directory have been given out, known after each of them.
//!
//! The system is asked only when lines come from another file.

use crate::read::backward::Backward;
use crate::read::chain::Chain;
use crate::read::cursor::{FilePosition, HEAD_LEN_MAX, Identity, Position};
use crate::read::decode::{Storage, storage};
use crate::read::last_line::LastLine;
use crate::read::lines::{Ending, LineStart};
use crate::read::list::LogFile;
use crate::read::range;
use crate::read::snapshot::Snapshot;
use crate::read::stamp::StampParser;
use std::rc::Rc;

/// Follows the lines of a directory.
#[derive(Clone, Debug)]
pub struct DeliveredPosition {
    position: Position,
    /// The file that the position is in, if it is of a line seen here.
    file: Option<Rc<LogFile>>,
}

impl DeliveredPosition {
    /// From this position on.
    pub fn new(position: Position) -> DeliveredPosition {
        DeliveredPosition { position, file: None }
    }

    /// Notes the line that a chain has gone to. One that may go on is not done.
    pub fn note(&mut self, chain: &Chain) {
        let line = chain.line();
        if line.ending == Ending::Open {
            return;
        }
        self.position.last_line.remember(line, chain.stamp().map(|stamp| stamp.moment));
        let Some(LineStart { file, offset }) = chain.rest_place() else { return };
        match &mut self.position.file {
            Some(position)
                if position.identity.head_len == HEAD_LEN_MAX
                    && position.offset <= offset
                    && self.file.as_ref().is_some_and(|known| Rc::ptr_eq(known, &file)) =>
            {
                position.offset = offset;
            }
            position => {
                let identity = chain.rest_handle().and_then(|handle| Identity::of(&handle).ok()?);
                let name = file.name.clone();
                *position = identity.map(|identity| FilePosition { name, identity, offset });
                self.file = Some(file);
            }
        }
    }

    /// Behind the last line that was noted.
    pub fn position(&self) -> &Position {
        &self.position
    }
}

/// The position behind which a place is the first, or which is behind every line where there is no place.
pub fn position_before(
    snapshot: &Snapshot,
    stamps: &StampParser,
    place: Option<&LineStart>,
) -> Position {
    let (number, offset) = match place {
        Some(place) => (snapshot.number_of(place), Some(place.offset)),
        None => (snapshot.files.len().saturating_sub(1), None),
    };
    let mut last = Backward::before(snapshot, stamps.clone(), number, offset);
    Position {
        file: file_position(snapshot, number, offset),
        last_line: LastLine::of_last(&mut last),
    }
}

/// The last file up to this number that is not empty, and the offset in it, or where its last line ends.
fn file_position(
    snapshot: &Snapshot,
    number: usize,
    mut offset: Option<u64>,
) -> Option<FilePosition> {
    for link in snapshot.files[..snapshot.files.len().min(number + 1)].iter().rev() {
        let handle = link.open(&snapshot.directory).ok()??;
        if let Some(identity) = Identity::of(&handle).ok()? {
            let offset = match offset {
                Some(offset) => offset,
                None if storage(&handle).ok()? == Storage::Plain => {
                    range::end_of_lines(&handle).ok()?
                }
                // How much there is in it is not known; the last line finds it again.
                None => return None,
            };
            return Some(FilePosition { name: link.file.name.clone(), identity, offset });
        }
        offset = None;
    }
    None
}
