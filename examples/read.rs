//! Prints lines of a log directory written between two times, without stamps.
//!
//! Usage: `read DIRECTORY [SINCE [UNTIL]]`, each time as a stamp of any logger.

use logdir::Reader;
use logdir::read::stamp::parse_time_like_a_stamp;
use std::io::{Write, stderr, stdout};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("usage: read DIRECTORY [SINCE [UNTIL]]")?;
    let reader = Reader::open(directory).map_err(|failure| failure.to_string())?;
    let mut time = || {
        let parse = |text: String| {
            let moment = parse_time_like_a_stamp(text.as_bytes(), reader.counting());
            moment.ok_or_else(|| format!("{text} is no stamp"))
        };
        arguments.next().map(parse).transpose()
    };
    let mut lines = reader.range(time()?, time()?);
    while let Some(line) = lines.next() {
        stdout().write_all(&[line.text(), b"\n"].concat())?;
    }
    for notice in lines.take_notices() {
        writeln!(stderr(), "{notice:?}")?;
    }
    Ok(())
}
