//! Streams between real nodes and a real hub, over TLS.

mod bounds;
mod urgent;

use std::sync::Arc;

use bytes::Bytes;
use consign_authority::Authority;
use consign_domain::directory::EntryState;
use consign_domain::statement::{Event, Evidence, Statement};
use consign_domain::{AgencyId, Digest, ErrorCode, Sequence};
use consign_log::{leaf_hash, verify_path};
use consign_proto::v1::collect_reply::Message as Reply;
use consign_proto::v1::collect_request::Message;
use consign_proto::v1::{self, item};
use consign_store::{MemoryStore, Store};

use super::SHARE;
use crate::config::Limits;
use crate::testing::{Collecting, Running, Sealed, World, send};

const PLENTY: u64 = 1 << 20;

struct Net {
    world: World,
    store: Arc<MemoryStore>,
    hub: Running,
}

impl Net {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut Limits)) -> Self {
        let mut world = World::new();
        change(&mut world.config.limits);
        let store = world.memory_store();
        let hub = world.start(store.clone()).await;
        Self { world, store, hub }
    }

    fn id(&self, code: &str) -> AgencyId {
        self.world.agency(code).id
    }

    /// Sends a letter through node 0.
    async fn send(&self, from: &str, to: &[&str]) -> Sealed {
        let sealed = self.world.letter(from, to).seal(self.world.agency(from));
        let mut hub = self.world.connect(0, &self.hub).await;
        let answer = send(&mut hub, &sealed).await.unwrap();
        assert_eq!(answer.event, Event::SubmissionAcceptance);
        sealed
    }

    /// Sends letters with a large payload inside through node 0.
    async fn send_large(&self, count: u8, to: &str) {
        let mut hub = self.world.connect(0, &self.hub).await;
        for number in 0..count {
            let payload = Bytes::from(vec![number; 250 * 1024]);
            let mut letter = self.world.letter("H49.01", &[to]);
            letter.fields.payload.sha256 = Digest::of(&payload);
            letter.fields.payload.size = payload.len() as u64;
            letter.payload = Some(payload);
            let sealed = letter.seal(self.world.agency("H49.01"));
            send(&mut hub, &sealed).await.unwrap();
        }
    }

    async fn collect(&self, node: usize, codes: &[&str], credit: u64) -> Collecting {
        let cursors: Vec<_> = codes
            .iter()
            .map(|code| (self.id(code), 0, Digest::of(b"")))
            .collect();
        let mut hub = self.world.connect(node, &self.hub).await;
        Collecting::open(&mut hub, &cursors, credit).await
    }

    /// Waits until the hub has taken a version of the directory.
    async fn directory_in_force(&self, version: u64) {
        let mut node = self.collect(0, &["H49.01"], 0).await;
        while node.welcome().await.directory < version {
            let Reply::Directory(_) = node.next().await else {
                panic!("the news of the version")
            };
            node = self.collect(0, &["H49.01"], 0).await;
        }
    }

    /// The same hub with none of its data.
    async fn after_a_loss(self) -> Self {
        self.hub.stop().await.unwrap();
        let store = self.world.memory_store();
        let hub = self.world.start(store.clone()).await;
        Self { store, hub, ..self }
    }

    /// What the hub answered.
    fn acceptance(&self, sealed: &Sealed) -> consign_domain::SignedStatement {
        let answer = self.store.answer(sealed.key()).unwrap();
        answer.unwrap().evidence
    }

    fn signed_receipt(
        &self,
        sealed: &Sealed,
        by: &str,
        sequence: u64,
    ) -> consign_domain::SignedStatement {
        let receipt = self.world.receipt(sealed, by, sequence);
        self.world.agency(by).sign(&receipt)
    }
}

fn agency_of(bytes: &[u8]) -> AgencyId {
    AgencyId::from_bytes(bytes.try_into().unwrap()).unwrap()
}

