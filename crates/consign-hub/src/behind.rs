//! A hub that knows less than a node has seen was restored from a backup. It takes
//! nothing new until its operator decides; what it has, it goes on delivering.
//!
//! The mark is a file, so that a restart does not lift it: who has looked into it,
//! removes the file and starts the hub again.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use consign_domain::{AgencyId, Sequence};
use consign_runtime::files::{self, FileError, PRIVATE};
use tracing::error;

const NAME: &str = "behind.txt";

/// The mark.
#[derive(Debug)]
pub(crate) struct Behind {
    raised: AtomicBool,
    path: PathBuf,
}

impl Behind {
    /// Reads the mark from the hub's directory.
    pub(crate) fn open(home: &Path) -> Result<Self, FileError> {
        let path = home.join(NAME);
        let raised = match files::read_bounded(&path, 64 * 1024) {
            Ok(_) => true,
            Err(fault) if fault.is_not_found() => false,
            Err(fault) => return Err(fault),
        };
        if raised {
            error!(
                file = %path.display(),
                "the hub knows less than a node has seen and accepts nothing; bring the newer data \
                 back, or remove this file to go on without it, and start the hub again"
            );
        }
        Ok(Self {
            raised: AtomicBool::new(raised),
            path,
        })
    }

    /// Whether nothing new is taken.
    pub(crate) fn is_raised(&self) -> bool {
        self.raised.load(Ordering::SeqCst)
    }

    /// Takes nothing new from now on. Blocks on the disk the first time.
    pub(crate) fn raise(&self, agency: AgencyId, seen: Sequence, last: Option<Sequence>) {
        if self.raised.swap(true, Ordering::SeqCst) {
            return;
        }
        let last = last.map_or(0, Sequence::value);
        error!(
            %agency,
            seen = seen.value(),
            last,
            file = %self.path.display(),
            "the hub knows less than this agency's node has seen and accepts nothing; bring the \
             newer data back, or remove the file to go on without it, and start the hub again"
        );
        let text = format!(
            "This hub was restored from a backup: agency {agency} has stored item {seen} of its\n\
             inbox, and item {last} is the last that the hub holds, or the items differ.\n\
             Nothing new is accepted. Bring the newer data back; or, to go on without it,\n\
             remove this file. Then start the hub again.\n"
        );
        if let Err(fault) = files::publish(&self.path, text.as_bytes(), PRIVATE) {
            error!(%fault, "the mark cannot be written; it counts until the hub stops");
        }
    }
}
