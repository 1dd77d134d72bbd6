//! The local socket by which the command line and local programs speak to a running process.
//!
//! Invariants: the socket is never, not even while it is made, open to other users; a peer is the
//! own user or root, by what the kernel says (`SO_PEERCRED`); a live socket of another process is
//! not taken away, one that nobody answers is.
//!
//! A socket's path holds at most 107 bytes (unix(7)). Where the wanted one is longer, a short one
//! in a private directory stands in; [`Listener::path`] says which, for `run.json`.

mod place;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::rt::TokioIo;
use rustix::process::geteuid;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio_stream::Stream;
use tonic::transport::server::Connected;
use tonic::transport::{Channel, Endpoint};
use tracing::{debug, info};

use crate::accept::Backoff;
use crate::entropy::EntropyError;

pub use place::socket_path;

/// Why there is no local socket.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SocketError {
    /// The system refused.
    #[error("cannot make the socket {}", path.display())]
    Io {
        /// The socket or its directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A process answers there.
    #[error("another process answers at {}", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something else has the name.
    #[error("{} is not a socket; move it away", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The directory for short paths could be somebody else's.
    #[error("{} must be a directory that only user {uid} may enter", path.display())]
    UnsafeDirectory {
        /// The directory.
        path: PathBuf,
        /// Who should own it.
        uid: u32,
    },
    /// Even the path that stands in is too long.
    #[error("no socket path of at most {} bytes for {}", place::MAX_PATH, path.display())]
    TooLong {
        /// The wanted path.
        path: PathBuf,
    },
    /// No name for the temporary directory.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// Nobody answers at a local socket.
#[derive(Clone, Debug, Error)]
#[error("no process answers at {}", path.display())]
#[non_exhaustive]
pub struct SocketFault {
    /// The socket.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: Arc<io::Error>,
}

/// The process at the other end, as the kernel names it. In the extensions of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalPeer {
    /// Its user.
    pub uid: u32,
    /// Its number, where the kernel tells.
    pub pid: Option<i32>,
}

/// A bound socket, and the stream of its connections for tonic's server. The stream does not end;
/// dropping it removes the socket.
#[derive(Debug)]
pub struct Listener {
    listener: UnixListener,
    file: SocketFile,
    backoff: Backoff,
}

/// Listens at `wanted`, or at a short path that stands in for it, with mode 0600.
///
/// Must be called on a tokio runtime.
///
/// # Errors
/// A process answers there, something else is in the way, or the system refused.
pub fn listener(wanted: &Path) -> Result<Listener, SocketError> {
    listen_at(wanted, &socket_path(wanted)?)
}

fn listen_at(wanted: &Path, path: &Path) -> Result<Listener, SocketError> {
    place::prepare(wanted, path)?;
    let bound = place::bind(path)?;
    let (listener, file) = adopt(bound, path).map_err(|source| SocketError::Io {
        path: path.to_owned(),
        source,
    })?;
    Ok(Listener {
        listener,
        file,
        backoff: Backoff::default(),
    })
}

impl Listener {
    /// Where it listens: the wanted path, or the one that stands in for it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.file.path
    }
}

impl Stream for Listener {
    type Item = Result<LocalConnection, Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if this.backoff.poll_ready(cx).is_pending() {
                return Poll::Pending;
            }
            match this.listener.poll_accept(cx) {
                Poll::Ready(Ok((stream, _))) => {
                    this.backoff.accepted();
                    if let Some(connection) = admit(stream) {
                        return Poll::Ready(Some(Ok(connection)));
                    }
                }
                Poll::Ready(Err(error)) => this.backoff.failed(&error),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// A channel to the process that listens at `path`. It connects at the first call; where nobody
/// answers, the call's status has a [`SocketFault`] among its sources.
#[must_use]
pub fn connect(path: &Path) -> Channel {
    let path: Arc<Path> = path.into();
    let connector = tower::service_fn(move |_| {
        let path = Arc::clone(&path);
        async move {
            match UnixStream::connect(&path).await {
                Ok(stream) => Ok(TokioIo::new(stream)),
                Err(source) => Err(SocketFault {
                    path: path.to_path_buf(),
                    source: Arc::new(source),
                }),
            }
        }
    });
    // The name goes into the requests and nowhere else.
    Endpoint::from_static("http://localhost").connect_with_connector_lazy(connector)
}

/// A connection from the own user or root.
#[derive(Debug)]
pub struct LocalConnection {
    stream: UnixStream,
    peer: LocalPeer,
}

impl Connected for LocalConnection {
    type ConnectInfo = LocalPeer;

    fn connect_info(&self) -> LocalPeer {
        self.peer
    }
}

fn admit(stream: UnixStream) -> Option<LocalConnection> {
    let credentials = match stream.peer_cred() {
        Ok(credentials) => credentials,
        Err(error) => {
            debug!(%error, "local peer left before it was known");
            return None;
        }
    };
    let peer = LocalPeer {
        uid: credentials.uid(),
        pid: credentials.pid(),
    };
    if !may_connect(peer.uid, geteuid().as_raw()) {
        info!(
            uid = peer.uid,
            pid = peer.pid,
            "local peer of another user refused"
        );
        return None;
    }
    Some(LocalConnection { stream, peer })
}

fn may_connect(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}

fn adopt(bound: StdUnixListener, path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    bound.set_nonblocking(true)?;
    let metadata = fs::symlink_metadata(path)?;
    let file = SocketFile {
        path: path.to_owned(),
        device: metadata.dev(),
        inode: metadata.ino(),
    };
    Ok((UnixListener::from_std(bound)?, file))
}

/// Removes the socket when the listener goes, unless a successor has put its own there.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == (self.device, self.inode));
        if ours {
            // A socket that stays is found to be stale by the next listener.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl AsyncRead for LocalConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for LocalConnection {
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
