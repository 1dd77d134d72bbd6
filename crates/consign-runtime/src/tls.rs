//! Mutual TLS 1.3 in which the directory says who a peer is, not a certification authority.
//!
//! Both sides show a certificate. Each takes the SHA-256 of the other's end-entity certificate,
//! checks its dates by the program's [`Clock`], and asks a [`PeerPolicy`] whose it is. Issuers,
//! names and intermediate certificates have no say: a fingerprint in the directory is the proof.
//!
//! Invariants:
//! - TLS 1.3 only (RFC 8446), ALPN `h2`, X25519MLKEM768 preferred;
//! - no resumption and no early data: every connection asks the policy anew, so that a node that
//!   was dropped cannot come back on an old ticket;
//! - the signature of the handshake is verified by the provider's algorithms: knowing a
//!   certificate is not holding its key.

mod acceptor;
mod connect;
mod guests;
mod identity;
mod peer;
#[cfg(test)]
mod tests;
mod verifier;

use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::server::NoServerSessionStorage;
use rustls::{ClientConfig, ServerConfig};
use thiserror::Error;
use tonic::transport::Server;

use crate::clock::Clock;

pub use acceptor::{AcceptLimits, Incoming, PeerInfo, TlsConnection, incoming};
pub use connect::{ConnectFault, connect, connect_now};
pub use guests::{GuestLimits, source};
pub use identity::{IdentityError, TlsIdentity};
pub use peer::{CertificateFingerprint, Party, PeerIdentity, PeerPolicy, PeerRefusal, RefusedPeer};

use peer::PeerCheck;
use verifier::Verifier;

const ALPN: &[u8] = b"h2";
const KEEPALIVE: Duration = Duration::from_secs(20);
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// TLS could not be set up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The provider does not offer what this protocol needs.
    #[error("the cryptographic provider does not offer TLS 1.3")]
    Provider {
        /// What is missing.
        #[source]
        source: rustls::Error,
    },
}

/// The hub's side: its identity, and how it knows nodes.
#[derive(Clone, Debug)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    check: Arc<PeerCheck>,
    clock: Clock,
}

/// The node's side: its identity, and how it knows hubs.
#[derive(Clone, Debug)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
}

/// Serves as `identity` to the nodes that `policy` names.
///
/// # Errors
/// The cryptographic provider lacks TLS 1.3.
pub fn server_config(
    identity: &TlsIdentity,
    policy: &PeerPolicy,
    clock: &Clock,
) -> Result<ServerTls, TlsError> {
    let provider = provider();
    let check = Arc::new(PeerCheck::new(Party::Node, policy));
    let verifier = Arc::new(Verifier::new(Arc::clone(&check), &provider));
    let mut config = ServerConfig::builder_with_details(provider, Arc::new(clock.clone()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|source| TlsError::Provider { source })?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(identity.clone()));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(ServerTls {
        config: Arc::new(config),
        check,
        clock: clock.clone(),
    })
}

/// Connects as `identity` to the hubs that `policy` names.
///
/// # Errors
/// The cryptographic provider lacks TLS 1.3.
pub fn client_config(
    identity: &TlsIdentity,
    policy: &PeerPolicy,
    clock: &Clock,
) -> Result<ClientTls, TlsError> {
    client_config_for(Party::Hub, identity, policy, clock)
}

/// [`client_config`] for peers of another party.
///
/// # Errors
/// The cryptographic provider lacks TLS 1.3.
pub fn client_config_for(
    party: Party,
    identity: &TlsIdentity,
    policy: &PeerPolicy,
    clock: &Clock,
) -> Result<ClientTls, TlsError> {
    let provider = provider();
    let check = Arc::new(PeerCheck::new(party, policy));
    let verifier = Arc::new(Verifier::new(check, &provider));
    let mut config = ClientConfig::builder_with_details(provider, Arc::new(clock.clone()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|source| TlsError::Provider { source })?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::new(identity.clone()));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    Ok(ClientTls {
        config: Arc::new(config),
    })
}

/// A tonic server with the keepalive and the windows of [`connect`], for [`incoming`].
#[must_use]
pub fn server() -> Server {
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
}

impl ServerTls {
    /// The configuration, for callers that accept connections themselves. They must judge the
    /// peer's certificate again to learn its identity; [`incoming`] does.
    #[must_use]
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }
}

impl ClientTls {
    /// The configuration, for callers that connect themselves.
    #[must_use]
    pub fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }
}

/// aws-lc-rs with TLS 1.3 suites alone and the post-quantum hybrid first, whatever features other
/// crates of the build switch on.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = default_provider();
    provider
        .cipher_suites
        .retain(|suite| suite.tls13().is_some());
    provider.kx_groups = vec![
        kx_group::X25519MLKEM768,
        kx_group::X25519,
        kx_group::SECP256R1,
        kx_group::SECP384R1,
    ];
    Arc::new(provider)
}
