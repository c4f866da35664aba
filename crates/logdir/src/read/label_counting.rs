//! How the labels of a directory are counted, where nobody says it.
//!
//! The last line of a file was written when the file was written last. If its label, counted as
//! daemontools does, is some 27 seconds later than that, it has leap seconds in it. A directory without
//! labels is told by the first that comes.

use crate::label::Counting;
use crate::read::decode::{Storage, storage};
use crate::read::snapshot::Snapshot;
use crate::read::stamp::StampParser;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};

/// How many files are looked at, newest first, for one with a label in its end.
const FILES_MAX: usize = 4;
/// Bytes looked at in the end of a file.
const TAIL_LEN: u64 = 4096;
/// How far the label may be ahead of the file, in seconds, to be taken for one with leap seconds: the
/// leap seconds since 2017, less half, and with as much to spare.
const AHEAD_SECS: std::ops::Range<i64> = 14..40;

/// Tells how labels are counted. None where there is no label yet to tell it by.
pub fn detect(snapshot: &Snapshot) -> Option<Counting> {
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
        last_label_secs(&tail).map(|label_secs| label_secs - metadata.mtime())
    });
    ahead.map(|ahead| if AHEAD_SECS.contains(&ahead) { Counting::Leap } else { Counting::Ten })
}

/// The same by any label in a file, counted as daemontools does. None where the file was written at some
/// other time.
pub fn detect_by(label_secs: i64, file: &File) -> Option<Counting> {
    let ahead = label_secs - file.metadata().ok()?.mtime();
    match ahead {
        _ if AHEAD_SECS.contains(&ahead) => Some(Counting::Leap),
        _ if ahead.abs() < AHEAD_SECS.start => Some(Counting::Ten),
        _ => None,
    }
}

fn last_label_secs(tail: &[u8]) -> Option<i64> {
    let mut stamps = StampParser::new(Counting::Ten);
    let labelled = |line: &[u8]| stamps.parse(line).filter(|_| line[0] == b'@');
    tail.rsplit(|&byte| byte == b'\n').find_map(labelled).map(|stamp| stamp.moment.unix_secs)
}
