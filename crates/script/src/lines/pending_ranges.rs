//! Which bytes of a text each sink still has to be given, so that neighbouring lines go to a sink in one piece.

use crate::lines::Sinks;
use crate::select::Route;

/// The ranges of the current text that sinks take and have not been given.
#[derive(Debug)]
pub struct PendingRanges {
    /// The sinks that take the current line, or the last one.
    open: Vec<usize>,
    /// Their route.
    route_id: u64,
    /// Lines on that route since it changed.
    line_count: u64,
    /// Where the range of each sink begins; 0 for sinks that take nothing.
    starts: Vec<usize>,
    /// Lines before the last change of route, by sink.
    counts: Vec<u64>,
}

impl PendingRanges {
    /// Nothing pending; the first line takes this route.
    pub fn new(sink_count: usize, route: &Route) -> PendingRanges {
        PendingRanges {
            open: route.bytes.clone(),
            route_id: route.route_id,
            line_count: 0,
            starts: vec![0; sink_count],
            counts: vec![0; sink_count],
        }
    }

    /// The line from `start` on takes this route.
    #[inline]
    pub fn add_line(&mut self, text: &[u8], start: usize, route: &Route, to: &mut impl Sinks) {
        if self.route_id != route.route_id {
            self.change(text, start, route, to);
        }
        self.line_count += 1;
    }

    fn change(&mut self, text: &[u8], start: usize, route: &Route, to: &mut impl Sinks) {
        self.add_up();
        for &sink in self.open.iter().filter(|sink| !route.bytes.contains(sink)) {
            hand(sink, &text[std::mem::take(&mut self.starts[sink])..start], to);
        }
        for &sink in route.bytes.iter().filter(|sink| !self.open.contains(sink)) {
            self.starts[sink] = start;
        }
        self.open.clone_from(&route.bytes);
        self.route_id = route.route_id;
    }

    /// Counts lines that take the route of the line before.
    pub fn count_lines(&mut self, count: u64) {
        self.line_count += count;
    }

    /// Hands on everything pending: the text ends here, perhaps within a line.
    pub fn end(&mut self, text: &[u8], to: &mut impl Sinks) {
        for &sink in &self.open {
            hand(sink, &text[std::mem::take(&mut self.starts[sink])..], to);
        }
    }

    /// Lines that each sink took.
    pub fn counts(&mut self) -> &[u64] {
        self.add_up();
        &self.counts
    }

    fn add_up(&mut self) {
        for &sink in &self.open {
            self.counts[sink] += self.line_count;
        }
        self.line_count = 0;
    }
}

fn hand(sink: usize, bytes: &[u8], to: &mut impl Sinks) {
    if !bytes.is_empty() {
        to.bytes(sink, bytes);
    }
}
