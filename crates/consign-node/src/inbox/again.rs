//! An envelope that is offered again at another place: the hub lost data, its operator decided
//! to go on without them, and the sender submitted it anew.
//!
//! One that still waits for its key is given up at its old place, whose folder goes to
//! `aside/`, and is taken as if it came now. One whose key is here is in clerks' hands or on
//! its way there: of the new offer only the receipt is made, so that hub and sender know, and
//! its folder ends in `again/` below the envelope's. Clerks see one document either way.

use std::sync::PoisonError;

use consign_domain::{EnvelopeKey, Sequence, SignedStatement};

use super::advance::{Received, make_receipt};
use super::cursor::Cursor;
use super::record::{self, REFUSAL, REFUSAL_POSTED};
use super::{Inbox, InboxError, InboxStep};
use crate::context::Context;
use crate::durable;
use crate::error::NodeError;
use crate::folder::{Folder, ITEM, RECEIPT, STATUS, WRAP};
use crate::layout::sequence_name;

/// Offers of an envelope after the first, below its folder.
const AGAIN: &str = "again";

/// What is here of an envelope that is offered.
pub(super) enum Known {
    /// Nothing.
    No,
    /// Another envelope under its identity, or one that is offered twice without a reason.
    Otherwise,
    /// This very one, at a place from before the hub lost data.
    Here(Before),
}

/// Where an envelope stood when it was offered again.
pub(super) enum Before {
    /// It waits for its payload or its key.
    Waiting(Sequence),
    /// Its key is here.
    Released,
}

/// Looks for an envelope that is offered at a new place.
pub(super) fn find(
    inbox: &Inbox,
    cursor: &Cursor,
    sequence: Sequence,
    signed: &SignedStatement,
    key: EnvelopeKey,
) -> Result<Known, NodeError> {
    let Ok(folder) = inbox.folder(key) else {
        // Sent by this very agency, if it is there.
        let sent = inbox.home.archive_entry(key).exists();
        return Ok(if sent { Known::Otherwise } else { Known::No });
    };
    let before = record::read_file(&folder)?.sequence;
    let same = folder.signed(ITEM)?.as_ref() == Some(signed);
    if !same || !cursor.was_skipped_between(before, sequence) {
        return Ok(Known::Otherwise);
    }
    let waits = inbox.lock().entries.contains_key(&before) && !folder.has(WRAP);
    Ok(Known::Here(
        if waits && record::read_lapse(&folder)?.is_none() {
            Before::Waiting(before)
        } else {
            Before::Released
        },
    ))
}

/// Gives up the place at which an envelope waited.
pub(super) fn give_up(inbox: &Inbox, old: Sequence) -> Result<Sequence, NodeError> {
    let turn = inbox.turn(old).unwrap_or_default();
    let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
    let target = inbox.home.aside_dir().join(sequence_name(old));
    durable::move_directory(inbox.folder_at(old).path(), &target)?;
    inbox.forget(old);
    inbox.index.remove_received(inbox.home.id(), old);
    Ok(old)
}

/// Whether a folder is one of an envelope that was offered again.
pub(super) fn is_again(folder: &Folder) -> bool {
    folder.has(record::AGAIN) && !record::is_received(folder)
}

/// Does what can be done here for an offer of an envelope whose key is here already.
pub(super) fn advance(
    inbox: &Inbox,
    folder: &Folder,
    context: &Context<'_>,
) -> Result<InboxStep, InboxError> {
    let received = Received::read(folder)?;
    let first = inbox.folder(received.envelope.key())?;
    let lapsed = record::read_lapse(folder)?.is_some();
    let receipt = match folder.signed(RECEIPT)? {
        Some(receipt) => receipt,
        None if !context.directory.is_fresh(context.now) => {
            let reason = consign_domain::ErrorCode::DirectoryExpired;
            return Ok(InboxStep::Held { reason });
        }
        None => {
            let receipt = make_receipt(&received, context)?;
            folder.publish_statement(RECEIPT, &receipt, &[])?;
            receipt
        }
    };
    if !folder.has(WRAP) && !lapsed {
        return Ok(InboxStep::SendReceipt(receipt));
    }
    // What was refused is refused to whom the refusal may never have reached.
    if let Some(status) = first.signed(REFUSAL)?
        && !lapsed
        && !folder.file(STATUS).join(REFUSAL_POSTED).exists()
    {
        let text = bytes::Bytes::new();
        return Ok(InboxStep::PostStatus { status, text });
    }
    file(inbox, &received)?;
    Ok(InboxStep::Done)
}

/// Moves a finished offer below the envelope's folder, wherever that is.
fn file(inbox: &Inbox, received: &Received<'_>) -> Result<(), NodeError> {
    let key = received.envelope.key();
    let first = record::read_file(&inbox.folder(key)?)?.sequence;
    // Not while the envelope is moved to the archive.
    let turn = inbox.turn(first);
    let _turn = turn
        .as_ref()
        .map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
    let target = inbox.folder(key)?.file(AGAIN);
    let target = target.join(sequence_name(received.file.sequence));
    durable::move_directory(received.folder.path(), &target)?;
    Ok(())
}
