//! The messages on their way: kept until the receiver has answered, sent again after a connection broke. Pure.
//!
//! Messages are delivered in order as far as the receiver takes them in order: after a break the oldest that
//! has no answer is sent first. One that the receiver refuses is tried by itself, and given up when it was
//! refused so three times: a single bad record stops nothing for ever. It stays here until it is stored
//! elsewhere, so its line does not count as delivered before.

use std::collections::VecDeque;

/// How often a message is refused by itself before it is given up.
const REFUSALS_MAX: u32 = 3;

/// The most that is held, whatever the receiver's window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Messages.
    pub count_max: usize,
    /// Bytes of these. A single line may be longer.
    pub len_max: usize,
}

/// Messages without an answer. `T` names the line that a message is the last part of.
#[derive(Debug)]
pub struct Window<T> {
    bounds: Bounds,
    held: VecDeque<Held<T>>,
    /// The id of the first of `held`; ids are numbered without a gap.
    first_id: u64,
    /// How many of `held` were handed to the connection at hand; all before this index.
    sent: usize,
    /// Bytes of `held`.
    len: usize,
    /// Message sent alone after a refusal, and the number of refusals since.
    suspect: Option<Suspect>,
}

#[derive(Debug)]
struct Held<T> {
    message: Vec<u8>,
    /// The line, if this is its last part.
    line: Option<T>,
    fate: Fate,
    was_sent: bool,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Unsent or unanswered.
    Waits,
    /// Given up, waiting for storage among dead letters.
    GivenUp,
    /// It was answered for, or is stored elsewhere.
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Suspect {
    id: u64,
    refusals: u32,
}

/// What a refusal leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The connection ends, and the message is tried by itself on the next one.
    TryAlone,
    /// The message is given up: [`Window::message`] has it until [`Window::delivered`].
    GivenUp,
    /// Answer to an unknown message.
    Unknown,
}

impl<T> Window<T> {
    /// An empty window.
    pub fn new(bounds: Bounds) -> Window<T> {
        Window { bounds, held: VecDeque::new(), first_id: 0, sent: 0, len: 0, suspect: None }
    }

    /// Whether another line may be taken.
    pub fn has_room(&self) -> bool {
        self.held.len() < self.bounds.count_max && self.len < self.bounds.len_max
    }

    /// Messages without an answer.
    pub fn count(&self) -> usize {
        self.held.len()
    }

    /// Whether every message that was taken has its answer.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Adds a line's messages, at least one. Delivery of the line needs all its messages.
    pub fn push(&mut self, line: T, messages: Vec<Vec<u8>>) {
        assert!(!messages.is_empty());
        let last = messages.len() - 1;
        let mut line = Some(line);
        for (number, message) in messages.into_iter().enumerate() {
            self.len += message.len();
            let line = if number == last { line.take() } else { None };
            self.held.push_back(Held { message, line, fate: Fate::Waits, was_sent: false });
        }
    }

    /// Takes a line that no message can be made of. Returns the id by which it is known until it is stored
    /// elsewhere.
    pub fn push_given_up(&mut self, line: T, text: Vec<u8>) -> u64 {
        self.len += text.len();
        let fate = Fate::GivenUp;
        self.held.push_back(Held { message: text, line: Some(line), fate, was_sent: false });
        self.first_id + self.held.len() as u64 - 1
    }

    /// The bytes of a message.
    pub fn message(&self, id: u64) -> Option<&[u8]> {
        self.held.get(self.pos(id)?).map(|held| &held.message[..])
    }

    /// The next message for the connection at hand, and whether an earlier connection had it already. It
    /// counts as handed over. While one is tried by itself, no other is sent.
    pub fn next(&mut self) -> Option<(u64, &[u8], bool)> {
        let pos = self.next_pos()?;
        let held = self.held.get_mut(pos)?;
        let is_again = std::mem::replace(&mut held.was_sent, true);
        self.sent = pos + 1;
        Some((self.first_id + pos as u64, &held.message, is_again))
    }

    /// Whether [`next`](Window::next) has a message.
    pub fn has_unsent(&self) -> bool {
        self.next_pos().is_some()
    }

    fn next_pos(&self) -> Option<usize> {
        let unsent = self.held.iter().skip(self.sent);
        let pos = self.sent + unsent.take_while(|held| held.fate != Fate::Waits).count();
        let id = self.first_id + pos as u64;
        // Those before a suspect have gone out and may be answered; nothing follows it.
        let is_held_back = self
            .suspect
            .is_some_and(|suspect| id > suspect.id || id == suspect.id && pos > self.done());
        (pos < self.held.len() && !is_held_back).then_some(pos)
    }

    /// Messages at the front that wait for no answer.
    fn done(&self) -> usize {
        self.held.iter().take_while(|held| held.fate != Fate::Waits).count()
    }

    /// Notes an answer. Ids that are not waited for are ignored: a program may print one twice.
    pub fn delivered(&mut self, id: u64) {
        if let Some(held) = self.get(id) {
            held.fate = Fate::Done;
        }
        if self.suspect.is_some_and(|suspect| suspect.id == id) {
            self.suspect = None;
        }
    }

    /// Notes that the receiver does not take a message.
    pub fn refused(&mut self, id: u64) -> Verdict {
        if self.get(id).is_none_or(|held| held.fate != Fate::Waits) {
            return Verdict::Unknown;
        }
        let refusals = match self.suspect {
            Some(suspect) if suspect.id == id => suspect.refusals + 1,
            Some(_) | None => 0,
        };
        if refusals < REFUSALS_MAX {
            self.suspect = Some(Suspect { id, refusals });
            return Verdict::TryAlone;
        }
        self.give_up(id);
        Verdict::GivenUp
    }

