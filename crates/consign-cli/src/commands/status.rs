//! `consign status`.

use clap::Args;
use consign_domain::Timestamp;
use consign_proto::v1::{AgencyView, StatusReply, StatusRequest};
use serde::Serialize;

use super::{Outcome, connect, now};
use crate::cli::NodeChoice;
use crate::failure::exit;
use crate::output::{Output, Tone};
use crate::views::{ends, known, until};

/// With fewer days left of a seal or key it is shown as doubtful: seals are renewed by people, and
/// keys should have renewed themselves long before.
const FEW_DAYS: i64 = 60;

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
    /// `young`, `old`, `ending` or `expired`.
    directory_age: Option<String>,
    /// When the node's TLS certificate ends.
    tls_until: Option<String>,
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
    seal_until: Option<String>,
    /// Whole days until then; negative after it.
    seal_days_left: Option<i64>,
    statement_key_until: Option<String>,
    encryption_key_until: Option<String>,
}

/// Asks the node and prints how it is.
pub(crate) async fn run(status: Status, output: Output) -> Outcome {
    let mut node = connect(&status.node)?;
    let reply = node.status(StatusRequest {}).await?.into_inner();
    print(&reply, now(), output);
    output.object(true, &Answer::new(&reply, now()));
    Ok(exit::DONE)
}

impl Answer {
    fn new(reply: &StatusReply, now: Timestamp) -> Self {
        let agencies = reply.agencies.iter();
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
            directory_age: known(&reply.directory_age),
            tls_until: known(&reply.tls_until),
            last_contact: known(&reply.last_contact),
            free_disk_bytes: reply.free_disk_bytes,
            time_stamps: known(&reply.time_stamps),
            time_stamps_until: known(&reply.time_stamps_until),
            time_stamps_reason: known(&reply.time_stamps_reason),
            archive_reason: known(&reply.archive_reason),
            agencies: agencies.map(|view| Agency::new(view, now)).collect(),
        }
    }
}

impl Agency {
    fn new(view: &AgencyView, now: Timestamp) -> Self {
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
            seal_until: known(&view.seal_until),
            seal_days_left: ends(&view.seal_until, now).map(|end| end.days_left),
            statement_key_until: known(&view.statement_key_until),
            encryption_key_until: known(&view.encryption_key_until),
        }
    }
}

fn print(reply: &StatusReply, now: Timestamp, output: Output) {
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
    field("directory", directory(reply, now, output));
    field("keys", keys(reply, now, output));
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
    let rows = reply.agencies.iter();
    let rows: Vec<Vec<String>> = rows.map(|view| row(view, now, output)).collect();
    let headings = [
        "AGENCY",
        "NAME",
        "TO SEND",
        "OLDEST",
        "ITEMS STORED",
        "HELD",
        "TO FETCH",
        "SEAL",
    ];
    output.table(&headings, &rows, "No agencies.");
}

/// Which version, and how long it decides: the node says how old that is for its life.
fn directory(reply: &StatusReply, now: Timestamp, output: Output) -> String {
    let expires = match ends(&reply.directory_expires, now) {
        Some(end) if end.days_left < 0 => format!("expired {}", end.at),
        Some(end) => format!("expires {} ({} days)", end.at, end.days_left),
        None => "expires unknown".to_owned(),
    };
    let expires = match reply.directory_age.as_str() {
        "old" => output.paint(Tone::Doubtful, expires),
        "ending" | "expired" => output.paint(Tone::Bad, expires),
        _ => expires,
    };
    format!("version {}, {expires}", reply.directory_version)
}

/// How long the keys last that renew themselves; of several agencies', those that end first.
fn keys(reply: &StatusReply, now: Timestamp, output: Output) -> String {
    let first = |until: fn(&AgencyView) -> &String| {
        let all = reply.agencies.iter().map(until);
        let first = all.filter(|until| !until.is_empty()).min();
        lasts(first.map_or("", String::as_str), now, output)
    };
    format!(
        "TLS {}, statements {}, encryption {}",
        lasts(&reply.tls_until, now, output),
        first(|view| &view.statement_key_until),
        first(|view| &view.encryption_key_until)
    )
}

