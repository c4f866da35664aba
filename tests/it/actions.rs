//! Every action and every setting has an example in the manual, and every example is run here as it
//! stands there, by a shell. What settings do in time and in trouble is shown where `example` is used.

use crate::manual::{blocks, examples, items};
use crate::support::{Home, Logger, is_original, numbers, wait_until};
use nix::sys::signal::Signal;
use script::presentation::{ALERT_MAX, Presentation, StatusSize};
use script::settings::{Overflow, RotateAfter, Settings};
use script::{Action, Script, StampFormat};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

const INPUT: &str = "a: ok\nx debug: y\ndebug: z\nx fatal: what comes then\n\x1b[2J\n";

/// What becomes of these lines. Stamps are shown as `<t> `, `<T> ` and so on.
struct Example {
    script: &'static str,
    stdout: &'static str,
    stderr: &'static str,
    files: &'static [(&'static str, &'static str)],
}

const fn to(script: &'static str, files: &'static [(&'static str, &'static str)]) -> Example {
    Example { script, stdout: "", stderr: "", files }
}

/// An example whose setting has its effect in time or in trouble: all lines are there.
const fn all(script: &'static str) -> Example {
    to(script, &[("main/current", INPUT)])
}

const fn all_stamped(script: &'static str) -> Example {
    const STAMPED: &str = "<t> a: ok\n<t> x debug: y\n<t> debug: z\n\
                           <t> x fatal: what comes then\n<t> \x1b[2J\n";
    to(script, &[("main/current", STAMPED)])
}

const FATAL: &str = "x fatal: what comes then\n";

const EXAMPLES: &[Example] = &[
    all_stamped("t ./main"),
    to(
        "T ./main",
        &[(
            "main/current",
            "<T> a: ok\n<T> x debug: y\n<T> debug: z\n<T> x fatal: what comes then\n<T> \x1b[2J\n",
        )],
    ),
    to(
        "Tutc ./main",
        &[(
            "main/current",
            "<Tutc> a: ok\n<Tutc> x debug: y\n<Tutc> debug: z\n<Tutc> x fatal: what comes then\n\
             <Tutc> \x1b[2J\n",
        )],
    ),
    to(
        "Tlocal ./main",
        &[(
            "main/current",
            "<Tlocal> a: ok\n<Tlocal> x debug: y\n<Tlocal> debug: z\n\
             <Tlocal> x fatal: what comes then\n<Tlocal> \x1b[2J\n",
        )],
    ),
    to(
        "'-* debug: *' ./main",
        &[("main/current", "a: ok\ndebug: z\nx fatal: what comes then\n\x1b[2J\n")],
    ),
    to("'-*' '+* fatal: *' ./alert", &[("alert/current", FATAL)]),
    to(
        "F '-*[Dd]ebug: *' ./main",
        &[("main/current", "a: ok\nx fatal: what comes then\n\x1b[2J\n")],
    ),
    to(
        "X '-^(debug|trace): ' ./main",
        &[("main/current", "a: ok\nx debug: y\nx fatal: what comes then\n\x1b[2J\n")],
    ),
    to(
        "X '-^debug: ' S '-*: ok' ./main",
        &[("main/current", "x debug: y\nx fatal: what comes then\n\x1b[2J\n")],
    ),
    to(
        "'-*' '+* fatal: *' ./fatal f ./rest",
        &[("fatal/current", FATAL), ("rest/current", "a: ok\nx debug: y\ndebug: z\n\x1b[2J\n")],
    ),
    Example { stderr: FATAL, ..all("./main '-*' '+* fatal: *' e") },
    Example {
        stderr: "a: ok\nx debug: y\ndebug: z\nx fatal: what comes ...\n\x1b[2J\n",
        ..all("E20 e ./main")
    },
    Example { stdout: INPUT, ..all("1 ./main") },
    to(
        "./main '-*' '+* fatal: *' =status",
        // 1001 bytes: the rest is newlines.
        &[("main/current", INPUT), ("status", concat!("x fatal: what comes then\n", "<976>"))],
    ),
    to("^30 =status ./main", &[("main/current", INPUT), ("status", concat!("\x1b[2J\n", "<25>"))]),
    Example {
        stdout: "<t> web: a: ok\n<t> web: x debug: y\n<t> web: debug: z\n\
                 <t> web: x fatal: what comes then\n<t> web: \x1b[2J\n",
        ..all_stamped("t pweb: 1 p ./main")
    },
    Example {
        stdout: "a: ok\nx debug: y\ndebug: z\nx fatal: what comes then\n\\x1b[2J\n",
        ..all("./main c 1")
    },
    all("s1000000 ./main"),
    all("n30 ./main"),
    all("'!gzip' ./main"),
    // Nobody has given it the descriptor.
    Example {
        stderr: "multilog: fatal: unable to use descriptor 3: file descriptor not open\n",
        ..to("t d3 ./main", &[])
    },
    to("./main ./copy", &[("main/current", INPUT), ("copy/current", INPUT)]),
    all("s64k n20 ./main"),
    all("s1m l100 ./main"),
    all("s1m n1000 S500m ./main"),
    all("k30d n1000 ./main"),
    // No reader has made its cursor yet.
    Example {
        stderr: "multilog: warning: unable to hold archives of ./main for cursor \
                 /var/lib/logship/cursor: file does not exist\n",
        ..all("h5g:/var/lib/logship/cursor n10 ./main")
    },
    all("R7d n52 ./main"),
    all("R@1d n366 ./main"),
    all("s32k n1000 N3 ./main"),
    all_stamped("t q16m ./main"),
    all_stamped("t r2000 q1m:drop ./main"),
    all_stamped("t y1 ./main"),
    all("r1000 '!gzip' ./main"),
    all("wgz '!gzip' ./main"),
    to("m ./web/main", &[("web/main/current", INPUT)]),
];

