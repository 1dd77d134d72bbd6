//! `ASiCManifest` (ETSI EN 319 162-1, annex A.4): the digests that one signature covers.

mod parse;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::digest::DigestAlgorithm;
use super::name::encode_uri;
use super::{SIGNATURE_MEDIA_TYPE, TOKEN_MEDIA_TYPE};

/// The namespace of manifests.
const ASIC_NAMESPACE: &str = "http://uri.etsi.org/02918/v1.2.1#";
/// The namespace of `DigestMethod` and `DigestValue`.
const DS_NAMESPACE: &str = "http://www.w3.org/2000/09/xmldsig#";

/// What a manifest may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes.
    pub(super) bytes: usize,
    /// References.
    pub(super) references: usize,
}

/// The limits of a document's manifests.
pub(super) const LIMITS: Limits = Limits {
    bytes: 1 << 20,
    references: 1_000,
};
/// The deepest nesting of elements; a plain manifest has 3.
pub(super) const MAX_DEPTH: usize = 8;

/// What a manifest says: which signature signs it or time-stamp stamps it, and which files it
/// covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The entry with the signature, or the time-stamp token, over this manifest.
    pub signature_name: String,
    /// The covered entries, each name once.
    pub references: Vec<Reference>,
}

/// One covered entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The name of the entry, percent-encoding resolved.
    pub name: String,
    /// The media type, as the signer states it.
    pub media_type: Option<String>,
    /// Whether this is the main file. At most one reference says so.
    pub rootfile: bool,
    /// The digest algorithm.
    pub algorithm: DigestAlgorithm,
    /// The digest, as long as the algorithm makes it.
    pub digest: Vec<u8>,
}

impl Manifest {
    /// Reads a manifest, whatever prefixes, order of attributes and white space it uses.
    ///
    /// # Errors
    ///
    /// Anything that is not a manifest or that two XML readers could take differently: document
    /// types, entities, processing instructions, CDATA; anything over the limits; repeated
    /// signature references or file references; unknown algorithms; broken URIs and base64.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        Self::parse_within(bytes, LIMITS)
    }

    /// The same under other limits.
    pub(super) fn parse_within(bytes: &[u8], limits: Limits) -> Result<Self, ManifestError> {
        parse::parse(bytes, limits)
    }

    /// The canonical text. Equal manifests make equal text, and it parses to an equal manifest.
    pub fn render(&self) -> String {
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let _ = writeln!(
            xml,
            "<asic:ASiCManifest xmlns:asic=\"{ASIC_NAMESPACE}\" xmlns:ds=\"{DS_NAMESPACE}\">"
        );
        let signature = encode_uri(&self.signature_name);
        // The ending says which of the two it is (clause 4.4.4.2).
        let media_type = if self.signature_name.ends_with(".tst") {
            TOKEN_MEDIA_TYPE
        } else {
            SIGNATURE_MEDIA_TYPE
        };
        let _ = writeln!(
            xml,
            "  <asic:SigReference URI=\"{signature}\" MimeType=\"{media_type}\"/>"
        );
        for reference in &self.references {
            reference.render(&mut xml);
        }
        xml.push_str("</asic:ASiCManifest>\n");
        xml
    }
}

impl Reference {
    fn render(&self, xml: &mut String) {
        let _ = write!(
            xml,
            "  <asic:DataObjectReference URI=\"{}\"",
            encode_uri(&self.name)
        );
        if let Some(media_type) = &self.media_type {
            let _ = write!(xml, " MimeType=\"{}\"", escape(media_type));
        }
        if self.rootfile {
            xml.push_str(" Rootfile=\"true\"");
        }
        xml.push_str(">\n");
        let _ = writeln!(
            xml,
            "    <ds:DigestMethod Algorithm=\"{}\"/>",
            self.algorithm.uri()
        );
        let digest = STANDARD.encode(&self.digest);
        let _ = writeln!(xml, "    <ds:DigestValue>{digest}</ds:DigestValue>");
        xml.push_str("  </asic:DataObjectReference>\n");
    }
}

