//! RELP frames: `TXNR SP COMMAND SP DATALEN [SP DATA] LF`.

use crate::buffer::append_decimal;
use std::fmt;

/// Largest transaction number; 1 follows (RELP specification, TXNR).
pub const TXNR_MAX: u32 = 999_999_999;
/// Digits of TXNR and DATALEN.
const DIGITS_MAX: usize = 9;
/// Command length limit: 1 to 32 lower-case letters, as in librelp.
const COMMAND_LEN_MAX: usize = 32;
/// Longest overhead around data: two numbers, command, three spaces, newline.
pub const OVERHEAD_LEN_MAX: usize = 2 * DIGITS_MAX + COMMAND_LEN_MAX + 3 + 1;

/// RELP frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Transaction number; 0 marks a hint, which needs no response.
    pub txnr: u32,
    /// Command, such as `syslog` or `rsp`.
    pub command: &'a [u8],
    /// Frame data.
    pub data: &'a [u8],
}

/// Frame syntax error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Missing transaction number (1 to 9 digits, space).
    Txnr,
    /// Missing command (1 to 32 lower-case letters, space).
    Command,
    /// Missing length (1 to 9 digits; then space, or newline after 0).
    Length,
    /// Data longer than the limit.
    TooLong {
        /// Data length in bytes.
        len: usize,
        /// Data limit in bytes.
        len_max: usize,
    },
    /// Missing newline after data.
    Trailer,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::Txnr => f.write_str("a frame without a transaction number"),
            FrameError::Command => f.write_str("a frame without a valid command"),
            FrameError::Length => f.write_str("a frame without a valid length"),
            FrameError::TooLong { len, len_max } => {
                write!(f, "a frame with {len} bytes of data, of which {len_max} are allowed")
            }
            FrameError::Trailer => f.write_str("a frame that does not end with a newline"),
        }
    }
}

impl std::error::Error for FrameError {}

/// Appends a frame. Empty data means newline directly after the length: librelp rejects a space
/// there, measured.
pub fn append_frame(txnr: u32, command: &str, data: &[u8], output: &mut Vec<u8>) {
    append_decimal(txnr.into(), output);
    output.push(b' ');
    output.extend_from_slice(command.as_bytes());
    output.push(b' ');
    append_decimal(data.len() as u64, output);
    if !data.is_empty() {
        output.push(b' ');
        output.extend_from_slice(data);
    }
    output.push(b'\n');
}

/// Parses the frame at the start of `bytes`; returns frame and length, or `None` until more bytes
/// arrive. Reports an error as soon as certain.
///
/// # Errors
///
/// Fails for an invalid frame, or data longer than `data_len_max`.
pub fn parse_frame(
    bytes: &[u8],
    data_len_max: usize,
) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    let Some((txnr, txnr_len)) = number(bytes, FrameError::Txnr)? else { return Ok(None) };
    if txnr_len < bytes.len() && bytes[txnr_len] != b' ' {
        return Err(FrameError::Txnr);
    }
    let command_and_rest = bytes.get(txnr_len + 1..).unwrap_or_default();
    let Some(command) = command(command_and_rest)? else { return Ok(None) };
    let len_start = txnr_len + 1 + command.len() + 1;
    let len_and_rest = bytes.get(len_start..).unwrap_or_default();
    let Some((len, len_len)) = number(len_and_rest, FrameError::Length)? else { return Ok(None) };
    let len = len as usize;
    if len > data_len_max {
        return Err(FrameError::TooLong { len, len_max: data_len_max });
    }
    let Some((data, after_len)) = data(&len_and_rest[len_len..], len)? else { return Ok(None) };
    Ok(Some((Frame { txnr, command, data }, len_start + len_len + after_len)))
}

/// Parses a number and its digit count; `None` until a non-digit follows.
fn number(bytes: &[u8], error: FrameError) -> Result<Option<(u32, usize)>, FrameError> {
    let digit_count = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digit_count > DIGITS_MAX || (digit_count == 0 && !bytes.is_empty()) {
        return Err(error);
    }
    if digit_count == bytes.len() {
        return Ok(None);
    }
    let value = |number: u32, digit: &u8| number * 10 + u32::from(digit - b'0');
    Ok(Some((bytes[..digit_count].iter().fold(0, value), digit_count)))
}

/// Parses the command; `None` until its space arrives.
fn command(bytes: &[u8]) -> Result<Option<&[u8]>, FrameError> {
    let len = bytes.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
    match bytes.get(len) {
        _ if len > COMMAND_LEN_MAX => Err(FrameError::Command),
        None => Ok(None),
        Some(b' ') if len > 0 => Ok(Some(&bytes[..len])),
        Some(_) => Err(FrameError::Command),
    }
}

/// Parses data after a length; also returns the length including delimiters.
fn data(bytes: &[u8], len: usize) -> Result<Option<(&[u8], usize)>, FrameError> {
    if len == 0 {
        return match bytes.first() {
            None => Ok(None),
            Some(b'\n') => Ok(Some((b"", 1))),
            Some(b' ') => Err(FrameError::Trailer),
            Some(_) => Err(FrameError::Length),
        };
    }
    match bytes.first() {
        None => return Ok(None),
        Some(b' ') => (),
        Some(_) => return Err(FrameError::Length),
    }
    match bytes.get(1 + len) {
        None => Ok(None),
        Some(b'\n') => Ok(Some((&bytes[1..1 + len], len + 2))),
        Some(_) => Err(FrameError::Trailer),
    }
}

/// Following transaction number.
pub(super) fn next_txnr(txnr: u32) -> u32 {
    if txnr >= TXNR_MAX { 1 } else { txnr + 1 }
}

/// Steps between two transaction numbers: 0 if equal.
pub(super) fn distance(from: u32, to: u32) -> u32 {
    if to >= from { to - from } else { TXNR_MAX - from + to }
}

#[cfg(test)]
mod tests;
