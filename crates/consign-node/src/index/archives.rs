//! Which documents are to be archived for the long term, and when archives are renewed.

use consign_domain::{AgencyId, EnvelopeKey, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, ToSql, params};

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

/// Why documents are not archived, or archives not renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArchiveReason {
    /// One of them: the one that is looked at again last.
    pub(crate) key: EnvelopeKey,
    /// Why that one is not.
    pub(crate) reason: String,
    /// How many others there are.
    pub(crate) others: u64,
}

impl Index {
    /// A document became final.
    pub(crate) fn to_archive(&self, agency: AgencyId, key: EnvelopeKey) {
        self.write("document to archive", |connection| {
            put_archive(connection, agency, key, "")
        });
    }

    /// Sets when an archive is looked at again, and until when its time-stamp is good, if there
    /// is one: nothing is amiss with it. Says whether that was written.
    pub(crate) fn set_archive(
        &self,
        row: ArchiveRow,
        until: Option<Timestamp>,
        due: Timestamp,
    ) -> bool {
        let until = until.map_or(0, seconds);
        self.change(
            row,
            "UPDATE archives SET until = ?4, due = ?5, waits = 0, reason = ''
             WHERE agency = ?1 AND sender = ?2 AND envelope = ?3",
            &[&until, &seconds(due)],
        )
    }

    /// A document cannot be archived now, or its archive not renewed, and why where that is not
    /// said elsewhere. Says whether that was written.
    pub(crate) fn postpone_archive(
        &self,
        row: ArchiveRow,
        due: Timestamp,
        reason: Option<&str>,
    ) -> bool {
        self.change(
            row,
            "UPDATE archives SET due = ?4, reason = COALESCE(?5, reason)
             WHERE agency = ?1 AND sender = ?2 AND envelope = ?3",
            &[&seconds(due), &reason],
        )
    }

    /// A document waits for revocation lists, from now on unless it did before. Says whether that
    /// was written.
    pub(crate) fn await_lists(
        &self,
        row: ArchiveRow,
        (now, due): (Timestamp, Timestamp),
        reason: &str,
    ) -> bool {
        self.change(
            row,
            "UPDATE archives SET waits = CASE waits WHEN 0 THEN ?4 ELSE waits END, due = ?5,
                    reason = ?6
             WHERE agency = ?1 AND sender = ?2 AND envelope = ?3",
            &[&seconds(now), &seconds(due), &reason],
        )
    }

    /// Documents that are due, and began to wait for revocation lists later than `since`, go on to
    /// wait together. Says whether that was written.
    pub(crate) fn postpone_waiting(
        &self,
        since: Timestamp,
        (now, due): (Timestamp, Timestamp),
    ) -> bool {
        self.write("documents that wait for lists", |connection| {
            let mut statement = connection
                .prepare_cached("UPDATE archives SET due = ?3 WHERE due <= ?2 AND waits > ?1")?;
            statement.execute(params![seconds(since), seconds(now), seconds(due)])?;
            Ok(())
        })
    }

    /// Since when a document waits for revocation lists, if it does.
    pub(crate) fn awaits_lists_since(&self, row: ArchiveRow) -> Option<Timestamp> {
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached(
                "SELECT waits FROM archives WHERE agency = ?1 AND sender = ?2 AND envelope = ?3",
            )
            .ok()?;
        let (agency, sender, envelope) = key_of(row);
        let waits = statement
            .query_row(params![agency, sender, envelope], |row| {
                row.get::<_, i64>(0)
            })
            .optional()
            .ok()??;
        let since = u64::try_from(waits).ok().filter(|since| *since > 0)?;
        Some(Timestamp::from_unix_saturating(since))
    }

    /// There is nothing to archive of a document. Says whether that was written.
    pub(crate) fn no_archive(&self, row: ArchiveRow) -> bool {
        self.change(
            row,
            "DELETE FROM archives WHERE agency = ?1 AND sender = ?2 AND envelope = ?3",
            &[],
        )
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

    /// An agency's documents that are to be archived or renewed at a time, or all that are final;
    /// also those that wait for revocation lists, if they are meant.
    pub(crate) fn archives(
        &self,
        agency: AgencyId,
        due: Option<Timestamp>,
        waiting: bool,
    ) -> Result<Vec<ArchiveRow>, IndexError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT agency, sender, envelope FROM archives
             WHERE agency = ?1 AND (due <= ?2 OR ?3 AND waits > 0) ORDER BY envelope",
        )?;
        let due = due.map_or(i64::MAX, seconds);
        let rows = statement.query_map(params![agency.to_string(), due, waiting], texts)?;
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
            let first_end: Option<i64> = row.get(2)?;
            Ok(ArchiveCounts {
                kept: number(row.get(0)?),
                awaited: number(row.get(1)?),
                first_end: first_end.map(|end| Timestamp::from_unix_saturating(number(end))),
            })
        })?;
        Ok(counts)
    }

    /// Why documents are not archived, if any is not. What is damaged is looked at again last, so
    /// it is said before what only waits.
    pub(crate) fn archive_reason(&self) -> Result<Option<ArchiveReason>, IndexError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT agency, sender, envelope, reason, count(*) OVER () FROM archives
             WHERE reason <> '' ORDER BY due DESC LIMIT 1",
        )?;
        let found = statement
            .query_row([], |row| {
                Ok((texts(row)?, row.get(3)?, row.get::<_, i64>(4)?))
            })
            .optional()?;
        Ok(found.and_then(|(row, reason, all)| {
            Some(ArchiveReason {
                key: archive_row(&row)?.key,
                reason,
                others: number(all).saturating_sub(1),
            })
        }))
    }

    /// Whether nothing can be written, as on a full disk.
    #[cfg(test)]
    pub(crate) fn read_only(&self, is_on: bool) {
        let connection = self.connection();
        connection.pragma_update(None, "query_only", is_on).unwrap();
    }

    /// Changes one row, whose key comes first among the parameters.
    fn change(&self, row: ArchiveRow, change: &str, more: &[&dyn ToSql]) -> bool {
        let (agency, sender, envelope) = key_of(row);
        self.write("long-term archive", |connection| {
            let mut statement = connection.prepare_cached(change)?;
            let key: [&dyn ToSql; 3] = [&agency, &sender, &envelope];
            statement.execute(&[&key, more].concat()[..])?;
            Ok(())
        })
    }
}

/// Enters a document that is final, unless it is there; with a reason where something is amiss.
pub(super) fn put_archive(
    connection: &Connection,
    agency: AgencyId,
    key: EnvelopeKey,
    reason: &str,
) -> Result<(), IndexError> {
    let mut statement = connection
        .prepare_cached("INSERT OR IGNORE INTO archives VALUES (?1, ?2, ?3, 0, 0, 0, ?4)")?;
    let (agency, sender, envelope) = key_of(ArchiveRow { agency, key });
    statement.execute(params![agency, sender, envelope, reason])?;
    Ok(())
}

type Texts = (String, String, String);

fn key_of(ArchiveRow { agency, key }: ArchiveRow) -> Texts {
    (
        agency.to_string(),
        key.sender.to_string(),
        key.id.to_string(),
    )
}

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

fn number(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

fn seconds(at: Timestamp) -> i64 {
    i64::try_from(at.as_unix()).unwrap_or(i64::MAX)
}
