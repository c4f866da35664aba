//! Trouble after the start (behaviour 12): nothing is lost, nothing hangs.

use crate::peers::peer;
use crate::support::{Ended, Home, differs, numbers, program, wait_until};
use nix::mount::{MsFlags, mount, umount};
use nix::sys::signal::Signal;
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

/// A file system of one megabyte. Unmounted when dropped.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where the test is not allowed to mount one.
    pub fn mount(home: &Home) -> Option<SmallDisk> {
        SmallDisk::mount_of(home, "1m")
    }

    /// The same with another size.
    pub fn mount_of(home: &Home, size: &str) -> Option<SmallDisk> {
        let path = home.path("disk");
        fs::create_dir(&path).expect("a directory");
        let size = format!("size={size}");
        let mounted =
            mount(Some("tmpfs"), &path, Some("tmpfs"), MsFlags::empty(), Some(size.as_str()));
        match mounted {
            Ok(()) => Some(SmallDisk(path)),
            Err(errno) if std::env::var_os("CI").is_some() => panic!("cannot mount: {errno}"),
            Err(errno) => {
                eprintln!("skipped: cannot mount a file system: {errno}");
                None
            }
        }
    }

    /// Leaves room for so many bytes.
    pub fn fill(&self, left: u64) {
        let filler = self.0.join("filler");
        wait_until("a disk that is filled", || {
            let stat = nix::sys::statvfs::statvfs(&self.0).expect("a file system");
            let free = stat.blocks_available() * stat.fragment_size();
            let room = free.checked_sub(left).and_then(|room| usize::try_from(room).ok());
            let filled = fs::write(&filler, vec![0; room.expect("a size")]);
            // A logger that still starts made a file meanwhile.
            if filled.is_err() {
                let _ = fs::remove_file(&filler);
            }
            filled.is_ok()
        });
    }

    pub fn empty(&self) {
        fs::remove_file(self.0.join("filler")).expect("the filler");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = umount(&self.0);
    }
}

#[test]
fn a_full_disk_is_waited_out_and_nothing_is_lost() {
    let home = Home::new();
    let Some(disk) = SmallDisk::mount(&home) else { return };
    let mut logger = home.spawn(&["./disk/d", "./other"]);
    logger.write(b"first\n");
    wait_until("the first line", || home.read("other/current") == b"first\n");
    disk.fill(8192);
    logger.write(numbers(1, 6000));
    logger.wait_for_stderr(
        "multilog: warning: unable to write to ./disk/d/current, pausing: out of disk space\n",
    );
    disk.empty();
    logger.write(b"last\n");
    let ended = logger.end();
    assert_eq!(ended.status.code(), Some(0));
    let all = [&b"first\n"[..], &numbers(1, 6000), b"last\n"].concat();
    assert_eq!(home.contents("disk/d"), all);
    assert_eq!(home.contents("other"), all);
}

/// The seconds of `TEXT again, MORE, held for N s`, if these are all messages of that kind.
fn held_secs(stderr: &str, text: &str) -> Option<u64> {
    let ends: Vec<&str> =
        stderr.lines().filter_map(|line| line.strip_prefix("multilog: info: ")).collect();
    let [end] = ends[..] else { return None };
    end.strip_prefix(text)?.strip_suffix(" s")?.parse().ok()
}

#[test]
fn the_end_of_trouble_is_told_once() {
    differs("the_end_of_trouble_is_told_once", || {
        let home = Home::new();
        let Some(disk) = SmallDisk::mount(&home) else { panic!("cannot mount") };
        let mut logger = home.spawn(&["./disk/d", "./other"]);
        logger.write(b"first\n");
        wait_until("the first line", || home.read("other/current") == b"first\n");
        // There is room for a part of it, which is not the end of the trouble.
        disk.fill(8192);
        logger.write(numbers(1, 6000));
        let warning = "multilog: warning: unable to write to ./disk/d/current, pausing: ";
        wait_until("a second try", || logger.stderr().matches(warning).count() == 2);
        assert!(!logger.stderr().contains("info"), "{}", logger.stderr());
        disk.empty();
        logger.wait_for_stderr(" again, ");
        logger.write(b"last\n");
        let stderr = String::from_utf8(logger.end().stderr).expect("text");
        let told = held_secs(&stderr, "writing to ./disk/d again, nothing lost, held for ");
        assert!(told.is_some_and(|secs| (10..40).contains(&secs)), "{stderr}");
    });
}

