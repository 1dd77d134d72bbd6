//! Uploads: let in before a byte of theirs is stored, swept when nobody goes on with them.

use std::sync::Arc;

use consign_domain::{EnvelopeKey, SignedStatement};
use consign_store::{LeftUpload, StagedPayload, Store, StoreError, Upload};
use tracing::{info, warn};

use super::envelope::Judged;
use super::quotas::Cost;
use super::staging::Reservation;
use super::{Admission, Refused};
use crate::caller::Caller;

/// What an upload begins with.
pub(crate) enum Staged {
    /// The envelope was answered before or just now; submitting it brings the answer.
    Answered,
    /// The payload is here already.
    Here(u64),
    /// Bytes may come, from where the stage says.
    Open {
        /// Takes them.
        stage: Box<dyn StagedPayload>,
        /// Their room.
        reservation: Reservation,
        /// What they are to be.
        upload: Upload,
    },
}

/// The uploads that an earlier run left and that are still waited for; the others are let
/// go of. It blocks.
pub(crate) fn left(store: &dyn Store) -> Result<Vec<LeftUpload>, StoreError> {
    let mut waiting = Vec::new();
    for left in store.staged()? {
        if store.answer(left.upload.key)?.is_none() {
            waiting.push(left);
        } else {
            store.unstage(&left.upload)?;
        }
    }
    Ok(waiting)
}

impl Admission {
    /// Lets an upload begin or go on, for an envelope that would be accepted with its
    /// payload.
    pub(crate) async fn stage(
        self: &Arc<Self>,
        caller: Caller,
        signed: SignedStatement,
    ) -> Result<Staged, Refused> {
        let judged = self.check(move |this| this.judge(caller, &signed)).await?;
        let good = match judged {
            Judged::Known(_) => return Ok(Staged::Answered),
            Judged::Bad(bad) => {
                let key = bad.reference.key();
                let (reply, charge) = self.refuse(*bad)?;
                self.stored(reply.await)?;
                charge.keep();
                self.forget(key).await;
                return Ok(Staged::Answered);
            }
            Judged::Good(good) => good,
        };
        self.check(move |this| {
            let (key, payload) = (good.envelope.key(), &good.envelope.payload);
            if this.staging.find(key, payload).is_some() {
                return Ok(Staged::Here(payload.size));
            }
            // Only asked: the submission that follows is what costs.
            drop(this.charge(key.sender, Cost::of(&good.envelope))?);
            this.begin(
                caller,
                Upload {
                    key,
                    digest: payload.sha256,
                    size: payload.size,
                    expires: good.envelope.expires,
                },
            )
        })
        .await
    }

    fn begin(&self, caller: Caller, upload: Upload) -> Result<Staged, Refused> {
        let now = self.now();
        let (mut reservation, given_up) = self.staging.reserve(upload, caller.node, now)?;
        if let Some(given_up) = given_up {
            self.let_go(&given_up);
        }
        let stage = self.store.stage(upload).inspect_err(|fault| {
            // Whoever was at it a moment ago may not have let go yet; and what a disk that
            // fails now has of an earlier part stays, and counts, until it is swept.
            if !matches!(fault, StoreError::Full) {
                reservation.got_on(now);
            }
        })?;
        if stage.written() > 0 {
            reservation.got_on(now);
        }
        Ok(Staged::Open {
            stage,
            reservation,
            upload,
        })
    }

    /// Nobody waits any longer for what was uploaded under this key.
    pub(super) async fn forget(self: &Arc<Self>, key: EnvelopeKey) {
        if let Some(upload) = self.staging.forget(key) {
            let this = Arc::clone(self);
            let gone = tokio::task::spawn_blocking(move || this.let_go(&upload)).await;
            drop(gone);
        }
    }

    /// Lets go of uploads that have lapsed or that nobody has gone on with for long.
    pub(crate) async fn sweep_uploads(self: &Arc<Self>) {
        let gone = self.staging.sweep(self.now());
        if gone.is_empty() {
            return;
        }
        let this = Arc::clone(self);
        let swept = tokio::task::spawn_blocking(move || {
            for upload in gone {
                info!(
                    agency = %upload.key.sender,
                    envelope_id = %upload.key.id,
                    size = upload.size,
                    "an abandoned upload was removed"
                );
                this.let_go(&upload);
            }
        });
        drop(swept.await);
    }

    pub(super) fn let_go(&self, upload: &Upload) {
        let_go(self.store.as_ref(), upload);
    }
}

/// What stays is let go of at the next start. It blocks.
pub(super) fn let_go(store: &dyn Store, upload: &Upload) {
    if let Err(error) = store.unstage(upload) {
        warn!(%error, envelope_id = %upload.key.id, "an upload could not be removed");
    }
}
