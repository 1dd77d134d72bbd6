//! What goes into an archive besides the document's container: what an auditor needs to judge it
//! without us.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;
use std::path::Path;

use consign_domain::document::Document;
use consign_domain::statement::{Envelope, Evidence, Statement, Status};
use consign_domain::{Digest, PartyId, Salt, SignedStatement};
use consign_pki::asic::outer::ArchiveLayer;
use consign_pki::asic::{Budget, Container};
use consign_pki::cms::{self, CadesSignature};
use consign_pki::path::MAX_REVOCATION_LIST;
use consign_pki::timestamp::{self, MAX_MESSAGE};
use consign_pki::wrap::{MAX_WRAP_PLAINTEXT, WrapPlaintext};
use consign_runtime::files;
use consign_verify::Directory;
use consign_verify::archive;
use consign_verify::directory::EntryProof;
use zeroize::Zeroizing;

use crate::durable;
use crate::error::NodeError;
use crate::folder::{CONTAINER, ENVELOPE, Folder, ITEM, SALT, TIME_STAMP, WRAP_TEXT};

/// Longest file of a salt, in bytes: its text on one line.
const MAX_SALT_TEXT: usize = 256;

const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";
const TOKEN: &str = "application/vnd.etsi.timestamp-token";
const CERTIFICATE: &str = "application/pkix-cert";
const LIST: &str = "application/pkix-crl";

/// Most revocation lists that are taken.
const MAX_LISTS: usize = 8;

/// Small files by their names, each with its media type.
#[derive(Debug, Default)]
pub(super) struct Contents(BTreeMap<String, (&'static str, Vec<u8>)>);

impl Contents {
    /// All that there is of a document by now.
    pub(super) fn of(
        folder: &Folder,
        directory: &Directory,
        lists: &Path,
        layers: &[ArchiveLayer],
    ) -> Result<Self, NodeError> {
        let mut contents = Self::default();
        let statements = contents.add_statements(folder)?;
        contents.add_salt(folder)?;
        contents.add_certificates(folder, layers)?;
        contents.add_lists(lists)?;
        let mut parties: BTreeSet<PartyId> = statements.iter().filter_map(signer_of).collect();
        parties.extend(issuer_of(folder, directory));
        let ids: Vec<[u8; 16]> = parties.iter().map(|party| party.to_bytes()).collect();
        let proofs = EntryProof::of_each(directory, &ids);
        for (party, proof) in parties.iter().zip(proofs) {
            if let Some(proof) = proof {
                let name = format!("{}{party}.json", archive::DIRECTORY);
                contents.add(name, JSON, proof.to_bytes());
            }
        }
        Ok(contents)
    }

    /// The files, by name.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &'static str, &[u8])> {
        let files = self.0.iter();
        files.map(|(name, (media_type, bytes))| (name.as_str(), *media_type, bytes.as_slice()))
    }

    fn add(&mut self, name: String, media_type: &'static str, bytes: Vec<u8>) {
        self.0.insert(name, (media_type, bytes));
    }

    fn add_statements(&mut self, folder: &Folder) -> Result<Vec<SignedStatement>, NodeError> {
        let mut all = Vec::new();
        // What the sender calls its envelope, the recipient calls the item.
        for name in [ENVELOPE, ITEM] {
            if let Some(signed) = folder.signed(name)? {
                all.push((archive::ENVELOPE.to_owned(), signed));
            }
        }
        let stored = folder.statements()?.into_iter();
        all.extend(stored.map(|stored| (stored.name, stored.signed)));
        for (name, signed) in &all {
            self.add(format!("{name}.json"), JSON, signed.statement.to_vec());
            self.add(format!("{name}.sig"), BYTES, signed.signature.to_vec());
        }
        Ok(all.into_iter().map(|(_, signed)| signed).collect())
    }

    /// What opens the envelope's commitment, without the key that opened the payload.
    fn add_salt(&mut self, folder: &Folder) -> Result<(), NodeError> {
        let text = folder.optional(SALT, MAX_SALT_TEXT)?;
        let text = text.and_then(|text| String::from_utf8(text).ok());
        let parsed = text.and_then(|text| text.trim().parse::<Salt>().ok());
        let mut salt = parsed.map(|salt| salt.as_bytes().to_vec());
        if salt.is_none()
            && let Some(text) = folder.optional(WRAP_TEXT, MAX_WRAP_PLAINTEXT)?
        {
            let text = Zeroizing::new(text);
            let wrap = WrapPlaintext::parse(&text);
            salt = wrap.ok().map(|wrap| wrap.salt.to_vec());
        }
        if let Some(salt) = salt {
            self.add(archive::SALT.to_owned(), BYTES, salt);
        }
        Ok(())
    }

    /// Those of the seals and of all time-stamps, and the time-stamp that came after the seal.
    fn add_certificates(
        &mut self,
        folder: &Folder,
        layers: &[ArchiveLayer],
    ) -> Result<(), NodeError> {
        let mut signatures = Vec::new();
        let late = folder.optional(TIME_STAMP, MAX_MESSAGE)?;
        for seal in seals(folder)? {
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
        let names = durable::names(lists)?;
        for name in names
            .iter()
            .filter(|name| name.ends_with(".crl"))
            .take(MAX_LISTS)
        {
            let list = files::read_bounded(&lists.join(name), MAX_REVOCATION_LIST)?;
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

/// The seals of the document's container, as far as they can be read.
fn seals(folder: &Folder) -> Result<Vec<CadesSignature>, NodeError> {
    let file = BufReader::new(durable::open(&folder.file(CONTAINER))?);
    let Ok(container) = Container::open_canonical(file, &Budget::default()) else {
        return Ok(Vec::new());
    };
    let seals = container.signatures().iter();
    let read = seals.filter_map(|layer| {
        cms::parse_and_verify(&layer.signature_bytes, &layer.manifest_bytes).ok()
    });
    Ok(read.collect())
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
