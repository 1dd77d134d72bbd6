//! `hub init` and `hub install`: a hub comes to a network by files.
//!
//! `init` makes the keys, `hub.toml` and `request.json`; the authority answers with a
//! bundle; `install` checks it and puts it in place. Both may be repeated after a crash:
//! what is there is kept.

mod error;
mod protect;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use consign_domain::enrolment::{Bundle, DirectoryBundle, HubRequest, MAX_REQUEST, Request};
use consign_domain::text::{Line, TextError};
use consign_domain::{Digest, DirectoryVersion, HubId, PartyCode, SignedStatement};
use consign_keys::Keyring;
use consign_pki::issue::{create_request, verify_request};
use consign_pki::path::{self, PathPurpose};
use consign_pki::seal::{KeyKind, SealSigner};
use consign_pki::statement::StatementKey;
use consign_runtime::entropy;
use consign_runtime::files::{self, FileError, PRIVATE_DIRECTORY};
use consign_runtime::tls::TlsIdentity;
use consign_verify::trust::MAX_TRUST;
use consign_verify::{Directory, TrustStore};

use crate::config::{Config, EXAMPLE};
use crate::directory;
use crate::identity::{
    STATEMENT_KEY, TIME_STAMP_CERTIFICATE, TIME_STAMP_KEY, TLS_CERTIFICATE, TLS_KEY, TimeStampKey,
    read_statement_key,
};

const CONFIG: &str = "hub.toml";
pub(crate) const REQUEST: &str = "request.json";
/// The line of the example that `init` replaces.
const LISTEN: &str = "listen = \"127.0.0.1:4433\"";
/// Everyone may read what is not secret.
pub(crate) const PUBLIC: u32 = 0o644;

pub use error::SetupError;
pub use protect::protect;

/// How keys are made.
#[derive(Debug, Clone, Default)]
pub struct NewKeys {
    /// The kind of the time-stamp key; where none is named, the one that is there, or P-256.
    pub time_stamp: Option<KeyKind>,
    /// What opens keys that are there and writes new ones.
    pub keyring: Arc<Keyring>,
}

/// What [`install`] put in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The network's name for people.
    pub network: String,
    /// The directory version that came along, if one did.
    pub directory: Option<DirectoryVersion>,
    /// Whether that directory lists this hub; else the authority must publish before the
    /// hub can start.
    pub listed: bool,
}

/// Makes a hub in `dir`: keys, `hub.toml` with the defaults, and `request.json` for the
/// authority, whose path is returned. What is there already is kept.
///
/// `address` is where nodes reach the hub. If its name is an IP address or `localhost`,
/// the hub listens there alone, otherwise on all addresses of the machine.
///
/// # Errors
/// The address or name is malformed, another hub lives there, or a file cannot be written.
pub fn init(dir: &Path, address: &str, name: &str) -> Result<PathBuf, SetupError> {
    init_with(dir, address, name, &NewKeys::default())
}

/// [`init`] with how keys are made. A time-stamp key that was put aside gives way to a new one, and
/// the certificate is asked for the key that is there.
///
/// # Errors
/// As there; or the time-stamp key that is there is of another kind than the one named.
pub fn init_with(
    dir: &Path,
    address: &str,
    name: &str,
    new: &NewKeys,
) -> Result<PathBuf, SetupError> {
    init_as(dir, address, name, None, new)
}

