//! Invitations, and requests that wait for an operator.

use clap::Args;
use consign_authority::{
    Authority, InvitationSummary, InviteOptions, IssueOptions, PendingRequest, PublishOptions,
    service,
};
use consign_domain::text::Line;
use consign_domain::{AgencyCode, PartyCode};
use serde::Serialize;

use super::{Place, hub_code, party_code};
use crate::cli::agency_code;
use crate::commands::{Outcome, now, quoted};
use crate::failure::{Failure, exit};
use crate::output::Output;

/// Invite an agency or hub.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  consign authority invite H49.13 --name 'Sở Nội vụ' --parent H49 --dir AUTHORITY
  consign authority invite hub-1 --address hub.example.vn:4433 --dir AUTHORITY

The token counts once, for the keys that are made with it. Give it to the invited party by a way
that nobody else reads. For a party that is registered already it lets new keys take the place
of those that it has, after a loss or a revocation; and where its seal is about to end, the seal's
key gets another certificate.")]
pub(crate) struct Invite {
    /// An agency's code, or a hub's name
    #[arg(value_name = "CODE")]
    code: String,
    #[command(flatten)]
    place: Place,
    /// An agency's name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The code of the agency above it
    #[arg(long, value_name = "CODE", value_parser = agency_code)]
    parent: Option<AgencyCode>,
    /// The hub that is to hold an agency's inbox, where there are several
    #[arg(long, value_name = "HUB", value_parser = hub_code)]
    hub: Option<PartyCode>,
    /// Where a hub is reached
    #[arg(long, value_name = "NAME:PORT")]
    address: Option<String>,
    /// How many days the token counts
    #[arg(long, value_name = "DAYS", default_value_t = 14, value_parser = clap::value_parser!(u64).range(1..=366))]
    days: u64,
}

/// List or withdraw invitations.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  consign authority invitations --dir AUTHORITY
  consign authority invitations --withdraw H49.13 --dir AUTHORITY")]
pub(crate) struct Invitations {
    #[command(flatten)]
    place: Place,
    /// Withdraw the open invitations of a code
    #[arg(long, value_name = "CODE")]
    withdraw: Option<String>,
}

/// List the requests that wait.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign authority pending --dir AUTHORITY")]
pub(crate) struct Pending {
    #[command(flatten)]
    place: Place,
}

/// Enrol the parties of a request that waits.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign authority approve 3f2a9c0d11e47b62 --dir AUTHORITY

Anybody can leave a request. Make sure that it is theirs, by the reference that they were told.")]
pub(crate) struct Approve {
    /// What `authority pending` lists it by
    #[arg(value_name = "REFERENCE")]
    reference: String,
    #[command(flatten)]
    place: Place,
    /// The hub of the request's agencies, where there are several hubs
    #[arg(long, value_name = "CODE", value_parser = hub_code)]
    hub: Option<PartyCode>,
    /// Let the request change what is registered: keys, codes, names, nodes, addresses
    #[arg(long)]
    replace: bool,
}

