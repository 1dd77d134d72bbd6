//! What comes after an acceptance, and uploads before one.

use bytes::Bytes;
use consign_domain::delivery::DeliveryState;
use consign_domain::statement::{BusinessStatus, Event, Recipients, Status};
use consign_domain::{Digest, ErrorCode, Sequence};
use consign_proto::v1;
use consign_store::{StagedPayload, Store};

use super::super::Staged;
use super::super::staging::Reservation;
use super::Scene;
use crate::config::Limits;
use crate::testing::{Letter, Sealed, World};

#[tokio::test]
async fn receipts_are_held_against_the_envelope() {
    let scene = Scene::new();
    let sealed = scene.letter(|_| {});
    scene.submit(&sealed).await.unwrap();
    let good = || scene.world.receipt(&sealed, "H49.03", 1);
    let mut table = [
        (ErrorCode::ReceiptMismatch, good()),
        (ErrorCode::ReceiptMismatch, good()),
        (ErrorCode::ReceiptMismatch, good()),
        (ErrorCode::ReceiptMismatch, good()),
        (ErrorCode::ReceiptMismatch, good()),
        (ErrorCode::EnvelopeUnknown, good()),
        (ErrorCode::TimeInFuture, good()),
    ];
    table[0].1.envelope.sha256 = Digest::of(b"another");
    table[1].1.placements[0].sequence = Sequence::new(2).unwrap();
    table[2].1.content = Some(Digest::of(b"another"));
    table[3].1.content = None;
    table[4].1.hub = consign_domain::HubId::from_bytes([9; 16]).unwrap();
    table[5].1.envelope.id = scene.letter(|_| {}).envelope.id;
    table[6].1.time = scene.world.now().plus_seconds(301);
    for (number, (code, receipt)) in table.iter().enumerate() {
        let answer = scene.receipt(receipt, "H49.03").await;
        assert_eq!(answer.unwrap_err(), *code, "case {number}");
    }
    let stranger = scene.world.receipt(&sealed, "H49.02", 1);
    let answer = scene.receipt(&stranger, "H49.02").await;
    assert_eq!(answer.unwrap_err(), ErrorCode::NotARecipient);
    let recipient = scene.world.agency("H49.03").id;
    let state = scene.store.delivery(sealed.key(), recipient).unwrap();
    assert_eq!(state, Some(DeliveryState::Consigned));

    let first = scene.receipt(&good(), "H49.03").await.unwrap();
    assert_eq!(
        (first.key, first.recipient, first.index),
        (sealed.key(), recipient, 0)
    );
    scene.world.clock.advance(40 * 86_400);
    assert_eq!(scene.receipt(&good(), "H49.03").await, Ok(first));
    let state = scene.store.delivery(sealed.key(), recipient).unwrap();
    assert_eq!(state, Some(DeliveryState::HandedOver));
}

#[tokio::test]
async fn an_agency_signs_no_event_of_the_hubs() {
    let scene = Scene::new();
    let sealed = scene.letter(|_| {});
    scene.submit(&sealed).await.unwrap();
    let mut forged = scene.world.receipt(&sealed, "H49.03", 1);
    forged.event = Event::ContentConsignment;
    let answer = scene.receipt(&forged, "H49.03").await;
    assert_eq!(answer.unwrap_err(), ErrorCode::RoleNotPermitted);
}

