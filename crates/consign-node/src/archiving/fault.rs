//! Why a document is not archived now.

use consign_pki::asic::AsicError;
use consign_runtime::files::FileError;

use crate::error::NodeError;
use crate::stamps::StampFault;

/// Why a document is not archived now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveFault {
    /// A file of the document.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// There is no time-stamp now.
    #[error("there is no time-stamp for it")]
    Stamp(#[source] StampFault),
    /// The archive cannot be read or written.
    #[error("{} cannot be read or written; restore it from a backup, or remove it to have it made anew", path.display())]
    Container {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: AsicError,
    },
}

impl ArchiveFault {
    /// Whether it does not pass by itself.
    pub(super) fn is_damage(&self) -> bool {
        match self {
            Self::Container { source, .. } => !matches!(source, AsicError::Io { .. }),
            _ => false,
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
