//! What an archive holds besides the document's container, by its names.
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

use consign_domain::limits::MAX_EVIDENCE;
use consign_domain::{Digest, Salt, SignedStatement, Timestamp};
use consign_pki::asic::FileHash;
use consign_pki::asic::outer::{INNER_NAME, OuterContainer};
use consign_pki::path::{MAX_REVOCATION_LIST, revocation};
use consign_pki::timestamp::MAX_MESSAGE;

use super::nearest;
use crate::directory::{Directory, DirectoryError, EntryProof, MAX_PROOF, ProvenEntry};
use crate::report::{Check, CheckName, Evidence, Reason, Report};
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
    /// A part of each version in which entries lie, oldest first.
    pub(super) directories: Vec<Directory>,
    /// With their names, each without its ending.
    pub(super) statements: Vec<(String, SignedStatement)>,
    pub(super) salt: Option<Salt>,
    pub(super) container: Option<Digest>,
}

impl Contents {
    /// Reads what is known by its name; notes what is not what its name says.
    pub(super) fn read<R: Read + Seek>(
        archive: &mut OuterContainer<R>,
        files: &[FileHash],
        store: Option<&TrustStore>,
        report: &mut Report,
    ) -> Self {
        let mut reading = Reading {
            archive,
            store,
            contents: Self::default(),
            proven: Vec::new(),
        };
        let mut bytes = 0;
        for file in files {
            let name = file.name.as_str();
            if name == INNER_NAME {
                reading.contents.container = Some(Digest::from_bytes(file.sha256));
                continue;
            }
            bytes += file.size;
            if bytes > MAX_BYTES {
                // It and what follows it.
                report.push(noted(Reason::TooLarge).with(Evidence::file(name)));
                break;
            }
            if let Err(check) = reading.take(name) {
                report.push(check.with(Evidence::file(name)));
            }
        }
        reading.finish(report)
    }

    /// The caller's lists, and those of the archive that were made nearest to a time.
    pub(super) fn lists_near(&self, time: Timestamp, own: &[Vec<u8>]) -> Vec<Vec<u8>> {
        nearest(&self.lists, time, own)
    }
}

fn noted(reason: Reason) -> Check {
    Check::noted(CheckName::ArchiveContents, reason)
}

fn not_proven(error: &DirectoryError) -> Check {
    let (name, reason) = (CheckName::ArchiveDirectory, Reason::EntriesNotProven);
    Check::noted(name, reason).because(error)
}

/// What has been read so far.
struct Reading<'a, R> {
    archive: &'a mut OuterContainer<R>,
    store: Option<&'a TrustStore>,
    contents: Contents,
    proven: Vec<ProvenEntry>,
}

impl<R: Read + Seek> Reading<'_, R> {
    /// Reads a file by its name.
    ///
    /// # Errors
    /// It is not what its name says, as a check to be told.
    fn take(&mut self, name: &str) -> Result<(), Check> {
        if name == SEAL_TIME_STAMP {
            self.contents.late_stamp = Some(self.read(name, MAX_MESSAGE)?);
        } else if name == SALT {
            let salt = <[u8; 32]>::try_from(self.read(name, 32)?);
            let salt = salt.map_err(|_| noted(Reason::FormatBroken))?;
            self.contents.salt = Some(Salt::from_bytes(salt));
        } else if name.starts_with(LISTS) {
            self.take_list(name)?;
        } else if name.starts_with(DIRECTORY) {
            self.take_proof(name)?;
        } else if let Some(stem) = name.strip_suffix(".json") {
            self.take_statement(name, stem)?;
        }
        Ok(())
    }

    fn read(&mut self, name: &str, most: usize) -> Result<Vec<u8>, Check> {
        let read = self.archive.read(name, most as u64);
        read.map_err(|error| noted(Reason::FormatBroken).because(&error))
    }

    fn take_list(&mut self, name: &str) -> Result<(), Check> {
        if self.contents.lists.len() >= MAX_LISTS {
            return Err(noted(Reason::TooLarge));
        }
        let list = self.read(name, MAX_REVOCATION_LIST)?;
        let made = revocation::claims_made(&list).ok_or_else(|| noted(Reason::FormatBroken))?;
        self.contents.lists.push((made, list));
        Ok(())
    }

    fn take_proof(&mut self, name: &str) -> Result<(), Check> {
        let proof = EntryProof::parse(&self.read(name, MAX_PROOF)?)
            .map_err(|error| noted(Reason::FormatBroken).because(&error))?;
        if let Some(store) = self.store {
            let proven = proof.verify(store).map_err(|error| not_proven(&error))?;
            self.proven.push(proven);
        }
        Ok(())
    }

    fn take_statement(&mut self, name: &str, stem: &str) -> Result<(), Check> {
        let statement = self.read(name, MAX_EVIDENCE)?.into();
        let signature = self.archive.read(&format!("{stem}.sig"), 64);
        let signature = signature.map_err(|error| noted(Reason::NoSignature).because(&error))?;
        let signature = signature
            .try_into()
            .map_err(|_| noted(Reason::SignatureMalformed))?;
        let signed = SignedStatement {
            statement,
            signature,
        };
        self.contents.statements.push((stem.to_owned(), signed));
        Ok(())
    }

    fn finish(self, report: &mut Report) -> Contents {
        let mut contents = self.contents;
        for part in Directory::of_proven(self.proven) {
            match part {
                Ok(part) => contents.directories.push(part),
                Err(error) => report.push(not_proven(&error)),
            }
        }
        contents
    }
}
