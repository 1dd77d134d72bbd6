use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use consign_domain::document::Urgency;
use consign_domain::statement::Placement;
use consign_domain::{Digest, DirectoryVersion, Sequence, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;

use super::base::{Base, InboxEnds, Ledger, decode_footer, encode_footer};
use super::frame::{self, FrameKind, HEADER, Header, Stamp};
use super::projection::{Projection, estimate};
use super::ranges::Ranges;
use super::record::{
    AcceptedRecord, MAX_RECORD, PayloadFact, RECORD_HEADER, Record, RefusedRecord, SettledRecord,
    StatusRecord,
};
use super::rows::{
    self, AnswerRow, ItemRow, Lapsing, Locator, PostedRow, Row, SettledRow, segment_of,
};
use crate::codec::Reader;
use crate::conformance::fixture::{agency, code, envelope, key, statement};
use crate::types::{DirectoryNote, Position, SettledBy};

fn sequence(value: u64) -> Sequence {
    Sequence::new(value).unwrap()
}

fn accepted(id: u32, recipients: &[u32], payload: PayloadFact) -> Record {
    let places = recipients.iter().map(|number| Placement {
        id: agency(*number),
        code: code(*number),
        sequence: sequence(u64::from(id)),
    });
    let envelope = envelope(1, id);
    Record::Accepted(Box::new(AcceptedRecord {
        key: key(1, id),
        digest: envelope.digest(),
        accepted: Timestamp::from_unix_saturating(1_795_400_000),
        expires: Timestamp::from_unix_saturating(1_797_000_000),
        urgency: Urgency::Express,
        envelope,
        acceptance: statement("the acceptance"),
        recipients: places.collect(),
        payload,
        wraps: recipients.iter().map(|_| 12).collect(),
        wraps_crc: 0x0a0b_0c0d,
    }))
}

fn any_record() -> impl Strategy<Value = Record> {
    let plain = plain_record().prop_map(|record| match record {
        record @ (Record::Collected { .. } | Record::Directory(_)) => record,
        record => Record::Carried(Box::new(record)),
    });
    prop_oneof![
        4 => plain_record(),
        2 => plain,
        1 => (1..99_u64).prop_map(|segment| Record::Removed { segment }),
        1 => (1..999_999_u64).prop_map(|hour| Record::Swept { hour }),
    ]
}

fn plain_record() -> impl Strategy<Value = Record> {
    let recipients = || vec(1..900_u32, 0..20);
    let bulk = (any::<u32>(), any::<u32>()).prop_map(|(size, crc)| PayloadFact::Bulk { size, crc });
    let file = any::<(u64, [u8; 32])>().prop_map(|(size, digest)| PayloadFact::File {
        size,
        digest: Digest::from_bytes(digest),
    });
    prop_oneof![
        (1..99_u32, recipients(), bulk).prop_map(|(id, to, payload)| accepted(id, &to, payload)),
        (1..99_u32, recipients(), file).prop_map(|(id, to, payload)| accepted(id, &to, payload)),
        (1..99_u32, recipients(), any::<u64>()).prop_map(|(id, to, size)| accepted(
            id,
            &to,
            PayloadFact::Gone { size }
        )),
        (1..99_u32, ".{0,200}").prop_map(|(id, words)| Record::Refused(RefusedRecord {
            key: key(2, id),
            digest: Digest::of(words.as_bytes()),
            expires: Timestamp::from_unix_saturating(1_797_000_000),
            evidence: statement(&words),
        })),
        (1..99_u32, any::<bool>(), ".{0,200}").prop_map(|(id, expired, words)| {
            let statement = statement(&words);
            Record::Settled(SettledRecord {
                by: if expired {
                    SettledBy::Expiry
                } else {
                    SettledBy::Receipt
                },
                key: key(1, id),
                recipient: agency(id),
                time: Timestamp::from_unix_saturating(1_795_400_001),
                digest: statement.digest(),
                statement,
                sequence: sequence(u64::from(id)),
            })
        }),
        (1..99_u32, ".{0,200}", vec(any::<u8>(), 0..200)).prop_map(|(id, words, text)| {
            let statement = statement(&words);
            Record::Status(StatusRecord {
                key: key(1, id),
                addressee: agency(id),
                digest: statement.digest(),
                statement,
                text: text.into(),
                sequence: sequence(u64::from(id)),
            })
        }),
        (1..99_u32, 1..1_000_u64).prop_map(|(number, through)| Record::Collected {
            agency: agency(number),
            through: sequence(through),
        }),
        (1..1_000_u64).prop_map(|version| Record::Directory(DirectoryNote {
            version: DirectoryVersion::new(version).unwrap(),
            head: Digest::of(b"head"),
        })),
    ]
}

const STAMP: Stamp = Stamp {
    segment: 3,
    salt: 0x1122_3344_5566_7788,
};

proptest! {
    #[test]
    fn records_read_back(record in any_record()) {
        let mut bytes = Reader::new(record.encode());
        let (read, length) = Record::next(&mut bytes).unwrap();
        prop_assert_eq!(&read, &record);
        prop_assert_eq!(length + RECORD_HEADER, record.encode().len());
        bytes.end().unwrap();
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..400)) {
        let bytes = Bytes::from(bytes);
        let whole = bytes.clone();
        drop(Record::decode(crc32fast::hash(&whole), whole));
        drop(Record::next(&mut Reader::new(bytes.clone())));
        drop(Base::decode(bytes.clone()));
        drop(decode_footer(bytes.clone()));
        drop(AnswerRow::decode(bytes.clone(), 1));
        drop(ItemRow::decode_run(bytes.clone()));
        drop(SettledRow::decode_all(bytes.clone(), 1));
        let _ = PostedRow::decode(bytes.clone(), 1);
        drop(Lapsing::decode_all(bytes.clone()));
        let _ = (segment_of(&bytes), rows::run_begins(&bytes));
        let _ = Header::decode(STAMP, &bytes);
    }

    #[test]
    fn a_cut_or_changed_record_is_refused(
        record in any_record(),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let encoded = record.encode();
        let cut = encoded.slice(..at.index(encoded.len()));
        prop_assert!(Record::next(&mut Reader::new(cut)).is_err());
        let mut changed = encoded.to_vec();
        changed[at.index(encoded.len())] ^= 1 << bit;
        prop_assert!(Record::next(&mut Reader::new(changed.into())).is_err());
    }

    #[test]
    fn a_cut_or_changed_frame_is_refused(
        facts in vec(any::<u8>(), 0..300),
        bulk in vec(any::<u8>(), 0..300),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let bulk = Bytes::from(bulk);
        let frame = frame::encode(STAMP, FrameKind::Batch, 9, &facts, &[bulk]).unwrap();
        prop_assert!(is_good(STAMP, &frame));
        prop_assert!(!is_good(STAMP, &frame[..at.index(frame.len())]));
        let mut changed = frame.clone();
        changed[at.index(frame.len())] ^= 1 << bit;
        prop_assert!(!is_good(STAMP, &changed));
        // Bytes of another segment, or by someone who does not know the salt.
        let elsewhere = Stamp { segment: 4, ..STAMP };
        let forged = Stamp { salt: 0, ..STAMP };
        prop_assert!(!is_good(elsewhere, &frame) && !is_good(forged, &frame));
    }

    #[test]
    fn rows_are_a_function_of_records(records in vec(any_record(), 1..20)) {
        let rows = || {
            let mut projection = Projection::default();
            for (number, record) in (0..).zip(&records) {
                let place = Locator { segment: 5, offset: number, length: 70, bulk: 9_000 };
                projection.add(record, place);
            }
            (projection.rows(5), projection.footer_size())
        };
        let (once, estimated) = rows();
        prop_assert_eq!(&rows().0, &once);
        prop_assert!(encode_footer(&once).len() as u64 <= estimated);
        prop_assert_eq!(estimated, records.iter().map(estimate).sum::<u64>());
        prop_assert!(once.is_sorted_by(|a, b| a.key < b.key), "a key was used twice");
        prop_assert!(once.iter().all(|row| segment_of(&row.key) == Some(5)));
        prop_assert_eq!(decode_footer(encode_footer(&once)).unwrap(), once);
    }
}

