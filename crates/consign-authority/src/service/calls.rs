//! The calls of `authority.proto`: forms are checked here, everything else by the authority.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use consign_domain::{Digest, DirectoryVersion, ErrorCode, KeyId, PartyId};
use consign_proto::v1::{self, directory_reply, enrol_reply};
use consign_proto::{Malformed, id16, status_after, status_from_code};
use consign_runtime::blocking;
use consign_runtime::tls::PeerInfo;
use tokio::sync::Semaphore;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use super::work::{Answer, Counter, Desk, NoAnswer, Order};
use super::{NOBODY, Place};
use crate::error::AuthorityError;
use crate::files::{Authority, Enrolment, Invitee, Known, RenewalProof, pending};

/// Invitations or proofs that come with one request.
const MAX_TOGETHER: usize = 1_000;
/// Largest request, in bytes: about a thousand agencies.
const MAX_ASKED: usize = 2 << 20;
/// Bytes of a bundle or directory in one message.
const PART: usize = 256 * 1024;
/// How many look for invitations at one time.
const FINDERS: usize = 4;
/// When to come again where too much waits.
const LATER: Duration = Duration::from_secs(5);

type Parts<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Answers calls.
#[derive(Debug)]
pub(super) struct Calls {
    place: Arc<Place>,
    desk: Desk,
    turns: Turns,
    /// Invitations are looked for by so many at a time, before anything is queued.
    finders: Semaphore,
}

impl Calls {
    pub(super) fn new(place: Arc<Place>, desk: Desk) -> Self {
        Self {
            place,
            desk,
            turns: Turns::default(),
            finders: Semaphore::new(FINDERS),
        }
    }

    /// Turns away secrets that are no invitation's: who has one waits for nobody else.
    async fn check_invited(&self, secrets: &[[u8; 16]]) -> Result<(), Status> {
        let _finder = self.finders.acquire().await;
        let (dir, asked) = (self.place.dir.clone(), secrets.to_vec());
        let found = blocking(move || {
            let mut asked = asked.iter();
            asked.all(|secret| Authority::has_invitation(&dir, secret))
        });
        match found.await {
            true => Ok(()),
            false => Err(status(&AuthorityError::InvitationUnknown)),
        }
    }

    /// A turn for each who asks; one that asks already has to wait for its answer.
    fn turn(&self, of: &[[u8; 16]]) -> Result<Turn, Status> {
        self.turns.take(of).ok_or_else(|| {
            let text = "the same is asked already; wait for that answer";
            status_after(ErrorCode::Busy, text, LATER)
        })
    }

    async fn ask(&self, counter: Counter, order: Order) -> Result<Answer, Status> {
        match self.desk.ask(counter, order).await {
            Ok(answer) => answer.map_err(|fault| status(&fault)),
            Err(NoAnswer::Busy) => {
                let text = "the authority has much to do; come again";
                Err(status_after(ErrorCode::Busy, text, LATER))
            }
            Err(NoAnswer::Stopping) => {
                let text = "the authority is stopping";
                Err(status_after(ErrorCode::Draining, text, LATER))
            }
        }
    }
}

#[tonic::async_trait]
impl v1::authority_server::Authority for Calls {
    type EnrolStream = Parts<v1::EnrolReply>;
    type RenewStream = Parts<v1::EnrolReply>;
    type DirectoryStream = Parts<v1::DirectoryReply>;

    async fn invitations(
        &self,
        request: Request<v1::InvitationsRequest>,
    ) -> Result<Response<v1::InvitationsReply>, Status> {
        let secrets = secrets(&request.into_inner().secrets)?;
        if secrets.is_empty() {
            return Err(malformed(Malformed { field: "secrets" }));
        }
        self.check_invited(&secrets).await?;
        let _turn = self.turn(&secrets)?;
        let order = Order::Invited(secrets);
        let Answer::Invited(invited) = self.ask(Counter::Invited, order).await? else {
            return Err(unfitting());
        };
        let invitations = invited.into_iter().map(invitation).collect();
        Ok(Response::new(v1::InvitationsReply { invitations }))
    }

