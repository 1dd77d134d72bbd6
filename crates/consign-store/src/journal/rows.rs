//! The rows that records come to in the index, and nothing else does: a row is a
//! function of one record and its place, is written once and never changed. So the
//! index can be made again from the journal at any time, in any pieces.
//!
//! | key | value after the record's place |
//! |---|---|
//! | `e` sender id | outcome, envelope digest, recipients with their sequences |
//! | `i` agency sequence (big-endian) | kind, statement digest |
//! | `s` sender id recipient | receipt or expiry |
//! | `p` addressee, status digest | sequence |
//! | `f` payload digest, sender id | nothing: a file that a record names |

use bytes::Bytes;
use consign_domain::limits::MAX_RECIPIENTS;
use consign_domain::{AgencyId, Digest, EnvelopeKey, Sequence};

use super::record::{PayloadFact, Record};
use crate::codec::{Malformed, Reader, Writer};
use crate::types::{Outcome, SettledBy};

/// Where a record's body stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Locator {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    pub(crate) length: u32,
    /// Where the record's bulk begins, in the same file.
    pub(crate) bulk: u64,
}

/// A row of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
}

/// What became of a (sender, id).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AnswerRow {
    pub(crate) record: Locator,
    pub(crate) outcome: Outcome,
    pub(crate) envelope: Digest,
    pub(crate) recipients: Vec<(AgencyId, Sequence)>,
}

/// What lies at a place of an inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ItemRow {
    pub(crate) record: Locator,
    pub(crate) digest: Digest,
}

/// What settled a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SettledRow {
    pub(crate) record: Locator,
    pub(crate) by: SettledBy,
}

/// The key of [`AnswerRow`].
pub(crate) fn answer_key(key: EnvelopeKey) -> Bytes {
    let mut to = Writer::default();
    to.u8(b'e');
    to.key(key);
    to.into_bytes()
}

/// The key of [`ItemRow`].
pub(crate) fn item_key(agency: AgencyId, sequence: Sequence) -> Bytes {
    let mut to = Writer::default();
    to.u8(b'i');
    to.agency(agency);
    to.raw(&sequence.value().to_be_bytes());
    to.into_bytes()
}

/// The key of [`SettledRow`].
pub(crate) fn settled_key(key: EnvelopeKey, recipient: AgencyId) -> Bytes {
    let mut to = Writer::default();
    to.u8(b's');
    to.key(key);
    to.agency(recipient);
    to.into_bytes()
}

/// The key of the row that tells where a status was placed.
pub(crate) fn posted_key(addressee: AgencyId, status: Digest) -> Bytes {
    let mut to = Writer::default();
    to.u8(b'p');
    to.agency(addressee);
    to.digest(status);
    to.into_bytes()
}

/// What the keys of all rows begin with that name a payload's file.
pub(crate) fn file_prefix(payload: Digest) -> Bytes {
    let mut to = Writer::default();
    to.u8(b'f');
    to.digest(payload);
    to.into_bytes()
}

/// The key of the row that says that an envelope's payload has a file: with the envelope,
/// since others may name the same file, and a row is written once.
fn file_key(payload: Digest, key: EnvelopeKey) -> Bytes {
    let mut to = Writer::default();
    to.raw(&file_prefix(payload));
    to.key(key);
    to.into_bytes()
}

/// Appends the rows of a record.
pub(crate) fn project(record: &Record, place: Locator, rows: &mut Vec<Row>) {
    let mut item = |agency, sequence, digest| {
        let row = ItemRow {
            record: place,
            digest,
        };
        rows.push(Row {
            key: item_key(agency, sequence),
            value: row.encode(),
        });
    };
    match record {
        Record::Accepted(accepted) => {
            for at in &accepted.recipients {
                item(at.id, at.sequence, accepted.digest);
            }
            let recipients = accepted.recipients.iter().map(|at| (at.id, at.sequence));
            let row = AnswerRow {
                record: place,
                outcome: Outcome::Accepted,
                envelope: accepted.digest,
                recipients: recipients.collect(),
            };
            rows.push(Row {
                key: answer_key(accepted.key),
                value: row.encode(),
            });
            if let PayloadFact::File { digest, .. } = accepted.payload {
                let mut to = Writer::default();
                place.write(&mut to);
                rows.push(Row {
                    key: file_key(digest, accepted.key),
                    value: to.into_bytes(),
                });
            }
        }
        Record::Refused(refusal) => {
            let row = AnswerRow {
                record: place,
                outcome: Outcome::Refused,
                envelope: refusal.digest,
                recipients: Vec::new(),
            };
            rows.push(Row {
                key: answer_key(refusal.key),
                value: row.encode(),
            });
        }
        Record::Settled(settled) => {
            item(settled.key.sender, settled.sequence, settled.digest);
            let row = SettledRow {
                record: place,
                by: settled.by,
            };
            rows.push(Row {
                key: settled_key(settled.key, settled.recipient),
                value: row.encode(),
            });
        }
        Record::Status(status) => {
            item(status.addressee, status.sequence, status.digest);
            let mut to = Writer::default();
            place.write(&mut to);
            to.u64(status.sequence.value());
            rows.push(Row {
                key: posted_key(status.addressee, status.digest),
                value: to.into_bytes(),
            });
        }
        Record::Collected { .. } | Record::Directory(_) => {}
    }
}

