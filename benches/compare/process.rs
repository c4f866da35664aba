//! What /proc tells of a child, and waiting for what it does.

use crate::Trouble;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take before the row is given up. Far more than it ever takes.
const DEADLINE: Duration = Duration::from_secs(120);
/// Between two looks where the moment itself is not measured.
const GLANCE: Duration = Duration::from_micros(200);

/// Waits until `condition` holds, looking all the time.
pub fn spin_until(what: &str, mut condition: impl FnMut() -> bool) -> Result<(), Trouble> {
    let start = Instant::now();
    while !condition() {
        if start.elapsed() > DEADLINE {
            return Err(format!("waited in vain for {what}").into());
        }
        std::hint::spin_loop();
    }
    Ok(())
}

/// Waits until `condition` holds, looking now and then.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) -> Result<(), Trouble> {
    spin_until(what, || {
        let holds = condition();
        if !holds {
            thread::sleep(GLANCE);
        }
        holds
    })
}

/// Bytes in a file; none where it is not there.
pub fn file_len(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// Whether the process waits for something.
pub fn is_asleep(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|fields| fields.starts_with('S'))
}

/// Bytes it has read so far, from anywhere.
pub fn bytes_read(pid: u32) -> u64 {
    field(&format!("/proc/{pid}/io"), "rchar:").unwrap_or(0)
}

/// Processor time it has taken so far.
pub fn cpu(pid: u32) -> Result<Duration, Trouble> {
    let path = format!("/proc/{pid}/schedstat");
    let text = fs::read_to_string(&path)?;
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
    nanos.map(Duration::from_nanos).ok_or_else(|| format!("{path}: {text}").into())
}

/// The most memory it has had so far, in KiB. Not what wait4(2) tells, which begins with the memory
/// of the process that forked.
pub fn peak_kib(pid: u32) -> Result<u64, Trouble> {
    let path = format!("/proc/{pid}/status");
    field(&path, "VmHWM:").ok_or_else(|| format!("{path} has no VmHWM").into())
}

/// The memory that nobody shares with it, in KiB.
pub fn private_kib(pid: u32) -> Result<u64, Trouble> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let clean = field(&path, "Private_Clean:");
    let dirty = field(&path, "Private_Dirty:");
    clean.zip(dirty).map(|(clean, dirty)| clean + dirty).ok_or_else(|| format!("{path}?").into())
}

/// The first number behind a name at the start of a line.
fn field(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Processor time of all children that have been waited for.
pub fn children_cpu() -> Result<Duration, Trouble> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    Ok(duration(usage.user_time()) + duration(usage.system_time()))
}

fn duration(time: TimeVal) -> Duration {
    Duration::new(time.tv_sec() as u64, time.tv_usec() as u32 * 1000)
}
