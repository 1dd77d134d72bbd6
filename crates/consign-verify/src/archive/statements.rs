//! The statements in an archive: whose they are, and whether they are about its document.
//!
//! What ties them to the document is the sender's envelope: it commits to the container, which the
//! salt shows, and all other statements name the envelope by sender, id and digest. A statement's
//! file says what it is, too: `acceptance`, `rejection`, `receipt`, or, after what counts them,
//! event or status, as in `evidence/000000000002-ContentHandover-H49` and `status/own-02`.

use std::cmp::Reverse;

use consign_domain::directory::Role;
use consign_domain::statement::{
    Envelope, EnvelopeRef, Event, Evidence as Said, Statement, StatementError, Status,
};
use consign_domain::{Digest, ErrorCode, KeyId, PartyId, SignedStatement, Timestamp};

use super::contents::{Contents, ENVELOPE};
use crate::directory::Directory;
use crate::exchange;
use crate::report::{Aspect, Check, CheckName, Counted, Evidence, NotChecked, Reason, Report, Why};
use crate::statement::{StatementRefusal, reason_of, verify_proven};

const NAME: CheckName = CheckName::ArchiveStatements;

/// By when some of the files are proven to have existed.
pub(super) type Proven<'a> = &'a dyn Fn(&[&str]) -> Option<Timestamp>;

/// Whether the statements are those of whom they name, and about this container. `own` is the
/// caller's directory.
pub(super) fn check(
    contents: &Contents,
    own: Option<&Directory>,
    proven: Proven<'_>,
    report: &mut Report,
) {
    if contents.statements.is_empty() {
        return;
    }
    let mut directories: Vec<&Directory> = contents.directories.iter().chain(own).collect();
    directories.sort_by_key(|directory| Reverse(directory.version()));
    if directories.is_empty() {
        let aspect = Aspect::ArchiveStatements;
        report.skip(NotChecked::new(aspect, Why::NothingGiven));
    }
    let mut statements = contents.statements.iter();
    let envelope = statements.find(|(stem, _)| stem == ENVELOPE);
    let envelope = envelope.and_then(|(_, signed)| Sent::read(signed));
    let (mut good, mut is_senders) = (0, false);
    for (stem, signed) in &contents.statements {
        let (file, signature) = (format!("{stem}.json"), format!("{stem}.sig"));
        let proven = proven(&[&file, &signature]);
        match check_one(stem, signed, envelope.as_ref(), &directories, proven) {
            Ok(()) => {
                good += 1;
                is_senders |= stem == ENVELOPE;
            }
            Err(check) => report.push(check.with(Evidence::file(&file))),
        }
    }
    let is_verified = !directories.is_empty();
    if good > 0 && is_verified {
        let count = Evidence::count(Counted::Statements, good);
        report.push(Check::passed(NAME).with(count));
    }
    let is_senders = is_verified.then_some(is_senders);
    if let Some(check) = check_commitment(contents, envelope, is_senders) {
        report.push(check);
    }
}

/// One statement: whether it is in its place, and, where a directory is here, whose it is.
fn check_one(
    stem: &str,
    signed: &SignedStatement,
    envelope: Option<&Sent>,
    directories: &[&Directory],
    proven: Option<Timestamp>,
) -> Result<(), Check> {
    let words =
        Words::read(signed).map_err(|source| refused(&StatementRefusal::Malformed { source }))?;
    if !words.is_in_place(stem, envelope) {
        let (reason, code) = (Reason::StatementOfAnother, ErrorCode::StatementMalformed);
        return Err(Check::failed(NAME, reason, code));
    }
    if directories.is_empty() {
        return Ok(());
    }
    words
        .verify(signed, directories, proven)
        .map_err(|refusal| refused(&refusal))
}

fn refused(refusal: &StatementRefusal) -> Check {
    let reason = reason_of(refusal);
    let check = match refusal {
        StatementRefusal::Signature => Check::failed(NAME, reason, refusal.code()),
        // What it is older than may have been found out since.
        StatementRefusal::KeyRevoked { .. } | StatementRefusal::RevokedUnproven { .. } => {
            Check::undecided(NAME, Reason::RevokedUnproven)
        }
        // It may be of a kind to come, or of somebody whom no directory here knows.
        _ => Check::noted(NAME, reason),
    };
    check.because(refusal)
}

/// The sender's envelope.
struct Sent {
    envelope: Envelope,
    sha256: Digest,
}

impl Sent {
    fn read(signed: &SignedStatement) -> Option<Self> {
        let envelope = Envelope::parse(&signed.statement).ok()?;
        let sha256 = Digest::of(&signed.statement);
        Some(Self { envelope, sha256 })
    }

