//! Starting, stopping, starting again, failing.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use consign_domain::directory::EntryState;
use consign_domain::statement::Event;
use consign_domain::{Digest, ErrorCode, SignedStatement};
use consign_proto::v1::{self, directory_reply};
use consign_runtime::clock::Clock;
use consign_runtime::run_file::{Presence, RunFile};
use consign_store::StoreError;
use consign_verify::Directory;
use consign_verify::directory::SuccessionError;

use crate::bind_with;
use crate::directory::{DirectoryFault, publish, read_newest};
use crate::error::HubError;
use crate::identity::KeyFault;
use crate::storage::Storage;
use crate::testing::{Collecting, World, send};

#[tokio::test]
async fn a_restart_forgets_nothing() {
    let world = World::new();
    let hub = world.start_on_disk().await;
    let letter = world.letter("H49.01", &["H49.03"]);
    let sealed = letter.seal(world.agency("H49.01"));
    let mut sender = world.connect(0, &hub).await;
    let first = send(&mut sender, &sealed).await.unwrap();
    assert_eq!(first.event, Event::SubmissionAcceptance);
    let Presence::Running(run) = RunFile::read(&world.config.home).unwrap() else {
        panic!("the hub says that it is ready")
    };
    assert_eq!(run.addresses["hub"], hub.address);
    let second = bind_with(world.config.clone(), world.clock.clone(), |_, _| {
        panic!("the lock comes first")
    });
    assert!(matches!(second.await, Err(HubError::Lock { .. })));
    hub.stop().await.unwrap();
    assert_eq!(RunFile::read(&world.config.home).unwrap(), Presence::Absent);

    let hub = world.start_on_disk().await;
    let mut sender = world.connect(0, &hub).await;
    assert_eq!(send(&mut sender, &sealed).await.unwrap(), first);
    let mut node = world.connect(1, &hub).await;
    let agency = world.agency("H49.03");
    let cursor = (agency.id, 0, Digest::of(b""));
    let mut stream = Collecting::open(&mut node, &[cursor], 1 << 20).await;
    assert_eq!(stream.welcome().await.agencies[0].sequence, 1);
    assert_eq!(stream.item().await.sequence, 1);
    let receipt = world.receipt(&sealed, "H49.03", 1);
    stream.receipt(&agency.sign(&receipt)).await;
    assert_eq!(stream.release().await.wrap, sealed.wraps[0]);
    hub.stop().await.unwrap();
}

#[tokio::test]
async fn an_older_directory_is_not_taken_after_a_restart() {
    let world = World::new();
    world.publish(|_| {});
    world.start_on_disk().await.stop().await.unwrap();
    let newest = world.config.directory.join("000000000002");
    std::fs::rename(&newest, world.config.directory.join("set aside")).unwrap();
    let open =
        |data: &std::path::Path, clock: &Clock| Storage::open(data, clock, Arc::new(|_, _| {}));
    let again = bind_with(world.config.clone(), world.clock.clone(), open).await;
    assert!(matches!(
        again,
        Err(HubError::Directory {
            source: DirectoryFault::Succession(SuccessionError::Rollback { .. })
        })
    ));
}

#[tokio::test]
async fn a_hub_that_is_not_in_the_directory_says_so() {
    let world = World::new();
    let mut config = world.config.clone();
    let never = |_: &std::path::Path, _: &Clock| -> Result<Storage, HubError> {
        panic!("the store is not opened")
    };
    config.directory = world.config.home.join("nowhere");
    let absent = bind_with(config.clone(), world.clock.clone(), never).await;
    assert!(matches!(
        absent,
        Err(HubError::Directory {
            source: DirectoryFault::Absent { .. }
        })
    ));
    world.publish(|authority| {
        let code = "hub-1".parse().unwrap();
        let state = EntryState::Closed;
        assert!(authority.set_state(&code, state).unwrap());
    });
    let unlisted = bind_with(world.config.clone(), world.clock.clone(), never).await;
    assert!(matches!(
        unlisted,
        Err(HubError::Keys {
            source: KeyFault::NotListed { .. }
        })
    ));
}

#[tokio::test]
async fn a_store_that_fails_ends_the_hub() {
    let world = World::new();
    let store = Arc::new(crate::testing::FailingStore(world.memory_store()));
    let hub = world.start(store).await;
    let mut sender = world.connect(0, &hub).await;
    let letter = world.letter("H49.01", &["H49.03"]);
    let sealed = letter.seal(world.agency("H49.01"));
    let answer = send(&mut sender, &sealed).await;
    assert_eq!(answer.unwrap_err(), ErrorCode::StorageFailed);
    assert!(matches!(
        hub.ended().await,
        Err(HubError::Store {
            source: StoreError::Failed
        })
    ));
}

