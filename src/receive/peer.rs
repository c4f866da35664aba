//! Who sent a message, as the kernel says: never the sender's own word.

use std::net::IpAddr;

/// A process of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Its number in our namespace; 0 if it cannot be seen from here.
    pub pid: i32,
    /// Its user in our namespace.
    pub uid: u32,
}

/// The sender of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    ip: Option<IpAddr>,
    /// Address or name in text; `None` for a unix socket.
    address: Option<Vec<u8>>,
    /// Name in its certificate.
    certified: Option<Vec<u8>>,
    /// The sending process, with `--peer`.
    pub credentials: Option<Credentials>,
    /// Number of the listening socket.
    pub listener: usize,
}

impl Peer {
    /// A program of this machine.
    pub fn local(credentials: Option<Credentials>, listener: usize) -> Peer {
        Peer { credentials, listener, ..Peer::default() }
    }

    /// A program somewhere on the network.
    pub fn remote(ip: IpAddr, listener: usize) -> Peer {
        let mut peer = Peer { listener, ..Peer::default() };
        peer.set_ip(ip);
        peer
    }

    /// A machine that somebody trusted names.
    #[cfg(any(feature = "kafka", feature = "nats"))]
    pub fn named(host: &[u8], listener: usize) -> Peer {
        Peer { listener, address: Some(host.to_vec()), ..Peer::default() }
    }

    /// The sender of the next datagram from the network.
    pub fn set_ip(&mut self, ip: IpAddr) {
        if self.ip != Some(ip) {
            self.ip = Some(ip);
            // Without the part that maps IPv4 into IPv6.
            self.address = Some(ip.to_canonical().to_string().into_bytes());
        }
    }

    /// Its certificate, which was checked, has this name.
    pub fn set_certified(&mut self, name: String) {
        self.certified = Some(name.into_bytes());
    }

    /// Name in the certificate, if the client sent one.
    pub fn certified(&self) -> Option<&[u8]> {
        self.certified.as_deref()
    }

    /// Its address in text; `None` for a unix socket.
    pub fn address(&self) -> Option<&[u8]> {
        self.address.as_deref()
    }
}
