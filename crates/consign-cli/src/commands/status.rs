//! `consign status`.

use clap::Args;
use consign_proto::v1::{AgencyView, StatusReply, StatusRequest};
use serde::Serialize;

use super::{Outcome, connect};
use crate::cli::NodeChoice;
use crate::failure::exit;
use crate::output::{Output, Tone};
use crate::views::known;

/// Show the node's connection, queues, clock and directory.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  consign status --node DIR
  CONSIGN_NODE=DIR consign status --json")]
pub(crate) struct Status {
    #[command(flatten)]
    node: NodeChoice,
}

#[derive(Serialize)]
struct Answer {
    node: String,
    connection: String,
    connection_code: Option<String>,
    connection_reason: Option<String>,
    hub: Option<String>,
    hub_address: Option<String>,
    /// Null where it is not known.
    clock_skew_ms: Option<i64>,
    directory_version: u64,
    directory_expires: Option<String>,
    last_contact: Option<String>,
    free_disk_bytes: u64,
    /// `hub`, `none` or a URL.
    time_stamps: Option<String>,
    /// Null until there was one.
    time_stamps_until: Option<String>,
    time_stamps_reason: Option<String>,
    /// Why a document is not archived or an archive not renewed; null where none is amiss.
    archive_reason: Option<String>,
    agencies: Vec<Agency>,
}

#[derive(Serialize)]
struct Agency {
    code: String,
    name: String,
    id: String,
    outbox_waiting: u64,
    oldest_waiting: Option<String>,
    inbox_cursor: u64,
    inbox_held: u64,
    payloads_to_fetch: u64,
    stamps_awaited: u64,
    /// The token that keeps the seal key; null where it is a file.
    seal_keeper: Option<String>,
    /// Why that token does not sign; null where it does.
    seal_reason: Option<String>,
    archived: u64,
    archives_awaited: u64,
    /// When the first of the archives' time-stamps ends; null where there are none.
    archives_until: Option<String>,
}

/// Asks the node and prints how it is.
pub(crate) async fn run(status: Status, output: Output) -> Outcome {
    let mut node = connect(&status.node)?;
    let reply = node.status(StatusRequest {}).await?.into_inner();
    print(&reply, output);
    output.object(true, &Answer::from(&reply));
    Ok(exit::DONE)
}

impl From<&StatusReply> for Answer {
    fn from(reply: &StatusReply) -> Self {
        Self {
            node: reply.node.clone(),
            connection: reply.connection.clone(),
            connection_code: known(&reply.connection_code),
            connection_reason: known(&reply.connection_reason),
            hub: known(&reply.hub),
            hub_address: known(&reply.hub_address),
            clock_skew_ms: reply.clock_skew_ms,
            directory_version: reply.directory_version,
            directory_expires: known(&reply.directory_expires),
            last_contact: known(&reply.last_contact),
            free_disk_bytes: reply.free_disk_bytes,
            time_stamps: known(&reply.time_stamps),
            time_stamps_until: known(&reply.time_stamps_until),
            time_stamps_reason: known(&reply.time_stamps_reason),
            archive_reason: known(&reply.archive_reason),
            agencies: reply.agencies.iter().map(Agency::from).collect(),
        }
    }
}

impl From<&AgencyView> for Agency {
    fn from(view: &AgencyView) -> Self {
        Self {
            code: view.code.clone(),
            name: view.name.clone(),
            id: view.id.clone(),
            outbox_waiting: view.outbox_waiting,
            oldest_waiting: known(&view.oldest_waiting),
            inbox_cursor: view.inbox_cursor,
            inbox_held: view.inbox_held,
            payloads_to_fetch: view.payloads_to_fetch,
            stamps_awaited: view.stamps_awaited,
            seal_keeper: known(&view.seal_keeper),
            seal_reason: known(&view.seal_reason),
            archived: view.archived,
            archives_awaited: view.archives_awaited,
            archives_until: known(&view.archives_until),
        }
    }
}