#[tokio::test]
async fn statuses_go_to_the_other_side_after_the_handover() {
    let scene = Scene::new();
    let sealed = scene.letter(|_| {});
    scene.submit(&sealed).await.unwrap();
    let status = |by: &str, to: &str, status: BusinessStatus| {
        let mut said = Status::new(
            scene.world.trust.network(),
            scene.world.signer(scene.world.agency(by)),
            scene.world.now(),
            sealed.envelope.reference(sealed.signed.digest()).unwrap(),
            to.parse().unwrap(),
            status,
        );
        said.reason = status.needs_reason().then_some(ErrorCode::RefusedByClerk);
        said
    };
    let say = async |by: &str, said: &Status, text: &'static [u8]| {
        let message = v1::StatusSubmission {
            status: Some(consign_proto::signed_message(
                &scene.world.agency(by).sign(said),
            )),
            text: Bytes::from_static(text),
        };
        let caller = scene.world.caller(usize::from(by == "H49.03"));
        let answer = scene.gate.admission.status(caller, message).await;
        answer.map(Sequence::value).map_err(|no| no.code())
    };
    let arrived = status("H49.03", "H49.01", BusinessStatus::Arrived);
    let not_yet = say("H49.03", &arrived, b"").await;
    assert_eq!(not_yet, Err(ErrorCode::StatusNotPermitted));
    let receipt = scene.world.receipt(&sealed, "H49.03", 1);
    scene.receipt(&receipt, "H49.03").await.unwrap();
    // The receipt is item 1 of the sender's inbox.
    assert_eq!(say("H49.03", &arrived, b"").await, Ok(2));
    assert_eq!(say("H49.03", &arrived, b"").await, Ok(2), "once only");
    let unnamed_text = say("H49.03", &arrived, b"text").await;
    assert_eq!(unnamed_text, Err(ErrorCode::StatusNotPermitted));
    let mut with_text = status("H49.03", "H49.01", BusinessStatus::Refused);
    with_text.text = Some(Digest::of(b"salted"));
    assert_eq!(say("H49.03", &with_text, b"ciphertext").await, Ok(3));

    let recall = status("H49.01", "H49.03", BusinessStatus::RecallRequested);
    assert_eq!(say("H49.01", &recall, b"").await, Ok(2));
    let astray = status("H49.01", "H49.02", BusinessStatus::RecallRequested);
    assert_eq!(
        say("H49.01", &astray, b"").await,
        Err(ErrorCode::StatusNotPermitted)
    );
    let stranger = status("H49.02", "H49.01", BusinessStatus::Arrived);
    assert_eq!(
        say("H49.02", &stranger, b"").await,
        Err(ErrorCode::NotARecipient)
    );
    let mut of_another = arrived.clone();
    of_another.envelope.sha256 = Digest::of(b"another");
    assert_eq!(
        say("H49.03", &of_another, b"").await,
        Err(ErrorCode::EnvelopeUnknown)
    );
}

#[tokio::test]
async fn uploads_are_judged_before_a_byte_and_counted() {
    let scene = Scene::new();
    let caller = scene.world.caller(0);
    let big = Bytes::from(vec![3; 300 * 1024]);
    let letter = |change: &dyn Fn(&mut Letter)| {
        scene.letter(|letter| {
            letter.fields.payload.sha256 = Digest::of(&big);
            letter.fields.payload.size = big.len() as u64;
            letter.payload = None;
            change(letter);
        })
    };
    let sealed = letter(&|_| {});
    let admission = &scene.gate.admission;
    let stage = || admission.stage(caller, sealed.signed.clone());
    let Ok(Staged::Open {
        stage: mut open,
        reservation,
        ..
    }) = stage().await
    else {
        panic!("an upload may begin")
    };
    let Err(second) = stage().await else {
        panic!("one upload at a time")
    };
    assert_eq!(second.code(), ErrorCode::Busy);
    open.write(&big).unwrap();
    reservation.keep(open.finish().unwrap(), scene.world.now());
    assert!(matches!(stage().await, Ok(Staged::Here(size)) if size == big.len() as u64));
    let accepted = scene.submit(&sealed).await.unwrap();
    assert_eq!(accepted.event, Event::SubmissionAcceptance);
    assert!(matches!(stage().await, Ok(Staged::Answered)));

    // What is refused for ever is refused at once, in writing.
    let to = Recipients::new(vec!["H49.99".parse().unwrap()]).unwrap();
    let unknown = letter(&|letter| letter.fields.to = to.clone());
    let staged = admission.stage(caller, unknown.signed.clone()).await;
    assert!(matches!(staged, Ok(Staged::Answered)));
    let rejection = scene.submit(&unknown).await.unwrap();
    assert_eq!(rejection.reason, Some(ErrorCode::RecipientUnknown));

    // An upload that is given up gives its room back; so many may be held and no more.
    let mut held = Vec::new();
    for _ in 0..scene.world.config.limits.staged_per_node {
        let next = letter(&|_| {});
        held.push(admission.stage(caller, next.signed).await.unwrap());
    }
    let one_more = letter(&|_| {});
    let Err(full) = admission.stage(caller, one_more.signed.clone()).await else {
        panic!("the quota holds")
    };
    assert_eq!(full.code(), ErrorCode::QuotaExceeded);
    held.pop();
    assert!(admission.stage(caller, one_more.signed).await.is_ok());
}

