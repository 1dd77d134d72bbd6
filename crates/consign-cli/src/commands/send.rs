//! `consign send`.

pub(crate) mod upload;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use consign_domain::document::{DocumentType, Urgency};
use consign_domain::{AgencyCode, Date, EnvelopeId, ErrorCode};
use consign_proto::v1::send_event::Event;
use consign_proto::v1::{SendComposed, SendEvent, SendOpen, SendSealed};
use indicatif::ProgressBar;
use serde::Serialize;
use tonic::Streaming;

use self::upload::Upload;
use super::{Outcome, connect, quoted};
use crate::cli::{NodeChoice, agency_code};
use crate::failure::{Failure, exit};
use crate::output::Output;
use crate::views::{Evidence, TimeStamp};

/// Seal a document and send it.
///
/// The first file is the document, the others are its attachments. Without --wait the command
/// ends when the document is sealed and queued, or kept where the token with the seal is away; the
/// node goes on by itself, however long hub or token are away.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  consign send letter.pdf --to H49.13,H49.14 --subject 'V/v họp giao ban' --node DIR
  consign send letter.pdf annex.xlsx --from H49.01 --to H49.13 --type QĐ --number 45 \\
      --subject 'Về việc ban hành quy chế' --urgency khẩn --wait handover --node DIR")]
pub(crate) struct Send {
    /// The document, then its attachments
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    node: NodeChoice,
    /// The sending agency; not needed where the node serves only one
    #[arg(long, alias = "agency", env = "CONSIGN_AGENCY", hide_env_values = true, value_name = "CODE", value_parser = agency_code)]
    from: Option<AgencyCode>,
    /// The receiving agencies
    #[arg(long, required_unless_present = "to_group", value_delimiter = ',', value_name = "CODE[,CODE]", value_parser = agency_code)]
    to: Vec<AgencyCode>,
    /// All agencies of a group of the directory but the sender; may be repeated
    #[arg(long, value_name = "GROUP")]
    to_group: Vec<String>,
    /// What it is about (trích yếu)
    #[arg(long, value_name = "TEXT")]
    subject: String,
    /// The number (số); the node gives the next one where it is left out
    #[arg(long, value_name = "NUMBER")]
    number: Option<String>,
    /// The notation (ký hiệu), such as QĐ-UBND; made from type and agency where it is left out
    #[arg(long, value_name = "NOTATION")]
    notation: Option<String>,
    /// The type: a number of Article 7, an abbreviation or a name; công văn where it is left out
    #[arg(long = "type", value_name = "TYPE", value_parser = document_type)]
    document_type: Option<DocumentType>,
    /// How urgent: 0 to 4, or thường, khẩn, thượng khẩn, hỏa tốc, hỏa tốc hẹn giờ
    #[arg(long, value_name = "URGENCY", default_value = "0", value_parser = urgency)]
    urgency: Urgency,
    /// The document it answers: an id, or a symbol such as 45/QĐ-UBND; may be repeated
    #[arg(long, value_name = "ID")]
    reply_to: Vec<String>,
    /// When an answer is due
    #[arg(long, value_name = "YYYY-MM-DD")]
    due: Option<Date>,
    /// The day of issue; today where it is left out
    #[arg(long, value_name = "YYYY-MM-DD")]
    issued_on: Option<Date>,
    /// The place of issue
    #[arg(long, value_name = "PLACE")]
    place: Option<String>,
    /// Who signed it: the full name
    #[arg(long, value_name = "NAME")]
    signer: Option<String>,
    /// The signer's position
    #[arg(long, value_name = "POSITION", requires = "signer")]
    position: Option<String>,
    /// In whose place the signer signed: KT., TL., TUQ.
    #[arg(long, value_name = "WORD", requires = "signer")]
    competence: Option<String>,
    /// A line of the printed list of places (nơi nhận); may be repeated
    #[arg(long, value_name = "TEXT")]
    printed_place: Vec<String>,
    /// How many pages it has
    #[arg(long, value_name = "N")]
    pages: Option<u32>,
    /// How many copies were issued
    #[arg(long, value_name = "N")]
    copies: Option<u32>,
    /// Steering (chỉ đạo): 0 none, 1 it steers, 2 it reports on steering
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=2))]
    steering: u32,
    /// A degree of secrecy: refused, since state secrets do not travel on this network
    #[arg(long, value_name = "DEGREE", hide = true)]
    secrecy: Option<String>,
    /// How many days a recipient has to collect it
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=90))]
    expire_days: Option<u32>,
    /// Make a retry safe: the same id and files give the same document, sent once
    #[arg(long, value_name = "UUIDv7")]
    id: Option<EnvelopeId>,
    /// End when the hub has accepted it, or when every recipient has signed for it
    #[arg(long, value_name = "STEP")]
    wait: Option<Wait>,
    /// Wait at most so many seconds; the document stays queued
    #[arg(long, value_name = "SECONDS", requires = "wait")]
    timeout: Option<u64>,
}

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Wait {
    /// The hub has it on stable storage
    Accepted,
    /// Every recipient has signed for it
    Handover,
}

