//! Client side: which servers are trusted, and how the client shows itself.

use super::files;
use super::pin::{OtherCertificate, Pin};
use super::provider;
use super::session::Session;
use super::words::Peer;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, OtherError,
    SignatureScheme,
};
use std::path::PathBuf;
use std::sync::Arc;

/// Files and names of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientFiles {
    /// Certificates of trusted issuers; the system's issuers without it.
    pub ca: Option<PathBuf>,
    /// Own certificate with its chain.
    pub cert: Option<PathBuf>,
    /// Key of the certificate; it may stand in the certificate's file.
    pub key: Option<PathBuf>,
    /// Expected name of the server instead of the host.
    pub name: Option<String>,
    /// Fingerprints, one of which the server's certificate must have. With pins and without `ca`, a pin alone
    /// identifies the server.
    pub pins: Vec<Pin>,
}

/// A client that can begin sessions.
#[derive(Debug)]
pub struct Client {
    files: ClientFiles,
    config: Arc<ClientConfig>,
}

impl Client {
    /// Reads all files.
    ///
    /// # Errors
    /// A file cannot be read or used, in words.
    pub fn open(files: ClientFiles) -> Result<Client, String> {
        let config = Arc::new(config(&files)?);
        Ok(Client { files, config })
    }

    /// Reads all files again. Later sessions use them.
    ///
    /// # Errors
    /// A file cannot be read or used, in words; what was read before stays in use.
    pub fn reload(&mut self) -> Result<(), String> {
        self.config = Arc::new(config(&self.files)?);
        Ok(())
    }

    /// Settings for a library that makes sessions by itself.
    #[cfg(feature = "nats")]
    pub fn config(&self) -> ClientConfig {
        ClientConfig::clone(&self.config)
    }

    /// Begins a session with this host.
    ///
    /// # Errors
    /// The host or name cannot stand in a certificate, in words.
    pub fn session(&self, host: &str) -> Result<Session, String> {
        let name = self.files.name.as_deref().unwrap_or(host).to_owned();
        let server = ServerName::try_from(name.clone())
            .map_err(|_| format!("{name} is no name that a certificate can have"))?;
        ClientConnection::new(Arc::clone(&self.config), server)
            .map(|connection| Session::new(connection.into(), Peer::Server))
            .map_err(|error| Peer::Server.words(&error))
    }
}

fn config(files: &ClientFiles) -> Result<ClientConfig, String> {
    let provider = provider();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(Verifier {
        by_issuer: by_issuer(files, &provider)?,
        name: name(files)?,
        pins: files.pins.clone(),
        provider,
    }));
    match (&files.cert, &files.key) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (None, Some(key)) => Err(format!("a key without its certificate: {}", key.display())),
        (Some(cert), key) => {
            let key = files::key(key.as_ref().unwrap_or(cert))?;
            builder
                .with_client_auth_cert(files::certificates(cert)?, key)
                .map_err(|error| format!("unable to use {} with its key: {error}", cert.display()))
        }
    }
}

fn name(files: &ClientFiles) -> Result<Option<ServerName<'static>>, String> {
    let parse = |name: &String| {
        ServerName::try_from(name.clone())
            .map_err(|_| format!("{name} is no name that a certificate can have"))
    };
    files.name.as_ref().map(parse).transpose()
}

fn by_issuer(
    files: &ClientFiles,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<WebPkiServerVerifier>>, String> {
    let issuers = match &files.ca {
        Some(path) => files::issuers(path)?,
        None if !files.pins.is_empty() => return Ok(None),
        None => files::system_issuers()?,
    };
    WebPkiServerVerifier::builder_with_provider(Arc::new(issuers), Arc::clone(provider))
        .build()
        .map(Some)
        .map_err(|error| format!("unable to use the trusted issuers: {error}"))
}

/// Checks pins, then issuer, name and time.
#[derive(Debug)]
struct Verifier {
    /// None if pins alone identify the server.
    by_issuer: Option<Arc<WebPkiServerVerifier>>,
    /// Expected name of the server, whatever host was connected to.
    name: Option<ServerName<'static>>,
    pins: Vec<Pin>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let pin = Pin::of(certificate);
        if !self.pins.is_empty() && !self.pins.contains(&pin) {
            let other = OtherError(Arc::new(OtherCertificate(pin)));
            return Err(Error::InvalidCertificate(CertificateError::Other(other)));
        }
        let name = self.name.as_ref().unwrap_or(name);
        match &self.by_issuer {
            Some(verifier) => verifier.verify_server_cert(certificate, chain, name, ocsp, now),
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
