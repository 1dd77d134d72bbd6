//! Each check of the gate by its own fault, with real signatures.

mod exchange;
mod keys;
mod lapse;
mod revoked;

use std::sync::Arc;

use bytes::Bytes;
use consign_authority::IssueOptions;
use consign_domain::directory::{EntryState, Role};
use consign_domain::statement::{Event, Evidence, PayloadInfo, Recipients, Statement};
use consign_domain::{AgencyCode, Digest, DirectoryVersion, EnvelopeId, ErrorCode};
use consign_log::Tree;
use consign_runtime::entropy;
use consign_store::{MemoryStore, Store};
use consign_verify::verify_statement;

use super::*;
use crate::testing::{Gate, Letter, Sealed, World};

struct Scene {
    world: World,
    store: Arc<MemoryStore>,
    gate: Gate,
}

impl Scene {
    fn new() -> Self {
        let world = World::new();
        let store = world.memory_store();
        let gate = world.admission(store.clone());
        Self { world, store, gate }
    }

    async fn submit_from(&self, node: usize, sealed: &Sealed) -> Result<Evidence, ErrorCode> {
        let incoming = EnvelopeIn::from_message(sealed.message()).map_err(|no| no.code())?;
        let caller = self.world.caller(node);
        let answer = self.gate.admission.envelope(caller, incoming).await;
        let signed = answer.map_err(|no| no.code())?;
        let directory = self.gate.directories.current();
        let evidence = verify_statement::<Evidence>(&signed, &[Role::Hub], &directory).unwrap();
        assert_eq!(evidence.envelope.sha256, sealed.signed.digest());
        assert_eq!(evidence.content, Some(sealed.envelope.content));
        Ok(evidence.into_inner())
    }

    async fn submit(&self, sealed: &Sealed) -> Result<Evidence, ErrorCode> {
        self.submit_from(0, sealed).await
    }

    /// A letter from H49.01 to H49.03 with something changed.
    fn letter(&self, change: impl FnOnce(&mut Letter)) -> Sealed {
        let mut letter = self.world.letter("H49.01", &["H49.03"]);
        change(&mut letter);
        letter.seal(self.world.agency("H49.01"))
    }

    fn is_answered(&self, sealed: &Sealed) -> bool {
        self.store.answer(sealed.key()).unwrap().is_some()
    }

    async fn receipt(&self, receipt: &Evidence, by: &str) -> Result<Settlement, ErrorCode> {
        let signed = self.world.agency(by).sign(receipt);
        let node = usize::from(by == "H49.03");
        let admission = &self.gate.admission;
        let settled = admission.receipt(self.world.caller(node), signed, None);
        let settled = settled.await.map_err(|no| no.code())?;
        Ok(settled.0)
    }
}

#[tokio::test]
async fn a_good_envelope_is_accepted_and_placed_with_every_recipient() {
    let scene = Scene::new();
    let sealed = scene
        .world
        .letter("H49.01", &["H49.02", "H49.03"])
        .seal(scene.world.agency("H49.01"));
    let acceptance = scene.submit(&sealed).await.unwrap();
    assert_eq!(acceptance.event, Event::SubmissionAcceptance);
    let places: Vec<_> = acceptance
        .placements
        .iter()
        .map(|place| (place.code.as_str(), place.sequence.value()))
        .collect();
    assert_eq!(places, [("H49.02", 1), ("H49.03", 1)]);
    assert_eq!(
        scene.store.wraps(sealed.key()).unwrap().unwrap(),
        sealed.wraps
    );
}

#[tokio::test]
async fn what_is_wrong_for_ever_is_refused_in_writing() {
    let scene = Scene::new();
    scene.world.clock.advance(3_600);
    let now = scene.world.now();
    let codes = |codes: &[&str]| {
        let codes = codes.iter().map(|code| code.parse().unwrap()).collect();
        Recipients::new(codes).unwrap()
    };
    let table: Vec<(ErrorCode, Sealed)> = vec![
        (
            ErrorCode::IdTimeMismatch,
            scene.letter(|letter| {
                letter.fields.id = id_of(now.minus_seconds(90 * 86_400 + 1));
            }),
        ),
        (
            ErrorCode::IdTimeMismatch,
            scene.letter(|letter| {
                letter.fields.id = id_of(now.plus_seconds(86_400 + 1));
            }),
        ),
        (
            ErrorCode::EnvelopeExpired,
            scene.letter(|letter| {
                letter.fields.time = now.minus_seconds(600);
                letter.fields.expires = now;
            }),
        ),
        (
            ErrorCode::RecipientUnknown,
            scene.letter(|letter| letter.fields.to = codes(&["H49.99"])),
        ),
        (
            ErrorCode::WrapsMismatch,
            scene.letter(|letter| letter.wraps.push(Bytes::from_static(b"one more"))),
        ),
        (
            ErrorCode::WrapsMismatch,
            scene.letter(|letter| letter.wraps = vec![Bytes::from_static(b"another")]),
        ),
        (
            ErrorCode::WrapsMismatch,
            scene.letter(|letter| wrap_with(letter, Bytes::from(vec![7; 2049]))),
        ),
        (
            ErrorCode::WrapsMismatch,
            scene.letter(|letter| wrap_with(letter, Bytes::new())),
        ),
        (
            ErrorCode::PayloadMismatch,
            scene.letter(|letter| letter.payload = Some(Bytes::from_static(b"ciphertexT"))),
        ),
        (
            ErrorCode::PayloadMismatch,
            scene.letter(|letter| letter.payload = Some(Bytes::from_static(b"cipher"))),
        ),
    ];
    for (reason, sealed) in table {
        let rejection = scene.submit(&sealed).await.unwrap();
        assert_eq!(rejection.event, Event::SubmissionRejection, "{reason}");
        assert_eq!(rejection.reason, Some(reason));
        assert!(scene.is_answered(&sealed), "{reason}");
    }
}

