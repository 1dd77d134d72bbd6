//! Whole-network tests on the real binary, and the harness they stand on.
//!
//! The tests know the product only from outside: commands, their exit codes, the JSON they
//! print, the files they leave, and what `openssl`, `age` and Python say about them. Nothing
//! but [`endurance`] depends on a crate of ours. Services listen on loopback ports that the harness chooses;
//! everything lies in a directory of the test's own, which goes when the test passes, and each
//! process ends with the test.
//!
//! - [`scratch`]: a directory for one test, and its logs when the test fails.
//! - [`program`]: run a command, look at its answer.
//! - [`service`]: a hub or a node: start, wait for readiness, kill, start again.
//! - [`network`]: an authority, a hub and nodes, founded by the commands of the README.
//! - [`material`]: files to send, ids, changed bytes.
//! - [`endurance`]: many documents through killed processes and spoilt connections, judged.
//! - [`chance`]: numbers that are the same for the same seed.
//! - [`figures`]: one large document, measured.
//! - [`soft_token`]: a PKCS#11 token in software, plugged in and pulled out.
//! - [`outside`]: `openssl`, `age` and Python.
//! - [`waiting`]: wait for something to become true.

#![expect(
    clippy::indexing_slicing,
    reason = "only JSON values are indexed, which answer with null where there is nothing"
)]

pub mod chance;
pub mod endurance;
pub mod figures;
pub mod material;
pub mod network;
pub mod outside;
pub mod program;
pub mod scratch;
pub mod service;
pub mod soft_token;
pub mod waiting;

pub use network::Network;
pub use program::Answer;
pub use scratch::{Scratch, say};
