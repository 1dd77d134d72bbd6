//! A time-stamp authority at a URL (RFC 3161 §3.4): one request on one connection.
//!
//! What comes back is hostile: its size is bounded, redirects are not followed, and nothing
//! counts but what the token proves. So plain HTTP is enough; who listens learns a digest.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use consign_pki::timestamp::MAX_MESSAGE;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

const QUERY: &str = "application/timestamp-query";
const REPLY: &str = "application/timestamp-reply";
/// How long connecting may take; the whole is bounded by the caller.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest URL.
const MAX_URL: usize = 1_000;

/// Why an authority at a URL gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpFault {
    /// Its name or address leads nowhere.
    #[error("it cannot be reached")]
    Connect {
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Nobody took the connection.
    #[error("it cannot be reached within {} s", CONNECT.as_secs())]
    ConnectSlow,
    /// It does not speak HTTP, or ended in between.
    #[error("it does not speak HTTP as it should")]
    Protocol(#[from] hyper::Error),
    /// Another status than 200. Redirects are not followed.
    #[error("it answered with HTTP status {status}")]
    Status {
        /// The status.
        status: u16,
    },
    /// What came is not a time-stamp reply.
    #[error("it answered with {found:?} and not with {REPLY}")]
    ContentType {
        /// The type that it named.
        found: String,
    },
    /// The answer is too large, or was cut off.
    #[error("its answer has more than {MAX_MESSAGE} bytes, or was cut off")]
    Body,
}

impl HttpFault {
    /// Whether it may be over in a moment.
    pub(super) const fn is_transient(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::ConnectSlow)
    }
}

/// Where an authority is: the parts of `http://host[:port]/path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityAddress {
    /// Without brackets.
    host: String,
    port: u16,
    /// As it was written: the host, and the port if one was.
    authority: String,
    path: String,
}

impl AuthorityAddress {
    /// Reads a URL; `None` if it is no plain `http` one, or has a user in it.
    pub fn parse(url: &str) -> Option<Self> {
        let uri: hyper::Uri = url.parse().ok()?;
        let authority = uri.authority()?;
        let plain = uri.scheme_str() == Some("http") && !authority.as_str().contains('@');
        let host = authority.host().trim_matches(['[', ']']);
        if !plain || host.is_empty() || url.len() > MAX_URL {
            return None;
        }
        Some(Self {
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(80),
            authority: authority.to_string(),
            path: uri
                .path_and_query()
                .map_or("/", |path| path.as_str())
                .to_owned(),
        })
    }

    /// Sends a `TimeStampReq` and gives what should be a `TimeStampResp`.
    pub(super) async fn ask(&self, query: &[u8]) -> Result<Vec<u8>, HttpFault> {
        let connect = TcpStream::connect((self.host.as_str(), self.port));
        let connected = tokio::time::timeout(CONNECT, connect).await;
        let stream = connected
            .map_err(|_| HttpFault::ConnectSlow)?
            .map_err(|source| HttpFault::Connect { source })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let request = self.request(query);
        let asked = async move {
            let reply = sender.send_request(request).await?;
            answer(reply).await
        };
        // Whoever drives the connection ends with the answer.
        tokio::pin!(asked);
        tokio::select! {
            answer = &mut asked => answer,
            ended = connection => match ended {
                Ok(()) => asked.await,
                Err(fault) => Err(fault.into()),
            },
        }
    }

    fn request(&self, query: &[u8]) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(Bytes::copy_from_slice(query)));
        *request.method_mut() = Method::POST;
        // The address was read from a URL: its parts are what a header and a path may be.
        *request.uri_mut() = self.path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(QUERY));
        if let Ok(host) = self.authority.parse() {
            headers.insert(HOST, host);
        }
        request
    }
}

impl fmt::Display for AuthorityAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "http://{}{}", self.authority, self.path)
    }
}

async fn answer(reply: hyper::Response<hyper::body::Incoming>) -> Result<Vec<u8>, HttpFault> {
    let status = reply.status();
    if status != StatusCode::OK {
        let status = status.as_u16();
        return Err(HttpFault::Status { status });
    }
    let named = reply.headers().get(CONTENT_TYPE);
    let named = named
        .and_then(|named| named.to_str().ok())
        .unwrap_or_default();
    let essence = named.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case(REPLY) {
        let found = named.chars().take(80).collect();
        return Err(HttpFault::ContentType { found });
    }
    let body = Limited::new(reply.into_body(), MAX_MESSAGE).collect().await;
    let body = body.map_err(|_| HttpFault::Body)?;
    Ok(body.to_bytes().to_vec())
}
