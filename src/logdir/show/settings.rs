//! Parsed and cross-checked options of `logdir show`.

use crate::logdir::choices;
use crate::logdir::options::{FormatName, JsonForm, Show, When};
use crate::logdir::when::Now;
use ::logdir::label::Counting;
use ::logdir::read::cursor::token::Cursor;
use ::logdir::read::range::Range;
use ::logdir::read::render::{Colours, Format, Zone};
use ::logdir::read::stamp::Moment;
use std::io::IsTerminal;

pub struct Settings {
    /// Options as given.
    pub options: Show,
    /// `--since` to `--until`.
    pub range: Range,
    pub format: Format,
    /// `None` for text output.
    pub json: Option<JsonForm>,
    /// Lines printed around each match.
    pub context: Context,
    /// Colors for names and matches.
    pub colours: Colours,
    /// `None` detects counting from the stamps of each log.
    pub counting: Option<Counting>,
    /// Position from `--after`.
    pub after: Option<Cursor>,
    /// Start of the command.
    pub now: Moment,
}

/// Numbers of lines printed around each match, in order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    pub before_count: usize,
    pub after_count: usize,
}

impl Context {
    pub fn is_any(self) -> bool {
        self.before_count > 0 || self.after_count > 0
    }

    /// Context for lines arriving last first.
    fn reversed(self) -> Context {
        Context { before_count: self.after_count, after_count: self.before_count }
    }
}

impl Settings {
    /// Checks and parses options. `Err` explains a contradiction.
    pub fn new(options: Show) -> Result<Settings, String> {
        let now = Now::local();
        let counting = choices::counting(&options.labels);
        let no_token = |text: &String| format!("unable to understand the cursor {text}");
        let after = options.after.as_ref();
        let after =
            after.map(|text| Cursor::parse(text).ok_or_else(|| no_token(text))).transpose()?;
        let around = options.context.unwrap_or(0);
        let context = Context {
            before_count: options.before_context.unwrap_or(around),
            after_count: options.after_context.unwrap_or(around),
        };
        let range = match &options.around {
            Some(time) => choices::range_around(time, &options.within, now, counting)?,
            None => choices::range(&options.span, options.follow, now, counting)?,
        };
        Ok(Settings {
            range,
            format: format(&options),
            json: options
                .json
                .or((options.format == Some(FormatName::Json)).then_some(JsonForm::Plain)),
            context: if options.reverse { context.reversed() } else { context },
            colours: colours(options.color, options.raw),
            counting,
            after,
            now: Moment { nanos: 0, ..now.moment },
            options,
        })
    }
}

fn format(options: &Show) -> Format {
    let zone = if options.utc { Zone::Utc } else { Zone::Local };
    let is_terminal = std::io::stdout().is_terminal();
    let name = options.format.or(is_terminal.then_some(FormatName::Short));
    match (name.unwrap_or(FormatName::Local), zone) {
        _ if options.raw => Format::Raw,
        (FormatName::Short, zone) => Format::Short(zone),
        (FormatName::Utc, _) | (FormatName::Local, Zone::Utc) => Format::Utc,
        (FormatName::Local, Zone::Local) => Format::Local,
        (FormatName::Rfc3339, zone) => Format::Rfc3339(zone),
        (FormatName::Unix, _) => Format::Unix,
        (FormatName::Time, zone) => Format::Time(zone),
        (FormatName::Relative, _) => Format::Relative,
        (FormatName::Delta, _) => Format::Delta,
        (FormatName::None, _) => Format::None,
        (FormatName::Raw | FormatName::Json, _) => Format::Raw,
    }
}

fn colours(when: When, is_raw: bool) -> Colours {
    let has_no_color = || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_on = match when {
        When::Always => true,
        When::Never => false,
        When::Auto => std::io::stdout().is_terminal() && !is_raw && !has_no_color(),
    };
    if is_on { Colours::On } else { Colours::Off }
}
