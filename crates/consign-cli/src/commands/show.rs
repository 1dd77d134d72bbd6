//! `consign show`.

use clap::Args;
use consign_proto::v1::document_reply::Row;
use consign_proto::v1::{DocumentReply, DocumentRequest};
use serde::Serialize;
use serde_json::Value;

use super::verify::wording;
use super::{Outcome, connect};
use crate::cli::{AgencyChoice, NodeChoice};
use crate::failure::exit;
use crate::output::{Output, Tone};
use crate::views::{Evidence, File, Received, Sent, TimeStamp, known, verdict};

/// Which document.
#[derive(Debug, Args)]
pub(crate) struct DocumentChoice {
    /// The id of the envelope or the document, or its first 8 characters or more
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) node: NodeChoice,
    #[command(flatten)]
    agency: AgencyChoice,
}

impl DocumentChoice {
    pub(crate) fn request(&self) -> DocumentRequest {
        DocumentRequest {
            agency: self.agency.text(),
            id: self.id.clone(),
        }
    }
}

/// Show one document: verdict, fields, files, evidence.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign show 0198f2c4-7d1e-7 --node DIR")]
pub(crate) struct Show {
    #[command(flatten)]
    document: DocumentChoice,
}

#[derive(Serialize)]
struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    received: Option<Received>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent: Option<Sent>,
    /// `document.json`; null before it is opened.
    document: Value,
    /// The verdict's report; null before judgement.
    report: Value,
    files: Vec<File>,
    evidence: Vec<Evidence>,
    /// Of a sent document whose seal has a time-stamp, or waits for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    time_stamp: Option<TimeStamp>,
    directory: Option<String>,
}

/// Asks the node and prints what it knows.
pub(crate) async fn run(show: Show, output: Output) -> Outcome {
    let mut node = connect(&show.document.node)?;
    let reply = node.show(show.document.request()).await?.into_inner();
    let answer = Answer::from(&reply);
    print(&answer, output);
    output.object(true, &answer);
    Ok(exit::DONE)
}

impl From<&DocumentReply> for Answer {
    fn from(reply: &DocumentReply) -> Self {
        let (received, sent) = match &reply.row {
            Some(Row::Received(row)) => (Some(Received::from(row)), None),
            Some(Row::Sent(row)) => (None, Some(Sent::from(row))),
            None => (None, None),
        };
        let json = |bytes: &[u8]| serde_json::from_slice(bytes).unwrap_or(Value::Null);
        Self {
            received,
            sent,
            document: json(&reply.document_json),
            report: json(&reply.report_json),
            files: reply.files.iter().map(File::from).collect(),
            evidence: reply.evidence.iter().map(Evidence::from).collect(),
            time_stamp: TimeStamp::of(reply.time_stamp.as_ref()),
            directory: known(&reply.directory),
        }
    }
}

fn print(answer: &Answer, output: Output) {
    if let Some(received) = &answer.received {
        let text = received.verdict.as_deref().unwrap_or_default();
        let reason = received.reason.as_deref();
        let because = reason
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        output.line(format_args!("{}{because}", verdict(output, text)));
        output.line(format_args!(
            "received by {} from {} {} as item {} ({})",
            received.agency,
            received.from.code,
            received.from.name.as_deref().unwrap_or_default(),
            received.sequence,
            received.state
        ));
    }
    if let Some(sent) = &answer.sent {
        output.line(format_args!(
            "sent by {}: {}, handed over to {} of {}",
            sent.agency, sent.state, sent.handed_over, sent.recipients
        ));
    }
    if let Some(time_stamp) = &answer.time_stamp {
        output.line(time_stamp.sentence());
    }
    heading(output, "Document");
    for line in wording::document_value(&answer.document) {
        output.line(format_args!("  {line}"));
    }
    heading(output, "Files");
    for file in &answer.files {
        let title = file.title.as_deref().unwrap_or_default();
        output.line(format_args!(
            "  {}  {} bytes  {title}",
            file.name, file.size
        ));
    }
    let checks = wording::report_value(&answer.report, output);
    if !checks.is_empty() {
        heading(output, "Checks");
        for line in checks {
            output.line(format_args!("  {line}"));
        }
    }
    heading(output, "Evidence");
    for evidence in &answer.evidence {
        output.line(format_args!("  {}", evidence.sentence(output)));
    }
    if let Some(directory) = &answer.directory {
        output.line(format_args!("\nKept in {directory}"));
    }
}

fn heading(output: Output, text: &str) {
    output.line(format_args!("\n{}", output.paint(Tone::Strong, text)));
}
