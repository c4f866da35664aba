//! Program `tai64nlocal`: converts stamps at line starts into readable dates.
//!
//! A stamp is `@` plus all following lowercase hexadecimal digits. 0.76 reads these digits as one
//! number and keeps the last 24, so a stamp with extra leading digits, as `@ff4000...`, still
//! yields the right time. If the stamp has no valid time, 0.76 crashes; this program copies the
//! stamp unchanged. Dates from `Tutc` and `Tlocal` are stamps too. The user states the label
//! counting; the program never guesses, because a stream has no file time to compare with.

use crate::filter::{self, About, Filter};
use crate::message;
use ::logdir::label::{self, Counting, LABEL_LEN, NANOS_LEN, SECONDS_LEN, SecondsParser};
use ::logdir::stamp;
use ::logdir::sys::local_time::{self, LocalTime};
use ::logdir::time::Moment;
use ::logdir::time::calendar::{Calendar, Conversion};
use ::logdir::time::leap_seconds;
use argh::FromArgs;
use script::newlines::Newlines;
use std::process::ExitCode;

/// Longest stamp in bytes: a longer digit run is copied as text, and its bytes are not kept in
/// memory. 0.76 has no limit, because it keeps only the number; this program keeps the text in case
/// the stamp is invalid.
pub const STAMP_LEN_MAX: usize = 4096;

/// Label digits; longer stamps use their last digits.
const DIGITS_LEN: usize = SECONDS_LEN + NANOS_LEN;

const HELP: &str = "\
Usage: tai64nlocal [-z | -u] [-l] [-h] [-V] [--] [file...]

Copies files, or standard input, to standard output and turns the TAI64N label
at the start of each line into local date and time. The file - is standard
input.

  -z, --utc      write UTC, not local time
  -u, --unix     write seconds since 1970, with nine decimals
  -l, --leap     the labels count leap seconds, as those of s6 and nosh do
  -h, --help     print this text
  -V, --version  print the version
";
const ABOUT: About = About {
    program: "tai64nlocal",
    help: HELP,
    version: concat!("tai64nlocal ", env!("CARGO_PKG_VERSION"), "\n"),
};

/// Turns labels into dates.
#[derive(FromArgs)]
struct Options {
    /// write UTC, not local time
    #[argh(switch, short = 'z')]
    utc: bool,
    /// write seconds since 1970
    #[argh(switch, short = 'u')]
    unix: bool,
    /// the labels count leap seconds
    #[argh(switch, short = 'l')]
    leap: bool,
    /// show the version
    #[argh(switch, short = 'V')]
    version: bool,
}

impl filter::Options for Options {
    fn asks_for_version(&self) -> bool {
        self.version
    }
}

/// Runs the program with the process's arguments and descriptors.
pub fn run() -> ExitCode {
    let (options, operands): (Options, _) = match filter::start(ABOUT) {
        Ok(started) => started,
        Err(code) => return code,
    };
    let counting = if options.leap { Counting::Leap } else { Counting::Ten };
    let mut converter = match (options.unix, options.utc) {
        (false, false) => Converter::local(counting),
        (false, true) => Converter::utc(counting),
        (true, false) => Converter::unix(counting),
        (true, true) => {
            message::fatal_text(
                "--unix does not go with --utc; tai64nlocal --help lists the options",
            );
            return ExitCode::from(message::EXIT_USAGE);
        }
    };
    filter::exit_code(filter::copy(&operands, &mut converter))
}

/// Converts stamps to dates in a stream.
#[derive(Debug)]
pub struct Converter {
    dates: Dates,
    part: LinePart,
    /// Incomplete stamp; at most [`STAMP_LEN_MAX`] bytes, empty except in [`LinePart::Stamp`] and
    /// [`LinePart::Date`].
    held: Vec<u8>,
}

/// Part of a line that the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LinePart {
    LineStart,
    /// Inside a label.
    Stamp,
    /// Inside a possible date.
    Date,
    Text,
}

impl Converter {
    /// Converts labels with this counting to local time.
    pub fn local(counting: Counting) -> Converter {
        let of_labels: Conversion = match counting {
            Counting::Ten => local_time::local,
            Counting::Leap => |secs| with_leap_seconds(secs, local_time::local),
        };
        Converter::new(Dates::new(of_labels, local_time::local))
    }

    /// Converts labels with this counting to UTC.
    pub fn utc(counting: Counting) -> Converter {
        let of_labels: Conversion = match counting {
            Counting::Ten => local_time::universal,
            Counting::Leap => |secs| with_leap_seconds(secs, local_time::universal),
        };
        Converter::new(Dates::new(of_labels, local_time::universal))
    }

