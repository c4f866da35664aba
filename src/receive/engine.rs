//! The loop: wait, take messages, write lines, answer what is on disk.

use super::format::Writer;
use super::line::Origin;
use super::peer::Peer;
use super::ring::Ring;
use super::session::{self, Messages, Next, Session};
use super::socket::{Inbox, Link, Socket, credentials_of};
use super::store::{Store, Ticket};
use crate::message;
use crate::poll::{self, Interest, ManyWait};
use crate::signals::Signals;
use crate::tls;
use ::logdir::wake::Wake;
use ::logdir::write::Closed;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Longest datagram: what UDP can carry; a unix socket may carry more, and the rest is cut and told.
const DATAGRAM_MAX: usize = 256 * 1024;
/// Datagrams in a row from one socket, so that others have their turn.
const DATAGRAMS_MAX: usize = 512;
/// New connections in a row.
const ACCEPTS_MAX: usize = 64;
/// While lines cannot be written for so long, sessions are closed and new ones refused.
const TROUBLE_MAX: Duration = Duration::from_secs(10);
/// A session that is quiet for a round of this length gives its memory back.
const TIDY_EVERY: Duration = Duration::from_secs(10);
/// At the end, clients have this long to take their answers.
const END_TIMEOUT: Duration = Duration::from_secs(5);
/// At the end, time between two looks if all is taken and closed.
const END_LOOK_EVERY: Duration = Duration::from_millis(50);
/// At least so long between two messages of one kind.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Open resources of a running receiver.
#[derive(Debug)]
pub struct Engine {
    sockets: Vec<Socket>,
    /// A symbolic link to a socket; it removes itself.
    link: Option<Link>,
    sessions: Vec<Option<Session>>,
    session_count: usize,
    bounds: Bounds,
    ring: Ring,
    intake: Intake,
    /// Certificates, for encrypted connections.
    tls: Option<tls::Server>,
    signals: Signals,
    wake: Wake,
    inbox: Inbox,
    /// Who sent the last datagram.
    sender: Peer,
    trouble_since: Option<Instant>,
    tidy_due: Instant,
    told_limit_at: Option<Instant>,
    untold_count: u64,
    phase: Phase,
}

/// Makes lines of messages.
#[derive(Debug)]
struct Intake {
    store: Store,
    writer: Writer,
    hostname: Vec<u8>,
    line: Vec<u8>,
    messages: u64,
    bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// Takes what has arrived, and nothing new.
    Finishing {
        by: Instant,
    },
    /// Takes nothing: directories are closed, one after the other.
    Closing {
        by: Instant,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Signals,
    Wake,
    Stdout,
    Socket(usize),
    Session(usize),
}

/// Bounds of the user.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections.
    pub clients_max: usize,
    /// Handshakes at a time.
    pub handshakes_max: usize,
    /// Bounds of one client.
    pub session: session::Bounds,
    /// Bytes of datagrams that wait.
    pub ring_len_max: usize,
    /// Writes the process and user of senders on unix sockets.
    pub asks_for_peers: bool,
}

/// What a receiver is made of.
#[derive(Debug)]
pub struct Parts {
    /// Open sockets.
    pub sockets: Vec<Socket>,
    /// A symbolic link to one of them.
    pub link: Option<Link>,
    /// Places for lines.
    pub store: Store,
    /// How messages become lines.
    pub writer: Writer,
    /// Certificates, for encrypted sockets.
    pub tls: Option<tls::Server>,
    /// Signals.
    pub signals: Signals,
    /// What wakes the loop when a directory has news.
    pub wake: Wake,
    /// Name of this machine.
    pub hostname: Vec<u8>,
}

