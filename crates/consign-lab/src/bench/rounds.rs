//! Many documents through one hub, sealed and sent in rounds, so that the benchmark itself needs
//! little memory. Nodes stay connected and the store stays between rounds.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, block_in_place};

use super::driver::{Field, Node};
use super::ground::Ground;
use super::link::Link;
use super::process::Process;
use super::sealing::{self, Order};
use super::{BenchError, Progress, Setting};

/// Documents of one round.
const ROUND: usize = 50_000;
/// How often somebody looks.
const GLANCE: Duration = Duration::from_millis(500);
/// How long a round may stand still.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is done with documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// They are accepted, and nobody collects.
    Accept,
    /// They are accepted, delivered and settled.
    Settle,
}

/// What has passed.
#[derive(Debug)]
pub(crate) struct Passed {
    pub(crate) documents: u64,
    /// Sealing not counted.
    pub(crate) seconds: f64,
}

/// Passes documents through; `look` is told now and then how many are done.
pub(crate) async fn pass(
    setting: &Setting,
    ground: &Arc<Ground>,
    hub: &Process,
    (way, documents): (Way, u64),
    look: &mut (dyn FnMut(u64) -> Result<(), BenchError> + Send),
) -> Result<Passed, BenchError> {
    let mut nodes = connect(setting, ground, hub, way).await?;
    let mut passed = Passed {
        documents: 0,
        seconds: 0.0,
    };
    while passed.documents < documents {
        let left = usize::try_from(documents - passed.documents).unwrap_or(ROUND);
        let order = Order {
            each: left.min(ROUND).div_ceil(setting.nodes),
            senders: setting.nodes,
            recipients: setting.recipients,
            size: setting.size,
        };
        let quiet = |_: Progress| {};
        let sealed = block_in_place(|| sealing::seal(ground, order, &quiet))?;
        let field = Arc::new(Field::new(ground, &Arc::new(sealed), nodes.len()));
        let begun = Instant::now();
        let before = passed.documents;
        nodes = round(nodes, &field, &mut |done| look(before + done)).await?;
        passed.seconds += begun.elapsed().as_secs_f64();
        passed.documents += field.done.load(Ordering::SeqCst);
    }
    Ok(passed)
}

async fn connect(
    setting: &Setting,
    ground: &Arc<Ground>,
    hub: &Process,
    way: Way,
) -> Result<Vec<Node>, BenchError> {
    let nothing = Arc::new(Field::new(ground, &Arc::default(), 0));
    let mut nodes = Vec::with_capacity(setting.nodes);
    for (number, participant) in ground.participants.iter().enumerate() {
        let mut link = Link::open(ground, participant, hub.address()).await?;
        let collecting = match way {
            Way::Accept => None,
            Way::Settle => Some(link.collect(participant).await?),
        };
        let window = setting.in_flight.div_ceil(setting.nodes.max(1));
        let field = Arc::clone(&nothing);
        nodes.push(Node::new(field, number, link, collecting, window));
    }
    Ok(nodes)
}

/// All documents of a round; gives the nodes back.
async fn round(
    nodes: Vec<Node>,
    field: &Arc<Field>,
    look: &mut (dyn FnMut(u64) -> Result<(), BenchError> + Send),
) -> Result<Vec<Node>, BenchError> {
    let mut running = JoinSet::new();
    for mut node in nodes {
        node.begin(Arc::clone(field));
        running.spawn(async move { node.run().await.map(|_| node) });
    }
    let mut glances = tokio::time::interval(GLANCE);
    let (mut back, mut seen, mut moved) = (Vec::new(), 0, Instant::now());
    loop {
        tokio::select! {
            ended = running.join_next() => match ended {
                Some(node) => back.push(node.map_err(|_| BenchError::Task)??),
                None => break,
            },
            _ = glances.tick() => {
                let done = field.done.load(Ordering::SeqCst);
                if done != seen {
                    (seen, moved) = (done, Instant::now());
                }
                if moved.elapsed() > PATIENCE {
                    return Err(BenchError::Unsettled {
                        missing: field.under_way.load(Ordering::SeqCst),
                        after: PATIENCE,
                    });
                }
                look(done)?;
            }
        }
    }
    back.sort_by_key(Node::number);
    Ok(back)
}
