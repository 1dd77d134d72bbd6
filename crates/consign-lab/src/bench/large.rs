//! The scenario `large`: one payload, from the first byte uploaded until the receiver has checked
//! its digest.
//!
//! The payload is noise made while it is sent: a ciphertext looks the same to the hub. Its digest
//! is known before the clock starts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use consign_domain::statement::{AgeRecipient, PayloadInfo};
use consign_domain::{Digest, EnvelopeKey};
use consign_pki::encryption::{EncryptionError, EncryptionIdentity};
use consign_proto::v1::collect_reply::Message as Heard;
use consign_proto::v1::submit_reply::Outcome;
use consign_proto::v1::{self, item::Content, upload_request};
use consign_runtime::entropy;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tokio::task::block_in_place;

use super::driver::receipt;
use super::ground::{Ground, Participant};
use super::link::{Collecting, Link};
use super::process::Process;
use super::sealing::{self, Document};
use super::statistics::{mib, rounded};
use super::{BenchError, Place, Progress, Setting, Watch};

/// A piece on its way, as nodes cut payloads.
const PIECE: usize = 256 << 10;
/// How long one answer may take: the hub digests what it holds.
const PATIENCE: Duration = Duration::from_secs(300);

/// What is printed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Millions of bytes a second, from the first byte uploaded to the digest checked.
    pub mb_per_s: f64,
    /// The most resident memory that the hub ever had.
    pub peak_rss_mib: f64,
    /// Up to the hub.
    pub upload_mb_per_s: f64,
    /// Down from the hub.
    pub fetch_mb_per_s: f64,
    /// The whole time.
    pub seconds: f64,
    /// The payload's bytes.
    pub bytes: u64,
    /// The hub's processor time.
    pub cpu_s: f64,
    /// What the hub had the disk write.
    pub bytes_written: u64,
}

/// Noise that is not made twice alike.
#[derive(Debug, Clone)]
struct Noise {
    base: Bytes,
    size: u64,
}

/// Measures.
///
/// # Errors
/// [`BenchError`].
pub async fn run(
    setting: &Setting,
    size: u64,
    place: &Place,
    watch: Watch<'_>,
) -> Result<Report, BenchError> {
    let ground = Arc::new(block_in_place(|| Ground::found(place.path(), 2, watch))?);
    let noise = Noise::new(size)?;
    let document = block_in_place(|| noise.seal(&ground, watch))?;
    let hub = Process::start_empty(&setting.program, ground.hub_dir()).await?;
    let (Some(sender), Some(recipient)) = (ground.participants.first(), ground.participants.get(1))
    else {
        return Err(BenchError::Task);
    };
    let mut out = Link::open(&ground, sender, hub.address()).await?;
    let mut into = Link::open(&ground, recipient, hub.address()).await?;
    let mut collecting = into.collect(recipient).await?;
    let before = hub.meter().read()?;
    let begun = Instant::now();
    upload(&mut out, &document, &noise).await?;
    let uploaded = begun.elapsed();
    let sequence = within(arrival(&mut collecting)).await?;
    let key = EnvelopeKey {
        sender: sender.id,
        id: document.id,
    };
    fetch(&mut into, key, recipient, &document, size, watch).await?;
    let whole = begun.elapsed();
    let after = hub.meter().read()?;
    collecting.receipt(receipt(&ground, recipient, sender, &document, sequence)?)?;
    match within(collecting.next()).await? {
        Heard::Release(_) => {}
        _ => return Err(PROTOCOL),
    }
    hub.stop().await?;
    let speed = |time: Duration| rounded(size as f64 / 1e6 / time.as_secs_f64(), 1);
    Ok(Report {
        mb_per_s: speed(whole),
        peak_rss_mib: mib(after.peak),
        upload_mb_per_s: speed(uploaded),
        fetch_mb_per_s: speed(whole.saturating_sub(uploaded)),
        seconds: rounded(whole.as_secs_f64(), 2),
        bytes: size,
        cpu_s: rounded(after.cpu_since(&before).as_secs_f64(), 2),
        bytes_written: after.written_since(&before),
    })
}

const PROTOCOL: BenchError = BenchError::Protocol {
    rule: "a payload is staged, accepted, offered, fetched and released",
};

async fn within<T>(work: impl Future<Output = Result<T, BenchError>>) -> Result<T, BenchError> {
    let late = |_| BenchError::Unsettled {
        missing: 1,
        after: PATIENCE,
    };
    tokio::time::timeout(PATIENCE, work).await.map_err(late)?
}

