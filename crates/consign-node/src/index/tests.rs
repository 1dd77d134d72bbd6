//! The index says what the files say, and finds what people type.

use consign_domain::{EnvelopeKey, ErrorCode, Timestamp};

use super::{ArchiveRow, DocumentRow, Index, ListQuery, reindex};
use crate::compose::ComposeRequest;
use crate::folder::Folder;
use crate::inbox::InboxStep;
use crate::testing::{Network, envelope_id, exchanged, payload_of, place, release, request};

/// All rows of all tables, without numbers that only the index gives.
fn dump(index: &Index) -> Vec<String> {
    let connection = index.connection();
    let mut lines = Vec::new();
    for table in [
        "SELECT * FROM sent",
        "SELECT * FROM recipients",
        "SELECT * FROM received",
        "SELECT agency, kind, key, envelope, document, issuer, number, notation, issued_on FROM documents",
        "SELECT kind, key, text FROM documents JOIN search ON search.rowid = documents.id",
    ] {
        let mut statement = connection.prepare(table).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values = (0..columns).map(|column| format!("{:?}", row.get_ref(column).unwrap()));
            lines.push(format!(
                "{table}: {}",
                values.collect::<Vec<_>>().join(", ")
            ));
        }
    }
    lines.sort();
    lines
}

/// Three documents from the first agency to the second: opened, receipted, refused nowhere.
fn traffic(network: &Network) {
    let sender = network.seat(0);
    let context = network.context(&sender);
    let subjects = [
        "Kế hoạch năm 2027",
        "Quyết định về đất đai tại Quảng Ninh",
        "Giấy mời họp",
    ];
    let mut sent = Vec::new();
    for (number, subject) in (1..).zip(subjects) {
        let request = ComposeRequest {
            subject: subject.to_owned(),
            ..request(&["H49.14", "H49.15"])
        };
        let submission = sender.send(envelope_id(number), request, &context);
        let _ = payload_of(&submission);
        sent.push(submission);
    }
    let recipient = network.seat(1);
    let context = network.context(&recipient);
    let inbox = recipient.agency.inbox();
    for (number, submission) in (1..).zip(&sent) {
        let item = network.item(&submission.signed, &payload_of(submission), place(number));
        inbox.receive(vec![item], &context);
        inbox.advance(place(number), &context).unwrap();
        if number < 3 {
            inbox
                .store_release(&release(&submission.envelope, &submission.wraps, "H49.14"))
                .unwrap();
            assert_eq!(
                inbox.advance(place(number), &context).unwrap(),
                InboxStep::Done
            );
        }
    }
}

#[test]
fn rebuilding_gives_what_was_there() {
    let network = Network::new();
    traffic(&network);
    for node in [network.node(0), network.node(1)] {
        let live = dump(&Index::open(node).unwrap());
        assert!(live.len() > 3, "{live:#?}");
        let mut last = None;
        let rebuilt = reindex(node, &mut |progress| last = Some(progress)).unwrap();
        let last = last.unwrap();
        assert_eq!((rebuilt.envelopes, last.done, last.total), (3, 3, 3));
        assert!(rebuilt.left_out.is_empty());
        assert_eq!(dump(&Index::open(node).unwrap()), live);
    }
}

#[test]
fn a_broken_index_is_rebuilt_and_none_is_needed() {
    let network = Network::new();
    traffic(&network);
    let node = network.node(1);
    let live = dump(&Index::open(node).unwrap());
    std::fs::write(
        node.index_file(),
        b"no database, but long enough to be taken for one",
    )
    .unwrap();
    assert_eq!(dump(&Index::open(node).unwrap()), live);
    std::fs::remove_file(node.index_file()).unwrap();
    assert_eq!(dump(&Index::open(node).unwrap()), live);
}

#[test]
fn search_ignores_diacritics_and_case() {
    let network = Network::new();
    traffic(&network);
    let seat = network.seat(1);
    let found = |search: &str| {
        let query = ListQuery {
            search: search.to_owned(),
            ..ListQuery::default()
        };
        let rows = seat.index.received(seat.id(), &query).unwrap().rows;
        rows.iter()
            .map(|row| row.sequence.value())
            .collect::<Vec<_>>()
    };
    assert_eq!(found("dat dai"), [2]);
    assert_eq!(found("ĐẤT"), [2]);
    assert_eq!(
        found("quang ninh"),
        [3, 2, 1],
        "the sender's name has it as well"
    );
    assert_eq!(found("ke hoach 2027"), [1]);
    assert_eq!(found("02/qd"), [2]);
    assert_eq!(found("khong co"), Vec::<u64>::new());
    assert_eq!(found("\" OR 1 -- *"), Vec::<u64>::new());
    let sender = network.seat(0);
    let query = ListQuery {
        search: "ha long".to_owned(),
        ..ListQuery::default()
    };
    assert_eq!(
        sender.index.sent(sender.id(), &query).unwrap().rows.len(),
        3
    );
}

