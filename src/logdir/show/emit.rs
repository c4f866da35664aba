//! From lines to output: which ones, in which form, and when.

use crate::logdir::filter::Filter;
use crate::logdir::show::cursors::Cursors;
use crate::logdir::show::json;
use crate::logdir::show::output::Output;
use crate::logdir::show::progress::Progress;
use crate::logdir::show::settings::Context;
use crate::message;
use crate::signals::Signals;
use crate::stdout;
use ::logdir::failure::Failure;
use ::logdir::read::chain::Chain;
use ::logdir::read::lines::{Ending, Line, LineStart};
use ::logdir::read::render::Renderer;
use ::logdir::read::stamp::Stamp;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The clock is asked after so many bytes of lines, where each counts for so many at least.
const PULSE_LEN: usize = 64 * 1024;
const LINE_LEN_MIN: usize = 64;
/// What was found is shown after so much time, whether more comes or not.
const PULSE_INTERVAL: Duration = Duration::from_millis(100);
/// What separates matches that do not follow each other, where lines around them are shown.
const SEPARATOR: &[u8] = b"--\n";

/// A line on its way out.
#[derive(Clone, Copy)]
pub struct Item<'a> {
    /// The number of its directory.
    pub number: usize,
    /// The line.
    pub line: Line<'a>,
    /// The stamp of the line.
    pub stamp: Option<Stamp>,
    /// Where it starts.
    pub place: &'a LineStart,
    /// The files read up to the line, when reading forward.
    pub chain: Option<&'a Chain>,
}

/// A line that is shown if one is wanted soon.
struct Held {
    number: usize,
    bytes: Vec<u8>,
    ending: Ending,
    continues: bool,
    stamp: Option<Stamp>,
    place: LineStart,
    cursor: Option<String>,
}

impl Held {
    fn new(item: Item<'_>, cursor: Option<String>) -> Held {
        Held {
            number: item.number,
            bytes: item.line.bytes.to_vec(),
            ending: item.line.ending,
            continues: item.line.continues,
            stamp: item.stamp,
            place: item.place.clone(),
            cursor,
        }
    }

    fn item(&self) -> Item<'_> {
        let Held { number, ending, continues, stamp, .. } = *self;
        let line = Line { bytes: &self.bytes, ending, continues };
        Item { number, line, stamp, place: &self.place, chain: None }
    }
}

/// How lines are written.
pub enum Form {
    /// For people.
    Text(Box<Renderer>),
    /// One JSON object a line; the names and paths of the directories.
    Json(Vec<json::Names>),
}

impl Form {
    fn append(&mut self, filter: &Filter, item: Item<'_>, cursor: Option<&str>, to: &mut Vec<u8>) {
        match self {
            Form::Text(renderer) => {
                renderer.append(item.number, item.line, item.stamp, |text| filter.find(text), to);
            }
            Form::Json(names) => json::append(&names[item.number], item, cursor, to),
        }
    }
}

/// Writes the lines that are wanted.
pub struct Emitter {
    form: Form,
    /// Makes the cursor of each line, with `--json=cursor`.
    cursors: Option<Cursors>,
    filter: Filter,
    /// How many lines are shown before and after each that is wanted.
    context: Context,
    /// The last lines that were not shown; at most `context.before_count`.
    before: VecDeque<Held>,
    /// How many lines are still to be shown after the last one that is wanted.
    after_count: usize,
    /// Whether lines were left out since the last one that was shown.
    left_out: bool,
    /// Lines that are on their way.
    text: Vec<u8>,
    output: Output,
    /// Bytes that have been written out.
    written_len: u64,
    /// What may ask to end while nobody takes the output. Then there is no pager.
    signals: Option<Rc<Signals>>,
    /// True after a signal: the rest of the output is not written.
    is_stopped: bool,
    progress: Option<Progress>,
    /// Bytes of lines that have passed since the clock was asked.
    passed_len: usize,
    looked_at: Instant,
    /// Whether the line of which pieces come was wanted.
    was_wanted: bool,
    found_count: u64,
    /// The largest number of matches to show.
    found_count_max: u64,
}