fn is_good(stamp: Stamp, frame: &[u8]) -> bool {
    Header::decode(stamp, frame).is_some_and(|header| {
        let facts = HEADER..HEADER + header.facts as usize;
        let bulk = facts.end..facts.end + header.bulk as usize;
        let part = |range| frame.get(range).unwrap_or_default();
        header.facts_are(stamp, part(facts)) && header.bulk_is(stamp, part(bulk))
    })
}

#[test]
fn the_largest_record_fits() {
    let recipients: Vec<u32> = (1..=1_000).collect();
    let Record::Accepted(mut largest) =
        accepted(1, &recipients, PayloadFact::Bulk { size: 1, crc: 2 })
    else {
        unreachable!()
    };
    largest.envelope = statement(&"e".repeat(consign_domain::limits::MAX_ENVELOPE));
    largest.acceptance = statement(&"a".repeat(consign_domain::limits::MAX_EVIDENCE));
    let record = Record::Accepted(largest);
    let encoded = record.encode();
    assert!(encoded.len() < MAX_RECORD);
    assert_eq!(Record::next(&mut Reader::new(encoded)).unwrap().0, record);
}

#[test]
fn a_ledger_refuses_a_gap() {
    let mut ledger = Ledger::default();
    let payload = PayloadFact::Bulk { size: 0, crc: 0 };
    ledger.apply(&accepted(1, &[2], payload)).unwrap();
    assert!(ledger.apply(&accepted(3, &[2], payload)).is_err());
    assert!(ledger.apply(&accepted(1, &[2], payload)).is_err());
}

