//! A report about one statement, for whoever asks what it is worth.

use consign_domain::directory::Role;
use consign_domain::statement::{
    DirectoryHead, Envelope, Evidence as Event, Statement, StatementKind, Status,
};
use consign_domain::{ErrorCode, SignedStatement, Timestamp};

use super::{StatementRefusal, verify_proven};
use crate::container::JudgedAt;
use crate::policy::Policy;
use crate::report::{
    Aspect, Check, CheckName, Evidence, NotChecked, Reason, Report, TimeSource, Why,
};
use crate::{Directory, TrustStore};

const KINDS: [StatementKind; 4] = [
    StatementKind::Envelope,
    StatementKind::Evidence,
    StatementKind::Status,
    StatementKind::Directory,
];

/// The verdict about a statement.
#[derive(Debug, Clone)]
pub struct StatementJudgement {
    /// What it claims to be; nothing where it is no statement.
    pub kind: Option<StatementKind>,
    /// Every check and the verdict.
    pub report: Report,
}

/// Judges a statement by its signature: by the directory, or, where it is a directory's head, by
/// the trust file. Without either, nobody knows the key. What a revoked key signed counts only as
/// of a time before the revocation at which the statement is known to have existed.
pub fn judge(
    statement: &[u8],
    signature: &[u8],
    store: Option<&TrustStore>,
    directory: Option<&Directory>,
    policy: &Policy,
    at: JudgedAt,
) -> StatementJudgement {
    let mut report = Report::new(at.time());
    report.skip(NotChecked::new(Aspect::OtherStatements, Why::NotInThisFile));
    let begins = |kind: &StatementKind| {
        let begin = format!("{{\"type\":\"{}\",", kind.as_str());
        statement.starts_with(begin.as_bytes())
    };
    let kind = KINDS.into_iter().find(begins);
    let code = ErrorCode::StatementMalformed;
    let broken = |name| Check::failed(name, Reason::FormatBroken, code);
    match (kind, <[u8; 64]>::try_from(signature)) {
        (None, _) => report.push(broken(CheckName::StatementFormat)),
        (_, Err(_)) => report.push(broken(CheckName::SignatureFormat)),
        (Some(kind), Ok(signature)) => {
            let statement = statement.to_vec().into();
            let signed = SignedStatement {
                statement,
                signature,
            };
            let judge = Judge {
                signed: &signed,
                policy,
                proven: at.proven(),
                report: &mut report,
            };
            judge.by_kind(kind, store, directory);
        }
    }
    let is_broken = |check: &Check| check.reason == Some(Reason::FormatBroken);
    report.malformed = report.checks.iter().any(is_broken);
    StatementJudgement { kind, report }
}

struct Judge<'a> {
    signed: &'a SignedStatement,
    policy: &'a Policy,
    /// When it is known to have existed.
    proven: Option<Timestamp>,
    report: &'a mut Report,
}

