//! What an agency receives, from the hub's offer until it is archived.
//!
//! Items come in one gap-free sequence and are durable before they are reported as stored
//! ([`Inbox::receive`]). Each envelope then takes its steps by itself ([`Inbox::advance`]):
//!
//! ```text
//! offered → payload here → receipt made → wrap here → opened → judged → archived
//!                                            └ wrong ┴ failed → refused (status 02) ┘
//! ```
//!
//! Every step is files in `inbox/<sequence>/`; where an envelope stands is what lies there,
//! so a restart goes on where the last one ended. A receipt and a refusal are stored before
//! they are first sent, and are always sent again as they were. What is provably wrong is
//! refused with its reason, what cannot be decided is held, and neither keeps the next item.

mod advance;
mod again;
mod cursor;
mod error;
mod item;
mod open;
mod payload;
mod receive;
pub(crate) mod record;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use consign_domain::document::Urgency;
use consign_domain::limits::{MAX_LIFE_SECONDS, MAX_WRAP};
use consign_domain::statement::{Envelope, Evidence, Statement as _};
use consign_domain::{Digest, EnvelopeKey, ErrorCode, Sequence, SignedStatement, Timestamp};
use consign_verify::exchange;

use crate::context::Context;
use crate::durable;
use crate::error::NodeError;
use crate::folder::{Folder, ITEM, PAYLOAD, RECEIPT, STATUS, WRAP};
use crate::index::Index;
use crate::layout::AgencyHome;
use crate::outbox::Outbox;
use cursor::Cursor;
use record::Lapse;

pub use error::InboxError;
pub use item::{Item, ItemContent};
pub use payload::PayloadWriter;

/// What became of items that the hub offered.
#[derive(Debug, Default)]
pub struct Receipt {
    /// All items up to here are durable: what may be reported as stored.
    pub stored: Option<Sequence>,
    /// Envelopes among them that now want their next step.
    pub envelopes: Vec<Sequence>,
    /// Sent envelopes that evidence or statuses among them are about.
    pub tracked: Vec<consign_domain::EnvelopeId>,
    /// Places given up for envelopes among them: the hub has placed them anew.
    pub superseded: Vec<Sequence>,
    /// Items put aside because they cannot be digested, with the reason.
    pub aside: Vec<(Sequence, ErrorCode)>,
    /// Why the rest was not stored, if it was not.
    pub fault: Option<InboxError>,
}

/// A recipient's wrap, as the hub releases it against the receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleasedWrap {
    /// The envelope.
    pub envelope: EnvelopeKey,
    /// The wrap.
    pub wrap: Bytes,
    /// The path that shows it to be the one that the envelope names.
    pub path: Vec<[u8; 32]>,
}

/// What an envelope in the inbox needs next from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InboxStep {
    /// Fetch the payload from this offset on, into [`Inbox::payload_writer`].
    NeedPayload {
        /// The envelope.
        key: EnvelopeKey,
        /// The whole size in bytes.
        size: u64,
        /// Bytes that are here.
        offset: u64,
    },
    /// Send this receipt until the wrap comes; always the same bytes.
    SendReceipt(SignedStatement),
    /// Undecided: try again with a newer directory, or later.
    Held {
        /// Why.
        reason: ErrorCode,
    },
    /// Submit this status until the hub has stored it; then [`Inbox::status_posted`].
    PostStatus {
        /// The status.
        status: SignedStatement,
        /// Its encrypted text, or nothing.
        text: Bytes,
    },
    /// Nothing: it is archived.
    Done,
}

/// An envelope in the inbox that is not archived yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxWork {
    /// Its place.
    pub sequence: Sequence,
    /// Its identity.
    pub key: EnvelopeKey,
    /// How urgent it is.
    pub urgency: Urgency,
    /// Size of its payload in bytes.
    pub payload_size: u64,
}

/// How much the inbox holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InboxCounts {
    /// Envelopes whose verdict is not decided.
    pub held: u64,
    /// Envelopes whose payload is not here.
    pub to_fetch: u64,
}

/// What an agency receives.
#[derive(Debug)]
pub struct Inbox {
    home: AgencyHome,
    outbox: Arc<Outbox>,
    index: Arc<Index>,
    /// Items are stored one after the other.
    cursor: Mutex<Cursor>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<Sequence, Entry>,
    places: BTreeMap<EnvelopeKey, Sequence>,
}

