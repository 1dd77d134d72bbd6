//! The next keys beside those in force.
//!
//! `tls.key`, `statement.key` and `encryption.key` are always the newest, which the request
//! asks for; what they replace stays beside them, as `tls.<id>.key` and `statement.<id>.key`
//! and as further identities of `encryption.key`. Which one is used is said by the directory
//! alone, so there is no moment at which anything has to be switched, and no step whose loss
//! in a crash would matter.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use consign_domain::directory::{AgencyEntry, EntryState, KeyState, StatementKeyEntry};
use consign_domain::enrolment::{AgencyRequest, NodeRequest, Request};
use consign_domain::text::Line;
use consign_domain::{Digest, KeyId, NodeId, Timestamp};
use consign_keys::Keyring;
use consign_pki::encryption::EncryptionIdentity;
use consign_pki::issue::create_request;
use consign_pki::seal::{FileSealKey, KeyKind, SealSigner};
use consign_pki::statement::StatementKey;
use consign_runtime::entropy;
use consign_runtime::files;
use consign_runtime::tls::TlsIdentity;
use consign_verify::Directory;

use super::init::{agency_request, read_request, seal_request};
use super::{
    AgencyKeys, ENCRYPTION_KEY, KeysError, MAX_KEY_FILE, RESTORE, STATEMENT_KEY, read_identities,
    read_secret, read_signer, read_statement_key, unusable,
};
use crate::durable;
use crate::error::NodeError;
use crate::layout::{AgencyHome, NodeDirectory};

impl AgencyKeys {
    /// The keys of an agency that a directory has it use at a moment; the newest, where it
    /// lists none of them.
    ///
    /// # Errors
    /// As [`AgencyKeys::load`].
    pub fn in_force(
        home: &AgencyHome,
        directory: &Directory,
        at: Timestamp,
        keyring: &Keyring,
    ) -> Result<Self, KeysError> {
        let mut keys = Self::load(home, keyring)?;
        let since = |key: &StatementKey| {
            let id = KeyId::from_bytes(key.public().key_id());
            let known = directory.key(home.id().into(), id)?;
            let counts = known.may_sign_now() && known.counts_at(at);
            counts.then_some(known.entry.validity.from)
        };
        let mut newest = since(&keys.statement);
        for path in kept(&home.keys_dir(), "statement")? {
            let older = read_statement_key(&path, keyring)?;
            let from = since(&older);
            if from > newest {
                (keys.statement, newest) = (older, from);
            }
        }
        Ok(keys)
    }
}

/// The TLS identity that a directory knows the node by at a moment; the newest, where it
/// lists none.
///
/// # Errors
/// A key or certificate cannot be read.
pub(crate) fn identity_in_force(
    directory: &NodeDirectory,
    listed: &Directory,
    at: Timestamp,
    keyring: &Keyring,
) -> Result<TlsIdentity, KeysError> {
    let since = |identity: &TlsIdentity| {
        let certificate = Digest::from_bytes(identity.fingerprint().0);
        let node = listed.node_by_certificate(certificate, at)?;
        let mut tls = node.tls.iter();
        let entry = tls.find(|tls| tls.certificate == certificate)?;
        Some(entry.validity.from)
    };
    let newest = newest_identity(directory, keyring);
    let mut from = newest.as_ref().ok().and_then(since);
    let mut best = newest;
    let keys = directory.root().join("keys");
    for key in kept(&keys, "tls")? {
        if let Ok(older) = identity(&key.with_extension("pem"), &key, keyring)
            && (best.is_err() || since(&older) > from)
        {
            (from, best) = (since(&older), Ok(older));
        }
    }
    best
}

fn newest_identity(directory: &NodeDirectory, keyring: &Keyring) -> Result<TlsIdentity, KeysError> {
    let (certificate, key) = (directory.tls_certificate_file(), directory.tls_key_file());
    identity(&certificate, &key, keyring)
}

