//! What a simulated node does while the clock runs.
//!
//! It keeps its share of documents under way and sends the next one when one is done: in the
//! first phase when the hub's acceptance is there, in the second when the receipts of all its
//! recipients have come back as evidence. As a recipient it checks that an item is what was sent,
//! to the byte, signs for it, and checks that the wrap released is the one that was sealed.
//! Acceptances are matched to their calls; their signatures are not verified.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use consign_domain::statement::{EnvelopeRef, Event, Evidence, Party, Placement, Statement as _};
use consign_domain::{Digest, Sequence};
use consign_proto::v1::collect_reply::Message as Heard;
use consign_proto::v1::submit_reply::Outcome;
use consign_proto::v1::{self, item::Content};
use consign_runtime::shutdown::Shutdown;

use super::BenchError;
use super::ground::{Ground, Participant};
use super::link::{Collecting, Link};
use super::sealing::{Document, Documents, Place};

const ACCEPTED: &[u8] = br#""event":"SubmissionAcceptance""#;
const DIGEST: &[u8] = br#""sha256":""#;

/// What all nodes of a phase share.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) ground: Arc<Ground>,
    pub(crate) documents: Arc<Documents>,
    /// From then on nothing is sent any more, and nothing counted.
    deadline: Option<Instant>,
    /// Whether a node waits to be told before it sends the next document.
    by_hand: bool,
    /// Documents that are not settled, and receipts that no wrap has come for.
    pub(crate) under_way: AtomicUsize,
    /// Nodes that may still send.
    sending: AtomicUsize,
    /// Documents done, for whoever watches.
    pub(crate) done: AtomicU64,
    /// Triggered when nobody sends any more and nothing is under way.
    pub(crate) idle: Shutdown,
}

impl Field {
    /// For so many nodes that send; they send until there are no more documents.
    pub(crate) fn new(ground: &Arc<Ground>, documents: &Arc<Documents>, sending: usize) -> Self {
        Self {
            ground: Arc::clone(ground),
            documents: Arc::clone(documents),
            deadline: None,
            by_hand: false,
            under_way: AtomicUsize::new(0),
            sending: AtomicUsize::new(sending),
            done: AtomicU64::new(0),
            idle: Shutdown::new(),
        }
    }

    /// They send and count up to a moment.
    pub(crate) fn until(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// They send when they are told.
    pub(crate) const fn by_hand(mut self) -> Self {
        self.by_hand = true;
        self
    }

    fn is_over(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| now >= deadline)
    }

    fn rest_if_done(&self) {
        let quiet = |count: &AtomicUsize| count.load(Ordering::SeqCst) == 0;
        if quiet(&self.sending) && quiet(&self.under_way) {
            self.idle.trigger();
        }
    }
}

/// What a node counted up to the deadline. Latencies are in microseconds.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Documents that the hub accepted.
    pub(crate) accepted: u64,
    /// Items that came to a recipient.
    pub(crate) delivered: u64,
    /// Documents whose evidence is complete.
    pub(crate) settled: u64,
    /// From submission to acceptance.
    pub(crate) accept: Vec<u32>,
    /// From submission to the last recipient's evidence.
    pub(crate) settle: Vec<u32>,
}

/// A document under way.
#[derive(Debug, Clone, Copy)]
struct Flying {
    index: usize,
    begun: Instant,
    accepted: bool,
    /// Receipts that have not come back yet.
    missing: usize,
}

/// A simulated node.
#[derive(Debug)]
pub(crate) struct Node {
    field: Arc<Field>,
    number: usize,
    link: Link,
    collecting: Option<Collecting>,
    next: usize,
    sends: bool,
    flying: Vec<Option<Flying>>,
    /// Receipts that are not answered yet, by the envelope's id.
    receipts: HashMap<Bytes, Place>,
    done: u64,
    tally: Tally,
}

impl Node {
    /// A node that has connected; it collects if it has a stream for that.
    pub(crate) fn new(
        field: Arc<Field>,
        number: usize,
        link: Link,
        collecting: Option<Collecting>,
        window: usize,
    ) -> Self {
        Self {
            next: 0,
            field,
            number,
            link,
            collecting,
            sends: true,
            flying: vec![None; window],
            receipts: HashMap::new(),
            done: 0,
            tally: Tally::default(),
        }
    }

    /// Its number among the participants.
    pub(crate) const fn number(&self) -> usize {
        self.number
    }

    /// Documents that are done.
    pub(crate) const fn done(&self) -> u64 {
        self.done
    }

    /// Whether a slot's document is accepted, or done.
    pub(crate) fn is_accepted(&self, slot: usize) -> bool {
        let flying = self.flying.get(slot).and_then(Option::as_ref);
        flying.is_none_or(|flying| flying.accepted)
    }

    /// Takes up another field with its documents, on the same connection.
    pub(crate) fn begin(&mut self, field: Arc<Field>) {
        self.field = field;
        self.next = 0;
        self.sends = true;
    }

