//! What is done about a queue that is full: input is held back, or, where the script wants that, whole lines
//! are dropped and counted, and a line in their place tells of them (multilog(8), `q`).

use crate::clock;
use crate::settings::Overflow;
use crate::write::LogDir;
use crate::write::figures::Count;
use crate::write::gap::Gap;
use memchr::memrchr;
use std::time::Instant;

/// What is done about a queue that is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflowing {
    /// It is not full.
    No,
    /// Input has been held back since then.
    Since(Instant),
    /// Input is taken, and what does not fit is dropped.
    Dropping,
}

impl LogDir {
    /// How many bytes can be taken now; where lines are dropped, any number.
    pub fn room(&self) -> usize {
        match self.overflow {
            Overflowing::Dropping => usize::MAX,
            Overflowing::No | Overflowing::Since(_) => self.queue.room(),
        }
    }

    /// Whether so many bytes can be taken now. Makes room where that is possible without waiting; where a
    /// full queue is not to hold back input longer than a pause, there is room from then on.
    pub fn have_room(&mut self, len: usize) -> bool {
        if self.queue.room() < len || self.timers.has_rotation() {
            self.flush();
        }
        if self.queue.room() >= len {
            if self.gap.is_none() {
                self.overflow = Overflowing::No;
            }
            return true;
        }
        if self.place.spec.overflow == Overflow::Drop {
            self.overflow = match self.overflow {
                Overflowing::No => Overflowing::Since(clock::instant()),
                Overflowing::Since(since) if clock::instant() >= since + self.place.spec.pause => {
                    Overflowing::Dropping
                }
                other => other,
            };
        }
        self.overflow == Overflowing::Dropping
    }

    /// Whether this need not be dropped.
    pub(super) fn fits(&self, bytes: &[u8]) -> bool {
        self.gap.is_none() && bytes.len() <= self.queue.room()
    }

    /// Takes whole lines as far as they fit, and drops the rest. Of a line that does not fit nothing is
    /// kept, unless its beginning has been written.
    pub(super) fn drop_lines(&mut self, mut bytes: &[u8]) {
        if self.gap.is_none() {
            let (gap, taken) = self.begin_gap(bytes);
            self.gap = Some(Box::new(gap));
            bytes = &bytes[taken..];
        }
        if let Some(gap) = &mut self.gap {
            gap.add(bytes);
        }
    }

    fn begin_gap(&mut self, bytes: &[u8]) -> (Gap, usize) {
        let is_stamped = self.place.spec.is_stamped;
        let fitting = &bytes[..self.queue.room().min(bytes.len())];
        if let Some(newline) = memrchr(b'\n', fitting) {
            self.queue.push(&bytes[..=newline]);
            return (Gap::at_line_start(is_stamped), newline + 1);
        }
        let line_pos = match memrchr(b'\n', self.queue.held()) {
            Some(newline) => newline + 1,
            None if self.is_at_line_start => 0,
            None => {
                self.queue.push(fitting);
                return (Gap::in_line(is_stamped), fitting.len());
            }
        };
        let mut gap = Gap::at_line_start(is_stamped);
        gap.add(&self.queue.split_off(line_pos));
        self.cut_pos = self.cut_pos.map(|cut_pos| cut_pos.min(line_pos));
        (gap, 0)
    }

    /// Whether writing works again, and there is room for more than the marker.
    pub(super) fn can_end_gap(&self) -> bool {
        self.gap.as_ref().is_some_and(|gap| gap.is_between_lines())
            && self.pause.until().is_none()
            && self.disk_full.is_none()
            && self.queue.is_half_empty()
    }

    pub(super) fn end_gap(&mut self) {
        if let Some(gap) = self.gap.take() {
            let marker = gap.marker();
            self.queue.push(&marker);
            self.figures.dropped.add(gap.missing());
            self.figures.markers.add(Count::of(&marker));
            self.overflow = Overflowing::No;
            self.has_dropped = true;
        }
    }
}
