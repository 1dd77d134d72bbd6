//! Receipts out: each is sent until the hub has answered it for good.
//!
//! At most [`IN_FLIGHT`] are unanswered at one time. What the hub did not take goes again on
//! the same connection: soon and then less often where its reason passes by itself, rarely
//! where somebody has to act. Only a refusal that the envelope's own expiry bears out ends it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use consign_domain::{AgencyId, EnvelopeKey, ErrorCode, SignedStatement};
use consign_proto::signed_message;
use consign_proto::v1::collect_request::Message;
use tokio::sync::mpsc;
use tracing::warn;

use super::collect::{Requests, say};
use super::connection::Session;
use super::fault::{LinkFault, PeerFault};
use super::schedule::Schedule;
use super::sleep_until;
use crate::board::{Board, ItemKey, Waiting};
use crate::inbox::{InboxError, InboxStep};
use crate::office::Desk;

/// Receipts that the hub has not answered.
const IN_FLIGHT: usize = 32;
/// After so long an answer is no longer expected.
const UNANSWERED: Duration = Duration::from_secs(60);
/// How soon a receipt is sent again whose refusal does not pass by itself.
const RARELY: Duration = Duration::from_secs(600);

/// A receipt that brought no wrap.
#[derive(Debug)]
pub(super) struct Declined {
    key: ItemKey,
    /// It is not sent again before.
    least: Duration,
}

impl Declined {
    pub(super) fn new(key: ItemKey, code: ErrorCode, retry_after: Duration) -> Self {
        // What is settled here only after its expiry is asked about until then.
        let soon = code.is_retryable() || code == ErrorCode::AlreadySettled;
        let least = if soon {
            retry_after.min(RARELY)
        } else {
            RARELY
        };
        Self { key, least }
    }
}

/// Sends receipts until the session ends.
pub(super) async fn send(
    session: &Session,
    requests: Requests,
    mut declined: mpsc::Receiver<Declined>,
) -> Result<Infallible, LinkFault> {
    let office = &session.office;
    let mut posted = office.board.on_posted();
    let mut directory = office.keeper.subscribe();
    let mut receipts = Receipts::new();
    let serves = |agency| session.desks.iter().any(|desk| desk.id() == agency);
    loop {
        for receipt in receipts.due(&office.board, &serves, office.clock.monotonic()) {
            say(&requests, Message::Receipt(signed_message(&receipt))).await?;
        }
        tokio::select! {
            () = posted.rung() => {}
            () = sleep_until(receipts.next_at()) => {}
            Some(declined) = declined.recv() => {
                receipts.declined(&declined, office.clock.monotonic());
            }
            // What was refused by an older directory may be right by this one.
            Ok(()) = directory.changed() => receipts.jobs.hurry(),
        }
    }
}

/// Which receipts are due, and which are on their way.
struct Receipts {
    jobs: Schedule<ItemKey>,
    sent: BTreeMap<ItemKey, Instant>,
}

impl Receipts {
    fn new() -> Self {
        Self {
            jobs: Schedule::new(IN_FLIGHT),
            sent: BTreeMap::new(),
        }
    }

    /// What to send now, most urgent first.
    fn due(
        &mut self,
        board: &Board,
        serves: &impl Fn(AgencyId) -> bool,
        now: Instant,
    ) -> Vec<SignedStatement> {
        for Waiting { key, rank, .. } in board.steps(is_receipt) {
            if serves(key.agency) {
                self.jobs.offer(key, rank);
            }
        }
        let jobs = &mut self.jobs;
        self.sent.retain(|key, at| {
            if !board.step(*key).as_deref().is_some_and(is_receipt) {
                jobs.done(*key);
                return false;
            }
            let late = now.duration_since(*at) >= UNANSWERED;
            if late {
                jobs.later(*key, now, Duration::ZERO);
            }
            !late
        });
        let mut due = Vec::new();
        while let Some(key) = self.jobs.take(now) {
            if let Some(InboxStep::SendReceipt(receipt)) = board.step(key).as_deref() {
                self.sent.insert(key, now);
                due.push(receipt.clone());
            } else {
                self.jobs.done(key);
            }
        }
        due
    }

    fn declined(&mut self, declined: &Declined, now: Instant) {
        if self.sent.remove(&declined.key).is_some() {
            self.jobs.later(declined.key, now, declined.least);
        }
    }

    /// When something comes due by itself.
    fn next_at(&self) -> Option<Instant> {
        let unanswered = self.sent.values().min().map(|at| *at + UNANSWERED);
        [unanswered, self.jobs.next_at()]
            .into_iter()
            .flatten()
            .min()
    }
}

const fn is_receipt(step: &InboxStep) -> bool {
    matches!(step, InboxStep::SendReceipt(_))
}

