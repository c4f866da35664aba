//! Where a file ends: at the first line end near the maximum size, otherwise exactly at the
//! maximum.
//!
//! Only the bytes of the stream decide, so equal input makes equal files however it arrives. In
//! 0.76 the contents of its 512-byte buffer matter too.

use memchr::memchr;

/// Bytes for this file, and whether the file ends after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotationPoint {
    pub len: usize,
    /// Whether the file ends after `len` bytes.
    pub ends: bool,
}

/// Finds the end of a file of `size` bytes, limited to `size_max`, in the next `bytes`. The file
/// ends after the first line ending within `margin` bytes of the limit (multilog(8), `l`).
///
/// A file full without a nearby line end closes before the next byte, not after its last: without
/// further input it stays `current`.
pub fn find(size: u64, size_max: u64, margin: u64, bytes: &[u8]) -> RotationPoint {
    let room = size_max.saturating_sub(size);
    let fitting = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
    if fitting == 0 {
        return RotationPoint { len: 0, ends: !bytes.is_empty() };
    }
    // The newline itself must be at or beyond the margin: the length includes it.
    let before_margin =
        (size_max - margin.min(size_max / 2)).saturating_sub(size).saturating_sub(1);
    let near_end = usize::try_from(before_margin).ok().and_then(|from| bytes.get(from..fitting));
    let line_end =
        near_end.and_then(|near| memchr(b'\n', near).map(|at| fitting - near.len() + at));
    match line_end {
        Some(newline) => RotationPoint { len: newline + 1, ends: true },
        None => RotationPoint { len: fitting, ends: false },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(size: u64, bytes: &[u8], len: usize, ends: bool) {
        assert_eq!(find(size, 4096, 2000, bytes), RotationPoint { len, ends });
    }

    #[test]
    fn a_file_ends_with_the_first_line_end_in_its_last_2000_bytes() {
        check(0, b"", 0, false);
        check(0, b"a\nb\n", 4, false);
        check(2094, b"\n\n\n", 2, true);
        check(2095, b"\n\n\n", 1, true);
        check(2095, b"ab", 2, false);
        check(2096, b"ab\ncd\n", 3, true);
        check(3000, b"\n", 1, true);
    }

    #[test]
    fn a_full_file_ends_before_the_next_byte() {
        check(4095, b"ab", 1, false);
        check(4095, b"\nb", 1, true);
        check(4096, b"", 0, false);
        check(4096, b"b", 0, true);
        check(9999, b"\n", 0, true);
    }

    #[track_caller]
    fn check_margin(size: u64, margin: u64, bytes: &[u8], len: usize, ends: bool) {
        assert_eq!(find(size, 4096, margin, bytes), RotationPoint { len, ends });
    }

    #[test]
    fn the_margin_is_at_most_half_the_size() {
        check_margin(4094, 0, b"\n\n\n", 2, true);
        check_margin(4090, 0, b"\nabcdef", 6, false);
        check_margin(3994, 100, b"\n\n\n", 2, true);
        check_margin(2046, 9999, b"\n\n\n", 2, true);
        check_margin(2046, 2048, b"\n\n\n", 2, true);
    }

    #[test]
    fn the_largest_size_never_ends() {
        let point = find(u64::MAX / 2, u64::MAX, 2000, b"a\n");
        assert_eq!(point, RotationPoint { len: 2, ends: false });
    }

    /// Files made from a stream arriving in pieces of `piece_len` bytes.
    fn files(stream: &[u8], margin: u64, piece_len: usize) -> Vec<Vec<u8>> {
        let mut files = vec![Vec::new()];
        for mut piece in stream.chunks(piece_len) {
            while !piece.is_empty() {
                let file = files.last_mut().expect("one file at least");
                let point = find(file.len() as u64, 4096, margin, piece);
                file.extend_from_slice(&piece[..point.len]);
                piece = &piece[point.len..];
                if point.ends {
                    files.push(Vec::new());
                }
            }
        }
        files
    }

    proptest! {
        #[test]
        fn files_do_not_depend_on_the_pieces(
            lengths in proptest::collection::vec(0usize..6000, 1..12),
            piece_len in 1usize..5000,
            margin in 0u64..3000,
        ) {
            let stream: Vec<u8> =
                lengths.iter().flat_map(|&len| [vec![b'x'; len], vec![b'\n']].concat()).collect();
            let whole = files(&stream, margin, stream.len());
            prop_assert_eq!(&files(&stream, margin, piece_len), &whole);
            prop_assert_eq!(whole.concat(), stream);
            prop_assert!(whole.iter().all(|file| file.len() <= 4096));
        }
    }
}