fn id_of(time: Timestamp) -> EnvelopeId {
    EnvelopeId::from_bytes(entropy::uuid_v7(time.as_unix() * 1000).unwrap()).unwrap()
}

#[tokio::test]
async fn an_id_may_be_older_than_a_late_sealing() {
    let scene = Scene::new();
    let now = scene.world.now();
    for made in [now.minus_seconds(90 * 86_400), now.plus_seconds(86_400)] {
        let sealed = scene.letter(|letter| letter.fields.id = id_of(made));
        let answer = scene.submit(&sealed).await.unwrap();
        assert_eq!(answer.event, Event::SubmissionAcceptance);
    }
}

fn wrap_with(letter: &mut Letter, wrap: Bytes) {
    letter.wraps = vec![wrap];
    letter.fields.wraps = Digest::from_bytes(Tree::from_leaves(&letter.wraps).root());
}

#[tokio::test]
async fn a_refusal_names_all_recipients_that_are_not() {
    let scene = Scene::new();
    scene.world.publish(|authority| {
        let code = "H49.03".parse().unwrap();
        assert!(authority.set_state(&code, EntryState::Suspended).unwrap());
    });
    assert!(scene.gate.directories.poll().unwrap());
    let all = ["H49.02", "H49.03", "H49.77", "H49.88"];
    let sealed = scene
        .world
        .letter("H49.01", &all)
        .seal(scene.world.agency("H49.01"));
    let rejection = scene.submit(&sealed).await.unwrap();
    let refused: Vec<_> = rejection.refused.iter().map(AgencyCode::as_str).collect();
    assert_eq!(refused, ["H49.03", "H49.77", "H49.88"]);
}

#[tokio::test]
async fn what_proves_nothing_or_may_pass_leaves_the_id_unused() {
    let scene = Scene::new();
    let now = scene.world.now();
    let other = scene.world.agency("H49.02");
    let unchanged = || scene.world.letter("H49.01", &["H49.03"]);
    let table: Vec<(ErrorCode, Sealed)> = vec![
        (ErrorCode::SignatureInvalid, {
            let mut sealed = scene.letter(|_| {});
            sealed.signed.signature[0] ^= 1;
            sealed
        }),
        (ErrorCode::StatementMalformed, {
            let mut sealed = scene.letter(|_| {});
            let text = String::from_utf8(sealed.signed.statement.to_vec()).unwrap();
            sealed.signed.statement = text.replace("\"to\"", "\"To\"").into();
            sealed
        }),
        // Signed by another agency of the same node, with that agency's key.
        (ErrorCode::SignatureInvalid, unchanged().seal(other)),
        (
            ErrorCode::KeyUnknown,
            scene.letter(|letter| {
                let mut signer = scene.world.signer(other);
                signer.id = scene.world.agency("H49.01").id.into();
                letter.fields.signer = signer;
            }),
        ),
        (
            ErrorCode::DirectoryBehind,
            scene.letter(|letter| {
                letter.fields.to = Recipients::new(vec!["H49.99".parse().unwrap()]).unwrap();
                letter.fields.signer.directory = DirectoryVersion::new(2).unwrap();
            }),
        ),
        (
            ErrorCode::TimeInFuture,
            scene.letter(|letter| letter.fields.time = now.plus_seconds(301)),
        ),
        (
            ErrorCode::PayloadMissing,
            scene.letter(|letter| letter.payload = None),
        ),
        (ErrorCode::TooLarge, {
            let bytes = Bytes::from(vec![0; 256 * 1024 + 1]);
            scene.letter(|letter| {
                letter.fields.payload = PayloadInfo {
                    sha256: Digest::of(&bytes),
                    size: bytes.len() as u64,
                    ..letter.fields.payload.clone()
                };
                letter.payload = Some(bytes);
            })
        }),
    ];
    for (code, sealed) in table {
        assert_eq!(scene.submit(&sealed).await.unwrap_err(), code);
        assert!(!scene.is_answered(&sealed), "{code}");
    }
    let just_ahead = scene.letter(|letter| letter.fields.time = now.plus_seconds(300));
    assert!(scene.submit(&just_ahead).await.is_ok());
    let elsewhere = scene.submit_from(1, &scene.letter(|_| {})).await;
    assert_eq!(elsewhere.unwrap_err(), ErrorCode::NodeDoesNotServe);
}

