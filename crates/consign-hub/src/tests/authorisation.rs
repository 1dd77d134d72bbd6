//! Every RPC, called by those who may and those who may not.

use std::collections::BTreeSet;

use bytes::Bytes;
use consign_domain::directory::EntryState;
use consign_domain::statement::Event;
use consign_domain::{Digest, ErrorCode};
use consign_pki::timestamp::Request;
use consign_proto::v1::collect_reply::Message as Reply;
use consign_proto::v1::{self, hub_client::HubClient};
use tonic::transport::Channel;

use crate::testing::{Collecting, Running, Sealed, World, send, upload};

/// Every RPC of the service, with the node that may make the call of this test.
const RPCS: [(&str, Caller); 6] = [
    ("Submit", Caller::Node(0)),
    ("Collect", Caller::Node(1)),
    ("Upload", Caller::Node(0)),
    ("FetchPayload", Caller::Node(1)),
    ("Directory", Caller::Any),
    ("TimeStamp", Caller::Any),
];

#[derive(Clone, Copy)]
enum Caller {
    Node(usize),
    Any,
}

#[test]
fn the_list_is_whole() {
    let proto = include_str!("../../../../proto/consign/v1/hub.proto");
    let named: BTreeSet<&str> = proto
        .lines()
        .filter_map(|line| line.trim().strip_prefix("rpc "))
        .filter_map(|rest| rest.split('(').next())
        .collect();
    assert_eq!(named, RPCS.iter().map(|(name, _)| *name).collect());
}

struct Scene {
    world: World,
    hub: Running,
    delivered: Sealed,
}

impl Scene {
    async fn new() -> Self {
        let world = World::new();
        let hub = world.start(world.memory_store()).await;
        let delivered = world
            .letter("H49.01", &["H49.03"])
            .seal(world.agency("H49.01"));
        let mut sender = world.connect(0, &hub).await;
        send(&mut sender, &delivered).await.unwrap();
        Self {
            world,
            hub,
            delivered,
        }
    }

    /// Makes the call of one RPC: for H49.01 as sender, for H49.03 as recipient.
    async fn call(&self, rpc: &str, hub: &mut HubClient<Channel>) -> Result<(), ErrorCode> {
        let letter = self.world.letter("H49.01", &["H49.03"]);
        let sealed = letter.seal(self.world.agency("H49.01"));
        match rpc {
            "Submit" => {
                let answer = send(hub, &sealed).await?;
                assert_eq!(answer.event, Event::SubmissionAcceptance);
                Ok(())
            }
            "Collect" => {
                let cursor = (self.world.agency("H49.03").id, 0, Digest::of(b""));
                let mut stream = Collecting::open(hub, &[cursor], 1 << 20).await;
                stream.try_next().await?;
                match stream.try_next().await? {
                    Some(Reply::Item(_)) => Ok(()),
                    Some(Reply::Refusal(refusal)) => {
                        Err(refusal.fault.unwrap().code.parse().unwrap())
                    }
                    other => panic!("{other:?}"),
                }
            }
            "Upload" => {
                let payload = sealed.payload.clone().unwrap();
                upload(hub, &sealed, &payload).await.map(drop)
            }
            "FetchPayload" => {
                let request = v1::FetchPayloadRequest {
                    envelope: Some(consign_proto::key_message(self.delivered.key())),
                    recipient: Bytes::copy_from_slice(&self.world.agency("H49.03").id.to_bytes()),
                    offset: 0,
                };
                let mut chunks = hub.fetch_payload(request).await.map_err(code)?.into_inner();
                let chunk = chunks.message().await.map_err(code)?.unwrap();
                assert_eq!(Some(chunk.data), self.delivered.payload);
                Ok(())
            }
            "Directory" => {
                let reply = hub.directory(v1::DirectoryRequest::default()).await;
                reply.map(drop).map_err(code)
            }
            "TimeStamp" => {
                let query = Request::over(b"a seal", [7; 8]).to_der().to_vec().into();
                let reply = hub.time_stamp(v1::TimeStampRequest { query }).await;
                reply.map(drop).map_err(code)
            }
            other => panic!("no call is written for {other}"),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn code(status: tonic::Status) -> ErrorCode {
    consign_proto::status_of(&status)
}

#[tokio::test]
async fn a_node_calls_for_its_own_agencies() {
    let scene = Scene::new().await;
    for (rpc, may) in RPCS {
        for node in [0, 1] {
            let mut hub = scene.world.connect(node, &scene.hub).await;
            let expected = match may {
                Caller::Node(own) if own != node => Err(ErrorCode::NodeDoesNotServe),
                _ => Ok(()),
            };
            assert_eq!(
                scene.call(rpc, &mut hub).await,
                expected,
                "{rpc}, node {node}"
            );
        }
    }
    scene.hub.stop().await.unwrap();
}

#[tokio::test]
async fn an_unknown_certificate_gets_no_connection() {
    let scene = Scene::new().await;
    // Enrolled by another authority of the same name.
    let stranger = World::new();
    let identity = &stranger.nodes[0].tls;
    assert!(scene.world.connect_as(identity, &scene.hub).await.is_err());
    scene.hub.stop().await.unwrap();
}

#[tokio::test]
async fn a_node_that_is_dropped_can_call_nothing_on_a_connection_it_has() {
    let scene = Scene::new().await;
    let mut clients = vec![
        scene.world.connect(0, &scene.hub).await,
        scene.world.connect(1, &scene.hub).await,
    ];
    let cursor = (scene.world.agency("H49.01").id, 0, Digest::of(b""));
    let mut witness = Collecting::open(&mut clients[0].clone(), &[cursor], 0).await;
    witness.welcome().await;
    scene.world.publish(|authority| {
        for node in &scene.world.nodes {
            let dropped = authority.set_node_state(node.id, EntryState::Suspended);
            assert!(dropped.unwrap());
        }
    });
    assert_eq!(witness.try_next().await, Err(ErrorCode::PeerUnknown));
    for (rpc, _) in RPCS {
        for client in &mut clients {
            let answer = match rpc {
                // Refused before its first message is looked at.
                "Collect" => {
                    let nothing = tokio_stream::empty::<v1::CollectRequest>();
                    client.collect(nothing).await.map(drop).map_err(code)
                }
                _ => scene.call(rpc, client).await,
            };
            assert_eq!(answer, Err(ErrorCode::PeerUnknown), "{rpc}");
        }
    }
    scene.hub.stop().await.unwrap();
}
