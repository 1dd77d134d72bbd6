//! Why a hub cannot be set up.

use std::path::PathBuf;

use consign_domain::enrolment::EnrolmentError;
use consign_domain::{HubId, NetworkId, PartyCode};
use consign_keys::KeyringError;
use consign_pki::issue::IssueError;
use consign_pki::path::PathError;
use consign_runtime::files::{FileError, LockError};
use consign_runtime::tls::IdentityError;
use consign_verify::{DirectoryError, TrustError};

use crate::directory::DirectoryFault;
use crate::identity::KeyFault;

/// Why a hub cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A file cannot be read or written.
    #[error("a file of the hub cannot be used")]
    File {
        /// Which, and why.
        #[source]
        source: FileError,
    },
    /// Not `name:port`.
    #[error("{address:?} is not an address of the form hub.example.vn:4433")]
    Address {
        /// What was given.
        address: String,
    },
    /// Not a hub's name.
    #[error("{name:?} is not a hub's name: 1 to 35 of a-z, 0-9 and -, beginning with a letter")]
    Name {
        /// What was given.
        name: String,
    },
    /// The directory holds a hub with another name or address.
    #[error("{} holds hub {code} at {address} already", path.display())]
    AlreadyThere {
        /// The directory.
        path: PathBuf,
        /// The hub's name.
        code: PartyCode,
        /// Its address.
        address: String,
    },
    /// There is no hub in the directory.
    #[error("{} holds no hub; run `consign hub init` first", path.display())]
    NotThere {
        /// The directory.
        path: PathBuf,
    },
    /// `request.json` or the bundle is malformed.
    #[error("the request or bundle cannot be read")]
    Enrolment {
        /// Why.
        #[source]
        source: EnrolmentError,
    },
    /// A key cannot be made or read.
    #[error("a key of the hub cannot be used")]
    Key {
        /// Why.
        #[source]
        source: KeyFault,
    },
    /// A key cannot be opened or kept.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The time-stamp key is of another kind than the one asked for.
    #[error("{} is there and of another kind; keys are never replaced", path.display())]
    OtherKind {
        /// The key.
        path: PathBuf,
    },
    /// Another process has the hub.
    #[error(transparent)]
    Lock {
        /// Who.
        source: LockError,
    },
    /// The request for a certificate cannot be made.
    #[error("the request for a certificate cannot be made")]
    Request {
        /// Why.
        #[source]
        source: IssueError,
    },
    /// The bundle answers another request.
    #[error("the bundle is for {found}, this hub is {expected}")]
    OtherBundle {
        /// The id in the bundle.
        found: String,
        /// Our id.
        expected: HubId,
    },
    /// The certificate is not for our key.
    #[error("the bundle's TLS certificate does not belong to this hub's key")]
    Certificate {
        /// Why.
        #[source]
        source: IdentityError,
    },
    /// The time-stamp certificate is not one that the network accepts.
    #[error("the bundle's time-stamp certificate does not lead to its root with that purpose")]
    TimeStamp {
        /// Why.
        #[source]
        source: PathError,
    },
    /// The trust file is not one.
    #[error("the bundle's trust file cannot be used")]
    Trust {
        /// Why.
        #[source]
        source: TrustError,
    },
    /// The hub trusts another network.
    #[error("this hub belongs to network {ours}, the bundle is of {found}")]
    OtherNetwork {
        /// Ours.
        ours: NetworkId,
        /// The bundle's.
        found: NetworkId,
    },
    /// The directory's signature is not 128 hexadecimal digits.
    #[error("the bundle's directory has a malformed signature")]
    DirectorySignature,
    /// The directory does not verify against the trust file beside it.
    #[error("the bundle's directory does not verify")]
    Directory {
        /// Why.
        #[source]
        source: DirectoryError,
    },
    /// The directory cannot be put in place.
    #[error("the bundle's directory cannot be put in place")]
    Place {
        /// Why.
        #[source]
        source: DirectoryFault,
    },
    /// The example configuration with the address does not parse.
    #[error("the configuration cannot be written for address {address:?}")]
    Config {
        /// The address.
        address: String,
    },
}

impl From<FileError> for SetupError {
    fn from(source: FileError) -> Self {
        Self::File { source }
    }
}
