//! Chooses the sinks of each line.
//!
//! Before each sink, the last matching pattern selects (`+`) or deselects; without a match the line
//! stays selected. So the selector searches for the last match among the patterns between two sinks
//! and otherwise keeps the previous sink's result. If every pattern is a star pattern, lines that
//! no pattern distinguishes share one decision.

use crate::action::Action;
use crate::automaton::Automaton;
use crate::head::{LONG_HEAD_MAX, seen_by_patterns};
use crate::pattern::Pattern;
use std::collections::BTreeMap;

/// Decision rule of one sink.
#[derive(Debug)]
enum Segment {
    /// No new pattern: repeats the previous sink's decision.
    Same,
    /// Fixed decision.
    Always(bool),
    /// Patterns with effects: select or deselect.
    Rules(Vec<(bool, Pattern)>),
    /// Rules after `f`; a line starts selected if no earlier sink received it.
    Rest(Box<Segment>),
}

/// Maximum remembered routes.
const ROUTES_MAX: usize = 1000;

/// Selected sinks by script number.
#[derive(Debug)]
pub struct Route {
    /// Head sinks: alerts and status files.
    pub heads: Vec<usize>,
    /// Byte sinks: stdout and log directories.
    pub bytes: Vec<usize>,
    /// Equal ids mean equal byte sinks.
    pub route_id: u64,
}

impl Route {
    /// True without any sink.
    pub fn is_nowhere(&self) -> bool {
        self.heads.is_empty() && self.bytes.is_empty()
    }
}

/// Data wanted by a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wants {
    Head,
    Bytes,
}

/// Selector of a script.
#[derive(Debug)]
pub struct Selector {
    /// Decision rule and wanted data per sink.
    segments: Vec<(Segment, Wants)>,
    /// Automaton, if all patterns are star patterns.
    automaton: Option<Automaton>,
    routes: Routes,
    /// Last route.
    last: usize,
}

/// Known routes by number.
#[derive(Debug, Default)]
struct Routes {
    all: Vec<Route>,
    /// Route number by selection flags.
    numbers: BTreeMap<Vec<bool>, u16>,
    /// Scratch selection flags.
    taken: Vec<bool>,
    /// Next unused route_id.
    route_id: u64,
}

impl Selector {
    /// Builds the selector of a script; sinks are numbered in script order.
    pub fn new(actions: &[Action]) -> Selector {
        let mut segments = Vec::new();
        let mut is_rest = false;
        let mut rules = Vec::new();
        for action in actions {
            let wants = match action {
                Action::Select(pattern) => {
                    rules.push((true, pattern));
                    continue;
                }
                Action::Deselect(pattern) => {
                    rules.push((false, pattern));
                    continue;
                }
                // `f` cancels all previous patterns.
                Action::SelectRest => {
                    is_rest = true;
                    rules.clear();
                    continue;
                }
                Action::Alert { .. } | Action::Status { .. } => Wants::Head,
                Action::Stdout { .. } | Action::Log { .. } => Wants::Bytes,
            };
            let segment = Segment::new(&rules);
            segments.push((if is_rest { segment.of_rest() } else { segment }, wants));
            is_rest = false;
            rules.clear();
        }
        let automaton = automaton(&segments);
        Selector { segments, automaton, routes: Routes::default(), last: 0 }
    }

