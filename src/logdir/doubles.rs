//! Lines that a script writes to several directories of a service, such as `main` and `alert`, as one
//! line each.
//!
//! A line is a copy if it has the label and the text of a line in another directory of the service. The
//! second of two equal lines in one directory is a copy of the second in the other one. Only lines of one
//! label are compared, so only these are held.

use ::logdir::read::stamp::Moment;
use std::collections::HashMap;

/// Most bytes of lines of one label that are compared. Further copies are separate lines.
const COMPARED_LEN_MAX: usize = 1024 * 1024;
/// What a line counts beside its text.
const LINE_LEN: usize = 128;

/// A line: the directories that have it, ascending unless it is read while it is written, each with what
/// is known of the line there.
pub type Copies<T> = Vec<(usize, T)>;

/// The label and the text of a line.
#[derive(Clone, Copy, Debug)]
pub struct Compared<'a> {
    /// The moment that the line belongs to.
    pub moment: Option<Moment>,
    /// False if the moment is that of an earlier line.
    pub is_stamped: bool,
    /// The text after the stamp.
    pub text: &'a [u8],
}

/// Holds the lines of one label.
#[derive(Debug)]
pub struct Doubles<T> {
    /// The service of each directory that shares its service with another.
    services: Vec<Option<usize>>,
    moment: Option<Moment>,
    /// In order. `None` if a later place took the line over.
    lines: Vec<Option<Copies<T>>>,
    texts: HashMap<(usize, bool, Vec<u8>), Text>,
    compared_len: usize,
}

/// Equal lines.
#[derive(Debug, Default)]
struct Text {
    /// Position of the first, second … of them in `lines`; `None` after it was taken.
    positions: Vec<Option<usize>>,
    /// How many each directory has.
    counts: Vec<(usize, usize)>,
}

impl Text {
    /// Counts a line of a directory: its number among the equal ones there, from 0 on.
    fn count(&mut self, number: usize) -> usize {
        let known = self.counts.iter_mut().find(|(other, _)| *other == number);
        match known {
            Some((_, count)) => {
                *count += 1;
                *count - 1
            }
            None => {
                self.counts.push((number, 1));
                0
            }
        }
    }
}

impl<T> Doubles<T> {
    /// Service of each directory; `None` excludes a directory from comparison.
    pub fn new<S: PartialEq>(services: &[Option<S>]) -> Doubles<T> {
        let number = |service: &Option<S>| {
            let is_same = |other: &Option<S>| service.is_some() && other == service;
            let first = services.iter().position(is_same)?;
            (services.iter().filter(|&other| is_same(other)).count() > 1).then_some(first)
        };
        Doubles {
            services: services.iter().map(number).collect(),
            moment: None,
            lines: Vec::new(),
            texts: HashMap::new(),
            compared_len: 0,
        }
    }

    /// True if a line of this directory need not be held.
    pub fn passes(&self, number: usize, moment: Option<Moment>) -> bool {
        self.lines.is_empty() && (self.services[number].is_none() || moment.is_none())
    }

    /// True if no line that is held has a copy from here on.
    pub fn is_over(&self, moment: Option<Moment>) -> bool {
        let is_full = self.compared_len >= COMPARED_LEN_MAX;
        self.compared_len > 0 && (self.moment != moment || is_full)
    }

    /// True if lines are held.
    pub fn holds(&self) -> bool {
        !self.lines.is_empty()
    }

    /// Holds a line, or counts it as a copy of a held line. A line keeps its position in the directory with the lowest number.
    pub fn hold(&mut self, number: usize, compared: Compared<'_>, line: T) {
        let Compared { moment, is_stamped, text } = compared;
        self.moment = moment;
        self.compared_len += text.len() + LINE_LEN;
        let here = self.lines.len();
        let Some(service) = self.services[number] else {
            self.lines.push(Some(vec![(number, line)]));
            return;
        };
        let text = self.texts.entry((service, is_stamped, text.to_vec())).or_default();
        let nth = text.count(number);
        match text.positions.get(nth) {
            None => {
                text.positions.push(Some(here));
                self.lines.push(Some(vec![(number, line)]));
            }
            // Written too late for the line to show it.
            Some(None) => {}
            Some(&Some(position)) => {
                let Some(copies) = &mut self.lines[position] else { return };
                if copies[0].0 < number {
                    copies.push((number, line));
                } else {
                    copies.insert(0, (number, line));
                    let copies = self.lines[position].take();
                    self.lines.push(copies);
                    text.positions[nth] = Some(here);
                }
            }
        }
    }

