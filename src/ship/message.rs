//! A line as messages of RFC 5424: facility and severity, time, host, program, and structured data by which
//! a receiver finds the line again; or as a record of OTLP with the same facts.

use super::options::{Options, SeverityRule};
use super::target::Form;
use ::logdir::label::Label;
use script::expression::{BadExpression, Expression};
use wire::parts::{Message, NoRoom, Parts, append_whole};
use wire::syslog::structured_data::Element;
use wire::syslog::{Header, Pri, Severity, UnixTime};

/// Bytes before the text of a message, usually.
const HEADER_LEN_USUAL: usize = 256;

/// Messages that a killed program may have sent after it last saved its cursor, at most.
#[cfg(feature = "nats")]
pub const READ_BACK_MAX: usize = 64 * 1024;

/// A message with its key ([`Form::Keyed`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keyed<'a> {
    /// Id of the line, equal each time it is sent; further parts of a long line have `/2`, `/3` ... after it.
    pub id: &'a [u8],
    /// The log directory or file of the line, without tabs.
    pub source: &'a [u8],
    /// A message of RFC 5424.
    pub message: &'a [u8],
}

impl<'a> Keyed<'a> {
    /// Separates what [`Writer::messages`] has put together.
    #[cfg_attr(
        not(any(feature = "kafka", feature = "nats")),
        allow(dead_code, reason = "only libraries need the key")
    )]
    pub fn parse(bytes: &'a [u8]) -> Keyed<'a> {
        let mut fields = bytes.splitn(3, |&byte| byte == b'\t');
        let mut next = || fields.next().unwrap_or_default();
        Keyed { id: next(), source: next(), message: next() }
    }
}

fn keyed(line: &Line<'_>, messages: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let with_key = |(number, message): (usize, Vec<u8>)| {
        let mut keyed = Vec::with_capacity(line.id.len() + line.source.len() + message.len() + 8);
        keyed.extend_from_slice(line.id);
        if number > 0 {
            keyed.extend_from_slice(format!("/{}", number + 1).as_bytes());
        }
        keyed.push(b'\t');
        keyed.extend(line.source.iter().map(|&byte| if byte == b'\t' { b' ' } else { byte }));
        keyed.push(b'\t');
        keyed.extend_from_slice(&message);
        keyed
    };
    messages.into_iter().enumerate().map(with_key).collect()
}

/// A line to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// The log directory or file, as the user knows it.
    pub source: &'a [u8],
    /// The service it belongs to.
    pub service: &'a [u8],
    /// The moment of its stamp, or the moment it was read.
    pub label: Label,
    /// Unique line id, equal each time the line is sent.
    pub id: &'a [u8],
    /// The line without its stamp and newline.
    pub text: &'a [u8],
    /// Whether it is finished.
    pub ending: Ending,
}

/// Whether a line is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is.
    Whole,
    /// It is what was written so far; the whole line is sent when it is finished.
    Unfinished,
}

impl Line<'_> {
    /// Mark of an unfinished line: the length of its text so far.
    fn mark(&self) -> Option<String> {
        (self.ending == Ending::Unfinished).then(|| self.text.len().to_string())
    }
}

/// Settings shared by all messages.
#[derive(Debug)]
pub struct Writer {
    form: Form,
    pri: Pri,
    rules: Vec<(Expression, Severity)>,
    takes_prefix: bool,
    host: Vec<u8>,
    app: Option<Vec<u8>>,
    sd_id: Option<String>,
    len_max: usize,
}

impl Writer {
    /// Messages as the options want them, of this host.
    ///
    /// # Errors
    /// An expression of `--pri-match` cannot be compiled.
    pub fn new(options: &Options, form: Form, host: Vec<u8>) -> Result<Writer, BadExpression> {
        let rule = |rule: &SeverityRule| {
            Ok((Expression::regex(rule.expression.as_bytes())?, rule.severity))
        };
        Ok(Writer {
            form,
            pri: options.pri,
            rules: options.pri_match.iter().map(rule).collect::<Result<_, _>>()?,
            takes_prefix: options.sd_prefix,
            host,
            app: options.app.clone().map(String::into_bytes),
            sd_id: (!options.no_sd).then(|| options.sd_id.clone()),
            len_max: options.max_message,
        })
    }