/// A receipt was refused: it goes again, unless the envelope has lapsed. Where somebody has to
/// act, people see why.
pub(super) async fn refused(
    session: &Session,
    desk: &Desk,
    key: EnvelopeKey,
    fault: PeerFault,
) -> Option<Declined> {
    let code = fault.cause.code;
    let sequence = desk.agency.inbox().sequence_of(key)?;
    let item = ItemKey {
        agency: desk.id(),
        sequence,
    };
    if code == ErrorCode::AlreadySettled && lapsed(session, item, key).await {
        return None;
    }
    let declined = Declined::new(item, code, fault.retry_after);
    if !code.is_retryable() {
        session.office.link.noted(Some(fault.cause));
    }
    Some(declined)
}

/// Whether an envelope that the hub says is settled otherwise has lapsed: there will be no
/// wrap and no payload, and no use in asking. Before its expiry the hub's word is not enough.
pub(super) async fn lapsed(session: &Session, item: ItemKey, key: EnvelopeKey) -> bool {
    let office = &session.office;
    let Some(desk) = office.desk(item.agency) else {
        return false;
    };
    let (now, here) = (office.now(), std::sync::Arc::clone(office));
    // Ended also where the session ends meanwhile.
    let noted = office
        .at_desk(desk, move |desk, _| {
            let reason = ErrorCode::NotCollected;
            let lapsed = desk.agency.inbox().lapsed(key, reason, now);
            lapsed.inspect(|_| here.board.ask(item))
        })
        .await;
    match noted {
        Ok(_) => true,
        Err(InboxError::NotYet { .. }) => {
            warn!(envelope = %key, "the hub says that it is settled, before it expires; asking again");
            false
        }
        Err(error) => {
            warn!(envelope = %key, %error, "a lapse could not be noted");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use consign_domain::document::Urgency;
    use consign_domain::{EnvelopeId, Sequence};
    use consign_runtime::clock::Clock;

    use super::*;
    use crate::inbox::InboxWork;

    fn key(place: u64) -> ItemKey {
        ItemKey {
            agency: super::super::fixture::agency(7),
            sequence: Sequence::new(place).unwrap(),
        }
    }

    fn receipt(place: u64) -> SignedStatement {
        SignedStatement {
            statement: Bytes::from(place.to_string()),
            signature: [0; 64],
        }
    }

    /// A board on which this many receipts wait.
    fn board(count: u64) -> Board {
        let board = Board::default();
        let mut id = [9; 16];
        (id[6], id[8]) = (0x79, 0x89);
        let work: Vec<InboxWork> = (1..=count)
            .map(|place| InboxWork {
                sequence: key(place).sequence,
                key: EnvelopeKey {
                    sender: key(place).agency,
                    id: EnvelopeId::from_bytes(id).unwrap(),
                },
                urgency: Urgency::Normal,
                payload_size: 1,
            })
            .collect();
        board.fill(key(1).agency, &work);
        for place in 1..=count {
            board.post(key(place), InboxStep::SendReceipt(receipt(place)));
        }
        board
    }

    #[test]
    fn few_are_unanswered_and_an_answer_makes_room() {
        let (board, now) = (board(40), Clock::system().monotonic());
        let mut receipts = Receipts::new();
        assert_eq!(receipts.due(&board, &|_| true, now).len(), IN_FLIGHT);
        assert!(receipts.due(&board, &|_| true, now).is_empty());
        board.ask(key(1));
        board.clear(key(2));
        assert_eq!(
            receipts.due(&board, &|_| true, now),
            [receipt(33), receipt(34)]
        );
        let later = now + UNANSWERED;
        assert_eq!(receipts.next_at(), Some(later));
        assert_eq!(receipts.due(&board, &|_| true, later).len(), 6);
    }

    #[test]
    fn what_was_refused_goes_again_on_the_same_connection() {
        let (board, now) = (board(2), Clock::system().monotonic());
        let mut receipts = Receipts::new();
        assert!(receipts.due(&board, &|_| false, now).is_empty(), "not ours");
        assert_eq!(receipts.due(&board, &|_| true, now).len(), 2);
        let none = Duration::ZERO;
        receipts.declined(&Declined::new(key(1), ErrorCode::Busy, none), now);
        receipts.declined(&Declined::new(key(2), ErrorCode::KeyUnknown, none), now);
        assert!(receipts.due(&board, &|_| true, now).is_empty());
        let soon = now + Duration::from_secs(1);
        assert_eq!(receipts.due(&board, &|_| true, soon), [receipt(1)]);
        receipts.declined(&Declined::new(key(1), ErrorCode::AlreadySettled, none), now);
        assert_eq!(receipts.due(&board, &|_| true, soon), [receipt(1)]);
        let late = now + RARELY + RARELY / 4;
        assert!(receipts.due(&board, &|_| true, late).contains(&receipt(2)));
    }
}
