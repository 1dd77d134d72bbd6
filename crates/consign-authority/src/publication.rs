//! The next version of the directory, from the register and the version before.
//!
//! Each head names the digest of the head before it, so that a version cannot be
//! replaced without replacing all that follow.

use bytes::Bytes;
use consign_domain::statement::{DirectoryHead, Signer, Statement};
use consign_domain::{Digest, DirectoryVersion, KeyId, SignedStatement, Timestamp};
use consign_log::Tree;
use consign_pki::statement::StatementKey;

use crate::error::AuthorityError;
use crate::settings::Settings;

/// A version of the directory: its head and its entries as lines.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) head: SignedStatement,
    pub(crate) entries: Vec<u8>,
}

/// The version before, as far as the next one depends on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Before<'a> {
    pub(crate) head: &'a DirectoryHead,
    pub(crate) digest: Digest,
    pub(crate) entries: &'a [u8],
}

/// Entries as they stand in the file: lines, each ended by a newline.
pub(crate) fn join(lines: &[Vec<u8>]) -> Vec<u8> {
    let size = lines.iter().map(|line| line.len().saturating_add(1)).sum();
    let mut entries = Vec::with_capacity(size);
    for line in lines {
        entries.extend_from_slice(line);
        entries.push(b'\n');
    }
    entries
}

/// Whether the version before still says what is to be said and has half of its life left.
pub(crate) fn suffices(before: Before<'_>, entries: &[u8], now: Timestamp) -> bool {
    let half = before.head.expires.distance(before.head.time) / 2;
    before.entries == entries && now < before.head.expires.minus_seconds(half)
}

/// Signs the next version.
pub(crate) fn sign(
    settings: &Settings,
    key: &StatementKey,
    lines: &[Vec<u8>],
    before: Option<Before<'_>>,
    now: Timestamp,
    life_seconds: u64,
) -> Result<Version, AuthorityError> {
    if let Some(issued) = before.map(|before| before.head.time)
        && now < issued
    {
        return Err(AuthorityError::ClockBehind { now, issued });
    }
    let version = before.map_or(DirectoryVersion::FIRST, |before| {
        before.head.version().next()
    });
    let head = DirectoryHead::new(
        settings.network,
        Signer {
            id: settings.authority,
            code: settings.code.clone(),
            key: KeyId::from_bytes(key.public().key_id()),
            directory: version,
        },
        now,
        now.plus_seconds(life_seconds),
        before.map(|before| before.digest),
        Digest::from_bytes(Tree::from_leaves(lines).root()),
        lines.len() as u64,
    )
    .map_err(|source| AuthorityError::Head { source })?;
    let statement: Bytes = head.to_bytes();
    let signature = key.sign(&statement);
    Ok(Version {
        head: SignedStatement {
            statement,
            signature,
        },
        entries: join(lines),
    })
}

#[cfg(test)]
mod tests;
