//! Between messages and the domain's types.

use bytes::Bytes;
use consign_domain::{AgencyId, Digest, EnvelopeId, EnvelopeKey, Sequence, SignedStatement};

use crate::v1;

/// A field of a message that is missing or has another form than it must.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("field `{field}` is missing or malformed")]
pub struct Malformed {
    /// The field's name in the `.proto` file.
    pub field: &'static str,
}

/// A field that must be there.
///
/// # Errors
/// [`Malformed`] if it is absent.
pub fn required<T>(value: Option<T>, field: &'static str) -> Result<T, Malformed> {
    value.ok_or(Malformed { field })
}

/// Sixteen bytes of an id.
///
/// # Errors
/// [`Malformed`] for any other length.
pub fn id16(bytes: &[u8], field: &'static str) -> Result<[u8; 16], Malformed> {
    bytes.try_into().map_err(|_| Malformed { field })
}

/// Thirty-two bytes of a digest.
///
/// # Errors
/// [`Malformed`] for any other length.
pub fn digest(bytes: &[u8], field: &'static str) -> Result<Digest, Malformed> {
    bytes
        .try_into()
        .map(Digest::from_bytes)
        .map_err(|_| Malformed { field })
}

/// A sequence, 1 or more.
///
/// # Errors
/// [`Malformed`] for 0 and for more than 2^53 − 1.
pub fn sequence(value: u64, field: &'static str) -> Result<Sequence, Malformed> {
    Sequence::new(value).map_err(|_| Malformed { field })
}

/// A signed statement; the signature has 64 bytes.
///
/// # Errors
/// [`Malformed`] if it is absent or its signature has another length.
pub fn signed(
    message: Option<v1::SignedStatement>,
    field: &'static str,
) -> Result<SignedStatement, Malformed> {
    let message = required(message, field)?;
    let signature = message
        .signature
        .as_ref()
        .try_into()
        .map_err(|_| Malformed { field })?;
    Ok(SignedStatement {
        statement: message.statement,
        signature,
    })
}

/// A signed statement as a message; the bytes are shared, not copied.
pub fn signed_message(signed: &SignedStatement) -> v1::SignedStatement {
    v1::SignedStatement {
        statement: signed.statement.clone(),
        signature: Bytes::copy_from_slice(&signed.signature),
    }
}

/// An envelope's identity.
///
/// # Errors
/// [`Malformed`] if it is absent or not two ids.
pub fn envelope_key(
    message: Option<v1::EnvelopeKey>,
    field: &'static str,
) -> Result<EnvelopeKey, Malformed> {
    let message = required(message, field)?;
    let sender = AgencyId::from_bytes(id16(&message.sender, field)?);
    let id = EnvelopeId::from_bytes(id16(&message.id, field)?);
    match (sender, id) {
        (Ok(sender), Ok(id)) => Ok(EnvelopeKey { sender, id }),
        _ => Err(Malformed { field }),
    }
}

/// An envelope's identity as a message.
pub fn key_message(key: EnvelopeKey) -> v1::EnvelopeKey {
    v1::EnvelopeKey {
        sender: Bytes::copy_from_slice(&key.sender.to_bytes()),
        id: Bytes::copy_from_slice(&key.id.to_bytes()),
    }
}
