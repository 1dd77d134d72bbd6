//! Why a network cannot be founded or run.

use std::path::PathBuf;
use std::time::Duration;

use consign_authority::AuthorityError;
use consign_domain::ErrorCode;
use consign_domain::text::TextError;
use consign_hub::{HubError, SetupError};
use consign_node::keys::KeysError;
use consign_node::run::RunError;
use consign_runtime::config::ConfigFaults;
use consign_runtime::files::FileError;
use consign_store::{OpenError, StoreError};

/// Why a network cannot be founded or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// The directory holds something else.
    #[error("{} is not empty and holds no network of ours", path.display())]
    NotOurs {
        /// The directory.
        path: PathBuf,
    },
    /// A network of other agencies lives there.
    #[error("{} holds a network of {found} agencies, not {wanted}", path.display())]
    OtherPlan {
        /// The directory.
        path: PathBuf,
        /// Agencies there.
        found: usize,
        /// Agencies asked for.
        wanted: usize,
    },
    /// `network.json` is damaged.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How.
        #[source]
        source: serde_json::Error,
    },
    /// `hub.toml` does not have the setting in the form that `hub init` writes.
    #[error("{} has no setting directory = \"trust/directory\"", path.display())]
    HubFile {
        /// The file.
        path: PathBuf,
    },
    /// An agency's code or name is malformed.
    #[error("agency {code} cannot be registered")]
    Agency {
        /// The code.
        code: String,
    },
    /// A name that is no line of text.
    #[error("a name cannot be used")]
    Name(#[from] TextError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The system refused.
    #[error("cannot use {}", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The authority.
    #[error("the authority")]
    Authority(#[from] AuthorityError),
    /// Making the hub.
    #[error("the hub")]
    Setup(#[from] SetupError),
    /// Running the hub.
    #[error("the hub")]
    Hub(#[from] HubError),
    /// A configuration.
    #[error(transparent)]
    Config(#[from] ConfigFaults),
    /// Making a node.
    #[error("a node")]
    Keys(#[from] KeysError),
    /// Running a node.
    #[error("a node")]
    Run(#[from] RunError),
    /// The hub's store cannot be opened.
    #[error("the hub's store")]
    Open(#[from] OpenError),
    /// The hub's store cannot be read.
    #[error("the hub's store")]
    Store(#[from] StoreError),
    /// Something did not become ready.
    #[error("{what} was not ready after {after:?}")]
    NotReady {
        /// What.
        what: String,
        /// How long it had.
        after: Duration,
    },
}

impl LabError {
    /// The code to answer with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotOurs { .. } | Self::OtherPlan { .. } | Self::Config(_) => ErrorCode::Usage,
            Self::Authority(error) => error.code(),
            Self::Hub(error) => error.code(),
            Self::Keys(error) => error.code(),
            Self::Run(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::NotReady { .. } => ErrorCode::Unreachable,
            Self::File(_) | Self::Io { .. } | Self::Open(_) => ErrorCode::StorageFailed,
            _ => ErrorCode::Internal,
        }
    }
}
