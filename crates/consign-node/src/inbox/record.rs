//! What the files of a received envelope say about it as a whole.

use consign_domain::document::Document;
use consign_domain::limits::MAX_DOCUMENT;
use consign_domain::statement::{Envelope, Status};
use consign_domain::{AgencyCode, ErrorCode, Sequence, Timestamp};
use serde::{Deserialize, Serialize};

use crate::durable;
use crate::error::NodeError;
use crate::folder::{DOCUMENT, Folder, ITEM, RECEIPT};

/// `received.json`: what no statement says.
pub(crate) const RECEIVED: &str = "received.json";
/// The same of an envelope that was offered again after it was released.
pub(super) const AGAIN: &str = "again.json";
/// `lapsed.json`: the hub settled the envelope otherwise.
const LAPSED: &str = "lapsed.json";
/// Our automatic refusal.
pub(super) const REFUSAL: &str = "status/own-02";
/// The hub has it.
pub(super) const REFUSAL_POSTED: &str = "own-02.posted";

const MAX_FILE: usize = 16 * 1024;

/// `received.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReceivedFile {
    /// The place in the inbox.
    pub(crate) sequence: Sequence,
    /// When the item was stored.
    pub(crate) received_at: Timestamp,
    /// The agency's own code, as the envelope addresses it.
    pub(crate) code: AgencyCode,
    /// The sender's name by the directory then.
    pub(crate) sender_name: String,
}

/// `lapsed.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lapse {
    pub(super) reason: ErrorCode,
    pub(super) at: Timestamp,
}

/// Where a received envelope stands, in the words of `node.proto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReceivedState {
    Fetching,
    Receipted,
    Opened,
    Refused,
    Held,
}

impl ReceivedState {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Fetching => "fetching",
            Self::Receipted => "receipted",
            Self::Opened => "opened",
            Self::Refused => "refused",
            Self::Held => "held",
        }
    }
}

/// All that lists show of a received envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReceivedRecord {
    pub(crate) file: ReceivedFile,
    pub(crate) envelope: Envelope,
    pub(crate) document: Option<Document>,
    pub(crate) state: ReceivedState,
    pub(crate) verdict: String,
    pub(crate) reason: Option<ErrorCode>,
}

/// The verdict of a report, as far as it decides what happens.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) indication: String,
    pub(super) code: Option<ErrorCode>,
}

/// Whether a folder is one of a received envelope.
pub(super) fn is_received(folder: &Folder) -> bool {
    folder.has(RECEIVED)
}

/// Reads a folder; `None` if it is not one of a received envelope.
pub(crate) fn read(folder: &Folder) -> Result<Option<ReceivedRecord>, NodeError> {
    if durable::size(&folder.file(RECEIVED))?.is_none() {
        return Ok(None);
    }
    let file = read_file(folder)?;
    let (_, envelope) = folder.expect_statement::<Envelope>(ITEM)?;
    let verdict = verdict(folder)?;
    let refusal = folder.statement::<Status>(REFUSAL)?;
    let (state, reason) = if let Some((_, refusal)) = refusal {
        (ReceivedState::Refused, refusal.reason)
    } else if let Some(lapse) = read_lapse(folder)? {
        (ReceivedState::Refused, Some(lapse.reason))
    } else {
        match verdict.indication.as_str() {
            "TOTAL-PASSED" => (ReceivedState::Opened, None),
            "INDETERMINATE" => (ReceivedState::Held, verdict.code),
            "TOTAL-FAILED" => (ReceivedState::Refused, verdict.code),
            _ if folder.signed(RECEIPT)?.is_some() => (ReceivedState::Receipted, None),
            _ => (ReceivedState::Fetching, None),
        }
    };
    let document = folder.optional(DOCUMENT, MAX_DOCUMENT)?;
    Ok(Some(ReceivedRecord {
        file,
        envelope,
        // What a refused container says is shown as far as it can be read.
        document: document.and_then(|bytes| Document::parse(&bytes).ok()),
        state,
        verdict: verdict.indication,
        reason,
    }))
}

pub(super) fn read_file(folder: &Folder) -> Result<ReceivedFile, NodeError> {
    let name = if folder.has(RECEIVED) || !folder.has(AGAIN) {
        RECEIVED
    } else {
        AGAIN
    };
    let bytes = folder.required(name, MAX_FILE)?;
    serde_json::from_slice(&bytes).map_err(|source| NodeError::damaged(folder.file(name), source))
}

/// The verdict in `report.json`; empty before judgement.
pub(super) fn verdict(folder: &Folder) -> Result<Verdict, NodeError> {
    #[derive(Deserialize)]
    struct ReportFile {
        indication: String,
        checks: Vec<CheckFile>,
    }
    #[derive(Deserialize)]
    struct CheckFile {
        outcome: String,
        code: Option<ErrorCode>,
    }
    let Some(bytes) = folder.report_json()? else {
        return Ok(Verdict::default());
    };
    let report: ReportFile = serde_json::from_slice(&bytes)
        .map_err(|source| NodeError::damaged(folder.file(crate::folder::REPORT), source))?;
    let first = |outcome: &str| {
        let mut checks = report.checks.iter();
        checks.find(|check| check.outcome == outcome)
    };
    let decisive = first("failed").or_else(|| first("indeterminate"));
    Ok(Verdict {
        code: decisive.and_then(|check| check.code),
        indication: report.indication,
    })
}

pub(super) fn read_lapse(folder: &Folder) -> Result<Option<Lapse>, NodeError> {
    let Some(bytes) = folder.optional(LAPSED, MAX_FILE)? else {
        return Ok(None);
    };
    let lapse = serde_json::from_slice(&bytes)
        .map_err(|source| NodeError::damaged(folder.file(LAPSED), source))?;
    Ok(Some(lapse))
}

pub(super) fn write_lapse(folder: &Folder, lapse: &Lapse) -> Result<(), NodeError> {
    let path = folder.file(LAPSED);
    let bytes = serde_json::to_vec(lapse).map_err(|source| NodeError::damaged(&path, source))?;
    Ok(durable::publish(&path, &bytes)?)
}