impl Messages for Intake {
    fn take(&mut self, peer: &Peer, message: &[u8], continued: Option<Ticket>) -> Ticket {
        self.messages += 1;
        self.bytes += message.len() as u64;
        self.line.clear();
        let (address, credentials) = (peer.address(), peer.credentials);
        let origin = Origin { address, credentials, hostname: &self.hostname };
        match continued {
            Some(before) => {
                self.writer.append_piece(&origin, message, &mut self.line);
                self.store.put_after(before, &self.line)
            }
            None => {
                self.writer.append(&origin, message, &mut self.line);
                self.store.put(&origin, message, &self.line)
            }
        }
    }

    fn require(&mut self, ticket: Ticket) {
        self.store.require(ticket);
    }
}

impl Engine {
    /// Everything is open, and nothing was read.
    pub fn new(parts: Parts, bounds: Bounds) -> Engine {
        let Parts { sockets, link, store, writer, tls, signals, wake, hostname } = parts;
        Engine {
            sockets,
            link,
            sessions: Vec::new(),
            session_count: 0,
            bounds,
            ring: Ring::new(bounds.ring_len_max),
            intake: Intake { store, writer, hostname, line: Vec::new(), messages: 0, bytes: 0 },
            tls,
            signals,
            wake,
            inbox: Inbox::new(DATAGRAM_MAX),
            sender: Peer::default(),
            trouble_since: None,
            tidy_due: Instant::now() + TIDY_EVERY,
            told_limit_at: None,
            untold_count: 0,
            phase: Phase::Running,
        }
    }

    /// Takes messages until a signal asks to end. False if lines were lost or could not be synced.
    pub fn run(mut self) -> bool {
        loop {
            let ready = self.wait();
            self.answer_signals();
            for (source, interest) in ready {
                match source {
                    Source::Signals | Source::Wake | Source::Stdout => {}
                    Source::Socket(number) => self.take_from_socket(number),
                    Source::Session(number) => self.serve(number, interest),
                }
            }
            self.serve_decrypted();
            self.empty_ring();
            self.intake.store.advance();
            self.answer();
            self.watch_trouble();
            self.tidy();
            if let Some(is_clean) = self.end() {
                return is_clean;
            }
        }
    }

    /// True if streams wait: lines have no room, or datagrams wait already.
    fn is_held_back(&self) -> bool {
        !self.ring.is_empty() || !self.intake.store.has_room()
    }

    fn wait(&mut self) -> Vec<(Source, Interest)> {
        let mut wait = ManyWait::with_capacity(self.sockets.len() + self.sessions.len() + 3);
        wait.add(Source::Signals, self.signals.as_fd(), Interest::Readable);
        if let Some(wake) = self.wake.fd() {
            wait.add(Source::Wake, wake, Interest::Readable);
        }
        let stdout = self.intake.store.stuck_fd();
        if let Some(stdout) = stdout {
            wait.add(Source::Stdout, stdout, Interest::Writable);
        }
        let is_held_back = self.is_held_back();
        let is_running = self.phase == Phase::Running;
        let is_busy = self.is_busy_with_handshakes();
        for (number, socket) in self.sockets.iter().enumerate() {
            if socket.takes_datagrams() || is_running && !is_busy {
                wait.add(Source::Socket(number), socket.as_fd(), Interest::Readable);
            }
        }
        for (number, session) in self.sessions.iter().enumerate() {
            let Some(session) = session else { continue };
            let reads = session.wants_input() && !is_held_back;
            let interest = match (reads, session.has_output()) {
                (true, true) => Interest::Both,
                (true, false) => Interest::Readable,
                (false, true) => Interest::Writable,
                (false, false) => Interest::Failure,
            };
            wait.add(Source::Session(number), session.as_fd(), interest);
            wait.until((reads && session.has_more()).then(Instant::now));
            wait.until(session.deadline());
        }
        wait.until(self.intake.store.deadline());
        wait.until(
            self.trouble_since.map(|since| since + TROUBLE_MAX).filter(|&at| at > Instant::now()),
        );
        wait.until((self.session_count > 0).then_some(self.tidy_due));
        if self.phase != Phase::Running {
            wait.until(Some(Instant::now() + END_LOOK_EVERY));
        }
        let ready = wait.wait();
        self.wake.clear();
        ready
    }

