//! `consign directory`: the signed directory, read from disk and verified.

mod check;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use consign_domain::directory::{AgencyEntry, Entry, EntryState, GroupEntry};
use consign_domain::{AgencyId, ErrorCode, Timestamp};
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
#[command(after_help = "Examples:
  consign directory show --node DIR
  consign directory show H49.13 --node DIR --proof proof.json
  consign directory check proof.json --trust trust/trust.json")]
pub(crate) enum Directory {
    /// Show the newest directory after verifying it: agencies, nodes, hubs, groups
    Show(Show),
    /// Check the proof of an entry with the trust file alone
    Check(check::Check),
}

/// Show the newest directory after verifying it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  consign directory show --node DIR
  consign directory show --trust trust/trust.json --json
  consign directory show H49.13 --node DIR --proof proof.json")]
pub(crate) struct Show {
    /// The code of an agency, hub or group; everyone, if it is left out
    #[arg(value_name = "CODE")]
    code: Option<String>,
    /// Write the entry with its path and the signed head into a file, for others to check
    #[arg(long, value_name = "FILE", requires = "code")]
    proof: Option<PathBuf>,
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
    groups: Vec<Group>,
    /// The entries as they were signed.
    entries: Vec<Value>,
}

#[derive(Serialize)]
struct Agency {
    code: Option<String>,
    name: Option<String>,
    state: EntryState,
    /// Whether its keys were revoked, and it has no others.
    revoked: bool,
    node: String,
    hub: String,
    id: String,
}

#[derive(Serialize)]
struct Group {
    code: String,
    name: String,
    /// The members' codes, in order.
    members: Vec<String>,
}

/// Reads, verifies and prints.
pub(crate) fn run(directory: &Directory, output: Output) -> Outcome {
    match directory {
        Directory::Show(arguments) => show(arguments, output),
        Directory::Check(arguments) => check::run(arguments, output),
    }
}

fn show(show: &Show, output: Output) -> Outcome {
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
    let only = match &show.code {
        Some(code) => Some(check::id_of(code, directory, &path)?),
        None => None,
    };
    if let (Some(id), Some(file)) = (only, &show.proof) {
        check::write(directory, id, file)?;
    }
    let answer = Answer::new(store.name(), directory, only, now());
    print(&answer, output);
    output.object(true, &answer);
    Ok(exit::DONE)
}

impl Answer {
    fn new(name: &str, directory: &Verified, only: Option<[u8; 16]>, now: Timestamp) -> Self {
        let head = directory.head();
        let agency = |entry| Agency::new(entry, directory, now);
        let wanted = |id: [u8; 16]| only.is_none_or(|only| only == id);
        let agencies = directory.agencies();
        let agencies = agencies.filter(|entry| wanted(entry.id.to_bytes()));
        let mut agencies: Vec<Agency> = agencies.map(agency).collect();
        agencies.sort_by(|one, other| (&one.code, &one.id).cmp(&(&other.code, &other.id)));
        let groups = directory
            .groups()
            .filter(|group| wanted(group.id.to_bytes()) && group.validity.contains(now));
        let groups = groups
            .map(|group| Group::new(group, directory, now))
            .collect();
        let lines = directory.entries().split(|byte| *byte == b'\n');
        Self {
            network: head.network.to_string(),
            network_name: name.to_owned(),
            version: head.version().value(),
            issued: head.time,
            expires: head.expires,
            expired: !directory.is_fresh(now),
            agencies,
            groups,
            entries: lines
                .filter(|line| Entry::parse(line).is_ok_and(|entry| wanted(entry.id())))
                .filter_map(|line| serde_json::from_slice(line).ok())
                .collect(),
        }
    }
}

impl Group {
    fn new(group: &GroupEntry, directory: &Verified, now: Timestamp) -> Self {
        let code = |id: &AgencyId| {
            let code = directory.agency(*id).and_then(|agency| agency.code_at(now));
            code.map_or_else(|| id.to_string(), ToString::to_string)
        };
        let mut members: Vec<String> = group.members.iter().map(code).collect();
        members.sort();
        Self {
            code: group.code.to_string(),
            name: group.name.to_string(),
            members,
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
            revoked: entry.is_revoked(),
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
            agency_state(agency.state, agency.revoked).to_owned(),
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
    if answer.groups.is_empty() {
        return;
    }
    let row = |group: &Group| {
        vec![
            group.code.clone(),
            group.name.clone(),
            group.members.join(" "),
        ]
    };
    let rows: Vec<Vec<String>> = answer.groups.iter().map(row).collect();
    output.line("");
    output.table(&["GROUP", "NAME", "MEMBERS"], &rows, "No groups.");
}

/// The word for the state of an agency, whose keys may have been revoked.
pub(crate) const fn agency_state(standing: EntryState, revoked: bool) -> &'static str {
    match standing {
        EntryState::Active if revoked => "keys revoked",
        _ => state(standing),
    }
}

/// The word for a state.
pub(crate) const fn state(state: EntryState) -> &'static str {
    match state {
        EntryState::Active => "active",
        EntryState::Suspended => "suspended",
        _ => "closed",
    }
}
