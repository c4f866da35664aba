//! Keys and signed claims of NATS, as `nsc` makes them.

use rcgen::{KeyPair, PKCS_ED25519, SigningKey};

const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Before the 32 bytes of a secret key in PKCS #8: an octet string in an octet string.
const BEFORE_SECRET: [u8; 4] = [0x04, 0x22, 0x04, 0x20];
const SEED: u8 = 18 << 3;

/// What a key is for.
#[derive(Clone, Copy)]
pub enum Role {
    Operator = 14 << 3,
    Account = 0,
    User = 20 << 3,
}

/// A key of ed25519.
pub struct Nkey {
    pair: KeyPair,
    role: Role,
}

impl Nkey {
    pub fn new(role: Role) -> Nkey {
        Nkey { pair: KeyPair::generate_for(&PKCS_ED25519).expect("a key"), role }
    }

    pub fn public(&self) -> String {
        checked(&[&[self.role as u8], self.pair.public_key_raw()].concat())
    }

    pub fn seed(&self) -> String {
        let role = self.role as u8;
        let der = self.pair.serialize_der();
        let start = der.windows(4).position(|bytes| bytes == BEFORE_SECRET).expect("a secret") + 4;
        checked(&[&[SEED | role >> 5, role << 3][..], &der[start..start + 32]].concat())
    }

    /// A token in which this key says something about another. `claims` follow those that all have.
    pub fn sign(&self, subject: &Nkey, claims: &str) -> String {
        let (issuer, subject) = (self.public(), subject.public());
        let claims = format!(
            "{{\"jti\":\"test\",\"iat\":1700000000,\"iss\":\"{issuer}\",\"name\":\"test\",\"sub\":\"{subject}\",{claims}}}"
        );
        let header = encode(br#"{"typ":"JWT","alg":"ed25519-nkey"}"#, BASE64);
        let signed = format!("{header}.{}", encode(claims.as_bytes(), BASE64));
        let signature = self.pair.sign(signed.as_bytes()).expect("a signature");
        format!("{signed}.{}", encode(&signature, BASE64))
    }
}

fn checked(bytes: &[u8]) -> String {
    encode(&[bytes, &crc16(bytes).to_le_bytes()].concat(), BASE32)
}

/// CRC-16 of XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| match crc & 0x8000 {
            0 => crc << 1,
            _ => crc << 1 ^ 0x1021,
        })
    })
}

/// In groups of bits, as many as the alphabet needs, without padding.
fn encode(bytes: &[u8], alphabet: &[u8]) -> String {
    let width = alphabet.len().trailing_zeros() as usize;
    let bit = |pos: usize| {
        let byte = bytes.get(pos / 8).copied().unwrap_or_default();
        usize::from(byte >> (7 - pos % 8) & 1)
    };
    let groups = (0..bytes.len() * 8).step_by(width);
    let value = |start: usize| (start..start + width).fold(0, |value, pos| value << 1 | bit(pos));
    groups.map(|start| char::from(alphabet[value(start)])).collect()
}
