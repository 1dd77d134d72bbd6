//! One agency of the node: its home, outbox and inbox, opened together.

use std::sync::Arc;

use crate::durable;
use crate::error::NodeError;
use crate::inbox::Inbox;
use crate::index::Index;
use crate::layout::AgencyHome;
use crate::outbox::Outbox;

/// One agency of the node. The node's lock is held by whoever opens it.
#[derive(Debug)]
pub struct Agency {
    home: AgencyHome,
    outbox: Arc<Outbox>,
    inbox: Inbox,
}

impl Agency {
    /// Opens outbox and inbox and finishes what a crash left unfinished.
    ///
    /// # Errors
    /// A file is damaged, or the system refused.
    pub fn open(home: AgencyHome, index: &Arc<Index>) -> Result<Self, NodeError> {
        // Long-term archives that were being written.
        durable::remove_leftovers(&home.archive_dir())?;
        let outbox = Arc::new(Outbox::open(home.clone(), Arc::clone(index))?);
        let inbox = Inbox::open(home.clone(), Arc::clone(&outbox), Arc::clone(index))?;
        Ok(Self {
            home,
            outbox,
            inbox,
        })
    }

    /// Where the agency's files are.
    pub const fn home(&self) -> &AgencyHome {
        &self.home
    }

    /// What it sends.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// What it receives.
    pub const fn inbox(&self) -> &Inbox {
        &self.inbox
    }
}
