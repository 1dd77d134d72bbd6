//! Opening what came and judging it (DESIGN: "the key comes against the receipt", step 3).
//!
//! A fault is *final* only when it is provable from what the sender signed: the wrap that
//! its envelope names, the payload and container that it commits to. Whatever could also
//! be our own fault (a key that is not here, a disk that changed a byte, a directory that
//! is old) is held or reported, and never refused.

use std::io::BufReader;

use consign_domain::ErrorCode;
use consign_domain::document::Document;
use consign_domain::limits::{MAX_DOCUMENT, MAX_PAYLOAD, MAX_WRAP};
use consign_pki::asic::{Container, DOCUMENT_NAME};
use consign_pki::encryption::{EncryptionError, EncryptionIdentity, decrypt_with, open_small};
use consign_pki::wrap::{MAX_WRAP_PLAINTEXT, WrapPlaintext};
use consign_runtime::files::Action;
use consign_verify::container::{self, JudgedAt, Judgement, Policy, SealTrust};
use consign_verify::{Indication, exchange};
use zeroize::Zeroizing;

use super::InboxError;
use super::advance::Received;
use super::payload::digest_of;
use super::record;
use crate::context::Context;
use crate::durable::{self, Stream};
use crate::error::NodeError;
use crate::folder::{CONTAINER, DOCUMENT, DocumentFile, FILES, PAYLOAD, REPORT, WRAP, WRAP_TEXT};
use crate::seal::Hashing;

/// How a step came out.
#[derive(Debug, Clone, Copy)]
pub(super) enum Opening {
    /// The next may follow.
    Passed,
    /// It cannot be decided now.
    Held(ErrorCode),
    /// It is provably wrong.
    Refused(ErrorCode),
}

/// Opens wrap and payload; leaves `wrap.txt` and, last, `container.asice`.
pub(super) fn open(received: &Received<'_>, context: &Context<'_>) -> Result<Opening, InboxError> {
    let (folder, envelope) = (received.folder, &received.envelope);
    let sealed = folder.required(WRAP, MAX_WRAP)?;
    let Some(text) = open_wrap(&sealed, context) else {
        return Ok(unopened(received, context));
    };
    let Ok(wrap) = WrapPlaintext::parse(&text) else {
        return Ok(Opening::Refused(ErrorCode::WrapMismatch));
    };
    let own = (context.keys.id, &received.file.code);
    let salt = match exchange::check_wrap(envelope, own, &wrap) {
        Ok(salt) => salt,
        Err(fault) => return Ok(Opening::Refused(fault.code())),
    };
    let Some((stream, digest)) = decrypt(received, &wrap.identity)? else {
        return Ok(Opening::Refused(ErrorCode::PayloadUndecryptable));
    };
    durable::publish(&folder.file(WRAP_TEXT), &text)?;
    if let Err(fault) = exchange::check_content(envelope, &salt, &digest) {
        return Ok(Opening::Refused(fault.code()));
    }
    stream.publish()?;
    Ok(Opening::Passed)
}

fn open_wrap(sealed: &[u8], context: &Context<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let mut identities = context.keys.encryption.iter();
    identities.find_map(|key| open_small(key, sealed, MAX_WRAP_PLAINTEXT).ok())
}

/// No key here opens the wrap: the sender's fault only if the key that the directory told
/// it to use is among them. What an older directory told it we know only if it told of no
/// key that is not here.
fn unopened(received: &Received<'_>, context: &Context<'_>) -> Opening {
    let own = context.directory.agency(context.keys.id);
    let listed = own.and_then(|agency| agency.encryption_key_at(received.envelope.time));
    let here = |recipient: &str| {
        let mut identities = context.keys.encryption.iter();
        identities.any(|key| key.recipient().to_text() == recipient)
    };
    let all_here = own.is_some_and(|agency| {
        let mut keys = agency.encryption_keys.iter();
        keys.all(|key| here(key.public.as_str()))
    });
    let as_new = received.envelope.signer.directory >= context.directory.version();
    if listed.is_some_and(|key| here(key.public.as_str())) && (as_new || all_here) {
        Opening::Refused(ErrorCode::WrapMismatch)
    } else {
        Opening::Held(ErrorCode::KeyUnknown)
    }
}

/// The container, written but not yet named, and its digest; `None` if the payload, which
/// is the one that the envelope names, cannot be decrypted.
fn decrypt(
    received: &Received<'_>,
    identity: &EncryptionIdentity,
) -> Result<Option<(Stream, consign_domain::Digest)>, InboxError> {
    let folder = received.folder;
    let path = folder.file(PAYLOAD);
    let payload = BufReader::with_capacity(256 * 1024, durable::open(&path)?);
    let mut writer = Hashing::new(Stream::create(folder.path(), CONTAINER)?);
    match decrypt_with(identity, payload, &mut writer, MAX_PAYLOAD) {
        Ok(_) => Ok(Some(writer.finish())),
        Err(EncryptionError::Io(source)) => {
            Err(durable::io_fault(Action::Write, &path)(source).into())
        }
        Err(_) => {
            // It was the right one when it was stored; is it still?
            let size = durable::size(&path)?.unwrap_or(0);
            exchange::check_payload(&received.envelope, size, digest_of(&path)?)
                .map_err(|_| NodeError::form(path, "not the payload that was stored"))?;
            Ok(None)
        }
    }
}

