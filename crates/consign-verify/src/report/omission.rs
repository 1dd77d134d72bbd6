//! What was not checked, and why.

use serde::{Deserialize, Serialize};

use super::Quoted;
use super::words::words;

words! {
    /// Something that a reader may take for checked.
    Aspect {
        /// Signatures inside the PDF files of a container.
        PdfSignatures = "pdf-signatures",
        /// What the pages of a PDF file look like, and how they changed between signatures.
        PdfPages = "pdf-pages",
        /// What lies in packed objects of a PDF file.
        PdfPackedObjects = "pdf-packed-objects",
        /// Revocation data inside a PDF file.
        PdfRevocationData = "pdf-revocation-data",
        /// Whether an authority above a seal was revoked.
        AuthorityRevocation = "authority-revocation",
        /// Whether a seal was revoked between the directory entry that says nothing of it and the
        /// time that was judged for.
        LaterRevocation = "later-revocation",
        /// Whether the authority of a time-stamp was revoked.
        StampRevocation = "stamp-revocation",
        /// Time-stamps of a signature beyond the first ones.
        FurtherTimeStamps = "further-time-stamps",
        /// Certificates of further signers.
        FurtherSigners = "further-signers",
        /// The statements in a long-term archive.
        ArchiveStatements = "archive-statements",
        /// Whether other statements contradict this one.
        OtherStatements = "other-statements",
    }
}

words! {
    /// Why something was not checked.
    Why {
        /// What it would be checked by was not given.
        NothingGiven = "nothing-given",
        /// What was given to check it by does not say, or does not hold.
        GivenSaysNothing = "given-says-nothing",
        /// It is a verdict of its own, told apart from this one.
        OwnVerdict = "own-verdict",
        /// This program does not check it.
        NotSupported = "not-supported",
        /// It would cost more than may be spent on one file.
        OverBudget = "over-budget",
        /// No root that is trusted knows those concerned.
        OtherInfrastructure = "other-infrastructure",
        /// It cannot be seen from one file.
        NotInThisFile = "not-in-this-file",
    }
}

/// One thing that was not checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotChecked {
    /// What.
    pub what: Aspect,
    /// Why.
    pub why: Why,
    /// Of which files or signers, where it is not the whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub of: Vec<Quoted>,
}

impl NotChecked {
    /// Of the whole.
    pub(crate) const fn new(what: Aspect, why: Why) -> Self {
        let of = Vec::new();
        Self { what, why, of }
    }

    /// Of some files or signers.
    pub(crate) fn of(mut self, names: impl IntoIterator<Item = Quoted>) -> Self {
        self.of.extend(names);
        self
    }
}
