//! Who this hub is: its keys from files, its name and id from the directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;

use consign_domain::directory::KeyState;
use consign_domain::statement::{Evidence, Signer, Statement};
use consign_domain::{
    Digest, DirectoryVersion, ErrorCode, HubId, KeyId, NetworkId, PartyCode, SignedStatement,
    Timestamp,
};
use consign_keys::{Keyring, KeyringError};
use consign_pki::certificate::{self, CertificateDetails, CertificateError};
use consign_pki::seal::{FileSealKey, SealError, SealSigner as _};
use consign_pki::statement::{StatementKey, StatementKeyError};
use consign_runtime::files::{self, FileError};
use consign_runtime::tls::{IdentityError, TlsIdentity};
use consign_verify::Directory;
use tracing::warn;

use crate::error::file_code;

/// A key or a certificate chain in PEM.
const MAX_PEM: usize = 256 * 1024;
/// Stands for every policy (RFC 5280 §4.2.1.4), and so for none to stamp under.
const ANY_POLICY: &str = "2.5.29.32.0";

/// What to do about a time-stamp certificate of another key.
const ANOTHER_CERTIFICATE: &str = "stop the hub; run consign hub init again with its address and \
    name, give the authority request.json (authority issue --replace), and install what it \
    answers; or run consign hub enrol with a new token";

pub(crate) const TLS_KEY: &str = "tls.key";
pub(crate) const TLS_CERTIFICATE: &str = "tls.pem";
pub(crate) const STATEMENT_KEY: &str = "statement.key";
pub(crate) const TIME_STAMP_KEY: &str = "time-stamp.key";
pub(crate) const TIME_STAMP_CERTIFICATE: &str = "time-stamp.pem";

/// Why the hub's keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFault {
    /// A key cannot be opened.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// A file cannot be read.
    #[error("a file beside the keys cannot be used")]
    File {
        /// Which, and why.
        #[source]
        source: FileError,
    },
    /// The file is not text.
    #[error("{} is not PEM", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// The TLS key and certificate make no identity.
    #[error("the TLS key and certificate cannot be used")]
    Tls {
        /// Why.
        #[source]
        source: IdentityError,
    },
    /// The statement key is not one.
    #[error("the statement key cannot be used")]
    Statement {
        /// Why.
        #[source]
        source: StatementKeyError,
    },
    /// The time-stamp key is not one.
    #[error("the time-stamp key cannot be used")]
    TimeStampKey {
        /// Why.
        #[source]
        source: SealError,
    },
    /// The time-stamp certificate cannot be read.
    #[error("the time-stamp certificate cannot be read")]
    TimeStampCertificate {
        /// Why.
        #[source]
        source: CertificateError,
    },
    /// The time-stamp certificate is for another key.
    #[error("the time-stamp certificate does not belong to the time-stamp key")]
    TimeStampMismatch,
    /// The directory does not know the certificate as a hub's.
    #[error(
        "directory version {version} has no active hub with certificate {certificate}; \
         have the authority issue and publish this hub"
    )]
    NotListed {
        /// The directory in force.
        version: DirectoryVersion,
        /// SHA-256 of our certificate.
        certificate: Digest,
    },
    /// The directory lists the hub, but not with this statement key.
    #[error("directory version {version} does not list statement key {key} for this hub")]
    KeyNotListed {
        /// The directory in force.
        version: DirectoryVersion,
        /// Our key.
        key: KeyId,
    },
}

impl KeyFault {
    /// The code to answer with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::File { source } | Self::Keyring(KeyringError::File(source)) => file_code(source),
            Self::Keyring(fault) => fault.code(),
            // What lies where a key should be is not one, or belongs to another.
            Self::NotText { .. }
            | Self::Tls { .. }
            | Self::Statement { .. }
            | Self::TimeStampKey { .. }
            | Self::TimeStampCertificate { .. }
            | Self::TimeStampMismatch => ErrorCode::KeyNotValid,
            Self::NotListed { .. } => ErrorCode::PeerUnknown,
            Self::KeyNotListed { .. } => ErrorCode::KeyUnknown,
        }
    }
}

impl From<FileError> for KeyFault {
    fn from(source: FileError) -> Self {
        Self::File { source }
    }
}

/// The hub's secrets.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) tls: TlsIdentity,
    pub(crate) statement: StatementKey,
}

impl Keys {
    /// Reads `tls.key`, `tls.pem` and `statement.key`.
    pub(crate) fn load(directory: &Path, keyring: &Keyring) -> Result<Self, KeyFault> {
        let key = keyring.read(&directory.join(TLS_KEY))?;
        let chain = files::read_bounded(&directory.join(TLS_CERTIFICATE), MAX_PEM)?;
        let tls = TlsIdentity::from_pem(&chain, key.as_bytes())
            .map_err(|source| KeyFault::Tls { source })?;
        let statement = read_statement_key(&directory.join(STATEMENT_KEY), keyring)?;
        Ok(Self { tls, statement })
    }
}

/// The key of the hub's time-stamp authority, with its certificate.
pub(crate) struct TimeStampKey {
    pub(crate) key: FileSealKey,
    /// DER.
    pub(crate) certificate: Vec<u8>,
    /// Its issuers without the root, DER.
    pub(crate) chain: Vec<Vec<u8>>,
    /// Its first and last second, Unix time.
    pub(crate) validity: (u64, u64),
    /// The policy that it was issued under, dotted: that of its stamps. `None` where it names none.
    pub(crate) policy: Option<String>,
}

