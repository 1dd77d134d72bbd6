//! A hub and a node on loopback, with a directory and clocks that tests may change.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls_pki_types::CertificateDer;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::transport::Channel;
use tower::ServiceExt as _;

use crate::clock::Clock;
use crate::shutdown::{Shutdown, Tasks};
use crate::tls::*;

/// 2026-07-01, within the certificates' year.
pub(super) const NOW: u64 = 1_782_864_000;
pub(super) const YEAR: i64 = 366 * 86_400;

/// A certificate for the year 2026 with its key.
pub(super) struct Credentials {
    pub(super) identity: TlsIdentity,
    pub(super) certificate: CertificateDer<'static>,
    pub(super) certificate_pem: String,
    pub(super) key_pem: String,
}

pub(super) fn credentials() -> Credentials {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    let (certificate_pem, key_pem) = (certificate.pem(), key.serialize_pem());
    let identity = TlsIdentity::from_pem(certificate_pem.as_bytes(), key_pem.as_bytes()).unwrap();
    Credentials {
        identity,
        certificate: certificate.der().clone(),
        certificate_pem,
        key_pem,
    }
}

/// A directory that tests may change.
#[derive(Clone, Default)]
pub(super) struct Directory(
    Arc<Mutex<HashMap<CertificateFingerprint, Result<PeerIdentity, PeerRefusal>>>>,
);

impl Directory {
    pub(super) fn put(&self, identity: &TlsIdentity, entry: Result<u8, PeerRefusal>) {
        let entry = entry.map(|number| PeerIdentity([number; 16]));
        self.0.lock().unwrap().insert(identity.fingerprint(), entry);
    }

    pub(super) fn policy(&self) -> PeerPolicy {
        let entries = Arc::clone(&self.0);
        Arc::new(move |fingerprint, _, _| {
            let entries = entries.lock().unwrap();
            entries
                .get(fingerprint)
                .copied()
                .unwrap_or(Err(PeerRefusal::NotInDirectory))
        })
    }
}

/// A hub and a node that know each other, with clocks of their own.
pub(super) struct Network {
    pub(super) directory: Directory,
    pub(super) hub: Credentials,
    pub(super) node: Credentials,
    pub(super) hub_clock: Clock,
    pub(super) node_clock: Clock,
    pub(super) tasks: Tasks,
}

impl Network {
    pub(super) fn new() -> Self {
        let (hub, node, directory) = (credentials(), credentials(), Directory::default());
        directory.put(&hub.identity, Ok(1));
        directory.put(&node.identity, Ok(2));
        let (hub_clock, node_clock) = (Clock::fixed(NOW), Clock::fixed(NOW));
        let tasks = Tasks::new(Shutdown::new());
        Self {
            directory,
            hub,
            node,
            hub_clock,
            node_clock,
            tasks,
        }
    }

    pub(super) fn client(&self) -> ClientTls {
        client_config(
            &self.node.identity,
            &self.directory.policy(),
            &self.node_clock,
        )
        .unwrap()
    }

    pub(super) async fn serve(&self, limits: AcceptLimits) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let policy = self.directory.policy();
        let tls = server_config(&self.hub.identity, &policy, &self.hub_clock).unwrap();
        let incoming = incoming(listener, tls, limits);
        let stop = self.tasks.shutdown().wait_owned();
        // Tells every caller who it is.
        let service = tower::service_fn(|request: http::Request<Body>| async move {
            let peer = request.extensions().get::<PeerInfo>().copied().unwrap();
            let response = http::Response::builder()
                .header("peer", u16::from(peer.identity.0[0]))
                .header("group", format!("{:?}", peer.key_exchange.unwrap()));
            Ok::<_, Infallible>(response.body(Body::empty()).unwrap())
        });
        self.tasks.spawn("server", async move {
            server()
                .serve_with_incoming_shutdown(service, incoming, stop)
                .await
                .unwrap();
        });
        address
    }

    pub(super) async fn connect(&self) -> Result<Channel, ConnectFault> {
        let address = self.serve(AcceptLimits::default()).await;
        connect_now(&address.to_string(), &self.client()).await
    }
}

pub(super) async fn ask(channel: Channel) -> Result<(String, String), tonic::transport::Error> {
    let request = http::Request::builder()
        .uri("/who")
        .body(Body::empty())
        .unwrap();
    let response = channel.oneshot(request).await?;
    let header = |name| response.headers()[name].to_str().unwrap().to_owned();
    Ok((header("peer"), header("group")))
}
