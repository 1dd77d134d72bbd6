//! What a judged container comes to: the good one, and each way of being bad.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at what it did not expect"
)]

mod world;

use std::io::Cursor;

use consign_domain::directory::{Entry, KeyState};
use consign_domain::document::Secrecy;
use consign_domain::{ErrorCode, Timestamp};
use consign_verify::container::{JudgedAt, Judgement, SealTrust, judge};
use consign_verify::policy::Policy;
use consign_verify::report::{Aspect, Evidence, Reason, Why};
use consign_verify::{Check, CheckOutcome, Indication, Report};
use world::{DAY, World, now, policy};

fn proven() -> JudgedAt {
    JudgedAt::Proven(now())
}

fn expect(judgement: &Judgement, indication: Indication, code: ErrorCode) {
    assert_eq!(
        judgement.report.indication, indication,
        "{:#?}",
        judgement.report
    );
    assert_eq!(
        judgement.report.code(),
        Some(code),
        "{:#?}",
        judgement.report
    );
}

#[test]
fn a_good_container_passes() {
    let world = World::new();
    let judgement = world.judge(&world.container(&world.document()), proven());
    assert_eq!(
        judgement.report.indication,
        Indication::TotalPassed,
        "{:#?}",
        judgement.report
    );
    assert_eq!(
        judgement.seals[0].organization_identifier.as_deref(),
        Some("VNGOV-H49")
    );
    let verified = judgement.into_verified().unwrap();
    assert_eq!(verified.document.symbol(), "07/QĐ-UBND");
    assert_eq!(verified.files.len(), 3);
}

/// A verdict of passed never survives a changed byte, wherever it is.
#[test]
fn one_byte_changed_anywhere_never_passes() {
    let world = World::new();
    let container = world.container(&world.document());
    for offset in 0..container.len() {
        let mut changed = container.clone();
        changed[offset] ^= 1;
        let judgement = world.judge(&changed, proven());
        let passed = judgement.report.is_passed();
        assert!(!passed, "offset {offset} of {}", container.len());
        assert_ne!(
            judgement.report.indication,
            Indication::Indeterminate,
            "offset {offset}"
        );
    }
}

#[test]
fn cut_anywhere_is_malformed() {
    let world = World::new();
    let container = world.container(&world.document());
    for length in (0..container.len()).step_by(7) {
        let judgement = world.judge(&container[..length], proven());
        assert!(judgement.report.malformed, "length {length}");
    }
}

#[test]
fn without_a_directory_it_stays_undecided() {
    let world = World::new();
    let container = world.container(&world.document());
    let trust = SealTrust::by_roots(world.trust.roots());
    let judgement = judge(Cursor::new(&container), &trust, &policy(), proven());
    expect(
        &judgement,
        Indication::Indeterminate,
        ErrorCode::VerdictIndeterminate,
    );
}

#[test]
fn other_roots_do_not_vouch() {
    let (world, other) = (World::new(), World::new());
    let container = world.container(&world.document());
    let roots = other.trust.roots();
    let directory = &world.directory;
    let trust = SealTrust::by_directory(roots, directory);
    let judgement = judge(Cursor::new(&container), &trust, &policy(), proven());
    assert_eq!(judgement.report.indication, Indication::TotalFailed);
    // A root of the same name may be another generation of the one that is named on the path;
    // roots alone decide nothing then, nor where none has that name.
    let trust = SealTrust::by_roots(roots);
    let judgement = judge(Cursor::new(&container), &trust, &policy(), proven());
    assert_eq!(judgement.report.indication, Indication::Indeterminate);
    let unrelated = [world.sender.certificate.clone()];
    let trust = SealTrust::by_roots(&unrelated);
    let judgement = judge(Cursor::new(&container), &trust, &policy(), proven());
    assert_eq!(judgement.report.indication, Indication::Indeterminate);
}

#[test]
fn an_expired_seal_fails_where_the_time_is_proven_and_is_undecided_where_it_is_not() {
    let world = World::new();
    let container = world.container(&world.document());
    let late: Timestamp = now().plus_seconds(3 * 365 * DAY);
    let judgement = world.judge(&container, JudgedAt::Proven(late));
    expect(
        &judgement,
        Indication::TotalFailed,
        ErrorCode::SealCertificateNotValid,
    );
    let judgement = world.judge(&container, JudgedAt::Now(late));
    expect(
        &judgement,
        Indication::Indeterminate,
        ErrorCode::VerdictIndeterminate,
    );
    let early = now().minus_seconds(400 * DAY);
    let judgement = world.judge(&container, JudgedAt::Proven(early));
    assert_eq!(judgement.report.indication, Indication::TotalFailed);
    assert_eq!(
        judgement.report.code(),
        Some(ErrorCode::SealCertificateNotValid)
    );
}