/// A scene with other bounds on uploads.
fn bounded(change: impl FnOnce(&mut Limits)) -> Scene {
    let mut world = World::new();
    change(&mut world.config.limits);
    let store = world.memory_store();
    let gate = world.admission(store.clone());
    Scene { world, store, gate }
}

#[tokio::test]
async fn one_node_holds_a_part_of_the_room_for_uploads() {
    let scene = bounded(|limits| limits.staged_bytes = 4 << 20);
    let stage = async |from: &str, to: &str, size: u64| {
        let mut letter = scene.world.letter(from, &[to]);
        letter.fields.payload.size = size;
        let sealed = letter.seal(scene.world.agency(from));
        let caller = scene.world.caller(usize::from(from == "H49.03"));
        let staged = scene.gate.admission.stage(caller, sealed.signed).await;
        staged.map_err(|no| no.code())
    };
    let large = stage("H49.01", "H49.03", 3 << 20).await;
    assert!(large.is_ok(), "an upload alone may be of any size");
    let more = stage("H49.02", "H49.03", 1).await;
    assert_eq!(more.map(drop), Err(ErrorCode::QuotaExceeded));
    assert!(stage("H49.03", "H49.01", 1 << 20).await.is_ok());
    drop(large);
    let half = stage("H49.01", "H49.03", 1 << 19).await;
    assert!(half.is_ok() && stage("H49.02", "H49.03", 1 << 19).await.is_ok());
}

#[tokio::test]
async fn an_upload_that_came_too_late_frees_its_place() {
    let scene = bounded(|limits| limits.staged_per_node = 1);
    let caller = scene.world.caller(0);
    let first = scene.letter(|_| {});
    let other = scene.letter(|letter| {
        letter.fields.id = first.envelope.id;
        letter.fields.content = Digest::of(b"other");
    });
    let free = async || {
        let next = scene.letter(|_| {});
        let staged = scene.gate.admission.stage(caller, next.signed).await;
        staged.map(drop).map_err(|no| no.code())
    };
    let stage = async |sealed: &Sealed| {
        let signed = sealed.signed.clone();
        match scene.gate.admission.stage(caller, signed).await {
            Ok(Staged::Open {
                stage, reservation, ..
            }) => (stage, reservation),
            _ => panic!("an upload may begin"),
        }
    };
    let keep = |(mut stage, reservation): (Box<dyn StagedPayload>, Reservation)| {
        stage.write(b"ciphertext").unwrap();
        let staged = stage.finish().unwrap();
        reservation.keep(staged, scene.world.now());
    };
    let slow = stage(&other).await;
    scene.submit(&first).await.unwrap();
    keep(slow);
    assert_eq!(free().await, Err(ErrorCode::QuotaExceeded));
    let reused = scene.submit(&other).await;
    assert_eq!(reused.unwrap_err(), ErrorCode::IdReused);
    assert_eq!(free().await, Ok(()));

    let second = scene.letter(|_| {});
    let slow = stage(&second).await;
    let answer = scene.submit(&second).await.unwrap();
    keep(slow);
    assert_eq!(free().await, Err(ErrorCode::QuotaExceeded));
    assert_eq!(scene.submit(&second).await, Ok(answer));
    assert_eq!(free().await, Ok(()));
}
