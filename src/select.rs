//! Which sinks take a line: the patterns of a script, ordered so that few have to be tried.
//!
//! A line is selected for a sink if the last pattern before that sink that matches is a `+`, or if
//! none matches. So the last match is looked for among the patterns between two sinks, and where none
//! matches the line is what it was for the sink before.

use crate::pattern::{self, PATTERN_HEAD_MAX, Pattern};
use crate::pattern_tree::PatternTree;
use crate::script::Action;

/// The first so many bytes of a line, stamp included, decide about it where nothing asks for more
/// (multilog(8)).
pub const HEAD_MAX: usize = PATTERN_HEAD_MAX;

/// The same where something asks for more: what s6-log takes for a line.
pub const LONG_HEAD_MAX: usize = 8192;

/// How it is decided for one sink whether it takes a line.
#[derive(Debug)]
enum Segment {
    /// There is no pattern since the sink before: as for that.
    Same,
    /// Whatever the line.
    Always(bool),
    /// By star patterns, and for each of them whether it selects.
    Stars(PatternTree, Vec<bool>),
    /// By patterns of any language, and whether each selects.
    Mixed(Vec<(bool, Pattern)>),
    /// By what is behind `f`, from whether no sink before this one takes the line.
    Rest(Box<Segment>),
}

/// Decides for each sink of a script whether it takes a line.
#[derive(Debug)]
pub struct Selector {
    segments: Vec<Segment>,
}

impl Selector {
    /// The selector of a script; sinks are numbered in its order.
    pub fn new(actions: &[Action]) -> Selector {
        let mut segments = Vec::new();
        let mut is_rest = false;
        let mut rules = Vec::new();
        for action in actions {
            match action {
                Action::Select(pattern) => rules.push((true, pattern)),
                Action::Deselect(pattern) => rules.push((false, pattern)),
                // It takes back what the patterns before it said.
                Action::SelectRest => {
                    is_rest = true;
                    rules.clear();
                }
                Action::Alert | Action::Stdout | Action::Status(_) | Action::Log(_) => {
                    let segment = Segment::new(&rules);
                    segments.push(if is_rest { segment.of_rest() } else { segment });
                    is_rest = false;
                    rules.clear();
                }
            }
        }
        Selector { segments }
    }

    /// The same for a script that puts labels before its lines, if the text behind them is enough to
    /// judge by; patterns are rarely about the label. The lines need not be put together for it, and those
    /// that nobody takes never are. Only for scripts whose patterns are stars, and lines of which no more than
    /// [`HEAD_MAX`] bytes are looked at.
    pub fn behind_label(actions: &[Action]) -> Option<Selector> {
        let mut behind = Vec::new();
        for action in actions {
            let (pattern, of): (_, fn(Pattern) -> Action) = match action {
                Action::Select(pattern) => (pattern, Action::Select),
                Action::Deselect(pattern) => (pattern, Action::Deselect),
                Action::SelectRest
                | Action::Alert
                | Action::Stdout
                | Action::Status(_)
                | Action::Log(_) => {
                    behind.push(action.clone());
                    continue;
                }
            };
            let Pattern::Stars(pattern) = pattern else { return None };
            match asks_of(pattern) {
                Asks::Text(pattern) => behind.push(of(Pattern::Stars(pattern.to_vec()))),
                Asks::NoLabel => {}
                Asks::Label => return None,
            }
        }
        Some(Selector::new(&behind))
    }

    /// Number of sinks.
    pub fn sink_count(&self) -> usize {
        self.segments.len()
    }

    /// Whether the decision is the same for every line.
    pub fn is_constant(&self) -> bool {
        self.segments.iter().all(Segment::is_constant)
    }

    /// Sets `taken` for each sink, from the first bytes of a line, at most [`LONG_HEAD_MAX`]. Its stamp
    /// and the space behind it are `stamp_len` of them.
    pub fn judge(&self, head: &[u8], stamp_len: usize, taken: &mut [bool]) {
        assert!(head.len() <= LONG_HEAD_MAX);
        let mut selected = true;
        for (sink, segment) in self.segments.iter().enumerate() {
            selected = segment.decide(head, stamp_len, selected, &taken[..sink]);
            taken[sink] = selected;
        }
    }
}

/// What a pattern asks of a line with a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asks<'a> {
    /// That this matches what stands behind the label and its space.
    Text(&'a [u8]),
    /// That there is no label, so it never matches.
    NoLabel,
    /// Something about the label itself.
    Label,
}