/// An envelope that is not archived.
#[derive(Debug)]
struct Entry {
    key: EnvelopeKey,
    urgency: Urgency,
    size: u64,
    fetched: bool,
    held: Option<ErrorCode>,
    /// Its key is here; of this offer only the receipt is made.
    again: bool,
    /// Who changes its files.
    turn: Arc<Mutex<()>>,
}

impl Inbox {
    /// Opens the inbox and finishes what a crash left unfinished.
    ///
    /// # Errors
    /// A file is damaged, or the system refused.
    pub fn open(
        home: AgencyHome,
        outbox: Arc<Outbox>,
        index: Arc<Index>,
    ) -> Result<Self, NodeError> {
        for directory in [home.inbox_dir(), home.aside_dir(), home.archive_dir()] {
            durable::directory(&directory)?;
            durable::remove_leftovers(&directory)?;
            durable::settle_names(&directory)?;
        }
        let cursor = Cursor::open(home.cursor_file())?;
        let inbox = Self {
            home,
            outbox,
            index,
            cursor: Mutex::new(cursor),
            state: Mutex::default(),
        };
        for name in durable::names(&inbox.home.inbox_dir())? {
            let place = name
                .parse()
                .ok()
                .and_then(|place| Sequence::new(place).ok());
            match place.map(|sequence| inbox.resume(sequence)) {
                Some(Err(NodeError::Missing { path, .. } | NodeError::Damaged { path, .. })) => {
                    tracing::warn!(file = %path.display(), "a received item is damaged and put aside");
                    durable::move_aside(
                        &inbox.home.inbox_dir().join(&name),
                        &inbox.home.aside_dir(),
                    )?;
                }
                Some(resumed) => resumed?,
                None => {}
            }
        }
        for (sender, id) in inbox.index.undecided_received(inbox.home.id()) {
            if let (Ok(sender), Ok(id)) = (sender.parse(), id.parse()) {
                let folder = Folder::new(inbox.home.archive_entry(EnvelopeKey { sender, id }));
                inbox.index.put_received(inbox.home.id(), &folder);
            }
        }
        Ok(inbox)
    }

    /// Takes up one envelope where a stop left it.
    fn resume(&self, sequence: Sequence) -> Result<(), NodeError> {
        let folder = self.folder_at(sequence);
        durable::settle(folder.path())?;
        durable::remove_leftovers(folder.path())?;
        durable::remove_leftovers(&folder.file(STATUS))?;
        let (_, envelope) = folder.expect_statement::<Envelope>(ITEM)?;
        self.insert(sequence, &envelope, &folder);
        self.index.put_received(self.home.id(), &folder);
        Ok(())
    }

    fn insert(&self, sequence: Sequence, envelope: &Envelope, folder: &Folder) {
        let again = again::is_again(folder);
        let entry = Entry {
            again,
            key: envelope.key(),
            urgency: envelope.urgency,
            size: envelope.payload.size,
            fetched: again || folder.has(PAYLOAD),
            held: None,
            turn: Arc::default(),
        };
        let mut state = self.lock();
        state.places.insert(entry.key, sequence);
        state.entries.entry(sequence).or_insert(entry);
    }

    /// How far the inbox is stored: the last item's place, and the digest of its statement.
    pub fn cursor(&self) -> Option<(Sequence, Digest)> {
        self.cursor_lock().last()
    }

    /// The hub's acceptance of the newest envelope that is here: what proves to the hub that it
    /// has placed so much.
    pub fn newest_acceptance(&self) -> Option<SignedStatement> {
        let key = self.index.newest_received(self.home.id())?;
        let folder = self.folder(key).ok()?;
        folder.signed(crate::folder::ACCEPTANCE).ok()?
    }

