//! The programs that are compared, each with the arguments that make it do the same work.

use crate::Trouble;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where our programs are built as people install them. Those that cargo builds beside a bench have what
/// packages of the tests ask of packages that we share with them: half a megabyte more.
const BUILD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/shipped");
pub const MULTILOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/shipped/release/multilog");
pub const LOGDIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/shipped/release/logdir");
const TAI64N: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/shipped/release/tai64n");
const TAI64NLOCAL: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/target/shipped/release/tai64nlocal");

/// Builds our programs.
pub fn build() -> Result<(), Trouble> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "--locked", "--bins", "--target-dir", BUILD]);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    match cargo.status()?.success() {
        true => Ok(()),
        false => Err("our programs cannot be built".into()),
    }
}

/// Whose program it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Ours,
    Daemontools,
    S6,
    Runit,
    Cat,
}

impl Who {
    pub const PEERS: [Who; 4] = [Who::Daemontools, Who::S6, Who::Runit, Who::Cat];

    pub fn name(self) -> &'static str {
        match self {
            Who::Ours => "ours",
            Who::Daemontools => "daemontools",
            Who::S6 => "s6",
            Who::Runit => "runit",
            Who::Cat => "cat > file",
        }
    }
}

/// One program with its arguments.
#[derive(Clone, Debug)]
pub struct Entrant {
    pub who: Who,
    pub program: PathBuf,
    pub arguments: Vec<String>,
    /// Names and contents of files that are there before it starts.
    pub files: Vec<(String, String)>,
}

impl Entrant {
    fn new(who: Who, program: impl Into<PathBuf>, arguments: &[impl AsRef<str>]) -> Entrant {
        let arguments = arguments.iter().map(|argument| argument.as_ref().to_owned()).collect();
        Entrant { who, program: program.into(), arguments, files: Vec::new() }
    }

    /// The same run by a shell, from the words that follow `multilog` in a shell script.
    fn from_shell(who: Who, program: &Path, words: &str) -> Entrant {
        let command = format!("exec {} {words}", program.display());
        Entrant::new(who, "/bin/sh", &["-c", &command])
    }

    /// The same with its system calls counted into a file.
    pub fn counted(&self, strace: &Path, file: &str) -> Entrant {
        self.under(strace, &["-f", "-c", "-o", file])
    }

    /// The same on a disk that takes so long for each fsync. Only these calls are stopped at, so
    /// everything else runs at full speed.
    pub fn on_slow_disk(&self, strace: &Path, sync_micros: u32) -> Entrant {
        let inject = format!("inject=fsync,fdatasync:delay_exit={sync_micros}");
        let output = ["-f", "--seccomp-bpf", "-o", "/dev/null"];
        let filter = ["-e", "trace=fsync,fdatasync", "-e", &inject];
        self.under(strace, &[output, filter].concat())
    }

    fn under(&self, strace: &Path, options: &[&str]) -> Entrant {
        let program = self.program.display().to_string();
        let words = options.iter().copied().chain(["--", &program]).map(str::to_owned);
        let arguments = words.chain(self.arguments.iter().cloned()).collect();
        Entrant { program: strace.to_owned(), arguments, ..self.clone() }
    }
}

/// Where an installed program is.
pub fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

fn peer(who: Who, name: &str, arguments: &[impl AsRef<str>]) -> Option<Entrant> {
    installed(name).map(|program| Entrant::new(who, program, arguments))
}

pub fn our_multilog(script: &[impl AsRef<str>]) -> Entrant {
    Entrant::new(Who::Ours, MULTILOG, script)
}

pub fn their_multilog(script: &[impl AsRef<str>]) -> Option<Entrant> {
    peer(Who::Daemontools, "multilog", script)
}

/// Ours and daemontools', with the same script.
pub fn multilogs(script: &[impl AsRef<str>]) -> Vec<Entrant> {
    [Some(our_multilog(script)), their_multilog(script)].into_iter().flatten().collect()
}

/// The same with the words that follow `multilog` in a shell script.
pub fn multilogs_from_shell(words: &str) -> Vec<Entrant> {
    let ours = Entrant::from_shell(Who::Ours, Path::new(MULTILOG), words);
    let theirs = installed("multilog");
    let theirs = theirs.map(|program| Entrant::from_shell(Who::Daemontools, &program, words));
    [Some(ours), theirs].into_iter().flatten().collect()
}

pub fn s6_log(script: &[impl AsRef<str>]) -> Option<Entrant> {
    peer(Who::S6, "s6-log", script)
}

/// svlogd on the directory `main` with this configuration.
pub fn svlogd(options: &[&str], config: &str) -> Option<Entrant> {
    let entrant = peer(Who::Runit, "svlogd", &[options, &["main"]].concat())?;
    Some(Entrant { files: vec![("main/config".to_owned(), config.to_owned())], ..entrant })
}

pub fn cat() -> Option<Entrant> {
    peer(Who::Cat, "cat", &[""; 0])
}

/// `logdir show` of what is in this directory.
pub fn logdir_show(dir: &str) -> Entrant {
    Entrant::new(Who::Ours, LOGDIR, &["show", dir])
}

/// A filter of that name in every suite that has one.
pub fn tai64n() -> Vec<Entrant> {
    filters(TAI64N, "tai64n", "s6-tai64n")
}

pub fn tai64nlocal() -> Vec<Entrant> {
    filters(TAI64NLOCAL, "tai64nlocal", "s6-tai64nlocal")
}

fn filters(ours: &str, theirs: &str, s6: &str) -> Vec<Entrant> {
    let none = [""; 0];
    let ours = Some(Entrant::new(Who::Ours, ours, &none));
    let theirs = peer(Who::Daemontools, theirs, &none);
    [ours, theirs, peer(Who::S6, s6, &none), cat()].into_iter().flatten().collect()
}