/// A star goes to the first byte that equals the one behind it in the pattern: that of a space is the
/// end of the label, and that of a byte that no label has is behind it.
fn asks_of(pattern: &[u8]) -> Asks<'_> {
    match pattern {
        [b'*', b' ', text @ ..] => Asks::Text(text),
        [b'*', b'@' | b'0'..=b'9' | b'a'..=b'f', ..] | [b'@', ..] => Asks::Label,
        [b'*', ..] => Asks::Text(pattern),
        [..] => Asks::NoLabel,
    }
}

impl Segment {
    /// Patterns and whether they select, in order. Those before one that matches every line never
    /// count.
    fn new(rules: &[(bool, &Pattern)]) -> Segment {
        let first = rules.iter().rposition(|(_, pattern)| pattern.is_any_line()).unwrap_or(0);
        let rules = &rules[first..];
        match rules {
            [] => return Segment::Same,
            [(selects, pattern)] if pattern.is_any_line() => return Segment::Always(*selects),
            [_, ..] => {}
        }
        let stars: Option<Vec<&[u8]>> = rules
            .iter()
            .map(|(_, pattern)| match pattern {
                Pattern::Stars(text) => Some(text.as_slice()),
                Pattern::Fnmatch(_) | Pattern::Regex(_) => None,
            })
            .collect();
        match stars {
            Some(stars) => Segment::Stars(
                PatternTree::new(stars.into_iter()),
                rules.iter().map(|&(selects, _)| selects).collect(),
            ),
            None => Segment::Mixed(
                rules.iter().map(|&(selects, pattern)| (selects, pattern.clone())).collect(),
            ),
        }
    }

    /// The same behind `f`.
    fn of_rest(self) -> Segment {
        match self {
            Segment::Always(_) => self,
            Segment::Same | Segment::Stars(..) | Segment::Mixed(_) | Segment::Rest(_) => {
                Segment::Rest(Box::new(self))
            }
        }
    }

    /// Whether it says the same of every line, as far as the segments before it do.
    fn is_constant(&self) -> bool {
        match self {
            Segment::Same | Segment::Always(_) => true,
            Segment::Stars(..) | Segment::Mixed(_) => false,
            Segment::Rest(behind) => behind.is_constant(),
        }
    }

