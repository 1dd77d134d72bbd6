//! From a listener to connections whose peer is known, as a stream for tonic's server.
//!
//! tonic's own TLS can neither replace the server's identity nor ask a directory. Handshakes run
//! side by side, a bounded number at a time, each with a deadline; one that fails is logged once
//! and costs nobody else anything.

use std::convert::Infallible;
use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::NamedGroup;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::Stream;
use tonic::transport::server::Connected;
use tracing::{debug, error, info};

use super::guests::{GuestLimits, Seat, Seats};
use super::peer::{CertificateFingerprint, PeerIdentity, RefusedPeer};
use super::{ALPN, ServerTls};
use crate::accept::Backoff;

/// Bounds on connections that have not said who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptLimits {
    /// How many handshakes run at once; more connections wait in the listener's queue.
    pub handshakes: usize,
    /// How many of these one source may have; more of its connections are closed at once.
    pub handshakes_per_source: usize,
    /// How long one may take.
    pub deadline: Duration,
    /// Bounds on those whom the policy lets in without knowing them, if it does so.
    pub guests: Option<GuestLimits>,
}

impl Default for AcceptLimits {
    fn default() -> Self {
        Self {
            handshakes: 256,
            handshakes_per_source: 256,
            deadline: Duration::from_secs(10),
            guests: None,
        }
    }
}

/// Who is at the other end. tonic puts it into the extensions of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// What the policy called the peer when the handshake ended.
    pub identity: PeerIdentity,
    /// The certificate it was called by.
    pub fingerprint: CertificateFingerprint,
    /// Where it connects from.
    pub remote: SocketAddr,
    /// The key exchange both sides agreed on.
    pub key_exchange: Option<NamedGroup>,
}

/// Connections of `listener` whose peers the policy has named. The stream does not end.
#[must_use]
pub fn incoming(listener: TcpListener, tls: ServerTls, limits: AcceptLimits) -> Incoming {
    Incoming {
        listener,
        tls,
        limits,
        arrivals: Seats::new(usize::MAX, limits.handshakes_per_source.max(1)),
        guests: limits.guests.map(|guests| GuestRoom {
            seats: Seats::new(guests.total, guests.per_source),
            limits: guests,
        }),
        handshakes: JoinSet::new(),
        backoff: Backoff::default(),
    }
}

/// The stream that [`incoming`] makes. Dropping it closes the listener and ends the handshakes.
#[derive(Debug)]
pub struct Incoming {
    listener: TcpListener,
    tls: ServerTls,
    limits: AcceptLimits,
    arrivals: Arc<Seats>,
    guests: Option<GuestRoom>,
    handshakes: JoinSet<Option<TlsConnection>>,
    backoff: Backoff,
}

/// Room for those whom the policy does not know.
#[derive(Clone, Debug)]
struct GuestRoom {
    seats: Arc<Seats>,
    limits: GuestLimits,
}

/// A connection in that room: its seat, and when it ends.
#[derive(Debug)]
struct Guest {
    _seat: Seat,
    end: Pin<Box<Sleep>>,
}

