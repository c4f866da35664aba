//! logship(8): sends the lines of log directories to another machine.

fn main() -> std::process::ExitCode {
    multilog::ship::run()
}