    /// Sends, receives and signs until nothing is under way anywhere any more.
    pub(crate) async fn run(&mut self) -> Result<Tally, BenchError> {
        let idle = self.field.idle.clone();
        if !self.field.by_hand {
            for slot in 0..self.flying.len() {
                self.send(slot)?;
            }
        }
        tokio::select! {
            ended = self.until(|_| false) => ended?,
            () = idle.wait() => {}
        }
        Ok(std::mem::take(&mut self.tally))
    }

    /// Receives and signs until something holds. May be dropped and asked again.
    pub(crate) async fn until(
        &mut self,
        holds: impl Fn(&Self) -> bool + Send,
    ) -> Result<(), BenchError> {
        while !holds(self) {
            tokio::select! {
                reply = self.link.reply() => self.answered(reply?)?,
                heard = hear(&mut self.collecting) => self.heard(heard?)?,
            }
        }
        Ok(())
    }

    /// Fills a slot with the next document, unless the time is over or there is none.
    pub(crate) fn send(&mut self, slot: usize) -> Result<(), BenchError> {
        let now = Instant::now();
        let documents = self.field.documents.of(self.number);
        let document = documents.get(self.next);
        let Some(document) = document.filter(|_| self.sends && !self.field.is_over(now)) else {
            if std::mem::take(&mut self.sends) {
                self.field.sending.fetch_sub(1, Ordering::SeqCst);
            }
            self.field.rest_if_done();
            return Ok(());
        };
        let missing = match self.collecting {
            Some(_) => document.submission.wraps.len(),
            None => 0,
        };
        let flying = Flying {
            index: self.next,
            begun: now,
            accepted: false,
            missing,
        };
        self.next += 1;
        self.field.under_way.fetch_add(1, Ordering::SeqCst);
        self.link.submit(slot as u64, &document.submission)?;
        if let Some(place) = self.flying.get_mut(slot) {
            *place = Some(flying);
        }
        Ok(())
    }

    fn answered(&mut self, reply: v1::SubmitReply) -> Result<(), BenchError> {
        let slot = usize::try_from(reply.call).unwrap_or(usize::MAX);
        match reply.outcome {
            Some(Outcome::Evidence(evidence)) if holds(&evidence.statement, ACCEPTED) => {}
            Some(Outcome::Fault(fault)) => return Err(refused(fault)),
            _ => {
                return Err(BenchError::Protocol {
                    rule: "a good envelope is accepted",
                });
            }
        }
        let flying = self.flying.get_mut(slot).and_then(Option::as_mut);
        let flying = flying.ok_or(BenchError::Protocol {
            rule: "an answer is to a call",
        })?;
        flying.accepted = true;
        let now = Instant::now();
        if !self.field.is_over(now) {
            self.tally.accepted += 1;
            self.tally.accept.push(micros(flying.begun, now));
        }
        self.end_if_done(slot, now)
    }

    /// Goes on with the next document if the one in a slot is done.
    fn end_if_done(&mut self, slot: usize, now: Instant) -> Result<(), BenchError> {
        let place = self.flying.get_mut(slot);
        let Some(done) =
            place.and_then(|place| place.take_if(|flying| flying.accepted && flying.missing == 0))
        else {
            return Ok(());
        };
        if self.collecting.is_some() && !self.field.is_over(now) {
            self.tally.settled += 1;
            self.tally.settle.push(micros(done.begun, now));
        }
        self.done += 1;
        self.field.done.fetch_add(1, Ordering::SeqCst);
        self.field.under_way.fetch_sub(1, Ordering::SeqCst);
        if self.field.by_hand {
            Ok(())
        } else {
            self.send(slot)
        }
    }

    fn heard(&mut self, heard: Heard) -> Result<(), BenchError> {
        match heard {
            Heard::Item(item) => self.item(&item),
            Heard::Release(release) => self.released(&release),
            Heard::Refusal(refusal) => Err(refused(refusal.fault.unwrap_or_default())),
            Heard::Directory(_) => Ok(()),
            Heard::Welcome(_) | Heard::Drain(_) => Err(BenchError::Protocol {
                rule: "a hub that nobody stops goes on",
            }),
        }
    }

    fn item(&mut self, item: &v1::Item) -> Result<(), BenchError> {
        if let Some(collecting) = &mut self.collecting {
            collecting.stored(item)?;
        }
        match &item.content {
            Some(Content::Envelope(envelope)) => self.envelope(item.sequence, envelope),
            Some(Content::Evidence(evidence)) => self.evidence(evidence),
            _ => Err(BenchError::Protocol {
                rule: "nobody sends anything but envelopes and receipts",
            }),
        }
    }

