//! The sub-indications of ETSI EN 319 102-1 §5.1.3.

use super::Indication;
use super::words::words;

words! {
    /// Why a verdict is not TOTAL-PASSED, in the standard's words (EN 319 102-1 §5.1.3).
    ///
    /// The standard puts each under one main indication ([`Self::indication`]). A policy may be
    /// stricter and fail what the standard leaves undecided, such as a key that is too short; it
    /// never passes or leaves undecided what the standard fails.
    SubIndication {
        /// The signature is not of a form that can be processed.
        FormatFailure = "FORMAT_FAILURE",
        /// What was signed is not what is here.
        HashFailure = "HASH_FAILURE",
        /// The signature's value is not by the signer's key.
        SigCryptoFailure = "SIG_CRYPTO_FAILURE",
        /// The certificate was revoked, and the signature is not proven to be older.
        Revoked = "REVOKED",
        /// The signature is proven to be later than the certificate's end.
        Expired = "EXPIRED",
        /// The signature is proven to be earlier than the certificate's begin.
        NotYetValid = "NOT_YET_VALID",
        /// The signature does not keep what the policy asks of signatures.
        SigConstraintsFailure = "SIG_CONSTRAINTS_FAILURE",
        /// The certificates do not keep what the policy asks of paths.
        ChainConstraintsFailure = "CHAIN_CONSTRAINTS_FAILURE",
        /// The certificates of the path cannot be validated for another reason.
        CertificateChainGeneralFailure = "CERTIFICATE_CHAIN_GENERAL_FAILURE",
        /// An algorithm or a key is below what the policy takes.
        CryptoConstraintsFailure = "CRYPTO_CONSTRAINTS_FAILURE",
        /// The policy cannot be applied to what is here.
        PolicyProcessingError = "POLICY_PROCESSING_ERROR",
        /// The policy that the signature names is not here.
        SignaturePolicyNotAvailable = "SIGNATURE_POLICY_NOT_AVAILABLE",
        /// Time-stamps contradict one another.
        TimestampOrderFailure = "TIMESTAMP_ORDER_FAILURE",
        /// The signer's certificate, or key, is not here.
        NoSigningCertificateFound = "NO_SIGNING_CERTIFICATE_FOUND",
        /// No path leads to a trusted root.
        NoCertificateChainFound = "NO_CERTIFICATE_CHAIN_FOUND",
        /// The certificate was revoked since, and nothing proves that the signature is older.
        RevokedNoPoe = "REVOKED_NO_POE",
        /// The same for an authority's certificate.
        RevokedCaNoPoe = "REVOKED_CA_NO_POE",
        /// The certificate is outside its dates and known not to be revoked.
        OutOfBoundsNotRevoked = "OUT_OF_BOUNDS_NOT_REVOKED",
        /// The certificate is outside its dates, and nothing proves that the signature is within.
        OutOfBoundsNoPoe = "OUT_OF_BOUNDS_NO_POE",
        /// The same for whoever says what is revoked.
        RevocationOutOfBoundsNoPoe = "REVOCATION_OUT_OF_BOUNDS_NO_POE",
        /// An algorithm or a key is below what is taken now, and nothing proves an earlier time.
        CryptoConstraintsFailureNoPoe = "CRYPTO_CONSTRAINTS_FAILURE_NO_POE",
        /// Nothing proves that the signature existed at the time that matters.
        NoPoe = "NO_POE",
        /// What is needed may be had later.
        TryLater = "TRY_LATER",
        /// What was signed is not here.
        SignedDataNotFound = "SIGNED_DATA_NOT_FOUND",
    }
}

impl SubIndication {
    /// The main indication under which the standard puts it.
    pub const fn indication(self) -> Indication {
        match self {
            Self::FormatFailure
            | Self::HashFailure
            | Self::SigCryptoFailure
            | Self::Revoked
            | Self::Expired
            | Self::NotYetValid => Indication::TotalFailed,
            Self::SigConstraintsFailure
            | Self::ChainConstraintsFailure
            | Self::CertificateChainGeneralFailure
            | Self::CryptoConstraintsFailure
            | Self::PolicyProcessingError
            | Self::SignaturePolicyNotAvailable
            | Self::TimestampOrderFailure
            | Self::NoSigningCertificateFound
            | Self::NoCertificateChainFound
            | Self::RevokedNoPoe
            | Self::RevokedCaNoPoe
            | Self::OutOfBoundsNotRevoked
            | Self::OutOfBoundsNoPoe
            | Self::RevocationOutOfBoundsNoPoe
            | Self::CryptoConstraintsFailureNoPoe
            | Self::NoPoe
            | Self::TryLater
            | Self::SignedDataNotFound => Indication::Indeterminate,
        }
    }
}
