//! What the nodes' lists show: each document once, with the end that the archives tell.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use consign_domain::EnvelopeId;
use consign_node::client;
use consign_proto::v1::node_client::NodeClient;
use consign_proto::v1::{DocumentRequest, InboxRow, ListRequest, SentRow, TrackReply};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tonic::transport::Channel;

use super::{Breach, Court, Judgement, Promise, Seat, Traces, bar};

/// Rows of a page.
const PAGE: u32 = 1_000;
/// Questions that are asked side by side.
const SIDE_BY_SIDE: usize = 8;

/// All that the nodes show, by seat and by document.
pub(super) struct Lists {
    received: Vec<Vec<InboxRow>>,
    sent: Vec<Vec<SentRow>>,
    tracks: HashMap<EnvelopeId, TrackReply>,
}

/// Reads all lists, and tracks every promised document.
pub(super) async fn read(seats: &[Seat], promises: &[Promise]) -> Result<Lists> {
    let (mut received, mut sent) = (Vec::new(), Vec::new());
    for seat in seats {
        let mut node = connect(&seat.place).await?;
        received.push(inbox(&mut node, seat.code).await?);
        sent.push(outbox(&mut node, seat.code).await?);
    }
    let tracks = tracks(seats, promises).await?;
    Ok(Lists {
        received,
        sent,
        tracks,
    })
}

async fn connect(place: &Path) -> Result<NodeClient<Channel>> {
    // It runs; its file may still be the one of the process that was killed before.
    for _ in 0..200 {
        if let Ok(node) = client::connect(place) {
            return Ok(node);
        }
        sleep(Duration::from_millis(25)).await;
    }
    Ok(client::connect(place)?)
}

fn page(code: &str, after: &str) -> ListRequest {
    ListRequest {
        agency: code.to_owned(),
        limit: PAGE,
        after: after.to_owned(),
        ..ListRequest::default()
    }
}

async fn inbox(node: &mut NodeClient<Channel>, code: &str) -> Result<Vec<InboxRow>> {
    let (mut rows, mut after) = (Vec::new(), String::new());
    loop {
        let reply = node.inbox(page(code, &after)).await?.into_inner();
        rows.extend(reply.rows);
        after = reply.next;
        if after.is_empty() {
            return Ok(rows);
        }
    }
}

async fn outbox(node: &mut NodeClient<Channel>, code: &str) -> Result<Vec<SentRow>> {
    let (mut rows, mut after) = (Vec::new(), String::new());
    loop {
        let reply = node.sent(page(code, &after)).await?.into_inner();
        rows.extend(reply.rows);
        after = reply.next;
        if after.is_empty() {
            return Ok(rows);
        }
    }
}

async fn tracks(seats: &[Seat], promises: &[Promise]) -> Result<HashMap<EnvelopeId, TrackReply>> {
    let bar = Arc::new(bar(promises.len(), "tracked"));
    let mut asking = JoinSet::new();
    for part in promises.chunks(promises.len().div_ceil(SIDE_BY_SIDE).max(1)) {
        let mut nodes = Vec::new();
        for seat in seats {
            nodes.push((connect(&seat.place).await?, seat.code));
        }
        let part: Vec<_> = part.iter().map(|one| (one.sender, one.id)).collect();
        let bar = Arc::clone(&bar);
        asking.spawn(async move {
            let mut tracks = Vec::with_capacity(part.len());
            for (sender, id) in part {
                let (node, code) = nodes.get_mut(sender).context("a seat")?;
                let request = DocumentRequest {
                    agency: (*code).to_owned(),
                    id: id.to_string(),
                };
                tracks.push((id, node.track(request).await?.into_inner()));
                bar.inc(1);
            }
            Ok::<_, anyhow::Error>(tracks)
        });
    }
    let mut tracks = HashMap::with_capacity(promises.len());
    while let Some(answered) = asking.join_next().await {
        tracks.extend(answered.context("a tracker panicked")??);
    }
    bar.finish_and_clear();
    Ok(tracks)
}

