//! Storing what the hub offers: each item is checked, and made durable or put aside.

use std::sync::PoisonError;

use consign_domain::directory::Role;
use consign_domain::limits::MAX_STATUS_TEXT;
use consign_domain::statement::{Envelope, Event, Evidence, Placement, Status};
use consign_domain::{AgencyCode, Digest, EnvelopeKey, ErrorCode, Sequence, SignedStatement};
use consign_pki::encryption::open_small;
use consign_runtime::files::FileError;
use consign_verify::{StatementRefusal, Verified, exchange, verify_statement};
use serde::Serialize;

use super::again::{self, Before, Known};
use super::cursor::Cursor;
use super::record::{self, ReceivedFile};
use super::{Inbox, InboxError, Item, ItemContent, Receipt};
use crate::context::Context;
use crate::durable::NewDirectory;
use crate::error::NodeError;
use crate::folder::{ACCEPTANCE, Folder, ITEM, PAYLOAD, STATUS, statement_name};
use crate::layout::sequence_name;
use crate::outbox::RecordError;

/// Why one item was not stored as what it claims to be.
enum Fault {
    /// It can never be digested: it is put aside.
    Aside(ErrorCode),
    /// Nothing is stored of it now.
    Stop(InboxError),
}

impl From<StatementRefusal> for Fault {
    fn from(refusal: StatementRefusal) -> Self {
        match refusal.code() {
            code if code.is_retryable() => Self::Stop(InboxError::NotYet { code }),
            code => Self::Aside(code),
        }
    }
}

impl From<RecordError> for Fault {
    fn from(fault: RecordError) -> Self {
        match fault {
            RecordError::Node(fault) => fault.into(),
            RecordError::Mismatch { code } => Self::Aside(code),
        }
    }
}

impl From<NodeError> for Fault {
    /// A disk that refuses may take the item later. Files that are not what they must be keep
    /// nothing else from coming: the item waits aside for whoever mends them.
    fn from(fault: NodeError) -> Self {
        if let NodeError::File(FileError::Io { .. } | FileError::Entropy(_)) = fault {
            return Self::Stop(fault.into());
        }
        tracing::warn!(%fault, "an item does not fit the files that are here");
        Self::Aside(fault.code())
    }
}

/// What a stored item leads to.
enum Stored {
    Envelope,
    /// An envelope that waited at another place, which is given up.
    InPlaceOf(Sequence),
    Tracked(consign_domain::EnvelopeId),
    Noted,
}

pub(super) fn receive(inbox: &Inbox, items: Vec<Item>, context: &Context<'_>) -> Receipt {
    let mut cursor = inbox.cursor_lock();
    let mut receipt = Receipt::default();
    for part in parts(items) {
        if let Some(first) = part.first()
            && let Err(fault) = pass_over(inbox, &mut cursor, first)
        {
            receipt.fault = Some(fault.into());
        }
        if receipt.fault.is_none() {
            receive_part(inbox, &mut cursor, part, context, &mut receipt);
        }
    }
    receipt
}

/// Splits items where one does not have the place after the one before it.
fn parts(items: Vec<Item>) -> Vec<Vec<Item>> {
    let mut parts: Vec<Vec<Item>> = Vec::new();
    for item in items {
        match parts.last_mut() {
            Some(part) if part.last().map(|last| last.sequence.next()) == Some(item.sequence) => {
                part.push(item);
            }
            _ => parts.push(vec![item]),
        }
    }
    parts
}

/// Passes over places where the hub has nothing any more, if an item comes after them.
fn pass_over(inbox: &Inbox, cursor: &mut Cursor, item: &Item) -> Result<(), NodeError> {
    let next = cursor.next();
    // What the hub has before the item is here already.
    if next < item.sequence && item.after < Some(next) {
        cursor.skip_to(item.sequence)?;
        let agency = inbox.home.code();
        tracing::warn!(
            %agency, first = next.value(), before = item.sequence.value(),
            "places of the inbox are passed over: the hub let go of what was there, long after it \
             was stored, or lost it and its operator decided to go on"
        );
    }
    Ok(())
}

