//! The command line of `logreceive`: one description for parsing, help and errors.

use super::format::Format;
use super::line::By;
use super::listen::Listen;
use super::names::Mapping;
use super::user::Account;
use crate::options::ShellName;
use crate::tls::Pin;
use clap::Parser;
use std::ffi::OsString;
use std::path::PathBuf;

/// Takes syslog messages from sockets into log directories.
#[derive(Debug, Parser)]
#[command(name = "logreceive", version, args_override_self = true, max_term_width = 80, after_help = AFTER_HELP)]
pub struct Options {
    /// Directory that holds the log directories, which are made as they are needed
    #[arg(long, value_name = "ROOT")]
    pub into: Option<PathBuf>,
    /// What names a log directory
    #[arg(long, value_name = "KEY", default_value = "program", requires = "into")]
    pub by: By,
    /// Log directories at most; further messages go into the directory other
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=100_000), requires = "into")]
    pub max_dirs: u32,
    /// Log directories open at a time; the least used one is closed first
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000), requires = "into")]
    pub max_open: u32,
    /// Believes the host that a message names, instead of the address it came from
    #[arg(long)]
    pub trust_host: bool,
    /// Directory of programs whose whole name matches a regular expression; may be repeated
    #[arg(long, value_name = "RE=NAME", value_parser = Mapping::parse, requires = "into")]
    pub map: Vec<Mapping>,
    /// How a message is written as a line
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub format: Format,
    /// Writes the process and the user of senders on unix sockets, as the kernel knows them
    #[arg(long)]
    pub peer: bool,
    /// Connections at most
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub clients: u32,
    /// Bytes of RELP messages that one client may have without an answer
    #[arg(long, value_name = "BYTES", default_value_t = 4 << 20, value_parser = clap::value_parser!(u32).range(4096..))]
    pub in_flight: u32,
    /// Seconds that a client has for a whole message, and for a handshake
    #[arg(long, value_name = "SECS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub message_time: u32,
    /// TLS handshakes at a time; further clients wait
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub handshakes: u32,
    /// Bytes of a message; a longer message becomes several lines
    #[arg(long, value_name = "BYTES", default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(480..=1_048_576))]
    pub max_message: u32,
    /// Bytes of datagrams that wait in memory for a slow disk
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20, value_parser = clap::value_parser!(u64).range(65_536..))]
    pub ring: u64,
    /// Bytes of datagrams that the kernel keeps for each socket
    #[arg(long, value_name = "BYTES", default_value_t = 4 << 20, value_parser = clap::value_parser!(u32).range(4096..=1 << 30))]
    pub rcvbuf: u32,
    /// Mode of unix sockets, in octal
    #[arg(long, value_name = "MODE", default_value = "666", value_parser = parse_mode)]
    pub mode: u32,
    /// Symbolic link to the first unix socket, such as /dev/log
    #[arg(long, value_name = "PATH")]
    pub symlink: Option<PathBuf>,
    /// File that is replaced with the status every 10 seconds
    #[arg(long, value_name = "FILE")]
    pub status: Option<PathBuf>,
    /// Account to run as after the sockets are open
    #[arg(long, value_name = "USER[:GROUP]", value_parser = Account::parse)]
    pub user: Option<Account>,
    /// Certificate of this receiver with its chain, for tls:// and relps://
    #[arg(long, value_name = "FILE")]
    pub cert: Option<PathBuf>,
    /// Key of the certificate, unless it stands in the same file
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// Issuers of client certificates; without it no client is asked for one
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub client_ca: Option<PathBuf>,
    /// Name that a client's certificate must have; may be repeated
    #[arg(long, value_name = "NAME", requires = "client_ca")]
    pub client_name: Vec<String>,
    /// SHA-256 fingerprint that a client's certificate must have; may be repeated
    #[arg(long, value_name = "SHA256", requires = "client_ca")]
    pub client_pin: Vec<Pin>,
    /// Issuers of the certificates of engines, for natss://; this machine's unless named
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Prints completions for a shell
    #[arg(long, value_name = "SHELL", exclusive = true)]
    pub completions: Option<ShellName>,
    /// Sockets, or consumers of NATS
    #[arg(value_name = "LISTEN", required_unless_present = "completions", value_parser = Listen::parse)]
    pub listen: Vec<Listen>,
    /// A script of multilog; with --into only its settings and patterns
    #[arg(last = true, value_name = "SCRIPT")]
    pub script: Vec<OsString>,
}

const AFTER_HELP: &str = "\
LISTEN: unix:PATH (datagrams, as /dev/log), unix-stream:PATH, udp://[ADDRESS][:514],
tcp://[ADDRESS][:514], relp://[ADDRESS][:2514]; encrypted tls://[ADDRESS][:6514]
and relps://[ADDRESS][:2514]. No address is loopback, * is all.
nats://HOST[:4222][,HOST...]/STREAM/CONSUMER and natss:// take messages from NATS.
fd:N is an inherited socket of any of these kinds; relp://fd:N and tls://fd:N say
what is spoken there.
kafka://HOST[:9092],HOST2/TOPIC?group=G[&config=FILE]: messages of a topic.
Without --into and without a script, lines go to standard output.
Signals: TERM takes what has arrived and exits, ALRM ends every current,
HUP reads certificates again, USR1 prints the status.";

impl Options {
    /// Certificates for connections to engines: whom they trust, and how this receiver shows itself.
    #[cfg(feature = "nats")]
    pub fn client_files(&self) -> crate::tls::ClientFiles {
        crate::tls::ClientFiles {
            ca: self.ca.clone(),
            cert: self.cert.clone(),
            key: self.key.clone(),
            ..crate::tls::ClientFiles::default()
        }
    }
}

fn parse_mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| format!("{text} is no mode such as 660"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_description_is_sound() {
        Options::command().debug_assert();
    }

    #[test]
    fn the_manual_has_every_option() {
        let manual = include_str!("../../docs/logreceive.8");
        let command = Options::command();
        let names: Vec<&str> = command.get_arguments().filter_map(|arg| arg.get_long()).collect();
        assert!(names.len() > 20, "{names:?}");
        for name in names {
            let mut items = manual.lines().filter(|line| line.starts_with(".It Fl Fl "));
            let item = format!("Fl Fl {name}");
            let is_there =
                items.any(|line| line.contains(&format!("{item} ")) || line.ends_with(&item));
            assert!(is_there, "the manual lacks --{name}");
        }
    }
}
