//! The hub's certificate and statement key live on: at two thirds of their life the authority
//! is asked to list them for another.
//!
//! The keys stay the same, so that nothing that was signed needs another look. The certificate
//! is a new one, and nodes know hubs by certificates of their directory; who was away may know
//! the old one alone. So the new one is put by (`tls.next.pem`) and shown only when a twelfth of
//! the old one's life is left. One that was listed and did not arrive is asked for again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use consign_domain::directory::KeyState;
use consign_domain::enrolment::{Bundle, MAX_REQUEST};
use consign_domain::{Digest, Timestamp};
use consign_enrol::{Authority, EnrolFault, Life, is_due};
use consign_runtime::files::{self, FileError};
use consign_runtime::tls::{IdentityError, TlsIdentity};
use consign_verify::Directory;
use tracing::{info, warn};

use crate::identity::{HubSigner, TLS_CERTIFICATE, TLS_KEY};
use crate::setup::{PUBLIC, REQUEST};

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
    /// The answer is not a bundle.
    #[error(transparent)]
    Bundle(#[from] consign_domain::enrolment::EnrolmentError),
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
    rests_until: Option<Instant>,
}

impl Renewal {
    pub(crate) const fn new(
        identity: TlsIdentity,
        signer: Arc<HubSigner>,
        home: PathBuf,
        keys: PathBuf,
    ) -> Self {
        Self {
            identity,
            signer,
            home,
            keys,
            rests_until: None,
        }
    }

    /// Asks for another life if it is time, and shows the certificate that was put by if it is.
    pub(crate) async fn look(
        &mut self,
        authority: &mut Authority,
        directory: &Directory,
        now: Timestamp,
    ) -> Result<(), RenewalFault> {
        self.take_up(directory, now)?;
        let began = Instant::now();
        let rests = self.rests_until.is_some_and(|until| began < until);
        if rests || !self.is_due(directory, now) {
            return Ok(());
        }
        let renewed = self.ask(authority).await;
        let rest = if renewed.is_ok() { SETTLED } else { AGAIN };
        self.rests_until = Some(began + rest);
        if let Err(fault) = renewed {
            warn!(%fault, "the hub's certificate is not renewed, the one in force goes on");
        }
        Ok(())
    }

    async fn ask(&self, authority: &mut Authority) -> Result<(), RenewalFault> {
        let request = files::read_bounded(&self.home.join(REQUEST), MAX_REQUEST)?;
        let bundle = Bundle::parse(&authority.renew(&request, &[]).await?)?;
        let key = files::read_private(&self.keys.join(TLS_KEY), MAX_PEM)?;
        TlsIdentity::from_pem(bundle.tls.as_bytes(), &key)?;
        files::publish(&self.keys.join(NEXT), bundle.tls.as_bytes(), PUBLIC)?;
        info!("the authority has renewed this hub's certificate");
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
        keys.filter_map(|key| key.validity.until)
            .max()
            .is_some_and(|until| {
                let from = until.minus_seconds(whole);
                is_due(Life { from, until }, seed, now)
            })
    }

    /// Whether a certificate that outlives the one that is shown is not the one put by: the
    /// answer that brought it was lost.
    fn lacks(&self, certificate: Digest, until: Timestamp) -> bool {
        let shown = Digest::from_bytes(self.identity.fingerprint().0);
        until.as_unix() > self.identity.validity().1
            && certificate != shown
            && next(&self.keys).map_or(true, |next| {
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
            && let Some(certificate) = show_next(&self.keys, &self.identity, directory, now)?
        {
            self.signer.show(certificate);
        }
        Ok(())
    }
}

/// Lets the identity show the certificate that was put by, if the directory lists it for a hub;
/// says which it is. Blocks.
pub(crate) fn show_next(
    keys: &Path,
    identity: &TlsIdentity,
    directory: &Directory,
    now: Timestamp,
) -> Result<Option<Digest>, RenewalFault> {
    let Some(next) = next(keys)? else {
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
fn next(keys: &Path) -> Result<Option<TlsIdentity>, RenewalFault> {
    let path = keys.join(NEXT);
    if !path.exists() {
        return Ok(None);
    }
    let chain = files::read_bounded(&path, MAX_PEM)?;
    let key = files::read_private(&keys.join(TLS_KEY), MAX_PEM)?;
    Ok(Some(TlsIdentity::from_pem(&chain, &key)?))
}

#[cfg(test)]
mod tests;
