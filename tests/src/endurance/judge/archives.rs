//! One document in the archives: at its sender, and at each of its recipients.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};
use consign_domain::directory::Role;
use consign_domain::statement::{Envelope, Event, Evidence, Statement};
use consign_domain::{Digest, EnvelopeKey, SignedStatement};
use consign_verify::{Verified, verify_statement};
use serde_json::Value;

use super::{Breach, Court, Finding, Promise, Traces};

/// What the sender's archive says of a document.
struct Sent {
    envelope: Digest,
    acceptance: Verified<Evidence>,
    container: Digest,
    /// Place in the sender's inbox, bytes, and what they say.
    evidence: Vec<(u64, SignedStatement, Verified<Evidence>)>,
}

/// How a document ended for one recipient.
struct End<'s> {
    /// Its place in the recipient's inbox.
    place: u64,
    /// Whether the recipient signed for it; else it lapsed.
    handed_over: bool,
    /// What its sender was given.
    signed: &'s SignedStatement,
}

/// The examination of one document.
pub(super) struct Examination<'a> {
    court: &'a Court<'a>,
    promise: &'a Promise,
    pub(super) signatures: u64,
    pub(super) findings: Vec<Finding>,
}

impl<'a> Examination<'a> {
    pub(super) const fn new(court: &'a Court<'a>, promise: &'a Promise) -> Self {
        Self {
            court,
            promise,
            signatures: 0,
            findings: Vec::new(),
        }
    }

    /// Examines it; what is wrong is among the findings.
    pub(super) fn run(&mut self) -> Option<Traces> {
        let sent = match self.sent() {
            Ok(sent) => sent,
            Err(fault) => {
                self.find(Breach::Lost, &format!("at its sender: {fault:#}"));
                return None;
            }
        };
        self.told_alike(&sent);
        let mut traces = Traces {
            accepted: sent.acceptance.time,
            placed: Vec::new(),
            envelope: sent.envelope,
            sender: self.promise.sender,
            told: sent
                .evidence
                .iter()
                .map(|(place, signed, _)| (*place, signed.digest()))
                .collect(),
            handed_over: Vec::new(),
        };
        let promise = self.promise;
        for recipient in &promise.to {
            let ended = self.ended(&sent, *recipient);
            if let Ok(end) = &ended {
                // What else is wrong with it is told once, and not again by lists and order.
                traces.placed.push((*recipient, end.place));
                traces
                    .handed_over
                    .extend(end.handed_over.then_some(*recipient));
            }
            let found = ended.and_then(|end| self.delivered(&sent, *recipient, &end));
            if let Err((breach, what)) = found {
                let at = format!("at {}: {what}", self.court.code(*recipient));
                self.find(breach, &at);
            }
        }
        Some(traces)
    }

    fn find(&mut self, breach: Breach, what: &str) {
        let sender = self.court.code(self.promise.sender);
        let what = format!("{} of {sender} {what}", self.promise.id);
        self.findings.push((breach, what));
    }

    fn folder(&self, seat: usize) -> Result<PathBuf> {
        let home = |seat: usize| self.court.homes.get(seat).context("a seat");
        let key = EnvelopeKey {
            sender: home(self.promise.sender)?.id(),
            id: self.promise.id,
        };
        Ok(home(seat)?.archive_entry(key))
    }

    fn verified<S: Statement>(
        &mut self,
        signed: &SignedStatement,
        role: Role,
    ) -> Result<Verified<S>> {
        self.signatures += 1;
        Ok(verify_statement(signed, &[role], &self.court.directory)?)
    }

