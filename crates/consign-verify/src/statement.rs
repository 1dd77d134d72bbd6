//! Verifying statements: the expected kind and the permitted roles are arguments, so
//! that one statement can never be taken for another.

use consign_domain::directory::Role;
use consign_domain::statement::{Statement, StatementError};
use consign_domain::{
    DirectoryVersion, ErrorCode, KeyId, PartyCode, PartyId, SignedStatement, Timestamp,
};

use crate::Verified;
use crate::directory::{Directory, KnownKey};

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
            Self::Role { .. } | Self::Code { .. } => ErrorCode::RoleNotPermitted,
            Self::Signature => ErrorCode::SignatureInvalid,
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
    let statement =
        S::parse(&signed.statement).map_err(|source| StatementRefusal::Malformed { source })?;
    if statement.network() != directory.head().network {
        return Err(StatementRefusal::OtherNetwork);
    }
    let signer = statement.signer();
    let key = match directory.key(signer.id, signer.key) {
        Some(key) => key,
        // Nothing is known of the key here; a newer directory may know it.
        None if signer.directory > directory.version() => {
            let (needed, here) = (signer.directory, directory.version());
            return Err(StatementRefusal::DirectoryBehind { needed, here });
        }
        None => {
            return Err(StatementRefusal::UnknownKey {
                signer: signer.id,
                key: signer.key,
            });
        }
    };
    key.public
        .verify(&signed.statement, &signed.signature)
        .map_err(|_| StatementRefusal::Signature)?;
    judge_signer(&statement, key, roles, directory).map_err(|refusal| {
        // A newer directory may say otherwise of the key, the code or the role.
        let (needed, here) = (signer.directory, directory.version());
        if needed > here {
            StatementRefusal::DirectoryBehind { needed, here }
        } else {
            refusal
        }
    })?;
    Ok(Verified::new(statement))
}

/// Whether the key counted at the statement's time and its holder may say this.
fn judge_signer<S: Statement>(
    statement: &S,
    key: &KnownKey,
    roles: &[Role],
    directory: &Directory,
) -> Result<(), StatementRefusal> {
    let signer = statement.signer();
    if !key.counts_at(statement.time()) {
        let (signer, key, time) = (signer.id, signer.key, statement.time());
        return Err(StatementRefusal::KeyNotValid { signer, key, time });
    }
    let role = role_of(directory, signer.id, &signer.code, statement.time())?;
    if roles.contains(&role) {
        Ok(())
    } else {
        Err(StatementRefusal::Role {
            code: signer.code.clone(),
        })
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
