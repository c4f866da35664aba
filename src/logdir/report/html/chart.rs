//! Lines by hour as an SVG picture: bars for the period, a line for the period before.
//!
//! The picture stretches to the width of the page, so its texts are beside it in HTML.

use super::text;
use crate::logdir::tally::HOURS;
use std::fmt::Write as _;

/// Size of the picture in its own units: an hour is ten wide.
const HOUR_WIDTH: usize = 10;
const HEIGHT: f64 = 100.0;
/// Share of the height that the largest count has.
const FILL: f64 = 0.95;

/// Appends the picture, unless there are no lines.
pub fn append(name: &str, hours: &[u64; HOURS], before: &[u64; HOURS], page: &mut String) {
    let largest = hours.iter().chain(before).copied().max().unwrap_or(0);
    if largest == 0 {
        return;
    }
    let width = HOURS * HOUR_WIDTH;
    // Writing to a string cannot fail.
    let _ = writeln!(
        page,
        "<figure><figcaption><span class=\"key\"></span> lines by hour \
         <span class=\"key line\"></span> the period before; {largest} at most</figcaption>\n\
         <svg viewBox=\"0 0 {width} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\">\
         <title>Lines of {} by hour</title>",
        text(name.as_bytes())
    );
    let height = |count: u64| HEIGHT * FILL * count as f64 / largest as f64;
    for (hour, &count) in hours.iter().enumerate() {
        append_bar(hour, count, before[hour], height(count), page);
    }
    append_line(before, height, page);
    *page += "</svg>\n<div class=\"hours\"><span>0:00</span><span>6:00</span><span>12:00</span>\
              <span>18:00</span></div></figure>\n";
    append_table(hours, before, page);
}

fn append_bar(hour: usize, count: u64, before: u64, height: f64, page: &mut String) {
    let (x, y) = (hour * HOUR_WIDTH + 1, HEIGHT - height);
    let width = HOUR_WIDTH - 2;
    let _ = writeln!(
        page,
        "<rect x=\"{x}\" y=\"{y:.1}\" width=\"{width}\" height=\"{height:.1}\">\
         <title>{hour}:00: {count} lines (before: {before})</title></rect>"
    );
}

fn append_line(before: &[u64; HOURS], height: impl Fn(u64) -> f64, page: &mut String) {
    *page += "<path d=\"M0";
    for (hour, &count) in before.iter().enumerate() {
        let begin = if hour == 0 { ' ' } else { 'V' };
        let _ = write!(page, "{begin}{:.1}H{}", HEIGHT - height(count), (hour + 1) * HOUR_WIDTH);
    }
    *page += "\"/>\n";
}

/// The numbers of the picture.
fn append_table(hours: &[u64; HOURS], before: &[u64; HOURS], page: &mut String) {
    *page += "<details><summary>Hours in numbers</summary><table><tr><th class=\"n\">hour</th>\
              <th class=\"n\">lines</th><th class=\"n\">before</th></tr>\n";
    for (hour, (count, before)) in hours.iter().zip(before).enumerate() {
        let _ = writeln!(
            page,
            "<tr><td class=\"n\">{hour}:00</td><td class=\"n\">{count}</td>\
             <td class=\"n\">{before}</td></tr>"
        );
    }
    *page += "</table></details>\n";
}
