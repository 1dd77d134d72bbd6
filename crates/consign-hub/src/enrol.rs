//! Enrolment with the authority's service, and its newer directories.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use consign_domain::enrolment::{InvitationToken, MAX_REQUEST};
use consign_domain::{ErrorCode, Timestamp};
use consign_enrol::{Answer, Authority, EnrolFault, ListSigners, Offer};
use consign_pki::path::PathPurpose;
use consign_runtime::blocking;
use consign_runtime::clock::Clock;
use consign_runtime::files::{self, FileError};
use consign_runtime::shutdown::Shutdown;
use consign_verify::directory::Known;
use consign_verify::{Directory, TrustStore};
use tracing::{info, warn};

use crate::directory::{self, Directories, DirectoryFault};
use crate::renewal::Renewal;
use crate::setup::{Installed, NewKeys, SetupError, init_as, install_with};

/// How often the authority is asked for a newer directory.
const ASK: Duration = Duration::from_secs(2);
/// How long an authority that does not answer is left alone.
const AGAIN: Duration = Duration::from_secs(15);
/// How long one connection is used: the authority knows a caller by the certificate that it was
/// made with.
const CONNECTION: Duration = Duration::from_secs(3_600);

const DAY: u64 = 86_400;
/// What to do about an authority that gives nothing.
const FIX: &str = "look whether consign authority serve runs, and whether this hub reaches it: the \
                   directory runs out";

/// Why a hub is not enrolled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnrolError {
    /// The authority did not answer, or refused.
    #[error(transparent)]
    Authority(#[from] EnrolFault),
    /// Keys cannot be made, or the answer cannot be installed.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The invitation is for an agency.
    #[error("the invitation of {code} is for an agency; use it with: consign node enrol")]
    NotAHub {
        /// Whose it is.
        code: String,
    },
}

impl EnrolError {
    /// The code to answer with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Authority(fault) => fault.code(),
            Self::Setup(SetupError::Keyring(fault)) => fault.code(),
            Self::Setup(_) | Self::NotAHub { .. } => ErrorCode::Usage,
        }
    }
}

impl From<FileError> for EnrolError {
    fn from(source: FileError) -> Self {
        Self::Setup(source.into())
    }
}

/// Makes a hub's keys in `dir` as `new` says, asks the authority at `address` with an invitation, and puts
/// the answer in place. It can be repeated: the same request gets the same answer.
///
/// # Errors
/// [`EnrolError`]; what was made until then is used when it is tried again.
pub async fn enrol(
    dir: &Path,
    address: &str,
    token: &InvitationToken,
    new: &NewKeys,
    clock: &Clock,
) -> Result<Installed, EnrolError> {
    let mut authority = Authority::invited(address, token, clock).await?;
    let secrets = [token.secret];
    let invitations = authority.invitations(&secrets).await?;
    let invitation = invitations.into_iter().next().ok_or(EnrolFault::Protocol)?;
    if invitation.address.is_empty() {
        let code = invitation.code;
        return Err(EnrolError::NotAHub { code });
    }
    let dir = dir.to_owned();
    let (place, making) = (dir.clone(), new.clone());
    let request = blocking(move || {
        let id = invitation.id;
        let (address, code) = (&invitation.address, &invitation.code);
        let request = init_as(&place, address, code, id, &making)?;
        Ok::<_, EnrolError>(files::read_bounded(&request, MAX_REQUEST)?)
    })
    .await?;
    match authority.enrol(&request, &secrets).await? {
        Answer::Bundle(bundle) => {
            let keyring = Arc::clone(&new.keyring);
            Ok(blocking(move || install_with(&dir, &bundle, &keyring)).await?)
        }
        Answer::Waiting(_) => Err(EnrolFault::Protocol.into()),
    }
}

/// How long the authority has given nothing, and when that was told last.
#[derive(Debug, Default)]
pub(crate) struct Silence {
    since: Option<Timestamp>,
    told: Option<Timestamp>,
}

impl Silence {
    /// It gives nothing, still: since when, if that is to be told now. It is told at first and then
    /// daily, however often the authority answers in between.
    fn lasts(&mut self, now: Timestamp) -> Option<Timestamp> {
        let since = *self.since.get_or_insert(now);
        if self.told.is_some_and(|told| now.distance(told) < DAY) {
            return None;
        }
        self.told = Some(now);
        Some(since)
    }

    /// It gives what it has.
    const fn ends(&mut self) {
        self.since = None;
    }
}

/// Brings the authority's newer directories to where the hub looks for them.
#[derive(Debug)]
pub(crate) struct Follower {
    pub(crate) directories: Arc<Directories>,
    pub(crate) renewal: Renewal,
    pub(crate) silence: Silence,
    pub(crate) trust: TrustStore,
    pub(crate) clock: Clock,
    /// The hub's own place for directories.
    pub(crate) place: PathBuf,
}

