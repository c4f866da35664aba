//! Files of any bytes: what is told from the first of them, and decoders that are given damaged contents.
//! Nothing panics, and what comes out is the same however it is read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use logdir::read::decode::{Decoded, Storage, storage};
use std::fs::File;
use std::io::{Read, Write};
use std::sync::Arc;

#[path = "../real_dir.rs"]
#[allow(dead_code, reason = "other targets write logs there")]
mod real_dir;

/// No more is decoded: a few bytes may stand for gigabytes.
const OUTPUT_MAX: u64 = 1 << 20;

fuzz_target!(|input: &[u8]| {
    let home = real_dir::Home::new();
    let path = home.path("file");
    File::create(&path).and_then(|mut file| file.write_all(input)).expect("a file");
    let file = Arc::new(File::open(&path).expect("a file"));
    let storage = storage(&file).expect("it is told");
    let Ok(Some(decoded)) = Decoded::new(file.clone(), 0) else {
        return assert!(storage != Storage::Plain);
    };
    let mut whole = Vec::new();
    let is_read = decoded.take(OUTPUT_MAX).read_to_end(&mut whole).is_ok();
    if storage == Storage::Plain {
        return assert!(is_read && whole == input);
    }
    // From the middle on, in other pieces.
    let middle = whole.len() as u64 / 2;
    if let Ok(Some(mut decoded)) = Decoded::new(file, middle) {
        let mut piece = [0; 7];
        let len = decoded.read(&mut piece).unwrap_or(0);
        assert!(
            whole[whole.len() / 2..].starts_with(&piece[..len.min(whole.len() - whole.len() / 2)])
        );
    }
});
