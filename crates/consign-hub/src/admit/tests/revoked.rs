//! What is submitted under a revoked key is refused in writing, if nothing else is wrong
//! with it, and never where the hub may have accepted it.

use consign_domain::directory::KeyState;
use consign_domain::enrolment::Request;

use super::super::Staged;
use super::*;
use crate::behind::{Decision, append_decision};

/// Revokes the key of H49.01 as of `until`.
fn revoke(scene: &Scene, until: Timestamp) {
    scene.world.end_key("H49.01", KeyState::Revoked, until);
    assert!(scene.gate.directories.poll().unwrap());
}

async fn is_refused(scene: &Scene, sealed: &Sealed, reason: ErrorCode) {
    let refusal = scene.submit(sealed).await.unwrap();
    assert_eq!(refusal.event, Event::SubmissionRejection);
    assert_eq!(refusal.reason, Some(reason));
    assert_eq!(scene.submit(sealed).await.unwrap(), refusal, "for ever");
    assert!(scene.is_answered(sealed));
}

async fn is_a_fault(scene: &Scene, sealed: &Sealed, code: ErrorCode) {
    assert_eq!(scene.submit(sealed).await.unwrap_err(), code);
    assert!(!scene.is_answered(sealed), "{code}");
}

#[tokio::test]
async fn whatever_time_it_claims_it_is_refused_with_evidence() {
    let scene = Scene::new();
    scene.world.clock.advance(600);
    let now = scene.world.now();
    let before = scene.letter(|letter| letter.fields.time = now.minus_seconds(600));
    scene.world.clock.advance(600);
    revoke(&scene, now.plus_seconds(300));
    let after = scene.letter(|_| {});
    assert!(after.envelope.time >= now.plus_seconds(300));
    for sealed in [before, after] {
        is_refused(&scene, &sealed, ErrorCode::KeyRevoked).await;
    }
    // What is wrong with everybody's envelope is said as to everybody.
    let expired = scene.letter(|letter| {
        letter.fields.time = now.minus_seconds(600);
        letter.fields.expires = now;
    });
    is_refused(&scene, &expired, ErrorCode::EnvelopeExpired).await;
}

#[tokio::test]
async fn what_was_answered_before_keeps_its_answer() {
    let scene = Scene::new();
    let start = scene.world.now();
    scene.world.clock.advance(600);
    let known = scene.letter(|_| {});
    let acceptance = scene.submit(&known).await.unwrap();
    assert_eq!(acceptance.event, Event::SubmissionAcceptance);
    let refused = scene.letter(|letter| letter.wraps.clear());
    let refusal = scene.submit(&refused).await.unwrap();
    // Others had the key before either was made.
    revoke(&scene, start);
    assert_eq!(scene.submit(&known).await.unwrap(), acceptance);
    assert_eq!(scene.submit(&refused).await.unwrap(), refusal);
    let other = scene.letter(|letter| {
        letter.fields.id = known.envelope.id;
        letter.fields.content = Digest::of(b"other");
    });
    let answer = scene.submit(&other).await;
    assert_eq!(answer.unwrap_err(), ErrorCode::IdReused);
}

#[tokio::test]
async fn a_key_that_only_ended_or_has_not_begun_stays_a_fault() {
    for state in [KeyState::Retired, KeyState::Active] {
        let scene = Scene::new();
        let start = scene.world.now();
        scene.world.clock.advance(600);
        scene
            .world
            .end_key("H49.01", state, start.plus_seconds(300));
        assert!(scene.gate.directories.poll().unwrap());
        is_a_fault(&scene, &scene.letter(|_| {}), ErrorCode::KeyNotValid).await;
    }
    let scene = Scene::new();
    let begins = scene.world.now().plus_seconds(10);
    scene.world.change_entry("H49.01", |entry| {
        let key = &mut entry["statement_keys"][0];
        key["state"] = "revoked".into();
        key["validity"]["from"] = begins.to_string().into();
        key["validity"]["until"] = begins.plus_seconds(10).to_string().into();
    });
    assert!(scene.gate.directories.poll().unwrap());
    is_a_fault(&scene, &scene.letter(|_| {}), ErrorCode::KeyNotValid).await;
}

