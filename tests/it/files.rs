//! Log directories: sizes, names, modes, and which archives stay (behaviour 8 and 13).

use crate::peers::peer;
use crate::support::{Home, differs, numbers, program, wait_until};
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// A log directory with archives of these names (each holding its name) and a clean `current`.
fn prepared(archives: &[&str]) -> Home {
    let home = Home::new();
    home.make_dir("d");
    home.write("d/current", b"old\n", 0o744);
    for name in archives {
        home.write(format!("d/{name}"), name, 0o744);
    }
    home
}

/// Rotates `d` once, with `n` files to stay.
fn rotate_once(home: &Home, number: &str) {
    let mut logger = home.spawn(&[number, "./d"]);
    wait_until("the directory", || home.mode("d/current") == 0o644);
    logger.signal(Signal::SIGALRM);
    // 0.76 acts on it when the read that it interrupts has returned or the next one has.
    logger.write(b"new\n");
    wait_until("the rotation", || {
        home.path("d/current").exists()
            && !home.path("d/previous").exists()
            && home
                .archives("d")
                .iter()
                .any(|name| home.read(format!("d/{name}")).starts_with(b"old"))
    });
    logger.end().check(0, "");
}

#[test]
fn a_clean_end_leaves_current_complete() {
    let home = Home::new();
    home.run(&["./d"], b"a\n").check(0, "");
    let names = [("current", 0o744), ("lock", 0o600), ("state", 0o644)];
    assert_eq!(home.entries("d"), names.map(|(name, mode)| (name.to_owned(), mode)));
    home.run(&["./d"], b"b\n").check(0, "");
    assert_eq!(home.read("d/current"), b"a\nb\n");
}

#[test]
fn files_keep_their_size_and_hold_every_line() {
    let home = Home::new();
    home.run(&["s4096", "n1000", "./d"], &numbers(1, 50_000)).check(0, "");
    assert_eq!(home.contents("d"), numbers(1, 50_000));
    for name in home.archives("d") {
        let contents = home.read(format!("d/{name}"));
        assert!((2096..=4096).contains(&contents.len()), "{name} has {}", contents.len());
        assert!(contents.ends_with(b"\n"), "{name}");
        assert_eq!(home.mode(format!("d/{name}")), 0o744);
        assert!(name.ends_with(".s"), "{name}");
    }
}

#[test]
fn a_file_ends_at_the_same_line_however_lines_arrive() {
    differs("a_file_ends_at_the_same_line_however_lines_arrive", || {
        let home = Home::new();
        home.run(&["s4096", "n100", "./at-once"], &b"a\n".repeat(3000)).check(0, "");
        let mut logger = home.spawn(&["s4096", "n100", "./one-by-one"]);
        for line in 1..=3000 {
            logger.write(b"a\n");
            if line % 50 == 0 {
                wait_until("the lines", || home.contents("one-by-one").len() >= 2 * line);
            }
        }
        logger.end().check(0, "");
        for dir in ["at-once", "one-by-one"] {
            let sizes: Vec<usize> = home
                .archives(dir)
                .iter()
                .map(|name| home.read(format!("{dir}/{name}")).len())
                .collect();
            assert_eq!(sizes, [2096, 2096], "{dir}");
        }
    });
}

#[test]
fn a_line_that_does_not_fit_is_cut_at_the_size() {
    let home = Home::new();
    let line = [vec![b'x'; 10_000], vec![b'\n']].concat();
    home.run(&["s4096", "./d"], &line).check(0, "");
    let sizes: Vec<usize> =
        home.archives("d").iter().map(|name| home.read(format!("d/{name}")).len()).collect();
    assert_eq!(sizes, [4096, 4096]);
    assert_eq!(home.contents("d"), line);
}

#[test]
fn a_full_file_is_closed_by_the_next_byte() {
    let home = Home::new();
    let mut logger = home.spawn(&["s4096", "./d"]);
    logger.write(vec![b'x'; 4096]);
    wait_until("the file", || home.read("d/current").len() == 4096);
    assert_eq!(home.archives("d").len(), 0);
    logger.write(b"\n");
    wait_until("the next file", || home.archives("d").len() == 1);
    logger.end().check(0, "");
    assert_eq!(home.read("d/current"), b"\n");
}

#[test]
fn a_current_found_beyond_the_size_is_closed_by_the_first_byte() {
    let home = Home::new();
    home.make_dir("d");
    home.write("d/current", [vec![b'x'; 5000], vec![b'\n']].concat(), 0o744);
    home.run(&["s4096", "./d"], b"").check(0, "");
    assert_eq!(home.archives("d").len(), 0);
    home.run(&["s4096", "./d"], b"a\n").check(0, "");
    assert_eq!(home.archives("d").len(), 1);
    assert_eq!(home.read("d/current"), b"a\n");
}