/// [`init_with`] for a hub that is registered already under an id, and lost its keys.
pub(crate) fn init_as(
    dir: &Path,
    address: &str,
    name: &str,
    id: Option<[u8; 16]>,
    new: &NewKeys,
) -> Result<PathBuf, SetupError> {
    let keyring = &*new.keyring;
    let listen = listen_on(address)?;
    let line = address_line(address)?;
    let code = PartyCode::service(name).map_err(|_| SetupError::Name {
        name: name.to_owned(),
    })?;
    files::create_dir_durable(dir, PRIVATE_DIRECTORY)?;
    let path = dir.join(REQUEST);
    let keys = dir.join("keys");
    keyring.join(&keys.join(TLS_KEY))?;
    if let Some(mut existing) = read_request(dir)? {
        if existing.code == code && existing.address == line {
            check_kind(&keys, new)?;
            if !asks_for_key_here(&existing, &keys, keyring)? {
                existing.time_stamp = Some(time_stamp_request(&keys, name, new)?);
                let request = Request::Hub(existing);
                files::publish(&path, &request.to_bytes(), PUBLIC)?;
            }
            return Ok(path);
        }
        return Err(SetupError::AlreadyThere {
            path: dir.to_owned(),
            code: existing.code,
            address: existing.address.to_string(),
        });
    }
    write_config(dir, listen, address)?;
    files::create_dir_durable(&keys, PRIVATE_DIRECTORY)?;
    let tls = certified_key(&keys.join(TLS_KEY), KeyKind::EcdsaP256, keyring)?;
    let statement = statement_key(&keys.join(STATEMENT_KEY), keyring)?;
    let tls = create_request(&*tls, name).map_err(|source| SetupError::Request { source })?;
    let request = Request::Hub(HubRequest {
        id: match id.map(HubId::from_bytes) {
            Some(Ok(id)) => id,
            _ => new_id()?,
        },
        code,
        address: line,
        tls: STANDARD.encode(tls),
        statement: Digest::from_bytes(statement.public().to_bytes()),
        time_stamp: Some(time_stamp_request(&keys, name, new)?),
    });
    files::publish(&path, &request.to_bytes(), PUBLIC)?;
    Ok(path)
}

/// Checks the authority's answer and puts it in place. The same bundle again changes
/// nothing.
///
/// # Errors
/// The bundle is not for this hub, or anything in it does not verify; nothing was changed.
pub fn install(dir: &Path, bundle: &[u8]) -> Result<Installed, SetupError> {
    install_with(dir, bundle, &Keyring::default())
}

/// [`install`] with what opens the hub's keys.
///
/// # Errors
/// As there.
pub fn install_with(dir: &Path, bundle: &[u8], keyring: &Keyring) -> Result<Installed, SetupError> {
    let request = read_request(dir)?.ok_or_else(|| SetupError::NotThere {
        path: dir.to_owned(),
    })?;
    let bundle = Bundle::parse(bundle).map_err(|source| SetupError::Enrolment { source })?;
    if *bundle.for_id.as_bytes() != request.id.to_bytes() {
        return Err(SetupError::OtherBundle {
            found: bundle.for_id.to_string(),
            expected: request.id,
        });
    }
    let keys = dir.join("keys");
    let key = keyring.read(&keys.join(TLS_KEY))?;
    let identity = TlsIdentity::from_pem(bundle.tls.as_bytes(), key.as_bytes())
        .map_err(|source| SetupError::Certificate { source })?;
    let trust = TrustStore::parse(bundle.trust.as_bytes())
        .map_err(|source| SetupError::Trust { source })?;
    let place = dir.join("trust");
    same_network(&place, &trust)?;
    if let Some(certificates) = &bundle.time_stamp {
        check_time_stamp(&keys, certificates, &trust, keyring)?;
    }
    let directory = bundle
        .directory
        .as_ref()
        .map(|directory| verify(directory, &trust))
        .transpose()?;
    files::create_dir_durable(&place, PRIVATE_DIRECTORY)?;
    files::publish(&place.join("trust.json"), bundle.trust.as_bytes(), PUBLIC)?;
    files::publish(
        &place.join("trust.pem"),
        bundle.trust_pem.as_bytes(),
        PUBLIC,
    )?;
    files::publish(&keys.join(TLS_CERTIFICATE), bundle.tls.as_bytes(), PUBLIC)?;
    if let Some(certificates) = &bundle.time_stamp {
        let path = keys.join(TIME_STAMP_CERTIFICATE);
        files::publish(&path, certificates.as_bytes(), PUBLIC)?;
    }
    if let Some(directory) = &directory {
        directory::publish(&place.join("directory"), directory)
            .map_err(|source| SetupError::Place { source })?;
    }
    let certificate = Digest::from_bytes(identity.fingerprint().0);
    let listed = directory.as_ref().is_some_and(|directory| {
        directory
            .hub(request.id)
            .is_some_and(|hub| hub.tls.iter().any(|tls| tls.certificate == certificate))
    });
    Ok(Installed {
        network: trust.name().to_owned(),
        directory: directory.map(|directory| directory.version()),
        listed,
    })
}