/// A home in which `multilog` is the one under test, `setuidgid` stays who it is and `less` shows all.
fn home_of_shell() -> Home {
    let home = Home::new();
    home.make_dir("bin");
    symlink(crate::support::program(), home.path("bin/multilog")).expect("a link");
    home.write("bin/setuidgid", "#!/bin/sh\nshift\nexec \"$@\"\n", 0o755);
    home.write("bin/less", "#!/bin/sh\nexec cat\n", 0o755);
    home
}

/// A shell that runs these words, in a directory of its own and at a time that is not universal.
fn shell(home: &Home, words: &str) -> Command {
    let mut command = home.command_of(Path::new("/bin/sh"), &["-c", words]);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", home.path("bin").display())).env("TZ", "XXX-5:45");
    command.stdout(File::create(home.path("stdout")).expect("a file"));
    command
}

fn text_of(home: &Home, name: &str) -> String {
    String::from_utf8(home.read(name)).expect("text")
}

/// Lines with their stamps as the actions that make them, and newlines at the end of a status file
/// counted.
fn named(text: &str) -> String {
    let name = |line: &str| match line.split_once(' ') {
        Some((stamp, rest)) => format!("{} {rest}", stamp_name(stamp).unwrap_or(stamp)),
        None => line.to_owned(),
    };
    let trimmed = text.trim_end_matches('\n');
    let padding_len = (text.len() - trimmed.len()).saturating_sub(1);
    let padding = if padding_len > 0 { format!("<{padding_len}>") } else { String::new() };
    let text = &text[..text.len() - padding_len];
    text.split_inclusive('\n').map(name).chain([padding]).collect()
}

fn stamp_name(stamp: &str) -> Option<&'static str> {
    let shape: String =
        stamp.chars().map(|char| if char.is_ascii_digit() { '9' } else { char }).collect();
    match shape.as_str() {
        "9999999999.999999" => Some("<T>"),
        "9999-99-99T99:99:99.999999999Z" => Some("<Tutc>"),
        "9999-99-99T99:99:99.999999999+99:99" if stamp.ends_with("+05:45") => Some("<Tlocal>"),
        _ => logdir::label::Label::parse(stamp.as_bytes())
            .filter(|_| stamp.len() == 25)
            .map(|_| "<t>"),
    }
}

