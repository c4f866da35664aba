//! Filters lines by kind: all, one kind, or kinds unknown to every report.

use crate::logdir::options::Show;
use crate::logdir::report::state::{Service, State};
use crate::message;
use ::kinds::{KindHash, Masked, mask};
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often a state is looked at for a newer one.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// New kinds that are remembered as shown; all are forgotten when there are more.
const SHOWN_MAX: usize = 100_000;

/// Selects lines by their kinds.
pub struct KindFilter {
    wanted: Wanted,
    /// Reused from line to line.
    masked: Masked,
}

enum Wanted {
    Any,
    Only(KindHash),
    New(NewKinds),
}

/// Kinds missing in a state file.
struct NewKinds {
    path: PathBuf,
    state: State,
    version: Option<Version>,
    looked_at: Instant,
    /// The name in the state of each log's service.
    services: Vec<Service>,
    /// Kinds shown already; `None` if every line is shown.
    shown: Option<HashSet<(Service, KindHash)>>,
}

/// Tells one state from the state that replaced it.
type Version = (u64, u64, i64, i64);

impl KindFilter {
    /// Reads options and state. `services` has the name of each log's service.
    pub fn of(options: &Show, services: &[String]) -> Result<KindFilter, String> {
        let wanted = match (&options.kind, &options.state) {
            (Some(text), _) => Wanted::Only(parse(text)?),
            (None, Some(path)) => Wanted::New(NewKinds::read(path, services, options.follow)?),
            (None, None) => Wanted::Any,
        };
        Ok(KindFilter { wanted, masked: Masked::default() })
    }

    /// True if every line passes.
    pub fn is_empty(&self) -> bool {
        matches!(self.wanted, Wanted::Any)
    }

    /// True if a log's line may be shown.
    pub fn is_wanted(&mut self, number: usize, text: &[u8]) -> bool {
        if self.is_empty() {
            return true;
        }
        let hash = self.hash(text);
        match &mut self.wanted {
            Wanted::Any => true,
            Wanted::Only(kind) => hash == *kind,
            Wanted::New(new) => new.is_new(number, hash),
        }
    }

    /// True if a wanted line is shown now: while following, only the first of a new kind.
    pub fn is_due(&mut self, number: usize, text: &[u8]) -> bool {
        if !matches!(&self.wanted, Wanted::New(NewKinds { shown: Some(_), .. })) {
            return true;
        }
        let hash = self.hash(text);
        match &mut self.wanted {
            Wanted::New(new) => new.is_first(number, hash),
            Wanted::Any | Wanted::Only(_) => true,
        }
    }

    fn hash(&mut self, text: &[u8]) -> KindHash {
        mask(text, &mut self.masked);
        KindHash::of(&self.masked.text)
    }
}

fn parse(text: &str) -> Result<KindHash, String> {
    KindHash::parse(text).ok_or_else(|| {
        format!(
            "{text} is not the hash of a kind: 16 hexadecimal digits, as logdir kinds prints them"
        )
    })
}

impl NewKinds {
    fn read(path: &Path, services: &[String], is_following: bool) -> Result<NewKinds, String> {
        let version = version(path);
        if version.is_none() {
            let path = path.display();
            return Err(format!(
                "unable to read state {path}: logdir report has not written it yet"
            ));
        }
        Ok(NewKinds {
            path: path.to_owned(),
            state: State::read(path)?,
            version,
            looked_at: Instant::now(),
            services: services.iter().map(|name| Service::new(name)).collect(),
            shown: is_following.then(HashSet::new),
        })
    }

    fn is_new(&mut self, number: usize, hash: KindHash) -> bool {
        if self.state.has(&self.services[number], hash) {
            return false;
        }
        if self.looked_at.elapsed() >= LOOK_INTERVAL {
            self.look();
        }
        !self.state.has(&self.services[number], hash)
    }

    /// Reads the state again after a report has replaced it.
    fn look(&mut self) {
        self.looked_at = Instant::now();
        let version = version(&self.path);
        if version.is_none() || version == self.version {
            return;
        }
        self.version = version;
        match State::read(&self.path) {
            Ok(state) => self.state = state,
            Err(why) => message::warn(why.as_bytes()),
        }
    }

    fn is_first(&mut self, number: usize, hash: KindHash) -> bool {
        let Some(shown) = &mut self.shown else { return true };
        if shown.len() >= SHOWN_MAX {
            shown.clear();
        }
        shown.insert((self.services[number].clone(), hash))
    }
}

fn version(path: &Path) -> Option<Version> {
    let found = fs::metadata(path).ok()?;
    Some((found.dev(), found.ino(), found.mtime(), found.mtime_nsec()))
}
