//! `consign node install`: takes what the authority gave back.
//!
//! Everything in the bundle is checked before anything is stored. Storing is idempotent:
//! the same bundle twice changes nothing, an older one never replaces newer certificates
//! or a newer directory, and a certificate that is replaced stays beside the new one.

use std::path::Path;

use consign_domain::enrolment::{Bundle, DirectoryBundle};
use consign_domain::{AgencyCode, DirectoryVersion, SignedStatement};
use consign_pki::certificate::CertificateDetails;
use consign_pki::seal::{FileSealKey, SealSigner};
use consign_runtime::files::{self, FileError};
use consign_verify::trust::MAX_TRUST;
use consign_verify::{Directory, TrustStore};

use super::init::read_request;
use super::{
    KeyFault, KeysError, MAX_KEY_FILE, SEAL_CERTIFICATE, SEAL_KEY, parse_chain, read_seal_key,
};
use crate::directory_files;
use crate::durable;
use crate::error::NodeError;
use crate::layout::{AgencyHome, NodeDirectory};

/// What installing a bundle did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Codes of the agencies whose seal certificates the bundle brought.
    pub agencies: Vec<AgencyCode>,
    /// The directory version in place, if there is one.
    pub directory: Option<DirectoryVersion>,
    /// Whether anything changed.
    pub changed: bool,
}

/// A certificate file to be put in place.
struct Certificate<'a> {
    path: std::path::PathBuf,
    text: &'a str,
    key: FileSealKey,
}

/// Installs what the authority gave back.
///
/// # Errors
/// [`KeysError`]; nothing was stored unless the fault is one of storing.
pub fn install(directory: &NodeDirectory, bundle: &[u8]) -> Result<Installed, KeysError> {
    let _lock = directory.lock()?;
    let bundle = Bundle::parse(bundle).map_err(|source| KeysError::Bundle { source })?;
    let trust = check_whose(directory, &bundle)?;
    let offered = bundle.directory.as_ref();
    let offered = offered.map(|bundle| verify(bundle, &trust));
    let offered = offered.transpose()?;
    let mut installed = put_in_place(directory, &bundle)?;
    installed.changed |= put_trust(directory, &bundle)?;

    let path = directory.trust_dir().join("directory");
    durable::directory(&path)?;
    installed.directory = directory_files::newest(&path, &trust)?.map(|here| here.version());
    if let Some(offered) = offered
        && installed
            .directory
            .is_none_or(|here| here < offered.version())
    {
        directory_files::publish(&path, &offered)?;
        installed.directory = Some(offered.version());
        installed.changed = true;
    }
    Ok(installed)
}

/// Puts the trust file of a bundle in place; says whether anything changed.
fn put_trust(directory: &NodeDirectory, bundle: &Bundle) -> Result<bool, KeysError> {
    let trust_dir = directory.trust_dir();
    durable::directory(&trust_dir)?;
    durable::remove_leftovers(&trust_dir)?;
    let changed = put(&trust_dir.join("trust.json"), bundle.trust.as_bytes())?;
    Ok(put(&trust_dir.join("trust.pem"), bundle.trust_pem.as_bytes())? | changed)
}

/// [`install`] without the bundle's trust file and directory, by whoever holds the node's lock.
pub(crate) fn put_in_place(
    directory: &NodeDirectory,
    bundle: &Bundle,
) -> Result<Installed, KeysError> {
    check_whose(directory, bundle)?;
    let homes = directory.agencies()?;
    let certificates = check_certificates(directory, &homes, bundle)?;
    let mut changed = false;
    for certificate in &certificates {
        changed |= put_certificate(certificate)?;
    }
    let brought = |home: &&AgencyHome| bundle.seals.iter().any(|seal| seal.agency == home.id());
    Ok(Installed {
        agencies: homes
            .iter()
            .filter(brought)
            .map(|home| home.code().clone())
            .collect(),
        directory: None,
        changed,
    })
}

