//! What the node says, as `--json` shows it: stable names, absent where not known.

use consign_domain::document::Urgency;
use consign_domain::{End, Timestamp};
use consign_proto::v1;
use serde::Serialize;

use crate::output::{Output, Tone};

/// A text, or nothing where the message has an empty one.
pub(crate) fn known(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// The end that a text names, as seen from now; nothing where it names none.
pub(crate) fn ends(text: &str, now: Timestamp) -> Option<End> {
    Some(End::new(text.parse().ok()?, now))
}

/// Until when something lasts, and doubtful where fewer than so many days are left.
pub(crate) fn until(end: End, few: i64, output: Output) -> String {
    let text = format!("until {} ({} days)", end.at, end.days_left);
    match end.days_left {
        days if days < 0 => output.paint(Tone::Bad, format_args!("ended {}", end.at)),
        days if days < few => output.paint(Tone::Doubtful, text),
        _ => text,
    }
}

/// A document received.
#[derive(Debug, Serialize)]
pub(crate) struct Received {
    pub(crate) agency: String,
    pub(crate) sequence: u64,
    pub(crate) from: Sender,
    /// The envelope's id.
    pub(crate) id: String,
    pub(crate) document: Option<String>,
    pub(crate) symbol: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) document_type: Option<String>,
    pub(crate) issued_on: Option<String>,
    pub(crate) urgency: u32,
    pub(crate) state: String,
    pub(crate) verdict: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) received_at: Option<String>,
    pub(crate) forwarded: bool,
}

/// Who sent it.
#[derive(Debug, Serialize)]
pub(crate) struct Sender {
    pub(crate) code: String,
    pub(crate) name: Option<String>,
}

impl From<&v1::InboxRow> for Received {
    fn from(row: &v1::InboxRow) -> Self {
        Self {
            agency: row.agency.clone(),
            sequence: row.sequence,
            from: Sender {
                code: row.sender_code.clone(),
                name: known(&row.sender_name),
            },
            id: row.envelope_id.clone(),
            document: known(&row.document_id),
            symbol: known(&row.symbol),
            subject: known(&row.subject),
            document_type: known(&row.document_type),
            issued_on: known(&row.issued_on),
            urgency: row.urgency,
            state: row.state.clone(),
            verdict: known(&row.verdict),
            reason: known(&row.reason),
            received_at: known(&row.received_at),
            forwarded: row.forwarded,
        }
    }
}

/// A document sent.
#[derive(Debug, Serialize)]
pub(crate) struct Sent {
    pub(crate) agency: String,
    /// The envelope's id.
    pub(crate) id: String,
    pub(crate) document: Option<String>,
    pub(crate) symbol: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) document_type: Option<String>,
    pub(crate) issued_on: Option<String>,
    pub(crate) urgency: u32,
    pub(crate) state: String,
    pub(crate) recipients: u32,
    pub(crate) handed_over: u32,
    pub(crate) failed: u32,
    pub(crate) refused: u32,
    pub(crate) sent_at: Option<String>,
    pub(crate) reason: Option<String>,
    /// Why it waits, in words, and when it is tried again.
    pub(crate) waiting: Option<String>,
}

impl From<&v1::SentRow> for Sent {
    fn from(row: &v1::SentRow) -> Self {
        Self {
            agency: row.agency.clone(),
            id: row.envelope_id.clone(),
            document: known(&row.document_id),
            symbol: known(&row.symbol),
            subject: known(&row.subject),
            document_type: known(&row.document_type),
            issued_on: known(&row.issued_on),
            urgency: row.urgency,
            state: row.state.clone(),
            recipients: row.recipients,
            handed_over: row.handed_over,
            failed: row.failed,
            refused: row.refused,
            sent_at: known(&row.sent_at),
            reason: known(&row.reason),
            waiting: known(&row.waiting),
        }
    }
}

/// A piece of evidence.
#[derive(Debug, Serialize)]
pub(crate) struct Evidence {
    pub(crate) event: String,
    pub(crate) by: String,
    pub(crate) recipient: Option<String>,
    pub(crate) time: String,
    pub(crate) sequence: Option<u64>,
    pub(crate) reason: Option<String>,
}

