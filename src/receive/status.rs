//! How a receiver is: counts of each socket, and the last sync. Printed for USR1, and kept in a file for monitors and
//! `logdir status`: one JSON object, replaced as a whole.

use crate::status_file::{self, STALE_SECS};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// A running receiver.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The process.
    pub pid: u32,
    /// When this was written, in seconds since 1970.
    pub at: u64,
    /// Its sockets.
    pub listeners: Vec<Listener>,
    /// Open log directories.
    pub directories: usize,
    /// Bytes of messages that wait in memory.
    pub waiting_bytes: usize,
    /// When lines were synced last, in seconds since 1970.
    pub last_sync: Option<u64>,
    /// How long that took, in milliseconds.
    pub last_sync_ms: Option<f64>,
}

/// A socket of a receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// What it listens on.
    pub listen: String,
    /// Connections now.
    pub clients: u64,
    /// Messages taken.
    pub messages: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Datagrams that the kernel dropped because its buffer was full.
    pub dropped_by_kernel: u64,
    /// Datagrams dropped because lines could not be written.
    pub dropped: u64,
    /// Messages that were longer than the limit.
    pub too_long: u64,
}

impl Status {
    /// Replaces the file.
    ///
    /// # Errors
    /// The system's.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        status_file::save(path, self)
    }

    /// Reads the file.
    ///
    /// # Errors
    /// The system's, or the file is no such status.
    pub fn load(path: &Path) -> io::Result<Status> {
        status_file::load(path)
    }

    /// For people: a line for each socket, and one for the whole. `now` is in seconds since 1970.
    pub fn lines(&self, now: u64) -> Vec<String> {
        let mut lines: Vec<String> = self.listeners.iter().map(Listener::text).collect();
        let synced = self.last_sync.zip(self.last_sync_ms).map_or_else(
            || "nothing was synced yet".to_owned(),
            |(at, ms)| format!("last sync {} s ago, it took {ms:.1} ms", now.saturating_sub(at)),
        );
        lines.push(format!(
            "{} log directories, {} bytes waiting, {synced}",
            self.directories, self.waiting_bytes
        ));
        lines
    }

    /// Why a monitor should look, one sentence each.
    pub fn troubles(&self, now: u64) -> Vec<String> {
        let mut troubles = Vec::new();
        let age = now.saturating_sub(self.at);
        if age > STALE_SECS {
            troubles.push(format!("no logreceive has written this status for {age} s"));
        }
        for listener in &self.listeners {
            let Listener { listen, dropped_by_kernel, dropped, .. } = listener;
            if *dropped_by_kernel > 0 {
                troubles
                    .push(format!("{listen}: the kernel dropped {dropped_by_kernel} datagrams"));
            }
            if *dropped > 0 {
                troubles.push(format!(
                    "{listen}: {dropped} datagrams were dropped while lines could not be written"
                ));
            }
        }
        troubles
    }
}

impl Listener {
    fn text(&self) -> String {
        format!(
            "{}: {} clients, {} messages, {} bytes, dropped by the kernel {}, dropped here {}, too long {}",
            self.listen,
            self.clients,
            self.messages,
            self.bytes,
            self.dropped_by_kernel,
            self.dropped,
            self.too_long
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        let listener = Listener {
            listen: "udp://127.0.0.1:514".to_owned(),
            messages: 3,
            bytes: 120,
            ..Listener::default()
        };
        Status { pid: 7, at: 100, listeners: vec![listener], directories: 2, ..Status::default() }
    }

    #[test]
    fn people_read_counts_and_the_last_sync() {
        let mut status = status();
        let lines = status.lines(110);
        assert_eq!(
            lines,
            [
                "udp://127.0.0.1:514: 0 clients, 3 messages, 120 bytes, dropped by the kernel 0, dropped here 0, \
                 too long 0",
                "2 log directories, 0 bytes waiting, nothing was synced yet"
            ]
        );
        (status.last_sync, status.last_sync_ms) = (Some(98), Some(1.74));
        assert!(status.lines(110)[1].ends_with("last sync 12 s ago, it took 1.7 ms"));
    }

    #[test]
    fn drops_and_silence_are_troubles() {
        let mut status = status();
        assert_eq!(status.troubles(130), [""; 0]);
        assert_eq!(status.troubles(131), ["no logreceive has written this status for 31 s"]);
        status.listeners[0].dropped_by_kernel = 5;
        status.listeners[0].dropped = 6;
        let troubles = status.troubles(100);
        assert!(troubles[0].contains("the kernel dropped 5"), "{troubles:?}");
        assert!(troubles[1].contains("6 datagrams were dropped"), "{troubles:?}");
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("status");
        let status = Status { last_sync_ms: Some(0.5), ..status() };
        status.save(&path).expect("written");
        assert_eq!(Status::load(&path).expect("read"), status);
        assert!(Status::load(&home.path().join("none")).is_err());
    }
}
