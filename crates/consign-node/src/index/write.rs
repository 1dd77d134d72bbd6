//! What goes into the index: always what the files of one envelope say.

use consign_domain::statement::Evidence;
use consign_domain::{AgencyCode, AgencyId, EnvelopeId, EnvelopeKey, ErrorCode, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::documents::{put_received, put_sent, set_status, text};
use super::{Index, IndexError};
use crate::error::NodeError;
use crate::folder::Folder;
use crate::outbox::SentState;
use crate::outbox::track::{ShownStatus, Track};

impl Index {
    /// Writes all rows of a sent envelope anew.
    pub(crate) fn put_sent(&self, agency: AgencyId, folder: &Folder) {
        self.write("sent envelope", |connection| {
            put_sent(connection, agency, folder).map(drop)
        });
    }

    /// Sets the state of a sent envelope.
    pub(crate) fn set_sent(
        &self,
        agency: AgencyId,
        id: EnvelopeId,
        state: SentState,
        reason: Option<ErrorCode>,
    ) {
        self.write("state of a sent envelope", |connection| {
            let mut statement = connection.prepare_cached(
                "UPDATE sent SET state = ?3, reason = ?4 WHERE agency = ?1 AND envelope = ?2",
            )?;
            statement.execute(params![
                agency.to_string(),
                id.to_string(),
                state.as_str(),
                text(reason)
            ])?;
            Ok(())
        });
    }

    /// Sets whether a sent envelope waits for the time-stamp of its seal.
    pub(crate) fn set_unstamped(&self, agency: AgencyId, id: EnvelopeId, unstamped: bool) {
        self.write("time-stamp of a sent envelope", |connection| {
            let mut statement = connection.prepare_cached(
                "UPDATE sent SET unstamped = ?3 WHERE agency = ?1 AND envelope = ?2",
            )?;
            statement.execute(params![agency.to_string(), id.to_string(), unstamped])?;
            Ok(())
        });
    }

    /// Sent envelopes that wait for the time-stamp of their seal.
    pub(crate) fn unstamped(&self, agency: AgencyId) -> Vec<EnvelopeId> {
        self.sent_where(agency, "unstamped")
    }

    /// Sets what the answer to a submission means for every recipient.
    pub(crate) fn answered(&self, agency: AgencyId, id: EnvelopeId, evidence: &Evidence) {
        let state = consign_domain::delivery::DeliveryState::Sealed.after(evidence.event);
        let Ok(state) = state else { return };
        self.write("answer to a submission", |connection| {
            let mut statement = connection.prepare_cached(
                "UPDATE recipients SET state = ?3, reason = ?4, since = ?5
                 WHERE agency = ?1 AND envelope = ?2 AND state = 'sealed'",
            )?;
            statement.execute(params![
                agency.to_string(),
                id.to_string(),
                state.as_str(),
                text(evidence.reason),
                evidence.time.to_string()
            ])?;
            Ok(())
        });
    }

    /// Sets what became of an envelope at one recipient.
    pub(crate) fn set_recipient(
        &self,
        agency: AgencyId,
        id: EnvelopeId,
        code: &AgencyCode,
        track: &Track,
    ) {
        self.write("state of a delivery", |connection| {
            let mut statement = connection.prepare_cached(
                "UPDATE recipients SET state = ?4, reason = ?5, since = ?6
                 WHERE agency = ?1 AND envelope = ?2 AND code = ?3",
            )?;
            statement.execute(params![
                agency.to_string(),
                id.to_string(),
                code.as_str(),
                track.state.as_str(),
                text(track.reason),
                track.since.to_string()
            ])?;
            Ok(())
        });
    }

    /// Sets the status that one recipient said.
    pub(crate) fn set_status(
        &self,
        agency: AgencyId,
        id: EnvelopeId,
        code: &AgencyCode,
        shown: &ShownStatus,
    ) {
        self.write("status of a recipient", |connection| {
            set_status(connection, agency, id, code, shown)
        });
    }

    /// Writes the rows of a received envelope anew.
    pub(crate) fn put_received(&self, agency: AgencyId, folder: &Folder) {
        self.write("received envelope", |connection| {
            put_received(connection, agency, folder).map(drop)
        });
    }

    /// Takes away the rows of a place that an envelope has no more.
    pub(crate) fn remove_received(&self, agency: AgencyId, sequence: consign_domain::Sequence) {
        self.write("place given up", |connection| {
            let (owner, key) = (agency.to_string(), sequence.value().to_string());
            connection.execute(
                "DELETE FROM received WHERE agency = ?1 AND sequence = CAST(?2 AS INTEGER)",
                params![owner, key],
            )?;
            connection.execute(
                "DELETE FROM search WHERE rowid IN (SELECT id FROM documents
                 WHERE agency = ?1 AND kind = 'received' AND key = ?2)",
                params![owner, key],
            )?;
            connection.execute(
                "DELETE FROM documents WHERE agency = ?1 AND kind = 'received' AND key = ?2",
                params![owner, key],
            )?;
            Ok(())
        });
    }

    /// The newest received envelope.
    pub(crate) fn newest_received(&self, agency: AgencyId) -> Option<EnvelopeKey> {
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached(
                "SELECT sender, envelope FROM received
                 WHERE agency = ?1 ORDER BY sequence DESC LIMIT 1",
            )
            .ok()?;
        let row: (String, String) = statement
            .query_row([agency.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
            .ok()??;
        envelope_key(&row)
    }

    /// Envelopes received at a time or later.
    pub(crate) fn received_since(
        &self,
        agency: AgencyId,
        since: Timestamp,
    ) -> Result<Vec<EnvelopeKey>, NodeError> {
        let read = || -> rusqlite::Result<Vec<(String, String)>> {
            let connection = self.connection();
            let mut statement = connection.prepare_cached(
                "SELECT sender, envelope FROM received
                 WHERE agency = ?1 AND received_at >= ?2 ORDER BY sequence",
            )?;
            let rows = statement.query_map([agency.to_string(), since.to_string()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
            rows.collect()
        };
        let rows = read().map_err(|fault| {
            tracing::warn!(%fault, "the index cannot be read");
            let rule = "the node's index can be read";
            NodeError::State { rule }
        })?;
        Ok(rows.iter().filter_map(envelope_key).collect())
    }

    /// The state that the index has of a sent envelope.
    pub(crate) fn sent_state(&self, agency: AgencyId, id: EnvelopeId) -> Option<String> {
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached("SELECT state FROM sent WHERE agency = ?1 AND envelope = ?2")
            .ok()?;
        statement
            .query_row(params![agency.to_string(), id.to_string()], |row| {
                row.get(0)
            })
            .optional()
            .ok()?
    }

    /// Sent envelopes that the index takes for unfinished.
    pub(crate) fn unfinished_sent(&self, agency: AgencyId) -> Vec<EnvelopeId> {
        self.sent_where(agency, "state NOT IN ('final', 'rejected')")
    }

    fn sent_where(&self, agency: AgencyId, condition: &str) -> Vec<EnvelopeId> {
        let read = || -> rusqlite::Result<Vec<String>> {
            let connection = self.connection();
            let mut statement = connection.prepare_cached(&format!(
                "SELECT envelope FROM sent WHERE agency = ?1 AND {condition}"
            ))?;
            let rows = statement.query_map([agency.to_string()], |row| row.get(0))?;
            rows.collect()
        };
        let ids = read().unwrap_or_default();
        ids.iter().filter_map(|id| id.parse().ok()).collect()
    }

    /// The place in the inbox and the state that the index has of received envelopes which
    /// it takes for undecided.
    pub(crate) fn undecided_received(&self, agency: AgencyId) -> Vec<(String, String)> {
        let read = || -> rusqlite::Result<Vec<(String, String)>> {
            let connection = self.connection();
            let mut statement = connection.prepare_cached(
                "SELECT sender, envelope FROM received
                 WHERE agency = ?1 AND state NOT IN ('opened', 'refused')",
            )?;
            let rows =
                statement.query_map([agency.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        };
        read().unwrap_or_default()
    }

    /// Makes what is written until the result is dropped durable together, on drop at the latest.
    pub(crate) fn batch(&self) -> Batch<'_> {
        let connection = self.connection();
        // Inside another agency's batch, both share one until the first ends.
        if connection.is_autocommit()
            && let Err(fault) = connection.execute_batch("BEGIN")
        {
            let fault: &dyn std::error::Error = &fault;
            tracing::warn!(fault, "changes of the index are written one by one");
        }
        Batch { index: self }
    }

    /// Runs one change, whole or not at all; a failure is logged here. Says whether it was made.
    pub(super) fn write(
        &self,
        what: &'static str,
        change: impl FnOnce(&Connection) -> Result<(), IndexError>,
    ) -> bool {
        let mut connection = self.connection();
        let run = || -> Result<(), IndexError> {
            let savepoint = connection.savepoint()?;
            change(&savepoint)?;
            savepoint.commit()?;
            Ok(())
        };
        let made = run();
        if let Err(fault) = &made {
            let fault: &dyn std::error::Error = fault;
            tracing::warn!(what, fault, "the index lags behind the files");
        }
        made.is_ok()
    }
}

/// Several changes with one sync.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    index: &'a Index,
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let connection = self.index.connection();
        // Whoever ends first ends it for all: what its cursor will count must not wait.
        if !connection.is_autocommit()
            && let Err(fault) = connection.execute_batch("COMMIT")
        {
            let fault: &dyn std::error::Error = &fault;
            tracing::warn!(fault, "the index lags behind the files");
        }
    }
}

fn envelope_key((sender, id): &(String, String)) -> Option<EnvelopeKey> {
    Some(EnvelopeKey {
        sender: sender.parse().ok()?,
        id: id.parse().ok()?,
    })
}
