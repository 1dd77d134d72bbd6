//! Enrolment with the authority's service: keys are made here, certificates come back, and
//! nothing is carried by hand but an invitation.
//!
//! Every step can be repeated: keys that were made are used again, the same request gets the
//! same answer, and installing twice changes nothing.

use std::sync::Arc;
use std::time::Duration;

use consign_domain::enrolment::InvitationToken;
use consign_domain::text::Line;
use consign_domain::{AgencyCode, AgencyId, ErrorCode};
use consign_enrol::{Answer, Authority, EnrolFault, Invitation};
use consign_runtime::clock::Clock;
use consign_runtime::files;
use thiserror::Error;

use crate::error::NodeError;
use crate::keys::{self, Installed, KeysError, NewAgency, NewKeys};
use crate::layout::NodeDirectory;
use crate::office::blocking;

/// How often the authority is asked whether its operator has decided.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// Why a node is not enrolled.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EnrolError {
    /// The authority did not answer, or refused.
    #[error(transparent)]
    Authority(#[from] EnrolFault),
    /// Keys cannot be made, or the answer cannot be installed.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The invitations name different authorities.
    #[error("the invitations are from different authorities; use each in a node of its own")]
    Authorities,
    /// An invitation that is not for an agency.
    #[error("the invitation of {code} is for a hub; use it with: consign hub enrol")]
    NotAnAgency {
        /// Whose it is.
        code: String,
    },
    /// What the authority says of an invitation cannot be an agency's code or name.
    #[error("the authority's invitation of {code} cannot be used; ask it for another")]
    Invitation {
        /// Whose it is.
        code: String,
    },
}

impl EnrolError {
    /// The code to answer with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Authority(fault) => fault.code(),
            Self::Keys(fault) => fault.code(),
            _ => ErrorCode::Usage,
        }
    }
}

/// How a node enrols.
#[derive(Debug, Clone)]
pub struct EnrolOptions {
    /// Where the authority is: `name:port`.
    pub authority: String,
    /// The invitations of its agencies; or one that names the authority and invites nobody.
    pub tokens: Vec<InvitationToken>,
    /// Agencies that are asked for without an invitation, for an operator to decide.
    pub agencies: Vec<NewAgency>,
    /// What people call the node; the first agency's name, if it is left out.
    pub name: Option<Line<200>>,
    /// How new keys are made.
    pub keys: NewKeys,
}

/// Enrols a node. `waiting` is told once, where an operator must decide, by which reference
/// the authority knows the request.
///
/// # Errors
/// [`EnrolError`]; what was made until then is used when it is tried again.
pub async fn enrol(
    directory: &NodeDirectory,
    options: EnrolOptions,
    clock: &Clock,
    waiting: impl FnOnce(&str),
) -> Result<Installed, EnrolError> {
    let pin = options.tokens.first().copied();
    let pin = pin.ok_or(KeysError::NoAgency)?;
    let mut tokens = options.tokens.iter();
    if tokens.any(|token| token.authority != pin.authority) {
        return Err(EnrolError::Authorities);
    }
    let mut authority = Authority::invited(&options.authority, &pin, clock).await?;
    let mut agencies = options.agencies;
    let secrets: Vec<[u8; 16]> = if agencies.is_empty() {
        options.tokens.iter().map(|token| token.secret).collect()
    } else {
        Vec::new()
    };
    if !secrets.is_empty() {
        let invitations = authority.invitations(&secrets).await?;
        agencies = invitations.iter().map(agency).collect::<Result<_, _>>()?;
    }
    let keyring = Arc::clone(&options.keys.keyring);
    let request = prepare(directory, agencies, options.name, options.keys).await?;
    let bundle = match authority.enrol(&request, &secrets).await? {
        Answer::Bundle(bundle) => bundle,
        Answer::Waiting(reference) => {
            waiting(&reference);
            decided(&mut authority, &request, &secrets).await?
        }
    };
    let directory = directory.clone();
    let install = move || keys::install_with(&directory, &bundle, &keyring);
    Ok(blocking(install).await?)
}

/// Makes what is missing of the keys; gives the request's bytes.
async fn prepare(
    directory: &NodeDirectory,
    agencies: Vec<NewAgency>,
    name: Option<Line<200>>,
    new: NewKeys,
) -> Result<Vec<u8>, KeysError> {
    let directory = directory.clone();
    blocking(move || {
        let first = agencies.first().map(|agency| agency.name.clone());
        let name = name.or(first).ok_or(KeysError::NoAgency)?;
        keys::init_with(&directory, &name, &agencies, &new)?;
        let most = consign_domain::enrolment::MAX_REQUEST;
        Ok(files::read_bounded(&directory.request_file(), most).map_err(NodeError::from)?)
    })
    .await
}

/// Asks until the operator has decided.
async fn decided(
    authority: &mut Authority,
    request: &[u8],
    secrets: &[[u8; 16]],
) -> Result<Vec<u8>, EnrolFault> {
    loop {
        tokio::time::sleep(ASK_AGAIN).await;
        match authority.enrol(request, secrets).await {
            Ok(Answer::Bundle(bundle)) => return Ok(bundle),
            Ok(Answer::Waiting(_)) => {}
            Err(fault) if fault.is_transient() => {}
            Err(fault) => return Err(fault),
        }
    }
}

fn agency(invitation: &Invitation) -> Result<NewAgency, EnrolError> {
    let code = || invitation.code.clone();
    if !invitation.address.is_empty() {
        return Err(EnrolError::NotAnAgency { code: code() });
    }
    let read = || {
        let parent = invitation.parent.as_deref().map(str::parse::<AgencyCode>);
        let id = invitation.id.map(AgencyId::from_bytes);
        Some(NewAgency {
            code: invitation.code.parse().ok()?,
            name: Line::new(invitation.name.clone()).ok()?,
            parent: parent.transpose().ok()?,
            id: id.transpose().ok()?,
        })
    };
    read().ok_or_else(|| EnrolError::Invitation { code: code() })
}
