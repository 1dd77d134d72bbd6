//! What goes into an archive besides the document's container: what an auditor needs to judge it
//! without us.
//!
//! What a document has most of are statements, two files each: where not all of them have room,
//! what was said of its delivery goes before statuses, and newer statuses before older ones.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use consign_domain::directory::Entry;
use consign_domain::document::Document;
use consign_domain::statement::{Envelope, Evidence, Statement, Status};
use consign_domain::{Digest, DirectoryVersion, PartyId, Salt, SignedStatement};
use consign_pki::asic::outer::{ArchiveLayer, MAX_ENTRIES};
use consign_pki::asic::{Budget, Container};
use consign_pki::cms::{self, CadesSignature};
use consign_pki::timestamp::{self, MAX_MESSAGE};
use consign_pki::wrap::{MAX_WRAP_PLAINTEXT, WrapPlaintext};
use consign_verify::archive;
use consign_verify::directory::{EntryProof, MAX_PROOF};
use consign_verify::{Directory, TrustStore};
use zeroize::Zeroizing;

use super::write::Outer;
use crate::durable;
use crate::error::NodeError;
use crate::folder::{CONTAINER, ENVELOPE, Folder, ITEM, SALT, STATUS, TIME_STAMP, WRAP_TEXT};
use crate::revocation_lists;

/// Longest file of a salt, in bytes: its text on one line.
const MAX_SALT_TEXT: usize = 256;

const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";
const TOKEN: &str = "application/vnd.etsi.timestamp-token";
const CERTIFICATE: &str = "application/pkix-cert";
const LIST: &str = "application/pkix-crl";

/// Most revocation lists that are taken.
const MAX_LISTS: usize = 8;
/// Entries that are left for the manifests, certificates and lists of renewals to come.
const FOR_RENEWALS: usize = 1_024;
/// Most entries once the statements are in.
pub(super) const MOST_ENTRIES: usize = MAX_ENTRIES - FOR_RENEWALS;

/// Where the contents come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sources<'a> {
    pub(super) folder: &'a Folder,
    pub(super) directory: &'a Directory,
    pub(super) trust: &'a TrustStore,
    /// Where revocation lists lie.
    pub(super) lists: &'a Path,
    /// Entries that the archive may have once the statements are in.
    pub(super) most_entries: usize,
}

/// What is in an archive already.
#[derive(Debug, Default)]
struct Inside {
    names: HashSet<String>,
    /// Files, manifests, tokens, and `mimetype`.
    entries: usize,
    /// The newest entry of each party, and its version.
    newest: HashMap<[u8; 16], (DirectoryVersion, Entry)>,
}

/// Small files by their names, each with its media type.
#[derive(Debug, Default)]
pub(super) struct Contents {
    inside: Inside,
    files: BTreeMap<String, (&'static str, Vec<u8>)>,
    left_out: usize,
}

impl Contents {
    /// All that there is of a document by now and that is not in the earlier archive.
    pub(super) fn of(
        sources: &Sources<'_>,
        mut earlier: Option<&mut Outer>,
    ) -> Result<Self, NodeError> {
        let folder = sources.folder;
        let (seals, layers) = match &mut earlier {
            Some(earlier) => (seals_in(earlier), earlier.layers().to_vec()),
            None => (seals_of(folder)?, Vec::new()),
        };
        let mut contents = Self {
            inside: earlier.map_or_else(
                || Inside {
                    // `mimetype` and the container.
                    entries: 2,
                    ..Inside::default()
                },
                |earlier| Inside::of(earlier, sources.trust),
            ),
            ..Self::default()
        };
        if let Some(salt) = salt(folder)? {
            contents.add(archive::SALT.to_owned(), BYTES, salt.as_bytes().to_vec());
        }
        contents.add_certificates(folder, seals, &layers)?;
        contents.add_lists(sources.lists)?;
        contents.add_statements(sources)?;
        Ok(contents)
    }

    /// The files, by name.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &'static str, &[u8])> {
        let files = self.files.iter();
        files.map(|(name, (media_type, bytes))| (name.as_str(), *media_type, bytes.as_slice()))
    }

    /// How many statements had no room.
    pub(super) const fn left_out(&self) -> usize {
        self.left_out
    }

    fn has(&self, name: &str) -> bool {
        self.inside.names.contains(name)
    }

    fn add(&mut self, name: String, media_type: &'static str, bytes: Vec<u8>) {
        if !self.has(&name) {
            self.files.insert(name, (media_type, bytes));
        }
    }