#[test]
fn the_end_of_trouble_with_a_status_file_and_a_rotation_is_told_once() {
    differs("the_end_of_trouble_with_a_status_file_and_a_rotation_is_told_once", || {
        let home = Home::new();
        for (call, script, text) in [
            ("pwrite64,write", ["=s", "-*", "./d"], "writing s again, held for "),
            (
                "link,linkat",
                ["s4096", "+*", "./d"],
                "finishing files in ./d again, nothing lost, held for ",
            ),
        ] {
            let inject = format!("inject={call}:error=ENOSPC:when=1");
            let options = ["-e", &inject];
            let ended = with_fault(&home, &options, &script, &numbers(1, 800));
            let stderr = String::from_utf8(ended.expect("strace").stderr).expect("text");
            assert!(held_secs(&stderr, text).is_some(), "{stderr}");
        }
    });
}

#[test]
fn without_trouble_nothing_is_told() {
    let home = Home::new();
    let script = ["=s", "s4096", "n100", "!cat", "./d"];
    home.run(&script, &numbers(1, 3000)).check(0, "");
}

#[test]
fn other_directories_and_signals_go_on_while_a_disk_is_full() {
    differs("other_directories_and_signals_go_on_while_a_disk_is_full", || {
        let home = Home::new();
        let Some(disk) = SmallDisk::mount(&home) else { panic!("cannot mount") };
        let mut logger = home.spawn(&["./disk/d", "./other"]);
        logger.write(b"first\n");
        wait_until("the first line", || home.read("other/current") == b"first\n");
        disk.fill(0);
        logger.write(numbers(1, 3000));
        logger.wait_for_stderr("unable to write to ./disk/d/current, pausing");
        logger.write(numbers(3001, 4000));
        wait_until("the other directory", || home.contents("other").ends_with(b"\n4000\n"));
        logger.signal(Signal::SIGALRM);
        wait_until("its rotation", || home.archives("other").len() == 1);
        logger.signal(Signal::SIGTERM);
        disk.empty();
        logger.wait();
        let all = [&b"first\n"[..], &numbers(1, 4000)].concat();
        assert_eq!(home.contents("disk/d"), all);
        assert_eq!(home.contents("other"), all);
    });
}

#[test]
fn a_second_term_gives_up_a_full_disk_and_says_what_is_lost() {
    differs("a_second_term_gives_up_a_full_disk_and_says_what_is_lost", || {
        let home = Home::new();
        let Some(disk) = SmallDisk::mount(&home) else { panic!("cannot mount") };
        let mut logger = home.spawn(&["./disk/d"]);
        disk.fill(0);
        logger.write(b"one\ntwo\n");
        logger.wait_for_stderr("unable to write to ./disk/d/current, pausing: out of disk space");
        logger.signal(Signal::SIGTERM);
        // It is still there: the first one waits for the disk. The second may come before the
        // first has been looked at, so it is sent until it counts.
        let mut sent = 0;
        wait_until("the end", || {
            if logger.is_running() {
                logger.signal(Signal::SIGTERM);
            }
            sent += 1;
            !logger.is_running()
        });
        assert!(sent > 0);
        let ended = logger.wait();
        assert_eq!(ended.status.code(), Some(111));
        let stderr = String::from_utf8(ended.stderr).expect("text");
        let told = "multilog: warning: giving up on ./disk/d: 2 lines (8 bytes) are not written\n";
        assert!(stderr.ends_with(told), "{stderr}");
        assert_eq!(home.mode("disk/d/current"), 0o644, "unclean");
    });
}

