//! Server side: its certificate, and which clients are let in.

use super::files;
use super::pin::{OtherCertificate, Pin};
use super::provider;
use super::session::Session;
use super::words::Peer;
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, ServerConfig,
    ServerConnection, SignatureScheme,
};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Files and names of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerFiles {
    /// Certificate of the server with its chain.
    pub cert: PathBuf,
    /// Key of the certificate; it may stand in the certificate's file.
    pub key: Option<PathBuf>,
    /// Issuers of client certificates. Without it no client is asked for a certificate.
    pub client_ca: Option<PathBuf>,
    /// Names (DNS names or IP addresses), one of which a client's certificate must have; any name if empty.
    pub client_names: Vec<String>,
    /// Fingerprints, one of which a client's certificate must have; any if empty. Needs `client_ca`.
    pub client_pins: Vec<Pin>,
}

/// A server that can begin sessions.
#[derive(Debug)]
pub struct Server {
    files: ServerFiles,
    config: Arc<ServerConfig>,
}

impl Server {
    /// Reads all files.
    ///
    /// # Errors
    /// A file cannot be read or used, in words.
    pub fn open(files: ServerFiles) -> Result<Server, String> {
        let config = Arc::new(config(&files)?);
        Ok(Server { files, config })
    }

    /// Reads all files again. Later sessions use them.
    ///
    /// # Errors
    /// A file cannot be read or used, in words; what was read before stays in use.
    pub fn reload(&mut self) -> Result<(), String> {
        self.config = Arc::new(config(&self.files)?);
        Ok(())
    }

    /// Begins a session with a client that has connected.
    ///
    /// # Errors
    /// None is known; the library reserves one.
    pub fn session(&self) -> Result<Session, String> {
        ServerConnection::new(Arc::clone(&self.config))
            .map(|connection| Session::new(connection.into(), Peer::Client))
            .map_err(|error| Peer::Client.words(&error))
    }
}

fn config(files: &ServerFiles) -> Result<ServerConfig, String> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match verifier(files)? {
        Some(verifier) => builder.with_client_cert_verifier(Arc::new(verifier)),
        None => builder.with_no_client_auth(),
    };
    let cert = &files.cert;
    let key = files::key(files.key.as_ref().unwrap_or(cert))?;
    builder
        .with_single_cert(files::certificates(cert)?, key)
        .map_err(|error| format!("unable to use {} with its key: {error}", cert.display()))
}

fn verifier(files: &ServerFiles) -> Result<Option<Verifier>, String> {
    let Some(path) = &files.client_ca else {
        let has_no_rule = files.client_names.is_empty() && files.client_pins.is_empty();
        let missing = "names and fingerprints of clients need the file of their issuers";
        return if has_no_rule { Ok(None) } else { Err(missing.to_owned()) };
    };
    let names = files.client_names.iter().map(|name| {
        ServerName::try_from(name.clone())
            .map_err(|_| format!("{name} is no name that a certificate can have"))
    });
    let names = names.collect::<Result<_, _>>()?;
    let issuers = Arc::new(files::issuers(path)?);
    let by_issuer = WebPkiClientVerifier::builder_with_provider(issuers, provider())
        .build()
        .map_err(|error| format!("unable to use {}: {error}", path.display()))?;
    Ok(Some(Verifier { by_issuer, names, pins: files.client_pins.clone() }))
}

/// Checks issuer and time, then names and pins.
#[derive(Debug)]
struct Verifier {
    by_issuer: Arc<dyn ClientCertVerifier>,
    names: Vec<ServerName<'static>>,
    pins: Vec<Pin>,
}

impl Verifier {
    fn check(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        let refuse = |other| Error::InvalidCertificate(CertificateError::Other(other));
        let pin = Pin::of(certificate);
        if !self.pins.is_empty() && !self.pins.contains(&pin) {
            return Err(refuse(OtherError(Arc::new(OtherCertificate(pin)))));
        }
        let parsed = ParsedCertificate::try_from(certificate)?;
        let has_name = |name| verify_server_name(&parsed, name).is_ok();
        match self.names.is_empty() || self.names.iter().any(has_name) {
            true => Ok(()),
            false => Err(refuse(OtherError(Arc::new(OtherName)))),
        }
    }
}

/// Error: the certificate has none of the names.
#[derive(Debug)]
struct OtherName;

impl fmt::Display for OtherName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its certificate has none of the allowed names")
    }
}

impl std::error::Error for OtherName {}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.by_issuer.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.by_issuer.verify_client_cert(certificate, chain, now)?;
        self.check(certificate).map(|()| verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        self.by_issuer.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        self.by_issuer.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.by_issuer.supported_verify_schemes()
    }
}