/// Why a manifest could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the message of each variant says what it and its fields mean"
)]
pub enum ManifestError {
    #[error("it has {size} bytes, over the limit of {limit}")]
    TooLarge { size: usize, limit: usize },
    #[error("it is not UTF-8")]
    NotUtf8,
    #[error("it is not well-formed XML")]
    Xml {
        #[source]
        source: quick_xml::Error,
    },
    #[error("it ends before its root element does")]
    Incomplete,
    #[error("it has a document type declaration")]
    Doctype,
    #[error("it uses an entity or character reference in text")]
    Entity,
    #[error("it has a processing instruction")]
    ProcessingInstruction,
    #[error("it has a CDATA section")]
    Cdata,
    #[error("it declares another version or encoding than XML 1.0 in UTF-8")]
    Declaration,
    #[error("it uses an undeclared namespace prefix")]
    UnknownPrefix,
    #[error("its elements are nested over {limit} deep")]
    TooDeep { limit: usize },
    #[error("it has over {limit} references")]
    TooManyReferences { limit: usize },
    #[error("element {name:?} does not belong where it is")]
    UnexpectedElement { name: String },
    #[error("attribute {name:?} does not belong where it is")]
    UnexpectedAttribute { name: String },
    #[error("it has text where none belongs")]
    UnexpectedText,
    #[error("attribute {name} is missing")]
    MissingAttribute { name: &'static str },
    #[error("element {name} is missing")]
    MissingElement { name: &'static str },
    #[error("element {name} is repeated")]
    RepeatedElement { name: &'static str },
    #[error("it names no signature")]
    NoSignature,
    #[error("it names more than one signature")]
    SeveralSignatures,
    #[error("it refers to {name:?} twice")]
    DuplicateReference { name: String },
    #[error("it marks two root files")]
    SeveralRootfiles,
    #[error("{uri:?} is not the URI of an entry")]
    BadUri { uri: String },
    #[error("{value:?} is neither true nor false")]
    BadBoolean { value: String },
    #[error("digest algorithm {uri:?} is not supported")]
    UnknownAlgorithm { uri: String },
    #[error("the digest of {name:?} is not base64 of the right length")]
    BadDigest { name: String },
    #[error("it has a critical extension")]
    CriticalExtension,
}

impl ManifestError {
    /// A stable short name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "manifest-too-large",
            Self::NotUtf8 => "manifest-not-utf8",
            Self::Xml { .. } => "manifest-xml",
            Self::Incomplete => "manifest-incomplete",
            Self::Doctype => "manifest-doctype",
            Self::Entity => "manifest-entity",
            Self::ProcessingInstruction => "manifest-processing-instruction",
            Self::Cdata => "manifest-cdata",
            Self::Declaration => "manifest-declaration",
            Self::UnknownPrefix => "manifest-unknown-prefix",
            Self::TooDeep { .. } => "manifest-too-deep",
            Self::TooManyReferences { .. } => "manifest-too-many-references",
            Self::UnexpectedElement { .. } => "manifest-unexpected-element",
            Self::UnexpectedAttribute { .. } => "manifest-unexpected-attribute",
            Self::UnexpectedText => "manifest-unexpected-text",
            Self::MissingAttribute { .. } => "manifest-missing-attribute",
            Self::MissingElement { .. } => "manifest-missing-element",
            Self::RepeatedElement { .. } => "manifest-repeated-element",
            Self::NoSignature => "manifest-no-signature",
            Self::SeveralSignatures => "manifest-several-signatures",
            Self::DuplicateReference { .. } => "manifest-duplicate-reference",
            Self::SeveralRootfiles => "manifest-several-rootfiles",
            Self::BadUri { .. } => "manifest-bad-uri",
            Self::BadBoolean { .. } => "manifest-bad-boolean",
            Self::UnknownAlgorithm { .. } => "manifest-unknown-algorithm",
            Self::BadDigest { .. } => "manifest-bad-digest",
            Self::CriticalExtension => "manifest-critical-extension",
        }
    }
}

impl From<quick_xml::Error> for ManifestError {
    fn from(source: quick_xml::Error) -> Self {
        Self::Xml { source }
    }
}

/// Escapes an attribute value: the five characters of XML, and white space that a reader would
/// normalise away.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\t' => escaped.push_str("&#9;"),
            '\n' => escaped.push_str("&#10;"),
            '\r' => escaped.push_str("&#13;"),
            other => escaped.push(other),
        }
    }
    escaped
}
