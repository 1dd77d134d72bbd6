//! What the node says on its stream: credit, how far it has stored, receipts.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use consign_domain::statement::{Evidence, Statement};
use consign_domain::{AgencyId, EnvelopeKey, SignedStatement};
use consign_proto::v1::{self, collect_reply, collect_request::Message};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tonic::Streaming;

use super::{End, Session, proof};
use crate::admit::Refused;
use crate::relay::agency_id;

/// Receipts that are being settled at once.
const IN_FLIGHT: usize = 64;

type Settling<'a> = Pin<Box<dyn Future<Output = Result<(), End>> + Send + 'a>>;

/// Takes messages until the node ends the stream or the hub stops; receipts that were
/// read by then are settled first.
pub(super) async fn receive(session: &Session, inbound: &mut Streaming<v1::CollectRequest>) -> End {
    let mut settling: FuturesUnordered<Settling<'_>> = FuturesUnordered::new();
    let end = loop {
        tokio::select! {
            Some(settled) = settling.next() => {
                if let Err(end) = settled {
                    return end;
                }
            }
            message = inbound.next(), if settling.len() < IN_FLIGHT => match message {
                Some(Ok(v1::CollectRequest { message: Some(Message::Receipt(receipt)) })) => {
                    settling.push(Box::pin(settle(session, receipt)));
                }
                Some(Ok(v1::CollectRequest { message: Some(Message::Proof(proof)) })) => {
                    if let Err(refused) = proof::heed(session, proof).await {
                        return End::Refused(refused);
                    }
                }
                Some(Ok(v1::CollectRequest { message: Some(message) })) => {
                    if let Err(refused) = heed(session, message) {
                        return End::Refused(refused);
                    }
                }
                Some(Ok(_)) => return End::Refused(Refused::Protocol {
                    rule: "a message says something",
                }),
                Some(Err(_)) => return End::Closed,
                None => break End::Closed,
            },
            () = session.relay.shutdown().wait() => break End::Drain,
        }
    };
    while let Some(settled) = settling.next().await {
        if let Err(end) = settled {
            return end;
        }
    }
    end
}

fn heed(session: &Session, message: Message) -> Result<(), Refused> {
    match message {
        Message::Credit(credit) => {
            session.credit.grant(credit.bytes);
            Ok(())
        }
        Message::Stored(stored) => {
            let agency = agency_id(&stored.agency)?;
            let through = consign_proto::sequence(stored.sequence, "sequence")?;
            if !session.hold.has(agency) {
                // Said before the node knew that a newer stream has taken over.
                return Ok(());
            }
            let admission = &session.relay.admission;
            admission.collected(session.caller, agency, through)
        }
        Message::Open(_) | Message::Receipt(_) | Message::Proof(_) => Err(Refused::Protocol {
            rule: "a stream is opened once",
        }),
    }
}

/// Settles one receipt and releases its wrap, or says why not.
async fn settle(session: &Session, receipt: v1::SignedStatement) -> Result<(), End> {
    let signed = match consign_proto::signed(Some(receipt), "receipt") {
        Ok(signed) => signed,
        Err(malformed) => return Err(End::Refused(malformed.into())),
    };
    let (caller, holder) = (session.caller, session.hold.holder());
    let (admission, receipt) = (Arc::clone(&session.relay.admission), signed.clone());
    // Settled to its end, also where the stream ends meanwhile: it is counted only then.
    let settling = async move { admission.receipt(caller, receipt, Some(holder)).await };
    let handed = session.relay.tasks.spawn_for("receipt", settling);
    match handed.await.unwrap_or(Err(Refused::Draining)) {
        Ok((_, release)) => session.say(collect_reply::Message::Release(release)).await,
        Err(refused) => {
            let (key, agency) = named(&signed).unzip();
            tracing::info!(
                node = %session.caller.node,
                envelope_id = key.map(|key| tracing::field::display(key.id)),
                agency = agency.map(tracing::field::display),
                code = %refused.code(),
                %refused,
                "receipt not taken"
            );
            session.refuse(key, agency, &refused).await
        }
    }
}

/// What a receipt says it is about: only to address the answer.
fn named(signed: &SignedStatement) -> Option<(EnvelopeKey, AgencyId)> {
    let evidence = Evidence::parse(&signed.statement).ok()?;
    Some((evidence.envelope.key(), evidence.signer.id.as_agency()))
}
