//! Why a document is not archived now.

use std::path::PathBuf;

use consign_pki::asic::AsicError;
use consign_pki::timestamp::TimeStampError;
use consign_runtime::files::FileError;
use consign_verify::exchange::ExchangeError;

use crate::error::NodeError;
use crate::stamps::StampFault;

/// Why a document is not archived now. An archive that is there is evidence: nobody is told to
/// remove it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveFault {
    /// A file of the document.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// There is no time-stamp now.
    #[error("there is no time-stamp for it")]
    Stamp(#[source] StampFault),
    /// The archive is not as it was stamped.
    #[error("{} is not as it was stamped, so it gets no other time-stamp; restore it from a backup", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: AsicError,
    },
    /// The newest time-stamp is none over its manifest.
    #[error("the newest time-stamp in {} is not one over its manifest, so it gets no other; restore it from a backup", path.display())]
    Token {
        /// Which archive.
        path: PathBuf,
        /// What is wrong with the time-stamp.
        #[source]
        source: TimeStampError,
    },
    /// The container has changed since it was sealed or opened.
    #[error("{} is not as it was sent, so it is not archived; restore it from a backup", path.display())]
    Content {
        /// The container.
        path: PathBuf,
        /// How that is known.
        #[source]
        source: ExchangeError,
    },
    /// An archive of this form cannot hold more.
    #[error("{}: {limit}", path.display())]
    Limit {
        /// The archive, which is as it was.
        path: PathBuf,
        /// What is reached, and what to do.
        limit: Limit,
        /// The measure.
        #[source]
        source: AsicError,
    },
    /// The archive cannot be read or written.
    #[error("{} cannot be read or written now", path.display())]
    Access {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: AsicError,
    },
}

/// What an archive can have no more of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Bytes.
    Size,
    /// Time-stamps.
    TimeStamps,
    /// Files, or room to list them.
    Files,
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Size => {
                "a zip has no room for the document, what goes with it and another time-stamp; keep \
                 the document's folder, whose container proves itself as long as its seal does"
            }
            Self::TimeStamps => {
                "it has as many time-stamps as there may be; export it, and have another archive \
                 take it in before the newest one ends"
            }
            Self::Files => {
                "it has as many files and manifests as there may be; export it, and have another \
                 archive take it in before the newest time-stamp ends"
            }
        })
    }
}

impl ArchiveFault {
    /// An archive that is there could not be read.
    pub(super) fn reading(path: PathBuf, source: AsicError) -> Self {
        match source {
            AsicError::Io { .. } => Self::Access { path, source },
            _ => Self::Damaged { path, source },
        }
    }

    /// The archive that is to have this path could not be written.
    pub(super) fn writing(path: PathBuf, source: AsicError) -> Self {
        use consign_pki::asic::ManifestError;
        let limit = match &source {
            AsicError::ContainerTooLarge { .. }
            | AsicError::TotalTooLarge { .. }
            | AsicError::FileTooLarge { .. } => Limit::Size,
            AsicError::TooManyTimeStamps { .. } => Limit::TimeStamps,
            AsicError::TooManyEntries { .. }
            | AsicError::DirectoryTooLarge { .. }
            | AsicError::MetaInfTooLarge { .. }
            | AsicError::Manifest {
                source: ManifestError::TooLarge { .. },
                ..
            } => Limit::Files,
            _ => return Self::Access { path, source },
        };
        Self::Limit {
            path,
            limit,
            source,
        }
    }

    /// Whether it does not pass by itself.
    pub(super) fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. }
            | Self::Token { .. }
            | Self::Content { .. }
            | Self::Limit { .. } => true,
            Self::Node(_) | Self::Stamp(_) | Self::Access { .. } => false,
        }
    }

    /// With its causes, on one line.
    pub(crate) fn words(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(source) = cause {
            text = format!("{text}: {source}");
            cause = source.source();
        }
        text
    }
}

impl From<FileError> for ArchiveFault {
    fn from(fault: FileError) -> Self {
        Self::Node(fault.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_advice_destroys_what_is_there() {
        let path = || PathBuf::from("archive.asice");
        let limit = 1;
        let all = [
            ArchiveFault::reading(path(), AsicError::ManifestMissing),
            ArchiveFault::writing(path(), AsicError::ContainerTooLarge { size: 2, limit }),
            ArchiveFault::writing(path(), AsicError::TooManyTimeStamps { limit }),
            ArchiveFault::writing(path(), AsicError::TooManyEntries { count: 2, limit }),
            ArchiveFault::writing(path(), AsicError::MetaInfTooLarge { limit }),
            ArchiveFault::Token {
                path: path(),
                source: TimeStampError::Imprint,
            },
            ArchiveFault::Content {
                path: path(),
                source: ExchangeError::Content,
            },
        ];
        let mut said: Vec<String> = Vec::new();
        for fault in all {
            assert!(fault.is_damage(), "{fault:?}");
            let words = fault.words();
            assert!(!words.contains("remove"), "{words}");
            assert!(!said.contains(&words), "{words}");
            said.push(words);
        }
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let passes = ArchiveFault::writing(path(), full.into());
        assert!(!passes.is_damage(), "{passes:?}");
    }
}
