use super::*;
use proptest::prelude::*;
use serde_json::json;

const TIME: UnixTime = UnixTime { secs: 1_795_714_218, nanos: 523_315_999 };

fn record(body: Value<'_>) -> Record<'_> {
    Record { time: Some(TIME), observed_time: None, severity: None, body, attributes: &[] }
}

fn parsed(request: Request) -> serde_json::Value {
    serde_json::from_slice(&request.finish()).unwrap()
}

/// Records of a single-record request.
fn written(record: &Record<'_>) -> serde_json::Value {
    let mut request = Request::new("multilog", "1");
    request.push(record);
    parsed(request)["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0].clone()
}

#[test]
fn a_request_has_resources_with_their_records() {
    let mut request = Request::new("multi\"log", "0.1.0");
    assert!(request.is_empty());
    request.begin_resource(&[("service.name", Value::String("qmail-send"))]);
    request.push(&record(Value::String("one")));
    request.push(&record(Value::String("two")));
    request.begin_resource(&[("service.name", Value::String("dns")), ("n", Value::Int(-5))]);
    request.push(&Record {
        severity: Some(Severity::Warning),
        observed_time: Some(UnixTime { secs: 0, nanos: 7 }),
        attributes: &[("log.file.path", Value::String("/a")), ("x", Value::Bytes(b"\xe9"))],
        ..record(Value::Bytes(b"caf\xe9"))
    });
    assert_eq!(request.record_count(), 3);
    let len = request.len();
    let body = request.clone().finish();
    assert!(len < body.len() && body.len() < len + 10);
    let scope = json!({"name": "multi\"log", "version": "0.1.0"});
    let time = "1795714218523315999";
    assert_eq!(
        parsed(request),
        json!({"resourceLogs": [
            {
                "resource": {"attributes": [
                    {"key": "service.name", "value": {"stringValue": "qmail-send"}},
                ]},
                "scopeLogs": [{"scope": scope, "logRecords": [
                    {"timeUnixNano": time, "body": {"stringValue": "one"}},
                    {"timeUnixNano": time, "body": {"stringValue": "two"}},
                ]}],
            },
            {
                "resource": {"attributes": [
                    {"key": "service.name", "value": {"stringValue": "dns"}},
                    {"key": "n", "value": {"intValue": "-5"}},
                ]},
                "scopeLogs": [{"scope": scope, "logRecords": [{
                    "timeUnixNano": time,
                    "observedTimeUnixNano": "7",
                    "severityNumber": 13,
                    "severityText": "warning",
                    "body": {"bytesValue": "Y2Fm6Q=="},
                    "attributes": [
                        {"key": "log.file.path", "value": {"stringValue": "/a"}},
                        {"key": "x", "value": {"bytesValue": "6Q=="}},
                    ],
                }]}],
            },
        ]})
    );
}

#[test]
fn a_request_without_records_is_json_too() {
    assert_eq!(parsed(Request::new("a", "b")), json!({"resourceLogs": []}));
    let mut request = Request::new("a", "b");
    request.begin_resource(&[]);
    let records = &parsed(request)["resourceLogs"][0]["scopeLogs"][0]["logRecords"];
    assert_eq!(*records, json!([]));
}

#[test]
fn times_have_nine_digits_and_none_is_0_by_overflow() {
    let check = |secs, nanos, expected: &str| {
        let time = Some(UnixTime { secs, nanos });
        let record = Record { time, ..record(Value::String("")) };
        assert_eq!(written(&record)["timeUnixNano"], json!(expected), "{secs}.{nanos}");
    };
    check(0, 1, "1");
    check(1_795_714_218, 1, "1795714218000000001");
    check(18_446_744_073, 709_551_615, "18446744073709551615");
    check(18_446_744_073, 709_551_616, "0");
    check(-1, 0, "0");
    check(i64::MAX, 0, "0");
    let untimed = Record { time: None, ..record(Value::String("")) };
    assert_eq!(written(&untimed), json!({"body": {"stringValue": ""}}));
}

#[test]
fn severities_have_the_numbers_of_the_data_model() {
    let numbers = Severity::ALL.map(severity_number);
    assert_eq!(numbers, [21, 19, 18, 17, 13, 10, 9, 5]);
}

#[test]
fn base64_is_padded() {
    for (bytes, expected) in [
        (&b""[..], ""),
        (b"f", "Zg=="),
        (b"fo", "Zm8="),
        (b"foo", "Zm9v"),
        (b"foobar", "Zm9vYmFy"),
        (b"\xff\xfe\xfb\xff", "//77/w=="),
    ] {
        let mut output = Vec::new();
        append_base64(bytes, &mut output);
        assert_eq!(str::from_utf8(&output), Ok(expected));
    }
}

#[test]
fn answers_of_success_say_how_many_are_rejected() {
    let success = |rejected_count, message: &str| {
        Ok(Success { rejected_count, message: message.to_string() })
    };
    for (body, expected) in [
        ("", success(0, "")),
        (" \n", success(0, "")),
        ("{}", success(0, "")),
        (r#"{"partialSuccess":{}}"#, success(0, "")),
        (r#"{"partialSuccess":null}"#, success(0, "")),
        (r#"{"partialSuccess":{"rejectedLogRecords":"0"}}"#, success(0, "")),
        (
            r#"{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"too\nold"}}"#,
            success(3, "too old"),
        ),
        (r#"{"partialSuccess":{"rejectedLogRecords":3}}"#, success(3, "")),
        (r#"{"partialSuccess":{"errorMessage":"slow down"},"x":[1]}"#, success(0, "slow down")),
    ] {
        assert_eq!(parse_success(body.as_bytes()), expected, "{body}");
    }
    for body in [
        "<html>",
        "OK",
        "[]",
        "{",
        r#"{"partialSuccess":3}"#,
        r#"{"partialSuccess":{"rejectedLogRecords":-1}}"#,
        r#"{"partialSuccess":{"rejectedLogRecords":"x"}}"#,
    ] {
        let error = parse_success(body.as_bytes()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the server answered something that is not OTLP: {body}")
        );
    }
}

#[test]
fn answers_of_failure_give_their_reason() {
    for (body, expected) in [
        (r#"{"code":3,"message":"bad\u001b[2J request"}"#, "bad [2J request"),
        (r#"{"code":3}"#, r#"{"code":3}"#),
        ("timestamp too old\n", "timestamp too old"),
        ("", ""),
    ] {
        assert_eq!(failure_message(body.as_bytes()), expected);
    }
    assert_eq!(failure_message("\u{e9}".repeat(300).as_bytes()).len(), MESSAGE_LEN_MAX);
    assert_eq!(failure_message(b"\xff"), "\u{fffd}");
    let nested = "[".repeat(100_000);
    assert_eq!(failure_message(nested.as_bytes()).len(), MESSAGE_LEN_MAX);
}

proptest! {
    #[test]
    fn what_is_written_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let body = &written(&record(Value::from_bytes(&bytes)))["body"];
        match str::from_utf8(&bytes) {
            Ok(text) => prop_assert_eq!(body, &json!({ "stringValue": text })),
            Err(_) => {
                let text = body["bytesValue"].as_str().unwrap();
                prop_assert_eq!(decode_base64(text), bytes);
            }
        }
    }

    #[test]
    fn strings_are_escaped(text in any::<String>(), control in "[\u{0}-\u{1f}\"\\\\\u{7f}]{0,20}") {
        for text in [text, control] {
            let attributes = [(text.as_str(), Value::String(&text))];
            let record = Record { attributes: &attributes, ..record(Value::String(&text)) };
            let written = written(&record);
            prop_assert_eq!(&written["body"], &json!({ "stringValue": text }));
            prop_assert_eq!(&written["attributes"][0]["key"], &json!(text));
        }
    }

    #[test]
    fn any_answer_is_read(body in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = parse_success(&body);
        prop_assert!(failure_message(&body).len() <= MESSAGE_LEN_MAX);
    }
}

/// Simple reference decoder.
fn decode_base64(text: &str) -> Vec<u8> {
    let digit = |byte: &u8| BASE64.iter().position(|digit| digit == byte);
    let bits = text
        .bytes()
        .filter_map(|byte| digit(&byte))
        .flat_map(|digit| (0..6).rev().map(move |place| digit >> place & 1));
    let bits: Vec<usize> = bits.collect();
    bits.chunks_exact(8)
        .map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | bit) as u8)
        .collect()
}