#[test]
fn a_seal_of_another_agency_is_not_the_issuers() {
    let world = World::new();
    let container = world.container_sealed_by(&world.document(), &world.recipient);
    expect(
        &world.judge(&container, proven()),
        Indication::TotalFailed,
        ErrorCode::IssuerMismatch,
    );
}

/// The world after the sender's seal ended a day ago, in one state or another.
fn ended(state: KeyState) -> (World, Vec<u8>, Timestamp) {
    let mut world = World::new();
    let container = world.container(&world.document());
    let end = now().plus_seconds(DAY);
    world.republish(|entries| {
        for entry in entries {
            if let Entry::Agency(agency) = entry {
                agency.seals[0].validity.until = Some(end);
                agency.seals[0].state = state;
            }
        }
    });
    (world, container, end)
}

#[test]
fn a_revoked_seal_counts_only_for_what_is_proven_to_be_older() {
    let (world, container, end) = ended(KeyState::Revoked);
    assert!(
        world
            .judge(&container, JudgedAt::Proven(end.minus_seconds(1)))
            .report
            .is_passed()
    );
    let after = world.judge(&container, JudgedAt::Proven(end));
    expect(
        &after,
        Indication::TotalFailed,
        ErrorCode::SealCertificateNotValid,
    );
    let unproven = world.judge(&container, JudgedAt::Now(end.minus_seconds(1)));
    expect(
        &unproven,
        Indication::Indeterminate,
        ErrorCode::VerdictIndeterminate,
    );
}

#[test]
fn what_a_replaced_seal_had_sealed_stays_good() {
    let (world, container, end) = ended(KeyState::Retired);
    let late = end.plus_seconds(20 * DAY);
    assert!(
        world
            .judge(&container, JudgedAt::Proven(late))
            .report
            .is_passed()
    );
    let unproven = world.judge(&container, JudgedAt::Now(late));
    expect(
        &unproven,
        Indication::Indeterminate,
        ErrorCode::VerdictIndeterminate,
    );
}

#[test]
fn an_ended_seal_is_undecided_without_proof_and_failed_with_it() {
    let (world, container, end) = ended(KeyState::Active);
    let unproven = world.judge(&container, JudgedAt::Now(end));
    expect(
        &unproven,
        Indication::Indeterminate,
        ErrorCode::VerdictIndeterminate,
    );
    let proven = world.judge(&container, JudgedAt::Proven(end));
    expect(
        &proven,
        Indication::TotalFailed,
        ErrorCode::SealCertificateNotValid,
    );
}

#[test]
fn a_further_signer_of_another_infrastructure_is_noted() {
    let (world, other) = (World::new(), World::new());
    let container = world.container(&world.document());
    let leader = &other.recipient;
    let sign = |manifest: &[u8]| {
        let at = now().as_unix();
        consign_pki::cms::sign_detached(&leader.seal, &leader.certificate, &[], manifest, at)
    };
    let (read, out) = (Cursor::new(&container), Cursor::new(Vec::new()));
    let budget = consign_pki::asic::Budget::default();
    let twice = consign_pki::asic::add_signature(read, out, &budget, sign)
        .unwrap()
        .into_inner();
    let judgement = world.judge(&twice, proven());
    assert!(judgement.report.is_passed(), "{:#?}", judgement.report);
    let noted = |check: &&Check| check.outcome == CheckOutcome::Noted;
    assert_eq!(judgement.report.checks.iter().filter(noted).count(), 1);
    assert_eq!(judgement.seals.len(), 2);
}

/// Files as `document.json` names them, and as the manifest marks them.
#[test]
fn all_readers_open_the_same_main_file() {
    let world = World::new();
    let document = world.document();
    let mut swapped = document.clone();
    std::mem::swap(&mut swapped.main, &mut swapped.attachments[0]);
    let mut retyped = document.clone();
    retyped.main.media_type = consign_domain::text::Line::new("text/html").unwrap();
    for fields in [swapped, retyped] {
        let container = world.container_of(&fields, &document, &world.sender);
        let judgement = world.judge(&container, proven());
        expect(
            &judgement,
            Indication::TotalFailed,
            ErrorCode::DocumentInvalid,
        );
    }
}