    /// Selector for stamped lines judged by the text after the label; patterns rarely mention the
    /// label. Lines are judged before their label is added, and unselected lines are never stored.
    /// Only for star patterns and heads of at most [`HEAD_MAX`](crate::head::HEAD_MAX) bytes.
    pub fn behind_label(actions: &[Action]) -> Option<Selector> {
        let mut behind = Vec::new();
        for action in actions {
            let (pattern, of): (_, fn(Pattern) -> Action) = match action {
                Action::Select(pattern) => (pattern, Action::Select),
                Action::Deselect(pattern) => (pattern, Action::Deselect),
                Action::SelectRest
                | Action::Alert { .. }
                | Action::Stdout { .. }
                | Action::Status { .. }
                | Action::Log { .. } => {
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

    /// True if every line gets one decision.
    pub fn is_constant(&self) -> bool {
        self.segments.iter().all(|(segment, _)| segment.is_constant())
    }

    /// Judges a line by its first bytes, at most [`LONG_HEAD_MAX`]. Stamp and following space take
    /// `stamp_len` of these bytes.
    #[inline]
    pub fn judge(&mut self, head: &[u8], stamp_len: usize) -> &Route {
        assert!(head.len() <= LONG_HEAD_MAX);
        let Selector { segments, automaton, routes, last } = self;
        let mut judge = || routes.number(segments, head, stamp_len);
        let found = match automaton {
            Some(automaton) => automaton.find(seen_by_patterns(head), &mut judge),
            None => None,
        };
        *last = usize::from(found.unwrap_or_else(judge));
        if routes.all.len() > ROUTES_MAX {
            self.forget_others();
        }
        self.route()
    }

    /// Route of the last judged line.
    pub fn route(&self) -> &Route {
        &self.routes.all[self.last]
    }

    /// Forgets every route except the last.
    #[cold]
    fn forget_others(&mut self) {
        let last = self.routes.all.swap_remove(self.last);
        let route_id = self.routes.route_id;
        self.routes = Routes { all: vec![last], route_id, ..Routes::default() };
        self.last = 0;
        if let Some(automaton) = &mut self.automaton {
            automaton.forget();
        }
    }
}

impl Routes {
    /// Route number of a line.
    fn number(&mut self, segments: &[(Segment, Wants)], head: &[u8], stamp_len: usize) -> u16 {
        self.taken.clear();
        let mut selected = true;
        for (segment, _) in segments {
            selected = segment.decide(head, stamp_len, selected, &self.taken);
            self.taken.push(selected);
        }
        if let Some(&number) = self.numbers.get(&self.taken) {
            return number;
        }
        let takers = |wanted: Wants| {
            let sinks = segments.iter().zip(&self.taken).enumerate();
            let takes = sinks.filter(|(_, ((_, wants), taken))| **taken && *wants == wanted);
            takes.map(|(sink, _)| sink).collect()
        };
        let number = self.all.len() as u16;
        let (heads, bytes) = (takers(Wants::Head), takers(Wants::Bytes));
        let route_id = match self.all.iter().find(|route| route.bytes == bytes) {
            Some(route) => route.route_id,
            None => {
                self.route_id += 1;
                self.route_id
            }
        };
        self.all.push(Route { heads, bytes, route_id });
        self.numbers.insert(self.taken.clone(), number);
        number
    }
}

/// Builds the automaton of a script whose patterns are all stars; `None` for other scripts.
fn automaton(segments: &[(Segment, Wants)]) -> Option<Automaton> {
    let mut patterns = Vec::new();
    for (group, (segment, _)) in segments.iter().enumerate() {
        for (_, pattern) in segment.rules() {
            match pattern {
                Pattern::Stars(text) => patterns.push((group, text.as_slice())),
                Pattern::Fnmatch(_) | Pattern::Regex(_) => return None,
            }
        }
    }
    (!patterns.is_empty()).then(|| Automaton::new(patterns.into_iter()))
}

/// Requirement of a pattern for labelled lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asks<'a> {
    /// Pattern for the text after the label and space.
    Text(&'a [u8]),
    /// Never matches: the pattern needs a line without a label.
    NoLabel,
    /// Requires label bytes.
    Label,
}

/// A star skips to the first byte equal to its successor in the pattern. A space is first found at
/// the end of the label; a byte that labels never contain is found after the label.
fn asks_of(pattern: &[u8]) -> Asks<'_> {
    match pattern {
        [b'*', b' ', text @ ..] => Asks::Text(text),
        [b'*', b'@' | b'0'..=b'9' | b'a'..=b'f', ..] | [b'@', ..] => Asks::Label,
        [b'*', ..] => Asks::Text(pattern),
        [..] => Asks::NoLabel,
    }
}

impl Segment {
    /// Collects patterns with effects, in order. Patterns before a match-all pattern are dropped.
    fn new(rules: &[(bool, &Pattern)]) -> Segment {
        let first = rules.iter().rposition(|(_, pattern)| pattern.is_any_line()).unwrap_or(0);
        let rules = &rules[first..];
        match rules {
            [] => return Segment::Same,
            [(selects, pattern)] if pattern.is_any_line() => return Segment::Always(*selects),
            [_, ..] => {}
        }
        let owned = rules.iter().map(|&(selects, pattern)| (selects, pattern.clone()));
        Segment::Rules(owned.collect())
    }

    /// Converts the segment for `f`.
    fn of_rest(self) -> Segment {
        match self {
            Segment::Always(_) => self,
            Segment::Same | Segment::Rules(_) | Segment::Rest(_) => Segment::Rest(Box::new(self)),
        }
    }

    fn rules(&self) -> &[(bool, Pattern)] {
        match self {
            Segment::Same | Segment::Always(_) => &[],
            Segment::Rules(rules) => rules,
            Segment::Rest(behind) => behind.rules(),
        }
    }

    /// True if the decision depends only on earlier segments.
    fn is_constant(&self) -> bool {
        match self {
            Segment::Same | Segment::Always(_) => true,
            Segment::Rules(_) => false,
            Segment::Rest(behind) => behind.is_constant(),
        }
    }

    /// Decides for one sink, given the previous selection `before` and earlier sinks' flags
    /// `taken`.
    fn decide(&self, head: &[u8], stamp_len: usize, before: bool, taken: &[bool]) -> bool {
        match self {
            Segment::Same => before,
            Segment::Always(selected) => *selected,
            Segment::Rules(rules) => {
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
    use crate::settings::InForce;
    use proptest::prelude::*;

    fn log() -> Action {
        InForce::default().log("./d".as_ref())
    }

    fn alert() -> Action {
        InForce::default().alert()
    }

    /// Reference order of multilog(8): every action in turn.
    fn slow(actions: &[Action], head: &[u8], stamp_len: usize) -> Vec<bool> {
        let mut selected = true;
        let mut taken = Vec::new();
        for action in actions {
            match action {
                Action::Select(pattern) => selected |= pattern.matches(head, stamp_len),
                Action::Deselect(pattern) => selected &= !pattern.matches(head, stamp_len),
                Action::SelectRest => selected = !taken.contains(&true),
                Action::Alert { .. }
                | Action::Stdout { .. }
                | Action::Status { .. }
                | Action::Log { .. } => taken.push(selected),
            }
        }
        taken
    }

    fn fast(actions: &[Action], head: &[u8], stamp_len: usize) -> Vec<bool> {
        judge(&mut Selector::new(actions), head, stamp_len)
    }

    fn judge(selector: &mut Selector, head: &[u8], stamp_len: usize) -> Vec<bool> {
        let sink_count = selector.sink_count();
        let route = selector.judge(head, stamp_len);
        assert!(!route.heads.iter().any(|sink| route.bytes.contains(sink)));
        (0..sink_count)
            .map(|sink| route.heads.contains(&sink) || route.bytes.contains(&sink))
            .collect()
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
            4..6 => alert(),
            6..8 => log(),
            _ => Action::SelectRest,
        })
    }

    proptest! {
        #[test]
        fn agrees_with_evaluating_every_action(
            actions in proptest::collection::vec(any_action(), 0..12),
            lines in proptest::collection::vec(
                proptest::collection::vec(proptest::sample::select(b"ab*".to_vec()), 0..6), 1..9,
            ),
            stamp_len in 0..3_usize,
        ) {
            let mut selector = Selector::new(&actions);
            for line in lines {
                let stamp_len = stamp_len.min(line.len());
                let taken = judge(&mut selector, &line, stamp_len);
                prop_assert_eq!(&taken, &slow(&actions, &line, stamp_len));
                if selector.is_constant() {
                    prop_assert_eq!(taken, fast(&actions, b"", 0));
                }
            }
        }
    }

    fn stars(text: &[u8]) -> Pattern {
        Pattern::Stars(text.to_vec())
    }

    #[track_caller]
    fn check_behind_label(pattern: &str, expected: Asks) {
        assert_eq!(asks_of(pattern.as_bytes()), expected);
        let actions = [Action::Deselect(stars(pattern.as_bytes())), log()];
        let mut behind = Selector::behind_label(&actions);
        assert_eq!(behind.is_none(), expected == Asks::Label);
        for text in ["", " ", "x", "x y", "*", "a*", "@", "4", " x"] {
            let line = format!("@400000006b01365f2b6f8d6c {text}");
            if let Some(behind) = &mut behind {
                let taken = judge(behind, text.as_bytes(), 0);
                assert_eq!(taken, slow(&actions, line.as_bytes(), 26), "{pattern:?} on {line:?}");
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
        assert_eq!(fast(&[alert(), log()], b"line", 0), [true, true]);
        assert!(Selector::new(&[Action::Deselect(stars(b"*")), log()]).is_constant());
        assert!(!Selector::new(&[Action::Deselect(stars(b"a")), log()]).is_constant());
    }

    #[test]
    fn more_routes_than_are_remembered() {
        let sink = |sink: u8| {
            [
                Action::Deselect(stars(b"*")),
                Action::Select(stars(&[b'*', b'a' + sink, b'*'])),
                log(),
            ]
        };
        let actions: Vec<Action> = (0..11).flat_map(sink).collect();
        let mut selector = Selector::new(&actions);
        for number in (0..1_u32 << 11).chain(0..1 << 11) {
            let letters = (0..11).filter(|sink| number >> sink & 1 == 1).map(|sink| b'a' + sink);
            let line: Vec<u8> = letters.collect();
            assert_eq!(judge(&mut selector, &line, 0), slow(&actions, &line, 0));
            assert!(selector.routes.all.len() <= ROUTES_MAX + 1);
        }
    }

    #[test]
    fn the_rest_is_what_no_sink_has_taken() {
        let rest = [
            Action::Deselect(stars(b"b*")),
            alert(),
            Action::Select(stars(b"*")),
            Action::SelectRest,
            log(),
            Action::SelectRest,
            log(),
        ];
        assert_eq!(fast(&rest, b"a", 0), [true, false, false]);
        assert_eq!(fast(&rest, b"b", 0), [false, true, false]);
        let first = [Action::SelectRest, log()];
        assert_eq!(fast(&first, b"a", 0), [true]);
        assert!(Selector::new(&first).is_constant());
    }
}