#[tokio::test]
async fn the_directory_is_handed_out_as_it_was_signed() {
    let world = World::new();
    let hub = world.start(world.memory_store()).await;
    let mut node = world.connect(1, &hub).await;
    let request = v1::DirectoryRequest::default();
    let mut messages = node.directory(request).await.unwrap().into_inner();
    let (mut head, mut entries) = (None, BytesMut::new());
    while let Some(reply) = messages.message().await.unwrap() {
        match reply.message.unwrap() {
            directory_reply::Message::Head(signed) => {
                head = Some(consign_proto::signed(Some(signed), "head").unwrap());
            }
            directory_reply::Message::Entries(lines) => entries.extend_from_slice(&lines),
            directory_reply::Message::List(_) => {}
            other => panic!("the whole was asked for: {other:?}"),
        }
    }
    let head: SignedStatement = head.unwrap();
    let directory = Directory::verify(head, entries.to_vec(), &world.trust).unwrap();
    let place = world.config.home.join("copy");
    publish(&place, &directory).unwrap();
    assert!(read_newest(&place, &world.trust, None).unwrap().is_some());
    let request = v1::DirectoryRequest {
        have: 1,
        head: Bytes::new(),
    };
    let mut messages = node.directory(request).await.unwrap().into_inner();
    let only = messages.message().await.unwrap().unwrap().message.unwrap();
    assert_eq!(only, directory_reply::Message::Current(true));
    assert!(messages.message().await.unwrap().is_none());
    hub.stop().await.unwrap();
}

#[tokio::test]
async fn many_submissions_in_flight_are_each_answered() {
    use v1::submit_reply::Outcome;
    let world = World::new();
    let hub = world.start_on_disk().await;
    let mut sender = world.connect(0, &hub).await;
    let count = 600;
    let requests: Vec<v1::SubmitRequest> = (0..count)
        .map(|call| {
            let letter = world.letter("H49.01", &["H49.02", "H49.03"]);
            let sealed = letter.seal(world.agency("H49.01"));
            let submission = v1::submit_request::Submission::Envelope(sealed.message());
            v1::SubmitRequest {
                call,
                submission: (call % 7 != 0).then_some(submission),
            }
        })
        .collect();
    let replies = sender.submit(tokio_stream::iter(requests)).await.unwrap();
    let mut replies = replies.into_inner();
    let mut seen = std::collections::BTreeSet::new();
    while let Some(reply) = replies.message().await.unwrap() {
        match reply.outcome.unwrap() {
            Outcome::Evidence(_) => assert_ne!(reply.call % 7, 0),
            Outcome::Fault(fault) => {
                assert_eq!(reply.call % 7, 0, "{fault:?}");
                assert_eq!(fault.code, ErrorCode::ProtocolViolation.as_str());
            }
            Outcome::Status(_) => panic!("no status was submitted"),
        }
        seen.insert(reply.call);
    }
    assert_eq!(seen.len() as u64, count);
    let mut node = world.connect(1, &hub).await;
    let cursor = (world.agency("H49.03").id, 0, Digest::of(b""));
    let mut stream = Collecting::open(&mut node, &[cursor], 64 << 20).await;
    stream.welcome().await;
    for sequence in 1..=count - count.div_ceil(7) {
        assert_eq!(stream.item().await.sequence, sequence);
    }
    hub.stop().await.unwrap();
}

#[tokio::test]
async fn what_keeps_a_hub_from_starting_has_its_own_code() {
    let world = World::new();
    let code = async || {
        let never = |_: &std::path::Path, _: &Clock| panic!("nothing is opened");
        let bound = bind_with(world.config.clone(), world.clock.clone(), never).await;
        bound.unwrap_err().code()
    };
    let keys = &world.config.keys;
    let table = [
        (
            world.config.trust.join("trust.json"),
            ErrorCode::StatementMalformed,
        ),
        (keys.join("tls.pem"), ErrorCode::KeyNotValid),
        (keys.join("statement.key"), ErrorCode::KeyNotValid),
    ];
    for (path, spoilt) in table {
        let good = std::fs::read(&path).unwrap();
        std::fs::write(&path, "{}").unwrap();
        assert_eq!(code().await, spoilt, "{}", path.display());
        std::fs::remove_file(&path).unwrap();
        assert_eq!(code().await, ErrorCode::NotFound, "{}", path.display());
        std::fs::create_dir(&path).unwrap();
        assert_eq!(code().await, ErrorCode::StorageFailed, "{}", path.display());
        std::fs::remove_dir(&path).unwrap();
        consign_runtime::files::write_private(&path, &good).unwrap();
    }
    world.publish(|authority| {
        let code = "hub-1".parse().unwrap();
        assert!(authority.set_state(&code, EntryState::Suspended).unwrap());
    });
    assert_eq!(code().await, ErrorCode::PeerUnknown);
    std::fs::remove_dir_all(&world.config.directory).unwrap();
    assert_eq!(code().await, ErrorCode::NotFound);
}
