//! Body of OTLP/HTTP requests to `/v1/logs` in JSON, and parsing of responses.
//!
//! The writer formats JSON itself: the structure is fixed, appending allocates nothing, and no step
//! can fail. Responses may contain any JSON; `serde_json` parses them.

use crate::buffer::append_decimal;
use crate::syslog::{Severity, UnixTime};

/// Maximum kept length of a server message, in bytes.
const MESSAGE_LEN_MAX: usize = 256;
const NANOS_PER_SEC: u64 = 1_000_000_000;
const HEX: &[u8; 16] = b"0123456789abcdef";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// OTLP value (`AnyValue`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// UTF-8 text: `stringValue`.
    String(&'a str),
    /// Other bytes: `bytesValue`, in base64.
    Bytes(&'a [u8]),
    /// Integer: `intValue`, a string of decimal digits.
    Int(i64),
}

impl<'a> Value<'a> {
    /// Valid UTF-8 becomes a string, other input becomes bytes; both stay unchanged.
    pub fn from_bytes(bytes: &'a [u8]) -> Value<'a> {
        match str::from_utf8(bytes) {
            Ok(text) => Value::String(text),
            Err(_) => Value::Bytes(bytes),
        }
    }
}

/// Attribute name and value.
pub type Attribute<'a> = (&'a str, Value<'a>);

/// Log record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Event time: `timeUnixNano`, with nanoseconds.
    pub time: Option<UnixTime>,
    /// Observation time: `observedTimeUnixNano`.
    pub observed_time: Option<UnixTime>,
    /// Severity, written as number and text.
    pub severity: Option<Severity>,
    /// Log line.
    pub body: Value<'a>,
    /// Attributes in order.
    pub attributes: &'a [Attribute<'a>],
}

/// Request body under construction.
///
/// The caller bounds memory: see [`len`](Request::len).
#[derive(Clone, Debug)]
pub struct Request {
    body: Vec<u8>,
    /// Scope as JSON, repeated for each resource.
    scope: Vec<u8>,
    record_count: usize,
    has_resource: bool,
    /// True after the resource's first record.
    has_record: bool,
}

impl Request {
    /// Empty request with this scope name and version.
    pub fn new(scope_name: &str, scope_version: &str) -> Request {
        let mut scope = b"{\"name\":".to_vec();
        append_string(scope_name, &mut scope);
        scope.extend_from_slice(b",\"version\":");
        append_string(scope_version, &mut scope);
        scope.push(b'}');
        Request {
            body: b"{\"resourceLogs\":[".to_vec(),
            scope,
            record_count: 0,
            has_resource: false,
            has_record: false,
        }
    }

