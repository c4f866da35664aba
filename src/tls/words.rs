//! Errors of TLS in plain words: who refused whom, and what an admin can look at.

use ::logdir::label::Label;
use ::logdir::stamp::format_utc;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error};

/// Role of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// We are the client.
    Server,
    /// We are the server.
    Client,
}

impl Peer {
    /// An error of a session with this peer.
    pub fn words(self, error: &Error) -> String {
        of(error, self)
    }
}

fn of(error: &Error, peer: Peer) -> String {
    let (peer, own) = match peer {
        Peer::Server => ("the server", "the certificate of this client"),
        Peer::Client => ("the client", "the certificate of this server"),
    };
    match error {
        Error::InvalidCertificate(why) => {
            format!("the certificate of {peer} is not accepted: {}", certificate(why))
        }
        Error::NoCertificatesPresented => format!("{peer} has shown no certificate"),
        Error::AlertReceived(alert) => match refusal(*alert) {
            Some(why) => format!("{peer} refuses {own}: {why}"),
            None => format!("{peer} ended TLS with the alert {alert:?}"),
        },
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => {
            format!("{peer} does not speak TLS here; is the port right?")
        }
        Error::PeerIncompatible(why) => {
            format!("{peer} has no version or cipher of TLS in common with us: {why:?}")
        }
        Error::DecryptError => format!("what {peer} sent was changed on the way"),
        other => format!("TLS with {peer} failed: {other}"),
    }
}

fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired => "it has expired".to_owned(),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("it has expired on {}", moment(*not_after))
        }
        CertificateError::NotValidYet => "it is not valid yet".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("it is not valid before {}; is the clock right?", moment(*not_before))
        }
        CertificateError::UnknownIssuer => "its issuer is not one that we trust".to_owned(),
        CertificateError::NotValidForName => "it has another name".to_owned(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let presented: Vec<&str> = presented.iter().map(|name| shown(name)).collect();
            let names = match presented.is_empty() {
                true => "it has no name (subject alternative name)".to_owned(),
                false => format!("its names are {}", presented.join(", ")),
            };
            format!("{names}, expected is {}", expected.to_str())
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "it is not made for this purpose (extended key usage)".to_owned()
        }
        CertificateError::BadSignature => {
            "its signature is wrong, or another issuer has the name of ours".to_owned()
        }
        CertificateError::Other(why) if format!("{why:?}").contains("CaUsedAsEndEntity") => {
            "it is one of an issuer (CA:TRUE); trust it by its fingerprint".to_owned()
        }
        CertificateError::Other(why) => why.to_string(),
        other => format!("{other:?}"),
    }
}

/// Names come as `DnsName("log.example.org")`.
fn shown(name: &str) -> &str {
    let quoted = name.split_once('"').and_then(|(_, rest)| rest.split_once('"'));
    quoted.map_or(name, |(name, _)| name)
}

fn moment(time: UnixTime) -> String {
    let secs = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let text = format_utc(Label::from_unix(secs, 0)).unwrap_or_else(|| secs.to_string());
    // Certificates have whole seconds.
    text.replace(".000000000", "")
}

/// What an alert says about our certificate.
fn refusal(alert: AlertDescription) -> Option<&'static str> {
    match alert {
        AlertDescription::CertificateRequired => Some("it wants one, and none was shown"),
        AlertDescription::CertificateExpired => Some("it has expired"),
        AlertDescription::CertificateRevoked => Some("it is revoked"),
        AlertDescription::UnknownCA => Some("its issuer is not known there"),
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown => Some("it is not accepted there"),
        AlertDescription::AccessDenied => Some("it is not allowed there"),
        _ => None,
    }
}
