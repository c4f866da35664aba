//! The loop: wait, take messages, write lines, answer what is on disk.

use super::complaints::Complaints;
#[cfg(feature = "nats")]
use super::feed::{Feed, Lines};
use super::format::Writer;
#[cfg(feature = "kafka")]
use super::kafka::{Group, TakesOnce};
use super::kernel_drops::KernelDrops;
use super::line::Origin;
use super::peer::{Credentials, Peer};
#[cfg(feature = "kafka")]
use super::seen::{Identity, Seen};
use super::session::{self, Full, Messages, Next, Session, WRITE_TIMEOUT};
use super::socket::{Inbox, Link, Socket, credentials_of};
use super::status::{Listener, Status};
use super::store::{Place, Store, Ticket};
use crate::logger::grace::Grace;
use crate::message;
use crate::poll::{self, Interest, ManyWait};
use crate::signals::Signals;
use crate::status_file::unix_secs;
use crate::tls;
use ::logdir::clock;
use ::logdir::failure::reason;
use ::logdir::label::Label;
use ::logdir::wake::Wake;
use ::logdir::write::Closed;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};
#[cfg(feature = "kafka")]
use wire::syslog::{Sender, parse};

/// Longest datagram: what UDP can carry; a unix socket may carry more, and the rest is cut and told.
const DATAGRAM_MAX: usize = 256 * 1024;
/// Datagrams in a row from one socket, so that others have their turn.
const DATAGRAMS_MAX: usize = 512;
/// New connections in a row.
const ACCEPTS_MAX: usize = 64;
/// A session that is quiet for a round of this length gives its memory back.
const TIDY_EVERY: Duration = Duration::from_secs(10);
/// At the end, clients have this long to take their answers.
const END_TIMEOUT: Duration = Duration::from_secs(5);
/// A killed processor that is still there after this time is stuck in the kernel.
const KILL_TIMEOUT: Duration = Duration::from_secs(1);
/// At the end, time between two looks if all is taken and closed.
const END_LOOK_EVERY: Duration = Duration::from_millis(50);
/// The file of --status is replaced this often.
const STATUS_EVERY: Duration = Duration::from_secs(10);

/// Open resources of a running receiver.
#[derive(Debug)]
pub struct Engine {
    sockets: Vec<Socket>,
    /// What the kernel dropped, with the numbers of sockets.
    kernel_drops: Vec<(usize, KernelDrops)>,
    /// A symbolic link to a socket; it removes itself.
    link: Option<Link>,
    sessions: Vec<Option<Session>>,
    session_count: usize,
    bounds: Bounds,
    intake: Intake,
    /// Consumer groups that messages are taken from.
    #[cfg(feature = "kafka")]
    groups: Vec<Group>,
    /// Engines that bring messages.
    #[cfg(feature = "nats")]
    feeds: Vec<Feed>,
    /// Certificates, for encrypted connections.
    tls: Option<tls::Server>,
    signals: Signals,
    wake: Wake,
    inbox: Inbox,
    /// Who sent the last datagram.
    sender: Peer,
    /// File with the status.
    status_file: Option<PathBuf>,
    status_due: Instant,
    /// The file could not be written, and this was reported.
    is_status_failing: bool,
    tidy_due: Instant,
    /// Messages taken until then.
    tidied_messages: u64,
    complaints: Complaints,
    had_trouble: bool,
    phase: Phase,
    /// Hung processors, after the request to end.
    grace: Option<Grace>,
    /// At the end, a message that had arrived could not be written.
    has_given_up: bool,
}

/// Makes lines of messages.
#[derive(Debug)]
struct Intake {
    store: Store,
    writer: Writer,
    hostname: Vec<u8>,
    line: Vec<u8>,
    #[cfg(feature = "kafka")]
    seen: Seen,
    /// Number of the group at hand among listeners: groups follow the sockets.
    #[cfg(feature = "kafka")]
    group_number: usize,
    /// When the messages of this round arrived.
    received: Label,
    /// Memory of all lines that wait.
    waiting_len: usize,
    /// At this length no datagram waits for a place without room.
    ring_len_max: usize,
    /// Datagrams dropped in front of each place since it last took one.
    gaps: HashMap<Place, u64>,
    messages: u64,
    /// Counts of each socket.
    counts: Vec<Listener>,
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

/// Open resources for a new receiver.
#[derive(Debug)]
pub struct Parts {
    /// Open sockets.
    pub sockets: Vec<Socket>,
    /// What they listen on.
    pub names: Vec<String>,
    /// File with the status.
    pub status_file: Option<PathBuf>,
    /// Symbolic link to a unix socket (`--symlink`).
    pub link: Option<Link>,
    /// Consumer groups that messages are taken from.
    #[cfg(feature = "kafka")]
    pub groups: Vec<Group>,
    /// Engines that bring messages.
    #[cfg(feature = "nats")]
    pub feeds: Vec<Feed>,
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
    fn take(
        &mut self,
        peer: &Peer,
        message: &[u8],
        continued: Option<Ticket>,
    ) -> Result<Ticket, Full> {
        let place = match continued {
            Some(before) => before.place,
            None => self.place(peer, message),
        };
        match self.store.has_room(place) {
            true => Ok(self.put(place, peer, message, continued.is_some())),
            false => Err(Full(place)),
        }
    }

