//! What is asked of a document, as data: the one place to read, and to change, it.
//!
//! The checks (`container`, `pdf`, `statement`) are the mechanism; none of them has a number, a
//! name or an exception of its own. [`Policy::default`] is strict: what is not listed is not
//! taken. A deployment that asks for more starts from it.

use consign_domain::limits::MAX_SKEW_SECONDS;
use consign_pki::algorithm::{MIN_RSA_BITS, SignatureAlgorithm};
use consign_pki::asic::Budget;

use crate::pdf::Standing;

/// What a signature in a PDF file counts for that does not say which certificate it is by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unnamed {
    /// For nobody: neither issuer, serial number nor certificate are signed, so that any other
    /// certificate of the same key can be put in its place, a person's for an agency's. The
    /// signature holds for the bytes; whose it is, is not its word.
    #[default]
    Nobody,
    /// For whom the certificate that lies beside it names.
    ItsCertificate,
}

/// Extended key usage that seals of this network carry; a deployment has its own arc.
pub const SEAL_USAGE: &str = consign_pki::issue::PLACEHOLDER_SEAL_EKU;

/// What stands before the code in the organizationIdentifier (X.520) of seals.
pub const ORGANIZATION_IDENTIFIER_PREFIX: &str = "VNGOV-";

/// Which zip profile a container must keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// Ours, byte for byte.
    #[default]
    Canonical,
    /// Any ASiC-E container that all readers see alike; deviations are noted.
    Lenient,
}

/// What a verdict asks for (EN 319 102-1 §5.1.4: validation constraints).
#[derive(Debug, Clone)]
pub struct Policy {
    /// The zip profile (EN 319 162-1 §4.4).
    pub profile: Profile,
    /// What reading a container may cost.
    pub budget: Budget,
    /// Signature algorithms that are taken (TS 119 312; EN 319 102-1 §5.2.8). Whatever else is
    /// sound is `CRYPTO_CONSTRAINTS_FAILURE`; whatever the mechanism does not know is undecided.
    pub algorithms: Vec<SignatureAlgorithm>,
    /// Smallest RSA modulus of a signer, in bits (TS 119 312 §8). The mechanism itself takes
    /// none below 2048 on any certificate of a path.
    pub minimum_rsa_bits: usize,
    /// Extended key usage that the issuer's seal must list, dotted (RFC 5280 §4.2.1.12).
    pub seal_usage: String,
    /// Extended key usages of which a certificate that signs PDF files must list one, unless it
    /// lists none at all (RFC 5280 §4.2.1.12, RFC 9336).
    pub document_usages: Vec<String>,
    /// What stands before the agency's code in a seal's organizationIdentifier.
    pub organization_prefix: String,
    /// How old the newest revocation list may be at the time judged for, in seconds; without it
    /// the list's own next update alone decides (EN 319 102-1 §5.2.5.4).
    pub maximum_list_age_seconds: Option<u64>,
    /// How far a signer's clock may be ahead, in seconds (EN 319 122-1 §5.2.1).
    pub clock_skew_seconds: u64,
    /// How far a document's day of issue may be ahead, in seconds: clocks and zones
    /// (Decree 30/2020/NĐ-CP, Article 18).
    pub issue_grace_seconds: u64,
    /// Time-stamps of one signature that are looked at (EN 319 102-1 §5.4).
    pub time_stamps: usize,
    /// Which standings of a PDF file are taken (Decree 30/2020/NĐ-CP, Articles 3 and 25, Annex I).
    pub standings: Vec<Standing>,
    /// What signatures of the older form (`adbe.pkcs7.detached`) count for that do not name their
    /// certificate (RFC 5035 §4; EN 319 102-1 §5.2.3.2).
    pub unnamed: Unnamed,
    /// What judging PDF files may cost.
    pub pdf: PdfBudget,
}

/// What judging the PDF files of one container, or one file, may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PdfBudget {
    /// Largest file read, in bytes.
    pub file_bytes: usize,
    /// Bytes read of all files of a container together. What a file costs is its bytes, once to
    /// find its signatures and once more for each of them.
    pub work_bytes: u64,
}

impl Default for PdfBudget {
    fn default() -> Self {
        Self {
            file_bytes: crate::pdf::MAX_PDF,
            work_bytes: 512 << 20,
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        // This network's seals; document signing (RFC 9336, and two older ones); mail; any.
        let document_usages = [
            SEAL_USAGE,
            "1.3.6.1.5.5.7.3.36",
            "1.3.6.1.4.1.311.10.3.12",
            "1.2.840.113583.1.1.5",
            "1.3.6.1.5.5.7.3.4",
            "2.5.29.37.0",
        ];
        Self {
            profile: Profile::Canonical,
            budget: Budget::default(),
            algorithms: SignatureAlgorithm::ALL.to_vec(),
            minimum_rsa_bits: MIN_RSA_BITS,
            seal_usage: SEAL_USAGE.to_owned(),
            document_usages: document_usages.map(str::to_owned).to_vec(),
            organization_prefix: ORGANIZATION_IDENTIFIER_PREFIX.to_owned(),
            maximum_list_age_seconds: None,
            clock_skew_seconds: MAX_SKEW_SECONDS,
            issue_grace_seconds: 86_400,
            time_stamps: 4,
            standings: vec![Standing::Original, Standing::ScannedCopy],
            unnamed: Unnamed::Nobody,
            pdf: PdfBudget::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_strict() {
        let policy = Policy::default();
        assert_eq!(policy.profile, Profile::Canonical);
        assert_eq!(policy.unnamed, Unnamed::Nobody);
        assert!(policy.minimum_rsa_bits >= 2048);
        assert!(!policy.standings.contains(&Standing::None));
        // A server's certificate signs no documents.
        let server = "1.3.6.1.5.5.7.3.1".to_owned();
        assert!(!policy.document_usages.contains(&server));
        // The largest file with a signature or several is judged, and not without end.
        let largest = policy.pdf.file_bytes as u64;
        assert!((3 * largest..=10 * largest).contains(&policy.pdf.work_bytes));
    }
}
