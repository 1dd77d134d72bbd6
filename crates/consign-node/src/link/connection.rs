//! One session after the other, for as long as the node runs.
//!
//! A session is: connect (mutual TLS, the hub's certificate checked by our newest directory),
//! take a newer directory if there is one, then submit and collect until either ends. The state
//! of all that is published, so that people see why something waits.

use std::sync::Arc;
use std::time::Duration;

use consign_domain::{Digest, HubId, NodeId, Timestamp};
use consign_proto::v1::hub_client::HubClient;
use consign_runtime::shutdown::Shutdown;
use consign_runtime::tls::{self, ClientTls, PeerIdentity, PeerPolicy, PeerRefusal, TlsIdentity};
use consign_verify::Directory;
use tonic::transport::Channel;
use tracing::{info, warn};

use super::backoff::Backoff;
use super::collect::collect;
use super::directory::Keeper;
use super::fault::LinkFault;
use super::state::Connection;
use super::submit::Submitter;
use crate::keys;
use crate::office::{Desk, Office, blocking};

/// Largest message of the hub, in bytes: an item with 256 KiB of payload is far below it.
const MAX_MESSAGE: usize = 8 << 20;
/// A session that lasted so long was a good one: the next failure waits from the start.
const GOOD: Duration = Duration::from_secs(10);

/// What a session needs to know, fixed while it lasts.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) office: Arc<Office>,
    pub(crate) hub: HubId,
    pub(crate) client: HubClient<Channel>,
    /// The same on a connection of its own, made when it is first needed: large payloads
    /// never stand before what is urgent.
    pub(crate) bulk: HubClient<Channel>,
    /// The agencies that the directory has this node serve at this hub.
    pub(crate) desks: Vec<Arc<Desk>>,
}

#[cfg(test)]
impl Session {
    /// A session of all agencies with a hub that nobody hears.
    pub(crate) fn nowhere(office: &Arc<Office>) -> Self {
        let channel = Channel::from_static("http://127.0.0.1:1").connect_lazy();
        Self {
            office: Arc::clone(office),
            hub: office.keeper.newest().hubs().next().unwrap().id,
            client: speak(channel.clone()),
            bulk: speak(channel),
            desks: office.desks().to_vec(),
        }
    }
}

/// Where a session goes and for whom, by the directory.
#[derive(Debug, PartialEq, Eq)]
struct Assignment {
    hub: HubId,
    address: String,
    agencies: Vec<consign_domain::AgencyId>,
}