#[test]
fn the_number_counts_current() {
    let home = Home::new();
    home.run(&["s4096", "n4", "./d"], &numbers(1, 50_000)).check(0, "");
    assert_eq!(home.archives("d").len(), 3);
    assert!(numbers(1, 50_000).ends_with(&home.contents("d")));
    home.run(&["s4096", "n0", "./e"], &numbers(1, 50_000)).check(0, "");
    assert_eq!(home.archives("e").len(), 1);
}

#[test]
fn a_clean_start_removes_nothing() {
    let names = ["@400000000000000000000001.s", "@400000000000000000000002.s"];
    let home = prepared(&names);
    home.run(&["n2", "./d"], b"a\n").check(0, "");
    assert_eq!(home.archives("d"), names);
}

#[test]
fn names_of_any_ending_count_and_go_oldest_first() {
    let home = prepared(&[
        "@400000000000000000000003",
        "@400000000000000000000001.s.gz",
        "@400000000000000000000002.u",
        "@4000000000000000000000",
    ]);
    rotate_once(&home, "n3");
    let left = home.archives("d");
    assert_eq!(left.len(), 3, "{left:?}");
    assert_eq!(left[..2], ["@4000000000000000000000", "@400000000000000000000003"]);
}

#[test]
fn names_behind_z_count_and_stay() {
    let home = prepared(&["@zzzzzzzzzzzzzzzzzzzzzzzz", "@400000000000000000000001.s"]);
    rotate_once(&home, "n3");
    let left = home.archives("d");
    assert_eq!(left.len(), 2, "{left:?}");
    assert_eq!(left[1], "@zzzzzzzzzzzzzzzzzzzzzzzz");
}

#[test]
fn what_cannot_be_removed_is_named_and_left() {
    differs("what_cannot_be_removed_is_named_and_left", || {
        let home = prepared(&["@400000000000000000000002.s"]);
        home.make_dir("d/@400000000000000000000001.s");
        let mut logger = home.spawn(&["n2", "./d"]);
        wait_until("the directory", || home.mode("d/current") == 0o644);
        logger.write(b"new\n");
        logger.signal(Signal::SIGALRM);
        wait_until("the second oldest to go", || {
            !home.path("d/@400000000000000000000002.s").exists()
        });
        let warning = "multilog: warning: unable to remove ./d/@400000000000000000000001.s: \
                       is a directory\n";
        logger.end().check(0, warning);
        assert_eq!(home.archives("d").len(), 2);
    });
}

#[test]
fn only_names_behind_z_do_not_hang_a_rotation() {
    differs("only_names_behind_z_do_not_hang_a_rotation", || {
        let home = prepared(&["@~0000000000000000000000000", "@~0000000000000000000000001"]);
        let mut logger = home.spawn(&["n2", "./d"]);
        wait_until("the directory", || home.mode("d/current") == 0o644);
        logger.write(b"new\n");
        logger.signal(Signal::SIGALRM);
        wait_until("the new current", || home.archives("d").len() == 3);
        logger.write(b"more\n");
        wait_until("the line", || home.read("d/current").ends_with(b"more\n"));
        logger.close_stdin();
        wait_until("the end", || !logger.is_running());
    });
}

#[test]
fn names_never_go_backwards() {
    differs("names_never_go_backwards", || {
        let future = "@40000000ffffffff000000ff.s";
        let home = prepared(&["@400000000000000000000001.s", future]);
        let mut logger = home.spawn(&["n3", "./d"]);
        logger.write(b"new\n");
        wait_until("the line", || home.read("d/current") == b"old\nnew\n");
        logger.signal(Signal::SIGALRM);
        wait_until("the archive", || {
            home.archives("d").len() == 2 && home.archives("d")[0] == future
        });
        let warning = "multilog: warning: the clock stands behind the newest archive in ./d, \
                       naming the next one @40000000ffffffff00000100.s\n";
        logger.end().check(0, warning);
        assert_eq!(home.archives("d"), [future, "@40000000ffffffff00000100.s"]);
        assert_eq!(home.read("d/@40000000ffffffff00000100.s"), b"old\nnew\n");
    });
}

#[test]
fn a_label_that_no_clock_can_have_stops_no_rotation() {
    differs("a_label_that_no_clock_can_have_stops_no_rotation", || {
        for name in [
            "@7fffffffffffffff3b9ac9ff.s",
            "@7fffffffffffffff3b9ac9fe.s",
            "@4000000225c17d0f00000000.s",
        ] {
            let home = prepared(&["@400000000000000000000001.s", name]);
            let mut logger = home.spawn(&["n3", "./d"]);
            for line in ["1\n", "2\n", "3\n"] {
                logger.write(line);
                wait_until("the line", || home.read("d/current").ends_with(line.as_bytes()));
                logger.signal(Signal::SIGALRM);
                let is_named = || {
                    home.archives("d")
                        .iter()
                        .any(|archive| home.read(format!("d/{archive}")).ends_with(line.as_bytes()))
                };
                wait_until("the archive", is_named);
            }
            let warning = format!(
                "multilog: warning: no clock can have made the name ./d/{name}, later names ignore it\n"
            );
            logger.end().check(0, &warning);
            let archives = home.archives("d");
            assert_eq!(archives.len(), 2, "{archives:?}");
            assert_eq!(archives[1], name);
            assert_eq!(home.contents("d"), format!("3\n{name}").as_bytes());
        }
    });
}

