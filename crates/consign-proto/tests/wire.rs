//! The bytes of what travels between node and hub: field numbers and types never change.

use bytes::Bytes;
use consign_proto::v1::{
    CollectOpen, CollectReply, CollectRequest, CollectWelcome, Credit, Cursor, DirectoryChanged,
    DirectoryReply, DirectoryRequest, Drain, EnvelopeItem, EnvelopeKey, EnvelopeSubmission, Fault,
    FetchPayloadRequest, Item, PayloadChunk, Proof, Refusal, Release, Resumed, SignedStatement,
    StatusItem, StatusStored, StatusSubmission, Stored, SubmitReply, SubmitRequest, TimeStampReply,
    TimeStampRequest, UploadOpen, UploadReply, UploadRequest, collect_reply, collect_request,
    directory_reply, envelope_submission, item, submit_reply, submit_request, upload_reply,
    upload_request,
};
use prost::Message;

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn signed(statement: &'static str) -> Option<SignedStatement> {
    Some(SignedStatement {
        statement: bytes(statement),
        signature: bytes("sig"),
    })
}

fn key() -> Option<EnvelopeKey> {
    Some(EnvelopeKey {
        sender: bytes("sender"),
        id: bytes("id"),
    })
}

fn fault() -> Fault {
    Fault {
        code: "busy".into(),
        message: "text".into(),
        retry_after_ms: 5,
    }
}

/// A line of name and bytes; text that a person can read stays readable.
fn line(name: &str, message: &impl Message) -> String {
    let bytes = message.encode_to_vec();
    format!("{name}: {}\n", bytes.escape_ascii())
}

#[test]
fn what_is_submitted() {
    let request = |submission| SubmitRequest {
        call: 7,
        submission: Some(submission),
    };
    let envelope = |payload| EnvelopeSubmission {
        envelope: signed("envelope"),
        wraps: vec![bytes("wrap1"), bytes("wrap2")],
        payload: Some(payload),
    };
    let reply = |outcome| SubmitReply {
        call: 7,
        outcome: Some(outcome),
    };
    use envelope_submission::Payload;
    use submit_reply::Outcome;
    use submit_request::Submission;
    let status = StatusSubmission {
        status: signed("status"),
        text: bytes("text"),
    };
    insta::assert_snapshot!(
        [
            line(
                "inline",
                &request(Submission::Envelope(envelope(Payload::Inline(bytes(
                    "age"
                )))))
            ),
            line(
                "staged",
                &request(Submission::Envelope(envelope(Payload::Staged(true))))
            ),
            line("status", &request(Submission::Status(status))),
            line(
                "evidence",
                &reply(Outcome::Evidence(signed("evidence").unwrap_or_default()))
            ),
            line(
                "stored",
                &reply(Outcome::Status(StatusStored { sequence: 3 }))
            ),
            line("fault", &reply(Outcome::Fault(fault()))),
        ]
        .concat()
    );
}

#[test]
fn what_is_collected() {
    let said = |message| CollectRequest {
        message: Some(message),
    };
    let cursor = Cursor {
        agency: bytes("agency"),
        sequence: 3,
        digest: bytes("digest"),
    };
    let open = CollectOpen {
        protocol: 1,
        agencies: vec![cursor.clone()],
        credit: 1024,
        directory: 12,
    };
    use collect_request::Message as Said;
    insta::assert_snapshot!(
        [
            line("open", &said(Said::Open(open))),
            line("credit", &said(Said::Credit(Credit { bytes: 512 }))),
            line(
                "stored",
                &said(Said::Stored(Stored {
                    agency: bytes("agency"),
                    sequence: 4
                }))
            ),
            line(
                "receipt",
                &said(Said::Receipt(signed("receipt").unwrap_or_default()))
            ),
            line(
                "proof",
                &said(Said::Proof(Proof {
                    agency: bytes("agency"),
                    acceptance: signed("acceptance"),
                }))
            ),
            replies(cursor),
        ]
        .concat()
    );
}

