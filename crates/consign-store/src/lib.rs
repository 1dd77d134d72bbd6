//! What a hub must remember, as a trait in the domain's verbs.
//!
//! [`Store`] is the seam: *return means durable*. A [`Reply`] resolves only after what
//! it answers lies on stable storage, or was found to lie there already. Two engines
//! stand behind it: [`MemoryStore`] for tests and trials, and [`JournalStore`], in
//! which an append-only journal is the truth and sled an index that can be rebuilt.
//!
//! Invariants that every engine keeps, and the conformance suite checks:
//!
//! - An agency's inbox is one gap-free sequence from 1: envelopes, evidence and
//!   statuses alike, in the order in which they were accepted.
//! - (sender, id) has one answer for ever. The same envelope gets it again, another
//!   envelope under the same id is [`StoreError::IdReused`].
//! - The first of receipt and expiry settles a delivery; what settled it is what is
//!   answered ever after.
//! - Nothing is visible before it is durable.

pub mod backup;
mod codec;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod disk;
mod error;
mod index;
mod journal;
mod journal_store;
mod memory;
mod open;
mod payload;
mod pipeline;
mod reads;
mod retention;
mod staging;
mod store;
mod types;
mod watchers;

pub use error::{SealError, StoreError};
pub use journal_store::JournalStore;
pub use memory::MemoryStore;
pub use open::{GoOn, IndexFate, OpenError, Options, Progress, Recovery};
pub use payload::{LeftUpload, PayloadSource, StagedPayload, StagedRef, Upload};
pub use store::{Clock, Reply, Store, Watcher};
pub use types::{
    Accepted, Answer, Delivery, DeliveryPlace, DirectoryNote, EnvelopeItem, Expiry, Health,
    InboxBudget, InboxItem, InboxState, ItemBody, ItemPayload, Outcome, PayloadIn, Placements,
    Position, Posted, Receipt, Refusal, Retention, Seal, Settled, SettledBy, StatusPost,
    StoreHealth, StoredEnvelope, Submission, Tidied,
};

#[cfg(test)]
mod tests;
