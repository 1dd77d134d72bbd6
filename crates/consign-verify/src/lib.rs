//! Policy and verdict: the auditor's library.
//!
//! Bytes and a time go in; a [`Verified`] value or a [`Report`] comes out. There is no
//! clock, no network and no file in here: whatever a verdict rests on is an argument,
//! so that it can be repeated years later. Mechanisms (signatures, paths, containers)
//! are in `consign-pki`; this crate says which of them must hold, for whom, and when.

pub mod archive;
pub mod container;
pub mod directory;
pub mod exchange;
pub mod pdf;
pub mod policy;
pub mod report;
mod signer;
pub mod statement;
pub mod time_stamp;
pub mod trust;

pub use directory::{Directory, DirectoryError};
pub use policy::Policy;
pub use report::{Check, CheckOutcome, Indication, Report};
pub use statement::{
    StatementRefusal, Submitted, verify_proven, verify_statement, verify_submitted,
};
pub use trust::{TrustError, TrustStore};

/// A value whose check was made and passed. Only this crate makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> std::ops::Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