fn identity(certificate: &Path, key: &Path, keyring: &Keyring) -> Result<TlsIdentity, KeysError> {
    let chain = files::read_bounded(certificate, MAX_KEY_FILE)?;
    let secret = read_secret(key, keyring)?;
    TlsIdentity::from_pem(&chain, secret.as_bytes()).map_err(|source| KeysError::Identity {
        path: certificate.to_owned(),
        source,
    })
}

/// Makes the next keys of a node and its agencies, and the request for them; where the last
/// request's keys are not in the directory yet, that request again. Seals stay.
///
/// # Errors
/// [`KeysError`]; what was made until then is used by the next attempt.
pub(crate) fn next_request(
    directory: &NodeDirectory,
    listed: &Directory,
    at: Timestamp,
    keyring: &Keyring,
) -> Result<Vec<u8>, KeysError> {
    let before = read_request(directory)?.ok_or_else(|| NodeError::Missing {
        path: directory.request_file(),
        fix: "run: consign node init",
    })?;
    let tls = read_signer(&directory.tls_key_file(), keyring)?;
    let is_listed = |home: &AgencyHome| {
        let key = read_statement_key(&home.keys_dir().join(STATEMENT_KEY), keyring)?;
        let id = KeyId::from_bytes(key.public().key_id());
        Ok::<_, KeysError>(listed.key(home.id().into(), id).is_some())
    };
    let homes = directory.agencies()?;
    let mut request = before.clone();
    // Otherwise the last renewal is not over: its keys are asked for again.
    let begins = certificate_is_listed(directory, listed, before.id, keyring);
    if begins {
        let key = next_tls_key(directory, &*tls, keyring)?;
        request.tls = STANDARD.encode(create_request(&key, &before.id.to_string())?);
    } else if consign_pki::issue::verify_request(&STANDARD.decode(&before.tls).unwrap_or_default())
        .is_ok_and(|asked| asked != tls.public_key_der())
    {
        // A crash came between the key and the request.
        request.tls = STANDARD.encode(create_request(&*tls, &before.id.to_string())?);
    }
    if let Some(node) = listed.node(before.id) {
        request.name = node.name.clone();
    }
    request.agencies.clear();
    for home in &homes {
        let renews = |agency: &&AgencyEntry| {
            agency.node == before.id && agency.state == EntryState::Active && may_sign(agency, at)
        };
        let Some(agency) = listed.agency(home.id()).filter(renews) else {
            // Of others nothing is renewed, and nothing about them keeps these from it.
            continue;
        };
        let signs_here = home.has_certificate();
        if signs_here && begins && is_listed(home)? {
            next_agency_keys(home, keyring)?;
        }
        let mut asked = match asked_again(home, &before, keyring) {
            // Who waits for its certificate signs for no other keys than those that are listed,
            // and keeps nobody from renewal. With them it is asked for, lest it be forgotten.
            Ok(asked) if !signs_here && !has_listed_keys(&asked, agency) => continue,
            Err(_) if !signs_here => continue,
            asked => asked?,
        };
        name_as_listed(&mut asked, agency, listed, at);
        request.agencies.push(asked);
    }
    let bytes = Request::Node(request.clone()).to_bytes();
    if request != before {
        durable::publish(&directory.request_file(), &bytes)?;
    }
    Ok(bytes)
}

/// The request's part for an agency with its newest keys, and the seal that was asked for before.
fn asked_again(
    home: &AgencyHome,
    before: &NodeRequest,
    keyring: &Keyring,
) -> Result<AgencyRequest, KeysError> {
    let seal = before.agencies.iter().find(|asked| asked.id == home.id());
    // Its key signs nothing anew, and may be in a token that is away.
    let seal = match seal {
        Some(asked) => asked.seal.clone(),
        None => seal_request(home, keyring)?,
    };
    agency_request(home, seal, keyring)
}