    fn is_meant(&self, by: &EnvelopeRef) -> bool {
        let sender = self.envelope.signer.id.as_agency();
        (by.sender.id, by.id, by.sha256) == (sender, self.envelope.id, self.sha256)
    }
}

/// What a statement says.
enum Words {
    Envelope(Box<Envelope>),
    Evidence(Box<Said>),
    Status(Box<Status>),
}

impl Words {
    fn read(signed: &SignedStatement) -> Result<Self, StatementError> {
        let bytes = &signed.statement;
        let begins = |kind: &str| bytes.starts_with(format!("{{\"type\":\"{kind}\",").as_bytes());
        if begins(Envelope::KIND.as_str()) {
            Envelope::parse(bytes).map(|it| Self::Envelope(Box::new(it)))
        } else if begins(Status::KIND.as_str()) {
            Status::parse(bytes).map(|it| Self::Status(Box::new(it)))
        } else {
            Said::parse(bytes).map(|it| Self::Evidence(Box::new(it)))
        }
    }

    /// Whether it says what its file's name does, and of the envelope that is here.
    fn is_in_place(&self, stem: &str, envelope: Option<&Sent>) -> bool {
        let (says, about) = match self {
            // One that is not the sender's of this document is about another.
            Self::Envelope(_) => return stem == ENVELOPE,
            Self::Evidence(said) => (said.event.as_str(), &said.envelope),
            Self::Status(status) => (status.status.as_str(), &status.envelope),
        };
        let is_named = match stem {
            ENVELOPE => false,
            "acceptance" => says == Event::SubmissionAcceptance.as_str(),
            "rejection" => says == Event::SubmissionRejection.as_str(),
            "receipt" => says == Event::ContentHandover.as_str(),
            _ => match (self, stem.split_once('/')) {
                (Self::Evidence(_), Some(("evidence", name)))
                | (Self::Status(_), Some(("status", name))) => {
                    name.split('-').nth(1).is_none_or(|named| named == says)
                }
                (_, Some(("evidence" | "status", _))) => false,
                _ => true,
            },
        };
        is_named && envelope.is_none_or(|envelope| envelope.is_meant(about))
    }

    /// By the newest directory that knows the key: only that one knows whether it was revoked.
    fn verify(
        &self,
        signed: &SignedStatement,
        directories: &[&Directory],
        proven: Option<Timestamp>,
    ) -> Result<(), StatementRefusal> {
        let (party, key) = self.signer();
        let knows = |directory: &&&Directory| directory.key(party, key).is_some();
        let knowing = directories.iter().find(knows);
        let Some(directory) = knowing.or(directories.first()) else {
            return Ok(());
        };
        match self {
            Self::Envelope(_) => {
                verify_proven::<Envelope>(signed, &[Role::Agency], directory, proven).map(drop)
            }
            Self::Status(_) => {
                verify_proven::<Status>(signed, &[Role::Agency], directory, proven).map(drop)
            }
            Self::Evidence(said) => {
                let role = said.event.said_by();
                verify_proven::<Said>(signed, &[role], directory, proven).map(drop)
            }
        }
    }

    fn signer(&self) -> (PartyId, KeyId) {
        let signer = match self {
            Self::Envelope(envelope) => envelope.signer(),
            Self::Evidence(said) => said.signer(),
            Self::Status(status) => status.signer(),
        };
        (signer.id, signer.key)
    }
}

/// The envelope commits to this container. It passes only for an envelope that is its sender's,
/// which no directory says where there is none.
fn check_commitment(
    contents: &Contents,
    envelope: Option<Sent>,
    is_senders: Option<bool>,
) -> Option<Check> {
    let name = CheckName::ArchiveEnvelope;
    let (Some(sent), Some(salt)) = (envelope, &contents.salt) else {
        return Some(Check::undecided(name, Reason::NotCommitted));
    };
    let text = format!("{} ({})", sent.envelope.id, sent.envelope.signer.code);
    let subject = Evidence::Subject { text: text.into() };
    match exchange::check_content(&sent.envelope, salt, contents.container.as_ref()?) {
        Ok(()) => is_senders.map(|is_senders| {
            let check = if is_senders {
                Check::passed(name)
            } else {
                Check::undecided(name, Reason::SignerUnknown)
            };
            check.with(subject)
        }),
        Err(error) => {
            let (reason, code) = (Reason::ContentChanged, ErrorCode::ContainerDigest);
            let check = Check::failed(name, reason, code).because(&error);
            Some(check.with(subject))
        }
    }
}
