//! `consign/directory/v1`: the authority says which entries make up the directory.
//!
//! The version is the signer's `directory`, the time of issue is `time`.

use serde::{Deserialize, Serialize};

use super::{Signer, StatementError, StatementKind, Tag};
use crate::code::PartyCode;
use crate::digest::Digest;
use crate::error_code::ErrorCode;
use crate::id::{DirectoryVersion, NetworkId};
use crate::limits::MAX_ENTRIES;
use crate::time::Timestamp;

/// The signed head of one version of the directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectoryHead {
    #[serde(rename = "type")]
    tag: Tag<3>,
    /// The network.
    pub network: NetworkId,
    /// The authority; its `directory` is this version.
    pub signer: Signer,
    /// When it was issued.
    pub time: Timestamp,
    /// From when on nothing new is decided with it.
    pub expires: Timestamp,
    /// SHA-256 of the head before, absent for version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Digest>,
    /// Merkle root (RFC 6962) of the entries, ascending by id.
    pub root: Digest,
    /// How many entries there are.
    pub entries: u64,
}

impl DirectoryHead {
    /// Puts a head together.
    ///
    /// # Errors
    /// [`StatementError::Inconsistent`] as parsing would give it.
    pub fn new(
        network: NetworkId,
        signer: Signer,
        time: Timestamp,
        expires: Timestamp,
        previous: Option<Digest>,
        root: Digest,
        entries: u64,
    ) -> Result<Self, StatementError> {
        let head = Self {
            tag: Tag,
            network,
            signer,
            time,
            expires,
            previous,
            root,
            entries,
        };
        head.check()?;
        Ok(head)
    }

    /// The version of the directory that this head makes.
    pub const fn version(&self) -> DirectoryVersion {
        self.signer.directory
    }

    pub(super) fn check(&self) -> Result<(), StatementError> {
        let rule = |holds: bool, rule, code| {
            if holds {
                Ok(())
            } else {
                Err(StatementError::Inconsistent { rule, code })
            }
        };
        let malformed = ErrorCode::StatementMalformed;
        rule(
            matches!(self.signer.code, PartyCode::Service(_)),
            "a directory head is signed by the authority",
            ErrorCode::RoleNotPermitted,
        )?;
        rule(
            self.expires > self.time,
            "a head expires after it was issued",
            malformed,
        )?;
        rule(
            (self.version() == DirectoryVersion::FIRST) == self.previous.is_none(),
            "every head but the first names the one before",
            malformed,
        )?;
        rule(
            usize::try_from(self.entries).is_ok_and(|entries| entries <= MAX_ENTRIES),
            "a directory has at most 20000 entries",
            malformed,
        )
    }
}

super::statement!(DirectoryHead, StatementKind::Directory);
