//! Taking in what hub and recipients say of an envelope.

use std::sync::PoisonError;

use consign_domain::statement::{Envelope, Event, Evidence, Status};
use consign_domain::{EnvelopeId, EnvelopeKey, ErrorCode, Sequence, SignedStatement};
use consign_verify::{Directory, Verified};

use super::track::{self, Track};
use super::{Outbox, SentState};
use crate::error::NodeError;
use crate::folder::{ACCEPTANCE, ENVELOPE, EVIDENCE, Folder, REJECTION, STATUS, statement_name};

/// What taking in evidence or a status did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is stored now.
    New,
    /// It was stored before.
    Known,
}

/// Why evidence or a status was not taken in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Files.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// It does not fit the envelope that it names, or there is none.
    #[error("it does not fit the envelope it names ({code})")]
    Mismatch {
        /// How.
        code: ErrorCode,
    },
}

impl RecordError {
    /// The code to answer with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Node(fault) => fault.code(),
            Self::Mismatch { code } => *code,
        }
    }
}

impl Outbox {
    /// Stores the hub's acceptance or refusal.
    ///
    /// # Errors
    /// It is of another event, or about another envelope, or the system refused.
    pub fn record_answer(
        &self,
        signed: &SignedStatement,
        evidence: &Verified<Evidence>,
    ) -> Result<Recorded, RecordError> {
        let id = evidence.envelope.id;
        let turn = self.turn(id);
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = self.about(evidence.envelope.key())?;
        let (envelope_bytes, envelope) = folder.expect_statement::<Envelope>(ENVELOPE)?;
        track::check_answer(evidence, &envelope_bytes, &envelope)?;
        // The first answer counts. The hub repeats it word for word, unless it lost data.
        if folder.has("acceptance.sig") || folder.has("rejection.sig") {
            return self.keep_second_answer(&folder, signed, evidence);
        }
        let (name, state) = match evidence.event {
            Event::SubmissionRejection => (REJECTION, SentState::Rejected),
            _ => (ACCEPTANCE, SentState::Accepted),
        };
        folder
            .publish_statement(name, signed, &[])
            .map_err(NodeError::from)?;
        let _batch = self.index.batch();
        self.apply(id, &folder, evidence)?;
        self.advance(id, state);
        self.index
            .set_sent(self.home.id(), id, state, evidence.reason);
        self.index.answered(self.home.id(), id, evidence);
        self.finalise(id)?;
        Ok(Recorded::New)
    }

    /// Keeps an answer that differs from the first as evidence: the hub lost data and took the
    /// envelope over anew.
    fn keep_second_answer(
        &self,
        folder: &Folder,
        signed: &SignedStatement,
        evidence: &Evidence,
    ) -> Result<Recorded, RecordError> {
        for name in [ACCEPTANCE, REJECTION] {
            if folder.signed(name)?.as_ref() == Some(signed) {
                return Ok(Recorded::Known);
            }
        }
        let (event, time) = (evidence.event.as_str(), evidence.time.as_unix());
        let new = folder.file_statement(EVIDENCE, &format!("again-{event}-{time}"), signed, &[])?;
        tracing::warn!(envelope = %evidence.envelope.key(), event, "the hub answered anew");
        Ok(if new { Recorded::New } else { Recorded::Known })
    }

    /// Stores evidence about one recipient; moves the envelope to the archive once all are final.
    ///
    /// # Errors
    /// It is about an envelope that is not here, or the system refused.
    pub fn record_evidence(
        &self,
        sequence: Sequence,
        signed: &SignedStatement,
        evidence: &Verified<Evidence>,
        directory: &Directory,
    ) -> Result<Recorded, RecordError> {
        let id = evidence.envelope.id;
        let turn = self.turn(id);
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = self.about(evidence.envelope.key())?;
        let (envelope_bytes, envelope) = folder.expect_statement::<Envelope>(ENVELOPE)?;
        let code = track::check_evidence(evidence, &envelope_bytes, &envelope, directory)?;
        let name = statement_name(sequence, evidence.event.as_str(), code.as_str());
        let new = folder.file_statement(EVIDENCE, &name, signed, &[])?;
        if let Some(track) = self.apply(id, &folder, evidence)? {
            self.index.set_recipient(self.home.id(), id, &code, &track);
        }
        self.finalise(id)?;
        Ok(if new { Recorded::New } else { Recorded::Known })
    }

    /// Stores what a recipient says it does with the document; `plain` is its text, decrypted.
    ///
    /// # Errors
    /// It is about an envelope that is not here, or the system refused.
    pub fn record_status(
        &self,
        sequence: Sequence,
        signed: &SignedStatement,
        status: &Verified<Status>,
        text: &[u8],
        plain: Option<&str>,
        directory: &Directory,
    ) -> Result<Recorded, RecordError> {
        let id = status.envelope.id;
        let turn = self.turn(id);
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = self.about(status.envelope.key())?;
        let (envelope_bytes, envelope) = folder.expect_statement::<Envelope>(ENVELOPE)?;
        let code = track::check_status(status, &envelope_bytes, &envelope, directory)?;
        let name = statement_name(sequence, status.status.as_str(), code.as_str());
        let mut beside: Vec<(&str, &[u8])> = Vec::new();
        if !text.is_empty() {
            beside.push(("age", text));
        }
        beside.extend(plain.map(|plain| ("txt", plain.as_bytes())));
        let new = folder.file_statement(STATUS, &name, signed, &beside)?;
        if let Some(shown) = track::shown_status(&folder, &code)? {
            self.index.set_status(self.home.id(), id, &code, &shown);
        }
        Ok(if new { Recorded::New } else { Recorded::Known })
    }

    /// The folder of one of our envelopes that a statement is about.
    fn about(&self, key: EnvelopeKey) -> Result<Folder, RecordError> {
        let code = ErrorCode::EnvelopeUnknown;
        if key.sender != self.home.id() {
            return Err(RecordError::Mismatch { code });
        }
        self.find(key.id).ok_or(RecordError::Mismatch { code })
    }

    /// Follows one statement; gives the recipient's new state if it changed.
    fn apply(
        &self,
        id: EnvelopeId,
        folder: &Folder,
        evidence: &Evidence,
    ) -> Result<Option<Track>, NodeError> {
        let known = match self.lock().entries.get_mut(&id) {
            Some(entry) => entry.tracks.take(),
            // Archived: every recipient was final.
            None => return Ok(None),
        };
        let tracks = match known {
            Some(mut tracks) => {
                track::apply(&mut tracks, evidence);
                tracks
            }
            None => track::read(folder)?,
        };
        let code = evidence.recipient().map(|recipient| &recipient.code);
        let changed = code.and_then(|code| tracks.get(code)).copied();
        if let Some(entry) = self.lock().entries.get_mut(&id) {
            entry.tracks = Some(tracks);
        }
        Ok(changed)
    }
}