fn base() -> Base {
    let ends = InboxEnds {
        last: 12,
        collected: 9,
    };
    Base {
        salt: STAMP.salt,
        previous: Position {
            batch: 41,
            segment: 2,
            offset: 67_000_000,
        },
        ledger: Ledger {
            inboxes: BTreeMap::from([(agency(1), ends), (agency(2), InboxEnds::default())]),
            directory: Some(DirectoryNote {
                version: DirectoryVersion::new(7).unwrap(),
                head: Digest::of(b"head"),
            }),
            begin: 1_000_000,
            removed: Arc::new(Ranges::from_ranges([(1, 4), (7, 7)].into_iter()).unwrap()),
            swept: 498_722,
            skipped: BTreeMap::from([(agency(2), vec![(1, 1_000_000)])]),
        },
    }
}

#[test]
fn bases_read_back() {
    assert_eq!(Base::decode(base().encode()).unwrap(), base());
}

/// Sixteen bytes a line, in hexadecimal and as text.
fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (number, line) in bytes.chunks(16).enumerate() {
        write!(text, "{:04x} ", number * 16).unwrap();
        for byte in line {
            write!(text, " {byte:02x}").unwrap();
        }
        let printable = |byte: &u8| match byte {
            b' '..=b'~' => char::from(*byte),
            _ => '.',
        };
        let words: String = line.iter().map(printable).collect();
        writeln!(text, "{:1$}  {words}", "", (16 - line.len()) * 3).unwrap();
    }
    text
}

#[test]
fn a_frame_has_one_form() {
    let payload = PayloadFact::Bulk { size: 7, crc: 0x01 };
    let record = accepted(1, &[2, 3], payload);
    let bulk = [
        Bytes::from_static(b"payload"),
        Bytes::from_static(b"wrap for two"),
        Bytes::from_static(b"wrap for 3rd"),
    ];
    let frame = frame::encode(STAMP, FrameKind::Batch, 42, &record.encode(), &bulk).unwrap();
    insta::assert_snapshot!(dump(&frame));
}

#[test]
fn a_base_frame_has_one_form() {
    let unsalted = Stamp {
        segment: 3,
        salt: 0,
    };
    let frame = frame::encode(unsalted, FrameKind::Base, 41, &base().encode(), &[]).unwrap();
    insta::assert_snapshot!(dump(&frame));
}

#[test]
fn a_footer_frame_has_one_form() {
    let place = Locator {
        segment: 3,
        offset: 200,
        length: 300,
        bulk: 500,
    };
    let mut projection = Projection::default();
    let payload = PayloadFact::Bulk { size: 7, crc: 1 };
    projection.add(&accepted(1, &[2], payload), place);
    let receipt = statement("receipt");
    let settled = Record::Settled(SettledRecord {
        by: SettledBy::Receipt,
        key: key(1, 1),
        recipient: agency(2),
        time: Timestamp::from_unix_saturating(1_795_400_001),
        digest: receipt.digest(),
        statement: receipt,
        sequence: sequence(1),
    });
    projection.add(&settled, place);
    let rows: Vec<Row> = projection.rows(3);
    let frame = frame::encode(STAMP, FrameKind::Footer, 42, &encode_footer(&rows), &[]).unwrap();
    insta::assert_snapshot!(dump(&frame));
}
