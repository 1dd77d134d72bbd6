//! How the node is doing.

use std::sync::Arc;

use consign_domain::{Digest, Timestamp};
use consign_enrol::HeadAge;
use consign_proto::v1;

use super::select;
use crate::ends::KeyEnds;
use crate::index::ArchiveReason;
use crate::office::{Desk, Office, blocking};

/// Connection, queues, clock and directory.
pub(super) async fn status(office: &Arc<Office>) -> v1::StatusReply {
    let mut agencies = Vec::with_capacity(office.desks().len());
    for desk in office.desks() {
        agencies.push(agency(office, desk).await);
    }
    let root = office.directory.root().to_owned();
    let free = blocking(move || free_bytes(&root)).await;
    let link = office.link.subscribe().borrow().clone();
    let directory = office.keeper.newest();
    let (code, reason) = link.cause.map_or_else(Default::default, |cause| {
        (cause.code.to_string(), cause.text)
    });
    let (until, why) = office.stamps.standing();
    let index = Arc::clone(&office.index);
    let unarchived = blocking(move || index.archive_reason().unwrap_or_default()).await;
    let hub = link.hub.and_then(|hub| directory.hub(hub));
    v1::StatusReply {
        node: office.directory.root().display().to_string(),
        agencies,
        connection: link.connection.as_str().to_owned(),
        connection_code: code,
        connection_reason: reason,
        hub: hub.map_or_else(String::new, |hub| hub.code.to_string()),
        hub_address: link.address.unwrap_or_default(),
        clock_skew_ms: link.clock_skew_ms,
        directory_version: directory.version().value(),
        directory_expires: directory.head().expires.to_string(),
        last_contact: text(link.last_contact),
        free_disk_bytes: free.unwrap_or(0),
        time_stamps: office.stamps.source(),
        time_stamps_until: text(until),
        time_stamps_reason: why.unwrap_or_default(),
        archive_reason: unarchived.as_ref().map_or_else(String::new, in_words),
        tls_until: Timestamp::from_unix_saturating(office.identity.validity().1).to_string(),
        directory_age: HeadAge::of(directory.head(), office.now())
            .as_str()
            .to_owned(),
    }
}

/// A time in text; nothing where there is none.
fn text(at: Option<Timestamp>) -> String {
    at.map_or_else(String::new, |at| at.to_string())
}

fn in_words(unarchived: &ArchiveReason) -> String {
    let ArchiveReason {
        key,
        reason,
        others,
    } = unarchived;
    match others {
        0 => format!("{key}: {reason}"),
        others => format!("{key}: {reason} (and {others} others)"),
    }
}

async fn agency(office: &Arc<Office>, desk: &Arc<Desk>) -> v1::AgencyView {
    let index = Arc::clone(&office.index);
    let read = office.at_desk(desk, move |desk, _| {
        let inbox = desk.agency.inbox();
        (
            desk.agency.outbox().pending(),
            desk.agency.outbox().unstamped(),
            inbox.cursor(),
            inbox.counts(),
            index.archive_counts(desk.id()).unwrap_or_default(),
        )
    });
    let (pending, unstamped, cursor, counts, archives) = read.await;
    let oldest = pending.iter().map(|waiting| waiting.since).min();
    let directory = office.keeper.newest();
    let entry = directory.agency(desk.id());
    let name = entry.and_then(|entry| entry.name_at(office.now()));
    let home = desk.agency.home();
    let (keys, waits) = (desk.keys.load(), desk.seal_waits());
    let ends = KeyEnds::of(&keys, &directory, office.now());
    v1::AgencyView {
        code: select::code(office, desk),
        name: name.unwrap_or(home.file().name.as_str()).to_owned(),
        id: desk.id().to_string(),
        outbox_waiting: pending.len() as u64,
        oldest_waiting: text(oldest),
        inbox_cursor: cursor.map_or(0, |(sequence, _): (_, Digest)| sequence.value()),
        inbox_held: counts.held,
        payloads_to_fetch: counts.to_fetch,
        stamps_awaited: unstamped as u64,
        seal_keeper: keys.seal.keeper().unwrap_or_default(),
        seal_reason: waits.map_or_else(String::new, |cause| cause.text),
        archived: archives.kept,
        archives_awaited: archives.awaited,
        archives_until: text(archives.first_end),
        seal_until: ends.seal.to_string(),
        statement_key_until: text(ends.statement),
        encryption_key_until: text(ends.encryption),
    }
}

/// Bytes that this user may still write where the node's files are. Blocks.
pub(super) fn free_bytes(root: &std::path::Path) -> Option<u64> {
    let found = rustix::fs::statvfs(root).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}
