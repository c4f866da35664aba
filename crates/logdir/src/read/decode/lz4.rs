//! LZ4, frame after frame. Blocks have at most 4 MiB, so what is held is bounded by the format.

use super::At;
use lz4_flex::frame::{Error, FrameDecoder};
use std::io::{self, BufReader, Read};

/// Where a frame says what it has: after the magic number.
const FLAGS_POS: u64 = 4;
/// The flag of a frame whose end mark is followed by a checksum.
const HAS_CHECKSUM: u8 = 0x04;
/// Bytes of an end mark, and of a checksum.
const MARK_LEN: u64 = 4;

/// The frames of an LZ4 file, one after the other.
pub struct Lz4Frames {
    decoder: FrameDecoder<BufReader<At>>,
    /// Where in the file the frame begins that is decoded.
    frame_pos: u64,
}

impl Lz4Frames {
    /// The frames of a file that begins with one.
    pub fn new(input: BufReader<At>) -> Lz4Frames {
        Lz4Frames { decoder: FrameDecoder::new(input), frame_pos: 0 }
    }

    /// What the decoder has taken of the file.
    fn pos(&self) -> u64 {
        let input = self.decoder.get_ref();
        input.get_ref().pos - input.buffer().len() as u64
    }

    /// Ends a frame. The decoder takes the end of a file for the end of a frame, so it is checked that the
    /// frame has its end mark.
    fn end_frame(&self, end: u64) -> io::Result<()> {
        let file = &self.decoder.get_ref().get_ref().file;
        let mut flags = [0];
        At { file: file.clone(), pos: self.frame_pos + FLAGS_POS }.read_exact(&mut flags)?;
        let after_mark = if flags[0] & HAS_CHECKSUM == 0 { 0 } else { MARK_LEN };
        let mark_pos = end.checked_sub(after_mark + MARK_LEN).filter(|&pos| pos > self.frame_pos);
        let mut mark = [1; MARK_LEN as usize];
        if let Some(pos) = mark_pos {
            At { file: file.clone(), pos }.read_exact(&mut mark)?;
        }
        match mark == [0; MARK_LEN as usize] {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl Read for Lz4Frames {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            match self.decoder.read(into) {
                Ok(0) => {}
                Ok(len) => return Ok(len),
                Err(error) => {
                    let Some(len) = skippable_len(&error) else { return Err(error) };
                    let frame = &mut self.decoder.get_mut().take(len.into());
                    io::copy(frame, &mut io::sink())?;
                    self.frame_pos = self.pos();
                    continue;
                }
            }
            let end = self.pos();
            if end == self.frame_pos {
                return Ok(0);
            }
            self.end_frame(end)?;
            self.frame_pos = end;
        }
    }
}

/// The length of a frame that decoders pass over.
fn skippable_len(error: &io::Error) -> Option<u32> {
    match error.get_ref()?.downcast_ref()? {
        Error::SkippableFrame(len) => Some(*len),
        _ => None,
    }
}