#[test]
fn lists_go_on_where_they_ended() {
    let network = Network::new();
    traffic(&network);
    let sender = network.seat(0);
    let mut query = ListQuery {
        limit: 2,
        ..ListQuery::default()
    };
    let first = sender.index.sent(sender.id(), &query).unwrap();
    assert_eq!(first.rows.len(), 2);
    query.after.clone_from(&first.next);
    let second = sender.index.sent(sender.id(), &query).unwrap();
    assert_eq!((second.rows.len(), second.next.as_str()), (1, ""));
    assert_eq!(second.rows[0].envelope_id, envelope_id(1));
    query.after = "x".to_owned();
    assert_eq!(
        sender.index.sent(sender.id(), &query).unwrap_err().code(),
        ErrorCode::Usage
    );
}

#[test]
fn a_document_is_found_by_the_beginning_of_an_id() {
    let network = Network::new();
    traffic(&network);
    let seat = network.seat(1);
    let rows = seat
        .index
        .received(seat.id(), &ListQuery::default())
        .unwrap()
        .rows;
    let row = rows.last().unwrap();
    let find = |id: &str| seat.index.find(seat.id(), id);
    let expected = DocumentRow::Received(row.clone());
    assert_eq!(find(&row.envelope_id.to_string()).unwrap(), expected);
    assert_eq!(find(&row.document_id.to_uppercase()).unwrap(), expected);
    assert_eq!(find(&row.envelope_id.to_string()[..30]).unwrap(), expected);
    // All three were made in one millisecond.
    let ambiguous = find(&row.envelope_id.to_string()[..13]).unwrap_err();
    assert_eq!(ambiguous.code(), ErrorCode::Usage);
    assert_eq!(find("0123456").unwrap_err().code(), ErrorCode::Usage);
    assert_eq!(find("ffffffff").unwrap_err().code(), ErrorCode::NotFound);
    let other = network.seat(0);
    assert!(other.index.find(seat.id(), &row.document_id).is_err());
}

/// The archived folder of the first of two documents that the second agency has opened.
fn archived(network: &Network) -> Folder {
    let seat = network.seat(1);
    let sender = network.id_of(&crate::testing::code("H49.13"));
    let id = envelope_id(1);
    Folder::new(seat.agency.home().archive_entry(EnvelopeKey { sender, id }))
}

