//! `consign hub enrol`.

use clap::Args;
use consign_domain::ErrorCode;
use consign_domain::enrolment::InvitationToken;
use consign_hub::SetupError;
use consign_hub::enrol::EnrolError;
use consign_runtime::clock::Clock;

use super::{Home, Making, answer};
use crate::cli::invitation;
use crate::commands::Outcome;
use crate::failure::Failure;
use crate::output::Output;

/// Make keys and have the authority list them.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign hub enrol HUB --authority authority.example.vn:7440 --token TOKEN

The token says the hub's name and where it is reached. The keys are made here and never leave
this machine. Newer directories are fetched from the authority while the hub runs. After an
interruption, run it again. Keys that are here are used again; a time-stamp key of another kind:
rename keys/time-stamp.key to time-stamp.key.old before, with a new token.")]
pub(crate) struct Enrol {
    #[command(flatten)]
    home: Home,
    /// Where the authority answers
    #[arg(long, value_name = "NAME:PORT")]
    authority: String,
    /// The token that the authority gave, or file:PATH where others here may see what runs
    #[arg(long, value_name = "TOKEN", value_parser = invitation)]
    token: InvitationToken,
    #[command(flatten)]
    making: Making,
}

/// Enrols.
pub(super) async fn run(arguments: Enrol, output: Output) -> Outcome {
    let path = arguments.home.directory()?;
    let new = arguments.making.keys(&path)?;
    let (address, token, clock) = (&arguments.authority, &arguments.token, Clock::system());
    let enrolled = consign_hub::enrol::enrol(&path, address, token, &new, &clock);
    let installed = Box::pin(enrolled).await?;
    answer("enrolled", path, installed, output)
}

impl From<EnrolError> for Failure {
    fn from(error: EnrolError) -> Self {
        match error {
            EnrolError::Setup(SetupError::Keyring(fault)) => return fault.into(),
            EnrolError::Setup(fault @ SetupError::OtherKind { .. }) => return fault.into(),
            _ => {}
        }
        let fix = match error.code() {
            ErrorCode::Unreachable => "check the address, and that the authority serves there",
            ErrorCode::PeerUnknown => "check the address: another server answers there",
            _ => "see: consign hub enrol --help",
        };
        Self::of(error.code(), &error).fix(fix)
    }
}
