//! A time-stamp authority, and archives with this and that in them.

use std::io::Cursor;

use consign_domain::directory::{Entry, KeyState};
use consign_domain::{SignedStatement, Timestamp};
use consign_pki::asic::outer::{OuterContainer, OuterWriter, Unstamped};
use consign_pki::asic::{Budget, DigestAlgorithm};
use consign_pki::issue::{
    AuthorityName, CertificateAuthority, Revocation, Validity, create_request,
};
use consign_pki::seal::{FileSealKey, KeyKind};
use consign_pki::timestamp::{Authority, Grant, PLACEHOLDER_POLICY, Request, token_of};
use consign_verify::archive::{self, ArchiveJudgement};
use consign_verify::container::{JudgedAt, SealTrust};
use consign_verify::directory::EntryProof;
use consign_verify::report::{CheckName, Reason, SubIndication};
use consign_verify::{Check, Directory, Indication};

use crate::world::{DAY, World, now, policy};

pub(crate) const SHA256: DigestAlgorithm = DigestAlgorithm::Sha256;

pub(crate) type Bytes = Cursor<Vec<u8>>;

pub(crate) fn after(days: u64) -> Timestamp {
    now().plus_seconds(days * DAY)
}

/// A time-stamp authority whose certificate ends after so many days.
pub(crate) struct Tsa {
    pub(crate) authority: Authority<FileSealKey>,
    pub(crate) serial: u8,
}

impl Tsa {
    pub(crate) fn new(issuing: &CertificateAuthority, serial: u8, days: u64) -> Self {
        let key = FileSealKey::generate(KeyKind::EcdsaP256).unwrap();
        let name = AuthorityName {
            organization: "Tỉnh Quảng Ninh".to_owned(),
            common_name: format!("Dấu thời gian {serial}"),
        };
        let validity = Validity {
            not_before: now().minus_seconds(DAY).as_unix(),
            not_after: after(days).as_unix(),
        };
        let request = create_request(&key, "tsa").unwrap();
        let certificate = issuing
            .issue_time_stamping(&request, &name, validity, &[0x30, serial])
            .unwrap();
        let chain = vec![issuing.certificate_der().to_vec()];
        let authority = Authority::new(key, certificate, chain, PLACEHOLDER_POLICY).unwrap();
        Self { authority, serial }
    }

    pub(crate) fn token(&self, over: &[u8], at: Timestamp) -> Vec<u8> {
        let request = Request::over(over, [7; 8]);
        let grant = Grant {
            time: at.as_unix(),
            serial: [1; 16],
        };
        let answer = self.authority.answer(request.to_der(), grant).unwrap();
        token_of(&answer, &request).unwrap()
    }

    pub(crate) fn stamps(&self, unstamped: Unstamped<Bytes>, at: Timestamp) -> Vec<u8> {
        let token = self.token(unstamped.manifest(), at);
        unstamped.finish(&token).unwrap().into_inner()
    }
}

/// The archive of a container before its manifest.
pub(crate) fn begun(container: &[u8]) -> OuterWriter<Bytes> {
    OuterWriter::begin(Bytes::default(), container, SHA256).unwrap()
}

pub(crate) fn add(writer: &mut OuterWriter<Bytes>, name: &str, bytes: &[u8]) {
    writer
        .add_file(name, "application/octet-stream", bytes)
        .unwrap();
}

pub(crate) fn archived(container: &[u8], by: &Tsa, at: Timestamp) -> Vec<u8> {
    by.stamps(begun(container).complete().unwrap(), at)
}

pub(crate) fn renewed(archive: &[u8], by: &Tsa, at: Timestamp) -> Vec<u8> {
    let mut earlier = OuterContainer::open(Cursor::new(archive), &Budget::outer()).unwrap();
    let writer = OuterWriter::renew(Bytes::default(), &mut earlier, DigestAlgorithm::Sha512);
    by.stamps(writer.unwrap().complete().unwrap(), at)
}

pub(crate) fn judge(world: &World, archive: &[u8], at: JudgedAt) -> ArchiveJudgement {
    let trust = SealTrust::by_directory(world.trust.roots(), &world.directory);
    archive::judge(
        Cursor::new(archive),
        &trust,
        Some(&world.trust),
        &policy(),
        at,
    )
}

