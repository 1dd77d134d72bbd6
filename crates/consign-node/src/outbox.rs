//! What an agency sends, from composing until every recipient is final.
//!
//! `outbox/<id>/` holds each step as files; where an envelope stands is what lies there:
//! `compose.json` (composed), `envelope.sig` (sealed), `acceptance.sig` or `rejection.sig`,
//! `evidence/`. Once every recipient is final the directory moves to the archive, and
//! later statuses are filed there. In memory is only what a start reads back from these
//! files.

mod record;
mod stamps;
mod submission;
#[cfg(test)]
mod tests;
pub(crate) mod track;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use consign_domain::document::{Document, Urgency};
use consign_domain::{DocumentId, EnvelopeId, EnvelopeKey, Timestamp};
use consign_runtime::entropy;

use crate::compose::{
    ComposeError, ComposeFile, ComposeRequest, ComposeTag, Draft, Fresh, Sources, Staging,
};
use crate::context::Context;
use crate::durable::{self, NewDirectory};
use crate::error::NodeError;
use crate::folder::{ACCEPTANCE, COMPOSE, ENVELOPE, Folder, PAYLOAD, REJECTION};
use crate::index::Index;
use crate::layout::AgencyHome;
use crate::register::Registers;
use crate::seal::{self, AskStamp, SealError};
use stamps::Unstamped;
use track::Tracks;

pub use record::{RecordError, Recorded};
pub use submission::{Submission, SubmissionPayload};

/// Where a sent envelope stands as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SentState {
    /// Fields and files are durable; to be sealed.
    Composed,
    /// Ciphertext, wraps and envelope are durable; to be submitted.
    Sealed,
    /// The hub took it over.
    Accepted,
    /// The hub refused it: final.
    Rejected,
    /// Every recipient is final.
    Final,
}

impl SentState {
    /// The word of `node.proto`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Composed => "composed",
            Self::Sealed => "sealed",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Final => "final",
        }
    }
}

/// An envelope that the outbox still has work with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its id.
    pub id: EnvelopeId,
    /// Composed: to be sealed. Sealed: to be submitted.
    pub state: SentState,
    /// How urgent it is.
    pub urgency: Urgency,
    /// When it was composed.
    pub since: Timestamp,
}

/// A composed document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    /// The envelope's id.
    pub id: EnvelopeId,
    /// The fields as they will be sealed.
    pub document: Document,
    /// Whether the same request was made before under this id.
    pub repeated: bool,
}

/// A sealed envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    /// Size of the container in bytes.
    pub container_size: u64,
    /// Size of the ciphertext in bytes.
    pub payload_size: u64,
}

/// What an agency sends.
#[derive(Debug)]
pub struct Outbox {
    home: AgencyHome,
    index: Arc<Index>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    entries: BTreeMap<EnvelopeId, Entry>,
    unstamped: Unstamped,
    registers: Registers,
}

/// An envelope that is not archived.
#[derive(Debug)]
struct Entry {
    state: SentState,
    urgency: Urgency,
    since: Timestamp,
    /// Who changes its files.
    turn: Arc<Mutex<()>>,
    /// Read when the first evidence comes.
    tracks: Option<Tracks>,
}

impl Outbox {
    /// Opens the outbox and finishes what a crash left unfinished.
    ///
    /// # Errors
    /// A file is damaged, or the system refused.
    pub fn open(home: AgencyHome, index: Arc<Index>) -> Result<Self, NodeError> {
        for directory in [home.outbox_dir(), home.archive_dir()] {
            durable::directory(&directory)?;
        }
        durable::remove_leftovers(&home.outbox_dir())?;
        durable::settle_names(&home.outbox_dir())?;
        durable::settle(&home.registers_dir())?;
        let registers = Registers::new(home.registers_dir());
        let outbox = Self {
            home,
            index,
            state: Mutex::new(State {
                entries: BTreeMap::new(),
                unstamped: Unstamped::default(),
                registers,
            }),
        };
        for name in durable::names(&outbox.home.outbox_dir())? {
            if let Ok(id) = name.parse() {
                outbox.resume(id)?;
            }
        }
        outbox.resume_stamps();
        for id in outbox.index.unfinished_sent(outbox.home.id()) {
            if !outbox.lock().entries.contains_key(&id)
                && let Some(folder) = outbox.find(id)
            {
                outbox.index.put_sent(outbox.home.id(), &folder);
            }
        }
        Ok(outbox)
    }