fn check(example: &Example) {
    let home = home_of_shell();
    let command = shell(&home, &format!("multilog {}", example.script));
    let ended = home.start(command).feed_and_end(INPUT.as_bytes());
    let code = if example.files.is_empty() { 111 } else { 0 };
    assert_eq!(ended.status.code(), Some(code), "{}", example.script);
    let stderr = String::from_utf8(ended.stderr).expect("text");
    assert_eq!(named(&stderr), example.stderr, "{}", example.script);
    assert_eq!(named(&text_of(&home, "stdout")), example.stdout, "{}", example.script);
    for (file, expected) in example.files {
        assert_eq!(named(&text_of(&home, file)), *expected, "{file} of {}", example.script);
    }
}

#[test]
fn every_example_of_the_manual_does_what_it_says() {
    if is_original() {
        eprintln!("skipped: 0.76 has some of them only");
        return;
    }
    let in_manual: BTreeSet<String> = examples().into_iter().collect();
    let here: BTreeSet<String> = EXAMPLES.iter().map(|example| example.script.to_owned()).collect();
    assert_eq!(in_manual, here, "the manual has the examples that are run, and no other");
    EXAMPLES.iter().for_each(check);
}

/// Arguments as a shell takes them.
fn parsed(example: &str) -> Script {
    let words = Command::new("/bin/sh").args(["-c", &format!("printf '%s\\n' {example}")]).output();
    let words = String::from_utf8(words.expect("sh").stdout).expect("text");
    let arguments: Vec<OsString> = words.lines().map(OsString::from).collect();
    let (script, ignored) = script::parse(&arguments).expect("a good script");
    assert!(ignored.is_empty() && script.unused.is_empty(), "{example}");
    script
}

/// How the manual names an action. A new one does not compile without a line here.
fn tag_of_action(action: &Action) -> &'static str {
    match action {
        Action::Select(_) => "Cm + Ns Ar pattern",
        Action::Deselect(_) => "Cm - Ns Ar pattern",
        Action::SelectRest => "Cm f",
        Action::Alert { .. } => "Cm e",
        Action::Stdout { .. } => "Cm 1",
        Action::Status { .. } => "Cm = Ns Ar file",
        Action::Log { .. } => "Pa ./dir , Pa /dir",
    }
}

fn tag_of_stamp(stamp: StampFormat) -> &'static str {
    match stamp {
        StampFormat::Tai64n => "Cm t",
        StampFormat::Unix => "Cm T",
        StampFormat::Utc => "Cm Tutc",
        StampFormat::Local => "Cm Tlocal",
    }
}

/// The settings of a directory. A new one does not compile without a line here.
fn tags_of_settings(settings: &Settings) -> Vec<&'static str> {
    let Settings {
        size,
        number,
        processor,
        margin,
        pause,
        code,
        total_max,
        age_max,
        number_min,
        sync_after,
        rotate_after,
        queue,
        makes_parents,
        hold,
    } = settings;
    let rotation = rotate_after.map(|rotation| match rotation {
        RotateAfter::Age(_) => "Cm R Ns Ar age",
        RotateAfter::Aligned(_) => "Cm R@ Ns Ar age",
    });
    let queue = queue.map(|(_, overflow)| match overflow {
        Overflow::HoldBack => "Cm q Ns Ar size",
        Overflow::Drop => "Cm q Ns Ar size Ns Cm :drop",
    });
    let set = [
        (size.is_some(), "Cm s Ns Ar size"),
        (number.is_some(), "Cm n Ns Ar number"),
        (processor.is_some(), "Cm \\&! Ns Ar processor"),
        (margin.is_some(), "Cm l Ns Ar size"),
        (pause.is_some(), "Cm r Ns Ar millis"),
        (code.is_some(), "Cm w Ns Ar code"),
        (total_max.is_some(), "Cm S Ns Ar total"),
        (age_max.is_some(), "Cm k Ns Ar age"),
        (number_min.is_some(), "Cm N Ns Ar number"),
        (sync_after.is_some(), "Cm y Ns Ar seconds"),
        (*makes_parents, "Cm m"),
        (hold.is_some(), "Cm h Ns Ar size Ns Cm \\&: Ns Ar cursor"),
    ];
    let set = set.into_iter().filter(|(is_set, _)| *is_set).map(|(_, tag)| tag);
    set.chain(rotation).chain(queue).collect()
}

