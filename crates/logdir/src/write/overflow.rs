//! Full queue: input waits, or, with `q`, whole lines are dropped and counted, and a marker line
//! replaces them (multilog(8), `q`).

use crate::clock;
use crate::settings::Overflow;
use crate::write::LogDir;
use crate::write::figures::Count;
use crate::write::gap::Gap;
use memchr::memrchr;
use std::time::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflowing {
    /// Queue not full.
    No,
    /// Input waiting since this time.
    Since(Instant),
    /// Lines that do not fit are dropped.
    Dropping,
}

impl LogDir {
    /// Bytes accepted now; unlimited while lines are dropped.
    pub fn room(&self) -> usize {
        match self.overflow {
            Overflowing::Dropping => usize::MAX,
            Overflowing::No | Overflowing::Since(_) => self.queue.room(),
        }
    }

    /// Whether `len` bytes fit now, after writing without waiting. With `Overflow::Drop`, a queue
    /// full for longer than the pause starts dropping lines and then accepts any length.
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

    /// Whether the queue accepts `bytes`.
    pub(super) fn fits(&self, bytes: &[u8]) -> bool {
        self.gap.is_none() && bytes.len() <= self.queue.room()
    }

    /// Queues fitting whole lines and drops the rest. Nothing of a partly fitting line is kept,
    /// unless its beginning is written.
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

    /// Whether writing works again, with room for more than the marker.
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