/// Stores items that follow each other.
fn receive_part(
    inbox: &Inbox,
    cursor: &mut Cursor,
    items: Vec<Item>,
    context: &Context<'_>,
    receipt: &mut Receipt,
) {
    let batch = inbox.index.batch();
    let (mut next, mut digests) = (cursor.next(), Vec::new());
    for item in items {
        let (sequence, digest) = (item.sequence, item.digest());
        if sequence < next {
            let before = match cursor.digest(sequence) {
                // Stored a moment ago, in this very call.
                Ok(None) => {
                    position(cursor.next(), sequence).and_then(|place| digests.get(place).copied())
                }
                Ok(known) => known,
                Err(fault) => {
                    receipt.fault = Some(fault.into());
                    break;
                }
            };
            if before != Some(digest) {
                receipt.fault = Some(InboxError::Contradiction { sequence });
                break;
            }
            continue;
        }
        if sequence > next {
            let (expected, found) = (next, sequence);
            receipt.fault = Some(InboxError::Gap { expected, found });
            break;
        }
        match take(inbox, cursor, &item, context, receipt) {
            Ok(()) => {
                digests.push(digest);
                next = next.next();
            }
            Err(fault) => {
                receipt.fault = Some(fault);
                break;
            }
        }
    }
    // Before the cursor: what it counts is not offered again, and so not indexed again.
    drop(batch);
    if let Err(fault) = cursor.append(&digests) {
        // The items are here; they are offered again and recognised.
        receipt.fault = Some(fault.into());
    }
    receipt.stored = cursor.last().map(|(last, _)| last);
}

fn position(first: Sequence, sequence: Sequence) -> Option<usize> {
    let distance = sequence.value().checked_sub(first.value())?;
    usize::try_from(distance).ok()
}

/// Stores one item, which is the next, or puts it aside.
fn take(
    inbox: &Inbox,
    cursor: &Cursor,
    item: &Item,
    context: &Context<'_>,
    receipt: &mut Receipt,
) -> Result<(), InboxError> {
    let sequence = item.sequence;
    match store(inbox, cursor, item, context) {
        Ok(Stored::Envelope) => receipt.envelopes.push(sequence),
        Ok(Stored::InPlaceOf(old)) => {
            receipt.envelopes.push(sequence);
            receipt.superseded.push(old);
        }
        Ok(Stored::Tracked(id)) => receipt.tracked.push(id),
        Ok(Stored::Noted) => {}
        Err(Fault::Stop(fault)) => return Err(fault),
        // With an old directory, what looks wrong may be new.
        Err(Fault::Aside(_)) if !context.directory.is_fresh(context.now) => {
            let code = ErrorCode::DirectoryExpired;
            return Err(InboxError::NotYet { code });
        }
        Err(Fault::Aside(code)) => {
            put_aside(inbox, item, code, context)?;
            receipt.aside.push((sequence, code));
        }
    }
    Ok(())
}

fn store(
    inbox: &Inbox,
    cursor: &Cursor,
    item: &Item,
    context: &Context<'_>,
) -> Result<Stored, Fault> {
    let sequence = item.sequence;
    match &item.content {
        ItemContent::Envelope {
            envelope,
            acceptance,
            payload,
        } => {
            let (verified, placement) = check(inbox, sequence, envelope, acceptance, context)?;
            let inline = payload.as_ref().filter(|payload| {
                let size = u64::try_from(payload.len()).unwrap_or(u64::MAX);
                exchange::check_payload(&verified, size, Digest::of(payload)).is_ok()
            });
            let offer = Offer {
                sequence,
                signed: [envelope, acceptance],
                payload: inline.map(|payload| payload.as_ref()),
            };
            store_envelope(inbox, cursor, &offer, &verified, placement.code, context)
        }
        ItemContent::Evidence { evidence: signed } => {
            let roles = [Role::Hub, Role::Agency];
            let evidence = verify_statement::<Evidence>(signed, &roles, context.directory)?;
            let by_agency = evidence.signer.code.agency().is_some();
            if by_agency != (evidence.event.said_by() == Role::Agency) {
                return Err(Fault::Aside(ErrorCode::RoleNotPermitted));
            }
            let id = evidence.envelope.id;
            if evidence.event.is_submission() {
                inbox.outbox.record_answer(signed, &evidence)?;
            } else {
                let directory = context.directory;
                inbox
                    .outbox
                    .record_evidence(sequence, signed, &evidence, directory)?;
            }
            Ok(Stored::Tracked(id))
        }
        ItemContent::Status { status, text } => {
            store_status(inbox, sequence, status, text, context)
        }
    }
}

