//! What was found, as Markdown: the tables, and docs/performance.md around them.

use crate::entrants::Who;
use crate::picture;
use crate::{Scale, Trouble};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A throughput of ours beside that of the peers.
#[derive(Clone, Debug)]
pub struct Race {
    pub work: String,
    /// Ours as a multiple of each peer's.
    pub ratios: Vec<(Who, f64)>,
    /// What it should be at least.
    pub targets: Vec<(Who, f64)>,
}

impl Race {
    pub fn ratio(&self, peer: Who) -> Option<f64> {
        self.ratios.iter().find(|(who, _)| *who == peer).map(|(_, ratio)| *ratio)
    }

    pub fn target(&self, peer: Who) -> Option<f64> {
        self.targets.iter().find(|(who, _)| *who == peer).map(|(_, target)| *target)
    }

    fn row(&self) -> String {
        let cell = |peer| self.ratio(peer).map_or("–".to_owned(), format_ratio);
        let cells = Who::PEERS.map(cell).join(" | ");
        let target = |(who, times): &(Who, f64)| format!("{times} × {}", who.name());
        let targets: Vec<String> = self.targets.iter().map(target).collect();
        format!("| {} | {cells} | {} | {} |\n", self.work, targets.join(", "), self.verdict())
    }

    fn verdict(&self) -> String {
        let below = |(who, target): &(Who, f64)| match self.ratio(*who) {
            Some(ratio) if ratio < *target => Some(who.name()),
            Some(_) | None => None,
        };
        let missed: Vec<&str> = self.targets.iter().filter_map(below).collect();
        match (self.targets.is_empty(), missed.is_empty()) {
            (true, _) => String::new(),
            (false, true) => "yes".to_owned(),
            (false, false) => format!("no: {}", missed.join(", ")),
        }
    }
}

/// Anything else, which should not be more than so much.
#[derive(Clone, Debug)]
pub struct Limit {
    pub work: String,
    pub ours: String,
    /// The same of daemontools, where it makes sense.
    pub theirs: Option<String>,
    pub target: String,
    pub met: bool,
}

impl Limit {
    fn row(&self) -> String {
        let theirs = self.theirs.as_deref().unwrap_or("–");
        let met = if self.met { "yes" } else { "no" };
        format!("| {} | {} | {theirs} | {} | {met} |\n", self.work, self.ours, self.target)
    }
}

/// What a row of targets found.
#[derive(Clone, Debug)]
pub enum Outcome {
    Race(Race),
    Limit(Limit),
}

impl Outcome {
    fn race(&self) -> Option<&Race> {
        match self {
            Outcome::Race(race) => Some(race),
            Outcome::Limit(_) => None,
        }
    }

    fn limit(&self) -> Option<&Limit> {
        match self {
            Outcome::Limit(limit) => Some(limit),
            Outcome::Race(_) => None,
        }
    }
}

/// `9.4` or `0.97`: two digits that count.
pub fn format_ratio(ratio: f64) -> String {
    match ratio {
        ..2.0 => format!("{ratio:.2}"),
        2.0..20.0 => format!("{ratio:.1}"),
        _ => format!("{ratio:.0}"),
    }
}

/// One table of throughput, one of everything else.
pub fn tables(outcomes: &[Outcome]) -> String {
    let races: String = outcomes.iter().filter_map(Outcome::race).map(Race::row).collect();
    let limits: String = outcomes.iter().filter_map(Outcome::limit).map(Limit::row).collect();
    let mut text = String::new();
    if !races.is_empty() {
        let peers = Who::PEERS.map(Who::name).join(" | ");
        text += &format!("| throughput, as a multiple of | {peers} | target | met |\n");
        text += "| --- | ---: | ---: | ---: | ---: | --- | --- |\n";
        text += &races;
    }
    if !races.is_empty() && !limits.is_empty() {
        text += "\n";
    }
    if !limits.is_empty() {
        text += "| everything else | ours | daemontools | target | met |\n";
        text += "| --- | ---: | ---: | --- | --- |\n";
        text += &limits;
    }
    text
}

/// Writes docs/performance.md and its picture.
pub fn write(outcomes: &[Outcome], scale: Scale) -> Result<(), Trouble> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let races: Vec<&Race> = outcomes.iter().filter_map(Outcome::race).collect();
    fs::write(docs.join("performance.svg"), picture::draw(&races))?;
    fs::write(docs.join("performance.md"), page(outcomes, scale))?;
    Ok(())
}

fn page(outcomes: &[Outcome], scale: Scale) -> String {
    let mut text = format!(
        "# Performance

Written by

    cargo bench --bench compare -- --rounds {} --megabytes {} --write

which runs everything below on your machine, beside whichever of the other programs are installed.
Receivers of syslog messages are measured by `benches/receive`, see [receiving](receiving.md#speed);
`logdir report` and `logdir kinds` by `benches/reports`, see [reports](reporting.md#what-it-costs).

![Throughput as a multiple of each peer's](performance.svg)

- **How.** {} rounds, in each of which every program runs once, one after the other; medians. Throughput
  is {} MB of input (less where a disk, a peer with many patterns or tiny files would take minutes)
  through a pipe from one feeder, from the start of the program to its end. Files are in memory (tmpfs)
  unless the row says otherwise, 16,777,215 bytes large unless the row says otherwise. Lines are those
  of qmail-send, about 80 bytes. `logdir show` reads a directory, and the filters beside it the same bytes
  from a file.
- **What the numbers say.** How many times the input of the peer ours takes in the same time. `cat > file`
  does no work at all: it is what the pipe and the file system allow.
",
        scale.rounds, scale.megabytes, scale.rounds, scale.megabytes
    );
    for (name, value) in machine() {
        let _ = writeln!(text, "- **{name}.** {value}");
    }
    text + "\n" + &tables(outcomes)
}

/// Where and with what it was measured.
fn machine() -> [(&'static str, String); 3] {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = output("uname", &["-sr"]);
    let packages = ["daemontools", "s6", "runit", "coreutils"];
    let versions =
        output("dpkg-query", &[&["-W", "-f=${Package} ${Version}, "], &packages[..]].concat());
    let compiler = output("rustc", &["--version"]);
    [
        ("Machine", format!("{model}, {cores} cores, {kernel}.")),
        ("Peers", format!("{}.", versions.trim_end_matches([',', ' ']))),
        ("Ours", format!("multilog {}, {compiler}, release profile.", env!("CARGO_PKG_VERSION"))),
    ]
}

/// What a command says, on one line; nothing where there is no such command.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map_or(Vec::new(), |output| output.stdout);
    String::from_utf8_lossy(&text).trim().to_owned()
}