    /// Envelopes that were signed for at a time or later and whose key is here.
    ///
    /// # Errors
    /// The index or a file cannot be read.
    pub fn receipts_since(&self, since: Timestamp) -> Result<Vec<EnvelopeKey>, NodeError> {
        // What is receipted was offered before, and no longer ago than an envelope lives.
        let offered = since.minus_seconds(MAX_LIFE_SECONDS);
        let mut keys = Vec::new();
        for key in self.index.received_since(self.home.id(), offered)? {
            let folder = match self.folder(key) {
                Err(NodeError::UnknownEnvelope) => continue,
                folder => folder?,
            };
            if !folder.has(WRAP) {
                continue;
            }
            let receipt = folder.signed(RECEIPT)?;
            let receipt = receipt.and_then(|it| Evidence::parse(&it.statement).ok());
            if receipt.is_some_and(|receipt| receipt.time >= since) {
                keys.push(key);
            }
        }
        Ok(keys)
    }

    /// Stores items, in their order, and files evidence and statuses with the envelope that
    /// they are about. What [`Receipt::stored`] names is durable on return.
    pub fn receive(&self, items: Vec<Item>, context: &Context<'_>) -> Receipt {
        receive::receive(self, items, context)
    }

    /// Envelopes that are not archived, most urgent and then oldest first.
    pub fn work(&self) -> Vec<InboxWork> {
        let state = self.lock();
        let entries = state.entries.iter();
        let mut work: Vec<InboxWork> = entries
            .map(|(sequence, entry)| InboxWork {
                sequence: *sequence,
                key: entry.key,
                urgency: entry.urgency,
                payload_size: entry.size,
            })
            .collect();
        work.sort_by_key(|entry| (Reverse(entry.urgency), entry.sequence));
        work
    }

    /// How much is held and to be fetched.
    pub fn counts(&self) -> InboxCounts {
        let state = self.lock();
        let mut counts = InboxCounts::default();
        for entry in state.entries.values() {
            counts.held += u64::from(entry.held.is_some());
            counts.to_fetch += u64::from(!entry.fetched);
        }
        counts
    }

    /// The place of an envelope that is not archived.
    pub fn sequence_of(&self, key: EnvelopeKey) -> Option<Sequence> {
        self.lock().places.get(&key).copied()
    }

    /// The files of a received envelope, wherever it is by now.
    ///
    /// # Errors
    /// [`NodeError::UnknownEnvelope`].
    pub fn folder(&self, key: EnvelopeKey) -> Result<Folder, NodeError> {
        let here = {
            let state = self.lock();
            let place = state.places.get(&key).copied();
            let is_first = |place: &Sequence| state.entries.get(place).is_some_and(|it| !it.again);
            place.filter(is_first).or_else(|| {
                let mut entries = state.entries.iter();
                let first = entries.find(|(_, entry)| entry.key == key && !entry.again)?;
                Some(*first.0)
            })
        };
        let here = here.map(|sequence| self.folder_at(sequence));
        [here, Some(Folder::new(self.home.archive_entry(key)))]
            .into_iter()
            .flatten()
            .find(record::is_received)
            .ok_or(NodeError::UnknownEnvelope)
    }

    /// Does all that can be done here for one envelope, and says what it needs from outside.
    /// Opening and judging a large document takes as long as reading it a few times.
    ///
    /// # Errors
    /// [`InboxError`]; other envelopes are not concerned.
    pub fn advance(
        &self,
        sequence: Sequence,
        context: &Context<'_>,
    ) -> Result<InboxStep, InboxError> {
        let Some(turn) = self.turn(sequence) else {
            return Ok(InboxStep::Done);
        };
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have archived it while this one waited.
        let entry = (self.lock().entries.get(&sequence)).map(|entry| entry.again);
        let Some(again) = entry else {
            return Ok(InboxStep::Done);
        };
        let folder = self.folder_at(sequence);
        let step = if again {
            again::advance(self, &folder, context)?
        } else {
            advance::advance(self, &folder, context)?
        };
        if step == InboxStep::Done {
            self.forget(sequence);
            return Ok(step);
        }
        let mut state = self.lock();
        if let Some(entry) = state.entries.get_mut(&sequence) {
            entry.fetched = !matches!(step, InboxStep::NeedPayload { .. });
            entry.held = match &step {
                InboxStep::Held { reason } => Some(*reason),
                _ => None,
            };
        }
        Ok(step)
    }

    /// Begins to fetch a payload, or goes on where an earlier attempt ended.
    ///
    /// # Errors
    /// No such envelope, or the system refused.
    pub fn payload_writer(&self, sequence: Sequence) -> Result<PayloadWriter, InboxError> {
        let folder = self.entry_folder(sequence)?;
        let (_, envelope) = folder.expect_statement::<Envelope>(ITEM)?;
        PayloadWriter::open(&folder, envelope)
    }

