//! A script and its input, written as bytes that a fuzzer can change.
//!
//! The script comes first, an argument a line, ended by an empty line. The rest is the input, with
//! two bytes that stand for something else: [`CUT`] and a byte end a read, and the next one is so much
//! later; [`REPEAT`], two bytes for the count and one more stand for that one so many times.

use crate::model::Read;
use crate::stamps::{Label, NANOS_PER_SEC};
use script::Script;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

const CUT: u8 = 0xfd;
const REPEAT: u8 = 0xfe;

/// What one read brings at most, as in the event loop.
const READ_MAX: usize = 64 * 1024;
/// The model would take too long for more.
const INPUT_MAX: usize = 2 * READ_MAX;

/// The script, and what comes behind it. None where an expression is refused.
pub fn parse_script(mut input: &[u8]) -> Option<(Script, &[u8])> {
    let mut arguments = Vec::new();
    loop {
        let end = input.iter().position(|&byte| byte == b'\n').unwrap_or(input.len());
        let (argument, rest) = (&input[..end], input.get(end + 1..).unwrap_or_default());
        input = rest;
        if argument.is_empty() {
            return script::parse(&arguments).ok().map(|(script, _)| (script, input));
        }
        arguments.push(OsString::from_vec(argument.to_vec()));
    }
}

/// What each read brings, and when.
pub fn parse_reads(mut input: &[u8]) -> Vec<Read> {
    let mut reads = Vec::new();
    let mut bytes = Vec::new();
    let mut nanos: u64 = 0;
    let mut len = 0;
    while let [byte, rest @ ..] = input
        && len < INPUT_MAX
    {
        let (count, byte, behind) = match (*byte, rest) {
            (CUT, [pause, rest @ ..]) => {
                reads.extend(read(&mut bytes, nanos));
                nanos += u64::from(*pause).pow(4);
                (0, 0, rest)
            }
            (REPEAT, [high, low, byte, rest @ ..]) => {
                (usize::from(u16::from_be_bytes([*high, *low])), *byte, rest)
            }
            (byte, rest) => (1, byte, rest),
        };
        input = behind;
        len += count;
        bytes.resize(bytes.len() + count, byte);
        if bytes.len() >= READ_MAX {
            let behind = bytes.split_off(READ_MAX);
            reads.extend(read(&mut bytes, nanos));
            bytes = behind;
        }
    }
    reads.extend(read(&mut bytes, nanos));
    reads
}

/// No read brings nothing.
fn read(bytes: &mut Vec<u8>, nanos: u64) -> Option<Read> {
    let nanos_per_sec = u64::from(NANOS_PER_SEC);
    let unix_secs = 1_700_000_000 + (nanos / nanos_per_sec).cast_signed();
    let now = Label::from_unix(unix_secs, (nanos % nanos_per_sec) as u32);
    let bytes = std::mem::take(bytes);
    (!bytes.is_empty()).then_some(Read { now, bytes })
}
