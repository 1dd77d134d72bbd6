//! What an archive holds besides the document's container, by its names, and whether it fits.
//!
//! ```text
//! envelope.json, envelope.sig          the sender's envelope
//! acceptance.json, evidence/….json, …  other statements, each with its .sig
//! salt                                 32 bytes: opens the envelope's commitment to the container
//! time-stamp.tst                       a time-stamp of the seal that came after it
//! certificates/….cer                   the paths of seal and time-stamps, DER
//! revocation/….crl                     revocation lists, DER
//! directory/….json                     directory entries with their proofs
//! ```

use std::io::{Read, Seek};

use consign_domain::directory::Role;
use consign_domain::limits::MAX_EVIDENCE;
use consign_domain::statement::{Envelope, Evidence as Event, Statement, Status};
use consign_domain::{Digest, ErrorCode, Salt, SignedStatement, Timestamp};
use consign_pki::asic::FileHash;
use consign_pki::asic::outer::{INNER_NAME, OuterContainer};
use consign_pki::path::{MAX_REVOCATION_LIST, revocation};
use consign_pki::timestamp::MAX_MESSAGE;

use super::nearest;
use crate::directory::{Directory, EntryProof, MAX_PROOF};
use crate::exchange;
use crate::report::{Aspect, Check, CheckName, Counted, Evidence, NotChecked, Reason, Report, Why};
use crate::statement::{StatementRefusal, reason_of, verify_statement};
use crate::trust::TrustStore;

/// The sender's envelope, without its ending.
pub const ENVELOPE: &str = "envelope";
/// What opens the envelope's commitment.
pub const SALT: &str = "salt";
/// A time-stamp of the seal that came after it.
pub const SEAL_TIME_STAMP: &str = "time-stamp.tst";
/// Where certificates lie.
pub const CERTIFICATES: &str = "certificates/";
/// Where revocation lists lie.
pub const LISTS: &str = "revocation/";
/// Where directory entries lie.
pub const DIRECTORY: &str = "directory/";

/// Most bytes that are read besides the document's container, and most lists.
const MAX_BYTES: u64 = 128 << 20;
const MAX_LISTS: usize = 256;

/// What was read of an archive.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) late_stamp: Option<Vec<u8>>,
    /// With when they say that they were made.
    lists: Vec<(u64, Vec<u8>)>,
    /// Of each version in which entries lie, oldest first.
    directories: Vec<Directory>,
    statements: Vec<(String, SignedStatement)>,
    salt: Option<Salt>,
    container: Option<Digest>,
}

impl Contents {
    /// Reads what is known by its name; notes what is not what its name says.
    pub(super) fn read<R: Read + Seek>(
        archive: &mut OuterContainer<R>,
        files: &[FileHash],
        store: Option<&TrustStore>,
        report: &mut Report,
    ) -> Self {
        let mut contents = Self::default();
        let mut proofs = Vec::new();
        let mut bytes = 0;
        for file in files {
            let name = file.name.as_str();
            if name != INNER_NAME {
                bytes += file.size;
            }
            if bytes > MAX_BYTES {
                // It and what follows it.
                let check = Check::noted(CheckName::ArchiveContents, Reason::TooLarge);
                report.push(check.with(Evidence::file(name)));
                break;
            }
            let mut read = |most: usize| archive.read(name, most as u64).ok();
            if name == INNER_NAME {
                contents.container = Some(Digest::from_bytes(file.sha256));
            } else if name == SEAL_TIME_STAMP {
                contents.late_stamp = read(MAX_MESSAGE);
            } else if name == SALT {
                let salt = read(32).and_then(|salt| salt.try_into().ok());
                contents.salt = salt.map(Salt::from_bytes);
            } else if name.starts_with(LISTS) {
                if contents.lists.len() < MAX_LISTS
                    && let Some(list) = read(MAX_REVOCATION_LIST)
                    && let Some(made) = revocation::claims_made(&list)
                {
                    contents.lists.push((made, list));
                }
            } else if name.starts_with(DIRECTORY) {
                if let Some(proof) = read(MAX_PROOF)
                    && let Ok(proof) = EntryProof::parse(&proof)
                {
                    proofs.push(proof);
                }
            } else if let Some(stem) = name.strip_suffix(".json")
                && let Some(statement) = read(MAX_EVIDENCE)
                && let Ok(signature) = archive.read(&format!("{stem}.sig"), 64)
                && let Ok(signature) = signature.try_into()
            {
                let signed = SignedStatement {
                    statement: statement.into(),
                    signature,
                };
                contents.statements.push((name.to_owned(), signed));
            }
        }
        if let Some(store) = store {
            contents.directories = directories_of(&proofs, store, report);
        }
        contents
    }

