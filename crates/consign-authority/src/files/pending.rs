//! Requests that came without an invitation and wait for an operator.
//!
//! `pending/<first 16 digits of the SHA-256>.json` holds the exact bytes. Anybody may leave one,
//! so their number and size are bounded; what is full is full until the operator decides.

use std::fs;

use consign_domain::Digest;
use consign_domain::enrolment::Request;
use consign_runtime::files::{self, PRIVATE, PRIVATE_DIRECTORY};
use serde::Serialize;

use super::layout::Layout;
use super::store;
use crate::error::AuthorityError;

/// How many requests may wait.
const MAX_PENDING: usize = 200;
/// Largest request that may wait, in bytes: about 50 agencies.
const MAX_PENDING_REQUEST: usize = 128 * 1024;
/// Digits of a reference.
const REFERENCE: usize = 16;

/// A request that waits for an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PendingRequest {
    /// What `authority approve` takes.
    pub reference: String,
    /// What people call the applicant: a node's name, a hub's name and address.
    pub applicant: String,
    /// The agencies of a node: code and name.
    pub agencies: Vec<(String, String)>,
}

/// Keeps a request until an operator decides; gives what the operator knows it by.
pub(super) fn keep(layout: &Layout, request: &[u8]) -> Result<String, AuthorityError> {
    check_size(request)?;
    let reference = reference(request);
    let path = path(layout, &reference);
    if path.exists() {
        return Ok(reference);
    }
    if store::json_files(&layout.pending())?.len() >= MAX_PENDING {
        return Err(AuthorityError::PendingFull { limit: MAX_PENDING });
    }
    files::create_dir_durable(&layout.pending(), PRIVATE_DIRECTORY)?;
    files::publish(&path, request, PRIVATE)?;
    Ok(reference)
}

/// Refuses a request that is too large to wait.
pub(super) fn check_size(request: &[u8]) -> Result<(), AuthorityError> {
    if request.len() > MAX_PENDING_REQUEST {
        return Err(AuthorityError::PendingTooLarge {
            limit: MAX_PENDING_REQUEST,
        });
    }
    Ok(())
}

/// All requests that wait, by reference.
pub(super) fn list(layout: &Layout) -> Result<Vec<PendingRequest>, AuthorityError> {
    let mut all = Vec::new();
    for path in store::json_files(&layout.pending())? {
        let bytes = files::read_bounded(&path, MAX_PENDING_REQUEST)?;
        let (applicant, agencies) = match super::parse(&bytes)? {
            Request::Node(node) => {
                let agencies = node.agencies.iter();
                let named = agencies.map(|one| (one.code.to_string(), one.name.to_string()));
                (node.name.to_string(), named.collect())
            }
            Request::Hub(hub) => (format!("{} at {}", hub.code, hub.address), Vec::new()),
            _ => return Err(AuthorityError::RequestKind),
        };
        all.push(PendingRequest {
            reference: reference(&bytes),
            applicant,
            agencies,
        });
    }
    all.sort_by(|a, b| a.reference.cmp(&b.reference));
    Ok(all)
}

/// The bytes of a request that waits.
pub(super) fn read(layout: &Layout, reference: &str) -> Result<Vec<u8>, AuthorityError> {
    let unknown = || AuthorityError::PendingUnknown {
        reference: reference.to_owned(),
    };
    let is_one = reference.len() == REFERENCE && reference.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_one {
        return Err(unknown());
    }
    match files::read_bounded(&path(layout, reference), MAX_PENDING_REQUEST) {
        Err(fault) if fault.is_not_found() => Err(unknown()),
        read => Ok(read?),
    }
}

/// Forgets a request that was decided.
pub(super) fn remove(layout: &Layout, reference: &str) -> Result<(), AuthorityError> {
    Ok(files::remove(&path(layout, reference))?)
}

/// Whether anything waits, cheaply.
pub(super) fn count(layout: &Layout) -> usize {
    fs::read_dir(layout.pending()).map_or(0, Iterator::count)
}

fn reference(request: &[u8]) -> String {
    let mut digest = Digest::of(request).to_string();
    digest.truncate(REFERENCE);
    digest
}

fn path(layout: &Layout, reference: &str) -> std::path::PathBuf {
    layout.pending().join(format!("{reference}.json"))
}
