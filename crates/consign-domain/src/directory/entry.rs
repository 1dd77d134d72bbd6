//! One line of the directory, of whatever kind.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    AgencyEntry, AuthorityEntry, EntryState, GroupEntry, HubEntry, KeyState, NodeEntry,
    StatementKeyEntry, Validity,
};
use crate::code::PartyCode;
use crate::id::{KeyId, PartyId};
use crate::limits::{MAX_ENTRY, MAX_RECIPIENTS};

/// One line of the directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
#[non_exhaustive]
pub enum Entry {
    /// An agency.
    #[serde(rename = "consign/agency/v1")]
    Agency(AgencyEntry),
    /// A node.
    #[serde(rename = "consign/node/v1")]
    Node(NodeEntry),
    /// A hub.
    #[serde(rename = "consign/hub/v1")]
    Hub(HubEntry),
    /// The authority's own service.
    #[serde(rename = "consign/authority-service/v1")]
    Authority(AuthorityEntry),
    /// A group of agencies.
    #[serde(rename = "consign/group/v1")]
    Group(GroupEntry),
    /// One of a kind that this version does not know, by its id.
    #[serde(skip)]
    Other([u8; 16]),
}

/// What entries of all kinds begin with.
#[derive(Deserialize)]
struct AnyEntry {
    #[serde(rename = "type")]
    kind: String,
    id: PartyId,
}

/// Why bytes are not a directory entry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// More bytes than an entry may have.
    #[error("{size} bytes, an entry has at most {MAX_ENTRY}")]
    TooLarge {
        /// Bytes found.
        size: usize,
    },
    /// Not JSON, or a field is missing, unknown, doubled or out of its range.
    #[error("not a well-formed directory entry")]
    Malformed {
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// Fields that do not go together.
    #[error("{rule}")]
    Inconsistent {
        /// The rule that is broken.
        rule: &'static str,
    },
}

impl Entry {
    const KINDS: [&str; 5] = [
        "consign/agency/v1",
        "consign/node/v1",
        "consign/hub/v1",
        "consign/authority-service/v1",
        "consign/group/v1",
    ];

    /// Reads one line.
    ///
    /// # Errors
    /// [`EntryError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, EntryError> {
        if bytes.len() > MAX_ENTRY {
            return Err(EntryError::TooLarge { size: bytes.len() });
        }
        if bytes.contains(&b'\n') {
            return Err(EntryError::Inconsistent {
                rule: "an entry is one line",
            });
        }
        let malformed = |source| EntryError::Malformed { source };
        let any: AnyEntry = serde_json::from_slice(bytes).map_err(malformed)?;
        if !Self::KINDS.contains(&any.kind.as_str()) {
            return Ok(Self::Other(any.id.to_bytes()));
        }
        let entry: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        entry.check()?;
        Ok(entry)
    }

    /// The line, without its end.
    #[expect(clippy::expect_used, reason = "our own types always have a JSON form")]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("entries serialise")
    }

    /// The id that orders the entries.
    pub const fn id(&self) -> [u8; 16] {
        match self {
            Self::Agency(agency) => agency.id.to_bytes(),
            Self::Node(node) => node.id.to_bytes(),
            Self::Hub(hub) => hub.id.to_bytes(),
            Self::Authority(authority) => authority.id.to_bytes(),
            Self::Group(group) => group.id.to_bytes(),
            Self::Other(id) => *id,
        }
    }

    /// The statement keys of the party, by id, if it signs statements.
    pub fn signer(&self) -> Option<(PartyId, &[StatementKeyEntry])> {
        match self {
            Self::Agency(agency) => Some((agency.id.into(), &agency.statement_keys)),
            Self::Hub(hub) => Some((hub.id.into(), &hub.statement_keys)),
            Self::Node(_) | Self::Authority(_) | Self::Group(_) | Self::Other(_) => None,
        }
    }

    fn check(&self) -> Result<(), EntryError> {
        let rule = |holds, rule| {
            if holds {
                Ok(())
            } else {
                Err(EntryError::Inconsistent { rule })
            }
        };
        match self {
            Self::Agency(agency) => {
                rule(!agency.codes.is_empty(), "an agency has a code")?;
                rule(!agency.names.is_empty(), "an agency has a name")?;
                rule(
                    agency.parent != Some(agency.id),
                    "an agency is not above itself",
                )?;
                let merged = agency.successor.is_some();
                rule(
                    !merged || agency.state == EntryState::Closed,
                    "an agency that was merged into another is closed",
                )?;
                rule(
                    agency.successor != Some(agency.id),
                    "an agency is not merged into itself",
                )?;
                let encryption = agency.encryption_keys.iter().map(|key| key.id);
                rule(distinct(encryption), "a key stands in an entry once")?;
                let mut seals = agency.seals.iter().map(|seal| (seal.state, seal.validity));
                rule(seals.all(ends), "a seal that is not active has an end")?;
                check_keys(&agency.statement_keys)
            }
            Self::Hub(hub) => {
                rule(
                    matches!(hub.code, PartyCode::Service(_)),
                    "a hub's name is lowercase",
                )?;
                check_keys(&hub.statement_keys)
            }
            Self::Group(group) => {
                rule(
                    matches!(group.code, PartyCode::Service(_)),
                    "a group's short name is lowercase",
                )?;
                let mut pairs = group.members.iter().zip(group.members.iter().skip(1));
                rule(
                    pairs.all(|(one, next)| one < next),
                    "a group's members are strictly ascending",
                )?;
                rule(
                    group.members.len() <= MAX_RECIPIENTS,
                    "a group has at most as many members as an envelope recipients",
                )
            }
            Self::Node(_) | Self::Authority(_) | Self::Other(_) => Ok(()),
        }
    }
}

