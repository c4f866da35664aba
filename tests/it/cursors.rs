//! Going on behind a line: `--after` with the cursor of its JSON object, and `--cursor` with `-n`.

use crate::filters::Ended;
use crate::peers::peer;
use crate::show::{archive, directories, put, show, stamped, write_directories};
use crate::support::{Home, numbers};
use std::fs;
use std::path::Path;

/// The texts of JSON objects and their cursors.
fn objects(ended: &Ended) -> Vec<(String, String)> {
    let object = |line: &str| {
        let object: serde_json::Value = serde_json::from_str(line).expect("an object");
        let text = |key: &str| object[key].as_str().expect("a text").to_owned();
        (text("text"), text("cursor"))
    };
    String::from_utf8_lossy(&ended.stdout).lines().map(object).collect()
}

fn texts(ended: &Ended) -> Vec<String> {
    objects(ended).into_iter().map(|(text, _)| text).collect()
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 30, failure_persistence: None, ..Default::default() })]

    #[test]
    fn behind_any_line_comes_the_next_one(
        directories in directories(), pos in proptest::prelude::any::<proptest::sample::Index>(),
        count in 0..5_usize,
    ) {
        let home = Home::in_memory();
        write_directories(&home, &directories);
        let names: Vec<String> = (0..directories.len()).map(|number| format!("d{number}")).collect();
        let shown = |options: &[&str]| {
            let names = names.iter().map(String::as_str);
            let arguments: Vec<&str> = options.iter().copied().chain(names).collect();
            objects(&show(&home, &arguments))
        };
        let all = shown(&["--json=cursor"]);
        if !all.is_empty() {
            let pos = pos.index(all.len());
            let (behind, cursor) = (&all[pos + 1..], all[pos].1.as_str());
            proptest::prop_assert_eq!(&shown(&["--json=cursor", "--after", cursor]), behind);
            let count_text = count.to_string();
            let last = &behind[behind.len().saturating_sub(count)..];
            proptest::prop_assert_eq!(&shown(&["--json=cursor", "--after", cursor, "-n", &count_text]), last);
            // A cursor of the last lines leaves out what they left out.
            let last = shown(&["--json=cursor", "-n", &(count + 1).to_string()]);
            let texts = |objects: &[(String, String)]| {
                objects.iter().map(|(text, _)| text.clone()).collect::<Vec<_>>()
            };
            proptest::prop_assert_eq!(texts(&last), texts(&all[all.len() - last.len()..]));
            let behind = shown(&["--json=cursor", "--after", &last[0].1]);
            proptest::prop_assert_eq!(texts(&behind), texts(&last[1..]));
        }
    }
}

#[test]
fn rotations_between_two_runs_lose_and_double_nothing() {
    let mut random = crate::random::Random::new(6);
    for processor in ["", "!gzip -1"] {
        let home = Home::new();
        let mut fed = [0_u64; 3];
        let mut cursor: Option<String> = None;
        let mut delivered = Vec::new();
        for round in 0..12 {
            for (service, fed) in fed.iter_mut().enumerate() {
                // Up to five files, and now and then nothing.
                let count = random.below(5) as u64 * random.below(150) as u64;
                let lines: String =
                    (*fed..*fed + count).map(|n| format!("{service} {n}\n")).collect();
                let dir = format!("./d{service}");
                let arguments = ["t", "s4096", "n1000", processor, &dir];
                let arguments: Vec<&str> =
                    arguments.into_iter().filter(|a| !a.is_empty()).collect();
                home.run(&arguments, lines.as_bytes()).check(0, "");
                *fed += count;
            }
            let after = cursor.as_deref().map_or(vec![], |cursor| vec!["--after", cursor]);
            let ended =
                show(&home, &[&["--json=cursor"], &after[..], &["d0", "d1", "d2"]].concat());
            assert_eq!(ended.stderr, "");
            let mut objects = objects(&ended);
            // A script that was interrupted has seen a part of them only.
            if round < 11 && !objects.is_empty() {
                objects.truncate(1 + random.below(objects.len()));
            }
            cursor = objects.last().map(|(_, cursor)| cursor.clone()).or(cursor);
            delivered.extend(objects.into_iter().map(|(text, _)| text));
        }
        for (service, count) in fed.iter().enumerate() {
            let prefix = format!("{service} ");
            let of_service: Vec<&str> =
                delivered.iter().filter_map(|text| text.strip_prefix(&prefix)).collect();
            let expected: Vec<String> = (0..*count).map(|number| number.to_string()).collect();
            assert_eq!(of_service, expected, "{processor}");
        }
    }
}

