//! `logdir report --html`: the page as headless Chromium shows it.
//!
//! The page forbids scripts. A copy that allows them measures itself, in a frame: windows are at least 500 pixels
//! wide.

use crate::filters::{command, run};
use crate::kinds::{labelled, qmail};
use crate::peers::peer;
use crate::report::{DAY, report, two_days};
use crate::show::put;
use crate::support::Home;
use serde_json::Value;
use std::path::Path;

/// Narrow and wide windows.
const WIDTHS: [u32; 2] = [360, 1200];
/// Contrast of text by WCAG 2.1, level AA.
const CONTRAST_MIN: f64 = 4.5;
/// What a page would do if a line were markup.
const HOSTILE: [&str; 4] = [
    "error </code></td><script>document.title='owned'</script>",
    "error \"><img src=http://192.0.2.1/x onerror=alert(1)> &lt;b&gt;",
    "failed \u{1b}[2J\u{202e}gnp.exe",
    "denied </title></style><iframe src='//192.0.2.1'></iframe>",
];

/// Measures the page: width, colors and what was loaded. The frame around it gets the result.
const MEASURE: &str = r#"
const channels = text => text.match(/[\d.]+/g).map(Number);
const luminance = text => {
  const [r, g, b] = channels(text).map(c => c / 255)
    .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (one, other) => {
  const [a, b] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (a + 0.05) / (b + 0.05);
};
document.querySelectorAll('details').forEach(element => element.open = true);
const ground = getComputedStyle(document.body).backgroundColor;
const all = [...document.body.querySelectorAll('*')];
const texts = all.filter(element => [...element.childNodes]
  .some(node => node.nodeType === 3 && node.data.trim() !== '') && element.tagName !== 'SCRIPT');
const html = texts.filter(element => !element.closest('svg'));
const colors = html.map(element => contrast(getComputedStyle(element).color, ground));
const bars = [...document.querySelectorAll('rect')]
  .map(element => contrast(getComputedStyle(element).fill, ground));
const root = document.documentElement;
const outside = html.filter(element => {
  const box = element.getBoundingClientRect();
  return box.right > root.clientWidth + 0.5 || box.left < -0.5;
});
parent.postMessage('MEASURED' + JSON.stringify({
  title: document.title,
  width: window.innerWidth,
  dark: matchMedia('(prefers-color-scheme: dark)').matches,
  ground,
  overflow: root.scrollWidth - root.clientWidth,
  outside: outside.map(element => element.textContent.slice(0, 40)),
  contrast: Math.min(...colors),
  bars: Math.min(...bars),
  size: Math.min(...html.map(element => parseFloat(getComputedStyle(element).fontSize))),
  rects: bars.length,
  foreign: document.querySelectorAll('script, img, iframe, object, link, form').length - 1,
  loaded: performance.getEntriesByType('resource').length,
}), '*');
"#;

/// A copy of a page that measures itself.
fn measuring(page: &str) -> String {
    let (before, rest) = page.split_once("<meta http-equiv=").expect("a policy");
    let (_, after) = rest.split_once(">\n").expect("the end of the policy");
    let copy = format!("{before}{after}");
    copy.replace("</body></html>", &format!("<script>{MEASURE}</script></body></html>"))
}

/// A frame of this width, whose title becomes what the page in it measures.
fn frame(width: u32) -> String {
    format!(
        "<!doctype html><style>:root{{color-scheme:light dark}}</style>\n\
         <script>onmessage = event => document.title = event.data</script>\n\
         <iframe src=\"copy.html\" style=\"width:{width}px;height:800px;border:0\"></iframe>\n"
    )
}

/// What Chromium makes of the frame.
fn shown(chromium: &Path, home: &Home, is_dark: bool) -> String {
    let mut command = command(chromium);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]);
    command.args(["--disable-background-networking", "--hide-scrollbars", "--dump-dom"]);
    command.args(["--window-size=1300,900", "--virtual-time-budget=10000"]);
    command.arg(format!("--user-data-dir={}", home.path("profile").display()));
    command.arg(format!("--blink-settings=preferredColorScheme={}", u8::from(!is_dark)));
    command.arg(format!("file://{}", home.path("frame.html").display()));
    command.env("HOME", home.path(""));
    let ended = run(command, b"");
    String::from_utf8(ended.stdout).expect("text")
}