    /// Statements as far as there is room, each with the directory entry of who signed it.
    fn add_statements(&mut self, sources: &Sources<'_>) -> Result<(), NodeError> {
        let statements = statements(sources.folder)?;
        let issuer = issuer_of(sources.folder, sources.directory);
        let signers: Vec<Option<PartyId>> = statements
            .iter()
            .map(|(_, signed)| signer_of(signed))
            .collect();
        let parties: BTreeSet<PartyId> = signers.iter().flatten().copied().chain(issuer).collect();
        let mut proofs = self.newer_entries(&parties, sources);
        // A manifest and a token are to follow.
        let taken = self.inside.entries + self.files.len() + 2;
        let mut room = sources.most_entries.saturating_sub(taken);
        if let Some((name, proof)) = issuer.and_then(|issuer| proofs.remove(&issuer)) {
            self.add(name, JSON, proof);
            room = room.saturating_sub(1);
        }
        for ((name, signed), signer) in statements.into_iter().zip(signers) {
            let is_inside = self.has(&format!("{name}.json"));
            let proof = signer.filter(|signer| proofs.contains_key(signer));
            let files = if is_inside { 0 } else { 2 } + usize::from(proof.is_some());
            if files > room {
                // Nothing that comes after it goes before it.
                room = 0;
                self.left_out += usize::from(!is_inside);
                continue;
            }
            room -= files;
            if let Some((name, proof)) = proof.and_then(|signer| proofs.remove(&signer)) {
                self.add(name, JSON, proof);
            }
            self.add(format!("{name}.json"), JSON, signed.statement.to_vec());
            self.add(format!("{name}.sig"), BYTES, signed.signature.to_vec());
        }
        Ok(())
    }

    /// Names and proofs of those entries that are not what is inside, by party: keys change, and
    /// what was signed with newer ones needs the newer entry.
    fn newer_entries(
        &self,
        parties: &BTreeSet<PartyId>,
        sources: &Sources<'_>,
    ) -> HashMap<PartyId, (String, Vec<u8>)> {
        let ids: Vec<[u8; 16]> = parties.iter().map(|party| party.to_bytes()).collect();
        let proofs = EntryProof::of_each(sources.directory, &ids);
        let version = sources.directory.version();
        let is_newer = |proof: &EntryProof| {
            let Ok(proven) = proof.verify(sources.trust) else {
                return true;
            };
            let inside = self.inside.newest.get(&proven.entry.id());
            inside.is_none_or(|(before, entry)| *before < version && *entry != proven.entry)
        };
        let found = parties.iter().zip(proofs);
        let found = found.filter_map(|(party, proof)| Some((*party, proof?)));
        found
            .filter(|(_, proof)| is_newer(proof))
            .map(|(party, proof)| {
                let name = format!("{}{party}-{version}.json", archive::DIRECTORY);
                (party, (name, proof.to_bytes()))
            })
            .collect()
    }

    /// Those of the seals and of all time-stamps, and the time-stamp that came after the seal.
    fn add_certificates(
        &mut self,
        folder: &Folder,
        seals: Vec<CadesSignature>,
        layers: &[ArchiveLayer],
    ) -> Result<(), NodeError> {
        let mut signatures = Vec::new();
        let late = folder.optional(TIME_STAMP, MAX_MESSAGE)?;
        for seal in seals {
            for token in seal.time_stamp_tokens.iter().chain(&late) {
                if let Ok(stamp) = timestamp::verify(token, &seal.signature_value) {
                    signatures.push(stamp.signature);
                }
            }
            signatures.push(seal);
        }
        for layer in layers {
            if let Ok(stamp) = timestamp::verify(&layer.token, &layer.manifest_bytes) {
                signatures.push(stamp.signature);
            }
        }
        for signature in signatures {
            let own = signature.signer_certificate;
            for certificate in signature.other_certificates.into_iter().chain([own]) {
                self.add_by_digest(archive::CERTIFICATES, "cer", CERTIFICATE, certificate);
            }
        }
        if let Some(token) = late {
            self.add(archive::SEAL_TIME_STAMP.to_owned(), TOKEN, token);
        }
        Ok(())
    }

    fn add_lists(&mut self, lists: &Path) -> Result<(), NodeError> {
        for list in revocation_lists::read(lists)?.into_iter().take(MAX_LISTS) {
            self.add_by_digest(archive::LISTS, "crl", LIST, list);
        }
        Ok(())
    }

