//! A node with documents on their way, copied and brought back.

use std::fs;
use std::path::Path;

use super::*;
use crate::inbox::{InboxStep, Item};
use crate::testing::{Network, Seat, envelope_id, now, payload_of, place, release, request};

/// One archived, one that waits for its key.
fn received(network: &Network) -> Seat {
    let sender = network.seat(0);
    let seat = network.seat(1);
    for number in 1..=2 {
        let context = network.context(&sender);
        let submission = sender.send(envelope_id(number), request(&["H49.14"]), &context);
        let at = place(number.into());
        let item: Item = network.item(&submission.signed, &payload_of(&submission), at);
        let context = network.context(&seat);
        let inbox = seat.agency.inbox();
        assert!(inbox.receive(vec![item], &context).fault.is_none());
        let step = inbox.advance(at, &context).unwrap();
        assert!(matches!(step, InboxStep::SendReceipt(_)));
        if number == 1 {
            let release = release(&submission.envelope, &submission.wraps, "H49.14");
            inbox.store_release(&release).unwrap();
            assert_eq!(inbox.advance(at, &context).unwrap(), InboxStep::Done);
        }
    }
    seat
}

fn run(root: &Path, to: &Path, with_keys: bool) -> Result<Created, BackupFault> {
    create(root, to, with_keys, now(), &mut |done, all| {
        assert!(done <= all)
    })
}

/// All files of a directory by path, but those that a backup leaves out.
fn tree(root: &Path, below: &str, found: &mut Vec<(String, Vec<u8>)>) {
    let mut names: Vec<_> = fs::read_dir(root.join(below))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    for name in names {
        let path = if below.is_empty() {
            name
        } else {
            format!("{below}/{name}")
        };
        if root.join(&path).is_dir() {
            tree(root, &path, found);
        } else if !path.contains("index.sqlite") && path != "lock" {
            found.push((path.clone(), fs::read(root.join(&path)).unwrap()));
        }
    }
}

#[test]
fn a_node_comes_back_as_it_was() {
    let network = Network::new();
    let seat = received(&network);
    let root = network.node(1).root().to_owned();
    let elsewhere = tempfile::tempdir().unwrap();
    let (to, target) = (
        elsewhere.path().join("backup"),
        elsewhere.path().join("node"),
    );
    let made = run(&root, &to, true).unwrap();
    assert_eq!(made.envelopes, 2);
    let again = run(&root, &to, true).unwrap();
    let copied = again.tally.copied;
    assert_eq!(copied, 1, "the cursor, which is written to");
    drop(seat);
    let verified = verify(&to, &mut |_, _| {}).unwrap();
    assert_eq!(verified.first_fault(), None);
    assert_eq!(verified.agencies, ["H49.14"]);
    let restored = restore(&to, &target, &mut |_, _| {}).unwrap();
    assert!(restored.header.keys);
    let (mut before, mut after) = (Vec::new(), Vec::new());
    tree(&root, "", &mut before);
    tree(&target, "", &mut after);
    assert_eq!(before, after);
}

#[test]
fn an_envelope_that_moves_meanwhile_is_there_once() {
    let network = Network::new();
    drop(received(&network));
    let root = network.node(1).root().to_owned();
    let elsewhere = tempfile::tempdir().unwrap();
    let to = elsewhere.path().join("backup");
    // As if the first had been copied in the inbox, and moved to the archive then.
    let home = network.node(1).agencies().unwrap().remove(0);
    let inbox = home.inbox_dir().join("000000000001");
    let mut archived = Vec::new();
    tree(&home.archive_dir(), "", &mut archived);
    for (name, bytes) in &archived {
        let name = name.rsplit('/').next().unwrap();
        fs::create_dir_all(&inbox).unwrap();
        fs::write(inbox.join(name), bytes).unwrap();
    }
    let made = run(&root, &to, true).unwrap();
    assert_eq!(made.envelopes, 2);
    let copies = to.join("files/agencies/H49.14/inbox");
    let names: Vec<_> = fs::read_dir(copies)
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    assert_eq!(names, ["000000000002"]);
    assert_eq!(verify(&to, &mut |_, _| {}).unwrap().first_fault(), None);
}

#[test]
fn keys_may_be_left_out_and_damage_is_told() {
    let network = Network::new();
    let root = network.node(1).root().to_owned();
    let elsewhere = tempfile::tempdir().unwrap();
    let to = elsewhere.path().join("backup");
    run(&root, &to, false).unwrap();
    let files = to.join("files");
    assert!(files.join("agencies/H49.14/keys/seal.pem").exists());
    assert!(!files.join("agencies/H49.14/keys/encryption.key").exists());
    assert!(!files.join("keys/tls.key").exists());
    assert_eq!(verify(&to, &mut |_, _| {}).unwrap().first_fault(), None);
    run(&root, &to, true).unwrap();
    fs::remove_file(files.join("agencies/H49.14/keys/encryption.key")).unwrap();
    let fault = verify(&to, &mut |_, _| {}).unwrap().first_fault();
    assert!(fault.unwrap().contains("encryption.key"));
    let target = elsewhere.path().join("node");
    let restored = restore(&to, &target, &mut |_, _| {});
    assert!(matches!(restored, Err(BackupFault::Damaged { .. })));
    assert!(!target.exists());
    let nobody = run(elsewhere.path(), &elsewhere.path().join("other"), true);
    assert_eq!(nobody.unwrap_err().code(), ErrorCode::Usage);
    let inside = run(&root, &root.join("agencies/backup"), true);
    let Err(BackupFault::Backup(BackupError::Inside { .. })) = inside else {
        panic!("{inside:?}");
    };
}
