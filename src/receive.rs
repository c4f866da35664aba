//! The program `logreceive`: from its arguments to its exit code.
//!
//! ```text
//! socket ──► session (framing, RELP) ──► line ──► store ──► branch: queue, patterns, stamps, log directories
//!    └─ datagrams ──────────────────────┘           │
//!                 answer, when on disk ◄────────────┘
//! ```

mod branch;
mod complaints;
mod engine;
#[cfg(feature = "nats")]
mod feed;
mod format;
#[cfg(feature = "nats")]
mod gaps;
#[cfg(feature = "nats")]
mod journal;
#[cfg(feature = "kafka")]
mod kafka;
mod kernel_drops;
mod line;
mod listen;
mod names;
#[cfg(feature = "nats")]
mod nats;
mod options;
mod outlet;
pub mod peer;
mod queue;
#[cfg(feature = "kafka")]
mod seen;
pub mod session;
mod socket;
pub mod status;
pub mod store;
mod user;

use crate::message as messages;
use crate::options::print_completions;
use crate::signals::Signals;
use crate::sys::startup;
use crate::tls;
use ::logdir::wake::Wake;
use clap::{CommandFactory, Parser};
use engine::{Bounds, Engine, Parts};
#[cfg(feature = "nats")]
use feed::Feed;
use format::Writer;
#[cfg(feature = "nats")]
use journal::Journal;
#[cfg(feature = "kafka")]
use kafka::Group;
use listen::Listen;
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use options::Options;
use socket::{Inherited, Link, Setup, Socket};
use std::process::ExitCode;
use std::time::Duration;
use store::Store;

/// Runs the program with the arguments of the process.
pub fn run() -> ExitCode {
    messages::set_program("logreceive");
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => return messages::refuse_usage(&error),
    };
    if let Some(shell) = options.completions {
        return print_completions(shell, &mut Options::command(), "logreceive");
    }
    match open(&options) {
        Ok(engine) => ExitCode::from(if engine.run() { 0 } else { messages::EXIT_FATAL }),
        Err(Refusal::Usage(why)) => {
            messages::fatal_text(&why);
            ExitCode::from(messages::EXIT_USAGE)
        }
        Err(Refusal::Start(why)) => {
            messages::fatal_text(&why);
            ExitCode::from(messages::EXIT_FATAL)
        }
    }
}

/// Why the program does not start.
enum Refusal {
    /// The arguments are wrong.
    Usage(String),
    /// Something cannot be opened.
    Start(String),
}

/// Opens directories, then sockets: no message is taken before its place is there. With `--user` sockets come first,
/// because they may need root.
fn open(options: &Options) -> Result<Engine, Refusal> {
    let mut inherited = socket::take_inherited(&options.listen).map_err(Refusal::Start)?;
    let is_answered = |listen: &Listen| listen.is_relp() || listen.is_engine();
    let is_answered = options.listen.iter().any(is_answered);
    if is_answered && options.into.is_none() && options.script.is_empty() {
        let why = "relp://, nats:// and kafka:// need --into or a script: nobody knows what a program after standard \
                   output does with a line, so it could not be answered for";
        return Err(Refusal::Usage(why.to_owned()));
    }
    let tls = open_tls(options)?;
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
    ::logdir::sys::signal::ignore(Signal::SIGPIPE);
    startup::ignore(Signal::SIGXFSZ);
    startup::set_default(Signal::SIGCHLD);
    let setup = |errno: nix::errno::Errno| {
        Refusal::Start(format!("unable to prepare for signals: {}", errno.desc()))
    };
    let signals = Signals::collect().map_err(setup)?;
    let wake = Wake::new().map_err(setup)?;
    let ((sockets, link), store) = match &options.user {
        None => {
            let store = Store::open(options, &wake).map_err(Refusal::Start)?;
            (open_sockets(options, &mut inherited)?, store)
        }
        Some(account) => {
            let sockets = open_sockets(options, &mut inherited)?;
            account.become_it().map_err(Refusal::Start)?;
            (sockets, Store::open(options, &wake).map_err(Refusal::Start)?)
        }
    };
    #[cfg(feature = "kafka")]
    let groups = open_groups(options, &wake)?;
    let asked = options.listen.iter().filter(|listen| !listen.is_engine());
    let both = sockets.iter().zip(asked);
    let listens: Vec<Listen> = both.map(|(socket, asked)| socket.listen(asked)).collect();
    listens.iter().for_each(|listen| announce(listen, options.client_ca.is_some()));
    let engines = options.listen.iter().filter(|listen| listen.is_engine());
    let mut engines: Vec<&Listen> = engines.collect();
    // In the order of their numbers: consumers of NATS, then groups of Kafka.
    engines.sort_by_key(|listen| matches!(listen, Listen::Kafka(_)));
    let names = listens.iter().chain(engines).map(Listen::to_string).collect();
    #[cfg(feature = "nats")]
    let feeds = open_feeds(options, sockets.len(), &wake).map_err(Refusal::Start)?;
    let status_file = options.status.clone();
    let writer = Writer { format: options.format, trusts_host: options.trust_host };
    let hostname = nix::unistd::gethostname().map_or_else(
        |_| b"localhost".to_vec(),
        |name| name.to_string_lossy().into_owned().into_bytes(),
    );
    let parts = Parts {
        sockets,
        names,
        status_file,
        link,
        #[cfg(feature = "kafka")]
        groups,
        #[cfg(feature = "nats")]
        feeds,
        store,
        writer,
        tls,
        signals,
        wake,
        hostname,
    };
    Ok(Engine::new(parts, bounds(options)))
}