impl From<&v1::EvidenceView> for Evidence {
    fn from(view: &v1::EvidenceView) -> Self {
        Self {
            event: view.event.clone(),
            by: view.by_code.clone(),
            recipient: known(&view.recipient_code),
            time: view.time.clone(),
            sequence: (view.sequence > 0).then_some(view.sequence),
            reason: known(&view.reason),
        }
    }
}

impl Evidence {
    /// One line: time, event, who said it, about whom.
    pub(crate) fn sentence(&self, output: Output) -> String {
        let tone = match self.reason {
            None => Tone::Good,
            Some(_) => Tone::Bad,
        };
        let mut text = format!(
            "{}  {}  signed by {}",
            self.time,
            output.paint(tone, &self.event),
            self.by
        );
        let about = self.recipient.as_ref().filter(|code| **code != self.by);
        if let Some(recipient) = about {
            text.push_str(&format!(", about {recipient}"));
        }
        if let Some(sequence) = self.sequence {
            text.push_str(&format!(", item {sequence} of its inbox"));
        }
        if let Some(reason) = &self.reason {
            text.push_str(&format!(": {reason}"));
        }
        text
    }
}

/// A file of a document.
#[derive(Debug, Serialize)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) media_type: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) size: u64,
    pub(crate) sha256: Option<String>,
}

impl From<&v1::FileView> for File {
    fn from(view: &v1::FileView) -> Self {
        Self {
            name: view.name.clone(),
            media_type: known(&view.media_type),
            title: known(&view.title),
            size: view.size,
            sha256: known(&view.sha256),
        }
    }
}

/// What became of a document at one recipient.
#[derive(Debug, Serialize)]
pub(crate) struct Recipient {
    pub(crate) code: String,
    pub(crate) name: Option<String>,
    pub(crate) state: String,
    pub(crate) reason: Option<String>,
    pub(crate) since: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) status_reason: Option<String>,
    pub(crate) status_text: Option<String>,
}

impl From<&v1::RecipientView> for Recipient {
    fn from(view: &v1::RecipientView) -> Self {
        Self {
            code: view.code.clone(),
            name: known(&view.name),
            state: view.state.clone(),
            reason: known(&view.reason),
            since: known(&view.since),
            status: known(&view.status),
            status_reason: known(&view.status_reason),
            status_text: known(&view.status_text),
        }
    }
}

/// How a sent document stands with the time-stamp of its seal.
#[derive(Debug, Serialize)]
pub(crate) struct TimeStamp {
    /// `sealed`, `awaited` or `afterwards`.
    pub(crate) state: String,
    pub(crate) at: Option<String>,
    pub(crate) why: Option<String>,
}

impl TimeStamp {
    /// What the node says of it; nothing where none is asked for.
    pub(crate) fn of(view: Option<&v1::TimeStampView>) -> Option<Self> {
        let view = view.filter(|view| !view.state.is_empty())?;
        Some(Self {
            state: view.state.clone(),
            at: known(&view.at),
            why: known(&view.why),
        })
    }

    /// For people.
    pub(crate) fn sentence(&self) -> String {
        let at = self.at.as_deref().unwrap_or_default();
        match (self.state.as_str(), &self.why) {
            ("sealed", _) => format!("time-stamped at {at}"),
            ("afterwards", _) => format!("time-stamped at {at}, afterwards"),
            (_, Some(why)) => format!("sealed without time-stamp, which is asked for: {why}"),
            _ => "sealed without time-stamp, which is asked for".to_owned(),
        }
    }
}

/// The word for an urgency; nothing for an ordinary document.
pub(crate) fn urgency(value: u32) -> &'static str {
    match Urgency::from_value(u64::from(value)) {
        Some(Urgency::Normal) | None => "",
        Some(urgency) => urgency.name(),
    }
}

/// A verdict in its tone; a dash before judgement.
pub(crate) fn verdict(output: Output, text: &str) -> String {
    let tone = match text {
        "TOTAL-PASSED" => Tone::Good,
        "TOTAL-FAILED" => Tone::Bad,
        "" => return "not judged yet".to_owned(),
        _ => Tone::Doubtful,
    };
    output.paint(tone, text)
}