    /// Stores a released wrap after checking its path; then [`advance`](Self::advance).
    ///
    /// # Errors
    /// [`InboxError::Wrap`]: the hub gave another wrap than the sender made; no such envelope.
    pub fn store_release(&self, release: &ReleasedWrap) -> Result<Sequence, InboxError> {
        let sequence = self
            .sequence_of(release.envelope)
            .ok_or(NodeError::UnknownEnvelope)?;
        let turn = self.turn(sequence).unwrap_or_default();
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = self.entry_folder(sequence)?;
        if !folder.has("receipt.sig") {
            let rule = "a wrap comes after the receipt";
            return Err(NodeError::State { rule }.into());
        }
        let (_, envelope) = folder.expect_statement::<Envelope>(ITEM)?;
        let file = record::read_file(&folder)?;
        let fits = release.wrap.len() <= MAX_WRAP
            && exchange::check_wrap_path(&envelope, &file.code, &release.wrap, &release.path)
                .is_ok();
        if !fits {
            return Err(InboxError::Wrap);
        }
        if !folder.has(WRAP) {
            durable::publish(&folder.file(WRAP), &release.wrap)?;
        }
        Ok(sequence)
    }

    /// The hub has settled this envelope otherwise: it had lapsed before the receipt came.
    /// Nobody signed for that, so it is believed only once the envelope has expired. Then
    /// [`advance`](Self::advance).
    ///
    /// # Errors
    /// [`InboxError::NotYet`] before the expiry; no such envelope, it has its wrap already, or
    /// the system refused.
    pub fn lapsed(
        &self,
        key: EnvelopeKey,
        reason: ErrorCode,
        now: Timestamp,
    ) -> Result<Sequence, InboxError> {
        let sequence = self.sequence_of(key).ok_or(NodeError::UnknownEnvelope)?;
        let turn = self.turn(sequence).unwrap_or_default();
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = self.entry_folder(sequence)?;
        if folder.has(WRAP) {
            let rule = "an envelope whose wrap is here has not lapsed";
            return Err(NodeError::State { rule }.into());
        }
        let (_, envelope) = folder.expect_statement::<Envelope>(ITEM)?;
        if now < envelope.expires {
            let code = ErrorCode::AlreadySettled;
            return Err(InboxError::NotYet { code });
        }
        record::write_lapse(&folder, &Lapse { reason, at: now })?;
        Ok(sequence)
    }

    /// The hub has stored the status of [`InboxStep::PostStatus`]; then [`advance`](Self::advance).
    ///
    /// # Errors
    /// No such envelope, or the system refused.
    pub fn status_posted(&self, sequence: Sequence) -> Result<(), InboxError> {
        let folder = self.entry_folder(sequence)?;
        let path = folder.file(STATUS).join(record::REFUSAL_POSTED);
        Ok(durable::publish(&path, b"")?)
    }

    /// Takes an entry off; another one of the same envelope takes its place.
    fn forget(&self, sequence: Sequence) {
        let mut state = self.lock();
        let Some(entry) = state.entries.remove(&sequence) else {
            return;
        };
        if state.places.get(&entry.key) == Some(&sequence) {
            state.places.remove(&entry.key);
            let mut others = state.entries.iter();
            let other = others.rfind(|(_, other)| other.key == entry.key);
            if let Some(place) = other.map(|(place, _)| *place) {
                state.places.insert(entry.key, place);
            }
        }
    }

    fn folder_at(&self, sequence: Sequence) -> Folder {
        Folder::new(self.home.inbox_entry(sequence))
    }

    fn entry_folder(&self, sequence: Sequence) -> Result<Folder, NodeError> {
        if self.lock().entries.contains_key(&sequence) {
            Ok(self.folder_at(sequence))
        } else {
            Err(NodeError::UnknownEnvelope)
        }
    }

    fn turn(&self, sequence: Sequence) -> Option<Arc<Mutex<()>>> {
        let state = self.lock();
        let entry = state.entries.get(&sequence)?;
        Some(Arc::clone(&entry.turn))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cursor_lock(&self) -> MutexGuard<'_, Cursor> {
        self.cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