    /// The messages of a line, each at most as long as allowed.
    ///
    /// # Errors
    /// The bound leaves no room for text beside this header.
    pub fn messages(&self, line: &Line<'_>) -> Result<Vec<Vec<u8>>, NoRoom> {
        match self.form {
            Form::Syslog => self.syslog(line),
            Form::Keyed => self.syslog(line).map(|messages| keyed(line, messages)),
            #[cfg(feature = "http")]
            Form::Record => Ok(vec![self.record(line)]),
            #[cfg(not(feature = "http"))]
            Form::Record => unreachable!("no URL takes records"),
        }
    }

    #[cfg(feature = "http")]
    fn record(&self, line: &Line<'_>) -> Vec<u8> {
        use wire::otlp::{Record, Value, append_record, append_resource};
        let (severity, text) = self.severity(line.text);
        let service = self.app.as_deref().unwrap_or(line.service);
        let resource = [
            ("host.name", Value::from_bytes(&self.host)),
            ("service.name", Value::from_bytes(service)),
        ];
        let label = line.label.format();
        let mark = line.mark();
        let mut attributes = vec![
            ("multilog.dir", Value::from_bytes(line.source)),
            ("multilog.label", Value::from_bytes(&label)),
            ("multilog.cursor", Value::from_bytes(line.id)),
        ];
        if let Some(mark) = &mark {
            attributes.push(("multilog.unfinished", Value::from_bytes(mark.as_bytes())));
        }
        let has_attributes = self.sd_id.is_some();
        let unix_time = |label: Label| {
            let (secs, nanos) = label.to_unix();
            Some(UnixTime { secs, nanos })
        };
        let record = Record {
            time: unix_time(line.label),
            observed_time: unix_time(::logdir::clock::now()),
            severity: Some(severity),
            body: Value::from_bytes(text),
            attributes: if has_attributes { &attributes } else { &[] },
        };
        let mut message = Vec::with_capacity(text.len() + 512);
        append_resource(&resource, &mut message);
        message.push(b'\t');
        append_record(&record, &mut message);
        message
    }

    fn syslog(&self, line: &Line<'_>) -> Result<Vec<Vec<u8>>, NoRoom> {
        let (severity, text) = self.severity(line.text);
        let label = line.label.format();
        let mark = line.mark();
        let mark = mark.as_deref().unwrap_or_default();
        let params = [
            ("dir", line.source),
            ("label", &label[..]),
            ("cursor", line.id),
            ("unfinished", mark.as_bytes()),
        ];
        let params = &params[..if mark.is_empty() { 3 } else { 4 }];
        let elements = self.sd_id.as_deref().map(|id| Element { id, params });
        let (unix_secs, nanos) = line.label.to_unix();
        let message = Message {
            header: Header {
                pri: Pri { severity, ..self.pri },
                time: Some(UnixTime { secs: unix_secs, nanos }),
                host: &self.host,
                app: self.app.as_deref().unwrap_or(line.service),
                procid: b"",
                msgid: b"",
            },
            elements: elements.as_slice(),
            id: line.id,
            text,
        };
        // Few messages are too long for a part, and few have a longer header.
        let mut whole = Vec::with_capacity(text.len().min(self.len_max) + HEADER_LEN_USUAL);
        if text.len() <= self.len_max && append_whole(&message, self.len_max, &mut whole) {
            return Ok(vec![whole]);
        }
        let mut parts = Parts::new(message, self.len_max)?;
        let mut messages = Vec::with_capacity(parts.count() as usize);
        let mut text = Vec::new();
        while parts.append_next(&mut text) {
            messages.push(std::mem::take(&mut text));
        }
        Ok(messages)
    }

    /// The severity of a line, and its text without the mark that said so.
    fn severity<'a>(&self, text: &'a [u8]) -> (Severity, &'a [u8]) {
        if self.takes_prefix
            && let [b'<', digit @ b'0'..=b'7', b'>', rest @ ..] = text
            && let Some(severity) = Severity::from_number(digit - b'0')
        {
            return (severity, rest);
        }
        let rule = self.rules.iter().find(|(expression, _)| expression.matches(text));
        (rule.map_or(self.pri.severity, |(_, severity)| *severity), text)
    }
}
