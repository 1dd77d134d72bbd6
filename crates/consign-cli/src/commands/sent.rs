//! `consign sent`.

use clap::Args;
use consign_proto::v1::SentRow;
use serde::Serialize;

use super::inbox::Page;
use super::{Outcome, connect};
use crate::cli::{AgencyChoice, NodeChoice};
use crate::failure::exit;
use crate::output::Output;
use crate::views;

/// List documents sent, newest first.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  consign sent --node DIR
  consign sent --node DIR --agency H49.13 --limit 10 --json")]
pub(crate) struct Sent {
    #[command(flatten)]
    node: NodeChoice,
    #[command(flatten)]
    agency: AgencyChoice,
    #[command(flatten)]
    page: Page,
}

#[derive(Serialize)]
struct Answer {
    documents: Vec<views::Sent>,
    next: Option<String>,
}

/// Asks the node and prints what it has.
pub(crate) async fn run(sent: Sent, output: Output) -> Outcome {
    let mut node = connect(&sent.node)?;
    let request = sent.page.request(sent.agency.text());
    let reply = node.sent(request).await?.into_inner();
    let rows: Vec<Vec<String>> = reply.rows.iter().map(row).collect();
    let headings = [
        "AGENCY",
        "SENT",
        "SYMBOL",
        "STATE",
        "HANDED OVER",
        "ID",
        "SUBJECT",
    ];
    output.table(&headings, &rows, "Nothing has been sent yet.");
    if !reply.next.is_empty() {
        output.line(format_args!("More: consign sent --after {}", reply.next));
    }
    let documents = reply.rows.iter().map(views::Sent::from).collect();
    let next = views::known(&reply.next);
    output.object(true, &Answer { documents, next });
    Ok(exit::DONE)
}

fn row(row: &SentRow) -> Vec<String> {
    let state = match row.reason.as_str() {
        "" => row.state.clone(),
        reason => format!("{} ({reason})", row.state),
    };
    let mut delivered = format!("{}/{}", row.handed_over, row.recipients);
    if row.failed + row.refused > 0 {
        delivered.push_str(&format!(
            " ({} failed, {} refused)",
            row.failed, row.refused
        ));
    }
    vec![
        row.agency.clone(),
        row.sent_at.clone(),
        row.symbol.clone(),
        state,
        delivered,
        row.envelope_id.clone(),
        row.subject.clone(),
    ]
}
