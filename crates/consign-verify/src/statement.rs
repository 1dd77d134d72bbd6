//! Verifying statements: the expected kind and the permitted roles are arguments, so
//! that one statement can never be taken for another.

mod judge;

use consign_domain::directory::Role;
use consign_domain::statement::{Statement, StatementError};
use consign_domain::{
    DirectoryVersion, ErrorCode, KeyId, PartyCode, PartyId, SignedStatement, Timestamp,
};

use crate::Verified;
use crate::directory::{Directory, KnownKey};

pub(crate) use judge::reason_of;
pub use judge::{StatementJudgement, judge};

/// Why a statement is not believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatementRefusal {
    /// Not a well-formed statement of the expected kind.
    #[error("the statement is refused: {source}")]
    Malformed {
        /// How.
        source: StatementError,
    },
    /// It belongs to another network.
    #[error("the statement belongs to another network")]
    OtherNetwork,
    /// It names a directory version that is not here yet: judged again once it is.
    #[error("the statement was made under directory version {needed}, here is {here}")]
    DirectoryBehind {
        /// The version it names.
        needed: DirectoryVersion,
        /// The version here.
        here: DirectoryVersion,
    },
    /// The directory has no such key for the signer.
    #[error("the directory has no key {key} for signer {signer}")]
    UnknownKey {
        /// The signer named.
        signer: PartyId,
        /// The key named.
        key: KeyId,
    },
    /// The key did not count at the statement's time.
    #[error("key {key} of signer {signer} was not valid at {time}")]
    KeyNotValid {
        /// The signer named.
        signer: PartyId,
        /// The key named.
        key: KeyId,
        /// The statement's time.
        time: Timestamp,
    },
    /// The key was revoked, and the statement is not older, or is to decide something now.
    #[error("key {key} of signer {signer} was revoked")]
    KeyRevoked {
        /// The signer named.
        signer: PartyId,
        /// The key named.
        key: KeyId,
    },
    /// The key was revoked, and nothing but the statement itself says that it is older.
    #[error("key {key} of signer {signer} was revoked, and nothing proves that it signed before")]
    RevokedUnproven {
        /// The signer named.
        signer: PartyId,
        /// The key named.
        key: KeyId,
    },
    /// The signer's role may not say this.
    #[error("signer {code} may not make this statement")]
    Role {
        /// What the signer calls itself.
        code: PartyCode,
    },
    /// The signer uses a code that is not its own.
    #[error("code {code} does not belong to signer {signer}")]
    Code {
        /// The signer named.
        signer: PartyId,
        /// The code used.
        code: PartyCode,
    },
    /// The signature is wrong.
    #[error("the statement's signature is wrong")]
    Signature,
}

impl StatementRefusal {
    /// The code to answer with.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Malformed { source } => source.code(),
            Self::OtherNetwork => ErrorCode::NetworkMismatch,
            Self::DirectoryBehind { .. } => ErrorCode::DirectoryBehind,
            Self::UnknownKey { .. } => ErrorCode::KeyUnknown,
            Self::KeyNotValid { .. } => ErrorCode::KeyNotValid,
            Self::KeyRevoked { .. } | Self::RevokedUnproven { .. } => ErrorCode::KeyRevoked,
            Self::Role { .. } | Self::Code { .. } => ErrorCode::RoleNotPermitted,
            Self::Signature => ErrorCode::SignatureInvalid,
        }
    }
}

/// A statement that is to decide something now.
#[derive(Debug)]
pub enum Submitted<S> {
    /// It may.
    Good(Verified<S>),
    /// It is its signer's, and right in every other way; but the key was revoked, and so
    /// decides nothing new, whatever time the statement claims.
    Revoked(S),
}

impl<S> Submitted<S> {
    /// What was said.
    pub fn statement(&self) -> &S {
        match self {
            Self::Good(statement) => statement,
            Self::Revoked(statement) => statement,
        }
    }
}

/// Verifies a statement of kind `S`, made by a party of one of `roles`, by the directory.
///
/// The key must have counted at the statement's own time; how far that time may be from
/// now is the caller's question. Success allocates nothing but the parsed statement.
///
/// # Errors
/// [`StatementRefusal`] names the first check that fails.
pub fn verify_statement<S: Statement>(
    signed: &SignedStatement,
    roles: &[Role],
    directory: &Directory,
) -> Result<Verified<S>, StatementRefusal> {
    let (statement, key) = authenticate::<S>(signed, roles, directory)?;
    counted(statement, key, directory)
}

