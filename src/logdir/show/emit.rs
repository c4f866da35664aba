//! Filters, formats and times line output.

use crate::logdir::doubles::{Copies, Doubles};
use crate::logdir::filter::Filter;
use crate::logdir::show::cursors::Cursors;
use crate::logdir::show::item::{Item, text_of};
use crate::logdir::show::json;
use crate::logdir::show::kinds::KindFilter;
use crate::logdir::show::output::Output;
use crate::logdir::show::progress::Progress;
use crate::logdir::show::settings::Context;
use crate::message;
use crate::signals::Signals;
use crate::stdout;
use ::logdir::failure::Failure;
use ::logdir::read::lines::{Ending, Line, LineStart};
use ::logdir::read::render::Renderer;
use ::logdir::read::stamp::{Moment, Stamp};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Bytes of lines between clock reads; each line adds a minimum.
const PULSE_LEN: usize = 64 * 1024;
const LINE_LEN_MIN: usize = 64;
/// Longest delay before matches are printed, even if no more lines arrive.
const PULSE_INTERVAL: Duration = Duration::from_millis(100);
/// Separates groups of matches and their context.
const SEPARATOR: &[u8] = b"--\n";

/// Line printed later: its copies may follow, or a match that it is context of.
pub struct Held {
    number: usize,
    bytes: Vec<u8>,
    ending: Ending,
    continues: bool,
    stamp: Option<Stamp>,
    moment: Option<Moment>,
    place: LineStart,
    others: Vec<usize>,
    cursor: Option<String>,
}

impl Held {
    fn new(item: &Item<'_>, cursor: Option<String>) -> Held {
        Held {
            number: item.number,
            bytes: item.line.bytes.to_vec(),
            ending: item.line.ending,
            continues: item.line.continues,
            stamp: item.stamp,
            moment: item.moment,
            place: item.place.clone(),
            others: item.others.to_vec(),
            cursor,
        }
    }

    fn item(&self) -> Item<'_> {
        let Held { number, ending, continues, stamp, moment, .. } = *self;
        let line = Line { bytes: &self.bytes, ending, continues };
        let (place, others) = (&self.place, self.others.as_slice());
        Item { number, line, stamp, moment, place, chain: None, others }
    }

    /// Line of the first directory, plus the other directory numbers.
    fn of_copies(copies: Copies<Held>) -> Option<Held> {
        let mut copies = copies.into_iter().map(|(_, held)| held);
        let mut first = copies.next()?;
        first.others = copies.map(|held| held.number).collect();
        Some(first)
    }
}

/// Output format.
pub enum Form {
    Text(Box<Renderer>),
    /// One JSON object per line; directory names and paths.
    Json(Vec<json::Names>),
}

/// Filters and writes lines.
pub struct Emitter {
    form: Form,
    /// Cursor builder for `--json=cursor`.
    cursors: Option<Cursors>,
    filter: Filter,
    kinds: KindFilter,
    /// True if neither leaves out a line.
    wants_all: bool,
    /// Lines that may have copies in other directories.
    doubles: Doubles<Held>,
    /// Matches still to be left out.
    skip_count: u64,
    /// Context lines before and after each match.
    context: Context,
    /// Latest lines not printed; at most `context.before_count`.
    before: VecDeque<Held>,
    /// Context lines still due after the last match.
    after_count: usize,
    /// True if lines were skipped since the last printed line.
    left_out: bool,
    /// Formatted bytes, unwritten.
    text: Vec<u8>,
    output: Output,
    written_len: u64,
    /// Signals that may end the program while output is blocked; no pager then.
    signals: Option<Rc<Signals>>,
    /// True after a signal: discard remaining output.
    is_stopped: bool,
    progress: Option<Progress>,
    /// Bytes of lines since the last clock read.
    passed_len: usize,
    looked_at: Instant,
    /// True if the current line, arriving in pieces, matched.
    was_wanted: bool,
    found_count: u64,
    /// Maximum matches.
    found_count_max: u64,
}