    /// Takes up one envelope where a stop left it.
    fn resume(&self, id: EnvelopeId) -> Result<(), NodeError> {
        let folder = Folder::new(self.home.outbox_entry(id));
        durable::settle(folder.path())?;
        durable::remove_leftovers(folder.path())?;
        let compose = folder.compose()?.ok_or_else(|| NodeError::Missing {
            path: folder.file(COMPOSE),
            fix: "restore it from a backup",
        })?;
        let mut state = self.lock();
        state
            .registers
            .enter(&compose.document, id, compose.numbered)?;
        let entry = Entry::new(&compose, state_of(&folder)?);
        if self.index.sent_state(self.home.id(), id).as_deref() != Some(entry.state.as_str()) {
            self.index.put_sent(self.home.id(), &folder);
        }
        state.entries.insert(id, entry);
        if folder.awaits_stamp() {
            state.unstamped.insert(id);
        }
        drop(state);
        self.finalise(id)?;
        if !self.lock().entries.contains_key(&id)
            && let Some(archived) = self.find(id)
        {
            // The last evidence may have come between the files and the index.
            self.index.put_sent(self.home.id(), &archived);
        }
        Ok(())
    }

    /// Begins to compose: checks everything that can be checked before the files are here.
    /// Under an id that is in use, the same request is taken to repeat it.
    ///
    /// # Errors
    /// [`ComposeError`].
    pub fn begin(
        &self,
        id: EnvelopeId,
        request: ComposeRequest,
        context: &Context<'_>,
    ) -> Result<Staging, ComposeError> {
        if let Some(compose) = self.composed(id)? {
            if compose.request != request {
                return Err(ComposeError::IdReused { id });
            }
            return Ok(Staging::new(id, request, None));
        }
        let fault = || NodeError::form(self.home.outbox_dir(), "no id could be made");
        let document_id = entropy::uuid_v7(context.now.as_unix().saturating_mul(1000))
            .ok()
            .and_then(|bytes| DocumentId::from_bytes(bytes).ok())
            .ok_or_else(fault)?;
        let sources = Sources {
            context,
            find_replies: &|text| self.index.reply_targets(self.home.id(), text),
            document_id,
        };
        let draft = Draft::new(&request, &sources)?;
        let directory = NewDirectory::create(&self.home.outbox_dir())?;
        Ok(Staging::new(id, request, Some(Fresh { draft, directory })))
    }