/// The trust file of a bundle, which must be for this node and of the network it belongs to.
fn check_whose(directory: &NodeDirectory, bundle: &Bundle) -> Result<TrustStore, KeysError> {
    let request = read_request(directory)?.ok_or_else(|| NodeError::Missing {
        path: directory.request_file(),
        fix: "run: consign node init",
    })?;
    if bundle.for_id.into_bytes() != request.id.to_bytes() {
        return Err(KeysError::OtherNode { node: request.id });
    }
    let trust =
        TrustStore::parse(bundle.trust.as_bytes()).map_err(|source| KeysError::Trust { source })?;
    let path = directory.trust_dir().join("trust.json");
    match files::read_bounded(&path, MAX_TRUST) {
        Ok(bytes) => {
            let here = TrustStore::parse(&bytes).map_err(|source| KeysError::Trust { source })?;
            if here.network() == trust.network() {
                Ok(trust)
            } else {
                Err(KeysError::OtherNetwork)
            }
        }
        Err(fault) if fault.is_not_found() => Ok(trust),
        Err(fault) => Err(fault.into()),
    }
}

fn check_certificates<'a>(
    directory: &NodeDirectory,
    homes: &[AgencyHome],
    bundle: &'a Bundle,
) -> Result<Vec<Certificate<'a>>, KeysError> {
    let check = |what: &str, text: &str, key: &dyn SealSigner| {
        parse_chain(text, key).map_err(|source| KeysError::Certificate {
            what: what.to_owned(),
            source,
        })
    };
    let key = read_seal_key(&directory.tls_key_file())?;
    check("TLS", &bundle.tls, &key)?;
    let mut certificates = vec![Certificate {
        path: directory.tls_certificate_file(),
        text: &bundle.tls,
        key,
    }];
    for seal in &bundle.seals {
        let home = homes.iter().find(|home| home.id() == seal.agency);
        let home = home.ok_or_else(|| KeysError::Certificate {
            what: seal.agency.to_string(),
            source: KeyFault::OtherKey,
        })?;
        let key = read_seal_key(&home.keys_dir().join(SEAL_KEY))?;
        check(home.code().as_str(), &seal.certificates, &key)?;
        certificates.push(Certificate {
            path: home.keys_dir().join(SEAL_CERTIFICATE),
            text: &seal.certificates,
            key,
        });
    }
    Ok(certificates)
}

fn verify(bundle: &DirectoryBundle, trust: &TrustStore) -> Result<Directory, KeysError> {
    let head = signed_head(bundle).ok_or(KeysError::Directory {
        source: consign_verify::DirectoryError::Signature,
    })?;
    Directory::verify(head, bundle.entries.clone().into_bytes(), trust)
        .map_err(|source| KeysError::Directory { source })
}

/// The head of a bundle's directory; `None` where its signature is none.
fn signed_head(bundle: &DirectoryBundle) -> Option<SignedStatement> {
    Some(SignedStatement {
        statement: bundle.head.clone().into_bytes().into(),
        signature: unhex(&bundle.signature)?,
    })
}

fn unhex(text: &str) -> Option<[u8; 64]> {
    let mut bytes = [0; 64];
    if text.len() != 128 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(bytes)
}

/// Stores a file unless it is there with these bytes; says whether it changed.
fn put(path: &Path, bytes: &[u8]) -> Result<bool, FileError> {
    match files::read_bounded(path, bytes.len().max(MAX_KEY_FILE)) {
        Ok(here) if here == bytes => return Ok(false),
        Ok(_) => {}
        Err(fault) if fault.is_not_found() => {}
        Err(fault) => return Err(fault),
    }
    durable::publish(path, bytes)?;
    Ok(true)
}

/// Stores a certificate unless the one in place is as new; keeps the one it replaces.
fn put_certificate(certificate: &Certificate<'_>) -> Result<bool, KeysError> {
    let path = &certificate.path;
    let here = match files::read_bounded(path, MAX_KEY_FILE) {
        Ok(bytes) => String::from_utf8(bytes).ok(),
        Err(fault) if fault.is_not_found() => None,
        Err(fault) => return Err(fault.into()),
    };
    if let Some(here) = here.filter(|here| here != certificate.text)
        && let Ok((own, _)) = parse_chain(&here, &certificate.key)
        && let Ok(details) = CertificateDetails::from_der(&own)
    {
        if began(certificate.text, &certificate.key).is_some_and(|new| new < details.not_before) {
            return Ok(false);
        }
        let kept = path.with_extension(format!("{}.pem", details.serial_hex));
        put(&kept, here.as_bytes())?;
    }
    Ok(put(path, certificate.text.as_bytes())?)
}

fn began(text: &str, key: &dyn SealSigner) -> Option<u64> {
    let (own, _) = parse_chain(text, key).ok()?;
    Some(CertificateDetails::from_der(&own).ok()?.not_before)
}
