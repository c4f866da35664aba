//! What the tests inherit from the program that starts them, such as nohup or a shell in the background, is
//! set back before the first of them runs: otherwise the programs under test would inherit it too.

#![allow(unsafe_code, reason = "a process is set up before its first thread starts")]

use nix::sys::signal::{SigHandler, SigSet, Signal, signal};

/// Called by the loader before `main`.
#[used]
// SAFETY: the section lists functions without arguments that the loader calls once each.
#[unsafe(link_section = ".init_array")]
static SET_BACK: extern "C" fn() = set_back;

extern "C" fn set_back() {
    for number in Signal::iterator() {
        // SAFETY: the default action runs no code of ours. KILL and STOP are refused, which does no harm.
        let _ = unsafe { signal(number, SigHandler::SigDfl) };
    }
    let _ = SigSet::all().thread_unblock();
    // SAFETY: no descriptor but the first three is in use yet.
    unsafe { libc::close_range(3, libc::c_uint::MAX, 0) };
}

#[test]
fn the_tests_pass_however_they_are_started() {
    let this = std::env::current_exe().expect("this program");
    // A shell passes on what it ignores, and its descriptor 3.
    let script = "trap '' HUP INT QUIT TERM ALRM USR1 CHLD; exec 3</dev/null; exec \"$0\" \"$@\"";
    let tests = [
        "--exact",
        "actions::every_example_of_the_manual_does_what_it_says",
        "signals::hup_and_int_end_cleanly",
    ];
    let mut started = std::process::Command::new("/bin/sh");
    started.args(["-c", script]).arg(this).args(tests);
    let output = started.output().expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    assert!(text.contains("2 passed"), "{text}");
}
