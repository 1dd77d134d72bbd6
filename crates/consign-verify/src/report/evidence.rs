//! What a check looked at: facts, for programs as they are, for people put into words elsewhere.

use consign_domain::{Digest, Timestamp};
use consign_pki::certificate::CertificateDetails;
use consign_pki::path::ListUsed;
use consign_pki::path::revocation::Revoked;
use serde::{Deserialize, Serialize};

use super::words::words;
use crate::directory::Directory;
use crate::pdf::Role;
use crate::time_stamp::ProvenTime;

/// Words from a file that others made, without what could hide or reorder text or steer a
/// terminal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String")]
pub struct Quoted(String);

impl Quoted {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Quoted {
    fn from(text: String) -> Self {
        if text.contains(hides) {
            return Self(text.replace(hides, "\u{fffd}"));
        }
        Self(text)
    }
}

impl From<&str> for Quoted {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl std::fmt::Display for Quoted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a character may hide or reorder others, or steer a terminal.
fn hides(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{061C}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
}

words! {
    /// Whose word a time is.
    TimeSource {
        /// The time judged for.
        JudgedAt = "judged-at",
        /// The signer's clock: a claim.
        Claimed = "claimed",
        /// A time-stamp.
        Stamped = "stamped",
    }
}

words! {
    /// What was counted.
    Counted {
        /// Entries of a container.
        Entries = "entries",
        /// Files of a document.
        Files = "files",
        /// Signature dictionaries of a PDF file.
        Signatures = "signatures",
        /// Time-stamps of a long-term archive.
        TimeStamps = "time-stamps",
        /// Statements in a long-term archive.
        Statements = "statements",
    }
}

/// One thing that a check looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Evidence {
    /// A file or an entry.
    File {
        /// Its name.
        name: Quoted,
        /// SHA-256 of what it holds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha256: Option<Digest>,
    },
    /// The bytes that a signature is over.
    Signed {
        /// SHA-256 of them.
        sha256: Digest,
        /// How many they are.
        bytes: u64,
    },
    /// How many of something.
    Count {
        /// Of what.
        of: Counted,
        /// How many.
        number: u64,
    },
    /// A certificate.
    Certificate {
        /// Its subject, on one line.
        subject: Quoted,
        /// Its issuer, on one line.
        issuer: Quoted,
        /// Its serial number, hexadecimal.
        serial: String,
        /// SHA-256 of its DER.
        sha256: Digest,
        /// Its first second.
        from: Timestamp,
        /// Its last second.
        until: Timestamp,
    },
    /// A path, from the signer's certificate to the root.
    Path {
        /// SHA-256 of each certificate's DER.
        certificates: Vec<Digest>,
    },
    /// A certificate that a check is about, of which no more is known.
    Fingerprint {
        /// SHA-256 of its DER.
        sha256: Digest,
    },
    /// Signature algorithm and key.
    Algorithm {
        /// The algorithm.
        name: String,
        /// The key, such as `RSA 2048`.
        key: String,
    },
    /// A revocation list that answered.
    RevocationList {
        /// For the certificate with this SHA-256.
        certificate: Digest,
        /// Who made it.
        issuer: Quoted,
        /// When.
        made: Timestamp,
        /// Until when it answers.
        until: Timestamp,
    },
    /// What a list says of a certificate.
    Revocation {
        /// From when on it does not count.
        since: Timestamp,
        /// Why, in the word of RFC 5280 §5.3.1.
        why: String,
    },
    /// A time-stamp.
    TimeStamp {
        /// The time that it says.
        time: Timestamp,
        /// What it is over existed by then: the authority may be off.
        latest: Timestamp,
        /// Who made it.
        authority: Quoted,
        /// The authority's certificate: SHA-256 of its DER.
        certificate: Digest,
        /// Its serial number, hexadecimal.
        serial: String,
        /// Whether it names that certificate by SHA-1 alone (RFC 2634 §5.4).
        #[serde(default, skip_serializing_if = "is_false")]
        named_by_sha1: bool,
    },
    /// A time.
    Time {
        /// The time.
        time: Timestamp,
        /// Whose word it is.
        from: TimeSource,
    },
    /// The signed directory.
    Directory {
        /// Its version.
        version: u64,
        /// When it was signed.
        issued: Timestamp,
        /// Until when it is for new decisions.
        expires: Timestamp,
    },
    /// The directory's span for a key.
    Span {
        /// Its first second.
        from: Timestamp,
        /// From then on it does not count.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// An agency.
    Agency {
        /// Its code.
        code: String,
        /// Its name.
        name: Quoted,
    },
    /// What was found in the place of what was expected.
    Found {
        /// What.
        found: Quoted,
        /// In its place should be.
        expected: Quoted,
    },
    /// A signature in a PDF file.
    Signature {
        /// Its place among the file's signatures, from 1.
        number: u64,
        /// Number of its object in the file.
        object: u32,
        /// Whose, by the certificate; nobody's where that cannot be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Quoted>,
    },
    /// How much of a PDF file a signature covers.
    Coverage {
        /// Bytes from the begin of the file that it signs.
        signed: u64,
        /// Bytes that follow.
        later: u64,
    },
    /// The signature that covers what was added.
    CoveredBy {
        /// Its place among the file's signatures, from 1.
        number: u64,
    },
    /// What a certification allows (ISO 32000-2, table 257): 1 nothing, 2 forms and signatures,
    /// 3 annotations too.
    Allowed {
        /// P; nothing where it cannot be read.
        level: Option<u8>,
    },
    /// An object of a PDF file.
    Object {
        /// Its number.
        number: u32,
    },
    /// For whom a certificate speaks.
    Role {
        /// Whose it is.
        role: Role,
    },
    /// What a certificate may be used for.
    Usages {
        /// Extended key usages, dotted.
        listed: Vec<String>,
    },
    /// A statement's signer.
    StatementKey {
        /// The code that it names.
        signer: String,
        /// The key.
        key: String,
    },
    /// A document's symbol, or a statement's kind.
    Subject {
        /// The text.
        text: Quoted,
    },
}

impl Evidence {
    pub(crate) fn certificate(details: &CertificateDetails) -> Self {
        Self::Certificate {
            subject: details.subject.as_str().into(),
            issuer: details.issuer.as_str().into(),
            serial: details.serial_hex.clone(),
            sha256: Digest::from_bytes(details.fingerprint),
            from: Timestamp::from_unix_saturating(details.not_before),
            until: Timestamp::from_unix_saturating(details.not_after),
        }
    }

