//! JSON texts: statements, documents, directory entries and their proofs, trust files and
//! enrolment, of [`consign_domain`] and [`consign_verify`]; and who is believed for them.

use std::sync::LazyLock;

use consign_domain::directory::{Entry, Role};
use consign_domain::document::Document;
use consign_domain::document::Urgency;
use consign_domain::enrolment::{Bundle, InvitationToken, Request};
use consign_domain::statement::{
    AgeRecipient, BusinessStatus, DirectoryHead, Envelope, EnvelopeFields, Event, Evidence,
    PayloadInfo, Placement, Recipients, Statement, Status, claimed_urgency,
};
use consign_domain::{Digest, Salt, Sequence, SignedStatement};
use consign_pki::encryption::EncryptionIdentity;
use consign_pki::wrap::WrapPlaintext;
use consign_verify::directory::EntryProof;
use consign_verify::{TrustStore, verify_statement};

use crate::world::{CODE, id, now, signed};
use crate::{Seed, WORLD};

/// The statements that were signed.
static SIGNED: LazyLock<[SignedStatement; 3]> = LazyLock::new(|| {
    [
        signed(&envelope(), &WORLD.agency),
        signed(&acceptance(), &WORLD.hub),
        signed(&recall(), &WORLD.agency),
    ]
});

/// A statement has one form, and is believed with the signature over it alone; files of other
/// kinds mean the same when they are written again.
pub fn judge(bytes: &[u8]) -> bool {
    let statements = [
        is_statement::<Envelope>(bytes, Role::Agency),
        is_statement::<Evidence>(bytes, Role::Hub),
        is_statement::<Status>(bytes, Role::Agency),
        is_statement::<DirectoryHead>(bytes, Role::Hub),
    ];
    assert!(
        statements.iter().filter(|one| **one).count() <= 1,
        "of two kinds"
    );
    if let Ok(envelope) = Envelope::parse(bytes) {
        assert_eq!(claimed_urgency(bytes), envelope.urgency);
    } else {
        claimed_urgency(bytes);
    }
    let document = Document::parse(bytes);
    if let Ok(document) = &document {
        assert_eq!(document.to_bytes(), bytes, "a document has two forms");
    }
    let entry = Entry::parse(bytes);
    if let Ok(entry) = &entry
        && !matches!(entry, Entry::Other(_))
    {
        let again = Entry::parse(&entry.to_bytes());
        assert_eq!(again.as_ref().ok(), Some(entry), "an entry reads otherwise");
    }
    let others = [
        is_proof(bytes),
        is_trust(bytes),
        is_enrolment(bytes),
        is_wrap(bytes),
    ];
    statements.contains(&true) || document.is_ok() || entry.is_ok() || others.contains(&true)
}

fn is_statement<S: Statement>(bytes: &[u8], role: Role) -> bool {
    let parsed = S::parse(bytes);
    for known in &*SIGNED {
        let given = SignedStatement {
            statement: bytes.to_vec().into(),
            signature: known.signature,
        };
        let believed = verify_statement::<S>(&given, &[role], &WORLD.directory).is_ok();
        assert!(!believed || known.statement == bytes, "a forged statement");
    }
    if let Ok(statement) = &parsed {
        assert_eq!(statement.to_bytes(), bytes, "a statement has two forms");
    }
    parsed.is_ok()
}

fn is_proof(bytes: &[u8]) -> bool {
    let Ok(proof) = EntryProof::parse(bytes) else {
        return false;
    };
    let again = EntryProof::parse(&proof.to_bytes()).expect("ours");
    assert_eq!(
        again.to_bytes(),
        proof.to_bytes(),
        "a proof reads otherwise"
    );
    if let Ok(proven) = proof.verify(&WORLD.trust) {
        let lines = WORLD.directory.entries().split(|byte| *byte == b'\n');
        let mut known = lines.filter_map(|line| Entry::parse(line).ok());
        assert!(known.any(|entry| entry == proven.entry), "a forged entry");
    }
    true
}

fn is_trust(bytes: &[u8]) -> bool {
    let Ok(trust) = TrustStore::parse(bytes) else {
        return false;
    };
    let text = trust.to_bytes();
    let again = TrustStore::parse(&text).expect("ours").to_bytes();
    assert_eq!(again, text, "a trust file reads otherwise");
    true
}

fn is_enrolment(bytes: &[u8]) -> bool {
    let request = Request::parse(bytes);
    if let Ok(request) = &request {
        let again = Request::parse(&request.to_bytes());
        assert_eq!(
            again.as_ref().ok(),
            Some(request),
            "a request reads otherwise"
        );
    }
    let bundle = Bundle::parse(bytes);
    if let Ok(bundle) = &bundle {
        let again = Bundle::parse(&bundle.to_bytes());
        assert_eq!(
            again.as_ref().ok(),
            Some(bundle),
            "a bundle reads otherwise"
        );
    }
    let token = std::str::from_utf8(bytes).map(str::parse::<InvitationToken>);
    if let Ok(Ok(token)) = &token {
        assert_eq!(
            token.to_string().parse().as_ref(),
            Ok(token),
            "a token reads otherwise"
        );
    }
    request.is_ok() || bundle.is_ok() || matches!(token, Ok(Ok(_)))
}

