//! `hub resume`.

use std::path::PathBuf;

use clap::Args;
use consign_domain::Timestamp;
use consign_hub::{Mark, ResumeError};
use consign_runtime::files::LockError;
use serde::Serialize;

use super::{Home, Outcome, quoted, rebuilding};
use crate::commands::now;
use crate::failure::{Failure, exit};
use crate::output::Output;

/// Decide that a hub which lost data goes on without them.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign hub resume HUB           what is known, and what would be decided
  consign hub resume HUB --yes     decide; with the hub stopped

A hub that was restored from a backup, or that a node has proven to be behind, delivers what
it has and accepts nothing new. If newer data exist, stop the hub and put them in place of
these instead. Otherwise start it, let the nodes connect and show what they have, stop it and
decide. Every inbox then goes on at the next million, so that no number is given twice; nodes
note the gap, and send again what the hub does not know any more.")]
pub(crate) struct Resume {
    #[command(flatten)]
    home: Home,
    /// Go on without what was lost
    #[arg(long)]
    yes: bool,
    /// Nodes send again what was accepted or receipted after this time (as 2026-11-23T08:00:00Z);
    /// by default after the last envelope that the hub knows
    #[arg(long, value_name = "TIME")]
    lost_after: Option<Timestamp>,
}

#[derive(Serialize)]
struct Standing<'a> {
    hub: PathBuf,
    behind: bool,
    known: Option<&'a Mark>,
}

#[derive(Serialize)]
struct Decided<'a> {
    hub: PathBuf,
    behind: bool,
    decision: &'a consign_hub::Decision,
}

pub(super) fn run(arguments: &Resume, output: Output) -> Outcome {
    let hub = arguments.home.directory()?;
    let Some(mark) = consign_hub::standing(&hub)? else {
        output.line("This hub is not behind: there is nothing to decide.");
        let behind = false;
        let known = None;
        output.object(true, &Standing { hub, behind, known });
        return Ok(exit::DONE);
    };
    if !arguments.yes {
        show(&mark, output);
        output.line(format_args!(
            "To go on without what was lost, with the hub stopped: consign hub resume {} --yes",
            quoted(&hub)
        ));
        let (behind, known) = (true, Some(&mark));
        output.object(true, &Standing { hub, behind, known });
        return Ok(exit::DONE);
    }
    let progress = rebuilding(output);
    let decision = consign_hub::resume(&hub, arguments.lost_after, now(), progress)?;
    show(&decision.known, output);
    output.line(format_args!(
        "Decided: the hub goes on. Nodes send again what came after {}.",
        decision.lost_after
    ));
    output.line(format_args!("Next: consign hub run {}", quoted(&hub)));
    let answer = Decided {
        hub,
        behind: false,
        decision: &decision,
    };
    output.object(true, &answer);
    Ok(exit::DONE)
}

fn show(mark: &Mark, output: Output) {
    if let Some(since) = mark.since {
        output.line(format_args!("This hub accepts nothing since {since}."));
    }
    if let Some(from) = mark.restored {
        output.line(format_args!(
            "It was restored from a backup that was begun at {}.",
            from.created
        ));
    }
    let row = |(id, claim): (&consign_domain::AgencyId, &consign_hub::Claim)| {
        let code = claim.code.as_ref().map(ToString::to_string);
        vec![
            code.unwrap_or_else(|| id.to_string()),
            claim.seen.to_string(),
            claim.last.to_string(),
            if claim.proven { "yes" } else { "no" }.to_owned(),
            claim.noted.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = mark.agencies.iter().map(row).collect();
    output.table(
        &["AGENCY", "NODE HAS", "HUB HAS", "PROVEN", "SINCE"],
        &rows,
        "No node has shown yet that it has more than this hub.",
    );
}

impl From<ResumeError> for Failure {
    fn from(error: ResumeError) -> Self {
        let failure = Self::of(error.code(), &error);
        match error {
            ResumeError::Lock(LockError::Held { .. }) => {
                failure.fix("stop the hub first, then run it again")
            }
            ResumeError::NotBehind => failure.fix("start the hub: consign hub run"),
            _ => failure,
        }
    }
}
