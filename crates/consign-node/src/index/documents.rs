//! A document's rows, made from its folder.

use consign_domain::document::Document;
use consign_domain::statement::BusinessStatus;
use consign_domain::{AgencyCode, AgencyId, EnvelopeId, EnvelopeKey, ErrorCode};
use rusqlite::{Connection, params};

use super::IndexError;
use super::archives::put_archive;
use super::fold::fold;
use crate::folder::Folder;
use crate::inbox::record::{self, ReceivedRecord, ReceivedState};
use crate::outbox::track::{self, ShownStatus};
use crate::outbox::{SentState, state_of};

pub(super) fn text(reason: Option<ErrorCode>) -> &'static str {
    reason.map_or("", ErrorCode::as_str)
}

/// Writes the rows of a sent envelope; says whether the folder is one.
pub(super) fn put_sent(
    connection: &Connection,
    agency: AgencyId,
    folder: &Folder,
) -> Result<bool, IndexError> {
    let Some(compose) = folder.compose()? else {
        return Ok(false);
    };
    let tracks = track::read(folder)?;
    let mut state = state_of(folder)?;
    if state == SentState::Accepted && track::all_final(&tracks) {
        state = SentState::Final;
    }
    let reason = tracks
        .values()
        .next()
        .filter(|_| state == SentState::Rejected)
        .and_then(|track| track.reason);
    let (owner, id) = (agency.to_string(), compose.id.to_string());
    let document = &compose.document;
    let mut statement = connection.prepare_cached(
        "INSERT OR REPLACE INTO sent VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    statement.execute(params![
        owner,
        id,
        document.id.to_string(),
        document.symbol(),
        document.subject.as_str(),
        document.document_type.name(),
        document.issued_on.to_string(),
        document.urgency.value(),
        state.as_str(),
        text(reason),
        compose.composed.to_string(),
        folder.awaits_stamp()
    ])?;
    let mut words = Vec::with_capacity(2 * compose.recipients.len());
    let mut statement = connection.prepare_cached(
        "INSERT OR REPLACE INTO recipients VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, '', '', '')",
    )?;
    for recipient in &compose.recipients {
        words.push(recipient.code.to_string());
        words.push(recipient.name.clone());
        if let Some(track) = tracks.get(&recipient.code) {
            statement.execute(params![
                owner,
                id,
                recipient.code.as_str(),
                recipient.name,
                track.state.as_str(),
                text(track.reason),
                track.since.to_string()
            ])?;
        }
    }
    for stem in folder.stems(crate::folder::STATUS)? {
        let code = stem
            .splitn(3, '-')
            .nth(2)
            .and_then(|code| code.parse().ok());
        let Some(code) = code else { continue };
        if let Some(shown) = track::shown_status(folder, &code)? {
            set_status(connection, agency, compose.id, &code, &shown)?;
        }
    }
    if matches!(state, SentState::Final | SentState::Rejected) {
        let (sender, id) = (agency, compose.id);
        put_archive(connection, agency, EnvelopeKey { sender, id }, "")?;
    }
    put_document(connection, &owner, "sent", &id, &id, Some(document), &words)?;
    Ok(true)
}

pub(super) fn set_status(
    connection: &Connection,
    agency: AgencyId,
    id: EnvelopeId,
    code: &AgencyCode,
    shown: &ShownStatus,
) -> Result<(), IndexError> {
    let mut statement = connection.prepare_cached(
        "UPDATE recipients SET status = ?4, status_reason = ?5, status_text = ?6
         WHERE agency = ?1 AND envelope = ?2 AND code = ?3",
    )?;
    statement.execute(params![
        agency.to_string(),
        id.to_string(),
        code.as_str(),
        BusinessStatus::as_str(shown.status),
        text(shown.reason),
        shown.text
    ])?;
    Ok(())
}

/// Writes the rows of a received envelope; says whether the folder is one.
pub(super) fn put_received(
    connection: &Connection,
    agency: AgencyId,
    folder: &Folder,
) -> Result<bool, IndexError> {
    let Some(record) = record::read(folder)? else {
        return Ok(false);
    };
    let ReceivedRecord {
        file,
        envelope,
        document,
        state,
        verdict,
        reason,
    } = record;
    let (owner, id) = (agency.to_string(), envelope.id.to_string());
    let sequence = i64::try_from(file.sequence.value()).unwrap_or(i64::MAX);
    let of_document = |read: fn(&Document) -> String| document.as_ref().map_or(String::new(), read);
    let sender_code = envelope.signer.code.to_string();
    let mut statement = connection.prepare_cached(
        "INSERT OR REPLACE INTO received VALUES
         (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
    )?;
    statement.execute(params![
        owner,
        sequence,
        envelope.signer.id.to_string(),
        sender_code,
        file.sender_name,
        id,
        of_document(|document| document.id.to_string()),
        of_document(Document::symbol),
        of_document(|document| document.subject.to_string()),
        of_document(|document| document.document_type.name().to_owned()),
        of_document(|document| document.issued_on.to_string()),
        envelope.urgency.value(),
        state.as_str(),
        verdict,
        text(reason),
        file.received_at.to_string(),
        envelope.forwarded
    ])?;
    if matches!(state, ReceivedState::Opened | ReceivedState::Refused) {
        put_archive(connection, agency, envelope.key(), "")?;
    }
    let words = [sender_code, file.sender_name];
    let key = sequence.to_string();
    put_document(
        connection,
        &owner,
        "received",
        &key,
        &id,
        document.as_ref(),
        &words,
    )?;
    Ok(true)
}

/// Writes what ids, symbols and search lead to.
fn put_document(
    connection: &Connection,
    agency: &str,
    kind: &str,
    key: &str,
    envelope: &str,
    document: Option<&Document>,
    words: &[String],
) -> Result<(), IndexError> {
    let of = |read: fn(&Document) -> String| document.map_or(String::new(), read);
    let mut statement = connection.prepare_cached(
        "INSERT INTO documents
             (agency, kind, key, envelope, document, issuer, number, notation, issued_on)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (agency, kind, key) DO UPDATE SET document = ?5, issuer = ?6,
             number = ?7, notation = ?8, issued_on = ?9
         RETURNING id",
    )?;
    let id: i64 = statement.query_row(
        params![
            agency,
            kind,
            key,
            envelope,
            of(|document| document.id.to_string()),
            of(|document| document.issuer.code.to_string()),
            of(|document| document.number.to_string()),
            of(|document| document.notation.to_string()),
            of(|document| document.issued_on.to_string())
        ],
        |row| row.get(0),
    )?;
    let mut all: Vec<String> = words.to_vec();
    if let Some(document) = document {
        all.push(document.symbol());
        all.push(document.subject.to_string());
        all.push(document.document_type.name().to_owned());
        all.extend(
            document
                .signed_by
                .iter()
                .map(|signer| signer.name.to_string()),
        );
        all.extend(document.files().map(|file| file.name.to_string()));
    }
    connection
        .prepare_cached("DELETE FROM search WHERE rowid = ?1")?
        .execute([id])?;
    connection
        .prepare_cached("INSERT INTO search (rowid, text) VALUES (?1, ?2)")?
        .execute(params![id, fold(&all.join(" \n "))])?;
    Ok(())
}
