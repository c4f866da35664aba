//! Which sinks take a line.
//!
//! A line is selected for a sink if the last pattern before that sink that matches is a `+`, or if
//! none matches. So the last match is looked for among the patterns between two sinks, and where none
//! matches the line is what it was for the sink before. Where all patterns are stars this is done once
//! for all lines that they do not tell apart.

use crate::automaton::Automaton;
use crate::pattern::{self, PATTERN_HEAD_MAX, Pattern};
use crate::script::Action;
use std::collections::BTreeMap;

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
    /// By patterns, and whether each selects.
    Rules(Vec<(bool, Pattern)>),
    /// By what is behind `f`, from whether no sink before this one takes the line.
    Rest(Box<Segment>),
}

/// So many ways that lines go are remembered.
const WAYS_MAX: usize = 1000;

/// Which sinks take a line, by their number in the script.
#[derive(Debug)]
pub struct Way {
    /// Those that are shown its head: alerts and status files.
    pub heads: Vec<usize>,
    /// Those that are given its bytes: stdout and log directories.
    pub bytes: Vec<usize>,
    /// Where this is the same the bytes go to the same sinks.
    pub course: u64,
}

impl Way {
    /// Whether no sink takes the line.
    pub fn is_nowhere(&self) -> bool {
        self.heads.is_empty() && self.bytes.is_empty()
    }
}

/// What a sink is given of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wants {
    Head,
    Bytes,
}

/// Decides for each sink of a script whether it takes a line.
#[derive(Debug)]
pub struct Selector {
    /// How it is decided about each sink, and what it wants.
    segments: Vec<(Segment, Wants)>,
    /// What tells lines apart, where all patterns are stars.
    automaton: Option<Automaton>,
    ways: Ways,
    /// The way of the line that was judged last.
    last: usize,
}

/// The ways that lines went, by number.
#[derive(Debug, Default)]
struct Ways {
    all: Vec<Way>,
    /// The number of each by which sinks take the line.
    numbers: BTreeMap<Vec<bool>, u16>,
    /// Where it is decided about a line.
    taken: Vec<bool>,
    /// The next new course.
    course: u64,
}

impl Selector {
    /// The selector of a script; sinks are numbered in its order.
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
                // It takes back what the patterns before it said.
                Action::SelectRest => {
                    is_rest = true;
                    rules.clear();
                    continue;
                }
                Action::Alert | Action::Status(_) => Wants::Head,
                Action::Stdout | Action::Log(_) => Wants::Bytes,
            };
            let segment = Segment::new(&rules);
            segments.push((if is_rest { segment.of_rest() } else { segment }, wants));
            is_rest = false;
            rules.clear();
        }
        let automaton = automaton(&segments);
        Selector { segments, automaton, ways: Ways::default(), last: 0 }
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
        self.segments.iter().all(|(segment, _)| segment.is_constant())
    }

    /// Decides about a line from its first bytes, at most [`LONG_HEAD_MAX`]. Its stamp and the space behind
    /// it are `stamp_len` of them.
    #[inline]
    pub fn judge(&mut self, head: &[u8], stamp_len: usize) -> &Way {
        assert!(head.len() <= LONG_HEAD_MAX);
        let Selector { segments, automaton, ways, last } = self;
        let mut judge = || ways.number(segments, head, stamp_len);
        let found = match automaton {
            Some(automaton) => automaton.find(pattern::seen(head), &mut judge),
            None => None,
        };
        *last = usize::from(found.unwrap_or_else(judge));
        if ways.all.len() > WAYS_MAX {
            self.forget_others();
        }
        self.way()
    }

    /// The way of the line that was judged last.
    pub fn way(&self) -> &Way {
        &self.ways.all[self.last]
    }

    /// Forgets every way but that of the last line.
    #[cold]
    fn forget_others(&mut self) {
        let last = self.ways.all.swap_remove(self.last);
        let course = self.ways.course;
        self.ways = Ways { all: vec![last], course, ..Ways::default() };
        self.last = 0;
        if let Some(automaton) = &mut self.automaton {
            automaton.forget();
        }
    }
}

impl Ways {
    /// The number of the way of a line.
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
        let course = match self.all.iter().find(|way| way.bytes == bytes) {
            Some(way) => way.course,
            None => {
                self.course += 1;
                self.course
            }
        };
        self.all.push(Way { heads, bytes, course });
        self.numbers.insert(self.taken.clone(), number);
        number
    }
}

/// The automaton of all patterns of a script, if all are stars and there are any.
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
        let owned = rules.iter().map(|&(selects, pattern)| (selects, pattern.clone()));
        Segment::Rules(owned.collect())
    }

    /// The same behind `f`.
    fn of_rest(self) -> Segment {
        match self {
            Segment::Always(_) => self,
            Segment::Same | Segment::Rules(_) | Segment::Rest(_) => Segment::Rest(Box::new(self)),
        }
    }

    /// Its patterns.
    fn rules(&self) -> &[(bool, Pattern)] {
        match self {
            Segment::Same | Segment::Always(_) => &[],
            Segment::Rules(rules) => rules,
            Segment::Rest(behind) => behind.rules(),
        }
    }

    /// Whether it says the same of every line, as far as the segments before it do.
    fn is_constant(&self) -> bool {
        match self {
            Segment::Same | Segment::Always(_) => true,
            Segment::Rules(_) => false,
            Segment::Rest(behind) => behind.is_constant(),
        }
    }

    /// Whether the sink takes the line, where it was selected or not `before`, and the sinks before
    /// took it or not.
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
        judge(&mut Selector::new(actions), head, stamp_len)
    }

    fn judge(selector: &mut Selector, head: &[u8], stamp_len: usize) -> Vec<bool> {
        let sink_count = selector.sink_count();
        let way = selector.judge(head, stamp_len);
        assert!(!way.heads.iter().any(|sink| way.bytes.contains(sink)));
        (0..sink_count).map(|sink| way.heads.contains(&sink) || way.bytes.contains(&sink)).collect()
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
        let actions = [Action::Deselect(stars(pattern.as_bytes())), Action::Log(0)];
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
        assert_eq!(fast(&[Action::Alert, Action::Log(0)], b"line", 0), [true, true]);
        assert!(Selector::new(&[Action::Deselect(stars(b"*")), Action::Log(0)]).is_constant());
        assert!(!Selector::new(&[Action::Deselect(stars(b"a")), Action::Log(0)]).is_constant());
    }

    #[test]
    fn more_ways_than_are_remembered() {
        let sink = |sink: u8| {
            [
                Action::Deselect(stars(b"*")),
                Action::Select(stars(&[b'*', b'a' + sink, b'*'])),
                Action::Log(0),
            ]
        };
        let actions: Vec<Action> = (0..11).flat_map(sink).collect();
        let mut selector = Selector::new(&actions);
        for number in (0..1_u32 << 11).chain(0..1 << 11) {
            let letters = (0..11).filter(|sink| number >> sink & 1 == 1).map(|sink| b'a' + sink);
            let line: Vec<u8> = letters.collect();
            assert_eq!(judge(&mut selector, &line, 0), slow(&actions, &line, 0));
            assert!(selector.ways.all.len() <= WAYS_MAX + 1);
        }
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
