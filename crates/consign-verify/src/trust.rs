//! The trust file: all that a verifier takes on faith.
//!
//! It pins the network, the roots of seal certificates, the directory key and the lowest
//! directory version to accept; besides, roots that are not the network's own: of time-stamp
//! authorities, and of those who sign documents themselves, such as each generation of the
//! Government's CA. Later also log keys, whose place is already here. Everything else proves
//! itself from these.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use consign_domain::text::Line;
use consign_domain::{DirectoryVersion, KeyId, NetworkId, PartyCode, PartyId};
use consign_pki::statement::StatementPublicKey;
use serde::{Deserialize, Serialize};

/// Largest trust file, in bytes.
pub const MAX_TRUST: usize = 256 * 1024;

/// Why a trust file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// More bytes than a trust file may have.
    #[error("{size} bytes, a trust file has at most {MAX_TRUST}")]
    TooLarge {
        /// Bytes found.
        size: usize,
    },
    /// Not JSON of this form.
    #[error("not a well-formed trust file")]
    Malformed {
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// A root is not base64.
    #[error("root {index} is not base64")]
    Root {
        /// Its place, from 0.
        index: usize,
    },
    /// A directory key is not one.
    #[error("directory key {index} is not a valid Ed25519 key")]
    DirectoryKey {
        /// Its place, from 0.
        index: usize,
    },
    /// Nothing could ever be verified with it.
    #[error("a trust file names at least one root and one directory key")]
    Empty,
}

/// The file's form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrustFile {
    #[serde(rename = "type")]
    tag: TrustTag,
    network: NetworkId,
    name: Line<200>,
    authority: AuthorityFile,
    minimum_version: DirectoryVersion,
    /// DER certificates in base64.
    roots: Vec<String>,
    /// Keys of the hub's log; none yet.
    log_keys: Vec<String>,
    /// Roots of time-stamp authorities besides those of seals; DER certificates in base64.
    timestamp_roots: Vec<String>,
    /// Roots of signatures inside documents besides those of seals; DER certificates in base64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    document_roots: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AuthorityFile {
    id: PartyId,
    code: PartyCode,
    /// Ed25519 public keys in hexadecimal digits.
    directory_keys: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum TrustTag {
    #[serde(rename = "consign/trust/v1")]
    V1,
}

/// What a verifier takes on faith.
#[derive(Debug, Clone)]
pub struct TrustStore {
    network: NetworkId,
    name: Line<200>,
    authority: PartyId,
    authority_code: PartyCode,
    directory_keys: Vec<StatementPublicKey>,
    roots: Vec<Vec<u8>>,
    minimum_version: DirectoryVersion,
    /// Not used yet, and kept when the file is written again.
    log_keys: Vec<String>,
    time_stamp_roots: Vec<Vec<u8>>,
    document_roots: Vec<Vec<u8>>,
}

impl TrustStore {
    /// Trust in one authority: its network, roots (DER) and directory key.
    pub const fn new(
        network: NetworkId,
        name: Line<200>,
        authority: PartyId,
        authority_code: PartyCode,
        directory_keys: Vec<StatementPublicKey>,
        roots: Vec<Vec<u8>>,
        minimum_version: DirectoryVersion,
    ) -> Self {
        Self {
            network,
            name,
            authority,
            authority_code,
            directory_keys,
            roots,
            minimum_version,
            log_keys: Vec::new(),
            time_stamp_roots: Vec::new(),
            document_roots: Vec::new(),
        }
    }