    fn has_room(&self, place: Place) -> bool {
        self.store.has_room(place)
    }

    fn require(&mut self, ticket: Ticket) {
        self.store.require(ticket);
    }
}

#[cfg(feature = "kafka")]
impl TakesOnce for Intake {
    fn take_once(&mut self, message: &[u8]) -> Result<(Ticket, Option<Identity>), Full> {
        let parsed = parse(message, Sender::Remote);
        // Who may write to the topic is trusted with the host.
        let peer = Peer::named(parsed.host.unwrap_or(b"unknown"), self.group_number);
        let place = self.place(&peer, message);
        for dir in self.store.take_opened() {
            self.seen.read_back(&dir);
        }
        if !self.store.has_room(place) {
            return Err(Full(place));
        }
        let identity = Identity::of(&parsed);
        let ticket = match identity.is_none_or(|identity| self.seen.is_new(identity)) {
            true => self.put(place, &peer, message, false),
            false => self.store.last(place),
        };
        self.store.require(ticket);
        Ok((ticket, identity))
    }
}

#[cfg(feature = "nats")]
impl Lines for Intake {
    fn line(&self) -> (&[u8], Label) {
        (&self.line, self.received)
    }

    fn tell(&mut self, text: &str) {
        Intake::tell(self, text);
    }
}

impl Intake {
    fn place(&mut self, peer: &Peer, message: &[u8]) -> Place {
        self.store.place(&origin(peer, &self.hostname), message)
    }

    /// Takes a datagram, or drops and counts it: its sender must not wait.
    fn take_datagram(&mut self, peer: &Peer, message: &[u8]) {
        let place = self.place(peer, message);
        let is_ring_full = self.waiting_len + message.len() > self.ring_len_max;
        if is_ring_full && !self.store.has_room(place) {
            self.counts[peer.listener].dropped += 1;
            *self.gaps.entry(place).or_default() += 1;
            return;
        }
        self.put(place, peer, message, false);
    }

    fn put(&mut self, place: Place, peer: &Peer, message: &[u8], is_piece: bool) -> Ticket {
        if !self.gaps.is_empty() {
            self.tell_gap(place);
        }
        self.messages += 1;
        let counts = &mut self.counts[peer.listener];
        counts.messages += u64::from(!is_piece);
        counts.too_long += u64::from(is_piece);
        counts.bytes += message.len() as u64;
        self.append(place, peer, message, is_piece)
    }

    fn append(&mut self, place: Place, peer: &Peer, message: &[u8], is_piece: bool) -> Ticket {
        self.line.clear();
        let origin = origin(peer, &self.hostname);
        match is_piece {
            true => self.writer.append_piece(&origin, message, &mut self.line),
            false => self.writer.append(&origin, message, &mut self.line),
        }
        self.waiting_len += self.line.len();
        self.store.put(place, &self.line, self.received)
    }

    /// A gap must be seen where the lines are missing, and where trouble is looked for.
    fn tell_gap(&mut self, place: Place) {
        let Some(dropped) = self.gaps.remove(&place) else { return };
        let text = format!("dropped {dropped} datagrams while lines could not be written");
        message::warn(text.as_bytes());
        let told = format!("<44>logreceive: {text}");
        self.append(place, &Peer::default(), told.as_bytes(), false);
    }

    /// Tells something on standard error, and as a message of our own.
    fn tell(&mut self, text: &str) {
        message::warn(text.as_bytes());
        let told = format!("<44>logreceive: {text}");
        let place = self.place(&Peer::default(), told.as_bytes());
        self.append(place, &Peer::default(), told.as_bytes(), false);
    }

