//! logreceive(8): takes syslog messages from sockets into log directories.

fn main() -> std::process::ExitCode {
    multilog::receive::run()
}