    /// Converts labels with this counting to Unix seconds.
    pub fn unix(counting: Counting) -> Converter {
        let dates = Dates::new(local_time::universal, local_time::universal);
        Converter::new(Dates { unix: Some(counting), ..dates })
    }

    fn new(dates: Dates) -> Converter {
        Converter { dates, part: LinePart::LineStart, held: Vec::with_capacity(STAMP_LEN_MAX) }
    }

    /// Rereads the local time zone if changed.
    pub fn refresh(&mut self) {
        local_time::refresh();
        self.dates.of_labels.forget();
        self.dates.of_dates.forget();
    }

    /// Appends output for the next input piece, cut anywhere.
    pub fn push(&mut self, piece: &[u8], output: &mut Vec<u8>) {
        let mut start = 0;
        for newline in Newlines::new(piece) {
            self.push_part(&piece[start..=newline], output);
            start = newline + 1;
        }
        self.push_part(&piece[start..], output);
    }

    /// Processes part of one line, at most up to its newline.
    fn push_part(&mut self, part: &[u8], output: &mut Vec<u8>) {
        let mut rest = part;
        while !rest.is_empty() {
            rest = match self.part {
                LinePart::LineStart => self.start_line(rest, output),
                LinePart::Stamp => self.go_on_with_stamp(rest, output),
                LinePart::Date => self.go_on_with_date(rest, output),
                LinePart::Text => self.copy_text(rest, output),
            };
        }
    }

    /// Appends pending output. End of input completes a stamp; 0.76 loses this stamp.
    pub fn finish(&mut self, output: &mut Vec<u8>) {
        match self.part {
            LinePart::Stamp => self.end_stamp(output),
            LinePart::Date => self.end_date(output),
            LinePart::LineStart | LinePart::Text => {}
        }
    }

    /// Fast path: handles a whole line with an ordinary stamp or no stamp.
    fn start_line<'a>(&mut self, line: &'a [u8], output: &mut Vec<u8>) -> &'a [u8] {
        if line[0].is_ascii_digit() {
            if let Some(after) = self.dates.convert_date(line, output) {
                return self.copy_text(after, output);
            }
            self.part = LinePart::Date;
            return line;
        }
        if line[0] != b'@' {
            return self.copy_text(line, output);
        }
        if let Some(after) = self.dates.convert_label(line, output) {
            return self.copy_text(after, output);
        }
        self.part = LinePart::Stamp;
        self.held.push(b'@');
        &line[1..]
    }

    /// Continues any other stamp.
    fn go_on_with_stamp<'a>(&mut self, rest: &'a [u8], output: &mut Vec<u8>) -> &'a [u8] {
        let end_pos = rest.iter().position(|&byte| !is_digit(byte));
        let (digits, after) = rest.split_at(end_pos.unwrap_or(rest.len()));
        if self.held.len() + digits.len() > STAMP_LEN_MAX {
            output.append(&mut self.held);
            self.part = LinePart::Text;
            return rest;
        }
        self.held.extend_from_slice(digits);
        assert!(self.held.len() <= STAMP_LEN_MAX);
        if !after.is_empty() {
            self.end_stamp(output);
        }
        after
    }

    /// Continues a possible date.
    fn go_on_with_date<'a>(&mut self, rest: &'a [u8], output: &mut Vec<u8>) -> &'a [u8] {
        for (pos, &byte) in rest.iter().enumerate() {
            self.held.push(byte);
            if !stamp::may_be_date(&self.held) {
                self.held.pop();
                self.end_date(output);
                return &rest[pos..];
            }
            if byte == b' ' {
                self.end_date(output);
                return &rest[pos + 1..];
            }
        }
        &[]
    }

    /// Writes the converted date, or the held bytes if invalid.
    fn end_date(&mut self, output: &mut Vec<u8>) {
        let after = self.dates.convert_date(&self.held, output).unwrap_or(&self.held);
        output.extend_from_slice(after);
        self.held.clear();
        self.part = LinePart::Text;
    }

    /// Writes the date of the held stamp, or the stamp itself if it is invalid.
    fn end_stamp(&mut self, output: &mut Vec<u8>) {
        let digits = self.held[1..].last_chunk();
        if !digits.is_some_and(|digits| self.dates.append(digits, output)) {
            output.extend_from_slice(&self.held);
        }
        self.held.clear();
        self.part = LinePart::Text;
    }

    /// Copies held bytes.
    fn copy_text(&mut self, text: &[u8], output: &mut Vec<u8>) -> &'static [u8] {
        output.extend_from_slice(text);
        self.part = if text.ends_with(b"\n") { LinePart::LineStart } else { LinePart::Text };
        &[]
    }
}

