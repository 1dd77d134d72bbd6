//! Large payloads: uploaded, submitted, fetched from anywhere.

use bytes::{Bytes, BytesMut};
use consign_domain::directory::EntryState;
use consign_domain::statement::Event;
use consign_domain::{Digest, ErrorCode};
use consign_proto::v1::{self, hub_client::HubClient, item, upload_reply, upload_request};
use tonic::transport::Channel;

use crate::testing::{Collecting, Sealed, World, send, upload};

const SIZE: usize = 3 * 1024 * 1024 + 7;

fn payload() -> Bytes {
    (0..=250).cycle().take(SIZE).collect()
}

async fn fetch(
    hub: &mut HubClient<Channel>,
    world: &World,
    sealed: &Sealed,
    recipient: &str,
    offset: u64,
) -> Result<Bytes, ErrorCode> {
    let code = |status| consign_proto::status_of(&status);
    let request = v1::FetchPayloadRequest {
        envelope: Some(consign_proto::key_message(sealed.key())),
        recipient: Bytes::copy_from_slice(&world.agency(recipient).id.to_bytes()),
        offset,
    };
    let mut chunks = hub.fetch_payload(request).await.map_err(code)?.into_inner();
    let mut bytes = BytesMut::new();
    while let Some(chunk) = chunks.message().await.map_err(code)? {
        assert!(chunk.data.len() <= 512 * 1024);
        bytes.extend_from_slice(&chunk.data);
    }
    Ok(bytes.freeze())
}

#[tokio::test]
async fn a_large_payload_goes_its_own_way() {
    let world = World::new();
    let hub = world.start(world.memory_store()).await;
    let mut sender = world.connect(0, &hub).await;
    let sealed = world.large(&["H49.02", "H49.03"], &payload());
    let early = send(&mut sender, &sealed).await;
    assert_eq!(early.unwrap_err(), ErrorCode::PayloadMissing);
    let mut wrong = payload().to_vec();
    wrong[SIZE / 2] ^= 1;
    let refused = upload(&mut sender, &sealed, &wrong.into()).await;
    assert_eq!(refused, Err(ErrorCode::PayloadMismatch));
    let short = upload(&mut sender, &sealed, &payload().slice(..SIZE - 1)).await;
    assert_eq!(short, Err(ErrorCode::PayloadMissing));
    let mut long = payload().to_vec();
    long.push(0);
    let long = upload(&mut sender, &sealed, &long.into()).await;
    assert_eq!(long, Err(ErrorCode::PayloadMismatch));
    let staged = upload(&mut sender, &sealed, &payload()).await;
    assert_eq!(staged, Ok(upload_reply::Outcome::Staged(SIZE as u64)));
    let again = upload(&mut sender, &sealed, &Bytes::new()).await;
    assert_eq!(again, staged, "it is here already");
    let answer = send(&mut sender, &sealed).await.unwrap();
    assert_eq!(answer.event, Event::SubmissionAcceptance);
    let known = upload(&mut sender, &sealed, &Bytes::new()).await;
    assert_eq!(known, Ok(upload_reply::Outcome::Known(true)));

    let mut node = world.connect(1, &hub).await;
    let cursor = (world.agency("H49.03").id, 0, Digest::of(b""));
    let mut stream = Collecting::open(&mut node, &[cursor], 1 << 20).await;
    stream.welcome().await;
    let Some(item::Content::Envelope(envelope)) = stream.item().await.content else {
        panic!("an envelope")
    };
    assert_eq!(envelope.payload, None);
    for offset in [0, 1, 256 * 1024, SIZE - 1, SIZE] {
        let rest = fetch(&mut node, &world, &sealed, "H49.03", offset as u64).await;
        assert!(rest.unwrap() == payload().slice(offset..), "from {offset}");
    }
    let beyond = fetch(&mut node, &world, &sealed, "H49.03", SIZE as u64 + 1).await;
    assert_eq!(beyond, Err(ErrorCode::ProtocolViolation));
    // H49.01 sent it and is no recipient.
    let unlisted = fetch(&mut sender, &world, &sealed, "H49.01", 0).await;
    assert_eq!(unlisted, Err(ErrorCode::EnvelopeUnknown));
    hub.stop().await.unwrap();
}

#[tokio::test]
async fn a_payload_stops_when_its_recipient_goes_to_another_node() {
    const LARGE: usize = 16 << 20;
    let world = World::new();
    let hub = world.start(world.memory_store()).await;
    let mut sender = world.connect(0, &hub).await;
    let payload = Bytes::from(vec![1; LARGE]);
    let sealed = world.large(&["H49.03"], &payload);
    let staged = upload(&mut sender, &sealed, &payload).await;
    assert_eq!(staged, Ok(upload_reply::Outcome::Staged(LARGE as u64)));
    send(&mut sender, &sealed).await.unwrap();
    let mut node = world.connect(1, &hub).await;
    let request = v1::FetchPayloadRequest {
        envelope: Some(consign_proto::key_message(sealed.key())),
        recipient: Bytes::copy_from_slice(&world.agency("H49.03").id.to_bytes()),
        offset: 0,
    };
    let mut chunks = node.fetch_payload(request).await.unwrap().into_inner();
    assert!(chunks.message().await.unwrap().is_some());
    world.publish(|authority| {
        let code = "H49.03".parse().unwrap();
        assert!(authority.set_state(&code, EntryState::Closed).unwrap());
    });
    while hub.status.status().directory < 2 {
        tokio::task::yield_now().await;
    }
    let end = loop {
        match chunks.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the whole payload went out"),
            Err(status) => break consign_proto::status_of(&status),
        }
    };
    assert_eq!(end, ErrorCode::NodeDoesNotServe);
    hub.stop().await.unwrap();
}

#[tokio::test]
async fn an_upload_begins_with_its_envelope() {
    let world = World::new();
    let hub = world.start(world.memory_store()).await;
    let mut sender = world.connect(0, &hub).await;
    let sealed = world.large(&["H49.02", "H49.03"], &payload());
    let opened = || {
        upload_request::Message::Open(v1::UploadOpen {
            envelope: Some(consign_proto::signed_message(&sealed.signed)),
        })
    };
    let chunk = || upload_request::Message::Chunk(payload().slice(..9));
    for messages in [
        vec![chunk()],
        vec![opened(), opened()],
        vec![opened(), chunk(), opened()],
        vec![],
    ] {
        let requests = messages.into_iter().map(|message| v1::UploadRequest {
            message: Some(message),
        });
        let replies = sender.upload(tokio_stream::iter(requests)).await;
        let mut replies = replies.unwrap().into_inner();
        let end = loop {
            match replies.message().await {
                Ok(reply) => assert!(reply.is_some(), "an upload without its envelope"),
                Err(status) => break status,
            }
        };
        assert_eq!(consign_proto::status_of(&end), ErrorCode::ProtocolViolation);
    }
    hub.stop().await.unwrap();
}
