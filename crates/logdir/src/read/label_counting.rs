//! Detects whether labels include leap seconds, if nothing states it.
//!
//! A file's last line was written at the file's last modification. If its label, read with
//! daemontools counting, is about 27 seconds ahead of mtime, the label includes leap seconds.
//! Without any label yet, the first new label decides.

use crate::label::Counting;
use crate::read::decode::{Storage, storage};
use crate::read::snapshot::Snapshot;
use crate::read::stamp::StampParser;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};

/// Newest files searched for a final label.
const FILES_MAX: usize = 4;
/// Bytes read from each file's end.
const TAIL_LEN: u64 = 4096;
/// Seconds by which a label with leap seconds is ahead of mtime: 27 in total
/// since 2017, with a margin of half that on both sides.
const AHEAD_SECS: std::ops::Range<i64> = 14..40;

/// Detects label counting. `None` without labels.
pub fn detect(snapshot: &Snapshot) -> Option<Counting> {
    let ahead = snapshot.files.iter().rev().take(FILES_MAX).find_map(|link| {
        let handle = link.open(&snapshot.directory).ok().flatten()?;
        if storage(&handle).ok()? != Storage::Plain {
            return None;
        }
        // Current metadata, since the file may have grown after the listing.
        let metadata = handle.metadata().ok()?;
        let start = metadata.len().saturating_sub(TAIL_LEN);
        let mut tail = vec![0; usize::try_from(metadata.len() - start).ok()?];
        handle.read_exact_at(&mut tail, start).ok()?;
        last_label_secs(&tail).map(|label_secs| label_secs - metadata.mtime())
    });
    ahead.map(|ahead| if AHEAD_SECS.contains(&ahead) { Counting::Leap } else { Counting::Ten })
}

/// Detects counting from any label of a file, read with daemontools counting. `None` if the file
/// was written at another time.
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