#[test]
fn a_later_version_of_the_fields_is_not_a_forgery() {
    let world = World::new();
    let document = world.document();
    let text = String::from_utf8(document.to_bytes()).unwrap();
    let later = text.replace("consign/document/v1", "consign/document/v2");
    let container = world.container_with(later.as_bytes(), &document, &world.sender);
    let judgement = world.judge(&container, proven());
    expect(
        &judgement,
        Indication::Indeterminate,
        ErrorCode::VerdictIndeterminate,
    );
}

#[test]
fn an_unknown_issuer_fails() {
    let mut world = World::new();
    let container = world.container(&world.document());
    world.republish(|entries| {
        entries.remove(0);
    });
    let judgement = world.judge(&container, proven());
    expect(
        &judgement,
        Indication::TotalFailed,
        ErrorCode::SenderUnknown,
    );
}

/// The head of the directory expires after 30 days.
#[test]
fn what_came_after_a_directory_had_expired_it_does_not_know() {
    let mut world = World::new();
    let container = world.container(&world.document());
    let late = now().plus_seconds(31 * DAY);
    for at in [JudgedAt::Proven(late), JudgedAt::Now(late)] {
        let judgement = world.judge(&container, at);
        let decisive = judgement.report.decisive().unwrap();
        assert_eq!(judgement.report.indication, Indication::Indeterminate);
        assert_eq!(decisive.reason, Some(Reason::NoRevocationData));
    }
    world.republish(|entries| {
        entries.remove(0);
    });
    let judgement = world.judge(&container, JudgedAt::Proven(late));
    assert_eq!(judgement.report.indication, Indication::Indeterminate);
    let mut checks = judgement.report.checks.iter();
    assert!(checks.any(|check| check.reason == Some(Reason::IssuerUnknown)));
}

#[test]
fn fields_are_judged_too() {
    let world = World::new();
    let mut secret = world.document();
    secret.secrecy = Some(Secrecy::Mat);
    let judgement = world.judge(&world.container(&secret), proven());
    expect(&judgement, Indication::TotalFailed, ErrorCode::StateSecret);
    let mut future = world.document();
    future.issued_on = "2026-12-24".parse().unwrap();
    let judgement = world.judge(&world.container(&future), proven());
    expect(
        &judgement,
        Indication::TotalFailed,
        ErrorCode::DocumentInvalid,
    );
}

#[test]
fn a_file_that_the_document_does_not_name_is_found() {
    let world = World::new();
    let mut document = world.document();
    let bytes = world.container(&document);
    document.attachments.clear();
    let fewer = world.container(&document);
    // The fields of one container beside the files of another, sealed as a whole.
    assert!(world.judge(&fewer, proven()).report.is_passed());
    assert!(world.judge(&bytes, proven()).report.is_passed());
    let mut writer = consign_pki::asic::ContainerWriter::new(Cursor::new(Vec::new())).unwrap();
    writer
        .add_file("document.json", "application/json", &*document.to_bytes())
        .unwrap();
    writer
        .add_file("quyet-dinh.pdf", "application/pdf", &b"main"[..])
        .unwrap();
    writer
        .add_file("hidden.pdf", "application/pdf", &b"hidden"[..])
        .unwrap();
    let (agency, chain) = (&world.sender, [world.issuing.certificate_der().to_vec()]);
    let container = writer
        .finish_signed(|manifest| {
            let at = now().as_unix();
            consign_pki::cms::sign_detached(&agency.seal, &agency.certificate, &chain, manifest, at)
        })
        .unwrap()
        .into_inner();
    let judgement = world.judge(&container, proven());
    expect(
        &judgement,
        Indication::TotalFailed,
        ErrorCode::DocumentInvalid,
    );
    let evidence = &judgement.report.decisive().unwrap().evidence;
    let named = |one: &Evidence| matches!(one, Evidence::File { name, .. } if name.as_str() == "hidden.pdf");
    assert!(evidence.iter().any(named), "{evidence:?}");
}