    /// Checks what came against what was sent, and signs for it.
    fn envelope(&mut self, sequence: u64, item: &v1::EnvelopeItem) -> Result<(), BenchError> {
        let field = Arc::clone(&self.field);
        let statement = item.envelope.as_ref().map(|signed| &signed.statement);
        let digest = statement.map(|statement| Digest::of(statement));
        let found = digest.and_then(|digest| field.documents.find(&digest));
        let (place, document) = found.ok_or(UNKNOWN)?;
        let sent = field.documents.payload(place.sender as usize);
        if sent.is_none() || item.payload.as_ref() != sent {
            return Err(BenchError::Protocol {
                rule: "a payload arrives as it was sent",
            });
        }
        if !field.is_over(Instant::now()) {
            self.tally.delivered += 1;
        }
        let own = field.ground.participants.get(self.number).ok_or(UNKNOWN)?;
        let sender = field.ground.participants.get(place.sender as usize);
        let sender = sender.ok_or(UNKNOWN)?;
        let receipt = receipt(&field.ground, own, sender, document, sequence)?;
        let id = Bytes::copy_from_slice(&document.id.to_bytes());
        if self.receipts.insert(id, place).is_some() {
            return Err(BenchError::Protocol {
                rule: "an envelope comes once",
            });
        }
        self.field.under_way.fetch_add(1, Ordering::SeqCst);
        match &self.collecting {
            Some(collecting) => collecting.receipt(receipt),
            None => Ok(()),
        }
    }

    /// A receipt has been settled, and the wrap is there.
    fn released(&mut self, release: &v1::Release) -> Result<(), BenchError> {
        let id = release.envelope.as_ref().map(|key| &key.id);
        let place = id.and_then(|id| self.receipts.remove(id)).ok_or(UNKNOWN)?;
        let documents = self.field.documents.of(place.sender as usize);
        let sealed = documents.get(place.index as usize).and_then(|document| {
            let index = usize::try_from(release.index).ok()?;
            document.submission.wraps.get(index)
        });
        if sealed != Some(&release.wrap) {
            return Err(BenchError::Protocol {
                rule: "the wrap released is the one that was sealed",
            });
        }
        self.field.under_way.fetch_sub(1, Ordering::SeqCst);
        self.field.rest_if_done();
        Ok(())
    }

    /// A recipient's receipt for one of our documents.
    fn evidence(&mut self, evidence: &v1::SignedStatement) -> Result<(), BenchError> {
        let digest = envelope_digest(&evidence.statement).ok_or(UNKNOWN)?;
        let (place, _) = self.field.documents.find(&digest).ok_or(UNKNOWN)?;
        let index = place.index as usize;
        let mut flying = self.flying.iter_mut().enumerate();
        let found = flying.find_map(|(slot, flying)| {
            let flying = flying.as_mut().filter(|flying| flying.index == index)?;
            Some((slot, flying))
        });
        let (slot, flying) = found
            .filter(|_| place.sender as usize == self.number)
            .ok_or(UNKNOWN)?;
        flying.missing = flying.missing.checked_sub(1).ok_or(UNKNOWN)?;
        self.end_if_done(slot, Instant::now())
    }
}

const UNKNOWN: BenchError = BenchError::Protocol {
    rule: "nothing comes but what was sent, and nothing twice",
};

async fn hear(collecting: &mut Option<Collecting>) -> Result<Heard, BenchError> {
    match collecting {
        Some(collecting) => collecting.next().await,
        None => pending().await,
    }
}

/// A ContentHandover, signed.
pub(crate) fn receipt(
    ground: &Ground,
    own: &Participant,
    sender: &Participant,
    document: &Document,
    sequence: u64,
) -> Result<v1::SignedStatement, BenchError> {
    let reference = EnvelopeRef {
        sender: Party {
            id: sender.id,
            code: sender.code.clone(),
        },
        id: document.id,
        sha256: document.digest,
    };
    let mut receipt = Evidence::new(
        ground.network,
        own.signer.clone(),
        ground.now(),
        Event::ContentHandover,
        ground.hub,
        reference,
    );
    receipt.content = Some(document.content);
    receipt.placements = vec![Placement {
        id: own.id,
        code: own.code.clone(),
        sequence: Sequence::new(sequence)?,
    }];
    let statement = receipt.to_bytes();
    let signature = Bytes::copy_from_slice(&own.key.sign(&statement));
    Ok(v1::SignedStatement {
        statement,
        signature,
    })
}

fn refused(fault: v1::Fault) -> BenchError {
    BenchError::Refused {
        code: fault.code,
        message: fault.message,
    }
}

fn micros(begun: Instant, now: Instant) -> u32 {
    u32::try_from(now.duration_since(begun).as_micros()).unwrap_or(u32::MAX)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|part| part == wanted)
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    find(bytes, wanted).is_some()
}

/// The digest of the envelope that a piece of evidence is about, without reading all of it: the
/// only field of that name.
fn envelope_digest(evidence: &[u8]) -> Option<Digest> {
    let start = find(evidence, DIGEST)? + DIGEST.len();
    let text = evidence.get(start..start + 64)?;
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_the_envelope_is_found_in_evidence() {
        let digest = Digest::of(b"envelope");
        let text = format!(r#"{{"a":1,"envelope":{{"id":"x","sha256":"{digest}"}}}}"#);
        assert_eq!(envelope_digest(text.as_bytes()), Some(digest));
        assert_eq!(envelope_digest(br#"{"sha256":"00"}"#), None);
        assert_eq!(envelope_digest(b""), None);
    }
}
