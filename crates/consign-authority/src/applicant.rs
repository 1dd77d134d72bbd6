//! What an applicant's public keys are, and that it holds them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use consign_domain::directory::{
    EncryptionKeyEntry, EncryptionKeyKind, KeyState, StatementKeyEntry, StatementKeyKind, Validity,
};
use consign_domain::statement::AgeRecipient;
use consign_domain::{Digest, KeyId};
use consign_pki::encryption::EncryptionRecipient;
use consign_pki::issue::{MAX_REQUEST, verify_request};
use consign_pki::statement::StatementPublicKey;

use crate::error::{AuthorityError, KeyUsage};

/// `SubjectPublicKeyInfo` of Ed25519 (RFC 8410 §4) up to the 32 raw bytes.
pub(crate) const ED25519_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// A certificate request whose applicant holds the key.
#[derive(Debug)]
pub(crate) struct ProvenRequest {
    pub(crate) der: Vec<u8>,
    pub(crate) key: Digest,
}

/// Reads a certificate request and checks its signature.
pub(crate) fn proven_request(
    text: &str,
    usage: KeyUsage,
    party: &str,
) -> Result<ProvenRequest, AuthorityError> {
    let party = party.to_owned();
    let fits = text.len() <= MAX_REQUEST.div_ceil(3) * 4;
    let Some(der) = fits.then(|| STANDARD.decode(text).ok()).flatten() else {
        return Err(AuthorityError::Base64 { usage, party });
    };
    match verify_request(&der) {
        Ok(spki) => Ok(ProvenRequest {
            key: key_digest(&spki),
            der,
        }),
        Err(source) => Err(AuthorityError::Proof {
            usage,
            party,
            source,
        }),
    }
}

/// What a key is known by in the register: the raw bytes of an Ed25519 key, so that a
/// seal key and a statement key cannot be one key in two forms, else SHA-256 of the
/// `SubjectPublicKeyInfo`.
pub(crate) fn key_digest(spki: &[u8]) -> Digest {
    spki.strip_prefix(&ED25519_PREFIX)
        .and_then(|raw| raw.try_into().ok())
        .map_or_else(|| Digest::of(spki), Digest::from_bytes)
}

/// A statement key as the directory lists it.
pub(crate) fn statement_key(
    public: Digest,
    validity: Validity,
    party: &str,
) -> Result<StatementKeyEntry, AuthorityError> {
    let parsed = StatementPublicKey::from_bytes(public.as_bytes()).map_err(|source| {
        AuthorityError::StatementKey {
            party: party.to_owned(),
            source,
        }
    })?;
    Ok(StatementKeyEntry {
        id: KeyId::from_bytes(parsed.key_id()),
        kind: StatementKeyKind::Ed25519,
        public: public.into(),
        validity,
        state: KeyState::Active,
    })
}

/// An encryption key as the directory lists it.
pub(crate) fn encryption_key(
    public: &AgeRecipient,
    validity: Validity,
    party: &str,
) -> Result<EncryptionKeyEntry, AuthorityError> {
    let parsed = EncryptionRecipient::from_text(public.as_str()).map_err(|source| {
        AuthorityError::EncryptionKey {
            party: party.to_owned(),
            source,
        }
    })?;
    Ok(EncryptionKeyEntry {
        id: KeyId::from_bytes(parsed.key_id()),
        kind: EncryptionKeyKind::X25519,
        public: public.clone().into(),
        validity,
        state: KeyState::Active,
    })
}