    /// Reads a trust file.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, TrustError> {
        if bytes.len() > MAX_TRUST {
            return Err(TrustError::TooLarge { size: bytes.len() });
        }
        let file: TrustFile =
            serde_json::from_slice(bytes).map_err(|source| TrustError::Malformed { source })?;
        if file.roots.is_empty() || file.authority.directory_keys.is_empty() {
            return Err(TrustError::Empty);
        }
        let decoded = |texts: &[String]| {
            let texts = texts.iter().enumerate();
            let decode = |(index, text)| {
                STANDARD
                    .decode(text)
                    .map_err(|_| TrustError::Root { index })
            };
            texts.map(decode).collect::<Result<Vec<_>, _>>()
        };
        let keys = file.authority.directory_keys.iter().enumerate();
        Ok(Self {
            network: file.network,
            name: file.name,
            authority: file.authority.id,
            authority_code: file.authority.code,
            minimum_version: file.minimum_version,
            log_keys: file.log_keys,
            time_stamp_roots: decoded(&file.timestamp_roots)?,
            document_roots: decoded(&file.document_roots)?,
            roots: decoded(&file.roots)?,
            directory_keys: keys
                .map(|(index, text)| public_key(text).ok_or(TrustError::DirectoryKey { index }))
                .collect::<Result<_, _>>()?,
        })
    }

    /// The bytes of the trust file.
    #[expect(clippy::expect_used, reason = "our own types always have a JSON form")]
    pub fn to_bytes(&self) -> Vec<u8> {
        let keys = self
            .directory_keys
            .iter()
            .map(|key| hex::encode(key.to_bytes()));
        let encoded = |roots: &[Vec<u8>]| roots.iter().map(|root| STANDARD.encode(root)).collect();
        let file = TrustFile {
            tag: TrustTag::V1,
            network: self.network,
            name: self.name.clone(),
            authority: AuthorityFile {
                id: self.authority,
                code: self.authority_code.clone(),
                directory_keys: keys.collect(),
            },
            minimum_version: self.minimum_version,
            roots: encoded(&self.roots),
            log_keys: self.log_keys.clone(),
            timestamp_roots: encoded(&self.time_stamp_roots),
            document_roots: encoded(&self.document_roots),
        };
        let mut bytes = serde_json::to_vec_pretty(&file).expect("trust files serialise");
        bytes.push(b'\n');
        bytes
    }

    /// The network.
    pub const fn network(&self) -> NetworkId {
        self.network
    }

    /// The network's name for people.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The authority that signs directory heads.
    pub const fn authority(&self) -> PartyId {
        self.authority
    }

    /// The name of that authority in statements.
    pub const fn authority_code(&self) -> &PartyCode {
        &self.authority_code
    }

    /// Roots of seal certificates, as DER.
    pub fn roots(&self) -> &[Vec<u8>] {
        &self.roots
    }

    /// With more roots of time-stamp authorities, as DER: those that an operator adds.
    #[must_use]
    pub fn with_time_stamp_roots(mut self, roots: Vec<Vec<u8>>) -> Self {
        self.time_stamp_roots.extend(roots);
        self
    }

    /// Roots of time-stamp authorities besides those of seals, as DER.
    pub fn time_stamp_roots(&self) -> &[Vec<u8>] {
        &self.time_stamp_roots
    }

    /// With more roots of signatures inside documents, as DER.
    #[must_use]
    pub fn with_document_roots(mut self, roots: Vec<Vec<u8>>) -> Self {
        self.document_roots.extend(roots);
        self
    }

    /// Roots of signatures inside documents (PDF) besides those of seals, as DER.
    pub fn document_roots(&self) -> &[Vec<u8>] {
        &self.document_roots
    }

    /// Whether both believe the same authority of the same network, and the same roots of
    /// seals. What else they hold, each holder may have added to.
    pub fn is_of_one_mind(&self, other: &Self) -> bool {
        let keys = |store: &Self| -> Vec<[u8; 16]> {
            let keys = store.directory_keys.iter();
            keys.map(StatementPublicKey::key_id).collect()
        };
        (self.network, self.authority) == (other.network, other.authority)
            && self.roots == other.roots
            && keys(self) == keys(other)
    }

    /// The lowest directory version to accept.
    pub const fn minimum_version(&self) -> DirectoryVersion {
        self.minimum_version
    }

    /// The keys that sign heads.
    pub fn directory_keys(&self) -> &[StatementPublicKey] {
        &self.directory_keys
    }

    /// The directory key of this name.
    pub fn directory_key(&self, id: KeyId) -> Option<&StatementPublicKey> {
        self.directory_keys
            .iter()
            .find(|key| key.key_id() == id.to_bytes())
    }
}

fn public_key(text: &str) -> Option<StatementPublicKey> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    StatementPublicKey::from_bytes(&bytes).ok()
}
