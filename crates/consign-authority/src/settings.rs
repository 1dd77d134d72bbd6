//! `authority.json`: who the authority is and how long what it makes is good.

use consign_domain::text::Line;
use consign_domain::{NetworkId, PartyCode, PartyId};
use consign_pki::issue::Profile;
use serde::{Deserialize, Serialize};

use crate::error::AuthorityError;

/// The authority's name in statements.
pub const AUTHORITY_CODE: &str = "authority";

/// Seconds of a day.
pub(crate) const DAY: u64 = 86_400;

/// Longest life of anything the authority makes, in days.
const MAX_DAYS: u64 = 40 * 366;

/// How long certificates and heads are good, in days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lives {
    /// The root certificate.
    pub root_days: u64,
    /// The issuing certificate; at most the root's.
    pub issuing_days: u64,
    /// Seal certificates; never beyond the issuing certificate.
    pub seal_days: u64,
    /// TLS certificates; never beyond the issuing certificate.
    pub tls_days: u64,
    /// Statement and encryption keys.
    #[serde(default = "key_days")]
    pub key_days: u64,
    /// A directory head, unless told otherwise when it is published.
    pub head_days: u64,
}

const fn key_days() -> u64 {
    365
}

impl Default for Lives {
    fn default() -> Self {
        Self {
            root_days: 20 * 365,
            issuing_days: 10 * 365,
            seal_days: 3 * 365,
            tls_days: 365,
            key_days: key_days(),
            head_days: 30,
        }
    }
}

impl Lives {
    pub(crate) fn check(self) -> Result<(), AuthorityError> {
        let fields = [
            ("root_days", self.root_days, MAX_DAYS),
            (
                "issuing_days",
                self.issuing_days,
                self.root_days.min(MAX_DAYS),
            ),
            ("seal_days", self.seal_days, MAX_DAYS),
            ("tls_days", self.tls_days, MAX_DAYS),
            ("key_days", self.key_days, MAX_DAYS),
            ("head_days", self.head_days, MAX_DAYS),
        ];
        fields.into_iter().try_for_each(|(field, days, limit)| {
            if (1..=limit).contains(&days) {
                Ok(())
            } else {
                Err(AuthorityError::Life { field, limit })
            }
        })
    }
}

/// Who the authority is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Always `consign/authority/v1`.
    #[serde(rename = "type")]
    pub tag: SettingsTag,
    /// The network.
    pub network: NetworkId,
    /// The network's name for people.
    pub name: Line<200>,
    /// The authority's id.
    pub authority: PartyId,
    /// The authority's name in statements.
    pub code: PartyCode,
    /// How long what it makes is good.
    pub lives: Lives,
    /// The hub of new agencies where there are several and none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<PartyCode>,
    /// What new certificates say besides whose they are.
    #[serde(default, skip_serializing_if = "Naming::is_empty")]
    pub certificates: Naming,
}

/// What certificates say besides whose they are. A change counts for certificates made later.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Naming {
    /// The arc of the authority's certificate policies, dotted; a placeholder without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_arc: Option<Line<200>>,
    /// Where `issuing.crl` and `root.crl` are published: `http://NAME/PATH`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lists: Option<Line<200>>,
}

impl Naming {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn profile(&self) -> Profile {
        let usual = Profile::default();
        Profile {
            policy_arc: self
                .policy_arc
                .as_ref()
                .map_or(usual.policy_arc, Line::to_string),
            lists: self.lists.as_ref().map(Line::to_string),
            ..Profile::default()
        }
    }

    pub(crate) fn check(&self) -> Result<(), AuthorityError> {
        let checked = self.profile().check();
        checked.map_err(|source| AuthorityError::Naming { source })
    }
}

/// The field `type` of `authority.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SettingsTag {
    /// Version 1.
    #[default]
    #[serde(rename = "consign/authority/v1")]
    V1,
}