/// How a sink shows lines. A new way does not compile without a line here.
fn tags_of_presentation(presentation: &Presentation) -> Vec<&'static str> {
    let Presentation { prefix, is_escaped } = presentation;
    let set = [(!prefix.is_empty(), "Cm p Ns Ar text"), (*is_escaped, "Cm c")];
    set.into_iter().filter(|(is_set, _)| *is_set).map(|(_, tag)| tag).collect()
}

/// What an action uses, as the manual names it.
fn tags_of_action(action: &Action) -> Vec<&'static str> {
    let mut tags = vec![tag_of_action(action)];
    tags.extend(action.presentation().into_iter().flat_map(tags_of_presentation));
    match action {
        Action::Alert { len_max, .. } if *len_max != ALERT_MAX => tags.push("Cm E Ns Ar size"),
        Action::Status { size, .. } if *size != StatusSize::Original => {
            tags.push("Cm ^ Ns Ar size");
        }
        Action::Log { settings, .. } => tags.extend(tags_of_settings(settings)),
        Action::Select(_)
        | Action::Deselect(_)
        | Action::SelectRest
        | Action::Alert { .. }
        | Action::Stdout { .. }
        | Action::Status { .. } => {}
    }
    tags
}

/// What a script uses, as the manual names it.
fn tags_of(script: &Script) -> BTreeSet<&'static str> {
    let Script { stamp, actions, ready_fd, unused: _, doubtful: _ } = script;
    let mut tags: BTreeSet<&str> = actions.iter().flat_map(tags_of_action).collect();
    tags.extend(stamp.map(tag_of_stamp));
    tags.extend(ready_fd.map(|_| "Cm d Ns Ar fd"));
    tags
}

#[test]
fn every_action_and_setting_has_an_item_and_an_example_in_the_manual() {
    if is_original() {
        return;
    }
    // What a pattern is written in is seen in its text only.
    let languages = ["Cm F", "Cm X", "Cm S"];
    let mut shown: BTreeSet<&str> = languages.into();
    for item in items() {
        let example = item.example.unwrap_or_else(|| panic!("{} has no example", item.tag));
        let tags = tags_of(&parsed(&example));
        let letter = item.tag.strip_prefix("Cm ").unwrap_or_default();
        let is_language = languages.contains(&item.tag);
        let is_used = tags.contains(item.tag)
            || is_language && example.split(' ').any(|word| word == letter)
            || item.tag == "Pa ./dir , Pa /dir";
        assert!(is_used, "{} is not in its example {example}: {tags:?}", item.tag);
        shown.extend(tags);
    }
    let tags: BTreeSet<&str> = items().iter().map(|item| item.tag).collect();
    assert_eq!(shown, tags, "what scripts can do, and what the manual has");
}

/// Starts what a block of the manual says.
fn start_block(home: &Home, start: &str) -> Logger {
    let blocks = blocks();
    let block = blocks.iter().find(|block| block.contains(start)).expect("a block of the manual");
    home.start(shell(home, block))
}

/// Runs it on lines and returns what it writes to stdout.
fn run_block(home: &Home, start: &str, input: &str) -> String {
    start_block(home, start).feed_and_end(input.as_bytes()).check(0, "");
    named(&text_of(home, "stdout"))
}

/// What each block begins with; every one has a test below.
const BLOCKS: [&str; 8] = [
    "#!/bin/sh\nexec setuidgid log multilog t s1000000",
    "exec setuidgid qmaill multilog t ./main",
    "exec multilog Tutc pweb: 1 c",
    "exec multilog t X '-.*'",
    "multilog --explain t ./main",
    "exec multilog t s1m n500",
    "exec multilog t s1g R@1d",
    "exec multilog t s10000000 '!gzip'",
];

#[test]
fn every_block_of_the_manual_is_run() {
    let blocks = blocks();
    assert_eq!(blocks.len(), BLOCKS.len());
    for (block, start) in blocks.iter().zip(BLOCKS) {
        assert!(block.starts_with(start), "{block}");
    }
}

