//! Documents, sealed before any clock starts: encrypted, wrapped, signed, and laid out as the
//! messages that carry them.
//!
//! The payload ciphertext is made once for each sender and used in all its documents; each has
//! an id, wraps, a commitment and a signed envelope of its own. The hub cannot tell: it measures,
//! digests, checks and stores every payload that it gets.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use consign_domain::document::Urgency;
use consign_domain::statement::{
    AgeRecipient, Envelope, EnvelopeFields, PayloadInfo, Recipients, Statement as _,
};
use consign_domain::{Digest, EnvelopeId, Salt};
use consign_log::Tree;
use consign_pki::encryption::{EncryptionError, EncryptionIdentity, encrypt_to, seal_small};
use consign_pki::wrap::WrapPlaintext;
use consign_proto::v1::{self, envelope_submission::Payload};
use consign_runtime::entropy;

use super::ground::{Ground, Participant};
use super::{BenchError, Progress, Watch};

/// What age adds to a plaintext: the header, a nonce, and 16 bytes to each 64 KiB.
const SMALLEST: usize = consign_pki::encryption::HEADER_LENGTH + 16 + 16 + 1;
/// So many documents are sealed between two looks at the progress.
const STRIDE: usize = 256;

/// A sealed document.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) id: EnvelopeId,
    pub(crate) digest: Digest,
    pub(crate) content: Digest,
    pub(crate) payload: Digest,
    pub(crate) submission: v1::EnvelopeSubmission,
}

/// Which document: the sender's number and its place among the sender's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) sender: u32,
    pub(crate) index: u32,
}

/// Digests are evenly spread already.
#[derive(Debug, Default)]
pub(crate) struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 ^= u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _length: usize) {}
}

/// All documents, by sender, and where each is by the digest of its envelope.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    by_sender: Vec<Vec<Document>>,
    payloads: Vec<Bytes>,
    places: HashMap<Digest, Place, BuildHasherDefault<FirstBytes>>,
}

impl Documents {
    /// The documents of one sender.
    pub(crate) fn of(&self, sender: usize) -> &[Document] {
        self.by_sender.get(sender).map_or(&[], Vec::as_slice)
    }

    /// The payload of all of a sender's documents.
    pub(crate) fn payload(&self, sender: usize) -> Option<&Bytes> {
        self.payloads.get(sender)
    }

    /// The document whose envelope has this digest, and whose it is.
    pub(crate) fn find(&self, envelope: &Digest) -> Option<(Place, &Document)> {
        let place = *self.places.get(envelope)?;
        let document = self.of(place.sender as usize).get(place.index as usize)?;
        Some((place, document))
    }
}

/// What is sealed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order {
    /// Documents of each sender.
    pub(crate) each: usize,
    /// How many participants send, from the first on.
    pub(crate) senders: usize,
    /// Recipients of each document: those that follow the sender.
    pub(crate) recipients: usize,
    /// Bytes of the payload's ciphertext.
    pub(crate) size: usize,
}

/// A sender with what all its documents share.
struct Desk<'a> {
    ground: &'a Ground,
    sender: &'a Participant,
    recipients: Vec<&'a Participant>,
    to: Recipients,
    identity: EncryptionIdentity,
    /// `None`: uploaded before.
    payload: Option<Bytes>,
    info: PayloadInfo,
    container: Digest,
}

/// Seals on all processors.
pub(crate) fn seal(
    ground: &Ground,
    order: Order,
    watch: Watch<'_>,
) -> Result<Documents, BenchError> {
    check(ground, order)?;
    let desks = (0..order.senders).map(|sender| Desk::new(ground, sender, order));
    let desks: Vec<Desk<'_>> = desks.collect::<Result<_, _>>()?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let done = AtomicU64::new(0);
    let all = (order.each * order.senders) as u64;
    let shares = std::thread::scope(|scope| {
        let share = |thread: usize| {
            let (desks, done) = (&desks, &done);
            scope.spawn(move || {
                let own = desks.iter().enumerate().skip(thread).step_by(threads);
                own.map(|(number, desk)| {
                    let mut documents = Vec::with_capacity(order.each);
                    while documents.len() < order.each {
                        let count = STRIDE.min(order.each - documents.len());
                        for _ in 0..count {
                            documents.push(desk.seal()?);
                        }
                        let done = done.fetch_add(count as u64, Ordering::Relaxed) + count as u64;
                        watch(Progress {
                            what: "sealing documents",
                            done,
                            all,
                        });
                    }
                    Ok((number, documents))
                })
                .collect::<Result<Vec<_>, BenchError>>()
            })
        };
        let running: Vec<_> = (0..threads).map(share).collect();
        let joined = running.into_iter().map(|thread| thread.join());
        joined
            .map(|ended| ended.map_err(|_| BenchError::Task)?)
            .collect::<Result<Vec<_>, BenchError>>()
    })?;
    let mut sealed: Vec<_> = shares.into_iter().flatten().collect();
    sealed.sort_unstable_by_key(|(number, _)| *number);
    let payloads = desks.iter().filter_map(|desk| desk.payload.clone());
    let payloads = payloads.collect();
    let by_sender = sealed.into_iter().map(|(_, documents)| documents);
    Ok(index(by_sender.collect(), payloads))
}

/// Seals one document, from the first participant to the second, whose payload is uploaded.
pub(crate) fn seal_staged(ground: &Ground, info: PayloadInfo) -> Result<Document, BenchError> {
    let container = info.sha256;
    Desk::at(
        ground,
        0,
        1,
        (None, info, EncryptionIdentity::generate(), container),
    )?
    .seal()
}