pub(crate) fn verdict(
    world: &World,
    archive: &[u8],
    at: JudgedAt,
) -> (Indication, Option<&'static str>) {
    let report = judge(world, archive, at).document.report;
    let why = report.sub_indication.map(SubIndication::as_str);
    (report.indication, why)
}

pub(crate) fn named(judgement: &ArchiveJudgement, name: CheckName) -> Vec<&Check> {
    let checks = judgement.document.report.checks.iter();
    checks.filter(|check| check.name == name).collect()
}

pub(crate) const PASSED: (Indication, Option<&str>) = (Indication::TotalPassed, None);
pub(crate) const TOO_LATE: (Indication, Option<&str>) =
    (Indication::Indeterminate, Some("OUT_OF_BOUNDS_NO_POE"));

/// The lists that the authorities of a world make at a time.
pub(crate) fn lists(world: &World, at: Timestamp, revoked: &[Revocation]) -> Vec<Vec<u8>> {
    let validity = Validity {
        not_before: at.as_unix(),
        not_after: at.plus_seconds(30 * DAY).as_unix(),
    };
    vec![
        world
            .issuing
            .revocation_list(revoked, at.as_unix(), validity)
            .unwrap(),
        world
            .root
            .revocation_list(&[], at.as_unix(), validity)
            .unwrap(),
    ]
}

/// Files of an archive besides the container.
pub(crate) type Files = Vec<(String, Vec<u8>)>;

pub(crate) fn with_files(container: &[u8], files: &Files, by: &Tsa, at: Timestamp) -> Vec<u8> {
    let mut writer = begun(container);
    for (name, bytes) in files {
        add(&mut writer, name, bytes);
    }
    by.stamps(writer.complete().unwrap(), at)
}

/// The same in a renewal.
pub(crate) fn renewed_with(archive: &[u8], files: &Files, by: &Tsa, at: Timestamp) -> Vec<u8> {
    let mut earlier = OuterContainer::open(Cursor::new(archive), &Budget::outer()).unwrap();
    let writer = OuterWriter::renew(Bytes::default(), &mut earlier, SHA256);
    let mut writer = writer.unwrap();
    for (name, bytes) in files {
        add(&mut writer, name, bytes);
    }
    by.stamps(writer.complete().unwrap(), at)
}

pub(crate) fn entry(directory: &Directory, id: [u8; 16], name: &str) -> (String, Vec<u8>) {
    let proof = EntryProof::of(directory, id).unwrap();
    (
        format!("{}{name}.json", archive::DIRECTORY),
        proof.to_bytes(),
    )
}

pub(crate) fn list_files(lists: &[Vec<u8>]) -> Files {
    let named = lists.iter().enumerate();
    let named = named.map(|(place, list)| (format!("{}{place}.crl", archive::LISTS), list.clone()));
    named.collect()
}

pub(crate) fn signed_files(stem: &str, signed: &SignedStatement) -> Files {
    vec![
        (format!("{stem}.json"), signed.statement.to_vec()),
        (format!("{stem}.sig"), signed.signature.to_vec()),
    ]
}

/// By the trust file alone: what the archive brings decides.
pub(crate) fn by_store(world: &World, archive: &[u8], at: Timestamp) -> ArchiveJudgement {
    let trust = SealTrust::by_roots(world.trust.roots());
    let store = Some(&world.trust);
    archive::judge(
        Cursor::new(archive),
        &trust,
        store,
        &policy(),
        JudgedAt::Now(at),
    )
}

pub(crate) fn decided(
    judgement: &ArchiveJudgement,
) -> (Indication, Option<CheckName>, Option<Reason>) {
    let report = &judgement.document.report;
    let decisive = report.decisive();
    (
        report.indication,
        decisive.map(|check| check.name),
        decisive.and_then(|check| check.reason),
    )
}

pub(crate) fn revoke_seal(world: &mut World, until: Timestamp) {
    world.republish(|entries| {
        if let Some(Entry::Agency(agency)) = entries.first_mut() {
            for seal in &mut agency.seals {
                seal.validity.until = Some(until);
                seal.state = KeyState::Revoked;
            }
        }
    });
}