#[tokio::test]
async fn what_is_not_proven_to_be_the_senders_is_never_signed_for() {
    let scene = Scene::new();
    revoke(&scene, scene.world.now());
    let now = scene.world.now();
    let other = scene.world.agency("H49.02");
    let table: Vec<(ErrorCode, Sealed)> = vec![
        (ErrorCode::SignatureInvalid, {
            let mut sealed = scene.letter(|_| {});
            sealed.signed.signature[0] ^= 1;
            sealed
        }),
        // With a key that was not revoked, under the name of the one that was.
        (
            ErrorCode::SignatureInvalid,
            scene.world.letter("H49.01", &["H49.03"]).seal(other),
        ),
        (
            ErrorCode::KeyUnknown,
            scene.letter(|letter| letter.fields.signer.key = scene.world.signer(other).key),
        ),
        (
            ErrorCode::RoleNotPermitted,
            scene.letter(|letter| letter.fields.signer.code = other.code.clone().into()),
        ),
        (
            ErrorCode::DirectoryBehind,
            scene.letter(|letter| {
                letter.fields.signer.directory = DirectoryVersion::new(9).unwrap();
            }),
        ),
        (
            ErrorCode::TimeInFuture,
            scene.letter(|letter| letter.fields.time = now.plus_seconds(301)),
        ),
    ];
    for (code, sealed) in table {
        is_a_fault(&scene, &sealed, code).await;
    }
    let sealed = scene.letter(|_| {});
    let elsewhere = scene.submit_from(1, &sealed).await;
    assert_eq!(elsewhere.unwrap_err(), ErrorCode::NodeDoesNotServe);
    assert!(!scene.is_answered(&sealed));
    is_refused(&scene, &sealed, ErrorCode::KeyRevoked).await;
}

#[tokio::test]
async fn a_sender_that_may_not_send_and_a_hub_that_may_not_decide_sign_nothing() {
    for (state, code) in [
        ("suspended", ErrorCode::SenderUnknown),
        ("closed", ErrorCode::NodeDoesNotServe),
    ] {
        let scene = Scene::new();
        revoke(&scene, scene.world.now());
        let change = |entry: &mut serde_json::Value| entry["state"] = state.into();
        scene.world.change_entry("H49.01", change);
        assert!(scene.gate.directories.poll().unwrap());
        is_a_fault(&scene, &scene.letter(|_| {}), code).await;
    }
    // Another hub has its inbox, and answers for it.
    let scene = Scene::new();
    revoke(&scene, scene.world.now());
    let home = scene.world.authority().join("hub-2");
    let request = std::fs::read(crate::init(&home, "127.0.0.1:4434", "hub-2").unwrap()).unwrap();
    let Ok(Request::Hub(other)) = Request::parse(&request) else {
        panic!("a hub's request")
    };
    scene.world.publish(|authority| {
        let options = IssueOptions::default();
        authority
            .issue(&request, &options, scene.world.now())
            .unwrap();
    });
    let moved = |entry: &mut serde_json::Value| entry["hub"] = other.id.to_string().into();
    scene.world.change_entry("H49.01", moved);
    assert!(scene.gate.directories.poll().unwrap());
    is_a_fault(&scene, &scene.letter(|_| {}), ErrorCode::SenderUnknown).await;
    let scene = Scene::new();
    scene.world.publish(|authority| {
        let hub = "hub-1".parse().unwrap();
        assert!(authority.set_state(&hub, EntryState::Suspended).unwrap());
    });
    revoke(&scene, scene.world.now());
    is_a_fault(&scene, &scene.letter(|_| {}), ErrorCode::DirectoryExpired).await;
}

