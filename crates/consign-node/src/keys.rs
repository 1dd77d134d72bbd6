//! Keys of a node and its agencies: made where they are used, never overwritten, read
//! when the node starts.
//!
//! `keys/tls.key` is the node's TLS key. Each agency has a *seal* key (PKCS#8), a
//! *statement* key (Ed25519, PKCS#8) and *encryption* identities (an age identity file,
//! newest first; old ones stay, since old wraps need them). All have mode 0600 and are
//! refused when others may read them. They lie under a passphrase all together, or none of
//! them; new ones come to lie as the old ones do. A seal key may be in a token instead, which
//! `seal.toml` names: it is needed to sign, and for nothing else.

mod init;
mod install;
mod protect;
mod renew;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use consign_domain::statement::Signer;
use consign_domain::{AgencyCode, AgencyId, ErrorCode, KeyId, NodeId, Timestamp};
use consign_keys::{Keyring, KeyringError};
use consign_pki::certificate::{self, CertificateDetails, CertificateError};
use consign_pki::encryption::{EncryptionError, EncryptionIdentity};
use consign_pki::issue::IssueError;
use consign_pki::seal::{SealError, SealSigner};
use consign_pki::statement::{StatementKey, StatementKeyError};
use consign_runtime::entropy::EntropyError;
use consign_runtime::files::{self, FileError};
use consign_runtime::tls::IdentityError;
use consign_verify::{Directory, DirectoryError, TrustError};
use zeroize::Zeroizing;

use crate::directory_files::DirectoryFileError;
use crate::error::NodeError;
use crate::layout::AgencyHome;

pub(crate) use init::read_request;
pub use init::{NewAgency, NewKeys, init, init_with};
pub(crate) use install::put_in_place;
pub use install::{Installed, install, install_with};
pub use protect::protect;
pub(crate) use renew::{
    awaits_certificate, forget_ended, identities, identity_in_force, next_request,
};

/// Largest key or certificate file.
const MAX_KEY_FILE: usize = 256 * 1024;

const SEAL_KEY: &str = "seal.key";
pub(crate) const SEAL_CERTIFICATE: &str = "seal.pem";
const STATEMENT_KEY: &str = "statement.key";
const ENCRYPTION_KEY: &str = "encryption.key";
/// Identities that a new one is put before: what was received with them stays readable.
const ENCRYPTION_KEY_BEFORE: &str = "encryption.key.old";

const RESTORE: &str = "restore it from a backup";
const INSTALL: &str = "run: consign node install BUNDLE";

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFault {
    /// A seal or TLS key.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A statement key.
    #[error(transparent)]
    Statement(#[from] StatementKeyError),
    /// An encryption key.
    #[error(transparent)]
    Encryption(#[from] EncryptionError),
    /// A certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The file is not text.
    #[error("not text")]
    NotText,
    /// There is no key in it.
    #[error("there is no key in it")]
    Empty,
    /// The certificate is another key's.
    #[error("the certificate belongs to another key")]
    OtherKey,
}

/// Why keys cannot be made, installed or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// Files.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A key cannot be opened or kept.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// A key in a token is named that several agencies would share.
    #[error("the token file names one key; make the keys of each agency by a command of its own")]
    OneKey,
    /// A token is named for a seal key that is there already, and not in it.
    #[error(
        "{agency} has its seal key already, in {}; to have one in the token instead, put .old \
         behind that file's name and give the command again",
        path.display()
    )]
    SealElsewhere {
        /// The agency.
        agency: AgencyCode,
        /// The key, or where in which token it is.
        path: PathBuf,
    },
    /// A file with a key or certificate cannot be used.
    #[error("{} cannot be used; {fix}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What to do.
        fix: &'static str,
        /// Why.
        #[source]
        source: KeyFault,
    },
    /// The TLS certificate and key do not fit.
    #[error("{} cannot be used; {INSTALL}", path.display())]
    Identity {
        /// The certificate.
        path: PathBuf,
        /// Why.
        #[source]
        source: IdentityError,
    },
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// A certificate request could not be made.
    #[error("a certificate request could not be made")]
    Request(#[from] IssueError),
    /// A code that an agency cannot be registered under.
    #[error("{code} is no code to register an agency under, as H49.13.05")]
    Code {
        /// The code.
        code: AgencyCode,
    },
    /// No agency was named for a new node.
    #[error("a node serves at least one agency; name its code and name")]
    NoAgency,
    /// The bundle is not one.
    #[error("this is not a bundle from the authority")]
    Bundle {
        /// Why.
        #[source]
        source: consign_domain::enrolment::EnrolmentError,
    },
    /// The bundle is for another node.
    #[error("this bundle is for another node or hub, this node is {node}")]
    OtherNode {
        /// This node.
        node: NodeId,
    },
    /// The bundle belongs to another network.
    #[error("this bundle is of another network than the one this node belongs to")]
    OtherNetwork,
    /// The bundle's trust file is damaged.
    #[error("the bundle's trust file cannot be used")]
    Trust {
        /// Why.
        #[source]
        source: TrustError,
    },
    /// A certificate in the bundle is not for the key here.
    #[error(
        "the bundle's certificate for {what} is not for the key here; send the authority this node's request.json"
    )]
    Certificate {
        /// `TLS` or an agency's code.
        what: String,
        /// Why.
        #[source]
        source: KeyFault,
    },
    /// The bundle's directory does not verify.
    #[error("the bundle's directory does not verify")]
    Directory {
        /// Why.
        #[source]
        source: DirectoryError,
    },
    /// The directory could not be stored.
    #[error(transparent)]
    DirectoryFile(#[from] DirectoryFileError),
}

