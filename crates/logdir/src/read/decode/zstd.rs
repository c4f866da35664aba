//! Decodes Zstandard, frame after frame, with a bounded window.

use super::At;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::{self, BufRead, BufReader, Read};

/// Maximum window: every decoder must accept 8 MiB (RFC 8878), and `zstd -19` uses less.
const WINDOW_MAX: u64 = 8 * 1024 * 1024;
/// Bytes decoded per step.
const STEP_LEN: usize = 64 * 1024;

/// Frames of a Zstandard file.
pub struct ZstdFrames {
    input: BufReader<At>,
    decoder: FrameDecoder,
    /// True within a frame.
    in_frame: bool,
}

impl ZstdFrames {
    /// Decodes a file that begins with a frame.
    pub fn new(input: BufReader<At>) -> ZstdFrames {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WINDOW_MAX);
        ZstdFrames { input, decoder, in_frame: false }
    }

    /// Starts the next frame and skips skippable frames. False at end of file.
    fn begin_frame(&mut self) -> io::Result<bool> {
        while !self.input.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.input) {
                Ok(()) => {
                    self.in_frame = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    io::copy(&mut self.input.by_ref().take(length.into()), &mut io::sink())?;
                }
                Err(error @ FrameDecoderError::WindowSizeTooBig { .. }) => {
                    return Err(io::Error::new(io::ErrorKind::OutOfMemory, error));
                }
                Err(error) => return Err(self.broken(error)),
            }
        }
        Ok(false)
    }

    /// The decoder reports damage and truncation alike, so this function distinguishes them.
    fn broken(&mut self, error: FrameDecoderError) -> io::Error {
        let is_at_end = self.input.fill_buf().is_ok_and(<[u8]>::is_empty);
        let kind = match is_at_end {
            true => io::ErrorKind::UnexpectedEof,
            false => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, error)
    }
}

impl Read for ZstdFrames {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.in_frame && !self.begin_frame()? {
                return Ok(0);
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let step = BlockDecodingStrategy::UptoBytes(STEP_LEN);
                if let Err(error) = self.decoder.decode_blocks(&mut self.input, step) {
                    return Err(self.broken(error));
                }
            }
            let len = self.decoder.read(into)?;
            if len > 0 {
                return Ok(len);
            }
            self.in_frame = false;
        }
    }
}
