//! Program `tai64n`: stamps each line.

use crate::filter::{self, About, Filter};
use ::logdir::clock;
use ::logdir::label::{Label, Stamps};
use ::logdir::stamp::Stamper as _;
use argh::FromArgs;
use script::newlines::Newlines;
use std::process::ExitCode;

const HELP: &str = "\
Usage: tai64n [-h] [-V] [--] [file...]

Copies files, or standard input, to standard output and puts a TAI64N label and
a space before each line. The file - is standard input.

  -h, --help     print this text
  -V, --version  print the version
";
const ABOUT: About = About {
    program: "tai64n",
    help: HELP,
    version: concat!("tai64n ", env!("CARGO_PKG_VERSION"), "\n"),
};

/// Puts a label before each line.
#[derive(FromArgs)]
struct Options {
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
    let (_options, operands): (Options, _) = match filter::start(ABOUT) {
        Ok(started) => started,
        Err(code) => return code,
    };
    filter::exit_code(filter::copy(&operands, &mut Stamper::new()))
}

/// Puts a stamp before each line.
#[derive(Debug)]
struct Stamper {
    stamps: Stamps,
    at_line_start: bool,
}

impl Stamper {
    fn new() -> Stamper {
        Stamper { stamps: Stamps::new(), at_line_start: true }
    }

    /// Sets the time for lines that start next.
    fn set_clock(&mut self, now: Label) {
        self.stamps.set_clock(now);
    }

    fn put(&mut self, text: &[u8], output: &mut Vec<u8>) {
        if self.at_line_start {
            self.stamps.append_to(output);
        }
        output.extend_from_slice(text);
    }
}

impl Filter for Stamper {
    fn begin_block(&mut self) {
        self.set_clock(clock::now());
    }

    fn push(&mut self, piece: &[u8], output: &mut Vec<u8>) {
        let mut start = 0;
        for newline in Newlines::new(piece) {
            self.put(&piece[start..=newline], output);
            self.at_line_start = true;
            start = newline + 1;
        }
        if start < piece.len() {
            self.put(&piece[start..], output);
            self.at_line_start = false;
        }
    }

    fn finish(&mut self, _output: &mut Vec<u8>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn start() -> Label {
        Label::from_unix(1_700_000_000, 999_999_990)
    }

    /// Output for one block, given in these pieces.
    fn stamp(pieces: &[&[u8]]) -> Vec<u8> {
        let mut stamper = Stamper::new();
        let mut output = Vec::new();
        stamper.set_clock(start());
        for piece in pieces {
            stamper.push(piece, &mut output);
        }
        stamper.finish(&mut output);
        output
    }

    #[track_caller]
    fn check(input: &str, expected: &str) {
        let output = stamp(&[input.as_bytes()]);
        assert_eq!(String::from_utf8_lossy(&output), expected);
    }

    #[test]
    fn each_line_gets_a_stamp_and_the_next_nanosecond() {
        check("", "");
        check("\n", "@400000006553f10a3b9ac9f6 \n");
        check("a", "@400000006553f10a3b9ac9f6 a");
        check(
            "a\n\nb",
            "@400000006553f10a3b9ac9f6 a\n@400000006553f10a3b9ac9f7 \n@400000006553f10a3b9ac9f8 b",
        );
        check("\0\r@\n", "@400000006553f10a3b9ac9f6 \0\r@\n");
    }

    #[test]
    fn a_line_keeps_the_moment_of_its_first_byte() {
        let mut stamper = Stamper::new();
        let mut output = Vec::new();
        for (secs, piece) in [(10, "a"), (20, "b\n"), (30, "c\n")] {
            stamper.set_clock(Label::from_unix(secs, 0));
            stamper.push(piece.as_bytes(), &mut output);
        }
        let expected = "@400000000000001400000000 ab\n@400000000000002800000000 c\n";
        assert_eq!(String::from_utf8_lossy(&output), expected);
    }

    /// Simple reference: line by line, with separate labels.
    fn slow(input: &[u8]) -> Vec<u8> {
        let mut label = start();
        let mut output = Vec::new();
        for line in input.split_inclusive(|&byte| byte == b'\n') {
            output.extend_from_slice(&label.format());
            output.push(b' ');
            output.extend_from_slice(line);
            label = label.next();
        }
        output
    }

    proptest! {
        #[test]
        fn output_does_not_depend_on_how_input_is_cut(
            pieces in prop::collection::vec("[\n@a\0]{0,20}", 0..20)
        ) {
            let input = pieces.concat();
            let pieces: Vec<&[u8]> = pieces.iter().map(String::as_bytes).collect();
            prop_assert_eq!(stamp(&pieces), slow(input.as_bytes()));
        }
    }
}
