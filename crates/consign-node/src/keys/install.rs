//! `consign node install`: takes what the authority gave back.
//!
//! Everything in the bundle is checked before anything is stored. Storing is idempotent:
//! the same bundle twice changes nothing, an older one never replaces newer certificates
//! or a newer directory, and a certificate that is replaced stays beside the new one.

use std::path::Path;

use consign_domain::enrolment::{Bundle, DirectoryBundle};
use consign_domain::{AgencyCode, DirectoryVersion, SignedStatement};
use consign_keys::Keyring;
use consign_runtime::files::{self, FileError};
use consign_verify::trust::MAX_TRUST;
use consign_verify::{Directory, TrustStore};

use super::init::read_request;
use super::{Chain, KeyFault, KeysError, MAX_KEY_FILE, SEAL_CERTIFICATE, SEAL_KEY, read_signer};
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
    chain: Chain,
}

/// [`install_with`] keys in files without a passphrase.
///
/// # Errors
/// As there.
pub fn install(directory: &NodeDirectory, bundle: &[u8]) -> Result<Installed, KeysError> {
    install_with(directory, bundle, &Keyring::default())
}

/// Installs what the authority gave back. A token that keeps a seal key has to be there if the
/// bundle brings a certificate for it that is not here.
///
/// # Errors
/// [`KeysError`]; nothing was stored unless the fault is one of storing.
pub fn install_with(
    directory: &NodeDirectory,
    bundle: &[u8],
    keyring: &Keyring,
) -> Result<Installed, KeysError> {
    let _lock = directory.lock()?;
    let bundle = Bundle::parse(bundle).map_err(|source| KeysError::Bundle { source })?;
    let trust = check_whose(directory, &bundle)?;
    let offered = bundle.directory.as_ref();
    let offered = offered.map(|bundle| verify(bundle, &trust));
    let offered = offered.transpose()?;
    let mut installed = put_in_place(directory, &bundle, keyring)?;
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

/// [`install_with`] without the bundle's trust file and directory, by whoever holds the node's
/// lock.
pub(crate) fn put_in_place(
    directory: &NodeDirectory,
    bundle: &Bundle,
    keyring: &Keyring,
) -> Result<Installed, KeysError> {
    check_whose(directory, bundle)?;
    let homes = directory.agencies()?;
    let certificates = check_certificates(directory, &homes, bundle, keyring)?;
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
    keyring: &Keyring,
) -> Result<Vec<Certificate<'a>>, KeysError> {
    let check = |what: &str, text: &str, key: &Path| {
        let key = read_signer(key, keyring)?;
        let chain = Chain::parse(text).and_then(|chain| chain.of(key.public_key_der()));
        chain.map_err(|source| KeysError::Certificate {
            what: what.to_owned(),
            source,
        })
    };
    let chain = check("TLS", &bundle.tls, &directory.tls_key_file())?;
    let mut certificates = vec![Certificate {
        path: directory.tls_certificate_file(),
        text: &bundle.tls,
        chain,
    }];
    for seal in &bundle.seals {
        let home = homes.iter().find(|home| home.id() == seal.agency);
        let home = home.ok_or_else(|| KeysError::Certificate {
            what: seal.agency.to_string(),
            source: KeyFault::OtherKey,
        })?;
        let (path, text) = (home.keys_dir().join(SEAL_CERTIFICATE), &seal.certificates);
        if files::read_bounded(&path, MAX_KEY_FILE).is_ok_and(|here| here == text.as_bytes()) {
            // It was compared with its key when it came, which may be away.
            continue;
        }
        let chain = check(home.code().as_str(), text, &home.keys_dir().join(SEAL_KEY))?;
        certificates.push(Certificate { path, text, chain });
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
        && let Ok(before) = Chain::parse(&here).and_then(|here| here.of(&certificate.chain.public))
    {
        if certificate.chain.begins < before.begins {
            return Ok(false);
        }
        let kept = path.with_extension(format!("{}.pem", before.serial));
        put(&kept, here.as_bytes())?;
    }
    Ok(put(path, certificate.text.as_bytes())?)
}
