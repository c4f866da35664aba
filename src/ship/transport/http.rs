//! One request and its answer in HTTP/1.1, as bytes out and bytes in. The protocol is `ureq-proto`.

use super::super::credentials::Fields;
use std::time::{Duration, SystemTime};
use ureq_proto::BodyMode;
use ureq_proto::client::{
    Call, RecvBodyResult, RecvResponseResult, SendRequestResult, state::RecvBody,
    state::RecvResponse,
};
use ureq_proto::http::{HeaderMap, Request};

/// Bytes of the head of a request: fixed fields, a host and a path.
const REQUEST_HEAD_MAX: usize = 16 * 1024;
/// Bytes of an answer that are kept before they are understood.
const INPUT_LEN_MAX: usize = 64 * 1024;
/// Bytes of an answer's body that are kept; the rest is read and dropped.
const BODY_LEN_MAX: usize = 64 * 1024;
/// The longest wait that a server may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// Answer to a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// The wait that the server asks for.
    pub retry_after: Option<Duration>,
    /// Body, at most its beginning.
    pub body: Vec<u8>,
    /// Whether the connection ends with this answer.
    pub is_last: bool,
}

/// A request whose answer is awaited.
#[derive(Debug)]
pub struct Exchange {
    phase: Phase,
    input: Vec<u8>,
    answer: Answer,
}

enum Phase {
    Head(Call<RecvResponse>),
    Body(Call<RecvBody>),
    Over,
}

impl std::fmt::Debug for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Phase::Head(_) => "Head",
            Phase::Body(_) => "Body",
            Phase::Over => "Over",
        })
    }
}

impl Exchange {
    /// Begins a POST of a gzipped JSON body to a URL, with these header fields besides. Returns the head of the request too; the body follows it.
    ///
    /// # Errors
    /// The URL or a field cannot stand in a request, in words.
    pub fn begin(url: &str, fields: &Fields, body: &[u8]) -> Result<(Exchange, Vec<u8>), String> {
        let mut request = Request::post(url)
            .header("user-agent", concat!("logship/", env!("CARGO_PKG_VERSION")))
            .header("content-type", "application/json")
            .header("content-encoding", "gzip")
            .header("content-length", body.len());
        for (name, value) in fields {
            request = request.header(name, value);
        }
        let request = request.body(()).map_err(|error| error.to_string())?;
        let mut call = Call::new(request).map_err(|error| error.to_string())?.proceed();
        let mut head = vec![0; REQUEST_HEAD_MAX];
        let len = call.write(&mut head).map_err(|error| error.to_string())?;
        head.truncate(len);
        let sent = match call.proceed().map_err(|error| error.to_string())? {
            Some(SendRequestResult::SendBody(mut call)) => {
                let taken = call.consume_direct_write(body.len());
                taken.map_err(|error| error.to_string())?;
                call.proceed()
            }
            _ => None,
        };
        let call = sent.ok_or("the request is too long")?;
        let exchange =
            Exchange { phase: Phase::Head(call), input: Vec::new(), answer: Answer::default() };
        Ok((exchange, head))
    }

