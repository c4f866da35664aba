//! Pending byte ranges by sink: merges neighbouring lines into one call.

use crate::lines::Sinks;
use crate::select::Route;

/// Pending ranges of the current text.
#[derive(Debug)]
pub struct PendingRanges {
    /// Sinks of the current or last line.
    open: Vec<usize>,
    /// Their route.
    route_id: u64,
    /// Lines since the last route change.
    line_count: u64,
    /// Pending range start by sink; 0 for unselected sinks.
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

    /// Sets the route of the line at `start`.
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

    /// Counts further lines on the current route.
    pub fn count_lines(&mut self, count: u64) {
        self.line_count += count;
    }

    /// Hands on everything pending: the text ends here, perhaps within a line.
    pub fn end(&mut self, text: &[u8], to: &mut impl Sinks) {
        for &sink in &self.open {
            hand(sink, &text[std::mem::take(&mut self.starts[sink])..], to);
        }
    }

    /// Line count by sink.
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
