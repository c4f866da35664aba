//! What stands in for TLS in a build without the feature `tls`: the option values are read, and opening fails
//! with the reason.

use std::convert::Infallible;
use std::io;
use std::net::TcpStream;
use std::path::PathBuf;

/// Error of each opening.
const ABSENT: &str = "this program was built without TLS (the feature tls of the package)";

/// Files and names of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientFiles {
    /// Certificates of trusted issuers.
    pub ca: Option<PathBuf>,
    /// Own certificate with its chain.
    pub cert: Option<PathBuf>,
    /// Key of the certificate.
    pub key: Option<PathBuf>,
    /// Expected name of the server.
    pub name: Option<String>,
    /// Expected fingerprints.
    pub pins: Vec<Pin>,
}

/// Fingerprint of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin(Infallible);

impl std::str::FromStr for Pin {
    type Err = String;

    fn from_str(_text: &str) -> Result<Pin, String> {
        Err(ABSENT.to_owned())
    }
}

/// A client that cannot exist.
#[derive(Debug)]
pub struct Client(Infallible);

impl Client {
    /// # Errors
    /// Always.
    pub fn open(_files: ClientFiles) -> Result<Client, String> {
        Err(ABSENT.to_owned())
    }

    /// # Errors
    /// Never called.
    pub fn reload(&mut self) -> Result<(), String> {
        match self.0 {}
    }

    /// # Errors
    /// Never called.
    pub fn session(&self, _host: &str) -> Result<Session, String> {
        match self.0 {}
    }
}

/// Files and names of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerFiles {
    /// Certificate of the server with its chain.
    pub cert: PathBuf,
    /// Key of the certificate.
    pub key: Option<PathBuf>,
    /// Issuers of client certificates.
    pub client_ca: Option<PathBuf>,
    /// Names of clients.
    pub client_names: Vec<String>,
    /// Fingerprints of clients.
    pub client_pins: Vec<Pin>,
}

/// A server that cannot exist.
#[derive(Debug)]
pub struct Server(Infallible);

impl Server {
    /// # Errors
    /// Always.
    pub fn open(_files: ServerFiles) -> Result<Server, String> {
        Err(ABSENT.to_owned())
    }

    /// # Errors
    /// Never called.
    pub fn reload(&mut self) -> Result<(), String> {
        match self.0 {}
    }

    /// # Errors
    /// Never called.
    pub fn session(&self) -> Result<Session, String> {
        match self.0 {}
    }
}

/// A session that cannot exist.
#[derive(Debug)]
pub struct Session(Infallible);

impl Session {
    /// # Errors
    /// Never called.
    pub fn read(&mut self, _socket: &TcpStream, _space: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }

    /// # Errors
    /// Never called.
    pub fn write(&mut self, _socket: &TcpStream, _bytes: &[u8]) -> io::Result<usize> {
        match self.0 {}
    }

    /// # Errors
    /// Never called.
    pub fn flush(&mut self, _socket: &TcpStream) -> io::Result<()> {
        match self.0 {}
    }

    /// Never called.
    pub fn is_handshaking(&self) -> bool {
        match self.0 {}
    }

    /// Never called.
    pub fn wants_write(&self) -> bool {
        match self.0 {}
    }

    /// Never called.
    pub fn may_be_refused_later(&self) -> bool {
        match self.0 {}
    }

    /// The name in the certificate of the peer.
    pub fn certified_name(&self) -> Option<String> {
        match self.0 {}
    }

    /// Never called.
    pub fn written_total(&self) -> u64 {
        match self.0 {}
    }

    /// Never called.
    pub fn close(&mut self) {
        match self.0 {}
    }
}
