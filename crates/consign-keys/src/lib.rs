//! Where secret keys are kept: files, under a passphrase or not, and PKCS#11 tokens.
//!
//! | module | what it is for |
//! |---|---|
//! | [`secret`] | where a passphrase or PIN comes from: terminal, file, systemd |
//! | [`keyring`] | key files, and what opens them |
//! | [`token`] | keys that never leave a token |
//!
//! All of it blocks, a token for as long as it likes: call it off the async threads.
//!
//! Invariants: a secret is asked for once and wiped when it is dropped; **a PIN that a token
//! refused is never given to it again** by this process, nor by the next one without a person;
//! no key is ever written over by another.

pub mod keyring;
pub mod secret;
mod terminal;
pub mod token;

pub use keyring::{Keyring, KeyringError};
pub use secret::{SecretError, SecretSource};
pub use token::{TokenError, TokenPlace};
