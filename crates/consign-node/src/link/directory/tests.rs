mod hub;

use consign_domain::{Digest, SignedStatement};
use consign_verify::directory::changes::Change;

use self::hub::{Reply, StandIn};
use super::*;
use crate::link::fixture::{Network, at};

/// The whole of a version, as a hub gives it to whoever has none.
fn whole((head, entries): (SignedStatement, Vec<u8>)) -> Offer {
    Offer {
        between: Vec::new(),
        head,
        changes: vec![Change::Insert(entries.into())],
        lists: vec![Bytes::from_static(b"no list")],
    }
}

fn keeper(network: &Network) -> (tempfile::TempDir, Keeper) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("directory");
    let first = network.first();
    directory_files::publish(&path, &first).unwrap();
    let lists = RevocationLists::new(path.with_file_name("crl"), &[vec![0]], b"", at(0));
    let keeper = Keeper::new(network.trust.clone(), path, first).keeping(lists, at(0));
    (directory, keeper)
}

fn digest(keeper: &Keeper) -> Option<Digest> {
    Some(keeper.newest().signed_head().digest())
}

#[test]
fn a_newer_version_is_stored_before_it_counts_and_survives_a_restart() {
    let network = Network::new();
    let (_held, keeper) = keeper(&network);
    let second = network.version(2, digest(&keeper), 2000);
    assert!(keeper.take(whole(second.clone())).unwrap());
    assert_eq!(keeper.newest().version().value(), 2);
    assert!(!keeper.take(whole(second)).unwrap(), "the same is not news");
    let lists = keeper.path.with_file_name("crl");
    assert!(!lists.exists(), "what proves nothing is not kept");
    let stored = directory_files::newest(&keeper.path, &network.trust).unwrap();
    assert_eq!(stored.unwrap().version().value(), 2);
}

#[test]
fn a_rollback_is_refused() {
    let network = Network::new();
    let (_held, keeper) = keeper(&network);
    let older = network.version(1, None, 1000);
    let newer = network.version(2, digest(&keeper), 2000);
    keeper.take(whole(newer)).unwrap();
    let refusal = keeper.take(whole(older.clone())).unwrap_err();
    assert_eq!(refusal.code(), ErrorCode::DirectoryBehind);
    let (mut unsigned, entries) = older.clone();
    unsigned.signature[0] ^= 1;
    let refusal = keeper.take(whole((unsigned, entries))).unwrap_err();
    assert_eq!(refusal.code(), ErrorCode::DirectoryBehind, "all the same");
    assert_eq!(keeper.newest().version().value(), 2);
    // Nor after a restart, when all that is known is what lies on the disk.
    let newest = directory_files::newest(&keeper.path, &network.trust).unwrap();
    let keeper = Keeper::new(network.trust.clone(), keeper.path.clone(), newest.unwrap());
    let refusal = keeper.take(whole(older)).unwrap_err();
    assert!(matches!(
        refusal,
        DirectoryRefusal::Succession(SuccessionError::Rollback { .. })
    ));
    assert_eq!(keeper.newest().version().value(), 2);
}

#[test]
fn forks_are_refused_under_the_same_version_and_after_it() {
    let network = Network::new();
    let (_held, keeper) = keeper(&network);
    let forks = [
        network.version(1, None, 1001),
        network.version(2, Some(Digest::of(b"another")), 2000),
    ];
    for fork in forks {
        let refusal = keeper.take(whole(fork)).unwrap_err();
        assert!(is_fork(&refusal), "{refusal}");
        assert_eq!(refusal.code(), ErrorCode::SignatureInvalid);
    }
    let far = network.version(7, Some(Digest::of(b"six")), 2000);
    assert!(keeper.take(whole(far)).unwrap(), "versions were missed");
}

fn is_fork(refusal: &DirectoryRefusal) -> bool {
    matches!(
        refusal,
        DirectoryRefusal::Succession(SuccessionError::Fork { .. })
    )
}