    /// Starts a resource with these attributes, such as `service.name`.
    pub fn begin_resource(&mut self, attributes: &[Attribute<'_>]) {
        if self.has_resource {
            self.body.extend_from_slice(b"]}]},");
        }
        self.body.extend_from_slice(b"{\"resource\":");
        append_resource(attributes, &mut self.body);
        self.begin_scope();
    }

    /// As [`begin_resource`](Request::begin_resource), with what [`append_resource`] wrote.
    pub fn begin_written_resource(&mut self, resource: &[u8]) {
        if self.has_resource {
            self.body.extend_from_slice(b"]}]},");
        }
        self.body.extend_from_slice(b"{\"resource\":");
        self.body.extend_from_slice(resource);
        self.begin_scope();
    }

    fn begin_scope(&mut self) {
        self.body.extend_from_slice(b",\"scopeLogs\":[{\"scope\":");
        self.body.extend_from_slice(&self.scope);
        self.body.extend_from_slice(b",\"logRecords\":[");
        self.has_resource = true;
        self.has_record = false;
    }

    /// Appends a record to the current resource; without
    /// [`begin_resource`](Request::begin_resource), to a resource without attributes.
    pub fn push(&mut self, record: &Record<'_>) {
        if !self.has_resource {
            self.begin_resource(&[]);
        }
        self.begin_record();
        append_record(record, &mut self.body);
    }

    /// As [`push`](Request::push), with what [`append_record`] wrote. A resource has begun.
    pub fn push_written(&mut self, record: &[u8]) {
        assert!(self.has_resource, "a record belongs to a resource");
        self.begin_record();
        self.body.extend_from_slice(record);
    }

    fn begin_record(&mut self) {
        if self.has_record {
            self.body.push(b',');
        }
        self.has_record = true;
        self.record_count += 1;
    }

    /// Record count.
    pub fn record_count(&self) -> usize {
        self.record_count
    }

    /// Body length, in bytes.
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// True without records.
    pub fn is_empty(&self) -> bool {
        self.record_count == 0
    }

    /// Completes the body; send it with `Content-Type: application/json`.
    pub fn finish(mut self) -> Vec<u8> {
        if self.has_resource {
            self.body.extend_from_slice(b"]}]}");
        }
        self.body.extend_from_slice(b"]}");
        self.body
    }
}

/// Appends a resource with these attributes: JSON without newline and tab.
pub fn append_resource(attributes: &[Attribute<'_>], output: &mut Vec<u8>) {
    output.extend_from_slice(b"{\"attributes\":");
    append_attributes(attributes, output);
    output.push(b'}');
}

/// Appends a record: JSON without newline and tab.
pub fn append_record(record: &Record<'_>, output: &mut Vec<u8>) {
    output.push(b'{');
    if let Some(time) = record.time {
        append_time("timeUnixNano", time, output);
    }
    if let Some(time) = record.observed_time {
        append_time("observedTimeUnixNano", time, output);
    }
    if let Some(severity) = record.severity {
        output.extend_from_slice(b"\"severityNumber\":");
        append_decimal(severity_number(severity).into(), output);
        output.extend_from_slice(b",\"severityText\":\"");
        output.extend_from_slice(severity.name().as_bytes());
        output.extend_from_slice(b"\",");
    }
    output.extend_from_slice(b"\"body\":");
    append_value(record.body, output);
    if !record.attributes.is_empty() {
        output.extend_from_slice(b",\"attributes\":");
        append_attributes(record.attributes, output);
    }
    output.push(b'}');
}

/// OpenTelemetry severity number for a syslog severity (Logs Data Model, appendix B).
fn severity_number(severity: Severity) -> u8 {
    match severity {
        Severity::Emerg => 21,
        Severity::Alert => 19,
        Severity::Crit => 18,
        Severity::Err => 17,
        Severity::Warning => 13,
        Severity::Notice => 10,
        Severity::Info => 9,
        Severity::Debug => 5,
    }
}

/// Appends a time and comma: a 64-bit unsigned number as a string (protobuf's JSON). 0 means
/// unknown, also for times before 1970 or after 2554.
fn append_time(name: &str, time: UnixTime, output: &mut Vec<u8>) {
    let secs = u64::try_from(time.secs).ok().and_then(|secs| secs.checked_mul(NANOS_PER_SEC));
    let nanos = secs.and_then(|nanos| nanos.checked_add(time.nanos.into())).unwrap_or(0);
    append_string(name, output);
    output.extend_from_slice(b":\"");
    append_decimal(nanos, output);
    output.extend_from_slice(b"\",");
}

fn append_attributes(attributes: &[Attribute<'_>], output: &mut Vec<u8>) {
    output.push(b'[');
    for (pos, (name, value)) in attributes.iter().enumerate() {
        if pos > 0 {
            output.push(b',');
        }
        output.extend_from_slice(b"{\"key\":");
        append_string(name, output);
        output.extend_from_slice(b",\"value\":");
        append_value(*value, output);
        output.push(b'}');
    }
    output.push(b']');
}

fn append_value(value: Value<'_>, output: &mut Vec<u8>) {
    match value {
        Value::String(text) => {
            output.extend_from_slice(b"{\"stringValue\":");
            append_string(text, output);
        }
        Value::Bytes(bytes) => {
            output.extend_from_slice(b"{\"bytesValue\":\"");
            append_base64(bytes, output);
            output.push(b'"');
        }
        Value::Int(number) => {
            output.extend_from_slice(b"{\"intValue\":\"");
            if number < 0 {
                output.push(b'-');
            }
            append_decimal(number.unsigned_abs(), output);
            output.push(b'"');
        }
    }
    output.push(b'}');
}

/// Appends a JSON string (RFC 8259 section 7).
fn append_string(text: &str, output: &mut Vec<u8>) {
    output.push(b'"');
    let bytes = text.as_bytes();
    let mut start = 0;
    for (pos, &byte) in bytes.iter().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        output.extend_from_slice(&bytes[start..pos]);
        start = pos + 1;
        match byte {
            b'"' | b'\\' => output.extend_from_slice(&[b'\\', byte]),
            b'\t' => output.extend_from_slice(b"\\t"),
            _ => {
                output.extend_from_slice(b"\\u00");
                output.push(HEX[usize::from(byte >> 4)]);
                output.push(HEX[usize::from(byte & 15)]);
            }
        }
    }
    output.extend_from_slice(&bytes[start..]);
    output.push(b'"');
}

/// Appends bytes in base64 with padding (RFC 4648 section 4).
fn append_base64(bytes: &[u8], output: &mut Vec<u8>) {
    for group in bytes.chunks(3) {
        let byte = |pos: usize| u32::from(group.get(pos).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = BASE64[(bits >> (18 - 6 * place) & 63) as usize];
            output.push(if place <= group.len() { digit } else { b'=' });
        }
    }
}

/// Content of a successful response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Success {
    /// Permanently rejected records: never resend these (OTLP, partial success).
    pub rejected_count: u64,
    /// Reason, or a warning if every record was accepted; printable, possibly empty.
    pub message: String,
}

/// Parses the body of a 2xx response. An empty body, which some servers send with 204, rejects
/// nothing.
///
/// # Errors
///
/// Returns the body's beginning if the body is not OTLP JSON: the accepted records are then
/// unknown.
pub fn parse_success(body: &[u8]) -> Result<Success, NotOtlp> {
    if body.trim_ascii().is_empty() {
        return Ok(Success::default());
    }
    let not_otlp = || NotOtlp { body: printable(&String::from_utf8_lossy(body)) };
    let answer: serde_json::Value = serde_json::from_slice(body).map_err(|_| not_otlp())?;
    let partial = match answer.as_object().ok_or_else(not_otlp)?.get("partialSuccess") {
        None | Some(serde_json::Value::Null) => return Ok(Success::default()),
        Some(partial) => partial.as_object().ok_or_else(not_otlp)?,
    };
    let rejected_count = match partial.get("rejectedLogRecords") {
        None => 0,
        Some(count) => parse_count(count).ok_or_else(not_otlp)?,
    };
    let message = partial.get("errorMessage").and_then(serde_json::Value::as_str);
    Ok(Success { rejected_count, message: printable(message.unwrap_or_default()) })
}

/// protobuf's JSON writes 64-bit integers as strings; numbers are accepted too.
fn parse_count(count: &serde_json::Value) -> Option<u64> {
    count.as_u64().or_else(|| count.as_str()?.parse().ok())
}

/// Error: response is not OTLP JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotOtlp {
    /// Beginning of the body, printable.
    pub body: String,
}

impl std::fmt::Display for NotOtlp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the server answered something that is not OTLP: {}", self.body)
    }
}

impl std::error::Error for NotOtlp {}

/// Failure reason in a response body: the `message` of its status (OTLP/HTTP, failures), or the
/// body's beginning. Printable, possibly empty.
pub fn failure_message(body: &[u8]) -> String {
    let status: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let message = status.as_ref().and_then(|status| status.get("message")?.as_str());
    match message {
        Some(message) => printable(message),
        None => printable(String::from_utf8_lossy(body).trim()),
    }
}

/// At most [`MESSAGE_LEN_MAX`] bytes of server text, without control characters.
fn printable(text: &str) -> String {
    let mut message = String::new();
    for char in text.chars() {
        if message.len() + char.len_utf8() > MESSAGE_LEN_MAX {
            break;
        }
        message.push(if char.is_control() { ' ' } else { char });
    }
    message
}

#[cfg(test)]
mod tests;
