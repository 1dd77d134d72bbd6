//! What all calls share, and how each begins.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use consign_domain::{AgencyId, Timestamp};
use consign_runtime::clock::Clock;
use consign_runtime::shutdown::{Shutdown, Tasks};
use consign_store::Retention;
use tokio::sync::Semaphore;

use crate::admit::{Admission, Refused};
use crate::behind::Behind;
use crate::caller::Caller;
use crate::config::Limits;
use crate::directory::Directories;
use crate::fences::Fences;
use crate::flow::{Calls, OpenCall};
use crate::identity::HubSigner;
use crate::reading::Reading;
use crate::stamping::Stamping;

/// The state behind every call.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) admission: Arc<Admission>,
    pub(crate) reading: Reading,
    pub(crate) directories: Arc<Directories>,
    pub(crate) signer: Arc<HubSigner>,
    pub(crate) behind: Arc<Behind>,
    pub(crate) fences: Arc<Fences>,
    pub(crate) calls: Calls,
    /// The hub's time-stamp authority.
    pub(crate) stamping: Arc<Stamping>,
    /// Bytes on their way to nodes.
    pub(crate) delivery: Arc<Semaphore>,
    /// Bytes of uploads on their way to the disk.
    pub(crate) uploads: Arc<Semaphore>,
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    /// How long what is final is kept.
    pub(crate) retention: Retention,
    pub(crate) tasks: Tasks,
    pub(crate) ready: AtomicBool,
}

impl Relay {
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_unix_saturating(self.clock.now())
    }

    pub(crate) fn shutdown(&self) -> &Shutdown {
        self.tasks.shutdown()
    }

    /// Lets a call begin: a node of the directory in force, with room for one more.
    pub(crate) fn enter(
        &self,
        extensions: &tonic::Extensions,
    ) -> Result<(Caller, OpenCall), tonic::Status> {
        let caller = Caller::of(extensions).ok_or_else(|| {
            let code = consign_domain::ErrorCode::PeerUnknown;
            consign_proto::status_from_code(code, "the call came without a TLS identity")
        })?;
        self.authorise(caller)?;
        if self.shutdown().is_triggered() {
            return Err(Refused::Draining.into());
        }
        let call = self.calls.enter(caller.node).ok_or(Refused::Quota {
            quota: "the node's number of open calls",
        })?;
        Ok((caller, call))
    }

    /// Whether the caller is still a node of the directory in force.
    pub(crate) fn authorise(&self, caller: Caller) -> Result<(), Refused> {
        caller.authorise(&self.directories.current(), self.now())
    }

    /// Whether the caller speaks for an agency by the directory in force.
    pub(crate) fn speaks_for(&self, caller: Caller, agency: AgencyId) -> Result<(), Refused> {
        caller.speaks_for(agency, &self.directories.current(), self.now())
    }

    /// How the hub is, in a few numbers.
    pub(crate) fn status(&self) -> HubStatus {
        let directory = self.directories.current();
        let (nodes, calls) = self.calls.count();
        HubStatus {
            ready: self.ready.load(Ordering::Relaxed) && !self.shutdown().is_triggered(),
            behind: self.behind.is_raised(),
            directory: directory.version().value(),
            directory_expires: directory.head().expires,
            directory_fresh: directory.is_fresh(self.now()),
            nodes,
            calls,
            agencies: self.fences.count(),
            time_stamps_until: self.stamping.until(),
            store: self.reading.health(),
        }
    }
}

/// How a hub is: for whoever watches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubStatus {
    /// It serves.
    pub ready: bool,
    /// It was restored from a backup and takes nothing new until its operator decides.
    pub behind: bool,
    /// The directory version in force.
    pub directory: u64,
    /// Until when new decisions are made with it.
    pub directory_expires: Timestamp,
    /// Whether that is still to come.
    pub directory_fresh: bool,
    /// Nodes with open calls.
    pub nodes: usize,
    /// Open calls.
    pub calls: usize,
    /// Agencies whose inbox is being collected.
    pub agencies: usize,
    /// When the certificate of its time-stamp authority ends; `None` if it has none.
    pub time_stamps_until: Option<Timestamp>,
    /// The store.
    pub store: consign_store::StoreHealth,
}

/// Sixteen bytes of an id in a message.
pub(crate) fn id_bytes(agency: AgencyId) -> Bytes {
    Bytes::copy_from_slice(&agency.to_bytes())
}

/// An agency's id from a message.
pub(crate) fn agency_id(bytes: &[u8]) -> Result<AgencyId, Refused> {
    let field = "agency";
    let id = consign_proto::id16(bytes, field)?;
    AgencyId::from_bytes(id).map_err(|_| consign_proto::Malformed { field }.into())
}
