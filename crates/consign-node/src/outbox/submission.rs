//! What is submitted to the hub.

use std::path::PathBuf;

use bytes::Bytes;
use consign_domain::limits::{MAX_INLINE_PAYLOAD, MAX_WRAP};
use consign_domain::statement::Envelope;
use consign_domain::{EnvelopeId, SignedStatement};

use super::Outbox;
use crate::error::NodeError;
use crate::folder::{ENVELOPE, PAYLOAD, WRAPS};
use crate::seal;

/// Largest file of wraps: 1,000 of the largest.
const MAX_WRAPS: usize = 1_000 * (MAX_WRAP + 4);

/// What is submitted to the hub; the same bytes each time.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The signed envelope.
    pub signed: SignedStatement,
    /// Its fields.
    pub envelope: Envelope,
    /// One wrap per recipient, in the order of `to`.
    pub wraps: Vec<Bytes>,
    /// The ciphertext.
    pub payload: SubmissionPayload,
}

/// The ciphertext of a submission.
#[derive(Debug, Clone)]
pub enum SubmissionPayload {
    /// It travels inside the message.
    Inline(Bytes),
    /// It is uploaded from this file.
    File {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
}

impl Outbox {
    /// What to submit.
    ///
    /// # Errors
    /// It is not sealed, or a file is damaged.
    pub fn load_submission(&self, id: EnvelopeId) -> Result<Submission, NodeError> {
        let folder = self.folder(id)?;
        let (signed, envelope) = folder.expect_statement::<Envelope>(ENVELOPE)?;
        let framed = Bytes::from(folder.required(WRAPS, MAX_WRAPS)?);
        let wraps = seal::unframe(&framed)
            .filter(|wraps| wraps.len() == envelope.to.as_slice().len())
            .ok_or_else(|| NodeError::form(folder.file(WRAPS), "not a wrap per recipient"))?;
        let size = envelope.payload.size;
        let payload = match usize::try_from(size) {
            Ok(bytes) if size <= MAX_INLINE_PAYLOAD => {
                SubmissionPayload::Inline(folder.required(PAYLOAD, bytes)?.into())
            }
            _ => SubmissionPayload::File {
                path: folder.file(PAYLOAD),
                size,
            },
        };
        Ok(Submission {
            signed,
            envelope,
            wraps,
            payload,
        })
    }
}
