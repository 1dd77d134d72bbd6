//! Records: the facts of a batch, one for each thing that was decided.
//!
//! In a frame a record is its length (u32), the CRC-32 of its body and the body, so that
//! it can be read and checked by itself. What is large, payloads and wraps, stands in
//! the frame's bulk, in the order of the records; a record knows the lengths.

use bytes::Bytes;
use consign_domain::document::Urgency;
use consign_domain::limits::MAX_RECIPIENTS;
use consign_domain::statement::Placement;
use consign_domain::{
    AgencyId, Digest, DirectoryVersion, EnvelopeKey, Sequence, SignedStatement, Timestamp,
};

use crate::codec::{Malformed, Reader, Writer};
use crate::types::{DirectoryNote, SettledBy};

/// Bytes before a record's body.
pub(crate) const RECORD_HEADER: usize = 8;

/// Most bytes of one body: an acceptance with 1,000 recipients has a tenth of it.
pub(crate) const MAX_RECORD: usize = 2 << 20;

/// The kind of a record that was carried forward; its own kind follows.
const CARRIED: u8 = 8;

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    Accepted(Box<AcceptedRecord>),
    Refused(RefusedRecord),
    Settled(SettledRecord),
    Status(StatusRecord),
    Collected {
        agency: AgencyId,
        through: Sequence,
    },
    Directory(DirectoryNote),
    /// One of an older segment, brought forward: it gives no new places.
    Carried(Box<Record>),
    /// All in a segment that counts was carried forward: its file goes.
    Removed {
        segment: u64,
    },
    /// Every delivery that lapsed before the end of an hour is settled.
    Swept {
        hour: u64,
    },
}

/// An envelope was refused, finally.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RefusedRecord {
    pub(crate) key: EnvelopeKey,
    pub(crate) digest: Digest,
    /// Until when the envelope would have been good.
    pub(crate) expires: Timestamp,
    pub(crate) evidence: SignedStatement,
}

/// An envelope was taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AcceptedRecord {
    pub(crate) key: EnvelopeKey,
    pub(crate) digest: Digest,
    pub(crate) accepted: Timestamp,
    pub(crate) expires: Timestamp,
    pub(crate) urgency: Urgency,
    pub(crate) envelope: SignedStatement,
    pub(crate) acceptance: SignedStatement,
    pub(crate) recipients: Vec<Placement>,
    pub(crate) payload: PayloadFact,
    /// The length of each wrap; the bulk has them after the payload.
    pub(crate) wraps: Vec<u16>,
    /// The CRC-32 of all wraps.
    pub(crate) wraps_crc: u32,
}

/// Where a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PayloadFact {
    /// First in the record's bulk.
    Bulk { size: u32, crc: u32 },
    /// In a file of its own, named by its digest.
    File { size: u64, digest: Digest },
    /// It was let go, with the wraps: every delivery is settled, and long enough ago.
    Gone { size: u64 },
}

/// A delivery was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SettledRecord {
    pub(crate) by: SettledBy,
    pub(crate) key: EnvelopeKey,
    pub(crate) recipient: AgencyId,
    /// When, by the store's clock.
    pub(crate) time: Timestamp,
    pub(crate) statement: SignedStatement,
    pub(crate) digest: Digest,
    /// The statement's place in the sender's inbox.
    pub(crate) sequence: Sequence,
}

/// A business status was placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatusRecord {
    pub(crate) key: EnvelopeKey,
    pub(crate) addressee: AgencyId,
    pub(crate) statement: SignedStatement,
    pub(crate) text: Bytes,
    pub(crate) digest: Digest,
    /// The place in the addressee's inbox.
    pub(crate) sequence: Sequence,
}

impl PayloadFact {
    pub(crate) const fn size(self) -> u64 {
        match self {
            Self::Bulk { size, .. } => size as u64,
            Self::File { size, .. } | Self::Gone { size } => size,
        }
    }

    /// Bytes in the record's bulk.
    pub(crate) const fn bulk(self) -> u64 {
        match self {
            Self::Bulk { size, .. } => size as u64,
            Self::File { .. } | Self::Gone { .. } => 0,
        }
    }
}

impl Record {
    /// The record as it stands in a frame.
    pub(crate) fn encode(&self) -> Bytes {
        let mut body = Writer::default();
        self.write(&mut body);
        let body = body.into_bytes();
        let mut whole = Writer::default();
        whole.u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
        whole.u32(crc32fast::hash(&body));
        whole.raw(&body);
        whole.into_bytes()
    }

