//! Randomness from the operating system, and the identifiers made of it.
//!
//! A system that cannot give randomness cannot run this program: callers pass
//! [`EntropyError`] up until the process ends, and never go on with something weaker.

use thiserror::Error;

/// The operating system gave no randomness.
#[derive(Debug, Error)]
#[error("the operating system gave no randomness")]
pub struct EntropyError {
    #[source]
    source: getrandom::Error,
}

/// `N` random bytes.
///
/// # Errors
/// The operating system gave none.
pub fn bytes<const N: usize>() -> Result<[u8; N], EntropyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|source| EntropyError { source })?;
    Ok(bytes)
}

/// A time-ordered UUID (RFC 9562, 5.7) of `now_millis` since the Unix epoch.
///
/// # Errors
/// The operating system gave no randomness.
pub fn uuid_v7(now_millis: u64) -> Result<[u8; 16], EntropyError> {
    let [_, _, time @ ..] = now_millis.to_be_bytes();
    let random = bytes::<10>()?;
    let mut uuid = [0; 16];
    let (head, tail) = uuid.split_at_mut(time.len());
    head.copy_from_slice(&time);
    tail.copy_from_slice(&random);
    Ok(stamp(uuid, 7))
}

/// A random UUID (RFC 9562, 5.4).
///
/// # Errors
/// The operating system gave no randomness.
pub fn uuid_v4() -> Result<[u8; 16], EntropyError> {
    Ok(stamp(bytes()?, 4))
}

/// A certificate serial number (RFC 5280, 4.1.2.2): positive and 16 bytes in DER, with 126
/// random bits.
///
/// # Errors
/// The operating system gave no randomness.
pub fn serial_number() -> Result<[u8; 16], EntropyError> {
    let mut serial = bytes::<16>()?;
    serial[0] = serial[0] & 0x7f | 0x40;
    Ok(serial)
}

/// Lowercase hex of `N` random bytes, for names of temporary files.
pub(crate) fn hex<const N: usize>() -> Result<String, EntropyError> {
    Ok(to_hex(&bytes::<N>()?))
}

/// Lowercase hex.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn stamp(mut uuid: [u8; 16], version: u8) -> [u8; 16] {
    uuid[6] = uuid[6] & 0x0f | version << 4;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    uuid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_carry_version_variant_and_time() {
        let millis = 0x0123_4567_89ab;
        let ordered = uuid_v7(millis).unwrap();
        assert_eq!(to_hex(&ordered)[..12], *"0123456789ab");
        assert_eq!((ordered[6] >> 4, ordered[8] >> 6), (7, 0b10));
        let random = uuid_v4().unwrap();
        assert_eq!((random[6] >> 4, random[8] >> 6), (4, 0b10));
        assert_ne!(uuid_v7(millis).unwrap(), ordered);
    }

    #[test]
    fn a_serial_number_is_positive_and_never_shorter_in_der() {
        for _ in 0..200 {
            let serial = serial_number().unwrap();
            assert!((0x40..0x80).contains(&serial[0]));
        }
    }

    #[test]
    fn bytes_differ_from_call_to_call() {
        assert_ne!(bytes::<32>().unwrap(), bytes::<32>().unwrap());
    }
}