    /// Ends composing: gives the number, and makes fields and files durable together.
    ///
    /// # Errors
    /// [`ComposeError`]; [`ComposeError::IdReused`] if the id stands for something else.
    pub fn compose(&self, staging: Staging, now: Timestamp) -> Result<Composed, ComposeError> {
        let mut staging = staging;
        staging.end_file()?;
        let entries = staging.entries()?;
        let id = staging.id;
        // Held until the document is durable: two may not take one number, nor one id.
        let mut state = self.lock();
        if let Some(compose) = self.composed(id)? {
            return if compose.request == staging.request && compose.files == staging.files {
                Ok(Composed {
                    id,
                    document: compose.document,
                    repeated: true,
                })
            } else {
                Err(ComposeError::IdReused { id })
            };
        }
        let fresh = staging.fresh.take().ok_or(NodeError::UnknownEnvelope)?;
        let (number, numbered) = take_number(&mut state.registers, &fresh.draft)?;
        let document = fresh.draft.document(number, entries)?;
        let compose = ComposeFile {
            tag: ComposeTag::V1,
            id,
            composed: now,
            expire_days: fresh.draft.expire_days,
            numbered,
            request: staging.request,
            document,
            recipients: fresh.draft.recipients,
            files: staging.files,
        };
        let path = self.home.outbox_entry(id);
        let bytes =
            serde_json::to_vec(&compose).map_err(|source| NodeError::damaged(&path, source))?;
        fresh.directory.add(COMPOSE, &bytes)?;
        fresh.directory.publish(&path)?;
        if let Err(fault) = state.registers.enter(&compose.document, id, numbered) {
            let fault: &dyn std::error::Error = &fault;
            tracing::warn!(envelope_id = %id, fault, "the register is written with the next document");
        }
        state
            .entries
            .insert(id, Entry::new(&compose, SentState::Composed));
        drop(state);
        self.index.put_sent(self.home.id(), &Folder::new(path));
        Ok(Composed {
            id,
            document: compose.document,
            repeated: false,
        })
    }

    /// Seals a composed envelope, or says how it was sealed before. `stamp` is asked for the
    /// time-stamp of the seal while the envelope's other work waits.
    ///
    /// # Errors
    /// [`SealError`]; the envelope then stays composed and may be sealed later.
    pub fn seal(
        &self,
        id: EnvelopeId,
        context: &Context<'_>,
        stamp: AskStamp<'_>,
    ) -> Result<Sealed, SealError> {
        let turn = self.turn(id);
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = self.folder(id)?;
        match seal::seal(&folder, context, stamp) {
            Ok(sealed) => {
                if folder.awaits_stamp() {
                    self.lock().unstamped.insert(id);
                    self.index.set_unstamped(self.home.id(), id, true);
                }
                self.advance(id, SentState::Sealed);
                Ok(sealed)
            }
            Err(fault) => {
                self.index
                    .set_sent(self.home.id(), id, SentState::Composed, Some(fault.code()));
                Err(fault)
            }
        }
    }

    /// What is to be sealed or submitted, most urgent and then oldest first.
    pub fn pending(&self) -> Vec<Pending> {
        let state = self.lock();
        let waiting = state
            .entries
            .iter()
            .filter(|(_, entry)| entry.state <= SentState::Sealed);
        let mut pending: Vec<Pending> = waiting
            .map(|(id, entry)| Pending {
                id: *id,
                state: entry.state,
                urgency: entry.urgency,
                since: entry.since,
            })
            .collect();
        pending.sort_by_key(|entry| (Reverse(entry.urgency), entry.since, entry.id));
        pending
    }

    /// What the hub took over and some recipient has not signed for.
    pub fn unsettled(&self) -> Vec<Pending> {
        let state = self.lock();
        let accepted = state
            .entries
            .iter()
            .filter(|(_, entry)| entry.state == SentState::Accepted);
        let pending = accepted.map(|(id, entry)| Pending {
            id: *id,
            state: entry.state,
            urgency: entry.urgency,
            since: entry.since,
        });
        pending.collect()
    }

    /// Where an envelope stands; `None` if there is none of this id.
    ///
    /// # Errors
    /// The system refused.
    pub fn state(&self, id: EnvelopeId) -> Result<Option<SentState>, NodeError> {
        if let Some(entry) = self.lock().entries.get(&id) {
            return Ok(Some(entry.state));
        }
        match self.find(id) {
            Some(folder) if folder.has("rejection.sig") => Ok(Some(SentState::Rejected)),
            Some(_) => Ok(Some(SentState::Final)),
            None => Ok(None),
        }
    }

    /// The files of a sent envelope, wherever it is by now.
    ///
    /// # Errors
    /// [`NodeError::UnknownEnvelope`].
    pub fn folder(&self, id: EnvelopeId) -> Result<Folder, NodeError> {
        self.find(id).ok_or(NodeError::UnknownEnvelope)
    }

