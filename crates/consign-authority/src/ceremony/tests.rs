use std::process::Command;

use consign_pki::certificate;

use super::*;
use crate::{Founding, Lives, PublishOptions};

const NAME: &str = "Mạng gửi nhận văn bản của các cơ quan hành chính trên địa bàn tỉnh Quảng Ninh";

fn now() -> Timestamp {
    "2026-11-23T02:30:00Z".parse().unwrap()
}

/// An authority with a long name, and the record of its founding.
fn founded() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("authority");
    let founding = Founding {
        name: NAME.to_owned(),
        lives: Lives::default(),
        ..Founding::default()
    };
    let founded = crate::init_with(&dir, &founding, &Clock::fixed(now().as_unix())).unwrap();
    (place, dir, founded.record)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// What differs from founding to founding, blotted out.
fn blotted(record: &str) -> String {
    let is_digest = |value: &str| {
        let digits = value.chars().filter(char::is_ascii_hexdigit).count();
        let rest = |c: char| !c.is_ascii_hexdigit() && c != ' ' && c != '-';
        digits > 30 && !value.contains(rest)
    };
    let lines = record.lines().map(|line| {
        let at = line.char_indices().nth(20).map_or(line.len(), |(at, _)| at);
        let (label, value) = line.split_at(at);
        if is_digest(value) {
            let blot = |c: char| if c.is_ascii_hexdigit() { 'x' } else { c };
            format!("{label}{}", value.chars().map(blot).collect::<String>())
        } else {
            line.to_owned()
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_record_reads_as_it_did_and_fits_the_page() {
    let (_place, _, record) = founded();
    let text = read(&record);
    for line in text.lines() {
        assert!(line.chars().count() <= page::WIDTH, "{line}");
    }
    let version = concat!("consign ", env!("CARGO_PKG_VERSION"));
    insta::assert_snapshot!(blotted(&text).replace(version, "consign VERSION"));
}

#[test]
fn a_record_agrees_until_it_or_the_directory_is_changed() {
    let (_place, dir, record) = founded();
    let agreed = check(&dir, &record).unwrap();
    assert!(
        agreed.differences.is_empty() && agreed.compared > 30,
        "{agreed:?}"
    );
    // Also where the keys are kept elsewhere.
    fs::rename(dir.join("keys"), dir.join("../keys")).unwrap();
    assert_eq!(check(&dir, &record).unwrap(), agreed);

    let text = read(&record);
    let forged = dir.join("forged.txt");
    fs::write(&forged, text.replace("Quảng Ninh", "Quảng Nam")).unwrap();
    // In the name, and in both certificates.
    assert_eq!(check(&dir, &forged).unwrap().differences.len(), 3);
    fs::write(&forged, text.replace(END_OF_FACTS, "")).unwrap();
    let refused = check(&dir, &forged).unwrap_err();
    assert!(
        matches!(refused, AuthorityError::NoRecord { .. }),
        "{refused}"
    );

    let trust = dir.join("trust/trust.pem");
    fs::write(&trust, read(&trust) + "\n").unwrap();
    let differences = check(&dir, &record).unwrap().differences;
    assert_eq!(
        differences.len(),
        2,
        "a digest has two lines: {differences:?}"
    );
}

#[test]
fn what_a_record_says_is_found_by_hand() {
    let (_place, dir, record) = founded();
    crate::publish(&dir, PublishOptions::default(), now()).unwrap();
    let list = dir.join("ceremonies/20261123T023000Z-root-list-1.txt");
    for (record, digests) in [(record, 7), (list, 8)] {
        let text = read(&record);
        let (_, commands) = text.split_once("as above:\n").unwrap();
        let (commands, _) = commands.split_once("THOSE PRESENT").unwrap();
        let script = format!("set -e\nexport LC_ALL=C.UTF-8\n{commands}");
        let mut shell = Command::new("sh");
        let output = shell.current_dir(&dir).args(["-c", &script]).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        let is_digest = |line: &&str| line.trim_end().len() == 39 && line.get(4..5) == Some(" ");
        let found: Vec<&str> = said.lines().filter(is_digest).collect();
        assert_eq!(found.len(), 2 * digests, "{said}");
        for line in found {
            assert!(text.contains(line.trim_end()), "{line}");
        }
        assert!(
            said.contains(NAME) && said.contains("issuing.pem: OK"),
            "{said}"
        );
        assert!(check(&dir, &record).unwrap().differences.is_empty());
    }
}

#[test]
fn each_list_of_the_root_leaves_a_record_and_is_signed_only_when_due() {
    let (_place, dir, _) = founded();
    let records = || fs::read_dir(dir.join("ceremonies")).unwrap().count();
    assert_eq!(records(), 1);
    let publish = |force, days: u64| {
        let options = PublishOptions {
            force,
            ..PublishOptions::default()
        };
        let at = now().plus_seconds(days * 86_400);
        crate::publish(&dir, options, at).unwrap();
    };
    publish(false, 0);
    assert_eq!(records(), 3, "a record and its list");
    publish(false, 199);
    assert_eq!(records(), 3);
    publish(false, 220);
    assert_eq!(records(), 5);
    publish(true, 220);
    assert_eq!(records(), 7, "the operator wanted it");
    // Without the root's key nothing is signed, and nothing is missed.
    fs::remove_file(dir.join("keys/root.key")).unwrap();
    publish(true, 221);
    assert_eq!(records(), 7);

    let name = "20261123T023000Z-root-list-1";
    let record = dir.join(format!("ceremonies/{name}.txt"));
    assert!(check(&dir, &record).unwrap().differences.is_empty());
    let newest = fs::read(dir.join("trust/crl/root.crl")).unwrap();
    let beside = dir.join(format!("ceremonies/{name}.crl"));
    let signed = fs::read(&beside).unwrap();
    fs::write(&beside, newest).unwrap();
    assert!(!check(&dir, &record).unwrap().differences.is_empty());

    // One of another root, and a record of it to match.
    let (_elsewhere, other, _) = founded();
    crate::publish(&other, PublishOptions::default(), now()).unwrap();
    let foreign = fs::read(other.join("trust/crl/root.crl")).unwrap();
    fs::write(&beside, &foreign).unwrap();
    let digest = |list: &[u8]| page::field("  SHA-256", &page::groups(Digest::of(list).as_bytes()));
    let mut text = read(&record);
    for (old, new) in digest(&signed).into_iter().zip(digest(&foreign)) {
        text = text.replace(&old, &new);
    }
    fs::write(&record, text).unwrap();
    let differences = check(&dir, &record).unwrap().differences;
    assert_eq!(differences[0].record, "  signed by         the root key");

    // The one that is given away is put back to an earlier one.
    fs::write(&beside, &signed).unwrap();
    let newest = dir.join("ceremonies/20270701T023000Z-root-list-4.txt");
    assert!(check(&dir, &newest).unwrap().differences.is_empty());
    fs::write(dir.join("trust/crl/root.crl"), &signed).unwrap();
    assert_eq!(check(&dir, &newest).unwrap().differences.len(), 1);
}

#[test]
fn a_change_of_the_trust_file_leaves_a_record_and_earlier_ones_still_agree() {
    let (_place, dir, founding) = founded();
    let (_elsewhere, other, _) = founded();
    let root = certificate::from_pem(&read(&other.join("root.pem"))).unwrap();
    let add = |usage, at| {
        let mut authority = crate::Authority::open(&dir).unwrap();
        authority.trust_roots(usage, vec![root.clone()], at)
    };
    let recorded = |number: u64| {
        let name = format!("ceremonies/20261123T023000Z-trust-{number:03}.txt");
        dir.join(name)
    };
    assert_eq!(add(crate::RootUse::Documents, now()).unwrap(), 1);
    assert_eq!(add(crate::RootUse::TimeStamps, now()).unwrap(), 1);
    assert_eq!(add(crate::RootUse::TimeStamps, now()).unwrap(), 0);
    assert!(!recorded(3).exists(), "nothing was changed");
    for (record, since) in [
        (founding.clone(), vec![recorded(1), recorded(2)]),
        (recorded(1), vec![recorded(2)]),
        (recorded(2), Vec::new()),
    ] {
        let agreed = check(&dir, &record).unwrap();
        assert_eq!(agreed.differences, []);
        assert_eq!(agreed.trust_changes, since);
    }
    let text = read(&recorded(2));
    assert!(text.contains("believed for documents") && text.contains("believed for time-stamps"));

    // A change that nobody recorded agrees with no record.
    let trust = dir.join("trust/trust.json");
    fs::copy(other.join("trust/trust.json"), &trust).unwrap();
    assert!(!check(&dir, &recorded(2)).unwrap().differences.is_empty());
}

#[test]
fn long_values_are_broken_at_spaces_or_where_they_must() {
    let line = |count| "x".repeat(count);
    let cases = [
        (line(60), vec![60]),
        (line(61), vec![60, 1]),
        (format!("{} {}", line(59), line(2)), vec![59, 2]),
        (format!("{} {}", line(60), line(2)), vec![60, 2]),
        (String::new(), vec![0]),
    ];
    for (value, widths) in cases {
        let lines = page::field("label", &value);
        let width = |line: &String| line.chars().count().max(20) - 20;
        assert_eq!(
            lines.iter().map(width).collect::<Vec<_>>(),
            widths,
            "{value}"
        );
    }
}