fn is_wrap(bytes: &[u8]) -> bool {
    let Ok(wrap) = WrapPlaintext::parse(bytes) else {
        return false;
    };
    let text = wrap.render().expect("it was read");
    assert_eq!(text.as_bytes(), bytes, "a wrap has two forms");
    true
}

const SALT: [u8; 32] = [9; 32];

fn envelope() -> Envelope {
    envelope_over(Digest::of(b"container")).0
}

/// An envelope that commits to a container, and what opens the commitment.
pub(crate) fn envelope_over(container: Digest) -> (Envelope, [u8; 32]) {
    let salt = Salt::from_bytes(SALT);
    let recipient = WORLD.encryption.recipient().to_text();
    let envelope = Envelope::new(EnvelopeFields {
        network: WORLD.trust.network(),
        signer: WORLD.agency_signer(),
        time: now(),
        id: "019aae5c-4a40-7b2c-8d3e-4f5a6b7c8d9e"
            .parse()
            .expect("an id"),
        to: Recipients::new(vec![
            "H49.13".parse().expect("a code"),
            "H49.20".parse().expect("a code"),
        ])
        .expect("a list"),
        expires: now().plus_seconds(30 * 86_400),
        urgency: Urgency::Normal,
        forwarded: false,
        payload: PayloadInfo {
            sha256: Digest::of(b"payload"),
            size: 7,
            recipient: AgeRecipient::new(&recipient).expect("a recipient"),
        },
        wraps: Digest::of(b"wraps"),
        content: Digest::commit(&salt, &container),
    });
    (envelope.expect("an envelope"), SALT)
}

fn acceptance() -> Evidence {
    let envelope = envelope();
    let reference = envelope.reference(Digest::of(&envelope.to_bytes()));
    let hub = id(0x30).parse().expect("an id");
    let mut accepted = Evidence::new(
        WORLD.trust.network(),
        WORLD.hub_signer(),
        now(),
        Event::SubmissionAcceptance,
        hub,
        reference.expect("an agency's"),
    );
    let place = |last, code: &str| Placement {
        id: id(last).parse().expect("an id"),
        code: code.parse().expect("a code"),
        sequence: Sequence::FIRST,
    };
    accepted.placements = vec![place(2, "H49.13"), place(3, "H49.20")];
    accepted
}

fn recall() -> Status {
    let envelope = envelope();
    let reference = envelope.reference(Digest::of(&envelope.to_bytes()));
    let mut recall = Status::new(
        WORLD.trust.network(),
        WORLD.agency_signer(),
        now(),
        reference.expect("an agency's"),
        "H49.13".parse().expect("a code"),
        BusinessStatus::RecallRequested,
    );
    recall.text = Some(Digest::of(b"why"));
    recall
}

fn wrap() -> Vec<u8> {
    let wrap = WrapPlaintext {
        sender_id: id(1),
        sender_code: CODE.to_owned(),
        envelope_id: "019aae5c-4a40-7b2c-8d3e-4f5a6b7c8d9e".to_owned(),
        recipient_id: id(2),
        recipient_code: "H49.13".to_owned(),
        salt: [9; 32],
        identity: EncryptionIdentity::from_text(&WORLD.encryption.to_text()).expect("ours"),
    };
    wrap.render().expect("a text").as_bytes().to_vec()
}

/// One of each kind.
pub fn seeds() -> Vec<Seed> {
    let directory = &WORLD.directory;
    let mut lines = directory.entries().split(|byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default().to_vec();
    let agency: consign_domain::AgencyId = id(1).parse().expect("an id");
    let proof = EntryProof::of(directory, agency.to_bytes());
    let [envelope, acceptance, recall] = &*SIGNED;
    let request = r#"{"type":"consign/hub-request/v1","id":"0b0ed3a6-5d0c-4c58-9f3f-0d0f9a1f7a30",
        "code":"hub-1","address":"localhost:7443","tls":"MAA=","statement":
        "0000000000000000000000000000000000000000000000000000000000000000"}"#;
    let token = InvitationToken {
        secret: [7; 16],
        authority: [8; 16],
    };
    vec![
        Seed::good("envelope", &*envelope.statement),
        Seed::good("acceptance", &*acceptance.statement),
        Seed::good("recall", &*recall.statement),
        Seed::good("head", &*directory.signed_head().statement),
        Seed::good("agency", line()),
        Seed::good("hub", line()),
        Seed::good("proof", proof.expect("it is listed").to_bytes()),
        Seed::good("trust", WORLD.trust.to_bytes()),
        Seed::good("document", crate::container::document().to_bytes()),
        Seed::good("request", request),
        Seed::good("token", token.to_string()),
        Seed::good("wrap", wrap()),
        Seed::bad("nothing", "{}"),
    ]
}

#[cfg(test)]
pub(crate) fn forgery() -> Vec<u8> {
    let other = WORLD.other_directory();
    let hub: consign_domain::HubId = id(0x30).parse().expect("an id");
    let proof = EntryProof::of(&other, hub.to_bytes());
    proof.expect("it is listed").to_bytes()
}