    /// The sender's side: final, with all evidence in order.
    fn sent(&mut self) -> Result<Sent> {
        let folder = self.folder(self.promise.sender)?;
        let envelope = signed(&folder, "envelope")?;
        self.verified::<Envelope>(&envelope, Role::Agency)?;
        let acceptance = signed(&folder, "acceptance")?;
        let acceptance = self.verified::<Evidence>(&acceptance, Role::Hub)?;
        let container = Digest::of(&fs::read(folder.join("container.asice"))?);
        let mut evidence = Vec::new();
        for entry in fs::read_dir(folder.join("evidence")).context("it has no evidence")? {
            let name = entry?.file_name();
            let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(".sig")) else {
                continue;
            };
            let place = stem.split('-').next().unwrap_or_default().parse()?;
            let one = signed(&folder.join("evidence"), stem)?;
            let event = Evidence::parse(&one.statement)?.event;
            let said = self.verified::<Evidence>(&one, event.said_by())?;
            evidence.push((place, one, said));
        }
        Ok(Sent {
            envelope: envelope.digest(),
            acceptance,
            container,
            evidence,
        })
    }

    /// What the sender was shown while it waited is what its archive has.
    fn told_alike(&mut self, sent: &Sent) {
        let about = &sent.acceptance.envelope;
        if about.sha256 != sent.envelope || sent.acceptance.event != Event::SubmissionAcceptance {
            self.find(Breach::Conflict, "has an acceptance of something else");
        }
        let folder = self.folder(self.promise.sender);
        let kept = folder.and_then(|folder| signed(&folder, "acceptance"));
        let kept = kept.ok().map(|kept| kept.digest());
        if self.promise.acceptance.is_some() && self.promise.acceptance != kept {
            self.find(Breach::Conflict, "was promised by another acceptance");
        }
        let has = |digest: &Digest| {
            let mut evidence = sent.evidence.iter();
            evidence.any(|(_, signed, _)| signed.digest() == *digest)
        };
        if !self.promise.receipts.iter().all(has) {
            self.find(
                Breach::Conflict,
                "lacks a receipt that its sender was shown",
            );
        }
    }

    /// How it ended for a recipient, by what its sender has.
    fn ended<'s>(&self, sent: &'s Sent, recipient: usize) -> Result<End<'s>, Finding> {
        let conflict = |what: &str| (Breach::Conflict, what.to_owned());
        let home = self.court.homes.get(recipient);
        let agency = home.ok_or_else(|| conflict("it is nobody"))?.id();
        let mut placements = sent.acceptance.placements.iter();
        let place = placements.find(|placement| placement.id == agency);
        let place = place.ok_or_else(|| conflict("the acceptance does not place it"))?;
        let mut about_it = sent.evidence.iter().filter(|(_, _, said)| {
            let recipient = said.recipient();
            recipient.is_some_and(|recipient| recipient.id == agency)
        });
        let (Some((_, signed, said)), None) = (about_it.next(), about_it.next()) else {
            return Err(conflict("its sender does not know one end of it"));
        };
        let same = said.recipient() == Some(place) && said.envelope.sha256 == sent.envelope;
        if !same && said.event == Event::ContentHandover {
            return Err(conflict("the receipt is for another place or envelope"));
        }
        Ok(End {
            place: place.sequence.value(),
            handed_over: said.event == Event::ContentHandover,
            signed,
        })
    }

    /// The recipient has it if and only if it signed for it, in these very words.
    fn delivered(&self, sent: &Sent, recipient: usize, end: &End<'_>) -> Result<(), Finding> {
        let lost = |fault: anyhow::Error| (Breach::Lost, format!("{fault:#}"));
        let conflict = |what: &str| (Breach::Conflict, what.to_owned());
        let folder = self.folder(recipient).map_err(lost)?;
        if !end.handed_over {
            return match folder.join("container.asice").exists() {
                true => Err(conflict("it lapsed, and the recipient has it")),
                false => Ok(()),
            };
        }
        if signed(&folder, "receipt").map_err(lost)? != *end.signed {
            return Err(conflict("the recipient signed something else"));
        }
        self.arrived(&folder, sent).map_err(lost)
    }

    /// What arrived is what was sent, and its reader may see it.
    fn arrived(&self, folder: &Path, sent: &Sent) -> Result<()> {
        let item = signed(folder, "item")?;
        ensure!(item.digest() == sent.envelope, "another envelope arrived");
        let container = Digest::of(&fs::read(folder.join("container.asice"))?);
        ensure!(container == sent.container, "another container arrived");
        let files: Value = serde_json::from_slice(&fs::read(folder.join("files.json"))?)?;
        let file = self.promise.file.to_string();
        let named = files.as_array().is_some_and(|files| {
            let sums = files.iter().map(|file| &file["sha256"]);
            sums.eq([&Value::String(file)])
        });
        ensure!(named, "another file arrived: {files}");
        let report: Value = serde_json::from_slice(&fs::read(folder.join("report.json"))?)?;
        let verdict = &report["indication"];
        ensure!(verdict == "TOTAL-PASSED", "it was judged {verdict}");
        Ok(())
    }
}

/// A statement by its name: `NAME.json` and `NAME.sig`.
fn signed(folder: &Path, name: &str) -> Result<SignedStatement> {
    let read = |end: &str| {
        let path = folder.join(format!("{name}.{end}"));
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let signature = read("sig")?.try_into();
    Ok(SignedStatement {
        statement: read("json")?.into(),
        signature: signature.map_err(|_| anyhow!("a signature has 64 bytes"))?,
    })
}