    /// Under a name that its content gives it, so that it is there once.
    fn add_by_digest(
        &mut self,
        place: &str,
        ending: &str,
        media_type: &'static str,
        bytes: Vec<u8>,
    ) {
        let digest = Digest::of(&bytes).to_string();
        self.add(format!("{place}{digest}.{ending}"), media_type, bytes);
    }
}

impl Inside {
    fn of(archive: &mut Outer, trust: &TrustStore) -> Self {
        let names: HashSet<String> = archive.files().map(|(name, _)| name.to_owned()).collect();
        let mut inside = Self {
            entries: names.len() + 2 * archive.layers().len() + 1,
            names,
            newest: HashMap::new(),
        };
        let entries = inside.names.iter();
        for name in entries.filter(|name| name.starts_with(archive::DIRECTORY)) {
            // One that cannot be read or proves nothing is as good as none.
            if let Ok(bytes) = archive.read(name, MAX_PROOF as u64)
                && let Ok(proof) = EntryProof::parse(&bytes)
                && let Ok(proven) = proof.verify(trust)
            {
                let (id, version) = (proven.entry.id(), proven.head.version());
                let known = inside.newest.get(&id);
                if known.is_none_or(|(before, _)| *before < version) {
                    inside.newest.insert(id, (version, proven.entry));
                }
            }
        }
        inside
    }
}

/// What opens the envelope's commitment, without the key that opened the payload.
pub(super) fn salt(folder: &Folder) -> Result<Option<Salt>, NodeError> {
    let text = folder.optional(SALT, MAX_SALT_TEXT)?;
    let text = text.and_then(|text| String::from_utf8(text).ok());
    if let Some(salt) = text.and_then(|text| text.trim().parse::<Salt>().ok()) {
        return Ok(Some(salt));
    }
    let Some(text) = folder.optional(WRAP_TEXT, MAX_WRAP_PLAINTEXT)? else {
        return Ok(None);
    };
    let wrap = WrapPlaintext::parse(&Zeroizing::new(text));
    Ok(wrap.ok().map(|wrap| Salt::from_bytes(wrap.salt)))
}

/// The envelope, what was said of its delivery, and statuses, newest first.
fn statements(folder: &Folder) -> Result<Vec<(String, SignedStatement)>, NodeError> {
    let mut all = Vec::new();
    // What the sender calls its envelope, the recipient calls the item.
    for name in [ENVELOPE, ITEM] {
        if let Some(signed) = folder.signed(name)? {
            all.push((archive::ENVELOPE.to_owned(), signed));
        }
    }
    let mut statuses = Vec::new();
    for stored in folder.statements()? {
        let is_status = Path::new(&stored.name).starts_with(STATUS);
        let list = if is_status { &mut statuses } else { &mut all };
        list.push((stored.name, stored.signed));
    }
    all.extend(statuses.into_iter().rev());
    Ok(all)
}

/// The seals of the document's container, as far as they can be read.
fn seals_of(folder: &Folder) -> Result<Vec<CadesSignature>, NodeError> {
    Ok(seals(durable::open(&folder.file(CONTAINER))?))
}

/// The same of the container in an archive: the one beside it may be gone.
fn seals_in(archive: &mut Outer) -> Vec<CadesSignature> {
    archive.inner().map_or_else(|_| Vec::new(), seals)
}

fn seals(container: impl Read + Seek) -> Vec<CadesSignature> {
    let file = BufReader::new(container);
    let Ok(container) = Container::open_canonical(file, &Budget::default()) else {
        return Vec::new();
    };
    let seals = container.signatures().iter();
    let read = seals.filter_map(|layer| {
        cms::parse_and_verify(&layer.signature_bytes, &layer.manifest_bytes).ok()
    });
    read.collect()
}

/// Who signed a statement.
fn signer_of(signed: &SignedStatement) -> Option<PartyId> {
    let bytes = &signed.statement;
    let evidence = || Evidence::parse(bytes).ok().map(|it| it.signer.id);
    let status = || Status::parse(bytes).ok().map(|it| it.signer.id);
    let envelope = || Envelope::parse(bytes).ok().map(|it| it.signer.id);
    evidence().or_else(status).or_else(envelope)
}

/// Whose the document is, which need not be who sent it.
fn issuer_of(folder: &Folder, directory: &Directory) -> Option<PartyId> {
    let document = folder.document_json().ok()??;
    let document = Document::parse(&document).ok()?;
    let agency = directory.agency_by_code(&document.issuer.code)?;
    Some(agency.id.into())
}
