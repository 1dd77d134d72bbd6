//! One document: sent, accepted, handed over, opened, judged.

use std::path::{Path, PathBuf};
use std::time::Duration;

use consign_domain::{EnvelopeId, EnvelopeKey, ErrorCode};
use consign_lab::{Network, Running, Seat, sample};
use consign_node::client;
use consign_proto::v1::document_reply::Row;
use consign_proto::v1::send_event::Event;
use consign_proto::v1::{
    DocumentReply, DocumentRequest, EvidenceView, SendComposed, SendEvent, SendOpen,
};
use consign_verify::Indication;
use consign_verify::container::{self, JudgedAt, Policy, SealTrust};
use tonic::Streaming;

use super::evidence;
use super::{Document, Received, Stage};
use crate::commands::now;
use crate::commands::send::upload::Upload;
use crate::commands::verify::Trust;
use crate::failure::Failure;
use crate::output::Tone;

/// On one machine everything arrives long before.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often a node is asked whether it is done.
const GLANCE: Duration = Duration::from_millis(15);

/// The container's name among the files of a document.
const CONTAINER: &str = "container.asice";

/// What is to be sent.
#[derive(Debug)]
pub(super) struct Letter {
    open: SendOpen,
    upload: Upload,
}

impl Letter {
    /// The sample letter, or somebody's file; in either case with the sample's appendix, from
    /// the first agency to all others.
    pub(super) fn new(
        network: &Network,
        file: Option<&Path>,
        is_new: bool,
    ) -> Result<Self, Failure> {
        let codes = |seat: &Seat| seat.code.clone();
        let mut codes = network.seats().iter().map(codes);
        let from = codes.next().unwrap_or_default();
        let to: Vec<String> = codes.collect();
        let samples = sample::write(&network.dir().join("documents"))?;
        let mut paths = samples.clone();
        let open = match (file, paths.first_mut()) {
            (Some(file), Some(first)) => {
                file.clone_into(first);
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                sample::other(&from, to, &name)
            }
            _ => sample::letter(&from, to),
        };
        // The number on the page was given when the network was new.
        let numbered = is_new && file.is_none();
        let open = SendOpen {
            number: if numbered { open.number } else { String::new() },
            notation: if numbered {
                open.notation
            } else {
                String::new()
            },
            ..open
        };
        let upload = Upload::new(paths)?.titled(&[&open.subject, sample::APPENDIX_TITLE]);
        Ok(Self { open, upload })
    }
}

/// Sends the letter, shows what happens to it, and says where everything is.
pub(super) async fn show(
    network: &Network,
    running: &Running,
    letter: Letter,
    stage: Stage,
) -> Result<Document, Failure> {
    let (sender, recipients) = network
        .seats()
        .split_first()
        .ok_or_else(|| Failure::new(ErrorCode::Internal, "a network without agencies"))?;
    let id = send(sender, letter, stage).await?;
    let trust = Trust::load(&network.trust())?;
    let mut received = Vec::new();
    for seat in recipients {
        let directory = opened(seat, &id, stage).await?;
        let container = directory.join(CONTAINER);
        judge(&container, seat, &trust, stage)?;
        received.push(Received {
            agency: seat.code.clone(),
            container,
        });
    }
    let (directory, views) = settled(sender, &id).await?;
    let home = network.dir().join("evidence").join(&id);
    let evidence = evidence::write(&home, &views, &trust)?;
    let payload = network.dir().join("payloads").join(&id).join("payload.age");
    copy_payload(running, sender, &id, &trust, payload.clone()).await?;
    Ok(Document {
        id,
        from: sender.code.clone(),
        container: directory.join(CONTAINER),
        payload,
        received,
        evidence,
    })
}

