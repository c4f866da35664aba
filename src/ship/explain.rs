//! What a command line will do, in words, without sending anything.

use super::message::{Ending, Line, Writer};
use super::options::{Options, SeverityRule};
use super::target::{self, Form, Target};
use ::logdir::clock;
use std::fmt::Write;
use wire::syslog::Pri;

/// The settings in force, what each receiver's answer means, and a message as it would be sent.
pub fn text(options: &Options, targets: &[Target], sources: &[String], host: &[u8]) -> String {
    let mut text = String::new();
    let mut say = |line: std::fmt::Arguments<'_>| {
        // A String takes everything.
        let _ = writeln!(text, "{line}");
    };
    for target in targets {
        say(format_args!("to {target}"));
        say(format_args!("  guarantee: {}", target.guarantee()));
    }
    for source in sources {
        say(format_args!("from {source}"));
    }
    match &options.state {
        Some(state) => say(format_args!("state: {}", state.display())),
        None => say(format_args!("state: none named; --state DIR is needed to send")),
    }
    say(format_args!("begins, where no cursor is: {}", options.from));
    let needs_tls = targets.iter().any(Target::needs_tls);
    let fields = options.headers.as_ref();
    let lines = messages(options, targets)
        .into_iter()
        .chain(severity(options))
        .chain(flush(options))
        .chain(needs_tls.then(|| certificates(options)).into_iter().flatten())
        .chain(
            fields
                .map(|file| format!("header fields of each request: those in {}", file.display())),
        )
        .chain(pace(options));
    for line in lines {
        say(format_args!("{line}"));
    }
    let sample = Line {
        source: sources.first().map_or(b"./log/main", |source| source.as_bytes()),
        service: b"service",
        label: clock::now(),
        id: b"the-id-of-the-line",
        text: b"a line of the log",
        ending: Ending::Whole,
    };
    let writer =
        Writer::new(options, target::form(targets), host.to_vec()).map_err(|bad| bad.to_string());
    let messages =
        writer.and_then(|writer| writer.messages(&sample).map_err(|no_room| no_room.to_string()));
    match messages {
        Ok(messages) => {
            for message in messages {
                say(format_args!("sample: {}", String::from_utf8_lossy(&message)));
            }
        }
        Err(why) => say(format_args!("no message can be sent: {why}")),
    }
    text
}

/// What a line becomes, and how many wait for an answer.
fn messages(options: &Options, targets: &[Target]) -> Vec<String> {
    let form = target::form(targets);
    let max = options.max_message;
    match form {
        Form::Syslog | Form::Keyed if !targets.iter().any(Target::is_batched) => vec![
            format!("messages: at most {max} bytes, longer lines in parts"),
            format!("without an answer: at most {} messages", options.window(form)),
        ],
        Form::Syslog | Form::Keyed => vec![format!(
            "messages: at most {max} bytes, longer lines in parts; batches of up to 10000 lines or 5 ms"
        )],
        Form::Record => vec![
            "records: a whole line each, JSON in gzip, up to 1000 records or 1 MiB in a request"
                .to_owned(),
        ],
    }
}

/// Facility and severity of lines.
fn severity(options: &Options) -> Vec<String> {
    let Pri { facility, severity } = options.pri;
    let usual = format!("facility and severity: {}.{}", facility.name(), severity.name());
    let mark = "severity of a line that begins with <0> to <7>: this number, which is taken off";
    let of_rule = |rule: &SeverityRule| {
        format!("severity of lines that match {}: {}", rule.expression, rule.severity.name())
    };
    let mark = options.sd_prefix.then(|| mark.to_owned());
    [usual].into_iter().chain(mark).chain(options.pri_match.iter().map(of_rule)).collect()
}

/// When it tries again, and how many lines it sends.
fn pace(options: &Options) -> Vec<String> {
    let (min, max) = (options.retry.min.as_secs_f32(), options.retry.max.as_secs_f32());
    let tries = format!("tries again after {min} s, doubled up to {max} s, at random below that");
    let rate = match options.rate {
        Some(rate) => format!("at most {rate} lines a second"),
        None => "as many lines a second as the receiver takes".to_owned(),
    };
    let catch_up = options
        .catch_up
        .map(|rate| format!("at most {rate} lines a second while the oldest is over 60 s old"));
    [tries, rate].into_iter().chain(catch_up).collect()
}

fn flush(options: &Options) -> Option<String> {
    let quiet = options.flush?.as_secs_f32();
    Some(format!("an unfinished last line is sent after {quiet} s without new bytes, marked"))
}

/// Whom TLS trusts, and how this machine shows itself.
fn certificates(options: &Options) -> Vec<String> {
    let issuers = match &options.ca {
        Some(file) => format!("trusts issuers: those of {}", file.display()),
        None if options.pin.is_empty() => "trusts issuers: those of this machine".to_owned(),
        None => "trusts issuers: none, the fingerprint decides".to_owned(),
    };
    let name = match &options.name {
        _ if options.ca.is_none() && !options.pin.is_empty() => "any".to_owned(),
        Some(name) => name.clone(),
        None => "the host of the URL".to_owned(),
    };
    let own = match &options.cert {
        Some(file) => format!("shows a server that asks: {}", file.display()),
        None => "shows a server that asks: no certificate".to_owned(),
    };
    vec![issuers, format!("name of the server: {name}"), own]
}
