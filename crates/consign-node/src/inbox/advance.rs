//! The steps of one received envelope, each durable before the next.

use consign_domain::statement::{
    BusinessStatus, Envelope, Event, Evidence, Statement as _, Status,
};
use consign_domain::{ErrorCode, SignedStatement};

use super::open::{self, Opening};
use super::payload::PART;
use super::record::{self, ReceivedFile};
use super::{Inbox, InboxError, InboxStep};
use crate::context::Context;
use crate::durable;
use crate::error::NodeError;
use crate::folder::{ACCEPTANCE, CONTAINER, Folder, ITEM, PAYLOAD, RECEIPT, STATUS, WRAP};

/// What is read once for all steps.
pub(super) struct Received<'a> {
    pub(super) folder: &'a Folder,
    pub(super) signed: SignedStatement,
    pub(super) envelope: Envelope,
    pub(super) acceptance: Evidence,
    pub(super) file: ReceivedFile,
}

impl<'a> Received<'a> {
    pub(super) fn read(folder: &'a Folder) -> Result<Self, NodeError> {
        let (signed, envelope) = folder.expect_statement::<Envelope>(ITEM)?;
        let (_, acceptance) = folder.expect_statement::<Evidence>(ACCEPTANCE)?;
        Ok(Self {
            folder,
            signed,
            envelope,
            acceptance,
            file: record::read_file(folder)?,
        })
    }

    fn reference(&self) -> Result<consign_domain::statement::EnvelopeRef, NodeError> {
        let reference = self.envelope.reference(self.signed.digest());
        reference.ok_or_else(|| NodeError::form(self.folder.file("item.json"), "not an agency's"))
    }
}

/// Does what can be done here; gives what is needed from outside.
pub(super) fn advance(
    inbox: &Inbox,
    folder: &Folder,
    context: &Context<'_>,
) -> Result<InboxStep, InboxError> {
    let received = Received::read(folder)?;
    if let Some(step) = settled(inbox, &received)? {
        return Ok(step);
    }
    if !folder.has(PAYLOAD) && !folder.has(CONTAINER) {
        return Ok(InboxStep::NeedPayload {
            key: received.envelope.key(),
            size: received.envelope.payload.size,
            offset: durable::size(&folder.file(PART))?.unwrap_or(0),
        });
    }
    let receipt = match folder.signed(RECEIPT)? {
        Some(receipt) => receipt,
        // A stale directory holds work: our own code and key may have changed.
        None if !context.directory.is_fresh(context.now) => {
            let reason = ErrorCode::DirectoryExpired;
            return Ok(InboxStep::Held { reason });
        }
        None => {
            let receipt = make_receipt(&received, context)?;
            folder.publish_statement(RECEIPT, &receipt, &[])?;
            inbox.index.put_received(inbox.home.id(), folder);
            receipt
        }
    };
    if !folder.has(WRAP) {
        return Ok(InboxStep::SendReceipt(receipt));
    }
    if !folder.has(CONTAINER)
        && let Some(step) = stopped(inbox, &received, open::open(&received, context)?, context)?
    {
        return Ok(step);
    }
    let judged = open::judge(&received, context)?;
    if let Some(step) = stopped(inbox, &received, judged, context)? {
        return Ok(step);
    }
    inbox.index.put_received(inbox.home.id(), folder);
    archive(inbox, &received)
}

/// What a refused or lapsed envelope still needs.
fn settled(inbox: &Inbox, received: &Received<'_>) -> Result<Option<InboxStep>, InboxError> {
    let folder = received.folder;
    if let Some(status) = folder.signed(record::REFUSAL)? {
        if folder.file(STATUS).join(record::REFUSAL_POSTED).exists() {
            return archive(inbox, received).map(Some);
        }
        let text = bytes::Bytes::new();
        return Ok(Some(InboxStep::PostStatus { status, text }));
    }
    if record::read_lapse(folder)?.is_some() {
        inbox.index.put_received(inbox.home.id(), folder);
        return archive(inbox, received).map(Some);
    }
    Ok(None)
}

/// What follows unless a step came through.
fn stopped(
    inbox: &Inbox,
    received: &Received<'_>,
    opening: Opening,
    context: &Context<'_>,
) -> Result<Option<InboxStep>, InboxError> {
    let folder = received.folder;
    match opening {
        Opening::Passed => Ok(None),
        Opening::Held(reason) => {
            inbox.index.put_received(inbox.home.id(), folder);
            Ok(Some(InboxStep::Held { reason }))
        }
        Opening::Refused(_) if !context.directory.is_fresh(context.now) => {
            let reason = ErrorCode::DirectoryExpired;
            Ok(Some(InboxStep::Held { reason }))
        }
        Opening::Refused(reason) => {
            let status = make_refusal(received, reason, context)?;
            folder.file_statement(STATUS, "own-02", &status, &[])?;
            inbox.index.put_received(inbox.home.id(), folder);
            let text = bytes::Bytes::new();
            Ok(Some(InboxStep::PostStatus { status, text }))
        }
    }
}

/// The receipt: stored before it is first sent, and never made anew.
pub(super) fn make_receipt(
    received: &Received<'_>,
    context: &Context<'_>,
) -> Result<SignedStatement, NodeError> {
    let acceptance = &received.acceptance;
    let mut receipt = Evidence::new(
        received.envelope.network,
        context.keys.signer(context.directory, context.now),
        context.now,
        Event::ContentHandover,
        acceptance.hub,
        received.reference()?,
    );
    let own = |id| id == context.keys.id;
    let mut placements = acceptance.placements.iter();
    let placement = placements.find(|placement| own(placement.id));
    receipt.placements = placement.cloned().into_iter().collect();
    receipt.content = Some(received.envelope.content);
    Ok(sign(receipt.to_bytes(), context))
}

/// Status 02 with a machine's reason: also stored before it is first sent.
fn make_refusal(
    received: &Received<'_>,
    reason: ErrorCode,
    context: &Context<'_>,
) -> Result<SignedStatement, NodeError> {
    let about = received.reference()?;
    let sender = about.sender.code.clone();
    let mut status = Status::new(
        received.envelope.network,
        context.keys.signer(context.directory, context.now),
        context.now,
        about,
        sender,
        BusinessStatus::Refused,
    );
    status.reason = Some(reason);
    Ok(sign(status.to_bytes(), context))
}

fn sign(statement: bytes::Bytes, context: &Context<'_>) -> SignedStatement {
    let signature = context.keys.statement.sign(&statement);
    SignedStatement {
        statement,
        signature,
    }
}

/// Moves what is decided to the archive. What was opened needs no ciphertext any more; of
/// what was refused all is kept as evidence.
fn archive(inbox: &Inbox, received: &Received<'_>) -> Result<InboxStep, InboxError> {
    let folder = received.folder;
    if folder.signed(record::REFUSAL)?.is_none() {
        durable::remove(&folder.file(PAYLOAD))?;
        durable::remove(&folder.file(PART))?;
    }
    let target = inbox.home.archive_entry(received.envelope.key());
    durable::move_directory(folder.path(), &target)?;
    Ok(InboxStep::Done)
}
