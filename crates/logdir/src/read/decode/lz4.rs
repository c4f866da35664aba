//! Decodes LZ4, frame after frame. Blocks hold at most 4 MiB, so the format bounds memory.

use super::At;
use lz4_flex::frame::{Error, FrameDecoder};
use std::io::{self, BufReader, Read};

/// Offset of the flags, after the magic number.
const FLAGS_POS: u64 = 4;
/// Flag for a checksum after the end mark.
const HAS_CHECKSUM: u8 = 0x04;
/// Bytes of an end mark, and of a checksum.
const MARK_LEN: u64 = 4;

/// Frames of an LZ4 file.
pub struct Lz4Frames {
    decoder: FrameDecoder<BufReader<At>>,
    /// File offset of the current frame.
    frame_pos: u64,
}

impl Lz4Frames {
    /// Decodes a file that begins with a frame.
    pub fn new(input: BufReader<At>) -> Lz4Frames {
        Lz4Frames { decoder: FrameDecoder::new(input), frame_pos: 0 }
    }

    /// File offset the decoder has consumed up to.
    fn pos(&self) -> u64 {
        let input = self.decoder.get_ref();
        input.get_ref().pos - input.buffer().len() as u64
    }

    /// Ends a frame. The decoder accepts end of file as end of frame, so this function checks for
    /// the end mark.
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

/// Length of a skippable frame.
fn skippable_len(error: &io::Error) -> Option<u32> {
    match error.get_ref()?.downcast_ref()? {
        Error::SkippableFrame(len) => Some(*len),
        _ => None,
    }
}