#[test]
fn a_processor_that_fills_the_disk_stops_nothing() {
    let home = Home::new();
    let Some(disk) = SmallDisk::mount(&home) else { return };
    let script = ["!test -e ../../ran || { >../../ran; exec cat /dev/zero; }; cat", "./disk/d"];
    let mut logger = home.spawn(&script);
    logger.write(b"a\n");
    wait_until("the line", || home.read("disk/d/current") == b"a\n");
    logger.signal_and_wait(Signal::SIGALRM);
    logger.write(b"b\n");
    logger.wait_for_stderr("multilog: warning: processor failed in ./disk/d, pausing\n");
    logger.write(b"c\n");
    wait_until("the archive", || home.archives("disk/d").len() == 1);
    let ended = logger.end();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(home.contents("disk/d"), b"a\nb\nc\n");
    drop(disk);
}

#[test]
fn a_full_disk_stops_no_status_file_for_ever() {
    let home = Home::new();
    let Some(disk) = SmallDisk::mount(&home) else { return };
    let mut logger = home.spawn(&["=disk/s", "./d"]);
    wait_until("the start", || home.path("d/current").exists());
    disk.fill(0);
    logger.write(b"a\n");
    logger
        .wait_for_stderr("multilog: warning: unable to write disk/s, pausing: out of disk space\n");
    disk.empty();
    logger.write(b"b\n");
    assert_eq!(logger.end().status.code(), Some(0));
    assert!(home.read("disk/s").starts_with(b"b\n\n"));
    assert_eq!(home.contents("d"), b"a\nb\n");
}

/// Runs multilog under strace with one call failing once.
fn with_fault(home: &Home, options: &[&str], script: &[&str], input: &[u8]) -> Option<Ended> {
    let strace = peer("strace")?;
    let program = program();
    let options = ["-f", "-o", "trace"].iter().chain(options).copied().map(OsStr::new);
    let script = script.iter().copied().map(OsStr::new);
    let arguments: Vec<&OsStr> = options.chain([program.as_os_str()]).chain(script).collect();
    Some(home.run_of(&strace, &arguments, input))
}

#[test]
fn a_rotation_step_that_fails_is_tried_again() {
    for (call, message) in [
        ("rename,renameat,renameat2", "unable to rename current to previous in directory ./d"),
        ("link,linkat", "unable to link to ./d/@"),
    ] {
        let inject = format!("inject={call}:error=ENOSPC:when=1");
        let home = Home::new();
        let options = ["-e", &inject];
        let Some(ended) = with_fault(&home, &options, &["s4096", "./d"], &numbers(1, 800)) else {
            return;
        };
        let stderr = ended.warnings();
        assert!(stderr.starts_with(&format!("multilog: warning: {message}")), "{stderr}");
        assert!(stderr.ends_with(", pausing: out of disk space\n"), "{stderr}");
        assert_eq!(ended.status.code(), Some(0));
        assert_eq!(home.contents("d"), numbers(1, 800));
    }
}

#[test]
fn a_failed_sync_makes_an_archive_that_says_so() {
    differs("a_failed_sync_makes_an_archive_that_says_so", || {
        // By descriptor: each thread counts its calls for itself.
        let home = Home::new();
        let previous = home.path("d/previous").display().to_string();
        let options = ["-e", "inject=fsync:error=EIO:when=1", "-P", &previous];
        let Some(ended) = with_fault(&home, &options, &["s4096", "./d"], &numbers(1, 800)) else {
            panic!("strace is missing");
        };
        let warning =
            "multilog: warning: unable to write ./d/previous to disk: input/output error\n";
        ended.check(0, warning);
        assert_eq!(home.contents("d"), numbers(1, 800));
        assert!(home.archives("d")[0].ends_with(".u"));
    });
}

