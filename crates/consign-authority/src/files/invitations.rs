//! Invitations: who may enrol as what, once.
//!
//! `invitations/<SHA-256 of the secret>.json`: the secret itself is with the invited party
//! alone. An invitation counts for the keys of one request; the same request may come again,
//! since an answer may be lost.

use std::fs;
use std::path::Path;

use consign_domain::enrolment::InvitationToken;
use consign_domain::text::Line;
use consign_domain::{AgencyCode, Digest, PartyCode, Timestamp};
use consign_keys::{Keyring, KeyringError};
use consign_pki::seal::{FileSealKey, KeyKind, SealSigner as _};
use consign_runtime::entropy;
use consign_runtime::files::{self, Action, DirectoryLock, PRIVATE, PRIVATE_DIRECTORY};
use serde::{Deserialize, Serialize};

use super::layout::Layout;
use super::pending::{self, PendingRequest};
use super::{damaged, io_fault, store};
use crate::error::AuthorityError;
use crate::register::Register;
use crate::settings::DAY;

/// Largest invitation, in bytes.
const MAX_INVITATION: usize = 8 * 1024;

/// Who is invited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Invitee {
    /// An agency, by any node.
    Agency {
        /// Its code.
        code: AgencyCode,
        /// Its name.
        name: Line<200>,
        /// The code of the agency above it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<AgencyCode>,
        /// The hub that is to hold its inbox, where there are several.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hub: Option<PartyCode>,
    },
    /// A hub.
    Hub {
        /// Its name in statements.
        code: PartyCode,
        /// Where it is reached: `name:port`.
        address: Line<260>,
    },
}

impl Invitee {
    /// The code of whoever is invited.
    pub fn code(&self) -> PartyCode {
        match self {
            Self::Agency { code, .. } => code.clone().into(),
            Self::Hub { code, .. } => code.clone(),
        }
    }
}

/// How a party is invited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteOptions {
    /// The code of an agency or the name of a hub.
    pub code: PartyCode,
    /// An agency's name; the one that it has, where it is registered and none is given.
    pub name: Option<Line<200>>,
    /// The code of the agency above it.
    pub parent: Option<AgencyCode>,
    /// The hub that is to hold its inbox, where there are several.
    pub hub: Option<PartyCode>,
    /// Where a hub is reached; the one that it has, where it is registered and none is given.
    pub address: Option<Line<260>>,
    /// How many days the invitation counts.
    pub days: u64,
}

/// What the invited party is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invited {
    /// The word to pass on, by a way that nobody else reads.
    pub token: InvitationToken,
    /// Who is invited.
    pub invitee: Invitee,
    /// Whether the party is registered, and the invitation lets it replace its keys.
    pub is_registered: bool,
    /// Until when it counts.
    pub expires: Timestamp,
}

/// An invitation as the authority keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    /// Who is invited.
    pub invitee: Invitee,
    /// When it was made.
    pub made: Timestamp,
    /// Until when it counts.
    pub expires: Timestamp,
    /// SHA-256 of the request that it was used for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Digest>,
    /// Whether that request was carried out: it changes nothing a second time.
    #[serde(default)]
    pub done: bool,
}

/// An invitation, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InvitationSummary {
    /// The code of whoever is invited.
    pub code: String,
    /// When it was made.
    pub made: Timestamp,
    /// Until when it counts.
    pub expires: Timestamp,
    /// `open`, `used` or `expired`.
    pub state: &'static str,
}

impl Invitation {
    /// What is to be said of it at a moment.
    fn state(&self, now: Timestamp) -> &'static str {
        match self.used {
            Some(_) => "used",
            None if now >= self.expires => "expired",
            None => "open",
        }
    }
}