impl Emitter {
    pub fn new(
        form: Form,
        filter: Filter,
        kinds: KindFilter,
        doubles: Doubles<Held>,
        context: Context,
        output: Output,
        progress: Option<Progress>,
    ) -> Emitter {
        Emitter {
            form,
            cursors: None,
            wants_all: filter.is_empty() && kinds.is_empty(),
            filter,
            kinds,
            doubles,
            skip_count: 0,
            context,
            before: VecDeque::new(),
            after_count: 0,
            left_out: false,
            text: Vec::new(),
            output,
            written_len: 0,
            signals: None,
            is_stopped: false,
            progress,
            passed_len: 0,
            looked_at: Instant::now(),
            was_wanted: true,
            found_count: 0,
            found_count_max: u64::MAX,
        }
    }

    /// Matches so far.
    pub fn found_count(&self) -> u64 {
        self.found_count
    }

    /// True if a log's line may be shown.
    pub fn is_wanted(&mut self, number: usize, text: &[u8]) -> bool {
        self.filter.is_wanted(text) && self.kinds.is_wanted(number, text)
    }

    fn wants(&mut self, item: &Item<'_>) -> bool {
        self.wants_all || self.is_wanted(item.number, text_of(item))
    }

    /// Output form, for formatting moments.
    pub fn form(&mut self) -> &mut Form {
        &mut self.form
    }

    /// Limits matches; their context lines are still printed.
    pub fn set_limit(&mut self, count: Option<u64>) {
        self.found_count_max = count.unwrap_or(u64::MAX);
    }

    /// True if no further line will be printed.
    pub fn is_complete(&self) -> bool {
        self.found_count >= self.found_count_max && self.after_count == 0
    }

    pub fn set_cursors(&mut self, cursors: Cursors) {
        self.cursors = Some(cursors);
    }

    /// Leaves out this many matches first.
    pub fn set_skip_count(&mut self, count: u64) {
        self.skip_count = count;
    }

    /// True if accepted lines wait for their copies.
    pub fn holds(&self) -> bool {
        self.doubles.holds()
    }

    /// Accepts a line. Lines of an earlier label are formatted first.
    pub fn take(&mut self, item: Item<'_>) -> Result<(), Failure> {
        self.settle_before(item.moment)?;
        self.note(&item);
        if self.doubles.passes(item.number, item.moment) {
            return self.show(&item, None);
        }
        let held = Held::new(&item, self.cursor());
        self.doubles.hold(item.number, item.compared(), held);
        Ok(())
    }

    /// Formats the lines that have no further copies if the next line is of this moment.
    pub fn settle_before(&mut self, moment: Option<Moment>) -> Result<(), Failure> {
        if !self.doubles.is_over(moment) {
            return Ok(());
        }
        let lines = self.doubles.finish();
        self.show_all(lines)
    }

    /// Formats all accepted lines; copies that follow are left out.
    pub fn settle(&mut self) -> Result<(), Failure> {
        let lines = self.doubles.take();
        self.show_all(lines)
    }

    fn show_all(&mut self, lines: impl Iterator<Item = Copies<Held>>) -> Result<(), Failure> {
        let mut lines = lines.filter_map(Held::of_copies).peekable();
        while let Some(held) = lines.next() {
            // The last line is after all copies.
            let cursor = if lines.peek().is_some() { held.cursor.as_deref() } else { None };
            self.show(&held.item(), cursor)?;
        }
        Ok(())
    }

    fn show(&mut self, item: &Item<'_>, cursor: Option<&str>) -> Result<(), Failure> {
        if self.skip_count > 0 {
            self.skip_count -= u64::from(!item.line.continues && self.wants(item));
            self.was_wanted = false;
            return Ok(());
        }
        if !item.line.continues {
            self.was_wanted = self.found_count < self.found_count_max
                && self.wants(item)
                && (self.wants_all || self.kinds.is_due(item.number, text_of(item)));
        }
        if self.was_wanted {
            self.found_count += u64::from(!item.line.continues);
            self.show_context();
            self.append(item, cursor);
            self.after_count = self.context.after_count;
        } else if self.after_count > 0 {
            self.after_count -= 1;
            self.append(item, cursor);
        } else {
            self.leave_out(item, cursor);
        }
        if self.text.len() >= self.output.block_len() { self.flush() } else { Ok(()) }
    }

    /// Begins progress for a search over that many bytes.
    pub fn begin(&mut self, all_len: impl FnOnce() -> u64) {
        if let Some(progress) = &mut self.progress {
            progress.begin(all_len());
        }
    }