#[test]
fn the_block_of_most_services_keeps_ten_files_of_a_megabyte() {
    let home = home_of_shell();
    let input = numbers(1_000_000, 2_600_000);
    start_block(&home, BLOCKS[0]).feed_and_end(&input).check(0, "");
    let sizes = crate::settings::sizes(&home, "main");
    assert_eq!(sizes.len(), 9);
    assert!(sizes.iter().all(|size| (998_000..=1_000_000).contains(size)), "{sizes:?}");
    let logged = home.contents("main");
    let kept = crate::support::unstamped(&logged);
    // Each line is 8 bytes and a stamp of 26.
    assert!(input.ends_with(&kept) && logged.len() == kept.len() / 8 * 34);
}

#[test]
fn the_block_of_a_mail_server_tells_routine_from_trouble() {
    let home = home_of_shell();
    let input = "new msg 1\ninfo msg 1: x\nstatus: local 1/10\ndelivery 1: failure: x\nend msg 1\n";
    assert_eq!(run_block(&home, BLOCKS[1], input), "");
    let main: String = input.lines().map(|line| format!("<t> {line}\n")).collect();
    assert_eq!(named(&text_of(&home, "main/current")), main);
    let alert = "<t> status: local 1/10\n<t> delivery 1: failure: x\n";
    assert_eq!(named(&text_of(&home, "alert/current")), alert);
    let status = named(&text_of(&home, "status"));
    assert!(status.starts_with("<t> status: local 1/10\n<"), "{status}");
}

#[test]
fn the_block_of_a_container_shows_what_it_keeps() {
    if is_original() {
        return;
    }
    let home = home_of_shell();
    let shown = "<Tutc> web: a\n<Tutc> web: \\x1b[2J\n";
    assert_eq!(run_block(&home, BLOCKS[2], "a\n\x1b[2J\n"), "<Tutc> web: a\n<Tutc> web: \x1b[2J\n");
    assert_eq!(named(&text_of(&home, "main/current")), shown);
}

#[test]
fn the_block_of_slow_and_failed_requests_parts_them() {
    if is_original() {
        return;
    }
    let home = home_of_shell();
    run_block(&home, BLOCKS[3], "1 200 took 20ms\n2 200 took 3s\n3 500 took 1ms\n4 304 took 9s\n");
    let file = |name: &str| named(&text_of(&home, &format!("{name}/current")));
    assert_eq!(file("slow"), "<t> 2 200 took 3s\n<t> 4 304 took 9s\n");
    assert_eq!(file("failed"), "<t> 3 500 took 1ms\n");
    assert_eq!(file("rest"), "<t> 1 200 took 20ms\n");
}

#[test]
fn the_block_of_explain_shows_what_becomes_of_lines() {
    if is_original() {
        return;
    }
    let home = home_of_shell();
    home.write("yesterday", "new msg 1\nend\n", 0o644);
    let told = run_block(&home, BLOCKS[4], "");
    let fates = "line: new msg 1\n  ./main takes it: no pattern before it matches\n  \
                 ./alert does not: -* new msg * decides\n\
                 line: end\n  ./main takes it: no pattern before it matches\n  \
                 ./alert takes it: no pattern before it matches\n";
    assert!(told.ends_with(fates), "{told}");
    assert!(!home.path("main").exists());
}

#[test]
fn the_blocks_of_full_disks_and_of_days_take_lines() {
    if is_original() {
        return;
    }
    for start in [BLOCKS[5], BLOCKS[6]] {
        let home = home_of_shell();
        assert_eq!(run_block(&home, start, "a\nb\n"), "");
        assert_eq!(named(&text_of(&home, "main/current")), "<t> a\n<t> b\n");
    }
}

#[test]
fn the_block_of_compressed_files_makes_files_that_gzip_reads() {
    let home = home_of_shell();
    let mut logger = start_block(&home, BLOCKS[7]);
    logger.write(b"a\nb\n");
    wait_until("the lines", || home.read("main/current").ends_with(b" b\n"));
    logger.signal_and_wait(Signal::SIGALRM);
    logger.write(b"c\n");
    wait_until("the file", || home.archives("main").len() == 1);
    logger.end().check(0, "");
    let archive = home.path("main").join(&home.archives("main")[0]);
    let file = File::open(archive).expect("the archive");
    let read = Command::new("gzip").arg("-dc").stdin(Stdio::from(file)).output().expect("gzip");
    assert_eq!(named(&String::from_utf8(read.stdout).expect("text")), "<t> a\n<t> b\n");
}