#[test]
fn a_hard_link_made_by_a_backup_loses_nothing() {
    differs("a_hard_link_made_by_a_backup_loses_nothing", || {
        let home = prepared(&[]);
        fs::hard_link(home.path("d/current"), home.path("backup")).expect("a link");
        rotate_once_with_line(&home);
        assert_eq!(home.contents("d"), b"old\nnew\n");
    });
}

fn rotate_once_with_line(home: &Home) {
    let mut logger = home.spawn(&["./d"]);
    logger.write(b"new\n");
    wait_until("the line", || home.read("d/current").ends_with(b"new\n"));
    logger.signal(Signal::SIGALRM);
    wait_until("the rotation", || home.read("d/current").is_empty());
    logger.end().check(0, "");
}

#[test]
fn a_removed_current_does_not_stop_the_logger() {
    differs("a_removed_current_does_not_stop_the_logger", || {
        let home = Home::new();
        let mut logger = home.spawn(&["./d"]);
        logger.write(b"a\n");
        wait_until("the line", || home.read("d/current") == b"a\n");
        fs::remove_file(home.path("d/current")).expect("current");
        logger.signal(Signal::SIGALRM);
        wait_until("a new current", || home.path("d/current").exists());
        logger.write(b"b\n");
        let warning = "multilog: warning: somebody removed ./d/current, making a new one that begins with \
            the last 2 bytes written\n";
        logger.end().check(0, warning);
        assert_eq!(home.read("d/current"), b"a\nb\n");
    });
}

#[test]
fn a_previous_that_appears_is_kept() {
    differs("a_previous_that_appears_is_kept", || {
        let home = Home::new();
        let mut logger = home.spawn(&["./d"]);
        logger.write(b"a\n");
        wait_until("the line", || home.read("d/current") == b"a\n");
        home.write("d/previous", b"somebody's\n", 0o644);
        logger.signal(Signal::SIGALRM);
        logger.write(b"b\n");
        logger.end();
        assert_eq!(home.contents("d"), b"somebody's\na\nb\n");
    });
}

#[test]
fn every_file_and_name_is_synced_before_it_counts() {
    let Some(strace) = peer("strace") else { return };
    differs("every_file_and_name_is_synced_before_it_counts", || {
        let home = Home::new();
        let calls = "trace=fsync,linkat,link,unlink,unlinkat,rename,renameat,fchmod,chmod";
        let program = program();
        let script = [program.as_os_str(), "s4096".as_ref(), "./d".as_ref()];
        let options = ["-f", "-y", "-o", "trace", "-e", calls];
        let arguments = [&options.map(AsRef::as_ref)[..], &script].concat();
        home.run_of(&strace, &arguments, &numbers(1, 800)).check(0, "");
        let trace = String::from_utf8(home.read("trace")).expect("text");
        let steps: Vec<&str> = trace
            .lines()
            .filter_map(|line| line.split_once(' ').map(|(_, call)| call.trim_start()))
            .filter(|call| !call.starts_with("unlink") && !call.contains("= -1"))
            .collect();
        let position = |wanted: &dyn Fn(&str) -> bool| {
            steps.iter().position(|call| wanted(call)).unwrap_or_else(|| panic!("{trace}"))
        };
        let renamed = position(&|call| call.starts_with("rename"));
        let synced = position(&|call| call.starts_with("fsync") && call.contains("/d/previous"));
        let marked = position(&|call| call.starts_with("fchmod") && call.contains("0744"));
        let linked = position(&|call| call.starts_with("link"));
        let is_of_names = |call: &&str| call.starts_with("fsync") && call.contains("/d>");
        let names = linked + steps[linked..].iter().position(is_of_names).expect("a sync");
        let order = [renamed, synced, marked, linked, names];
        assert!(order.is_sorted(), "{trace}");
    });
}

#[test]
fn nothing_is_named_at_the_end() {
    let home = Home::new();
    let mut logger = home.spawn(&["!cat", "./d"]);
    logger.write(b"a\n");
    wait_until("the line", || home.read("d/current") == b"a\n");
    let inode = fs::metadata(home.path("d/current")).expect("current").ino();
    logger.end().check(0, "");
    assert_eq!(fs::metadata(home.path("d/current")).expect("current").ino(), inode);
    assert_eq!(home.archives("d").len(), 0);
}
