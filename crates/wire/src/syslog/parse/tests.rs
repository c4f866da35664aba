use super::*;
use crate::syslog::structured_data::param;
use fields::check_fields;
use proptest::prelude::*;

mod fields;

const HERE: Sender<'_> = Sender::Local { hostname: b"web.example.org" };

/// Test vector columns: `facility.severity`, host, program, pid, text; `-` if absent.
#[track_caller]
fn check(sender: Sender<'_>, bytes: &[u8], expected: [&str; 5]) {
    let message = parse(bytes, sender);
    let field = |field: Option<&[u8]>| String::from_utf8_lossy(field.unwrap_or(b"-")).into_owned();
    let found = [
        message.pri_or_default().to_string(),
        field(message.host),
        field(message.program),
        field(message.pid),
        field(Some(message.text)),
    ];
    assert_eq!(found, expected, "{:?}", String::from_utf8_lossy(bytes));
}

#[track_caller]
fn check_both(bytes: &str, expected: [&str; 5]) {
    check(HERE, bytes.as_bytes(), expected);
    check(Sender::Remote, bytes.as_bytes(), expected);
}

#[test]
fn messages_of_logger_and_libc() {
    // 1, 2
    check_both(
        "<13>Nov 26 17:40:08 tag: unix default",
        ["user.notice", "-", "tag", "-", "unix default"],
    );
    check_both(
        "<19>Nov 26 17:40:08 tag[18429]: with pid",
        ["mail.err", "-", "tag", "18429", "with pid"],
    );
    // 3
    check_both(
        "<13>1 2026-11-26T17:40:08.376586+00:00 a.example.org tag - MID [timeQuality tzKnown=\"1\" isSynced=\"0\"][ex@32473 a=\"b\"] 5424 unix",
        ["user.notice", "a.example.org", "tag", "-", "5424 unix"],
    );
    // 4: a word different from this machine's name is text.
    check(
        HERE,
        b"<13>Nov 26 17:40:08 a tag: 3164 unix",
        ["user.notice", "-", "-", "-", "a tag: 3164 unix"],
    );
    // 5: in a stream, and in a newline-terminated datagram.
    check_both("<13>Nov 26 17:40:08 tag: stream", ["user.notice", "-", "tag", "-", "stream"]);
    check_both("<13>Nov 26 17:40:08 tag: stream\n", ["user.notice", "-", "tag", "-", "stream"]);
    // 6
    check_both(
        "<13>1 2026-11-26T17:40:08.386430+00:00 vm tag - - [timeQuality tzKnown=\"1\" isSynced=\"0\"] tcp octets",
        ["user.notice", "vm", "tag", "-", "tcp octets"],
    );
    // 7
    check_both(
        "<149>Nov 26 17:40:08 prog[18447]: libc syslog",
        ["local2.notice", "-", "prog", "18447", "libc syslog"],
    );
    // 8: `escape` tests how newline becomes `\x0a`.
    check_both(
        "<147>Nov 26 17:40:08 prog[18447]: two\nlines\ttab",
        ["local2.err", "-", "prog", "18447", "two\nlines\ttab"],
    );
    // 9
    check_both(
        "<12>python SysLogHandler\0",
        ["user.warning", "-", "-", "-", "python SysLogHandler"],
    );
}

