//! The hub's certificate and statement key live on: at two thirds of their life the authority
//! is asked to list them for another.
//!
//! The keys stay the same, so that nothing that was signed needs another look. The certificate
//! is a new one, and nodes know hubs by certificates of their directory; who was away may know
//! the old one alone. So the new one is put by (`tls.next.pem`) and shown only when a twelfth of
//! the old one's life is left.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use consign_domain::directory::{KeyState, Validity};
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
    failed: Option<Instant>,
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
            failed: None,
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
        let rests = self.failed.is_some_and(|at| at.elapsed() < AGAIN);
        if rests || !self.is_due(directory, now) {
            return Ok(());
        }
        let renewed = self.ask(authority).await;
        self.failed = renewed.is_err().then(Instant::now);
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

    /// Whether the certificate or the statement key in force is at two thirds of its life, and
    /// the directory lists nothing younger.
    fn is_due(&self, directory: &Directory, now: Timestamp) -> bool {
        let Some(hub) = directory.hub(self.signer.hub) else {
            return false;
        };
        let tls = hub.tls.iter().map(|tls| tls.validity);
        let keys = hub.statement_keys.iter();
        let keys = keys.filter(|key| key.state == KeyState::Active);
        let newest = [last(tls), last(keys.map(|key| key.validity))];
        newest.into_iter().flatten().any(|life| {
            let from = life.from;
            life.until
                .is_some_and(|until| is_due(Life { from, until }, hub.id.to_bytes(), now))
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
        let next = self.keys.join(NEXT);
        if now.as_unix() < last || !next.exists() {
            return Ok(());
        }
        let chain = files::read_bounded(&next, MAX_PEM)?;
        let key = files::read_private(&self.keys.join(TLS_KEY), MAX_PEM)?;
        let identity = TlsIdentity::from_pem(&chain, &key)?;
        let certificate = Digest::from_bytes(identity.fingerprint().0);
        let listed = directory.hub_by_certificate(certificate, now);
        if listed.is_none_or(|hub| hub.id != self.signer.hub) {
            return Ok(());
        }
        put(&self.keys, &chain)?;
        files::remove(&next)?;
        self.identity.replace(&identity);
        self.signer.show(certificate);
        info!(%certificate, "the hub shows its new certificate from now on");
        Ok(())
    }
}

fn put(keys: &Path, chain: &[u8]) -> Result<(), FileError> {
    files::publish(&keys.join(TLS_CERTIFICATE), chain, PUBLIC)
}

/// The span that ends last.
fn last(spans: impl Iterator<Item = Validity>) -> Option<Validity> {
    spans.max_by_key(|span| span.until)
}
