//! Containers: [`consign_pki::asic`] under both profiles, and the verdicts of
//! [`consign_verify::container`].
//!
//! What does not begin as a zip does is taken for the list of entries of `crate::parcel`, so
//! that changes get beyond the checksums.

use std::io::Cursor;
use std::sync::LazyLock;

use consign_domain::document::{
    Document, DocumentTag, DocumentType, FileEntry, Issuer, Number, Steering, Urgency,
};
use consign_domain::statement::Recipients;
use consign_domain::text::Line;
use consign_pki::asic::{Budget, Container, ContainerWriter, FileHash, add_signature};
use consign_verify::container::{JudgedAt, Judgement, SealTrust};
use consign_verify::pdf::judge_contained;
use consign_verify::policy::{Policy, Profile};

use crate::world::{CODE, Sealer, id, now};
use crate::{Seed, WORLD, parcel};

const MAIN: (&str, &str) = ("quyet-dinh.pdf", "application/pdf");
const ATTACHMENT: (&str, &str) = ("phu-luc.csv", "text/csv");

/// What was sealed: its fields and the digests of its files.
static SEALED: LazyLock<(Document, Vec<FileHash>)> = LazyLock::new(|| {
    let container = sealed();
    let mut opened = open_canonical(&container).expect("ours");
    let digests = opened.check_digests().expect("ours");
    (document(), digests.into_result().expect("ours"))
});

/// A container that passes is what was sealed; one in our profile is written again as the same
/// bytes, and passes wherever others do.
pub fn judge(bytes: &[u8]) -> bool {
    let bytes = parcel::zip(bytes);
    judge_form(&bytes);
    let by_lists = WORLD.seal_trust();
    let by_directory = SealTrust::by_directory(&WORLD.roots, &WORLD.directory);
    let [ours, listed] = [&by_lists, &by_directory].map(|trust| {
        let judgement = verdict(&bytes, trust, Profile::Canonical);
        assert_sealed(&judgement);
        judgement.report.is_passed()
    });
    assert_eq!(ours, listed, "directory and lists know the same seals");
    let others = verdict(&bytes, &by_lists, Profile::Lenient);
    assert_sealed(&others);
    assert!(!ours || others.report.is_passed(), "more was asked for");
    let policy = policy(Profile::Lenient);
    let at = JudgedAt::Now(now());
    let contained = judge_contained(Cursor::new(&*bytes), &by_lists, &policy, at);
    assert!(contained.is_ok() || !others.report.is_passed(), "unread");
    others.report.is_passed()
}

fn judge_form(bytes: &[u8]) {
    let Some(mut opened) = open_canonical(bytes) else {
        return;
    };
    let is_whole = opened
        .check_digests()
        .is_ok_and(|found| found.into_result().is_ok());
    let [layer] = opened.signatures() else {
        return;
    };
    let layer = layer.clone();
    let files: Vec<_> = opened
        .entries()
        .iter()
        .filter(|one| one.is_document_file)
        .cloned()
        .collect();
    if !is_whole {
        return;
    }
    let mut writer = ContainerWriter::new(Cursor::new(Vec::new())).expect("into memory");
    for file in files {
        let content = opened.read(&file.name, u64::MAX).expect("it was whole");
        let media_type = file.media_type.expect("the manifest covers all");
        writer
            .add_file(&file.name, &media_type, &*content)
            .expect("as it was");
    }
    let written = writer.finish_signed(|manifest| {
        assert_eq!(manifest, layer.manifest_bytes, "another manifest");
        Ok::<_, std::convert::Infallible>(layer.signature_bytes)
    });
    let written = written.expect("as it was").into_inner();
    assert!(written == bytes, "our profile has two forms");
}

fn open_canonical(bytes: &[u8]) -> Option<Container<Cursor<&[u8]>>> {
    Container::open_canonical(Cursor::new(bytes), &Budget::default()).ok()
}

fn verdict(bytes: &[u8], trust: &SealTrust<'_>, profile: Profile) -> Judgement {
    let (at, policy) = (JudgedAt::Proven(now()), policy(profile));
    consign_verify::container::judge(Cursor::new(bytes), trust, &policy, at)
}

fn policy(profile: Profile) -> Policy {
    Policy {
        profile,
        ..Policy::default()
    }
}