impl TimeStampKey {
    /// Reads `time-stamp.key` and `time-stamp.pem`; `None` where the hub was not given a
    /// certificate, was restored without its key, or has the certificate of another: it relays all
    /// the same.
    pub(crate) fn load(directory: &Path, keyring: &Keyring) -> Result<Option<Self>, KeyFault> {
        let bundle = directory.join(TIME_STAMP_CERTIFICATE);
        let bytes = match files::read_bounded(&bundle, MAX_PEM) {
            Ok(bytes) => bytes,
            Err(fault) if fault.is_not_found() => return Ok(None),
            Err(fault) => return Err(fault.into()),
        };
        match Self::new(directory, text(&bundle, &bytes)?, keyring) {
            Ok(key) => Ok(Some(key)),
            Err(KeyFault::Keyring(fault)) if fault.is_not_found() => Ok(None),
            Err(fault @ KeyFault::TimeStampMismatch) => {
                warn!(%fault, fix = ANOTHER_CERTIFICATE, "this hub gives no time-stamps");
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }

    /// Puts the key in a directory together with its certificate and the issuers of that, PEM.
    pub(crate) fn new(
        directory: &Path,
        certificates: &str,
        keyring: &Keyring,
    ) -> Result<Self, KeyFault> {
        let key = keyring.read(&directory.join(TIME_STAMP_KEY))?;
        let key = FileSealKey::from_pkcs8_pem(&key)
            .map_err(|source| KeyFault::TimeStampKey { source })?;
        let unreadable = |source| KeyFault::TimeStampCertificate { source };
        let mut chain = certificate::read_bundle(certificates).map_err(unreadable)?;
        if chain.is_empty() {
            return Err(unreadable(CertificateError::NotACertificate));
        }
        let certificate = chain.remove(0);
        let details = CertificateDetails::from_der(&certificate).map_err(unreadable)?;
        if details.public_key_der != key.public_key_der() {
            return Err(KeyFault::TimeStampMismatch);
        }
        let policies = certificate::policies(&certificate).map_err(unreadable)?;
        let policy = policies.into_iter().find(|policy| policy != ANY_POLICY);
        Ok(Self {
            key,
            certificate,
            chain,
            policy,
            validity: (details.not_before, details.not_after),
        })
    }
}

fn text<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, KeyFault> {
    std::str::from_utf8(bytes).map_err(|_| KeyFault::NotText {
        path: path.to_owned(),
    })
}

pub(crate) fn read_statement_key(path: &Path, keyring: &Keyring) -> Result<StatementKey, KeyFault> {
    let text = keyring.read(path)?;
    StatementKey::from_pkcs8_pem(&text).map_err(|source| KeyFault::Statement { source })
}

/// Signs the hub's evidence.
#[derive(Debug)]
pub(crate) struct HubSigner {
    pub(crate) network: NetworkId,
    pub(crate) hub: HubId,
    /// SHA-256 of the hub's TLS certificate.
    certificate: ArcSwap<Digest>,
    code: PartyCode,
    key_id: KeyId,
    key: StatementKey,
}

impl HubSigner {
    /// Finds the hub in the directory by its TLS certificate.
    pub(crate) fn new(keys: Keys, directory: &Directory, at: Timestamp) -> Result<Self, KeyFault> {
        let certificate = Digest::from_bytes(keys.tls.fingerprint().0);
        let version = directory.version();
        let entry = directory
            .hub_by_certificate(certificate, at)
            .ok_or(KeyFault::NotListed {
                version,
                certificate,
            })?;
        let key_id = KeyId::from_bytes(keys.statement.public().key_id());
        let listed = directory
            .key(entry.id.into(), key_id)
            .is_some_and(|key| key.counts_at(at));
        if !listed {
            return Err(KeyFault::KeyNotListed {
                version,
                key: key_id,
            });
        }
        Ok(Self {
            network: directory.head().network,
            hub: entry.id,
            certificate: ArcSwap::from_pointee(certificate),
            code: entry.code.clone(),
            key_id,
            key: keys.statement,
        })
    }

    /// SHA-256 of the TLS certificate that the hub shows.
    pub(crate) fn certificate(&self) -> Digest {
        **self.certificate.load()
    }

    /// Takes note that the hub shows another certificate.
    pub(crate) fn show(&self, certificate: Digest) {
        self.certificate.store(Arc::new(certificate));
    }

    /// How the hub names itself in a statement made under a directory version.
    pub(crate) fn signer(&self, directory: DirectoryVersion) -> Signer {
        Signer {
            id: self.hub.into(),
            code: self.code.clone(),
            key: self.key_id,
            directory,
        }
    }

    /// Whether a directory lists the hub's statement key as the one to sign with.
    pub(crate) fn counts(&self, directory: &Directory, at: Timestamp) -> bool {
        let key = directory.key(self.hub.into(), self.key_id);
        key.is_some_and(|key| key.entry.state == KeyState::Active && key.counts_at(at))
    }

    /// Signs evidence as it stands.
    pub(crate) fn sign(&self, evidence: &Evidence) -> SignedStatement {
        let statement = evidence.to_bytes();
        let signature = self.key.sign(&statement);
        SignedStatement {
            statement,
            signature,
        }
    }
}