    /// Takes bytes of the server. Returns the answer once it is whole.
    ///
    /// # Errors
    /// It is not HTTP, in words.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Option<Answer>, String> {
        self.input.extend_from_slice(bytes);
        loop {
            match std::mem::replace(&mut self.phase, Phase::Over) {
                Phase::Head(call) => {
                    if !self.take_head(call)? {
                        return Ok(None);
                    }
                }
                Phase::Body(call) => return self.take_body(call),
                Phase::Over => return Ok(Some(std::mem::take(&mut self.answer))),
            }
        }
    }

    /// Whether no byte of the answer has come.
    pub fn is_silent(&self) -> bool {
        self.answer.status == 0 && self.input.is_empty()
    }

    /// The server has ended the connection. Returns the answer if that is its end.
    pub fn end(&mut self) -> Option<Answer> {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Body(call) if call.body_mode() == BodyMode::CloseDelimited => {
                self.answer.is_last = true;
                Some(std::mem::take(&mut self.answer))
            }
            Phase::Head(_) | Phase::Body(_) | Phase::Over => None,
        }
    }

    /// Takes the head. False while it is not whole.
    fn take_head(&mut self, mut call: Call<RecvResponse>) -> Result<bool, String> {
        let taken = call.try_response(&self.input, false);
        let (len, response) = taken.map_err(|error| not_http(&error.to_string()))?;
        self.input.drain(..len);
        let Some(response) = response else {
            if self.input.len() > INPUT_LEN_MAX {
                return Err(not_http("its head is too long"));
            }
            self.phase = Phase::Head(call);
            return Ok(false);
        };
        self.answer.status = response.status().as_u16();
        self.answer.retry_after = retry_after(response.headers());
        self.phase = match call.proceed() {
            Some(RecvResponseResult::RecvBody(call)) => Phase::Body(call),
            Some(RecvResponseResult::Redirect(_)) => {
                self.answer.is_last = true;
                Phase::Over
            }
            Some(RecvResponseResult::Cleanup(call)) => {
                self.answer.is_last = call.must_close_connection();
                Phase::Over
            }
            None => return Err(not_http("its head ends nowhere")),
        };
        Ok(true)
    }

    fn take_body(&mut self, mut call: Call<RecvBody>) -> Result<Option<Answer>, String> {
        let mut output = [0; 4096];
        loop {
            let read = call.read(&self.input, &mut output);
            let (taken, len) = read.map_err(|error| not_http(&error.to_string()))?;
            self.input.drain(..taken);
            let room = BODY_LEN_MAX.saturating_sub(self.answer.body.len()).min(len);
            self.answer.body.extend_from_slice(&output[..room]);
            if taken == 0 && len == 0 {
                break;
            }
        }
        if call.body_mode() == BodyMode::CloseDelimited || !call.can_proceed() {
            self.phase = Phase::Body(call);
            return Ok(None);
        }
        self.answer.is_last = match call.proceed() {
            Some(RecvBodyResult::Cleanup(call)) => call.must_close_connection(),
            Some(RecvBodyResult::Redirect(_)) | None => true,
        };
        Ok(Some(std::mem::take(&mut self.answer)))
    }
}

fn not_http(why: &str) -> String {
    format!("the server does not speak HTTP here: {why}")
}

/// The wait that a server asks for: seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("retry-after")?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
            SystemTime::from(at).duration_since(SystemTime::now()).unwrap_or_default()
        }
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin() -> Exchange {
        let (exchange, head) =
            Exchange::begin("http://h:4318/v1/logs", &Fields::new(), b"body").unwrap();
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("POST /v1/logs HTTP/1.1\r\n"), "{head}");
        assert!(head.to_lowercase().contains("\r\nhost: h:4318\r\n"), "{head}");
        assert!(head.to_lowercase().contains("\r\ncontent-length: 4\r\n"), "{head}");
        exchange
    }

    /// Feeds the text in pieces of every size: the parsed answer stays equal.
    #[track_caller]
    fn check(text: &str, expected: &Answer) {
        let mut whole = begin();
        assert_eq!(whole.take(text.as_bytes()).unwrap().as_ref(), Some(expected));
        let mut cut = begin();
        let mut answer = None;
        for (pos, byte) in text.bytes().enumerate() {
            assert_eq!(answer, None, "{pos} bytes are enough");
            answer = cut.take(&[byte]).unwrap();
        }
        assert_eq!(answer.as_ref(), Some(expected));
    }

    #[test]
    fn answers_end_where_they_say() {
        let answer = |status, body: &str| Answer {
            status,
            body: body.as_bytes().to_vec(),
            ..Answer::default()
        };
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", &answer(200, "{}"));
        check("HTTP/1.1 204 No Content\r\n\r\n", &answer(204, ""));
        let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
        check(chunks, &answer(200, "{}"));
        let busy = "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n";
        check(busy, &Answer { retry_after: Some(Duration::from_secs(7)), ..answer(429, "") });
        let close = "HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno";
        check(close, &Answer { is_last: true, ..answer(503, "no") });
    }

    #[test]
    fn an_answer_may_end_with_the_connection() {
        let mut exchange = begin();
        assert_eq!(exchange.take(b"HTTP/1.0 200 OK\r\n\r\n{}").unwrap(), None);
        let answer = exchange.end().unwrap();
        assert_eq!((answer.status, &answer.body[..], answer.is_last), (200, &b"{}"[..], true));
        assert_eq!(begin().end(), None);
    }

    #[test]
    fn what_is_not_http_is_an_error() {
        let error = begin().take(b"0 serverclose 0\n\r\n\r\n").unwrap_err();
        assert!(error.starts_with("the server does not speak HTTP here"), "{error}");
    }

    #[test]
    fn waits_are_seconds_or_dates() {
        let wait = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", text.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(wait("120"), Some(Duration::from_secs(120)));
        assert_eq!(wait("99999999"), Some(RETRY_AFTER_MAX));
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("Fri, 21 Oct 2089 07:28:00 GMT"), Some(RETRY_AFTER_MAX));
        assert_eq!(wait("soon"), None);
    }
}