    /// Takes the lines that are held, in order. Later copies of them are still left out.
    pub fn take(&mut self) -> impl Iterator<Item = Copies<T>> + use<T> {
        for text in self.texts.values_mut() {
            text.positions.fill(None);
        }
        std::mem::take(&mut self.lines).into_iter().flatten()
    }

    /// As [`Doubles::take`], before a line of another label.
    pub fn finish(&mut self) -> impl Iterator<Item = Copies<T>> + use<T> {
        self.texts.clear();
        self.compared_len = 0;
        std::mem::take(&mut self.lines).into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(doubles: &mut Doubles<char>, number: usize, text: char) {
        let moment = Some(Moment { unix_secs: 1, nanos: 0 });
        let text_bytes = text.to_string();
        let compared = Compared { moment, is_stamped: true, text: text_bytes.as_bytes() };
        doubles.hold(number, compared, text);
    }

    fn shown(lines: impl Iterator<Item = Copies<char>>) -> String {
        let line = |copies: Copies<char>| {
            let numbers: String = copies.iter().map(|(number, _)| number.to_string()).collect();
            format!("{}{numbers}", copies[0].1)
        };
        lines.map(line).collect::<Vec<_>>().join(" ")
    }

    #[track_caller]
    fn check(lines: &[(usize, char)], expected: &str) {
        let mut doubles = Doubles::new(&[Some("web"), Some("web"), None, Some("db")]);
        for &(number, text) in lines {
            hold(&mut doubles, number, text);
        }
        assert_eq!(shown(doubles.finish()), expected);
    }

    #[test]
    fn equal_lines_of_one_service_are_one_line() {
        check(&[(0, 'a'), (0, 'b'), (1, 'b')], "a0 b01");
        check(&[(0, 'a'), (0, 'a'), (1, 'a'), (1, 'c')], "a01 a0 c1");
        check(&[(0, 'a'), (1, 'a'), (1, 'a')], "a01 a1");
        check(&[(0, 'a'), (2, 'a'), (3, 'a')], "a0 a2 a3");
        // Read backward, the directory with the lowest number is last and gives the place.
        check(&[(1, 'b'), (1, 'a'), (0, 'c'), (0, 'b')], "a1 c0 b01");
    }

    #[test]
    fn a_copy_after_its_line_was_taken_is_left_out() {
        let mut doubles = Doubles::new(&[Some(0), Some(0)]);
        hold(&mut doubles, 0, 'a');
        assert_eq!(shown(doubles.take()), "a0");
        hold(&mut doubles, 1, 'a');
        hold(&mut doubles, 1, 'b');
        assert_eq!(shown(doubles.take()), "b1");
        assert!(doubles.is_over(None) && !doubles.holds());
    }

    #[test]
    fn lines_that_are_compared_have_a_bound() {
        let mut doubles = Doubles::new(&[Some(0), Some(0)]);
        let moment = Some(Moment { unix_secs: 1, nanos: 0 });
        let text = vec![b'a'; COMPARED_LEN_MAX];
        let compared = Compared { moment, is_stamped: true, text: &text };
        doubles.hold(0, compared, ());
        assert!(doubles.is_over(moment));
        assert_eq!(doubles.finish().count(), 1);
        assert!(!doubles.is_over(moment));
    }

    #[test]
    fn directories_without_a_sibling_are_not_held() {
        let doubles: Doubles<()> = Doubles::new(&[Some("web"), None, Some("db")]);
        assert!((0..3).all(|number| doubles.passes(number, None)));
    }
}