    async fn enrol(
        &self,
        request: Request<v1::EnrolRequest>,
    ) -> Result<Response<Self::EnrolStream>, Status> {
        let peer = request.extensions().get::<PeerInfo>();
        let from = peer.map(|peer| peer.remote.ip()).ok_or_else(unfitting)?;
        let message = request.into_inner();
        let (request, secrets) = (bounded(&message.request)?, secrets(&message.secrets)?);
        let counter = if secrets.is_empty() {
            pending::check_size(&request).map_err(|fault| status(&fault))?;
            Counter::Strangers
        } else {
            self.check_invited(&secrets).await?;
            Counter::Invited
        };
        let _turn = self.turn(&secrets)?;
        let order = Order::Enrol(request, secrets, from);
        self.ask(counter, order).await.and_then(enrolled)
    }

    async fn renew(
        &self,
        request: Request<v1::RenewRequest>,
    ) -> Result<Response<Self::RenewStream>, Status> {
        let peer = request.extensions().get::<PeerInfo>();
        let peer = peer.map(|peer| (peer.identity.0, Digest::from_bytes(peer.fingerprint.0)));
        let Some(peer) = peer.filter(|(peer, _)| *peer != NOBODY) else {
            let text = "the directory does not list the certificate; enrol first";
            return Err(status_from_code(ErrorCode::PeerUnknown, text));
        };
        let message = request.into_inner();
        let request = bounded(&message.request)?;
        if message.proofs.len() > MAX_TOGETHER {
            return Err(malformed(Malformed { field: "proofs" }));
        }
        let proofs = message.proofs.iter().map(proof);
        let proofs = proofs.collect::<Result<_, _>>().map_err(malformed)?;
        let _turn = self.turn(&[peer.0])?;
        let order = Order::Renew(request, proofs, peer);
        self.ask(Counter::Listed, order).await.and_then(enrolled)
    }

    async fn directory(
        &self,
        request: Request<v1::DirectoryRequest>,
    ) -> Result<Response<Self::DirectoryStream>, Status> {
        let have = DirectoryVersion::new(request.into_inner().have).ok();
        let newest = self.place.published.load_full();
        let message = |message| {
            let message = Some(message);
            Ok(v1::DirectoryReply { message })
        };
        let newer =
            newest.filter(|newest| have.is_none_or(|have| have < newest.directory.version()));
        let Some(newest) = newer else {
            let current = message(directory_reply::Message::Current(true));
            return Ok(Response::new(Box::pin(tokio_stream::once(current))));
        };
        let head = consign_proto::signed_message(newest.directory.signed_head());
        let mut parts = vec![message(directory_reply::Message::Head(head))];
        let shared = |lines: &Bytes| message(directory_reply::Message::Entries(lines.clone()));
        parts.extend(newest.lines.iter().map(shared));
        let shared = |list: &Bytes| message(directory_reply::Message::List(list.clone()));
        parts.extend(newest.lists.iter().map(shared));
        Ok(Response::new(Box::pin(tokio_stream::iter(parts))))
    }
}

/// Who is being answered: each has one request at a time.
#[derive(Debug, Clone, Default)]
struct Turns(Arc<Mutex<HashSet<[u8; 16]>>>);

/// The turn of some, until it is dropped.
#[derive(Debug)]
struct Turn {
    of: Vec<[u8; 16]>,
    turns: Turns,
}

impl Turns {
    fn take(&self, of: &[[u8; 16]]) -> Option<Turn> {
        let mut taken = self.taken();
        if of.iter().any(|one| taken.contains(one)) {
            return None;
        }
        taken.extend(of);
        Some(Turn {
            of: of.to_vec(),
            turns: self.clone(),
        })
    }

    fn taken(&self) -> MutexGuard<'_, HashSet<[u8; 16]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut taken = self.turns.taken();
        for one in &self.of {
            taken.remove(one);
        }
    }
}