    /// True if the clock is due after a line of this length.
    pub fn is_due(&mut self, line_len: usize) -> bool {
        self.passed_len += line_len.max(LINE_LEN_MIN);
        if self.passed_len < PULSE_LEN {
            return false;
        }
        self.passed_len = 0;
        self.looked_at.elapsed() >= PULSE_INTERVAL
    }

    /// Prints matches and progress with the bytes left. `false` if the reader closed its end.
    pub fn look(&mut self, left_len: impl FnOnce() -> u64) -> Result<bool, Failure> {
        self.looked_at = Instant::now();
        self.flush()?;
        if self.output.is_over() {
            return Ok(false);
        }
        if let Some(progress) = &mut self.progress {
            progress.show(left_len(), self.found_count);
        }
        Ok(true)
    }

    /// Writes all buffered lines, except while a pager decision is pending or after a signal with
    /// output blocked.
    pub fn flush(&mut self) -> Result<(), Failure> {
        if self.is_stopped || self.text.is_empty() || self.output.holds(&self.text) {
            return Ok(());
        }
        self.be_quiet();
        let len = self.text.len();
        match &self.signals {
            None => self.output.write(&mut self.text)?,
            Some(signals) => stdout::write_until_asked(&mut self.text, signals)?,
        }
        if self.output.is_paged() {
            self.progress = None;
        }
        self.written_len += (len - self.text.len()) as u64;
        self.is_stopped = !self.text.is_empty();
        Ok(())
    }

    /// Writes all buffered lines and waits for the pager. Later output uses stdout.
    pub fn finish(&mut self) -> Result<(), Failure> {
        self.settle()?;
        if self.output.was_interrupted() {
            // Keeps the progress line, with `^C` after it.
            if !self.text.is_empty() {
                message::end_line();
            }
        } else {
            self.be_quiet();
        }
        match self.signals {
            None => self.output.finish(&mut self.text),
            Some(_) => self.flush(),
        }
    }

    pub fn be_quiet(&mut self) {
        if let Some(progress) = &mut self.progress {
            progress.erase();
        }
    }

    /// Lets these signals end the program from here on.
    pub fn listen_to(&mut self, signals: Rc<Signals>) {
        self.signals = Some(signals);
    }

    /// True if unwritten output was discarded.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    pub fn written_len(&self) -> u64 {
        self.written_len
    }

    /// Bytes written plus bytes in `text`.
    pub fn taken_len(&self) -> u64 {
        self.written_len + self.text.len() as u64
    }

    fn show_context(&mut self) {
        let is_apart = std::mem::take(&mut self.left_out) && self.found_count > 1;
        if is_apart && self.context.is_any() && matches!(self.form, Form::Text(_)) {
            self.text.extend_from_slice(SEPARATOR);
        }
        while let Some(held) = self.before.pop_front() {
            self.append(&held.item(), held.cursor.as_deref());
        }
    }

    fn leave_out(&mut self, item: &Item<'_>, cursor: Option<&str>) {
        if !self.context.is_any() {
            return;
        }
        if self.before.len() == self.context.before_count {
            self.left_out = true;
            if self.before.pop_front().is_none() {
                return;
            }
        }
        let cursor = cursor.map(str::to_owned).or_else(|| self.cursor());
        self.before.push_back(Held::new(item, cursor));
    }

    /// Formats a line. Without a cursor it gets the one after the last line read.
    fn append(&mut self, item: &Item<'_>, cursor: Option<&str>) {
        match &mut self.form {
            Form::Text(renderer) => {
                let find = |text: &[u8]| self.filter.find(text);
                let Item { number, others, line, stamp, .. } = *item;
                renderer.append(number, others, line, stamp, find, &mut self.text);
            }
            Form::Json(names) => {
                let own = match cursor {
                    Some(_) => None,
                    None => self.cursors.as_mut().map(Cursors::word),
                };
                json::append(names, item, cursor.or(own.as_deref()), &mut self.text);
            }
        }
    }

    fn note(&mut self, item: &Item<'_>) {
        if let (Some(cursors), Some(chain)) = (&mut self.cursors, item.chain) {
            cursors.note(item.number, chain);
        }
    }

    fn cursor(&mut self) -> Option<String> {
        self.cursors.as_mut().map(Cursors::word)
    }
}
