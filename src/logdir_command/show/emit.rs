//! From lines to standard output: which ones, and in which form.

use crate::copy;
use crate::diag::Failure;
use crate::logdir_command::filter::Filter;
use crate::logdir_command::show::json;
use crate::reader::lines::{Line, Place};
use crate::reader::render::Renderer;
use crate::reader::stamp::Stamp;
use crate::signals::Signals;
use std::collections::VecDeque;
use std::rc::Rc;

/// Bytes of output that are not kept for the next line.
const OUTPUT_LEN: usize = 64 * 1024;
/// What separates matches that do not follow each other, where lines around them are shown.
const SEPARATOR: &[u8] = b"--\n";

/// A line on its way out.
#[derive(Clone, Copy)]
pub struct Item<'a> {
    /// The number of its directory.
    pub number: usize,
    /// The line.
    pub line: Line<'a>,
    /// Its stamp, if it has one.
    pub stamp: Option<Stamp>,
    /// Where it starts.
    pub place: &'a Place,
}

/// How lines are written.
pub enum Form {
    /// For people.
    Text(Box<Renderer>),
    /// One JSON object a line; the names and paths of the directories.
    Json(Vec<json::Names>),
}

/// Writes the lines that are wanted.
pub struct Emitter {
    form: Form,
    filter: Filter,
    /// How many lines are shown before and after each that is wanted.
    context_count: usize,
    /// The last lines that were not shown, rendered; at most `context_count`.
    before: VecDeque<Vec<u8>>,
    /// How many lines are still to be shown after the last one that is wanted.
    after_count: usize,
    /// Whether lines were left out since the last one that was shown.
    left_out: bool,
    output: Vec<u8>,
    /// Bytes that have been written out.
    written_len: u64,
    /// What may ask to end while nobody takes the output.
    signals: Option<Rc<Signals>>,
    /// Whether it has, so that some of the output will never be written.
    is_stopped: bool,
    /// Whether the line of which pieces come was wanted.
    was_wanted: bool,
    found_count: u64,
}

impl Emitter {
    /// Writes lines in this form.
    pub fn new(form: Form, filter: Filter, context_count: usize) -> Emitter {
        Emitter {
            form,
            filter,
            context_count,
            before: VecDeque::new(),
            after_count: 0,
            left_out: false,
            output: Vec::with_capacity(2 * OUTPUT_LEN),
            written_len: 0,
            signals: None,
            is_stopped: false,
            was_wanted: true,
            found_count: 0,
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

    /// The form, to write moments in it.
    pub fn form(&mut self) -> &mut Form {
        &mut self.form
    }

    /// Takes a line.
    pub fn take(&mut self, item: Item<'_>) -> Result<(), Failure> {
        if !item.line.continues {
            self.was_wanted = self.filter.is_wanted(text_of(item));
        }
        if self.was_wanted {
            self.found_count += u64::from(!item.line.continues);
            self.show_context();
            self.append(item);
            self.after_count = self.context_count;
        } else if self.after_count > 0 {
            self.after_count -= 1;
            self.append(item);
        } else {
            self.leave_out(item);
        }
        if self.output.len() >= OUTPUT_LEN { self.flush() } else { Ok(()) }
    }

    /// Writes everything that was taken, unless a signal asks to end while nobody reads it.
    pub fn flush(&mut self) -> Result<(), Failure> {
        if self.is_stopped {
            return Ok(());
        }
        let len = self.output.len();
        match &self.signals {
            None => copy::write_out(&mut self.output)?,
            Some(signals) => copy::write_until_asked(&mut self.output, signals)?,
        }
        self.written_len += (len - self.output.len()) as u64;
        self.is_stopped = !self.output.is_empty();
        Ok(())
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

    /// Bytes that have been written out or will be.
    pub fn taken_len(&self) -> u64 {
        self.written_len + self.output.len() as u64
    }

    fn show_context(&mut self) {
        if self.context_count == 0 {
            return;
        }
        if std::mem::take(&mut self.left_out) && self.found_count > 1 {
            self.output.extend_from_slice(SEPARATOR);
        }
        for line in self.before.drain(..) {
            self.output.extend_from_slice(&line);
        }
    }

    fn leave_out(&mut self, item: Item<'_>) {
        if self.context_count == 0 {
            return;
        }
        if self.before.len() == self.context_count {
            self.before.pop_front();
            self.left_out = true;
        }
        let mut line = Vec::new();
        append(&mut self.form, &self.filter, item, &mut line);
        self.before.push_back(line);
    }

    fn append(&mut self, item: Item<'_>) {
        append(&mut self.form, &self.filter, item, &mut self.output);
    }
}

fn append(form: &mut Form, filter: &Filter, item: Item<'_>, to: &mut Vec<u8>) {
    match form {
        Form::Text(renderer) => {
            renderer.append(item.number, item.line, item.stamp, |text| filter.find(text), to);
        }
        Form::Json(names) => json::append(&names[item.number], item, to),
    }
}

/// A line without its stamp.
fn text_of(item: Item<'_>) -> &[u8] {
    &item.line.bytes[item.stamp.map_or(0, |stamp| stamp.end)..]
}