/// A directory's lines, whole, in pieces of about [`PART`] bytes.
pub(super) fn lines(entries: &[u8]) -> Vec<Bytes> {
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    for line in entries.split_inclusive(|byte| *byte == b'\n') {
        match pieces.last_mut() {
            Some(last) if last.len() + line.len() <= PART => last.extend_from_slice(line),
            _ => pieces.push(line.to_vec()),
        }
    }
    pieces.into_iter().map(Bytes::from).collect()
}

fn enrolled(answer: Answer) -> Result<Response<Parts<v1::EnrolReply>>, Status> {
    let message = |message| {
        let message = Some(message);
        Ok(v1::EnrolReply { message })
    };
    let parts: Vec<Result<_, Status>> = match answer {
        Answer::Enrolled(Enrolment::Answered(bundle)) => {
            let bytes = Bytes::from(bundle.to_bytes());
            let starts = (0..bytes.len()).step_by(PART);
            let part = |start| bytes.slice(start..bytes.len().min(start + PART));
            starts
                .map(|start| message(enrol_reply::Message::Bundle(part(start))))
                .collect()
        }
        Answer::Enrolled(Enrolment::Waiting(reference)) => {
            let waiting = v1::Waiting { reference };
            vec![message(enrol_reply::Message::Waiting(waiting))]
        }
        _ => return Err(unfitting()),
    };
    Ok(Response::new(Box::pin(tokio_stream::iter(parts))))
}

fn invitation(Known { invitee, id }: Known) -> v1::Invitation {
    let id = id.map(|id| Bytes::copy_from_slice(&id)).unwrap_or_default();
    match invitee {
        Invitee::Agency {
            code, name, parent, ..
        } => v1::Invitation {
            code: code.to_string(),
            name: name.to_string(),
            parent: parent.map(|parent| parent.to_string()).unwrap_or_default(),
            address: String::new(),
            id,
        },
        Invitee::Hub { code, address } => v1::Invitation {
            code: code.to_string(),
            name: String::new(),
            parent: String::new(),
            address: address.to_string(),
            id,
        },
    }
}

fn secrets(secrets: &[Bytes]) -> Result<Vec<[u8; 16]>, Status> {
    if secrets.len() > MAX_TOGETHER {
        return Err(malformed(Malformed { field: "secrets" }));
    }
    let read = secrets.iter().map(|secret| id16(secret, "secrets"));
    read.collect::<Result<_, _>>().map_err(malformed)
}

fn proof(proof: &v1::RenewalProof) -> Result<RenewalProof, Malformed> {
    let signature = proof.signature.as_ref().try_into();
    let party = PartyId::from_bytes(id16(&proof.party, "party")?);
    Ok(RenewalProof {
        party: party.map_err(|_| Malformed { field: "party" })?,
        key: KeyId::from_bytes(id16(&proof.key, "key")?),
        signature: signature.map_err(|_| Malformed { field: "signature" })?,
    })
}

fn bounded(request: &Bytes) -> Result<Vec<u8>, Status> {
    if request.len() > MAX_ASKED {
        let text = format!("a request has at most {MAX_ASKED} bytes here; go by files");
        return Err(status_from_code(ErrorCode::TooLarge, text));
    }
    Ok(request.to_vec())
}

fn malformed(fault: Malformed) -> Status {
    status_from_code(ErrorCode::ProtocolViolation, fault.to_string())
}

fn unfitting() -> Status {
    status_from_code(
        ErrorCode::Internal,
        "the answer is not that of the question",
    )
}

/// What is wrong, with its cause; nothing in it is secret. A fault of the authority's own
/// files is for its operator alone.
fn status(fault: &AuthorityError) -> Status {
    let code = fault.code();
    if matches!(code, ErrorCode::Internal | ErrorCode::StorageFailed) {
        tracing::error!(%fault, cause = ?std::error::Error::source(fault), "a request was not answered");
        let text = "the authority has a fault of its own; its operator finds it in the log";
        return status_after(ErrorCode::StorageFailed, text, LATER);
    }
    let mut text = fault.to_string();
    let mut cause = std::error::Error::source(fault);
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    status_from_code(code, text)
}
