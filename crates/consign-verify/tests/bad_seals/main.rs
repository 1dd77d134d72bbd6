//! Bad seals, each with the verdict on the container that it is in.
//!
//! The directory lists the certificate in every case, so that nothing but the fault can be why.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests, outside the functions that the lint excuses"
)]

mod certificates;
mod der;
mod encodings;
mod openssl;
mod signers;
mod support;
mod weak;
#[path = "../world/mod.rs"]
mod world;
