//! Which process has a unix socket: the kernel knows the socket of a file (sock_diag(7)), and `/proc` whose it is.
//!
//! The names in `/proc/net/unix` are those at bind(2): a socket that was renamed, as ours are, is not found there.

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};

/// Of `linux/netlink.h`, `linux/sock_diag.h` and `linux/unix_diag.h`.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const REQUEST_AND_DUMP: u16 = 0x301;
const NLMSG_DONE: u16 = 3;
const NLMSG_ERROR: u16 = 2;
const SHOW_VFS: u32 = 2;
const ATTRIBUTE_VFS: u16 = 1;
const HEADER_LEN: usize = 16;
const MESSAGE_LEN: usize = 16;
/// Longest answer of the kernel to one recv(2).
const ANSWER_MAX: usize = 32 * 1024;
/// Answers at most: a machine has some hundred sockets, and each answer holds dozens.
const ANSWERS_MAX: usize = 10_000;

/// The process that listens on this socket file, if `/proc` shows it.
pub fn of_socket(inode: u64, device: u64) -> Option<i32> {
    let socket = socket_of_file(inode, device)?;
    let target = format!("socket:[{socket}]");
    let pids = fs::read_dir("/proc").ok()?.flatten();
    let mut pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.find(|pid| has_open(*pid, &target))
}

fn has_open(pid: i32, target: &str) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    let leads_there = |path| fs::read_link(path).is_ok_and(|found| found.as_os_str() == target);
    descriptors.flatten().any(|entry| leads_there(entry.path()))
}

/// The kernel's number of the socket that is bound to a file.
fn socket_of_file(inode: u64, device: u64) -> Option<u32> {
    let diag = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkSockDiag,
    );
    let diag: OwnedFd = diag.ok()?;
    send(diag.as_raw_fd(), &request(), MsgFlags::empty()).ok()?;
    // The kernel's own form of device numbers, and the low half of an inode's number.
    let major = nix::sys::stat::major(device);
    let file = (inode as u32, (major << 20 | nix::sys::stat::minor(device)) as u32);
    let mut answer = vec![0; ANSWER_MAX];
    for _ in 0..ANSWERS_MAX {
        let len = recv(diag.as_raw_fd(), &mut answer, MsgFlags::empty()).ok()?;
        match find(&answer[..len], file) {
            Found::Socket(number) => return Some(number),
            Found::End => return None,
            Found::Nothing => {}
        }
    }
    None
}

/// Asks for all unix sockets with their files.
fn request() -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(40_u32.to_ne_bytes());
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(REQUEST_AND_DUMP.to_ne_bytes());
    bytes.extend([0; 8]);
    // Family, protocol and padding; states; inode; what to show; cookie.
    bytes.extend([1, 0, 0, 0]);
    for word in [u32::MAX, 0, SHOW_VFS, u32::MAX, u32::MAX] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    Socket(u32),
    Nothing,
    End,
}

/// Looks for the socket of a file in an answer.
fn find(mut answer: &[u8], file: (u32, u32)) -> Found {
    while let Some(len) = word(answer, 0).map(|len| len as usize) {
        match short(answer, 4) {
            Some(NLMSG_DONE | NLMSG_ERROR) | None => return Found::End,
            Some(_) => {}
        }
        let Some(message) = answer.get(HEADER_LEN..len) else { return Found::End };
        if has_file(message.get(MESSAGE_LEN..).unwrap_or_default(), file) {
            return word(message, 4).map_or(Found::End, Found::Socket);
        }
        answer = answer.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    Found::Nothing
}

fn has_file(mut attributes: &[u8], file: (u32, u32)) -> bool {
    while let (Some(len), Some(kind)) = (short(attributes, 0), short(attributes, 2)) {
        if kind == ATTRIBUTE_VFS {
            return (word(attributes, 4), word(attributes, 8)) == (Some(file.0), Some(file.1));
        }
        let next = usize::from(len).next_multiple_of(4).max(4);
        attributes = attributes.get(next..).unwrap_or_default();
    }
    false
}

fn word(bytes: &[u8], pos: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(pos..)?.first_chunk()?))
}

fn short(bytes: &[u8], pos: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(pos..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::{UnixDatagram, UnixListener};

    #[test]
    fn a_renamed_socket_has_its_holder() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("s");
        let stream = UnixListener::bind(home.path().join("s.1")).expect("a socket");
        fs::rename(home.path().join("s.1"), &path).expect("a name");
        let datagram = UnixDatagram::bind(home.path().join("d")).expect("a socket");
        let us = i32::try_from(std::process::id()).ok();
        for path in [path, home.path().join("d")] {
            let found = fs::metadata(path).expect("a socket");
            assert_eq!(of_socket(found.ino(), found.dev()), us);
        }
        drop((stream, datagram));
        let found = fs::metadata(home.path().join("d")).expect("a name without a socket");
        assert_eq!(of_socket(found.ino(), found.dev()), None);
    }

    #[test]
    fn an_answer_that_ends_anywhere_ends_the_search() {
        let answer = [&20_u32.to_ne_bytes()[..], &NLMSG_DONE.to_ne_bytes(), &[0; 14]].concat();
        for len in 0..=answer.len() {
            assert_ne!(find(&answer[..len], (1, 1)), Found::Socket(0));
        }
        assert_eq!(find(&answer, (1, 1)), Found::End);
        assert_eq!(find(&[], (1, 1)), Found::Nothing);
    }
}