    /// Whether the sink takes the line, where it was selected or not `before`, and the sinks before
    /// took it or not.
    fn decide(&self, head: &[u8], stamp_len: usize, before: bool, taken: &[bool]) -> bool {
        match self {
            Segment::Same => before,
            Segment::Always(selected) => *selected,
            Segment::Stars(tree, selects) => {
                tree.find(pattern::seen(head)).map_or(before, |decisive| selects[decisive])
            }
            Segment::Mixed(rules) => {
                let decisive =
                    rules.iter().rev().find(|(_, pattern)| pattern.matches(head, stamp_len));
                decisive.map_or(before, |&(selects, _)| selects)
            }
            Segment::Rest(behind) => behind.decide(head, stamp_len, !taken.contains(&true), taken),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::Language;
    use proptest::prelude::*;

    /// The order of multilog(8): every action in turn.
    fn slow(actions: &[Action], head: &[u8], stamp_len: usize) -> Vec<bool> {
        let mut selected = true;
        let mut taken = Vec::new();
        for action in actions {
            match action {
                Action::Select(pattern) => selected |= pattern.matches(head, stamp_len),
                Action::Deselect(pattern) => selected &= !pattern.matches(head, stamp_len),
                Action::SelectRest => selected = !taken.contains(&true),
                Action::Alert | Action::Stdout | Action::Status(_) | Action::Log(_) => {
                    taken.push(selected)
                }
            }
        }
        taken
    }

    fn fast(actions: &[Action], head: &[u8], stamp_len: usize) -> Vec<bool> {
        let selector = Selector::new(actions);
        // What is left of the line before must not count.
        let mut taken = vec![true; selector.sink_count()];
        selector.judge(head, stamp_len, &mut taken);
        taken
    }

    fn any_pattern() -> impl Strategy<Value = Pattern> {
        let stars = proptest::collection::vec(proptest::sample::select(b"ab*".to_vec()), 0..4);
        let stars = stars.prop_map(|text| (Language::Stars, text));
        let written = |language, texts: Vec<&'static str>| {
            proptest::sample::select(texts).prop_map(move |text| (language, text.into()))
        };
        let fnmatch = written(Language::Fnmatch, vec!["", "*", "a?", "*b", "[!a]*", "?"]);
        let regex = vec!["", ".*", "a", "^a", "b$", "^$", "^[^a]", "a\\*b", "a|^b"];
        let regex = written(Language::Regex, regex);
        prop_oneof![3 => stars, 1 => fnmatch, 1 => regex]
            .prop_map(|(language, text)| Pattern::new(language, &text).expect("a good pattern"))
    }

    fn any_action() -> impl Strategy<Value = Action> {
        (0..9usize, any_pattern()).prop_map(|(kind, pattern)| match kind {
            0..2 => Action::Select(pattern),
            2..4 => Action::Deselect(pattern),
            4..6 => Action::Alert,
            6..8 => Action::Log(0),
            _ => Action::SelectRest,
        })
    }

    proptest! {
        #[test]
        fn agrees_with_evaluating_every_action(
            actions in proptest::collection::vec(any_action(), 0..12),
            line in proptest::collection::vec(proptest::sample::select(b"ab*".to_vec()), 0..6),
            stamp_len in 0..3_usize,
        ) {
            let stamp_len = stamp_len.min(line.len());
            prop_assert_eq!(fast(&actions, &line, stamp_len), slow(&actions, &line, stamp_len));
            let selector = Selector::new(&actions);
            if selector.is_constant() {
                prop_assert_eq!(fast(&actions, &line, stamp_len), fast(&actions, b"", 0));
            }
        }
    }

    fn stars(text: &[u8]) -> Pattern {
        Pattern::Stars(text.to_vec())
    }

    #[track_caller]
    fn check_behind_label(pattern: &str, expected: Asks) {
        assert_eq!(asks_of(pattern.as_bytes()), expected);
        let actions = [Action::Deselect(stars(pattern.as_bytes())), Action::Log(0)];
        let behind = Selector::behind_label(&actions);
        assert_eq!(behind.is_none(), expected == Asks::Label);
        for text in ["", " ", "x", "x y", "*", "a*", "@", "4", " x"] {
            let line = format!("@400000006b01365f2b6f8d6c {text}");
            if let Some(behind) = &behind {
                let mut taken = [false];
                behind.judge(text.as_bytes(), 0, &mut taken);
                assert_eq!(taken, *slow(&actions, line.as_bytes(), 26), "{pattern:?} on {line:?}");
            }
        }
    }

    #[test]
    fn most_patterns_can_be_tried_behind_the_label() {
        check_behind_label("*", Asks::Text(b"*"));
        check_behind_label("* ", Asks::Text(b""));
        check_behind_label("* x", Asks::Text(b"x"));
        check_behind_label("* *y", Asks::Text(b"*y"));
        check_behind_label("* *", Asks::Text(b"*"));
        check_behind_label("*x", Asks::Text(b"*x"));
        check_behind_label("*x*", Asks::Text(b"*x*"));
        check_behind_label("**", Asks::Text(b"**"));
        check_behind_label("***", Asks::Text(b"***"));
        check_behind_label("", Asks::NoLabel);
        check_behind_label("x", Asks::NoLabel);
        check_behind_label(" ", Asks::NoLabel);
        for pattern in ["*@*", "*4*", "*0 x", "*f", "@*", "@", "*9", "*a*"] {
            check_behind_label(pattern, Asks::Label);
        }
    }

    #[test]
    fn a_script_without_patterns_takes_everything() {
        assert_eq!(fast(&[Action::Alert, Action::Log(0)], b"line", 0), [true, true]);
        assert!(Selector::new(&[Action::Deselect(stars(b"*")), Action::Log(0)]).is_constant());
        assert!(!Selector::new(&[Action::Deselect(stars(b"a")), Action::Log(0)]).is_constant());
    }

    #[test]
    fn the_rest_is_what_no_sink_has_taken() {
        let rest = [
            Action::Deselect(stars(b"b*")),
            Action::Alert,
            Action::Select(stars(b"*")),
            Action::SelectRest,
            Action::Log(0),
            Action::SelectRest,
            Action::Log(1),
        ];
        assert_eq!(fast(&rest, b"a", 0), [true, false, false]);
        assert_eq!(fast(&rest, b"b", 0), [false, true, false]);
        let first = [Action::SelectRest, Action::Log(0)];
        assert_eq!(fast(&first, b"a", 0), [true]);
        assert!(Selector::new(&first).is_constant());
    }
}