fn replies(cursor: Cursor) -> String {
    use collect_reply::Message as Told;
    use item::Content;
    let told = |message| CollectReply {
        message: Some(message),
    };
    let item = |content| {
        told(Told::Item(Item {
            agency: bytes("agency"),
            sequence: 4,
            content: Some(content),
            after: 2,
        }))
    };
    let envelope = EnvelopeItem {
        envelope: signed("envelope"),
        acceptance: signed("acceptance"),
        payload: Some(bytes("age")),
    };
    let welcome = CollectWelcome {
        protocol: 1,
        hub: bytes("hub"),
        clock_ms: 1_000,
        directory: 12,
        max_inline_payload: 262_144,
        max_recipients: 1_000,
        agencies: vec![cursor],
        behind: vec![bytes("agency")],
        resumed: Some(Resumed {
            decision: 2,
            lost_after: 1_795_399_200,
        }),
    };
    let release = Release {
        envelope: key(),
        recipient: bytes("agency"),
        wrap: bytes("wrap"),
        index: 1,
        size: 2,
        path: vec![bytes("hash")],
    };
    let refusal = Refusal {
        envelope: key(),
        agency: bytes("agency"),
        fault: Some(fault()),
    };
    let status = StatusItem {
        status: signed("status"),
        text: bytes("text"),
    };
    [
        line("welcome", &told(Told::Welcome(welcome))),
        line("envelope", &item(Content::Envelope(envelope))),
        line(
            "evidence",
            &item(Content::Evidence(signed("evidence").unwrap_or_default())),
        ),
        line("status", &item(Content::Status(status))),
        line("release", &told(Told::Release(release))),
        line("refusal", &told(Told::Refusal(refusal))),
        line(
            "directory",
            &told(Told::Directory(DirectoryChanged { version: 13 })),
        ),
        line("drain", &told(Told::Drain(Drain {}))),
    ]
    .concat()
}

#[test]
fn what_is_uploaded_and_fetched() {
    use directory_reply::Message as Listed;
    use upload_reply::Outcome;
    use upload_request::Message as Sent;
    let sent = |message| UploadRequest {
        message: Some(message),
    };
    let listed = |message| DirectoryReply {
        message: Some(message),
    };
    let open = UploadOpen {
        envelope: signed("envelope"),
    };
    let fetch = FetchPayloadRequest {
        envelope: key(),
        recipient: bytes("agency"),
        offset: 9,
    };
    insta::assert_snapshot!(
        [
            line("open", &sent(Sent::Open(open))),
            line("chunk", &sent(Sent::Chunk(bytes("chunk")))),
            line(
                "staged",
                &UploadReply {
                    outcome: Some(Outcome::Staged(9))
                }
            ),
            line(
                "known",
                &UploadReply {
                    outcome: Some(Outcome::Known(true))
                }
            ),
            line(
                "resume",
                &UploadReply {
                    outcome: Some(Outcome::Resume(5))
                }
            ),
            line("fetch", &fetch),
            line(
                "piece",
                &PayloadChunk {
                    data: bytes("piece")
                }
            ),
            line(
                "have",
                &DirectoryRequest {
                    have: 12,
                    head: bytes("digest"),
                }
            ),
            line(
                "head",
                &listed(Listed::Head(signed("head").unwrap_or_default()))
            ),
            line("entries", &listed(Listed::Entries(bytes("lines")))),
            line("current", &listed(Listed::Current(true))),
            line(
                "between",
                &listed(Listed::Between(signed("between").unwrap_or_default()))
            ),
            line("kept", &listed(Listed::Kept(9_998))),
            line("dropped", &listed(Listed::Dropped(1))),
            line("list", &listed(Listed::List(bytes("list")))),
        ]
        .concat()
    );
}

#[test]
fn what_is_stamped() {
    let (query, answer) = (bytes("query"), bytes("answer"));
    insta::assert_snapshot!(
        [
            line("query", &TimeStampRequest { query }),
            line("answer", &TimeStampReply { answer }),
        ]
        .concat()
    );
}