/// What was sent and what has become of it so far.
#[derive(Debug, Default, Serialize)]
struct Answer {
    /// The envelope's id.
    id: String,
    document: String,
    symbol: String,
    container_size: u64,
    payload_size: u64,
    /// Whom it goes to, one by one, also where groups were named.
    recipients: Vec<String>,
    /// Members of groups that nothing can be sent to now.
    passed_over: Vec<String>,
    /// Null where none was asked for.
    time_stamp: Option<TimeStamp>,
    state: String,
    evidence: Vec<Evidence>,
}

/// Hands the files to the node and follows what becomes of them.
pub(crate) async fn run(mut send: Send, output: Output) -> Outcome {
    let upload = Upload::new(std::mem::take(&mut send.files))?;
    let place = send.place();
    let mut node = connect(&send.node)?;
    let bar = output.bytes_bar(upload.size(), "handing over to the node");
    let deadline = send.timeout.map(Duration::from_secs);
    let (requests, reading) = upload.begin(send.open());
    let events = match node.send(requests).await {
        Ok(events) => events.into_inner(),
        Err(status) => return Err(reading.failure().await.unwrap_or_else(|| status.into())),
    };
    let mut answer = Answer::default();
    let following = follow(events, &mut answer, &bar, output);
    let followed = match deadline {
        None => following.await,
        Some(deadline) => tokio::time::timeout(deadline, following)
            .await
            .unwrap_or_else(|_| Err(Failure::new(ErrorCode::Unreachable, "still on its way"))),
    };
    bar.finish_and_clear();
    if let Err(failure) = followed {
        let failure = reading.failure().await.unwrap_or(failure);
        return Err(with_id(failure, &answer, &place));
    }
    finish(&answer, &place, output)
}

impl Send {
    /// The options by which other commands find the document, as they were given here.
    fn place(&self) -> String {
        let node = self.node.node.as_deref();
        let node = node.map(|node| format!(" --node {}", quoted(node)));
        let agency = self.from.as_ref().map(|code| format!(" --agency {code}"));
        [node, agency].into_iter().flatten().collect()
    }

    fn open(&self) -> SendOpen {
        let date = |date: Option<Date>| date.map(|date| date.to_string()).unwrap_or_default();
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        SendOpen {
            agency: self
                .from
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            to: self.to.iter().map(ToString::to_string).collect(),
            to_groups: self.to_group.clone(),
            subject: self.subject.clone(),
            number: text(&self.number),
            notation: text(&self.notation),
            document_type: self
                .document_type
                .map(|kind| kind.to_string())
                .unwrap_or_default(),
            urgency: u32::from(self.urgency.value()),
            in_reply_to: self.reply_to.clone(),
            due: date(self.due),
            issued_on: date(self.issued_on),
            issued_at: text(&self.place),
            signer_name: text(&self.signer),
            signer_position: text(&self.position),
            signer_competence: text(&self.competence),
            places: self.printed_place.clone(),
            pages: self.pages.unwrap_or_default(),
            copies: self.copies.unwrap_or_default(),
            steering: self.steering,
            secrecy: text(&self.secrecy),
            expire_days: self.expire_days.unwrap_or_default(),
            envelope_id: self.id.map(|id| id.to_string()).unwrap_or_default(),
            wait: match self.wait {
                None => "sealed",
                Some(Wait::Accepted) => "accepted",
                Some(Wait::Handover) => "handover",
            }
            .to_owned(),
        }
    }
}