    /// Whose keys were whose when it was archived, by the entries in it.
    pub(super) fn directory(&self) -> Option<&Directory> {
        self.directories.first()
    }

    /// The caller's lists, and those of the archive that were made nearest to a time.
    pub(super) fn lists_near(&self, time: Timestamp, own: &[Vec<u8>]) -> Vec<Vec<u8>> {
        nearest(&self.lists, time, own)
    }

    /// Whether the statements are those of whom they name, and about this container.
    pub(super) fn check(&self, newest: Option<&Directory>, report: &mut Report) {
        self.check_commitment(report);
        if self.statements.is_empty() {
            return;
        }
        let directories: Vec<&Directory> = self.directories.iter().chain(newest).collect();
        if directories.is_empty() {
            let skipped = NotChecked::new(Aspect::ArchiveStatements, Why::NothingGiven);
            return report.skip(skipped);
        }
        let name = CheckName::ArchiveStatements;
        let mut good = 0;
        for (file, signed) in &self.statements {
            match verify(signed, &directories) {
                Ok(()) => good += 1,
                Err(refusal @ StatementRefusal::Signature) => {
                    let check = Check::failed(name, reason_of(&refusal), refusal.code());
                    report.push(check.because(&refusal).with(Evidence::file(file)));
                }
                // It may be of a kind to come.
                Err(refusal) => {
                    let check = Check::noted(name, reason_of(&refusal));
                    report.push(check.because(&refusal).with(Evidence::file(file)));
                }
            }
        }
        if good > 0 {
            let count = Evidence::count(Counted::Statements, good);
            report.push(Check::passed(name).with(count));
        }
    }

    /// The envelope commits to this container.
    fn check_commitment(&self, report: &mut Report) {
        let name = CheckName::ArchiveEnvelope;
        let envelope_file = format!("{ENVELOPE}.json");
        let mut statements = self.statements.iter();
        let envelope = statements.find(|(file, _)| *file == envelope_file);
        let envelope = envelope.and_then(|(_, signed)| Envelope::parse(&signed.statement).ok());
        let (Some(envelope), Some(salt), Some(container)) = (envelope, &self.salt, &self.container)
        else {
            return;
        };
        let check = match exchange::check_content(&envelope, salt, container) {
            Ok(()) => Check::passed(name),
            Err(error) => {
                let (reason, code) = (Reason::ContentChanged, ErrorCode::ContainerDigest);
                Check::failed(name, reason, code).because(&error)
            }
        };
        let text = format!("{} ({})", envelope.id, envelope.signer.code).into();
        report.push(check.with(Evidence::Subject { text }));
    }
}

fn directories_of(
    proofs: &[EntryProof],
    store: &TrustStore,
    report: &mut Report,
) -> Vec<Directory> {
    Directory::of_proofs(proofs, store).unwrap_or_else(|error| {
        let check = Check::noted(CheckName::ArchiveDirectory, Reason::EntriesNotProven);
        report.push(check.because(&error));
        Vec::new()
    })
}

/// By the first directory that knows the key; the archive's own was there when it was made.
fn verify(signed: &SignedStatement, directories: &[&Directory]) -> Result<(), StatementRefusal> {
    let mut outcome = Ok(());
    for directory in directories {
        outcome = verify_by(signed, directory);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn verify_by(signed: &SignedStatement, directory: &Directory) -> Result<(), StatementRefusal> {
    let begins = |kind: &str| {
        let prefix = format!("{{\"type\":\"{kind}\",");
        signed.statement.starts_with(prefix.as_bytes())
    };
    if begins(Envelope::KIND.as_str()) {
        verify_statement::<Envelope>(signed, &[Role::Agency], directory).map(drop)
    } else if begins(Status::KIND.as_str()) {
        verify_statement::<Status>(signed, &[Role::Agency], directory).map(drop)
    } else {
        let evidence = Event::parse(&signed.statement)
            .map_err(|source| StatementRefusal::Malformed { source })?;
        let role = evidence.event.said_by();
        verify_statement::<Event>(signed, &[role], directory).map(drop)
    }
}