/// Judges the container at the time of the acceptance, and checks who it is from and for.
pub(super) fn judge(received: &Received<'_>, context: &Context<'_>) -> Result<Opening, InboxError> {
    let folder = received.folder;
    let directory = context.directory;
    if record::verdict(folder)?.indication == Indication::TotalPassed.as_str() {
        // Judged before a stop; whom it is from and for is not in the report.
        let bytes = folder.required(DOCUMENT, MAX_DOCUMENT)?;
        let document = Document::parse(&bytes)
            .map_err(|source| NodeError::damaged(folder.file(DOCUMENT), source))?;
        return Ok(parties(received, Some(&document), context));
    }
    if !directory.is_fresh(context.now) {
        return Ok(Opening::Held(ErrorCode::DirectoryExpired));
    }
    let named = [&received.envelope.signer, &received.acceptance.signer];
    if named.iter().any(|by| by.directory > directory.version()) {
        return Ok(Opening::Held(ErrorCode::DirectoryBehind));
    }
    let path = folder.file(CONTAINER);
    let file = BufReader::with_capacity(256 * 1024, durable::open(&path)?);
    let trust = SealTrust {
        lists: context.lists,
        time_stamp_roots: context.trust.time_stamp_roots(),
        ..SealTrust::by_directory(context.trust.roots(), directory)
    };
    // What is passed on may be older than any proof that came with it.
    let at = if received.envelope.forwarded {
        JudgedAt::Now(received.acceptance.time)
    } else {
        JudgedAt::Proven(received.acceptance.time)
    };
    let judgement = container::judge(file, &trust, &Policy::default(), at);
    let outcome = match judgement.report.indication {
        Indication::TotalPassed => parties(received, judgement.document.as_ref(), context),
        Indication::Indeterminate => {
            let code = judgement.report.code();
            Opening::Held(code.unwrap_or(ErrorCode::VerdictIndeterminate))
        }
        Indication::TotalFailed => {
            let code = judgement.report.code();
            Opening::Refused(code.unwrap_or(ErrorCode::DocumentInvalid))
        }
    };
    if matches!(outcome, Opening::Refused(_)) {
        check_still_committed(received)?;
    }
    store(received, &judgement)?;
    Ok(outcome)
}

fn parties(received: &Received<'_>, document: Option<&Document>, context: &Context<'_>) -> Opening {
    let Some(document) = document else {
        return Opening::Refused(ErrorCode::DocumentInvalid);
    };
    let recipient = (context.keys.id, &received.file.code);
    match exchange::check_parties(&received.envelope, document, recipient, context.directory) {
        Ok(()) => Opening::Passed,
        Err(fault) => Opening::Refused(fault.code()),
    }
}

/// Before a refusal: the container on disk is still the one that the sender committed to.
fn check_still_committed(received: &Received<'_>) -> Result<(), NodeError> {
    let folder = received.folder;
    let text = Zeroizing::new(folder.required(WRAP_TEXT, MAX_WRAP_PLAINTEXT)?);
    let path = folder.file(CONTAINER);
    let salt = WrapPlaintext::parse(&text)
        .map(|wrap| consign_domain::Salt::from_bytes(wrap.salt))
        .map_err(|_| NodeError::form(folder.file(WRAP_TEXT), "not the text of a wrap"))?;
    exchange::check_content(&received.envelope, &salt, &digest_of(&path)?)
        .map_err(|_| NodeError::form(path, "not the container that was opened"))
}

/// Leaves report, fields and list of files, as one step.
fn store(received: &Received<'_>, judgement: &Judgement) -> Result<(), NodeError> {
    let folder = received.folder;
    let json = |source| NodeError::damaged(folder.file(REPORT), source);
    let report = serde_json::to_vec_pretty(&judgement.report).map_err(json)?;
    let mut set: Vec<(&str, &[u8])> = Vec::new();
    let (document, files);
    if let Some(fields) = &judgement.document {
        let named = fields.files().filter_map(|entry| {
            let mut hashes = judgement.files.iter();
            let hash = hashes.find(|hash| hash.name == entry.name.as_str())?;
            Some(DocumentFile {
                name: hash.name.clone(),
                media_type: entry.media_type.to_string(),
                title: entry
                    .title
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                size: hash.size,
                sha256: consign_domain::Digest::from_bytes(hash.sha256),
            })
        });
        files = serde_json::to_vec(&named.collect::<Vec<_>>()).map_err(json)?;
        document = read_document(received)?;
        set.push((DOCUMENT, &document));
        set.push((FILES, &files));
    }
    // The report says that all are there, so it comes last.
    set.push((REPORT, &report));
    Ok(durable::publish_set(folder.path(), &set)?)
}

/// The exact bytes of `document.json` in a container that was just judged.
fn read_document(received: &Received<'_>) -> Result<Vec<u8>, NodeError> {
    let path = received.folder.file(CONTAINER);
    let damaged = |_| NodeError::form(&path, "its fields cannot be read any more");
    let budget = Policy::default().budget;
    let mut container =
        Container::open_canonical(durable::open(&path)?, &budget).map_err(damaged)?;
    let limit = MAX_DOCUMENT as u64;
    container.read(DOCUMENT_NAME, limit).map_err(damaged)
}
