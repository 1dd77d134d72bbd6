//! Why a container could not be read or written.

use std::io;

use super::manifest::ManifestError;
use super::name::NameRule;
use super::profile::Deviation;

/// Why a container was refused. Each way of being bad has a variant and a [`code`](Self::code).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the message of each variant says what it and its fields mean"
)]
pub enum AsicError {
    #[error("reading or writing the container failed")]
    Io {
        #[source]
        source: io::Error,
    },

    // The zip as a whole.
    #[error("the container ends early: no byte at offset {offset}")]
    Truncated { offset: u64 },
    #[error("the container has {size} bytes, over the limit of {limit}")]
    ContainerTooLarge { size: u64, limit: u64 },
    #[error("the container has no end record: it is not a zip")]
    EndRecordMissing,
    #[error("{length} bytes follow the end of the container")]
    TrailingBytes { length: u64 },
    #[error("{length} bytes precede the container")]
    PrefixBytes { length: u64 },
    #[error("the container is spread over several disks")]
    MultiDisk,
    #[error("the container uses zip64")]
    Zip64,
    #[error("the directory declares {declared} entries and has {found}")]
    EntryCount { declared: u64, found: u64 },
    #[error("the container has {count} entries, over the limit of {limit}")]
    TooManyEntries { count: u64, limit: u64 },
    #[error("the directory has {size} bytes, over the limit of {limit}")]
    DirectoryTooLarge { size: u64, limit: u64 },
    #[error("the directory does not lie directly before the end record")]
    DirectoryMisplaced,
    #[error("the directory is malformed at its byte {offset}")]
    DirectoryMalformed { offset: u64 },
    #[error("{length} bytes before {before} belong to no entry")]
    Gap { before: String, length: u64 },
    #[error("{name} overlaps what lies before it")]
    Overlap { name: String },
    #[error("a second zip reader sees other entries")]
    ReadersDisagree,
    #[error("not canonical: {deviation}")]
    NotCanonical { deviation: Deviation },

    // One entry's headers.
    #[error("the name of entry {name:?} {rule}")]
    BadName { name: String, rule: NameRule },
    #[error("two entries are named {name:?}")]
    DuplicateName { name: String },
    #[error("entries {name:?} and {other:?} differ only in case")]
    CaseDuplicate { name: String, other: String },
    #[error("entry {name:?} is encrypted")]
    Encrypted { name: String },
    #[error("entry {name:?} has unsupported flags {flags:#06x}")]
    UnsupportedFlags { name: String, flags: u16 },
    #[error("entry {name:?} has unsupported compression method {method}")]
    UnsupportedMethod { name: String, method: u16 },
    #[error("entry {name:?} is a symbolic link")]
    SymbolicLink { name: String },
    #[error("entry {name:?} has a second name in an extra field")]
    UnicodePathField { name: String },
    #[error("entry {name:?} has malformed extra fields")]
    ExtraFieldMalformed { name: String },
    #[error("folder entry {name:?} has content")]
    FolderWithContent { name: String },
    #[error("no local header where the directory places entry {name:?}")]
    LocalHeaderMissing { name: String },
    #[error("local and central header of {name:?} disagree in the name")]
    NameDisagrees { name: String },
    #[error("local and central header of {name:?} disagree in the flags")]
    FlagsDisagree { name: String },
    #[error("local and central header of {name:?} disagree in the method")]
    MethodDisagrees { name: String },
    #[error("local and central header of {name:?} disagree in a size")]
    SizeDisagrees { name: String },
    #[error("local and central header of {name:?} disagree in the checksum")]
    CrcDisagrees { name: String },
    #[error("the data descriptor of {name:?} disagrees with the directory")]
    DescriptorDisagrees { name: String },

    // One entry's content.
    #[error("entry {name:?} has {size} bytes, over the limit of {limit}")]
    FileTooLarge { name: String, size: u64, limit: u64 },
    #[error("the files have over {limit} bytes together")]
    TotalTooLarge { limit: u64 },
    #[error("entry {name:?} unpacks to more than {limit} times its size")]
    RatioExceeded { name: String, limit: u64 },
    #[error("entry {name:?} has another size than declared")]
    SizeMismatch { name: String },
    #[error("the checksum of entry {name:?} is wrong")]
    CrcMismatch { name: String },
    #[error("the compressed data of entry {name:?} is broken")]
    DeflateBroken { name: String },
    #[error("there is no entry {name:?}")]
    NoSuchEntry { name: String },
    #[error("mimetype does not say that this is an ASiC-E container")]
    MimetypeWrong,

    // Manifests and signatures.
    #[error("the container has no manifest: nothing in it is signed")]
    ManifestMissing,
    #[error("the container has over {limit} signatures")]
    TooManySignatures { limit: u64 },
    #[error("the manifests and signatures have over {limit} bytes together")]
    MetaInfTooLarge { limit: u64 },
    #[error("manifest {manifest} is malformed")]
    Manifest {
        manifest: String,
        #[source]
        source: ManifestError,
    },
    #[error("manifest {manifest} names signature {signature:?}, which is not there")]
    SignatureMissing { manifest: String, signature: String },
    #[error("manifest {manifest} names signature {signature:?}, as another manifest does")]
    SignatureClaimedTwice { manifest: String, signature: String },
    #[error("file {name:?} is not in manifest {manifest}: it is not signed")]
    FileNotInManifest { manifest: String, name: String },
    #[error("manifest {manifest} does not cover {name}, which was signed before it")]
    EarlierLayerNotCovered { manifest: String, name: String },
    #[error("manifest {manifest} refers to {name:?}, which is not there")]
    ReferenceMissing { manifest: String, name: String },
    #[error("manifest {manifest} refers to {name:?}, which it must not cover")]
    ReferenceForbidden { manifest: String, name: String },
    #[error("file {name:?} is not the one that manifest {manifest} covers")]
    DigestMismatch { manifest: String, name: String },