fn check_keys(keys: &[StatementKeyEntry]) -> Result<(), EntryError> {
    let rule = |holds, rule| {
        if holds {
            Ok(())
        } else {
            Err(EntryError::Inconsistent { rule })
        }
    };
    rule(
        distinct(keys.iter().map(|key| key.id)),
        "a key stands in an entry once",
    )?;
    let ends = keys.iter().all(|key| ends((key.state, key.validity)));
    rule(ends, "a key that is not active has an end")
}

/// Without an end, a retired or revoked key would count for ever.
fn ends((state, validity): (KeyState, Validity)) -> bool {
    state == KeyState::Active || validity.until.is_some()
}

fn distinct(keys: impl Iterator<Item = KeyId>) -> bool {
    let mut seen = BTreeSet::new();
    keys.into_iter().all(|key| seen.insert(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    #[test]
    fn doubled_and_bad_fields_are_refused_and_new_ones_passed_over() {
        let node = r#"{"type":"consign/node/v1","id":"0b0ed3a6-5d0c-4c58-9f3f-0d0f9a1f7a11","name":"Sở Nội vụ","tls":[],"state":"active"}"#;
        let parsed = Entry::parse(node.as_bytes()).unwrap();
        assert_eq!(parsed.to_bytes(), node.as_bytes());
        for (from, to) in [
            (r#""tls":[]"#, r#""tls":[],"tls":[]"#),
            (r#""active""#, r#""asleep""#),
            (r#","tls":[]"#, ""),
        ] {
            assert!(
                Entry::parse(node.replace(from, to).as_bytes()).is_err(),
                "{to}"
            );
        }
    }

    #[test]
    fn a_group_is_read_by_those_who_know_it_and_passed_over_by_others() {
        let group = r#"{"type":"consign/group/v1","id":"0b0ed3a6-5d0c-4c58-9f3f-0d0f9a1f7a11","code":"so-nganh","name":"Các sở, ngành","members":["1b0ed3a6-5d0c-4c58-9f3f-0d0f9a1f7a11","2b0ed3a6-5d0c-4c58-9f3f-0d0f9a1f7a11"],"validity":{"from":"2026-11-23T02:30:00Z"}}"#;
        let parsed = Entry::parse(group.as_bytes()).unwrap();
        assert!(matches!(&parsed, Entry::Group(group) if group.members.len() == 2));
        assert_eq!(parsed.to_bytes(), group.as_bytes());
        for (from, to) in [
            ("so-nganh", "H49.13"),
            ("2b0ed3a6", "1b0ed3a6"),
            ("2b0ed3a6", "00000000"),
        ] {
            let wrong = group.replace(from, to);
            assert!(Entry::parse(wrong.as_bytes()).is_err(), "{to}");
        }
        let later = group.replace("/v1", "/v2");
        let later = Entry::parse(later.as_bytes()).unwrap();
        assert_eq!(later, Entry::Other(parsed.id()));
    }

    #[test]
    fn validity_is_half_open() {
        let at = |seconds| Timestamp::from_unix(seconds).unwrap();
        let span = Validity {
            from: at(10),
            until: Some(at(20)),
        };
        assert!(!span.contains(at(9)) && span.contains(at(10)));
        assert!(span.contains(at(19)) && !span.contains(at(20)));
    }
}