impl Follower {
    /// Follows the authority that the directory in force names, until the hub stops.
    pub(crate) async fn follow(mut self, shutdown: Shutdown) {
        loop {
            let now = Timestamp::from_unix_saturating(self.clock.now());
            let current = self.directories.current();
            if let Err(fault) = self.renewal.take_up(&current, now) {
                warn!(%fault, "the hub's next certificate cannot be used");
            }
            let asked = tokio::select! {
                () = shutdown.wait() => return,
                asked = self.ask() => asked,
            };
            let Err(fault) = asked else { continue };
            let now = Timestamp::from_unix_saturating(self.clock.now());
            // Without a service of the authority the operator brings directories.
            if !matches!(fault, EnrolFault::NoService)
                && let Some(since) = self.silence.lasts(now)
            {
                warn!(%fault, %since, fix = FIX, "the authority gives no directory, asking again");
            }
            tokio::select! {
                () = shutdown.wait() => return,
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }

    /// Asks on one connection for as long as the authority answers.
    async fn ask(&mut self) -> Result<(), EnrolFault> {
        let directory = self.directories.current();
        let mut authority =
            Authority::listed(&directory, &self.renewal.identity, &self.clock).await?;
        let begun = self.clock.monotonic();
        while self.clock.monotonic().saturating_duration_since(begun) < CONNECTION {
            let have = self.directories.current().version().value();
            if let Some(offer) = authority.directory(have).await?
                && !self.take(offer).await
            {
                return Err(EnrolFault::Protocol);
            }
            self.silence.ends();
            let now = Timestamp::from_unix_saturating(self.clock.now());
            let current = self.directories.current();
            let renewal = &mut self.renewal;
            let looked = renewal.look(&mut authority, &current, &self.trust, now);
            if let Err(fault) = looked.await {
                warn!(%fault, "the hub's next certificate cannot be used");
            }
            tokio::time::sleep(ASK).await;
        }
        Ok(())
    }

    /// Puts a directory where the hub looks for it, which judges it as every other.
    async fn take(&self, offer: Offer) -> bool {
        let (trust, place) = (self.trust.clone(), self.place.clone());
        let known = self.directories.current();
        let identity = self.renewal.identity.clone();
        let now = Timestamp::from_unix_saturating(self.clock.now());
        let taken = blocking(move || {
            let refused = |source| DirectoryFault::Refused { version: 0, source };
            let verified = Directory::verify(offer.head, offer.entries, &trust);
            let directory = verified.map_err(refused)?;
            // What may not follow would stand in the way of the next start.
            directory::check(&place, Known::from(&*known), &directory, &trust)?;
            let chain = (&*identity.certificate(), &*identity.issuers());
            let signers = ListSigners::new(trust.roots(), chain, &PathPurpose::tls_server(), now);
            directory::keep_lists(&place, &offer.lists, &signers)?;
            directory::publish(&place, &directory)?;
            Ok::<_, DirectoryFault>(directory.version())
        });
        match taken.await {
            Ok(version) => {
                info!(
                    version = version.value(),
                    "the authority has a newer directory"
                );
                true
            }
            Err(fault) => {
                warn!(%fault, "the authority's directory is not taken");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_that_stays_silent_is_told_of_daily() {
        let clock = Clock::fixed(1_800_000_000);
        let now = || Timestamp::from_unix_saturating(clock.now());
        let (began, mut silence, mut told) = (now(), Silence::default(), 0);
        // Asked every fifteen minutes for three days.
        for _ in 0..3 * 96 {
            if let Some(since) = silence.lasts(now()) {
                assert_eq!(since, began);
                told += 1;
            }
            assert!(clock.advance(900));
        }
        assert_eq!(told, 3);
        silence.ends();
        assert_eq!(silence.lasts(now()), Some(now()), "it began anew");
        assert_eq!(silence.lasts(now()), None);
    }

    #[test]
    fn an_authority_that_answers_now_and_then_is_told_of_daily() {
        let clock = Clock::fixed(1_800_000_000);
        let now = || Timestamp::from_unix_saturating(clock.now());
        let (mut silence, mut told) = (Silence::default(), Vec::new());
        // It answers once every seventeen seconds for two days.
        for _ in 0..2 * DAY / 17 {
            if let Some(since) = silence.lasts(now()) {
                assert_eq!(since, now(), "it has just fallen silent");
                told.push(since);
            }
            silence.ends();
            assert!(clock.advance(17));
        }
        assert_eq!(told.len(), 2, "{told:?}");
    }
}
