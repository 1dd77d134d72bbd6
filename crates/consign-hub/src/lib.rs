//! The relay hub: takes signed envelopes over, offers them to their recipients, and gives
//! the key against the recipient's signed receipt. It reads, alters and forges nothing.
//!
//! | module | what it is for |
//! |---|---|
//! | `config`, `setup` | `hub.toml`; `hub init` and `hub install` |
//! | `hub`, `storage`, `service` | its life; the store; the gRPC service |
//! | `admit` | what is let in: the only module with the store's changing verbs |
//! | `submit`, `collect`, `upload`, `fetch` | one call each |
//! | `stamping` | the time-stamp authority |
//! | `directory`, `caller`, `identity` | who is who, who calls, who we are |
//! | `flow`, `fences`, `outgoing` | credits and shares, takeovers, budgets |
//! | `release`, `urgent` | wraps; which inboxes come first |
//! | `upkeep` | what lapses, and what is kept no longer |
//! | `behind`, `resume` | a hub that knows less than nodes takes nothing new; going on |
//! | `backup` | copies of a hub, also while it runs |
//!
//! Invariants: every message is authorised against the directory in force; an answer is
//! given when it is durable; an agency's wrap leaves only after its receipt is; every
//! queue, message and wait is bounded; expiry of the directory stops new decisions and
//! never delivery.

mod admit;
pub mod backup;
mod behind;
mod caller;
mod collect;
mod config;
mod directory;
pub mod enrol;
mod error;
mod fences;
mod fetch;
mod flow;
mod hub;
mod identity;
mod outgoing;
mod reading;
mod relay;
mod release;
mod renewal;
mod resume;
mod service;
mod setup;
mod stamping;
mod storage;
mod submit;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod upkeep;
mod upload;
mod urgent;

pub use behind::{Claim, Decision, Mark, RestoredFrom};
pub use config::{Config, Keep, Limits, Log};
pub use directory::DirectoryFault;
pub use error::HubError;
pub use hub::{Hub, StatusHandle, bind, bind_with};
pub use identity::KeyFault;
pub use relay::HubStatus;
pub use resume::{ResumeError, resume, standing};
pub use setup::{Installed, NewKeys, SetupError, init, init_with, install, install_with, protect};
pub use storage::Storage;
