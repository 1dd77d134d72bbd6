//! `consign track`.

use clap::Args;
use consign_proto::v1::RecipientView;
use serde::Serialize;

use super::show::DocumentChoice;
use super::{Outcome, connect};
use crate::failure::{advice, exit};
use crate::output::Output;
use crate::views::{Recipient, Sent, TimeStamp};

/// Show what became of a sent document, recipient by recipient.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign track 0198f2c4-7d1e-7 --node DIR")]
pub(crate) struct Track {
    #[command(flatten)]
    document: DocumentChoice,
}

#[derive(Serialize)]
struct Answer {
    sent: Option<Sent>,
    recipients: Vec<Recipient>,
    /// Null where none was asked for.
    time_stamp: Option<TimeStamp>,
}

/// Asks the node and prints what it knows.
pub(crate) async fn run(track: Track, output: Output) -> Outcome {
    let mut node = connect(&track.document.node)?;
    let reply = node.track(track.document.request()).await?.into_inner();
    let sent = reply.row.as_ref().map(Sent::from);
    if let Some(sent) = &sent {
        let symbol = sent.symbol.as_deref().unwrap_or(&sent.id);
        // In words where it waits, as a code where it was refused.
        let because = sent.waiting.as_ref().or(sent.reason.as_ref());
        let because = because.map(|reason| format!(" ({reason})"));
        output.line(format_args!(
            "{symbol}: {}{}, handed over to {} of {}",
            sent.state,
            because.unwrap_or_default(),
            sent.handed_over,
            sent.recipients
        ));
        let refused = sent.reason.as_ref().filter(|_| sent.state == "rejected");
        if let Some(Ok(code)) = refused.map(|reason| reason.parse()) {
            output.line(format_args!("{}", advice(code)));
        }
    }
    let time_stamp = TimeStamp::of(reply.time_stamp.as_ref());
    if let Some(time_stamp) = &time_stamp {
        output.line(time_stamp.sentence());
    }
    let rows: Vec<Vec<String>> = reply.recipients.iter().map(row).collect();
    output.table(
        &["CODE", "NAME", "STATE", "SINCE", "STATUS", "WHY"],
        &rows,
        "No recipients.",
    );
    let recipients = reply.recipients.iter().map(Recipient::from).collect();
    let answer = Answer {
        sent,
        recipients,
        time_stamp,
    };
    output.object(true, &answer);
    Ok(exit::DONE)
}

fn row(view: &RecipientView) -> Vec<String> {
    let reasons = [&view.reason, &view.status_reason, &view.status_text];
    let said: Vec<&str> = reasons
        .into_iter()
        .map(String::as_str)
        .filter(|text| !text.is_empty())
        .collect();
    vec![
        view.code.clone(),
        view.name.clone(),
        view.state.clone(),
        view.since.clone(),
        view.status.clone(),
        said.join("; "),
    ]
}