    fn answer_signals(&mut self) {
        let asked = self.signals.take();
        if asked.to_rotate {
            self.intake.store.rotate();
        }
        if asked.to_report {
            message::info(&self.status());
            self.intake.store.report();
        }
        if asked.to_reload
            && let Some(tls) = &mut self.tls
        {
            match tls.reload() {
                Ok(()) => message::info("the certificates were read again"),
                Err(why) => {
                    message::warn(format!("{why}; the files before stay in use").as_bytes())
                }
            }
        } else if asked.to_end_or_reload() {
            self.phase = match self.phase {
                Phase::Running => Phase::Finishing { by: Instant::now() + END_TIMEOUT },
                // Asked twice, it does not wait.
                Phase::Finishing { .. } => Phase::Finishing { by: Instant::now() },
                Phase::Closing { .. } => Phase::Closing { by: Instant::now() },
            };
        }
        if self.intake.store.is_broken() && self.phase == Phase::Running {
            self.phase = Phase::Finishing { by: Instant::now() };
        }
    }

    fn status(&self) -> String {
        format!(
            "{} messages, {} bytes, {} clients, {} directories, {} bytes waiting, {} dropped",
            self.intake.messages,
            self.intake.bytes,
            self.session_count,
            self.intake.store.directory_count(),
            self.ring.len(),
            self.ring.dropped(),
        )
    }

    fn take_from_socket(&mut self, number: usize) {
        match &self.sockets[number] {
            Socket::Unix(..) | Socket::Udp(_) => {
                self.take_datagrams(number);
            }
            Socket::Tcp { .. } | Socket::UnixStream(..) => {
                for _ in 0..ACCEPTS_MAX {
                    if !self.accept(number) {
                        return;
                    }
                }
            }
        }
    }

    /// Takes datagrams. True if none is left.
    fn take_datagrams(&mut self, number: usize) -> bool {
        let socket = &self.sockets[number];
        if !socket.takes_datagrams() {
            return true;
        }
        if self.sender.listener != number {
            self.sender = Peer::local(None, number);
        }
        for _ in 0..DATAGRAMS_MAX {
            // Nothing is left; or an ICMP answer to nobody, or a signal.
            let Ok(datagram) = socket.receive(&mut self.inbox, &mut self.sender) else {
                return true;
            };
            let bytes = self.inbox.bytes(datagram);
            if bytes.is_empty() {
                continue;
            }
            if self.ring.is_empty() && self.intake.store.has_room() {
                self.intake.take(&self.sender, bytes, None);
            } else {
                self.ring.push(&self.sender, bytes);
            }
            if datagram.is_cut {
                self.tell_limit(&format!(
                    "a datagram is longer than {DATAGRAM_MAX} bytes: its end is cut off"
                ));
                return false;
            }
        }
        false
    }

    /// True if further clients wait until others have negotiated TLS.
    fn is_busy_with_handshakes(&self) -> bool {
        let is_handshaking = |session: &&Session| session.is_handshaking();
        self.tls.is_some()
            && self.sessions.iter().flatten().filter(is_handshaking).count()
                >= self.bounds.handshakes_max
    }