pub(crate) fn assert_sealed(judgement: &Judgement) {
    if judgement.report.is_passed() {
        let (document, files) = &*SEALED;
        assert_eq!(
            judgement.document.as_ref(),
            Some(document),
            "a forged document"
        );
        let mut found = judgement.files.clone();
        found.sort_by(|one, other| one.name.cmp(&other.name));
        let mut expected = files.clone();
        expected.sort_by(|one, other| one.name.cmp(&other.name));
        assert_eq!(found, expected, "forged files");
    }
}

pub(crate) fn document() -> Document {
    let file = |(name, media_type): (&str, &str)| FileEntry {
        name: Line::new(name).expect("a name"),
        media_type: Line::new(media_type).expect("a media type"),
        title: None,
    };
    Document {
        tag: DocumentTag::V1,
        id: id(0x60).parse().expect("an id"),
        issuer: Issuer {
            code: CODE.parse().expect("a code"),
            name: Line::new("Ủy ban nhân dân tỉnh Quảng Ninh").expect("a name"),
        },
        addressees: Recipients::new(vec!["H49.13".parse().expect("a code")]).expect("a list"),
        number: Number::tidy("7").expect("a number"),
        notation: "QĐ-UBND".parse().expect("a notation"),
        document_type: DocumentType::read("QĐ").expect("a type"),
        subject: Line::new("Về việc chuyển đổi số").expect("a subject"),
        issued_on: "2026-11-23".parse().expect("a date"),
        issued_at: None,
        signed_by: None,
        urgency: Urgency::Normal,
        due: None,
        in_reply_to: vec![],
        amends: vec![],
        copy_kind: None,
        places: vec![],
        pages: None,
        copies: None,
        language: None,
        appendixes: vec![],
        steering: Steering::None,
        secrecy: None,
        main: file(MAIN),
        attachments: vec![file(ATTACHMENT)],
    }
}

fn written(document: &Document, seal: &Sealer) -> Vec<u8> {
    let mut writer = ContainerWriter::new(Cursor::new(Vec::new())).expect("into memory");
    let pdf = crate::pdf::signed_once();
    for ((name, media_type), content) in [
        (("document.json", "application/json"), &*document.to_bytes()),
        (MAIN, &*pdf),
        (ATTACHMENT, b"STT,T\xc3\xaan\n1,A\n"),
    ] {
        writer.add_file(name, media_type, content).expect("a file");
    }
    let sign = |manifest: &[u8]| Ok::<_, std::convert::Infallible>(WORLD.sign(seal, manifest));
    writer
        .finish_signed(sign)
        .expect("a container")
        .into_inner()
}

/// A container with one seal.
pub fn sealed() -> Vec<u8> {
    written(&document(), &WORLD.seals[0])
}

/// The same, with a further signature.
pub fn sealed_twice() -> Vec<u8> {
    let (once, out) = (sealed(), Cursor::new(Vec::new()));
    let sign =
        |manifest: &[u8]| Ok::<_, std::convert::Infallible>(WORLD.sign(&WORLD.seals[1], manifest));
    let twice = add_signature(Cursor::new(once), out, &Budget::default(), sign);
    twice.expect("a container").into_inner()
}

fn entries(container: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut opened = open_canonical(container).expect("ours");
    let names: Vec<_> = opened
        .entries()
        .iter()
        .map(|entry| entry.name.clone())
        .collect();
    let read = |name: String| {
        let content = opened.read(&name, u64::MAX).expect("ours");
        (name, content)
    };
    names.into_iter().map(read).collect()
}

/// Containers as they are, and as lists of their entries, one of them deflated.
pub fn seeds() -> Vec<Seed> {
    let (once, twice) = (sealed(), sealed_twice());
    let by_p256 = written(&document(), &WORLD.seals[1]);
    let by_lost = written(&document(), &WORLD.lost);
    let deflated = entries(&once).into_iter().map(|entry| {
        let is_deflated = entry.0 == ATTACHMENT.0;
        let mut list = parcel::list(&[entry]);
        list[0] = u8::from(is_deflated);
        list
    });
    let deflated: Vec<u8> = deflated.flatten().collect();
    vec![
        Seed::good("list", parcel::list(&entries(&once))),
        Seed::good("list-twice", parcel::list(&entries(&twice))),
        Seed::good("list-deflated", deflated),
        Seed::good("once", once),
        Seed::good("twice", twice),
        Seed::good("p256", by_p256),
        Seed::bad("lost", by_lost),
        Seed::bad("empty", parcel::pack(&[])),
    ]
}

#[cfg(test)]
pub(crate) fn forgery() -> Vec<u8> {
    let mut other = document();
    other.subject = Line::new("Về việc khác").expect("a subject");
    written(&other, &WORLD.seals[0])
}
