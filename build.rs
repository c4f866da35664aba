//! Links what the standard library takes from libgcc_s.so into the programs themselves, where the
//! compiler has it as an archive. It is for unwinding, which they never do; to find and map the library
//! would be a fifth of their start and of their memory, for each of fifty loggers on a machine.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    let is_native = env::var("HOST").ok() == env::var("TARGET").ok();
    if !is_native || !is("CARGO_CFG_TARGET_OS", "linux") || !is("CARGO_CFG_TARGET_ENV", "gnu") {
        return;
    }
    // A static program gets the archive from the compiler.
    let features = env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    if features.split(',').any(|feature| feature == "crt-static") {
        return;
    }
    let Ok(asked) = Command::new("cc").arg("-print-file-name=libgcc_eh.a").output() else { return };
    let archive = String::from_utf8_lossy(&asked.stdout);
    let archive = Path::new(archive.trim_end());
    // A compiler that does not have it prints the name alone.
    if archive.is_absolute() && archive.is_file() {
        let archive = archive.display();
        // Whole: it comes before the library that needs it.
        println!(
            "cargo:rustc-link-arg-bins=-Wl,--push-state,--whole-archive,{archive},--pop-state"
        );
    }
}
