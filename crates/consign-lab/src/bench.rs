//! The benchmark: a hub in its own process, simulated nodes in this one, and real everything
//! between them: mutual TLS 1.3, the protocol, signatures and fsync.
//!
//! | module | what it is for |
//! |---|---|
//! | `place` | where on which disk |
//! | `ground` | an authority, an enrolled hub, nodes with keys of their own |
//! | `process` | a hub's or a node's process: start, readiness, stop |
//! | `sealing` | documents, sealed before any clock starts |
//! | `link` | a simulated node's connection |
//! | `driver` | what a simulated node does while the clock runs |
//! | `machine`, `meter` | one thread's own limits; what the system counts for a process |
//! | `load` | two phases, accept and settle, and their figures |
//! | `fan_out`, `idle`, `large`, `restart`, `retention`, `soak` | the other scenarios |
//! | `network` | documents a second end to end, with real nodes |
//! | `directory` | a directory of many agencies, from the authority to a node's disk |
//! | `rounds` | many documents through one hub, sealed in portions |
//! | `statistics` | medians and percentiles |
//!
//! Simulated nodes keep nothing on disk and open nothing: what they cost is theirs, and the hub
//! does for them all that it does for any node. A phase begins with an empty store, so that one
//! set of sealed documents serves every phase and every run. What was accepted and not settled
//! when a phase ends is waited for: a document that stays away fails the run.

pub mod directory;
mod driver;
mod error;
pub mod fan_out;
mod ground;
pub mod idle;
pub mod large;
mod link;
pub mod load;
mod machine;
mod meter;
pub mod network;
mod place;
mod process;
pub mod restart;
pub mod retention;
mod rounds;
mod sealing;
pub mod soak;
mod statistics;

use std::path::PathBuf;

pub use error::BenchError;
pub use machine::Limits;
pub use place::Place;

/// What every scenario is told.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The program that is run as the hub: `consign`.
    pub program: PathBuf,
    /// How many nodes there are, each with one agency.
    pub nodes: usize,
    /// Documents under way at one time, of all nodes together.
    pub in_flight: usize,
    /// Bytes of a payload's ciphertext.
    pub size: usize,
    /// Recipients of each document.
    pub recipients: usize,
    /// How long a phase lasts.
    pub seconds: u64,
}

/// How far something long has come, for whoever watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub what: &'static str,
    /// So much of it.
    pub done: u64,
    /// Of so much.
    pub all: u64,
}

/// Whoever watches; called from several threads.
pub type Watch<'a> = &'a (dyn Fn(Progress) + Send + Sync);
