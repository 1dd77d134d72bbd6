//! The link to the hub: one session at a time, over mutual TLS 1.3.
//!
//! ```text
//!  connect ─▶ Directory (take a newer one) ─▶ ┬ Submit   envelopes, statuses  ⇄ answers
//!                                             │ Upload   large payloads       ⇄ staged
//!                                             ├ Collect  items, releases      ⇄ stored, receipts
//!                                             └ Fetch    large payloads
//! ```
//!
//! Invariants:
//! - nothing that the hub says counts before it is verified, and nothing is reported as stored
//!   before it is durable;
//! - what is sent is read from files and sent as it stands there: a timeout means *unknown*, and
//!   the same bytes go again under the same id until there is a signed answer;
//! - the session may end at any instruction: the next one finds the same work in the files.

mod again;
mod backoff;
mod check;
mod collect;
mod connection;
mod directory;
mod fault;
mod fetch;
#[cfg(test)]
mod fixture;
mod intake;
mod payload;
mod prove;
mod receipts;
mod schedule;
mod state;
mod submit;

use std::time::Instant;

pub(crate) use again::Again;
pub(crate) use backoff::Backoff;
pub use check::CheckFault;
pub(crate) use connection::{hub_policy, keep_connected};
pub use directory::{DirectoryRefusal, Keeper};
pub use fault::LinkFault;
pub(crate) use payload::Claims;
pub(crate) use schedule::{Rank, Schedule};
pub(crate) use state::LinkStatus;
pub use state::{Cause, Connection, LinkState};

/// Sleeps until then; for ever, if there is nothing to wait for.
pub(crate) async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
