//! multilog(8): reads lines and appends them to log directories.

fn main() -> std::process::ExitCode {
    multilog::logger::run()
}
