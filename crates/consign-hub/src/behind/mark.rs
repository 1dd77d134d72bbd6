//! `behind.json`: since when the hub is behind, and who is how far ahead of it.

use std::collections::BTreeMap;
use std::path::Path;

use consign_domain::{AgencyCode, AgencyId, Sequence, Timestamp};
use consign_runtime::files::{self, FileError, PRIVATE};
use serde::{Deserialize, Serialize};

use super::Ahead;

/// Largest file: more agencies than any directory has.
const MAX_MARK: usize = 16 << 20;
/// Most agencies noted: those of a directory that speak through its nodes.
const MAX_CLAIMS: usize = 20_000;

/// What is known of a hub that is behind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// Since when nothing is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The backup that the hub was restored from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<RestoredFrom>,
    /// What nodes say for their agencies, by the agencies' ids.
    #[serde(default)]
    pub agencies: BTreeMap<AgencyId, Claim>,
}

/// The backup that a hub was restored from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestoredFrom {
    /// When it was begun: all that was durable then is in it.
    pub created: Timestamp,
    /// When the last envelope in it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_until: Option<Timestamp>,
}

/// How far a node says it has stored an inbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The agency's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<AgencyCode>,
    /// The last item that the node has stored.
    pub seen: Sequence,
    /// The last item that the hub holds, 0 for none.
    pub last: u64,
    /// Whether the node has shown an acceptance by this hub for it.
    pub proven: bool,
    /// When it was first said.
    pub noted: Timestamp,
}

impl Mark {
    /// Reads it; `None` if the hub is not behind. A mark that cannot be made sense of counts.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, FileError> {
        match files::read_bounded(path, MAX_MARK) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).unwrap_or_default())),
            Err(fault) if fault.is_not_found() => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    pub(crate) fn publish(&self, path: &Path) -> Result<(), FileError> {
        let bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        files::publish(path, &bytes, PRIVATE)
    }

    /// Takes a claim in; tells whether it is news.
    pub(super) fn note(&mut self, ahead: &Ahead, now: Timestamp) -> bool {
        if let Some(claim) = self.agencies.get_mut(&ahead.agency) {
            let news = claim.seen < ahead.seen || !claim.proven && ahead.proven;
            claim.seen = claim.seen.max(ahead.seen);
            claim.proven |= ahead.proven;
            return news;
        }
        if self.agencies.len() >= MAX_CLAIMS {
            return false;
        }
        let claim = Claim {
            code: ahead.code.clone(),
            seen: ahead.seen,
            last: ahead.last.map_or(0, Sequence::value),
            proven: ahead.proven,
            noted: now,
        };
        self.agencies.insert(ahead.agency, claim);
        true
    }
}
