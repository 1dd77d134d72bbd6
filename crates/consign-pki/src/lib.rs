//! Mechanism for signatures and encryption: bytes in, types out.
//!
//! | module | what it is for |
//! |---|---|
//! | [`seal`] | keys that sign documents (and TLS keys), in files or behind [`seal::SealSigner`] |
//! | [`protection`] | key files under a passphrase |
//! | [`statement`] | raw Ed25519 over the exact bytes of statements |
//! | [`certificate`] | what certificates say; PEM bundles |
//! | [`issue`] | authorities, certificate requests, profiles |
//! | [`path`] | RFC 5280 path validation, and revocation as of a time |
//! | [`cms`] | detached CAdES signatures, levels B-B and B-T |
//! | [`timestamp`] | RFC 3161: asking for time-stamps, granting and checking them |
//! | [`asic`] | ASiC-E containers |
//! | [`pdf`] | signatures inside PDF files, found by their bytes |
//! | [`encryption`], [`wrap`] | age with exactly one X25519 stanza; the text inside a wrap |
//!
//! Invariants: no clock, no network, no files; times are arguments, in Unix seconds. New
//! keys and nonces of rcgen, age and aws-lc-rs come from the generators those libraries
//! insist on; each module says so. All bytes from outside are bounded in size, depth and
//! count before they cost anything, and none of them panics. Which checks a verdict needs
//! is policy and lives in `consign-verify`.

pub mod algorithm;
pub mod asic;
mod asn1;
pub mod certificate;
pub mod cms;
pub mod encryption;
#[cfg(test)]
mod fixture;
pub mod issue;
pub mod path;
pub mod pdf;
mod pem;
pub mod protection;
pub mod seal;
pub mod statement;
pub mod timestamp;
pub mod wrap;

pub use asn1::DerError;
pub use pem::PemError;

/// The first 16 bytes of SHA-256: how keys are named.
fn truncated_sha256(bytes: &[u8]) -> [u8; 16] {
    use sha2::Digest;
    let mut id = [0; 16];
    for (target, byte) in id.iter_mut().zip(sha2::Sha256::digest(bytes)) {
        *target = byte;
    }
    id
}

/// Lowercase hexadecimal.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// 32 bytes from 64 lowercase hexadecimal digits.
fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (target, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *target = pair.iter().try_fold(0_u8, |value, digit| match digit {
            b'0'..=b'9' => Some(value << 4 | (digit - b'0')),
            b'a'..=b'f' => Some(value << 4 | (digit - b'a' + 10)),
            _ => None,
        })?;
    }
    Some(bytes)
}