#[test]
fn a_damaged_folder_is_left_out_whole_and_told() {
    let network = Network::new();
    traffic(&network);
    let (node, folder) = (network.node(1), archived(&network));
    let all = dump(&Index::open(node).unwrap());
    for (file, bytes) in [
        // Read when the row is made, and after it.
        ("report.json", Some("no report")),
        ("item.sig", Some("too short")),
        ("received.json", None),
    ] {
        let path = folder.file(file);
        let before = std::fs::read(&path).unwrap();
        match bytes {
            Some(bytes) => std::fs::write(&path, bytes).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let rebuilt = reindex(node, &mut |_| {}).unwrap();
        let [left_out] = &rebuilt.left_out[..] else {
            panic!("{file}: {rebuilt:?}")
        };
        assert_eq!(left_out.folder, folder.path(), "{file}");
        assert_eq!(rebuilt.envelopes, 2, "{file}");
        let index = Index::open(node).unwrap();
        let missing = |line: &&String| line.contains(&envelope_id(1).to_string());
        assert_eq!(dump(&index).iter().find(missing), None, "{file}");
        // Its archive is looked after nevertheless, and people see why it may not be.
        let said = index.archive_reason().unwrap().unwrap();
        assert!(said.reason.contains(file), "{said:?}");
        drop(index);
        std::fs::write(&path, before).unwrap();
        assert!(reindex(node, &mut |_| {}).unwrap().left_out.is_empty());
        assert_eq!(dump(&Index::open(node).unwrap()), all, "{file}");
    }
}

#[test]
fn a_sent_envelope_with_one_damaged_status_leaves_no_half_of_itself() {
    let network = Network::new();
    let key = exchanged(&network);
    let node = network.node(0);
    let folder = {
        let seat = network.seat(0);
        Folder::new(seat.agency.home().archive_entry(key))
    };
    let status = folder.file("status");
    std::fs::create_dir_all(&status).unwrap();
    for ending in ["json", "sig"] {
        let name = format!("000000000009-03-H49.14.{ending}");
        std::fs::write(status.join(name), "{}").unwrap();
    }
    assert_eq!(reindex(node, &mut |_| {}).unwrap().left_out.len(), 1);
    let index = Index::open(node).unwrap();
    assert_eq!(dump(&index), [""; 0]);
    assert_eq!(index.archive_reason().unwrap().unwrap().key, key);
}

/// What passes is not taken for damage: an index that lacks a healthy folder does not stay so.
#[test]
fn a_file_that_cannot_be_read_now_is_told_and_its_folder_read_at_the_next_start() {
    let network = Network::new();
    traffic(&network);
    let (node, folder) = (network.node(1), archived(&network));
    let live = dump(&Index::open(node).unwrap());
    for file in ["compose.json", "received.json", "item.json"] {
        let path = folder.file(file);
        let before = std::fs::read(&path).ok();
        let _ = std::fs::remove_file(&path);
        std::os::unix::fs::symlink(&path, &path).unwrap();
        let rebuilt = reindex(node, &mut |_| {}).unwrap();
        let [left_out] = &rebuilt.left_out[..] else {
            panic!("{file}: {rebuilt:?}")
        };
        assert_eq!(
            (left_out.folder.as_path(), rebuilt.envelopes),
            (folder.path(), 2)
        );
        let fault = left_out.fault.to_string();
        assert!(fault.contains(&path.display().to_string()), "{fault}");
        // The node starts without it, whether or not there was an index.
        for broken in [false, true] {
            if broken {
                std::fs::write(node.index_file(), "no database").unwrap();
            }
            let index = Index::open(node).unwrap();
            let missing = |line: &String| line.contains(&envelope_id(1).to_string());
            assert!(!dump(&index).iter().any(missing), "{file}");
            assert!(!dump(&index).is_empty(), "{file}");
        }
        std::fs::remove_file(&path).unwrap();
        if let Some(before) = before {
            std::fs::write(&path, before).unwrap();
        }
        assert_eq!(dump(&Index::open(node).unwrap()), live, "{file}");
        assert!(
            Index::open(node)
                .unwrap()
                .archive_reason()
                .unwrap()
                .is_none()
        );
    }
}

/// An agency is moved from node to node with its folder, and its documents with it.
#[test]
fn an_agency_that_is_moved_takes_its_rows_with_it() {
    let network = Network::new();
    traffic(&network);
    let (old, new) = (network.node(0), network.node(2));
    let home = old.agencies().unwrap().remove(0);
    let before = dump(&network.seat(0).index);
    assert!(!before.is_empty());
    drop(network.seat(2));
    let name = home.path().file_name().unwrap();
    std::fs::rename(home.path(), new.agencies_dir().join(name)).unwrap();
    let index = Index::open(old).unwrap();
    assert_eq!(dump(&index), [""; 0], "nothing of it is left");
    // Once more changes nothing.
    for _ in 0..2 {
        let index = Index::open(new).unwrap();
        let mut here = dump(&index);
        here.retain(|line| before.contains(line));
        assert_eq!(here, before, "all of it is there");
    }
}

/// An agency of which a file cannot be read is read again at each start, but what is known of its
/// archives stays, and all of it goes where the agency goes.
#[test]
fn an_agency_with_a_file_that_cannot_be_read_keeps_its_archives_and_leaves_nothing_behind() {
    let network = Network::new();
    traffic(&network);
    let (node, folder) = (network.node(1), archived(&network));
    let home = node.agencies().unwrap().remove(0);
    let path = folder.file("report.json");
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&path, &path).unwrap();
    std::fs::remove_file(node.index_file()).unwrap();
    let key = EnvelopeKey {
        sender: network.id_of(&crate::testing::code("H49.13")),
        id: envelope_id(2),
    };
    let row = ArchiveRow {
        agency: home.id(),
        key,
    };
    let index = Index::open(node).unwrap();
    index.to_archive(row.agency, key);
    let now: Timestamp = "2026-11-23T02:30:00Z".parse().unwrap();
    assert!(index.await_lists(row, (now, now), "no lists"));
    drop(index);
    let index = Index::open(node).unwrap();
    assert_eq!(index.awaits_lists_since(row), Some(now), "it waits on");
    assert!(!dump(&index).is_empty());
    drop(index);
    std::fs::rename(home.path(), node.root().join("moved-away")).unwrap();
    let index = Index::open(node).unwrap();
    assert_eq!(dump(&index), [""; 0]);
    assert_eq!(index.awaits_lists_since(row), None);
    assert!(index.archive_reason().unwrap().is_none());
}

/// A damaged folder of an agency that came stops neither that agency nor the others.
#[test]
fn an_agency_comes_with_a_damaged_folder() {
    let network = Network::new();
    traffic(&network);
    let (old, new, folder) = (network.node(1), network.node(2), archived(&network));
    let home = old.agencies().unwrap().remove(0);
    std::fs::write(folder.file("report.json"), "no report").unwrap();
    drop(network.seat(2));
    let name = home.path().file_name().unwrap();
    std::fs::rename(home.path(), new.agencies_dir().join(name)).unwrap();
    let index = Index::open(new).unwrap();
    let rows = index.received(home.id(), &ListQuery::default());
    assert_eq!(rows.unwrap().rows.len(), 2);
    let said = index.archive_reason().unwrap().unwrap();
    assert_eq!(said.key.id, envelope_id(1));
}