#[tokio::test]
async fn a_receipt_releases_the_wrap_and_reaches_the_sender() {
    let net = Net::start().await;
    let sealed = net.send("H49.01", &["H49.02", "H49.03"]).await;
    let mut node = net.collect(1, &["H49.03"], PLENTY).await;
    let welcome = node.welcome().await;
    assert_eq!(welcome.agencies[0].sequence, 1);
    assert_eq!(
        welcome.agencies[0].digest,
        &sealed.signed.digest().as_bytes()[..]
    );
    let item = node.item().await;
    assert_eq!(
        (agency_of(&item.agency), item.sequence),
        (net.id("H49.03"), 1)
    );
    let Some(item::Content::Envelope(envelope)) = item.content else {
        panic!("an envelope")
    };
    assert_eq!(
        envelope.envelope.unwrap().statement,
        sealed.signed.statement
    );
    assert_eq!(envelope.payload, sealed.payload);

    let receipt = net.signed_receipt(&sealed, "H49.03", 1);
    for _ in 0..2 {
        node.receipt(&receipt).await;
        let release = node.release().await;
        assert_eq!(release.wrap, sealed.wraps[1]);
        assert_eq!((release.index, release.size), (1, 2));
        let path: Vec<[u8; 32]> = release
            .path
            .iter()
            .map(|hash| hash[..].try_into().unwrap())
            .collect();
        verify_path(
            &leaf_hash(&release.wrap),
            release.index.into(),
            release.size.into(),
            &path,
            sealed.envelope.wraps.as_bytes(),
        )
        .unwrap();
    }
    // The sender's agency finds the receipt as evidence, once, byte for byte.
    let mut sender = net.collect(0, &["H49.01"], PLENTY).await;
    assert_eq!(sender.welcome().await.agencies[0].sequence, 1);
    let Some(item::Content::Evidence(evidence)) = sender.item().await.content else {
        panic!("evidence")
    };
    assert_eq!(evidence.statement, receipt.statement);
    net.hub.stop().await.unwrap();
}

#[tokio::test]
async fn inboxes_are_collected_in_order_as_they_grow_and_noted() {
    let net = Net::start().await;
    let mut node = net.collect(0, &["H49.01", "H49.02"], PLENTY).await;
    node.welcome().await;
    for sequence in 1..=3 {
        net.send("H49.01", &["H49.02"]).await;
        let item = node.item().await;
        assert_eq!(agency_of(&item.agency), net.id("H49.02"));
        assert_eq!(item.sequence, sequence);
    }
    let agency = net.id("H49.02");
    let stored = v1::Stored {
        agency: Bytes::copy_from_slice(&agency.to_bytes()),
        sequence: 2,
    };
    node.say(Message::Stored(stored.clone())).await;
    // Whatever is said is heeded in order: the answer to this comes after.
    let nonsense = net.world.agency("H49.02").sign(
        &net.world.receipt(
            &net.world
                .letter("H49.01", &["H49.02"])
                .seal(net.world.agency("H49.01")),
            "H49.02",
            1,
        ),
    );
    node.receipt(&nonsense).await;
    let (_, code) = node.refusal().await;
    assert_eq!(code, ErrorCode::EnvelopeUnknown);
    let state = net.store.inbox_state(agency).unwrap();
    assert_eq!(state.collected, Sequence::new(2).ok());
    let too_far = v1::Stored {
        sequence: 9,
        ..stored
    };
    node.say(Message::Stored(too_far)).await;
    assert_eq!(node.try_next().await, Err(ErrorCode::ProtocolViolation));
    net.hub.stop().await.unwrap();
}

#[tokio::test]
async fn items_wait_for_credit() {
    let net = Net::start().await;
    for _ in 0..2 {
        net.send("H49.01", &["H49.03"]).await;
    }
    let mut node = net.collect(1, &["H49.03"], 1).await;
    node.welcome().await;
    assert_eq!(node.item().await.sequence, 1, "one may overdraw");
    let refused = net
        .world
        .letter("H49.01", &["H49.03"])
        .seal(net.world.agency("H49.01"));
    node.receipt(&net.signed_receipt(&refused, "H49.03", 1))
        .await;
    let (_, code) = node.refusal().await;
    assert_eq!(code, ErrorCode::EnvelopeUnknown, "and no item came before");
    node.say(Message::Credit(v1::Credit { bytes: PLENTY }))
        .await;
    assert_eq!(node.item().await.sequence, 2);
    net.hub.stop().await.unwrap();
}

#[tokio::test]
async fn a_newer_stream_takes_its_agencies_over() {
    let net = Net::start().await;
    let mut older = net.collect(0, &["H49.01", "H49.02"], PLENTY).await;
    older.welcome().await;
    let mut newer = net.collect(0, &["H49.02"], PLENTY).await;
    newer.welcome().await;
    let (agency, code) = older.refusal().await;
    assert_eq!(agency_of(&agency), net.id("H49.02"));
    assert_eq!(code, ErrorCode::StreamFenced);
    let sealed = net.send("H49.01", &["H49.01", "H49.02"]).await;
    assert_eq!(agency_of(&older.item().await.agency), net.id("H49.01"));
    assert_eq!(agency_of(&newer.item().await.agency), net.id("H49.02"));
    older
        .receipt(&net.signed_receipt(&sealed, "H49.02", 1))
        .await;
    assert_eq!(older.refusal().await.1, ErrorCode::StreamFenced);
    let mut newest = net.collect(0, &["H49.01"], PLENTY).await;
    newest.welcome().await;
    assert_eq!(older.refusal().await.1, ErrorCode::StreamFenced);
    assert_eq!(older.try_next().await, Ok(None), "nothing is left to it");
    net.hub.stop().await.unwrap();
}

