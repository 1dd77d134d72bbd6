//! One operation on an authority that is opened for it alone.

use std::path::Path;

use consign_domain::directory::EntryState;
use consign_domain::enrolment::Bundle;
use consign_domain::{PartyCode, Timestamp};

use super::{Authority, PublishOptions, Published};
use crate::error::AuthorityError;
use crate::issuance::IssueOptions;
use crate::revocation::{RevokeOptions, RevokedParty};

/// [`Authority::issue`], for one request.
///
/// # Errors
/// As [`Authority::open`] and [`Authority::issue`].
pub fn issue(
    dir: &Path,
    request: &[u8],
    options: &IssueOptions,
    now: Timestamp,
) -> Result<Bundle, AuthorityError> {
    Authority::open(dir)?.issue(request, options, now)
}

/// [`Authority::publish`], once.
///
/// # Errors
/// As [`Authority::open`] and [`Authority::publish`].
pub fn publish(
    dir: &Path,
    options: PublishOptions,
    now: Timestamp,
) -> Result<Published, AuthorityError> {
    Authority::open(dir)?.publish(options, now)
}

/// [`Authority::revoke`], once.
///
/// # Errors
/// As [`Authority::open`] and [`Authority::revoke`].
pub fn revoke(
    dir: &Path,
    code: &PartyCode,
    options: RevokeOptions,
    now: Timestamp,
) -> Result<RevokedParty, AuthorityError> {
    Authority::open(dir)?.revoke(code, options, now)
}

/// [`Authority::set_state`], once.
///
/// # Errors
/// As [`Authority::open`] and [`Authority::set_state`].
pub fn set_state(dir: &Path, code: &PartyCode, state: EntryState) -> Result<bool, AuthorityError> {
    Authority::open(dir)?.set_state(code, state)
}
