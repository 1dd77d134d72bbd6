//! Why a check did not simply pass: what was found, without the facts, which are evidence.

use super::SubIndication;
use super::words::words;

words! {
    /// What was found where a check failed, is undecided, or has something to be told.
    ///
    /// The sentence for people is made elsewhere, from this and the evidence.
    Reason {
        // Forms.
        /// The bytes break their format.
        FormatBroken = "format-broken",
        /// The zip is sound, and not of our one form.
        ProfileDeviates = "profile-deviates",
        /// More or larger than is read.
        TooLarge = "too-large",
        /// The bytes cannot be had from where they lie.
        Unreadable = "unreadable",
        /// A version, or a kind, that is not known here.
        VersionUnknown = "version-unknown",

        // What was signed.
        /// What is here is not what was signed.
        ContentChanged = "content-changed",
        /// The signature's value is not by the key that is named.
        SignatureWrong = "signature-wrong",
        /// The signature is not well-formed.
        SignatureMalformed = "signature-malformed",

        // Algorithms and keys.
        /// An algorithm that is not known here; it may be known elsewhere.
        AlgorithmUnknown = "algorithm-unknown",
        /// It rests on SHA-1 or older, or on a key that is too short.
        AlgorithmWeak = "algorithm-weak",
        /// The policy does not take the algorithm.
        AlgorithmNotAccepted = "algorithm-not-accepted",
        /// The policy does not take keys of that size.
        KeyTooShort = "key-too-short",

        // Certificates and paths.
        /// The signer's certificate is not here, or cannot be read.
        SignerUnknown = "signer-unknown",
        /// The signature does not say which certificate it is by.
        CertificateNotNamed = "certificate-not-named",
        /// No path leads to a root that is trusted.
        NoPath = "no-path",
        /// A certificate of the path is not signed by its issuer.
        PathBroken = "path-broken",
        /// A certificate of the path is malformed, or is refused for another reason.
        PathRefused = "path-refused",
        /// The path is more, or longer, than is looked at.
        PathTooLong = "path-too-long",
        /// The certificate may not be used for this.
        WrongUsage = "wrong-usage",
        /// Outside its dates, which are proven to matter: after the end.
        Expired = "expired",
        /// Outside its dates now, and it is not known when it was used.
        ExpiredUnproven = "expired-unproven",
        /// Before its begin.
        NotYetValid = "not-yet-valid",
        /// Revoked by then.
        Revoked = "revoked",
        /// Revoked since, and nothing proves that it was used before.
        RevokedUnproven = "revoked-unproven",
        /// An authority of the path was revoked since, and nothing proves that it was used before.
        AuthorityRevokedUnproven = "authority-revoked-unproven",
        /// On hold: it may count again.
        OnHold = "on-hold",
        /// The lists that are here do not say whether it was revoked.
        RevocationUnknown = "revocation-unknown",
        /// Nothing is here that says what was revoked.
        NoRevocationData = "no-revocation-data",
        /// The newest list is older than the policy takes.
        ListTooOld = "list-too-old",
        /// A further signer whom no trusted root knows: not judged.
        SignerNotJudged = "signer-not-judged",

        // Times.
        /// A time-stamp that proves nothing: not over this, or not by anybody trusted.
        StampNotCounted = "stamp-not-counted",
        /// A time-stamp of a time after the one judged for.
        StampLater = "stamp-later",
        /// Time-stamps in an order that cannot be: what is covered is stamped later.
        StampsDisordered = "stamps-disordered",
        /// A time-stamp that says a later time than that at which it was there.
        StampAfterNext = "stamp-after-next",
        /// A time-stamp whose authority's certificate ended before another was added.
        StampNotRenewed = "stamp-not-renewed",
        /// The signer's clock said a time to come.
        ClaimedInFuture = "claimed-in-future",

        // The document and its issuer.
        /// A state secret must not travel here.
        StateSecret = "state-secret",
        /// The container holds other files than the document names, or otherwise.
        FilesDiffer = "files-differ",
        /// The day of issue is to come.
        IssuedInFuture = "issued-in-future",
        /// The directory does not know the issuer.
        IssuerUnknown = "issuer-unknown",
        /// The seal is not the issuer's.
        SealOfAnother = "seal-of-another",

        // Signatures inside PDF files.
        /// The object of the signature stands in the file twice.
        ObjectTwice = "object-twice",
        /// The certificate does not say for whom it speaks.
        RoleNotSaid = "role-not-said",
        /// Nobody signs what was added at the end; it may change what is seen.
        AddedUnsigned = "added-unsigned",
        /// The same, and it seems to be validation data.
        ValidationDataUnsigned = "validation-data-unsigned",
        /// A later signature covers what was added.
        AddedCovered = "added-covered",
        /// A later signature covers what was added, and is itself not passed.
        AddedInDoubt = "added-in-doubt",
        /// Another organisation signed last.
        OtherOrganizationLast = "other-organization-last",
        /// The signer allowed no change, and there is one.
        ChangedThoughFinal = "changed-though-final",
        /// The signer allowed forms to be filled in and signatures, and more was changed.
        ChangedBeyondForms = "changed-beyond-forms",
        /// What was changed cannot be told, and the signer allowed little or nothing.
        ChangesUnclear = "changes-unclear",
        /// A later revision takes the signature out of its field.
        Withdrawn = "withdrawn",
        /// Whether a later revision takes it out cannot be told.
        WithdrawalUnclear = "withdrawal-unclear",
        /// There is no signature.
        NoSignature = "no-signature",
        /// An agency signed it and no person: a scanned copy.
        ScannedCopyOnly = "scanned-copy-only",
        /// No agency signed last and over all.
        NoAgencyLast = "no-agency-last",

        // Statements.
        /// Directory entries that do not prove themselves by the trust file.
        EntriesNotProven = "entries-not-proven",
        /// It is about another envelope than the one that it lies beside, or does not say what its
        /// file's name does.
        StatementOfAnother = "statement-of-another",
        /// Nothing here shows that the envelope is about this document.
        NotCommitted = "not-committed",
        /// Roots alone name no keys of statements.
        NoStatementKeys = "no-statement-keys",
        /// It belongs to another network.
        OtherNetwork = "other-network",
        /// It was made under a directory that is not here yet.
        DirectoryBehind = "directory-behind",
        /// The directory, or the trust file, has no such key for the signer.
        KeyUnknown = "key-unknown",
        /// The key did not count at the statement's time.
        KeyNotValid = "key-not-valid",
        /// The signer may not say this, or not under this code.
        RoleNotPermitted = "role-not-permitted",
        /// It was made after the time judged for.
        MadeInFuture = "made-in-future",
    }
}

