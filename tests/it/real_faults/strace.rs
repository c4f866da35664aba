//! strace(1) as the one who does harm: what it is told, and what it tells.

use std::collections::BTreeMap;

/// Which calls strace sees.
pub struct View {
    /// Those of all threads, and of processors until they have become one; else those of the first
    /// thread.
    pub follow: bool,
    /// Only those on these files or directories, if there are any.
    pub paths: Vec<String>,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// It is not made, and answers this.
    Error(&'static str),
    /// It is not made, because the process dies before it.
    Kill,
}

/// Harm to the so manieth call of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Injection {
    pub call: &'static str,
    pub when: usize,
    pub harm: Harm,
}

impl View {
    /// The options but for what is to be traced. Processors are let go as soon as they run: harm to
    /// their calls would come again with each of them.
    pub fn options(&self) -> Vec<String> {
        let mut options: Vec<String> =
            ["-qq", "-y", "-s", "0", "-o", "trace", "-b", "execve"].map(String::from).to_vec();
        if self.follow {
            options.push("-f".to_owned());
        }
        for path in &self.paths {
            options.extend(["-P".to_owned(), path.clone()]);
        }
        options
    }
}

impl Injection {
    pub fn options(&self) -> [String; 2] {
        let Injection { call, when, harm } = self;
        let harm = match harm {
            Harm::Error(reason) => format!("error={reason}"),
            Harm::Kill => "signal=KILL".to_owned(),
        };
        [format!("--trace={call}"), format!("--inject={call}:{harm}:when={when}")]
    }
}

/// How often each call was made, by the thread that made it most often.
pub fn count_calls(trace: &str) -> BTreeMap<String, usize> {
    let mut by_thread: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for line in trace.lines() {
        // Without -f no line begins with a number.
        let (thread, rest) = match line.split_once(' ') {
            Some((thread, rest)) if thread.bytes().all(|byte| byte.is_ascii_digit()) => {
                (thread, rest.trim_start())
            }
            Some(_) | None => ("", line),
        };
        if let Some((call, _)) = rest.split_once('(')
            && !call.contains(' ')
        {
            *by_thread.entry((thread, call)).or_default() += 1;
        }
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for ((_, call), count) in by_thread {
        let most = counts.entry(call.to_owned()).or_default();
        *most = count.max(*most);
    }
    counts
}

/// The files whose sync was made to fail so that what was written may be lost.
pub fn unsynced(trace: &str) -> Vec<&str> {
    let is_lost = |line: &&str| {
        line.contains("fsync(") && line.contains("(INJECTED)") && !line.contains("EINTR")
    };
    trace.lines().filter(is_lost).filter_map(path_of_descriptor).collect()
}

fn path_of_descriptor(line: &str) -> Option<&str> {
    Some(line.split_once('<')?.1.split_once('>')?.0)
}
