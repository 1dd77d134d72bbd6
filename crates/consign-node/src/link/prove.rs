//! The hub knows less than this node: show it what it signed, and wait for its operator.

use std::sync::Arc;
use std::time::Duration;

use consign_domain::Sequence;
use consign_proto::signed_message;
use consign_proto::v1::{self, collect_request::Message};
use tonic::Streaming;

use super::collect::{Requests, desk_of, id_bytes, say};
use super::connection::Session;
use super::fault::LinkFault;
use crate::office::Desk;

/// How long the hub may take to look at what it is shown.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why nothing goes on, if the hub knows less than this node has stored; it has been shown
/// what proves it then.
pub(super) async fn behind(
    session: &Session,
    welcome: &v1::CollectWelcome,
    requests: &mut Option<Requests>,
    replies: &mut Streaming<v1::CollectReply>,
) -> Result<(), LinkFault> {
    let mut fault = None;
    for cursor in &welcome.agencies {
        let Some(desk) = desk_of(session, &cursor.agency) else {
            continue;
        };
        let Some(here) = ahead(session, desk, welcome, cursor).await else {
            continue;
        };
        let shown = session
            .office
            .at_desk(desk, |desk, _| desk.agency.inbox().newest_acceptance());
        if let (Some(acceptance), Some(requests)) = (shown.await, requests.as_ref()) {
            let proof = v1::Proof {
                agency: id_bytes(desk.id()),
                acceptance: Some(signed_message(&acceptance)),
            };
            say(requests, Message::Proof(proof)).await?;
        }
        fault.get_or_insert(LinkFault::HubBehind {
            agency: desk.agency.home().code().clone(),
            hub: cursor.sequence,
            here: here.value(),
        });
    }
    let Some(fault) = fault else {
        return Ok(());
    };
    // Nothing more is said; the stream ends when the hub has heeded all of it.
    drop(requests.take());
    let heeded = async { while let Ok(Some(_)) = replies.message().await {} };
    // Whatever comes of it, somebody has to act at the hub.
    let _late = tokio::time::timeout(PATIENCE, heeded).await;
    Err(fault)
}

/// How far this node is, if the hub knows less or something else.
async fn ahead(
    session: &Session,
    desk: &Arc<Desk>,
    welcome: &v1::CollectWelcome,
    cursor: &v1::Cursor,
) -> Option<Sequence> {
    let office = &session.office;
    let here = office.at_desk(desk, |desk, _| desk.agency.inbox().cursor());
    let (here, _) = here.await?;
    let behind = welcome.behind.contains(&cursor.agency);
    (behind || here.value() > cursor.sequence).then_some(here)
}
