//! A network in one process: authority, hub and nodes on loopback, from real directories.
//!
//! What it makes on disk is what `consign authority`, `consign hub` and `consign node`
//! make, by the same calls; what it runs is what they run. The demo stands on it, and
//! tests that need a whole network. Beside it stands a TCP proxy that does to connections what
//! networks do.

pub mod bench;
mod error;
mod network;
pub mod proxy;
pub mod sample;

pub use error::LabError;
pub use network::{Network, Plan, Running, Seat, Step, follow_directory};
