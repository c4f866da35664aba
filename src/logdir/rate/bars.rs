//! Counts as text bars, a row per interval. Directories appear side by side if the width allows,
//! else below each other.

use super::counts::CountsOfAll;
use crate::logdir::figures;

/// Minimum columns of a bar.
const BAR_LEN_MIN: usize = 6;
/// Columns of a count by [`figures::count`].
const COUNT_LEN: usize = 5;
const MARK: &str = "#";
/// Longest run of empty intervals drawn row by row; a longer run becomes one row.
const EMPTY_MAX: usize = 2;

/// Draws bars at most `width` columns wide.
pub fn draw(all: &CountsOfAll, width: usize) -> String {
    let rows = rows(all);
    let time_len = all.starts().first().map_or(0, |&start| all.name_of(start).len());
    // Count, two spaces around it, bar.
    let room = width.saturating_sub(time_len);
    let in_a_row = (room / (COUNT_LEN + 2 + BAR_LEN_MIN)).clamp(1, all.names().len().max(1));
    let bar_len = (room / in_a_row).saturating_sub(COUNT_LEN + 2).max(1);
    let numbers: Vec<usize> = (0..all.names().len()).collect();
    let mut text = String::new();
    for group in numbers.chunks(in_a_row) {
        if !text.is_empty() {
            text.push('\n');
        }
        append_head(all, group, time_len, bar_len, &mut text);
        for row in &rows {
            append_row(all, group, row, (time_len, bar_len), &mut text);
        }
    }
    text
}

/// An interval, or a run of empty ones.
enum Row {
    Stretch(i64),
    Nothing,
}

fn rows(all: &CountsOfAll) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut end = None;
    for start in all.starts() {
        if let Some(end) = end {
            append_empty(all, end, start, &mut rows);
        }
        rows.push(Row::Stretch(start));
        end = Some(start + all.secs_of(start));
    }
    rows
}

fn append_empty(all: &CountsOfAll, from: i64, to: i64, rows: &mut Vec<Row>) {
    let mut starts = Vec::new();
    let mut start = from;
    while start < to && starts.len() <= EMPTY_MAX {
        starts.push(start);
        start += all.secs_of(start).max(1);
    }
    if starts.len() > EMPTY_MAX {
        rows.push(Row::Nothing);
    } else {
        rows.extend(starts.into_iter().map(Row::Stretch));
    }
}

/// Names with total lines, above their bars.
fn append_head(
    all: &CountsOfAll,
    group: &[usize],
    time_len: usize,
    bar_len: usize,
    text: &mut String,
) {
    let mut line = " ".repeat(time_len);
    for &number in group {
        let sum = figures::count(all.sum(number) as f64);
        let name: String = all.names()[number].chars().take(bar_len).collect();
        line += &format!(" {sum:>COUNT_LEN$} {name:<bar_len$}");
    }
    *text += line.trim_end();
    text.push('\n');
}

fn append_row(
    all: &CountsOfAll,
    group: &[usize],
    row: &Row,
    (time_len, bar_len): (usize, usize),
    text: &mut String,
) {
    let mut line = match row {
        Row::Nothing => format!("{:^time_len$}", "..."),
        Row::Stretch(start) => {
            let counts = all.at(*start);
            let mut line = format!("{:<time_len$}", all.name_of(*start));
            for &number in group {
                let bar = MARK.repeat(bar(counts[number], all.largest(number), bar_len));
                let count = figures::count(counts[number] as f64);
                line += &format!(" {count:>COUNT_LEN$} {bar:<bar_len$}");
            }
            line
        }
    };
    line.truncate(line.trim_end().len());
    *text += &line;
    text.push('\n');
}

/// Columns of a bar: full width for the largest count, at least one unless zero.
fn bar(count: u64, largest: u64, len: usize) -> usize {
    let share = count as f64 / largest.max(1) as f64;
    ((share * len as f64).round() as usize).clamp(usize::from(count > 0), len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logdir::bucket::Length;
    use crate::logdir::rate::counts::Counts;
    use ::logdir::time::Zone;

    const START: i64 = 1_700_000_000;

    fn counts(name: &str, lines: &[(i64, u64)]) -> Counts {
        let mut counts = Counts::new(name.to_owned(), Length::Seconds(60), Zone::Utc);
        for &(minute, count) in lines {
            for _ in 0..count {
                counts.add(Some(START + 60 * minute), true);
            }
        }
        counts
    }

    fn drawn(all: Vec<Counts>, width: usize) -> String {
        let by = Some(Length::Seconds(60));
        draw(&CountsOfAll::new(all, by, Zone::Utc).unwrap(), width)
    }

    #[test]
    fn one_directory_has_all_the_room() {
        let text = drawn(vec![counts("web", &[(0, 40), (1, 1), (3, 20), (9, 5)])], 63);
        assert_eq!(
            text,
            "                    66 web\n\
             2023-11-14 22:13    40 ########################################\n\
             2023-11-14 22:14     1 #\n\
             2023-11-14 22:15     0\n\
             2023-11-14 22:16    20 ####################\n\
             \u{20}     ...\n\
             2023-11-14 22:22     5 #####\n"
        );
    }

    #[test]
    fn several_stand_side_by_side_and_then_below_each_other() {
        let names = ["web", "a-name-that-is-long", "dns", "db", "ntp", "ftp"];
        let all =
            |count: usize| names[..count].iter().map(|name| counts(name, &[(0, 3)])).collect();
        let two = drawn(all(2), 80);
        assert_eq!(two.lines().count(), 2, "{two}");
        let six = drawn(all(6), 80);
        assert_eq!(six.lines().count(), 2 * 2 + 1, "{six}");
        for text in [two, six, drawn(all(6), 20)] {
            assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        }
    }
}
