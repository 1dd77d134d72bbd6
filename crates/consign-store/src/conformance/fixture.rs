//! Agencies, envelopes and receipts that a store takes: it never looks into statements,
//! so these are words with the right frame and no signature.

use std::sync::Arc;

use bytes::Bytes;
use consign_domain::document::Urgency;
use consign_domain::{
    AgencyCode, AgencyId, Digest, EnvelopeId, EnvelopeKey, Sequence, SignedStatement, Timestamp,
};

use crate::error::StoreError;
use crate::payload::Upload;
use crate::store::{Clock, Store};
use crate::types::{Expiry, PayloadIn, Placements, Receipt, Refusal, StatusPost, Submission};

/// A clock that stands still.
pub fn clock() -> Clock {
    Arc::new(|| Timestamp::from_unix_saturating(1_795_400_000))
}

/// An agency by its number, at least 1.
pub fn agency(number: u32) -> AgencyId {
    let mut bytes = [0xa0; 16];
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    AgencyId::from_bytes(bytes).unwrap()
}

/// An agency's code.
pub fn code(number: u32) -> AgencyCode {
    AgencyCode::lenient(&format!("H49.{number:03}")).unwrap()
}

/// An envelope's identity by numbers of its sender and id.
pub fn key(sender: u32, id: u32) -> EnvelopeKey {
    let mut bytes = [0; 16];
    bytes[6] = 0x70;
    bytes[8] = 0x80;
    bytes[12..].copy_from_slice(&id.to_be_bytes());
    EnvelopeKey {
        sender: agency(sender),
        id: EnvelopeId::from_bytes(bytes).unwrap(),
    }
}

/// A statement of these words.
pub fn statement(words: &str) -> SignedStatement {
    SignedStatement {
        statement: Bytes::from(words.to_owned()),
        signature: [7; 64],
    }
}

/// An envelope statement.
pub fn envelope(sender: u32, id: u32) -> SignedStatement {
    statement(&format!("envelope {id} of {sender}"))
}

/// The acceptance that [`submission`] signs, for recipients at their places.
pub fn acceptance(key: EnvelopeKey, places: &[(u32, u64)]) -> SignedStatement {
    let places = places.iter().map(|(number, at)| (code(*number), *at));
    let places: Vec<_> = places.map(|(code, at)| format!("{code}:{at}")).collect();
    statement(&format!("acceptance of {key} at {}", places.join(" ")))
}

fn seal(key: EnvelopeKey, placements: &Placements) -> SignedStatement {
    let places = placements.recipients.iter();
    let places: Vec<_> = places
        .map(|place| format!("{}:{}", place.code, place.sequence))
        .collect();
    statement(&format!("acceptance of {key} at {}", places.join(" ")))
}

/// A payload, different for each envelope.
pub fn payload(sender: u32, id: u32) -> Bytes {
    let word = format!("payload {id} of {sender} ");
    let length = 40 + (id as usize * 37) % 200;
    Bytes::from(word.repeat(length.div_ceil(word.len())))
}

/// The upload of a payload for an envelope.
pub fn upload(sender: u32, id: u32, payload: &[u8]) -> Upload {
    Upload {
        key: key(sender, id),
        digest: Digest::of(payload),
        size: payload.len() as u64,
        expires: Timestamp::from_unix_saturating(1_797_000_000),
    }
}

/// Stages a payload whole and makes it ready to be submitted.
pub fn stage(store: &dyn Store, sender: u32, id: u32, payload: &[u8]) -> PayloadIn {
    let mut stage = loop {
        // Whoever was at it a moment ago may not have let go yet.
        match store.stage(upload(sender, id, payload)) {
            Err(StoreError::Busy) => std::thread::yield_now(),
            stage => break stage.unwrap(),
        }
    };
    let written = usize::try_from(stage.written()).unwrap();
    for piece in payload[written..].chunks(100_000) {
        stage.write(piece).unwrap();
    }
    let staged = stage.finish().unwrap();
    store.place(&staged).unwrap();
    PayloadIn::Staged(staged)
}

/// A submission to some recipients.
pub fn submission(sender: u32, id: u32, recipients: &[u32]) -> Submission {
    let (key, envelope) = (key(sender, id), envelope(sender, id));
    let wrap = |recipient: &u32| Bytes::from(format!("wrap of {id} for {recipient}"));
    Submission {
        key,
        digest: envelope.digest(),
        envelope,
        recipients: recipients
            .iter()
            .map(|number| (agency(*number), code(*number)))
            .collect(),
        urgency: Urgency::Urgent,
        expires: Timestamp::from_unix_saturating(1_797_000_000),
        wraps: recipients.iter().map(wrap).collect(),
        payload: PayloadIn::Inline(payload(sender, id)),
        seal: Box::new(move |placements| Ok(seal(key, placements))),
    }
}

/// A refusal of the envelope that [`submission`] would send.
pub fn refusal(sender: u32, id: u32) -> Refusal {
    Refusal {
        key: key(sender, id),
        digest: envelope(sender, id).digest(),
        expires: Timestamp::from_unix_saturating(1_797_000_000),
        evidence: statement(&format!("refusal of {id} of {sender}")),
    }
}

/// A recipient's receipt for an envelope at a place of its inbox.
pub fn receipt(sender: u32, id: u32, recipient: u32, sequence: u64) -> Receipt {
    Receipt {
        key: key(sender, id),
        recipient: agency(recipient),
        sequence: Sequence::new(sequence).unwrap(),
        envelope: envelope(sender, id).digest(),
        statement: statement(&format!("receipt of {id} of {sender} by {recipient}")),
    }
}

/// The hub's word that a recipient did not collect.
pub fn expiry(sender: u32, id: u32, recipient: u32) -> Expiry {
    Expiry {
        key: key(sender, id),
        recipient: agency(recipient),
        statement: statement(&format!("expiry of {id} of {sender} for {recipient}")),
    }
}

/// A status about an envelope, to one of its sides.
pub fn status(sender: u32, id: u32, addressee: u32, word: &str) -> StatusPost {
    StatusPost {
        key: key(sender, id),
        addressee: agency(addressee),
        statement: statement(&format!("status {word} of {id} of {sender}")),
        text: Bytes::from(format!("text of {word}")),
    }
}

/// The digest of an envelope statement.
pub fn digest(sender: u32, id: u32) -> Digest {
    envelope(sender, id).digest()
}

/// Numbers that are the same for the same seed (SplitMix64).
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    /// A number below a bound, which is not 0.
    pub const fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// A small number below a bound.
    pub fn small(&mut self, bound: u32) -> u32 {
        u32::try_from(self.below(bound.into())).unwrap()
    }

    /// A place below a bound.
    pub fn place(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).unwrap()
    }
}
