//! Decodes file contents: plain text, gzip, Zstandard, xz, bzip2 or LZ4, detected from the first
//! bytes, never from the name. Decoding is streaming; memory does not grow with the file.
//!
//! xz, bzip2 and LZ4 are crate features. An unsupported compression is an error that names it,
//! never text.

#[cfg(feature = "lz4")]
mod lz4;
mod zstd;

use flate2::bufread::MultiGzDecoder;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Compressed bytes per read.
const COMPRESSED_BLOCK_LEN: usize = 32 * 1024;
/// KiB of memory for an xz decoder: a dictionary of 64 MiB, as `xz -9` uses, plus the decoder's own
/// needs.
#[cfg(feature = "xz")]
const XZ_MEMORY_MAX_KIB: u32 = 66 * 1024;

/// Decoded bytes per comparison.
const COMPARED_BLOCK_LEN: u64 = 64 * 1024;

/// Storage format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Uncompressed; decoded offsets equal file offsets.
    Plain,
    /// gzip, one or more members.
    Gzip,
    /// Zstandard, one or more frames.
    Zstd,
    /// xz, one or more streams.
    Xz,
    /// bzip2, one or more streams.
    Bzip2,
    /// LZ4, one or more frames.
    Lz4,
    /// Unsupported compression, with the program's name.
    Other(&'static str),
}

/// Magic numbers of compressed formats.
const MAGICS: [(&[u8], Storage); 14] = [
    (&[0x1f, 0x8b], Storage::Gzip),
    (&[0x28, 0xb5, 0x2f, 0xfd], Storage::Zstd),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], Storage::Xz),
    (b"BZh", Storage::Bzip2),
    (&[0x04, 0x22, 0x4d, 0x18], Storage::Lz4),
    (&[0x02, 0x21, 0x4c, 0x18], Storage::Other("lz4 --legacy")),
    (&[0x1f, 0x9d], Storage::Other("compress")),
    (&[0x1f, 0xa0], Storage::Other("compress")),
    (&[0x1f, 0x1e], Storage::Other("pack")),
    (b"LZIP\x01", Storage::Other("lzip")),
    (&[0x5d, 0, 0], Storage::Other("lzma")),
    (&[0x89, b'L', b'Z', b'O', 0], Storage::Other("lzop")),
    (b"PK\x03\x04", Storage::Other("zip")),
    (&[b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c], Storage::Other("7z")),
];
/// Bytes after `BZh` and a digit in bzip2: a block header or the end of an empty file. A text line
/// may begin with `BZh9` but never with these bytes.
const BZIP2_BLOCKS: [&[u8]; 2] =
    [&[0x31, 0x41, 0x59, 0x26, 0x53, 0x59], &[0x17, 0x72, 0x45, 0x38, 0x50, 0x90]];
/// Bytes needed to detect the format.
const MAGIC_LEN_MAX: usize = 10;

/// Error for an unsupported compression.
#[derive(Debug)]
pub struct NotRead(&'static str);

impl fmt::Display for NotRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "compressed with {}, which is not read", self.0)
    }
}

impl std::error::Error for NotRead {}

/// A file with a private read position.
#[derive(Clone, Debug)]
pub struct At {
    file: Arc<File>,
    pos: u64,
}

/// Decoded contents of an open file.
pub enum Decoded {
    /// Uncompressed file.
    Plain(At),
    /// Decoder output.
    Compressed(Box<dyn Read + Send + Sync>),
}

/// Detects a file's storage format from its first bytes.
pub fn storage(file: &File) -> io::Result<Storage> {
    let mut head = [0; MAGIC_LEN_MAX];
    let mut len = 0;
    while len < head.len() {
        match file.read_at(&mut head[len..], len as u64)? {
            0 => break,
            more => len += more,
        }
    }
    Ok(storage_by(&head[..len]))
}

fn storage_by(head: &[u8]) -> Storage {
    let found = MAGICS.iter().find(|(magic, _)| head.starts_with(magic));
    match found.map_or(Storage::Plain, |(_, storage)| *storage) {
        Storage::Bzip2 if !BZIP2_BLOCKS.contains(&head.get(4..).unwrap_or_default()) => {
            Storage::Plain
        }
        storage => storage,
    }
}

/// Creates a decoder. `Plain` input passes unchanged.
fn decoder(storage: Storage, input: BufReader<At>) -> io::Result<Box<dyn Read + Send + Sync>> {
    Ok(match storage {
        Storage::Gzip => Box::new(MultiGzDecoder::new(input)),
        Storage::Zstd => Box::new(zstd::ZstdFrames::new(input)),
        #[cfg(feature = "xz")]
        Storage::Xz => {
            Box::new(lzma_rust2::XzReader::new_mem_limit(input, true, XZ_MEMORY_MAX_KIB))
        }
        #[cfg(not(feature = "xz"))]
        Storage::Xz => return not_read("xz"),
        #[cfg(feature = "bzip2")]
        Storage::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(input)),
        #[cfg(not(feature = "bzip2"))]
        Storage::Bzip2 => return not_read("bzip2"),
        #[cfg(feature = "lz4")]
        Storage::Lz4 => Box::new(lz4::Lz4Frames::new(input)),
        #[cfg(not(feature = "lz4"))]
        Storage::Lz4 => return not_read("lz4"),
        Storage::Other(name) => return not_read(name),
        Storage::Plain => Box::new(input),
    })
}

fn not_read(name: &'static str) -> io::Result<Box<dyn Read + Send + Sync>> {
    Err(io::Error::new(io::ErrorKind::Unsupported, NotRead(name)))
}

