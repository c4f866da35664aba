//! The command line of `logdir` as people use it, and completions in real shells.

use crate::filters::{Ended, TAI64N, TAI64NLOCAL, command, run};
use crate::peers::peer;
use crate::show::{LOGDIR, put, show, stamped};
use crate::support::Home;

fn logdir(arguments: &[&str]) -> Ended {
    let mut command = command(LOGDIR);
    command.args(arguments);
    run(command, b"")
}

fn text(ended: &Ended) -> String {
    assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(0), ""));
    String::from_utf8(ended.stdout.clone()).expect("text")
}

#[test]
fn help_and_version_are_where_people_look_for_them() {
    let commands = text(&logdir(&["--help"]));
    for command in ["show", "status", "rate", "check"] {
        assert!(commands.contains(&format!("\n  {command} ")), "{commands}");
        let help = text(&logdir(&[command, "--help"]));
        assert!(help.contains(&format!("Usage: logdir {command} [OPTIONS] [DIR]...")), "{help}");
        assert_eq!(text(&logdir(&[command, "-h"])), help);
        assert_eq!(text(&logdir(&["help", command])), help);
    }
    assert_eq!(text(&logdir(&["-h"])), commands);
    assert_eq!(text(&logdir(&["help"])), commands);
    let bare = logdir(&[]);
    assert_eq!((bare.status.code(), bare.stderr.as_str()), (Some(2), commands.as_str()));
    assert!(bare.stdout.is_empty());
    for (program, name) in [(TAI64N, "tai64n"), (TAI64NLOCAL, "tai64nlocal"), (LOGDIR, "logdir")] {
        let of = |option: &str| {
            let mut command = command(program);
            command.arg(option);
            text(&run(command, b""))
        };
        assert_eq!(of("-V"), format!("{name} {}\n", env!("CARGO_PKG_VERSION")));
        assert_eq!(of("-V"), of("--version"));
        assert_eq!(of("-h"), of("--help"));
        assert!(of("-h").contains(&format!("Usage: {name}")));
        assert!(of("-h").lines().all(|line| line.len() <= 80));
    }
}

#[test]
fn no_line_of_any_help_is_wider_than_80_columns() {
    let commands = text(&logdir(&["--help"]));
    let (_, commands) = commands.split_once("Commands:\n").expect("commands");
    let names = commands.lines().take_while(|line| !line.is_empty());
    let names: Vec<&str> = names
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !name.is_empty() && *name != "help")
        .collect();
    assert!(names.len() >= 5, "{names:?}");
    let of_commands = names.iter().map(|name| (LOGDIR, vec!["help", *name]));
    let others = [env!("CARGO_BIN_EXE_logship"), env!("CARGO_BIN_EXE_multilog")];
    let programs = [LOGDIR, TAI64N, TAI64NLOCAL].into_iter().chain(others);
    for (program, arguments) in programs.map(|name| (name, vec!["--help"])).chain(of_commands) {
        let mut asked = command(program);
        asked.args(&arguments).env("COLUMNS", "200");
        for line in text(&run(asked, b"")).lines() {
            assert!(line.chars().count() <= 80, "{program} {arguments:?}: {line}");
        }
    }
}

#[test]
fn options_have_a_short_and_a_long_form_and_values_with_or_without_an_equals_sign() {
    let home = Home::new();
    put(&home, "main", "current", &stamped(1, 20));
    for (one, others) in [
        ("-n 2", &["-n2", "--lines 2", "--lines=2", "-n 5 -n 2"][..]),
        ("-g 1 -C 1", &["-g1 -C1", "--grep 1 --context=1", "--grep=1 -A1 -B 1"]),
        ("-S @1700000005 -U @1700000009", &["--since=@1700000005 --until @1700000009"]),
        ("-v 1", &["--not 1", "--not=1", "-iv1"]),
        ("-e 1 -e 2", &["--regexp=1 --regexp 2", "-e 1|2"]),
        ("-r", &["--reverse", "-rr"]),
        ("-z", &["--utc"]),
        ("-j", &["--json", "--json=plain", "-o json", "--output json"]),
        ("-o raw", &["--raw", "--format=raw"]),
        ("--around @1700000010 --within 2s", &["--since @1700000008 -U @1700000013"]),
        ("-g X -i", &["--grep=x --ignore-case"]),
    ] {
        let of = |options: &str| {
            let words = options.split(' ').chain(["main"]);
            let ended = show(&home, &words.collect::<Vec<_>>());
            assert_eq!(ended.stderr, "", "{options}");
            String::from_utf8(ended.stdout).expect("text")
        };
        let expected = of(one);
        assert!(!expected.is_empty() || one == "-g X -i", "{one}");
        for other in others {
            assert_eq!(of(other), expected, "{other}");
        }
    }
    let boot = show(&home, &["--boot", "main"]);
    boot.check(1, "", "");
    show(&home, &["--since", "boot", "main"]).check(1, "", "");
}

