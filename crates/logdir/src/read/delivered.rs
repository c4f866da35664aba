//! Tracks the delivered position of one directory after each line.
//!
//! System calls are needed only when lines come from another file.

use crate::read::backward::Backward;
use crate::read::chain::Chain;
use crate::read::cursor::{FilePosition, HEAD_LEN_MAX, Identity, Position};
use crate::read::decode::{Storage, storage};
use crate::read::last_line::LastLine;
use crate::read::lines::{Ending, LineStart};
use crate::read::list::{LogFile, Role};
use crate::read::range;
use crate::read::snapshot::Snapshot;
use crate::read::stamp::StampParser;
use std::sync::Arc;

/// Position after delivered lines.
#[derive(Clone, Debug)]
pub struct DeliveredPosition {
    position: Position,
    /// File of the position, if a line was noted here.
    file: Option<Arc<LogFile>>,
}

impl DeliveredPosition {
    /// Starts at a saved position.
    pub fn new(position: Position) -> DeliveredPosition {
        DeliveredPosition { position, file: None }
    }

    /// Records the chain's current line. An unfinished line that may continue is ignored.
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
                    && self.file.as_ref().is_some_and(|known| Arc::ptr_eq(known, &file)) =>
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

    /// Position after the last recorded line.
    pub fn position(&self) -> &Position {
        &self.position
    }
}

/// Position directly before `place`; after all lines if `place` is `None`.
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

/// Last nonempty file, or single followed file, up to this number, with the given offset or the end of its last line.
fn file_position(
    snapshot: &Snapshot,
    number: usize,
    mut offset: Option<u64>,
) -> Option<FilePosition> {
    for link in snapshot.files[..snapshot.files.len().min(number + 1)].iter().rev() {
        let handle = link.open(&snapshot.directory).ok()??;
        let identity = match link.file.role {
            Role::Alone => Identity::even_if_empty(&handle).ok()?,
            Role::Archive(..) | Role::Previous | Role::Current => Identity::of(&handle).ok()?,
        };
        if let Some(identity) = identity {
            let offset = match offset {
                Some(offset) => offset,
                None if storage(&handle).ok()? == Storage::Plain => {
                    range::end_of_lines(&handle).ok()?
                }
                // The file's length is unknown; resuming searches for the last line instead.
                None => return None,
            };
            return Some(FilePosition { name: link.file.name.clone(), identity, offset });
        }
        offset = None;
    }
    None
}
