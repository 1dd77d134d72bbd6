//! Requests that came without an invitation and wait for an operator.
//!
//! `pending/<first 16 digits of the SHA-256>.json` holds the exact bytes, `.from` beside it where
//! and when it came. Anybody may leave one, so their number, that of one source, and their size are
//! bounded; what is full is full until the operator decides. Invited requests never wait here.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use consign_domain::enrolment::Request;
use consign_domain::{Digest, Timestamp};
use consign_runtime::files::{self, PRIVATE, PRIVATE_DIRECTORY};
use consign_runtime::tls::source;
use serde::{Deserialize, Serialize};

use super::layout::Layout;
use super::store;
use crate::error::AuthorityError;

/// How many requests may wait.
const MAX_PENDING: usize = 200;
/// How many of them may be of one source.
const MAX_OF_SOURCE: usize = 10;
/// Largest origin, in bytes.
const MAX_ORIGIN: usize = 1024;
/// Largest request that may wait, in bytes: about 50 agencies.
const MAX_PENDING_REQUEST: usize = 128 * 1024;
/// Digits of a reference.
const REFERENCE: usize = 16;

/// Where and when a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Origin {
    /// The address; none, where it came by a file.
    pub(super) from: Option<IpAddr>,
    pub(super) asked: Timestamp,
}

/// A request that waits for an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PendingRequest {
    /// What `authority approve` takes.
    pub reference: String,
    /// What people call the applicant: a node's name, a hub's name and address.
    pub applicant: String,
    /// The agencies of a node: code and name.
    pub agencies: Vec<(String, String)>,
    /// The address that it came from, where that is known.
    pub from: Option<IpAddr>,
    /// When it came, where that is known.
    pub asked: Option<Timestamp>,
}

/// Keeps a request until an operator decides; gives what the operator knows it by.
pub(super) fn keep(
    layout: &Layout,
    request: &[u8],
    origin: Origin,
) -> Result<String, AuthorityError> {
    check_room(layout, request, origin)?;
    let reference = reference(request);
    let path = path(layout, &reference);
    if path.exists() {
        return Ok(reference);
    }
    files::create_dir_durable(&layout.pending(), PRIVATE_DIRECTORY)?;
    // First: what waits without it would count for no source.
    files::publish(&origin_file(&path), &store::json(&origin), PRIVATE)?;
    files::publish(&path, request, PRIVATE)?;
    Ok(reference)
}

/// Refuses a request for which there is no room to wait; one that waits already has it.
pub(super) fn check_room(
    layout: &Layout,
    request: &[u8],
    origin: Origin,
) -> Result<(), AuthorityError> {
    check_size(request)?;
    if path(layout, &reference(request)).exists() {
        return Ok(());
    }
    let waiting = store::json_files(&layout.pending())?;
    if waiting.len() >= MAX_PENDING {
        return Err(AuthorityError::PendingFull { limit: MAX_PENDING });
    }
    if let Some(address) = origin.from {
        let same = |path: &PathBuf| {
            let before = read_origin(path).and_then(|origin| origin.from);
            before.is_some_and(|before| source(before) == source(address))
        };
        if waiting.iter().filter(|path| same(path)).count() >= MAX_OF_SOURCE {
            let limit = MAX_OF_SOURCE;
            return Err(AuthorityError::PendingOfSource { address, limit });
        }
    }
    Ok(())
}

/// Refuses a request that is too large to wait.
pub(crate) fn check_size(request: &[u8]) -> Result<(), AuthorityError> {
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
        let origin = read_origin(&path);
        all.push(PendingRequest {
            reference: reference(&bytes),
            applicant,
            agencies,
            from: origin.and_then(|origin| origin.from),
            asked: origin.map(|origin| origin.asked),
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
    let path = path(layout, reference);
    files::remove(&path)?;
    Ok(files::remove(&origin_file(&path))?)
}

/// Whether anything waits, cheaply.
pub(super) fn count(layout: &Layout) -> usize {
    store::json_files(&layout.pending()).map_or(0, |waiting| waiting.len())
}

fn reference(request: &[u8]) -> String {
    let mut digest = Digest::of(request).to_string();
    digest.truncate(REFERENCE);
    digest
}

/// Where a request came from; nothing, where that was not kept.
fn read_origin(request: &Path) -> Option<Origin> {
    let bytes = files::read_bounded(&origin_file(request), MAX_ORIGIN).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn origin_file(request: &Path) -> PathBuf {
    request.with_extension("from")
}

fn path(layout: &Layout, reference: &str) -> PathBuf {
    layout.pending().join(format!("{reference}.json"))
}