    /// Bytes that the record has in its frame's bulk.
    pub(crate) fn bulk(&self) -> u64 {
        match self {
            Self::Accepted(accepted) => accepted.payload.bulk() + self.wraps(),
            Self::Carried(inner) => inner.bulk(),
            _ => 0,
        }
    }

    /// The bytes of its wraps, which stand last in its bulk.
    pub(crate) fn wraps(&self) -> u64 {
        match self {
            Self::Accepted(accepted) => accepted.wraps.iter().copied().map(u64::from).sum(),
            Self::Carried(inner) => inner.wraps(),
            _ => 0,
        }
    }

    /// The record, without a word of its having been carried forward.
    pub(crate) fn plain(self) -> Self {
        match self {
            Self::Carried(record) => *record,
            record => record,
        }
    }

    /// Whether these are the bytes that the record has in its frame's bulk.
    pub(crate) fn bulk_is(&self, bulk: &[u8]) -> bool {
        let Self::Accepted(accepted) = self else {
            return bulk.is_empty();
        };
        let payload = usize::try_from(accepted.payload.bulk()).unwrap_or(usize::MAX);
        let Some((payload, wraps)) = bulk.split_at_checked(payload) else {
            return false;
        };
        let whole = match accepted.payload {
            PayloadFact::Bulk { crc, .. } => crc32fast::hash(payload) == crc,
            PayloadFact::File { .. } | PayloadFact::Gone { .. } => true,
        };
        whole && crc32fast::hash(wraps) == accepted.wraps_crc
    }

    /// The next record of a frame's facts, with the length of its body.
    pub(crate) fn next(facts: &mut Reader) -> Result<(Self, usize), Malformed> {
        let length = usize::try_from(facts.u32()?).map_err(|_| Malformed)?;
        let crc = facts.u32()?;
        let body = facts.take(length)?;
        Ok((Self::decode(crc, body)?, length))
    }

    /// A body with its sum.
    pub(crate) fn decode(crc: u32, body: Bytes) -> Result<Self, Malformed> {
        if body.len() > MAX_RECORD || crc32fast::hash(&body) != crc {
            return Err(Malformed);
        }
        let mut body = Reader::new(body);
        let record = Self::read(&mut body)?;
        body.end()?;
        Ok(record)
    }

    fn write(&self, to: &mut Writer) {
        match self {
            Self::Accepted(accepted) => accepted.write(to),
            Self::Refused(refused) => {
                to.u8(2);
                to.key(refused.key);
                to.digest(refused.digest);
                to.u64(refused.expires.as_unix());
                to.statement(&refused.evidence);
            }
            Self::Settled(settled) => settled.write(to),
            Self::Status(status) => status.write(to),
            Self::Collected { agency, through } => {
                to.u8(6);
                to.agency(*agency);
                to.u64(through.value());
            }
            Self::Directory(note) => {
                to.u8(7);
                to.u64(note.version.value());
                to.digest(note.head);
            }
            Self::Carried(inner) => {
                to.u8(CARRIED);
                inner.write(to);
            }
            Self::Removed { segment } => {
                to.u8(9);
                to.u64(*segment);
            }
            Self::Swept { hour } => {
                to.u8(10);
                to.u64(*hour);
            }
        }
    }

    fn read(from: &mut Reader) -> Result<Self, Malformed> {
        match from.u8()? {
            CARRIED => match from.u8()? {
                // One level, so that no bytes can make us go deep.
                kind @ 1..=5 => Ok(Self::Carried(Box::new(Self::read_kind(kind, from)?))),
                _ => Err(Malformed),
            },
            kind => Self::read_kind(kind, from),
        }
    }