/// Checks envelope and acceptance; gives the agency's place by the acceptance.
fn check(
    inbox: &Inbox,
    sequence: Sequence,
    signed: &SignedStatement,
    acceptance: &SignedStatement,
    context: &Context<'_>,
) -> Result<(Verified<Envelope>, Placement), Fault> {
    let envelope = verify_statement::<Envelope>(signed, &[Role::Agency], context.directory)?;
    let acceptance = verify_statement::<Evidence>(acceptance, &[Role::Hub], context.directory)?;
    let about = acceptance.event == Event::SubmissionAcceptance
        && acceptance.envelope.sha256 == signed.digest()
        && acceptance.envelope.key() == envelope.key()
        && acceptance.signer.id == acceptance.hub.into();
    let mut placements = acceptance.placements.iter();
    let own = placements
        .find(|placement| placement.id == inbox.home.id() && placement.sequence == sequence)
        .filter(|placement| envelope.to.position(&placement.code).is_some());
    match own {
        Some(own) if about => Ok((envelope, own.clone())),
        _ => Err(Fault::Aside(ErrorCode::ReceiptMismatch)),
    }
}

struct Offer<'a> {
    sequence: Sequence,
    /// Envelope and acceptance.
    signed: [&'a SignedStatement; 2],
    payload: Option<&'a [u8]>,
}

fn store_envelope(
    inbox: &Inbox,
    cursor: &Cursor,
    offer: &Offer<'_>,
    envelope: &Envelope,
    code: AgencyCode,
    context: &Context<'_>,
) -> Result<Stored, Fault> {
    let sequence = offer.sequence;
    let [signed, acceptance] = offer.signed;
    let folder = inbox.folder_at(sequence);
    // What was found at the start is brought on already: not while we look.
    let turn = inbox.turn(sequence);
    let _turn = turn
        .as_ref()
        .map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
    if let Some(here) = folder.signed(ITEM)? {
        // Stored before a crash, and not yet recorded.
        return if here == *signed {
            inbox.insert(sequence, envelope, &folder);
            Ok(Stored::Envelope)
        } else {
            Err(Fault::Stop(InboxError::Contradiction { sequence }))
        };
    }
    if let Some(archived) = archived(inbox, sequence, signed, envelope.key())? {
        inbox.index.put_received(inbox.home.id(), &archived);
        return Ok(Stored::Noted);
    }
    let again = match again::find(inbox, cursor, sequence, signed, envelope.key())? {
        Known::No => None,
        Known::Otherwise => return Err(Fault::Aside(ErrorCode::IdReused)),
        Known::Here(before) => Some(before),
    };
    let superseded = match again {
        Some(Before::Waiting(old)) => Some(again::give_up(inbox, old)?),
        _ => None,
    };
    let is_again = matches!(again, Some(Before::Released));
    let agency = context.directory.agency(envelope.signer.id.as_agency());
    let name = agency.and_then(|agency| agency.name_at(envelope.time));
    let file = ReceivedFile {
        sequence,
        received_at: context.now,
        code,
        sender_name: name.unwrap_or_default().to_owned(),
    };
    let file = serde_json::to_vec(&file)
        .map_err(|source| NodeError::damaged(folder.file(record::RECEIVED), source))?;
    let write = || {
        let directory = NewDirectory::create(&inbox.home.inbox_dir())?;
        add_statement(&directory, ITEM, signed)?;
        add_statement(&directory, ACCEPTANCE, acceptance)?;
        if let Some(payload) = offer.payload.filter(|_| !is_again) {
            directory.add(PAYLOAD, payload)?;
        }
        let name = if is_again {
            record::AGAIN
        } else {
            record::RECEIVED
        };
        directory.add(name, &file)?;
        directory.publish(folder.path())
    };
    write().map_err(NodeError::from)?;
    inbox.insert(sequence, envelope, &folder);
    inbox.index.put_received(inbox.home.id(), &folder);
    Ok(superseded.map_or(Stored::Envelope, Stored::InPlaceOf))
}

/// This very item, if it was stored before a crash and brought to its end after it, ahead of
/// the cursor, which did not count it yet.
fn archived(
    inbox: &Inbox,
    sequence: Sequence,
    signed: &SignedStatement,
    key: EnvelopeKey,
) -> Result<Option<Folder>, NodeError> {
    let folder = Folder::new(inbox.home.archive_entry(key));
    let is_it = record::is_received(&folder)
        && record::read_file(&folder)?.sequence == sequence
        && folder.signed(ITEM)?.as_ref() == Some(signed);
    Ok(is_it.then_some(folder))
}

