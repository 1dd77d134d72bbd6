//! The link to the hub.

mod backoff;
mod check;
mod directory;
#[cfg(test)]
mod fixture;
mod state;

pub use check::CheckFault;
pub use directory::{DirectoryRefusal, Keeper};
pub use state::{Cause, Connection, LinkState};