/// First decoded bytes, at most `len`.
pub fn head(file: &Arc<File>, len: usize) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    if let Some(decoded) = Decoded::new(file.clone(), 0)? {
        decoded.take(len as u64).read_to_end(&mut head)?;
    }
    Ok(head)
}

/// True if two files decode to equal bytes, regardless of storage format.
pub fn have_same_contents(one: Arc<File>, other: Arc<File>) -> io::Result<bool> {
    let (Some(mut one), Some(mut other)) = (Decoded::new(one, 0)?, Decoded::new(other, 0)?) else {
        return Ok(false);
    };
    let (mut block, mut other_block) = (Vec::new(), Vec::new());
    loop {
        for (decoded, block) in [(&mut one, &mut block), (&mut other, &mut other_block)] {
            block.clear();
            decoded.by_ref().take(COMPARED_BLOCK_LEN).read_to_end(block)?;
        }
        if block != other_block || block.is_empty() {
            return Ok(block == other_block);
        }
    }
}

impl Decoded {
    /// Decodes a file from `offset`, counted in decoded bytes. `None` if the contents end before
    /// `offset`.
    pub fn new(file: Arc<File>, offset: u64) -> io::Result<Option<Decoded>> {
        let storage = storage(&file)?;
        if storage == Storage::Plain {
            let reaches = offset == 0 || file.metadata()?.len() >= offset;
            return Ok(reaches.then_some(Decoded::Plain(At { file, pos: offset })));
        }
        let input = BufReader::with_capacity(COMPRESSED_BLOCK_LEN, At { file, pos: 0 });
        let mut decoder = decoder(storage, input)?;
        let skipped = io::copy(&mut decoder.by_ref().take(offset), &mut io::sink())?;
        Ok((skipped == offset).then_some(Decoded::Compressed(decoder)))
    }

    /// True if a plain file shrank below the read position.
    pub fn is_beyond_end(&self) -> bool {
        match self {
            Decoded::Plain(At { file, pos }) => {
                file.metadata().is_ok_and(|metadata| metadata.len() < *pos)
            }
            Decoded::Compressed(_) => false,
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
            Decoded::Compressed(decoder) => decoder.read(into),
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
        let mut decoded = Decoded::new(Arc::new(file), offset).unwrap()?;
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
        check(b"BZh9 is no version of ours\n", b"BZh9 is no version of ours\n");
        check(b"LZIP is text\n", b"LZIP is text\n");
        check(&zstd(b""), b"");
        // Decoders ignore skippable frames.
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3], &zstd(b"a")[..]].concat();
        check(&[zstd(b"b"), skippable].concat(), b"ba");
    }

    #[cfg(feature = "xz")]
    fn xz(contents: &[u8]) -> Vec<u8> {
        let options = lzma_rust2::XzOptions::with_preset(1);
        let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
        encoder.write_all(contents).unwrap();
        encoder.finish().unwrap()
    }

    #[cfg(feature = "bzip2")]
    fn bzip2(contents: &[u8]) -> Vec<u8> {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        encoder.write_all(contents).unwrap();
        encoder.finish().unwrap()
    }

    #[cfg(feature = "lz4")]
    fn lz4(contents: &[u8], has_checksum: bool) -> Vec<u8> {
        let info = lz4_flex::frame::FrameInfo::new().content_checksum(has_checksum);
        let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(contents).unwrap();
        encoder.finish().unwrap()
    }

    /// Contents in every supported format.
    fn stored(contents: &[u8]) -> Vec<Vec<u8>> {
        vec![
            gzip(contents),
            zstd(contents),
            #[cfg(feature = "xz")]
            xz(contents),
            #[cfg(feature = "bzip2")]
            bzip2(contents),
            #[cfg(feature = "lz4")]
            lz4(contents, false),
            #[cfg(feature = "lz4")]
            lz4(contents, true),
        ]
    }

    #[test]
    fn all_forms_are_read_however_many_follow_each_other() {
        let text: Vec<u8> = (0..30_000_u32).flat_map(|n| format!("{n}\n").into_bytes()).collect();
        for (once, none) in stored(&text).into_iter().zip(stored(b"")) {
            check(&once, &text);
            check(&once.repeat(2), &text.repeat(2));
            check(&none, b"");
            check(&[none, once].concat(), &text);
        }
    }

    #[cfg(feature = "lz4")]
    #[test]
    fn frames_of_lz4_without_contents_are_passed_over() {
        let skippable = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        let frames = [&lz4(b"b", true)[..], &skippable, &lz4(b"a", false)].concat();
        check(&frames, b"ba");
    }

    #[test]
    fn what_is_compressed_otherwise_is_an_error_that_names_it() {
        for (magic, storage) in MAGICS {
            let Storage::Other(name) = storage else { continue };
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(magic).unwrap();
            let error = Decoded::new(Arc::new(file), 0).err().expect("an error");
            assert_eq!(error.to_string(), format!("compressed with {name}, which is not read"));
        }
    }

    #[test]
    fn damage_is_an_error_and_not_an_end() {
        let text: Vec<u8> = (0..3_000_u32).flat_map(|n| format!("{n}\n").into_bytes()).collect();
        for whole in stored(&text) {
            for len in (11..whole.len()).step_by(whole.len() / 7) {
                let error = decode(&whole[..len], 0).unwrap().expect_err("its end is missing");
                let is_cut_short = error.kind() == io::ErrorKind::UnexpectedEof;
                assert!(is_cut_short, "{len} of {:?}: {error}", &whole[..4]);
            }
            assert!(decode(&whole[..whole.len() - 5], 0).unwrap().is_err());
            let mut damaged = whole.clone();
            damaged.truncate(whole.len() / 2);
            damaged.extend_from_slice(b"what is this");
            assert!(decode(&damaged, 0).unwrap().is_err());
        }
    }
}