    /// Writes lines as far as possible without waiting.
    fn advance(&mut self) {
        let is_over = |place: &&Place| self.store.has_room(**place);
        let over: Vec<Place> = self.gaps.keys().filter(is_over).copied().collect();
        over.into_iter().for_each(|place| self.tell_gap(place));
        self.store.advance(Instant::now());
        self.waiting_len = self.store.waiting_len();
    }
}

impl Engine {
    /// Everything is open, and nothing was read.
    pub fn new(parts: Parts, bounds: Bounds) -> Engine {
        let Parts {
            sockets,
            names,
            status_file,
            link,
            store,
            writer,
            tls,
            signals,
            wake,
            hostname,
            ..
        } = parts;
        let counts =
            names.into_iter().map(|listen| Listener { listen, ..Listener::default() }).collect();
        let drops_of = |(number, socket): (usize, &Socket)| match socket {
            Socket::Udp(socket) => Some((number, KernelDrops::new(socket))),
            Socket::Unix(..) | Socket::UnixStream(..) | Socket::Tcp { .. } => None,
        };
        Engine {
            #[cfg(feature = "nats")]
            feeds: parts.feeds,
            kernel_drops: sockets.iter().enumerate().filter_map(drops_of).collect(),
            #[cfg(feature = "kafka")]
            groups: parts.groups,
            sockets,
            link,
            sessions: Vec::new(),
            session_count: 0,
            bounds,
            intake: Intake {
                store,
                writer,
                hostname,
                line: Vec::new(),
                #[cfg(feature = "kafka")]
                seen: Seen::default(),
                #[cfg(feature = "kafka")]
                group_number: 0,
                received: clock::now(),
                waiting_len: 0,
                ring_len_max: bounds.ring_len_max,
                gaps: HashMap::new(),
                messages: 0,
                counts,
            },
            tls,
            signals,
            wake,
            inbox: Inbox::new(DATAGRAM_MAX),
            sender: Peer::default(),
            status_file,
            status_due: Instant::now(),
            is_status_failing: false,
            tidy_due: Instant::now() + TIDY_EVERY,
            tidied_messages: 0,
            complaints: Complaints::new(Instant::now()),
            had_trouble: false,
            phase: Phase::Running,
            grace: None,
            has_given_up: false,
        }
    }

    /// Takes messages until a signal asks to end. False if lines were lost or could not be synced.
    pub fn run(mut self) -> bool {
        loop {
            let ready = self.wait();
            self.intake.received = clock::now();
            self.answer_signals();
            for (source, interest) in ready {
                match source {
                    Source::Signals | Source::Wake | Source::Stdout => {}
                    Source::Socket(number) => self.take_from_socket(number),
                    Source::Session(number) => self.serve(number, interest),
                }
            }
            self.serve_decrypted();
            self.tell_kernel_drops(false);
            #[cfg(feature = "kafka")]
            self.take_from_groups();
            #[cfg(feature = "nats")]
            self.feeds.iter_mut().for_each(|feed| feed.take(&mut self.intake));
            self.intake.advance();
            self.answer();
            self.watch_trouble();
            self.tidy();
            self.save_status();
            self.watch_grace();
            if let Some(is_clean) = self.end() {
                return is_clean;
            }
        }
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
        let is_running = self.phase == Phase::Running;
        let is_busy = self.is_busy_with_handshakes();
        for (number, socket) in self.sockets.iter().enumerate() {
            if socket.takes_datagrams() || is_running && !is_busy {
                wait.add(Source::Socket(number), socket.as_fd(), Interest::Readable);
            }
        }
        for (number, session) in self.sessions.iter().enumerate() {
            let Some(session) = session else { continue };
            let has_room = session.waits_for().is_some_and(|place| self.intake.has_room(place));
            let reads = session.wants_input();
            wait.until((has_room || reads && session.has_more()).then(Instant::now));
            wait.until(session.deadline());
            // A client that is gone would end every wait of a session that may not be read.
            let interest = match (reads, session.has_output()) {
                (true, true) => Interest::Both,
                (true, false) => Interest::Readable,
                (false, true) => Interest::Writable,
                (false, false) => continue,
            };
            wait.add(Source::Session(number), session.as_fd(), interest);
        }
        wait.until(self.intake.store.deadline());
        wait.until(self.complaints.due());
        wait.until(self.kernel_drops.iter().filter_map(|(_, drops)| drops.due()).min());
        #[cfg(feature = "kafka")]
        if self.waits_for_room_no_more() {
            wait.until(Some(Instant::now()));
        }
        #[cfg(feature = "nats")]
        self.feeds.iter().for_each(|feed| wait.until(feed.deadline()));
        let is_untidy = self.session_count > 0 || self.intake.messages != self.tidied_messages;
        wait.until(is_untidy.then_some(self.tidy_due));
        wait.until(self.status_file.is_some().then_some(self.status_due));
        wait.until(self.grace.as_ref().and_then(Grace::deadline));
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
            self.look_for_kernel_drops();
            self.status_due = Instant::now();
            let status = self.status();
            status.lines(status.at).iter().for_each(|line| message::info(line));
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
            self.shorten_grace();
        }
        if self.intake.store.is_broken() && self.phase == Phase::Running {
            self.phase = Phase::Finishing { by: Instant::now() };
        }
    }

