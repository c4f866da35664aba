//! Certificates and keys of PEM files, whole or not at all.

use ::logdir::failure::reason;
use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;

/// All certificates of a file, at least one.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| unable_to_read(path, &error))?;
    match certificates.is_empty() {
        true => Err(format!("unable to use {}: it has no certificate in PEM form", path.display())),
        false => Ok(certificates),
    }
}

/// The first private key of a file.
pub fn key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| match error {
        pem::Error::NoItemsFound => {
            format!("unable to use {}: it has no private key in PEM form", path.display())
        }
        other => unable_to_read(path, &other),
    })
}

/// Issuers whose certificates stand in a file.
pub fn issuers(path: &Path) -> Result<RootCertStore, String> {
    let mut issuers = RootCertStore::empty();
    for certificate in certificates(path)? {
        issuers.add(certificate).map_err(|error| {
            format!("unable to use {}: a certificate is malformed: {error}", path.display())
        })?;
    }
    Ok(issuers)
}

/// Issuers that this machine trusts. The variables `SSL_CERT_FILE` and `SSL_CERT_DIR` name others, as for OpenSSL.
pub fn system_issuers() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut issuers = RootCertStore::empty();
    // Old certificates that rustls does not read are no reason to distrust the others.
    let (count, _) = issuers.add_parsable_certificates(found.certs);
    if count == 0 {
        let why = found.errors.first().map_or("none is installed".to_owned(), ToString::to_string);
        return Err(format!(
            "unable to find trusted issuers on this machine: {why}; install ca-certificates, or name a file"
        ));
    }
    Ok(issuers)
}

fn unable_to_read(path: &Path, error: &pem::Error) -> String {
    let why = match error {
        pem::Error::Io(error) => reason(error),
        other => other.to_string(),
    };
    format!("unable to read {}: {why}", path.display())
}
