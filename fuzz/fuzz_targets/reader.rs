//! A log directory with files of any bytes: the reader gives the lines that the obvious slow reader gives,
//! forward and backward.
//!
//! The input is one file after the other; 0xff and a byte end one: an even byte was an interrupted writer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use logdir::label::{Counting, STAMP_LEN};
use logdir::read::stamp::StampParser;
use logdir::{LogLines, Reader};
use slow_reader::{File, ZEROS_LEN};
use std::fs;

#[path = "../real_dir.rs"]
#[allow(dead_code, reason = "other targets write logs there")]
mod real_dir;
#[path = "../../crates/logdir/models/slow_reader.rs"]
mod slow_reader;

const END_OF_FILE: u8 = 0xff;
/// Files of a directory at most.
const FILES_MAX: usize = 8;

fuzz_target!(|input: &[u8]| {
    let files = parse(input);
    // A stamp that is cut over three files is joined differently by the two readers. No logger writes files
    // that short, but for an empty one.
    let (_, archives) = files.split_last().expect("there is one");
    if archives.iter().any(|file| file.contents.len() < STAMP_LEN) {
        return;
    }
    let home = real_dir::Home::new();
    let dir = home.path("log");
    fs::create_dir(&dir).expect("a directory");
    for (number, file) in files.iter().enumerate() {
        let name = match number + 1 == files.len() {
            true => "current".to_owned(),
            false => {
                let code = if file.is_whole { 's' } else { 'u' };
                format!("@40000000655{number:02x}00000000000.{code}")
            }
        };
        fs::write(dir.join(name), &file.contents).expect("a file");
    }
    // How labels are counted depends on when the files were written, and no line on that.
    let mut stamps = StampParser::new(Counting::Ten);
    let expected = slow_reader::lines(&files, |line| stamps.parse(line).is_some());
    let reader = Reader::open(&dir).expect("it opens");
    assert_eq!(shown(read(reader.lines())), shown(expected.clone()));
    // A reader that begins at the end leaves zeros out at the end of each file.
    let zeros = [0; ZEROS_LEN];
    if !input.windows(ZEROS_LEN).any(|bytes| bytes == zeros) {
        let mut backward = read(reader.reverse(None, None));
        backward.reverse();
        assert_eq!(shown(backward), shown(expected));
    }
});

/// Files whose contents are not taken for compressed.
fn parse(input: &[u8]) -> Vec<File> {
    let mut files = vec![File { is_whole: false, contents: Vec::new() }];
    let mut bytes = input.iter();
    while let Some(&byte) = bytes.next() {
        let is_last = files.len() == FILES_MAX;
        let last = files.last_mut().expect("there is one");
        if byte != END_OF_FILE || is_last {
            last.contents.push(byte.min(b'~'));
        } else {
            last.is_whole = bytes.next().is_some_and(|byte| byte % 2 == 1);
            files.push(File { is_whole: false, contents: Vec::new() });
        }
    }
    let is_compressed = |file: &File| {
        file.contents.first().is_some_and(|byte| !byte.is_ascii_graphic() && *byte != b'\n')
    };
    for file in &mut files {
        if is_compressed(file)
            || file.contents.starts_with(b"PK")
            || file.contents.starts_with(b"LZIP")
        {
            file.contents.insert(0, b'x');
        }
        if file.contents.starts_with(b"]") {
            file.contents.insert(0, b'x');
        }
    }
    files
}

fn read(mut lines: LogLines) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        found.push(line.bytes.to_vec());
    }
    found
}

fn shown(lines: Vec<Vec<u8>>) -> Vec<String> {
    lines.iter().map(|line| line.escape_ascii().to_string()).collect()
}
