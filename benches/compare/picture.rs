//! The ratios as a picture: bars that grow from "as fast as the peer" to the right, on a logarithmic
//! scale. No background and no colour near black or white, so that it can be read on both.

use crate::entrants::Who;
use crate::report::{Race, format_ratio};
use std::fmt::Write;

const WIDTH: f64 = 880.0;
/// Where bars may be, and the space for what they are labelled with.
const LEFT: f64 = 290.0;
const RIGHT: f64 = WIDTH - 50.0;
const TOP: f64 = 62.0;
const LANE: f64 = 13.0;
const BAR: f64 = 8.0;
const GAP: f64 = 12.0;
/// Letters of a label on one line, and its height.
const LABEL_LETTERS: usize = 42;
const LABEL_LINE: f64 = 15.0;

const TEXT: &str = "#767b83";
/// Ratios with a line of their own. The picture goes from one of them to another.
const MARKS: [f64; 12] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0];

/// Places on the picture.
struct Scale {
    ratio_min: f64,
    ratio_max: f64,
}

impl Scale {
    /// The scale that holds all ratios and targets.
    fn of(races: &[&Race]) -> Scale {
        let all = || races.iter().flat_map(|race| race.ratios.iter().chain(&race.targets));
        let least = all().map(|(_, ratio)| *ratio).fold(1.0, f64::min);
        let most = all().map(|(_, ratio)| *ratio).fold(1.0, f64::max);
        Scale {
            ratio_min: MARKS.into_iter().rev().find(|mark| *mark <= least).unwrap_or(MARKS[0]),
            ratio_max: MARKS.into_iter().find(|mark| *mark >= most).unwrap_or(most),
        }
    }

    fn x(&self, ratio: f64) -> f64 {
        let part = (ratio / self.ratio_min).ln() / (self.ratio_max / self.ratio_min).ln();
        LEFT + part.clamp(0.0, 1.0) * (RIGHT - LEFT)
    }

    fn marks(&self) -> impl Iterator<Item = f64> {
        let (least, most) = (self.ratio_min, self.ratio_max);
        MARKS.into_iter().filter(move |mark| (least..=most).contains(mark))
    }
}

/// Draws all races.
pub fn draw(races: &[&Race]) -> String {
    let scale = Scale::of(races);
    let height = TOP + races.iter().map(|race| row_height(race)).sum::<f64>();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"-4 0 {} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\" \
         fill=\"{TEXT}\">\n<title>Throughput as a multiple of that of each peer</title>\n",
        WIDTH + 8.0
    );
    draw_legend(&mut svg);
    draw_marks(&mut svg, &scale, height);
    let mut y = TOP;
    for race in races {
        draw_race(&mut svg, &scale, race, y);
        y += row_height(race);
    }
    svg + "</svg>\n"
}

fn row_height(race: &Race) -> f64 {
    let lanes = race.ratios.len() as f64 * LANE;
    let lines = wrap(&race.work).len() as f64 * LABEL_LINE;
    lanes.max(lines) + GAP
}

fn colour(who: Who) -> &'static str {
    match who {
        Who::Ours => TEXT,
        Who::Daemontools => "#3d85c6",
        Who::S6 => "#d9822b",
        Who::Runit => "#9370c4",
        Who::Cat => "#4c9f5b",
    }
}

fn draw_legend(svg: &mut String) {
    put(
        svg,
        0.0,
        14.0,
        "start",
        "Input taken in the same time, as a multiple of what the peer takes:",
    );
    let mut x = 400.0;
    for who in Who::PEERS {
        put_box(svg, x, 5.0, 10.0, 10.0, colour(who));
        put(svg, x + 15.0, 14.0, "start", who.name());
        x += 28.0 + 7.0 * who.name().len() as f64;
    }
    put_box(svg, x, 4.0, 2.0, 12.0, TEXT);
    put(svg, x + 7.0, 14.0, "start", "target");
}

fn draw_marks(svg: &mut String, scale: &Scale, height: f64) {
    for mark in scale.marks() {
        let (x, opacity) = (scale.x(mark), if mark == 1.0 { 0.9 } else { 0.3 });
        let from = TOP - 14.0;
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.1} {from}V{height}\" stroke=\"{TEXT}\" stroke-opacity=\"{opacity}\"/>"
        );
        put(svg, x, from - 5.0, "middle", &format!("{mark} ×"));
    }
}

fn draw_race(svg: &mut String, scale: &Scale, race: &Race, y: f64) {
    for (line, text) in (1..).zip(wrap(&race.work)) {
        put(svg, 0.0, y + LABEL_LINE * f64::from(line) - 4.0, "start", &text);
    }
    for (lane, (who, ratio)) in (0..).zip(&race.ratios) {
        let y = y + LANE * f64::from(lane);
        let (one, end) = (scale.x(1.0), scale.x(*ratio));
        // A ratio of 1 is a thin line, not nothing.
        put_box(svg, one.min(end), y + 2.0, (end - one).abs().max(2.0), BAR, colour(*who));
        let target = race.target(*who).map(|target| scale.x(target));
        if let Some(target) = target {
            put_box(svg, target - 1.0, y, 2.0, BAR + 4.0, TEXT);
        }
        let number_x = end.max(one).max(target.unwrap_or(one)) + 5.0;
        put(svg, number_x, y + 10.0, "start", &format_ratio(*ratio));
    }
}

fn put(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>");
}

fn put_box(svg: &mut String, x: f64, y: f64, width: f64, height: f64, colour: &str) {
    let _ = writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{colour}\"/>"
    );
}

/// A label on as many lines as it needs, without the marks of Markdown.
fn wrap(text: &str) -> Vec<String> {
    let text = text.replace('`', "");
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= LABEL_LETTERS => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}