/// Forget a request that waits.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign authority dismiss 3f2a9c0d11e47b62 --dir AUTHORITY")]
pub(crate) struct Dismiss {
    /// What `authority pending` lists it by
    #[arg(value_name = "REFERENCE")]
    reference: String,
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Invited {
    token: String,
    code: String,
    expires: String,
    is_registered: bool,
}

#[derive(Serialize)]
struct AllInvitations {
    invitations: Vec<InvitationSummary>,
}

#[derive(Serialize)]
struct AllPending {
    requests: Vec<PendingRequest>,
}

#[derive(Serialize)]
struct Withdrawn {
    withdrawn: usize,
}

#[derive(Serialize)]
struct Approved {
    for_id: String,
    version: u64,
}

/// Invites.
pub(super) fn invite(arguments: Invite, output: Output) -> Outcome {
    let dir = arguments.place.directory()?;
    let line = |text: String| Failure::usage(text, "give one line of 1 to 200 characters");
    let name = arguments.name.map(|name| Line::tidy(&name)).transpose();
    let address = arguments.address.map(Line::new).transpose();
    let options = InviteOptions {
        code: party_code(&arguments.code)?,
        name: name.map_err(|error| line(error.to_string()))?,
        parent: arguments.parent,
        hub: arguments.hub,
        address: address.map_err(|error| line(error.to_string()))?,
        days: arguments.days,
    };
    let invited = Authority::invite(&dir, &arguments.place.unlock.keyring(), &options, now())?;
    let code = invited.invitee.code();
    output.line(format_args!("{}", invited.token));
    if invited.is_registered {
        output.note(format_args!(
            "{code} is registered: with this token new keys take the place of those it has."
        ));
    }
    let whose = if code.agency().is_some() {
        "node"
    } else {
        "hub"
    };
    output.note(format_args!(
        "It counts once, until {}. There: consign {whose} enrol DIR --authority NAME:PORT --token TOKEN",
        invited.expires
    ));
    if !service::is_running(&dir) {
        output.note(format_args!(
            "The authority answers while this runs: consign authority serve {}",
            quoted(&dir)
        ));
    }
    let answer = Invited {
        token: invited.token.to_string(),
        code: code.to_string(),
        expires: invited.expires.to_string(),
        is_registered: invited.is_registered,
    };
    output.object(true, &answer);
    Ok(exit::DONE)
}

/// Lists or withdraws invitations.
pub(super) fn invitations(arguments: &Invitations, output: Output) -> Outcome {
    let dir = arguments.place.directory()?;
    if let Some(code) = &arguments.withdraw {
        let withdrawn = Authority::withdraw(&dir, &party_code(code)?, now())?;
        output.line(format_args!("{withdrawn} invitations of {code} withdrawn"));
        output.object(true, &Withdrawn { withdrawn });
        return Ok(exit::DONE);
    }
    let all = Authority::invitations(&dir, now())?;
    for one in &all {
        output.line(format_args!(
            "{:<16} {:<8} made {}, until {}",
            one.code, one.state, one.made, one.expires
        ));
    }
    if all.is_empty() {
        output.line("nobody is invited: consign authority invite");
    }
    output.object(true, &AllInvitations { invitations: all });
    Ok(exit::DONE)
}

/// Lists requests that wait.
pub(super) fn pending(arguments: &Pending, output: Output) -> Outcome {
    let all = Authority::pending(&arguments.place.directory()?)?;
    for PendingRequest {
        reference,
        applicant,
        agencies,
        from,
        asked,
    } in &all
    {
        output.line(format_args!("{reference}  {applicant}"));
        if let (Some(from), Some(asked)) = (from, asked) {
            output.line(format_args!("    from {from}, {asked}"));
        }
        for (code, name) in agencies {
            output.line(format_args!("    {code:<14} {name}"));
        }
    }
    if all.is_empty() {
        output.line("no request waits");
    }
    output.object(true, &AllPending { requests: all });
    Ok(exit::DONE)
}

/// Enrols the parties of a request.
pub(super) fn approve(arguments: Approve, output: Output) -> Outcome {
    let options = IssueOptions {
        hub: arguments.hub,
        replace: arguments.replace,
    };
    let mut authority = arguments.place.open(&arguments.place.directory()?)?;
    let bundle = authority.approve(&arguments.reference, &options, now())?;
    let published = authority.publish(PublishOptions::default(), now())?;
    output.line(format_args!(
        "enrolled; published: directory version {}",
        published.version
    ));
    output.line("Whoever asked gets the answer within seconds.");
    let answer = Approved {
        for_id: bundle.for_id.to_string(),
        version: published.version.value(),
    };
    output.object(true, &answer);
    Ok(exit::DONE)
}

/// Forgets a request.
pub(super) fn dismiss(arguments: &Dismiss, output: Output) -> Outcome {
    let mut authority = arguments.place.open(&arguments.place.directory()?)?;
    authority.dismiss(&arguments.reference)?;
    output.line(format_args!("{} is forgotten", arguments.reference));
    Ok(exit::DONE)
}
