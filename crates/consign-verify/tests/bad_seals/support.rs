//! Authorities that certify anything, and verdicts on what is sealed with that.

use std::io::Cursor;

use consign_domain::directory::Entry;
use consign_domain::{Digest, ErrorCode};
use consign_pki::certificate::fingerprint;
use consign_pki::cms::sign_detached;
use consign_pki::seal::{FileSealKey, KeyKind, SealSigner as _};
use consign_verify::Indication::{TotalFailed, TotalPassed};
use consign_verify::container::{JudgedAt, Judgement, SealTrust, judge};
use consign_verify::policy::SEAL_USAGE;
use consign_verify::report::Reason;
use consign_verify::{Indication, Report};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SigningKey, SubjectPublicKeyInfo,
};

use crate::world::{World, now, policy};

/// Verdict, reason and code.
pub(crate) type Verdict = (Indication, Option<Reason>, Option<ErrorCode>);

pub(crate) const NOT_VALID: Option<ErrorCode> = Some(ErrorCode::SealCertificateNotValid);
pub(crate) const UNDECIDED: Option<ErrorCode> = Some(ErrorCode::VerdictIndeterminate);
pub(crate) const INVALID: Option<ErrorCode> = Some(ErrorCode::SealInvalid);
pub(crate) const PASSED: Verdict = (TotalPassed, None, None);
pub(crate) const WRONG_USAGE: Verdict = (TotalFailed, Some(Reason::WrongUsage), NOT_VALID);

pub(crate) fn verdict(report: &Report) -> Verdict {
    let decisive = report.decisive();
    let reason = decisive.and_then(|check| check.reason);
    (report.indication, reason, report.code())
}

/// An authority that certifies whatever it is told to.
pub(crate) struct Authority<K = KeyPair> {
    params: CertificateParams,
    pub(crate) key: K,
    pub(crate) certificate: Vec<u8>,
}

impl Authority {
    pub(crate) fn root(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let params = authority_params("Root", change);
        let key = own_key();
        let certificate = params.self_signed(&key).unwrap().der().to_vec();
        Self {
            params,
            key,
            certificate,
        }
    }
}

impl<K: SigningKey> Authority<K> {
    pub(crate) fn below(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Authority {
        self.below_with(own_key(), name, change)
    }

    /// One with a key of another kind.
    pub(crate) fn below_with<L: SigningKey>(
        &self,
        key: L,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Authority<L> {
        let params = authority_params(name, change);
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params.signed_by(&key, &issuer).unwrap().der().to_vec();
        Authority {
            params,
            key,
            certificate,
        }
    }

    /// A seal of H49, but for a change.
    pub(crate) fn certify(
        &self,
        key: &FileSealKey,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Vec<u8> {
        self.certify_spki(key.public_key_der(), change)
    }

    /// The same for any key, DER.
    pub(crate) fn certify_spki(
        &self,
        spki: &[u8],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let name = &mut params.distinguished_name;
        name.push(DnType::OrganizationName, "Tỉnh Quảng Ninh");
        name.push(DnType::from_oid(&[2, 5, 4, 97]), "VNGOV-H49");
        params.serial_number = Some(7_u64.into());
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::ContentCommitment,
        ];
        let usage = SEAL_USAGE.split('.').map(|arc| arc.parse().unwrap());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(usage.collect())];
        between(&mut params, 2020, 2040);
        change(&mut params);
        let key = SubjectPublicKeyInfo::from_der(spki).unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        params.signed_by(&key, &issuer).unwrap().der().to_vec()
    }
}

fn own_key() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap()
}

fn authority_params(name: &str, change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    between(&mut params, 2015, 2045);
    change(&mut params);
    params
}

pub(crate) fn between(params: &mut CertificateParams, first: i32, last: i32) {
    params.not_before = rcgen::date_time_ymd(first, 1, 1);
    params.not_after = rcgen::date_time_ymd(last, 1, 1);
}

pub(crate) fn key() -> FileSealKey {
    FileSealKey::generate(KeyKind::EcdsaP256).unwrap()
}

/// A container sealed with a certificate that the directory lists, and its verdict.
pub(crate) fn judged(
    key: &FileSealKey,
    certificate: &[u8],
    chain: &[&Authority],
    root: &Authority,
    at: JudgedAt,
) -> Judgement {
    let chain: Vec<_> = chain.iter().map(|one| one.certificate.clone()).collect();
    judged_as_sealed(certificate, root, at, |manifest| {
        sign_detached(key, certificate, &chain, manifest, now().as_unix()).unwrap()
    })
}

/// The same, however it is sealed.
pub(crate) fn judged_as_sealed(
    certificate: &[u8],
    root: &Authority,
    at: JudgedAt,
    seal: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Judgement {
    let mut world = World::new();
    list(&mut world, certificate);
    let container = sealed(&world, seal);
    let roots = [root.certificate.clone()];
    let trust = SealTrust::by_directory(&roots, &world.directory);
    judge(Cursor::new(&container), &trust, &policy(), at)
}

pub(crate) fn list(world: &mut World, certificate: &[u8]) {
    let listed = Digest::from_bytes(fingerprint(certificate));
    world.republish(|entries| {
        if let Some(Entry::Agency(agency)) = entries.first_mut() {
            agency.seals[0].certificate = listed;
        }
    });
}

/// A container whose seal is made otherwise than by the sender's key.
pub(crate) fn sealed(world: &World, seal: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let document = world.document();
    let fields = document.to_bytes();
    world.container_signed(&fields, &document, &world.sender, |_, manifest| {
        seal(manifest)
    })
}