#[test]
fn a_fork_further_back_is_told_by_the_heads_between() {
    let network = Network::new();
    let (_held, keeper) = keeper(&network);
    let row = |first: Digest| {
        let mut heads = vec![network.version(2, Some(first), 2000).0];
        for version in 3..5 {
            let before = heads.last().unwrap().digest();
            heads.push(network.version(version, Some(before), 2000).0);
        }
        heads
    };
    let offer = |mut heads: Vec<SignedStatement>| {
        let head = heads.pop().unwrap();
        let between = heads;
        let changes = vec![Change::Keep(5)];
        Offer {
            between,
            head,
            changes,
            lists: Vec::new(),
        }
    };
    let forked = row(Digest::of(b"another first version"));
    assert!(is_fork(&keeper.take(offer(forked)).unwrap_err()));
    let ours = row(keeper.newest().signed_head().digest());
    let mut gap = ours.clone();
    gap.remove(1);
    assert!(is_fork(&keeper.take(offer(gap)).unwrap_err()));
    let mut forged = ours.clone();
    forged[0].signature[0] ^= 1;
    let refusal = keeper.take(offer(forged)).unwrap_err();
    assert!(matches!(
        refusal,
        DirectoryRefusal::Succession(SuccessionError::Between { .. })
    ));
    assert_eq!(keeper.newest().version().value(), 1);
    assert!(keeper.take(offer(ours)).unwrap());
    assert_eq!(keeper.newest().version().value(), 4);
}

#[test]
fn what_the_changes_lead_to_is_checked_like_the_whole() {
    let network = Network::new();
    let (_held, keeper) = keeper(&network);
    let (head, entries) = network.version(2, digest(&keeper), 2000);
    let offer = |changes| Offer {
        between: Vec::new(),
        head: head.clone(),
        changes,
        lists: Vec::new(),
    };
    for wrong in [
        vec![Change::Keep(4)],
        vec![Change::Drop(1), Change::Keep(4)],
        vec![Change::Keep(5), Change::Insert(Bytes::from_static(b"{}\n"))],
        vec![],
    ] {
        let refusal = keeper.take(offer(wrong)).unwrap_err();
        assert!(matches!(refusal, DirectoryRefusal::Unverified { .. }));
    }
    let refusal = keeper.take(offer(vec![Change::Keep(6)])).unwrap_err();
    assert!(matches!(refusal, DirectoryRefusal::Changes { .. }));
    let last = entries.split_inclusive(|byte| *byte == b'\n').next_back();
    let last = Bytes::copy_from_slice(last.unwrap());
    let changes = vec![Change::Keep(4), Change::Drop(1), Change::Insert(last)];
    assert!(keeper.take(offer(changes)).unwrap());
}

#[test]
fn a_hub_that_sends_without_end_is_cut_off() {
    use consign_proto::v1::directory_reply::Message;
    let network = Network::new();
    let (head, _) = network.version(1, None, 1000);
    let head = consign_proto::signed_message(&head);
    let mut heads = Arriving::default();
    let mut refused = 0..1_000;
    assert!(refused.any(|_| heads.add(Message::Between(head.clone())).is_err()));
    let endless = [
        Message::Kept(0),
        Message::Entries(vec![b'a'; 1 << 20].into()),
    ];
    for message in endless {
        let mut arriving = Arriving::default();
        assert!(
            arriving.add(message.clone()).is_err(),
            "the head comes first"
        );
        arriving.add(Message::Head(head.clone())).unwrap();
        let mut refused = 0..100_000;
        assert!(refused.any(|_| arriving.add(message.clone()).is_err()));
    }
    let mut late = Arriving::default();
    late.add(Message::Head(head.clone())).unwrap();
    assert!(late.add(Message::Between(head.clone())).is_err());
    assert!(late.add(Message::Head(head)).is_err());
}

#[test]
fn an_expired_head_decides_nothing_new() {
    let network = Network::new();
    let (_held, keeper) = keeper(&network);
    assert!(keeper.fresh(at(999)).is_ok());
    let refusal = keeper.fresh(at(1000)).unwrap_err();
    assert_eq!(refusal.code(), ErrorCode::DirectoryExpired);
}

#[test]
fn what_the_trust_file_does_not_vouch_for_is_refused() {
    let network = Network::new();
    let (_held, keeper) = keeper(&network);
    let (mut head, entries) = network.version(2, digest(&keeper), 2000);
    head.signature[0] ^= 1;
    let refusal = keeper.take(whole((head, entries))).unwrap_err();
    assert!(matches!(refusal, DirectoryRefusal::Unverified { .. }));
}

#[test]
fn only_the_last_few_versions_stay_and_damage_is_not_passed_over() {
    let network = Network::new();
    let (_held, keeper) = keeper(&network);
    for version in 2..8 {
        let next = network.version(version, digest(&keeper), 2000);
        keeper.take(whole(next)).unwrap();
    }
    let mut names: Vec<_> = std::fs::read_dir(&keeper.path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 4);
    assert_eq!(names[3], "000000000007");
    std::fs::write(keeper.path.join("000000000007/entries.jsonl"), b"{}\n").unwrap();
    let fault = directory_files::newest(&keeper.path, &network.trust).unwrap_err();
    assert!(matches!(fault, DirectoryFileError::Unverified { .. }));
}

