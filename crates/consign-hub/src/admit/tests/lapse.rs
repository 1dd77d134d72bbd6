//! What no recipient signs for in time, and what is remembered of it.

use consign_domain::ErrorCode;
use consign_domain::delivery::DeliveryState;
use consign_domain::directory::Role;
use consign_domain::statement::{Event, Evidence};
use consign_store::{InboxBudget, InboxItem, ItemBody, Store};
use consign_verify::verify_statement;

use super::Scene;
use crate::testing::{Sealed, World};

const DAY: i64 = 86_400;

fn lapsing(scene: &Scene, days: u64) -> Sealed {
    let mut letter = scene.world.letter("H49.01", &["H49.02", "H49.03"]);
    letter.fields.expires = scene.world.now().plus_seconds(days * 86_400);
    letter.seal(scene.world.agency("H49.01"))
}

fn inbox(scene: &Scene, agency: &str) -> Vec<InboxItem> {
    let budget = InboxBudget {
        items: 100,
        bytes: 1 << 20,
    };
    let agency = scene.world.agency(agency).id;
    scene.store.inbox(agency, None, budget).unwrap()
}

fn states(scene: &Scene, sealed: &Sealed) -> Vec<DeliveryState> {
    let stored = scene.store.envelope(sealed.key()).unwrap().unwrap();
    stored
        .deliveries
        .iter()
        .map(|delivery| delivery.state)
        .collect()
}

#[tokio::test]
async fn what_is_not_collected_in_time_fails_with_a_reason_to_its_sender() {
    let scene = Scene::new();
    let sealed = lapsing(&scene, 5);
    scene.submit(&sealed).await.unwrap();
    let signed = scene.world.receipt(&sealed, "H49.02", 1);
    scene.receipt(&signed, "H49.02").await.unwrap();
    assert_eq!(scene.gate.admission.lapse().await.unwrap(), 0);
    scene.world.clock.advance(5 * DAY);
    assert_eq!(scene.gate.admission.lapse().await.unwrap(), 1);
    assert_eq!(scene.gate.admission.lapse().await.unwrap(), 0);
    let expected = [DeliveryState::HandedOver, DeliveryState::Failed];
    assert_eq!(states(&scene, &sealed), expected);

    let items = inbox(&scene, "H49.01");
    let ItemBody::Evidence(statement) = &items.last().unwrap().body else {
        panic!("{items:?}");
    };
    let directory = scene.gate.directories.current();
    let said = verify_statement::<Evidence>(statement, &[Role::Hub], &directory).unwrap();
    assert_eq!(said.event, Event::ContentHandoverFailure);
    assert_eq!(said.reason, Some(ErrorCode::NotCollected));
    assert_eq!(said.content, Some(sealed.envelope.content));
    assert_eq!(
        said.recipient().unwrap().id,
        scene.world.agency("H49.03").id
    );

    // The first of receipt and expiry is final.
    let late = scene.world.receipt(&sealed, "H49.03", 1);
    let answer = scene.receipt(&late, "H49.03").await;
    assert_eq!(answer.unwrap_err(), ErrorCode::AlreadySettled);
}

#[tokio::test]
async fn a_hub_in_doubt_lets_nothing_lapse() {
    let scene = Scene::new();
    let sealed = lapsing(&scene, 5);
    scene.submit(&sealed).await.unwrap();
    scene.world.clock.advance(5 * DAY);
    let now = scene.world.now();
    scene.gate.fall_behind(sealed.key().sender, now);
    assert_eq!(scene.gate.admission.lapse().await.unwrap(), 0);
    assert_eq!(states(&scene, &sealed), [DeliveryState::Consigned; 2]);

    let scene = Scene::new();
    let sealed = lapsing(&scene, 60);
    scene.submit(&sealed).await.unwrap();
    // The directory has expired by then: what it says of the hub's key may be old.
    scene.world.clock.advance(61 * DAY);
    let refused = scene.gate.admission.lapse().await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::DirectoryExpired);
    assert_eq!(states(&scene, &sealed), [DeliveryState::Consigned; 2]);
}

#[tokio::test]
async fn what_may_be_forgotten_is_not_answered_anew() {
    let mut world = World::new();
    world.config.keep.record_days = 3;
    let store = world.memory_store();
    let gate = world.admission(store.clone());
    let scene = Scene { world, store, gate };
    let (recent, old) = (lapsing(&scene, 1), lapsing(&scene, 1));
    scene.world.clock.advance(2 * DAY);
    // Remembered: what has expired is refused with evidence.
    let evidence = scene.submit(&recent).await;
    assert_eq!(evidence.unwrap().event, Event::SubmissionRejection);
    // So old that an answer may have been let go: no second one is signed.
    scene.world.clock.advance(2 * DAY);
    let answer = scene.submit(&old).await;
    assert_eq!(answer.unwrap_err(), ErrorCode::EnvelopeExpired);
    assert!(!scene.is_answered(&old));
}