impl Judge<'_> {
    fn by_kind(
        self,
        kind: StatementKind,
        store: Option<&TrustStore>,
        directory: Option<&Directory>,
    ) {
        match (kind, store, directory) {
            (StatementKind::Directory, Some(store), _) => self.head(store),
            (StatementKind::Envelope, _, Some(directory)) => {
                self.by_directory::<Envelope>(directory, |_| Role::Agency);
            }
            (StatementKind::Status, _, Some(directory)) => {
                self.by_directory::<Status>(directory, |_| Role::Agency);
            }
            (StatementKind::Evidence, _, Some(directory)) => {
                self.by_directory::<Event>(directory, |evidence| evidence.event.said_by());
            }
            _ => {
                let (name, reason) = (CheckName::StatementKey, Reason::NoStatementKeys);
                self.report.push(Check::undecided(name, reason));
            }
        }
    }

    /// A statement whose key the directory lists.
    fn by_directory<S: Statement>(mut self, directory: &Directory, role: impl Fn(&S) -> Role) {
        let Some(parsed) = self.parse::<S>() else {
            return;
        };
        let name = CheckName::StatementSignature;
        let (roles, proven) = ([role(&parsed)], self.proven);
        let check = match verify_proven::<S>(self.signed, &roles, directory, proven) {
            Ok(_) => Check::passed(name),
            Err(refusal) => refused(&refusal),
        };
        let check = check
            .with(key(&parsed))
            .with(Evidence::signed(&self.signed.statement))
            .with(Evidence::directory(directory));
        self.report.push(check);
        self.time(parsed.time());
    }

    /// A directory head, whose key the trust file pins.
    fn head(mut self, store: &TrustStore) {
        let Some(head) = self.parse::<DirectoryHead>() else {
            return;
        };
        let name = CheckName::StatementSignature;
        let signer = &head.signer;
        let ours = head.network == store.network() && signer.id == store.authority();
        let pinned = store.directory_key(signer.key).filter(|_| ours);
        let (statement, signature) = (&self.signed.statement, &self.signed.signature);
        let check = match pinned.map(|pinned| pinned.verify(statement, signature)) {
            None => Check::failed(name, Reason::KeyUnknown, ErrorCode::KeyUnknown),
            Some(Ok(())) => Check::passed(name),
            Some(Err(error)) => {
                let code = ErrorCode::SignatureInvalid;
                Check::failed(name, Reason::SignatureWrong, code).because(&error)
            }
        };
        let check = check.with(key(&head)).with(Evidence::signed(statement));
        self.report.push(check);
        self.time(head.time);
    }

    fn parse<S: Statement>(&mut self) -> Option<S> {
        let name = CheckName::StatementFormat;
        match S::parse(&self.signed.statement) {
            Ok(parsed) => {
                let text = S::KIND.as_str().into();
                let check = Check::passed(name).with(Evidence::Subject { text });
                self.report.push(check);
                Some(parsed)
            }
            Err(error) => {
                let code = ErrorCode::StatementMalformed;
                let check = Check::failed(name, Reason::FormatBroken, code);
                self.report.push(check.because(&error));
                None
            }
        }
    }

    fn time(&mut self, said: Timestamp) {
        let (name, at) = (CheckName::StatementTime, self.report.at);
        let check = if said <= at.plus_seconds(self.policy.clock_skew_seconds) {
            Check::passed(name)
        } else {
            Check::undecided(name, Reason::MadeInFuture).coded(ErrorCode::TimeInFuture)
        };
        let from = TimeSource::Claimed;
        let check = check.with(Evidence::Time { time: said, from });
        self.report.push(check.with(Evidence::judged_at(at)));
    }
}

fn key<S: Statement>(statement: &S) -> Evidence {
    let signer = statement.signer();
    Evidence::StatementKey {
        signer: signer.code.to_string(),
        key: signer.key.to_string(),
    }
}

fn refused(refusal: &StatementRefusal) -> Check {
    let (name, reason) = (CheckName::StatementSignature, reason_of(refusal));
    let check = match refusal {
        StatementRefusal::DirectoryBehind { .. } | StatementRefusal::RevokedUnproven { .. } => {
            Check::undecided(name, reason).coded(refusal.code())
        }
        _ => Check::failed(name, reason, refusal.code()),
    };
    check.because(refusal)
}

/// What a refusal found.
pub(crate) const fn reason_of(refusal: &StatementRefusal) -> Reason {
    match refusal {
        StatementRefusal::Malformed { .. } => Reason::FormatBroken,
        StatementRefusal::OtherNetwork => Reason::OtherNetwork,
        StatementRefusal::DirectoryBehind { .. } => Reason::DirectoryBehind,
        StatementRefusal::UnknownKey { .. } => Reason::KeyUnknown,
        StatementRefusal::KeyNotValid { .. } => Reason::KeyNotValid,
        StatementRefusal::KeyRevoked { .. } => Reason::Revoked,
        StatementRefusal::RevokedUnproven { .. } => Reason::RevokedUnproven,
        StatementRefusal::Role { .. } | StatementRefusal::Code { .. } => Reason::RoleNotPermitted,
        StatementRefusal::Signature => Reason::SignatureWrong,
    }
}