/// Whether an agency asks for the keys that are listed as its newest.
fn has_listed_keys(asked: &AgencyRequest, agency: &AgencyEntry) -> bool {
    let statement = agency.statement_keys.last().map(|key| key.public.as_str());
    let encryption = agency.encryption_keys.last().map(|key| key.public.as_str());
    statement == Some(asked.statement.to_string().as_str())
        && encryption == Some(asked.encryption.as_str())
}

/// Whether an agency has a statement key in force: without one it cannot ask for the next.
fn may_sign(agency: &AgencyEntry, at: Timestamp) -> bool {
    let in_force =
        |key: &StatementKeyEntry| key.state == KeyState::Active && key.validity.contains(at);
    agency.statement_keys.iter().any(in_force)
}

/// Whether the certificate of the newest TLS key is not here: it was asked for, and the answer
/// was lost or has not come. Blocks.
pub(crate) fn awaits_certificate(directory: &NodeDirectory, keyring: &Keyring) -> bool {
    newest_identity(directory, keyring).is_err()
}

/// All TLS identities that are here, the newest first. Blocks.
///
/// # Errors
/// The keys cannot be listed.
pub(crate) fn identities(
    directory: &NodeDirectory,
    keyring: &Keyring,
) -> Result<Vec<TlsIdentity>, KeysError> {
    let newest = newest_identity(directory, keyring);
    let older = kept(&directory.root().join("keys"), "tls")?;
    let older = older
        .iter()
        .filter_map(|key| identity(&key.with_extension("pem"), key, keyring).ok());
    Ok(newest.ok().into_iter().chain(older).collect())
}

/// Whether the newest TLS key is the one that the directory lists.
fn certificate_is_listed(
    directory: &NodeDirectory,
    listed: &Directory,
    node: NodeId,
    keyring: &Keyring,
) -> bool {
    let Ok(newest) = newest_identity(directory, keyring) else {
        return false;
    };
    let certificate = Digest::from_bytes(newest.fingerprint().0);
    let entry = listed.node(node);
    entry.is_some_and(|node| node.tls.iter().any(|tls| tls.certificate == certificate))
}

/// Code, name and parent as the directory has them now, since a renewal changes none of these.
fn name_as_listed(
    request: &mut AgencyRequest,
    agency: &AgencyEntry,
    listed: &Directory,
    at: Timestamp,
) {
    if let Some(code) = agency.code_at(at) {
        request.code = code.clone();
    }
    if let Some(name) = agency.name_at(at).and_then(|name| Line::new(name).ok()) {
        request.name = name;
    }
    let above = agency.parent.and_then(|parent| listed.agency(parent));
    request.parent = above.and_then(|parent| parent.code_at(at).cloned());
}

/// Puts the TLS key and its certificate aside and makes the next key.
fn next_tls_key(
    directory: &NodeDirectory,
    current: &dyn SealSigner,
    keyring: &Keyring,
) -> Result<FileSealKey, KeysError> {
    let (path, id) = (
        directory.tls_key_file(),
        short(&Digest::of(current.public_key_der())),
    );
    let certificate = directory.tls_certificate_file();
    let chain = files::read_bounded(&certificate, MAX_KEY_FILE)?;
    durable::publish(&path.with_extension(format!("{id}.pem")), &chain)?;
    keep(&path, &id, keyring)?;
    let key = FileSealKey::generate(KeyKind::EcdsaP256).map_err(unusable(&path, RESTORE))?;
    keyring.replace(&path, &key.to_pkcs8_pem())?;
    Ok(key)
}

/// Puts the statement key aside, makes the next one, and puts the next encryption identity
/// before those that there are.
fn next_agency_keys(home: &AgencyHome, keyring: &Keyring) -> Result<(), KeysError> {
    let keys = home.keys_dir();
    let encryption = keys.join(ENCRYPTION_KEY);
    read_identities(&encryption, keyring)?;
    let mut text = EncryptionIdentity::generate().to_text();
    text.push('\n');
    text.push_str(&read_secret(&encryption, keyring)?);
    keyring.replace(&encryption, &text)?;
    let path = keys.join(STATEMENT_KEY);
    let current = read_statement_key(&path, keyring)?;
    keep(&path, &hex(&current.public().key_id()), keyring)?;
    let next = StatementKey::from_seed(entropy::bytes()?);
    keyring.replace(&path, &next.to_pkcs8_pem())?;
    Ok(())
}