fn store_status(
    inbox: &Inbox,
    sequence: Sequence,
    signed: &SignedStatement,
    text: &[u8],
    context: &Context<'_>,
) -> Result<Stored, Fault> {
    let status = verify_statement::<Status>(signed, &[Role::Agency], context.directory)?;
    let told = context.directory.agency_by_code(&status.to);
    if told.is_none_or(|agency| agency.id != inbox.home.id()) {
        return Err(Fault::Aside(ErrorCode::NotARecipient));
    }
    if text.len() > MAX_STATUS_TEXT {
        return Err(Fault::Aside(ErrorCode::TooLarge));
    }
    let plain = open_text(&status, text, context);
    let about = status.envelope.key();
    if about.sender == inbox.home.id() {
        let outbox = &inbox.outbox;
        let (plain, directory) = (plain.as_deref(), context.directory);
        outbox.record_status(sequence, signed, &status, text, plain, directory)?;
        return Ok(Stored::Tracked(about.id));
    }
    // Not while it is moved to the archive.
    let turn = inbox.sequence_of(about).and_then(|at| inbox.turn(at));
    let _turn = turn
        .as_ref()
        .map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
    let unknown = Fault::Aside(ErrorCode::EnvelopeUnknown);
    let folder = inbox.folder(about).map_err(|_| unknown)?;
    let item = folder.expect_statement::<Envelope>(ITEM)?;
    if item.0.digest() != status.envelope.sha256 || item.1.signer.id != status.signer.id {
        return Err(Fault::Aside(ErrorCode::StatusNotPermitted));
    }
    let who = status.signer.code.as_str();
    let name = statement_name(sequence, status.status.as_str(), who);
    let mut beside: Vec<(&str, &[u8])> = Vec::new();
    if !text.is_empty() {
        beside.push(("age", text));
    }
    beside.extend(plain.as_deref().map(|plain| ("txt", plain.as_bytes())));
    folder.file_statement(STATUS, &name, signed, &beside)?;
    Ok(Stored::Noted)
}

/// The text beside a status, if it can be opened and is the one that the status names.
fn open_text(status: &Status, text: &[u8], context: &Context<'_>) -> Option<String> {
    let named = status.text?;
    let mut identities = context.keys.encryption.iter();
    let plain = identities.find_map(|key| open_small(key, text, MAX_STATUS_TEXT).ok())?;
    let (_salt, words) = plain.split_at_checked(32)?;
    let fits = Digest::of(&plain) == named;
    std::str::from_utf8(words)
        .ok()
        .filter(|_| fits)
        .map(str::to_owned)
}

/// `aside/<sequence>/`: the item as it came, and why it was put aside.
fn put_aside(
    inbox: &Inbox,
    item: &Item,
    code: ErrorCode,
    context: &Context<'_>,
) -> Result<(), InboxError> {
    #[derive(Serialize)]
    struct Reason {
        sequence: Sequence,
        kind: &'static str,
        code: ErrorCode,
        at: consign_domain::Timestamp,
    }
    let target = inbox.home.aside_dir().join(sequence_name(item.sequence));
    if target.exists() {
        return Ok(());
    }
    let directory = NewDirectory::create(&inbox.home.aside_dir())?;
    let kind = match &item.content {
        ItemContent::Envelope {
            envelope,
            acceptance,
            payload,
        } => {
            add_statement(&directory, ITEM, envelope)?;
            add_statement(&directory, ACCEPTANCE, acceptance)?;
            if let Some(payload) = payload {
                directory.add(PAYLOAD, payload)?;
            }
            "envelope"
        }
        ItemContent::Evidence { evidence } => {
            add_statement(&directory, ITEM, evidence)?;
            "evidence"
        }
        ItemContent::Status { status, text } => {
            add_statement(&directory, ITEM, status)?;
            directory.add("text.age", text)?;
            "status"
        }
    };
    let reason = Reason {
        sequence: item.sequence,
        kind,
        code,
        at: context.now,
    };
    let bytes =
        serde_json::to_vec_pretty(&reason).map_err(|source| NodeError::damaged(&target, source))?;
    directory.add("reason.json", &bytes)?;
    directory.publish(&target)?;
    let sequence = item.sequence.value();
    tracing::warn!(sequence, %code, kind, "an item of the inbox was put aside");
    Ok(())
}

fn add_statement(
    directory: &NewDirectory,
    name: &str,
    signed: &SignedStatement,
) -> Result<(), FileError> {
    directory.add(&format!("{name}.json"), &signed.statement)?;
    directory.add(&format!("{name}.sig"), &signed.signature)
}
