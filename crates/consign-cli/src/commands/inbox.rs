//! `consign inbox`.

use clap::Args;
use consign_proto::v1::{InboxRow, ListRequest};
use serde::Serialize;

use super::{Outcome, connect};
use crate::cli::{AgencyChoice, NodeChoice};
use crate::failure::exit;
use crate::output::Output;
use crate::views::{Received, urgency};

/// What a list shows.
#[derive(Debug, Args)]
pub(crate) struct Page {
    /// Only documents whose symbol, subject or agency has these words; accents may be left out
    #[arg(
        long,
        value_name = "WORDS",
        default_value = "",
        hide_default_value = true
    )]
    search: String,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Go on after the cursor that an earlier list ended with
    #[arg(
        long,
        value_name = "CURSOR",
        default_value = "",
        hide_default_value = true
    )]
    after: String,
}

impl Page {
    pub(crate) fn request(self, agency: String) -> ListRequest {
        ListRequest {
            agency,
            search: self.search,
            limit: self.limit,
            after: self.after,
        }
    }
}

/// List documents received, newest first.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  consign inbox --node DIR
  consign inbox --node DIR --agency H49.13 --search 'quang ninh' --json")]
pub(crate) struct Inbox {
    #[command(flatten)]
    node: NodeChoice,
    #[command(flatten)]
    pub(crate) agency: AgencyChoice,
    #[command(flatten)]
    page: Page,
}

#[derive(Serialize)]
struct Answer {
    documents: Vec<Received>,
    next: Option<String>,
}

/// Asks the node and prints what it has.
pub(crate) async fn run(inbox: Inbox, output: Output) -> Outcome {
    let mut node = connect(&inbox.node)?;
    let request = inbox.page.request(inbox.agency.text());
    let reply = node.inbox(request).await?.into_inner();
    let rows: Vec<Vec<String>> = reply.rows.iter().map(row).collect();
    let headings = [
        "AGENCY", "ITEM", "RECEIVED", "FROM", "SYMBOL", "VERDICT", "STATE", "URGENCY", "ID",
        "SUBJECT",
    ];
    output.table(&headings, &rows, "Nothing has been received yet.");
    if !reply.next.is_empty() {
        output.line(format_args!("More: consign inbox --after {}", reply.next));
    }
    let documents = reply.rows.iter().map(Received::from).collect();
    let next = crate::views::known(&reply.next);
    output.object(true, &Answer { documents, next });
    Ok(exit::DONE)
}

fn row(row: &InboxRow) -> Vec<String> {
    let verdict = match row.verdict.as_str() {
        "" => "-",
        verdict => verdict,
    };
    let state = match row.reason.as_str() {
        "" => row.state.clone(),
        reason => format!("{} ({reason})", row.state),
    };
    vec![
        row.agency.clone(),
        row.sequence.to_string(),
        row.received_at.clone(),
        row.sender_code.clone(),
        row.symbol.clone(),
        verdict.to_owned(),
        state,
        urgency(row.urgency).to_owned(),
        row.envelope_id.clone(),
        row.subject.clone(),
    ]
}