#[tokio::test]
async fn refusals_have_a_small_quota_of_their_own() {
    let scene = Scene::new();
    let known = scene.letter(|_| {});
    let acceptance = scene.submit(&known).await.unwrap();
    revoke(&scene, scene.world.now());
    let gone = |letter: &mut Letter| letter.fields.to = nobody();
    let mut refused = 0;
    let more = loop {
        // Each reason counts, since each is signed and kept.
        let sealed = scene.letter(|letter| {
            if refused % 2 == 0 {
                gone(letter);
            }
        });
        match scene.submit(&sealed).await {
            Ok(refusal) => assert_eq!(refusal.event, Event::SubmissionRejection),
            Err(code) => break (code, sealed),
        }
        refused += 1;
        assert!(refused < 120, "there is an end");
    };
    assert!(refused >= 60, "{refused}");
    assert_eq!(more.0, ErrorCode::QuotaExceeded);
    assert!(!scene.is_answered(&more.1), "it may come again");
    assert_eq!(scene.submit(&known).await.unwrap(), acceptance);
    let of_another = scene
        .world
        .letter("H49.02", &["H49.03"])
        .seal(scene.world.agency("H49.02"));
    assert!(scene.submit(&of_another).await.is_ok());
}

fn nobody() -> Recipients {
    Recipients::new(vec!["H49.99".parse().unwrap()]).unwrap()
}

#[tokio::test]
async fn an_upload_is_refused_before_it_begins() {
    let scene = Scene::new();
    revoke(&scene, scene.world.now());
    let payload = Bytes::from(vec![7; 300 * 1024]);
    let sealed = scene.world.large(&["H49.03"], &payload);
    let admission = &scene.gate.admission;
    let staged = admission.stage(scene.world.caller(0), sealed.signed.clone());
    assert!(matches!(staged.await, Ok(Staged::Answered)));
    is_refused(&scene, &sealed, ErrorCode::KeyRevoked).await;
}

/// It would contradict its acceptance, if that is among what was lost.
#[tokio::test]
async fn a_hub_that_lost_data_refuses_only_what_it_cannot_have_accepted() {
    let mut scene = Scene::new();
    let lost = scene.letter(|_| {});
    let acceptance = scene.submit(&lost).await.unwrap();
    assert_eq!(acceptance.event, Event::SubmissionAcceptance);
    scene.store = scene.world.memory_store();
    scene.gate = scene.world.admission(scene.store.clone());
    let agency = scene.world.agency("H49.03").id;
    scene.gate.fall_behind(agency, scene.world.now());
    scene.world.clock.advance(60);
    revoke(&scene, scene.world.now());
    is_a_fault(&scene, &lost, ErrorCode::HubBehind).await;

    let decision = Decision {
        number: 1,
        at: scene.world.now(),
        lost_after: scene.world.now().minus_seconds(600),
        known: crate::behind::Mark::default(),
    };
    append_decision(&scene.world.config.home, &decision).unwrap();
    std::fs::remove_file(scene.world.config.home.join(crate::behind::MARK)).unwrap();
    scene.gate = scene.world.admission(scene.store.clone());
    is_a_fault(&scene, &lost, ErrorCode::KeyRevoked).await;
    // Clocks may differ by so much: the hub may have accepted what was made so far ahead.
    let ahead = scene.letter(|letter| {
        letter.fields.time = decision.at.plus_seconds(MAX_SKEW_SECONDS);
    });
    is_a_fault(&scene, &ahead, ErrorCode::KeyRevoked).await;
    scene.world.clock.advance(1);
    let later = scene.letter(|letter| {
        letter.fields.time = decision.at.plus_seconds(MAX_SKEW_SECONDS + 1);
    });
    is_refused(&scene, &later, ErrorCode::KeyRevoked).await;
}