fn lasts(text: &str, now: Timestamp, output: Output) -> String {
    let end = ends(text, now).map(|end| until(end, FEW_DAYS, output));
    end.unwrap_or_else(|| "until unknown".to_owned())
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

fn row(view: &AgencyView, now: Timestamp, output: Output) -> Vec<String> {
    vec![
        view.code.clone(),
        view.name.clone(),
        view.outbox_waiting.to_string(),
        view.oldest_waiting.clone(),
        view.inbox_cursor.to_string(),
        view.inbox_held.to_string(),
        view.payloads_to_fetch.to_string(),
        lasts(&view.seal_until, now, output),
    ]
}

fn or_unknown(text: &str) -> &str {
    if text.is_empty() { "unknown" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-23T02:30:00Z".parse().unwrap()
    }

    fn in_days(days: u64) -> String {
        now().plus_seconds(days * 86_400).to_string()
    }

    #[test]
    fn a_seal_is_doubtful_when_fewer_than_60_days_are_left_and_bad_once_it_is_over() {
        let of = |seal_until| {
            let view = AgencyView {
                seal_until,
                ..AgencyView::default()
            };
            row(&view, now(), Output::in_colours(true)).pop().unwrap()
        };
        assert_eq!(of(in_days(60)), "until 2027-01-22T02:30:00Z (60 days)");
        let few = "\u{1b}[33muntil 2027-01-21T02:30:00Z (59 days)\u{1b}[0m";
        assert_eq!(of(in_days(59)), few);
        let over = "\u{1b}[31mended 2026-11-22T02:30:00Z\u{1b}[0m";
        assert_eq!(of("2026-11-22T02:30:00Z".to_owned()), over);
        assert_eq!(of(String::new()), "until unknown");
    }

    #[test]
    fn the_directory_is_coloured_by_its_age() {
        let of = |age: &str| {
            let reply = StatusReply {
                directory_version: 7,
                directory_expires: in_days(10),
                directory_age: age.to_owned(),
                ..StatusReply::default()
            };
            directory(&reply, now(), Output::in_colours(true))
        };
        let text = "expires 2026-12-03T02:30:00Z (10 days)";
        assert_eq!(of("young"), format!("version 7, {text}"));
        assert_eq!(of("old"), format!("version 7, \u{1b}[33m{text}\u{1b}[0m"));
        assert_eq!(of("ending"), of("expired"));
        assert_eq!(
            of("ending"),
            format!("version 7, \u{1b}[31m{text}\u{1b}[0m")
        );
    }

    #[test]
    fn of_several_agencies_keys_those_are_shown_that_end_first() {
        let agency = |days| AgencyView {
            statement_key_until: in_days(days),
            ..AgencyView::default()
        };
        let reply = StatusReply {
            tls_until: in_days(300),
            agencies: vec![agency(200), agency(100)],
            ..StatusReply::default()
        };
        let plain = Output::in_colours(false);
        assert_eq!(
            keys(&reply, now(), plain),
            format!(
                "TLS until {} (300 days), statements until {} (100 days), encryption until unknown",
                in_days(300),
                in_days(100)
            )
        );
    }

    #[test]
    fn json_has_the_ends_and_the_days_that_a_seal_has_left() {
        let reply = StatusReply {
            directory_age: "old".to_owned(),
            tls_until: in_days(300),
            agencies: vec![AgencyView {
                seal_until: in_days(41),
                ..AgencyView::default()
            }],
            ..StatusReply::default()
        };
        let answer = serde_json::to_value(Answer::new(&reply, now())).unwrap();
        assert_eq!(answer["directory_age"], "old");
        assert_eq!(answer["tls_until"], in_days(300));
        let agency = &answer["agencies"][0];
        assert_eq!(agency["seal_until"], in_days(41));
        assert_eq!(agency["seal_days_left"], 41);
        assert!(agency["statement_key_until"].is_null());
    }
}