    /// Starts the grace of processors; a second request ends it.
    fn shorten_grace(&mut self) {
        match &mut self.grace {
            None => self.grace = Some(Grace::begin(Instant::now())),
            Some(grace) => {
                if let Some(signal) = grace.escalate(Instant::now()) {
                    self.intake.store.stop_processors(signal);
                }
            }
        }
    }

    /// Signals processors that run longer than their grace.
    fn watch_grace(&mut self) {
        let signal = self.grace.as_mut().and_then(|grace| grace.due(Instant::now()));
        if let Some(signal) = signal {
            self.intake.store.stop_processors(signal);
        }
    }

    fn status(&self) -> Status {
        let mut listeners = self.intake.counts.clone();
        for session in self.sessions.iter().flatten() {
            listeners[session.peer().listener].clients += 1;
        }
        for (number, drops) in &self.kernel_drops {
            listeners[*number].dropped_by_kernel = drops.count();
        }
        let sync = self.intake.store.last_sync();
        Status {
            pid: std::process::id(),
            at: unix_secs(SystemTime::now()),
            listeners,
            directories: self.intake.store.directory_count(),
            waiting_bytes: self.intake.waiting_len,
            last_sync: sync.map(|sync| unix_secs(sync.at)),
            last_sync_ms: sync.map(|sync| sync.took.as_secs_f64() * 1000.0),
        }
    }

    /// Replaces the file with the status, if it is time.
    fn save_status(&mut self) {
        let now = Instant::now();
        if now < self.status_due {
            return;
        }
        self.status_due = now + STATUS_EVERY;
        let Some(file) = self.status_file.clone() else { return };
        self.look_for_kernel_drops();
        let saved = self.status().save(&file);
        let was_failing = std::mem::replace(&mut self.is_status_failing, saved.is_err());
        if let Err(error) = saved
            && !was_failing
        {
            let text = format!("unable to write {}: {}", file.display(), reason(&error));
            message::warn(text.as_bytes());
        }
    }

    fn look_for_kernel_drops(&mut self) {
        self.kernel_drops.iter_mut().for_each(|(_, drops)| drops.look());
    }

    /// Tells what the kernel dropped, on standard error and among the messages. `at_end`: without regard to when it was
    /// last told.
    fn tell_kernel_drops(&mut self, at_end: bool) {
        let now = Instant::now();
        for (_, drops) in &mut self.kernel_drops {
            if drops.due().is_some_and(|due| at_end || now >= due) {
                self.intake.tell(&drops.take_text(now));
            }
        }
    }

    #[cfg(feature = "kafka")]
    fn take_from_groups(&mut self) {
        if self.phase == Phase::Running {
            let first = self.intake.counts.len() - self.groups.len();
            for (number, group) in self.groups.iter_mut().enumerate() {
                self.intake.group_number = first + number;
                group.take(&mut self.intake);
            }
        }
    }

