use super::rules::RuleSet;
use super::*;
use crate::KindHash;
use proptest::prelude::*;

#[path = "../../../../benches/reports/services.rs"]
mod services;

const LINES_OF_SERVICE: usize = 2000;
/// Texts that may cross the border of two blocks.
const ACROSS: [&str; 14] = [
    "2001:db8::1",
    "::1",
    "dead::beef",
    "192.0.2.1",
    "www.example.org",
    "<anna@example.org>",
    "anna+b@example.org",
    "for user anna",
    "sudo:   bob : TTY",
    "5 Nov 1",
    "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    "nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8=",
    "http://x/home/anna",
    "abcdefabcd bcdfghjklmnp vethabcdef \"a\" 1.2.3",
];

/// The definition, tried at every byte.
fn mask_slowly(line: &[u8]) -> Masked {
    let line = &line[..line.len().min(LINE_LEN_MAX)];
    let mut masked = Masked::default();
    let mut pos = 0;
    while pos < line.len() && masked.text.len() < KIND_LEN_MAX {
        match rules::first(RuleSet::MAX >> 1, line, pos) {
            Some((rule, range)) => pos = masked.replace(rule, line, pos, range),
            None => {
                masked.text.push(line[pos]);
                pos += 1;
            }
        }
    }
    masked.text.truncate(KIND_LEN_MAX);
    masked
}

fn masked(line: &[u8]) -> Masked {
    let mut masked = Masked::default();
    mask(line, &mut masked);
    masked
}

#[track_caller]
fn check(line: &str, expected: &str) {
    assert_eq!(String::from_utf8_lossy(&masked(line.as_bytes()).text), expected, "{line}");
}