/// Opens the sockets, and the link to the first one for datagrams of this machine.
fn open_sockets(
    options: &Options,
    inherited: &mut Inherited,
) -> Result<(Vec<Socket>, Option<Link>), Refusal> {
    let setup = Setup {
        mode: options.mode,
        buffer_len: options.rcvbuf as usize,
        asks_for_peers: options.peer,
    };
    let target = options.listen.iter().find_map(Listen::path);
    if options.symlink.is_some() && target.is_none() {
        let why = "--symlink needs a socket that it leads to: unix:PATH or unix-stream:PATH";
        return Err(Refusal::Usage(why.to_owned()));
    }
    let mut open = |listen: &Listen| Socket::open(listen, setup, inherited);
    let asked = options.listen.iter().filter(|listen| !listen.is_engine());
    let sockets: Result<Vec<Socket>, String> = asked.map(&mut open).collect();
    let sockets = sockets.map_err(Refusal::Start)?;
    let link = options.symlink.as_deref().zip(target).map(|(path, to)| socket::link(path, to));
    Ok((sockets, link.transpose().map_err(Refusal::Start)?))
}

/// Prints what a socket listens on, what its senders may rely on, and who may write.
fn announce(listen: &Listen, asks_for_certificates: bool) {
    let guarantee = match listen {
        Listen::Relp(_) | Listen::Relps(_) => "a message is answered when it is on disk",
        Listen::Unix(_)
        | Listen::UnixStream(_)
        | Listen::Udp(_)
        | Listen::Tcp(_)
        | Listen::Tls(_)
        | Listen::Inherited(_)
        | Listen::Kafka(_)
        | Listen::Nats(..) => "without answers",
    };
    messages::info(&format!("listening on {listen}; {guarantee}"));
    if listen.is_open_to_others() && !(asks_for_certificates && listen.is_encrypted()) {
        messages::info(&format!("anybody who reaches {listen} may write to these logs"));
    }
}

/// Joins the groups that messages are taken from.
#[cfg(feature = "kafka")]
fn open_groups(options: &Options, wake: &Wake) -> Result<Vec<Group>, Refusal> {
    let mut groups = Vec::new();
    for listen in &options.listen {
        let Listen::Kafka(place) = listen else { continue };
        let member = kafka::member(options.into.as_deref(), place);
        groups.push(Group::open(place, member, wake).map_err(Refusal::Start)?);
        messages::info(&format!("{listen}; an offset is committed when its lines are on disk"));
    }
    Ok(groups)
}

/// Prepares to take messages from engines.
#[cfg(feature = "nats")]
fn open_feeds(options: &Options, socket_count: usize, wake: &Wake) -> Result<Vec<Feed>, String> {
    let mut feeds = Vec::new();
    for listen in &options.listen {
        let Listen::Nats(servers, consumer) = listen else { continue };
        let files = servers.is_encrypted().then(|| options.client_files());
        // Read again for each connection, so that new certificates need no restart.
        let open = move || files.clone().map(tls::Client::open).transpose();
        open()?;
        crate::nats::client::check(&servers.login)?;
        let journal = options.into.as_ref().map(|root| {
            Journal::open(root, &format!(".unanswered.{}.{}", consumer.stream, consumer.name))
        });
        let (journal, written) = journal.transpose()?.unzip();
        messages::info(&format!("{listen}; a message is acknowledged when it is on disk"));
        let (servers, consumer) = (servers.clone(), consumer.clone());
        let start = move |wake: &Wake| {
            nats::start(
                servers.clone(),
                consumer.stream.clone(),
                consumer.name.clone(),
                open()?.map(|client| client.config()),
                wake,
            )
        };
        feeds.push(Feed::new(
            listen.to_string(),
            socket_count + feeds.len(),
            Box::new(start),
            journal,
            written.unwrap_or_default(),
            wake,
        ));
    }
    Ok(feeds)
}

fn bounds(options: &Options) -> Bounds {
    Bounds {
        clients_max: options.clients as usize,
        handshakes_max: options.handshakes as usize,
        session: session::Bounds {
            message_max: options.max_message as usize,
            in_flight_max: options.in_flight as usize,
            message_timeout: Duration::from_secs(options.message_time.into()),
        },
        ring_len_max: usize::try_from(options.ring).unwrap_or(usize::MAX),
        asks_for_peers: options.peer,
    }
}

/// Reads certificates, if a socket needs them.
fn open_tls(options: &Options) -> Result<Option<tls::Server>, Refusal> {
    if !options.listen.iter().any(Listen::is_encrypted) {
        return Ok(None);
    }
    let Some(cert) = options.cert.clone() else {
        return Err(Refusal::Usage("tls:// and relps:// need --cert".to_owned()));
    };
    let files = tls::ServerFiles {
        cert,
        key: options.key.clone(),
        client_ca: options.client_ca.clone(),
        client_names: options.client_name.clone(),
        client_pins: options.client_pin.clone(),
    };
    tls::Server::open(files).map(Some).map_err(Refusal::Start)
}
