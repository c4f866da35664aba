//! Tables fitted to terminal width. Long names get their own line, as in df(1); nothing is cut off.

use ::logdir::escape;

/// Default columns.
const WIDTH_DEFAULT: usize = 80;
/// Minimum width of tables.
const WIDTH_MIN: usize = 20;

/// Columns from `COLUMNS`, else from the terminal, else 80.
pub fn width() -> usize {
    let wanted = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let terminal = || {
        terminal_size::terminal_size_of(std::io::stdout())
            .map(|(terminal_size::Width(width), _)| usize::from(width))
    };
    wanted.or_else(terminal).filter(|&width| width >= WIDTH_MIN).unwrap_or(WIDTH_DEFAULT)
}

/// Name with control characters made printable.
pub fn shown(name: &str) -> String {
    escape::shown(name.as_bytes())
}

/// Formats rows with as many cells as the head. Names in the first column, and columns listed in
/// `left`, are left-aligned; other columns right-aligned.
pub fn lay_out(head: &[&str], rows: &[Vec<String>], left: &[usize], width: usize) -> String {
    let cell_widths: Vec<usize> = (0..head.len())
        .map(|column| {
            let cells = rows.iter().map(|row| char_count(&row[column]));
            cells.fold(char_count(head[column]), usize::max)
        })
        .collect();
    let others: usize = cell_widths[1..].iter().map(|width| width + 1).sum();
    let name_width = cell_widths[0].min(width.saturating_sub(others).max(char_count(head[0])));
    let head: Vec<String> = head.iter().map(ToString::to_string).collect();
    let mut text = String::new();
    for row in std::iter::once(&head).chain(rows) {
        let mut line = row[0].clone();
        if char_count(&line) > name_width {
            text += &line;
            text.push('\n');
            line.clear();
        }
        line += &" ".repeat(name_width - char_count(&line));
        for (column, cell) in row.iter().enumerate().skip(1) {
            let cell_width = cell_widths[column];
            line += &match left.contains(&column) {
                true => format!(" {cell:<cell_width$}"),
                false => format!(" {cell:>cell_width$}"),
            };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

fn char_count(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(names: [&str; 2], width: usize, expected: &str) {
        let rows = [vec![names[0], "a", "1"], vec![names[1], "abc", "12"]];
        let rows = rows.map(|row| row.iter().map(ToString::to_string).collect());
        assert_eq!(lay_out(&["NAME", "L", "N"], &rows, &[1], width), expected);
    }

    #[test]
    fn names_have_what_is_left_of_the_line_or_one_of_their_own() {
        check(["x", "y"], 80, "NAME L    N\nx    a    1\ny    abc 12\n");
        check(["x", "long"], 11, "NAME L    N\nx    a    1\nlong abc 12\n");
        check(["x", "longer"], 11, "NAME L    N\nx    a    1\nlonger\n     abc 12\n");
        check(["x", "longer"], 13, "NAME   L    N\nx      a    1\nlonger abc 12\n");
    }

    #[test]
    fn names_cannot_move_the_cursor() {
        assert_eq!(shown("a\x1b[2Jb"), "a\\x1b[2Jb");
    }
}
