//! How the labels of a directory are counted, where nobody says it.
//!
//! The last line of a file was written when the file was written last. If its label, counted as
//! daemontools does, is some 27 seconds later than that, it has leap seconds in it.

use crate::label::Counting;
use crate::reader::chain::Snapshot;
use crate::reader::decode::{Storage, storage};
use crate::reader::stamp::Stamps;
use std::os::unix::fs::FileExt;

/// How many files are looked at, newest first, for one with a label in its end.
const FILES_MAX: usize = 4;
/// Bytes looked at in the end of a file.
const TAIL_LEN: u64 = 4096;
/// How far the label may be ahead of the file, in seconds, to be taken for one with leap seconds: the
/// leap seconds since 2017, less half, and with as much to spare.
const AHEAD_SECS: std::ops::Range<i64> = 14..40;

/// Tells how labels are counted. [`Counting::Ten`] where nothing speaks for the other.
pub fn detect(snapshot: &Snapshot) -> Counting {
    let ahead = snapshot.files.iter().rev().take(FILES_MAX).find_map(|link| {
        let handle = link.open(&snapshot.directory).ok().flatten()?;
        if storage(&handle).ok()? != Storage::Plain {
            return None;
        }
        // Of the file as it is now, which may have grown since it was listed.
        let metadata = handle.metadata().ok()?;
        let start = metadata.len().saturating_sub(TAIL_LEN);
        let mut tail = vec![0; usize::try_from(metadata.len() - start).ok()?];
        handle.read_exact_at(&mut tail, start).ok()?;
        let modified = std::os::unix::fs::MetadataExt::mtime(&metadata);
        last_label_secs(&tail).map(|label_secs| label_secs - modified)
    });
    match ahead {
        Some(ahead) if AHEAD_SECS.contains(&ahead) => Counting::Leap,
        Some(_) | None => Counting::Ten,
    }
}

fn last_label_secs(tail: &[u8]) -> Option<i64> {
    let mut stamps = Stamps::new(Counting::Ten);
    let labelled = |line: &[u8]| stamps.parse(line).filter(|_| line[0] == b'@');
    tail.rsplit(|&byte| byte == b'\n').find_map(labelled).map(|stamp| stamp.moment.unix_secs)
}
