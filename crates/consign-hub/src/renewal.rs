//! The hub's certificates and statement key live on: at two thirds of their life the authority
//! is asked to certify and list them for another.
//!
//! The keys stay the same, so that nothing that was signed needs another look. The certificate
//! is a new one, and nodes know hubs by certificates of their directory; who was away may know
//! the old one alone. So the new one is put by (`tls.next.pem`) and shown only when a twelfth of
//! the old one's life is left. One that was listed and did not arrive is asked for again. The
//! time-stamp certificate is known by its issuer alone: the new one is used at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use consign_domain::directory::KeyState;
use consign_domain::enrolment::{Bundle, MAX_REQUEST};
use consign_domain::{Digest, Timestamp};
use consign_enrol::{Authority, EnrolFault, Life, is_due};
use consign_keys::{Keyring, KeyringError};
use consign_runtime::files::{self, FileError};
use consign_runtime::tls::{IdentityError, TlsIdentity};
use consign_verify::{Directory, TrustStore};
use tracing::{info, warn};

use crate::identity::{HubSigner, TIME_STAMP_CERTIFICATE, TLS_CERTIFICATE, TLS_KEY};
use crate::setup::{PUBLIC, REQUEST, SetupError, check_time_stamp};
use crate::stamping::Stamping;

/// The certificate that is put by.
const NEXT: &str = "tls.next.pem";
/// Largest key or certificate file, in bytes.
const MAX_PEM: usize = 256 * 1024;
/// How long a renewal that failed is left alone; a third of the life is left.
const AGAIN: Duration = Duration::from_secs(600);
/// How long after one that succeeded none is asked for; no life is shorter than a day.
const SETTLED: Duration = Duration::from_secs(3_600);

