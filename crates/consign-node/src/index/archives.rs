//! Which documents are to be archived for the long term, and when archives are renewed.

use consign_domain::{AgencyId, EnvelopeKey, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Index, IndexError};

/// A document that is final, and how it stands with its archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ArchiveRow {
    /// Whose it is.
    pub(crate) agency: AgencyId,
    /// Which.
    pub(crate) key: EnvelopeKey,
}

/// How an agency stands with its archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ArchiveCounts {
    /// That are there.
    pub(crate) kept: u64,
    /// Documents that have none yet.
    pub(crate) awaited: u64,
    /// When the first of the certificates behind the newest time-stamps ends.
    pub(crate) first_end: Option<Timestamp>,
}

impl Index {
    /// A document became final.
    pub(crate) fn to_archive(&self, agency: AgencyId, key: EnvelopeKey) {
        self.write("document to archive", |connection| {
            put_archive(connection, agency, key)
        });
    }

    /// Sets when an archive is looked at again, and until when its time-stamp is good, if there
    /// is one.
    pub(crate) fn set_archive(&self, row: ArchiveRow, until: Option<Timestamp>, due: Timestamp) {
        self.write("long-term archive", |connection| {
            let mut statement = connection.prepare_cached(
                "UPDATE archives SET until = ?4, due = ?5
                 WHERE agency = ?1 AND sender = ?2 AND envelope = ?3",
            )?;
            let ArchiveRow { agency, key } = row;
            statement.execute(params![
                agency.to_string(),
                key.sender.to_string(),
                key.id.to_string(),
                until.map_or(0, seconds),
                seconds(due)
            ])?;
            Ok(())
        });
    }

    /// A document cannot be archived now, or its archive not renewed.
    pub(crate) fn postpone_archive(&self, row: ArchiveRow, due: Timestamp) {
        self.write("long-term archive", |connection| {
            let mut statement = connection.prepare_cached(
                "UPDATE archives SET due = ?4
                 WHERE agency = ?1 AND sender = ?2 AND envelope = ?3",
            )?;
            let ArchiveRow { agency, key } = row;
            statement.execute(params![
                agency.to_string(),
                key.sender.to_string(),
                key.id.to_string(),
                seconds(due)
            ])?;
            Ok(())
        });
    }

    /// There is nothing to archive of a document.
    pub(crate) fn no_archive(&self, row: ArchiveRow) {
        self.write("long-term archive", |connection| {
            let mut statement = connection.prepare_cached(
                "DELETE FROM archives WHERE agency = ?1 AND sender = ?2 AND envelope = ?3",
            )?;
            let ArchiveRow { agency, key } = row;
            statement.execute(params![
                agency.to_string(),
                key.sender.to_string(),
                key.id.to_string()
            ])?;
            Ok(())
        });
    }

    /// The document that is due first, if any is at a time.
    pub(crate) fn first_due_archive(
        &self,
        at: Timestamp,
    ) -> Result<Option<ArchiveRow>, IndexError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT agency, sender, envelope FROM archives WHERE due <= ?1 ORDER BY due LIMIT 1",
        )?;
        let row = statement.query_row([seconds(at)], texts).optional()?;
        Ok(row.as_ref().and_then(archive_row))
    }

    /// An agency's documents that are to be archived or renewed at a time, or all that are final.
    pub(crate) fn archives(
        &self,
        agency: AgencyId,
        due: Option<Timestamp>,
    ) -> Result<Vec<ArchiveRow>, IndexError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT agency, sender, envelope FROM archives
             WHERE agency = ?1 AND due <= ?2 ORDER BY envelope",
        )?;
        let due = due.map_or(i64::MAX, seconds);
        let rows = statement.query_map(params![agency.to_string(), due], texts)?;
        let rows: Vec<_> = rows.collect::<Result<_, _>>()?;
        Ok(rows.iter().filter_map(archive_row).collect())
    }

    /// How an agency stands with its archives.
    pub(crate) fn archive_counts(&self, agency: AgencyId) -> Result<ArchiveCounts, IndexError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT count(*) FILTER (WHERE until > 0), count(*) FILTER (WHERE until = 0),
                    min(until) FILTER (WHERE until > 0)
             FROM archives WHERE agency = ?1",
        )?;
        let counts = statement.query_row([agency.to_string()], |row| {
            let number = |value: i64| u64::try_from(value).unwrap_or_default();
            let first_end: Option<i64> = row.get(2)?;
            Ok(ArchiveCounts {
                kept: number(row.get(0)?),
                awaited: number(row.get(1)?),
                first_end: first_end.map(|end| Timestamp::from_unix_saturating(number(end))),
            })
        })?;
        Ok(counts)
    }
}

/// Enters a document that is final, unless it is there.
pub(super) fn put_archive(
    connection: &Connection,
    agency: AgencyId,
    key: EnvelopeKey,
) -> Result<(), IndexError> {
    let mut statement =
        connection.prepare_cached("INSERT OR IGNORE INTO archives VALUES (?1, ?2, ?3, 0, 0)")?;
    statement.execute(params![
        agency.to_string(),
        key.sender.to_string(),
        key.id.to_string()
    ])?;
    Ok(())
}

type Texts = (String, String, String);

fn texts(row: &rusqlite::Row<'_>) -> rusqlite::Result<Texts> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn archive_row((agency, sender, id): &Texts) -> Option<ArchiveRow> {
    Some(ArchiveRow {
        agency: agency.parse().ok()?,
        key: EnvelopeKey {
            sender: sender.parse().ok()?,
            id: id.parse().ok()?,
        },
    })
}

fn seconds(at: Timestamp) -> i64 {
    i64::try_from(at.as_unix()).unwrap_or(i64::MAX)
}
