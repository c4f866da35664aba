//! Reference model of multilog(8): reads all input, splits it into lines, performs every action on
//! each line in turn. Also drives the real engine like the event loop.
//!
//! The fuzzer (`fuzz/fuzz_targets/lines.rs`) includes this file, so every crate item is imported
//! through the parent module.

use super::stamps::{Label, Stamping, stamp_len, stamp_text};
use super::{Action, Buffers, Lines, Script, Sinks, StampFormat};

/// Input piece with its read time. Times never decrease and have ten-digit seconds.
#[derive(Clone, Debug)]
pub struct Read {
    pub now: Label,
    pub bytes: Vec<u8>,
}

/// Output of one sink.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    pub heads: Vec<Vec<u8>>,
    pub bytes: Vec<u8>,
}

/// Expected output of every sink.
pub fn expected(script: &Script, reads: &[Read]) -> Vec<Given> {
    let mut given = vec![Given::default(); sink_count(script)];
    for line in lines(script.stamp, reads) {
        let head = &line[..line.len().min(script.head_max())];
        let stamp_len = stamp_len(script.stamp);
        let mut selected = true;
        let mut was_taken = false;
        let mut sink = 0;
        for action in &script.actions {
            match action {
                Action::Select(pattern) => selected |= pattern.matches(head, stamp_len),
                Action::Deselect(pattern) => selected &= !pattern.matches(head, stamp_len),
                Action::SelectRest => selected = !was_taken,
                Action::Alert { .. } | Action::Status { .. } => {
                    given[sink].heads.extend(selected.then(|| head.to_vec()));
                    was_taken |= selected;
                    sink += 1;
                }
                Action::Stdout { .. } | Action::Log { .. } => {
                    let ended = [line.as_slice(), b"\n"].concat();
                    was_taken |= selected;
                    given[sink].bytes.extend(if selected { ended } else { Default::default() });
                    sink += 1;
                }
            }
        }
    }
    given
}

/// Actual engine output of every sink, which does not depend on the size of the buffers.
pub fn given(script: &Script, reads: &[Read]) -> Vec<Given> {
    let given = given_by(script, reads, Buffers::Usual);
    assert_eq!(given, given_by(script, reads, Buffers::Small));
    given
}

/// Reads longer than these buffers' are split.
///
/// The engine may retain only an unfinished line, and only until its head is complete.
fn given_by(script: &Script, reads: &[Read], buffers: Buffers) -> Vec<Given> {
    let text_max = script.head_max() - stamp_len(script.stamp);
    let mut lines = Lines::with_buffers(script, buffers);
    let mut stamping = Stamping::new(script.stamp);
    let mut sinks = Recorder::new(sink_count(script), script.head_max(), buffers.handed_max());
    let mut block = Vec::new();
    let mut begun_len = 0;
    for read in reads {
        stamping.set_clock(read.now);
        for piece in read.bytes.chunks(buffers.read_max()) {
            block.extend_from_slice(piece);
            while !block.is_empty() {
                let taken = stamping.take(&mut lines, &block, &mut sinks);
                sinks.check_call();
                if taken == 0 {
                    break;
                }
                block.drain(..taken);
            }
        }
        begun_len = match read.bytes.iter().rev().position(|&byte| byte == b'\n') {
            Some(behind_newline) => behind_newline,
            None => begun_len + read.bytes.len(),
        };
        assert_eq!(block.len(), if begun_len < text_max { begun_len } else { 0 });
        assert_eq!(lines.is_in_line(&block), begun_len > 0);
    }
    stamping.end(&mut lines, &block, &mut sinks);
    sinks.check_call();
    for (given, &count) in sinks.given.iter().zip(lines.counts()) {
        assert_eq!(given.bytes.iter().filter(|&&byte| byte == b'\n').count() as u64, count);
    }
    sinks.given
}

/// All input lines without newlines, stamped if requested.
///
/// A stamp is the read time of the line's first byte, or the previous stamp plus a nanosecond.
fn lines(stamp: Option<StampFormat>, reads: &[Read]) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    let mut open: Option<Vec<u8>> = None;
    let mut upcoming = Label::from_unix(0, 0);
    for read in reads {
        for &byte in &read.bytes {
            let line = open.get_or_insert_with(|| {
                let moment = upcoming.max(read.now);
                upcoming = moment.next();
                stamp_text(stamp, moment)
            });
            if byte == b'\n' {
                lines.extend(open.take());
            } else {
                line.push(byte);
            }
        }
    }
    lines.extend(open);
    lines
}

fn sink_count(script: &Script) -> usize {
    script.actions.iter().filter(|action| action.is_sink()).count()
}

/// Keeps everything that sinks are given.
struct Recorder {
    given: Vec<Given>,
    /// Bytes per sink in this call.
    handed: Vec<usize>,
    head_max: usize,
    handed_max: usize,
}

impl Recorder {
    fn new(sink_count: usize, head_max: usize, handed_max: usize) -> Recorder {
        Recorder {
            given: vec![Given::default(); sink_count],
            handed: vec![0; sink_count],
            head_max,
            handed_max,
        }
    }

    /// Checks that one call stays within each sink's room.
    fn check_call(&mut self) {
        assert!(self.handed.iter().all(|&len| len <= self.handed_max), "{:?}", self.handed);
        self.handed.fill(0);
    }
}

impl Sinks for Recorder {
    fn head(&mut self, sink: usize, head: &[u8]) {
        assert!(head.len() <= self.head_max);
        self.given[sink].heads.push(head.to_vec());
    }

    fn bytes(&mut self, sink: usize, bytes: &[u8]) {
        self.handed[sink] += bytes.len();
        self.given[sink].bytes.extend_from_slice(bytes);
    }
}