fn print(reply: &StatusReply, output: Output) {
    let tone = match reply.connection.as_str() {
        "connected" => Tone::Good,
        "refused" => Tone::Bad,
        _ => Tone::Doubtful,
    };
    let field = |name: &str, value: String| output.line(format_args!("{name:<12} {value}"));
    field("node", reply.node.clone());
    let mut connection = output.paint(tone, &reply.connection);
    for why in [&reply.connection_code, &reply.connection_reason] {
        if !why.is_empty() {
            connection.push_str(&format!(", {why}"));
        }
    }
    field("connection", connection);
    field(
        "hub",
        format!(
            "{} at {}",
            or_unknown(&reply.hub),
            or_unknown(&reply.hub_address)
        ),
    );
    field("last contact", or_unknown(&reply.last_contact).to_owned());
    field(
        "clock",
        match reply.clock_skew_ms {
            None => "unknown: not compared with the hub's yet".to_owned(),
            Some(skew) => format!("the hub's is {skew} ms ahead of this one"),
        },
    );
    let (version, expires) = (
        reply.directory_version,
        or_unknown(&reply.directory_expires),
    );
    field("directory", format!("version {version}, expires {expires}"));
    field("disk", format!("{} MiB free", reply.free_disk_bytes >> 20));
    field("time-stamps", time_stamps(reply));
    let kept = reply.agencies.iter();
    for view in kept.filter(|view| !view.seal_keeper.is_empty()) {
        let (tone, how) = match view.seal_reason.as_str() {
            "" => (Tone::Good, "signs"),
            reason => (Tone::Bad, reason),
        };
        let how = output.paint(tone, how);
        field(
            "seal",
            format!("{} in the {}: {how}", view.code, view.seal_keeper),
        );
    }
    field("archive", archive(reply));
    output.line("");
    let rows: Vec<Vec<String>> = reply.agencies.iter().map(row).collect();
    let headings = [
        "AGENCY",
        "NAME",
        "TO SEND",
        "OLDEST",
        "ITEMS STORED",
        "HELD",
        "TO FETCH",
    ];
    output.table(&headings, &rows, "No agencies.");
}

/// Who gives time-stamps, how long its certificate is good, and what it owes.
fn time_stamps(reply: &StatusReply) -> String {
    let mut text = match reply.time_stamps.as_str() {
        "none" => return "none: documents are sealed without".to_owned(),
        "hub" => "by the hub".to_owned(),
        source => format!("by {}", or_unknown(source)),
    };
    if !reply.time_stamps_until.is_empty() {
        text.push_str(&format!(", certificate until {}", reply.time_stamps_until));
    }
    let awaited: u64 = reply.agencies.iter().map(|view| view.stamps_awaited).sum();
    if awaited > 0 {
        text.push_str(&format!(", {awaited} sealed without and asked for"));
    }
    if !reply.time_stamps_reason.is_empty() {
        text.push_str(&format!("; none now: {}", reply.time_stamps_reason));
    }
    text
}

/// What has a long-term archive, what waits for one, and what keeps it.
fn archive(reply: &StatusReply) -> String {
    let of = |count: fn(&AgencyView) -> u64| reply.agencies.iter().map(count).sum::<u64>();
    let mut text = format!("{} documents", of(|view| view.archived));
    let until = reply.agencies.iter().map(|view| &view.archives_until);
    if let Some(until) = until.filter(|until| !until.is_empty()).min() {
        text.push_str(&format!(", stamped until {until} at least"));
    }
    let awaited = of(|view| view.archives_awaited);
    if awaited > 0 {
        text.push_str(&format!(", {awaited} to archive"));
    }
    if !reply.archive_reason.is_empty() {
        text.push_str(&format!("; not archived: {}", reply.archive_reason));
    }
    text
}

fn row(view: &AgencyView) -> Vec<String> {
    vec![
        view.code.clone(),
        view.name.clone(),
        view.outbox_waiting.to_string(),
        view.oldest_waiting.clone(),
        view.inbox_cursor.to_string(),
        view.inbox_held.to_string(),
        view.payloads_to_fetch.to_string(),
    ]
}

fn or_unknown(text: &str) -> &str {
    if text.is_empty() { "unknown" } else { text }
}