impl Stream for Incoming {
    type Item = Result<TlsConnection, Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            match this.handshakes.poll_join_next(cx) {
                Poll::Ready(Some(Ok(Some(connection)))) => {
                    return Poll::Ready(Some(Ok(connection)));
                }
                Poll::Ready(Some(Ok(None))) => continue,
                Poll::Ready(Some(Err(error))) => {
                    error!(%error, "handshake panicked");
                    continue;
                }
                Poll::Ready(None) | Poll::Pending => {}
            }
            let full = this.handshakes.len() >= this.limits.handshakes.max(1);
            if full || this.backoff.poll_ready(cx).is_pending() {
                return Poll::Pending;
            }
            match this.listener.poll_accept(cx) {
                Poll::Ready(Ok((stream, remote))) => {
                    this.backoff.accepted();
                    let Some(seat) = this.arrivals.take(remote.ip()) else {
                        debug!(%remote, "too many handshakes of one source");
                        continue;
                    };
                    let (tls, deadline) = (this.tls.clone(), this.limits.deadline);
                    let guests = this.guests.clone();
                    this.handshakes.spawn(async move {
                        let connection = handshake(stream, remote, tls, deadline).await;
                        drop(seat);
                        connection.and_then(|connection| connection.admitted(guests.as_ref()))
                    });
                }
                Poll::Ready(Err(error)) => this.backoff.failed(&error),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// A connection with a known peer.
#[derive(Debug)]
pub struct TlsConnection {
    stream: TlsStream<TcpStream>,
    peer: PeerInfo,
    guest: Option<Guest>,
}

impl TlsConnection {
    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> &PeerInfo {
        &self.peer
    }

    /// The connection with a seat in the guests' room, if it is a guest's; `None` where there is
    /// none left.
    fn admitted(mut self, guests: Option<&GuestRoom>) -> Option<Self> {
        let room = guests.filter(|room| room.limits.identity == self.peer.identity);
        let Some(room) = room else {
            return Some(self);
        };
        let remote = self.peer.remote;
        let Some(seat) = room.seats.take(remote.ip()) else {
            log_refusal(remote, &"too many connections of peers that are not listed");
            return None;
        };
        self.guest = Some(Guest {
            _seat: seat,
            end: Box::pin(sleep(room.limits.stay)),
        });
        Some(self)
    }
}

impl Connected for TlsConnection {
    type ConnectInfo = PeerInfo;

    fn connect_info(&self) -> PeerInfo {
        self.peer
    }
}

async fn handshake(
    stream: TcpStream,
    remote: SocketAddr,
    tls: ServerTls,
    deadline: Duration,
) -> Option<TlsConnection> {
    let accept = async {
        stream.set_nodelay(true)?;
        TlsAcceptor::from(tls.config.clone()).accept(stream).await
    };
    let stream = match timeout(deadline, accept).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            match refused_peer(&tls, &error) {
                Some(refused) => log_refusal(remote, &refused),
                None => debug!(%remote, %error, "handshake failed"),
            }
            return None;
        }
        Err(_) => {
            debug!(%remote, "handshake took too long");
            return None;
        }
    };
    match identify(&stream, remote, &tls) {
        Ok(peer) => Some(TlsConnection {
            stream,
            peer,
            guest: None,
        }),
        Err(reason) => {
            log_refusal(remote, &*reason);
            None
        }
    }
}

/// Names the peer of a finished handshake. The verifier cannot hand on what the policy said, so
/// the policy is asked again; should it have changed its mind since, that counts.
fn identify(
    stream: &TlsStream<TcpStream>,
    remote: SocketAddr,
    tls: &ServerTls,
) -> Result<PeerInfo, Box<dyn Display + Send>> {
    let (_, session) = stream.get_ref();
    if session.alpn_protocol() != Some(ALPN) {
        return Err(Box::new("peer does not speak HTTP/2"));
    }
    let Some(certificate) = session.peer_certificates().and_then(<[_]>::first) else {
        return Err(Box::new("peer showed no certificate"));
    };
    let (identity, fingerprint) = tls
        .check
        .judge(certificate, tls.clock.now())
        .map_err(|refused| Box::new(refused) as Box<dyn Display + Send>)?;
    let key_exchange = session
        .negotiated_key_exchange_group()
        .map(|group| group.name());
    Ok(PeerInfo {
        identity,
        fingerprint,
        remote,
        key_exchange,
    })
}

fn refused_peer(tls: &ServerTls, error: &io::Error) -> Option<RefusedPeer> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    RefusedPeer::from_tls(tls.check.party, error)
}

fn log_refusal(remote: SocketAddr, reason: &dyn Display) {
    info!(%remote, reason = %reason, "peer refused");
}

impl AsyncRead for TlsConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(guest) = &mut self.guest
            && guest.end.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for TlsConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
