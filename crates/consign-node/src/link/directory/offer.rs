//! A directory as it arrives from the hub: message by message, measured before it is kept.

use bytes::Bytes;
use consign_domain::SignedStatement;
use consign_domain::limits::{MAX_DIRECTORY, MAX_ENTRIES, MAX_HEAD, MAX_VERSIONS_BETWEEN};
use consign_pki::path::MAX_REVOCATION_LIST;
use consign_proto::signed;
use consign_proto::v1::{self, directory_reply::Message};
use consign_verify::directory::changes::Change;

use super::DirectoryRefusal;
use crate::revocation_lists;

/// Most steps from one version to another: each old line is kept or dropped and each new one
/// inserted, at worst one at a time.
const MAX_STEPS: usize = 3 * MAX_ENTRIES;

/// The refusal of a message that may not follow those before it.
pub(super) const OUT_OF_ORDER: DirectoryRefusal = DirectoryRefusal::Protocol {
    rule: "a message out of order",
};

/// The refusal of more than there may be.
const TOO_LARGE: DirectoryRefusal = DirectoryRefusal::Protocol {
    rule: "it is larger than any may be",
};

/// What a hub offers: the head, the heads of the versions between, and what leads from our
/// lines to those of the head.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) between: Vec<SignedStatement>,
    pub(super) head: SignedStatement,
    pub(super) changes: Vec<Change<Bytes>>,
    pub(super) lists: Vec<Bytes>,
}

/// What has come so far.
#[derive(Debug, Default)]
pub(super) struct Arriving {
    between: Vec<SignedStatement>,
    head: Option<SignedStatement>,
    changes: Vec<Change<Bytes>>,
    inserted: usize,
    lists: Vec<Bytes>,
}

impl Arriving {
    /// Whether nothing has come yet.
    pub(super) fn is_empty(&self) -> bool {
        self.head.is_none() && self.between.is_empty()
    }

    /// Takes the next message.
    ///
    /// # Errors
    /// [`DirectoryRefusal::Protocol`]: it is out of order, or too much.
    pub(super) fn add(&mut self, message: Message) -> Result<(), DirectoryRefusal> {
        match (message, &self.head) {
            (Message::Between(message), None) => {
                if self.between.len() as u64 >= MAX_VERSIONS_BETWEEN {
                    return Err(TOO_LARGE);
                }
                self.between.push(head(message)?);
            }
            (Message::Head(message), None) => self.head = Some(head(message)?),
            (Message::List(list), Some(_)) => {
                if self.lists.len() >= revocation_lists::MOST || list.len() > MAX_REVOCATION_LIST {
                    return Err(TOO_LARGE);
                }
                self.lists.push(list);
            }
            (Message::Entries(lines), Some(_)) => {
                self.inserted = self.inserted.saturating_add(lines.len());
                self.step(Change::Insert(lines))?;
            }
            (Message::Kept(count), Some(_)) => self.step(Change::Keep(count))?,
            (Message::Dropped(count), Some(_)) => self.step(Change::Drop(count))?,
            _ => return Err(OUT_OF_ORDER),
        }
        Ok(())
    }

    fn step(&mut self, change: Change<Bytes>) -> Result<(), DirectoryRefusal> {
        if self.changes.len() >= MAX_STEPS || self.inserted > MAX_DIRECTORY {
            return Err(TOO_LARGE);
        }
        self.changes.push(change);
        Ok(())
    }

    /// All of it, when the last message has come.
    ///
    /// # Errors
    /// [`DirectoryRefusal::Protocol`]: there was no head.
    pub(super) fn whole(self) -> Result<Offer, DirectoryRefusal> {
        let rule = "it has no head";
        Ok(Offer {
            head: self.head.ok_or(DirectoryRefusal::Protocol { rule })?,
            between: self.between,
            changes: self.changes,
            lists: self.lists,
        })
    }
}

fn head(message: v1::SignedStatement) -> Result<SignedStatement, DirectoryRefusal> {
    if message.statement.len() > MAX_HEAD {
        return Err(TOO_LARGE);
    }
    Ok(signed(Some(message), "head")?)
}
