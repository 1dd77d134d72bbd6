//! The rows that a segment comes to in the index, and nothing else does: rows are a
//! function of one segment's records, are written once and never changed. So the index
//! can be made again from the journal at any time, segment by segment.
//!
//! | key, before the segment (big-endian) | value |
//! |---|---|
//! | `e` sender id | place, outcome, envelope digest, expiry, recipients with their sequences |
//! | `s` sender id | settlements of the envelope: recipient, receipt or expiry, time, place |
//! | `i` agency first sequence (big-endian) | a run of items: digest, what it is |
//! | `p` addressee, status digest | place, sequence |
//! | `f` payload digest, sender id | nothing: a file that a record names |
//! | `d` hour (big-endian), number | the envelopes that lapse in that hour, with their expiry |
//!
//! A key ends in its segment: what a later segment says of the same thing, since records
//! were carried forward, stands beside it, and the newest counts.

use bytes::Bytes;
use consign_domain::limits::MAX_RECIPIENTS;
use consign_domain::{AgencyId, Digest, EnvelopeId, EnvelopeKey, Sequence, Timestamp};

use crate::codec::{Malformed, Reader, Writer};
use crate::types::{Outcome, SettledBy};

/// The hour of a time: envelopes that lapse are found by it.
pub(crate) const fn hour_of(time: Timestamp) -> u64 {
    time.as_unix() / 3_600
}

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
    pub(crate) expires: Timestamp,
    pub(crate) recipients: Vec<(AgencyId, Sequence)>,
}

/// What settled a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SettledRow {
    pub(crate) recipient: AgencyId,
    pub(crate) by: SettledBy,
    pub(crate) time: Timestamp,
    pub(crate) record: Locator,
}

/// Where a status was placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PostedRow {
    pub(crate) record: Locator,
    pub(crate) sequence: Sequence,
}

/// What lies at a place of an inbox. It says what, not where: records are carried forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ItemRow {
    pub(crate) digest: Digest,
    pub(crate) about: About,
}

/// What an item of an inbox is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// An envelope to the inbox's agency.
    Envelope(EnvelopeKey),
    /// What settled the delivery of an envelope of the inbox's agency to a recipient.
    Settlement(EnvelopeId, AgencyId),
    /// A business status with the item's digest.
    Status,
}

/// An envelope that lapses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lapsing {
    pub(crate) expires: Timestamp,
    pub(crate) key: EnvelopeKey,
}

