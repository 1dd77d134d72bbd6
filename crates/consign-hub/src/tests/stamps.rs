//! The hub's time-stamp authority: what it grants, and when it does not.

use std::collections::HashSet;
use std::path::Path;

use consign_authority::{Founding, Naming};
use consign_domain::ErrorCode;
use consign_domain::text::Line;
use consign_pki::issue::PLACEHOLDER_POLICY_ARC;
use consign_pki::timestamp::{Failure, Request, TimeStampError, token_of, verify};
use consign_proto::v1::{self, hub_client::HubClient};
use consign_runtime::clock::Clock;
use consign_verify::container::SealTrust;
use consign_verify::time_stamp;
use tonic::transport::Channel;

use crate::NewKeys;
use crate::testing::{NOW, World};

const SEAL: &[u8] = b"the value of a seal";

async fn ask(hub: &mut HubClient<Channel>, query: &[u8]) -> Result<Vec<u8>, tonic::Status> {
    let query = query.to_vec().into();
    let reply = hub.time_stamp(v1::TimeStampRequest { query }).await?;
    Ok(reply.into_inner().answer.into())
}

#[tokio::test]
async fn its_stamps_count_by_the_root_of_the_network() {
    let world = World::new();
    let hub = world.start(world.memory_store()).await;
    let mut client = world.connect(1, &hub).await;
    let mut serials = HashSet::new();
    for nonce in 1..=20 {
        let request = Request::over(SEAL, [nonce; 8]);
        let answer = ask(&mut client, request.to_der()).await.unwrap();
        let token = token_of(&answer, &request).unwrap();
        let proven = time_stamp::judge(
            &token,
            SEAL,
            &SealTrust::by_roots(world.trust.roots()),
            world.now(),
        );
        let proven = proven.unwrap();
        assert_eq!(proven.time, world.now());
        assert_eq!(proven.authority, "hub-1 time-stamps");
        assert_eq!(hub.status.status().time_stamps_until, Some(proven.until));
        assert!(serials.insert(verify(&token, SEAL).unwrap().serial_hex));
    }
    let stranger = World::new();
    let request = Request::over(SEAL, [1; 8]);
    let answer = ask(&mut client, request.to_der()).await.unwrap();
    let token = token_of(&answer, &request).unwrap();
    let trust = SealTrust::by_roots(stranger.trust.roots());
    assert!(time_stamp::judge(&token, SEAL, &trust, world.now()).is_err());
    hub.stop().await.unwrap();
}

/// Readers of tokens and of certificates know the authority's time-stamps by one policy.
#[tokio::test]
async fn its_stamps_have_the_policy_of_its_certificate() {
    let arc = "1.3.6.1.4.1.32473.7";
    for (policy_arc, policy) in [
        (Some(arc), format!("{arc}.3")),
        (None, format!("{PLACEHOLDER_POLICY_ARC}.3")),
    ] {
        let founding = Founding {
            name: "Tỉnh Quảng Ninh".to_owned(),
            certificates: Naming {
                policy_arc: policy_arc.map(|arc| Line::new(arc).unwrap()),
                lists: None,
            },
            ..Founding::default()
        };
        let world = World::founded(&founding, &NewKeys::default());
        let hub = world.start(world.memory_store()).await;
        let mut client = world.connect(0, &hub).await;
        let request = Request::over(SEAL, [1; 8]);
        let answer = ask(&mut client, request.to_der()).await.unwrap();
        let token = token_of(&answer, &request).unwrap();
        assert_eq!(verify(&token, SEAL).unwrap().policy, policy);
        hub.stop().await.unwrap();
    }
}