impl KeysError {
    /// The code to answer with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Node(fault) => fault.code(),
            Self::Keyring(fault) => fault.code(),
            Self::Request(IssueError::Seal(fault)) if fault.is_keepers() => {
                ErrorCode::TokenUnavailable
            }
            Self::Entropy(_) | Self::Request(_) => ErrorCode::Internal,
            Self::OtherNetwork => ErrorCode::NetworkMismatch,
            Self::Directory { source } => source.code(),
            Self::DirectoryFile(_) => ErrorCode::StorageFailed,
            _ => ErrorCode::Usage,
        }
    }
}

impl From<FileError> for KeysError {
    fn from(fault: FileError) -> Self {
        Self::Node(fault.into())
    }
}

/// The secret keys of one agency.
#[derive(Debug)]
pub struct AgencyKeys {
    /// The agency.
    pub id: AgencyId,
    /// Its code at enrolment.
    pub enrolled_code: AgencyCode,
    /// The seal key.
    pub seal: Arc<dyn SealSigner>,
    /// The seal's certificate, DER.
    pub certificate: Vec<u8>,
    /// When that certificate ends.
    pub certificate_ends: Timestamp,
    /// Its issuers, DER.
    pub chain: Vec<Vec<u8>>,
    /// The statement key.
    pub statement: StatementKey,
    /// Encryption identities, newest first; old ones are kept.
    pub encryption: Vec<EncryptionIdentity>,
}

impl AgencyKeys {
    /// Reads the keys of an agency. A token that keeps the seal key is not asked.
    ///
    /// # Errors
    /// [`KeysError`] names the file and the fix.
    pub fn load(home: &AgencyHome, keyring: &Keyring) -> Result<Self, KeysError> {
        let directory = home.keys_dir();
        let (path, key) = (directory.join(SEAL_CERTIFICATE), directory.join(SEAL_KEY));
        let text = text_of(&path, files::read_bounded(&path, MAX_KEY_FILE), INSTALL)?;
        let chain = Chain::parse(&text).map_err(unusable(&path, INSTALL))?;
        let seal = keyring.known_signer(&key, &chain.public);
        let seal = seal.map_err(named(&key, RESTORE))?;
        let chain = chain.of(seal.public_key_der());
        let chain = chain.map_err(unusable(&path, INSTALL))?;
        Ok(Self {
            id: home.id(),
            enrolled_code: home.code().clone(),
            seal,
            certificate: chain.own,
            certificate_ends: Timestamp::from_unix_saturating(chain.ends),
            chain: chain.issuers,
            statement: read_statement_key(&directory.join(STATEMENT_KEY), keyring)?,
            encryption: read_identities(&directory.join(ENCRYPTION_KEY), keyring)?,
        })
    }

