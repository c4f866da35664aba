//! Made-up lines of six services, as their programs write them: mail, DNS, web, SSH, cron and the kernel.
//!
//! What varies in a real log varies here. In a template `{ip}` and other names stand for random values, `{9}` for a
//! number of so many digits, `{hex 8}` and `{base64 8}` for so many letters, `{a|b}` for one of several texts.
//! Equal seeds make equal lines.

/// The services, each with a template a line.
pub const SERVICES: [(&str, &str); 6] = [
    ("mail", include_str!("mail.txt")),
    ("dns", include_str!("dns.txt")),
    ("web", include_str!("web.txt")),
    ("ssh", include_str!("ssh.txt")),
    ("cron", include_str!("cron.txt")),
    ("kernel", include_str!("kernel.txt")),
];

const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
const DIGITS: &[u8] = b"0123456789";
const HEX: &[u8] = b"0123456789abcdef";
const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Letters of Postfix's long queue identifiers.
const QUEUE: &[u8] = b"0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";

/// Random numbers by splitmix64.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// A line of a service.
    pub fn line(&mut self, templates: &[&str]) -> String {
        let template = templates[self.below(templates.len())];
        let mut line = String::with_capacity(200);
        self.fill(template, &mut line);
        line
    }

    fn fill(&mut self, template: &str, line: &mut String) {
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').expect("a closed name");
            line.push_str(before);
            self.value(name, line);
            rest = after;
        }
        line.push_str(rest);
    }

    fn value(&mut self, name: &str, line: &mut String) {
        if name.contains('|') {
            let choices = name.split('|').count();
            line.push_str(name.split('|').nth(self.below(choices)).unwrap_or_default());
        } else if let Ok(len) = name.parse() {
            self.number(len, line);
        } else if let Some((alphabet, len)) = name.split_once(' ') {
            let alphabet = if alphabet == "hex" { HEX } else { BASE64 };
            self.letters(alphabet, len.parse().expect("a length"), line);
        } else {
            self.named(name, line);
        }
    }

    /// At most so many digits, without leading zeros.
    fn number(&mut self, len_max: usize, line: &mut String) {
        let len = 1 + self.below(len_max);
        self.letters(&DIGITS[1..], 1, line);
        self.letters(DIGITS, len - 1, line);
    }

    fn letters(&mut self, alphabet: &[u8], len: usize, line: &mut String) {
        line.extend((0..len).map(|_| char::from(alphabet[self.below(alphabet.len())])));
    }

    fn named(&mut self, name: &str, line: &mut String) {
        match name {
            "word" => {
                let len = 3 + self.below(8);
                self.letters(LETTERS, len, line);
            }
            "path" => (0..=self.below(4)).for_each(|_| self.fill("/{word}", line)),
            "queue" if self.below(2) == 0 => self.letters(b"0123456789ABCDEF", 10, line),
            "queue" => self.letters(QUEUE, 15, line),
            "byte" => line.push_str(&self.below(256).to_string()),
            "two" => self.letters(DIGITS, 2, line),
            _ => {
                let template = ALIASES.iter().find(|(alias, _)| *alias == name);
                let (_, templates) = template.unwrap_or_else(|| panic!("{name} is not known"));
                let template = templates[self.below(templates.len())];
                self.fill(template, line);
            }
        }
    }
}

/// Values that are made of others.
const ALIASES: [(&str, &[&str]); 10] = [
    ("pid", &["{7}"]),
    ("port", &["{5}"]),
    (
        "ip",
        &[
            "{byte}.{byte}.{byte}.{byte}",
            "{byte}.{byte}.{byte}.{byte}",
            "2001:db8:{hex 4}::{hex 3}",
        ],
    ),
    ("domain", &["{word}.{com|org|net|de|io}", "{word}.co.uk"]),
    (
        "host",
        &[
            "mail-{word}{1}-f{3}.{domain}",
            "{word}.{domain}",
            "mx{1}.{word}.{domain}",
            "{byte}-{byte}.{word}.{domain}",
        ],
    ),
    ("client", &["unknown[{ip}]", "{host}[{ip}]", "{host}[{ip}]"]),
    (
        "address",
        &[
            "{word}+{word}@{domain}",
            "bounces-{hex 12}-{5}@{domain}",
            "{word}.{word}@{domain}",
            "{word}@{host}",
        ],
    ),
    ("user", &["{root|admin|test|oracle|ubuntu|git}", "{word}", "{word}{2}"]),
    ("time", &["{two}:{two}:{two}"]),
    (
        "mac",
        &[
            "{hex 2}:{hex 2}:{hex 2}:{hex 2}:{hex 2}:{hex 2}:{hex 2}:{hex 2}:{hex 2}:{hex 2}:{hex 2}:{hex 2}:{hex 2}:{hex 2}",
        ],
    ),
];
