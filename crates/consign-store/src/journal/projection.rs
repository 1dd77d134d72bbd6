//! What a segment's records come to: looked up while the segment is open or waits for the
//! index, and its rows once it is full.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;

use bytes::Bytes;
use consign_domain::{AgencyId, Digest, EnvelopeKey, Sequence};

use super::record::{AcceptedRecord, PayloadFact, Record, SettledRecord};
use super::rows::{
    self, About, AnswerRow, ItemRow, Lapsing, Locator, PostedRow, Row, SettledRow, hour_of,
    in_segment,
};
use crate::types::Outcome;

/// Most items in one row: a row's value stays far below the size that sled does not sync.
pub(crate) const RUN: usize = 256;
/// Most envelopes in one row of those that lapse.
const LAPSING: usize = 1_024;

/// Bytes of a row in a footer beyond key and value.
const FRAMING: u64 = 6;

/// The records of one segment, as they are looked for.
#[derive(Debug, Default)]
pub(crate) struct Projection {
    answers: HashMap<EnvelopeKey, AnswerRow>,
    settled: HashMap<EnvelopeKey, Vec<SettledRow>>,
    items: HashMap<AgencyId, BTreeMap<Sequence, ItemRow>>,
    posted: HashMap<(AgencyId, Digest), PostedRow>,
    files: BTreeSet<(Digest, EnvelopeKey)>,
    lapsing: BTreeMap<u64, Vec<Lapsing>>,
    size: u64,
}

impl Projection {
    /// Takes a record in.
    pub(crate) fn add(&mut self, record: &Record, place: Locator) {
        self.size += estimate(record);
        self.sort_in(record, place);
    }

    fn sort_in(&mut self, record: &Record, place: Locator) {
        match record {
            Record::Accepted(accepted) => self.add_accepted(accepted, place),
            Record::Refused(refused) => {
                let row = AnswerRow {
                    record: place,
                    outcome: Outcome::Refused,
                    envelope: refused.digest,
                    expires: refused.expires,
                    recipients: Vec::new(),
                };
                self.answers.insert(refused.key, row);
            }
            Record::Settled(settled) => self.add_settled(settled, place),
            Record::Status(status) => {
                let about = About::Status;
                self.item(status.addressee, status.sequence, status.digest, about);
                let row = PostedRow {
                    record: place,
                    sequence: status.sequence,
                };
                self.posted.insert((status.addressee, status.digest), row);
            }
            Record::Carried(inner) => self.sort_in(inner, place),
            Record::Collected { .. }
            | Record::Directory(_)
            | Record::Removed { .. }
            | Record::Swept { .. } => {}
        }
    }

    fn add_accepted(&mut self, accepted: &AcceptedRecord, place: Locator) {
        for at in &accepted.recipients {
            let about = About::Envelope(accepted.key);
            self.item(at.id, at.sequence, accepted.digest, about);
        }
        let recipients = accepted.recipients.iter().map(|at| (at.id, at.sequence));
        let row = AnswerRow {
            record: place,
            outcome: Outcome::Accepted,
            envelope: accepted.digest,
            expires: accepted.expires,
            recipients: recipients.collect(),
        };
        self.answers.insert(accepted.key, row);
        if let PayloadFact::File { digest, .. } = accepted.payload {
            self.files.insert((digest, accepted.key));
        }
        let hour = hour_of(accepted.expires);
        self.lapsing.entry(hour).or_default().push(Lapsing {
            expires: accepted.expires,
            key: accepted.key,
        });
    }

    fn add_settled(&mut self, settled: &SettledRecord, place: Locator) {
        let about = About::Settlement(settled.key.id, settled.recipient);
        self.item(settled.key.sender, settled.sequence, settled.digest, about);
        let rows = self.settled.entry(settled.key).or_default();
        // Carried forward into the segment that it is in: the later place counts.
        rows.retain(|row| row.recipient != settled.recipient);
        rows.push(SettledRow {
            recipient: settled.recipient,
            by: settled.by,
            time: settled.time,
            record: place,
        });
    }

    fn item(&mut self, agency: AgencyId, sequence: Sequence, digest: Digest, about: About) {
        let row = ItemRow { digest, about };
        self.items.entry(agency).or_default().insert(sequence, row);
    }

    /// What became of a (sender, id), by this segment.
    pub(crate) fn answer(&self, key: EnvelopeKey) -> Option<&AnswerRow> {
        self.answers.get(&key)
    }

    /// What settled the delivery of an envelope, by this segment.
    pub(crate) fn settled(&self, key: EnvelopeKey) -> &[SettledRow] {
        self.settled.get(&key).map_or(&[], Vec::as_slice)
    }