pub(crate) fn read_request(dir: &Path) -> Result<Option<HubRequest>, SetupError> {
    let bytes = match files::read_bounded(&dir.join(REQUEST), MAX_REQUEST) {
        Ok(bytes) => bytes,
        Err(fault) if fault.is_not_found() => return Ok(None),
        Err(fault) => return Err(fault.into()),
    };
    match Request::parse(&bytes) {
        Ok(Request::Hub(request)) => Ok(Some(request)),
        Ok(_) => Err(SetupError::NotThere {
            path: dir.to_owned(),
        }),
        Err(source) => Err(SetupError::Enrolment { source }),
    }
}

fn address_line(address: &str) -> Result<Line<260>, SetupError> {
    Line::new(address).map_err(|_: TextError| SetupError::Address {
        address: address.to_owned(),
    })
}

/// Where a hub listens that is reached at `address`.
fn listen_on(address: &str) -> Result<SocketAddr, SetupError> {
    let malformed = || SetupError::Address {
        address: address.to_owned(),
    };
    if let Ok(literal) = address.parse() {
        return Ok(literal);
    }
    let (host, port) = address.rsplit_once(':').ok_or_else(malformed)?;
    let port: u16 = port.parse().map_err(|_| malformed())?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    if host.is_empty() || !host.bytes().all(allowed) {
        return Err(malformed());
    }
    let ip = if host == "localhost" {
        Ipv4Addr::LOCALHOST
    } else {
        Ipv4Addr::UNSPECIFIED
    };
    Ok(SocketAddr::new(IpAddr::V4(ip), port))
}

/// Writes `hub.toml` unless there is one, which a person may have edited.
fn write_config(dir: &Path, listen: SocketAddr, address: &str) -> Result<(), SetupError> {
    let path = dir.join(CONFIG);
    let text = EXAMPLE.replace(LISTEN, &format!("listen = \"{listen}\""));
    let parsed = Config::parse(&text, &path).ok();
    if parsed.is_none_or(|config| config.listen != listen) {
        return Err(SetupError::Config {
            address: address.to_owned(),
        });
    }
    match files::publish_new(&path, text.as_bytes(), PUBLIC) {
        Ok(()) | Err(FileError::AlreadyExists { .. }) => Ok(()),
        Err(fault) => Err(fault.into()),
    }
}

/// Makes the key of the time-stamp authority, unless it is there, and asks for its certificate.
fn time_stamp_request(keys: &Path, name: &str, new: &NewKeys) -> Result<String, SetupError> {
    let path = keys.join(TIME_STAMP_KEY);
    let key = certified_key(&path, new.time_stamp.unwrap_or_default(), &new.keyring)?;
    check_kind(keys, new)?;
    let request = create_request(&*key, name).map_err(|source| SetupError::Request { source })?;
    Ok(STANDARD.encode(request))
}

/// Whether a request asks for a certificate of the time-stamp key that is here. One made by a
/// version that knew no time-stamps does not, nor one with a key that was put aside since.
fn asks_for_key_here(
    request: &HubRequest,
    keys: &Path,
    keyring: &Keyring,
) -> Result<bool, SetupError> {
    let Some(asked) = &request.time_stamp else {
        return Ok(false);
    };
    let key = match keyring.signer(&keys.join(TIME_STAMP_KEY)) {
        // Where no key at all is here they are kept elsewhere, and none is made.
        Err(missing) if missing.is_not_found() => return Ok(!keys.join(TLS_KEY).exists()),
        found => found?,
    };
    let asked = STANDARD.decode(asked).ok();
    let asked = asked.and_then(|request| verify_request(&request).ok());
    Ok(asked.is_some_and(|asked| asked == key.public_key_der()))
}