/// Keeps a key beside itself, under a name of its own.
fn keep(path: &Path, id: &str, keyring: &Keyring) -> Result<(), KeysError> {
    let text = read_secret(path, keyring)?;
    let kept = path.with_extension(format!("{id}.key"));
    Ok(keyring.replace(&kept, &text)?)
}

/// The files of keys that were kept: `<stem>.<id>.key`.
fn kept(directory: &Path, stem: &str) -> Result<Vec<PathBuf>, KeysError> {
    let names = durable::names(directory)?;
    let is_kept = |name: &String| {
        let inner = name
            .strip_prefix(stem)
            .and_then(|rest| rest.strip_suffix(".key"));
        inner.is_some_and(|id| id.len() > 1 && id.starts_with('.'))
    };
    Ok(names
        .into_iter()
        .filter(is_kept)
        .map(|name| directory.join(name))
        .collect())
}

/// Removes TLS and statement keys that count no more and so serve nobody but a thief, where
/// newer ones that count are here. Encryption identities stay: what was encrypted to them must
/// be opened whenever it is read. A directory that is not fresh says nothing of now.
///
/// # Errors
/// A key cannot be read or removed.
pub(crate) fn forget_ended(
    directory: &NodeDirectory,
    listed: &Directory,
    at: Timestamp,
    keyring: &Keyring,
) -> Result<usize, KeysError> {
    let mut removed = 0;
    if !listed.is_fresh(at) {
        return Ok(removed);
    }
    for home in directory.agencies()? {
        let newest = read_statement_key(&home.keys_dir().join(STATEMENT_KEY), keyring)?;
        let newest = KeyId::from_bytes(newest.public().key_id());
        let newest = listed.key(home.id().into(), newest);
        if !newest.is_some_and(|key| key.may_sign_now() && key.counts_at(at)) {
            continue;
        }
        for path in kept(&home.keys_dir(), "statement")? {
            let id = read_statement_key(&path, keyring)?.public().key_id();
            let id = KeyId::from_bytes(id);
            let known = listed.key(home.id().into(), id);
            if known.is_some_and(|known| known.entry.validity.until.is_some_and(|end| end <= at)) {
                remove(&path)?;
                removed += 1;
            }
        }
    }
    let newest = newest_identity(directory, keyring);
    let newest = newest.map(|newest| Digest::from_bytes(newest.fingerprint().0));
    let takes_over = newest.is_ok_and(|newest| listed.node_by_certificate(newest, at).is_some());
    for path in kept(&directory.root().join("keys"), "tls")? {
        let Ok(identity) = identity(&path.with_extension("pem"), &path, keyring) else {
            continue;
        };
        let certificate = Digest::from_bytes(identity.fingerprint().0);
        let entry = listed.node_of_certificate(certificate);
        let has_ended = entry.iter().flat_map(|node| &node.tls).any(|tls| {
            let ended = tls.validity.until.is_some_and(|until| until <= at);
            tls.certificate == certificate && ended
        });
        if takes_over && has_ended {
            remove(&path)?;
            remove(&path.with_extension("pem"))?;
            removed += 1;
        }
    }
    Ok(removed)
}

fn remove(path: &Path) -> Result<(), KeysError> {
    fs::remove_file(path)
        .map_err(durable::io_fault(files::Action::Remove, path))
        .map_err(NodeError::from)?;
    Ok(())
}

fn short(digest: &Digest) -> String {
    hex(digest.as_bytes().get(..8).unwrap_or_default())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