    /// The agency's code at a moment by this directory; the one at enrolment if it has none.
    pub fn code(&self, directory: &Directory, at: Timestamp) -> AgencyCode {
        directory
            .agency(self.id)
            .and_then(|agency| agency.code_at(at))
            .unwrap_or(&self.enrolled_code)
            .clone()
    }

    /// The agency as its statements name it, by this directory.
    pub fn signer(&self, directory: &Directory, at: Timestamp) -> Signer {
        Signer {
            id: self.id.into(),
            code: self.code(directory, at).into(),
            key: KeyId::from_bytes(self.statement.public().key_id()),
            directory: directory.version(),
        }
    }
}

/// A secret text file; says how to get it when it is missing.
fn read_secret(path: &Path, keyring: &Keyring) -> Result<Zeroizing<String>, KeysError> {
    keyring.read(path).map_err(named(path, RESTORE))
}

/// A key that is missing is named with what to do.
fn named(path: &Path, fix: &'static str) -> impl FnOnce(KeyringError) -> KeysError {
    let path = path.to_owned();
    move |fault| {
        if fault.is_not_found() {
            NodeError::Missing { path, fix }.into()
        } else {
            fault.into()
        }
    }
}

fn text_of(
    path: &Path,
    bytes: Result<Vec<u8>, FileError>,
    fix: &'static str,
) -> Result<Zeroizing<String>, KeysError> {
    match bytes.map(String::from_utf8) {
        Ok(Ok(text)) => Ok(Zeroizing::new(text)),
        Ok(Err(_)) => Err(unusable(path, RESTORE)(KeyFault::NotText)),
        Err(fault) if fault.is_not_found() => Err(NodeError::Missing {
            path: path.to_owned(),
            fix,
        }
        .into()),
        Err(fault) => Err(fault.into()),
    }
}

fn unusable<E: Into<KeyFault>>(path: &Path, fix: &'static str) -> impl FnOnce(E) -> KeysError {
    let path = path.to_owned();
    move |source| KeysError::Key {
        path,
        fix,
        source: source.into(),
    }
}

/// The signing key of a file, or of the token that is named beside it.
fn read_signer(path: &Path, keyring: &Keyring) -> Result<Arc<dyn SealSigner>, KeysError> {
    keyring.signer(path).map_err(named(path, RESTORE))
}

fn read_statement_key(path: &Path, keyring: &Keyring) -> Result<StatementKey, KeysError> {
    let text = read_secret(path, keyring)?;
    StatementKey::from_pkcs8_pem(&text).map_err(unusable(path, RESTORE))
}

/// The identities of an age identity file, in its order; comments and empty lines are skipped.
fn read_identities(path: &Path, keyring: &Keyring) -> Result<Vec<EncryptionIdentity>, KeysError> {
    let text = read_secret(path, keyring)?;
    let identities = text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(EncryptionIdentity::from_text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(unusable(path, RESTORE))?;
    if identities.is_empty() {
        return Err(unusable(path, RESTORE)(KeyFault::Empty));
    }
    Ok(identities)
}

/// A certificate and the issuers after it, DER.
struct Chain {
    own: Vec<u8>,
    issuers: Vec<Vec<u8>>,
    /// The certificate's key, DER `SubjectPublicKeyInfo`.
    public: Vec<u8>,
    /// When the certificate begins and ends, Unix time.
    begins: u64,
    ends: u64,
    serial: String,
}

impl Chain {
    fn parse(text: &str) -> Result<Self, KeyFault> {
        let mut certificates = certificate::read_bundle(text)?.into_iter();
        let own = certificates.next().ok_or(KeyFault::Empty)?;
        let details = CertificateDetails::from_der(&own)?;
        Ok(Self {
            own,
            issuers: certificates.collect(),
            public: details.public_key_der,
            begins: details.not_before,
            ends: details.not_after,
            serial: details.serial_hex,
        })
    }

    /// The same if it is of this key.
    fn of(self, public: &[u8]) -> Result<Self, KeyFault> {
        if self.public == public {
            Ok(self)
        } else {
            Err(KeyFault::OtherKey)
        }
    }
}
