//! multilog(8): reads lines and appends them to log directories.

use multilog::sys::memory::Memory;

#[global_allocator]
static MEMORY: Memory = Memory::new();

fn main() -> std::process::ExitCode {
    multilog::logger::run(&MEMORY)
}