#[test]
fn messages_of_haproxy() {
    // 10
    let text = "192.0.2.7:49644 [26/Nov/2026:17:40:08.825] main app/ap01 0/0/-1/-1/3004 503 217 - - SC-- 1/1/0/0/3 0/0 \"GET /a%20b?x=<1> HTTP/1.1\"";
    check(
        Sender::Remote,
        format!("<150>Nov 26 17:40:11 lb1.example.org haproxy[18490]: {text}\n").as_bytes(),
        ["local2.info", "lb1.example.org", "haproxy", "18490", text],
    );
    // 11
    check_both(&format!("{text}\n"), ["user.notice", "-", "-", "-", text]);
    // 12, 13
    check_both(&format!("<6>{text}\n"), ["kern.info", "-", "-", "-", text]);
    check_both(&format!("<174>{text}\n"), ["local5.info", "-", "-", "-", text]);
    // 14
    let iso = "2026-11-26T17:40:11.832528+00:00";
    check_both(&format!("<6>{iso} {text}\n"), ["kern.info", "-", "-", "-", text]);
    let message = format!("<6>{iso} {text}\n");
    let message = parse(message.as_bytes(), Sender::Remote);
    assert_eq!((message.form, message.time), (Form::Iso, Some(iso.as_bytes())));
    // 15: without PRI, everything is text.
    let raw = format!("2026-11-26T17:40:11.832540+00:00 {text}");
    check_both(&format!("{raw}\n"), ["user.notice", "-", "-", "-", &raw]);
    // 16
    check_both(
        "<128>1 2026-11-26T18:14:15.714699+00:00 - haproxy 27310 - - backend app has no server available!",
        ["local0.emerg", "-", "haproxy", "27310", "backend app has no server available!"],
    );
    // 17
    let message = format!(
        "<134>1 2026-11-26T18:14:15.714699+00:00 - haproxy 27310 - [exampleSDID@1234 bytes=\"217\" status=\"503\"] {text}"
    );
    check_both(&message, ["local0.info", "-", "haproxy", "27310", text]);
    let sd = parse(message.as_bytes(), Sender::Remote).structured_data.unwrap();
    assert_eq!(sd, b"[exampleSDID@1234 bytes=\"217\" status=\"503\"]");
    assert_eq!(param(sd, "exampleSDID@1234", "status").as_deref(), Some(&b"503"[..]));
    // 18
    let text = "Server app/ap02 is DOWN, reason: Layer7 wrong status, code: 404, info: \"HTTP status check returned code <3C>404<3E>\", x";
    check_both(
        &format!("<145>Nov 26 18:14:15 haproxy[27310]: {text}\n"),
        ["local2.alert", "-", "haproxy", "27310", text],
    );
}

#[test]
fn messages_of_nginx() {
    // 19: unix sockets may deliver host plus tag too.
    let text = "198.51.100.9 - - [26/Nov/2026:17:40:12 +0000] \"GET /x HTTP/1.1\" 404 153 \"-\" \"curl/7.88.1\"";
    check_both(
        &format!("<190>Nov 26 17:40:12 web nginx: {text}"),
        ["local7.info", "web", "nginx", "-", text],
    );
    // 20
    let notice = "2026/11/26 17:40:12 [notice] 1#1: nginx/1.22.1";
    check_both(
        &format!("<189>Nov 26 17:40:12  nginx_err: {notice}"),
        ["local7.notice", "-", "nginx_err", "-", notice],
    );
    // 21: the host is the peer's address, known to the caller.
    check_both(
        &format!("<190>Nov 26 17:40:12 ngx: {text}"),
        ["local7.info", "-", "ngx", "-", text],
    );
}

#[test]
fn messages_of_name_servers_keepalived_and_docker() {
    // 22
    let text = "Remote 198.51.100.9 wants 'www.example.org|A', do = 1, bufsize = 1232 (4096): packetcache MISS";
    check_both(
        &format!("<29>Nov 26 17:40:12 pdns_server[812]: {text}"),
        ["daemon.notice", "-", "pdns_server", "812", text],
    );
    // 23
    let raw =
        "[1795713874.412000] Packet from 198.51.100.9:40123 for www.example.org. A with id 4711";
    check_both(raw, ["user.notice", "-", "-", "-", raw]);
    // 24
    check_both(
        "<28>Nov 26 17:40:12 dnsdist[903]: Marking downstream 192.0.2.53:53 as 'down'",
        ["daemon.warning", "-", "dnsdist", "903", "Marking downstream 192.0.2.53:53 as 'down'"],
    );
    // 25, 26
    check_both(
        "<30>Nov 26 17:40:12 Keepalived_vrrp[411]: (VI_1) Entering MASTER STATE",
        ["daemon.info", "-", "Keepalived_vrrp", "411", "(VI_1) Entering MASTER STATE"],
    );
    check_both(
        "<30>Nov 26 17:40:12 keepalived[410]: Starting VRRP child process, pid=411",
        ["daemon.info", "-", "keepalived", "410", "Starting VRRP child process, pid=411"],
    );
    // 27
    check(
        Sender::Remote,
        b"<30>Nov 26 17:40:12 docker1 0d1f2e3c4b5a[771]: hello",
        ["daemon.info", "docker1", "0d1f2e3c4b5a", "771", "hello"],
    );
    // 28
    check_both(
        "<27>1 2026-11-26T17:40:12.000123Z docker1 web/0d1f2e3c4b5a 771 web/0d1f2e3c4b5a - text",
        ["daemon.err", "docker1", "web/0d1f2e3c4b5a", "771", "text"],
    );
    // 29
    check_both("<133>Apr 01 06:12:34 oreore: uso", ["local0.notice", "-", "oreore", "-", "uso"]);
}

