//! tai64n(1): puts a TAI64N stamp before each line.

fn main() -> std::process::ExitCode {
    multilog::filter::tai64n::run()
}
