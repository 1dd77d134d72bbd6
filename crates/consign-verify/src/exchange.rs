//! What sender and recipient can hold each other to: the wraps an envelope names, the
//! wrap a recipient is given, the content the envelope committed to, and whether the
//! container is from the sender and for the recipient.
//!
//! Each fault found here is final and provable: the envelope, the opened commitment and
//! the container are all signed or hashed, so anyone can make the same check again.

use consign_domain::document::Document;
use consign_domain::statement::Envelope;
use consign_domain::{AgencyCode, AgencyId, Digest, ErrorCode, Salt};
use consign_log::{Hash, PathError, Tree, leaf_hash, verify_path};
use consign_pki::wrap::WrapPlaintext;

use crate::directory::Directory;

/// Why what was exchanged does not fit the envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The number of wraps is not the number of recipients.
    #[error("{found} wraps for {expected} recipients")]
    WrapCount {
        /// Wraps found.
        found: usize,
        /// Recipients.
        expected: usize,
    },
    /// The wraps do not have the root that the envelope names.
    #[error("the wraps are not those that the envelope names")]
    WrapsRoot,
    /// A wrap's path does not lead to the root that the envelope names.
    #[error("the wrap is not the one that the envelope names for this recipient")]
    WrapPath {
        /// How it fails; `None` if it is another recipient's place.
        #[source]
        source: Option<PathError>,
    },
    /// The wrap names another sender, envelope or recipient.
    #[error("the wrap was made for another {field}")]
    WrapField {
        /// `sender`, `envelope`, `recipient` or `payload`.
        field: &'static str,
    },
    /// The payload is not the one that the envelope names.
    #[error("the payload is not the one that the envelope names")]
    Payload,
    /// The container is not the one that the envelope committed to.
    #[error("the container is not the one that the envelope committed to")]
    Content,
    /// The container was issued by another agency than the sender.
    #[error("the container was issued by {issuer} and not by the sender {sender}")]
    Issuer {
        /// The container's issuer.
        issuer: AgencyCode,
        /// The envelope's sender.
        sender: String,
    },
    /// The container is addressed to others.
    #[error("the container is not addressed to {recipient}")]
    Addressee {
        /// The recipient.
        recipient: AgencyCode,
    },
}

impl ExchangeError {
    /// The code to answer with.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::WrapCount { .. } | Self::WrapsRoot => ErrorCode::WrapsMismatch,
            Self::WrapPath { .. } | Self::WrapField { .. } => ErrorCode::WrapMismatch,
            Self::Payload => ErrorCode::PayloadMismatch,
            Self::Content => ErrorCode::ContentMismatch,
            Self::Issuer { .. } => ErrorCode::IssuerMismatch,
            Self::Addressee { .. } => ErrorCode::AddresseeMismatch,
        }
    }
}

/// Checks all wraps of an envelope; gives their tree, from which paths are taken.
///
/// # Errors
/// [`ExchangeError::WrapCount`], [`ExchangeError::WrapsRoot`].
pub fn check_wraps<T: AsRef<[u8]>>(
    envelope: &Envelope,
    wraps: &[T],
) -> Result<Tree, ExchangeError> {
    let expected = envelope.to.as_slice().len();
    if wraps.len() != expected {
        return Err(ExchangeError::WrapCount {
            found: wraps.len(),
            expected,
        });
    }
    let tree = Tree::from_leaves(wraps);
    if Digest::from_bytes(tree.root()) == envelope.wraps {
        Ok(tree)
    } else {
        Err(ExchangeError::WrapsRoot)
    }
}

/// Checks that a wrap is the one the envelope names for a recipient.
///
/// # Errors
/// [`ExchangeError::WrapPath`].
pub fn check_wrap_path(
    envelope: &Envelope,
    recipient: &AgencyCode,
    wrap: &[u8],
    path: &[Hash],
) -> Result<(), ExchangeError> {
    let place = envelope
        .to
        .position(recipient)
        .ok_or(ExchangeError::WrapPath { source: None })?;
    let size = envelope.to.as_slice().len() as u64;
    verify_path(
        &leaf_hash(wrap),
        place as u64,
        size,
        path,
        envelope.wraps.as_bytes(),
    )
    .map_err(|source| ExchangeError::WrapPath {
        source: Some(source),
    })
}

/// Checks that an opened wrap is for this envelope and recipient; gives the salt of the commitment.
///
/// # Errors
/// [`ExchangeError::WrapField`].
pub fn check_wrap(
    envelope: &Envelope,
    recipient: (AgencyId, &AgencyCode),
    wrap: &WrapPlaintext,
) -> Result<Salt, ExchangeError> {
    let (recipient_id, recipient_code) = recipient;
    let field = |holds: bool, field| {
        if holds {
            Ok(())
        } else {
            Err(ExchangeError::WrapField { field })
        }
    };
    let sender = envelope.signer.id.to_string() == wrap.sender_id
        && envelope.signer.code.as_str() == wrap.sender_code;
    field(sender, "sender")?;
    field(envelope.id.to_string() == wrap.envelope_id, "envelope")?;
    let addressed = recipient_id.to_string() == wrap.recipient_id
        && recipient_code.as_str() == wrap.recipient_code;
    field(addressed, "recipient")?;
    let one_time = wrap.identity.recipient().to_text();
    field(one_time == envelope.payload.recipient.as_str(), "payload")?;
    Ok(Salt::from_bytes(wrap.salt))
}

/// Checks a received payload against the envelope.
///
/// # Errors
/// [`ExchangeError::Payload`].
pub fn check_payload(envelope: &Envelope, size: u64, sha256: Digest) -> Result<(), ExchangeError> {
    if envelope.payload.size == size && envelope.payload.sha256 == sha256 {
        Ok(())
    } else {
        Err(ExchangeError::Payload)
    }
}

/// Opens the envelope's commitment: whether this container is the one it was made to.
///
/// # Errors
/// [`ExchangeError::Content`].
pub fn check_content(
    envelope: &Envelope,
    salt: &Salt,
    container: &Digest,
) -> Result<(), ExchangeError> {
    if Digest::commit(salt, container) == envelope.content {
        Ok(())
    } else {
        Err(ExchangeError::Content)
    }
}

/// Checks that a container is from the envelope's sender, unless it is marked as
/// forwarded, and for the recipient. Agencies are compared, not spellings: a document
/// that names one by an earlier code of its own is still from or for it.
///
/// # Errors
/// [`ExchangeError::Issuer`], [`ExchangeError::Addressee`].
pub fn check_parties(
    envelope: &Envelope,
    document: &Document,
    recipient: (AgencyId, &AgencyCode),
    directory: &Directory,
) -> Result<(), ExchangeError> {
    if envelope.forwarded {
        return Ok(());
    }
    let is = |code: &AgencyCode, agency: AgencyId| {
        directory
            .agency_by_code(code)
            .is_some_and(|entry| entry.id == agency)
    };
    let issuer = &document.issuer.code;
    if !is(issuer, envelope.signer.id.as_agency()) {
        let (issuer, sender) = (issuer.clone(), envelope.signer.code.to_string());
        return Err(ExchangeError::Issuer { issuer, sender });
    }
    let (recipient, code) = recipient;
    let named = document.addressees.position(code).is_some() && is(code, recipient);
    if named
        || document
            .addressees
            .as_slice()
            .iter()
            .any(|code| is(code, recipient))
    {
        return Ok(());
    }
    Err(ExchangeError::Addressee {
        recipient: code.clone(),
    })
}
