//! Keys that renew themselves while the node works.
//!
//! At two thirds of the life of any of its TLS, statement and encryption keys the node makes
//! the next ones, has the authority list them, and goes on to them when its newest directory
//! does. Until then, and if the authority is away, it works with what it has. A renewal whose
//! answer was lost is asked for again, with the same keys; also when the certificate that it was
//! asked under has ended since, as anybody may ask for what is listed. Seals do not renew
//! themselves; how long they last is said by `consign status`, and people are told in time
//! (`ends`).

use std::sync::Arc;
use std::time::Duration;

use consign_domain::directory::{EntryState, KeyState, NodeEntry, Validity};
use consign_domain::enrolment::Bundle;
use consign_domain::statement::{DirectoryHead, Statement as _};
use consign_domain::{Digest, DirectoryVersion, ErrorCode, KeyId, Timestamp};
use consign_enrol::{Answer, Authority, EnrolFault, Life, Proof, is_due};
use consign_proto::status_of;
use consign_runtime::shutdown::Shutdown;
use consign_verify::{Directory, TrustStore};
use thiserror::Error;
use tracing::{info, warn};

use crate::keys::{self, AgencyKeys, KeysError};
use crate::office::{Office, blocking};

/// How often it is looked whether anything is due.
const LOOK: Duration = Duration::from_secs(60);
/// How long a renewal waits for the hub to have the directory.
const ARRIVAL: Duration = Duration::from_secs(20);
/// How long a failed renewal is left alone; a third of the keys' life is left.
const AGAIN: Duration = Duration::from_secs(600);

/// Why keys are not renewed. The keys in force go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RenewalFault {
    /// Keys cannot be made or put in place.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The authority did not list them.
    #[error(transparent)]
    Authority(#[from] EnrolFault),
    /// The authority does not list them, and the certificate that could ask for it has ended.
    #[error(
        "the certificate in force has ended and the next one is not listed; the authority's \
         operator decides: consign authority approve {reference}"
    )]
    Waits {
        /// What the operator knows the request by.
        reference: String,
    },
}

impl RenewalFault {
    /// The code to answer with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Keys(fault) => fault.code(),
            Self::Authority(fault) => fault.code(),
            Self::Waits { .. } => ErrorCode::PeerUnknown,
        }
    }
}

/// Keeps the keys fresh until the node stops.
pub(crate) async fn keep_fresh(office: Arc<Office>, shutdown: Shutdown) {
    let mut directory = office.keeper.subscribe();
    let mut looks = tokio::time::interval(LOOK);
    let mut rests_until = None;
    loop {
        let looks_now = tokio::select! {
            () = shutdown.wait() => return,
            changed = directory.changed() => match changed {
                Ok(()) => false,
                Err(_) => return,
            },
            _ = looks.tick() => true,
        };
        // Also without a newer directory: keys may begin to count a little later.
        if let Err(fault) = take_up(&office).await {
            warn!(%fault, "the keys that the directory lists cannot be read");
        }
        let now = office.clock.monotonic();
        let rests = rests_until.is_some_and(|until| now < until);
        let serves = office.keeper.newest().authority().is_some();
        if !looks_now || rests || !serves || !is_time(&office).await {
            continue;
        }
        let renewed = tokio::select! {
            renewed = renew(&office) => renewed,
            () = shutdown.wait() => return,
        };
        if let Err(fault) = renewed {
            warn!(code = %fault.code(), %fault, "keys are not renewed, those in force go on");
            rests_until = Some(now + AGAIN);
        }
    }
}

/// Whether a renewal is due, or was begun and not answered; the latter is asked for also where the
/// directory knows the certificate in force no more. Nothing else is asked for under one that it
/// does not know.
async fn is_time(office: &Office) -> bool {
    let (directory, now) = (office.keeper.newest(), office.now());
    let certificate = Digest::from_bytes(office.identity.fingerprint().0);
    let node = directory.node_by_certificate(certificate, now);
    if node.is_some_and(|node| is_old(office, &directory, node, now)) {
        return true;
    }
    let (place, keyring) = (office.directory.clone(), Arc::clone(&office.keyring));
    blocking(move || keys::awaits_certificate(&place, &keyring)).await
}

/// Whether the newest of any of its keys is at two thirds of its life.
fn is_old(office: &Office, directory: &Directory, node: &NodeEntry, now: Timestamp) -> bool {
    let mut lives = vec![newest(node.tls.iter().map(|tls| tls.validity))];
    let desks = office.desks().iter();
    for agency in desks.filter_map(|desk| directory.agency(desk.id())) {
        if agency.node != node.id || agency.state != EntryState::Active {
            continue;
        }
        let statement = agency.statement_keys.iter();
        let statement = statement.filter(|key| key.state == KeyState::Active);
        lives.push(newest(statement.map(|key| key.validity)));
        let encryption = agency.encryption_keys.iter();
        let encryption = encryption.filter(|key| key.state == KeyState::Active);
        lives.push(newest(encryption.map(|key| key.validity)));
    }
    let seed = node.id.to_bytes();
    lives.into_iter().flatten().any(|life| {
        let from = life.from;
        life.until
            .is_some_and(|until| is_due(Life { from, until }, seed, now))
    })
}

