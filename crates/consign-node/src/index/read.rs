//! What is asked of the index.

use consign_domain::document::{InReplyTo, Number};
use consign_domain::{AgencyId, DocumentId, EnvelopeId, Sequence};
use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};

use super::fold;
use super::rows::{DocumentRow, ListQuery, Page, ReceivedRow, RecipientRow, SentRow};
use super::{Index, IndexError};

/// Rows of a page unless the query says otherwise, and at most.
const DEFAULT_ROWS: u32 = 50;
const MAX_ROWS: u32 = 1_000;

/// Shortest beginning of an id.
const MIN_PREFIX: usize = 8;

/// Counted only for the rows that are shown.
const SENT: &str = "SELECT s.envelope, s.document, s.symbol, s.subject, s.document_type,
        s.issued_on, s.urgency, s.state, s.sent_at, s.reason,
        (SELECT count(*) FROM recipients r
            WHERE r.agency = s.agency AND r.envelope = s.envelope),
        (SELECT count(*) FROM recipients r
            WHERE r.agency = s.agency AND r.envelope = s.envelope AND r.state = 'handed-over'),
        (SELECT count(*) FROM recipients r
            WHERE r.agency = s.agency AND r.envelope = s.envelope AND r.state = 'failed'),
        (SELECT count(*) FROM recipients r
            WHERE r.agency = s.agency AND r.envelope = s.envelope AND r.status = '02')
    FROM sent s";

const RECEIVED: &str = "SELECT sequence, sender, sender_code, sender_name, envelope, document,
        symbol, subject, document_type, issued_on, urgency, state, verdict, reason,
        received_at, forwarded
    FROM received";

impl Index {
    /// Documents received, newest first.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn received(
        &self,
        agency: AgencyId,
        query: &ListQuery,
    ) -> Result<Page<ReceivedRow>, IndexError> {
        let before = match query.after.as_str() {
            "" => i64::MAX,
            after => after.parse().map_err(|_| after_fault(query))?,
        };
        let limit = rows_of(query);
        let words = fold::query(&query.search);
        let sql = format!(
            "{RECEIVED} WHERE agency = ?1 AND sequence < ?2 {} ORDER BY sequence DESC LIMIT ?3",
            filter(
                words.as_ref(),
                "received",
                "CAST(received.sequence AS TEXT)"
            )
        );
        let connection = self.connection();
        let rows = select(
            &connection,
            &sql,
            agency,
            &before,
            limit,
            words.as_ref(),
            received_row,
        )?;
        let next = |row: &ReceivedRow| row.sequence.to_string();
        Ok(page(rows, limit, next))
    }

    /// Documents sent, newest first.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn sent(&self, agency: AgencyId, query: &ListQuery) -> Result<Page<SentRow>, IndexError> {
        let before = match query.after.as_str() {
            "" => "~".to_owned(),
            after => after
                .parse::<EnvelopeId>()
                .map_err(|_| after_fault(query))?
                .to_string(),
        };
        let limit = rows_of(query);
        let words = fold::query(&query.search);
        let sql = format!(
            "{SENT} WHERE s.agency = ?1 AND s.envelope < ?2 {}
             ORDER BY s.envelope DESC LIMIT ?3",
            filter(words.as_ref(), "sent", "s.envelope")
        );
        let connection = self.connection();
        let rows = select(
            &connection,
            &sql,
            agency,
            &before,
            limit,
            words.as_ref(),
            sent_row,
        )?;
        let next = |row: &SentRow| row.envelope_id.to_string();
        Ok(page(rows, limit, next))
    }

    /// A document by its envelope id or document id, or 8 characters and more of one.
    ///
    /// # Errors
    /// [`IndexError::NotFound`], [`IndexError::Ambiguous`], [`IndexError::TooShort`].
    pub fn find(&self, agency: AgencyId, id: &str) -> Result<DocumentRow, IndexError> {
        let wanted = id.trim().to_ascii_lowercase();
        let shown = || wanted.chars().take(60).collect::<String>();
        let formed = wanted
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        if wanted.len() < MIN_PREFIX || !formed {
            return Err(IndexError::TooShort { id: shown() });
        }
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT kind, key FROM documents WHERE agency = ?1
             AND ((envelope >= ?2 AND envelope < ?3) OR (document >= ?2 AND document < ?3))
             ORDER BY id DESC LIMIT 2",
        )?;
        let bounds = params![agency.to_string(), wanted, format!("{wanted}~")];
        let found: Vec<(String, String)> = statement
            .query_map(bounds, |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        let whole = wanted.len() == 36;
        match found.as_slice() {
            [] => Err(IndexError::NotFound { id: shown() }),
            [_, _, ..] if !whole => Err(IndexError::Ambiguous { id: shown() }),
            [(kind, key), ..] => row_of(&connection, agency, kind, key),
        }
    }

    /// What became of a sent document, recipient by recipient, by code.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn recipients(
        &self,
        agency: AgencyId,
        envelope: EnvelopeId,
    ) -> Result<Vec<RecipientRow>, IndexError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT code, name, state, reason, since, status, status_reason, status_text
             FROM recipients WHERE agency = ?1 AND envelope = ?2 ORDER BY code",
        )?;
        let keys = params![agency.to_string(), envelope.to_string()];
        let rows = statement.query_map(keys, |row| {
            Ok(RecipientRow {
                code: parsed(row, 0)?,
                name: row.get(1)?,
                state: row.get(2)?,
                reason: row.get(3)?,
                since: row.get(4)?,
                status: row.get(5)?,
                status_reason: row.get(6)?,
                status_text: row.get(7)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The documents of an agency, received or sent, that have this document id or symbol;
    /// newest first.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn reply_targets(
        &self,
        agency: AgencyId,
        text: &str,
    ) -> Result<Vec<InReplyTo>, IndexError> {
        const COLUMNS: &str = "SELECT issuer, number, notation, issued_on, document
             FROM documents WHERE agency = ?1 AND document <> ''";
        let text = text.trim();
        let connection = self.connection();
        let id: Option<DocumentId> = text.to_ascii_lowercase().parse().ok();
        let rows: Vec<InReplyTo> = if let Some(id) = id {
            let sql = format!("{COLUMNS} AND document = ?2 GROUP BY document LIMIT 1");
            connection
                .prepare_cached(&sql)?
                .query_map(params![agency.to_string(), id.to_string()], reply)?
                .collect::<Result<_, _>>()?
        } else if let Some((number, notation)) = text.split_once('/')
            && let Ok(number) = Number::tidy(number)
        {
            let sql = format!(
                "{COLUMNS} AND number = ?2 AND notation = ?3 GROUP BY document
                 ORDER BY max(id) DESC LIMIT 10"
            );
            connection
                .prepare_cached(&sql)?
                .query_map(
                    params![agency.to_string(), number.as_str(), notation.trim()],
                    reply,
                )?
                .collect::<Result<_, _>>()?
        } else {
            Vec::new()
        };
        Ok(rows)
    }
}

fn after_fault(query: &ListQuery) -> IndexError {
    IndexError::After {
        after: query.after.chars().take(60).collect(),
    }
}

const fn rows_of(query: &ListQuery) -> u32 {
    match query.limit {
        0 => DEFAULT_ROWS,
        limit if limit > MAX_ROWS => MAX_ROWS,
        limit => limit,
    }
}

/// The condition that a row is found by the words of a search.
fn filter(words: Option<&String>, kind: &str, key: &str) -> String {
    if words.is_none() {
        // The parameter is bound in any case.
        return "AND ?4 IS NULL".to_owned();
    }
    format!(
        "AND {key} IN (SELECT key FROM documents WHERE agency = ?1 AND kind = '{kind}'
         AND id IN (SELECT rowid FROM search WHERE search MATCH ?4))"
    )
}

fn select<T>(
    connection: &Connection,
    sql: &str,
    agency: AgencyId,
    before: &dyn rusqlite::ToSql,
    limit: u32,
    words: Option<&String>,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, IndexError> {
    let mut statement = connection.prepare_cached(sql)?;
    let owner = agency.to_string();
    // One more than asked for tells whether there is a next page.
    let rows = statement.query_map(params![owner, before, limit + 1, words], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn page<T>(mut rows: Vec<T>, limit: u32, next: impl Fn(&T) -> String) -> Page<T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(next).unwrap_or_default();
    Page { rows, next }
}

fn row_of(
    connection: &Connection,
    agency: AgencyId,
    kind: &str,
    key: &str,
) -> Result<DocumentRow, IndexError> {
    let keys = params![agency.to_string(), key];
    let row = if kind == "sent" {
        let sql = format!("{SENT} WHERE s.agency = ?1 AND s.envelope = ?2");
        connection
            .prepare_cached(&sql)?
            .query_row(keys, sent_row)
            .map(DocumentRow::Sent)
    } else {
        let sql = format!("{RECEIVED} WHERE agency = ?1 AND sequence = CAST(?2 AS INTEGER)");
        connection
            .prepare_cached(&sql)?
            .query_row(keys, received_row)
            .map(DocumentRow::Received)
    };
    row.map_err(IndexError::from)
}

/// A column as the type that its text stands for.
fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: String = row.get(column)?;
    text.parse().map_err(|fault: T::Err| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(fault))
    })
}

