//! Synopsis of logdir(1), compared with the manual page option by option.

use crate::logdir::options::CommandLine;
use clap::{Arg, ArgAction, Command, CommandFactory};
use std::fmt::Write as _;

const MANUAL: &str = include_str!("../../../docs/logdir.1");

/// Synopsis of all commands in mdoc(7).
fn synopsis() -> String {
    let mut text = String::new();
    for command in CommandLine::command().get_subcommands() {
        let _ = writeln!(text, ".Nm\n.Cm {}", command.get_name());
        for arg in options(command) {
            let _ = writeln!(text, ".Op {}{}", flag(arg), value(arg, " "));
        }
        for arg in command.get_positionals() {
            let name = arg.get_id().as_str();
            let _ = match arg.is_required_set() {
                true => writeln!(text, ".Ar {name}"),
                false => writeln!(text, ".Op Ar {} ...", name.trim_end_matches('s')),
            };
        }
    }
    text + ".Nm\n.Cm help\n.Op Ar command\n.Nm\n.Fl h | V\n"
}

fn options(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| !arg.is_positional())
}

fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

fn flag(arg: &Arg) -> String {
    match (arg.get_short(), arg.get_long()) {
        (Some(short), _) => format!("Fl {short}"),
        (None, Some(long)) => format!("Fl Fl {long}"),
        (None, None) => String::new(),
    }
}

fn value(arg: &Arg, before: &str) -> String {
    if is_switch(arg) || arg.is_require_equals_set() {
        return String::new();
    }
    let names = arg.get_value_names().unwrap_or_default();
    names.iter().fold(String::new(), |text, name| text + before + "Ar " + &name.to_lowercase())
}

#[test]
fn the_manual_has_the_synopsis_of_the_description() {
    let (_, rest) = MANUAL.split_once(".Sh SYNOPSIS\n").expect("a synopsis");
    let (found, _) = rest.split_once(".Sh DESCRIPTION").expect("a description");
    let expected = synopsis();
    assert_eq!(found, expected, "the synopsis should be:\n{expected}");
}

/// Every option has an item in its command's section: `.It Fl n , Fl Fl lines Ar count`.
#[test]
fn the_manual_explains_every_option_of_every_command() {
    for command in CommandLine::command().get_subcommands() {
        let heading = format!("\n.Ss {}\n", command.get_name());
        let (_, rest) = MANUAL.split_once(&heading).expect(&heading);
        let end = ["\n.Ss ", "\n.Sh "].into_iter().filter_map(|next| rest.find(next)).min();
        let section = &rest[..end.expect("another section")];
        for arg in options(command) {
            let short = arg.get_short().map(|short| format!("Fl {short} , ")).unwrap_or_default();
            let long = arg.get_long().expect("every option has a long form");
            let item = format!("\n.It {short}Fl Fl {long}");
            let common = format!("\n.It {short}Fl Fl {long}{}\n", value(arg, " "));
            let is_common = MANUAL.contains(&common);
            assert!(section.contains(&item) || is_common, "{heading} lacks {item}");
        }
    }
}

#[test]
fn no_line_of_help_is_wider_than_a_terminal() {
    let mut command = CommandLine::command();
    let mut texts = vec![command.render_help().to_string(), command.render_long_help().to_string()];
    command.build();
    for command in command.get_subcommands_mut() {
        texts.push(command.render_help().to_string());
        texts.push(command.render_long_help().to_string());
    }
    assert!(texts.len() >= 10);
    for line in texts.iter().flat_map(|text| text.lines()) {
        assert!(line.chars().count() <= super::HELP_WIDTH, "{line}");
    }
}

#[test]
fn the_description_is_sound() {
    CommandLine::command().debug_assert();
}