    /// Moves an envelope to the archive if every recipient is final.
    fn finalise(&self, id: EnvelopeId) -> Result<(), NodeError> {
        let state = match self.lock().entries.get(&id) {
            Some(entry) if entry.state >= SentState::Accepted => entry.state,
            _ => return Ok(()),
        };
        let folder = Folder::new(self.home.outbox_entry(id));
        let known = self
            .lock()
            .entries
            .get(&id)
            .and_then(|entry| entry.tracks.as_ref().map(track::all_final));
        let all_final = match known {
            Some(all_final) => all_final,
            None => {
                let tracks = track::read(&folder)?;
                let all_final = track::all_final(&tracks);
                if let Some(entry) = self.lock().entries.get_mut(&id) {
                    entry.tracks = Some(tracks);
                }
                all_final
            }
        };
        if !all_final {
            return Ok(());
        }
        // What is archived is not looked for when the register is mended.
        self.lock().registers.write_out()?;
        // The container and the wrap's plaintext stay; the ciphertext is of no more use.
        durable::remove(&folder.file(PAYLOAD))?;
        durable::move_directory(folder.path(), &self.home.archive_entry(self.key(id)))?;
        self.lock().entries.remove(&id);
        self.index.to_archive(self.home.id(), self.key(id));
        if state == SentState::Accepted {
            self.index
                .set_sent(self.home.id(), id, SentState::Final, None);
        }
        Ok(())
    }

    fn advance(&self, id: EnvelopeId, to: SentState) {
        let mut state = self.lock();
        if let Some(entry) = state.entries.get_mut(&id)
            && entry.state < to
        {
            entry.state = to;
            drop(state);
            self.index.set_sent(self.home.id(), id, to, None);
        }
    }

    const fn key(&self, id: EnvelopeId) -> EnvelopeKey {
        EnvelopeKey {
            sender: self.home.id(),
            id,
        }
    }

    /// Where a sent envelope is, if there is one of this id.
    fn find(&self, id: EnvelopeId) -> Option<Folder> {
        [
            self.home.outbox_entry(id),
            self.home.archive_entry(self.key(id)),
        ]
        .into_iter()
        .map(Folder::new)
        .find(|folder| folder.has(COMPOSE))
    }

    fn composed(&self, id: EnvelopeId) -> Result<Option<ComposeFile>, NodeError> {
        self.find(id).map_or(Ok(None), |folder| folder.compose())
    }

    fn turn(&self, id: EnvelopeId) -> Arc<Mutex<()>> {
        self.lock()
            .entries
            .get(&id)
            .map(|entry| Arc::clone(&entry.turn))
            .unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn new(compose: &ComposeFile, state: SentState) -> Self {
        Self {
            state,
            urgency: compose.document.urgency,
            since: compose.composed,
            turn: Arc::default(),
            tracks: None,
        }
    }
}

/// Where an envelope in the outbox stands, by the files of its folder.
pub(crate) fn state_of(folder: &Folder) -> Result<SentState, NodeError> {
    for (name, state) in [
        (REJECTION, SentState::Rejected),
        (ACCEPTANCE, SentState::Accepted),
        (ENVELOPE, SentState::Sealed),
    ] {
        if folder.signed(name)?.is_some() {
            return Ok(state);
        }
    }
    Ok(SentState::Composed)
}

/// The caller's number, if it is free, or the register's next.
fn take_number(
    registers: &mut Registers,
    draft: &Draft,
) -> Result<(consign_domain::document::Number, bool), ComposeError> {
    let year = draft.issued_on.year();
    let Some(number) = &draft.number else {
        return Ok((registers.next(year)?, true));
    };
    match registers.holder(year, number, &draft.notation)? {
        Some(_) => Err(ComposeError::SymbolTaken {
            symbol: format!("{number}/{}", draft.notation),
        }),
        None => Ok((number.clone(), false)),
    }
}
