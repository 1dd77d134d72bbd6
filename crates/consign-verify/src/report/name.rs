//! Which checks there are, and the clause that each implements.

use super::words::words;

words! {
    /// A check, by its stable name.
    CheckName {
        /// The zip, and what must be in it.
        ContainerFormat = "container-format",
        /// How a container from elsewhere differs from the one form of ours.
        ContainerProfile = "container-profile",
        /// Every file against every manifest.
        FileDigests = "file-digests",
        /// A seal over a manifest.
        SealSignature = "seal-signature",
        /// Its algorithm and key.
        SealAlgorithm = "seal-algorithm",
        /// Its time-stamps.
        SealTimeStamp = "seal-time-stamp",
        /// The time that its signer's clock said.
        SealTime = "seal-time",
        /// The path from its certificate to a root.
        SealCertificate = "seal-certificate",
        /// Whether a certificate of that path was revoked.
        SealRevocation = "seal-revocation",
        /// Whether it is the issuer's.
        SealIssuer = "seal-issuer",
        /// The fields of `document.json`.
        DocumentFields = "document-fields",
        /// Its list of files.
        DocumentFiles = "document-files",
        /// The day of issue.
        IssueDate = "issue-date",
        /// The signature dictionaries of a PDF file.
        PdfFormat = "pdf-format",
        /// A signature in a PDF file.
        PdfSignature = "pdf-signature",
        /// The object that holds it.
        PdfObject = "pdf-object",
        /// Its algorithm and key.
        PdfAlgorithm = "pdf-algorithm",
        /// Whether it says which certificate it is by.
        PdfSigningCertificate = "pdf-signing-certificate",
        /// Time-stamps on its value.
        PdfTimeStamp = "pdf-time-stamp",
        /// A time-stamp over the file.
        PdfDocumentTimeStamp = "pdf-document-time-stamp",
        /// The time that its signer's clock said.
        PdfSigningTime = "pdf-signing-time",
        /// The path from its certificate to a root.
        PdfCertificate = "pdf-certificate",
        /// What its certificate may be used for.
        PdfCertificateUsage = "pdf-certificate-usage",
        /// Whether a certificate of that path was revoked.
        PdfRevocation = "pdf-revocation",
        /// Whether it is a person's or an agency's.
        PdfRole = "pdf-role",
        /// What came after it in the file.
        PdfCoverage = "pdf-coverage",
        /// What its signer allowed to be changed.
        PdfCertification = "pdf-certification",
        /// Whether the file still shows it.
        PdfField = "pdf-field",
        /// What all signatures together make of the file.
        PdfRoles = "pdf-roles",
        /// The zip of a long-term archive, and what must be in it.
        ArchiveFormat = "archive-format",
        /// Every file of it against its manifests.
        ArchiveDigests = "archive-digests",
        /// A time-stamp over all of it.
        ArchiveTimeStamp = "archive-time-stamp",
        /// What is read of it besides the document.
        ArchiveContents = "archive-contents",
        /// The directory entries in it.
        ArchiveDirectory = "archive-directory",
        /// The statements in it.
        ArchiveStatements = "archive-statements",
        /// Whether the envelope in it is about the document in it.
        ArchiveEnvelope = "archive-envelope",
        /// A statement's form.
        StatementFormat = "statement-format",
        /// The form of its signature.
        SignatureFormat = "signature-format",
        /// Whether a key is here by which it can be judged.
        StatementKey = "statement-key",
        /// Its signature, signer and role.
        StatementSignature = "statement-signature",
        /// Its time.
        StatementTime = "statement-time",
    }
}

const PDF: &str = "EN 319 142-1 §5, ISO 32000-2 §12.8";
const STATEMENT: &str = "RFC 8032 §5.1.7, EN 319 522-2";

impl CheckName {
    /// The clause that it implements.
    pub const fn clause(self) -> &'static str {
        match self {
            Self::ContainerFormat | Self::ContainerProfile => "EN 319 162-1 §4.4",
            Self::FileDigests => "EN 319 162-1 §A.4, EN 319 102-1 §5.2.7",
            Self::SealSignature => "EN 319 122-1 §6, RFC 5652 §5.6, EN 319 102-1 §5.2.7",
            Self::SealAlgorithm | Self::PdfAlgorithm => "EN 319 102-1 §5.2.8, TS 119 312",
            Self::SealTimeStamp | Self::PdfTimeStamp => "EN 319 102-1 §5.4, RFC 3161",
            Self::SealTime | Self::PdfSigningTime => "EN 319 122-1 §5.2.1",
            Self::SealCertificate | Self::PdfCertificate => "RFC 5280 §6, EN 319 102-1 §5.2.6",
            Self::SealRevocation | Self::PdfRevocation => {
                "RFC 5280 §6.3, EN 319 102-1 §5.2.5, §5.2.6"
            }
            Self::SealIssuer => "Decree 30/2020/NĐ-CP, Article 5; EN 319 102-1 §5.2.8",
            Self::DocumentFields => "Decree 30/2020/NĐ-CP, Annex VI",
            Self::DocumentFiles => "EN 319 162-1 §A.4, document.json",
            Self::IssueDate => "Decree 30/2020/NĐ-CP, Article 18",
            Self::PdfFormat | Self::PdfSignature | Self::PdfObject | Self::PdfCoverage => PDF,
            Self::PdfSigningCertificate => "EN 319 142-1 §6.3, RFC 5035 §4, EN 319 102-1 §5.2.3",
            Self::PdfDocumentTimeStamp => "EN 319 142-1 §5.4.3, RFC 3161",
            Self::PdfCertificateUsage => "RFC 5280 §4.2.1.12, RFC 9336",
            Self::PdfRole => "EN 319 412-2 §4.2.4, EN 319 412-3 §4.2.1",
            Self::PdfCertification => "ISO 32000-2 §12.8.2.2",
            Self::PdfField => "ISO 32000-2 §12.7.5.5",
            Self::PdfRoles => "Decree 30/2020/NĐ-CP, Annex I",
            Self::ArchiveFormat | Self::ArchiveDigests => "EN 319 162-1 §A.7",
            Self::ArchiveTimeStamp => "EN 319 102-1 §5.6, EN 319 162-1 §A.7",
            Self::ArchiveEnvelope => "SHA-256(salt ‖ SHA-256(container)), EN 319 522-2",
            Self::ArchiveContents
            | Self::ArchiveDirectory
            | Self::ArchiveStatements
            | Self::StatementFormat
            | Self::SignatureFormat
            | Self::StatementKey
            | Self::StatementSignature
            | Self::StatementTime => STATEMENT,
        }
    }
}