#[test]
fn what_varies_is_masked() {
    check("", "");
    check("starting up", "starting up");
    check("new msg 524303", "new msg #");
    check("did_1+0+0/", "did_#+#+#/");
    check("from <a-b=c.org@lists.example.net> qp 1", "from <{mail}> qp #");
    check("to local mail.example.org-anna@mail.example.org", "to local {mail}");
    check("mail to a@example.org.", "mail to {mail}.");
    check(
        "success: 192.0.2.26_accepted_message./Remote_host_said:_250_2.0.0_Ok:_queued_as_8CD021DB2/",
        "success: {ip}_accepted_message./Remote_host_said:_#_#_Ok:_queued_as_#/",
    );
    check("9F1A2B: a 123456: b", "#: a #: b");
    check("facade decade added", "facade decade added");
    check("eth0 on ext4, 0x1f, 10ms", "eth# on ext#, #, #ms");
    check("id f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "id #");
    check("from 2001:db8::1 port 22 at 10:11:12", "from {ip} port # at #:#:#");
    check("peer ::1, ::ffff:192.0.2.1: refused", "peer {ip}, {ip}: refused");
    check("mac 52:54:00:ab:cd:ef x", "mac {ip} x");
    check("1.2.3.4.5 and 1.2.3.4:80 and 1.2.3", "# and {ip}:# and #");
    check("\"GET /x HTTP/1.1\" 200 \"\"", "\"*\" # \"\"");
    check("{\"level\":\"error\",\"n\":1}", "{\"level\":\"*\",\"n\":#}");
    check("a \"b", "a \"b");
    check("fetch https://example.org/a?b=1 done", "fetch https://{url} done");
    check("open /home/anna/x.txt: no /etc/passwd", "open /home/{path}: no /etc/passwd");
    check("query: www.example.com IN A", "query: {host} IN A");
    check(
        "Failed password for invalid user bob from 192.0.2.1 port 9 ssh2",
        "Failed password for invalid user {name} from {ip} port # ssh#",
    );
    check("user unknown", "user unknown");
    check("invalid user ", "invalid user ");
    check("Failed password for root from ::1", "Failed password for {name} from {ip}");
    check(
        "sshd[12]: User bob from 192.0.2.1 not allowed",
        "sshd[#]: User {name} from {ip} not allowed",
    );
    check("sudo:   bob : TTY=pts/1", "sudo:   {name} : TTY=pts/#");
    check("192.0.2.1 - bob [26/Nov/2026:17:40:12 +0000]", "{ip} - {name} [#/#/#:#:#:# +#]");
    check("192.0.2.1 - - [26/Dec/2026]", "{ip} - - [#/#/#]");
    check("Fri Nov 27 03:14:33, Mon, 5 Jan", "# # # #:#:#, #, # Jan");
    check("May I, on Sun: sun 5", "May I, on Sun: sun #");
    check("helo=<ylmf-pc> from=<> to=<a@b.org>", "helo=<*> from=<> to=<{mail}>");
    check("imap(anna)<1234><rn7Zk/HR2+leeLDj>", "imap(anna)<*><*>");
    check("<html><body>failed</body>", "<html><body>failed</body>");
    check("SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8", "SHA#:#");
    check("ED25519 SHA256://bcdfghjklmnpqrst, libc.so.6[1000+eafbab]", "# SHA#:#, libc.so.#[#+#]");
    check("lib/python3/app/models/User2", "lib/python#/app/models/User#");
    check("qCYgQzsXfRxrqbJ: removed AFFEDCBAAB: defaced", "#: removed #: defaced");
    check("zone example.org/IN in conf.d/main.rs", "zone {host}/IN in conf.d/main.rs");
    check("java.lang.NullPointerException: x", "java.lang.NullPointerException: x");
    check("relay none, delay=5, delays=0.1/0/1.5/2", "relay none, delay=#, delays=#/#/#/#");
    check("smtp:2001:db8::1, 2001:db8::1:49644 b", "smtp:{ip}, {ip}:# b");
    check("MAC=52:54:00:ab:cd:ef:52:54:00:ab:cd:ee:08:00 id=046d vethaa12345", "MAC={ip} id=# #");
}

#[test]
fn addresses_are_found() {
    let line = b"<a@b.org> from 192.0.2.1, ::1 and c@d.org";
    let found: Vec<&[u8]> = masked(line).addresses.into_iter().map(|range| &line[range]).collect();
    let expected: [&[u8]; 4] = [b"a@b.org", b"192.0.2.1", b"::1", b"c@d.org"];
    assert_eq!(found, expected);
}

#[test]
fn lines_and_kinds_are_bounded() {
    assert_eq!(masked(&[b'o'; KIND_LEN_MAX + 1]).text.len(), KIND_LEN_MAX);
    assert_eq!(masked(&[b'1'; LINE_LEN_MAX + 1]).text, b"#");
    assert_eq!(masked(&[0xff; 10]).text, [0xff; 10]);
}

/// Lines of a service, and the hash of their masked texts and addresses. States keep hashes of kinds, so a
/// text may change only together with the version of the state.
#[track_caller]
fn check_service(name: &str, expected: &str) {
    let (number, (_, templates)) =
        (0..).zip(services::SERVICES).find(|(_, service)| service.0 == name).expect("a service");
    let templates: Vec<&str> = templates.lines().collect();
    let mut dice = services::Dice(number);
    let mut all = Vec::new();
    for _ in 0..LINES_OF_SERVICE {
        let line = dice.line(&templates);
        let masked = masked(line.as_bytes());
        assert_eq!(masked, mask_slowly(line.as_bytes()), "{line}");
        all.extend_from_slice(&masked.text);
        all.extend(format!("{:?}\n", masked.addresses).bytes());
    }
    assert_eq!(KindHash::of(&all).to_string(), expected, "{name}");
}

#[test]
fn lines_of_six_services_have_the_kinds_that_they_always_had() {
    check_service("mail", "369713e355c03410");
    check_service("dns", "57169c4c4b6b1b18");
    check_service("web", "a3b1efa219aada8a");
    check_service("ssh", "1a306e92434bf7a7");
    check_service("cron", "33efeebb532cdd9c");
    check_service("kernel", "9ed67ef3ed7d09a1");
}

#[test]
fn what_crosses_blocks_is_masked() {
    for before in 0..2 * BLOCK_LEN {
        for text in ACROSS {
            let line = format!("{}{text}", "o ".repeat(before / 2) + &" "[..before % 2]);
            assert_eq!(masked(line.as_bytes()), mask_slowly(line.as_bytes()), "{line}");
        }
    }
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,6}",
        "[a-z]{1,12}",
        "[a-fA-F0-9]{1,17}",
        "[ .:/+=-]",
        "[a-f0-9:.@<>\"/_-]{1,9}",
        Just("for user ".to_owned()),
        Just("sudo:  ".to_owned()),
        Just("SHA256:".to_owned()),
        Just("anna@".to_owned()),
        Just("veth".to_owned()),
        Just("Nov 1".to_owned()),
        Just("/home/".to_owned()),
        Just("http://".to_owned()),
        Just("192.0.2.1".to_owned()),
        Just("www.example.org".to_owned()),
    ]
}

proptest! {
    #[test]
    fn the_fast_way_masks_as_the_slow_way(words in proptest::collection::vec(word(), 0..40)) {
        let line = words.concat();
        prop_assert_eq!(masked(line.as_bytes()), mask_slowly(line.as_bytes()));
    }

    #[test]
    fn any_bytes_are_masked_alike(line in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert_eq!(masked(&line), mask_slowly(&line));
    }

    #[test]
    fn numbers_do_not_make_kinds(one in 0..u64::MAX, other in 0..u64::MAX) {
        let kind = |number: u64| masked(format!("msg {number}: took {number}ms").as_bytes()).text;
        prop_assert_eq!(kind(one), kind(other));
    }
}
