//! Rows, documents and evidence as messages.

use bytes::Bytes;
use consign_domain::statement::{Evidence, Statement as _, Status as BusinessStatement};
use consign_domain::{EnvelopeKey, KeyId, PartyCode, PartyId, SignedStatement, Timestamp};
use consign_proto::{signed_message, v1};
use consign_verify::Directory;
use tonic::Status;

use super::{index_status, node_status, select};
use crate::context::Context;
use crate::folder::{DocumentFile, StoredStatement};
use crate::index::{DocumentRow, ReceivedRow, RecipientRow, SentRow};
use crate::office::{Desk, Office};
use crate::stamps::Stamped;

pub(super) fn inbox_row(code: &str, row: ReceivedRow) -> v1::InboxRow {
    v1::InboxRow {
        agency: code.to_owned(),
        sequence: row.sequence.value(),
        sender_code: row.sender_code,
        sender_name: row.sender_name,
        envelope_id: row.envelope_id.to_string(),
        document_id: row.document_id,
        symbol: row.symbol,
        subject: row.subject,
        document_type: row.document_type,
        issued_on: row.issued_on,
        urgency: row.urgency.into(),
        state: row.state,
        verdict: row.verdict,
        reason: row.reason,
        received_at: row.received_at,
        forwarded: row.forwarded,
    }
}

/// A row with why it waits, where something holds it.
pub(super) fn sent_row(office: &Office, desk: &Desk, row: SentRow) -> v1::SentRow {
    let (sender, id) = (desk.id(), row.envelope_id);
    let waits = matches!(row.state.as_str(), "composed" | "sealed");
    let held = office.held(EnvelopeKey { sender, id }).filter(|_| waits);
    let waiting = held
        .as_ref()
        .map(|held| held.words(office.clock.monotonic()));
    let reason = held.map_or(row.reason, |held| held.cause.code.to_string());
    v1::SentRow {
        agency: select::code(office, desk),
        envelope_id: id.to_string(),
        document_id: row.document_id,
        symbol: row.symbol,
        subject: row.subject,
        document_type: row.document_type,
        issued_on: row.issued_on,
        urgency: row.urgency.into(),
        state: row.state,
        recipients: row.recipients,
        handed_over: row.handed_over,
        failed: row.failed,
        refused: row.refused,
        sent_at: row.sent_at,
        reason,
        waiting: waiting.unwrap_or_default(),
    }
}

pub(super) fn time_stamp(stamped: Stamped) -> v1::TimeStampView {
    let state = stamped.as_str().to_owned();
    let (at, why) = match stamped {
        Stamped::No => Default::default(),
        Stamped::Awaited(why) => (String::new(), why),
        Stamped::Sealed(at) | Stamped::Afterwards(at) => (at.to_string(), String::new()),
    };
    v1::TimeStampView { state, at, why }
}

pub(super) fn recipient(row: RecipientRow) -> v1::RecipientView {
    v1::RecipientView {
        code: row.code.to_string(),
        name: row.name,
        state: row.state,
        reason: row.reason,
        since: row.since,
        status: row.status,
        status_reason: row.status_reason,
        status_text: row.status_text,
    }
}

/// Everything about one document. Blocks.
pub(super) fn document(
    office: &Office,
    desk: &Desk,
    context: &Context<'_>,
    id: &str,
) -> Result<v1::DocumentReply, Status> {
    let row = office.index.find(desk.id(), id).map_err(index_status)?;
    let read = select::steady(
        || select::folder(desk, &row),
        |folder| {
            Ok(v1::DocumentReply {
                row: None,
                document_json: folder.document_json()?.unwrap_or_default().into(),
                report_json: folder.report_json()?.unwrap_or_default().into(),
                files: folder.files()?.into_iter().map(file).collect(),
                evidence: folder
                    .statements()?
                    .iter()
                    .map(|stored| evidence(stored, context.directory))
                    .collect(),
                directory: folder.path().display().to_string(),
                time_stamp: match &row {
                    DocumentRow::Sent(_) => Some(time_stamp(folder.stamped()?)),
                    DocumentRow::Received(_) => None,
                },
            })
        },
    );
    let code = select::code(office, desk);
    Ok(v1::DocumentReply {
        row: Some(match row {
            DocumentRow::Received(row) => v1::document_reply::Row::Received(inbox_row(&code, row)),
            DocumentRow::Sent(row) => v1::document_reply::Row::Sent(sent_row(office, desk, row)),
        }),
        ..read.map_err(node_status)?
    })
}

fn file(file: DocumentFile) -> v1::FileView {
    v1::FileView {
        name: file.name,
        media_type: file.media_type,
        title: file.title,
        size: file.size,
        sha256: file.sha256.to_string(),
    }
}

/// What evidence and statuses have in common for a reader.
struct Said {
    event: String,
    by: (PartyId, KeyId),
    code: PartyCode,
    recipient: String,
    time: Timestamp,
    reason: String,
    sequence: Option<u64>,
}

/// A stored statement with what it says and the key that checks it.
pub(super) fn evidence(stored: &StoredStatement, directory: &Directory) -> v1::EvidenceView {
    let statement = Some(signed_message(&stored.signed));
    let Some(said) = read(&stored.signed) else {
        return v1::EvidenceView {
            event: stored.name.clone(),
            statement,
            ..v1::EvidenceView::default()
        };
    };
    let (party, key) = said.by;
    let public = directory.key(party, key);
    let sequence = said.sequence.or(stored.sequence.map(|place| place.value()));
    v1::EvidenceView {
        event: said.event,
        by_code: said.code.to_string(),
        recipient_code: said.recipient,
        time: said.time.to_string(),
        reason: said.reason,
        sequence: sequence.unwrap_or(0),
        statement,
        public_key: public.map_or_else(Bytes::new, |key| {
            Bytes::copy_from_slice(&key.public.to_bytes())
        }),
    }
}

fn read(signed: &SignedStatement) -> Option<Said> {
    if let Ok(evidence) = Evidence::parse(&signed.statement) {
        let recipient = evidence.recipient();
        return Some(Said {
            event: evidence.event.to_string(),
            by: (evidence.signer.id, evidence.signer.key),
            recipient: recipient.map_or_else(String::new, |to| to.code.to_string()),
            sequence: recipient.map(|to| to.sequence.value()),
            time: evidence.time,
            reason: reason(evidence.reason),
            code: evidence.signer.code,
        });
    }
    let status = BusinessStatement::parse(&signed.statement).ok()?;
    Some(Said {
        event: format!("Status {}", status.status),
        by: (status.signer.id, status.signer.key),
        recipient: status.to.to_string(),
        sequence: None,
        time: status.time,
        reason: reason(status.reason),
        code: status.signer.code,
    })
}

fn reason(code: Option<consign_domain::ErrorCode>) -> String {
    code.map_or_else(String::new, |code| code.to_string())
}
