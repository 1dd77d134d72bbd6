//! What is wrong with an envelope for ever, and the words in which the hub accepts one.

use std::sync::Arc;

use bytes::Bytes;
use consign_domain::limits::MAX_WRAP;
use consign_domain::statement::{Envelope, EnvelopeRef, Event, Evidence};
use consign_domain::{Digest, DirectoryVersion, EnvelopeId, ErrorCode, Timestamp};
use consign_log::Tree;
use consign_store::{Placements, Seal};

use super::Rejection;
use crate::identity::HubSigner;

/// An envelope's id may state a time this far after the envelope's, in seconds.
const MAX_ID_AHEAD: u64 = 86_400;
/// And so far before it: the id is made when the document is handed in, and its sealing
/// may wait for a key or for the network.
const MAX_ID_AGE: u64 = 90 * 86_400;

pub(super) fn check_times(envelope: &Envelope, now: Timestamp) -> Result<(), Rejection> {
    let id = id_time(envelope.id);
    let (earliest, latest) = (
        envelope.time.minus_seconds(MAX_ID_AGE),
        envelope.time.plus_seconds(MAX_ID_AHEAD),
    );
    if id < earliest || id > latest {
        return Err(Rejection::of(ErrorCode::IdTimeMismatch));
    }
    if envelope.expires <= now {
        return Err(Rejection::of(ErrorCode::EnvelopeExpired));
    }
    Ok(())
}

/// The time that a UUID of version 7 states (RFC 9562 §5.7): 48 bits of milliseconds.
fn id_time(id: EnvelopeId) -> Timestamp {
    let [a, b, c, d, e, f, ..] = id.to_bytes();
    let milliseconds = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
    Timestamp::from_unix_saturating(milliseconds / 1000)
}

/// Gives the tree over the wraps, whose root the envelope names.
pub(super) fn check_wraps(envelope: &Envelope, wraps: &[Bytes]) -> Result<Tree, Rejection> {
    let fit = wraps.len() == envelope.to.as_slice().len()
        && wraps
            .iter()
            .all(|wrap| (1..=MAX_WRAP).contains(&wrap.len()));
    if fit {
        let tree = Tree::from_leaves(wraps);
        if Digest::from_bytes(tree.root()) == envelope.wraps {
            return Ok(tree);
        }
    }
    Err(Rejection::of(ErrorCode::WrapsMismatch))
}

pub(super) fn check_payload(envelope: &Envelope, bytes: &[u8]) -> Result<(), Rejection> {
    let fits =
        bytes.len() as u64 == envelope.payload.size && Digest::of(bytes) == envelope.payload.sha256;
    if fits {
        Ok(())
    } else {
        Err(Rejection::of(ErrorCode::PayloadMismatch))
    }
}

/// Signs the acceptance once the places are known; runs on a thread of the store.
pub(super) fn seal(
    signer: Arc<HubSigner>,
    reference: EnvelopeRef,
    content: Digest,
    directory: DirectoryVersion,
) -> Seal {
    Box::new(move |places: &Placements| {
        let mut evidence = Evidence::new(
            signer.network,
            signer.signer(directory),
            places.time,
            Event::SubmissionAcceptance,
            signer.hub,
            reference,
        );
        evidence.placements.clone_from(&places.recipients);
        evidence.content = Some(content);
        Ok(signer.sign(&evidence))
    })
}