#[test]
fn a_line_that_comes_late_is_not_taken_for_an_earlier_one() {
    let home = Home::new();
    put(&home, "a", "current", &stamped(1, 5));
    put(&home, "b", "current", &stamped(1, 2));
    let (_, cursor) = objects(&show(&home, &["--json=cursor", "a", "b"])).pop().expect("a line");
    put(&home, "b", "current", &stamped(1, 3));
    assert_eq!(texts(&show(&home, &["--json=cursor", "--after", &cursor, "a", "b"])), ["3"]);
    // A directory that is new to the cursor begins with its first line.
    put(&home, "c", "current", &stamped(1, 1));
    assert_eq!(
        texts(&show(&home, &["--json=cursor", "--after", &cursor, "a", "b", "c"])),
        ["1", "3"]
    );
}

#[test]
fn a_cursor_leaves_out_what_the_range_or_the_count_left_out() {
    let home = Home::new();
    for dir in ["a", "b"] {
        home.run(&["t", "s4096", "n100", "!gzip -1", &format!("./{dir}")], &numbers(1, 500))
            .check(0, "");
    }
    let last_cursor = |options: &[&str]| {
        let arguments = [&["--json=cursor"], options, &["a", "b"]].concat();
        objects(&show(&home, &arguments)).pop().expect("a line").1
    };
    let cursors = [last_cursor(&["-n", "1"]), last_cursor(&["--since", "-1h"])];
    // None of the files that the cursors are of is left.
    for dir in ["a", "b"] {
        home.run(&["t", "s4096", "n100", "!gzip -1", &format!("./{dir}")], &numbers(501, 900))
            .check(0, "");
    }
    for cursor in cursors {
        let ended =
            show(&home, &["--json=cursor", "--after", &cursor, "--grep", "^[0-9]*$", "a", "b"]);
        assert_eq!(ended.stderr, "");
        let expected: Vec<String> = (501..=900).map(|number| number.to_string()).collect();
        let shown = texts(&ended);
        assert_eq!(shown.len(), 800);
        assert_eq!(shown[..400], expected);
        assert_eq!(shown[400..], expected);
    }
}

#[test]
fn a_place_that_is_gone_is_told_and_gone_on_behind() {
    let home = Home::new();
    for file in 0..4 {
        let (first, last) = (file * 10 + 1, file * 10 + 10);
        put(&home, "main", &archive(last, 's'), &stamped(first, last));
    }
    put(&home, "main", "current", &stamped(41, 45));
    let all = objects(&show(&home, &["--json=cursor", "main"]));
    for file in [10, 20] {
        fs::remove_file(home.path("main").join(archive(file, 's'))).expect("a file");
    }
    let ended = show(&home, &["--json=cursor", "--utc", "--after", &all[4].1, "main"]);
    assert_eq!(ended.status.code(), Some(2));
    assert_eq!(texts(&ended), texts_of(21, 45));
    let told = "lines from between 2023-11-14 22:13:25.000000005 and 2023-11-14 22:13:41.000000021 may be missing";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    // Nor is what was not shown at all missed in silence.
    for number in [31, 32] {
        put(&home, "other", &archive(number, 's'), &stamped(number, number));
    }
    let (_, first) = &objects(&show(&home, &["--json=cursor", "main", "other"]))[0];
    fs::remove_file(home.path("other").join(archive(31, 's'))).expect("a file");
    let ended = show(&home, &["--json=cursor", "--utc", "--after", first, "main", "other"]);
    assert_eq!((ended.status.code(), texts(&ended).len()), (Some(2), 25));
    let told =
        "other: lines from between the beginning and 2023-11-14 22:13:52.000000032 may be missing";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    // Compressed from outside is not gone.
    let Some(gzip) = peer("gzip") else { return };
    let path = home.path("main").join(archive(30, 's'));
    let packed = std::process::Command::new(gzip).arg(&path).status().expect("gzip starts");
    assert!(packed.success());
    let ended = show(&home, &["--json=cursor", "--after", &all[24].1, "main"]);
    assert_eq!(ended.stderr, "");
    assert_eq!(texts(&ended), texts_of(26, 45));
}

