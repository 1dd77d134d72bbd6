//! Keys and directories that change between a statement and its arrival.

use consign_domain::DirectoryVersion;
use consign_domain::ErrorCode;
use consign_domain::directory::KeyState;
use consign_domain::enrolment::Request;
use consign_domain::statement::{BusinessStatus, Status};
use consign_pki::statement::StatementKey;
use consign_proto::v1;

use super::*;

/// Publishes a directory in which an agency's statement key is revoked from an hour on.
fn revoke(scene: &Scene, code: &str) {
    let ends = scene.world.now().plus_seconds(3_600);
    scene.world.end_key(code, KeyState::Revoked, ends);
    assert!(scene.gate.directories.poll().unwrap());
}

async fn say(scene: &Scene, about: &Sealed, directory: DirectoryVersion) -> Result<(), ErrorCode> {
    let mut signer = scene.world.signer(scene.world.agency("H49.03"));
    signer.directory = directory;
    let said = Status::new(
        scene.world.trust.network(),
        signer,
        scene.world.now(),
        about.envelope.reference(about.signed.digest()).unwrap(),
        "H49.01".parse().unwrap(),
        BusinessStatus::Arrived,
    );
    let signed = scene.world.agency("H49.03").sign(&said);
    let message = v1::StatusSubmission {
        status: Some(consign_proto::signed_message(&signed)),
        text: Bytes::new(),
    };
    let admission = &scene.gate.admission;
    let answer = admission.status(scene.world.caller(1), message).await;
    answer.map(drop).map_err(|no| no.code())
}

#[tokio::test]
async fn a_revoked_recipient_signs_for_nothing_new() {
    let scene = Scene::new();
    let (taken, open) = (scene.letter(|_| {}), scene.letter(|_| {}));
    scene.submit(&taken).await.unwrap();
    scene.submit(&open).await.unwrap();
    let receipt = scene.world.receipt(&taken, "H49.03", 1);
    let settled = scene.receipt(&receipt, "H49.03").await.unwrap();
    revoke(&scene, "H49.03");
    assert_eq!(scene.receipt(&receipt, "H49.03").await, Ok(settled));
    let mut another = receipt.clone();
    another.time = scene.world.now().minus_seconds(1);
    for refused in [another, scene.world.receipt(&open, "H49.03", 2)] {
        let answer = scene.receipt(&refused, "H49.03").await;
        assert_eq!(answer, Err(ErrorCode::KeyRevoked));
    }
    let status = say(&scene, &taken, DirectoryVersion::FIRST).await;
    assert_eq!(status, Err(ErrorCode::KeyRevoked));
}

#[tokio::test]
async fn what_was_said_under_a_newer_directory_waits_for_it() {
    let scene = Scene::new();
    let newer = DirectoryVersion::new(2).unwrap();
    let sealed = scene.letter(|letter| letter.fields.signer.directory = newer);
    let early = scene.submit(&sealed).await;
    assert_eq!(early.unwrap_err(), ErrorCode::DirectoryBehind);
    let old = scene.letter(|_| {});
    scene.submit(&old).await.unwrap();
    let mut receipt = scene.world.receipt(&old, "H49.03", 1);
    receipt.signer.directory = newer;
    let answer = scene.receipt(&receipt, "H49.03").await;
    assert_eq!(answer, Err(ErrorCode::DirectoryBehind));
    let status = say(&scene, &old, newer).await;
    assert_eq!(status, Err(ErrorCode::DirectoryBehind));
    scene.world.publish(|_| {});
    assert!(scene.gate.directories.poll().unwrap());
    assert!(scene.submit(&sealed).await.is_ok());
    assert!(scene.receipt(&receipt, "H49.03").await.is_ok());
    assert_eq!(say(&scene, &old, newer).await, Ok(()));
}

#[tokio::test]
async fn a_hub_whose_statement_key_was_replaced_signs_nothing() {
    let scene = Scene::new();
    let known = scene.letter(|_| {});
    let first = scene.submit(&known).await.unwrap();
    scene.world.publish(|authority| {
        let bytes = std::fs::read(scene.world.config.home.join("request.json")).unwrap();
        let Ok(Request::Hub(mut request)) = Request::parse(&bytes) else {
            panic!("a hub's request")
        };
        let other = StatementKey::from_seed([7; 32]);
        request.statement = Digest::from_bytes(other.public().to_bytes());
        let options = IssueOptions {
            replace: true,
            ..IssueOptions::default()
        };
        let request = Request::Hub(request).to_bytes();
        let now = scene.world.now();
        authority.issue(&request, &options, now).unwrap();
    });
    scene.world.clock.advance(1);
    assert!(scene.gate.directories.poll().unwrap());
    for sealed in [
        scene.letter(|_| {}),
        scene.letter(|letter| letter.wraps.clear()),
    ] {
        let answer = scene.submit(&sealed).await;
        assert_eq!(answer.unwrap_err(), ErrorCode::DirectoryExpired);
        assert!(!scene.is_answered(&sealed));
    }
    let message = EnvelopeIn::from_message(known.message()).unwrap();
    let again = scene
        .gate
        .admission
        .envelope(scene.world.caller(0), message);
    assert_eq!(again.await.unwrap().statement, first.to_bytes());
}

#[tokio::test]
async fn a_hub_that_is_behind_settles_nothing_new() {
    let scene = Scene::new();
    let (taken, open) = (scene.letter(|_| {}), scene.letter(|_| {}));
    scene.submit(&taken).await.unwrap();
    scene.submit(&open).await.unwrap();
    let receipt = scene.world.receipt(&taken, "H49.03", 1);
    let settled = scene.receipt(&receipt, "H49.03").await.unwrap();
    let agency = scene.world.agency("H49.03").id;
    scene.gate.fall_behind(agency, scene.world.now());
    assert_eq!(scene.receipt(&receipt, "H49.03").await, Ok(settled));
    let new = scene.world.receipt(&open, "H49.03", 2);
    let answer = scene.receipt(&new, "H49.03").await;
    assert_eq!(answer, Err(ErrorCode::HubBehind));
}