/// Keeps a session with the hub until the node stops.
pub(crate) async fn keep_connected(office: Arc<Office>, tls: ClientTls, shutdown: Shutdown) {
    let mut backoff = Backoff::default();
    let mut submitter = Submitter::new(&office);
    let mut refused = Vec::new();
    loop {
        let node = Digest::from_bytes(office.identity.fingerprint().0);
        let begun = office.clock.monotonic();
        let fault = tokio::select! {
            () = shutdown.wait() => return,
            fault = session(&office, node, &tls, &mut submitter) => fault,
        };
        if office.clock.monotonic().duration_since(begun) > GOOD {
            backoff.reset();
        }
        office.stamps.hub_is_down();
        if !fault.is_of_certificate() {
            refused.clear();
        } else if show_another(&office, &mut refused).await {
            continue;
        }
        let pause = backoff.next_after(fault.retry_after());
        report(&office, &fault, pause);
        let mut directory = office.keeper.subscribe();
        tokio::select! {
            () = shutdown.wait() => return,
            _ = directory.changed() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Shows another of the certificates that are here, where the hub refuses the one that our
/// directory has us show: its own may be newer, and only it can give us that. Whether there is
/// one that it has not refused in this round.
async fn show_another(office: &Office, refused: &mut Vec<Digest>) -> bool {
    let certificate = |one: &TlsIdentity| Digest::from_bytes(one.fingerprint().0);
    refused.push(certificate(&office.identity));
    let (place, keyring) = (office.directory.clone(), Arc::clone(&office.keyring));
    let here = blocking(move || keys::identities(&place, &keyring)).await;
    let other = here.ok().and_then(|here| {
        let mut here = here.into_iter();
        here.find(|one| !refused.contains(&certificate(one)))
    });
    let Some(other) = other else {
        refused.clear();
        return false;
    };
    info!(certificate = %certificate(&other), "the hub refuses our certificate, trying another");
    office.identity.replace(&other);
    true
}

fn report(office: &Office, fault: &LinkFault, pause: Duration) {
    let cause = fault.cause();
    let before = office.link.subscribe().borrow().cause.clone();
    if before.as_ref() != Some(&cause) {
        if fault.is_transient() {
            info!(code = %cause.code, cause = %cause.text, "no session with the hub, trying again");
        } else {
            warn!(code = %cause.code, cause = %cause.text, ?pause, "no session with the hub");
        }
    }
    let connection = if fault.is_transient() {
        Connection::Connecting
    } else {
        Connection::Refused
    };
    office.link.lost(connection, cause);
}

/// One session. It only ever ends with why it ended.
async fn session(
    office: &Arc<Office>,
    node: Digest,
    tls: &ClientTls,
    submitter: &mut Submitter,
) -> LinkFault {
    let ended = async {
        let (session, assigned) = open(office, node, tls).await?;
        office.stamps.hub_is_up(session.client.clone());
        tokio::select! {
            fault = submitter.run(&session) => fault,
            fault = collect(&session) => fault,
            fault = reassigned(office, node, &assigned) => fault,
        }
    };
    match ended.await {
        Ok(never) => match never {},
        Err(fault) => fault,
    }
}

async fn open(
    office: &Arc<Office>,
    node: Digest,
    tls: &ClientTls,
) -> Result<(Session, Assignment), LinkFault> {
    let target = assignment(office, node, &office.keeper.newest()).ok_or(LinkFault::NoHub)?;
    office.link.calling(target.hub, &target.address);
    let mut client = speak(tls::connect_now(&target.address, tls).await?);
    let bulk = speak(tls::connect(&target.address, tls)?);
    office.keeper.sync(&mut client, office.now()).await?;
    let directory = office.keeper.fresh(office.now())?;
    let assigned = assignment(office, node, &directory).ok_or(LinkFault::NoHub)?;
    if (assigned.hub, &assigned.address) != (target.hub, &target.address) {
        return Err(LinkFault::Reassigned);
    }
    if assigned.agencies.is_empty() {
        return Err(LinkFault::NotServed);
    }
    let session = Session {
        office: Arc::clone(office),
        hub: assigned.hub,
        client,
        bulk,
        desks: assigned
            .agencies
            .iter()
            .filter_map(|agency| office.desk(*agency).cloned())
            .collect(),
    };
    Ok((session, assigned))
}

fn speak(channel: Channel) -> HubClient<Channel> {
    HubClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE)
}

/// Where this node connects, and for which agencies, by a directory; `None` without any hub.
fn assignment(office: &Office, node: Digest, directory: &Directory) -> Option<Assignment> {
    let now = office.now();
    let hub = home_hub(office, directory)?;
    let known: Option<NodeId> = directory.node_by_certificate(node, now).map(|node| node.id);
    let here = |desk: &&Arc<Desk>| {
        directory.agency(desk.id()).is_some_and(|agency| {
            Some(agency.node) == known && agency.hub == hub && agency.is_served()
        })
    };
    let listed = directory.hub(hub)?.address.as_str();
    Some(Assignment {
        hub,
        address: office
            .config
            .hub
            .clone()
            .unwrap_or_else(|| listed.to_owned()),
        agencies: office
            .desks()
            .iter()
            .filter(here)
            .map(|desk| desk.id())
            .collect(),
    })
}

/// The hub of our agencies; while the directory does not know them yet, any that can give us
/// a newer one.
fn home_hub(office: &Office, directory: &Directory) -> Option<HubId> {
    let own = office
        .desks()
        .iter()
        .find_map(|desk| directory.agency(desk.id()).map(|agency| agency.hub));
    own.or_else(|| directory.hubs().map(|hub| hub.id).min())
}

/// Ends when a newer directory sends the node elsewhere or changes its agencies, and when the
/// node is known by another certificate.
async fn reassigned(
    office: &Office,
    node: Digest,
    assigned: &Assignment,
) -> Result<std::convert::Infallible, LinkFault> {
    let mut directory = office.keeper.subscribe();
    let mut identity = office.reconnect.listen();
    loop {
        let newest = office.keeper.newest();
        let is_other = node.as_bytes() != &office.identity.fingerprint().0;
        if is_other || assignment(office, node, &newest).as_ref() != Some(assigned) {
            return Err(LinkFault::Reassigned);
        }
        tokio::select! {
            changed = directory.changed() => {
                if changed.is_err() {
                    std::future::pending::<()>().await;
                }
            }
            () = identity.rung() => {}
        }
    }
}

/// Names hubs by the newest directory; expired or not, it is what we believe, and only a
/// connection can bring a newer one.
pub(crate) fn hub_policy(keeper: Arc<Keeper>) -> PeerPolicy {
    Arc::new(move |fingerprint, _, now| {
        let certificate = Digest::from_bytes(fingerprint.0);
        let at = Timestamp::from_unix_saturating(now);
        match keeper.newest().hub_by_certificate(certificate, at) {
            Some(hub) => Ok(PeerIdentity(hub.id.to_bytes())),
            None => Err(PeerRefusal::NotInDirectory),
        }
    })
}