#[tokio::test]
async fn a_retry_gets_the_original_answer_even_after_the_expiry() {
    let scene = Scene::new();
    let sealed = scene.letter(|_| {});
    let first = scene.submit(&sealed).await.unwrap();
    let refused = scene.letter(|letter| letter.wraps.clear());
    let refusal = scene.submit(&refused).await.unwrap();
    scene.world.clock.advance(100 * 86_400);
    assert!(
        !scene.gate.directories.current().is_fresh(scene.world.now()),
        "the directory has expired as well"
    );
    assert_eq!(scene.submit(&sealed).await.unwrap(), first);
    assert_eq!(scene.submit(&refused).await.unwrap(), refusal);
    let new = scene.submit(&scene.letter(|_| {})).await;
    assert_eq!(new.unwrap_err(), ErrorCode::DirectoryExpired);
}

#[tokio::test]
async fn an_id_is_used_for_one_envelope() {
    let scene = Scene::new();
    let first = scene.letter(|_| {});
    scene.submit(&first).await.unwrap();
    let second = scene.letter(|letter| {
        letter.fields.id = first.envelope.id;
        letter.fields.content = Digest::of(b"other");
    });
    let answer = scene.submit(&second).await;
    assert_eq!(answer.unwrap_err(), ErrorCode::IdReused);
    assert!(scene.submit(&first).await.is_ok());
}

#[tokio::test]
async fn a_suspended_sender_is_put_off_and_a_dropped_node_is_unknown() {
    let scene = Scene::new();
    scene.world.publish(|authority| {
        let code = "H49.01".parse().unwrap();
        assert!(authority.set_state(&code, EntryState::Suspended).unwrap());
        let node = scene.world.nodes[1].id;
        assert!(
            authority
                .set_node_state(node, EntryState::Suspended)
                .unwrap()
        );
    });
    assert!(scene.gate.directories.poll().unwrap());
    let sealed = scene.letter(|_| {});
    let answer = scene.submit(&sealed).await;
    assert_eq!(answer.unwrap_err(), ErrorCode::SenderUnknown);
    assert!(!scene.is_answered(&sealed));
    let dropped = scene.submit_from(1, &sealed).await;
    assert_eq!(dropped.unwrap_err(), ErrorCode::PeerUnknown);
}

#[tokio::test]
async fn a_hub_that_is_not_listed_decides_nothing() {
    let scene = Scene::new();
    scene.world.publish(|authority| {
        let code = "hub-1".parse().unwrap();
        assert!(authority.set_state(&code, EntryState::Suspended).unwrap());
    });
    assert!(scene.gate.directories.poll().unwrap());
    let answer = scene.submit(&scene.letter(|_| {})).await;
    assert_eq!(answer.unwrap_err(), ErrorCode::DirectoryExpired);
}

#[tokio::test]
async fn a_hub_that_is_behind_takes_nothing_even_after_a_restart() {
    let scene = Scene::new();
    let agency = scene.world.agency("H49.03").id;
    let ahead = crate::behind::Ahead {
        agency,
        code: None,
        seen: Sequence::new(7).unwrap(),
        last: None,
        proven: false,
    };
    scene.gate.behind.note(&ahead, scene.world.now());
    assert!(!scene.gate.behind.is_raised(), "a word is no proof");
    scene.gate.fall_behind(agency, scene.world.now());
    let answer = scene.submit(&scene.letter(|_| {})).await;
    assert_eq!(answer.unwrap_err(), ErrorCode::HubBehind);
    let again = scene.world.admission(scene.store.clone());
    assert!(again.behind.is_raised());
    std::fs::remove_file(scene.world.config.home.join("behind.json")).unwrap();
    let decided = scene.world.admission(scene.store.clone());
    assert!(!decided.behind.is_raised());
}

#[tokio::test]
async fn a_new_agency_is_known_after_the_next_version() {
    let scene = Scene::new();
    let sealed = scene.letter(|letter| {
        letter.fields.signer.directory = DirectoryVersion::new(2).unwrap();
        letter.fields.to = Recipients::new(vec!["H49.50".parse().unwrap()]).unwrap();
    });
    let early = scene.submit(&sealed).await;
    assert_eq!(early.unwrap_err(), ErrorCode::DirectoryBehind);
    let (request, _) = crate::testing::new_node(&["H49.50"]);
    scene.world.publish(|authority| {
        let now = scene.world.now();
        authority
            .issue(&request.to_bytes(), &IssueOptions::default(), now)
            .unwrap();
    });
    assert!(scene.gate.directories.poll().unwrap());
    let answer = scene.submit(&sealed).await.unwrap();
    assert_eq!(answer.event, Event::SubmissionAcceptance);
    assert_eq!(Evidence::parse(&answer.to_bytes()).unwrap(), answer);
}
