//! Checks the contents of all lines, file after file.

use super::{Findings, Kind};
use crate::label::{LABEL_LEN, Label};
use crate::read::chain::Chain;
use crate::read::lines::{Ending, Line, LineStart, ZEROS_LEN};
use crate::read::list::LogFile;
use crate::read::snapshot::Snapshot;
use crate::read::stamp::{Moment, Stamp, StampParser};
use crate::read::vitals::secs_between;
use crate::read::writer::Writer;
use memchr::memchr_iter;
use std::sync::Arc;

/// Seconds by which an archive's name may precede its last line.
const SLACK_SECS: i64 = 2;
/// Maximum seconds by which a joined line's label may follow the first label. A later label is text
/// that mentions another moment.
const JOINED_SECS_MAX: f64 = 86_400.0;

/// Checks all lines of a directory.
pub fn judge(
    snapshot: &Snapshot,
    stamps: &StampParser,
    writer: Option<Writer>,
    findings: &mut Findings,
) {
    let mut chain = Chain::of_all(snapshot, stamps.clone());
    let mut state = State::default();
    while chain.advance() || chain.finish() {
        let (line, place) = (chain.line(), chain.place());
        findings.line_count += u64::from(!line.continues);
        state.enter_file(&place.file, stamps, findings);
        judge_zeros(line, place, findings);
        judge_end(line, place, writer, findings);
        if let Some(stamp) = chain.stamp() {
            match label_within(line, stamp, stamps) {
                Within::Nothing => {}
                Within::Second => state.note_second(place),
                Within::OtherLine(pos) => {
                    let detail = format!("the second line begins {pos} bytes behind");
                    findings.add(Kind::Joined, &place.file.name, Some(place.offset), detail);
                }
            }
            state.judge_order(place, stamp.moment);
        }
    }
    state.leave_file(stamps, findings);
    findings.note(chain.take_notices());
}

/// Facts about the current file and the preceding line.
#[derive(Default)]
struct State {
    file: Option<Arc<LogFile>>,
    before: Option<Moment>,
    /// Latest moment in the file, and its offset.
    latest: Option<(Moment, u64)>,
    /// Count of backward stamp steps, first offset, and largest step in seconds.
    steps: Option<(u64, u64, f64)>,
    /// Count of lines with two labels, and the first offset.
    twice: Option<(u64, u64)>,
}

impl State {
    fn enter_file(&mut self, file: &Arc<LogFile>, stamps: &StampParser, findings: &mut Findings) {
        if !self.file.as_ref().is_some_and(|known| Arc::ptr_eq(known, file)) {
            self.leave_file(stamps, findings);
            self.file = Some(file.clone());
        }
    }

    fn judge_order(&mut self, place: &LineStart, moment: Moment) {
        if let Some(before) = self.before.filter(|&before| moment < before) {
            let secs = secs_between(moment, before);
            let (count, first, widest) = self.steps.unwrap_or((0, place.offset, 0.0));
            self.steps = Some((count + 1, first, secs.max(widest)));
        }
        if self.latest.is_none_or(|(latest, _)| moment > latest) {
            self.latest = Some((moment, place.offset));
        }
        self.before = Some(moment);
    }

    fn note_second(&mut self, place: &LineStart) {
        let (count, first) = self.twice.unwrap_or((0, place.offset));
        self.twice = Some((count + 1, first));
    }

    /// Reports findings about a complete file.
    fn leave_file(&mut self, stamps: &StampParser, findings: &mut Findings) {
        let (steps, latest, twice) = (self.steps.take(), self.latest.take(), self.twice.take());
        let Some(file) = self.file.take() else { return };
        if let Some((count, first, widest)) = steps {
            let detail = match count {
                1 => format!("by {widest:.6} s"),
                _ => format!("the first of {count}, by up to {widest:.6} s"),
            };
            findings.add(Kind::StepBack, &file.name, Some(first), detail);
        }
        if let Some((count, first)) = twice {
            let detail = format!("{count} lines");
            findings.add(Kind::StampedTwice, &file.name, Some(first), detail);
        }
        if let (Some(label), Some((latest, offset))) = (file.label(), latest) {
            let named = stamps.moment_of(label);
            let late = Moment { unix_secs: named.unix_secs.saturating_add(SLACK_SECS), ..named };
            if latest > late {
                let detail = format!("by {:.6} s", secs_between(named, latest));
                findings.add(Kind::NamedTooEarly, &file.name, Some(offset), detail);
            }
        }
    }
}

fn judge_zeros(line: Line<'_>, place: &LineStart, findings: &mut Findings) {
    let is_run = |pos: usize| {
        line.bytes.get(pos..pos + ZEROS_LEN).is_some_and(|run| run.iter().all(|&byte| byte == 0))
    };
    if let Some(pos) = memchr_iter(0, line.bytes).find(|&pos| is_run(pos)) {
        let zeros_count = line.bytes[pos..].iter().take_while(|&&byte| byte == 0).count();
        let detail = format!("{zeros_count} zeros {pos} bytes behind");
        findings.add(Kind::Zeros, &place.file.name, Some(place.offset), detail);
    }
}

/// Checks the last line's end; that line belongs to `current` if `current` exists.
fn judge_end(line: Line<'_>, place: &LineStart, writer: Option<Writer>, findings: &mut Findings) {
    let kind = match (line.ending, writer) {
        (Ending::Open, Some(Writer::Crashed)) => Kind::Torn,
        (Ending::Open, Some(Writer::Clean)) => Kind::MarkedWithinLine,
        (Ending::Open | Ending::Newline | Ending::Cut | Ending::Torn, _) => return,
    };
    findings.add(kind, &place.file.name, Some(place.offset), String::new());
}

/// Second label within a line.
enum Within {
    Nothing,
    /// Directly after the first label.
    Second,
    /// At this byte offset in the line: another line was joined here.
    OtherLine(usize),
}

fn label_within(line: Line<'_>, stamp: Stamp, stamps: &StampParser) -> Within {
    for pos in memchr_iter(b'@', &line.bytes[stamp.end..]).map(|pos| pos + stamp.end) {
        let rest = &line.bytes[pos..];
        let Some(label) = Label::parse(rest).filter(|_| rest.get(LABEL_LEN) == Some(&b' ')) else {
            continue;
        };
        let later_secs = secs_between(stamp.moment, stamps.moment_of(label));
        if pos == stamp.end {
            return Within::Second;
        }
        if (0.0..JOINED_SECS_MAX).contains(&later_secs) {
            return Within::OtherLine(pos);
        }
    }
    Within::Nothing
}