/// Why the hub's certificate is not renewed. The one in force goes on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenewalFault {
    /// The authority did not answer, or refused.
    #[error(transparent)]
    Authority(#[from] EnrolFault),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The key cannot be opened.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The answer is not a bundle.
    #[error(transparent)]
    Bundle(#[from] consign_domain::enrolment::EnrolmentError),
    /// The time-stamp certificate cannot be used.
    #[error(transparent)]
    TimeStamp(#[from] SetupError),
    /// The certificate is not for the hub's key.
    #[error(transparent)]
    Certificate(#[from] IdentityError),
}

/// Renews when it is time.
#[derive(Debug)]
pub(crate) struct Renewal {
    pub(crate) identity: TlsIdentity,
    pub(crate) signer: Arc<HubSigner>,
    /// The hub's directory, for `request.json`.
    pub(crate) home: PathBuf,
    pub(crate) keys: PathBuf,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) stamping: Arc<Stamping>,
    /// When the authority may be asked again.
    pub(crate) rests_until: Option<Instant>,
}

impl Renewal {
    /// Asks for another life if it is time, and shows the certificate that was put by if it is.
    pub(crate) async fn look(
        &mut self,
        authority: &mut Authority,
        directory: &Directory,
        trust: &TrustStore,
        now: Timestamp,
    ) -> Result<(), RenewalFault> {
        self.take_up(directory, now)?;
        let began = Instant::now();
        let rests = self.rests_until.is_some_and(|until| began < until);
        if rests || !self.is_due(directory, now) {
            return Ok(());
        }
        let renewed = self.ask(authority, trust).await;
        let rest = if renewed.is_ok() { SETTLED } else { AGAIN };
        self.rests_until = Some(began + rest);
        if let Err(fault) = renewed {
            warn!(%fault, "the hub's certificate is not renewed, the one in force goes on");
        }
        Ok(())
    }

    async fn ask(&self, authority: &mut Authority, trust: &TrustStore) -> Result<(), RenewalFault> {
        let request = files::read_bounded(&self.home.join(REQUEST), MAX_REQUEST)?;
        let bundle = Bundle::parse(&authority.renew(&request, &[]).await?)?;
        let key = self.keyring.read(&self.keys.join(TLS_KEY))?;
        TlsIdentity::from_pem(bundle.tls.as_bytes(), key.as_bytes())?;
        let current = files::read_bounded(&self.keys.join(TLS_CERTIFICATE), MAX_PEM)?;
        if current != bundle.tls.as_bytes() {
            files::publish(&self.keys.join(NEXT), bundle.tls.as_bytes(), PUBLIC)?;
            info!("the authority has renewed this hub's certificate");
        }
        match &bundle.time_stamp {
            Some(certificates) => self.stamp_with(certificates, trust),
            None => Ok(()),
        }
    }

    /// Stamps with a certificate from now on, if it is another than before.
    fn stamp_with(&self, certificates: &str, trust: &TrustStore) -> Result<(), RenewalFault> {
        let path = self.keys.join(TIME_STAMP_CERTIFICATE);
        if files::read_bounded(&path, MAX_PEM).is_ok_and(|here| here == certificates.as_bytes()) {
            return Ok(());
        }
        let key = check_time_stamp(&self.keys, certificates, trust, &self.keyring)?;
        files::publish(&path, certificates.as_bytes(), PUBLIC)?;
        self.stamping.take_up(key);
        info!("the authority has renewed this hub's time-stamp certificate");
        Ok(())
    }

    /// Whether the certificate or the statement key in force is at two thirds of its life and
    /// the directory lists nothing younger, or lists a certificate that is not here.
    fn is_due(&self, directory: &Directory, now: Timestamp) -> bool {
        let Some(hub) = directory.hub(self.signer.hub) else {
            return false;
        };
        let newest = hub.tls.iter().max_by_key(|tls| tls.validity.until);
        let Some((newest, until)) = newest.and_then(|tls| Some((tls, tls.validity.until?))) else {
            return false;
        };
        let from = newest.validity.from;
        let seed = hub.id.to_bytes();
        if is_due(Life { from, until }, seed, now) || self.lacks(newest.certificate, until) {
            return true;
        }
        // A statement key is prolonged as long as certificates live.
        let whole = until.distance(from);
        let keys = hub.statement_keys.iter();
        let keys = keys.filter(|key| key.state == KeyState::Active);
        let listed = keys.filter_map(|key| key.validity.until).max();
        let listed = listed.map(|until| Life {
            from: until.minus_seconds(whole),
            until,
        });
        let mut lives = listed.into_iter().chain(self.stamping.life());
        lives.any(|life| is_due(life, seed, now))
    }

    /// Whether a certificate that outlives the one that is shown is not the one put by: the
    /// answer that brought it was lost.
    fn lacks(&self, certificate: Digest, until: Timestamp) -> bool {
        let shown = Digest::from_bytes(self.identity.fingerprint().0);
        until.as_unix() > self.identity.validity().1
            && certificate != shown
            && next(&self.keys, &self.keyring).map_or(true, |next| {
                next.is_none_or(|next| certificate != Digest::from_bytes(next.fingerprint().0))
            })
    }

    /// Shows the certificate that was put by, once the old one is about to end.
    pub(crate) fn take_up(
        &self,
        directory: &Directory,
        now: Timestamp,
    ) -> Result<(), RenewalFault> {
        let (from, until) = self.identity.validity();
        let last = until.saturating_sub(until.saturating_sub(from) / 12);
        if now.as_unix() >= last
            && let Some(certificate) =
                show_next((&self.keys, &self.keyring), &self.identity, directory, now)?
        {
            self.signer.show(certificate);
        }
        Ok(())
    }
}

/// Lets the identity show the certificate that was put by, if the directory lists it for a hub;
/// says which it is. Blocks.
pub(crate) fn show_next(
    (keys, keyring): (&Path, &Keyring),
    identity: &TlsIdentity,
    directory: &Directory,
    now: Timestamp,
) -> Result<Option<Digest>, RenewalFault> {
    let Some(next) = next(keys, keyring)? else {
        return Ok(None);
    };
    let certificate = Digest::from_bytes(next.fingerprint().0);
    if directory.hub_by_certificate(certificate, now).is_none() {
        return Ok(None);
    }
    let path = keys.join(NEXT);
    let chain = files::read_bounded(&path, MAX_PEM)?;
    files::publish(&keys.join(TLS_CERTIFICATE), &chain, PUBLIC)?;
    files::remove(&path)?;
    identity.replace(&next);
    info!(%certificate, "the hub shows its new certificate from now on");
    Ok(Some(certificate))
}

/// The identity with the certificate that was put by.
fn next(keys: &Path, keyring: &Keyring) -> Result<Option<TlsIdentity>, RenewalFault> {
    let path = keys.join(NEXT);
    if !path.exists() {
        return Ok(None);
    }
    let chain = files::read_bounded(&path, MAX_PEM)?;
    let key = keyring.read(&keys.join(TLS_KEY))?;
    Ok(Some(TlsIdentity::from_pem(&chain, key.as_bytes())?))
}

#[cfg(test)]
mod tests;
