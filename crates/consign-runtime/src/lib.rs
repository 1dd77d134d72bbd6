//! What every role of the program stands on: clock, randomness, configuration, tracing,
//! shutdown, durable files, and the two transports (mutual TLS and the local socket).
//!
//! Nothing here knows agencies, envelopes or the directory. Who a peer is, is decided by a
//! [`tls::PeerPolicy`] that the caller brings.
//!
//! Invariants:
//! - [`clock`] is the only place that reads the system's time, [`entropy`] the only one that asks
//!   for randomness;
//! - a file that [`files`] reports as published is on stable storage, whole, under its name;
//! - no connection leaves [`tls`] without TLS 1.3 and a peer whom the policy has named.

mod accept;
pub mod backup;
mod blocking;
pub mod clock;
pub mod config;
pub mod entropy;
pub mod files;
pub mod program;
pub mod run_file;
pub mod shutdown;
pub mod telemetry;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod tls;
pub mod uds;

pub use blocking::blocking;