    /// Takes a connection. False if none waits.
    fn accept(&mut self, number: usize) -> bool {
        let bounds = self.bounds.session;
        if !self.sockets[number].has_connection() || self.is_busy_with_handshakes() {
            return false;
        }
        let accepted = match &self.sockets[number] {
            &Socket::Tcp { ref listener, is_relp, is_encrypted } => {
                let tls = self.tls.as_ref().filter(|_| is_encrypted);
                listener.accept().and_then(|(stream, from)| {
                    stream.set_nonblocking(true)?;
                    // Answers are small, and clients wait for them.
                    stream.set_nodelay(true)?;
                    let encryption = tls.map(tls::Server::session).transpose();
                    let encryption = encryption.map_err(std::io::Error::other)?;
                    let peer = Peer::remote(from.ip(), number);
                    Ok(Session::tcp(stream, encryption, peer, is_relp, bounds))
                })
            }
            Socket::UnixStream(listener, _) => listener.accept().and_then(|(stream, _)| {
                stream.set_nonblocking(true)?;
                let asked = self.bounds.asks_for_peers;
                let credentials = asked.then(|| credentials_of(&stream)).flatten();
                Ok(Session::unix(stream, Peer::local(credentials, number), bounds))
            }),
            Socket::Unix(..) | Socket::Udp(_) => return false,
        };
        match accepted {
            Ok(session) => self.begin(session),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) => {
                self.tell_limit(&format!("unable to take a connection: {error}"));
                return false;
            }
        }
        true
    }

    fn begin(&mut self, mut session: Session) {
        if self.session_count >= self.bounds.clients_max {
            let text = format!(
                "{} connections, the limit of --clients: {} is refused",
                self.bounds.clients_max,
                session.name()
            );
            self.tell_limit(&text);
            return;
        }
        if self.is_refusing() {
            session.refuse("the receiver cannot write now");
        }
        self.session_count += 1;
        match self.sessions.iter().position(Option::is_none) {
            Some(free) => self.sessions[free] = Some(session),
            None => self.sessions.push(Some(session)),
        }
    }

    /// Tells of trouble with a client; a flood of it is counted.
    fn tell_limit(&mut self, text: &str) {
        let now = Instant::now();
        if self.told_limit_at.is_some_and(|told| now < told + TELL_EVERY) {
            self.untold_count += 1;
            return;
        }
        self.told_limit_at = Some(now);
        match std::mem::take(&mut self.untold_count) {
            0 => message::warn(text.as_bytes()),
            count => {
                let text = format!("{text} (after {count} such messages that were left out)");
                message::warn(text.as_bytes());
            }
        }
    }

    /// Reads sessions whose bytes are decrypted already: poll(2) knows nothing of them.
    fn serve_decrypted(&mut self) {
        for number in 0..self.sessions.len() {
            if self.sessions[number].as_ref().is_some_and(Session::has_more) {
                self.serve(number, Interest::Readable);
            }
        }
    }

    fn serve(&mut self, number: usize, interest: Interest) {
        let is_held_back = self.is_held_back();
        let Some(session) = self.sessions.get_mut(number).and_then(Option::as_mut) else { return };
        let mut next = Next::Goes;
        if interest != Interest::Writable && !is_held_back {
            next = session.read(&mut self.intake);
        }
        if next == Next::Goes && interest != Interest::Readable {
            next = session.write();
        }
        self.go_on(number, next);
    }

    fn go_on(&mut self, number: usize, next: Next) {
        if let Next::Failed(why) | Next::Odd(why) = &next {
            self.tell_limit(why);
        }
        if matches!(next, Next::Over | Next::Failed(_)) && self.sessions[number].take().is_some() {
            self.session_count -= 1;
        }
    }

    fn empty_ring(&mut self) {
        if let Phase::Closing { .. } = self.phase {
            return;
        }
        while !self.ring.is_empty() && self.intake.store.has_room() {
            let Some((peer, datagram)) = self.ring.pop() else { break };
            self.intake.take(&peer, &datagram, None);
        }
        let dropped = self.ring.take_untold();
        if dropped > 0 {
            let text = format!("dropped {dropped} datagrams while lines could not be written");
            message::warn(text.as_bytes());
            // In the log too: a gap must be seen where the lines are missing.
            let told = format!("<44>logreceive: {text}");
            self.intake.take(&Peer::default(), told.as_bytes(), None);
        }
    }

    /// Answers messages that are on disk.
    fn answer(&mut self) {
        for number in 0..self.sessions.len() {
            let Some(session) = &mut self.sessions[number] else { continue };
            if !session.is_relp() {
                continue;
            }
            let store = &mut self.intake.store;
            session.answer(|ticket| store.is_durable(ticket));
            let mut next = session.write();
            if next == Next::Goes {
                // Messages that were read while answers were owed.
                next = match is_free(store, &self.ring) {
                    true => session.take_messages(&mut self.intake),
                    false => Next::Goes,
                };
            }
            self.go_on(number, next);
        }
        // Begins the syncs that were asked for.
        self.intake.store.advance();
    }

    fn is_refusing(&self) -> bool {
        self.trouble_since.is_some_and(|since| since.elapsed() >= TROUBLE_MAX)
            || self.intake.store.has_lost()
    }

    /// While lines cannot be written or synced, clients are sent away: they keep what has no answer.
    fn watch_trouble(&mut self) {
        let is_in_trouble = self.intake.store.is_in_trouble();
        let now = Instant::now();
        self.trouble_since = is_in_trouble.then(|| self.trouble_since.unwrap_or(now));
        if self.is_refusing() {
            self.sessions.iter_mut().flatten().for_each(Session::close);
        }
        if self.intake.store.has_lost() {
            self.intake.store.reopen_lost(&self.wake);
        }
    }

    /// Ends sessions that wait too long, and frees the memory of quiet ones.
    fn tidy(&mut self) {
        let now = Instant::now();
        for number in 0..self.sessions.len() {
            if let Some(session) = &self.sessions[number] {
                let next = session.check_time(now);
                self.go_on(number, next);
            }
        }
        if now >= self.tidy_due {
            self.tidy_due = now + TIDY_EVERY;
            self.sessions.iter_mut().flatten().for_each(Session::free_unused);
        }
    }

    /// While it ends: `Some` when all is done, and whether nothing was lost.
    fn end(&mut self) -> Option<bool> {
        let by = match self.phase {
            Phase::Running => return None,
            Phase::Closing { by } => by,
            Phase::Finishing { by } => {
                if !self.has_taken_all() && Instant::now() < by {
                    return None;
                }
                self.stop_taking(by);
                by
            }
        };
        let is_late = Instant::now() >= by;
        if let Some(closed) = self.intake.store.close() {
            return Some(closed == Closed::Clean && self.ring.is_empty());
        }
        if is_late && self.intake.store.is_in_trouble() {
            self.intake.store.give_up();
            return Some(false);
        }
        None
    }

    /// Takes what has arrived. True if nothing is left of it and everything has its answer.
    fn has_taken_all(&mut self) -> bool {
        let mut is_empty = true;
        for number in 0..self.sockets.len() {
            is_empty &= self.take_datagrams(number);
        }
        self.empty_ring();
        self.intake.store.advance();
        let waits = |session: &Session| match session.is_relp() {
            true => session.owes_answers(),
            // The kernel has told the client that these bytes have arrived.
            false => poll::is_readable(session),
        };
        is_empty && self.ring.is_empty() && !self.sessions.iter().flatten().any(waits)
    }

    /// Closes sockets and sessions: no line may arrive for a directory that is closed already.
    fn stop_taking(&mut self, by: Instant) {
        self.phase = Phase::Closing { by };
        self.link = None;
        self.sockets.clear();
        if !self.ring.is_empty() {
            let text = format!("giving up on {} bytes of datagrams that wait", self.ring.len());
            message::warn(text.as_bytes());
        }
        for number in 0..self.sessions.len() {
            let Some(session) = &mut self.sessions[number] else { continue };
            session.close();
            let next = match session.is_relp() {
                true => session.write(),
                false => Next::Over,
            };
            self.go_on(number, next);
        }
    }
}

fn is_free(store: &Store, ring: &Ring) -> bool {
    ring.is_empty() && store.has_room()
}
