//! Payloads that were uploaded, or are being uploaded, and not yet submitted: who holds
//! how much, and since when nothing has come. The store keeps the bytes, across restarts;
//! here their room is counted, and whose turn it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use consign_domain::statement::PayloadInfo;
use consign_domain::{EnvelopeKey, NodeId, Timestamp};
use consign_store::{LeftUpload, StagedRef, Upload};
use consign_verify::Directory;

use super::Refused;
use crate::config::Limits;

#[derive(Debug)]
pub(super) struct Staging {
    held: Mutex<HashMap<EnvelopeKey, Held>>,
    per_node: usize,
    bytes: u64,
    /// Seconds without progress after which an upload is abandoned.
    idle: u64,
}

#[derive(Debug)]
struct Held {
    node: NodeId,
    upload: Upload,
    /// When it last got on.
    touched: Timestamp,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The bytes come in.
    Coming,
    /// Some are here, and nobody sends the rest for now.
    Paused,
    /// All are here; so many submissions are being decided with them.
    Whole(StagedRef, usize),
}

impl State {
    /// Nobody is at it.
    const fn is_idle(&self) -> bool {
        matches!(self, Self::Paused | Self::Whole(_, 0))
    }
}

/// One node may hold this part of the hub's room for uploads.
const NODE_SHARE: u64 = 4;

/// Room for one upload, whose turn it is until this is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    staging: Arc<Staging>,
    key: EnvelopeKey,
    /// What becomes of the room: nothing is here yet, so it is given back.
    is_empty: bool,
}

/// A staged payload that a submission uses: it is not swept meanwhile.
#[derive(Debug)]
pub(crate) struct InUse {
    staging: Arc<Staging>,
    key: EnvelopeKey,
    staged: StagedRef,
}

impl Staging {
    /// Counts what an earlier run left, each to the node that now serves its sender; gives
    /// what nobody is to have: of an agency that is no more, or under a key that has another.
    pub(super) fn new(
        limits: &Limits,
        left: Vec<LeftUpload>,
        directory: &Directory,
    ) -> (Self, Vec<Upload>) {
        let (mut held, mut gone) = (HashMap::new(), Vec::new());
        for left in left {
            let upload = left.upload;
            let Some(agency) = directory.agency(upload.key.sender) else {
                gone.push(upload);
                continue;
            };
            let one = Held {
                node: agency.node,
                upload,
                touched: left.touched,
                state: left.whole.map_or(State::Paused, |it| State::Whole(it, 0)),
            };
            gone.extend(held.insert(upload.key, one).map(|other: Held| other.upload));
        }
        let staging = Self {
            held: Mutex::new(held),
            per_node: limits.staged_per_node,
            bytes: limits.staged_bytes,
            idle: limits.staged_idle_seconds,
        };
        (staging, gone)
    }

    /// Reserves room; one upload at a time for an envelope. Another payload under the same
    /// key is given up, since the newer envelope counts, and returned.
    pub(super) fn reserve(
        self: &Arc<Self>,
        upload: Upload,
        node: NodeId,
        now: Timestamp,
    ) -> Result<(Reservation, Option<Upload>), Refused> {
        let mut held = self.held();
        let key = upload.key;
        if held.get(&key).is_some_and(|other| !other.state.is_idle()) {
            return Err(Refused::Busy);
        }
        if held.get(&key).map(|earlier| earlier.upload) != Some(upload) {
            self.has_room(&held, node, upload)?;
        }
        let earlier = held.remove(&key).map(|earlier| earlier.upload);
        let (state, touched) = (State::Coming, now);
        held.insert(
            key,
            Held {
                node,
                upload,
                touched,
                state,
            },
        );
        let reservation = Reservation {
            staging: Arc::clone(self),
            key,
            is_empty: true,
        };
        Ok((reservation, earlier.filter(|earlier| *earlier != upload)))
    }

    fn has_room(
        &self,
        held: &HashMap<EnvelopeKey, Held>,
        node: NodeId,
        upload: Upload,
    ) -> Result<(), Refused> {
        let size = upload.size;
        // What it takes the place of is given up.
        let others = || held.values().filter(|other| other.upload.key != upload.key);
        let own = || others().filter(|other| other.node == node);
        if own().count() >= self.per_node {
            return Err(Refused::Quota {
                quota: "the node's number of uploads",
            });
        }
        // A node's only upload may be larger than its share, so that none is too large.
        let own: u64 = own().map(|other| other.upload.size).sum();
        if own > 0 && own.saturating_add(size) > self.bytes / NODE_SHARE {
            return Err(Refused::Quota {
                quota: "the node's room for uploads",
            });
        }
        let total: u64 = others().map(|other| other.upload.size).sum();
        if total.saturating_add(size) > self.bytes {
            return Err(Refused::Quota {
                quota: "the hub's room for uploads",
            });
        }
        Ok(())
    }

    /// The staged payload that an envelope names.
    pub(super) fn find(self: &Arc<Self>, key: EnvelopeKey, payload: &PayloadInfo) -> Option<InUse> {
        let mut held = self.held();
        let State::Whole(staged, users) = &mut held.get_mut(&key)?.state else {
            return None;
        };
        if staged.digest() != payload.sha256 || staged.size() != payload.size {
            return None;
        }
        *users += 1;
        Some(InUse {
            staging: Arc::clone(self),
            key,
            staged: staged.clone(),
        })
    }

    /// The envelope was answered, or its payload is gone: gives what the store may let go
    /// of. An upload that is under way ends by itself.
    #[must_use]
    pub(super) fn forget(&self, key: EnvelopeKey) -> Option<Upload> {
        let mut held = self.held();
        if matches!(held.get(&key)?.state, State::Coming) {
            return None;
        }
        held.remove(&key).map(|held| held.upload)
    }

    /// Forgets what has lapsed, or has not got on for too long, and gives it.
    #[must_use]
    pub(super) fn sweep(&self, now: Timestamp) -> Vec<Upload> {
        let mut held = self.held();
        let oldest = now.minus_seconds(self.idle);
        let over = |held: &Held| {
            held.state.is_idle() && (held.upload.expires <= now || held.touched < oldest)
        };
        let gone = held.extract_if(|_, held| over(held));
        gone.map(|(_, held)| held.upload).collect()
    }

    fn held(&self) -> MutexGuard<'_, HashMap<EnvelopeKey, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reservation {
    /// Bytes are here: they are kept, also when nobody sends the rest.
    pub(crate) fn got_on(&mut self, now: Timestamp) {
        self.is_empty = false;
        if let Some(held) = self.staging.held().get_mut(&self.key) {
            held.touched = now;
        }
    }

    /// Nothing is here any more.
    pub(crate) fn lose(mut self) {
        self.is_empty = true;
    }

    /// All bytes are here; they are held until submitted or until the envelope expires.
    pub(crate) fn keep(mut self, staged: StagedRef, now: Timestamp) {
        self.got_on(now);
        if let Some(held) = self.staging.held().get_mut(&self.key) {
            held.state = State::Whole(staged, 0);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut held = self.staging.held();
        if self.is_empty {
            held.remove(&self.key);
        } else if let Some(held) = held.get_mut(&self.key)
            && matches!(held.state, State::Coming)
        {
            held.state = State::Paused;
        }
    }
}

impl InUse {
    /// The payload.
    pub(crate) const fn staged(&self) -> &StagedRef {
        &self.staged
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        if let Some(held) = self.staging.held().get_mut(&self.key)
            && let State::Whole(staged, users) = &mut held.state
            && *staged == self.staged
        {
            *users = users.saturating_sub(1);
        }
    }
}