#[track_caller]
fn measured(chromium: &Path, home: &Home, width: u32, is_dark: bool) -> Value {
    home.write("frame.html", frame(width), 0o644);
    let dom = shown(chromium, home, is_dark);
    let text = dom.split("<title>MEASURED").nth(1).and_then(|rest| rest.split("</title>").next());
    let text = text.unwrap_or_else(|| panic!("no measurement in {dom}"));
    serde_json::from_str(&text.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))
        .expect(text)
}

/// A page about several services; one writes hostile lines, one very long words.
fn page_of_many(home: &Home) -> String {
    let mut lines = HOSTILE.map(str::to_owned).to_vec();
    lines.push(format!("error {}", "longword".repeat(200)));
    put(home, "web", "current", &labelled(DAY, &lines));
    put(
        home,
        "a-service-with-a-name-that-is-as-long-as-any",
        "current",
        &labelled(DAY, &qmail(true)),
    );
    let dirs = ["qmail", "web", "a-service-with-a-name-that-is-as-long-as-any"];
    let arguments = [&["--html", "page.html"], dirs.as_slice()].concat();
    let (code, text, errors) = report(home, &arguments);
    assert_eq!((code, text.as_str(), errors.as_str()), (Some(1), "", ""));
    String::from_utf8(home.read("page.html")).expect("text")
}

#[test]
fn chromium_shows_the_page_narrow_and_wide_light_and_dark() {
    let Some(chromium) = peer("chromium") else { return };
    let home = two_days();
    let page = page_of_many(&home);
    home.write("copy.html", measuring(&page), 0o644);
    for (width, is_dark) in WIDTHS.into_iter().flat_map(|width| [(width, false), (width, true)]) {
        let found = measured(&chromium, &home, width, is_dark);
        assert_eq!((&found["width"], &found["dark"]), (&width.into(), &is_dark.into()), "{found}");
        assert_eq!((&found["overflow"], &found["outside"]), (&0.into(), &Value::Array(vec![])));
        assert!(found["contrast"].as_f64() >= Some(CONTRAST_MIN), "{found}");
        assert!(found["bars"].as_f64() >= Some(3.0), "{found}");
        assert!(found["size"].as_f64() >= Some(13.0), "{found}");
        assert_eq!(found["rects"], 3 * 24, "{found}");
        assert_eq!((&found["foreign"], &found["loaded"]), (&0.into(), &0.into()), "{found}");
        assert!(
            found["title"].as_str().is_some_and(|title| title.starts_with("Report 2023-11-14"))
        );
    }
}

#[test]
fn a_line_cannot_leave_its_place_in_the_page() {
    let home = two_days();
    let page = page_of_many(&home);
    for text in [
        "&lt;/code&gt;&lt;/td&gt;&lt;script&gt;document.title=&#39;owned&#39;&lt;/script&gt;",
        "&quot;&gt;&lt;img src=http://",
        "failed \\x1b[2J\\xe2\\x80\\xaegnp.exe",
    ] {
        assert!(page.contains(text), "{text} is not in {page}");
    }
    for text in ["<script", "<img", "<iframe", " src=\"", "url(", "@import", "\u{1b}", "\u{202e}"] {
        assert!(!page.contains(text), "{text} is in {page}");
    }
    assert_eq!(page.matches("</style>").count(), 1);
}

#[test]
fn a_page_that_cannot_be_written_is_a_failure_with_its_reason() {
    let home = two_days();
    let (code, text, errors) = report(&home, &["--html", "no/page", "qmail"]);
    assert_eq!((code, text.as_str()), (Some(2), ""));
    let expected = "logdir: warning: unable to write no/page: file does not exist\n";
    assert_eq!(errors, expected);
}