impl Emitter {
    /// Writes lines in this form.
    pub fn new(
        form: Form,
        filter: Filter,
        context: Context,
        output: Output,
        progress: Option<Progress>,
    ) -> Emitter {
        Emitter {
            form,
            cursors: None,
            filter,
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

    /// How many lines were wanted.
    pub fn found_count(&self) -> u64 {
        self.found_count
    }

    /// Whether a line with this text is wanted.
    pub fn is_wanted(&self, text: &[u8]) -> bool {
        self.filter.is_wanted(text)
    }

    /// Whether a line is wanted.
    pub fn wants(&self, item: Item<'_>) -> bool {
        self.is_wanted(text_of(item))
    }

    /// The form, to write moments in it.
    pub fn form(&mut self) -> &mut Form {
        &mut self.form
    }

    /// Shows at most this many matches, and the lines around them.
    pub fn set_limit(&mut self, count: Option<u64>) {
        self.found_count_max = count.unwrap_or(u64::MAX);
    }

    /// True if no other line will be shown.
    pub fn is_complete(&self) -> bool {
        self.found_count >= self.found_count_max && self.after_count == 0
    }

    /// Gives lines cursors from here on.
    pub fn set_cursors(&mut self, cursors: Cursors) {
        self.cursors = Some(cursors);
    }

    /// Passes over a line that was to be shown long ago.
    pub fn skip(&mut self, item: Item<'_>) {
        self.note(item);
        self.was_wanted = false;
    }

    /// Takes a line.
    pub fn take(&mut self, item: Item<'_>) -> Result<(), Failure> {
        self.note(item);
        if !item.line.continues {
            self.was_wanted = self.found_count < self.found_count_max && self.wants(item);
        }
        if self.was_wanted {
            self.found_count += u64::from(!item.line.continues);
            self.show_context();
            self.append(item);
            self.after_count = self.context.after_count;
        } else if self.after_count > 0 {
            self.after_count -= 1;
            self.append(item);
        } else {
            self.leave_out(item);
        }
        if self.text.len() >= self.output.block_len() { self.flush() } else { Ok(()) }
    }

    /// Says that a search of so many bytes begins.
    pub fn begin(&mut self, all_len: impl FnOnce() -> u64) {
        if let Some(progress) = &mut self.progress {
            progress.begin(all_len());
        }
    }

    /// Whether it is time to look how things are, after a line of this length.
    pub fn is_due(&mut self, line_len: usize) -> bool {
        self.passed_len += line_len.max(LINE_LEN_MIN);
        if self.passed_len < PULSE_LEN {
            return false;
        }
        self.passed_len = 0;
        self.looked_at.elapsed() >= PULSE_INTERVAL
    }

    /// Shows what was found, and how far the search has come with so many bytes left. False where nobody
    /// wants more.
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

    /// Writes everything that was taken, unless it waits for a pager to be needed, or a signal asks to
    /// end while nobody reads it.
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

    /// Writes everything, and waits until a pager has ended. What comes then goes to standard output.
    pub fn finish(&mut self) -> Result<(), Failure> {
        if self.output.was_interrupted() {
            // What tells of progress stays, with the `^C` behind it.
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

    /// Takes away what tells of progress.
    pub fn be_quiet(&mut self) {
        if let Some(progress) = &mut self.progress {
            progress.erase();
        }
    }

    /// From here on these signals may ask to end.
    pub fn listen_to(&mut self, signals: Rc<Signals>) {
        self.signals = Some(signals);
    }

    /// Whether output is left that will never be written.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// Bytes that have been written out.
    pub fn written_len(&self) -> u64 {
        self.written_len
    }

    /// Bytes written, and bytes still in `text`.
    pub fn taken_len(&self) -> u64 {
        self.written_len + self.text.len() as u64
    }

    fn show_context(&mut self) {
        let is_apart = std::mem::take(&mut self.left_out) && self.found_count > 1;
        if is_apart && self.context.is_any() && matches!(self.form, Form::Text(_)) {
            self.text.extend_from_slice(SEPARATOR);
        }
        for held in self.before.drain(..) {
            let cursor = held.cursor.as_deref();
            self.form.append(&self.filter, held.item(), cursor, &mut self.text);
        }
    }

    fn leave_out(&mut self, item: Item<'_>) {
        if !self.context.is_any() {
            return;
        }
        if self.before.len() == self.context.before_count {
            self.left_out = true;
            if self.before.pop_front().is_none() {
                return;
            }
        }
        let cursor = self.cursor();
        self.before.push_back(Held::new(item, cursor));
    }

    fn append(&mut self, item: Item<'_>) {
        let cursor = self.cursor();
        self.form.append(&self.filter, item, cursor.as_deref(), &mut self.text);
    }

    fn note(&mut self, item: Item<'_>) {
        if let (Some(cursors), Some(chain)) = (&mut self.cursors, item.chain) {
            cursors.note(item.number, chain);
        }
    }

    fn cursor(&mut self) -> Option<String> {
        self.cursors.as_mut().map(Cursors::word)
    }
}

/// A line without its stamp.
fn text_of(item: Item<'_>) -> &[u8] {
    &item.line.bytes[item.stamp.map_or(0, |stamp| stamp.end)..]
}
