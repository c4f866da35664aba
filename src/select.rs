//! Which sinks take a line: the patterns of a script, ordered so that few have to be tried.
//!
//! A line is selected for a sink if the last pattern before that sink that matches is a `+`, or if
//! none matches. So the patterns between two sinks are tried from the last to the first, and where
//! none matches the line is what it was for the sink before.

use crate::pattern;
use crate::script::Action;

/// The first so many bytes of a line, stamp included, are what patterns see (multilog(8)).
pub const HEAD_MAX: usize = 1000;

/// The patterns in front of one sink, behind the sink before it.
#[derive(Debug, Default)]
struct Segment {
    /// Last pattern first. One that matches everything ends the list.
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    selects: bool,
    pattern: Vec<u8>,
}

impl Rule {
    fn matches_all(&self) -> bool {
        self.pattern == b"*"
    }
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
        let mut rules = Vec::new();
        for action in actions {
            match action {
                Action::Select(pattern) => {
                    rules.push(Rule { selects: true, pattern: pattern.clone() })
                }
                Action::Deselect(pattern) => {
                    rules.push(Rule { selects: false, pattern: pattern.clone() });
                }
                Action::Alert | Action::Status(_) | Action::Log(_) => {
                    segments.push(Segment::new(std::mem::take(&mut rules)));
                }
            }
        }
        Selector { segments }
    }

    /// Number of sinks.
    pub fn sink_count(&self) -> usize {
        self.segments.len()
    }

    /// Whether the decision is the same for every line.
    pub fn is_constant(&self) -> bool {
        self.segments.iter().all(|segment| segment.rules.first().is_none_or(Rule::matches_all))
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

impl Segment {
    fn new(mut rules: Vec<Rule>) -> Segment {
        rules.reverse();
        let used = rules.iter().position(Rule::matches_all).map_or(rules.len(), |last| last + 1);
        rules.truncate(used);
        Segment { rules }
    }

    fn decide(&self, head: &[u8]) -> Option<bool> {
        let decisive = self.rules.iter().find(|rule| pattern::matches(&rule.pattern, head));
        decisive.map(|rule| rule.selects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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

    #[test]
    fn a_script_without_patterns_takes_everything() {
        assert_eq!(fast(&[Action::Alert, Action::Log(0)], b"line"), [true, true]);
        assert!(Selector::new(&[Action::Deselect(b"*".to_vec()), Action::Log(0)]).is_constant());
        assert!(!Selector::new(&[Action::Deselect(b"a".to_vec()), Action::Log(0)]).is_constant());
    }
}
