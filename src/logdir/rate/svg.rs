//! Counts as an SVG picture: a panel per directory, a common time axis, legible on light and dark
//! backgrounds.

use super::counts::CountsOfAll;
use crate::logdir::figures;
use std::fmt::Write;

const WIDTH: f64 = 800.0;
/// Panel height including name and time axis.
const PANEL_HEIGHT: f64 = 170.0;
/// Margins around a panel's bars.
const LEFT: f64 = 56.0;
const RIGHT: f64 = 16.0;
const ABOVE: f64 = 30.0;
const BELOW: f64 = 26.0;
/// Limits of bar width.
const BAR_WIDTH_MIN: f64 = 0.5;
const BAR_WIDTH_MAX: f64 = 40.0;
/// The bar color contrasts with both white and black.
const STYLE: &str = "\
svg{color-scheme:light dark;font:12px sans-serif}\
.ground{fill:#fff}text{fill:#222}.axis{stroke:#888}.bar{fill:#2a78c8}\
@media(prefers-color-scheme:dark){.ground{fill:#16181c}text{fill:#e4e4e4}.bar{fill:#5aa0e6}}";

pub fn draw(all: &CountsOfAll) -> String {
    let starts = all.starts();
    let height = PANEL_HEIGHT * all.names().len().max(1) as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n<title>Lines by time</title>\n\
         <style>{STYLE}</style>\n<rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n"
    );
    for number in 0..all.names().len() {
        append_panel(all, &starts, number, PANEL_HEIGHT * number as f64, &mut svg);
    }
    svg += "</svg>\n";
    svg
}

fn append_panel(all: &CountsOfAll, starts: &[i64], number: usize, top: f64, svg: &mut String) {
    let (base, bars_height) = (top + PANEL_HEIGHT - BELOW, PANEL_HEIGHT - ABOVE - BELOW);
    let name = escape(&all.names()[number]);
    let sum = all.sum(number);
    append_text(LEFT, top + 18.0, "start", &format!("{name}: {sum} lines"), svg);
    let largest = all.largest(number);
    append_text(LEFT - 6.0, top + ABOVE + 10.0, "end", &figures::count(largest as f64), svg);
    append_text(LEFT - 6.0, base, "end", "0", svg);
    if let (Some(&first), Some(&last)) = (starts.first(), starts.last()) {
        let end = last + all.secs_of(last);
        let scale = (WIDTH - LEFT - RIGHT) / (end - first).max(1) as f64;
        for &start in starts {
            let count = all.at(start)[number];
            if count > 0 {
                let x = LEFT + (start - first) as f64 * scale;
                let width =
                    (all.secs_of(start) as f64 * scale * 0.9).clamp(BAR_WIDTH_MIN, BAR_WIDTH_MAX);
                let height = bars_height * count as f64 / largest as f64;
                append_bar((x, base - height, width, height), &all.name_of(start), count, svg);
            }
        }
        append_text(LEFT, base + 16.0, "start", &all.name_of(first), svg);
        if last != first {
            append_text(WIDTH - RIGHT, base + 16.0, "end", &all.name_of(last), svg);
        }
    }
    let right = WIDTH - RIGHT;
    // Writing to a string cannot fail.
    let _ = writeln!(
        svg,
        "<line class=\"axis\" x1=\"{LEFT}\" y1=\"{base}\" x2=\"{right}\" y2=\"{base}\"/>"
    );
}

fn append_bar(
    (x, y, width, height): (f64, f64, f64, f64),
    time: &str,
    count: u64,
    svg: &mut String,
) {
    let _ = writeln!(
        svg,
        "<rect class=\"bar\" x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{height:.2}\">\
         <title>{time}: {count}</title></rect>"
    );
}

/// Expects escaped text.
fn append_text(x: f64, y: f64, anchor: &str, text: &str, svg: &mut String) {
    let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{text}</text>");
}

/// Names contain no control characters; XML has no escapes for control characters.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\t', " ")
}
