//! An entry with all that proves it: its place, the path to the root, and the signed head.
//!
//! An auditor needs nothing else but the trust file. The file's form, a JSON text:
//!
//! ```json
//! {"type":"consign/directory-proof/v1","head":"…","signature":"…","index":7,"path":["…"],"entry":"…"}
//! ```
//!
//! `head` and `entry` are the exact bytes that were signed and hashed, as text; `signature` and
//! the hashes of the path, lowest first, are hexadecimal digits.

use consign_domain::directory::Entry;
use consign_domain::limits::{MAX_ENTRY, MAX_HEAD};
use consign_domain::statement::DirectoryHead;
use consign_domain::{Digest, SignedStatement};
use serde::{Deserialize, Serialize};

use super::{Directory, DirectoryError, EntryPath, verify_head};
use crate::trust::TrustStore;

/// Largest file of a proof, in bytes: head, entry and path, escaped.
pub const MAX_PROOF: usize = 2 * (MAX_HEAD + MAX_ENTRY) + MAX_PATH * 80;
/// Most hashes of a path: of a tree that no directory comes near.
const MAX_PATH: usize = 64;

/// Why bytes are not a proof of an entry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// More bytes than a proof may have.
    #[error("{size} bytes, a proof has at most {MAX_PROOF}")]
    TooLarge {
        /// Bytes found.
        size: usize,
    },
    /// Not JSON of this form.
    #[error("not a well-formed proof of a directory entry")]
    Malformed {
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// The signature is not 64 bytes, or the path has more hashes than any.
    #[error("the proof's {field} is not one")]
    Field {
        /// Which.
        field: &'static str,
    },
}

/// An entry that proved itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenEntry {
    /// The head under whose root it stands. Whether that is the newest, or still fresh, it
    /// cannot say.
    pub head: DirectoryHead,
    /// The same as it was signed.
    pub signed_head: SignedStatement,
    /// The entry.
    pub entry: Entry,
}

/// An entry with its place, path and signed head. Nothing is promised before it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryProof {
    head: SignedStatement,
    index: u64,
    path: Vec<consign_log::Hash>,
    entry: Vec<u8>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProofFile {
    #[serde(rename = "type")]
    tag: ProofTag,
    head: String,
    signature: String,
    index: u64,
    path: Vec<Digest>,
    entry: String,
}

#[derive(Debug, Serialize, Deserialize)]
enum ProofTag {
    #[serde(rename = "consign/directory-proof/v1")]
    V1,
}

impl EntryProof {
    /// The proof of the entry with an id; `None` if nobody has it.
    pub fn of(directory: &Directory, id: [u8; 16]) -> Option<Self> {
        Self::of_each(directory, &[id]).pop()?
    }

    /// The same of several, in their order.
    pub fn of_each(directory: &Directory, ids: &[[u8; 16]]) -> Vec<Option<Self>> {
        let paths = directory.paths_of(ids).into_iter();
        let proof = |found: EntryPath<'_>| Self {
            head: directory.signed_head().clone(),
            index: found.index,
            path: found.path,
            entry: found.line.to_vec(),
        };
        paths.map(|found| found.map(proof)).collect()
    }

    /// Reads a proof's file.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ProofError> {
        if bytes.len() > MAX_PROOF {
            return Err(ProofError::TooLarge { size: bytes.len() });
        }
        let file: ProofFile =
            serde_json::from_slice(bytes).map_err(|source| ProofError::Malformed { source })?;
        let field = |field| ProofError::Field { field };
        let mut signature = [0; 64];
        hex::decode_to_slice(&file.signature, &mut signature).map_err(|_| field("signature"))?;
        if file.path.len() > MAX_PATH {
            return Err(field("path"));
        }
        Ok(Self {
            head: SignedStatement {
                statement: file.head.into_bytes().into(),
                signature,
            },
            index: file.index,
            path: file.path.iter().map(|hash| *hash.as_bytes()).collect(),
            entry: file.entry.into_bytes(),
        })
    }

    /// The bytes of a proof's file.
    #[expect(clippy::expect_used, reason = "our own types always have a JSON form")]
    pub fn to_bytes(&self) -> Vec<u8> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let file = ProofFile {
            tag: ProofTag::V1,
            head: text(&self.head.statement),
            signature: hex::encode(self.head.signature),
            index: self.index,
            path: self.path.iter().copied().map(Digest::from_bytes).collect(),
            entry: text(&self.entry),
        };
        let mut bytes = serde_json::to_vec_pretty(&file).expect("proofs serialise");
        bytes.push(b'\n');
        bytes
    }

    /// Checks the head by the trust file, and the entry by its path.
    ///
    /// # Errors
    /// [`DirectoryError`] of the head or the entry, or [`DirectoryError::Root`] for the path.
    pub fn verify(&self, trust: &TrustStore) -> Result<ProvenEntry, DirectoryError> {
        let head = verify_head(&self.head, trust)?;
        let leaf = consign_log::leaf_hash(&self.entry);
        let root = head.root.as_bytes();
        consign_log::verify_path(&leaf, self.index, head.entries, &self.path, root)
            .map_err(|_| DirectoryError::Root)?;
        let index = usize::try_from(self.index).unwrap_or(usize::MAX);
        let entry = Entry::parse(&self.entry);
        let entry = entry.map_err(|source| DirectoryError::Entry { index, source })?;
        Ok(ProvenEntry {
            head,
            signed_head: self.head.clone(),
            entry,
        })
    }
}
