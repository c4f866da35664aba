//! The report as a single HTML page, with its style and pictures in it and without any script.
//!
//! All texts of logs pass [`text`]. The page's own policy forbids a browser to load or run anything.

mod chart;

use crate::logdir::figures;
use crate::logdir::report::periods::Periods;
use crate::logdir::report::section::{Row, Section};
use crate::logdir::report::text::local;
use ::logdir::escape;
use ::logdir::read::stamp::Moment;
use std::fmt::Write as _;

const STYLE: &str = include_str!("html/style.css");
/// What a browser may use.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
                      form-action 'none'";

/// The page; lists end after `count_max` rows.
pub fn write(sections: &[Section], periods: &Periods, count_max: usize) -> String {
    let (since, until) = (local(periods.now.0), local(periods.now.1));
    let [now, before] = [periods.now, periods.before].map(|(since, until)| {
        format!("<time>{}</time> to <time>{}</time>", local(since), local(until))
    });
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>Report {since} to {until}</title>\n<style>\n{STYLE}</style></head>\n<body>\n\
         <h1>Report {now}</h1>\n<p class=\"faint\">against {before}</p>\n"
    );
    if sections.len() > 1 {
        append_overview(sections, &mut page);
    }
    for (number, section) in sections.iter().enumerate() {
        append_section(number, section, count_max, &mut page);
    }
    page += "</body></html>\n";
    page
}

/// A row for each service.
fn append_overview(sections: &[Section], page: &mut String) {
    *page += "<table><tr><th>service</th>";
    for head in ["lines", "before", "new", "gone", "trouble"] {
        let _ = write!(page, "<th class=\"n\">{head}</th>");
    }
    *page += "</tr>\n";
    for (number, section) in sections.iter().enumerate() {
        let name = text(section.name.as_bytes());
        let bad = if section.logger.is_empty() { "" } else { " <span class=\"bad\">!</span>" };
        let _ = write!(page, "<tr><td><a href=\"#s{number}\">{name}</a>{bad}</td>");
        let [lines, before] = [section.lines, section.lines_before].map(|count| count as f64);
        let counts = [&section.new, &section.gone, &section.trouble].map(|rows| rows.len() as f64);
        for count in [lines, before].into_iter().chain(counts) {
            let _ = write!(page, "<td class=\"n\">{}</td>", figures::count(count));
        }
        *page += "</tr>\n";
    }
    *page += "</table>\n";
}

fn append_section(number: usize, section: &Section, count_max: usize, page: &mut String) {
    let name = text(section.name.as_bytes());
    let (bytes, before) = (figures::bytes(section.bytes), figures::bytes(section.bytes_before));
    let _ = writeln!(
        page,
        "<h2 id=\"s{number}\">{name}</h2>\n<p>{} lines <span class=\"faint\">(before: {})</span>, \
         {bytes} <span class=\"faint\">({before})</span>, {} kinds</p>",
        section.lines, section.lines_before, section.kind_count
    );
    if section.other_count > 0 {
        let count = section.other_count;
        let _ = writeln!(page, "<p>{count} lines are of further kinds, not listed</p>");
    }
    for sentence in &section.logger {
        let _ = writeln!(page, "<p class=\"bad\">! {}</p>", text(sentence.as_bytes()));
    }
    chart::append(&section.name, &section.hours, &section.hours_before, page);
    append_rows("New", &section.new, true, count_max, page);
    append_rows("Gone", &section.gone, false, count_max, page);
    append_rows("Trouble", &section.trouble, true, count_max, page);
    append_rows("Most frequent", &section.frequent, false, count_max, page);
    append_addresses(section, count_max, page);
}

fn append_rows(head: &str, rows: &[Row], has_examples: bool, count_max: usize, page: &mut String) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(
        page,
        "<h3>{head}</h3>\n<table><tr><th class=\"n\">count</th><th class=\"n\">before</th>\
         <th>kind</th></tr>"
    );
    for row in rows.iter().take(count_max) {
        append_row(row, has_examples, page);
    }
    *page += "</table>\n";
    append_rest(rows.len(), count_max, "kinds", page);
}

fn append_row(row: &Row, has_example: bool, page: &mut String) {
    let (count, before, kind) = (row.kind.count, row.before, text(&row.kind.text));
    let _ = write!(
        page,
        "<tr><td class=\"n\">{count}</td><td class=\"n\">{before}</td><td><code>{kind}</code>"
    );
    if has_example {
        let time = |moment: Option<Moment>| moment.map_or_else(|| "-".to_owned(), local);
        let (first, last) = (time(row.kind.first), time(row.kind.last));
        let example = text(&row.kind.example);
        let _ = write!(
            page,
            "<small class=\"faint\">{} {first} - {last}<br><code>{example}</code></small>",
            row.hash
        );
    }
    *page += "</td></tr>\n";
}

fn append_addresses(section: &Section, count_max: usize, page: &mut String) {
    if section.addresses.is_empty() {
        return;
    }
    let sample = if section.is_sample { " (of a sample of 8192)" } else { "" };
    let _ = writeln!(
        page,
        "<h3>Addresses{sample}</h3>\n<table><tr><th class=\"n\">count</th><th>address</th></tr>"
    );
    for (address, count) in section.addresses.iter().take(count_max) {
        let address = text(address.as_bytes());
        let _ =
            writeln!(page, "<tr><td class=\"n\">{count}</td><td><code>{address}</code></td></tr>");
    }
    *page += "</table>\n";
    append_rest(section.addresses.len(), count_max, "addresses", page);
}

fn append_rest(count: usize, count_max: usize, what: &str, page: &mut String) {
    if count > count_max {
        let count = count - count_max;
        let _ =
            writeln!(page, "<p class=\"faint\">and {count} further {what}; --all lists them</p>");
    }
}

/// Any bytes as text of a page.
fn text(bytes: &[u8]) -> String {
    let mut html = String::new();
    for char in escape::shown(bytes).chars() {
        match char {
            '&' => html += "&amp;",
            '<' => html += "&lt;",
            '>' => html += "&gt;",
            '"' => html += "&quot;",
            '\'' => html += "&#39;",
            _ => html.push(char),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bytes_are_markup() {
        for (bytes, expected) in [
            (b"</code><script>x&y".as_slice(), "&lt;/code&gt;&lt;script&gt;x&amp;y"),
            (b"\"'", "&quot;&#39;"),
            ("\u{202e}gnp".as_bytes(), "\\xe2\\x80\\xaegnp"),
            (b"\x1b[2J\xff\0", "\\x1b[2J\\xff\\x00"),
        ] {
            assert_eq!(text(bytes), expected);
        }
    }
}