    fn read_kind(kind: u8, from: &mut Reader) -> Result<Self, Malformed> {
        match kind {
            1 => Ok(Self::Accepted(Box::new(AcceptedRecord::read(from)?))),
            2 => Ok(Self::Refused(RefusedRecord {
                key: from.key()?,
                digest: from.digest()?,
                expires: from.time()?,
                evidence: from.statement()?,
            })),
            3 => SettledRecord::read(from, SettledBy::Receipt).map(Self::Settled),
            4 => SettledRecord::read(from, SettledBy::Expiry).map(Self::Settled),
            5 => StatusRecord::read(from).map(Self::Status),
            6 => Ok(Self::Collected {
                agency: from.agency()?,
                through: from.sequence()?,
            }),
            7 => Ok(Self::Directory(DirectoryNote {
                version: DirectoryVersion::new(from.u64()?).map_err(|_| Malformed)?,
                head: from.digest()?,
            })),
            9 => Ok(Self::Removed {
                segment: from.u64()?,
            }),
            10 => Ok(Self::Swept { hour: from.u64()? }),
            _ => Err(Malformed),
        }
    }
}

impl AcceptedRecord {
    fn write(&self, to: &mut Writer) {
        to.u8(1);
        to.key(self.key);
        to.digest(self.digest);
        to.u64(self.accepted.as_unix());
        to.u64(self.expires.as_unix());
        to.u8(self.urgency.value());
        to.statement(&self.envelope);
        to.statement(&self.acceptance);
        to.count(self.recipients.len());
        for place in &self.recipients {
            to.agency(place.id);
            to.code(&place.code);
            to.u64(place.sequence.value());
        }
        match self.payload {
            PayloadFact::Bulk { size, crc } => {
                to.u8(0);
                to.u32(size);
                to.u32(crc);
            }
            PayloadFact::File { size, digest } => {
                to.u8(1);
                to.u64(size);
                to.digest(digest);
            }
            PayloadFact::Gone { size } => {
                to.u8(2);
                to.u64(size);
            }
        }
        to.count(self.wraps.len());
        for length in &self.wraps {
            to.u16(*length);
        }
        to.u32(self.wraps_crc);
    }

    fn read(from: &mut Reader) -> Result<Self, Malformed> {
        let key = from.key()?;
        let digest = from.digest()?;
        let (accepted, expires) = (from.time()?, from.time()?);
        let urgency = Urgency::from_value(from.u8()?.into()).ok_or(Malformed)?;
        let (envelope, acceptance) = (from.statement()?, from.statement()?);
        let count = from.count(28)?;
        if count > MAX_RECIPIENTS {
            return Err(Malformed);
        }
        let mut recipients = Vec::with_capacity(count);
        for _ in 0..count {
            recipients.push(Placement {
                id: from.agency()?,
                code: from.code()?,
                sequence: from.sequence()?,
            });
        }
        let payload = match from.u8()? {
            0 => PayloadFact::Bulk {
                size: from.u32()?,
                crc: from.u32()?,
            },
            1 => PayloadFact::File {
                size: from.u64()?,
                digest: from.digest()?,
            },
            2 => PayloadFact::Gone { size: from.u64()? },
            _ => return Err(Malformed),
        };
        let count = from.count(2)?;
        let wraps = (0..count).map(|_| from.u16()).collect::<Result<_, _>>()?;
        let wraps_crc = from.u32()?;
        Ok(Self {
            key,
            digest,
            accepted,
            expires,
            urgency,
            envelope,
            acceptance,
            recipients,
            payload,
            wraps,
            wraps_crc,
        })
    }
}

impl SettledRecord {
    fn write(&self, to: &mut Writer) {
        to.u8(match self.by {
            SettledBy::Receipt => 3,
            SettledBy::Expiry => 4,
        });
        to.key(self.key);
        to.agency(self.recipient);
        to.u64(self.time.as_unix());
        to.u64(self.sequence.value());
        to.digest(self.digest);
        to.statement(&self.statement);
    }

    fn read(from: &mut Reader, by: SettledBy) -> Result<Self, Malformed> {
        Ok(Self {
            by,
            key: from.key()?,
            recipient: from.agency()?,
            time: from.time()?,
            sequence: from.sequence()?,
            digest: from.digest()?,
            statement: from.statement()?,
        })
    }
}

impl StatusRecord {
    fn write(&self, to: &mut Writer) {
        to.u8(5);
        to.key(self.key);
        to.agency(self.addressee);
        to.u64(self.sequence.value());
        to.digest(self.digest);
        to.statement(&self.statement);
        to.blob(&self.text);
    }

    fn read(from: &mut Reader) -> Result<Self, Malformed> {
        Ok(Self {
            key: from.key()?,
            addressee: from.agency()?,
            sequence: from.sequence()?,
            digest: from.digest()?,
            statement: from.statement()?,
            text: from.blob()?,
        })
    }
}