    /// Where a status was placed, by this segment.
    pub(crate) fn posted(&self, addressee: AgencyId, digest: Digest) -> Option<PostedRow> {
        self.posted.get(&(addressee, digest)).copied()
    }

    /// The items from a place on that follow each other without a gap, `most` at most.
    pub(crate) fn run(&self, agency: AgencyId, from: Sequence, most: usize) -> Vec<ItemRow> {
        let items = self.items.get(&agency).map(|items| items.range(from..));
        let items = items.into_iter().flatten().zip(from.value()..).take(most);
        items
            .take_while(|((sequence, _), expected)| sequence.value() == *expected)
            .map(|((_, item), _)| *item)
            .collect()
    }

    /// The first item of an inbox from a place on.
    pub(crate) fn item_after(&self, agency: AgencyId, at: Sequence) -> Option<Sequence> {
        let mut items = self.items.get(&agency)?.range(at..);
        items.next().map(|(sequence, _)| *sequence)
    }

    /// The envelopes that lapse in the hours up to one.
    pub(crate) fn lapsing(&self, hours: RangeInclusive<u64>) -> Vec<Lapsing> {
        let hours = self.lapsing.range(hours);
        hours.flat_map(|(_, lapsing)| lapsing).copied().collect()
    }

    /// The envelopes whose payload is in a file, with the file.
    pub(crate) fn names_file(&self, payload: Digest) -> Vec<EnvelopeKey> {
        let files = self.files.iter().filter(|(digest, _)| *digest == payload);
        files.map(|(_, key)| *key).collect()
    }

    /// At least the bytes that the rows take in a footer.
    pub(crate) const fn footer_size(&self) -> u64 {
        self.size
    }

    /// The bytes that it takes in memory, about: twice what its rows take.
    pub(crate) const fn memory(&self) -> u64 {
        2 * self.size
    }

    /// The rows of the segment, in the order of their keys.
    pub(crate) fn rows(&self, segment: u64) -> Vec<Row> {
        let mut rows = Vec::with_capacity(self.answers.len() + self.settled.len());
        let mut add = |prefix: &[u8], value: Bytes| {
            let key = in_segment(prefix, segment);
            rows.push(Row { key, value });
        };
        for (key, row) in &self.answers {
            add(&rows::answer_prefix(*key), row.encode());
        }
        for (key, settled) in &self.settled {
            add(&rows::settled_prefix(*key), SettledRow::encode_all(settled));
        }
        for ((addressee, digest), row) in &self.posted {
            add(&rows::posted_prefix(*addressee, *digest), row.encode());
        }
        for (digest, key) in &self.files {
            add(&rows::file_of_prefix(*digest, *key), Bytes::new());
        }
        for (hour, lapsing) in &self.lapsing {
            for (number, lapsing) in (0_u32..).zip(lapsing.chunks(LAPSING)) {
                let mut prefix = rows::lapse_prefix(*hour).to_vec();
                prefix.extend_from_slice(&number.to_be_bytes());
                add(&prefix, Lapsing::encode_all(lapsing));
            }
        }
        for (agency, items) in &self.items {
            for (first, run) in runs(items) {
                let value = ItemRow::encode_run(run.into_iter());
                add(&rows::run_prefix(*agency, first), value);
            }
        }
        rows.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        rows
    }
}

/// Items that follow each other without a gap, a bounded number together.
fn runs(items: &BTreeMap<Sequence, ItemRow>) -> Vec<(Sequence, Vec<&ItemRow>)> {
    let mut runs: Vec<(Sequence, Vec<&ItemRow>)> = Vec::new();
    for (sequence, item) in items {
        match runs.last_mut() {
            Some((first, run))
                if run.len() < RUN && first.value() + run.len() as u64 == sequence.value() =>
            {
                run.push(item);
            }
            _ => runs.push((*sequence, vec![item])),
        }
    }
    runs
}

/// At least the bytes that a record's rows take in a footer.
pub(crate) fn estimate(record: &Record) -> u64 {
    const ITEM: u64 = FRAMING + 33 + ItemRow::SIZE as u64;
    match record {
        Record::Accepted(accepted) => {
            let each = ITEM + 24;
            let file = FRAMING + 73;
            let lapse = FRAMING + 21 + Lapsing::SIZE as u64;
            let answer = FRAMING + 41 + 63;
            answer + lapse + file + each * accepted.recipients.len() as u64
        }
        Record::Refused(_) => FRAMING + 41 + 63,
        Record::Settled(_) => ITEM + FRAMING + 41 + SettledRow::SIZE as u64,
        Record::Status(_) => ITEM + FRAMING + 57 + 28,
        Record::Carried(inner) => estimate(inner),
        Record::Collected { .. }
        | Record::Directory(_)
        | Record::Removed { .. }
        | Record::Swept { .. } => 0,
    }
}