    // Outer containers.
    #[error("entry {name:?} is not where an archive container has it")]
    OuterOrder { name: String },
    #[error("the archive container has over {limit} time-stamps")]
    TooManyTimeStamps { limit: u64 },

    // Writing.
    #[error("the output is not empty")]
    OutputNotEmpty,
    #[error("an earlier failure left the output incomplete")]
    WriterSpent,
    #[error("{media_type:?} of {name:?} is not a media type")]
    BadMediaType { name: String, media_type: String },
    #[error("the signature is empty or over {limit} bytes")]
    BadSignatureSize { limit: u64 },
}

impl AsicError {
    /// A stable short name: for evidence, logs, and tests.
    pub fn code(&self) -> &'static str {
        self.content_code().unwrap_or_else(|| self.structure_code())
    }

    /// Codes of faults in the zip and its headers.
    fn structure_code(&self) -> &'static str {
        match self {
            Self::Truncated { .. } => "truncated",
            Self::ContainerTooLarge { .. } => "container-too-large",
            Self::EndRecordMissing => "end-record-missing",
            Self::TrailingBytes { .. } => "trailing-bytes",
            Self::PrefixBytes { .. } => "prefix-bytes",
            Self::MultiDisk => "multi-disk",
            Self::Zip64 => "zip64",
            Self::EntryCount { .. } => "entry-count",
            Self::TooManyEntries { .. } => "too-many-entries",
            Self::DirectoryTooLarge { .. } => "directory-too-large",
            Self::DirectoryMisplaced => "directory-misplaced",
            Self::DirectoryMalformed { .. } => "directory-malformed",
            Self::Gap { .. } => "gap",
            Self::Overlap { .. } => "overlap",
            Self::ReadersDisagree => "readers-disagree",
            Self::NotCanonical { deviation } => deviation.code(),
            Self::BadName { rule, .. } => rule.code(),
            Self::DuplicateName { .. } => "duplicate-name",
            Self::CaseDuplicate { .. } => "case-duplicate",
            Self::Encrypted { .. } => "encrypted",
            Self::UnsupportedFlags { .. } => "unsupported-flags",
            Self::UnsupportedMethod { .. } => "unsupported-method",
            Self::SymbolicLink { .. } => "symbolic-link",
            Self::UnicodePathField { .. } => "unicode-path-field",
            Self::ExtraFieldMalformed { .. } => "extra-field-malformed",
            Self::FolderWithContent { .. } => "folder-with-content",
            Self::LocalHeaderMissing { .. } => "local-header-missing",
            Self::NameDisagrees { .. } => "name-disagrees",
            Self::FlagsDisagree { .. } => "flags-disagree",
            Self::MethodDisagrees { .. } => "method-disagrees",
            Self::SizeDisagrees { .. } => "size-disagrees",
            Self::CrcDisagrees { .. } => "crc-disagrees",
            Self::DescriptorDisagrees { .. } => "descriptor-disagrees",
            _ => "io",
        }
    }

    /// Codes of faults in what the entries hold, and of writing.
    fn content_code(&self) -> Option<&'static str> {
        Some(match self {
            Self::FileTooLarge { .. } => "file-too-large",
            Self::TotalTooLarge { .. } => "total-too-large",
            Self::RatioExceeded { .. } => "ratio-exceeded",
            Self::SizeMismatch { .. } => "size-mismatch",
            Self::CrcMismatch { .. } => "crc-mismatch",
            Self::DeflateBroken { .. } => "deflate-broken",
            Self::NoSuchEntry { .. } => "no-such-entry",
            Self::MimetypeWrong => "mimetype-wrong",
            Self::ManifestMissing => "manifest-missing",
            Self::TooManySignatures { .. } => "too-many-signatures",
            Self::MetaInfTooLarge { .. } => "meta-inf-too-large",
            Self::Manifest { source, .. } => source.code(),
            Self::SignatureMissing { .. } => "signature-missing",
            Self::SignatureClaimedTwice { .. } => "signature-claimed-twice",
            Self::FileNotInManifest { .. } => "file-not-in-manifest",
            Self::EarlierLayerNotCovered { .. } => "earlier-layer-not-covered",
            Self::ReferenceMissing { .. } => "reference-missing",
            Self::ReferenceForbidden { .. } => "reference-forbidden",
            Self::DigestMismatch { .. } => "digest-mismatch",
            Self::OuterOrder { .. } => "outer-order",
            Self::TooManyTimeStamps { .. } => "too-many-time-stamps",
            Self::OutputNotEmpty => "output-not-empty",
            Self::WriterSpent => "writer-spent",
            Self::BadMediaType { .. } => "bad-media-type",
            Self::BadSignatureSize { .. } => "bad-signature-size",
            _ => return None,
        })
    }
}

impl From<io::Error> for AsicError {
    fn from(source: io::Error) -> Self {
        Self::Io { source }
    }
}

/// Why a container could not be signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError<E> {
    /// The container could not be read or written.
    #[error(transparent)]
    Container(#[from] AsicError),
    /// The signer failed.
    #[error("signing the manifest failed")]
    Sign(#[source] E),
}