#[tokio::test]
async fn what_it_cannot_read_is_refused_in_the_standards_words() {
    let world = World::new();
    let hub = world.start(world.memory_store()).await;
    let mut client = world.connect(0, &hub).await;
    let request = Request::over(SEAL, [1; 8]);
    let answer = ask(&mut client, b"not a request").await.unwrap();
    let refused = TimeStampError::Refused(Failure::BadDataFormat);
    assert_eq!(token_of(&answer, &request), Err(refused));
    let long = ask(&mut client, &[0; 5_000]).await.unwrap_err();
    assert_eq!(consign_proto::status_of(&long), ErrorCode::TooLarge);
    hub.stop().await.unwrap();
}

#[tokio::test]
async fn no_time_is_stamped_by_a_clock_that_was_moved() {
    let mut world = World::new();
    // It runs, so that its jumps can be told from the time that passes.
    let offset = i64::try_from(NOW).unwrap() - i64::try_from(Clock::system().now()).unwrap();
    world.clock = Clock::shifted(offset + 2 * 86_400);
    let hub = world.start(world.memory_store()).await;
    let mut client = world.connect(0, &hub).await;
    let request = Request::over(SEAL, [1; 8]);
    for step in [3_600, -3_600] {
        let answer = ask(&mut client, request.to_der()).await.unwrap();
        token_of(&answer, &request).unwrap();
        assert!(world.clock.advance(step));
        let answer = ask(&mut client, request.to_der()).await.unwrap();
        let refused = TimeStampError::Refused(Failure::TimeNotAvailable);
        assert_eq!(token_of(&answer, &request), Err(refused), "{step}");
        assert!(world.clock.advance(-step));
    }
    hub.stop().await.unwrap();
}

#[tokio::test]
async fn no_time_is_stamped_beyond_the_directory_in_force() {
    let world = World::new();
    // The authority published a day later than the hub's clock says.
    assert!(world.clock.advance(2 * 86_400));
    world.publish(|_| {});
    assert!(world.clock.advance(-86_400));
    let hub = world.start(world.memory_store()).await;
    let mut client = world.connect(0, &hub).await;
    let request = Request::over(SEAL, [1; 8]);
    let answer = ask(&mut client, request.to_der()).await.unwrap();
    let refused = TimeStampError::Refused(Failure::TimeNotAvailable);
    assert_eq!(token_of(&answer, &request), Err(refused));
    hub.stop().await.unwrap();
}

#[tokio::test]
async fn a_node_has_its_quota_and_no_other_pays_for_it() {
    let mut world = World::new();
    world.config.limits.time_stamps_per_minute = 1;
    world.config.limits.time_stamps_burst = 3;
    let hub = world.start(world.memory_store()).await;
    let mut client = world.connect(0, &hub).await;
    let query = Request::over(SEAL, [1; 8]).to_der().to_vec();
    for _ in 0..3 {
        ask(&mut client, &query).await.unwrap();
    }
    let over = ask(&mut client, &query).await.unwrap_err();
    assert_eq!(consign_proto::status_of(&over), ErrorCode::QuotaExceeded);
    let mut other = world.connect(1, &hub).await;
    ask(&mut other, &query).await.unwrap();
    hub.stop().await.unwrap();
}

#[tokio::test]
async fn a_hub_without_certificate_or_key_relays_and_stamps_nothing() {
    let spoils: [fn(&Path); 3] = [
        |keys| std::fs::remove_file(keys.join("time-stamp.pem")).unwrap(),
        |keys| std::fs::remove_file(keys.join("time-stamp.key")).unwrap(),
        // The certificate is for another key.
        |keys| {
            std::fs::copy(keys.join("tls.key"), keys.join("time-stamp.key")).unwrap();
        },
    ];
    for spoil in spoils {
        let world = World::new();
        spoil(&world.config.keys);
        let hub = world.start(world.memory_store()).await;
        assert_eq!(hub.status.status().time_stamps_until, None);
        let mut client = world.connect(0, &hub).await;
        let query = Request::over(SEAL, [1; 8]).to_der().to_vec();
        let none = ask(&mut client, &query).await.unwrap_err();
        assert_eq!(consign_proto::status_of(&none), ErrorCode::NotFound);
        hub.stop().await.unwrap();
    }
}