fn texts_of(first: u64, last: u64) -> Vec<String> {
    (first..=last).map(|number| number.to_string()).collect()
}

#[test]
fn an_unfinished_line_comes_again_when_it_is_whole() {
    let home = Home::new();
    put(&home, "main", "current", &format!("{}begin", stamped(1, 1)));
    let all = objects(&show(&home, &["--json=cursor", "main"]));
    let cursor = all[1].1.as_str();
    assert_eq!((all[1].0.as_str(), cursor), ("begin", all[0].1.as_str()));
    assert!(texts(&show(&home, &["--json=cursor", "--after", cursor, "main"])).is_empty());
    put(&home, "main", "current", &format!("{}begin and end\n", stamped(1, 1)));
    assert_eq!(
        texts(&show(&home, &["--json=cursor", "--after", cursor, "main"])),
        ["begin and end"]
    );
}

#[test]
fn what_is_no_cursor_is_refused() {
    let home = Home::new();
    put(&home, "a", "current", &stamped(1, 2));
    put(&home, "b", "current", &stamped(1, 2));
    let (_, cursor) = objects(&show(&home, &["--json=cursor", "a"])).pop().expect("a line");
    let told = |after: &str, dir: &str| {
        let ended = show(&home, &["--after", after, dir]);
        assert_eq!((ended.status.code(), ended.stdout), (Some(2), Vec::new()));
        ended.stderr
    };
    let cut = &cursor[..cursor.len() - 1];
    for bad in ["", "x", "1-00000000-", cut, &format!("{cursor}0"), &cursor.replacen("1-", "2-", 1)]
    {
        let expected = format!("logdir: fatal: unable to understand the cursor {bad}\n");
        assert_eq!(told(bad, "a"), expected);
    }
    let other =
        "logdir: fatal: unable to go on after the cursor: it is that of other directories\n";
    assert_eq!(told(&cursor, "b"), other);
    let told = |one: &str, other: &str| {
        format!(
            "logdir: fatal: {one} does not go with {other}; logdir show --help lists the options\n"
        )
    };
    let together = show(&home, &["--after", &cursor, "--cursor", "file", "a"]);
    together.check(2, "", &told("--after", "--cursor"));
    let backward = show(&home, &["--after", &cursor, "-r", "a"]);
    backward.check(2, "", &told("--after", "-r"));
}

#[test]
fn the_last_lines_are_those_of_what_a_cursor_has_not_seen() {
    let home = Home::new();
    let write = |last: u64| put(&home, "main", "current", &stamped(1, last));
    let show = |options: &[&str]| {
        let arguments = [&["--cursor", "cursor", "--format", "raw"], options, &["main"]].concat();
        let ended = show(&home, &arguments);
        assert_eq!(ended.stderr, "");
        String::from_utf8(ended.stdout).expect("text")
    };
    write(10);
    assert_eq!(show(&["-n", "0"]), "");
    assert_eq!(show(&[]), "");
    write(20);
    assert_eq!(show(&["-n", "3"]), stamped(18, 20));
    assert_eq!(show(&["-n", "3"]), "");
    write(30);
    assert_eq!(show(&["-n", "30"]), stamped(21, 30));
    write(40);
    assert_eq!(show(&["-n", "1", "--grep", "^3[135]"]), stamped(35, 35));
    fs::remove_file(home.path("cursor")).expect("a cursor");
    assert_eq!(show(&["-n", "2"]), stamped(39, 40));
    assert_eq!(show(&[]), "");
    assert!(!Path::new(&home.path("main/cursor")).exists());
}