#[tokio::test]
async fn a_node_that_says_that_it_has_seen_more_stops_itself_alone() {
    for (sequence, digest) in [(2, "more than there is"), (1, "another item")] {
        let net = Net::start().await;
        let known = net.send("H49.01", &["H49.02", "H49.03"]).await;
        let seen = [(net.id("H49.03"), sequence, Digest::of(digest.as_bytes()))];
        let mut hub = net.world.connect(1, &net.hub).await;
        let mut node = Collecting::open(&mut hub, &seen, PLENTY).await;
        assert_eq!(node.welcome().await.behind.len(), 1);
        let (agency, code) = node.refusal().await;
        assert_eq!(agency_of(&agency), net.id("H49.03"));
        assert_eq!(code, ErrorCode::HubBehind);
        // What the hub knows, or has not signed, is no proof.
        let agency = net.id("H49.03");
        node.prove(agency, &net.acceptance(&known)).await;
        node.prove(agency, &known.signed).await;
        node.end().await;
        assert!(!net.hub.status.status().behind, "{digest}");
        net.send("H49.01", &["H49.02"]).await;
        net.hub.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_node_that_proves_that_it_has_seen_more_stops_new_submissions_alone() {
    for filled_again in [false, true] {
        let net = Net::start().await;
        net.send("H49.01", &["H49.03"]).await;
        let second = net.send("H49.01", &["H49.03"]).await;
        let proof = net.acceptance(&second);
        let net = net.after_a_loss().await;
        if filled_again {
            net.send("H49.01", &["H49.02", "H49.03"]).await;
            net.send("H49.01", &["H49.03"]).await;
        }
        let agency = net.id("H49.03");
        let seen = [(agency, 2, second.signed.digest())];
        let mut hub = net.world.connect(1, &net.hub).await;
        let mut node = Collecting::open(&mut hub, &seen, PLENTY).await;
        assert_eq!(node.welcome().await.behind.len(), 1);
        node.refusal().await;
        node.prove(agency, &proof).await;
        node.end().await;
        assert!(net.hub.status.status().behind);
        let letter = net
            .world
            .letter("H49.01", &["H49.02"])
            .seal(net.world.agency("H49.01"));
        let mut sender = net.world.connect(0, &net.hub).await;
        let answer = send(&mut sender, &letter).await;
        assert_eq!(answer.unwrap_err(), ErrorCode::HubBehind);
        let mark = crate::standing(&net.world.config.home).unwrap().unwrap();
        let claim = &mark.agencies[&agency];
        assert_eq!((claim.seen.value(), claim.proven), (2, true));
        assert_eq!(claim.code.as_ref().unwrap().as_str(), "H49.03");
        if filled_again {
            // Others go on collecting.
            let mut other = net.collect(0, &["H49.02"], PLENTY).await;
            other.welcome().await;
            assert_eq!(other.item().await.sequence, 1);
        }
        net.hub.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_node_that_is_up_to_date_gets_what_is_new() {
    let net = Net::start().await;
    let first = net.send("H49.01", &["H49.03"]).await;
    net.send("H49.01", &["H49.03"]).await;
    let seen = [(net.id("H49.03"), 1, first.signed.digest())];
    let mut hub = net.world.connect(1, &net.hub).await;
    let mut node = Collecting::open(&mut hub, &seen, PLENTY).await;
    assert_eq!(node.welcome().await.agencies[0].sequence, 2);
    assert_eq!(node.item().await.sequence, 2);
    assert!(!net.hub.status.status().behind);
    net.hub.stop().await.unwrap();
}

#[tokio::test]
async fn an_agency_of_another_node_is_refused_and_the_rest_goes_on() {
    let net = Net::start().await;
    net.send("H49.01", &["H49.02", "H49.03"]).await;
    let mut node = net.collect(0, &["H49.02", "H49.03"], PLENTY).await;
    assert_eq!(node.welcome().await.agencies.len(), 1);
    let (agency, code) = node.refusal().await;
    assert_eq!(agency_of(&agency), net.id("H49.03"));
    assert_eq!(code, ErrorCode::NodeDoesNotServe);
    assert_eq!(agency_of(&node.item().await.agency), net.id("H49.02"));
    net.hub.stop().await.unwrap();
}

#[tokio::test]
async fn a_version_that_drops_the_node_ends_its_streams_alone() {
    let net = Net::start().await;
    let mut dropped = net.collect(1, &["H49.03"], PLENTY).await;
    let mut kept = net.collect(0, &["H49.01"], PLENTY).await;
    dropped.welcome().await;
    kept.welcome().await;
    net.world.publish(|authority: &mut Authority| {
        let node = net.world.nodes[1].id;
        let changed = authority.set_node_state(node, EntryState::Suspended);
        assert!(changed.unwrap());
    });
    assert_eq!(dropped.try_next().await, Err(ErrorCode::PeerUnknown));
    let Reply::Directory(changed) = kept.next().await else {
        panic!("the news of the version")
    };
    assert_eq!(changed.version, 2);
    net.hub.stop().await.unwrap();
}

#[tokio::test]
async fn an_agency_that_moves_away_leaves_the_stream() {
    let net = Net::start().await;
    let mut node = net.collect(0, &["H49.01", "H49.02"], PLENTY).await;
    node.welcome().await;
    net.world.publish(|authority: &mut Authority| {
        let closed = authority.set_state(&"H49.02".parse().unwrap(), EntryState::Closed);
        assert!(closed.unwrap());
    });
    let mut told = vec![node.next().await, node.next().await];
    told.sort_by_key(|message| matches!(message, Reply::Directory(_)));
    let [Reply::Refusal(refusal), Reply::Directory(_)] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(agency_of(&refusal.agency), net.id("H49.02"));
    net.hub.stop().await.unwrap();
}

#[tokio::test]
async fn a_stop_drains_and_answers() {
    let net = Net::start().await;
    let mut node = net.collect(1, &["H49.03"], PLENTY).await;
    node.welcome().await;
    net.hub.shutdown.trigger();
    assert_eq!(node.next().await, Reply::Drain(v1::Drain {}));
    assert_eq!(node.try_next().await, Ok(None));
    net.hub.stop().await.unwrap();
}

#[tokio::test]
async fn the_opening_is_checked() {
    let net = Net::start().await;
    let id = Bytes::copy_from_slice(&net.id("H49.03").to_bytes());
    let cursor = v1::Cursor {
        agency: id,
        sequence: 0,
        digest: Bytes::new(),
    };
    let good = v1::CollectOpen {
        protocol: consign_proto::PROTOCOL,
        agencies: vec![cursor.clone()],
        credit: 0,
        directory: 1,
    };
    let open = |change: &dyn Fn(&mut v1::CollectOpen)| {
        let mut open = good.clone();
        change(&mut open);
        Message::Open(open)
    };
    let table = [
        (ErrorCode::ProtocolVersion, open(&|open| open.protocol = 99)),
        (
            ErrorCode::ProtocolViolation,
            open(&|open| open.agencies.clear()),
        ),
        (
            ErrorCode::ProtocolViolation,
            open(&|open| open.agencies.push(cursor.clone())),
        ),
        (
            ErrorCode::ProtocolViolation,
            open(&|open| open.agencies[0].sequence = 5),
        ),
        (
            ErrorCode::ProtocolViolation,
            Message::Credit(v1::Credit { bytes: 1 }),
        ),
    ];
    for (code, message) in table {
        let mut hub = net.world.connect(1, &net.hub).await;
        let request = v1::CollectRequest {
            message: Some(message),
        };
        let replies = hub.collect(tokio_stream::once(request)).await.unwrap();
        let status = replies.into_inner().message().await.unwrap_err();
        assert_eq!(consign_proto::status_of(&status), code);
    }
    net.hub.stop().await.unwrap();
}

#[tokio::test]
async fn one_envelope_to_many_is_released_to_each() {
    let net = Net::start().await;
    let codes: Vec<String> = (0..40)
        .map(|number| format!("H49.{:03}", number + 100))
        .collect();
    let names: Vec<&str> = codes.iter().map(String::as_str).collect();
    let (identity, agencies) = net.world.enrol(&names);
    net.directory_in_force(2).await;
    let sealed = net.send("H49.01", &names).await;
    let mut hub = net.world.connect_as(&identity, &net.hub).await.unwrap();
    let cursors: Vec<_> = agencies
        .iter()
        .map(|agency| (agency.id, 0, Digest::of(b"")))
        .collect();
    let mut stream = Collecting::open(&mut hub, &cursors, PLENTY).await;
    stream.welcome().await;
    for _ in &agencies {
        assert_eq!(stream.item().await.sequence, 1);
    }
    for agency in &agencies {
        let receipt: Evidence = net.world.receipt_by(&sealed, agency, 1);
        assert_eq!(Evidence::parse(&receipt.to_bytes()).unwrap(), receipt);
        stream.receipt(&agency.sign(&receipt)).await;
    }
    let mut released = std::collections::BTreeSet::new();
    for _ in &agencies {
        let release = stream.release().await;
        let path: Vec<[u8; 32]> = release
            .path
            .iter()
            .map(|hash| hash[..].try_into().unwrap())
            .collect();
        let root = sealed.envelope.wraps;
        let leaf = leaf_hash(&release.wrap);
        verify_path(&leaf, release.index.into(), 40, &path, root.as_bytes()).unwrap();
        released.insert(release.index);
    }
    assert_eq!(released.len(), 40);
    net.hub.stop().await.unwrap();
}
