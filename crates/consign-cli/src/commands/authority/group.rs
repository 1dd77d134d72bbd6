//! `consign authority group`.

use clap::{Args, Subcommand};
use consign_authority::inspection::GroupSummary;
use consign_domain::text::Line;
use consign_domain::{AgencyCode, PartyCode};
use serde::Serialize;

use super::Place;
use super::reform::Then;
use crate::cli::agency_code;
use crate::commands::{Outcome, now};
use crate::failure::exit;
use crate::output::Output;

/// Name agencies that documents are sent to together.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  consign authority group add so-nganh --name 'Các sở, ngành' H49.13 H49.20 --publish --dir AUTHORITY
  consign authority group remove so-nganh H49.20 --publish --dir AUTHORITY
  consign send letter.pdf --to-group so-nganh --subject 'V/v họp giao ban' --node DIR

Groups are in the signed directory. The sender's node takes their members when the document is
composed; the envelope names these one by one.")]
pub(crate) enum Group {
    /// Put agencies into a group; make it if it is not there
    Add(Add),
    /// Take agencies out of a group, or end it
    Remove(Remove),
    /// List the groups
    List(List),
}

/// Put agencies into a group.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign authority group add so-nganh --name 'Các sở, ngành' H49.13 H49.20 --publish")]
pub(crate) struct Add {
    /// Its short name: a-z, 0-9 and -
    #[arg(value_name = "GROUP", value_parser = short_name)]
    group: PartyCode,
    /// The agencies' codes
    #[arg(value_name = "CODE", value_parser = agency_code)]
    agencies: Vec<AgencyCode>,
    /// What people call it; a new group needs it
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    then: Then,
}

/// Take agencies out of a group.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  consign authority group remove so-nganh H49.20 --publish
  consign authority group remove so-nganh --all --publish")]
pub(crate) struct Remove {
    /// Its short name
    #[arg(value_name = "GROUP", value_parser = short_name)]
    group: PartyCode,
    /// The agencies' codes
    #[arg(value_name = "CODE", value_parser = agency_code, required_unless_present = "all")]
    agencies: Vec<AgencyCode>,
    /// End the group
    #[arg(long, conflicts_with = "agencies")]
    all: bool,
    #[command(flatten)]
    then: Then,
}

/// List the groups.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign authority group list --dir AUTHORITY")]
pub(crate) struct List {
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Groups {
    groups: Vec<GroupSummary>,
}

/// Runs one of the commands.
pub(super) fn run(command: Group, output: Output) -> Outcome {
    match command {
        Group::Add(arguments) => add(arguments, output),
        Group::Remove(arguments) => remove(&arguments, output),
        Group::List(arguments) => list(&arguments, output),
    }
}

fn add(arguments: Add, output: Output) -> Outcome {
    let name = arguments.name.as_deref().map(Line::tidy).transpose()?;
    let (group, then) = (arguments.group, arguments.then);
    let (mut authority, dir) = then.open()?;
    let changed = authority.add_to_group(&group, name.as_ref(), &arguments.agencies, now())?;
    then.finish(&mut authority, &dir, (group.as_str(), changed), output)
}

fn remove(arguments: &Remove, output: Output) -> Outcome {
    let (group, then) = (&arguments.group, &arguments.then);
    let (mut authority, dir) = then.open()?;
    let changed = authority.remove_from_group(group, &arguments.agencies, now())?;
    then.finish(&mut authority, &dir, (group.as_str(), changed), output)
}

fn list(arguments: &List, output: Output) -> Outcome {
    let dir = arguments.place.directory()?;
    let groups = consign_authority::inspect(&dir, now())?.groups;
    print(groups.iter(), output);
    output.object(true, &Groups { groups });
    Ok(exit::DONE)
}

/// Prints groups as a table.
fn print<'a>(groups: impl Iterator<Item = &'a GroupSummary>, output: Output) {
    let row = |group: &GroupSummary| {
        let state = if group.current { "" } else { "ended" };
        vec![
            group.code.to_string(),
            group.name.clone(),
            state.to_owned(),
            group.members.join(" "),
        ]
    };
    let rows: Vec<Vec<String>> = groups.map(row).collect();
    let headings = ["GROUP", "NAME", "STATE", "MEMBERS"];
    output.table(
        &headings,
        &rows,
        "No groups yet: consign authority group add",
    );
}

fn short_name(text: &str) -> Result<PartyCode, String> {
    PartyCode::service(text).map_err(|_| "write a-z, 0-9 and -, as so-nganh".to_owned())
}