/// Invites a party to enrol. Needs no lock: the authority may be at work.
pub(super) fn invite(
    layout: &Layout,
    keyring: &Keyring,
    options: &InviteOptions,
    now: Timestamp,
) -> Result<Invited, AuthorityError> {
    store::settings(layout)?;
    if let Some(revoked) = store::issuing_revoked(layout)? {
        let since = revoked.since();
        return Err(AuthorityError::IssuingRevoked { since });
    }
    let mut register = Register::default();
    store::load_records(layout, &mut register)?;
    let (invitee, is_registered) = invitee(&register, options, now)?;
    if let (PartyCode::Agency(code), Some(parent)) = (&options.code, &options.parent) {
        check_parent(layout, &register, (code, parent), now)?;
    }
    let key = service_key(layout, keyring)?;
    let pin = Digest::of(key.public_key_der());
    let mut authority = [0; 16];
    for (to, from) in authority.iter_mut().zip(pin.as_bytes()) {
        *to = *from;
    }
    let token = InvitationToken {
        secret: entropy::bytes()?,
        authority,
    };
    let invitation = Invitation {
        invitee: invitee.clone(),
        made: now,
        expires: now.plus_seconds(options.days.saturating_mul(DAY)),
        used: None,
        done: false,
    };
    files::create_dir_durable(&layout.invitations(), PRIVATE_DIRECTORY)?;
    let path = place(layout, &token.secret);
    files::publish_new(&path, &store::json(&invitation), PRIVATE)?;
    Ok(Invited {
        token,
        invitee,
        is_registered,
        expires: invitation.expires,
    })
}

fn invitee(
    register: &Register,
    options: &InviteOptions,
    now: Timestamp,
) -> Result<(Invitee, bool), AuthorityError> {
    let missing = |what| AuthorityError::InviteIncomplete {
        code: options.code.clone(),
        what,
    };
    let Some(code) = options.code.agency() else {
        let hub = register.hub_by_code(&options.code);
        let listed = hub.map(|hub| hub.address.clone());
        let address = options.address.clone().or(listed);
        let address = address.ok_or_else(|| missing("its address: --address NAME:PORT"))?;
        crate::address::host(address.as_str())?;
        let code = options.code.clone();
        return Ok((Invitee::Hub { code, address }, hub.is_some()));
    };
    AgencyCode::strict(code.as_str()).map_err(|source| AuthorityError::CodeGrammar {
        code: code.clone(),
        source,
    })?;
    let before = register.agency_by_code(code, now);
    if before.is_none()
        && let Some(holder) = register.code_holder(&options.code)
    {
        return Err(AuthorityError::CodeTaken {
            code: options.code.clone(),
            holder: uuid::Uuid::from_bytes(holder),
        });
    }
    let listed = before.and_then(|agency| agency.name_at(now));
    let listed = listed.and_then(|name| Line::new(name).ok());
    let above = before.and_then(|agency| register.agency(agency.parent?));
    let above = above.and_then(|agency| agency.code_at(now).cloned());
    let invitee = Invitee::Agency {
        code: code.clone(),
        name: options
            .name
            .clone()
            .or(listed)
            .ok_or_else(|| missing("its name: --name NAME"))?,
        parent: options.parent.clone().or(above),
        hub: options.hub.clone(),
    };
    Ok((invitee, before.is_some()))
}

/// The agency above is there, or is to come: nobody could enrol below it otherwise.
fn check_parent(
    layout: &Layout,
    register: &Register,
    (code, parent): (&AgencyCode, &AgencyCode),
    now: Timestamp,
) -> Result<(), AuthorityError> {
    if parent == code {
        return Err(AuthorityError::ParentCycle { code: code.clone() });
    }
    if register.agency_by_code(parent, now).is_some() {
        return Ok(());
    }
    // One that was used for a request that is not carried out yet is to come, too.
    let to_come = |one: Invitation| {
        one.invitee.code() == PartyCode::from(parent.clone())
            && !one.done
            && one.state(now) != "expired"
    };
    if all(layout)?.into_iter().any(to_come) {
        return Ok(());
    }
    let named = parent.to_string();
    let waits = |one: PendingRequest| one.agencies.iter().any(|(code, _)| *code == named);
    if pending::list(layout)?.into_iter().any(waits) {
        return Ok(());
    }
    Err(AuthorityError::ParentNotInvited {
        code: code.clone(),
        parent: parent.clone(),
    })
}

