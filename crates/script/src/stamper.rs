//! Stamp source for the line engine. The engine knows neither stamp text nor time: the caller sets
//! the clock.

/// Makes the stamps of one stream.
pub trait Stamper {
    /// False for a stream without stamps.
    const MAKES_STAMPS: bool = true;
    /// Bytes of the next stamp, including the space after it.
    fn stamp_len(&mut self) -> usize;
    /// Writes the next stamp and a space into `room`, which has exactly that length.
    fn put_next(&mut self, room: &mut [u8]);
    /// Leaves out the next stamp: no sink takes its line.
    fn skip(&mut self);
}

/// No stamps at all.
#[derive(Clone, Copy, Debug)]
pub struct NoStamps;

impl Stamper for NoStamps {
    const MAKES_STAMPS: bool = false;

    fn stamp_len(&mut self) -> usize {
        0
    }

    fn put_next(&mut self, _room: &mut [u8]) {}

    fn skip(&mut self) {}
}
