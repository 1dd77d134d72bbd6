//! Keys.

use consign_domain::enrolment::Request;
use consign_domain::statement::Signer;
use consign_domain::text::Line;
use consign_domain::{AgencyCode, ErrorCode, Timestamp};
use consign_pki::encryption::EncryptionIdentity;
use consign_pki::seal::{FileSealKey, KeyKind};
use consign_pki::statement::StatementKey;
use consign_verify::Directory;

use crate::error::NodeError;
use crate::layout::{AgencyHome, NodeDirectory};

/// The secret keys of one agency.
#[derive(Debug)]
pub struct AgencyKeys {
    /// The seal key.
    pub seal: FileSealKey,
    /// The seal's certificate, DER.
    pub certificate: Vec<u8>,
    /// Its issuers, DER.
    pub chain: Vec<Vec<u8>>,
    /// The statement key.
    pub statement: StatementKey,
    /// Encryption identities, newest first; old ones are kept.
    pub encryption: Vec<EncryptionIdentity>,
    home: AgencyHome,
}

/// An agency to make keys for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAgency {
    /// Its code.
    pub code: AgencyCode,
    /// Its name.
    pub name: Line<200>,
    /// The code of the agency above it.
    pub parent: Option<AgencyCode>,
}

/// Why keys cannot be made, installed or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// Files.
    #[error(transparent)]
    Node(#[from] NodeError),
}

impl KeysError {
    /// The code to answer with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Node(fault) => fault.code(),
        }
    }
}

/// What installing a bundle did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Codes of the agencies whose seal certificates are in place.
    pub agencies: Vec<AgencyCode>,
    /// The directory version in place, if there is one.
    pub directory: Option<consign_domain::DirectoryVersion>,
    /// Whether anything changed.
    pub changed: bool,
}

/// Makes what is missing of the keys of a node and its agencies, and the request for the authority.
///
/// # Errors
/// [`KeysError`].
pub fn init(
    directory: &NodeDirectory,
    name: &Line<200>,
    agencies: &[NewAgency],
    kind: KeyKind,
) -> Result<Request, KeysError> {
    unimplemented!("{directory:?} {name} {agencies:?} {kind:?}")
}

/// Installs what the authority gave back.
///
/// # Errors
/// [`KeysError`]; nothing is installed then.
pub fn install(directory: &NodeDirectory, bundle: &[u8]) -> Result<Installed, KeysError> {
    unimplemented!("{directory:?} {bundle:?}")
}

impl AgencyKeys {
    /// Reads the keys of an agency.
    ///
    /// # Errors
    /// [`KeysError`] names the file and the fix.
    pub fn load(home: &AgencyHome) -> Result<Self, KeysError> {
        unimplemented!("{home:?}")
    }

    /// The agency as its statements name it, by this directory.
    pub fn signer(&self, directory: &Directory, at: Timestamp) -> Signer {
        unimplemented!("{directory:?} {at} {:?}", self.home)
    }

    /// The agency's code at a moment by this directory; the one at enrolment if it has none.
    pub fn code(&self, directory: &Directory, at: Timestamp) -> AgencyCode {
        unimplemented!("{directory:?} {at}")
    }
}