#[test]
fn what_cannot_be_understood_is_quoted_as_it_was_typed() {
    for (arguments, why) in [
        ("shw", "there is no command shw; did you mean show? logdir --help lists the commands"),
        ("-x", "logdir has no option -x; logdir --help lists the options"),
        ("show -F x", "logdir show has no option -F;"),
        ("show -rF x", "logdir show has no option -F;"),
        ("show --folow", "logdir show has no option --folow; did you mean --follow?"),
        ("show -n", "-n needs a value;"),
        ("show --lines", "--lines needs a value;"),
        ("show -n +2", "unable to understand -n +2: it is a number of lines; --head 2 shows"),
        ("show --lines=x", "unable to understand --lines x: it is a number of lines;"),
        ("show --context 1x", "unable to understand --context 1x: it is a number of lines;"),
        ("show -C -1", "unable to understand -C -1: it is a number of lines;"),
        ("show -o shrt", "unable to understand -o shrt: it is short, local, utc, rfc3339,"),
        ("show -rf", "-r does not go with -f;"),
        ("show --reverse -f", "--reverse does not go with -f;"),
        ("show --raw --json", "--raw does not go with --json;"),
        ("show --head 1 -n 2", "--head does not go with -n;"),
        ("show --since=soon", "unable to understand the time soon; write 02:10,"),
        ("show -S 2020-01-02 -U 2020-01-01", "--since 2020-01-02 is later than --until 2020-01-01"),
        ("rate --until 3h --since 2h", "--since 2h is later than --until 3h"),
        ("show --around 02:10 --within x", "unable to understand the span x:"),
        ("show --around 02:10 -S 02:10", "--around does not go with -S;"),
        ("status --bad", "logdir status has no option --bad;"),
    ] {
        let ended = logdir(&arguments.split(' ').collect::<Vec<_>>());
        assert_eq!((ended.status.code(), ended.stdout), (Some(2), Vec::new()), "{arguments}");
        let told = format!("logdir: fatal: {why}");
        assert!(ended.stderr.starts_with(&told), "{arguments}: {}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    }
}

/// What a shell makes of the completions for it, and of a word that is begun.
#[test]
fn completions_load_in_the_shells_that_they_are_for() {
    let home = Home::new();
    for (shell, commands, expected) in [
        (
            "bash",
            "source ./completions; COMP_WORDS=(logdir show --foll) COMP_CWORD=2; \
             _logdir logdir --foll show; echo \"${COMPREPLY[@]}\"",
            "--follow",
        ),
        ("fish", "source ./completions; complete -C 'logdir show --foll'", "--follow"),
        ("fish", "source ./completions; complete -C 'logdir sh'", "show"),
        (
            "zsh",
            "autoload -U compinit; compinit -D -u; source ./completions; \
             print ${_comps[logdir]}; functions _logdir | grep -o -- --follow | head -n 1",
            "_logdir\n--follow",
        ),
    ] {
        home.write("completions", text(&logdir(&["completions", shell])), 0o644);
        let Some(shell) = peer(shell) else { continue };
        let mut command = command(shell);
        command.args(["-c", commands]).current_dir(home.path("")).env("HOME", home.path(""));
        let ended = run(command, b"");
        let output = String::from_utf8_lossy(&ended.stdout);
        assert!(output.starts_with(expected), "{commands}: {output} {}", ended.stderr);
    }
}