async fn follow(
    mut events: Streaming<SendEvent>,
    answer: &mut Answer,
    bar: &ProgressBar,
    output: Output,
) -> Result<(), Failure> {
    while let Some(SendEvent { event }) = events.message().await? {
        match event {
            Some(Event::Received(bytes)) => bar.set_position(bytes),
            Some(Event::Composed(composed)) => {
                bar.finish_and_clear();
                answer.composed(composed);
                if !answer.passed_over.is_empty() {
                    output.note(format_args!(
                        "passed over, since nothing can be sent to them now: {}",
                        answer.passed_over.join(", ")
                    ));
                }
            }
            Some(Event::Sealed(sealed)) => {
                output.line(format_args!(
                    "sealed     {}  {} bytes, encrypted {} bytes",
                    answer.symbol, sealed.container_size, sealed.payload_size
                ));
                answer.sealed(&sealed);
                let stamp = answer.time_stamp.as_ref();
                if let Some(stamp) = stamp.filter(|stamp| stamp.state == "awaited") {
                    output.note(stamp.sentence());
                }
            }
            Some(Event::Evidence(view)) => {
                let evidence = Evidence::from(&view);
                output.line(evidence.sentence(output));
                answer.evidence.push(evidence);
            }
            Some(Event::Waiting(what)) => output.note(format_args!("waiting: {what}")),
            Some(Event::Done(done)) => {
                answer.state = done.state;
                return Ok(());
            }
            None => {}
        }
    }
    Err(Failure::new(
        ErrorCode::Unreachable,
        "the node ended the talk before the answer",
    ))
}

impl Answer {
    fn composed(&mut self, composed: SendComposed) {
        self.id = composed.envelope_id;
        self.document = composed.document_id;
        self.symbol = composed.symbol;
        self.recipients = composed.recipients;
        self.passed_over = composed.passed_over;
    }

    fn sealed(&mut self, sealed: &SendSealed) {
        self.container_size = sealed.container_size;
        self.payload_size = sealed.payload_size;
        self.time_stamp = TimeStamp::of(sealed.time_stamp.as_ref());
    }
}

/// Once it is composed, the document is not lost, and its id says where to look.
fn with_id(failure: Failure, answer: &Answer, place: &str) -> Failure {
    if answer.id.is_empty() {
        return failure;
    }
    let message = format!("{}; envelope {} stays queued", failure.message, answer.id);
    Failure::new(failure.code, message).fix(format!("consign track {}{place}", answer.id))
}

fn finish(answer: &Answer, place: &str, output: Output) -> Outcome {
    if matches!(answer.state.as_str(), "rejected" | "failed") {
        let reason = answer
            .evidence
            .iter()
            .rev()
            .find_map(|one| one.reason.clone());
        let code = reason.and_then(|reason| reason.parse().ok());
        let code = code.unwrap_or(ErrorCode::Internal);
        let message = format!("envelope {} was {}: {code}", answer.id, answer.state);
        let failure = Failure::new(code, message);
        return Err(match code {
            ErrorCode::RecipientUnknown | ErrorCode::KeyRevoked => failure,
            _ => failure.fix(format!("see why: consign show {}{place}", answer.id)),
        });
    }
    output.line(format_args!("{:<10} {}", answer.state, answer.id));
    output.line(format_args!(
        "follow it: consign track {}{place}",
        answer.id
    ));
    output.object(true, answer);
    Ok(exit::DONE)
}

fn document_type(text: &str) -> Result<DocumentType, String> {
    DocumentType::read(text).map_err(|error| error.to_string())
}

fn urgency(text: &str) -> Result<Urgency, String> {
    let wanted = text.trim().to_lowercase();
    Urgency::ALL
        .into_iter()
        .find(|one| one.name() == wanted || one.value().to_string() == wanted)
        .ok_or_else(|| "write 0 to 4, or a name such as khẩn".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urgencies_and_types_are_read_as_people_write_them() {
        assert_eq!(urgency("2"), Ok(Urgency::VeryUrgent));
        assert_eq!(urgency("Hỏa tốc"), Ok(Urgency::Express));
        assert!(urgency("5").is_err());
        assert_eq!(document_type("qđ").map(|kind| kind.number()), Ok(2));
        assert!(document_type("thư").is_err());
    }

    #[test]
    fn a_refusal_by_the_hub_is_a_failure_with_its_code() {
        let answer = Answer {
            id: "0198f2c4".to_owned(),
            state: "rejected".to_owned(),
            evidence: vec![Evidence {
                event: "SubmissionRejection".to_owned(),
                by: "hub-1".to_owned(),
                recipient: None,
                time: "2026-11-23T02:30:00Z".to_owned(),
                sequence: None,
                reason: Some("recipient-unknown".to_owned()),
            }],
            ..Answer::default()
        };
        let failure = finish(&answer, "", Output::new(false)).unwrap_err();
        assert_eq!(failure.code, ErrorCode::RecipientUnknown);
        assert!(failure.message.contains("0198f2c4"));
    }
}
