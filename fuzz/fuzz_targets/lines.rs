//! The line engine does what the model of its tests does, whatever the script and however the input
//! is cut.
//!
//! How the script and the input are written stands in `input.rs`.
#![no_main]

use input::{parse_reads, parse_script};
use libfuzzer_sys::fuzz_target;
use script::buffers::Buffers;
use script::lines::{Lines, Sinks};
use script::stamper::{NoStamps, Stamper};
use script::{Action, Script, StampFormat};

#[path = "../input.rs"]
mod input;
#[path = "../../crates/script/src/lines/tests/model.rs"]
mod model;
#[path = "../../crates/script/src/lines/tests/stamps.rs"]
#[allow(dead_code, reason = "tests use more of it")]
mod stamps;

fuzz_target!(|input: &[u8]| {
    let Some((script, rest)) = parse_script(input) else { return };
    let reads = parse_reads(rest);
    assert_eq!(model::given(&script, &reads), model::expected(&script, &reads));
});
