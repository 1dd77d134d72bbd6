//! What people are told about the connection to the hub.

use consign_domain::{ErrorCode, HubId, Timestamp};
use tokio::sync::watch;

/// How the node stands with its hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Connection {
    /// Not reached yet, or lost: being tried.
    #[default]
    Connecting,
    /// Streams are open.
    Connected,
    /// One of the two refuses the other, or work is held: somebody has to act.
    Refused,
}

impl Connection {
    /// The word in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Refused => "refused",
        }
    }
}

/// The state of the link, for `Status` and for those who wait on a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkState {
    /// How it stands.
    pub connection: Connection,
    /// Why it is not connected.
    pub cause: Option<Cause>,
    /// The hub, once the directory names it.
    pub hub: Option<HubId>,
    /// Where it is reached.
    pub address: Option<String>,
    /// The hub's clock minus ours, in milliseconds.
    pub clock_skew_ms: Option<i64>,
    /// When the hub last said anything.
    pub last_contact: Option<Timestamp>,
}

/// Why there is no connection, or why work is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The fault's code.
    pub code: ErrorCode,
    /// In words: the root of it.
    pub text: String,
}

/// The one writer of a [`LinkState`]; readers subscribe.
#[derive(Debug)]
pub(crate) struct LinkStatus(watch::Sender<LinkState>);

impl LinkStatus {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(LinkState::default()))
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<LinkState> {
        self.0.subscribe()
    }

    /// A hub is being called.
    pub(crate) fn calling(&self, hub: HubId, address: &str) {
        self.0.send_modify(|state| {
            state.hub = Some(hub);
            state.address = Some(address.to_owned());
        });
    }

    /// The hub has welcomed this node.
    pub(crate) fn connected(&self, now: Timestamp, skew_ms: i64) {
        self.0.send_modify(|state| {
            state.connection = Connection::Connected;
            state.cause = None;
            state.clock_skew_ms = Some(skew_ms);
            state.last_contact = Some(now);
        });
    }

    /// The hub said something.
    pub(crate) fn heard(&self, now: Timestamp) {
        self.0.send_if_modified(|state| {
            let later = state.last_contact.is_none_or(|before| before < now);
            state.last_contact = Some(now);
            later
        });
    }

    /// Connected, and yet something does not go on; `None`: it does.
    pub(crate) fn noted(&self, cause: Option<Cause>) {
        self.0.send_if_modified(|state| {
            let news = state.connection == Connection::Connected && state.cause != cause;
            if news {
                state.cause = cause;
            }
            news
        });
    }

    /// The connection ended, or did not come about.
    pub(crate) fn lost(&self, connection: Connection, cause: Cause) {
        self.0.send_modify(|state| {
            state.connection = connection;
            state.cause = Some(cause);
        });
    }
}