/// The span that began last.
fn newest(spans: impl Iterator<Item = Validity>) -> Option<Validity> {
    spans.max_by_key(|span| span.from)
}

/// Makes the next keys and has the authority list them. Says under which version they count: the
/// node goes on to them when its hub gives it that version, since the hub then knows them too.
///
/// # Errors
/// [`RenewalFault`]; the keys in force go on, and the next attempt uses what was made.
pub(crate) async fn renew(office: &Arc<Office>) -> Result<DirectoryVersion, RenewalFault> {
    let _turn = office.renewing.lock().await;
    let version = obtain(office).await?;
    arrived(office, version).await;
    take_up(office).await?;
    info!(version = version.value(), "keys renewed");
    Ok(version)
}

/// Makes the next keys, has the authority list them, and puts their certificates in place. Says
/// under which version they count.
async fn obtain(office: &Arc<Office>) -> Result<DirectoryVersion, RenewalFault> {
    let directory = office.keeper.newest();
    let (making, listed) = (Arc::clone(office), Arc::clone(&directory));
    let at = office.now();
    let next = move || keys::next_request(&making.directory, &listed, at, &making.keyring);
    let request = blocking(next).await?;
    // What is encrypted to the new keys may come before the answer does.
    take_up(office).await?;
    let proofs: Vec<Proof> = office
        .desks()
        .iter()
        .map(|desk| {
            let keys = desk.keys.load();
            Proof {
                party: desk.id().into(),
                key: KeyId::from_bytes(keys.statement.public().key_id()),
                signature: keys.statement.sign(&request),
            }
        })
        .collect();
    let bundle = answer(office, &directory, &request, &proofs).await?;
    let trust = TrustStore::parse(bundle.trust.as_bytes());
    let trust = trust.map_err(|source| KeysError::Trust { source })?;
    // Whom this node believes is decided by people; its trust file stays as it is.
    if !trust.is_of_one_mind(office.keeper.trust()) {
        return Err(KeysError::OtherNetwork.into());
    }
    let version = listed_by(&bundle)?;
    let place = Arc::clone(office);
    blocking(move || keys::put_in_place(&place.directory, &bundle, &place.keyring)).await?;
    Ok(version)
}

/// What the authority answers to a request for the next keys.
async fn answer(
    office: &Office,
    directory: &Arc<Directory>,
    request: &[u8],
    proofs: &[Proof],
) -> Result<Bundle, RenewalFault> {
    let mut authority = Authority::listed(directory, &office.identity, &office.clock).await?;
    let bundle = match authority.renew(request, proofs).await {
        // The last answer was lost, and it is long ago: what is listed is told to anybody.
        Err(EnrolFault::Refused { status }) if status_of(&status) == ErrorCode::PeerUnknown => {
            match authority.enrol(request, &[]).await? {
                Answer::Bundle(bundle) => bundle,
                Answer::Waiting(reference) => return Err(RenewalFault::Waits { reference }),
            }
        }
        answered => answered?,
    };
    let bundle = Bundle::parse(&bundle).map_err(|source| KeysError::Bundle { source })?;
    Ok(bundle)
}

/// The version of a bundle's directory.
fn listed_by(bundle: &Bundle) -> Result<DirectoryVersion, EnrolFault> {
    let directory = bundle.directory.as_ref().ok_or(EnrolFault::Protocol)?;
    let head = DirectoryHead::parse(directory.head.as_bytes());
    Ok(head.map_err(|_| EnrolFault::Protocol)?.version())
}

/// Waits a while for the hub to give a version.
async fn arrived(office: &Office, version: DirectoryVersion) {
    let mut directory = office.keeper.subscribe();
    let here = directory.wait_for(|newest| newest.version() >= version);
    // Where it comes later, the keys are taken up then.
    let _later = tokio::time::timeout(ARRIVAL, here).await;
}

/// Goes on to the keys that the newest directory has this node use.
async fn take_up(office: &Arc<Office>) -> Result<(), KeysError> {
    let (office, at) = (Arc::clone(office), office.now());
    blocking(move || {
        let directory = office.keeper.newest();
        for desk in office.desks() {
            let keys = AgencyKeys::in_force(desk.agency.home(), &directory, at, &office.keyring)?;
            desk.keys.store(Arc::new(keys));
        }
        let keyring = &office.keyring;
        let identity = keys::identity_in_force(&office.directory, &directory, at, keyring)?;
        if identity.fingerprint() != office.identity.fingerprint() {
            office.identity.replace(&identity);
            office.reconnect.ring();
        }
        forget(&office, &directory, at);
        Ok(())
    })
    .await
}

fn forget(office: &Office, directory: &Directory, at: Timestamp) {
    match keys::forget_ended(&office.directory, directory, at, &office.keyring) {
        Ok(0) => {}
        Ok(removed) => info!(removed, "keys that have ended were removed"),
        Err(fault) => warn!(%fault, "keys that have ended cannot be removed"),
    }
}

#[cfg(test)]
mod tests;