/// The segment that a row's key ends in.
pub(crate) fn segment_of(key: &[u8]) -> Option<u64> {
    key.last_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

/// A key that begins so, of a segment.
pub(crate) fn in_segment(prefix: &[u8], segment: u64) -> Bytes {
    let mut to = Writer::default();
    to.raw(prefix);
    to.raw(&segment.to_be_bytes());
    to.into_bytes()
}

fn with_envelope(letter: u8, key: EnvelopeKey) -> Bytes {
    let mut to = Writer::default();
    to.u8(letter);
    to.key(key);
    to.into_bytes()
}

/// What the keys of an envelope's [`AnswerRow`]s begin with.
pub(crate) fn answer_prefix(key: EnvelopeKey) -> Bytes {
    with_envelope(b'e', key)
}

/// What the keys of an envelope's settlements begin with.
pub(crate) fn settled_prefix(key: EnvelopeKey) -> Bytes {
    with_envelope(b's', key)
}

/// What the keys of all runs of an inbox begin with.
pub(crate) fn inbox_prefix(agency: AgencyId) -> Bytes {
    let mut to = Writer::default();
    to.u8(b'i');
    to.agency(agency);
    to.into_bytes()
}

/// What the keys of the runs of an inbox begin with that begin at a sequence.
pub(crate) fn run_prefix(agency: AgencyId, first: Sequence) -> Bytes {
    let mut to = Writer::default();
    to.raw(&inbox_prefix(agency));
    to.raw(&first.value().to_be_bytes());
    to.into_bytes()
}

/// The sequence at which the run of a key begins.
pub(crate) fn run_begins(key: &[u8]) -> Option<u64> {
    let first = key.get(17..)?.first_chunk()?;
    Some(u64::from_be_bytes(*first))
}

/// What the keys of the rows begin with that tell where a status was placed.
pub(crate) fn posted_prefix(addressee: AgencyId, status: Digest) -> Bytes {
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

/// What the key of the row begins with that says that an envelope's payload has a file:
/// with the envelope, since others may name the same file.
pub(crate) fn file_of_prefix(payload: Digest, key: EnvelopeKey) -> Bytes {
    let mut to = Writer::default();
    to.raw(&file_prefix(payload));
    to.key(key);
    to.into_bytes()
}

/// What the keys begin with of the envelopes that lapse in an hour.
pub(crate) fn lapse_prefix(hour: u64) -> Bytes {
    let mut to = Writer::default();
    to.u8(b'd');
    to.raw(&hour.to_be_bytes());
    to.into_bytes()
}

impl Locator {
    fn write(self, to: &mut Writer) {
        to.u64(self.offset);
        to.u32(self.length);
        to.u64(self.bulk);
    }

    fn read(from: &mut Reader, segment: u64) -> Result<Self, Malformed> {
        Ok(Self {
            segment,
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
        to.u64(self.expires.as_unix());
        to.count(self.recipients.len());
        for (agency, sequence) in &self.recipients {
            to.agency(*agency);
            to.u64(sequence.value());
        }
        to.into_bytes()
    }

    pub(crate) fn decode(bytes: Bytes, segment: u64) -> Result<Self, Malformed> {
        let mut from = Reader::new(bytes);
        let record = Locator::read(&mut from, segment)?;
        let outcome = match from.u8()? {
            0 => Outcome::Accepted,
            1 => Outcome::Refused,
            _ => return Err(Malformed),
        };
        let (envelope, expires) = (from.digest()?, from.time()?);
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
            expires,
            recipients,
        })
    }
}

impl SettledRow {
    /// Bytes of one settlement.
    pub(crate) const SIZE: usize = 16 + 1 + 8 + 20;

    pub(crate) fn encode_all(rows: &[Self]) -> Bytes {
        let mut to = Writer::default();
        for row in rows {
            to.agency(row.recipient);
            to.u8(u8::from(row.by == SettledBy::Expiry));
            to.u64(row.time.as_unix());
            row.record.write(&mut to);
        }
        to.into_bytes()
    }

    pub(crate) fn decode_all(bytes: Bytes, segment: u64) -> Result<Vec<Self>, Malformed> {
        let mut from = Reader::new(bytes);
        let mut rows = Vec::new();
        while !from.is_empty() {
            rows.push(Self {
                recipient: from.agency()?,
                by: match from.u8()? {
                    0 => SettledBy::Receipt,
                    1 => SettledBy::Expiry,
                    _ => return Err(Malformed),
                },
                time: from.time()?,
                record: Locator::read(&mut from, segment)?,
            });
        }
        Ok(rows)
    }
}

impl PostedRow {
    pub(crate) fn encode(&self) -> Bytes {
        let mut to = Writer::default();
        self.record.write(&mut to);
        to.u64(self.sequence.value());
        to.into_bytes()
    }

    pub(crate) fn decode(bytes: Bytes, segment: u64) -> Result<Self, Malformed> {
        let mut from = Reader::new(bytes);
        let row = Self {
            record: Locator::read(&mut from, segment)?,
            sequence: from.sequence()?,
        };
        from.end()?;
        Ok(row)
    }
}

impl ItemRow {
    /// Most bytes of one item in a run.
    pub(crate) const SIZE: usize = 32 + 1 + 32;

    pub(crate) fn encode_run<'a>(items: impl Iterator<Item = &'a Self>) -> Bytes {
        let mut to = Writer::default();
        for item in items {
            to.digest(item.digest);
            match item.about {
                About::Envelope(key) => {
                    to.u8(0);
                    to.key(key);
                }
                About::Settlement(id, recipient) => {
                    to.u8(1);
                    to.raw(&id.to_bytes());
                    to.agency(recipient);
                }
                About::Status => to.u8(2),
            }
        }
        to.into_bytes()
    }

    pub(crate) fn decode_run(bytes: Bytes) -> Result<Vec<Self>, Malformed> {
        let mut from = Reader::new(bytes);
        let mut items = Vec::new();
        while !from.is_empty() {
            items.push(Self {
                digest: from.digest()?,
                about: match from.u8()? {
                    0 => About::Envelope(from.key()?),
                    1 => About::Settlement(from.envelope_id()?, from.agency()?),
                    2 => About::Status,
                    _ => return Err(Malformed),
                },
            });
        }
        Ok(items)
    }
}

impl Lapsing {
    /// Bytes of one envelope.
    pub(crate) const SIZE: usize = 8 + 32;

    pub(crate) fn encode_all(lapsing: &[Self]) -> Bytes {
        let mut to = Writer::default();
        for lapsing in lapsing {
            to.u64(lapsing.expires.as_unix());
            to.key(lapsing.key);
        }
        to.into_bytes()
    }

    pub(crate) fn decode_all(bytes: Bytes) -> Result<Vec<Self>, Malformed> {
        let mut from = Reader::new(bytes);
        let mut lapsing = Vec::new();
        while !from.is_empty() {
            lapsing.push(Self {
                expires: from.time()?,
                key: from.key()?,
            });
        }
        Ok(lapsing)
    }
}
