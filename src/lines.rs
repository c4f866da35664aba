//! The line engine: blocks of input in, heads and bytes of selected lines out. Pure: no files, no
//! clock, no descriptors.
//!
//! A line is judged by its head, the first 1000 bytes with its stamp, as soon as these are there or the
//! line ends. Bytes are copied at most once here: lines without a stamp are handed on from where they
//! lie in the block, stamped ones from the stage, and lines that go the same way in one piece.

use crate::label::{Label, STAMP_LEN, Stamps};
use crate::script::{Action, Script};
use crate::select::{HEAD_MAX, Selector};
use memchr::{memchr, memrchr};

/// Bytes of stamped lines that are put together before they are handed on.
const STAGE_MAX: usize = 64 * 1024;

/// The longest block [`Lines::take`] may be given, in bytes.
pub const BLOCK_MAX: usize = 64 * 1024 + HEAD_MAX;

/// The most bytes that one call of [`Lines::take`] hands to a sink.
pub const HANDED_MAX: usize = if STAGE_MAX > BLOCK_MAX { STAGE_MAX } else { BLOCK_MAX };

/// Where lines go. Sinks are numbered in the order of the script.
pub trait Sinks {
    /// A selected line has been judged: its first bytes, at most [`HEAD_MAX`], without the newline.
    /// Called for sinks that want heads.
    fn head(&mut self, sink: usize, head: &[u8]);
    /// Bytes of selected lines, newlines included, behind all that came before. Called for sinks
    /// that want bytes.
    fn bytes(&mut self, sink: usize, bytes: &[u8]);
}

/// What a sink is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wants {
    Heads,
    Bytes,
}

/// Where in a line the next byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// In its head, which is not complete, or at its beginning.
    Head,
    /// Behind its head: the line has been judged, and the rest goes where the head went.
    Tail,
}

/// The engine of one stream.
#[derive(Debug)]
pub struct Lines {
    /// None where lines get no stamp.
    stamps: Option<Stamps>,
    /// The stamp of a line whose first bytes have been seen and not been taken.
    begun: Option<[u8; STAMP_LEN]>,
    selector: Selector,
    wants: Vec<Wants>,
    /// Whether each sink takes every line, or none, and no sink wants heads.
    takes_blocks: bool,
    position: Position,
    /// Which sinks take the line that was judged last.
    taken: Vec<bool>,
    /// Stamped lines not handed on yet, at most [`STAGE_MAX`] bytes; empty between calls.
    stage: Vec<u8>,
    runs: Runs,
}

/// For each sink, where in the text at hand the run of bytes begins that it has to be given.
#[derive(Debug)]
struct Runs(Vec<Option<usize>>);

impl Runs {
    /// The line from `start` on goes to `taken`.
    fn line(
        &mut self,
        text: &[u8],
        start: usize,
        taken: &[bool],
        wants: &[Wants],
        to: &mut impl Sinks,
    ) {
        for (sink, run) in self.0.iter_mut().enumerate() {
            if wants[sink] == Wants::Heads {
                continue;
            }
            match (taken[sink], *run) {
                (true, None) => *run = Some(start),
                (false, Some(from)) => {
                    to.bytes(sink, &text[from..start]);
                    *run = None;
                }
                (true, Some(_)) | (false, None) => {}
            }
        }
    }

    /// The text ends here.
    fn end(&mut self, text: &[u8], to: &mut impl Sinks) {
        for (sink, run) in self.0.iter_mut().enumerate() {
            if let Some(from) = run.take() {
                to.bytes(sink, &text[from..]);
            }
        }
    }
}

impl Lines {
    /// The engine of a script.
    pub fn new(script: &Script) -> Lines {
        let selector = Selector::new(&script.actions);
        let wants: Vec<Wants> = script.actions.iter().filter_map(wants).collect();
        let sink_count = wants.len();
        let mut taken = vec![false; sink_count];
        selector.judge(b"", &mut taken);
        let heads_taken =
            wants.iter().zip(&taken).any(|(wants, taken)| *wants == Wants::Heads && *taken);
        Lines {
            stamps: script.stamped.then(Stamps::new),
            begun: None,
            takes_blocks: selector.is_constant() && !heads_taken,
            selector,
            wants,
            position: Position::Head,
            taken,
            stage: Vec::with_capacity(if script.stamped { STAGE_MAX } else { 0 }),
            runs: Runs(vec![None; sink_count]),
        }
    }

    /// Takes the moment a block was read; the stamps of lines that begin in it count from there.
    pub fn set_clock(&mut self, now: Label) {
        if let Some(stamps) = &mut self.stamps {
            stamps.set_clock(now);
        }
    }

    /// Takes lines from the beginning of `block` and tells how many bytes it took. What it did not
    /// take has to come again, with more behind it; 0 means that there is nothing but a part of a
    /// line's head. Hands on at most [`HANDED_MAX`] bytes a sink.
    pub fn take(&mut self, block: &[u8], to: &mut impl Sinks) -> usize {
        assert!(block.len() <= BLOCK_MAX);
        match self.position {
            Position::Tail => self.take_tail(block, to),
            Position::Head if self.stamps.is_some() => self.take_stamped(block, to),
            Position::Head if self.takes_blocks => self.take_whole(block, to),
            Position::Head => self.take_plain(block, to),
        }
    }