impl Reason {
    /// The sub-indication of EN 319 102-1 §5.1.3 under which it falls where it keeps a verdict
    /// from being passed.
    pub const fn sub_indication(self) -> SubIndication {
        match self {
            Self::FormatBroken
            | Self::ProfileDeviates
            | Self::SignatureMalformed
            | Self::FilesDiffer => SubIndication::FormatFailure,
            Self::TooLarge | Self::VersionUnknown => SubIndication::PolicyProcessingError,
            Self::Unreadable | Self::NotCommitted => SubIndication::SignedDataNotFound,
            Self::ContentChanged => SubIndication::HashFailure,
            Self::SignatureWrong => SubIndication::SigCryptoFailure,
            Self::AlgorithmUnknown => SubIndication::CryptoConstraintsFailureNoPoe,
            Self::AlgorithmWeak | Self::AlgorithmNotAccepted | Self::KeyTooShort => {
                SubIndication::CryptoConstraintsFailure
            }
            Self::SignerUnknown
            | Self::NoStatementKeys
            | Self::EntriesNotProven
            | Self::KeyUnknown => SubIndication::NoSigningCertificateFound,
            Self::NoPath | Self::SignerNotJudged => SubIndication::NoCertificateChainFound,
            Self::PathBroken | Self::PathRefused => SubIndication::CertificateChainGeneralFailure,
            Self::PathTooLong | Self::WrongUsage => SubIndication::ChainConstraintsFailure,
            Self::Expired => SubIndication::Expired,
            Self::ExpiredUnproven | Self::StampNotRenewed => SubIndication::OutOfBoundsNoPoe,
            Self::NotYetValid => SubIndication::NotYetValid,
            Self::Revoked => SubIndication::Revoked,
            Self::RevokedUnproven => SubIndication::RevokedNoPoe,
            Self::AuthorityRevokedUnproven => SubIndication::RevokedCaNoPoe,
            Self::OnHold
            | Self::RevocationUnknown
            | Self::NoRevocationData
            | Self::ListTooOld
            | Self::DirectoryBehind => SubIndication::TryLater,
            Self::StampNotCounted | Self::StampLater => SubIndication::NoPoe,
            Self::StampsDisordered | Self::StampAfterNext => SubIndication::TimestampOrderFailure,
            Self::CertificateNotNamed
            | Self::ClaimedInFuture
            | Self::StateSecret
            | Self::IssuedInFuture
            | Self::IssuerUnknown
            | Self::SealOfAnother
            | Self::ObjectTwice
            | Self::RoleNotSaid
            | Self::AddedUnsigned
            | Self::ValidationDataUnsigned
            | Self::AddedCovered
            | Self::AddedInDoubt
            | Self::OtherOrganizationLast
            | Self::ChangedThoughFinal
            | Self::ChangedBeyondForms
            | Self::ChangesUnclear
            | Self::Withdrawn
            | Self::WithdrawalUnclear
            | Self::NoSignature
            | Self::ScannedCopyOnly
            | Self::NoAgencyLast
            | Self::OtherNetwork
            | Self::StatementOfAnother
            | Self::KeyNotValid
            | Self::RoleNotPermitted
            | Self::MadeInFuture => SubIndication::SigConstraintsFailure,
        }
    }
}
