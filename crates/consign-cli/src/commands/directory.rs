//! `consign directory`: the signed directory, read from disk and verified.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use consign_domain::directory::{AgencyEntry, EntryState};
use consign_domain::{ErrorCode, Timestamp};
use consign_verify::Directory as Verified;
use serde::Serialize;
use serde_json::Value;

use super::verify::Trust;
use super::{Outcome, now};
use crate::cli::NodeChoice;
use crate::failure::{Failure, exit};
use crate::output::{Output, Tone};

/// Look into the signed directory.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  consign directory show --node DIR")]
pub(crate) enum Directory {
    /// Show the newest directory after verifying it: agencies, nodes, hubs
    Show(Show),
}

/// Show the newest directory after verifying it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  consign directory show --node DIR
  consign directory show --trust trust/trust.json --json")]
pub(crate) struct Show {
    #[command(flatten)]
    node: NodeChoice,
    /// A trust file with its directory beside it, instead of a node's
    #[arg(long, value_name = "FILE", conflicts_with = "node")]
    trust: Option<PathBuf>,
}

#[derive(Serialize)]
struct Answer {
    network: String,
    network_name: String,
    version: u64,
    issued: Timestamp,
    expires: Timestamp,
    expired: bool,
    agencies: Vec<Agency>,
    /// The entries as they were signed.
    entries: Vec<Value>,
}

#[derive(Serialize)]
struct Agency {
    code: Option<String>,
    name: Option<String>,
    state: EntryState,
    node: String,
    hub: String,
    id: String,
}

/// Reads, verifies and prints.
pub(crate) fn run(directory: &Directory, output: Output) -> Outcome {
    let Directory::Show(show) = directory;
    let path = match &show.trust {
        Some(path) => path.clone(),
        None => show.node.directory()?.join("trust").join("trust.json"),
    };
    let trust = Trust::load(&path)?;
    let (Some(store), Some(directory)) = (trust.store(), trust.directory()) else {
        let message = format!("no directory lies beside {}", path.display());
        return Err(Failure::new(ErrorCode::NotFound, message)
            .fix("publish one: consign authority publish"));
    };
    let answer = Answer::new(store.name(), directory, now());
    print(&answer, output);
    output.object(true, &answer);
    Ok(exit::DONE)
}

impl Answer {
    fn new(name: &str, directory: &Verified, now: Timestamp) -> Self {
        let head = directory.head();
        let agency = |entry| Agency::new(entry, directory, now);
        let mut agencies: Vec<Agency> = directory.agencies().map(agency).collect();
        agencies.sort_by(|one, other| (&one.code, &one.id).cmp(&(&other.code, &other.id)));
        let lines = directory.entries().split(|byte| *byte == b'\n');
        Self {
            network: head.network.to_string(),
            network_name: name.to_owned(),
            version: head.version().value(),
            issued: head.time,
            expires: head.expires,
            expired: !directory.is_fresh(now),
            agencies,
            entries: lines
                .filter_map(|line| serde_json::from_slice(line).ok())
                .collect(),
        }
    }
}

impl Agency {
    fn new(entry: &AgencyEntry, directory: &Verified, now: Timestamp) -> Self {
        let node = directory.node(entry.node).map(|node| node.name.to_string());
        let hub = directory.hub(entry.hub).map(|hub| hub.code.to_string());
        Self {
            code: entry.code_at(now).map(ToString::to_string),
            name: entry.name_at(now).map(ToOwned::to_owned),
            state: entry.state,
            node: node.unwrap_or_else(|| entry.node.to_string()),
            hub: hub.unwrap_or_else(|| entry.hub.to_string()),
            id: entry.id.to_string(),
        }
    }
}

fn print(answer: &Answer, output: Output) {
    let expired = if answer.expired {
        output.paint(Tone::Bad, " (expired: ask the authority to publish)")
    } else {
        String::new()
    };
    output.line(format_args!(
        "{}: directory version {}, issued {}, expires {}{expired}",
        answer.network_name, answer.version, answer.issued, answer.expires
    ));
    output.line("");
    let row = |agency: &Agency| {
        vec![
            agency.code.clone().unwrap_or_else(|| "-".to_owned()),
            agency.name.clone().unwrap_or_else(|| "-".to_owned()),
            state(agency.state).to_owned(),
            agency.node.clone(),
            agency.hub.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = answer.agencies.iter().map(row).collect();
    output.table(
        &["CODE", "NAME", "STATE", "NODE", "HUB"],
        &rows,
        "No agencies yet.",
    );
}

/// The word for a state.
pub(crate) const fn state(state: EntryState) -> &'static str {
    match state {
        EntryState::Active => "active",
        EntryState::Suspended => "suspended",
        _ => "closed",
    }
}
