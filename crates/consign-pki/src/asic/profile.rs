//! Deviations from the canonical profile: refused in our containers, listed in others'.

use super::error::AsicError;

/// A header field that the canonical profile fixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderField {
    /// Version made by: 2.0 on Unix.
    #[error("version made by")]
    VersionMadeBy,
    /// Version needed to extract: 2.0.
    #[error("version needed")]
    VersionNeeded,
    /// General purpose flags: UTF-8 alone.
    #[error("flags")]
    Flags,
    /// Modified: 1980-01-01 00:00.
    #[error("date")]
    Date,
    /// Internal attributes: zero; external ones: a plain file with mode 0644.
    #[error("attributes")]
    Attributes,
}

/// One way in which a container differs from the canonical profile without being ambiguous.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Deviation {
    /// The archive has a comment.
    #[error("the archive has a comment of {length} bytes")]
    ArchiveComment {
        /// Its length in bytes.
        length: u64,
    },
    /// An entry has a comment.
    #[error("entry {name} has a comment")]
    EntryComment {
        /// The entry.
        name: String,
    },
    /// An entry has extra fields, in its local or central header.
    #[error("entry {name} has extra fields")]
    ExtraField {
        /// The entry.
        name: String,
    },
    /// Sizes and CRC of an entry follow its data.
    #[error("entry {name} has a data descriptor")]
    DataDescriptor {
        /// The entry.
        name: String,
    },
    /// An entry is compressed.
    #[error("entry {name} is compressed")]
    Deflated {
        /// The entry.
        name: String,
    },
    /// A header field has another value than the fixed one.
    #[error("entry {name} has another {field} than the profile fixes")]
    FixedField {
        /// The entry.
        name: String,
        /// The field.
        field: HeaderField,
    },
    /// A folder has an entry of its own.
    #[error("folder {name} has an entry")]
    FolderEntry {
        /// The folder.
        name: String,
    },
    /// A file of the document is not in the root.
    #[error("file {name} is in a folder")]
    InFolder {
        /// The file.
        name: String,
    },
    /// The central directory lists entries in another order than they lie in.
    #[error("the directory is in another order than the entries")]
    DirectoryOrder,
    /// There is no entry `mimetype`.
    #[error("there is no mimetype")]
    MimetypeMissing,
    /// `mimetype` is not the first entry.
    #[error("mimetype is not the first entry")]
    MimetypeNotFirst,
    /// `document.json` is not the second entry.
    #[error("document.json is not the second entry")]
    DocumentMissing,
    /// No main file follows `document.json`.
    #[error("there is no main file")]
    MainFileMissing,
    /// A file in `META-INF` that the profile does not know or that no manifest claims.
    #[error("unexpected file {name} in META-INF")]
    MetaInfUnexpected {
        /// The entry.
        name: String,
    },
    /// Manifests and signatures are not numbered and placed in turn after the files.
    #[error("entry {name} is out of its order")]
    LayerOrder {
        /// The entry.
        name: String,
    },
    /// A manifest means what it should but is not the canonical text.
    #[error("manifest {manifest} is not in canonical form")]
    ManifestForm {
        /// The manifest.
        manifest: String,
    },
    /// A manifest lists entries in another order, or marks another root file.
    #[error("manifest {manifest} does not list the entries in their order")]
    ManifestOrder {
        /// The manifest.
        manifest: String,
    },
}

impl Deviation {
    /// A stable short name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ArchiveComment { .. } => "archive-comment",
            Self::EntryComment { .. } => "entry-comment",
            Self::ExtraField { .. } => "extra-field",
            Self::DataDescriptor { .. } => "data-descriptor",
            Self::Deflated { .. } => "deflated",
            Self::FixedField { .. } => "fixed-field",
            Self::FolderEntry { .. } => "folder-entry",
            Self::InFolder { .. } => "in-folder",
            Self::DirectoryOrder => "directory-order",
            Self::MimetypeMissing => "mimetype-missing",
            Self::MimetypeNotFirst => "mimetype-not-first",
            Self::DocumentMissing => "document-missing",
            Self::MainFileMissing => "main-file-missing",
            Self::MetaInfUnexpected { .. } => "meta-inf-unexpected",
            Self::LayerOrder { .. } => "layer-order",
            Self::ManifestForm { .. } => "manifest-form",
            Self::ManifestOrder { .. } => "manifest-order",
        }
    }
}

/// Which reading is under way: one set of checks serves both.
#[derive(Debug)]
pub(super) enum Judge {
    /// A deviation refuses the container.
    Canonical,
    /// The same for an outer container, whose files may be in folders and whose `META-INF` holds
    /// other files; which, its own reader says.
    Outer,
    /// A deviation is noted.
    Lenient(Vec<Deviation>),
}

impl Judge {
    pub(super) fn deviation(&mut self, deviation: Deviation) -> Result<(), AsicError> {
        match self {
            Self::Outer
                if matches!(
                    deviation,
                    Deviation::InFolder { .. } | Deviation::MetaInfUnexpected { .. }
                ) =>
            {
                Ok(())
            }
            Self::Canonical | Self::Outer => Err(AsicError::NotCanonical { deviation }),
            Self::Lenient(deviations) => {
                deviations.push(deviation);
                Ok(())
            }
        }
    }

    pub(super) fn is_canonical(&self) -> bool {
        matches!(self, Self::Canonical | Self::Outer)
    }

    pub(super) fn into_deviations(self) -> Vec<Deviation> {
        match self {
            Self::Canonical | Self::Outer => Vec::new(),
            Self::Lenient(deviations) => deviations,
        }
    }
}
