//! A tonic channel to a hub, whose failures say at their root what is wrong.
//!
//! In TLS 1.3 a client's handshake ends before the server has judged the client. The connector
//! therefore waits for the server's first bytes, the HTTP/2 settings that it sends unasked
//! (RFC 9113, 3.4), so that a refusal is an error of connecting and not of the first call.

use std::error::Error as StdError;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::uri::Authority;
use hyper_util::rt::TokioIo;
use rustls::AlertDescription;
use rustls_pki_types::ServerName;
use thiserror::Error;
use tokio::io::AsyncBufReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};

use super::peer::{Party, RefusedPeer};
use super::{ALPN, CONNECTION_WINDOW, ClientTls, KEEPALIVE, STREAM_WINDOW};

const DEADLINE: Duration = Duration::from_secs(10);

/// Why there is no connection to a hub or an authority.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ConnectFault {
    /// Not `host:port`.
    #[error("{address:?} is not an address of the form host:port")]
    Address {
        /// What was given.
        address: String,
    },
    /// Nobody answers there.
    #[error("nobody answers at {address}")]
    Unreachable {
        /// Where.
        address: String,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// It took too long.
    #[error("{address} did not answer within {} seconds", DEADLINE.as_secs())]
    TimedOut {
        /// Where.
        address: String,
    },
    /// Whoever answers is not the one that is looked for.
    #[error(transparent)]
    PeerRefused(#[from] RefusedPeer),
    /// The other side does not take us for a party of its directory.
    #[error("{address} refused our certificate: {}", notice(*alert))]
    RefusedByPeer {
        /// Where.
        address: String,
        /// What it said, in the words of TLS.
        alert: AlertDescription,
    },
    /// The handshake failed for another reason.
    #[error("no TLS connection to {address}")]
    Handshake {
        /// Where.
        address: String,
        /// What is wrong.
        source: Arc<io::Error>,
    },
    /// It is something else.
    #[error("{address} does not speak HTTP/2")]
    NoHttp2 {
        /// Where.
        address: String,
    },
}

impl ConnectFault {
    /// Finds the fault at the root of an error of tonic: a transport error, or a status that a
    /// call over a broken connection returned.
    #[must_use]
    pub fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        std::iter::successors(Some(error), |&error| error.source())
            .find_map(|error| error.downcast_ref())
    }

    /// Whether trying again can help without anybody doing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Handshake { .. }
        )
    }
}

/// A channel to the hub at `address` (`host:port`) that connects at the first call, and again
/// after each loss. Calls return the fault as a status `Unavailable`: see [`ConnectFault::find`].
///
/// # Errors
/// The address is malformed.
pub fn connect(address: &str, tls: &ClientTls) -> Result<Channel, ConnectFault> {
    let hub = HubAddress::parse(address)?;
    let endpoint = hub.endpoint()?;
    let tls = tls.clone();
    Ok(endpoint.connect_with_connector_lazy(tower::service_fn(move |_| dial(&hub, &tls))))
}

/// [`connect`] that returns when the hub has accepted this node.
///
/// # Errors
/// There is no connection, and why.
pub async fn connect_now(address: &str, tls: &ClientTls) -> Result<Channel, ConnectFault> {
    let hub = HubAddress::parse(address)?;
    let (target, tls) = (hub.clone(), tls.clone());
    let connector = tower::service_fn(move |_| dial(&target, &tls));
    hub.endpoint()?
        .connect_with_connector(connector)
        .await
        .map_err(|error| {
            let found = ConnectFault::find(&error).cloned();
            found.unwrap_or_else(|| handshake_fault(&hub, io::Error::other(error)))
        })
}

#[derive(Clone, Debug)]
struct HubAddress {
    text: Arc<str>,
    host: Arc<str>,
    port: u16,
    name: ServerName<'static>,
}

impl HubAddress {
    fn parse(text: &str) -> Result<Self, ConnectFault> {
        let malformed = || ConnectFault::Address {
            address: text.to_owned(),
        };
        let authority: Authority = text.parse().map_err(|_| malformed())?;
        if text.contains('@') {
            return Err(malformed());
        }
        let port = authority.port_u16().ok_or_else(malformed)?;
        let host = authority.host();
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let name = ServerName::try_from(host.to_owned()).map_err(|_| malformed())?;
        Ok(Self {
            text: text.into(),
            host: host.into(),
            port,
            name,
        })
    }

    fn endpoint(&self) -> Result<Endpoint, ConnectFault> {
        let endpoint = Endpoint::from_shared(format!("https://{}", self.text)).map_err(|_| {
            ConnectFault::Address {
                address: self.text(),
            }
        })?;
        Ok(endpoint
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW))
    }

    fn text(&self) -> String {
        self.text.as_ref().to_owned()
    }
}

type Connection = TokioIo<TlsStream<TcpStream>>;

fn dial(
    hub: &HubAddress,
    tls: &ClientTls,
) -> impl Future<Output = Result<Connection, ConnectFault>> + Send + use<> {
    let (hub, connector) = (hub.clone(), TlsConnector::from(Arc::clone(&tls.config)));
    async move {
        match timeout(DEADLINE, establish(&hub, connector)).await {
            Ok(connection) => connection,
            Err(_) => Err(ConnectFault::TimedOut {
                address: hub.text(),
            }),
        }
    }
}

async fn establish(hub: &HubAddress, connector: TlsConnector) -> Result<Connection, ConnectFault> {
    let stream = TcpStream::connect((&*hub.host, hub.port))
        .await
        .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
        .map_err(|source| ConnectFault::Unreachable {
            address: hub.text(),
            source: Arc::new(source),
        })?;
    let fault = |source| handshake_fault(hub, source);
    let mut stream = connector
        .connect(hub.name.clone(), stream)
        .await
        .map_err(fault)?;
    if stream.get_ref().1.alpn_protocol() != Some(ALPN) {
        return Err(ConnectFault::NoHttp2 {
            address: hub.text(),
        });
    }
    if stream.fill_buf().await.map_err(fault)?.is_empty() {
        return Err(fault(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(TokioIo::new(stream))
}

fn handshake_fault(hub: &HubAddress, source: io::Error) -> ConnectFault {
    let address = hub.text();
    let tls = source
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::AlertReceived(alert)) => ConnectFault::RefusedByPeer {
            address,
            alert: *alert,
        },
        Some(error) => match RefusedPeer::from_tls(Party::Hub, error) {
            Some(refused) => ConnectFault::PeerRefused(refused),
            None => ConnectFault::Handshake {
                address,
                source: Arc::new(source),
            },
        },
        None => ConnectFault::Handshake {
            address,
            source: Arc::new(source),
        },
    }
}

/// What a hub's alert means; the counterpart of how refusals become alerts.
fn notice(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateUnknown => "it is not in the directory there",
        AlertDescription::CertificateRevoked => "it was withdrawn from the directory there",
        AlertDescription::CertificateExpired => "by the clock there it is not valid now",
        AlertDescription::AccessDenied => "they have no directory in force to judge it by",
        AlertDescription::BadCertificate => "it cannot be read there",
        AlertDescription::CertificateRequired => "none was shown",
        AlertDescription::ProtocolVersion => "TLS 1.3 is not spoken there",
        AlertDescription::NoApplicationProtocol => "HTTP/2 is not spoken there",
        other => return format!("TLS alert {other:?}"),
    }
    .to_owned()
}
