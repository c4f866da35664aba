//! Which sinks take a line: the patterns of a script, ordered so that few have to be tried.
//!
//! A line is selected for a sink if the last pattern before that sink that matches is a `+`, or if
//! none matches. So the last match is looked for among the patterns between two sinks, and where none
//! matches the line is what it was for the sink before.

use crate::pattern_tree::PatternTree;
use crate::script::Action;

/// The first so many bytes of a line, stamp included, are what patterns see (multilog(8)).
pub const HEAD_MAX: usize = 1000;

/// The patterns in front of one sink, behind the sink before it.
#[derive(Debug)]
struct Segment {
    /// For each pattern, whether it selects.
    selects: Vec<bool>,
    patterns: PatternTree,
    /// What is decided for every line, if it does not depend on the line.
    always: Option<bool>,
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
        let mut rules: Vec<(bool, &[u8])> = Vec::new();
        for action in actions {
            match action {
                Action::Select(pattern) => rules.push((true, pattern)),
                Action::Deselect(pattern) => rules.push((false, pattern)),
                Action::Alert | Action::Status(_) | Action::Log(_) => {
                    segments.push(Segment::new(&rules));
                    rules.clear();
                }
            }
        }
        Selector { segments }
    }

    /// The same for a script that puts labels before its lines, if the text behind them is enough to
    /// judge by; patterns are rarely about the label. The lines need not be put together for it, and those
    /// that nobody takes never are.
    pub fn behind_label(actions: &[Action]) -> Option<Selector> {
        let mut behind = Vec::new();
        for action in actions {
            let (pattern, of): (_, fn(Vec<u8>) -> Action) = match action {
                Action::Select(pattern) => (pattern, Action::Select),
                Action::Deselect(pattern) => (pattern, Action::Deselect),
                Action::Alert | Action::Status(_) | Action::Log(_) => {
                    behind.push(action.clone());
                    continue;
                }
            };
            match asks_of(pattern) {
                Asks::Text(pattern) => behind.push(of(pattern.to_vec())),
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
        self.segments.iter().all(|segment| segment.selects.is_empty() || segment.always.is_some())
    }

    /// Sets `taken` for each sink, from the first [`HEAD_MAX`] bytes of a line.
    pub fn judge(&self, head: &[u8], taken: &mut [bool]) {
        assert!(head.len() <= HEAD_MAX);
        let mut selected = true;
        for (segment, taken) in self.segments.iter().zip(taken) {
            selected = segment.decide(head).unwrap_or(selected);
            *taken = selected;
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
    /// Patterns and whether they select, in order. Those before one that matches everything never
    /// count.
    fn new(rules: &[(bool, &[u8])]) -> Segment {
        let first = rules.iter().rposition(|(_, pattern)| *pattern == b"*").unwrap_or(0);
        let rules = &rules[first..];
        let always = rules.split_first().filter(|(first, rest)| first.1 == b"*" && rest.is_empty());
        Segment {
            selects: rules.iter().map(|&(selects, _)| selects).collect(),
            patterns: PatternTree::new(rules.iter().map(|&(_, pattern)| pattern)),
            always: always.map(|(only, _)| only.0),
        }
    }

    fn decide(&self, head: &[u8]) -> Option<bool> {
        if self.selects.is_empty() || self.always.is_some() {
            return self.always;
        }
        self.patterns.find(head).map(|decisive| self.selects[decisive])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern;
    use proptest::prelude::*;

    /// The order of multilog(8): every action in turn.
    fn slow(actions: &[Action], head: &[u8]) -> Vec<bool> {
        let mut selected = true;
        let mut taken = Vec::new();
        for action in actions {
            match action {
                Action::Select(pattern) => selected |= pattern::matches(pattern, head),
                Action::Deselect(pattern) => selected &= !pattern::matches(pattern, head),
                Action::Alert | Action::Status(_) | Action::Log(_) => taken.push(selected),
            }
        }
        taken
    }

    fn fast(actions: &[Action], head: &[u8]) -> Vec<bool> {
        let selector = Selector::new(actions);
        let mut taken = vec![false; selector.sink_count()];
        selector.judge(head, &mut taken);
        taken
    }

    fn any_action() -> impl Strategy<Value = Action> {
        let pattern = proptest::collection::vec(proptest::sample::select(b"ab*".to_vec()), 0..4);
        (0..4usize, pattern).prop_map(|(kind, pattern)| match kind {
            0 => Action::Select(pattern),
            1 => Action::Deselect(pattern),
            2 => Action::Alert,
            _ => Action::Log(0),
        })
    }

    proptest! {
        #[test]
        fn agrees_with_evaluating_every_action(
            actions in proptest::collection::vec(any_action(), 0..12),
            line in proptest::collection::vec(proptest::sample::select(b"ab*".to_vec()), 0..6),
        ) {
            prop_assert_eq!(fast(&actions, &line), slow(&actions, &line));
            let selector = Selector::new(&actions);
            if selector.is_constant() {
                prop_assert_eq!(fast(&actions, &line), fast(&actions, b""));
            }
        }
    }

    #[track_caller]
    fn check_behind_label(pattern: &str, expected: Asks) {
        assert_eq!(asks_of(pattern.as_bytes()), expected);
        let actions = [Action::Deselect(pattern.into()), Action::Log(0)];
        let behind = Selector::behind_label(&actions);
        assert_eq!(behind.is_none(), expected == Asks::Label);
        for text in ["", " ", "x", "x y", "*", "a*", "@", "4", " x"] {
            let line = format!("@400000006b01365f2b6f8d6c {text}");
            if let Some(behind) = &behind {
                let mut taken = [false];
                behind.judge(text.as_bytes(), &mut taken);
                assert_eq!(taken, *slow(&actions, line.as_bytes()), "{pattern:?} on {line:?}");
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
        assert_eq!(fast(&[Action::Alert, Action::Log(0)], b"line"), [true, true]);
        assert!(Selector::new(&[Action::Deselect(b"*".to_vec()), Action::Log(0)]).is_constant());
        assert!(!Selector::new(&[Action::Deselect(b"a".to_vec()), Action::Log(0)]).is_constant());
    }
}
