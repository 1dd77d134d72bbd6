//! The long-term archive: what its time-stamps prove years later, and what they do not.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, outside the functions that the lint excuses"
)]

mod entries;
mod stamps;
mod statements;
mod support;
#[path = "../world/mod.rs"]
mod world;