impl Filter for Converter {
    /// 0.76 checks for a changed zone at each stamp. One check per block costs nothing; during live
    /// viewing every line is a block.
    fn begin_block(&mut self) {
        self.refresh();
    }

    fn push(&mut self, piece: &[u8], output: &mut Vec<u8>) {
        Converter::push(self, piece, output);
    }

    fn finish(&mut self, output: &mut Vec<u8>) {
        Converter::finish(self, output);
    }
}

/// Converts stamp digits to dates.
#[derive(Debug)]
struct Dates {
    /// Converts label seconds, leap seconds included.
    of_labels: Calendar,
    /// Converts multilog's dates, which never include leap seconds.
    of_dates: Calendar,
    /// Label counting for Unix output; `None` for dates.
    unix: Option<Counting>,
    /// Seconds of labels, including leap seconds if labels count them.
    seconds: SecondsParser,
}

impl Dates {
    fn new(of_labels: Conversion, of_dates: Conversion) -> Dates {
        Dates {
            of_labels: Calendar::new(of_labels),
            of_dates: Calendar::new(of_dates),
            unix: None,
            seconds: SecondsParser::new(Counting::Ten),
        }
    }

    /// Fast path: converts an exact 24-digit label at the start of `line`; returns the rest of the
    /// line.
    fn convert_label<'a>(&mut self, line: &'a [u8], output: &mut Vec<u8>) -> Option<&'a [u8]> {
        if is_digit(*line.get(LABEL_LEN)?) {
            return None;
        }
        let (digits, after) = line[1..].split_first_chunk()?;
        self.append(digits, output).then_some(after)
    }

    /// Converts a multilog date at the start of `line`; returns the rest, starting with the space.
    fn convert_date<'a>(&mut self, line: &'a [u8], output: &mut Vec<u8>) -> Option<&'a [u8]> {
        let (unix_secs, nanos, len) = stamp::parse_date(line)?;
        let after = &line[len - 1..];
        if self.unix.is_some() {
            append_seconds(unix_secs, nanos, output);
            return Some(after);
        }
        self.of_dates.append(unix_secs, nanos, output).then_some(after)
    }

    /// Appends the date. Returns false without output for invalid digits or an unrepresentable
    /// date.
    fn append(&mut self, digits: &[u8; DIGITS_LEN], output: &mut Vec<u8>) -> bool {
        let Some((secs, nanos)) = self.moment(digits) else { return false };
        match self.unix {
            None => return self.of_labels.append(secs, nanos, output),
            Some(Counting::Ten) => append_seconds(secs, nanos, output),
            Some(Counting::Leap) => append_seconds(leap_seconds::take_off(secs), nanos, output),
        }
        true
    }

    fn moment(&mut self, digits: &[u8; DIGITS_LEN]) -> Option<(i64, u32)> {
        let (seconds, nanos) = digits.split_first_chunk()?;
        Some((self.seconds.parse(seconds)?, label::parse_nanos(nanos.first_chunk()?)?))
    }
}

fn append_seconds(unix_secs: i64, nanos: u32, output: &mut Vec<u8>) {
    output.extend_from_slice(Moment { unix_secs, nanos }.to_unix_text().as_bytes());
}

/// Converts seconds that include leap seconds to wall-clock time through a conversion without leap
/// seconds. A leap second follows second 59, as in s6 and in localtime(3) with `right/*` zones.
fn with_leap_seconds(secs: i64, conversion: Conversion) -> Option<LocalTime> {
    let time = conversion(leap_seconds::take_off(secs))?;
    Some(LocalTime { second: time.second + u8::from(leap_seconds::is_at_one(secs)), ..time })
}