    pub(crate) fn path(fingerprints: &[[u8; 32]]) -> Self {
        let digests = fingerprints.iter().map(|bytes| Digest::from_bytes(*bytes));
        let certificates = digests.collect();
        Self::Path { certificates }
    }

    pub(crate) fn list(list: &ListUsed) -> Self {
        Self::RevocationList {
            certificate: Digest::from_bytes(list.certificate),
            issuer: list.issuer.as_str().into(),
            made: Timestamp::from_unix_saturating(list.made),
            until: Timestamp::from_unix_saturating(list.until),
        }
    }

    pub(crate) fn revocation(revoked: Revoked) -> Self {
        Self::Revocation {
            since: Timestamp::from_unix_saturating(revoked.since),
            why: revoked.reason.to_string(),
        }
    }

    pub(crate) fn stamp(stamp: &ProvenTime) -> Self {
        Self::TimeStamp {
            time: stamp.time,
            latest: stamp.latest,
            authority: stamp.authority.as_str().into(),
            certificate: stamp.certificate,
            serial: stamp.serial.clone(),
            named_by_sha1: stamp.named_by_sha1,
        }
    }

    pub(crate) const fn judged_at(time: Timestamp) -> Self {
        let from = TimeSource::JudgedAt;
        Self::Time { time, from }
    }

    pub(crate) const fn claimed(time: Timestamp) -> Self {
        let from = TimeSource::Claimed;
        Self::Time { time, from }
    }

    pub(crate) const fn stamped(time: Timestamp) -> Self {
        let from = TimeSource::Stamped;
        Self::Time { time, from }
    }

    pub(crate) fn signed(bytes: &[u8]) -> Self {
        Self::Signed {
            sha256: Digest::of(bytes),
            bytes: bytes.len() as u64,
        }
    }

    pub(crate) fn file(name: &str) -> Self {
        let (name, sha256) = (name.into(), None);
        Self::File { name, sha256 }
    }

    pub(crate) const fn count(of: Counted, number: usize) -> Self {
        let number = number as u64;
        Self::Count { of, number }
    }

    pub(crate) fn directory(directory: &Directory) -> Self {
        let head = directory.head();
        Self::Directory {
            version: directory.version().value(),
            issued: head.time,
            expires: head.expires,
        }
    }
}

/// In the form that serde asks for.
const fn is_false(value: &bool) -> bool {
    !*value
}
