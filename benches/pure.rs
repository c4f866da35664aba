//! Micro-benchmarks of the parts that touch no file: `cargo bench --bench pure`.
//!
//! Each works on one block of lines as it comes from a pipe. What they add up to, with the pipe and the
//! files, is measured in benches/compare.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use logdir::label::{Counting, Label, Stamps};
use logdir::stamp::Stamper;
use multilog::filter::tai64nlocal::Converter;
use multilog::logger::stamps::Stamps as ScriptStamps;
use script::Script;
use script::lines::{Lines, Sinks};
use script::pattern;
use script::select::Selector;
use std::ffi::OsString;

#[expect(dead_code, reason = "nothing is fed to a pipe here")]
#[path = "compare/input.rs"]
mod input;

use input::Input;

/// What one read of a pipe brings.
const BLOCK_LEN: usize = 64 * 1024;
const MAIL_MEGABYTES: usize = 1;
const START: i64 = 1_700_000_000;

fn main() {
    divan::main();
}

/// What qmail-send writes, about 80 bytes a line; enough of it that no branch can be learnt by heart.
fn mail_block() -> Vec<u8> {
    Input::mail(MAIL_MEGABYTES).block
}

fn mail_lines() -> Vec<Vec<u8>> {
    mail_block().split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect()
}

/// Lines of `len` bytes, newline included.
fn block_of(len: usize) -> Vec<u8> {
    let line = [vec![b'x'; len - 1], b"\n".to_vec()].concat();
    line.repeat(BLOCK_LEN / len)
}

fn parse(arguments: &[impl AsRef<str>]) -> Script {
    let arguments: Vec<OsString> =
        arguments.iter().map(|argument| argument.as_ref().into()).collect();
    script::parse(&arguments).expect("a good script").0
}

fn run(bencher: Bencher, arguments: &[impl AsRef<str>], block: &[u8]) {
    let script = parse(arguments);
    let (mut lines, mut stamps) = (Lines::new(&script), ScriptStamps::new(script.stamp));
    bencher.counter(BytesCount::of_slice(block)).bench_local(|| {
        stamps.set_clock(Label::from_unix(START, 0));
        let mut taken = 0;
        while taken < block.len() {
            let end = block.len().min(taken + BLOCK_LEN);
            taken += stamps.take(&mut lines, black_box(&block[taken..end]), &mut Nowhere);
        }
        taken
    });
}

struct Nowhere;

impl Sinks for Nowhere {
    fn head(&mut self, sink: usize, head: &[u8]) {
        black_box((sink, head));
    }

    fn bytes(&mut self, sink: usize, bytes: &[u8]) {
        black_box((sink, bytes));
    }
}

/// Many patterns, none of which matches.
fn patterns(count: usize) -> Vec<String> {
    let pattern = |number: usize| match number % 3 {
        0 => format!("-* delivery 9000000{number}: *"),
        1 => format!("-* info msg *<user{number}@spam.example> *"),
        _ => format!("-*: 198.51.100.{number}_*"),
    };
    (0..count).map(pattern).collect()
}

mod star_pattern {
    use super::*;

    #[divan::bench(args = ["* delivery *: success: *", "*: *: *_queued_*", "*", "nothing"])]
    fn matches(bencher: Bencher, star_pattern: &str) {
        let lines = mail_lines();
        let pattern = star_pattern.as_bytes();
        bencher.counter(ItemsCount::new(lines.len())).bench_local(|| {
            lines.iter().filter(|line| pattern::matches(black_box(pattern), line)).count()
        });
    }
}

mod selector {
    use super::*;

    #[divan::bench(args = [1, 10, 100, 1000])]
    fn without_match(bencher: Bencher, count: usize) {
        judge(bencher, &[patterns(count), vec!["./main".to_owned()]].concat());
    }

    #[divan::bench]
    fn two_selecting(bencher: Bencher) {
        judge(bencher, &["-*", "+delivery *", "+warning: *", "./main"]);
    }

    fn judge(bencher: Bencher, arguments: &[impl AsRef<str>]) {
        let mut selector = Selector::new(&parse(arguments).actions);
        let lines = mail_lines();
        bencher.counter(ItemsCount::new(lines.len())).bench_local(|| {
            let mut count = 0;
            for line in &lines {
                count += selector.judge(black_box(line), 0).bytes.len();
            }
            count
        });
    }
}

mod label {
    use super::*;

    const COUNT: usize = 1000;

    #[divan::bench]
    fn stamps(bencher: Bencher) {
        let mut stamps = Stamps::new();
        stamps.set_clock(Label::from_unix(START, 0));
        let mut text = Vec::new();
        bencher.counter(ItemsCount::new(COUNT)).bench_local(|| {
            for _ in 0..COUNT {
                text.clear();
                stamps.append_to(black_box(&mut text));
            }
        });
    }

    #[divan::bench]
    fn parse(bencher: Bencher) {
        let text = Label::from_unix(START, 123_456_789).format();
        bencher.counter(ItemsCount::new(1_usize)).bench(|| Label::parse(black_box(&text)));
    }
}

mod line_engine {
    use super::*;

    #[divan::bench]
    fn plain(bencher: Bencher) {
        run(bencher, &["./main"], &mail_block());
    }

    #[divan::bench(args = [7, 80, 10_000])]
    fn stamped(bencher: Bencher, line_len: usize) {
        run(bencher, &["t", "./main"], &block_of(line_len));
    }

    #[divan::bench]
    fn two_selecting(bencher: Bencher) {
        let script = ["t", "-*", "+* delivery *", "+* warning: *", "./main"];
        run(bencher, &script, &mail_block());
    }

    #[divan::bench]
    fn mail_script(bencher: Bencher) {
        let words = include_str!("../run-scripts/qmail-send/log/run");
        let words = words.split_once(" multilog ").map_or("", |(_, words)| words);
        let words = words.replace("\\\n", " ");
        // No word of it has a quote within.
        let quoted =
            words.split('\'').enumerate().flat_map(|(position, part)| match position % 2 {
                0 => part.split_whitespace().collect(),
                _ => vec![part],
            });
        run(bencher, &quoted.collect::<Vec<&str>>(), &mail_block());
    }
}

mod filters {
    use super::*;

    /// Every third line begins another second.
    #[divan::bench]
    fn tai64nlocal(bencher: Bencher) {
        let stamp = |(number, line): (i64, Vec<u8>)| {
            let label = Label::from_unix(START + number / 3, 123_456_789).format();
            [&label[..], b" ", &line, b"\n"].concat()
        };
        let block: Vec<u8> = (0..).zip(mail_lines()).flat_map(stamp).collect();
        let mut converter = Converter::utc(Counting::Ten);
        let mut output = Vec::new();
        bencher.counter(BytesCount::of_slice(&block)).bench_local(|| {
            output.clear();
            converter.push(black_box(&block), &mut output);
            output.len()
        });
    }
}
