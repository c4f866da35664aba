//! The contents of a file: as they are, or out of gzip or Zstandard, told by the first bytes and never
//! by the name. Decoding is streaming; what it holds does not grow with the file.

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::rc::Rc;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Bytes of a compressed file that are read at once.
const COMPRESSED_BLOCK_LEN: usize = 32 * 1024;
/// The largest window of a Zstandard frame that is decoded: 8 MiB is what every decoder must accept
/// (RFC 8878), and beyond what `zstd -19` uses.
const ZSTD_WINDOW_MAX: u64 = 8 * 1024 * 1024;
/// Bytes decoded from a Zstandard frame at once.
const ZSTD_STEP_LEN: usize = 64 * 1024;

/// How a file is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// As it was written; positions in it are those of the file.
    Plain,
    /// gzip, of one member or several.
    Gzip,
    /// Zstandard, of one frame or several.
    Zstd,
}

/// A file and a position in it that nobody else moves.
#[derive(Clone, Debug)]
pub struct At {
    file: Rc<File>,
    pos: u64,
}

/// The contents of an open file.
pub enum Decoded {
    /// The file itself.
    Plain(At),
    /// What comes out of gzip.
    Gzip(Box<MultiGzDecoder<BufReader<At>>>),
    /// What comes out of Zstandard.
    Zstd(Box<ZstdFrames>),
}

/// How a file is stored, by its first bytes.
pub fn storage(file: &File) -> io::Result<Storage> {
    let mut head = [0; 4];
    let mut len = 0;
    while len < head.len() {
        match file.read_at(&mut head[len..], len as u64)? {
            0 => break,
            more => len += more,
        }
    }
    let head = &head[..len];
    Ok(if head.starts_with(GZIP_MAGIC) {
        Storage::Gzip
    } else if head.starts_with(ZSTD_MAGIC) {
        Storage::Zstd
    } else {
        Storage::Plain
    })
}

/// The first bytes of the contents, at most this many.
pub fn head(file: &Rc<File>, len: usize) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    if let Some(decoded) = Decoded::new(file.clone(), 0)? {
        decoded.take(len as u64).read_to_end(&mut head)?;
    }
    Ok(head)
}

impl Decoded {
    /// The contents of a file, from `offset` on, which counts decoded bytes. None where they end before
    /// that.
    pub fn new(file: Rc<File>, offset: u64) -> io::Result<Option<Decoded>> {
        let storage = storage(&file)?;
        if storage == Storage::Plain {
            let reaches = offset == 0 || file.metadata()?.len() >= offset;
            return Ok(reaches.then_some(Decoded::Plain(At { file, pos: offset })));
        }
        let input = BufReader::with_capacity(COMPRESSED_BLOCK_LEN, At { file, pos: 0 });
        let mut decoded = match storage {
            Storage::Gzip => Decoded::Gzip(Box::new(MultiGzDecoder::new(input))),
            Storage::Zstd | Storage::Plain => Decoded::Zstd(Box::new(ZstdFrames::new(input))),
        };
        let skipped = io::copy(&mut decoded.by_ref().take(offset), &mut io::sink())?;
        Ok((skipped == offset).then_some(decoded))
    }

    /// Whether a plain file has become shorter than what was read of it.
    pub fn is_beyond_end(&self) -> bool {
        match self {
            Decoded::Plain(At { file, pos }) => {
                file.metadata().is_ok_and(|metadata| metadata.len() < *pos)
            }
            Decoded::Gzip(_) | Decoded::Zstd(_) => false,
        }
    }
}

impl Read for At {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let len = self.file.read_at(into, self.pos)?;
        self.pos += len as u64;
        Ok(len)
    }
}

impl Read for Decoded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Decoded::Plain(at) => at.read(into),
            Decoded::Gzip(decoder) => decoder.read(into),
            Decoded::Zstd(frames) => frames.read(into),
        }
    }
}

/// The frames of a Zstandard file, one after the other.
pub struct ZstdFrames {
    input: BufReader<At>,
    decoder: FrameDecoder,
    /// Whether `decoder` is in the middle of a frame.
    in_frame: bool,
}

impl ZstdFrames {
    fn new(input: BufReader<At>) -> ZstdFrames {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(ZSTD_WINDOW_MAX);
        ZstdFrames { input, decoder, in_frame: false }
    }

    /// Begins the next frame, passing over those without contents. False at the end of the file.
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
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
        }
        Ok(false)
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
                let step = BlockDecodingStrategy::UptoBytes(ZSTD_STEP_LEN);
                self.decoder
                    .decode_blocks(&mut self.input, step)
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            }
            let len = self.decoder.read(into)?;
            if len > 0 {
                return Ok(len);
            }
            self.in_frame = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn decode(contents: &[u8], offset: u64) -> Option<io::Result<Vec<u8>>> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(contents).unwrap();
        let mut decoded = Decoded::new(Rc::new(file), offset).unwrap()?;
        let mut output = Vec::new();
        Some(decoded.read_to_end(&mut output).map(|_| output))
    }

    fn gzip(contents: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(contents).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(contents: &[u8]) -> Vec<u8> {
        let level = ruzstd::encoding::CompressionLevel::Fastest;
        ruzstd::encoding::compress_to_vec(contents, level)
    }

    #[track_caller]
    fn check(stored: &[u8], expected: &[u8]) {
        assert!(decode(stored, 0).unwrap().unwrap() == expected);
        let middle = expected.len() / 2;
        assert!(decode(stored, middle as u64).unwrap().unwrap() == expected[middle..]);
        assert_eq!(decode(stored, expected.len() as u64).unwrap().unwrap(), b"");
        assert!(decode(stored, expected.len() as u64 + 1).is_none());
    }

    #[test]
    fn contents_are_told_by_their_first_bytes() {
        let text: Vec<u8> = (0..30_000_u32).flat_map(|n| format!("{n}\n").into_bytes()).collect();
        let twice = text.repeat(2);
        check(&text, &text);
        check(&gzip(&text), &text);
        check(&zstd(&text), &text);
        check(&gzip(&text).repeat(2), &twice);
        check(&zstd(&text).repeat(2), &twice);
        check(b"", b"");
        check(b"\x1f", b"\x1f");
        check(&zstd(b""), b"");
        // A frame of nothing that decoders pass over.
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3], &zstd(b"a")[..]].concat();
        check(&[zstd(b"b"), skippable].concat(), b"ba");
    }

    #[test]
    fn damage_is_an_error_and_not_an_end() {
        let text = b"line\n".repeat(2_000);
        for whole in [gzip(&text), zstd(&text)] {
            assert!(decode(&whole[..whole.len() - 5], 0).unwrap().is_err());
            let mut damaged = whole.clone();
            damaged.truncate(whole.len() / 2);
            damaged.extend_from_slice(b"what is this");
            assert!(decode(&damaged, 0).unwrap().is_err());
        }
    }
}
