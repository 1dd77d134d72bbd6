//! Keys that renew themselves while the node works.
//!
//! At two thirds of the life of any of its TLS, statement and encryption keys the node makes
//! the next ones, has the authority list them, and goes on to them when its newest directory
//! does. Until then, and if the authority is away, it works with what it has. Seals do not
//! renew themselves; how long they last is said by `consign status`.

use std::sync::Arc;
use std::time::Duration;

use consign_domain::directory::Validity;
use consign_domain::enrolment::Bundle;
use consign_domain::{Digest, DirectoryVersion, KeyId, Timestamp};
use consign_enrol::{Authority, EnrolFault, Life, Proof, is_due};
use consign_runtime::shutdown::Shutdown;
use consign_verify::Directory;
use thiserror::Error;
use tracing::{info, warn};

use crate::keys::{self, AgencyKeys, KeysError};
use crate::link::DirectoryRefusal;
use crate::office::{Office, blocking};

/// How often it is looked whether anything is due.
const LOOK: Duration = Duration::from_secs(60);
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
    /// The directory that lists them is not taken.
    #[error(transparent)]
    Directory(#[from] DirectoryRefusal),
}

impl RenewalFault {
    /// The code to answer with.
    pub fn code(&self) -> consign_domain::ErrorCode {
        match self {
            Self::Keys(fault) => fault.code(),
            Self::Authority(fault) => fault.code(),
            Self::Directory(fault) => fault.code(),
        }
    }
}

/// Keeps the keys fresh until the node stops.
pub(crate) async fn keep_fresh(office: Arc<Office>, shutdown: Shutdown) {
    let mut directory = office.keeper.subscribe();
    let mut pause = LOOK;
    loop {
        tokio::select! {
            () = shutdown.wait() => return,
            changed = directory.changed() => {
                if changed.is_err() {
                    return;
                }
                if let Err(fault) = take_up(&office).await {
                    warn!(%fault, "the keys that the directory lists cannot be read");
                }
                continue;
            }
            () = tokio::time::sleep(pause) => {}
        }
        pause = LOOK;
        if !due(&office) || office.keeper.newest().authority().is_none() {
            continue;
        }
        if let Err(fault) = renew(&office).await {
            warn!(code = %fault.code(), %fault, "keys are not renewed, those in force go on");
            pause = AGAIN;
        }
    }
}

/// Whether any key is at two thirds of its life.
fn due(office: &Office) -> bool {
    let (directory, now) = (office.keeper.newest(), office.now());
    let certificate = Digest::from_bytes(office.identity.fingerprint().0);
    let Some(node) = directory.node_by_certificate(certificate, now) else {
        // Nobody is asked for what the directory does not know.
        return false;
    };
    let listed = node.tls.iter().find(|tls| tls.certificate == certificate);
    let mut lives: Vec<Validity> = listed.map(|tls| tls.validity).into_iter().collect();
    for desk in office.desks() {
        let keys = desk.keys.load();
        let id = KeyId::from_bytes(keys.statement.public().key_id());
        let statement = directory.key(desk.id().into(), id);
        lives.extend(statement.map(|key| key.entry.validity));
        let entry = directory.agency(desk.id());
        let encryption = entry.and_then(|agency| agency.encryption_key_at(now));
        lives.extend(encryption.map(|key| key.validity));
    }
    let seed = node.id.to_bytes();
    lives.into_iter().any(|life| {
        let from = life.from;
        life.until
            .is_some_and(|until| is_due(Life { from, until }, seed, now))
    })
}

/// Makes the next keys and has the authority list them. Says under which version they count.
///
/// # Errors
/// [`RenewalFault`]; the keys in force go on, and the next attempt uses what was made.
pub(crate) async fn renew(office: &Arc<Office>) -> Result<DirectoryVersion, RenewalFault> {
    let _turn = office.renewing.lock().await;
    let directory = office.keeper.newest();
    let (place, listed) = (office.directory.clone(), Arc::clone(&directory));
    let request = blocking(move || keys::next_request(&place, &listed)).await?;
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
    let mut authority = Authority::listed(&directory, &office.identity, &office.clock).await?;
    let bundle = authority.renew(&request, &proofs).await?;
    let bundle = Bundle::parse(&bundle).map_err(|source| KeysError::Bundle { source })?;
    let place = office.directory.clone();
    let (bundle, placed) = blocking(move || {
        let placed = keys::put_in_place(&place, &bundle);
        (bundle, placed)
    })
    .await;
    placed?;
    if let Some(directory) = &bundle.directory {
        office.keeper.offer(directory).await?;
    }
    take_up(office).await?;
    let version = office.keeper.newest().version();
    info!(version = version.value(), "keys renewed");
    Ok(version)
}

/// Goes on to the keys that the newest directory has this node use.
async fn take_up(office: &Arc<Office>) -> Result<(), KeysError> {
    let (office, at) = (Arc::clone(office), office.now());
    blocking(move || {
        let directory = office.keeper.newest();
        for desk in office.desks() {
            let keys = AgencyKeys::in_force(desk.agency.home(), &directory, at)?;
            desk.keys.store(Arc::new(keys));
        }
        let identity = keys::identity_in_force(&office.directory, &directory, at)?;
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
    match keys::forget_ended(&office.directory, directory, at) {
        Ok(0) => {}
        Ok(removed) => info!(removed, "keys that have ended were removed"),
        Err(fault) => warn!(%fault, "keys that have ended cannot be removed"),
    }
}
