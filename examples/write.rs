//! Writes standard input to a log directory, and exits after all data is on disk.
//!
//! Usage: `write DIRECTORY <lines`

use logdir::{Settings, Writer};
use std::io::{BufRead, Write, stderr, stdin};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args_os().nth(1).ok_or("usage: write DIRECTORY")?;
    let settings = Settings { size_max: 1_000_000, number_max: 20, ..Settings::default() };
    let mut log = Writer::open(directory, &settings)?;
    let mut input = stdin().lock();
    loop {
        let block = input.fill_buf()?;
        let len = block.len();
        if len == 0 {
            break;
        }
        log.write_all(block)?;
        input.consume(len);
    }
    log.sync()?;
    for event in log.events() {
        writeln!(stderr(), "{}", String::from_utf8_lossy(&event.text()))?;
    }
    Ok(log.close()?)
}