fn is_digit(byte: u8) -> bool {
    label::hex_value(byte).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Output for these input pieces.
    fn convert(pieces: &[&[u8]]) -> Vec<u8> {
        convert_by(Counting::Ten, pieces)
    }

    fn convert_by(counting: Counting, pieces: &[&[u8]]) -> Vec<u8> {
        let mut converter = Converter::utc(counting);
        let mut output = Vec::new();
        for piece in pieces {
            converter.push(piece, &mut output);
        }
        converter.finish(&mut output);
        output
    }

    #[track_caller]
    fn check(input: &str, expected: &str) {
        let whole = convert(&[input.as_bytes()]);
        assert_eq!(String::from_utf8_lossy(&whole), expected);
        let bytes: Vec<&[u8]> = input.as_bytes().chunks(1).collect();
        assert_eq!(String::from_utf8_lossy(&convert(&bytes)), expected, "byte by byte");
    }

    #[track_caller]
    fn check_unchanged(input: &str) {
        check(input, input);
    }

    #[test]
    fn a_stamp_at_the_start_of_a_line_becomes_a_date() {
        check("@4000000037c219bf2ef02e94 x\n", "1999-08-24 04:04:05.787492500 x\n");
        check("a\n@400000000000000a00000001\n", "a\n1970-01-01 00:00:00.000000001\n");
        check("@400000000000000a00000000@4", "1970-01-01 00:00:00.000000000@4");
        check("@400000000000000affffffffz", "1970-01-01 00:00:00.4294967295z");
        check("@400000000000000a00000000A", "1970-01-01 00:00:00.000000000A");
    }

    #[test]
    fn stamps_anywhere_else_and_all_other_text_are_copied() {
        check_unchanged("");
        check_unchanged("\n");
        check_unchanged("a @400000000000000a00000001\n\0\r b");
        check_unchanged(" @400000000000000a00000001\n");
    }

    #[test]
    fn of_many_digits_the_last_24_count() {
        check("@0000400000000000000a00000001 x\n", "1970-01-01 00:00:00.000000001 x\n");
        check("@ff400000000000000a00000001 x\n", "1970-01-01 00:00:00.000000001 x\n");
        let zeros = "0".repeat(STAMP_LEN_MAX - LABEL_LEN);
        let label = "400000000000000a00000001";
        check(&format!("@{zeros}{label}\n"), "1970-01-01 00:00:00.000000001\n");
        check_unchanged(&format!("@0{zeros}{label}\n"));
        check_unchanged(&format!("@00{zeros}{zeros}{label}\n@x"));
    }

    #[test]
    fn stamps_without_a_time_are_copied() {
        check_unchanged("@\n");
        check_unchanged("@");
        check_unchanged("@x\n");
        check_unchanged("@example.org\n@@\n");
        check_unchanged("@000000000000000000000000 zeros\n");
        check_unchanged("@400000000000000a0000001 23 digits\n");
        check_unchanged("@400000000000000a000000011 25 digits\n");
        check_unchanged("@400000000000000A00000001 uppercase\n");
        check_unchanged("@ffffffffffffffffffffffff \n@8000000000000000ffffffff \n");
    }

    #[test]
    fn years_go_from_0_to_the_last_that_fits() {
        check("@3ffffff1868b840a00000000\n", "0-01-01 00:00:00.000000000\n");
        check_unchanged("@3ffffff1868b840900000000\n");
        check("@40f0c2ab7c54a98900000000\n", "2147485547-12-31 23:59:59.000000000\n");
        check_unchanged("@40f0c2ab7c54a98a00000000\n");
    }

    #[test]
    fn dates_of_multilog_become_dates_of_the_reader() {
        check("2025-11-20T08:15:02.123456789Z x\n", "2025-11-20 08:15:02.123456789 x\n");
        check("2025-11-20T09:15:02.123456789+01:00 \n", "2025-11-20 08:15:02.123456789 \n");
        check("a\n2025-11-20T00:15:02.000000000-08:00 x", "a\n2025-11-20 08:15:02.000000000 x");
        check("2016-12-31T23:59:59.500000000Z 2016", "2016-12-31 23:59:59.500000000 2016");
        check("2025-11-20T08:15:02.123456789Z ", "2025-11-20 08:15:02.123456789 ");
    }

    #[test]
    fn other_dates_and_numbers_are_copied() {
        check_unchanged("2025-11-20T08:15:02.123456789Z\n");
        check_unchanged("2025-11-20T08:15:02.123456789Z");
        check_unchanged("2025-11-20T08:15:02Z x\n");
        check_unchanged("2025-02-30T08:15:02.123456789Z x\n");
        check_unchanged("x 2025-11-20T08:15:02.123456789Z x\n");
        check_unchanged("1763626502.123456 x\n12\n1\n2025\n2025-@\n");
    }

    #[track_caller]
    fn check_leap(input: &str, expected: &str) {
        let output = convert_by(Counting::Leap, &[input.as_bytes()]);
        assert_eq!(String::from_utf8_lossy(&output), expected);
    }

    #[test]
    fn labels_with_leap_seconds_become_the_dates_of_their_time() {
        for (label, date) in [
            ("@3fffffffffffffff00000000", "1969-12-31 23:59:49.000000000"),
            ("@400000000000000a00000005", "1970-01-01 00:00:00.000000005"),
            ("@4000000003c2670a00000005", "1972-01-01 00:00:00.000000005"),
            ("@4000000004b258091dcd6500", "1972-06-30 23:59:59.500000000"),
            ("@4000000004b2580a1dcd6500", "1972-06-30 23:59:60.500000000"),
            ("@4000000004b2580b1dcd6500", "1972-07-01 00:00:00.500000000"),
            ("@4000000055932da21dcd6500", "2015-06-30 23:59:59.500000000"),
            ("@4000000055932da31dcd6500", "2015-06-30 23:59:60.500000000"),
            ("@4000000055932da41dcd6500", "2015-07-01 00:00:00.500000000"),
            ("@40000000574e25a41829b2cd", "2016-06-01 00:00:00.405385933"),
            ("@40000000586846a33b9ac9ff", "2016-12-31 23:59:59.999999999"),
            ("@40000000586846a400000000", "2016-12-31 23:59:60.000000000"),
            ("@40000000586846a43b9aca00", "2016-12-31 23:59:60.1000000000"),
            ("@40000000586846a500000000", "2017-01-01 00:00:00.000000000"),
            ("@4000000059682f0a00000005", "2017-07-14 02:39:33.000000005"),
            ("@40f0c2ab7c54a9a400000000", "2147485547-12-31 23:59:59.000000000"),
        ] {
            check_leap(&format!("{label} x\n"), &format!("{date} x\n"));
        }
        check_leap("@40f0c2ab7c54a9a500000000 x\n", "@40f0c2ab7c54a9a500000000 x\n");
    }

    #[test]
    fn dates_beside_labels_with_leap_seconds_have_none() {
        check_leap(
            "@40000000586846a500000000 a\n2017-01-01T00:00:00.000000000Z b\n\
             @40000000586846a400000000 c\n2016-12-31T23:59:59.000000000Z d\n",
            "2017-01-01 00:00:00.000000000 a\n2017-01-01 00:00:00.000000000 b\n\
             2016-12-31 23:59:60.000000000 c\n2016-12-31 23:59:59.000000000 d\n",
        );
    }

    #[test]
    fn the_end_of_input_ends_a_stamp() {
        check("@400000000000000a00000001", "1970-01-01 00:00:00.000000001");
        check_unchanged("@400000000000000a0000001");
    }

    /// Simple reference: byte by byte, as 0.76 does, but with the stamp's text kept.
    fn slow(input: &[u8]) -> Vec<u8> {
        let mut output = Vec::new();
        for line in input.split_inclusive(|&byte| byte == b'\n') {
            if let Some((unix_secs, nanos, len)) = stamp::parse_date(line) {
                assert!(Calendar::new(local_time::universal).append(unix_secs, nanos, &mut output));
                output.extend_from_slice(&line[len - 1..]);
                continue;
            }
            let digit_count = match line.strip_prefix(b"@") {
                Some(rest) => rest.iter().take_while(|&&byte| is_digit(byte)).count(),
                None => 0,
            };
            let number = line[1.min(line.len())..]
                .iter()
                .take(digit_count)
                .fold(0, |value, &digit| u128::from(label::hex_value(digit).unwrap()) | value << 4);
            let mut calendar = Calendar::new(local_time::universal);
            let unix_secs = label::unix_secs((number >> 32) as u64);
            if line[0] == b'@' && calendar.append(unix_secs, number as u32, &mut output) {
                output.extend_from_slice(&line[1 + digit_count..]);
            } else {
                output.extend_from_slice(line);
            }
        }
        output
    }

    /// Lines with various stamps, mostly valid.
    fn line() -> impl Strategy<Value = String> {
        prop_oneof![
            "@4000000[0-9a-f]{17} [@\0a\n]{0,3}\n",
            "@[0-9a-f]{0,3}[34][0f]{6}[0-9a-f]{17}[@A-H ]{0,2}\n",
            "@[0-9a-f]{22,26}[@A-H \n]{0,2}",
            "[@\na4 ]{0,5}",
            "20[0-3][0-9]-0[1-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9][.][0-9]{9}[Z+-]",
            "(Z|[+-]0[0-9]:[0-5][0-9])? x\n",
        ]
    }

    proptest! {
        #[test]
        fn output_does_not_depend_on_how_input_is_cut(
            lines in prop::collection::vec(line(), 0..10),
            cuts in prop::collection::vec(0..300_usize, 0..10),
        ) {
            let input = lines.concat();
            let mut pieces = Vec::new();
            let mut rest = input.as_bytes();
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            pieces.push(rest);
            prop_assert_eq!(convert(&pieces), slow(input.as_bytes()));
        }
    }
}