/// A report as JSON, without what differs from run to run: digests and serial numbers.
fn stable(report: &Report) -> String {
    fn blank(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::String(text) => {
                let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
                if text.len() == 64 && is_hex {
                    "<SHA-256>".clone_into(text);
                }
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(blank),
            serde_json::Value::Object(fields) => fields.values_mut().for_each(blank),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(report).unwrap();
    blank(&mut value);
    serde_json::to_string_pretty(&value).unwrap()
}

#[test]
fn a_report_has_a_stable_form() {
    let mut world = World::new();
    let container = world.container(&world.document());
    let passed = world.judge(&container, proven());
    insta::assert_snapshot!("passed", stable(&passed.report));
    let trust = SealTrust::by_roots(world.trust.roots());
    let undecided = judge(Cursor::new(&container), &trust, &policy(), proven());
    insta::assert_snapshot!("undecided", stable(&undecided.report));
    world.republish(|entries| {
        if let Some(Entry::Agency(agency)) = entries.first_mut() {
            agency.seals[0].validity.until = Some(now());
            agency.seals[0].state = KeyState::Revoked;
        }
    });
    let failed = world.judge(&container, proven());
    insta::assert_snapshot!("failed", stable(&failed.report));
}

/// Whoever renames a PDF file does not hide its signatures; nor do many of them cost more than
/// one container may.
#[test]
fn pdf_files_are_known_by_name_type_or_first_bytes_and_bounded_together() {
    let world = World::new();
    let mut signed = world::pdf::PdfFile::new();
    signed.sign(&world, &world.sender, None);
    let mut writer = consign_pki::asic::ContainerWriter::new(Cursor::new(Vec::new())).unwrap();
    let fields = world.document().to_bytes();
    for (name, media_type, content) in [
        ("document.json", "application/json", fields.as_slice()),
        ("named.PDF", "application/octet-stream", signed.bytes()),
        ("typed", "Application/PDF", signed.bytes()),
        ("plain.txt", "text/plain", signed.bytes()),
        ("text.txt", "text/plain", b"about %PDF-1.7".as_slice()),
        ("empty.txt", "text/plain", b"".as_slice()),
    ] {
        writer.add_file(name, media_type, content).unwrap();
    }
    let (agency, at) = (&world.sender, now().as_unix());
    let sign = |manifest: &[u8]| {
        consign_pki::cms::sign_detached(&agency.seal, &agency.certificate, &[], manifest, at)
    };
    let container = writer.finish_signed(sign).unwrap().into_inner();
    let lists = world::pdf::lists(&world);
    let trust = SealTrust {
        lists: &lists,
        ..SealTrust::by_roots(world.trust.roots())
    };
    let judged = |policy: &Policy| {
        let container = Cursor::new(&container);
        consign_verify::pdf::judge_contained(container, &trust, policy, JudgedAt::Now(now()))
            .unwrap()
    };
    let all = judged(&policy());
    let verdicts: Vec<(&str, Option<Indication>)> = all
        .files
        .iter()
        .map(|pdf| {
            let judgement = pdf.judgement.as_ref();
            (
                pdf.name.as_str(),
                judgement.map(|one| one.report.indication),
            )
        })
        .collect();
    let passed = Some(Indication::TotalPassed);
    let expected = [
        ("named.PDF", passed),
        ("typed", passed),
        ("plain.txt", passed),
    ];
    assert_eq!(verdicts, expected);
    assert_eq!(all.not_checked, None);
    // Enough for two of the three.
    let mut tight = policy();
    tight.pdf.work_bytes = 2 * 2 * signed.bytes().len() as u64;
    let some = judged(&tight);
    let last = some.files.last().unwrap().judgement.as_ref().unwrap();
    assert_eq!(last.report.indication, Indication::Indeterminate);
    let skipped = some.not_checked.unwrap();
    assert_eq!(
        (skipped.what, skipped.why),
        (Aspect::PdfSignatures, Why::OverBudget)
    );
    let of: Vec<&str> = skipped.of.iter().map(|name| name.as_str()).collect();
    assert_eq!(of, ["plain.txt"]);
    // Into what cannot be opened nobody looked.
    let (torn, at) = (Cursor::new(&container[..100]), JudgedAt::Now(now()));
    let unread = consign_verify::pdf::judge_contained(torn, &trust, &policy(), at);
    assert!(unread.is_err());
}
