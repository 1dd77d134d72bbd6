//! Large payloads, beside the others.

use std::time::Duration;
use std::time::Instant;

use tracing::{Instrument as _, info_span, warn};

use super::{SentKey, Stream, envelope_key, patience};
use crate::error::NodeError;
use crate::link::connection::Session;
use crate::link::fault::PeerFault;
use crate::link::payload;
use crate::link::state::Cause;
use crate::outbox::{Submission, SubmissionPayload};

impl Stream<'_> {
    pub(super) fn begin_uploads(&mut self, now: Instant) {
        while let Some(key) = self.uploads.take(now) {
            let session = self.session.clone();
            self.uploading
                .spawn(async move { (key, upload(&session, key).await) });
        }
    }

    pub(super) fn uploaded(&mut self, (key, result): (SentKey, Result<(), PeerFault>)) {
        match result {
            Ok(()) => {
                self.staged.insert(key);
                self.uploads.done(key);
            }
            Err(fault) => {
                let least = patience(&fault);
                let (envelope, now) = (envelope_key(key), self.office().clock.monotonic());
                let cause = fault.cause;
                warn!(%envelope, code = %cause.code, cause = %cause.text, "payload not uploaded, trying again");
                let wait = self.uploads.put_off(key, now, least);
                self.office().hold_until(envelope, cause, now + wait);
            }
        }
    }
}

async fn upload(session: &Session, (agency, id): SentKey) -> Result<(), PeerFault> {
    let office = &session.office;
    let Some(desk) = office.desk(agency) else {
        return Ok(());
    };
    let loaded = office.at_desk(desk, move |desk, _| {
        desk.agency.outbox().load_submission(id)
    });
    match loaded.await {
        Ok(Submission {
            signed,
            payload: SubmissionPayload::File { path, size },
            ..
        }) => {
            let span = info_span!("upload", envelope = %envelope_key((agency, id)));
            payload::upload(session, &signed, path, size)
                .instrument(span)
                .await
        }
        // Small, or answered since it was listed: submitting will tell.
        Ok(_) | Err(NodeError::UnknownEnvelope | NodeError::State { .. }) => Ok(()),
        Err(fault) => Err(PeerFault {
            cause: Cause {
                code: fault.code(),
                text: fault.to_string(),
            },
            retry_after: Duration::ZERO,
        }),
    }
}
