//! `consign node archive`.

use clap::{Args, Subcommand};
use consign_proto::v1::{ArchiveView, RenewArchivesRequest};
use serde::Serialize;

use crate::cli::{AgencyChoice, NodeChoice};
use crate::commands::{Outcome, connect};
use crate::failure::exit;
use crate::output::Output;
use crate::views::known;

/// The long-term archives of a running node.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  consign node archive renew --node DIR")]
pub(crate) enum Archive {
    /// Archive what is not yet, and add a time-stamp to the archives that are due, or to those named
    Renew(Renew),
}

/// Add time-stamps to archives.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  consign node archive renew --node DIR                   what is due, as the node does by itself
  consign node archive renew 0198f2c4-7d1e-7 --node DIR   one document, now
  consign node archive renew --all --dry-run --node DIR   say what would be done
  consign node archive renew --all --node DIR             every archive that it serves
  consign node archive renew --now --node DIR             also what waits for revocation lists

A time-stamp ends with the certificate of its authority. The node adds another one in time by itself;
this is for when you do not want to wait, or set archive.digest to another algorithm in node.toml and
want all archives to have it. An archive has room for 64 time-stamps: --all passes over those that have
the digest already, unless the authority's certificate ends later by now. The documents in the archives
are never touched.")]
pub(crate) struct Renew {
    /// One document: the id of the envelope or the document, or its first 8 characters or more
    #[arg(value_name = "ID", conflicts_with = "all")]
    id: Option<String>,
    /// Every archive, also those that are not due
    #[arg(long)]
    all: bool,
    /// Do not wait for revocation lists: without them the roots are not enough to judge an archive
    #[arg(long)]
    now: bool,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    node: NodeChoice,
    #[command(flatten)]
    agency: AgencyChoice,
}

#[derive(Serialize)]
struct Answer {
    archived: u64,
    renewed: u64,
    failed: u64,
    documents: Vec<Document>,
}

#[derive(Serialize)]
struct Document {
    agency: String,
    id: String,
    directory: String,
    /// `archived`, `renewed`, `not-due`, `no-longer`, `not-yet`, `awaits-lists`, `nothing` or
    /// `failed`; in a dry run `would-archive` or `would-renew`.
    outcome: String,
    until: Option<String>,
    reason: Option<String>,
}

/// Renews.
pub(super) async fn renew(arguments: Renew, output: Output) -> Outcome {
    let mut node = connect(&arguments.node)?;
    let request = RenewArchivesRequest {
        agency: arguments.agency.text(),
        id: arguments.id.unwrap_or_default(),
        all: arguments.all,
        dry_run: arguments.dry_run,
        now: arguments.now,
    };
    let mut views = node.renew_archives(request).await?.into_inner();
    let mut answer = Answer {
        archived: 0,
        renewed: 0,
        failed: 0,
        documents: Vec::new(),
    };
    let mut bar = None;
    while let Some(view) = views.message().await? {
        let bar = bar.get_or_insert_with(|| output.count_bar(view.total, "archives"));
        bar.set_position(view.done);
        match view.outcome.as_str() {
            "archived" => answer.archived += 1,
            "renewed" => answer.renewed += 1,
            "failed" => answer.failed += 1,
            _ => {}
        }
        bar.suspend(|| output.line(sentence(&view)));
        answer.documents.push(Document::from(view));
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    output.line(format_args!(
        "{} documents: {} archived, {} renewed, {} failed",
        answer.documents.len(),
        answer.archived,
        answer.renewed,
        answer.failed
    ));
    let good = answer.failed == 0;
    output.object(good, &answer);
    Ok(if good { exit::DONE } else { exit::FAILED })
}

/// One document on one line.
fn sentence(view: &ArchiveView) -> String {
    let more = match view.outcome.as_str() {
        "archived" | "renewed" => {
            let stamped = format!("{}, stamped until {}", view.outcome, view.until);
            match view.reason.as_str() {
                "" => stamped,
                lacks => format!("{stamped}; {lacks}"),
            }
        }
        "failed" => format!("failed: {}", view.reason),
        "no-longer" => {
            "not renewed: the authority's certificate ends no later than that of the newest \
             time-stamp"
                .to_owned()
        }
        "not-due" => "not due".to_owned(),
        "not-yet" => "not yet: it waits for the time-stamp of its seal".to_owned(),
        "awaits-lists" => {
            "not yet: it waits for revocation lists; --now archives it without".to_owned()
        }
        "nothing" => "nothing to archive: neither container nor archive is there".to_owned(),
        "would-archive" => "would be archived".to_owned(),
        "would-renew" => "would be renewed".to_owned(),
        other => other.to_owned(),
    };
    format!("{}  {}  {more}", view.envelope_id, view.agency)
}

impl From<ArchiveView> for Document {
    fn from(view: ArchiveView) -> Self {
        Self {
            until: known(&view.until),
            reason: known(&view.reason),
            agency: view.agency,
            id: view.envelope_id,
            directory: view.directory,
            outcome: view.outcome,
        }
    }
}