    /// True if the place that a group waits for has room.
    #[cfg(feature = "kafka")]
    fn waits_for_room_no_more(&self) -> bool {
        let mut places = self.groups.iter().filter_map(Group::waits_for);
        self.phase == Phase::Running && places.any(|place| self.intake.has_room(place))
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
            // Empty queue, an ICMP error without a receiver, or a signal.
            let Ok(datagram) = socket.receive(&mut self.inbox, &mut self.sender) else {
                return true;
            };
            if let Some(total) = datagram.dropped {
                let of_socket = self.kernel_drops.iter_mut().find(|(other, _)| *other == number);
                of_socket.into_iter().for_each(|(_, drops)| drops.note(total));
            }
            let bytes = self.inbox.bytes(datagram);
            if bytes.is_empty() {
                continue;
            }
            self.intake.take_datagram(&self.sender, bytes);
            if datagram.is_cut {
                self.intake.counts[number].too_long += 1;
                self.complain(&format!(
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
        let listen = &self.intake.counts[number].listen;
        let accepted = match &self.sockets[number] {
            &Socket::Tcp { ref listener, is_relp, is_encrypted } => {
                let tls = self.tls.as_ref().filter(|_| is_encrypted);
                listener.accept().and_then(|(stream, from)| {
                    stream.set_nonblocking(true)?;
                    // Answers are small, and clients wait for them.
                    stream.set_nodelay(true)?;
                    let encryption = tls.map(tls::Server::session).transpose();
                    let encryption = encryption.map_err(std::io::Error::other)?;
                    let name = format!("client {} of {listen}", shown(from));
                    let client = (Peer::remote(from.ip(), number), name);
                    Ok(Session::tcp(stream, encryption, client, is_relp, bounds))
                })
            }
            Socket::UnixStream(listener, _) => listener.accept().and_then(|(stream, _)| {
                stream.set_nonblocking(true)?;
                let asked = self.bounds.asks_for_peers;
                let credentials = credentials_of(&stream);
                let name = match credentials {
                    Some(Credentials { pid, uid }) => {
                        format!("process {pid} of user {uid}, client of {listen}")
                    }
                    None => format!("a client of {listen}"),
                };
                let credentials = credentials.filter(|_| asked);
                Ok(Session::unix(stream, (Peer::local(credentials, number), name), bounds))
            }),
            Socket::Unix(..) | Socket::Udp(_) => return false,
        };
        match accepted {
            Ok(session) => self.begin(session),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) => {
                self.complain(&format!("unable to take a connection: {error}"));
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
            self.complain(&text);
            return;
        }
        if self.is_refusing(&session) {
            session.refuse("the receiver cannot write now");
        }
        self.session_count += 1;
        match self.sessions.iter().position(Option::is_none) {
            Some(free) => self.sessions[free] = Some(session),
            None => self.sessions.push(Some(session)),
        }
    }

    /// Reports trouble with a client; a flood of it is counted.
    fn complain(&mut self, text: &str) {
        if let Some(text) = self.complaints.take(text, Instant::now()) {
            message::warn(text.as_bytes());
        }
    }

    /// Reports how many messages about clients were left out, when it is time. `at_end`: now.
    fn report_omitted(&mut self, at_end: bool) {
        let text = match at_end {
            true => self.complaints.take_rest(),
            false => self.complaints.take_omitted(Instant::now()),
        };
        text.into_iter().for_each(|text| message::warn(text.as_bytes()));
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
        let Some(session) = self.sessions.get_mut(number).and_then(Option::as_mut) else { return };
        let mut next = Next::Goes;
        if interest != Interest::Writable {
            next = session.read(&mut self.intake);
        }
        if next == Next::Goes && interest != Interest::Readable {
            next = session.write();
        }
        self.go_on(number, next);
    }

    fn go_on(&mut self, number: usize, next: Next) {
        if let Next::Failed(why) | Next::Odd(why) = &next {
            self.complain(why);
        }
        if matches!(next, Next::Over | Next::Failed(_)) && self.sessions[number].take().is_some() {
            self.session_count -= 1;
        }
    }

    /// Answers messages that are on disk.
    fn answer(&mut self) {
        #[cfg(feature = "kafka")]
        for group in &mut self.groups {
            group.answer(|ticket| self.intake.store.is_durable(ticket));
        }
        #[cfg(feature = "nats")]
        for feed in &mut self.feeds {
            feed.answer(|ticket| self.intake.store.is_durable(ticket));
        }
        for number in 0..self.sessions.len() {
            let Some(session) = &mut self.sessions[number] else { continue };
            let mut next = Next::Goes;
            if session.is_relp() {
                session.answer(|ticket| self.intake.store.is_durable(ticket));
                next = session.write();
            }
            if next == Next::Goes && (session.is_relp() || session.waits_for().is_some()) {
                // Messages that were read while answers were owed, or while they had no room.
                next = session.take_messages(&mut self.intake);
            }
            self.go_on(number, next);
        }
        // Begins the syncs that were asked for.
        self.intake.advance();
    }

    /// True if nothing that this client can send could be written.
    fn is_refusing(&self, session: &Session) -> bool {
        let place = self.intake.store.place_of(&origin(session.peer(), &self.intake.hostname));
        place
            .and_then(|place| self.intake.store.trouble_since(place))
            .is_some_and(|since| since.elapsed() >= WRITE_TIMEOUT)
    }

    /// While lines cannot be written or synced, the clients that wait for them are sent away: they keep what has no
    /// answer.
    fn watch_trouble(&mut self) {
        let store = &mut self.intake.store;
        let is_in_trouble = store.is_in_trouble_since(Instant::now());
        if !std::mem::replace(&mut self.had_trouble, is_in_trouble) && !is_in_trouble {
            return;
        }
        let now = Instant::now();
        let mut sent_away = None;
        for session in self.sessions.iter_mut().flatten() {
            let is_stuck = session.is_stuck(|place| store.trouble_since(place).is_some(), now);
            if is_stuck || session.unanswered().any(|place| store.has_lost(place)) {
                session.close();
                sent_away = Some(session.name().to_owned());
            }
        }
        #[cfg(feature = "kafka")]
        for group in &mut self.groups {
            let lost = group.take_lost(|place| store.has_lost(place));
            lost.into_iter().for_each(|identity| self.intake.seen.forget(identity));
        }
        #[cfg(feature = "nats")]
        self.feeds.iter_mut().for_each(|feed| feed.give_back_lost(|place| store.has_lost(place)));
        store.reopen_lost(&self.wake, now);
        if let Some(name) = sent_away {
            self.complain(&format!("{name} is sent away: its lines cannot be written to disk"));
        }
    }

    /// Ends sessions that wait too long, and frees the memory of quiet ones.
    fn tidy(&mut self) {
        let now = Instant::now();
        self.report_omitted(false);
        for number in 0..self.sessions.len() {
            if let Some(session) = &mut self.sessions[number] {
                let next = session.check_time(now);
                self.go_on(number, next);
            }
        }
        if now >= self.tidy_due {
            self.tidy_due = now + TIDY_EVERY;
            self.tidied_messages = self.intake.messages;
            self.sessions.iter_mut().flatten().for_each(Session::free_unused);
            self.intake.store.free_unused();
            self.look_for_kernel_drops();
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
                self.look_for_kernel_drops();
                self.tell_kernel_drops(true);
                self.report_omitted(true);
                self.stop_taking(by);
                by
            }
        };
        let now = Instant::now();
        #[cfg(feature = "kafka")]
        if now < by && !self.groups.iter().all(Group::is_over) {
            return None;
        }
        if let Some(closed) = self.intake.store.close() {
            return Some(closed == Closed::Clean && !self.has_given_up);
        }
        // A processor that was killed a moment ago is about to end.
        if now >= by && self.intake.store.is_in_trouble_since(now - KILL_TIMEOUT) {
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
        self.intake.advance();
        let waits = |session: &Session| match session.is_relp() {
            true => session.owes().next().is_some(),
            // The kernel has told the client that these bytes have arrived.
            false => session.waits_for().is_some() || poll::is_readable(session),
        };
        #[cfg(feature = "kafka")]
        for group in &self.groups {
            is_empty &= group.owes().next().is_none();
        }
        #[cfg(feature = "nats")]
        for feed in &mut self.feeds {
            is_empty &= feed.finish();
        }
        is_empty && self.intake.waiting_len == 0 && !self.sessions.iter().flatten().any(waits)
    }

    /// Closes sockets and sessions: no line may arrive for a directory that is closed already.
    fn stop_taking(&mut self, by: Instant) {
        self.phase = Phase::Closing { by };
        self.link = None;
        self.sockets.clear();
        #[cfg(feature = "kafka")]
        self.groups.iter_mut().for_each(Group::stop);
        for number in 0..self.sessions.len() {
            let Some(session) = &mut self.sessions[number] else { continue };
            if let Some(lost) = session.lost_message() {
                message::give_up(session.name().as_bytes(), lost);
                self.has_given_up = true;
            }
            session.close();
            let next = match session.is_relp() {
                true => session.write(),
                false => Next::Over,
            };
            self.go_on(number, next);
        }
    }
}

/// An address of IPv4 without the part that maps it into IPv6.
fn shown(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn origin<'a>(peer: &'a Peer, hostname: &'a [u8]) -> Origin<'a> {
    Origin {
        address: peer.address(),
        certified: peer.certified(),
        credentials: peer.credentials,
        hostname,
    }
}
