//! Time-stamps that come after the seal: what waits for one, and keeping it.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use consign_domain::EnvelopeId;

use super::{Outbox, Sealed};
use crate::durable;
use crate::error::NodeError;
use crate::folder::TIME_STAMP;
use crate::seal;

/// What was sealed without a time-stamp, archived or not, and has none yet.
#[derive(Debug, Default)]
pub(super) struct Unstamped {
    all: BTreeSet<EnvelopeId>,
    /// Those among them that nobody was told of.
    news: BTreeSet<EnvelopeId>,
}

impl Unstamped {
    pub(super) fn insert(&mut self, id: EnvelopeId) {
        if self.all.insert(id) {
            self.news.insert(id);
        }
    }

    fn remove(&mut self, id: EnvelopeId) {
        self.all.remove(&id);
        self.news.remove(&id);
    }
}

impl Outbox {
    /// How much was sealed without a time-stamp and has none yet.
    pub fn unstamped(&self) -> usize {
        self.lock().unstamped.all.len()
    }

    /// What of it was not told before, oldest first: all of it after a start.
    pub fn newly_unstamped(&self) -> Vec<EnvelopeId> {
        std::mem::take(&mut self.lock().unstamped.news)
            .into_iter()
            .collect()
    }

    /// The value of a seal that a time-stamp is still to be had for.
    ///
    /// # Errors
    /// The container cannot be read.
    pub fn unstamped_seal(&self, id: EnvelopeId) -> Result<Option<Vec<u8>>, NodeError> {
        let folder = self.folder(id)?;
        if !folder.awaits_stamp() {
            self.is_stamped(id);
            return Ok(None);
        }
        let seal = folder.own_seal()?;
        Ok(seal.map(|seal| seal.signature_value))
    }

    /// Keeps a time-stamp token over the value of a seal beside the container.
    ///
    /// # Errors
    /// There is no such envelope, or the system refused.
    pub fn keep_stamp(&self, id: EnvelopeId, token: &[u8]) -> Result<(), NodeError> {
        let turn = self.turn(id);
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = self.folder(id)?;
        if folder.awaits_stamp() {
            durable::publish(&folder.file(TIME_STAMP), token)?;
        }
        self.is_stamped(id);
        Ok(())
    }

    /// How an envelope was sealed; `None` if it is not yet.
    ///
    /// # Errors
    /// There is no such envelope, or a file is damaged.
    pub fn sealed(&self, id: EnvelopeId) -> Result<Option<Sealed>, NodeError> {
        seal::sealed(&self.folder(id)?)
    }

    fn is_stamped(&self, id: EnvelopeId) {
        self.lock().unstamped.remove(id);
        self.index.set_unstamped(self.home.id(), id, false);
    }

    /// Takes up what the index says of the archive; what is not archived was read before.
    pub(super) fn resume_stamps(&self) {
        for id in self.index.unstamped(self.home.id()) {
            match self.find(id) {
                Some(folder) if folder.awaits_stamp() => {
                    self.lock().unstamped.insert(id);
                }
                _ => self.is_stamped(id),
            }
        }
    }
}
