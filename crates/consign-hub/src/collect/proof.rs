//! A node proves that the hub was put back in time.
//!
//! What proves it is the hub's own signature: an acceptance that gives the agency a place
//! which the hub does not know, or has filled with another envelope. Evidence and statuses in
//! an inbox carry no signature over their place; a node that is ahead by these alone is
//! noted, is not served, and stops nobody else.

use std::sync::Arc;

use consign_domain::directory::Role;
use consign_domain::statement::{Event, Evidence};
use consign_domain::{AgencyId, Digest, Sequence};
use consign_proto::v1;
use consign_store::StoreError;
use consign_verify::verify_statement;
use tracing::info;

use super::Session;
use crate::admit::Refused;
use crate::behind::Ahead;
use crate::reading::View;
use crate::relay::agency_id;

/// Takes a proof in. One that proves nothing changes nothing.
pub(super) async fn heed(session: &Session, proof: v1::Proof) -> Result<(), Refused> {
    let relay = &session.relay;
    let agency = agency_id(&proof.agency)?;
    let signed = consign_proto::signed(proof.acceptance, "proof.acceptance")?;
    relay.speaks_for(session.caller, agency)?;
    let (directory, now) = (relay.directories.current(), relay.now());
    let (hub, behind) = (relay.signer.hub, Arc::clone(&relay.behind));
    let read = move |store: &View<'_>| {
        let verified = verify_statement::<Evidence>(&signed, &[Role::Hub], &directory);
        let Ok(evidence) = verified else {
            return Ok(false);
        };
        let ours = evidence.event == Event::SubmissionAcceptance
            && evidence.hub == hub
            && evidence.signer.id == hub.into();
        let placed = evidence.placements.iter().find(|place| place.id == agency);
        let Some(placed) = placed.filter(|_| ours) else {
            return Ok(false);
        };
        let digest = evidence.envelope.sha256;
        if !is_unknown(store, agency, placed.sequence, digest)? {
            return Ok(false);
        }
        let entry = directory.agency(agency);
        let ahead = Ahead {
            agency,
            code: entry.and_then(|entry| entry.code_at(now)).cloned(),
            seen: placed.sequence,
            last: store.inbox_state(agency)?.last,
            proven: true,
        };
        behind.note(&ahead, now);
        Ok(true)
    };
    let proven = relay.reading.run(read).await?;
    info!(node = %session.caller.node, %agency, proven, "a node showed what it has");
    Ok(())
}

/// Whether the hub does not have this envelope at this place, and has not let go of it.
fn is_unknown(
    store: &View<'_>,
    agency: AgencyId,
    place: Sequence,
    digest: Digest,
) -> Result<bool, StoreError> {
    if Some(place) > store.inbox_state(agency)?.last {
        return Ok(true);
    }
    let here = store.item_digest(agency, place)?;
    Ok(here.is_some_and(|here| here != digest))
}