/// The time-stamp authority that a bundle's certificates make of the key here, if its network
/// accepts it.
pub(crate) fn check_time_stamp(
    keys: &Path,
    certificates: &str,
    trust: &TrustStore,
    keyring: &Keyring,
) -> Result<TimeStampKey, SetupError> {
    let held = TimeStampKey::new(keys, certificates, keyring)
        .map_err(|source| SetupError::Key { source })?;
    let (purpose, at) = (PathPurpose::time_stamping(), held.validity.0);
    path::validate(&held.certificate, &held.chain, trust.roots(), at, &purpose)
        .map_err(|source| SetupError::TimeStamp { source })?;
    Ok(held)
}

/// Refuses a kind of time-stamp key that the one that is there is not of: it is never replaced.
fn check_kind(keys: &Path, new: &NewKeys) -> Result<(), SetupError> {
    let path = keys.join(TIME_STAMP_KEY);
    let Some(wanted) = new.time_stamp else {
        return Ok(());
    };
    match new.keyring.signer(&path) {
        Err(missing) if missing.is_not_found() => Ok(()),
        Ok(key) if wanted.is_of(key.public_key_der()) => Ok(()),
        Ok(_) => Err(SetupError::OtherKind { path }),
        Err(fault) => Err(fault.into()),
    }
}

/// A key for which the authority is asked for a certificate: the one that is there, or a new one.
fn certified_key(
    path: &Path,
    kind: KeyKind,
    keyring: &Keyring,
) -> Result<Arc<dyn SealSigner>, SetupError> {
    match keyring.signer(path) {
        Err(missing) if missing.is_not_found() => Ok(keyring.make(path, kind)?),
        found => Ok(found?),
    }
}

fn statement_key(path: &Path, keyring: &Keyring) -> Result<StatementKey, SetupError> {
    if path.exists() {
        return read_statement_key(path, keyring).map_err(|source| SetupError::Key { source });
    }
    let seed = entropy::bytes().map_err(FileError::from)?;
    let key = StatementKey::from_seed(seed);
    keyring.write_new(path, &key.to_pkcs8_pem())?;
    Ok(key)
}

fn new_id() -> Result<HubId, SetupError> {
    let bytes = entropy::uuid_v4().map_err(FileError::from)?;
    // A UUID of version 4 has bits set and is not nil.
    HubId::from_bytes(bytes).map_err(|_| SetupError::Name {
        name: String::new(),
    })
}

fn same_network(place: &Path, trust: &TrustStore) -> Result<(), SetupError> {
    let bytes = match files::read_bounded(&place.join("trust.json"), MAX_TRUST) {
        Ok(bytes) => bytes,
        Err(fault) if fault.is_not_found() => return Ok(()),
        Err(fault) => return Err(fault.into()),
    };
    let ours = TrustStore::parse(&bytes).map_err(|source| SetupError::Trust { source })?;
    if ours.network() == trust.network() {
        Ok(())
    } else {
        Err(SetupError::OtherNetwork {
            ours: ours.network(),
            found: trust.network(),
        })
    }
}

fn verify(bundle: &DirectoryBundle, trust: &TrustStore) -> Result<Directory, SetupError> {
    let mut signature = [0; 64];
    hex::decode_to_slice(&bundle.signature, &mut signature)
        .map_err(|_| SetupError::DirectorySignature)?;
    let head = SignedStatement {
        statement: Bytes::copy_from_slice(bundle.head.as_bytes()),
        signature,
    };
    Directory::verify(head, bundle.entries.clone().into_bytes(), trust)
        .map_err(|source| SetupError::Directory { source })
}
