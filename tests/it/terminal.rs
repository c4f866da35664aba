//! `logdir show` on a terminal: the pager, what tells of progress, INT.

use crate::kinds::labelled;
use crate::peers::peer;
use crate::show::{LOGDIR, put, stamped};
use crate::support::{Home, wait_until};
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

/// Commands of a shell that run in a terminal.
struct Terminal {
    script: Child,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// None where there is no program to make one.
    fn start(home: &Home, commands: &str) -> Option<Terminal> {
        let mut command = Command::new(peer("script")?);
        let commands = format!("stty -opost rows 5 cols 60; {commands}");
        command.args(["-qec", &commands, "/dev/null"]).current_dir(home.path(""));
        command.env("TZ", "UTC0").env("LOGDIR", LOGDIR).env("TERM", "xterm");
        for variable in ["PAGER", "LOGDIR_PAGER", "LESS", "NO_COLOR", "COLUMNS"] {
            command.env_remove(variable);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut script = command.spawn().expect("script starts");
        let mut stdout = script.stdout.take().expect("a pipe");
        let shown = Arc::new(Mutex::new(Vec::new()));
        let collected = Arc::clone(&shown);
        thread::spawn(move || {
            let mut block = [0; 4096];
            while let Ok(len @ 1..) = stdout.read(&mut block) {
                collected.lock().expect("the terminal").extend_from_slice(&block[..len]);
            }
        });
        Some(Terminal { script, shown })
    }

    /// What was shown until now.
    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().expect("the terminal")).into_owned()
    }

    fn type_in(&mut self, keys: &[u8]) {
        // It may have ended, which is what some keys are for.
        let _ = self.script.stdin.as_mut().expect("a pipe").write_all(keys);
    }

    #[track_caller]
    fn wait_for(&self, text: &str) {
        wait_until(text, || self.shown().contains(text));
    }

    fn has_ended(&mut self) -> bool {
        self.script.try_wait().expect("a child").is_some()
    }

    /// Types something until the commands have ended; now and then only, since the terminal holds what
    /// nobody reads.
    #[track_caller]
    fn end_with(&mut self, keys: &[u8]) {
        const LOOKS_EACH: usize = 250;
        let mut looks = 0;
        wait_until("the end", || {
            if looks % LOOKS_EACH == 0 {
                self.type_in(keys);
            }
            looks += 1;
            self.has_ended()
        });
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

/// What commands show in a terminal, the last of which is `echo end`.
#[track_caller]
fn shown(home: &Home, commands: &str) -> Option<String> {
    let terminal = Terminal::start(home, &format!("{commands}; echo end $?"))?;
    let has_ended = |shown: &str| {
        shown.ends_with('\n') && shown.lines().last().is_some_and(|line| line.starts_with("end "))
    };
    wait_until("the end", || has_ended(&terminal.shown()));
    Some(terminal.shown())
}

/// A directory `main` with so many lines, and a pager that keeps what it gets in `paged`.
fn prepared(line_count: u64) -> Home {
    let home = Home::new();
    put(&home, "main", "current", &stamped(1, line_count));
    home.write("pager", "#!/bin/sh\necho \"less=$LESS $*\" >run\ncat >paged\n", 0o755);
    home
}

/// The lines in universal time, as a terminal gets them.
fn lines(first: u64, last: u64) -> String {
    let mut lines = String::new();
    for number in first..=last {
        let _ = writeln!(lines, "2023-11-14 22:13:{:02}.000 {number}", 20 + number);
    }
    lines
}

#[test]
fn what_does_not_fit_the_screen_goes_to_the_pager() {
    for (options, count, is_paged) in [
        ("", 4, false),
        ("", 5, true),
        ("--no-pager", 5, false),
        ("--cursor cursor", 5, false),
        ("--until now -f", 5, false),
        ("-n 4", 9, false),
        ("-n 5", 9, true),
        ("-r", 9, true),
        ("--json", 5, true),
    ] {
        let home = prepared(count);
        let Some(shown) = shown(&home, &format!("PAGER='./pager a b' $LOGDIR show {options} main"))
        else {
            return;
        };
        assert!(shown.ends_with("end 0\n"), "{options}: {shown}");
        let paged = String::from_utf8(home.read("paged")).expect("text");
        assert_eq!(!paged.is_empty(), is_paged, "{options} {count}: {shown}{paged}");
        assert_eq!(shown == "end 0\n", is_paged, "{options} {count}: {shown}");
        if is_paged {
            assert_eq!(home.read("run"), b"less=FRX a b\n");
        }
        if options.is_empty() {
            let text = if is_paged { paged } else { shown.replace("end 0\n", "") };
            assert_eq!(text, lines(1, count));
        }
    }
}

#[test]
fn the_environment_chooses_the_pager_or_none() {
    let Some(_) = peer("script") else { return };
    for (variables, is_paged) in [
        ("PAGER=", false),
        ("PAGER=cat", false),
        ("PAGER=/nowhere LOGDIR_PAGER=./pager", true),
        ("PAGER=./pager LOGDIR_PAGER=", false),
        // Without less there is none, nor where a terminal can do nothing.
        ("PATH=/nowhere", false),
        ("PAGER=./pager TERM=dumb", false),
        ("PAGER=./pager TERM=", false),
    ] {
        let home = prepared(6);
        let shown = shown(&home, &format!("{variables} $LOGDIR show main")).expect("a terminal");
        let all = lines(1, 6);
        let (on_terminal, paged) = if is_paged { ("", all.as_str()) } else { (all.as_str(), "") };
        assert_eq!(shown, format!("{on_terminal}end 0\n"), "{variables}");
        assert_eq!(home.read("paged"), paged.as_bytes(), "{variables}");
    }
    let home = prepared(6);
    let missing = shown(&home, "PAGER=./missing $LOGDIR show main").expect("a terminal");
    let told = "logdir: warning: unable to run pager ./missing: file does not exist\n";
    assert_eq!(missing, format!("{told}{}end 0\n", lines(1, 6)));
    shown(&home, "export LESS=-i PAGER=./pager; $LOGDIR show main").expect("a terminal");
    assert_eq!(home.read("run"), b"less=-R -i \n");
    let piped =
        shown(&home, "PAGER=./missing $LOGDIR show --format short main | cat").expect("a terminal");
    assert_eq!(piped, format!("{}end 0\n", lines(1, 6)));
}

#[test]
fn a_pager_gets_colours_and_escapes_and_messages_come_after_it() {
    let home = prepared(0);
    put(&home, "main", "current", &(stamped(1, 1) + "\x1b[2J\x07\n"));
    put(&home, "other", "current", &stamped(2, 6));
    put(&home, "other", &archive_of_torn(), "cut");
    let commands = "PAGER=./pager $LOGDIR show --grep . main other";
    let Some(shown) = shown(&home, commands) else { return };
    let told = "logdir: warning: other: the line at byte 0 of ";
    assert!(shown.starts_with(told) && shown.lines().count() == 2, "{shown}");
    let paged = String::from_utf8(home.read("paged")).expect("text");
    assert_eq!(paged.lines().count(), 8, "{paged:?}");
    assert!(paged.contains("\x1b[1;38;5;160m\\x1b\x1b[0m[2J\\x07\n"), "{paged:?}");
    assert!(!paged.contains('\x07') && !paged.contains("\x1b[2J"), "{paged:?}");
}

/// The name of an archive whose writer was interrupted.
fn archive_of_torn() -> String {
    crate::show::archive(1, 'u')
}

#[test]
fn a_pager_that_is_left_early_is_no_trouble() {
    let home = prepared(200_000);
    home.write("pager", "#!/bin/sh\nhead -n 1 >paged\n", 0o755);
    for (options, code) in [("", 0), ("--grep 7", 0), ("-r", 0)] {
        let commands = format!("PAGER=./pager $LOGDIR show {options} main");
        let Some(shown) = shown(&home, &commands) else { return };
        assert_eq!(shown, format!("end {code}\n"), "{options}");
        assert_eq!(home.read("paged").iter().filter(|&&byte| byte == b'\n').count(), 1);
    }
}

#[test]
fn int_is_for_the_pager_and_leaves_the_terminal_as_it_was() {
    let home = prepared(200_000);
    let (Some(_), Some(_)) = (peer("script"), peer("less")) else { return };
    // The shell gets INT as well, and would be gone.
    let commands =
        "trap : INT; stty -a >before; $LOGDIR show main; echo $? >code; stty -a >after; echo end";
    let mut terminal = Terminal::start(&home, commands).expect("a terminal");
    terminal.wait_for(".000 3");
    terminal.type_in(b"\x03");
    terminal.end_with(b"q");
    terminal.wait_for("end\n");
    assert_eq!(home.read("code"), b"0\n");
    assert_eq!(home.read("before"), home.read("after"));
}

/// A directory that takes seconds to be searched, because each read waits, however fast the machine is;
/// and the command that does.
fn slow(home: &Home, delay_micros: u32) -> Option<String> {
    let strace = peer("strace")?;
    put(home, "main", "current", &stamped(1, 10_000));
    let strace = strace.display();
    let delay = format!("-e trace=pread64 -e inject=pread64:delay_enter={delay_micros}");
    Some(format!("{strace} -qq -o /dev/null {delay} $LOGDIR show main"))
}

#[test]
fn a_long_search_tells_how_far_it_is_until_something_is_found() {
    let home = Home::new();
    // Five blocks forward, forty backward.
    let (Some(_), Some(forward)) = (peer("script"), slow(&home, 500_000)) else { return };
    let backward = slow(&home, 60_000).expect("a peer");
    for (slow, options) in [(&forward, "--grep '^999[01]$'"), (&backward, "-r --grep '^[12]$'")] {
        let shown = shown(&home, &format!("NO_COLOR=1 {slow} {options}")).expect("a terminal");
        let (searching, found) = shown.rsplit_once('\r').expect("a line that was taken away");
        assert!(searching.starts_with("\rsearching: "), "{shown:?}");
        assert!(searching.contains("K of ") && searching.contains("; 0 lines found"), "{shown:?}");
        assert!(searching.ends_with("  "), "it is taken away: {shown:?}");
        assert!(found.starts_with("2023-") && found.ends_with("end 0\n"), "{shown:?}");
        assert_eq!(found.lines().count(), 3, "{shown:?}");
    }
    for behind in ["| cat", "2>/dev/null", "-f --until now -n 1"] {
        let commands = format!("{forward} --grep '^9990$' {behind}");
        let shown = shown(&home, &commands).expect("a terminal");
        assert!(shown.starts_with("2023-") && !shown.contains('\r'), "{shown:?}");
    }
}

#[test]
fn int_shows_what_was_found_so_far() {
    let home = Home::new();
    let (Some(_), Some(slow)) = (peer("script"), slow(&home, 800_000)) else { return };
    let commands = format!("trap : INT; NO_COLOR=1 {slow} --grep '^1$'; echo end $?");
    let mut terminal = Terminal::start(&home, &commands).expect("a terminal");
    terminal.wait_for("1 line found");
    assert!(!terminal.shown().contains("2023-"));
    terminal.type_in(b"\x03");
    terminal.wait_for("end 130\n");
    let shown = terminal.shown();
    assert!(shown.contains(&format!("\n{}", lines(1, 1))), "{shown:?}");
}

/// A tmux server of its own, which ends with the test.
struct Tmux(std::path::PathBuf, String);

impl Tmux {
    fn run(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(&self.0);
        command
            .args(["-L", &self.1, "-f", "/dev/null"])
            .args(arguments)
            .env("TERM", "xterm-256color");
        for variable in ["TMUX", "LESS", "PAGER", "LOGDIR_PAGER", "NO_COLOR", "COLUMNS"] {
            command.env_remove(variable);
        }
        let output = command.output().expect("tmux runs");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = Command::new(&self.0).args(["-L", &self.1, "kill-server"]).status();
    }
}

#[test]
fn in_tmux_only_names_and_matches_have_a_color_and_every_line_is_whole() {
    let Some(tmux) = peer("tmux") else { return };
    let home = Home::new();
    for (name, text) in [("web", "GET /a 200"), ("smtpd", "451 temporary failure")] {
        put(&home, name, "current", &format!("@400000006553f10a00000000 {text}\n"));
    }
    for (width, height) in [("80", "24"), ("120", "40")] {
        let tmux = Tmux(tmux.clone(), format!("logdir-{}-{width}", std::process::id()));
        let home = home.path("").display().to_string();
        let script = format!(
            "cd {home}; {LOGDIR} show -z -g '[0-9]{{3}}' web smtpd; {LOGDIR} status web smtpd; sleep 60"
        );
        tmux.run(&["new-session", "-d", "-x", width, "-y", height, &script]);
        let shown = || tmux.run(&["capture-pane", "-p", "-e"]);
        wait_until("the screen", || shown().contains("KEEPS"));
        let shown = shown();
        for (name, text) in [("web", "GET /a "), ("smtpd", "")] {
            let line =
                shown.lines().find(|line| line.contains(&format!("{name}:"))).expect("a line");
            // The time and the text have the colour of the terminal.
            assert!(line.contains("2023-11-14 22:13:20.000 \x1b[38;5;"), "{line:?}");
            assert!(
                line.contains(&format!("m{name}:\x1b[39m {text}\x1b[1m\x1b[38;5;160m")),
                "{line:?}"
            );
        }
        let colours = shown.split("\x1b[").skip(1).map(|rest| rest.split('m').next().unwrap_or(""));
        for colour in colours {
            let is_known = ["0", "1", "39", "49"].contains(&colour) || colour.starts_with("38;5;");
            assert!(is_known, "{colour:?}: {shown:?}");
        }
        let width: usize = width.parse().expect("a width");
        let table = shown.lines().find(|line| line.starts_with("NAME")).expect("a table");
        assert!(table.len() <= width && table.ends_with("KEEPS"), "{table:?}");
    }
}

#[test]
fn the_most_frequent_kinds_fill_the_screen_and_all_are_printed_at_the_end() {
    let home = Home::new();
    let texts = ["up 1", "up 2", "down", "fire", "smoke", "evil \u{1b}[2J", "ready"];
    put(&home, "web", "current", &labelled(1_700_000_000, &texts.map(str::to_owned)));
    let commands = "stty -echo; trap : INT; $LOGDIR kinds -f web; echo end $?";
    let Some(mut terminal) = Terminal::start(&home, commands) else { return };
    terminal.wait_for("(3 further kinds)");
    terminal.end_with(b"\x03");
    terminal.wait_for("end 0\n");
    let shown = terminal.shown();
    assert!(!shown.contains("\u{1b}[2J"), "{shown}");
    let (_, last) = shown.rsplit_once("\u{1b}[H\u{1b}[J").expect("a screen");
    let rows: Vec<&str> = last.lines().collect();
    assert_eq!(rows.len(), 7, "{last}");
    assert!(rows[0].ends_with(" up #") && last.contains(" evil \\x1b[#J\n"), "{last}");
}