#[test]
fn hostile_messages_are_text() {
    // 30 to 36
    check_both("", ["user.notice", "-", "-", "-", ""]);
    let long = "x".repeat(200_000);
    check_both(&long, ["user.notice", "-", "-", "-", &long]);
    check_both("<>x", ["user.notice", "-", "-", "-", "<>x"]);
    check_both("<999>x", ["user.notice", "-", "-", "-", "<999>x"]);
    check_both("<13>", ["user.notice", "-", "-", "-", ""]);
    check_both("\0\0\0", ["user.notice", "-", "-", "-", "\0\0"]);
    check(
        Sender::Remote,
        b"<13>a\x1b[2J\x9b31m",
        ["user.notice", "-", "-", "-", "a\x1b[2J\u{fffd}31m"],
    );
}

#[test]
fn rfc5424_is_recognised_whole_or_not_at_all() {
    let header = "<13>1 2026-11-26T17:40:08Z h a p m";
    check_both(&format!("{header} - \u{feff}text"), ["user.notice", "h", "a", "p", "text"]);
    check_both(&format!("{header} -"), ["user.notice", "h", "a", "p", ""]);
    check_both(header, ["user.notice", "h", "a", "p", ""]);
    check_both("<13>1 - - - - - -", ["user.notice", "-", "-", "-", ""]);
    check_both("<13>1 - - - - - -  x ", ["user.notice", "-", "-", "-", " x "]);
    // Nine digits and a leap second are valid.
    check_both(
        "<13>1 2016-12-31T23:59:60.123456789+01:00 h a p m - x",
        ["user.notice", "h", "a", "p", "x"],
    );
    // Malformed structured data becomes text, without loss.
    for malformed in
        ["[a", "[a b]", "[a b=c] x", "[a b=\"c] x", "[] x", "[a b=\"c\"]x", "no sd", "-x"]
    {
        check_both(&format!("{header} {malformed}"), ["user.notice", "h", "a", "p", malformed]);
    }
    for malformed in [
        "1 ",
        "1 x",
        "1 2026-11-26 h a p m - x",
        "1 - h a p",
        "1 -  a p m - x",
        "2 - h a p m - x",
        "10 - h a p m - x",
        "1 2026-13-26T17:40:08Z h a p m - x",
    ] {
        check_both(&format!("<13>{malformed}"), ["user.notice", "-", "-", "-", malformed]);
    }
}

#[test]
fn times_of_rfc3164_have_many_forms() {
    for time in [
        "Nov 26 17:40:08",
        "Nov  6 17:40:08",
        "Nov 06 17:40:08",
        "Nov 6 17:40:08",
        "Nov 26 2026 17:40:08",
        "Nov 26 17:40:08.123",
        "2026-11-26T17:40:08Z",
        "2026-11-26T17:40:08.1+0100",
    ] {
        let message = format!("<13>{time} tag: x");
        let message = parse(message.as_bytes(), Sender::Remote);
        assert_eq!(message.time, Some(time.as_bytes()));
        assert_eq!((message.program, message.text), (Some(&b"tag"[..]), &b"x"[..]));
    }
    for no_time in [
        "nov 26 17:40:08",
        "Nov 32 17:40:08",
        "Nov 26 24:40:08",
        "Nov 26 17:40",
        "Nov 26 17:40:08x",
        "Nov 26 17:40:08: x",
        "Nov 00 17:40:08",
    ] {
        check_both(&format!("<13>{no_time}"), ["user.notice", "-", "-", "-", no_time]);
    }
    check_both("<13>Nov 26 17:40:08", ["user.notice", "-", "-", "-", ""]);
    check_both("<13>Nov 26 17:40:08 ", ["user.notice", "-", "-", "-", ""]);
}