impl Row {
    /// Bytes that the row counts in memory.
    pub(crate) fn cost(&self) -> u64 {
        (self.key.len() + self.value.len() + 96) as u64
    }

    /// The place of the record that the row came from.
    pub(crate) fn place(value: &[u8]) -> Result<(u64, u64), Malformed> {
        let (segment, rest) = value.split_first_chunk().ok_or(Malformed)?;
        let (offset, _) = rest.split_first_chunk().ok_or(Malformed)?;
        Ok((u64::from_le_bytes(*segment), u64::from_le_bytes(*offset)))
    }
}

impl Locator {
    pub(crate) fn write(self, to: &mut Writer) {
        to.u64(self.segment);
        to.u64(self.offset);
        to.u32(self.length);
        to.u64(self.bulk);
    }

    pub(crate) fn read(from: &mut Reader) -> Result<Self, Malformed> {
        Ok(Self {
            segment: from.u64()?,
            offset: from.u64()?,
            length: from.u32()?,
            bulk: from.u64()?,
        })
    }
}

impl AnswerRow {
    pub(crate) fn encode(&self) -> Bytes {
        let mut to = Writer::default();
        self.record.write(&mut to);
        to.u8(u8::from(self.outcome == Outcome::Refused));
        to.digest(self.envelope);
        to.count(self.recipients.len());
        for (agency, sequence) in &self.recipients {
            to.agency(*agency);
            to.u64(sequence.value());
        }
        to.into_bytes()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, Malformed> {
        let mut from = Reader::new(bytes);
        let record = Locator::read(&mut from)?;
        let outcome = match from.u8()? {
            0 => Outcome::Accepted,
            1 => Outcome::Refused,
            _ => return Err(Malformed),
        };
        let envelope = from.digest()?;
        let count = from.count(24)?;
        if count > MAX_RECIPIENTS {
            return Err(Malformed);
        }
        let mut recipients = Vec::with_capacity(count);
        for _ in 0..count {
            recipients.push((from.agency()?, from.sequence()?));
        }
        from.end()?;
        Ok(Self {
            record,
            outcome,
            envelope,
            recipients,
        })
    }
}

impl ItemRow {
    pub(crate) fn encode(&self) -> Bytes {
        let mut to = Writer::default();
        self.record.write(&mut to);
        to.digest(self.digest);
        to.into_bytes()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, Malformed> {
        let mut from = Reader::new(bytes);
        let row = Self {
            record: Locator::read(&mut from)?,
            digest: from.digest()?,
        };
        from.end()?;
        Ok(row)
    }
}

impl SettledRow {
    pub(crate) fn encode(&self) -> Bytes {
        let mut to = Writer::default();
        self.record.write(&mut to);
        to.u8(u8::from(self.by == SettledBy::Expiry));
        to.into_bytes()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, Malformed> {
        let mut from = Reader::new(bytes);
        let record = Locator::read(&mut from)?;
        let by = match from.u8()? {
            0 => SettledBy::Receipt,
            1 => SettledBy::Expiry,
            _ => return Err(Malformed),
        };
        from.end()?;
        Ok(Self { record, by })
    }
}

/// The value of a row that tells where a status was placed.
pub(crate) fn posted_sequence(bytes: Bytes) -> Result<Sequence, Malformed> {
    let mut from = Reader::new(bytes);
    Locator::read(&mut from)?;
    let sequence = from.sequence()?;
    from.end()?;
    Ok(sequence)
}

/// At least the bytes that a record's rows take in a footer.
pub(crate) fn estimate(record: &Record) -> u64 {
    match record {
        Record::Accepted(accepted) => 128 * (accepted.recipients.len() as u64 + 2),
        Record::Refused(_) => 128,
        Record::Settled(_) | Record::Status(_) => 256,
        Record::Collected { .. } | Record::Directory(_) => 0,
    }
}