/// As [`verify_statement`], for a statement that is to decide something now. One whose only
/// fault is that its key was revoked, since its time or before, is told from all others.
///
/// # Errors
/// [`StatementRefusal`] names the first check that fails. A key that is unknown, retired or
/// not valid yet is refused as ever.
pub fn verify_submitted<S: Statement>(
    signed: &SignedStatement,
    roles: &[Role],
    directory: &Directory,
) -> Result<Submitted<S>, StatementRefusal> {
    let (statement, key) = authenticate::<S>(signed, roles, directory)?;
    // No newer directory takes a revocation back.
    if is_revoked(key, statement.time()) {
        return Ok(Submitted::Revoked(statement));
    }
    counted(statement, key, directory).map(Submitted::Good)
}

/// As [`verify_statement`], for whoever judges it afterwards. What a revoked key says of when it
/// signed is its holder's word, whoever that is by now; so it counts only for what is `proven`
/// to have existed before the revocation.
///
/// # Errors
/// [`StatementRefusal`] names the first check that fails.
pub fn verify_proven<S: Statement>(
    signed: &SignedStatement,
    roles: &[Role],
    directory: &Directory,
    proven: Option<Timestamp>,
) -> Result<Verified<S>, StatementRefusal> {
    let (statement, key) = authenticate::<S>(signed, roles, directory)?;
    let is_older = || {
        let end = key.entry.validity.until;
        proven.zip(end).is_some_and(|(proven, end)| proven < end)
    };
    if !key.may_sign_now() && key.counts_at(statement.time()) && !is_older() {
        let (signer, key) = (statement.signer().id, statement.signer().key);
        return Err(StatementRefusal::RevokedUnproven { signer, key });
    }
    counted(statement, key, directory)
}

/// Everything but whether the key counts.
fn authenticate<'a, S: Statement>(
    signed: &SignedStatement,
    roles: &[Role],
    directory: &'a Directory,
) -> Result<(S, &'a KnownKey), StatementRefusal> {
    let statement =
        S::parse(&signed.statement).map_err(|source| StatementRefusal::Malformed { source })?;
    if statement.network() != directory.head().network {
        return Err(StatementRefusal::OtherNetwork);
    }
    let signer = statement.signer();
    let key = directory.key(signer.id, signer.key).ok_or_else(|| {
        let (signer, key) = (signer.id, signer.key);
        or_newer(
            &statement,
            directory,
            StatementRefusal::UnknownKey { signer, key },
        )
    })?;
    key.public
        .verify(&signed.statement, &signed.signature)
        .map_err(|_| StatementRefusal::Signature)?;
    let role = role_of(directory, signer.id, &signer.code, statement.time())
        .map_err(|refusal| or_newer(&statement, directory, refusal))?;
    if roles.contains(&role) {
        Ok((statement, key))
    } else {
        let code = signer.code.clone();
        let refusal = StatementRefusal::Role { code };
        Err(or_newer(&statement, directory, refusal))
    }
}

/// Whether the key counted at the statement's time.
fn counted<S: Statement>(
    statement: S,
    key: &KnownKey,
    directory: &Directory,
) -> Result<Verified<S>, StatementRefusal> {
    let time = statement.time();
    if key.counts_at(time) {
        return Ok(Verified::new(statement));
    }
    let (signer, id) = (statement.signer().id, statement.signer().key);
    let refusal = if is_revoked(key, time) {
        StatementRefusal::KeyRevoked { signer, key: id }
    } else {
        StatementRefusal::KeyNotValid {
            signer,
            key: id,
            time,
        }
    };
    Err(or_newer(&statement, directory, refusal))
}

/// Whether a key was revoked after it had begun to count at a statement's time.
fn is_revoked(key: &KnownKey, at: Timestamp) -> bool {
    !key.may_sign_now() && key.entry.validity.from <= at
}

/// A newer directory may say otherwise of the key, the code or the role.
fn or_newer<S: Statement>(
    statement: &S,
    directory: &Directory,
    refusal: StatementRefusal,
) -> StatementRefusal {
    let (needed, here) = (statement.signer().directory, directory.version());
    if needed > here {
        StatementRefusal::DirectoryBehind { needed, here }
    } else {
        refusal
    }
}

/// What the directory says the signer is; its code must have been its own at the time.
fn role_of(
    directory: &Directory,
    id: PartyId,
    code: &PartyCode,
    at: Timestamp,
) -> Result<Role, StatementRefusal> {
    let agency = directory.agency(id.as_agency());
    let hub = directory.hub(id.as_hub());
    let (role, own) = match (agency, hub) {
        (Some(agency), _) => (
            Role::Agency,
            code.agency().is_some_and(|code| {
                agency
                    .codes
                    .iter()
                    .any(|entry| entry.code == *code && entry.validity.contains(at))
            }),
        ),
        (None, Some(hub)) => (Role::Hub, hub.code == *code),
        (None, None) => return Err(StatementRefusal::Role { code: code.clone() }),
    };
    if own {
        Ok(role)
    } else {
        Err(StatementRefusal::Code {
            signer: id,
            code: code.clone(),
        })
    }
}
