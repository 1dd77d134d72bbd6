//! `consign node enrol` and `consign node renew`.

use clap::Args;
use consign_domain::enrolment::InvitationToken;
use consign_domain::text::Line;
use consign_domain::{AgencyCode, ErrorCode};
use consign_node::enrol::{EnrolError, EnrolOptions};
use consign_node::keys::NewAgency;
use consign_node::layout::NodeDirectory;
use consign_proto::v1::RenewKeysRequest;
use consign_runtime::clock::Clock;
use serde::Serialize;

use super::{Making, named_agency};
use crate::cli::{NodeChoice, NodeHome, agency_code, invitation};
use crate::commands::keys::Kind;
use crate::commands::{Outcome, connect, quoted};
use crate::failure::{Failure, exit};
use crate::output::Output;

/// Make keys and have the authority list them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  consign node enrol NODE --authority authority.example.vn:7440 --token TOKEN
  consign node enrol NODE --authority authority.example.vn:7440 --token TOKEN --token ANOTHER

Each token is for one agency and says its code and name; a node may serve several. Without a
token the authority's operator decides, and this command waits:
  consign node enrol NODE --authority authority.example.vn:7440 \\
      --fingerprint 0f3a… --agency H49.13='Sở Nội vụ'

The keys are made here and never leave this machine. After an interruption, run it again.

Keys that are here are never replaced. New ones for an agency whose keys were revoked: stop the
node, rename seal.key (or seal.toml), statement.key and encryption.key in agencies/CODE/keys to
NAME.old, have the authority invite the agency again, and run this with the token.

Another certificate for a seal that ends: stop the node, have the authority invite the agency again,
and run this with the token; the key stays. Within the last third of the seal's life, not before.")]
pub(crate) struct Enrol {
    #[command(flatten)]
    node: NodeHome,
    /// Where the authority answers
    #[arg(long, value_name = "NAME:PORT")]
    authority: String,
    /// A token that the authority gave, or file:PATH where others here may see what runs; may be
    /// repeated
    #[arg(long, value_name = "TOKEN", required_unless_present = "fingerprint", value_parser = invitation)]
    token: Vec<InvitationToken>,
    /// The authority's key, as `consign authority show` says it, where there is no token
    #[arg(long, value_name = "HEX", conflicts_with = "token", requires = "agency", value_parser = fingerprint)]
    fingerprint: Option<InvitationToken>,
    /// Without a token: an agency that the node serves; may be repeated
    #[arg(long, value_name = "CODE=NAME", conflicts_with = "token", value_parser = named_agency)]
    agency: Vec<(AgencyCode, Line<200>)>,
    /// Without a token: the code of the agency above the agencies named
    #[arg(long, value_name = "CODE", conflicts_with = "token", value_parser = agency_code)]
    parent: Option<AgencyCode>,
    /// What people call the node; the first agency's name where it is left out
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The kind of the agencies' seal keys
    #[arg(long, value_name = "KIND", default_value = "ecdsa-p256")]
    seal: Kind,
    #[command(flatten)]
    making: Making,
}

/// Renew keys now.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign node renew --node NODE

Keys renew themselves at two thirds of their life; this is for when you want new ones now. The
node goes on working: old and new keys count side by side for a week. Seals stay.")]
pub(crate) struct Renew {
    #[command(flatten)]
    node: NodeChoice,
}

#[derive(Serialize)]
struct Enrolled {
    node: std::path::PathBuf,
    agencies: Vec<String>,
    directory_version: Option<u64>,
}

#[derive(Serialize)]
struct Renewed {
    directory_version: u64,
}

/// Enrols.
pub(super) async fn enrol(arguments: Enrol, output: Output) -> Outcome {
    let path = arguments.node.directory()?;
    let directory = NodeDirectory::new(path.clone());
    let keys = arguments.making.keys(&directory, arguments.seal)?;
    let name = arguments.name.map(|name| Line::tidy(&name)).transpose();
    let parent = arguments.parent;
    let agency = |(code, name)| NewAgency {
        code,
        name,
        parent: parent.clone(),
        id: None,
    };
    let options = EnrolOptions {
        authority: arguments.authority,
        tokens: arguments
            .token
            .into_iter()
            .chain(arguments.fingerprint)
            .collect(),
        agencies: arguments.agency.into_iter().map(agency).collect(),
        name: name.map_err(|error| {
            Failure::usage(error.to_string(), "give one line of 1 to 200 characters")
        })?,
        keys,
    };
    let waiting = |reference: &str| {
        output.note(format_args!(
            "The authority knows the request as {reference}. Its operator decides: \
             consign authority approve {reference}"
        ));
        output.note("Waiting; Ctrl-C ends that, and the same command goes on with it.");
    };
    let clock = Clock::system();
    let enrolled = consign_node::enrol::enrol(&directory, options, &clock, waiting);
    let installed = Box::pin(enrolled).await?;
    let agencies: Vec<String> = installed.agencies.iter().map(ToString::to_string).collect();
    output.line(format_args!("enrolled: {}", agencies.join(", ")));
    output.line(format_args!("Next: consign node run {}", quoted(&path)));
    let answer = Enrolled {
        node: path,
        agencies,
        directory_version: installed.directory.map(|version| version.value()),
    };
    output.object(true, &answer);
    Ok(exit::DONE)
}

/// Renews.
pub(super) async fn renew(arguments: Renew, output: Output) -> Outcome {
    let mut node = connect(&arguments.node)?;
    let reply = node.renew_keys(RenewKeysRequest {}).await?.into_inner();
    let directory_version = reply.directory_version;
    output.line(format_args!(
        "renewed: directory version {directory_version} lists the new keys"
    ));
    output.object(true, &Renewed { directory_version });
    Ok(exit::DONE)
}

/// An invitation that names the authority and invites nobody.
fn fingerprint(text: &str) -> Result<InvitationToken, String> {
    let wrong = || "32 hexadecimal digits, as `consign authority show` prints them".to_owned();
    let mut authority = [0; 16];
    hex::decode_to_slice(text.trim(), &mut authority).map_err(|_| wrong())?;
    Ok(InvitationToken {
        secret: [0; 16],
        authority,
    })
}

impl From<EnrolError> for Failure {
    fn from(error: EnrolError) -> Self {
        if let EnrolError::Keys(fault) = error {
            return fault.into();
        }
        let fix = match error.code() {
            ErrorCode::Unreachable => "check the address, and that the authority serves there",
            ErrorCode::PeerUnknown => "check the address: another server answers there",
            _ => "see: consign node enrol --help",
        };
        Self::of(error.code(), &error).fix(fix)
    }
}