/// The key of the authority's service, which is made if it is missing: invitations name it.
pub(super) fn service_key(
    layout: &Layout,
    keyring: &Keyring,
) -> Result<FileSealKey, AuthorityError> {
    let path = layout.tls_key();
    if !path.exists() {
        // A keyring keeps keys as the first that it opened is kept.
        keyring.read(&layout.directory_key())?;
        match keyring.make(&path, KeyKind::EcdsaP256) {
            // Somebody else made it meanwhile.
            Ok(_) | Err(KeyringError::File(files::FileError::AlreadyExists { .. })) => {}
            Err(fault) => return Err(fault.into()),
        }
    }
    let text = keyring.read(&path)?;
    FileSealKey::from_pkcs8_pem(&text).map_err(|source| damaged(&path, source))
}

/// The invitation of a secret, if it counts for a request; without one, what it is for.
pub(super) fn find(
    layout: &Layout,
    secret: &[u8; 16],
    request: Option<Digest>,
    now: Timestamp,
) -> Result<Invitation, AuthorityError> {
    let path = place(layout, secret);
    let invitation = match read(&path) {
        Ok(invitation) => invitation,
        Err(AuthorityError::File(fault)) if fault.is_not_found() => {
            return Err(AuthorityError::InvitationUnknown);
        }
        Err(fault) => return Err(fault),
    };
    let code = || invitation.invitee.code();
    match invitation.used {
        Some(used) if request.is_some_and(|request| request != used) => {
            Err(AuthorityError::InvitationUsed { code: code() })
        }
        None if now >= invitation.expires => Err(AuthorityError::InvitationExpired {
            code: code(),
            expired: invitation.expires,
        }),
        _ => Ok(invitation),
    }
}

/// Whether there is an invitation of a secret.
pub(super) fn exists(layout: &Layout, secret: &[u8; 16]) -> bool {
    place(layout, secret).exists()
}

/// Marks an invitation as used for a request, and whether that was carried out. Durable on
/// return.
pub(super) fn mark(
    layout: &Layout,
    secret: &[u8; 16],
    invitation: &Invitation,
    request: Digest,
    done: bool,
) -> Result<(), AuthorityError> {
    let used = Invitation {
        used: Some(request),
        done,
        ..invitation.clone()
    };
    Ok(files::publish(
        &place(layout, secret),
        &store::json(&used),
        PRIVATE,
    )?)
}

/// All invitations, the newest first.
pub(super) fn list(
    layout: &Layout,
    now: Timestamp,
) -> Result<Vec<InvitationSummary>, AuthorityError> {
    let summary = |invitation: Invitation| InvitationSummary {
        code: invitation.invitee.code().to_string(),
        made: invitation.made,
        expires: invitation.expires,
        state: invitation.state(now),
    };
    let mut summaries: Vec<_> = all(layout)?.into_iter().map(summary).collect();
    summaries.sort_by_key(|invitation| std::cmp::Reverse(invitation.made));
    Ok(summaries)
}

fn all(layout: &Layout) -> Result<Vec<Invitation>, AuthorityError> {
    let paths = store::json_files(&layout.invitations())?;
    paths.iter().map(|path| read(path)).collect()
}

/// Withdraws all open invitations of a code; says how many.
pub(super) fn withdraw(
    layout: &Layout,
    code: &PartyCode,
    now: Timestamp,
) -> Result<usize, AuthorityError> {
    let _lock = DirectoryLock::wait(layout.dir())?;
    let mut withdrawn = 0;
    for path in store::json_files(&layout.invitations())? {
        let invitation = read(&path)?;
        if invitation.invitee.code() == *code && invitation.state(now) == "open" {
            fs::remove_file(&path).map_err(io_fault(Action::Remove, &path))?;
            withdrawn += 1;
        }
    }
    Ok(withdrawn)
}

fn read(path: &Path) -> Result<Invitation, AuthorityError> {
    let bytes = files::read_bounded(path, MAX_INVITATION)?;
    serde_json::from_slice(&bytes).map_err(|source| damaged(path, source))
}

fn place(layout: &Layout, secret: &[u8; 16]) -> std::path::PathBuf {
    let name = Digest::of(secret);
    layout.invitations().join(format!("{name}.json"))
}
