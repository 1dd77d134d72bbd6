//! A certification authority, wherever its key is kept.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint,
    DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyUsagePurpose,
    RevokedCertParams, SerialNumber, SubjectPublicKeyInfo,
};

use super::fields::{
    alternative_names, arcs, base_params, common_name, moment, only_time_stamping, organization,
    period, policies, positive_serial, reason_code, text,
};
use super::signer::IssuerKey;
use super::{
    AuthorityName, CertificatePolicy, IssueError, Profile, Revocation, SealSubject, TlsSubject,
    TlsUsage, Validity, verify_request,
};
use crate::certificate::{self, CertificateDetails, CertificateParts};
use crate::seal::SealSigner;

/// organizationIdentifier (X.520).
const ORGANIZATION_IDENTIFIER: [u64; 4] = [2, 5, 4, 97];
/// anyPolicy (RFC 5280 §4.2.1.4): an issuing authority may issue under any of ours.
const ANY_POLICY: &str = "2.5.29.32.0";

/// An authority that can issue: a root or an issuing authority.
pub struct CertificateAuthority {
    certificate: Vec<u8>,
    issuer: Issuer<'static, IssuerKey>,
    validity: Validity,
    path_length: u8,
    profile: Profile,
}

impl CertificateAuthority {
    /// Makes a self-signed root (path length 1) of a new key. An authority's serial number
    /// follows from its key, so that no two are alike.
    pub fn create_root(
        key: Arc<dyn SealSigner>,
        name: &AuthorityName,
        validity: Validity,
    ) -> Result<Self, IssueError> {
        let key = IssuerKey::new(key)?;
        let params = authority_params(name, validity, 1)?;
        let certificate = key.told(params.self_signed(&key))?;
        Self::assemble(certificate.der().to_vec(), key)
    }

    /// Makes an issuing authority (path length 0) of a new key, certified by `root`, whose name
    /// it must not share.
    pub fn create_issuing(
        root: &Self,
        key: Arc<dyn SealSigner>,
        name: &AuthorityName,
        validity: Validity,
    ) -> Result<Self, IssueError> {
        if root.path_length == 0 {
            return Err(IssueError::PathLength);
        }
        root.within(validity)?;
        let key = IssuerKey::new(key)?;
        let mut params = authority_params(name, validity, 0)?;
        params.custom_extensions = vec![policies(ANY_POLICY)?];
        params.crl_distribution_points = root.distribution_points();
        let certificate = root.told(params.signed_by(&key, &root.issuer))?;
        let authority = Self::assemble(certificate.der().to_vec(), key)?;
        if authority.subject()? == root.subject()? {
            return Err(IssueError::Name {
                field: "common name",
            });
        }
        Ok(authority.with_profile(root.profile.clone()))
    }

    /// An authority from its certificate, as [`Self::certificate_pem`] gave it, and its key.
    pub fn load(certificate_pem: &str, key: Arc<dyn SealSigner>) -> Result<Self, IssueError> {
        let certificate =
            certificate::from_pem(certificate_pem).map_err(IssueError::AuthorityCertificate)?;
        Self::assemble(certificate, IssuerKey::new(key)?)
    }

    /// Replaces the placeholder identifiers, and says where the lists are.
    #[must_use]
    pub fn with_profile(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }

    /// The authority's certificate, DER.
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate
    }

    /// The authority's certificate, PEM.
    pub fn certificate_pem(&self) -> String {
        certificate::to_pem(&self.certificate)
    }

    /// Issues a seal certificate, DER: no authority, digitalSignature and nonRepudiation,
    /// the profile's extended key usage, policy and place of revocation lists.
    pub fn issue_seal(
        &self,
        csr_der: &[u8],
        subject: &SealSubject,
        validity: Validity,
        serial: &[u8],
    ) -> Result<Vec<u8>, IssueError> {
        let mut name = organization("organization", &subject.organization)?;
        let identifier = text("organization identifier", &subject.organization_identifier)?;
        name.push(DnType::from_oid(&ORGANIZATION_IDENTIFIER), identifier);
        name.push(
            DnType::CommonName,
            text("common name", &subject.common_name)?,
        );
        let policy = CertificatePolicy::Seal;
        let mut params = self.end_entity_params(name, validity, serial, policy)?;
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::ContentCommitment,
        ];
        let usage = arcs(&self.profile.seal_extended_key_usage)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(usage)];
        self.sign(&params, csr_der)
    }

    /// Issues a TLS certificate, DER: no authority, digitalSignature, the extended key usages
    /// of `usage`, policy and place of revocation lists.
    pub fn issue_tls(
        &self,
        csr_der: &[u8],
        subject: &TlsSubject,
        validity: Validity,
        serial: &[u8],
        usage: TlsUsage,
    ) -> Result<Vec<u8>, IssueError> {
        let name = common_name(&subject.organization, &subject.common_name)?;
        let mut params = self.end_entity_params(name, validity, serial, CertificatePolicy::Tls)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = match usage {
            TlsUsage::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
            TlsUsage::Server => vec![ExtendedKeyUsagePurpose::ServerAuth],
            TlsUsage::Both => vec![
                ExtendedKeyUsagePurpose::ServerAuth,
                ExtendedKeyUsagePurpose::ClientAuth,
            ],
        };
        params.subject_alt_names = alternative_names(subject)?;
        self.sign(&params, csr_der)
    }

    /// Issues the certificate of a time-stamp authority, DER: no authority, digitalSignature,
    /// timeStamping alone as a critical extended key usage (RFC 3161 §2.3), policy and place of
    /// revocation lists.
    pub fn issue_time_stamping(
        &self,
        csr_der: &[u8],
        subject: &AuthorityName,
        validity: Validity,
        serial: &[u8],
    ) -> Result<Vec<u8>, IssueError> {
        let name = common_name(&subject.organization, &subject.common_name)?;
        let policy = CertificatePolicy::TimeStamp;
        let mut params = self.end_entity_params(name, validity, serial, policy)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.custom_extensions.push(only_time_stamping());
        self.sign(&params, csr_der)
    }

    /// Signs a revocation list, DER (RFC 5280 §5): `number` must grow from list to list.
    pub fn revocation_list(
        &self,
        revoked: &[Revocation],
        number: u64,
        validity: Validity,
    ) -> Result<Vec<u8>, IssueError> {
        let (this_update, next_update) = period(validity)?;
        let entry = |one: &Revocation| -> Result<RevokedCertParams, IssueError> {
            Ok(RevokedCertParams {
                serial_number: positive_serial(&one.serial)?,
                revocation_time: moment(one.at)?,
                reason_code: Some(reason_code(one.reason)),
                invalidity_date: one.invalid_from.map(moment).transpose()?,
            })
        };
        let params = CertificateRevocationListParams {
            this_update,
            next_update,
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(entry).collect::<Result<_, _>>()?,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(self.told(params.signed_by(&self.issuer))?.der().to_vec())
    }

    fn assemble(certificate: Vec<u8>, key: IssuerKey) -> Result<Self, IssueError> {
        let details =
            CertificateDetails::from_der(&certificate).map_err(IssueError::AuthorityCertificate)?;
        if !details.is_authority {
            return Err(IssueError::NotAnAuthority);
        }
        if details.public_key_der != key.public_key_der() {
            return Err(IssueError::AuthorityKey);
        }
        let path_length = path_length(&certificate)?;
        let issuer = Issuer::from_ca_cert_der(&certificate.as_slice().into(), key)?;
        let validity = Validity {
            not_before: details.not_before,
            not_after: details.not_after,
        };
        Ok(Self {
            certificate,
            issuer,
            validity,
            path_length,
            profile: Profile::default(),
        })
    }

    /// A result with the cause that the key gave, if it was the key.
    fn told<T>(&self, result: Result<T, rcgen::Error>) -> Result<T, IssueError> {
        self.issuer.key().told(result)
    }

    fn subject(&self) -> Result<&[u8], IssueError> {
        let parts = CertificateParts::parse(&self.certificate)?;
        Ok(parts.subject)
    }

    fn end_entity_params(
        &self,
        name: DistinguishedName,
        validity: Validity,
        serial: &[u8],
        policy: CertificatePolicy,
    ) -> Result<CertificateParams, IssueError> {
        self.within(validity)?;
        let mut params = base_params(name, validity)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.serial_number = Some(positive_serial(serial)?);
        params.custom_extensions = vec![policies(&self.profile.policy(policy))?];
        params.crl_distribution_points = self.distribution_points();
        Ok(params)
    }

    /// Where this authority's own list is, for the certificates that it issues.
    fn distribution_points(&self) -> Vec<CrlDistributionPoint> {
        let file = match self.path_length {
            0 => "issuing.crl",
            _ => "root.crl",
        };
        let place = self.profile.lists.iter();
        let point = |place| CrlDistributionPoint {
            uris: vec![format!("{place}/{file}")],
        };
        place.map(point).collect()
    }

    fn sign(&self, params: &CertificateParams, csr_der: &[u8]) -> Result<Vec<u8>, IssueError> {
        let spki = verify_request(csr_der)?;
        let key = SubjectPublicKeyInfo::from_der(&spki)?;
        Ok(self
            .told(params.signed_by(&key, &self.issuer))?
            .der()
            .to_vec())
    }

    fn within(&self, validity: Validity) -> Result<(), IssueError> {
        let own = self.validity;
        if validity.not_before < own.not_before || validity.not_after > own.not_after {
            return Err(IssueError::OutsideIssuerValidity {
                issuer_not_before: own.not_before,
                issuer_not_after: own.not_after,
            });
        }
        Ok(())
    }
}

impl std::fmt::Debug for CertificateAuthority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("CertificateAuthority")
            .field("validity", &self.validity)
            .field("path_length", &self.path_length)
            .finish_non_exhaustive()
    }
}

fn authority_params(
    name: &AuthorityName,
    validity: Validity,
    path_length: u8,
) -> Result<CertificateParams, IssueError> {
    let distinguished = common_name(&name.organization, &name.common_name)?;
    let mut params = base_params(distinguished, validity)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// pathLenConstraint of an authority's certificate; none means the longest we issue.
fn path_length(certificate: &[u8]) -> Result<u8, IssueError> {
    use x509_parser::prelude::{FromDer, X509Certificate};
    let (_, parsed) =
        X509Certificate::from_der(certificate).map_err(|_| IssueError::NotAnAuthority)?;
    let constraints = parsed
        .basic_constraints()
        .map_err(|_| IssueError::NotAnAuthority)?;
    let length = constraints
        .and_then(|extension| extension.value.path_len_constraint)
        .unwrap_or(1);
    Ok(u8::try_from(length).unwrap_or(u8::MAX))
}
