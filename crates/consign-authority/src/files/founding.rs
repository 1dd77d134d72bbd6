//! Making an authority.

use std::path::{Path, PathBuf};

use consign_domain::Timestamp;
use consign_domain::text::Line;
use consign_keys::{Keyring, TokenPlace};
use consign_runtime::clock::Clock;

use super::layout::Layout;
use super::store;
use crate::error::AuthorityError;
use crate::settings::{Lives, Naming, Settings};

/// Makes an authority in a directory, which may exist.
///
/// # Errors
/// One lives there already, or a file, certificate or key cannot be made.
pub fn init(
    dir: &Path,
    name: &str,
    lives: Lives,
    now: Timestamp,
) -> Result<Settings, AuthorityError> {
    let founding = Founding {
        name: name.to_owned(),
        lives,
        ..Founding::default()
    };
    Ok(init_with(dir, &founding, &Clock::fixed(now.as_unix()))?.settings)
}

/// How an authority is founded.
#[derive(Debug, Default)]
pub struct Founding {
    /// The network's name for people.
    pub name: String,
    /// How long what it makes is good.
    pub lives: Lives,
    /// What its certificates say besides whose they are.
    pub certificates: Naming,
    /// Where its keys are kept.
    pub keys: NewKeys,
}

/// An authority that was founded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Founded {
    /// Who it is.
    pub settings: Settings,
    /// The record of it, to be printed.
    pub record: PathBuf,
}

/// Where an authority's new keys are kept.
#[derive(Debug, Default)]
pub struct NewKeys {
    /// What writes the files: under a passphrase if it knows one.
    pub keyring: Keyring,
    /// The token for the keys of root and issuing authority. The directory key, Ed25519, is a
    /// file always: few tokens have the algorithm.
    pub token: Option<TokenPlace>,
}

/// [`init`] with all there is to choose. Keys that are in the token already are used. What was
/// done when is recorded by `clock`.
///
/// # Errors
/// As [`init`]; or the token, or what certificates are to say.
pub fn init_with(
    dir: &Path,
    founding: &Founding,
    clock: &Clock,
) -> Result<Founded, AuthorityError> {
    founding.lives.check()?;
    founding.certificates.check()?;
    let token = founding.keys.token.as_ref();
    if token.is_some_and(|token| token.key.is_some()) {
        return Err(AuthorityError::TokenKeyNamed);
    }
    let name = Line::tidy(&founding.name);
    let name = name.map_err(|source| AuthorityError::NetworkName { source })?;
    store::found(&Layout::new(dir), name, founding, clock)
}
