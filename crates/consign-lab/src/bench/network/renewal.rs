//! Keys that are renewed under load: the authority serves, and one node after the other goes on
//! to new keys.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use consign_authority::service::{AuthorityService, ServeOptions};
use consign_proto::v1::{RenewKeysRequest, StatusRequest};
use consign_runtime::clock::Clock;
use consign_runtime::shutdown::Shutdown;
use tokio::task::JoinHandle;

use super::{Desk, within};
use crate::bench::BenchError;
use crate::network::Network;

const GLANCE: Duration = Duration::from_millis(50);

/// The authority at work, and nodes that renew their keys in turn.
#[derive(Debug)]
pub(super) struct Renewal {
    shutdown: Shutdown,
    authority: JoinHandle<Result<(), BenchError>>,
    rounds: JoinHandle<Result<u64, BenchError>>,
}

impl Renewal {
    /// Starts the authority, waits until every node knows where it is, and from then on has the
    /// next node renew its keys every so many seconds.
    pub(super) async fn begin(
        network: &Network,
        desks: &[Desk],
        seconds: u64,
    ) -> Result<Self, BenchError> {
        let options = ServeOptions {
            dir: network.authority(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            address: None,
            keyring: std::sync::Arc::default(),
        };
        let service = AuthorityService::bind(options, Clock::system()).await?;
        let shutdown = Shutdown::new();
        let stop = shutdown.clone();
        let authority = tokio::spawn(async move { Ok(Box::pin(service.run(stop)).await?) });
        for desk in desks {
            within(knows_the_authority(desk)).await?;
        }
        let (desks, stop) = (desks.to_vec(), shutdown.clone());
        let rounds = tokio::spawn(async move { rounds(&desks, seconds, &stop).await });
        Ok(Self {
            shutdown,
            authority,
            rounds,
        })
    }

    /// Ends it; says how often a node went on to new keys.
    pub(super) async fn end(self) -> Result<u64, BenchError> {
        self.shutdown.trigger();
        let renewed = self.rounds.await.map_err(|_| BenchError::Task)?;
        self.authority.await.map_err(|_| BenchError::Task)??;
        renewed
    }
}

async fn rounds(desks: &[Desk], seconds: u64, stop: &Shutdown) -> Result<u64, BenchError> {
    let mut turns = tokio::time::interval(Duration::from_secs(seconds));
    let mut renewed = 0;
    for desk in desks.iter().cycle() {
        tokio::select! {
            () = stop.wait() => break,
            _ = turns.tick() => {}
        }
        let mut node = desk.node.clone();
        within(async { Ok(node.renew_keys(RenewKeysRequest {}).await?) }).await?;
        renewed += 1;
    }
    Ok(renewed)
}

/// Waits until a node's directory is the second version or later: the one that says where the
/// authority is.
async fn knows_the_authority(desk: &Desk) -> Result<(), BenchError> {
    let mut node = desk.node.clone();
    let mut glances = tokio::time::interval(GLANCE);
    while node
        .status(StatusRequest {})
        .await?
        .into_inner()
        .directory_version
        < 2
    {
        glances.tick().await;
    }
    Ok(())
}
