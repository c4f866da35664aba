//! Metrics in the text format of Prometheus.

use std::fmt::{Display, Write as _};

/// Appends a metric with its samples, each with its labels, such as `{log="web"}`, and a value. A metric without
/// samples is left out. One whose name ends in `_total` is a counter, any other a gauge.
pub fn append<V: Display>(
    text: &mut String,
    name: &str,
    help: &str,
    samples: impl IntoIterator<Item = (String, V)>,
) {
    let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
    for (number, (labels, value)) in samples.into_iter().enumerate() {
        // Writing to a string cannot fail.
        if number == 0 {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        }
        let _ = writeln!(text, "{name}{labels} {value}");
    }
}

/// A label's value in quotes; backslash, quote and line end are escaped.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_labels_are_escaped() {
        assert_eq!(quoted("a\"b\\c\nd"), "\"a\\\"b\\\\c\\nd\"");
    }

    #[test]
    fn a_metric_has_one_head_and_is_left_out_without_samples() {
        let mut text = String::new();
        append(
            &mut text,
            "a_total",
            "All.",
            [("{x=\"1\"}".to_owned(), 1), ("{x=\"2\"}".to_owned(), 2)],
        );
        append(&mut text, "b", "None.", Vec::<(String, u8)>::new());
        append(&mut text, "c", "One.", [(String::new(), 0.5)]);
        let expected = "# HELP a_total All.\n# TYPE a_total counter\na_total{x=\"1\"} 1\na_total{x=\"2\"} 2\n\
                        # HELP c One.\n# TYPE c gauge\nc 0.5\n";
        assert_eq!(text, expected);
    }
}