/// Uploads the payload and has the envelope accepted.
async fn upload(link: &mut Link, document: &Document, noise: &Noise) -> Result<(), BenchError> {
    use upload_request::Message;

    let open = Message::Open(v1::UploadOpen {
        envelope: document.submission.envelope.clone(),
    });
    let noise = noise.clone();
    let chunks = (0..noise.pieces()).map(move |number| Message::Chunk(noise.piece(number)));
    let messages = std::iter::once(open).chain(chunks);
    let requests = messages.map(|message| v1::UploadRequest {
        message: Some(message),
    });
    match link.upload(requests).await?.and_then(|reply| reply.outcome) {
        Some(v1::upload_reply::Outcome::Staged(_)) => {}
        _ => return Err(PROTOCOL),
    }
    link.submit(0, &document.submission)?;
    match within(link.reply()).await?.outcome {
        Some(Outcome::Evidence(_)) => Ok(()),
        _ => Err(PROTOCOL),
    }
}

/// The envelope's place in the recipient's inbox.
async fn arrival(collecting: &mut Collecting) -> Result<u64, BenchError> {
    match collecting.next().await? {
        Heard::Item(item) => match item.content {
            Some(Content::Envelope(envelope)) if envelope.payload.is_none() => Ok(item.sequence),
            _ => Err(PROTOCOL),
        },
        _ => Err(PROTOCOL),
    }
}

/// Fetches the payload and checks its digest.
async fn fetch(
    link: &mut Link,
    key: EnvelopeKey,
    recipient: &Participant,
    document: &Document,
    size: u64,
    watch: Watch<'_>,
) -> Result<(), BenchError> {
    let mut pieces = link.fetch(key, recipient).await?;
    let (mut hash, mut done) = (Sha256::new(), 0);
    while let Some(piece) = pieces.message().await? {
        hash.update(&piece.data);
        done += piece.data.len() as u64;
        watch(Progress {
            what: "fetching (MiB)",
            done: done >> 20,
            all: size >> 20,
        });
    }
    let digest = Digest::from_bytes(hash.finalize().into());
    if document.payload == digest {
        Ok(())
    } else {
        Err(BenchError::Protocol {
            rule: "a payload arrives as it was sent",
        })
    }
}

impl Noise {
    fn new(size: u64) -> Result<Self, BenchError> {
        let mut base = BytesMut::with_capacity(PIECE);
        while base.len() < PIECE {
            base.extend_from_slice(&entropy::bytes::<1024>()?);
        }
        Ok(Self {
            base: base.freeze(),
            size,
        })
    }

    fn pieces(&self) -> u64 {
        self.size.div_ceil(PIECE as u64)
    }

    /// One piece: no two are alike.
    fn piece(&self, number: u64) -> Bytes {
        let begin = number * PIECE as u64;
        let length = usize::try_from(self.size.saturating_sub(begin)).unwrap_or(PIECE);
        let mut piece = BytesMut::from(self.base.as_ref());
        if let Some(head) = piece.first_chunk_mut::<8>() {
            *head = number.to_le_bytes();
        }
        piece.truncate(length);
        piece.freeze()
    }

    /// The envelope for it, from the first participant to the second.
    fn seal(&self, ground: &Ground, watch: Watch<'_>) -> Result<Document, BenchError> {
        let mut hash = Sha256::new();
        for number in 0..self.pieces() {
            hash.update(self.piece(number));
            watch(Progress {
                what: "digesting the payload",
                done: number,
                all: self.pieces(),
            });
        }
        let recipient = EncryptionIdentity::generate().recipient();
        let text = AgeRecipient::new(&recipient.to_text());
        let info = PayloadInfo {
            sha256: Digest::from_bytes(hash.finalize().into()),
            size: self.size,
            recipient: text.ok_or(EncryptionError::InvalidRecipient)?,
        };
        sealing::seal_staged(ground, info)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_its_size_and_never_repeats() {
        let size = 3 * PIECE as u64 + 17;
        let noise = Noise::new(size).unwrap();
        let pieces: Vec<Bytes> = (0..noise.pieces())
            .map(|number| noise.piece(number))
            .collect();
        assert_eq!(
            pieces.iter().map(|piece| piece.len() as u64).sum::<u64>(),
            size
        );
        assert_eq!(pieces.len(), 4);
        assert_ne!(pieces[0], pieces[1]);
        assert_eq!(noise.piece(2), pieces[2]);
    }
}