    /// Whether a line has begun and not ended. `rest` is what [`Lines::take`] did not take.
    pub fn is_in_line(&self, rest: &[u8]) -> bool {
        self.position == Position::Tail || !rest.is_empty()
    }

    /// Ends the input. `rest` is what [`Lines::take`] did not take; a line without a newline gets one.
    pub fn end(&mut self, rest: &[u8], to: &mut impl Sinks) {
        match self.position {
            Position::Head if rest.is_empty() => {}
            Position::Head => {
                let line = [rest, b"\n"].concat();
                let taken = self.take(&line, to);
                assert!(taken == line.len());
            }
            Position::Tail => {
                assert!(rest.is_empty());
                self.hand_tail(b"\n", to);
                self.position = Position::Head;
            }
        }
    }

    /// The rest of a line that has been judged.
    fn take_tail(&mut self, block: &[u8], to: &mut impl Sinks) -> usize {
        let end = match memchr(b'\n', block) {
            Some(newline) => {
                self.position = Position::Head;
                newline + 1
            }
            None => block.len(),
        };
        self.hand_tail(&block[..end], to);
        end
    }

    fn hand_tail(&mut self, bytes: &[u8], to: &mut impl Sinks) {
        for (sink, wants) in self.wants.iter().enumerate() {
            if *wants == Wants::Bytes && self.taken[sink] && !bytes.is_empty() {
                to.bytes(sink, bytes);
            }
        }
    }

    /// Lines that need not be looked at: all of them up to the last newline.
    fn take_whole(&mut self, block: &[u8], to: &mut impl Sinks) -> usize {
        let whole = memrchr(b'\n', block).map_or(0, |newline| newline + 1);
        let rest = block.len() - whole;
        let end = if rest >= HEAD_MAX { block.len() } else { whole };
        if end > whole {
            self.position = Position::Tail;
        }
        self.hand_tail(&block[..end], to);
        end
    }

    /// Lines without stamps.
    fn take_plain(&mut self, block: &[u8], to: &mut impl Sinks) -> usize {
        let mut pos = 0;
        while self.position == Position::Head {
            let rest = &block[pos..];
            let (head_len, line_len) = match memchr(b'\n', rest) {
                Some(newline) => (newline.min(HEAD_MAX), newline + 1),
                None if rest.len() >= HEAD_MAX => {
                    self.position = Position::Tail;
                    (HEAD_MAX, rest.len())
                }
                None => break,
            };
            judge(&self.selector, &self.wants, &rest[..head_len], &mut self.taken, to);
            self.runs.line(block, pos, &self.taken, &self.wants, to);
            pos += line_len;
        }
        self.runs.end(&block[..pos], to);
        pos
    }

    /// Lines with stamps, as many as fit on the stage.
    fn take_stamped(&mut self, block: &[u8], to: &mut impl Sinks) -> usize {
        const TEXT_MAX: usize = HEAD_MAX - STAMP_LEN;
        let Some(stamps) = &mut self.stamps else { return 0 };
        let mut pos = 0;
        while self.position == Position::Head {
            let rest = &block[pos..];
            let text_len = match memchr(b'\n', rest) {
                Some(newline) if newline <= TEXT_MAX => newline + 1,
                Some(_) | None if rest.len() >= TEXT_MAX => TEXT_MAX,
                Some(_) | None => {
                    if !rest.is_empty() && self.begun.is_none() {
                        self.begun = Some(stamps.take());
                    }
                    break;
                }
            };
            let start = self.stage.len();
            if start + STAMP_LEN + text_len > STAGE_MAX {
                break;
            }
            self.stage.extend_from_slice(&self.begun.take().unwrap_or_else(|| stamps.take()));
            self.stage.extend_from_slice(&rest[..text_len]);
            pos += text_len;
            let line = &self.stage[start..];
            let head = line.strip_suffix(b"\n").unwrap_or(line);
            if rest[text_len - 1] != b'\n' {
                self.position = Position::Tail;
            }
            if !self.takes_blocks {
                judge(&self.selector, &self.wants, head, &mut self.taken, to);
            }
            self.runs.line(&self.stage, start, &self.taken, &self.wants, to);
        }
        self.runs.end(&self.stage, to);
        self.stage.clear();
        pos
    }
}

/// Decides who takes a line, and gives its head to those who want one.
fn judge(
    selector: &Selector,
    wants: &[Wants],
    head: &[u8],
    taken: &mut [bool],
    to: &mut impl Sinks,
) {
    selector.judge(head, taken);
    for (sink, wants) in wants.iter().enumerate() {
        if *wants == Wants::Heads && taken[sink] {
            to.head(sink, head);
        }
    }
}

fn wants(action: &Action) -> Option<Wants> {
    match action {
        Action::Select(_) | Action::Deselect(_) => None,
        Action::Alert | Action::Status(_) => Some(Wants::Heads),
        Action::Log(_) => Some(Wants::Bytes),
    }
}