/// A change of a mode is answered with success and not made, as on some mounts of exFAT.
#[test]
fn a_file_system_without_mode_bits_is_refused() {
    differs("a_file_system_without_mode_bits_is_refused", || {
        let home = Home::new();
        home.make_dir("d");
        home.write("d/current", b"c\n", 0o744);
        home.write("d/previous", b"p\n", 0o744);
        home.write("d/processed", b"half\n", 0o744);
        let options = ["-e", "inject=fchmod,chmod,fchmodat:retval=0"];
        let Some(ended) = with_fault(&home, &options, &["!cat", "./d"], b"a\n") else {
            panic!("strace is missing");
        };
        let reason = "this file system does not keep mode bits";
        ended.check(111, &format!("multilog: fatal: unable to set mode of ./d/lock: {reason}\n"));
        assert_eq!(home.read("d/previous"), b"p\n");
        assert_eq!(home.read("d/current"), b"c\n");
    });
}

#[test]
fn a_failed_sync_of_the_directory_above_is_reported() {
    differs("a_failed_sync_of_the_directory_above_is_reported", || {
        let home = Home::new();
        home.make_dir("above");
        let above = home.path("above").display().to_string();
        let options = ["-e", "inject=fsync:error=EIO", "-P", &above];
        let Some(ended) = with_fault(&home, &options, &["./above/d"], b"a\n") else {
            panic!("strace is missing");
        };
        let warning = "multilog: warning: unable to write ./above to disk: input/output error\n";
        ended.check(0, warning);
        assert_eq!(home.contents("above/d"), b"a\n");
    });
}

#[test]
fn a_failed_sync_at_the_end_leaves_current_unmarked() {
    differs("a_failed_sync_at_the_end_leaves_current_unmarked", || {
        let home = Home::new();
        // The first two are those of the directory above and of the directory.
        let options = ["-e", "inject=fsync:error=EIO:when=3"];
        let Some(ended) = with_fault(&home, &options, &["./d"], b"a\n") else {
            panic!("strace is missing");
        };
        let warning =
            "multilog: warning: unable to write ./d/current to disk: input/output error\n";
        ended.check(111, warning);
        assert_eq!(home.mode("d/current"), 0o644);
        home.run(&["./d"], b"b\n").check(0, "");
        assert_eq!(home.contents("d"), b"a\nb\n");
    });
}

#[test]
fn trouble_at_the_start_is_fatal() {
    differs("trouble_at_the_start_is_fatal", || {
        let home = Home::new();
        home.make_dir("d");
        home.write("d/current", b"a\n", 0o644);
        let options = ["-e", "inject=link,linkat:error=ENOSPC:when=1"];
        let Some(ended) = with_fault(&home, &options, &["./d"], b"b\n") else {
            panic!("strace is missing");
        };
        ended.check_fatal("multilog: fatal: unable to link to ./d/@");
        assert_eq!(home.contents("d"), b"a\n");
    });
}

#[test]
fn a_file_that_cannot_be_linked_is_renamed() {
    differs("a_file_that_cannot_be_linked_is_renamed", || {
        let home = Home::new();
        let options = ["-e", "inject=link,linkat:error=EPERM:when=1"];
        let Some(ended) = with_fault(&home, &options, &["s4096", "./d"], &numbers(1, 800)) else {
            panic!("strace is missing");
        };
        ended.check(0, "");
        assert_eq!(home.contents("d"), numbers(1, 800));
        assert!(home.archives("d")[0].ends_with(".s"));
    });
}

#[test]
fn lines_that_come_together_make_one_status() {
    differs("lines_that_come_together_make_one_status", || {
        let home = Home::new();
        let options = ["-e", "trace=write,pwrite64"];
        let Some(ended) = with_fault(&home, &options, &["=s"], b"a\nb\nc\n") else {
            panic!("strace is missing");
        };
        ended.check(0, "");
        assert!(home.read("s").starts_with(b"c\n\n"));
        let trace = String::from_utf8(home.read("trace")).expect("text");
        assert_eq!(trace.matches("= 1001").count(), 1, "{trace}");
    });
}