impl Lists {
    pub(super) fn judge(
        &self,
        court: &Court<'_>,
        promises: &[Promise],
        traces: &[Option<Traces>],
        judgement: &mut Judgement,
    ) {
        for seat in 0..court.seats.len() {
            self.judge_inbox(court, seat, promises, traces, judgement);
            self.judge_sent(court, seat, promises, judgement);
        }
        for (promise, traces) in promises.iter().zip(traces) {
            let Some(traces) = traces else { continue };
            let said = self.tracks.get(&promise.id);
            let states = said.map(|said| states(court, said)).unwrap_or_default();
            let expected: Vec<(&str, &str)> = promise
                .to
                .iter()
                .map(|to| match traces.handed_over.contains(to) {
                    true => (court.code(*to), "handed-over"),
                    false => (court.code(*to), "failed"),
                })
                .collect();
            if states != expected {
                let what = format!("{} is shown as {states:?}, not {expected:?}", promise.id);
                judgement.note((Breach::Conflict, what));
            }
        }
    }

    /// Each document that was sent to an agency is shown there once, readable and at the place
    /// that the acceptance names; and nothing else is.
    fn judge_inbox(
        &self,
        court: &Court<'_>,
        seat: usize,
        promises: &[Promise],
        traces: &[Option<Traces>],
        judgement: &mut Judgement,
    ) {
        let mut expected = BTreeMap::new();
        for (promise, traces) in promises.iter().zip(traces) {
            let Some(traces) = traces else { continue };
            let place = traces
                .placed
                .iter()
                .find(|(recipient, _)| *recipient == seat);
            if let Some((_, place)) = place {
                expected.insert(promise.id.to_string(), *place);
            }
        }
        let code = court.code(seat);
        for row in self.received.get(seat).into_iter().flatten() {
            let id = &row.envelope_id;
            let found = match expected.remove(id) {
                None => Some((Breach::Twice, "is shown again, or was never sent")),
                Some(place) if place != row.sequence => {
                    Some((Breach::Order, "is shown at another place"))
                }
                Some(_) if row.state != "opened" || row.verdict != "TOTAL-PASSED" => {
                    Some((Breach::Lost, "cannot be read"))
                }
                Some(_) => None,
            };
            if let Some((breach, what)) = found {
                judgement.note((breach, format!("{id} at {code} {what}: {row:?}")));
            }
        }
        for id in expected.into_keys() {
            judgement.note((Breach::Lost, format!("{id} is not shown at {code}")));
        }
    }

    /// Each document is shown once to its sender, as final.
    fn judge_sent(
        &self,
        court: &Court<'_>,
        seat: usize,
        promises: &[Promise],
        judgement: &mut Judgement,
    ) {
        let own = promises.iter().filter(|promise| promise.sender == seat);
        let mut expected: BTreeMap<String, usize> = own
            .map(|promise| (promise.id.to_string(), promise.to.len()))
            .collect();
        let code = court.code(seat);
        for row in self.sent.get(seat).into_iter().flatten() {
            let id = &row.envelope_id;
            match expected.remove(id) {
                None => {
                    let what = format!("{id} is listed again by {code}, or was never sent");
                    judgement.note((Breach::Twice, what));
                }
                Some(to) if row.state != "final" || to as u64 != ended(row) => {
                    let what = format!("{id} is not final for {code}: {row:?}");
                    judgement.note((Breach::Conflict, what));
                }
                Some(_) => {}
            }
        }
        for id in expected.into_keys() {
            judgement.note((Breach::Lost, format!("{id} is not listed by {code}")));
        }
    }
}

fn ended(row: &SentRow) -> u64 {
    u64::from(row.handed_over) + u64::from(row.failed)
}

/// Codes and states of a track's recipients, in the order of seats.
fn states<'a>(court: &Court<'_>, track: &'a TrackReply) -> Vec<(&'a str, &'a str)> {
    let mut states: Vec<_> = track
        .recipients
        .iter()
        .map(|recipient| (recipient.code.as_str(), recipient.state.as_str()))
        .collect();
    states.sort_by_key(|(code, _)| court.seats.iter().position(|seat| seat.code == *code));
    states
}
