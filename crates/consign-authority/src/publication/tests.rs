use consign_domain::directory::{Entry, StatementKeyEntry};
use consign_domain::enrolment::AgencyRequest;
use consign_domain::statement::AgeRecipient;
use consign_domain::text::Line;

use super::*;
use crate::applicant;
use crate::entries::{self, Listed, Moment, Place};
use crate::register::CertificateRecord;
use crate::settings::{AUTHORITY_CODE, Lives, SettingsTag};

const AGE: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-23T02:30:00Z")
}

fn settings() -> Settings {
    Settings {
        tag: SettingsTag::V1,
        network: "0b0ed3a6-5d0c-4c58-9f3f-0d0f9a1f7a11".parse().unwrap(),
        name: Line::new("Tỉnh Quảng Ninh").unwrap(),
        authority: "0b0ed3a6-5d0c-4c58-9f3f-0d0f9a1f7a12".parse().unwrap(),
        code: AUTHORITY_CODE.parse().unwrap(),
        lives: Lives::default(),
        hub: None,
        certificates: crate::Naming::default(),
    }
}

fn statement_key(seed: u8) -> StatementKeyEntry {
    let public = StatementKey::from_seed([seed; 32]).public().to_bytes();
    let validity = entries::validity(true, now());
    applicant::statement_key(Digest::from_bytes(public), validity, "H49.13").unwrap()
}

fn line() -> Vec<u8> {
    let request = AgencyRequest {
        id: "0b0ed3a6-5d0c-4c58-9f3f-0d0f9a1f7a13".parse().unwrap(),
        code: "H49.13".parse().unwrap(),
        name: Line::new("Sở Nội vụ tỉnh Quảng Ninh").unwrap(),
        parent: None,
        seal: String::new(),
        statement: Digest::of(b"unused"),
        encryption: AgeRecipient::new(AGE).unwrap(),
    };
    let place = Place {
        parent: Some("0b0ed3a6-5d0c-4c58-9f3f-0d0f9a1f7a14".parse().unwrap()),
        node: "0b0ed3a6-5d0c-4c58-9f3f-0d0f9a1f7a15".parse().unwrap(),
        hub: "0b0ed3a6-5d0c-4c58-9f3f-0d0f9a1f7a16".parse().unwrap(),
    };
    let seal = Listed {
        certificate: CertificateRecord {
            serial: "40".to_owned(),
            sha256: Digest::of(b"certificate"),
            key: Digest::of(b"key"),
            from: at("2026-11-23T02:25:00Z"),
            until: at("2029-11-22T02:30:00Z"),
            revoked: None,
        },
        renewal: false,
    };
    let validity = entries::validity(true, now());
    let encryption = applicant::encryption_key(&request.encryption, validity, "H49.13").unwrap();
    let keys = (statement_key(2), encryption);
    Entry::Agency(entries::agency(
        None,
        &request,
        place,
        Line::new("000.00.13.H49").ok(),
        &seal,
        keys,
        Moment {
            now: now(),
            overlap_seconds: 0,
        },
    ))
    .to_bytes()
}

#[test]
fn an_entry_has_one_form() {
    insta::assert_snapshot!(String::from_utf8(line()).unwrap());
}

#[test]
fn a_head_has_one_form() {
    let key = StatementKey::from_seed([1; 32]);
    let first = sign(&settings(), &key, &[line()], None, now(), 30 * 86_400).unwrap();
    let text = |version: &Version| String::from_utf8(version.head.statement.to_vec()).unwrap();
    insta::assert_snapshot!("first_head", text(&first));
    insta::assert_snapshot!("first_head_signature", hex::encode(first.head.signature));
    let head = DirectoryHead::parse(&first.head.statement).unwrap();
    let before = Before {
        head: &head,
        digest: first.head.digest(),
        entries: &first.entries,
    };
    let later = now().plus_seconds(86_400);
    let second = sign(&settings(), &key, &[], Some(before), later, 60).unwrap();
    insta::assert_snapshot!("second_head", text(&second));
}

#[test]
fn a_head_suffices_for_half_of_its_life() {
    let key = StatementKey::from_seed([1; 32]);
    let first = sign(&settings(), &key, &[line()], None, now(), 100).unwrap();
    let head = DirectoryHead::parse(&first.head.statement).unwrap();
    let before = Before {
        head: &head,
        digest: first.head.digest(),
        entries: &first.entries,
    };
    assert!(suffices(before, &first.entries, now().plus_seconds(49)));
    assert!(!suffices(before, &first.entries, now().plus_seconds(50)));
    assert!(!suffices(before, b"", now()));
}

#[test]
fn a_life_of_nothing_is_refused() {
    let key = StatementKey::from_seed([1; 32]);
    let fault = sign(&settings(), &key, &[], None, now(), 0).unwrap_err();
    assert!(matches!(fault, AuthorityError::Head { .. }));
}
