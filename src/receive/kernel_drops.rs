//! Datagrams that the kernel dropped because the buffer of a socket was full.
//!
//! The count arrives with the next datagram after the loss (SO_RXQ_OVFL, socket(7)). The table `/proc/net/udp` has it
//! also if none arrives; reading it costs more, so it is read seldom.

use std::fs;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// At least so long between two reports for one socket.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// Tables of all UDP sockets.
const TABLES: [&str; 2] = ["/proc/net/udp", "/proc/net/udp6"];
/// Looks into a table for a socket, at most: the kernel hands a table out in pieces, and leaves out sockets where
/// others come or go between two of them.
const LOOKS_MAX: usize = 4;
/// Columns of a table.
const INODE: usize = 9;
const DROPS: usize = 12;

/// Counted drops of one socket.
#[derive(Debug)]
pub struct KernelDrops {
    inode: u64,
    name: String,
    /// The kernel's count, which wraps.
    seen: u32,
    count: u64,
    untold: u64,
    /// When the next report may be made.
    due: Instant,
}

impl KernelDrops {
    /// Counts from now on: an inherited socket may have lost datagrams of its former owner.
    pub fn new(socket: &UdpSocket) -> KernelDrops {
        let inode = nix::sys::stat::fstat(socket.as_fd()).map_or(0, |stat| stat.st_ino);
        let address = socket.local_addr().map_or_else(|_| String::new(), |at| at.to_string());
        let mut drops = KernelDrops {
            inode,
            name: format!("udp://{address}"),
            seen: 0,
            count: 0,
            untold: 0,
            due: Instant::now(),
        };
        drops.look();
        (drops.count, drops.untold) = (0, 0);
        drops
    }

    /// Takes the kernel's count of all drops.
    pub fn note(&mut self, total: u32) {
        // A datagram carries the count of its arrival; an earlier look at the table may have a newer count.
        let new = total.wrapping_sub(self.seen);
        if new <= u32::MAX / 2 {
            self.seen = total;
            self.count += u64::from(new);
            self.untold += u64::from(new);
        }
    }

    /// Looks into the table.
    pub fn look(&mut self) {
        let mut tables = TABLES.iter().cycle().take(LOOKS_MAX * TABLES.len());
        let total = tables.find_map(|path| find(&fs::read_to_string(path).ok()?, self.inode));
        if let Some(total) = total {
            self.note(total);
        }
    }

    /// Datagrams dropped so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Time of the next report.
    pub fn due(&self) -> Option<Instant> {
        (self.untold > 0).then_some(self.due)
    }

    /// Text of the report.
    pub fn take_text(&mut self, now: Instant) -> String {
        self.due = now + TELL_EVERY;
        let count = std::mem::take(&mut self.untold);
        format!(
            "the kernel dropped {count} datagrams for {}, whose buffer was full: see --rcvbuf",
            self.name
        )
    }
}

/// The drops of a socket in a table of `/proc/net`.
fn find(table: &str, inode: u64) -> Option<u32> {
    let inode = inode.to_string();
    let of_line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_it = words.get(INODE).is_some_and(|word| **word == inode);
        words.get(DROPS).filter(|_| is_it)?.parse().ok()
    };
    table.lines().skip(1).find_map(of_line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
  211: 0100007F:0202 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 77 2 0000000000000000 12\n\
  212: 0100007F:0203 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 78 2 0000000000000000 4294967295\n";

    #[test]
    fn the_drops_of_a_socket_are_found_by_its_inode() {
        for (inode, expected) in [(77, Some(12)), (78, Some(u32::MAX)), (12, None), (0, None)] {
            assert_eq!(find(TABLE, inode), expected);
        }
        assert_eq!(find("", 77), None);
    }

    #[test]
    fn drops_are_counted_once_whoever_tells_them() {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let mut drops = KernelDrops::new(&socket);
        let mut counts = Vec::new();
        for total in [0, 5, 5, 3, 9] {
            drops.note(total);
            counts.push(drops.count());
        }
        assert_eq!(counts, [0, 5, 5, 5, 9]);
        let now = Instant::now();
        assert!(drops.due().is_some_and(|due| due <= now));
        assert!(drops.take_text(now).contains("dropped 9 datagrams for udp://127.0.0.1:"));
        assert_eq!(drops.due(), None);
        drops.seen = u32::MAX;
        drops.note(1);
        assert_eq!((drops.count(), drops.due()), (11, Some(now + TELL_EVERY)));
    }
}