    /// Gives up a message at once, where trying again cannot help. False if it waits for no answer.
    pub fn give_up(&mut self, id: u64) -> bool {
        if self.suspect.is_some_and(|suspect| suspect.id == id) {
            self.suspect = None;
        }
        let held = self.get(id).filter(|held| held.fate == Fate::Waits);
        held.map(|held| held.fate = Fate::GivenUp).is_some()
    }

    /// The connection is over: what has no answer is sent again on the next one.
    pub fn rewind(&mut self) {
        self.sent = 0;
    }

    /// The next line that was delivered whole, in order.
    pub fn pop_delivered(&mut self) -> Option<T> {
        while self.held.front().is_some_and(|held| held.fate == Fate::Done) {
            let held = self.held.pop_front()?;
            self.first_id += 1;
            self.sent = self.sent.saturating_sub(1);
            self.len -= held.message.len();
            if held.line.is_some() {
                return held.line;
            }
        }
        None
    }

    fn get(&mut self, id: u64) -> Option<&mut Held<T>> {
        let pos = self.pos(id)?;
        self.held.get_mut(pos)
    }

    fn pos(&self, id: u64) -> Option<usize> {
        usize::try_from(id.checked_sub(self.first_id)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { count_max: 4, len_max: 100 };

    fn window(lines: &[&str]) -> Window<usize> {
        let mut window = Window::new(BOUNDS);
        for (number, line) in lines.iter().enumerate() {
            window.push(number, line.split('|').map(|part| part.as_bytes().to_vec()).collect());
        }
        window
    }

    fn send_all(window: &mut Window<usize>) -> Vec<(u64, String, bool)> {
        let mut sent = Vec::new();
        loop {
            let has_unsent = window.has_unsent();
            let Some((id, message, is_again)) = window.next() else {
                assert!(!has_unsent);
                return sent;
            };
            assert!(has_unsent);
            sent.push((id, String::from_utf8_lossy(message).into_owned(), is_again));
        }
    }

    fn delivered(window: &mut Window<usize>) -> Vec<usize> {
        std::iter::from_fn(|| window.pop_delivered()).collect()
    }

    #[test]
    fn a_line_is_delivered_when_all_its_parts_are_and_all_lines_before_it() {
        let mut window = window(&["a", "b|c", "d"]);
        assert_eq!(send_all(&mut window).len(), 4);
        for id in [3, 1, 2] {
            window.delivered(id);
            assert!(delivered(&mut window).is_empty());
        }
        window.delivered(0);
        window.delivered(0);
        assert_eq!(delivered(&mut window), [0, 1, 2]);
        assert!(window.is_empty() && window.next().is_none());
    }

    #[test]
    fn what_has_no_answer_is_sent_again_in_order() {
        let mut window = window(&["a", "b", "c"]);
        send_all(&mut window);
        window.delivered(1);
        window.rewind();
        let again = |id, text: &str| (id, text.to_owned(), true);
        assert_eq!(send_all(&mut window), [again(0, "a"), again(2, "c")]);
    }

    #[test]
    fn a_refused_message_is_tried_alone_and_then_given_up() {
        let mut window = window(&["a", "bad", "c"]);
        send_all(&mut window);
        window.delivered(0);
        assert_eq!(window.refused(1), Verdict::TryAlone);
        assert_eq!(delivered(&mut window), [0]);
        for _ in 0..2 {
            window.rewind();
            assert_eq!(send_all(&mut window).len(), 1, "the message alone");
            assert_eq!(window.refused(1), Verdict::TryAlone);
        }
        window.rewind();
        assert_eq!(send_all(&mut window).len(), 1);
        assert_eq!(window.refused(1), Verdict::GivenUp);
        assert_eq!(send_all(&mut window), [(2, "c".to_owned(), true)]);
        window.delivered(2);
        assert!(delivered(&mut window).is_empty(), "it is not stored yet");
        assert_eq!(window.message(1), Some(&b"bad"[..]));
        window.delivered(1);
        assert_eq!(delivered(&mut window), [1, 2]);
        assert_eq!(window.refused(7), Verdict::Unknown);
    }

    #[test]
    fn a_message_that_is_taken_alone_is_not_suspected_any_more() {
        let mut window = window(&["a", "b"]);
        send_all(&mut window);
        assert_eq!(window.refused(0), Verdict::TryAlone);
        window.rewind();
        assert_eq!(send_all(&mut window).len(), 1);
        window.delivered(0);
        assert_eq!(send_all(&mut window).len(), 1);
        assert_eq!(delivered(&mut window), [0]);
    }

    #[test]
    fn a_line_without_a_message_waits_until_it_is_stored_elsewhere() {
        let mut window = window(&["a"]);
        assert_eq!(window.push_given_up(1, b"b".to_vec()), 1);
        window.push(2, vec![b"c".to_vec()]);
        assert_eq!(send_all(&mut window).len(), 2);
        window.delivered(0);
        window.delivered(2);
        assert_eq!(delivered(&mut window), [0]);
        window.delivered(1);
        assert_eq!(delivered(&mut window), [1, 2]);
    }

    #[test]
    fn the_window_is_bounded_by_messages_and_by_bytes() {
        let mut window = window(&["a", "b", "c"]);
        assert!(window.has_room());
        window.push(3, vec![b"d".to_vec()]);
        assert!(!window.has_room());
        let mut window = Window::new(BOUNDS);
        window.push(0, vec![vec![b'x'; 100]]);
        assert!(!window.has_room());
    }
}