fn check(ground: &Ground, order: Order) -> Result<(), BenchError> {
    let rule = |holds: bool, rule| {
        if holds {
            Ok(())
        } else {
            Err(BenchError::Setting { rule })
        }
    };
    let nodes = ground.participants.len();
    rule(
        (1..nodes).contains(&order.recipients),
        "a document has one recipient at least, and none is its sender: fewer than there are nodes",
    )?;
    rule(order.size >= SMALLEST, "an age file has 201 bytes at least")
}

fn index(by_sender: Vec<Vec<Document>>, payloads: Vec<Bytes>) -> Documents {
    let count = by_sender.iter().map(Vec::len).sum();
    let mut places = HashMap::with_capacity_and_hasher(count, BuildHasherDefault::default());
    for (sender, documents) in (0..).zip(&by_sender) {
        for (index, document) in (0..).zip(documents) {
            places.insert(document.digest, Place { sender, index });
        }
    }
    Documents {
        by_sender,
        payloads,
        places,
    }
}

impl<'a> Desk<'a> {
    fn new(ground: &'a Ground, number: usize, order: Order) -> Result<Self, BenchError> {
        let identity = EncryptionIdentity::generate();
        let (payload, container) = payload(&identity, order.size)?;
        let text = AgeRecipient::new(&identity.recipient().to_text());
        let info = PayloadInfo {
            sha256: Digest::of(&payload),
            size: payload.len() as u64,
            recipient: text.ok_or(EncryptionError::InvalidRecipient)?,
        };
        let content = (Some(payload), info, identity, container);
        Self::at(ground, number, order.recipients, content)
    }

    /// With the payload, what the envelope says of it, what opens it, and the container's digest.
    fn at(
        ground: &'a Ground,
        number: usize,
        recipients: usize,
        (payload, info, identity, container): (
            Option<Bytes>,
            PayloadInfo,
            EncryptionIdentity,
            Digest,
        ),
    ) -> Result<Self, BenchError> {
        let nodes = &ground.participants;
        let sender = nodes.get(number).ok_or(BenchError::Setting {
            rule: "only nodes send",
        })?;
        let following = nodes.iter().cycle().skip(number + 1).take(recipients);
        let mut recipients: Vec<&Participant> = following.collect();
        // Wraps are in the order of codes.
        recipients.sort_by(|one, other| one.code.cmp(&other.code));
        let codes = recipients.iter().map(|recipient| recipient.code.clone());
        Ok(Self {
            ground,
            sender,
            to: Recipients::new(codes.collect())?,
            recipients,
            identity,
            payload,
            info,
            container,
        })
    }

    fn seal(&self) -> Result<Document, BenchError> {
        let id = EnvelopeId::from_bytes(entropy::uuid_v7(self.ground.clock.now_millis())?)?;
        let salt = Salt::from_bytes(entropy::bytes()?);
        let wraps = self.wraps(id, &salt)?;
        let content = Digest::commit(&salt, &self.container);
        let now = self.ground.now();
        let envelope = Envelope::new(EnvelopeFields {
            network: self.ground.network,
            signer: self.sender.signer.clone(),
            time: now,
            id,
            to: self.to.clone(),
            expires: now.plus_seconds(30 * 86_400),
            urgency: Urgency::Normal,
            forwarded: false,
            payload: self.info.clone(),
            wraps: Digest::from_bytes(Tree::from_leaves(&wraps).root()),
            content,
        })?;
        let statement = envelope.to_bytes();
        let signature = self.sender.key.sign(&statement);
        Ok(Document {
            id,
            digest: Digest::of(&statement),
            content,
            payload: self.info.sha256,
            submission: v1::EnvelopeSubmission {
                envelope: Some(v1::SignedStatement {
                    statement,
                    signature: Bytes::copy_from_slice(&signature),
                }),
                wraps,
                payload: Some(match &self.payload {
                    Some(bytes) => Payload::Inline(bytes.clone()),
                    None => Payload::Staged(true),
                }),
            },
        })
    }

    fn wraps(&self, id: EnvelopeId, salt: &Salt) -> Result<Vec<Bytes>, BenchError> {
        let mut plaintext = WrapPlaintext {
            sender_id: self.sender.id.to_string(),
            sender_code: self.sender.code.to_string(),
            envelope_id: id.to_string(),
            recipient_id: String::new(),
            recipient_code: String::new(),
            salt: salt.to_bytes(),
            identity: EncryptionIdentity::from_text(&self.identity.to_text())?,
        };
        let mut wraps = Vec::with_capacity(self.recipients.len());
        for recipient in &self.recipients {
            plaintext.recipient_id = recipient.id.to_string();
            plaintext.recipient_code = recipient.code.to_string();
            let text = plaintext.render()?;
            wraps.push(seal_small(&recipient.encryption, text.as_bytes())?.into());
        }
        Ok(wraps)
    }
}

/// A ciphertext of so many bytes, or a few less, and the digest of what is in it.
fn payload(identity: &EncryptionIdentity, size: usize) -> Result<(Bytes, Digest), BenchError> {
    let frame = SMALLEST - 1 - 16;
    let body = size - frame;
    let plain = body - 16 * body.div_ceil((64 << 10) + 16);
    let plaintext = vec![0x5a; plain];
    let mut ciphertext = Vec::with_capacity(size);
    encrypt_to(&identity.recipient(), plaintext.as_slice(), &mut ciphertext)?;
    Ok((ciphertext.into(), Digest::of(&plaintext)))
}