fn sent_row(row: &Row<'_>) -> rusqlite::Result<SentRow> {
    Ok(SentRow {
        envelope_id: parsed(row, 0)?,
        document_id: row.get(1)?,
        symbol: row.get(2)?,
        subject: row.get(3)?,
        document_type: row.get(4)?,
        issued_on: row.get(5)?,
        urgency: row.get(6)?,
        state: row.get(7)?,
        sent_at: row.get(8)?,
        reason: row.get(9)?,
        recipients: row.get(10)?,
        handed_over: row.get(11)?,
        failed: row.get(12)?,
        refused: row.get(13)?,
    })
}

fn received_row(row: &Row<'_>) -> rusqlite::Result<ReceivedRow> {
    let place: u64 = row.get::<_, i64>(0)?.unsigned_abs();
    Ok(ReceivedRow {
        sequence: Sequence::new(place).unwrap_or(Sequence::FIRST),
        sender: parsed(row, 1)?,
        sender_code: row.get(2)?,
        sender_name: row.get(3)?,
        envelope_id: parsed(row, 4)?,
        document_id: row.get(5)?,
        symbol: row.get(6)?,
        subject: row.get(7)?,
        document_type: row.get(8)?,
        issued_on: row.get(9)?,
        urgency: row.get(10)?,
        state: row.get(11)?,
        verdict: row.get(12)?,
        reason: row.get(13)?,
        received_at: row.get(14)?,
        forwarded: row.get(15)?,
    })
}

fn reply(row: &Row<'_>) -> rusqlite::Result<InReplyTo> {
    Ok(InReplyTo {
        agency: parsed(row, 0)?,
        number: Some(parsed(row, 1)?),
        notation: Some(parsed(row, 2)?),
        date: Some(parsed(row, 3)?),
        document: Some(parsed(row, 4)?),
    })
}
