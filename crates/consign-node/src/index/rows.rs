//! Rows as lists show them; they mirror the messages of `node.proto`.

use consign_domain::{AgencyCode, AgencyId, EnvelopeId, Sequence};

/// Which rows of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListQuery {
    /// Search text as typed; empty for all.
    pub search: String,
    /// Most rows; 0: 50.
    pub limit: u32,
    /// Goes on after this row: what [`Page::next`] gave.
    pub after: String,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows, newest first.
    pub rows: Vec<T>,
    /// Where the next page goes on; empty at the end.
    pub next: String,
}

/// A document received.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each field is documented on InboxRow in node.proto"
)]
pub struct ReceivedRow {
    pub sequence: Sequence,
    pub sender: AgencyId,
    pub sender_code: String,
    pub sender_name: String,
    pub envelope_id: EnvelopeId,
    pub document_id: String,
    pub symbol: String,
    pub subject: String,
    pub document_type: String,
    pub issued_on: String,
    pub urgency: u8,
    pub state: String,
    pub verdict: String,
    pub reason: String,
    pub received_at: String,
    pub forwarded: bool,
}

/// A document sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each field is documented on SentRow in node.proto"
)]
pub struct SentRow {
    pub envelope_id: EnvelopeId,
    pub document_id: String,
    pub symbol: String,
    pub subject: String,
    pub document_type: String,
    pub issued_on: String,
    pub urgency: u8,
    pub state: String,
    pub recipients: u32,
    pub handed_over: u32,
    pub failed: u32,
    pub refused: u32,
    pub sent_at: String,
    pub reason: String,
}

/// What became of a sent document at one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each field is documented on RecipientView in node.proto"
)]
pub struct RecipientRow {
    pub code: AgencyCode,
    pub name: String,
    pub state: String,
    pub reason: String,
    pub since: String,
    pub status: String,
    pub status_reason: String,
    pub status_text: String,
}

/// A row of either list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DocumentRow {
    /// It was received.
    Received(ReceivedRow),
    /// It was sent.
    Sent(SentRow),
}
