//! logdir(1): shows and follows log directories.

fn main() -> std::process::ExitCode {
    multilog::logdir::run()
}