/// Hands the files to the sender's node and tells what it reports; gives the envelope's id.
async fn send(sender: &Seat, letter: Letter, stage: Stage) -> Result<String, Failure> {
    let Letter { open, upload } = letter;
    stage.step(
        "composing",
        format_args!(
            "{} to {}: {}",
            open.agency,
            open.to.join(", "),
            open.subject
        ),
    );
    let bar = stage
        .output
        .bytes_bar(upload.size(), "handing over to the node");
    let mut node = client::connect(&sender.node)?;
    let (requests, reading) = upload.begin(open);
    let mut events = node.send(requests).await?.into_inner();
    let (mut composed, mut handed_over, mut refused) = (SendComposed::default(), false, None);
    while let Some(event) = next(&mut events).await? {
        match event.event {
            Some(Event::Received(bytes)) => bar.set_position(bytes),
            Some(Event::Composed(kept)) => {
                bar.finish_and_clear();
                composed = kept;
            }
            Some(Event::Sealed(sealed)) => stage.step(
                "sealed",
                format_args!(
                    "{} as envelope {}: container {} bytes, encrypted {} bytes",
                    composed.symbol,
                    composed.envelope_id,
                    sealed.container_size,
                    sealed.payload_size
                ),
            ),
            Some(Event::Evidence(view)) => {
                refused = refused.or_else(|| reason(&view));
                tell(&view, &mut handed_over, stage);
            }
            Some(Event::Waiting(what)) => stage.step("waiting", what),
            Some(Event::Done(_)) => break,
            None => {}
        }
    }
    bar.finish_and_clear();
    if let Some(failure) = reading.failure().await {
        return Err(failure);
    }
    match refused {
        Some(code) => Err(Failure::new(
            code,
            format!("envelope {} was refused: {code}", composed.envelope_id),
        )),
        None => Ok(composed.envelope_id),
    }
}

/// What the node reports next; on one machine it always has something to say.
async fn next(events: &mut Streaming<SendEvent>) -> Result<Option<SendEvent>, Failure> {
    let silent = |_| Failure::new(ErrorCode::Unreachable, "nothing has happened for minutes");
    let event = tokio::time::timeout(PATIENCE, events.message()).await;
    Ok(event.map_err(silent)??)
}

fn reason(view: &EvidenceView) -> Option<ErrorCode> {
    let text = Some(view.reason.as_str()).filter(|text| !text.is_empty());
    text.map(|text| text.parse().unwrap_or(ErrorCode::Internal))
}

/// One line for a piece of evidence; the first receipt is what the time is measured to.
fn tell(view: &EvidenceView, handed_over: &mut bool, stage: Stage) {
    match view.event.as_str() {
        "SubmissionAcceptance" => stage.step(
            "accepted",
            format_args!(
                "by {}: durable in every recipient's inbox (SubmissionAcceptance)",
                view.by_code
            ),
        ),
        "ContentHandover" => {
            let item = view.sequence;
            let by = &view.by_code;
            stage.step(
                "handed over",
                format_args!("{by} signed for item {item} of its inbox (ContentHandover)"),
            );
            if !*handed_over {
                *handed_over = true;
                let seconds = stage.started.elapsed().as_secs_f64();
                stage.step(
                    "",
                    format_args!("first ContentHandover {seconds:.2} s after the start"),
                );
            }
        }
        event => stage.step("evidence", format_args!("{event} by {}", view.by_code)),
    }
}

/// Waits until a recipient has opened the document; gives the directory it is kept in.
async fn opened(seat: &Seat, id: &str, stage: Stage) -> Result<PathBuf, Failure> {
    let reply = until(seat, id, |reply| match &reply.row {
        Some(Row::Received(row)) => !row.verdict.is_empty() && is_archived(reply),
        _ => false,
    })
    .await?;
    if let Some(Row::Received(row)) = &reply.row {
        let sequence = row.sequence;
        stage.step(
            "opened",
            format_args!(
                "by {} {}, item {sequence}: {}",
                seat.code, seat.name, row.verdict
            ),
        );
    }
    Ok(PathBuf::from(reply.directory))
}

