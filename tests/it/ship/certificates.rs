//! Certificates for tests, made when they are needed.

use crate::support::Home;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};

/// An issuer of certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// When a certificate is valid.
#[derive(Clone, Copy)]
pub enum Validity {
    Now,
    Past,
    Future,
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// An issuer in `ca.pem` and its certificate for the server log.example.org in `server.pem`.
    pub fn with_server(home: &Home) -> Authority {
        let authority = Authority::new("ours");
        authority.write(home, "ca.pem");
        authority.issue(home, "server", "log.example.org", Validity::Now);
        authority
    }

    /// Writes the certificate of the issuer.
    pub fn write(&self, home: &Home, file: &str) {
        home.write(file, &self.pem, 0o600);
    }

    /// Writes a certificate for this name as `FILE.pem` and its key as `FILE.key`.
    pub fn issue(&self, home: &Home, file: &str, name: &str, validity: Validity) {
        let key = KeyPair::generate().expect("a key");
        let certificate = params(name, validity).signed_by(&key, &self.issuer);
        let certificate = certificate.expect("a certificate").pem();
        home.write(format!("{file}.pem"), certificate, 0o600);
        home.write(format!("{file}.key"), key.serialize_pem(), 0o600);
    }
}

/// Writes a certificate that nobody but itself signed.
pub fn issue_alone(home: &Home, file: &str, name: &str) {
    let key = KeyPair::generate().expect("a key");
    let certificate = params(name, Validity::Now).self_signed(&key).expect("a certificate").pem();
    home.write(format!("{file}.pem"), certificate, 0o600);
    home.write(format!("{file}.key"), key.serialize_pem(), 0o600);
}

fn params(name: &str, validity: Validity) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    let years = match validity {
        Validity::Now => (2020, 2090),
        Validity::Past => (2020, 2021),
        Validity::Future => (2089, 2090),
    };
    params.not_before = date_time_ymd(years.0, 1, 1);
    params.not_after = date_time_ymd(years.1, 1, 1);
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params
}
