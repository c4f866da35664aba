//! Fingerprint of a certificate: the SHA-256 of its DER form, as `openssl x509 -fingerprint -sha256` prints it.

use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::pki_types::CertificateDer;
use std::fmt;
use std::str::FromStr;

/// Fingerprint of a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pin([u8; 32]);

impl Pin {
    /// The fingerprint of this certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Pin {
        let mut pin = [0; 32];
        if let Some(suite) = TLS13_AES_128_GCM_SHA256.tls13() {
            pin.copy_from_slice(suite.common.hash_provider.hash(certificate).as_ref());
        }
        Pin(pin)
    }
}

impl FromStr for Pin {
    type Err = String;

    /// 64 hexadecimal digits, in pairs with or without colons.
    fn from_str(text: &str) -> Result<Pin, String> {
        let bad = || format!("{text} is not a SHA-256 fingerprint of 64 hexadecimal digits");
        let digits = text.replace(':', "");
        if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(bad());
        }
        let mut pin = [0; 32];
        for (byte, pair) in pin.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let pair = str::from_utf8(pair).map_err(|_| bad())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
        }
        Ok(Pin(pin))
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (pos, byte) in self.0.iter().enumerate() {
            let colon = if pos > 0 { ":" } else { "" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

/// Error: the certificate has another fingerprint.
#[derive(Debug)]
pub struct OtherCertificate(pub Pin);

impl fmt::Display for OtherCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its certificate has the fingerprint {}, which is not pinned", self.0)
    }
}

impl std::error::Error for OtherCertificate {}