/// Waits until the sender has everything; gives its directory and the evidence.
async fn settled(sender: &Seat, id: &str) -> Result<(PathBuf, Vec<EvidenceView>), Failure> {
    let reply = until(sender, id, |reply| match &reply.row {
        Some(Row::Sent(row)) => row.state == "final" && is_archived(reply),
        _ => false,
    })
    .await?;
    Ok((PathBuf::from(reply.directory), reply.evidence))
}

/// Whether the document lies where it stays.
fn is_archived(reply: &DocumentReply) -> bool {
    let directory = Path::new(&reply.directory);
    let archive = |part: std::path::Component<'_>| part.as_os_str() == "archive";
    directory.components().any(archive) && directory.join(CONTAINER).is_file()
}

async fn until(
    seat: &Seat,
    id: &str,
    done: impl Fn(&DocumentReply) -> bool,
) -> Result<DocumentReply, Failure> {
    let mut node = client::connect(&seat.node)?;
    let mut glances = tokio::time::interval(GLANCE);
    let asking = async {
        loop {
            glances.tick().await;
            let request = DocumentRequest {
                agency: seat.code.clone(),
                id: id.to_owned(),
            };
            match node.show(request).await {
                Ok(reply) if done(reply.get_ref()) => return Ok(reply.into_inner()),
                Ok(_) => {}
                Err(status) => match consign_proto::status_of(&status) {
                    ErrorCode::NotFound | ErrorCode::EnvelopeUnknown => {}
                    _ => return Err(Failure::from(status)),
                },
            }
        }
    };
    let late = |_| Failure::new(ErrorCode::Unreachable, format!("{} is not done", seat.code));
    tokio::time::timeout(PATIENCE, asking).await.map_err(late)?
}

/// Judges a received container again, as anybody can with the trust file.
fn judge(path: &Path, seat: &Seat, trust: &Trust, stage: Stage) -> Result<(), Failure> {
    let fault = |error| Failure::io("read", path, &error);
    let file = std::fs::File::open(path).map_err(fault)?;
    let directory = trust
        .directory()
        .ok_or_else(|| Failure::new(ErrorCode::DirectoryBehind, "no directory is published"))?;
    let seal_trust = SealTrust::by_directory(trust.roots(), directory);
    let reader = std::io::BufReader::new(file);
    let judged = tokio::task::block_in_place(|| {
        container::judge(
            reader,
            &seal_trust,
            &Policy::default(),
            JudgedAt::Now(now()),
        )
    });
    let verdict = judged.report.indication;
    let tone = match verdict {
        Indication::TotalPassed => Tone::Good,
        _ => Tone::Bad,
    };
    let verdict_text = stage.output.paint(tone, verdict);
    let checks = judged.report.checks.len();
    stage.step(
        "verified",
        format_args!(
            "{verdict_text}: the container at {}, {checks} checks",
            seat.code
        ),
    );
    if judged.report.is_passed() {
        return Ok(());
    }
    let code = judged.report.code().unwrap_or(ErrorCode::Internal);
    Err(Failure::new(
        code,
        format!("the container at {} is {verdict}", seat.code),
    ))
}

async fn copy_payload(
    running: &Running,
    sender: &Seat,
    id: &str,
    trust: &Trust,
    to: PathBuf,
) -> Result<(), Failure> {
    let unknown = || {
        Failure::new(
            ErrorCode::SenderUnknown,
            format!("no agency {}", sender.code),
        )
    };
    let directory = trust.directory().ok_or_else(unknown)?;
    let code = sender.code.parse().map_err(|_| unknown())?;
    let agency = directory.agency_by_code(&code).ok_or_else(unknown)?.id;
    let envelope: EnvelopeId = id
        .parse()
        .map_err(|error| Failure::of(ErrorCode::Internal, &error))?;
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent).map_err(|error| Failure::io("create", parent, &error))?;
    }
    let key = EnvelopeKey {
        sender: agency,
        id: envelope,
    };
    Ok(running.copy_payload(key, to).await?)
}
