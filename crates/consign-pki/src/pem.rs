//! PEM text (RFC 7468), strict about labels and bounded in size and count.

use der::pem::LineEnding;

/// Why text is not the PEM it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PemError {
    /// No block with the expected label, or its body is not base64.
    #[error("no well-formed {label} block")]
    Malformed {
        /// The label looked for.
        label: &'static str,
    },
    /// The block is of another kind.
    #[error("block is not a {label}")]
    OtherLabel {
        /// The label looked for.
        label: &'static str,
    },
    /// The text is longer than the limit.
    #[error("PEM text exceeds {limit} bytes")]
    TooLong {
        /// Largest text accepted, in bytes.
        limit: usize,
    },
    /// More blocks than the limit.
    #[error("more than {limit} PEM blocks")]
    TooMany {
        /// Largest number of blocks accepted.
        limit: usize,
    },
}

pub(crate) const CERTIFICATE: &str = "CERTIFICATE";
pub(crate) const PRIVATE_KEY: &str = "PRIVATE KEY";
pub(crate) const PUBLIC_KEY: &str = "PUBLIC KEY";
pub(crate) const REVOCATION_LIST: &str = "X509 CRL";

/// Largest key file read, in bytes: an RSA-4096 key takes 3.3 KB.
pub(crate) const MAX_KEY_PEM: usize = 16 * 1024;

pub(crate) fn encode(label: &str, der: &[u8]) -> String {
    // Fails only for labels outside RFC 7468 or sizes beyond usize; ours are constants.
    der::pem::encode_string(label, LineEnding::LF, der).unwrap_or_default()
}

/// The one block in `text`, which must carry `label`.
pub(crate) fn decode(label: &'static str, text: &str, limit: usize) -> Result<Vec<u8>, PemError> {
    if text.len() > limit {
        return Err(PemError::TooLong { limit });
    }
    let (found, bytes) =
        der::pem::decode_vec(text.as_bytes()).map_err(|_| PemError::Malformed { label })?;
    if found == label {
        Ok(bytes)
    } else {
        Err(PemError::OtherLabel { label })
    }
}

/// All blocks with `label`; text between blocks is ignored, other labels are refused.
pub(crate) fn decode_all(
    label: &'static str,
    text: &str,
    max_blocks: usize,
    limit: usize,
) -> Result<Vec<Vec<u8>>, PemError> {
    if text.len() > limit {
        return Err(PemError::TooLong { limit });
    }
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("-----BEGIN ") {
        let block = rest.get(start..).unwrap_or_default();
        let end = block
            .find("-----END ")
            .ok_or(PemError::Malformed { label })?;
        let after = block.get(end..).unwrap_or_default();
        let line = after
            .find('\n')
            .map_or(after.len(), |position| position.saturating_add(1));
        let (whole, tail) = block
            .split_at_checked(end.saturating_add(line))
            .unwrap_or((block, ""));
        if blocks.len() >= max_blocks {
            return Err(PemError::TooMany { limit: max_blocks });
        }
        blocks.push(decode(label, whole, limit)?);
        rest = tail;
    }
    if blocks.is_empty() {
        Err(PemError::Malformed { label })
    } else {
        Ok(blocks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundles_keep_order_and_ignore_comments() {
        let text = format!(
            "# root\n{}\n# issuing\n{}",
            encode(CERTIFICATE, b"one"),
            encode(CERTIFICATE, b"two")
        );
        assert_eq!(
            decode_all(CERTIFICATE, &text, 2, 4096).unwrap(),
            [b"one", b"two"]
        );
        assert_eq!(
            decode_all(CERTIFICATE, &text, 1, 4096),
            Err(PemError::TooMany { limit: 1 })
        );
        assert_eq!(
            decode_all(CERTIFICATE, &text, 2, 10),
            Err(PemError::TooLong { limit: 10 })
        );
    }

    #[test]
    fn other_labels_and_torn_blocks_are_refused() {
        let key = encode(PRIVATE_KEY, b"secret");
        assert_eq!(
            decode_all(CERTIFICATE, &key, 2, 4096),
            Err(PemError::OtherLabel { label: CERTIFICATE })
        );
        let torn = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert_eq!(
            decode_all(CERTIFICATE, torn, 2, 4096),
            Err(PemError::Malformed { label: CERTIFICATE })
        );
        assert!(decode_all(CERTIFICATE, "", 2, 4096).is_err());
    }
}
