//! Long-term archives: [`consign_pki::asic::outer`], and the verdict of
//! [`consign_verify::archive`].
//!
//! As with [`crate::container`], what does not begin as a zip does is taken for a list of entries.

use std::io::Cursor;

use consign_domain::Digest;
use consign_pki::asic::outer::{OuterContainer, OuterWriter, begins_as_outer};
use consign_pki::asic::{Budget, DigestAlgorithm};
use consign_verify::archive::{self, DIRECTORY, ENVELOPE, LISTS, SALT};
use consign_verify::container::{JudgedAt, SealTrust};
use consign_verify::directory::EntryProof;
use consign_verify::policy::Policy;

use crate::container::{assert_sealed, sealed};
use crate::world::{now, signed};
use crate::{Seed, WORLD, parcel, statement};

type Bytes = Cursor<Vec<u8>>;

/// An archive that passes holds the document that was sealed; one with a single time-stamp is
/// written again as the same bytes.
pub fn judge(bytes: &[u8]) -> bool {
    let bytes = parcel::zip(bytes);
    judge_form(&bytes);
    let by_lists = WORLD.seal_trust();
    let by_directory = SealTrust::by_directory(&WORLD.roots, &WORLD.directory);
    let [listed, known] = [&by_lists, &by_directory].map(|trust| {
        let (policy, at) = (Policy::default(), JudgedAt::Now(now()));
        let store = Some(&WORLD.trust);
        let judgement = archive::judge(Cursor::new(&*bytes), trust, store, &policy, at);
        let report = &judgement.document.report;
        assert_sealed(&judgement.document);
        assert!(
            !report.is_passed() || judgement.stamps.iter().any(|stamp| stamp.time.is_some()),
            "nothing proves when"
        );
        report.is_passed()
    });
    listed && known
}

fn judge_form(bytes: &[u8]) {
    let Some(mut opened) = open(bytes) else {
        return;
    };
    assert!(begins_as_outer(&mut Cursor::new(bytes)).expect("in memory"));
    let is_whole = opened.check_digests().is_ok();
    let [layer] = opened.layers() else {
        return;
    };
    let layer = layer.clone();
    let references = &layer.manifest.references;
    let Some(algorithm) = references.first().map(|first| first.algorithm) else {
        return;
    };
    if !is_whole || references.iter().any(|one| one.algorithm != algorithm) {
        return;
    }
    let mut contents = references.iter().map(|one| {
        let content = opened.read(&one.name, u64::MAX).expect("it was whole");
        (one, content)
    });
    let (_, inner) = contents.next().expect("there is one");
    let mut writer = OuterWriter::begin(Bytes::default(), &*inner, algorithm).expect("as it was");
    for (one, content) in contents {
        let media_type = one.media_type.as_deref().expect("each has one");
        writer
            .add_file(&one.name, media_type, &*content)
            .expect("as it was");
    }
    let unstamped = writer.complete().expect("as it was");
    assert_eq!(
        unstamped.manifest(),
        layer.manifest_bytes,
        "another manifest"
    );
    let written = unstamped.finish(&layer.token).expect("as it was");
    assert!(written.into_inner() == bytes, "an archive has two forms");
}

fn open(bytes: &[u8]) -> Option<OuterContainer<Cursor<&[u8]>>> {
    OuterContainer::open(Cursor::new(bytes), &Budget::outer()).ok()
}

fn stamped(writer: OuterWriter<Bytes>) -> Vec<u8> {
    let unstamped = writer.complete().expect("a manifest");
    let token = WORLD.stamp(unstamped.manifest());
    unstamped.finish(&token).expect("an archive").into_inner()
}

/// The archive of a container, with all that is read by its name.
fn archived(container: &[u8]) -> Vec<u8> {
    let (sha256, out) = (DigestAlgorithm::Sha256, Bytes::default());
    let mut writer = OuterWriter::begin(out, container, sha256).expect("an archive");
    let (envelope, salt) = statement::envelope_over(Digest::of(container));
    let envelope = signed(&envelope, &WORLD.agency);
    let agency = WORLD.agency_signer().id.to_bytes();
    let proof = EntryProof::of(&WORLD.directory, agency).expect("it is listed");
    for (name, content) in [
        (format!("{ENVELOPE}.json"), &*envelope.statement),
        (format!("{ENVELOPE}.sig"), &envelope.signature),
        (SALT.to_owned(), &salt),
        (format!("{LISTS}0.crl"), &WORLD.root_list),
        (format!("{LISTS}1.crl"), &WORLD.list),
        (format!("{DIRECTORY}agency.json"), &proof.to_bytes()),
    ] {
        writer
            .add_file(&name, "application/octet-stream", content)
            .expect("a file");
    }
    stamped(writer)
}

fn renewed(archive: &[u8]) -> Vec<u8> {
    let mut earlier = open(archive).expect("ours");
    let writer = OuterWriter::renew(Bytes::default(), &mut earlier, DigestAlgorithm::Sha512);
    stamped(writer.expect("a renewal"))
}

fn list(archive: &[u8]) -> Vec<u8> {
    let mut opened = open(archive).expect("ours");
    let newest = opened.layers().last().expect("there is one").clone();
    let names = newest
        .manifest
        .references
        .iter()
        .map(|one| one.name.clone());
    let names: Vec<_> = ["mimetype".to_owned()]
        .into_iter()
        .chain(names)
        .chain([newest.manifest_name, newest.token_name])
        .collect();
    let read = |name: String| {
        let content = opened.read(&name, u64::MAX).expect("ours");
        (name, content)
    };
    parcel::list(&names.into_iter().map(read).collect::<Vec<_>>())
}

/// Archives as they are, and as lists of their entries.
pub fn seeds() -> Vec<Seed> {
    let once = archived(&sealed());
    let twice = renewed(&once);
    let mut unproven = list(&once);
    // The token is the last entry.
    unproven.pop();
    vec![
        Seed::good("list", list(&once)),
        Seed::good("list-renewed", list(&twice)),
        Seed::good("once", once),
        Seed::good("renewed", twice),
        Seed::bad("list-unproven", unproven),
        Seed::bad("container", sealed()),
    ]
}

#[cfg(test)]
pub(crate) fn forgery() -> Vec<u8> {
    archived(&crate::container::forgery())
}
