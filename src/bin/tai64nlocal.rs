//! tai64nlocal(1): turns the stamps before lines into dates.

fn main() -> std::process::ExitCode {
    multilog::filter::tai64nlocal::run()
}