#[test]
fn a_tag_ends_at_a_bracket_or_a_colon() {
    for (tagged, program, pid, text) in [
        ("tag: x", "tag", "-", "x"),
        ("tag:", "tag", "-", ""),
        ("tag:  x", "tag", "-", " x"),
        ("tag[1]: x", "tag", "1", "x"),
        ("tag[1]:x", "tag", "1", "x"),
        ("tag[1] x", "tag", "1", "x"),
        ("tag[1]", "tag", "1", ""),
        ("postfix/smtpd[1]: x: y", "postfix/smtpd", "1", "x: y"),
        ("Foo::Bar[1]: x", "Foo::Bar", "1", "x"),
        ("%ASA-6-302013: x", "%ASA-6-302013", "-", "x"),
        ("caf\u{e9}: x", "caf\u{e9}", "-", "x"),
    ] {
        let expected = ["user.notice", "-", program, pid, text];
        check_both(&format!("<13>{tagged}"), expected);
        check_both(&format!("<13>Nov 26 17:40:08 {tagged}"), expected);
    }
    let long = format!("{}: x", "t".repeat(PROGRAM_LEN_MAX + 1));
    for text in [
        "no tag",
        "tag[: x",
        "tag[]: x",
        "tag[1: x",
        "tag[1]x",
        "tag[a b]: x",
        "[1]: x",
        ": x",
        "192.0.2.7:49644 x",
        "tag:x",
        "http://host/ x",
        &long,
    ] {
        check_both(&format!("<13>{text}"), ["user.notice", "-", "-", "-", text]);
        check_both(&format!("<13>Nov 26 17:40:08 {text}"), ["user.notice", "-", "-", "-", text]);
    }
    let longest = "t".repeat(PROGRAM_LEN_MAX);
    check_both(&format!("<13>{longest}: x"), ["user.notice", "-", &longest, "-", "x"]);
}

#[test]
fn a_host_is_certain_only_before_a_tag() {
    let time = "<13>Nov 26 17:40:08";
    for host in ["vm", "a.example.org", "192.0.2.7", "2001:db8::7", "fe80::1%eth0", "src@a/b"] {
        check(
            Sender::Remote,
            format!("{time} {host} tag[1]: x").as_bytes(),
            ["user.notice", host, "tag", "1", "x"],
        );
    }
    for text in ["last message repeated 2 times", "a b: x y", "(x) tag: y"] {
        let expected = match text {
            "a b: x y" => ["user.notice", "a", "b", "-", "x y"],
            text => ["user.notice", "-", "-", "-", text],
        };
        check(Sender::Remote, format!("{time} {text}").as_bytes(), expected);
        check(HERE, format!("{time} {text}").as_bytes(), ["user.notice", "-", "-", "-", text]);
    }
    // A local program may write this machine's name, with or without domain.
    for (host, is_here) in [
        ("web", true),
        ("WEB", true),
        ("web.example.org", true),
        ("web.example", true),
        ("we", false),
        ("webx", false),
    ] {
        let message = format!("{time} {host} tag: x");
        let found = parse(message.as_bytes(), HERE).host.is_some();
        assert_eq!(found, is_here, "{host}");
    }
    // Without a time, the first word is text.
    check_both("<13>vm tag: x", ["user.notice", "-", "-", "-", "vm tag: x"]);
}

proptest! {
    #[test]
    fn fields_lie_in_the_message_and_nothing_is_lost(
        pieces in proptest::collection::vec(proptest::sample::select(vec![
            "<13>", "<", ">", "1 ", "- ", " ", "Nov 26 17:40:08 ", "Nov  6 17:40:08",
            "2026-11-26T17:40:08.123456Z ", "host ", "web ", "tag", "tag: ", "[12]", "[12]: ", ":", "[id",
            "[id a=\"b\\\"c\"] ", "\"", "]", "\u{feff}", "\n", "\0", "text", "\u{e9}", "99",
        ]), 0..14),
    ) {
        let bytes = pieces.concat();
        check_fields(bytes.as_bytes(), Sender::Remote);
        check_fields(bytes.as_bytes(), HERE);
    }

    #[test]
    fn any_bytes_are_parsed(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        check_fields(&bytes, Sender::Remote);
        check_fields(&[b"<13>Nov 26 17:40:08 ", &bytes[..]].concat(), Sender::Remote);
        check_fields(&[b"<13>1 - h a p m ", &bytes[..]].concat(), Sender::Remote);
    }
}