/// A bundle brings the newest version without the lists, so they are asked for by themselves.
#[test]
fn lists_are_kept_though_the_version_is_here() {
    let network = crate::testing::Network::new();
    let node = network.node(0);
    let chain = std::fs::read(node.tls_certificate_file()).unwrap();
    let (now, place) = (crate::testing::now(), node.trust_dir().join("crl"));
    let lists = || RevocationLists::new(place.clone(), network.trust.roots(), &chain, now);
    let path = node.trust_dir().join("directory");
    let open = || {
        let newest = directory_files::newest(&path, &network.trust).unwrap();
        let keeper = Keeper::new(network.trust.clone(), path.clone(), newest.unwrap());
        keeper.keeping(lists(), now)
    };
    let keeper = open();
    let is_wanted = |keeper: &Keeper| keeper.turn.try_lock().unwrap().is_some();
    assert!(is_wanted(&keeper) && !keeper.lists_cover(now));
    let read = |name: &str| {
        let list = network.authority().join("trust/crl").join(name);
        Bytes::from(std::fs::read(list).unwrap())
    };
    let offer = Offer {
        lists: vec![read("root.crl"), read("issuing.crl")],
        ..whole((
            network.directory.signed_head().clone(),
            network.directory.entries().to_vec(),
        ))
    };
    assert!(!keeper.take(offer).unwrap(), "no version is newer");
    assert!(keeper.lists_cover(now));
    assert!(
        !keeper.lists_cover(now.plus_seconds(10 * 366 * 86_400)),
        "they end"
    );
    assert!(!is_wanted(&open()));
}

/// What the hub answers, and how often it was asked: for what is newer, then for the lists.
async fn synced(
    keeper: &Arc<Keeper>,
    replies: Vec<Reply>,
) -> (Result<bool, DirectoryRefusal>, usize) {
    let hub = StandIn::serve(replies).await;
    let synced = keeper.sync(&mut hub.client(), at(0)).await;
    (synced, hub.asked())
}

#[tokio::test]
async fn a_hub_without_lists_for_us_is_asked_again_only_later() {
    let network = Network::new();
    let older = || Reply::whole(network.version(1, None, 1000));
    // As one of before the trust file changed.
    let mut unvouched = network.version(1, None, 1000);
    unvouched.0.signature[0] ^= 1;
    for reply in [older(), Reply::whole(unvouched), Reply::Busy] {
        let (_held, keeper) = keeper(&network);
        let second = network.version(2, digest(&keeper), 2000);
        keeper.take(whole(second)).unwrap();
        let keeper = Arc::new(keeper);
        let (first, asked) = synced(&keeper, vec![Reply::Current, reply]).await;
        assert_eq!((first.unwrap(), asked), (false, 2));
        // Nobody fetches the whole directory each time.
        let (again, asked) = synced(&keeper, vec![Reply::Current, older()]).await;
        assert_eq!((again.unwrap(), asked), (false, 1));
    }
}

#[tokio::test]
async fn what_comes_with_the_lists_is_taken_or_refused_like_any_directory() {
    let network = Network::new();
    let (_held, first) = keeper(&network);
    let (newer, first) = (network.version(2, digest(&first), 2000), Arc::new(first));
    // It came between the two questions.
    let (taken, _) = synced(&first, vec![Reply::Current, Reply::whole(newer)]).await;
    assert!(taken.unwrap());
    assert_eq!(first.newest().version().value(), 2);
    assert!(
        first.turn.try_lock().unwrap().is_some(),
        "it brought no lists, and they are wanted still"
    );

    let fork = network.version(1, None, 1001);
    let mut unsigned = network.version(2, Some(Digest::of(b"first")), 2000);
    unsigned.0.signature[0] ^= 1;
    for wrong in [fork, unsigned] {
        let (_held, keeper) = keeper(&network);
        let keeper = Arc::new(keeper);
        let replies = vec![Reply::Current, Reply::whole(wrong)];
        let (refused, _) = synced(&keeper, replies).await;
        let refusal = refused.unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::SignatureInvalid, "{refusal}");
        let (again, asked) = synced(&keeper, vec![Reply::Current]).await;
        assert_eq!((again.unwrap(), asked), (false, 1), "not fetched at once");
    }
}
